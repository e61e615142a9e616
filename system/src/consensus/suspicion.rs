//! Whether the leader can still be alive, judged by what a follower sees of it, and when the follower may act on that.
//! Pure: time comes from outside.
//!
//! Raft's safety does not depend on how long followers wait before they elect somebody else; only their peace does. So a
//! follower waits where it knows nothing (a *silent* leader), and does not where it has evidence of *death*: every
//! connection with the leader is closed, in both directions, and a new one was refused; nor where the leader itself has
//! *resigned*. All lead to a Pre-Vote, in which a majority has to have the same impression, each by itself: one broken cable never costs a living leader its term.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;

use crate::wire::client::NodeId;

/// How long one follower has for itself to be elected before the next in rank tries: several rounds of questions among
/// nodes that have work to do.
const SLOT: Duration = Duration::from_millis(20);
/// In it, so many votes are written down one after the other: the candidate's and the others'.
const WRITES_A_SLOT: u32 = 2;
/// Before a new leader is heard, so many are: these, each behind what was being written, and that the leader is elected.
const WRITES_AN_ELECTION: u32 = 4;
/// The pause after a try that was refused: others may come to the same impression a little later.
pub(super) const REFUSED_PAUSE: Duration = Duration::from_millis(2);
/// The pause after a try without an answer. Trying again while an election goes on would undo it.
pub(super) const UNANSWERED_PAUSE: Duration = Duration::from_millis(15);

/// A resignation is acted on so much later. Where everybody was kept from the processor for a while, the answers that the
/// leader missed lie in its sockets: it takes its word back as soon as it has read them.
const SECOND_THOUGHTS: Duration = Duration::from_millis(10);

/// What a follower makes of its leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was heard within its lease, and nothing speaks for its death.
    Alive,
    /// It has said nothing for as long as its lease.
    Silent,
    /// Its process has ended, or its host is gone.
    Dead,
    /// It has said, within its lease, that it cannot lead, and has not taken that back.
    Resigned,
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
    /// Who has said last that they lead no more.
    resigned: BTreeMap<NodeId, Resignation>,
    /// When each last answered a question of this node.
    answered: BTreeMap<NodeId, Instant>,
    /// What a write takes as a rule on the disk of those that are connected.
    paces: BTreeMap<NodeId, Duration>,
}

/// What a leader has said that cannot lead.
#[derive(Debug)]
struct Resignation {
    term: u64,
    /// When it said so first.
    first: Instant,
    /// When it said so last.
    last: Instant,
}

impl Evidence {
    /// `leader` has spoken on an open connection.
    pub(super) fn hear(&mut self, leader: NodeId, connection: u64, now: Instant) {
        self.heard.insert(leader, now);
        self.speaking.insert(connection, leader);
    }

    /// `leader` leads no more in this term, although it may be heard: what it had sent before arrives, and is sent again.
    pub(super) fn resign(&mut self, leader: NodeId, term: u64, now: Instant) {
        let before = self.resigned.get(&leader).filter(|before| before.term == term);
        let first = before.map_or(now, |before| before.first);
        self.resigned.insert(leader, Resignation { term, first, last: now });
    }

    /// `leader` takes that back.
    pub(super) fn lead_on(&mut self, leader: NodeId, term: u64) {
        if self.resigned.get(&leader).is_some_and(|resigned| resigned.term == term) {
            self.resigned.remove(&leader);
        }
    }

    /// Whether it has said so, and has not taken it back.
    #[cfg(test)]
    pub(super) fn has_resigned(&self, leader: NodeId) -> bool {
        self.resigned.contains_key(&leader)
    }

    /// `node` has answered a question.
    pub(super) fn answer(&mut self, node: NodeId, now: Instant) {
        self.answered.insert(node, now);
    }

    /// What a write takes on the disk of `node`, if that is known.
    pub(super) fn set_pace(&mut self, node: NodeId, pace: Option<Duration>) {
        match pace {
            Some(pace) => self.paces.insert(node, pace),
            None => self.paces.remove(&node),
        };
    }

    /// What it was last known to take.
    pub(super) fn pace(&self, node: NodeId) -> Duration {
        self.paces.get(&node).copied().unwrap_or_default()
    }

    /// What it takes on the slowest disk.
    pub(super) fn slowest_pace(&self) -> Duration {
        self.paces.values().copied().max().unwrap_or_default()
    }

