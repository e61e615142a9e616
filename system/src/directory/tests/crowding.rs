//! Whoever fills a box or a list fills none of others.

use super::{
    stage::{Stage, group},
    *,
};

fn asked(stage: &Stage, owner: &str) -> Vec<String> {
    let waiting = stage.directory.requests(&name(owner), None, PAGE_LIMIT);
    let mut names: Vec<_> = waiting.into_iter().map(|(_, user, _)| user.to_string()).collect();
    names.dedup();
    names
}

#[test]
fn a_thousand_strangers_who_ask_keep_no_friend_out_and_no_newcomer() {
    let mut stage = Stage::of(&["anna", "ben", "zoe"]);
    let image = stage.image("anna", &[]);
    // Ben has been granted something before, and asks first.
    let other = stage.image("anna", &[("ben", 1)]);
    stage.asks_for("ben", image, 1).unwrap();
    for number in 0..MAX_ASKS + 1 {
        stage.add_user(&format!("u{number}"));
        stage.asks_for(&format!("u{number}"), image, 1).unwrap();
    }
    stage.asks_for("zoe", image, 1).unwrap();
    let names = asked(&stage, "anna");
    assert_eq!(names.len(), MAX_ASKS);
    assert!(names.contains(&"ben".to_owned()) && names.contains(&"zoe".to_owned()));
    assert!(!names.contains(&"u0".to_owned()), "the oldest of the strangers gives way");
    // And one who asks for much before the others.
    stage.asks_for("zoe", other, 1).unwrap();
    let (last, names) = (format!("u{MAX_ASKS}"), asked(&stage, "anna"));
    assert!(names.contains(&last) && names.contains(&"zoe".to_owned()));
    let zoes = stage.directory.requests(&name("anna"), None, PAGE_LIMIT);
    assert_eq!(zoes.iter().filter(|(_, user, _)| user.as_str() == "zoe").count(), 1);
    stage.assert_sound();
}

#[test]
fn when_only_friends_wait_a_stranger_is_told_so() {
    let mut stage = Stage::of(&["anna", "zoe"]);
    let image = stage.image("anna", &[]);
    stage.create("anna", "choir").unwrap();
    for number in 0..MAX_ASKS {
        let user = format!("u{number}");
        stage.add_user(&user);
        stage.image("anna", &[(&user, 1)]);
        stage.asks_for(&user, image, 1).unwrap();
        stage.asks(&user, "choir").unwrap();
    }
    let refused = stage.asks_for("zoe", image, 1).unwrap_err().to_string();
    assert_eq!(refused, "number of requests that wait for the owner is 1001, the limit is 1000");
    assert_eq!(asked(&stage, "anna").len(), MAX_ASKS);
    let refused = stage.asks("zoe", "choir").unwrap_err().to_string();
    assert_eq!(refused, "number of requests to join is 1001, the limit is 1000");
    stage.assert_sound();
}

#[test]
fn a_thousand_who_ask_to_join_keep_nobody_out() {
    let mut stage = Stage::of(&["anna", "ben", "zoe"]);
    stage.create("anna", "choir").unwrap();
    stage.image("anna", &[("ben", 1)]);
    stage.asks("ben", "choir").unwrap();
    for number in 0..MAX_JOIN_REQUESTS + 1 {
        stage.add_user(&format!("u{number}"));
        stage.asks(&format!("u{number}"), "choir").unwrap();
    }
    stage.asks("zoe", "choir").unwrap();
    let waiting = stage.directory.join_requests(&group("choir"), None, PAGE_LIMIT);
    assert_eq!(waiting.len(), MAX_JOIN_REQUESTS);
    let waits = |user| waiting.iter().any(|(name, _)| name.as_str() == user);
    assert!(waits("ben") && waits("zoe") && !waits("u0"));
    stage.assert_sound();
}

