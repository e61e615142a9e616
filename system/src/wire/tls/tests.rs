use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::{
    identity::{Authority, Issued, Role, Validity},
    wire::transport::Pipes,
};

const HOUR: Duration = Duration::from_secs(3600);

/// One cluster's authority and its network.
struct Scene {
    authority: Authority,
    random: ChaCha20Rng,
    pipes: Pipes,
}

impl Scene {
    fn new(seed: u64) -> Self {
        let mut random = ChaCha20Rng::seed_from_u64(seed);
        let authority = Authority::generate(&mut random, SystemTime::now()).unwrap();
        Self { authority, random, pipes: Pipes::default() }
    }

    /// Another cluster on the same network.
    fn other(&self) -> Self {
        Self { pipes: self.pipes.clone(), ..Self::new(99) }
    }

    fn issue(&mut self, role: Role) -> Issued {
        self.issue_from(role, SystemTime::now())
    }

    fn issue_from(&mut self, role: Role, from: SystemTime) -> Issued {
        self.authority.issue(role, &mut self.random, Validity { from, length: HOUR }).unwrap()
    }

    fn certificate(&mut self, role: Role) -> Certificate {
        read(&self.issue(role))
    }

    fn trusted(&self) -> AuthorityCertificate {
        AuthorityCertificate::from_pem(self.authority.to_pem().certificate.as_bytes()).unwrap()
    }

    fn node(&mut self, id: u64) -> NodeTls {
        let certificate = self.certificate(Role::Node(id));
        NodeTls::new(self.trusted(), certificate, SystemTime::now()).unwrap()
    }

    fn inner(&self) -> Arc<dyn Network> {
        Arc::new(self.pipes.clone())
    }

    fn peers(&mut self, id: u64) -> Tls {
        Tls::peers(self.inner(), &self.node(id)).unwrap()
    }

    fn clients(&mut self, id: u64) -> Tls {
        Tls::clients(self.inner(), &self.node(id)).unwrap()
    }

    fn client(&self, trust: Trust, shown: Option<Certificate>) -> Tls {
        Tls::client(self.inner(), trust, shown).unwrap()
    }
}

fn read(issued: &Issued) -> Certificate {
    Certificate::from_pem(issued.certificate.as_bytes(), issued.key.as_bytes()).unwrap()
}

/// What both sides make of one connection: who the caller is, and what went wrong with the node, in the eyes of the
/// other one.
async fn meet(listening: &Tls, dialling: &Tls) -> (Result<Standing, String>, Result<(), String>) {
    let mut listener = listening.listen("node:0").await.unwrap();
    let address = listener.local_address();
    let called = async {
        let (opening, _) = listener.accept().await.unwrap();
        let (mut stream, standing) = opening.await.map_err(|e| e.to_string())?;
        stream.write_all(b"!").await.unwrap();
        stream.flush().await.unwrap();
        Ok(standing)
    };
    let calling = async {
        let mut stream = dialling.dial(&address).await.map_err(|e| e.to_string())?;
        // A caller that is refused learns it here.
        stream.read_exact(&mut [0]).await.map_err(|e| e.to_string())?;
        Ok(())
    };
    tokio::join!(called, calling)
}

#[tokio::test]
async fn nodes_know_one_another() {
    let mut scene = Scene::new(1);
    let (one, two) = (scene.peers(1), scene.peers(2));
    assert_eq!(meet(&one, &two).await, (Ok(Standing::Node), Ok(())));
}

#[tokio::test]
async fn whoever_is_no_node_is_refused_on_the_link_of_nodes() {
    let mut scene = Scene::new(1);
    let node = scene.peers(1);
    let nobody = scene.client(Trust::Authority(scene.trusted()), None);
    let (called, calling) = meet(&node, &nobody).await;
    assert!(called.unwrap_err().contains("no certificates"), "nothing was asked for");
    assert!(calling.unwrap_err().contains("CertificateRequired"));

    let shown = scene.certificate(Role::Operator);
    let operator = scene.client(Trust::Authority(scene.trusted()), Some(shown));
    let (called, calling) = meet(&node, &operator).await;
    assert_eq!(called, Err("its certificate is not a node's".to_owned()));
    assert!(calling.is_err());

    // Without TLS, either.
    let mut listener = node.listen("node:0").await.unwrap();
    let mut plain = scene.pipes.dial(&listener.local_address()).await.unwrap();
    plain.write_all(b"\x00\x00\x00\x06VEIL\x03\x01").await.unwrap();
    let refused = listener.accept().await.unwrap().0.await.err().unwrap();
    assert!(refused.to_string().contains("does not speak TLS"), "{refused}");
}

