//! The limits that a scenario sets, compared with what was measured.

use std::collections::BTreeSet;

use loadgen::scenario::{Comparison, FailoverFigure, Limit, Metric, OutcomeKind, Window};

use crate::{
    failover::{Elect, Failover, leaders},
    run::{Operation, Phases, RunDirectory},
    statistics::{Distribution, Latencies},
};

/// A limit, and whether it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitReport {
    /// The limit, as written in the scenario.
    pub text: String,
    /// Whether it holds. One without samples does not.
    pub holds: bool,
    /// It does not hold only because the run was ended early, before that could be seen. That proves
    /// nothing against it.
    pub undecided: bool,
    /// What was measured: milliseconds for times, plain numbers for counts and ratios. Of several
    /// faults the worst. `None` when there was nothing to measure, or when it never ended.
    pub value: Option<f64>,
    /// The measured value, or its absence, in words.
    pub shown: String,
    /// How many operations or faults the value was taken from.
    pub samples: u64,
}

/// Evaluates the scenario's limits.
pub fn evaluate(run: &RunDirectory, failovers: &[Failover]) -> Vec<LimitReport> {
    let windows = Windows::of(run, failovers);
    run.scenario
        .pass
        .limits
        .iter()
        .map(|limit| {
            let measured = match limit.metric {
                Metric::Fault { index, figure } => fault_figure(limit, failovers, index, figure),
                Metric::Faults { figure, quantile } => quantile_of_faults(limit, failovers, figure, quantile),
                Metric::Elections => elections(run),
                _ => of_operations(limit, windows.select(run, limit.window)),
            };
            measured.report(limit, run.manifest.interrupted.is_some())
        })
        .collect()
}

/// What was measured for one limit.
enum Measured {
    Nothing(String),
    Value {
        value: f64,
        shown: String,
        samples: u64,
    },
    /// The run was ended before it did: it is this at least.
    AtLeast {
        value: f64,
        shown: String,
        samples: u64,
    },
    /// It did not end: no upper limit can hold.
    Endless {
        shown: String,
        samples: u64,
    },
}

impl Measured {
    fn report(self, limit: &Limit, ended_early: bool) -> LimitReport {
        let mut undecided = false;
        let (holds, value, shown, samples) = match self {
            Self::Nothing(why) => {
                undecided = ended_early;
                (false, None, format!("no samples: {why}"), 0)
            }
            Self::AtLeast { value, shown, samples } => {
                let holds = limit.comparison.holds(value, limit.value);
                let (holds, broken) = match limit.comparison {
                    Comparison::Less | Comparison::AtMost => (false, !holds),
                    Comparison::AtLeast | Comparison::Greater => (holds, false),
                    Comparison::Equal => (false, value > limit.value),
                };
                undecided = !holds && !broken;
                (holds, Some(value), format!("at least {shown}, when the run was ended"), samples)
            }
            Self::Value { value, shown, samples } => {
                (limit.comparison.holds(value, limit.value), Some(value), shown, samples)
            }
            Self::Endless { shown, samples } => {
                (limit.comparison.holds(f64::INFINITY, limit.value), None, shown, samples)
            }
        };
        LimitReport { text: limit.text.clone(), holds, undecided, value, shown, samples }
    }
}

/// Which operations the windows of limits contain.
///
/// `measured`: due outside warm-up. `steady`: due outside warm-up and outside every fault, from its
/// injection until it is healed and service is good again, or without that until the load's end.
#[derive(Debug, Clone)]
pub struct Windows {
    phases: Phases,
    disturbed: Vec<(f64, f64)>,
}

impl Windows {
    /// The windows of a run.
    pub fn of(run: &RunDirectory, failovers: &[Failover]) -> Self {
        Self {
            phases: run.phases(),
            disturbed: failovers
                .iter()
                .map(|f| (f.injected_s, f.settled_s.unwrap_or(f64::INFINITY)))
                .collect(),
        }
    }

