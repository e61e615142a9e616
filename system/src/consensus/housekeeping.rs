//! Lets go of the log, by the rules of [`retention`](super::retention), and has a snapshot made when the log takes too many
//! bytes. How many entries there may be between two snapshots, openraft is told. Says when the disk is not what it should be.

use std::time::Duration;

use openraft::{async_runtime::watch::WatchReceiver, errors::Fatal};
use tokio::time::{Instant, sleep};

use super::{
    Consensus,
    log::Extent,
    retention::{FirstKept, Kept, Retention, Transfers},
    types::{LogId, TypeConfig},
};
use crate::alarm::Alarm;

/// How often to look.
const LOOK: Duration = Duration::from_millis(100);

/// A disk is slow when a sync takes this part of the lease, and no longer when it takes less than that.
const SLOW: u32 = 2;
const NOT_SLOW: u32 = 3;

/// The log, and what it is kept for. Clones share it.
#[derive(Clone)]
pub(super) struct House {
    pub log: Extent,
    pub retention: Retention,
    pub first_kept: FirstKept,
    pub transfers: Transfers,
}

impl Consensus {
    /// Keeps the log within its bounds, as long as Raft runs.
    pub(super) async fn keep_house(&self) {
        // Raft says no more when it has ended.
        let mut ending = self.raft.server_metrics();
        loop {
            tokio::select! {
                () = sleep(LOOK) => {}
                changed = ending.changed() => if changed.is_err() { return },
            }
            self.judge_disk();
            if self.tidy().await.is_err() {
                return;
            }
        }
    }

    /// Says when the disk hangs, and when it is so slow that elections take longer.
    fn judge_disk(&self) {
        let now = Instant::now();
        let (waited, median) = {
            let pace = self.pace.lock();
            (pace.waited(now), pace.median())
        };
        match waited > self.disk_timeout {
            true => self.alarms.raise(
                Alarm::Disk,
                format!(
                    "the disk has not finished a write for {} ms: this node does not lead until it has. Look at the \
                     disk of the data folder",
                    waited.as_millis()
                ),
            ),
            false => self.alarms.clear(Alarm::Disk),
        }
        if median >= self.lease / SLOW {
            self.alarms.raise(
                Alarm::DiskSlow,
                format!(
                    "a sync of the disk takes {} ms as a rule, and followers wait {} ms for a leader: elections take \
                     longer than they need to. Use a quicker disk, or raise raft.lease",
                    median.as_millis(),
                    self.lease.as_millis()
                ),
            );
        } else if median < self.lease / NOT_SLOW {
            self.alarms.clear(Alarm::DiskSlow);
        }
    }

    async fn tidy(&self) -> Result<(), Fatal<TypeConfig>> {
        let House { log, retention, first_kept, transfers } = &self.house;
        let metrics = self.raft.metrics().borrow_watched().clone();
        let Some(last) = metrics.last_log_index else { return Ok(()) };
        let next = |log_id: Option<LogId>| log_id.map_or(0, |log_id| log_id.index + 1);
        let (first, uncovered) = (next(metrics.purged), next(metrics.snapshot));
        // Raft hears of a snapshot a little later than it is there.
        let uncovered = uncovered.max(self.machine.snapshots().covers() + 1);
        let applied = log.bytes_from(uncovered).saturating_sub(log.bytes_from(next(metrics.last_applied)));
        if retention.is_due(applied) {
            self.machine.snapshots().ask_for_another();
        }
        let Some(snapshot) = metrics.snapshot else { return Ok(()) };
        // Who lacks what is gone gets a snapshot, and needs what comes after it from when that is sent.
        let lacking = metrics.replication.iter().flatten().map(|(_, matched)| next(*matched));
        let lacking = lacking.filter(|index| *index >= first);
        let needed = lacking.chain(transfers.oldest().map(|index| index + 1));
        let kept = Kept { snapshot: snapshot.index, last, first_within: log.first_within(retention.bytes) };
        let keep_from = retention.first_kept(kept, needed);
        if retention.is_worthwhile(first, keep_from, log.bytes_from(first)) {
            first_kept.set(keep_from);
            self.raft.trigger().purge_log(keep_from - 1).await?;
        }
        Ok(())
    }
}
