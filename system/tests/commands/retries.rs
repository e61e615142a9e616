//! What is asked twice because the first time was not answered, or not kept.

use std::{fs, process::Stdio, thread};

use rustix::process::Signal;

use crate::scene::{Ended, Scene, signal};

#[test]
fn a_view_that_cannot_have_been_taken_is_said_not_to_be_and_is_had_later() {
    let scene = Scene::new();
    scene.done(["seal", "photo.png", "--user", "anna", "--for", "ben=1"]);
    let photo = fs::read(scene.at("photo.png")).unwrap();
    let followers = scene.stop_followers();
    let view = ["view", "photo.sealed.png", "--user", "ben"];
    // Nobody is sure that the session lives, so no view is asked for.
    scene.refused([&view[..], &["-o", "a.png", "--timeout", "2s"]].concat(), "not done within");
    signal(&followers, Signal::CONT);
    assert!(!scene.at("a.png").exists());
    scene.done([&view[..], &["-o", "b.png"]].concat());
    assert_eq!(fs::read(scene.at("b.png")).unwrap(), photo);
    assert_eq!(scene.done(["views", "photo.sealed.png", "--user", "anna"]).lines().count(), 1);
    assert_eq!(scene.names(&scene.home().join("pending")), [""; 0]);
}

#[test]
fn a_view_that_was_taken_and_not_kept_is_had_by_asking_again() {
    let scene = Scene::new();
    scene.done(["seal", "photo.png", "--user", "anna", "--for", "ben=1"]);
    let photo = fs::read(scene.at("photo.png")).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut lost = scene.veil(["view", "photo.sealed.png", "--user", "ben", "-o", "-"]);
    assert_eq!(lost.stdout(writer).status().unwrap().code(), Some(141));
    assert_eq!(scene.left(), 0);
    // A viewer that fails shows nothing either.
    let mut lost = scene.veil(["view", "photo.sealed.png", "--user", "ben", "--show"]);
    let lost = Ended::of(lost.env("VEIL_VIEWER", "false").output().unwrap());
    assert!(lost.code == Some(1) && lost.err.contains("the picture cannot be shown"), "{lost:?}");
    scene.done(["view", "photo.sealed.png", "--user", "ben", "-o", "b.png"]);
    assert_eq!(fs::read(scene.at("b.png")).unwrap(), photo);
    scene.refused(["view", "photo.sealed.png", "--user", "ben", "-o", "c.png"], "used up all views");
}

#[test]
fn an_image_or_a_group_that_was_not_answered_is_not_made_twice() {
    let scene = Scene::new();
    let create = ["group", "create", "family", "--user", "anna"];
    let followers = scene.stop_followers();
    scene.refused([&create[..], &["--timeout", "2s"]].concat(), "it may have been done all the same");
    signal(&followers, Signal::CONT);
    crate::scene::until("the group is there", || {
        scene.done(["group", "list", "--user", "ben"]) == "family\n"
    });
    // Sealed, and not kept.
    let seal = ["seal", "photo.png", "--user", "anna", "--for", "ben=1", "-o", "s.png"];
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut lost = scene.veil([&seal[..6], &["-o", "-"]].concat());
    assert_eq!(lost.stdout(writer).status().unwrap().code(), Some(141));
    assert_eq!(scene.images("anna").len(), 1);
    // Another content is another image, as is another grant.
    scene.done(["seal", "photo.png", "--user", "anna", "--for", "ben=2", "-o", "other.png"]);
    assert_eq!(scene.images("anna").len(), 2);
    scene.done(seal);
    assert_eq!(scene.images("anna").len(), 2);
    scene.done(["view", "s.png", "--user", "ben"]);
    scene.done(create);
    scene.refused(create, "exists already");
    scene.done([&seal[..], &["--force"]].concat());
    assert_eq!(scene.images("anna").len(), 3);
    assert_eq!(scene.names(&scene.home().join("pending")), [""; 0]);
}

#[test]
fn of_many_at_once_for_one_view_one_gets_it() {
    let scene = Scene::new();
    scene.done(["seal", "photo.png", "--user", "anna", "--for", "ben=1"]);
    let views: Vec<_> = (0..8)
        .map(|i| {
            fs::copy(scene.at("photo.sealed.png"), scene.at(format!("{i}.png"))).unwrap();
            let view =
                ["view", &format!("{i}.png"), "--user", "ben", "-o", &format!("{i}.out"), "--timeout", "60s"];
            scene.veil(view).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let ended: Vec<_> = views.into_iter().map(|view| Ended::of(view.wait_with_output().unwrap())).collect();
    let got = ended.iter().filter(|ended| ended.code == Some(0)).count();
    assert_eq!(got, 1, "{ended:?}");
    assert!(
        ended.iter().filter(|ended| ended.code == Some(1)).all(|ended| ended.err.contains("used up")),
        "{ended:?}"
    );
    assert_eq!(scene.done(["views", "photo.sealed.png", "--user", "anna"]).lines().count(), 1);
}

#[test]
fn two_at_once_with_two_views_left_are_two_views() {
    let scene = Scene::new();
    scene.done(["seal", "photo.png", "--user", "anna", "--for", "ben=3"]);
    thread::scope(|scope| {
        for output in ["a.png", "b.png"] {
            let view = ["view", "photo.sealed.png", "--user", "ben", "-o", output, "--timeout", "60s"];
            scope.spawn({
                let scene = &scene;
                move || scene.done(view)
            });
        }
    });
    assert_eq!(scene.left(), 1);
}

#[test]
fn of_two_equal_ones_at_once_the_second_takes_no_view() {
    let scene = Scene::new();
    scene.done(["seal", "photo.png", "--user", "anna", "--for", "ben=2"]);
    let before = scene.names(&scene.work()).len();
    let followers = scene.stop_followers();
    let views = [(); 2].map(|()| {
        let mut view = scene.veil(["view", "photo.sealed.png", "--user", "ben", "--timeout", "60s"]);
        view.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    });
    crate::scene::until("both have found the name free", || {
        scene.names(&scene.work()).len() == before + views.len()
    });
    signal(&followers, Signal::CONT);
    let mut ended = views.map(|view| Ended::of(view.wait_with_output().unwrap()));
    ended.sort_by_key(|ended| ended.code);
    assert_eq!(ended.each_ref().map(|ended| ended.code), [Some(0), Some(1)], "{ended:?}");
    assert!(ended[1].err.contains("photo.sealed.opened.png is there already"), "{ended:?}");
    assert_eq!(
        fs::read(scene.at("photo.sealed.opened.png")).unwrap(),
        fs::read(scene.at("photo.png")).unwrap()
    );
    assert_eq!(scene.left(), 1);
    assert_eq!(scene.names(&scene.home().join("pending")), [""; 0]);
}
