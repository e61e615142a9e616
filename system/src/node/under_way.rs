//! The requests of clients that a node is at: one that stops answers them first, and takes no further ones.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use tokio::sync::Notify;

/// Counts requests from their arrival to their answer.
#[derive(Default)]
pub(super) struct UnderWay {
    requests: AtomicUsize,
    stopping: AtomicBool,
    last_ended: Notify,
}

impl UnderWay {
    /// A request has come. It is under way until what comes back is dropped. Nothing comes back when no more are taken.
    pub(super) fn begin(&self) -> Option<Request<'_>> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let request = Request(self);
        (!self.stopping.load(Ordering::SeqCst)).then_some(request)
    }

    /// Takes no more requests, and waits until none is under way, at most so long. Says how many still are.
    pub(super) async fn end(&self, patience: Duration) -> usize {
        self.stopping.store(true, Ordering::SeqCst);
        let none = async {
            while self.requests.load(Ordering::SeqCst) > 0 {
                self.last_ended.notified().await;
            }
        };
        let _ = tokio::time::timeout(patience, none).await;
        self.requests.load(Ordering::SeqCst)
    }
}

/// A request that is under way.
pub(super) struct Request<'a>(&'a UnderWay);

impl Drop for Request<'_> {
    fn drop(&mut self) {
        if self.0.requests.fetch_sub(1, Ordering::SeqCst) == 1 {
            // Keeps for whoever is about to wait.
            self.0.last_ended.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_is_waited_for_and_nothing_more_is_taken() {
        let under_way = UnderWay::default();
        let (first, second) = (under_way.begin().unwrap(), under_way.begin().unwrap());
        let began = Instant::now();
        let answering = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(under_way.begin().is_none());
            drop(first);
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(second);
        };
        let (left, ()) = tokio::join!(under_way.end(PATIENCE), answering);
        assert_eq!((left, began.elapsed().as_secs()), (0, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_end_is_not_waited_for_for_ever() {
        let under_way = UnderWay::default();
        let _stuck = under_way.begin();
        let began = Instant::now();
        assert_eq!(under_way.end(PATIENCE).await, 1);
        assert_eq!(began.elapsed().as_secs(), PATIENCE.as_secs());
    }
}
