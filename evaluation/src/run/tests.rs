use super::*;
use crate::{
    assessment::assess,
    synthetic::{self, Plan},
};

/// Writes a made-up run as a load generator would.
fn written() -> (tempfile::TempDir, RunDirectory) {
    let (mut run, records) = Plan::leader_kill().run_and_records();
    let sample = |node| StageSample {
        node,
        stage: "fsync".into(),
        count: 7,
        p50_us: 812,
        p99_us: 4000,
        max_us: 12_000,
    };
    run.stages = (1..=3).map(sample).collect();
    let folder = tempfile::tempdir().unwrap();
    run.manifest.history = Some(synthetic::write(folder.path(), &run, &records));
    (folder, run)
}

#[test]
fn what_was_recorded_is_read_back() {
    let (folder, run) = written();
    let read = RunDirectory::open(folder.path()).unwrap();
    assert_eq!(read.scenario, run.scenario);
    assert_eq!(read.history, run.history);
    assert_eq!(read.events, run.events);
    assert_eq!(read.nodes, run.nodes);
    assert_eq!(read.stages, run.stages);
    assert_eq!(read.readback, run.readback);
    assert_eq!(assess(&read).judgement, assess(&run).judgement);
}

#[test]
fn node_samples_stages_and_readback_may_be_missing() {
    let (folder, run) = written();
    std::fs::remove_file(folder.path().join(file::NODES)).unwrap();
    std::fs::remove_file(folder.path().join(file::STAGES)).unwrap();
    std::fs::remove_file(folder.path().join(file::READBACK)).unwrap();
    let read = RunDirectory::read_records(folder.path(), run.scenario).unwrap();
    assert!(read.nodes.is_empty() && read.stages.is_empty() && read.readback.is_none());
}

#[test]
fn a_history_that_was_cut_or_exchanged_is_missed() {
    let (folder, run) = written();
    let path = folder.path().join(file::HISTORY);
    let flaw = || RunDirectory::read_records(folder.path(), run.scenario.clone()).unwrap().history_flaw;
    assert_eq!(flaw(), None);
    let whole = std::fs::read(&path).unwrap();
    // Exactly at the end of a record, where the reader sees nothing wrong.
    let last = {
        let mut at = 9;
        let mut last = at;
        while at < whole.len() {
            last = at;
            at += 4 + u32::from_be_bytes(whole[at..at + 4].try_into().unwrap()) as usize;
        }
        last
    };
    std::fs::write(&path, &whole[..last]).unwrap();
    assert!(flaw().unwrap().contains("records were made"), "{:?}", flaw());
    // A name in a record, which is as readable when it is another.
    let mut other = whole.clone();
    let name = other.windows(4).position(|bytes| bytes == b"anna").unwrap();
    other[name + 3] = b'e';
    std::fs::write(&path, &other).unwrap();
    assert!(flaw().unwrap().contains("not those that were made"), "{:?}", flaw());
    std::fs::write(&path, &whole).unwrap();
    let mut manifest = run.manifest.clone();
    manifest.history = None;
    manifest.write(&folder.path().join(file::MANIFEST)).unwrap();
    assert!(flaw().unwrap().contains("did not count"));
}

#[test]
fn damage_is_an_error_that_names_the_file() {
    let (folder, run) = written();
    for name in [file::HISTORY, file::EVENTS, file::MANIFEST, file::STAGES, file::READBACK] {
        let path = folder.path().join(name);
        let good = std::fs::read(&path).unwrap();
        std::fs::write(&path, b"neither one thing nor the other\n\xff").unwrap();
        let error = RunDirectory::read_records(folder.path(), run.scenario.clone()).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        std::fs::write(&path, good).unwrap();
    }
}
