//! How much fits, and how it will look: decided and stated before work begins.

use super::{Geometry, HEADER_LEN, MAX_SIDE, MIN_WIDTH, SLOT_LEN, geometry::TAIL_LEN};
use crate::stego::{Cover, MAX_PIXELS, StegoError, lsb::Density, png::chunk, quality};

/// What will be written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// The picture: the cover's size, unless it has to grow.
    pub geometry: Geometry,
    /// Density of the body.
    pub density: Density,
    /// Length of the file that results, in bytes: exact for a cover that is packed already, else about.
    pub file_len: u64,
    /// Expected likeness to the cover, in dB; see [`quality::psnr`].
    pub psnr: f64,
}

impl Plan {
    /// Chooses how a body of `body_len` bytes is hidden in `cover`: of the densities at which it fits, the
    /// lowest whose file is not more than twice as long as the shortest of them. One bit a channel looks
    /// best, and costs eight bytes of file for each byte hidden; two look the same to the eye and cost
    /// four. Where even four do not suffice the cover grows, by no more than it must.
    ///
    /// # Errors
    /// [`StegoError::DoesNotFit`] when the picture would exceed [`MAX_PIXELS`] or [`MAX_SIDE`].
    pub fn new(cover: &Cover, body_len: usize) -> Result<Self, StegoError> {
        let fitting = |geometry: Geometry| {
            let fits = move |density: &Density| body_len as u64 <= geometry.capacity(*density);
            Density::ALL
                .into_iter()
                .filter(fits)
                .map(move |density| Self::at(cover, geometry, density, body_len))
        };
        let raster = cover.raster();
        let own = Geometry::new(raster.width(), raster.height()).ok();
        let geometry = match own.filter(|geometry| body_len as u64 <= geometry.capacity(Density::Four)) {
            Some(own) => own,
            None => enlarged(raster.width(), raster.height(), body_len)?,
        };
        let shortest = fitting(geometry).map(|plan| plan.file_len).min().unwrap_or(0);
        let chosen = fitting(geometry).find(|plan| plan.file_len <= 2 * shortest);
        chosen.ok_or(StegoError::DoesNotFit {
            needed: body_len as u64,
            available: geometry.capacity(Density::Four),
        })
    }

    /// The plan for a density that was chosen already.
    pub fn at(cover: &Cover, geometry: Geometry, density: Density, body_len: usize) -> Self {
        let carrying = geometry.carrying_bands(density, body_len);
        let rows = geometry.front_rows() + (0..carrying).map(|band| geometry.band(band).len()).sum::<usize>();
        let head = geometry.front_len() + (rows - geometry.front_rows()) * geometry.row_len();
        let head = head + carrying * chunk::OVERHEAD;
        let file_len = head as u64 + cover.rest_len(geometry, carrying) + TAIL_LEN as u64;
        let psnr = expected_psnr(geometry, density, body_len);
        Self { geometry, density, file_len, psnr }
    }
}

/// How like the cover a picture will be that carries `body_len` bytes, which are as good as random.
///
/// Where `n` low bits become random ones, as near to what was there as that can be, the mean squared error is
/// `(4^n + 2) / 12`.
pub fn expected_psnr(geometry: Geometry, density: Density, body_len: usize) -> f64 {
    let error = |density: Density| (f64::from(1u32 << (2 * density.bits())) + 2.0) / 12.0;
    let front = (HEADER_LEN + 2 * SLOT_LEN) * Density::One.channels_per_byte();
    let body = body_len * density.channels_per_byte();
    let channels = geometry.stride() as f64 * f64::from(geometry.height());
    let mean = (front as f64 * error(Density::One) + body as f64 * error(density)) / channels;
    quality::decibels(mean)
}

/// The smallest picture of about the shape of `width` x `height` that holds `body_len` bytes at four bits a
/// channel.
fn enlarged(width: u32, height: u32, body_len: usize) -> Result<Geometry, StegoError> {
    let needed = body_len as u64;
    let does_not_fit = |available| StegoError::DoesNotFit { needed, available };
    let pixels = u64::from(width) * u64::from(height);
    // Without the bytes that rows leave unused: the picture needs at least as many pixels.
    let front = (HEADER_LEN + 2 * SLOT_LEN) as u64 * 8;
    let least = front.saturating_add(needed.saturating_mul(2)).div_ceil(3);
    let most = Geometry::new(4_096, 4_096)?.capacity(Density::Four);
    if pixels == 0 || least > MAX_PIXELS {
        return Err(does_not_fit(most));
    }
    let wider = (f64::from(width) * (least as f64 / pixels as f64).sqrt()).ceil() as u64;
    let mut wider = wider.max(u64::from(width)).clamp(u64::from(MIN_WIDTH), u64::from(MAX_SIDE)) as u32;
    loop {
        let highest = (MAX_PIXELS / u64::from(wider)).min(u64::from(MAX_SIDE)) as u32;
        let tallest = Geometry::new(wider, highest).map_err(|_| does_not_fit(0))?;
        let available = tallest.capacity(Density::Four);
        if needed <= available {
            let rows = tallest.front_rows() + body_len.div_ceil(tallest.row_bytes(Density::Four));
            return Geometry::new(wider, (rows as u32).max(height).min(highest));
        }
        // A picture so long and thin that its longer side reaches the limit grows in the other direction.
        if u64::from(wider) * u64::from(MAX_SIDE) >= MAX_PIXELS {
            return Err(does_not_fit(available));
        }
        wider += wider / 8 + 1;
    }
}
