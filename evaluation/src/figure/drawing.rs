//! A drawing: shapes in the order of painting, in pixels of a figure that is not yet painted.

use crate::foreign_text;

/// How wide every figure is, pixels.
pub const WIDTH: f64 = 1200.0;

/// A colour and how much of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ink {
    /// Red, green, blue.
    pub rgb: (u8, u8, u8),
    /// 0 is nothing, 1 covers all.
    pub alpha: f64,
}

impl Ink {
    /// The same colour, thinner.
    pub const fn thin(self, alpha: f64) -> Self {
        Self { rgb: self.rgb, alpha }
    }
}

/// Where a text stands with regard to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// It begins there.
    Start,
    /// It is centred there.
    Middle,
    /// It ends there.
    End,
}

/// A text; its point lies on the baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// What it says.
    pub text: String,
    /// Left to right.
    pub x: f64,
    /// The baseline, top to bottom.
    pub y: f64,
    /// Height of its letter M-square (em), pixels.
    pub size: f64,
    /// Bold letters.
    pub bold: bool,
    /// Where it stands.
    pub anchor: Anchor,
    /// Its colour.
    pub ink: Ink,
}

impl Text {
    /// Its left and right edge.
    pub fn extent(&self) -> (f64, f64) {
        let width = super::paint::text_width(&self.text, self.size, self.bold);
        match self.anchor {
            Anchor::Start => (self.x, self.x + width),
            Anchor::Middle => (self.x - width / 2.0, self.x + width / 2.0),
            Anchor::End => (self.x - width, self.x),
        }
    }
}

/// One shape.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A filled rectangle: left, top, right, bottom.
    Rect([f64; 4], Ink),
    /// A filled polygon.
    Polygon(Vec<(f64, f64)>, Ink),
    /// An open line of a width.
    Line(Vec<(f64, f64)>, f64, Ink),
    /// A filled circle: centre, radius.
    Dot((f64, f64), f64, Ink),
    /// A text.
    Text(Text),
}

/// A figure before it is painted.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    /// How high it is, pixels; all figures are 1200 wide.
    pub height: f64,
    /// Its shapes, in the order of painting.
    pub shapes: Vec<Shape>,
}

impl Drawing {
    pub(super) fn new() -> Self {
        Self { height: 0.0, shapes: Vec::new() }
    }

    pub(super) fn rect(&mut self, x0: f64, y0: f64, x1: f64, y1: f64, ink: Ink) {
        self.shapes.push(Shape::Rect([x0, y0, x1, y1], ink));
    }

    pub(super) fn line(&mut self, points: Vec<(f64, f64)>, width: f64, ink: Ink) {
        self.shapes.push(Shape::Line(points, width, ink));
    }

    /// A line that is drawn `on` pixels and left out `off` pixels, in turn.
    pub(super) fn dashes(&mut self, points: &[(f64, f64)], (on, off): (f64, f64), width: f64, ink: Ink) {
        let (mut left, mut drawing) = (on, true);
        let mut dash: Vec<(f64, f64)> = points.first().copied().into_iter().collect();
        for pair in points.windows(2) {
            let ((mut x, mut y), (to_x, to_y)) = (pair[0], pair[1]);
            loop {
                let rest = (to_x - x).hypot(to_y - y);
                if rest < left {
                    left -= rest;
                    dash.push((to_x, to_y));
                    break;
                }
                x += (to_x - x) * left / rest;
                y += (to_y - y) * left / rest;
                dash.push((x, y));
                if drawing {
                    self.line(std::mem::take(&mut dash), width, ink);
                }
                dash = vec![(x, y)];
                drawing = !drawing;
                left = if drawing { on } else { off };
            }
        }
        if drawing && dash.len() > 1 {
            self.line(dash, width, ink);
        }
    }

    pub(super) fn dot(&mut self, at: (f64, f64), radius: f64, ink: Ink) {
        self.shapes.push(Shape::Dot(at, radius, ink));
    }

    pub(super) fn text(&mut self, mut text: Text) {
        // XML holds no control characters, and nobody draws them.
        text.text = foreign_text::line(&text.text);
        self.shapes.push(Shape::Text(text));
    }

    /// A plain text.
    pub(super) fn say(&mut self, text: impl Into<String>, (x, y): (f64, f64), anchor: Anchor, ink: Ink) {
        self.text(Text { text: text.into(), x, y, size: 12.0, bold: false, anchor, ink });
    }

    /// A heading.
    pub(super) fn head(&mut self, text: impl Into<String>, (x, y): (f64, f64), size: f64) {
        self.text(Text {
            text: text.into(),
            x,
            y,
            size,
            bold: true,
            anchor: Anchor::Start,
            ink: super::palette::TEXT,
        });
    }
}
