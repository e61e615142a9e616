//! Logging in and out, and what nobody gets in with.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::time::Instant;
use veil::{
    client::{Client, ClientError, Credential, NewSession},
    directory::{EndSession, EndSessions, Refusal, Renew, SetGrant},
    identity::{KeyPair, Password, Purpose, SessionToken},
    node::RaftConfig,
    wire::{
        client::{Answer, Asked, Change, Proof, Reply, Request, ServiceError},
        frame::Link,
        links::Links,
    },
};

use super::{
    harness::{Cluster, PATIENCE, join, key, leader, log_in, name, soon},
    photo,
};

fn password(text: &str) -> Credential {
    Credential::Password(Password::try_from(text.to_owned()).unwrap())
}

fn new_session(client: &Client, lifetime_ms: u64) -> NewSession {
    NewSession { token: client.draw_token(), device: "test".to_owned(), lifetime_ms }
}

/// Logs in, and gives back the client that asks in the session.
async fn try_log_in(client: &Client, user: &str, credential: &Credential) -> Result<Client, ClientError> {
    let session = new_session(client, 3_600_000);
    client.log_in(client.request_id(), name(user), credential, &session, soon()).await?;
    Ok(client.in_session(session.token))
}

async fn register_with_password(client: &Client, user: &str, text: &str) {
    let password = Password::try_from(text.to_owned()).unwrap();
    let key = key(user).public();
    client.register(client.request_id(), name(user), key, Some(password), soon()).await.unwrap();
}

/// What one node, asked by itself as a stranger, answers.
async fn ask(cluster: &Cluster, id: u64, request: Request) -> Answer {
    let links = Links::<Asked, Answer>::new(Arc::new(cluster.network.clone()), Link::Client, 1);
    let address = &cluster.members[&id].client;
    let answer = links.ask(address, &Asked::stranger(request), PATIENCE).await;
    answer.unwrap_or_else(|error| Err(ServiceError::Unsettled(error.to_string())))
}

