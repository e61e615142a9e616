//! What a node does for clients and for other nodes.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{
    admission::{Admission, Asker, Known},
    health::Health,
    keys::SharedKeys,
    loading,
    metrics::Metrics,
    newcomer::Newcomers,
    presence::Presence,
    rewrap::Rewrapper,
    sealing::Sealing,
    size::{Beginning, LargeKind, STRANGERS_LIMIT, memory_of_answer},
    under_way::UnderWay,
};
use crate::{
    consensus::{
        BarrierError, ChangeError, Consensus, PeerAnswer, PeerRequest, ProposeError, Stage, Time,
        TransferFailure,
    },
    directory::{
        self, Actor, Directory, Effect, Image, ImageId, PAGE_LIMIT, Query, Refusal, RequestId, UserName, Wish,
    },
    identity::{SessionId, SessionToken},
    seal::Subject,
    wire::{
        client::{
            ADD_PATIENCE_MAX_MS, Answer, Asked, Change, Consistency, ImageSummary, Leadership, Member,
            NodeId, NodeStatus, Reply, Request, ServiceError, WATCH_PATIENCE_MS,
        },
        server::{Caller, Service},
    },
};

/// How long a change may wait for its commit before the client is told that it is unsettled.
const COMMIT_PATIENCE: Duration = Duration::from_secs(5);
/// How long a linearizable read may wait for a majority.
const READ_PATIENCE: Duration = Duration::from_secs(2);

/// How long who asks a node that does not lead waits for the name of one that does.
const NAME_PATIENCE: Duration = Duration::from_millis(50);

/// Answers clients.
pub(super) struct ClientService {
    pub(super) id: NodeId,
    pub(super) consensus: Consensus,
    pub(super) keys: SharedKeys,
    pub(super) admission: Admission,
    pub(super) presence: Mutex<Presence>,
    pub(super) rewrapper: Rewrapper,
    pub(super) newcomers: Newcomers,
    pub(super) began: Instant,
    pub(super) health: Arc<Health>,
    pub(super) sealing: Sealing,
    pub(super) metrics: Arc<Metrics>,
    pub(super) under_way: Arc<UnderWay>,
}

impl Service for ClientService {
    type Request = Asked;
    type Answer = Answer;

    async fn answer(self: Arc<Self>, caller: Caller, Asked { session, request }: Asked) -> Answer {
        if !caller.is_known() && session.as_ref().is_some_and(|token| self.lives(token)) {
            caller.vouch();
        }
        let measured = self.metrics.begin(&request);
        let under_way = match request {
            // Who only wants to be told is not waited for by a node that stops, and is told when it has.
            Request::WatchLeadership { .. } => Some(None),
            _ => self.under_way.begin().map(Some),
        };
        let answer = match under_way {
            Some(_under_way) => self.answer_asker(Asker::new(&caller, session.as_ref()), request).await,
            None => Err(self.not_leader().await),
        };
        measured.end(&answer);
        answer
    }

    async fn admit(
        self: Arc<Self>,
        caller: Caller,
        beginning: Bytes,
        length: usize,
    ) -> Result<usize, Answer> {
        let Beginning { session, kind } = Beginning::of(&beginning);
        let asker = Asker::new(&caller, session.as_ref());
        if length > STRANGERS_LIMIT && asker.actor != Actor::Operator {
            let wish = match kind {
                LargeKind::Restore => Wish::Cluster,
                LargeKind::Seal | LargeKind::Other => Wish::User,
            };
            self.authorise(asker.actor, wish).await.map_err(Err)?;
        }
        kind.check(length).map_err(Err)?;
        Ok(kind.memory(length))
    }

    fn weigh(&self, Asked { request, .. }: &Asked) -> usize {
        memory_of_answer(request)
    }

    fn crowded(&self, used: usize, limit: usize) -> Option<Answer> {
        let what = "bytes of requests and answers of your address".to_owned();
        Some(Err(ServiceError::Busy { what, waiting: used as u64, limit: limit as u64 }))
    }

    fn gone(&self, caller: &Caller) {
        self.presence.lock().lose(caller.connection, self.began.elapsed());
    }
}

