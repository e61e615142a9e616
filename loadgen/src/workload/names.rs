//! What the simulated users of a run are called.

use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use veil::{directory::UserName, identity::KeyPair, node::Entropy};

/// How users are named: a letter and a number, and on a cluster that was there before also the run, so that nobody of
/// an earlier one, or of another that goes on beside it, has the same name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// Which run, where there may be others.
    run: Option<u32>,
}

impl Names {
    /// Names that no other run has: it is drawn.
    pub fn of_this_run() -> Self {
        Self { run: Some(Entropy::from_system().draw(|rng| rng.random())) }
    }

    /// One of the users that are registered before the first stage, by number: `u0000007`.
    pub(crate) fn user(self, number: u32) -> UserName {
        self.name('u', u64::from(number))
    }

    /// The user whom an operation registers, by its number: `r0000007`.
    pub(crate) fn registered(self, op: u64) -> UserName {
        self.name('r', op)
    }

    fn name(self, letter: char, number: u64) -> UserName {
        let run = self.run.map(|run| format!("-{run:08x}")).unwrap_or_default();
        // Letters, digits and a hyphen are within the alphabet and the length.
        UserName::try_from(format!("{letter}{number:07}{run}"))
            .expect("at most 30 letters and digits are a name")
    }
}

/// A user's key pair. It follows from the name alone, so that whoever acts for the user has it, such as a generator that
/// was started anew.
pub(crate) fn key_pair(user: &UserName) -> KeyPair {
    KeyPair::from_seed(blake3::derive_key(
        "veil 2026-11-21 loadgen simulated user v1",
        user.as_str().as_bytes(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_key_follows_from_the_name_and_is_held_still() {
        let names = Names::default();
        let key = key_pair(&names.user(7)).public();
        assert_ne!(key, key_pair(&names.registered(7)).public());
        assert_eq!(key.to_string(), "f17b5a49627b9b21b882541203c7c9ba8cea98f8ad80adf1548872a1fc584c64");
    }

    #[test]
    fn two_runs_have_no_user_in_common() {
        let (one, other) = (Names::of_this_run(), Names::of_this_run());
        assert_ne!(one.user(7), other.user(7));
        assert_ne!(one.registered(u64::MAX), other.registered(u64::MAX));
        assert_eq!(Names::default().user(7).as_str(), "u0000007");
        assert_eq!(Names { run: Some(10) }.registered(7).as_str(), "r0000007-0000000a");
    }
}
