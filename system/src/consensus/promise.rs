//! What members have promised one another, and who has broken that: a node whose folder was put back from an older copy.
//!
//! A member acknowledges entries and gives votes, and others count on it for good. A disk that is empty is
//! [another disk](super::DiskId), and no member. An older copy of a disk passes for the same one and has forgotten what it
//! promised last. So members tell one another all the time what they hold, every one remembers it of all others, and every
//! message to a member says what it was heard to hold. One that holds less was put back. It goes on following its leader and
//! gets what it lacks. Until it has it again, it stands for no election, and votes only for who has all that it is known to
//! have held: the others are as safe from it as if it still had that.
//!
//! What nobody remembers is not known: members that were started since have heard nothing yet.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::types::{DiskId, LogId, Vote};
use crate::{
    alarm::{Alarm, Alarms},
    wire::client::NodeId,
};

/// What a member holds on its disk, as it says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stand {
    /// The last term in which it has voted, or followed somebody.
    pub term: u64,
    /// The last entry of its log.
    pub last: Option<LogId>,
    /// The last entry that it knows to be committed: it stays.
    pub held: Option<LogId>,
    /// Whether it has found out that it was put back, since it was started. It may have caught up since.
    pub put_back: bool,
}

/// What a member is remembered to have promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Promise {
    /// It has voted in no later term, or has in this one.
    pub term: u64,
    /// It has held this entry, which is committed.
    pub held: Option<LogId>,
    /// It has acknowledged this entry to the leader of this term.
    pub acknowledged: Option<(u64, LogId)>,
}

impl Promise {
    /// Takes in what the member says of itself.
    fn note(&mut self, stand: &Stand) {
        self.term = self.term.max(stand.term);
        self.held = self.held.max(stand.held);
    }

    fn acknowledge(&mut self, term: u64, entry: LogId) {
        self.acknowledged = self.acknowledged.max(Some((term, entry)));
    }

    /// Takes in what somebody else remembers.
    fn merge(&mut self, other: &Self) {
        self.term = self.term.max(other.term);
        self.held = self.held.max(other.held);
        self.acknowledged = self.acknowledged.max(other.acknowledged);
    }

    /// The last entry that was promised.
    fn last(&self) -> Option<LogId> {
        self.held.max(self.acknowledged.map(|(_, entry)| entry))
    }

    /// Whether whoever stands so can have promised this. A later leader may have taken back what was acknowledged to an
    /// earlier one, and not what is committed.
    fn is_kept_by(&self, stand: &Stand) -> bool {
        let acknowledged = self.acknowledged.filter(|(term, _)| *term >= stand.term);
        stand.term >= self.term
            && stand.last >= self.held
            && acknowledged.is_none_or(|(_, entry)| stand.last >= Some(entry))
    }
}

/// What is known of promises here. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Promises {
    inner: Arc<Mutex<Known>>,
    alarms: Alarms,
}

#[derive(Default)]
struct Known {
    others: BTreeMap<NodeId, (DiskId, Promise)>,
    /// The others that say that they were put back, which was logged.
    logged: BTreeSet<NodeId>,
    /// The others that hold less than they have promised, in words.
    broken: BTreeMap<NodeId, String>,
    /// What this node has promised itself and does not hold.
    debt: Option<Promise>,
    /// What became of it, in words.
    own: Option<String>,
}

impl Promises {
    pub(super) fn new(alarms: Alarms) -> Self {
        Self { inner: Arc::default(), alarms }
    }

    /// What a member is remembered to have promised, with this disk.
    pub(super) fn of(&self, id: NodeId, disk: DiskId) -> Promise {
        let known = self.inner.lock();
        known.others.get(&id).filter(|(of, _)| *of == disk).map(|(_, promise)| *promise).unwrap_or_default()
    }

    /// A member has acknowledged entries up to this one to this node, which leads in this term.
    pub(super) fn acknowledge(&self, id: NodeId, disk: DiskId, term: u64, entry: LogId) {
        self.inner.lock().entry(id, disk).acknowledge(term, entry);
    }

    /// A member says how it stands. `before` is what was remembered of it before it was asked.
    pub(super) fn note(&self, id: NodeId, disk: DiskId, stand: &Stand, before: &Promise) {
        let mut known = self.inner.lock();
        known.entry(id, disk).note(stand);
        if !stand.put_back {
            known.logged.remove(&id);
        } else if known.logged.insert(id) {
            // It may have caught up before anybody has seen how it stood.
            tracing::warn!("node {id} was put back from an older copy of its folder: it says so");
        }
        if before.is_kept_by(stand) {
            if known.broken.remove(&id).is_some() {
                self.tell(&known);
            }
            return;
        }
        let said = format!(
            "node {id} was put back from an older copy of its folder: it has told this node that it holds {}, and holds {}. \
             It is being brought up to date, and elects nobody who lacks what it held",
            in_words(before.term, before.last()),
            in_words(stand.term, stand.last),
        );
        known.broken.entry(id).or_insert(said);
        self.tell(&known);
    }

