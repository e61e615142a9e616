//! Where the hidden bytes lie, in the picture and in its file. docs/sealed-image.md specifies it.
//!
//! A **header**, two **slots** for the permission block, and the **body**, the ciphertext, in row order
//! from the top. See [`Geometry`] for rows and bands.

mod front;
mod geometry;
mod header;
mod picture;
mod plan;
mod read;
mod slot;
mod write;

pub use self::{
    front::{Front, Patch, START_LEN},
    geometry::{BAND_ROWS, Geometry, MAX_SIDE, MIN_WIDTH, TAIL_LEN},
    header::{FIRST_VERSION, HEADER_LEN, Header, Kind, MAGIC, VERSION},
    plan::{Plan, expected_psnr},
    read::{Hidden, read, rewrite},
    slot::{BLOCK_CAPACITY, SLOT_LEN},
    write::{Payload, write},
};
use self::{picture::Picture, slot::Slot};

/// The type of the chunk that says that Veil wrote the file: ancillary, private, and safe to copy, so that
/// an editor may leave it in a file whose hidden bits it destroyed.
const MARK: [u8; 4] = *b"veIl";

#[cfg(test)]
mod tests;