#[tokio::test]
async fn a_node_of_another_cluster_is_refused_both_ways() {
    let mut scene = Scene::new(1);
    let (ours, theirs) = (scene.peers(1), scene.other().peers(1));
    let foreign = "its certificate is not valid: it is not of this cluster's authority".to_owned();
    assert_eq!(meet(&ours, &theirs).await.1, Err(foreign.clone()));
    assert_eq!(meet(&theirs, &ours).await.1, Err(foreign.clone()));

    // One that looks away when it dials is refused by the other side.
    let mut other = scene.other();
    let shown = other.certificate(Role::Node(1));
    let careless = scene.client(Trust::Authority(scene.trusted()), Some(shown));
    assert_eq!(meet(&ours, &careless).await.0, Err(foreign.clone()));
    // On the link of clients, too: nobody needs a certificate there, and nobody shows a bad one.
    let shown = other.certificate(Role::Operator);
    let careless = scene.client(Trust::Authority(scene.trusted()), Some(shown));
    assert_eq!(meet(&scene.clients(1), &careless).await.0, Err(foreign));
}

#[tokio::test]
async fn clients_are_told_apart_by_what_they_show() {
    let mut scene = Scene::new(1);
    let node = scene.clients(1);
    let trust = Trust::Authority(scene.trusted());
    let anonymous = scene.client(trust.clone(), None);
    assert_eq!(meet(&node, &anonymous).await, (Ok(Standing::Anonymous), Ok(())));
    let shown = scene.certificate(Role::Operator);
    let operator = scene.client(trust, Some(shown));
    assert_eq!(meet(&node, &operator).await, (Ok(Standing::Operator), Ok(())));
    let other_node = scene.clients(2);
    assert_eq!(meet(&node, &other_node).await, (Ok(Standing::Node), Ok(())));
}

#[tokio::test]
async fn an_operator_cannot_pass_for_a_node() {
    let mut scene = Scene::new(1);
    let shown = scene.certificate(Role::Operator);
    let refused = NodeTls::new(scene.trusted(), shown.clone(), SystemTime::now()).unwrap_err().to_string();
    assert!(refused.ends_with("its certificate is not a node's"), "{refused}");
    // Not even one that does not check itself.
    let node = scene.node(1);
    let impostor = NodeTls { authority: node.authority, shown: Arc::new(Shown::new(shown)) };
    let impostor = Tls::clients(scene.inner(), &impostor).unwrap();
    let client = scene.client(Trust::Authority(scene.trusted()), None);
    assert_eq!(meet(&impostor, &client).await.1, Err("its certificate is not a node's".to_owned()));
}

#[tokio::test]
async fn a_certificate_that_has_expired_or_does_not_hold_yet_is_refused() {
    let mut scene = Scene::new(1);
    let now = SystemTime::now();
    for (from, said) in [
        (now - 2 * HOUR, "it has expired, or the clock here is ahead"),
        (now + 2 * HOUR, "it does not hold yet, or the clock here is behind"),
    ] {
        let certificate = read(&scene.issue_from(Role::Node(1), from));
        let refused = NodeTls::new(scene.trusted(), certificate.clone(), SystemTime::now()).unwrap_err();
        assert!(refused.to_string().ends_with(said), "{refused}");
        let late = NodeTls { authority: scene.trusted(), shown: Arc::new(Shown::new(certificate)) };
        let late = Tls::peers(scene.inner(), &late).unwrap();
        let good = scene.peers(2);
        assert!(meet(&late, &good).await.1.unwrap_err().ends_with(said));
        assert!(meet(&good, &late).await.0.unwrap_err().ends_with(said));
    }
}

