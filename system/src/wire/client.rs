//! What a user's program and a node say to one another.

mod change;
mod error;
mod status;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use self::{
    change::{Change, Proof},
    error::{AddressOf, MemberError, PresenceError, RewrapError, ServiceError, TransferError},
    status::{Leadership, NodeStatus, StageTimes},
};
use crate::{
    directory::{
        Ask, GroupName, Image, ImageDetails, ImageId, InboxPage, Limits, ListPage, Listing, MAX_GRANTS,
        Membership, Query, Quotas, Record, RequestId, Role, Session, Usage, UserName, View,
    },
    identity::{Challenge, FinderKey, KeyNumber, PublicKey, SessionId, SessionToken, WrappedKey},
    seal::ContentKey,
    wire::foreign,
};

/// A node's number.
pub type NodeId = u64;

/// How many workers a client may have found wanting.
const AVOID_MAX: usize = 64;
/// How many content keys are checked at a time.
pub const CHECKED_MAX: usize = 1_024;
/// How many grants, and offers, are read before there are too many to be told by number.
const GRANTS_MAX: usize = 4 * MAX_GRANTS;
const OFFERS_MAX: usize = 4_096;

/// A node, as the cluster knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its number.
    pub id: NodeId,
    /// Where clients reach it.
    pub client: String,
    /// Where other nodes reach it.
    pub peer: String,
}

/// A request, and the session in which it is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The token of the session, if the user is logged in.
    pub session: Option<SessionToken>,
    /// What is asked.
    pub request: Request,
}

impl Asked {
    /// Asks as nobody in particular.
    pub fn stranger(request: Request) -> Self {
        Self { session: None, request }
    }
}

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// How is this node? Any node answers.
    Status,
    /// Tell me when the leadership is no longer the one I have seen. Any node answers, at once or
    /// when it changes, at the latest after [`WATCH_PATIENCE_MS`].
    WatchLeadership {
        /// What the client knows.
        seen: Leadership,
    },
    /// Changes the directory. The leader answers, once the change is committed.
    Execute {
        /// Names the request; a retry carries the same id.
        request: RequestId,
        /// The change.
        change: Change,
    },
    /// Who should seal the next image? The leader answers.
    AssignWorker {
        /// Workers that the client has just found wanting.
        #[serde(deserialize_with = "foreign::list::<_, _, AVOID_MAX>")]
        avoid: Vec<NodeId>,
    },
    /// Seals an image. Any node answers; the one named by [`Request::AssignWorker`] should be asked.
    Seal {
        /// Names the request and, later, the image.
        request: RequestId,
        /// What is to be known of it.
        image: NewImage,
        /// The file, PNG or JPEG.
        original: Bytes,
    },
    /// Asks the directory.
    Read {
        /// What.
        query: Query,
        /// How fresh the answer must be.
        consistency: Consistency,
    },
    /// Who are the members? The leader answers.
    Members,
    /// Makes a node a member. The leader answers, when the node has caught up and has a vote.
    AddMember {
        /// The node.
        member: Member,
        /// How long it may take to catch up, milliseconds; at most [`ADD_PATIENCE_MAX_MS`].
        patience_ms: u64,
    },
    /// Makes a node a member no longer. The leader answers.
    RemoveMember {
        /// The node.
        id: NodeId,
    },
    /// By which key does the cluster sign, and by which does the user who asks find their own grants in permission
    /// blocks? Any node answers that is connected to a leader, once it is sure that the session lives.
    Keys,
    /// Something to sign, to prove that one holds a key. Any node answers.
    Challenge,
    /// This peer is online. The leader answers, with [`Reply::Heard`].
    Announce {
        /// Where others reach it: the address that it really listens on.
        address: String,
        /// Sealed images that it hands out.
        #[serde(deserialize_with = "foreign::list::<_, _, OFFERS_MAX>")]
        offers: Vec<ImageId>,
    },
    /// This peer is still online. The leader answers, with [`Reply::Heard`].
    Heartbeat,
    /// This peer goes. The leader answers, with [`Reply::Heard`].
    Leave,
    /// Who is online? The leader answers, with [`Reply::Online`], one page.
    Online {
        /// Where the last page ended.
        after: Option<(UserName, SessionId)>,
    },
    /// Where is this user? The leader answers, with [`Reply::Online`].
    Locate {
        /// Who.
        user: UserName,
    },
    /// Put all content keys under the newest key-encryption key. The leader answers, when it is done.
    Rewrap,
    /// Have another node lead. The leader answers with [`Reply::Leadership`], when another one does; so does the leader
    /// of a later term, at once.
    TransferLeadership {
        /// The term whose leader is to hand over.
        term: u64,
        /// To whom; otherwise to the voter whose log is most complete.
        to: Option<NodeId>,
    },
    /// Where do writes spend their time on this node? Any node answers.
    WriteStages,
    /// Has the cluster the key-encryption keys for what is about to be brought back from a dump? The leader answers, and
    /// changes nothing.
    CheckKeys {
        /// The number of the one that is in use in the dump.
        in_use: KeyNumber,
        /// Content keys, each with its image.
        #[serde(deserialize_with = "foreign::list::<_, _, CHECKED_MAX>")]
        keys: Vec<(ImageId, WrappedKey)>,
    },
}

