//! Times that are given on the command line.

use std::time::Duration;

/// The shortest that is accepted.
const MIN: Duration = Duration::from_millis(1);
/// The longest that is accepted.
const MAX: Duration = Duration::from_secs(24 * 3_600);

/// Reads a time: a number of seconds, or numbers with units.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let expected = || "expected seconds, or a time such as 10s, 500ms or 2m".to_owned();
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let time = match text.parse::<f64>() {
        Ok(seconds) if is_number => Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX),
        // Beyond what there is: too long, whatever it is exactly.
        _ => match humantime::parse_duration(text) {
            Err(humantime::DurationError::NumberOverflow) => Duration::MAX,
            read => read.map_err(|_| expected())?,
        },
    };
    match (MIN..=MAX).contains(&time) {
        true => Ok(time),
        false => {
            let [min, max] = [MIN, MAX].map(humantime::format_duration);
            Err(format!("the time is {text}, the least is {min}, the limit {max}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_seconds_and_a_unit_is_taken_as_it_is() {
        for (text, ms) in [
            ("10", 10_000),
            ("1", 1_000),
            ("0.5", 500),
            ("10s", 10_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("1h 1s", 3_601_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_to_wait_is_refused_with_its_value_and_the_limits() {
        for text in
            ["0", "0s", "0.0", "1us", "25h", "86401", "99999999999999999999999", "99999999999999999999999s"]
        {
            let said = format!("the time is {text}, the least is 1ms, the limit 1day");
            assert_eq!(parse(text), Err(said));
        }
        for text in ["", " ", "-1", "-1s", "+5", "1e3", "inf", "nan", "s", "10 potatoes", "1.2.3", "."] {
            assert_eq!(
                parse(text),
                Err("expected seconds, or a time such as 10s, 500ms or 2m".to_owned()),
                "{text:?}"
            );
        }
    }
}
