//! Whole clusters inside one process, over in-memory pipes.

#![expect(clippy::unwrap_used, reason = "a step that fails is the test's failure")]

mod attack;
mod clocks;
mod damage;
mod harness;
mod keys;
mod leading;
mod links;
mod membership;
mod presence;
mod quotas;
mod reads;
mod recovery;
mod replacement;
mod secured;
mod sessions;
mod sharing;
mod snapshots;
mod suspicion;
mod wires;

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;
use veil::{
    client::ClientError,
    directory::{Refusal, SetGrant},
    node::RaftConfig,
    seal::SealedFile,
};

use self::harness::{Cluster, join, key, name, register, register_many, soon};

/// A small real PNG.
fn photo() -> bytes::Bytes {
    let pixels = image::RgbImage::from_fn(64, 48, |x, y| image::Rgb([x as u8, y as u8, 99]));
    let mut file = std::io::Cursor::new(Vec::new());
    pixels.write_to(&mut file, image::ImageFormat::Png).unwrap();
    file.into_inner().into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seal_list_view_grant_and_go_on_without_the_leader() {
    let mut cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    let (anna, ben) = (join(&client, "anna").await, join(&client, "ben").await);
    let original = photo();
    let grants = BTreeMap::from([(name("ben"), 2)]);
    let request = client.request_id();
    let sealed = anna.seal(request, name("anna"), grants.clone(), original.clone(), soon()).await.unwrap();

    // A retry gives the same image, and it opens with the key on record.
    let again = anna.seal(request, name("anna"), grants, original.clone(), soon()).await.unwrap();
    assert_eq!(again.image, sealed.image);
    // Whoever sealed it, and under whatever key it was tried: the body is the one that is on record.
    let body = |png: &[u8]| SealedFile::read(png).unwrap().block.unverified().body.unwrap();
    let on_record = anna.block(sealed.image, soon()).await.unwrap().unverified().body.unwrap();
    assert_eq!([body(&sealed.png), body(&again.png)], [on_record; 2]);

    let listed = ben.list(name("ben"), None, soon()).await.unwrap().lines;
    assert_eq!((listed.len(), listed[0].views_left), (1, Some(2)));

    let view = client.request_id();
    let opened = ben.open_view(view, name("ben"), sealed.image, soon()).await.unwrap();
    assert_eq!(opened.views_left, Some(1));
    for png in [&sealed.png, &again.png] {
        assert_eq!(SealedFile::read(png).unwrap().open(&opened.key).unwrap(), original);
    }

    let leader = client.leadership().borrow().leader.clone().expect("somebody just answered as leader");
    cluster.stop_node(leader.id).await;

    // The retry after the change of leader gets the first answer; a new view takes the last one.
    let retried = ben.open_view(view, name("ben"), sealed.image, soon()).await.unwrap();
    assert_eq!(retried, opened);
    let last = ben.open_view(client.request_id(), name("ben"), sealed.image, soon()).await.unwrap();
    assert_eq!(last.views_left, Some(0));
    let refused = ben.open_view(client.request_id(), name("ben"), sealed.image, soon()).await;
    let used_up = Refusal::QuotaUsedUp { image: sealed.image, viewer: name("ben") };
    assert_eq!(refused, Err(ClientError::Refused(used_up)));

    let grant = SetGrant { owner: name("anna"), image: sealed.image, viewer: name("ben"), views: 7 };
    assert_eq!(anna.set_grant(client.request_id(), grant, soon()).await.unwrap(), 7);
    assert_ne!(client.leadership().borrow().leader.as_ref().map(|member| member.id), Some(leader.id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_sealed_is_refused_with_the_reason() {
    let cluster = Cluster::start(1, RaftConfig::default()).await;
    let client = cluster.client();
    let anna = join(&client, "anna").await;
    let seal = |owner: &str, bytes: Vec<u8>| {
        anna.seal(client.request_id(), name(owner), BTreeMap::new(), bytes.into(), soon())
    };
    let not_a_picture = seal("anna", b"GIF89a and so on".to_vec()).await.unwrap_err();
    assert!(matches!(not_a_picture, ClientError::BadOriginal(_)), "{not_a_picture:?}");
    let too_long = seal("anna", vec![0; (16 << 20) + 1]).await.unwrap_err();
    assert!(too_long.to_string().contains("16777216"), "{too_long}");
    let stranger = seal("zoe", photo().to_vec()).await.unwrap_err();
    let not_you = Refusal::NotYou { user: name("zoe"), you: name("anna") };
    assert_eq!(stranger, ClientError::Refused(not_you));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_majority_nothing_is_acknowledged() {
    let mut cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    register(&client, "anna", soon()).await.unwrap();
    cluster.stop_node(2).await;
    cluster.stop_node(3).await;
    let deadline = Instant::now() + Duration::from_millis(800);
    let lost = register(&client, "ben", deadline).await.unwrap_err();
    assert!(
        matches!(lost, ClientError::TimedOut { .. } | ClientError::Unsettled { .. }),
        "acknowledged or refused without a majority: {lost:?}"
    );
}

/// A node that was away catches up, from the log or from a snapshot.
async fn catch_up(snapshot_every: u64) -> u64 {
    let raft = RaftConfig { snapshot_every, keep_entries: snapshot_every, ..RaftConfig::default() };
    let mut cluster = Cluster::start(3, raft).await;
    let client = cluster.client();
    register_many(&cluster, &client, 0..20).await;
    let leader = client.leadership().borrow().leader.clone().unwrap().id;
    let away = if leader == 3 { 2 } else { 3 };
    cluster.stop_node(away).await;
    let index = register_many(&cluster, &client, 20..200).await;
    cluster.start_node(away).await;
    cluster.wait_until_equal(&client, [leader, away], index).await;
    let address = &cluster.members[&away].client;
    let users = client.users_of(address, Duration::from_secs(5)).await.unwrap();
    assert_eq!(users.len(), 200);
    client.status(address, Duration::from_secs(5)).await.unwrap().snapshot
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_away_catches_up_from_the_log() {
    assert_eq!(catch_up(10_000).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_away_too_long_catches_up_from_a_snapshot() {
    // 180 entries were missed, at most 32 of them are left in the leader's log.
    assert!(catch_up(32).await > 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_restart_from_their_folders_and_nothing_is_missing() {
    // Small enough that the restart meets a snapshot, a purged log and entries after it.
    let raft = RaftConfig { snapshot_every: 32, keep_entries: 32, ..RaftConfig::default() };
    let mut cluster = Cluster::start(3, raft).await;
    let client = cluster.client();
    let index = register_many(&cluster, &client, 0..100).await;
    let retried = client.request_id();
    client.register(retried, name("zoe"), key("zoe").public(), None, soon()).await.unwrap();
    for id in 1..=3 {
        cluster.stop_node(id).await;
    }
    for id in 1..=3 {
        cluster.start_node(id).await;
    }
    cluster.wait_until_equal(&client, [1, 2], index).await;
    cluster.wait_until_equal(&client, [2, 3], index).await;
    // The same request gets its first answer, not "exists already".
    client.register(retried, name("zoe"), key("zoe").public(), None, soon()).await.unwrap();
    let taken = register(&client, "user-7", soon()).await;
    assert_eq!(taken, Err(ClientError::Refused(Refusal::NameTaken { user: name("user-7") })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_stopped_in_order_hands_over_first() {
    // Nobody would stand for election by itself within this test.
    let raft = RaftConfig { lease: Duration::from_secs(600), ..RaftConfig::default() };
    let mut cluster = Cluster::start(3, raft).await;
    let client = cluster.client();
    register_many(&cluster, &client, 0..10).await;
    let first = client.leadership().borrow().leader.clone().unwrap().id;
    cluster.stop_node(first).await;
    register_many(&cluster, &client, 10..20).await;
    let second = client.leadership().borrow().leader.clone().unwrap().id;
    assert_ne!(first, second);
}
