//! Answers that cannot be printed.

use std::{
    fs::{self, File},
    process::{Command, Stdio},
};

use crate::scene::{Ended, Scene, VEIL, code, until};

fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

/// A pipe that nobody reads.
fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// Commands that answer and change nothing.
const ASKING: [&[&str]; 34] = [
    &["--help"],
    &["--version"],
    &["view", "--help"],
    &["list", "--user", "ben"],
    &["list", "--user", "ben", "--json"],
    &["list", "--user", "ben", "--stale", "--json"],
    &["inspect", "photo.sealed.png"],
    &["inspect", "photo.sealed.png", "--json"],
    &["capacity", "photo.png"],
    &["capacity", "photo.png", "--json"],
    &["sessions", "--user", "ben"],
    &["sessions", "--user", "ben", "--json"],
    &["inbox", "--user", "ben"],
    &["inbox", "--user", "ben", "--json"],
    &["views", "photo.sealed.png", "--user", "anna"],
    &["views", "photo.sealed.png", "--user", "anna", "--json"],
    &["describe", "photo.sealed.png", "--user", "anna"],
    &["status"],
    &["status", "--json"],
    &["leader"],
    &["leader", "--json"],
    &["usage", "--user", "ben"],
    &["usage", "--user", "ben", "--json"],
    &["blocked", "--user", "ben"],
    &["requests", "--user", "anna"],
    &["online", "--user", "ben"],
    &["online", "--user", "ben", "--json"],
    &["group", "list", "--user", "anna"],
    &["group", "members", "family", "--user", "anna"],
    &["group", "requests", "family", "--user", "anna", "--json"],
    &["member", "list"],
    &["member", "list", "--json"],
    &["reveal", "hidden.png", "--passphrase-file", "pass"],
    &["repair", "photo.sealed.png"],
];

#[test]
fn an_answer_that_cannot_be_printed_is_an_error() {
    let scene = Scene::new();
    scene.done(["seal", "photo.png", "--user", "anna", "--for", "ben=1"]);
    scene.done(["group", "create", "family", "--user", "anna"]);
    fs::write(scene.at("pass"), "a passphrase\n").unwrap();
    scene.done(["hide", "--text", "noon", "-o", "hidden.png", "--passphrase-file", "pass"]);
    let operator = scene.home().parent().unwrap().join("operator");
    let operators: [&[&str]; 2] = [&["directory", "dump"], &["cluster", "limits"]];
    let operators = operators.map(|command| [command, &["--operator", operator.to_str().unwrap()]].concat());
    let commands = ASKING.iter().map(|command| command.to_vec()).chain(operators);
    for command in commands {
        let ended = Ended::of(scene.veil(&command).stdout(full()).output().unwrap());
        assert_eq!(ended.code, Some(1), "{command:?}: {ended:?}");
        let said = "standard output cannot be written";
        assert!(ended.err.contains(said) && ended.err.lines().count() == 1, "{command:?}: {ended:?}");
        assert!(!ended.err.contains("os error"), "{command:?}: {ended:?}");
        // Nobody listens any more: no complaint, and what a shell says of a program that SIGPIPE has ended.
        let ended = Ended::of(scene.veil(&command).stdout(closed_pipe()).output().unwrap());
        assert_eq!((ended.code, &*ended.err), (Some(141), ""), "{command:?}");
        // Nor is there a panic where there is nothing to complain to.
        let status = scene.veil(&command).stdout(full()).stderr(full()).status().unwrap();
        assert_eq!(code(status), Some(1), "{command:?}");
    }
    // Closed from the beginning.
    for command in ["list --user ben", "list --user ben --json", "--help", "capacity", "status"] {
        let ended = Ended::of(scene.bash(&format!("veil {command} >&-")));
        let said = ended.err.contains("standard output cannot be written");
        assert!(ended.code == Some(1) && said, "{command}: {ended:?}");
        let ended = Ended::of(scene.bash(&format!("veil {command} > /dev/null < /dev/null")));
        assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{command}");
    }
    let usage = scene.veil(["nonsense"]).stdout(full()).stderr(full()).status().unwrap();
    assert_eq!(code(usage), Some(2));
}

