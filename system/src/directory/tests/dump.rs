use super::{
    stage::{Stage, group},
    *,
};

/// All records, page by page.
fn dumped(directory: &Directory) -> Vec<Record> {
    let starts =
        [Place::Settings, Place::Users(None), Place::Groups(None), Place::Images(None), Place::Inboxes(None)];
    let mut records = Vec::new();
    for mut place in starts {
        loop {
            let page = directory.dump(&place).unwrap();
            let Some(last) = page.last() else { break };
            place = last.next();
            records.extend(page);
            if matches!(place, Place::Users(None)) {
                break;
            }
        }
    }
    records
}

fn restore(records: &[Record]) -> Action {
    Action::Restore(Restore { records: records.to_vec() })
}

/// Something of everything.
fn busy() -> Stage {
    let mut stage = Stage::of(&["anna", "ben", "carl"]);
    let user = name("zoe");
    let password = Some(PasswordHash::of_nobody());
    stage.does(Action::Register(Register { user, key: public_key("zoe"), password })).unwrap();
    stage.create("anna", "choir").unwrap();
    stage.joins("ben", "choir", "anna");
    stage.asks("carl", "choir").unwrap();
    let image = stage.image("anna", &[("ben", 2), ("carl", 0)]);
    let (title, description) = ("Meer \u{1f30a}".to_owned(), "\"am\" Morgen".to_owned());
    stage.does(Action::Describe(Describe { owner: name("anna"), image, title, description })).unwrap();
    stage.grants_group("anna", image, "choir", 4).unwrap();
    stage.does(open("ben", image)).unwrap();
    stage.asks_for("carl", image, 7).unwrap();
    stage.does(grant("anna", image, "ben", 9)).unwrap();
    stage.acknowledges("ben", 1);
    stage.image("ben", &[]);
    stage.does(record_earlier("ben", &[], 1)).unwrap();
    stage.blocks("carl", "zoe").unwrap();
    stage.does(Action::Rewrap(Rewrap { under: 3, keys: Vec::new() })).unwrap();
    stage
}

#[test]
fn what_was_dumped_comes_back_as_it_was_and_may_be_brought_twice() {
    let stage = busy();
    let records = dumped(&stage.directory);
    let mut empty = Directory::default();
    let restored = empty.apply(command(1, restore(&records)));
    assert_eq!(restored, Ok(Effect::Restored { count: records.len() as u64 }));
    assert_eq!(dumped(&empty), records);
    assert_eq!(empty.apply(command(2, restore(&records))), Ok(Effect::Restored { count: 0 }));
    assert_eq!(dumped(&empty), records);
    // All but sessions, answers and the clock.
    let (clock_ms, sessions) = (stage.directory.clock_ms, stage.directory.sessions.clone());
    let mut same = Directory { clock_ms, answers: stage.directory.answers.clone(), ..empty };
    for (id, session) in sessions {
        same.insert_session(id, session);
    }
    assert_eq!(same, stage.directory);
}

#[test]
fn a_dump_survives_json_and_the_wire() {
    let records = dumped(&busy().directory);
    let json = serde_json::to_string(&records).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Record>>(&json).unwrap(), records);
    assert_eq!(codec::decode::<Vec<Record>>(&codec::encode(&records).unwrap()).unwrap(), records);
}

