//! What faults disturbed, gathered fault by fault. Pure.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::Failover;

/// From when each fault was asked for until it was settled. One that did not settle was over when a later one had
/// settled, if it was healed by then.
#[derive(Debug, Clone, Default)]
pub(super) struct Disturbances {
    /// Times that are over, joined, in order, s.
    over: Vec<(f64, f64)>,
    /// Faults that have not settled: when they were healed, and when they were asked for, s. The first healed comes first.
    open: BinaryHeap<Reverse<(Seconds, Seconds)>>,
    /// When the first of those was asked for that are not over, or were not when it was last looked, s.
    open_from_s: Option<f64>,
}

/// Seconds, ordered.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Seconds(f64);

impl Eq for Seconds {}

impl PartialOrd for Seconds {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Seconds {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Disturbances {
    /// All that some faults disturbed, in order of time.
    pub(super) fn of(failovers: &[Failover]) -> Self {
        let mut all = Self::default();
        failovers.iter().for_each(|fault| all.add(fault));
        all
    }

    /// One fault more, which comes after those before.
    pub(super) fn add(&mut self, fault: &Failover) {
        match fault.settled_s {
            Some(settled_s) => {
                let mut closed = false;
                while let Some(Reverse((healed, asked))) = self.open.peek().copied()
                    && healed.0 <= settled_s
                {
                    self.open.pop();
                    self.join(asked.0, settled_s);
                    closed = true;
                }
                if closed {
                    self.open_from_s = self.open.iter().map(|Reverse((_, asked))| asked.0).reduce(f64::min);
                }
                self.join(fault.asked_s, settled_s);
            }
            None => {
                let healed_s = fault.healed_s.unwrap_or(f64::INFINITY);
                self.open.push(Reverse((Seconds(healed_s), Seconds(fault.asked_s))));
                let first = self.open_from_s.map_or(fault.asked_s, |first| first.min(fault.asked_s));
                self.open_from_s = Some(first);
            }
        }
    }

    fn join(&mut self, from_s: f64, to_s: f64) {
        if from_s >= to_s {
            return;
        }
        // Those that it touches become one with it.
        let first = self.over.partition_point(|time| time.1 < from_s);
        let end = self.over.partition_point(|time| time.0 <= to_s).max(first);
        let touched = &self.over[first..end];
        let from_s = touched.first().map_or(from_s, |time| time.0.min(from_s));
        let to_s = touched.last().map_or(to_s, |time| time.1.max(to_s));
        self.over.splice(first..end, [(from_s, to_s)]);
    }

    /// The times between two that were disturbed, in order, s.
    pub(super) fn between(&self, from_s: f64, to_s: f64) -> Vec<(f64, f64)> {
        let first = self.over.partition_point(|time| time.1 <= from_s);
        let mut times: Vec<(f64, f64)> =
            self.over[first..].iter().take_while(|time| time.0 < to_s).copied().collect();
        times.extend(self.open_from_s.filter(|&open_s| open_s < to_s).map(|open_s| (open_s, f64::INFINITY)));
        times
    }

    /// All times that were disturbed, in order, none of which touch, s.
    pub(super) fn all(mut self) -> Vec<(f64, f64)> {
        if let Some(open_s) = self.open_from_s {
            self.join(open_s, f64::INFINITY);
        }
        self.over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{failover::analyse, synthetic::Plan};

    /// A fault that was asked for, healed and settled then.
    fn fault(asked_s: f64, healed_s: Option<f64>, settled_s: Option<f64>) -> Failover {
        Failover { asked_s, healed_s, settled_s, ..analyse(&Plan::leader_kill().run()).remove(0) }
    }

    /// The definition, fault by fault.
    fn by_definition(faults: &[Failover]) -> Vec<(f64, f64)> {
        let end = |place: usize| {
            let fault: &Failover = &faults[place];
            let is_over = |settled: &f64| fault.healed_s.is_some_and(|healed| healed <= *settled);
            let later = || faults[place + 1..].iter().filter_map(|later| later.settled_s).find(is_over);
            fault.settled_s.or_else(later).unwrap_or(f64::INFINITY)
        };
        (0..faults.len()).map(|place| (faults[place].asked_s, end(place))).collect()
    }

    #[test]
    fn it_is_what_each_fault_disturbs_by_itself() {
        let faults = [
            fault(1.0, Some(2.0), Some(3.0)),
            fault(4.0, Some(9.0), None),
            fault(5.0, Some(6.0), Some(7.0)),
            fault(8.0, Some(8.5), Some(10.0)),
            fault(12.0, Some(12.5), Some(13.0)),
            fault(13.0, Some(14.0), Some(14.0)),
            fault(20.0, Some(21.0), None),
            fault(30.0, None, None),
        ];
        for count in 0..=faults.len() {
            let (seen, defined) = (Disturbances::of(&faults[..count]), by_definition(&faults[..count]));
            let all = seen.clone().all();
            for tenth in 0..400 {
                let at_s = f64::from(tenth) / 10.0 + 0.05;
                let is_in = |times: &[(f64, f64)]| times.iter().any(|&(from, to)| from <= at_s && at_s < to);
                assert_eq!(is_in(&all), is_in(&defined), "{at_s} s of {count} faults");
                let near = seen.between(at_s - 1.0, at_s + 1.0);
                assert_eq!(is_in(&near), is_in(&defined), "{at_s} s of {count} faults, from near");
            }
        }
    }
}
