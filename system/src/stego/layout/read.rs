//! Reading a whole file.

use super::{
    Front, Geometry, Header, Payload, TAIL_LEN,
    geometry::FRONT_AT,
    picture::{Picture, banded, nothing_hidden},
    write,
};
use crate::stego::{
    Cover, StegoError,
    png::{self, chunk},
};

/// What a picture was found to hide.
#[derive(Debug, Clone, PartialEq)]
pub struct Hidden {
    /// The picture's dimensions.
    pub geometry: Geometry,
    /// The header.
    pub header: Header,
    /// The permission block's bytes.
    pub block: Vec<u8>,
    /// The body: the ciphertext.
    pub body: Vec<u8>,
}

/// Reads back what [`write()`](super::write()) has hidden, from a PNG file of any kind whose pixels are
/// still the same. Of a file as Veil writes it, only the rows that carry something are read; every
/// checksum of its chunks is looked at.
///
/// # Errors
/// What is wrong with the file, each in an error of its own; nothing is allocated on the file's word
/// before that was held against a limit.
pub fn read(file: &[u8]) -> Result<Hidden, StegoError> {
    let mut body = Vec::new();
    let (front, geometry) = read_into(file, &mut body)?;
    let header = front.header;
    Ok(Hidden { geometry, header, block: front.into_block(), body })
}

/// The same with a buffer of the caller's for the body.
///
/// # Errors
/// Those of [`read`].
fn read_into(file: &[u8], body: &mut Vec<u8>) -> Result<(Front, Geometry), StegoError> {
    let picture = Picture::open(file)?;
    let geometry = picture.geometry();
    let front = match &picture {
        Picture::Banded { .. } => {
            chunk::check_all(file).map_err(|error| about_block(error, file))?;
            Front::read(file, tail(file))?
        }
        Picture::Decoded { raster, .. } => match Front::extract(&picture) {
            Err(StegoError::NothingHidden) => return Err(nothing_hidden(file, raster)),
            front => front?,
        },
    };
    let header = &front.header;
    body.clear();
    // Held against the picture's capacity when the front was read.
    body.resize(header.body_len as usize, 0);
    picture.extract(geometry.front_rows(), header.density, body)?;
    if crc32fast::hash(body) != header.body_crc {
        return Err(StegoError::Damaged { part: "what is hidden" });
    }
    Ok((front, geometry))
}

/// Damage where only a permission block is written may be a writing that was interrupted.
fn about_block(error: StegoError, file: &[u8]) -> StegoError {
    let end = file.len() - tail(file).len();
    match error {
        StegoError::DamagedChunk { at, .. } if at == FRONT_AT || at == end => {
            Front::read(file, tail(file)).err().unwrap_or(error)
        }
        error => error,
    }
}

/// The end of a file that holds the checksum of its rows.
fn tail(file: &[u8]) -> &[u8] {
    &file[file.len().saturating_sub(TAIL_LEN)..]
}

/// Whether a file that was just written says what it should.
pub(super) fn verify(file: &[u8], payload: Payload<'_>, read_back: &mut Vec<u8>) -> Result<(), StegoError> {
    let (front, _) = read_into(file, read_back)?;
    let Header { version, kind, .. } = front.header;
    let same = (version, kind) == (payload.version, payload.kind)
        && front.block() == payload.block
        && *read_back == payload.body;
    if same { Ok(()) } else { Err(StegoError::Damaged { part: "what was written" }) }
}

/// The same file with another block in the place of the present one. A file as Veil writes it is patched;
/// any other is written anew, its pixels kept. A block that was half written is put right.
///
/// # Errors
/// Those of [`read`], except that damage behind the front goes unnoticed; [`StegoError::TooLarge`] for a
/// block beyond its slot; [`StegoError::NotVerified`].
pub fn rewrite(file: &[u8], block: &[u8]) -> Result<Vec<u8>, StegoError> {
    if banded(file)?.is_some() {
        let front = Front::recover(file, tail(file))?;
        if file.len() < front.geometry().front_len() + TAIL_LEN {
            return Err(StegoError::CutOff { bytes: file.len() });
        }
        let mut rewritten = file.to_vec();
        for patch in front.replace(file, file.len() as u64, block)? {
            let at = patch.at as usize;
            rewritten[at..at + patch.bytes.len()].copy_from_slice(&patch.bytes);
        }
        let written = Front::read(&rewritten, tail(&rewritten));
        let same = written.as_ref().is_ok_and(|front| front.block() == block);
        return match same {
            true => Ok(rewritten),
            false => Err(StegoError::NotVerified("the new permission block".to_owned())),
        };
    }
    let hidden = read(file)?;
    let cover = Cover::from(png::decode(file)?);
    let plan = super::Plan::at(&cover, hidden.geometry, hidden.header.density, hidden.body.len());
    let mut rewritten = Vec::new();
    let Header { version, kind, .. } = hidden.header;
    let payload = Payload { version, kind, block, body: &hidden.body };
    write(&cover, &plan, payload, &mut Vec::new(), &mut rewritten)?;
    Ok(rewritten)
}
