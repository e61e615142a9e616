//! Who is online, and where: what the leader has been told, and has not been told otherwise for a while.
//!
//! Nothing of this is in the log. A peer announces itself to the leader and says now and then that it is still there; a
//! new leader knows nobody, and is told by every peer as soon as it is known. What is lost with a leader is
//! told again within a heartbeat, so nothing has to survive.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Bound,
    time::Duration,
};

use crate::{
    directory::{ImageId, PAGE_LIMIT, UserName},
    identity::SessionId,
    wire::client::{OnlinePeer, PresenceError},
};

/// The longest address, bytes: a host name of 253 and a port.
pub(super) const MAX_ADDRESS: usize = 260;
/// The most images that a peer offers.
pub(super) const MAX_OFFERS: usize = 1_000;
/// The most peers and offers on one page of a list, unless one peer alone has more.
const PAGE_WEIGHT: usize = 10_000;
/// The most memory that all peers who are online take, bytes.
pub(super) const MAX_MEMORY: usize = 256 << 20;
/// The most that those of one user take: 32 of them, each with all that it may offer, and some.
pub(super) const MAX_MEMORY_OF_USER: usize = 1 << 20;
/// What a peer takes beside its address and what it offers, about, bytes.
const PEER: usize = 512;
/// The shortest time between two heartbeats of a peer.
const INTERVAL: Duration = Duration::from_secs(2);
/// So many heartbeats a second are asked for in all: with more peers, each has more time.
const BEATS_A_SECOND: usize = 10_000;
/// How long a peer may be silent, beside the interval that it was told.
const GRACE: Duration = Duration::from_secs(3);
/// How long a peer whose connection has ended may take to come back.
const RECONNECT: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Entry {
    user: UserName,
    address: String,
    offers: Vec<ImageId>,
    /// The connection it was last heard on.
    connection: u64,
    expires: Duration,
}

/// How much memory a peer takes.
fn memory(address: &str, offers: &[ImageId]) -> usize {
    PEER + address.len() + size_of_val(offers)
}

impl Entry {
    fn memory(&self) -> usize {
        memory(&self.address, &self.offers)
    }
}

/// The peers that are online, by session. Times are since the node was started.
#[derive(Debug, Default)]
pub(super) struct Presence {
    entries: HashMap<SessionId, Entry>,
    by_user: BTreeSet<(UserName, SessionId)>,
    by_expiry: BTreeSet<(Duration, SessionId)>,
    by_connection: HashMap<u64, BTreeSet<SessionId>>,
    /// How much memory all of them take.
    memory: usize,
    /// How much those of each user take, and whose take how much.
    of_user: HashMap<UserName, usize>,
    by_memory: BTreeSet<(usize, UserName)>,
    /// The term in which all this was told, and since when this node leads in it.
    term: u64,
    since: Duration,
}

impl Presence {
    /// Forgets everybody if this is another term than the last: others may have been told meanwhile.
    pub(super) fn enter(&mut self, term: u64, now: Duration) {
        if term != self.term {
            *self = Self { term, since: now, ..Self::default() };
        }
        self.expire(now);
    }

    /// How often a peer should say that it is there.
    pub(super) fn interval(&self) -> Duration {
        INTERVAL.max(Duration::from_secs_f64(self.len() as f64 / BEATS_A_SECOND as f64))
    }

    /// Whether everybody who was online when this node began to lead has had the time to say so.
    pub(super) fn is_settled(&self, now: Duration) -> bool {
        now.saturating_sub(self.since) >= INTERVAL + GRACE
    }

