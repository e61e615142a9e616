//! No command does more than a bounded amount of work, however much it ends.

use super::{
    stage::{Stage, group},
    *,
};

/// Commands until all is cleared away, none of which does much.
fn clear(stage: &mut Stage) -> usize {
    let mut commands = 0;
    while stage.directory.is_clearing_away() {
        stage.acknowledges("zoe", 0);
        commands += 1;
        assert!(commands <= MAX_GROUP_IMAGES, "it never ends");
    }
    commands
}

#[test]
fn a_group_of_many_images_ends_at_once_and_is_cleared_away_bit_by_bit() {
    const IMAGES: usize = 1_000;
    let mut stage = Stage::of(&["anna", "ben", "zoe"]);
    stage.create("anna", "choir").unwrap();
    let images: Vec<ImageId> = (0..IMAGES).map(|_| stage.image("anna", &[])).collect();
    for image in &images {
        stage.grants_group("anna", *image, "choir", 2).unwrap();
        assert!(stage.work < 8, "{}", stage.work);
    }
    stage.joins("ben", "choir", "anna");
    for number in 0..100 {
        stage.add_user(&format!("u{number}"));
        stage.asks(&format!("u{number}"), "choir").unwrap();
    }
    stage.leaves("anna", "choir").unwrap();
    assert_eq!(stage.list("ben").len(), IMAGES);
    stage.leaves("ben", "choir").unwrap();
    assert!(stage.work < 200, "{}", stage.work);
    // Nobody sees anything of it any more, though most is there.
    assert!(stage.directory.is_clearing_away());
    assert_eq!((stage.list("ben"), stage.directory.group(&group("choir"))), (vec![], None));
    assert_eq!(stage.directory.groups(None, 10), []);
    let none = Refusal::NoGrant { image: images[IMAGES - 1], viewer: name("ben") };
    assert_eq!(stage.does(open("ben", images[IMAGES - 1])), Err(none));
    let owners = stage.directory.details(&name("anna"), images[IMAGES - 1]).unwrap();
    assert_eq!(owners.group_grants, []);
    assert_eq!(stage.create("ben", "choir"), Err(Refusal::GroupEnding { group: group("choir") }));
    stage.assert_sound();
    let commands = clear(&mut stage);
    assert!((IMAGES / CLEARED_AT_ONCE / 4..IMAGES).contains(&commands), "{commands} commands");
    assert!(images.iter().all(|id| stage.directory.image(*id).unwrap().group_grants.is_empty()));
    assert_eq!(stage.inbox("u7"), [Notice::JoinRefused { group: group("choir") }]);
    stage.create("ben", "choir").unwrap();
    assert_eq!(stage.list("ben"), []);
    stage.assert_sound();
}

#[test]
fn an_image_that_a_thousand_ask_for_is_withdrawn_at_once() {
    let mut stage = Stage::of(&["anna", "ben", "zoe"]);
    let viewers: Vec<String> = (0..MAX_GRANTS).map(|number| format!("v{number}")).collect();
    viewers.iter().for_each(|viewer| stage.add_user(viewer));
    let image = stage.image("anna", &[("ben", 300)]);
    for viewer in &viewers[1..] {
        stage.does(grant("anna", image, viewer, 1)).unwrap();
    }
    for _ in 0..2 * VIEWS_KEPT {
        stage.does(open("ben", image)).unwrap();
    }
    for number in 0..MAX_ASKS {
        stage.add_user(&format!("u{number}"));
        stage.asks_for(&format!("u{number}"), image, 1).unwrap();
    }
    stage.withdraws("anna", image).unwrap();
    assert!(stage.work < 600, "{}", stage.work);
    assert_eq!(stage.directory.requests(&name("anna"), None, PAGE_LIMIT), []);
    stage.assert_sound();
    clear(&mut stage);
    let gone = Notice::Withdrawn { image, owner: name("anna") };
    assert_eq!((stage.inbox("u7"), stage.inbox("v7")), (vec![gone.clone()], vec![gone]));
    assert_eq!(stage.inbox("anna"), []);
    assert_eq!(stage.directory.usage(&name("u7")).requests, 0);
    stage.assert_sound();
}

