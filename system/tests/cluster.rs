//! Whole clusters inside one process, over in-memory pipes.

#![expect(clippy::unwrap_used, reason = "a step that fails is the test's failure")]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::time::Instant;
use veil::{
    client::{Client, ClientError},
    consensus::Memory,
    directory::{Refusal, SetGrant, UserName},
    node::{Entropy, Environment, Listen, Node, NodeConfig, RaftConfig, SealingConfig, system_clock},
    seal::SealedFile,
    wire::{client::Member, transport::Pipes},
};

struct Cluster {
    network: Pipes,
    nodes: BTreeMap<u64, Node>,
    members: Vec<Member>,
}

impl Cluster {
    async fn start(size: u64, sealing: SealingConfig) -> Self {
        let members: Vec<_> = (1..=size)
            .map(|id| Member { id, client: format!("n{id}:client"), peer: format!("n{id}:peer") })
            .collect();
        let network = Pipes::default();
        let mut nodes = BTreeMap::new();
        for member in &members {
            let config = NodeConfig {
                id: member.id,
                data: "unused".into(),
                bootstrap: member.id == 1,
                shared_port: false,
                listen: Listen { client: member.client.clone(), peer: member.peer.clone() },
                members: members.clone(),
                raft: RaftConfig::default(),
                sealing: sealing.clone(),
            };
            let environment = Environment {
                network: Arc::new(network.clone()),
                disk: Arc::new(Memory::default()),
                clock: system_clock(),
                entropy: Arc::new(Entropy::from_seed(member.id)),
                raft_runtime: tokio::runtime::Handle::current(),
            };
            nodes.insert(member.id, Node::start(config, environment).await.unwrap());
        }
        Self { network, nodes, members }
    }

    fn client(&self) -> Client {
        let addresses = self.members.iter().map(|member| member.client.clone()).collect();
        Client::new(Arc::new(self.network.clone()), addresses, 1).unwrap()
    }
}

fn name(text: &str) -> UserName {
    text.parse().unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn one_thread() -> SealingConfig {
    SealingConfig { threads: 1, queue: 8 }
}

/// A small real PNG.
fn photo() -> bytes::Bytes {
    let pixels = image::RgbImage::from_fn(64, 48, |x, y| image::Rgb([x as u8, y as u8, 99]));
    let mut file = std::io::Cursor::new(Vec::new());
    pixels.write_to(&mut file, image::ImageFormat::Png).unwrap();
    file.into_inner().into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seal_list_view_grant_and_go_on_without_the_leader() {
    let mut cluster = Cluster::start(3, one_thread()).await;
    let client = cluster.client();
    for user in ["anna", "ben"] {
        client.register(client.request_id(), name(user), soon()).await.unwrap();
    }
    let original = photo();
    let grants = BTreeMap::from([(name("ben"), 2)]);
    let request = client.request_id();
    let sealed = client.seal(request, name("anna"), grants.clone(), original.clone(), soon()).await.unwrap();

    // A retry gives the same image, and it opens with the key on record.
    let again = client.seal(request, name("anna"), grants, original.clone(), soon()).await.unwrap();
    assert_eq!(again.image, sealed.image);

    let listed = client.list(name("ben"), None, soon()).await.unwrap();
    assert_eq!((listed.len(), listed[0].views_left), (1, Some(2)));

    let view = client.request_id();
    let opened = client.open_view(view, name("ben"), sealed.image, soon()).await.unwrap();
    assert_eq!(opened.views_left, Some(1));
    for png in [&sealed.png, &again.png] {
        assert_eq!(SealedFile::read(png).unwrap().open(&opened.key).unwrap(), original);
    }

    let leader = client.leadership().borrow().leader.clone().expect("somebody just answered as leader");
    cluster.nodes.remove(&leader.id).unwrap().stop().await;

    // The retry after the change of leader gets the first answer; a new view takes the last one.
    let retried = client.open_view(view, name("ben"), sealed.image, soon()).await.unwrap();
    assert_eq!(retried, opened);
    let last = client.open_view(client.request_id(), name("ben"), sealed.image, soon()).await.unwrap();
    assert_eq!(last.views_left, Some(0));
    let refused = client.open_view(client.request_id(), name("ben"), sealed.image, soon()).await;
    let used_up = Refusal::QuotaUsedUp { image: sealed.image, viewer: name("ben") };
    assert_eq!(refused, Err(ClientError::Refused(used_up)));

    let grant = SetGrant { owner: name("anna"), image: sealed.image, viewer: name("ben"), views: 7 };
    assert_eq!(client.set_grant(client.request_id(), grant, soon()).await.unwrap(), 7);
    assert_ne!(client.leadership().borrow().leader.as_ref().map(|member| member.id), Some(leader.id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_sealed_is_refused_with_the_reason() {
    let cluster = Cluster::start(1, one_thread()).await;
    let client = cluster.client();
    client.register(client.request_id(), name("anna"), soon()).await.unwrap();
    let seal = |owner: &str, bytes: Vec<u8>| {
        client.seal(client.request_id(), name(owner), BTreeMap::new(), bytes.into(), soon())
    };
    let not_a_picture = seal("anna", b"GIF89a and so on".to_vec()).await.unwrap_err();
    assert!(matches!(not_a_picture, ClientError::BadOriginal(_)), "{not_a_picture:?}");
    let too_long = seal("anna", vec![0; (16 << 20) + 1]).await.unwrap_err();
    assert!(too_long.to_string().contains("16777216"), "{too_long}");
    let stranger = seal("zoe", photo().to_vec()).await.unwrap_err();
    assert_eq!(stranger, ClientError::Refused(Refusal::UnknownUser { user: name("zoe") }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_majority_nothing_is_acknowledged() {
    let mut cluster = Cluster::start(3, one_thread()).await;
    let client = cluster.client();
    client.register(client.request_id(), name("anna"), soon()).await.unwrap();
    for id in [2, 3] {
        cluster.nodes.remove(&id).unwrap().stop().await;
    }
    let deadline = Instant::now() + Duration::from_millis(800);
    let lost = client.register(client.request_id(), name("ben"), deadline).await.unwrap_err();
    assert!(
        matches!(lost, ClientError::TimedOut { .. } | ClientError::Unsettled { .. }),
        "acknowledged or refused without a majority: {lost:?}"
    );
}
