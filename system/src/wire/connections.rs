//! How many connections a listener has at a time, in all and from one address, and who has to go when there are too many.
//!
//! A connection has a place once both sides have said hello. Before that it is half open, and many of these hold no place
//! back: when there are too many, one is given up. When all places are taken, one of them is given to whoever comes: that of
//! the address with the most, and there of a connection on which nobody has shown who they are, and nothing is asked, the
//! one that has been open longest. So whoever opens thousands takes them from themselves.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{
    budget::{Account, Budget},
    limits::Limits,
    origin::Origin,
};

/// The connections of one listener. Clones share them.
#[derive(Debug, Clone)]
pub struct Connections {
    limits: Limits,
    budget: Budget,
    half_open: Arc<Mutex<Table>>,
    places: Arc<Mutex<Table>>,
}

/// Connections, by their age, and by their address.
#[derive(Debug, Default)]
struct Table {
    next: u64,
    open: usize,
    by_origin: HashMap<Origin, BTreeMap<u64, Open>>,
}

/// A connection. To drop what is kept of one gives it up.
#[derive(Debug)]
struct Open {
    conduct: Arc<Conduct>,
    _kept: oneshot::Sender<()>,
}

/// How a connection is, as far as it matters when one has to go.
#[derive(Debug, Default)]
pub(super) struct Conduct {
    /// Somebody has shown on it who they are.
    pub(super) known: AtomicBool,
    /// How many requests are under way on it.
    pub(super) requests: AtomicUsize,
}

impl Conduct {
    /// Whom it costs least to give up comes first. `None`: whoever is known and waits for something is not given up.
    fn rank(&self) -> Option<u8> {
        match (self.known.load(Ordering::Relaxed), self.requests.load(Ordering::Relaxed)) {
            (false, 0) => Some(0),
            (false, _) => Some(1),
            (true, 0) => Some(2),
            (true, _) => None,
        }
    }
}

impl Table {
    fn add(&mut self, origin: &Origin, conduct: Arc<Conduct>) -> (u64, oneshot::Receiver<()>) {
        let (kept, given_up) = oneshot::channel();
        let number = self.next;
        self.next += 1;
        self.open += 1;
        self.by_origin.entry(origin.clone()).or_default().insert(number, Open { conduct, _kept: kept });
        (number, given_up)
    }

    fn remove(&mut self, origin: &Origin, number: u64) {
        let Some(theirs) = self.by_origin.get_mut(origin) else { return };
        self.open -= usize::from(theirs.remove(&number).is_some());
        if theirs.is_empty() {
            self.by_origin.remove(origin);
        }
    }

    fn of(&self, origin: &Origin) -> usize {
        self.by_origin.get(origin).map_or(0, BTreeMap::len)
    }

    /// Gives a connection of this address up, if there is one that may be.
    fn give_up_one_of(&mut self, origin: &Origin) -> bool {
        let theirs = self.by_origin.get(origin).into_iter().flatten();
        let ranked = theirs.filter_map(|(number, open)| Some((open.conduct.rank()?, *number)));
        let Some((_, number)) = ranked.min() else { return false };
        self.remove(origin, number);
        true
    }

    /// Gives a connection up that may be, of the address that has the most and any such. Of two that have as many,
    /// `newcomer` is the one.
    fn give_up_one(&mut self, newcomer: &Origin) -> bool {
        let sized =
            self.by_origin.iter().map(|(origin, theirs)| (theirs.len(), origin == newcomer, origin.clone()));
        let mut origins: Vec<_> = sized.collect();
        origins.sort_unstable_by_key(|(size, newcomer, _)| std::cmp::Reverse((*size, *newcomer)));
        origins.into_iter().any(|(_, _, origin)| self.give_up_one_of(&origin))
    }
}

impl Connections {
    /// At most as many as these say.
    pub fn within(limits: Limits) -> Self {
        Self { budget: Budget::new(&limits), limits, half_open: Arc::default(), places: Arc::default() }
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.places.lock().open
    }

