//! `summary.json`: what scripts and CI read. Fields are added; one that comes to mean something else gets another
//! name, and the format another number.

use std::collections::BTreeMap;

use loadgen::record::{Containers, Machine, Manifest, NodeLimits, NodeManifest, StageSample};
use loadgen::scenario::Implied;
use serde::Serialize;

use super::words;
use crate::{
    assessment::{Assessment, Tally},
    check::CheckResult,
    failover::{Elect, Failover, Gap, KindFigures, Recover, Unavailable},
    foreign_text,
    run::RunDirectory,
    statistics::{Distribution, Latencies},
};

/// The whole summary. Times are milliseconds where the name says `_ms`, seconds since the load began
/// where it says `_s`; what was not, or not seen, is `null`.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The version of this format; 2.
    pub format: u32,
    /// The run's name.
    pub run: String,
    /// The scenario file's name.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// What the programs were built from.
    pub commit: Option<String>,
    /// `pass`, `fail` or `inconclusive`.
    pub verdict: &'static str,
    /// The verdict in words.
    pub sentence: String,
    /// Why it is not a pass.
    pub reasons: Vec<String>,
    /// Counts: of all at the top, and of each operation under its name.
    pub operations: WithEach<Counts>,
    /// Latencies of answered operations from their due time: of all at the top, and of each operation
    /// under its name.
    pub latency_ms: WithEach<Quantiles>,
    /// How long after it was due each operation was sent, of all at the top, and of each operation under its name.
    pub send_error_ms: WithEach<Quantiles>,
    /// Every fault, in order of time.
    pub faults: Vec<Fault>,
    /// The same, each kind of fault together.
    pub fault_kinds: Vec<Kind>,
    /// Where writes spent their time; empty, if the nodes have not told.
    pub stages: Vec<StageSample>,
    /// Every check.
    pub checks: Vec<Check>,
    /// Every limit of the scenario, in its order, and then those that it implies.
    pub limits: Vec<Limit>,
    /// What ran where.
    pub environment: Environment,
}

/// What ran where: what a run recorded of it, see [`loadgen::record::Manifest`].
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "they bear the names of the manifest's fields")]
pub struct Environment {
    pub driver: String,
    pub containers: Option<Containers>,
    /// What each node was allowed to use.
    pub limits: Option<NodeLimits>,
    pub links: Option<String>,
    pub version: String,
    pub build: String,
    pub started: String,
    pub first_request_s: Option<f64>,
    pub machine: Machine,
    pub nodes: Vec<Node>,
}

/// One node.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "they bear the names of the manifest's fields")]
pub struct Node {
    pub id: u64,
    pub client_address: String,
    pub peer_address: Option<String>,
    pub container: Option<String>,
    pub log: Option<String>,
}

/// Something of all operations together, and of each.
#[derive(Debug, Clone, Serialize)]
pub struct WithEach<T> {
    /// Of all.
    #[serde(flatten)]
    pub all: T,
    /// Of each.
    #[serde(flatten)]
    pub each: BTreeMap<&'static str, T>,
}

impl<T> WithEach<T> {
    fn of(assessment: &Assessment, one: impl Fn(&Tally) -> T) -> Self {
        Self {
            all: one(&assessment.total),
            each: assessment.by_operation.iter().map(|(kind, tally)| (kind.name(), one(tally))).collect(),
        }
    }
}

/// How operations ended.
#[derive(Debug, Clone, Copy, Serialize)]
#[expect(missing_docs, reason = "the names of outcomes")]
pub struct Counts {
    pub offered: u64,
    pub ok: u64,
    pub failed: u64,
    pub unknown: u64,
    pub shed: u64,
}

/// Quantiles of latency.
#[derive(Debug, Clone, Copy, Serialize)]
#[expect(missing_docs, reason = "the names of quantiles")]
pub struct Quantiles {
    pub p50: Option<f64>,
    pub p90: Option<f64>,
    pub p99: Option<f64>,
    pub p999: Option<f64>,
    pub max: Option<f64>,
}

