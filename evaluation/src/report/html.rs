//! `report.html`: one file that opens offline and reads from top to bottom.

use loadgen::record::EventKind;
use maud::{Markup, html};

use super::{
    FILES,
    environment::{self, LogCell, NodeColumns},
    page::{inline, mark, page},
    stages, words,
};
use crate::{
    assessment::{Assessment, Tally},
    check::{self, CheckResult},
    failover::{Failover, KindFigures},
    figure::{Figure, LEAST_FOR_ECDF, thousands},
    limit::LimitReport,
    run::RunDirectory,
};

/// More events than this are folded up.
const MANY_EVENTS: usize = 40;

/// The whole report.
pub fn render(run: &RunDirectory, assessment: &Assessment, figures: &[Figure]) -> String {
    let name = &run.manifest.name;
    let title = format!("{}: {name}", assessment.judgement.verdict.name());
    let body = html! {
        h1 { (name) }
        p.quiet { (run.manifest.scenario) ", seed " (run.manifest.seed) ", started " (run.manifest.started) }
        (verdict(assessment))
        (tiles(assessment))
        (failovers(assessment))
        (limits(assessment))
        (checks(assessment))
        (operations(assessment))
        (stages(run))
        h2 { "Figures" }
        @for figure in figures { (inline(figure)) }
        (events(run))
        (environment(run))
        h2 { "Scenario" }
        p.quiet { "As it ran, defaults filled in." }
        pre { (run.scenario_text) }
        (files())
    };
    page(&title, &body)
}

fn verdict(assessment: &Assessment) -> Markup {
    let judgement = &assessment.judgement;
    let name = judgement.verdict.name();
    html! {
        div class={ "verdict " (name) } {
            b { (name) }
            p { (words::sentence(assessment)) "." }
            @if !judgement.reasons.is_empty() {
                ul { @for reason in &judgement.reasons { li { (reason) } } }
            }
        }
    }
}

fn tiles(assessment: &Assessment) -> Markup {
    let total = &assessment.total;
    let part = |n: u64| match total.offered {
        0 => "–".to_owned(),
        offered => format!("{:.3} %", (n as f64 / offered as f64 * 1e5).floor() / 1e3),
    };
    let held = assessment.limits.iter().filter(|l| l.holds).count();
    let mut tiles = vec![
        (part(total.ok), format!("of {} operations answered", thousands(total.offered))),
        (
            format!("{} ms", words::latency(total.latencies.quantile_ms(0.99))),
            "p99 of the whole load".to_owned(),
        ),
        (thousands(total.failed + total.unknown + total.shed), "failed, unknown or shed".to_owned()),
    ];
    if !assessment.limits.is_empty() {
        tiles.push((format!("{held} of {}", assessment.limits.len()), "limits hold".to_owned()));
    }
    let stretches = assessment.failovers.iter().map(Failover::main_stretch);
    let worst = stretches.max_by(|a, b| a.figure_ms().total_cmp(&b.figure_ms()));
    if let Some(worst) = worst {
        let told = match worst.is_distinguishable() {
            Some(false) => "nobody who asked was served: as without a fault",
            _ => "nobody who asked was served, at the longest",
        };
        tiles.insert(0, (words::unavailable(worst), told.to_owned()));
    }
    html! {
        div.tiles { @for (value, what) in &tiles { div.tile { b { (value) } span { (what) } } } }
    }
}

