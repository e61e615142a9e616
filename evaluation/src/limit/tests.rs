use loadgen::scenario::{OperationKind, Target};

use super::*;
use crate::{
    failover,
    run::History,
    synthetic::{Plan, fault, stage},
};

fn limit(metric: Metric, comparison: Comparison, value: f64, window: Window) -> Limit {
    Limit { text: format!("{metric:?}"), metric, comparison, value, window }
}

fn figure(index: Option<usize>, figure: FailoverFigure) -> Metric {
    Metric::Fault { index, figure }
}

fn judge(mut run: RunDirectory, limits: Vec<Limit>) -> Vec<LimitReport> {
    run.scenario.pass.limits = limits;
    let failovers = failover::analyse(&run);
    evaluate(&run, &failovers)
}

#[test]
fn figures_of_faults_are_compared_and_the_worst_counts() {
    let mut plan = Plan::leader_kill();
    // A second fault, on a follower, that disturbs nobody.
    plan.faults.push(fault(30, Target::Node(1)));
    plan.events.push(crate::synthetic::struck(loadgen::record::EventKind::Fault, 1, 1, 30.0));
    let reports = judge(
        plan.run(),
        vec![
            limit(figure(None, FailoverFigure::Elect), Comparison::AtMost, 298.5, Window::Measured),
            limit(figure(None, FailoverFigure::Unavailable), Comparison::AtMost, 300.0, Window::Measured),
            limit(figure(Some(1), FailoverFigure::Unavailable), Comparison::AtMost, 300.0, Window::Measured),
            limit(figure(Some(1), FailoverFigure::Elect), Comparison::AtMost, 1e9, Window::Measured),
            limit(figure(Some(7), FailoverFigure::Recover), Comparison::AtMost, 1e9, Window::Measured),
        ],
    );
    let holds: Vec<_> = reports.iter().map(|r| r.holds).collect();
    assert_eq!(holds, [true, false, true, false, false], "{reports:#?}");
    assert_eq!((reports[0].samples, reports[1].samples), (1, 2));
    assert!(reports[1].shown.contains("fault 0"), "{}", reports[1].shown);
    assert!(reports[3].shown.starts_with("no samples"), "{}", reports[3].shown);
    assert_eq!(reports[4].shown, "no samples: fault 7 was not injected");
}

#[test]
fn a_figure_that_never_ends_breaks_every_upper_limit() {
    let mut plan = Plan::leader_kill();
    plan.outages = vec![(15.003, 1e6)];
    plan.events.truncate(2);
    let upper = |f| limit(figure(None, f), Comparison::AtMost, 1e12, Window::Measured);
    plan.give_up_one_in = 1;
    let reports = judge(
        plan.run(),
        vec![
            upper(FailoverFigure::Elect),
            upper(FailoverFigure::Unavailable),
            upper(FailoverFigure::Recover),
        ],
    );
    for report in &reports {
        assert!(!report.holds && report.value.is_none(), "{report:?}");
    }
    assert_eq!(reports[2].shown[..13], *"not recovered");
}

#[test]
fn windows_leave_out_warm_up_and_for_steady_what_a_fault_disturbed() {
    let mut plan = Plan::leader_kill();
    // Everybody waits in the outage; nobody is given up.
    plan.give_up_one_in = u64::MAX;
    let p999 =
        |window| limit(Metric::Latency { operation: None, quantile: 0.999 }, Comparison::Less, 50.0, window);
    let ok = limit(Metric::OkRatio, Comparison::Equal, 1.0, Window::Measured);
    let reports = judge(plan.run(), vec![p999(Window::Measured), p999(Window::Steady), ok]);
    assert_eq!(reports.iter().map(|r| r.holds).collect::<Vec<_>>(), [false, true, true], "{reports:#?}");
    assert!(reports[1].samples < reports[0].samples);
    // 40 s at 800/s, without the 5 s of warm-up at 200/s.
    assert!((31_000..33_000).contains(&reports[0].samples));
}

#[test]
fn counts_and_ratios() {
    let reports = judge(
        Plan::leader_kill().run(),
        vec![
            limit(Metric::Count(OutcomeKind::Shed), Comparison::Equal, 0.0, Window::Measured),
            limit(Metric::Count(OutcomeKind::Unknown), Comparison::Equal, 0.0, Window::Measured),
            limit(Metric::OkRatio, Comparison::AtLeast, 1.0, Window::Measured),
        ],
    );
    assert_eq!(reports.iter().map(|r| r.holds).collect::<Vec<_>>(), [true, false, false]);
    assert!(!reports[2].shown.starts_with("1.0"), "{}", reports[2].shown);
}

#[test]
fn a_limit_without_samples_fails() {
    let mut run = Plan::leader_kill().run();
    run.history = History::default();
    run.scenario.load.stages = vec![stage(1, 1.0, false)];
    run.events.clear();
    let latency = Metric::Latency { operation: Some(OperationKind::Seal), quantile: 0.5 };
    let reports = judge(
        run,
        vec![
            limit(latency, Comparison::Less, 1e9, Window::Measured),
            limit(Metric::OkRatio, Comparison::AtLeast, 0.0, Window::Steady),
            limit(figure(None, FailoverFigure::LostWork), Comparison::AtMost, 1e9, Window::Measured),
        ],
    );
    for report in reports {
        assert!(!report.holds && report.shown.starts_with("no samples"), "{report:?}");
    }
    // Operations there are, but none of this kind.
    let reports =
        judge(Plan::leader_kill().run(), vec![limit(latency, Comparison::Less, 1e9, Window::Measured)]);
    assert_eq!(reports[0].shown, "no samples: no seal was answered in this window");
}