impl Quantiles {
    fn of(latencies: &Latencies) -> Self {
        let quantile = |q| latencies.quantile_ms(q).map(rounded);
        Self {
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            p999: quantile(0.999),
            max: quantile(1.0),
        }
    }
}

/// One fault.
#[derive(Debug, Clone, Serialize)]
pub struct Fault {
    /// Which entry of the scenario's list.
    pub index: usize,
    /// What was done.
    pub kind: String,
    /// To whom, as in the scenario.
    pub target: String,
    /// The nodes it struck.
    pub nodes: Vec<u64>,
    /// Whether the leader was among them.
    pub struck_leader: bool,
    /// When it had happened.
    pub injected_at_s: f64,
    /// When it was healed.
    pub healed_at_s: Option<f64>,
    /// To a leader of a higher term.
    pub elect_ms: Option<f64>,
    /// How long somebody waited and nobody was served, at the fault.
    pub unavailable: Outage,
    /// The same later, until it was settled.
    pub healing: Option<Outage>,
    /// Whether one of them can be told from no fault.
    pub distinguishable: Option<bool>,
    /// *unavailable* of each operation.
    pub unavailable_by_operation: BTreeMap<&'static str, Outage>,
    /// The longest gap between two answers, whether anybody asked in it or not.
    pub longest_gap_ms: f64,
    /// It was not seen to end: it is at least so long.
    pub longest_gap_open_ended: bool,
    /// The mean time between answers before the fault.
    pub mean_gap_ms: Option<f64>,
    /// To the first good second.
    pub recover_ms: Option<f64>,
    /// Whether there was no time to see it.
    pub recover_undecided: bool,
    /// Operations not answered in time.
    pub lost_work: u64,
}

/// A stretch in which somebody waited and nobody was served, and what is seen without a fault.
#[derive(Debug, Clone, Serialize)]
pub struct Outage {
    /// From the first due operation that had to wait.
    pub at_least_ms: f64,
    /// From answer to answer; `null`, if it was not seen to end.
    pub at_most_ms: Option<f64>,
    /// It was not seen to end.
    pub open_ended: bool,
    /// The last answer before it.
    pub last_answer_s: f64,
    /// When the first operation was due that had to wait.
    pub from_s: f64,
    /// Until when somebody waited.
    pub to_s: f64,
    /// The next answer.
    pub next_answer_s: f64,
    /// The same in as long a time without a fault.
    pub noise: Option<Noise>,
    /// Whether it is longer than noise.
    pub distinguishable: Option<bool>,
}

/// The longest stretches in times without a fault, before it.
#[derive(Debug, Clone, Serialize)]
pub struct Noise {
    /// In the last such time before the fault.
    pub at_least_ms: f64,
    /// The same from answer to answer.
    pub at_most_ms: Option<f64>,
    /// The longest in all times.
    pub worst_at_least_ms: f64,
    /// The same from answer to answer.
    pub worst_at_most_ms: Option<f64>,
    /// How many times were looked at.
    pub times: usize,
    /// How long each of them was.
    pub length_s: f64,
}

/// All faults of one kind.
#[derive(Debug, Clone, Serialize)]
pub struct Kind {
    /// What was done.
    pub kind: String,
    /// How many there were.
    pub n: usize,
    /// To a leader of a higher term, of those that struck the leader.
    pub elect_ms: OverFaults,
    /// Of how many an outage can be told from no fault.
    pub distinguishable: usize,
    /// Of how many there was nothing to compare with.
    pub not_compared: usize,
    /// How long somebody waited and nobody was served, at the fault.
    pub unavailable_at_least_ms: OverFaults,
    /// The same from answer to answer.
    pub unavailable_at_most_ms: OverFaults,
    /// The same as the first in the last time as long before each of them.
    pub noise_at_least_ms: OverFaults,
    /// The same as the first later, until it was settled.
    pub healing_at_least_ms: OverFaults,
    /// The longest gap between two answers, whether anybody asked in it or not.
    pub longest_gap_ms: OverFaults,
    /// To the first good second.
    pub recover_ms: OverFaults,
    /// Of how many that is undecided.
    pub recover_undecided: usize,
}

