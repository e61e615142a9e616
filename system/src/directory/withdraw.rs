use serde::{Deserialize, Serialize};

use super::{Answer, Directory, Effect, ImageId, Notice, Refusal, UserName};

/// Takes an image out of the directory, its key with it: nobody opens the sealed file ever again. Its owner may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdraw {
    /// Who.
    pub owner: UserName,
    /// Which image.
    pub image: ImageId,
}

impl Directory {
    pub(super) fn withdraw(&mut self, Withdraw { owner, image: id }: Withdraw) -> Answer {
        let image = self.images.remove(&id).ok_or(Refusal::UnknownImage { image: id })?;
        self.work.touch(1 + image.grants.len() + image.group_grants.len());
        self.forget_views(id, &owner);
        self.index.remove_image(id, &image);
        // There may be many: whoever waits is told as they are cleared away.
        if self.asks_for(&owner, id).next().is_some() {
            self.index.withdrawn.insert(id, owner.clone());
        }
        for (viewer, _) in image.grants.iter().filter(|(_, grant)| grant.left > 0) {
            self.notify(viewer, Notice::Withdrawn { image: id, owner: owner.clone() });
        }
        Ok(Effect::Done)
    }
}
