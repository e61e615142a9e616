//! Numbers that no run has: each is refused, by file, field, value and limit.

use loadgen::record::{
    Call, Counted, EventKind, GrantState, HistoryCount, ImageState, NodeLimits, NodeReadback, Outcome,
    Readback, Record, Reply, file, write_events, write_node_samples, write_stage_samples,
};

use super::{
    refused,
    small::{self, Small},
};

fn says(error: &str, parts: &[&str]) {
    for part in parts {
        assert!(error.contains(part), "{part:?} is not in {error}");
    }
}

#[test]
fn a_time_that_is_no_time_is_refused() {
    for value in ["inf", "-inf", "NaN", "1e300", "-1e300"] {
        let small = Small::new();
        small.replace(file::EVENTS, "1.25,1.25", &format!("1.25,{value}"));
        let error = refused(&small.path());
        says(&error, &["events.csv", "row 3", "completed_s", value.trim_end_matches("e300"), "limit"]);
        let small = Small::new();
        small.replace(file::EVENTS, "1.25,1.25", &format!("{value},1.25"));
        says(&refused(&small.path()), &["events.csv", "row 3", "invoked_s", "limit"]);
        let small = Small::new();
        small.replace(file::NODES, "0.5,1", &format!("{value},1"));
        says(&refused(&small.path()), &["nodes.csv", "row 1", "at_s", "limit"]);
        let small = Small::new();
        small.replace(file::NODES, "12.5", value);
        says(&refused(&small.path()), &["nodes.csv", "row 1", "cpu_percent", "limit"]);
        let small = Small::new();
        small.replace(file::NODES, "0.25", value);
        says(&refused(&small.path()), &["nodes.csv", "row 1", "health_score", "limit"]);
    }
}

#[test]
fn more_nodes_than_a_cluster_has_are_refused() {
    let small = Small::new();
    small.manifest(|manifest| manifest.nodes = (1..=20_000).map(small::node).collect());
    says(&refused(&small.path()), &["run.json", "nodes", "20000", "limit"]);
    let small = Small::new();
    let samples: Vec<_> = (1..=20_000).map(small::sample).collect();
    write_node_samples(&small.file(file::NODES), &samples).unwrap();
    says(&refused(&small.path()), &["nodes.csv", "node", "limit"]);
    let small = Small::new();
    let nodes = (1..=20_000).map(|node| (node, "silent".to_owned())).collect();
    Readback { nodes: Vec::new(), silent: nodes }.write(&small.file(file::READBACK)).unwrap();
    says(&refused(&small.path()), &["readback.bin", "silent", "20000", "limit"]);
    let small = Small::new();
    let mut readback = small::readback();
    readback.nodes = vec![readback.nodes[0].clone(); 20_000];
    readback.write(&small.file(file::READBACK)).unwrap();
    says(&refused(&small.path()), &["readback.bin", "nodes", "20000", "limit"]);
}

#[test]
fn more_stages_than_a_figure_holds_are_refused() {
    let small = Small::new();
    let samples: Vec<_> = (0..20_000)
        .map(|place| loadgen::record::StageSample { stage: format!("s{place}"), ..small::stage() })
        .collect();
    write_stage_samples(&small.file(file::STAGES), &samples).unwrap();
    says(&refused(&small.path()), &["stages.csv", "rows", "limit"]);
    let small = Small::new();
    small.replace(file::STAGES, "fsync", &"x".repeat(100_000));
    says(&refused(&small.path()), &["stages.csv", "row 1", "stage", "100000", "limit"]);
    let small = Small::new();
    small.replace(file::STAGES, ",30", &format!(",{}", u64::MAX));
    says(&refused(&small.path()), &["stages.csv", "row 1", "max_us", "18446744073709551615", "limit"]);
}

#[test]
fn more_events_than_a_run_can_have_are_refused() {
    let small = Small::new();
    small.replace(file::EVENTS, "fault,0,", "fault,18446744073709551615,");
    says(&refused(&small.path()), &["events.csv", "row 2", "fault", "18446744073709551615", "limit"]);
    let small = Small::new();
    let mut events = small::events();
    events.extend((0..20_000).map(|place| small::event(EventKind::Fault, 1, f64::from(place) / 1e4)));
    write_events(&small.file(file::EVENTS), &events).unwrap();
    says(&refused(&small.path()), &["events.csv", "fault", "limit"]);
}