    /// Whether an operation lies in a window.
    pub fn contains(&self, operation: &Operation, window: Window) -> bool {
        let due = operation.due_s();
        let disturbed = || self.disturbed.iter().any(|&(from, to)| from <= due && due < to);
        !operation.is_setup()
            && !self.phases.is_warmup(due)
            && match window {
                Window::Measured => true,
                Window::Steady => !disturbed(),
            }
    }

    fn select<'a>(
        &'a self,
        run: &'a RunDirectory,
        window: Window,
    ) -> impl Iterator<Item = &'a Operation> + Clone {
        run.measured().filter(move |o| self.contains(o, window))
    }
}

fn of_operations<'a>(limit: &Limit, operations: impl Iterator<Item = &'a Operation> + Clone) -> Measured {
    let offered = operations.clone().count() as u64;
    let count = |outcome: OutcomeKind| operations.clone().filter(|o| o.outcome == outcome).count() as u64;
    if offered == 0 {
        return Measured::Nothing("no operation was due in this window".to_owned());
    }
    match limit.metric {
        Metric::OkRatio => {
            let ok = count(OutcomeKind::Ok);
            let value = ok as f64 / offered as f64;
            Measured::Value {
                value,
                // Never rounded up to a limit that it misses.
                shown: format!("{:.5} ({ok} of {offered})", (value * 1e5).floor() / 1e5),
                samples: offered,
            }
        }
        Metric::Count(outcome) => {
            let count = count(outcome);
            Measured::Value { value: count as f64, shown: format!("{count} of {offered}"), samples: offered }
        }
        Metric::Latency { operation, quantile } => {
            let latencies: Latencies = operations
                .filter(|o| operation.is_none_or(|kind| o.kind == kind))
                .filter_map(Operation::latency_ns)
                .collect();
            let Some(value) = latencies.quantile_ms(quantile) else {
                let kind = operation.map_or("operation", |kind| kind.name());
                return Measured::Nothing(format!("no {kind} was answered in this window"));
            };
            Measured::Value { value, shown: format!("{value:.2} ms"), samples: latencies.count() as u64 }
        }
        Metric::Fault { .. } | Metric::Faults { .. } | Metric::Elections => {
            Measured::Nothing("it is not a figure of operations".to_owned())
        }
    }
}

/// How often somebody else was elected, or the same node again.
fn elections(run: &RunDirectory) -> Measured {
    let terms: BTreeSet<u64> = leaders(run).map(|(_, _, term)| term).collect();
    match terms.len() {
        0 => Measured::Nothing("nobody was seen to lead".to_owned()),
        seen => {
            let value = seen - 1;
            Measured::Value { value: value as f64, shown: value.to_string(), samples: seen as u64 }
        }
    }
}

/// Every fault that has the figure must satisfy the limit: the worst one decides.
fn fault_figure(
    limit: &Limit,
    failovers: &[Failover],
    index: Option<usize>,
    figure: FailoverFigure,
) -> Measured {
    let chosen: Vec<&Failover> = failovers.iter().filter(|f| index.is_none_or(|i| f.index == i)).collect();
    if chosen.is_empty() {
        return Measured::Nothing(match index {
            None => "no fault was injected".to_owned(),
            Some(i) => format!("fault {i} was not injected"),
        });
    }
    let mut worst: Option<(f64, String)> = None;
    let mut samples = 0;
    let mut cut_off = false;
    for fault in chosen {
        let so_far = figure_so_far(fault, figure);
        cut_off |= so_far.is_some();
        let Some((value, shown)) = so_far.or_else(|| figure_of(fault, figure)) else {
            continue;
        };
        samples += 1;
        let shown = format!("{shown} (fault {}: {} of {})", fault.index, fault.kind, fault.victim());
        let replaces = worst.as_ref().is_none_or(|(other, _)| is_worse(limit, value, *other));
        if replaces {
            worst = Some((value, shown));
        }
    }
    match worst {
        None => Measured::Nothing("no fault struck the leader".to_owned()),
        Some((value, shown)) if cut_off && value.is_finite() => Measured::AtLeast { value, shown, samples },
        Some((value, shown)) if value.is_finite() => Measured::Value { value, shown, samples },
        Some((_, shown)) => Measured::Endless { shown, samples },
    }
}

