//! What a user's program and a node say to one another.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    balance::HealthSample,
    directory::{
        Acknowledge, AnswerJoin, AnswerRequest, Ask, AskForViews, AskToJoin, CreateGroup, Describe,
        EndSession, EndSessions, GroupName, Image, ImageDetails, ImageId, InboxPage, LeaveGroup, Listing,
        Membership, OpenView, Query, Record, Refusal, RemoveMember, Renew, RequestId, Restore, Role, Session,
        SetGrant, SetGroupGrant, SetRole, UserName, View, Withdraw,
    },
    identity::{
        Challenge, FinderKey, KeyNumber, Password, PublicKey, SIGNATURE_LEN, SessionId, SessionToken,
    },
    seal::ContentKey,
};

/// A node's number.
pub type NodeId = u64;

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
        avoid: Vec<NodeId>,
    },
    /// Seals an image. Any node answers; the one named by [`Request::AssignWorker`] should be asked.
    Seal {
        /// Names the request and, later, the image.
        request: RequestId,
        /// Whose image it is.
        owner: UserName,
        /// Views given to each viewer.
        grants: BTreeMap<UserName, u32>,
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
    /// blocks? Any node answers that knows the session.
    Keys,
    /// Something to sign, to prove that one holds a key. Any node answers.
    Challenge,
    /// This peer is online. The leader answers, with [`Reply::Heard`].
    Announce {
        /// Where others reach it: the address that it really listens on.
        address: String,
        /// Sealed images that it hands out.
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
    #[error("too many peers are online, the limit is {limit}")]
    TooMany {
        /// The limit.
        limit: u64,
    },
}

impl Request {
    /// How many bytes of a file it carries.
    pub fn payload(&self) -> usize {
        match self {
            Self::Seal { original, .. } => original.len(),
            _ => 0,
        }
    }

    /// How long the node may be at work on it, beside what every request takes, milliseconds.
    pub fn patience_ms(&self) -> u64 {
        match self {
            Self::AddMember { patience_ms, .. } => *patience_ms,
            Self::RemoveMember { .. } => REMOVE_PATIENCE_MS,
            Self::Rewrap => REWRAP_PATIENCE_MS,
            Self::TransferLeadership { .. } => TRANSFER_PATIENCE_MS,
            _ => 0,
        }
    }
}

/// How long a member may be on its way out: a leader hands over first, and one that loses its vote is told.
const REMOVE_PATIENCE_MS: u64 = 2_000;

/// How long putting all content keys under another key-encryption key may take.
const REWRAP_PATIENCE_MS: u64 = 600_000;

/// How long it may take until another node leads: it has to catch up, and to be elected.
const TRANSFER_PATIENCE_MS: u64 = 4_000;

/// The longest that a new member may take to catch up, milliseconds.
pub const ADD_PATIENCE_MAX_MS: u64 = 3_600_000;

/// The longest that a node keeps a [`Request::WatchLeadership`] waiting, milliseconds.
pub const WATCH_PATIENCE_MS: u64 = 1_000;

/// The changes that a user may ask for. (Images are recorded by the worker that sealed them.)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Makes a user known.
    Register {
        /// The new name.
        user: UserName,
        /// By which the user will be known; its other half never leaves them.
        key: PublicKey,
        /// What the user may log in with, beside the key.
        password: Option<Password>,
    },
    /// Takes a view and releases the key.
    OpenView(OpenView),
    /// Sets the views a viewer has left.
    SetGrant(SetGrant),
    /// Begins a session.
    LogIn {
        /// The user.
        user: UserName,
        /// The session. Its token is on the user's device, and not sent before the session is used.
        session: SessionId,
        /// What the user calls the device.
        device: String,
        /// How long the session lives, milliseconds.
        lifetime_ms: u64,
        /// That it is the user.
        proof: Proof,
    },
    /// Prolongs a session.
    Renew(Renew),
    /// Ends a session.
    EndSession(EndSession),
    /// Ends all sessions but one.
    EndSessions(EndSessions),
    /// Changes the password. All sessions end but the one in which it is asked.
    SetPassword {
        /// The user.
        user: UserName,
        /// The new one.
        password: Password,
        /// That it is the user.
        proof: Proof,
    },
    /// Changes the key. All sessions end but the one in which it is asked.
    SetKey {
        /// The user.
        user: UserName,
        /// The new one.
        key: PublicKey,
        /// That it is the user.
        proof: Proof,
    },
    /// Makes a group.
    CreateGroup(CreateGroup),
    /// Asks to be let into a group.
    AskToJoin(AskToJoin),
    /// Lets somebody into a group, or does not.
    AnswerJoin(AnswerJoin),
    /// Leaves a group.
    LeaveGroup(LeaveGroup),
    /// Takes a member out of a group.
    RemoveMember(RemoveMember),
    /// Changes a member's part in a group.
    SetRole(SetRole),
    /// Sets the views a group has left.
    SetGroupGrant(SetGroupGrant),
    /// Says what is to be seen on an image.
    Describe(Describe),
    /// Takes an image out of the directory.
    Withdraw(Withdraw),
    /// Asks for views of an image.
    AskForViews(AskForViews),
    /// Answers a request for views.
    AnswerRequest(AnswerRequest),
    /// Takes out of an inbox what was read.
    Acknowledge(Acknowledge),
    /// Brings records back that were dumped. Operators ask for it.
    Restore(Restore),
}

