mod brute;
mod counter_example;
mod long;
mod planted;
mod random;

use super::{
    model::{Answer, Operation, Source},
    search::{Budget, Found, Searched, search},
    views::{Call, Reply, State, Used, Views},
};

const MODEL: Views = Views { used: Used::Explained };
const AMPLE: Budget = Budget { steps: 10_000_000, configurations: 16_384 };

/// A history of one grant, written down operation by operation, at times in milliseconds.
#[derive(Debug, Clone, Default)]
struct Story(Vec<Operation<Views>>);

impl Story {
    fn tell(mut self, call: Call, (begin_ms, end_ms): (i64, i64), reply: Option<Reply>) -> Self {
        let source = Source::Operation(self.0.len() as u64);
        let answer = reply.map(|reply| Answer { end_ns: end_ms * 1_000_000, reply });
        self.0.push(Operation { source, begin_ns: begin_ms * 1_000_000, call, answer });
        self
    }

    fn sealed(self, times: (i64, i64), views: u32) -> Self {
        self.tell(Call::Seal(Some(views)), times, Some(Reply::Sealed))
    }

    fn set(self, times: (i64, i64), views: u32) -> Self {
        self.tell(Call::Set(views), times, Some(Reply::Left(views)))
    }

    fn set_unknown(self, begin: i64, views: u32) -> Self {
        self.tell(Call::Set(views), (begin, 0), None)
    }

    fn viewed(self, times: (i64, i64), left: u32) -> Self {
        self.tell(Call::Take, times, Some(Reply::Left(left)))
    }

    fn refused(self, times: (i64, i64)) -> Self {
        self.tell(Call::Take, times, Some(Reply::Refused))
    }

    fn view_unknown(self, begin: i64) -> Self {
        self.tell(Call::Take, (begin, 0), None)
    }

    fn read(self, at: i64, left: u32, used: u64) -> Self {
        self.tell(Call::Read, (at, at), Some(Reply::Grant { left, used }))
    }

    /// In order of their begin, as a search wants them.
    fn operations(mut self) -> Vec<Operation<Views>> {
        self.0.sort_by_key(|operation| operation.begin_ns);
        self.0
    }

    fn searched(self) -> Searched {
        search(&MODEL, &[State::NoImage], &self.operations(), AMPLE)
    }

    /// Whether there is an order.
    fn holds(self) -> bool {
        match self.searched().found {
            Found::Linearizable => true,
            Found::Violation { .. } => false,
            Found::Undecided(why) => panic!("{why:?}"),
        }
    }
}

#[test]
fn one_operation_after_another_has_one_order() {
    let story = || Story::default().sealed((0, 1), 2).viewed((2, 3), 1).viewed((4, 5), 0).refused((6, 7));
    assert!(story().read(8, 0, 2).holds());
    assert!(!story().read(8, 0, 1).holds());
    assert!(!story().read(8, 1, 2).holds());
    assert!(!story().viewed((8, 9), 0).holds());
    assert_eq!(story().searched().steps, 4);
}

#[test]
fn overlapping_operations_may_have_any_order() {
    let story = || Story::default().sealed((0, 1), 5);
    assert!(story().set((2, 6), 9).viewed((3, 5), 4).read(7, 9, 1).holds());
    assert!(story().set((2, 6), 9).viewed((3, 5), 8).read(7, 8, 1).holds());
    assert!(!story().set((2, 6), 9).viewed((3, 5), 4).read(7, 8, 1).holds());
    // What began at the very time when another ended may have come before it.
    assert!(story().set((2, 3), 9).viewed((3, 5), 4).holds());
    assert!(!story().set((2, 3), 9).viewed((4, 5), 4).holds());
    // A refusal between two settings that overlap.
    assert!(story().set((2, 9), 0).set((3, 10), 7).refused((4, 8)).read(11, 7, 0).holds());
    assert!(
        !story()
            .set((2, 9), 0)
            .set((3, 10), 7)
            .refused((4, 8))
            .read(11, 0, 0)
            .refused((12, 13))
            .viewed((14, 15), 6)
            .holds()
    );
}

#[test]
fn an_unknown_operation_may_happen_at_any_later_time_or_never() {
    let story = || Story::default().sealed((0, 1), 5).view_unknown(2);
    for (left, used) in [(5, 0), (4, 1)] {
        assert!(story().read(9, left, used).holds());
    }
    assert!(!story().read(9, 3, 2).holds());
    assert!(!story().read(9, 4, 0).holds());
    // Late: between two others, after its client gave up.
    assert!(story().viewed((3, 4), 4).viewed((5, 6), 2).holds());
    assert!(!story().viewed((3, 4), 4).viewed((5, 6), 2).viewed((7, 8), 0).holds());
    // Not before it was sent.
    assert!(!Story::default().sealed((0, 1), 5).viewed((2, 3), 3).view_unknown(4).holds());
    // A setting that comes after one that was acknowledged.
    let story = || Story::default().sealed((0, 1), 5).set_unknown(2, 9).set((3, 4), 7);
    assert!(story().viewed((5, 6), 8).holds() && story().viewed((5, 6), 6).holds());
    assert!(!story().viewed((5, 6), 4).holds());
    // Once.
    assert!(!story().viewed((5, 6), 8).set((7, 8), 3).viewed((9, 10), 8).holds());
}

#[test]
fn a_grant_that_began_without_views_can_be_set_later() {
    let story = || Story::default().tell(Call::Seal(None), (0, 1), Some(Reply::Sealed));
    assert!(story().set((2, 3), 4).viewed((4, 5), 3).read(6, 3, 1).holds());
    assert!(!story().viewed((4, 5), 3).holds());
    assert!(story().tell(Call::Read, (2, 2), Some(Reply::NoGrant)).holds());
    assert!(!story().set((1, 2), 4).tell(Call::Read, (3, 3), Some(Reply::NoGrant)).holds());
    assert!(!Story::default().set((2, 3), 4).holds());
}

#[test]
fn a_budget_that_is_used_up_decides_nothing() {
    let story = (0..30).fold(Story::default().sealed((0, 1), 1_000), |story, one| story.set((2, 100), one));
    let story = story.viewed((101, 102), 500);
    let found = |budget| search(&MODEL, &[State::NoImage], &story.clone().operations(), budget).found;
    use super::search::Exhausted::{Configurations, Steps};
    assert_eq!(found(Budget { steps: 10_000, ..AMPLE }), Found::Undecided(Steps));
    assert_eq!(found(Budget { steps: u64::MAX, configurations: 16 }), Found::Undecided(Configurations));
}