/// An image that is to be sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewImage {
    /// Whose it is.
    pub owner: UserName,
    /// Views given to each viewer.
    #[serde(deserialize_with = "foreign::map::<_, _, _, GRANTS_MAX>")]
    pub grants: BTreeMap<UserName, u32>,
    /// Views given to groups, of which the owner has to be a member.
    #[serde(deserialize_with = "foreign::map::<_, _, _, GRANTS_MAX>")]
    pub group_grants: BTreeMap<GroupName, u32>,
    /// Its title; may be empty.
    pub title: String,
}

impl NewImage {
    /// One without a title, that nobody but its owner may view.
    pub fn of(owner: UserName) -> Self {
        Self { owner, grants: BTreeMap::new(), group_grants: BTreeMap::new(), title: String::new() }
    }
}

/// A peer that is online.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnlinePeer {
    /// Whose it is.
    pub user: UserName,
    /// In which session it announced itself: a user may be online with several devices.
    pub session: SessionId,
    /// Where it is reached.
    pub address: String,
    /// Sealed images that it hands out.
    pub offers: Vec<ImageId>,
}

impl Request {
    /// How many bytes of a file it carries.
    pub fn payload(&self) -> usize {
        match self {
            Self::Seal { original, .. } => original.len(),
            _ => 0,
        }
    }

    /// Whether it changes anything. What does not has had no effect, whatever became of it.
    pub fn has_effect(&self) -> bool {
        match self {
            Self::Execute { .. }
            | Self::Seal { .. }
            | Self::AddMember { .. }
            | Self::RemoveMember { .. }
            | Self::TransferLeadership { .. }
            | Self::Rewrap
            | Self::Announce { .. }
            | Self::Heartbeat
            | Self::Leave => true,
            Self::Status
            | Self::WriteStages
            | Self::WatchLeadership { .. }
            | Self::AssignWorker { .. }
            | Self::Read { .. }
            | Self::CheckKeys { .. }
            | Self::Members
            | Self::Keys
            | Self::Challenge
            | Self::Online { .. }
            | Self::Locate { .. } => false,
        }
    }

    /// How long the node may be at work on it, beside what every request takes, milliseconds.
    pub fn patience_ms(&self) -> u64 {
        match self {
            Self::AddMember { patience_ms, .. } => *patience_ms,
            Self::RemoveMember { .. } => REMOVE_PATIENCE_MS,
            Self::Rewrap => REWRAP_PATIENCE_MS,
            Self::TransferLeadership { .. } => TRANSFER_PATIENCE_MS,
            Self::Execute { change, .. } if change.takes_hashing() => HASHING_PATIENCE_MS,
            _ => 0,
        }
    }
}

/// How long a member may be on its way out: a leader hands over first, and one that loses its vote is told.
const REMOVE_PATIENCE_MS: u64 = 2_000;

/// How long putting all content keys under another key-encryption key may take.
const REWRAP_PATIENCE_MS: u64 = 600_000;

/// How long a password may wait to be hashed: where much is sealed, its turn comes late.
const HASHING_PATIENCE_MS: u64 = 4_000;

/// How long it may take until another node leads: it has to catch up, and to be elected.
const TRANSFER_PATIENCE_MS: u64 = 4_000;

/// The longest that a new member may take to catch up, milliseconds.
pub const ADD_PATIENCE_MAX_MS: u64 = 3_600_000;

/// The longest that a node keeps a [`Request::WatchLeadership`] waiting, milliseconds.
pub const WATCH_PATIENCE_MS: u64 = 1_000;

/// How fresh an answer must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Consistency {
    /// It reflects every change acknowledged before the question was asked. Any node answers that is connected to a
    /// leader.
    Linearizable,
    /// What the asked node happens to hold. Any node answers, with [`Reply::Stale`].
    Stale,
}

/// What a node answers.
pub type Answer = Result<Reply, ServiceError>;

