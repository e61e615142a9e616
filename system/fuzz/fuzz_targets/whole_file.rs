//! Any bytes as a file, and a file changed as the input says: taken apart, opened, used as a cover.
#![no_main]

mod changes;

use libfuzzer_sys::fuzz_target;
use veil::{
    seal::{ContentKey, SealedFile, check_hidden},
    stego::Cover,
};

fuzz_target!(|data: &[u8]| {
    let changed = changes::changed(data);
    for file in [data, &changed] {
        let _ = check_hidden(file);
        if let Ok(sealed) = SealedFile::read(file) {
            // What was sealed comes back, or nothing does.
            if let Ok(original) = sealed.open(&ContentKey::from_bytes(changes::KEY)) {
                assert_eq!(original, changes::ORIGINAL);
            }
        }
    }
    // As a cover: however large it says it is, what comes of it is bounded.
    if let Ok(cover) = Cover::decode(data) {
        assert!(cover.raster().channels().len() as u64 <= 3 * veil::stego::MAX_PIXELS);
    }
});
