//! Talks to a cluster: finds the leader from any node, follows it when it changes, and retries under
//! the same request id until an answer is certain or time is up.

mod account;
mod ask;
mod block;
mod clock;
mod dump;
mod follow;
mod group;
mod image;
mod inbox;
mod presence;
mod quota;
mod reach;
mod retry;
mod stale;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, watch},
    task::AbortHandle,
    time::Instant,
};

pub use self::{
    account::{Credential, NewSession},
    presence::Online,
    reach::Reach,
    stale::Staleness,
};
use crate::{
    directory::{ImageId, ListPage, ListPlace, OpenView, Query, Refusal, RequestId, SetGrant, UserName},
    identity::{FinderKey, KeyNumber, PublicKey, SessionToken},
    node::{Entropy, UnixClock, system_clock},
    seal::{ContentKey, SignedBlock},
    wire::{
        client::{
            Answer, Asked, Change, Consistency, ImageSummary, Leadership, Member, MemberError, MemberRole,
            NewImage, NodeId, NodeStatus, PresenceError, Reply, Request, RewrapError, ServiceError,
            StageTimes, TransferError,
        },
        connection::CallError,
        frame::Link,
        links::Links,
        transport::Network,
    },
};

/// How much of its time [`Client::add_member`] gives the new member to catch up.
const ADD_SHARE: f64 = 0.8;

/// Why the cluster did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The directory refused. Nothing was changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The file cannot be sealed.
    #[error("{0}")]
    BadOriginal(String),
    /// The request could not be sent: too large, or no node was named.
    #[error("{0}")]
    NotSent(String),
    /// Time was up and no attempt can have had an effect.
    #[error("not done within {waited:.1?}: {last}")]
    TimedOut {
        /// How long it was tried.
        waited: Duration,
        /// What the last attempt met with.
        last: String,
    },
    /// Time was up and no node has ever answered.
    #[error("no node answered within {waited:.1?} ({}): {last}", nodes.join(", "))]
    Unreachable {
        /// How long it was tried.
        waited: Duration,
        /// Where.
        nodes: Vec<String>,
        /// What the last attempt met with.
        last: String,
    },
    /// An attempt may have had an effect, or may yet have one: time was up, or asking on would not have made it certain.
    #[error("no certain answer within {waited:.1?}; it may have been done all the same: {last}")]
    Unsettled {
        /// How long it was tried.
        waited: Duration,
        /// What the last attempt met with.
        last: String,
    },
    /// The node answered with something else.
    #[error("node answered another question: {0}")]
    Protocol(String),
    /// The members cannot be changed like that.
    #[error(transparent)]
    Membership(#[from] MemberError),
    /// The peer cannot be online like that.
    #[error(transparent)]
    Presence(#[from] PresenceError),
    /// Content keys cannot be put under another key-encryption key.
    #[error(transparent)]
    Rewrap(#[from] RewrapError),
    /// The leadership cannot be moved like that.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// Name, password or key is wrong.
    #[error("name, password or key is wrong")]
    NotProven,
    /// Too many attempts have failed. Nothing was done.
    #[error("{0}")]
    TooManyAttempts(String),
}

/// An opened view.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// The key that opens the image.
    pub key: ContentKey,
    /// Views left; `None` for the owner, who is not counted.
    pub views_left: Option<u32>,
    /// The image's revision.
    pub revision: u64,
}

/// A freshly sealed image.
#[derive(Debug, Clone, PartialEq)]
pub struct Sealed {
    /// Its id.
    pub image: ImageId,
    /// The file, a PNG.
    pub png: Bytes,
}

/// What a user has to know to read permission blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// By which the cluster's signatures are verified.
    pub cluster: PublicKey,
    /// By which the user finds their own grants.
    pub finder: FinderKey,
}

/// A handle on a cluster. Clones share connections and what is known of the leader.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    /// In which session it asks.
    session: Option<SessionToken>,
    /// How old what it has read may have been, if that may be.
    stale: Option<Staleness>,
    /// Attempts of what it is about to ask that are open already.
    open: u32,
}

struct Inner {
    /// Those that the client was given.
    nodes: Vec<String>,
    /// Those that it has heard of since, and whoever follows their view.
    met: Mutex<HashMap<String, AbortHandle>>,
    links: Links<Asked, Answer>,
    leadership: watch::Sender<Leadership>,
    /// The last known leader, if nobody is there any more. Locked before `leadership` is.
    gone: Mutex<Option<Leadership>>,
    /// The last known leader, if it says itself that it does not lead.
    denial: Mutex<Option<follow::Denial>>,
    /// One for each request that may be asked of a second node while the first one is at it.
    hedges: Semaphore,
    /// Which node is asked next when no leader is known.
    turn: AtomicUsize,
    /// Whether any node was ever reached.
    reach: watch::Sender<Reach>,
    clock: UnixClock,
    entropy: Entropy,
}

