//! Memory for what is on its way: requests from their arrival to their answer, and answers until they are read.
//!
//! Each connection has an account. What is large is reserved before it is read, and whoever finds no room waits, or is told
//! that it is busy. What is small, and an answer once it is there, is charged in any case; then the connections of an
//! address that has used up its share are not read from until some of it is free again.

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{limits::Limits, origin::Origin};

/// An address that takes less, bytes, is read from even when all others together leave nothing.
const FLOOR: usize = 64 << 10;

/// What all connections of a listener may take. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: usize,
    share: usize,
    used: AtomicUsize,
    /// Told when something is given back.
    freed: Notify,
    /// How many wait to be told.
    waiting: AtomicUsize,
    addresses: Mutex<HashMap<Origin, Weak<AtomicUsize>>>,
}

impl Budget {
    pub(super) fn new(limits: &Limits) -> Self {
        let Limits { memory: limit, memory_per_address: share, .. } = *limits;
        let (used, waiting) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (freed, addresses) = (Notify::new(), Mutex::default());
        Self(Arc::new(Shared { limit, share, used, freed, waiting, addresses }))
    }

    /// An account for one more connection of an address.
    pub(super) fn account(&self, origin: &Origin) -> Account {
        let mut addresses = self.0.addresses.lock();
        let known = addresses.get(origin).and_then(Weak::upgrade);
        let address = known.unwrap_or_else(|| {
            addresses.retain(|_, address| address.strong_count() > 0);
            let address = Arc::default();
            addresses.insert(origin.clone(), Arc::downgrade(&address));
            address
        });
        Account(Arc::new(Parties { all: self.clone(), address }))
    }

    /// How many bytes are taken.
    pub(super) fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }
}

/// What a connection may take: it shares with all others of its address. Clones are the same account.
#[derive(Debug, Clone)]
pub(super) struct Account(Arc<Parties>);

/// Who pays.
#[derive(Debug)]
struct Parties {
    all: Budget,
    address: Arc<AtomicUsize>,
}

impl Account {
    /// Whether `size` more bytes are there.
    fn has(&self, size: usize) -> bool {
        let Shared { limit, share, .. } = *self.0.all.0;
        let left = |limit: usize, used: &AtomicUsize| limit.saturating_sub(used.load(Ordering::SeqCst));
        left(limit, &self.0.all.0.used) >= size && left(share, &self.0.address) >= size
    }

    /// Whether there is anything left. An address that takes next to nothing is heard whatever the others take.
    pub(super) fn has_room(&self) -> bool {
        let Shared { share, .. } = *self.0.all.0;
        self.has(1) || self.0.address.load(Ordering::SeqCst) < FLOOR.min(share)
    }

    /// Waits until there is anything left.
    pub(super) async fn room(&self) {
        self.wait(|| self.has_room().then_some(())).await;
    }

    /// Takes `size` bytes as soon as they are there. More than there can ever be is as much as there can be.
    pub(super) async fn reserve(&self, size: usize) -> Charge {
        let size = size.min(self.0.all.0.share).min(self.0.all.0.limit);
        self.wait(|| {
            // Whoever else looks at the same moment may take it too: one request more than there is room for.
            self.has(size).then(|| self.charge(size))
        })
        .await
    }

    /// Takes `size` bytes, whether they are there or not.
    pub(super) fn charge(&self, size: usize) -> Charge {
        self.take(size);
        Charge { account: self.clone(), size }
    }

    async fn wait<T>(&self, look: impl Fn() -> Option<T>) -> T {
        if let Some(found) = look() {
            return found;
        }
        let Shared { freed, waiting, .. } = &*self.0.all.0;
        let _one = OneMore::of(waiting);
        loop {
            let told = freed.notified();
            tokio::pin!(told);
            told.as_mut().enable();
            // Whatever is given back from here on is told.
            if let Some(found) = look() {
                return found;
            }
            told.await;
        }
    }

    fn take(&self, size: usize) {
        self.0.all.0.used.fetch_add(size, Ordering::SeqCst);
        self.0.address.fetch_add(size, Ordering::SeqCst);
    }

