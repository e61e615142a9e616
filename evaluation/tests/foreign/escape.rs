//! Text of strangers is text in every format.

use loadgen::record::file;

use super::{report, small::Small};

/// Markup, a formula, a way out of a cell, and what a terminal obeys.
const HOSTILE: &str = "=cmd|'/c calc'!A1\",<script>alert(1)</script>![x](http://evil.example/x.png)\\|`\u{1b}[2J\u{9b}2J\u{202e}";

/// A run in which every text that a stranger may choose is hostile.
fn hostile() -> Small {
    let small = Small::new();
    small.manifest(|m| {
        for text in [
            &mut m.name,
            &mut m.scenario,
            &mut m.driver,
            &mut m.version,
            &mut m.build,
            &mut m.started,
            &mut m.machine.os,
            &mut m.machine.kernel,
            &mut m.machine.cpu,
        ] {
            *text = HOSTILE.to_owned();
        }
        m.links = Some(HOSTILE.to_owned());
        m.commit = Some(HOSTILE.to_owned());
        m.interrupted = Some(format!("{HOSTILE}\npass: nothing was lost"));
        for node in &mut m.nodes {
            node.client_address = HOSTILE.to_owned();
            node.container = Some(HOSTILE.to_owned());
            node.log = Some(HOSTILE.to_owned());
        }
    });
    let events = std::fs::read_to_string(small.file(file::EVENTS)).unwrap();
    let quoted = format!("\"{}\"", HOSTILE.replace('"', "\"\""));
    // Of a fault that the scenario does not have, the record alone says what it was.
    let events = events
        .replace(",kill", &format!(",{quoted}"))
        .replace("fault,0", "fault,7")
        .replace("heal,0", "heal,7");
    std::fs::write(small.file(file::EVENTS), events).unwrap();
    small
}

fn is_obeyed(c: char) -> bool {
    (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[test]
fn nothing_that_a_terminal_obeys_is_printed() {
    let small = hostile();
    for options in [&[][..], &["--json"]] {
        let output = report(&small.path(), options);
        assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(!said.contains(is_obeyed), "{said:?}");
        assert!(!said.lines().any(|line| line.starts_with("pass")), "a line is forged: {said}");
    }
    let json: serde_json::Value = serde_json::from_slice(&report(&small.path(), &["--json"]).stdout).unwrap();
    assert_eq!(json["run"], HOSTILE, "JSON says it as it is");
    small.replace(file::MANIFEST, "\"format\": 1", "\"\u{9b}2J\u{1b}[2J\": 1");
    let error = report(&small.path(), &[]).stderr;
    assert!(!String::from_utf8(error).unwrap().contains(is_obeyed));
}

#[test]
fn no_derived_file_holds_markup_of_a_stranger() {
    let small = hostile();
    report(&small.path(), &[]);
    for name in ["report.html", "report.md", "figures/timeline.svg"] {
        let text = std::fs::read_to_string(small.file(name)).unwrap();
        assert!(!text.contains("<script"), "{name}");
        assert!(!text.contains(is_obeyed), "{name}");
    }
    let markdown = std::fs::read_to_string(small.file("report.md")).unwrap();
    assert!(!markdown.contains("![x]") && !markdown.contains("://"), "{markdown}");
    // Every row of a table has the cells of its head.
    let mut columns = None;
    for line in markdown.lines() {
        let cells = line.starts_with('|').then(|| cells(line));
        if let (Some(cells), Some(columns)) = (cells, columns) {
            assert_eq!(cells, columns, "{line}");
        }
        columns = cells;
    }
}

/// How many cells a row of a table has: what stands behind a backslash separates none.
fn cells(row: &str) -> usize {
    let (mut cells, mut escaped) = (0, false);
    for c in row.chars() {
        cells += usize::from(c == '|' && !escaped);
        escaped = c == '\\' && !escaped;
    }
    cells
}

#[test]
fn no_cell_is_a_formula() {
    let small = hostile();
    report(&small.path(), &[]);
    let out = small.outside().join("overlay");
    let made = std::process::Command::new(env!("CARGO_BIN_EXE_evaluation"))
        .arg("overlay")
        .args([small.path(), small.path()])
        .arg("--out")
        .arg(&out)
        .output()
        .unwrap();
    assert!(!String::from_utf8(made.stdout).unwrap().contains(is_obeyed));
    for path in [small.file("failover.csv"), out.join("overlay.csv")] {
        let mut hostile = 0;
        // Every row has as many cells as the header, or reading it fails.
        for row in csv::Reader::from_path(&path).unwrap().records() {
            for cell in &row.unwrap() {
                hostile += usize::from(cell.contains("cmd"));
                let is_formula =
                    cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err();
                assert!(!is_formula && !cell.contains(is_obeyed), "{}: {cell:?}", path.display());
            }
        }
        assert!(hostile > 0, "{} tells nothing of it", path.display());
    }
}
