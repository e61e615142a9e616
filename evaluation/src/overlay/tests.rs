use loadgen::scenario::Target;
use serde_json::Value;

use super::*;
use crate::synthetic::{self, Plan, fault, leader, struck};
use loadgen::record::EventKind;

fn quick() -> RunDirectory {
    Plan::leader_kill().run()
}

/// The same load in containers, with a longer outage.
fn slow() -> RunDirectory {
    let mut plan = Plan::leader_kill();
    plan.outages[0] = (15.003, 15.803);
    plan.events[2] = leader(15.6, 3, 2);
    let mut run = plan.run();
    run.manifest.driver = "docker".into();
    run.manifest.name = "leader-kill-in-containers".into();
    run.manifest.links = Some("direct, cut by iptables".into());
    run
}

fn overlay(runs: impl IntoIterator<Item = RunDirectory>) -> Overlay {
    Overlay::of(runs.into_iter().map(|run| (PathBuf::new(), run)))
}

fn row<'a>(overlay: &'a Overlay, fault: Option<usize>, figure: &str) -> &'a table::Row {
    let group = overlay.groups.iter().find(|group| group.fault == fault).unwrap();
    group.rows.iter().find(|row| row.figure == figure).unwrap()
}

fn values(row: &table::Row) -> Vec<Option<f64>> {
    row.cells.iter().map(|cell| cell.value.map(f64::round)).collect()
}

#[test]
fn every_figure_stands_beside_that_of_the_first_run_as_a_multiple_of_it() {
    let overlay = overlay([quick(), slow()]);
    let elect = row(&overlay, Some(0), "elect");
    assert_eq!(values(elect), [Some(298.0), Some(597.0)]);
    assert_eq!(elect.cells[0].ratio, None, "the first is compared with nothing");
    assert!((elect.cells[1].ratio.unwrap() - 597.0 / 298.0).abs() < 1e-9);
    assert_eq!(elect.cells[1].ratio_words(), "×2.00");
    assert_eq!(row(&overlay, Some(0), "unavailable_at_least").cells[0].words, "353 to 354 ms");
    for figure in ["unavailable_at_least", "recover", "lost_work"] {
        let row = row(&overlay, Some(0), figure);
        assert!(row.cells[0].value.unwrap() < row.cells[1].value.unwrap(), "{row:?}");
    }
    let ok = row(&overlay, None, "ok_ratio");
    assert!(ok.cells[0].value.unwrap() > 0.99 && ok.cells[1].ratio.unwrap() < 1.0, "{ok:?}");
    let offered = row(&overlay, None, "offered");
    let expected = overlay.layers[0].run.after_warmup().count() as f64;
    assert_eq!(offered.cells[0].value, Some(expected), "warm-up is left out");
    assert_eq!(
        values(row(&overlay, None, "worst_unavailable_at_least")),
        values(row(&overlay, Some(0), "unavailable_at_least"))
    );
}

#[test]
fn what_was_not_seen_has_no_ratio() {
    let mut dead = Plan::leader_kill();
    // Nobody is elected and nobody is served ever after.
    dead.outages = vec![(15.003, 60.0)];
    dead.events.truncate(2);
    dead.give_up_one_in = 1;
    let mut nobody_struck = Plan::leader_kill();
    (nobody_struck.events, nobody_struck.outages) = (vec![leader(-3.0, 2, 1)], vec![]);
    let overlay = overlay([quick(), dead.run(), nobody_struck.run()]);
    let unavailable = row(&overlay, Some(0), "unavailable_at_least");
    assert!(unavailable.cells[1].words.starts_with("more than "), "{unavailable:?}");
    assert_eq!((unavailable.cells[2].value, unavailable.cells[2].words.as_str()), (None, "–"));
    assert_eq!(row(&overlay, Some(0), "elect").cells[1].words, "nobody elected");
    for figure in ["struck", "elect", "unavailable_at_least", "recover"] {
        assert!(row(&overlay, Some(0), figure).cells.iter().all(|cell| cell.ratio.is_none()), "{figure}");
    }
    assert_eq!(row(&overlay, None, "worst_unavailable_at_least").cells[2].words, "no fault");
}

