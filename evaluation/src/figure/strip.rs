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
    /// The row of its words.
    words: usize,
    /// The row of its bracket or line, which is the same or the next.
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
            }
            // Between two edges that are both too near there is only the middle, and a bracket would go through it.
            let is_between = text.extent().0 < LEFT;
            if is_between {
                text.x = (LEFT + RIGHT) / 2.0;
                text.anchor = Anchor::Middle;
            }
            let (begin, end) = text.extent();
            let (left, right) = (begin.min(from), end.max(to));
            // Below every note that is in its way: so its line down crosses no other note's words.
            let words = ends.iter().rposition(|&taken| taken + 10.0 > left).map_or(0, |taken| taken + 1);
            let row = if is_between { words + 1 } else { words };
            ends.resize(ends.len().max(row + 1), right);
            ends[words..=row].fill(right);
            placed.push(Placed { note, text, words, row, left: from, right: to });
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
        for Placed { note, mut text, words, row, left, right } in self.placed {
            let middle_of = |row: usize| top + row as f64 * ROW + ROW / 2.0;
            let middle = middle_of(row);
            text.y = middle_of(words) + 4.2;
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

#[cfg(test)]
mod tests {
    use super::{
        super::{drawing::Shape, palette, scale::Scale},
        *,
    };

    /// What is drawn over a panel that shows 0 to 100.
    fn drawn(notes: &[Note]) -> (Vec<Text>, Vec<Vec<(f64, f64)>>) {
        let x = Scale::linear((0.0, 100.0), (LEFT, RIGHT));
        let strip = Strip::place(notes, &x);
        let (top, bottom) = (strip.height(), strip.height() + 100.0);
        let plot = Plot { x, y: Scale::linear((0.0, 1.0), (bottom, top)) };
        let mut drawing = Drawing::new();
        strip.draw(&mut drawing, 0.0, &plot);
        let (mut texts, mut lines) = (Vec::new(), Vec::new());
        for shape in drawing.shapes {
            match shape {
                Shape::Text(text) => texts.push(text),
                Shape::Line(points, ..) => lines.push(points),
                Shape::Rect(..) | Shape::Polygon(..) | Shape::Dot(..) => {}
            }
        }
        (texts, lines)
    }

    /// Whether a line goes through the words of a text.
    fn crosses(line: &[(f64, f64)], text: &Text) -> bool {
        let (left, right) = text.extent();
        let (above, below) = (text.y - 0.7 * text.size, text.y + 0.2 * text.size);
        line.windows(2).any(|pair| {
            let (x0, x1) = (pair[0].0.min(pair[1].0), pair[0].0.max(pair[1].0));
            let (y0, y1) = (pair[0].1.min(pair[1].1), pair[0].1.max(pair[1].1));
            x0 < right && x1 > left && y0 < below && y1 > above
        })
    }

    #[test]
    fn no_line_of_a_note_goes_through_its_own_words_and_none_are_cut_off() {
        let long = "nobody who asked was served for more than 123456 ms, to the end of what was looked at";
        let bracket =
            |from: f64, to: f64| Note { from, to, text: long.to_owned(), bracket: true, ink: palette::TEXT };
        for (from, to) in [(0.0, 100.0), (10.0, 90.0), (40.0, 60.0), (0.0, 10.0), (90.0, 100.0), (30.0, 95.0)]
        {
            let (texts, lines) = drawn(&[bracket(from, to)]);
            for text in &texts {
                let (left, right) = text.extent();
                assert!(left >= LEFT && right <= RIGHT, "{from} to {to}: {left} to {right}");
                assert!(!lines.iter().any(|line| crosses(line, text)), "{from} to {to}: {text:?}");
            }
        }
    }
}
