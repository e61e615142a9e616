//! What a good file means, and that the resolved one means the same.

mod bad_files;
mod round_trip;

use std::{fs, path::Path, time::Duration};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// The least that a scenario must say.
const LEAST: &str = "version = 1\n[load]\nstages = [{ for = \"10s\", rate = 100 }]\n";

fn parse(text: &str) -> Scenario {
    Scenario::parse(text, "a.toml").unwrap()
}

fn shipped(name: &str) -> Scenario {
    Scenario::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name)).unwrap()
}

#[test]
fn defaults_are_filled_in() {
    let scenario = parse(LEAST);
    assert_eq!(
        scenario.to_toml(),
        r#"version = 1
seed = 1

[cluster]
nodes = 3
driver = "process"
tls = true

[load]
clients = 256
generators = 1
from = "outside"
arrival = "poisson"
max_in_flight = 4096
timeout = "2s"
stages = [
    { for = "10s", rate = 100, warmup = false },
]
mix = { register = 5, seal = 10, discover = 20, view = 60, grant = 5 }
images = "photos"

[pass]
history = ["no_lost_ack", "quota", "converged", "linearizable"]
implied = ["every_stage", "recovered", "half_answered", "whole_history", "in_time"]
limits = [
]
"#
    );
}

#[test]
fn the_kill_of_a_leader_is_read_as_written() {
    let scenario = shipped("leader-kill.toml");
    assert_eq!((scenario.seed, scenario.cluster.nodes), (42, 3));
    assert_eq!((scenario.load.clients, scenario.load.length()), (256, 45 * SECOND));
    assert_eq!(
        scenario.load.stages,
        [
            Stage { length: 5 * SECOND, rate_from: 100.0, rate_to: 100.0, warmup: true },
            Stage { length: 40 * SECOND, rate_from: 400.0, rate_to: 400.0, warmup: false },
        ]
    );
    assert_eq!(
        scenario.faults,
        [Fault {
            at: 15 * SECOND,
            spread: Duration::ZERO,
            when: When::Due,
            kind: FaultKind::Kill,
            target: Target::Leader,
            heal: Some(8 * SECOND)
        }]
    );
    assert_eq!(scenario.pass.history, HistoryCheck::ALL);
    let meaning = scenario.pass.limits.iter();
    let meaning: Vec<_> = meaning.map(|l| (l.metric, l.comparison, l.value, l.window)).collect();
    let unavailable = Metric::Fault { index: None, figure: FailoverFigure::Unavailable };
    let view_p99 = Metric::Latency { operation: Some(OperationKind::View), quantile: 0.99 };
    assert_eq!(
        meaning,
        [
            (unavailable, Comparison::AtMost, 1000.0, Window::Measured),
            (Metric::OkRatio, Comparison::AtLeast, 0.99, Window::Measured),
            (view_p99, Comparison::Less, 50.0, Window::Steady),
            (Metric::Count(OutcomeKind::Shed), Comparison::Equal, 0.0, Window::Measured),
        ]
    );
}

#[test]
fn every_shipped_scenario_is_good_and_resolves_to_itself() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let scenario = Scenario::load(&entry.unwrap().path()).unwrap();
        assert_eq!(parse(&scenario.to_toml()), scenario);
        seen += 1;
    }
    assert!(seen >= 4);
    assert_eq!(shipped("leader-kill-5.toml").cluster.nodes, 5);
    assert_eq!(shipped("leader-pause.toml").faults[0].kind, FaultKind::Pause);
    assert_eq!(shipped("short.toml").load.length(), 12 * SECOND);
}

#[test]
fn repeated_faults_are_written_out_in_order_of_time() {
    let scenario = parse(
        r#"
version = 1
load.stages = [{ for = "60s", rate = 100 }]
[[fault]]
every = "15s"
between = ["20s", "50s"]
do = "pause"
target = "random"
heal = "5s"
[[fault]]
at = "30s"
do = "kill"
"#,
    );
    let faults: Vec<_> = scenario.faults.iter().map(|f| (f.at.as_secs(), f.kind, f.target)).collect();
    assert_eq!(
        faults,
        [
            (20, FaultKind::Pause, Target::Random),
            (30, FaultKind::Kill, Target::Leader),
            (35, FaultKind::Pause, Target::Random),
        ]
    );
    assert_eq!(scenario.faults[1].heal, None);
}

