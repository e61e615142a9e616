use super::*;

fn other(byte: u8) -> SessionId {
    SessionToken::from_bytes([byte; 32]).id()
}

/// Logs Anna in on another device, at her present credentials.
fn second(directory: &mut Directory, number: u128, byte: u8, lifetime_ms: u64) -> Answer {
    let credentials = directory.users[&name("anna")].credentials;
    let (user, session, device) = (name("anna"), other(byte), "phone".to_owned());
    directory.apply(command(number, Action::LogIn(LogIn { user, session, device, lifetime_ms, credentials })))
}

/// Anna's list, asked in a session.
fn works(directory: &Directory, session: SessionId) -> bool {
    directory.identify(Actor::Session(session), directory.clock_ms).is_ok()
}

#[test]
fn a_session_ends_when_its_time_is_up_unless_it_is_renewed() {
    let (mut directory, image) = stage();
    assert_eq!(second(&mut directory, 20, 1, 1_000), Ok(Effect::LoggedIn { expires_ms: NOW + 1_000 }));
    let renew = Renew { user: name("anna"), session: other(1), lifetime_ms: 2_000 };
    let renewed = directory.apply(command(21, Action::Renew(renew.clone())));
    assert_eq!(renewed, Ok(Effect::LoggedIn { expires_ms: NOW + 2_000 }));
    let asked = |at_ms, number| Command {
        at_ms,
        actor: Actor::Session(other(1)),
        ..command(number, open("anna", image))
    };
    assert!(directory.apply(asked(NOW + 1_999, 22)).is_ok());
    assert_eq!(directory.apply(asked(NOW + 2_000, 23)), Err(Refusal::NoSession));
    // Nor does it get an answer that it was given before; nor is it told that nothing was done.
    let before = Err(Refusal::AnsweredBefore { request: request(22) });
    assert_eq!(directory.apply(asked(NOW + 2_000, 22)), before);
    // In another session the user gets it.
    let elsewhere = Command { actor: Actor::Session(session(&name("anna"))), ..asked(NOW + 2_000, 22) };
    assert!(matches!(directory.apply(elsewhere), Ok(Effect::Opened { .. })));
    assert!(!directory.sessions.contains_key(&other(1)), "it is forgotten");
    let too_long = Renew { lifetime_ms: MAX_SESSION_MS + 1, session: session(&name("anna")), ..renew };
    let refused = directory.apply(command(24, Action::Renew(too_long)));
    assert!(matches!(refused, Err(Refusal::TooMuch { limit: MAX_SESSION_MS, .. })), "{refused:?}");
}

#[test]
fn sessions_end_one_by_one_or_all() {
    let (mut directory, _) = stage();
    for byte in 1..=3 {
        second(&mut directory, 20 + u128::from(byte), byte, 1_000).unwrap();
    }
    let first = session(&name("anna"));
    let end = |session| Action::EndSession(EndSession { user: name("anna"), session });
    assert_eq!(directory.apply(command(30, end(other(1)))), Ok(Effect::SessionsEnded { count: 1 }));
    assert_eq!(directory.apply(command(31, end(other(1)))), Err(Refusal::UnknownSession));
    assert_eq!(directory.apply(command(32, end(session(&name("ben"))))), Err(Refusal::UnknownSession));
    assert!(!works(&directory, other(1)) && works(&directory, other(2)));

    let all = |keep| Action::EndSessions(EndSessions { user: name("anna"), keep });
    assert_eq!(directory.apply(command(33, all(Some(first)))), Ok(Effect::SessionsEnded { count: 2 }));
    assert!(!works(&directory, other(3)) && works(&directory, first));
    assert_eq!(directory.apply(command(34, all(None))), Ok(Effect::SessionsEnded { count: 1 }));
    assert!(!works(&directory, first) && works(&directory, session(&name("ben"))));
    assert_eq!((directory.sessions.len(), directory.sessions_by_user.len()), (2, 2));
    assert_eq!(directory.sessions_by_expiry.len(), 2);
}

#[test]
fn who_has_logged_out_is_told_so_again() {
    let (mut directory, image) = stage();
    let (anna, own) = (name("anna"), session(&name("anna")));
    second(&mut directory, 20, 1, 1_000).unwrap();
    let end = command(30, Action::EndSession(EndSession { user: anna.clone(), session: own }));
    assert_eq!(directory.apply(end.clone()), Ok(Effect::SessionsEnded { count: 1 }));
    assert_eq!(directory.apply(end.clone()), Ok(Effect::SessionsEnded { count: 1 }));
    let end_all = Action::EndSessions(EndSessions { user: anna, keep: None });
    let end_all = Command { actor: Actor::Session(other(1)), ..command(31, end_all) };
    for _ in 0..2 {
        assert_eq!(directory.apply(end_all.clone()), Ok(Effect::SessionsEnded { count: 1 }));
    }
    // Only of this are they told, and only under the same request.
    let reused = directory.apply(Command { request: request(10), ..end });
    assert_eq!(reused, Err(Refusal::RequestReused { request: request(10) }));
    let other = directory.apply(Command { request: request(32), ..end_all });
    assert_eq!(other, Err(Refusal::NoSession));
    assert_eq!(directory.apply(command(33, open("anna", image))), Err(Refusal::NoSession));
}