impl Client {
    /// A client of the cluster that the nodes at these addresses belong to, with so many connections to
    /// each node. Nothing is connected before it is needed. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// [`ClientError::NotSent`] when no address is given.
    pub fn new(
        network: Arc<dyn Network>,
        nodes: Vec<String>,
        connections: usize,
    ) -> Result<Self, ClientError> {
        if nodes.is_empty() {
            return Err(ClientError::NotSent("no node address was given".to_owned()));
        }
        let inner = Arc::new(Inner {
            links: Links::new(network, Link::Client, connections),
            leadership: watch::Sender::default(),
            gone: Mutex::default(),
            denial: Mutex::default(),
            hedges: Semaphore::new(retry::HEDGES),
            turn: AtomicUsize::new(0),
            reach: watch::Sender::default(),
            clock: system_clock(),
            entropy: Entropy::from_system(),
            nodes,
            met: Mutex::default(),
        });
        for address in &inner.nodes {
            tokio::spawn(follow::follow_leadership(Arc::downgrade(&inner), address.clone()));
        }
        Ok(Self { inner, session: None, stale: None, open: 0 })
    }

    /// The same cluster, asked for what was asked for before under the same request id, and whose outcome is not known:
    /// by a client of another process, for instance. It is said to be refused, or not done, only if it never was done.
    #[must_use]
    pub fn again(&self) -> Self {
        Self { open: 1, ..self.clone() }
    }

    /// A fresh request id. Keep it to ask [`again`](Self::again) after [`ClientError::Unsettled`].
    pub fn request_id(&self) -> RequestId {
        RequestId::new((self.inner.clock)(), self.inner.entropy.bits())
    }

