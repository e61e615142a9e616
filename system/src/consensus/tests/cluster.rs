//! A cluster without clients: Raft, disks that are slow or hang, and a network whose ways can be cut or narrowed one by one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::AtomicU64,
};

use futures_util::future::BoxFuture;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    task::JoinHandle,
};

use super::{
    super::disk::{Hang, Memory},
    *,
};
use crate::{
    clock::system_clock,
    directory::Rewrap,
    wire::{
        client::Member,
        connections::Connections,
        frame::Link,
        server::{Caller, Service, serve},
        transport::{BoxedStream, Listener, Pipes},
    },
};

/// How the ways to each node are.
#[derive(Debug, Clone, Default)]
struct Shape {
    /// Nothing arrives.
    deaf: BTreeSet<NodeId>,
    /// So much arrives on a connection every 10 ms, bytes.
    narrow: BTreeMap<NodeId, usize>,
}

/// The connections between the nodes.
#[derive(Clone, Default)]
pub struct Ways {
    pipes: Pipes,
    shape: Arc<watch::Sender<Shape>>,
}

impl Ways {
    /// Holds back what is sent to a node.
    pub fn deafen(&self, id: NodeId) {
        self.shape.send_modify(|shape| {
            shape.deaf.insert(id);
        });
    }

    pub fn narrow(&self, id: NodeId, bytes: usize) {
        self.shape.send_modify(|shape| {
            shape.narrow.insert(id, bytes);
        });
    }

    pub fn mend(&self) {
        self.shape.send_replace(Shape::default());
    }

    async fn carry(
        self,
        to: NodeId,
        mut reader: impl AsyncRead + Unpin,
        mut writer: impl AsyncWrite + Unpin,
    ) {
        let mut shape = self.shape.subscribe();
        let mut bytes = vec![0; 64 << 10];
        loop {
            let narrow = shape.borrow().narrow.get(&to).copied();
            let room = narrow.unwrap_or(bytes.len());
            let Ok(length @ 1..) = reader.read(&mut bytes[..room]).await else { return };
            if narrow.is_some() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            if shape.wait_for(|shape| !shape.deaf.contains(&to)).await.is_err() {
                return;
            }
            if writer.write_all(&bytes[..length]).await.is_err() {
                return;
            }
        }
    }
}

/// The network as one node sees it.
struct Own {
    id: NodeId,
    ways: Ways,
}

impl Network for Own {
    fn dial(&self, address: &str) -> BoxFuture<'static, io::Result<BoxedStream>> {
        let (from, to, ways) = (self.id, address[1..].parse().unwrap(), self.ways.clone());
        let dialled = ways.pipes.dial(address);
        Box::pin(async move {
            let (far_reads, far_writes) = tokio::io::split(dialled.await?);
            let (near, middle) = tokio::io::duplex(64 << 10);
            let (reads, writes) = tokio::io::split(middle);
            tokio::spawn(async move {
                tokio::select! {
                    () = ways.clone().carry(to, reads, far_writes) => {}
                    () = ways.carry(from, far_reads, writes) => {}
                }
            });
            Ok(Box::new(near) as BoxedStream)
        })
    }

    fn listen(&self, address: &str) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        self.ways.pipes.listen(address)
    }
}

struct Peers(Consensus);

impl Service for Peers {
    type Request = PeerRequest;
    type Answer = PeerAnswer;

    async fn answer(self: Arc<Self>, caller: Caller, request: PeerRequest) -> PeerAnswer {
        self.0.answer(request, caller.connection).await
    }

    fn gone(&self, caller: &Caller) {
        self.0.lose(caller.connection);
    }
}

pub struct Node {
    pub consensus: Consensus,
    pub hang: Hang,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.hang.end();
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

pub struct Cluster {
    pub ways: Ways,
    pub nodes: BTreeMap<NodeId, Node>,
    disks: BTreeMap<NodeId, Memory>,
    /// How far their clocks are ahead, milliseconds.
    ahead: BTreeMap<NodeId, Arc<AtomicU64>>,
    timing: Timing,
    sync_delay: Duration,
}

impl Cluster {
    /// Three nodes, the first of which founds the cluster.
    pub async fn start(timing: Timing, sync_delay: Duration) -> Self {
        let disks = (1..=3).map(|id| (id, Memory::default())).collect();
        let ahead = (1..=3).map(|id| (id, Arc::default())).collect();
        let (ways, nodes) = (Ways::default(), BTreeMap::new());
        let mut cluster = Self { ways, nodes, disks, ahead, timing, sync_delay };
        for id in 1..=3 {
            cluster.start_node(id).await;
        }
        cluster
    }

