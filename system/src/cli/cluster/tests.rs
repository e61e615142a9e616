use std::fs;

use super::*;
use crate::{
    node::NodeConfig,
    wire::tls::{AuthorityCertificate, Certificate},
};

fn day() -> Validity {
    Validity { from: SystemTime::now(), length: Duration::from_secs(24 * 3600) }
}

fn three() -> Vec<Place> {
    (1..=3).map(|id| Place::on_loopback(id).unwrap()).collect()
}

fn config(folder: &Path, id: NodeId) -> NodeConfig {
    NodeConfig::load(&folder.join(format!("n{id}/node.toml"))).unwrap()
}

fn made_args() -> MadeArgs {
    MadeArgs { days: 1, json: true }
}

#[test]
fn every_node_finds_in_its_folder_what_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("new/cluster");
    let Made { fingerprint, public } = make(&folder, &three(), day()).unwrap();
    for id in 1..=3 {
        let config = config(&folder, id);
        assert_eq!((config.id, config.bootstrap, config.members.len()), (id, id == 1, 3));
        assert_eq!(config.listen.client, format!("127.0.0.1:710{id}"));
        assert_eq!(config.members[id as usize - 1].peer, format!("127.0.0.1:720{id}"));
        assert_eq!(config.cluster_keys().unwrap().public(), public);
        let tls = config.tls.unwrap();
        assert_eq!(tls.load().unwrap().authority().fingerprint(), fingerprint);
        for (path, mode) in [(&tls.key, 0o600), (&config.cluster_key, 0o600), (&tls.certificate, 0o644)] {
            assert_eq!(secret::mode(path), mode, "{}", path.display());
        }
    }
    assert_eq!(secret::mode(&folder.join("ca.key")), 0o600);
    assert_eq!(secret::mode(&folder.join("operator/operator.key")), 0o600);
    assert_eq!(secret::mode(&folder), 0o700);
    let at = |name: &str| fs::read(folder.join(name)).unwrap();
    assert!(!at("n1/node.pem").is_empty() && at("ca.pem") == at("operator/ca.pem"));
    let authority = AuthorityCertificate::from_pem(&at("ca.pem")).unwrap();
    let operator = Certificate::from_pem(&at("operator/operator.pem"), &at("operator/operator.key")).unwrap();
    assert!(operator.check_node(&authority, SystemTime::now()).is_err(), "an operator is no node");
}

#[test]
fn nothing_that_is_there_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    make(folder, &three(), day()).unwrap();
    let before = fs::read(folder.join("n1/cluster.key")).unwrap();
    let again = make(folder, &three(), day()).err().unwrap().to_string();
    assert!(again.contains("exists already"), "{again}");
    assert_eq!(fs::read(folder.join("n1/cluster.key")).unwrap(), before);

    // An earlier file alone is enough, and then nothing else is made. An empty folder is no obstacle.
    let other = tempfile::tempdir().unwrap();
    fs::create_dir_all(other.path().join("n2")).unwrap();
    fs::write(other.path().join("n2/cluster.key"), "a key").unwrap();
    assert!(make(other.path(), &three(), day()).is_err());
    assert!(!other.path().join("ca.key").exists());
    fs::remove_file(other.path().join("n2/cluster.key")).unwrap();
    make(other.path(), &three(), day()).unwrap();
}

#[test]
fn certificates_are_renewed_and_everything_else_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    make(folder, &three(), day()).unwrap();
    let files = ["n1/node.pem", "n3/node.key", "operator/operator.pem", "n2/cluster.key", "ca.pem", "ca.key"];
    let read = || files.map(|file| fs::read(folder.join(file)).unwrap());
    let before = read();
    renew(&RenewArgs { folder: folder.to_owned(), made: made_args() }).unwrap();
    let changed: Vec<_> = read().iter().zip(&before).map(|(now, then)| now != then).collect();
    assert_eq!(changed, [true, true, true, false, false, false]);
    for id in 1..=3 {
        config(folder, id).tls.unwrap().load().unwrap();
    }
    assert_eq!(secret::mode(&folder.join("n1/node.key")), 0o600);
}

#[test]
fn one_more_node_gets_a_folder_and_no_founding_members() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let Made { public, .. } = make(folder, &three(), day()).unwrap();
    let add = |id, host: Option<&str>| {
        let host = host.map(str::to_owned);
        add_node(&AddNodeArgs { folder: folder.to_owned(), id, host, made: made_args() })
    };
    add(4, Some("n4.example")).unwrap();
    let config = config(folder, 4);
    assert!(!config.bootstrap && config.members.is_empty());
    assert_eq!(config.listen.peer, "0.0.0.0:7201");
    assert_eq!(config.cluster_keys().unwrap().public(), public);
    config.tls.unwrap().load().unwrap();
    let taken = add(4, None).unwrap_err().to_string();
    assert!(taken.contains("n4/node.toml exists already"), "{taken}");
}

#[test]
fn hosts_are_names_or_addresses_without_ports() {
    let place = |host| Place::on(2, host).map(|place| (place.member.client, place.listen));
    assert_eq!(place("10.0.0.1").unwrap(), ("10.0.0.1:7101".to_owned(), "0.0.0.0"));
    assert_eq!(place("fe80::1").unwrap(), ("[fe80::1]:7101".to_owned(), "[::]"));
    for same in ["::1", "[::1]", " ::1 "] {
        assert_eq!(place(same).unwrap(), ("[::1]:7101".to_owned(), "[::]"), "{same}");
    }
    for host in ["n1:7101", "", "a b", "\"quoted\"", "0.0.0.0", "::", "[::]", "[::1]:7101"] {
        assert!(place(host).is_err(), "{host}");
    }
}

#[test]
fn keys_are_added_to_every_node_and_all_but_the_newest_can_be_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let public = make(folder, &three(), day()).unwrap().public;
    let numbers = || {
        let held = (1..=3).map(|id| config(folder, id).cluster_keys().unwrap());
        let held: Vec<_> =
            held.map(|keys| (keys.public(), keys.ring().numbers().collect::<Vec<_>>())).collect();
        assert!(held.iter().all(|one| *one == held[0] && one.0 == public), "{held:?}");
        held[0].1.clone()
    };
    rotate::add_key(&rotate::AddKeyArgs::of(folder)).unwrap();
    assert_eq!(numbers(), [1, 2]);
    assert_eq!(secret::mode(&folder.join("n2/cluster.key")), 0o600);
    let newest = rotate::drop_key(&rotate::DropKeyArgs::of(folder, 2)).unwrap_err().to_string();
    assert!(newest.contains("key 2 is the newest"), "{newest}");
    rotate::drop_key(&rotate::DropKeyArgs::of(folder, 1)).unwrap();
    assert_eq!(numbers(), [2]);
    assert!(rotate::drop_key(&rotate::DropKeyArgs::of(folder, 1)).is_err());
    // A node that is added later has the same.
    let added = AddNodeArgs { folder: folder.to_owned(), id: 4, host: None, made: made_args() };
    add_node(&added).unwrap();
    let keys = config(folder, 4).cluster_keys().unwrap();
    assert_eq!(keys.ring().numbers().collect::<Vec<_>>(), [2]);
}