impl ClientService {
    /// Whether this node knows the session.
    fn lives(&self, token: &SessionToken) -> bool {
        let (actor, now_ms) = (Actor::Session(token.id()), self.consensus.time().now_ms);
        self.consensus.look(|directory, _| directory.identify(actor, now_ms).is_ok())
    }

    async fn answer_asker(&self, asker: Asker, request: Request) -> Answer {
        match request {
            Request::Status => Ok(Reply::Status(Box::new(self.status()))),
            Request::WriteStages => Ok(Reply::WriteStages(self.consensus.stages().times())),
            Request::WatchLeadership { seen } => Ok(Reply::Leadership(self.watch_leadership(seen).await)),
            Request::Execute { request, change } => self.execute(&asker, request, change).await,
            Request::AssignWorker { avoid } => self.assign_worker(&asker, &avoid).await,
            Request::Seal { request, image, original } => {
                self.authorise(asker.actor, Wish::Seal { owner: &image.owner }).await?;
                self.sealing.seal(request, asker.actor, image, original).await
            }
            Request::Read { query, consistency } => self.read(asker.actor, query, consistency).await,
            Request::Members => match self.consensus.roles().await {
                Ok(roles) => Ok(Reply::Members(roles)),
                Err(error) => Err(self.not_confirmed(error).await),
            },
            Request::AddMember { member, patience_ms } => {
                self.authorise(asker.actor, Wish::Cluster).await?;
                let patience = Duration::from_millis(patience_ms.min(ADD_PATIENCE_MAX_MS));
                self.add_member(member, patience).await
            }
            Request::RemoveMember { id } => {
                self.authorise(asker.actor, Wish::Cluster).await?;
                match self.consensus.remove_member(id).await {
                    Ok(()) => Ok(Reply::MemberRemoved),
                    Err(error) => Err(self.not_changed(error).await),
                }
            }
            Request::Keys => {
                // A session that has ended elsewhere may live on here.
                self.within_patience(self.consensus.read_barrier()).await?;
                let user = self.consensus.look(|directory, _| {
                    let caller = self.identify(directory, asker.actor, true)?;
                    directory.authorise(&caller, Wish::User).map_err(ServiceError::Declined)?;
                    caller.into_user().ok_or(ServiceError::Declined(Refusal::NoSession))
                })?;
                let keys = self.keys.get();
                Ok(Reply::Keys { cluster: keys.public(), finder: keys.finder(&user) })
            }
            Request::Challenge => {
                let nonce = self.admission.entropy.bits().to_be_bytes();
                Ok(Reply::Challenge(self.keys.get().challenge(self.consensus.time().now_ms, nonce)))
            }
            Request::TransferLeadership { term, to } => self.transfer_leadership(&asker, term, to).await,
            Request::CheckKeys { in_use, keys } => {
                if !self.leads() {
                    return Err(self.not_leader().await);
                }
                self.authorise(asker.actor, Wish::Cluster).await?;
                let checked = loading::check_keys(self.keys.get().ring(), in_use, &keys);
                checked.map(|()| Reply::Done).map_err(ServiceError::Refused)
            }
            Request::Rewrap => {
                if !self.leads() {
                    return Err(self.not_leader().await);
                }
                self.authorise(asker.actor, Wish::Cluster).await?;
                self.rewrapper.rewrap().await
            }
            Request::Announce { address, offers } => self.announce(&asker, address, offers).await,
            Request::Heartbeat => {
                self.at_presence(&asker, |presence, session, now| {
                    let known = presence.beat(session, asker.connection, now);
                    Reply::Heard { known, interval_ms: presence.interval().as_millis() as u64 }
                })
                .await
            }
            Request::Leave => {
                self.at_presence(&asker, |presence, session, _| {
                    presence.remove(session);
                    Reply::Heard { known: false, interval_ms: presence.interval().as_millis() as u64 }
                })
                .await
            }
            Request::Online { after } => {
                self.at_presence(&asker, |presence, _, now| {
                    let peers = presence.online(after.as_ref(), now, self.living());
                    Reply::Online { peers, settled: presence.is_settled(now) }
                })
                .await
            }
            Request::Locate { user } => {
                self.at_presence(&asker, |presence, _, now| {
                    let peers = presence.of(&user, now, self.living());
                    Reply::Online { peers, settled: presence.is_settled(now) }
                })
                .await
            }
        }
    }

