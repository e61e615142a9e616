//! One panel: axes, grid, bands, and a legend above.

use super::{
    drawing::{Anchor, Drawing, Ink, Text, WIDTH},
    palette,
    scale::{Scale, duration, linear_ticks, logarithmic_ticks},
};
use crate::failover::Failover;

/// Of more faults than this not each gets its lines and words: they would cover what they are about.
pub const MANY_FAULTS: usize = 24;

/// Where panels begin, left; axis labels stand before it.
pub const LEFT: f64 = 76.0;
/// Where panels end, right.
pub const RIGHT: f64 = WIDTH - 36.0;

/// How one entry of a legend looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A filled square.
    Fill,
    /// A line.
    Line,
    /// A dashed line.
    Dashes,
    /// A point.
    Dot,
}

/// A panel with both its axes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plot {
    /// Left to right.
    pub x: Scale,
    /// Bottom to top.
    pub y: Scale,
}

impl Plot {
    /// Where a pair of values lies.
    pub fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (self.x.at(x), self.y.at(y))
    }

    /// The upper and lower edge, pixels.
    pub fn edges(&self) -> (f64, f64) {
        let (bottom, top) = self.y.pixels();
        (top, bottom)
    }

    /// Horizontal grid lines of a linear axis with their labels.
    pub fn linear_grid(&self, drawing: &mut Drawing, count: usize, label: impl Fn(f64) -> String) {
        for tick in linear_ticks(self.y.values(), count) {
            self.grid_line(drawing, tick, Some(label(tick)));
        }
    }

    /// Horizontal grid lines of a logarithmic axis with their labels.
    pub fn logarithmic_grid(&self, drawing: &mut Drawing, label: impl Fn(f64) -> String) {
        for (tick, written) in logarithmic_ticks(self.y.values()) {
            self.grid_line(drawing, tick, written.then(|| label(tick)));
        }
    }

    fn grid_line(&self, drawing: &mut Drawing, value: f64, label: Option<String>) {
        let y = self.y.at(value);
        let (left, right) = self.x.pixels();
        let ink = if label.is_some() { palette::GRID } else { palette::GRID.thin(0.5) };
        drawing.line(vec![(left, y), (right, y)], 1.0, ink);
        if let Some(label) = label {
            drawing.say(label, (left - 8.0, y + 4.0), Anchor::End, palette::QUIET);
        }
    }

    /// Vertical grid lines of a logarithmic axis; their labels are those of [`duration_axis`].
    pub fn upright_grid(&self, drawing: &mut Drawing) {
        let (top, bottom) = self.edges();
        for (tick, written) in logarithmic_ticks(self.x.values()) {
            let ink = if written { palette::GRID } else { palette::GRID.thin(0.5) };
            drawing.line(vec![(self.x.at(tick), top), (self.x.at(tick), bottom)], 1.0, ink);
        }
    }

    /// Left and lower edge.
    pub fn frame(&self, drawing: &mut Drawing) {
        let (left, right) = self.x.pixels();
        let (top, bottom) = self.edges();
        drawing.line(vec![(left, top), (left, bottom), (right, bottom)], 1.0, palette::FRAME);
    }

    /// A vertical line from edge to edge.
    pub fn upright(&self, drawing: &mut Drawing, x: f64, dashed: bool, ink: Ink) {
        let (top, bottom) = self.edges();
        let points = [(self.x.at(x), top), (self.x.at(x), bottom)];
        if dashed {
            drawing.dashes(&points, (4.0, 4.0), 1.0, ink);
        } else {
            drawing.line(points.to_vec(), 1.2, ink);
        }
    }

    /// Shades a stretch of the panel.
    pub fn band(&self, drawing: &mut Drawing, (from, to): (f64, f64), ink: Ink) {
        let (top, bottom) = self.edges();
        let (left, right) = (self.x.at(from), self.x.at(to));
        if right > left {
            drawing.rect(left, top, right, bottom, ink);
        }
    }
}

/// A time axis under the lowest panel.
pub fn time_axis(drawing: &mut Drawing, x: &Scale, y: f64, label: &str) {
    for tick in linear_ticks(x.values(), 12) {
        let at = x.at(tick);
        drawing.line(vec![(at, y), (at, y + 5.0)], 1.0, palette::FRAME);
        drawing.say(plain(tick), (at, y + 19.0), Anchor::Middle, palette::QUIET);
    }
    let (left, right) = x.pixels();
    drawing.say(label, ((left + right) / 2.0, y + 38.0), Anchor::Middle, palette::QUIET);
}

/// A logarithmic axis of durations, ms, under a panel.
pub fn duration_axis(drawing: &mut Drawing, x: &Scale, y: f64, label: &str) {
    for (tick, written) in logarithmic_ticks(x.values()) {
        let at = x.at(tick);
        drawing.line(vec![(at, y), (at, y + if written { 5.0 } else { 3.0 })], 1.0, palette::FRAME);
        if written {
            drawing.say(duration(tick), (at, y + 19.0), Anchor::Middle, palette::QUIET);
        }
    }
    let (left, right) = x.pixels();
    drawing.say(label, ((left + right) / 2.0, y + 38.0), Anchor::Middle, palette::QUIET);
}

/// A number without needless digits.
pub fn plain(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A panel's heading at the left and its legend at the right of one line.
pub fn heading(drawing: &mut Drawing, y: f64, title: &str, entries: &[(Mark, Ink, &str)]) {
    drawing.head(title, (LEFT, y), 13.0);
    let mut x = RIGHT;
    for (mark, ink, label) in entries.iter().rev() {
        let text = Text {
            text: (*label).to_owned(),
            x,
            y,
            size: 12.0,
            bold: false,
            anchor: Anchor::End,
            ink: palette::TEXT,
        };
        let (begins, _) = text.extent();
        drawing.text(text);
        let (to, from, middle) = (begins - 6.0, begins - 24.0, y - 4.5);
        match mark {
            Mark::Fill => drawing.rect(to - 12.0, middle - 6.0, to, middle + 6.0, *ink),
            Mark::Line => drawing.line(vec![(from, middle), (to, middle)], 2.2, *ink),
            Mark::Dashes => drawing.dashes(&[(from, middle), (to, middle)], (4.5, 2.5), 1.6, *ink),
            Mark::Dot => drawing.dot((to - 5.0, middle), 4.0, *ink),
        }
        x = from - 16.0;
    }
}

/// Shades warm-up and faults, from edge to edge of a panel. Faults begin with a line; their healing is
/// a dashed one. Many faults are shaded only.
pub fn shade(drawing: &mut Drawing, plot: &Plot, warmups: &[(f64, f64)], failovers: &[Failover]) {
    for &warmup in warmups {
        plot.band(drawing, warmup, palette::QUIET.thin(0.10));
    }
    for fault in failovers {
        let to = fault.healed_s.unwrap_or(f64::INFINITY);
        plot.band(drawing, (fault.injected_s, to), palette::FAULT.thin(0.10));
        if failovers.len() > MANY_FAULTS {
            continue;
        }
        plot.upright(drawing, fault.injected_s, false, palette::FAULT.thin(0.8));
        if fault.healed_s.is_some() {
            plot.upright(drawing, to, true, palette::FAULT.thin(0.8));
        }
    }
}
