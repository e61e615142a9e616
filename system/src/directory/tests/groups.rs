use super::{
    stage::{Stage, group},
    *,
};

fn choir() -> Stage {
    let mut stage = Stage::of(&["anna", "ben", "carl", "dora"]);
    stage.create("anna", "choir").unwrap();
    stage
}

#[test]
fn who_makes_a_group_administers_it_and_lets_others_in() {
    let mut stage = choir();
    assert_eq!(stage.create("ben", "choir"), Err(Refusal::GroupTaken { group: group("choir") }));
    stage.asks("ben", "choir").unwrap();
    stage.asks("carl", "choir").unwrap();
    let waiting = stage.directory.join_requests(&group("choir"), None, 10);
    assert_eq!(waiting.iter().map(|(user, _)| user.as_str()).collect::<Vec<_>>(), ["ben", "carl"]);
    assert_eq!(stage.directory.join_requests(&group("choir"), Some(&name("ben")), 10), waiting[1..]);
    let asked = |user| Notice::JoinRequested { group: group("choir"), user: name(user) };
    assert_eq!(stage.inbox("anna"), [asked("ben"), asked("carl")]);

    stage.answers("anna", "choir", "ben", true).unwrap();
    stage.answers("anna", "choir", "carl", false).unwrap();
    assert_eq!(stage.inbox("anna"), [], "what is settled waits no more");
    assert_eq!(stage.inbox("ben"), [Notice::Joined { group: group("choir") }]);
    assert_eq!(stage.inbox("carl"), [Notice::JoinRefused { group: group("choir") }]);
    assert_eq!((stage.role("choir", "ben"), stage.role("choir", "carl")), (Some(Role::Member), None));
    assert_eq!(stage.directory.groups_of(&name("ben")), [(group("choir"), Role::Member)]);
    assert_eq!(stage.directory.members(&group("choir"), Some(&name("anna")), 10).len(), 1);

    let (choir, user) = (group("choir"), name("carl"));
    let none = Refusal::NoJoinRequest { group: choir.clone(), user };
    assert_eq!(stage.answers("anna", "choir", "carl", true), Err(none));
    let member = Refusal::AlreadyMember { group: choir.clone(), user: name("ben") };
    assert_eq!(stage.asks("ben", "choir"), Err(member));
    let admin = Refusal::NotAdmin { group: choir, user: name("ben") };
    assert_eq!(stage.removes("ben", "choir", "anna"), Err(admin));
    assert_eq!(stage.asks("ben", "band"), Err(Refusal::UnknownGroup { group: group("band") }));
    stage.assert_sound();
}

#[test]
fn the_administration_is_handed_over_and_never_lost() {
    let mut stage = choir();
    for user in ["ben", "carl"] {
        stage.joins(user, "choir", "anna");
    }
    let last = Refusal::LastAdmin { group: group("choir"), user: name("anna") };
    assert_eq!(stage.sets_role("anna", "choir", "anna", Role::Member), Err(last));
    stage.sets_role("anna", "choir", "carl", Role::Admin).unwrap();
    assert_eq!(stage.inbox("carl"), [Notice::NowAdmin { group: group("choir") }]);
    stage.sets_role("anna", "choir", "anna", Role::Member).unwrap();
    assert_eq!(
        (stage.role("choir", "anna"), stage.role("choir", "carl")),
        (Some(Role::Member), Some(Role::Admin))
    );
    // Of those who stay, Anna has been in for longest.
    stage.leaves("carl", "choir").unwrap();
    assert_eq!(
        (stage.role("choir", "anna"), stage.role("choir", "ben")),
        (Some(Role::Admin), Some(Role::Member))
    );
    stage.removes("anna", "choir", "ben").unwrap();
    assert_eq!(stage.inbox("ben"), [Notice::Removed { group: group("choir") }]);
    stage.assert_sound();
}

#[test]
fn of_members_who_joined_at_one_time_the_first_by_name_follows() {
    let mut stage = choir();
    for (number, user) in [(1, "dora"), (2, "ben"), (3, "carl")] {
        let at_ms = NOW + 500;
        let ask = Action::AskToJoin(AskToJoin { user: name(user), group: group("choir") });
        stage.directory.apply(Command { at_ms, ..command(number, ask) }).unwrap();
        let (admin, group, user) = (name("anna"), group("choir"), name(user));
        let answer = Action::AnswerJoin(AnswerJoin { admin, group, user, accept: true });
        stage.directory.apply(Command { at_ms, ..command(10 + number, answer) }).unwrap();
    }
    stage.leaves("anna", "choir").unwrap();
    assert_eq!(stage.role("choir", "ben"), Some(Role::Admin));
    assert_eq!(stage.directory.group(&group("choir")).unwrap().admins().count(), 1);
}

