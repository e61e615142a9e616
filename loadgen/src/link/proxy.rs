//! One listening port that stands for another node, as one node sees it.

use std::net::SocketAddr;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

use super::{Shape, pump::pump};

/// A running proxy. Dropping it closes its port and its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    _accepting: JoinSet<()>,
}

impl Proxy {
    /// Listens on a free port of the loopback and leads every connection to `target`. `there` shapes
    /// what the caller says, `back` what it hears. `seed` decides jitter and loss.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(
        target: SocketAddr,
        there: watch::Receiver<Shape>,
        back: watch::Receiver<Shape>,
        seed: u64,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, target, there, back, ChaCha8Rng::seed_from_u64(seed)));
        Ok(Self { address, _accepting: accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(
    listener: TcpListener,
    target: SocketAddr,
    there: watch::Receiver<Shape>,
    back: watch::Receiver<Shape>,
    mut rng: ChaCha8Rng,
) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((caller, _)) = listener.accept().await else { continue };
        let (there, back) = (there.clone(), back.clone());
        let (rng_there, rng_back) = (ChaCha8Rng::from_rng(&mut rng), ChaCha8Rng::from_rng(&mut rng));
        connections.spawn(async move {
            let opened = open(target, there.clone(), back.clone()).await;
            // A target that refuses closes the caller's connection: nothing better can be said any more.
            let Ok(callee) = opened else { return };
            let _ = caller.set_nodelay(true);
            let (caller_reads, caller_writes) = caller.into_split();
            let (callee_reads, callee_writes) = callee.into_split();
            tokio::select! {
                // One end closing, or breaking, ends both directions.
                _ = pump(caller_reads, callee_writes, there, rng_there) => {}
                _ = pump(callee_reads, caller_writes, back, rng_back) => {}
            }
        });
    }
}

/// Connects to the target. Across a cut no connection comes about, and none is refused either.
async fn open(
    target: SocketAddr,
    mut there: watch::Receiver<Shape>,
    mut back: watch::Receiver<Shape>,
) -> std::io::Result<TcpStream> {
    let gone = |_| std::io::Error::other("the run is over");
    there.wait_for(|shape| !shape.is_cut()).await.map_err(gone)?;
    back.wait_for(|shape| !shape.is_cut()).await.map_err(gone)?;
    let stream = TcpStream::connect(target).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::link::Links;

    /// A server that sends everything back.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (mut reads, mut writes) = stream.into_split();
                tokio::spawn(async move { tokio::io::copy(&mut reads, &mut writes).await });
            }
        });
        address
    }

    async fn ask(stream: &mut TcpStream) -> Option<u8> {
        stream.write_all(&[7]).await.ok()?;
        let mut answer = [0];
        let asked = tokio::time::timeout(Duration::from_millis(300), stream.read_exact(&mut answer)).await;
        asked.ok()?.ok()?;
        Some(answer[0])
    }

    #[tokio::test]
    async fn one_way_cuts_silence_a_connection_that_stays_open() {
        let links = Links::between(&[1, 2]);
        let (there, back) = (links.watch(1, 2).unwrap(), links.watch(2, 1).unwrap());
        let proxy = Proxy::start(echo().await, there, back, 1).await.unwrap();
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ask(&mut stream).await, Some(7));
        for (from, to) in [(1, 2), (2, 1)] {
            links.change(|a, b| (a, b) == (from, to), |shape| shape.cuts += 1);
            assert_eq!(ask(&mut stream).await, None, "cut {from} to {to}");
            links.change(|_, _| true, |shape| *shape = Shape::default());
            // The answer that was held up, and then a new one.
            let mut late = [0];
            stream.read_exact(&mut late).await.unwrap();
            assert_eq!(ask(&mut stream).await, Some(7));
        }
    }

    #[tokio::test]
    async fn across_a_cut_a_new_connection_is_neither_made_nor_refused() {
        let links = Links::between(&[1, 2]);
        let (there, back) = (links.watch(1, 2).unwrap(), links.watch(2, 1).unwrap());
        let proxy = Proxy::start(echo().await, there, back, 1).await.unwrap();
        links.change(|_, _| true, |shape| shape.cuts += 1);
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ask(&mut stream).await, None);
        links.change(|_, _| true, |shape| shape.cuts -= 1);
        let mut late = [0];
        stream.read_exact(&mut late).await.unwrap();
        assert_eq!(late, [7]);
    }
}
