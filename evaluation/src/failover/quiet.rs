//! Times without a fault, in which noise is looked for. Pure.

use super::{Failover, disturbed};

/// So far back, s: what was longer ago may have been another load.
const BACK_S: f64 = 60.0;
/// With less than this outside of warm-ups, warm-ups count too, s.
const LITTLE_S: f64 = 1.0;

/// The quiet times before `asked_s`, in order: without `warmups`, and without what an earlier fault may have
/// disturbed.
pub(super) fn before(asked_s: f64, warmups: &[(f64, f64)], earlier: &[Failover]) -> Vec<(f64, f64)> {
    let faults: Vec<(f64, f64)> = disturbed(earlier).collect();
    let whole = ((asked_s - BACK_S).max(0.0), asked_s);
    let cold = without(whole, faults.iter().chain(warmups));
    if cold.iter().map(|(from, to)| to - from).sum::<f64>() >= LITTLE_S {
        return cold;
    }
    without(whole, faults.iter())
}

/// What is left of a time without others.
fn without<'a>(whole: (f64, f64), others: impl Iterator<Item = &'a (f64, f64)>) -> Vec<(f64, f64)> {
    let mut others: Vec<(f64, f64)> = others.copied().collect();
    others.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut from_s, mut left) = (whole.0, Vec::new());
    for (other_from, other_to) in others {
        if other_from.min(whole.1) > from_s {
            left.push((from_s, other_from.min(whole.1)));
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

    #[test]
    fn what_is_left_between_disturbances_is_quiet() {
        let left = |others: &[(f64, f64)]| without((0.0, 10.0), others.iter());
        assert_eq!(left(&[]), [(0.0, 10.0)]);
        assert_eq!(left(&[(5.0, 6.0), (0.0, 2.0)]), [(2.0, 5.0), (6.0, 10.0)]);
        assert_eq!(left(&[(1.0, 8.0), (2.0, 3.0)]), [(0.0, 1.0), (8.0, 10.0)]);
        assert_eq!(left(&[(4.0, f64::INFINITY)]), [(0.0, 4.0)]);
        assert_eq!(left(&[(-5.0, 0.0), (10.0, 12.0), (15.0, 20.0)]), [(0.0, 10.0)]);
        assert_eq!(left(&[(-5.0, 30.0)]), []);
    }

    #[test]
    fn a_warm_up_is_quiet_only_where_there_is_nothing_else() {
        assert_eq!(before(15.0, &[(0.0, 5.0)], &[]), [(5.0, 15.0)]);
        assert_eq!(before(5.5, &[(0.0, 5.0)], &[]), [(0.0, 5.5)]);
        assert_eq!(before(100.0, &[(0.0, 5.0)], &[]), [(40.0, 100.0)]);
    }
}
