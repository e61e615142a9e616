use serde::{Deserialize, Serialize};

use super::{
    Answer, Directory, Effect, Grant, ImageId, MAX_GRANTS, MAX_VIEWS, Notice, Refusal, UserName, at_most,
};

/// Sets the views that a viewer has left; 0 revokes. The image's owner may. The viewer is told; a request of theirs for
/// views is settled if they have any now.
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
        self.known_user(&viewer)?;
        let image = self.images.get_mut(&id).ok_or(Refusal::UnknownImage { image: id })?;
        let used = match image.grants.get(&viewer) {
            Some(grant) => grant.used,
            None => {
                at_most("number of grants", image.grants.len() as u64 + 1, MAX_GRANTS as u64)?;
                0
            }
        };
        image.grants.insert(viewer.clone(), Grant { left: views, used });
        image.revision += 1;
        let (owner, revision) = (image.owner.clone(), image.revision);
        self.index.granted.insert((viewer.clone(), id));
        if views > 0 {
            self.settle_ask(&owner, id, &viewer);
        }
        if viewer != owner {
            self.notify(&viewer, Notice::Granted { image: id, owner, views_left: views });
        }
        Ok(Effect::Granted { views_left: views, revision })
    }
}
