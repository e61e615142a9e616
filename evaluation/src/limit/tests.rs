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
    run.scenario.pass.implied.clear();
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
fn elections_are_leaders_of_later_terms_than_the_first() {
    let nobody = limit(Metric::Elections, Comparison::Equal, 0.0, Window::Measured);
    let once = limit(Metric::Elections, Comparison::Equal, 1.0, Window::Measured);
    let reports = judge(Plan::leader_kill().run(), vec![nobody.clone(), once]);
    assert_eq!(reports.iter().map(|r| r.holds).collect::<Vec<_>>(), [false, true], "{reports:#?}");
    let mut unseen = Plan::leader_kill().run();
    unseen.events.clear();
    assert!(!judge(unseen, vec![nobody])[0].holds, "no samples");
}

/// `fault[*].figure.quantile <= value`.
fn at_most(of: FailoverFigure, quantile: f64, value: f64) -> Limit {
    limit(Metric::Faults { figure: of, quantile }, Comparison::AtMost, value, Window::Measured)
}

#[test]
fn a_quantile_over_faults_is_that_of_one_of_them() {
    use FailoverFigure::{Elect, Unavailable};
    let run = || Plan::many_kills(20).run();
    let sorted = {
        let mut all: Vec<f64> =
            failover::analyse(&run()).iter().map(|f| f.unavailable.at_least_ms()).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let most =
        failover::analyse(&run()).iter().map(|f| f.unavailable.at_most_ms().unwrap()).fold(0.0, f64::max);
    assert_eq!(sorted.len(), 20);
    let reports = judge(
        run(),
        vec![
            at_most(Unavailable, 0.5, sorted[10]),
            at_most(Unavailable, 0.5, sorted[9] - 0.01),
            at_most(Unavailable, 0.9, sorted[19]),
            at_most(Unavailable, 0.99, most),
            at_most(Unavailable, 1.0, sorted[19] - 0.01),
            at_most(Elect, 1.0, 1e9),
        ],
    );
    let holds: Vec<_> = reports.iter().map(|r| r.holds).collect();
    assert_eq!(holds, [true, false, true, true, false, true], "{reports:#?}");
    assert_eq!((reports[0].value, reports[0].samples), (Some(sorted[9]), 20));
    assert!(reports[0].shown.ends_with(" ms, over 20 faults"), "{}", reports[0].shown);
}

#[test]
fn a_quantile_beyond_which_faults_did_not_end_breaks_every_upper_limit() {
    let mut plan = Plan::many_kills(20);
    // Nobody was elected after two of them; who was struck next was not known to lead.
    let terms: Vec<u64> = plan.events.iter().filter_map(|e| e.term).collect();
    plan.events.retain(|event| event.term.is_none_or(|term| term != terms[5] && term != terms[9]));
    let reports = judge(
        plan.run(),
        vec![at_most(FailoverFigure::Elect, 0.5, 1e9), at_most(FailoverFigure::Elect, 0.99, 1e9)],
    );
    assert_eq!(reports.iter().map(|r| r.holds).collect::<Vec<_>>(), [true, false], "{reports:#?}");
    assert_eq!((reports[1].value, reports[1].shown.as_str()), (None, "no end, over 18 faults"));
}

#[test]
fn a_quantile_of_no_fault_does_not_hold() {
    let mut nobody = Plan::leader_kill();
    (nobody.events, nobody.faults) = (vec![], vec![]);
    let report = judge(nobody.run(), vec![at_most(FailoverFigure::Unavailable, 0.5, 1e9)]).remove(0);
    assert_eq!((report.holds, report.shown.as_str()), (false, "no samples: no fault was injected"));
    // A follower: there is nothing to elect.
    let mut follower = Plan::leader_kill();
    follower.events[0] = crate::synthetic::leader(-3.0, 3, 1);
    let report = judge(follower.run(), vec![at_most(FailoverFigure::Elect, 1.0, 1e9)]).remove(0);
    assert_eq!((report.holds, report.samples), (false, 0), "{report:?}");
}

#[test]
fn a_quantile_that_an_early_end_left_open_is_undecided_and_others_are_not() {
    let mut run = Plan::many_kills(20).run();
    let last_s =
        run.events.iter().filter(|e| e.fault == Some(19)).map(|e| e.completed_s).fold(f64::MAX, f64::min);
    run.manifest.interrupted = Some("Ctrl-C".into());
    run.manifest.complete = false;
    // The last was under way.
    run.history.operations.retain(|o| o.due_s() < last_s + 0.02);
    let reports = judge(
        run,
        vec![at_most(FailoverFigure::Unavailable, 0.5, 1e9), at_most(FailoverFigure::Unavailable, 1.0, 1e9)],
    );
    let seen: Vec<_> = reports.iter().map(|r| (r.holds, r.undecided)).collect();
    assert_eq!(seen, [(true, false), (false, true)], "{reports:#?}");
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

#[test]
fn a_limit_between_at_least_and_at_most_is_undecided_and_no_failure() {
    use loadgen::scenario::FailoverFigure::Unavailable;
    let run = || Plan::leader_kill().run();
    let unavailable = failover::analyse(&run()).remove(0).unavailable;
    let (least, most) = (unavailable.at_least_ms(), unavailable.at_most_ms().unwrap());
    assert!(most > least + 0.02, "{unavailable:?}");
    let limit = |comparison, value| limit(figure(None, Unavailable), comparison, value, Window::Measured);
    let reports = judge(
        run(),
        vec![
            limit(Comparison::AtMost, most),
            limit(Comparison::AtMost, (least + most) / 2.0),
            // By more than the load generator was late.
            limit(Comparison::AtMost, least - 5.0),
            limit(Comparison::AtLeast, least),
            limit(Comparison::AtLeast, (least + most) / 2.0),
            limit(Comparison::AtLeast, most + 0.01),
        ],
    );
    let seen: Vec<_> = reports.iter().map(|r| (r.holds, r.undecided)).collect();
    let each = [(true, false), (false, true), (false, false)];
    assert_eq!(seen, [each, each].concat(), "{reports:#?}");
}

#[test]
fn an_outage_at_the_healing_breaks_a_limit_as_one_at_the_fault_does() {
    let mut plan = Plan::leader_kill();
    plan.outages = vec![(15.003, 15.053), (23.2, 23.7)];
    let at_most =
        |ms| limit(figure(None, FailoverFigure::Unavailable), Comparison::AtMost, ms, Window::Measured);
    let reports = judge(plan.run(), vec![at_most(400.0), at_most(600.0)]);
    assert_eq!(reports.iter().map(|r| r.holds).collect::<Vec<_>>(), [false, true], "{reports:#?}");
}

#[test]
fn faults_that_can_be_told_from_none_are_counted() {
    let count = |value| limit(Metric::Distinguishable, Comparison::Equal, value, Window::Measured);
    let told = judge(Plan::leader_kill().run(), vec![count(0.0), count(1.0)]);
    assert_eq!(told.iter().map(|r| r.holds).collect::<Vec<_>>(), [false, true], "{told:#?}");
    let mut harmless = Plan::leader_kill();
    harmless.outages.clear();
    let told = judge(harmless.run(), vec![count(0.0)]);
    assert!(told[0].holds && told[0].shown == "0 of 1 faults", "{told:#?}");
    let mut nobody = Plan::leader_kill();
    (nobody.events, nobody.faults) = (vec![], vec![]);
    assert!(!judge(nobody.run(), vec![count(0.0)])[0].holds);
}

#[test]
fn without_anything_to_compare_with_a_limit_on_recovery_is_undecided() {
    let mut run = Plan::leader_kill().run();
    // Nobody was answered before the fault.
    run.history.operations.retain(|o| o.due_s() > 15.0 || o.done_s().is_none());
    let recover = limit(figure(None, FailoverFigure::Recover), Comparison::AtMost, 5_000.0, Window::Measured);
    let report = judge(run, vec![recover]).remove(0);
    assert!(!report.holds && report.undecided, "{report:?}");
}

#[test]
fn a_load_that_ends_in_a_pause_leaves_an_open_outage_undecided() {
    let mut run = Plan::leader_kill().run();
    // One operation is lost just before everybody stops asking.
    run.history.operations.retain(|o| o.due_s() < 15.2);
    let unavailable =
        |ms| limit(figure(None, FailoverFigure::Unavailable), Comparison::AtMost, ms, Window::Measured);
    for operation in run.history.operations.iter_mut().filter(|o| o.due_s() > 15.19) {
        operation.outcome = OutcomeKind::Unknown;
        operation.done_ns = Some(operation.due_ns + 2_000_000_000);
    }
    let last_due = 15.003;
    run.history.operations.retain(|o| o.due_s() < last_due || o.outcome != OutcomeKind::Ok);
    let reports = judge(run, vec![unavailable(5_000.0), unavailable(1_000.0)]);
    let seen: Vec<_> = reports.iter().map(|r| (r.holds, r.undecided)).collect();
    assert_eq!(seen, [(false, true), (false, false)], "{reports:#?}");
}

#[test]
fn service_that_was_good_before_the_healing_is_not_recovered_from_it() {
    let run = Plan::leader_kill().run();
    let mut failovers = failover::analyse(&run);
    failovers[0].settle = Recover::Undecided { seen_ms: 100.0 };
    failovers[0].again = failover::Again::NotSeen;
    assert!(failovers[0].recover.ms().is_some());
    let reports = evaluate(&run, &failovers);
    let recovered = reports.iter().find(|r| r.implied == Some(Implied::Recovered)).unwrap();
    assert!(!recovered.holds && recovered.undecided && recovered.value == Some(0.0), "{recovered:?}");
}

#[test]
fn faults_of_which_a_figure_is_undecided_may_be_anywhere_in_its_quantiles() {
    let mut run = Plan::many_kills(20).run();
    run.scenario.pass.limits =
        [0.5, 0.9].map(|quantile| at_most(FailoverFigure::Recover, quantile, 1_000.0)).into();
    let mut failovers = failover::analyse(&run);
    for (place, fault) in failovers.iter_mut().enumerate() {
        fault.recover = match place % 2 {
            0 => Recover::After { ms: 500.0 },
            _ => Recover::Undecided { seen_ms: 100.0 },
        };
    }
    let reports = evaluate(&run, &failovers);
    let seen: Vec<_> = reports[..2].iter().map(|r| (r.holds, r.undecided)).collect();
    assert_eq!(seen, [(true, false), (false, true)], "{reports:#?}");
    assert!(reports[1].shown.ends_with("over 20 faults, 10 of them undecided"), "{reports:#?}");
    let kinds = failover::kinds(&failovers);
    assert_eq!((kinds[0].recover.count(), kinds[0].recover_undecided), (10, 10));
}

#[test]
fn quantiles_of_lost_work_are_operations() {
    let report =
        judge(Plan::many_kills(3).run(), vec![at_most(FailoverFigure::LostWork, 1.0, 1e9)]).remove(0);
    assert!(report.shown.contains("operations") && !report.shown.contains("ms"), "{report:?}");
}

#[test]
fn the_longest_at_least_need_not_be_the_longest_at_most() {
    let mut run = Plan::leader_kill().run();
    let limit =
        |ms| limit(figure(None, FailoverFigure::Unavailable), Comparison::AtMost, ms, Window::Measured);
    run.scenario.pass.limits = vec![limit(60.0), limit(80.5)];
    let mut failovers = failover::analyse(&run);
    let stretch = |from_s: f64, least_ms: f64, most_ms: f64| {
        let to_s = from_s + least_ms / 1e3;
        let nothing = failover::Stretch::nothing(from_s);
        failover::Stretch { to_s, next_answer_s: to_s, last_answer_s: to_s - most_ms / 1e3, ..nothing }
    };
    failovers[0].unavailable.stretch = stretch(15.0, 50.0, 51.0);
    let healing = failovers[0].healing.as_mut().unwrap();
    healing.stretch = stretch(23.0, 49.0, 80.0);
    let reports = evaluate(&run, &failovers);
    let seen: Vec<_> = reports[..2].iter().map(|r| (r.holds, r.undecided)).collect();
    assert_eq!(seen, [(false, true), (true, false)], "{reports:#?}");
    // Of a run that was ended, what had ended counts as what had not.
    failovers[0].cut_off = true;
    failovers[0].healing.as_mut().unwrap().stretch.open_ended = true;
    run.scenario.pass.limits[0].value = 49.5;
    let report = evaluate(&run, &failovers).remove(0);
    assert!(!report.holds && !report.undecided && report.value.unwrap().round() == 50.0, "{report:?}");
}

/// A run in which operations due in a time were sent so much later, and took as long as ever from then on.
fn sent_late(from_s: f64, to_s: f64, late_ms: i64) -> RunDirectory {
    let mut run = Plan::leader_kill().run();
    for operation in run.history.operations.iter_mut().filter(|o| (from_s..to_s).contains(&o.due_s())) {
        let later = |at_ns: i64| at_ns + late_ms * 1_000_000;
        operation.sent_ns = operation.sent_ns.map(later);
        operation.done_ns = operation.done_ns.map(later);
    }
    run
}

#[test]
fn what_the_generator_was_late_itself_breaks_no_limit_on_a_time() {
    let latency = |ms| {
        let metric = Metric::Latency { operation: None, quantile: 1.0 };
        limit(metric, Comparison::AtMost, ms, Window::Steady)
    };
    // 700 ms is in time, as far as the generator goes.
    let of = |run, ms| {
        let report = judge(run, vec![latency(ms)]).remove(0);
        (report.holds, report.undecided, report.shown)
    };
    let late = || sent_late(30.0, 30.5, 700);
    let (holds, undecided, shown) = of(late(), 500.0);
    assert_eq!((holds, undecided), (false, true), "{shown}");
    assert!(shown.contains("the load generator was up to 700.0 ms late itself"), "{shown}");
    assert!(of(late(), 5_000.0).0);
    // Whatever it had been, this would have been too long.
    let (holds, undecided, shown) = of(late(), 1.0);
    assert_eq!((holds, undecided), (false, false), "{shown}");
    // Another time than the one that is looked at.
    let mut run = late();
    run.history.operations.retain(|o| !(30.0..30.5).contains(&o.due_s()));
    assert!(of(run, 500.0).0);
    assert!(!of(Plan::leader_kill().run(), 1.0).1, "nobody was late");
}

#[test]
fn nor_does_it_break_one_on_a_figure_of_a_fault() {
    let at_most =
        |ms| limit(figure(None, FailoverFigure::Unavailable), Comparison::AtMost, ms, Window::Measured);
    // Nobody is sent for 900 ms from the kill on: all of it is the generator's.
    let late = || sent_late(15.0, 15.9, 900);
    let of = |run, ms| {
        let report = judge(run, vec![at_most(ms)]).remove(0);
        (report.holds, report.undecided)
    };
    let unavailable = failover::analyse(&late())[0].unavailable.at_least_ms();
    assert!(unavailable > 800.0, "{unavailable}");
    assert_eq!(of(late(), unavailable - 100.0), (false, true));
    let quantile = |run, ms| {
        let metric = Metric::Faults { figure: FailoverFigure::Unavailable, quantile: 1.0 };
        let report = judge(run, vec![limit(metric, Comparison::AtMost, ms, Window::Measured)]).remove(0);
        (report.holds, report.undecided)
    };
    assert_eq!(quantile(late(), unavailable - 100.0), (false, true));
    // The same outage, of the cluster's own.
    let own = || {
        let mut run = late();
        run.history.operations.iter_mut().for_each(|o| o.sent_ns = o.sent_ns.map(|_| o.due_ns));
        run
    };
    assert_eq!(of(own(), unavailable - 100.0), (false, false));
    assert_eq!(quantile(own(), unavailable - 100.0), (false, false));
}

/// The faults of a run of which all nodes were struck from `from_s` until `to_s`, one after the other.
fn all_struck(from_s: f64, to_s: f64) -> (RunDirectory, Vec<Failover>) {
    let mut run = Plan::leader_kill().run();
    run.scenario.pass.limits.clear();
    let mut failovers = failover::analyse(&run);
    failovers[0].nodes = vec![1, 2, 3];
    (failovers[0].asked_s, failovers[0].healed_s) = (from_s, Some(to_s));
    for operation in run.history.operations.iter_mut().filter(|o| (from_s..to_s).contains(&o.due_s())) {
        operation.outcome = OutcomeKind::Unknown;
    }
    (run, failovers)
}

fn half_answered(run: &RunDirectory, failovers: &[Failover]) -> LimitReport {
    let reports = evaluate(run, failovers);
    reports.into_iter().find(|r| r.implied == Some(Implied::HalfAnswered)).unwrap()
}

#[test]
fn nobody_is_blamed_for_what_was_due_while_every_node_was_struck() {
    let (run, mut failovers) = all_struck(10.0, 40.0);
    let report = half_answered(&run, &failovers);
    assert!(report.holds && report.shown.contains("that waited while every node was struck"), "{report:?}");
    // One node was left, or could be reached.
    failovers[0].nodes.pop();
    assert!(!half_answered(&run, &failovers).holds);
    failovers[0].nodes.push(3);
    failovers[0].kind = "throttle".into();
    assert!(!half_answered(&run, &failovers).holds);
    // Of next to nothing no pass is made.
    let (run, failovers) = all_struck(6.0, 45.0);
    let report = half_answered(&run, &failovers);
    assert!(!report.holds && !report.undecided, "{report:?}");
    let (run, failovers) = all_struck(0.0, 45.0);
    let report = half_answered(&run, &failovers);
    assert!(!report.holds && report.undecided, "{report:?}");
}

#[test]
fn a_fault_after_which_nobody_asked_is_none_to_be_recovered_from() {
    let run = Plan::leader_kill().run();
    let mut failovers = failover::analyse(&run);
    failovers[0].settle = Recover::Undecided { seen_ms: 100.0 };
    failovers[0].again = failover::Again::NobodyAsked;
    let recovered = |failovers: &[Failover]| {
        let reports = evaluate(&run, failovers);
        reports.into_iter().find(|r| r.implied == Some(Implied::Recovered)).unwrap()
    };
    let report = recovered(&failovers);
    assert!(report.holds && report.shown.ends_with("nobody asked after 1 more"), "{report:?}");
    failovers[0].again = failover::Again::Answered;
    assert!(recovered(&failovers).holds);
}
