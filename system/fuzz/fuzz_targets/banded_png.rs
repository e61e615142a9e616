//! The reader of files as Veil writes them: a file is changed as the input says, its chunks' checksums are put right,
//! and it is read, its front by itself too, and its block replaced.
#![no_main]

mod changes;

use libfuzzer_sys::fuzz_target;
use veil::stego::layout::{self, Front, START_LEN, TAIL_LEN};

fuzz_target!(|data: &[u8]| {
    let file = changes::changed(data);
    let tail = &file[file.len().saturating_sub(TAIL_LEN)..];
    let start = &file[..file.len().min(START_LEN)];
    if let Ok(Some(len)) = Front::len_of(start) {
        let front = &file[..file.len().min(len)];
        let _ = Front::read(front, tail);
        if let Ok(whole) = Front::recover(front, tail) {
            let patches = whole.replace(front, file.len() as u64, b"the next block").expect("it fits");
            assert!(patches.iter().all(|patch| patch.at as usize + patch.bytes.len() <= file.len()));
        }
    }
    let read = layout::read(&file);
    if let Ok(rewritten) = layout::rewrite(&file, b"the next block") {
        let next = layout::read(&rewritten);
        if let (Ok(read), Ok(next)) = (read, next) {
            assert_eq!((&next.block[..], next.body), (&b"the next block"[..], read.body));
        }
    }
});
