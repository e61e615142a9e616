//! Writes history and latencies as operations begin and end, on a thread of its own.
//!
//! That thread looks for itself, now and then, what there is to write: to wake it for each line would cost the thread
//! that fires operations more than the line.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;

use super::message::Counts;
use crate::{
    record::{Call, Counted, HistoryWriter, LatencyLog, Outcome, Record, RecordError, file},
    scenario::{OperationKind, OutcomeKind},
};

/// How often is written what there is to write.
const WRITE_PERIOD: Duration = Duration::from_millis(20);
/// How much less than others the writing thread is given of a processor that they share.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

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

/// What is to be written; `None`, once nobody writes any more.
type Lines = Arc<Mutex<Option<Vec<Line>>>>;

/// Where operations of the load are told. Clones write to the same files.
#[derive(Clone)]
pub struct Recorder {
    lines: Lines,
    counters: Arc<Counters>,
}

/// The writing thread.
pub struct Writing(JoinHandle<Result<Counted, RecordError>>);

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
        let lines: Lines = Arc::new(Mutex::new(Some(Vec::new())));
        let mut incoming = lines.clone();
        let writing = std::thread::spawn(move || {
            step_back();
            let write = || {
                for record in before() {
                    history.append(&record)?;
                }
                write_lines(&mut incoming, &mut history, &mut latencies)?;
                latencies.finish()?;
                history.finish()
            };
            let written = write();
            // The disk may be full: what nobody writes is not to fill the memory.
            incoming.lock().take();
            written
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
        // Nobody writes any more when the disk is full; `Writing::finish` then tells why.
        if let Some(lines) = self.lines.lock().as_mut() {
            lines.push(Line { record, latency });
        }
    }
}

/// Writes all that comes, until all recorders are gone.
fn write_lines(
    incoming: &mut Lines,
    history: &mut HistoryWriter,
    latencies: &mut LatencyLog,
) -> Result<(), RecordError> {
    let mut batch = Vec::new();
    loop {
        // Asked before the lines are taken: nothing comes after the last recorder has gone.
        let last = Arc::get_mut(incoming).is_some();
        if let Some(lines) = incoming.lock().as_mut() {
            std::mem::swap(&mut batch, lines);
        }
        for Line { record, latency } in batch.drain(..) {
            history.append(&record)?;
            if let Some((kind, outcome, at_ns, latency_ns)) = latency {
                latencies.record(kind, outcome, at_ns, latency_ns)?;
            }
        }
        if last {
            return Ok(());
        }
        std::thread::park_timeout(WRITE_PERIOD);
    }
}

/// Gives way to the thread that fires operations.
fn step_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS) {
        tracing::debug!(%error, "cannot lower the priority of the writing thread");
    }
}

impl Writing {
    /// Waits until everything is on disk, and gives how much that is. All recorders must be gone.
    ///
    /// # Errors
    /// When something could not be written.
    pub async fn finish(self) -> Result<Counted, RecordError> {
        self.0.thread().unpark();
        let joining = tokio::task::spawn_blocking(|| self.0.join());
        joining
            .await
            .unwrap_or_else(|panic| Err(panic.into_panic()))
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}
