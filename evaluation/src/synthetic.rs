//! Runs made up for tests: what a leader's death looks like, without a cluster.

use std::{collections::BTreeMap, path::Path, time::Duration};

use loadgen::{
    record::{
        Call, Counted, Event, EventKind, GrantState, HistoryCount, HistoryWriter, ImageState, Machine,
        Manifest, NodeManifest, NodeReadback, NodeSample, Outcome, Readback, Record, Reply, file,
        write_events, write_node_samples, write_stage_samples,
    },
    scenario::{
        Arrival, Cluster, Comparison, Driver, FailoverFigure, Fault, FaultKind, HistoryCheck, Images,
        Implied, Limit, Load, Metric, NodeLimits, OperationKind, Origin, Pass, Scenario, Stage, Target, When,
        Window,
    },
};
use veil::directory::ImageId;

use crate::run::{History, RunDirectory};

/// Writes a made-up run as a load generator would. Gives the count of its history, which its manifest has.
pub fn write(folder: &Path, run: &RunDirectory, records: &[Record]) -> HistoryCount {
    std::fs::write(folder.join(file::SCENARIO), run.scenario.to_toml()).unwrap();
    write_events(&folder.join(file::EVENTS), &run.events).unwrap();
    write_node_samples(&folder.join(file::NODES), &run.nodes).unwrap();
    if !run.stages.is_empty() {
        write_stage_samples(&folder.join(file::STAGES), &run.stages).unwrap();
    }
    run.readback.as_ref().unwrap().write(&folder.join(file::READBACK)).unwrap();
    let mut history = HistoryWriter::create(&folder.join(file::HISTORY)).unwrap();
    for record in records {
        history.append(record).unwrap();
    }
    history.finish().unwrap();
    let whole = Counted::of(&folder.join(file::HISTORY)).unwrap();
    let count = HistoryCount { parts: vec![whole.clone()], whole };
    let manifest = Manifest { history: Some(count.clone()), ..run.manifest.clone() };
    manifest.write(&folder.join(file::MANIFEST)).unwrap();
    count
}

/// A small random number generator: SplitMix64. Enough to look like noise, and always the same.
pub struct Noise(pub u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in (0, 1).
    pub fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// Lognormal, with this median and shape.
    pub fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        let normal = (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos();
        median * (sigma * normal).exp()
    }
}

/// Views of every grant: more than anybody takes.
const VIEWS: u32 = 100_000;

pub fn stage(seconds: u64, rate: f64, warmup: bool) -> Stage {
    Stage { length: Duration::from_secs(seconds), rate_from: rate, rate_to: rate, warmup }
}

pub fn fault(at_s: u64, target: Target) -> Fault {
    Fault {
        at: Duration::from_secs(at_s),
        spread: Duration::ZERO,
        when: When::Due,
        kind: FaultKind::Kill,
        target,
        heal: Some(Duration::from_secs(8)),
    }
}

pub fn scenario(stages: Vec<Stage>, faults: Vec<Fault>) -> Scenario {
    Scenario {
        seed: 42,
        cluster: Cluster {
            nodes: 3,
            driver: Driver::Process,
            tls: true,
            limits: NodeLimits::default(),
            slow_disk: None,
        },
        load: Load {
            clients: 256,
            generators: 1,
            from: Origin::Outside,
            arrival: Arrival::Poisson,
            max_in_flight: 4096,
            timeout: Duration::from_secs(2),
            stages,
            mix: BTreeMap::from(OperationKind::ALL.map(|kind| match kind {
                OperationKind::View => (kind, 60),
                OperationKind::Seal => (kind, 10),
                _ => (kind, 0),
            })),
            images: Images::Photos,
        },
        faults,
        chaos: None,
        pass: Pass::default(),
    }
}

