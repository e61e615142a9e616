//! From values to pixels, and where the ticks stand.

/// An axis: a stretch of values laid over a stretch of pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    values: (f64, f64),
    pixels: (f64, f64),
    logarithmic: bool,
}

impl Scale {
    /// Equal steps for equal differences.
    pub fn linear(values: (f64, f64), pixels: (f64, f64)) -> Self {
        Self { values, pixels, logarithmic: false }
    }

    /// Equal steps for equal ratios; both values are above zero.
    pub fn logarithmic(values: (f64, f64), pixels: (f64, f64)) -> Self {
        Self { values, pixels, logarithmic: true }
    }

    /// Where a value lies; values beyond the ends lie on them.
    pub fn at(&self, value: f64) -> f64 {
        let position = |v: f64| if self.logarithmic { v.log10() } else { v };
        let (low, high) = (position(self.values.0), position(self.values.1));
        let part = if self.logarithmic && value <= 0.0 {
            0.0
        } else if high > low {
            ((position(value) - low) / (high - low)).clamp(0.0, 1.0)
        } else {
            0.0
        };
        self.pixels.0 + part * (self.pixels.1 - self.pixels.0)
    }

    /// The ends of the values.
    pub fn values(&self) -> (f64, f64) {
        self.values
    }

    /// The ends of the pixels.
    pub fn pixels(&self) -> (f64, f64) {
        self.pixels
    }
}

/// Round values from `low` to `high`, about `count` of them.
pub fn linear_ticks((low, high): (f64, f64), count: usize) -> Vec<f64> {
    let step = nice((high - low) / count.max(1) as f64);
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|i| i as f64 * step).collect()
}

/// The next of 1, 2, 5, 10, 20, … that is not below `value`.
pub fn nice(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 1.0;
    }
    let decade = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * decade)
        .find(|&round| round >= value * (1.0 - 1e-9))
        .unwrap_or(10.0 * decade)
}

/// Ticks of a logarithmic axis: each value, and whether it is written out. Over few decades 2 and 5 are
/// written too.
pub fn logarithmic_ticks((low, high): (f64, f64)) -> Vec<(f64, bool)> {
    let decades = (high / low).log10();
    let mut ticks = Vec::new();
    let mut decade = 10f64.powf(low.log10().floor());
    while decade <= high * (1.0 + 1e-9) {
        for factor in 1..10 {
            let value = decade * f64::from(factor);
            if value >= low * (1.0 - 1e-9) && value <= high * (1.0 + 1e-9) {
                let written = factor == 1 || (decades <= 2.5 && matches!(factor, 2 | 5));
                ticks.push((value, written));
            }
        }
        decade *= 10.0;
    }
    ticks
}

/// The bounds of a logarithmic axis that holds all of `values`: round, and at least a decade apart.
pub fn logarithmic_bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut low, mut high) = (f64::INFINITY, 0.0f64);
    for value in values.filter(|v| *v > 0.0) {
        low = low.min(value);
        high = high.max(value);
    }
    if high == 0.0 {
        return (1.0, 10.0);
    }
    // The next round value below: 1, 2 or 5 times a power of ten.
    let low = 1.0 / nice(1.0 / low);
    (low, nice(high * 1.1).max(low * 10.0))
}

/// Milliseconds as people say them: `50 us`, `1 ms`, `20 ms`, `1 s`.
pub fn duration(ms: f64) -> String {
    let round = |v: f64| {
        let text = format!("{v:.3}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    if ms >= 999.5 {
        format!("{} s", round(ms / 1e3))
    } else if ms >= 0.9995 {
        format!("{} ms", round(ms))
    } else {
        format!("{} µs", round(ms * 1e3))
    }
}

/// A whole number with its thousands apart: `12,345`.
pub fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(linear_ticks((0.0, 45.0), 10), [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0, 45.0]);
        assert_eq!(nice(0.03), 0.05);
        assert_eq!(nice(2000.0), 2000.0);
        let written: Vec<f64> =
            logarithmic_ticks((1.0, 1000.0)).into_iter().filter_map(|(v, w)| w.then_some(v)).collect();
        assert_eq!(written.len(), 4);
    }

    #[test]
    fn bounds_hold_all_values() {
        let (low, high) = logarithmic_bounds([0.7, 42.0].into_iter());
        assert!(low <= 0.7 && (42.0..=100.0).contains(&high), "{low} {high}");
        assert_eq!(logarithmic_bounds([].into_iter()), (1.0, 10.0));
        let (low, high) = logarithmic_bounds([3.0].into_iter());
        assert!(high >= low * 10.0);
    }

    #[test]
    fn numbers_read_like_numbers() {
        assert_eq!(duration(0.05), "50 µs");
        assert_eq!(duration(1.0), "1 ms");
        assert_eq!(duration(1500.0), "1.5 s");
        assert_eq!(thousands(1234567), "1,234,567");
        assert_eq!(thousands(12), "12");
    }

    #[test]
    fn pixels_stay_on_the_axis() {
        let scale = Scale::logarithmic((1.0, 100.0), (200.0, 0.0));
        assert_eq!(scale.at(10.0), 100.0);
        assert_eq!(scale.at(1e6), 0.0);
        assert_eq!(scale.at(0.0), 200.0);
    }
}
