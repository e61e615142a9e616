//! A cluster that is not there: said while the program goes on trying.

use std::{
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    os::unix::process::ExitStatusExt as _,
    process::{Child, ChildStderr},
};

use rustix::process::{Pid, Signal, kill_process};

use super::program::{Cluster, said, veil};

const REMEDY: &str = "is the cluster running, and are these its addresses (--nodes, VEIL_NODES)?";

/// An address at which nobody listens.
fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// The first line on stderr, and what may come after it.
fn first_line(child: &mut Child) -> (String, BufReader<ChildStderr>) {
    let mut complaints = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    complaints.read_line(&mut line).unwrap();
    (line, complaints)
}

/// Ctrl-C, and that it ends by that.
fn interrupt(mut child: Child) {
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(2));
}

#[test]
fn where_nobody_listens_it_is_said_once_while_it_goes_on_trying() {
    let (one, two) = (nobody(), nobody());
    let nodes = format!("{one},{two}");
    let arguments = ["leader", "--json", "--plain", "--nodes", &nodes, "--timeout", "600"];
    let mut child = veil(&arguments).spawn().unwrap();
    let (line, mut rest) = first_line(&mut child);
    assert!(line.starts_with(&format!("veil: no node answers at {one}, {two} (cannot reach ")), "{line}");
    assert!(line.contains("connection refused") && line.contains(REMEDY), "{line}");
    assert!(line.ends_with(" Trying for another 9m 59s; Ctrl-C ends that\n"), "{line}");
    assert!(child.try_wait().unwrap().is_none(), "it has given up");
    let mut out = child.stdout.take().unwrap();
    interrupt(child);
    let (mut printed, mut more) = (String::new(), String::new());
    out.read_to_string(&mut printed).unwrap();
    rest.read_to_string(&mut more).unwrap();
    assert_eq!((printed.as_str(), more.as_str()), ("", ""));
}

#[test]
fn who_accepts_and_says_nothing_is_no_node() {
    // The kernel accepts: as if the process stood still.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    for trust in [&["--plain"][..], &["--fingerprint", &"0".repeat(64)]] {
        let arguments = [&["leader", "--nodes", &address, "--timeout", "600"], trust].concat();
        let mut child = veil(&arguments).spawn().unwrap();
        let (line, _rest) = first_line(&mut child);
        assert!(line.starts_with(&format!("veil: no node answers at {address}")), "{line}");
        assert!(line.contains(REMEDY), "{line}");
        interrupt(child);
    }
}

#[test]
fn whoever_gives_up_sooner_is_told_with_the_error() {
    let address = nobody();
    let arguments = ["leader", "--plain", "--nodes", &address, "--timeout", "200ms"];
    let (out, complaint, code) = said(&veil(&arguments).output().unwrap());
    assert_eq!((out.as_str(), code), ("", Some(1)));
    let error = format!("cannot reach {address}: connection refused");
    assert!(complaint.starts_with("veil: no node answered within "), "{complaint}");
    assert!(complaint.contains(&format!(" ({address}): {error}")), "{complaint}");
    assert!(complaint.ends_with(&format!("; {REMEDY}\n")), "{complaint}");
    assert_eq!(complaint.lines().count(), 1);
}

#[test]
fn it_is_said_before_the_error_and_the_error_does_not_say_it_again() {
    let address = nobody();
    let arguments = ["leader", "--plain", "--nodes", &address, "--timeout", "2"];
    let (_, complaint, code) = said(&veil(&arguments).output().unwrap());
    let lines: Vec<&str> = complaint.lines().collect();
    assert_eq!((lines.len(), code), (2, Some(1)), "{complaint}");
    assert!(lines[0].starts_with("veil: no node answers at ") && lines[0].contains(REMEDY), "{complaint}");
    assert!(lines[1].starts_with("veil: no node answered within 2."), "{complaint}");
    assert!(!lines[1].contains(REMEDY), "{complaint}");
}

#[test]
fn nodes_that_stand_still_are_missed_until_they_go_on() {
    let cluster = Cluster::start();
    for node in &cluster.nodes {
        kill_process(*node, Signal::STOP).unwrap();
    }
    let mut child = cluster.command(&["list", "--user", "ben", "--timeout", "600"]).spawn().unwrap();
    let (line, mut rest) = first_line(&mut child);
    assert!(line.starts_with("veil: no node answers at ") && line.contains(REMEDY), "{line}");
    for node in &cluster.nodes {
        kill_process(*node, Signal::CONT).unwrap();
    }
    // As soon as they go on, so does whoever waited, and nothing more is said.
    assert!(child.wait().unwrap().success());
    let mut more = String::new();
    rest.read_to_string(&mut more).unwrap();
    assert_eq!(more, "");
}
