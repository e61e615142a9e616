use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    identity::{ClusterKeys, SessionToken},
    seal::ContentKey,
};

mod answers;
mod clock;
mod crowding;
mod dump;
mod golden;
mod groups;
mod images;
mod inbox;
mod quotas;
mod replay;
mod requests;
mod roles;
mod sections;
mod sessions;
mod stage;
mod upkeep;

const NOW: u64 = 1_700_000_000_000;

/// The wrapped key of image 10.
fn key(byte: u8) -> WrappedKey {
    let (image, key) = (ImageId(request(10).0), ContentKey::from_bytes([byte; 32]));
    ClusterKeys::from_secret([1; 32]).ring().wrap(FIRST_KEY, image, &key, [byte; 12]).unwrap()
}

fn name(text: &str) -> UserName {
    text.parse().unwrap()
}

fn request(number: u128) -> RequestId {
    RequestId::new(NOW, number)
}

/// The only session of a user.
fn session(user: &UserName) -> SessionId {
    SessionToken::from_bytes(*blake3::hash(user.as_str().as_bytes()).as_bytes()).id()
}

/// Asked by whoever the action says.
fn command(number: u128, action: Action) -> Command {
    let actor = match &action {
        Action::Register(_) => Actor::Stranger,
        Action::LogIn(_) | Action::SetPassword(_) | Action::SetKey(_) => Actor::Node,
        Action::Rewrap(_) | Action::Restore(_) | Action::SetQuotas(_) | Action::SetClock(_) => {
            Actor::Operator
        }
        Action::RecordImage(record) => Actor::Session(session(&record.owner)),
        Action::RecordEarlier(record) => Actor::Session(session(&record.owner)),
        Action::OpenView(open) => Actor::Session(session(&open.viewer)),
        Action::SetGrant(set) | Action::GrantViews(set) => Actor::Session(session(&set.owner)),
        Action::Renew(renew) => Actor::Session(session(&renew.user)),
        Action::EndSession(end) => Actor::Session(session(&end.user)),
        Action::EndSessions(end) => Actor::Session(session(&end.user)),
        Action::CreateGroup(create) => Actor::Session(session(&create.user)),
        Action::AskToJoin(ask) => Actor::Session(session(&ask.user)),
        Action::AnswerJoin(answer) => Actor::Session(session(&answer.admin)),
        Action::LeaveGroup(leave) => Actor::Session(session(&leave.user)),
        Action::RemoveMember(remove) => Actor::Session(session(&remove.admin)),
        Action::SetRole(set) => Actor::Session(session(&set.admin)),
        Action::SetGroupGrant(set) | Action::GrantViewsToGroup(set) => Actor::Session(session(&set.owner)),
        Action::Describe(describe) => Actor::Session(session(&describe.owner)),
        Action::Withdraw(withdraw) => Actor::Session(session(&withdraw.owner)),
        Action::AskForViews(ask) => Actor::Session(session(&ask.user)),
        Action::AnswerRequest(answer) => Actor::Session(session(&answer.owner)),
        Action::Acknowledge(acknowledge) => Actor::Session(session(&acknowledge.user)),
        Action::Block(block) => Actor::Session(session(&block.user)),
        Action::Unblock(unblock) => Actor::Session(session(&unblock.user)),
    };
    Command { request: request(number), at_ms: NOW, actor, action }
}

fn log_in(user: &str) -> Action {
    Action::LogIn(LogIn {
        user: name(user),
        session: session(&name(user)),
        device: "laptop".to_owned(),
        lifetime_ms: MAX_SESSION_MS,
        credentials: 0,
    })
}

/// Every user has a key of their own.
fn public_key(user: &str) -> PublicKey {
    PublicKey::from_bytes(*blake3::hash(user.as_bytes()).as_bytes())
}

fn register(user: &str) -> Action {
    Action::Register(Register { user: name(user), key: public_key(user), password: None })
}

fn record(owner: &str, grants: &[(&str, u32)], byte: u8) -> Action {
    Action::RecordImage(new_image(owner, grants, byte))
}

