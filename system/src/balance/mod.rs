//! Who should do the next piece of work. Pure: samples and times come in, a choice goes out.

mod health;

pub use health::{HealthSample, HealthTable};