#[test]
fn a_group_ends_with_its_last_member_and_its_grants_with_it() {
    let mut stage = choir();
    stage.joins("ben", "choir", "anna");
    let image = stage.image("anna", &[]);
    stage.grants_group("anna", image, "choir", 5).unwrap();
    stage.asks("dora", "choir").unwrap();
    stage.leaves("anna", "choir").unwrap();
    assert_eq!(stage.list("ben").len(), 1);
    stage.leaves("ben", "choir").unwrap();
    assert_eq!(stage.directory.group(&group("choir")), None);
    assert_eq!(stage.inbox("dora"), [Notice::JoinRefused { group: group("choir") }]);
    assert!(stage.directory.image(image).unwrap().group_grants.is_empty());
    assert_eq!(stage.list("ben"), []);
    let none = Refusal::NoGrant { image, viewer: name("ben") };
    assert_eq!(stage.does(open("ben", image)), Err(none.clone()));
    // Another group of the same name inherits nothing.
    stage.create("ben", "choir").unwrap();
    assert_eq!(stage.does(open("ben", image)), Err(none));
    stage.assert_sound();
}

#[test]
fn a_request_to_join_can_be_taken_back() {
    let mut stage = choir();
    stage.asks("ben", "choir").unwrap();
    stage.leaves("ben", "choir").unwrap();
    assert_eq!(stage.inbox("anna"), []);
    let not_member = Refusal::NotMember { group: group("choir"), user: name("ben") };
    assert_eq!(stage.leaves("ben", "choir"), Err(not_member));
}

