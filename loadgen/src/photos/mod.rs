//! The photos that simulated users seal: a built-in set, or a folder of the user's own.

mod built_in;
mod folder;
mod noise;
mod scene;

use std::sync::Arc;

pub use folder::PhotoError;

/// One photo, as its owner has it on disk.
#[derive(Debug, Clone)]
pub struct Photo {
    /// The file: PNG or JPEG.
    pub bytes: Arc<[u8]>,
    /// BLAKE3 of `bytes`.
    pub digest: [u8; 32],
    /// A name for messages.
    pub name: String,
}

impl Photo {
    fn new(name: String, bytes: Vec<u8>) -> Self {
        Self { digest: *blake3::hash(&bytes).as_bytes(), bytes: bytes.into(), name }
    }
}

/// A set of photos; never empty.
#[derive(Debug, Clone)]
pub struct Photos {
    photos: Vec<Photo>,
}

impl Photos {
    /// Every photo.
    pub fn all(&self) -> &[Photo] {
        &self.photos
    }

    /// The photo that an evenly drawn `number` stands for; each is as likely as any other.
    pub fn pick(&self, number: u64) -> &Photo {
        // The upper half of the product is number / 2^64 of the length: always below it.
        let index = (u128::from(number) * self.photos.len() as u128) >> 64;
        &self.photos[index as usize]
    }
}

#[cfg(test)]
mod tests;
