//! The rows of a picture that is being read: straight from a file that Veil wrote, or decoded.

use super::{
    FIRST_VERSION, Geometry, MARK, START_LEN, VERSION,
    geometry::{FRONT_AT, ZLIB_HEADER},
};
use crate::stego::{
    Cover, Raster, StegoError,
    lsb::{self, Density},
    png::{self, chunk},
};

/// A picture whose rows can be read.
pub(super) enum Picture<'a> {
    /// A file as Veil writes it, or its beginning.
    Banded {
        /// The file.
        file: &'a [u8],
        /// Its dimensions.
        geometry: Geometry,
    },
    /// Any other PNG.
    Decoded {
        /// Its pixels.
        raster: Raster,
        /// Its dimensions.
        geometry: Geometry,
    },
}

impl<'a> Picture<'a> {
    /// Opens a whole file. Of one that Veil wrote no checksum is looked at yet but that of its header; any other
    /// is decoded, and every checksum of its chunks looked at.
    ///
    /// # Errors
    /// What is wrong with the file as a PNG; [`StegoError::NothingHidden`] or [`StegoError::Recompressed`]
    /// when it cannot carry anything.
    pub(super) fn open(file: &'a [u8]) -> Result<Self, StegoError> {
        if let Some(geometry) = banded(file)? {
            return Ok(Self::Banded { file, geometry });
        }
        chunk::check_all(file)?;
        let raster = png::decode(file)?;
        match Geometry::new(raster.width(), raster.height()) {
            Ok(geometry) => Ok(Self::Decoded { raster, geometry }),
            Err(_) => Err(nothing_hidden(file, &raster)),
        }
    }

    pub(super) fn geometry(&self) -> Geometry {
        match self {
            Self::Banded { geometry, .. } | Self::Decoded { geometry, .. } => *geometry,
        }
    }

    /// The channels of a row.
    fn row(&self, row: usize) -> Option<&[u8]> {
        match self {
            Self::Banded { file, geometry } => {
                if let Some((at, head)) = geometry.band_head(row)
                    && file.get(at..at + head.len())? != head
                {
                    return None;
                }
                let channels = geometry.channels_at(row);
                let head = file.get(geometry.row_at(row)..channels.start)?;
                (head == geometry.row_head()).then(|| file.get(channels)).flatten()
            }
            Self::Decoded { raster, geometry } => {
                raster.channels().get(row * geometry.stride()..)?.get(..geometry.stride())
            }
        }
    }

    /// Reads `bytes` from the rows from `row` on.
    ///
    /// # Errors
    /// [`StegoError::Damaged`] when the rows are not there, or not as Veil stores them.
    pub(super) fn extract(&self, row: usize, density: Density, bytes: &mut [u8]) -> Result<(), StegoError> {
        for (row, piece) in (row..).zip(bytes.chunks_mut(self.geometry().row_bytes(density))) {
            let channels = self.row(row).ok_or(StegoError::Damaged { part: "a row of the picture" })?;
            lsb::extract(density, channels, piece)?;
        }
        Ok(())
    }
}

/// The geometry of a file that begins as Veil writes it; `None` for any other PNG.
///
/// # Errors
/// For what is no PNG.
pub(super) fn banded(file: &[u8]) -> Result<Option<Geometry>, StegoError> {
    png::check_signature(file)?;
    let Some(start) = file.get(..START_LEN) else { return Ok(None) };
    let Some((width, height)) = png::plain_header(start) else { return Ok(None) };
    let Ok(geometry) = Geometry::new(width, height) else { return Ok(None) };
    Ok(looks_like_ours(start, geometry).then_some(geometry))
}

/// Whether signature, header and mark are followed by a front of just the right length.
fn looks_like_ours(start: &[u8], geometry: Geometry) -> bool {
    let mark = FRONT_AT - chunk::OVERHEAD - 1;
    let marked = |version| {
        let mut expected = Vec::with_capacity(chunk::OVERHEAD + 1);
        chunk::append(&mut expected, MARK, &[version]);
        start[mark..FRONT_AT] == expected
    };
    let data = (geometry.front_chunk_len() - chunk::OVERHEAD) as u32;
    (FIRST_VERSION..=VERSION).any(marked)
        && start[FRONT_AT..FRONT_AT + 4] == data.to_be_bytes()
        && start[FRONT_AT + 4..FRONT_AT + 8] == *b"IDAT"
        && start[FRONT_AT + 8..] == ZLIB_HEADER
}

/// Why a picture without the magic hides nothing: it never did, or it was changed.
pub(super) fn nothing_hidden(file: &[u8], raster: &Raster) -> StegoError {
    match mark(file) {
        Some(found) if found > VERSION => StegoError::NewerVersion { found, newest: VERSION },
        None if !Cover::standard_resembles(raster) => StegoError::NothingHidden,
        _ => StegoError::Recompressed,
    }
}

/// The version in the chunk that says that Veil wrote the file, if it is there.
fn mark(file: &[u8]) -> Option<u8> {
    let mut at = png::SIGNATURE.len();
    while let Ok((chunk, length)) = chunk::read(file.get(at..)?, at) {
        if chunk.kind == MARK {
            return chunk.data.first().copied();
        }
        at += length;
    }
    None
}
