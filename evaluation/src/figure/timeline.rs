//! What happened when: operations a second, latency, faults and leaders over one time axis.
//!
//! Operations are counted in the tenth of a second in which they ended (shed ones: were due), so that a
//! stretch without service is a stretch without colour. Latency stands where the operation was *due*:
//! what a user who asked at this moment waited.

use loadgen::{record::EventKind, scenario::OutcomeKind};

use super::{
    drawing::{Anchor, Drawing, Ink, Shape, Text},
    lane::{self, Bar, LANE, Look},
    palette,
    plot::{self, LEFT, MANY_FAULTS, Mark, Plot, RIGHT},
    reign,
    scale::{Scale, duration, logarithmic_bounds, nice, thousands},
    strip::{Note, Strip},
};
use crate::{
    assessment::Assessment,
    failover::{Failover, Unavailable, node_list},
    report::words,
    run::RunDirectory,
    series::{BUCKET_S, Bucket},
};

const RATES: f64 = 210.0;
const LATENCIES: f64 = 220.0;
/// Above so many times the scheduled rate a burst is cut off and its height written beside it.
const BURST: f64 = 1.75;
/// Of more faults than this, only so many have their outage bracketed: the longest.
const BRACKETS: usize = 8;

pub fn draw(run: &RunDirectory, assessment: &Assessment) -> Drawing {
    let mut drawing = Drawing::new();
    let series = &assessment.series;
    let end_s = series.len() as f64 * BUCKET_S;
    let x = Scale::linear((0.0, end_s), (LEFT, RIGHT));
    let warmups = run.phases().warmups();

    drawing.head(&run.manifest.name, (LEFT, 28.0), 17.0);
    let mut y = 62.0;
    y = rates(&mut drawing, run, assessment, x, y);
    y = latencies(&mut drawing, series, x, y + 44.0, &warmups, &assessment.failovers);
    y = lanes(&mut drawing, run, x, y + 44.0, &assessment.failovers);
    plot::time_axis(&mut drawing, &x, y, "seconds since the load began");
    drawing.height = y + 50.0;
    drawing
}

fn rates(drawing: &mut Drawing, run: &RunDirectory, assessment: &Assessment, x: Scale, y: f64) -> f64 {
    let series = &assessment.series;
    let legend: Vec<(Mark, Ink, &str)> = std::iter::once((Mark::Dashes, palette::OFFERED, "scheduled"))
        .chain(OutcomeKind::ALL.map(|kind| (Mark::Fill, palette::outcome(kind), kind.name())))
        .collect();
    let named = longest(&assessment.failovers);
    let outage = |fault: &&Failover| outages(fault).next().is_some();
    let heading = match named.len() < assessment.failovers.iter().filter(outage).count() {
        true => format!("Operations a second, when they ended, and the {BRACKETS} longest outages"),
        false => "Operations a second, when they ended".to_owned(),
    };
    plot::heading(drawing, y, &heading, &legend);

    let notes: Vec<Note> = named.iter().flat_map(|fault| outages(fault)).map(unavailable_note).collect();
    let strip = Strip::place(&notes, &x);
    let top = y + 12.0 + strip.height();

    let corners = run.phases().rate_corners(x.values().1);
    let ceiling = ceiling(&corners, series.iter().map(total));
    let plot = Plot { x, y: Scale::linear((0.0, ceiling), (top + RATES, top)) };
    plot.linear_grid(drawing, 5, |v| thousands(v as u64));
    plot::shade(drawing, &plot, &run.phases().warmups(), &assessment.failovers);
    stack(drawing, &plot, series);
    let line: Vec<(f64, f64)> = corners.iter().map(|&(at, rate)| plot.at(at, rate)).collect();
    drawing.dashes(&line, (6.0, 3.5), 1.5, palette::OFFERED);
    bursts(drawing, &plot, series.iter().map(|b| (b.from_s, total(b), palette::TEXT)));
    name_warmups(drawing, &plot, &run.phases().warmups());
    plot.frame(drawing);
    strip.draw(drawing, y + 9.0, &plot);
    top + RATES
}

/// The faults with the longest outages, as many as can be named, in order of time.
fn longest(failovers: &[Failover]) -> Vec<&Failover> {
    let mut longest: Vec<&Failover> =
        failovers.iter().filter(|fault| outages(fault).next().is_some()).collect();
    let length = |fault: &Failover| outages(fault).map(Unavailable::figure_ms).fold(0.0, f64::max);
    longest.sort_by(|a, b| length(b).total_cmp(&length(a)));
    longest.truncate(BRACKETS);
    longest.sort_by(|a, b| a.injected_s.total_cmp(&b.injected_s));
    longest
}

/// What a fault did that can be told from no fault.
fn outages(fault: &Failover) -> impl Iterator<Item = &Unavailable> {
    fault.stretches().filter(|stretch| stretch.is_distinguishable() == Some(true))
}

