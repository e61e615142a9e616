//! What can be wrong with a scenario.

use std::{io, path::PathBuf};

/// A scenario that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be opened or read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The folder of images lies where no scenario can say.
    #[error("load.images: the path of the folder is not UTF-8, and a scenario is text: {}", path.display())]
    NotText {
        /// Which folder.
        path: PathBuf,
    },
    /// The file says something that makes no sense.
    #[error("{file}:{line}: {key}: {wrong}; expected {expected}")]
    Invalid {
        /// Which file.
        file: String,
        /// The offending line, from 1.
        line: usize,
        /// The offending key, such as `load.stages[1].rate`; `syntax` when the file is not TOML.
        key: String,
        /// What is wrong.
        wrong: String,
        /// What would have been right.
        expected: String,
    },
    /// The driver has no means for a fault.
    #[error("{key}: {fault} is not available with the {driver} driver: {reason}")]
    Unavailable {
        /// The offending key, such as `fault[2]`, in order of time.
        key: String,
        /// The fault's name.
        fault: &'static str,
        /// The driver's.
        driver: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// The driver's nodes are not on loopback.
    #[error(
        "cluster.tls: false is not available with the {driver} driver: plain TCP is for nodes on loopback alone"
    )]
    NotOnLoopback {
        /// The driver's name.
        driver: &'static str,
    },
    /// The driver's nodes have no network of their own.
    #[error(
        "load.from: \"inside\" is not available with the {driver} driver: its nodes share this machine's addresses"
    )]
    NoInside {
        /// The driver's name.
        driver: &'static str,
    },
}
