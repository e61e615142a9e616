//! How many connections a listener has at a time, and who has to go when there are too many.
//!
//! A connection has a place once both sides have said hello. Before that it is half open, and many of these hold no place
//! back: when there are too many, the oldest is given up. So whoever opens thousands and says nothing holds nobody up, unless
//! they open more than that in the time that others take to say hello.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// How many connections one listener serves; further ones are closed at once.
const PLACES: usize = 4096;
/// How many may be half open.
const HALF_OPEN: usize = 1024;

/// The connections of one listener. Clones share them.
#[derive(Debug, Clone)]
pub struct Connections {
    places: Arc<Semaphore>,
    limit: usize,
    half_open: Arc<HalfOpen>,
}

/// Those that have not said hello, by their age. To drop what is kept of one gives it up.
#[derive(Debug, Default)]
struct HalfOpen {
    waiting: Mutex<BTreeMap<u64, oneshot::Sender<()>>>,
    next: AtomicU64,
}

impl Connections {
    /// At most `limit` at a time.
    pub fn up_to(limit: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(limit)), limit, half_open: Arc::default() }
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.limit - self.places.available_permits()
    }

    /// How many may be open.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// One more is half open, in place of the oldest if there are too many.
    pub(super) fn begin(&self) -> Entering {
        let (kept, given_up) = oneshot::channel();
        let number = self.half_open.next.fetch_add(1, Ordering::Relaxed);
        let mut waiting = self.half_open.waiting.lock();
        waiting.insert(number, kept);
        if waiting.len() > HALF_OPEN {
            waiting.pop_first();
        }
        Entering { connections: self.clone(), number, given_up }
    }
}

impl Default for Connections {
    fn default() -> Self {
        Self::up_to(PLACES)
    }
}

/// A connection that is half open.
#[derive(Debug)]
pub struct Entering {
    connections: Connections,
    number: u64,
    given_up: oneshot::Receiver<()>,
}

impl Entering {
    /// Ends when the connection is given up for newer ones.
    pub(super) async fn given_up(&mut self) {
        // Nothing is ever sent.
        let _ = (&mut self.given_up).await;
    }

    /// The connection is open, and has a place until that is dropped. `None` when all are taken.
    pub fn enter(self) -> Option<OwnedSemaphorePermit> {
        self.connections.places.clone().try_acquire_owned().ok()
    }
}

impl Drop for Entering {
    fn drop(&mut self) {
        self.connections.half_open.waiting.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_that_is_half_open_gives_way() {
        let connections = Connections::up_to(2);
        let mut waiting: Vec<_> = (0..=HALF_OPEN).map(|_| connections.begin()).collect();
        waiting[0].given_up().await;
        let second = tokio::time::timeout(std::time::Duration::ZERO, waiting[1].given_up()).await;
        assert!(second.is_err(), "it was given up, too");
        let places: Vec<_> = waiting.drain(1..4).map(Entering::enter).collect();
        assert!(places[0].is_some() && places[1].is_some() && places[2].is_none());
        assert_eq!((connections.open(), connections.half_open.waiting.lock().len()), (2, HALF_OPEN - 3));
        drop(places);
        drop(waiting);
        assert_eq!((connections.open(), connections.half_open.waiting.lock().len()), (0, 0));
    }
}