    pub async fn start_node(&mut self, id: NodeId) {
        let disk = SlowDisk::new(Arc::new(self.disks[&id].clone()), self.sync_delay);
        let hang = disk.hang();
        let network = Arc::new(Own { id, ways: self.ways.clone() });
        let address = format!("p{id}");
        let listener = network.listen(&address).await.unwrap();
        let fresh = DiskId::new(id, id.into());
        let (right, ahead) = (system_clock(), self.ahead[&id].clone());
        let clock = Arc::new(move || right() + ahead.load(Ordering::Relaxed));
        let consensus =
            Consensus::start(id, self.timing, Arc::new(disk), network, fresh, clock).await.unwrap();
        let serving = serve(listener, Link::Peer, Arc::new(Peers(consensus.clone())), Connections::default());
        let member = |id| (id, Member { id, client: format!("c{id}"), peer: format!("p{id}") });
        let founding = (id == 1).then(|| (1..=3).map(member).collect());
        let part = consensus.clone();
        let tasks = vec![tokio::spawn(serving), tokio::spawn(async move { part.take_part(founding).await })];
        self.nodes.insert(id, Node { consensus, hang, tasks });
    }

    pub async fn stop_node(&mut self, id: NodeId) {
        let node = self.nodes.remove(&id).unwrap();
        node.tasks.iter().for_each(JoinHandle::abort);
        node.consensus.stop().await;
    }

    /// A copy of the disk of a node that is down.
    pub fn copy_of_disk(&self, id: NodeId) -> Memory {
        self.disks[&id].copy()
    }

    /// Puts a copy in the place of the disk of a node that is down.
    pub fn put_back(&mut self, id: NodeId, copy: Memory) {
        self.disks.insert(id, copy);
    }

    /// Has a node's clock be so far ahead.
    pub fn set_clock(&self, id: NodeId, ahead_ms: u64) {
        self.ahead[&id].store(ahead_ms, Ordering::Relaxed);
    }

    /// Puts a node's clock forward, and waits until it knows.
    pub async fn put_forward(&self, id: NodeId, ms: u64) {
        self.set_clock(id, ms);
        let consensus = &self.nodes[&id].consensus;
        until(|| matches!(consensus.clock(), Judgement::Wrong { .. }).then_some(())).await;
    }

    /// Who leads in the highest term that any of the nodes knows a leader of.
    pub fn leader(&self) -> Option<(u64, NodeId)> {
        let known = self.nodes.values().map(|node| node.consensus.leadership().borrow().clone());
        known.filter_map(|known| Some((known.term, known.leader?.id))).max()
    }

    /// Waits until somebody leads in a term after `term`.
    pub async fn leader_after(&self, term: u64) -> (u64, NodeId) {
        until(|| self.leader().filter(|(now, _)| *now > term)).await
    }

    /// Puts a change into the log, of about so many bytes, and waits until it is applied where it was proposed.
    pub async fn write(&self, bytes: usize) {
        write(&self.proposers(), bytes).await;
    }

    /// Those by way of whom something may be proposed.
    pub fn proposers(&self) -> Vec<Consensus> {
        self.nodes.values().map(|node| node.consensus.clone()).collect()
    }

    /// Waits until all nodes hold the same, and have applied all that any of them has in its log.
    pub async fn converge(&self) {
        until(|| {
            let last = self.nodes.values().map(|node| node.consensus.progress().last_log).max();
            let held: Vec<_> = self.nodes.values().map(|node| node.consensus.directory()).collect();
            held.iter().all(|held_here| *held_here == held[0] && Some(held_here.1) == last).then_some(())
        })
        .await;
    }
}

pub async fn write(proposers: &[Consensus], bytes: usize) {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let request = RequestId::new(system_clock()(), number.into());
    let key = durable::wrapped();
    let keys = vec![(crate::directory::ImageId(7), key); bytes / 64];
    let action = Action::Rewrap(Rewrap { under: 1, keys });
    for proposer in proposers.iter().cycle() {
        let proposing = proposer.propose(request, Actor::Operator, action.clone());
        match tokio::time::timeout(Duration::from_secs(2), proposing).await {
            Ok(Ok(answer)) => {
                answer.unwrap();
                return;
            }
            Ok(Err(_)) => tokio::time::sleep(Duration::from_millis(1)).await,
            Err(_) => {}
        }
    }
}

/// Waits for as long as it takes, within reason.
pub async fn until<T>(mut found: impl FnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = found() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), looking).await.expect("it never came to that")
}
