//! Stretches in which somebody waited and nobody was answered. Pure.
//!
//! Between two answers lies a *gap*. It is an outage only as far as somebody asked: from the first operation in
//! it that was due and had to wait. An operation that was answered waited from when it was due to its answer.
//! One that was not (refused, given up, never sent) was not served either, so what lies between two of them
//! without an answer is waiting too: a cluster that refuses everybody at once serves nobody. But once somebody who
//! asked later was answered, it is that operation which is lost, and not the service.

use super::{DECIDING_S, summit::Summit};

/// If the last who asked were turned away so shortly before the end, somebody asked to the end, s.
const ASKED_S: f64 = 1.0;

/// An operation, as far as waiting goes. Times are seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Demand {
    /// When it was due.
    pub due_s: f64,
    /// When it was answered, or when its user gave up or was refused.
    pub end_s: f64,
    /// Whether it was answered.
    pub answered: bool,
}

/// A stretch in which somebody waited and nobody was answered, within the gap between two answers. Seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// The last answer before it; the beginning of the load, if there was none.
    pub last_answer_s: f64,
    /// From when on somebody waited.
    pub from_s: f64,
    /// Until when: the next answer, or earlier, when those who waited had been turned away and nobody else asked.
    pub to_s: f64,
    /// The next answer; the end of the load, if there was none.
    pub next_answer_s: f64,
    /// No answer ended it.
    pub open_ended: bool,
}

impl Stretch {
    /// Nobody waited.
    pub fn nothing(at_s: f64) -> Self {
        Self { last_answer_s: at_s, from_s: at_s, to_s: at_s, next_answer_s: at_s, open_ended: false }
    }

    /// So long somebody waited, ms: nobody was served for at least so long.
    pub fn at_least_ms(&self) -> f64 {
        (self.to_s - self.from_s) * 1e3
    }

    /// Nobody was served for at most so long, ms: from answer to answer. `None`: it was not seen to end.
    pub fn at_most_ms(&self) -> Option<f64> {
        (!self.open_ended).then_some((self.next_answer_s - self.last_answer_s) * 1e3)
    }

    /// Nobody was served to the end, and somebody asked until then, for long enough to say so. An outage that was
    /// seen for a shorter time, or at whose end nobody asked, may have been over soon.
    pub fn is_endless(&self) -> bool {
        self.open_ended && self.to_s - self.from_s >= DECIDING_S && self.next_answer_s - self.to_s <= ASKED_S
    }

    /// As much of it as lies before `end_s`.
    pub fn before(mut self, end_s: f64) -> Self {
        if end_s < self.next_answer_s {
            self.to_s = self.to_s.min(end_s).max(self.from_s);
            self.next_answer_s = end_s;
            self.open_ended = false;
        }
        self
    }
}

/// All stretches of a load, in order of time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stretches {
    all: Vec<Stretch>,
    /// Which of a part of them is the longest.
    longest: Summit,
}

