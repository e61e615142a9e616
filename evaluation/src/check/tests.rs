use loadgen::record::{GrantState, Outcome, Record, Reply};
use veil::directory::ImageId;

use super::*;
use crate::synthetic::{Plan, manifest, node_state, scenario, stage};

pub(super) const IMAGE: ImageId = ImageId(0xabc);
const DIGEST: [u8; 32] = [9; 32];

/// A history written down call by call.
#[derive(Default)]
pub(super) struct Script(Vec<Record>);

impl Script {
    /// Says it after all that was said before.
    pub(super) fn say(self, call: loadgen::record::Call, outcome: Option<Outcome>) -> Self {
        // Negative due times: what was set up before the load counts too.
        let sent_ns = -1_000_000 + 2 * self.0.len() as i64;
        self.at((sent_ns, sent_ns + 1), call, outcome)
    }

    pub(super) fn at(
        mut self,
        (sent, done): (i64, i64),
        call: loadgen::record::Call,
        outcome: Option<Outcome>,
    ) -> Self {
        let op = self.0.len() as u64;
        self.0.push(Record::Invoke { op, due_ns: sent, at_ns: sent, call });
        if let Some(outcome) = outcome {
            self.0.push(Record::Complete { op, at_ns: done, outcome });
        }
        self
    }

    /// Sets ben's views, answered or not, from one time to another.
    pub(super) fn grant_at(self, span: (i64, i64), views: u32, outcome: Option<Outcome>) -> Self {
        self.at(span, grant_call("ben", views), outcome)
    }

    pub(super) fn register(self, user: &str) -> Self {
        let call = loadgen::record::Call::Register { user: user.into() };
        self.say(call, Some(Outcome::Ok(Reply::Registered)))
    }

    pub(super) fn seal(self, views: u32, outcome: Option<Outcome>) -> Self {
        let call = loadgen::record::Call::Seal {
            owner: "anna".into(),
            grants: vec![("ben".into(), views)],
            digest: DIGEST,
        };
        self.say(call, outcome)
    }

    pub(super) fn sealed(self, views: u32) -> Self {
        self.seal(views, Some(Outcome::Ok(Reply::Sealed { image: IMAGE, intact: None })))
    }

    pub(super) fn grant(self, viewer: &str, views: u32, outcome: Option<Outcome>) -> Self {
        self.say(grant_call(viewer, views), outcome)
    }

    pub(super) fn view(self, outcome: Option<Outcome>) -> Self {
        let call = loadgen::record::Call::View { viewer: "ben".into(), image: IMAGE };
        self.say(call, outcome)
    }

    pub(super) fn viewed(self) -> Self {
        self.view(viewed())
    }

    pub(super) fn viewed_with(self, views_left: u32) -> Self {
        self.view(Some(Outcome::Ok(Reply::Viewed { views_left, intact: None })))
    }

    pub(super) fn granted(self, views: u32) -> Self {
        self.grant("ben", views, Some(Outcome::Ok(Reply::Granted { views_left: views })))
    }

    pub(super) fn viewed_at(self, span: (i64, i64)) -> Self {
        let call = loadgen::record::Call::View { viewer: "ben".into(), image: IMAGE };
        self.at(span, call, viewed())
    }

    /// The reports, by name, after a change to what the nodes held: of the first sealing's views `used`
    /// are used and the others left.
    pub(super) fn reports(self, used: u64, change: impl FnOnce(&mut RunDirectory)) -> Vec<CheckReport> {
        let sealed = self.0.iter().find_map(|record| match record {
            Record::Invoke { call: loadgen::record::Call::Seal { grants, .. }, .. } => Some(grants[0].1),
            _ => None,
        });
        let left = sealed.unwrap_or(0).saturating_sub(used as u32);
        self.reports_with(left, used, change)
    }

