//! What a pass takes without being asked: a verdict about nothing is none.

use std::collections::BTreeMap;

use loadgen::scenario::{Comparison, Implied, Limit, Metric, OutcomeKind, Window};

use super::LimitReport;
use crate::{
    failover::{Again, Failover, Recover},
    run::{Operation, RunDirectory},
};

/// At least this part of what was offered is answered.
const HALF: f64 = 0.5;
/// At least this part of all, whatever the scenario did to the nodes.
const TWENTIETH: f64 = 0.05;
/// Faults of a node that leave nothing of it for clients.
const SILENCING: [&str; 6] = ["kill", "stop", "restart", "pause", "ignore", "replace"];
/// No operation is sent later than this, ms. A machine that others use as well is late by a few hundred now and then.
const LATEST_MS: f64 = 1000.0;

/// The implied limits of a run, in the order of reports; without those that the scenario leaves out.
pub(super) fn evaluate(run: &RunDirectory, failovers: &[Failover]) -> Vec<LimitReport> {
    let asked = |implied: &Implied| run.scenario.pass.implied.contains(implied);
    Implied::ALL
        .into_iter()
        .filter(asked)
        .filter_map(|implied| match implied {
            Implied::EveryStage => Some(every_stage(run)),
            Implied::Recovered => recovered(run, failovers),
            Implied::HalfAnswered => half_answered(run, failovers),
            Implied::WholeHistory => Some(whole_history(run)),
            Implied::InTime => Some(in_time(run)),
        })
        .collect()
}

/// What was found: whether it holds, and if not, whether that is only because it could not be seen.
struct Found {
    holds: bool,
    unseen: bool,
    value: Option<f64>,
    shown: String,
    samples: u64,
}

fn report(implied: Implied, text: &str, found: Found) -> LimitReport {
    let Found { holds, unseen, value, shown, samples } = found;
    let undecided = !holds && unseen;
    LimitReport { text: text.to_owned(), implied: Some(implied), holds, undecided, value, shown, samples }
}

/// Every stage in which somebody asked answered something. Of a run that was ended early the later stages were not
/// there, and there may have been no time to answer anybody in the last one that was.
fn every_stage(run: &RunDirectory) -> LimitReport {
    let mut due: Vec<(f64, bool)> =
        run.measured().map(|o| (o.due_s(), o.outcome == OutcomeKind::Ok)).collect();
    due.sort_by(|a, b| a.0.total_cmp(&b.0));
    let before = |at_s: f64| due.partition_point(|one| one.0 < at_s);
    let (mut silent, mut seen, mut last_is_silent) = (Vec::new(), 0, false);
    for (place, (from_s, to_s)) in run.phases().stages().into_iter().enumerate() {
        let of_stage = &due[before(from_s)..before(to_s)];
        if !of_stage.is_empty() {
            seen += 1;
            last_is_silent = !of_stage.iter().any(|one| one.1);
            if last_is_silent {
                silent.push((place + 1).to_string());
            }
        }
    }
    let only_cut_off = run.manifest.interrupted.is_some() && last_is_silent && silent.len() == 1;
    let shown = match silent.as_slice() {
        [] => format!("{seen} stages"),
        silent => format!("nothing in stage {}", silent.join(", ")),
    };
    let found = Found {
        holds: silent.is_empty() && seen > 0,
        unseen: seen == 0 || only_cut_off,
        value: Some((seen - silent.len() as u64) as f64),
        shown,
        samples: seen,
    };
    report(Implied::EveryStage, "every stage answered something", found)
}

/// After every healed fault whoever asked was answered again, as far as there was time to see it. Without faults it
/// says nothing, and nothing of those that stood until the load was over and were recovered from while they did, or
/// after which nobody asked. How slowly is said by *recover* and by what limits are written: another process of the
/// machine slows a cluster down as well.
fn recovered(run: &RunDirectory, failovers: &[Failover]) -> Option<LimitReport> {
    let end_s = run.end_s();
    let counts = |fault: &&Failover| {
        fault.healed_s.is_some_and(|healed_s| healed_s < end_s || fault.recover.ms().is_none())
    };
    let is_answered = |fault: &&Failover| fault.again == Again::Answered;
    let healed: Vec<&Failover> = failovers.iter().filter(counts).collect();
    if healed.is_empty() {
        return None;
    }
    // What was good before the healing says nothing of what the healing did.
    let is_after = |fault: &&Failover| fault.settle.ms().is_some() || is_answered(fault);
    let (unasked, asked): (Vec<&Failover>, Vec<&Failover>) =
        healed.into_iter().partition(|fault| fault.again == Again::NobodyAsked && !is_after(fault));
    let never: Vec<&&Failover> =
        asked.iter().filter(|fault| fault.settle == Recover::Never && !is_answered(fault)).collect();
    let after = asked.iter().filter(|fault| is_after(fault)).count();
    let slower = asked.iter().filter(|fault| fault.settle == Recover::Never).count() - never.len();
    let open = asked.len() - never.len() - after;
    let mut shown = format!("{after} of {}", asked.len());
    if slower > 0 {
        shown.push_str(&format!(", {slower} of them slower than before"));
    }
    if open > 0 {
        shown.push_str(&format!(", {open} not seen for long enough"));
    }
    if !unasked.is_empty() {
        shown.push_str(&format!(", and nobody asked after {} more", unasked.len()));
    }
    if let Some(first) = never.first() {
        let name = format!("fault {}: {} of {}", first.index, first.kind, first.victim());
        shown.push_str(&format!("; not after {name}"));
    }
    let found = Found {
        holds: never.is_empty() && (after > 0 || asked.is_empty()),
        // There was no time for any of them.
        unseen: never.is_empty(),
        value: Some(after as f64),
        shown,
        samples: asked.len() as u64,
    };
    Some(report(Implied::Recovered, "every healed fault was recovered from", found))
}

