//! Times without a fault, in which noise is looked for. Pure.

use super::disturbance::Disturbances;
use crate::run::Phases;

/// So far back, s: what was longer ago may have been another load.
const BACK_S: f64 = 60.0;
/// With less than this outside of warm-ups, warm-ups count too, s.
const LITTLE_S: f64 = 1.0;

/// The quiet times before `asked_s`, in order: when as much was asked for as then, without warm-ups, and without what an
/// earlier fault may have disturbed.
pub(super) fn before(asked_s: f64, phases: &Phases, earlier: &Disturbances) -> Vec<(f64, f64)> {
    let from_s = (asked_s - BACK_S).max(0.0);
    let (faults, warmups) = (earlier.between(from_s, asked_s), phases.warmups());
    let alike = phases.alike(asked_s).into_iter().filter_map(|(from, to)| {
        let (from, to) = (from.max(from_s), to.min(asked_s));
        (from < to).then_some((from, to))
    });
    let alike: Vec<(f64, f64)> = alike.collect();
    let quiet = |others: Vec<(f64, f64)>| -> Vec<(f64, f64)> {
        let others = joined(others);
        alike.iter().flat_map(|&whole| without(whole, &others)).collect()
    };
    let cold = quiet([&faults[..], &warmups[..]].concat());
    if cold.iter().map(|(from, to)| to - from).sum::<f64>() >= LITTLE_S {
        return cold;
    }
    quiet(faults)
}

/// Times in order, those that touch one another as one.
fn joined(mut times: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    times.dedup_by(|next, before| {
        let touches = next.0 <= before.1;
        before.1 = if touches { before.1.max(next.1) } else { before.1 };
        touches
    });
    times
}

/// What is left of a time without others, which are [`joined`].
fn without(whole: (f64, f64), others: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let first = others.partition_point(|other| other.1 <= whole.0);
    let (mut from_s, mut left) = (whole.0, Vec::new());
    for &(other_from, other_to) in others[first..].iter().take_while(|other| other.0 < whole.1) {
        if other_from > from_s {
            left.push((from_s, other_from));
        }
        from_s = from_s.max(other_to);
    }
    if whole.1 > from_s {
        left.push((from_s, whole.1));
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::stage;

    #[test]
    fn what_is_left_between_disturbances_is_quiet() {
        let left = |others: &[(f64, f64)]| without((0.0, 10.0), &joined(others.to_vec()));
        assert_eq!(left(&[]), [(0.0, 10.0)]);
        assert_eq!(left(&[(5.0, 6.0), (0.0, 2.0)]), [(2.0, 5.0), (6.0, 10.0)]);
        assert_eq!(left(&[(1.0, 8.0), (2.0, 3.0)]), [(0.0, 1.0), (8.0, 10.0)]);
        assert_eq!(left(&[(4.0, f64::INFINITY)]), [(0.0, 4.0)]);
        assert_eq!(left(&[(-5.0, 0.0), (10.0, 12.0), (15.0, 20.0)]), [(0.0, 10.0)]);
        assert_eq!(left(&[(-5.0, 30.0)]), []);
    }

    fn load(stages: &[(u64, f64, bool)]) -> Phases {
        let stages: Vec<_> =
            stages.iter().map(|&(length, rate, warmup)| stage(length, rate, warmup)).collect();
        Phases::of(&stages)
    }

    #[test]
    fn a_warm_up_is_quiet_only_where_there_is_nothing_else() {
        let phases = load(&[(5, 100.0, true), (200, 100.0, false)]);
        assert_eq!(before(15.0, &phases, &Disturbances::default()), [(5.0, 15.0)]);
        assert_eq!(before(5.5, &phases, &Disturbances::default()), [(0.0, 5.0), (5.0, 5.5)]);
        assert_eq!(before(100.0, &phases, &Disturbances::default()), [(40.0, 100.0)]);
    }

    #[test]
    fn a_stage_of_another_rate_says_nothing_of_noise() {
        let phases = load(&[(10, 100.0, false), (10, 400.0, false), (10, 0.0, false), (10, 105.0, false)]);
        assert_eq!(before(15.0, &phases, &Disturbances::default()), [(10.0, 15.0)]);
        assert_eq!(before(35.0, &phases, &Disturbances::default()), [(0.0, 10.0), (30.0, 35.0)]);
        assert_eq!(before(10.0, &phases, &Disturbances::default()), [], "nothing is known of this rate");
    }
}
