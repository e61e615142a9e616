//! How large a request may be, and how much memory it and its answer take: told from its first bytes, before it is read.

use crate::{
    consensus::COMMAND_LIMIT,
    directory::{Query, Refusal, RequestId},
    identity::SessionToken,
    seal::MAX_ORIGINAL_BYTES,
    wire::{
        client::{Request, ServiceError},
        foreign,
    },
};

/// The largest request of a stranger, bytes.
pub(super) const STRANGERS_LIMIT: usize = 64 << 10;
/// The largest one that neither brings a file nor records, bytes.
const LIMIT: usize = 1 << 20;
/// What a request is, beside what it brings, bytes.
const AROUND: usize = 64 << 10;

/// How many times as much memory a request takes as it is long, when it is decoded.
const DECODED: usize = 4;
/// How many times as large as its original a sealed image is, at most, beside [`COVER`].
const SEALED: usize = 4;
/// What a sealed image has in any case: the pixels of the standard cover.
const COVER: usize = 3 << 19;
/// What a page of a list takes, about, bytes.
const PAGE: usize = 512 << 10;
/// What a page of a dump takes, about, bytes.
const DUMP: usize = 2 << 20;

/// The numbers of variants, as they are sent.
const EXECUTE: u32 = 2;
const SEAL: u32 = 4;
const RESTORE: u32 = 21;

/// What may be large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LargeKind {
    /// An original.
    Seal,
    /// Records.
    Restore,
    /// Anything else.
    Other,
}

/// The beginning of a request.
pub(super) struct Beginning {
    /// In which session it is asked.
    pub(super) session: Option<SessionToken>,
    /// What it is.
    pub(super) kind: LargeKind,
}

impl Beginning {
    /// Of what makes no sense, a stranger's.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut rest = bytes;
        let Ok((session, request)) = foreign::decode_first::<(Option<SessionToken>, u32)>(&mut rest) else {
            return Self { session: None, kind: LargeKind::Other };
        };
        let kind = match request {
            SEAL => LargeKind::Seal,
            EXECUTE => match foreign::decode_first::<(RequestId, u32)>(&mut rest) {
                Ok((_, RESTORE)) => LargeKind::Restore,
                _ => LargeKind::Other,
            },
            _ => LargeKind::Other,
        };
        Self { session, kind }
    }
}

impl LargeKind {
    /// Refuses what is too large.
    pub(super) fn check(self, length: usize) -> Result<(), ServiceError> {
        let limit = match self {
            Self::Seal => MAX_ORIGINAL_BYTES as usize + AROUND,
            Self::Restore => COMMAND_LIMIT as usize + AROUND,
            Self::Other => LIMIT,
        };
        if length <= limit {
            return Ok(());
        }
        let field = "size of the request in bytes".to_owned();
        Err(ServiceError::Declined(Refusal::TooMuch { field, value: length as u64, limit: limit as u64 }))
    }

    /// How much memory one of this length takes, and its answer.
    pub(super) fn memory(self, length: usize) -> usize {
        match self {
            Self::Seal => length + sealed(length),
            Self::Restore | Self::Other => DECODED * length,
        }
    }
}

fn sealed(original: usize) -> usize {
    SEALED * original + COVER
}

/// How much memory an answer may take; nothing, if it is as small as most are.
pub(super) fn memory_of_answer(request: &Request) -> usize {
    match request {
        Request::Seal { original, .. } => sealed(original.len()),
        Request::Online { .. } => PAGE,
        Request::Read { query, .. } => match query {
            Query::Dump { .. } => DUMP,
            Query::Hash
            | Query::Block { .. }
            | Query::Sessions { .. }
            | Query::Image { .. }
            | Query::MyGroups { .. }
            | Query::Limits
            | Query::Usage { .. } => 0,
            _ => PAGE,
        },
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{
        directory::{Describe, ImageId, Restore},
        wire::{
            client::{Asked, Change, NewImage},
            codec,
        },
    };

    fn kind(request: Request, session: Option<SessionToken>) -> LargeKind {
        let beginning = codec::encode(&Asked { session: session.clone(), request }).unwrap();
        let found = Beginning::of(&beginning[..beginning.len().min(55)]);
        assert_eq!(found.session.is_some(), session.is_some());
        found.kind
    }

    #[test]
    fn what_may_be_large_is_known_by_its_first_bytes() {
        let (request, owner) = (RequestId::new(u64::MAX >> 16, u128::MAX), "anna".parse().unwrap());
        for session in [None, Some(SessionToken::from_bytes([9; 32]))] {
            let execute = |change| Request::Execute { request, change };
            let restore = execute(Change::Restore(Restore { records: Vec::new() }));
            assert_eq!(kind(restore, session.clone()), LargeKind::Restore);
            let text = "x".repeat(1_000);
            let describe = Describe {
                owner: "anna".parse().unwrap(),
                image: ImageId(1),
                title: text.clone(),
                description: text,
            };
            assert_eq!(kind(execute(Change::Describe(describe)), session.clone()), LargeKind::Other);
            assert_eq!(kind(Request::AssignWorker { avoid: vec![1] }, session.clone()), LargeKind::Other);
            let (owner, original) = (Clone::clone(&owner), Bytes::from(vec![0; 1_000]));
            let seal = Request::Seal { request, image: NewImage::of(owner), original };
            assert_eq!(kind(seal, session), LargeKind::Seal);
        }
        assert!(Beginning::of(&[7; 3]).session.is_none());
    }

    #[test]
    fn only_files_and_records_may_be_larger_than_a_mebibyte() {
        assert!(LargeKind::Seal.check(16 << 20).is_ok());
        assert!(LargeKind::Restore.check(8 << 20).is_ok());
        let refused = LargeKind::Other.check((1 << 20) + 1).unwrap_err().to_string();
        assert_eq!(refused, "size of the request in bytes is 1048577, the limit is 1048576");
        assert!(LargeKind::Seal.check(17 << 20).is_err());
    }
}
