//! Invariant 1: no acknowledged write is lost. Whatever was acknowledged, before the load or during it,
//! is looked for on every node that was read back: the user exists; the image exists with its owner and
//! its content; the grant exists, and has as many views left as the last setting of it and the views since
//! then explain.
//!
//! And the other way round: whatever is there was asked for, by somebody who was not told that it certainly
//! did not happen.

mod invented;
mod left;

use std::collections::{HashMap, HashSet};

use loadgen::record::{Call, ImageState, NodeReadback, Outcome, Reply};
use veil::directory::ImageId;

use self::{invented::Explained, left::Left};
use super::{CheckResult, Evidence, Violations};
use crate::run::Exchange;

pub(super) fn check(evidence: &Evidence<'_>) -> (CheckResult, u64) {
    let writes: Vec<&Exchange> = evidence
        .history
        .exchanges
        .iter()
        .filter(|e| e.is_ok() && !matches!(e.call, Call::View { .. } | Call::Discover { .. }))
        .collect();
    let left = evidence.whole.then(|| Left::of(evidence));
    let explained = (evidence.whole && evidence.own).then(|| Explained::by(evidence));
    let mut violations = Violations::default();
    for node in evidence.answered() {
        let held = Held::of(node);
        for write in &writes {
            held.look_for(write, &mut violations);
        }
        if let Some(left) = &left {
            left.examine(node, &mut violations);
        }
        if let Some(explained) = &explained {
            explained.examine(node, &mut violations);
        }
    }
    let blind_spot = evidence.blind_spot().or_else(|| evidence.cut_off());
    (violations.conclude(blind_spot), writes.len() as u64)
}

/// What a node holds, indexed.
struct Held<'a> {
    node: u64,
    users: HashSet<&'a str>,
    images: HashMap<ImageId, &'a ImageState>,
    grants: HashSet<(ImageId, &'a str)>,
}

impl<'a> Held<'a> {
    fn of(node: &'a NodeReadback) -> Self {
        let grants =
            node.images.iter().flat_map(|i| i.grants.iter().map(|g| (i.image, g.viewer.as_str()))).collect();
        Self {
            node: node.node,
            users: node.users.iter().map(String::as_str).collect(),
            images: node.images.iter().map(|i| (i.image, i)).collect(),
            grants,
        }
    }

    fn look_for(&self, write: &Exchange, violations: &mut Violations) {
        let (n, op) = (self.node, write.op);
        match (&write.call, &write.outcome) {
            (Call::Register { user }, _) if !self.users.contains(user.as_str()) => {
                violations.add(|| {
                    format!(
                        "n{n} does not know user {user}, whose registration was acknowledged (operation {op})"
                    )
                });
            }
            (Call::Seal { owner, grants, digest }, Some(Outcome::Ok(Reply::Sealed { image, .. }))) => {
                let Some(state) = self.images.get(image) else {
                    violations.add(|| format!("n{n} does not hold image {image} of {owner}, whose sealing was acknowledged (operation {op})"));
                    return;
                };
                if state.owner != *owner {
                    violations.add(|| format!("n{n} holds image {image} as {}'s; it was acknowledged as {owner}'s (operation {op})", state.owner));
                }
                if state.digest != *digest {
                    violations.add(|| {
                        format!(
                            "n{n} holds image {image} of {owner} with content {}…; content {}… was acknowledged (operation {op})",
                            short(&state.digest),
                            short(digest)
                        )
                    });
                }
                for (viewer, views) in grants {
                    if !self.grants.contains(&(*image, viewer.as_str())) {
                        violations.add(|| format!("n{n} has no grant of image {image} to {viewer}; sealing it with {views} views for {viewer} was acknowledged (operation {op})"));
                    }
                }
            }
            (Call::Grant { image, viewer, views, .. }, _)
                if !self.grants.contains(&(*image, viewer.as_str())) =>
            {
                violations.add(|| format!("n{n} has no grant of image {image} to {viewer}; giving {viewer} {views} views was acknowledged (operation {op})"));
            }
            _ => {}
        }
    }
}

/// The first digits of a digest, as people compare them.
pub(super) fn short(digest: &[u8; 32]) -> String {
    digest[..6].iter().map(|b| format!("{b:02x}")).collect()
}
