//! A drawn scene: sky, sun, hills one behind the other, a town, soft blobs out of focus, and the grain
//! of a sensor. What matters is that it is coded like a photo: smooth parts, edges and texture.

use image::RgbImage;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::noise::{at, cloud, mix, step, value};

type Colour = [f32; 3];

/// Edges of hills are a pixel or two wide, as a lens makes them.
const EDGE: (f32, f32) = (-0.001, 0.002);

/// What makes one scene differ from another. Lengths are parts of the picture's height.
pub(super) struct Scene {
    seed: u32,
    zenith: Colour,
    haze: Colour,
    ground: Colour,
    sun: (f32, f32),
    hills: Vec<Hill>,
    houses: Vec<House>,
    blobs: Vec<Blob>,
    /// How strong the texture of the ground is, 0 to 1.
    texture: f32,
    /// The sensor's noise, in steps of 256.
    grain: f32,
}

struct Hill {
    seed: u32,
    top: f32,
    rough: f32,
    /// 0 near to 1 far: the farther, the more haze.
    far: f32,
}

struct House {
    left: f32,
    right: f32,
    top: f32,
    colour: Colour,
}

struct Blob {
    centre: (f32, f32),
    radius: f32,
    colour: Colour,
    strength: f32,
}

fn blend(a: Colour, b: Colour, t: f32) -> Colour {
    [mix(a[0], b[0], t), mix(a[1], b[1], t), mix(a[2], b[2], t)]
}

fn scaled(colour: Colour, by: f32) -> Colour {
    colour.map(|part| part * by)
}

fn colour(rng: &mut ChaCha8Rng, from: Colour, to: Colour) -> Colour {
    let mut part = |i: usize| mix(from[i], to[i], rng.random());
    [part(0), part(1), part(2)]
}

impl Scene {
    /// Draws a scene. `detail` from 0 to 1 says how busy it is: fog to foliage.
    pub(super) fn draw(rng: &mut ChaCha8Rng, detail: f32) -> Self {
        let layers = 3 + (detail * 3.0) as u32;
        let hills = (0..layers).map(|layer| {
            let far = 1.0 - (layer + 1) as f32 / layers as f32;
            Hill {
                seed: rng.random(),
                top: mix(0.85, 0.4, far) + rng.random_range(-0.05..0.05),
                rough: mix(0.15, 0.4, rng.random()) * mix(0.6, 1.2, far),
                far,
            }
        });
        let hills = hills.collect();
        let houses = (0..rng.random_range(0..9)).map(|_| {
            let left = rng.random_range(0.0..1.6);
            House {
                left,
                right: left + rng.random_range(0.04..0.16),
                top: rng.random_range(0.5..0.75),
                colour: colour(rng, [90.0, 70.0, 60.0], [220.0, 200.0, 190.0]),
            }
        });
        let houses = houses.collect();
        let blobs = (0..rng.random_range(3..10)).map(|_| Blob {
            centre: (rng.random_range(0.0..1.7), rng.random_range(0.3..1.1)),
            radius: rng.random_range(0.03..0.2),
            colour: colour(rng, [60.0, 40.0, 20.0], [255.0, 230.0, 200.0]),
            strength: rng.random_range(0.2..0.8),
        });
        let blobs = blobs.collect();
        Self {
            seed: rng.random(),
            zenith: colour(rng, [20.0, 40.0, 90.0], [110.0, 150.0, 230.0]),
            haze: colour(rng, [170.0, 150.0, 130.0], [250.0, 225.0, 230.0]),
            ground: colour(rng, [30.0, 50.0, 15.0], [110.0, 110.0, 60.0]),
            sun: (rng.random_range(0.1..1.4), rng.random_range(0.05..0.45)),
            hills,
            houses,
            blobs,
            texture: 0.15 + 0.85 * detail,
            grain: mix(0.5, 6.0, detail),
        }
    }

    /// The scene in `width` x `height` pixels.
    pub(super) fn render(&self, width: u32, height: u32) -> RgbImage {
        // What depends on the column alone.
        let outlines: Vec<Vec<f32>> = (0..width).map(|x| self.outline(x as f32 / height as f32)).collect();
        RgbImage::from_fn(width, height, |x, y| {
            let (u, v) = (x as f32 / height as f32, y as f32 / height as f32);
            let colour = self.colour(u, v, &outlines[x as usize]);
            let grain =
                (at(self.seed, x as i32, y as i32) + at(!self.seed, x as i32, y as i32) - 1.0) * self.grain;
            image::Rgb(colour.map(|part| (part + grain + 0.5).clamp(0.0, 255.0) as u8))
        })
    }

