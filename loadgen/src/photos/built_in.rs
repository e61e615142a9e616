//! The built-in set: a dozen photos of the sizes that people send one another.

use std::panic::resume_unwind;

use image::{
    ExtendedColorType, ImageEncoder as _,
    codecs::{jpeg::JpegEncoder, png::PngEncoder},
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{Photo, Photos, scene::Scene};

/// As cameras and messengers have it.
const JPEG_QUALITY: u8 = 80;

#[derive(Clone, Copy, PartialEq)]
enum Format {
    Jpeg,
    Png,
}

/// Width, height, how busy the scene is, format. The files have from 10 to
/// 200 KB, half of them more than about 46 KB.
const SET: [(u32, u32, f32, Format); 12] = [
    (320, 240, 0.2, Format::Jpeg),
    (320, 240, 0.9, Format::Jpeg),
    (480, 360, 0.7, Format::Jpeg),
    (640, 480, 0.2, Format::Jpeg),
    (640, 480, 0.8, Format::Jpeg),
    (600, 800, 0.5, Format::Jpeg),
    (800, 600, 0.6, Format::Jpeg),
    (800, 600, 0.9, Format::Jpeg),
    (1024, 768, 0.4, Format::Jpeg),
    (1600, 1200, 0.7, Format::Jpeg),
    (320, 240, 0.1, Format::Png),
    (400, 300, 0.4, Format::Png),
];

impl Photos {
    /// The built-in set. One seed gives the same bytes on every machine, as long as the encoders
    /// stay the same.
    pub fn built_in(seed: u64) -> Self {
        // All cores draw: nothing waits for a run to begin but a person.
        let photos = std::thread::scope(|scope| {
            let drawn: Vec<_> = (SET.into_iter().enumerate())
                .map(|(number, kind)| scope.spawn(move || photo(seed, number, kind)))
                .collect();
            let joined = drawn.into_iter().map(|thread| thread.join());
            joined.map(|photo| photo.unwrap_or_else(|panic| resume_unwind(panic))).collect()
        });
        Self { photos }
    }
}

fn photo(seed: u64, number: usize, (width, height, detail, format): (u32, u32, f32, Format)) -> Photo {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // A stream of its own each: a change of one leaves the others as they are.
    rng.set_stream(number as u64);
    let pixels = Scene::draw(&mut rng, detail).render(width, height);
    let mut bytes = Vec::new();
    let (encoded, ending) = match format {
        Format::Jpeg => (
            JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY).write_image(
                &pixels,
                width,
                height,
                ExtendedColorType::Rgb8,
            ),
            "jpg",
        ),
        Format::Png => {
            (PngEncoder::new(&mut bytes).write_image(&pixels, width, height, ExtendedColorType::Rgb8), "png")
        }
    };
    // Both encoders fail on a writer that fails, which a vector never does, and on pixels that are
    // not width x height, which these are.
    encoded.expect("8-bit RGB is encoded to memory");
    Photo::new(format!("built-in-{}.{ending}", number + 1), bytes)
}
