//! A small run directory of which one file is any bytes, or is changed as the input says: it is evaluated or refused, for
//! a bounded amount of memory.
#![no_main]

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/foreign/small.rs"]
mod small;

use std::{path::Path, sync::LazyLock};

use evaluation::{
    assessment::assess,
    figure,
    report::{summary::Summary, terminal},
    run::RunDirectory,
};
use libfuzzer_sys::fuzz_target;
use loadgen::record::file;
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// What every run takes: a picture while it is painted, and a bucket for each tenth of a second that a run can last.
const ROOM: usize = 1 << 30;

const RECORDED: [&str; 7] =
    [file::SCENARIO, file::MANIFEST, file::HISTORY, file::EVENTS, file::NODES, file::STAGES, file::READBACK];

/// The run directory, made once.
static RUN: LazyLock<small::Small> = LazyLock::new(small::Small::new);
/// What its files hold.
static GOOD: LazyLock<Vec<Vec<u8>>> =
    LazyLock::new(|| RECORDED.map(|name| std::fs::read(RUN.file(name)).expect("it was written")).into());

fuzz_target!(|data: &[u8]| {
    let Some((&how, data)) = data.split_first() else { return };
    let (which, anew, draw) = (usize::from(how) % RECORDED.len(), how & 0x40 != 0, how & 0x80 != 0);
    let good = &GOOD[which];
    let bytes = if anew { data.to_vec() } else { changed(good.clone(), data) };
    let path = RUN.file(RECORDED[which]);
    std::fs::write(&path, bytes).expect("there is room");
    ALLOCATED.reset_peak_usage();
    evaluate(&RUN.path(), draw);
    assert!(ALLOCATED.peak_usage() <= ROOM, "{} bytes were allocated", ALLOCATED.peak_usage());
    std::fs::write(&path, good).expect("there is room");
});

fn evaluate(path: &Path, draw: bool) {
    let Ok(run) = RunDirectory::open(path) else { return };
    let assessment = assess(&run);
    assert!(Summary::of(&run, &assessment).to_json().len() > 2);
    assert!(!terminal::render(&assessment, path).is_empty());
    if draw {
        // Figures that would be too high are refused.
        let _ = figure::all(&run, &assessment);
    }
}

/// A file after the changes, five bytes of `data` each: a place of 24 bits, a value, and what to do there: put the value
/// in thrice, take that many bytes out, cut the file off, or set the byte.
fn changed(mut file: Vec<u8>, data: &[u8]) -> Vec<u8> {
    for change in data.as_chunks::<5>().0 {
        let [a, b, c, value, how] = *change;
        let at = (usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)) % file.len().max(1);
        match how % 8 {
            0 => drop(file.splice(at..at, [value; 3])),
            1 => drop(file.drain(at..file.len().min(at + usize::from(value)))),
            2 => file.truncate(at.max(16)),
            _ => file[at] = value,
        }
        if file.is_empty() {
            break;
        }
    }
    file
}
