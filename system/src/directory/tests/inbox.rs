use super::{stage::Stage, *};

#[test]
fn an_inbox_is_read_in_order_and_once() {
    let mut stage = Stage::of(&["anna", "ben"]);
    let (one, two) = (stage.image("anna", &[]), stage.image("anna", &[]));
    stage.does(grant("anna", one, "ben", 1)).unwrap();
    stage.does(grant("anna", two, "ben", 2)).unwrap();
    stage.does(grant("anna", one, "ben", 3)).unwrap();
    let granted = |image, views_left| Notice::Granted { image, owner: name("anna"), views_left };
    // What is said about the same takes the place of what was said before, and comes last.
    assert_eq!(stage.inbox("ben"), [granted(two, 2), granted(one, 3)]);
    let page = stage.directory.inbox(&name("ben"), None, 1);
    let read = page.notices[0].0;
    assert_eq!(stage.directory.inbox(&name("ben"), Some(read), 10).notices.len(), 1);
    stage.acknowledges("ben", read);
    stage.acknowledges("ben", read);
    assert_eq!(stage.inbox("ben"), [granted(one, 3)]);
    stage.does(grant("anna", two, "ben", 4)).unwrap();
    assert_eq!(stage.inbox("ben"), [granted(one, 3), granted(two, 4)]);
    stage.acknowledges("ben", u64::MAX);
    assert_eq!(stage.inbox("ben"), []);
    stage.does(grant("anna", one, "ben", 5)).unwrap();
    let page = stage.directory.inbox(&name("ben"), None, 10);
    assert_eq!((page.notices[0].0, page.dropped), (5, 0), "numbers grow for ever");
    stage.assert_sound();
}

#[test]
fn a_full_inbox_loses_one_and_says_how_many() {
    let mut directory = Stage::of(&["ben"]).directory;
    let ben = name("ben");
    // A few each, so that nobody is louder than the others.
    for number in 1..=MAX_NOTICES + 3 {
        let (image, owner) = (ImageId(u128::from(number)), name(&format!("u{}", number % 100)));
        directory.notify(&ben, Notice::Granted { image, owner, views_left: 1 });
    }
    // Of those who had 21 the first, and so on.
    let page = directory.inbox(&ben, None, 1);
    assert_eq!((page.notices[0].0, page.dropped), (4, 3));
    assert_eq!(directory.notices_of(&ben, 0).count() as u64, MAX_NOTICES);
    // A reader who had read only up to 2 has missed one; from 3 on nothing is missed.
    let ack = |upto| Acknowledge { user: name("ben"), upto };
    directory.acknowledge(ack(2)).unwrap();
    assert_eq!(directory.inbox(&ben, None, 1).dropped, 3);
    directory.acknowledge(ack(3)).unwrap();
    assert_eq!(directory.inbox(&ben, None, 1).dropped, 0);
}

#[test]
fn notices_of_strangers_give_way_before_those_of_somebody_the_reader_knows() {
    let mut stage = Stage::of(&["ben", "carl"]);
    stage.image("ben", &[("carl", 1)]);
    let mut refuse = |number: u64, owner: UserName| {
        let image = ImageId(number.into());
        stage.directory.notify(&name("ben"), Notice::Refused { image, owner });
    };
    (0..400).for_each(|number| refuse(number, name("carl")));
    // Each of them has one, and Carl has more than anybody.
    (400..MAX_NOTICES + 100).for_each(|number| refuse(number, name(&format!("u{number}"))));
    let notices = || stage.directory.notices_of(&name("ben"), 0);
    let carls = notices().filter(|(_, posted)| posted.notice.sender() == Some(&name("carl")));
    assert_eq!((carls.count(), notices().count() as u64), (400, MAX_NOTICES));
}

fn granted(image: ImageId, views_left: u32) -> Notice {
    Notice::Granted { image, owner: name("anna"), views_left }
}

fn to_group(image: ImageId, group: &str, views_left: u32) -> Notice {
    Notice::GrantedToGroup { image, owner: name("anna"), group: stage::group(group), views_left }
}

/// Anna's choir of Ben and Carl.
fn choir() -> Stage {
    let mut stage = Stage::of(&["anna", "ben", "carl", "dora"]);
    stage.create("anna", "choir").unwrap();
    stage.joins("ben", "choir", "anna");
    stage.joins("carl", "choir", "anna");
    for user in ["anna", "ben", "carl"] {
        stage.acknowledges(user, u64::MAX);
    }
    stage
}

