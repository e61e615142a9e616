//! Whom a fault strikes.

use std::fmt;

/// Whom a fault strikes. Resolved when it strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The node that leads at that moment.
    Leader,
    /// Any node, drawn from the seed.
    Random,
    /// Node `n1`, `n2`, …
    Node(u64),
    /// As many nodes as the cluster can lose, drawn from the seed.
    Minority,
    /// One more than that.
    Majority,
    /// Every node at once.
    All,
}

impl Target {
    /// How many nodes of `nodes` that are.
    pub fn count(self, nodes: usize) -> usize {
        match self {
            Self::Leader | Self::Random | Self::Node(_) => 1,
            Self::Minority => nodes.saturating_sub(1) / 2,
            Self::Majority => nodes / 2 + 1,
            Self::All => nodes,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leader => f.write_str("leader"),
            Self::Random => f.write_str("random"),
            Self::Node(number) => write!(f, "n{number}"),
            Self::Minority => f.write_str("minority"),
            Self::Majority => f.write_str("majority"),
            Self::All => f.write_str("all"),
        }
    }
}
