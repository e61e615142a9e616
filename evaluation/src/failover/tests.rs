use loadgen::{
    record::{Call, Event, EventKind, Outcome, Record, Reply},
    scenario::Target,
};

use super::*;
use crate::{
    run::History,
    synthetic::{Plan, fault, leader, manifest, scenario, stage, struck},
};

/// A listing due every 10 ms for `seconds`, answered after 2 ms, except that `change` may say when it
/// is answered instead (ms), or that it is not.
fn run(seconds: u64, events: Vec<Event>, change: impl Fn(i64) -> Option<i64>) -> RunDirectory {
    let mut records = Vec::new();
    for op in 0..seconds * 100 {
        let due_ms = op as i64 * 10;
        records.push(Record::Invoke {
            op,
            due_ns: due_ms * 1_000_000,
            at_ns: due_ms * 1_000_000,
            call: Call::Discover { user: "ben".into() },
        });
        let (done_ms, outcome) = match change(due_ms) {
            Some(done_ms) => (done_ms, Outcome::Ok(Reply::Listed { images: 1 })),
            None => (due_ms + 2000, Outcome::Unknown("timeout".into())),
        };
        records.push(Record::Complete { op, at_ns: done_ms * 1_000_000, outcome });
    }
    let faults =
        events.iter().filter(|e| e.event == EventKind::Fault).map(|_| fault(0, Target::Leader)).collect();
    RunDirectory::from_parts(
        scenario(vec![stage(seconds, 100.0, false)], faults),
        manifest(),
        History::join(records).unwrap(),
        events,
        vec![],
        None,
    )
}

fn close(measured: f64, expected: f64) {
    assert!((measured - expected).abs() < 1e-6, "measured {measured}, expected {expected}");
}

#[test]
fn the_four_figures_of_a_leaders_death() {
    // Due from 10.000 s to 10.290 s: 30 operations. The first ten are given up, the rest answered at 10.3 s.
    let events = vec![
        leader(-1.0, 2, 4),
        struck(EventKind::Fault, 0, 2, 9.995),
        leader(10.245, 1, 5),
        struck(EventKind::Heal, 0, 2, 14.0),
    ];
    let run = run(20, events, |due| match due {
        10_000..10_100 => None,
        10_100..10_300 => Some(10_300),
        _ => Some(due + 2),
    });
    let all = analyse(&run);
    let [f] = all.as_slice() else { panic!("one fault: {all:?}") };
    assert_eq!((f.target.as_str(), f.nodes.as_slice()), ("leader", [2].as_slice()));
    assert_eq!(f.leader_before, Some((2, 4)));
    close(f.elect.ms().unwrap(), 250.0);
    // Last success: due 9.990, answered 9.992. Next: 10.300.
    close(f.unavailable.ms(), 308.0);
    assert!(!f.unavailable.open_ended);
    close(f.unavailable.resolution_ms.unwrap(), 10.0);
    close(f.unavailable_by_operation[&OperationKind::Discover].ms(), 308.0);
    // p99 before is 2 ms. A second contains one of the late answers (10.3 s) until it begins after that:
    // 9.995 + 0.4 = 10.395.
    close(f.recover_ms.unwrap(), 400.0);
    assert_eq!(f.lost_work, 10);
    // Healed at 14.0 and good from the next step on: 9.995 + 4.1.
    close(f.settled_s.unwrap(), 14.095);
    let b = f.baseline.unwrap();
    close(b.goodput, 100.0);
    close(b.p99_ms, 2.0);
}

#[test]
fn what_is_seen_while_the_process_dies_is_the_faults_doing() {
    let dying = |mut event: Event| {
        event.invoked_s = event.completed_s - 0.02;
        event
    };
    let events = vec![
        leader(-1.0, 2, 4),
        dying(struck(EventKind::Fault, 0, 2, 10.015)),
        leader(10.005, 1, 5),
        struck(EventKind::Heal, 0, 2, 14.0),
    ];
    // Nobody is answered between 9.992 and 10.013, before the process is known to be gone.
    let run = run(20, events, |due| Some(if (10_000..10_010).contains(&due) { 10_013 } else { due + 2 }));
    let f = &analyse(&run)[0];
    assert_eq!(f.leader_before, Some((2, 4)));
    assert_eq!(f.elect, Elect::After { ms: 0.0, node: 1, term: 5 });
    close(f.unavailable.from_s, 9.992);
    close(f.unavailable.ms(), 20.0);
    assert!(f.recover_ms.unwrap() >= 0.0);
}

#[test]
fn service_that_never_comes_back_is_not_recovered_and_its_gap_stays_open() {
    let events = vec![leader(-1.0, 1, 1), struck(EventKind::Fault, 0, 1, 5.0)];
    let run = run(10, events, |due| (due < 5_000).then_some(due + 2));
    let f = &analyse(&run)[0];
    assert_eq!(f.elect, Elect::Never);
    assert_eq!(f.recover_ms, None);
    assert_eq!(f.settled_s, None);
    assert!(f.unavailable.open_ended);
    // From the last answer, 4.992, to the end of the load, 10.
    close(f.unavailable.ms(), 5_008.0);
    assert_eq!(f.lost_work, 500);
    close(f.until_s, 10.0);
}

#[test]
fn a_fault_that_spares_the_leader_elects_nobody() {
    let events =
        vec![leader(-1.0, 1, 1), struck(EventKind::Fault, 0, 3, 5.0), struck(EventKind::Heal, 0, 3, 6.0)];
    let run = run(10, events, |due| Some(due + 2));
    let f = &analyse(&run)[0];
    assert_eq!(f.elect, Elect::NotLeader);
    close(f.recover_ms.unwrap(), 0.0);
    close(f.unavailable.ms(), 10.0);
    assert_eq!(f.lost_work, 0);
}

