//! Limits: figures that a run must keep to.

use super::{OperationKind, OutcomeKind};

/// One limit: `metric comparison value [@ window]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// As written in the scenario.
    pub text: String,
    /// What is measured.
    pub metric: Metric,
    /// How it is compared.
    pub comparison: Comparison,
    /// The bound: milliseconds for times, a plain number for counts and ratios.
    pub value: f64,
    /// Which operations count.
    pub window: Window,
}

/// What a limit measures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Metric {
    /// `fault[*].unavailable`, `fault[0].elect`: a failover figure of every fault, or of one.
    /// Each fault that has the figure must satisfy the limit.
    Fault {
        /// Zero-based; `None` is `*`.
        index: Option<usize>,
        /// Which figure.
        figure: FailoverFigure,
    },
    /// `fault[*].unavailable.p50`: a quantile of a failover figure, over all faults that have it.
    Faults {
        /// Which figure.
        figure: FailoverFigure,
        /// 0.5, 0.9, 0.99, 0.999 or 1 (max).
        quantile: f64,
    },
    /// `elections`: how many leaders of a higher term were seen after the first.
    Elections,
    /// `distinguishable`: how many faults did something that can be told from no fault.
    Distinguishable,
    /// `ok_ratio`: answered operations over offered ones.
    OkRatio,
    /// `ok`, `failed`, `unknown`, `shed`: how many operations ended so.
    Count(OutcomeKind),
    /// `view.p99`, or `p99` for all operations together.
    Latency {
        /// `None` is all operations.
        operation: Option<OperationKind>,
        /// 0.5, 0.9, 0.99, 0.999 or 1 (max).
        quantile: f64,
    },
}

/// The four failover figures (design, section 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailoverFigure {
    /// Fault to a leader of a higher term, ms.
    Elect,
    /// The longest time in which an operation that was due waited and none was answered, at the fault or later until
    /// it was settled, ms.
    Unavailable,
    /// Fault to the first good second, ms.
    Recover,
    /// Operations offered and not completed in time.
    LostWork,
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `==`
    Equal,
    /// `>=`
    AtLeast,
    /// `>`
    Greater,
}

impl Comparison {
    /// Whether `left` stands in this relation to `right`.
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::Equal => left == right,
            Self::AtLeast => left >= right,
            Self::Greater => left > right,
        }
    }
}

/// Which operations a limit looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// All that were due outside warm-up.
    Measured,
    /// `@ steady`: those also due outside every fault, from its injection until it is healed and recovered.
    Steady,
}