/// As a worker records it that has drawn its key from `byte`.
fn new_image(owner: &str, grants: &[(&str, u32)], byte: u8) -> RecordImage {
    RecordImage {
        owner: name(owner),
        owner_key: public_key(owner),
        key: key(byte),
        media: Media::Png,
        length: 46_000,
        digest: [9; 32],
        body: BodyHash([byte; 16]),
        grants: grants.iter().map(|(viewer, views)| (name(viewer), *views)).collect(),
        group_grants: BTreeMap::new(),
        title: String::new(),
    }
}

/// The same, as an earlier version would have recorded it.
fn record_earlier(owner: &str, grants: &[(&str, u32)], byte: u8) -> Action {
    let RecordImage { owner, key, media, length, digest, grants, .. } = new_image(owner, grants, byte);
    Action::RecordEarlier(RecordEarlier { owner, key, media, length, digest, grants })
}

fn open(viewer: &str, image: ImageId) -> Action {
    Action::OpenView(OpenView { viewer: name(viewer), image })
}

fn grant(owner: &str, image: ImageId, viewer: &str, views: u32) -> Action {
    Action::GrantViews(SetGrant { owner: name(owner), image, viewer: name(viewer), views })
}

/// Anna owns image 10, Ben has two views of it, Carl none. All are logged in.
fn stage() -> (Directory, ImageId) {
    let mut directory = Directory::default();
    for (number, user) in ["anna", "ben", "carl"].into_iter().enumerate() {
        directory.apply(command(number as u128, register(user))).unwrap();
        directory.apply(command(100 + number as u128, log_in(user))).unwrap();
    }
    directory.apply(command(10, record("anna", &[("ben", 2)], 1))).unwrap();
    (directory, ImageId(request(10).0))
}

#[test]
fn a_grant_of_two_releases_the_key_twice() {
    let (mut directory, image) = stage();
    for left in [1, 0] {
        let answer = directory.apply(command(20 + u128::from(left), open("ben", image)));
        assert_eq!(
            answer,
            Ok(Effect::Opened { image, key: key(1), views_left: Some(left), revision: 2 - u64::from(left) })
        );
    }
    let third = directory.apply(command(30, open("ben", image)));
    assert_eq!(third, Err(Refusal::QuotaUsedUp { image, viewer: name("ben") }));
    assert_eq!(directory.image(image).unwrap().grants[&name("ben")], Grant { left: 0, used: 2 });
}

#[test]
fn a_retry_gets_the_first_answer_and_takes_nothing() {
    let (mut directory, image) = stage();
    let first = directory.apply(command(20, open("ben", image)));
    let before = directory.clone();
    assert_eq!(directory.apply(command(20, open("ben", image))), first);
    assert_eq!(directory, before);
}

#[test]
fn a_refusal_is_remembered_like_any_answer() {
    let (mut directory, image) = stage();
    let refused = directory.apply(command(20, open("carl", image)));
    assert_eq!(refused, Err(Refusal::NoGrant { image, viewer: name("carl") }));
    directory.apply(command(21, grant("anna", image, "carl", 5))).unwrap();
    assert_eq!(directory.apply(command(20, open("carl", image))), refused);
    assert!(directory.apply(command(22, open("carl", image))).is_ok());
}

#[test]
fn an_id_used_for_another_request_is_refused() {
    let (mut directory, image) = stage();
    let answer = directory.apply(command(10, open("ben", image)));
    assert_eq!(answer, Err(Refusal::RequestReused { request: request(10) }));
}

#[test]
fn a_retried_sealing_under_another_key_is_told_the_recorded_key() {
    let (mut directory, _) = stage();
    let answer = directory.apply(command(10, record("anna", &[("ben", 2)], 200)));
    assert_eq!(answer, Ok(Effect::Recorded { key: key(1), owner_key: public_key("anna") }));
}

