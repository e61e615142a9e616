//! Starts and stops the nodes of a run.

pub mod child;
mod detour;
mod process;

use veil::wire::client::NodeId;

pub use detour::{Detours, OUTSIDE};
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
    /// The cluster's links are not led through proxies, so they cannot be cut.
    #[error("the links of node n{node} cannot be cut: they are not led through the link proxy")]
    NoDetours {
        /// Which node.
        node: NodeId,
    },
    /// A link that should be cut is not.
    #[error("the link from n{from} to n{to} is cut, and a connection came through all the same")]
    NotCut {
        /// Who dialled.
        from: NodeId,
        /// Whom.
        to: NodeId,
    },
    /// A link that should be mended is not.
    #[error("the link from n{from} to n{to} is mended, and no connection comes through")]
    StillCut {
        /// Who dialled.
        from: NodeId,
        /// Whom.
        to: NodeId,
    },
    /// There is no such node.
    #[error("there is no node n{node}")]
    Unknown {
        /// Which.
        node: NodeId,
    },
}
