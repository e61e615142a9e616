use serde::{Deserialize, Serialize};

use super::{Answer, Directory, Effect, ImageId, Refusal, UserName};

/// Takes one view off the viewer's grant and releases the content key. The owner may open without a
/// grant and is not counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenView {
    /// Who wants to see it.
    pub viewer: UserName,
    /// Which image.
    pub image: ImageId,
}

impl Directory {
    pub(super) fn open_view(&mut self, OpenView { viewer, image: id }: OpenView) -> Answer {
        self.known_user(&viewer)?;
        let image = self.images.get_mut(&id).ok_or(Refusal::UnknownImage { image: id })?;
        if image.owner == viewer {
            let (key, revision) = (image.key.clone(), image.revision);
            return Ok(Effect::Opened { image: id, key, views_left: None, revision });
        }
        let Some(grant) = image.grants.get_mut(&viewer) else {
            return Err(Refusal::NoGrant { image: id, viewer });
        };
        let Some(left) = grant.left.checked_sub(1) else {
            return Err(Refusal::QuotaUsedUp { image: id, viewer });
        };
        grant.left = left;
        grant.used += 1;
        image.revision += 1;
        let (key, revision) = (image.key.clone(), image.revision);
        Ok(Effect::Opened { image: id, key, views_left: Some(left), revision })
    }
}
