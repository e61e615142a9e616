//! When each operation is due.
