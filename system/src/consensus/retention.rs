//! Up to where the log is let go of. Pure.
//!
//! What a snapshot covers is not needed after a restart; it is kept for members that lack it. A member that has been away
//! for a while is quicker served from the log than with a snapshot, and one that gets a snapshot needs, when it is there,
//! all that came after it: so both hold on to the log. There is an end to that: beyond a number of entries, or of bytes, they
//! are let down, and get the next snapshot. What no snapshot covers is never let go of.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::sleep;

/// How much of the log is kept that a snapshot covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Retention {
    /// So many entries, as long as the log takes no more than `bytes`.
    pub spare: u64,
    /// More because somebody lacks them, but only so long as the log has no more than this.
    pub entries: u64,
    /// The same, bytes.
    pub bytes: u64,
}

/// Where the log is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    /// The last entry that a snapshot covers.
    pub snapshot: u64,
    /// The last entry.
    pub last: u64,
    /// The first one if the log is to take no more bytes than it may.
    pub first_within: u64,
}

/// A snapshot is made when what none covers takes this part of the bytes that the log may take.
const SHARE: u64 = 4;
/// Entries are let go of when there are this part of `spare`, or at once while the log takes more than it may.
const BATCH: u64 = 4;

/// A snapshot that was sent still counts as under way for so long.
const AFTERMATH: Duration = Duration::from_secs(1);

impl Retention {
    /// Whether so many bytes of log, which are applied, are to be covered by a snapshot.
    pub(super) fn is_due(&self, uncovered: u64) -> bool {
        uncovered > self.bytes / SHARE
    }

    /// Whether it is worth while to let go of what is before `first_kept` in a log that begins with `first` and takes so
    /// many bytes. Entries may be large: few of them can be too much.
    pub(super) fn is_worthwhile(&self, first: u64, first_kept: u64, bytes: u64) -> bool {
        let enough = if bytes > self.bytes { 1 } else { (self.spare / BATCH).max(1) };
        first_kept >= first + enough
    }

    /// The first entry that is to be kept; `needed` are those that somebody needs, and those after them.
    pub(super) fn first_kept(&self, kept: Kept, needed: impl IntoIterator<Item = u64>) -> u64 {
        let after_snapshot = kept.snapshot + 1;
        let wanted = after_snapshot.saturating_sub(self.spare);
        let wanted = needed.into_iter().fold(wanted, u64::min);
        let bound = (kept.last + 1).saturating_sub(self.entries).max(kept.first_within);
        wanted.max(bound).min(after_snapshot)
    }
}

/// The first entry of the log that is not about to be let go of. Clones share it.
///
/// openraft does not let go of what it is sending to a member, for as long as that goes on. So nothing is sent any more that
/// comes before this, and it sends a snapshot.
#[derive(Debug, Clone, Default)]
pub(super) struct FirstKept(Arc<AtomicU64>);

impl FirstKept {
    pub(super) fn set(&self, index: u64) {
        self.0.fetch_max(index, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The snapshots that are being sent. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Transfers(Arc<Mutex<BTreeMap<u64, u32>>>);

impl Transfers {
    /// One is being sent that covers the log up to `index`, until what this returns is dropped.
    pub(super) fn begin(&self, index: u64) -> Transfer {
        *self.0.lock().entry(index).or_default() += 1;
        Transfer { transfers: self.clone(), index }
    }

    /// Up to where the oldest of them covers the log.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.0.lock().keys().next().copied()
    }
}

/// A snapshot that is being sent.
#[derive(Debug)]
pub(super) struct Transfer {
    transfers: Transfers,
    index: u64,
}

impl Transfer {
    /// Ends when Raft has had the time to take down how far the receiver is now: until then nothing else holds on to what
    /// that needs next.
    pub(super) async fn end_later(self) {
        sleep(AFTERMATH).await;
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        let mut transfers = self.transfers.0.lock();
        if let Some(count) = transfers.get_mut(&self.index) {
            *count -= 1;
            if *count == 0 {
                transfers.remove(&self.index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETENTION: Retention = Retention { spare: 50, entries: 1_000, bytes: 0 };

    fn kept(snapshot: u64, last: u64) -> Kept {
        Kept { snapshot, last, first_within: 0 }
    }

    #[test]
    fn without_anybody_who_lacks_anything_a_few_entries_before_the_snapshot_are_kept() {
        assert_eq!(RETENTION.first_kept(kept(500, 600), []), 451);
        assert_eq!(RETENTION.first_kept(kept(20, 600), []), 0);
        assert_eq!(RETENTION.first_kept(kept(500, 600), [590, 700]), 451);
    }

    #[test]
    fn what_a_member_lacks_and_what_follows_a_snapshot_under_way_is_kept_up_to_the_bound() {
        assert_eq!(RETENTION.first_kept(kept(500, 600), [300, 590]), 300);
        assert_eq!(RETENTION.first_kept(kept(1_500, 1_600), [700]), 700);
        assert_eq!(RETENTION.first_kept(kept(1_500, 1_600), [300]), 601);
        let few_bytes = Kept { first_within: 1_200, ..kept(1_500, 1_600) };
        assert_eq!(RETENTION.first_kept(few_bytes, [700]), 1_200);
    }

    #[test]
    fn what_no_snapshot_covers_is_kept_whatever_it_takes() {
        assert_eq!(RETENTION.first_kept(kept(500, 9_000), [20]), 501);
        let many_bytes = Kept { first_within: 8_000, ..kept(500, 9_000) };
        assert_eq!(RETENTION.first_kept(many_bytes, []), 501);
        assert_eq!(RETENTION.first_kept(kept(0, 9_000), []), 1);
    }

    #[test]
    fn a_log_is_let_go_of_a_few_entries_at_a_time_and_one_that_takes_too_much_at_once() {
        let retention = Retention { bytes: 1_000, ..RETENTION };
        assert!(!retention.is_worthwhile(100, 111, 1_000) && retention.is_worthwhile(100, 112, 1_000));
        assert!(!retention.is_worthwhile(100, 100, 1_001) && retention.is_worthwhile(100, 101, 1_001));
    }

    #[tokio::test(start_paused = true)]
    async fn a_transfer_counts_until_raft_knows_of_its_end() {
        let transfers = Transfers::default();
        let ending = tokio::spawn(transfers.begin(10).end_later());
        sleep(AFTERMATH / 2).await;
        assert_eq!(transfers.oldest(), Some(10));
        ending.await.unwrap();
        assert_eq!(transfers.oldest(), None);
    }

    #[test]
    fn the_oldest_transfer_counts_until_it_ends() {
        let transfers = Transfers::default();
        assert_eq!(transfers.oldest(), None);
        let (old, same) = (transfers.begin(10), transfers.begin(10));
        let new = transfers.begin(20);
        drop(old);
        assert_eq!(transfers.oldest(), Some(10));
        drop(same);
        assert_eq!(transfers.oldest(), Some(20));
        drop(new);
        assert_eq!(transfers.oldest(), None);
    }
}
