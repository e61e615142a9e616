//! Whatever is split among generators comes back whole.

use std::time::UNIX_EPOCH;

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;
use crate::{
    record::{Call, LatencyLine, Outcome, Record, Reply},
    scenario::{OperationKind, OutcomeKind},
};

fn started() -> SystemTime {
    UNIX_EPOCH + std::time::Duration::from_secs(1_790_000_000)
}

/// Writes each history into a part of its own, merges them, and reads the result.
fn merged(parts: &[Vec<Record>]) -> Vec<Record> {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..parts.len()).map(|part| folder.path().join(part.to_string())).collect();
    for (path, records) in paths.iter().zip(parts) {
        let mut writer = HistoryWriter::create(path).unwrap();
        records.iter().for_each(|record| writer.append(record).unwrap());
        writer.finish().unwrap();
    }
    let into = folder.path().join("all");
    merge_histories(&paths, &into).unwrap();
    HistoryReader::open(&into).unwrap().collect::<Result<_, _>>().unwrap()
}

/// What an operation leaves in a history: one record or two.
#[derive(Debug, Clone)]
enum Told {
    Shed,
    Sent,
    Ended { after: u64, outcome: Outcome },
}

fn told() -> impl Strategy<Value = Told> {
    let outcome = select(vec![
        Outcome::Ok(Reply::Registered),
        Outcome::Failed("refused".to_owned()),
        Outcome::Unknown("no answer".to_owned()),
    ]);
    let ended = (0u64..5_000, outcome).prop_map(|(after, outcome)| Told::Ended { after, outcome });
    prop_oneof![1 => Just(Told::Shed), 1 => Just(Told::Sent), 8 => ended]
}

/// The records of some operations, each with its time, in the order in which they were made up.
fn records(operations: Vec<(i64, Told)>) -> Vec<(i64, Record)> {
    let mut records = Vec::new();
    for (op, (at_ns, told)) in (0..).zip(operations) {
        let due_ns = at_ns;
        let invoke = Record::Invoke { op, due_ns, at_ns, call: Call::Register { user: format!("u{op}") } };
        match told {
            Told::Shed => {
                records.push((due_ns, Record::Shed { op, due_ns, kind: OperationKind::Register }));
            }
            Told::Sent => records.push((at_ns, invoke)),
            Told::Ended { after, outcome } => {
                let end_ns = at_ns + after as i64;
                records.push((at_ns, invoke));
                records.push((end_ns, Record::Complete { op, at_ns: end_ns, outcome }));
            }
        }
    }
    records
}

/// Each operation goes whole to one part.
fn split(records: &[Record], of: u64) -> Vec<Vec<Record>> {
    (0..of).map(|part| records.iter().filter(|r| r.op() % of == part).cloned().collect()).collect()
}

fn sorted(records: &[Record]) -> Vec<String> {
    let mut texts: Vec<String> = records.iter().map(|record| format!("{record:?}")).collect();
    texts.sort_unstable();
    texts
}

proptest! {
    #[test]
    fn a_history_that_was_split_comes_back(
        operations in vec((-1_000i64..20_000, told()), 0..60),
        of in 1u64..=16,
    ) {
        let mut history = records(operations);
        history.sort_by_key(|(at_ns, record)| (*at_ns, record.op()));
        // What happens at one time may stand in either order: here nothing does.
        history.dedup_by_key(|(at_ns, _)| *at_ns);
        let history: Vec<Record> = history.into_iter().map(|(_, record)| record).collect();
        prop_assert_eq!(merged(&split(&history, of)), history);
    }

    #[test]
    fn records_out_of_order_are_all_kept_and_those_of_a_part_keep_theirs(
        operations in vec((-1_000i64..20_000, told()), 0..60),
        of in 1u64..=16,
    ) {
        let history: Vec<Record> = records(operations).into_iter().map(|(_, record)| record).collect();
        let parts = split(&history, of);
        let together = merged(&parts);
        prop_assert_eq!(sorted(&together), sorted(&history));
        prop_assert_eq!(split(&together, of), parts);
    }
}

