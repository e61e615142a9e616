//! What users, and all together, may have.

use super::{
    stage::{Stage, group},
    *,
};

fn said(answer: Answer) -> String {
    answer.unwrap_err().to_string()
}

#[test]
fn every_quota_refuses_growth_and_says_the_limit() {
    let mut stage = Stage::of(&["anna", "ben"]);
    let image = stage.image("anna", &[]);
    stage.sets(Quota::ImagesPerUser, 2);
    stage.image("anna", &[]);
    let remedy = "withdraw some, or ask an operator for more";
    assert_eq!(
        said(stage.does(record("anna", &[], 1))),
        format!("number of images of anna is 3, the quota is 2: {remedy}")
    );
    // Only growth is refused: what is there stays when the quota is lowered, and makes room.
    stage.sets(Quota::ImagesPerUser, 1);
    assert_eq!(stage.list("anna").len(), 2);
    stage.does(grant("anna", image, "ben", 1)).unwrap();
    stage.withdraws("anna", image).unwrap();
    assert!(said(stage.does(record("anna", &[], 1))).contains("is 2, the quota is 1"));
    stage.sets(Quota::ImagesPerUser, 10);

    let image = stage.image("anna", &[]);
    stage.sets(Quota::RequestsPerUser, 1);
    stage.create("anna", "choir").unwrap();
    stage.asks("ben", "choir").unwrap();
    let waits = "number of requests that wait of ben is 2, the quota is 1";
    assert!(said(stage.asks_for("ben", image, 1)).starts_with(waits));
    stage.leaves("ben", "choir").unwrap();
    stage.asks_for("ben", image, 1).unwrap();
    // Asked again, it is no other one.
    stage.asks_for("ben", image, 2).unwrap();
    assert!(said(stage.asks("ben", "choir")).starts_with(waits));

    stage.sets(Quota::Users, 2);
    let text = said(stage.does(register("carl")));
    assert!(
        text.starts_with("number of users of the cluster is 3, the quota is 2: an operator has to"),
        "{text}"
    );
    stage.sets(Quota::Users, 10);

    let used = stage.directory.usage(&name("anna")).bytes;
    stage.sets(Quota::BytesPerUser, used + 100);
    let describe = |text: &str| {
        let (title, description) = (String::new(), text.to_owned());
        Action::Describe(Describe { owner: name("anna"), image, title, description })
    };
    stage.does(describe(&"x".repeat(100))).unwrap();
    let text = said(stage.does(describe(&"x".repeat(101))));
    let limit = used + 100;
    assert!(text.starts_with(&format!("size of all records of anna is {}, the quota is {limit}", limit + 1)));
    for action in [record("anna", &[], 1), grant("anna", image, "ben", 1)] {
        assert!(said(stage.does(action)).starts_with("size of all records of anna"));
    }
    // To take back takes nothing.
    stage.does(describe("")).unwrap();
    stage.withdraws("anna", image).unwrap();
    stage.sets(Quota::BytesPerUser, 1 << 20);

    stage.sets(Quota::Bytes, stage.directory.limits().bytes);
    for action in [record("ben", &[], 1), register("carl")] {
        assert!(said(stage.does(action)).starts_with("size of all records of the cluster"));
    }
    stage.assert_sound();
}

