//! How much the directory may hold, of each user and in all.
//!
//! Every growth is compared with these before it has an effect, by sizes that are [kept up to date](super::Usage). What
//! is there already stays when a quota is lowered.

use serde::{Deserialize, Serialize};

use super::{Answer, Directory, Effect, Refusal, Usage, UserName, answers::crowded_from, at_least, at_most};

/// What there is a quota of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Quota {
    /// Images of one user.
    ImagesPerUser,
    /// Groups that one user is a member of.
    GroupsPerUser,
    /// Requests for views and to join groups of one user that wait for an answer.
    RequestsPerUser,
    /// Bytes that the records of one user take.
    BytesPerUser,
    /// Images that one user may grant to one other who has never dealt with them.
    ImagesToStranger,
    /// Users in all.
    Users,
    /// Bytes that all records take.
    Bytes,
    /// Bytes that all remembered answers take.
    AnswerBytes,
}

impl Quota {
    /// All there are.
    pub const ALL: [Self; 8] = [
        Self::ImagesPerUser,
        Self::GroupsPerUser,
        Self::RequestsPerUser,
        Self::BytesPerUser,
        Self::ImagesToStranger,
        Self::Users,
        Self::Bytes,
        Self::AnswerBytes,
    ];

    /// As it is called on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::ImagesPerUser => "images-per-user",
            Self::GroupsPerUser => "groups-per-user",
            Self::RequestsPerUser => "requests-per-user",
            Self::BytesPerUser => "bytes-per-user",
            Self::ImagesToStranger => "images-to-stranger",
            Self::Users => "users",
            Self::Bytes => "bytes",
            Self::AnswerBytes => "answer-bytes",
        }
    }

    /// The least and the most that it can be set to. The work of one command, and what one page of a list looks at, grow
    /// with some of them.
    fn bounds(self) -> (u64, u64) {
        match self {
            Self::GroupsPerUser => (1, 1_000),
            Self::AnswerBytes => (1 << 20, 1 << 40),
            Self::ImagesPerUser | Self::RequestsPerUser | Self::ImagesToStranger | Self::Users => {
                (0, 1 << 31)
            }
            Self::BytesPerUser | Self::Bytes => (0, 1 << 40),
        }
    }

    /// What is counted, in words.
    pub(crate) fn field(self, user: Option<&UserName>) -> String {
        let what = match self {
            Self::ImagesPerUser => "number of images",
            Self::GroupsPerUser => "number of groups",
            Self::RequestsPerUser => "number of requests that wait",
            Self::BytesPerUser => "size of all records",
            Self::ImagesToStranger => "number of your images for a user who has never dealt with you",
            Self::Users => "number of users of the cluster",
            Self::Bytes => "size of all records of the cluster",
            Self::AnswerBytes => "size of all remembered answers",
        };
        match user {
            Some(user) => format!("{what} of {user}"),
            None => what.to_owned(),
        }
    }

    /// What whoever is refused can do.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Self::ImagesPerUser => "withdraw some, or ask an operator for more",
            Self::GroupsPerUser => "leave one first, or ask an operator for more",
            Self::RequestsPerUser => {
                "wait for answers, take requests to join back with `veil group leave`, or ask an operator for more"
            }
            Self::BytesPerUser => {
                "withdraw images (what their viewers are told of it counts until they have read it), or ask an operator \
                 for more"
            }
            Self::ImagesToStranger => {
                "they have to open one of them, grant you something or share a group with you"
            }
            Self::Users | Self::Bytes | Self::AnswerBytes => {
                "an operator has to make room, or raise it with `veil cluster limits --set`"
            }
        }
    }

    pub(super) fn check(self, user: Option<&UserName>, value: u64, limit: u64) -> Result<(), Refusal> {
        match value <= limit {
            true => Ok(()),
            false => Err(Refusal::QuotaReached { quota: self, field: self.field(user), value, limit }),
        }
    }
}

impl std::str::FromStr for Quota {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|quota| quota.name() == name);
        found.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.into_iter().map(Self::name).collect();
            format!("no quota is called {name:?}: expected one of {}", names.join(", "))
        })
    }
}

/// The limit of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quotas {
    /// See [`Quota::ImagesPerUser`].
    pub images_per_user: u64,
    /// See [`Quota::GroupsPerUser`].
    pub groups_per_user: u64,
    /// See [`Quota::RequestsPerUser`].
    pub requests_per_user: u64,
    /// See [`Quota::BytesPerUser`].
    pub bytes_per_user: u64,
    /// See [`Quota::ImagesToStranger`].
    pub images_to_stranger: u64,
    /// See [`Quota::Users`].
    pub users: u64,
    /// See [`Quota::Bytes`].
    pub bytes: u64,
    /// See [`Quota::AnswerBytes`].
    pub answer_bytes: u64,
}

/// With these a node needs 8 GiB of memory at most.
impl Default for Quotas {
    fn default() -> Self {
        Self {
            images_per_user: 100_000,
            groups_per_user: 100,
            requests_per_user: 1_000,
            bytes_per_user: 64 << 20,
            images_to_stranger: 1_000,
            users: 1_000_000,
            bytes: 4 << 30,
            answer_bytes: 1 << 30,
        }
    }
}

