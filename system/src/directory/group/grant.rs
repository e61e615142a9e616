use serde::{Deserialize, Serialize};

use super::{MAX_GROUP_GRANTS, MAX_GROUP_IMAGES};
use crate::directory::{
    Answer, Directory, Effect, Grant, GroupName, ImageId, MAX_VIEWS, Refusal, Usage, UserName, at_most,
};

/// Sets the views that the members of a group have left together; 0 revokes. The image's owner may, for a group that
/// they are a member of; and for any group to revoke. Its members are told, unless they have as many as before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetGroupGrant {
    /// Who asks.
    pub owner: UserName,
    /// Which image.
    pub image: ImageId,
    /// Whose grant.
    pub group: GroupName,
    /// Views left from now on, whoever of them takes them.
    pub views: u32,
}

impl Directory {
    /// Tells the members what is new to them.
    pub(in crate::directory) fn grant_views_to_group(&mut self, set: SetGroupGrant) -> Answer {
        let (effect, is_news) = self.give_group_views(&set)?;
        if is_news {
            let (group, owner) = (self.known_group_name(&set.group)?, self.known_name(&set.owner)?);
            self.notify_group(&group, &owner, set.image, set.views);
        }
        Ok(effect)
    }

    /// As earlier versions have put it into the log: nobody is told, nobody was.
    pub(in crate::directory) fn set_group_grant(&mut self, set: SetGroupGrant) -> Answer {
        self.give_group_views(&set).map(|(effect, _)| effect)
    }

    /// What it did, and whether they had another number before.
    fn give_group_views(&mut self, set: &SetGroupGrant) -> Result<(Effect, bool), Refusal> {
        let &SetGroupGrant { owner: _, image: id, ref group, views } = set;
        at_most("views of a grant", u64::from(views), u64::from(MAX_VIEWS))?;
        let group = self.known_group_name(group)?;
        let image = self.images.get(&id).ok_or(Refusal::UnknownImage { image: id })?;
        let before = image.group_grants.get(&group).map_or(0, |grant| grant.left);
        let used = match image.group_grants.get(&group) {
            Some(grant) => {
                self.index.set_group_image(&group, id, views == 0);
                grant.used
            }
            // Nothing to take back: that must not take a place among the group's images.
            None if views == 0 => {
                return Ok((Effect::Granted { views_left: 0, revision: image.revision }, false));
            }
            None => {
                let groups = image.group_grants.len() as u64 + 1;
                at_most("number of groups that the image is granted to", groups, MAX_GROUP_GRANTS as u64)?;
                let images = self.index.group_size(&group) + 1;
                at_most("number of images that are granted to the group", images, MAX_GROUP_IMAGES as u64)?;
                self.room_for(&image.owner, Usage::of_grant())?;
                self.index.add_group_image(&group, false, id);
                self.index.accounts.charge(&image.owner, Usage::of_grant());
                0
            }
        };
        self.work.touch(1);
        let image = self.image_mut(id)?;
        image.group_grants.insert(group, Grant { left: views, used });
        image.revision += 1;
        Ok((Effect::Granted { views_left: views, revision: image.revision }, views != before))
    }
}
