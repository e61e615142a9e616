//! The time of day, as it is handed in.

use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// Milliseconds since the Unix epoch.
pub type UnixClock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The system's clock.
pub fn system_clock() -> UnixClock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        // A clock set before 1970 reads as 1970.
        since.map_or(0, |duration| duration.as_millis() as u64)
    })
}

/// How far one clock is from another, milliseconds, in words: `365 days ahead of`, `310 s behind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Off(pub i64);

impl fmt::Display for Off {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.unsigned_abs() / 1_000;
        match seconds {
            0..7_200 => write!(f, "{seconds} s")?,
            7_200..172_800 => write!(f, "{} hours", seconds / 3_600)?,
            _ => write!(f, "{} days", seconds / 86_400)?,
        }
        f.write_str(if self.0 < 0 { " behind" } else { " ahead of" })
    }
}

#[cfg(test)]
mod tests {
    use super::Off;

    #[test]
    fn how_far_a_clock_is_off_is_told_in_words() {
        for (ms, words) in [
            (310_500, "310 s ahead of"),
            (-310_500, "310 s behind"),
            (-7_200_000, "2 hours behind"),
            (365 * 86_400_000, "365 days ahead of"),
        ] {
            assert_eq!(Off(ms).to_string(), words);
        }
    }
}
