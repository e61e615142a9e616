//! The cover: the picture a stranger, or a refused viewer, sees.

mod packed;
mod standard;

use std::sync::LazyLock;

use super::{
    Format, Raster, StegoError, format,
    layout::Geometry,
    png::{self, adler::Part},
    raster::Resizer,
};
use packed::Packed;

/// A picture to hide images in.
#[derive(Debug, Clone)]
pub struct Cover {
    raster: Raster,
    /// Its bands, if they were packed in advance.
    packed: Option<Packed>,
    /// About how long its file is without anything hidden, in bytes.
    file_len: u64,
}

impl Cover {
    /// A cover out of a PNG file of any kind that has one picture, or a JPEG file.
    ///
    /// # Errors
    /// [`StegoError::NoCover`] for another file, and for one that was cut off; those of [`png::decode`].
    pub fn decode(file: &[u8]) -> Result<Self, StegoError> {
        // First: what decoders do not know they call damaged, and of half a JPEG they show the half.
        let raster = match format::recognise(file).map_err(StegoError::NoCover)? {
            Format::Png => png::decode(file)?,
            Format::Jpeg => Raster::decode_jpeg(file)?,
        };
        Ok(Self { raster, packed: None, file_len: file.len() as u64 })
    }

    /// The standard cover, prepared: a padlock and the word "sealed". Always the same pixels.
    pub fn standard() -> Self {
        Self::from(standard::draw()).prepared()
    }

    /// Packs everything that stays the same from one image hidden to the next. Pays when the cover is used
    /// more than once.
    #[must_use]
    pub fn prepared(mut self) -> Self {
        // A cover that has to be enlarged has nothing to prepare.
        if let Ok(geometry) = Geometry::new(self.raster.width(), self.raster.height()) {
            self.packed = Some(Packed::new(&self.raster, geometry));
        }
        self
    }

    /// The decoded picture.
    pub fn raster(&self) -> &Raster {
        &self.raster
    }

    /// How many bytes the bands from `band` on take in a file, exactly if they are packed already.
    pub(super) fn rest_len(&self, geometry: Geometry, band: usize) -> u64 {
        match self.packed(geometry) {
            Some(packed) => packed.from(band).len() as u64,
            None => {
                let rows: usize = (band..geometry.bands()).map(|band| geometry.band(band).len()).sum();
                let pixels = rows as u64 * u64::from(geometry.width());
                let own = u64::from(self.raster.width()) * u64::from(self.raster.height());
                let share = (self.file_len as f64 * pixels as f64 / own.max(1) as f64) as u64;
                // A file may hold more than its picture: packed, that is no longer than its rows.
                share.min(rows as u64 * (geometry.stride() as u64 + 1))
            }
        }
    }

    /// Appends the bands from `band` on, as chunks, to a file; their checksum as the zlib stream counts it.
    pub(super) fn append_bands(
        &self,
        geometry: Geometry,
        band: usize,
        rows: &mut Rows<'_>,
        file: &mut Vec<u8>,
    ) -> Part {
        match self.packed(geometry) {
            Some(packed) => {
                file.extend_from_slice(packed.from(band));
                packed.sum_from(band)
            }
            None => packed::append(geometry, band, rows, file),
        }
    }

    fn packed(&self, geometry: Geometry) -> Option<&Packed> {
        self.packed.as_ref().filter(|_| self.has_size_of(geometry))
    }

    fn has_size_of(&self, geometry: Geometry) -> bool {
        (self.raster.width(), self.raster.height()) == (geometry.width(), geometry.height())
    }

    /// Its rows, at the size of `geometry`.
    ///
    /// # Errors
    /// Those of [`Resizer::new`].
    pub(super) fn rows(&self, geometry: Geometry) -> Result<Rows<'_>, StegoError> {
        Ok(match self.has_size_of(geometry) {
            true => Rows::Own(&self.raster),
            false => Rows::Resized(Resizer::new(&self.raster, geometry.width(), geometry.height())?),
        })
    }

    /// Whether `raster` shows the standard cover, of whatever size and however compressed.
    pub(super) fn standard_resembles(raster: &Raster) -> bool {
        /// The picture as few large pixels, each the mean of what lies under it.
        const CELLS: [usize; 2] = [16, 12];
        /// Compression changes the mean of a cell by less, another picture by far more.
        const MEAN_DIFFERENCE: u64 = 3;
        static STANDARD: LazyLock<Vec<u8>> = LazyLock::new(|| standard::draw().mosaic(CELLS));
        let mosaic = raster.mosaic(CELLS);
        let differences = mosaic.iter().zip(STANDARD.iter()).map(|(a, b)| u64::from(a.abs_diff(*b)));
        differences.sum::<u64>() <= MEAN_DIFFERENCE * STANDARD.len() as u64
    }
}

impl From<Raster> for Cover {
    fn from(raster: Raster) -> Self {
        let file_len = raster.channels().len() as u64;
        Self { raster, packed: None, file_len }
    }
}

/// The rows of a cover at the size of the picture that is written.
pub(super) enum Rows<'a> {
    /// As they are.
    Own(&'a Raster),
    /// Enlarged, one after the other.
    Resized(Resizer<'a>),
}

impl Rows<'_> {
    /// The channels of a row.
    pub(super) fn row(&mut self, row: usize) -> &[u8] {
        match self {
            Self::Own(raster) => raster.row(row),
            Self::Resized(resizer) => resizer.row(row as u32),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_cover_is_the_same_picture_everywhere() {
        let cover = Cover::standard();
        assert_eq!((cover.raster().width(), cover.raster().height()), (800, 600));
        let hash = blake3::hash(cover.raster().channels());
        let golden = "67650d130cf1e20de1c7600e4ab36b7df2872cfa9336193f5bb80b4367599d89";
        assert_eq!(hash.to_hex().as_str(), golden);
    }

    #[test]
    fn the_standard_cover_is_known_again() {
        let standard = Cover::standard();
        assert!(Cover::standard_resembles(standard.raster()));
        assert!(Cover::standard_resembles(&standard.raster().resized(320, 240).unwrap()));
        let dark = Raster::new(8, 6, vec![40; 144]).unwrap();
        assert!(!Cover::standard_resembles(&dark));
        // Its background without the padlock.
        let plain = Raster::new(8, 6, vec![215; 144]).unwrap();
        assert!(!Cover::standard_resembles(&plain));
    }

    #[test]
    fn what_is_no_picture_is_no_cover() {
        assert!(matches!(Cover::decode(b"hello"), Err(StegoError::NoCover(_))));
        assert!(matches!(Cover::decode(b"\xff\xd8\xff\xe0\0\x02 and so on"), Err(StegoError::Unreadable(_))));
    }
}
