//! Why a node did not do what was asked.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Leadership, Member, NodeId};
use crate::{clock::Off, consensus::ClockError, directory::Refusal, identity::KeyNumber};

/// Why a node did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ServiceError {
    /// Somebody else leads. Nothing was done.
    #[error("not the leader{}", .0.leader.as_ref().map_or(String::new(), |l| format!("; ask node {} at {}", l.id, l.client)))]
    NotLeader(
        /// Who does, as far as the node knows. Its term tells whether that is news.
        Leadership,
    ),
    /// Too much is waiting already. Nothing was done.
    #[error("busy: {waiting} {what} are waiting, the limit is {limit}")]
    Busy {
        /// What waits.
        what: String,
        /// How many.
        waiting: u64,
        /// The limit.
        limit: u64,
    },
    /// The directory refused, and remembers it: as long as it does, the same request is refused so wherever it is asked
    /// again, and nothing is ever changed.
    #[error(transparent)]
    Refused(Refusal),
    /// The file cannot be sealed. Nothing was done.
    #[error("{0}")]
    BadOriginal(String),
    /// The node cannot tell whether the change will take effect: leadership moved, or the node is
    /// going down. Ask again with the same request id.
    #[error("outcome unknown: {0}")]
    Unsettled(String),
    /// Something broke inside the node. Nothing was changed.
    #[error("internal error: {0}")]
    Internal(String),
    /// The members cannot be changed like that.
    #[error(transparent)]
    Membership(MemberError),
    /// Neither password nor signature is the user's, or there is no such user: which one is not told.
    #[error("name, password or key is wrong")]
    NotProven,
    /// Too many attempts have failed.
    #[error("too many attempts: try again in {} s, or without a password, by your key", wait_ms.div_ceil(1_000))]
    TooManyAttempts {
        /// How long to wait, milliseconds.
        wait_ms: u64,
    },
    /// The peer cannot be online like that.
    #[error(transparent)]
    Presence(PresenceError),
    /// Content keys cannot be put under another key-encryption key.
    #[error(transparent)]
    Rewrap(RewrapError),
    /// The node lags behind, and does not know the session yet. Nothing was done.
    #[error("this node does not know the session yet")]
    Behind,
    /// The leadership cannot be moved like that.
    #[error(transparent)]
    Transfer(TransferError),
    /// Too many users have registered lately, from the same address or in all. Nothing was done.
    #[error("too many new users: try again in {} s, or let an operator register them", wait_ms.div_ceil(1_000))]
    TooManyRegistrations {
        /// How long to wait, milliseconds.
        wait_ms: u64,
    },
    /// The node's clock is wrong, or the asker's, and it cannot tell. Nothing was done.
    #[error(transparent)]
    Clock(ClockError),
    /// Refused, and not remembered, as questions are. Asking this once has changed nothing; an earlier attempt of the
    /// same request may have changed something, or may yet do.
    #[error(transparent)]
    Declined(Refusal),
    /// No majority has confirmed in time that the node leads, or what it knows. Nothing was done.
    #[error("not confirmed: {0}")]
    Unconfirmed(String),
}

/// Why the leadership is not moved as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum TransferError {
    /// There is no such member.
    #[error("node {id} is not a member: `veil member list` shows who is")]
    Unknown {
        /// Which.
        id: NodeId,
    },
    /// A member without a vote cannot lead.
    #[error("node {id} has no vote and cannot lead: it is being added, or removed")]
    NoVote {
        /// Which.
        id: NodeId,
    },
    /// There is nothing to move.
    #[error("node {id} leads already")]
    LeadsAlready {
        /// Which.
        id: NodeId,
    },
    /// There is nobody to move it to.
    #[error("no other node has a vote")]
    Alone,
    /// The node is down, or too slow. The leader leads on.
    #[error("node {id} has not caught up within {waited:.1?} and was not made the leader: is it up?")]
    NotCaughtUp {
        /// Which.
        id: NodeId,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The leader has stepped back and the node has not stepped in. Whoever has a vote may do so now.
    #[error("node {id} has not taken over within {waited:.1?}: the nodes elect a leader among themselves")]
    NotTaken {
        /// Which.
        id: NodeId,
        /// How long it was waited for.
        waited: Duration,
    },
    /// Somebody else came first.
    #[error("node {leader} leads now, not node {id}: the leadership moved meanwhile")]
    Elsewhere {
        /// Who should.
        id: NodeId,
        /// Who does.
        leader: NodeId,
    },
    /// A leader's time is the directory's.
    #[error("node {id} cannot lead: its clock is {} those of a majority of the nodes", Off(*off_ms))]
    WrongClock {
        /// Which.
        id: NodeId,
        /// How far it is ahead, milliseconds.
        off_ms: i64,
    },
    /// A leader has to write.
    #[error("node {id} cannot lead: a write to its disk takes {waits:.1?}, or longer")]
    DiskHangs {
        /// Which.
        id: NodeId,
        /// How long one takes.
        waits: Duration,
    },
}