    /// How many bytes their requests and answers take.
    pub fn memory(&self) -> usize {
        self.budget.used()
    }

    /// One more is half open, in place of another one if there are too many.
    pub(super) fn begin(&self, origin: Origin) -> Entering {
        let mut half_open = self.half_open.lock();
        if half_open.of(&origin) >= self.limits.half_open_per_address {
            half_open.give_up_one_of(&origin);
        } else if half_open.open >= self.limits.half_open {
            half_open.give_up_one(&origin);
        }
        let (number, given_up) = half_open.add(&origin, Arc::default());
        Entering { connections: self.clone(), origin, number, given_up }
    }
}

impl Default for Connections {
    fn default() -> Self {
        Self::within(Limits::default())
    }
}

/// A connection that is half open.
#[derive(Debug)]
pub struct Entering {
    connections: Connections,
    origin: Origin,
    number: u64,
    given_up: oneshot::Receiver<()>,
}

impl Entering {
    /// Ends when the connection is given up for newer ones.
    pub(super) async fn given_up(&mut self) {
        // Nothing is ever sent.
        let _ = (&mut self.given_up).await;
    }

    /// The connection is open, and has a place until that is dropped. `None` when all are taken by whoever has more right
    /// to them.
    pub fn enter(self) -> Option<Place> {
        let Connections { limits, places, .. } = &self.connections;
        let conduct = Arc::<Conduct>::default();
        let mut table = places.lock();
        if table.of(&self.origin) >= limits.connections_per_address && !table.give_up_one_of(&self.origin) {
            return None;
        }
        if table.open >= limits.connections && !table.give_up_one(&self.origin) {
            return None;
        }
        let (number, given_up) = table.add(&self.origin, conduct.clone());
        let (connections, origin) = (self.connections.clone(), self.origin.clone());
        Some(Place { connections, origin, number, conduct, given_up })
    }
}

impl Drop for Entering {
    fn drop(&mut self) {
        self.connections.half_open.lock().remove(&self.origin, self.number);
    }
}

/// The place of an open connection.
#[derive(Debug)]
pub struct Place {
    connections: Connections,
    origin: Origin,
    number: u64,
    conduct: Arc<Conduct>,
    given_up: oneshot::Receiver<()>,
}

impl Place {
    /// Ends when the place is given to somebody else.
    pub async fn given_up(&mut self) {
        // Nothing is ever sent.
        let _ = (&mut self.given_up).await;
    }

    /// How the connection is, which others note.
    pub(super) fn conduct(&self) -> Arc<Conduct> {
        self.conduct.clone()
    }

