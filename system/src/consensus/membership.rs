//! Who is a member: founding a cluster, adding to it, removing from it.
//!
//! A member is a node with a disk (a [`Seat`]), and every message between members names the disk it is
//! meant for. A node that has lost its disk is somebody else: it neither votes nor acknowledges anything in
//! the place of the member it was, until that one is removed and the node is added, disk and all.
//!
//! Voters come and go one at a time, each in one entry: any majority before the change shares a node with
//! any majority after it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::future::join_all;
use openraft::{
    EntryPayload,
    async_runtime::watch::WatchReceiver,
    errors::{ChangeMembershipError, ClientWriteError, RaftError},
    raft::Precondition,
    type_config::TypeConfigExt,
};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{
    BarrierError, Consensus,
    message::{Identity, PeerAnswer, PeerRequest},
    types::{LogId, Membership, Seat, TypeConfig},
};
use crate::wire::{
    client::{AddressOf, Member, MemberError, MemberRole, NodeId},
    connection::{CallError, Connection},
    frame::Link,
    transport::Network,
};

/// A new member becomes a voter when it lacks no more than so many entries.
const CAUGHT_UP: u64 = 256;
/// How long one step of a change may take to be committed.
const COMMIT_PATIENCE: Duration = Duration::from_secs(5);
/// How long a member that loses its vote may take to learn of it.
const FAREWELL_PATIENCE: Duration = Duration::from_millis(500);
/// How long a node may take to say who it is, and the pause before it is asked again.
const GREET_PATIENCE: Duration = Duration::from_secs(1);
const GREET_PAUSE: Duration = Duration::from_millis(50);
/// How long a founder waits for the others before it says so.
const FOUNDING_PATIENCE: Duration = Duration::from_secs(5);

/// Why the members are not as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// Somebody else leads.
    #[error("not the leader")]
    NotLeader,
    /// The change makes no sense or cannot be made.
    #[error(transparent)]
    Refused(#[from] MemberError),
    /// The change may or may not be made, or be made in part. Asking again completes it.
    #[error("outcome unknown: {0}")]
    Unsettled(String),
    /// No majority has confirmed that this node leads. Nothing was changed.
    #[error("not confirmed: {0}")]
    Unconfirmed(String),
}

impl From<BarrierError> for ChangeError {
    fn from(error: BarrierError) -> Self {
        match error {
            BarrierError::NotLeader => Self::NotLeader,
            BarrierError::Unconfirmed(reason) => Self::Unconfirmed(reason),
        }
    }
}

/// The members at one place of the log.
struct Roster {
    at: Option<LogId>,
    voters: BTreeSet<NodeId>,
    seats: BTreeMap<NodeId, Seat>,
}

impl Consensus {
    /// All members of the cluster, as far as they are known here.
    pub fn members(&self) -> Vec<Member> {
        self.machine.look(|image| image.membership.nodes().map(|(_, seat)| seat.member.clone()).collect())
    }

    /// All members and whether they have a vote, as the leader knows them.
    ///
    /// # Errors
    /// [`BarrierError`].
    pub async fn roles(&self) -> Result<Vec<MemberRole>, BarrierError> {
        self.leader_barrier().await?;
        let Roster { voters, seats, .. } = self.roster();
        let role =
            |(id, seat): (NodeId, Seat)| MemberRole { member: seat.member, voter: voters.contains(&id) };
        Ok(seats.into_iter().map(role).collect())
    }

    /// Founds the cluster of the `founding` members, if there are any and nobody's disk holds anything, and plays this node's
    /// part in it from then on, as long as the node does.
    pub async fn take_part(&self, founding: Option<BTreeMap<NodeId, Member>>) {
        tokio::join!(
            self.stand_once_seated(founding),
            self.look_after_leadership(),
            self.keep_house(),
            self.make_snapshots()
        );
    }

    /// Waits until the members know this node with its disk, and only from then on lets it stand for
    /// election: a node that reads an old log from its beginning passes through memberships in which
    /// another disk had a vote under its number.
    async fn stand_once_seated(&self, founding: Option<BTreeMap<NodeId, Member>>) {
        if let Some(members) = founding
            && let Err(reason) = self.found(members).await
        {
            tracing::warn!("no cluster is founded: {reason}; this node waits until it is added to one");
        }
        let (id, mut metrics) = (*self.raft.node_id(), self.raft.server_metrics());
        let seated = |seat: Option<&Seat>| seat.is_some_and(|seat| seat.disk == self.disk);
        while !seated(metrics.borrow_watched().membership_config.get_node(&id)) {
            if metrics.changed().await.is_err() {
                return;
            }
        }
        tokio::join!(self.campaign(), self.look_for_a_twin());
    }

