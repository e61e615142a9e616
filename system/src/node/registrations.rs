//! How many strangers may register: from one address, and in all. A name is given for ever, and every node holds it.
//!
//! The counts are this node's own. Only the leader registers anybody, and a new one begins with none.

use std::time::Duration;

use super::rate::{Allowance, Counts};
use crate::wire::origin::Origin;

const MINUTE: Duration = Duration::from_secs(60);

/// The registrations that count.
#[derive(Debug)]
pub(super) struct Registrations {
    of_address: Option<Allowance>,
    in_all: Option<Allowance>,
    by_address: Counts<Origin>,
    all: Counts<()>,
}

/// So many at once, and as many a minute; 0 is no limit.
fn a_minute(count: u32) -> Option<Allowance> {
    (count > 0).then(|| Allowance { at_once: count, each: MINUTE / count })
}

impl Registrations {
    /// So many a minute from one address, and in all; 0 is no limit.
    pub(super) fn up_to(of_address: u32, in_all: u32) -> Self {
        let (of_address, in_all) = (a_minute(of_address), a_minute(in_all));
        Self { of_address, in_all, by_address: Counts::default(), all: Counts::default() }
    }

    /// Counts one more.
    ///
    /// # Errors
    /// How long to wait, when there were too many.
    pub(super) fn begin(&mut self, origin: &Origin, now: Duration) -> Result<(), Duration> {
        let here = self.of_address.map(|allowed| self.by_address.wait(origin, allowed, now));
        let everywhere = self.in_all.map(|allowed| self.all.wait(&(), allowed, now));
        let wait = here.max(everywhere).unwrap_or_default();
        if !wait.is_zero() {
            return Err(wait);
        }
        if let Some(allowed) = self.of_address {
            self.by_address.note(origin, allowed, now);
        }
        if let Some(allowed) = self.in_all {
            self.all.note(&(), allowed, now);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000);

    fn let_in(registrations: &mut Registrations, address: &str) -> usize {
        let origin = Origin::of(address);
        (0..10_000).take_while(|_| registrations.begin(&origin, NOW).is_ok()).count()
    }

    #[test]
    fn an_address_registers_so_many_and_others_are_not_held_up() {
        let mut registrations = Registrations::up_to(60, 100);
        assert_eq!(let_in(&mut registrations, "10.0.0.1:1"), 60);
        assert_eq!(let_in(&mut registrations, "10.0.0.1:2"), 0);
        // In all there are no more than that, however many addresses somebody has.
        assert_eq!(let_in(&mut registrations, "10.0.0.2:1"), 40);
        let waited = registrations.begin(&Origin::of("10.0.0.3:1"), NOW).unwrap_err();
        assert_eq!(waited, MINUTE / 100);
        registrations.begin(&Origin::of("10.0.0.3:1"), NOW + waited).unwrap();
    }

    #[test]
    fn nothing_is_no_limit() {
        assert_eq!(let_in(&mut Registrations::up_to(0, 0), "10.0.0.1:1"), 10_000);
    }
}
