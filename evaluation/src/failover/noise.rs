//! What chance makes of a figure: the longest stretches in times without a fault. Pure.

use super::stretch::{Stretch, Stretches};

/// So many stretches of time are looked at, at most.
const MOST: usize = 300;
/// So many are looked for in a quiet time, at most: in most of them nobody may have asked.
const MOST_LOOKS: usize = 10 * MOST;
/// With so many of them, to be longer than every one is more than chance: one of fifty-one is the longest.
const ENOUGH: usize = 50;
/// Of fewer, chance alone makes one longer than all others now and then; not so often twice as long.
const OF_FEW: f64 = 2.0;

/// Times that are equal on paper may differ in the last bit, ms.
const ROUNDING_MS: f64 = 1e-6;

/// The longest stretches in times as long as the one looked at, without a fault and before it, in which as much was asked
/// for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    /// In the last such time before the fault.
    pub latest: Stretch,
    /// The longest of all.
    pub worst: Stretch,
    /// In how many such times.
    pub times: usize,
    /// How long each of them was, s: as long as the time looked at, unless no such time was quiet.
    pub length_s: f64,
    /// How long the time looked at was, s.
    pub of_s: f64,
}

impl Noise {
    /// Looks into `quiet` times (without a fault, latest last) for times `length_s` long in which somebody asked. Nothing,
    /// if there is none.
    pub fn of(stretches: &Stretches, quiet: &[(f64, f64)], length_s: f64) -> Option<Self> {
        let mut times: Vec<Stretch> = Vec::new();
        let longest = |from_s: f64, to_s: f64, end_s: f64| {
            stretches.longest(from_s, to_s, end_s).map(|stretch| stretch.before(end_s))
        };
        for &(from_s, to_s) in quiet.iter().rev() {
            let fit = (((to_s - from_s) / length_s + 1e-9).floor().max(0.0) as usize).min(MOST_LOOKS);
            let asked = (0..fit).filter_map(|place| {
                let end = to_s - place as f64 * length_s;
                longest(end - length_s, end, to_s)
            });
            times.extend(asked.take(MOST - times.len()));
        }
        let (of_s, mut length_s) = (length_s, length_s);
        if times.is_empty() {
            // Less than nothing is known of so long a time, but something of a shorter one.
            let &(from_s, to_s) = quiet.iter().max_by(|a, b| (a.1 - a.0).total_cmp(&(b.1 - b.0)))?;
            length_s = to_s - from_s;
            times.push(longest(from_s, to_s, to_s)?);
        }
        let longer = |a: Stretch, b: Stretch| if b.at_least_ms() > a.at_least_ms() { b } else { a };
        let worst = times.iter().copied().reduce(longer)?;
        Some(Self { latest: times[0], worst, times: times.len(), length_s, of_s })
    }

