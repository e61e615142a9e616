//! Any 28 bytes as a header, under the right checksum: read or refused, and what was read is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use veil::stego::layout::{HEADER_LEN, Header};

fuzz_target!(|data: &[u8]| {
    let mut bytes = [0; HEADER_LEN];
    let len = data.len().min(HEADER_LEN);
    bytes[..len].copy_from_slice(&data[..len]);
    // As it is, and then with the checksum put right, which no fuzzer guesses.
    let _ = Header::from_bytes(&bytes);
    let crc = crc32fast::hash(&bytes[..HEADER_LEN - 4]);
    bytes[HEADER_LEN - 4..].copy_from_slice(&crc.to_le_bytes());
    if let Ok(header) = Header::from_bytes(&bytes) {
        assert_eq!(header.to_bytes(), bytes);
    }
});