    pub(super) fn reports_with(
        mut self,
        left: u32,
        used: u64,
        change: impl FnOnce(&mut RunDirectory),
    ) -> Vec<CheckReport> {
        // All nodes know them.
        for (op, user) in [(u64::MAX - 1, "anna"), (u64::MAX, "ben")] {
            let call = loadgen::record::Call::Register { user: user.into() };
            self.0.push(Record::Invoke { op, due_ns: -2_000_000, at_ns: -2_000_000, call });
            self.0.push(Record::Complete { op, at_ns: -1_900_000, outcome: Outcome::Ok(Reply::Registered) });
        }
        let state = ImageState {
            image: IMAGE,
            owner: "anna".into(),
            digest: DIGEST,
            grants: vec![GrantState { viewer: "ben".into(), left, used }],
        };
        let readback =
            Readback { nodes: (1..=3).map(|n| node_state(n, vec![state.clone()])).collect(), silent: vec![] };
        let mut run = RunDirectory::from_parts(
            scenario(vec![stage(1, 1.0, false)], vec![]),
            manifest(),
            History::join(self.0).unwrap(),
            vec![],
            vec![],
            Some(readback),
        );
        change(&mut run);
        run_all(&run)
    }
}

use loadgen::record::ImageState;

fn grant_call(viewer: &str, views: u32) -> loadgen::record::Call {
    loadgen::record::Call::Grant { owner: "anna".into(), image: IMAGE, viewer: viewer.into(), views }
}

fn viewed() -> Option<Outcome> {
    Some(Outcome::Ok(Reply::Viewed { views_left: 1, intact: Some(true) }))
}

fn granted() -> Option<Outcome> {
    Some(Outcome::Ok(Reply::Granted { views_left: 1 }))
}

pub(super) fn timeout() -> Option<Outcome> {
    Some(Outcome::Unknown("timeout".into()))
}

pub(super) fn result(reports: &[CheckReport], check: HistoryCheck) -> &CheckResult {
    &reports.iter().find(|r| r.check == check).unwrap().result
}

pub(super) fn failure(reports: &[CheckReport], check: HistoryCheck) -> &[String] {
    match result(reports, check) {
        CheckResult::Fail { examples, .. } => examples,
        other => panic!("{check:?} should fail, and is {other:?}"),
    }
}

fn node(run: &mut RunDirectory, index: usize) -> &mut NodeReadback {
    &mut run.readback.as_mut().unwrap().nodes[index]
}

#[test]
fn a_history_that_agrees_with_every_node_passes() {
    let reports =
        Script::default().sealed(3).viewed_with(2).view(timeout()).granted(2).reports_with(1, 2, |_| {});
    for report in &reports {
        assert_eq!(report.result, CheckResult::Pass, "{:?}", report.check);
    }
    let operations: Vec<_> = reports.iter().map(|r| r.operations).collect();
    // Two registrations, seal, grant; seal, two views, grant; log entries; all of them.
    assert_eq!(operations, [4, 4, 1000, 6]);
}

#[test]
fn an_acknowledged_write_that_one_node_lacks_is_lost() {
    let lost = Script::default().register("carl").sealed(3).reports(0, |run| node(run, 2).images.clear());
    let examples = failure(&lost, HistoryCheck::NoLostAck);
    // carl is unknown to all three nodes, the image to n3.
    assert_eq!(examples.len(), 4);
    assert!(examples.iter().any(|e| e.contains("n1") && e.contains("carl")));
    assert!(examples.iter().any(|e| e.contains("n3") && e.contains(&IMAGE.to_string())), "{examples:?}");

    let no_grant = Script::default().sealed(3).grant("dora", 5, granted()).reports(0, |_| {});
    assert!(failure(&no_grant, HistoryCheck::NoLostAck)[0].contains("dora 5 views"));
}

