//! What lies in log and snapshot, byte by byte.

use super::*;

#[test]
fn golden_bytes_of_a_command() {
    let set = SetGrant { owner: name("a"), image: ImageId(3), viewer: name("b"), views: 250 };
    let actor = Actor::Session(session(&name("a")));
    let command = Command { request: RequestId(0x0102), at_ms: 7, actor, action: Action::SetGrant(set) };
    let session = *session(&name("a")).as_bytes();
    let parts = [&[251, 2, 1, 7, 1][..], &session, &[3, 1, b'a', 3, 1, b'b', 250]];
    assert_eq!(codec::encode(&command).unwrap(), parts.concat());
    let action = codec::encode(&grant("a", ImageId(3), "b", 250)).unwrap();
    assert_eq!(action, [29, 1, b'a', 3, 1, b'b', 250]);
}

#[test]
fn golden_bytes_of_who_acts() {
    for (actor, byte) in [(Actor::Stranger, 0), (Actor::Operator, 2), (Actor::Node, 3)] {
        assert_eq!(codec::encode(&actor).unwrap(), [byte]);
    }
}

#[test]
fn golden_bytes_of_users_and_images() {
    let (a, b) = (PublicKey::from_bytes([0xaa; 32]), PublicKey::from_bytes([0xbb; 32]));
    let register = Action::Register(Register { user: name("a"), key: a, password: None });
    assert_eq!(codec::encode(&register).unwrap(), [&[0, 1, b'a'][..], &[0xaa; 32], &[0]].concat());
    let user = User { registered_ms: 7, key: a, password: None, credentials: 2 };
    assert_eq!(codec::encode(&user).unwrap(), [&[7][..], &[0xaa; 32], &[0, 2]].concat());
    let wrapped = codec::encode(&key(1)).unwrap();
    let recorded: Answer = Ok(Effect::Recorded { key: key(1), owner_key: b });
    assert_eq!(codec::encode(&recorded).unwrap(), [&[0, 1][..], &wrapped, &[0xbb; 32]].concat());
    let grants = [(name("b"), Grant { left: 2, used: 3 })].into();
    let image = Image {
        owner: name("a"),
        key: key(1),
        media: Media::Png,
        length: 4,
        digest: [9; 32],
        revision: 5,
        grants,
        owner_key: b,
        group_grants: [("g".parse().unwrap(), Grant { left: 1, used: 0 })].into(),
        about: Some(Box::new(About { title: "t".to_owned(), description: String::new() })),
        body: Some(BodyHash([8; 16])),
    };
    let parts = [&[1, b'a'][..], &wrapped, &[0, 4], &[9; 32], &[5, 1, 1, b'b', 2, 3], &[0xbb; 32]];
    let more = [1, 1, b'g', 1, 0, 1, 1, b't', 0, 1];
    assert_eq!(codec::encode(&image).unwrap(), [parts.concat().as_slice(), &more, &[8; 16]].concat());
    let bare = Image { group_grants: Grants::default(), about: None, body: None, ..image };
    assert_eq!(codec::encode(&bare).unwrap(), [parts.concat().as_slice(), &[0, 0, 0]].concat());
    let earlier = [parts.concat().as_slice(), &[0, 0]].concat();
    assert_eq!(
        Image::from(codec::decode::<crate::directory::sections::EarlierImage>(&earlier).unwrap()),
        bare
    );

    let new = RecordImage {
        group_grants: BTreeMap::from([("g".parse().unwrap(), 4)]),
        title: "t".to_owned(),
        ..new_image("a", &[("b", 3)], 1)
    };
    let owner_key = *public_key("a").as_bytes();
    let fields = [&[1, b'a'][..], &owner_key, &wrapped, &[0, 251, 0xb0, 0xb3], &[9; 32], &[1; 16]].concat();
    let given = [1, 1, b'b', 3, 1, 1, b'g', 4, 1, b't'];
    let action = codec::encode(&Action::RecordImage(new)).unwrap();
    assert_eq!(action, [&[28][..], &fields, &given].concat());
    let fields = [&[1, 1, b'a'][..], &wrapped, &[0, 251, 0xb0, 0xb3], &[9; 32], &[1, 1, b'b', 3]].concat();
    assert_eq!(codec::encode(&record_earlier("a", &[("b", 3)], 1)).unwrap(), fields);
}

