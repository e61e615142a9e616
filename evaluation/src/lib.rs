//! Reads run directories and says what they show.
//!
//! A [`run`] is opened once and typed; [`assessment::assess`] turns it into numbers and a
//! [`verdict`], without touching the disk; [`report::make`] does both and writes every derived file
//! (report, figures, tables, summary) beside what the run recorded. Whatever is shown can be made
//! again from the run directory alone.

pub mod assessment;
pub mod check;
pub mod failover;
pub mod figure;
pub mod foreign_text;
pub mod limit;
pub mod overlay;
pub mod report;
pub mod run;
pub mod series;
pub mod statistics;
pub mod verdict;

#[cfg(test)]
mod synthetic;
