mod links;
mod paper;
mod processes;

use std::{path::Path, sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};
use veil::{
    node::{NodeConfig, RaftConfig, SealingConfig},
    wire::client::{Leadership, Member, NodeId},
};

use super::*;
use crate::{
    cluster::{LinkNeeds, ProcessCluster, StartOptions},
    record::{EventKind, NodeLimits},
    scenario::{Fault, Target, When},
};

const HOUR: Duration = Duration::from_secs(3600);

/// Processes that do nothing, and what faults are told.
struct Stage {
    cluster: Arc<ProcessCluster>,
    leadership: watch::Sender<Leadership>,
    load: watch::Sender<Progress>,
    folder: tempfile::TempDir,
}

impl Stage {
    async fn new(nodes: u32) -> Self {
        Self::of(nodes, "node.sh").await
    }

    /// Nodes played by a script of this folder.
    async fn of(nodes: u32, script: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the nodes");
        let options = StartOptions {
            nodes,
            founders: nodes,
            folder: folder.path().to_owned(),
            program: Path::new(env!("CARGO_MANIFEST_DIR")).join("src/fault/tests").join(script),
            raft: RaftConfig::default(),
            sealing: SealingConfig::default(),
            links: LinkNeeds::None,
            tls: false,
            seed: 1,
            limits: NodeLimits::default(),
            slow_disk: None,
            keep_data: false,
        };
        let cluster = Arc::new(ProcessCluster::start(options).await.expect("the stand-ins start"));
        Self {
            cluster,
            leadership: watch::Sender::default(),
            load: watch::Sender::new(Progress::UnderWay),
            folder,
        }
    }

    fn lead(&self, id: NodeId) {
        let leader = Member { id, client: String::new(), peer: String::new() };
        self.leadership.send_replace(Leadership { term: id, leader: Some(leader) });
    }

    async fn play(&self, faults: &[Fault]) -> FaultLog {
        let (cluster, leadership) = (self.cluster.clone(), self.leadership.subscribe());
        inject_all(faults, 1, cluster, leadership, Instant::now(), self.load.subscribe()).await
    }
}

fn kill(target: Target, at_ms: u64, heal: Duration) -> Fault {
    Fault {
        at: Duration::from_millis(at_ms),
        spread: Duration::ZERO,
        when: When::Due,
        kind: FaultKind::Kill,
        target,
        heal: Some(heal),
    }
}

fn nodes_of(log: &FaultLog, kind: EventKind) -> Vec<NodeId> {
    let mut nodes: Vec<_> = log.events.iter().filter(|e| e.event == kind).map(|e| e.node).collect();
    nodes.sort_unstable();
    nodes
}

/// Waits until `condition` holds, and then ends the load.
async fn end_when(stage: &Stage, condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stage.load.send_replace(Progress::Over);
}

#[tokio::test]
async fn a_fault_that_has_not_struck_when_the_load_is_over_does_not_strike() {
    let stage = Stage::new(1).await;
    let late = Fault { at: HOUR, ..kill(Target::Node(1), 0, HOUR) };
    let began = Instant::now();
    // Nobody leads: the second waits for somebody.
    let leaderless = Fault { heal: None, ..kill(Target::Leader, 0, HOUR) };
    let faults = [late, leaderless];
    let (log, ()) = tokio::join!(stage.play(&faults), end_when(&stage, || true));
    assert_eq!((log.events, log.failures), (vec![], vec![]));
    assert!(began.elapsed() < HOUR);
}

#[tokio::test]
async fn a_fault_that_was_due_a_moment_before_the_load_was_over_strikes() {
    let stage = Stage::new(1).await;
    stage.lead(1);
    stage.load.send_replace(Progress::Over);
    let log = stage.play(&[kill(Target::Leader, 0, HOUR)]).await;
    assert_eq!(nodes_of(&log, EventKind::Fault), [1], "{log:?}");
    assert_eq!(nodes_of(&log, EventKind::Heal), [1], "{log:?}");
}

#[tokio::test]
async fn nothing_strikes_once_the_load_was_cut_short() {
    let stage = Stage::new(1).await;
    stage.lead(1);
    stage.load.send_replace(Progress::CutShort);
    let log = stage.play(&[kill(Target::Leader, 0, HOUR)]).await;
    assert_eq!((log.events, log.failures), (vec![], vec![]));
}

#[tokio::test]
async fn a_fault_that_has_struck_is_healed_at_once_when_the_load_is_over() {
    let stage = Stage::new(1).await;
    let struck = || stage.cluster.is_down(1);
    let faults = [kill(Target::Node(1), 0, HOUR)];
    let (log, ()) = tokio::join!(stage.play(&faults), end_when(&stage, struck));
    assert_eq!(nodes_of(&log, EventKind::Fault), [1]);
    assert_eq!(nodes_of(&log, EventKind::Heal), [1]);
    assert!(log.failures.is_empty() && !stage.cluster.is_down(1));
}

#[tokio::test]
async fn overlapping_random_faults_strike_different_nodes_and_say_when_none_is_left() {
    let stage = Stage::new(3).await;
    let faults: Vec<_> = (0..4).map(|i| kill(Target::Random, i * 50, HOUR)).collect();
    let all_down = || (1..=3).all(|node| stage.cluster.is_down(node));
    let playing = async {
        let playing = stage.play(&faults);
        let ending = async {
            while !all_down() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // The fourth finds nobody.
            tokio::time::sleep(Duration::from_millis(500)).await;
            stage.load.send_replace(Progress::Over);
        };
        tokio::join!(playing, ending).0
    };
    let log = playing.await;
    assert_eq!(nodes_of(&log, EventKind::Fault), [1, 2, 3]);
    assert_eq!(nodes_of(&log, EventKind::Heal), [1, 2, 3]);
    assert_eq!(log.failures.len(), 1);
    assert!(log.failures[0].contains("another fault"), "{:?}", log.failures);
}

