//! What a pass takes without being asked: a verdict about nothing is none.

/// A limit that holds for every run, unless the scenario says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Implied {
    /// Every stage in which somebody asked answered something.
    EveryStage,
    /// Every fault that was healed was recovered from.
    Recovered,
    /// At least half of what was offered was answered.
    HalfAnswered,
    /// No part of the history is missing.
    WholeHistory,
    /// The load generator kept to the times that were drawn.
    InTime,
}

impl Implied {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 5] =
        [Self::EveryStage, Self::Recovered, Self::HalfAnswered, Self::WholeHistory, Self::InTime];

    /// The name used in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Self::EveryStage => "every_stage",
            Self::Recovered => "recovered",
            Self::HalfAnswered => "half_answered",
            Self::WholeHistory => "whole_history",
            Self::InTime => "in_time",
        }
    }
}
