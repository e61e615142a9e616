use super::{
    super::{
        draw,
        shrink::{CounterExample, Start, shrink},
    },
    *,
};

fn shrunk(story: Story) -> CounterExample<Views> {
    let operations = story.operations();
    let Found::Violation { at } = search(&MODEL, &[State::NoImage], &operations, AMPLE).found else {
        panic!("no violation: {operations:#?}")
    };
    shrink(&MODEL, &[State::NoImage], &operations, at)
}

fn numbers(operations: &[Operation<Views>]) -> Vec<String> {
    operations.iter().map(|operation| draw::number(&operation.source)).collect()
}

/// A story of so many operations in which all is well, and what is left of its views.
fn well(count: u32) -> (Story, u32) {
    let mut story = Story::default().sealed((-9, -8), 1_000);
    for one in 0..count {
        story = story.viewed((i64::from(10 * one), i64::from(10 * one + 4)), 999 - one);
    }
    (story, 1_000 - count)
}

#[test]
fn a_long_history_comes_down_to_two_operations() {
    let (story, left) = well(300);
    let example = shrunk(story.viewed((4_000, 4_001), left));
    assert_eq!(numbers(&example.answered), ["operation 300", "operation 301"]);
    assert!(example.unknown.is_empty() && example.indifferent.is_empty() && example.minimal);
    assert_eq!(example.start, Start::Anything { at_ns: 2_990_000_000 });
}

#[test]
fn a_setting_that_explains_an_answer_is_not_left_out() {
    // Without operation 1, operation 2 would be wrong, and that would show nothing.
    let story = Story::default().sealed((0, 1), 3).set((2, 3), 9).viewed((4, 5), 8).viewed((6, 7), 5);
    let example = shrunk(story);
    assert_eq!(numbers(&example.answered), ["operation 2", "operation 3"]);
}

#[test]
fn what_was_in_the_beginning_is_kept_where_it_matters() {
    let example = shrunk(Story::default().viewed((4, 5), 8).sealed((8, 9), 20));
    assert_eq!(example.start, Start::Beginning(vec![State::NoImage]));
    assert_eq!(numbers(&example.answered), ["operation 0"]);
}

#[test]
fn operations_of_unknown_outcome_are_shown_beside_what_they_do_not_explain() {
    let story = Story::default().sealed((0, 1), 5).viewed((2, 3), 4).view_unknown(4).viewed((5, 6), 1);
    let example = shrunk(story);
    assert_eq!(numbers(&example.answered), ["operation 1", "operation 3"]);
    assert_eq!(numbers(&example.unknown), ["operation 2"]);
}

#[test]
fn golden_drawing() {
    let story = Story::default()
        .sealed((0, 1), 5)
        .viewed((2, 3), 4)
        .view_unknown(4)
        .set((4, 9), 12)
        .viewed((10, 14), 11)
        .viewed((11, 13), 3);
    let drawing = draw::draw(&MODEL, &shrunk(story), |_| "ben ".to_owned());
    let expected = r#"  at 10.000 ms, whatever there was before:
  operation 2  ben views  4.000 to ? ms        |------------------------------>  may have happened, or not
  operation 4  ben views  10.000 to 14.000 ms        |-----------------|         11 left
  operation 5  ben views  11.000 to 13.000 ms              |-----|               3 left
  the longest order that was tried: operation 4 (11 left)
  stuck at: operation 5, which was answered "3 left" where there was: 11 left"#;
    assert_eq!(drawing, expected, "\n{drawing}");
}
