//! What nodes say to one another.

use std::time::Duration;

use bytes::Bytes;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, VoteRequest,
    VoteResponse,
};
use serde::{Deserialize, Serialize};

use super::{
    BarrierError, ProposeError,
    promise::{Promise, Stand},
    types::{DiskId, LogId, TypeConfig, Vote},
};
use crate::{
    directory::{Action, Actor, Answer, RequestId},
    wire::client::NodeId,
};

/// What a node asks another.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum PeerRequest {
    /// From member to member.
    Raft {
        /// The disk of the member that is meant. Any other disk must not answer for it.
        to: DiskId,
        /// What that member is remembered to have promised.
        told: Promise,
        /// The message.
        message: RaftMessage,
    },
    /// To the leader: put this into the log, on behalf of a worker.
    Propose {
        /// Names the request.
        request: RequestId,
        /// On whose behalf.
        actor: Actor,
        /// The change.
        action: Action,
    },
    /// Who are you? Asked before a node is made a member.
    Greet,
    /// Keep this question for a little while, and then answer it: so the asker knows that both node and connection live.
    Hold,
    /// To the leader: up to where is the log committed? A majority has to confirm that it leads after it was asked.
    ReadIndex,
}

/// What members say to one another.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum RaftMessage {
    /// Entries, or a heartbeat.
    Append(AppendEntriesRequest<TypeConfig>),
    /// A vote.
    Vote(VoteRequest<TypeConfig>),
    /// Would you vote for me?
    PreVote(VoteRequest<TypeConfig>),
    /// Take over.
    TransferLeader(TransferLeaderRequest<TypeConfig>),
    /// A piece of a snapshot.
    Snapshot(SnapshotPiece),
    /// Whoever leads by this vote cannot go on: elect somebody, and do not wait until it falls silent.
    Resign(Vote),
    /// Whoever leads by this vote had resigned, and can go on after all.
    LeadOn(Vote),
}

/// Who a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its number.
    pub node: NodeId,
    /// Its disk.
    pub disk: DiskId,
    /// Tells its process from others that run from a copy of the disk.
    pub run: DiskId,
    /// Whether the disk holds neither entry nor vote.
    pub empty: bool,
    /// The last entry that it has applied.
    pub held: Option<LogId>,
}

/// A piece of a snapshot, sent in order over one connection.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SnapshotPiece {
    /// The sending leader's vote.
    pub vote: Vote,
    /// Tells transfers apart.
    pub transfer: u64,
    /// Where the piece begins. 0 begins a transfer.
    pub offset: u64,
    /// The piece: a chunk, behind the header of the snapshot in the first piece.
    pub bytes: Bytes,
    /// Whether it is the last.
    pub last: bool,
}

/// What a node answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum PeerAnswer {
    /// To [`RaftMessage::Append`].
    Append(AppendEntriesResponse<TypeConfig>),
    /// To [`RaftMessage::Vote`] and [`RaftMessage::PreVote`].
    Vote(VoteResponse<TypeConfig>),
    /// To [`RaftMessage::TransferLeader`].
    TransferLeader(openraft::raft::TransferLeaderResponse<TypeConfig>),
    /// To the last [`RaftMessage::Snapshot`].
    Snapshot(SnapshotResponse<TypeConfig>),
    /// To every other [`RaftMessage::Snapshot`].
    MoreSnapshot,
    /// To [`PeerRequest::Propose`].
    Proposed(Result<Answer, ProposeError>),
    /// To [`PeerRequest::Greet`].
    Identity(Identity),
    /// To [`PeerRequest::Hold`].
    Held {
        /// If this node leads: all that it had acknowledged when it was asked has this index in the log, or a lower one.
        acknowledged: Option<u64>,
        /// What it takes, as a rule, until a write is safe on its disk.
        pace: Duration,
        /// What its clock shows, milliseconds since the Unix epoch.
        clock_ms: u64,
        /// Its disk.
        disk: DiskId,
        /// What it holds there.
        stand: Stand,
    },
    /// The request made no sense, was meant for another disk, or Raft has stopped.
    Failed(String),
    /// To [`PeerRequest::ReadIndex`].
    ReadIndex(Result<u64, BarrierError>),
    /// To [`RaftMessage::Resign`] and [`RaftMessage::LeadOn`]: heard.
    Resigned,
    /// To a message that is meant for the disk of a node before the cluster was recovered from it: whoever asks is no member
    /// any more, and must not go on.
    Outlived(String),
}
