//! Asking the owner of an image for views of it.

use serde::{Deserialize, Serialize};

use super::{
    Answer, Directory, Effect, ImageId, MAX_VIEWS, Notice, PAGE_LIMIT, Refusal, Subject, Usage, UserName,
    at_least, at_most, text::check_text,
};

/// The longest note with a request for views, in characters.
pub const MAX_NOTE_LEN: usize = 200;
/// The most requests for views that wait for one owner.
pub const MAX_ASKS: usize = 1_000;
/// The most of them that are of one user.
pub const MAX_ASKS_OF_ONE: usize = 100;

/// Asks the owner of an image for views of it. Any user may but the owner. What the same user asked before for the
/// same image, and was not answered, is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskForViews {
    /// Who.
    pub user: UserName,
    /// Which image.
    pub image: ImageId,
    /// How many views.
    pub views: u32,
    /// A word to the owner; may be empty.
    pub note: String,
}

/// Answers a request for views. The image's owner may, and needs not grant the number that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerRequest {
    /// Who answers.
    pub owner: UserName,
    /// Which image.
    pub image: ImageId,
    /// Who had asked.
    pub user: UserName,
    /// The views that they have left from now on; `None` refuses, and leaves what they have.
    pub views: Option<u32>,
}

/// A request for views that waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// How many views.
    pub views: u32,
    /// A word to the owner.
    pub note: String,
    /// When it was made, milliseconds since the Unix epoch.
    pub asked_ms: u64,
    /// Whether the owner had dealt with whoever asks: strangers give way first when there are too many.
    pub known: bool,
}

impl Ask {
    pub(super) fn check(&self) -> Result<(), Refusal> {
        at_least("views asked for", u64::from(self.views), 1)?;
        at_most("views asked for", u64::from(self.views), u64::from(MAX_VIEWS))?;
        check_text("note", &self.note, MAX_NOTE_LEN)
    }
}

impl Directory {
    pub(super) fn ask_for_views(&mut self, asked: AskForViews) -> Answer {
        let AskForViews { user, image: id, views, note } = asked;
        self.known_user(&user)?;
        let image = self.images.get(&id).ok_or(Refusal::UnknownImage { image: id })?;
        let owner = image.owner.clone();
        let known = self.knows(&owner, &user);
        let ask = Ask { views, note: note.clone(), asked_ms: self.clock_ms, known };
        ask.check()?;
        self.not_blocked(&owner, &user)?;
        let key = (owner.clone(), id, user.clone());
        let replaced = self.asks.get(&key).map(Usage::of_ask);
        self.room_for(&user, Usage::of_ask(&ask).minus(replaced.unwrap_or_default()))?;
        if replaced.is_none() {
            let of_one = self.index.asks.count(&owner, &user) + 1;
            at_most("number of your requests that wait for the owner", of_one, MAX_ASKS_OF_ONE as u64)?;
        }
        self.insert_ask(key, ask);
        if self.index.asks.len(&owner) > MAX_ASKS as u64
            && let Some(loudest) = self.index.asks.loudest(&owner)
        {
            let image = ImageId(loudest.at.1);
            self.settle_ask(&owner, image, &loudest.sender);
            if (image, &loudest.sender) == (id, &user) {
                let (value, limit) = (MAX_ASKS as u64 + 1, MAX_ASKS as u64);
                at_most("number of requests that wait for the owner", value, limit)?;
            }
        }
        self.notify(&owner, Notice::Requested { image: id, user, views, note });
        Ok(Effect::Done)
    }

    pub(super) fn answer_request(&mut self, answer: AnswerRequest) -> Answer {
        let AnswerRequest { owner, image, user, views } = answer;
        if !self.asks.contains_key(&(owner.clone(), image, user.clone())) {
            return Err(Refusal::NoRequest { image, user });
        }
        match views {
            Some(views) => {
                at_least("views granted", u64::from(views), 1)?;
                self.set_grant(super::SetGrant { owner, image, viewer: user, views })
            }
            None => {
                self.settle_ask(&owner, image, &user);
                self.notify(&user, Notice::Refused { image, owner });
                Ok(Effect::Done)
            }
        }
    }

    pub(super) fn insert_ask(&mut self, key: (UserName, ImageId, UserName), ask: Ask) {
        self.work.touch(1);
        // First: within one millisecond both have the same place in the index.
        if let Some(replaced) = self.asks.remove(&key) {
            self.index.remove_ask(&key, &replaced);
        }
        self.index.add_ask(&key, &ask);
        self.asks.insert(key, ask);
    }

    /// Forgets a request for views, and the notice of it, and says whether there was one.
    pub(super) fn settle_ask(&mut self, owner: &UserName, image: ImageId, user: &UserName) -> bool {
        let key = (owner.clone(), image, user.clone());
        let Some(settled) = self.asks.remove(&key) else { return false };
        self.work.touch(1);
        self.index.remove_ask(&key, &settled);
        // What is to be cleared away follows from the state: it has to be exact, or nodes would do different work.
        if self.index.withdrawn.contains_key(&image) && self.asks_for(owner, image).next().is_none() {
            self.index.withdrawn.remove(&image);
        }
        self.forget_notice(owner, Subject::Ask(image, user.clone()));
        true
    }

    pub(super) fn asks_for<'a>(
        &'a self,
        owner: &UserName,
        image: ImageId,
    ) -> impl Iterator<Item = (&'a UserName, &'a Ask)> + use<'a> {
        let (first, last) = UserName::bounds();
        let asks = self.asks.range((owner.clone(), image, first)..=(owner.clone(), image, last));
        asks.map(|((_, _, user), ask)| (user, ask))
    }

    /// The requests that wait for an owner by image and user, after `after`, at most [`PAGE_LIMIT`].
    pub fn requests(
        &self,
        owner: &UserName,
        after: Option<&(ImageId, UserName)>,
        limit: usize,
    ) -> Vec<(ImageId, UserName, Ask)> {
        use std::ops::Bound::{Excluded, Included};
        let (first, last) = UserName::bounds();
        let from = match after {
            Some((image, user)) => Excluded((owner.clone(), *image, user.clone())),
            None => Included((owner.clone(), ImageId(0), first)),
        };
        let to = Included((owner.clone(), ImageId(u128::MAX), last));
        // Those for what was withdrawn are being cleared away.
        let asks = self.asks.range((from, to)).filter(|((_, image, _), _)| self.images.contains_key(image));
        asks.take(limit.min(PAGE_LIMIT))
            .map(|((_, image, user), ask)| (*image, user.clone(), ask.clone()))
            .collect()
    }
}
