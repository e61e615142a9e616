//! What every node holds when all is over, asked node by node.

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

/// Waits until all nodes have applied the same log, or time is up, then asks each for all it holds.
pub(super) async fn read_back(client: &Client, ids: &BTreeMap<String, NodeId>) -> Readback {
    let deadline = Instant::now() + CONVERGENCE_PATIENCE;
    while Instant::now() < deadline && !is_converged(client).await {
        tokio::time::sleep(PAUSE).await;
    }
    let mut readback = Readback { nodes: Vec::new(), silent: Vec::new() };
    for address in client.nodes() {
        let node = ids.get(address).copied().unwrap_or_default();
        match read_node(client, address, node).await {
            Ok(read) => readback.nodes.push(read),
            Err(error) => readback.silent.push((node, error.to_string())),
        }
    }
    readback
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

async fn read_node(client: &Client, address: &str, node: NodeId) -> Result<NodeReadback, AskError> {
    let users = client.users_of(address, PATIENCE).await?;
    let images = client.images_of(address, PATIENCE).await?;
    let (applied, hash) = client.hash_of(address, PATIENCE).await?;
    Ok(NodeReadback {
        node,
        applied,
        hash,
        users: users.into_iter().map(String::from).collect(),
        images: images.into_iter().map(image_state).collect(),
    })
}

fn image_state(summary: ImageSummary) -> ImageState {
    let ImageSummary { image, owner, digest, grants } = summary;
    let grants =
        grants.into_iter().map(|(viewer, left, used)| GrantState { viewer: viewer.into(), left, used });
    ImageState { image, owner: owner.into(), digest, grants: grants.collect() }
}
