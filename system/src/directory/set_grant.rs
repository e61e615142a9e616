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

/// What became of a grant.
struct Given {
    image: ImageId,
    owner: UserName,
    viewer: UserName,
    views_left: u32,
    revision: u64,
    /// Whether there were not as many before, or they are the answer to a request.
    is_news: bool,
}

impl Given {
    fn effect(&self) -> Effect {
        Effect::Granted { views_left: self.views_left, revision: self.revision }
    }
}

impl Directory {
    /// Tells the viewer what is new to them.
    pub(super) fn grant_views(&mut self, set: SetGrant) -> Answer {
        let given = self.give_views(set)?;
        match given.is_news {
            true => Ok(self.tell_viewer(given)),
            false => Ok(given.effect()),
        }
    }

    /// As earlier versions have put it into the log, and as a request for views is answered: the viewer is told in any
    /// case.
    pub(super) fn set_grant(&mut self, set: SetGrant) -> Answer {
        let given = self.give_views(set)?;
        Ok(self.tell_viewer(given))
    }

    fn tell_viewer(&mut self, given: Given) -> Effect {
        let effect = given.effect();
        let Given { image, owner, viewer, views_left, .. } = given;
        if viewer != owner {
            self.notify(&viewer, Notice::Granted { image, owner, views_left });
        }
        effect
    }

    fn give_views(&mut self, set: SetGrant) -> Result<Given, Refusal> {
        let SetGrant { owner: _, image: id, viewer, views } = set;
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
        let is_news = answered || views != before;
        Ok(Given { image: id, owner, viewer, views_left: views, revision, is_news })
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
