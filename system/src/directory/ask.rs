//! Asking the owner of an image for views of it.

use serde::{Deserialize, Serialize};

use super::{
    Answer, Directory, Effect, ImageId, MAX_VIEWS, Notice, PAGE_LIMIT, Refusal, Subject, UserName, at_least,
    at_most, text::check_text,
};

/// The longest note with a request for views, in characters.
pub const MAX_NOTE_LEN: usize = 200;
/// The most requests for views that wait for one owner.
pub const MAX_ASKS: usize = 1_000;

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
        let ask = Ask { views, note: note.clone(), asked_ms: self.clock_ms };
        ask.check()?;
        self.known_user(&user)?;
        let image = self.images.get(&id).ok_or(Refusal::UnknownImage { image: id })?;
        let owner = image.owner.clone();
        let key = (owner.clone(), id, user.clone());
        if !self.asks.contains_key(&key) {
            let waiting = self.index.asks.get(&owner).copied().unwrap_or_default();
            at_most("number of requests that wait for the owner", waiting + 1, MAX_ASKS as u64)?;
            self.index.count_ask(&owner, true);
        }
        self.asks.insert(key, ask);
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

    /// Forgets a request for views, and the notice of it, if there is one.
    pub(super) fn settle_ask(&mut self, owner: &UserName, image: ImageId, user: &UserName) {
        if self.asks.remove(&(owner.clone(), image, user.clone())).is_some() {
            self.index.count_ask(owner, false);
            self.forget_notice(owner, Subject::Ask(image, user.clone()));
        }
    }

    /// Forgets all requests for an image, and says whose they were.
    pub(super) fn forget_asks(&mut self, owner: &UserName, image: ImageId) -> Vec<UserName> {
        let asked: Vec<UserName> = self.asks_for(owner, image).map(|(user, _)| user.clone()).collect();
        for user in &asked {
            self.settle_ask(owner, image, user);
        }
        asked
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
        let asks = self.asks.range((from, to)).take(limit.min(PAGE_LIMIT));
        asks.map(|((_, image, user), ask)| (*image, user.clone(), ask.clone())).collect()
    }
}
