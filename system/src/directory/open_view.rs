use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Answer, Directory, Effect, GroupName, ImageId, Refusal, UserName};

/// Takes one view off the viewer's grant, or that of a group of theirs, and releases the content key. The owner may
/// open without a grant and is not counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenView {
    /// Who wants to see it.
    pub viewer: UserName,
    /// Which image.
    pub image: ImageId,
}

impl Directory {
    pub(super) fn open_view(&mut self, OpenView { viewer, image: id }: OpenView) -> Answer {
        let viewer = self.known_name(&viewer)?;
        let image = self.images.get_mut(&id).map(Arc::make_mut).ok_or(Refusal::UnknownImage { image: id })?;
        if image.owner == viewer {
            let (key, revision) = (image.key.clone(), image.revision);
            return Ok(Effect::Opened { image: id, key, views_left: None, revision });
        }
        let index = &self.index;
        // The viewer's own views first, then those of their groups, by name.
        let own = image.grants.get(&viewer).is_some_and(|grant| grant.left > 0);
        let theirs = |group: &GroupName| index.is_member(&viewer, group);
        let group = match own {
            true => None,
            false => image.group_grants.iter().find(|(group, grant)| grant.left > 0 && theirs(group)),
        };
        let group = group.map(|(group, _)| group.clone());
        let grant = match &group {
            Some(group) => image.group_grants.get_mut(group),
            None => image.grants.get_mut(&viewer),
        };
        let Some(grant) = grant.filter(|grant| grant.left > 0) else {
            return Err(match index.views_left(image, &viewer) {
                Some(_) => Refusal::QuotaUsedUp { image: id, viewer },
                None => Refusal::NoGrant { image: id, viewer },
            });
        };
        grant.left -= 1;
        grant.used += 1;
        let first_time = group.is_none() && grant.used == 1;
        let used_up = grant.left == 0;
        image.revision += 1;
        let views_left = index.views_left(image, &viewer);
        let (key, revision, owner) = (image.key.clone(), image.revision, image.owner.clone());
        self.work.touch(1 + image.group_grants.len());
        if first_time {
            self.index.add_opened(&owner, &viewer);
        }
        if let (Some(group), true) = (&group, used_up) {
            self.index.set_group_image(group, id, true);
        }
        self.log_view(id, &owner, viewer);
        Ok(Effect::Opened { image: id, key, views_left, revision })
    }
}
