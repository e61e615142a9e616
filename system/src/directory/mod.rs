//! The replicated directory: users, sessions, groups, images, grants, requests, inboxes, and the answers already given.
//!
//! A pure state machine. [`Directory::apply`] is the only way to change it; it reads no clock, draws
//! no random number and does no I/O, so every node that applies the same commands in the same order
//! holds the same directory, down to its [`hash`](Directory::hash).
//!
//! One file a command, or a few that belong together. Who may do what is decided in `authorise` and nowhere else.

mod actor;
mod answers;
mod ask;
mod authorise;
mod backup;
mod block;
mod credentials;
mod crowd;
mod describe;
mod dump;
mod familiar;
mod forgotten;
mod gather;
mod grants;
mod group;
mod id;
mod inbox;
mod index;
mod list;
mod open_view;
mod packed;
mod query;
mod quotas;
mod record_earlier;
mod record_image;
mod refusal;
mod register;
mod restore;
mod rewrap;
mod sections;
mod session;
mod set_clock;
mod set_grant;
mod text;
mod upkeep;
mod usage;
mod view_log;
mod withdraw;
mod work;

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};

pub(crate) use self::text::is_unseen;
pub use self::{
    actor::{Actor, Caller},
    answers::{REQUEST_WINDOW_MS, in_time},
    ask::{AnswerRequest, Ask, AskForViews, MAX_ASKS, MAX_ASKS_OF_ONE, MAX_NOTE_LEN},
    authorise::Wish,
    backup::{Backup, BackupError, ImageLine},
    block::{Block, MAX_BLOCKED, Unblock},
    credentials::{SetKey, SetPassword},
    describe::{Describe, MAX_DESCRIPTION_LEN, MAX_TITLE_LEN, check_title, title_of},
    dump::{
        AskRecord, DUMP_VERSION, FIRST_DUMP_VERSION, GrantRecord, GroupRecord, Hex, ImageRecord, InboxRecord,
        JoinRecord, MAX_RECORDS, MAX_WEIGHT, MemberRecord, NoticeRecord, Place, Record, SettingsRecord,
        UserRecord, ViewRecord,
    },
    grants::Grants,
    group::{
        AnswerJoin, AskToJoin, CreateGroup, Group, JoinRequest, LeaveGroup, MAX_ADMINS, MAX_GROUP_GRANTS,
        MAX_GROUP_IMAGES, MAX_JOIN_REQUESTS, MAX_MEMBERS, Membership, RemoveMember, Role, SetGroupGrant,
        SetRole,
    },
    id::{GroupName, ImageId, InvalidId, InvalidName, RequestId, UserName},
    inbox::{Acknowledge, InboxPage, MAX_NOTICES, MAX_NOTICES_OF_ONE, Mailbox, Notice, Posted},
    list::{ListPage, ListPlace},
    open_view::OpenView,
    query::{ImageDetails, Listing, PAGE_LIMIT, Query},
    quotas::{Limits, Quota, Quotas, SetQuotas},
    record_earlier::RecordEarlier,
    record_image::RecordImage,
    refusal::Refusal,
    register::Register,
    restore::Restore,
    rewrap::{MAX_REWRAPPED, Rewrap},
    sections::{Export, Import, ImportError},
    session::{EndSession, EndSessions, LogIn, MAX_DEVICE_LEN, MAX_SESSION_MS, MAX_SESSIONS, Renew, Session},
    set_clock::SetClock,
    set_grant::SetGrant,
    upkeep::CLEARED_AT_ONCE,
    usage::Usage,
    view_log::{VIEWS_KEPT, View},
    withdraw::Withdraw,
    work::MAX_WORK,
};
use self::{
    answers::Payer,
    inbox::Subject,
    index::Index,
    refusal::{at_least, at_most},
    work::Work,
};
use crate::{
    identity::{FIRST_KEY, KeyNumber, PasswordHash, PublicKey, SessionId, WrappedKey},
    seal::{BodyHash, Media},
    wire::codec,
};

/// The most viewers one image can be granted to.
pub const MAX_GRANTS: usize = 48;
/// The most views one grant can hold.
pub const MAX_VIEWS: u32 = 1_000_000;