fn failovers(assessment: &Assessment) -> Markup {
    let failovers = &assessment.failovers;
    let each = format!("Each of the {} faults", failovers.len());
    html! {
        h2 { "Failover" }
        @if failovers.is_empty() {
            p { "No fault struck during this run." }
        } @else {
            (kinds(&assessment.kinds))
            (folded(failovers.len() > words::MANY_FAULTS, &each, &each_fault(failovers)))
            p.quiet {
                b { "elect" } ": from the fault to the first leader of a higher term. "
                b { "unavailable" } ": the longest time in which at least one operation that was due waited and none was "
                "answered, from the fault until service was good: at least from the first that had to wait, at most "
                "from answer to answer. A time in which nobody asked is no outage. "
                b { "healing" } ": the same from then on, until it was healed and service good again. "
                b { "noise" } ": the same in the last time before the fault that was as long and in which as much was "
                "asked for, and the worst in all such times without a fault. What is not longer than that is not distinguishable from no fault; where fewer than "
                "fifty such times were seen, what is not twice as long. "
                b { "recover" } ": from the fault to the first second, in steps of 100 ms and not before the end of the "
                "outage, that is about as good as before: of those who asked in it at most 5 % were not answered or waited "
                "for more than twice the p99 before (a binomial test), and all together did not wait twice as long (a rank "
                "test), each with an error of 1 %. Undecided: the next fault came before it could be seen. "
                b { "lost work" } ": operations due between fault and recovery that were not answered in time. "
                "A fault begins when it had happened, not when it was asked for."
            }
        }
    }
}

/// How the figures of each kind of fault are distributed, where there are several of it.
fn kinds(kinds: &[KindFigures]) -> Markup {
    let rows = words::kinds(kinds);
    html! {
        @if !rows.is_empty() {
            div.wide { table {
                thead { tr { @for (place, name) in words::KINDS.into_iter().enumerate() {
                    th.n[place > 1] { (name) }
                } } }
                tbody { @for cells in &rows { tr {
                    @for (place, cell) in cells.iter().enumerate() {
                        td.n[place > 1] { @if cells[1].starts_with("unavailable") { b { (cell) } } @else { (cell) } }
                    }
                } } }
            } }
            p.quiet {
                "Quantiles are values that one of the faults had; what did not end is worse than all others. "
                @if kinds.iter().any(|kind| (2..LEAST_FOR_ECDF).contains(&kind.faults)) {
                    "No distribution is drawn of fewer than " (LEAST_FOR_ECDF) " faults of a kind: its 90th percentile "
                    "would be the worst of them."
                }
            }
        }
    }
}

/// What is long is folded up.
fn folded(long: bool, summary: &str, content: &Markup) -> Markup {
    html! {
        @if long { details { summary { (summary) } (content) } } @else { (content) }
    }
}

fn each_fault(failovers: &[Failover]) -> Markup {
    html! {
            div.wide { table {
                thead { tr {
                    th { "fault" } th.n { "at" } th.n { "healed at" } th.n { "elect" } th.n { "unavailable" }
                    th.n { "healing" } th.n { "recover" } th.n { "lost work" }
                } }
                tbody { @for fault in failovers { tr {
                    td { (words::fault_name(fault)) }
                    td.n { (format!("{:.3} s", fault.injected_s)) }
                    td.n { (words::healed(fault)) }
                    td.n { (words::elect(fault)) }
                    td.n {
                        b { (words::unavailable(&fault.unavailable)) } br;
                        span.quiet { (words::noise(&fault.unavailable)) }
                    }
                    td.n {
                        @if let Some(healing) = &fault.healing {
                            (words::unavailable(healing)) br;
                            span.quiet { (words::noise(healing)) }
                        } @else { "–" }
                    }
                    td.n { (words::recover(fault)) }
                    td.n { (thousands(fault.lost_work)) }
                } } }
            } }
            h3 { "Unavailable at the fault, each operation for itself" }
            div.wide { table {
                thead { tr {
                    th { "fault" }
                    @for kind in failovers[0].unavailable_by_operation.keys() { th.n { (kind.name()) } }
                } }
                tbody { @for fault in failovers { tr {
                    td { (words::fault_name(fault)) }
                    @for stretch in fault.unavailable_by_operation.values() {
                        td.n { (words::unavailable(stretch)) br; span.quiet { (words::noise(stretch)) } }
                    }
                } } }
            } }
    }
}

