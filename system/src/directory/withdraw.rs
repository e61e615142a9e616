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
        self.index.remove_image(id, &image);
        self.forget_views(id);
        let asked = self.forget_asks(&owner, id);
        let viewers = image.grants.iter().filter(|(_, grant)| grant.left > 0).map(|(viewer, _)| viewer);
        for user in viewers.chain(&asked) {
            self.notify(user, Notice::Withdrawn { image: id, owner: owner.clone() });
        }
        Ok(Effect::Done)
    }
}