#[test]
fn strikes_are_compared_with_the_same_strikes_not_with_those_at_the_same_place() {
    let with_two = |first_struck: bool| {
        let mut plan = Plan::leader_kill();
        plan.faults.push(fault(30, Target::Node(1)));
        plan.events.extend([struck(EventKind::Fault, 1, 1, 30.0), struck(EventKind::Heal, 1, 1, 38.0)]);
        if !first_struck {
            plan.events.retain(|event| event.fault != Some(0));
        }
        plan.run()
    };
    let overlay = overlay([with_two(true), with_two(false)]);
    let names: Vec<&str> = overlay.groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "the load, without warm-up",
            "all faults: kill",
            "fault 0: kill of the leader",
            "fault 1: kill of n1"
        ]
    );
    assert_eq!(values(row(&overlay, Some(0), "struck")), [Some(15.0), None]);
    assert_eq!(values(row(&overlay, Some(1), "struck")), [Some(30.0), Some(30.0)]);
}

#[test]
fn runs_that_differ_in_their_driver_alone_are_like_with_like() {
    let overlay = overlay([quick(), slow()]);
    assert_eq!(overlay.differences, Differences::default());
    let compared = difference::settings(&overlay.layers[0]);
    for (key, expected) in
        [("seed", true), ("cluster.nodes", true), ("cluster.driver", false), ("pass.limits", false)]
    {
        assert_eq!(compared.contains_key(key), expected, "{key}");
    }
    let page = page::render(&overlay, &[], Path::new("."));
    assert!(!page.contains("Not like with like"));
}

#[test]
fn another_seed_load_or_fault_is_named_in_every_format() {
    let mut other = slow();
    other.scenario.seed = 7;
    other.scenario.load.clients = 64;
    other.scenario.load.stages[1].rate_to = 900.0;
    other.scenario.faults.push(fault(20, Target::All));
    other.manifest.build = "debug".into();
    other.manifest.interrupted = Some("stopped by the user".into());
    let overlay = overlay([quick(), quick(), other]);
    let told = &overlay.differences;
    for expected in [
        "C: seed is 7 (A: 42)",
        "C: load.clients is 64 (A: 256)",
        "C: load.stages[1].rate is [800, 900] (A: 800)",
        "C: fault[1].at is \"20s\" (A: absent)",
    ] {
        assert!(told.scenarios.iter().any(|told| told == expected), "{expected} in {:#?}", told.scenarios);
    }
    assert!(told.scenarios.iter().all(|told| told.starts_with("C: ")), "B is like A: {:#?}", told.scenarios);
    assert_eq!(
        told.circumstances,
        ["C: the build is debug (A: release)", "C was cut short: stopped by the user"]
    );
    let json: Value = serde_json::from_str(&json::render(&overlay, Path::new("x"))).unwrap();
    assert_eq!(json["differences"]["scenarios"][0], told.scenarios[0].as_str());
    for text in [
        page::render(&overlay, &[], Path::new(".")),
        markdown::render(&overlay),
        terminal::render(&overlay, Path::new("x")),
    ] {
        assert!(text.contains("Not like with like") && text.contains("C: seed is 7 (A: 42)"), "{text}");
    }
}

#[test]
fn a_scenario_that_is_quite_another_does_not_fill_the_page() {
    let mut other = quick();
    other.scenario.faults = (0..20).map(|at| fault(at, Target::Leader)).collect();
    let overlay = overlay([quick(), other]);
    assert_eq!(overlay.differences.scenarios.len(), 9);
    assert!(overlay.differences.scenarios[8].starts_with("B: and "), "{:?}", overlay.differences);
}

/// Two run directories beside one another.
fn written() -> (tempfile::TempDir, Vec<PathBuf>) {
    let root = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = ["one", "two"].map(|name| root.path().join(name)).into();
    for path in &paths {
        std::fs::create_dir(path).unwrap();
        let (run, records) = Plan::leader_kill().run_and_records();
        synthetic::write(path, &run, &records);
    }
    (root, paths)
}

