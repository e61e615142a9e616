use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    About, Answer, Directory, Effect, Image, ImageId, Refusal, Usage, UserName,
    text::{check_text, fitting},
};

/// The longest title of an image, in characters.
pub const MAX_TITLE_LEN: usize = 100;
/// The longest description of an image, in characters.
pub const MAX_DESCRIPTION_LEN: usize = 1_000;

/// Says what is to be seen on an image, in the place of what was said before. Its owner may; who may view it reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Describe {
    /// Who says so.
    pub owner: UserName,
    /// Which image.
    pub image: ImageId,
    /// Its title; may be empty.
    pub title: String,
    /// More about it; may be empty.
    pub description: String,
}

/// Whether a text can be the title of an image.
///
/// # Errors
/// [`Refusal`]: that it is too long, or has characters that are not to be seen.
pub fn check_title(title: &str) -> Result<(), Refusal> {
    check_text("title", title, MAX_TITLE_LEN)
}

/// The title that is nearest to a text, such as the name of a file.
pub fn title_of(text: &str) -> String {
    fitting(text, MAX_TITLE_LEN)
}

impl About {
    pub(super) fn check(&self) -> Result<(), Refusal> {
        check_title(&self.title)?;
        check_text("description", &self.description, MAX_DESCRIPTION_LEN)
    }

    /// As it is kept: nothing, if nothing is said.
    pub(super) fn boxed(self) -> Option<Box<Self>> {
        (!self.title.is_empty() || !self.description.is_empty()).then(|| Box::new(self))
    }
}

impl Directory {
    pub(super) fn describe(&mut self, describe: Describe) -> Answer {
        let Describe { owner: _, image: id, title, description } = describe;
        let about = About { title, description };
        about.check()?;
        let image = self.images.get(&id).ok_or(Refusal::UnknownImage { image: id })?;
        let (before, owner) = (Usage::of_image(image), image.owner.clone());
        let described = Image { about: about.boxed(), ..Image::clone(image) };
        let after = Usage::of_image(&described);
        self.room_for(&owner, after.minus(before))?;
        self.work.touch(1);
        self.index.accounts.release(&owner, before);
        self.index.accounts.charge(&owner, after);
        self.images.insert(id, Arc::new(described));
        Ok(Effect::Done)
    }
}
