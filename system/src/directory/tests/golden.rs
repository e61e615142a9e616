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
    };
    let parts = [&[1, b'a'][..], &wrapped, &[0, 4], &[9; 32], &[5, 1, 1, b'b', 2, 3], &[0xbb; 32]];
    assert_eq!(codec::encode(&image).unwrap(), parts.concat());
}

#[test]
fn golden_bytes_of_a_session() {
    let began = Session { user: name("a"), device: "pc".to_owned(), began_ms: 7, expires_ms: 9 };
    assert_eq!(codec::encode(&began).unwrap(), [1, b'a', 2, b'p', b'c', 7, 9]);
}