impl Stretches {
    /// The stretches of a load that lasts from 0 until `end_s`.
    pub fn of(demands: &[Demand], end_s: f64) -> Self {
        let mut answers: Vec<f64> = demands.iter().filter(|d| d.answered).map(|d| d.end_s).collect();
        answers.sort_by(f64::total_cmp);
        let end_s = answers.last().copied().unwrap_or(0.0).max(end_s);
        let (served, turned_away) = (Waits::of(demands, true), Waits::of(demands, false));
        let mut stretches = Vec::with_capacity(answers.len());
        // Before the first answer there is none, not even one at the beginning of the load.
        let mut gap = |last_s: Option<f64>, to_s: f64, open_ended: bool| {
            let from_s = last_s.unwrap_or(f64::NEG_INFINITY);
            let between = |from: f64, to: f64| Stretch {
                last_answer_s: last_s.unwrap_or(0.0),
                from_s: from,
                to_s: to,
                next_answer_s: to_s,
                open_ended,
            };
            // Whoever is answered is answered at the gap's end or later.
            let served = served.first_between(from_s, to_s).map(|from| (from, to_s));
            let turned_away = turned_away
                .first_between(from_s, to_s)
                .map(|from| (from, turned_away.last_until(to_s).min(to_s)));
            match (turned_away, served) {
                (Some((from, to)), Some((other, end))) if to >= other => {
                    stretches.push(between(from.min(other), end));
                }
                (first, second) => {
                    stretches
                        .extend([first, second].into_iter().flatten().map(|(from, to)| between(from, to)));
                }
            }
        };
        let mut last_s = None;
        for &answer_s in &answers {
            if last_s.is_none_or(|last_s| answer_s > last_s) {
                gap(last_s, answer_s, false);
                last_s = Some(answer_s);
            }
        }
        if last_s.is_none_or(|last_s| end_s > last_s) {
            gap(last_s, end_s, true);
        }
        let longest = Summit::of(stretches.iter().map(|stretch| stretch.to_s - stretch.from_s).collect());
        Self { all: stretches, longest }
    }

    /// The longest that was under way or began between two times. Which is the longest is decided by what lies
    /// before `seen_s`; it is given whole.
    pub fn longest(&self, from_s: f64, to_s: f64, seen_s: f64) -> Option<Stretch> {
        let first = self.all.partition_point(|stretch| stretch.to_s <= from_s);
        let end = self.all.partition_point(|stretch| stretch.from_s < to_s).max(first);
        let whole = first + self.all[first..end].partition_point(|stretch| stretch.to_s <= seen_s);
        let length = |stretch: &Stretch| stretch.to_s.min(seen_s) - stretch.from_s;
        let longest = self.longest.highest(first, whole).map(|place| &self.all[place]);
        // Of those that are not seen to their end hardly more than one has begun by then.
        let begun = self.all[whole..end].iter().take_while(|stretch| length(stretch) >= 0.0);
        longest
            .into_iter()
            .chain(begun)
            // Of equals the first.
            .reduce(|longest, other| if length(other) > length(longest) { other } else { longest })
            .copied()
    }
}

/// When operations were due, ascending, and the latest end of each and all before it.
struct Waits(Vec<(f64, f64)>);

impl Waits {
    fn of(demands: &[Demand], answered: bool) -> Self {
        let mut waits: Vec<(f64, f64)> =
            demands.iter().filter(|d| d.answered == answered).map(|d| (d.due_s, d.end_s)).collect();
        waits.sort_by(|a, b| a.0.total_cmp(&b.0));
        if !answered {
            let served = Served::of(demands);
            waits.iter_mut().for_each(|(due_s, end_s)| *end_s = end_s.min(served.first_later(*due_s)));
        }
        let mut latest = f64::NEG_INFINITY;
        for wait in &mut waits {
            latest = latest.max(wait.1);
            wait.1 = latest;
        }
        Self(waits)
    }

    /// The latest end of those that were due before `at_s`.
    fn last_until(&self, at_s: f64) -> f64 {
        let due = self.0.partition_point(|wait| wait.0 < at_s);
        due.checked_sub(1).map_or(f64::NEG_INFINITY, |last| self.0[last].1)
    }

    /// The first moment after `from_s` and before `to_s` at which one of them waited.
    fn first_between(&self, from_s: f64, to_s: f64) -> Option<f64> {
        let due = self.0.partition_point(|wait| wait.0 <= from_s);
        if due > 0 && self.0[due - 1].1 > from_s {
            return Some(from_s);
        }
        self.0.get(due).map(|wait| wait.0).filter(|&due_s| due_s < to_s)
    }
}

/// When operations were due that were answered, ascending, and the first answer to each and all after it.
struct Served(Vec<(f64, f64)>);

