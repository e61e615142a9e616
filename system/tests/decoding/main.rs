//! Whatever is sent: to decode it takes a small multiple of its length in memory. Every request and answer, of clients and of
//! nodes.
//!
//! In a program of its own, with one test: everything that is allocated meanwhile is counted.

use peak_alloc::PeakAlloc;
use proptest::{prelude::*, test_runner::TestRunner};
use serde::de::DeserializeOwned;
use veil::{
    consensus::{PeerAnswer, PeerRequest},
    wire::{
        client::{Answer, Asked},
        codec,
        foreign::{GROWTH, ROOM},
        frame::{Envelope, from_frame},
    },
};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// Lists grow by doubling, and lie in two places while they do.
const DOUBLING: usize = 3;

/// How much is allocated at most while something is decoded.
fn peak_of<T>(decode: impl FnOnce() -> T) -> usize {
    let before = ALLOCATED.current_usage();
    ALLOCATED.reset_peak_usage();
    let decoded = decode();
    let peak = ALLOCATED.peak_usage();
    drop(decoded);
    peak.saturating_sub(before)
}

fn peak<T: DeserializeOwned>(frame: &[u8]) -> usize {
    peak_of(|| from_frame::<Envelope<T>>(frame))
}

fn check(frame: &[u8]) -> Result<(), TestCaseError> {
    let limit = DOUBLING * (ROOM + GROWTH * frame.len());
    for (what, peak) in [
        ("request", peak::<Asked>(frame)),
        ("answer", peak::<Answer>(frame)),
        ("request of a node", peak::<PeerRequest>(frame)),
        ("answer of a node", peak::<PeerAnswer>(frame)),
    ] {
        prop_assert!(
            peak <= limit,
            "a {what} of {} bytes takes {peak}, the limit is {limit}: {:?}",
            frame.len(),
            &frame[..frame.len().min(64)]
        );
    }
    Ok(())
}

/// The beginning of a message, as likely as not, and then a list that says it is long, of elements as short as can be.
fn bomb() -> impl Strategy<Value = Vec<u8>> {
    let beginning = proptest::collection::vec(prop_oneof![8 => 0..40u8, 1 => any::<u8>()], 1..24);
    let length = prop_oneof![
        Just(vec![251, 0xff, 0xff]),
        Just(vec![252, 0xff, 0xff, 0xff, 0]),
        Just([&[253][..], &[0xff; 4], &[0; 4]].concat()),
    ];
    let element = proptest::collection::vec(
        prop_oneof![6 => Just(0), 2 => 1..6u8, 1 => 97..123u8, 1 => 251..253u8],
        1..6,
    );
    (beginning, length, element, 0..30_000usize).prop_map(|(mut bytes, length, element, count)| {
        bytes.extend(length);
        bytes.extend(element.repeat(count));
        bytes
    })
}

/// Of each request and answer, one that begins as it does and is then a list of nothing.
fn each() -> impl Iterator<Item = Vec<u8>> {
    (0..2u8).flat_map(|first| {
        (0..64u8).flat_map(move |kind| (0..40u8).map(move |next| vec![1, first, kind, next]))
    })
}

#[test]
fn what_is_decoded_takes_a_small_multiple_of_its_length() {
    for beginning in each() {
        for length in [&[251, 0xff, 0xff][..], &[252, 0xff, 0xff, 0xff, 0]] {
            let frame = [&beginning[..], length, &vec![0; 60_000]].concat();
            check(&frame).unwrap();
            let frame = [&beginning[..2], length, &vec![0; 60_000]].concat();
            check(&frame).unwrap();
        }
    }
    // Half a million of the shortest records: 2 bytes each on the wire, and hundreds in memory.
    let restore = [&[1, 0, 2, 1, 21, 252][..], &500_000u32.to_le_bytes(), &[0; 1_000_000]].concat();
    check(&restore).unwrap();
    let dump = [&[1, 0, 33, 0, 252][..], &500_000u32.to_le_bytes(), &[0; 1_000_000]].concat();
    check(&dump).unwrap();
    // That this is not so by itself: what reads our own disk makes much of it.
    let trusting = peak_of(|| codec::decode::<Envelope<Answer>>(&dump));
    assert!(trusting > 2 * DOUBLING * (ROOM + GROWTH * dump.len()), "{trusting} bytes");
    let avoid = [&[1, 0, 3, 252][..], &1_000_000u32.to_le_bytes(), &[0; 1_000_000]].concat();
    check(&avoid).unwrap();
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner.run(&bomb(), |frame| check(&frame)).unwrap();
}