#[test]
fn what_was_done_and_could_not_be_said_is_told_with_the_error() {
    let scene = Scene::new();
    let image = |out: &str| out.split(' ').nth(1).unwrap().to_owned();
    let image = image(&scene.done(["seal", "photo.png", "--user", "anna", "--for", "ben=1", "-o", "s.png"]));
    let unsaid = |command: &[&str], words: &str| {
        let ended = Ended::of(scene.veil(command).stdout(full()).output().unwrap());
        assert_eq!(ended.code, Some(1), "{command:?}: {ended:?}");
        let told = ended.err.contains("; standard output cannot be written") && ended.err.contains(words);
        assert!(told, "{command:?}: {ended:?}");
    };
    unsaid(&["seal", "photo.png", "--user", "anna", "-o", "second.png"], "sealed in second.png");
    unsaid(&["seal", "photo.png", "--user", "anna", "-o", "third.png", "--json"], "sealed in third.png");
    unsaid(&["view", "s.png", "--user", "ben"], "opened in s.opened.png (0 views left)");
    assert_eq!(fs::read(scene.at("s.opened.png")).unwrap(), fs::read(scene.at("photo.png")).unwrap());
    assert_eq!(scene.images("anna").len(), 3);
    unsaid(&["grant", &image, "ben", "5", "--user", "anna"], "ben has 5 views");
    assert_eq!(scene.left(), 5);
    unsaid(&["group", "create", "family", "--user", "anna"], "has made group family");
    fs::write(scene.at("pass"), "a passphrase\n").unwrap();
    unsaid(&["hide", "--text", "x", "-o", "h.png", "--passphrase-file", "pass"], "hidden in h.png");
    unsaid(&["register", "cy", "--no-password"], "cy is registered and logged in");
    unsaid(&["cluster", "init", "other"], "fingerprint  ");
    unsaid(&["logout", "--user", "cy"], "cy is logged out");
    // What could not be shown is not acknowledged.
    let notices = || scene.done(["inbox", "--user", "ben", "--json"]);
    let before = notices();
    let ended = Ended::of(scene.veil(["inbox", "--ack", "--user", "ben"]).stdout(full()).output().unwrap());
    assert_eq!(ended.code, Some(1));
    assert_eq!(notices(), before);
}

#[test]
fn a_cluster_serves_whether_or_not_it_can_say_where() {
    for (out, err) in [(Stdio::from(full()), Stdio::from(full())), (closed_pipe(), closed_pipe())] {
        let folder = tempfile::tempdir().unwrap();
        let cluster = folder.path().join("cluster");
        let mut dev = Command::new(VEIL);
        let mut dev = dev.args(["dev", "--keep"]).arg(&cluster).stdout(out).stderr(err).spawn().unwrap();
        until("the cluster serves", || cluster.join("env").exists());
        assert!(dev.try_wait().unwrap().is_none());
        dev.kill().unwrap();
        dev.wait().unwrap();

        // A node of it alone, which has nobody to lead.
        let node = cluster.join("n1/node.toml");
        let start = || {
            let mut alone = Command::new(VEIL);
            let alone = alone.args(["node", "--config"]).arg(&node).stdin(Stdio::null());
            alone.stdout(full()).stderr(full()).spawn().unwrap()
        };
        let mut alone = start();
        let config = fs::read_to_string(&node).unwrap();
        let address = config.split("client = \"").nth(1).unwrap().split('"').next().unwrap();
        until("the node answers", || {
            if let Some(status) = alone.try_wait().unwrap() {
                // The one before may not have let go of its folder yet. A panic is something else.
                assert_eq!(code(status), Some(1));
                alone = start();
            }
            let mut status = Command::new(VEIL);
            let status = status.args(["status", "--nodes", address]).arg("--ca").arg(cluster.join("ca.pem"));
            status.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
        });
        assert!(alone.try_wait().unwrap().is_none());
        alone.kill().unwrap();
        alone.wait().unwrap();
    }
}