#[tokio::test]
async fn all_leaves_out_who_is_down_and_the_leader_is_one_who_is_up() {
    let stage = Stage::new(3).await;
    stage.lead(1);
    let faults = [
        kill(Target::Leader, 0, HOUR),
        kill(Target::Leader, 100, HOUR),
        kill(Target::All, 1500, Duration::from_millis(50)),
        kill(Target::Node(1), 1600, HOUR),
    ];
    let ending = async {
        while !stage.cluster.is_down(1) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // The second waits until somebody else leads.
        tokio::time::sleep(Duration::from_millis(200)).await;
        stage.lead(2);
        tokio::time::sleep(Duration::from_millis(2000)).await;
        stage.load.send_replace(Progress::Over);
    };
    let (log, ()) = tokio::join!(stage.play(&faults), ending);
    let struck: Vec<_> = log
        .events
        .iter()
        .filter(|e| e.event == EventKind::Fault)
        .map(|e| (e.fault.unwrap(), e.node))
        .collect();
    assert_eq!(struck, [(0, 1), (1, 2), (2, 3)], "{:?}", log.failures);
    assert_eq!(log.failures.len(), 1, "{:?}", log.failures);
    assert!(log.failures[0].starts_with("fault 3: n1 is struck"), "{:?}", log.failures);
}

#[tokio::test]
async fn a_minority_and_a_majority_are_drawn_from_the_seed() {
    for (target, nodes, count) in [
        (Target::Minority, 3, 1),
        (Target::Majority, 3, 2),
        (Target::Minority, 5, 2),
        (Target::Majority, 5, 3),
    ] {
        let stage = Stage::new(nodes).await;
        let down = || (1..=u64::from(nodes)).filter(|node| stage.cluster.is_down(*node)).count();
        let faults = [kill(target, 0, HOUR)];
        let (log, ()) = tokio::join!(stage.play(&faults), end_when(&stage, || down() == count));
        assert_eq!(nodes_of(&log, EventKind::Fault).len(), count, "{target} of {nodes}");
        assert!(log.failures.is_empty(), "{:?}", log.failures);
    }
}

#[tokio::test]
async fn a_fault_that_waits_for_a_whole_cluster_spares_one_that_does_not_answer() {
    let stage = Stage::new(1).await;
    let waiting = [Fault { when: When::Whole, ..kill(Target::Node(1), 0, HOUR) }];
    let ending = async {
        // The stand-ins serve nobody: it waits as long as the load lasts.
        tokio::time::sleep(Duration::from_millis(300)).await;
        stage.load.send_replace(Progress::Over);
    };
    let (log, ()) = tokio::join!(stage.play(&waiting), ending);
    assert_eq!((log.events, log.failures), (vec![], vec![]));
    assert!(!stage.cluster.is_down(1));
}

#[tokio::test]
async fn who_is_restarted_is_back_as_soon_as_it_has_ended() {
    let stage = Stage::new(1).await;
    let restart = Fault { kind: FaultKind::Restart, heal: None, ..kill(Target::Node(1), 0, HOUR) };
    let log = stage.play(&[restart]).await;
    assert!(log.failures.is_empty(), "{:?}", log.failures);
    let [struck, healed] = &log.events[..] else { panic!("{:?}", log.events) };
    assert_eq!((struck.event, healed.event), (EventKind::Fault, EventKind::Heal));
    assert!(stage.folder.path().join("n1/ended-in-order").exists() && !stage.cluster.is_down(1));
    assert!(healed.invoked_s - struck.completed_s < 0.1, "{:?}", log.events);
}

#[tokio::test]
async fn a_node_that_is_down_cannot_be_killed_or_paused() {
    let stage = Stage::new(1).await;
    stage.cluster.kill(1).await.unwrap();
    let again = stage.cluster.kill(1).await.unwrap_err();
    assert_eq!(again.to_string(), "node n1: it is not running");
    assert!(stage.cluster.pause(1).await.is_err());
    assert!(stage.cluster.kill(9).await.is_err());
    // Killing what is left is no error.
    stage.cluster.end().await;
}

#[tokio::test]
async fn a_dropped_cluster_leaves_configurations_and_logs_and_no_data() {
    let stage = Stage::new(2).await;
    let node = stage.folder.path().join("n2");
    let config = NodeConfig::load(&node.join("node.toml")).expect("it was written");
    config.cluster_keys().expect("the configuration says where the key is");
    while !node.join("data/log").exists() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(stage.cluster);
    assert!(node.join("node.toml").exists() && node.join("log.txt").exists());
    assert!(!node.join("data").exists() && config.cluster_keys().is_err());
}

#[tokio::test]
async fn a_node_that_is_asked_to_end_is_given_the_time_to() {
    let stage = Stage::new(1).await;
    stage.cluster.stop(1).await.expect("the stand-in ends");
    assert!(stage.folder.path().join("n1/ended-in-order").exists(), "its parent hurried it");
    assert!(stage.cluster.is_down(1));
    assert!(stage.cluster.stop(1).await.is_err());
}
