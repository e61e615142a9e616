//! What a node is given from outside: in production sockets, files, the clock and the system's
//! randomness; in a simulation pipes, memory, a set clock and a seed.

use std::sync::Arc;

use parking_lot::Mutex;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

use super::SharedKeys;
use crate::{clock::UnixClock, consensus::Disk, wire::transport::Network};

/// A source of random numbers that may be shared.
#[derive(Debug)]
pub struct Entropy(Mutex<ChaCha20Rng>);

impl Entropy {
    /// Seeded by the operating system.
    pub fn from_system() -> Self {
        let mut seed = [0; 32];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut seed)
            // Without randomness there is no secret; nothing sensible could go on.
            .expect("the operating system gives random numbers");
        Self(Mutex::new(ChaCha20Rng::from_seed(seed)))
    }

    /// Seeded by a number, for simulations.
    pub fn from_seed(seed: u64) -> Self {
        Self(Mutex::new(ChaCha20Rng::seed_from_u64(seed)))
    }

    /// Draws with the generator.
    pub fn draw<T>(&self, draw: impl FnOnce(&mut ChaCha20Rng) -> T) -> T {
        draw(&mut self.0.lock())
    }

    /// 128 random bits.
    pub fn bits(&self) -> u128 {
        self.draw(|rng| (u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64()))
    }
}

/// The world around a node.
#[derive(Clone)]
pub struct Environment {
    /// Streams between nodes.
    pub peers: Arc<dyn Network>,
    /// Streams from clients, and to other nodes where these serve clients.
    pub clients: Arc<dyn Network>,
    /// Streams for the pages over HTTP.
    pub http: Arc<dyn Network>,
    /// What survives the node.
    pub disk: Arc<dyn Disk>,
    /// The time of day.
    pub clock: UnixClock,
    /// Randomness for content keys.
    pub entropy: Arc<Entropy>,
    /// What all nodes of the cluster know in common.
    pub keys: SharedKeys,
    /// Where Raft runs, so that nothing else delays its heartbeats.
    pub raft_runtime: tokio::runtime::Handle,
}
