//! Going on with one node alone, when so many of the others are lost for good that the rest is no majority.
//!
//! The survivor's log is taken as it is, also what is not known to be committed: whoever led may have acknowledged it. Behind
//! it comes a membership of this node alone, as if a leader of a much later term had put it there. The disk gets another
//! number, so that nobody who knows the old one is answered any more, and nobody of the old members is asked. What only the
//! others held is lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
};

use openraft::{EntryPayload, vote::leader_id_std::CommittedLeaderId};

use super::{
    OpenError,
    disk::Disk,
    log::{Journal, Record, SEGMENT, replay},
    message::{Identity, PeerAnswer},
    snapshot::{Image, SnapshotStore},
    types::{DiskId, Entry, LogId, Membership, Seat, StoredMembership, Vote},
};
use crate::wire::{
    client::{Member, NodeId},
    codec,
    transport::Network,
};

/// So many terms lie between what the old members may still do among themselves and what comes after a recovery: no entry of
/// the one is taken for an entry of the other.
const TERMS: u64 = 1_000;

/// Why a cluster is not recovered from a folder. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The node runs.
    #[error("the data folder is in use: stop the node first")]
    Running,
    /// There is nothing in it.
    #[error("the data folder is empty: there is nothing to recover a cluster from")]
    Empty,
    /// It cannot be read, or not be written.
    #[error("cannot read or write the data folder: {0}")]
    Io(io::Error),
    /// It is not what it was, or was written by another version.
    #[error("the data folder cannot be used: {0}")]
    Unusable(String),
    /// The node had no part in the cluster.
    #[error(
        "node {node} is no voter of the cluster as this folder knows it: recover from the folder of one that is"
    )]
    NoVoter {
        /// Which node.
        node: NodeId,
    },
    /// The members know the node with another disk.
    #[error(
        "the members know node {node} with disk {known}, and this is disk {disk}: this folder is not the member's"
    )]
    OtherDisk {
        /// Which node.
        node: NodeId,
        /// The number of the member's disk.
        known: DiskId,
        /// The number of this one.
        disk: DiskId,
    },
    /// It needs nobody else.
    #[error("node {node} is the only voter already: start it")]
    Alone {
        /// Which node.
        node: NodeId,
    },
}

impl From<OpenError> for RecoverError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Log(error) if error.kind() == io::ErrorKind::ResourceBusy => Self::Running,
            OpenError::Log(error) | OpenError::Snapshot(error) => Self::Io(error),
            OpenError::OtherVersion(reason) | OpenError::Damaged(reason) => Self::Unusable(reason),
        }
    }
}

/// What a survivor holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holdings {
    /// The last entry of its log.
    pub last: u64,
    /// The term that it was written in.
    pub term: u64,
    /// The last entry that it knows to be committed.
    pub committed: u64,
    /// When the last change in it was made, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Users in its directory.
    pub users: u64,
    /// Images in its directory.
    pub images: u64,
}

/// The folder of a node that is down, held so that the node does not start meanwhile.
pub struct Survivor {
    node: NodeId,
    journal: Journal,
    /// After all that is in the log.
    image: Image,
    seat: Seat,
    others: Vec<Seat>,
}