impl Change {
    /// Whether it bears a [`Proof`].
    pub fn needs_proof(&self) -> bool {
        matches!(self, Self::LogIn { .. } | Self::SetPassword { .. } | Self::SetKey { .. })
    }
}

/// How a user proves to be it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Proof {
    /// By the password.
    Password(Password),
    /// By the key: a challenge, [answered](Challenge::answer).
    Signature {
        /// The challenge.
        challenge: Challenge,
        /// The answer.
        #[serde(with = "signature")]
        signature: [u8; SIGNATURE_LEN],
    },
}

/// Serde knows arrays of up to 32 bytes.
mod signature {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::SIGNATURE_LEN;

    type Halves = ([u8; SIGNATURE_LEN / 2], [u8; SIGNATURE_LEN / 2]);

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; SIGNATURE_LEN], to: S) -> Result<S::Ok, S::Error> {
        let mut halves: Halves = ([0; 32], [0; 32]);
        halves.0.copy_from_slice(&bytes[..32]);
        halves.1.copy_from_slice(&bytes[32..]);
        halves.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; SIGNATURE_LEN], D::Error> {
        let halves = Halves::deserialize(from)?;
        let mut bytes = [0; SIGNATURE_LEN];
        bytes[..32].copy_from_slice(&halves.0);
        bytes[32..].copy_from_slice(&halves.1);
        Ok(bytes)
    }
}

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
    Status(NodeStatus),
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
    /// To [`Query::List`], [`Query::Owned`] and [`Query::GroupImages`].
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

/// Who leads, as far as the answering node knows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Leadership {
    /// The Raft term.
    pub term: u64,
    /// The leader of that term, if one is known.
    pub leader: Option<Member>,
}

/// How long a stage of writes has taken on the node that led, since it was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageTimes {
    /// The stage.
    pub stage: String,
    /// How many writes went through it; of `replicate`, how many batches.
    pub count: u64,
    /// The median, microseconds.
    pub p50_us: u64,
    /// The 99th percentile, microseconds.
    pub p99_us: u64,
    /// The longest, microseconds.
    pub max_us: u64,
}

