//! Golden bytes of what is said.

use super::*;
use crate::{
    alarm::{ActiveAlarm, Alarm},
    directory::{CreateGroup, Restore},
    identity::ClusterKeys,
    wire::codec,
};

fn member() -> Member {
    Member { id: 4, client: "c".to_owned(), peer: "p".to_owned() }
}

#[test]
fn golden_bytes_of_what_is_said_about_members() {
    let add = Request::AddMember { member: member(), patience_ms: 9 };
    assert_eq!(codec::encode(&add).unwrap(), [7, 4, 1, b'c', 1, b'p', 9]);
    assert_eq!(codec::encode(&Request::Members).unwrap(), [6]);
    assert_eq!(codec::encode(&Request::RemoveMember { id: 4 }).unwrap(), [8, 4]);
    let members: Answer = Ok(Reply::Members(vec![MemberRole { member: member(), voter: true }]));
    assert_eq!(codec::encode(&members).unwrap(), [0, 11, 1, 4, 1, b'c', 1, b'p', 1]);
    let refused = |error: MemberError| codec::encode(&Answer::Err(ServiceError::Membership(error))).unwrap();
    assert_eq!(refused(MemberError::Last { id: 4 }), [1, 6, 4, 4]);
    let (side, of, value) = (AddressOf::Clients, AddressOf::Nodes, "v".to_owned());
    let bad = MemberError::BadAddress { side, value: value.clone(), reason: "r".to_owned() };
    assert_eq!(refused(bad), [1, 6, 7, 0, 1, b'v', 1, b'r']);
    let taken = MemberError::AddressTaken { side, value: value.clone(), node: 3, of };
    assert_eq!(refused(taken), [1, 6, 8, 0, 1, b'v', 3, 1]);
    let other = MemberError::OtherAnswers { side: of, value, expected: 4, found: "f".to_owned() };
    assert_eq!(refused(other), [1, 6, 9, 1, 1, b'v', 4, 1, b'f']);
    assert_eq!(refused(MemberError::OtherHistory { id: 4 }), [1, 6, 10, 4]);
}

#[test]
fn golden_bytes_of_what_is_said_about_leading() {
    let transfer = Request::TransferLeadership { term: 7, to: Some(4) };
    assert_eq!(codec::encode(&transfer).unwrap(), [17, 7, 1, 4]);
    let refused: Answer = Err(ServiceError::Transfer(TransferError::NoVote { id: 4 }));
    assert_eq!(codec::encode(&refused).unwrap(), [1, 12, 1, 4]);
}

#[test]
fn golden_bytes_of_what_is_said_about_alarms() {
    let reason = "r".to_owned();
    for (number, alarm) in (0..).zip(Alarm::ALL) {
        let active = ActiveAlarm { alarm, reason: reason.clone() };
        assert_eq!(codec::encode(&active).unwrap(), [number, 1, b'r'], "{alarm:?}");
    }
    assert_eq!(Alarm::ALL[6], Alarm::PutBack);
}

#[test]
fn golden_bytes_of_what_is_said_about_permission_blocks() {
    let query = Query::Block { image: ImageId(9) };
    let read = Request::Read { query, consistency: Consistency::Linearizable };
    assert_eq!(codec::encode(&read).unwrap(), [5, 4, 9, 0]);
    let answer: Answer = Ok(Reply::Block { block: Bytes::from_static(b"block") });
    assert_eq!(codec::encode(&answer).unwrap(), *b"\x00\x0f\x05block");
    let answer: Answer = Ok(Reply::Stale { age_ms: Some(3), reply: Box::new(Reply::Done) });
    assert_eq!(codec::encode(&answer).unwrap(), [0, 34, 1, 3, 23]);
}

#[test]
fn golden_bytes_of_an_image_to_be_sealed() {
    let image = NewImage {
        owner: "a".parse().unwrap(),
        grants: BTreeMap::from([("b".parse().unwrap(), 2)]),
        group_grants: BTreeMap::from([("g".parse().unwrap(), 3)]),
        title: "t".to_owned(),
    };
    let seal = Request::Seal { request: RequestId(9), image, original: Bytes::from_static(b"png") };
    assert_eq!(codec::encode(&seal).unwrap(), b"\x04\x09\x01a\x01\x01b\x02\x01\x01g\x03\x01t\x03png");
}

#[test]
fn golden_bytes_of_what_is_said_about_keys() {
    let user: UserName = "ben".parse().unwrap();
    let session = SessionToken::from_bytes([3; 32]);
    let ask = Asked { session: Some(session), request: Request::Keys };
    assert_eq!(codec::encode(&ask).unwrap(), [&[1][..], &[3; 32], &[9]].concat());
    let ask = Asked { session: None, request: Request::Challenge };
    assert_eq!(codec::encode(&ask).unwrap(), [0, 10]);
    let keys = ClusterKeys::from_secret([7; 32]);
    let (cluster, finder) = (keys.public(), keys.finder(&user));
    let answer: Answer = Ok(Reply::Keys { cluster, finder: finder.clone() });
    let bytes = [&[0, 14][..], cluster.as_bytes(), finder.as_bytes()].concat();
    assert_eq!(codec::encode(&answer).unwrap(), bytes);
    assert!(!format!("{answer:?}").contains("finder: FinderKey(["), "a secret is printed");
}

