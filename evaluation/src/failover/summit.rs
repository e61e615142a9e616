//! The largest of any part of a list of values, without looking at each. Pure.

/// So many values have one above them.
const FAN: usize = 64;

/// Where the largest value of each part of a list lies.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Summit {
    values: Vec<f64>,
    /// The places of the largest of every [`FAN`] values, of every [`FAN`] of these, and so on.
    levels: Vec<Vec<usize>>,
}

impl Summit {
    pub(crate) fn of(values: Vec<f64>) -> Self {
        let mut summit = Self { values, levels: Vec::new() };
        let mut places: Vec<usize> = (0..summit.values.len()).collect();
        while places.len() > FAN {
            places = places.chunks(FAN).filter_map(|part| summit.higher(part.iter().copied())).collect();
            summit.levels.push(places.clone());
        }
        summit
    }

    /// The place of the largest value from place `from` on and before `to`; of equals the first.
    pub(crate) fn highest(&self, from: usize, to: usize) -> Option<usize> {
        let (mut low, mut high, mut level) = (from, to, 0);
        let mut best = None;
        while low < high {
            let place = |at: usize| if level == 0 { at } else { self.levels[level - 1][at] };
            let is_top = level == self.levels.len();
            while low < high && (is_top || low % FAN != 0) {
                best = self.higher(best.into_iter().chain([place(low)]));
                low += 1;
            }
            while low < high && high % FAN != 0 {
                high -= 1;
                best = self.higher(best.into_iter().chain([place(high)]));
            }
            (low, high, level) = (low / FAN, high / FAN, level + 1);
        }
        best
    }

    fn higher(&self, places: impl Iterator<Item = usize>) -> Option<usize> {
        places.reduce(|best, other| match self.values[other].total_cmp(&self.values[best]) {
            std::cmp::Ordering::Greater => other,
            std::cmp::Ordering::Equal => best.min(other),
            std::cmp::Ordering::Less => best,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_what_looking_at_each_finds(
            values in proptest::collection::vec(0u8..20, 0..10_000),
            from in 0usize..10_000,
            length in 0usize..10_000,
        ) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let (from, to) = (from.min(values.len()), (from + length).min(values.len()));
            let looked = (from..to).reduce(|best, at| if values[at] > values[best] { at } else { best });
            prop_assert_eq!(Summit::of(values).highest(from, to), looked);
        }
    }
}