#[test]
fn what_certainly_failed_must_not_have_happened() {
    let failed = || Some(Outcome::Failed("not done within 2 s".into()));
    let carl = loadgen::record::Call::Register { user: "carl".into() };
    let script = || Script::default().say(carl.clone(), failed()).seal(3, failed());
    let happened = |run: &mut RunDirectory| node(run, 2).users.push("carl".into());
    let reports = script().reports(0, happened);
    let examples = failure(&reports, HistoryCheck::NoLostAck);
    assert_eq!(examples.len(), 4, "carl on n3, the image everywhere: {examples:?}");
    assert!(examples.iter().any(|e| e.starts_with("n3 knows user carl")), "{examples:?}");
    assert!(examples[0].starts_with("n1 holds image") && examples[0].contains("of anna"), "{examples:?}");

    // What may have happened is no surprise, but one sealing makes one image.
    let script = || Script::default().say(carl.clone(), timeout()).seal(3, timeout());
    let reports = script().reports(0, happened);
    assert_eq!(*result(&reports, HistoryCheck::NoLostAck), CheckResult::Pass);
    let reports = script().reports(0, |run| {
        let twin = ImageState { image: ImageId(0xdef), ..node(run, 0).images[0].clone() };
        node(run, 0).images.push(twin);
    });
    assert_eq!(failure(&reports, HistoryCheck::NoLostAck).len(), 1);

    // A cluster of the run's own was empty before, whatever its nodes are.
    let reports = Script::default().reports(0, |run| run.manifest.driver = "docker".into());
    assert!(!failure(&reports, HistoryCheck::NoLostAck).is_empty());

    // A cluster that was there before holds what others put there.
    let reports = Script::default().reports(0, |run| run.manifest.driver = "existing".into());
    assert_eq!(*result(&reports, HistoryCheck::NoLostAck), CheckResult::Pass);
}

#[test]
fn other_content_or_another_owner_is_a_loss_too() {
    let reports = Script::default().sealed(3).reports(0, |run| {
        node(run, 0).images[0].digest = [1; 32];
        node(run, 1).images[0].owner = "eve".into();
    });
    let examples = failure(&reports, HistoryCheck::NoLostAck);
    assert!(examples[0].contains("n1") && examples[0].contains("010101010101"));
    assert!(examples[1].contains("n2") && examples[1].contains("eve"));
}

#[test]
fn what_was_never_acknowledged_may_be_missing() {
    let reports = Script::default()
        .grant("dora", 5, timeout())
        .grant("emil", 5, Some(Outcome::Failed("no such user".into())))
        .seal(3, None)
        .reports(0, |_| {});
    assert_eq!(*result(&reports, HistoryCheck::NoLostAck), CheckResult::Pass);
}

