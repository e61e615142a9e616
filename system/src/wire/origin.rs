//! Where a connection comes from, as far as limits go.

use std::net::{IpAddr, SocketAddr};

/// An IPv4 address, the /64 of an IPv6 address, or what else the transport calls it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// An address, or the beginning of many that belong together.
    Network(IpAddr),
    /// Whatever is no address.
    Other(String),
}

impl Origin {
    /// Of an address with a port.
    pub fn of(address: &str) -> Self {
        match address.parse::<SocketAddr>().map(|address| address.ip().to_canonical()) {
            Ok(IpAddr::V6(address)) => {
                Self::Network(IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()))
            }
            Ok(address) => Self::Network(address),
            Err(_) => Self::Other(address.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_do_not_matter_and_an_ipv6_network_is_one_place() {
        let from = Origin::of;
        assert_eq!(from("10.0.0.2:6000"), from("10.0.0.2:6001"));
        assert_ne!(from("10.0.0.2:6000"), from("10.0.0.3:6000"));
        assert_eq!(from("[2001:db8::1]:1"), from("[2001:db8::2]:9"));
        assert_ne!(from("[2001:db8::1]:1"), from("[2001:db8:0:1::1]:1"));
        assert_eq!(from("[::ffff:10.0.0.2]:1"), from("10.0.0.2:6000"));
        assert_eq!(from("pipe"), Origin::Other("pipe".to_owned()));
    }
}
