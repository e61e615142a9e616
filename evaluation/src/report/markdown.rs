//! `report.md`: what a CI summary shows.

use std::fmt::Write;

use super::words;
use crate::{
    assessment::Assessment, check::CheckResult, figure::thousands, run::RunDirectory, verdict::Verdict,
};

/// The report in short.
pub fn render(run: &RunDirectory, assessment: &Assessment) -> String {
    let mut out = String::new();
    let verdict = assessment.judgement.verdict;
    let sign = match verdict {
        Verdict::Pass => "✅",
        Verdict::Fail => "❌",
        Verdict::Inconclusive => "❔",
    };
    // Writing to a string cannot fail.
    let _ = writeln!(out, "# {sign} {}: {}\n", run.manifest.name, verdict.name());
    let _ = writeln!(out, "{}.\n", words::sentence(assessment));
    for reason in &assessment.judgement.reasons {
        let _ = writeln!(out, "- {}", plain(reason));
    }
    if !assessment.judgement.reasons.is_empty() {
        out.push('\n');
    }

    if !assessment.failovers.is_empty() {
        table(&mut out, &["fault", "at", "elect", "unavailable", "recover", "lost work"], 1);
        for fault in &assessment.failovers {
            row(
                &mut out,
                &[
                    words::fault_name(fault),
                    format!("{:.3} s", fault.injected_s),
                    words::elect(fault),
                    format!(
                        "{} ({})",
                        words::unavailable(&fault.unavailable),
                        words::resolution(&fault.unavailable)
                    ),
                    words::recover(fault),
                    thousands(fault.lost_work),
                ],
            );
        }
        out.push('\n');
    }
    if !assessment.limits.is_empty() {
        table(&mut out, &["limit", "measured", "holds"], 3);
        for limit in &assessment.limits {
            let holds = match words::holds(limit) {
                ("fail", word) => format!("**{word}**"),
                (_, word) => word.to_owned(),
            };
            row(&mut out, &[format!("`{}`", limit.text), plain(&limit.shown), holds]);
        }
        out.push('\n');
    }
    table(&mut out, &["check", "result", "examined"], 2);
    for check in &assessment.checks {
        let result = match &check.result {
            CheckResult::Pass => "pass".to_owned(),
            CheckResult::Fail { violations, examples } => {
                let first = examples.first().map_or("", String::as_str);
                format!("**fail**: {}, the first: {}", words::violations(*violations), plain(first))
            }
            CheckResult::Inconclusive { reason } => format!("inconclusive: {}", plain(reason)),
        };
        row(&mut out, &[format!("`{}`", check.check.name()), result, thousands(check.operations)]);
    }
    out.push('\n');
    table(
        &mut out,
        &["operation", "offered", "ok", "failed", "unknown", "shed", "p50 ms", "p99 ms", "max ms"],
        1,
    );
    let all = std::iter::once(("all", &assessment.total));
    let each = assessment.by_operation.iter().map(|(kind, tally)| (kind.name(), tally));
    for (name, tally) in all.chain(each) {
        let quantile = |q| words::latency(tally.latencies.quantile_ms(q));
        row(
            &mut out,
            &[
                name.to_owned(),
                thousands(tally.offered),
                thousands(tally.ok),
                thousands(tally.failed),
                thousands(tally.unknown),
                thousands(tally.shed),
                quantile(0.5),
                quantile(0.99),
                quantile(1.0),
            ],
        );
    }
    let m = &run.manifest;
    let _ = writeln!(
        out,
        "\n{} nodes, {} driver, seed {}, {} build of {} ({}), {} cores, {}.",
        m.nodes.len(),
        m.driver,
        m.seed,
        m.build,
        m.version,
        m.commit.as_deref().unwrap_or("unknown commit"),
        m.machine.cores,
        plain(&m.machine.cpu),
    );
    out
}

/// The head of a table whose first columns are text and whose others are numbers.
fn table(out: &mut String, names: &[&str], text: usize) {
    row(out, &names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>());
    let rule: Vec<&str> = (0..names.len()).map(|i| if i < text { "---" } else { "---:" }).collect();
    let _ = writeln!(out, "| {} |", rule.join(" | "));
}

fn row(out: &mut String, cells: &[String]) {
    let cells: Vec<String> = cells.iter().map(|c| one_cell(c)).collect();
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

/// Text on one line, in which nothing is markup.
fn plain(text: &str) -> String {
    text.replace('\n', " ").replace('&', "&amp;").replace('<', "&lt;").replace('*', "\\*").replace('`', "\\`")
}

/// Text that cannot break out of its cell.
fn one_cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
