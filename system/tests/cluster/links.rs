//! Certificates of nodes, while a cluster goes on.

use std::time::Duration;

use super::{
    harness::{PATIENCE, name, register, soon},
    secured::{authority, client, issue, operator, three},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_renewed_under_a_cluster_that_goes_on() {
    let authority = authority();
    let mut nodes = three(&authority).await;
    let before = client(&authority, &nodes);
    register(&before, "anna", soon()).await.unwrap();

    let shown: Vec<_> = nodes.iter().map(|secured| secured.tls.shown()).collect();
    for (id, secured) in [3, 2, 1].into_iter().zip(&nodes) {
        issue(&authority, id, &secured.files);
        secured.told.notify_one();
    }
    for (secured, old) in nodes.iter().zip(&shown) {
        while secured.tls.shown() == *old {
            tokio::time::sleep(Duration::from_millis(10)).await;
            secured.told.notify_one();
        }
    }
    // Old connections go on, and new ones are made.
    register(&before, "ben", soon()).await.unwrap();
    let after = client(&authority, &nodes);
    register(&after, "cora", soon()).await.unwrap();

    // A leader that ends is followed by another one, over connections that are opened now.
    let leader = after.leadership().borrow().leader.clone().unwrap().id;
    let at = nodes.iter().position(|secured| secured.node.member().id == leader).unwrap();
    nodes.remove(at).node.stop().await;
    register(&after, "dora", soon()).await.unwrap();
    let held = operator(&authority, &nodes).users_of(&nodes[0].node.member().client, PATIENCE).await.unwrap();
    assert!(held.contains(&name("anna")) && held.contains(&name("ben")), "{held:?}");

    // Who is no operator is told nothing about everybody.
    let refused = after.users_of(&nodes[0].node.member().client, PATIENCE).await.unwrap_err();
    assert_eq!(refused.to_string(), "this is for operators of the cluster");

    // Whoever trusts another authority does not speak to these nodes at all.
    let stranger = client(&super::secured::authority(), &nodes);
    let refused = stranger.status(&nodes[0].node.member().client, PATIENCE).await.unwrap_err().to_string();
    assert!(refused.contains("not of this cluster's authority"), "{refused}");
}
