//! How a user proves to hold a key: a node gives a challenge, the user signs it.
//!
//! Any node of the cluster can check a challenge that another one gave: it bears a keyed hash of the cluster, and
//! nothing about it is stored. The signature is for one request, too. A request has one effect whoever asks it how often,
//! and at whichever node: so a proof that somebody has overheard is of no use to them, and no node has to remember which
//! proofs there were.

use serde::{Deserialize, Serialize};

use super::{KeyPair, PublicKey, SIGNATURE_LEN, SessionId};
use crate::directory::{RequestId, UserName};

/// How long a challenge may be answered, milliseconds.
pub const CHALLENGE_LIFETIME_MS: u64 = 60_000;

/// What a user signs to prove that they hold their key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// When it was given, milliseconds since the Unix epoch.
    pub(super) issued_ms: u64,
    pub(super) nonce: [u8; 16],
    /// The cluster's keyed hash of the above.
    pub(super) tag: [u8; 32],
}

/// A challenge that this cluster did not give, or gave too long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadChallenge {
    /// Another cluster's, or nobody's.
    #[error("the challenge is none of this cluster")]
    NotOurs,
    /// It is too old, or lies in the future.
    #[error(
        "the challenge is {off_ms} ms away from the node's clock, the limit is {CHALLENGE_LIFETIME_MS} ms"
    )]
    OutOfTime {
        /// How far away.
        off_ms: u64,
    },
}

/// What the signature is for. A signature for one purpose is of no use for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// To begin this session.
    LogIn(SessionId),
    /// To have another password.
    SetPassword,
    /// To have this key instead.
    SetKey(PublicKey),
}

impl Challenge {
    /// The bytes that the tag is made of.
    pub(super) fn tagged(&self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.issued_ms.to_be_bytes());
        bytes[8..].copy_from_slice(&self.nonce);
        bytes
    }

    /// What is signed.
    fn message(&self, user: &UserName, purpose: Purpose, request: RequestId) -> Vec<u8> {
        let (kind, object): (u8, &[u8]) = match &purpose {
            Purpose::LogIn(session) => (0, session.as_bytes()),
            Purpose::SetPassword => (1, &[]),
            Purpose::SetKey(key) => (2, key.as_bytes()),
        };
        let user = user.as_str().as_bytes();
        // A name has at most 64 bytes.
        let request = request.0.to_be_bytes();
        [&b"veil proof v2"[..], &self.tag, &request, &[kind], object, &[user.len() as u8], user].concat()
    }

    /// The user's answer, for the request that will bring it.
    pub fn answer(
        &self,
        key: &KeyPair,
        user: &UserName,
        purpose: Purpose,
        request: RequestId,
    ) -> [u8; SIGNATURE_LEN] {
        key.sign(&self.message(user, purpose, request))
    }

    /// Whether `signature` is the answer, in this request, of the user who holds the other half of `key`.
    pub fn is_answered_by(
        &self,
        key: &PublicKey,
        user: &UserName,
        purpose: Purpose,
        request: RequestId,
        signature: &[u8; SIGNATURE_LEN],
    ) -> bool {
        key.verifies(&self.message(user, purpose, request), signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{ClusterKeys, SessionToken};

    #[test]
    fn an_answer_holds_for_one_user_one_purpose_and_one_request() {
        let challenge = ClusterKeys::from_secret([1; 32]).challenge(5_000, [2; 16]);
        let (pair, other) = (KeyPair::from_seed([3; 32]), KeyPair::from_seed([4; 32]));
        let (anna, ben): (UserName, UserName) = ("anna".parse().unwrap(), "ben".parse().unwrap());
        let purpose = Purpose::LogIn(SessionToken::from_bytes([5; 32]).id());
        let request = RequestId(7);
        let answer = challenge.answer(&pair, &anna, purpose, request);
        let holds_in = |key: &KeyPair, user, purpose, request| {
            challenge.is_answered_by(&key.public(), user, purpose, request, &answer)
        };
        let holds = |key, user, purpose| holds_in(key, user, purpose, request);
        assert!(holds(&pair, &anna, purpose));
        assert!(!holds(&other, &anna, purpose));
        assert!(!holds(&pair, &ben, purpose));
        assert!(!holds_in(&pair, &anna, purpose, RequestId(8)));
        for another in [
            Purpose::LogIn(SessionToken::from_bytes([6; 32]).id()),
            Purpose::SetPassword,
            Purpose::SetKey(other.public()),
        ] {
            assert!(!holds(&pair, &anna, another), "{another:?}");
        }
    }

    #[test]
    fn a_challenge_is_good_for_a_minute_in_its_own_cluster() {
        let keys = ClusterKeys::from_secret([1; 32]);
        let challenge = keys.challenge(5_000, [2; 16]);
        assert_eq!(keys.check_challenge(&challenge, 5_000 + CHALLENGE_LIFETIME_MS), Ok(()));
        assert_eq!(
            keys.check_challenge(&challenge, 5_001 + CHALLENGE_LIFETIME_MS),
            Err(BadChallenge::OutOfTime { off_ms: CHALLENGE_LIFETIME_MS + 1 })
        );
        let later = Challenge { issued_ms: 6_000, ..challenge };
        assert_eq!(keys.check_challenge(&later, 6_000), Err(BadChallenge::NotOurs));
        let stranger = ClusterKeys::from_secret([9; 32]);
        assert_eq!(stranger.check_challenge(&challenge, 5_000), Err(BadChallenge::NotOurs));
    }
}
