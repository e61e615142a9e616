//! Invariant 2: a grant of N views releases the key at most N times in all.
//!
//! For every grant, a pair of image and viewer, and on every node:
//! - `used <= granted`: all the views ever granted, by the sealing and by every later grant that was
//!   acknowledged or may have happened. (A grant *sets* the views that are left, so their sum bounds
//!   what can be used.)
//! - `acknowledged <= used <= acknowledged + unknown` views: each that was acknowledged was counted, and
//!   nothing was counted that nobody asked for.
//!
//! And a sealed file can be read, and an opened image is byte-equal to the sealed one (invariant 8), where
//! this was sampled.

use std::collections::{BTreeMap, HashMap, HashSet};

use loadgen::record::{Call, ImageState, NodeReadback, Outcome, Reply};
use veil::directory::ImageId;

use super::{CheckResult, Evidence, Violations};

/// What the history tells of one grant.
#[derive(Debug, Default)]
struct Told {
    /// Views granted by sealing.
    sealed: u64,
    /// Views granted later, acknowledged or unknown.
    regranted: u64,
    /// Views acknowledged.
    acknowledged: u64,
    /// Views that may have happened.
    unknown: u64,
}

type Grant<'a> = (ImageId, &'a str);
/// Owner and content: all that is known of an image whose sealing was not acknowledged.
type Unnamed<'a> = (&'a str, &'a [u8; 32]);

pub(super) fn check(evidence: &Evidence<'_>) -> (CheckResult, u64) {
    let mut violations = Violations::default();
    let mut operations = 0;
    let mut told: BTreeMap<Grant<'_>, Told> = BTreeMap::new();
    let mut unnamed: HashMap<Unnamed<'_>, HashMap<&str, u64>> = HashMap::new();
    let mut sealed_here: HashSet<ImageId> = HashSet::new();

    for exchange in &evidence.history.exchanges {
        let unknown = exchange.is_unknown();
        if !unknown && !exchange.is_ok() {
            continue;
        }
        match (&exchange.call, &exchange.outcome) {
            (Call::Seal { owner, grants, .. }, Some(Outcome::Ok(Reply::Sealed { image, intact }))) => {
                if *intact == Some(false) {
                    violations.add(|| format!("{owner} sealed image {image}, and what was sealed does not come back: the file is not one of this image (operation {})", exchange.op));
                }
                sealed_here.insert(*image);
                for (viewer, views) in grants {
                    told.entry((*image, viewer)).or_default().sealed += u64::from(*views);
                }
            }
            // On a cluster that was there before, its image could not be told from an older one.
            (Call::Seal { .. }, _) if !evidence.own => {}
            (Call::Seal { owner, grants, digest }, _) => {
                // Which image this became, if any, was never heard. Several sealings of one picture by one
                // owner cannot be told apart: allow what the most generous allows.
                let viewers = unnamed.entry((owner, digest)).or_default();
                for (viewer, views) in grants {
                    let most = viewers.entry(viewer).or_default();
                    *most = (*most).max(u64::from(*views));
                }
            }
            (Call::Grant { image, viewer, views, .. }, _) => {
                told.entry((*image, viewer)).or_default().regranted += u64::from(*views);
            }
            (Call::View { viewer, image }, outcome) => {
                let grant = told.entry((*image, viewer)).or_default();
                match outcome {
                    Some(Outcome::Ok(Reply::Viewed { intact, .. })) => {
                        grant.acknowledged += 1;
                        if *intact == Some(false) {
                            violations.add(|| format!("{viewer} opened image {image} and its bytes were not those that were sealed (operation {})", exchange.op));
                        }
                    }
                    _ if unknown => grant.unknown += 1,
                    _ => {}
                }
            }
            (Call::Register { .. } | Call::Discover { .. }, _) => continue,
        }
        operations += 1;
    }

    for node in evidence.answered() {
        let images: HashMap<ImageId, &ImageState> = node.images.iter().map(|i| (i.image, i)).collect();
        let used = used_on(node);
        let grants_there = used.keys().filter(|grant| !told.contains_key(*grant));
        let silent = Told::default();
        let all = told.iter().chain(grants_there.map(|grant| (grant, &silent)));
        for (&(image, viewer), told) in all {
            let used = used.get(&(image, viewer)).copied().unwrap_or(0);
            let n = node.node;
            if used < told.acknowledged {
                violations.add(|| {
                    format!(
                        "n{n} counts {used} views of image {image} by {viewer}; {} were acknowledged",
                        told.acknowledged
                    )
                });
            }
            // An image that this run did not seal has a past of which the history knows nothing; one whose
            // beginning was cut off is no better.
            let sealed = if sealed_here.contains(&image) {
                Some(told.sealed)
            } else {
                images
                    .get(&image)
                    .and_then(|state| unnamed.get(&(state.owner.as_str(), &state.digest)))
                    .map(|viewers| viewers.get(viewer).copied().unwrap_or(0))
            };
            let Some(sealed) = sealed.filter(|_| evidence.whole) else {
                continue;
            };
            if used > told.acknowledged + told.unknown {
                violations.add(|| {
                    format!(
                        "n{n} counts {used} views of image {image} by {viewer}; only {} were acknowledged and {} may have happened",
                        told.acknowledged, told.unknown
                    )
                });
            }
            let granted = sealed + told.regranted;
            if used > granted {
                violations.add(|| {
                    format!("n{n} counts {used} views of image {image} by {viewer}; only {granted} were ever granted")
                });
            }
        }
    }
    let blind_spot = evidence.blind_spot().or_else(|| evidence.cut_off());
    (violations.conclude(blind_spot), operations)
}

fn used_on(node: &NodeReadback) -> BTreeMap<Grant<'_>, u64> {
    node.images.iter().flat_map(|i| i.grants.iter().map(|g| ((i.image, g.viewer.as_str()), g.used))).collect()
}
