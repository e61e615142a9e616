//! How long a leader led.

use loadgen::{
    record::{Event, EventKind},
    scenario::FaultKind,
};

/// Faults that no leader survives.
const ENDING: [FaultKind; 4] = [FaultKind::Kill, FaultKind::Stop, FaultKind::Restart, FaultKind::Replace];

/// When the reign of `leader` ended, by what happened `after` it began: with a fault that ended the node, or that
/// still stood when the next leader came; else with the next leader. `None`: it did not end.
pub fn end(leader: u64, after: &[Event]) -> Option<f64> {
    let next = after.iter().position(|event| event.event == EventKind::Leader);
    let mut meanwhile = after[..next.unwrap_or(after.len())].iter().filter(|event| event.node == leader);
    while let Some(event) = meanwhile.next() {
        let ends = ENDING.iter().any(|kind| kind.name() == event.detail);
        let healed = |later: &Event| later.event == EventKind::Heal && later.fault == event.fault;
        let stands = next.is_some() && !meanwhile.clone().any(healed);
        if event.event == EventKind::Fault && (ends || stands) {
            return Some(event.completed_s);
        }
    }
    next.map(|next| after[next].completed_s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::{leader, struck};

    fn cut(event: EventKind, node: u64, at_s: f64) -> Event {
        Event { detail: "partition".into(), ..struck(event, 0, node, at_s) }
    }

    #[test]
    fn a_reign_lasts_until_a_fault_ends_it_or_another_leads() {
        let (fault, heal) = (EventKind::Fault, EventKind::Heal);
        assert_eq!(end(1, &[]), None);
        assert_eq!(end(1, &[leader(9.0, 2, 2)]), Some(9.0));
        assert_eq!(end(1, &[struck(fault, 0, 2, 5.0), leader(9.0, 2, 2)]), Some(9.0), "another node's");
        assert_eq!(end(1, &[struck(fault, 0, 1, 5.0)]), Some(5.0));
        assert_eq!(
            end(1, &[struck(fault, 0, 1, 5.0), struck(heal, 0, 1, 5.1), leader(9.0, 2, 2)]),
            Some(5.0)
        );
        assert_eq!(end(1, &[cut(fault, 1, 5.0), leader(5.3, 2, 2), cut(heal, 1, 8.0)]), Some(5.0));
    }

    #[test]
    fn a_leader_that_outlives_a_cut_leads_on() {
        let (fault, heal) = (EventKind::Fault, EventKind::Heal);
        let survived = [cut(fault, 1, 5.0), cut(heal, 1, 8.0), leader(9.0, 2, 2)];
        assert_eq!(end(1, &survived), Some(9.0));
        assert_eq!(end(1, &survived[..2]), None);
        assert_eq!(end(1, &survived[..1]), None, "nobody else has led");
    }
}