/// One entry of the replicated log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Names the request; a retry carries the same id and gets the first answer.
    pub request: RequestId,
    /// The proposing leader's clock, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// On whose behalf.
    pub actor: Actor,
    /// What is to be done.
    pub action: Action,
}

/// What a command does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Action {
    /// Makes a user known.
    Register(Register),
    /// Makes a sealed image known, as earlier versions did.
    RecordEarlier(RecordEarlier),
    /// Takes one view off a grant and releases the content key.
    OpenView(OpenView),
    /// Sets the views that a viewer has left, as earlier versions did.
    SetGrant(SetGrant),
    /// Begins a session.
    LogIn(LogIn),
    /// Prolongs a session.
    Renew(Renew),
    /// Ends a session.
    EndSession(EndSession),
    /// Ends all sessions but one.
    EndSessions(EndSessions),
    /// Changes a password.
    SetPassword(SetPassword),
    /// Changes a key.
    SetKey(SetKey),
    /// Puts content keys under another key-encryption key.
    Rewrap(Rewrap),
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
    /// Sets the views that a group has left, as earlier versions did.
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
    /// Brings records back that were dumped.
    Restore(Restore),
    /// Sets quotas.
    SetQuotas(SetQuotas),
    /// Blocks a user.
    Block(Block),
    /// Takes that back.
    Unblock(Unblock),
    /// Sets the directory's clock right.
    SetClock(SetClock),
    /// Makes a sealed image known, with its first grants.
    RecordImage(RecordImage),
    /// Sets the views that a viewer has left.
    GrantViews(SetGrant),
    /// Sets the views that a group has left.
    GrantViewsToGroup(SetGroupGrant),
}

/// What a command did, or why it was refused. A refusal changes nothing but the memory of itself.
pub type Answer = Result<Effect, Refusal>;

/// What a command did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Effect {
    /// The user is known.
    Registered,
    /// The image is known.
    Recorded {
        /// The key on record. A worker that retries another worker's sealing must seal under this one.
        key: WrappedKey,
        /// The owner's public key on record.
        owner_key: PublicKey,
    },
    /// One view was taken; the key may be handed to the viewer.
    Opened {
        /// The image.
        image: ImageId,
        /// The key that opens it.
        key: WrappedKey,
        /// Views the viewer has left after this one; `None` for the owner, who is not counted.
        views_left: Option<u32>,
        /// The image's revision after this view.
        revision: u64,
    },
    /// The grant was set.
    Granted {
        /// Views the viewer has left.
        views_left: u32,
        /// The image's revision after the change.
        revision: u64,
    },
    /// The session lives.
    LoggedIn {
        /// Until then, milliseconds since the Unix epoch.
        expires_ms: u64,
    },
    /// Sessions were ended.
    SessionsEnded {
        /// How many.
        count: u64,
    },
    /// Content keys were put under another key-encryption key.
    Rewrapped {
        /// How many.
        count: u64,
    },
    /// It is done; there is nothing more to say.
    Done,
    /// Records were brought back.
    Restored {
        /// How many that were not there yet.
        count: u64,
    },
    /// The clock was set.
    ClockSet {
        /// What it showed, milliseconds since the Unix epoch.
        was_ms: u64,
        /// What it shows now, likewise.
        clock_ms: u64,
    },
}

/// A registered user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// When the user registered, in milliseconds since the Unix epoch.
    pub registered_ms: u64,
    /// By which the user is known.
    pub key: PublicKey,
    /// What the user may log in with, beside the key.
    pub password: Option<PasswordHash>,
    /// Grows with every change of key or password.
    pub credentials: u64,
}

/// A recorded image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// Who sealed it.
    pub owner: UserName,
    /// The key that opens it.
    pub key: WrappedKey,
    /// What kind of file the original is.
    pub media: Media,
    /// The original's length in bytes.
    pub length: u64,
    /// BLAKE3 of the original.
    pub digest: [u8; 32],
    /// Grows with every view and every change of a grant.
    pub revision: u64,
    /// Who may view it how often.
    pub grants: Grants<UserName>,
    /// The owner's public key, as it was when the image was recorded.
    pub owner_key: PublicKey,
    /// Which groups may view it how often. The views of a group are for all its members together.
    pub group_grants: Grants<GroupName>,
    /// What its owner says about it, if anything.
    pub about: Option<Box<About>>,
    /// The hash of its body, which permission blocks name. Not of what was sealed before version 3 of the format.
    pub body: Option<BodyHash>,
}

