//! Faults of links, on a cluster on paper.

use std::time::Duration;

use tokio::time::sleep;

use super::{super::*, paper::Paper};
use crate::{
    cluster::{ClusterError, OUTSIDE},
    link::{DirectedLink, Quality, Shape},
    scenario::{Cut, Direction, Reach},
};

const SILENT: Cut = Cut::Silent;

fn effect_of(kind: FaultKind, paper: &Paper, node: NodeId) -> Box<dyn Effect> {
    let nodes: Vec<NodeId> = paper.members().iter().map(|member| member.id).collect();
    effect(kind, &nodes, node)
}

fn well(_: NodeId) -> bool {
    true
}

/// Both directions between each of these.
fn both(pairs: &[(NodeId, NodeId)]) -> Vec<DirectedLink> {
    let mut links: Vec<_> = pairs.iter().flat_map(|(a, b)| [(*a, *b), (*b, *a)]).collect();
    links.sort_unstable();
    links
}

fn slow(delay_ms: u64) -> FaultKind {
    let quality = Quality { delay: Duration::from_millis(delay_ms), ..Quality::HARMLESS };
    FaultKind::Link { quality, links: Reach::Nodes }
}

#[tokio::test(start_paused = true)]
async fn each_fault_disturbs_its_own_links_and_leaves_them_as_they_were() {
    let quality = Quality { loss: 0.5, ..Quality::HARMLESS };
    let others = both(&[(4, 1), (4, 2), (4, 3), (4, 5)]);
    let cases = [
        (5, FaultKind::Partition { cut: SILENT }, others.clone()),
        (5, FaultKind::Flapping { period: Duration::from_secs(1), cut: SILENT }, others.clone()),
        (5, FaultKind::Link { quality, links: Reach::Nodes }, others.clone()),
        (
            5,
            FaultKind::Link { quality, links: Reach::All },
            both(&[(4, OUTSIDE), (4, 1), (4, 2), (4, 3), (4, 5)]),
        ),
        (5, FaultKind::Ignore { cut: SILENT }, both(&[(4, OUTSIDE), (4, 1), (4, 2), (4, 3), (4, 5)])),
        (
            5,
            FaultKind::OneWay { direction: Direction::Out, cut: SILENT },
            vec![(4, 1), (4, 2), (4, 3), (4, 5)],
        ),
        (
            5,
            FaultKind::OneWay { direction: Direction::In, cut: SILENT },
            vec![(1, 4), (2, 4), (3, 4), (5, 4)],
        ),
        // n4 and n5 against n1, n2 and n3.
        (5, FaultKind::Halves { cut: SILENT }, both(&[(4, 1), (4, 2), (4, 3), (5, 1), (5, 2), (5, 3)])),
        (5, FaultKind::Bridge { cut: SILENT }, both(&[(4, 1), (4, 2), (4, 3)])),
        (3, FaultKind::Halves { cut: SILENT }, both(&[(3, 1), (3, 2)])),
        // n1 hears both, and they do not hear one another.
        (3, FaultKind::Bridge { cut: SILENT }, both(&[(3, 2)])),
    ];
    for (nodes, kind, expected) in cases {
        let paper = Paper::new(nodes);
        let effect = effect_of(kind, &paper, if nodes == 5 { 4 } else { 3 });
        effect.inject(&paper).await.unwrap();
        assert_eq!(paper.disturbed(), expected, "{kind:?}");
        effect.stand(&paper, Box::pin(async {})).await.unwrap();
        effect.heal(&paper).await.unwrap();
        assert_eq!(paper.disturbed(), [], "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cut_is_silent_or_resets_as_it_is_told() {
    for (cut, cuts, resets) in [(Cut::Silent, 1, 0), (Cut::Reset, 0, 1)] {
        let paper = Paper::new(3);
        effect_of(FaultKind::Partition { cut }, &paper, 1).inject(&paper).await.unwrap();
        assert_eq!(paper.links.shape((1, 2)), Shape { cuts, resets, ..Shape::default() });
    }
}

#[tokio::test(start_paused = true)]
async fn what_two_faults_cut_is_whole_when_both_are_healed() {
    let paper = Paper::new(3);
    let first = effect_of(FaultKind::Partition { cut: SILENT }, &paper, 1);
    let second = effect_of(FaultKind::Ignore { cut: SILENT }, &paper, 2);
    first.inject(&paper).await.unwrap();
    second.inject(&paper).await.unwrap();
    first.heal(&paper).await.unwrap();
    // Between n1 and n2 the other one is in the way, and is no excuse between n1 and n3.
    first.verify_healed(&paper, &well).await.unwrap();
    assert!(paper.links.shape((1, 2)).is_cut() && !paper.links.shape((1, 3)).is_cut());
    second.heal(&paper).await.unwrap();
    assert_eq!(paper.disturbed(), []);
}

#[tokio::test(start_paused = true)]
async fn a_cut_that_lets_a_connection_through_is_found() {
    let kinds = [
        FaultKind::Ignore { cut: SILENT },
        FaultKind::Partition { cut: Cut::Reset },
        FaultKind::Halves { cut: SILENT },
        FaultKind::OneWay { direction: Direction::Out, cut: SILENT },
        FaultKind::OneWay { direction: Direction::In, cut: SILENT },
        FaultKind::Bridge { cut: SILENT },
    ];
    for kind in kinds {
        let mut paper = Paper::new(5);
        let effect = effect_of(kind, &paper, 1);
        let before = effect.verify(&paper, &well).await;
        assert!(matches!(before, Err(ClusterError::NotCut { .. })), "{kind:?}: {before:?}");
        effect.inject(&paper).await.unwrap();
        effect.verify(&paper, &well).await.unwrap();
        paper.lie = Some(true);
        assert!(matches!(effect.verify(&paper, &well).await, Err(ClusterError::NotCut { .. })), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cut_that_takes_other_links_along_is_found() {
    let mut paper = Paper::new(5);
    let halves = effect_of(FaultKind::Halves { cut: SILENT }, &paper, 1);
    halves.inject(&paper).await.unwrap();
    halves.verify(&paper, &well).await.unwrap();
    // Nobody answers at n5 of the larger half, though nothing is known to be wrong with it.
    paper.lie = Some(false);
    let error = halves.verify(&paper, &well).await.unwrap_err();
    assert!(matches!(error, ClusterError::StillCut { .. }), "{error}");
    // What another fault does is no fault of this one.
    halves.verify(&paper, &|_| false).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_heal_that_does_not_heal_is_found_unless_something_else_is_wrong() {
    for kind in [FaultKind::Partition { cut: SILENT }, slow(50)] {
        let mut paper = Paper::new(3);
        let effect = effect_of(kind, &paper, 1);
        effect.inject(&paper).await.unwrap();
        effect.heal(&paper).await.unwrap();
        effect.verify_healed(&paper, &well).await.unwrap();
        paper.lie = Some(false);
        let error = effect.verify_healed(&paper, &well).await.unwrap_err();
        assert!(matches!(error, ClusterError::StillCut { .. }), "{error}");
        effect.verify_healed(&paper, &|node| node == 1).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_link_is_timed() {
    let mut paper = Paper::new(3);
    let effect = effect_of(slow(50), &paper, 1);
    effect.inject(&paper).await.unwrap();
    effect.verify(&paper, &well).await.unwrap();
    paper.lie = Some(true);
    let error = effect.verify(&paper, &well).await.unwrap_err();
    assert!(matches!(error, ClusterError::NotSlow { took: Duration::ZERO, .. }), "{error}");

    paper.lie = None;
    effect.heal(&paper).await.unwrap();
    effect.verify_healed(&paper, &well).await.unwrap();
    // Something of which nothing is known delays all the same.
    paper.lag = Duration::from_millis(60);
    let error = effect.verify_healed(&paper, &well).await.unwrap_err();
    assert!(matches!(error, ClusterError::StillSlow { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn flapping_links_are_cut_half_of_the_time_and_whole_in_the_end() {
    let period = Duration::from_secs(1);
    for lasts_ms in [300, 700, 9_700, 10_200] {
        let paper = Paper::new(3);
        let effect = effect_of(FaultKind::Flapping { period, cut: SILENT }, &paper, 2);
        effect.inject(&paper).await.unwrap();
        let (mut cut, mut looks) = (0, 0);
        let watching = async {
            loop {
                sleep(Duration::from_millis(10)).await;
                looks += 1;
                cut += u32::from(paper.links.shape((1, 2)).is_cut());
            }
        };
        let lasts = Box::pin(sleep(Duration::from_millis(lasts_ms)));
        tokio::select! {
            stood = effect.stand(&paper, lasts) => stood.unwrap(),
            () = watching => {}
        }
        effect.heal(&paper).await.unwrap();
        assert_eq!(paper.disturbed(), [], "after {lasts_ms} ms");
        if lasts_ms > 9_000 {
            let share = f64::from(cut) / f64::from(looks);
            assert!((0.45..0.55).contains(&share), "cut for {share} of the time");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn flapping_is_seen_at_any_pace_and_what_stands_still_is_found() {
    for period_ms in [100, 400, 1_000, 5_000] {
        let kind = FaultKind::Flapping { period: Duration::from_millis(period_ms), cut: SILENT };
        let paper = Paper::new(3);
        let effect = effect_of(kind, &paper, 2);
        effect.inject(&paper).await.unwrap();
        let mut verified = Ok(());
        let until = async { verified = effect.verify(&paper, &well).await };
        effect.stand(&paper, Box::pin(until)).await.unwrap();
        verified.unwrap_or_else(|error| panic!("every {period_ms} ms: {error}"));
    }
    let kind = FaultKind::Flapping { period: Duration::from_secs(1), cut: SILENT };
    for (lie, expected) in [(true, "came through all the same"), (false, "no connection comes through")] {
        let mut paper = Paper::new(3);
        paper.lie = Some(lie);
        let error = effect_of(kind, &paper, 2).verify(&paper, &well).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
