//! The types that Raft is instantiated with.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    directory::{Answer, Command, RequestId},
    wire::{
        client::{Member, NodeId},
        codec::{self, CodecError},
    },
};

/// Which disk a node has: a number that it draws when it finds the disk empty, and then keeps there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DiskId(u128);

impl DiskId {
    /// A number for a disk that was found empty now, in milliseconds since the Unix epoch. The time keeps
    /// two disks of one node apart even where the randomness comes from a seed.
    pub fn new(unix_ms: u64, random: u128) -> Self {
        Self(RequestId::new(unix_ms, random).0)
    }
}

impl fmt::Display for DiskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A member as the log knows it: a node with a disk. A node that comes back with another disk has
/// forgotten how it voted and what it acknowledged, so it is not that member any more.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Seat {
    /// The node.
    pub member: Member,
    /// Its disk.
    pub disk: DiskId,
}

/// A command as it is in the log: encoded once, by the leader that it was proposed to, and read where it is applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal(Bytes);

impl Proposal {
    /// Encodes a command.
    ///
    /// # Errors
    /// When it is too large to be encoded at all.
    pub fn new(command: &Command) -> Result<Self, CodecError> {
        codec::encode(command).map(|bytes| Self(bytes.into()))
    }

    /// How many bytes it has.
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// The command.
    ///
    /// # Errors
    /// When it is not one.
    pub fn command(&self) -> Result<Command, CodecError> {
        codec::decode(&self.0)
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a command of {} bytes", self.size())
    }
}

openraft::declare_raft_types!(
    /// Veil's Raft: directory commands in, directory answers out, at most one leader a term.
    pub TypeConfig:
        D = Proposal,
        R = Option<Answer>,
        NodeId = NodeId,
        Node = Seat,
        LeaderId = openraft::impls::leader_id_std::LeaderId<u64, NodeId>,
);

pub(super) type LogId = openraft::type_config::alias::LogIdOf<TypeConfig>;
pub(super) type Vote = openraft::type_config::alias::VoteOf<TypeConfig>;
pub(super) type Entry = openraft::type_config::alias::EntryOf<TypeConfig>;
pub(super) type Membership = openraft::Membership<NodeId, Seat>;
pub(super) type StoredMembership = openraft::type_config::alias::StoredMembershipOf<TypeConfig>;
pub(super) type SnapshotMeta = openraft::type_config::alias::SnapshotMetaOf<TypeConfig>;
pub(super) type Snapshot =
    openraft::type_config::alias::SnapshotOf<TypeConfig, super::snapshot::SnapshotData>;
pub(super) type ServerMetrics = openraft::type_config::alias::WatchReceiverOf<
    TypeConfig,
    openraft::metrics::RaftServerMetrics<TypeConfig>,
>;
pub(super) type Raft = openraft::Raft<TypeConfig, super::machine::Machine>;
