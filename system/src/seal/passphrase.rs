//! Any bytes hidden under a passphrase. Needs no cluster.

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};

use super::{ContentKey, MAX_ORIGINAL_BYTES, Nonce, SealError};
use crate::{
    stego::{
        Cover, StegoError,
        layout::{self, FIRST_VERSION, Hidden, Kind, Payload, Plan},
    },
    wire::codec,
};

/// The most bytes that are hidden in one picture: 16 MiB.
pub const MAX_HIDDEN_BYTES: u64 = MAX_ORIGINAL_BYTES;
/// Length of a salt, in bytes.
pub const SALT_LEN: usize = 16;

const SUITE: &str = "veil 2 argon2id AES-256-GCM BLAKE3-commitment";
/// What argon2id (RFC 9106) costs: memory in KiB, passes, lanes. About a tenth of a second.
const COST: Cost = Cost { memory_kib: 64 << 10, passes: 3, lanes: 1 };
/// The most that a file may ask for.
const HIGHEST: Cost = Cost { memory_kib: 256 << 10, passes: 16, lanes: 4 };

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// What a picture says about the bytes it hides under a passphrase. Stands where a sealed image has its
/// permission block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    salt: [u8; SALT_LEN],
    cost: Cost,
    nonce: Nonce,
    /// How many bytes are hidden.
    pub len: u64,
    key_commitment: [u8; 32],
}

/// What the ciphertext is bound to.
#[derive(Serialize)]
struct Bound {
    suite: &'static str,
    version: u8,
    salt: [u8; SALT_LEN],
    cost: Cost,
    len: u64,
}

impl Bound {
    fn bytes(salt: [u8; SALT_LEN], cost: Cost, len: u64) -> Result<Vec<u8>, SealError> {
        Ok(codec::encode(&Self { suite: SUITE, version: FIRST_VERSION, salt, cost, len })?)
    }
}

impl Lock {
    /// Reads what [`hide`] wrote, by itself.
    ///
    /// # Errors
    /// [`SealError::BadBlock`].
    pub fn decode(bytes: &[u8]) -> Result<Self, SealError> {
        let lock = codec::decode(bytes)?;
        codec::check_shortest(&lock, bytes)?;
        Ok(lock)
    }

    /// The lock of what a picture was found to hide.
    ///
    /// # Errors
    /// Those of [`Self::decode`]; [`StegoError::OtherKind`] for a sealed image; [`SealError::Tampered`] when it
    /// does not belong to the body.
    pub fn of(hidden: &Hidden) -> Result<Self, SealError> {
        let Hidden { header, block, body, .. } = hidden;
        if header.kind != Kind::Passphrase {
            let (found, expected) = (header.kind.name(), Kind::Passphrase.name());
            return Err(StegoError::OtherKind { found, expected }.into());
        }
        let lock = Self::decode(block)?;
        let len = lock.len.saturating_add(AROUND as u64);
        if !body.starts_with(&lock.nonce.0) || body.len() as u64 != len {
            return Err(SealError::Tampered);
        }
        Ok(lock)
    }
}

/// The key of a passphrase.
fn key(passphrase: &str, salt: &[u8; SALT_LEN], cost: Cost) -> Result<ContentKey, SealError> {
    for (field, value, limit, unit) in [
        ("the passphrase's cost", cost.memory_kib, HIGHEST.memory_kib, "KiB"),
        ("the passphrase's cost", cost.passes, HIGHEST.passes, "passes"),
        ("the passphrase's cost", cost.lanes, HIGHEST.lanes, "lanes"),
    ] {
        if value > limit {
            return Err(SealError::TooLarge { field, value: value.into(), limit: limit.into(), unit });
        }
    }
    // RFC 9106, section 3.1.
    for (field, value, least, expected) in [
        ("number of lanes of the passphrase's cost", cost.lanes, 1, "at least 1"),
        ("number of passes of the passphrase's cost", cost.passes, 1, "at least 1"),
        ("memory of the passphrase's cost, in KiB,", cost.memory_kib, 8 * cost.lanes, "at least 8 a lane"),
    ] {
        if value < least {
            return Err(StegoError::BadField { field, value: value.into(), expected }.into());
        }
    }
    let bad = |_| StegoError::BadField {
        field: "memory of the passphrase's cost, in KiB,",
        value: cost.memory_kib.into(),
        expected: "what argon2id accepts",
    };
    let mut key = [0; 32];
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(key.len())).map_err(bad)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into(passphrase.as_bytes(), salt, &mut key).map_err(bad)?;
    Ok(ContentKey::from_bytes(key))
}

/// Bytes around those that are hidden.
const AROUND: usize = Nonce::LEN + ContentKey::OVERHEAD;

/// How many bytes lie in the picture when `len` are hidden.
pub fn hidden_len(len: usize) -> usize {
    len.saturating_add(AROUND)
}

