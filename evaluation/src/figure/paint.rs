//! Paints a drawing with `plotters`, as PNG and as SVG.
//!
//! The PNG is painted three times as large and then averaged down, which smooths what `plotters` leaves
//! jagged. The SVG is painted in tenths of a pixel, because `plotters` knows whole ones only.
//!
//! Letters come from the bundled DejaVu Sans through `plotters`' `ab_glyph`. Mind: if any crate of the
//! build turns on `plotters/ttf`, `ab_glyph` is ignored without a word and these fonts with it.

use std::sync::LazyLock;

use plotters::{
    backend::{BitMapBackend, SVGBackend},
    style::{
        FontDesc, FontFamily, FontStyle, TextStyle, register_font,
        text_anchor::{HPos, Pos, VPos},
    },
};
use plotters_backend::{BackendColor, BackendStyle, DrawingBackend};

use super::drawing::{Anchor, Drawing, Ink, Shape, Text, WIDTH};

/// Where SVG viewers look for letters, in this order; `plotters` knows the bundled font by this name too.
const FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";
static REGULAR: &[u8] = include_bytes!("../../fonts/DejaVuSans.ttf");
static BOLD: &[u8] = include_bytes!("../../fonts/DejaVuSans-Bold.ttf");

/// How many times larger the PNG is painted.
const SUPERSAMPLING: u32 = 3;
/// How many units of the SVG make a pixel.
const SVG_UNITS: u32 = 10;
/// No figure is higher, pixels: painting one takes 32 KB a pixel.
const MAX_HEIGHT: f64 = 8000.0;
/// `ab_glyph` sizes a font by its ascent and descent; these are so many em of DejaVu Sans.
const BITMAP_SIZE: f64 = 1.164;
/// `plotters` divides a font's size by this for SVG.
const SVG_SIZE: f64 = 1.24;

/// A figure that cannot be painted.
#[derive(Debug, thiserror::Error)]
pub enum PaintError {
    /// The bundled font is damaged.
    #[error("the bundled font cannot be read")]
    Font,
    /// The backend refused.
    #[error("painting a figure: {0}")]
    Backend(String),
    /// There is so much to show that no picture would hold it.
    #[error("a figure would be {height:.0} pixels high, the limit is {MAX_HEIGHT}")]
    TooHigh {
        /// How high it would be, pixels.
        height: f64,
    },
    /// The PNG cannot be written.
    #[error("encoding a figure: {0}")]
    Png(#[from] png::EncodingError),
}

static FONTS: LazyLock<bool> = LazyLock::new(|| {
    register_font(FAMILY, FontStyle::Normal, REGULAR).is_ok()
        && register_font(FAMILY, FontStyle::Bold, BOLD).is_ok()
});

fn font(size: f64, bold: bool) -> FontDesc<'static> {
    let style = if bold { FontStyle::Bold } else { FontStyle::Normal };
    FontDesc::new(FontFamily::Name(FAMILY), size, style)
}

/// How wide a text is, pixels.
pub(super) fn text_width(text: &str, size: f64, bold: bool) -> f64 {
    // Measured large, because the answer is a whole number.
    const LARGE: f64 = 20.0;
    let measured = LazyLock::force(&FONTS)
        .then(|| font(size * BITMAP_SIZE * LARGE, bold).layout_box(text).ok())
        .flatten();
    match measured {
        Some(((left, _), (right, _))) => f64::from(right - left) / LARGE,
        None => text.chars().count() as f64 * size * 0.62,
    }
}

/// The drawing as PNG.
///
/// # Errors
/// When the fonts are damaged or the picture cannot be encoded.
pub fn png(drawing: &Drawing) -> Result<Vec<u8>, PaintError> {
    let (width, height) = size(drawing)?;
    let large = (width * SUPERSAMPLING, height * SUPERSAMPLING);
    let mut pixels = vec![255; (large.0 * large.1 * 3) as usize];
    {
        let mut backend = BitMapBackend::with_buffer(&mut pixels, large);
        paint(&mut backend, drawing, &Brush::Bitmap(f64::from(SUPERSAMPLING)))?;
    }
    let small = average(&pixels, width as usize, height as usize);
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&small)?;
    writer.finish()?;
    Ok(out)
}

/// How large a drawing is, in whole pixels.
fn size(drawing: &Drawing) -> Result<(u32, u32), PaintError> {
    // What is no number is too high, too.
    if !(drawing.height >= 0.0 && drawing.height <= MAX_HEIGHT) {
        return Err(PaintError::TooHigh { height: drawing.height });
    }
    Ok((WIDTH as u32, drawing.height.ceil() as u32))
}

fn average(large: &[u8], width: usize, height: usize) -> Vec<u8> {
    let n = SUPERSAMPLING as usize;
    let mut small = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            for channel in 0..3 {
                let mut sum = 0u32;
                for dy in 0..n {
                    let row = (y * n + dy) * width * n;
                    for dx in 0..n {
                        sum += u32::from(large[(row + x * n + dx) * 3 + channel]);
                    }
                }
                small.push((sum / (SUPERSAMPLING * SUPERSAMPLING)) as u8);
            }
        }
    }
    small
}