/// What an owner says about an image.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct About {
    /// At most [`MAX_TITLE_LEN`] characters; may be empty.
    pub title: String,
    /// At most [`MAX_DESCRIPTION_LEN`] characters; may be empty.
    pub description: String,
}

/// What one viewer may still do with one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Grant {
    /// Views left.
    pub left: u32,
    /// Views taken so far, over all changes of the grant.
    pub used: u64,
}

/// The whole state. Cloning is cheap and shares structure, so a snapshot or a hash can be made from
/// a clone while commands go on being applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Directory {
    clock_ms: u64,
    /// The key-encryption key that content keys are wrapped under.
    wrapping_key: KeyNumber,
    users: OrdMap<UserName, User>,
    /// Behind pointers: what is copied where a snapshot shares the tree, and what a node of it has to spare, stays small.
    images: OrdMap<ImageId, Arc<Image>>,
    sessions: OrdMap<SessionId, Session>,
    answers: answers::Answers,
    groups: OrdMap<GroupName, Group>,
    /// The last views of each image, by number.
    views: OrdMap<(ImageId, u64), View>,
    /// Requests for views, by owner, image and who asks.
    asks: OrdMap<(UserName, ImageId, UserName), Ask>,
    mailboxes: OrdMap<UserName, Mailbox>,
    /// What is in the inboxes, by number.
    notices: OrdMap<(UserName, u64), Posted>,
    /// None, until any is set.
    quotas: Option<Quotas>,
    /// Who has blocked whom.
    blocked: OrdSet<(UserName, UserName)>,
    index: Index,
    /// Of the last command.
    work: Work,
    /// Whose sessions they are. Follows from `sessions`.
    sessions_by_user: OrdSet<(UserName, SessionId)>,
    /// When they end. Follows from `sessions`.
    sessions_by_expiry: OrdSet<(u64, SessionId)>,
}

impl Default for Directory {
    fn default() -> Self {
        Self {
            clock_ms: 0,
            wrapping_key: FIRST_KEY,
            users: OrdMap::new(),
            images: OrdMap::new(),
            sessions: OrdMap::new(),
            answers: answers::Answers::default(),
            groups: OrdMap::new(),
            views: OrdMap::new(),
            asks: OrdMap::new(),
            mailboxes: OrdMap::new(),
            notices: OrdMap::new(),
            quotas: None,
            blocked: OrdSet::new(),
            index: Index::default(),
            work: Work::default(),
            sessions_by_user: OrdSet::new(),
            sessions_by_expiry: OrdSet::new(),
        }
    }
}

impl Directory {
    /// Carries out one command and says what it did. A request that was answered before gets that
    /// answer again and changes nothing. Whoever is not logged in any more gets no answer, not even one
    /// that was given before: they are told that there is one. Only that they have logged out they are told again.
    ///
    /// The clock goes by the leader's, and only for a request of that time: one whose clock is wrong, and whoever asks it
    /// with a right one, change nothing.
    pub fn apply(&mut self, command: Command) -> Answer {
        let Command { request, at_ms, actor, action } = command;
        self.work = Work::default();
        let answer = self.settle(request, at_ms, actor, action);
        self.clear_away();
        answer
    }

