//! Connections to many addresses, opened when first needed, shared by all who ask, and opened again
//! when they broke.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;

use super::{
    connection::{CallError, Connection},
    frame::{Link, WireError},
    transport::Network,
};

/// One place for a connection. Whoever finds it empty opens one while the others wait.
type Slot<Q, A> = tokio::sync::Mutex<SlotState<Q, A>>;

struct SlotState<Q, A> {
    connection: Option<Connection<Q, A>>,
    failed: Option<(Instant, String)>,
}

/// All connections to one address.
type Slots<Q, A> = Arc<Vec<Slot<Q, A>>>;

/// The connections of one program to any number of addresses.
pub struct Links<Q, A> {
    network: Arc<dyn Network>,
    link: Link,
    each: usize,
    slots: Mutex<HashMap<String, Slots<Q, A>>>,
    next: AtomicUsize,
}

impl<Q, A> Links<Q, A>
where
    Q: Serialize,
    A: DeserializeOwned + Send + 'static,
{
    /// Keeps up to `each` connections to every address and uses them in turn.
    pub fn new(network: Arc<dyn Network>, link: Link, each: usize) -> Self {
        Self { network, link, each: each.max(1), slots: Mutex::default(), next: AtomicUsize::new(0) }
    }

    /// An open connection to `address`.
    ///
    /// # Errors
    /// [`CallError::Connect`], within `patience` for whoever has to open it. Those who waited
    /// meanwhile share the failure instead of trying one after the other.
    pub async fn get(&self, address: &str, patience: Duration) -> Result<Connection<Q, A>, CallError> {
        let asked = Instant::now();
        let slots = self.slots_of(address);
        let slot = &slots[self.next.fetch_add(1, Ordering::Relaxed) % slots.len()];
        let mut state = slot.lock().await;
        if let Some(connection) = state.connection.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(connection.clone());
        }
        if let Some((when, reason)) = &state.failed
            && *when >= asked
        {
            let source = WireError::Dial(std::io::Error::other(reason.clone()));
            return Err(CallError::Connect { address: address.to_owned(), source });
        }
        // In a box: it is seldom needed, and would make the future of every request several times as large.
        match Box::pin(Connection::open(&*self.network, address, self.link, patience)).await {
            Ok(connection) => {
                state.connection = Some(connection.clone());
                Ok(connection)
            }
            Err(error) => {
                let reason = match &error {
                    CallError::Connect { source, .. } => source.to_string(),
                    other => other.to_string(),
                };
                state.failed = Some((Instant::now(), reason));
                Err(error)
            }
        }
    }

    /// Opens a connection if needed and asks, within `patience` for both.
    ///
    /// # Errors
    /// [`CallError`]; a time-out is [`CallError::Lost`].
    pub async fn ask(&self, address: &str, request: &Q, patience: Duration) -> Result<A, CallError> {
        let asked = async { self.get(address, patience).await?.call(request).await };
        match tokio::time::timeout(patience, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::Lost { address: address.to_owned() }),
        }
    }

    fn slots_of(&self, address: &str) -> Slots<Q, A> {
        let mut slots = self.slots.lock();
        if let Some(found) = slots.get(address) {
            return found.clone();
        }
        let empty = || Slot::new(SlotState { connection: None, failed: None });
        let made: Slots<Q, A> = Arc::new((0..self.each).map(|_| empty()).collect());
        slots.insert(address.to_owned(), made.clone());
        made
    }
}