    /// Since when at most a majority of `voters`, which `own` may be one of, has answered nothing.
    pub(super) fn heard_majority(&self, own: NodeId, voters: &[NodeId], now: Instant) -> Option<Instant> {
        let heard = |voter: &NodeId| match *voter == own {
            true => Some(now),
            false => self.answered.get(voter).copied(),
        };
        let mut heard: Vec<_> = voters.iter().map(heard).collect();
        heard.sort_unstable();
        // This one and all later ones are a majority.
        heard.get(heard.len().checked_sub(1)? / 2).copied().flatten()
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

    /// What to make of `leader`, who leads in this term, and whose lease is `lease` long.
    pub(super) fn verdict(&self, leader: NodeId, term: u64, lease: Duration, now: Instant) -> Verdict {
        let speaks = self.speaking.values().any(|speaker| *speaker == leader);
        if self.refusing.contains(&leader) && !speaks {
            return Verdict::Dead;
        }
        let resigned = self.resigned.get(&leader).filter(|resigned| resigned.term == term);
        if resigned.is_some_and(|resigned| {
            now.saturating_duration_since(resigned.first) >= SECOND_THOUGHTS
                && now.saturating_duration_since(resigned.last) <= lease
        }) {
            return Verdict::Resigned;
        }
        match self.last_heard(leader) {
            Some(heard) if now.saturating_duration_since(heard) <= lease => Verdict::Alive,
            _ => Verdict::Silent,
        }
    }
}

/// How long until the candidate of this `rank`, of so many `ranks`, may try to be elected, `waited` after the leader
/// was given up. They take turns, so that they do not split the vote, and the first has another turn after the last.
/// `pace` is what a disk takes to have a vote safe.
pub(super) fn until_next_try(rank: u32, ranks: u32, waited: Duration, pace: Duration) -> Duration {
    let turn = SLOT.max(WRITES_A_SLOT * pace);
    let round = turn * ranks.max(1);
    let into = Duration::from_nanos((waited.as_nanos() % round.as_nanos()) as u64);
    let slot = turn * rank..turn * (rank + 1);
    if slot.contains(&into) {
        return Duration::ZERO;
    }
    match into < slot.start {
        true => slot.start - into,
        false => round - into + slot.start,
    }
}

/// How long an election may take from when this node has a vote in it safe until the new leader is heard, if that speaks up
/// within `lease`. To stand before it is over would undo it.
pub(super) fn election_patience(lease: Duration, pace: Duration) -> Duration {
    lease + WRITES_AN_ELECTION * pace
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
    const TERM: u64 = 3;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn death_takes_every_connection_and_a_refusal() {
        let now = Instant::now();
        let mut evidence = Evidence::default();
        evidence.hear(1, 10, now);
        evidence.hear(1, 11, now);
        assert_eq!(evidence.verdict(1, TERM, LEASE, now), Verdict::Alive);
        // One connection closed, the way there closed, or both, is not enough.
        assert!(evidence.end(10));
        assert_eq!(evidence.verdict(1, TERM, LEASE, now), Verdict::Alive);
        assert!(evidence.refuse(1));
        assert_eq!(evidence.verdict(1, TERM, LEASE, now), Verdict::Alive);
        assert!(evidence.end(11));
        assert_eq!(evidence.verdict(1, TERM, LEASE, now), Verdict::Dead);
        // A new connection from there or to there is a sign of life.
        evidence.hear(1, 12, now);
        assert_eq!(evidence.verdict(1, TERM, LEASE, now), Verdict::Alive);
        evidence.end(12);
        assert_eq!(evidence.verdict(1, TERM, LEASE, now), Verdict::Dead);
        evidence.reach(1);
        assert_eq!(evidence.verdict(1, TERM, LEASE, now), Verdict::Alive);
    }

    #[test]
    fn closed_connections_alone_are_silence_after_the_lease_and_no_earlier() {
        let now = Instant::now();
        let mut evidence = Evidence::default();
        evidence.hear(1, 10, now);
        assert!(evidence.end(10));
        assert!(!evidence.end(10), "the same end twice");
        assert_eq!(evidence.verdict(1, TERM, LEASE, now + LEASE), Verdict::Alive);
        assert_eq!(evidence.verdict(1, TERM, LEASE, now + LEASE + ms(1)), Verdict::Silent);
    }

    #[test]
    fn the_death_of_another_says_nothing_of_the_leader() {
        let now = Instant::now();
        let mut evidence = Evidence::default();
        evidence.hear(1, 10, now);
        evidence.refuse(2);
        assert_eq!(evidence.verdict(1, TERM, LEASE, now), Verdict::Alive);
        assert_eq!(evidence.verdict(2, TERM, LEASE, now), Verdict::Dead);
    }

    #[test]
    fn candidates_take_turns_and_everybody_has_one() {
        assert_eq!(until_next_try(0, 2, ms(0), ms(1)), ms(0));
        assert_eq!(until_next_try(0, 2, ms(19), ms(1)), ms(0));
        assert_eq!(until_next_try(0, 2, ms(25), ms(1)), ms(15));
        assert_eq!(until_next_try(1, 2, ms(0), ms(1)), ms(20));
        assert_eq!(until_next_try(1, 2, ms(39), ms(1)), ms(0));
        assert_eq!(until_next_try(1, 2, ms(40), ms(1)), ms(20));
        for (pace, waited) in [1, 70].into_iter().flat_map(|pace| (0..400).map(move |by| (ms(pace), ms(by))))
        {
            let ready = (0..4).filter(|rank| until_next_try(*rank, 4, waited, pace).is_zero()).count();
            assert_eq!(ready, 1, "after {waited:?}");
        }
        // Who has to wait until two votes are written has as long.
        assert_eq!(until_next_try(0, 2, ms(399), ms(200)), ms(0));
        assert_eq!(until_next_try(1, 2, ms(399), ms(200)), ms(1));
        assert_eq!(election_patience(LEASE, ms(200)), ms(950));
    }

    #[test]
    fn a_leader_that_has_resigned_is_given_up_for_a_lease_although_it_is_heard() {
        let now = Instant::now();
        let mut evidence = Evidence::default();
        evidence.hear(1, 10, now);
        evidence.resign(1, TERM, now);
        evidence.hear(1, 10, now + LEASE);
        assert_eq!(evidence.verdict(1, TERM, LEASE, now + LEASE), Verdict::Resigned);
        assert_eq!(evidence.verdict(1, TERM, LEASE, now + LEASE + ms(1)), Verdict::Alive);
        assert_eq!(evidence.verdict(2, TERM, LEASE, now + SECOND_THOUGHTS), Verdict::Silent, "another one");
        // It says so again and again, and is not waited for each time.
        let again = now + LEASE + ms(1);
        evidence.resign(1, TERM, again);
        assert_eq!(evidence.verdict(1, TERM, LEASE, again), Verdict::Resigned);
    }

    #[test]
    fn a_resignation_may_be_taken_back_before_anybody_acts_on_it_and_after() {
        let now = Instant::now();
        let mut evidence = Evidence::default();
        evidence.hear(1, 10, now);
        evidence.resign(1, TERM, now);
        assert_eq!(evidence.verdict(1, TERM, LEASE, now), Verdict::Alive);
        assert_eq!(evidence.verdict(1, TERM, LEASE, now + SECOND_THOUGHTS - ms(1)), Verdict::Alive);
        assert_eq!(evidence.verdict(1, TERM, LEASE, now + SECOND_THOUGHTS), Verdict::Resigned);
        evidence.lead_on(1, TERM - 1);
        assert_eq!(evidence.verdict(1, TERM, LEASE, now + SECOND_THOUGHTS), Verdict::Resigned, "an old word");
        evidence.lead_on(1, TERM);
        assert_eq!(evidence.verdict(1, TERM, LEASE, now + SECOND_THOUGHTS), Verdict::Alive);
        // The next one is another one.
        evidence.resign(1, TERM, now + ms(50));
        assert_eq!(evidence.verdict(1, TERM, LEASE, now + ms(50)), Verdict::Alive);
    }

    #[test]
    fn a_resignation_counts_in_its_term_alone() {
        let now = Instant::now();
        let mut evidence = Evidence::default();
        evidence.resign(1, TERM, now);
        evidence.hear(1, 10, now + ms(20));
        assert_eq!(evidence.verdict(1, TERM, LEASE, now + ms(20)), Verdict::Resigned);
        assert_eq!(evidence.verdict(1, TERM + 1, LEASE, now + ms(20)), Verdict::Alive, "elected again");
    }

    #[test]
    fn a_majority_is_heard_as_long_as_enough_have_answered() {
        let now = Instant::now();
        let mut evidence = Evidence::default();
        let heard = |evidence: &Evidence, voters: &[NodeId]| evidence.heard_majority(1, voters, now + ms(90));
        assert_eq!(heard(&evidence, &[1]), Some(now + ms(90)), "alone");
        assert_eq!(heard(&evidence, &[1, 2, 3]), None);
        assert_eq!(heard(&evidence, &[]), None);
        evidence.answer(2, now + ms(10));
        assert_eq!(heard(&evidence, &[1, 2, 3]), Some(now + ms(10)));
        assert_eq!(heard(&evidence, &[1, 2]), Some(now + ms(10)));
        assert_eq!(heard(&evidence, &[1, 2, 3, 4]), None);
        assert_eq!(heard(&evidence, &[2, 3]), None, "without a vote of its own");
        evidence.answer(3, now + ms(20));
        evidence.answer(4, now + ms(30));
        assert_eq!(heard(&evidence, &[1, 2, 3]), Some(now + ms(20)));
        assert_eq!(heard(&evidence, &[1, 2, 3, 4]), Some(now + ms(20)));
        assert_eq!(heard(&evidence, &[1, 2, 3, 4, 5]), Some(now + ms(20)));
        assert_eq!(heard(&evidence, &[2, 3, 4]), Some(now + ms(20)));
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