#[tokio::test]
async fn a_new_certificate_is_shown_on_new_connections_and_old_ones_live() {
    let mut scene = Scene::new(1);
    let node = scene.node(1);
    let listening = Tls::clients(scene.inner(), &node).unwrap();
    let config = dialling(NodeVerifier::Authority(scene.trusted()), None).unwrap();
    let (connector, pipes) = (TlsConnector::from(Arc::new(config)), scene.pipes.clone());
    let mut listener = listening.listen("node").await.unwrap();
    let open = async |listener: &mut Box<dyn Listener>| {
        let accepting = async { listener.accept().await.unwrap().0.await.unwrap().0 };
        let name = ServerName::try_from(NODE_NAME).unwrap();
        let dialling = async { connector.connect(name, pipes.dial("node").await.unwrap()).await.unwrap() };
        let (near, far) = tokio::join!(dialling, accepting);
        let shown = near.get_ref().1.peer_certificates().unwrap()[0].clone();
        (near, far, shown)
    };
    let (mut near, mut far, first) = open(&mut listener).await;

    let issued = scene.issue(Role::Node(1));
    let (other, expected) =
        (read(&issued), CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap());
    assert!(node.shown() != other && first != expected);
    assert!(node.show(other.clone(), SystemTime::now()).unwrap());
    assert!(!node.show(other.clone(), SystemTime::now()).unwrap(), "it is the same");
    // One that nobody would believe is not taken.
    let stranger = scene.other().certificate(Role::Node(1));
    assert!(node.show(stranger, SystemTime::now()).is_err());
    assert!(node.shown() == other);

    near.write_all(b"still here").await.unwrap();
    near.flush().await.unwrap();
    let mut heard = [0; 10];
    far.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"still here");
    assert_eq!(open(&mut listener).await.2, expected);
}

#[tokio::test]
async fn a_fingerprint_is_enough_to_know_a_cluster_by() {
    let mut scene = Scene::new(1);
    let node = scene.clients(1);
    let expected = scene.trusted().fingerprint();
    let client = scene.client(Trust::Fingerprint(expected), None);
    assert_eq!(meet(&node, &client).await.1, Ok(()));
    let found = scene.other().trusted().fingerprint();
    let impostor = scene.other().clients(1);
    let said =
        format!("its certificate is of an authority with the fingerprint {found}, expected {expected}");
    assert_eq!(meet(&impostor, &client).await.1, Err(said));
    // An impostor that shows our authority's certificate is not of it.
    let mut other = scene.other();
    let mut issued = other.issue(Role::Node(1));
    let own = issued.certificate.find("-----END CERTIFICATE-----\n").unwrap() + 26;
    issued.certificate.replace_range(own.., &scene.authority.to_pem().certificate);
    let shown = Arc::new(Shown::new(read(&issued)));
    let impostor = NodeTls { authority: scene.trusted(), shown };
    let impostor = Tls::clients(scene.inner(), &impostor).unwrap();
    let said = "its certificate is not valid: it is not of this cluster's authority";
    assert_eq!(meet(&impostor, &client).await.1, Err(said.to_owned()));
}

/// Knows one authority.
#[derive(Debug, Default)]
struct Memory(Mutex<Option<Fingerprint>>);

impl KnownNodes for Memory {
    fn check(&self, address: &str, authority: Fingerprint) -> Result<(), Untrusted> {
        match *self.0.lock() {
            Some(known) if known != authority => Err(Untrusted::Changed(format!("{address} has changed"))),
            _ => Ok(()),
        }
    }

    fn remember(&self, _address: &str, authority: Fingerprint) -> Result<(), Untrusted> {
        *self.0.lock() = Some(authority);
        Ok(())
    }
}

#[tokio::test]
async fn the_first_authority_is_remembered_and_a_second_one_is_refused() {
    let mut scene = Scene::new(1);
    let known = Arc::new(Memory::default());
    let client = scene.client(Trust::FirstUse(known.clone()), None);
    assert_eq!(meet(&scene.clients(1), &client).await.1, Ok(()));
    assert_eq!(*known.0.lock(), Some(scene.trusted().fingerprint()));
    assert_eq!(meet(&scene.clients(2), &client).await.1, Ok(()));
    let refused = meet(&scene.other().clients(1), &client).await.1.unwrap_err();
    assert!(refused.ends_with("has changed"), "{refused}");
    assert_eq!(*known.0.lock(), Some(scene.trusted().fingerprint()));
}
