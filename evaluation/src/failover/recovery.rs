//! Whether a time is about as good as one before, as far as the operations that were due in it can show. Pure.
//!
//! Of few operations the p99 is the slowest, and one slow answer says nothing. So what is compared is what few can
//! show, and each comparison says *worse* only where chance would say so once in a hundred times.

use crate::statistics::nearest_rank;

/// So large a part may be unanswered or slow, beyond what was unanswered before.
const SPARED: f64 = 0.05;
/// So many times what was usual before is slow.
const SLOWER: f64 = 2.0;
/// How often chance alone may say *worse*.
const ERROR: f64 = 0.01;
/// The quantile of the normal distribution that belongs to it.
const ERROR_Z: f64 = 2.326;

/// How long those waited who asked in some time, ms, ascending; infinite, if they were not answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Waits(Vec<f64>);

impl Waits {
    pub(super) fn of(waits_ms: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = waits_ms.collect();
        sorted.sort_unstable_by(f64::total_cmp);
        Self(sorted)
    }

    /// Nobody asked.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that were answered.
    pub(super) fn answered(&self) -> &[f64] {
        &self.0[..self.0.partition_point(|wait| wait.is_finite())]
    }

    /// The p99 of those that were answered.
    pub(super) fn p99_ms(&self) -> Option<f64> {
        let answered = self.answered();
        nearest_rank(answered.len(), 0.99).map(|rank| answered[rank])
    }

    /// Whether whoever asked here was served about as well as those `before`. Nobody's service is no good service.
    pub(super) fn is_as_good_as(&self, before: &Self) -> bool {
        let Some(usual_ms) = before.p99_ms() else { return false };
        self.is_served_within(SLOWER * usual_ms, before) && !are_larger(&self.0, &before.0, SLOWER)
    }

    /// Whether whoever asked here was answered about as surely as those `before`, however long that took.
    pub(super) fn is_answered_like(&self, before: &Self) -> bool {
        self.is_served_within(f64::MAX, before)
    }

    /// Whether whoever asked here was answered, but for a few.
    pub(super) fn is_answered(&self) -> bool {
        self.is_mostly_within(f64::MAX, 0.0)
    }

    fn is_served_within(&self, limit_ms: f64, before: &Self) -> bool {
        let unanswered = 1.0 - before.answered().len() as f64 / before.0.len().max(1) as f64;
        !before.answered().is_empty() && self.is_mostly_within(limit_ms, unanswered)
    }

    /// Whether no more waited longer than so, or in vain, than chance has it, where such a part of them is usual.
    fn is_mostly_within(&self, limit_ms: f64, usual: f64) -> bool {
        let in_time = self.0.partition_point(|wait| *wait <= limit_ms);
        let late = self.0.len() - in_time;
        // Of one operation, that it was not answered is no more than chance; but nobody was served.
        !self.answered().is_empty() && !is_more_than_chance(late, self.0.len(), (SPARED + usual).min(1.0))
    }
}

/// Whether `count` of `of` are too many, if each were so with this chance: an exact binomial test.
fn is_more_than_chance(count: usize, of: usize, chance: f64) -> bool {
    let expected = of as f64 * chance;
    if count as f64 <= expected || chance >= 1.0 {
        return false;
    }
    // What is so far out needs no counting.
    if count as f64 > 4.0 * expected + 20.0 {
        return true;
    }
    // The chance of exactly so many, in logarithms: it is too small for a number when there are many.
    let odds = (chance / (1.0 - chance)).ln();
    let step = |ln: f64, k: usize| ln + ((of - k) as f64 / (k + 1) as f64).ln() + odds;
    let mut ln = (0..count).fold(of as f64 * (1.0 - chance).ln(), step);
    let mut sum = 0.0;
    for k in count..=of {
        let term = ln.exp();
        sum += term;
        // Beyond the middle the terms only fall.
        if sum >= ERROR || term < sum * 1e-9 {
            break;
        }
        ln = step(ln, k);
    }
    sum < ERROR
}