    async fn announce(&self, asker: &Asker, address: String, offers: Vec<ImageId>) -> Answer {
        let Leading { user, session, term } = self.leading(asker).await?;
        let (mut presence, now) = (self.presence.lock(), self.began.elapsed());
        presence.enter(term, now);
        let announced = presence.announce(session, user, (address, offers), asker.connection, now);
        announced.map_err(ServiceError::Presence)?;
        Ok(Reply::Heard { known: true, interval_ms: presence.interval().as_millis() as u64 })
    }

    /// Asks who is online, or tells.
    async fn at_presence(
        &self,
        asker: &Asker,
        ask: impl FnOnce(&mut Presence, SessionId, Duration) -> Reply,
    ) -> Answer {
        let Leading { session, term, .. } = self.leading(asker).await?;
        let (mut presence, now) = (self.presence.lock(), self.began.elapsed());
        presence.enter(term, now);
        Ok(ask(&mut presence, session, now))
    }

    /// Who asks, in which session, if this node leads.
    async fn leading(&self, asker: &Asker) -> Result<Leading, ServiceError> {
        if !self.leads() {
            return Err(self.not_leader().await);
        }
        let term = self.consensus.leadership().borrow().term;
        let user = self.authorise(asker.actor, Wish::User).await?;
        let (user, session) = user.zip(asker.session()).ok_or(ServiceError::Declined(Refusal::NoSession))?;
        Ok(Leading { user, session, term })
    }

    /// Tells whether a session lives: one that was ended is online no more.
    fn living(&self) -> impl Fn(SessionId) -> bool + use<> {
        let (directory, now_ms) = (self.consensus.directory().0, self.consensus.time().now_ms);
        move |session| directory.identify(Actor::Session(session), now_ms).is_ok()
    }

    /// Whether the directory as it is here lets somebody have their wish, and which user it is.
    /// A leader that has just been elected may not have applied yet what it leads: it refuses only what it has made
    /// sure of.
    async fn authorise(&self, actor: Actor, wish: Wish<'_>) -> Result<Option<UserName>, ServiceError> {
        let here = self.consensus.look(|directory, _| self.authorise_in(directory, actor, wish));
        if !matches!(here, Err(ServiceError::Declined(_))) || !self.leads() {
            return here;
        }
        self.confirm().await?;
        self.consensus.look(|directory, _| self.authorise_in(directory, actor, wish))
    }

    fn authorise_in(
        &self,
        directory: &Directory,
        actor: Actor,
        wish: Wish<'_>,
    ) -> Result<Option<UserName>, ServiceError> {
        let caller = self.identify(directory, actor, self.leads())?;
        directory.authorise(&caller, wish).map_err(ServiceError::Declined)?;
        Ok(caller.into_user())
    }

    /// Looks up whose session it is. That there is none, or none any more, is for the directory to say, if it is
    /// `up_to_date` here, and for the clock of a leader who has it from a majority that it is right: other nodes may not
    /// know the session yet, and their clocks may be ahead.
    fn identify(
        &self,
        directory: &Directory,
        actor: Actor,
        up_to_date: bool,
    ) -> Result<directory::Caller, ServiceError> {
        let Time { now_ms, agreed } = self.consensus.time();
        // As long as nobody says which of the two is wrong, a session has to live by both.
        let now_ms = if agreed { now_ms } else { now_ms.max(directory.clock_ms()) };
        directory.identify(actor, now_ms).map_err(|refusal| {
            let ended = directory.identify(actor, directory.clock_ms()).is_err() || (agreed && self.leads());
            match up_to_date && ended {
                true => ServiceError::Declined(refusal),
                false => ServiceError::Behind,
            }
        })
    }

