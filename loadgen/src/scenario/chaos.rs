//! A schedule of faults that is drawn, not written: of every kind that there is, from a seed.

use std::time::Duration;

use rand::{Rng, RngExt, SeedableRng, seq::IndexedRandom as _};
use rand_chacha::ChaCha8Rng;

use super::{Cluster, Cut, Direction, Fault, FaultKind, Reach, Target, When, read_fault::MAX_FAULTS};
use crate::{arrival::exponential, link::Quality};

/// Apart from what else is drawn from the seed.
const STREAM: u64 = 1;
/// How long a node counts as struck after it was healed: it has to catch up.
const RECOVERY: Duration = Duration::from_secs(3);
/// How long a replacement does: everything is sent to it.
const REPLACEMENT: Duration = Duration::from_secs(10);
/// One in so many faults that service need not survive strikes more nodes than can be lost.
const WIDE: u32 = 8;

/// A schedule to be drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Chaos {
    /// The first fault strikes at the beginning of this, none after its end.
    pub between: [Duration; 2],
    /// From one fault to the next, on average.
    pub every: Duration,
    /// The shortest and the longest that a fault stands.
    pub heal: [Duration; 2],
    /// What is drawn from, by their names; all that the driver has, if absent.
    pub faults: Option<Vec<FaultKind>>,
}

impl Chaos {
    /// Draws the schedule, in order of time. No more nodes are struck at a time than the cluster can lose,
    /// but for some faults that strike a majority or all, and then nothing else stands.
    pub(super) fn draw(&self, cluster: &Cluster, seed: u64) -> Vec<Fault> {
        let kinds = self.faults.clone().unwrap_or_else(|| possible(cluster));
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(STREAM);
        let mut standing = Standing::new(cluster.nodes);
        let (mut faults, [mut at, end]) = (Vec::new(), self.between);
        while faults.len() < MAX_FAULTS {
            let Some(kind) = kinds.choose(&mut rng) else { break };
            let fault = self.fault(with_settings(*kind, &mut rng), &mut rng);
            at = standing.room_for(&fault, at);
            if at >= end {
                break;
            }
            standing.add(&fault, at);
            faults.push(Fault { at, ..fault });
            let gap = exponential(&mut rng) * self.every.as_millis() as f64;
            at += Duration::from_millis(gap.round() as u64);
        }
        faults
    }

    fn fault(&self, kind: FaultKind, rng: &mut impl Rng) -> Fault {
        let [shortest, longest] = self.heal.map(|heal| heal.as_millis() as u64);
        let heal = Duration::from_millis(rng.random_range(shortest..=longest));
        let narrow = [Target::Leader, Target::Random];
        let wide = [Target::Majority, Target::All];
        let targets = if may_be_wide(kind) && rng.random_ratio(1, WIDE) { wide } else { narrow };
        Fault {
            at: Duration::ZERO,
            spread: Duration::ZERO,
            when: When::Due,
            kind,
            target: targets[rng.random_range(0..targets.len())],
            heal: (!kind.heals_by_itself()).then_some(heal),
        }
    }
}

/// Every kind that this cluster can be struck by.
fn possible(cluster: &Cluster) -> Vec<FaultKind> {
    let each = FaultKind::EACH.into_iter();
    each.filter(|kind| kind.unavailable(cluster.driver).is_none() && kind.lacks(cluster).is_none()).collect()
}

/// Whether a majority may be struck: nothing is lost, whatever becomes of service.
fn may_be_wide(kind: FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::Kill
            | FaultKind::Stop
            | FaultKind::Pause
            | FaultKind::Ignore { .. }
            | FaultKind::Partition { .. }
    )
}

/// What stands when.
struct Standing {
    nodes: usize,
    /// Until when, and how many nodes; all, where nothing else may stand.
    faults: Vec<(Duration, usize)>,
}

impl Standing {
    fn new(nodes: u32) -> Self {
        Self { nodes: nodes as usize, faults: Vec::new() }
    }

    /// The first time from `at` on when the fault leaves a majority alone, or when nothing else stands.
    fn room_for(&self, fault: &Fault, at: Duration) -> Duration {
        let fits = |at: Duration| {
            let struck: usize = self.faults.iter().filter(|(until, _)| *until > at).map(|(_, n)| n).sum();
            struck == 0 || struck + self.weight(fault) <= Target::Minority.count(self.nodes)
        };
        let ends = self.faults.iter().map(|(until, _)| *until).filter(|until| *until > at);
        std::iter::once(at).chain(ends).filter(|at| fits(*at)).min().unwrap_or(at)
    }

    fn add(&mut self, fault: &Fault, at: Duration) {
        let recovery = if fault.kind == FaultKind::Replace { REPLACEMENT } else { RECOVERY };
        let until = at + fault.heal.unwrap_or_default() + recovery;
        self.faults.push((until, self.weight(fault)));
    }

    /// How many nodes a fault takes.
    fn weight(&self, fault: &Fault) -> usize {
        match fault.kind {
            // Members change only while all others are there.
            FaultKind::Replace => self.nodes,
            FaultKind::Halves { .. } => self.nodes / 2,
            _ if fault.target.count(self.nodes) > 1 => self.nodes,
            _ => 1,
        }
    }
}