    /// A peer is there, and this is where. What it said before is replaced.
    pub(super) fn announce(
        &mut self,
        session: SessionId,
        user: UserName,
        peer: (String, Vec<ImageId>),
        connection: u64,
        now: Duration,
    ) -> Result<(), PresenceError> {
        let (address, mut offers) = peer;
        check(&address, offers.len())?;
        // What was read may have taken more room than it needs.
        offers.shrink_to_fit();
        let needed = memory(&address, &offers);
        // A session may have been somebody else's before.
        let own = self.entries.get(&session).filter(|entry| entry.user == user).map_or(0, Entry::memory);
        let of_user = self.memory_of(&user) - own + needed;
        if of_user > MAX_MEMORY_OF_USER {
            return Err(PresenceError::TooMuch { bytes: of_user as u64, limit: MAX_MEMORY_OF_USER as u64 });
        }
        self.make_room(session, needed, of_user)?;
        self.remove(session);
        self.weigh(&user, |memory| memory + needed);
        let expires = now + self.interval() + GRACE;
        self.by_user.insert((user.clone(), session));
        self.entries.insert(session, Entry { user, address, offers, connection, expires });
        self.index(session);
        Ok(())
    }

    /// Has peers of whoever takes most give way until there is room for a peer of somebody who will take `of_user`. With less
    /// than that nobody gives way.
    fn make_room(&mut self, session: SessionId, needed: usize, of_user: usize) -> Result<(), PresenceError> {
        loop {
            let replaced = self.entries.get(&session).map_or(0, Entry::memory);
            let in_all = self.memory - replaced + needed;
            if in_all <= MAX_MEMORY {
                return Ok(());
            }
            let loudest = self.by_memory.last().filter(|(memory, _)| *memory > of_user);
            let theirs = loudest.and_then(|(_, user)| self.sessions_of(user).next());
            let Some(gives_way) = theirs else {
                return Err(PresenceError::TooMany { bytes: in_all as u64, limit: MAX_MEMORY as u64 });
            };
            self.remove(gives_way);
        }
    }

    /// Notes that the peers of a user take another amount of memory.
    fn weigh(&mut self, user: &UserName, change: impl FnOnce(usize) -> usize) {
        let before = self.memory_of(user);
        let after = change(before);
        self.memory = self.memory - before + after;
        self.by_memory.remove(&(before, user.clone()));
        self.of_user.remove(user);
        if after > 0 {
            self.by_memory.insert((after, user.clone()));
            self.of_user.insert(user.clone(), after);
        }
    }

    /// A peer is still there. `false` when it is not known, and has to announce itself.
    pub(super) fn beat(&mut self, session: SessionId, connection: u64, now: Duration) -> bool {
        if !self.entries.contains_key(&session) {
            return false;
        }
        self.unindex(session);
        let expires = now + self.interval() + GRACE;
        if let Some(entry) = self.entries.get_mut(&session) {
            entry.expires = expires;
            entry.connection = connection;
        }
        self.index(session);
        true
    }

    /// A peer goes.
    pub(super) fn remove(&mut self, session: SessionId) {
        self.unindex(session);
        if let Some(entry) = self.entries.remove(&session) {
            self.weigh(&entry.user, |memory| memory - entry.memory());
            self.by_user.remove(&(entry.user, session));
        }
    }

    /// A connection has ended: whoever was heard on it has crashed, or is about to come back.
    pub(super) fn lose(&mut self, connection: u64, now: Duration) {
        for session in self.by_connection.get(&connection).cloned().unwrap_or_default() {
            self.unindex(session);
            if let Some(entry) = self.entries.get_mut(&session) {
                entry.expires = entry.expires.min(now + RECONNECT);
            }
            self.index(session);
        }
    }

    /// Who is online, by name, after a name, at most [`PAGE_LIMIT`] sessions; `lives` tells whether a session still
    /// does.
    pub(super) fn online(
        &mut self,
        after: Option<&(UserName, SessionId)>,
        now: Duration,
        lives: impl Fn(SessionId) -> bool,
    ) -> Vec<OnlinePeer> {
        self.expire(now);
        let from = after.map_or(Bound::Unbounded, |last| Bound::Excluded(last.clone()));
        let there = self.by_user.range((from, Bound::Unbounded)).filter(|(_, session)| lives(*session));
        let mut offered = 0;
        let fits = move |peer: &OnlinePeer| {
            let first = offered == 0;
            offered += 1 + peer.offers.len();
            first || offered <= PAGE_WEIGHT
        };
        there.take(PAGE_LIMIT).filter_map(|(_, session)| self.peer(*session)).take_while(fits).collect()
    }