#[test]
fn who_is_granted_views_when_an_image_is_sealed_is_told() {
    let mut stage = choir();
    let new = RecordImage {
        group_grants: BTreeMap::from([(stage::group("choir"), 4)]),
        title: "The sea".to_owned(),
        ..new_image("anna", &[("anna", 1), ("carl", 2), ("dora", 0)], 1)
    };
    stage.does(Action::RecordImage(new)).unwrap();
    let image = ImageId(stage.last().0);
    assert_eq!(stage.inbox("ben"), [to_group(image, "choir", 4)]);
    assert_eq!(stage.inbox("carl"), [granted(image, 2), to_group(image, "choir", 4)]);
    // Neither the owner, nor who was given nothing.
    assert_eq!((stage.inbox("anna"), stage.inbox("dora")), (vec![], vec![]));
    let record = stage.directory.image(image).unwrap();
    assert_eq!(record.group_grants[&stage::group("choir")], Grant { left: 4, used: 0 });
    let titles = |user: &str| stage.directory.inbox(&name(user), None, 10).titles;
    assert_eq!(titles("ben"), BTreeMap::from([(image, "The sea".to_owned())]));
    stage.does(open("ben", image)).unwrap();
    stage.assert_sound();
    // Who cannot see the image any more is not told its title either.
    stage.leaves("ben", "choir").unwrap();
    let page = stage.directory.inbox(&name("ben"), None, 10);
    assert_eq!((page.notices.len(), page.titles.len()), (1, 0));
}

#[test]
fn what_cannot_be_recorded_tells_nobody() {
    let mut stage = choir();
    let new = |title: &str, groups: &[(&str, u32)]| {
        let group_grants = groups.iter().map(|(group, views)| (stage::group(group), *views)).collect();
        let title = title.to_owned();
        Action::RecordImage(RecordImage { group_grants, title, ..new_image("anna", &[("ben", 2)], 1) })
    };
    let long = "x".repeat(MAX_TITLE_LEN + 1);
    for (action, said) in [
        (new(&long, &[]), "length of the title in characters is 101, the limit is 100"),
        (new("a\u{1b}", &[]), "title refused: character 2 is a control character, such as a line break"),
        (new("", &[("choir", MAX_VIEWS + 1)]), "views of a grant is 1000001, the limit is 1000000"),
        (new("", &[("band", 1)]), "no group band"),
    ] {
        assert_eq!(stage.does(action).unwrap_err().to_string(), said);
    }
    stage.create("dora", "duo").unwrap();
    let foreign = stage.does(new("", &[("duo", 1)]));
    assert_eq!(foreign, Err(Refusal::NotMember { group: stage::group("duo"), user: name("anna") }));
    assert_eq!((stage.inbox("ben"), stage.directory.counts().1), (vec![], 0));
}

#[test]
fn a_group_is_told_of_every_change_and_of_nothing_else() {
    let mut stage = choir();
    let image = stage.image("anna", &[]);
    stage.grants_group("anna", image, "choir", 3).unwrap();
    stage.does(grant("anna", image, "ben", 1)).unwrap();
    // Views of one's own and the group's are two things.
    assert_eq!(stage.inbox("ben"), [to_group(image, "choir", 3), granted(image, 1)]);
    assert_eq!(stage.inbox("carl"), [to_group(image, "choir", 3)]);
    for user in ["ben", "carl"] {
        stage.acknowledges(user, u64::MAX);
    }
    // The same again is no news, for the group or for one.
    stage.grants_group("anna", image, "choir", 3).unwrap();
    stage.does(grant("anna", image, "ben", 1)).unwrap();
    stage.does(grant("anna", image, "dora", 0)).unwrap();
    assert_eq!([stage.inbox("ben"), stage.inbox("carl"), stage.inbox("dora")], [const { Vec::new() }; 3]);
    // More is, less is, and nothing left is.
    for views in [5, 2, 0] {
        stage.grants_group("anna", image, "choir", views).unwrap();
        assert_eq!(stage.inbox("carl"), [to_group(image, "choir", views)]);
    }
    stage.grants_group("anna", image, "choir", 0).unwrap();
    assert_eq!(stage.inbox("carl").len(), 1);
    // The answer to a request is news, whatever the number.
    stage.acknowledges("ben", u64::MAX);
    stage.asks_for("ben", image, 5).unwrap();
    stage.settles("anna", image, "ben", Some(1)).unwrap();
    assert_eq!(stage.inbox("ben"), [granted(image, 1)]);
    assert_eq!(stage.inbox("anna"), []);
    stage.assert_sound();
}