#[test]
fn whoever_has_used_up_all_bytes_grows_in_no_way() {
    for quota in [Quota::BytesPerUser, Quota::Bytes] {
        let mut stage = Stage::of(&["anna", "ben", "carl"]);
        let (own, bens) = (stage.image("anna", &[]), stage.image("ben", &[]));
        stage.create("anna", "choir").unwrap();
        stage.create("ben", "band").unwrap();
        stage.create("ben", "tenors").unwrap();
        stage.asks("anna", "band").unwrap();
        let before = stage.directory.usage(&name("anna"));
        let (used, whose) = match quota {
            Quota::Bytes => (stage.directory.limits().bytes, "the cluster"),
            _ => (before.bytes, "anna"),
        };
        stage.sets(quota, used);
        let (anna, note) = (name("anna"), String::new());
        let (title, description) = ("t".to_owned(), String::new());
        for action in [
            record("anna", &[], 1),
            grant("anna", own, "carl", 1),
            Action::Describe(Describe { owner: anna.clone(), image: own, title, description }),
            Action::GrantViewsToGroup(SetGroupGrant {
                owner: anna.clone(),
                image: own,
                group: group("choir"),
                views: 1,
            }),
            Action::CreateGroup(CreateGroup { user: anna.clone(), group: group("altos") }),
            Action::AskToJoin(AskToJoin { user: anna.clone(), group: group("tenors") }),
            Action::AnswerJoin(AnswerJoin {
                admin: name("ben"),
                group: group("band"),
                user: anna.clone(),
                accept: true,
            }),
            Action::AskForViews(AskForViews { user: anna.clone(), image: bens, views: 1, note }),
            Action::Block(Block { user: anna.clone(), blocked: name("carl") }),
        ] {
            let text = said(stage.does(action));
            assert!(text.starts_with(&format!("size of all records of {whose} is ")), "{text}");
        }
        assert_eq!(stage.directory.usage(&anna), before);
        stage.assert_sound();
    }
}

#[test]
fn without_room_one_still_logs_in_is_heard_and_revokes() {
    let mut stage = Stage::of(&["anna", "ben"]);
    let image = stage.image("anna", &[("ben", 5)]);
    stage.sets(Quota::Bytes, 0);
    // The views count, whether or not there is room to write down who took them.
    stage.does(open("ben", image)).unwrap();
    assert_eq!(stage.directory.views(image, None, 10), []);
    assert_eq!(stage.directory.image(image).unwrap().grants[&name("ben")], Grant { left: 4, used: 1 });
    stage.does(grant("anna", image, "ben", 0)).unwrap();
    let page = stage.directory.inbox(&name("ben"), None, 10);
    assert_eq!((page.notices.len(), page.dropped), (0, 1), "there was something, and no room to say what");
    // A session takes the place of another.
    let session = SessionToken::from_bytes([7; 32]).id();
    let (device, lifetime_ms) = ("phone".to_owned(), 1_000);
    let log_in = LogIn { user: name("anna"), session, device, lifetime_ms, credentials: 0 };
    stage.does(Action::LogIn(log_in)).unwrap();
    assert_eq!(stage.directory.sessions(&name("anna"), NOW).len(), 1);
    stage.assert_sound();
}

#[test]
fn quotas_are_set_by_operators_and_once_by_whoever_founds() {
    let mut stage = Stage::of(&["anna"]);
    assert_eq!((stage.directory.quotas(), stage.directory.has_quotas()), (Quotas::default(), false));
    let set =
        |limit, founding| Action::SetQuotas(SetQuotas { set: vec![(Quota::ImagesPerUser, limit)], founding });
    stage.does(set(7, true)).unwrap();
    stage.does(set(8, true)).unwrap();
    assert_eq!(stage.directory.quotas().images_per_user, 7);
    stage.does(set(9, false)).unwrap();
    assert_eq!(stage.directory.quotas(), Quotas { images_per_user: 9, ..Quotas::default() });
    for (quota, limit, text) in [
        (Quota::GroupsPerUser, 1_001, "quota groups-per-user is 1001, the limit is 1000"),
        (Quota::AnswerBytes, 5, "quota answer-bytes is 5, the least is 1048576"),
    ] {
        let set = SetQuotas { set: vec![(quota, limit)], founding: false };
        assert_eq!(said(stage.does(Action::SetQuotas(set))), text);
    }
    stage.assert_sound();
}