/// Writes into each warm-up what it is, where that fits.
pub fn name_warmups(drawing: &mut Drawing, plot: &Plot, warmups: &[(f64, f64)]) {
    let (top, _) = plot.edges();
    for &(from, to) in warmups {
        let (from, to) = (plot.x.at(from), plot.x.at(to));
        let label = note("warm-up", ((from + to) / 2.0, top + 15.0), Anchor::Middle, palette::QUIET);
        let (left, right) = label.extent();
        if right - left < to - from {
            drawing.text(label);
        }
    }
}

fn total(bucket: &Bucket) -> f64 {
    Bucket::rate(bucket.ok + bucket.failed + bucket.unknown + bucket.shed)
}

/// How far up an axis of rates reaches: over the scheduled rate, and over what there was, unless that was a
/// burst; round.
pub fn ceiling(corners: &[(f64, f64)], rates: impl Iterator<Item = f64>) -> f64 {
    let scheduled = corners.iter().map(|c| c.1).fold(0.0, f64::max);
    let ceiling = rates.fold(0.0, f64::max).min(scheduled * BURST).max(scheduled * 1.1).max(10.0);
    let step = nice(ceiling / 5.0);
    (ceiling / step).ceil() * step
}

/// A stretch in which somebody waited and nobody was served, in words.
pub fn unavailable_note(unavailable: &Unavailable) -> Note {
    Note {
        from: unavailable.stretch.from_s,
        to: unavailable.stretch.to_s,
        text: format!("{} unavailable", words::unavailable(unavailable)),
        bracket: true,
        ink: palette::FAULT_TEXT,
    }
}

fn note(text: &str, (x, y): (f64, f64), anchor: Anchor, ink: Ink) -> Text {
    Text { text: text.to_owned(), x, y, size: 12.0, bold: false, anchor, ink }
}

/// The four outcomes on top of one another. Each stretch in which one occurs is a polygon of its own.
fn stack(drawing: &mut Drawing, plot: &Plot, series: &[Bucket]) {
    let mut base = vec![0.0; series.len()];
    for kind in OutcomeKind::ALL {
        let counts: Vec<u64> = series
            .iter()
            .map(|b| match kind {
                OutcomeKind::Ok => b.ok,
                OutcomeKind::Failed => b.failed,
                OutcomeKind::Unknown => b.unknown,
                OutcomeKind::Shed => b.shed,
            })
            .collect();
        let mut i = 0;
        while i < counts.len() {
            if counts[i] == 0 {
                i += 1;
                continue;
            }
            let from = i;
            let (mut upper, mut lower) = (Vec::new(), Vec::new());
            while i < counts.len() && counts[i] > 0 {
                let (left, right) = (series[i].from_s, series[i].from_s + BUCKET_S);
                let high = base[i] + Bucket::rate(counts[i]);
                upper.extend([plot.at(left, high), plot.at(right, high)]);
                lower.extend([plot.at(left, base[i]), plot.at(right, base[i])]);
                i += 1;
            }
            upper.extend(lower.into_iter().rev());
            drawing.shapes.push(Shape::Polygon(upper, palette::outcome(kind)));
            for place in from..i {
                base[place] += Bucket::rate(counts[place]);
            }
        }
    }
}

/// Writes how high the bursts are that do not fit, of rates from a moment on; of neighbours the highest.
pub fn bursts(drawing: &mut Drawing, plot: &Plot, rates: impl Iterator<Item = (f64, f64, Ink)>) {
    let (_, ceiling) = plot.y.values();
    let (top, _) = plot.edges();
    let mut cut: Vec<(f64, f64, Ink)> = rates.filter(|(_, rate, _)| *rate > ceiling).collect();
    cut.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut taken: Vec<(f64, f64)> = Vec::new();
    for (from_s, rate, ink) in cut {
        let at = plot.x.at(from_s + BUCKET_S);
        let words = format!("\u{2191} {}/s", thousands(rate as u64));
        let mut label = note(&words, (at + 6.0, top + 15.0), Anchor::Start, ink);
        if label.extent().1 > RIGHT {
            label.x = plot.x.at(from_s) - 6.0;
            label.anchor = Anchor::End;
        }
        let (left, right) = label.extent();
        if taken.iter().all(|&(a, b)| right + 8.0 < a || b + 8.0 < left) {
            taken.push((left, right));
            drawing.rect(left - 1.0, top + 4.0, right + 1.0, top + 19.0, palette::PAPER.thin(0.85));
            drawing.text(label);
        }
    }
}

