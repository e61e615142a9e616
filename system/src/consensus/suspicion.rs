//! Whether the leader can still be alive, judged by what a follower sees of it, and when the follower may act on that.
//! Pure: time comes from outside.
//!
//! Raft's safety does not depend on how long followers wait before they elect somebody else; only their peace does. So a
//! follower waits where it knows nothing (a *silent* leader), and does not where it has evidence of *death*: every
//! connection with the leader is closed, in both directions, and a new one was refused. Both lead to a Pre-Vote, in which a
//! majority has to have the same impression, each by itself: one broken cable never costs a living leader its term.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;

use crate::wire::client::NodeId;

/// How long one follower has for itself to be elected before the next in rank tries: several rounds of questions among
/// nodes that have work to do, and the writing down of a vote.
const SLOT: Duration = Duration::from_millis(20);
/// The pause after a try that was refused: others may come to the same impression a little later.
pub(super) const REFUSED_PAUSE: Duration = Duration::from_millis(2);
/// The pause after a try without an answer. Trying again while an election goes on would undo it.
pub(super) const UNANSWERED_PAUSE: Duration = Duration::from_millis(15);

/// What a follower makes of its leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was heard within its lease, and nothing speaks for its death.
    Alive,
    /// It has said nothing for as long as its lease.
    Silent,
    /// Its process has ended, or its host is gone.
    Dead,
}

/// What this node has seen of the others.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// When each was last heard as a leader.
    heard: BTreeMap<NodeId, Instant>,
    /// Open connections on which a leader has spoken, by number.
    speaking: BTreeMap<u64, NodeId>,
    /// Those whose last connection from here is closed, and who refused the next.
    refusing: BTreeSet<NodeId>,
}

impl Evidence {
    /// `leader` has spoken on an open connection.
    pub(super) fn hear(&mut self, leader: NodeId, connection: u64, now: Instant) {
        self.heard.insert(leader, now);
        self.speaking.insert(connection, leader);
    }

    /// A connection to here has ended. Says whether a leader had spoken on it.
    pub(super) fn end(&mut self, connection: u64) -> bool {
        self.speaking.remove(&connection).is_some()
    }

    /// `node` was reached from here.
    pub(super) fn reach(&mut self, node: NodeId) {
        self.refusing.remove(&node);
    }

    /// No connection to `node` is open, and it refuses a new one. Says whether that is news.
    pub(super) fn refuse(&mut self, node: NodeId) -> bool {
        self.refusing.insert(node)
    }

    /// Since when `leader` has said nothing, if it ever has.
    pub(super) fn last_heard(&self, leader: NodeId) -> Option<Instant> {
        self.heard.get(&leader).copied()
    }

    /// What to make of `leader`, whose lease is `lease` long.
    pub(super) fn verdict(&self, leader: NodeId, lease: Duration, now: Instant) -> Verdict {
        let speaks = self.speaking.values().any(|speaker| *speaker == leader);
        if self.refusing.contains(&leader) && !speaks {
            return Verdict::Dead;
        }
        match self.last_heard(leader) {
            Some(heard) if now.saturating_duration_since(heard) <= lease => Verdict::Alive,
            _ => Verdict::Silent,
        }
    }
}

/// How long until the candidate of this `rank`, of so many `ranks`, may try to be elected, `waited` after the leader
/// was given up. They take turns, so that they do not split the vote, and the first has another turn after the last.
pub(super) fn until_next_try(rank: u32, ranks: u32, waited: Duration) -> Duration {
    let round = SLOT * ranks.max(1);
    let into = Duration::from_nanos((waited.as_nanos() % round.as_nanos()) as u64);
    let slot = SLOT * rank..SLOT * (rank + 1);
    if slot.contains(&into) {
        return Duration::ZERO;
    }
    match into < slot.start {
        true => slot.start - into,
        false => round - into + slot.start,
    }
}

/// Counts how long nothing was heard, but only the time in which this node was awake to hear it: what a processor
/// that was busy elsewhere kept from it still lies in its sockets.
#[derive(Debug)]
pub(super) struct Attention {
    last: Instant,
    silence: Duration,
}