    fn give_back(&self, size: usize) {
        let Shared { used, freed, waiting, .. } = &*self.0.all.0;
        used.fetch_sub(size, Ordering::SeqCst);
        self.0.address.fetch_sub(size, Ordering::SeqCst);
        if waiting.load(Ordering::SeqCst) > 0 {
            freed.notify_waiters();
        }
    }

    /// How much one address may take, bytes.
    pub(super) fn share(&self) -> usize {
        self.0.all.0.share
    }

    /// How much this one has taken, bytes.
    pub(super) fn used(&self) -> usize {
        self.0.address.load(Ordering::Relaxed)
    }
}

/// Counts one more as long as it lives.
struct OneMore<'a>(&'a AtomicUsize);

impl<'a> OneMore<'a> {
    fn of(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for OneMore<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Bytes that were taken. Dropped, they are given back.
#[derive(Debug)]
pub(super) struct Charge {
    account: Account,
    size: usize,
}

impl Charge {
    /// From now on it is so many bytes, whether they are there or not.
    pub(super) fn resize(&mut self, size: usize) {
        match size.checked_sub(self.size) {
            Some(more) => self.account.take(more),
            None => self.account.give_back(self.size - size),
        }
        self.size = size;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.account.give_back(self.size);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn budget(memory: usize, memory_per_address: usize) -> Budget {
        Budget::new(&Limits { memory, memory_per_address, ..Limits::default() })
    }

    fn of(budget: &Budget, address: &str) -> Account {
        budget.account(&Origin::of(address))
    }

    /// Whether it comes about, as things are.
    async fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(Duration::from_millis(1), future).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_its_share_and_all_have_what_there_is() {
        let budget = budget(100, 60);
        let (one, again, other) =
            (of(&budget, "10.0.0.1:1"), of(&budget, "10.0.0.1:2"), of(&budget, "10.0.0.2:1"));
        let first = one.reserve(50).await;
        assert!(now(again.reserve(20)).await.is_none(), "it has the share of its address");
        let second = other.reserve(45).await;
        assert!(now(other.reserve(10)).await.is_none(), "there are 5 left");
        drop(first);
        assert!(now(again.reserve(20)).await.is_some());
        drop(second);
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_is_woken_when_enough_is_given_back() {
        let budget = budget(100, 100);
        let account = of(&budget, "pipe");
        let held: Vec<_> = (0..10).map(|_| account.charge(10)).collect();
        let waiting = tokio::spawn({
            let account = account.clone();
            async move { account.reserve(95).await }
        });
        for charge in held {
            assert!(!waiting.is_finished());
            drop(charge);
            tokio::task::yield_now().await;
        }
        drop(waiting.await.unwrap());
        // What is charged in any case may go beyond, and then nothing more is read.
        let mut over = account.charge(150);
        assert!(!account.has_room() && now(account.room()).await.is_none());
        over.resize(99);
        assert!(now(account.room()).await.is_some());
        // More than there can be is all that there can be.
        drop(over);
        assert_eq!(account.reserve(1_000).await.size, 100);
    }

    #[test]
    fn whoever_takes_next_to_nothing_is_heard_when_others_have_taken_all() {
        let budget = budget(3 * FLOOR, 2 * FLOOR);
        let (one, other, quiet) =
            (of(&budget, "10.0.0.1:1"), of(&budget, "10.0.0.2:1"), of(&budget, "10.0.0.3:1"));
        let _all = (one.charge(2 * FLOOR), other.charge(FLOOR));
        assert!(!one.has_room() && !other.has_room() && quiet.has_room());
        let _more = quiet.charge(FLOOR);
        assert!(!quiet.has_room());
    }

    #[test]
    fn addresses_without_connections_are_forgotten() {
        let budget = budget(100, 100);
        for number in 0..100 {
            of(&budget, &format!("10.0.0.{number}:1"));
        }
        assert!(budget.0.addresses.lock().len() <= 2);
    }
}