    fn leads(&self) -> bool {
        self.consensus.leadership().borrow().leader.as_ref().is_some_and(|leader| leader.id == self.id)
    }

    pub(super) fn status(&self) -> NodeStatus {
        let progress = self.consensus.progress();
        let (users, images) = self.consensus.look(|directory, _| directory.counts());
        NodeStatus {
            node: self.id,
            disk: self.consensus.disk().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            leadership: self.consensus.leadership().borrow().clone(),
            members: self.consensus.members(),
            applied: progress.applied,
            first_log: progress.first_log,
            last_log: progress.last_log,
            snapshot: progress.snapshot,
            health: self.health.own(),
            users: users as u64,
            images: images as u64,
            wrapping_keys: self.keys.get().ring().numbers().collect(),
            alarms: self.consensus.alarms().active(),
            clock_off_ms: self.consensus.clock().off_ms(),
        }
    }

    /// Makes a node a member, if it is where it is said to be. Nothing changes before that is known.
    async fn add_member(&self, member: Member, patience: Duration) -> Answer {
        let until = Instant::now() + patience;
        self.confirm().await?;
        self.newcomers.check(&member, patience).await.map_err(ServiceError::Membership)?;
        let left = until.saturating_duration_since(Instant::now());
        match self.consensus.add_member(member, left).await {
            Ok(()) => Ok(Reply::MemberAdded),
            Err(error) => Err(self.not_changed(error).await),
        }
    }

    async fn watch_leadership(&self, seen: Leadership) -> Leadership {
        let mut leadership = self.consensus.leadership();
        let changed = leadership.wait_for(|now| *now != seen);
        // Without a change the client is told the same again, which shows that this node is alive.
        let _ = tokio::time::timeout(Duration::from_millis(WATCH_PATIENCE_MS), changed).await;
        leadership.borrow().clone()
    }

    /// Has another node lead than the leader of `term`.
    async fn transfer_leadership(&self, asker: &Asker, term: u64, to: Option<NodeId>) -> Answer {
        if !self.leads() {
            return Err(self.not_leader().await);
        }
        self.authorise(asker.actor, Wish::Cluster).await?;
        let known = self.consensus.leadership().borrow().clone();
        if known.term > term {
            // It was moved already, by an earlier attempt most likely.
            return Ok(Reply::Leadership(known));
        }
        match self.consensus.transfer(to).await {
            Ok(leadership) => Ok(Reply::Leadership(leadership)),
            Err(TransferFailure::NotLeader) => Err(self.not_leader().await),
            Err(TransferFailure::Refused(error)) => Err(ServiceError::Transfer(error)),
            Err(TransferFailure::Stopped(reason)) => Err(ServiceError::Unsettled(reason)),
        }
    }

    async fn execute(&self, asker: &Asker, request: RequestId, change: Change) -> Answer {
        let arrived = Instant::now();
        if !self.leads() {
            return Err(self.not_leader().await);
        }
        if change.needs_proof() {
            // Checked against what is true now: by the leader alone, when a majority says that it is.
            self.confirm().await?;
        }
        let known = self.consensus.look(|directory, _| Known::of(directory, request, &change));
        let (actor, action) = self.admission.admit(asker, change, &known).await?;
        if !known.answered && self.leads() {
            // What would be refused anyway need not be written to every disk first.
            let allowed = self.authorise(actor, Wish::Action(&action)).await;
            // It may have been done meanwhile, by another attempt, and be refused for that very reason.
            if !self.consensus.look(|directory, _| directory.has_answered(request)) {
                allowed?;
            }
        }
        if self.leads() {
            self.consensus.stages().record(Stage::Frame, arrived.elapsed());
        }
        let proposal = self.consensus.propose(request, actor, action);
        let Ok(proposed) = tokio::time::timeout(COMMIT_PATIENCE, proposal).await else {
            let reason = format!("not committed within {COMMIT_PATIENCE:?}");
            return Err(ServiceError::Unsettled(reason));
        };
        let answer = match proposed {
            Ok(answer) => answer,
            Err(ProposeError::NotLeader) => return Err(self.not_leader().await),
            Err(error) => return Err(not_taken(error)),
        };
        match answer.map_err(refused)? {
            Effect::Registered => Ok(Reply::Registered),
            Effect::Opened { image, key, views_left, revision } => {
                // Asked again, it may have been opened before its owner took it back, and be remembered.
                if self.consensus.look(|directory, _| directory.image(image).is_none()) {
                    return Err(ServiceError::Declined(Refusal::AnsweredBefore { request }));
                }
                let key = self.keys.get().ring().unwrap(image, &key);
                let key = key.map_err(|error| done_and_not_told(&error))?;
                Ok(Reply::Opened { key, views_left, revision })
            }
            Effect::Granted { views_left, revision } => Ok(Reply::Granted { views_left, revision }),
            Effect::LoggedIn { expires_ms } => Ok(Reply::LoggedIn { expires_ms }),
            Effect::SessionsEnded { count } => Ok(Reply::SessionsEnded { count }),
            Effect::Done => Ok(Reply::Done),
            Effect::Restored { count } => Ok(Reply::Restored { count }),
            Effect::ClockSet { was_ms, clock_ms } => Ok(Reply::ClockSet { was_ms, clock_ms }),
            // No change that a user may ask for records an image, or rewraps keys.
            Effect::Recorded { .. } | Effect::Rewrapped { .. } => {
                Err(done_and_not_told(&"it has the answer to another change"))
            }
        }
    }