#[test]
fn golden_bytes_of_a_session() {
    let began = Session { user: name("a"), device: "pc".to_owned(), began_ms: 7, expires_ms: 9 };
    assert_eq!(codec::encode(&began).unwrap(), [1, b'a', 2, b'p', b'c', 7, 9]);
}

#[test]
fn golden_bytes_of_groups_requests_and_inboxes() {
    let (a, b, group): (_, _, GroupName) = (name("a"), name("b"), "g".parse().unwrap());
    let admin = Membership { role: Role::Admin, joined_ms: 3 };
    let request = JoinRequest { asked_ms: 4, known: true };
    let record = Group {
        founded_ms: 3,
        members: OrdMap::unit(a.clone(), admin),
        requests: OrdMap::unit(b.clone(), request),
    };
    assert_eq!(codec::encode(&record).unwrap(), [3, 1, 1, b'a', 1, 3, 1, 1, b'b', 4, 1]);
    let ask = Ask { views: 2, note: "n".to_owned(), asked_ms: 5, known: true };
    assert_eq!(codec::encode(&ask).unwrap(), [2, 1, b'n', 5, 1]);
    assert_eq!(codec::encode(&View { viewer: b.clone(), at_ms: 6 }).unwrap(), [1, b'b', 6]);
    let mailbox = Mailbox { last: 4, read: 3, dropped: 2, last_dropped: 1 };
    assert_eq!(codec::encode(&mailbox).unwrap(), [4, 3, 2, 1]);
    let (image, owner) = (ImageId(9), a);
    for (notice, bytes) in [
        (
            Notice::Requested { image, user: b.clone(), views: 2, note: "n".to_owned() },
            &b"\0\x09\x01b\x02\x01n"[..],
        ),
        (Notice::Granted { image, owner: owner.clone(), views_left: 2 }, b"\x01\x09\x01a\x02"),
        (Notice::Refused { image, owner: owner.clone() }, b"\x02\x09\x01a"),
        (Notice::Withdrawn { image, owner }, b"\x03\x09\x01a"),
        (Notice::JoinRequested { group: group.clone(), user: b }, b"\x04\x01g\x01b"),
        (Notice::Joined { group: group.clone() }, b"\x05\x01g"),
        (Notice::JoinRefused { group: group.clone() }, b"\x06\x01g"),
        (Notice::Removed { group: group.clone() }, b"\x07\x01g"),
        (Notice::NowAdmin { group: group.clone() }, b"\x08\x01g"),
        (Notice::GrantedToGroup { image, owner: name("a"), group, views_left: 2 }, b"\x09\x09\x01a\x01g\x02"),
    ] {
        let posted = Posted { at_ms: 7, notice, known: true };
        assert_eq!(codec::encode(&posted).unwrap(), [&[7], bytes, &[1]].concat(), "{posted:?}");
    }
}

