//! The answers already given, so that one request id has one effect.
//!
//! Request ids carry the time they were made. Answers are kept for [`REQUEST_WINDOW_MS`]; a request
//! older than that is refused rather than risked twice, so forgetting never breaks the promise. So it may be put off, and
//! each command forgets a few. Nor does a clock that is turned back break it: what was forgotten is refused for ever, see
//! [`Forgotten`].
//!
//! What cannot be remembered is refused before it has an effect, and that refusal is not remembered either: it says
//! nothing of what became of the request when it was asked before. Nobody may fill the store for others: each
//! has a share, and the last quarter is for those who have asked little.

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::{Action, Answer, Caller, Refusal, RequestId, UserName, forgotten::Forgotten};
use crate::wire::codec;

/// How long an answer is remembered and how far a client's clock may be off, in milliseconds.
pub const REQUEST_WINDOW_MS: u64 = 300_000;
/// How many answers are forgotten with each command at most: more than it adds, and none must take long.
pub(super) const FORGET_AT_ONCE: usize = 8;
/// What one answer counts for beside its own bytes: id, fingerprint, share, and its place in the tree.
const ANSWER: u64 = 128;
/// Of the room for all answers, the part that one user may have: one in so many.
const SHARE: u64 = 4;
/// When there is only a quarter left, the part that is enough to get none of it.
const SMALL_SHARE: u64 = 1_024;

pub(super) type Fingerprint = [u8; 8];

/// Whose share an answer is counted for. A hash of a name: names are long, and there are many answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Payer([u8; 8]);

impl Payer {
    /// All strangers together.
    const STRANGERS: Self = Self([0; 8]);
    /// Who may go on in any case, so that there is a way out.
    const OPERATORS: Self = Self([0xff; 8]);

    pub(super) fn of(caller: &Caller, action: &Action) -> Self {
        match (caller, action) {
            (Caller::User(name, _), _) => Self::user(name),
            (Caller::Stranger, _) => Self::STRANGERS,
            // On behalf of whoever has proven to be that user.
            (Caller::Node, Action::LogIn(log_in)) => Self::user(&log_in.user),
            (Caller::Node, Action::SetPassword(set)) => Self::user(&set.user),
            (Caller::Node, Action::SetKey(set)) => Self::user(&set.user),
            (Caller::Operator | Caller::Node, _) => Self::OPERATORS,
        }
    }

    fn user(name: &UserName) -> Self {
        let mut short = [0; 8];
        short.copy_from_slice(&blake3::hash(name.as_str().as_bytes()).as_bytes()[..8]);
        Self(short)
    }
}

/// What is remembered of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Remembered {
    fingerprint: Fingerprint,
    payer: Payer,
    /// The encoded answer: most take a few bytes so, and over a hundred otherwise.
    answer: Box<[u8]>,
}

