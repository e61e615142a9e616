//! The connections between nodes, each of which can be closed, refused, or left to hang.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    future::pending,
    io,
    sync::Arc,
};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::watch,
    task::AbortHandle,
};
use veil::wire::transport::{BoxedStream, Listener, Network, Pipes};

/// From one node to another.
type Way = (u64, u64);

#[derive(Default)]
struct State {
    refused: HashMap<Way, usize>,
    hanging: HashSet<Way>,
    open: Vec<(Way, AbortHandle)>,
}

/// All connections between nodes that were opened by way of it. Clones share it.
#[derive(Clone, Default)]
pub struct Wires {
    pipes: Pipes,
    state: Arc<Mutex<State>>,
    /// Who can neither hear the others nor be heard by them.
    cut_off: Arc<watch::Sender<BTreeSet<u64>>>,
}

impl Wires {
    pub fn new(pipes: Pipes) -> Self {
        Self { pipes, ..Self::default() }
    }

    /// Holds back whatever a node sends or is sent until it is mended.
    pub fn cut_off(&self, id: u64) {
        self.cut_off.send_modify(|cut| {
            cut.insert(id);
        });
    }

    pub fn mend(&self, id: u64) {
        self.cut_off.send_modify(|cut| {
            cut.remove(&id);
        });
    }

    async fn wait_until_whole(&self, (from, to): Way) {
        let mut cut = self.cut_off.subscribe();
        cut.wait_for(|cut| !cut.contains(&from) && !cut.contains(&to)).await.unwrap();
    }

    async fn carry(self, way: Way, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from.read(&mut bytes).await {
            self.wait_until_whole(way).await;
            if to.write_all(&bytes[..length]).await.is_err() {
                return;
            }
        }
    }

    /// The network as node `from` sees it.
    pub fn of(&self, from: u64) -> Arc<dyn Network> {
        Arc::new(Wire { wires: self.clone(), from })
    }

    /// Closes every connection that `from` has opened to `to`.
    pub fn close(&self, from: u64, to: u64) {
        self.state.lock().open.retain(|(way, pump)| {
            let closed = *way == (from, to);
            if closed {
                pump.abort();
            }
            !closed
        });
    }

    /// Refuses new connections until they are allowed again.
    pub fn refuse(&self, from: u64, to: u64) {
        self.state.lock().refused.insert((from, to), 0);
    }

    /// Leaves new connections without an answer until they are allowed again.
    pub fn hang(&self, from: u64, to: u64) {
        self.state.lock().hanging.insert((from, to));
    }

    pub fn allow(&self, from: u64, to: u64) {
        let mut state = self.state.lock();
        state.refused.remove(&(from, to));
        state.hanging.remove(&(from, to));
    }

    /// Waits until so many connections were refused since they are.
    pub async fn wait_refused(&self, from: u64, to: u64, times: usize) {
        while self.state.lock().refused[&(from, to)] < times {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    /// Waits until a connection is open that `from` has opened to `to`.
    pub async fn wait_open(&self, from: u64, to: u64) {
        let open =
            |state: &State| state.open.iter().any(|(way, pump)| *way == (from, to) && !pump.is_finished());
        while !open(&self.state.lock()) {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
}

struct Wire {
    wires: Wires,
    from: u64,
}

impl Network for Wire {
    fn dial(&self, address: &str) -> BoxFuture<'static, io::Result<BoxedStream>> {
        let to = address.strip_prefix('n').and_then(|rest| rest.split(':').next()).unwrap().parse().unwrap();
        let (way, wires) = ((self.from, to), self.wires.clone());
        let dialling = wires.pipes.dial(address);
        Box::pin(async move {
            let hangs = {
                let mut state = wires.state.lock();
                if let Some(times) = state.refused.get_mut(&way) {
                    *times += 1;
                    return Err(io::ErrorKind::ConnectionRefused.into());
                }
                state.hanging.contains(&way)
            };
            if hangs {
                pending::<()>().await;
            }
            wires.wait_until_whole(way).await;
            let (far_reads, far_writes) = tokio::io::split(dialling.await?);
            let (near, middle) = tokio::io::duplex(1 << 20);
            let (reads, writes) = tokio::io::split(middle);
            let (there, back) = (wires.clone(), wires.clone());
            // Both ends see the end of it when either way ends, and when it is closed.
            let pump = tokio::spawn(async move {
                tokio::select! {
                    () = there.carry(way, reads, far_writes) => {}
                    () = back.carry(way, far_reads, writes) => {}
                }
            });
            wires.state.lock().open.push((way, pump.abort_handle()));
            Ok(Box::new(near) as BoxedStream)
        })
    }

    fn listen(&self, address: &str) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        self.wires.pipes.listen(address)
    }
}
