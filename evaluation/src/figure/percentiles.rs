//! Latency by percentile, as HdrHistogram plots it: every step to the right is one user in ten of those
//! to its left, so that the slowest are seen as well as the rest.

use super::{
    drawing::{Anchor, Drawing, Ink},
    palette,
    plot::{self, LEFT, Mark, Plot, RIGHT},
    scale::{Scale, duration, logarithmic_bounds, thousands},
};
use crate::{
    failover::Failover,
    run::{Operation, RunDirectory},
    statistics::{Latencies, milliseconds},
};

const HEIGHT: f64 = 300.0;

/// Operations that get a line of their own: those due in one part of the run, or those of one run.
pub struct Part {
    name: String,
    ink: Ink,
    latencies: Latencies,
    unanswered: u64,
}

impl Part {
    /// Those of `operations` that were answered; the others are counted.
    pub fn of<'a>(
        name: impl Into<String>,
        ink: Ink,
        operations: impl Iterator<Item = &'a Operation>,
    ) -> Self {
        let mut unanswered = 0;
        let latencies = operations
            .filter_map(|o| {
                let latency = o.latency_ns();
                unanswered += u64::from(latency.is_none());
                latency
            })
            .collect();
        Self { name: name.into(), ink, latencies, unanswered }
    }

    /// Its entry in the legend.
    pub fn label(&self) -> String {
        let answered = thousands(self.latencies.count() as u64);
        match self.unanswered {
            0 => format!("{}: {answered} answered", self.name),
            n => format!("{}: {answered} answered, {} not", self.name, thousands(n)),
        }
    }
}

pub fn draw(run: &RunDirectory, failovers: &[Failover]) -> Drawing {
    let parts = parts(run, failovers);
    let mut drawing = Drawing::new();
    let labels: Vec<String> = parts.iter().map(Part::label).collect();
    let legend: Vec<(Mark, Ink, &str)> =
        parts.iter().zip(&labels).map(|(part, label)| (Mark::Line, part.ink, label.as_str())).collect();
    drawing.head("Latency by percentile, without warm-up", (LEFT, 28.0), 15.0);
    plot::heading(&mut drawing, 56.0, "From the due time", &legend);
    let bottom = chart(&mut drawing, 72.0, &parts);
    drawing.height = bottom + 50.0;
    drawing
}

/// The panel with a line for each part, from `top` on. Gives its lower edge.
pub fn chart(drawing: &mut Drawing, top: f64, parts: &[Part]) -> f64 {
    let most = parts.iter().map(|p| p.latencies.count()).max().unwrap_or(0).max(1);
    let nines = (most as f64).log10().ceil().clamp(2.0, 6.0);
    let bounds = logarithmic_bounds(
        parts.iter().flat_map(|p| [0.0, 1.0].into_iter().filter_map(|q| p.latencies.quantile_ms(q))),
    );
    let plot = Plot {
        x: Scale::linear((0.0, nines), (LEFT, RIGHT)),
        y: Scale::logarithmic(bounds, (top + HEIGHT, top)),
    };
    plot.logarithmic_grid(drawing, duration);
    for nine in 0..=nines as i32 {
        let at = plot.x.at(f64::from(nine));
        drawing.line(vec![(at, top), (at, top + HEIGHT)], 1.0, palette::GRID);
        // 0, 90, 99, 99.9, …
        let percentile = 100.0 * (1.0 - 10f64.powi(-nine));
        let digits = (nine - 2).max(0) as usize;
        drawing.say(
            format!("{percentile:.digits$} %"),
            (at, top + HEIGHT + 19.0),
            Anchor::Middle,
            palette::QUIET,
        );
    }
    for part in parts {
        drawing.line(curve(&part.latencies, &plot), 2.0, part.ink);
    }
    plot.frame(drawing);
    drawing.say(
        "percentile of operations",
        ((LEFT + RIGHT) / 2.0, top + HEIGHT + 38.0),
        Anchor::Middle,
        palette::QUIET,
    );
    top + HEIGHT
}

fn parts(run: &RunDirectory, failovers: &[Failover]) -> Vec<Part> {
    let measured = || run.after_warmup();
    let Some(first) = failovers.first().map(|f| f.injected_s) else {
        return vec![Part::of("whole run", palette::BEFORE, measured())];
    };
    // What was under way when the fault struck was disturbed by it, although it was due before.
    // From when each lasted, and until when the longest of it and all before it did.
    let mut lasted: Vec<(f64, f64)> =
        failovers.iter().map(|f| (f.injected_s, f.settled_s.unwrap_or(f.until_s))).collect();
    lasted.sort_by(|a, b| a.0.total_cmp(&b.0));
    for place in 1..lasted.len() {
        lasted[place].1 = lasted[place].1.max(lasted[place - 1].1);
    }
    let disturbed = |o: &Operation| {
        let begun = lasted.partition_point(|one| one.0 <= o.done_s().unwrap_or(o.due_s()));
        begun > 0 && o.due_s() < lasted[begun - 1].1
    };
    let names = if failovers.len() == 1 {
        ["before", "from the fault until healed", "after"]
    } else {
        ["before", "from each fault until healed", "between and after"]
    };
    let mut parts = vec![
        Part::of(names[0], palette::BEFORE, measured().filter(|o| o.due_s() < first && !disturbed(o))),
        Part::of(names[1], palette::DURING, measured().filter(|o| disturbed(o))),
        Part::of(names[2], palette::AFTER, measured().filter(|o| o.due_s() >= first && !disturbed(o))),
    ];
    parts.retain(|p| p.latencies.count() > 0);
    parts
}

/// The curve of one part: at most one point a pixel, but never without its ends.
fn curve(latencies: &Latencies, plot: &Plot) -> Vec<(f64, f64)> {
    let sorted = latencies.sorted_ns();
    let count = sorted.len() as f64;
    let mut points: Vec<(f64, f64)> = Vec::new();
    for (below, &ns) in sorted.iter().enumerate() {
        // The part of the operations that were faster.
        let x = -(1.0 - below as f64 / count).log10();
        let point = plot.at(x, milliseconds(ns));
        let near = points.last().is_some_and(|last| point.0 - last.0 < 1.0);
        if !near || below + 1 == sorted.len() {
            points.push(point);
        }
    }
    if let [lone] = points.as_slice() {
        points.push((lone.0 + 3.0, lone.1));
    }
    points
}
