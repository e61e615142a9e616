//! `veil inspect`: what a sealed image says about itself, to whoever looks.

use std::{fmt::Write as _, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use super::{ClusterArgs, block_on, escape::shown, picture::Carrying, read_sealed, session::UserArgs};
use crate::{
    directory::UserName,
    identity::{FinderKey, PublicKey},
    seal::{Lock, PermissionBlock, SealError, SealedFile},
    stego::layout::{self, Kind},
};

/// Show what a sealed image says about itself.
///
/// Needs no cluster and no key, and takes no view. A stranger sees whose image it is and how many grants
/// there are, not whose. With --cluster-key it is told whether your cluster signed. With --own the cluster is
/// asked for your key, and your own grant is shown. Exits with 1 if the signature is bad.
#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// The sealed image; - for standard input.
    sealed: PathBuf,
    /// The public key of your cluster, which `veil cluster init` printed.
    #[arg(long, env = "VEIL_CLUSTER_KEY", value_name = "KEY")]
    cluster_key: Option<PublicKey>,
    /// Show your own grant; the cluster is asked for the key to it. You have to be logged in.
    #[arg(long)]
    own: bool,
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) fn run(args: &InspectArgs) -> anyhow::Result<ExitCode> {
    let InspectArgs { sealed, cluster_key, own, who, cluster } = args;
    let bytes = read_sealed(sealed, cluster.timeout)?;
    let mut inspected = Inspected::of(&bytes).with_context(|| shown(sealed))?;
    let mut trusted = *cluster_key;
    if let (true, What::Image(image)) = (own, &mut inspected.what) {
        let (user, keys) = block_on(async {
            let me = who.logged_in(cluster).await?;
            let keys = me.client.keys(cluster.deadline()).await?;
            Ok((me.user, keys))
        })?;
        trusted = trusted.or(Some(keys.cluster));
        image.find(user, &keys.finder);
    }
    if let What::Image(image) = &mut inspected.what {
        image.check(trusted);
    }
    cluster.print(inspected.text().trim_end(), inspected.json())?;
    Ok(if inspected.is_bad() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A picture that hides something, seen from outside.
struct Inspected {
    picture: Carrying,
    version: u8,
    body_len: u32,
    what: What,
}

enum What {
    Image(Box<Image>),
    Bytes(Lock),
}

struct Image {
    file: SealedFile,
    signature: Signature,
    own: Option<(UserName, Option<u32>)>,
}

/// What can be told of the signature.
enum Signature {
    /// Made by the key that the block names; whether that is the cluster's was not said.
    Unknown,
    Good,
    Bad(SealError),
}

impl Inspected {
    /// Looks at all of a file, so that damage anywhere is noticed.
    fn of(bytes: &[u8]) -> Result<Self, SealError> {
        let hidden = layout::read(bytes)?;
        let (geometry, header) = (hidden.geometry, hidden.header);
        let what = match header.kind {
            Kind::SealedImage => {
                let image =
                    Image { file: SealedFile::read(bytes)?, signature: Signature::Unknown, own: None };
                What::Image(Box::new(image))
            }
            Kind::Passphrase => What::Bytes(Lock::of(&hidden)?),
        };
        let picture = Carrying::expected(geometry, header.density, header.body_len as usize);
        Ok(Self { picture, version: header.version, body_len: header.body_len, what })
    }

    fn is_bad(&self) -> bool {
        matches!(&self.what, What::Image(image) if matches!(image.signature, Signature::Bad(_)))
    }

    fn json(&self) -> Value {
        let mut json = self.picture.json();
        json["format_version"] = self.version.into();
        json["hidden_bytes"] = self.body_len.into();
        match &self.what {
            What::Image(image) => image.add_to(&mut json),
            What::Bytes(lock) => {
                json["kind"] = "passphrase".into();
                json["original_bytes"] = lock.len.into();
            }
        }
        json
    }

    fn text(&self) -> String {
        let mut lines = match &self.what {
            What::Image(image) => image.lines(),
            What::Bytes(lock) => vec![("hides", format!("{} bytes under a passphrase", lock.len))],
        };
        lines.push(("picture", self.picture.text()));
        lines.push(("format", format!("version {}, {} bytes hidden", self.version, self.body_len)));
        let mut text = String::new();
        for (name, value) in lines {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name:<9}  {value}");
        }
        text
    }
}

impl Image {
    fn block(&self) -> &PermissionBlock {
        self.file.block.unverified()
    }

    /// Finds the user's own grant.
    fn find(&mut self, user: UserName, finder: &FinderKey) {
        let PermissionBlock { grants, image, revision, .. } = self.block();
        self.own = Some((user, grants.views_left(finder, *image, *revision)));
    }

    /// Looks at the signature; `trusted` is the key of the cluster that one trusts.
    fn check(&mut self, trusted: Option<PublicKey>) {
        let verified = match trusted {
            Some(trusted) => self.file.block.verify(&trusted).map(|_| Signature::Good),
            None if self.file.block.is_consistent() => Ok(Signature::Unknown),
            None => Err(SealError::Forged),
        };
        self.signature = verified.unwrap_or_else(Signature::Bad);
    }

    fn add_to(&self, json: &mut Value) {
        let block = self.block();
        let signature = match &self.signature {
            Signature::Good => "good",
            Signature::Unknown => "unknown",
            Signature::Bad(_) => "bad",
        };
        let more = json!({
            "kind": "sealed image",
            "image": block.image.to_string(),
            "owner": block.owner.as_str(),
            "owner_key": block.owner_key.to_string(),
            "media": block.media.to_string(),
            "original_bytes": block.original_len,
            "revision": block.revision,
            "issued_ms": block.issued_ms,
            "grants": block.grants.len(),
            "key_commitment": blake3::Hash::from_bytes(block.key_commitment).to_hex().as_str(),
            "cluster_key": block.cluster.to_string(),
            "signature": signature,
        });
        // Both are objects.
        if let (Some(json), Value::Object(more)) = (json.as_object_mut(), more) {
            json.extend(more);
        }
        if let Some((user, views)) = &self.own {
            json["own"] = json!({ "user": user.as_str(), "views": views });
        }
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let block = self.block();
        let issued = std::time::UNIX_EPOCH.checked_add(Duration::from_millis(block.issued_ms));
        // humantime ends with the year 9999, a forged block need not.
        let issued = issued.filter(|_| block.issued_ms < 253_402_300_800_000);
        let issued = issued
            .map_or("in no year known".to_owned(), |at| humantime::format_rfc3339_seconds(at).to_string());
        let signature = match &self.signature {
            Signature::Good => format!("good: by cluster {}", block.cluster),
            Signature::Unknown => {
                format!("by {}; with --cluster-key it is told whether that is your cluster", block.cluster)
            }
            Signature::Bad(why) => format!("BAD: {why}"),
        };
        let mut lines = vec![
            ("image", block.image.to_string()),
            ("owner", format!("{}, key {}", block.owner, block.owner_key)),
            ("original", format!("{}, {} bytes", block.media, block.original_len)),
            ("revision", format!("{}, issued {issued}", block.revision)),
            ("signature", signature),
            ("grants", format!("{}, each for its own user's eyes", block.grants.len())),
        ];
        if let Some((user, views)) = &self.own {
            let views = match views {
                None => "no grant".to_owned(),
                Some(1) => "1 view left".to_owned(),
                Some(views) => format!("{views} views left"),
            };
            lines.push(("", format!("{user}: {views}")));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        directory::ImageId,
        identity::ClusterKeys,
        seal::{ContentKey, Media, Scratch, Subject, hide, seal_image},
        stego::{Cover, Raster},
    };

    fn keys() -> ClusterKeys {
        ClusterKeys::from_secret([7; 32])
    }

    fn cover() -> Cover {
        Raster::new(150, 120, vec![90; 54_000]).unwrap().into()
    }

    fn sealed(signer: &ClusterKeys) -> Vec<u8> {
        let original = b"as if it were a JPEG";
        let (owner, ben) = ("anna".parse().unwrap(), "ben".parse().unwrap());
        let (key, digest) = (ContentKey::from_bytes([7; 32]), blake3::hash(original));
        let (mut scratch, mut png) = (Scratch::default(), Vec::new());
        let mut subject = Subject {
            image: ImageId(9),
            owner: &owner,
            owner_key: PublicKey::from_bytes([3; 32]),
            media: Media::Jpeg,
            original_len: original.len() as u64,
            digest: digest.as_bytes(),
            key: &key,
            body: None,
        };
        subject.body = Some(subject.encrypt(original, &mut scratch).unwrap());
        let block = subject.block([(&ben, 2)], 3, 1_700_000_000_000, signer).unwrap();
        seal_image(&block, &cover(), &mut scratch, &mut png).unwrap();
        png
    }

    fn inspected(file: &[u8], trusted: Option<PublicKey>, user: Option<&str>) -> Inspected {
        let mut inspected = Inspected::of(file).unwrap();
        let What::Image(image) = &mut inspected.what else { panic!("an image") };
        if let Some(user) = user {
            let user: UserName = user.parse().unwrap();
            image.find(user.clone(), &keys().finder(&user));
        }
        image.check(trusted);
        inspected
    }

    #[test]
    fn a_stranger_sees_whose_it_is_and_not_who_may_look() {
        let inspected = inspected(&sealed(&keys()), None, None);
        let text = inspected.text();
        for part in [
            "owner      anna, key 0303",
            "JPEG, 20 bytes",
            "150 x 120 pixels, 1 bit a channel",
            "3, issued 2023-11-14T22:13:20Z",
            "grants     1,",
            "signature  by ",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        assert!(!text.contains("ben") && !inspected.json().to_string().contains("ben"));
        assert!(!inspected.is_bad());
        assert_eq!(inspected.json()["signature"], "unknown");
    }

    #[test]
    fn a_grantee_sees_their_own_grant_and_whether_the_cluster_signed() {
        let found = inspected(&sealed(&keys()), Some(keys().public()), Some("ben"));
        assert!(found.text().contains("ben: 2 views left\n"), "{}", found.text());
        assert_eq!((&found.json()["signature"], &found.json()["own"]["views"]), (&"good".into(), &2.into()));
        let none = inspected(&sealed(&keys()), Some(keys().public()), Some("cy"));
        assert!(none.text().contains("cy: no grant\n"));
    }

    #[test]
    fn a_bad_signature_is_called_bad() {
        let stranger = ClusterKeys::from_secret([8; 32]);
        let other = inspected(&sealed(&stranger), Some(keys().public()), None);
        assert!(other.is_bad() && other.text().contains("BAD: "));
        assert_eq!(other.json()["signature"], "bad");
    }

    #[test]
    fn bytes_under_a_passphrase_say_no_more_than_how_many() {
        let (file, _) = hide(b"meet me at noon", "any", [1; 16], &cover()).unwrap();
        let inspected = Inspected::of(&file).unwrap();
        assert!(inspected.text().starts_with("hides      15 bytes under a passphrase\n"));
        assert_eq!(inspected.json()["kind"], "passphrase");
    }
}
