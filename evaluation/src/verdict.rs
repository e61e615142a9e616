//! Pass, fail or inconclusive, and why.

use std::process::ExitCode;

use loadgen::scenario::Implied;

use crate::{
    check::{CheckReport, CheckResult},
    failover::Failover,
    limit::LimitReport,
    run::RunDirectory,
};

/// The exit code for bad usage, a bad scenario, or a run directory that cannot be read.
pub const EXIT_UNUSABLE: u8 = 2;

/// What a run shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All checks and limits hold.
    Pass,
    /// One does not.
    Fail,
    /// None is known to fail, but the run does not show what it was to show.
    Inconclusive,
}

impl Verdict {
    /// The name used in files: `pass`, `fail`, `inconclusive`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
        }
    }

    /// The exit code that tells scripts: 0, 1, 3.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Fail => 1,
            Self::Inconclusive => 3,
        }
    }
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        verdict.exit_code().into()
    }
}

/// A verdict with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Why it is not a pass, most serious first; empty for a pass.
    pub reasons: Vec<String>,
}

/// Judges a run.
///
/// It fails when a limit does not hold, written or implied, or when a check found a violation, asked for or not. It is
/// inconclusive when nothing failed, but the record is not complete, a check that the scenario asks for
/// could not see everything, the run was ended before a limit could be seen, nothing was offered, a fault of the
/// scenario never struck, or the load generator was not in time.
pub fn judge(
    run: &RunDirectory,
    failovers: &[Failover],
    checks: &[CheckReport],
    limits: &[LimitReport],
) -> Judgement {
    let mut failures = Vec::new();
    let mut doubts = Vec::new();
    for check in checks {
        match &check.result {
            CheckResult::Pass => {}
            CheckResult::Fail { violations, .. } => {
                let times = if *violations == 1 { "violation" } else { "violations" };
                failures.push(format!("check {}: {violations} {times}", check.check.name()));
            }
            CheckResult::Inconclusive { reason } if check.required => {
                doubts.push(format!("check {} could not be made: {reason}", check.check.name()));
            }
            CheckResult::Inconclusive { .. } => {}
        }
    }
    // A generator that was late has measured itself.
    let is_late = |l: &LimitReport| l.implied == Some(Implied::InTime) && !l.holds;
    let late = limits.iter().any(is_late);
    for limit in limits.iter().filter(|l| !l.holds) {
        let LimitReport { text, shown, .. } = limit;
        match (limit.implied, limit.undecided, late) {
            (Some(Implied::InTime | Implied::WholeHistory), ..) => {
                doubts.push(format!("it is not so that {text}: {shown}"));
            }
            (_, true, _) => doubts.push(format!("limit {text:?} could not be seen: {shown}")),
            (_, false, true) => {
                doubts
                    .push(format!("limit {text:?} does not hold, and the load generator was late: {shown}"));
            }
            (_, false, false) => failures.push(format!("limit {text:?} does not hold: {shown}")),
        }
    }
    if let Some(why) = &run.manifest.interrupted {
        doubts.push(format!("the run was ended early: {why}"));
    }
    if !run.manifest.complete {
        doubts.push("history or readback is not complete".to_owned());
    }
    if run.measured().next().is_none() {
        doubts.push("no operation was offered".to_owned());
    }
    for (index, fault) in run.scenario.faults.iter().enumerate() {
        if !failovers.iter().any(|f| f.index == index) {
            doubts.push(format!(
                "fault {index} of the scenario ({} of {} at {} s) never struck",
                fault.kind.name(),
                fault.target,
                fault.at.as_secs_f64(),
            ));
        }
    }
    let verdict = match (failures.is_empty(), doubts.is_empty()) {
        (false, _) => Verdict::Fail,
        (true, false) => Verdict::Inconclusive,
        (true, true) => Verdict::Pass,
    };
    failures.append(&mut doubts);
    Judgement { verdict, reasons: failures }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{assessment::assess, synthetic::Plan};

    fn verdict(change: impl FnOnce(&mut RunDirectory)) -> Judgement {
        let mut run = Plan::leader_kill().run();
        change(&mut run);
        assess(&run).judgement
    }

    #[test]
    fn all_well_is_a_pass() {
        let judgement = verdict(|_| {});
        assert_eq!(judgement.verdict, Verdict::Pass, "{judgement:?}");
        assert!(judgement.reasons.is_empty());
    }

    #[test]
    fn a_limit_that_does_not_hold_fails_by_name() {
        let judgement = verdict(|run| run.scenario.pass.limits[0].value = 1.0);
        assert_eq!(judgement.verdict, Verdict::Fail);
        assert!(judgement.reasons[0].contains("fault[*].unavailable <= 1s"), "{judgement:?}");
    }

    #[test]
    fn a_violation_fails_even_where_the_scenario_does_not_ask() {
        let judgement = verdict(|run| {
            run.scenario.pass.history.clear();
            run.readback.as_mut().unwrap().nodes[0].images.clear();
        });
        assert_eq!(judgement.verdict, Verdict::Fail);
    }

    #[test]
    fn what_cannot_be_seen_is_inconclusive_unless_something_fails() {
        let silent = |run: &mut RunDirectory| run.readback = None;
        assert_eq!(verdict(silent).verdict, Verdict::Inconclusive);
        let unasked = verdict(|run| {
            silent(run);
            run.scenario.pass.history.clear();
        });
        assert_eq!(unasked.verdict, Verdict::Pass);
        let both = verdict(|run| {
            silent(run);
            run.scenario.pass.limits[0].value = 1.0;
        });
        assert_eq!(both.verdict, Verdict::Fail);
        let cut = verdict(|run| {
            run.manifest.complete = false;
            run.manifest.interrupted = Some("Ctrl-C".into());
        });
        assert_eq!(cut.verdict, Verdict::Inconclusive);
        assert!(cut.reasons.iter().any(|r| r.contains("Ctrl-C")));
    }

    #[test]
    fn an_early_end_breaks_no_limit_of_a_fault_that_it_cut_off() {
        // Ended a moment after the leader died: nobody was answered since, nobody is elected yet.
        let ended_at = |end_s: f64| {
            verdict(move |run| {
                run.manifest.complete = false;
                run.manifest.interrupted = Some("Ctrl-C".into());
                run.history.operations.retain(|o| o.due_s() < end_s);
                run.events.truncate(2);
                let limit = |figure| loadgen::scenario::Limit {
                    text: format!("{figure:?}"),
                    metric: loadgen::scenario::Metric::Fault { index: None, figure },
                    ..run.scenario.pass.limits[0].clone()
                };
                use loadgen::scenario::FailoverFigure::{Elect, LostWork, Recover};
                let more = [Elect, Recover, LostWork].map(limit);
                run.scenario.pass.limits.truncate(1);
                run.scenario.pass.limits.extend(more);
            })
        };
        let judgement = ended_at(15.1);
        assert_eq!(judgement.verdict, Verdict::Inconclusive, "{judgement:#?}");
        let unseen = judgement.reasons.iter().filter(|r| r.contains("could not be seen")).count();
        assert_eq!(unseen, 4, "{judgement:#?}");
        // Before the fault struck.
        let judgement = verdict(|run| {
            run.manifest.complete = false;
            run.manifest.interrupted = Some("Ctrl-C".into());
            run.history.operations.retain(|o| o.due_s() < 10.0);
            run.events.truncate(1);
        });
        assert_eq!(judgement.verdict, Verdict::Inconclusive, "{judgement:#?}");
        // What was too long already when the run was ended is too long.
        let judgement = verdict(|run| {
            run.manifest.interrupted = Some("Ctrl-C".into());
            run.scenario.pass.limits[0].value = 50.0;
            run.history.operations.retain(|o| o.due_s() < 15.1);
        });
        assert_eq!(judgement.verdict, Verdict::Fail, "{judgement:#?}");
    }

    #[test]
    fn a_fault_that_never_struck_proves_nothing() {
        let judgement = verdict(|run| {
            run.events.clear();
            run.scenario.pass.limits.clear();
        });
        assert_eq!(judgement.verdict, Verdict::Inconclusive);
        assert_eq!(judgement.reasons, ["fault 0 of the scenario (kill of leader at 15 s) never struck"]);
    }

    /// Nobody is served from 6 s on but one in fifty.
    fn nearly_dead() -> RunDirectory {
        let mut run = Plan::leader_kill().run();
        run.scenario.pass.limits.clear();
        run.scenario.pass.history.clear();
        for operation in run.history.operations.iter_mut().filter(|o| o.due_s() > 6.0 && o.op % 50 != 0) {
            operation.outcome = loadgen::scenario::OutcomeKind::Failed;
        }
        run
    }

    #[test]
    fn a_run_in_which_nearly_nothing_was_answered_is_no_pass() {
        let judgement = assess(&nearly_dead()).judgement;
        assert_eq!(judgement.verdict, Verdict::Fail, "{judgement:#?}");
        assert!(judgement.reasons.iter().any(|r| r.contains("ok_ratio >= 0.5")), "{judgement:#?}");
        // Unless the scenario says so in so many words.
        let mut asked = nearly_dead();
        asked.scenario.pass.implied.retain(|one| *one != Implied::HalfAnswered && *one != Implied::Recovered);
        assert_eq!(assess(&asked).judgement.verdict, Verdict::Pass, "{:#?}", assess(&asked).judgement);
    }

    #[test]
    fn only_a_limit_that_takes_half_to_be_answered_stands_for_the_implied_one() {
        use loadgen::scenario::{Comparison, Limit, Metric, Window};
        let is_implied = |comparison, value, window| {
            let mut run = Plan::leader_kill().run();
            let text = format!("ok_ratio {comparison:?} {value} {window:?}");
            run.scenario.pass.limits =
                vec![Limit { text, metric: Metric::OkRatio, comparison, value, window }];
            assess(&run).limits.iter().any(|limit| limit.implied == Some(Implied::HalfAnswered))
        };
        for (comparison, value, window) in [
            (Comparison::AtLeast, 0.99, Window::Steady),
            (Comparison::AtLeast, 0.0, Window::Measured),
            (Comparison::Less, 0.9, Window::Measured),
            (Comparison::AtMost, 1.0, Window::Measured),
            (Comparison::Equal, 0.3, Window::Measured),
        ] {
            assert!(is_implied(comparison, value, window), "{comparison:?} {value} {window:?}");
        }
        for comparison in [Comparison::AtLeast, Comparison::Greater, Comparison::Equal] {
            assert!(!is_implied(comparison, 0.5, Window::Measured), "{comparison:?}");
        }
    }

    #[test]
    fn a_fault_that_stands_until_the_load_is_over_breaks_no_implied_limit() {
        let healed_at = |at_s: f64| {
            let mut plan = Plan::leader_kill();
            plan.outages.truncate(1);
            let heal = plan.events.last_mut().unwrap();
            (heal.invoked_s, heal.completed_s) = (at_s, at_s);
            assess(&plan.run())
        };
        let assessment = healed_at(45.5);
        assert_eq!(assessment.judgement.verdict, Verdict::Pass, "{:#?}", assessment.judgement);
        // Where nobody was served while it stood, nothing is known.
        let mut plan = Plan::leader_kill();
        plan.events.last_mut().unwrap().completed_s = 45.5;
        plan.outages = vec![(42.0, 1e6)];
        (plan.events[1].invoked_s, plan.events[1].completed_s) = (42.0, 42.0);
        plan.give_up_one_in = 1;
        let mut run = plan.run();
        run.scenario.pass.limits.clear();
        let judgement = assess(&run).judgement;
        assert_eq!(judgement.verdict, Verdict::Inconclusive, "{judgement:#?}");
    }

    #[test]
    fn a_stage_in_which_nobody_was_answered_is_no_pass() {
        let judgement = verdict(|run| {
            run.scenario.pass.limits.clear();
            for operation in run.history.operations.iter_mut().filter(|o| (0.0..5.0).contains(&o.due_s())) {
                operation.outcome = loadgen::scenario::OutcomeKind::Unknown;
            }
        });
        assert_eq!(judgement.verdict, Verdict::Fail, "{judgement:#?}");
        assert!(judgement.reasons[0].contains("every stage") && judgement.reasons[0].contains("stage 1"));
    }

    #[test]
    fn a_stage_that_had_just_begun_when_the_run_was_ended_proves_nothing() {
        let ended = |interrupted: bool| {
            verdict(move |run| {
                run.scenario.pass.limits.clear();
                run.events.clear();
                run.scenario.faults.clear();
                run.manifest.interrupted = interrupted.then(|| "Ctrl-C".into());
                run.history.operations.retain(|o| o.due_s() < 5.02);
                for operation in run.history.operations.iter_mut().filter(|o| o.due_s() >= 5.0) {
                    operation.outcome = loadgen::scenario::OutcomeKind::Unknown;
                }
                run.scenario.pass.implied.retain(|one| *one == Implied::EveryStage);
            })
        };
        assert_eq!(ended(true).verdict, Verdict::Inconclusive, "{:#?}", ended(true));
        assert_eq!(ended(false).verdict, Verdict::Fail, "{:#?}", ended(false));
    }

    #[test]
    fn a_healed_fault_after_which_service_does_not_come_back_is_no_pass() {
        let mut plan = Plan::leader_kill();
        plan.stages[1].length = std::time::Duration::from_secs(100);
        let mut run = plan.run();
        run.scenario.pass.limits.clear();
        // A tenth of the load is gone for good: more than half is answered.
        for operation in run.history.operations.iter_mut().filter(|o| o.due_s() > 15.0 && o.op % 8 == 0) {
            operation.outcome = loadgen::scenario::OutcomeKind::Failed;
        }
        run.scenario.pass.history.clear();
        let judgement = assess(&run).judgement;
        assert_eq!(judgement.verdict, Verdict::Fail, "{judgement:#?}");
        assert!(judgement.reasons[0].contains("every healed fault was recovered from"), "{judgement:#?}");
    }

    #[test]
    fn a_generator_that_was_suspended_for_four_seconds_proves_nothing_against_the_cluster() {
        let judgement = verdict(|run| {
            for operation in run.history.operations.iter_mut() {
                if (30.0..34.0).contains(&operation.due_s()) {
                    let late_ns = 34_000_000_000 - operation.due_ns;
                    operation.sent_ns = operation.sent_ns.map(|sent| sent + late_ns);
                    operation.done_ns = operation.done_ns.map(|done| done + late_ns);
                }
            }
        });
        assert_eq!(judgement.verdict, Verdict::Inconclusive, "{judgement:#?}");
        assert!(
            judgement.reasons.iter().any(|r| r.contains("the load generator was in time")),
            "{judgement:#?}"
        );
        assert!(judgement.reasons.iter().any(|r| r.contains("view.p99 < 50ms @ steady")), "{judgement:#?}");
        // What was lost is lost, whoever was late.
        let lost = verdict(|run| {
            run.history
                .operations
                .iter_mut()
                .for_each(|o| o.sent_ns = o.sent_ns.map(|sent| sent + 4_000_000_000));
            run.readback.as_mut().unwrap().nodes[0].images.clear();
        });
        assert_eq!(lost.verdict, Verdict::Fail, "{lost:#?}");
    }

    #[test]
    fn a_history_of_which_a_part_is_missing_proves_nothing() {
        let judgement =
            verdict(|run| run.history_flaw = Some("load generator 2 has recorded nothing".into()));
        assert_eq!(judgement.verdict, Verdict::Inconclusive, "{judgement:#?}");
        assert!(judgement.reasons[0].contains("load generator 2"), "{judgement:#?}");
    }

    #[test]
    fn implied_limits_stand_in_the_report_like_written_ones() {
        let limits = assess(&Plan::leader_kill().run()).limits;
        let implied: Vec<Implied> = limits.iter().filter_map(|limit| limit.implied).collect();
        // Half of it answered is said by the scenario's own ok_ratio.
        use Implied::{EveryStage, InTime, Recovered, WholeHistory};
        assert_eq!(implied, [EveryStage, Recovered, WholeHistory, InTime], "{limits:#?}");
        assert!(limits.iter().all(|limit| limit.holds), "{limits:#?}");
    }

    #[test]
    fn faults_without_anything_to_compare_with_are_not_told_from_none() {
        let mut assessment = assess(&Plan::many_kills(3).run());
        use crate::report::words::sentence;
        let alone = |fault: &mut Failover| {
            fault.unavailable.noise = None;
            fault.healing = None;
        };
        alone(&mut assessment.failovers[0]);
        let text = sentence(&assessment);
        assert!(text.contains("there is nothing to compare 1 of them with"), "{text}");
        assert!(!text.contains("3 of them can be told"), "{text}");
        assessment.failovers.iter_mut().for_each(alone);
        let text = sentence(&assessment);
        assert!(!text.contains("told from no fault") && text.contains("compare 3 of them"), "{text}");
        // A single one that was not seen to settle was not healed and settled.
        let mut single = assess(&Plan::leader_kill().run());
        assert!(sentence(&single).contains("until it was healed and settled"), "{}", sentence(&single));
        single.failovers[0].settled_s = None;
        assert!(!sentence(&single).contains("until it was healed"), "{}", sentence(&single));
    }

    #[test]
    fn exit_codes_are_those_of_the_design() {
        let codes = [Verdict::Pass, Verdict::Fail, Verdict::Inconclusive].map(Verdict::exit_code);
        assert_eq!(codes, [0, 1, 3]);
    }
}
