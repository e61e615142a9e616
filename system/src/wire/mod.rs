//! What travels between processes, and how.
//!
//! A connection starts with a [`Hello`](frame::Hello); then both sides send length-prefixed bincode
//! frames, each with a request id, so that answers may come in any order. [`tls`] wraps the streams
//! of [`transport`]; nothing else knows what lies below them.

pub mod address;
mod budget;
pub mod client;
pub mod codec;
pub mod connection;
pub mod connections;
pub mod foreign;
pub mod frame;
mod framing;
mod intake;
pub mod limits;
pub mod links;
pub mod loopback;
pub mod origin;
mod outflow;
pub mod server;
pub mod tls;
pub mod transport;
