//! What a listener, and each address that connects to it, may take.

/// The limits of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections that are open at a time.
    pub connections: usize,
    /// Those of one address.
    pub connections_per_address: usize,
    /// Connections that are half open at a time.
    pub half_open: usize,
    /// Those of one address.
    pub half_open_per_address: usize,
    /// Memory for requests from their arrival to their answer, and for answers until they are read, bytes.
    pub memory: usize,
    /// That of one address.
    pub memory_per_address: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            connections_per_address: 1024,
            half_open: 1024,
            half_open_per_address: 256,
            memory: 512 << 20,
            memory_per_address: 192 << 20,
        }
    }
}

impl Limits {
    /// As many connections as by default, and whatever they need: for those who have shown that they are nodes.
    pub fn of_nodes() -> Self {
        Self { memory: usize::MAX, memory_per_address: usize::MAX, ..Self::default() }
    }
}
