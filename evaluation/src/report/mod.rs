//! The report: every file that is derived from a run directory, written beside what the run recorded.
//! One file a format.

mod csv;
pub(crate) mod environment;
mod folder;
mod html;
pub(crate) mod markdown;
pub(crate) mod page;
mod stages;
mod style;
pub mod summary;
pub mod terminal;
pub(crate) mod words;

use std::{
    io,
    path::{Path, PathBuf},
};

pub(crate) use folder::{Folder, check_writable};
use loadgen::record::file as recorded;

use crate::{
    assessment::{Assessment, assess},
    figure::{self, Figure, PaintError},
    run::{RunDirectory, RunError},
};

/// Names of the derived files.
pub mod file {
    /// The report for people.
    pub const HTML: &str = "report.html";
    /// The report for CI summaries.
    pub const MARKDOWN: &str = "report.md";
    /// The report for scripts.
    pub const SUMMARY: &str = "summary.json";
    /// The four figures of every fault.
    pub const FAILOVER: &str = "failover.csv";
    /// Tenths of a second.
    pub const TIMESERIES: &str = "timeseries.csv";
    /// PNG and SVG of every figure.
    pub const FIGURES: &str = "figures";
}

/// Every file of a run directory, and what it is.
pub const FILES: [(&str, &str); 15] = [
    (file::HTML, "this report: one file that needs nothing else"),
    (file::MARKDOWN, "the same in short, for CI summaries"),
    (file::SUMMARY, "verdict, counts, latencies, faults, checks and limits, for scripts"),
    (file::FAILOVER, "the failover figures, a row a fault"),
    (file::TIMESERIES, "offered, ok, failed, unknown, shed and latency, a row a tenth of a second"),
    ("figures/", "every figure as PNG and SVG"),
    (recorded::SCENARIO, "the scenario as it ran, defaults filled in"),
    (recorded::MANIFEST, "what ran where: versions, machine, seed, nodes"),
    (recorded::HISTORY, "every operation: when it was due, sent and ended, what was asked and answered"),
    (recorded::LATENCY, "the same latencies as an HdrHistogram interval log, for other tools"),
    (recorded::EVENTS, "faults, heals and leaders: when asked for, when it had happened"),
    (recorded::NODES, "processor time, memory, tasks and log position, a row a node and second"),
    (recorded::STAGES, "how long each stage of a write took, a row a node and stage"),
    (recorded::READBACK, "what every node held after the last heal; the checks compare it with the history"),
    ("nodes/", "configuration and log of each node that the run started"),
];

/// A report that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The run directory cannot be read.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A figure cannot be painted.
    #[error(transparent)]
    Figure(#[from] PaintError),
    /// A folder that is to be written is a link.
    #[error("{path} is a link: nothing is written through it")]
    Link {
        /// Which.
        path: PathBuf,
    },
    /// A file cannot be written.
    #[error("{path}: {source}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// A report that was made.
#[derive(Debug, Clone)]
pub struct Made {
    /// The run, as read.
    pub run: RunDirectory,
    /// What it shows.
    pub assessment: Assessment,
    /// The report for people.
    pub html: PathBuf,
}

/// Reads the run directory at `path`, assesses it, and writes every derived file into it.
///
/// # Errors
/// When the directory cannot be read or written, or a figure cannot be painted.
pub fn make(path: &Path) -> Result<Made, ReportError> {
    check_writable(path)?;
    let run = RunDirectory::open(path)?;
    let assessment = assess(&run);
    write(path, &run, &assessment)?;
    Ok(Made { run, assessment, html: path.join(file::HTML) })
}

/// Writes every derived file of an assessed run into `path`. Figures of an earlier report are replaced. Nothing is
/// written through a link, and each file is there whole or as it was.
///
/// # Errors
/// When a file cannot be written or a figure cannot be painted.
pub fn write(path: &Path, run: &RunDirectory, assessment: &Assessment) -> Result<(), ReportError> {
    let figures = figure::all(run, assessment)?;
    let folder = Folder::open(path)?;
    write_figures(&folder, &figures)?.remove(|name| is_figure(name) && !is_among(name, &figures))?;
    folder.put(file::FAILOVER, csv::failover(&assessment.failovers).as_bytes())?;
    folder.put(file::TIMESERIES, csv::timeseries(&assessment.series).as_bytes())?;
    let summary = summary::Summary::of(run, assessment);
    folder.put(file::SUMMARY, summary.to_json().as_bytes())?;
    folder.put(file::MARKDOWN, markdown::render(run, assessment).as_bytes())?;
    folder.put(file::HTML, html::render(run, assessment, &figures).as_bytes())
}

/// Writes figures into their folder in `folder`, as PNG and SVG; gives that folder.
pub(crate) fn write_figures(folder: &Folder, figures: &[Figure]) -> Result<Folder, ReportError> {
    let folder = folder.inner(file::FIGURES)?;
    for figure in figures {
        folder.put(&format!("{}.png", figure.name), &figure.png)?;
        folder.put(&format!("{}.svg", figure.name), figure.svg.as_bytes())?;
    }
    Ok(folder)
}

fn is_figure(name: &Path) -> bool {
    name.extension().is_some_and(|ending| ending == "png" || ending == "svg")
}

fn is_among(name: &Path, figures: &[Figure]) -> bool {
    figures.iter().any(|figure| name.file_stem().is_some_and(|stem| stem == figure.name.as_str()))
}

#[cfg(test)]
mod tests;
