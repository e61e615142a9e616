//! What a link does to what travels along it, and how several faults add up.

use std::time::Duration;

/// What one direction of a link does to the bytes that travel along it. Faults that stand at the same
/// time are counted, so that each can be taken back on its own.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shape {
    /// How many faults cut it in silence. While there is one, nothing passes.
    pub cuts: u32,
    /// How many faults cut it aloud. While there is one, nothing passes, connections across it are reset,
    /// and so is whoever tries to open one.
    pub resets: u32,
    /// What faults make of it without cutting it; [`Shape::quality`] is the sum.
    pub qualities: Vec<Quality>,
}

impl Shape {
    /// Whether nothing passes.
    pub fn is_cut(&self) -> bool {
        self.cuts > 0 || self.resets > 0
    }

    /// Whether connections are reset. It does not matter then that another fault cuts it in silence.
    pub fn is_reset(&self) -> bool {
        self.resets > 0
    }

    /// Makes it worse by so much.
    pub fn worsen(&mut self, by: Quality) {
        self.qualities.push(by);
    }

    /// Takes that back.
    pub fn restore(&mut self, by: Quality) {
        if let Some(index) = self.qualities.iter().position(|quality| *quality == by) {
            self.qualities.swap_remove(index);
        }
    }

    /// All qualities together, as if what travels passed through one after the other.
    pub fn quality(&self) -> Quality {
        self.qualities.iter().fold(Quality::default(), |all, one| all.and(one))
    }
}

/// How good a line is. The default is one that does no harm.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Quality {
    /// How much later everything arrives.
    pub delay: Duration,
    /// Up to so much later still, evenly drawn for each piece.
    pub jitter: Duration,
    /// The share of pieces that are lost and sent again, which costs [`super::RETRANSMISSION`].
    pub loss: f64,
    /// The share of pieces at which the connection breaks, with a reset to both ends.
    pub resets: f64,
    /// Bytes a second, of all connections together; unlimited, if absent.
    pub rate: Option<u64>,
}

impl Quality {
    /// A line that does no harm.
    pub const HARMLESS: Self =
        Self { delay: Duration::ZERO, jitter: Duration::ZERO, loss: 0.0, resets: 0.0, rate: None };

    fn and(self, other: &Self) -> Self {
        let either = |a: f64, b: f64| 1.0 - (1.0 - a) * (1.0 - b);
        Self {
            delay: self.delay + other.delay,
            jitter: self.jitter + other.jitter,
            loss: either(self.loss, other.loss),
            resets: either(self.resets, other.resets),
            rate: self.rate.into_iter().chain(other.rate).min(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qualities_add_up_and_each_is_taken_back_on_its_own() {
        let slow = Quality { delay: Duration::from_millis(30), rate: Some(1_000), ..Quality::default() };
        let bad = Quality { delay: Duration::from_millis(5), loss: 0.5, rate: Some(500), ..slow };
        let mut shape = Shape::default();
        shape.worsen(slow);
        shape.worsen(bad);
        shape.worsen(bad);
        let all = shape.quality();
        assert_eq!((all.delay, all.loss, all.rate), (Duration::from_millis(40), 0.75, Some(500)));
        shape.restore(bad);
        shape.restore(slow);
        assert_eq!(shape.quality(), bad);
        shape.restore(slow);
        assert_eq!(shape.quality(), bad, "what was never done cannot be taken back");
        shape.restore(bad);
        assert_eq!(shape, Shape::default());
    }

    #[test]
    fn a_link_is_whole_when_the_last_cut_is_mended() {
        let mut shape = Shape { cuts: 1, resets: 1, ..Shape::default() };
        assert!(shape.is_cut() && shape.is_reset());
        shape.resets -= 1;
        assert!(shape.is_cut() && !shape.is_reset());
        shape.cuts -= 1;
        assert!(!shape.is_cut());
    }
}
