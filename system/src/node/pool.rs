//! A bounded pool of threads for work that keeps a processor busy, at a lower priority than
//! everything else. A full queue says so at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, TrySendError};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::priority;

/// How much a new latency counts in the moving average.
const LATENCY_WEIGHT: f32 = 0.1;

type Job = Box<dyn FnOnce() + Send>;

/// The queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{waiting} tasks are waiting, the limit is {limit}")]
pub struct Full {
    /// How many wait.
    pub waiting: usize,
    /// How many may.
    pub limit: usize,
}

/// Why a task has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// The queue is full; the task was not taken.
    #[error(transparent)]
    Full(#[from] Full),
    /// The task panicked or the pool was dropped.
    #[error("the task ended without a result")]
    Lost,
}

#[derive(Debug, Default)]
struct Gauges {
    active: AtomicU32,
    latency_ms: Mutex<f32>,
}

/// The pool. Its threads end when it is dropped.
#[derive(Debug)]
pub struct Pool {
    jobs: Sender<Job>,
    gauges: Arc<Gauges>,
    threads: usize,
    limit: usize,
}

impl Pool {
    /// Starts `threads` threads with a queue of `limit` tasks.
    ///
    /// # Errors
    /// When the operating system gives no more threads.
    pub fn start(threads: usize, limit: usize) -> std::io::Result<Self> {
        let (jobs, queue) = crossbeam_channel::bounded(limit);
        for number in 0..threads {
            let queue: Receiver<Job> = queue.clone();
            std::thread::Builder::new().name(format!("veil-seal-{number}")).spawn(move || {
                priority::step_back();
                for job in queue {
                    // A panic must not cost the pool a thread. The task's owner learns of it by the
                    // result that never comes.
                    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)).is_err() {
                        tracing::error!("a task panicked");
                    }
                }
            })?;
        }
        Ok(Self { jobs, gauges: Arc::default(), threads, limit })
    }

    /// Does the work on a thread of the pool.
    ///
    /// # Errors
    /// [`PoolError`].
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let (sender, result) = oneshot::channel();
        let gauges = self.gauges.clone();
        let queued = Instant::now();
        let job: Job = Box::new(move || {
            let active = Active::begin(&gauges);
            let value = work();
            drop(active);
            gauges.note(queued.elapsed());
            // Whoever asked may have gone.
            let _ = sender.send(value);
        });
        match self.jobs.try_send(job) {
            Ok(()) => result.await.map_err(|_| PoolError::Lost),
            Err(TrySendError::Full(_)) => Err(Full { waiting: self.jobs.len(), limit: self.limit }.into()),
            Err(TrySendError::Disconnected(_)) => Err(PoolError::Lost),
        }
    }

    /// Tasks at work, tasks waiting, threads, and the moving average of a task's time, milliseconds.
    pub fn load(&self) -> (u32, u32, u32, f32) {
        let active = self.gauges.active.load(Ordering::Relaxed);
        (active, self.jobs.len() as u32, self.threads as u32, *self.gauges.latency_ms.lock())
    }
}

/// Counts a task as being at work, even one that panics.
struct Active<'a>(&'a Gauges);

impl<'a> Active<'a> {
    fn begin(gauges: &'a Gauges) -> Self {
        gauges.active.fetch_add(1, Ordering::Relaxed);
        Self(gauges)
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gauges {
    fn note(&self, took: Duration) {
        let took_ms = took.as_secs_f32() * 1_000.0;
        let mut average = self.latency_ms.lock();
        *average = if *average == 0.0 { took_ms } else { *average + LATENCY_WEIGHT * (took_ms - *average) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_says_so_at_once_and_a_panic_costs_nothing() {
        let pool = Arc::new(Pool::start(1, 1).unwrap());
        let (open, gate) = crossbeam_channel::bounded::<()>(0);
        let first = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(move || gate.recv()).await }
        });
        while pool.load().0 == 0 {
            tokio::task::yield_now().await;
        }
        let second = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(|| panic!("on purpose")).await }
        });
        while pool.load().1 == 0 {
            tokio::task::yield_now().await;
        }
        let third = pool.run(|| ()).await;
        assert_eq!(third, Err(PoolError::Full(Full { waiting: 1, limit: 1 })));
        drop(open);
        assert!(first.await.unwrap().is_ok());
        assert_eq!(second.await.unwrap(), Err::<(), _>(PoolError::Lost));
        assert_eq!(pool.run(|| 7).await, Ok(7));
    }
}
