//! The table for scripts.

use std::{borrow::Cow, path::Path};

use serde::Serialize;

use super::{Overlay, csv::rounded};
use crate::foreign_text;

#[derive(Serialize)]
struct Shown<'a> {
    format: u32,
    html: Cow<'a, str>,
    runs: Vec<Run<'a>>,
    differences: Differences<'a>,
    figures: Vec<Figure<'a>>,
}

#[derive(Serialize)]
struct Run<'a> {
    run: char,
    name: &'a str,
    scenario: &'a str,
    driver: &'a str,
    seed: u64,
    verdict: &'static str,
}

#[derive(Serialize)]
struct Differences<'a> {
    scenarios: &'a [String],
    circumstances: &'a [String],
}

#[derive(Serialize)]
struct Figure<'a> {
    fault: Option<usize>,
    kind: Option<&'a str>,
    figure: &'static str,
    unit: &'static str,
    values: Vec<Option<f64>>,
    ratios: Vec<Option<f64>>,
    words: Vec<&'a str>,
}

/// Runs, differences and figures; lists of a figure have an entry a run.
pub fn render(overlay: &Overlay, html: &Path) -> String {
    let runs = overlay.layers.iter().map(|layer| {
        let m = &layer.run.manifest;
        Run {
            run: layer.letter,
            name: &m.name,
            scenario: &m.scenario,
            driver: &m.driver,
            seed: m.seed,
            verdict: layer.assessment.judgement.verdict.name(),
        }
    });
    let figures = overlay.groups.iter().flat_map(|group| {
        group.rows.iter().map(|row| Figure {
            fault: group.fault,
            kind: group.kind.as_deref(),
            figure: row.figure,
            unit: row.unit,
            values: row.cells.iter().map(|cell| cell.value.map(rounded)).collect(),
            ratios: row.cells.iter().map(|cell| cell.ratio.map(rounded)).collect(),
            words: row.cells.iter().map(|cell| cell.words.as_str()).collect(),
        })
    });
    let shown = Shown {
        format: 1,
        html: html.to_string_lossy(),
        runs: runs.collect(),
        differences: Differences {
            scenarios: &overlay.differences.scenarios,
            circumstances: &overlay.differences.circumstances,
        },
        figures: figures.collect(),
    };
    // Strings and numbers can always be written.
    foreign_text::json(&serde_json::to_string_pretty(&shown).unwrap_or_default()) + "\n"
}