    async fn assign_worker(&self, asker: &Asker, avoid: &[NodeId]) -> Answer {
        let leader = self.consensus.leadership().borrow().leader.clone();
        match leader {
            Some(leader) if leader.id == self.id => {
                self.authorise(asker.actor, Wish::User).await?;
                let members = self.consensus.members();
                let named = self.health.assign(avoid);
                // Just elected, without a sample of anybody: do it here.
                let worker = named.and_then(|id| members.into_iter().find(|member| member.id == id));
                Ok(Reply::Worker(worker.unwrap_or(leader)))
            }
            _ => Err(self.not_leader().await),
        }
    }

    /// Waits until a majority says that this node leads, and the local directory reflects every change acknowledged
    /// before.
    async fn confirm(&self) -> Result<(), ServiceError> {
        self.within_patience(self.consensus.leader_barrier()).await
    }

    async fn within_patience(
        &self,
        barrier: impl Future<Output = Result<(), BarrierError>>,
    ) -> Result<(), ServiceError> {
        match tokio::time::timeout(READ_PATIENCE, barrier).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.not_confirmed(error).await),
            Err(_) => Err(ServiceError::Unconfirmed(format!("no majority within {READ_PATIENCE:?}"))),
        }
    }

    async fn read(&self, actor: Actor, query: Query, consistency: Consistency) -> Answer {
        if consistency == Consistency::Linearizable {
            self.within_patience(self.consensus.read_barrier()).await?;
        }
        // First: what is applied meanwhile only makes it younger.
        let age = self.consensus.age();
        let answered = self.consensus.look(|directory, applied| {
            // Whom the directory does not know now, nobody knows.
            let up_to_date = consistency == Consistency::Linearizable || self.leads();
            let caller = self.identify(directory, actor, up_to_date)?;
            directory.authorise(&caller, Wish::Query(&query)).map_err(ServiceError::Declined)?;
            match query {
                // About one thing: answered sooner than the directory is cloned, and what is applied copies nothing.
                Query::Image { .. }
                | Query::Sessions { .. }
                | Query::MyGroups { .. }
                | Query::Limits
                | Query::Usage { .. } => self.answer_query(query, directory, applied).map(Answered::Now),
                query => Ok(Answered::Later(query, Box::new(directory.clone()), applied)),
            }
        });
        let reply = match answered? {
            Answered::Now(reply) => reply,
            Answered::Later(Query::Hash, directory, applied) => hash(directory, applied).await?,
            Answered::Later(query, directory, applied) => self.answer_query(query, &directory, applied)?,
        };
        Ok(match consistency {
            Consistency::Linearizable => reply,
            Consistency::Stale => {
                let age_ms = age.map(|age| age.as_micros().div_ceil(1_000) as u64);
                Reply::Stale { age_ms, reply: Box::new(reply) }
            }
        })
    }

    fn answer_query(&self, query: Query, directory: &Directory, applied: u64) -> Answer {
        match query {
            Query::List { user, after } => Ok(Reply::List(directory.list(&user, after, PAGE_LIMIT))),
            Query::Users { after } => Ok(Reply::Users(directory.users(after.as_ref(), PAGE_LIMIT))),
            Query::Images { after } => {
                let page = directory.images(after, PAGE_LIMIT);
                Ok(Reply::Images(page.into_iter().map(|(id, image)| ImageSummary::new(id, image)).collect()))
            }
            Query::Block { image } => self.block(directory, image),
            Query::Sessions { user } => {
                Ok(Reply::Sessions(directory.sessions(&user, self.consensus.time().now_ms)))
            }
            Query::Owned { user, after } => Ok(Reply::Listing(directory.owned(&user, after, PAGE_LIMIT))),
            Query::Image { user, image } => match directory.details(&user, image) {
                Some(details) => Ok(Reply::Image(Box::new(details))),
                None => Err(ServiceError::Declined(Refusal::UnknownImage { image })),
            },
            Query::Views { image, after, .. } => Ok(Reply::Views(directory.views(image, after, PAGE_LIMIT))),
            Query::Requests { user, after } => {
                Ok(Reply::Requests(directory.requests(&user, after.as_ref(), PAGE_LIMIT)))
            }
            Query::Inbox { user, after } => Ok(Reply::Inbox(directory.inbox(&user, after, PAGE_LIMIT))),
            Query::Groups { after } => Ok(Reply::Groups(directory.groups(after.as_ref(), PAGE_LIMIT))),
            Query::MyGroups { user } => Ok(Reply::MyGroups(directory.groups_of(&user))),
            Query::GroupMembers { group, after, .. } => {
                Ok(Reply::GroupMembers(directory.members(&group, after.as_ref(), PAGE_LIMIT)))
            }
            Query::JoinRequests { group, after, .. } => {
                Ok(Reply::JoinRequests(directory.join_requests(&group, after.as_ref(), PAGE_LIMIT)))
            }
            Query::GroupImages { group, after, .. } => {
                Ok(Reply::Listing(directory.group_images(&group, after, PAGE_LIMIT)))
            }
            Query::Dump { from } => {
                let records = directory.dump(&from);
                let records = records.map_err(|error| ServiceError::Internal(error.to_string()))?;
                Ok(Reply::Dump { applied, records })
            }
            Query::Limits => Ok(Reply::Limits(Box::new(directory.limits()))),
            Query::Usage { user } => {
                let (usage, quotas) = (directory.usage(&user), Box::new(directory.quotas()));
                Ok(Reply::Usage { usage, quotas })
            }
            Query::Blocked { user } => Ok(Reply::Blocked(directory.blocked(&user))),
            // It takes a thread of its own.
            Query::Hash => Err(ServiceError::Internal("a hash was asked for in the wrong place".to_owned())),
        }
    }

    fn block(&self, directory: &Directory, image: ImageId) -> Answer {
        let unknown = || ServiceError::Declined(Refusal::UnknownImage { image });
        let record = directory.image(image).ok_or_else(unknown)?;
        let Image { owner, key, media, length, digest, revision, grants, owner_key, body, .. } = record;
        let internal = |error: &dyn std::fmt::Display| ServiceError::Internal(error.to_string());
        let key = self.keys.get().ring().unwrap(image, key).map_err(|error| internal(&error))?;
        let subject = Subject {
            image,
            owner,
            owner_key: *owner_key,
            media: *media,
            original_len: *length,
            digest,
            key: &key,
            body: *body,
        };
        let grants = grants.iter().map(|(viewer, grant)| (viewer, grant.left));
        let signed = subject.block(grants, *revision, self.consensus.time().now_ms, &self.keys.get());
        let signed = signed.map_err(|error| internal(&error))?;
        Ok(Reply::Block { block: Bytes::copy_from_slice(signed.as_bytes()) })
    }

    /// Says who leads. Where nobody is known to, or this node is about to hand over, a name is waited for a little: who
    /// asked need not ask around.
    async fn not_leader(&self) -> ServiceError {
        let mut leadership = self.consensus.leadership();
        let asked = leadership.borrow().clone();
        let named = leadership
            .wait_for(|now| now.leader.as_ref().is_some_and(|leader| leader.id != self.id || *now != asked));
        let _ = tokio::time::timeout(NAME_PATIENCE, named).await;
        ServiceError::NotLeader(leadership.borrow().clone())
    }

    async fn not_confirmed(&self, error: BarrierError) -> ServiceError {
        match error {
            BarrierError::NotLeader => self.not_leader().await,
            BarrierError::Unconfirmed(reason) => ServiceError::Unconfirmed(reason),
        }
    }

    async fn not_changed(&self, error: ChangeError) -> ServiceError {
        match error {
            ChangeError::NotLeader => self.not_leader().await,
            ChangeError::Refused(error) => ServiceError::Membership(error),
            ChangeError::Unsettled(reason) => ServiceError::Unsettled(reason),
            ChangeError::Unconfirmed(reason) => ServiceError::Unconfirmed(reason),
        }
    }
}