    /// What this client knows of the leadership, and a wake-up when that changes.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.inner.leadership.subscribe()
    }

    /// Whether any node was reached so far, and a wake-up when that changes.
    pub fn reached(&self) -> watch::Receiver<Reach> {
        self.inner.reach.subscribe()
    }

    /// Takes a view of an image and gets its key.
    ///
    /// # Errors
    /// [`ClientError`]; [`Refusal::QuotaUsedUp`] when no view is left.
    pub async fn open_view(
        &self,
        request: RequestId,
        viewer: UserName,
        image: ImageId,
        deadline: Instant,
    ) -> Result<Opened, ClientError> {
        match self.execute(request, Change::OpenView(OpenView { viewer, image }), deadline).await? {
            Reply::Opened { key, views_left, revision } => Ok(Opened { key, views_left, revision }),
            other => Err(protocol(&other)),
        }
    }

    /// Sets the views that a viewer has left; 0 revokes. Gives them back as the directory has them.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn set_grant(
        &self,
        request: RequestId,
        grant: SetGrant,
        deadline: Instant,
    ) -> Result<u32, ClientError> {
        match self.execute(request, Change::SetGrant(grant), deadline).await? {
            Reply::Granted { views_left, .. } => Ok(views_left),
            other => Err(protocol(&other)),
        }
    }

    /// Seals a file: asks the leader for a worker, sends the file there, and to another one if that
    /// fails.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn seal(
        &self,
        request: RequestId,
        owner: UserName,
        grants: BTreeMap<UserName, u32>,
        original: Bytes,
        deadline: Instant,
    ) -> Result<Sealed, ClientError> {
        let image = NewImage { grants, ..NewImage::of(owner) };
        self.seal_image(request, image, original, deadline).await
    }

    /// Seals a file, and says what is to be known of it from the beginning.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn seal_image(
        &self,
        request: RequestId,
        image: NewImage,
        original: Bytes,
        deadline: Instant,
    ) -> Result<Sealed, ClientError> {
        let seal = Request::Seal { request, image, original };
        let answer = self.inner.ask_worker(&self.asked(seal), self.open, deadline).await;
        match answer.map_err(|error| self.inner.explain(error))? {
            Reply::Sealed { image, png } => Ok(Sealed { image, png }),
            other => Err(protocol(&other)),
        }
    }

    /// One page of the images that a user owns or may view. The next one begins where it says.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn list(
        &self,
        user: UserName,
        after: Option<ListPlace>,
        deadline: Instant,
    ) -> Result<ListPage, ClientError> {
        match self.read(Query::List { user, after }, deadline).await? {
            Reply::List(page) => Ok(page),
            other => Err(protocol(&other)),
        }
    }

    /// The permission block of an image as it is now. What it says is the cluster's word once its signature
    /// is [verified](SignedBlock::verify).
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn block(&self, image: ImageId, deadline: Instant) -> Result<SignedBlock, ClientError> {
        let answer = self.read(Query::Block { image }, deadline).await?;
        match &answer {
            Reply::Block { block } => SignedBlock::decode(block).map_err(|_| protocol(&answer)),
            other => Err(protocol(other)),
        }
    }

    /// Who the members are, as the leader knows them.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn members(&self, deadline: Instant) -> Result<Vec<MemberRole>, ClientError> {
        match self.ask_leader(Request::Members, deadline).await? {
            Reply::Members(members) => {
                self.inner.learn_members(&members);
                Ok(members)
            }
            other => Err(protocol(&other)),
        }
    }

    /// Makes a node a member, and waits until it has caught up and has a vote. Nothing happens if it is a
    /// member already. One that does not catch up in time is not made a member.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn add_member(&self, member: Member, deadline: Instant) -> Result<(), ClientError> {
        // What is left is for the answer to travel.
        let patience = deadline.saturating_duration_since(Instant::now()).mul_f64(ADD_SHARE);
        let add = Request::AddMember { member, patience_ms: patience.as_millis() as u64 };
        match self.ask_leader(add, deadline).await? {
            Reply::MemberAdded => Ok(()),
            other => Err(protocol(&other)),
        }
    }

    /// Makes a node a member no longer. Nothing happens if it is none.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn remove_member(&self, id: NodeId, deadline: Instant) -> Result<(), ClientError> {
        match self.ask_leader(Request::RemoveMember { id }, deadline).await {
            // An earlier attempt, by whomever, has done it.
            Ok(Reply::MemberRemoved) | Err(ClientError::Membership(MemberError::Unknown { .. })) => Ok(()),
            Ok(other) => Err(protocol(&other)),
            Err(error) => Err(error),
        }
    }

    /// Who leads.
    ///
    /// # Errors
    /// [`ClientError::TimedOut`] when nobody is known to in time.
    pub async fn leader(&self, deadline: Instant) -> Result<(u64, Member), ClientError> {
        let (began, mut leadership) = (Instant::now(), self.leadership());
        let known = tokio::time::timeout_at(deadline, leadership.wait_for(|now| now.leader.is_some())).await;
        if let Ok(Ok(now)) = &known
            && let Some(leader) = &now.leader
        {
            return Ok((now.term, leader.clone()));
        }
        let last = "nobody is known to lead".to_owned();
        Err(self.inner.explain(ClientError::TimedOut { waited: began.elapsed(), last }))
    }

    /// Has another node lead, a certain one or the one whose log is most complete, and says which one leads then.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn transfer_leadership(
        &self,
        to: Option<NodeId>,
        deadline: Instant,
    ) -> Result<Member, ClientError> {
        // Whatever attempts it takes, the leadership moves once.
        let (term, _) = self.leader(deadline).await?;
        let reply = self.ask_leader(Request::TransferLeadership { term, to }, deadline).await?;
        let Reply::Leadership(Leadership { leader: Some(leader), .. }) = reply else {
            return Err(protocol(&reply));
        };
        match to {
            Some(id) if id != leader.id => Err(TransferError::Elsewhere { id, leader: leader.id }.into()),
            _ => Ok(leader),
        }
    }

    /// By which key the cluster signs, and by which the user finds their own grants in permission blocks. A majority of
    /// the nodes has to say that the session lives.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn keys(&self, deadline: Instant) -> Result<Keys, ClientError> {
        // The leader if it is known, else whoever is next: any node answers that hears of the leader.
        match self.ask_leader(Request::Keys, deadline).await? {
            Reply::Keys { cluster, finder } => Ok(Keys { cluster, finder }),
            other => Err(protocol(&other)),
        }
    }

    /// Puts all content keys under the newest key-encryption key that the leader has, and says its number and how many
    /// content keys there were.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn rewrap(&self, deadline: Instant) -> Result<(KeyNumber, u64), ClientError> {
        match self.ask_leader(Request::Rewrap, deadline).await? {
            Reply::Rewrapped { under, count } => Ok((under, count)),
            other => Err(protocol(&other)),
        }
    }

    async fn execute(
        &self,
        request: RequestId,
        change: Change,
        deadline: Instant,
    ) -> Result<Reply, ClientError> {
        self.ask_leader(Request::Execute { request, change }, deadline).await
    }

    async fn ask_leader(&self, request: Request, deadline: Instant) -> Result<Reply, ClientError> {
        let answer = self.inner.ask_leader(&self.asked(request), self.open, deadline).await;
        answer.map_err(|error| self.inner.explain(error))
    }

    fn asked(&self, request: Request) -> Asked {
        Asked { session: self.session.clone(), request }
    }

    /// Asks one node, once, within `patience`: how are you?
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn status(&self, address: &str, patience: Duration) -> Result<NodeStatus, AskError> {
        match self.ask_node(address, Request::Status, patience).await? {
            Reply::Status(status) => Ok(*status),
            other => Err(AskError::unexpected(&other)),
        }
    }

    /// Where the writes that one node led have spent their time.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn write_stages(&self, address: &str, patience: Duration) -> Result<Vec<StageTimes>, AskError> {
        match self.ask_node(address, Request::WriteStages, patience).await? {
            Reply::WriteStages(times) => Ok(times),
            other => Err(AskError::unexpected(&other)),
        }
    }

    /// All users that one node holds, sorted.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn users_of(&self, address: &str, patience: Duration) -> Result<Vec<UserName>, AskError> {
        let mut users = Vec::new();
        loop {
            match self.ask_stale(address, Query::Users { after: users.last().cloned() }, patience).await? {
                Reply::Users(page) if page.is_empty() => return Ok(users),
                Reply::Users(page) => users.extend(page),
                other => return Err(AskError::unexpected(&other)),
            }
        }
    }

    /// All images and grants that one node holds, sorted by id.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn images_of(&self, address: &str, patience: Duration) -> Result<Vec<ImageSummary>, AskError> {
        let mut images: Vec<ImageSummary> = Vec::new();
        loop {
            let after = images.last().map(|summary| summary.image);
            match self.ask_stale(address, Query::Images { after }, patience).await? {
                Reply::Images(page) if page.is_empty() => return Ok(images),
                Reply::Images(page) => images.extend(page),
                other => return Err(AskError::unexpected(&other)),
            }
        }
    }

    /// The hash of one node's directory, and the log index it belongs to.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn hash_of(&self, address: &str, patience: Duration) -> Result<(u64, [u8; 32]), AskError> {
        match self.ask_stale(address, Query::Hash, patience).await? {
            Reply::Hash { applied, hash } => Ok((applied, hash)),
            other => Err(AskError::unexpected(&other)),
        }
    }

    /// Waits until a node's view of the leadership differs from `seen`, at most a second.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn watch_leadership(&self, address: &str, seen: Leadership) -> Result<Leadership, AskError> {
        match self.ask_node(address, Request::WatchLeadership { seen }, follow::WATCH_PATIENCE).await? {
            Reply::Leadership(leadership) => Ok(leadership),
            other => Err(AskError::unexpected(&other)),
        }
    }

    async fn ask_stale(&self, address: &str, query: Query, patience: Duration) -> Result<Reply, AskError> {
        let read = Request::Read { query, consistency: Consistency::Stale };
        match self.ask_node(address, read, patience).await? {
            Reply::Stale { reply, .. } => Ok(*reply),
            other => Err(AskError::unexpected(&other)),
        }
    }

    async fn ask_node(&self, address: &str, request: Request, patience: Duration) -> Result<Reply, AskError> {
        Ok(self.inner.ask_once(address, &self.asked(request), patience).await??)
    }

    /// The addresses this client was given.
    pub fn nodes(&self) -> &[String] {
        &self.inner.nodes
    }
}

