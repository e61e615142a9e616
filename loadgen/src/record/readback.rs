//! `readback.bin`: what every node held after the last heal, asked node by node.

use std::path::Path;

use serde::{Deserialize, Serialize};
use veil::{directory::ImageId, wire::codec};

use super::{
    Bounds, RecordError,
    bounds::{MAX_NODES, MAX_REASON},
    foreign,
};

/// Nobody takes more views in a run, and no log is longer.
const MAX_COUNT: u64 = 1 << 48;

/// The whole readback.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Readback {
    /// One entry a node that answered.
    pub nodes: Vec<NodeReadback>,
    /// Nodes that did not answer, by number, and why.
    pub silent: Vec<(u64, String)>,
}

/// What one node held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeReadback {
    /// The node.
    pub node: u64,
    /// The log index up to which it had applied.
    pub applied: u64,
    /// BLAKE3 of its directory at that index.
    pub hash: [u8; 32],
    /// Every user, sorted.
    pub users: Vec<String>,
    /// Every image, sorted by id.
    pub images: Vec<ImageState>,
}

/// An image, as a node holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageState {
    /// Its id.
    pub image: ImageId,
    /// Its owner.
    pub owner: String,
    /// BLAKE3 of the original.
    pub digest: [u8; 32],
    /// Its grants, sorted by viewer.
    pub grants: Vec<GrantState>,
}

/// A grant, as a node holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GrantState {
    /// The viewer.
    pub viewer: String,
    /// Views left.
    pub left: u32,
    /// Views taken so far.
    pub used: u64,
}

impl Readback {
    /// Writes the readback.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), RecordError> {
        let bytes = codec::encode(self).map_err(|e| RecordError::malformed(path, e))?;
        std::fs::write(path, bytes).map_err(|e| RecordError::io(path, e))
    }

    /// Reads a readback.
    ///
    /// # Errors
    /// When the file cannot be read, is malformed, or holds what cannot be.
    pub fn read(path: &Path) -> Result<Self, RecordError> {
        let bytes = foreign::read(path, codec::MAX_VALUE as u64)?;
        let readback: Self = codec::decode(&bytes).map_err(|e| RecordError::malformed(path, e))?;
        readback.check(Bounds::of(path))?;
        Ok(readback)
    }

    fn check(&self, bounds: Bounds<'_>) -> Result<(), RecordError> {
        bounds.count("nodes", self.nodes.len(), MAX_NODES)?;
        bounds.count("silent nodes", self.silent.len(), MAX_NODES)?;
        for (_, reason) in &self.silent {
            bounds.text("silent", reason, MAX_REASON)?;
        }
        for node in &self.nodes {
            bounds.most("applied", node.applied, MAX_COUNT)?;
            for grant in node.images.iter().flat_map(|image| &image.grants) {
                bounds.most("used", grant.used, MAX_COUNT)?;
            }
            bounds.in_order("users", node.users.is_sorted_by(|a, b| a < b))?;
            bounds.in_order("images", node.images.is_sorted_by(|a, b| a.image < b.image))?;
            let in_order = |image: &ImageState| image.grants.is_sorted_by(|a, b| a.viewer < b.viewer);
            bounds.in_order("grants", node.images.iter().all(in_order))?;
        }
        Ok(())
    }
}
