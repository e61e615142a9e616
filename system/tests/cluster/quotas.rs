//! What a cluster may hold, over nodes that come and go.

use std::collections::BTreeMap;

use veil::{
    alarm::Alarm,
    client::ClientError,
    directory::{Block, Quota, Quotas, Refusal, SetGrant},
    node::RaftConfig,
};

use super::{
    harness::{Cluster, PATIENCE, join, leader, log_in, name, register, soon},
    photo,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_has_the_quotas_it_was_founded_with_until_an_operator_sets_others() {
    let founded = Quotas { images_per_user: 1, ..Quotas::default() };
    let raft = RaftConfig { snapshot_every: 16, ..RaftConfig::default() };
    let mut cluster = Cluster::start_with(3, raft, Some(founded)).await;
    let client = cluster.client();
    let anna = join(&client, "anna").await;
    // The founder sets them as soon as somebody leads.
    while client.limits(soon()).await.unwrap().quotas != founded {
        tokio::task::yield_now().await;
    }
    let seal = async |anna: &veil::client::Client| {
        anna.seal(anna.request_id(), name("anna"), BTreeMap::new(), photo(), soon()).await.map(drop)
    };
    seal(&anna).await.unwrap();
    let refused = seal(&anna).await.unwrap_err();
    let ClientError::Refused(Refusal::QuotaReached { quota, value, limit, .. }) = &refused else {
        panic!("{refused}")
    };
    assert_eq!((*quota, *value, *limit), (Quota::ImagesPerUser, 2, 1));
    let raised = vec![(Quota::ImagesPerUser, 2)];
    let only = Err(ClientError::Refused(Refusal::OperatorsOnly));
    assert_eq!(anna.set_quotas(anna.request_id(), raised.clone(), soon()).await, only);
    client.set_quotas(client.request_id(), raised, soon()).await.unwrap();
    seal(&anna).await.unwrap();
    assert!(seal(&anna).await.is_err());

    // Another leader, and the founder started anew, change nothing.
    for id in [leader(&client).await, 1] {
        cluster.stop_node(id).await;
        cluster.start_node(id).await;
    }
    let anna = log_in(&client, "anna").await;
    let (usage, quotas) = anna.usage(name("anna"), soon()).await.unwrap();
    assert_eq!((usage.images, quotas.images_per_user), (2, 2));
    assert_eq!(client.limits(soon()).await.unwrap().images, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_that_is_nearly_reached_is_an_alarm_until_there_is_room_again() {
    let cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    let alarmed = async |id: u64, expected: bool| {
        let looking = async {
            loop {
                let status = client.status(&cluster.members[&id].client, PATIENCE).await.unwrap();
                let alarm = status.alarms.into_iter().find(|active| active.alarm == Alarm::Quota);
                match alarm.is_some() == expected {
                    true => break alarm.map(|active| active.reason),
                    false => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
                }
            }
        };
        let looked = tokio::time::timeout(PATIENCE, looking).await;
        looked.unwrap_or_else(|_| panic!("n{id}: the alarm is active, or not: expected {expected}"))
    };
    let set = async |users| {
        client.set_quotas(client.request_id(), vec![(Quota::Users, users)], soon()).await.unwrap();
    };
    set(10).await;
    for number in 0..9 {
        register(&client, &format!("user-{number}"), soon()).await.unwrap();
    }
    for id in 1..=3 {
        let said = alarmed(id, true).await.unwrap();
        assert!(
            said.starts_with("the number of users of the cluster is 9 of 10 (90 % of the quota users): ")
        );
        assert!(said.contains("`veil cluster limits --set users=LIMIT`"), "{said}");
    }
    set(100).await;
    for id in 1..=3 {
        alarmed(id, false).await;
    }
    // Nine users take 262 bytes each.
    client.set_quotas(client.request_id(), vec![(Quota::Bytes, 2_600)], soon()).await.unwrap();
    for id in 1..=3 {
        let said = alarmed(id, true).await.unwrap();
        assert!(said.starts_with("the size of all records of the cluster is "), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_blocked_is_told_and_not_shown() {
    let cluster = Cluster::start(1, RaftConfig::default()).await;
    let client = cluster.client();
    let (anna, zoe) = (join(&client, "anna").await, join(&client, "zoe").await);
    let sealed = zoe.seal(zoe.request_id(), name("zoe"), BTreeMap::new(), photo(), soon()).await.unwrap();
    let grant = |views| SetGrant { owner: name("zoe"), image: sealed.image, viewer: name("anna"), views };
    zoe.set_grant(zoe.request_id(), grant(1), soon()).await.unwrap();
    assert_eq!(anna.list(name("anna"), None, soon()).await.unwrap().lines.len(), 1);
    let block = Block { user: name("anna"), blocked: name("zoe") };
    anna.block_user(anna.request_id(), block, soon()).await.unwrap();
    assert_eq!(anna.blocked(name("anna"), soon()).await.unwrap(), [name("zoe")]);
    assert_eq!(anna.list(name("anna"), None, soon()).await.unwrap().lines, []);
    assert!(anna.inbox(name("anna"), None, soon()).await.unwrap().notices.is_empty());
    let other = zoe.seal(zoe.request_id(), name("zoe"), BTreeMap::new(), photo(), soon()).await.unwrap();
    let refused = zoe.set_grant(zoe.request_id(), SetGrant { image: other.image, ..grant(1) }, soon()).await;
    assert_eq!(refused.map(drop), Err(ClientError::Refused(Refusal::Blocked { user: name("anna") })));
}