    /// Whether another process runs from a copy of this node's folder, or somebody else is where the members look for this
    /// node. What cannot be reached from here is not known.
    async fn look_for_a_twin(&self) {
        let id = *self.raft.node_id();
        let own = self.roster().seats.remove(&id);
        let Some(Seat { member, .. }) = own else { return };
        match greet(&*self.network, &member.peer).await {
            Ok(PeerAnswer::Identity(found)) if found.node != id => tracing::warn!(
                "the members reach node {id} at {}, and node {} answers there: no message reaches this node",
                member.peer,
                found.node
            ),
            Ok(PeerAnswer::Identity(found)) if found.disk == self.disk && found.run != self.run => {
                self.ending.tell(&format!(
                    "another process runs as node {id}, from a copy of this folder, and is the one that the members reach, \
                     at {}. Two of them would vote twice: keep one folder, and one process",
                    member.peer
                ));
            }
            _ => {}
        }
    }

    async fn found(&self, members: BTreeMap<NodeId, Member>) -> Result<(), String> {
        let own = self.identity().await?;
        if !own.empty {
            return Ok(());
        }
        let seats = join_all(members.into_iter().map(async |(id, member)| {
            let identity = match id == own.node {
                true => own,
                false => self.greet_founder(&member).await,
            };
            if identity.node != id {
                return Err(format!("the node at {} is node {}, not node {id}", member.peer, identity.node));
            }
            if !identity.empty {
                return Err(format!("node {id} at {} is part of one already", member.peer));
            }
            Ok((id, Seat { member, disk: identity.disk }))
        }));
        let seats: BTreeMap<_, _> = seats.await.into_iter().collect::<Result<_, _>>()?;
        self.raft.initialize(seats).await.map_err(|e| e.to_string())
    }

    /// Asks a founding member who it is for as long as it takes.
    async fn greet_founder(&self, member: &Member) -> Identity {
        let began = Instant::now();
        let mut said = false;
        loop {
            match self.greet(member).await {
                Ok(identity) => return identity,
                Err(reason) if !said && began.elapsed() > FOUNDING_PATIENCE => {
                    said = true;
                    tracing::warn!("waiting for node {} before the cluster is founded: {reason}", member.id);
                }
                Err(_) => {}
            }
            sleep(GREET_PAUSE).await;
        }
    }

    /// Who this node is.
    pub(super) async fn identity(&self) -> Result<Identity, String> {
        let initialized = self.raft.is_initialized().await.map_err(|e| e.to_string())?;
        let held = self.machine.look(|image| image.applied);
        Ok(Identity { node: *self.raft.node_id(), disk: self.disk, run: self.run, empty: !initialized, held })
    }

    /// Answers a message that is meant for another disk.
    pub(super) fn refuse(&self, meant: super::DiskId) -> PeerAnswer {
        let id = self.raft.node_id();
        if self.former.contains(&meant) {
            return PeerAnswer::Outlived(format!(
                "the cluster was recovered from node {id} alone, when most of the others were taken for lost, and this node \
                 with its folder is no member of it any more. What it holds may contradict the cluster: keep the folder \
                 under another name, start with an empty one, and be added: `veil member add`"
            ));
        }
        let reason = format!(
            "the others know node {id} with disk {meant}, and this is disk {}: if the other one is lost, \
             remove node {id} and add it again",
            self.disk
        );
        self.mistaken.call_once(|| tracing::warn!("{reason}"));
        PeerAnswer::Failed(reason)
    }

