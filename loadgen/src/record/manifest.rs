//! `run.json`: what ran, where, from which source.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::RecordError;

/// The run's identity card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format of the run directory; 1.
    pub format: u32,
    /// The run's name, which is also its folder's.
    pub name: String,
    /// The scenario file's name.
    pub scenario: String,
    /// The seed really used.
    pub seed: u64,
    /// `process`, or `existing` for a cluster that was already there.
    pub driver: String,
    /// The version of the programs.
    pub version: String,
    /// The commit they were built from, if known; `+` is appended when the tree had changes.
    pub commit: Option<String>,
    /// `release` or `debug`.
    pub build: String,
    /// When the run began, RFC 3339, UTC.
    pub started: String,
    /// How long the stages lasted, s.
    pub load_s: f64,
    /// Users registered before the first stage.
    pub users: u32,
    /// Whether the run was ended early (Ctrl-C, a cluster that did not start or come back).
    pub interrupted: Option<String>,
    /// Whether history and readback are complete; a verdict needs both.
    pub complete: bool,
    /// The machine.
    pub machine: Machine,
    /// The nodes.
    pub nodes: Vec<NodeManifest>,
}

/// The machine that ran it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Operating system and version.
    pub os: String,
    /// Kernel version.
    pub kernel: String,
    /// Processor model.
    pub cpu: String,
    /// Logical processors.
    pub cores: usize,
    /// Memory, bytes.
    pub memory_bytes: u64,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeManifest {
    /// Its number.
    pub id: u64,
    /// Where clients reach it.
    pub client_address: String,
    /// Where other nodes reach it; absent for a cluster that was already there.
    pub peer_address: Option<String>,
}

impl Manifest {
    /// Writes the manifest.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), RecordError> {
        let text = serde_json::to_string_pretty(self).map_err(|e| RecordError::malformed(path, e))?;
        std::fs::write(path, text + "\n").map_err(|e| RecordError::io(path, e))
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// When the file cannot be read or is malformed.
    pub fn read(path: &Path) -> Result<Self, RecordError> {
        let text = std::fs::read_to_string(path).map_err(|e| RecordError::io(path, e))?;
        serde_json::from_str(&text).map_err(|e| RecordError::malformed(path, e))
    }
}
