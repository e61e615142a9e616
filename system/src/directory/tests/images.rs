use super::{stage::Stage, *};

fn describe(owner: &str, image: ImageId, title: &str, description: &str) -> Action {
    let (title, description) = (title.to_owned(), description.to_owned());
    Action::Describe(Describe { owner: name(owner), image, title, description })
}

#[test]
fn an_image_is_described_and_its_viewers_read_it() {
    let mut stage = Stage::of(&["anna", "ben", "carl"]);
    let image = stage.image("anna", &[("ben", 2), ("carl", 3)]);
    stage.does(describe("anna", image, "The sea", "At dawn, from the pier")).unwrap();
    assert_eq!(stage.directory.list(&name("ben"), None, 10).lines[0].title, "The sea");
    let all = stage.directory.details(&name("anna"), image).unwrap();
    assert_eq!((all.title.as_str(), all.description.as_str()), ("The sea", "At dawn, from the pier"));
    assert_eq!(all.grants.len(), 2);
    let bens = stage.directory.details(&name("ben"), image).unwrap();
    assert_eq!(bens.grants, [(name("ben"), Grant { left: 2, used: 0 })]);
    stage.does(describe("anna", image, "", "")).unwrap();
    assert_eq!(stage.directory.image(image).unwrap().about, None);

    let long = "ü".repeat(MAX_TITLE_LEN + 1);
    stage.does(describe("anna", image, &long[2..], "")).unwrap();
    let refused = |stage: &mut Stage, title: &str, description: &str| {
        stage.does(describe("anna", image, title, description)).unwrap_err().to_string()
    };
    let text = "length of the title in characters is 101, the limit is 100";
    assert_eq!(refused(&mut stage, &long, ""), text);
    let long = "x".repeat(MAX_DESCRIPTION_LEN + 1);
    let text = "length of the description in characters is 1001, the limit is 1000";
    assert_eq!(refused(&mut stage, "", &long), text);
    let text = "title refused: character 3 is a control character, such as a line break";
    for unseen in ["ab\n", "ab\u{1b}[2J", "ab\u{202e}c"] {
        assert_eq!(refused(&mut stage, unseen, ""), text);
    }
    let foreign = stage.does(describe("ben", image, "mine", ""));
    assert_eq!(foreign, Err(Refusal::NotOwner { image, user: name("ben") }));
}

#[test]
fn a_withdrawn_image_is_gone_for_everybody() {
    let mut stage = Stage::of(&["anna", "ben", "carl", "dora"]);
    let image = stage.image("anna", &[("ben", 2), ("carl", 0)]);
    let kept = stage.image("anna", &[]);
    let sealed = stage.last();
    stage.create("anna", "choir").unwrap();
    stage.grants_group("anna", image, "choir", 5).unwrap();
    stage.does(open("ben", image)).unwrap();
    stage.asks_for("dora", image, 1).unwrap();
    assert_eq!(stage.withdraws("ben", image), Err(Refusal::NotOwner { image, user: name("ben") }));
    stage.withdraws("anna", image).unwrap();
    let gone = Err(Refusal::UnknownImage { image });
    for user in ["anna", "ben"] {
        assert_eq!(stage.does(open(user, image)), gone);
    }
    assert_eq!(stage.does(grant("anna", image, "ben", 1)), gone);
    assert_eq!(stage.grants_group("anna", image, "choir", 1), gone);
    assert_eq!(stage.asks_for("ben", image, 1), gone);
    assert_eq!(stage.withdraws("anna", image), gone);
    assert_eq!(stage.list("ben"), []);
    let owned: Vec<_> =
        stage.directory.owned(&name("anna"), None, 10).iter().map(|line| line.image).collect();
    assert_eq!(owned, [kept]);
    assert_eq!(stage.directory.views(image, None, 10), []);
    assert_eq!(stage.directory.requests(&name("anna"), None, 10), []);
    let withdrawn = [Notice::Withdrawn { image, owner: name("anna") }];
    assert_eq!((stage.inbox("ben"), stage.inbox("dora")), (withdrawn.to_vec(), withdrawn.to_vec()));
    assert_eq!((stage.inbox("carl"), stage.inbox("anna")), (vec![], vec![]));
    stage.assert_sound();
    // The sealing that made an image does not make it again.
    stage.withdraws("anna", kept).unwrap();
    let again = Command { request: sealed, ..command(0, record("anna", &[], 1)) };
    assert!(stage.directory.apply(again).is_ok(), "the first answer");
    assert_eq!(stage.directory.image(kept), None);
}

