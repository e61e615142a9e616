//! A small run directory that is right.
#![allow(clippy::unwrap_used, reason = "a helper of tests is not a test to clippy")]

use std::path::PathBuf;

use loadgen::record::{
    Call, Event, EventKind, HistoryWriter, Machine, Manifest, NodeManifest, NodeReadback, NodeSample,
    Outcome, Readback, Record, Reply, StageSample, file, write_events, write_node_samples,
    write_stage_samples,
};

/// A run directory that was made for a test.
pub struct Small {
    root: tempfile::TempDir,
}

impl Small {
    pub fn new() -> Self {
        let small = Self { root: tempfile::tempdir().unwrap() };
        std::fs::create_dir(small.path()).unwrap();
        std::fs::create_dir(small.outside()).unwrap();
        small.write();
        small
    }

    /// The run directory.
    pub fn path(&self) -> PathBuf {
        self.root.path().join("run")
    }

    /// A folder beside it, in which nothing may change.
    pub fn outside(&self) -> PathBuf {
        self.root.path().join("outside")
    }

    /// A file of the run directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes the manifest anew.
    pub fn manifest(&self, change: impl FnOnce(&mut Manifest)) {
        let mut manifest = manifest();
        change(&mut manifest);
        manifest.write(&self.file(file::MANIFEST)).unwrap();
    }

    /// Writes the history anew.
    pub fn history(&self, records: &[Record]) {
        let mut history = HistoryWriter::create(&self.file(file::HISTORY)).unwrap();
        records.iter().for_each(|record| history.append(record).unwrap());
        history.finish().unwrap();
    }

    fn write(&self) {
        std::fs::write(self.file(file::SCENARIO), SCENARIO).unwrap();
        self.manifest(|_| {});
        write_events(&self.file(file::EVENTS), &events()).unwrap();
        write_node_samples(&self.file(file::NODES), &[sample(1), sample(2)]).unwrap();
        write_stage_samples(&self.file(file::STAGES), &[stage()]).unwrap();
        readback().write(&self.file(file::READBACK)).unwrap();
        self.history(&records());
        std::fs::create_dir_all(self.file("nodes/n1")).unwrap();
        std::fs::write(self.file("nodes/n1/log.txt"), "a warning\n").unwrap();
    }
}

const SCENARIO: &str = "version = 1
[load]
stages = [{ for = \"2s\", rate = 10 }]
[[fault]]
at = \"1s\"
do = \"kill\"
target = \"leader\"
heal = \"500ms\"
[pass]
limits = [\"p99 < 1s\"]
";

pub fn manifest() -> Manifest {
    Manifest {
        format: 1,
        name: "small".into(),
        scenario: "small".into(),
        seed: 1,
        driver: "process".into(),
        version: "0.1.0".into(),
        commit: None,
        build: "debug".into(),
        started: "2026-11-21T01:55:36Z".into(),
        load_s: 2.0,
        users: 10,
        interrupted: None,
        complete: true,
        machine: Machine {
            os: "Linux".into(),
            kernel: "6".into(),
            cpu: "a processor".into(),
            cores: 2,
            memory_bytes: 1 << 30,
        },
        generators: 1,
        history: None,
        nodes: (1..=3).map(node).collect(),
        containers: None,
        limits: None,
        links: None,
        first_request_s: Some(1.0),
        stood_still_s: None,
    }
}

pub fn node(id: u64) -> NodeManifest {
    NodeManifest {
        id,
        client_address: format!("127.0.0.1:{}", 40_000 + id % 1000),
        peer_address: None,
        container: None,
        log: (id == 1).then(|| "nodes/n1/log.txt".to_owned()),
    }
}

pub fn event(event: EventKind, node: u64, at_s: f64) -> Event {
    let is_leader = event == EventKind::Leader;
    Event {
        event,
        fault: (!is_leader).then_some(0),
        node,
        term: is_leader.then_some(node),
        invoked_s: at_s,
        completed_s: at_s,
        detail: if is_leader { String::new() } else { "kill".to_owned() },
    }
}

pub fn events() -> Vec<Event> {
    vec![
        event(EventKind::Leader, 1, 0.0),
        event(EventKind::Fault, 1, 1.0),
        event(EventKind::Leader, 2, 1.25),
        event(EventKind::Heal, 1, 1.5),
    ]
}

pub fn sample(node: u64) -> NodeSample {
    NodeSample {
        at_s: 0.5,
        node,
        cpu_percent: 12.5,
        memory_bytes: 1 << 20,
        health_score: 0.25,
        tasks_active: 1,
        tasks_queued: 0,
        term: 1,
        leader: Some(1),
        applied: 7,
    }
}

pub fn stage() -> StageSample {
    StageSample { node: 1, stage: "fsync".into(), count: 3, p50_us: 10, p99_us: 20, max_us: 30 }
}

pub fn readback() -> Readback {
    let node = |node| NodeReadback {
        node,
        applied: 7,
        hash: [1; 32],
        users: vec!["anna".into()],
        images: Vec::new(),
    };
    Readback { nodes: (1..=3).map(node).collect(), silent: Vec::new() }
}

pub fn records() -> Vec<Record> {
    let register = Call::Register { user: "anna".into() };
    let mut records = vec![
        Record::Invoke { op: 1000, due_ns: -1_000_000, at_ns: -1_000_000, call: register },
        Record::Complete { op: 1000, at_ns: -500_000, outcome: Outcome::Ok(Reply::Registered) },
    ];
    for op in 0..20 {
        let due_ns = op as i64 * 100_000_000;
        let call = Call::Discover { user: "anna".into() };
        records.push(Record::Invoke { op, due_ns, at_ns: due_ns, call });
        let outcome = Outcome::Ok(Reply::Listed { images: 0 });
        records.push(Record::Complete { op, at_ns: due_ns + 2_000_000, outcome });
    }
    records
}
