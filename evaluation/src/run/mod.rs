//! The run directory, typed and indexed once.

mod history;
mod log;
mod phases;
mod whole;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use loadgen::{
    record::{
        self, Event, HistoryReader, Manifest, NodeSample, Readback, RecordError, STAGES, StageSample, file,
        foreign,
    },
    scenario::Scenario,
};

pub use history::{Exchange, History, HistoryError, Operation};
pub use log::{LogTail, NodeLog};
pub use phases::Phases;

/// A scenario is a page of text: no larger one is read, bytes.
const MAX_SCENARIO: u64 = 1 << 20;

/// A run directory that cannot be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The path is not a run directory at all.
    #[error("{path} is not a run directory: {file} is missing")]
    NotARun {
        /// What was given.
        path: PathBuf,
        /// The file that every run directory has.
        file: &'static str,
    },
    /// Somebody is still writing it.
    #[error("{path} is still being written: the run goes on, and is judged when it has ended")]
    UnderWay {
        /// What was given.
        path: PathBuf,
    },
    /// A file of it cannot be read, or is not what it should be.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The scenario cannot be read; the reason names file and line.
    #[error("{0}")]
    Scenario(String),
    /// The history contradicts itself.
    #[error("{path}: {source}")]
    History {
        /// The history file.
        path: PathBuf,
        /// How.
        source: HistoryError,
    },
}

/// Everything one run recorded.
#[derive(Debug, Clone)]
pub struct RunDirectory {
    /// What was to happen.
    pub scenario: Scenario,
    /// The scenario as it stands in the directory, for people.
    pub scenario_text: String,
    /// What ran where.
    pub manifest: Manifest,
    /// Every operation, and what was said in those that change something.
    pub history: History,
    /// Faults, heals and leaders, in order of completion.
    pub events: Vec<Event>,
    /// How each node fared, second by second; may be empty.
    pub nodes: Vec<NodeSample>,
    /// Where writes spent their time on each node; empty, if the nodes have not told.
    pub stages: Vec<StageSample>,
    /// What every node held in the end; absent when the run did not come so far.
    pub readback: Option<Readback>,
    /// What the history lacks of what was recorded, in words; nothing, if it is whole.
    pub history_flaw: Option<String>,
    /// The logs that the manifest names, by node.
    pub logs: BTreeMap<u64, NodeLog>,
}

impl RunDirectory {
    /// Reads the run directory at `path`.
    ///
    /// `nodes.csv`, `stages.csv` and `readback.bin` may be missing: the figures and checks that need them say so.
    ///
    /// # Errors
    /// When `path` is no run directory, or one of its files is damaged.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        for required in [file::SCENARIO, file::MANIFEST, file::HISTORY, file::EVENTS] {
            if !is_there(&path.join(required)) {
                let path = path.to_owned();
                return Err(match loadgen::run::is_under_way(&path) {
                    true => RunError::UnderWay { path },
                    false => RunError::NotARun { path, file: required },
                });
            }
        }
        let (scenario, scenario_text) = load_scenario(&path.join(file::SCENARIO))?;
        let mut run = Self::read_records(path, scenario)?;
        run.scenario_text = scenario_text;
        Ok(run)
    }

    /// Reads everything but the scenario.
    fn read_records(path: &Path, scenario: Scenario) -> Result<Self, RunError> {
        let manifest = Manifest::read(&path.join(file::MANIFEST))?;
        let events = record::read_events(&path.join(file::EVENTS))?;
        let nodes = if_present(&path.join(file::NODES), record::read_node_samples)?.unwrap_or_default();
        let stages = if_present(&path.join(file::STAGES), record::read_stage_samples)?.unwrap_or_default();
        let readback = if_present(&path.join(file::READBACK), Readback::read)?;

        let history_path = path.join(file::HISTORY);
        let mut history = history::Join::default();
        for record in HistoryReader::open(&history_path)? {
            history
                .add(record?)
                .map_err(|source| RunError::History { path: history_path.clone(), source })?;
        }
        let logs = log::read_all(path, &manifest);
        let history_flaw = whole::flaw(&history_path, &manifest)?;
        Ok(Self {
            logs,
            history_flaw,
            stages,
            ..Self::from_parts(scenario, manifest, history.finish(), events, nodes, readback)
        })
    }

    /// Puts a run together from its parts, as if it had been read.
    pub fn from_parts(
        scenario: Scenario,
        manifest: Manifest,
        history: History,
        mut events: Vec<Event>,
        nodes: Vec<NodeSample>,
        readback: Option<Readback>,
    ) -> Self {
        events.sort_by(|a, b| a.completed_s.total_cmp(&b.completed_s));
        Self {
            scenario,
            scenario_text: String::new(),
            manifest,
            history,
            events,
            nodes,
            stages: Vec::new(),
            readback,
            history_flaw: None,
            logs: BTreeMap::new(),
        }
    }

    /// The operations of the load, without those that set the run up before it.
    pub fn measured(&self) -> impl Iterator<Item = &Operation> + Clone {
        self.history.operations.iter().filter(|o| !o.is_setup())
    }

    /// Those of them that were due outside of warm-up.
    pub fn after_warmup(&self) -> impl Iterator<Item = &Operation> + Clone {
        let phases = self.phases();
        self.measured().filter(move |o| !phases.is_warmup(o.due_s()))
    }

    /// When the stages begin and end.
    pub fn phases(&self) -> Phases {
        Phases::of(&self.scenario.load.stages)
    }

    /// When the load ended, s: with the last stage, or, when the run was ended early, with the last
    /// operation that was due. Nothing was asked for after that, so no silence after that is an outage.
    pub fn end_s(&self) -> f64 {
        let planned_s = self.phases().end_s();
        match self.manifest.interrupted {
            None => planned_s,
            Some(_) => self.measured().map(Operation::due_s).fold(0.0, f64::max).min(planned_s),
        }
    }

    /// The stages of a write that nodes have told of, in their order; those not known here come last.
    pub fn stage_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for sample in &self.stages {
            if !names.contains(&sample.stage.as_str()) {
                names.push(&sample.stage);
            }
        }
        // Stable: strangers keep the order in which they were told.
        names.sort_by_key(|name| STAGES.iter().position(|known| known == name).unwrap_or(STAGES.len()));
        names
    }

    /// What nodes have told of a stage that writes went through, by node.
    pub fn of_stage(&self, stage: &str) -> Vec<&StageSample> {
        let told = self.stages.iter().filter(|sample| sample.stage == stage && sample.count > 0);
        let mut told: Vec<&StageSample> = told.collect();
        told.sort_by_key(|sample| sample.node);
        told
    }

    /// The numbers of all nodes, sorted.
    pub fn node_ids(&self) -> Vec<u64> {
        let mut ids: Vec<u64> = self.manifest.nodes.iter().map(|n| n.id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

fn if_present<T>(
    path: &Path,
    read: impl FnOnce(&Path) -> Result<T, RecordError>,
) -> Result<Option<T>, RunError> {
    if is_there(path) { Ok(Some(read(path)?)) } else { Ok(None) }
}

/// Whether there is anything of that name, be it a link to nowhere.
fn is_there(path: &Path) -> bool {
    !path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Reads and validates the scenario, and gives its text too.
fn load_scenario(path: &Path) -> Result<(Scenario, String), RunError> {
    let text = foreign::read_text(path, MAX_SCENARIO)?;
    let name = path.display().to_string();
    let scenario = Scenario::parse(&text, &name).map_err(|e| RunError::Scenario(e.to_string()))?;
    Ok((scenario, text))
}

#[cfg(test)]
mod tests;
