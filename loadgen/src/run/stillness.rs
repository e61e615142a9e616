//! Whether the run itself stood still: suspended at its terminal, or kept from its processor.
//!
//! It carries out faults, leads links through its proxies, and may be the load generator. What did not happen while it
//! stood still proves nothing against the cluster.

use std::time::Duration;

use tokio::{sync::watch, task::JoinSet, time::Instant};

/// How often it is looked whether it goes on.
const PERIOD: Duration = Duration::from_millis(100);

/// Looks, until it is dropped.
pub(super) struct Stillness {
    longest: watch::Receiver<Duration>,
    _looking: JoinSet<()>,
}

impl Stillness {
    /// Begins to look.
    pub(super) fn watch() -> Self {
        let (found, longest) = watch::channel(Duration::ZERO);
        let mut looking = JoinSet::new();
        looking.spawn(async move {
            loop {
                let due = Instant::now() + PERIOD;
                tokio::time::sleep_until(due).await;
                let late = due.elapsed();
                found.send_if_modified(|longest| {
                    let longer = late > *longest;
                    *longest = late.max(*longest);
                    longer
                });
            }
        });
        Self { longest, _looking: looking }
    }

    /// The longest time so far in which nothing went on.
    pub(super) fn longest(&self) -> Duration {
        *self.longest.borrow()
    }
}
