//! Veil: a fault-tolerant image-sharing network.
//!
//! Dependencies point up this list, from the command line towards the pure parts:
//! `cli` → `client`, `node` → `consensus`, `balance` → `wire` → `directory`, `seal` → `stego`.

pub mod directory;
pub mod seal;
pub mod stego;
pub mod wire;