    /// What the connection may take.
    pub(super) fn account(&self) -> Account {
        self.connections.budget.account(&self.origin)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.places.lock().remove(&self.origin, self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn connections(limit: usize, of_an_address: usize) -> Connections {
        let limits =
            Limits { connections: limit, connections_per_address: of_an_address, ..Limits::default() };
        Connections::within(limits)
    }

    fn enter(connections: &Connections, address: &str) -> Option<Place> {
        connections.begin(Origin::of(address)).enter()
    }

    async fn is_given_up(place: &mut Place) -> bool {
        tokio::time::timeout(Duration::ZERO, place.given_up()).await.is_ok()
    }

    #[tokio::test]
    async fn the_oldest_that_is_half_open_gives_way() {
        let connections = connections(2, 2);
        let half_open = Limits::default().half_open_per_address;
        let mut waiting: Vec<_> = (0..=half_open).map(|_| connections.begin(Origin::of("pipe"))).collect();
        waiting[0].given_up().await;
        let second = tokio::time::timeout(Duration::ZERO, waiting[1].given_up()).await;
        assert!(second.is_err(), "it was given up, too");
        drop(waiting);
        assert_eq!((connections.open(), connections.half_open.lock().open), (0, 0));
    }

    #[tokio::test]
    async fn whoever_opens_many_that_are_half_open_gives_up_their_own() {
        let connections = connections(2, 2);
        let mut honest = connections.begin(Origin::of("10.0.0.1:1"));
        let many = 3 * Limits::default().half_open;
        let _loud: Vec<_> = (0..many).map(|_| connections.begin(Origin::of("10.0.0.2:1"))).collect();
        assert!(tokio::time::timeout(Duration::ZERO, honest.given_up()).await.is_err());
    }

    #[tokio::test]
    async fn when_too_many_are_half_open_in_all_the_loudest_address_gives_one_up() {
        let limits = Limits { half_open: 4, half_open_per_address: 3, ..Limits::default() };
        let connections = Connections::within(limits);
        let begin = |address| connections.begin(Origin::of(address));
        let mut loud: Vec<_> = (0..3).map(|_| begin("10.0.0.1:1")).collect();
        let mut quiet = begin("10.0.0.2:1");
        let _newcomer = begin("10.0.0.3:1");
        let mut gone = Vec::new();
        for entering in loud.iter_mut().chain([&mut quiet]) {
            gone.push(tokio::time::timeout(Duration::ZERO, entering.given_up()).await.is_ok());
        }
        assert_eq!(gone, [true, false, false, false]);
        assert_eq!(connections.half_open.lock().open, 4);
    }

    #[tokio::test]
    async fn the_loudest_address_makes_room_and_nobody_else() {
        let connections = connections(10, 8);
        let mut quiet = enter(&connections, "10.0.0.1:1").unwrap();
        let mut loud: Vec<_> = (0..8).map(|_| enter(&connections, "10.0.0.2:1").unwrap()).collect();
        // Beyond its share it gives up its own, the oldest first.
        loud.push(enter(&connections, "10.0.0.2:9").unwrap());
        assert!(is_given_up(&mut loud[0]).await && !is_given_up(&mut loud[1]).await);
        let _third = enter(&connections, "10.0.0.3:1").unwrap();
        let _fourth = enter(&connections, "10.0.0.4:1").unwrap();
        assert!(is_given_up(&mut loud[1]).await && !is_given_up(&mut loud[2]).await);
        assert!(!is_given_up(&mut quiet).await);
        assert_eq!(connections.open(), 10);
    }

    #[tokio::test]
    async fn an_address_whose_connections_are_all_at_work_shields_no_other() {
        let connections = connections(5, 5);
        let busy: Vec<_> = (0..3).map(|_| enter(&connections, "10.0.0.1:1").unwrap()).collect();
        for place in &busy {
            place.conduct.known.store(true, Ordering::Relaxed);
            place.conduct.requests.store(1, Ordering::Relaxed);
        }
        let mut idle: Vec<_> = (0..2).map(|_| enter(&connections, "10.0.0.2:1").unwrap()).collect();
        let _newcomer = enter(&connections, "10.0.0.3:1").unwrap();
        assert!(is_given_up(&mut idle[0]).await && !is_given_up(&mut idle[1]).await);
    }

    #[tokio::test]
    async fn whoever_is_known_or_waits_for_an_answer_goes_last() {
        let connections = connections(3, 3);
        let mut places: Vec<_> = (0..3).map(|_| enter(&connections, "10.0.0.1:1").unwrap()).collect();
        places[0].conduct.known.store(true, Ordering::Relaxed);
        places[1].conduct.requests.store(1, Ordering::Relaxed);
        for given_up in [2, 1, 0] {
            let newcomer = enter(&connections, "10.0.0.2:1").unwrap();
            assert!(is_given_up(&mut places[given_up]).await, "{given_up}");
            drop(newcomer);
            // Whoever had it before is known now, and asks.
            let again = enter(&connections, "10.0.0.1:1").unwrap();
            again.conduct.known.store(true, Ordering::Relaxed);
            again.conduct.requests.store(1, Ordering::Relaxed);
            places.push(again);
        }
        assert!(enter(&connections, "10.0.0.1:1").is_none());
        assert!(enter(&connections, "10.0.0.2:1").is_none());
    }
}