#[test]
fn an_image_is_recorded_with_the_body_that_is_bound_to_its_owners_key() {
    let (mut directory, _) = stage();
    // The worker has not heard of Anna's new key; it seals again, and records that under the same request.
    let other = |byte| RecordImage { owner_key: public_key("other"), ..new_image("anna", &[], byte) };
    let refused = directory.apply(command(20, Action::RecordImage(other(3))));
    assert_eq!(refused, Err(Refusal::OtherOwnerKey { in_use: public_key("anna") }));
    let image = ImageId(request(20).0);
    assert_eq!(directory.image(image), None);
    let answer = directory.apply(command(20, record("anna", &[], 3)));
    assert_eq!(answer, Ok(Effect::Recorded { key: key(3), owner_key: public_key("anna") }));
    // Whoever seals the same again is told by which keys, and the body on record stays the one that follows from them.
    for retry in [record("anna", &[], 4), Action::RecordImage(other(5))] {
        assert_eq!(directory.apply(command(20, retry)), answer);
    }
    assert_eq!(directory.image(image).unwrap().body, Some(BodyHash([3; 16])));
}

#[test]
fn what_a_log_of_an_earlier_version_records_is_recorded_as_it_was() {
    let (mut directory, _) = stage();
    let answer = directory.apply(command(20, record_earlier("anna", &[("carl", 2)], 3)));
    assert_eq!(answer, Ok(Effect::Recorded { key: key(3), owner_key: public_key("anna") }));
    let image = directory.image(ImageId(request(20).0)).unwrap();
    assert_eq!((image.body, image.grants[&name("carl")].left), (None, 2));
    assert!(directory.inbox(&name("carl"), None, 10).notices.is_empty());
}

#[test]
fn an_image_keeps_the_key_that_its_owner_registered() {
    let (mut directory, image) = stage();
    let recorded = directory.apply(command(20, record("ben", &[("anna", 1)], 3)));
    assert_eq!(recorded, Ok(Effect::Recorded { key: key(3), owner_key: public_key("ben") }));
    assert_eq!(directory.image(image).unwrap().owner_key, public_key("anna"));
    assert_eq!(directory.image(ImageId(request(20).0)).unwrap().owner_key, public_key("ben"));
}

#[test]
fn a_name_keeps_its_first_key() {
    let (mut directory, _) = stage();
    let with_key = |key| Action::Register(Register { user: name("dora"), key, password: None });
    let (first, other) = (public_key("dora"), public_key("zoe"));
    assert_eq!(directory.apply(command(20, with_key(first))), Ok(Effect::Registered));
    // Under the same id it is another request, under another id the name is taken.
    let reused = directory.apply(command(20, with_key(other)));
    assert_eq!(reused, Err(Refusal::RequestReused { request: request(20) }));
    assert_eq!(directory.apply(command(21, with_key(other))), Err(Refusal::NameTaken { user: name("dora") }));
    assert_eq!(directory.apply(command(20, with_key(first))), Ok(Effect::Registered));
    assert_eq!(directory.users[&name("dora")].key, first);
}

#[test]
fn a_request_outside_the_window_is_refused_and_its_answer_forgotten() {
    let (mut directory, image) = stage();
    let late = NOW + REQUEST_WINDOW_MS + 1;
    let retry = Command { at_ms: late, ..command(10, record("anna", &[("ben", 2)], 1)) };
    let refused = Err(Refusal::RequestOutOfTime { request: request(10), off_ms: REQUEST_WINDOW_MS + 1 });
    // Whether or not its answer is forgotten.
    assert_eq!(directory.apply(retry.clone()), refused);
    let next = RequestId::new(late, 1);
    directory.apply(Command { request: next, at_ms: late, ..command(0, register("dora")) }).unwrap();
    assert_eq!(directory.limits().answers, 1);
    assert_eq!(directory.apply(retry), refused);
    let early = Command { request: RequestId::new(late * 2, 1), ..command(0, open("ben", image)) };
    assert!(matches!(directory.apply(early), Err(Refusal::RequestOutOfTime { .. })));
}

#[test]
fn the_cluster_clock_never_goes_back() {
    let (mut directory, image) = stage();
    let (request, at_ms) = (RequestId::new(NOW + 5_000, 1), NOW + 5_000);
    let ahead = Command { request, at_ms, ..command(0, open("ben", image)) };
    directory.apply(ahead).unwrap();
    directory.apply(command(50, register("dora"))).unwrap();
    assert_eq!(directory.clock_ms, NOW + 5_000);
}

