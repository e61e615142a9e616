//! Where a write spends its time: a bar a stage and node, from nothing over the median to the 99th percentile.

use loadgen::record::StageSample;

use super::{
    drawing::{Anchor, Drawing},
    palette,
    plot::{self, LEFT, Mark, Plot, RIGHT},
    scale::{Scale, duration, logarithmic_bounds},
};
use crate::run::RunDirectory;

/// How high a bar is, and what it takes with the gap below it.
const BAR: f64 = 9.0;
const ROW: f64 = 12.0;
/// Between stages.
const GAP: f64 = 12.0;
/// Where bars begin: the names of stages stand before.
const BEGIN: f64 = LEFT + 24.0;

/// Nothing, where nobody has told of stages.
pub fn draw(run: &RunDirectory) -> Option<Drawing> {
    let told: Vec<&StageSample> = run.stages.iter().filter(|sample| sample.count > 0).collect();
    if told.is_empty() {
        return None;
    }
    let ids = run.node_ids();
    let ink = |node: u64| palette::node(ids.iter().position(|id| *id == node).unwrap_or(0));
    let mut drawing = Drawing::new();
    drawing.head("Where a write spends its time", (LEFT, 28.0), 15.0);
    let names: Vec<String> = ids.iter().map(|id| format!("n{id}")).collect();
    let legend: Vec<_> =
        ids.iter().zip(&names).map(|(id, name)| (Mark::Fill, ink(*id), name.as_str())).collect();
    let title = "Stages in order: full up to the median, pale up to p99, a tick at the longest";
    plot::heading(&mut drawing, 56.0, title, &legend);

    let top = 72.0;
    let mut rows: Vec<(f64, &StageSample)> = Vec::new();
    let mut labels: Vec<(f64, &str)> = Vec::new();
    let mut y = top + GAP;
    for stage in run.stage_names() {
        let from = y;
        for sample in run.of_stage(stage) {
            rows.push((y, sample));
            y += ROW;
        }
        if y > from {
            labels.push(((from + y - (ROW - BAR)) / 2.0, stage));
            y += GAP;
        }
    }
    let times = told.iter().flat_map(|sample| [sample.p50_us, sample.max_us]);
    let bounds = logarithmic_bounds(times.map(ms));
    let plot = Plot { x: Scale::logarithmic(bounds, (BEGIN, RIGHT)), y: Scale::linear((0.0, 1.0), (y, top)) };
    plot.upright_grid(&mut drawing);
    for (at, stage) in labels {
        drawing.say(stage, (BEGIN - 8.0, at + 4.0), Anchor::End, palette::TEXT);
    }
    for (at, sample) in rows {
        let ink = ink(sample.node);
        let [p50, p99, max] = [sample.p50_us, sample.p99_us, sample.max_us].map(|us| plot.x.at(ms(us)));
        drawing.rect(BEGIN, at, p99.max(p50), at + BAR, ink.thin(0.3));
        drawing.rect(BEGIN, at, p50, at + BAR, ink);
        drawing.line(vec![(max, at), (max, at + BAR)], 2.0, ink);
    }
    plot.frame(&mut drawing);
    plot::duration_axis(&mut drawing, &plot.x, y, "from the beginning of the stage to its end, logarithmic");
    drawing.height = y + 50.0;
    Some(drawing)
}

/// The longest median, in words, for those who do not see the figure.
pub fn caption(run: &RunDirectory) -> String {
    let longest = run.stages.iter().filter(|s| s.count > 0).max_by_key(|s| s.p50_us);
    let longest = longest.map_or_else(String::new, |sample| {
        let median = duration((ms(sample.p50_us) * 10.0).round() / 10.0);
        format!(" The longest median is that of {} on n{}, {median}.", sample.stage, sample.node)
    });
    format!("How long each stage of a write took on each node.{longest}")
}

fn ms(us: u64) -> f64 {
    us as f64 / 1e3
}