impl Survivor {
    /// Reads the folder of node `node`.
    ///
    /// # Errors
    /// [`RecoverError`].
    pub fn open(node: NodeId, disk: Arc<dyn Disk>) -> Result<Self, RecoverError> {
        let segments = disk.open_log().map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => OpenError::OtherVersion(error.to_string()),
            _ => OpenError::Log(error),
        })?;
        if segments.list().map_err(RecoverError::Io)?.is_empty() {
            return Err(RecoverError::Empty);
        }
        let (_, mut image) = SnapshotStore::open(disk).map_err(OpenError::from)?;
        let journal = Journal::open(segments, DiskId::default(), SEGMENT).map_err(OpenError::from)?;
        let state = journal.state();
        if state.last.is_none() && image.applied.is_none() {
            return Err(RecoverError::Empty);
        }
        if state.purged > image.applied {
            return Err(RecoverError::Unusable(
                "the snapshot is missing that the log goes on from".to_owned(),
            ));
        }
        let next = image.applied.map_or(0, |applied| applied.index + 1);
        replay(&journal, next, |entry| apply(&mut image, entry)).map_err(RecoverError::Io)?;
        let membership = image.membership.clone();
        let seat = membership.get_node(&node).filter(|_| membership.voter_ids().any(|voter| voter == node));
        let seat = seat.cloned().ok_or(RecoverError::NoVoter { node })?;
        let disk = state.disk.unwrap_or_default();
        // A recovery that was cut short has changed the number already.
        if seat.disk != disk && !state.recovered.contains(&seat.disk) {
            return Err(RecoverError::OtherDisk { node, known: seat.disk, disk });
        }
        if seat.disk == disk && membership.voter_ids().count() == 1 {
            return Err(RecoverError::Alone { node });
        }
        let others =
            membership.nodes().filter(|(id, _)| **id != node).map(|(_, seat)| seat.clone()).collect();
        Ok(Self { node, journal, image, seat, others })
    }

    /// What it holds. All else that the cluster had acknowledged is lost.
    pub fn holdings(&self) -> Holdings {
        let (users, images) = self.image.directory.counts();
        let index = |entry: Option<LogId>| entry.map_or(0, |entry| entry.index);
        Holdings {
            last: index(self.image.applied),
            term: self.image.applied.map_or(0, |entry| entry.committed_leader_id().term),
            committed: index(self.journal.state().committed),
            at_ms: self.image.directory.clock_ms(),
            users: users as u64,
            images: images as u64,
        }
    }

    /// The other members that it knows.
    pub fn others(&self) -> impl Iterator<Item = &Member> {
        self.others.iter().map(|seat| &seat.member)
    }

    /// Those of them that answer with the disk that they are members with: they are not lost.
    pub async fn living(&self, network: &dyn Network) -> Vec<Member> {
        let asking = self.others.iter().map(async |seat| {
            let answer = super::membership::greet(network, &seat.member.peer).await;
            let lives = matches!(answer, Ok(PeerAnswer::Identity(Identity { node, disk, .. }))
                if node == seat.member.id && disk == seat.disk);
            lives.then(|| seat.member.clone())
        });
        futures_util::future::join_all(asking).await.into_iter().flatten().collect()
    }

    /// Makes this node the only member. Its disk gets the number `fresh`.
    ///
    /// # Errors
    /// [`RecoverError::Io`]; then it may be done in part, and can be done again.
    pub fn recover(mut self, fresh: DiskId) -> Result<(), RecoverError> {
        let state = self.journal.state();
        let before = self.image.applied;
        let voted = state.vote.map_or(0, |vote| vote.leader_id.term);
        let term = voted.max(before.map_or(0, |entry| entry.committed_leader_id().term)) + TERMS;
        let log_id = LogId::new(CommittedLeaderId::new(term), before.map_or(0, |entry| entry.index + 1));
        let seat = Seat { disk: fresh, ..self.seat.clone() };
        let members = Membership::new(vec![BTreeSet::from([self.node])], BTreeMap::from([(self.node, seat)]));
        let members = members.map_err(|error| RecoverError::Unusable(error.to_string()))?;
        let entry = Entry { log_id, payload: EntryPayload::Membership(members) };
        let bytes = codec::encode(&entry).map_err(|error| RecoverError::Io(io::Error::other(error)))?;
        // The power may fail where the log goes on in another segment, after any of these: what the number was comes first, so
        // that the disk is always known as the member's.
        let changed = [Record::Recovered(self.seat.disk), Record::Disk(fresh)];
        let added = [
            Record::Vote(Vote::new_committed(term, self.node)),
            Record::Entry { index: log_id.index, bytes: &bytes },
            Record::Committed(log_id),
        ];
        // Of one that got a snapshot, and had the power fail before its log said so, the log ends earlier.
        let covered = before.filter(|applied| state.last < Some(applied.index)).map(Record::Purged);
        let mut records = changed.iter().chain(&covered).chain(&added);
        let written = records.try_for_each(|record| self.journal.push(record));
        written.and_then(|()| self.journal.flush()).map_err(RecoverError::Io)
    }
}

/// What an entry makes of the state.
fn apply(image: &mut Image, entry: Entry) -> io::Result<()> {
    match entry.payload {
        EntryPayload::Blank => {}
        EntryPayload::Normal(proposal) => {
            // What it answers was told by whoever led.
            let _ = image.directory.apply(proposal.command().map_err(io::Error::other)?);
        }
        EntryPayload::Membership(members) => {
            image.membership = StoredMembership::new(Some(entry.log_id), members);
        }
    }
    image.applied = Some(entry.log_id);
    Ok(())
}
