//! Long histories, and those with much that is unknown or overlaps: what a search takes.

use std::time::Instant;

use super::*;

/// Numbers that look random, and are the same every time.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// So many operations on one grant, each sent a microsecond after the one before and under way for up to so many, and
/// carried out in between. Of so many, one is never heard of again.
fn long(count: usize, overlap: u64, unknown_one_in: u64) -> Vec<Operation<Views>> {
    let mut draw = Draw(7);
    let mut sketches: Vec<(i64, i64, i64, Call)> = (0..count as i64)
        .map(|at| {
            let begin = 1_000 * at + 10_000;
            let length = 1 + draw.below(1_000 * overlap) as i64;
            let effect = begin + draw.below(length as u64) as i64;
            let call = match draw.below(10) {
                0 => Call::Set(draw.below(21) as u32),
                _ => Call::Take,
            };
            (effect, begin, begin + length, call)
        })
        .collect();
    sketches.sort_unstable_by_key(|(effect, ..)| *effect);
    let seal = Answer { end_ns: 1, reply: Reply::Sealed };
    let source = Source::Operation(0);
    let mut all = vec![Operation { source, begin_ns: 0, call: Call::Seal(Some(20)), answer: Some(seal) }];
    let (mut left, mut used) = (20_u32, 0);
    for (op, (_, begin_ns, end_ns, call)) in (1..).zip(sketches) {
        let reply = match call {
            Call::Set(views) => {
                left = views;
                Reply::Left(views)
            }
            _ if left == 0 => Reply::Refused,
            _ => {
                (left, used) = (left - 1, used + 1);
                Reply::Left(left)
            }
        };
        let heard = unknown_one_in == 0 || draw.below(unknown_one_in) > 0;
        let answer = heard.then_some(Answer { end_ns, reply });
        all.push(Operation { source: Source::Operation(op), begin_ns, call, answer });
    }
    let at_ns = 1_000_000_000_000;
    let read = Answer { end_ns: at_ns, reply: Reply::Grant { left, used } };
    all.push(Operation {
        source: Source::ReadBack([1].into()),
        begin_ns: at_ns,
        call: Call::Read,
        answer: Some(read),
    });
    all.sort_by_key(|operation| operation.begin_ns);
    all
}

fn steps(operations: &[Operation<Views>], used: Used) -> Searched {
    search(&Views { used }, &[State::NoImage], operations, AMPLE)
}

#[test]
fn one_at_a_time_takes_one_step_an_operation() {
    let operations = long(20_000, 1, 0);
    let searched = steps(&operations, Used::Explained);
    assert_eq!(searched.found, Found::Linearizable);
    assert!(searched.steps < 2 * operations.len() as u64, "{searched:?}");
    assert!(searched.most <= 4, "{searched:?}");
}

#[test]
fn overlapping_ones_take_a_few() {
    let operations = long(20_000, 4, 0);
    let searched = steps(&operations, Used::Explained);
    assert_eq!(searched.found, Found::Linearizable);
    assert!(searched.steps < 60 * operations.len() as u64, "{searched:?}");
}

#[test]
fn a_crowd_that_waits_for_one_moment_is_ordered() {
    // All are sent before any is answered: a node stood still.
    let crowd = (0..2_000).fold(Story::default().sealed((0, 1), 2_000), |story, one| {
        story.viewed((2, 100 + i64::from(one * 7 % 2_000)), 1_999 - one)
    });
    assert!(crowd.clone().read(9_000, 0, 2_000).holds());
    assert!(!crowd.read(9_000, 1, 1_999).holds());
}

