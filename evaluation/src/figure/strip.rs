//! Notes above a panel, each beside what it speaks of, in as many rows as they need not to touch.

use super::{
    drawing::{Anchor, Drawing, Ink, Text},
    plot::{LEFT, Plot, RIGHT},
};

/// How high one row is.
pub const ROW: f64 = 19.0;
const GAP: f64 = 7.0;

/// A note on a stretch of the horizontal axis; a moment, where both ends are one.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// From, in values of the axis.
    pub from: f64,
    /// To.
    pub to: f64,
    /// What is said.
    pub text: String,
    /// Set in bold, with a bracket over the stretch.
    pub bracket: bool,
    /// Its colour.
    pub ink: Ink,
}

/// A note, placed.
struct Placed<'a> {
    note: &'a Note,
    text: Text,
    row: usize,
    left: f64,
    right: f64,
}

/// Notes, placed; how many rows they take is known before the panel under them is.
pub struct Strip<'a> {
    placed: Vec<Placed<'a>>,
    rows: usize,
}

impl<'a> Strip<'a> {
    /// Places notes over the horizontal axis `x`.
    pub fn place(notes: &'a [Note], x: &super::scale::Scale) -> Self {
        let mut ordered: Vec<&Note> = notes.iter().collect();
        ordered.sort_by(|a, b| a.to.total_cmp(&b.to).then(a.from.total_cmp(&b.from)));
        let mut ends: Vec<f64> = Vec::new();
        let mut placed = Vec::with_capacity(notes.len());
        for note in ordered {
            let (from, to) = (x.at(note.from), x.at(note.to));
            let mut text = Text {
                text: note.text.clone(),
                x: to + GAP,
                y: 0.0,
                size: 12.0,
                bold: note.bracket,
                anchor: Anchor::Start,
                ink: note.ink,
            };
            if text.extent().1 > RIGHT {
                text.x = from - GAP;
                text.anchor = Anchor::End;
                // Between two edges that are both too near there is only the middle.
                if text.extent().0 < LEFT {
                    text.x = (LEFT + RIGHT) / 2.0;
                    text.anchor = Anchor::Middle;
                }
            }
            let (begin, end) = text.extent();
            let (left, right) = (begin.min(from), end.max(to));
            // Below every note that is in its way: so its line down crosses no other note's words.
            let row = ends.iter().rposition(|&taken| taken + 10.0 > left).map_or(0, |taken| taken + 1);
            if row == ends.len() {
                ends.push(right);
            } else {
                ends[row] = right;
            }
            placed.push(Placed { note, text, row, left: from, right: to });
        }
        Self { placed, rows: ends.len() }
    }

    /// How high the strip is.
    pub fn height(&self) -> f64 {
        self.rows as f64 * ROW
    }

    /// Draws the notes above the panel, from `top` on, and lines from them down to it.
    pub fn draw(self, drawing: &mut Drawing, top: f64, plot: &Plot) {
        let (panel, _) = plot.edges();
        for Placed { note, mut text, row, left, right } in self.placed {
            let middle = top + row as f64 * ROW + ROW / 2.0;
            text.y = middle + 4.2;
            if note.bracket {
                let ink = note.ink;
                drawing.line(vec![(left, middle), (right, middle)], 2.0, ink);
                for x in [left, right] {
                    drawing.line(vec![(x, middle - 5.0), (x, panel)], 1.2, ink);
                    plot_down(drawing, plot, x, ink.thin(0.45));
                }
            } else {
                drawing.line(vec![(left, middle - 5.0), (left, panel)], 1.2, note.ink);
                plot_down(drawing, plot, left, note.ink.thin(0.6));
            }
            drawing.text(text);
        }
    }
}

fn plot_down(drawing: &mut Drawing, plot: &Plot, x: f64, ink: Ink) {
    let (top, bottom) = plot.edges();
    drawing.line(vec![(x, top), (x, bottom)], 1.0, ink);
}
