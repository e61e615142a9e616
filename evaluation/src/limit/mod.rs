//! The limits that a scenario sets, and those that it implies, compared with what was measured.

mod implied;
mod population;

use std::{cell::OnceCell, cmp::Ordering, collections::BTreeSet};

use loadgen::scenario::{Comparison, FailoverFigure, Implied, Limit, Metric, OutcomeKind, Window};

use crate::{
    failover::{Elect, Failover, Recover, Unavailable, disturbed, leaders},
    report::words,
    run::{Operation, Phases, RunDirectory},
    statistics::Distribution,
};
use population::{Lateness, Population};

/// How long the second is that shows that service has recovered, s.
const RECOVERED_S: f64 = 1.0;

/// A limit, and whether it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitReport {
    /// The limit, as written in the scenario, or in words where it is implied.
    pub text: String,
    /// Which one, if the scenario does not say it.
    pub implied: Option<Implied>,
    /// Whether it holds. One without samples does not.
    pub holds: bool,
    /// It was not seen whether it holds: the run was ended before, or it lies between what was seen at least and at
    /// most. That proves nothing against it.
    pub undecided: bool,
    /// What was measured: milliseconds for times, plain numbers for counts and ratios. Of several
    /// faults the worst; what was seen at least. `None` when there was nothing to measure, or when it never ended.
    pub value: Option<f64>,
    /// The measured value, or its absence, in words.
    pub shown: String,
    /// How many operations or faults the value was taken from.
    pub samples: u64,
}

/// Evaluates the scenario's limits, and then those that it implies.
pub fn evaluate(run: &RunDirectory, failovers: &[Failover]) -> Vec<LimitReport> {
    let windows = Windows::of(run, failovers);
    let of_window = |window| Population::of(windows.select(run, window));
    let (measured, steady) = (OnceCell::new(), OnceCell::new());
    let lateness = OnceCell::new();
    let lateness = || lateness.get_or_init(|| Lateness::of(run));
    run.scenario
        .pass
        .limits
        .iter()
        .map(|limit| {
            let found = match limit.metric {
                Metric::Fault { index, figure } => fault_figure(limit, lateness(), failovers, index, figure),
                Metric::Faults { figure, quantile } => {
                    quantile_of_faults(lateness(), failovers, figure, quantile)
                }
                Metric::Elections => elections(run),
                Metric::Distinguishable => distinguishable(failovers),
                _ => {
                    let population = match limit.window {
                        Window::Measured => measured.get_or_init(|| of_window(Window::Measured)),
                        Window::Steady => steady.get_or_init(|| of_window(Window::Steady)),
                    };
                    of_operations(limit, population)
                }
            };
            found.report(limit, run.manifest.interrupted.is_some())
        })
        .chain(implied::evaluate(run, failovers))
        .collect()
}

/// What was measured for one limit.
enum Measured {
    Nothing(String),
    /// There was no time to see it.
    Undecided(String),
    Between {
        value: Range,
        shown: String,
        samples: u64,
    },
}

/// What a figure may be: it lies between two values, which are mostly one. Infinite: it did not end.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Range {
    /// It was seen to be at least so large,
    least: f64,
    /// and at most.
    most: f64,
    /// What would be left of it without what the load generator itself was late, which is no doing of the cluster.
    own: f64,
}

impl Range {
    fn of(value: f64) -> Self {
        Self::between(value, value)
    }

    fn between(least: f64, most: f64) -> Self {
        Self { least, most, own: least }
    }

    /// Of a time that was measured while operations were sent up to `late_ms` late.
    fn sent_late(self, late_ms: f64) -> Self {
        Self { own: (self.least - late_ms).max(0.0).min(self.least), ..self }
    }

    /// Whether a limit is missed by no more than what the load generator was late.
    fn is_forgiven(&self, limit: &Limit) -> bool {
        let may_hold = |range: Self| decide(limit, range).1;
        may_hold(*self) && !may_hold(Self { own: self.least, ..*self })
    }
}

impl Measured {
    fn value(value: f64, shown: String, samples: u64) -> Self {
        Self::Between { value: Range::of(value), shown, samples }
    }