/// A quantile over all faults that have the figure. Where the run was ended before some of these were whole, it
/// lies between what they had come to by then and no end at all.
fn quantile_of_faults(
    limit: &Limit,
    failovers: &[Failover],
    figure: FailoverFigure,
    quantile: f64,
) -> Measured {
    if failovers.is_empty() {
        return Measured::Nothing("no fault was injected".to_owned());
    }
    let so_far =
        |fault| figure_so_far(fault, figure).map(|(value, _)| value).or_else(|| fault.figure(figure));
    let endless =
        |fault| figure_so_far(fault, figure).map(|_| f64::INFINITY).or_else(|| fault.figure(figure));
    let least: Distribution = failovers.iter().filter_map(so_far).collect();
    let most: Distribution = failovers.iter().filter_map(endless).collect();
    let samples = least.count() as u64;
    let (Some(value), Some(bound)) = (least.quantile(quantile), most.quantile(quantile)) else {
        return Measured::Nothing("no fault struck the leader".to_owned());
    };
    let shown = match figure {
        _ if value.is_infinite() => format!("no end, over {samples} faults"),
        FailoverFigure::LostWork => format!("{value} operations, over {samples} faults"),
        _ => format!("{value:.1} ms, over {samples} faults"),
    };
    // What lies between the two is as good as they are, unless it is to be one certain value.
    let alike = limit.comparison.holds(value, limit.value) == limit.comparison.holds(bound, limit.value);
    if value.is_infinite() {
        Measured::Endless { shown, samples }
    } else if value == bound {
        Measured::Value { value, shown, samples }
    } else if alike && limit.comparison != Comparison::Equal {
        Measured::Value { value, shown: format!("at least {shown}"), samples }
    } else {
        Measured::AtLeast { value, shown, samples }
    }
}

/// Whether `value` is further from satisfying the limit than `other`.
fn is_worse(limit: &Limit, value: f64, other: f64) -> bool {
    match limit.comparison {
        Comparison::Less | Comparison::AtMost => value > other,
        Comparison::AtLeast | Comparison::Greater => value < other,
        Comparison::Equal => (value - limit.value).abs() > (other - limit.value).abs(),
    }
}

/// What a figure had come to when the run was ended early, if that was before it was whole.
fn figure_so_far(fault: &Failover, figure: FailoverFigure) -> Option<(f64, String)> {
    let since_s = fault.until_s - fault.injected_s;
    let ms = match figure {
        _ if !fault.cut_off => None,
        FailoverFigure::Elect => (fault.elect == Elect::Never).then_some(since_s * 1e3),
        FailoverFigure::Unavailable => fault.unavailable.open_ended.then(|| fault.unavailable.ms()),
        // The last second that was looked at began one second before the end.
        FailoverFigure::Recover => fault.recover_ms.is_none().then_some((since_s - 1.0) * 1e3),
        FailoverFigure::LostWork => {
            let lost = fault.lost_work;
            return fault.recover_ms.is_none().then(|| (lost as f64, format!("{lost} operations")));
        }
    };
    ms.map(|ms| ms.max(0.0)).map(|ms| (ms, format!("{ms:.0} ms")))
}

/// A figure of one fault and its words; infinite when it did not end; nothing when the fault has none.
fn figure_of(fault: &Failover, figure: FailoverFigure) -> Option<(f64, String)> {
    let value = fault.figure(figure)?;
    let words = match figure {
        FailoverFigure::Elect if value.is_infinite() => "nobody was elected".to_owned(),
        FailoverFigure::Unavailable if value.is_infinite() => {
            format!("more than {:.0} ms, and not available again", fault.unavailable.ms())
        }
        FailoverFigure::Recover if value.is_infinite() => "not recovered".to_owned(),
        FailoverFigure::LostWork => format!("{value} operations"),
        FailoverFigure::Elect | FailoverFigure::Unavailable | FailoverFigure::Recover => {
            format!("{value:.0} ms")
        }
    };
    Some((value, words))
}

#[cfg(test)]
mod tests;