/// A figure over faults. Nothing, where there is none, or where it did not end.
#[derive(Debug, Clone, Serialize)]
pub struct OverFaults {
    /// How many faults have the figure.
    pub n: usize,
    /// Of how many of these it did not end; they are worse than all others.
    pub endless: usize,
    /// The median.
    pub p50: Option<f64>,
    /// 90 %.
    pub p90: Option<f64>,
    /// 99 %.
    pub p99: Option<f64>,
    /// The worst.
    pub max: Option<f64>,
}

/// One check.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// Its name in scenarios.
    pub name: &'static str,
    /// `pass`, `fail` or `inconclusive`.
    pub result: &'static str,
    /// How many operations it examined.
    pub operations: u64,
    /// What it examined in more words, where a number does not tell all.
    pub examined: Option<String>,
    /// Whether the scenario asks for it.
    pub required: bool,
    /// How many violations it found.
    pub violations: u64,
    /// The first of them, or why it is inconclusive.
    pub details: Vec<String>,
}

/// One limit.
#[derive(Debug, Clone, Serialize)]
pub struct Limit {
    /// As written in the scenario, or in words where it is implied.
    pub text: String,
    /// Its name in scenarios, if it is implied.
    pub implied: Option<&'static str>,
    /// Whether it holds.
    pub holds: bool,
    /// Whether it does not only because that could not be seen.
    pub undecided: bool,
    /// What was measured.
    pub value: Option<f64>,
    /// The same in words.
    pub shown: String,
    /// How many operations or faults it was taken from.
    pub samples: u64,
}

impl Summary {
    /// Sums an assessed run up.
    pub fn of(run: &RunDirectory, assessment: &Assessment) -> Self {
        Self {
            format: 2,
            run: run.manifest.name.clone(),
            scenario: run.manifest.scenario.clone(),
            seed: run.manifest.seed,
            commit: run.manifest.commit.clone(),
            verdict: assessment.judgement.verdict.name(),
            sentence: words::sentence(assessment),
            reasons: assessment.judgement.reasons.clone(),
            operations: WithEach::of(assessment, |tally| Counts {
                offered: tally.offered,
                ok: tally.ok,
                failed: tally.failed,
                unknown: tally.unknown,
                shed: tally.shed,
            }),
            latency_ms: WithEach::of(assessment, |tally| Quantiles::of(&tally.latencies)),
            send_error_ms: WithEach::of(assessment, |tally| Quantiles::of(&tally.send_errors)),
            faults: assessment.failovers.iter().map(Fault::of).collect(),
            fault_kinds: assessment.kinds.iter().map(Kind::of).collect(),
            stages: run.stages.clone(),
            checks: assessment.checks.iter().map(Check::of).collect(),
            limits: assessment
                .limits
                .iter()
                .map(|limit| Limit {
                    text: limit.text.clone(),
                    implied: limit.implied.map(Implied::name),
                    holds: limit.holds,
                    undecided: limit.undecided,
                    value: limit.value,
                    shown: limit.shown.clone(),
                    samples: limit.samples,
                })
                .collect(),
            environment: Environment::of(&run.manifest),
        }
    }

    /// The summary as JSON, for people to read too.
    pub fn to_json(&self) -> String {
        // Strings, numbers that are finite by construction, and maps with text keys: nothing that JSON
        // cannot say.
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        foreign_text::json(&text) + "\n"
    }
}

impl Environment {
    fn of(manifest: &Manifest) -> Self {
        let m = manifest.clone();
        Self {
            driver: m.driver,
            containers: m.containers,
            limits: m.limits,
            links: m.links,
            version: m.version,
            build: m.build,
            started: m.started,
            first_request_s: m.first_request_s,
            machine: m.machine,
            nodes: m.nodes.into_iter().map(Node::of).collect(),
        }
    }
}

impl Node {
    fn of(node: NodeManifest) -> Self {
        let NodeManifest { id, client_address, peer_address, container, log } = node;
        Self { id, client_address, peer_address, container, log }
    }
}

