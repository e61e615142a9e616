//! The load: who asks how often for what.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::OperationKind;

/// The load.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// Simulated users.
    pub clients: u32,
    /// How many load generators they are split among.
    pub generators: u32,
    /// Where these run.
    pub from: Origin,
    /// How gaps between operations are drawn.
    pub arrival: Arrival,
    /// Above so many outstanding operations a due one is shed.
    pub max_in_flight: u32,
    /// When an operation without an answer is given up, counted from its due time.
    pub timeout: Duration,
    /// The stages, in order.
    pub stages: Vec<Stage>,
    /// Relative frequency of each operation, zeros included; at least one is above zero.
    pub mix: BTreeMap<OperationKind, u32>,
    /// Where the photos come from.
    pub images: Images,
}

impl Load {
    /// There are no more load generators.
    pub const MAX_GENERATORS: u32 = 16;

    /// Whether so many generators can share this load.
    ///
    /// # Errors
    /// When one of them would have nothing to do.
    pub fn can_be_split(&self, generators: u32) -> Result<(), SplitError> {
        let refuse = |expected: String| Err(SplitError { generators, expected });
        let (clients, most) = (self.clients, self.max_in_flight);
        if generators == 0 || generators > Self::MAX_GENERATORS {
            return refuse(format!("a whole number from 1 to {}", Self::MAX_GENERATORS));
        }
        // One shares a picture, another one looks at it.
        if generators > 1 && generators > clients / 2 {
            return refuse(format!("at least two of the {clients} clients for each"));
        }
        if generators > most {
            return refuse(format!("at least one of the {most} of max_in_flight for each"));
        }
        Ok(())
    }

    /// How long all stages last.
    pub fn length(&self) -> Duration {
        self.stages.iter().map(|stage| stage.length).sum()
    }

    /// The stage at `at` from the start of the first, and how far into it that is; none when all
    /// are over.
    pub fn stage_at(&self, at: Duration) -> Option<(&Stage, Duration)> {
        let mut into = at;
        for stage in &self.stages {
            match into.checked_sub(stage.length) {
                None => return Some((stage, into)),
                Some(beyond) => into = beyond,
            }
        }
        None
    }

    /// The rate at `at` from the start of the first stage, operations a second; 0 after the last.
    pub fn rate_at(&self, at: Duration) -> f64 {
        (self.stage_at(at)).map_or(0.0, |(stage, into)| stage.rate_at(into))
    }
}

/// A load that cannot be split among so many generators.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{generators} load generators are not possible; expected {expected}")]
pub struct SplitError {
    /// How many were wanted.
    pub generators: u32,
    /// What would have been right.
    pub expected: String,
}

/// Where the load comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// This machine, by way of whatever leads to the nodes.
    Outside,
    /// Containers in the nodes' own network.
    Inside,
}

impl Origin {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Outside, Self::Inside];

    /// The name used in scenarios and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Outside => "outside",
            Self::Inside => "inside",
        }
    }
}

/// How gaps between operations are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrival {
    /// Exponential gaps: a Poisson process.
    Poisson,
    /// Equal gaps.
    Constant,
}

impl Arrival {
    /// The name used in scenarios and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Poisson => "poisson",
            Self::Constant => "constant",
        }
    }
}

/// One stretch of load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// How long it lasts.
    pub length: Duration,
    /// Operations a second when it begins.
    pub rate_from: f64,
    /// Operations a second when it ends; different from `rate_from` in a ramp.
    pub rate_to: f64,
    /// A warm-up stage is shown in figures and left out of limits.
    pub warmup: bool,
}

impl Stage {
    /// How many operations are due in it, on average: the area under its rate.
    pub fn operations(&self) -> f64 {
        (self.rate_from + self.rate_to) / 2.0 * self.length.as_secs_f64()
    }

    /// The rate `into` the stage, operations a second.
    pub fn rate_at(&self, into: Duration) -> f64 {
        let part = into.as_secs_f64() / self.length.as_secs_f64();
        self.rate_from + (self.rate_to - self.rate_from) * part
    }
}

/// Where the photos come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Images {
    /// The built-in set, drawn by a seeded generator.
    Photos,
    /// PNG and JPEG files of a folder.
    Folder(PathBuf),
}
