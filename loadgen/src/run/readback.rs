//! What every node holds when all is over, asked node by node.
//!
//! Clients that gave up have left requests behind, and a node may carry one out at any moment, also between
//! the looks at two nodes. So the nodes are read until what they said is of one moment, or time is up.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;
use veil::{
    client::{AskError, Client},
    wire::client::{ImageSummary, NodeId},
};

use crate::record::{GrantState, ImageState, NodeReadback, Readback};

/// How long the nodes may take to catch up with one another.
const CONVERGENCE_PATIENCE: Duration = Duration::from_secs(30);
/// How long a node may take for one answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause between looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Waits until all nodes have applied the same log, or time is up, then asks each for all it holds; again, while the
/// log went on meanwhile and there is time left.
pub(super) async fn read_back(client: &Client, ids: &BTreeMap<String, NodeId>) -> Readback {
    let deadline = Instant::now() + CONVERGENCE_PATIENCE;
    until_of_one_moment(deadline, async || {
        while Instant::now() < deadline && !is_converged(client).await {
            tokio::time::sleep(PAUSE).await;
        }
        read_all(client, ids).await
    })
    .await
}

/// Reads until what was read is of one moment, or time is up. The last reading counts: it is the best there is.
async fn until_of_one_moment(deadline: Instant, mut read: impl AsyncFnMut() -> Reading) -> Readback {
    loop {
        let Reading { readback, steady } = read().await;
        if (steady && is_of_one_index(&readback)) || Instant::now() >= deadline {
            return readback;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What the nodes said.
struct Reading {
    readback: Readback,
    /// None of them has applied anything while it was asked.
    steady: bool,
}

/// Whether all nodes that answered had applied as much. Whether they hold the same is for the checks to say.
fn is_of_one_index(readback: &Readback) -> bool {
    readback.nodes.windows(2).all(|pair| pair[0].applied == pair[1].applied)
}

async fn read_all(client: &Client, ids: &BTreeMap<String, NodeId>) -> Reading {
    let mut reading = Reading { readback: Readback { nodes: Vec::new(), silent: Vec::new() }, steady: true };
    for address in client.nodes() {
        let node = ids.get(address).copied().unwrap_or_default();
        match read_node(client, address, node).await {
            Ok((read, steady)) => {
                reading.readback.nodes.push(read);
                reading.steady &= steady;
            }
            Err(error) => reading.readback.silent.push((node, error.to_string())),
        }
    }
    reading
}

/// Whether all nodes answer, somebody leads, and all have applied all that any of them has written.
async fn is_converged(client: &Client) -> bool {
    let asking = client.nodes().iter().map(|address| client.status(address, PATIENCE));
    let statuses = futures_util::future::join_all(asking).await;
    let Ok(statuses) = statuses.into_iter().collect::<Result<Vec<_>, _>>() else { return false };
    let end = statuses.iter().map(|status| status.last_log).max();
    let led = statuses.iter().all(|status| status.leadership.leader.is_some());
    led && statuses.iter().all(|status| Some(status.applied) == end)
}

/// What a node holds, and whether it has applied nothing while it said so.
async fn read_node(client: &Client, address: &str, node: NodeId) -> Result<(NodeReadback, bool), AskError> {
    let (before, _) = client.hash_of(address, PATIENCE).await?;
    let users = client.users_of(address, PATIENCE).await?;
    let images = client.images_of(address, PATIENCE).await?;
    let (applied, hash) = client.hash_of(address, PATIENCE).await?;
    let mut users: Vec<String> = users.into_iter().map(String::from).collect();
    users.sort_unstable();
    let mut images: Vec<ImageState> = images.into_iter().map(image_state).collect();
    images.sort_unstable_by_key(|image| image.image);
    Ok((NodeReadback { node, applied, hash, users, images }, before == applied))
}

fn image_state(summary: ImageSummary) -> ImageState {
    let ImageSummary { image, owner, digest, grants } = summary;
    let grants =
        grants.into_iter().map(|(viewer, left, used)| GrantState { viewer: viewer.into(), left, used });
    let mut grants: Vec<GrantState> = grants.collect();
    grants.sort_unstable_by(|a, b| a.viewer.cmp(&b.viewer));
    ImageState { image, owner: owner.into(), digest, grants }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes that said that they had applied so much, and whether they were steady.
    fn reading(applied: [u64; 3], steady: bool) -> Reading {
        let node = |(node, applied)| NodeReadback {
            node,
            applied,
            hash: [0; 32],
            users: Vec::new(),
            images: Vec::new(),
        };
        let nodes = (1..).zip(applied).map(node).collect();
        Reading { readback: Readback { nodes, silent: Vec::new() }, steady }
    }

    /// What is taken of these readings, one after the other, the last again and again; and after how long.
    async fn taken(readings: Vec<([u64; 3], bool)>) -> (Vec<u64>, Duration) {
        let began = Instant::now();
        let mut next = 0;
        let read = async || {
            let (applied, steady) = readings[next.min(readings.len() - 1)];
            next += 1;
            reading(applied, steady)
        };
        let readback = until_of_one_moment(began + CONVERGENCE_PATIENCE, read).await;
        (readback.nodes.iter().map(|node| node.applied).collect(), began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_request_that_is_carried_out_between_two_nodes_is_waited_for() {
        let late = vec![([7, 8, 8], true), ([8, 8, 8], true)];
        let (applied, took) = taken(late).await;
        assert_eq!(applied, [8, 8, 8]);
        assert!(took < Duration::from_secs(1), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_request_that_is_carried_out_while_a_node_is_read_is_waited_for() {
        let late = vec![([8, 8, 8], false), ([9, 9, 9], true)];
        assert_eq!(taken(late).await.0, [9, 9, 9]);
    }

    #[tokio::test(start_paused = true)]
    async fn nodes_that_never_agree_are_taken_as_they_are_when_time_is_up() {
        let (applied, took) = taken(vec![([7, 8, 8], true)]).await;
        assert_eq!(applied, [7, 8, 8]);
        let patience = CONVERGENCE_PATIENCE..CONVERGENCE_PATIENCE + Duration::from_secs(1);
        assert!(patience.contains(&took), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn nodes_that_hold_different_things_at_one_index_are_not_read_again() {
        let (_, took) = taken(vec![([8, 8, 8], true)]).await;
        assert_eq!(took, Duration::ZERO);
    }
}
