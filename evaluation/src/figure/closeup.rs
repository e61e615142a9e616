//! One fault from near: every operation is a point, at the time it was due and as high as its user waited.

use loadgen::scenario::OutcomeKind;

use super::{
    drawing::Drawing,
    palette,
    plot::{self, LEFT, Mark, Plot, RIGHT},
    scale::{Scale, duration, logarithmic_bounds},
    strip::{Note, Strip},
    timeline::unavailable_note,
};
use crate::{
    failover::{Elect, Failover, node_list},
    report::words,
    run::{Operation, RunDirectory},
};

const HEIGHT: f64 = 260.0;
/// More points than this are not drawn, but every second, third, … of them.
const MAX_POINTS: usize = 4000;
/// A stretch that begins so long after the fault is shown without it, s.
const FAR_S: f64 = 2.0;

/// `which` says which of many it is; it may be empty.
pub fn draw(run: &RunDirectory, fault: &Failover, which: &str) -> Drawing {
    let start = fault.injected_s;
    let (from, to) = range(fault);
    let x = Scale::linear(((from - start) * 1e3, (to - start) * 1e3), (LEFT, RIGHT));

    let seen: Vec<&Operation> = run.measured().filter(|o| (from..=to).contains(&o.due_s())).collect();
    let every = seen.len().div_ceil(MAX_POINTS).max(1);
    let mut drawing = Drawing::new();
    drawing.head(title(fault, which), (LEFT, 28.0), 15.0);
    let sampled = match every {
        1 => "Every operation: when it was due, and how long it took".to_owned(),
        n => format!("One operation in {n}: when it was due, and how long it took"),
    };
    let legend = [OutcomeKind::Ok, OutcomeKind::Failed, OutcomeKind::Unknown]
        .map(|kind| (Mark::Dot, point_ink(kind), kind.name()));
    plot::heading(&mut drawing, 58.0, &sampled, &legend);

    let notes = notes(fault, (from, to));
    let strip = Strip::place(&notes, &x);
    let top = 70.0 + strip.height();
    let waited = |o: &Operation| o.done_ns.map(|done| (done - o.due_ns) as f64 / 1e6);
    let plot = Plot {
        x,
        y: Scale::logarithmic(logarithmic_bounds(seen.iter().filter_map(|o| waited(o))), (top + HEIGHT, top)),
    };
    plot.logarithmic_grid(&mut drawing, duration);
    let healed = fault.healed_s.map_or(f64::INFINITY, |at| (at - start) * 1e3);
    plot.band(&mut drawing, (0.0, healed), palette::FAULT.thin(0.08));
    for operation in seen.iter().step_by(every) {
        if let Some(ms) = waited(operation) {
            let at = plot.at((operation.due_s() - start) * 1e3, ms);
            drawing.dot(at, 2.0, point_ink(operation.outcome));
        }
    }
    plot.frame(&mut drawing);
    strip.draw(&mut drawing, 67.0, &plot);
    plot::time_axis(&mut drawing, &x, top + HEIGHT, "milliseconds since the fault");
    drawing.height = top + HEIGHT + 50.0;
    drawing
}

/// From when to when: the stretch that it is titled with, and as much on either side; with the fault, unless that
/// was long before.
pub(super) fn range(fault: &Failover) -> (f64, f64) {
    let (start, stretch) = (fault.injected_s, &fault.main_stretch().stretch);
    let from = if stretch.from_s > start + FAR_S { stretch.from_s } else { start.min(stretch.from_s) };
    let to = stretch.to_s.max(from);
    let length = (to - from).clamp(0.1, 10.0);
    (from - length.max(0.2), to + length.max(0.3) * 1.5)
}

fn title(fault: &Failover, which: &str) -> String {
    let nodes = node_list(&fault.nodes);
    let mut title = format!("{} of {}", fault.kind, fault.victim());
    if fault.victim() != nodes {
        title.push_str(&format!(" ({nodes})"));
    }
    title.push_str(", from near");
    title.push_str(which);
    let main = fault.main_stretch();
    title.push_str(&match main.is_distinguishable() {
        Some(false) => "; not distinguishable from no fault".to_owned(),
        _ => format!("; {} unavailable", words::unavailable(main)),
    });
    if main.stretch.from_s > fault.injected_s + FAR_S {
        title.push_str(&format!(", {:.1} s later", main.stretch.from_s - fault.injected_s));
    }
    title
}

/// Points are small: the pale colour of answered operations would vanish.
fn point_ink(kind: OutcomeKind) -> super::drawing::Ink {
    match kind {
        OutcomeKind::Ok => palette::P50,
        other => palette::outcome(other),
    }
}

/// What happened when, as far as it lies within what is shown.
fn notes(fault: &Failover, (from, to): (f64, f64)) -> Vec<Note> {
    let start = fault.injected_s;
    let moment = |at_s: f64, text: String, ink| Note { from: at_s, to: at_s, text, bracket: false, ink };
    let main = fault.main_stretch();
    // What can't be told from no fault is not marked as one.
    let outage = (main.is_distinguishable() != Some(false)).then(|| unavailable_note(main));
    let mut notes: Vec<Note> = outage.into_iter().collect();
    notes.extend([moment(start, format!("{} {}", fault.kind, node_list(&fault.nodes)), palette::FAULT_TEXT)]);
    if let Elect::After { ms, node, term } = fault.elect {
        notes.push(moment(
            start + ms / 1e3,
            format!("n{node} leads term {term}, after {ms:.0} ms"),
            palette::TEXT,
        ));
    }
    if let Some(ms) = fault.recover.ms() {
        notes.push(moment(start + ms / 1e3, format!("recovered, after {ms:.0} ms"), palette::AFTER));
    }
    if let Some(healed) = fault.healed_s {
        notes.push(moment(healed, "healed".to_owned(), palette::AFTER));
    }
    notes.retain(|n| n.to >= from && n.from <= to);
    for note in &mut notes {
        note.from = (note.from - start) * 1e3;
        note.to = (note.to - start) * 1e3;
    }
    notes
}
