//! One violation of each kind that bounds cannot see: the other checks pass, this one does not, and says why.

use loadgen::{
    record::{Call, Outcome, Reply},
    scenario::HistoryCheck,
};

use crate::check::{
    CheckReport, CheckResult,
    tests::{IMAGE, Script, failure, result, timeout},
};

/// Operations bear even numbers here: a script counts records.
///
/// Asserts that nothing else sees it, and that the counter-example has all these lines, and these operations alone.
fn assert_found(reports: &[CheckReport], words: &[&str], operations: &[u64]) {
    for check in [HistoryCheck::NoLostAck, HistoryCheck::Quota, HistoryCheck::Converged] {
        assert_eq!(*result(reports, check), CheckResult::Pass, "{check:?}");
    }
    let examples = failure(reports, HistoryCheck::Linearizable);
    assert_eq!(examples.len(), 1, "{examples:?}");
    for word in words {
        assert!(examples[0].contains(word), "{word:?} is not in\n{}", examples[0]);
    }
    assert_eq!(drawn(&examples[0]), operations, "\n{}", examples[0]);
}

/// The operations that are drawn with a time each.
fn drawn(example: &str) -> Vec<u64> {
    let rows = example.lines().filter_map(|line| line.trim_start().strip_prefix("operation "));
    let rows = rows.filter(|row| row.contains(" ms "));
    rows.map(|row| row.split(' ').next().unwrap().parse().unwrap()).collect()
}

fn refused() -> Option<Outcome> {
    Some(Outcome::Ok(Reply::Refused))
}

#[test]
fn an_acknowledged_grant_that_is_lost_and_overwritten_later() {
    // The grant of 20 was acknowledged, and the view behind it does not know of it; what is there in the end is right.
    let reports =
        Script::default().sealed(5).viewed_with(4).granted(20).viewed_with(3).granted(9).reports_with(
            9,
            2,
            |_| {},
        );
    assert_found(&reports, &["no order explains these 2 answers", "anna sets 20 views", "3 left"], &[4, 6]);
}

#[test]
fn a_view_that_is_taken_twice_behind_one_of_unknown_outcome() {
    // The second took two; the unknown one, sent later, did not happen.
    let reports =
        Script::default().sealed(5).viewed_with(4).viewed_with(2).view(timeout()).reports_with(2, 3, |_| {});
    assert_found(&reports, &["4 left", "2 left"], &[2, 4]);
}

#[test]
fn a_view_that_is_counted_twice_where_a_later_grant_hides_it() {
    // One view was acknowledged, and one may have happened, but only if one were missing from the later grant.
    let reports =
        Script::default().sealed(5).viewed_with(4).granted(9).view(timeout()).reports_with(9, 2, |_| {});
    assert_found(&reports, &["n1, n2, n3", "9 left, 2 used"], &[0, 4, 6]);
}

#[test]
fn a_view_that_is_told_an_old_number() {
    let reports =
        Script::default().sealed(5).viewed_with(4).viewed_with(3).viewed_with(3).reports_with(2, 3, |_| {});
    assert_found(&reports, &["stuck at: operation 6"], &[4, 6]);
}

#[test]
fn a_refusal_while_there_are_views_left() {
    let reports =
        Script::default().sealed(5).viewed_with(4).view(refused()).viewed_with(3).reports_with(3, 2, |_| {});
    assert_found(&reports, &["refused: none left", "4 left"], &[2, 4]);
}

#[test]
fn a_view_after_a_revoke_was_acknowledged() {
    let script = Script::default().sealed(5).viewed_with(4).granted(0).viewed_with(3).granted(0);
    assert_found(&script.reports_with(0, 2, |_| {}), &["anna revokes the views", "3 left"], &[4, 6]);
}

#[test]
fn a_grant_that_comes_back_after_it_was_revoked() {
    let script = Script::default().sealed(5).granted(0).view(refused()).viewed_with(4).granted(7);
    assert_found(&script.reports_with(7, 1, |_| {}), &["refused: none left", "4 left"], &[4, 6]);
}

#[test]
fn a_number_of_views_left_that_is_wrong() {
    let script = Script::default().sealed(5).viewed_with(3).viewed_with(3).granted(5);
    assert_found(&script.reports_with(5, 2, |_| {}), &["5 left"], &[0, 2]);
}

#[test]
fn a_grant_that_is_answered_with_another_number() {
    let other = Some(Outcome::Ok(Reply::Granted { views_left: 8 }));
    let script = Script::default().sealed(5).grant("ben", 9, other).granted(5);
    assert_found(&script.reports_with(5, 0, |_| {}), &["this answer", "8 left"], &[2]);
}