#[test]
fn the_json_of_a_dump_is_held_still() {
    let mut stage = Stage::of(&["anna", "ben"]);
    stage.create("anna", "choir").unwrap();
    let image = stage.image("anna", &[("ben", 2)]);
    stage.does(grant("anna", image, "ben", 1)).unwrap();
    let records = dumped(&stage.directory);
    let json: Vec<String> = records.iter().map(|record| serde_json::to_string(record).unwrap()).collect();
    assert_eq!(json[0], r#"{"Settings":{"wrapping_key":1,"quotas":null}}"#);
    let key = public_key("anna").to_string();
    let user = format!(
        r#""registered_ms":1700000000001,"key":"{key}","password_hash":null,"credentials":0,"blocked":[]"#
    );
    assert_eq!(json[1], format!(r#"{{"User":{{"user":"anna",{user}}}}}"#));
    let members = r#"[{"user":"anna","role":"Admin","joined_ms":1700000000005}]"#;
    let founded = format!(r#""founded_ms":1700000000005,"members":{members},"requests":[]"#);
    assert_eq!(json[3], format!(r#"{{"Group":{{"group":"choir",{founded}}}}}"#));
    let wrapped = codec::encode(&key_of_images()).unwrap();
    let wrapped: String = wrapped[1..].iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = format!(
        r#"{{"Sealed":[{{"image":"{image}","owner":"anna","owner_key":"{key}","title":"","description":"","media":"Png","length":46000,"digest":"{}","wrapped_under":1,"wrapped_key":"{wrapped}","revision":1,"grants":[{{"to":"ben","left":1,"used":0}}],"group_grants":[],"views":[],"requests":[]}},"{}"]}}"#,
        "09".repeat(32),
        "01".repeat(16)
    );
    assert_eq!(json[4], expected);
    let posted = format!(
        r#"{{"at_ms":1700000000007,"notice":{{"Granted":{{"image":"{image}","owner":"anna","views_left":1}}}},"known":false}}"#
    );
    let notices = format!(r#"[{{"number":2,"posted":{posted}}}]"#);
    assert_eq!(
        json[5],
        format!(
            r#"{{"Inbox":{{"user":"ben","last":2,"read":0,"dropped":0,"last_dropped":0,"notices":{notices}}}}}"#
        )
    );
}

fn key_of_images() -> WrappedKey {
    key(1)
}

#[test]
fn what_is_there_and_other_is_refused_and_nothing_is_brought() {
    let records = dumped(&busy().directory);
    let mut other = Stage::of(&["carl"]);
    let before = dumped(&other.directory);
    let refused = other.does(restore(&records));
    assert_eq!(refused, Err(Refusal::OtherRecord { record: "user carl".to_owned() }));
    assert_eq!(dumped(&other.directory), before);
}

#[test]
fn records_that_cannot_be_are_refused_by_name() {
    let records = dumped(&busy().directory);
    let changed = |change: &dyn Fn(&mut Record)| {
        let mut records = records.clone();
        records.iter_mut().for_each(change);
        let mut empty = Directory::default();
        let refused = empty.apply(command(1, restore(&records))).unwrap_err().to_string();
        assert_eq!(empty.counts(), (0, 0));
        refused
    };
    let image = |change: &dyn Fn(&mut ImageRecord)| {
        changed(&|record| {
            if let Record::Sealed(record, _) = record {
                change(record);
            }
        })
    };
    let body = |change: &dyn Fn(&mut Hex)| {
        changed(&|record| {
            if let Record::Sealed(_, body) = record {
                change(body);
            }
        })
    };
    let group = |change: &dyn Fn(&mut GroupRecord)| {
        changed(&|record| {
            if let Record::Group(record) = record {
                change(record);
            }
        })
    };
    for (refused, reason) in [
        (image(&|image| image.owner = name("nobody")), "no user nobody"),
        (image(&|image| image.digest.0.truncate(31)), "key and digest have 64 digits"),
        (image(&|image| image.wrapped_key.0.push(0)), "wrapped_key is none"),
        (body(&|body| body.0.truncate(15)), "body has 32 digits"),
        (image(&|image| image.title = "a\n".to_owned()), "control character"),
        (image(&|image| image.grants.extend(image.grants.clone())), "a name is in a list twice"),
        (
            image(&|image| image.grants.iter_mut().for_each(|g| g.left = MAX_VIEWS + 1)),
            "the limit is 1000000",
        ),
        (image(&|image| image.group_grants.iter_mut().for_each(|g| g.to = self::group("b"))), "no group b"),
        (image(&|image| image.views.extend(image.views.clone())), "do not follow one another"),
        (group(&|group| group.members.iter_mut().for_each(|m| m.role = Role::Member)), "has no admin"),
        (group(&|group| group.requests[0].user = name("ben")), "a member asks to join"),
        (group(&|group| group.members[0].user = name("nobody")), "no user nobody"),
    ] {
        assert!(
            refused.contains(reason) && refused.contains(" refused: "),
            "{reason:?} is not in {refused:?}"
        );
    }
    let many = vec![records[0].clone(); MAX_RECORDS + 1];
    let refused = Directory::default().apply(command(1, restore(&many))).unwrap_err().to_string();
    assert_eq!(refused, "number of records is 501, the limit is 500");
}

#[test]
fn a_page_of_a_dump_is_bounded_by_what_its_records_list() {
    let mut stage = Stage::of(&["anna", "ben", "carl"]);
    for user in ["anna", "ben", "carl"] {
        for number in 0..MAX_NOTICES - 1 {
            let (image, owner) = (ImageId(u128::from(number)), name(&format!("u{}", number % 100)));
            stage.directory.notify(&name(user), Notice::Refused { image, owner });
        }
    }
    let page = stage.directory.dump(&Place::Inboxes(None)).unwrap();
    assert_eq!(page.len(), 2);
    let weight: u64 = page.iter().map(Record::weight).sum();
    assert!(weight <= MAX_WEIGHT);
    let rest = stage.directory.dump(&page[1].next()).unwrap();
    assert_eq!((rest.len(), stage.directory.dump(&rest[0].next()).unwrap().len()), (1, 0));
}

#[test]
fn a_backup_is_read_back_in_portions_that_are_accepted_and_another_version_is_named() {
    let mut stage = busy();
    for number in 0..MAX_RECORDS {
        stage.does(register(&format!("u{number:03}"))).unwrap();
    }
    let mut backup = Backup {
        version: DUMP_VERSION,
        taken_ms: 7,
        settings: SettingsRecord { wrapping_key: 1, quotas: None },
        users: Vec::new(),
        groups: Vec::new(),
        images: Vec::<ImageLine>::new(),
        inboxes: Vec::new(),
        consistent: true,
    };
    for record in dumped(&stage.directory) {
        match record {
            Record::Settings(record) => backup.settings = record,
            Record::User(record) => backup.users.push(record),
            Record::Group(record) => backup.groups.push(record),
            Record::Image(image) => backup.images.push(ImageLine { image, body: None }),
            Record::Sealed(image, body) => backup.images.push(ImageLine { image, body: Some(body) }),
            Record::Inbox(record) => backup.inboxes.push(record),
        }
    }
    let json = serde_json::to_string(&backup).unwrap();
    assert!(json.starts_with(
        r#"{"version":3,"taken_ms":7,"settings":{"wrapping_key":3,"quotas":null},"users":[{"user":"anna""#
    ));
    let read = Backup::parse(json.as_bytes()).unwrap();
    assert_eq!(read, backup);
    let mut empty = Directory::default();
    let portions = read.into_portions();
    assert_eq!(portions.len(), 2);
    for (number, records) in portions.into_iter().enumerate() {
        empty.apply(command(number as u128, Action::Restore(Restore { records }))).unwrap();
    }
    assert_eq!(dumped(&empty), dumped(&stage.directory));

    // As version 2 has written it.
    let bodies: Vec<_> = backup.images.iter_mut().map(|line| line.body.take()).collect();
    assert_eq!((bodies.len(), bodies.iter().flatten().count()), (3, 2));
    let earlier = serde_json::to_string(&Backup { version: 2, ..backup.clone() }).unwrap();
    assert!(!earlier.contains("body"));
    assert_eq!(Backup::parse(earlier.as_bytes()).unwrap().images, backup.images);

    for version in [1, 4] {
        let other = format!(r#"{{"version":{version},"more":{{}}}}"#);
        let other = Backup::parse(other.as_bytes()).unwrap_err().to_string();
        assert_eq!(other, format!("version is {version}, this program reads 2 to 3"));
    }
    let unknown = json.replacen("\"media\"", "\"medium\":1,\"media\"", 1);
    assert!(Backup::parse(unknown.as_bytes()).unwrap_err().to_string().contains("`medium`"));
    assert!(Backup::parse(b"PNG").is_err());
    let unknown = json.replacen("taken_ms", "taken", 1);
    assert!(Backup::parse(unknown.as_bytes()).unwrap_err().to_string().contains("`taken`"));
}
