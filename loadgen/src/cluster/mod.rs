//! Starts and stops the nodes of a run.

pub mod child;
mod process;

use veil::wire::client::NodeId;

pub use process::{ProcessCluster, StartOptions};

/// Something could not be done to a node.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A file or folder of the run cannot be written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: std::path::PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// No free port.
    #[error("cannot reserve a port on {address}: {source}")]
    Port {
        /// Where.
        address: std::net::IpAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// A node does not start.
    #[error("node n{node} does not start: {reason}")]
    Start {
        /// Which.
        node: NodeId,
        /// Why not; the end of its log.
        reason: String,
    },
    /// A signal cannot be sent.
    #[error("node n{node}: {reason}")]
    Signal {
        /// To which.
        node: NodeId,
        /// Why not.
        reason: String,
    },
    /// There is no such node.
    #[error("there is no node n{node}")]
    Unknown {
        /// Which.
        node: NodeId,
    },
}