#[test]
fn who_has_blocked_the_owner_is_told_nothing_by_them() {
    let mut stage = choir();
    stage.blocks("carl", "anna").unwrap();
    let new = RecordImage {
        group_grants: BTreeMap::from([(stage::group("choir"), 4)]),
        ..new_image("anna", &[], 1)
    };
    stage.does(Action::RecordImage(new)).unwrap();
    let image = ImageId(stage.last().0);
    stage.grants_group("anna", image, "choir", 5).unwrap();
    assert_eq!((stage.inbox("ben").len(), stage.inbox("carl").len()), (1, 0));
    stage.unblocks("carl", "anna").unwrap();
    assert_eq!(stage.inbox("carl"), []);
}

#[test]
fn the_largest_group_is_told_by_one_command_of_bounded_work() {
    let mut stage = Stage::of(&["anna"]);
    stage.create("anna", "choir").unwrap();
    // Members by name alone: what is told them is as much.
    let group = stage::group("choir");
    let member = Membership { role: Role::Member, joined_ms: NOW };
    for number in 1..MAX_MEMBERS {
        let user = name(&format!("m{number:04}"));
        stage.directory.groups.get_mut(&group).unwrap().members.insert(user.clone(), member);
        stage.directory.index.add_member(&group, &user, member);
    }
    let first = stage.image("anna", &[]);
    // The first time, another time in the place of the first, and when each has as many of hers as they may.
    let mut most = 0;
    for views in 1..=3 {
        stage.grants_group("anna", first, "choir", views).unwrap();
        most = stage.work.max(most);
    }
    assert!(most > MAX_MEMBERS as u64, "{most}");
    let last = name(&format!("m{:04}", MAX_MEMBERS - 1));
    assert_eq!(stage.inbox(last.as_str()), [to_group(first, "choir", 3)]);
    for user in ["m0001", last.as_str()] {
        for number in 0..MAX_NOTICES_OF_ONE {
            let image = ImageId(number.into());
            stage.directory.notify(&name(user), Notice::Refused { image, owner: name("anna") });
        }
    }
    let new = |groups: &[&str]| {
        let group_grants = groups.iter().map(|group| (stage::group(group), 4)).collect();
        Action::RecordImage(RecordImage { group_grants, ..new_image("anna", &[], 1) })
    };
    stage.does(new(&["choir"])).unwrap();
    let image = ImageId(stage.last().0);
    assert_eq!(stage.inbox(last.as_str()).last(), Some(&to_group(image, "choir", 4)));
    assert_eq!(stage.inbox(last.as_str()).len() as u64, MAX_NOTICES_OF_ONE);
    // More than that at once is refused, with the limit.
    stage.create("anna", "duo").unwrap();
    let refused = stage.does(new(&["choir", "duo"])).unwrap_err().to_string();
    let field = "number of members of the groups that the image is granted to when it is sealed";
    assert_eq!(refused, format!("{field} is 1001, the limit is 1000"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Read to the end and acknowledged whenever: every last word about a subject arrives once, in order.
    #[test]
    fn every_last_word_is_delivered_once_and_in_order(
        steps in prop::collection::vec((0usize..4, 0u32..5), 1..80)
    ) {
        let mut stage = Stage::of(&["anna", "ben"]);
        let images = [stage.image("anna", &[]), stage.image("anna", &[]), stage.image("anna", &[])];
        // What is to arrive, in order: a later word about the same image takes the place of one that was not read.
        let mut expected: Vec<(ImageId, u32)> = Vec::new();
        let (mut delivered, mut all) = (Vec::new(), Vec::new());
        let mut left = [0; 3];
        let mut last = 0;
        for (what, views) in steps.into_iter().chain([(3, 99)]) {
            if what < 3 {
                stage.does(grant("anna", images[what], "ben", views)).unwrap();
                // As many as before are no news.
                if std::mem::replace(&mut left[what], views) != views {
                    expected.retain(|(image, _)| *image != images[what]);
                    expected.push((images[what], views));
                }
                continue;
            }
            let page = stage.directory.inbox(&name("ben"), None, views as usize);
            for (number, posted) in page.notices {
                prop_assert!(number > last);
                last = number;
                let Notice::Granted { image, views_left, .. } = posted.notice else { panic!("{posted:?}") };
                delivered.push((image, views_left));
            }
            stage.acknowledges("ben", last);
            all.extend(expected.drain(..expected.len().min(views as usize)));
            stage.assert_sound();
        }
        prop_assert_eq!(delivered, all);
        prop_assert_eq!(stage.inbox("ben"), []);
    }
}
