use serde::{Deserialize, Serialize};

use super::{
    Answer, Directory, Effect, Grant, ImageId, MAX_GRANTS, MAX_VIEWS, Notice, Quota, Refusal, Usage,
    UserName, at_most,
};

/// Sets the views that a viewer has left; 0 revokes. The image's owner may. The viewer is told, unless they have as many
/// as before; a request of theirs for views is settled if they have any now, and then they are told in any case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetGrant {
    /// Who asks.
    pub owner: UserName,
    /// Which image.
    pub image: ImageId,
    /// Whose grant.
    pub viewer: UserName,
    /// Views left from now on.
    pub views: u32,
}

impl Directory {
    pub(super) fn set_grant(&mut self, SetGrant { owner: _, image: id, viewer, views }: SetGrant) -> Answer {
        at_most("views of a grant", u64::from(views), u64::from(MAX_VIEWS))?;
        let viewer = self.known_name(&viewer)?;
        let image = self.images.get(&id).ok_or(Refusal::UnknownImage { image: id })?;
        let owner = image.owner.clone();
        let before = image.grants.get(&viewer).map_or(0, |grant| grant.left);
        let used = match image.grants.get(&viewer) {
            Some(grant) => grant.used,
            None => {
                at_most("number of grants", image.grants.len() as u64 + 1, MAX_GRANTS as u64)?;
                self.may_grant(&owner, &viewer)?;
                self.room_for(&owner, Usage::of_grant())?;
                self.index.add_grant(&owner, &viewer, id);
                0
            }
        };
        self.work.touch(1);
        let image = self.image_mut(id)?;
        image.grants.insert(viewer.clone(), Grant { left: views, used });
        image.revision += 1;
        let revision = image.revision;
        let answered = views > 0 && self.settle_ask(&owner, id, &viewer);
        if viewer != owner && (answered || views != before) {
            self.notify(&viewer, Notice::Granted { image: id, owner, views_left: views });
        }
        Ok(Effect::Granted { views_left: views, revision })
    }

    /// Refuses if an owner may not grant one more image to a viewer, who may want nothing of them, or not so much.
    pub(super) fn may_grant(&self, owner: &UserName, viewer: &UserName) -> Result<(), Refusal> {
        self.not_blocked(viewer, owner)?;
        let (images, limit) = (self.index.granted_to(owner, viewer) + 1, self.quotas().images_to_stranger);
        match images > limit && owner != viewer && !self.knows(viewer, owner) {
            true => Quota::ImagesToStranger.check(None, images, limit),
            false => Ok(()),
        }
    }
}
