//! Groups, requests and inboxes, over nodes that come and go.

use std::collections::BTreeMap;

use veil::{
    client::ClientError,
    directory::{
        Acknowledge, AnswerJoin, AnswerRequest, AskForViews, AskToJoin, CreateGroup, GroupName, Notice,
        Refusal, RemoveMember, Role, SetGrant, SetGroupGrant, SetRole, Withdraw,
    },
    node::RaftConfig,
    seal::SealedFile,
};

use super::{
    harness::{Cluster, join, leader, log_in, name, soon},
    photo,
};

fn group() -> GroupName {
    "hikers".parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_and_answered_waits_for_who_is_away_and_is_told_once_in_order() {
    let mut cluster = Cluster::start(3, RaftConfig { snapshot_every: 16, ..RaftConfig::default() }).await;
    let client = cluster.client();
    let (anna, ben) = (join(&client, "anna").await, join(&client, "ben").await);
    let seal = || anna.seal(anna.request_id(), name("anna"), BTreeMap::new(), photo(), soon());
    let (first, second) = (seal().await.unwrap(), seal().await.unwrap());
    // Anna is away while Ben asks, and the leader changes.
    for (sealed, views) in [(&first, 2), (&second, 9)] {
        let (user, image, note) = (name("ben"), sealed.image, "please".to_owned());
        let ask = AskForViews { user, image, views, note };
        ben.ask_for_views(ben.request_id(), ask, soon()).await.unwrap();
    }
    let led = leader(&client).await;
    cluster.stop_node(led).await;
    cluster.start_node(led).await;

    let anna = log_in(&client, "anna").await;
    let inbox = anna.inbox(name("anna"), None, soon()).await.unwrap();
    let asked =
        |image, views| Notice::Requested { image, user: name("ben"), views, note: "please".to_owned() };
    let told: Vec<_> = inbox.notices.iter().map(|(_, posted)| posted.notice.clone()).collect();
    assert_eq!(told, [asked(first.image, 2), asked(second.image, 9)]);
    // Ben is away while Anna gives fewer views of the one than he asked for, and none of the other.
    for (sealed, views) in [(&first, Some(1)), (&second, None)] {
        let answer = AnswerRequest { owner: name("anna"), image: sealed.image, user: name("ben"), views };
        anna.answer_request(anna.request_id(), answer, soon()).await.unwrap();
    }
    let upto = inbox.notices.last().unwrap().0;
    let read = Acknowledge { user: name("anna"), upto };
    anna.acknowledge(anna.request_id(), read, soon()).await.unwrap();
    assert!(anna.inbox(name("anna"), None, soon()).await.unwrap().notices.is_empty());

    let ben = log_in(&client, "ben").await;
    let inbox = ben.inbox(name("ben"), None, soon()).await.unwrap();
    let told: Vec<_> = inbox.notices.iter().map(|(_, posted)| posted.notice.clone()).collect();
    let owner = || name("anna");
    let granted = Notice::Granted { image: first.image, owner: owner(), views_left: 1 };
    let refused = Notice::Refused { image: second.image, owner: owner() };
    assert_eq!(told, [granted, refused]);
    // Only his: Anna's inbox is Anna's.
    let not_you = Refusal::NotYou { user: name("anna"), you: name("ben") };
    let pried = ben.inbox(name("anna"), None, soon()).await;
    assert_eq!(pried.map(drop), Err(ClientError::Refused(not_you)));

    let request = ben.request_id();
    let view = async |request| ben.open_view(request, name("ben"), first.image, soon()).await;
    let opened = view(request).await.unwrap();
    assert_eq!(SealedFile::read(&first.png).unwrap().open(&opened.key).unwrap(), photo());
    let views = anna.views(name("anna"), first.image, None, soon()).await.unwrap();
    assert_eq!(views.iter().map(|(_, view)| view.viewer.as_str()).collect::<Vec<_>>(), ["ben"]);
    // A view that was taken is his, whatever is taken back; asked again, it is the same view.
    let revoke = SetGrant { owner: name("anna"), image: first.image, viewer: name("ben"), views: 0 };
    anna.set_grant(anna.request_id(), revoke, soon()).await.unwrap();
    assert_eq!(view(request).await, Ok(opened));
    // Of what is withdrawn nobody is given the key any more, not even whoever was given it before.
    let withdraw = Withdraw { owner: name("anna"), image: first.image };
    anna.withdraw(anna.request_id(), withdraw, soon()).await.unwrap();
    let gone = view(ben.request_id()).await;
    assert_eq!(gone.map(drop), Err(ClientError::Refused(Refusal::UnknownImage { image: first.image })));
    // A view was taken, and he is not told that none was.
    let told = view(request).await;
    assert!(
        matches!(&told, Err(ClientError::Unsettled { last, .. }) if last.contains("was answered before")),
        "{told:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_shares_its_views_and_nobody_else_gets_in() {
    let cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    let (anna, ben, carl) =
        (join(&client, "anna").await, join(&client, "ben").await, join(&client, "carl").await);
    let create = CreateGroup { user: name("anna"), group: group() };
    anna.create_group(anna.request_id(), create, soon()).await.unwrap();
    let sealed = anna.seal(anna.request_id(), name("anna"), BTreeMap::new(), photo(), soon()).await.unwrap();
    let grant = SetGroupGrant { owner: name("anna"), image: sealed.image, group: group(), views: 2 };
    anna.set_group_grant(anna.request_id(), grant, soon()).await.unwrap();

    // To take back what was never given takes no place among the group's images.
    let other = anna.seal(anna.request_id(), name("anna"), BTreeMap::new(), photo(), soon()).await.unwrap();
    let none = SetGroupGrant { owner: name("anna"), image: other.image, group: group(), views: 0 };
    anna.set_group_grant(anna.request_id(), none, soon()).await.unwrap();
    let shared = anna.group_images(name("anna"), group(), None, soon()).await.unwrap();
    assert_eq!(shared.iter().map(|line| line.image).collect::<Vec<_>>(), [sealed.image]);

    // Who asks is not in, and lets nobody in: neither themselves nor anybody else.
    for (asks, user) in [(&ben, "ben"), (&carl, "carl")] {
        let ask = AskToJoin { user: name(user), group: group() };
        asks.ask_to_join(asks.request_id(), ask, soon()).await.unwrap();
    }
    let none = |who: &str| Refusal::NoGrant { image: sealed.image, viewer: name(who) };
    let open = async |client: &veil::client::Client, who: &str| {
        client.open_view(client.request_id(), name(who), sealed.image, soon()).await
    };
    assert_eq!(open(&carl, "carl").await.map(drop), Err(ClientError::Refused(none("carl"))));
    for admin in ["carl", "anna"] {
        let answer = AnswerJoin { admin: name(admin), group: group(), user: name("carl"), accept: true };
        let refused = carl.answer_join(carl.request_id(), answer, soon()).await.unwrap_err();
        assert!(matches!(refused, ClientError::Refused(_)), "{refused}");
    }
    let members = carl.group_members(name("carl"), group(), None, soon()).await.unwrap_err();
    assert!(matches!(members, ClientError::Refused(_)), "{members}");
    let remove = RemoveMember { admin: name("carl"), group: group(), member: name("anna") };
    assert!(carl.remove_from_group(carl.request_id(), remove, soon()).await.is_err());
    let promote = SetRole { admin: name("carl"), group: group(), member: name("carl"), role: Role::Admin };
    assert!(carl.set_role(carl.request_id(), promote, soon()).await.is_err());

    // Ben is let in; the two views are for all members together.
    let accept = AnswerJoin { admin: name("anna"), group: group(), user: name("ben"), accept: true };
    anna.answer_join(anna.request_id(), accept, soon()).await.unwrap();
    assert_eq!(open(&ben, "ben").await.unwrap().views_left, Some(1));
    assert_eq!(open(&ben, "ben").await.unwrap().views_left, Some(0));
    let used_up = Refusal::QuotaUsedUp { image: sealed.image, viewer: name("ben") };
    assert_eq!(open(&ben, "ben").await.map(drop), Err(ClientError::Refused(used_up)));
}
