//! How often somebody may try to prove to be a user.
//!
//! Failures are counted by address and by user. A stranger who tries another's passwords uses up the allowance of
//! strangers, not that of the user: whoever has logged in from an address before has an allowance of their own there,
//! and whoever signs with a key is held to the allowance of the address alone. So nobody can lock a user out who has
//! the key at hand or sits where they sat before.
//!
//! The counts are this node's own. Only the leader lets anybody in, and a new one begins with none.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use crate::directory::UserName;

/// Failures that an address may have at once, and how long each counts.
const ADDRESS: Allowance = Allowance { at_once: 20, each: Duration::from_secs(6) };
/// Failed passwords for one user from addresses where the user has not logged in before.
const STRANGERS: Allowance = Allowance { at_once: 10, each: Duration::from_secs(30) };
/// Failed passwords for one user from an address where they have.
const KNOWN: Allowance = Allowance { at_once: 10, each: Duration::from_secs(6) };
/// Passwords of new users that an address may have hashed: that takes a sealing thread for a while, and anybody may
/// register.
const NEWCOMERS: Allowance = Allowance { at_once: 20, each: Duration::from_secs(3) };
/// How many addresses, users, and places where a user has logged in, are remembered each. Beyond that, what has
/// counted longest is forgotten.
const REMEMBERED: usize = 100_000;

/// So many failures at once; each counts for so long, one after the other.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    at_once: u32,
    each: Duration,
}

/// Where somebody comes from: an IPv4 address, the /64 of an IPv6 address, or what else the transport calls it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    Network(IpAddr),
    Other(String),
}

impl Origin {
    /// Of an address with a port.
    pub(super) fn of(address: &str) -> Self {
        match address.parse::<SocketAddr>().map(|address| address.ip().to_canonical()) {
            Ok(IpAddr::V6(address)) => {
                Self::Network(IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()))
            }
            Ok(address) => Self::Network(address),
            Err(_) => Self::Other(address.to_owned()),
        }
    }
}

/// What somebody proves to be a user with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    Password,
    Key,
}

/// When the failures that count will all have stopped counting, by whom they count for. (The generic cell rate
/// algorithm, ITU-T I.371.)
#[derive(Debug)]
struct Counts<K>(HashMap<K, Duration>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: std::hash::Hash + Eq + Clone> Counts<K> {
    /// How long until one more failure may happen.
    fn wait(&self, key: &K, allowance: Allowance, now: Duration) -> Duration {
        let until = self.0.get(key).copied().unwrap_or(now).max(now);
        (until + allowance.each).saturating_sub(now + allowance.each * allowance.at_once)
    }

    fn note(&mut self, key: &K, allowance: Allowance, now: Duration) {
        self.make_room(now);
        let until = self.0.get(key).copied().unwrap_or(now).max(now);
        self.0.insert(key.clone(), until + allowance.each);
    }

    fn take_back(&mut self, key: &K, allowance: Allowance) {
        if let Some(until) = self.0.get_mut(key) {
            *until = until.saturating_sub(allowance.each);
        }
    }

    fn make_room(&mut self, now: Duration) {
        if self.0.len() < REMEMBERED {
            return;
        }
        self.0.retain(|_, until| *until > now);
        if self.0.len() >= REMEMBERED
            && let Some(first) = self.0.iter().min_by_key(|(_, until)| **until).map(|(key, _)| key.clone())
        {
            self.0.remove(&first);
        }
    }
}

/// The failures that count.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    by_address: Counts<Origin>,
    by_strangers: Counts<UserName>,
    by_place: Counts<(UserName, Origin)>,
    newcomers: Counts<Origin>,
    /// Where users have logged in by password, and when they last did.
    places: HashMap<(UserName, Origin), Duration>,
}

impl Attempts {
    /// Counts an attempt as failed until it is known to have succeeded: those that go on at the same time count, too.
    ///
    /// # Errors
    /// How long to wait, when too many have failed.
    pub(super) fn begin(
        &mut self,
        user: &UserName,
        origin: &Origin,
        means: Means,
        now: Duration,
    ) -> Result<(), Duration> {
        let place = (user.clone(), origin.clone());
        let known = self.places.contains_key(&place);
        let wait = match means {
            Means::Key => self.by_address.wait(origin, ADDRESS, now),
            Means::Password if known => self.by_place.wait(&place, KNOWN, now),
            Means::Password => {
                let strangers = self.by_strangers.wait(user, STRANGERS, now);
                strangers.max(self.by_address.wait(origin, ADDRESS, now))
            }
        };
        if !wait.is_zero() {
            return Err(wait);
        }
        match means {
            Means::Key => self.by_address.note(origin, ADDRESS, now),
            Means::Password if known => self.by_place.note(&place, KNOWN, now),
            Means::Password => {
                self.by_strangers.note(user, STRANGERS, now);
                self.by_address.note(origin, ADDRESS, now);
            }
        }
        Ok(())
    }

    /// Counts a new user's password.
    ///
    /// # Errors
    /// How long to wait, when there were too many.
    pub(super) fn newcomer(&mut self, origin: &Origin, now: Duration) -> Result<(), Duration> {
        let wait = self.newcomers.wait(origin, NEWCOMERS, now);
        if !wait.is_zero() {
            return Err(wait);
        }
        self.newcomers.note(origin, NEWCOMERS, now);
        Ok(())
    }

