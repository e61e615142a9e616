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
