use super::{stage::Stage, *};

#[test]
fn a_request_waits_until_the_owner_grants_another_number_or_refuses() {
    let mut stage = Stage::of(&["anna", "ben", "carl"]);
    let image = stage.image("anna", &[]);
    stage.asks_for("ben", image, 3).unwrap();
    stage.asks_for("carl", image, 1).unwrap();
    stage.asks_for("ben", image, 5).unwrap();
    let waiting = stage.directory.requests(&name("anna"), None, 10);
    let seen: Vec<_> = waiting.iter().map(|(_, user, ask)| (user.as_str(), ask.views)).collect();
    assert_eq!(seen, [("ben", 5), ("carl", 1)], "asking again replaces");
    assert_eq!(stage.directory.requests(&name("anna"), Some(&(image, name("ben"))), 10), waiting[1..]);
    assert_eq!(stage.directory.requests(&name("anna"), Some(&(ImageId(u128::MAX), name("zoe"))), 10), []);

    let granted = stage.settles("anna", image, "ben", Some(2));
    assert_eq!(granted, Ok(Effect::Granted { views_left: 2, revision: 1 }));
    assert_eq!(stage.settles("anna", image, "carl", None), Ok(Effect::Done));
    assert_eq!(stage.inbox("ben"), [Notice::Granted { image, owner: name("anna"), views_left: 2 }]);
    assert_eq!(stage.inbox("carl"), [Notice::Refused { image, owner: name("anna") }]);
    assert_eq!(stage.inbox("anna"), [], "what is settled waits no more");
    let none = Refusal::NoRequest { image, user: name("ben") };
    assert_eq!(stage.settles("anna", image, "ben", Some(9)), Err(none));
    assert!(stage.does(open("ben", image)).is_ok() && stage.does(open("carl", image)).is_err());
    stage.assert_sound();
}

#[test]
fn a_grant_settles_a_request_and_a_revocation_does_not() {
    let mut stage = Stage::of(&["anna", "ben"]);
    let image = stage.image("anna", &[]);
    stage.asks_for("ben", image, 3).unwrap();
    stage.does(grant("anna", image, "ben", 0)).unwrap();
    assert_eq!(stage.directory.requests(&name("anna"), None, 10).len(), 1);
    stage.does(grant("anna", image, "ben", 1)).unwrap();
    assert_eq!(stage.directory.requests(&name("anna"), None, 10), []);
    assert_eq!(stage.inbox("anna"), []);
}

#[test]
fn requests_have_their_limits_and_say_them() {
    let mut stage = Stage::of(&["anna", "ben"]);
    let image = stage.image("anna", &[]);
    assert_eq!(stage.asks_for("anna", image, 1), Err(Refusal::OwnImage { image }));
    let said = |answer: Answer| answer.unwrap_err().to_string();
    assert_eq!(said(stage.asks_for("ben", image, 0)), "views asked for is 0, the least is 1");
    let text = "views asked for is 1000001, the limit is 1000000";
    assert_eq!(said(stage.asks_for("ben", image, MAX_VIEWS + 1)), text);
    let note = "x".repeat(MAX_NOTE_LEN + 1);
    let ask = Action::AskForViews(AskForViews { user: name("ben"), image, views: 1, note });
    assert_eq!(said(stage.does(ask)), "length of the note in characters is 201, the limit is 200");
    for _ in 0..MAX_ASKS_OF_ONE {
        let image = stage.image("anna", &[]);
        stage.asks_for("ben", image, 1).unwrap();
    }
    let (last, one_more) = (ImageId(stage.last().0 - 1), stage.image("anna", &[]));
    let text = "number of your requests that wait for the owner is 101, the limit is 100";
    assert_eq!(said(stage.asks_for("ben", one_more, 1)), text);
    stage.asks_for("ben", last, 2).unwrap();
    stage.settles("anna", last, "ben", None).unwrap();
    stage.asks_for("ben", one_more, 1).unwrap();
}

/// Two requests of one user for one image have the same place in the index when the clock has not moved between them.
#[test]
fn a_request_that_replaces_another_within_a_millisecond_is_counted() {
    let mut stage = Stage::of(&["anna", "carl"]);
    let image = stage.image("anna", &[]);
    let at_ms = stage.directory.clock_ms();
    for number in [5_000, 5_001] {
        let (user, note) = (name("carl"), String::new());
        let ask = Action::AskForViews(AskForViews { user, image, views: 3, note });
        stage.directory.apply(Command { at_ms, ..command(number, ask) }).unwrap();
    }
    stage.assert_sound();
}