const NO_SESSION: ClientError = ClientError::Refused(Refusal::NoSession);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_log_in_by_password_or_key_and_nobody_else_does() {
    let cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    register_with_password(&client, "anna", "correct horse").await;
    join(&client, "ben").await;

    let by_password = try_log_in(&client, "anna", &password("correct horse")).await.unwrap();
    let by_key = try_log_in(&client, "anna", &Credential::Key(key("anna"))).await.unwrap();
    for anna in [&by_password, &by_key] {
        assert_eq!(anna.sessions(name("anna"), soon()).await.unwrap().len(), 2);
    }
    for (user, credential) in [
        ("anna", password("correct Horse")),
        ("anna", Credential::Key(key("ben"))),
        // Ben has no password, and nobody knows Zoe: neither is told.
        ("ben", password("correct horse")),
        ("zoe", password("correct horse")),
        ("zoe", Credential::Key(key("zoe"))),
    ] {
        let refused = try_log_in(&client, user, &credential).await.err();
        assert_eq!(refused, Some(ClientError::NotProven), "{user} {credential:?}");
    }
    // A token that was never given out is nobody's.
    let forged = client.in_session(SessionToken::from_bytes([7; 32]));
    assert_eq!(forged.list(name("anna"), None, soon()).await, Err(NO_SESSION));
    assert_eq!(client.list(name("anna"), None, soon()).await, Err(NO_SESSION));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retried_login_survives_the_leader() {
    let mut cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    register_with_password(&client, "anna", "correct horse").await;
    let (request, session) = (client.request_id(), new_session(&client, 3_600_000));
    let credential = Credential::Key(key("anna"));
    let log_in = || client.log_in(request, name("anna"), &credential, &session, soon());
    // Each proof is signed anew; the answer is the first.
    assert_eq!(log_in().await.unwrap(), log_in().await.unwrap());
    let anna = client.in_session(session.token.clone());
    anna.list(name("anna"), None, soon()).await.unwrap();
    let leader = client.leadership().borrow().leader.clone().unwrap().id;
    cluster.stop_node(leader).await;
    log_in().await.unwrap();
    assert!(anna.list(name("anna"), None, soon()).await.unwrap().lines.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_that_was_overheard_is_of_no_use_and_a_session_that_has_ended_stays_so() {
    let mut cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    let anna = join(&client, "anna").await;
    let Ok(Reply::Challenge(challenge)) = ask(&cluster, leader(&client).await, Request::Challenge).await
    else {
        panic!("no challenge")
    };
    let (request, session) = (client.request_id(), new_session(&client, 3_600_000));
    let id = session.token.id();
    let signature = challenge.answer(&key("anna"), &name("anna"), Purpose::LogIn(id), request);
    let overheard = Change::LogIn {
        user: name("anna"),
        session: id,
        device: session.device.clone(),
        lifetime_ms: session.lifetime_ms,
        proof: Proof::Signature { challenge, signature },
    };
    let say = async |cluster: &Cluster, request| {
        let execute = Request::Execute { request, change: overheard.clone() };
        loop {
            match ask(cluster, leader(&client).await, execute.clone()).await {
                Err(ServiceError::NotLeader(_) | ServiceError::Unsettled(_)) => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                answer => break answer,
            }
        }
    };
    let first = say(&cluster, request).await;
    assert!(matches!(first, Ok(Reply::LoggedIn { .. })), "{first:?}");
    let begun = client.in_session(session.token.clone());
    begun.list(name("anna"), None, soon()).await.unwrap();
    // In another request it proves nothing, as long as the session lives and afterwards.
    assert_eq!(say(&cluster, client.request_id()).await, Err(ServiceError::NotProven));
    anna.end_session(anna.request_id(), EndSession { user: name("anna"), session: id }, soon())
        .await
        .unwrap();
    assert_eq!(say(&cluster, client.request_id()).await, Err(ServiceError::NotProven));
    // The same request gets its first answer, and begins nothing anew. Nor does another leader know better.
    for _ in 0..2 {
        assert_eq!(say(&cluster, request).await, first);
        assert_eq!(say(&cluster, client.request_id()).await, Err(ServiceError::NotProven));
        assert_eq!(begun.list(name("anna"), None, soon()).await, Err(NO_SESSION));
        let renew = Renew { user: name("anna"), session: id, lifetime_ms: 3_600_000 };
        assert_eq!(begun.renew(begun.request_id(), renew.clone(), soon()).await, Err(NO_SESSION));
        let elsewhere = anna.renew(anna.request_id(), renew, soon()).await;
        assert_eq!(elsewhere, Err(ClientError::Refused(Refusal::UnknownSession)));
        if cluster.nodes.len() == 3 {
            let led = leader(&client).await;
            cluster.stop_node(led).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_has_ended_or_expired_opens_nothing() {
    let cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    let anna = join(&client, "anna").await;
    let other = log_in(&client, "anna").await;
    let id = other.session().unwrap().id();
    anna.end_session(anna.request_id(), EndSession { user: name("anna"), session: id }, soon())
        .await
        .unwrap();
    assert_eq!(other.list(name("anna"), None, soon()).await, Err(NO_SESSION));
    let seal = other.seal(other.request_id(), name("anna"), BTreeMap::new(), photo(), soon()).await;
    assert_eq!(seal.err(), Some(NO_SESSION));

    let brief = new_session(&client, 300);
    let credential = Credential::Key(key("anna"));
    client.log_in(client.request_id(), name("anna"), &credential, &brief, soon()).await.unwrap();
    let brief = client.in_session(brief.token);
    let deadline = soon();
    while brief.list(name("anna"), None, soon()).await != Err(NO_SESSION) {
        assert!(Instant::now() < deadline, "the session does not expire");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    let third = log_in(&client, "anna").await;
    let all = EndSessions { user: name("anna"), keep: third.session().map(SessionToken::id) };
    assert!(third.end_sessions(third.request_id(), all, soon()).await.unwrap() >= 1);
    assert_eq!(anna.list(name("anna"), None, soon()).await, Err(NO_SESSION));
    third.list(name("anna"), None, soon()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn password_and_key_are_changed_with_the_old_one_and_other_sessions_end() {
    let cluster = Cluster::start(1, RaftConfig::default()).await;
    let client = cluster.client();
    register_with_password(&client, "anna", "correct horse").await;
    let (anna, other) = (log_in(&client, "anna").await, log_in(&client, "anna").await);
    let new = Password::try_from("battery staple".to_owned()).unwrap();
    let wrong = password("wrong horse");
    let set = |request, credential: Credential| {
        let (anna, new) = (anna.clone(), new.clone());
        async move { anna.set_password(request, name("anna"), new, &credential, soon()).await }
    };
    assert_eq!(set(anna.request_id(), wrong).await, Err(ClientError::NotProven));
    let request = anna.request_id();
    assert_eq!(set(request, password("correct horse")).await, Ok(1));
    // Asked again, it gets its first answer, although the old password is no longer right.
    assert_eq!(set(request, password("correct horse")).await, Ok(1));
    assert_eq!(other.list(name("anna"), None, soon()).await, Err(NO_SESSION));
    anna.list(name("anna"), None, soon()).await.unwrap();
    let old = try_log_in(&client, "anna", &password("correct horse")).await.err();
    assert_eq!(old, Some(ClientError::NotProven));
    try_log_in(&client, "anna", &password("battery staple")).await.unwrap();

    let newer = KeyPair::from_seed([9; 32]);
    let by_old = Credential::Key(key("anna"));
    let set = anna.set_key(anna.request_id(), name("anna"), newer.public(), &by_old, soon()).await;
    assert_eq!(set, Ok(1));
    assert_eq!(try_log_in(&client, "anna", &by_old).await.err(), Some(ClientError::NotProven));
    try_log_in(&client, "anna", &Credential::Key(newer)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_guesses_is_stopped_and_the_user_is_not_locked_out() {
    let cluster = Cluster::start(1, RaftConfig::default()).await;
    let client = cluster.client();
    register_with_password(&client, "anna", "correct horse").await;
    let deadline = soon();
    loop {
        match try_log_in(&client, "anna", &password("a wrong guess")).await.err() {
            Some(ClientError::NotProven) => assert!(Instant::now() < deadline, "nobody is stopped"),
            Some(ClientError::TooManyAttempts(said)) => {
                assert!(said.starts_with("too many attempts: try again in "), "{said}");
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    // The right password does not help who guesses; the key does.
    let refused = try_log_in(&client, "anna", &password("correct horse")).await.err();
    assert!(matches!(refused, Some(ClientError::TooManyAttempts(_))), "{refused:?}");
    try_log_in(&client, "anna", &Credential::Key(key("anna"))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_belongs_to_somebody_else_is_out_of_reach() {
    let cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    let (anna, ben, carl) =
        (join(&client, "anna").await, join(&client, "ben").await, join(&client, "carl").await);
    let request = anna.request_id();
    let grants = BTreeMap::from([(name("ben"), 2)]);
    let sealed = anna.seal(request, name("anna"), grants, photo(), soon()).await.unwrap();
    let image = sealed.image;
    let refused = |refusal| Err(ClientError::Refused(refusal));
    let not_you = |user: &str, you: &str| Refusal::NotYou { user: name(user), you: name(you) };

    // Ben's views, the images of others, and grants.
    let stolen = carl.open_view(carl.request_id(), name("ben"), image, soon()).await;
    assert_eq!(stolen.map(drop), refused(not_you("ben", "carl")));
    let none = Refusal::NoGrant { image, viewer: name("carl") };
    let opened = carl.open_view(carl.request_id(), name("carl"), image, soon()).await;
    assert_eq!(opened.map(drop), refused(none.clone()));
    assert_eq!(carl.block(image, soon()).await.map(drop), refused(none));
    assert_eq!(carl.list(name("anna"), None, soon()).await.map(drop), refused(not_you("anna", "carl")));
    for (owner, expected) in
        [("anna", not_you("anna", "carl")), ("carl", Refusal::NotOwner { image, user: name("carl") })]
    {
        let grant = SetGrant { owner: name(owner), image, viewer: name("carl"), views: 9 };
        let granted = carl.set_grant(carl.request_id(), grant, soon()).await;
        assert_eq!(granted.map(drop), refused(expected));
    }

    // Somebody else's sessions cannot be listed or ended.
    let listed = carl.sessions(name("anna"), soon()).await;
    assert_eq!(listed.map(drop), refused(not_you("anna", "carl")));
    let session = anna.session().unwrap().id();
    let end = EndSession { user: name("carl"), session };
    let ended = carl.end_session(carl.request_id(), end, soon()).await;
    assert_eq!(ended, refused(Refusal::UnknownSession));

    // A view of Ben's, asked again by Carl under the same request id, releases nothing.
    let view = ben.request_id();
    ben.open_view(view, name("ben"), image, soon()).await.unwrap();
    let replayed = carl.open_view(view, name("ben"), image, soon()).await;
    assert_eq!(replayed.map(drop), refused(Refusal::RequestReused { request: view }));
    let again = ben.open_view(view, name("ben"), image, soon()).await.unwrap();
    assert_eq!(again.views_left, Some(1), "the retry of who asked first gets the first answer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_given_once_however_it_is_spelt() {
    let cluster = Cluster::start(1, RaftConfig::default()).await;
    let client = cluster.client();
    join(&client, "anna").await;
    let other = KeyPair::from_seed([9; 32]).public();
    let taken = client.register(client.request_id(), name("anna"), other, None, soon()).await;
    assert_eq!(taken, Err(ClientError::Refused(Refusal::NameTaken { user: name("anna") })));
    // Another case, look-alikes out of other scripts, combining and invisible characters are no names at all, neither
    // here nor in a frame: the type that is decoded is the type that is checked.
    for spelt in
        ["Anna", "ANNA", "\u{0430}nna", "ann\u{0430}", "anna\u{0301}", "an\u{200b}na", " anna", "anna "]
    {
        let refused = spelt.parse::<veil::directory::UserName>().unwrap_err().to_string();
        assert!(refused.contains("expected 1 to 64 characters out of a-z 0-9 . _ -"), "{refused}");
        let frame = veil::wire::codec::encode(&spelt.to_owned()).unwrap();
        assert!(veil::wire::codec::decode::<veil::directory::UserName>(&frame).is_err(), "{spelt}");
    }
}
