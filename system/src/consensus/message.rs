//! What nodes say to one another.

use bytes::Bytes;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, VoteRequest,
    VoteResponse,
};
use serde::{Deserialize, Serialize};

use super::{
    ProposeError,
    types::{TypeConfig, Vote},
};
use crate::directory::{Action, Answer, RequestId};

/// What a node asks another.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum PeerRequest {
    /// Raft: entries, or a heartbeat.
    Append(AppendEntriesRequest<TypeConfig>),
    /// Raft: a vote.
    Vote(VoteRequest<TypeConfig>),
    /// Raft: would you vote for me?
    PreVote(VoteRequest<TypeConfig>),
    /// Raft: take over.
    TransferLeader(TransferLeaderRequest<TypeConfig>),
    /// Raft: a piece of a snapshot.
    Snapshot(SnapshotPiece),
    /// To the leader: put this into the log, on behalf of a worker.
    Propose {
        /// Names the request.
        request: RequestId,
        /// The change.
        action: Action,
    },
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
    /// The piece.
    pub bytes: Bytes,
    /// Whether it is the last.
    pub last: bool,
}

/// What a node answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum PeerAnswer {
    /// To [`PeerRequest::Append`].
    Append(AppendEntriesResponse<TypeConfig>),
    /// To [`PeerRequest::Vote`] and [`PeerRequest::PreVote`].
    Vote(VoteResponse<TypeConfig>),
    /// To [`PeerRequest::TransferLeader`].
    TransferLeader(openraft::raft::TransferLeaderResponse<TypeConfig>),
    /// To the last [`PeerRequest::Snapshot`].
    Snapshot(SnapshotResponse<TypeConfig>),
    /// To every other [`PeerRequest::Snapshot`].
    MoreSnapshot,
    /// To [`PeerRequest::Propose`].
    Proposed(Result<Answer, ProposeError>),
    /// The request made no sense or Raft has stopped.
    Failed(String),
}