#[test]
fn only_the_owner_sets_grants_and_zero_revokes() {
    let (mut directory, image) = stage();
    let foreign = directory.apply(command(20, grant("ben", image, "ben", 9)));
    assert_eq!(foreign, Err(Refusal::NotOwner { image, user: name("ben") }));
    let revoked = directory.apply(command(21, grant("anna", image, "ben", 0)));
    assert_eq!(revoked, Ok(Effect::Granted { views_left: 0, revision: 1 }));
    assert!(directory.apply(command(22, open("ben", image))).is_err());
    assert_eq!(
        directory.apply(command(23, open("anna", image))),
        Ok(Effect::Opened { image, key: key(1), views_left: None, revision: 1 })
    );
}

#[test]
fn strangers_and_oversized_fields_are_refused() {
    let (mut directory, image) = stage();
    assert_eq!(directory.apply(command(20, open("zoe", image))), Err(Refusal::NoSession));
    assert_eq!(directory.apply(command(21, record("zoe", &[], 1))), Err(Refusal::NoSession));
    let unknown = Err(Refusal::UnknownUser { user: name("zoe") });
    assert_eq!(directory.apply(command(22, record("anna", &[("zoe", 1)], 1))), unknown);
    assert_eq!(directory.apply(command(23, grant("anna", image, "zoe", 1))), unknown);
    let too_much = directory.apply(command(24, grant("anna", image, "ben", MAX_VIEWS + 1)));
    assert!(matches!(too_much, Err(Refusal::TooMuch { .. })), "{too_much:?}");
    let taken = directory.apply(command(25, register("anna")));
    assert_eq!(taken, Err(Refusal::NameTaken { user: name("anna") }));
}

#[test]
fn a_list_shows_what_one_owns_and_was_granted_page_by_page() {
    let (mut directory, image) = stage();
    directory.apply(command(20, record("ben", &[], 3))).unwrap();
    // His own first: he has never dealt with Anna.
    let all = directory.list(&name("ben"), None, 10);
    let seen: Vec<_> = all.lines.iter().map(|line| (line.image, line.views_left)).collect();
    assert_eq!((seen, all.next), (vec![(ImageId(request(20).0), None), (image, Some(2))], None));
    let first = directory.list(&name("ben"), None, 1);
    assert_eq!(first.lines, all.lines[..1]);
    assert_eq!(directory.list(&name("ben"), first.next, 10).lines, all.lines[1..]);
    assert!(directory.list(&name("carl"), None, 10).lines.is_empty());
}

#[test]
fn a_snapshot_comes_back_with_its_index() {
    let (directory, _) = stage();
    let copy = sections::copy(&directory);
    assert_eq!(copy, directory);
    assert_eq!(copy.hash().unwrap(), directory.hash().unwrap());
}

proptest! {
    /// Invariant 2, for any mixture of views, retries and changes of the grant.
    #[test]
    fn views_never_exceed_what_was_granted(
        steps in prop::collection::vec((0u8..3, 0u128..12, 0u32..4), 1..80)
    ) {
        let (mut directory, image) = stage();
        let mut first_answers = BTreeMap::new();
        let (mut granted, mut released) = (2u64, 0u64);
        for (what, number, views) in steps {
            let action = if what == 0 { grant("anna", image, "ben", views) } else { open("ben", image) };
            // Ids are reused on purpose: a retry, or another request under the same id.
            let command = command(1_000 + number, action.clone());
            let answer = directory.apply(command);
            match first_answers.get(&number) {
                None => {
                    match &answer {
                        Ok(Effect::Opened { .. }) => released += 1,
                        Ok(Effect::Granted { views_left, .. }) => granted += u64::from(*views_left),
                        _ => {}
                    }
                    first_answers.insert(number, (action, answer));
                }
                Some((first, given)) if *first == action => prop_assert_eq!(&answer, given),
                Some(_) => {
                    let reused = matches!(answer, Err(Refusal::RequestReused { .. }));
                    prop_assert!(reused, "{:?}", answer);
                }
            }
            prop_assert!(released <= granted);
            prop_assert_eq!(directory.image(image).unwrap().grants[&name("ben")].used, released);
        }
    }
}
