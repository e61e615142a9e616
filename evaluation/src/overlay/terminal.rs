//! The table in a few lines, for a terminal.

use std::{fmt::Write, path::Path};

use super::Overlay;
use crate::{foreign_text::line, report::terminal::table};

/// Runs, differences, the table, and where the page lies.
pub fn render(overlay: &Overlay, html: &Path) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    for layer in &overlay.layers {
        let _ = writeln!(out, "{}: {}", line(&layer.label()), layer.assessment.judgement.verdict.name());
    }
    for (title, list) in overlay.differences.told() {
        let _ = writeln!(out, "\n{title}");
        for difference in list {
            let _ = writeln!(out, "  - {}", line(difference));
        }
    }
    let (shown, left_out) = overlay.shown_and_folded();
    for group in shown {
        let mut rows = vec![overlay.columns()];
        for row in &group.rows {
            let mut cells = vec![row.name()];
            for (place, cell) in row.cells.iter().enumerate() {
                cells.push(cell.words.clone());
                if place > 0 {
                    cells.push(cell.ratio_words());
                }
            }
            rows.push(cells);
        }
        let _ = writeln!(out, "\n{}\n{}", line(&group.name), table(&rows));
    }
    if !left_out.is_empty() {
        let _ = writeln!(out, "\neach of {} faults: in the page", left_out.len());
    }
    let _ = writeln!(out, "\noverlay: {}", line(&html.display().to_string()));
    out
}