impl Quotas {
    /// The limit of one.
    pub fn get(&self, quota: Quota) -> u64 {
        match quota {
            Quota::ImagesPerUser => self.images_per_user,
            Quota::GroupsPerUser => self.groups_per_user,
            Quota::RequestsPerUser => self.requests_per_user,
            Quota::BytesPerUser => self.bytes_per_user,
            Quota::ImagesToStranger => self.images_to_stranger,
            Quota::Users => self.users,
            Quota::Bytes => self.bytes,
            Quota::AnswerBytes => self.answer_bytes,
        }
    }

    fn get_mut(&mut self, quota: Quota) -> &mut u64 {
        match quota {
            Quota::ImagesPerUser => &mut self.images_per_user,
            Quota::GroupsPerUser => &mut self.groups_per_user,
            Quota::RequestsPerUser => &mut self.requests_per_user,
            Quota::BytesPerUser => &mut self.bytes_per_user,
            Quota::ImagesToStranger => &mut self.images_to_stranger,
            Quota::Users => &mut self.users,
            Quota::Bytes => &mut self.bytes,
            Quota::AnswerBytes => &mut self.answer_bytes,
        }
    }

    /// Checks that each can be what it is set to.
    ///
    /// # Errors
    /// [`Refusal::TooMuch`] and [`Refusal::TooLittle`].
    pub fn check(&self) -> Result<(), Refusal> {
        for quota in Quota::ALL {
            let (least, most) = quota.bounds();
            let field = format!("quota {}", quota.name());
            at_least(&field, self.get(quota), least)?;
            at_most(&field, self.get(quota), most)?;
        }
        Ok(())
    }

    /// Each with its limit.
    pub fn all(&self) -> Vec<(Quota, u64)> {
        Quota::ALL.into_iter().map(|quota| (quota, self.get(quota))).collect()
    }
}

/// Sets quotas. Operators may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetQuotas {
    /// Those to be set. The others stay.
    pub set: Vec<(Quota, u64)>,
    /// Only if none were ever set: what the node that founds a cluster asks for.
    pub founding: bool,
}

/// What the directory may hold, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The quotas in force.
    pub quotas: Quotas,
    /// How many users there are.
    pub users: u64,
    /// How many images there are.
    pub images: u64,
    /// What all records take, bytes.
    pub bytes: u64,
    /// How many answers are remembered.
    pub answers: u64,
    /// What they take, bytes.
    pub answer_bytes: u64,
}

impl Limits {
    /// From how much of a quota on somebody is refused.
    pub fn refused_from(&self, quota: Quota) -> u64 {
        match (quota, self.quotas.get(quota)) {
            (Quota::AnswerBytes, room) => crowded_from(room),
            (_, limit) => limit,
        }
    }

    /// What is used of a quota, if it is one of the whole cluster.
    pub fn used(&self, quota: Quota) -> Option<u64> {
        match quota {
            Quota::Users => Some(self.users),
            Quota::Bytes => Some(self.bytes),
            Quota::AnswerBytes => Some(self.answer_bytes),
            Quota::ImagesPerUser
            | Quota::GroupsPerUser
            | Quota::RequestsPerUser
            | Quota::BytesPerUser
            | Quota::ImagesToStranger => None,
        }
    }
}

impl Directory {
    pub(super) fn set_quotas(&mut self, SetQuotas { set, founding }: SetQuotas) -> Answer {
        at_most("number of quotas", set.len() as u64, Quota::ALL.len() as u64)?;
        if founding && self.quotas.is_some() {
            return Ok(Effect::Done);
        }
        let mut quotas = self.quotas();
        for (quota, limit) in set {
            *quotas.get_mut(quota) = limit;
        }
        quotas.check()?;
        self.quotas = Some(quotas);
        Ok(Effect::Done)
    }

    /// The quotas in force.
    pub fn quotas(&self) -> Quotas {
        self.quotas.unwrap_or_default()
    }

    /// Whether quotas were set at any time, or are the defaults.
    pub fn has_quotas(&self) -> bool {
        self.quotas.is_some()
    }

    /// What it may hold, and holds.
    pub fn limits(&self) -> Limits {
        Limits {
            quotas: self.quotas(),
            users: self.users.len() as u64,
            images: self.images.len() as u64,
            bytes: self.index.accounts.bytes(),
            answers: self.answers.count(),
            answer_bytes: self.answers.bytes(),
        }
    }

    /// When the newest of the requests was made that are remembered, in milliseconds since the Unix epoch.
    pub(crate) fn newest_request_ms(&self) -> Option<u64> {
        self.answers.newest_ms()
    }

    /// Refuses if a user's records may not grow by so much, or all records.
    pub(super) fn room_for(&self, user: &UserName, more: Usage) -> Result<(), Refusal> {
        let (quotas, has) = (self.quotas(), self.index.accounts.of(user));
        for (quota, has, more) in [
            (Quota::ImagesPerUser, has.images, more.images),
            (Quota::GroupsPerUser, has.groups, more.groups),
            (Quota::RequestsPerUser, has.requests, more.requests),
        ] {
            if more > 0 {
                quota.check(Some(user), u64::from(has) + u64::from(more), quotas.get(quota))?;
            }
        }
        if more.bytes > 0 {
            Quota::BytesPerUser.check(Some(user), has.bytes + more.bytes, quotas.bytes_per_user)?;
        }
        self.room_for_all(more.bytes)
    }

    /// Refuses if all records together may not grow by so many bytes.
    pub(super) fn room_for_all(&self, more: u64) -> Result<(), Refusal> {
        match more {
            0 => Ok(()),
            more => Quota::Bytes.check(None, self.index.accounts.bytes() + more, self.quotas().bytes),
        }
    }
}
