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
        self.0.iter().find(|s| s.from_s <= at_s && at_s < s.to_s).is_some_and(|s| s.warmup)
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

    /// The corners of the scheduled rate: `(s, operations a second)`, two a stage.
    pub fn rate_corners(&self) -> Vec<(f64, f64)> {
        self.0.iter().flat_map(|s| [(s.from_s, s.rate_from), (s.to_s, s.rate_to)]).collect()
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
    fn stages_follow_one_another_and_neighbouring_warmups_are_one() {
        let phases = Phases::of(&[stage(2, 10.0, true), stage(3, 20.0, true), stage(5, 30.0, false)]);
        assert_eq!(phases.end_s(), 10.0);
        assert_eq!(phases.warmups(), [(0.0, 5.0)]);
        assert!(phases.is_warmup(4.999));
        assert!(!phases.is_warmup(5.0));
        assert!(!phases.is_warmup(10.5), "what comes after the end is not warm-up");
        assert_eq!(phases.rate_corners()[4..], [(5.0, 30.0), (10.0, 30.0)]);
    }
}
