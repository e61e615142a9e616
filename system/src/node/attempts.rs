//! How often somebody may try the passwords of a user. (Whoever signs with a key is held to nothing: nobody guesses one, and
//! to look at a signature costs no more than any other request.)
//!
//! Failures are counted by user and by where they come from, so that nobody is shut out by what others do beside them. A
//! stranger who tries another's passwords uses up the allowance of strangers, not that of the user: whoever has logged in
//! from an address before has an allowance of their own there.
//!
//! The counts are this node's own. Only the leader lets anybody in, and a new one begins with none.

use std::{collections::HashMap, time::Duration};

use super::rate::{Allowance, Counts, REMEMBERED};
use crate::{directory::UserName, wire::origin::Origin};

/// Failures that an address may have, whomever it tries where they have not logged in before: so many passwords are hashed
/// for it.
const ADDRESS: Allowance = Allowance { at_once: 100, each: Duration::from_secs(2) };
/// Failed passwords for one user from one address where the user has not logged in before.
const STRANGER: Allowance = Allowance { at_once: 10, each: Duration::from_secs(30) };
/// Failed passwords for one user from all such addresses.
const STRANGERS: Allowance = Allowance { at_once: 30, each: Duration::from_secs(30) };
/// Failed passwords for one user from an address where they have.
const KNOWN: Allowance = Allowance { at_once: 30, each: Duration::from_secs(6) };
/// Passwords of new users that an address may have hashed: that takes a sealing thread for a while, and anybody may
/// register.
const NEWCOMERS: Allowance = Allowance { at_once: 20, each: Duration::from_secs(3) };

/// The failures that count.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    by_address: Counts<Origin>,
    by_strangers: Counts<UserName>,
    /// Of one user, from one address.
    by_place: Counts<(UserName, Origin)>,
    newcomers: Counts<Origin>,
    /// Where users have logged in by password, and when they last did.
    places: HashMap<(UserName, Origin), Duration>,
}

/// What a password was counted against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// The allowance of a user at an address where they have logged in before.
    Known,
    /// Those of strangers.
    Stranger,
}

