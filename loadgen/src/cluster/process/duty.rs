//! Less of a processor for a process: it runs and stands still in turn.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

/// From one turn to the next. Short enough that heartbeats and election timeouts see a slow processor, not
/// one that stops.
const PERIOD: Duration = Duration::from_millis(20);

/// A process that runs for a share of its time. Dropping this leaves it as it is at that moment.
#[derive(Debug)]
pub(super) struct Duty(JoinSet<()>);

impl Duty {
    /// Begins with a process that stands still.
    pub(super) fn begin(pid: Pid, share: f64) -> Self {
        let mut turns = JoinSet::new();
        turns.spawn(take_turns(pid, PERIOD.mul_f64(1.0 - share)));
        Self(turns)
    }

    /// Sends no further signal. The process may stand still.
    pub(super) async fn end(mut self) {
        self.0.shutdown().await;
    }
}

/// Stands still for so long in every period. What cannot be signalled has ended.
async fn take_turns(pid: Pid, still: Duration) {
    let mut begin = Instant::now();
    loop {
        sleep_until(begin + still).await;
        if kill_process(pid, Signal::CONT).is_err() {
            return;
        }
        // Times follow from the first one, so that rounding does not add up; what was missed is not made up.
        begin = (begin + PERIOD).max(Instant::now());
        sleep_until(begin).await;
        if kill_process(pid, Signal::STOP).is_err() {
            return;
        }
    }
}