    /// Takes an attempt back that did not fail.
    pub(super) fn take_back(&mut self, user: &UserName, origin: &Origin, means: Means) {
        let place = (user.clone(), origin.clone());
        match means {
            Means::Key => self.by_address.take_back(origin, ADDRESS),
            Means::Password if self.places.contains_key(&place) => self.by_place.take_back(&place, KNOWN),
            Means::Password => {
                self.by_strangers.take_back(user, STRANGERS);
                self.by_address.take_back(origin, ADDRESS);
            }
        }
    }

    /// Takes an attempt back that succeeded, and remembers from where.
    pub(super) fn succeeded(&mut self, user: &UserName, origin: &Origin, means: Means, now: Duration) {
        self.take_back(user, origin, means);
        let place = (user.clone(), origin.clone());
        if means == Means::Password {
            if self.places.len() >= REMEMBERED
                && let Some(first) =
                    self.places.iter().min_by_key(|(_, when)| **when).map(|(at, _)| at.clone())
            {
                self.places.remove(&first);
            }
            self.places.insert(place, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000);

    fn user(name: &str) -> UserName {
        name.parse().unwrap()
    }

    fn from(address: &str) -> Origin {
        Origin::of(address)
    }

    /// How many attempts in a row fail before one is not let through.
    fn failures(attempts: &mut Attempts, name: &str, origin: &Origin, means: Means) -> u32 {
        (0..1_000).take_while(|_| attempts.begin(&user(name), origin, means, NOW).is_ok()).count() as u32
    }

    #[test]
    fn a_stranger_is_stopped_and_the_user_is_not_locked_out() {
        let mut attempts = Attempts::default();
        let (anna, home, elsewhere) = (user("anna"), from("10.0.0.1:5000"), from("10.0.0.2:6000"));
        attempts.begin(&anna, &home, Means::Password, NOW).unwrap();
        attempts.succeeded(&anna, &home, Means::Password, NOW);

        assert_eq!(failures(&mut attempts, "anna", &elsewhere, Means::Password), STRANGERS.at_once);
        assert_eq!(attempts.begin(&anna, &elsewhere, Means::Password, NOW), Err(STRANGERS.each));
        // From a third place, too: it is the user whose password is tried.
        assert!(attempts.begin(&anna, &from("10.0.0.3:1"), Means::Password, NOW).is_err());
        // By key from anywhere, and by password from where she sat before.
        attempts.begin(&anna, &from("10.0.0.3:1"), Means::Key, NOW).unwrap();
        attempts.begin(&anna, &home, Means::Password, NOW).unwrap();
        // Everybody else as before.
        attempts.begin(&user("ben"), &from("10.0.0.4:1"), Means::Password, NOW).unwrap();
    }

    #[test]
    fn an_address_is_stopped_whomever_it_tries() {
        let mut attempts = Attempts::default();
        let origin = from("10.0.0.2:6000");
        let tried = (0..1_000)
            .take_while(|n| attempts.begin(&user(&format!("u{n}")), &origin, Means::Key, NOW).is_ok());
        assert_eq!(tried.count() as u32, ADDRESS.at_once);
        // Another port is the same address, and so is the rest of an IPv6 network.
        assert!(attempts.begin(&user("anna"), &from("10.0.0.2:6001"), Means::Key, NOW).is_err());
        assert_eq!(from("[2001:db8::1]:1"), from("[2001:db8::2]:9"));
        assert_ne!(from("[2001:db8::1]:1"), from("[2001:db8:0:1::1]:1"));
        assert_eq!(from("[::ffff:10.0.0.2]:1"), origin);
    }

    #[test]
    fn failures_stop_counting_one_by_one() {
        let mut attempts = Attempts::default();
        let origin = from("10.0.0.2:6000");
        assert_eq!(failures(&mut attempts, "anna", &origin, Means::Password), STRANGERS.at_once);
        let later = NOW + STRANGERS.each;
        attempts.begin(&user("anna"), &origin, Means::Password, later).unwrap();
        assert!(attempts.begin(&user("anna"), &origin, Means::Password, later).is_err());
    }

    #[test]
    fn an_address_registers_so_many_with_a_password_and_others_are_not_held_up() {
        let mut attempts = Attempts::default();
        let (one, other) = (from("10.0.0.2:6000"), from("10.0.0.3:6000"));
        let let_in = (0..1_000).take_while(|_| attempts.newcomer(&one, NOW).is_ok()).count();
        assert_eq!(let_in as u32, NEWCOMERS.at_once);
        attempts.newcomer(&other, NOW).unwrap();
        attempts.newcomer(&one, NOW + NEWCOMERS.each).unwrap();
    }

    #[test]
    fn what_was_never_tried_is_taken_back_and_makes_no_place_known() {
        let mut attempts = Attempts::default();
        let (anna, origin) = (user("anna"), from("10.0.0.2:6000"));
        for _ in 0..100 {
            attempts.begin(&anna, &origin, Means::Password, NOW).unwrap();
            attempts.take_back(&anna, &origin, Means::Password);
        }
        assert!(attempts.places.is_empty());
        assert_eq!(failures(&mut attempts, "anna", &origin, Means::Password), STRANGERS.at_once);
    }

    #[test]
    fn who_succeeds_uses_nothing_up() {
        let mut attempts = Attempts::default();
        let (anna, origin) = (user("anna"), from("10.0.0.2:6000"));
        for means in [Means::Password, Means::Key] {
            for _ in 0..100 {
                attempts.begin(&anna, &origin, means, NOW).unwrap();
                attempts.succeeded(&anna, &origin, means, NOW);
            }
        }
    }
}
