//! What the process driver does to a process, on stand-ins.

use std::{fs, time::Duration};

use tokio::time::{Instant, sleep};
use veil::node::NodeConfig;

use super::{super::*, Stage};
use crate::cluster::ClusterError;

/// A process that keeps a processor busy.
async fn busy() -> Stage {
    Stage::of(1, "busy.sh").await
}

/// What the kernel says of the stand-in: its state, and the processor time it has had.
fn stat(stage: &Stage) -> (char, Duration) {
    let pid = stage.cluster.pid(1).expect("it is running");
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it is there");
    // After the name: the state first, the ticks in user and in system mode twelfth and thirteenth.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
    (fields[0].chars().next().expect("a letter"), Duration::from_millis(ticks * 10))
}

/// The share of a processor that it has while it is watched.
async fn share(stage: &Stage) -> f64 {
    let (began, before) = (Instant::now(), stat(stage).1);
    sleep(Duration::from_secs(1)).await;
    (stat(stage).1 - before).as_secs_f64() / began.elapsed().as_secs_f64()
}

/// Waits until it has had some more of a processor.
async fn wait_until_it_runs(stage: &Stage) {
    let before = stat(stage).1;
    while stat(stage).1 < before + Duration::from_millis(50) {
        sleep(Duration::from_millis(5)).await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_throttled_process_runs_for_its_share_and_then_as_before() {
    let stage = busy().await;
    stage.cluster.throttle(1, Some(0.2)).await.unwrap();
    let throttled = share(&stage).await;
    assert!((0.02..0.3).contains(&throttled), "it had {throttled} of a processor");
    stage.cluster.throttle(1, None).await.unwrap();
    // Nobody stops it any more.
    wait_until_it_runs(&stage).await;
    for _ in 0..50 {
        assert_ne!(stat(&stage).0, 'T');
        sleep(Duration::from_millis(1)).await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_throttled_process_can_be_killed_stopped_and_paused() {
    let stage = busy().await;
    stage.cluster.throttle(1, Some(0.05)).await.unwrap();
    stage.cluster.kill(1).await.unwrap();
    stage.cluster.restart(1).await.unwrap();
    wait_until_it_runs(&stage).await;
    // Asked while it stands still, it has to run to hear it.
    stage.cluster.throttle(1, Some(0.05)).await.unwrap();
    stage.cluster.stop(1).await.unwrap();
    stage.cluster.restart(1).await.unwrap();
    stage.cluster.throttle(1, Some(0.5)).await.unwrap();
    stage.cluster.pause(1).await.unwrap();
    for _ in 0..50 {
        assert_eq!(stat(&stage).0, 'T');
        sleep(Duration::from_millis(1)).await;
    }
    stage.cluster.resume(1).await.unwrap();
    wait_until_it_runs(&stage).await;
}

#[tokio::test]
async fn who_is_wiped_has_nothing_and_founds_nothing() {
    let stage = Stage::new(1).await;
    let folder = stage.folder.path().join("n1");
    let config = || NodeConfig::load(&folder.join("node.toml")).unwrap();
    assert!(config().bootstrap);
    while !folder.join("data/log").exists() {
        sleep(Duration::from_millis(1)).await;
    }
    let error = stage.cluster.wipe(1).await.unwrap_err();
    assert!(matches!(error, ClusterError::StillRunning { node: 1 }), "{error}");
    let before = config();
    let key = before.cluster_keys().unwrap().public();
    stage.cluster.kill(1).await.unwrap();
    stage.cluster.wipe(1).await.unwrap();
    assert!(!folder.join("data").exists());
    assert_eq!(config(), NodeConfig { bootstrap: false, ..before });
    assert_eq!(config().cluster_keys().unwrap().public(), key, "the cluster's key has to outlive a node");
    // There is nothing left to remove, which is no error.
    stage.cluster.wipe(1).await.unwrap();
}
