//! Figures. Each is put together once, as a [`Drawing`], and painted twice: as PNG and as SVG.

mod closeup;
mod drawing;
mod ecdf;
mod lane;
mod nodes;
mod overlay;
mod paint;
mod palette;
mod percentiles;
mod plot;
mod reign;
mod scale;
mod stages;
mod strip;
mod timeline;

pub use drawing::Drawing;
pub use ecdf::LEAST as LEAST_FOR_ECDF;
pub use overlay::Trace;
pub use paint::PaintError;
pub use scale::thousands;

use loadgen::scenario::FailoverFigure;

use crate::{assessment::Assessment, failover::Failover, run::RunDirectory, statistics::nearest_rank};

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
/// Which of more faults get one, by the part of them that was unavailable for at most as long.
const CLOSEUPS: [(f64, &str); 4] = [
    (1.0, "the longest outage of all"),
    (0.9, "the 90th percentile"),
    (0.5, "the median"),
    (0.0, "the shortest"),
];

/// Draws and paints every figure of a run.
///
/// # Errors
/// When one cannot be painted.
pub fn all(run: &RunDirectory, assessment: &Assessment) -> Result<Vec<Figure>, PaintError> {
    let mut planned = Vec::new();
    if let Some(drawing) = ecdf::draw(&assessment.kinds) {
        planned.push(("ecdf".to_owned(), ecdf::caption(&assessment.kinds), drawing));
    }
    planned.push((
        "timeline".to_owned(),
        "Operations a second, latency, faults and leaders on one time axis, in tenths of a second."
            .to_owned(),
        timeline::draw(run, assessment),
    ));
    for (place, which) in closeups(&assessment.failovers) {
        let fault = &assessment.failovers[place];
        let which = which.map_or_else(String::new, |which| format!(", fault {place}: {which}"));
        planned.push((
            format!("fault-{place}"),
            format!("Every operation around the {} of {}{which}.", fault.kind, fault.victim()),
            closeup::draw(run, fault, &which),
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
    if let Some(drawing) = stages::draw(run) {
        planned.push(("stages".to_owned(), stages::caption(run), drawing));
    }
    paint_all(planned)
}

/// Which faults get a close-up, by their place, and why: all of a few; of many one of each sort, the longest first.
fn closeups(failovers: &[Failover]) -> Vec<(usize, Option<&'static str>)> {
    if failovers.len() <= MAX_CLOSEUPS {
        return (0..failovers.len()).map(|place| (place, None)).collect();
    }
    let mut places: Vec<usize> = (0..failovers.len()).collect();
    let length = |place: usize| failovers[place].figure(FailoverFigure::Unavailable).unwrap_or_default();
    places.sort_by(|a, b| length(*a).total_cmp(&length(*b)));
    CLOSEUPS.map(|(q, why)| (places[nearest_rank(places.len(), q).unwrap_or_default()], Some(why))).into()
}

/// Draws and paints what lays runs over one another: their timelines, their percentiles, and how their faults
/// are distributed, if there are many.
///
/// # Errors
/// When one cannot be painted.
pub fn overlay(title: &str, traces: &[Trace<'_>]) -> Result<Vec<Figure>, PaintError> {
    let mut planned = vec![
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
    ];
    if let Some(drawing) = overlay::ecdf(traces) {
        let caption = "The part of all faults of a kind that took at most so long, a line a run.".to_owned();
        planned.push(("overlay-ecdf".to_owned(), caption, drawing));
    }
    paint_all(planned)
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