/// Why the members cannot be changed as asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum MemberError {
    /// There is no such member.
    #[error("node {id} is not a member")]
    Unknown {
        /// Which.
        id: NodeId,
    },
    /// The number is taken, by a member at other addresses.
    #[error("node {} is a member already, at {} for clients and {} for nodes", known.id, known.client, known.peer)]
    OtherAddress {
        /// The member.
        known: Member,
    },
    /// The node is a member, but its disk is not the one that it was a member with.
    #[error("node {id} is a member with another disk than it has now: remove it, then add it again")]
    OtherDisk {
        /// Which node.
        id: NodeId,
    },
    /// Somebody else answers at the address.
    #[error("the node at {peer} is node {found}, not node {expected}")]
    OtherNode {
        /// The address.
        peer: String,
        /// Who was expected.
        expected: NodeId,
        /// Who is there.
        found: NodeId,
    },
    /// Without it there would be no cluster.
    #[error("node {id} is the last voter: a cluster needs one")]
    Last {
        /// Which.
        id: NodeId,
    },
    /// Members are changed one after the other.
    #[error("another change of the members is under way")]
    UnderWay,
    /// The node was not reached, or is too slow.
    #[error("node {id} has not caught up within {waited:.1?} and is not a member: {reason}")]
    NotCaughtUp {
        /// Which.
        id: NodeId,
        /// How long it was waited for.
        waited: Duration,
        /// What it was waited for.
        reason: String,
    },
    /// Nobody can be reached there.
    #[error("the address for {side}, {value}, cannot be one: {reason}")]
    BadAddress {
        /// Which of the two.
        side: AddressOf,
        /// What was given; its beginning.
        value: String,
        /// What is wrong.
        reason: String,
    },
    /// Another member is reached there.
    #[error("the address for {side}, {value}, is the one of node {node} for {of}")]
    AddressTaken {
        /// Which of the two.
        side: AddressOf,
        /// What was given.
        value: String,
        /// Whose it is.
        node: NodeId,
        /// What for.
        of: AddressOf,
    },
    /// Somebody answers at the address, and it is not the node.
    #[error("the address for {side}, {value}, is not where node {expected} is: {found}")]
    OtherAnswers {
        /// Which of the two.
        side: AddressOf,
        /// What was given.
        value: String,
        /// Who was expected.
        expected: NodeId,
        /// What was found.
        found: String,
    },
    /// The node's folder is of another cluster, or of this one before it was recovered.
    #[error(
        "node {id} holds entries that are not in the log of this cluster: its folder is of another cluster, or of the time \
         before this one was recovered. Start it with an empty folder, and add it again"
    )]
    OtherHistory {
        /// Which node.
        id: NodeId,
    },
}

/// For whom one of a node's two addresses is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AddressOf {
    /// Clients reach it there.
    Clients,
    /// Other nodes do.
    Nodes,
}

impl AddressOf {
    /// All there are.
    pub const BOTH: [Self; 2] = [Self::Clients, Self::Nodes];

    /// That address of a member.
    pub fn of(self, member: &Member) -> &str {
        match self {
            Self::Clients => &member.client,
            Self::Nodes => &member.peer,
        }
    }
}

impl fmt::Display for AddressOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clients => "clients",
            Self::Nodes => "nodes",
        })
    }
}

/// Why a peer is not online.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum PresenceError {
    /// Nobody can be reached there.
    #[error(
        "{address:?} is no address: expected HOST:PORT, printable, at most 260 characters, the port not 0"
    )]
    BadAddress {
        /// What was given; its beginning.
        address: String,
    },
    /// It offers too much.
    #[error("{offers} images are offered, the limit is {limit}")]
    TooManyOffers {
        /// How many.
        offers: u64,
        /// The limit.
        limit: u64,
    },
    /// No more can be online.
    #[error("too many peers are online: {bytes} bytes are needed to remember them, the limit is {limit}")]
    TooMany {
        /// How much memory they would take.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The user is online with too much.
    #[error("you are online with too much: {bytes} bytes on all of your devices, the limit is {limit}")]
    TooMuch {
        /// How much memory their devices would take.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
}

/// Why content keys are not put under another key-encryption key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum RewrapError {
    /// A member does not have the key.
    #[error(
        "node {node} does not have key-encryption key {number}: give every node the new cluster.key first"
    )]
    KeyMissing {
        /// The member.
        node: NodeId,
        /// The number of the key.
        number: KeyNumber,
    },
    /// A member does not say which keys it has.
    #[error("node {node} does not answer: every node has to have the new key first")]
    Silent {
        /// The member.
        node: NodeId,
    },
}
