//! The thread that writes: it takes everything that waits, writes and syncs it at once, and reports each part.

use std::{io, ops::RangeInclusive};

use crossbeam_channel::Receiver;
use openraft::storage::IOFlushed;
use parking_lot::{Mutex, RwLock};
use tokio::{sync::oneshot, time::Instant};

use super::{journal::Journal, record::Record, tail::Tail};
use crate::consensus::{
    pace::Pace,
    stages::{Moment, Stages},
    types::{LogId, TypeConfig, Vote},
};

/// Entries, encoded one behind the other.
#[derive(Default)]
pub(super) struct Encoded {
    pub bytes: Vec<u8>,
    /// The index of each, and how many bytes it has.
    pub entries: Vec<(u64, usize)>,
}

impl Encoded {
    /// From the first index to the last, if there are any.
    pub(super) fn indexes(&self) -> Option<RangeInclusive<u64>> {
        let ((first, _), (last, _)) = self.entries.first().zip(self.entries.last())?;
        Some(*first..=*last)
    }

    fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let mut rest = &self.bytes[..];
        self.entries.iter().map(move |(index, size)| {
            let (bytes, after) = rest.split_at(*size);
            rest = after;
            Record::Entry { index: *index, bytes }
        })
    }
}

/// Told when an order is carried out.
pub(super) type Flushed = oneshot::Sender<io::Result<()>>;

/// One order to the writer thread. Orders are carried out in the order given.
pub(super) enum Write {
    Append {
        entries: Encoded,
        flushed: IOFlushed<TypeConfig>,
    },
    Vote {
        vote: Vote,
        flushed: Flushed,
    },
    /// Removes entries after an index; all, if there is none.
    Truncate {
        last_kept: Option<u64>,
        flushed: Flushed,
    },
    /// Removes entries up to and including this one.
    Purge(LogId),
    /// Written with whatever comes next: losing it costs a replay, nothing else.
    Committed(LogId),
}

/// Writes until nobody is left who orders: drain, write, sync once, report.
pub(super) fn write_orders(
    journal: &mut Journal,
    memory: &RwLock<Tail>,
    orders: &Receiver<Write>,
    stages: &Stages,
    pace: &Mutex<Pace>,
) {
    let mut committed = None;
    let mut batch = Vec::new();
    while let Ok(first) = orders.recv() {
        for write in std::iter::once(first).chain(orders.try_iter()) {
            match write {
                Write::Committed(log_id) => committed = Some(log_id),
                write => batch.push(write),
            }
        }
        if batch.is_empty() {
            continue;
        }
        mark(stages, Moment::Writing, &batch);
        pace.lock().begin(Instant::now());
        let outcome = commit(journal, &batch, committed.take());
        pace.lock().end(Instant::now());
        let failure = match outcome {
            Ok(()) => {
                let mut tail = memory.write();
                tail.flush(journal.state().last);
                tail.trim();
                drop(tail);
                mark(stages, Moment::Flushed, &batch);
                None
            }
            Err(error) => {
                tracing::error!(%error, "the log cannot be written");
                Some(error.to_string())
            }
        };
        for write in batch.drain(..) {
            let outcome = failure.clone().map_or(Ok(()), |text| Err(io::Error::other(text)));
            match write {
                Write::Append { flushed, .. } => flushed.io_completed(outcome),
                Write::Vote { flushed, .. } | Write::Truncate { flushed, .. } => {
                    // Whoever asked may have been shut down.
                    let _ = flushed.send(outcome);
                }
                Write::Purge(_) | Write::Committed(_) => {}
            }
        }
    }
}

/// The entries of a batch have reached a moment.
fn mark(stages: &Stages, moment: Moment, batch: &[Write]) {
    for write in batch {
        if let Write::Append { entries, .. } = write
            && let Some(indexes) = entries.indexes()
        {
            stages.mark(moment, indexes);
        }
    }
}

/// Writes a batch durably.
fn commit(journal: &mut Journal, batch: &[Write], committed: Option<LogId>) -> io::Result<()> {
    for write in batch {
        match write {
            Write::Append { entries, .. } => {
                entries.records().try_for_each(|record| journal.push(&record))?;
            }
            Write::Vote { vote, .. } => journal.push(&Record::Vote(*vote))?,
            Write::Truncate { last_kept, .. } => journal.push(&Record::Last(*last_kept))?,
            Write::Purge(last_removed) => journal.push(&Record::Purged(*last_removed))?,
            // Taken out of the batch above.
            Write::Committed(_) => {}
        }
    }
    if let Some(log_id) = committed {
        journal.push(&Record::Committed(log_id))?;
    }
    journal.flush()
}
