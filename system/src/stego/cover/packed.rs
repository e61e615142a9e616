//! Bands of a cover as chunks of a file, packed each by itself.

use super::Rows;
use crate::stego::{
    Raster,
    layout::Geometry,
    png::{
        adler::Part,
        chunk,
        pack::{Effort, Packer},
    },
};

/// All bands of a cover, ready to be appended to a file from any of them on.
#[derive(Debug, Clone)]
pub(super) struct Packed {
    chunks: Vec<u8>,
    /// Where each band begins in `chunks`, and the checksum of its rows and all after them. One more than
    /// there are bands.
    bands: Vec<(usize, Part)>,
}

impl Packed {
    pub(super) fn new(raster: &Raster, geometry: Geometry) -> Self {
        let mut chunks = Vec::new();
        let mut bands = Vec::with_capacity(geometry.bands() + 1);
        let mut bander = Bander::new(Effort::Small);
        for band in 0..geometry.bands() {
            let at = chunks.len();
            bands.push((at, bander.append(geometry, band, &mut Rows::Own(raster), &mut chunks)));
        }
        bands.push((chunks.len(), Part::EMPTY));
        for band in (0..geometry.bands()).rev() {
            bands[band].1 = bands[band].1.then(bands[band + 1].1);
        }
        Self { chunks, bands }
    }

    /// The chunks from `band` on.
    pub(super) fn from(&self, band: usize) -> &[u8] {
        &self.chunks[self.bands[band].0..]
    }

    /// The checksum of the rows from `band` on.
    pub(super) fn sum_from(&self, band: usize) -> Part {
        self.bands[band].1
    }
}

/// Packs the bands from `band` on and appends them to a file; the checksum of their rows.
pub(super) fn append(geometry: Geometry, band: usize, rows: &mut Rows<'_>, file: &mut Vec<u8>) -> Part {
    let mut bander = Bander::new(Effort::Fast);
    let bands = band..geometry.bands();
    bands.fold(Part::EMPTY, |sum, band| sum.then(bander.append(geometry, band, rows, file)))
}

struct Bander {
    packer: Packer,
    effort: Effort,
    channels: Vec<u8>,
}

impl Bander {
    fn new(effort: Effort) -> Self {
        Self { packer: Packer::default(), effort, channels: Vec::new() }
    }

    fn append(&mut self, geometry: Geometry, band: usize, rows: &mut Rows<'_>, file: &mut Vec<u8>) -> Part {
        let chunk = chunk::begin(file, *b"IDAT");
        let band = geometry.band(band);
        let sum = match rows {
            Rows::Own(raster) => self.packer.pack(raster.rows(band), geometry.stride(), self.effort, file),
            Rows::Resized(_) => {
                self.channels.clear();
                for row in band {
                    self.channels.extend_from_slice(rows.row(row));
                }
                self.packer.pack(&self.channels, geometry.stride(), self.effort, file)
            }
        };
        chunk::end(file, chunk);
        sum
    }
}