#[test]
fn the_views_of_a_group_are_for_all_its_members_together_after_their_own() {
    let mut stage = choir();
    for user in ["ben", "carl"] {
        stage.joins(user, "choir", "anna");
    }
    let image = stage.image("anna", &[("ben", 1)]);
    stage.grants_group("anna", image, "choir", 2).unwrap();
    let listed = |stage: &Stage, user| {
        let list = stage.directory.list(&name(user), None, 10);
        list.lines.first().map(|line| line.views_left)
    };
    assert_eq!((listed(&stage, "ben"), listed(&stage, "carl")), (Some(Some(3)), Some(Some(2))));
    let mut left = Vec::new();
    for user in ["ben", "ben", "carl"] {
        match stage.does(open(user, image)).unwrap() {
            Effect::Opened { views_left, .. } => left.push(views_left),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(left, [Some(2), Some(1), Some(0)]);
    for user in ["ben", "carl"] {
        assert_eq!(stage.does(open(user, image)), Err(Refusal::QuotaUsedUp { image, viewer: name(user) }));
    }
    assert_eq!(stage.does(open("dora", image)), Err(Refusal::NoGrant { image, viewer: name("dora") }));
    let record = stage.directory.image(image).unwrap();
    assert_eq!(record.grants[&name("ben")], Grant { left: 0, used: 1 });
    assert_eq!(record.group_grants[&group("choir")], Grant { left: 0, used: 2 });
    // Carl has nothing left to see, Ben's own grant is still on his list.
    assert_eq!((listed(&stage, "ben"), listed(&stage, "carl")), (Some(Some(0)), None));
    assert_eq!(stage.directory.group_images(&group("choir"), None, 10), []);
    // Setting it anew does not forget what was used.
    stage.grants_group("anna", image, "choir", 1).unwrap();
    assert_eq!(stage.directory.group_images(&group("choir"), None, 10)[0].views_left, Some(1));
    assert_eq!(
        stage.directory.image(image).unwrap().group_grants[&group("choir")],
        Grant { left: 1, used: 2 }
    );
    // Whoever is out sees nothing through it, at once.
    stage.removes("anna", "choir", "carl").unwrap();
    assert_eq!(stage.does(open("carl", image)), Err(Refusal::NoGrant { image, viewer: name("carl") }));
    stage.assert_sound();
}

#[test]
fn only_members_grant_to_a_group_and_every_owner_revokes() {
    let mut stage = choir();
    let image = stage.image("ben", &[]);
    let not_member = Refusal::NotMember { group: group("choir"), user: name("ben") };
    assert_eq!(stage.grants_group("ben", image, "choir", 3), Err(not_member.clone()));
    stage.joins("ben", "choir", "anna");
    stage.grants_group("ben", image, "choir", 3).unwrap();
    stage.leaves("ben", "choir").unwrap();
    assert_eq!(stage.grants_group("ben", image, "choir", 4), Err(not_member));
    stage.grants_group("ben", image, "choir", 0).unwrap();
    assert_eq!(stage.does(open("anna", image)), Err(Refusal::QuotaUsedUp { image, viewer: name("anna") }));
}

#[test]
fn a_group_has_its_limits_and_says_them() {
    let mut stage = Stage::of(&["anna", "ben"]);
    for number in 0..100 {
        stage.create("anna", &format!("g{number}")).unwrap();
    }
    let refused = stage.create("anna", "more").unwrap_err().to_string();
    assert_eq!(
        refused,
        "number of groups of anna is 101, the quota is 100: leave one first, or ask an operator for more"
    );
    let image = stage.image("anna", &[]);
    for number in 0..MAX_GROUP_GRANTS {
        stage.grants_group("anna", image, &format!("g{number}"), 1).unwrap();
    }
    let refused = stage.grants_group("anna", image, "g99", 1).unwrap_err().to_string();
    assert_eq!(refused, "number of groups that the image is granted to is 17, the limit is 16");
    for number in 0..MAX_ADMINS {
        let user = format!("u{number}");
        stage.add_user(&user);
        stage.joins(&user, "g0", "anna");
        let made = stage.sets_role("anna", "g0", &user, Role::Admin);
        assert_eq!(made.is_ok(), number + 1 < MAX_ADMINS, "{made:?}");
    }
    assert_eq!(stage.directory.groups(Some(&group("g97")), 10), [group("g98"), group("g99")]);
}

const USERS: [&str; 4] = ["anna", "ben", "carl", "dora"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens to a group: it has an admin as long as it has members, its views are never exceeded, and a
    /// snapshot is as good as the directory itself.
    #[test]
    fn a_group_with_members_has_an_admin_and_indices_follow_from_the_rest(
        steps in prop::collection::vec((0u8..11, 0usize..4, 0usize..4, 0u32..3), 1..60)
    ) {
        let mut stage = Stage::of(&USERS);
        let mut images = vec![stage.image("anna", &[("ben", 1)]), stage.image("ben", &[])];
        let (mut granted, mut released) = (0u64, 0u64);
        for (what, one, other, number) in steps {
            let (a, b) = (USERS[one], USERS[other]);
            let image = images[one % images.len()];
            let answer = match what {
                0 => stage.create(a, "choir"),
                1 => stage.asks(a, "choir"),
                2 | 3 => stage.answers(a, "choir", b, number > 0),
                4 => stage.leaves(a, "choir"),
                5 => stage.removes(a, "choir", b),
                6 => stage.sets_role(a, "choir", b, if number > 0 { Role::Admin } else { Role::Member }),
                7 => stage.grants_group(a, image, "choir", number),
                8 => stage.asks_for(a, image, number + 1),
                9 => stage.withdraws(a, image),
                _ => stage.does(open(a, image)),
            };
            match answer {
                Ok(Effect::Granted { views_left, .. }) => granted += u64::from(views_left),
                Ok(Effect::Opened { views_left: Some(_), .. }) => released += 1,
                Ok(_) if what == 9 => {
                    let owner = if one % 2 == 0 { "anna" } else { "ben" };
                    images.push(stage.image(owner, &[]));
                }
                _ => {}
            }
            // Ben's own view, once.
            prop_assert!(released <= granted + 1);
            if let Some(choir) = stage.directory.group(&group("choir")) {
                prop_assert!(!choir.members.is_empty());
                prop_assert!(choir.admins().next().is_some());
                prop_assert!(choir.requests.keys().all(|user| !choir.members.contains_key(user)));
            } else {
                prop_assert!(images.iter().filter_map(|id| stage.directory.image(*id)).all(|image| image.group_grants.is_empty()));
            }
            stage.assert_sound();
        }
    }
}
