//! Snapshots that go wrong while others need them.

use std::{os::unix::fs::FileExt, time::Duration};

use veil::node::RaftConfig;

use super::harness::{Cluster, leader, register_many};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_is_damaged_on_disk_is_made_again_and_the_follower_gets_it() {
    let mut cluster = Cluster::start(3, RaftConfig { snapshot_every: 32, ..RaftConfig::default() }).await;
    let client = cluster.client();
    register_many(&cluster, &client, 0..20).await;
    let victim = leader(&client).await % 3 + 1;
    cluster.stop_node(victim).await;
    // The others have purged what it lacks, so it needs a snapshot.
    let index = register_many(&cluster, &client, 20..200).await;
    for (_, disk) in cluster.disks.iter().filter(|(id, _)| **id != victim) {
        let path = disk.path().join("snapshot");
        let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let last = file.metadata().unwrap().len() - 1;
        let mut byte = [0];
        file.read_exact_at(&mut byte, last / 2).unwrap();
        file.write_all_at(&[!byte[0]], last / 2).unwrap();
    }
    cluster.start_node(victim).await;
    cluster.wait_until_equal(&client, [victim, leader(&client).await], index).await;
    // Nothing of the transfer stays behind. (The node may be at a snapshot of its own.)
    let folder = cluster.disks[&victim].path();
    while std::fs::read_dir(folder)
        .unwrap()
        .any(|entry| entry.unwrap().path().extension() == Some("tmp".as_ref()))
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    register_many(&cluster, &client, 200..210).await;
}