impl Fault {
    fn of(fault: &Failover) -> Self {
        Self {
            index: fault.index,
            kind: fault.kind.clone(),
            target: fault.target.clone(),
            nodes: fault.nodes.clone(),
            struck_leader: fault.elect != Elect::NotLeader,
            injected_at_s: rounded(fault.injected_s),
            healed_at_s: fault.healed_s.map(rounded),
            elect_ms: fault.elect.ms().map(rounded),
            unavailable: Outage::of(&fault.unavailable),
            healing: fault.healing.as_ref().map(Outage::of),
            distinguishable: fault.is_distinguishable(),
            unavailable_by_operation: fault
                .unavailable_by_operation
                .iter()
                .map(|(kind, u)| (kind.name(), Outage::of(u)))
                .collect(),
            longest_gap_ms: rounded(Gap::ms(&fault.longest_gap)),
            longest_gap_open_ended: fault.longest_gap.open_ended,
            mean_gap_ms: fault.mean_gap_ms.map(rounded),
            recover_ms: fault.recover.ms().map(rounded),
            recover_undecided: matches!(fault.recover, Recover::Undecided { .. }),
            lost_work: fault.lost_work,
        }
    }
}

impl Outage {
    fn of(unavailable: &Unavailable) -> Self {
        let stretch = &unavailable.stretch;
        Self {
            at_least_ms: rounded(stretch.at_least_ms()),
            at_most_ms: stretch.at_most_ms().map(rounded),
            open_ended: stretch.open_ended,
            last_answer_s: to_the_microsecond(stretch.last_answer_s),
            from_s: to_the_microsecond(stretch.from_s),
            to_s: to_the_microsecond(stretch.to_s),
            next_answer_s: to_the_microsecond(stretch.next_answer_s),
            noise: unavailable.noise.map(|noise| Noise {
                at_least_ms: rounded(noise.latest.at_least_ms()),
                at_most_ms: noise.latest.at_most_ms().map(rounded),
                worst_at_least_ms: rounded(noise.worst.at_least_ms()),
                worst_at_most_ms: noise.worst.at_most_ms().map(rounded),
                times: noise.times,
                length_s: rounded(noise.length_s),
            }),
            distinguishable: unavailable.is_distinguishable(),
        }
    }
}

impl Kind {
    fn of(kind: &KindFigures) -> Self {
        Self {
            kind: kind.kind.clone(),
            n: kind.faults,
            elect_ms: OverFaults::of(&kind.elect),
            distinguishable: kind.distinguishable,
            not_compared: kind.unknown,
            unavailable_at_least_ms: OverFaults::of(&kind.unavailable),
            unavailable_at_most_ms: OverFaults::of(&kind.unavailable_at_most),
            noise_at_least_ms: OverFaults::of(&kind.noise),
            healing_at_least_ms: OverFaults::of(&kind.healing),
            longest_gap_ms: OverFaults::of(&kind.longest_gap),
            recover_ms: OverFaults::of(&kind.recover),
            recover_undecided: kind.recover_undecided,
        }
    }
}

impl OverFaults {
    fn of(values: &Distribution) -> Self {
        let quantile = |q| values.quantile(q).filter(|value| value.is_finite()).map(rounded);
        Self {
            n: values.count(),
            endless: values.endless(),
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            max: quantile(1.0),
        }
    }
}

impl Check {
    fn of(check: &crate::check::CheckReport) -> Self {
        let (violations, details) = match &check.result {
            CheckResult::Pass => (0, vec![]),
            CheckResult::Fail { violations, examples } => (*violations, examples.clone()),
            CheckResult::Inconclusive { reason } => (0, vec![reason.clone()]),
        };
        Self {
            name: check.check.name(),
            result: check.result.name(),
            operations: check.operations,
            examined: check.effort.clone(),
            required: check.required,
            violations,
            details,
        }
    }
}

/// To the microsecond where milliseconds are meant: further digits are noise.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

fn to_the_microsecond(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}
