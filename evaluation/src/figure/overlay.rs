//! Runs laid over one another: a line a run, aligned where the first stage began.

use super::{
    drawing::{Anchor, Drawing, Ink, Text},
    ecdf::{self, Curve, Panel},
    lane::{self, Bar, LANE, Look},
    palette,
    percentiles::{self, Part},
    plot::{self, LEFT, MANY_FAULTS, Mark, Plot, RIGHT},
    scale::{Scale, duration, logarithmic_bounds, thousands},
    timeline,
};
use crate::{
    assessment::Assessment,
    failover::{Failover, KindFigures, node_list},
    run::RunDirectory,
    series::{BUCKET_S, Bucket},
};

const RATES: f64 = 190.0;
const LATENCIES: f64 = 170.0;
/// How wide the lines over time are.
const LINE: f64 = 1.4;
/// How high a row of the legend is.
const ROW: f64 = 20.0;
/// So many lanes has a run at most; faults that find no place stand over others in the last one.
const MAX_LANES: usize = 24;

/// One of the runs.
#[derive(Debug, Clone)]
pub struct Trace<'a> {
    /// What it is called where room is short.
    pub letter: char,
    /// Its name in legends.
    pub label: String,
    /// The run.
    pub run: &'a RunDirectory,
    /// What it shows.
    pub assessment: &'a Assessment,
}