/// A refusal by the log, as the client is told. That there is no room for an answer says nothing of the request itself,
/// which may have been taken when it was asked before, and is taken when it is asked again later.
pub(super) fn refused(refusal: Refusal) -> ServiceError {
    match refusal {
        Refusal::AnswersFull { value, limit } => {
            ServiceError::Busy { what: "bytes of remembered answers".to_owned(), waiting: value, limit }
        }
        refusal if refusal.is_remembered() => ServiceError::Refused(refusal),
        refusal => ServiceError::Declined(refusal),
    }
}

/// Why a change was not put into the log, or may not have been, as the client is told.
pub(super) fn not_taken(error: ProposeError) -> ServiceError {
    match error {
        ProposeError::Busy { limit } => {
            ServiceError::Busy { what: "proposals".to_owned(), waiting: limit, limit }
        }
        ProposeError::Full { limit } => {
            ServiceError::Busy { what: "bytes of proposals".to_owned(), waiting: limit, limit }
        }
        ProposeError::Clock(error) => ServiceError::Clock(error),
        ProposeError::Declined(refusal) => ServiceError::Declined(refusal),
        // Nobody has led for as long as it was waited for.
        error @ ProposeError::NotLeader => ServiceError::Unconfirmed(error.to_string()),
        ProposeError::Unsettled(reason) => ServiceError::Unsettled(reason),
    }
}