    /// Where one user is.
    pub(super) fn of(
        &mut self,
        user: &UserName,
        now: Duration,
        lives: impl Fn(SessionId) -> bool,
    ) -> Vec<OnlinePeer> {
        self.expire(now);
        self.sessions_of(user).filter(|session| lives(*session)).filter_map(|id| self.peer(id)).collect()
    }

    fn sessions_of(&self, user: &UserName) -> impl Iterator<Item = SessionId> + use<'_> {
        let (first, last) = SessionId::BOUNDS;
        self.by_user.range((user.clone(), first)..=(user.clone(), last)).map(|(_, session)| *session)
    }

    /// How much memory those of one user take.
    fn memory_of(&self, user: &UserName) -> usize {
        self.of_user.get(user).copied().unwrap_or_default()
    }

    /// How many are online.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn peer(&self, session: SessionId) -> Option<OnlinePeer> {
        let Entry { user, address, offers, .. } = self.entries.get(&session)?;
        let (user, address, offers) = (user.clone(), address.clone(), offers.clone());
        Some(OnlinePeer { user, session, address, offers })
    }

    fn expire(&mut self, now: Duration) {
        while let Some((expires, session)) = self.by_expiry.first().copied()
            && expires <= now
        {
            self.remove(session);
        }
    }

    fn index(&mut self, session: SessionId) {
        if let Some(entry) = self.entries.get(&session) {
            self.by_expiry.insert((entry.expires, session));
            self.by_connection.entry(entry.connection).or_default().insert(session);
        }
    }

    fn unindex(&mut self, session: SessionId) {
        let Some(entry) = self.entries.get(&session) else { return };
        self.by_expiry.remove(&(entry.expires, session));
        if let Some(sessions) = self.by_connection.get_mut(&entry.connection) {
            sessions.remove(&session);
            if sessions.is_empty() {
                self.by_connection.remove(&entry.connection);
            }
        }
    }
}