fn latencies(
    drawing: &mut Drawing,
    series: &[Bucket],
    x: Scale,
    y: f64,
    warmups: &[(f64, f64)],
    failovers: &[Failover],
) -> f64 {
    const LINES: [(&str, f64, Ink, f64); 3] = [
        // Of few operations the p99 is the maximum: seen as a pale edge behind it.
        ("max", 1.0, palette::MAX, 4.0),
        ("p99", 0.99, palette::P99, 1.8),
        ("p50", 0.5, palette::P50, 1.8),
    ];
    let legend: Vec<(Mark, Ink, &str)> = LINES.iter().map(|l| (Mark::Line, l.2, l.0)).collect();
    plot::heading(drawing, y, "Latency of answered operations, when they were due", &legend);
    let top = y + 14.0;
    let all = series.iter().flat_map(|b| [0.5, 1.0].map(|q| b.latencies.quantile_ms(q))).flatten();
    let plot = Plot { x, y: Scale::logarithmic(logarithmic_bounds(all), (top + LATENCIES, top)) };
    plot.logarithmic_grid(drawing, duration);
    plot::shade(drawing, &plot, warmups, failovers);
    for (_, quantile, ink, width) in LINES {
        latency_line(drawing, &plot, series, quantile, width, ink);
    }
    plot.frame(drawing);
    top + LATENCIES
}

/// A quantile of latency over time; where nobody was answered, there is none.
pub fn latency_line(
    drawing: &mut Drawing,
    plot: &Plot,
    series: &[Bucket],
    quantile: f64,
    width: f64,
    ink: Ink,
) {
    let mut piece: Vec<(f64, f64)> = Vec::new();
    for bucket in series {
        match bucket.latencies.quantile_ms(quantile) {
            Some(ms) => piece.push(plot.at(bucket.from_s + BUCKET_S / 2.0, ms)),
            None => draw_piece(drawing, &mut piece, width, ink),
        }
    }
    draw_piece(drawing, &mut piece, width, ink);
}

/// Draws a piece of a line between two gaps; a lone point as a dot.
pub fn draw_piece(drawing: &mut Drawing, piece: &mut Vec<(f64, f64)>, width: f64, ink: Ink) {
    match piece.as_slice() {
        [] => {}
        [lone] => drawing.dot(*lone, width, ink),
        _ => drawing.line(piece.clone(), width, ink),
    }
    piece.clear();
}

fn lanes(drawing: &mut Drawing, run: &RunDirectory, x: Scale, y: f64, failovers: &[Failover]) -> f64 {
    plot::heading(drawing, y, "Nodes: faults until healed; who led", &[]);
    let ids = run.node_ids();
    let top = y + 12.0;
    let bottom = top + (ids.len() + 1) as f64 * LANE;
    let plot = Plot { x, y: Scale::linear((0.0, 1.0), (bottom, top)) };
    plot::shade(drawing, &plot, &run.phases().warmups(), failovers);
    for (place, id) in ids.iter().enumerate() {
        let top = top + place as f64 * LANE;
        let bar = |fault| {
            let words = match lane::lasted(fault) {
                Some(length) => format!("{} · {length}", fault.kind),
                None => format!("{}, never healed", fault.kind),
            };
            let wordings = if failovers.len() > MANY_FAULTS { vec![] } else { vec![words] };
            Bar { fault, wordings }
        };
        let bars: Vec<Bar<'_>> = failovers.iter().filter(|f| f.nodes.contains(id)).map(bar).collect();
        let look = Look { line: palette::node(place), bar: palette::FAULT, beside: palette::FAULT_TEXT };
        lane::draw(drawing, top, &format!("n{id}"), look, &x, &bars);
    }
    reigns(drawing, run, &ids, &plot, bottom - LANE);
    drawing.line(vec![(LEFT, bottom), (RIGHT, bottom)], 1.0, palette::FRAME);
    bottom
}

/// Who led, from when to when.
fn reigns(drawing: &mut Drawing, run: &RunDirectory, ids: &[u64], plot: &Plot, lane: f64) {
    let middle = lane + LANE / 2.0;
    drawing.say("leader", (LEFT - 8.0, middle + 4.0), Anchor::End, palette::QUIET);
    let (_, end_s) = plot.x.values();
    for (i, event) in run.events.iter().enumerate() {
        let (EventKind::Leader, Some(term)) = (event.event, event.term) else {
            continue;
        };
        let to = reign::end(event.node, &run.events[i + 1..]).unwrap_or(end_s);
        if to <= 0.0 {
            continue;
        }
        let (left, right) = (plot.x.at(event.completed_s), plot.x.at(to));
        let place = ids.iter().position(|id| *id == event.node).unwrap_or(0);
        drawing.rect(left, lane + 3.0, right.max(left + 2.0), lane + LANE - 3.0, palette::node(place));
        let words = format!("{} · term {term}", node_list(&[event.node]));
        let mut label = note(&words, ((left + right) / 2.0, middle + 4.0), Anchor::Middle, palette::PAPER);
        label.bold = true;
        let (begin, end) = label.extent();
        if begin > left + 3.0 && end < right - 3.0 {
            drawing.text(label);
        }
    }
}
