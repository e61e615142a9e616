//! The report in a few lines, for a terminal.

use std::{fmt::Write, path::Path};

use super::words;
use crate::{assessment::Assessment, figure::thousands, foreign_text::line};

/// Verdict, faults (of many only how they are distributed), what does not hold, and where the whole report lies.
pub fn render(assessment: &Assessment, html: &Path) -> String {
    let mut out = String::new();
    let verdict = assessment.judgement.verdict.name();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{verdict}: {}", line(&words::sentence(assessment)));
    for reason in &assessment.judgement.reasons {
        let _ = writeln!(out, "  - {}", line(reason));
    }
    let (kinds, many) = (words::kinds(&assessment.kinds), assessment.failovers.len() > words::MANY_FAULTS);
    if many && !kinds.is_empty() {
        let rows: Vec<_> = std::iter::once(words::KINDS.map(str::to_owned)).chain(kinds).collect();
        let _ = writeln!(out, "\n{}", table(&rows));
    }
    if !many && !assessment.failovers.is_empty() {
        let mut rows = vec![
            ["fault", "at", "elect", "unavailable", "healing", "recover", "lost work"].map(str::to_owned),
        ];
        rows.extend(assessment.failovers.iter().map(|fault| {
            [
                words::fault_name(fault),
                format!("{:.3} s", fault.injected_s),
                words::elect(fault),
                words::at_fault(fault),
                words::healing(fault),
                words::recover(fault),
                thousands(fault.lost_work),
            ]
        }));
        let _ = writeln!(out, "\n{}", table(&rows));
    }
    let total = &assessment.total;
    let _ = writeln!(
        out,
        "\noperations: {} offered, {} ok, {} failed, {} unknown, {} shed; p50 {} ms, p99 {} ms",
        thousands(total.offered),
        thousands(total.ok),
        thousands(total.failed),
        thousands(total.unknown),
        thousands(total.shed),
        words::latency(total.latencies.quantile_ms(0.5)),
        words::latency(total.latencies.quantile_ms(0.99)),
    );
    for check in &assessment.checks {
        if let Some(effort) = &check.effort {
            let name = check.check.name();
            let _ = writeln!(out, "{name}: {}: looked at {}", check.result.name(), line(effort));
        }
    }
    let _ = writeln!(out, "report: {}", line(&html.display().to_string()));
    out
}

/// Cells in columns, as wide as their widest.
pub(crate) fn table(rows: &[impl AsRef<[String]>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.as_ref().iter().map(|cell| line(cell)).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut widths = vec![0; columns];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            format!("  {}", cells.join("  ").trim_end())
        })
        .collect();
    lines.join("\n")
}