impl Attempts {
    /// Counts a password as wrong until it is known to be right: those that are tried at the same time count, too.
    ///
    /// # Errors
    /// How long to wait, when too many have failed.
    pub(super) fn begin(
        &mut self,
        user: &UserName,
        origin: &Origin,
        now: Duration,
    ) -> Result<Counted, Duration> {
        let place = (user.clone(), origin.clone());
        let counted = match self.places.contains_key(&place) {
            true => Counted::Known,
            false => Counted::Stranger,
        };
        let wait = match counted {
            Counted::Known => self.by_place.wait(&place, KNOWN, now),
            Counted::Stranger => {
                let here = self.by_place.wait(&place, STRANGER, now);
                let everywhere = self.by_strangers.wait(user, STRANGERS, now);
                here.max(everywhere).max(self.by_address.wait(origin, ADDRESS, now))
            }
        };
        if !wait.is_zero() {
            return Err(wait);
        }
        match counted {
            Counted::Known => self.by_place.note(&place, KNOWN, now),
            Counted::Stranger => {
                self.by_place.note(&place, STRANGER, now);
                self.by_strangers.note(user, STRANGERS, now);
                self.by_address.note(origin, ADDRESS, now);
            }
        }
        Ok(counted)
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
    pub(super) fn take_back(&mut self, user: &UserName, origin: &Origin, counted: Counted) {
        let place = (user.clone(), origin.clone());
        match counted {
            Counted::Known => self.by_place.take_back(&place, KNOWN),
            Counted::Stranger => {
                self.by_place.take_back(&place, STRANGER);
                self.by_strangers.take_back(user, STRANGERS);
                self.by_address.take_back(origin, ADDRESS);
            }
        }
    }

    /// Takes an attempt back that succeeded, and remembers from where.
    pub(super) fn succeeded(&mut self, user: &UserName, origin: &Origin, counted: Counted, now: Duration) {
        self.take_back(user, origin, counted);
        if counted == Counted::Stranger {
            // Those were failures of a stranger, which weigh more.
            self.by_place.forget(&(user.clone(), origin.clone()));
        }
        if self.places.len() >= REMEMBERED
            && let Some(first) = self.places.iter().min_by_key(|(_, when)| **when).map(|(at, _)| at.clone())
        {
            self.places.remove(&first);
        }
        self.places.insert((user.clone(), origin.clone()), now);
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
    fn failures(attempts: &mut Attempts, name: &str, origin: &Origin) -> u32 {
        (0..1_000).take_while(|_| attempts.begin(&user(name), origin, NOW).is_ok()).count() as u32
    }

    #[test]
    fn a_stranger_is_stopped_and_the_user_is_not_locked_out() {
        let mut attempts = Attempts::default();
        let (anna, home) = (user("anna"), from("10.0.0.1:5000"));
        let counted = attempts.begin(&anna, &home, NOW).unwrap();
        attempts.succeeded(&anna, &home, counted, NOW);

        for place in 2..5 {
            let elsewhere = from(&format!("10.0.0.{place}:6000"));
            assert_eq!(failures(&mut attempts, "anna", &elsewhere), STRANGER.at_once);
        }
        // From a fifth place, too: it is the user whose password is tried.
        assert_eq!(attempts.begin(&anna, &from("10.0.0.5:1"), NOW), Err(STRANGERS.each));
        // From where she sat before she gets in, and everybody else as before.
        attempts.begin(&anna, &home, NOW).unwrap();
        attempts.begin(&user("ben"), &from("10.0.0.4:1"), NOW).unwrap();
    }

    #[test]
    fn who_fails_for_one_user_shuts_nobody_else_out_at_the_same_place() {
        let mut attempts = Attempts::default();
        let office = from("10.0.0.2:6000");
        let counted = attempts.begin(&user("anna"), &office, NOW).unwrap();
        attempts.succeeded(&user("anna"), &office, counted, NOW);
        for victim in 0..5 {
            assert_eq!(failures(&mut attempts, &format!("victim-{victim}"), &office), STRANGER.at_once);
        }
        // Neither whoever has been there before, nor whoever has not.
        attempts.begin(&user("anna"), &office, NOW).unwrap();
        attempts.begin(&user("ben"), &office, NOW).unwrap();
    }

    #[test]
    fn an_address_is_stopped_whomever_it_tries() {
        let mut attempts = Attempts::default();
        let origin = from("10.0.0.2:6000");
        let tried = (0..1_000).take_while(|n| attempts.begin(&user(&format!("u{n}")), &origin, NOW).is_ok());
        assert_eq!(tried.count() as u32, ADDRESS.at_once);
        assert!(attempts.begin(&user("anna"), &from("10.0.0.2:6001"), NOW).is_err(), "another port");
    }

    #[test]
    fn who_gets_it_right_at_last_has_all_the_attempts_of_a_known_place() {
        let mut attempts = Attempts::default();
        let (anna, home) = (user("anna"), from("10.0.0.1:5000"));
        assert_eq!(failures(&mut attempts, "anna", &home), STRANGER.at_once);
        let later = NOW + STRANGER.each;
        let at_once = attempts.begin(&anna, &home, later).unwrap();
        attempts.succeeded(&anna, &home, at_once, later);
        let tried = (0..1_000).take_while(|_| attempts.begin(&anna, &home, later).is_ok());
        assert_eq!(tried.count() as u32, KNOWN.at_once);
    }

    #[test]
    fn failures_stop_counting_one_by_one() {
        let mut attempts = Attempts::default();
        let origin = from("10.0.0.2:6000");
        assert_eq!(failures(&mut attempts, "anna", &origin), STRANGER.at_once);
        let later = NOW + STRANGER.each;
        attempts.begin(&user("anna"), &origin, later).unwrap();
        assert!(attempts.begin(&user("anna"), &origin, later).is_err());
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
            let counted = attempts.begin(&anna, &origin, NOW).unwrap();
            attempts.take_back(&anna, &origin, counted);
        }
        assert!(attempts.places.is_empty());
        assert_eq!(failures(&mut attempts, "anna", &origin), STRANGER.at_once);
    }

    #[test]
    fn who_succeeds_uses_nothing_up() {
        let mut attempts = Attempts::default();
        let (anna, origin) = (user("anna"), from("10.0.0.2:6000"));
        for _ in 0..200 {
            let counted = attempts.begin(&anna, &origin, NOW).unwrap();
            attempts.succeeded(&anna, &origin, counted, NOW);
        }
    }
}
