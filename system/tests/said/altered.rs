//! A sealed file whose ciphertext was altered costs no view, however well it was done.

use std::fs;

use veil::stego::{
    Cover,
    layout::{self, Payload, Plan},
};

use super::program::{Cluster, file};

/// The file with a bit of its ciphertext changed, and every checksum put right.
fn altered(sealed: &[u8]) -> Vec<u8> {
    let hidden = layout::read(sealed).unwrap();
    let mut body = hidden.body.clone();
    let middle = body.len() / 2;
    body[middle] ^= 1;
    let (version, kind) = (hidden.header.version, hidden.header.kind);
    let payload = Payload { version, kind, block: &hidden.block, body: &body };
    let (cover, mut file) = (Cover::standard(), Vec::new());
    let plan = Plan::new(&cover, body.len()).unwrap();
    layout::write(&cover, &plan, payload, &mut Vec::new(), &mut file).unwrap();
    file
}

#[test]
fn an_altered_file_is_refused_by_every_command_and_takes_no_view() {
    let cluster = Cluster::start();
    let photo = cluster.photo();
    cluster.does(&["seal", photo.to_str().unwrap(), "--user", "anna", "--for", "ben=3", "-o", "sealed.png"]);
    let folder = tempfile::tempdir().unwrap();
    let sealed = fs::read(cluster.folder().join("sealed.png")).unwrap();
    let path = file(folder.path(), "altered.png", altered(&sealed));
    let why =
        "the picture was altered since it was sealed: what it hides is not what its permission block names";
    for _ in 0..3 {
        let (out, complaint, code) = cluster.run(&["view", &path, "--user", "ben"]);
        assert_eq!((out.as_str(), code), ("", Some(1)));
        assert_eq!(complaint, format!("veil: {path}: {why}\n"));
    }
    assert_eq!(cluster.views_left(), 3);
    for command in ["inspect", "repair"] {
        let (_, complaint, code) = cluster.run(&[command, &path]);
        assert_eq!((complaint, code), (format!("veil: {path}: {why}\n"), Some(1)), "{command}");
    }
    let restored = ["restore", folder.path().to_str().unwrap(), "--user", "anna"];
    let (out, _, code) = cluster.run(&restored);
    assert!(out.starts_with("failed ") && out.contains(why), "{out}");
    assert_eq!(code, Some(1));
    // The honest file costs one.
    cluster.does(&["view", "sealed.png", "--user", "ben"]);
    assert_eq!(cluster.views_left(), 2);
    // After that, its new block names the same body.
    cluster.does(&["inspect", "sealed.png"]);
    assert_eq!(fs::read(cluster.folder().join("sealed.opened.png")).unwrap(), fs::read(photo).unwrap());
}

#[test]
fn who_is_given_views_when_an_image_is_sealed_is_told_what_it_is_called() {
    let cluster = Cluster::start();
    let photo = cluster.photo();
    let seal = |more: &[&str]| {
        let first = ["seal", photo.to_str().unwrap(), "--user", "anna", "-o", "sealed.png", "--force"];
        cluster.does(&[&first[..], more].concat());
    };
    let inbox = || cluster.does(&["inbox", "--user", "ben", "--ack"]);
    seal(&["--for", "ben=3"]);
    let told = inbox();
    assert!(told.contains("  anna gave you 3 views of ") && told.ends_with(" \"photo.png\"\n"), "{told}");
    seal(&["--for", "ben=1", "--title", "The sea"]);
    assert!(inbox().ends_with(" \"The sea\"\n"));
    seal(&["--for", "ben=1", "--title", ""]);
    assert!(!inbox().contains('"'));

    cluster.does(&["group", "create", "family", "--user", "anna"]);
    cluster.does(&["group", "ask", "family", "--user", "ben"]);
    cluster.does(&["group", "accept", "family", "ben", "--user", "anna"]);
    seal(&["--for-group", "family=4"]);
    let told = inbox();
    assert!(told.contains("  anna gave group family 4 views of "), "{told}");
    assert!(told.ends_with(" \"photo.png\"\n"), "{told}");
    let (_, complaint, code) =
        cluster.run(&["seal", photo.to_str().unwrap(), "--user", "anna", "--title", &"x".repeat(101)]);
    assert_eq!(complaint, "veil: length of the title in characters is 101, the limit is 100\n");
    assert_eq!(code, Some(1));
}