    fn settle(&mut self, request: RequestId, at_ms: u64, actor: Actor, action: Action) -> Answer {
        let now_ms = match &action {
            Action::SetClock(set) => set.clock_ms,
            _ => self.clock_ms.max(at_ms),
        };
        self.answers.check_time(request, now_ms)?;
        if self.answers.contains(request) {
            let caller = self.identify(actor, now_ms).ok().or_else(|| action.left_by(actor));
            let caller = caller.ok_or(Refusal::AnsweredBefore { request })?;
            return self.answers.recall(request, action.fingerprint(&caller));
        }
        // A wrong clock ends nothing more.
        if !matches!(action, Action::SetClock(_)) {
            self.clock_ms = now_ms;
            let forgotten = self.answers.forget_out_of_time(self.clock_ms);
            self.work.touch(forgotten);
            self.forget_ended_sessions();
        }
        let caller = self.identify(actor, now_ms)?;
        let fingerprint = action.fingerprint(&caller);
        let payer = Payer::of(&caller, &action);
        self.answers.room_for(payer, self.quotas().answer_bytes)?;
        let answer = match self.authorise(&caller, Wish::Action(&action)) {
            Ok(()) => self.carry_out(request, action),
            Err(refusal) => Err(refusal),
        };
        if !matches!(answer, Err(Refusal::OlderKey { .. } | Refusal::OtherOwnerKey { .. })) {
            self.answers.remember(request, fingerprint, payer, &answer);
        }
        answer
    }

    fn carry_out(&mut self, request: RequestId, action: Action) -> Answer {
        match action {
            Action::Register(register) => self.register(register),
            Action::RecordEarlier(record) => self.record_earlier(request, record),
            Action::OpenView(open) => self.open_view(open),
            Action::SetGrant(set) => self.set_grant(set),
            Action::LogIn(log_in) => self.log_in(log_in),
            Action::Renew(renew) => self.renew(renew),
            Action::EndSession(end) => self.end_session(end),
            Action::EndSessions(end) => self.end_sessions(end),
            Action::SetPassword(set) => self.set_password(set),
            Action::SetKey(set) => self.set_key(set),
            Action::Rewrap(rewrap) => self.rewrap(rewrap),
            Action::CreateGroup(create) => self.create_group(create),
            Action::AskToJoin(ask) => self.ask_to_join(ask),
            Action::AnswerJoin(answer) => self.answer_join(answer),
            Action::LeaveGroup(leave) => self.leave_group(leave),
            Action::RemoveMember(remove) => self.remove_member(remove),
            Action::SetRole(set) => self.set_role(set),
            Action::SetGroupGrant(set) => self.set_group_grant(set),
            Action::Describe(describe) => self.describe(describe),
            Action::Withdraw(withdraw) => self.withdraw(withdraw),
            Action::AskForViews(ask) => self.ask_for_views(ask),
            Action::AnswerRequest(answer) => self.answer_request(answer),
            Action::Acknowledge(acknowledge) => self.acknowledge(acknowledge),
            Action::Restore(restore) => self.restore(restore),
            Action::SetQuotas(set) => self.set_quotas(set),
            Action::Block(block) => self.block(block),
            Action::Unblock(unblock) => self.unblock(unblock),
            Action::SetClock(set) => self.set_clock(set),
            Action::RecordImage(record) => self.record_image(request, record),
            Action::GrantViews(set) => self.grant_views(set),
            Action::GrantViewsToGroup(set) => self.grant_views_to_group(set),
        }
    }

    /// Whether a request was carried out, or refused, not long ago: asked again, it gets the same answer and changes
    /// nothing.
    pub fn has_answered(&self, request: RequestId) -> bool {
        self.answers.contains(request)
    }

    /// The latest time that a leader has put into the log, milliseconds since the Unix epoch, unless an operator has
    /// [set](SetClock) it since.
    pub fn clock_ms(&self) -> u64 {
        self.clock_ms
    }

    /// Until when all new requests are refused, if those of this time are: the clock was wrong, had reached this time, and
    /// was set back. Milliseconds since the Unix epoch.
    pub fn refused_until(&self, now_ms: u64) -> Option<u64> {
        self.answers.refused_until(now_ms)
    }

    /// The key-encryption key that content keys are to be wrapped under.
    pub fn wrapping_key(&self) -> KeyNumber {
        self.wrapping_key
    }

    /// How many records the last command has touched: at most [`MAX_WORK`], but for what operators bring back.
    pub fn work(&self) -> u64 {
        self.work.done()
    }