    fn report(self, limit: &Limit, ended_early: bool) -> LimitReport {
        let (holds, undecided, value, shown, samples) = match self {
            Self::Nothing(why) => (false, ended_early, None, format!("no samples: {why}"), 0),
            Self::Undecided(why) => (false, true, None, why, 0),
            Self::Between { value, mut shown, samples } => {
                let (holds, may_hold) = decide(limit, value);
                if value.is_forgiven(limit) {
                    let late = value.least - value.own;
                    shown.push_str(&format!(", and the load generator was up to {late:.1} ms late itself"));
                }
                (
                    holds,
                    !holds && may_hold,
                    Some(value.least).filter(|value| value.is_finite()),
                    shown,
                    samples,
                )
            }
        };
        LimitReport { text: limit.text.clone(), implied: None, holds, undecided, value, shown, samples }
    }
}

/// Whether a limit holds for everything that a figure may be, and for anything.
fn decide(limit: &Limit, Range { least, most, own }: Range) -> (bool, bool) {
    let [own_holds, least_holds, most_holds] =
        [own, least, most].map(|value| limit.comparison.holds(value, limit.value));
    let holds = least_holds && most_holds;
    match limit.comparison {
        Comparison::Equal => (holds, (own..=most).contains(&limit.value)),
        _ => (holds, own_holds || least_holds || most_holds),
    }
}

/// Which operations the windows of limits contain.
///
/// `measured`: due outside warm-up. `steady`: due outside warm-up and outside every fault, from when it was asked for
/// until it is healed and service is good again; without that, until a later one is settled by whose end it was healed,
/// or the load's end.
#[derive(Debug, Clone)]
pub struct Windows {
    phases: Phases,
    disturbed: Vec<(f64, f64)>,
}

impl Windows {
    /// The windows of a run.
    pub fn of(run: &RunDirectory, failovers: &[Failover]) -> Self {
        Self { phases: run.phases(), disturbed: disturbed(failovers) }
    }

