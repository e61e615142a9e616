//! When a snapshot is made: every so many entries, when one is asked for because the log takes too many bytes, and again
//! when the one on disk is found to be damaged.
//!
//! It is made here, and openraft told of it only once it is on disk, because openraft ends when one cannot be made. Until
//! then the log stays as it is.

use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;

use crate::{alarm::Alarm, consensus::Consensus};

/// After a snapshot that could not be made, the next one is tried this much later.
const RETRY: Duration = Duration::from_secs(5);

impl Consensus {
    /// Makes snapshots as they are due, as long as Raft runs.
    pub(in crate::consensus) async fn make_snapshots(&self) {
        let mut ending = self.raft.server_metrics();
        tokio::select! {
            () = async { while ending.changed().await.is_ok() {} } => {}
            () = self.make_each_snapshot() => {}
        }
    }

    async fn make_each_snapshot(&self) {
        loop {
            self.machine.snapshot_due(self.snapshot_every).await;
            match self.machine.make_snapshot().await {
                Ok(()) => {
                    self.alarms.clear(Alarm::Snapshot);
                    if self.machine.announce_snapshot(&self.raft).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    let kept = "The log is kept, and it is tried again every few seconds";
                    self.alarms
                        .raise(Alarm::Snapshot, format!("a snapshot could not be made: {error}. {kept}"));
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }
}