#[test]
fn what_may_strike_later_is_drawn_from_the_seed_and_stays_in_order() {
    let text = r#"
version = 1
load.stages = [{ for = "60s", rate = 100 }]
[[fault]]
every = "2s"
between = ["5s", "55s"]
spread = "2s"
when = "whole"
do = "kill"
[[fault]]
at = "30s"
do = "pause"
target = "n1"
"#;
    let settled = |seed| {
        let scenario = Scenario { seed, ..parse(text) };
        assert_eq!(scenario.faults[0].spread, 2 * SECOND);
        scenario.settle().unwrap().faults
    };
    let faults = settled(1);
    assert_eq!(faults, settled(1));
    assert_ne!(faults, settled(2));
    assert!(faults.is_sorted_by_key(|fault| fault.at));
    let kills: Vec<_> = faults.iter().filter(|fault| fault.kind == FaultKind::Kill).collect();
    assert_eq!(kills.len(), 25);
    for (due, kill) in (5..).step_by(2).zip(&kills) {
        assert!((due * SECOND..(due + 2) * SECOND).contains(&kill.at), "{kill:?} is not due at {due} s");
        assert_eq!((kill.spread, kill.when), (Duration::ZERO, When::Whole));
    }
    let late: Duration = (5..).step_by(2).zip(&kills).map(|(due, kill)| kill.at - due * SECOND).sum();
    assert!((15 * SECOND..35 * SECOND).contains(&late), "of 25 s expected: {late:?}");
    assert!(faults.iter().any(|fault| fault.at == 30 * SECOND && fault.when == When::Due));
}

#[test]
fn quantiles_over_faults_are_read() {
    let meaning = |text| {
        let limit = Limit::parse(text, 3).unwrap();
        (limit.metric, limit.comparison, limit.value)
    };
    let faults = |figure, quantile| Metric::Faults { figure, quantile };
    for (text, metric, value) in [
        ("fault[*].unavailable.p50 <= 25ms", faults(FailoverFigure::Unavailable, 0.5), 25.0),
        ("fault[*].elect.p99 <= 1s", faults(FailoverFigure::Elect, 0.99), 1000.0),
        ("fault[*].lost_work.max <= 7", faults(FailoverFigure::LostWork, 1.0), 7.0),
    ] {
        assert_eq!(meaning(text), (metric, Comparison::AtMost, value), "{text}");
    }
}

#[test]
fn a_slow_disk_is_read_as_written() {
    let scenario = parse(&format!("{LEAST}[cluster]\nslow_disk = {{ node = 2, sync = \"20ms\" }}\n"));
    assert_eq!(scenario.cluster.slow_disk, Some(SlowDisk { node: 2, sync: Duration::from_millis(20) }));
    assert!(scenario.to_toml().contains("\nslow_disk = { node = 2, sync = \"20ms\" }\n"));
}

#[test]
fn a_mix_that_is_given_leaves_out_what_it_does_not_name() {
    let scenario = parse(&format!("{LEAST}mix = {{ view = 3 }}\n"));
    assert_eq!(scenario.load.mix[&OperationKind::View], 3);
    assert_eq!(scenario.load.mix[&OperationKind::Seal], 0);
    assert_eq!(scenario.load.mix.len(), OperationKind::ALL.len());
}

#[test]
fn a_folder_of_images_is_one_beside_the_scenario() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    fs::write(&path, format!("{LEAST}images = \"pictures\"\n")).unwrap();
    let scenario = Scenario::load(&path).unwrap();
    assert_eq!(scenario.load.images, Images::Folder(folder.path().join("pictures")));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = Scenario::load(Path::new("no/such.toml")).unwrap_err().to_string();
    assert!(error.starts_with("no/such.toml: cannot be read: "), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.toml");
    fs::write(&path, "#".repeat((1 << 20) + 1)).unwrap();
    let error = Scenario::load(&path).unwrap_err().to_string();
    assert!(error.ends_with("larger than 1048576 bytes"), "{error}");
}

#[test]
fn the_rate_at_a_time_is_that_of_its_stage() {
    let load =
        parse("version = 1\nload.stages = [{ for = \"2s\", rate = 10 }, { for = \"4s\", rate = [10, 30] }]")
            .load;
    let rates = [0, 1, 2, 4, 6].map(|second| load.rate_at(second * SECOND));
    assert_eq!(rates, [10.0, 10.0, 10.0, 20.0, 0.0]);
    assert_eq!(load.stages[1].operations(), 80.0);
    let (stage, into) = load.stage_at(3 * SECOND).unwrap();
    assert_eq!((stage, into), (&load.stages[1], SECOND));
    assert!(load.stage_at(6 * SECOND).is_none());
}
