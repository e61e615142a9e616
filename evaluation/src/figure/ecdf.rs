//! How the figures of many faults of a kind are distributed: which part of them took at most so long. A panel a
//! kind, all over one axis.

use super::{
    drawing::{Drawing, Ink},
    palette,
    plot::{self, LEFT, Mark, Plot, RIGHT},
    scale::{Scale, duration, logarithmic_bounds},
    strip::{Note, Strip},
};
use crate::{failover::KindFigures, statistics::Distribution};

/// Of fewer faults no distribution is drawn: each of them would be a step of more than a tenth, and the 90th
/// percentile the worst.
pub const LEAST: usize = 10;

const HEIGHT: f64 = 230.0;
/// What is marked in a curve.
pub const MARKS: [(&str, f64); 3] = [("median", 0.5), ("p99", 0.99), ("worst", 1.0)];

/// A curve of a panel.
pub struct Curve<'a> {
    /// What it shows.
    pub values: &'a Distribution,
    /// Its colour.
    pub ink: Ink,
    /// Whether it is one beside the main ones.
    pub dashed: bool,
    /// What stands before the names of its marks; without it, it has none.
    pub marks: Option<String>,
}

/// One panel.
pub struct Panel<'a> {
    /// Its heading.
    pub title: String,
    /// Its legend.
    pub legend: Vec<(Mark, Ink, String)>,
    /// Its curves.
    pub curves: Vec<Curve<'a>>,
}

/// Whether there are enough faults of a kind.
pub fn is_drawn(kind: &KindFigures) -> bool {
    kind.faults >= LEAST
}

/// A panel for each kind of which there are enough; nothing, if there is none.
pub fn draw(kinds: &[KindFigures]) -> Option<Drawing> {
    let panels: Vec<Panel<'_>> = kinds.iter().filter(|kind| is_drawn(kind)).map(panel).collect();
    (!panels.is_empty()).then(|| {
        let mut drawing = Drawing::new();
        drawing.head("How long it took, of all faults of a kind", (LEFT, 28.0), 15.0);
        stack(&mut drawing, 58.0, &panels);
        drawing
    })
}

/// What the figure says, for those who do not see it: `kill, 100 faults: median 12 ms, p99 45 ms, worst 51 ms`.
pub fn caption(kinds: &[KindFigures]) -> String {
    let said = kinds.iter().filter(|kind| is_drawn(kind)).map(|kind| {
        let marks = MARKS.map(|(name, q)| format!("{name} {}", at(&kind.unavailable, q)));
        format!("{}, {} faults: {}", kind.kind, kind.faults, marks.join(", "))
    });
    format!(
        "The part of all faults of a kind after which nobody was served for at most so long, and after which \
         somebody else led as soon. Unavailable: {}.",
        said.collect::<Vec<_>>().join("; ")
    )
}

fn panel(kind: &KindFigures) -> Panel<'_> {
    let entry = |mark, ink, name: &str, values: &Distribution| {
        let text = match values.endless() {
            0 => format!("{name}, of {}", values.count()),
            n => format!("{name}, of {}; {n} did not end", values.count()),
        };
        (mark, ink, text)
    };
    let mut legend = vec![entry(Mark::Line, palette::DURING, "unavailable", &kind.unavailable)];
    let mut curves = vec![Curve {
        values: &kind.unavailable,
        ink: palette::DURING,
        dashed: false,
        marks: Some(String::new()),
    }];
    if kind.noise.count() > 0 {
        legend.push(entry(Mark::Dashes, palette::QUIET, "noise", &kind.noise));
        curves.push(Curve { values: &kind.noise, ink: palette::QUIET, dashed: true, marks: None });
    }
    if kind.elect.count() > 0 {
        legend.push(entry(Mark::Dashes, palette::P50, "elect", &kind.elect));
        curves.push(Curve { values: &kind.elect, ink: palette::P50, dashed: true, marks: None });
    }
    Panel { title: format!("{}: {} faults", kind.kind, kind.faults), legend, curves }
}

/// Draws panels from `top` on, over one axis, and says how high the drawing is.
pub fn stack(drawing: &mut Drawing, top: f64, panels: &[Panel<'_>]) {
    let values = panels.iter().flat_map(|panel| &panel.curves).flat_map(|curve| curve.values.sorted());
    let bounds = logarithmic_bounds(values.copied().filter(|value| value.is_finite()));
    let x = Scale::logarithmic(bounds, (LEFT, RIGHT));
    let mut y = top;
    for panel in panels {
        let bottom = chart(drawing, y, panel, x);
        plot::duration_axis(drawing, &x, bottom, "from the fault on, logarithmic");
        y = bottom + 80.0;
    }
    drawing.height = y - 30.0;
}

/// Draws one panel. Gives its lower edge.
fn chart(drawing: &mut Drawing, y: f64, panel: &Panel<'_>, x: Scale) -> f64 {
    let legend: Vec<(Mark, Ink, &str)> =
        panel.legend.iter().map(|(mark, ink, text)| (*mark, *ink, text.as_str())).collect();
    plot::heading(drawing, y, &panel.title, &legend);
    let notes: Vec<Note> = panel.curves.iter().flat_map(notes).collect();
    let strip = Strip::place(&notes, &x);
    let top = y + 12.0 + strip.height();
    let plot = Plot { x, y: Scale::linear((0.0, 100.0), (top + HEIGHT, top)) };
    plot.linear_grid(drawing, 5, |part| format!("{part:.0} %"));
    plot.upright_grid(drawing);
    strip.draw(drawing, y + 9.0, &plot);
    for curve in &panel.curves {
        let points = steps(curve.values, &plot);
        if curve.dashed {
            drawing.dashes(&points, (6.0, 3.5), 1.6, curve.ink);
        } else {
            drawing.line(points, 2.2, curve.ink);
        }
        if curve.marks.is_some() {
            for (_, q) in MARKS {
                if let Some(value) = curve.values.quantile(q).filter(|value| value.is_finite()) {
                    drawing.dot(plot.at(value, q * 100.0), 4.5, curve.ink);
                }
            }
        }
    }
    plot.frame(drawing);
    top + HEIGHT
}

/// The marks of a curve, those that there are.
fn notes(curve: &Curve<'_>) -> Vec<Note> {
    let Some(before) = &curve.marks else { return Vec::new() };
    let note = |(name, q)| {
        let value = curve.values.quantile(q).filter(|value| value.is_finite())?;
        let text = format!("{before}{name} {}", at(curve.values, q));
        Some(Note { from: value, to: value, text, bracket: false, ink: curve.ink })
    };
    MARKS.into_iter().filter_map(note).collect()
}

/// A quantile in words.
fn at(values: &Distribution, q: f64) -> String {
    match values.quantile(q) {
        None => "–".to_owned(),
        Some(value) if value.is_infinite() => "no end".to_owned(),
        // Tenths of a millisecond are as fine as anything is seen.
        Some(value) => duration((value * 10.0).round() / 10.0),
    }
}

/// The steps of a curve, from nothing up to all; where some did not end, to the right edge at the part that did.
fn steps(values: &Distribution, plot: &Plot) -> Vec<(f64, f64)> {
    let (_, right) = plot.x.values();
    let count = values.count() as f64;
    let mut points = Vec::with_capacity(2 * values.count() + 1);
    let mut part = 0.0;
    for (place, &value) in values.sorted().iter().enumerate() {
        if value.is_infinite() {
            points.push(plot.at(right, part));
            break;
        }
        points.push(plot.at(value, part));
        part = (place + 1) as f64 / count * 100.0;
        points.push(plot.at(value, part));
    }
    points
}
