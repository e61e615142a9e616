//! Every complaint, word for word: a person has to act on it.

use super::*;

/// A good file, each of whose lines the tests below may replace.
const GOOD: &str = r#"version = 1
seed = 42
[cluster]
nodes = 3
driver = "process"
[load]
clients = 256
arrival = "poisson"
max_in_flight = 4096
timeout = "2s"
stages = [
    { for = "5s", rate = 100, warmup = true },
    { for = "40s", rate = 400 },
]
mix = { view = 60, seal = 10 }
images = "photos"
[[fault]]
at = "15s"
do = "kill"
target = "leader"
heal = "8s"
[pass]
history = ["no_lost_ack"]
limits = ["fault[*].unavailable <= 1s"]
"#;

/// What is said when line `number` of the good file is `text` instead.
fn complaint(number: usize, text: &str) -> String {
    let mut lines: Vec<_> = GOOD.lines().collect();
    lines[number - 1] = text;
    match Scenario::parse(&lines.join("\n"), "a.toml") {
        Ok(_) => "accepted".to_owned(),
        Err(e) => e.to_string(),
    }
}

#[test]
fn each_bad_line_gets_its_message() {
    parse(GOOD);
    let (mut cases, mut wrong) = (0, String::new());
    let lines = include_str!("bad_files.txt").lines();
    let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    while let Some(case) = lines.next() {
        let (number, text) = case.split_once(": ").unwrap();
        let expected = lines.next().and_then(|line| line.strip_prefix("  -> ")).unwrap();
        let said = complaint(number.parse().unwrap(), &text.replace('⏎', "\n"));
        if said != expected {
            wrong += &format!("\n{case}\n   is: {said}\n  not: {expected}");
        }
        cases += 1;
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(cases > 100, "only {cases} cases were found");
}

#[test]
fn a_limit_on_faults_needs_faults() {
    let text = format!("{LEAST}[pass]\nlimits = ['fault[*].elect < 1s']");
    let said = Scenario::parse(&text, "b.toml").unwrap_err().to_string();
    assert_eq!(
        said,
        "b.toml:5: pass.limits[0]: fault[*] is looked at and the scenario has no faults; \
         expected a [[fault]], or a limit on something else"
    );
}

#[test]
fn some_faults_need_several_nodes() {
    let said = |fault: &str| {
        let text = format!("{LEAST}[cluster]\nnodes = 1\n[[fault]]\nat = '1s'\n{fault}");
        Scenario::parse(&text, "b.toml").unwrap_err().to_string()
    };
    let expected = "halves needs other nodes; expected cluster.nodes to be at least 3";
    assert_eq!(said("do = 'halves'"), format!("b.toml:8: fault[0].do: {expected}"));
    assert_eq!(
        said("do = 'kill'\ntarget = 'minority'"),
        "b.toml:9: fault[0].target: \"minority\" of one node is nobody; \
         expected one of leader, random, majority, all, n1"
    );
}

#[test]
fn what_is_drawn_is_checked_as_what_is_written() {
    let said = |keys: &str| {
        let text = format!("{LEAST}[chaos]\n{keys}");
        Scenario::parse(&text, "b.toml").map_or_else(|error| error.to_string(), |_| "accepted".to_owned())
    };
    let between = "between = ['1s', '9s']\n";
    let faults = "kill, stop, restart, pause, throttle, disk_full, replace, ignore, partition, halves, one_way, \
                  bridge, flapping, link";
    let cases = [
        ("", "4: chaos.between: missing; expected two times such as [\"30s\", \"50s\"]".to_owned()),
        ("between = ['1s', '11s']", "5: chaos.between[1]: 11s is after the end; expected at most 10s, when the last stage ends".to_owned()),
        ("between = '1s'", "5: chaos.between: is a string; expected two times such as [\"30s\", \"50s\"]".to_owned()),
        ("every = '0s'", "6: chaos.every: is zero; expected more than \"0s\"".to_owned()),
        ("heal = ['8s', '2s']", "6: chaos.heal: begins with the longer one; expected the shortest and the longest such as [\"2s\", \"8s\"]".to_owned()),
        ("heal = '2s'", "6: chaos.heal: is a string; expected the shortest and the longest such as [\"2s\", \"8s\"]".to_owned()),
        ("heal = ['2s', '61s']", "6: chaos.heal[1]: 1m 1s is too long; expected at most \"1m\"".to_owned()),
        ("faults = []", "6: chaos.faults: is empty; expected a list of faults such as [\"kill\", \"pause\"]".to_owned()),
        ("faults = ['kill', 'kill']", "6: chaos.faults[1]: is listed twice; expected each fault once".to_owned()),
        ("faults = ['disk_full']", "6: chaos.faults[0]: disk_full fills a disk of limited size, and there is no limit; expected disk = \"64MiB\" or another size in [cluster]".to_owned()),
        ("faults = ['fire']", format!("6: chaos.faults[0]: \"fire\" is unknown; expected one of {faults}")),
        ("target = 'all'", "6: chaos.target: unknown key; expected one of between, every, faults, heal".to_owned()),
        ("[[fault]]\nat = '1s'\ndo = 'kill'", "4: chaos: given with [[fault]]; expected one or the other".to_owned()),
        ("[pass]\nlimits = ['fault[0].elect < 1s']", "7: pass.limits[0]: which fault is fault[0] is not known before it is drawn; expected fault[*]".to_owned()),
    ];
    for (keys, expected) in cases {
        let keys = if keys.contains("between") || keys.is_empty() {
            keys.to_owned()
        } else {
            format!("{between}{keys}")
        };
        assert_eq!(said(&keys), format!("b.toml:{expected}"));
    }
    assert_eq!(said(&format!("{between}[pass]\nlimits = ['fault[*].elect < 1s']")), "accepted");
}

#[test]
fn what_a_driver_cannot_do_is_told_before_anything_is_started() {
    let said = |faults: &str| {
        let text = format!("{LEAST}[cluster]\ndisk = '64MiB'\n{faults}");
        Scenario::parse(&text, "b.toml").unwrap().settle().unwrap_err().to_string()
    };
    let reason = "disk_full is not available with the process driver: \
                  it needs a volume of limited size for each node, and processes share this machine's disk";
    let faults = "[[fault]]\nat = '2s'\ndo = 'disk_full'\n[[fault]]\nat = '1s'\ndo = 'kill'";
    assert_eq!(said(faults), format!("fault[1]: {reason}"));
    let chaos = "[chaos]\nbetween = ['1s', '9s']\nfaults = ['kill', 'disk_full']";
    assert_eq!(said(chaos), format!("chaos.faults[1]: {reason}"));
    let mut inside = Scenario::parse(LEAST, "b.toml").unwrap();
    inside.load.from = Origin::Inside;
    assert_eq!(
        inside.clone().settle().unwrap_err().to_string(),
        "load.from: \"inside\" is not available with the process driver: its nodes share this machine's addresses"
    );
    inside.cluster.driver = Driver::Docker;
    assert!(inside.clone().settle().is_ok());
    inside.cluster.tls = false;
    assert_eq!(
        inside.settle().unwrap_err().to_string(),
        "cluster.tls: false is not available with the docker driver: plain TCP is for nodes on loopback alone"
    );
}

#[test]
fn stages_are_needed() {
    let said = |text| Scenario::parse(text, "b.toml").unwrap_err().to_string();
    let expected = "expected a list of stages such as [{ for = \"40s\", rate = 400 }]";
    assert_eq!(said("version = 1\nload.stages = []"), format!("b.toml:2: load.stages: is empty; {expected}"));
    assert_eq!(
        said("version = 1\n\n[load]\nclients = 5"),
        format!("b.toml:3: load.stages: missing; {expected}")
    );
    assert_eq!(said("version = 1"), format!("b.toml:1: load.stages: missing; {expected}"));
}

#[test]
fn the_numbers_of_several_faults_are_told() {
    let expected = Err(LimitError {
        wrong: "there is no fault[3]".to_owned(),
        expected: "* or a number from 0 to 2".to_owned(),
    });
    assert_eq!(Limit::parse("fault[3].elect < 1s", 3), expected);
}

#[test]
fn a_file_of_thousands_of_stages_or_limits_is_refused() {
    let refused = |stages: usize, limits: usize| {
        let stages = "{ for = '1s', rate = 1 }, ".repeat(stages);
        let limits = "'p99 < 1s', ".repeat(limits);
        let text = format!("version = 1\n[load]\nstages = [{stages}]\n[pass]\nlimits = [{limits}]\n");
        Scenario::parse(&text, "a.toml").err().map(|error| error.to_string())
    };
    assert_eq!(refused(1000, 1000), None);
    assert_eq!(refused(1001, 1).unwrap(), "a.toml:3: load.stages: has 1001 stages; expected at most 1000");
    assert_eq!(refused(1, 1001).unwrap(), "a.toml:5: pass.limits: has 1001 limits; expected at most 1000");
}
