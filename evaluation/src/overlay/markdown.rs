//! `overlay.md`: the table for where figures are not shown.

use std::fmt::Write;

use super::{Group, Overlay};
use crate::report::markdown::{plain, row, table};

/// Differences, runs, and the table.
pub fn render(overlay: &Overlay) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "# {}\n", plain(&overlay.title()));
    for (title, list) in overlay.differences.told() {
        let _ = writeln!(out, "**{title}**\n");
        for difference in list {
            let _ = writeln!(out, "- {}", plain(difference));
        }
        out.push('\n');
    }
    table(&mut out, &["", "run", "driver", "verdict"], 4);
    for layer in &overlay.layers {
        let m = &layer.run.manifest;
        let verdict = layer.assessment.judgement.verdict.name();
        row(&mut out, &[layer.letter.to_string(), plain(&m.name), plain(&m.driver), verdict.to_owned()]);
    }
    let (shown, folded) = overlay.shown_and_folded();
    groups(&mut out, overlay, &shown);
    if !folded.is_empty() {
        let _ = writeln!(out, "\n<details><summary>Each of {} faults</summary>", folded.len());
        groups(&mut out, overlay, &folded);
        let _ = writeln!(out, "\n</details>");
    }
    let _ = writeln!(out, "\n## What ran where\n");
    let letters = overlay.layers.iter().map(|layer| layer.letter.to_string());
    let names: Vec<String> = std::iter::once(String::new()).chain(letters).collect();
    table(&mut out, &names.iter().map(String::as_str).collect::<Vec<_>>(), names.len());
    for (name, values) in overlay.facts() {
        let cells: Vec<String> = std::iter::once(name.to_owned()).chain(values).map(|c| plain(&c)).collect();
        row(&mut out, &cells);
    }
    out
}

/// A table for each group.
fn groups(out: &mut String, overlay: &Overlay, groups: &[&Group]) {
    for group in groups {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "\n## {}\n", plain(&group.name));
        let names = overlay.columns();
        table(out, &names.iter().map(String::as_str).collect::<Vec<_>>(), 1);
        for figure in &group.rows {
            let mut cells = vec![plain(&figure.name())];
            for (place, cell) in figure.cells.iter().enumerate() {
                cells.push(plain(&cell.words));
                if place > 0 {
                    cells.push(cell.ratio_words());
                }
            }
            row(out, &cells);
        }
    }
}
