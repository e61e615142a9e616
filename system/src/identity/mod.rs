//! Who somebody is, and how they prove it: keys, passwords, session tokens.
//!
//! Pure: keys are drawn from a generator the caller supplies, and read from and written to files by
//! whoever owns the files.

mod authority;
mod challenge;
mod cluster;
mod fingerprint;
mod key_pair;
mod key_ring;
mod password;
mod token;

pub use authority::{
    Authority, AuthorityError, AuthorityPem, Issued, NODE_NAME, OPERATOR_NAME, Role, Validity,
};
pub use challenge::{BadChallenge, CHALLENGE_LIFETIME_MS, Challenge, Purpose};
pub use cluster::{ClusterKeys, FinderKey};
pub use fingerprint::{Fingerprint, InvalidFingerprint};
pub use key_pair::{InvalidKey, KeyPair, PublicKey, SIGNATURE_LEN};
pub use key_ring::{FIRST_KEY, KeyNumber, KeyRing, WrapError, WrappedKey};
pub use password::{InvalidPassword, Password, PasswordHash};
pub use token::{SessionId, SessionToken};
