//! A lane under the panels: a line from edge to edge, and a bar for as long as something lasts.

use super::{
    drawing::{Anchor, Drawing, Ink, Text},
    palette,
    plot::{self, LEFT, RIGHT},
    scale::Scale,
};
use crate::failover::Failover;

/// How high a lane is.
pub const LANE: f64 = 24.0;
/// Between words and whatever is beside them.
const GAP: f64 = 6.0;

/// A fault in a lane.
pub struct Bar<'a> {
    /// The fault.
    pub fault: &'a Failover,
    /// What is said of it; the first wording is used for which there is room.
    pub wordings: Vec<String>,
}

/// How a lane looks.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Its line.
    pub line: Ink,
    /// Its bars.
    pub bar: Ink,
    /// Words that stand beside their bar; those in a bar are white.
    pub beside: Ink,
}

/// Draws a lane at `top`: its name, its line, bars in order of time, and words in or beside each of them.
pub fn draw(drawing: &mut Drawing, top: f64, name: &str, look: Look, x: &Scale, bars: &[Bar<'_>]) {
    let middle = top + LANE / 2.0;
    drawing.say(name, (LEFT - 8.0, middle + 4.0), Anchor::End, palette::QUIET);
    drawing.line(vec![(LEFT, middle), (RIGHT, middle)], 2.0, look.line);
    let (_, end_s) = x.values();
    let edges: Vec<(f64, f64)> = bars
        .iter()
        .map(|Bar { fault, .. }| {
            let left = x.at(fault.injected_s);
            (left, x.at(fault.healed_s.unwrap_or(end_s)).max(left + 2.0))
        })
        .collect();
    for &(left, right) in &edges {
        drawing.rect(left, top + 3.0, right, top + LANE - 3.0, look.bar);
    }
    // Words, and bars, stand up to here already.
    let mut taken = LEFT - GAP;
    for (place, bar) in bars.iter().enumerate() {
        let next = edges.get(place + 1).map_or(RIGHT + GAP, |next| next.0);
        let Some(label) = bar.wordings.iter().find_map(|words| fit(words, edges[place], (taken, next), look))
        else {
            taken = taken.max(edges[place].1);
            continue;
        };
        let (begin, end) = label.extent();
        if label.ink == look.beside {
            drawing.rect(begin - 2.0, top + 4.0, end + 2.0, top + LANE - 4.0, palette::PAPER);
        }
        drawing.text(Text { y: middle + 4.0, ..label });
        taken = end.max(edges[place].1);
    }
}

/// Words in their bar, or else after or before it, where they touch nothing.
fn fit(words: &str, (left, right): (f64, f64), (taken, next): (f64, f64), look: Look) -> Option<Text> {
    let place =
        |x: f64, anchor, ink| Text { text: words.to_owned(), x, y: 0.0, size: 12.0, bold: true, anchor, ink };
    let inside = place(left + GAP, Anchor::Start, palette::PAPER);
    let after = place(right + GAP, Anchor::Start, look.beside);
    let before = place(left - GAP, Anchor::End, look.beside);
    if inside.extent().1 <= right - 4.0 {
        Some(inside)
    } else if after.extent().1 + GAP <= next {
        Some(after)
    } else if before.extent().0 - GAP >= taken {
        Some(before)
    } else {
        None
    }
}

/// How long a fault lasted, in words: `8.2 s`.
pub fn lasted(fault: &Failover) -> Option<String> {
    let tenths = ((fault.healed_s? - fault.injected_s) * 10.0).round();
    Some(format!("{} s", plot::plain(tenths / 10.0)))
}
