//! Open-loop load and scheduled faults for a Veil cluster.
//!
//! A [`scenario`] says what happens when; a [`run`] carries it out, with one [`generator`] or several, and
//! records it in a run directory, whose parts are the types of [`record`].

pub mod arrival;
pub mod cli;
pub mod cluster;
pub mod fault;
pub mod generator;
pub mod link;
pub mod observe;
pub mod photos;
pub mod record;
pub mod run;
pub mod say;
pub mod scenario;
mod signals;
pub mod workload;
