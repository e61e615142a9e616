//! Users who fill what is somebody else's: a list, an inbox, requests, places.

use std::{collections::BTreeMap, net::Ipv4Addr};

use futures_util::{StreamExt, future::join_all, stream};
use veil::{
    client::{Client, ClientError},
    directory::{
        AnswerJoin, AnswerRequest, Ask, AskForViews, AskToJoin, Block, CreateGroup, GroupName, Hex, ImageId,
        ImageRecord, MAX_ASKS, MAX_JOIN_REQUESTS, MAX_NOTICES_OF_ONE, MAX_RECORDS, Notice, Quota, Record,
        Refusal, Restore, SetGrant, SetGroupGrant, UserName, Withdraw,
    },
    identity::Role,
    seal::{ContentKey, Media},
    wire::client::PresenceError,
};

use super::super::victim::Victim;
use crate::{
    harness::{key, log_in, name, soon},
    photo,
};

/// So many requests of one attacker are under way at a time.
const AT_ONCE: usize = 256;
/// So many users may register from one address at once.
const OF_ONE_ADDRESS: usize = 60;

/// Images of somebody who has had the time to seal them. They are older than all others.
async fn images(victim: &Victim, owner: &str, count: u128) -> Vec<ImageId> {
    let images: Vec<_> = (1..=count).map(ImageId).collect();
    let content = ContentKey::from_bytes([7; 32]);
    let wrapped = |image: &ImageId| victim.keys.ring().wrap(1, *image, &content, [7; 12]).unwrap();
    let record = |image: &ImageId| {
        Record::Image(ImageRecord {
            image: *image,
            owner: name(owner),
            owner_key: Hex(key(owner).public().as_bytes().to_vec()),
            title: String::new(),
            description: String::new(),
            media: Media::Png,
            length: 1,
            digest: Hex(vec![0; 32]),
            wrapped_under: 1,
            wrapped_key: Hex(wrapped(image).to_bytes()),
            revision: 0,
            grants: Vec::new(),
            group_grants: Vec::new(),
            views: Vec::new(),
            requests: Vec::new(),
        })
    };
    let operator = victim.client(Some(Role::Operator));
    for portion in images.chunks(MAX_RECORDS) {
        let records = portion.iter().map(record).collect();
        operator.restore(operator.request_id(), Restore { records }, soon()).await.unwrap();
    }
    images
}

/// Does all of it, much at a time.
async fn flood<T>(requests: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    stream::iter(requests).buffer_unordered(AT_ONCE).collect().await
}

async fn seals(client: &Client, owner: &str, grants: &[(&str, u32)]) -> ImageId {
    let grants: BTreeMap<_, _> = grants.iter().map(|(viewer, views)| (name(viewer), *views)).collect();
    client.seal(client.request_id(), name(owner), grants, photo(), soon()).await.unwrap().image
}

async fn grants(client: &Client, owner: &str, image: ImageId, viewer: &str) -> Result<u32, ClientError> {
    let grant = SetGrant { owner: name(owner), image, viewer: name(viewer), views: 1 };
    client.set_grant(client.request_id(), grant, soon()).await
}

async fn asks(client: &Client, user: &str, image: ImageId) -> Result<(), ClientError> {
    let ask = AskForViews { user: name(user), image, views: 1, note: "please".to_owned() };
    client.ask_for_views(client.request_id(), ask, soon()).await
}

async fn asks_to_join(client: &Client, user: &str, group: &GroupName) -> Result<(), ClientError> {
    let ask = AskToJoin { user: name(user), group: group.clone() };
    client.ask_to_join(client.request_id(), ask, soon()).await
}

async fn accepts(client: &Client, admin: &str, group: &GroupName, user: &str) {
    let answer = AnswerJoin { admin: name(admin), group: group.clone(), user: name(user), accept: true };
    client.answer_join(client.request_id(), answer, soon()).await.unwrap();
}

async fn creates(client: &Client, user: &str, group: &GroupName) {
    let create = CreateGroup { user: name(user), group: group.clone() };
    client.create_group(client.request_id(), create, soon()).await.unwrap();
}