#[test]
fn what_was_read_is_gone_at_once_and_a_full_inbox_makes_room_of_it_first() {
    let mut stage = Stage::of(&["anna", "ben", "zoe"]);
    let posted = |stage: &mut Stage, from: u64, to: u64| {
        for number in from..to {
            let (image, owner) = (ImageId(u128::from(number)), name(&format!("u{}", number % 10)));
            stage.directory.notify(&name("ben"), Notice::Refused { image, owner });
        }
    };
    posted(&mut stage, 0, MAX_NOTICES);
    stage.acknowledges("ben", MAX_NOTICES - 1);
    assert!(stage.work < 200, "{}", stage.work);
    assert_eq!(stage.inbox("ben").len(), 1);
    // More come in than were cleared away: what was read makes room, and nothing is lost.
    posted(&mut stage, MAX_NOTICES, MAX_NOTICES + 200);
    let page = stage.directory.inbox(&name("ben"), None, PAGE_LIMIT);
    assert_eq!((page.notices.len(), page.dropped), (201, 0));
    stage.assert_sound();
    clear(&mut stage);
    assert_eq!(stage.inbox("ben").len(), 201);
    stage.assert_sound();
}

#[test]
fn what_was_read_makes_room_before_anything_of_whoever_has_most_in_an_inbox() {
    let mut stage = Stage::of(&["ben"]);
    let ben = name("ben");
    let refuse = |stage: &mut Stage, number: u64, owner: String| {
        let (image, owner) = (ImageId(u128::from(number)), name(&owner));
        stage.directory.notify(&ben, Notice::Refused { image, owner });
    };
    (0..1_000).for_each(|number| refuse(&mut stage, number, format!("u{}", number % 100)));
    stage.directory.acknowledge(Acknowledge { user: ben.clone(), upto: 1_000 }).unwrap();
    (1_000..2_500).for_each(|number| refuse(&mut stage, number, format!("loud{}", number % 5)));
    let page = stage.directory.inbox(&ben, None, PAGE_LIMIT);
    assert_eq!((page.notices[0].0, page.dropped), (1_001, 0));
    assert_eq!(stage.directory.notices_of(&ben, 1_001).count(), 1_500);
}

#[test]
fn expired_answers_are_forgotten_a_few_at_a_time() {
    let mut stage = Stage::of(&["anna", "ben"]);
    for number in 0..500 {
        stage.does(register(&format!("u{number}"))).unwrap();
    }
    let held = stage.directory.limits().answers;
    // After a quiet spell.
    let late = NOW + MAX_SESSION_MS / 2;
    let mut answers = vec![held];
    for number in 0..200 {
        let request = RequestId::new(late + number, 1);
        let ack = Action::Acknowledge(Acknowledge { user: name("anna"), upto: 0 });
        let command = Command { request, at_ms: late + number, ..command(0, ack) };
        stage.directory.apply(command.clone()).unwrap();
        assert!(stage.directory.work() < 64, "{}", stage.directory.work());
        answers.push(stage.directory.limits().answers);
        // One that is out of time is refused as such whether or not it has been forgotten.
        let old = Command { at_ms: late, ..self::command(1_001, register("anna")) };
        let refused = stage.directory.clone().apply(old);
        assert!(matches!(refused, Err(Refusal::RequestOutOfTime { .. })), "{refused:?}");
    }
    assert!(answers.windows(2).all(|two| two[0] <= two[1] + 8), "{answers:?}");
    assert_eq!(answers.last(), Some(&200), "only those of this hour");
}

#[test]
fn sessions_that_have_ended_are_forgotten_a_few_at_a_time() {
    let mut stage = Stage::of(&[]);
    for number in 0..200 {
        stage.add_user(&format!("u{number}"));
    }
    // After a quiet spell that none of them outlasts.
    let late = NOW + 2 * MAX_SESSION_MS;
    let mut left = stage.directory.sessions.len();
    assert_eq!(left, 200);
    for number in 0.. {
        let request = RequestId::new(late, number);
        let register = register(&format!("v{number}"));
        stage.directory.apply(Command { request, at_ms: late, ..command(0, register) }).unwrap();
        let before = std::mem::replace(&mut left, stage.directory.sessions.len());
        assert!(stage.directory.work() < 64, "{}", stage.directory.work());
        assert!(left < before && before <= left + 16, "{left} after {before}");
        if left == 0 {
            break;
        }
    }
    stage.assert_sound();
}
