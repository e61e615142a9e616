//! Everything about a load that can be drawn before it begins.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Part;
use crate::{
    arrival::{Schedule, schedule},
    scenario::{Load, OperationKind},
};

/// Due times are drawn apart from what is due, so that neither has to wait for the other.
const DUE_TIMES: u64 = 3;

/// Images sealed before the first stage: one for so many users, within these bounds. Every generator has some.
const USERS_PER_IMAGE: u32 = 8;
const IMAGES: std::ops::RangeInclusive<u32> = Load::MAX_GENERATORS..=256;

/// What one operation will be, before anybody knows what there will be to do it to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// Its number; also names what it makes.
    pub op: u64,
    /// When it is due, nanoseconds after the first stage began.
    pub due_ns: u64,
    /// What it is.
    pub kind: OperationKind,
    /// The user it falls to, by number. Who looks at an image or shares it further follows from the image
    /// that is chosen then: it is another user of the same part.
    pub user: u32,
    /// Decides everything else.
    pub draw: u64,
}

/// A load, or one part of it, drawn from the seed.
///
/// Operations are numbered over all parts: first the registrations of the users, each under the user's own
/// number, then the sealings of the set-up, then the load in order of due time.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Images to seal before the first stage.
    pub set_up: Vec<Planned>,
    /// The operations of the load.
    pub load: Operations,
}

/// The operations of a load, or of one part of it, in order of due time. Each is drawn when it is asked for: a load of a
/// day takes no more room than one of a second.
#[derive(Debug, Clone)]
pub struct Operations {
    load: Load,
    part: Part,
    due: Schedule<ChaCha8Rng>,
    rng: ChaCha8Rng,
    /// The number of the next.
    op: u64,
}

impl Iterator for Operations {
    type Item = Planned;

    fn next(&mut self) -> Option<Planned> {
        loop {
            let due_ns = self.due.next()?;
            let (kind, draw) = (kind(&self.load, &mut self.rng), self.rng.next_u64());
            let planned = Planned { op: self.op, due_ns, kind, user: user(draw, self.load.clients), draw };
            self.op += 1;
            if self.part.has(planned.user) {
                return Some(planned);
            }
        }
    }
}

impl Plan {
    /// Draws all that is to be sealed, and what is due when it is asked for, and keeps what falls to the users of
    /// `part`. So all parts together are the very operations that one generator would have had.
    pub fn draw(load: &Load, seed: u64, part: Part) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let images = (load.clients / USERS_PER_IMAGE).clamp(*IMAGES.start(), *IMAGES.end());
        let first_image = u64::from(load.clients);
        let sealing = (0..images).map(|image| Planned {
            op: first_image + u64::from(image),
            due_ns: 0,
            kind: OperationKind::Seal,
            user: image % load.clients,
            draw: rng.next_u64(),
        });
        // All of them, so that what is drawn next does not depend on the part.
        let sealing: Vec<_> = sealing.collect();
        let set_up = sealing.into_iter().filter(|planned| part.has(planned.user)).collect();

        let mut due = ChaCha8Rng::seed_from_u64(seed);
        due.set_stream(DUE_TIMES);
        let op = first_image + u64::from(images);
        Self { set_up, load: Operations { load: load.clone(), part, due: schedule(load, due), rng, op } }
    }
}

fn kind(load: &Load, rng: &mut ChaCha8Rng) -> OperationKind {
    let total: u32 = load.mix.values().sum();
    let mut left = rng.random_range(0..total);
    let chosen = load.mix.iter().find(|(_, weight)| match left.checked_sub(**weight) {
        Some(rest) => {
            left = rest;
            false
        }
        None => true,
    });
    // A number below the sum of the weights falls on one of them.
    *chosen.expect("the weights add up to their sum").0
}

