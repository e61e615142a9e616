//! The answers already given, so that one request id has one effect.
//!
//! Request ids carry the time they were made. Answers are kept for [`REQUEST_WINDOW_MS`]; a request
//! older than that is refused rather than risked twice, so forgetting never breaks the promise.

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::{Answer, Refusal, RequestId};

/// How long an answer is remembered and how far a client's clock may be off, in milliseconds.
pub const REQUEST_WINDOW_MS: u64 = 300_000;

type Fingerprint = [u8; 8];

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<(RequestId, (Fingerprint, Answer))>")]
pub(super) struct Answers(OrdMap<RequestId, (Fingerprint, Answer)>);

impl From<Vec<(RequestId, (Fingerprint, Answer))>> for Answers {
    fn from(list: Vec<(RequestId, (Fingerprint, Answer))>) -> Self {
        Self(list.into())
    }
}

impl Answers {
    /// The answer that settles `request` without carrying it out, if there is one.
    pub(super) fn recall(&self, request: RequestId, fingerprint: Fingerprint, now_ms: u64) -> Option<Answer> {
        if let Some((first, answer)) = self.0.get(&request) {
            let same = *first == fingerprint;
            return Some(if same { answer.clone() } else { Err(Refusal::RequestReused { request }) });
        }
        let off_ms = request.unix_ms().abs_diff(now_ms);
        (off_ms > REQUEST_WINDOW_MS).then_some(Err(Refusal::RequestOutOfTime { request, off_ms }))
    }

    pub(super) fn contains(&self, request: RequestId) -> bool {
        self.0.contains_key(&request)
    }

    pub(super) fn remember(&mut self, request: RequestId, fingerprint: Fingerprint, answer: Answer) {
        self.0.insert(request, (fingerprint, answer));
    }

    /// Forgets answers whose requests would now be refused as out of time anyway.
    pub(super) fn forget_before(&mut self, now_ms: u64) {
        let oldest = now_ms.saturating_sub(REQUEST_WINDOW_MS);
        while let Some((request, _)) = self.0.get_min()
            && request.unix_ms() < oldest
        {
            let request = *request;
            self.0.remove(&request);
        }
    }
}
