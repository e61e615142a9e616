//! What is wrong with a node that goes on serving all the same, in sentences for its operator.
//!
//! An alarm is raised when something begins to be wrong and cleared when it no longer is. While it is active, `veil status`
//! and `/status` show its sentence, and the metric `veil_alarm` is 1. The log tells of its beginning and its end.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::os_error::plain;

/// What an alarm is about. A node has at most one of each active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alarm {
    /// A snapshot could not be made, written or taken over from a leader. The log grows until one can.
    Snapshot,
    /// The clock disagrees with those of a majority of the nodes.
    Clock,
    /// The disk does not finish what it was told to write.
    Disk,
    /// The disk takes about as long for a sync as followers wait for a leader, or longer.
    DiskSlow,
    /// The directory has taken over a time that is yet to come.
    DirectoryClock,
    /// A quota of the whole cluster is nearly reached.
    Quota,
    /// A node was put back from an older copy of its folder: this one, or another one.
    PutBack,
}

impl Alarm {
    /// All there are.
    pub const ALL: [Self; 7] = [
        Self::Snapshot,
        Self::Clock,
        Self::Disk,
        Self::DiskSlow,
        Self::DirectoryClock,
        Self::Quota,
        Self::PutBack,
    ];

    /// Its name in messages and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Clock => "clock",
            Self::Disk => "disk",
            Self::DiskSlow => "disk_slow",
            Self::DirectoryClock => "directory_clock",
            Self::Quota => "quota",
            Self::PutBack => "put_back",
        }
    }
}

/// An alarm that is active.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveAlarm {
    /// What it is about.
    pub alarm: Alarm,
    /// What is wrong, and what to do about it: one sentence or two.
    pub reason: String,
}

/// The active alarms of one node. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Alarms(Arc<Mutex<BTreeMap<Alarm, String>>>);

impl Alarms {
    /// Raises an alarm, or says better why it is active. Only its beginning is logged.
    pub fn raise(&self, alarm: Alarm, reason: impl Into<String>) {
        let reason = plain(&reason.into()).into_owned();
        let mut active = self.0.lock();
        match active.entry(alarm) {
            Entry::Vacant(entry) => {
                tracing::warn!(alarm = alarm.name(), "{reason}");
                entry.insert(reason);
            }
            Entry::Occupied(mut entry) => *entry.get_mut() = reason,
        }
    }

    /// Ends an alarm, if it is active.
    pub fn clear(&self, alarm: Alarm) {
        if self.0.lock().remove(&alarm).is_some() {
            tracing::warn!(alarm = alarm.name(), "the alarm is over");
        }
    }

    /// Raises an alarm if there is a reason, else ends it.
    pub fn set(&self, alarm: Alarm, reason: Option<String>) {
        match reason {
            Some(reason) => self.raise(alarm, reason),
            None => self.clear(alarm),
        }
    }

    /// Those that are active, in the order of [`Alarm`].
    pub fn active(&self) -> Vec<ActiveAlarm> {
        let active = self.0.lock();
        active.iter().map(|(alarm, reason)| ActiveAlarm { alarm: *alarm, reason: reason.clone() }).collect()
    }

    /// Whether one is active.
    pub fn is_active(&self, alarm: Alarm) -> bool {
        self.0.lock().contains_key(&alarm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_active_from_when_it_is_raised_until_it_is_cleared() {
        let alarms = Alarms::default();
        let shared = alarms.clone();
        alarms.raise(Alarm::Disk, "a sync has not ended for 3 s");
        shared.raise(Alarm::Clock, "the clock is 301 s ahead");
        alarms.raise(Alarm::Disk, "a sync has not ended for 4 s");
        let reasons: Vec<_> = alarms.active().into_iter().map(|active| active.reason).collect();
        assert_eq!(reasons, ["the clock is 301 s ahead", "a sync has not ended for 4 s"]);
        alarms.set(Alarm::Quota, Some("the number of users is 9 of 10".to_owned()));
        assert!(shared.is_active(Alarm::Quota));
        alarms.set(Alarm::Quota, None);
        assert!(!shared.is_active(Alarm::Quota));
        alarms.clear(Alarm::Clock);
        assert!(!shared.is_active(Alarm::Clock) && shared.is_active(Alarm::Disk));
    }

    #[test]
    fn every_alarm_has_a_name_of_its_own() {
        let mut names = Alarm::ALL.map(Alarm::name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Alarm::ALL.len());
    }
}
