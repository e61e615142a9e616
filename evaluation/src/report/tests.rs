use std::path::Path;

use loadgen::record::{Containers, NodeLimits, Outcome, Reply};
use serde_json::Value;

use super::*;
use crate::{
    run::{LogTail, NodeLog},
    synthetic::{Plan, fault},
    verdict::Verdict,
};

fn written(run: &RunDirectory) -> (tempfile::TempDir, Assessment) {
    let folder = tempfile::tempdir().unwrap();
    let assessment = assess(run);
    write(folder.path(), run, &assessment).unwrap();
    if let Some(root) = std::env::var_os("VEIL_KEEP_FIGURES") {
        let name = assessment.judgement.verdict.name();
        let kept = Path::new(&root).join(format!("report-{name}"));
        std::fs::create_dir_all(&kept).unwrap();
        write(&kept, run, &assessment).unwrap();
        let text = terminal::render(&assessment, Path::new("report.html"));
        std::fs::write(kept.join("terminal.txt"), text).unwrap();
    }
    (folder, assessment)
}

fn read(folder: &tempfile::TempDir, name: &str) -> String {
    std::fs::read_to_string(folder.path().join(name)).unwrap()
}

/// A leader's death after which much is wrong.
fn broken_run() -> RunDirectory {
    let mut plan = Plan::leader_kill();
    plan.outages[0] = (15.003, 16.9);
    let mut run = plan.run();
    let nodes = &mut run.readback.as_mut().unwrap().nodes;
    nodes[2].images.remove(3);
    nodes[0].images[5].grants[0].used += 1;
    nodes[2].hash = [9; 32];
    run
}

#[test]
fn every_derived_file_is_written_and_old_figures_go() {
    let run = Plan::leader_kill().run();
    let (folder, assessment) = written(&run);
    for name in [
        file::HTML,
        file::MARKDOWN,
        file::SUMMARY,
        file::FAILOVER,
        file::TIMESERIES,
        "figures/timeline.png",
        "figures/timeline.svg",
        "figures/fault-0.png",
        "figures/percentiles.svg",
        "figures/nodes.png",
    ] {
        let size = folder.path().join(name).metadata().unwrap().len();
        assert!(size > 100, "{name} is empty");
    }
    std::fs::write(folder.path().join("figures/fault-9.png"), "old").unwrap();
    std::fs::write(folder.path().join("figures/notes.txt"), "mine").unwrap();
    write(folder.path(), &run, &assessment).unwrap();
    assert!(!folder.path().join("figures/fault-9.png").exists());
    assert!(folder.path().join("figures/notes.txt").exists());
}