fn limits(assessment: &Assessment) -> Markup {
    html! {
        h2 { "Limits" }
        @if assessment.limits.is_empty() {
            p { "The scenario sets none." }
        } @else {
            div.wide { table {
                thead { tr { th { "limit" } th { "measured" } th { "holds" } th.n { "samples" } } }
                tbody { @for limit in &assessment.limits { tr {
                    td {
                        @match limit.implied {
                            None => code { (limit.text) },
                            Some(_) => { (limit.text) br; span.quiet { "implied" } }
                        }
                    }
                    td { (limit.shown) }
                    td { (limit_mark(limit)) }
                    td.n { (thousands(limit.samples)) }
                } } }
            } }
            p.quiet {
                "Warm-up is left out. " code { "@ steady" } " also leaves out what was due between a fault and the "
                "recovery from its healing. A limit without samples does not hold. Implied limits hold for every run "
                "whose scenario does not leave them out."
            }
        }
    }
}

fn limit_mark(limit: &LimitReport) -> Markup {
    let (class, word) = words::holds(limit);
    mark(class, word)
}

fn checks(assessment: &Assessment) -> Markup {
    html! {
        h2 { "Checks" }
        div.wide { table {
            thead { tr { th { "check" } th { "result" } th.n { "examined" } th { "what it promises" } } }
            tbody { @for report in &assessment.checks { tr {
                td { code { (report.check.name()) } @if !report.required { br; span.quiet { "not asked for" } } }
                td { (mark(report.result.name(), report.result.name())) }
                td.n { (thousands(report.operations)) }
                td {
                    (check::promise(report.check))
                    @if let Some(effort) = &report.effort { br; span.quiet { (effort) } }
                }
            } } }
        } }
        @for report in &assessment.checks {
            @match &report.result {
                CheckResult::Pass => {}
                CheckResult::Fail { violations, examples } => {
                    h3 { (report.check.name()) ": " (words::violations(*violations)) }
                    @if *violations > examples.len() as u64 { p.quiet { "The first " (examples.len()) ":" } }
                    ul.examples { @for example in examples { li { (counter_example(example)) } } }
                }
                CheckResult::Inconclusive { reason } => {
                    h3 { (report.check.name()) " is inconclusive" }
                    ul.examples { li { (reason) } }
                }
            }
        }
    }
}

/// A sentence, and under it the drawing, if there is one.
fn counter_example(example: &str) -> Markup {
    match example.split_once('\n') {
        None => html! { (example) },
        Some((sentence, drawing)) => html! { (sentence) pre { (drawing) } },
    }
}

fn operations(assessment: &Assessment) -> Markup {
    let row = |name: &str, tally: &Tally, class: &str| {
        html! {
            tr class=(class) {
                td { (name) }
                @for count in [tally.offered, tally.ok, tally.failed, tally.unknown, tally.shed] {
                    td.n { (thousands(count)) }
                }
                @for (_, quantile) in words::QUANTILES {
                    td.n { (words::latency(tally.latencies.quantile_ms(quantile))) }
                }
            }
        }
    };
    html! {
        h2 { "Operations" }
        div.wide { table {
            thead { tr {
                th { "operation" }
                @for name in ["offered", "ok", "failed", "unknown", "shed"] { th.n { (name) } }
                @for (name, _) in words::QUANTILES { th.n { (name) ", ms" } }
            } }
            tbody {
                (row("all", &assessment.total, "all"))
                @for (kind, tally) in &assessment.by_operation { (row(kind.name(), tally, "")) }
            }
        } }
        p.quiet {
            @if let Some(sent) = words::send_error(&assessment.total) { (sent) ". " }
            "Warm-up included. Latency is that of answered operations, counted from the moment each was due, "
            "however late it was sent; quantiles are exact. Unknown operations got no answer in time and may have "
            "happened: they have no latency, and stand beside it as a count. Shed ones were due while too many "
            "were outstanding, and were never sent."
        }
    }
}

