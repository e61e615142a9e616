//! Waits until a moment, to some microseconds: the runtime's own timers have a grain of a millisecond.

use std::{io, time::Duration};

use tokio::time::Instant;

/// It is not woken more often than so: what falls due meanwhile is begun, and travels, together. Every thread of Linux
/// that sleeps is given as much slack, unless it asks for less.
const GRAIN: Duration = Duration::from_micros(50);

/// Something to wait for.
pub(super) struct Alarm(Timer);

impl Alarm {
    /// Gets one. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// When the kernel has none left.
    pub(super) fn new() -> io::Result<Self> {
        Timer::new().map(Self)
    }

    /// Waits until `at`, and at least [`GRAIN`] unless that is over. Lets other tasks go on in any case.
    pub(super) async fn until(&self, at: Instant) {
        let left = at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            tokio::task::yield_now().await;
        } else if self.0.wait(left.max(GRAIN)).await.is_err() {
            // Rather late than never.
            tokio::time::sleep_until(at).await;
        }
    }
}

/// A timer of the kernel.
#[cfg(target_os = "linux")]
struct Timer(tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>);

#[cfg(target_os = "linux")]
impl Timer {
    fn new() -> io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        use tokio::io::{Interest, unix::AsyncFd};
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe; an OwnedFd keeps its number as long as it lives"
        )]
        let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;
        Ok(Self(timer))
    }

    async fn wait(&self, length: Duration) -> io::Result<()> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let once = Itimerspec {
            it_interval: never,
            it_value: Timespec::try_from(length).map_err(io::Error::other)?,
        };
        // This empties it as well: it need not be read.
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
        self.0.readable().await?.clear_ready();
        Ok(())
    }
}

/// A timer of the runtime.
#[cfg(not(target_os = "linux"))]
struct Timer;

#[cfg(not(target_os = "linux"))]
impl Timer {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn wait(&self, length: Duration) -> io::Result<()> {
        tokio::time::sleep(length).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_wakes_again_and_again() {
        let alarm = Alarm::new().unwrap();
        for wait in [300, 50, 0, 1_200].map(Duration::from_micros) {
            let at = Instant::now() + wait;
            while Instant::now() < at {
                alarm.until(at).await;
            }
        }
    }
}