/// Whether some values are larger than `times` others: the rank test of Mann and Whitney, with ties.
fn are_larger(these: &[f64], others: &[f64], times: f64) -> bool {
    let (n, m) = (these.len() as f64, others.len() as f64);
    let (mut wins, mut ties) = (0.0, 0.0);
    let mut place = 0;
    while place < these.len() {
        let value = these[place];
        let alike = these[place..].partition_point(|other| *other <= value);
        let below = others.partition_point(|other| other * times < value);
        let equal = others[below..].partition_point(|other| other * times <= value);
        wins += alike as f64 * (below as f64 + equal as f64 / 2.0);
        let tied = (alike + equal) as f64;
        ties += tied.powi(3) - tied;
        place += alike;
    }
    let all = n + m;
    let spread = (n * m / 12.0 * ((all + 1.0) - ties / (all * (all - 1.0)))).sqrt();
    spread > 0.0 && (wins - n * m / 2.0) / spread > ERROR_Z
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::Noise;

    /// The waits of `count` operations of a cluster that answers as a real one does: mostly soon, now and then late.
    fn waits(draw: &mut Noise, count: usize, slower: f64) -> Waits {
        Waits::of((0..count).map(|_| {
            let stall = if draw.uniform() < 0.004 { 20.0 } else { 0.0 };
            slower * (draw.lognormal(1.2, 0.5) + stall)
        }))
    }

    #[test]
    fn a_time_like_any_other_is_called_worse_hardly_ever() {
        for rate in [5, 25, 50, 100, 200, 500] {
            let mut draw = Noise(rate as u64);
            let wrong = (0..500).filter(|_| {
                let before = waits(&mut draw, rate * 5, 1.0);
                !waits(&mut draw, rate, 1.0).is_as_good_as(&before)
            });
            let wrong = wrong.count();
            assert!(wrong <= 5, "at {rate}/s {wrong} of 500");
        }
    }

    #[test]
    fn one_slow_answer_of_twenty_five_proves_nothing() {
        let before = Waits::of((0..500).map(|i| 1.0 + f64::from(i % 10) / 10.0));
        let after = Waits::of((0..25).map(|i| if i == 7 { 6.0 } else { 1.2 }));
        assert!(after.is_as_good_as(&before));
    }

    #[test]
    fn what_is_much_slower_or_not_answered_is_seen_even_of_few() {
        let mut draw = Noise(7);
        let before = waits(&mut draw, 500, 1.0);
        for count in [25, 50, 400] {
            assert!(!waits(&mut draw, count, 4.0).is_as_good_as(&before), "four times as slow, of {count}");
            let lost = Waits::of((0..count).map(|i| if i % 4 == 0 { f64::INFINITY } else { 1.2 }));
            assert!(!lost.is_as_good_as(&before), "a quarter lost, of {count}");
        }
        assert!(!Waits::of(std::iter::empty()).is_as_good_as(&before), "nobody asked");
        assert!(!Waits::of([f64::INFINITY; 20].into_iter()).is_as_good_as(&before));
    }

    #[test]
    fn a_time_in_which_nobody_was_answered_is_not_good_however_few_asked() {
        let before = Waits::of((0..500).map(|i| 1.0 + f64::from(i % 10) / 10.0));
        for count in [1, 2] {
            let lost = Waits::of(vec![f64::INFINITY; count].into_iter());
            assert!(!lost.is_as_good_as(&before) && !lost.is_answered_like(&before), "of {count}");
        }
        let one = Waits::of([1.2].into_iter());
        assert!(one.is_as_good_as(&before) && one.is_answered_like(&before));
        let slow = Waits::of([60.0].into_iter());
        assert!(slow.is_as_good_as(&before), "one slow answer proves nothing");
    }

    #[test]
    fn slower_service_is_service() {
        let mut draw = Noise(9);
        let before = waits(&mut draw, 500, 1.0);
        let slower = waits(&mut draw, 100, 6.0);
        assert!(slower.is_answered_like(&before) && !slower.is_as_good_as(&before));
        let lost = Waits::of((0..100).map(|i| if i % 4 == 0 { f64::INFINITY } else { 1.2 }));
        assert!(!lost.is_answered_like(&before) && !before.is_answered_like(&Waits::of(std::iter::empty())));
    }

    #[test]
    fn what_was_not_answered_before_need_not_be_now() {
        let half_lost =
            |count: u32| Waits::of((0..count).map(|i| if i % 2 == 0 { f64::INFINITY } else { 1.2 }));
        assert!(half_lost(100).is_as_good_as(&half_lost(500)));
        assert!(
            !half_lost(100).is_as_good_as(&Waits::of([f64::INFINITY; 500].into_iter())),
            "nobody was served"
        );
    }

    #[test]
    fn the_binomial_test_is_exact() {
        // P(X >= 5) of 25 at 5 % is 0.0072, P(X >= 4) is 0.034.
        assert!(is_more_than_chance(5, 25, 0.05) && !is_more_than_chance(4, 25, 0.05));
        // Of 500 the 99th percentile is 37.
        assert!(is_more_than_chance(38, 500, 0.05) && !is_more_than_chance(36, 500, 0.05));
        assert!(is_more_than_chance(10_000, 100_000, 0.05) && !is_more_than_chance(5_000, 100_000, 0.05));
        assert!(!is_more_than_chance(10, 10, 1.0));
    }

    #[test]
    fn the_rank_test_knows_larger_from_like() {
        let ramp: Vec<f64> = (1..=100).map(f64::from).collect();
        let shifted: Vec<f64> = ramp.iter().map(|value| value + 30.0).collect();
        assert!(!are_larger(&ramp, &ramp, 1.0) && are_larger(&shifted, &ramp, 1.0));
        assert!(!are_larger(&shifted, &ramp, 2.0), "not twice as large");
        assert!(!are_larger(&[1.0; 50], &[1.0; 50], 1.0), "all alike");
    }
}
