//! A picture to try things with, for whoever has none at hand.

use std::{
    io::{BufWriter, ErrorKind},
    path::Path,
};

use anyhow::Context;

use crate::cli::{
    beside::{Beside, Existing, Readers},
    escape::shown,
};

const WIDTH: u32 = 320;
const HEIGHT: u32 = 200;
/// Where the sun stands, and how large it is.
const SUN: (i32, i32, i32) = (220, 110, 34);
/// Where the sea begins.
const HORIZON: u32 = 130;

/// Draws an evening by the sea, unless there is a picture already.
pub(super) fn draw(path: &Path) -> anyhow::Result<()> {
    let pixels: Vec<u8> = (0..HEIGHT).flat_map(|y| (0..WIDTH).flat_map(move |x| colour(x, y))).collect();
    let write = || {
        let mut file = Beside::new(path, Readers::Usual)?;
        let mut encoder = png::Encoder::new(BufWriter::new(file.file()), WIDTH, HEIGHT);
        encoder.set_color(png::ColorType::Rgb);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&pixels)?;
        writer.finish()?;
        file.take_place(Existing::Kept).map(drop).map_err(png::EncodingError::IoError)
    };
    match write() {
        Err(png::EncodingError::IoError(error)) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        drawn => drawn.with_context(|| shown(path)),
    }
}

fn colour(x: u32, y: u32) -> [u8; 3] {
    let (dx, dy) = (x as i32 - SUN.0, y as i32 - SUN.1);
    let shade = |from: u32, to: u32| ((from * (HEIGHT - y) + to * y) / HEIGHT) as u8;
    if y >= HORIZON {
        // The sea glitters below the sun.
        let glitter = dx.unsigned_abs() < 40 && (x * 7 + y * 13) % 11 < 4 && y.is_multiple_of(3);
        return if glitter { [250, 200, 120] } else { [shade(60, 10), shade(80, 30), shade(140, 70)] };
    }
    match dx * dx + dy * dy < SUN.2 * SUN.2 {
        true => [255, 226, 130],
        false => [shade(60, 340), shade(60, 170), shade(140, 110)],
    }
}
