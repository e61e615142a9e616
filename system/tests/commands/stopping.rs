//! Commands that are told to end in their midst.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::process::ExitStatusExt as _,
    process::Stdio,
};

use rustix::process::{Pid, Signal};

use crate::scene::{Scene, signal, until};

#[test]
fn a_command_that_is_told_to_end_leaves_no_file_behind() {
    let scene = Scene::new();
    scene.done(["seal", "photo.png", "--user", "anna", "--for", "ben=1"]);
    let before = scene.names(&scene.work());
    let view = &["view", "photo.sealed.png", "--user", "ben"][..];
    let seal = &["seal", "photo.png", "--user", "anna", "-o", "second.png"][..];
    let followers = scene.stop_followers();
    for end in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        for command in [view, seal] {
            let mut asking = scene.veil(command).stderr(Stdio::null()).spawn().unwrap();
            until("it has begun", || scene.names(&scene.work()).len() > before.len());
            signal(&[Pid::from_child(&asking)], end);
            // By the signal itself: a shell's loop ends with it.
            assert_eq!(asking.wait().unwrap().signal(), Some(end.as_raw()));
            assert_eq!(scene.names(&scene.work()), before);
        }
    }
    signal(&followers, Signal::CONT);
    scene.done(view);
    // What was asked for and not had is had now: one view, and one image.
    assert_eq!(
        fs::read(scene.at("photo.sealed.opened.png")).unwrap(),
        fs::read(scene.at("photo.png")).unwrap()
    );
    scene.done(seal);
    assert_eq!(scene.images("anna").len(), 2);
}

#[test]
fn a_signal_that_is_to_be_ignored_is() {
    let scene = Scene::new();
    scene.done(["seal", "photo.png", "--user", "anna", "--for", "ben=1"]);
    let before = scene.names(&scene.work()).len();
    let followers = scene.stop_followers();
    // As nohup does it.
    let script = "trap '' HUP; veil view photo.sealed.png --user ben --timeout 60s & echo $! > pid; wait $!";
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| scene.bash(script));
        // Beside the number of the process, the file that is being made.
        until("it has begun", || scene.names(&scene.work()).len() > before + 1);
        let pid: i32 = fs::read_to_string(scene.at("pid")).unwrap().trim().parse().unwrap();
        signal(&[Pid::from_raw(pid).unwrap()], Signal::HUP);
        signal(&followers, Signal::CONT);
        let ended = asking.join().unwrap();
        assert!(ended.status.success(), "{ended:?}");
    });
    assert!(scene.at("photo.sealed.opened.png").exists());
}

#[test]
fn whoever_stays_online_leaves_in_order_at_any_signal() {
    let scene = Scene::new();
    for end in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        let mut staying = scene.veil(["stay", "--user", "ben"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(staying.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert!(said.contains("ben is online at"), "{said}");
        signal(&[Pid::from_child(&staying)], end);
        assert_eq!(staying.wait().unwrap().code(), Some(0), "{end:?}");
        let said = scene.done(["online", "ben", "--user", "anna"]);
        assert!(said.contains("nobody is online"), "{said}");
    }
}
