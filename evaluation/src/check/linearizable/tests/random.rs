//! Small random histories, judged by the search and by trying everything.

use std::collections::BTreeMap;

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use super::{
    super::shrink::{Start, shrink},
    *,
};

/// The most operations of a history: seven have 5,040 orders.
const MOST: usize = 7;

/// One operation before it is answered.
#[derive(Debug, Clone)]
struct Sketch {
    call: Call,
    begin: i64,
    length: i64,
    /// When it takes effect, on the way from its begin to its end.
    effect: u8,
    unknown: Option<bool>,
    /// What is answered instead of what is right, if anything.
    wrong: Option<u32>,
}

fn sketch() -> impl Strategy<Value = Sketch> {
    let call = prop_oneof![
        1 => (0..4u32).prop_map(|views| Call::Seal(views.checked_sub(1))),
        3 => (0..4u32).prop_map(Call::Set),
        6 => Just(Call::Take),
        2 => Just(Call::Read),
    ];
    let unknown = prop_oneof![3 => Just(None), 1 => any::<bool>().prop_map(Some)];
    let wrong = prop_oneof![12 => Just(None), 1 => (0..4u32).prop_map(Some)];
    (call, 0..16i64, 0..8i64, any::<u8>(), unknown, wrong).prop_map(
        |(call, begin, length, effect, unknown, wrong)| Sketch {
            call,
            begin,
            length,
            effect,
            unknown,
            wrong,
        },
    )
}

fn history() -> impl Strategy<Value = Vec<Operation<Views>>> {
    (0..4u32, prop::collection::vec(sketch(), 1..MOST))
        .prop_map(|(views, sketches)| carried_out(views, sketches))
}

/// Carries everything out, each at a time between its begin and its end, on a grant of its own. Answers are right but
/// where the sketch says otherwise.
fn carried_out(views: u32, sketches: Vec<Sketch>) -> Vec<Operation<Views>> {
    let seal =
        Sketch { call: Call::Seal(Some(views)), begin: 0, length: 1, effect: 0, unknown: None, wrong: None };
    let mut all: Vec<Sketch> = std::iter::once(seal).chain(sketches).collect();
    all.sort_by_key(|sketch| sketch.begin);
    let effect = |sketch: &Sketch| {
        let reach = if sketch.unknown.is_some() { 20 } else { sketch.length };
        sketch.begin * 256 + i64::from(sketch.effect) * reach
    };
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|at| effect(&all[*at]));
    let (mut state, mut replies) = (State::NoImage, BTreeMap::new());
    for at in order {
        let sketch = &all[at];
        if sketch.unknown == Some(false) {
            continue;
        }
        let right = match (&sketch.call, &state) {
            (Call::Seal(_), _) => Reply::Sealed,
            (Call::Set(views), _) => Reply::Left(*views),
            (Call::Take, State::Grant { left: 0, .. }) => Reply::Refused,
            (Call::Take, State::Grant { left, .. }) => Reply::Left(left - 1),
            (_, State::Grant { left, used: Some(used) }) => Reply::Grant { left: *left, used: *used },
            (_, State::NoGrant) => Reply::NoGrant,
            _ => Reply::NoImage,
        };
        state = MODEL.step(&state, &sketch.call, Some(&right)).unwrap_or(state);
        replies.insert(at, right);
    }
    let mut story = Story::default();
    for (at, sketch) in all.into_iter().enumerate() {
        let right = replies.get(&at).cloned();
        let reply = match (right, sketch.wrong) {
            (Some(Reply::Grant { left, .. }), Some(used)) => Some(Reply::Grant { left, used: used.into() }),
            (Some(Reply::Left(_)), Some(0)) => Some(Reply::Refused),
            (Some(Reply::Left(_) | Reply::Refused), Some(left)) => Some(Reply::Left(left)),
            (right, _) => right,
        };
        let reply = reply.filter(|_| sketch.unknown.is_none());
        story = story.tell(sketch.call, (sketch.begin, sketch.begin + sketch.length), reply);
    }
    story.operations()
}

use super::super::model::Model as _;

/// What the search says, with plenty of room or hardly any.
fn found(operations: &[Operation<Views>], configurations: usize) -> Found {
    search(&MODEL, &[State::NoImage], operations, Budget { configurations, ..AMPLE }).found
}

/// The smallest violation in a history is one, and is none without the demand of any of its answers.
fn assert_minimal(operations: &[Operation<Views>], at: usize) -> Result<(), TestCaseError> {
    let example = shrink(&MODEL, &[State::NoImage], operations, at);
    prop_assert!(example.minimal);
    let from = example.from(&MODEL);
    let holds = |operations: &[Operation<Views>]| search(&MODEL, &from, operations, AMPLE).found;
    let all = example.operations();
    let is_violation = matches!(holds(&all), Found::Violation { .. });
    prop_assert!(is_violation, "{all:#?}");
    if let Start::Beginning(_) = example.start {
        prop_assert!(!brute::has_order(&all));
    }
    for at in (0..all.len()).filter(|at| all[*at].answer.is_some()) {
        let mut fewer = all.clone();
        match fewer[at].is_question(&MODEL) {
            true => drop(fewer.remove(at)),
            false => fewer[at] = fewer[at].unanswered(),
        }
        prop_assert_eq!(holds(&fewer), Found::Linearizable, "{:#?} without {}", all, at);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn the_search_says_what_trying_everything_says(operations in history()) {
        let right = brute::has_order(&operations);
        match found(&operations, AMPLE.configurations) {
            Found::Linearizable => prop_assert!(right),
            Found::Violation { at } => {
                prop_assert!(!right);
                assert_minimal(&operations, at)?;
            }
            Found::Undecided(why) => prop_assert!(false, "{:?}", why),
        }
        // With room for one it may not know, but is not wrong.
        match found(&operations, 1) {
            Found::Linearizable => prop_assert!(right),
            Found::Violation { .. } => prop_assert!(!right),
            Found::Undecided(_) => {}
        }
        // Without the numbers of views used it sees less, and what it sees is there.
        let blind = Views { used: Used::Ignored };
        if let Found::Violation { .. } = search(&blind, &[State::NoImage], &operations, AMPLE).found {
            prop_assert!(!right);
        }
    }
}

#[test]
fn half_of_the_random_histories_are_wrong() {
    let mut runner = TestRunner::deterministic();
    let mut counts = [0; 2];
    for _ in 0..1_000 {
        let operations = history().new_tree(&mut runner).unwrap().current();
        counts[usize::from(brute::has_order(&operations))] += 1;
    }
    assert!(counts.iter().all(|count| *count > 200), "{counts:?}");
}
