//! A small run directory with changes: whatever comes of it, it is a report or an error, and soon.

use std::path::Path;

use evaluation::{
    assessment::assess,
    figure,
    report::{self, summary::Summary, terminal},
    run::RunDirectory,
};
use loadgen::{
    record::{Call, EventKind, Outcome, Record, Reply, file, write_events},
    scenario::OperationKind,
};
use proptest::{collection::vec, prelude::*, sample::select};

use super::small::{self, Small};

const RECORDED: [&str; 7] =
    [file::SCENARIO, file::MANIFEST, file::HISTORY, file::EVENTS, file::NODES, file::STAGES, file::READBACK];

/// What may stand where a number did.
const NUMBERS: [&str; 14] = [
    "inf",
    "-inf",
    "NaN",
    "0",
    "-1",
    "1e308",
    "-1e308",
    "1e-308",
    "100000",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "",
    "0.0000000001",
];

#[derive(Debug, Clone)]
enum Change {
    Byte(usize, u8),
    Cut(usize),
    Insert(usize, Vec<u8>),
    /// The line at that place, so many times.
    Repeat(usize, usize),
    /// The number at that place is another one.
    Number(usize, &'static str),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let place = |place: usize, bytes: &[u8]| place % bytes.len().max(1);
        match self {
            Self::Byte(at, byte) => {
                let at = place(*at, bytes);
                if let Some(there) = bytes.get_mut(at) {
                    *there = *byte;
                }
            }
            Self::Cut(at) => bytes.truncate(place(*at, bytes)),
            Self::Insert(at, more) => {
                let at = place(*at, bytes);
                bytes.splice(at..at, more.iter().copied());
            }
            Self::Repeat(at, times) => {
                let mut lines: Vec<Vec<u8>> =
                    bytes.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
                if !lines.is_empty() {
                    let line = lines[at % lines.len()].clone();
                    let at = at % lines.len();
                    lines.splice(at..at, std::iter::repeat_n(line, *times));
                }
                *bytes = lines.concat();
            }
            Self::Number(which, number) => {
                let Ok(text) = std::str::from_utf8(bytes) else { return };
                let is_part = |c: char| c.is_ascii_digit() || c == '.' || c == '-';
                let starts: Vec<usize> = text
                    .char_indices()
                    .filter(|(at, c)| c.is_ascii_digit() && !text[..*at].ends_with(is_part))
                    .map(|(at, _)| at)
                    .collect();
                if !starts.is_empty() {
                    let from = starts[which % starts.len()];
                    let to = text[from..].find(|c| !is_part(c)).map_or(text.len(), |length| from + length);
                    *bytes = [&text[..from], number, &text[to..]].concat().into_bytes();
                }
            }
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        any::<usize>().prop_map(Change::Cut),
        (any::<usize>(), vec(any::<u8>(), 1..20)).prop_map(|(at, more)| Change::Insert(at, more)),
        (any::<usize>(), 1usize..200).prop_map(|(at, times)| Change::Repeat(at, times)),
        (any::<usize>(), select(NUMBERS.to_vec())).prop_map(|(at, number)| Change::Number(at, number)),
    ]
}

/// Reads, assesses, and says it in words; draws it too, if told so. Whether it can be read.
fn evaluate(path: &Path, draw: bool) -> bool {
    let Ok(run) = RunDirectory::open(path) else { return false };
    let assessment = assess(&run);
    let json = Summary::of(&run, &assessment).to_json();
    serde_json::from_str::<serde_json::Value>(&json).unwrap();
    assert!(!terminal::render(&assessment, path).is_empty());
    if draw {
        figure::all(&run, &assessment).unwrap();
        report::write(path, &run, &assessment).unwrap();
    }
    true
}

#[test]
fn what_is_not_changed_can_be_evaluated() {
    assert!(evaluate(&Small::new().path(), true));
}

fn time() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => -1_000_000_000i64..3_000_000_000,
        2 => select(vec![0, -1, 1, 180_000_000_000_000, -180_000_000_000_000]),
        1 => select(vec![i64::MAX, i64::MIN]),
    ]
}

