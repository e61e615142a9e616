//! One listening port that stands for another node, as one node sees it.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{Lane, pump::pump};

/// A running proxy. Dropping it closes its port and its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    _accepting: JoinSet<()>,
}

impl Proxy {
    /// Listens on a free port of `at` and leads every connection to `target`. `there` shapes what the
    /// caller says, `back` what it hears. `seed` decides jitter, loss and resets.
    ///
    /// # Errors
    /// When no port is free, or `at` is no address of this machine.
    pub async fn start(
        at: IpAddr,
        target: SocketAddr,
        there: Lane,
        back: Lane,
        seed: u64,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((at, 0)).await?;
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

async fn accept(listener: TcpListener, target: SocketAddr, there: Lane, back: Lane, mut rng: ChaCha8Rng) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((caller, _)) = listener.accept().await else { continue };
        let rng = ChaCha8Rng::from_rng(&mut rng);
        connections.spawn(lead(caller, target, there.clone(), back.clone(), rng));
    }
}

/// Leads one connection until an end closes it, or something breaks it.
async fn lead(
    mut caller: TcpStream,
    target: SocketAddr,
    mut there: Lane,
    mut back: Lane,
    mut rng: ChaCha8Rng,
) {
    let (rng_there, rng_back) = (ChaCha8Rng::from_rng(&mut rng), ChaCha8Rng::from_rng(&mut rng));
    let opened = tokio::select! {
        opened = open(target, there.clone(), back.clone()) => opened,
        () = reset(&mut there, &mut back) => Err(io::ErrorKind::ConnectionRefused.into()),
    };
    let Ok(mut callee) = opened else {
        // The connection is made by now: a reset is as near to a refusal as one can come.
        let _ = caller.set_zero_linger();
        return;
    };
    let _ = caller.set_nodelay(true);
    let (caller_reads, caller_writes) = caller.split();
    let (callee_reads, callee_writes) = callee.split();
    let ended = tokio::select! {
        // One end closing, or breaking, ends both directions.
        ended = pump(caller_reads, callee_writes, there.clone(), rng_there) => ended,
        ended = pump(callee_reads, caller_writes, back.clone(), rng_back) => ended,
        () = reset(&mut there, &mut back) => Err(io::ErrorKind::ConnectionReset.into()),
    };
    if ended.is_err() {
        let _ = (caller.set_zero_linger(), callee.set_zero_linger());
    }
}

/// Waits until either direction is reset: no connection lives with one direction alone.
async fn reset(there: &mut Lane, back: &mut Lane) {
    tokio::select! {
        () = there.reset() => {}
        () = back.reset() => {}
    }
}

/// Connects to the target. Across a silent cut no connection comes about, and none is refused either.
async fn open(target: SocketAddr, mut there: Lane, mut back: Lane) -> io::Result<TcpStream> {
    if !there.passable().await || !back.passable().await {
        return Err(io::Error::other("the run is over"));
    }
    let stream = TcpStream::connect(target).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::link::{DirectedLink, Links, Quality, Shape};

    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const BOTH: [DirectedLink; 2] = [(1, 2), (2, 1)];

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

    async fn proxy(links: &Links) -> Proxy {
        let (there, back) = (links.lane((1, 2)).unwrap(), links.lane((2, 1)).unwrap());
        Proxy::start(LOOPBACK, echo().await, there, back, 1).await.unwrap()
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
        let proxy = proxy(&links).await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ask(&mut stream).await, Some(7));
        for (from, to) in [(1, 2), (2, 1)] {
            links.change(&[(from, to)], &|shape| shape.cuts += 1);
            assert_eq!(ask(&mut stream).await, None, "cut {from} to {to}");
            links.change(&BOTH, &|shape| *shape = Shape::default());
            // The answer that was held up, and then a new one.
            let mut late = [0];
            stream.read_exact(&mut late).await.unwrap();
            assert_eq!(ask(&mut stream).await, Some(7));
        }
    }

    #[tokio::test]
    async fn across_a_cut_a_new_connection_is_neither_made_nor_refused() {
        let links = Links::between(&[1, 2]);
        let proxy = proxy(&links).await;
        links.change(&BOTH, &|shape| shape.cuts += 1);
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ask(&mut stream).await, None);
        links.change(&BOTH, &|shape| shape.cuts -= 1);
        let mut late = [0];
        stream.read_exact(&mut late).await.unwrap();
        assert_eq!(late, [7]);
    }

    #[tokio::test]
    async fn a_cut_that_resets_ends_what_is_open_and_what_is_opened() {
        for link in BOTH {
            let links = Links::between(&[1, 2]);
            let proxy = proxy(&links).await;
            let mut open = TcpStream::connect(proxy.address()).await.unwrap();
            assert_eq!(ask(&mut open).await, Some(7));
            // Held up by a silent cut, and then told.
            links.change(&[link], &|shape| shape.cuts += 1);
            let mut waiting = TcpStream::connect(proxy.address()).await.unwrap();
            assert_eq!(ask(&mut waiting).await, None);
            links.change(&[link], &|shape| shape.resets += 1);
            let mut late = TcpStream::connect(proxy.address()).await.unwrap();
            for stream in [&mut open, &mut waiting, &mut late] {
                let ended = stream.read(&mut [0]).await.unwrap_err();
                assert_eq!(ended.kind(), io::ErrorKind::ConnectionReset, "{link:?}");
            }
            links.change(&[link], &|shape| *shape = Shape::default());
            let mut again = TcpStream::connect(proxy.address()).await.unwrap();
            assert_eq!(ask(&mut again).await, Some(7));
        }
    }

    #[tokio::test]
    async fn a_line_that_breaks_connections_resets_both_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        let links = Links::between(&[1, 2]);
        let (there, back) = (links.lane((1, 2)).unwrap(), links.lane((2, 1)).unwrap());
        let proxy = Proxy::start(LOOPBACK, target, there, back, 1).await.unwrap();
        let mut near = TcpStream::connect(proxy.address()).await.unwrap();
        let (mut far, _) = listener.accept().await.unwrap();
        let breaks = Quality { resets: 1.0, ..Quality::default() };
        links.change(&[(1, 2)], &|shape| shape.worsen(breaks));
        near.write_all(&[7]).await.unwrap();
        for stream in [&mut near, &mut far] {
            let ended = stream.read(&mut [0]).await.unwrap_err();
            assert_eq!(ended.kind(), io::ErrorKind::ConnectionReset);
        }
    }

    #[tokio::test]
    async fn whom_nobody_listens_to_is_told() {
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let links = Links::between(&[1, 2]);
        let (there, back) = (links.lane((1, 2)).unwrap(), links.lane((2, 1)).unwrap());
        let proxy = Proxy::start(LOOPBACK, nobody, there, back, 1).await.unwrap();
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        let ended = stream.read(&mut [0]).await.unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::ConnectionReset);
    }
}
