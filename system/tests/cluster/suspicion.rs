//! A leader that is dead is replaced at once; one that lives keeps its term, whatever becomes of its connections.
//!
//! The lease is so long here that nobody is elected for silence within a test.

use std::time::Duration;

use veil::{client::Client, node::RaftConfig};

use super::{
    harness::{Cluster, PATIENCE, leader, register_many},
    wires::Wires,
};

/// Nobody is given up for being silent.
fn patient() -> RaftConfig {
    RaftConfig { lease: Duration::from_secs(600), ..RaftConfig::default() }
}

/// So many refusals of a follower's calls that it has had its turn to stand for election meanwhile.
const REFUSALS: usize = 8;

struct Scene {
    cluster: Cluster,
    client: Client,
    wires: Wires,
    leader: u64,
    followers: Vec<u64>,
    registered: u32,
}

impl Scene {
    async fn of(size: u64) -> Self {
        let cluster = Cluster::start(size, patient()).await;
        let (client, wires) = (cluster.client(), cluster.wires.clone());
        register_many(&cluster, &client, 0..10).await;
        let leader = leader(&client).await;
        let followers: Vec<u64> = (1..=size).filter(|id| *id != leader).collect();
        for follower in &followers {
            wires.wait_open(*follower, leader).await;
            wires.wait_open(leader, *follower).await;
        }
        Self { cluster, client, wires, leader, followers, registered: 10 }
    }

    /// Writes on, which takes a leader and a majority.
    async fn write(&mut self) {
        register_many(&self.cluster, &self.client, self.registered..self.registered + 10).await;
        self.registered += 10;
    }

    async fn term(&self) -> u64 {
        let mut highest = 0;
        for member in self.cluster.members.values() {
            highest =
                highest.max(self.client.status(&member.client, PATIENCE).await.unwrap().leadership.term);
        }
        highest
    }

    fn refuse(&self, a: u64, b: u64) {
        for (from, to) in [(a, b), (b, a)] {
            self.wires.refuse(from, to);
            self.wires.close(from, to);
        }
    }

    fn allow(&self, a: u64, b: u64) {
        self.wires.allow(a, b);
        self.wires.allow(b, a);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_leader_is_replaced_without_waiting_for_its_lease() {
    for size in [3, 5] {
        let mut scene = Scene::of(size).await;
        let dead = scene.leader;
        for follower in scene.followers.clone() {
            scene.refuse(dead, follower);
        }
        scene.cluster.crash_node(dead);
        scene.write().await;
        assert_ne!(leader(&scene.client).await, dead, "of {size} nodes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_keeps_its_term_when_connections_break_and_open_again() {
    let mut scene = Scene::of(3).await;
    let term = scene.term().await;
    for round in 0..20 {
        for follower in scene.followers.clone() {
            scene.wires.close(follower, scene.leader);
            if round % 2 == 0 {
                scene.wires.close(scene.leader, follower);
            }
        }
        scene.write().await;
    }
    assert_eq!(scene.term().await, term);
    assert_eq!(leader(&scene.client).await, scene.leader);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_keeps_its_term_when_one_follower_after_the_other_takes_it_for_dead() {
    let mut scene = Scene::of(3).await;
    let term = scene.term().await;
    for follower in scene.followers.clone() {
        scene.refuse(scene.leader, follower);
        scene.wires.wait_refused(follower, scene.leader, REFUSALS).await;
        scene.write().await;
        scene.allow(scene.leader, follower);
        scene.wires.wait_open(follower, scene.leader).await;
        scene.wires.wait_open(scene.leader, follower).await;
    }
    scene.write().await;
    assert_eq!(scene.term().await, term);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_keeps_its_term_when_it_is_called_in_vain_and_calls_itself() {
    let mut scene = Scene::of(3).await;
    let term = scene.term().await;
    // Its port is shut, say; it still speaks on connections of its own.
    for follower in scene.followers.clone() {
        scene.wires.refuse(follower, scene.leader);
        scene.wires.close(follower, scene.leader);
    }
    for follower in scene.followers.clone() {
        scene.wires.wait_refused(follower, scene.leader, REFUSALS).await;
    }
    scene.write().await;
    assert_eq!(scene.term().await, term);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_keeps_its_term_when_nobody_can_tell_whether_it_lives() {
    let mut scene = Scene::of(3).await;
    let term = scene.term().await;
    // Closed both ways, and nothing answers: a cable, or a firewall that drops.
    let one = scene.followers[0];
    for follower in scene.followers.clone() {
        scene.wires.hang(follower, scene.leader);
        scene.wires.close(follower, scene.leader);
    }
    scene.wires.hang(scene.leader, one);
    scene.wires.close(scene.leader, one);
    scene.write().await;
    assert_eq!(scene.term().await, term);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_is_restarted_leaves_the_leader_its_term() {
    let mut scene = Scene::of(3).await;
    let term = scene.term().await;
    for follower in scene.followers.clone() {
        scene.cluster.stop_node(follower).await;
        scene.write().await;
        scene.cluster.start_node(follower).await;
        scene.wires.wait_open(follower, scene.leader).await;
        scene.write().await;
    }
    assert_eq!(scene.term().await, term);
}
