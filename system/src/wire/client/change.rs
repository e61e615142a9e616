//! The changes that a user may ask for.

use serde::{Deserialize, Serialize};

use crate::{
    directory::{
        Acknowledge, AnswerJoin, AnswerRequest, AskForViews, AskToJoin, Block, CreateGroup, Describe,
        EndSession, EndSessions, LeaveGroup, OpenView, RemoveMember, Renew, Restore, SetGrant, SetGroupGrant,
        SetQuotas, SetRole, Unblock, UserName, Withdraw,
    },
    identity::{Challenge, Password, PublicKey, SIGNATURE_LEN, SessionId},
};

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
    /// Sets quotas. Operators ask for it.
    SetQuotas(SetQuotas),
    /// Blocks a user.
    Block(Block),
    /// Takes that back.
    Unblock(Unblock),
    /// Sets the directory's clock to that of the leader, also back. Operators ask for it.
    SetClock,
}

impl Change {
    /// Whether it bears a [`Proof`].
    pub fn needs_proof(&self) -> bool {
        matches!(self, Self::LogIn { .. } | Self::SetPassword { .. } | Self::SetKey { .. })
    }

    /// Whether a password is hashed for it, which takes a node long.
    pub fn takes_hashing(&self) -> bool {
        match self {
            Self::Register { password, .. } => password.is_some(),
            Self::SetPassword { .. } => true,
            Self::LogIn { proof, .. } | Self::SetKey { proof, .. } => matches!(proof, Proof::Password(_)),
            _ => false,
        }
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