#[test]
fn a_request_that_has_its_effect_twice() {
    // The first grant is carried out again after the second: the view tells.
    let script = Script::default().sealed(5).granted(9).granted(3).viewed_with(8).granted(1);
    assert_found(&script.reports_with(1, 1, |_| {}), &["sets 3 views", "8 left"], &[4, 6]);
}

#[test]
fn a_registered_user_who_is_unknown_again_later() {
    // A name is given once: who could register again had been forgotten.
    let reports = Script::default().register("carl").register("carl").reports_with(0, 0, |run| {
        for node in &mut run.readback.as_mut().unwrap().nodes {
            node.users.push("carl".into());
            node.images.clear();
        }
    });
    assert_found(&reports, &["user carl", "carl registers"], &[0, 2]);
}

#[test]
fn something_done_for_a_user_who_registers_only_later() {
    let views = Call::Grant { owner: "anna".into(), image: IMAGE, viewer: "carl".into(), views: 0 };
    let script = Script::default().sealed(5).say(views, Some(Outcome::Ok(Reply::Granted { views_left: 0 })));
    let reports = script.register("carl").reports(0, |run| {
        for node in &mut run.readback.as_mut().unwrap().nodes {
            node.users.push("carl".into());
            let grant = loadgen::record::GrantState { viewer: "carl".into(), left: 0, used: 0 };
            node.images[0].grants.push(grant);
        }
    });
    assert_found(&reports, &["user carl", "anna sets their views"], &[2]);
}

#[test]
fn two_images_of_one_number() {
    let script = Script::default().sealed(5).sealed(5);
    let reports = script.reports(0, |_| {});
    let examples = failure(&reports, HistoryCheck::Linearizable);
    assert!(examples.iter().any(|example| example.starts_with("image ")), "{examples:?}");
}

#[test]
fn what_may_have_happened_is_no_violation() {
    // The unknown view took one, late; the unknown grant came after the acknowledged one, and was used.
    let script = Script::default().sealed(5).view(timeout()).viewed_with(4).viewed_with(2);
    let script = script.grant("ben", 8, timeout()).granted(1).viewed_with(7).granted(0).view(refused());
    let reports = script.reports_with(0, 4, |_| {});
    for report in &reports {
        assert_eq!(report.result, CheckResult::Pass, "{:?}", report.check);
    }
}

#[test]
fn on_a_cluster_that_was_there_before_nobody_is_accused_of_the_past() {
    let existing = |run: &mut crate::run::RunDirectory| run.manifest.driver = "existing".into();
    // Somebody else's image, of which the run knows nothing.
    let reports = Script::default().viewed_with(3).view(refused()).reports(0, existing);
    assert_eq!(*result(&reports, HistoryCheck::Linearizable), CheckResult::Pass);
    // Its own are watched as ever.
    let reports = Script::default().sealed(5).viewed_with(4).viewed_with(4).reports_with(3, 2, existing);
    assert_eq!(failure(&reports, HistoryCheck::Linearizable).len(), 1);
    // Its users may have been there before, but nobody registers twice.
    let reports = Script::default().register("ben").register("ben").reports(0, existing);
    assert_eq!(failure(&reports, HistoryCheck::Linearizable).len(), 1);
}

#[test]
fn a_history_that_was_cut_off_is_not_judged() {
    let reports = Script::default()
        .sealed(5)
        .viewed_with(4)
        .viewed_with(4)
        .reports(2, |run| run.manifest.complete = false);
    assert_eq!(result(&reports, HistoryCheck::Linearizable).name(), "inconclusive");
}

#[test]
fn owners_view_without_a_grant() {
    let own = Call::View { viewer: "anna".into(), image: IMAGE };
    let reply = Outcome::Ok(Reply::Viewed { views_left: u32::MAX, intact: None });
    let reports = Script::default().sealed(5).say(own, Some(reply)).viewed_with(4).reports(1, |_| {});
    assert_eq!(*result(&reports, HistoryCheck::Linearizable), CheckResult::Pass);
}

#[test]
fn a_sealing_that_nobody_heard_of_explains_its_image_and_nothing_else() {
    let reports = Script::default().seal(7, timeout()).reports_with(7, 0, |_| {});
    assert_eq!(*result(&reports, HistoryCheck::Linearizable), CheckResult::Pass);
    let reports = Script::default().seal(7, timeout()).reports_with(6, 0, |_| {});
    assert!(failure(&reports, HistoryCheck::Linearizable)[0].contains("6 left"));
}

#[test]
fn the_effort_is_told() {
    let reports = Script::default().sealed(5).viewed_with(4).reports(1, |_| {});
    let effort = reports.iter().find_map(|report| report.effort.clone()).unwrap();
    // Two users, one image, one grant.
    assert!(effort.starts_with("4 operations on 4 users, images and grants, in "), "{effort}");
}
