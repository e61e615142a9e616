//! One request has one effect, also when there is no room to remember more.

use super::{stage::Stage, *};

/// Many small requests of one user, in the same minute.
fn acknowledge(stage: &mut Stage, user: &str, number: u128) -> Answer {
    let ack = Action::Acknowledge(Acknowledge { user: name(user), upto: 0 });
    stage.directory.apply(command(1_000_000 + number, ack))
}

#[test]
fn nobody_fills_the_store_for_others_and_what_is_refused_has_no_effect() {
    let mut stage = Stage::of(&["anna", "ben", "carl", "dora", "ella", "fred"]);
    let image = stage.image("anna", &[("fred", 9)]);
    stage.sets(Quota::AnswerBytes, 1 << 20);
    let full = |answer: &Answer| matches!(answer, Err(Refusal::AnswersFull { .. }));
    // Each has a quarter at most, and together no more than three.
    let mut number = 0;
    for user in ["anna", "ben", "carl", "dora", "ella"] {
        let mut taken = 0;
        while !full(&acknowledge(&mut stage, user, number)) {
            (number, taken) = (number + 1, taken + 1);
            assert!(taken < 3_000, "{user} has all of it");
        }
        number += 1;
        let limits = stage.directory.limits();
        assert!(limits.answer_bytes < (3 << 18) + (1 << 12), "{user}: {limits:?}");
    }
    // Who has asked little is still served.
    let opened = stage.directory.apply(command(7, open("fred", image)));
    assert!(matches!(opened, Ok(Effect::Opened { views_left: Some(8), .. })), "{opened:?}");
    // What is refused for want of room has no effect, and is taken when there is room again.
    let before = stage.directory.clone();
    let revoke = command(8, grant("anna", image, "fred", 0));
    assert!(full(&stage.directory.apply(revoke.clone())));
    assert_eq!(stage.directory, before);
    // A retry of what was taken gets the first answer.
    assert_eq!(stage.directory.apply(command(7, open("fred", image))), opened);
    stage.assert_sound();
    // There is a way out, for operators.
    stage.directory.apply(command(9, quota(Quota::AnswerBytes, 1 << 30))).unwrap();
    assert!(stage.directory.apply(revoke).is_ok());
    assert_eq!(stage.directory.image(image).unwrap().grants[&name("fred")].left, 0);
}

#[test]
fn what_nodes_do_for_a_user_counts_for_that_user() {
    let mut stage = Stage::of(&["anna", "ben"]);
    stage.sets(Quota::AnswerBytes, 1 << 20);
    let full = |answer: &Answer| matches!(answer, Err(Refusal::AnswersFull { .. }));
    let (key, password, keep) = (public_key("ben"), PasswordHash::of_nobody(), None);
    let set_key = || Action::SetKey(SetKey { user: name("ben"), key, credentials: 9, keep });
    let set_password = || {
        let (user, password) = (name("ben"), password.clone());
        Action::SetPassword(SetPassword { user, password, credentials: 9, keep })
    };
    let mut number = 1_000_000;
    let mut done = |action: Action| {
        number += 1;
        stage.directory.apply(command(number, action))
    };
    // None of these has an effect, and each answer is remembered.
    let taken = (0..3_000).find(|_| full(&done(log_in("ben"))));
    assert!(taken.is_some_and(|taken| taken > 1_000), "{taken:?}");
    for action in [log_in("ben"), set_key(), set_password()] {
        assert!(full(&done(action)));
    }
    assert!(!full(&done(log_in("anna"))));
}

#[test]
fn when_nothing_more_can_be_remembered_nobody_but_an_operator_is_served() {
    let mut stage = Stage::of(&["anna", "ben"]);
    stage.sets(Quota::AnswerBytes, 8 << 20);
    let full = |answer: &Answer| matches!(answer, Err(Refusal::AnswersFull { .. }));
    let mut number = 0;
    while !full(&acknowledge(&mut stage, "anna", number)) {
        number += 1;
    }
    // Now there is more than may be.
    stage.sets(Quota::AnswerBytes, 1 << 20);
    assert!(stage.directory.limits().answer_bytes > 1 << 20);
    let bens = acknowledge(&mut stage, "ben", number + 1);
    assert!(matches!(bens, Err(Refusal::AnswersFull { limit: 0x10_0000, .. })), "{bens:?}");
    assert!(full(&stage.directory.apply(command(7, register("carl")))));
    stage.sets(Quota::AnswerBytes, 8 << 20);
    acknowledge(&mut stage, "ben", number + 1).unwrap();
}

fn quota(quota: Quota, limit: u64) -> Action {
    Action::SetQuotas(SetQuotas { set: vec![(quota, limit)], founding: false })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Invariant 3, while the store is full now and then and time goes by: a request that was taken is taken once, and
    /// all its retries get the first answer as long as they are in time.
    #[test]
    fn every_retry_gets_the_first_answer(
        steps in prop::collection::vec((0u64..60_000, 0usize..3, 0usize..40, 0u8..8), 1..60)
    ) {
        let mut stage = Stage::of(&["anna", "ben"]);
        let image = stage.image("anna", &[("ben", 1_000)]);
        stage.sets(Quota::AnswerBytes, 1 << 20);
        let mut given: BTreeMap<RequestId, Answer> = BTreeMap::new();
        let (mut now, mut number, mut opened) = (NOW, 0, 0);
        for (later, what, which, crowd) in steps {
            now += later / 4;
            if crowd == 0 {
                // Enough to fill Ben's share.
                for _ in 0..2_000 {
                    number += 1;
                    let ack = Action::Acknowledge(Acknowledge { user: name("ben"), upto: 0 });
                    let request = RequestId::new(now, 1 << 70 | number);
                    let _ = stage.directory.apply(Command { request, at_ms: now, ..command(0, ack) });
                }
            }
            let old = given.keys().nth_back(which).copied();
            let request = match old {
                Some(old) if what > 0 => old,
                _ => {
                    number += 1;
                    RequestId::new(now, number)
                }
            };
            let answer = stage.directory.apply(Command { request, at_ms: now, ..command(0, open("ben", image)) });
            match (given.get(&request), &answer) {
                (_, Err(Refusal::RequestOutOfTime { off_ms, .. })) => prop_assert!(*off_ms > REQUEST_WINDOW_MS),
                (Some(first), answer) => prop_assert_eq!(first, answer),
                (None, Err(Refusal::AnswersFull { .. })) => {}
                (None, answer) => {
                    opened += u64::from(answer.is_ok());
                    given.insert(request, answer.clone());
                }
            }
            prop_assert_eq!(stage.directory.image(image).unwrap().grants[&name("ben")].used, opened);
        }
        stage.assert_sound();
    }
}
