//! The same values as bincode, and none of what bincode would make of a few bytes.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;
use crate::{
    consensus::{PeerAnswer, PeerRequest},
    directory::{Hex, ImageId, MAX_GRANTS, MAX_RECORDS, Record, RequestId, Restore, UserName, UserRecord},
    wire::{
        client::{Answer, Asked, Change, Member, MemberRole, NewImage, Reply, Request},
        codec,
        frame::{Envelope, from_frame},
    },
};

/// Every kind of value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    small: (u8, i8, bool, ()),
    unsigned: (u16, u32, u64, u128),
    signed: (i16, i32, i64, i128),
    real: (f32, f64),
    text: Option<String>,
    bytes: bytes::Bytes,
    list: Vec<Choice>,
    map: BTreeMap<String, Box<[u8; 3]>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Choice {
    Nothing,
    New(u64),
    Pair(u8, i64),
    Named { value: Option<bool> },
}

fn choice() -> impl Strategy<Value = Choice> {
    prop_oneof![
        Just(Choice::Nothing),
        any::<u64>().prop_map(Choice::New),
        any::<(u8, i64)>().prop_map(|(a, b)| Choice::Pair(a, b)),
        any::<Option<bool>>().prop_map(|value| Choice::Named { value }),
    ]
}

prop_compose! {
    fn everything()(
        (a, b, c) in any::<(u8, i8, bool)>(),
        unsigned in any::<(u16, u32, u64, u128)>(),
        signed in any::<(i16, i32, i64, i128)>(),
        real in (-1e9f32..1e9, -1e9f64..1e9),
        text in proptest::option::of(".{0,300}"),
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        list in proptest::collection::vec(choice(), 0..300),
        map in proptest::collection::btree_map(".{0,9}", any::<[u8; 3]>().prop_map(Box::new), 0..9),
    ) -> Everything {
        Everything { small: (a, b, c, ()), unsigned, signed, real, text, bytes: bytes.into(), list, map }
    }
}

/// Bytes as those of messages: small numbers, and now and then the mark of a larger one.
fn likely() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![9 => 0..40u8, 1 => 251..=254u8, 1 => any::<u8>()];
    proptest::collection::vec(byte, 0..200)
}

/// What bincode makes of bytes, this makes too, and nothing else.
fn alike<T: DeserializeOwned + Serialize + std::fmt::Debug>(bytes: &[u8]) -> Result<(), TestCaseError> {
    match (codec::decode::<T>(bytes), decode::<T>(bytes)) {
        (Ok(theirs), Ok(ours)) => {
            prop_assert_eq!(codec::encode(&theirs).unwrap(), codec::encode(&ours).unwrap());
        }
        (Err(_), Err(_))
        | (Ok(_), Err(Malformed::Grows { .. } | Malformed::Nested | Malformed::Value(_))) => {}
        (theirs, ours) => prop_assert!(false, "{theirs:?} and {ours:?}"),
    }
    Ok(())
}

proptest! {
    #[test]
    fn whatever_is_written_is_read(value in everything()) {
        let bytes = codec::encode(&value).unwrap();
        prop_assert_eq!(decode::<Everything>(&bytes).unwrap(), value);
        // Not a byte less, not a byte more.
        prop_assert!(decode::<Everything>(&bytes[..bytes.len() - 1]).is_err());
        let more = [&bytes[..], &[0]].concat();
        prop_assert_eq!(decode::<Everything>(&more), Err(Malformed::Trailing { extra: 1 }));
    }

    #[test]
    fn bytes_mean_what_they_mean_to_bincode(bytes in likely()) {
        alike::<Everything>(&bytes)?;
        alike::<Envelope<Asked>>(&bytes)?;
        alike::<Envelope<Answer>>(&bytes)?;
        alike::<Envelope<PeerRequest>>(&bytes)?;
        alike::<Envelope<PeerAnswer>>(&bytes)?;
    }
}