#[test]
fn an_overlay_is_made_beside_the_first_run_and_needs_nothing_but_itself() {
    let (root, paths) = written();
    std::fs::write(paths[1].join("report.html"), "the report").unwrap();
    let made = make(&paths, None).unwrap();
    let folder = made.html.parent().unwrap();
    assert_eq!(folder.parent().unwrap(), root.path().canonicalize().unwrap());
    assert!(folder.file_name().unwrap().to_str().unwrap().starts_with("overlay-2"));
    for name in ["timeline.png", "timeline.svg", "percentiles.png", "percentiles.svg"] {
        assert!(folder.join(format!("figures/overlay-{name}")).metadata().unwrap().len() > 10_000, "{name}");
    }
    let page = std::fs::read_to_string(&made.html).unwrap();
    for outside in ["http://", "https://", "src=", "<link", "<script", "@import", "url("] {
        assert!(!page.contains(outside), "the page contains {outside}");
    }
    assert_eq!(page.matches("<svg").count(), 2);
    assert!(page.contains("A &lt;processor&gt; &amp; more"), "what was recorded is escaped");
    assert!(
        page.contains("<a href=\"../two/report.html\">") && !page.contains("../one/"),
        "only what is there"
    );
    let markdown = std::fs::read_to_string(folder.join(file::MARKDOWN)).unwrap();
    assert!(markdown.contains("| elect | 298 ms (n3, term 2) | 298 ms (n3, term 2) | ×1.00 |"), "{markdown}");
}

#[test]
fn overlay_csv_has_a_row_a_figure_and_run() {
    let (root, paths) = written();
    let out = root.path().join("deep/inside");
    let made = make(&paths, Some(&out)).unwrap();
    assert_eq!(made.html, out.join("overlay.html"));
    let mut reader = ::csv::Reader::from_path(out.join(file::CSV)).unwrap();
    let rows: Vec<Vec<String>> =
        reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
    assert_eq!(rows.len(), 2 * (5 + 6));
    let elect: Vec<_> = rows.iter().filter(|row| row[1] == "elect").collect();
    assert_eq!(
        elect[1][..],
        [
            "0",
            "elect",
            "ms",
            "B",
            "leader-kill-20261121-015536",
            "process",
            "298",
            "1",
            "298 ms (n3, term 2)",
            ""
        ]
    );
    assert_eq!(elect[0][7], "", "the first is compared with nothing");
}

#[test]
fn many_faults_are_compared_by_their_quantiles_and_single_ones_folded_up() {
    let overlay = overlay([Plan::many_kills(20).run(), Plan::many_kills(15).run()]);
    let kill = overlay.groups.iter().find(|group| group.kind.as_deref() == Some("kill")).unwrap();
    let median = kill.rows.iter().find(|row| row.figure == "unavailable_at_least_p50").unwrap();
    let of_runs = overlay.layers.iter().map(|layer| layer.assessment.kinds[0].unavailable.quantile(0.5));
    assert!(median.cells.iter().map(|cell| cell.value).eq(of_runs), "{median:?}");
    assert!(median.cells[1].ratio.is_some());
    let faults = kill.rows.iter().find(|row| row.figure == "faults").unwrap();
    assert_eq!(values(faults), [Some(20.0), Some(15.0)]);
    let page = page::render(&overlay, &[], Path::new("."));
    let markdown = markdown::render(&overlay);
    for text in [&page, &markdown] {
        assert_eq!((text.matches("<details>").count(), text.matches("</details>").count()), (1, 1));
        assert!(text.find("all faults: kill").unwrap() < text.find("<details>").unwrap());
        assert!(text.find("fault 19: kill").unwrap() > text.find("<details>").unwrap());
    }
    let terminal = terminal::render(&overlay, Path::new("x"));
    assert!(
        terminal.contains("each of 20 faults: in the page") && !terminal.contains("fault 3: "),
        "{terminal}"
    );
    let csv = csv::render(&overlay);
    assert!(
        csv.lines()
            .any(|line| line.starts_with(",unavailable_at_least_p99,ms,B,") && line.ends_with(",kill")),
        "{csv}"
    );
    assert!(csv.lines().any(|line| line.starts_with("19,")), "nothing is folded up for scripts");
}

#[test]
fn what_cannot_be_read_is_named_and_leaves_nothing_behind() {
    let (root, mut paths) = written();
    paths.push(root.path().join("three"));
    let error = make(&paths, Some(&root.path().join("out"))).unwrap_err().to_string();
    assert!(error.contains("three is not a run directory"), "{error}");
    assert!(!root.path().join("out").exists());
}
