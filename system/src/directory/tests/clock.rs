//! A clock that was wrong, and is set right.

use std::collections::BTreeSet;

use super::*;

const YEAR_MS: u64 = 365 * 24 * 3_600_000;
const SECOND_MS: u64 = 1_000;

/// A user registers at `id_ms` by their own clock and `at_ms` by the leader's.
fn registering(id_ms: u64, at_ms: u64, number: u128) -> Command {
    let request = RequestId::new(id_ms, number);
    Command { request, at_ms, ..command(0, register(&format!("u{number}"))) }
}

/// An operator sets the clock.
fn setting(id_ms: u64, clock_ms: u64, number: u128) -> Command {
    let action = Action::SetClock(SetClock { clock_ms });
    // Whatever the leader's clock says besides: it is not what counts.
    Command { request: RequestId::new(id_ms, number), at_ms: 0, ..command(0, action) }
}

/// Applies what an older build, or a leader and a client whose clocks are both wrong, put into the log.
fn poison(directory: &mut Directory, number: u128) {
    let ahead = NOW + YEAR_MS;
    directory.apply(registering(ahead, ahead, number)).unwrap();
    assert_eq!(directory.clock_ms(), ahead);
}

#[test]
fn a_leader_whose_clock_is_wrong_changes_nothing_for_an_honest_request() {
    let (mut directory, image) = stage();
    let before = directory.clone();
    for (number, at_ms) in [(20, NOW + YEAR_MS), (21, NOW + REQUEST_WINDOW_MS + 1)] {
        let asked = Command { at_ms, ..command(number, open("ben", image)) };
        let refused = directory.apply(asked);
        assert!(matches!(refused, Err(Refusal::RequestOutOfTime { .. })), "{refused:?}");
    }
    // Nor does one that was answered before: it gets its answer.
    let again = Command { at_ms: NOW + SECOND_MS, ..command(10, record("anna", &[("ben", 2)], 1)) };
    assert!(directory.apply(again).is_ok());
    assert_eq!(directory, before);
    // One that is behind does no harm: the clock stays where it is.
    directory.apply(Command { at_ms: NOW - YEAR_MS, ..command(22, open("ben", image)) }).unwrap();
    assert_eq!(directory.clock_ms(), NOW);
    assert!(directory.identify(Actor::Session(session(&name("ben"))), NOW).is_ok());
}

#[test]
fn an_operator_sets_a_clock_right_that_is_a_year_ahead() {
    let (mut directory, _) = stage();
    poison(&mut directory, 1);
    let refused = directory.apply(registering(NOW + 1, NOW + 1, 2));
    assert!(matches!(refused, Err(Refusal::RequestOutOfTime { .. })), "{refused:?}");
    let (was_ms, clock_ms) = (NOW + YEAR_MS, NOW + SECOND_MS);
    let set = Ok(Effect::ClockSet { was_ms, clock_ms });
    assert_eq!(directory.apply(setting(clock_ms, clock_ms, 3)), set);
    assert_eq!(directory.clock_ms(), clock_ms);
    // What was done in that year is remembered for now.
    let again = directory.apply(registering(NOW + YEAR_MS, clock_ms, 1));
    assert_eq!(again, Ok(Effect::Registered));
    directory.apply(registering(NOW + SECOND_MS, NOW + SECOND_MS, 2)).unwrap();
    // Asked again it is not done again, whatever the leader's clock says by then.
    directory.apply(registering(NOW + 2 * SECOND_MS, NOW + 2 * SECOND_MS, 4)).unwrap();
    assert_eq!(directory.apply(setting(clock_ms, NOW + 3 * SECOND_MS, 3)), set);
    assert_eq!(directory.clock_ms(), NOW + 2 * SECOND_MS);
}

#[test]
fn the_operators_clock_and_the_leaders_have_to_agree_to_set_it() {
    let (mut directory, _) = stage();
    poison(&mut directory, 1);
    let before = directory.clone();
    let wrong = directory.apply(setting(NOW, NOW + REQUEST_WINDOW_MS + 1, 2));
    assert!(matches!(wrong, Err(Refusal::RequestOutOfTime { .. })), "{wrong:?}");
    assert_eq!(directory, before);
    for actor in [Actor::Stranger, Actor::Session(session(&name("anna")))] {
        directory.apply(Command { actor, ..setting(NOW, NOW, 3) }).unwrap_err();
        assert_eq!(directory.clock_ms(), NOW + YEAR_MS);
    }
}