/// At least half was answered, unless the scenario says itself how much is to be. Who waited while the scenario had
/// struck every node could be answered by nobody and is left out; but of all that was offered a twentieth is to be answered
/// even so, or the run has shown next to nothing.
fn half_answered(run: &RunDirectory, failovers: &[Failover]) -> Option<LimitReport> {
    if run.scenario.pass.limits.iter().any(takes_half) {
        return None;
    }
    let nobody = nobody_left(&run.node_ids(), failovers);
    let timeout_s = run.scenario.load.timeout.as_secs_f64();
    let is_left_out = |o: &&Operation| {
        let due_s = o.due_s();
        let next = nobody.partition_point(|time| time.1 <= due_s);
        // Whoever was not answered because all were struck meanwhile says nothing of the cluster either.
        let waited = o.outcome != OutcomeKind::Ok;
        let until_s = if waited { o.done_s().unwrap_or(due_s + timeout_s) } else { due_s };
        nobody.get(next).is_some_and(|time| time.0 <= until_s)
    };
    let count =
        |(ok, all): (u64, u64), o: &Operation| (ok + u64::from(o.outcome == OutcomeKind::Ok), all + 1);
    let (all_ok, all) = run.after_warmup().fold((0, 0), count);
    let (ok, offered) = run.after_warmup().filter(|o| !is_left_out(o)).fold((0, 0), count);
    let ratio = |ok: u64, of: u64| if of == 0 { 0.0 } else { ok as f64 / of as f64 };
    let digits = |ratio: f64| format!("{:.5}", (ratio * 1e5).floor() / 1e5);
    let mut shown = format!("{} ({ok} of {offered})", digits(ratio(ok, offered)));
    if all > offered {
        shown.push_str(&format!(
            ", without {} that waited while every node was struck; of all {}",
            all - offered,
            digits(ratio(all_ok, all))
        ));
    }
    let found = Found {
        holds: offered > 0 && ratio(ok, offered) >= HALF && ratio(all_ok, all) >= TWENTIETH,
        unseen: offered == 0,
        value: Some(ratio(ok, offered)),
        shown,
        samples: offered,
    };
    Some(report(Implied::HalfAnswered, "ok_ratio >= 0.5", found))
}

/// When faults had struck every node, so that nobody could answer, s.
fn nobody_left(nodes: &[u64], failovers: &[Failover]) -> Vec<(f64, f64)> {
    // So many nodes more are struck from then on, or fewer.
    let mut changes: Vec<(f64, u64, i64)> = Vec::new();
    for fault in failovers.iter().filter(|fault| SILENCING.contains(&fault.kind.as_str())) {
        for &node in &fault.nodes {
            changes.push((fault.asked_s, node, 1));
            changes.push((fault.healed_s.unwrap_or(f64::INFINITY), node, -1));
        }
    }
    changes.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut struck: BTreeMap<u64, i64> = BTreeMap::new();
    let (mut times, mut since) = (Vec::new(), None);
    for (at_s, node, by) in changes {
        let times_struck = struck.entry(node).or_default();
        *times_struck += by;
        if *times_struck == 0 {
            struck.remove(&node);
        }
        let is_all = !nodes.is_empty() && nodes.iter().all(|node| struck.contains_key(node));
        match (since, is_all) {
            (None, true) => since = Some(at_s),
            (Some(from_s), false) => {
                times.push((from_s, at_s));
                since = None;
            }
            (Some(_), true) | (None, false) => {}
        }
    }
    times
}

/// Whether a written limit takes at least as much.
fn takes_half(limit: &Limit) -> bool {
    let is_lower = matches!(limit.comparison, Comparison::AtLeast | Comparison::Greater | Comparison::Equal);
    limit.metric == Metric::OkRatio && limit.window == Window::Measured && is_lower && limit.value >= HALF
}

/// The history is the one that was recorded. What is missing proves nothing against the cluster.
fn whole_history(run: &RunDirectory) -> LimitReport {
    let records = run.manifest.history.as_ref().map_or(0, |history| history.whole.records);
    let found = Found {
        holds: run.history_flaw.is_none(),
        unseen: true,
        value: None,
        shown: run.history_flaw.clone().unwrap_or_else(|| format!("{records} records, as they were made")),
        samples: records,
    };
    report(Implied::WholeHistory, "no part of the history is missing", found)
}

/// The load generator was in time. One that was not has measured itself, and proves nothing against the cluster.
fn in_time(run: &RunDirectory) -> LimitReport {
    let late: Vec<f64> =
        run.measured().filter_map(Operation::send_error_ns).map(|ns| ns as f64 / 1e6).collect();
    let sent = late.iter().copied().fold(0.0, f64::max);
    // Whatever stands between generators, faults and nodes is the run itself.
    let stood_still = run.manifest.stood_still_s.unwrap_or(0.0) * 1e3;
    let latest = sent.max(stood_still);
    let mut shown = format!("{sent:.1} ms late at most");
    if stood_still > LATEST_MS {
        shown.push_str(&format!(", and the run itself stood still for {stood_still:.0} ms"));
    }
    let found = Found {
        holds: latest <= LATEST_MS,
        unseen: true,
        value: Some(latest),
        shown,
        samples: late.len() as u64,
    };
    report(Implied::InTime, "the load generator was in time", found)
}
