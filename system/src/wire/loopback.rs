//! Streams that never leave this machine: without encryption, nothing else is allowed.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use futures_util::future::BoxFuture;

use super::{
    address::NoAddress,
    transport::{BoxedStream, Listener, Network},
};

/// Whether `address`, with a port, is one of this machine's that no other machine reaches.
pub fn is_loopback(address: &str) -> bool {
    if let Ok(socket) = address.parse::<SocketAddr>() {
        return socket.ip().is_loopback();
    }
    let Some((host, _port)) = address.rsplit_once(':') else { return false };
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Another network, as far as it is this machine.
#[derive(Clone)]
pub struct Loopback(pub Arc<dyn Network>);

impl Network for Loopback {
    fn dial(&self, address: &str) -> BoxFuture<'static, io::Result<BoxedStream>> {
        match check(address) {
            Ok(()) => self.0.dial(address),
            Err(refused) => Box::pin(std::future::ready(Err(refused))),
        }
    }

    fn listen(&self, address: &str) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        match check(address) {
            Ok(()) => self.0.listen(address),
            Err(refused) => Box::pin(std::future::ready(Err(refused))),
        }
    }

    fn check(&self, address: &str) -> Result<(), NoAddress> {
        self.0.check(address)
    }
}

fn check(address: &str) -> io::Result<()> {
    if is_loopback(address) {
        return Ok(());
    }
    let reason = format!("{address} is not on loopback, and plain TCP is for loopback alone");
    Err(io::Error::new(io::ErrorKind::PermissionDenied, reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::transport::Pipes;

    #[test]
    fn what_is_loopback_and_what_is_not() {
        for address in ["127.0.0.1:7101", "127.9.9.9:0", "[::1]:7101", "localhost:7101"] {
            assert!(is_loopback(address), "{address}");
        }
        for address in
            ["0.0.0.0:7101", "[::]:1", "192.168.0.1:1", "localhost", "localhost.example:1", "n1:1", ""]
        {
            assert!(!is_loopback(address), "{address}");
        }
    }

    #[tokio::test]
    async fn nothing_else_is_dialled_nor_listened_on() {
        let network = Loopback(Arc::new(Pipes::default()));
        let _listener = network.listen("127.0.0.1:1").await.unwrap();
        network.dial("127.0.0.1:1").await.unwrap();
        let refused = network.dial("10.0.0.1:1").await.err().unwrap().to_string();
        assert_eq!(refused, "10.0.0.1:1 is not on loopback, and plain TCP is for loopback alone");
        assert!(network.listen("0.0.0.0:1").await.is_err());
    }
}