/// The user that an evenly drawn number stands for; each is as likely as any other.
fn user(draw: u64, users: u32) -> u32 {
    // The upper half of the product is draw / 2^64 of the users: always below their number.
    ((u128::from(draw) * u128::from(users)) >> 64) as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scenario::Scenario;

    fn load(clients: u32, keys: &str) -> Load {
        let text = format!("version = 1\n[load]\nclients = {clients}\n{keys}");
        Scenario::parse(&text, "a.toml").unwrap().load
    }

    /// The whole load.
    fn drawn(plan: &Plan) -> Vec<Planned> {
        plan.load.clone().collect()
    }

    fn by_number(mut planned: Vec<Planned>) -> Vec<Planned> {
        planned.sort_by_key(|planned| planned.op);
        planned
    }

    proptest! {
        #[test]
        fn the_parts_together_are_the_plan_of_one(
            seed in any::<u64>(),
            clients in 1u32..3_000,
            rate in 1u32..2_000,
            constant in any::<bool>(),
            of in 1u32..=16,
        ) {
            let arrival = if constant { "constant" } else { "poisson" };
            let load = load(clients, &format!("arrival = \"{arrival}\"\nstages = [{{ for = \"1s\", rate = {rate} }}]"));
            let whole = Plan::draw(&load, seed, Part::WHOLE);
            let (mut set_up, mut operations) = (Vec::new(), Vec::new());
            for part in Part::all(of) {
                let plan = Plan::draw(&load, seed, part);
                prop_assert!(drawn(&plan).is_sorted_by_key(|planned| planned.due_ns));
                prop_assert!(plan.set_up.iter().copied().chain(plan.load.clone()).all(|planned| part.has(planned.user)));
                set_up.extend(plan.set_up);
                operations.extend(plan.load);
            }
            // A number that two parts had would be there twice.
            prop_assert_eq!(by_number(operations), drawn(&whole));
            prop_assert_eq!(by_number(set_up), whole.set_up);
        }
    }

    #[test]
    fn operations_are_numbered_without_gaps_behind_the_registrations() {
        let plan = Plan::draw(&load(40, "stages = [{ for = \"2s\", rate = 100 }]"), 3, Part::WHOLE);
        let set_up = plan.set_up.len();
        let numbers: Vec<u64> =
            plan.set_up.iter().copied().chain(plan.load).map(|planned| planned.op).collect();
        assert_eq!(numbers, (40..40 + numbers.len() as u64).collect::<Vec<_>>());
        assert_eq!(set_up, 16);
    }

    #[test]
    fn every_part_begins_with_something_to_see() {
        for (clients, of) in [(2, 1), (6, 3), (32, 16), (5_000, 16)] {
            let load = load(clients, "stages = [{ for = \"1s\", rate = 1 }]");
            for part in Part::all(of) {
                assert!(!Plan::draw(&load, 1, part).set_up.is_empty(), "{part} of {of}, {clients} users");
            }
        }
    }

    #[test]
    fn operations_fall_to_all_users_and_parts_alike() {
        let load = load(30, "stages = [{ for = \"30s\", rate = 1000 }]");
        let plan = Plan::draw(&load, 5, Part::WHOLE);
        let mut counts = [0_u32; 30];
        plan.load.for_each(|planned| counts[planned.user as usize] += 1);
        // 1000 each on average; five standard deviations are 160.
        assert!(counts.iter().all(|count| count.abs_diff(1_000) < 200), "{counts:?}");
    }

    #[test]
    fn golden_plan() {
        let load = load(100, "stages = [{ for = \"1s\", rate = 4 }]");
        let plan = Plan::draw(&load, 42, Part::WHOLE);
        let seen: Vec<_> = plan.load.map(|p| (p.op, p.due_ns, p.kind.name(), p.user)).collect();
        assert_eq!(
            seen,
            [
                (116, 90_422_854, "grant", 10),
                (117, 272_947_929, "discover", 44),
                (118, 280_838_447, "discover", 98),
                (119, 563_038_513, "discover", 32),
                (120, 682_192_388, "discover", 64),
            ]
        );
    }
}
