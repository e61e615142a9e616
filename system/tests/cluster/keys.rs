//! What a cluster says of its keys.

use std::{sync::Arc, time::Duration};

use veil::{
    client::{Client, ClientError, Keys},
    directory::Refusal,
    identity::SessionToken,
    node::RaftConfig,
    wire::{
        client::{Answer, Asked, Reply, Request, ServiceError},
        frame::Link,
        links::Links,
    },
};

use super::harness::{Cluster, PATIENCE, join, name, soon};

/// What each node, asked by itself, says of the cluster's key and of the finder key of whoever has the session.
async fn told_by_each(cluster: &Cluster, session: &SessionToken) -> Vec<Keys> {
    let links = Links::<Asked, Answer>::new(Arc::new(cluster.network.clone()), Link::Client, 1);
    let mut told = Vec::new();
    for id in cluster.nodes.keys() {
        let ask = Asked { session: Some(session.clone()), request: Request::Keys };
        loop {
            match links.ask(&cluster.members[id].client, &ask, PATIENCE).await.unwrap() {
                Ok(Reply::Keys { cluster, finder }) => break told.push(Keys { cluster, finder }),
                // It has not heard of the session yet.
                Err(ServiceError::Behind) => tokio::time::sleep(Duration::from_millis(10)).await,
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
async fn keys_are_told_by_whoever_is_left() {
    let mut cluster = Cluster::start(3, RaftConfig::default()).await;
    let client: Client = cluster.client();
    let ben = join(&client, "ben").await;
    let before = told_by_each(&cluster, ben.session().unwrap()).await[0].clone();
    cluster.stop_node(1).await;
    cluster.stop_node(2).await;
    // No majority is left: nothing can be changed, and the keys can be told.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(told_by_each(&cluster, ben.session().unwrap()).await, [before]);
}