/// What `no_lost_ack` says when every node leaves ben so many views.
fn left_over(script: Script, left: u32, used: u64) -> Result<(), String> {
    let reports = script.reports_with(left, used, |_| {});
    match result(&reports, HistoryCheck::NoLostAck) {
        CheckResult::Pass => Ok(()),
        CheckResult::Fail { examples, .. } => Err(examples[0].clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_a_later_grant_views_left_and_used_are_those_of_the_sealing() {
    let script = || Script::default().sealed(5).viewed().view(timeout());
    assert_eq!(left_over(script(), 4, 1), Ok(()));
    assert_eq!(left_over(script(), 3, 2), Ok(()));
    let wrong = left_over(script(), 4, 2).unwrap_err();
    for part in ["n1 leaves ben 4 views", &IMAGE.to_string(), "with 2 used", "the sealing gave 5"] {
        assert!(wrong.contains(part), "{wrong}");
    }
    // The sealing of unknown outcome that gave 7, or the one that gave 9.
    let unnamed = || Script::default().seal(7, timeout()).seal(9, None);
    assert_eq!(left_over(unnamed(), 7, 0), Ok(()));
    assert_eq!(left_over(unnamed(), 9, 0), Ok(()));
    assert!(left_over(unnamed(), 8, 0).is_err());
}

#[test]
fn an_acknowledged_grant_that_was_dropped_is_lost() {
    let script = || Script::default().sealed(5).viewed().grant("ben", 20, granted());
    assert_eq!(left_over(script(), 20, 1), Ok(()));
    let lost = left_over(script(), 4, 1).unwrap_err();
    for part in ["n1 leaves ben 4 views", &IMAGE.to_string(), "of anna", "there can be 20", "operation 4"] {
        assert!(lost.contains(part), "{lost}");
    }
    // Of two, one after the other, the second counts, and the views since then.
    let script = || script().grant("ben", 9, granted()).viewed();
    assert_eq!(left_over(script(), 8, 2), Ok(()));
    assert!(left_over(script(), 19, 2).is_err());
    assert!(left_over(script(), 9, 2).is_err());
}

#[test]
fn concurrent_grants_may_take_effect_in_either_order() {
    let script = || {
        let script = Script::default().sealed(5);
        script.grant_at((0, 100), 10, granted()).grant_at((50, 150), 20, granted()).viewed_at((120, 130))
    };
    // The view came after the first was done; the second may have come before it or after.
    for left in [9, 19, 20] {
        assert_eq!(left_over(script(), left, 1), Ok(()), "{left}");
    }
    for left in [4, 5, 8, 10, 18, 21] {
        assert!(left_over(script(), left, 1).is_err(), "{left}");
    }
}

#[test]
fn a_grant_of_unknown_outcome_may_have_happened_or_not_or_late() {
    let script = || Script::default().sealed(5).grant_at((0, 10), 20, timeout()).viewed_at((20, 30));
    // Never; before the view; after it.
    for left in [4, 19, 20] {
        assert_eq!(left_over(script(), left, 1), Ok(()), "{left}");
    }
    assert!(left_over(script(), 5, 1).is_err());
    // It may come after a later one that was acknowledged, too.
    let script = || script().grant_at((40, 50), 7, granted());
    for left in [7, 19, 20] {
        assert_eq!(left_over(script(), left, 1), Ok(()), "{left}");
    }
    assert!(left_over(script(), 4, 1).is_err(), "the sealing's cannot have been the last word");
}

#[test]
fn nothing_is_left_after_a_revoke_and_refused_views_take_nothing() {
    let refused = || Some(Outcome::Ok(Reply::Refused));
    let script = || Script::default().sealed(5).grant("ben", 0, granted()).view(refused()).view(refused());
    assert_eq!(left_over(script(), 0, 0), Ok(()));
    assert!(left_over(script(), 5, 0).is_err());
    let given_again = script().grant("ben", 3, granted()).view(refused());
    assert_eq!(left_over(given_again, 3, 0), Ok(()));
}

#[test]
fn a_grant_that_nobody_gave_is_found() {
    let reports = Script::default().sealed(3).reports(0, |run| {
        node(run, 1).images[0].grants.push(GrantState { viewer: "eve".into(), left: 2, used: 0 });
    });
    let examples = failure(&reports, HistoryCheck::NoLostAck);
    assert_eq!(examples.len(), 1);
    assert!(examples[0].starts_with("n2 leaves eve 2 views"), "{examples:?}");
}

#[test]
fn more_views_than_were_granted_break_the_quota() {
    let script = (0..4).fold(Script::default().sealed(3), |s, _| s.viewed());
    let reports = script.reports(4, |_| {});
    let examples = failure(&reports, HistoryCheck::Quota);
    assert_eq!(examples.len(), 3, "each node: {examples:?}");
    assert!(examples[0].contains("counts 4 views") && examples[0].contains("only 3 were ever granted"));
    // A later grant, even one that may not have happened, allows them.
    let script = (0..4).fold(Script::default().sealed(3), |s, _| s.viewed());
    let reports = script.grant("ben", 1, timeout()).reports(4, |_| {});
    assert_eq!(*result(&reports, HistoryCheck::Quota), CheckResult::Pass);
}

#[test]
fn an_acknowledged_view_that_was_not_counted_breaks_the_quota() {
    let reports = Script::default()
        .sealed(3)
        .viewed()
        .viewed()
        .reports(2, |run| node(run, 1).images[0].grants[0].used = 1);
    let examples = failure(&reports, HistoryCheck::Quota);
    assert_eq!(examples.len(), 1);
    assert!(examples[0].starts_with("n2 counts 1 views") && examples[0].contains("2 were acknowledged"));
}

#[test]
fn a_view_that_nobody_asked_for_breaks_the_quota() {
    let reports = Script::default().sealed(9).viewed().view(timeout()).reports(3, |_| {});
    assert!(failure(&reports, HistoryCheck::Quota)[0].contains("1 may have happened"));
    // A sealing of unknown outcome: its image came to be, and somebody used a grant without a view.
    let reports = Script::default().seal(9, timeout()).reports(1, |_| {});
    assert!(failure(&reports, HistoryCheck::Quota)[0].contains("only 0 were acknowledged"));
}

#[test]
fn refused_views_take_nothing() {
    let reports =
        Script::default().sealed(1).viewed().view(Some(Outcome::Ok(Reply::Refused))).reports(1, |_| {});
    assert_eq!(*result(&reports, HistoryCheck::Quota), CheckResult::Pass);
}

#[test]
fn opened_bytes_that_differ_are_a_violation() {
    let broken = Outcome::Ok(Reply::Viewed { views_left: 2, intact: Some(false) });
    let reports = Script::default().sealed(3).view(Some(broken)).reports(1, |_| {});
    assert!(failure(&reports, HistoryCheck::Quota)[0].contains("not those that were sealed"));
}

#[test]
fn a_sealed_file_that_cannot_be_read_back_is_a_violation() {
    let broken = Outcome::Ok(Reply::Sealed { image: IMAGE, intact: Some(false) });
    let reports = Script::default().seal(3, Some(broken)).reports(0, |_| {});
    let examples = failure(&reports, HistoryCheck::Quota);
    assert!(examples[0].contains("what was sealed does not come back"), "{examples:?}");
    // It was acknowledged all the same, and is there.
    assert_eq!(*result(&reports, HistoryCheck::NoLostAck), CheckResult::Pass);
}

#[test]
fn nodes_that_differ_have_not_converged() {
    let hash = Script::default().reports(0, |run| node(run, 1).hash = [8; 32]);
    assert!(failure(&hash, HistoryCheck::Converged)[0].contains("log index 1000"));
    let behind = Script::default().reports(0, |run| node(run, 2).applied = 998);
    assert!(failure(&behind, HistoryCheck::Converged)[0].contains("n3 up to 998"));
}

#[test]
fn nodes_of_a_cluster_to_which_others_write_differ_and_may_be_equal() {
    let others = |change: fn(&mut RunDirectory)| {
        let reports = Script::default().reports(0, |run| {
            run.manifest.driver = "existing".into();
            change(run);
        });
        result(&reports, HistoryCheck::Converged).clone()
    };
    let behind = others(|run| node(run, 2).applied = 998);
    let CheckResult::Inconclusive { reason } = &behind else { panic!("{behind:?}") };
    assert!(reason.contains("others wrote"), "{reason}");
    // At one index there is no excuse.
    assert_eq!(others(|run| node(run, 1).hash = [8; 32]).name(), "fail");
}

#[test]
fn a_silent_node_makes_every_check_inconclusive_but_hides_no_violation() {
    let silence = |run: &mut RunDirectory| {
        let readback = run.readback.as_mut().unwrap();
        readback.nodes.remove(2);
        readback.silent.push((3, "connection refused".into()));
    };
    for report in Script::default().sealed(3).reports(0, silence) {
        let CheckResult::Inconclusive { reason } = &report.result else { panic!("{report:?}") };
        assert_eq!(reason, "n3 did not answer: connection refused");
    }
    let reports = Script::default().sealed(3).reports(4, silence);
    assert_eq!(failure(&reports, HistoryCheck::Quota).len(), 4);
    for report in Script::default().reports(0, |run| run.readback = None) {
        assert_eq!(report.result.name(), "inconclusive");
    }
    // A node that is neither among those that answered nor among the silent ones was forgotten.
    let forgotten = Script::default().reports(0, |run| {
        run.readback.as_mut().unwrap().nodes.pop();
    });
    assert_eq!(forgotten[2].result.name(), "inconclusive");
}

#[test]
fn a_history_that_was_cut_off_accuses_nobody() {
    let reports = Script::default().sealed(3).reports(2, |run| run.manifest.complete = false);
    assert_eq!(result(&reports, HistoryCheck::Quota).name(), "inconclusive");
    // Whoever used two views may have been given nine in what was cut off.
    let reports = Script::default().sealed(3).reports_with(7, 2, |run| run.manifest.complete = false);
    assert_eq!(result(&reports, HistoryCheck::NoLostAck).name(), "inconclusive");
}

#[test]
fn examples_are_limited_and_violations_counted() {
    let script = (0..30).fold(Script::default().sealed(3), |s, i| s.register(&format!("lost{i}")));
    let reports = script.reports(0, |_| {});
    let CheckResult::Fail { violations, examples } = result(&reports, HistoryCheck::NoLostAck) else {
        panic!("{reports:?}")
    };
    assert_eq!((*violations, examples.len()), (90, MAX_EXAMPLES));
}

#[test]
fn the_made_up_leader_kill_passes() {
    for report in run_all(&Plan::leader_kill().run()) {
        assert_eq!(report.result, CheckResult::Pass);
        assert!(report.required);
    }
}