impl Attention {
    /// How often to look; a longer gap between two looks counts as this much twice.
    pub(super) const STEP: Duration = Duration::from_millis(10);

    pub(super) fn new(now: Instant) -> Self {
        Self { last: now, silence: Duration::ZERO }
    }

    /// The silence at `now`, if the last word was heard at `heard`.
    pub(super) fn look(&mut self, heard: Option<Instant>, now: Instant) -> Duration {
        let gap = now.saturating_duration_since(self.last);
        self.last = now;
        self.silence += gap.min(2 * Self::STEP);
        if let Some(heard) = heard {
            self.silence = self.silence.min(now.saturating_duration_since(heard));
        }
        self.silence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_millis(150);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn death_takes_every_connection_and_a_refusal() {
        let now = Instant::now();
        let mut evidence = Evidence::default();
        evidence.hear(1, 10, now);
        evidence.hear(1, 11, now);
        assert_eq!(evidence.verdict(1, LEASE, now), Verdict::Alive);
        // One connection closed, the way there closed, or both, is not enough.
        assert!(evidence.end(10));
        assert_eq!(evidence.verdict(1, LEASE, now), Verdict::Alive);
        assert!(evidence.refuse(1));
        assert_eq!(evidence.verdict(1, LEASE, now), Verdict::Alive);
        assert!(evidence.end(11));
        assert_eq!(evidence.verdict(1, LEASE, now), Verdict::Dead);
        // A new connection from there or to there is a sign of life.
        evidence.hear(1, 12, now);
        assert_eq!(evidence.verdict(1, LEASE, now), Verdict::Alive);
        evidence.end(12);
        assert_eq!(evidence.verdict(1, LEASE, now), Verdict::Dead);
        evidence.reach(1);
        assert_eq!(evidence.verdict(1, LEASE, now), Verdict::Alive);
    }

    #[test]
    fn closed_connections_alone_are_silence_after_the_lease_and_no_earlier() {
        let now = Instant::now();
        let mut evidence = Evidence::default();
        evidence.hear(1, 10, now);
        assert!(evidence.end(10));
        assert!(!evidence.end(10), "the same end twice");
        assert_eq!(evidence.verdict(1, LEASE, now + LEASE), Verdict::Alive);
        assert_eq!(evidence.verdict(1, LEASE, now + LEASE + ms(1)), Verdict::Silent);
    }

    #[test]
    fn the_death_of_another_says_nothing_of_the_leader() {
        let now = Instant::now();
        let mut evidence = Evidence::default();
        evidence.hear(1, 10, now);
        evidence.refuse(2);
        assert_eq!(evidence.verdict(1, LEASE, now), Verdict::Alive);
        assert_eq!(evidence.verdict(2, LEASE, now), Verdict::Dead);
    }

    #[test]
    fn candidates_take_turns_and_everybody_has_one() {
        assert_eq!(until_next_try(0, 2, ms(0)), ms(0));
        assert_eq!(until_next_try(0, 2, ms(19)), ms(0));
        assert_eq!(until_next_try(0, 2, ms(25)), ms(15));
        assert_eq!(until_next_try(1, 2, ms(0)), ms(20));
        assert_eq!(until_next_try(1, 2, ms(39)), ms(0));
        assert_eq!(until_next_try(1, 2, ms(40)), ms(20));
        for waited in (0..400).map(ms) {
            let ready = (0..4).filter(|rank| until_next_try(*rank, 4, waited).is_zero()).count();
            assert_eq!(ready, 1, "after {waited:?}");
        }
    }

    #[test]
    fn who_slept_has_not_listened() {
        let began = Instant::now();
        let mut attention = Attention::new(began);
        assert_eq!(attention.look(Some(began), began + ms(10)), ms(10));
        assert_eq!(attention.look(Some(began), began + ms(20)), ms(20));
        // A second without the processor.
        assert_eq!(attention.look(Some(began), began + ms(1_020)), ms(40));
        assert_eq!(attention.look(Some(began), began + ms(1_030)), ms(50));
        // A word ends the silence.
        assert_eq!(attention.look(Some(began + ms(1_035)), began + ms(1_040)), ms(5));
    }
}
