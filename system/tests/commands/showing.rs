//! `veil view --show`.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use crate::scene::{Ended, PATIENCE, Scene, until};

/// A viewer that does this with the picture, which is `$1`.
fn viewer(scene: &Scene, script: &str) -> PathBuf {
    let path = scene.at("my viewer");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    path
}

#[test]
fn a_picture_is_shown_and_nothing_is_left_of_it() {
    let scene = Scene::new();
    scene.done(["seal", "photo.png", "--user", "anna", "--for", "ben=3"]);
    fs::create_dir(scene.at("runtime")).unwrap();
    let show = |viewer: &std::ffi::OsStr| {
        let mut show = scene.veil(["view", "photo.sealed.png", "--user", "ben", "--show"]);
        show.env("VEIL_VIEWER", viewer).env("XDG_RUNTIME_DIR", scene.at("runtime"));
        show.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
        show
    };
    // Without a viewer, or a screen, no view is taken.
    let ended = Ended::of(show("no-such-viewer".as_ref()).output().unwrap());
    assert!(ended.code == Some(1) && ended.err.contains("there is no program no-such-viewer"), "{ended:?}");
    let ended = Ended::of(show("".as_ref()).output().unwrap());
    assert!(ended.code == Some(1) && ended.err.contains("VEIL_VIEWER"), "{ended:?}");
    assert_eq!(scene.left(), 3);

    // Looked at for a while.
    let script = "stat -c %a \"$1\" \"$(dirname \"$1\")\" > mode; cp \"$1\" seen.png
        while [ ! -e closed ]; do sleep 0.05; done";
    let program = viewer(&scene, script);
    let mut looking = show(program.as_os_str()).spawn().unwrap();
    until("it is seen", || scene.at("seen.png").exists());
    until("the view is over for others", || scene.names(&scene.home().join("pending")).is_empty());
    fs::write(scene.at("closed"), "").unwrap();
    assert!(looking.wait().unwrap().success());
    assert_eq!(fs::read(scene.at("seen.png")).unwrap(), fs::read(scene.at("photo.png")).unwrap());
    assert_eq!(fs::read_to_string(scene.at("mode")).unwrap(), "600\n700\n");
    assert_eq!((scene.left(), scene.names(&scene.at("runtime")).len()), (2, 0));
    assert!(!scene.at("photo.sealed.opened.png").exists());

    // Told to end while somebody looks.
    fs::remove_file(scene.at("closed")).unwrap();
    fs::remove_file(scene.at("seen.png")).unwrap();
    let mut looking = show(program.as_os_str()).spawn().unwrap();
    until("it is seen", || scene.at("seen.png").exists());
    crate::scene::signal(&[rustix::process::Pid::from_child(&looking)], rustix::process::Signal::HUP);
    let ended = std::os::unix::process::ExitStatusExt::signal(&looking.wait().unwrap());
    assert_eq!(ended, Some(1), "within {PATIENCE:?}");
    assert_eq!(scene.names(&scene.at("runtime")).len(), 0);
    fs::write(scene.at("closed"), "").unwrap();
}
