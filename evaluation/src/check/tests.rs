use loadgen::record::{GrantState, Outcome, Record, Reply};
use veil::directory::ImageId;

use super::*;
use crate::synthetic::{Plan, manifest, node_state, scenario, stage};

const IMAGE: ImageId = ImageId(0xabc);
const DIGEST: [u8; 32] = [9; 32];

/// A history written down call by call.
#[derive(Default)]
struct Script(Vec<Record>);

impl Script {
    fn say(mut self, call: loadgen::record::Call, outcome: Option<Outcome>) -> Self {
        let op = self.0.len() as u64;
        // Negative due times: what was set up before the load counts too.
        let due_ns = -1_000_000 + op as i64;
        self.0.push(Record::Invoke { op, due_ns, at_ns: due_ns, call });
        if let Some(outcome) = outcome {
            self.0.push(Record::Complete { op, at_ns: due_ns + 1, outcome });
        }
        self
    }

    fn register(self, user: &str) -> Self {
        let call = loadgen::record::Call::Register { user: user.into() };
        self.say(call, Some(Outcome::Ok(Reply::Registered)))
    }

    fn seal(self, views: u32, outcome: Option<Outcome>) -> Self {
        let call = loadgen::record::Call::Seal {
            owner: "anna".into(),
            grants: vec![("ben".into(), views)],
            digest: DIGEST,
        };
        self.say(call, outcome)
    }

    fn sealed(self, views: u32) -> Self {
        self.seal(views, Some(Outcome::Ok(Reply::Sealed { image: IMAGE })))
    }

    fn grant(self, viewer: &str, views: u32, outcome: Option<Outcome>) -> Self {
        let call =
            loadgen::record::Call::Grant { owner: "anna".into(), image: IMAGE, viewer: viewer.into(), views };
        self.say(call, outcome)
    }

    fn view(self, outcome: Option<Outcome>) -> Self {
        let call = loadgen::record::Call::View { viewer: "ben".into(), image: IMAGE };
        self.say(call, outcome)
    }

    fn viewed(self) -> Self {
        self.view(Some(Outcome::Ok(Reply::Viewed { views_left: 1, intact: Some(true) })))
    }

    /// The reports, by name, after a change to what the nodes held.
    fn reports(self, used: u64, change: impl FnOnce(&mut RunDirectory)) -> Vec<CheckReport> {
        let state = ImageState {
            image: IMAGE,
            owner: "anna".into(),
            digest: DIGEST,
            grants: vec![GrantState { viewer: "ben".into(), left: 1, used }],
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

fn granted() -> Option<Outcome> {
    Some(Outcome::Ok(Reply::Granted { views_left: 1 }))
}

fn timeout() -> Option<Outcome> {
    Some(Outcome::Unknown("timeout".into()))
}

fn result(reports: &[CheckReport], check: HistoryCheck) -> &CheckResult {
    &reports.iter().find(|r| r.check == check).unwrap().result
}

fn failure(reports: &[CheckReport], check: HistoryCheck) -> &[String] {
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
    let reports = Script::default()
        .register("anna")
        .sealed(3)
        .viewed()
        .view(timeout())
        .grant("ben", 2, granted())
        .reports(2, |_| {});
    for report in &reports {
        assert_eq!(report.result, CheckResult::Pass, "{:?}", report.check);
    }
    let operations: Vec<_> = reports.iter().map(|r| r.operations).collect();
    // register, seal, grant; seal, two views, grant; log entries.
    assert_eq!(operations, [3, 4, 1000]);
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
fn nodes_that_differ_have_not_converged() {
    let hash = Script::default().reports(0, |run| node(run, 1).hash = [8; 32]);
    assert!(failure(&hash, HistoryCheck::Converged)[0].contains("log index 1000"));
    let behind = Script::default().reports(0, |run| node(run, 2).applied = 998);
    assert!(failure(&behind, HistoryCheck::Converged)[0].contains("n3 up to 998"));
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
}

#[test]
fn examples_are_limited_and_violations_counted() {
    let script = (0..30).fold(Script::default(), |s, i| s.register(&format!("lost{i}")));
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
