//! *unavailable*: the longest stretch of a time, and whether it can be told from what chance makes. Pure.

use super::{
    noise::Noise,
    stretch::{Stretch, Stretches},
};

/// A time in which the longest stretch is looked for, s.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Window {
    /// What was under way then counts,
    pub from_s: f64,
    /// and what began before this.
    pub to_s: f64,
    /// What lies behind this does not make a stretch longer than another.
    pub seen_s: f64,
}

/// The longest stretch in which somebody waited and nobody was served, and what chance makes of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unavailable {
    /// The stretch.
    pub stretch: Stretch,
    /// The same without a fault; nothing, if there was no time without one.
    pub noise: Option<Noise>,
}

impl Unavailable {
    pub(super) fn of(stretches: &Stretches, window: Window, quiet: &[(f64, f64)]) -> Self {
        let Window { from_s, to_s, seen_s } = window;
        Self {
            stretch: stretches.longest(from_s, to_s, seen_s).unwrap_or_else(|| Stretch::nothing(from_s)),
            noise: Noise::of(stretches, quiet, to_s - from_s),
        }
    }

    /// Nobody was served for at least so long, ms.
    pub fn at_least_ms(&self) -> f64 {
        self.stretch.at_least_ms()
    }

    /// Nobody was served for at most so long, ms. `None`: it was not seen to end.
    pub fn at_most_ms(&self) -> Option<f64> {
        self.stretch.at_most_ms()
    }

    /// How long it was at least, ms; infinite, if somebody asked to the end and was not served.
    pub fn figure_ms(&self) -> f64 {
        if self.stretch.is_endless() { f64::INFINITY } else { self.at_least_ms() }
    }

    /// Whether it can be told from no fault: it is longer than noise. `None`: there is none to compare it with, or too
    /// little.
    pub fn is_distinguishable(&self) -> Option<bool> {
        self.noise.and_then(|noise| noise.is_exceeded_by(&self.stretch))
    }
}
