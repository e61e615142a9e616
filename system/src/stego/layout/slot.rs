//! A slot: room for one permission block. A picture has two.
//!
//! A new block goes into the slot that does not hold the present one, under the next generation. While it
//! is half written its checksum is wrong, and the other slot still holds the old block.

use crate::stego::StegoError;

/// Length of a slot, in bytes.
pub const SLOT_LEN: usize = 2_048;
/// The longest permission block, in bytes.
pub const BLOCK_CAPACITY: usize = SLOT_LEN - BEFORE_BLOCK;

/// Bytes of a slot before its block.
const BEFORE_BLOCK: usize = 12;

/// What a slot holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slot {
    /// Nothing yet.
    Empty,
    /// A block.
    Holds {
        /// Of two slots, the one of the higher generation counts.
        generation: u32,
        /// The block's bytes.
        block: Vec<u8>,
    },
    /// Half written, or damaged.
    Torn,
}

impl Slot {
    /// The bytes of a slot: generation and block length, little-endian in four bytes each, CRC-32 of these
    /// and all that follows, the block, and zeros.
    ///
    /// # Errors
    /// [`StegoError::TooLarge`] for a block beyond [`BLOCK_CAPACITY`].
    pub fn bytes(generation: u32, block: &[u8]) -> Result<[u8; SLOT_LEN], StegoError> {
        let mut bytes = [0; SLOT_LEN];
        let room = bytes.get_mut(BEFORE_BLOCK..BEFORE_BLOCK + block.len()).ok_or(StegoError::TooLarge {
            field: "permission block",
            value: block.len() as u64,
            limit: BLOCK_CAPACITY as u64,
            unit: "bytes",
        })?;
        room.copy_from_slice(block);
        bytes[..4].copy_from_slice(&generation.to_le_bytes());
        bytes[4..8].copy_from_slice(&(block.len() as u32).to_le_bytes());
        let crc = checksum(&bytes);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        Ok(bytes)
    }

    /// Reads a slot.
    pub fn from_bytes(bytes: &[u8; SLOT_LEN]) -> Self {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        if bytes.iter().all(|&byte| byte == 0) {
            return Self::Empty;
        }
        let (generation, len) = (word(0), word(4) as usize);
        let whole = checksum(bytes) == word(8) && generation > 0;
        match bytes[BEFORE_BLOCK..].get(..len) {
            Some(block) if whole => Self::Holds { generation, block: block.to_vec() },
            _ => Self::Torn,
        }
    }

    /// Its generation, 0 without a block.
    pub fn generation(&self) -> u32 {
        match self {
            Self::Holds { generation, .. } => *generation,
            _ => 0,
        }
    }
}

fn checksum(bytes: &[u8; SLOT_LEN]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&bytes[..8]);
    crc.update(&bytes[BEFORE_BLOCK..]);
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_held_still_and_read_back() {
        let bytes = Slot::bytes(3, b"block").unwrap();
        assert_eq!(bytes[..8], [3, 0, 0, 0, 5, 0, 0, 0]);
        assert_eq!(bytes[12..18], *b"block\0");
        assert_eq!(Slot::from_bytes(&bytes), Slot::Holds { generation: 3, block: b"block".to_vec() });
        assert_eq!(Slot::from_bytes(&[0; SLOT_LEN]), Slot::Empty);
    }

    #[test]
    fn every_flipped_bit_tears_it() {
        let bytes = Slot::bytes(1, b"block").unwrap();
        for bit in 0..SLOT_LEN * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Slot::from_bytes(&bytes), Slot::Torn, "bit {bit}");
        }
    }

    #[test]
    fn a_block_has_its_limit() {
        assert!(Slot::bytes(1, &[1; BLOCK_CAPACITY]).is_ok());
        let error = Slot::bytes(1, &[1; BLOCK_CAPACITY + 1]).unwrap_err();
        assert!(matches!(error, StegoError::TooLarge { value: 2_037, limit: 2_036, .. }));
    }
}