#[test]
fn an_owner_sees_who_viewed_and_when_newest_first() {
    let mut stage = Stage::of(&["anna", "ben", "carl"]);
    let image = stage.image("anna", &[("ben", 200), ("carl", 1)]);
    stage.does(open("carl", image)).unwrap();
    stage.does(open("anna", image)).unwrap();
    let first = stage.directory.views(image, None, 10);
    assert_eq!(first.len(), 1, "the owner is not counted");
    assert_eq!((first[0].0, first[0].1.viewer.as_str()), (0, "carl"));
    for _ in 0..VIEWS_KEPT {
        stage.does(open("ben", image)).unwrap();
    }
    let all = stage.directory.views(image, None, PAGE_LIMIT);
    assert_eq!((all.len(), all[0].0, all[VIEWS_KEPT - 1].0), (VIEWS_KEPT, VIEWS_KEPT as u64, 1));
    assert!(all.is_sorted_by(|a, b| a.1.at_ms > b.1.at_ms));
    assert_eq!(stage.directory.views(image, Some(all[9].0), 5), all[10..15]);
    assert_eq!(stage.directory.image(image).unwrap().grants[&name("ben")].used, VIEWS_KEPT as u64);
    stage.assert_sound();
}

#[test]
fn lists_of_what_one_owns_and_may_view_are_merged_page_by_page() {
    let mut stage = Stage::of(&["anna", "ben"]);
    stage.create("anna", "choir").unwrap();
    stage.create("ben", "band").unwrap();
    stage.joins("ben", "choir", "anna");
    stage.joins("anna", "band", "ben");
    let mut images = Vec::new();
    for number in 0..12 {
        let image = match number % 3 {
            0 => stage.image("ben", &[]),
            1 => stage.image("anna", &[("ben", 1)]),
            _ => stage.image("anna", &[]),
        };
        if number % 3 > 0 && number % 2 > 0 {
            stage.grants_group("anna", image, "choir", 1).unwrap();
            stage.grants_group("anna", image, "band", 1).unwrap();
        }
        if number % 3 < 2 || number % 2 > 0 {
            images.push(image);
        }
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = stage.directory.list(&name("ben"), after, 3);
        seen.extend(page.lines.iter().map(|line| line.image));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, images);
    let last = ListPlace { strangers: true, image: ImageId(u128::MAX) };
    assert_eq!(stage.directory.list(&name("ben"), Some(last), 3), ListPage::default());
    assert_eq!(stage.directory.owned(&name("ben"), None, 10).len(), 4);
}

#[test]
fn records_share_the_texts_of_their_users_names() {
    let mut stage = Stage::of(&["anna", "ben", "carl"]);
    let image = stage.image("anna", &[("ben", 2)]);
    stage.create("anna", "choir").unwrap();
    stage.does(grant("anna", image, "carl", 2)).unwrap();
    stage.grants_group("anna", image, "choir", 5).unwrap();
    stage.does(open("ben", image)).unwrap();

    let directory = &stage.directory;
    let text = |user: &str| directory.users.get_key_value(&name(user)).unwrap().0.as_str().as_ptr();
    let image_of = directory.image(image).unwrap();
    let viewers: Vec<_> = image_of.grants.keys().map(|viewer| viewer.as_str().as_ptr()).collect();
    assert_eq!(viewers, [text("ben"), text("carl")]);
    assert_eq!(image_of.owner.as_str().as_ptr(), text("anna"));
    let group = directory.groups.keys().next().unwrap().as_str().as_ptr();
    assert_eq!(image_of.group_grants.keys().next().unwrap().as_str().as_ptr(), group);
    assert!(directory.views.values().all(|view| view.viewer.as_str().as_ptr() == text("ben")));
    let of_session = |session: &Session| session.user.as_str().as_ptr() == text(session.user.as_str());
    assert!(directory.sessions.values().all(of_session));
}
