//! Outputs that cannot be written, and files that are there already.

use std::{
    fs::{self, File},
    os::unix::fs::{PermissionsExt, symlink},
};

use rustix::fs::{CWD, Mode, mkfifoat};

use crate::scene::{Ended, Scene};

#[test]
fn no_view_is_taken_of_what_could_not_be_kept() {
    let scene = Scene::new();
    scene.done(["seal", "photo.png", "--user", "anna", "--for", "ben=2"]);
    fs::create_dir(scene.at("folder")).unwrap();
    mkfifoat(CWD, scene.at("fifo"), Mode::RUSR | Mode::WUSR).unwrap();
    symlink("nowhere", scene.at("link")).unwrap();
    fs::write(scene.at("file"), "kept").unwrap();
    let long = "n".repeat(256);
    let before = scene.names(&scene.work());
    for (output, words) in [
        ("nosuch/x.png", "nosuch/x.png cannot be written"),
        ("folder", "folder is a folder: only regular files are written"),
        ("folder/", "folder/ is a folder"),
        ("new/", "new/ is the name of a folder"),
        ("fifo", "fifo is a FIFO"),
        ("/dev/full", "/dev/full is a device"),
        ("/dev/null", "/dev/null is a device"),
        ("link", "link (a link) is there already"),
        ("file", "file is there already: give another name with --output, or --force to replace it"),
        ("file/x.png", "file/x.png cannot be written"),
        ("photo.sealed.png", "photo.sealed.png would be overwritten"),
        (&long, "cannot be written"),
    ] {
        scene.refused(["view", "photo.sealed.png", "--user", "ben", "-o", output], words);
    }
    for output in ["folder", "fifo", "/dev/full", "photo.sealed.png"] {
        let ended = scene.run(["view", "photo.sealed.png", "--user", "ben", "--force", "-o", output]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
    }
    // More than the disk holds, as far as this program is told; and standard output that takes nothing.
    for script in [
        "ulimit -f 1; veil view photo.sealed.png --user ben -o large.png",
        "veil view photo.sealed.png --user ben -o - > /dev/full",
    ] {
        let ended = Ended::of(scene.bash(script));
        assert_eq!(ended.code, Some(1), "{ended:?}");
    }
    // A folder in which nothing may be made; its owner may, if that is root.
    fs::create_dir(scene.at("closed")).unwrap();
    fs::set_permissions(scene.at("closed"), fs::Permissions::from_mode(0o500)).unwrap();
    if File::create(scene.at("closed/probe")).is_err() {
        scene.refused(
            ["view", "photo.sealed.png", "--user", "ben", "-o", "closed/x.png"],
            "cannot be written",
        );
    }
    fs::remove_dir_all(scene.at("closed")).unwrap();
    // The sealed file is kept locked by another program.
    let locked = File::open(scene.at("photo.sealed.png")).unwrap();
    locked.lock().unwrap();
    scene.refused(["view", "photo.sealed.png", "--user", "ben", "--timeout", "1s"], "kept the file locked");
    drop(locked);
    assert_eq!(scene.left(), 2);
    assert_eq!(scene.names(&scene.work()), before);
    assert_eq!(fs::read(scene.at("file")).unwrap(), b"kept");

    // Only to be read: the picture is there, and the file does not know yet.
    let locked = File::open(scene.at("photo.sealed.png")).unwrap();
    locked.lock_shared().unwrap();
    scene.done(["view", "photo.sealed.png", "--user", "ben", "--timeout", "1s"]);
    drop(locked);
    assert_eq!(
        fs::read(scene.at("photo.sealed.opened.png")).unwrap(),
        fs::read(scene.at("photo.png")).unwrap()
    );
    assert_eq!(scene.left(), 1);
}

#[test]
fn nothing_is_overwritten_unless_that_was_said() {
    let scene = Scene::new();
    let operator = scene.home().parent().unwrap().join("operator");
    let operator = operator.to_str().unwrap();
    fs::write(scene.at("pass"), "a passphrase\n").unwrap();
    scene.done(["seal", "photo.png", "--user", "anna", "--for", "ben=3"]);
    fs::copy(scene.at("photo.png"), scene.at("photo.jpg")).unwrap();
    scene.done(["hide", "--text", "noon", "-o", "hidden.png", "--passphrase-file", "pass"]);

    // The user's own file, wherever a command would write.
    let view = ["view", "photo.sealed.png", "--user", "ben"];
    let dump = ["directory", "dump", "-o", "own", "--operator", operator];
    let commands: [(&str, &[&str]); 9] = [
        ("photo.sealed.png", &["seal", "photo.png", "--user", "anna"]),
        ("photo.sealed.png", &["seal", "photo.jpg", "--user", "anna"]),
        ("own", &["seal", "photo.png", "--user", "anna", "-o", "own"]),
        ("photo.sealed.opened.png", &view),
        ("own", &[&view[..], &["-o", "own"]].concat()),
        ("own", &["hide", "--text", "noon", "-o", "own", "--passphrase-file", "pass"]),
        ("own", &["reveal", "hidden.png", "-o", "own", "--passphrase-file", "pass"]),
        ("own", &dump),
        ("own", &["reveal", "hidden.png", "--output=own", "--passphrase-file", "/nonexistent"]),
    ];
    for (name, command) in commands {
        if name != "photo.sealed.png" {
            fs::write(scene.at(name), "kept").unwrap();
        }
        let before = fs::read(scene.at(name)).unwrap();
        let said = scene.refused(command, &format!("{name} is there already: "));
        assert!(said.contains("--force"), "{said}");
        assert_eq!(fs::read(scene.at(name)).unwrap(), before, "{command:?}");
    }
    assert_eq!((scene.left(), scene.images("anna").len()), (3, 1), "nothing was asked");

    for command in [commands[4].1, commands[5].1, commands[6].1, commands[7].1] {
        scene.done([command, &["--force"]].concat());
        assert_ne!(fs::read(scene.at("own")).unwrap(), b"kept");
    }
    // What was opened is for its owner alone, as is what was hidden, and all that the cluster knows.
    assert_eq!(fs::metadata(scene.at("own")).unwrap().permissions().mode() & 0o777, 0o600);
    scene.done([&view[..], &["-o", "opened"]].concat());
    scene.done(["reveal", "hidden.png", "-o", "revealed", "--passphrase-file", "pass"]);
    for name in ["opened", "revealed"] {
        assert_eq!(fs::metadata(scene.at(name)).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // A link is replaced, and what it leads to is not.
    symlink("photo.png", scene.at("link")).unwrap();
    let photo = fs::read(scene.at("photo.png")).unwrap();
    scene.done(["hide", "--text", "noon", "-o", "link", "--force", "--passphrase-file", "pass"]);
    assert!(fs::symlink_metadata(scene.at("link")).unwrap().is_file());
    assert_eq!(fs::read(scene.at("photo.png")).unwrap(), photo);
}

#[test]
fn a_cluster_of_ones_own_replaces_no_picture() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("photo.png"), "kept").unwrap();
    let said = File::create(folder.path().join("said")).unwrap();
    let mut dev = std::process::Command::new(crate::scene::VEIL);
    let mut dev = dev.args(["dev", "--keep"]).arg(folder.path()).stdout(said).spawn().unwrap();
    crate::scene::until("the cluster serves", || folder.path().join("env").exists());
    dev.kill().unwrap();
    dev.wait().unwrap();
    assert_eq!(fs::read(folder.path().join("photo.png")).unwrap(), b"kept");
}

#[test]
fn the_cover_never_takes_the_place_of_a_picture() {
    let scene = Scene::new();
    scene.done(["seal", "photo.png", "--user", "anna", "--for", "ben=1"]);
    let view = |more: &[&str]| scene.run([&["view", "photo.sealed.png", "--user", "ben"], more].concat());
    assert_eq!(view(&["-o", "mine.png"]).code, Some(0));
    // Whatever is said: refused before anything is asked, or the cover goes where covers go.
    let photo = fs::read(scene.at("photo.png")).unwrap();
    let cover = "photo.sealed.cover.png";
    for (more, words) in [
        (&["-o", "mine.png"][..], "mine.png is there already".to_owned()),
        (&["-o", "mine.png", "--force"], format!("used up all views of image …; the cover is in {cover}")),
        (&["-o", "other.png"], format!("; the cover is in {cover} already")),
        (&[], format!("; the cover is in {cover} already")),
    ] {
        let ended = view(more);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let fits = words.split('…').all(|part| ended.err.contains(part));
        assert!(fits, "{words:?}: {ended:?}");
        assert_eq!(fs::read(scene.at("mine.png")).unwrap(), photo);
        assert!(!scene.at("other.png").exists());
    }
    // Nor is a FIFO of that name waited for.
    fs::remove_file(scene.at(cover)).unwrap();
    mkfifoat(CWD, scene.at(cover), Mode::RUSR | Mode::WUSR).unwrap();
    assert!(view(&[]).err.contains("is a FIFO"));
    fs::remove_file(scene.at(cover)).unwrap();
    // One's own file of that name is left alone, and so is what a link there leads to.
    fs::write(scene.at(cover), "kept").unwrap();
    assert!(view(&[]).err.contains("the cover was not written (photo.sealed.cover.png is there already"));
    assert_eq!(fs::read(scene.at(cover)).unwrap(), b"kept");
    fs::remove_file(scene.at(cover)).unwrap();
    symlink("nowhere", scene.at(cover)).unwrap();
    assert!(view(&[]).err.contains("the cover was not written"));
    assert!(!scene.at("nowhere").exists());
}

#[test]
fn a_file_may_be_standard_input_or_output() {
    let scene = Scene::new();
    let photo = fs::read(scene.at("photo.png")).unwrap();
    let script = "set -e
        veil seal - --user anna --for ben=2 -o - < photo.png > s.png 2> told
        grep -q 'sealed in standard output' told
        veil view - --user ben -o - < s.png > opened.png 2>> told
        veil view - --user ben -o again.png < s.png
        cat s.png | veil inspect - --json > inspected
        cat s.png | veil describe - --user anna > described
        cat photo.png | VEIL_PASSPHRASE=x veil hide - -o - > hidden.png
        VEIL_PASSPHRASE=x veil reveal - -o - < hidden.png > revealed.png
        veil capacity - < photo.png > capacity";
    let ended = Ended::of(scene.bash(script));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for name in ["opened.png", "again.png", "revealed.png"] {
        assert_eq!(fs::read(scene.at(name)).unwrap(), photo, "{name}");
    }
    for (arguments, words) in [
        (&["seal", "-", "--user", "anna"][..], "-: a photo from standard input has no name"),
        (&["hide", "-", "--cover", "-", "-o", "x.png"], "-: standard input can be read once"),
        (&["repair", "-"], "-: "),
    ] {
        scene.refused(arguments, words);
    }
    let ended = Ended::of(scene.bash("veil view - --user ben < s.png"));
    assert!(
        ended.code == Some(1) && ended.err.contains("-: a picture from standard input has no name"),
        "{ended:?}"
    );
    assert!(!scene.names(&scene.work()).contains(&"-".to_owned()));
}

#[test]
fn standard_input_has_no_title_and_is_read_once() {
    let scene = Scene::new();
    let ended = Ended::of(scene.bash("veil seal - --user anna -o s.png --json < photo.png"));
    assert!(ended.code == Some(0) && ended.out.contains("\"title\":\"\""), "{ended:?}");
    fs::write(scene.at("pass"), "a passphrase\n").unwrap();
    scene.done(["hide", "--text", "noon", "-o", "hidden.png", "--passphrase-file", "pass"]);
    for command in [
        "veil hide - -o twice.png --passphrase-file - < pass",
        "veil hide --text noon --cover - -o twice.png --passphrase-file - < photo.png",
        "veil reveal - --passphrase-file - < hidden.png",
    ] {
        let ended = Ended::of(scene.bash(command));
        assert!(ended.code == Some(1) && ended.err.contains("is named 2 times"), "{command}: {ended:?}");
    }
}