pub fn manifest() -> Manifest {
    Manifest {
        format: 1,
        name: "leader-kill-20261121-015536".into(),
        scenario: "leader-kill.toml".into(),
        seed: 42,
        driver: "process".into(),
        version: "0.1.0".into(),
        commit: Some("fcd257a".into()),
        build: "release".into(),
        started: "2026-11-21T01:55:36Z".into(),
        load_s: 45.0,
        users: 256,
        interrupted: None,
        complete: true,
        machine: Machine {
            os: "Debian GNU/Linux 12".into(),
            kernel: "6.1.0".into(),
            cpu: "A <processor> & more".into(),
            cores: 2,
            memory_bytes: 8 << 30,
        },
        nodes: (1..=3)
            .map(|id| NodeManifest {
                id,
                client_address: format!("127.0.0.1:{}", 4000 + id),
                peer_address: Some(format!("127.0.0.1:{}", 5000 + id)),
                container: None,
                log: None,
            })
            .collect(),
        containers: None,
        limits: None,
        links: None,
        first_request_s: None,
        stood_still_s: None,
        history: None,
        generators: 1,
    }
}

pub fn leader(at_s: f64, node: u64, term: u64) -> Event {
    Event {
        event: EventKind::Leader,
        fault: None,
        node,
        term: Some(term),
        invoked_s: at_s,
        completed_s: at_s,
        detail: String::new(),
    }
}

pub fn struck(event: EventKind, index: usize, node: u64, at_s: f64) -> Event {
    Event {
        event,
        fault: Some(index),
        node,
        term: None,
        invoked_s: at_s - 0.002,
        completed_s: at_s,
        detail: "kill".into(),
    }
}

pub fn node_state(node: u64, images: Vec<ImageState>) -> NodeReadback {
    NodeReadback { node, applied: 1000, hash: [7; 32], users: vec!["anna".into(), "ben".into()], images }
}

/// What is put into a made-up run.
pub struct Plan {
    pub stages: Vec<Stage>,
    pub faults: Vec<Fault>,
    /// When service stops, and until when.
    pub outages: Vec<(f64, f64)>,
    pub events: Vec<Event>,
    /// Of so many operations that an outage meets, one is given up.
    pub give_up_one_in: u64,
}

impl Plan {
    /// 200/s for 5 s of warm-up, 800/s for 40 s; n2 leads and is killed at 15 s, service stops for
    /// 350 ms, n2 is back 8 s later.
    pub fn leader_kill() -> Self {
        Self {
            stages: vec![stage(5, 200.0, true), stage(40, 800.0, false)],
            faults: vec![fault(15, Target::Leader)],
            outages: vec![(15.003, 15.353), (23.2, 23.23)],
            events: vec![
                leader(-3.0, 2, 1),
                struck(EventKind::Fault, 0, 2, 15.003),
                leader(15.301, 3, 2),
                struck(EventKind::Heal, 0, 2, 23.2),
            ],
            give_up_one_in: 20,
        }
    }

    /// 500/s at equal demand; the leader of three is killed so many times, every 2.5 s from 6 s on, and is back a
    /// second later. Service stops for 10 to 60 ms, mostly short ones; the two that are left lead in turn.
    pub fn many_kills(count: usize) -> Self {
        let mut noise = Noise(100);
        let length = 10 + (count as f64 * 2.5).ceil() as u64;
        let mut plan = Self {
            stages: vec![stage(5, 500.0, true), stage(length, 500.0, false)],
            faults: vec![],
            outages: vec![],
            events: vec![leader(-3.0, 1, 1)],
            give_up_one_in: u64::MAX,
        };
        for index in 0..count {
            let (at, term) = (6.0 + 2.5 * index as f64, index as u64 + 1);
            let victim = (term - 1) % 3 + 1;
            let gap = noise.lognormal(0.018, 0.45).clamp(0.004, 0.2);
            let elected = leader(at + gap * 0.7, victim % 3 + 1, term + 1);
            plan.faults.push(fault(at as u64, Target::Leader));
            plan.outages.push((at, at + gap));
            plan.events.extend([
                struck(EventKind::Fault, index, victim, at),
                elected,
                struck(EventKind::Heal, index, victim, at + 1.0),
            ]);
        }
        plan
    }

