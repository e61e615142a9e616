//! The header: the first 32 bytes hidden.

use crate::stego::{StegoError, lsb::Density};

/// What every header begins with.
pub const MAGIC: [u8; 4] = *b"VEIL";
/// The newest version of the format that this build reads and writes.
pub const VERSION: u8 = 3;
/// The oldest that it reads. It goes on writing it where nothing has changed since: for bytes under a passphrase.
pub const FIRST_VERSION: u8 = 2;
/// Length of the header, in bytes.
pub const HEADER_LEN: usize = 32;

/// What is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An image of which the cluster releases the key.
    SealedImage,
    /// Any bytes, under a passphrase.
    Passphrase,
}

impl Kind {
    const ALL: [Self; 2] = [Self::SealedImage, Self::Passphrase];

    fn number(self) -> u8 {
        match self {
            Self::SealedImage => 1,
            Self::Passphrase => 2,
        }
    }

    /// What it is, for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::SealedImage => "a sealed image",
            Self::Passphrase => "bytes under a passphrase",
        }
    }
}

/// The fixed header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The version of the format, of [`FIRST_VERSION`] to [`VERSION`].
    pub version: u8,
    /// What is hidden.
    pub kind: Kind,
    /// How dense the body lies.
    pub density: Density,
    /// Length of the body, in bytes.
    pub body_len: u32,
    /// CRC-32 of the body.
    pub body_crc: u32,
    /// Adler-32 of all rows behind the front, with their filters.
    pub rest_adler: u32,
}

impl Header {
    /// The header as it is hidden.
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = self.version;
        bytes[5] = self.density.bits();
        bytes[6] = self.kind.number();
        bytes[8..12].copy_from_slice(&self.body_len.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.body_crc.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.rest_adler.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..28]);
        bytes[28..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header. Its length is not yet held against any picture.
    ///
    /// # Errors
    /// [`StegoError::NothingHidden`] without the magic, [`StegoError::NewerVersion`],
    /// [`StegoError::Damaged`] when the checksum is wrong, [`StegoError::BadField`] for what no version
    /// writes.
    pub fn from_bytes(bytes: &[u8; HEADER_LEN]) -> Result<Self, StegoError> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let [version, bits, kind] = [bytes[4], bytes[5], bytes[6]];
        if bytes[..4] != MAGIC {
            return Err(StegoError::NothingHidden);
        }
        // Before the checksum: a later version may keep it elsewhere.
        if version > VERSION {
            return Err(StegoError::NewerVersion { found: version, newest: VERSION });
        }
        if crc32fast::hash(&bytes[..28]) != word(28) {
            return Err(StegoError::Damaged { part: "the header" });
        }
        let bad = |field, value, expected| StegoError::BadField { field, value, expected };
        if version < FIRST_VERSION {
            return Err(bad("the format version", version.into(), "2 or 3"));
        }
        let density =
            Density::from_bits(bits).ok_or_else(|| bad("bits a channel", bits.into(), "1, 2 or 4"))?;
        let kind = Kind::ALL.into_iter().find(|known| known.number() == kind);
        let kind = kind.ok_or_else(|| bad("what is hidden", bytes[6].into(), "1 or 2"))?;
        let zeros = bytes[7] != 0 || bytes[20..28] != [0; 8];
        if zeros {
            return Err(bad("a reserved byte of the header", 1, "zero"));
        }
        Ok(Self { version, kind, density, body_len: word(8), body_crc: word(12), rest_adler: word(16) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        version: 3,
        kind: Kind::SealedImage,
        density: Density::Two,
        body_len: 0x0304_0506,
        body_crc: 0x0b0c_0d0e,
        rest_adler: 0x0708_090a,
    };

    #[test]
    fn the_header_is_held_still() {
        let golden = b"VEIL\x03\x02\x01\0\x06\x05\x04\x03\x0e\x0d\x0c\x0b\x0a\x09\x08\x07\0\0\0\0\0\0\0\0";
        for version in [3, 2] {
            let mut golden = *golden;
            golden[4] = version;
            let header = Header { version, ..HEADER };
            let bytes = header.to_bytes();
            assert_eq!(bytes[..28], golden);
            assert_eq!(bytes[28..], crc32fast::hash(&golden).to_le_bytes());
            assert_eq!(Header::from_bytes(&bytes).unwrap(), header);
        }
    }

    #[test]
    fn a_header_with_a_right_checksum_may_still_be_refused() {
        let forged = |at: usize, value: u8| {
            let mut bytes = HEADER.to_bytes();
            bytes[at] = value;
            let crc = crc32fast::hash(&bytes[..28]).to_le_bytes();
            bytes[28..].copy_from_slice(&crc);
            Header::from_bytes(&bytes).unwrap_err()
        };
        assert!(matches!(forged(0, b'v'), StegoError::NothingHidden));
        assert!(matches!(forged(4, 4), StegoError::NewerVersion { found: 4, newest: 3 }));
        assert!(matches!(forged(4, 1), StegoError::BadField { value: 1, .. }));
        assert!(matches!(forged(5, 3), StegoError::BadField { value: 3, .. }));
        assert!(matches!(forged(6, 0), StegoError::BadField { value: 0, .. }));
        assert!(matches!(forged(7, 1), StegoError::BadField { .. }));
        assert!(matches!(forged(27, 1), StegoError::BadField { .. }));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        for bit in 0..HEADER_LEN * 8 {
            let mut bytes = HEADER.to_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::from_bytes(&bytes).is_err(), "bit {bit}");
        }
    }
}