fn record() -> impl Strategy<Value = Record> {
    let name = || select(vec!["anna".to_owned(), String::new(), "ben\u{1b}".to_owned()]);
    let image = || (0u128..3).prop_map(veil::directory::ImageId);
    let call = prop_oneof![
        name().prop_map(|user| Call::Register { user }),
        name().prop_map(|user| Call::Discover { user }),
        (name(), image()).prop_map(|(viewer, image)| Call::View { viewer, image }),
        (name(), vec((name(), any::<u32>()), 0..3)).prop_map(|(owner, grants)| Call::Seal {
            owner,
            grants,
            digest: [1; 32]
        }),
        (name(), image(), name(), any::<u32>()).prop_map(|(owner, image, viewer, views)| Call::Grant {
            owner,
            image,
            viewer,
            views
        }),
    ];
    let outcome = prop_oneof![
        Just(Outcome::Ok(Reply::Registered)),
        image().prop_map(|image| Outcome::Ok(Reply::Sealed { image, intact: Some(false) })),
        any::<u32>().prop_map(|views_left| Outcome::Ok(Reply::Viewed { views_left, intact: None })),
        Just(Outcome::Ok(Reply::Refused)),
        Just(Outcome::Failed("no".to_owned())),
        Just(Outcome::Unknown("late".to_owned())),
    ];
    prop_oneof![
        2 => (0u64..40, time(), time(), call).prop_map(|(op, due_ns, at_ns, call)| {
            Record::Invoke { op, due_ns, at_ns, call }
        }),
        2 => (0u64..40, time(), outcome).prop_map(|(op, at_ns, outcome)| Record::Complete { op, at_ns, outcome }),
        1 => (40u64..80, time(), select(OperationKind::ALL.to_vec()))
            .prop_map(|(op, due_ns, kind)| Record::Shed { op, due_ns, kind }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_file_is_evaluated_or_refused(
        name in select(RECORDED.to_vec()),
        changes in vec(change(), 1..4),
    ) {
        let small = Small::new();
        let mut bytes = std::fs::read(small.file(name)).unwrap();
        changes.iter().for_each(|change| change.apply(&mut bytes));
        std::fs::write(small.file(name), bytes).unwrap();
        evaluate(&small.path(), false);
    }
}

proptest! {
    // Painting takes its time.
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_and_any_events_are_drawn_or_refused(
        records in vec(record(), 0..40),
        events in vec(
            (select(vec![EventKind::Fault, EventKind::Heal, EventKind::Leader]), 0u64..5, -2.0f64..6.0, 0usize..4),
            0..12,
        ),
        texts in vec((select(vec![file::NODES, file::STAGES, file::MANIFEST, file::SCENARIO]), change()), 0..2),
    ) {
        let small = Small::new();
        // Only records that follow one another are a history at all.
        let mut begun = std::collections::HashMap::new();
        let told: Vec<Record> = records
            .into_iter()
            .filter(|record| match record {
                Record::Complete { op, .. } => begun.insert(*op, true) == Some(false),
                other => !begun.contains_key(&other.op()) && begun.insert(other.op(), false).is_none(),
            })
            .collect();
        small.history(&told);
        let path = small.file(file::SCENARIO);
        let more = "[[fault]]\nat = \"1s\"\ndo = \"pause\"\n".repeat(3);
        std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + &more).unwrap();
        let events: Vec<_> = events
            .into_iter()
            .map(|(kind, node, at_s, fault)| {
                let mut event = small::event(kind, node, at_s);
                event.fault = event.fault.map(|_| fault);
                event.completed_s += at_s.abs() / 3.0;
                event
            })
            .collect();
        write_events(&small.file(file::EVENTS), &events).unwrap();
        for (name, change) in texts {
            let mut bytes = std::fs::read(small.file(name)).unwrap();
            change.apply(&mut bytes);
            std::fs::write(small.file(name), bytes).unwrap();
        }
        evaluate(&small.path(), true);
    }
}