    /// The whole run, the same for every call.
    pub fn run(self) -> RunDirectory {
        self.run_and_records().0
    }

    /// The run, and the records that its history was joined from.
    pub fn run_and_records(self) -> (RunDirectory, Vec<Record>) {
        let mut noise = Noise(1);
        let mut records = Vec::new();
        let mut op = 0;
        let mut effects = Effects::default();
        for user in ["anna", "ben"] {
            let call = Call::Register { user: user.into() };
            let due_ns = -2_900_000_000 + op as i64 * 1_000_000;
            push(&mut records, op, due_ns, due_ns + 500_000, call, Outcome::Ok(Reply::Registered));
            op += 1;
        }
        let images: Vec<u128> = (0..40).collect();
        for &image in &images {
            let due_ns = -2_000_000_000 + image as i64 * 1_000_000;
            let call = Call::Seal {
                owner: "anna".into(),
                grants: vec![("ben".into(), VIEWS)],
                digest: [image as u8; 32],
            };
            push(
                &mut records,
                op,
                due_ns,
                due_ns + 900_000,
                call,
                Outcome::Ok(Reply::Sealed { image: ImageId(image), intact: None }),
            );
            op += 1;
        }
        let mut at = 0.0;
        for stage in &self.stages {
            let end = at + stage.length.as_secs_f64();
            let mut due = at;
            loop {
                due += -noise.uniform().ln() / stage.rate_from;
                if due >= end {
                    break;
                }
                self.operation(&mut noise, &mut records, op, due, &mut effects, &images);
                op += 1;
            }
            at = end;
        }
        let held = effects.carried_out(&mut records);
        let grant = |image: &u128| {
            let (left, used) = held.get(image).copied().unwrap_or((VIEWS, 0));
            GrantState { viewer: "ben".into(), left, used }
        };
        let states = |node| {
            node_state(
                node,
                images
                    .iter()
                    .map(|&image| ImageState {
                        image: ImageId(image),
                        owner: "anna".into(),
                        digest: [image as u8; 32],
                        grants: vec![grant(&image)],
                    })
                    .collect(),
            )
        };
        let readback = Readback { nodes: (1..=3).map(states).collect(), silent: vec![] };
        let mut scenario = scenario(self.stages.clone(), self.faults.clone());
        scenario.pass = pass();
        let nodes = samples(at, &mut noise);
        let mut run = RunDirectory::from_parts(
            scenario,
            manifest(),
            History::join(records.clone()).unwrap(),
            self.events,
            nodes,
            Some(readback),
        );
        run.scenario_text = "version = 1\nseed = 42\n# as <resolved>\n".into();
        (run, records)
    }

    fn operation(
        &self,
        noise: &mut Noise,
        records: &mut Vec<Record>,
        op: u64,
        due: f64,
        effects: &mut Effects,
        images: &[u128],
    ) {
        let due_ns = (due * 1e9) as i64;
        let image = images[(noise.next() % images.len() as u64) as usize];
        let (call, reply, median_ms) = match noise.next() % 100 {
            0..10 => (
                Call::Grant {
                    owner: "anna".into(),
                    image: ImageId(image),
                    viewer: "ben".into(),
                    views: VIEWS,
                },
                Reply::Granted { views_left: VIEWS },
                3.0,
            ),
            10..30 => (Call::Discover { user: "ben".into() }, Reply::Listed { images: 40 }, 0.8),
            _ => (
                Call::View { viewer: "ben".into(), image: ImageId(image) },
                // How many there are is known when all is known.
                Reply::Viewed { views_left: 0, intact: Some(true) },
                2.5,
            ),
        };
        let mut done = due + noise.lognormal(median_ms, 0.45) / 1e3;
        let met = self.outages.iter().find(|(from, to)| done >= *from && due < *to);
        let mut outcome = Outcome::Ok(reply);
        if let Some((_, to)) = met {
            done = to + noise.lognormal(12.0, 0.8) / 1e3;
            if noise.next().is_multiple_of(self.give_up_one_in) {
                done = due + 2.0;
                outcome = Outcome::Unknown("no answer within 2 s".into());
            }
        }
        let done_ns = (done * 1e9) as i64;
        match (&call, &outcome) {
            (Call::View { .. }, Outcome::Ok(_)) => effects.0.push((done_ns, op, image, None)),
            (Call::Grant { views, .. }, Outcome::Ok(_)) => effects.0.push((done_ns, op, image, Some(*views))),
            _ => {}
        }
        push(records, op, due_ns, done_ns, call, outcome);
    }
}

