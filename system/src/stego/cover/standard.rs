//! The standard cover, drawn by code: a padlock and the word "sealed".

use crate::stego::Raster;

/// Width of the standard cover, in pixels.
pub(super) const WIDTH: u32 = 800;
/// Height of the standard cover, in pixels.
pub(super) const HEIGHT: u32 = 600;

/// Draws it. Always the same pixels.
pub(super) fn draw() -> Raster {
    let mut canvas = Canvas::new(WIDTH as usize, HEIGHT as usize);
    canvas.draw();
    Raster::new(WIDTH, HEIGHT, canvas.channels).expect("the canvas has these dimensions")
}

type Color = [f32; 3];

const SKY: Color = [232.0, 238.0, 243.0];
const GROUND: Color = [196.0, 209.0, 219.0];
const SHADOW: Color = [96.0, 120.0, 138.0];
const PAPER: Color = [250.0, 252.0, 253.0];
const RIM: Color = [221.0, 230.0, 237.0];
const INK: Color = [62.0, 88.0, 110.0];

/// Distances are in pixels, negative inside a shape. Only the four operations and the square root are
/// used, which IEEE 754 rounds alike everywhere.
struct Canvas {
    width: usize,
    channels: Vec<u8>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        let mut channels = Vec::with_capacity(width * height * 3);
        for y in 0..height {
            // One colour a row: the row filter of PNG turns it into zeros.
            let row = mix(SKY, GROUND, y as f32 / height as f32).map(|c| (c + 0.5) as u8);
            channels.extend(row.repeat(width));
        }
        Self { width, channels }
    }

    fn draw(&mut self) {
        let badge = |x, y| circle(x, y, 400.0, 248.0, 138.0);
        self.paint([220, 80, 580, 440], SHADOW, |x, y| {
            let fade = (1.0 - badge(x, y - 10.0).max(0.0) / 26.0).max(0.0);
            0.22 * fade * fade
        });
        self.fill([240, 88, 560, 408], RIM, badge);
        self.fill([240, 88, 560, 408], PAPER, |x, y| badge(x, y) + 5.0);

        // The padlock: shackle, body, keyhole.
        self.fill([340, 160, 460, 250], INK, |x, y| {
            let arch = if y < 212.0 { circle(x, y, 400.0, 212.0, 38.0) } else { (x - 400.0).abs() - 38.0 };
            (arch.abs() - 7.5).max(y - 246.0)
        });
        self.fill([320, 220, 480, 340], INK, |x, y| {
            let (dx, dy) = ((x - 400.0).abs() - 48.0, (y - 279.0).abs() - 33.0);
            let outside = (dx.max(0.0) * dx.max(0.0) + dy.max(0.0) * dy.max(0.0)).sqrt();
            outside + dx.max(dy).min(0.0) - 14.0
        });
        self.fill([380, 250, 420, 320], PAPER, |x, y| {
            let slot = segment([x, y], [400.0, 272.0], [400.0, 294.0]) - 4.5;
            circle(x, y, 400.0, 270.0, 11.0).min(slot)
        });

        let mut left = 283.0;
        for (glyph, advance) in [(S, 43.0), (E, 41.0), (A, 46.0), (L, 37.0), (E, 41.0), (D, 0.0)] {
            self.write(glyph, left, 462.0);
            left += advance;
        }
    }

    /// Draws one letter with a round pen, its box beginning at (`left`, `top`).
    fn write(&mut self, glyph: &[Stroke], left: f32, top: f32) {
        const HEIGHT: f32 = 34.0;
        let place = |[x, y]: Point| [left + x * HEIGHT, top + y * HEIGHT];
        let points: Vec<Vec<Point>> = glyph
            .iter()
            .map(|stroke| (0..=24).map(|i| place(along(stroke, i as f32 / 24.0))).collect())
            .collect();
        let bounds = [left as usize - 5, top as usize - 5, left as usize + 35, top as usize + 40];
        self.fill(bounds, INK, |x, y| {
            let pairs = points.iter().flat_map(|line| line.windows(2));
            pairs.fold(f32::MAX, |near, ends| near.min(segment([x, y], ends[0], ends[1]))) - 2.4
        });
    }

    /// Fills a shape given by its distance, with a soft edge one pixel wide.
    fn fill(&mut self, bounds: [usize; 4], color: Color, distance: impl Fn(f32, f32) -> f32) {
        self.paint(bounds, color, |x, y| (0.5 - distance(x, y)).clamp(0.0, 1.0));
    }

    /// Lays `color` over the pixels of `bounds` (left, top, right, bottom), as opaque as `opacity` says
    /// at each pixel's centre: 0 to 1.
    fn paint(
        &mut self,
        [left, top, right, bottom]: [usize; 4],
        color: Color,
        opacity: impl Fn(f32, f32) -> f32,
    ) {
        for y in top..bottom {
            for x in left..right {
                let amount = opacity(x as f32 + 0.5, y as f32 + 0.5);
                let pixel = &mut self.channels[(y * self.width + x) * 3..][..3];
                for (channel, target) in pixel.iter_mut().zip(color) {
                    let old = f32::from(*channel);
                    *channel = (old + (target - old) * amount + 0.5) as u8;
                }
            }
        }
    }
}

