//! Any bytes as a frame of a client or of a node, as a request or as an answer: read or refused, for a small multiple of their
//! length in memory, and what was read is written and read again the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use peak_alloc::PeakAlloc;
use serde::{Serialize, de::DeserializeOwned};
use veil::{
    consensus::{PeerAnswer, PeerRequest},
    wire::{
        client::{Answer, Asked},
        foreign::{GROWTH, ROOM},
        frame::{Envelope, from_frame, to_frame},
    },
};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// Lists grow by doubling, and lie in two places while they do.
const DOUBLING: usize = 3;

fn read<T: DeserializeOwned + Serialize>(frame: &[u8]) {
    let before = ALLOCATED.current_usage();
    ALLOCATED.reset_peak_usage();
    let decoded = from_frame::<Envelope<T>>(frame);
    let peak = ALLOCATED.peak_usage().saturating_sub(before);
    assert!(peak <= DOUBLING * (ROOM + GROWTH * frame.len()), "{} bytes take {peak}", frame.len());
    if let Ok(decoded) = decoded {
        let written = to_frame(&decoded).expect("it was read");
        let again = from_frame::<Envelope<T>>(&written).expect("it was written");
        assert_eq!(to_frame(&again).expect("it was read"), written);
    }
}

fuzz_target!(|data: &[u8]| {
    read::<Asked>(data);
    read::<Answer>(data);
    read::<PeerRequest>(data);
    read::<PeerAnswer>(data);
});