#[test]
fn one_sender_fills_neither_an_inbox_nor_a_list_and_is_shown_last() {
    let mut stage = Stage::of(&["anna", "ben", "zoe", "carl"]);
    stage.sets(Quota::ImagesToStranger, 600);
    // Carl gave Ben two images, of which he has opened one; Anna is in a group with him.
    let first = stage.image("carl", &[("ben", 2)]);
    stage.does(open("ben", first)).unwrap();
    let mut loud = Vec::new();
    for _ in 0..600 {
        let image = stage.image("zoe", &[]);
        stage.does(grant("zoe", image, "ben", 1)).unwrap();
        loud.push(image);
    }
    let more = stage.image("zoe", &[]);
    let refused = stage.does(grant("zoe", more, "ben", 1)).unwrap_err().to_string();
    assert!(
        refused.starts_with(
            "number of your images for a user who has never dealt with you is 601, the quota is 600: they have to open"
        ),
        "{refused}"
    );
    assert!(stage.does(record("zoe", &[("ben", 1)], 1)).is_err());
    let second = stage.image("carl", &[]);
    stage.does(grant("carl", second, "ben", 1)).unwrap();
    stage.create("anna", "choir").unwrap();
    stage.joins("ben", "choir", "anna");
    let third = stage.image("anna", &[("ben", 1)]);
    // Those come last whom he has never dealt with, and their notices are not all there is.
    let list = stage.list("ben");
    assert_eq!(list[..3], [first, second, third]);
    assert_eq!(list[3..], loud[..]);
    let notices = stage.inbox("ben");
    let of = |sender| notices.iter().filter(|notice| notice.sender() == Some(&name(sender))).count();
    assert_eq!((of("zoe") as u64, of("carl")), (MAX_NOTICES_OF_ONE, 2));
    // Page by page it is the same.
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let page = stage.directory.list(&name("ben"), after, 7);
        pages.extend(page.lines.iter().map(|line| line.image));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(pages, list);
    // Once he has opened one of them they are no strangers any more.
    stage.does(open("ben", loud[0])).unwrap();
    stage.does(grant("zoe", more, "ben", 1)).unwrap();
    assert_eq!(stage.list("ben")[0], first);
    assert_eq!(stage.list("ben")[1], loud[0]);
    stage.assert_sound();
}

#[test]
fn a_page_looks_at_so_many_images_and_no_more() {
    const GRANTED: usize = 4 * PAGE_LIMIT + 100;
    let mut stage = Stage::of(&["ben", "zoe"]);
    stage.sets(Quota::ImagesToStranger, 10_000);
    let granted =
        (0..GRANTED as u128).map(|number| command(10_000 + number, record("zoe", &[("ben", 1)], 1)));
    assert!(granted.map(|recorded| stage.directory.apply(recorded)).all(|answer| answer.is_ok()));
    let own = ImageId(request(100_000).0);
    stage.directory.apply(command(100_000, record("ben", &[], 1))).unwrap();
    // It comes first, and is found behind all of those.
    let page = stage.directory.list(&name("ben"), None, 10);
    assert_eq!(page.lines, []);
    let next = stage.directory.list(&name("ben"), page.next, 1);
    assert_eq!(next.lines[0].image, own);
    assert_eq!(stage.list("ben").len(), GRANTED + 1);
}

#[test]
fn whoever_is_blocked_is_neither_heard_nor_seen() {
    let mut stage = Stage::of(&["anna", "ben", "zoe"]);
    let image = stage.image("anna", &[]);
    let zoes = stage.image("zoe", &[]);
    stage.does(grant("zoe", zoes, "anna", 1)).unwrap();
    stage.asks_for("zoe", image, 1).unwrap();
    stage.asks_for("ben", image, 1).unwrap();
    stage.blocks("anna", "zoe").unwrap();
    stage.blocks("anna", "zoe").unwrap();
    assert_eq!(stage.directory.blocked(&name("anna")), [name("zoe")]);
    assert_eq!((asked(&stage, "anna"), stage.list("anna")), (vec!["ben".to_owned()], vec![image]));
    assert_eq!(stage.inbox("anna").len(), 1);
    let blocked = Err(Refusal::Blocked { user: name("anna") });
    assert_eq!(stage.asks_for("zoe", image, 1), blocked);
    let second = stage.image("zoe", &[]);
    assert_eq!(stage.does(grant("zoe", second, "anna", 1)), blocked);
    assert_eq!(stage.does(record("zoe", &[("anna", 1)], 1)), blocked);
    // What was given can be changed and taken back, and is not told.
    stage.does(grant("zoe", zoes, "anna", 5)).unwrap();
    assert_eq!(stage.inbox("anna").len(), 1);
    // It is a matter between the two, and nobody blocks themselves or who is not there.
    stage.does(grant("zoe", second, "ben", 1)).unwrap();
    assert_eq!(stage.blocks("anna", "anna"), Err(Refusal::OwnSelf));
    assert_eq!(stage.blocks("anna", "nobody"), Err(Refusal::UnknownUser { user: name("nobody") }));
    stage.assert_sound();
    stage.unblocks("anna", "zoe").unwrap();
    assert_eq!(stage.list("anna"), [image, zoes]);
    // What was told before is there again, and nothing of what happened meanwhile.
    let told = Notice::Granted { image: zoes, owner: name("zoe"), views_left: 1 };
    assert!(stage.inbox("anna").contains(&told), "{:?}", stage.inbox("anna"));
    stage.asks_for("zoe", image, 1).unwrap();
    stage.assert_sound();
}

#[test]
fn a_user_blocks_as_many_as_the_limit_says() {
    let mut stage = Stage::of(&["anna"]);
    for number in 0..=MAX_BLOCKED {
        stage.does(register(&format!("u{number}"))).unwrap();
        let blocked = stage.blocks("anna", &format!("u{number}"));
        assert_eq!(blocked.is_ok(), number < MAX_BLOCKED, "{number}: {blocked:?}");
    }
    stage.assert_sound();
}
