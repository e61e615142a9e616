//! Who somebody is, proven by keys: users sign with theirs, the cluster with its own.
//!
//! Pure: keys are drawn from a generator the caller supplies, and read from and written to files by
//! whoever owns the files.

mod authority;
mod cluster;
mod fingerprint;
mod key_pair;

pub use authority::{
    Authority, AuthorityError, AuthorityPem, Issued, NODE_NAME, OPERATOR_NAME, Role, Validity,
};
pub use cluster::{ClusterKeys, FinderKey};
pub use fingerprint::{Fingerprint, InvalidFingerprint};
pub use key_pair::{InvalidKey, KeyPair, PublicKey, SIGNATURE_LEN};
