//! What the link proxy costs where it does nothing: a round trip and a transfer over loopback, directly and by
//! way of it.
//!
//!     cargo bench -p loadgen --bench link

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use loadgen::link::{Links, Proxy};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// About what a heartbeat takes, bytes.
const MESSAGE: usize = 64;
/// About what a sealed image takes, bytes.
const IMAGE: usize = 1 << 20;

/// Sends everything back.
async fn echo() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind((LOOPBACK, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::spawn(async move {
                let (mut reading, mut writing) = stream.split();
                tokio::io::copy(&mut reading, &mut writing).await
            });
        }
    });
    Ok(address)
}

async fn connect(to: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// There and back again.
async fn round_trip(stream: &mut TcpStream, sent: &[u8], received: &mut [u8]) {
    let (mut reading, mut writing) = stream.split();
    let (written, read) = tokio::join!(writing.write_all(sent), reading.read_exact(received));
    assert!(written.is_ok() && read.is_ok(), "the connection broke: {written:?}, {read:?}");
}

fn benches(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let links = Links::between(&[1, 2]);
    let (direct, proxy) = runtime.block_on(async {
        let direct = echo().await.expect("a port");
        let (there, back) = (links.lane((1, 2)), links.lane((2, 1)));
        let (there, back) = (there.expect("a link"), back.expect("a link"));
        (direct, Proxy::start(LOOPBACK, direct, there, back, 1).await.expect("a port"))
    });
    for (name, bytes) in [("round trip of 64 B", MESSAGE), ("round trip of 1 MiB", IMAGE)] {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(bytes as u64));
        let (sent, mut received) = (vec![7; bytes], vec![0; bytes]);
        for (way, to) in [("direct", direct), ("through the proxy", proxy.address())] {
            let mut stream = runtime.block_on(connect(to)).expect("a connection");
            group.bench_function(way, |bencher| {
                bencher.iter(|| runtime.block_on(round_trip(&mut stream, &sent, &mut received)));
            });
        }
        group.finish();
    }
}

criterion_group!(link, benches);
criterion_main!(link);