/// Hides `bytes` in `cover` under `passphrase`, as a PNG file. `salt` must be random. What was written was
/// read back.
///
/// # Errors
/// [`SealError::TooLarge`] beyond [`MAX_HIDDEN_BYTES`]; those of [`Plan::new`] and [`layout::write()`].
pub fn hide(
    bytes: &[u8],
    passphrase: &str,
    salt: [u8; SALT_LEN],
    cover: &Cover,
) -> Result<(Vec<u8>, Plan), SealError> {
    let len = bytes.len() as u64;
    if len > MAX_HIDDEN_BYTES {
        let (field, limit, unit) = ("what is to be hidden", MAX_HIDDEN_BYTES, "bytes");
        return Err(SealError::TooLarge { field, value: len, limit, unit });
    }
    let plan = Plan::new(cover, hidden_len(bytes.len()))?;
    let key = key(passphrase, &salt, COST)?;
    let bound = Bound::bytes(salt, COST, len)?;
    let nonce = key.nonce(blake3::hash(bytes).as_bytes(), &bound);
    let mut body = nonce.0.to_vec();
    key.encrypt(nonce, bytes, &bound, &mut body)?;
    let lock = Lock { salt, cost: COST, nonce, len, key_commitment: key.commitment() };
    let lock = codec::encode(&lock)?;
    let mut png = Vec::new();
    let payload = Payload { version: FIRST_VERSION, kind: Kind::Passphrase, block: &lock, body: &body };
    layout::write(cover, &plan, payload, &mut Vec::new(), &mut png)?;
    Ok((png, plan))
}

/// Whether a picture hides something under a passphrase, for who has yet to ask for it.
///
/// # Errors
/// Why it does not: those of [`reveal`] that need no passphrase.
pub fn check_hidden(file: &[u8]) -> Result<(), SealError> {
    Lock::of(&layout::read(file)?).map(|_| ())
}

/// Gives back what [`hide`] has hidden.
///
/// # Errors
/// Those of [`layout::read()`]; [`StegoError::OtherKind`] for a sealed image; [`SealError::WrongPassphrase`];
/// [`SealError::Tampered`] when the passphrase is right and something was changed;
/// [`SealError::TooLarge`] when the file asks for more memory or time than anything Veil writes.
pub fn reveal(file: &[u8], passphrase: &str) -> Result<Vec<u8>, SealError> {
    let hidden = layout::read(file)?;
    let Lock { salt, cost, nonce, len, key_commitment } = Lock::of(&hidden)?;
    let key = key(passphrase, &salt, cost)?;
    if blake3::Hash::from_bytes(key.commitment()) != blake3::Hash::from_bytes(key_commitment) {
        return Err(SealError::WrongPassphrase);
    }
    key.decrypt(nonce, &hidden.body[Nonce::LEN..], &Bound::bytes(salt, cost, len)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stego::Raster;

    fn cover() -> Cover {
        Raster::new(150, 120, (0..54_000).map(|i| (i / 450) as u8).collect()).unwrap().into()
    }

    fn hidden(bytes: &[u8]) -> Vec<u8> {
        hide(bytes, "correct horse", [5; SALT_LEN], &cover()).unwrap().0
    }

    #[test]
    fn what_is_hidden_comes_back_to_whoever_knows_the_passphrase() {
        for bytes in [&b"meet me at noon"[..], b"", &[7; 20_000]] {
            let file = hidden(bytes);
            assert_eq!(reveal(&file, "correct horse").unwrap(), bytes);
            assert!(matches!(reveal(&file, "Correct horse"), Err(SealError::WrongPassphrase)));
        }
        let hash = blake3::hash(&layout::read(&hidden(b"meet me at noon")).unwrap().body);
        assert_eq!(
            hash.to_hex().as_str(),
            "a1640d50f000f39baaee70e621c1b05bc414994a7efbe304a16ee43aa2902a59"
        );
    }

    #[test]
    fn a_file_cannot_ask_for_more_than_the_limit() {
        let lock = Lock {
            salt: [0; SALT_LEN],
            cost: Cost { memory_kib: u32::MAX, ..COST },
            nonce: Nonce([0; 12]),
            len: 0,
            key_commitment: [0; 32],
        };
        let refused = |lock: &Lock| {
            let (body, block) = ([0; AROUND], codec::encode(lock).unwrap());
            let plan = Plan::new(&cover(), body.len()).unwrap();
            let mut file = Vec::new();
            let payload =
                Payload { version: FIRST_VERSION, kind: Kind::Passphrase, block: &block, body: &body };
            layout::write(&cover(), &plan, payload, &mut Vec::new(), &mut file).unwrap();
            reveal(&file, "any").unwrap_err().to_string()
        };
        assert_eq!(refused(&lock), "the passphrase's cost is 4294967295 KiB, the limit is 262144");
        let none = Lock { cost: Cost { memory_kib: 0, passes: 1, lanes: 1 }, ..lock };
        assert!(refused(&none).ends_with("in KiB, is 0, expected at least 8 a lane"), "{}", refused(&none));
        let crowded = Lock { cost: Cost { memory_kib: 31, passes: 1, lanes: 4 }, ..none };
        assert!(refused(&crowded).ends_with("in KiB, is 31, expected at least 8 a lane"));
    }

    #[test]
    fn what_is_too_long_is_refused_before_any_work() {
        let long = vec![0; MAX_HIDDEN_BYTES as usize + 1];
        let refused = hide(&long, "any", [0; SALT_LEN], &cover());
        assert!(matches!(refused, Err(SealError::TooLarge { limit: MAX_HIDDEN_BYTES, .. })));
    }
}
