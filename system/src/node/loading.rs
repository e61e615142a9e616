//! What is brought back from a dump: whether this cluster has the keys for it.
//!
//! Without them it would be there and could never be opened, and the directory could not be put right any more: what it holds
//! already has to be the same.

use crate::{
    directory::{ImageId, Record, Refusal, Restore},
    identity::{KeyNumber, KeyRing, WrapError, WrappedKey},
};

/// Whether the content keys of these records, and the one that is in use, are under keys of this ring.
///
/// # Errors
/// [`Refusal::BadRecord`].
pub(super) fn check_records(ring: &KeyRing, Restore { records }: &Restore) -> Result<(), Refusal> {
    records.iter().try_for_each(|record| match record {
        Record::Settings(settings) => check_in_use(ring, settings.wrapping_key),
        // One that is malformed is refused by the directory.
        Record::Image(image) | Record::Sealed(image, _) => {
            image.key().map_or(Ok(()), |key| check_key(ring, image.image, &key))
        }
        _ => Ok(()),
    })
}

/// The same, of content keys alone.
///
/// # Errors
/// [`Refusal::BadRecord`].
pub(super) fn check_keys(
    ring: &KeyRing,
    in_use: KeyNumber,
    keys: &[(ImageId, WrappedKey)],
) -> Result<(), Refusal> {
    check_in_use(ring, in_use)?;
    keys.iter().try_for_each(|(image, key)| check_key(ring, *image, key))
}

fn check_in_use(ring: &KeyRing, number: KeyNumber) -> Result<(), Refusal> {
    match ring.numbers().any(|held| held == number) {
        true => Ok(()),
        false => Err(bad(
            "settings".to_owned(),
            format!(
                "key-encryption key {number} is in use in it, and cluster.key here has none of that number"
            ),
        )),
    }
}

fn check_key(ring: &KeyRing, image: ImageId, key: &WrappedKey) -> Result<(), Refusal> {
    let reason = match ring.unwrap(image, key) {
        Ok(_) => return Ok(()),
        Err(WrapError::NoSuchKey { number }) => {
            format!(
                "its content key is under key-encryption key {number}, and cluster.key here has none of that number"
            )
        }
        Err(WrapError::Damaged { number, .. }) => format!(
            "its content key does not open under key-encryption key {number} of the cluster.key here: the dump is of \
             another cluster, or was changed"
        ),
    };
    Err(bad(format!("image {image}"), reason))
}

fn bad(record: String, reason: String) -> Refusal {
    const WHAT_TO_DO: &str = "Nothing was changed. Give every node the cluster.key of the cluster that was dumped, \
                              all of its lines, before the new cluster is founded, and load again";
    Refusal::BadRecord { record, reason: format!("{reason}. {WHAT_TO_DO}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{directory::SettingsRecord, identity::ClusterKeys, node::Entropy, seal::ContentKey};

    fn said(refused: Result<(), Refusal>) -> String {
        refused.unwrap_err().to_string()
    }

    #[test]
    fn keys_of_another_cluster_or_of_none_are_told_with_image_number_and_what_to_do() {
        let (ours, theirs) = (ClusterKeys::from_secret([1; 32]), ClusterKeys::from_secret([2; 32]));
        let (image, content) = (ImageId(7), ContentKey::from_bytes([5; 32]));
        let wrapped = theirs.ring().wrap(1, image, &content, [3; 12]).unwrap();
        check_keys(theirs.ring(), 1, &[(image, wrapped.clone())]).unwrap();
        let other = said(check_keys(ours.ring(), 1, &[(image, wrapped.clone())]));
        assert!(
            other.starts_with(&format!("image {image} refused: its content key does not open under")),
            "{other}"
        );
        assert!(other.contains("Give every node the cluster.key of the cluster that was dumped"), "{other}");
        let mut further = theirs.clone();
        Entropy::from_seed(1).draw(|random| further.add_key(random));
        let later = further.ring().wrap(2, image, &content, [4; 12]).unwrap();
        let missing = said(check_keys(theirs.ring(), 1, &[(image, wrapped), (image, later)]));
        assert!(
            missing.contains("is under key-encryption key 2, and cluster.key here has none"),
            "{missing}"
        );
        let settings = Record::Settings(SettingsRecord { wrapping_key: 2, quotas: None });
        let in_use = said(check_records(theirs.ring(), &Restore { records: vec![settings] }));
        assert!(in_use.starts_with("settings refused: key-encryption key 2 is in use in it"), "{in_use}");
    }
}
