//! Leads every connection to a node through a proxy, one for each caller and port, so that faults can
//! shape or cut each link on its own.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::time::Instant;
use veil::{
    consensus::{PeerAnswer, PeerRequest},
    node::Route,
    wire::{
        client::{Member, NodeId},
        connection::Connection,
        frame::Link,
        transport::Network,
    },
};

use super::ClusterError;
use crate::link::{Links, Proxy};

/// Stands for everybody who is not a node: simulated users, and the run itself.
pub const OUTSIDE: NodeId = 0;
/// A probe that is not answered by then has not come through.
const PROBE_PATIENCE: Duration = Duration::from_millis(400);

/// The proxies of one cluster.
#[derive(Debug)]
pub struct Detours {
    links: Links,
    routes: BTreeMap<NodeId, Vec<Route>>,
    /// Where each node reaches the peer port of each other one.
    peers: BTreeMap<(NodeId, NodeId), SocketAddr>,
    _proxies: Vec<Proxy>,
}

impl Detours {
    /// Starts the proxies for all links between these nodes, and from outside to each, on an address of
    /// this machine that the nodes reach. `seed` decides jitter, loss and resets.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn around(members: &[Member], at: IpAddr, seed: u64) -> Result<Self, ClusterError> {
        let nodes: Vec<NodeId> = std::iter::once(OUTSIDE).chain(members.iter().map(|m| m.id)).collect();
        let links = Links::between(&nodes);
        let (mut routes, mut peers, mut proxies) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for from in nodes {
            let mut own = Vec::new();
            for member in members {
                let (Some(there), Some(back)) =
                    (links.lane((from, member.id)), links.lane((member.id, from)))
                else {
                    continue;
                };
                for address in [&member.client, &member.peer] {
                    let target = parse(address)?;
                    // Each proxy draws for itself.
                    let seed = seed.wrapping_add(proxies.len() as u64);
                    let proxy = Proxy::start(at, target, there.clone(), back.clone(), seed).await;
                    let proxy = proxy.map_err(|source| ClusterError::Port { address: at, source })?;
                    if address == &member.peer {
                        peers.insert((from, member.id), proxy.address());
                    }
                    own.push(Route { to: address.clone(), via: proxy.address().to_string() });
                    proxies.push(proxy);
                }
            }
            routes.insert(from, own);
        }
        Ok(Self { links, routes, peers, _proxies: proxies })
    }

    /// The detours that a node, or [`OUTSIDE`], has to take.
    pub fn routes(&self, from: NodeId) -> &[Route] {
        self.routes.get(&from).map_or(&[], Vec::as_slice)
    }

    /// The links themselves.
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// How long a connection from one node to another takes to come about, if it does: dialled where `from`
    /// dials, as a node does by way of `network`, up to the hello of the node itself.
    pub async fn comes_through(&self, network: &dyn Network, from: NodeId, to: NodeId) -> Option<Duration> {
        let address = self.peers.get(&(from, to))?;
        says_hello(network, &address.to_string()).await
    }
}

/// How long a node at this peer address, reached by way of `network`, takes to say hello, if it does.
pub(super) async fn says_hello(network: &dyn Network, address: &str) -> Option<Duration> {
    let began = Instant::now();
    let opened = Connection::<PeerRequest, PeerAnswer>::open(network, address, Link::Peer, PROBE_PATIENCE);
    opened.await.is_ok().then(|| began.elapsed())
}

fn parse(address: &str) -> Result<SocketAddr, ClusterError> {
    let io = |e: std::net::AddrParseError| ClusterError::Io {
        path: address.into(),
        source: std::io::Error::other(e),
    };
    address.parse().map_err(io)
}
