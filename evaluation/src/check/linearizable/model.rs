//! What is checked: a sequential object, and operations on it that overlapped in time.

use std::{fmt::Debug, hash::Hash};

/// How an object behaves when it is asked one thing at a time.
pub(super) trait Model {
    /// All that its answers depend on.
    type State: Clone + Eq + Hash + Debug;
    /// What it can be asked.
    type Call: Clone + Eq + Hash + Debug;
    /// What it can answer.
    type Reply: Clone + Eq + Hash + Debug;

    /// The state after a call that was answered so; nothing, if it cannot have been answered so in this state.
    ///
    /// Of a call whose answer nobody knows (no reply), the state that it leads to if it takes effect.
    fn step(
        &self,
        state: &Self::State,
        call: &Self::Call,
        reply: Option<&Self::Reply>,
    ) -> Option<Self::State>;

    /// Whether a call that was answered so changes nothing, in whatever state it was.
    fn is_question(&self, call: &Self::Call, reply: &Self::Reply) -> bool;

    /// A state of which nothing is known: every call can follow it that can follow any state.
    fn anything(&self) -> Self::State;

    /// A call in words that follow the name of whoever asks: `sets 5 views`.
    fn call_words(&self, call: &Self::Call) -> String;

    /// An answer in words: `4 left`.
    fn reply_words(&self, reply: &Self::Reply) -> String;

    /// A state in words: `4 left`.
    fn state_words(&self, state: &Self::State) -> String;
}

/// Where an operation is told of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// In the history, under this number.
    Operation(u64),
    /// Where these nodes were read back after all else.
    ReadBack(Box<[u64]>),
}

/// An operation on the object.
#[derive(Debug)]
pub(super) struct Operation<M: Model> {
    /// Where it is told of.
    pub source: Source,
    /// It took effect at no earlier time, if at all.
    pub begin_ns: i64,
    /// What was asked.
    pub call: M::Call,
    /// What came of it; nothing, if nobody knows. Then it may have taken effect at any time after it began, or never.
    pub answer: Option<Answer<M>>,
}

/// How an operation ended.
#[derive(Debug)]
pub(super) struct Answer<M: Model> {
    /// It took effect at no later time.
    pub end_ns: i64,
    /// What was answered.
    pub reply: M::Reply,
}

impl<M: Model> Operation<M> {
    /// What was asked and answered: operations that agree in this differ in their times alone.
    pub fn exchange(&self) -> (&M::Call, Option<&M::Reply>) {
        (&self.call, self.answer.as_ref().map(|answer| &answer.reply))
    }

    /// The same operation, as if nobody had heard of its answer.
    pub fn unanswered(&self) -> Self {
        Self { source: self.source.clone(), begin_ns: self.begin_ns, call: self.call.clone(), answer: None }
    }

    /// When it ended, if it did.
    pub fn end_ns(&self) -> Option<i64> {
        self.answer.as_ref().map(|answer| answer.end_ns)
    }

    /// Whether it was answered and changes nothing.
    pub fn is_question(&self, model: &M) -> bool {
        self.answer.as_ref().is_some_and(|answer| model.is_question(&self.call, &answer.reply))
    }

    /// The state after it.
    pub fn step(&self, model: &M, state: &M::State) -> Option<M::State> {
        model.step(state, &self.call, self.answer.as_ref().map(|answer| &answer.reply))
    }
}

// Derived ones would ask it of the model.
impl<M: Model> Clone for Operation<M> {
    fn clone(&self) -> Self {
        Self { answer: self.answer.clone(), ..self.unanswered() }
    }
}

impl<M: Model> Clone for Answer<M> {
    fn clone(&self) -> Self {
        Self { end_ns: self.end_ns, reply: self.reply.clone() }
    }
}