    /// Whether an operation lies in a window.
    pub fn contains(&self, operation: &Operation, window: Window) -> bool {
        let due = operation.due_s();
        let disturbed = || {
            let next = self.disturbed.partition_point(|time| time.1 <= due);
            self.disturbed.get(next).is_some_and(|time| time.0 <= due)
        };
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

fn of_operations(limit: &Limit, population: &Population) -> Measured {
    let offered = population.offered;
    if offered == 0 {
        return Measured::Nothing("no operation was due in this window".to_owned());
    }
    match limit.metric {
        Metric::OkRatio => {
            let ok = population.ended(OutcomeKind::Ok);
            let value = ok as f64 / offered as f64;
            // Never rounded up to a limit that it misses.
            let shown = format!("{:.5} ({ok} of {offered})", (value * 1e5).floor() / 1e5);
            Measured::value(value, shown, offered)
        }
        Metric::Count(outcome) => {
            let count = population.ended(outcome);
            Measured::value(count as f64, format!("{count} of {offered}"), offered)
        }
        Metric::Latency { operation, quantile } => {
            let asked = population.asked(operation);
            let Some((asked, value)) = asked.and_then(|a| Some((a, a.latencies.quantile_ms(quantile)?)))
            else {
                let kind = operation.map_or("operation", |kind| kind.name());
                return Measured::Nothing(format!("no {kind} was answered in this window"));
            };
            Measured::Between {
                value: Range::of(value).sent_late(asked.latest_ms),
                shown: format!("{value:.2} ms"),
                samples: asked.latencies.count() as u64,
            }
        }
        Metric::Fault { .. } | Metric::Faults { .. } | Metric::Elections | Metric::Distinguishable => {
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
            Measured::value(value as f64, value.to_string(), seen as u64)
        }
    }
}

/// How many faults can be told from none; of those that there is nothing to compare with, either may be so.
fn distinguishable(failovers: &[Failover]) -> Measured {
    let told = |as_which| failovers.iter().filter(|f| f.is_distinguishable() == as_which).count();
    let (told, unknown) = (told(Some(true)), told(None));
    let faults = failovers.len();
    if faults == 0 {
        return Measured::Nothing("no fault was injected".to_owned());
    }
    let shown = match unknown {
        0 => format!("{told} of {faults} faults"),
        _ => format!("{told} of {faults} faults, and nothing to compare {unknown} with"),
    };
    let value = Range::between(told as f64, (told + unknown) as f64);
    Measured::Between { value, shown, samples: faults as u64 }
}

/// Every fault that has the figure must satisfy the limit: the worst one decides.
fn fault_figure(
    limit: &Limit,
    lateness: &Lateness<'_>,
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
    let undecided = chosen.iter().filter(|fault| is_undecided(fault, figure)).count();
    let seen: Vec<(Seen, String)> = chosen
        .into_iter()
        .filter_map(|fault| {
            let seen = seen(lateness, fault, figure)?;
            // What the next fault did not leave time for breaks no limit, unless it was broken by then.
            if is_undecided(fault, figure) && decide(limit, seen.value).1 {
                return None;
            }
            let name = format!(" (fault {}: {} of {})", fault.index, fault.kind, fault.victim());
            Some((seen, name))
        })
        .collect();
    // The worst that is known; of what may be, the worst that may be.
    let worst =
        seen.iter().reduce(|worst, other| if worse(limit, &other.0, &worst.0) { other } else { worst });
    match worst {
        None if undecided > 0 => Measured::Undecided(
            "another fault came, or the load paused or ended, before it could be seen".to_owned(),
        ),
        None => Measured::Nothing("no fault struck the leader".to_owned()),
        Some((of, name)) => Measured::Between {
            value: of.value,
            shown: format!("{}{name}", of.shown),
            samples: seen.len() as u64,
        },
    }
}

/// Whether a fault is further from satisfying a limit than another: it does not, or it may not, or its value says so.
fn worse(limit: &Limit, one: &Seen, other: &Seen) -> bool {
    let rank = |seen: &Seen| match decide(limit, seen.value) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => 2,
    };
    match rank(one).cmp(&rank(other)) {
        Ordering::Equal => is_worse(limit, one.value.least, other.value.least),
        ordering => ordering == Ordering::Greater,
    }
}

/// A quantile over all faults that have the figure: it lies between that of what was seen at least, and at most. One that
/// was not seen to its end lies anywhere above what was seen.
fn quantile_of_faults(
    lateness: &Lateness<'_>,
    failovers: &[Failover],
    figure: FailoverFigure,
    quantile: f64,
) -> Measured {
    if failovers.is_empty() {
        return Measured::Nothing("no fault was injected".to_owned());
    }
    let undecided = failovers.iter().filter(|fault| is_undecided(fault, figure)).count();
    let seen: Vec<Seen> = failovers.iter().filter_map(|fault| seen(lateness, fault, figure)).collect();
    let quantile_of = |which: fn(&Range) -> f64| {
        seen.iter().map(|seen| which(&seen.value)).collect::<Distribution>().quantile(quantile)
    };
    let samples = seen.len() as u64;
    let (Some(least), Some(most), Some(own)) =
        (quantile_of(|value| value.least), quantile_of(|value| value.most), quantile_of(|value| value.own))
    else {
        return Measured::Nothing("no fault struck the leader".to_owned());
    };
    let (unit, digits) = if figure == FailoverFigure::LostWork { ("operations", 0) } else { ("ms", 1) };
    let mut shown = match most {
        _ if least.is_infinite() => "no end".to_owned(),
        _ if least == most => format!("{least:.digits$} {unit}"),
        most if most.is_infinite() => format!("at least {least:.digits$} {unit}"),
        most => format!("{least:.digits$} to {most:.digits$} {unit}"),
    };
    shown.push_str(&format!(", over {samples} faults"));
    if undecided > 0 {
        shown.push_str(&format!(", {undecided} of them undecided"));
    }
    Measured::Between { value: Range { least, most, own }, shown, samples }
}

/// Whether `value` is further from satisfying the limit than `other`.
fn is_worse(limit: &Limit, value: f64, other: f64) -> bool {
    match limit.comparison {
        Comparison::Less | Comparison::AtMost => value > other,
        Comparison::AtLeast | Comparison::Greater => value < other,
        Comparison::Equal => (value - limit.value).abs() > (other - limit.value).abs(),
    }
}

/// What was seen of a figure of one fault.
struct Seen {
    value: Range,
    shown: String,
}

/// Whether a fault's figure could not be seen to its end because another fault came, or the load ended, too soon.
fn is_undecided(fault: &Failover, figure: FailoverFigure) -> bool {
    figure == FailoverFigure::Recover && !fault.cut_off && matches!(fault.recover, Recover::Undecided { .. })
}

/// What was seen of a figure of a fault; nothing, when the fault has none.
fn seen(lateness: &Lateness<'_>, fault: &Failover, figure: FailoverFigure) -> Option<Seen> {
    if let Some((least, shown)) = so_far(fault, figure) {
        let when =
            if fault.cut_off { "when the run was ended" } else { "and then it could not be seen further" };
        let shown = format!("at least {shown}, {when}");
        return Some(Seen { value: Range::between(least, f64::INFINITY), shown });
    }
    if figure == FailoverFigure::Unavailable {
        return Some(unavailable(lateness, fault));
    }
    let value = fault.figure(figure)?;
    let shown = match figure {
        FailoverFigure::Elect if value.is_infinite() => "nobody was elected".to_owned(),
        FailoverFigure::Recover if value.is_infinite() => "not recovered".to_owned(),
        FailoverFigure::LostWork => format!("{value} operations"),
        FailoverFigure::Elect | FailoverFigure::Unavailable | FailoverFigure::Recover => {
            format!("{value:.0} ms")
        }
    };
    let late_ms = match figure {
        FailoverFigure::Recover => {
            lateness.between_ms(fault.injected_s, fault.injected_s + value / 1e3 + RECOVERED_S)
        }
        // Who leads is told by the nodes, and work is lost or not.
        FailoverFigure::Elect | FailoverFigure::Unavailable | FailoverFigure::LostWork => 0.0,
    };
    Some(Seen { value: Range::of(value).sent_late(late_ms), shown })
}

/// *unavailable* of a fault, at the fault or at the healing, whichever was longer.
fn unavailable(lateness: &Lateness<'_>, fault: &Failover) -> Seen {
    let longest = fault.stretches().max_by(|a, b| a.figure_ms().total_cmp(&b.figure_ms()));
    let longest = longest.unwrap_or(&fault.unavailable);
    // The other may have been longer, for all that was seen.
    let most = fault.stretches().map(|u| u.at_most_ms().unwrap_or(f64::INFINITY)).fold(0.0, f64::max);
    let shown = match (longest.stretch.open_ended, longest.stretch.is_endless()) {
        (_, true) => format!("more than {:.0} ms, and not available again", longest.at_least_ms()),
        (true, false) => {
            format!("at least {:.0} ms, and then too little was asked to see it end", longest.at_least_ms())
        }
        (false, false) if longest.at_most_ms().is_some_and(|own| own < most) => {
            format!("{}, and {most:.0} ms at most", words::unavailable(longest))
        }
        (false, false) => words::unavailable(longest),
    };
    let late_ms = lateness.between_ms(longest.stretch.last_answer_s, longest.stretch.next_answer_s);
    Seen { value: Range::between(longest.figure_ms(), most).sent_late(late_ms), shown }
}

/// What a figure had come to when the run was ended early, if that was before it was whole.
fn so_far(fault: &Failover, figure: FailoverFigure) -> Option<(f64, String)> {
    let since_s = fault.until_s - fault.injected_s;
    let ms = match figure {
        _ if !fault.cut_off && !is_undecided(fault, figure) => None,
        FailoverFigure::Elect => (fault.elect == Elect::Never).then_some(since_s * 1e3),
        FailoverFigure::Unavailable => {
            let is_open = fault.stretches().any(|u| u.stretch.open_ended);
            is_open.then(|| fault.stretches().map(Unavailable::at_least_ms).fold(0.0, f64::max))
        }
        FailoverFigure::Recover => match fault.recover {
            Recover::Undecided { seen_ms } => Some(seen_ms),
            Recover::After { .. } | Recover::Never => None,
        },
        FailoverFigure::LostWork => {
            let lost = fault.lost_work;
            return fault.recover.ms().is_none().then(|| (lost as f64, format!("{lost} operations")));
        }
    };
    ms.map(|ms| ms.max(0.0)).map(|ms| (ms, format!("{ms:.0} ms")))
}

#[cfg(test)]
mod tests;