/// What went wrong after the change was made. Asked again, this node or another one may be able to tell its answer.
pub(super) fn done_and_not_told(error: &dyn std::fmt::Display) -> ServiceError {
    ServiceError::Unsettled(format!("it was done, and its answer cannot be told: {error}"))
}

/// What has become of a question.
enum Answered {
    Now(Reply),
    /// It takes longer, and Raft must not wait for it: it is answered from a copy.
    Later(Query, Box<Directory>, u64),
}

async fn hash(directory: Box<Directory>, applied: u64) -> Answer {
    let internal = |error: &dyn std::fmt::Display| ServiceError::Internal(error.to_string());
    let hashed = tokio::task::spawn_blocking(move || directory.hash()).await;
    let hash = hashed.map_err(|panic| internal(&panic))?.map_err(|error| internal(&error))?;
    Ok(Reply::Hash { applied, hash })
}

/// A user who asks the leader something.
struct Leading {
    user: UserName,
    session: SessionId,
    term: u64,
}

/// Answers other nodes. Runs where Raft runs.
pub(super) struct PeerService {
    pub(super) consensus: Consensus,
}

impl Service for PeerService {
    type Request = PeerRequest;
    type Answer = PeerAnswer;

    async fn answer(self: Arc<Self>, caller: Caller, request: PeerRequest) -> PeerAnswer {
        self.consensus.answer(request, caller.connection).await
    }

    fn gone(&self, caller: &Caller) {
        self.consensus.lose(caller.connection);
    }
}