    /// Whether a stretch is longer than chance makes them: longer than the longest may have been, and of few times
    /// twice as long. `None`: it was looked for in so long a time that a longer one may be chance as well; no longer than
    /// by so many times as that time is longer.
    pub fn is_exceeded_by(&self, stretch: &Stretch) -> Option<bool> {
        let factor = if self.times >= ENOUGH { 1.0 } else { OF_FEW };
        let worst_ms = self.worst.at_most_ms().unwrap_or(f64::INFINITY);
        let exceeds = |times: f64| stretch.at_least_ms() > worst_ms * times + ROUNDING_MS;
        let longer = (self.of_s / self.length_s).max(1.0);
        if exceeds(factor * longer) { Some(true) } else { Some(false).filter(|_| !exceeds(factor)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{failover::stretch::Demand, synthetic::Noise as Draw};

    /// One due every 2 ms for 12 s, answered after 1 ms, but those due in `slow` after 21 ms.
    fn regular(slow: &[(f64, f64)]) -> Stretches {
        let demand = |i: u32| {
            let due_s = f64::from(i) * 0.002;
            let late = slow.iter().find(|(from, to)| (*from..*to).contains(&due_s));
            Demand { due_s, end_s: late.map_or(due_s + 0.001, |late| late.1 + 0.001), answered: true }
        };
        Stretches::of(&(0..6000).map(demand).collect::<Vec<_>>(), 12.0)
    }

    #[test]
    fn the_latest_figure_and_the_worst_of_all_are_told_apart() {
        let noise = Noise::of(&regular(&[(3.0005, 3.03)]), &[(1.0, 10.0)], 0.1).unwrap();
        assert_eq!(noise.times, 90);
        assert!((noise.latest.at_least_ms() - 1.0).abs() < 1e-6, "{noise:?}");
        assert!((noise.worst.at_least_ms() - 29.0).abs() < 1e-6, "{noise:?}");
        assert!((noise.worst.at_most_ms().unwrap() - 30.0).abs() < 1e-6, "{noise:?}");
    }

    #[test]
    fn times_in_which_nobody_asked_are_no_measure_of_noise() {
        // Nobody asks between 5 and 7 s: of that nothing is known.
        let demand = |i: u32| {
            let due_s = f64::from(i) * 0.01 + if i >= 500 { 2.0 } else { 0.0 };
            Demand { due_s, end_s: due_s + 0.001, answered: true }
        };
        let stretches = Stretches::of(&(0..1_000).map(demand).collect::<Vec<_>>(), 12.0);
        let noise = Noise::of(&stretches, &[(0.0, 12.0)], 0.1).unwrap();
        assert_eq!(noise.times, 100);
        assert_eq!(Noise::of(&stretches, &[(5.1, 6.9)], 0.1), None);
        assert_eq!(Noise::of(&stretches, &[(5.1, 6.9)], 30.0), None);
    }

    #[test]
    fn what_the_fault_does_is_not_noise_however_early_it_began() {
        let noise = Noise::of(&regular(&[(9.9995, 10.5)]), &[(1.0, 10.003)], 0.1).unwrap();
        assert!(noise.worst.at_least_ms() < 3.1, "{noise:?}");
    }

    #[test]
    fn a_time_longer_than_all_that_was_quiet_is_compared_with_the_longest_quiet_one() {
        let noise = Noise::of(&regular(&[]), &[(1.0, 3.0), (5.0, 6.0)], 8.0).unwrap();
        assert_eq!((noise.times, noise.length_s), (1, 2.0));
        assert_eq!(Noise::of(&regular(&[]), &[], 8.0), None);
    }

    #[test]
    fn of_few_times_only_twice_as_long_is_more_than_chance() {
        let stretches = regular(&[(3.0005, 3.03)]);
        let few = Noise::of(&stretches, &[(1.0, 10.0)], 1.0).unwrap();
        let many = Noise::of(&stretches, &[(1.0, 10.0)], 0.1).unwrap();
        let lasting = |ms: f64| Stretch { to_s: ms / 1e3, ..Stretch::nothing(0.0) };
        assert_eq!(
            [29.9, 31.0, 61.0].map(|ms| many.is_exceeded_by(&lasting(ms))),
            [false, true, true].map(Some)
        );
        assert_eq!(
            [29.9, 31.0, 61.0].map(|ms| few.is_exceeded_by(&lasting(ms))),
            [false, false, true].map(Some)
        );
        // In four times as long a time twice as long may be chance.
        let long = Noise::of(&stretches, &[(2.0, 5.0)], 12.0).unwrap();
        let told = [59.0, 61.0, 239.0, 241.0].map(|ms| long.is_exceeded_by(&lasting(ms)));
        assert_eq!(told, [Some(false), None, None, Some(true)]);
    }

    /// A load that nothing disturbs, 400 operations a second, as random as people are.
    fn undisturbed(seed: u64) -> Stretches {
        let mut draw = Draw(seed);
        let mut due_s = 0.0;
        let mut demands = Vec::new();
        while due_s < 20.0 {
            due_s += -draw.uniform().ln() / 400.0;
            demands.push(Demand { due_s, end_s: due_s + draw.lognormal(0.002, 0.6), answered: true });
        }
        Stretches::of(&demands, 20.0)
    }

    #[test]
    fn a_fault_that_does_nothing_is_not_told_from_none() {
        let told = (0..300u64).filter(|&seed| {
            let stretches = undisturbed(seed);
            [0.1, 1.5].into_iter().any(|length| {
                let noise = Noise::of(&stretches, &[(2.0, 12.0)], length).unwrap();
                let stretch = stretches.longest(12.0, 12.0 + length, 1e9).unwrap();
                noise.is_exceeded_by(&stretch) == Some(true)
            })
        });
        // Of a hundred times and the fault's own each is the longest as often as any other.
        let told: Vec<u64> = told.collect();
        assert!(told.len() <= 3, "{told:?}");
    }

    #[test]
    fn gaps_in_which_nobody_asked_do_not_hide_what_a_fault_does() {
        // Nobody is served for 60 ms; the longest gap between two arrivals is about 20 ms.
        let hidden = (0..100).filter(|&seed| {
            let stretches = undisturbed(seed);
            let noise = Noise::of(&stretches, &[(2.0, 12.0)], 0.1).unwrap();
            let outage = Stretch { to_s: 0.06, ..Stretch::nothing(0.0) };
            noise.is_exceeded_by(&outage) != Some(true)
        });
        assert_eq!(hidden.count(), 0);
    }
}
