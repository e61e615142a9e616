//! When this node stands for election: as soon as it takes the leader for dead or lost, in its turn. openraft's own timer is
//! off; its Pre-Vote, and all that makes an election safe, is not.

use std::time::Duration;

use openraft::{
    ServerState,
    async_runtime::watch::WatchReceiver,
    raft::{TransferLeaderRequest, VoteRequest, VoteResponse},
};
use tokio::time::{Instant, sleep};

use super::{
    Consensus, Judgement,
    message::PeerAnswer,
    suspicion::{Attention, REFUSED_PAUSE, UNANSWERED_PAUSE, Verdict, election_patience, until_next_try},
    types::{TypeConfig, Vote},
};
use crate::wire::client::NodeId;

/// A vote as it is now, and where this node stands.
struct Situation {
    vote: Vote,
    /// Who leads, unless it is this node.
    leader: Option<NodeId>,
    /// The candidate's place among those who may stand, and how many they are.
    rank: u32,
    ranks: u32,
}

impl Consensus {
    /// Stands for election whenever it is time to, for ever.
    pub(super) async fn campaign(&self) {
        let mut metrics = self.raft.server_metrics();
        let mut news = self.contacts.news();
        let mut attention = Attention::new(Instant::now());
        // Who was given up, by the vote that made them leader, and when.
        let mut given_up: Option<(Vote, Instant)> = None;
        // Since when the vote is what it is.
        let mut vote_since: Option<(Vote, Instant)> = None;
        // When this node last stood for election, and how often it had been refused by then.
        let mut last_try: Option<(Instant, u64)> = None;
        loop {
            let now = Instant::now();
            let Some(situation) = self.situation() else {
                (given_up, vote_since) = (None, None);
                attention = Attention::new(now);
                if metrics.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let since = match vote_since {
                Some((vote, since)) if vote == situation.vote => since,
                _ => {
                    attention = Attention::new(now);
                    vote_since.insert((situation.vote, now)).1
                }
            };
            let (verdict, heard) = match situation.leader {
                Some(leader) => self.contacts.evidence(|evidence| {
                    let term = situation.vote.leader_id.term;
                    (evidence.verdict(leader, term, self.lease, now), evidence.last_heard(leader))
                }),
                // Somebody stands for election, or has failed to be elected.
                None => (Verdict::Silent, Some(since)),
            };
            let silence = attention.look(heard.max(Some(since)), now);
            let alone = situation.ranks == 1 && situation.leader.is_none();
            let pace = self.slowest_pace(now);
            let patience = match situation.leader {
                Some(_) => self.lease,
                None => election_patience(self.lease, pace),
            };
            let lost = match verdict {
                Verdict::Dead | Verdict::Resigned => true,
                Verdict::Silent => silence > patience || alone,
                Verdict::Alive => false,
            };
            // Its own vote is the first that it needs, and could not be written down; or it lacks what it has promised to hold.
            let able = !self.disk_hangs(now) && !self.is_put_back();
            // A leader's time is the directory's.
            let may_stand = lost && able && !matches!(self.clock(), Judgement::Wrong { .. });
            let wait = if may_stand {
                let began = match given_up {
                    Some((vote, began)) if vote == situation.vote => began,
                    _ => {
                        tracing::info!(leader = ?situation.leader, ?verdict, "the leader is given up");
                        given_up.insert((situation.vote, now)).1
                    }
                };
                let refusals = self.contacts.refusals();
                let paused = last_try.map_or(Duration::ZERO, |(at, before)| {
                    let pause = if refusals > before { REFUSED_PAUSE } else { UNANSWERED_PAUSE };
                    (at + pause).saturating_duration_since(now)
                });
                let turn = until_next_try(situation.rank, situation.ranks, now - began, pace);
                let wait = paused.max(turn);
                if wait.is_zero() {
                    self.stand(&situation).await;
                    last_try = Some((now, refusals));
                }
                wait.clamp(REFUSED_PAUSE, Attention::STEP)
            } else {
                given_up = None;
                Attention::STEP
            };
            tokio::select! {
                () = sleep(wait) => {}
                changed = metrics.changed() => if changed.is_err() { return },
                // The sender lives in `self`.
                _ = news.changed() => {}
            }
        }
    }

    /// Where things stand, if this node may ever have to stand for election.
    fn situation(&self) -> Option<Situation> {
        let own = *self.raft.node_id();
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        if metrics.state == ServerState::Leader {
            return None;
        }
        // A leader that was restarted is remembered as one, also by itself.
        let leader = metrics.current_leader.filter(|leader| *leader != own);
        let candidates: Vec<_> =
            metrics.membership_config.voter_ids().filter(|voter| Some(*voter) != leader).collect();
        let rank = candidates.iter().position(|voter| *voter == own)?;
        Some(Situation { vote: metrics.vote, leader, rank: rank as u32, ranks: candidates.len() as u32 })
    }

    /// Asks the others whether they would vote for this node; if a majority would, openraft holds the election.
    async fn stand(&self, situation: &Situation) {
        // Raft may be writing down a vote, which may be slow, and tells of it afterwards: standing again would undo the
        // election that the vote is for. Once Raft has answered, it has told.
        let answered = self.raft.with_raft_state(|_| ()).await;
        if answered.is_err() || self.situation().is_none_or(|now| now.vote != situation.vote) {
            return;
        }
        if let Some(leader) = situation.leader {
            self.lift_lease(situation.vote, leader).await;
        }
        if let Err(error) = self.raft.trigger().elect(true).await {
            tracing::debug!(%error, "no election");
        }
    }

    /// Takes back the lease that openraft has granted the leader here. That is long, see [`LONGEST_ELECTION`]; how long a
    /// leader is believed in is decided by the evidence alone.
    ///
    /// [`LONGEST_ELECTION`]: super::LONGEST_ELECTION
    async fn lift_lease(&self, vote: Vote, leader: NodeId) {
        // Meant for another node than this, a transfer of the leadership does nothing else.
        let lift = TransferLeaderRequest::new(vote, leader, None);
        if let Err(error) = self.raft.handle_transfer_leader(lift).await {
            tracing::debug!(%error, "the lease of the leader cannot be lifted");
        }
    }

    /// Judges the leader before somebody is answered who wants its place. Gives the refusal, if it is alive as far as
    /// is known here, or if the vote could not be written down.
    ///
    /// Whatever is answered, at most one leader a term is elected: each vote is written down before it is given, once a term.
    pub(super) async fn defend_leader(&self) -> Option<PeerAnswer> {
        let now = Instant::now();
        let (vote, leader) = {
            let metrics = self.raft.server_metrics();
            let metrics = metrics.borrow_watched();
            (metrics.vote, metrics.current_leader.filter(|_| metrics.state != ServerState::Leader))
        };
        let refused = Some(PeerAnswer::Vote(VoteResponse::new(vote, None, false)));
        if self.disk_hangs(now) {
            return refused;
        }
        let leader = leader.filter(|leader| *leader != *self.raft.node_id())?;
        match self
            .contacts
            .evidence(|evidence| evidence.verdict(leader, vote.leader_id.term, self.lease, now))
        {
            Verdict::Alive => refused,
            Verdict::Silent | Verdict::Dead | Verdict::Resigned => {
                self.lift_lease(vote, leader).await;
                None
            }
        }
    }

    /// Whether this node leads, and somebody else had better. openraft would defend it for [`LONGEST_ELECTION`] after a
    /// majority was last heard; a leader that goes on leading is defended by that, too.
    ///
    /// Safety does not depend on it. openraft's lease keeps the peace alone: nothing is read by it, each read asks a majority.
    /// A vote past the lease is given to a candidate that has all of this node's log, is written down first, and is the end of
    /// this node's own term here.
    ///
    /// [`LONGEST_ELECTION`]: super::LONGEST_ELECTION
    pub(super) fn lets_go(&self) -> bool {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        metrics.state == ServerState::Leader && (self.has_stepped_back(metrics.vote) || self.is_silent())
    }

    /// Whether this node has told others to elect a successor, when it led by this vote.
    pub(super) fn has_stepped_back(&self, vote: Vote) -> bool {
        *self.leaving.lock() == Some(vote)
    }

    /// Says whether this node, which [lets go](Self::lets_go), would vote for somebody. openraft's Pre-Vote knows of no leader
    /// that does. It promises nothing: the vote itself is openraft's.
    pub(super) fn would_vote(&self, asked: &VoteRequest<TypeConfig>) -> VoteResponse<TypeConfig> {
        let vote = self.raft.server_metrics().borrow_watched().vote;
        let last_log = self.raft.data_metrics().borrow_watched().last_log;
        let granted = asked.last_log_id >= last_log && asked.vote >= vote;
        VoteResponse::new(vote, last_log, granted)
    }

    /// For how long the leader has said nothing here, if it ever has and is another node.
    pub fn leader_silence(&self) -> Option<Duration> {
        let leader = self.situation()?.leader?;
        self.contacts.evidence(|evidence| evidence.last_heard(leader)).map(|heard| heard.elapsed())
    }
}