/// The drawing as SVG.
///
/// # Errors
/// When the fonts are damaged.
pub fn svg(drawing: &Drawing) -> Result<String, PaintError> {
    let (width, height) = size(drawing)?;
    let fine = (width * SVG_UNITS, height * SVG_UNITS);
    let mut text = String::new();
    {
        let mut backend = SVGBackend::with_string(&mut text, fine);
        paint(&mut backend, drawing, &Brush::Vector(f64::from(SVG_UNITS)))?;
    }
    // The picture keeps its fine units and is shown in pixels.
    let fine_size = format!("width=\"{}\" height=\"{}\"", fine.0, fine.1);
    Ok(text.replacen(&fine_size, &format!("width=\"{width}\" height=\"{height}\""), 1))
}

/// How pixels of the drawing become units of a backend.
enum Brush {
    Bitmap(f64),
    Vector(f64),
}

struct Stroke {
    color: BackendColor,
    width: u32,
}

impl BackendStyle for Stroke {
    fn color(&self) -> BackendColor {
        self.color
    }

    fn stroke_width(&self) -> u32 {
        self.width
    }
}

fn color(ink: Ink) -> BackendColor {
    BackendColor { alpha: ink.alpha, rgb: ink.rgb }
}

fn paint<B: DrawingBackend>(backend: &mut B, drawing: &Drawing, brush: &Brush) -> Result<(), PaintError> {
    if !*FONTS {
        return Err(PaintError::Font);
    }
    let failed = |e: plotters_backend::DrawingErrorKind<B::ErrorType>| PaintError::Backend(e.to_string());
    let (Brush::Bitmap(scale) | Brush::Vector(scale)) = *brush;
    let px = |v: f64| (v * scale).round() as i32;
    let at = |(x, y): (f64, f64)| (px(x), px(y));
    backend.ensure_prepared().map_err(failed)?;
    let paper = [0.0, 0.0, WIDTH, drawing.height];
    let background = Shape::Rect(paper, super::palette::PAPER);
    for shape in std::iter::once(&background).chain(&drawing.shapes) {
        match shape {
            Shape::Rect([x0, y0, x1, y1], ink) => {
                // `plotters` paints the last row and column of a bitmap's rectangle too.
                let last = i32::from(matches!(brush, Brush::Bitmap(_)));
                let (from, to) = (at((*x0, *y0)), at((*x1, *y1)));
                let to = ((to.0 - last).max(from.0), (to.1 - last).max(from.1));
                backend.draw_rect(from, to, &color(*ink), true)
            }
            Shape::Polygon(points, ink) => backend.fill_polygon(points.iter().map(|&p| at(p)), &color(*ink)),
            Shape::Line(points, width, ink) => {
                let style = Stroke { color: color(*ink), width: ((width * scale).round() as u32).max(1) };
                match brush {
                    Brush::Vector(_) => backend.draw_path(points.iter().map(|&p| at(p)), &style),
                    // Sharp corners of a thick path come out as spikes: paint it piece by piece.
                    Brush::Bitmap(_) => points.windows(2).try_for_each(|pair| {
                        let quad = thick(pair[0], pair[1], *width);
                        backend.fill_polygon(quad.map(at), &style.color)
                    }),
                }
            }
            Shape::Dot(centre, radius, ink) => {
                backend.draw_circle(at(*centre), px(*radius).max(1) as u32, &color(*ink), true)
            }
            Shape::Text(text) => paint_text(backend, text, brush, scale),
        }
        .map_err(failed)?;
    }
    backend.present().map_err(failed)
}

/// A piece of a line as a rectangle, a little longer than itself so that pieces join.
fn thick((x0, y0): (f64, f64), (x1, y1): (f64, f64), width: f64) -> [(f64, f64); 4] {
    let length = (x1 - x0).hypot(y1 - y0).max(1e-9);
    let (ux, uy) = ((x1 - x0) / length * width / 2.0, (y1 - y0) / length * width / 2.0);
    let reach = 0.5;
    let (ax, ay) = (x0 - ux * reach, y0 - uy * reach);
    let (bx, by) = (x1 + ux * reach, y1 + uy * reach);
    [(ax - uy, ay + ux), (bx - uy, by + ux), (bx + uy, by - ux), (ax + uy, ay - ux)]
}

fn paint_text<B: DrawingBackend>(
    backend: &mut B,
    text: &Text,
    brush: &Brush,
    scale: f64,
) -> Result<(), plotters_backend::DrawingErrorKind<B::ErrorType>> {
    // Both backends put a text's top at its point; where the baseline is then, each decides for itself.
    let (size, above) = match brush {
        Brush::Bitmap(_) => (text.size * BITMAP_SIZE * scale, text.size * BITMAP_SIZE / 2.0),
        Brush::Vector(_) => (text.size * SVG_SIZE * scale, text.size * 0.76),
    };
    let horizontal = match text.anchor {
        Anchor::Start => HPos::Left,
        Anchor::Middle => HPos::Center,
        Anchor::End => HPos::Right,
    };
    let style = TextStyle {
        font: font(size, text.bold),
        color: color(text.ink),
        pos: Pos::new(horizontal, VPos::Top),
    };
    let point = ((text.x * scale).round() as i32, ((text.y - above) * scale).round() as i32);
    backend.draw_text(&text.text, &style, point)
}