#[test]
fn summary_json_has_the_keys_that_scripts_read() {
    let (folder, _) = written(&Plan::leader_kill().run());
    let summary: Value = serde_json::from_str(&read(&folder, file::SUMMARY)).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let has = |value: &Value, names: &[&str]| {
        for name in names {
            assert!(value.get(name).is_some(), "{name} is missing in {:?}", keys(value));
        }
    };
    assert_eq!(summary["verdict"], "pass");
    has(&summary, &["verdict", "operations", "latency_ms", "faults", "checks", "limits"]);
    let counts = ["offered", "ok", "failed", "unknown", "shed"];
    let quantiles = ["p50", "p90", "p99", "p999", "max"];
    has(&summary["operations"], &counts);
    has(&summary["operations"]["view"], &counts);
    has(&summary["latency_ms"], &quantiles);
    has(&summary["latency_ms"]["view"], &quantiles);
    has(&summary["send_error_ms"]["view"], &quantiles);
    assert_eq!(summary["send_error_ms"]["p99"], 0.02, "each is sent 20 us after it is due");
    has(
        &summary["faults"][0],
        &[
            "kind",
            "target",
            "injected_at_s",
            "elect_ms",
            "unavailable",
            "healing",
            "distinguishable",
            "longest_gap_ms",
            "recover_ms",
            "lost_work",
        ],
    );
    for outage in [&summary["faults"][0]["unavailable"], &summary["faults"][0]["healing"]] {
        has(
            outage,
            &["at_least_ms", "at_most_ms", "last_answer_s", "from_s", "to_s", "next_answer_s", "noise"],
        );
        has(
            &outage["noise"],
            &["at_least_ms", "at_most_ms", "worst_at_least_ms", "worst_at_most_ms", "times"],
        );
    }
    assert!(summary["faults"][0].get("unavailable_ms").is_none(), "it meant something else");
    has(&summary["checks"][0], &["name", "result", "operations"]);
    has(&summary["limits"][0], &["text", "holds", "value"]);

    let fault = &summary["faults"][0];
    assert_eq!((&fault["kind"], &fault["target"]), (&"kill".into(), &"leader".into()));
    assert_eq!(fault["elect_ms"], 298.0);
    let operations = &summary["operations"];
    let sum: u64 =
        ["view", "discover", "grant"].iter().map(|kind| operations[kind]["offered"].as_u64().unwrap()).sum();
    assert_eq!(operations["offered"].as_u64().unwrap(), sum);
    assert!(operations.get("seal").is_none(), "set-up is not load");
    let names: Vec<_> =
        summary["checks"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["no_lost_ack", "quota", "converged", "linearizable"]);
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let (folder, _) = written(&Plan::leader_kill().run());
    let page = read(&folder, file::HTML);
    for outside in ["http://", "https://", "src=", "<link", "<script", "@import", "url("] {
        assert!(!page.contains(outside), "the page contains {outside}");
    }
    assert_eq!(page.matches("<svg").count(), 4);
    assert!(page.contains(
        "n2, the leader, was killed at 15.0 s; nobody who asked was served for 353 to 354 ms; and later, until it was \
         healed and settled, for 34 ms; nothing acknowledged was lost"
    ));
    assert!(page.contains("A &lt;processor&gt; &amp; more"), "what was recorded is escaped");
    assert!(page.contains("# as &lt;resolved&gt;"));
}

#[test]
fn a_failure_says_what_failed_and_shows_counter_examples() {
    let (folder, assessment) = written(&broken_run());
    assert_eq!(assessment.judgement.verdict, Verdict::Fail);
    let page = read(&folder, file::HTML);
    for expected in [
        "fault[*].unavailable &lt;= 1s",
        "n3 does not hold image",
        "views of image",
        "at log index 1000",
        "acknowledged writes were lost",
    ] {
        assert!(page.contains(expected), "{expected}");
    }
    let markdown = read(&folder, file::MARKDOWN);
    assert!(markdown.contains("**fail**") && markdown.contains("**no**"));
    let summary: Value = serde_json::from_str(&read(&folder, file::SUMMARY)).unwrap();
    assert_eq!(summary["verdict"], "fail");
    assert_eq!(summary["limits"][0]["holds"], false);
    assert_eq!(summary["checks"][0]["result"], "fail");
}

#[test]
fn a_counter_example_is_drawn_and_what_was_looked_at_is_told() {
    let mut run = Plan::leader_kill().run();
    let told = run.history.exchanges.iter_mut().rev().find_map(|exchange| match &mut exchange.outcome {
        Some(Outcome::Ok(Reply::Viewed { views_left, .. })) => Some(views_left),
        _ => None,
    });
    *told.unwrap() = 17;
    let (folder, assessment) = written(&run);
    assert_eq!(assessment.judgement.reasons, ["check linearizable: 1 violation"]);
    let page = read(&folder, file::HTML);
    for expected in
        ["no order explains", "<pre>", "stuck at: ", "17 left", "operations on 82 users, images and grants"]
    {
        assert!(page.contains(expected), "{expected}");
    }
    let markdown = read(&folder, file::MARKDOWN);
    let row = markdown.lines().find(|line| line.starts_with("| `linearizable` |")).unwrap();
    assert!(row.contains("no order explains") && !row.contains("stuck at"), "{row}");
    assert!(markdown.contains("`linearizable` looked at "), "{markdown}");
    let summary: Value = serde_json::from_str(&read(&folder, file::SUMMARY)).unwrap();
    assert!(summary["checks"][3]["examined"].as_str().unwrap().contains("steps"), "{summary}");
    assert!(summary["checks"][0]["examined"].is_null());
}