    /// Where each hill begins in a column.
    fn outline(&self, u: f32) -> Vec<f32> {
        let hills = self.hills.iter();
        hills.map(|hill| hill.top - hill.rough * (cloud(hill.seed, u * 2.5, 0.0, 6) - 0.4)).collect()
    }

    fn colour(&self, u: f32, v: f32, outline: &[f32]) -> Colour {
        // From behind to the front; what is wholly covered is not drawn.
        let cover = |top: f32| step(EDGE.0, EDGE.1, v - top);
        let covered = outline.iter().rposition(|top| cover(*top) == 1.0);
        let mut colour = match covered {
            Some(_) => [0.0; 3],
            None => self.sky(u, v),
        };
        let hills = self.hills.iter().zip(outline).enumerate();
        for (index, (hill, top)) in hills.skip(covered.unwrap_or(0)) {
            let cover = cover(*top);
            if index == outline.len() - 1 && cover < 1.0 {
                colour = self.town(u, v, colour);
            }
            if cover > 0.0 {
                colour = blend(colour, self.slope(u, v, v - top, hill), cover);
            }
        }
        for blob in &self.blobs {
            let (dx, dy) = (u - blob.centre.0, v - blob.centre.1);
            let square = dx * dx + dy * dy;
            if square < blob.radius * blob.radius {
                let far = square.sqrt() / blob.radius;
                colour = blend(colour, blob.colour, blob.strength * (1.0 - step(0.6, 1.0, far)) * 0.6);
            }
        }
        // Lenses are darker in the corners.
        let (cx, cy) = (u / 1.33 - 0.5, v - 0.5);
        scaled(colour, 1.0 - 0.45 * (cx * cx + cy * cy))
    }

    fn sky(&self, u: f32, v: f32) -> Colour {
        let colour = blend(self.zenith, self.haze, step(0.0, 0.65, v));
        let cover = step(0.45, 0.75, cloud(self.seed, u * 2.0, v * 5.0, 5)) * (1.0 - v);
        let colour = blend(colour, [245.0, 243.0, 240.0], cover * 0.8);
        let (dx, dy) = (u - self.sun.0, v - self.sun.1);
        let far = (dx * dx + dy * dy).sqrt();
        let glow = 0.02 / (0.02 + far * far) * 0.7 + step(0.05, 0.04, far) * 0.3;
        blend(colour, [255.0, 244.0, 214.0], glow.min(1.0))
    }

    fn slope(&self, u: f32, v: f32, depth: f32, hill: &Hill) -> Colour {
        let near = 1.0 - hill.far;
        // Foliage: coarse patches, fine leaves.
        let patches = cloud(hill.seed ^ 1, u * 9.0, v * 14.0, 3) - 0.5;
        let leaves = cloud(hill.seed ^ 2, u * 70.0, v * 90.0, 3) - 0.5;
        let light = 1.0 + patches * 0.9 + leaves * 1.3 * self.texture * near - depth * 0.3;
        let tint = value(hill.seed ^ 3, u * 4.0, v * 4.0) * 50.0 * self.texture;
        let ground = [self.ground[0] + tint, self.ground[1] + tint * 0.7, self.ground[2]];
        blend(scaled(ground, light.max(0.1)), self.haze, hill.far * 0.8)
    }

    fn town(&self, u: f32, v: f32, under: Colour) -> Colour {
        let mut colour = under;
        for (number, house) in self.houses.iter().enumerate() {
            if !(house.left..house.right).contains(&u) || v < house.top {
                continue;
            }
            let (column, row) = ((u - house.left) / 0.022, (v - house.top) / 0.03);
            let in_window = (0.3..0.75).contains(&(column - column.floor()))
                && (0.25..0.8).contains(&(row - row.floor()));
            let lit = at(self.seed ^ number as u32, column as i32, row as i32);
            colour = match (in_window, lit > 0.7) {
                (true, true) => [250.0, 220.0, 140.0],
                (true, false) => [45.0, 50.0, 62.0],
                // The wall is darker towards its right: light comes from one side.
                _ => scaled(house.colour, 1.0 - 0.3 * (u - house.left) / (house.right - house.left)),
            };
        }
        colour
    }
}