    /// Asks a node who it is.
    async fn greet(&self, member: &Member) -> Result<Identity, String> {
        match greet(&*self.network, &member.peer).await {
            Ok(PeerAnswer::Identity(identity)) => Ok(identity),
            Ok(answer) => Err(format!("unexpected answer {answer:?}")),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Asks whoever is at the address for nodes of a newcomer who it is, until `until`, which is after `patience`.
    ///
    /// # Errors
    /// [`MemberError`], when it is somebody else, or nobody.
    pub async fn who_answers_nodes(
        &self,
        member: &Member,
        until: Instant,
        patience: Duration,
    ) -> Result<Identity, MemberError> {
        let other = |found: String| MemberError::OtherAnswers {
            side: AddressOf::Nodes,
            value: member.peer.clone(),
            expected: member.id,
            found,
        };
        loop {
            let silent = match greet(&*self.network, &member.peer).await {
                Ok(PeerAnswer::Identity(identity)) if identity.node == member.id => return Ok(identity),
                Ok(PeerAnswer::Identity(identity)) => {
                    return Err(other(format!("node {} answers there", identity.node)));
                }
                Ok(_) => return Err(other("no node answers there".to_owned())),
                Err(error) => match error.somebody_else() {
                    Some(found) => return Err(other(found)),
                    None => error,
                },
            };
            if Instant::now() >= until {
                let reason = format!("nobody answers nodes there: {silent}");
                return Err(MemberError::NotCaughtUp { id: member.id, waited: patience, reason });
            }
            sleep(GREET_PAUSE).await;
        }
    }

    /// Makes a node a member: it learns the log, and gets a vote when it has caught up. What is a member
    /// already stays one. A node that does not catch up within `patience` is no member afterwards.
    ///
    /// When the future is dropped, a member without a vote may be left; asking again goes on from there.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn add_member(&self, member: Member, patience: Duration) -> Result<(), ChangeError> {
        let (began, id) = (Instant::now(), member.id);
        let not_caught_up = |reason: String| MemberError::NotCaughtUp { id, waited: began.elapsed(), reason };
        self.leader_barrier().await?;
        let identity = loop {
            match self.greet(&member).await {
                Ok(identity) => break identity,
                // A member may be down; that does not make it less of one.
                Err(_) if self.roster().has_voter(&member) => return Ok(()),
                Err(reason) if began.elapsed() >= patience => return Err(not_caught_up(reason).into()),
                Err(_) => sleep(GREET_PAUSE).await,
            }
        };
        if identity.node != id {
            return Err(
                MemberError::OtherNode { peer: member.peer, expected: id, found: identity.node }.into()
            );
        }
        let _change = self.changing.try_lock().map_err(|_| MemberError::UnderWay)?;
        self.leader_barrier().await?;
        if identity.held.is_some_and(|held| self.house.log.contradicts(held)) {
            return Err(MemberError::OtherHistory { id }.into());
        }
        let mut roster = self.roster();
        match roster.seats.get(&id) {
            Some(known) if known.member != member => {
                return Err(MemberError::OtherAddress { known: known.member.clone() }.into());
            }
            Some(known) if known.disk != identity.disk => return Err(MemberError::OtherDisk { id }.into()),
            Some(_) if roster.voters.contains(&id) => return self.settled(&roster),
            Some(_) => {}
            None => {
                roster.seats.insert(id, Seat { member, disk: identity.disk });
                self.install(&mut roster).await?;
            }
        }
        // From here on it is a member without a vote, whatever comes.
        let in_part = |error| done_in_part(error, "is a member without a vote", id);
        match timeout_at(began + patience, self.caught_up(id)).await {
            Ok(Ok(())) => {
                roster.voters.insert(id);
                self.install(&mut roster).await.map_err(in_part)
            }
            Ok(Err(error)) => Err(in_part(error)),
            Err(_) => {
                roster.seats.remove(&id);
                self.install(&mut roster).await.map_err(in_part)?;
                Err(not_caught_up("its log is still behind".to_owned()).into())
            }
        }
    }

    /// Makes a node a member no longer. A leader that is to go hands the leadership over and leaves the
    /// rest to its successor.
    ///
    /// When the future is dropped, the member may be left without a vote; asking again goes on from there.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn remove_member(&self, id: NodeId) -> Result<(), ChangeError> {
        let change = self.changing.try_lock().map_err(|_| MemberError::UnderWay)?;
        self.leader_barrier().await?;
        let mut roster = self.roster();
        if !roster.seats.contains_key(&id) {
            self.settled(&roster)?;
            return Err(MemberError::Unknown { id }.into());
        }
        if roster.voters.iter().all(|voter| *voter == id) {
            return Err(MemberError::Last { id }.into());
        }
        if id == *self.raft.node_id() {
            drop(change);
            self.hand_over().await;
            return Err(ChangeError::NotLeader);
        }
        // In two steps, so that a node that lives is told that it has no vote, and never asks for any.
        if !roster.voters.remove(&id) {
            roster.seats.remove(&id);
            return self.install(&mut roster).await;
        }
        self.install(&mut roster).await?;
        let _ = timeout(FAREWELL_PATIENCE, self.told(id, roster.at)).await;
        roster.seats.remove(&id);
        let in_part = |error| done_in_part(error, "has no vote any more", id);
        self.install(&mut roster).await.map_err(in_part)
    }

