//! Why a command, or a question, was refused.

use serde::{Deserialize, Serialize};

use super::{GroupName, ImageId, Quota, REQUEST_WINDOW_MS, RequestId, UserName};
use crate::identity::{KeyNumber, PublicKey};

/// Why a command, or a question, was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// Somebody has the name already.
    #[error("user {user} exists already")]
    NameTaken {
        /// The name.
        user: UserName,
    },
    /// Nobody of that name is registered.
    #[error("no user {user}")]
    UnknownUser {
        /// The name.
        user: UserName,
    },
    /// There is no such image.
    #[error("no image {image}")]
    UnknownImage {
        /// Its id.
        image: ImageId,
    },
    /// Only the owner may do this.
    #[error("image {image} does not belong to {user}")]
    NotOwner {
        /// The image.
        image: ImageId,
        /// Who tried.
        user: UserName,
    },
    /// The viewer was never given a view of the image.
    #[error("{viewer} has no grant for image {image}")]
    NoGrant {
        /// The image.
        image: ImageId,
        /// Who tried.
        viewer: UserName,
    },
    /// All views are used up.
    #[error("{viewer} has used up all views of image {image}")]
    QuotaUsedUp {
        /// The image.
        image: ImageId,
        /// Who tried.
        viewer: UserName,
    },
    /// Nobody is logged in: the session has ended, or never was.
    #[error("not logged in, or the session has ended: log in")]
    NoSession,
    /// Who is logged in is somebody else.
    #[error("you are {you}, and this is for {user} to do")]
    NotYou {
        /// Who may.
        user: UserName,
        /// Who tried.
        you: UserName,
    },
    /// Only operators of the cluster may.
    #[error("this is for operators of the cluster")]
    OperatorsOnly,
    /// Only nodes may.
    #[error("this is for nodes of the cluster")]
    NodesOnly,
    /// The user has no such session.
    #[error("you have no such session")]
    UnknownSession,
    /// There is a session of this id.
    #[error("there is such a session already: draw another token")]
    SessionTaken,
    /// Password or key were changed since the proof was given.
    #[error("password or key of {user} were changed a moment ago")]
    CredentialsChanged {
        /// Whose.
        user: UserName,
    },
    /// A field holds more than its limit.
    #[error("{field} is {value}, the limit is {limit}")]
    TooMuch {
        /// Which field.
        field: String,
        /// Its value.
        value: u64,
        /// The largest value accepted.
        limit: u64,
    },
    /// The request id was used for another request.
    #[error("request id {request} was used for another request")]
    RequestReused {
        /// The id.
        request: RequestId,
    },
    /// The request id is too old for its first answer to be remembered, or lies in the future.
    #[error(
        "request id {request} is {off_ms} ms away from the cluster's clock, the limit is {REQUEST_WINDOW_MS} ms"
    )]
    RequestOutOfTime {
        /// The id.
        request: RequestId,
        /// How far away.
        off_ms: u64,
    },
    /// A group has the name already.
    #[error("group {group} exists already")]
    GroupTaken {
        /// The name.
        group: GroupName,
    },
    /// There is no such group.
    #[error("no group {group}")]
    UnknownGroup {
        /// The name.
        group: GroupName,
    },
    /// This is for members of the group.
    #[error("{user} is not a member of group {group}")]
    NotMember {
        /// Which group.
        group: GroupName,
        /// Who is none.
        user: UserName,
    },
    /// This is for admins of the group.
    #[error("{user} is not an admin of group {group}")]
    NotAdmin {
        /// Which group.
        group: GroupName,
        /// Who is none.
        user: UserName,
    },
    /// Whoever asks to join is in the group.
    #[error("{user} is a member of group {group} already")]
    AlreadyMember {
        /// Which group.
        group: GroupName,
        /// Who.
        user: UserName,
    },
    /// Nobody of that name has asked to join, or was answered already.
    #[error("no request of {user} to join group {group} waits")]
    NoJoinRequest {
        /// Which group.
        group: GroupName,
        /// Who.
        user: UserName,
    },
    /// A group needs an admin.
    #[error("{user} is the only admin of group {group}: make another member one first")]
    LastAdmin {
        /// Which group.
        group: GroupName,
        /// The admin.
        user: UserName,
    },
    /// One needs no views of an image of one's own.
    #[error("image {image} is your own")]
    OwnImage {
        /// The image.
        image: ImageId,
    },
    /// The user has not asked for views of the image, or was answered already.
    #[error("no request of {user} for image {image} waits")]
    NoRequest {
        /// Which image.
        image: ImageId,
        /// Who.
        user: UserName,
    },
    /// A field holds less than it has to.
    #[error("{field} is {value}, the least is {least}")]
    TooLittle {
        /// Which field.
        field: String,
        /// Its value.
        value: u64,
        /// The smallest value accepted.
        least: u64,
    },
    /// A text holds a character that is not to be seen.
    #[error("{field} refused: character {at} is a control character, such as a line break")]
    Unseen {
        /// Which text.
        field: String,
        /// Which of its characters, from 1.
        at: u64,
    },
    /// What a record is about is there already, and not the same.
    #[error("{record} is there already, and is not the same")]
    OtherRecord {
        /// What the record is about.
        record: String,
    },
    /// A record cannot be what it says.
    #[error("{record} refused: {reason}")]
    BadRecord {
        /// What the record is about.
        record: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The content key was wrapped under a key-encryption key that is no longer the one in use. Wrapped again, it may
    /// be recorded: this is not remembered as the answer.
    #[error("content keys are wrapped under key-encryption key {in_use} now")]
    OlderKey {
        /// The one in use.
        in_use: KeyNumber,
    },
    /// There is no more room for it.
    #[error("{field} is {value}, the quota is {limit}: {}", .quota.remedy())]
    QuotaReached {
        /// Which quota.
        quota: Quota,
        /// What is counted.
        field: String,
        /// How much it would be.
        value: u64,
        /// How much it may be.
        limit: u64,
    },
    /// Its answer could not be remembered, so it was not begun. Asked again later it may be: this is not remembered as
    /// the answer.
    #[error(
        "too many answers are remembered: they take {value} bytes, the limit is {limit}; ask again later"
    )]
    AnswersFull {
        /// What they take.
        value: u64,
        /// What they may take.
        limit: u64,
    },
    /// A group of the name has ended a moment ago, and its grants are still being taken back.
    #[error("group {group} has just ended, and its grants are still being taken back: try again in a moment")]
    GroupEnding {
        /// The name.
        group: GroupName,
    },
    /// Who is asked, or given something, wants nothing of whoever does so.
    #[error("{user} has blocked you")]
    Blocked {
        /// Who has blocked.
        user: UserName,
    },
    /// Nobody blocks themselves.
    #[error("that is you")]
    OwnSelf,
    /// The directory's clock was wrong, and set back: there were requests of that time already, whose answers are forgotten.
    #[error(
        "request id {request} is of a time that the cluster's clock had reached before it was set back: ask again under \
         a new one, {} s later",
        (until_ms - request.unix_ms()).div_ceil(1_000).max(1)
    )]
    RequestForgotten {
        /// The id.
        request: RequestId,
        /// The last such time, milliseconds since the Unix epoch.
        until_ms: u64,
    },
    /// The request was answered, and its answer is not told again: whoever asks is not logged in any more, or what it
    /// released was withdrawn. This says nothing of what the answer was.
    #[error(
        "request {request} was answered before, and that is not told again: the session has ended since, or the image was \
         withdrawn"
    )]
    AnsweredBefore {
        /// The id.
        request: RequestId,
    },
    /// The image was sealed under another public key than its owner has. Sealed again, it may be recorded: this is not
    /// remembered as the answer.
    #[error("the owner's public key is {in_use} now")]
    OtherOwnerKey {
        /// The one that the owner has.
        in_use: PublicKey,
    },
}

impl Refusal {
    /// Whether a change that the directory has refused so is refused so whenever it is asked for again: the refusal is
    /// remembered as the answer to its request. Any other says only that asking this once has changed nothing.
    pub fn is_remembered(&self) -> bool {
        !matches!(
            self,
            // Said of strangers it is remembered, and of sessions that have ended it is not.
            Self::NoSession
                | Self::AnsweredBefore { .. }
                | Self::RequestOutOfTime { .. }
                | Self::RequestForgotten { .. }
                | Self::AnswersFull { .. }
                | Self::OlderKey { .. }
                | Self::OtherOwnerKey { .. }
        )
    }
}

pub(super) fn at_most(field: &str, value: u64, limit: u64) -> Result<(), Refusal> {
    if value <= limit { Ok(()) } else { Err(Refusal::TooMuch { field: field.to_owned(), value, limit }) }
}

pub(super) fn at_least(field: &str, value: u64, least: u64) -> Result<(), Refusal> {
    if value >= least { Ok(()) } else { Err(Refusal::TooLittle { field: field.to_owned(), value, least }) }
}
