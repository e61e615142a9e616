//! Setting the directory's clock right, after a leader whose clock was wrong had put its time into the log.

use serde::{Deserialize, Serialize};

use super::{Answer, Directory, Effect};

/// Sets the clock, also back. Operators may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetClock {
    /// The right time, as the leader knows it, milliseconds since the Unix epoch.
    pub clock_ms: u64,
}

impl Directory {
    pub(super) fn set_clock(&mut self, SetClock { clock_ms }: SetClock) -> Answer {
        let was_ms = std::mem::replace(&mut self.clock_ms, clock_ms);
        Ok(Effect::ClockSet { was_ms, clock_ms })
    }
}