#[test]
fn each_of_two_faults_has_its_own_figures_and_the_second_ends_the_first() {
    let events = vec![
        leader(-1.0, 1, 1),
        struck(EventKind::Fault, 0, 1, 6.0),
        leader(6.5, 2, 2),
        struck(EventKind::Heal, 0, 1, 8.0),
        struck(EventKind::Fault, 1, 2, 12.0),
        leader(12.2, 3, 3),
        struck(EventKind::Heal, 1, 2, 14.0),
    ];
    let run = run(20, events, |due| match due {
        6_000..6_600 => Some(6_600),
        12_000..12_300 => Some(12_300),
        _ => Some(due + 2),
    });
    let all = analyse(&run);
    assert_eq!(all.len(), 2);
    close(all[0].elect.ms().unwrap(), 500.0);
    close(all[0].unavailable.ms(), 608.0);
    close(all[1].elect.ms().unwrap(), 200.0);
    close(all[1].unavailable.ms(), 308.0);
    assert!(all[0].settled_s.unwrap() < 12.0);
    // Its rate before is taken after the first had settled (8.0 s), so five whole seconds are not there.
    close(all[1].baseline.unwrap().from_s, 8.0);
}

#[test]
fn a_second_fault_before_the_first_has_healed_is_compared_with_service_before_both() {
    let events = vec![
        leader(-1.0, 1, 1),
        struck(EventKind::Fault, 0, 1, 6.0),
        struck(EventKind::Fault, 1, 2, 7.0),
        struck(EventKind::Heal, 0, 1, 9.0),
        struck(EventKind::Heal, 1, 2, 9.0),
    ];
    let run = run(20, events, |due| match due {
        6_000..10_000 => None,
        _ => Some(due + 2),
    });
    let all = analyse(&run);
    assert_eq!(all[0].recover_ms, None, "the second fault came first");
    assert_eq!(all[0].lost_work, 100);
    assert_eq!(all[1].baseline, all[0].baseline);
    close(all[1].recover_ms.unwrap(), 3_000.0);
    assert_eq!(all[1].lost_work, 300);
    // Of both, the stretch without service is the same one: 5.992 to 10.002.
    close(all[0].unavailable.ms(), 4_010.0);
    close(all[1].unavailable.ms(), 4_010.0);
}

#[test]
fn what_a_second_fault_does_is_not_charged_to_a_first_that_has_not_settled() {
    let events = vec![
        leader(-1.0, 1, 1),
        struck(EventKind::Fault, 0, 1, 6.0),
        struck(EventKind::Fault, 1, 2, 9.0),
        struck(EventKind::Heal, 1, 2, 12.0),
    ];
    let run = run(20, events, |due| match due {
        6_000..6_300 => Some(6_300),
        9_000..12_000 => Some(12_000),
        _ => Some(due + 2),
    });
    let all = analyse(&run);
    assert_eq!(all[0].settled_s, None);
    close(all[0].unavailable.ms(), 308.0);
    close(all[1].unavailable.ms(), 3_008.0);
}

#[test]
fn without_a_success_before_there_is_nothing_to_recover_to() {
    let events = vec![leader(-1.0, 1, 1), struck(EventKind::Fault, 0, 1, 5.0)];
    let run = run(10, events, |due| (due >= 6_000).then_some(due + 2));
    let f = &analyse(&run)[0];
    assert_eq!(f.baseline, None);
    assert_eq!(f.recover_ms, None);
    assert_eq!(f.unavailable.resolution_ms, None);
    close(f.unavailable.from_s, 0.0);
    close(f.unavailable.to_s, 6.002);
}

#[test]
fn one_fault_may_strike_several_nodes_and_begins_with_the_first() {
    let events = vec![
        leader(-1.0, 3, 1),
        struck(EventKind::Fault, 0, 1, 5.0),
        struck(EventKind::Fault, 0, 2, 5.001),
        struck(EventKind::Fault, 0, 3, 5.002),
        struck(EventKind::Heal, 0, 1, 6.0),
        struck(EventKind::Heal, 0, 2, 6.2),
        struck(EventKind::Heal, 0, 3, 6.1),
        leader(6.4, 1, 2),
    ];
    let run = run(12, events, |due| Some(if (4_990..6_500).contains(&due) { 6_500 } else { due + 2 }));
    let all = analyse(&run);
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].nodes, [1, 2, 3]);
    close(all[0].healed_s.unwrap(), 6.2);
    close(all[0].elect.ms().unwrap(), 1_400.0);
}

#[test]
fn the_made_up_leader_kill_shows_the_outage_that_was_put_in() {
    let all = analyse(&Plan::leader_kill().run());
    assert_eq!(all.len(), 1);
    let ms = all[0].unavailable.ms();
    assert!((350.0..365.0).contains(&ms), "{ms}");
    close(all[0].elect.ms().unwrap(), 298.0);
    let recover = all[0].recover_ms.unwrap();
    assert!((300.0..1_500.0).contains(&recover), "{recover}");
    assert!(all[0].settled_s.unwrap() >= 23.2);
}

#[test]
fn an_election_after_the_loads_end_is_still_one() {
    let events = vec![leader(-1.0, 1, 1), struck(EventKind::Fault, 0, 1, 9.9), leader(10.1, 2, 2)];
    let run = run(10, events, |due| (due < 9_900).then_some(due + 2));
    close(analyse(&run)[0].elect.ms().unwrap(), 200.0);
}