#[test]
fn of_many_faults_the_distribution_is_told_and_each_is_folded_up() {
    let (folder, assessment) = written(&Plan::many_kills(100).run());
    let kill = &assessment.kinds[0];
    let [median, worst] = [0.5, 1.0].map(|q| words::spread(&kill.unavailable, q));
    let (page, markdown) = (read(&folder, file::HTML), read(&folder, file::MARKDOWN));
    assert!(
        page.contains(&format!("in the median nobody who asked was served for at least {median}")),
        "{median}"
    );
    for summary in ["Each of the 100 faults", "All 301 events"] {
        assert!(page.contains(&format!("<summary>{summary}</summary>")), "{summary}");
    }
    assert!(markdown.contains("| fault | figure | n | median | p90 | p99 | worst |"), "{markdown}");
    let row =
        markdown.lines().find(|line| line.starts_with("| kill | unavailable, at least | 100 |")).unwrap();
    assert!(row.contains(&median) && row.ends_with(&format!("{worst} |")), "{row}");
    let folded = markdown.find("<details>").unwrap()..markdown.find("</details>").unwrap();
    assert_eq!(markdown[folded].matches("kill of the leader").count(), 100);
    let terminal = terminal::render(&assessment, Path::new("report.html"));
    assert!(terminal.lines().count() < 15 && terminal.contains(&median), "{terminal}");

    let summary: Value = serde_json::from_str(&read(&folder, file::SUMMARY)).unwrap();
    let kinds = &summary["fault_kinds"];
    assert_eq!((&kinds[0]["kind"], &kinds[0]["n"]), (&"kill".into(), &100.into()));
    for figure in [
        "elect_ms",
        "unavailable_at_least_ms",
        "unavailable_at_most_ms",
        "noise_at_least_ms",
        "longest_gap_ms",
        "recover_ms",
    ] {
        for key in ["n", "endless", "p50", "p90", "p99", "max"] {
            assert!(kinds[0][figure][key].is_number(), "{figure}.{key} in {kinds}");
        }
    }
    let close = (kinds[0]["unavailable_at_least_ms"]["p50"].as_f64().unwrap()
        - kill.unavailable.quantile(0.5).unwrap())
    .abs();
    assert!(close < 0.001, "{kinds}");
}

#[test]
fn a_few_faults_are_a_table_without_a_distribution_and_the_page_says_why() {
    let (folder, _) = written(&Plan::many_kills(3).run());
    let page = read(&folder, file::HTML);
    assert!(page.contains("No distribution is drawn of fewer than 10 faults of a kind"));
    assert!(!page.contains("<details>") && !folder.path().join("figures/ecdf.png").exists());
    let (folder, _) = written(&Plan::leader_kill().run());
    let page = read(&folder, file::HTML);
    assert!(
        !page.contains("No distribution") && !page.contains("<th class=\"n\">p90</th>"),
        "one fault is no kind"
    );
}