    /// A node is no member any more, with the disk that it had. What it promised binds nobody.
    pub(super) fn forget(&self, id: NodeId) {
        let mut known = self.inner.lock();
        known.others.remove(&id);
        known.logged.remove(&id);
        if known.broken.remove(&id).is_some() {
            self.tell(&known);
        }
    }

    /// Somebody remembers that this node has promised `told`, and it stands as it does.
    pub(super) fn remind(&self, told: &Promise, stand: &Stand) {
        let mut known = self.inner.lock();
        if told.is_kept_by(stand) {
            return;
        }
        match &mut known.debt {
            Some(debt) => debt.merge(told),
            debt @ None => {
                *debt = Some(*told);
                known.own = Some(format!(
                    "this node was put back from an older copy of its folder: it has told others that it holds {}, and \
                     holds {}. Until it has caught up, it stands for no election and votes for nobody who lacks what it held",
                    in_words(told.term, told.last()),
                    in_words(stand.term, stand.last),
                ));
                self.tell(&known);
            }
        }
    }

    /// This node has got on. When it holds all again that it has promised, it is like any other.
    pub(super) fn catch_up(&self, stand: &Stand) {
        let mut known = self.inner.lock();
        let caught_up = known.debt.is_some_and(|debt| stand.held >= debt.last() && stand.term >= debt.term);
        if caught_up {
            known.debt = None;
            known.own = Some(
                "this node was put back from an older copy of its folder, and has caught up since. What it had acknowledged \
                 and the others do not hold is lost. A node's folder is never put back: start with an empty one in its place. \
                 The alarm ends when the node is started again"
                    .to_owned(),
            );
            self.tell(&known);
        }
    }

    /// Whether this node was put back, as far as it knows.
    pub(super) fn was_put_back(&self) -> bool {
        self.inner.lock().own.is_some()
    }

    /// What this node has promised and does not hold, if there is anything.
    pub(super) fn debt(&self) -> Option<Promise> {
        self.inner.lock().debt
    }

    /// Why this node does not vote as it is asked to, if it does not.
    pub(super) fn forbids(
        &self,
        vote: &Vote,
        candidates_last: Option<LogId>,
        binding: bool,
    ) -> Option<String> {
        let debt = self.debt()?;
        if candidates_last < debt.last() {
            return Some(
                "this node has held more than the candidate has, and was put back from a copy".to_owned(),
            );
        }
        // It may have voted in it. Whether it would vote is no promise.
        let voted = binding && vote.leader_id.term <= debt.term;
        voted.then(|| "this node may have voted in this term, and was put back from a copy".to_owned())
    }

    /// Whether whoever stands for election has been heard to hold an entry that it lacks.
    pub(super) fn is_known_to_lack(&self, candidate: NodeId, last: Option<LogId>) -> bool {
        self.inner.lock().others.get(&candidate).is_some_and(|(_, promise)| last < promise.held)
    }

    fn tell(&self, known: &Known) {
        let sentences: Vec<_> = known.own.iter().chain(known.broken.values()).map(String::as_str).collect();
        self.alarms.set(Alarm::PutBack, (!sentences.is_empty()).then(|| sentences.join(". ")));
    }
}

impl Known {
    /// What is remembered of a member. One with another disk has promised nothing yet.
    fn entry(&mut self, id: NodeId, disk: DiskId) -> &mut Promise {
        let entry = self.others.entry(id).or_default();
        if entry.0 != disk {
            *entry = (disk, Promise::default());
        }
        &mut entry.1
    }
}

fn in_words(term: u64, last: Option<LogId>) -> String {
    format!("entry {} in term {term}", last.map_or(0, |entry| entry.index))
}

#[cfg(test)]
mod tests {
    use openraft::vote::leader_id_std::CommittedLeaderId;

    use super::*;

    fn entry(term: u64, index: u64) -> LogId {
        LogId::new(CommittedLeaderId::new(term), index)
    }

    fn stand(term: u64, last: LogId, held: LogId) -> Stand {
        Stand { term, last: Some(last), held: Some(held), put_back: false }
    }

    fn disk() -> DiskId {
        DiskId::new(1, 1)
    }

    /// What is remembered of node 2 that stood so.
    fn remembering(stood: &Stand) -> (Promises, Alarms) {
        let alarms = Alarms::default();
        let promises = Promises::new(alarms.clone());
        promises.note(2, disk(), stood, &Promise::default());
        (promises, alarms)
    }