/// The same kind of fault, with settings drawn.
fn with_settings(kind: FaultKind, rng: &mut impl Rng) -> FaultKind {
    let mut among = |count: usize| rng.random_range(0..count);
    let cut = Cut::ALL[among(Cut::ALL.len())];
    match kind {
        FaultKind::Kill
        | FaultKind::Stop
        | FaultKind::Restart
        | FaultKind::Pause
        | FaultKind::DiskFull
        | FaultKind::Replace => kind,
        FaultKind::Throttle { .. } => FaultKind::Throttle { share: [0.05, 0.1, 0.2, 0.5][among(4)] },
        FaultKind::Ignore { .. } => FaultKind::Ignore { cut },
        FaultKind::Partition { .. } => FaultKind::Partition { cut },
        FaultKind::Halves { .. } => FaultKind::Halves { cut },
        FaultKind::OneWay { .. } => FaultKind::OneWay { direction: Direction::ALL[among(2)], cut },
        FaultKind::Bridge { .. } => FaultKind::Bridge { cut },
        FaultKind::Flapping { .. } => {
            FaultKind::Flapping { period: Duration::from_millis(100 * (2 + among(19) as u64)), cut }
        }
        FaultKind::Link { .. } => {
            let delay = Duration::from_millis(5 + among(96) as u64);
            let quality = Quality {
                delay,
                jitter: delay / 5 * among(4) as u32,
                loss: [0.0, 0.01, 0.05][among(3)],
                resets: [0.0, 0.0, 0.001][among(3)],
                rate: [None, None, Some(1_000_000)][among(3)],
            };
            FaultKind::Link { quality, links: Reach::ALL[among(2)] }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Driver, NodeLimits};

    const SECOND: Duration = Duration::from_secs(1);

    fn cluster(nodes: u32) -> Cluster {
        Cluster { nodes, driver: Driver::Process, tls: true, limits: NodeLimits::default(), slow_disk: None }
    }

    fn chaos() -> Chaos {
        Chaos {
            between: [10 * SECOND, 3600 * SECOND],
            every: 4 * SECOND,
            heal: [2 * SECOND, 8 * SECOND],
            faults: None,
        }
    }

    #[test]
    fn one_seed_draws_one_schedule_and_another_another() {
        let first = chaos().draw(&cluster(3), 1);
        assert_eq!(first, chaos().draw(&cluster(3), 1));
        assert_ne!(first, chaos().draw(&cluster(3), 2));
        assert_eq!(first[0].at, 10 * SECOND);
        assert!(first.iter().all(|fault| fault.at < 3600 * SECOND));
    }

    #[test]
    fn everything_that_the_driver_has_is_drawn_and_nothing_else() {
        let drawn = |cluster: &Cluster| {
            let faults = chaos().draw(cluster, 7);
            let mut names: Vec<_> = faults.iter().map(|fault| fault.kind.name()).collect();
            names.sort_unstable();
            names.dedup();
            names
        };
        let mut all: Vec<_> = FaultKind::EACH.iter().map(|kind| kind.name()).collect();
        all.sort_unstable();
        let limits = NodeLimits { disk_bytes: Some(1 << 26), ..NodeLimits::default() };
        assert_eq!(drawn(&Cluster { driver: Driver::Docker, limits, ..cluster(5) }), all);
        all.retain(|name| *name != "disk_full");
        assert_eq!(drawn(&Cluster { limits, ..cluster(5) }), all, "with processes");
        assert_eq!(
            drawn(&Cluster { driver: Driver::Docker, ..cluster(5) }),
            all,
            "without a limit of the disk"
        );
        let only = Chaos { faults: Some(vec![FaultKind::Kill]), ..chaos() };
        assert!(only.draw(&cluster(3), 7).iter().all(|fault| fault.kind == FaultKind::Kill));
    }

    #[test]
    fn a_majority_is_left_alone_unless_nothing_else_stands() {
        for (nodes, spare) in [(1, 0), (3, 1), (5, 2)] {
            let faults = chaos().draw(&cluster(nodes), 3);
            assert!(faults.len() > 200, "{} faults", faults.len());
            let (mut most, mut wide) = (0, 0);
            for (index, fault) in faults.iter().enumerate() {
                let stands =
                    |earlier: &&Fault| earlier.at + earlier.heal.unwrap_or_default() + RECOVERY > fault.at;
                let count = |fault: &Fault| match fault.kind {
                    FaultKind::Halves { .. } => nodes as usize / 2,
                    _ => fault.target.count(nodes as usize),
                };
                let before: usize = faults[..index].iter().filter(stands).map(count).sum();
                assert!(before == 0 || before + count(fault) <= spare, "{fault:?} joins {before} of {nodes}");
                most = most.max(before + count(fault));
                wide += u32::from(count(fault) > spare);
            }
            assert_eq!(most, nodes as usize, "never all");
            assert!(wide > 10, "{wide}");
        }
    }

    #[test]
    fn faults_come_as_often_as_they_are_told_where_there_is_room() {
        let often = Chaos { heal: [SECOND / 10, SECOND / 5], every: 60 * SECOND, ..chaos() };
        let count = often.draw(&cluster(5), 5).len();
        assert!((45..75).contains(&count), "{count} in an hour");
    }
}