/// What views (`None`) and grants do to ben's grant of an image: when, by which operation.
#[derive(Default)]
struct Effects(Vec<(i64, u64, u128, Option<u32>)>);

impl Effects {
    /// Views left and used of each image, after all has taken effect when it was answered. Views are told what was left.
    fn carried_out(mut self, records: &mut [Record]) -> BTreeMap<u128, (u32, u64)> {
        self.0.sort_unstable_by_key(|(at_ns, op, ..)| (*at_ns, *op));
        let (mut held, mut told) = (BTreeMap::new(), BTreeMap::new());
        for (_, op, image, set) in self.0 {
            let (left, used) = held.entry(image).or_insert((VIEWS, 0));
            match set {
                Some(views) => *left = views,
                None => (*left, *used) = (*left - 1, *used + 1),
            }
            told.insert(op, *left);
        }
        for record in records {
            if let Record::Complete { op, outcome: Outcome::Ok(Reply::Viewed { views_left, .. }), .. } =
                record
            {
                *views_left = told[op];
            }
        }
        held
    }
}

fn push(records: &mut Vec<Record>, op: u64, due_ns: i64, done_ns: i64, call: Call, outcome: Outcome) {
    records.push(Record::Invoke { op, due_ns, at_ns: due_ns + 20_000, call });
    records.push(Record::Complete { op, at_ns: done_ns, outcome });
}

fn samples(end_s: f64, noise: &mut Noise) -> Vec<NodeSample> {
    let mut samples = Vec::new();
    for second in 0..end_s as u64 {
        for node in 1..=3 {
            let at_s = second as f64 + 0.5;
            if node == 2 && (15.0..23.5).contains(&at_s) {
                continue;
            }
            let base = if second < 5 { 12.0 } else { 38.0 };
            samples.push(NodeSample {
                at_s,
                node,
                cpu_percent: (base + node as f64 * 3.0 + noise.uniform() * 8.0) as f32,
                memory_bytes: 60 << 20,
                health_score: 0.2,
                tasks_active: (noise.next() % 4) as u32,
                tasks_queued: (noise.next() % 3) as u32,
                term: 1,
                leader: Some(2),
                applied: second * 100,
            });
        }
    }
    samples
}

fn pass() -> Pass {
    let limit = |text: &str, metric, comparison, value, window| Limit {
        text: text.into(),
        metric,
        comparison,
        value,
        window,
    };
    Pass {
        implied: Implied::ALL.to_vec(),
        history: HistoryCheck::ALL.to_vec(),
        limits: vec![
            limit(
                "fault[*].unavailable <= 1s",
                Metric::Fault { index: None, figure: FailoverFigure::Unavailable },
                Comparison::AtMost,
                1000.0,
                Window::Measured,
            ),
            limit("ok_ratio >= 0.99", Metric::OkRatio, Comparison::AtLeast, 0.99, Window::Measured),
            limit(
                "view.p99 < 50ms @ steady",
                Metric::Latency { operation: Some(OperationKind::View), quantile: 0.99 },
                Comparison::Less,
                50.0,
                Window::Steady,
            ),
        ],
    }
}
