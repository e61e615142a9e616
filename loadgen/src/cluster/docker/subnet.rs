//! The addresses of a run: one subnet, in which every node has an address of its own that it keeps.

use std::{collections::HashMap, net::Ipv4Addr};

use bollard::{
    errors::Error,
    models::{Ipam, IpamConfig, NetworkCreateRequest},
};
use veil::wire::client::NodeId;

use super::engine::{Engine, failed};
use crate::cluster::ClusterError;

/// Subnets are `10.213.0.0/24` to `10.213.255.0/24`, in the private range of RFC 1918.
const BLOCK: [u8; 2] = [10, 213];
/// The node n1 is the host number 11 of its subnet.
const FIRST_NODE: u8 = 10;
/// The load generator g1 is number 65. All of them, 16 at most, have addresses of a block of their own.
const FIRST_GENERATOR: u8 = 64;
const GENERATORS_PREFIX: u8 = 27;

/// A subnet of 256 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Subnet(u8);

impl Subnet {
    fn host(self, number: u8) -> Ipv4Addr {
        Ipv4Addr::new(BLOCK[0], BLOCK[1], self.0, number)
    }

    /// This machine, as the nodes see it.
    pub(super) fn gateway(self) -> Ipv4Addr {
        self.host(1)
    }

    /// A node's address.
    pub(super) fn node(self, id: NodeId) -> Ipv4Addr {
        // Scenarios have five nodes at most.
        self.host(FIRST_NODE + u8::try_from(id).unwrap_or(u8::MAX - FIRST_NODE))
    }

    /// A load generator's address, counted from 0.
    pub(super) fn generator(self, index: u32) -> Ipv4Addr {
        // There are at most 16.
        self.host(FIRST_GENERATOR + 1 + (index % 16) as u8)
    }

    /// Where clients of the nodes are, as the packet filter takes it: this machine and the load generators.
    pub(super) fn outside(self) -> [String; 2] {
        [self.gateway().to_string(), format!("{}/{GENERATORS_PREFIX}", self.host(FIRST_GENERATOR))]
    }

    /// Makes a network of the first subnet that nobody has. Which one is tried first depends on the process, so
    /// that runs that start together seldom meet.
    pub(super) async fn create_network(
        engine: &Engine,
        name: &str,
        labels: HashMap<String, String>,
    ) -> Result<Self, ClusterError> {
        let first = (std::process::id() % 256) as u8;
        let mut refused = None;
        for step in 0..=u8::MAX {
            let subnet = Self(first.wrapping_add(step));
            let addresses = IpamConfig {
                subnet: Some(subnet.to_string()),
                gateway: Some(subnet.gateway().to_string()),
                ..IpamConfig::default()
            };
            let request = NetworkCreateRequest {
                name: name.to_owned(),
                driver: Some("bridge".to_owned()),
                ipam: Some(Ipam { config: Some(vec![addresses]), ..Ipam::default() }),
                labels: Some(labels.clone()),
                ..NetworkCreateRequest::default()
            };
            match engine.docker.create_network(request).await {
                Ok(_) => return Ok(subnet),
                Err(error) if overlaps(&error) => refused = Some(error),
                Err(error) => return Err(failed("make a network")(error)),
            }
        }
        let all = "every subnet of 10.213.0.0/16 is taken".to_owned();
        Err(failed("make a network")(refused.unwrap_or(Error::DockerStreamError { error: all })))
    }
}

impl std::fmt::Display for Subnet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/24", self.host(0))
    }
}

fn overlaps(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { message, .. } if message.contains("overlaps"))
}