#[test]
fn nobody_acts_in_the_name_of_another() {
    let (mut directory, image) = stage();
    let bens = Actor::Session(session(&name("ben")));
    let not_you = Err(Refusal::NotYou { user: name("anna"), you: name("ben") });
    let sessions = EndSessions { user: name("anna"), keep: None };
    for (number, action) in [
        (20, grant("anna", image, "ben", 9)),
        (21, record("anna", &[("ben", 1)], 2)),
        (22, open("anna", image)),
        (23, Action::EndSessions(sessions)),
    ] {
        let asked = Command { actor: bens, ..command(number, action) };
        assert_eq!(directory.apply(asked), not_you, "{number}");
    }
    // A request of Anna's, asked again by Ben, is another request.
    let replayed = Command { actor: bens, ..command(10, record("anna", &[("ben", 2)], 1)) };
    assert_eq!(directory.apply(replayed), Err(Refusal::RequestReused { request: request(10) }));
    let stranger = Command { actor: Actor::Stranger, ..command(24, open("anna", image)) };
    assert_eq!(directory.apply(stranger), Err(Refusal::NoSession));
}

#[test]
fn another_password_or_key_ends_the_other_sessions_and_older_proofs() {
    let (mut directory, _) = stage();
    let (user, keep) = (name("anna"), Some(session(&name("anna"))));
    second(&mut directory, 20, 1, 1_000).unwrap();
    let password = PasswordHash::of_nobody();
    let set = SetPassword { user: user.clone(), password, credentials: 0, keep };
    let ended = directory.apply(command(21, Action::SetPassword(set.clone())));
    assert_eq!(ended, Ok(Effect::SessionsEnded { count: 1 }));
    assert!(works(&directory, keep.unwrap()) && !works(&directory, other(1)));
    // Asked again, it gets its first answer, though the proof is one of the old password.
    let again = SetPassword { credentials: 1, ..set.clone() };
    assert_eq!(directory.apply(command(21, Action::SetPassword(again))), ended);
    let changed = Err(Refusal::CredentialsChanged { user: user.clone() });
    assert_eq!(directory.apply(command(22, Action::SetPassword(set))), changed);
    assert_eq!(directory.apply(command(23, log_in("anna"))), changed);
    let key = public_key("other");
    let set = SetKey { user: user.clone(), key, credentials: 1, keep: None };
    assert_eq!(directory.apply(command(24, Action::SetKey(set))), Ok(Effect::SessionsEnded { count: 1 }));
    assert_eq!((directory.users[&user].key, directory.users[&user].credentials), (key, 2));
}

#[test]
fn a_log_in_asked_again_after_a_change_of_password_gets_its_first_answer() {
    let (mut directory, _) = stage();
    let first = second(&mut directory, 20, 1, 1_000);
    assert!(first.is_ok());
    let (user, password) = (name("anna"), PasswordHash::of_nobody());
    let set = SetPassword { user, password, credentials: 0, keep: Some(other(1)) };
    directory.apply(command(21, Action::SetPassword(set))).unwrap();
    // The node that is asked again has checked nothing, and names the credentials of now.
    assert_eq!(second(&mut directory, 20, 1, 1_000), first);
}

#[test]
fn the_session_that_would_end_first_makes_room() {
    let (mut directory, _) = stage();
    for number in 1..=MAX_SESSIONS as u8 {
        second(&mut directory, 200 + u128::from(number), number, 1_000 + u64::from(number)).unwrap();
    }
    assert!(!works(&directory, other(1)) && works(&directory, other(2)));
    assert_eq!(directory.sessions(&name("anna"), NOW).len(), MAX_SESSIONS);
    assert_eq!(second(&mut directory, 300, 2, 1_000), Err(Refusal::SessionTaken));
}

#[test]
fn content_keys_move_under_a_newer_key_and_never_back() {
    let (mut directory, image) = stage();
    let newer = {
        let mut newer = key(3);
        newer.under = 2;
        newer
    };
    let rewrap = |under, key: &WrappedKey| Action::Rewrap(Rewrap { under, keys: vec![(image, key.clone())] });
    assert_eq!(directory.apply(command(20, rewrap(2, &newer))), Ok(Effect::Rewrapped { count: 1 }));
    assert_eq!((directory.wrapping_key(), &directory.image(image).unwrap().key), (2, &newer));
    assert_eq!(directory.apply(command(21, rewrap(1, &key(1)))), Ok(Effect::Rewrapped { count: 0 }));
    assert!(directory.is_wrapped_under(2) && !directory.is_wrapped_under(1));
    // A worker that has wrapped under the older one does it again, under the same request.
    let late = directory.apply(command(22, record("anna", &[], 5)));
    assert_eq!(late, Err(Refusal::OlderKey { in_use: 2 }));
    let Action::RecordImage(again) = record("anna", &[], 5) else { panic!("not a record") };
    let again = RecordImage { key: newer.clone(), ..again };
    assert!(directory.apply(command(22, Action::RecordImage(again))).is_ok());
    assert_eq!((directory.wrapping_key(), &directory.image(image).unwrap().key), (2, &newer));
}