fn mix(from: Color, to: Color, amount: f32) -> Color {
    [0, 1, 2].map(|i| from[i] + (to[i] - from[i]) * amount)
}

fn circle(x: f32, y: f32, centre_x: f32, centre_y: f32, radius: f32) -> f32 {
    let (dx, dy) = (x - centre_x, y - centre_y);
    (dx * dx + dy * dy).sqrt() - radius
}

type Point = [f32; 2];

/// Distance of a point from the straight line between `a` and `b`.
fn segment([x, y]: Point, a: Point, b: Point) -> f32 {
    let (px, py) = (x - a[0], y - a[1]);
    let (bx, by) = (b[0] - a[0], b[1] - a[1]);
    let along = ((px * bx + py * by) / (bx * bx + by * by).max(1e-6)).clamp(0.0, 1.0);
    let (dx, dy) = (px - bx * along, py - by * along);
    (dx * dx + dy * dy).sqrt()
}

/// A cubic Bézier curve in a box one unit high.
type Stroke = [Point; 4];

const fn line(a: Point, b: Point) -> Stroke {
    [a, a, b, b]
}

fn along(stroke: &Stroke, t: f32) -> Point {
    let u = 1.0 - t;
    let weights = [u * u * u, 3.0 * u * u * t, 3.0 * u * t * t, t * t * t];
    [0, 1].map(|axis| (0..4).map(|i| stroke[i][axis] * weights[i]).sum())
}

const S: &[Stroke] = &[
    [[0.58, 0.16], [0.52, 0.05], [0.42, 0.0], [0.32, 0.0]],
    [[0.32, 0.0], [0.16, 0.0], [0.06, 0.10], [0.06, 0.24]],
    [[0.06, 0.24], [0.06, 0.42], [0.20, 0.46], [0.33, 0.49]],
    [[0.33, 0.49], [0.47, 0.53], [0.60, 0.58], [0.60, 0.75]],
    [[0.60, 0.75], [0.60, 0.90], [0.48, 1.0], [0.32, 1.0]],
    [[0.32, 1.0], [0.19, 1.0], [0.08, 0.94], [0.03, 0.82]],
];
const E: &[Stroke] = &[
    line([0.08, 0.0], [0.08, 1.0]),
    line([0.08, 0.0], [0.58, 0.0]),
    line([0.08, 0.49], [0.50, 0.49]),
    line([0.08, 1.0], [0.58, 1.0]),
];
const A: &[Stroke] =
    &[line([0.0, 1.0], [0.38, 0.0]), line([0.38, 0.0], [0.76, 1.0]), line([0.13, 0.66], [0.63, 0.66])];
const L: &[Stroke] = &[line([0.08, 0.0], [0.08, 1.0]), line([0.08, 1.0], [0.54, 1.0])];
const D: &[Stroke] = &[
    line([0.08, 0.0], [0.08, 1.0]),
    line([0.08, 0.0], [0.28, 0.0]),
    [[0.28, 0.0], [0.56, 0.0], [0.70, 0.20], [0.70, 0.50]],
    [[0.70, 0.50], [0.70, 0.80], [0.56, 1.0], [0.28, 1.0]],
    line([0.28, 1.0], [0.08, 1.0]),
];
