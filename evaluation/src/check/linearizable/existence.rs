//! A user, or the record of an image: it comes to be once, as something, and stays.

use super::model::Model;

/// See the module. What it can come to be is told by its place in this list, in words; a user is the same whatever
/// happens, an image has an owner and a content.
#[derive(Debug)]
pub(super) struct Existence {
    pub values: Vec<Value>,
}

/// What it can come to be, in words.
#[derive(Debug)]
pub(super) struct Value {
    /// Making it: `registers`.
    pub making: String,
    /// That it is so: `registered`.
    pub made: String,
}

/// Whether it is there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum State {
    /// Nothing is known of it.
    Anything,
    /// It is not.
    Absent,
    /// It is, as this; nothing, if it is not known as what.
    Present(Option<usize>),
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Call {
    /// It is made, as this.
    Create(usize),
    /// Something is done that takes it to be there: in these words.
    Need(&'static str),
    /// It is looked up.
    Read,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Reply {
    /// It was done.
    Done,
    /// It is not there.
    Missing,
    /// It is there, as this.
    Is(usize),
}

impl Existence {
    fn made(&self, value: usize) -> String {
        self.values.get(value).map_or_else(|| "something else".to_owned(), |value| value.made.clone())
    }
}

impl Model for Existence {
    type State = State;
    type Call = Call;
    type Reply = Reply;

    fn step(&self, state: &State, call: &Call, reply: Option<&Reply>) -> Option<State> {
        match (call, reply, state) {
            // A name is given once, and so is the number of an image.
            (Call::Create(value), None | Some(Reply::Done), State::Anything | State::Absent) => {
                Some(State::Present(Some(*value)))
            }
            (Call::Need(_), Some(Reply::Done), State::Anything) => Some(State::Present(None)),
            (Call::Need(_), Some(Reply::Done), State::Present(_)) => Some(state.clone()),
            (Call::Read, Some(Reply::Missing), State::Anything | State::Absent) => Some(State::Absent),
            (Call::Read, Some(Reply::Is(value)), State::Anything | State::Present(None)) => {
                Some(State::Present(Some(*value)))
            }
            (Call::Read, Some(Reply::Is(value)), State::Present(Some(known))) if value == known => {
                Some(state.clone())
            }
            _ => None,
        }
    }

    fn is_question(&self, call: &Call, _: &Reply) -> bool {
        matches!(call, Call::Need(_) | Call::Read)
    }

    fn anything(&self) -> State {
        State::Anything
    }

    fn call_words(&self, call: &Call) -> String {
        match call {
            Call::Create(value) => self
                .values
                .get(*value)
                .map_or_else(|| "makes something".to_owned(), |value| value.making.clone()),
            Call::Need(what) => (*what).to_owned(),
            Call::Read => "read back".to_owned(),
        }
    }

    fn reply_words(&self, reply: &Reply) -> String {
        match reply {
            Reply::Done => "done".to_owned(),
            Reply::Missing => "not there".to_owned(),
            Reply::Is(value) => self.made(*value),
        }
    }

    fn state_words(&self, state: &State) -> String {
        match state {
            State::Anything => "anything".to_owned(),
            State::Absent => "not there".to_owned(),
            State::Present(None) => "there".to_owned(),
            State::Present(Some(value)) => self.made(*value),
        }
    }
}
