//! Links between nodes that can be cut: what is sent over them then arrives when they are mended.

use std::{collections::BTreeSet, io, sync::Arc};

use futures_util::future::BoxFuture;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::watch,
};
use veil::wire::transport::{BoxedStream, Listener, Network, Pipes};

/// Which nodes are cut off from all others. Clones share it.
#[derive(Clone, Default)]
pub struct Cuts(Arc<watch::Sender<BTreeSet<u64>>>);

impl Cuts {
    pub fn cut_off(&self, id: u64) {
        self.0.send_modify(|cut| drop(cut.insert(id)));
    }

    pub fn mend(&self, id: u64) {
        self.0.send_modify(|cut| drop(cut.remove(&id)));
    }

    /// How node `id` reaches the others.
    pub fn network(&self, id: u64, pipes: Pipes) -> CutNetwork {
        CutNetwork { id, pipes, cuts: self.clone() }
    }

    async fn wait_until_whole(&self, ends: [u64; 2]) {
        let mut cut = self.0.subscribe();
        cut.wait_for(|cut| ends.iter().all(|end| !cut.contains(end))).await.unwrap();
    }
}

pub struct CutNetwork {
    id: u64,
    pipes: Pipes,
    cuts: Cuts,
}

impl Network for CutNetwork {
    fn dial(&self, address: &str) -> BoxFuture<'static, io::Result<BoxedStream>> {
        // As `member` makes them.
        let target: u64 = address.trim_start_matches('n').split(':').next().unwrap().parse().unwrap();
        let (ends, cuts, dialled) = ([self.id, target], self.cuts.clone(), self.pipes.dial(address));
        Box::pin(async move {
            cuts.wait_until_whole(ends).await;
            let (near, middle) = tokio::io::duplex(1 << 20);
            let (reads, writes) = tokio::io::split(dialled.await?);
            let (middle_reads, middle_writes) = tokio::io::split(middle);
            tokio::spawn(carry(middle_reads, writes, cuts.clone(), ends));
            tokio::spawn(carry(reads, middle_writes, cuts, ends));
            Ok(Box::new(near) as BoxedStream)
        })
    }

    fn listen(&self, address: &str) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        self.pipes.listen(address)
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    cuts: Cuts,
    ends: [u64; 2],
) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        cuts.wait_until_whole(ends).await;
        if to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
