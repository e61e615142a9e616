//! When the stages of a load begin and end, and which of them warm up.

use loadgen::scenario::Stage;

/// One stage, placed in time.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Placed {
    from_s: f64,
    to_s: f64,
    rate_from: f64,
    rate_to: f64,
    warmup: bool,
}

/// By so large a part two rates may differ that are called the same.
const ALIKE: f64 = 0.1;

impl Placed {
    fn rate_at(&self, at_s: f64) -> f64 {
        let part = (at_s - self.from_s) / (self.to_s - self.from_s);
        self.rate_from + (self.rate_to - self.rate_from) * part
    }

    /// When its rate lies between two; nothing, if it never does.
    fn within(&self, least: f64, most: f64) -> Option<(f64, f64)> {
        let slope = (self.rate_to - self.rate_from) / (self.to_s - self.from_s);
        if slope == 0.0 {
            return (least..=most).contains(&self.rate_from).then_some((self.from_s, self.to_s));
        }
        let at = |rate: f64| self.from_s + (rate - self.rate_from) / slope;
        let (one, other) = (at(least), at(most));
        let (from_s, to_s) = (one.min(other).max(self.from_s), one.max(other).min(self.to_s));
        (from_s < to_s).then_some((from_s, to_s))
    }
}

/// The stages of a load, placed in time.
#[derive(Debug, Clone, PartialEq)]
pub struct Phases(Vec<Placed>);

impl Phases {
    /// Places stages one after the other, from 0 s.
    pub fn of(stages: &[Stage]) -> Self {
        let mut from_s = 0.0;
        Self(
            stages
                .iter()
                .map(|stage| {
                    let to_s = from_s + stage.length.as_secs_f64();
                    let placed = Placed {
                        from_s,
                        to_s,
                        rate_from: stage.rate_from,
                        rate_to: stage.rate_to,
                        warmup: stage.warmup,
                    };
                    from_s = to_s;
                    placed
                })
                .collect(),
        )
    }

    /// When each stage begins and ends, s.
    pub fn stages(&self) -> Vec<(f64, f64)> {
        self.0.iter().map(|stage| (stage.from_s, stage.to_s)).collect()
    }

    /// When the last stage ends, s.
    pub fn end_s(&self) -> f64 {
        self.0.last().map_or(0.0, |s| s.to_s)
    }

    /// Whether what is due at `at_s` warms the cluster up.
    pub fn is_warmup(&self, at_s: f64) -> bool {
        let place = self.0.partition_point(|s| s.to_s <= at_s);
        self.0.get(place).is_some_and(|s| s.from_s <= at_s && s.warmup)
    }

    /// The stretches that warm the cluster up, neighbours joined, s.
    pub fn warmups(&self) -> Vec<(f64, f64)> {
        let mut joined: Vec<(f64, f64)> = Vec::new();
        for stage in self.0.iter().filter(|s| s.warmup) {
            match joined.last_mut() {
                Some(last) if last.1 == stage.from_s => last.1 = stage.to_s,
                _ => joined.push((stage.from_s, stage.to_s)),
            }
        }
        joined
    }

    /// When as much was asked for as at `at_s`, in order, s: the scheduled rate was the same but for a tenth.
    pub fn alike(&self, at_s: f64) -> Vec<(f64, f64)> {
        let Some(here) = self.0.iter().find(|s| at_s < s.to_s).or(self.0.last()) else { return Vec::new() };
        let rate = here.rate_at(at_s.clamp(here.from_s, here.to_s));
        let (least, most) = (rate * (1.0 - ALIKE), rate * (1.0 + ALIKE));
        self.0.iter().filter_map(|stage| stage.within(least, most)).collect()
    }

    /// The corners of the scheduled rate up to `end_s`: `(s, operations a second)`, two a stage.
    pub fn rate_corners(&self, end_s: f64) -> Vec<(f64, f64)> {
        let begun = self.0.iter().take_while(|stage| stage.from_s < end_s);
        let corners = begun.flat_map(|stage| {
            let to_s = stage.to_s.min(end_s);
            [(stage.from_s, stage.rate_from), (to_s, stage.rate_at(to_s))]
        });
        corners.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn stage(seconds: u64, rate: f64, warmup: bool) -> Stage {
        Stage { length: Duration::from_secs(seconds), rate_from: rate, rate_to: rate, warmup }
    }

    #[test]
    fn times_are_alike_in_which_as_much_was_asked_for() {
        let ramp = |from: f64, to: f64| Stage { rate_to: to, ..stage(10, from, false) };
        let phases = Phases::of(&[stage(10, 100.0, false), ramp(100.0, 200.0), stage(10, 200.0, false)]);
        let first = phases.alike(5.0);
        assert_eq!((first.len(), first[0], first[1].0), (2, (0.0, 10.0), 10.0));
        assert!((first[1].1 - 11.0).abs() < 1e-9, "{first:?}");
        let last = phases.alike(1e9);
        assert_eq!(
            (last.len(), last[0].1, last[1]),
            (2, 20.0, (20.0, 30.0)),
            "behind the end it is as at the end"
        );
        assert!((last[0].0 - 18.0).abs() < 1e-9, "{last:?}");
        let middle = phases.alike(15.0);
        assert!(middle.len() == 1 && middle[0].0 > 13.0 && middle[0].1 < 17.0, "{middle:?}");
    }

    #[test]
    fn stages_follow_one_another_and_neighbouring_warmups_are_one() {
        let phases = Phases::of(&[stage(2, 10.0, true), stage(3, 20.0, true), stage(5, 30.0, false)]);
        assert_eq!(phases.end_s(), 10.0);
        assert_eq!(phases.warmups(), [(0.0, 5.0)]);
        assert!(phases.is_warmup(4.999));
        assert!(!phases.is_warmup(5.0));
        assert!(!phases.is_warmup(10.5), "what comes after the end is not warm-up");
        assert_eq!(phases.rate_corners(10.0)[4..], [(5.0, 30.0), (10.0, 30.0)]);
        // A run that was ended early.
        assert_eq!(phases.rate_corners(4.0), [(0.0, 10.0), (2.0, 10.0), (2.0, 20.0), (4.0, 20.0)]);
    }
}