/// Why one node, asked once, did not answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It was not reached or did not answer in time.
    #[error(transparent)]
    Call(#[from] CallError),
    /// It answered with an error.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// It answered something else.
    #[error("node answered another question: {0}")]
    Protocol(String),
}

impl AskError {
    fn unexpected(reply: &Reply) -> Self {
        Self::Protocol(variant(reply))
    }
}

fn protocol(reply: &Reply) -> ClientError {
    ClientError::Protocol(variant(reply))
}

/// The reply's name without its content, which may be long or secret.
fn variant(reply: &Reply) -> String {
    let text = format!("{reply:?}");
    text.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
}

impl Inner {
    /// Whom to ask: the leader if it is known, else the next node in turn.
    fn target(&self) -> String {
        let known = self.leadership.borrow().clone();
        if let Some(leader) = &known.leader
            && !self.is_denied(&known)
        {
            return leader.client.clone();
        }
        // Who is gone is asked only when there is nobody else. Who denies to lead may lead later.
        self.next_but(|address| self.is_gone(address)).unwrap_or_else(|| self.nodes[0].clone())
    }

    /// The next node in turn, of those that are not left out.
    fn next_but(&self, left_out: impl Fn(&str) -> bool) -> Option<String> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let met = self.met.lock();
        let known: Vec<_> =
            self.nodes.iter().chain(met.keys()).filter(|address| !left_out(address)).collect();
        known.get(turn % known.len().max(1)).map(|address| (*address).clone())
    }
}