#[test]
fn what_a_node_holds_is_looked_at_once() {
    let image = |viewers: &[&str]| ImageState {
        image: veil::directory::ImageId(7),
        owner: "anna".into(),
        digest: [1; 32],
        grants: viewers.iter().map(|v| GrantState { viewer: (*v).into(), left: 1, used: 0 }).collect(),
    };
    type Change = fn(&mut NodeReadback, ImageState);
    let changes: [(&str, Change); 3] = [
        ("users", |node, _| node.users = vec!["ben".into(), "anna".into()]),
        ("images", |node, image| node.images = vec![image; 2]),
        ("grants", |node, image| {
            let twice = image.grants.iter().cycle().take(2).cloned().collect();
            node.images = vec![ImageState { grants: twice, ..image }];
        }),
    ];
    for (what, change) in changes {
        let small = Small::new();
        let mut readback = small::readback();
        change(&mut readback.nodes[0], image(&["ben"]));
        readback.write(&small.file(file::READBACK)).unwrap();
        says(&refused(&small.path()), &["readback.bin", what, "not in order"]);
    }
}

#[test]
fn a_time_in_the_history_that_no_run_lasts_is_refused() {
    let call = || Call::Discover { user: "anna".into() };
    let invoke = |op, due_ns, at_ns| Record::Invoke { op, due_ns, at_ns, call: call() };
    let complete = |op, at_ns| Record::Complete { op, at_ns, outcome: Outcome::Ok(Reply::Registered) };
    for far in [i64::MAX, i64::MIN, i64::MAX / 2, 1 << 50] {
        for (records, field) in [
            (vec![invoke(0, far, 0)], "due_ns"),
            (vec![invoke(0, 0, far)], "at_ns"),
            (vec![invoke(0, 0, 0), complete(0, far)], "at_ns"),
            (
                vec![Record::Shed { op: 0, due_ns: far, kind: loadgen::scenario::OperationKind::View }],
                "due_ns",
            ),
        ] {
            let small = Small::new();
            small.history(&records);
            let place = format!("record {}", records.len());
            says(&refused(&small.path()), &["history.bin", &place, field, &far.to_string(), "limit"]);
        }
    }
}

#[test]
fn counts_that_overflow_are_refused() {
    let small = Small::new();
    small.manifest(|manifest| {
        let part = Counted { records: u64::MAX, blake3: String::new() };
        manifest.generators = 2;
        manifest.history = Some(HistoryCount { whole: part.clone(), parts: vec![part.clone(), part] });
    });
    says(&refused(&small.path()), &["run.json", "history", "records", "18446744073709551615", "limit"]);
    let small = Small::new();
    let grant = GrantState { viewer: "ben".into(), left: 3, used: u64::MAX };
    let image = ImageState {
        image: veil::directory::ImageId(1),
        owner: "anna".into(),
        digest: [0; 32],
        grants: vec![grant],
    };
    let mut readback = small::readback();
    readback.nodes[0].images.push(image);
    readback.write(&small.file(file::READBACK)).unwrap();
    says(&refused(&small.path()), &["readback.bin", "used", "18446744073709551615", "limit"]);
}

#[test]
fn a_manifest_of_another_format_or_without_measure_is_refused() {
    let small = Small::new();
    small.manifest(|manifest| manifest.format = 7);
    says(&refused(&small.path()), &["run.json", "format", "7", "1"]);
    let small = Small::new();
    small.manifest(|manifest| manifest.load_s = 1e300);
    says(&refused(&small.path()), &["run.json", "load_s", "limit"]);
    let small = Small::new();
    small.manifest(|manifest| manifest.first_request_s = Some(-1e300));
    says(&refused(&small.path()), &["run.json", "first_request_s", "limit"]);
    let small = Small::new();
    small.manifest(|manifest| {
        manifest.limits = Some(NodeLimits { cpus: Some(1e300), memory_bytes: None, disk_bytes: None });
    });
    says(&refused(&small.path()), &["run.json", "limits.cpus", "limit"]);
    let small = Small::new();
    small.manifest(|manifest| manifest.name = "x".repeat(100_000));
    says(&refused(&small.path()), &["run.json", "name", "100000", "limit"]);
    let small = Small::new();
    small.manifest(|manifest| manifest.interrupted = Some("x".repeat(100_000)));
    says(&refused(&small.path()), &["run.json", "interrupted", "100000", "limit"]);
}