/// Goodput, latency and faults of all runs on one time axis.
pub fn timeline(title: &str, traces: &[Trace<'_>]) -> Drawing {
    let buckets = traces.iter().map(|t| t.assessment.series.len()).max().unwrap_or(1);
    let x = Scale::linear((0.0, buckets as f64 * BUCKET_S), (LEFT, RIGHT));
    let labels: Vec<String> = traces.iter().map(|t| t.label.clone()).collect();
    let mut drawing = Drawing::new();
    let mut y = heading(&mut drawing, title, &labels) + 32.0;
    y = rates(&mut drawing, traces, x, y);
    for (quantile, name) in [(0.99, "p99"), (0.5, "p50")] {
        y = latencies(&mut drawing, traces, x, y + 40.0, quantile, name);
    }
    y = lanes(&mut drawing, traces, x, y + 40.0);
    plot::time_axis(&mut drawing, &x, y, "seconds since the load began");
    drawing.height = y + 50.0;
    drawing
}

/// Latency by percentile, a line a run.
pub fn percentiles(traces: &[Trace<'_>]) -> Drawing {
    let part = |(place, trace): (usize, &Trace<'_>)| {
        Part::of(trace.label.clone(), palette::run(place), trace.run.after_warmup())
    };
    let parts: Vec<Part> = traces.iter().enumerate().map(part).collect();
    let labels: Vec<String> = parts.iter().map(Part::label).collect();
    let mut drawing = Drawing::new();
    let y = heading(&mut drawing, "Latency by percentile, from the due time, without warm-up", &labels);
    let bottom = percentiles::chart(&mut drawing, y + 14.0, &parts);
    drawing.height = bottom + 50.0;
    drawing
}

/// How the figures of many faults of a kind are distributed, a line a run, of each kind of which two runs have
/// enough; nothing, if there is none.
pub fn ecdf(traces: &[Trace<'_>]) -> Option<Drawing> {
    let mut names: Vec<&str> = Vec::new();
    for kind in traces.iter().flat_map(drawn) {
        let runs = traces.iter().flat_map(drawn).filter(|other| other.kind == kind.kind).count();
        if runs > 1 && !names.contains(&kind.kind.as_str()) {
            names.push(&kind.kind);
        }
    }
    if names.is_empty() {
        return None;
    }
    let panel = |name| {
        let title = format!("{name}, of all faults: unavailable; dashed: elect");
        let mut panel = Panel { title, legend: Vec::new(), curves: Vec::new() };
        for (place, trace) in traces.iter().enumerate() {
            let Some(kind) = drawn(trace).find(|kind| kind.kind == name) else { continue };
            let ink = palette::run(place);
            let marks = Some(format!("{} ", trace.letter));
            panel.legend.push((Mark::Line, ink, format!("{}, of {}", trace.letter, kind.faults)));
            panel.curves.push(Curve { values: &kind.unavailable, ink, dashed: false, marks });
            panel.curves.push(Curve { values: &kind.elect, ink, dashed: true, marks: None });
        }
        panel
    };
    let panels: Vec<Panel<'_>> = names.into_iter().map(panel).collect();
    let labels: Vec<String> = traces.iter().map(|t| t.label.clone()).collect();
    let mut drawing = Drawing::new();
    let y = heading(&mut drawing, "How long it took, of all faults of a kind", &labels);
    ecdf::stack(&mut drawing, y + 32.0, &panels);
    Some(drawing)
}

/// The kinds of faults of which a run has enough.
fn drawn<'a>(trace: &Trace<'a>) -> impl Iterator<Item = &'a KindFigures> + use<'a> {
    trace.assessment.kinds.iter().filter(|kind| ecdf::is_drawn(kind))
}

/// The title, and under it a row for each run. Gives where they end.
fn heading(drawing: &mut Drawing, title: &str, labels: &[String]) -> f64 {
    drawing.head(title, (LEFT, 28.0), 15.0);
    let mut y = 34.0;
    for (place, label) in labels.iter().enumerate() {
        y += ROW;
        drawing.line(vec![(LEFT, y - 4.5), (LEFT + 22.0, y - 4.5)], 3.0, palette::run(place));
        let mut text = Text {
            text: label.clone(),
            x: LEFT + 32.0,
            y,
            size: 12.0,
            bold: false,
            anchor: Anchor::Start,
            ink: palette::TEXT,
        };
        // A run may have any name: what does not fit is left out.
        while text.extent().1 > RIGHT {
            text.text.truncate(text.text.trim_end_matches('…').trim_end().len());
            text.text.pop();
            text.text.push('…');
        }
        drawing.text(text);
    }
    y
}

/// The warm-up of the first run, and of each run when a fault struck and was healed.
fn shade(drawing: &mut Drawing, plot: &Plot, traces: &[Trace<'_>]) {
    let warmups = traces.first().map(|t| t.run.phases().warmups()).unwrap_or_default();
    plot::shade(drawing, plot, &warmups, &[]);
    for (place, trace) in traces.iter().enumerate() {
        let ink = palette::run(place).thin(0.8);
        let faults = &trace.assessment.failovers;
        for fault in faults.iter().filter(|_| faults.len() <= MANY_FAULTS) {
            plot.upright(drawing, fault.injected_s, false, ink);
            if let Some(healed) = fault.healed_s {
                plot.upright(drawing, healed, true, ink);
            }
        }
    }
}

fn rates(drawing: &mut Drawing, traces: &[Trace<'_>], x: Scale, y: f64) -> f64 {
    let legend: [(Mark, Ink, &str); 3] = [
        (Mark::Dashes, palette::OFFERED, "scheduled"),
        (Mark::Line, palette::QUIET, "fault"),
        (Mark::Dashes, palette::QUIET, "healed"),
    ];
    plot::heading(drawing, y, "Answers a second, in each tenth of a second", &legend);
    let top = y + 12.0;
    let corners = traces.first().map(|t| t.run.phases().rate_corners(x.values().1)).unwrap_or_default();
    let goodput = |bucket: &Bucket| Bucket::rate(bucket.ok);
    let all = || traces.iter().flat_map(|t| &t.assessment.series);
    let ceiling = timeline::ceiling(&corners, all().map(goodput));
    let plot = Plot { x, y: Scale::linear((0.0, ceiling), (top + RATES, top)) };
    plot.linear_grid(drawing, 5, |v| thousands(v as u64));
    shade(drawing, &plot, traces);
    for (place, trace) in traces.iter().enumerate() {
        // What is answered after the end of the load is what was left of it, not a rate.
        let end_s = trace.run.end_s();
        let during = trace.assessment.series.iter().filter(|b| b.from_s + BUCKET_S / 2.0 < end_s);
        let line = during.map(|b| plot.at(b.from_s + BUCKET_S / 2.0, goodput(b)));
        drawing.line(line.collect(), LINE, palette::run(place));
    }
    let scheduled: Vec<(f64, f64)> = corners.iter().map(|&(at, rate)| plot.at(at, rate)).collect();
    drawing.dashes(&scheduled, (6.0, 3.5), 1.5, palette::OFFERED);
    let rated = traces.iter().enumerate().flat_map(|(place, trace)| {
        trace.assessment.series.iter().map(move |b| (b.from_s, goodput(b), palette::run(place)))
    });
    timeline::bursts(drawing, &plot, rated);
    if let Some(first) = traces.first() {
        timeline::name_warmups(drawing, &plot, &first.run.phases().warmups());
    }
    plot.frame(drawing);
    top + RATES
}

fn latencies(
    drawing: &mut Drawing,
    traces: &[Trace<'_>],
    x: Scale,
    y: f64,
    quantile: f64,
    name: &str,
) -> f64 {
    plot::heading(drawing, y, &format!("Latency of answered operations, when they were due: {name}"), &[]);
    let top = y + 14.0;
    let all = traces.iter().flat_map(|t| &t.assessment.series);
    let bounds = logarithmic_bounds(all.filter_map(|b| b.latencies.quantile_ms(quantile)));
    let plot = Plot { x, y: Scale::logarithmic(bounds, (top + LATENCIES, top)) };
    plot.logarithmic_grid(drawing, duration);
    shade(drawing, &plot, traces);
    for (place, trace) in traces.iter().enumerate() {
        let ink = palette::run(place);
        timeline::latency_line(drawing, &plot, &trace.assessment.series, quantile, LINE, ink);
    }
    plot.frame(drawing);
    top + LATENCIES
}

/// A lane for each run, and further ones where its faults overlap.
fn lanes(drawing: &mut Drawing, traces: &[Trace<'_>], x: Scale, y: f64) -> f64 {
    plot::heading(drawing, y, "Faults of each run, until healed", &[]);
    let mut top = y + 12.0;
    for (place, trace) in traces.iter().enumerate() {
        let ink = palette::run(place);
        let mut rows = side_by_side(&trace.assessment.failovers);
        // A run without faults has a lane too.
        rows.resize_with(rows.len().max(1), Vec::new);
        for (row, faults) in rows.iter().enumerate() {
            let name = if row == 0 { trace.letter.to_string() } else { String::new() };
            let bars: Vec<Bar<'_>> =
                faults.iter().map(|&fault| Bar { fault, wordings: wordings(fault, trace) }).collect();
            lane::draw(drawing, top, &name, Look { line: ink, bar: ink, beside: ink }, &x, &bars);
            top += LANE;
        }
    }
    drawing.line(vec![(LEFT, top), (RIGHT, top)], 1.0, palette::FRAME);
    top
}

/// Faults in rows, none of which holds two at a time.
fn side_by_side(failovers: &[Failover]) -> Vec<Vec<&Failover>> {
    let mut rows: Vec<Vec<&Failover>> = Vec::new();
    for fault in failovers {
        let free = |row: &&mut Vec<&Failover>| {
            row.last().and_then(|last| last.healed_s).is_some_and(|healed| healed <= fault.injected_s)
        };
        let is_full = rows.len() >= MAX_LANES;
        match rows.iter_mut().find(free) {
            Some(row) => row.push(fault),
            None if is_full => rows[MAX_LANES - 1].push(fault),
            None => rows.push(vec![fault]),
        }
    }
    rows
}

/// `kill n2 · 8.2 s · 354 ms unavailable`, and shorter; nothing, where there are many.
fn wordings(fault: &Failover, trace: &Trace<'_>) -> Vec<String> {
    if trace.assessment.failovers.len() > MANY_FAULTS {
        return Vec::new();
    }
    let struck = format!("{} {}", fault.kind, node_list(&fault.nodes));
    let length = lane::lasted(fault).unwrap_or_else(|| "never healed".to_owned());
    let main = fault.main_stretch();
    let gap = match main.is_distinguishable() {
        Some(false) => "as without a fault".to_owned(),
        _ => timeline::unavailable_note(main).text,
    };
    vec![format!("{struck} · {length} · {gap}"), format!("{struck} · {length}"), struck]
}