/// Seals something for a group.
async fn seals_for(client: &Client, owner: &str, group: &GroupName) -> ImageId {
    let image = seals(client, owner, &[]).await;
    let grant = SetGroupGrant { owner: name(owner), image, group: group.clone(), views: 1 };
    client.set_group_grant(client.request_id(), grant, soon()).await.unwrap();
    image
}

/// As many new users as one address may have at once.
async fn strangers(victim: &Victim, address: Ipv4Addr) -> Vec<(String, Client)> {
    let there = &victim.client_from(address);
    let [.., number] = address.octets();
    let users = (0..OF_ONE_ADDRESS).map(async |user| {
        let user = format!("u{number}-{user}");
        there.register(there.request_id(), name(&user), key(&user).public(), None, soon()).await.unwrap();
        (user.clone(), log_in(there, &user).await)
    });
    join_all(users).await
}

/// All requests that wait for an owner.
async fn requests(client: &Client, owner: &str) -> Vec<(ImageId, UserName, Ask)> {
    let mut all = Vec::new();
    loop {
        let after = all.last().map(|(image, user, _): &(ImageId, UserName, Ask)| (*image, user.clone()));
        let page = client.requests(name(owner), after, soon()).await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

/// All that is in an inbox, and how much is not.
async fn inbox(client: &Client, user: &str) -> (Vec<Notice>, u64) {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = client.inbox(name(user), after, soon()).await.unwrap();
        let Some((last, _)) = page.notices.last() else { return (all, page.dropped) };
        after = Some(*last);
        all.extend(page.notices.into_iter().map(|(_, posted)| posted.notice));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_grants_thousands_of_images_is_shown_last_and_held_to_what_strangers_may() {
    Victim::withstands("10,050 grants of a new user to one other", async |victim| {
        let (ben, _) = victim.user("ben").await;
        let (carl, _) = victim.user("carl").await;
        let (dora, _) = victim.user("dora").await;
        let (mallory, _) = victim.user("mallory").await;
        // Carl is a friend, of whom Ben has opened something; with Dora he is in a group.
        let mut honest = vec![seals(&carl, "carl", &[("ben", 2)]).await];
        ben.open_view(ben.request_id(), name("ben"), honest[0], soon()).await.unwrap();
        let choir: GroupName = "choir".parse().unwrap();
        creates(&dora, "dora", &choir).await;
        asks_to_join(&ben, "ben", &choir).await.unwrap();
        accepts(&dora, "dora", &choir, "ben").await;
        honest.push(seals_for(&dora, "dora", &choir).await);

        let images = images(victim, "mallory", 10_050).await;
        let granted = flood(images.iter().map(|image| grants(&mallory, "mallory", *image, "ben"))).await;
        honest.push(seals(&carl, "carl", &[("ben", 1)]).await);
        honest.push(seals_for(&dora, "dora", &choir).await);
        honest.sort();

        let (mut lines, mut after) = (Vec::new(), None);
        loop {
            let page = ben.list(name("ben"), after, soon()).await.unwrap();
            lines.extend(page.lines);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let first: Vec<_> = lines.iter().take(honest.len()).map(|line| line.image).collect();
        assert_eq!(first, honest, "friends and groups do not come first");
        assert!(lines[honest.len()..].iter().all(|line| line.owner == name("mallory")));
        assert_eq!(lines.len() - honest.len(), 1_000);
        assert_eq!(granted.iter().filter(|granted| granted.is_ok()).count(), 1_000);
        for refused in granted.into_iter().filter_map(Result::err) {
            let ClientError::Refused(Refusal::QuotaReached { quota, .. }) = &refused else {
                panic!("{refused}")
            };
            assert_eq!(*quota, Quota::ImagesToStranger);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_floods_an_inbox_takes_the_place_of_their_own_notices() {
    Victim::withstands("10,050 notices of a new user for one other", async |victim| {
        let (ben, _) = victim.user("ben").await;
        let (carl, _) = victim.user("carl").await;
        let (erin, _) = victim.user("erin").await;
        let (mallory, _) = victim.user("mallory").await;
        let opened = seals(&carl, "carl", &[("ben", 1)]).await;
        ben.open_view(ben.request_id(), name("ben"), opened, soon()).await.unwrap();
        let images = images(victim, "mallory", 10_050).await;

        // What is told before the flood and after it, by a friend and by somebody whom Ben does not know.
        let mut told = vec![(name("carl"), opened)];
        let tell = async |told: &mut Vec<(UserName, ImageId)>| {
            for (client, owner) in [(&carl, "carl"), (&erin, "erin")] {
                let image = seals(client, owner, &[]).await;
                grants(client, owner, image, "ben").await.unwrap();
                told.push((name(owner), image));
            }
        };
        tell(&mut told).await;
        // What is withdrawn counts for no quota, and the notice of it stays.
        let flooding = images.iter().map(async |image| {
            grants(&mallory, "mallory", *image, "ben").await.unwrap();
            let withdraw = Withdraw { owner: name("mallory"), image: *image };
            mallory.withdraw(mallory.request_id(), withdraw, soon()).await.unwrap();
        });
        flood(flooding).await;
        tell(&mut told).await;

        let (notices, dropped) = inbox(&ben, "ben").await;
        let heard = notices.iter().filter_map(|notice| match notice {
            Notice::Granted { image, owner, .. } if *owner != name("mallory") => {
                Some((owner.clone(), *image))
            }
            _ => None,
        });
        assert_eq!(heard.collect::<Vec<_>>(), told);
        let loud = notices.iter().filter(|notice| notice.sender() == Some(&name("mallory"))).count();
        assert_eq!(loud as u64, MAX_NOTICES_OF_ONE);
        assert!(dropped >= 10_050 - MAX_NOTICES_OF_ONE, "{dropped}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_who_ask_to_join_keep_nobody_out() {
    Victim::withstands("1,020 new users of 17 addresses who ask to join", async |victim| {
        let (ben, _) = victim.user("ben").await;
        let (carl, _) = victim.user("carl").await;
        let (erin, _) = victim.user("erin").await;
        let choir: GroupName = "choir".parse().unwrap();
        creates(&ben, "ben", &choir).await;
        // Carl is known to the admin, and asks first.
        seals(&ben, "ben", &[("carl", 1)]).await;
        asks_to_join(&carl, "carl", &choir).await.unwrap();

        let addresses = (2..19).map(|number| strangers(victim, Ipv4Addr::new(127, 0, 0, number)));
        let strangers: Vec<_> = join_all(addresses).await.into_iter().flatten().collect();
        assert!(strangers.len() > MAX_JOIN_REQUESTS);
        // Whether each of them is let in to wait is not what counts.
        flood(strangers.iter().map(|(user, client)| asks_to_join(client, user, &choir))).await;

        asks_to_join(&erin, "erin", &choir).await.unwrap();
        let (mut waiting, mut after) = (Vec::new(), None);
        loop {
            let page = ben.join_requests(name("ben"), choir.clone(), after, soon()).await.unwrap();
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            waiting.extend(page.into_iter().map(|(user, _)| user));
        }
        assert_eq!(waiting.len(), MAX_JOIN_REQUESTS);
        for honest in ["carl", "erin"] {
            assert!(waiting.contains(&name(honest)), "{honest} does not wait");
            accepts(&ben, "ben", &choir, honest).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twelve_hundred_requests_for_views_keep_nobody_out() {
    Victim::withstands("1,200 requests of 60 new users for views", async |victim| {
        let (ben, _) = victim.user("ben").await;
        let (carl, _) = victim.user("carl").await;
        let (erin, _) = victim.user("erin").await;
        let images = images(victim, "ben", 20).await;
        // Carl is known to the owner, and asks first.
        grants(&ben, "ben", images[0], "carl").await.unwrap();
        asks(&carl, "carl", images[1]).await.unwrap();

        let strangers = strangers(victim, Ipv4Addr::new(127, 0, 0, 2)).await;
        let of_each = |(user, client)| images.iter().map(move |image| asks(client, user, *image));
        assert!(strangers.len() * images.len() > MAX_ASKS);
        // Whether each of them is let in to wait is not what counts.
        flood(strangers.iter().map(|(user, client)| (user.as_str(), client)).flat_map(of_each)).await;

        asks(&erin, "erin", images[2]).await.unwrap();
        let waiting = requests(&ben, "ben").await;
        assert_eq!(waiting.len(), MAX_ASKS);
        for (honest, image) in [("carl", images[1]), ("erin", images[2])] {
            let waits = waiting.iter().any(|(of, user, _)| (*of, user) == (image, &name(honest)));
            assert!(waits, "{honest} does not wait");
            let answer = AnswerRequest { owner: name("ben"), image, user: name(honest), views: Some(1) };
            let answered = ben.answer_request(ben.request_id(), answer, soon()).await;
            assert_eq!(answered, Ok(Some(1)));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_blocked_can_neither_grant_nor_ask_however_often() {
    Victim::withstands("11,000 grants and requests of a user who is blocked", async |victim| {
        let (ben, _) = victim.user("ben").await;
        let (mallory, _) = victim.user("mallory").await;
        let images = images(victim, "mallory", 10_000).await;
        let bens = seals(&ben, "ben", &[]).await;
        // Something of each kind is there already.
        grants(&mallory, "mallory", images[0], "ben").await.unwrap();
        asks(&mallory, "mallory", bens).await.unwrap();
        let block = Block { user: name("ben"), blocked: name("mallory") };
        ben.block_user(ben.request_id(), block, soon()).await.unwrap();

        let blocked = Err(ClientError::Refused(Refusal::Blocked { user: name("ben") }));
        let new = images[1..].iter();
        for granted in flood(new.map(|image| grants(&mallory, "mallory", *image, "ben"))).await {
            assert_eq!(granted.map(drop), blocked);
        }
        for asked in flood((0..1_000).map(|_| asks(&mallory, "mallory", bens))).await {
            assert_eq!(asked, blocked);
        }
        let for_ben = [(name("ben"), 1)].into();
        let request = mallory.request_id();
        let sealed = mallory.seal(request, name("mallory"), for_ben, photo(), soon()).await;
        assert_eq!(sealed.map(drop), blocked);

        let list = ben.list(name("ben"), None, soon()).await.unwrap();
        assert_eq!(list.lines.iter().map(|line| line.image).collect::<Vec<_>>(), [bens]);
        assert_eq!(inbox(&ben, "ben").await, (Vec::new(), 0));
        assert_eq!(requests(&ben, "ben").await, []);
        // It is a matter between the two.
        victim.user("carl").await;
        grants(&mallory, "mallory", images[0], "carl").await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_online_with_all_that_they_may_have_leave_room_for_others() {
    Victim::withstands("60 users online with 1,920 devices and 1,920,000 offers", async |victim| {
        let (erin, _) = victim.user("erin").await;
        let (fred, _) = victim.user("fred").await;
        let offers = vec![ImageId(u128::MAX); 1_000];
        let goes_online = async |user: &str, client: &Client| {
            log_in(client, user).await.go_online("h:1".to_owned(), offers.clone(), soon()).await
        };
        let strangers = strangers(victim, Ipv4Addr::new(127, 0, 0, 2)).await;
        let online = strangers.iter().map(async |(user, client)| {
            let mut devices = Vec::new();
            // Each begins a session; the one in which they have registered ends with the last of these.
            for _ in 0..32 {
                devices.push(goes_online(user, client).await.unwrap());
            }
            devices
        });
        let online = join_all(online).await;

        let there = erin.go_online("10.0.0.1:5000".to_owned(), vec![ImageId(7)], soon()).await.unwrap();
        let (user, client) = &strangers[7];
        let (peers, _) = fred.locate(name("erin"), soon()).await.unwrap();
        assert_eq!(peers.iter().map(|peer| peer.address.as_str()).collect::<Vec<_>>(), ["10.0.0.1:5000"]);
        let (peers, _) = erin.locate(name(user), soon()).await.unwrap();
        assert_eq!(peers.len(), 32);
        assert!(peers.iter().all(|peer| peer.offers.len() == 1_000));

        // More sessions end the first ones, whose peers are known for a while: that is bounded, too.
        let more = join_all((0..64).map(|_| goes_online(user, client))).await;
        let too_much =
            |refused: &ClientError| matches!(refused, ClientError::Presence(PresenceError::TooMuch { .. }));
        assert!(more.iter().filter_map(|device| device.as_ref().err()).any(too_much), "nobody stops it");
        there.leave(soon()).await.unwrap();
        drop((online, more));
    })
    .await;
}
