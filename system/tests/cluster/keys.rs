//! What a cluster says of its keys.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use veil::{
    client::{Client, ClientError, Keys},
    directory::{EndSession, Place, Record, Refusal, Restore},
    identity::SessionToken,
    node::{Entropy, RaftConfig},
    seal::SealedFile,
    wire::{
        client::{Answer, Asked, Reply, Request, RewrapError, ServiceError},
        frame::Link,
        links::Links,
    },
};

use super::{
    harness::{Cluster, PATIENCE, join, leader, log_in, name, soon},
    photo,
};

/// What one node, asked by itself, says to whoever has the session.
async fn keys_of(cluster: &Cluster, id: u64, session: &SessionToken) -> Answer {
    let links = Links::<Asked, Answer>::new(Arc::new(cluster.network.clone()), Link::Client, 1);
    let ask = Asked { session: Some(session.clone()), request: Request::Keys };
    links.ask(&cluster.members[&id].client, &ask, PATIENCE).await.unwrap()
}

/// What each node, asked by itself, says of the cluster's key and of the finder key of whoever has the session.
async fn told_by_each(cluster: &Cluster, session: &SessionToken) -> Vec<Keys> {
    let mut told = Vec::new();
    for id in cluster.nodes.keys() {
        loop {
            match keys_of(cluster, *id, session).await {
                Ok(Reply::Keys { cluster, finder }) => break told.push(Keys { cluster, finder }),
                // It has not heard of a leader yet.
                Err(ServiceError::Unsettled(_) | ServiceError::NotLeader(_)) => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                other => panic!("node {id}: {other:?}"),
            }
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_tells_the_same_keys_and_another_cluster_others() {
    let cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    let ben = join(&client, "ben").await;
    let told = told_by_each(&cluster, ben.session().unwrap()).await;
    let (public, finder) = (cluster.keys.public(), cluster.keys.finder(&name("ben")));
    assert_eq!(told, vec![Keys { cluster: public, finder }; 3]);
    assert_eq!(ben.keys(soon()).await.unwrap(), told[0]);
    let anna = join(&client, "anna").await.keys(soon()).await.unwrap();
    assert_eq!(anna.cluster, public);
    assert_ne!(anna.finder, told[0].finder);
    // Who is nobody has no key, and is told none.
    let nobody = client.keys(soon()).await;
    assert_eq!(nobody, Err(ClientError::Refused(Refusal::NoSession)));

    let other = Cluster::start(1, RaftConfig::default()).await;
    let ben = join(&other.client(), "ben").await;
    let elsewhere = ben.keys(soon()).await.unwrap();
    assert_ne!(elsewhere.cluster, told[0].cluster);
    assert_ne!(elsewhere.finder, told[0].finder);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_told_by_who_is_sure_that_the_session_lives_and_nobody_else() {
    let mut cluster = Cluster::start(3, RaftConfig::default()).await;
    let client: Client = cluster.client();
    let ben = join(&client, "ben").await;
    let lost = log_in(&client, "ben").await.session().unwrap().clone();
    let before = told_by_each(&cluster, &lost).await[0].clone();
    let led = leader(&client).await;
    let slow = *cluster.nodes.keys().find(|id| **id != led).unwrap();
    cluster.wires.cut_off(slow);
    let end = EndSession { user: name("ben"), session: lost.id() };
    ben.end_session(ben.request_id(), end, soon()).await.unwrap();
    // It holds a directory in which the session lives, and cannot know better.
    let unsure =
        |answer: &Answer| matches!(answer, Err(ServiceError::Unconfirmed(_) | ServiceError::NotLeader(_)));
    let answer = keys_of(&cluster, slow, &lost).await;
    assert!(unsure(&answer), "{answer:?}");
    cluster.wires.mend(slow);
    loop {
        match keys_of(&cluster, slow, &lost).await {
            Err(ServiceError::Declined(Refusal::NoSession)) => break,
            answer => assert!(unsure(&answer), "{answer:?}"),
        }
    }
    // Without a majority nobody is sure.
    for id in cluster.nodes.keys().copied().filter(|id| *id != slow).collect::<Vec<_>>() {
        assert_eq!(ben.keys(soon()).await.unwrap(), before);
        cluster.stop_node(id).await;
    }
    let answer = keys_of(&cluster, slow, ben.session().unwrap()).await;
    assert!(unsure(&answer), "{answer:?}");
}

/// Whether any file of a node's folder holds these bytes.
fn is_on_disk(folder: &std::path::Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => is_on_disk(&path, bytes),
            false => std::fs::read(path).unwrap().windows(bytes.len()).any(|window| window == bytes),
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_keys_lie_wrapped_and_move_under_a_new_key() {
    let mut cluster = Cluster::start(3, RaftConfig { snapshot_every: 16, ..RaftConfig::default() }).await;
    let client = cluster.client();
    let (anna, ben) = (join(&client, "anna").await, join(&client, "ben").await);
    let seal = |views| {
        let grants = BTreeMap::from([(name("ben"), views)]);
        anna.seal(anna.request_id(), name("anna"), grants, photo(), soon())
    };
    let mut images = Vec::new();
    for _ in 0..20 {
        images.push(seal(9).await.unwrap());
    }
    let open = async |sealed: &veil::client::Sealed| {
        let opened = ben.open_view(ben.request_id(), name("ben"), sealed.image, soon()).await.unwrap();
        assert_eq!(SealedFile::read(&sealed.png).unwrap().open(&opened.key).unwrap(), photo());
        opened.key
    };
    let first_key = open(&images[0]).await;

    // A key that not every member has is not used.
    let mut keys = cluster.keys.clone();
    let number = Entropy::from_seed(1).draw(|rng| keys.add_key(rng));
    let led = leader(&client).await;
    cluster.shared[&led].replace(keys.clone(), |number| number == 1).unwrap();
    let refused = client.rewrap(soon()).await.unwrap_err();
    let missing =
        |error: &ClientError| matches!(error, ClientError::Rewrap(RewrapError::KeyMissing { number: 2, .. }));
    assert!(missing(&refused), "{refused}");
    for shared in cluster.shared.values() {
        shared.replace(keys.clone(), |number| number == 1).unwrap();
    }
    assert_eq!(anna.rewrap(soon()).await, Err(ClientError::Refused(Refusal::OperatorsOnly)));
    assert_eq!(client.rewrap(soon()).await, Ok((number, 20)));
    assert_eq!(client.rewrap(soon()).await, Ok((number, 0)));
    for sealed in &images {
        open(sealed).await;
    }
    open(&seal(1).await.unwrap()).await;

    // The first key is of no use any more, and all nodes come back without it.
    cluster.keys = keys;
    for id in 1..=3 {
        cluster.stop_node(id).await;
        assert!(!is_on_disk(cluster.disks[&id].path(), first_key.as_bytes()), "a content key is on disk");
        cluster.start_node(id).await;
    }
    assert_eq!(open(&images[0]).await, first_key);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_that_is_taken_and_cannot_be_told_is_not_said_to_have_failed() {
    let mut cluster = Cluster::start(1, RaftConfig::default()).await;
    let client = cluster.client();
    let (anna, ben) = (join(&client, "anna").await, join(&client, "ben").await);
    let grants = BTreeMap::from([(name("ben"), 9)]);
    let sealed = anna.seal(anna.request_id(), name("anna"), grants, photo(), soon()).await.unwrap();
    let (first, mut both) = (cluster.keys.clone(), cluster.keys.clone());
    Entropy::from_seed(1).draw(|rng| both.add_key(rng));
    cluster.shared[&1].replace(both, |number| number == 1).unwrap();
    assert_eq!(client.rewrap(soon()).await, Ok((2, 1)));

    // The node is given an old copy of its keys: it takes the view, and cannot unwrap the content key.
    cluster.keys = first;
    cluster.stop_node(1).await;
    cluster.start_node(1).await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(3);
    let opened = ben.open_view(ben.request_id(), name("ben"), sealed.image, deadline).await;
    assert!(matches!(opened, Err(ClientError::Unsettled { .. })), "{opened:?}");
    let details = ben.image(name("ben"), sealed.image, soon()).await.unwrap();
    assert_eq!(details.grants.iter().map(|(_, grant)| grant.left).collect::<Vec<_>>(), [8]);
}

/// All records of a directory.
async fn dump(client: &Client) -> Vec<Record> {
    let mut records = Vec::new();
    for first in [Place::Settings, Place::Users(None), Place::Groups(None), Place::Images(None)] {
        let mut place = first;
        loop {
            let (_, page) = client.dump(place.clone(), soon()).await.unwrap();
            let Some(last) = page.last() else { break };
            let next = last.next();
            let settings = matches!(last, Record::Settings(_));
            records.extend(page);
            if settings {
                break;
            }
            place = next;
        }
    }
    records
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrapped_under_keys_of_another_cluster_is_refused_and_nothing_is_brought() {
    let (theirs, ours) =
        (Cluster::start(1, RaftConfig::default()).await, Cluster::start(3, RaftConfig::default()).await);
    let (from, to) = (theirs.client(), ours.client());
    let anna = join(&from, "anna").await;
    anna.seal(anna.request_id(), name("anna"), BTreeMap::new(), photo(), soon()).await.unwrap();
    let records = dump(&from).await;
    let keys: Vec<_> = records
        .iter()
        .filter_map(|record| match record {
            Record::Image(image) | Record::Sealed(image, _) => Some((image.image, image.key().unwrap())),
            _ => None,
        })
        .collect();
    assert_eq!(keys.len(), 1);
    from.check_keys(1, &keys, soon()).await.unwrap();
    from.check_keys(1, &[], soon()).await.unwrap();

    let address = &ours.members[&leader(&to).await].client;
    let before = to.hash_of(address, PATIENCE).await.unwrap();
    let refused = |refused: ClientError| {
        let said = refused.to_string();
        assert!(said.contains(&format!("image {} refused", keys[0].0)), "{said}");
        assert!(said.contains("does not open under key-encryption key 1 of the cluster.key here"), "{said}");
    };
    refused(to.check_keys(1, &keys, soon()).await.unwrap_err());
    let missing = to.check_keys(2, &[], soon()).await.unwrap_err().to_string();
    assert!(missing.contains("key-encryption key 2 is in use in it"), "{missing}");
    // Also of who does not ask first.
    let restore = Restore { records: records.clone() };
    refused(to.restore(to.request_id(), restore, soon()).await.unwrap_err());
    assert_eq!(to.hash_of(address, PATIENCE).await.unwrap(), before);
    // What holds no content key is brought, and nobody but operators may ask.
    let users = records.iter().filter(|record| matches!(record, Record::User(_))).cloned().collect();
    assert_eq!(to.restore(to.request_id(), Restore { records: users }, soon()).await, Ok(1));
    let ben = join(&to, "ben").await;
    let stranger = ben.check_keys(1, &keys, soon()).await;
    assert_eq!(stranger, Err(ClientError::Refused(Refusal::OperatorsOnly)));
}