#[test]
fn what_is_brought_back_counts_and_only_the_quotas_of_the_cluster_refuse_it() {
    let mut stage = Stage::of(&["anna", "ben"]);
    for _ in 0..3 {
        stage.image("anna", &[("ben", 1)]);
    }
    stage.sets(Quota::ImagesPerUser, 1);
    let records: Vec<Record> = [Place::Settings, Place::Users(None), Place::Images(None)]
        .iter()
        .flat_map(|place| stage.directory.dump(place).unwrap())
        .collect();
    let restore = || Action::Restore(Restore { records: records.clone() });
    let mut empty = Directory::default();
    empty.apply(command(1, restore())).unwrap();
    assert_eq!(empty.usage(&name("anna")).images, 3);
    assert_eq!(empty.quotas().images_per_user, 1, "they come with it");
    let mut small = Directory::default();
    let set = SetQuotas { set: vec![(Quota::Users, 1)], founding: false };
    small.apply(command(1, Action::SetQuotas(set))).unwrap();
    let refused = small.apply(command(2, restore())).unwrap_err().to_string();
    assert!(refused.starts_with("number of users of the cluster is 2, the quota is 1"), "{refused}");
    let set = SetQuotas { set: vec![(Quota::Users, 2), (Quota::Bytes, 1_000)], founding: false };
    small.apply(command(3, Action::SetQuotas(set))).unwrap();
    let refused = small.apply(command(4, restore())).unwrap_err().to_string();
    assert!(refused.starts_with("size of all records of the cluster is "), "{refused}");
    assert_eq!(small.counts(), (0, 0));
}

const USERS: [&str; 4] = ["anna", "ben", "carl", "dora"];
const GROUPS: [&str; 2] = ["choir", "band"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever happens: what is kept up to date is what is counted anew, no command does much, and nobody grows beyond
    /// what they may.
    #[test]
    fn usage_is_what_is_counted_anew(
        steps in prop::collection::vec((0u8..20, 0usize..4, 0usize..4, 0u32..4), 1..100)
    ) {
        let mut stage = Stage::of(&USERS);
        stage.sets(Quota::ImagesPerUser, 6);
        stage.sets(Quota::GroupsPerUser, 1);
        stage.sets(Quota::RequestsPerUser, 2);
        stage.sets(Quota::ImagesToStranger, 2);
        stage.sets(Quota::BytesPerUser, 4_000);
        let mut images = vec![stage.image("anna", &[("ben", 1)]), stage.image("ben", &[])];
        for (what, one, other, number) in steps {
            let (a, b, group) = (USERS[one], USERS[other], GROUPS[number as usize % 2]);
            let image = images[(one + 4 * number as usize) % images.len()];
            let before = stage.directory.usage(&name(a));
            let answer = match what {
                0 => stage.create(a, group),
                1 => stage.asks(a, group),
                2 | 3 => stage.answers(a, group, b, what == 2),
                4 => stage.leaves(a, group),
                5 => stage.removes(a, group, b),
                6 => stage.sets_role(a, group, b, if number > 0 { Role::Admin } else { Role::Member }),
                7 => stage.grants_group(a, image, group, number),
                8 => stage.asks_for(a, image, number + 1),
                9 => stage.settles(a, image, b, Some(number).filter(|number| *number > 0)),
                10 => stage.withdraws(a, image),
                11 => stage.does(open(a, image)),
                12 | 13 => stage.does(grant(a, image, b, number)),
                14 => stage.blocks(a, b),
                15 => stage.unblocks(a, b),
                16 => {
                    stage.acknowledges(a, u64::from(number) * 2);
                    Ok(Effect::Done)
                }
                17 => {
                    let (title, description) = ("t".repeat(number as usize * 9), String::new());
                    stage.does(Action::Describe(Describe { owner: name(a), image, title, description }))
                }
                _ => {
                    let answer = stage.does(record(a, &[(b, number)], 1));
                    images.extend(answer.is_ok().then(|| ImageId(stage.last().0)));
                    answer
                }
            };
            let (after, quotas) = (stage.directory.usage(&name(a)), stage.directory.quotas());
            prop_assert!(after.images <= before.images || u64::from(after.images) <= quotas.images_per_user);
            prop_assert!(after.requests <= before.requests || u64::from(after.requests) <= 2, "{answer:?}");
            prop_assert!(after.groups <= 1, "{answer:?}");
            prop_assert!(after.bytes <= before.bytes || after.bytes <= quotas.bytes_per_user, "{answer:?}");
            stage.assert_sound();
        }
    }
}
