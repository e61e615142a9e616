//! Checks of the recorded history against what every node held in the end. One file a checker.
//!
//! A checker never guesses. What it can prove wrong is a failure, with the users, images and numbers;
//! what it cannot see (a node that did not answer, a history that was cut off) makes it inconclusive.

mod converged;
mod linearizable;
mod no_lost_ack;
mod quota;

use loadgen::{
    record::{Manifest, NodeReadback, Readback},
    scenario::HistoryCheck,
};

use crate::run::{History, RunDirectory};

/// So many counter-examples are written out; the rest is counted.
const MAX_EXAMPLES: usize = 10;

/// Every checker there is, in the order of reports.
pub const ALL: [HistoryCheck; 4] = HistoryCheck::ALL;

/// What a checker found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// Which checker.
    pub check: HistoryCheck,
    /// Whether the scenario asks for it. One that it does not ask for decides nothing when it is
    /// inconclusive; a violation is a violation, asked for or not.
    pub required: bool,
    /// What it found.
    pub result: CheckResult,
    /// How many operations it examined.
    pub operations: u64,
    /// What it examined in more words, where a number does not tell all.
    pub effort: Option<String>,
}

/// The outcome of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckResult {
    /// All that was examined is as it must be.
    Pass,
    /// Something is not.
    Fail {
        /// How many times.
        violations: u64,
        /// The first of them, in words.
        examples: Vec<String>,
    },
    /// Not everything could be examined, and what could be is as it must be.
    Inconclusive {
        /// What could not.
        reason: String,
    },
}

impl CheckResult {
    /// `pass`, `fail` or `inconclusive`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail { .. } => "fail",
            Self::Inconclusive { .. } => "inconclusive",
        }
    }
}

/// What a check promises, in one sentence for readers of the report.
pub fn promise(check: HistoryCheck) -> &'static str {
    match check {
        HistoryCheck::NoLostAck => {
            "every acknowledged user, image and grant is on every node, with the right owner, content and views left"
        }
        HistoryCheck::Quota => {
            "no grant was used more often than it allows, nor less often than views were acknowledged"
        }
        HistoryCheck::Converged => {
            "after the last heal all nodes hold the same directory at the same log index"
        }
        HistoryCheck::Linearizable => {
            "there is one order of all operations, each between its sending and its answer, in which every answer is right"
        }
    }
}

/// Runs every checker.
pub fn run_all(run: &RunDirectory) -> Vec<CheckReport> {
    let evidence = Evidence {
        history: &run.history,
        whole: run.manifest.complete,
        own: run.manifest.driver != Manifest::EXISTING,
        nodes: &run.node_ids(),
        readback: run.readback.as_ref(),
    };
    ALL.into_iter()
        .map(|check| {
            let counted = |(result, operations)| (result, operations, None);
            let (result, operations, effort) = match check {
                HistoryCheck::NoLostAck => counted(no_lost_ack::check(&evidence)),
                HistoryCheck::Quota => counted(quota::check(&evidence)),
                HistoryCheck::Converged => counted(converged::check(&evidence)),
                HistoryCheck::Linearizable => {
                    let linearizable::Examined { result, operations, effort } =
                        linearizable::check(&evidence);
                    (result, operations, Some(effort))
                }
            };
            let required = run.scenario.pass.history.contains(&check);
            CheckReport { check, required, result, operations, effort }
        })
        .collect()
}

/// What checkers look at.
#[derive(Debug, Clone, Copy)]
struct Evidence<'a> {
    history: &'a History,
    /// Whether the history is whole: otherwise something may have been done that it does not tell.
    whole: bool,
    /// Whether the run started the cluster itself: then nothing was there before, and nobody else wrote.
    own: bool,
    /// Every node of the cluster.
    nodes: &'a [u64],
    readback: Option<&'a Readback>,
}

impl<'a> Evidence<'a> {
    /// The nodes that answered.
    fn answered(&self) -> &'a [NodeReadback] {
        self.readback.map_or(&[], |r| &r.nodes)
    }

    /// What could not be seen, if anything.
    fn blind_spot(&self) -> Option<String> {
        let Some(readback) = self.readback else {
            return Some("the nodes were not read back".to_owned());
        };
        let mut reasons: Vec<String> =
            readback.silent.iter().map(|(node, why)| format!("n{node} did not answer: {why}")).collect();
        for node in self.nodes {
            let known = readback.nodes.iter().any(|n| n.node == *node)
                || readback.silent.iter().any(|(n, _)| n == node);
            if !known {
                reasons.push(format!("n{node} was not read back"));
            }
        }
        if readback.nodes.is_empty() && reasons.is_empty() {
            reasons.push("no node was read back".to_owned());
        }
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }

    /// What a history that is not whole hides.
    fn cut_off(&self) -> Option<String> {
        (!self.whole).then(|| {
            "the history is not whole: things may have been asked for that it does not tell of".to_owned()
        })
    }
}

/// Collects counter-examples.
#[derive(Debug, Default)]
struct Violations {
    count: u64,
    examples: Vec<String>,
}

impl Violations {
    fn add(&mut self, describe: impl FnOnce() -> String) {
        self.count += 1;
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push(describe());
        }
    }

    /// Violations count whatever could not be seen; without any, what could not be seen counts.
    fn conclude(self, blind_spot: Option<String>) -> CheckResult {
        match (self.count, blind_spot) {
            (0, None) => CheckResult::Pass,
            (0, Some(reason)) => CheckResult::Inconclusive { reason },
            (violations, _) => CheckResult::Fail { violations, examples: self.examples },
        }
    }
}

#[cfg(test)]
mod tests;