impl Remembered {
    fn bytes(&self) -> u64 {
        ANSWER + self.answer.len() as u64
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Answers {
    all: OrdMap<RequestId, Remembered>,
    forgotten: Forgotten,
    /// What all of them take. Follows from them, as does what each share has.
    bytes: u64,
    shares: OrdMap<Payer, u64>,
}

impl Answers {
    /// Refuses a request that may have been carried out and is not remembered, or not for much longer.
    pub(super) fn check_time(&self, request: RequestId, now_ms: u64) -> Result<(), Refusal> {
        let in_time = in_time(request, now_ms);
        match self.contains(request) {
            // Of a time that is yet to come, since the clock was turned back.
            true if request.unix_ms() > now_ms => Ok(()),
            // Whether its answer has been forgotten already or not yet.
            true => in_time,
            false => match self.forgotten.until(request.unix_ms()) {
                Some(until_ms) => in_time.and(Err(Refusal::RequestForgotten { request, until_ms })),
                None => in_time,
            },
        }
    }

    /// Until when every new request is refused, if one of this time is.
    pub(super) fn refused_until(&self, ms: u64) -> Option<u64> {
        self.forgotten.until(ms)
    }

    /// The first answer to a request that is remembered, or what else there is to say of it.
    pub(super) fn recall(&self, request: RequestId, fingerprint: Fingerprint) -> Answer {
        let first = self.all.get(&request).filter(|first| first.fingerprint == fingerprint);
        // What was encoded here is decoded here.
        let answer = first.and_then(|first| codec::decode(&first.answer).ok());
        answer.unwrap_or(Err(Refusal::RequestReused { request }))
    }

    pub(super) fn contains(&self, request: RequestId) -> bool {
        self.all.contains_key(&request)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&RequestId, &Remembered)> {
        self.all.iter()
    }

    /// The times of those that were forgotten, if any were.
    pub(super) fn forgotten(&self) -> impl Iterator<Item = &Forgotten> {
        std::iter::once(&self.forgotten).filter(|forgotten| **forgotten != Forgotten::default())
    }

    /// Takes over the times of those that were forgotten.
    pub(super) fn set_forgotten(&mut self, forgotten: Forgotten) {
        self.forgotten = forgotten;
    }

    pub(super) fn count(&self) -> u64 {
        self.all.len() as u64
    }

    /// When the newest of the requests was made, in milliseconds since the Unix epoch.
    pub(super) fn newest_ms(&self) -> Option<u64> {
        self.all.get_max().map(|(request, _)| request.unix_ms())
    }

    /// What all answers take.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Refuses if one more answer may not be remembered for `payer`, with room for so many bytes in all.
    pub(super) fn room_for(&self, payer: Payer, room: u64) -> Result<(), Refusal> {
        let has = self.shares.get(&payer).copied().unwrap_or_default();
        let (value, limit) = match payer {
            Payer::OPERATORS => return Ok(()),
            _ if self.bytes >= room => (self.bytes, room),
            _ if self.bytes >= crowded_from(room) => (has, room / SMALL_SHARE),
            _ => (has, room / SHARE),
        };
        match value < limit {
            true => Ok(()),
            false => Err(Refusal::AnswersFull { value, limit }),
        }
    }

    pub(super) fn remember(
        &mut self,
        request: RequestId,
        fingerprint: Fingerprint,
        payer: Payer,
        answer: &Answer,
    ) {
        // It came out of an action that was decoded, and is smaller.
        let answer = codec::encode(answer).unwrap_or_default().into_boxed_slice();
        self.insert(request, Remembered { fingerprint, payer, answer });
    }

    pub(super) fn insert(&mut self, request: RequestId, remembered: Remembered) {
        let (payer, bytes) = (remembered.payer, remembered.bytes());
        if let Some(earlier) = self.all.insert(request, remembered) {
            self.release(&earlier);
        }
        self.bytes += bytes;
        *self.shares.entry(payer).or_default() += bytes;
    }

    fn release(&mut self, forgotten: &Remembered) {
        let bytes = forgotten.bytes();
        self.bytes = self.bytes.saturating_sub(bytes);
        match self.shares.get_mut(&forgotten.payer) {
            Some(share) if *share > bytes => *share -= bytes,
            _ => drop(self.shares.remove(&forgotten.payer)),
        }
    }

    /// Forgets a few answers whose requests would now be refused as out of time anyway, and says how many: older ones,
    /// and, when the clock was turned back, those of a time that is yet to come.
    pub(super) fn forget_out_of_time(&mut self, now_ms: u64) -> usize {
        for forgotten in 0..FORGET_AT_ONCE {
            let ends = [self.all.get_min(), self.all.get_max()].into_iter().flatten();
            let out_of_time = ends.map(|(request, _)| *request).find(|id| in_time(*id, now_ms).is_err());
            let Some(request) = out_of_time else { return forgotten };
            if let Some(forgotten) = self.all.remove(&request) {
                self.release(&forgotten);
            }
            self.forgotten.add(request.unix_ms());
        }
        FORGET_AT_ONCE
    }
}

/// From how many bytes on only those who have asked little have a share, with room for so many in all.
pub(super) fn crowded_from(room: u64) -> u64 {
    room / 4 * 3
}

/// Refuses a request whose id was made too long before `now_ms`, or too long after.
pub fn in_time(request: RequestId, now_ms: u64) -> Result<(), Refusal> {
    let off_ms = request.unix_ms().abs_diff(now_ms);
    match off_ms > REQUEST_WINDOW_MS {
        true => Err(Refusal::RequestOutOfTime { request, off_ms }),
        false => Ok(()),
    }
}
