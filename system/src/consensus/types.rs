//! The types that Raft is instantiated with.

use std::fmt;

use crate::{
    directory::{Answer, Command},
    wire::client::{Member, NodeId},
};

openraft::declare_raft_types!(
    /// Veil's Raft: directory commands in, directory answers out, at most one leader a term.
    pub TypeConfig:
        D = Command,
        R = Option<Answer>,
        NodeId = NodeId,
        Node = Member,
        LeaderId = openraft::impls::leader_id_std::LeaderId<u64, NodeId>,
);

pub(super) type LogId = openraft::type_config::alias::LogIdOf<TypeConfig>;
pub(super) type Vote = openraft::type_config::alias::VoteOf<TypeConfig>;
pub(super) type Entry = openraft::type_config::alias::EntryOf<TypeConfig>;
pub(super) type StoredMembership = openraft::type_config::alias::StoredMembershipOf<TypeConfig>;
pub(super) type SnapshotMeta = openraft::type_config::alias::SnapshotMetaOf<TypeConfig>;
pub(super) type Snapshot = openraft::type_config::alias::SnapshotOf<TypeConfig, bytes::Bytes>;
pub(super) type Raft = openraft::Raft<TypeConfig, super::machine::Machine>;

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request {}", self.request)
    }
}
