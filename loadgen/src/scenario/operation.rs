//! What a simulated user does, and how it can end.

use serde::{Deserialize, Serialize};

/// The kinds of operation a simulated user performs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Registers a new user.
    Register,
    /// Seals a photo and grants views to others.
    Seal,
    /// Lists the images a user may view.
    Discover,
    /// Opens an image, which takes a view off a grant.
    View,
    /// Sets the views a viewer has left.
    Grant,
}

impl OperationKind {
    /// Every kind, in the order of tables and legends.
    pub const ALL: [Self; 5] = [Self::Register, Self::Seal, Self::Discover, Self::View, Self::Grant];

    /// The name used in scenarios, tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Seal => "seal",
            Self::Discover => "discover",
            Self::View => "view",
            Self::Grant => "grant",
        }
    }
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// Answered. A refusal that the quota demands is an answer.
    Ok,
    /// Refused or broken, certainly without effect.
    Failed,
    /// No answer in time: may have happened.
    Unknown,
    /// Never sent: too many were outstanding.
    Shed,
}

impl OutcomeKind {
    /// Every kind, in the order of tables and legends.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Failed, Self::Unknown, Self::Shed];

    /// The name used in tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Shed => "shed",
        }
    }
}
