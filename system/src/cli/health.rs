//! `veil health`: asks this machine's node whether it serves.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use anyhow::Context;
use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;

use super::{block_on, escape::shown, say};
use crate::{
    node::NodeConfig,
    wire::transport::{Network, Tcp},
};

/// How long the node may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest answer that is read, bytes.
const ANSWER_LIMIT: usize = 4096;

/// Ask the node that a configuration belongs to whether it is healthy.
///
/// Exits with 0 when it serves and knows who leads; says why not and exits with 1 otherwise, within 2 s.
/// It asks at `listen.http`, and is made for the health check of a container.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// The configuration file that the node was started with.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// Prints the node's answer.
///
/// # Errors
/// When the node is not healthy, does not answer, or has no address for HTTP.
pub fn run(args: &HealthArgs) -> anyhow::Result<()> {
    let config = NodeConfig::load(&args.config)?;
    let address = config.listen.http.as_deref().with_context(|| {
        format!("{}: listen.http is not set, so nothing tells how the node is", shown(&args.config))
    })?;
    let address = reachable(address);
    block_on(async {
        let asked = tokio::time::timeout(PATIENCE, ask(&address)).await;
        let (status, answer) = asked
            .map_err(|_| anyhow::anyhow!("no answer from {address} within {PATIENCE:?}"))?
            .with_context(|| format!("no answer from {address}"))?;
        anyhow::ensure!(status == StatusCode::OK, "{answer}");
        Ok(say(answer)?)
    })
}

async fn ask(address: &str) -> anyhow::Result<(StatusCode, String)> {
    let stream = Tcp::default().dial(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the runtime at the latest.
    tokio::spawn(connection);
    let request = Request::get("/healthz").header(HOST, address).body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_LIMIT).collect().await;
    let body = body.map_err(anyhow::Error::from_boxed)?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).trim_end().to_owned()))
}

/// Where a listener on `address` is reached from its own machine: nobody can dial 0.0.0.0.
fn reachable(address: &str) -> String {
    let Ok(mut socket) = address.parse::<SocketAddr>() else { return address.to_owned() };
    if socket.ip().is_unspecified() {
        socket.set_ip(match socket.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    socket.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_asked_on_loopback() {
        assert_eq!(reachable("0.0.0.0:7300"), "127.0.0.1:7300");
        assert_eq!(reachable("[::]:7300"), "[::1]:7300");
        assert_eq!(reachable("172.30.71.11:7300"), "172.30.71.11:7300");
        assert_eq!(reachable("n1:7300"), "n1:7300");
    }
}
