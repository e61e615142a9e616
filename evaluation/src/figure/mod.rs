//! Figures. Each is put together once, as a [`Drawing`], and painted twice: as PNG and as SVG.

mod closeup;
mod drawing;
mod lane;
mod nodes;
mod overlay;
mod paint;
mod palette;
mod percentiles;
mod plot;
mod reign;
mod scale;
mod strip;
mod timeline;

pub use drawing::Drawing;
pub use overlay::Trace;
pub use paint::PaintError;
pub use scale::thousands;

use crate::{assessment::Assessment, run::RunDirectory};

/// A figure, painted.
#[derive(Debug, Clone)]
pub struct Figure {
    /// Its file name, without ending.
    pub name: String,
    /// What it shows, for readers who do not see it.
    pub caption: String,
    /// The drawing.
    pub drawing: Drawing,
    /// As PNG.
    pub png: Vec<u8>,
    /// As SVG.
    pub svg: String,
}

/// So many faults get a close-up; the others are in the timeline and the tables.
const MAX_CLOSEUPS: usize = 6;

/// Draws and paints every figure of a run.
///
/// # Errors
/// When one cannot be painted.
pub fn all(run: &RunDirectory, assessment: &Assessment) -> Result<Vec<Figure>, PaintError> {
    let mut planned = vec![(
        "timeline".to_owned(),
        "Operations a second, latency, faults and leaders on one time axis, in tenths of a second."
            .to_owned(),
        timeline::draw(run, assessment),
    )];
    for (i, fault) in assessment.failovers.iter().take(MAX_CLOSEUPS).enumerate() {
        planned.push((
            format!("fault-{i}"),
            format!("Every operation around the {} of {}.", fault.kind, fault.victim()),
            closeup::draw(run, fault),
        ));
    }
    planned.push((
        "percentiles".to_owned(),
        "Latency by percentile before, during and after the faults.".to_owned(),
        percentiles::draw(run, &assessment.failovers),
    ));
    if !run.nodes.is_empty() {
        planned.push((
            "nodes".to_owned(),
            "Processor time and sealing tasks of every node.".to_owned(),
            nodes::draw(run, &assessment.failovers),
        ));
    }
    paint_all(planned)
}

/// Draws and paints what lays runs over one another: their timelines, and their percentiles.
///
/// # Errors
/// When one cannot be painted.
pub fn overlay(title: &str, traces: &[Trace<'_>]) -> Result<Vec<Figure>, PaintError> {
    paint_all(vec![
        (
            "overlay-timeline".to_owned(),
            "Answers a second, latency and faults of every run on one time axis, in tenths of a second."
                .to_owned(),
            overlay::timeline(title, traces),
        ),
        (
            "overlay-percentiles".to_owned(),
            "Latency by percentile, a line a run.".to_owned(),
            overlay::percentiles(traces),
        ),
    ])
}

/// So many runs can be told apart by their colours.
pub const MAX_TRACES: usize = palette::RUNS.len();

/// The colour of a run in figures that lay runs over one another, as CSS says it.
pub fn trace_colour(place: usize) -> String {
    let (r, g, b) = palette::run(place).rgb;
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Paints figures, given as name, caption and drawing.
fn paint_all(planned: Vec<(String, String, Drawing)>) -> Result<Vec<Figure>, PaintError> {
    planned
        .into_iter()
        .map(|(name, caption, drawing)| {
            Ok(Figure { png: paint::png(&drawing)?, svg: paint::svg(&drawing)?, name, caption, drawing })
        })
        .collect()
}

#[cfg(test)]
mod tests;