#[test]
fn golden_bytes_of_what_is_asked_about_groups_images_and_inboxes() {
    let (user, group, image): (UserName, GroupName, _) =
        ("a".parse().unwrap(), "g".parse().unwrap(), ImageId(9));
    let place = crate::directory::Place::Images(Some(image));
    for (query, bytes) in [
        (Query::Owned { user: user.clone(), after: None }, &b"\x06\x01a\0"[..]),
        (Query::Image { user: user.clone(), image }, b"\x07\x01a\x09"),
        (Query::Views { user: user.clone(), image, after: Some(3) }, b"\x08\x01a\x09\x01\x03"),
        (
            Query::Requests { user: user.clone(), after: Some((image, user.clone())) },
            b"\x09\x01a\x01\x09\x01a",
        ),
        (Query::Inbox { user: user.clone(), after: None }, b"\x0a\x01a\0"),
        (Query::Groups { after: Some(group.clone()) }, b"\x0b\x01\x01g"),
        (Query::MyGroups { user: user.clone() }, b"\x0c\x01a"),
        (Query::GroupMembers { user: user.clone(), group: group.clone(), after: None }, b"\x0d\x01a\x01g\0"),
        (Query::JoinRequests { user: user.clone(), group: group.clone(), after: None }, b"\x0e\x01a\x01g\0"),
        (Query::GroupImages { user, group, after: None }, b"\x0f\x01a\x01g\0"),
        (Query::Dump { from: place }, b"\x10\x03\x01\x09"),
    ] {
        assert_eq!(codec::encode(&query).unwrap(), bytes, "{query:?}");
    }
}

#[test]
fn golden_bytes_of_what_is_changed_and_answered_about_groups_images_and_inboxes() {
    let (user, group, image): (UserName, GroupName, _) =
        ("a".parse().unwrap(), "g".parse().unwrap(), ImageId(9));
    let create = Change::CreateGroup(CreateGroup { user: user.clone(), group: group.clone() });
    assert_eq!(codec::encode(&create).unwrap(), b"\x09\x01a\x01g");
    let check = Request::CheckKeys { in_use: 3, keys: Vec::new() };
    assert_eq!(codec::encode(&check).unwrap(), [19, 3, 0]);
    let restore = Change::Restore(Restore { records: Vec::new() });
    assert_eq!(codec::encode(&restore).unwrap(), b"\x15\0");
    let (owner, title) = (user.clone(), "t".to_owned());
    let line = Listing { image, owner: owner.clone(), length: 4, views_left: Some(2), title: title.clone() };
    let details = ImageDetails {
        image,
        owner,
        title,
        description: "d".to_owned(),
        media: crate::seal::Media::Jpeg,
        length: 4,
        revision: 5,
        grants: Vec::new(),
        group_grants: Vec::new(),
    };
    let ask = Ask { views: 2, note: "n".to_owned(), asked_ms: 5, known: true };
    let settings = crate::directory::SettingsRecord { wrapping_key: 1, quotas: None };
    let view = View { viewer: user.clone(), at_ms: 6 };
    let member = Membership { role: Role::Member, joined_ms: 7 };
    for (reply, bytes) in [
        (Reply::Listing(vec![line]), &b"\x07\x01\x09\x01a\x04\x01\x02\x01t"[..]),
        (Reply::Done, b"\x17"),
        (Reply::Restored { count: 3 }, b"\x18\x03"),
        (Reply::Image(Box::new(details)), b"\x19\x09\x01a\x01t\x01d\x01\x04\x05\0\0"),
        (Reply::Views(vec![(3, view)]), b"\x1a\x01\x03\x01a\x06"),
        (Reply::Requests(vec![(image, user.clone(), ask)]), b"\x1b\x01\x09\x01a\x02\x01n\x05\x01"),
        (
            Reply::Inbox(InboxPage {
                notices: Vec::new(),
                titles: BTreeMap::from([(image, "t".to_owned())]),
                dropped: 4,
            }),
            b"\x1c\0\x01\x09\x01t\x04",
        ),
        (Reply::Groups(vec![group.clone()]), b"\x1d\x01\x01g"),
        (Reply::MyGroups(vec![(group, Role::Admin)]), b"\x1e\x01\x01g\x01"),
        (Reply::GroupMembers(vec![(user.clone(), member)]), b"\x1f\x01\x01a\0\x07"),
        (Reply::JoinRequests(vec![(user, 8)]), b"\x20\x01\x01a\x08"),
        (Reply::Dump { applied: 2, records: vec![Record::Settings(settings)] }, b"\x21\x02\x01\0\x01\0"),
    ] {
        assert_eq!(codec::encode(&reply).unwrap(), bytes, "{reply:?}");
    }
}