#[test]
fn what_was_done_before_the_clock_went_wrong_is_not_done_again_once_it_is_right() {
    let (mut directory, image) = stage();
    let view = command(20, open("ben", image));
    directory.apply(view.clone()).unwrap();
    for number in 0..4 {
        poison(&mut directory, number);
    }
    assert!(!directory.has_answered(view.request), "it is forgotten");
    directory.apply(setting(NOW + SECOND_MS, NOW + SECOND_MS, 30)).unwrap();
    let log_in = Command { request: RequestId::new(NOW + SECOND_MS, 31), ..command(0, log_in("ben")) };
    // The session did not outlast the year.
    directory.apply(log_in).unwrap();
    let again = directory.apply(view.clone());
    let request = view.request;
    let until_ms = request.unix_ms();
    assert!(
        matches!(again, Err(Refusal::RequestForgotten { request: it, until_ms: until }) if it == request && until >= until_ms)
    );
    assert_eq!(directory.image(image).unwrap().grants[&name("ben")], Grant { left: 1, used: 1 });
    // A new one is.
    let fresh = RequestId::new(NOW + SECOND_MS, 32);
    directory.apply(Command { request: fresh, ..command(0, open("ben", image)) }).unwrap();
}

#[test]
fn what_was_done_while_the_clock_was_wrong_is_forgotten_and_not_done_again_either() {
    let mut directory = Directory::default();
    for number in 0..100 {
        poison(&mut directory, number);
    }
    directory.apply(setting(NOW, NOW, 200)).unwrap();
    for number in 300..320 {
        directory.apply(registering(NOW, NOW, number)).unwrap();
    }
    assert!(directory.has_answered(RequestId::new(NOW, 300)));
    assert!(!directory.has_answered(RequestId::new(NOW + YEAR_MS, 0)), "nothing is kept for a year");
    // The clock goes wrong once more, by about the same year.
    let later = NOW + YEAR_MS + SECOND_MS;
    directory.apply(registering(later, later, 400)).unwrap();
    let again = directory.apply(registering(NOW + YEAR_MS, NOW + YEAR_MS, 0));
    assert!(matches!(again, Err(Refusal::RequestForgotten { .. })), "{again:?}");
}

#[test]
fn a_session_that_began_while_the_clock_was_wrong_does_not_live_for_a_year() {
    let (mut directory, _) = stage();
    poison(&mut directory, 1);
    let ahead = NOW + YEAR_MS;
    let log_in = Command { request: RequestId::new(ahead, 2), at_ms: ahead, ..command(0, log_in("ben")) };
    // The one before has ended.
    directory.apply(log_in).unwrap();
    let now = NOW + SECOND_MS;
    directory.apply(setting(now, now, 5)).unwrap();
    let bens = Actor::Session(session(&name("ben")));
    assert_eq!(directory.identify(bens, now), Err(Refusal::NoSession));
    directory.apply(registering(now, now, 6)).unwrap();
    assert!(!directory.sessions.contains_key(&session(&name("ben"))), "it is forgotten");
}

proptest! {
    /// Invariant 3, for any clocks of clients, leaders and operators.
    #[test]
    fn no_request_is_carried_out_twice(
        steps in prop::collection::vec((0u8..8, 0u64..4, 0u64..6, 0u64..4, 0u64..6, 0u128..4), 1..200)
    ) {
        let mut directory = Directory::default();
        let mut done = BTreeSet::new();
        // Half a window apart, about now, an hour, a year, and a year and an hour ahead.
        let time = |era: u64, step: u64| {
            NOW + [0, 3_600_000, YEAR_MS, YEAR_MS + 3_600_000][era as usize] + step * REQUEST_WINDOW_MS / 2
        };
        for (what, client_era, client, leader_era, leader, number) in steps {
            let (id_ms, at_ms) = (time(client_era, client), time(leader_era, leader));
            let command = match what {
                0 => setting(id_ms, at_ms, number + 10),
                // Most agree: otherwise hardly anything would be done.
                1 => registering(id_ms, at_ms, number),
                _ => registering(id_ms, id_ms, number),
            };
            let (request, known) = (command.request, directory.has_answered(command.request));
            let _ = directory.apply(command);
            if !known && directory.has_answered(request) {
                prop_assert!(done.insert(request), "{request} of {id_ms} was carried out twice");
            }
        }
    }
}