#[test]
fn answers_within_answers_end_before_the_stack_does() {
    // `Stale`, without an age, around another one, and so on.
    let nested = |levels: usize| [&[0][..], &[34, 0].repeat(levels), &[23]].concat();
    let once = decode::<Answer>(&nested(1)).unwrap();
    assert_eq!(once, Ok(Reply::Stale { age_ms: None, reply: Box::new(Reply::Done) }));
    for levels in [DEPTH, 1_000, 10_000_000] {
        assert_eq!(decode::<Answer>(&nested(levels)), Err(Malformed::Nested));
    }
    // So does whatever reads a frame.
    let frame = [&[1][..], &nested(1_000)].concat();
    assert!(matches!(from_frame::<Envelope<Answer>>(&frame), Err(Malformed::Nested)));
}

#[test]
fn a_list_is_refused_at_its_limit_and_before_it_has_grown() {
    let avoid = |count| codec::encode(&Request::AssignWorker { avoid: vec![0; count] }).unwrap();
    assert!(decode::<Request>(&avoid(64)).is_ok());
    let refused = decode::<Request>(&avoid(65)).unwrap_err().to_string();
    assert_eq!(refused, "a list of more than 64 elements");
    // Lists that nobody has given a limit have that of all messages.
    let role = MemberRole { member: Member::default(), voter: true };
    let members: Answer = Ok(Reply::Members(vec![role; 10_000]));
    let refused = decode::<Answer>(&codec::encode(&members).unwrap()).unwrap_err();
    assert!(matches!(refused, Malformed::Grows { .. }), "{refused}");
}

#[test]
fn every_list_and_map_in_a_request_has_a_limit_of_its_own() {
    let request = RequestId(1);
    let (owner, original): (UserName, _) = ("anna".parse().unwrap(), bytes::Bytes::new());
    let seal = |count: usize| {
        let grants = (0..count).map(|number| (format!("u{number}").parse().unwrap(), 1)).collect();
        let image = NewImage { grants, ..NewImage::of(owner.clone()) };
        Request::Seal { request, image, original: original.clone() }
    };
    let seal_for_groups = |count: usize| {
        let group_grants = (0..count).map(|number| (format!("g{number}").parse().unwrap(), 1)).collect();
        let image = NewImage { group_grants, ..NewImage::of(owner.clone()) };
        Request::Seal { request, image, original: original.clone() }
    };
    let announce = |count| Request::Announce { address: "h:1".to_owned(), offers: vec![ImageId(1); count] };
    let restore = |count| {
        // Long enough that so many may be made of the message.
        let record = UserRecord {
            user: owner.clone(),
            registered_ms: 1,
            key: Hex(vec![1; 200]),
            password_hash: None,
            credentials: 0,
            blocked: Vec::new(),
        };
        let change = Change::Restore(Restore { records: vec![Record::User(record); count] });
        Request::Execute { request, change }
    };
    let check = |at_limit: Request, beyond: Request, said: &str| {
        let read = |request: &Request| decode::<Request>(&codec::encode(request).unwrap());
        assert_eq!(read(&at_limit), Ok(at_limit));
        assert_eq!(read(&beyond), Err(Malformed::Value(said.to_owned())));
    };
    check(seal(4 * MAX_GRANTS), seal(4 * MAX_GRANTS + 1), "a map of more than 192 entries");
    check(
        seal_for_groups(4 * MAX_GRANTS),
        seal_for_groups(4 * MAX_GRANTS + 1),
        "a map of more than 192 entries",
    );
    check(announce(4_096), announce(4_097), "a list of more than 4096 elements");
    check(restore(2 * MAX_RECORDS), restore(2 * MAX_RECORDS + 1), "a list of more than 1000 elements");
}

#[test]
fn lengths_are_not_believed() {
    // 253: a number of eight bytes follows.
    let mut bytes = vec![253];
    bytes.extend((1u64 << 46).to_le_bytes());
    let expected = Malformed::Ended { needed: 1 << 46, left: 0 };
    assert_eq!(decode::<bytes::Bytes>(&bytes), Err(expected.clone()));
    assert_eq!(decode::<String>(&bytes), Err(expected));
    // Elements of no size end, too.
    assert!(matches!(decode::<Vec<()>>(&bytes), Err(Malformed::Grows { .. })));
}