    #[test]
    fn a_node_that_holds_less_than_it_was_heard_to_hold_was_put_back_until_it_holds_it_again() {
        let (promises, alarms) = remembering(&stand(3, entry(3, 9), entry(3, 8)));
        let note = |stand: Stand| promises.note(2, disk(), &stand, &promises.of(2, disk()));
        // A leader has taken back what was not committed.
        note(stand(4, entry(3, 8), entry(3, 8)));
        assert!(!alarms.is_active(Alarm::PutBack));
        for less in [stand(4, entry(3, 7), entry(3, 7)), stand(3, entry(3, 9), entry(3, 8))] {
            note(less);
            assert!(alarms.is_active(Alarm::PutBack), "{less:?}");
            note(stand(4, entry(4, 10), entry(3, 8)));
            assert!(!alarms.is_active(Alarm::PutBack), "{less:?}");
        }
    }

    #[test]
    fn what_was_acknowledged_to_the_leader_of_a_term_is_held_as_long_as_that_term() {
        let (promises, alarms) = remembering(&stand(3, entry(3, 5), entry(3, 5)));
        promises.acknowledge(2, disk(), 3, entry(3, 7));
        let note = |stand: Stand| promises.note(2, disk(), &stand, &promises.of(2, disk()));
        note(stand(4, entry(3, 6), entry(3, 5)));
        assert!(!alarms.is_active(Alarm::PutBack), "a later leader may take it back");
        let (promises, alarms) = remembering(&stand(3, entry(3, 5), entry(3, 5)));
        promises.acknowledge(2, disk(), 3, entry(3, 7));
        promises.note(2, disk(), &stand(3, entry(3, 6), entry(3, 5)), &promises.of(2, disk()));
        assert!(alarms.is_active(Alarm::PutBack));
    }

    #[test]
    fn who_is_no_member_any_more_is_told_of_no_more() {
        let (promises, alarms) = remembering(&stand(3, entry(3, 9), entry(3, 9)));
        let less = stand(3, entry(3, 4), entry(3, 4));
        promises.note(2, disk(), &less, &promises.of(2, disk()));
        assert!(alarms.is_active(Alarm::PutBack));
        promises.forget(2);
        assert!(!alarms.is_active(Alarm::PutBack));
        assert_eq!(promises.of(2, disk()), Promise::default());
    }

    #[test]
    fn another_disk_under_the_same_number_has_promised_nothing() {
        let (promises, alarms) = remembering(&stand(3, entry(3, 9), entry(3, 9)));
        let other = DiskId::new(2, 2);
        promises.note(2, other, &Stand::default(), &promises.of(2, other));
        assert!(!alarms.is_active(Alarm::PutBack));
    }

    #[test]
    fn who_was_put_back_votes_only_for_who_has_what_it_held_and_in_no_term_that_it_may_have_voted_in() {
        let alarms = Alarms::default();
        let promises = Promises::new(alarms.clone());
        let told = Promise { term: 5, held: Some(entry(3, 9)), acknowledged: None };
        promises.remind(&told, &stand(3, entry(3, 4), entry(3, 4)));
        assert!(alarms.is_active(Alarm::PutBack));
        let vote = |term| Vote::new(term, 1);
        assert!(promises.forbids(&vote(6), Some(entry(3, 8)), true).is_some(), "it lacks what was held");
        assert!(promises.forbids(&vote(6), Some(entry(3, 8)), false).is_some());
        assert!(promises.forbids(&vote(5), Some(entry(3, 9)), true).is_some(), "it may have voted in term 5");
        assert_eq!(
            promises.forbids(&vote(5), Some(entry(3, 9)), false),
            None,
            "or nobody would get past term 5"
        );
        assert_eq!(promises.forbids(&vote(6), Some(entry(3, 9)), true), None);
        promises.catch_up(&stand(4, entry(3, 9), entry(3, 9)));
        assert!(promises.debt().is_some(), "term 5 is not over");
        promises.catch_up(&stand(6, entry(6, 10), entry(3, 9)));
        assert_eq!(promises.debt(), None);
        assert_eq!(promises.forbids(&vote(6), None, true), None);
        assert!(alarms.is_active(Alarm::PutBack), "it is told until the node is started again");
    }

    #[test]
    fn a_candidate_that_was_heard_to_hold_more_is_known() {
        let (promises, _) = remembering(&stand(3, entry(3, 9), entry(3, 8)));
        assert!(promises.is_known_to_lack(2, Some(entry(3, 7))));
        assert!(!promises.is_known_to_lack(2, Some(entry(3, 8))));
        assert!(!promises.is_known_to_lack(1, None));
    }
}
