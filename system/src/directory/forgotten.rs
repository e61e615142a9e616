//! The times of requests whose answers were forgotten, so that none is carried out twice when the clock is turned back.

use serde::{Deserialize, Serialize};

use super::REQUEST_WINDOW_MS;

/// Requests further apart than this, with none between them, leave two spans, milliseconds.
const APART_MS: u64 = REQUEST_WINDOW_MS;
/// The most spans. With one more the two earliest become one, and what lies between them counts as forgotten, too.
const MAX_SPANS: usize = 32;

/// From the first to the last time, milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Span {
    from_ms: u64,
    until_ms: u64,
}

/// Ascending spans of time. A request of such a time may have been carried out.
///
/// Of a clock that never goes back, the last span says no more than the window does. Of one that jumped a year ahead and
/// was set right, there is one span up to the jump, and one from where it had jumped to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Forgotten(Vec<Span>);

impl Forgotten {
    /// An answer was forgotten to a request of this time.
    pub(super) fn add(&mut self, ms: u64) {
        let Self(spans) = self;
        let near = spans.partition_point(|span| span.until_ms.saturating_add(APART_MS) < ms);
        match spans.get_mut(near) {
            Some(span) if span.from_ms <= ms.saturating_add(APART_MS) => {
                span.from_ms = span.from_ms.min(ms);
                span.until_ms = span.until_ms.max(ms);
            }
            _ => spans.insert(near, Span { from_ms: ms, until_ms: ms }),
        }
        let met = |pair: &[Span]| pair[1].from_ms <= pair[0].until_ms.saturating_add(APART_MS);
        if let Some(first) = spans.windows(2).position(met) {
            self.join(first);
        }
        if self.0.len() > MAX_SPANS {
            self.join(0);
        }
    }

    /// Until when requests may have been carried out, and their answers forgotten, if one of this time may.
    pub(super) fn until(&self, ms: u64) -> Option<u64> {
        let at = self.0.partition_point(|span| span.until_ms < ms);
        self.0.get(at).filter(|span| span.from_ms <= ms).map(|span| span.until_ms)
    }

    /// Makes one of the span at `first` and the next.
    fn join(&mut self, first: usize) {
        let next = self.0.remove(first + 1);
        if let Some(span) = self.0.get_mut(first) {
            span.until_ms = span.until_ms.max(next.until_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(times: &[u64]) -> Forgotten {
        let mut forgotten = Forgotten::default();
        times.iter().for_each(|ms| forgotten.add(*ms));
        forgotten
    }

    #[test]
    fn times_that_are_near_are_one_span_and_others_are_not() {
        let year = 365 * 24 * 3_600_000;
        let forgotten = of(&[1_000, 2_000, year, year + APART_MS, 2_000 + APART_MS]);
        assert_eq!(forgotten.0.len(), 2);
        for (ms, contained) in [
            (999, false),
            (1_000, true),
            (1_500, true),
            (2_000 + APART_MS, true),
            (2_001 + APART_MS, false),
            (year - 1, false),
            (year + 1, true),
            (year + APART_MS + 1, false),
        ] {
            assert_eq!(forgotten.until(ms).is_some(), contained, "{ms}");
        }
    }

    #[test]
    fn a_time_between_two_spans_joins_them() {
        let forgotten = of(&[0, 2 * APART_MS, APART_MS]);
        assert_eq!(forgotten.0, [Span { from_ms: 0, until_ms: 2 * APART_MS }]);
    }

    proptest! {
        #[test]
        fn what_was_added_is_contained_in_few_ascending_spans(
            times in prop::collection::vec(0..200 * APART_MS, 0..300),
        ) {
            let forgotten = of(&times);
            prop_assert!(times.iter().all(|ms| forgotten.until(*ms).is_some()));
            prop_assert!(forgotten.0.len() <= MAX_SPANS);
            prop_assert!(forgotten.0.windows(2).all(|pair| pair[0].until_ms + APART_MS < pair[1].from_ms));
            // The latest are exact: only the earliest are ever joined across a gap.
            let latest = times.iter().max().copied().unwrap_or(0);
            prop_assert!(forgotten.until(latest + 1).is_none());
        }
    }
}
