//! Veil: a fault-tolerant image-sharing network.
//!
//! The pure parts (`stego`, `seal`, `identity`, `directory`, `balance`) do no I/O and take time and randomness as
//! arguments; `alarm` is what a node tells its operator; `wire` carries values between processes; `consensus` replicates the directory; `node`
//! is one server, `client` talks to a cluster of them, `cli` is the `veil` program.

pub mod alarm;
pub mod balance;
pub mod cli;
pub mod client;
pub mod clock;
pub mod consensus;
pub mod directory;
pub mod identity;
pub mod node;
pub mod os_error;
pub mod peer;
mod priority;
pub mod seal;
pub mod stego;
pub mod wire;
