//! Clocks that are wrong: nobody but the node itself notices.

use std::time::Duration;

use veil::{
    alarm::Alarm,
    client::{Client, ClientError},
    directory::{Query, Refusal, RequestId},
    node::{RaftConfig, system_clock},
    wire::{
        client::{Answer, Asked, Consistency, Request, ServiceError, TransferError},
        connection::Connection,
        frame::Link,
    },
};

use super::{
    harness::{Cluster, PATIENCE, Writer, join, key, leader, name, register, soon},
    photo,
};

const YEAR_MS: i64 = 365 * 24 * 3_600_000;

/// Waits until a node shows an alarm, and says its sentence; or, with `None`, until it shows none.
async fn alarmed(client: &Client, cluster: &Cluster, id: u64, alarm: Option<Alarm>) -> String {
    loop {
        let status = client.status(&cluster.members[&id].client, PATIENCE).await.unwrap();
        match (alarm, status.alarms.iter().find(|active| Some(active.alarm) == alarm)) {
            (None, _) if status.alarms.is_empty() => return String::new(),
            (Some(_), Some(active)) => return active.reason.clone(),
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Waits until another node than `id` leads.
async fn leader_but(client: &Client, id: u64) -> u64 {
    let mut leadership = client.leadership();
    let known = leadership.wait_for(|now| now.leader.as_ref().is_some_and(|leader| leader.id != id)).await;
    known.unwrap().leader.as_ref().unwrap().id
}

/// An id that a client draws whose clock is so far ahead.
fn request_at(client: &Client, ahead_ms: i64) -> RequestId {
    RequestId::new(system_clock()().saturating_add_signed(ahead_ms), client.request_id().0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_clock_goes_wrong_hands_over_and_nobody_notices() {
    for ahead_ms in [YEAR_MS, -YEAR_MS] {
        let mut cluster = Cluster::start(3, RaftConfig::default()).await;
        let client = cluster.client();
        let anna = join(&client, "anna").await;
        let writer = Writer::start(&client);
        let reading = tokio::spawn({
            let anna = anna.clone();
            async move {
                loop {
                    anna.list(name("anna"), None, soon()).await.unwrap();
                }
            }
        });
        let wrong = leader(&client).await;
        cluster.set_clock(wrong, ahead_ms);
        let next = leader_but(&client, wrong).await;
        let said = alarmed(&client, &cluster, wrong, Some(Alarm::Clock)).await;
        let direction = if ahead_ms > 0 { "ahead of" } else { "behind" };
        let expected = format!("this node's clock is 365 days {direction} the clocks of nodes ");
        assert!(said.starts_with(&expected) || said.contains(&format!("364 days {direction}")), "{said}");
        // The others are as they were, and so is the directory: its clock was not taken along.
        for id in (1..=3).filter(|id| *id != wrong) {
            alarmed(&client, &cluster, id, None).await;
        }
        // It is not made the leader by anybody.
        let refused = client.transfer_leadership(Some(wrong), soon()).await;
        let Err(ClientError::Transfer(TransferError::WrongClock { id, .. })) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(id, wrong);
        // Nor by itself: of the two that are left, the other one is elected.
        let third = 6 - wrong - next;
        cluster.stop_node(next).await;
        assert_eq!(leader_but(&client, next).await, third);
        register(&client, "without-two", soon()).await.unwrap();
        cluster.start_node(next).await;
        // Whom it is asked for there: the session lives.
        let seal = anna.seal(client.request_id(), name("anna"), [].into(), photo(), soon()).await.unwrap();
        assert_eq!(anna.list(name("anna"), None, soon()).await.unwrap().lines[0].image, seal.image);

        cluster.set_clock(wrong, 0);
        alarmed(&client, &cluster, wrong, None).await;
        // Whoever leads hears of it a little later than the node itself.
        loop {
            match client.transfer_leadership(Some(wrong), soon()).await {
                Err(ClientError::Transfer(TransferError::WrongClock { .. })) => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                moved => break drop(moved.unwrap()),
            }
        }
        register(&client, "again-there", soon()).await.unwrap();
        assert!(!reading.is_finished(), "a read failed");
        reading.abort();
        writer.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_whose_clock_is_wrong_ends_no_session_and_does_not_become_the_leader() {
    let mut cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    let anna = join(&client, "anna").await;
    let leads = leader(&client).await;
    let (wrong, right) = (leads % 3 + 1, (leads + 1) % 3 + 1);
    cluster.set_clock(wrong, YEAR_MS);
    // Asked itself, whoever leads, it answers, or says that it does not know.
    let address = &cluster.members[&wrong].client;
    let connection =
        Connection::<Asked, Answer>::open(&cluster.network, address, Link::Client, PATIENCE).await;
    let connection = connection.unwrap();
    for _ in 0..20 {
        for consistency in [Consistency::Linearizable, Consistency::Stale] {
            let query = Query::List { user: name("anna"), after: None };
            let session = anna.session().cloned();
            let asked = Asked { session, request: Request::Read { query, consistency } };
            let answer = connection.call(&asked).await.unwrap();
            assert!(matches!(answer, Ok(_) | Err(ServiceError::Behind)), "{consistency:?}: {answer:?}");
        }
    }
    // So is whoever asks by way of it.
    let there = Client::new(
        std::sync::Arc::new(cluster.network.clone()),
        vec![cluster.members[&wrong].client.clone()],
        1,
    );
    let there = there.unwrap().in_session(anna.session().unwrap().clone());
    for _ in 0..20 {
        there.list(name("anna"), None, soon()).await.unwrap();
        there.reading_stale().0.list(name("anna"), None, soon()).await.unwrap();
    }
    alarmed(&client, &cluster, wrong, Some(Alarm::Clock)).await;
    // Whoever proves to be a user by a challenge that it has drawn is let in.
    let token = there.draw_token();
    let session = veil::client::NewSession { token, device: "test".to_owned(), lifetime_ms: 3_600_000 };
    let credential = veil::client::Credential::Key(key("anna"));
    there.log_in(there.request_id(), name("anna"), &credential, &session, soon()).await.unwrap();
    cluster.stop_node(leads).await;
    assert_eq!(leader_but(&client, leads).await, right);
    register(&client, "ben", soon()).await.unwrap();
    anna.list(name("anna"), None, soon()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_whose_clock_is_wrong_is_told_so_at_once_and_nothing_is_logged() {
    let cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    register(&client, "anna", soon()).await.unwrap();
    let leads = leader(&client).await;
    let log = async || client.status(&cluster.members[&leads].client, PATIENCE).await.unwrap().last_log;
    let before = log().await;
    for ahead_ms in [YEAR_MS, -YEAR_MS] {
        let request = request_at(&client, ahead_ms);
        let refused = client.register(request, name("ben"), key("ben").public(), None, soon()).await;
        let Err(ClientError::Refused(Refusal::RequestOutOfTime { off_ms, .. })) = refused else {
            panic!("{refused:?}")
        };
        assert!(off_ms.abs_diff(YEAR_MS as u64) < 60_000, "{off_ms}");
    }
    assert_eq!(log().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_sets_a_directory_right_that_is_a_year_ahead() {
    let mut cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    let anna = join(&client, "anna").await;
    // All clocks go wrong at once, that of a client, too: nobody can tell.
    (1..=3).for_each(|id| cluster.set_clock(id, YEAR_MS));
    let ahead = request_at(&client, YEAR_MS);
    client.register(ahead, name("ben"), key("ben").public(), None, soon()).await.unwrap();
    (1..=3).for_each(|id| cluster.set_clock(id, 0));

    let leads = leader(&client).await;
    let said = alarmed(&client, &cluster, leads, Some(Alarm::DirectoryClock)).await;
    assert!(said.contains("days ahead of the nodes'") && said.contains("veil cluster set-clock"), "{said}");
    let carl = client.request_id();
    let refused = client.register(carl, name("carl"), key("carl").public(), None, soon()).await;
    assert!(matches!(refused, Err(ClientError::Refused(Refusal::RequestOutOfTime { .. }))), "{refused:?}");
    // Nobody but an operator may.
    let session = anna.set_clock(client.request_id(), soon()).await;
    assert!(matches!(session, Err(ClientError::Refused(_))), "{session:?}");

    let (was_ms, clock_ms) = client.set_clock(client.request_id(), soon()).await.unwrap();
    assert!((was_ms - clock_ms).abs_diff(YEAR_MS as u64) < 60_000, "{was_ms}, {clock_ms}");
    client.register(carl, name("carl"), key("carl").public(), None, soon()).await.unwrap();
    for id in 1..=3 {
        alarmed(&client, &cluster, id, None).await;
    }
    // It is so for whoever starts anew from log or snapshot, too.
    cluster.stop_node(leads).await;
    cluster.start_node(leads).await;
    register(&client, "dora", soon()).await.unwrap();
    let anna = super::harness::log_in(&client, "anna").await;
    anna.list(name("anna"), None, soon()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_that_disagree_neither_is_believed_and_both_say_so() {
    let mut cluster = Cluster::start(2, RaftConfig::default()).await;
    let client = cluster.client();
    register(&client, "anna", soon()).await.unwrap();
    let wrong = leader(&client).await;
    cluster.set_clock(wrong, YEAR_MS);
    for id in 1..=2 {
        let said = alarmed(&client, &cluster, id, Some(Alarm::Clock)).await;
        assert!(said.contains("no majority says which one is wrong"), "{said}");
    }
    // It takes no change of anybody whose clock is another one, and says why.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(1);
    let refused = register(&client, "ben", deadline).await;
    let Err(ClientError::TimedOut { last, .. }) = refused else { panic!("{refused:?}") };
    assert!(last.contains("no majority of the nodes says which one is right"), "{last}");
    // The other one does.
    client.transfer_leadership(Some(3 - wrong), soon()).await.unwrap();
    register(&client, "ben", soon()).await.unwrap();
}