#[test]
fn stages_of_a_write_are_told_in_their_order_where_nodes_have_told_them() {
    let mut run = Plan::leader_kill().run();
    let sample = |stage: &str, node, p50_us| loadgen::record::StageSample {
        node,
        stage: stage.into(),
        count: 1234,
        p50_us,
        p99_us: 12_500,
        max_us: 40_000,
    };
    run.stages = vec![sample("fsync", 2, 900), sample("fsync", 1, 800), sample("frame", 1, 20)];
    let (folder, _) = written(&run);
    let markdown = read(&folder, file::MARKDOWN);
    let table = "| frame | n1 | 1,234 | 0.02 | 12.5 | 40.0 |\n| fsync | n1 | 1,234 | 0.80 | 12.5 | 40.0 |\n\
                 | fsync | n2 | 1,234 | 0.90 | 12.5 | 40.0 |\n";
    assert!(markdown.contains(table), "{markdown}");
    let client = markdown.lines().position(|line| line.starts_with("| client | all | ")).expect("no whole");
    assert!(markdown.lines().nth(client + 1).is_some_and(|line| line.starts_with("| frame ")), "{markdown}");
    assert!(
        read(&folder, file::HTML).contains("Stages of a write")
            && folder.path().join("figures/stages.png").exists()
    );
    let summary: Value = serde_json::from_str(&read(&folder, file::SUMMARY)).unwrap();
    assert_eq!(summary["stages"][1]["p50_us"], 800);
    let (folder, _) = written(&Plan::leader_kill().run());
    assert!(!read(&folder, file::HTML).contains("Stages of a write"));
}

/// A run in containers: n1 has a log of two lines, n2 an empty one, and that of n3 is gone.
fn run_in_containers() -> RunDirectory {
    let mut run = Plan::leader_kill().run();
    let m = &mut run.manifest;
    m.driver = "docker".into();
    m.containers = Some(Containers {
        engine: "Docker 20.10.24, API 1.41".into(),
        image: "sha256:2fb1c4".into(),
        image_bytes: 9_227_469,
        network: "veil-7".into(),
        subnet: "172.30.0.0/24".into(),
        generators: Vec::new(),
    });
    m.limits = Some(NodeLimits { cpus: Some(0.5), memory_bytes: Some(256 << 20), disk_bytes: None });
    m.links = Some("direct, cut by iptables".into());
    m.first_request_s = Some(2.345);
    for node in &mut m.nodes {
        let path = format!("nodes/n{}/log.txt", node.id);
        let tail = match node.id {
            1 => Ok(LogTail {
                bytes: 5000,
                lines: vec!["WARN <b>late</b> & slow".into(), "| ERROR".into()],
                whole: false,
            }),
            2 => Ok(LogTail { bytes: 0, lines: vec![], whole: true }),
            _ => Err("not kept".into()),
        };
        node.container = Some(format!("c0ffee{}", node.id));
        node.log = Some(path.clone());
        run.logs.insert(node.id, NodeLog { path, tail });
    }
    run
}

#[test]
fn a_report_names_what_ran_where() {
    let (folder, _) = written(&run_in_containers());
    let (page, markdown) = (read(&folder, file::HTML), read(&folder, file::MARKDOWN));
    for fact in [
        "docker, 3 nodes",
        "Docker 20.10.24, API 1.41",
        "sha256:2fb1c4, 8.8 MiB",
        "veil-7, 172.30.0.0/24",
        "0.5 processors, 256 MiB of memory",
        "direct, cut by iptables",
        "2.3 s after the program was started",
        "c0ffee2",
        "not kept",
        "4.9 KiB",
    ] {
        assert!(page.contains(fact), "{fact} in the page");
        assert!(markdown.contains(fact), "{fact} in {markdown}");
    }
    assert!(
        page.contains("<a href=\"nodes/n1/log.txt\">") && !page.contains("<a href=\"nodes/n3/log.txt\">")
    );
    assert!(markdown.contains("[nodes/n2/log.txt](nodes/n2/log.txt), empty"));
    assert!(page.contains("WARN &lt;b&gt;late&lt;/b&gt; &amp; slow\n| ERROR"), "logs are escaped");
    assert_eq!(page.matches("<details>").count(), 1, "an empty log has nothing to fold up");

    let summary: Value = serde_json::from_str(&read(&folder, file::SUMMARY)).unwrap();
    let environment = &summary["environment"];
    assert_eq!(environment["driver"], "docker");
    assert_eq!(environment["containers"]["engine"], "Docker 20.10.24, API 1.41");
    assert_eq!(environment["limits"]["memory_bytes"], 256 << 20);
    assert_eq!(environment["links"], "direct, cut by iptables");
    assert_eq!(environment["first_request_s"], 2.345);
    assert_eq!(environment["nodes"][2]["container"], "c0ffee3");
    assert_eq!(environment["nodes"][2]["log"], "nodes/n3/log.txt");
}