    /// All but what follows from the sessions.
    fn make_index(&self) -> Index {
        let mut index = Index::gather(&self.images, &self.views);
        for (name, user) in &self.users {
            index.accounts.charge(name, Usage::of_user(name, user));
        }
        for (name, group) in &self.groups {
            group.members.iter().for_each(|(user, member)| index.add_member(name, user, *member));
            group.requests.iter().for_each(|(user, request)| index.add_join(name, user, *request));
            if group.has_ended() {
                index.ended.insert(name.clone());
            }
        }
        for (key, ask) in &self.asks {
            index.add_ask(key, ask);
            let (owner, image, _) = key;
            if !self.images.contains_key(image) {
                index.withdrawn.insert(*image, owner.clone());
            }
        }
        for ((user, number), posted) in &self.notices {
            index.add_notice(user, *number, posted);
            if self.mailboxes.get(user).is_some_and(|mailbox| *number <= mailbox.read) {
                index.read.insert(user.clone());
            }
        }
        for (user, _) in &self.blocked {
            index.accounts.charge(user, Usage::of_block());
        }
        index
    }

    fn known_user(&self, user: &UserName) -> Result<&User, Refusal> {
        self.users.get(user).ok_or_else(|| Refusal::UnknownUser { user: user.clone() })
    }

    /// The name of a user as the directory has it, so that all that names them shares one text.
    fn known_name(&self, user: &UserName) -> Result<UserName, Refusal> {
        let known = self.users.get_key_value(user).map(|(name, _)| name.clone());
        known.ok_or_else(|| Refusal::UnknownUser { user: user.clone() })
    }

    fn image_mut(&mut self, image: ImageId) -> Result<&mut Image, Refusal> {
        self.images.get_mut(&image).map(Arc::make_mut).ok_or(Refusal::UnknownImage { image })
    }
}

impl Action {
    /// Who has logged out by this. Asking again they are nobody any more, and are told all the same: the answer holds
    /// nothing that is secret.
    fn left_by(&self, actor: Actor) -> Option<Caller> {
        let Actor::Session(asking) = actor else { return None };
        match self {
            Self::EndSession(EndSession { user, .. }) | Self::EndSessions(EndSessions { user, .. }) => {
                Some(Caller::User(user.clone(), asking))
            }
            _ => None,
        }
    }

    /// Tells two requests apart that carry the same id: by who asks, and for what. Leaves out what a retry may
    /// legitimately make anew: the content key that each worker draws for itself and what follows from it, the salt that each
    /// node draws, the state of the credentials that a proof was checked against, the time at which it is asked again.
    fn fingerprint(&self, caller: &Caller) -> [u8; 8] {
        let encoded = match self {
            Self::RecordEarlier(record) => {
                codec::encode(&("record", &record.owner, &record.digest, record.length, &record.grants))
            }
            Self::RecordImage(RecordImage { owner, digest, length, grants, group_grants, title, .. }) => {
                codec::encode(&("seal", owner, digest, length, grants, group_grants, title))
            }
            // A request that an earlier version has put into the log is the same when it is asked again.
            Self::GrantViews(set) => codec::encode(&Self::SetGrant(set.clone())),
            Self::GrantViewsToGroup(set) => codec::encode(&Self::SetGroupGrant(set.clone())),
            Self::Register(register) => {
                codec::encode(&("register", &register.user, register.key, register.password.is_some()))
            }
            Self::LogIn(LogIn { user, session, device, lifetime_ms, credentials: _ }) => {
                codec::encode(&("log in", user, session, device, lifetime_ms))
            }
            Self::SetPassword(set) => codec::encode(&("password", &set.user)),
            Self::SetKey(set) => codec::encode(&("key", &set.user, set.key)),
            Self::SetClock(SetClock { clock_ms: _ }) => codec::encode(&"clock"),
            other => codec::encode(other),
        };
        let name = match caller {
            Caller::User(name, _) => name.as_str(),
            Caller::Stranger | Caller::Operator | Caller::Node => "",
        };
        // An action that cannot be encoded could not have come out of the log.
        let mut content = encoded.unwrap_or_default();
        content.extend_from_slice(name.as_bytes());
        let mut short = [0; 8];
        short.copy_from_slice(&blake3::hash(&content).as_bytes()[..8]);
        short
    }
}

#[cfg(test)]
mod tests;
