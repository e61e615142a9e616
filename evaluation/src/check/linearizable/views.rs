//! The views that one user has of one image: a counter that is set and taken from.
//!
//! It is that of a grant to the user themselves, which is what the simulated users give. Views that members of a group
//! share are taken from another counter once these are used up, and `views_left` counts them in: whoever records such
//! grants has to make one partition of an image and all its grants.

use super::model::Model;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(super) struct Views {
    pub used: Used,
}

/// What is made of the number of views that were used, which nodes tell in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Used {
    /// It must be explained like every other answer. This takes a state for each number of views of unknown outcome
    /// that may have been taken.
    Explained,
    /// It is left to the check `quota`, which knows bounds.
    Ignored,
}

/// What there is of a grant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum State {
    /// Nothing is known of it.
    Anything,
    /// No such image.
    NoImage,
    /// No grant of it.
    NoGrant,
    /// A grant.
    Grant {
        /// Views left.
        left: u32,
        /// Views used, if that is known.
        used: Option<u64>,
    },
}

/// What is asked of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Call {
    /// The image is sealed, with so many views for the user, if any.
    Seal(Option<u32>),
    /// The owner sets the views left.
    Set(u32),
    /// The user opens the image.
    Take,
    /// What there is is looked up.
    Read,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Reply {
    /// The image is sealed.
    Sealed,
    /// The key was released or the views were set, and so many are left now.
    Left(u32),
    /// None are left.
    Refused,
    /// No such image.
    NoImage,
    /// No grant of it.
    NoGrant,
    /// A grant.
    Grant {
        /// Views left.
        left: u32,
        /// Views used.
        used: u64,
    },
}

impl Views {
    fn grant(&self, left: u32, used: Option<u64>) -> State {
        State::Grant { left, used: used.filter(|_| self.used == Used::Explained) }
    }

    fn take(&self, state: &State, reply: Option<&Reply>) -> Option<State> {
        match (state, reply) {
            (State::Anything, Some(Reply::Left(left))) => Some(self.grant(*left, None)),
            (State::Anything, Some(Reply::Refused)) => Some(self.grant(0, None)),
            (State::Grant { left: 0, .. }, Some(Reply::Refused)) => Some(state.clone()),
            (State::Grant { left, used }, Some(Reply::Left(after)))
                if left.checked_sub(1) == Some(*after) =>
            {
                Some(self.grant(*after, used.map(|used| used + 1)))
            }
            (State::Grant { left, used }, None) if *left > 0 => {
                Some(self.grant(left - 1, used.map(|used| used + 1)))
            }
            _ => None,
        }
    }

    fn read(&self, state: &State, reply: &Reply) -> Option<State> {
        let told = match reply {
            Reply::NoImage => State::NoImage,
            Reply::NoGrant => State::NoGrant,
            Reply::Grant { left, used } => self.grant(*left, Some(*used)),
            _ => return None,
        };
        let agrees = match (state, &told) {
            (State::Anything, _) => true,
            (State::Grant { left, used: None }, State::Grant { left: told, .. }) => left == told,
            _ => *state == told,
        };
        agrees.then_some(told)
    }
}

impl Model for Views {
    type State = State;
    type Call = Call;
    type Reply = Reply;

    fn step(&self, state: &State, call: &Call, reply: Option<&Reply>) -> Option<State> {
        match (call, reply) {
            (Call::Seal(views), None | Some(Reply::Sealed)) => match state {
                State::Anything | State::NoImage => {
                    Some(views.map_or(State::NoGrant, |views| self.grant(views, Some(0))))
                }
                State::NoGrant | State::Grant { .. } => None,
            },
            (Call::Set(views), reply) if reply.is_none_or(|reply| *reply == Reply::Left(*views)) => {
                match state {
                    State::NoImage => None,
                    State::Anything => Some(self.grant(*views, None)),
                    State::NoGrant => Some(self.grant(*views, Some(0))),
                    State::Grant { used, .. } => Some(self.grant(*views, *used)),
                }
            }
            (Call::Take, reply) => self.take(state, reply),
            (Call::Read, Some(reply)) => self.read(state, reply),
            _ => None,
        }
    }

    fn is_question(&self, call: &Call, reply: &Reply) -> bool {
        matches!((call, reply), (Call::Read, _) | (Call::Take, Reply::Refused))
    }

    fn anything(&self) -> State {
        State::Anything
    }

    fn call_words(&self, call: &Call) -> String {
        match call {
            Call::Seal(None) => "seals the image, with no views".to_owned(),
            Call::Seal(Some(views)) => format!("seals the image, with {views} views"),
            Call::Set(0) => "revokes the views".to_owned(),
            Call::Set(views) => format!("sets {views} views"),
            Call::Take => "views".to_owned(),
            Call::Read => "read back".to_owned(),
        }
    }

    fn reply_words(&self, reply: &Reply) -> String {
        match reply {
            Reply::Sealed => "sealed".to_owned(),
            Reply::Left(left) => format!("{left} left"),
            Reply::Refused => "refused: none left".to_owned(),
            Reply::NoImage => "no such image".to_owned(),
            Reply::NoGrant => "no grant".to_owned(),
            Reply::Grant { left, .. } if self.used == Used::Ignored => format!("{left} left"),
            Reply::Grant { left, used } => format!("{left} left, {used} used"),
        }
    }

    fn state_words(&self, state: &State) -> String {
        match state {
            State::Anything => "anything".to_owned(),
            State::NoImage => "no such image".to_owned(),
            State::NoGrant => "no grant".to_owned(),
            State::Grant { left, used: None } => format!("{left} left"),
            State::Grant { left, used: Some(used) } => format!("{left} left, {used} used"),
        }
    }
}