#[test]
fn a_report_of_processes_has_no_empty_columns() {
    let (folder, _) = written(&Plan::leader_kill().run());
    let (page, markdown) = (read(&folder, file::HTML), read(&folder, file::MARKDOWN));
    for absent in ["container", "engine", "<details>"] {
        assert!(!page.contains(absent) && !markdown.contains(absent), "{absent}");
    }
    assert!(markdown.contains("| node | clients at | nodes at |"), "{markdown}");
    let summary: Value = serde_json::from_str(&read(&folder, file::SUMMARY)).unwrap();
    assert!(summary["environment"]["containers"].is_null());
}

#[test]
fn a_run_that_was_cut_off_is_inconclusive_and_still_has_a_report() {
    let mut run = Plan::leader_kill().run();
    run.readback = None;
    run.nodes.clear();
    run.manifest.complete = false;
    run.manifest.interrupted = Some("Ctrl-C".into());
    run.scenario.faults.push(fault(60, loadgen::scenario::Target::Node(3)));
    let (folder, assessment) = written(&run);
    assert_eq!(assessment.judgement.verdict, Verdict::Inconclusive);
    assert!(read(&folder, file::HTML).contains("the run was ended early: Ctrl-C"));
}

#[test]
fn tables_have_a_row_for_each_thing_and_as_many_cells_as_names() {
    let (folder, assessment) = written(&Plan::leader_kill().run());
    for (name, rows) in [(file::FAILOVER, 1), (file::TIMESERIES, assessment.series.len())] {
        let text = read(&folder, name);
        let widths: Vec<usize> = text.lines().map(|l| l.split(',').count()).collect();
        assert_eq!(widths.len(), rows + 1, "{name}");
        assert!(widths.iter().all(|w| *w == widths[0]), "{name}");
    }
    assert!(read(&folder, file::FAILOVER).contains("0,kill,leader,n2,15.001,15.003,23.200,"));
    let offered: u64 = read(&folder, file::TIMESERIES)
        .lines()
        .skip(1)
        .map(|l| l.split(',').nth(1).unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!(offered, assessment.total.offered);
}

#[test]
fn what_is_no_run_directory_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = make(folder.path()).unwrap_err().to_string();
    assert!(error.ends_with("is not a run directory: scenario.toml is missing"), "{error}");
}

#[test]
fn a_fault_that_did_nothing_is_said_to_be_like_none_in_every_format() {
    let mut plan = Plan::leader_kill();
    plan.outages.clear();
    plan.events.retain(|event| event.term != Some(2));
    let (folder, assessment) = written(&plan.run());
    assert_eq!(assessment.failovers[0].is_distinguishable(), Some(false));
    let terminal = terminal::render(&assessment, Path::new("report.html"));
    for text in [read(&folder, file::HTML), read(&folder, file::MARKDOWN), terminal] {
        assert!(text.contains("not distinguishable from no fault"), "{text}");
    }
    let summary: Value = serde_json::from_str(&read(&folder, file::SUMMARY)).unwrap();
    assert_eq!(summary["faults"][0]["distinguishable"], false);
    assert_eq!(summary["fault_kinds"][0]["distinguishable"], 0);
    let (header, row) = {
        let text = read(&folder, file::FAILOVER);
        let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
        (lines.next().unwrap(), lines.next().unwrap())
    };
    let told = header.iter().position(|name| name == "unavailable_distinguishable").unwrap();
    assert_eq!(row[told], "false");
}
