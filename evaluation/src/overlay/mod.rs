//! Runs of one scenario laid over one another, a run by process and one by Docker for instance: two
//! figures, a table side by side, and what sets the runs apart. One file a format.
//!
//! Nothing is judged here. Every run is read and assessed as for its own report.

mod csv;
mod difference;
pub mod json;
mod markdown;
mod page;
mod table;
pub mod terminal;

use std::{
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{
    assessment::{Assessment, assess},
    figure::{self, Trace},
    report::{Folder, ReportError, check_writable, environment, words::MANY_FAULTS, write_figures},
    run::RunDirectory,
};
use difference::Differences;
use table::Group;

/// Names of the files of an overlay.
pub mod file {
    /// The page for people.
    pub const HTML: &str = "overlay.html";
    /// The same without figures.
    pub const MARKDOWN: &str = "overlay.md";
    /// The table, a row a run and figure.
    pub const CSV: &str = "overlay.csv";
}

/// Fewer runs cannot be laid over one another.
pub const MIN_RUNS: usize = 2;
/// More runs cannot be told apart.
pub const MAX_RUNS: usize = figure::MAX_TRACES;

/// One of the runs.
#[derive(Debug, Clone)]
pub struct Layer {
    /// What it is called where room is short: `A`, `B`, …
    pub letter: char,
    /// Its run directory.
    pub path: PathBuf,
    /// The run, as read.
    pub run: RunDirectory,
    /// What it shows.
    pub assessment: Assessment,
}

impl Layer {
    /// `A  leader-kill-20261121T035007, process, seed 42`.
    fn label(&self) -> String {
        let m = &self.run.manifest;
        format!("{}  {}, {}, seed {}", self.letter, m.name, m.driver, m.seed)
    }
}

/// Runs, and what they show beside one another. The first is what the others are compared with.
#[derive(Debug, Clone)]
pub struct Overlay {
    layers: Vec<Layer>,
    groups: Vec<Group>,
    differences: Differences,
}

impl Overlay {
    /// Lays runs, with their directories, over one another. Reads and writes nothing.
    pub fn of(runs: impl IntoIterator<Item = (PathBuf, RunDirectory)>) -> Self {
        let layers: Vec<Layer> = ('A'..)
            .zip(runs)
            .map(|(letter, (path, run))| Layer { letter, path, assessment: assess(&run), run })
            .collect();
        let (groups, differences) = (table::groups(&layers), Differences::between(&layers));
        Self { layers, groups, differences }
    }

    fn title(&self) -> String {
        let scenario = self.layers.first().map_or("", |layer| layer.run.manifest.scenario.as_str());
        format!("{scenario}: {} runs laid over one another", self.layers.len())
    }

    /// The columns of the table: `A`, `B`, `B / A`, `C`, `C / A`, after one for the figure's name.
    fn columns(&self) -> Vec<String> {
        let mut names = vec![String::new()];
        for (place, layer) in self.layers.iter().enumerate() {
            names.push(layer.letter.to_string());
            if place > 0 {
                names.push(format!("{} / A", layer.letter));
            }
        }
        names
    }

    /// The table in two parts: what is always shown, and single faults where there are so many that they are
    /// folded up, or left out where nothing can be.
    fn shown_and_folded(&self) -> (Vec<&Group>, Vec<&Group>) {
        let many = self.groups.iter().filter(|group| group.fault.is_some()).count() > MANY_FAULTS;
        self.groups.iter().partition(|group| !many || group.fault.is_none())
    }

    /// What ran where: a name, and a value a run.
    fn facts(&self) -> Vec<(&'static str, Vec<String>)> {
        let of_runs: Vec<_> =
            self.layers.iter().map(|layer| environment::facts(&layer.run.manifest)).collect();
        let mut names: Vec<&'static str> = Vec::new();
        // A name that not all of them have keeps its place among its neighbours.
        for facts in &of_runs {
            let mut place = 0;
            for (name, _) in facts {
                place = match names.iter().position(|known| known == name) {
                    Some(known) => known + 1,
                    None => {
                        names.insert(place, name);
                        place + 1
                    }
                };
            }
        }
        let value = |facts: &Vec<(&str, String)>, name: &str| {
            facts
                .iter()
                .find(|(known, _)| *known == name)
                .map_or_else(|| "–".to_owned(), |(_, value)| value.clone())
        };
        names
            .into_iter()
            .map(|name| (name, of_runs.iter().map(|facts| value(facts, name)).collect()))
            .collect()
    }

    fn traces(&self) -> Vec<Trace<'_>> {
        self.layers
            .iter()
            .map(|layer| Trace {
                letter: layer.letter,
                label: layer.label(),
                run: &layer.run,
                assessment: &layer.assessment,
            })
            .collect()
    }
}

/// An overlay that was made.
#[derive(Debug, Clone)]
pub struct Made {
    /// What it shows.
    pub overlay: Overlay,
    /// The page for people.
    pub html: PathBuf,
}

/// An overlay that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum OverlayError {
    /// A run cannot be read, or the overlay not be drawn or written.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// Its folder cannot be made.
    #[error(transparent)]
    Folder(#[from] loadgen::run::RunError),
}

/// Reads the run directories, lays them over one another, and writes what that gives into the folder
/// `out`; without one, into a new folder beside the first run.
///
/// # Errors
/// When a run cannot be read, or the folder not be written, or a figure not be painted.
pub fn make(runs: &[PathBuf], out: Option<&Path>) -> Result<Made, OverlayError> {
    if let Some(out) = out {
        check_writable(out)?;
    }
    let mut read = Vec::with_capacity(runs.len());
    for path in runs {
        read.push((path.clone(), RunDirectory::open(path).map_err(ReportError::from)?));
    }
    let overlay = Overlay::of(read);
    // Painted before there is a folder: what fails leaves nothing behind.
    let figures = figure::overlay(&overlay.title(), &overlay.traces()).map_err(ReportError::from)?;
    let path = folder(runs, out)?;
    let folder = Folder::open(&path)?;
    write_figures(&folder, &figures)?;
    folder.put(file::CSV, csv::render(&overlay).as_bytes())?;
    folder.put(file::MARKDOWN, markdown::render(&overlay).as_bytes())?;
    folder.put(file::HTML, page::render(&overlay, &figures, &path).as_bytes())?;
    Ok(Made { overlay, html: path.join(file::HTML) })
}

fn folder(runs: &[PathBuf], out: Option<&Path>) -> Result<PathBuf, OverlayError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| ReportError::Write { path, source }
    };
    if let Some(out) = out {
        std::fs::create_dir_all(out).map_err(failed(out))?;
        return Ok(out.to_owned());
    }
    let first = runs.first().map_or(Path::new("."), PathBuf::as_path);
    let first = first.canonicalize().map_err(failed(first))?;
    let beside = first.parent().unwrap_or(&first);
    Ok(loadgen::run::make_folder(beside, "overlay", SystemTime::now())?)
}

#[cfg(test)]
mod tests;