/// How a node is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// The node.
    pub node: NodeId,
    /// The program's version.
    pub version: String,
    /// Who leads.
    pub leadership: Leadership,
    /// All members of the cluster.
    pub members: Vec<Member>,
    /// The last log index applied.
    pub applied: u64,
    /// The last log index written.
    pub last_log: u64,
    /// The last log index that a snapshot covers.
    pub snapshot: u64,
    /// How busy it is.
    pub health: HealthSample,
    /// Users and images in its directory.
    pub users: u64,
    /// Images in its directory.
    pub images: u64,
    /// The key-encryption keys that it has.
    pub wrapping_keys: Vec<KeyNumber>,
}

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
    /// The directory refused. Nothing was changed.
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
        waited: std::time::Duration,
    },
    /// The leader has stepped back and the node has not stepped in. Whoever has a vote may do so now.
    #[error("node {id} has not taken over within {waited:.1?}: the nodes elect a leader among themselves")]
    NotTaken {
        /// Which.
        id: NodeId,
        /// How long it was waited for.
        waited: std::time::Duration,
    },
    /// Somebody else came first.
    #[error("node {leader} leads now, not node {id}: the leadership moved meanwhile")]
    Elsewhere {
        /// Who should.
        id: NodeId,
        /// Who does.
        leader: NodeId,
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
        waited: std::time::Duration,
        /// What it was waited for.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{identity::ClusterKeys, wire::codec};

    fn member() -> Member {
        Member { id: 4, client: "c".to_owned(), peer: "p".to_owned() }
    }

    #[test]
    fn golden_bytes_of_what_is_said_about_members() {
        let add = Request::AddMember { member: member(), patience_ms: 9 };
        assert_eq!(codec::encode(&add).unwrap(), [7, 4, 1, b'c', 1, b'p', 9]);
        assert_eq!(codec::encode(&Request::Members).unwrap(), [6]);
        assert_eq!(codec::encode(&Request::RemoveMember { id: 4 }).unwrap(), [8, 4]);
        let members: Answer = Ok(Reply::Members(vec![MemberRole { member: member(), voter: true }]));
        assert_eq!(codec::encode(&members).unwrap(), [0, 11, 1, 4, 1, b'c', 1, b'p', 1]);
        let refused: Answer = Err(ServiceError::Membership(MemberError::Last { id: 4 }));
        assert_eq!(codec::encode(&refused).unwrap(), [1, 6, 4, 4]);
    }

    #[test]
    fn golden_bytes_of_what_is_said_about_leading() {
        let transfer = Request::TransferLeadership { term: 7, to: Some(4) };
        assert_eq!(codec::encode(&transfer).unwrap(), [17, 7, 1, 4]);
        let refused: Answer = Err(ServiceError::Transfer(TransferError::NoVote { id: 4 }));
        assert_eq!(codec::encode(&refused).unwrap(), [1, 12, 1, 4]);
    }

    #[test]
    fn golden_bytes_of_what_is_said_about_permission_blocks() {
        let query = Query::Block { image: ImageId(9) };
        let read = Request::Read { query, consistency: Consistency::Linearizable };
        assert_eq!(codec::encode(&read).unwrap(), [5, 4, 9, 0]);
        let answer: Answer = Ok(Reply::Block { block: Bytes::from_static(b"block") });
        assert_eq!(codec::encode(&answer).unwrap(), *b"\x00\x0f\x05block");
        let answer: Answer = Ok(Reply::Stale { age_ms: Some(3), reply: Box::new(Reply::Done) });
        assert_eq!(codec::encode(&answer).unwrap(), [0, 34, 1, 3, 23]);
    }

    #[test]
    fn golden_bytes_of_what_is_said_about_keys() {
        let user: UserName = "ben".parse().unwrap();
        let session = SessionToken::from_bytes([3; 32]);
        let ask = Asked { session: Some(session), request: Request::Keys };
        assert_eq!(codec::encode(&ask).unwrap(), [&[1][..], &[3; 32], &[9]].concat());
        let ask = Asked { session: None, request: Request::Challenge };
        assert_eq!(codec::encode(&ask).unwrap(), [0, 10]);
        let keys = ClusterKeys::from_secret([7; 32]);
        let (cluster, finder) = (keys.public(), keys.finder(&user));
        let answer: Answer = Ok(Reply::Keys { cluster, finder: finder.clone() });
        let bytes = [&[0, 14][..], cluster.as_bytes(), finder.as_bytes()].concat();
        assert_eq!(codec::encode(&answer).unwrap(), bytes);
        assert!(!format!("{answer:?}").contains("finder: FinderKey(["), "a secret is printed");
    }

    #[test]
    fn golden_bytes_of_what_is_asked_about_groups_images_and_inboxes() {
        let (user, group, image): (UserName, GroupName, _) =
            ("a".parse().unwrap(), "g".parse().unwrap(), ImageId(9));
        let place = crate::directory::Place::Images(Some(image));
        for (query, bytes) in [
            (Query::Owned { user: user.clone(), after: None }, &b"\x06\x01a\0"[..]),
            (Query::Image { user: user.clone(), image }, b"\x07\x01a\x09"),
            (Query::Views { user: user.clone(), image, after: Some(3) }, b"\x08\x01a\x09\x01\x03"),
            (
                Query::Requests { user: user.clone(), after: Some((image, user.clone())) },
                b"\x09\x01a\x01\x09\x01a",
            ),
            (Query::Inbox { user: user.clone(), after: None }, b"\x0a\x01a\0"),
            (Query::Groups { after: Some(group.clone()) }, b"\x0b\x01\x01g"),
            (Query::MyGroups { user: user.clone() }, b"\x0c\x01a"),
            (
                Query::GroupMembers { user: user.clone(), group: group.clone(), after: None },
                b"\x0d\x01a\x01g\0",
            ),
            (
                Query::JoinRequests { user: user.clone(), group: group.clone(), after: None },
                b"\x0e\x01a\x01g\0",
            ),
            (Query::GroupImages { user, group, after: None }, b"\x0f\x01a\x01g\0"),
            (Query::Dump { from: place }, b"\x10\x03\x01\x09"),
        ] {
            assert_eq!(codec::encode(&query).unwrap(), bytes, "{query:?}");
        }
    }

    #[test]
    fn golden_bytes_of_what_is_changed_and_answered_about_groups_images_and_inboxes() {
        let (user, group, image): (UserName, GroupName, _) =
            ("a".parse().unwrap(), "g".parse().unwrap(), ImageId(9));
        let create = Change::CreateGroup(CreateGroup { user: user.clone(), group: group.clone() });
        assert_eq!(codec::encode(&create).unwrap(), b"\x09\x01a\x01g");
        let restore = Change::Restore(Restore { records: Vec::new() });
        assert_eq!(codec::encode(&restore).unwrap(), b"\x15\0");
        let (owner, title) = (user.clone(), "t".to_owned());
        let line =
            Listing { image, owner: owner.clone(), length: 4, views_left: Some(2), title: title.clone() };
        let details = ImageDetails {
            image,
            owner,
            title,
            description: "d".to_owned(),
            media: crate::seal::Media::Jpeg,
            length: 4,
            revision: 5,
            grants: Vec::new(),
            group_grants: Vec::new(),
        };
        let ask = Ask { views: 2, note: "n".to_owned(), asked_ms: 5 };
        let settings = crate::directory::SettingsRecord { wrapping_key: 1 };
        let view = View { viewer: user.clone(), at_ms: 6 };
        let member = Membership { role: Role::Member, joined_ms: 7 };
        for (reply, bytes) in [
            (Reply::Listing(vec![line]), &b"\x07\x01\x09\x01a\x04\x01\x02\x01t"[..]),
            (Reply::Done, b"\x17"),
            (Reply::Restored { count: 3 }, b"\x18\x03"),
            (Reply::Image(Box::new(details)), b"\x19\x09\x01a\x01t\x01d\x01\x04\x05\0\0"),
            (Reply::Views(vec![(3, view)]), b"\x1a\x01\x03\x01a\x06"),
            (Reply::Requests(vec![(image, user.clone(), ask)]), b"\x1b\x01\x09\x01a\x02\x01n\x05"),
            (Reply::Inbox(InboxPage { notices: Vec::new(), dropped: 4 }), b"\x1c\0\x04"),
            (Reply::Groups(vec![group.clone()]), b"\x1d\x01\x01g"),
            (Reply::MyGroups(vec![(group, Role::Admin)]), b"\x1e\x01\x01g\x01"),
            (Reply::GroupMembers(vec![(user.clone(), member)]), b"\x1f\x01\x01a\0\x07"),
            (Reply::JoinRequests(vec![(user, 8)]), b"\x20\x01\x01a\x08"),
            (Reply::Dump { applied: 2, records: vec![Record::Settings(settings)] }, b"\x21\x02\x01\0\x01"),
        ] {
            assert_eq!(codec::encode(&reply).unwrap(), bytes, "{reply:?}");
        }
    }
}
