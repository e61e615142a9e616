//! Any bytes as a permission block, or as what stands in its place under a passphrase.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use veil::{
    identity::ClusterKeys,
    seal::{Lock, SignedBlock},
};

static CLUSTER: LazyLock<ClusterKeys> = LazyLock::new(|| ClusterKeys::from_secret([7; 32]));

fuzz_target!(|data: &[u8]| {
    let _ = Lock::decode(data);
    let Ok(signed) = SignedBlock::decode(data) else { return };
    assert_eq!(signed.as_bytes(), data);
    let block = signed.unverified();
    let finder = CLUSTER.finder(&block.owner);
    let _ = block.grants.views_left(&finder, block.image, block.revision);
    // Nobody but the cluster signs in its name, and what was read is written the same.
    assert!(signed.verify(&CLUSTER.public()).is_err());
    if let Ok(again) = block.clone().sign(&CLUSTER) {
        let end = data.len() - 64;
        assert_eq!(again.as_bytes()[..end], data[..end]);
    }
});