proptest! {
    // Histograms over an hour of nanoseconds are large.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn latencies_that_were_split_add_up_exactly(
        mut ended in vec((-1i64..8_000_000_000, 0u64..4_000_000_000, select(OperationKind::ALL.to_vec()),
            select(OutcomeKind::ALL.to_vec()), 0usize..16), 0..200),
        of in 1usize..=16,
    ) {
        ended.sort_by_key(|(at_ns, ..)| *at_ns);
        let folder = tempfile::tempdir().unwrap();
        let path = |name: String| folder.path().join(name);
        let log = |path: &Path, part: Option<usize>| {
            let mut log = LatencyLog::create(path, started()).unwrap();
            for (at_ns, latency_ns, kind, outcome, whose) in &ended {
                if part.is_none_or(|part| whose % of == part) {
                    log.record(*kind, *outcome, *at_ns, *latency_ns).unwrap();
                }
            }
            log.finish().unwrap();
        };
        let one = path("one".to_owned());
        log(&one, None);
        let parts: Vec<PathBuf> = (0..of).map(|part| path(part.to_string())).collect();
        parts.iter().enumerate().for_each(|(part, path)| log(path, Some(part)));
        let all = path("all".to_owned());
        merge_latencies(&parts, &all, started()).unwrap();
        // Not only equal: the same file.
        prop_assert_eq!(fs::read_to_string(all).unwrap(), fs::read_to_string(one).unwrap());
    }
}

fn lines(path: &Path) -> Vec<LatencyLine> {
    LatencyLines::of(path, &fs::read(path).unwrap()).collect::<Result<_, _>>().unwrap()
}

#[test]
fn what_a_killed_generator_left_is_merged_as_far_as_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let part = |name: &str| {
        let part = folder.path().join(name);
        fs::create_dir(&part).unwrap();
        part
    };
    let shed = |op| Record::Shed { op, due_ns: op as i64, kind: OperationKind::Seal };
    let record = |part: &Path, ops: &[u64]| {
        let mut history = HistoryWriter::create(&part.join(file::HISTORY)).unwrap();
        let mut log = LatencyLog::create(&part.join(file::LATENCY), started()).unwrap();
        for op in ops {
            history.append(&shed(*op)).unwrap();
            log.record(OperationKind::Seal, OutcomeKind::Ok, *op as i64 * 1_000_000_000, 7).unwrap();
        }
        history.finish().unwrap();
        log.finish().unwrap();
    };
    let (whole, cut, begun, never) = (part("whole"), part("cut"), part("begun"), part("never"));
    record(&whole, &[0, 3]);
    record(&cut, &[1, 2]);
    for name in [file::HISTORY, file::LATENCY] {
        let bytes = fs::read(cut.join(name)).unwrap();
        fs::write(cut.join(name), &bytes[..bytes.len() - 2]).unwrap();
        fs::write(begun.join(name), "").unwrap();
    }
    let run = part("run");
    merge(&[whole, cut, begun, never], &run, started()).unwrap();
    let history: Vec<Record> =
        HistoryReader::open(&run.join(file::HISTORY)).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(history, [shed(0), shed(1), shed(3)]);
    let intervals: Vec<u64> = lines(&run.join(file::LATENCY)).iter().map(|line| line.interval).collect();
    assert_eq!(intervals, [0, 1, 3]);
}

#[test]
fn a_damaged_log_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latency.hlog");
    for (text, wrong) in [
        ("Tag=view.lost,0.000,1.000,1.000,HISTFAAA\n", "the tag \"view.lost\" is not an operation"),
        ("Tag=view.ok,0.000,1.000,1.000,!\n", "Invalid symbol"),
        ("gibberish\n", "ParseError { offset: 0 }"),
    ] {
        fs::write(&path, text).unwrap();
        let error = merge_latencies(std::slice::from_ref(&path), &folder.path().join("all"), started());
        let error = error.unwrap_err().to_string();
        assert!(error.contains("latency.hlog: ") && error.contains(wrong), "{error}");
    }
}