    /// That these members are committed, and will be so.
    fn settled(&self, roster: &Roster) -> Result<(), ChangeError> {
        let committed = *self.raft.metrics().borrow_watched().committed_membership_config.log_id();
        match committed >= roster.at {
            true => Ok(()),
            false => Err(MemberError::UnderWay.into()),
        }
    }

    fn roster(&self) -> Roster {
        let metrics = self.raft.metrics();
        let stored = metrics.borrow_watched().membership_config.clone();
        Roster {
            at: *stored.log_id(),
            voters: stored.voter_ids().collect(),
            seats: stored.nodes().map(|(id, seat)| (*id, seat.clone())).collect(),
        }
    }

    /// Puts changed members into the log, if nobody else has changed them, and waits for the commit.
    async fn install(&self, roster: &mut Roster) -> Result<(), ChangeError> {
        let members = Membership::new(vec![roster.voters.clone()], roster.seats.clone());
        let members = members.map_err(|e| ChangeError::Unsettled(e.to_string()))?;
        let unchanged = Precondition::LastMembershipLogId { last_membership_log_id: roster.at };
        let appended = self.raft.append_membership(members, EntryPayload::Blank, [unchanged]);
        let Ok(appended) = timeout(COMMIT_PATIENCE, appended).await else {
            return Err(ChangeError::Unsettled(format!("not committed within {COMMIT_PATIENCE:?}")));
        };
        match appended {
            Ok(written) => {
                roster.at = Some(written.log_id);
                Ok(())
            }
            Err(RaftError::APIError(error)) => Err(refusal(error)),
            Err(error) => Err(ChangeError::Unsettled(error.to_string())),
        }
    }

    /// Waits until a member's log is about as long as the leader's.
    async fn caught_up(&self, id: NodeId) -> Result<(), ChangeError> {
        let mut metrics = self.raft.metrics();
        loop {
            {
                let now = metrics.borrow_watched();
                let Some(replication) = &now.replication else {
                    return Err(ChangeError::NotLeader);
                };
                let matched = replication.get(&id).copied().flatten();
                if matched.is_some_and(|matched| Some(matched.index + CAUGHT_UP) >= now.last_log_index) {
                    return Ok(());
                }
            }
            metrics.changed().await.map_err(|_| ChangeError::Unsettled("raft has stopped".to_owned()))?;
        }
    }

    /// Waits until a member has the entry at `index` and has been told, by a heartbeat from now on, that
    /// it is committed.
    async fn told(&self, id: NodeId, at: Option<LogId>) {
        let (committed, mut metrics) = (TypeConfig::now(), self.raft.metrics());
        loop {
            {
                let now = metrics.borrow_watched();
                let matched =
                    now.replication.as_ref().and_then(|matched| matched.get(&id).copied().flatten());
                let heard = now.heartbeat.as_ref().and_then(|heard| heard.get(&id).copied().flatten());
                if matched >= at && heard.is_some_and(|heard| *heard > committed) {
                    return;
                }
            }
            if metrics.changed().await.is_err() {
                return;
            }
        }
    }
}

impl Roster {
    fn has_voter(&self, member: &Member) -> bool {
        self.voters.contains(&member.id) && self.seats.get(&member.id).is_some_and(|s| s.member == *member)
    }
}

/// What went wrong after the first step of a change: it cannot be said that nothing was done.
fn done_in_part(error: ChangeError, done: &str, id: NodeId) -> ChangeError {
    ChangeError::Unsettled(format!("node {id} {done}, and the rest is not done: {error}"))
}

/// Asks whoever is at this address who it is.
pub(super) async fn greet(network: &dyn Network, address: &str) -> Result<PeerAnswer, CallError> {
    let asking = async {
        let connection = Connection::open(network, address, Link::Peer, GREET_PATIENCE).await?;
        connection.call(&PeerRequest::Greet).await
    };
    let lost = || Err(CallError::Lost { address: address.to_owned() });
    timeout(GREET_PATIENCE, asking).await.unwrap_or_else(|_| lost())
}

fn refusal(error: ClientWriteError<TypeConfig>) -> ChangeError {
    match error {
        ClientWriteError::ForwardToLeader(_) => ChangeError::NotLeader,
        ClientWriteError::PreconditionFailed(_)
        | ClientWriteError::ChangeMembershipError(
            ChangeMembershipError::InProgress(_) | ChangeMembershipError::UncommittedLeaderLog(_),
        ) => MemberError::UnderWay.into(),
        other => ChangeError::Unsettled(other.to_string()),
    }
}