impl Served {
    fn of(demands: &[Demand]) -> Self {
        let mut served: Vec<(f64, f64)> =
            demands.iter().filter(|d| d.answered).map(|d| (d.due_s, d.end_s)).collect();
        served.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut first = f64::INFINITY;
        for one in served.iter_mut().rev() {
            first = first.min(one.1);
            one.1 = first;
        }
        Self(served)
    }

    /// The first answer to somebody who asked after `due_s`.
    fn first_later(&self, due_s: f64) -> f64 {
        let later = self.0.partition_point(|one| one.0 <= due_s);
        self.0.get(later).map_or(f64::INFINITY, |one| one.1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `(due, end, answered)` in milliseconds.
    fn demands(of: &[(u32, u32, bool)]) -> Vec<Demand> {
        let seconds = |ms: u32| f64::from(ms) / 1e3;
        of.iter()
            .map(|&(due, end, answered)| Demand { due_s: seconds(due), end_s: seconds(end), answered })
            .collect()
    }

    fn longest(of: &[(u32, u32, bool)], end_ms: u32) -> Stretch {
        Stretches::of(&demands(of), f64::from(end_ms) / 1e3).longest(0.0, 1e9, 1e9).unwrap()
    }

    fn close(measured: f64, expected: f64) {
        assert!((measured - expected).abs() < 1e-6, "measured {measured}, expected {expected}");
    }

    /// The definition, looked at in the middle of every millisecond of the load: somebody waits there, or was turned
    /// away both before and after it without an answer between, and nobody is answered in the whole stretch. How
    /// long the longest such stretch is, ms.
    fn by_looking(of: &[(u32, u32, bool)], end_ms: u32) -> u32 {
        let given_up = |&(due, end, answered): &(u32, u32, bool)| {
            let later = of.iter().filter(|d| d.2 && d.0 > due).map(|d| d.1).min();
            (due, if answered { end } else { later.map_or(end, |later| later.min(end)) }, answered)
        };
        let of: &[_] = &of.iter().map(given_up).collect::<Vec<_>>();
        let last = of.iter().filter(|d| d.2).map(|d| d.1).fold(end_ms, u32::max);
        let answered_in = |from: u32, to: u32| of.iter().any(|d| d.2 && from <= d.1 && d.1 <= to);
        let waits = |ms: u32| {
            let middle = f64::from(ms) + 0.5;
            let waiting = |d: &&(u32, u32, bool)| f64::from(d.0) < middle && middle < f64::from(d.1);
            let turned_away = || {
                let before = of.iter().filter(|d| !d.2 && d.0 <= ms).map(|d| d.1.min(ms));
                let after = of.iter().filter(|d| !d.2 && d.1 > ms).map(|d| d.0.max(ms + 1));
                match (before.max(), after.min()) {
                    (Some(before), Some(after)) => !answered_in(before, after),
                    _ => false,
                }
            };
            of.iter().any(|d| waiting(&d)) || turned_away()
        };
        let (mut longest, mut length) = (0, 0);
        for ms in 0..last {
            if ms > 0 && answered_in(ms, ms) {
                length = 0;
            }
            length = if waits(ms) { length + 1 } else { 0 };
            longest = longest.max(length);
        }
        longest
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn the_longest_stretch_is_the_one_that_is_found_by_looking_at_every_moment(
            of in proptest::collection::vec((0u32..60, 0u32..30, proptest::bool::weighted(0.7)), 0..25),
            end_ms in 60u32..90,
        ) {
            let of: Vec<_> = of.into_iter().map(|(due, wait, answered)| (due, due + wait, answered)).collect();
            let found = Stretches::of(&demands(&of), f64::from(end_ms) / 1e3).longest(0.0, 1e9, 1e9);
            let found_ms = found.map_or(0.0, |stretch| stretch.at_least_ms());
            prop_assert!((found_ms - f64::from(by_looking(&of, end_ms))).abs() < 1e-6, "{found:?}");
        }

        #[test]
        fn every_stretch_lies_in_the_gap_that_bounds_it_and_holds_no_answer(
            of in proptest::collection::vec((0u32..60, 0u32..30, proptest::bool::weighted(0.7)), 0..25),
        ) {
            let of: Vec<_> = of.into_iter().map(|(due, wait, answered)| (due, due + wait, answered)).collect();
            let demands = demands(&of);
            let stretches = Stretches::of(&demands, 0.08).all;
            prop_assert!(stretches.is_sorted_by(|a, b| a.to_s <= b.from_s.max(b.last_answer_s)), "{stretches:?}");
            for s in stretches {
                prop_assert!(s.last_answer_s <= s.from_s && s.from_s <= s.to_s && s.to_s <= s.next_answer_s, "{s:?}");
                let inside = |d: &Demand| d.answered && s.last_answer_s < d.end_s && d.end_s < s.next_answer_s;
                prop_assert!(!demands.iter().any(inside), "{s:?}");
            }
        }
    }

    #[test]
    fn a_gap_in_which_nobody_asked_is_no_outage() {
        // The issue's own: one operation in 23.5 ms, due 22.9 ms after the last answer, answered in 0.6 ms.
        let demand = |due_s, end_s| Demand { due_s, end_s, answered: true };
        let demands = [demand(6.4994, 6.5), demand(6.5229, 6.5235), demand(6.5240, 6.5246)];
        let stretch = Stretches::of(&demands, 6.53).longest(6.5, 6.6, 1e9).unwrap();
        close(stretch.at_least_ms(), 0.6);
        close(stretch.at_most_ms().unwrap(), 23.5);
    }

    #[test]
    fn whoever_had_to_wait_first_begins_it_and_the_answer_before_bounds_it() {
        let stretch = longest(&[(10, 12, true), (20, 350, true), (30, 351, true), (400, 402, true)], 402);
        close(stretch.at_least_ms(), 330.0);
        close(stretch.at_most_ms().unwrap(), 338.0);
    }

    #[test]
    fn one_who_waits_while_others_are_answered_waits_from_answer_to_answer() {
        let stretch = longest(&[(0, 100, true), (10, 12, true), (20, 22, true)], 100);
        close(stretch.from_s, 0.022);
        close(stretch.to_s, 0.1);
    }

    #[test]
    fn refusals_at_once_are_an_outage_from_the_first_to_the_last() {
        let refused = (0..50).map(|i| (100 + i * 20, 101 + i * 20, false));
        let of: Vec<_> = [(90, 92, true)].into_iter().chain(refused).chain([(1500, 1502, true)]).collect();
        let stretch = longest(&of, 1510);
        close(stretch.at_least_ms(), 981.0);
        close(stretch.at_most_ms().unwrap(), 1410.0);
        assert!(!stretch.open_ended);
    }

    #[test]
    fn one_who_is_never_answered_while_later_ones_are_is_lost_and_no_outage() {
        let lost = (10, 2010, false);
        let of: Vec<_> =
            [lost].into_iter().chain((0..20).map(|i| (20 + i * 100, 22 + i * 100, true))).collect();
        let stretch = longest(&of, 2000);
        close(stretch.at_least_ms(), 12.0);
        close(stretch.from_s, 0.01);
    }

    #[test]
    fn a_single_refusal_between_answers_is_as_long_as_it_took() {
        let stretch = longest(&[(0, 1, true), (10, 11, false), (70, 71, true)], 80);
        close(stretch.at_least_ms(), 1.0);
    }

    #[test]
    fn what_no_answer_ends_lasts_to_the_end_of_the_load_and_no_longer() {
        let stretch = longest(&[(0, 2, true), (10, 2010, false), (500, 2500, false)], 1000);
        assert!(stretch.open_ended && stretch.at_most_ms().is_none());
        close(stretch.at_least_ms(), 990.0);
    }
}