/// Where writes spent their time, if the nodes have told.
fn stages(run: &RunDirectory) -> Markup {
    let rows = stages::rows(run);
    html! {
        @if !rows.is_empty() {
            h2 { "Stages of a write" }
            div.wide { table {
                thead { tr { @for (place, name) in stages::COLUMNS.into_iter().enumerate() {
                    th.n[place > 1] { (name) }
                } } }
                tbody { @for cells in &rows { tr {
                    @for (place, cell) in cells.iter().enumerate() { td.n[place > 1] { (cell) } }
                } } }
            } }
            p.quiet {
                b { "client" } ": the whole, as users saw it after the warm-up. The stages are as each node counted what it led "
                "itself, since it was last started; their quantiles do not add up to those of the whole."
            }
        }
    }
}

fn events(run: &RunDirectory) -> Markup {
    html! {
        h2 { "Events" }
        (folded(run.events.len() > MANY_EVENTS, &format!("All {} events", run.events.len()), &html! {
        div.wide { table {
            thead { tr { th.n { "asked for" } th.n { "happened" } th { "node" } th { "what" } } }
            tbody { @for event in &run.events { tr {
                td.n { (format!("{:.3} s", event.invoked_s)) }
                td.n { (format!("{:.3} s", event.completed_s)) }
                td { "n" (event.node) }
                td { @match (event.event, event.term) {
                    (EventKind::Leader, Some(term)) => { "leads term " (term) }
                    (EventKind::Leader, None) => { "leads" }
                    (EventKind::Fault, _) => { (event.detail) }
                    (EventKind::Heal, _) => { (event.detail) " healed" }
                } }
            } } }
        } }
        }))
        p.quiet { "Seconds since the load began; before that, negative." }
    }
}

fn environment(run: &RunDirectory) -> Markup {
    html! {
        h2 { "What ran where" }
        dl { @for (name, value) in environment::facts(&run.manifest) { dt { (name) } dd { (value) } } }
        (nodes(run))
        (logs(run))
    }
}

fn nodes(run: &RunDirectory) -> Markup {
    let columns = NodeColumns::of(&run.manifest);
    html! {
        div.wide { table {
            thead { tr {
                th { "node" } th { "clients at" }
                @if columns.peers { th { "nodes at" } }
                @if columns.containers { th { "container" } }
                @if columns.logs { th { "log" } }
            } }
            tbody { @for node in &run.manifest.nodes { tr {
                td { "n" (node.id) }
                td { (node.client_address) }
                @if columns.peers { td { (words::or_dash(node.peer_address.as_deref())) } }
                @if columns.containers { td { code { (words::or_dash(node.container.as_deref())) } } }
                @if columns.logs { td { (log(&LogCell::of(run, node))) } }
            } } }
        } }
    }
}

fn log(cell: &LogCell) -> Markup {
    html! {
        @match cell {
            LogCell::None => "–",
            LogCell::Link { path, size } => { a href=(path) { (path) } ", " (size) }
            LogCell::Missing { path, why } => { code { (path) } ", " (why) }
        }
    }
}

/// The end of every log that says something, folded up.
fn logs(run: &RunDirectory) -> Markup {
    let said = run.logs.iter().filter_map(|(node, log)| Some((node, log.tail.as_ref().ok()?)));
    html! {
        @for (node, tail) in said.filter(|(_, tail)| !tail.lines.is_empty()) {
            details {
                summary {
                    "Log of n" (node) ", "
                    @if tail.whole { "whole" } @else { "its last lines" }
                }
                pre { (tail.lines.join("\n")) }
            }
        }
    }
}

fn files() -> Markup {
    html! {
        h2 { "Files of this run" }
        dl { @for (name, what) in FILES { dt { code { (name) } } dd { (what) } } }
    }
}
