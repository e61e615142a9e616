//! What a cluster says of its keys.

use std::{sync::Arc, time::Duration};

use veil::{
    client::{Client, Keys},
    node::RaftConfig,
    wire::{
        client::{Answer, Reply, Request},
        frame::Link,
        links::Links,
    },
};

use super::harness::{Cluster, PATIENCE, name, register_many, soon};

/// What each node, asked by itself, says of the cluster's key and of Ben's.
async fn told_by_each(cluster: &Cluster) -> Vec<Keys> {
    let links = Links::<Request, Answer>::new(Arc::new(cluster.network.clone()), Link::Client, 1);
    let mut told = Vec::new();
    for id in cluster.nodes.keys() {
        let ask = Request::Keys { user: name("ben") };
        match links.ask(&cluster.members[id].client, &ask, PATIENCE).await.unwrap() {
            Ok(Reply::Keys { cluster, finder }) => told.push(Keys { cluster, finder }),
            other => panic!("node {id}: {other:?}"),
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_tells_the_same_keys_and_another_cluster_others() {
    let cluster = Cluster::start(3, RaftConfig::default()).await;
    // Ben need not be registered, nor anybody lead.
    let told = told_by_each(&cluster).await;
    let (public, finder) = (cluster.keys.public(), cluster.keys.finder(&name("ben")));
    assert_eq!(told, vec![Keys { cluster: public, finder }; 3]);
    let client = cluster.client();
    assert_eq!(client.keys(name("ben"), soon()).await.unwrap(), told[0]);
    let anna = client.keys(name("anna"), soon()).await.unwrap();
    assert_eq!(anna.cluster, public);
    assert_ne!(anna.finder, told[0].finder);

    let other = Cluster::start(1, RaftConfig::default()).await;
    let elsewhere = told_by_each(&other).await;
    assert_ne!(elsewhere[0].cluster, told[0].cluster);
    assert_ne!(elsewhere[0].finder, told[0].finder);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_told_by_whoever_is_left_and_by_who_comes_back() {
    let mut cluster = Cluster::start(3, RaftConfig::default()).await;
    let client: Client = cluster.client();
    register_many(&cluster, &client, 0..1).await;
    let before = client.keys(name("ben"), soon()).await.unwrap();
    cluster.stop_node(1).await;
    cluster.stop_node(2).await;
    // No majority is left: nothing can be changed, and the keys can be told.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(client.keys(name("ben"), soon()).await.unwrap(), before);
    cluster.start_empty(1).await;
    assert_eq!(told_by_each(&cluster).await, [before.clone(), before]);
}
