//! Open-loop load and scheduled faults for a Veil cluster.
//!
//! A [`scenario`] says what happens when; the run is recorded in a run directory, whose parts are
//! the types of [`record`].

pub mod arrival;
pub mod photos;
pub mod record;
pub mod scenario;
