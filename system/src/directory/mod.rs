//! The replicated directory.

mod id;

pub use id::{ImageId, InvalidId, InvalidName, RequestId, UserName};
