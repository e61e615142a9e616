//! Signals that end a program: whatever a terminal or a session sends when it ends, and what a person sends on purpose.

use std::io;

use futures_util::future::select_all;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for all of them. From when it is made on none ends the program by itself.
#[derive(Debug)]
pub(crate) struct Stops(Vec<Signal>);

impl Stops {
    /// Begins to listen, on a tokio runtime.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn listen() -> io::Result<Self> {
        let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate(), SignalKind::quit()];
        // Whoever is started to outlive its terminal goes on when that is gone.
        if !is_ignored(SignalKind::hangup()) {
            kinds.push(SignalKind::hangup());
        }
        kinds.into_iter().map(signal).collect::<io::Result<_>>().map(Self)
    }

    /// Waits for the next.
    pub(crate) async fn next(&mut self) {
        select_all(self.0.iter_mut().map(|signal| Box::pin(signal.recv()))).await;
    }
}

/// Whether whoever started this program has had a signal ignored, as `nohup` does. Where the system does not tell, none
/// is.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    kind.as_raw_value().checked_sub(1).is_some_and(|bit| mask >> bit & 1 == 1)
}