#[test]
fn golden_bytes_of_what_is_done_with_groups_and_requests() {
    let (a, b, group): (_, _, GroupName) = (name("a"), name("b"), "g".parse().unwrap());
    let image = ImageId(9);
    let (x, y) = (a.clone(), group.clone());
    for (action, bytes) in [
        (Action::CreateGroup(CreateGroup { user: x.clone(), group: y.clone() }), &b"\x0b\x01a\x01g"[..]),
        (Action::AskToJoin(AskToJoin { user: x.clone(), group: y.clone() }), b"\x0c\x01a\x01g"),
        (
            Action::AnswerJoin(AnswerJoin {
                admin: x.clone(),
                group: y.clone(),
                user: b.clone(),
                accept: true,
            }),
            b"\x0d\x01a\x01g\x01b\x01",
        ),
        (Action::LeaveGroup(LeaveGroup { user: x.clone(), group: y.clone() }), b"\x0e\x01a\x01g"),
        (
            Action::RemoveMember(RemoveMember { admin: x.clone(), group: y.clone(), member: b.clone() }),
            b"\x0f\x01a\x01g\x01b",
        ),
        (
            Action::SetRole(SetRole { admin: x.clone(), group: y, member: b.clone(), role: Role::Admin }),
            b"\x10\x01a\x01g\x01b\x01",
        ),
        (
            Action::SetGroupGrant(SetGroupGrant { owner: x.clone(), image, group: group.clone(), views: 3 }),
            b"\x11\x01a\x09\x01g\x03",
        ),
        (
            Action::GrantViewsToGroup(SetGroupGrant { owner: x.clone(), image, group, views: 3 }),
            b"\x1e\x01a\x09\x01g\x03",
        ),
        (
            Action::Describe(Describe {
                owner: x,
                image,
                title: "t".to_owned(),
                description: "d".to_owned(),
            }),
            b"\x12\x01a\x09\x01t\x01d",
        ),
        (Action::Withdraw(Withdraw { owner: a.clone(), image }), b"\x13\x01a\x09"),
        (
            Action::AskForViews(AskForViews { user: a.clone(), image, views: 3, note: "n".to_owned() }),
            b"\x14\x01a\x09\x03\x01n",
        ),
        (
            Action::AnswerRequest(AnswerRequest { owner: a.clone(), image, user: b, views: Some(3) }),
            b"\x15\x01a\x09\x01b\x01\x03",
        ),
        (Action::Acknowledge(Acknowledge { user: a.clone(), upto: 3 }), b"\x16\x01a\x03"),
        (Action::Restore(Restore { records: Vec::new() }), b"\x17\0"),
        (
            Action::SetQuotas(SetQuotas { set: vec![(Quota::Users, 9)], founding: true }),
            b"\x18\x01\x05\x09\x01",
        ),
        (Action::Block(Block { user: a.clone(), blocked: name("b") }), b"\x19\x01a\x01b"),
        (Action::Unblock(Unblock { user: a, blocked: name("b") }), b"\x1a\x01a\x01b"),
        (Action::SetClock(SetClock { clock_ms: 7 }), b"\x1b\x07"),
    ] {
        assert_eq!(codec::encode(&action).unwrap(), bytes, "{action:?}");
    }
    assert_eq!(codec::encode(&Effect::Done).unwrap(), [7]);
    assert_eq!(codec::encode(&Effect::Restored { count: 2 }).unwrap(), [8, 2]);
    assert_eq!(codec::encode(&Effect::ClockSet { was_ms: 2, clock_ms: 3 }).unwrap(), [9, 2, 3]);
}

#[test]
fn golden_bytes_of_an_empty_directory() {
    // Clock and key number.
    assert_eq!(sections::exported(&Directory::default()), [(1, vec![0, 1])]);
    let hash = Directory::default().hash().unwrap();
    assert_eq!(hash, *blake3::hash(&[1, 0, 1]).as_bytes());
}

#[test]
fn golden_bytes_of_quotas() {
    for (number, quota) in Quota::ALL.into_iter().enumerate() {
        assert_eq!(codec::encode(&quota).unwrap(), [number as u8]);
    }
    let quotas = Quotas {
        images_per_user: 1,
        groups_per_user: 2,
        requests_per_user: 3,
        bytes_per_user: 4,
        images_to_stranger: 5,
        users: 6,
        bytes: 7,
        answer_bytes: 8,
    };
    assert_eq!(codec::encode(&quotas).unwrap(), [1, 2, 3, 4, 5, 6, 7, 8]);
    let usage = Usage { images: 1, groups: 2, requests: 3, blocked: 4, bytes: 5 };
    assert_eq!(codec::encode(&usage).unwrap(), [1, 2, 3, 4, 5]);
}

#[test]
fn golden_bytes_of_what_was_forgotten() {
    let mut forgotten = forgotten::Forgotten::default();
    [5, 7, 5 + 2 * REQUEST_WINDOW_MS].into_iter().for_each(|ms| forgotten.add(ms));
    let later = [252, 0xc5, 0x27, 0x09, 0];
    assert_eq!(codec::encode(&forgotten).unwrap(), [&[2, 5, 7][..], &later, &later].concat());
}
