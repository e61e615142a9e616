//! What a node holds although nobody asked for it, or although whoever asked was told that it certainly did
//! not happen. Only a cluster that the run started itself was empty before, so only there is this known.

use std::collections::{HashMap, HashSet};

use loadgen::record::{Call, NodeReadback, Outcome, Reply};
use veil::directory::ImageId;

use super::{
    super::{Evidence, Violations},
    short,
};

/// Users and images that registrations and sealings explain, acknowledged or unknown.
pub(super) struct Explained<'a> {
    users: HashSet<&'a str>,
    images: HashSet<ImageId>,
    /// Sealings of unknown outcome, by owner and content: each made one image at most.
    unnamed: HashMap<(&'a str, &'a [u8; 32]), usize>,
}

impl<'a> Explained<'a> {
    pub(super) fn by(evidence: &Evidence<'a>) -> Self {
        let (mut users, mut images, mut unnamed) = (HashSet::new(), HashSet::new(), HashMap::new());
        for exchange in evidence.history.exchanges.iter().filter(|e| e.is_ok() || e.is_unknown()) {
            match (&exchange.call, &exchange.outcome) {
                (Call::Register { user }, _) => {
                    users.insert(user.as_str());
                }
                (Call::Seal { .. }, Some(Outcome::Ok(Reply::Sealed { image, .. }))) => {
                    images.insert(*image);
                }
                (Call::Seal { owner, digest, .. }, _) => {
                    *unnamed.entry((owner.as_str(), digest)).or_default() += 1;
                }
                (Call::Grant { .. } | Call::View { .. } | Call::Discover { .. }, _) => {}
            }
        }
        Self { users, images, unnamed }
    }

    pub(super) fn examine(&self, node: &NodeReadback, violations: &mut Violations) {
        let n = node.node;
        for user in node.users.iter().filter(|user| !self.users.contains(user.as_str())) {
            violations.add(|| format!("n{n} knows user {user}, although no registration of that name was acknowledged or may have happened"));
        }
        let mut unnamed = self.unnamed.clone();
        for state in node.images.iter().filter(|state| !self.images.contains(&state.image)) {
            match unnamed.get_mut(&(state.owner.as_str(), &state.digest)) {
                Some(left) if *left > 0 => *left -= 1,
                _ => violations.add(|| {
                    format!(
                        "n{n} holds image {} of {} with content {}…, although no such sealing was acknowledged or may have happened",
                        state.image,
                        state.owner,
                        short(&state.digest)
                    )
                }),
            }
        }
    }
}