/// A node's answer when all went well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// To [`Request::Status`].
    Status(Box<NodeStatus>),
    /// To [`Request::WatchLeadership`] and [`Request::TransferLeadership`].
    Leadership(Leadership),
    /// To [`Change::Register`].
    Registered,
    /// To [`Change::OpenView`].
    Opened {
        /// The key that opens the image.
        key: ContentKey,
        /// Views left; `None` for the owner.
        views_left: Option<u32>,
        /// The image's revision.
        revision: u64,
    },
    /// To [`Change::SetGrant`].
    Granted {
        /// Views left.
        views_left: u32,
        /// The image's revision.
        revision: u64,
    },
    /// To [`Request::AssignWorker`].
    Worker(Member),
    /// To [`Request::Seal`].
    Sealed {
        /// The image's id.
        image: ImageId,
        /// The sealed image, a PNG.
        png: Bytes,
    },
    /// To [`Query::Owned`] and [`Query::GroupImages`].
    Listing(Vec<Listing>),
    /// To [`Query::Users`].
    Users(Vec<UserName>),
    /// To [`Query::Images`].
    Images(Vec<ImageSummary>),
    /// To [`Query::Hash`].
    Hash {
        /// The last log index that had been applied.
        applied: u64,
        /// BLAKE3 of the directory at that index.
        hash: [u8; 32],
    },
    /// To [`Request::Members`].
    Members(Vec<MemberRole>),
    /// To [`Request::AddMember`]: the node is a member now.
    MemberAdded,
    /// To [`Request::RemoveMember`]: the node is a member no longer.
    MemberRemoved,
    /// To [`Request::Keys`].
    Keys {
        /// By which the cluster's signatures are verified.
        cluster: PublicKey,
        /// By which the user finds their own grants in permission blocks.
        finder: FinderKey,
    },
    /// To [`Query::Block`].
    Block {
        /// The block and its signature, as they lie in a file.
        block: Bytes,
    },
    /// To [`Request::Challenge`].
    Challenge(Challenge),
    /// To [`Change::LogIn`] and [`Change::Renew`].
    LoggedIn {
        /// When the session ends, milliseconds since the Unix epoch.
        expires_ms: u64,
    },
    /// To [`Change::EndSession`], [`Change::EndSessions`], [`Change::SetPassword`] and [`Change::SetKey`].
    SessionsEnded {
        /// How many.
        count: u64,
    },
    /// To [`Query::Sessions`].
    Sessions(Vec<(SessionId, Session)>),
    /// To [`Request::Announce`], [`Request::Heartbeat`] and [`Request::Leave`].
    Heard {
        /// Whether the leader knows where the peer is. One that is not known has to announce itself.
        known: bool,
        /// How long until the next heartbeat, milliseconds.
        interval_ms: u64,
    },
    /// To [`Request::Online`] and [`Request::Locate`].
    Online {
        /// Peers, by name of their user.
        peers: Vec<OnlinePeer>,
        /// Whether everybody has had the time to announce themselves since the leader was elected.
        settled: bool,
    },
    /// To [`Request::Rewrap`].
    Rewrapped {
        /// The key-encryption key that is in use.
        under: KeyNumber,
        /// How many content keys were put under it.
        count: u64,
    },
    /// To a change of which there is nothing more to say.
    Done,
    /// To [`Change::Restore`].
    Restored {
        /// How many records were not there yet.
        count: u64,
    },
    /// To [`Query::Image`].
    Image(Box<ImageDetails>),
    /// To [`Query::Views`]: each with its number, newest first.
    Views(Vec<(u64, View)>),
    /// To [`Query::Requests`].
    Requests(Vec<(ImageId, UserName, Ask)>),
    /// To [`Query::Inbox`].
    Inbox(InboxPage),
    /// To [`Query::Groups`].
    Groups(Vec<GroupName>),
    /// To [`Query::MyGroups`].
    MyGroups(Vec<(GroupName, Role)>),
    /// To [`Query::GroupMembers`].
    GroupMembers(Vec<(UserName, Membership)>),
    /// To [`Query::JoinRequests`]: since when each waits, milliseconds since the Unix epoch.
    JoinRequests(Vec<(UserName, u64)>),
    /// To [`Query::Dump`].
    Dump {
        /// The last log index that had been applied.
        applied: u64,
        /// A page of records; empty, when there are no more of the kind.
        records: Vec<Record>,
    },
    /// To a [`Request::Read`] that may be stale.
    Stale {
        /// It reflects all that was acknowledged so many milliseconds before it was given, as far as the node can know;
        /// a node that has heard of no leader yet knows nothing.
        age_ms: Option<u64>,
        /// The answer.
        reply: Box<Reply>,
    },
    /// To [`Request::WriteStages`].
    WriteStages(Vec<StageTimes>),
    /// To [`Query::Limits`].
    Limits(Box<Limits>),
    /// To [`Query::Usage`].
    Usage {
        /// What the user's records take.
        usage: Usage,
        /// What they may take.
        quotas: Box<Quotas>,
    },
    /// To [`Query::List`].
    List(ListPage),
    /// To [`Query::Blocked`].
    Blocked(Vec<UserName>),
    /// To [`Change::SetClock`].
    ClockSet {
        /// What the directory's clock showed, milliseconds since the Unix epoch.
        was_ms: u64,
        /// What it shows now, likewise.
        clock_ms: u64,
    },
}

/// A member and its part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRole {
    /// The member.
    pub member: Member,
    /// Whether it has a vote. One without is being filled, or on its way out.
    pub voter: bool,
}

/// An image without its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSummary {
    /// The image.
    pub image: ImageId,
    /// Who sealed it.
    pub owner: UserName,
    /// BLAKE3 of the original.
    pub digest: [u8; 32],
    /// Viewer, views left, views used.
    pub grants: Vec<(UserName, u32, u64)>,
}

impl ImageSummary {
    /// Leaves the key out.
    pub fn new(image: ImageId, record: &Image) -> Self {
        let grants = record.grants.iter().map(|(viewer, grant)| (viewer.clone(), grant.left, grant.used));
        Self { image, owner: record.owner.clone(), digest: record.digest, grants: grants.collect() }
    }
}
