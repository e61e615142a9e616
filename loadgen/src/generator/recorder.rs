//! Writes history and latencies as operations begin and end, on a thread of its own.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::SystemTime,
};

use super::message::Counts;
use crate::{
    record::{Call, HistoryWriter, LatencyLog, Outcome, Record, RecordError, file},
    scenario::{OperationKind, OutcomeKind},
};

/// Operations of the load, counted as they go.
#[derive(Debug, Default)]
pub struct Counters {
    sent: AtomicU64,
    /// In the order of [`OutcomeKind::ALL`].
    ended: [AtomicU64; OutcomeKind::ALL.len()],
}

impl Counters {
    fn add(&self, outcome: OutcomeKind) {
        self.ended[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How they stand now.
    pub fn now(&self) -> Counts {
        let ended = self.ended.each_ref().map(|count| count.load(Ordering::Relaxed));
        let answered: u64 = ended.iter().sum::<u64>() - ended[OutcomeKind::Shed as usize];
        // Sent is read last: whoever has ended by then was sent before.
        Counts::new(self.sent.load(Ordering::Relaxed).saturating_sub(answered), ended)
    }
}

struct Line {
    record: Record,
    /// For the latency log: what ended, and how long after it was due.
    latency: Option<(OperationKind, OutcomeKind, i64, u64)>,
}

/// Where operations of the load are told. Clones write to the same files.
#[derive(Clone)]
pub struct Recorder {
    lines: mpsc::Sender<Line>,
    counters: Arc<Counters>,
}

/// The writing thread.
pub struct Writing(JoinHandle<Result<(), RecordError>>);

impl Recorder {
    /// Creates the files in a folder. The first stage begins at `started`; what is told of `before` stands in
    /// front of it.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn create(
        folder: &Path,
        started: SystemTime,
        before: impl FnOnce() -> Vec<Record> + Send + 'static,
        counters: Arc<Counters>,
    ) -> Result<(Self, Writing), RecordError> {
        let mut history = HistoryWriter::create(&folder.join(file::HISTORY))?;
        let mut latencies = LatencyLog::create(&folder.join(file::LATENCY), started)?;
        let (lines, incoming) = mpsc::channel::<Line>();
        let writing = std::thread::spawn(move || {
            for record in before() {
                history.append(&record)?;
            }
            for Line { record, latency } in incoming {
                history.append(&record)?;
                if let Some((kind, outcome, at_ns, latency_ns)) = latency {
                    latencies.record(kind, outcome, at_ns, latency_ns)?;
                }
            }
            history.finish()?;
            latencies.finish()
        });
        Ok((Self { lines, counters }, Writing(writing)))
    }

    /// An operation is being sent.
    pub fn invoke(&self, op: u64, due_ns: i64, at_ns: i64, call: Call) {
        self.counters.sent.fetch_add(1, Ordering::Relaxed);
        self.send(Record::Invoke { op, due_ns, at_ns, call }, None);
    }

    /// An operation ended.
    pub fn complete(&self, op: u64, kind: OperationKind, due_ns: i64, at_ns: i64, outcome: Outcome) {
        let ended = outcome.kind();
        let latency_ns = u64::try_from(at_ns - due_ns).unwrap_or(0);
        self.counters.add(ended);
        self.send(Record::Complete { op, at_ns, outcome }, Some((kind, ended, at_ns, latency_ns)));
    }

    /// An operation was not sent.
    pub fn shed(&self, op: u64, due_ns: i64, kind: OperationKind) {
        self.counters.add(OutcomeKind::Shed);
        self.send(Record::Shed { op, due_ns, kind }, None);
    }

    fn send(&self, record: Record, latency: Option<(OperationKind, OutcomeKind, i64, u64)>) {
        // The thread ends early only when the disk is full; `Writing::finish` then tells why.
        let _ = self.lines.send(Line { record, latency });
    }
}

impl Writing {
    /// Waits until everything is on disk. All recorders must be gone.
    ///
    /// # Errors
    /// When something could not be written.
    pub async fn finish(self) -> Result<(), RecordError> {
        let joining = tokio::task::spawn_blocking(|| self.0.join());
        joining
            .await
            .unwrap_or_else(|panic| Err(panic.into_panic()))
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}
