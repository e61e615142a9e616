//! Quantiles, exact: nothing is put into buckets or estimated.

/// Latencies of one set of operations, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Latencies(Vec<u64>);

impl Latencies {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The smallest latency that at least the part `q` (0 to 1) of the operations did not exceed, ns:
    /// nearest rank, so it is always a latency that somebody really had. Nothing of nothing.
    pub fn quantile_ns(&self, q: f64) -> Option<u64> {
        nearest_rank(self.0.len(), q).map(|rank| self.0[rank])
    }

    /// [`Self::quantile_ns`] in milliseconds.
    pub fn quantile_ms(&self, q: f64) -> Option<f64> {
        self.quantile_ns(q).map(milliseconds)
    }

    /// All of them, ascending, ns.
    pub fn sorted_ns(&self) -> &[u64] {
        &self.0
    }
}

impl FromIterator<u64> for Latencies {
    fn from_iter<I: IntoIterator<Item = u64>>(iter: I) -> Self {
        let mut all: Vec<u64> = iter.into_iter().collect();
        all.sort_unstable();
        Self(all)
    }
}

/// The values that one figure had, sorted. One that did not end is infinite.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Distribution(Vec<f64>);

impl Distribution {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// How many of them did not end.
    pub fn endless(&self) -> usize {
        self.0.iter().filter(|value| value.is_infinite()).count()
    }

    /// The smallest value that at least the part `q` (0 to 1) of them did not exceed: nearest rank, as of
    /// [`Latencies`]. Infinite, if too many did not end; nothing of nothing.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        nearest_rank(self.0.len(), q).map(|rank| self.0[rank])
    }

    /// All of them, ascending.
    pub fn sorted(&self) -> &[f64] {
        &self.0
    }
}

impl FromIterator<f64> for Distribution {
    fn from_iter<I: IntoIterator<Item = f64>>(iter: I) -> Self {
        let mut all: Vec<f64> = iter.into_iter().collect();
        all.sort_unstable_by(f64::total_cmp);
        Self(all)
    }
}

/// Nanoseconds as milliseconds.
pub fn milliseconds(ns: u64) -> f64 {
    ns as f64 / 1e6
}

/// The index of the `q` quantile among `count` sorted values.
pub fn nearest_rank(count: usize, q: f64) -> Option<usize> {
    let last = count.checked_sub(1)?;
    // 0.99 * 100 is 99.00000000000001 in binary floating point: do not let that name the 100th.
    let rank = (q.clamp(0.0, 1.0) * count as f64 - 1e-9).ceil().max(1.0) as usize - 1;
    Some(rank.min(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let hundred: Latencies = (1..=100).rev().collect();
        for (q, expected) in [(0.0, 1), (0.5, 50), (0.9, 90), (0.99, 99), (0.999, 100), (1.0, 100)] {
            assert_eq!(hundred.quantile_ns(q), Some(expected), "{q}");
        }
        assert_eq!(Latencies::default().quantile_ns(0.5), None);
        assert_eq!([7].into_iter().collect::<Latencies>().quantile_ns(0.99), Some(7));
    }

    #[test]
    fn what_did_not_end_is_worse_than_all_that_did() {
        let two: Distribution = [f64::INFINITY, 3.0, 5.0, 4.0].into_iter().collect();
        assert_eq!((two.count(), two.endless()), (4, 1));
        assert_eq!([0.5, 0.75, 0.76].map(|q| two.quantile(q)), [Some(4.0), Some(5.0), Some(f64::INFINITY)]);
        assert_eq!(Distribution::default().quantile(0.5), None);
    }
}
