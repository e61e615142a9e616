//! A clock that all processes of one machine read alike.
//!
//! It is CLOCK_MONOTONIC: containers share it with their host, as they share the kernel, and nobody sets it.
//! The wall clock is shared as well, but it may be set or slewed between the moment at which a start is agreed
//! and the start. Across machines neither would do.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// So many readings are made of two clocks; the closest pair is taken.
const READINGS: u32 = 8;
/// A start further away than this was read from another clock.
const FARTHEST: Duration = Duration::from_secs(60);

/// A time that another kernel's clock has told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the start is {away:.0?} away, at most {FARTHEST:?} are possible: run and generator do not share a clock, \
     so they do not run on one kernel"
)]
pub struct ForeignClock {
    away: Duration,
}

/// What the machine's clock reads at `at`, ns.
pub fn machine_ns(at: Instant) -> u64 {
    let (now, now_ns) = both();
    match at.checked_duration_since(now) {
        Some(ahead) => now_ns.saturating_add(nanoseconds(ahead)),
        None => now_ns.saturating_sub(nanoseconds(now - at)),
    }
}

/// When the machine's clock reads `ns`, and how long ago that was if it is over.
///
/// # Errors
/// [`ForeignClock`]
pub fn instant_of(ns: u64) -> Result<(Instant, Option<Duration>), ForeignClock> {
    let (now, now_ns) = both();
    let away = Duration::from_nanos(now_ns.abs_diff(ns));
    if away > FARTHEST {
        return Err(ForeignClock { away });
    }
    if ns >= now_ns {
        return Ok((now + away, None));
    }
    let at = now.checked_sub(away).ok_or(ForeignClock { away })?;
    Ok((at, Some(away)))
}

/// One moment, on this process's clock and on the machine's.
fn both() -> (Instant, u64) {
    let read = || {
        let before = Instant::now();
        let time = clock_gettime(ClockId::Monotonic);
        let between = before.elapsed();
        // It never reads less than zero.
        let ns = u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000
            + u64::try_from(time.tv_nsec).unwrap_or(0);
        (between, before + between / 2, ns)
    };
    // Whoever is interrupted between the readings takes the next pair.
    let readings = (1..READINGS).map(|_| read());
    let (_, instant, ns) =
        readings.fold(read(), |best, reading| if reading.0 < best.0 { reading } else { best });
    (instant, ns)
}

fn nanoseconds(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_comes_back_as_the_same_moment() {
        let start = Instant::now() + Duration::from_secs(20);
        let (heard, late) = instant_of(machine_ns(start)).unwrap();
        assert_eq!(late, None);
        let error = heard.max(start) - heard.min(start);
        assert!(error < Duration::from_millis(1), "{error:?}");
    }

    #[test]
    fn a_start_that_is_over_is_told_and_another_clock_is_refused() {
        let (_, late) = instant_of(machine_ns(Instant::now() - Duration::from_secs(2))).unwrap();
        assert!((2.0..3.0).contains(&late.unwrap().as_secs_f64()), "{late:?}");
        let far = machine_ns(Instant::now() + Duration::from_secs(4_000));
        let error = instant_of(far).unwrap_err().to_string();
        assert!(error.starts_with("the start is ") && error.contains(" away, at most 60s"), "{error}");
    }
}