/// So many times nobody is answered for a while, and then everybody at once: `waiting` operations each, of which one in
/// `set_one_in` sets the views anew, always as many. One in twenty is never heard of again, and has not happened.
fn stalls(count: i64, waiting: usize, set_one_in: u64, draw: &mut Draw) -> Vec<Operation<Views>> {
    const VIEWS: u32 = 100_000;
    let mut story = Story::default().sealed((-2, -1), VIEWS);
    let (mut left, mut used) = (VIEWS, 0);
    for stall in 0..count {
        let begin = 10_000 * stall;
        let mut crowd: Vec<(i64, i64, bool)> = (0..waiting)
            .map(|_| {
                let end = begin + 5_000 + draw.below(200) as i64;
                (end, begin + draw.below(5_000) as i64, draw.below(set_one_in) == 0)
            })
            .collect();
        crowd.sort_unstable();
        for (end, sent, sets) in crowd {
            story = match (draw.below(20), sets) {
                (0, true) => story.set_unknown(sent, VIEWS),
                (0, false) => story.view_unknown(sent),
                (_, true) => {
                    left = VIEWS;
                    story.set((sent, end), VIEWS)
                }
                (_, false) => {
                    (left, used) = (left - 1, used + 1);
                    story.viewed((sent, end), left)
                }
            };
        }
    }
    story.read(1_000_000, left, used).operations()
}

#[test]
fn stalls_in_which_everybody_waits_are_ordered() {
    let mut draw = Draw(3);
    for waiting in [10, 20, 40] {
        let operations = stalls(10, waiting, 8, &mut draw);
        let searched = steps(&operations, Used::Explained);
        assert_eq!(searched.found, Found::Linearizable, "{waiting}: {searched:?}");
        assert!(searched.steps < 1_000 * operations.len() as u64, "{waiting}: {searched:?}");
    }
}

#[test]
fn many_of_unknown_outcome_are_counted_and_not_tried_one_by_one() {
    let story =
        (0..500).fold(Story::default().sealed((0, 1), 1_000), |story, one| story.view_unknown(2 + one));
    let story = story.viewed((600, 601), 700).set((602, 603), 20);
    assert!(story.clone().viewed((604, 605), 19).holds());
    assert!(!story.clone().viewed((604, 605), 20).holds());
    // 299 before the first view, at most 201 later ones.
    let searched = story.viewed((604, 605), 0).refused((606, 607)).searched();
    assert_eq!(searched.found, Found::Linearizable);
}

#[test]
fn settings_of_unknown_outcome_do_not_multiply() {
    let mut story = Story::default().sealed((0, 1), 5);
    for one in 0..60 {
        story = story.set_unknown(2 + one, (one % 20) as u32);
    }
    for one in 0..40 {
        story = story.set((100 + 4 * one, 101 + 4 * one), 9).viewed((102 + 4 * one, 103 + 4 * one), 8);
    }
    let operations = story.operations();
    let searched = search(&MODEL, &[State::NoImage], &operations, AMPLE);
    assert_eq!(searched.found, Found::Linearizable);
    assert!(searched.steps < 1_000_000, "{searched:?}");
}

#[test]
fn where_too_much_is_unknown_the_number_used_can_be_left_out() {
    let operations = long(20_000, 3, 50);
    let searched = steps(&operations, Used::Ignored);
    assert_eq!(searched.found, Found::Linearizable, "{searched:?}");
}

/// `cargo test --release -p evaluation --lib -- --ignored --nocapture ten_million`.
#[test]
#[ignore = "takes a minute and half a gigabyte"]
fn ten_million_operations() {
    for (overlap, unknown_one_in, used) in
        [(1, 0, Used::Explained), (3, 0, Used::Explained), (3, 1_000, Used::Ignored)]
    {
        let operations = long(10_000_000, overlap, unknown_one_in);
        let began = Instant::now();
        let budget = Budget { steps: u64::MAX, ..AMPLE };
        let searched = search(&Views { used }, &[State::NoImage], &operations, budget);
        println!("overlap {overlap}, unknown one in {unknown_one_in}: {searched:?} in {:?}", began.elapsed());
        assert_eq!(searched.found, Found::Linearizable);
    }
}
