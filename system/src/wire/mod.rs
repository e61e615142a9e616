//! What travels between processes, and how.

pub mod codec;