/// Whether a peer's address is one, and it offers no more than it may.
fn check(address: &str, offers: usize) -> Result<(), PresenceError> {
    let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    let port = port.and_then(|(_, port)| port.parse::<u16>().ok());
    let printable = address.bytes().all(|byte| byte.is_ascii_graphic());
    if address.len() > MAX_ADDRESS || !printable || port.is_none_or(|port| port == 0) {
        let address = address.chars().take(MAX_ADDRESS).collect();
        return Err(PresenceError::BadAddress { address });
    }
    if offers > MAX_OFFERS {
        return Err(PresenceError::TooManyOffers { offers: offers as u64, limit: MAX_OFFERS as u64 });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::SessionToken;

    const SECOND: Duration = Duration::from_secs(1);

    fn session(byte: u8) -> SessionId {
        SessionToken::from_bytes([byte; 32]).id()
    }

    fn user(name: &str) -> UserName {
        name.parse().unwrap()
    }

    fn announce(presence: &mut Presence, byte: u8, name: &str, port: u16, now: Duration) {
        let peer = (format!("10.0.0.1:{port}"), vec![ImageId(u128::from(byte))]);
        presence.announce(session(byte), user(name), peer, u64::from(byte), now).unwrap();
    }

    fn names(presence: &mut Presence, now: Duration) -> Vec<String> {
        presence.online(None, now, |_| true).iter().map(|peer| peer.user.to_string()).collect()
    }

    #[test]
    fn who_says_nothing_for_a_while_is_gone() {
        let mut presence = Presence::default();
        announce(&mut presence, 1, "anna", 5000, SECOND);
        announce(&mut presence, 2, "ben", 5001, SECOND);
        assert!(presence.beat(session(1), 1, 3 * SECOND));
        let gone = SECOND + INTERVAL + GRACE;
        assert_eq!(names(&mut presence, gone - Duration::from_millis(1)), ["anna", "ben"]);
        assert_eq!(names(&mut presence, gone), ["anna"]);
        assert!(!presence.beat(session(2), 2, gone), "it has to announce itself");
        assert!(gone - SECOND <= 5 * SECOND, "a crash is noticed too late");
    }

    #[test]
    fn a_closed_connection_is_a_crash_unless_the_peer_comes_back() {
        let mut presence = Presence::default();
        announce(&mut presence, 1, "anna", 5000, SECOND);
        announce(&mut presence, 2, "ben", 5001, SECOND);
        presence.lose(1, SECOND);
        presence.lose(2, SECOND);
        assert!(presence.beat(session(2), 7, SECOND + RECONNECT / 2));
        assert_eq!(names(&mut presence, SECOND + RECONNECT), ["ben"]);
        // The connection that it came back on is the one that counts.
        presence.lose(2, 2 * SECOND);
        assert_eq!(names(&mut presence, 2 * SECOND + RECONNECT), ["ben"]);
        presence.lose(7, 3 * SECOND);
        assert!(names(&mut presence, 3 * SECOND + RECONNECT).is_empty());
        assert!(presence.by_connection.is_empty() && presence.by_expiry.is_empty());
    }

    #[test]
    fn a_new_term_begins_with_nobody_and_says_so() {
        let mut presence = Presence::default();
        presence.enter(1, SECOND);
        announce(&mut presence, 1, "anna", 5000, SECOND);
        presence.enter(1, 2 * SECOND);
        assert_eq!(presence.len(), 1);
        presence.enter(2, 20 * SECOND);
        assert_eq!((presence.len(), presence.is_settled(21 * SECOND)), (0, false));
        assert!(presence.is_settled(20 * SECOND + INTERVAL + GRACE));
    }

    #[test]
    fn an_address_is_that_of_its_session_and_is_replaced_by_it_alone() {
        let mut presence = Presence::default();
        announce(&mut presence, 1, "anna", 5000, SECOND);
        announce(&mut presence, 1, "anna", 6000, SECOND);
        announce(&mut presence, 3, "anna", 7000, SECOND);
        let mut found: Vec<_> =
            presence.of(&user("anna"), SECOND, |_| true).into_iter().map(|peer| peer.address).collect();
        found.sort();
        assert_eq!(found, ["10.0.0.1:6000", "10.0.0.1:7000"]);
        // A session that was revoked is online no more.
        assert_eq!(presence.of(&user("anna"), SECOND, |id| id == session(3)).len(), 1);
        presence.remove(session(3));
        assert_eq!(presence.of(&user("anna"), SECOND, |_| true).len(), 1);
    }

    #[test]
    fn lists_come_page_by_page() {
        let mut presence = Presence::default();
        for number in 0..=PAGE_LIMIT {
            let token = SessionToken::from_bytes(*blake3::hash(&number.to_be_bytes()).as_bytes());
            let peer = ("h:1".to_owned(), Vec::new());
            presence.announce(token.id(), user(&format!("u{number:05}")), peer, 1, SECOND).unwrap();
        }
        let first = presence.online(None, SECOND, |_| true);
        assert_eq!(first.len(), PAGE_LIMIT);
        let last = first.last().map(|peer| (peer.user.clone(), peer.session));
        let rest = presence.online(last.as_ref(), SECOND, |_| true);
        assert_eq!(rest.iter().map(|peer| peer.user.as_str()).collect::<Vec<_>>(), ["u01000"]);
    }

    #[test]
    fn what_is_no_address_or_too_much_is_refused() {
        let mut presence = Presence::default();
        for bad in ["", "host", ":80", "host:0", "host:70000", "a b:80", &format!("{}:80", "h".repeat(260))] {
            let refused = presence.announce(session(1), user("anna"), (bad.to_owned(), vec![]), 1, SECOND);
            assert!(matches!(refused, Err(PresenceError::BadAddress { .. })), "{bad}: {refused:?}");
        }
        let many = ("h:1".to_owned(), vec![ImageId(1); MAX_OFFERS + 1]);
        let refused = presence.announce(session(1), user("anna"), many, 1, SECOND).unwrap_err();
        assert_eq!(refused.to_string(), "1001 images are offered, the limit is 1000");
    }

    /// As much as one peer may have.
    fn heavy() -> (String, Vec<ImageId>) {
        (format!("{}:80", "h".repeat(MAX_ADDRESS - 3)), vec![ImageId(1); MAX_OFFERS])
    }

    fn numbered(number: u32) -> SessionId {
        SessionToken::from_bytes(*blake3::hash(&number.to_be_bytes()).as_bytes()).id()
    }

    #[test]
    fn memory_is_limited_for_a_user_and_in_all_and_is_given_back() {
        let mut presence = Presence::default();
        let sessions = crate::directory::MAX_SESSIONS as u32;
        for number in 0..sessions {
            presence.announce(numbered(number), user("anna"), heavy(), 1, SECOND).unwrap();
        }
        let refused = (sessions..1_000)
            .find_map(|number| presence.announce(numbered(number), user("anna"), heavy(), 1, SECOND).err());
        assert!(
            matches!(refused, Some(PresenceError::TooMuch { limit, bytes }) if bytes > limit),
            "{refused:?}"
        );
        // Whoever is there may say something else, and others may come.
        presence.announce(numbered(0), user("anna"), heavy(), 1, SECOND).unwrap();
        presence.announce(session(1), user("ben"), heavy(), 1, SECOND).unwrap();
        let each = presence.entries[&session(1)].memory();
        // Without a limit it must not take all the memory that there is.
        let refused = (0..=(MAX_MEMORY / each) as u32).find_map(|number| {
            let (user, session) = (user(&format!("u{number}")), numbered(1_000 + number));
            presence.announce(session, user, heavy(), 1, SECOND).err()
        });
        let expected =
            PresenceError::TooMany { bytes: (presence.memory + each) as u64, limit: MAX_MEMORY as u64 };
        assert_eq!(refused, Some(expected));
        assert!(presence.memory <= MAX_MEMORY && presence.memory > MAX_MEMORY - each);
        presence.expire(SECOND + Duration::from_secs(3_600));
        assert_eq!((presence.memory, presence.len()), (0, 0));
        assert!(presence.of_user.is_empty() && presence.by_memory.is_empty());
    }

    #[test]
    fn whoever_takes_most_gives_way_to_those_who_take_less() {
        let mut presence = Presence::default();
        announce(&mut presence, 1, "anna", 5000, SECOND);
        // Two of each user, of as many users as there is room for.
        let full = (0u32..).find(|number| {
            let session = numbered(1_000 + number);
            let loud = user(&format!("u{:05}", number / 2));
            assert!(presence.memory <= MAX_MEMORY);
            presence.announce(session, loud, heavy(), 1, SECOND).is_err()
        });
        assert!(full.is_some());
        let peers = presence.len();
        presence.announce(session(2), user("ben"), heavy(), 1, SECOND).unwrap();
        assert_eq!((presence.len(), presence.memory <= MAX_MEMORY), (peers, true));
        assert_eq!(presence.of(&user("anna"), SECOND, |_| true).len(), 1);
        // One peer of one of them went, who cannot have it back at the cost of those who have as much.
        let gone = (0u32..).find(|number| !presence.entries.contains_key(&numbered(1_000 + number))).unwrap();
        let again = user(&format!("u{:05}", gone / 2));
        let refused = presence.announce(numbered(1_000 + gone), again, heavy(), 1, SECOND);
        assert!(matches!(refused, Err(PresenceError::TooMany { .. })), "{refused:?}");
        assert_eq!(presence.of(&user("ben"), SECOND, |_| true).len(), 1);
    }

    #[test]
    fn what_came_in_more_room_than_it_needs_is_kept_in_less() {
        let mut presence = Presence::default();
        let mut offers = Vec::with_capacity(MAX_OFFERS);
        offers.push(ImageId(1));
        presence.announce(session(1), user("ben"), ("h:1".to_owned(), offers), 1, SECOND).unwrap();
        assert!(presence.entries[&session(1)].offers.capacity() < MAX_OFFERS / 10);
    }

    #[test]
    fn with_many_peers_each_has_more_time() {
        let mut presence = Presence::default();
        assert_eq!(presence.interval(), INTERVAL);
        for number in 0..50_000u32 {
            let user = user(&format!("u{number}"));
            presence.announce(numbered(number), user, ("h:1".to_owned(), vec![]), 1, SECOND).unwrap();
        }
        assert_eq!(presence.interval(), 5 * SECOND);
    }
}
