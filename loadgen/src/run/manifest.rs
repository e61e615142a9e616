//! What ran where, for `run.json`.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, SystemTime},
};

use veil::{client::Client, os_error::plain, wire::client::NodeId};

use super::{RunOptions, machine};
use crate::{
    cluster::{Cluster, Description},
    record::{HistoryCount, HistoryReader, MAX_REASON, Manifest, NodeManifest},
};

/// How long a node of an existing cluster may take to say its number.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a run has made and found.
pub(super) struct Made {
    /// When it began.
    pub(super) began: SystemTime,
    /// How long after that the first request was sent, s.
    pub(super) first_request_s: Option<f64>,
    /// What the cluster is made of, unless it was there before.
    pub(super) description: Option<Description>,
    /// The nodes.
    pub(super) nodes: Vec<NodeManifest>,
    /// How much was recorded.
    pub(super) history: HistoryCount,
    /// The longest time in which the run itself stood still.
    pub(super) stood_still: Duration,
}

/// So much of what went wrong is told, bytes: who reads a manifest takes no more.
const MAX_TOLD: usize = MAX_REASON / 2;

/// What went wrong, as far as it is to be read: thousands of faults may have failed alike.
pub(super) fn in_short(failures: &[String]) -> String {
    let mut told = String::new();
    for (place, failure) in failures.iter().enumerate() {
        let failure = plain(failure);
        let behind = if told.is_empty() { 0 } else { 2 };
        if told.len() + behind + failure.len() > MAX_TOLD {
            let cut: String = failure.chars().take((MAX_TOLD - told.len()) / 4).collect();
            let left = failures.len() - place;
            return format!("{told}{}{cut}… and {left} more", if behind == 0 { "" } else { "; " });
        }
        told.push_str(if behind == 0 { "" } else { "; " });
        told.push_str(&failure);
    }
    told
}

/// The identity card of a run, with why it is not whole, if it is not.
pub(super) fn describe(
    options: &RunOptions,
    folder: &Path,
    made: Made,
    interrupted: Option<String>,
) -> Manifest {
    let RunOptions { scenario, name, .. } = options;
    let Made { began, first_request_s, description, mut nodes, history, stood_still } = made;
    for node in &mut nodes {
        node.container = description.as_ref().and_then(|d| d.container_names.get(&node.id)).cloned();
    }
    Manifest {
        format: 1,
        name: folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        scenario: name.clone(),
        seed: scenario.seed,
        driver: options
            .nodes
            .as_ref()
            .map_or(scenario.cluster.driver.name(), |_| Manifest::EXISTING)
            .to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: option_env!("VEIL_COMMIT").map(str::to_owned),
        build: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
        started: humantime::format_rfc3339_seconds(began).to_string(),
        load_s: scenario.load.length().as_secs_f64(),
        users: scenario.load.clients,
        complete: interrupted.is_none(),
        interrupted,
        machine: machine::describe(),
        nodes,
        generators: scenario.load.generators,
        history: Some(history),
        containers: description.as_ref().and_then(|d| d.containers.clone()),
        limits: description.as_ref().and_then(|d| d.limits),
        links: description.map(|d| d.links.to_owned()),
        first_request_s,
        stood_still_s: Some(stood_still.as_secs_f64()),
    }
}

/// How long after the run began its first request was sent, s, if the load began `start` after it.
pub(super) fn first_request_s(history: &Path, start: Duration) -> Option<f64> {
    // What was sent before the load began has a time below zero, and stands first.
    let first = HistoryReader::open(history).ok()?.next()?.ok()?;
    Some(start.as_secs_f64() + first.at_ns() as f64 / 1e9)
}

/// The number of the node at each address.
pub(super) async fn node_ids(client: &Client, cluster: Option<&dyn Cluster>) -> BTreeMap<String, NodeId> {
    if let Some(cluster) = cluster {
        return cluster.members().iter().map(|member| (member.client.clone(), member.id)).collect();
    }
    let mut ids = BTreeMap::new();
    for address in client.nodes() {
        if let Ok(status) = client.status(address, PATIENCE).await {
            ids.insert(address.clone(), status.node);
        }
    }
    ids
}

/// The nodes, as `run.json` tells of them.
pub(super) fn nodes(
    client: &Client,
    ids: &BTreeMap<String, NodeId>,
    cluster: Option<&dyn Cluster>,
) -> Vec<NodeManifest> {
    let members = cluster.map(Cluster::members).unwrap_or_default();
    let describe = |address: &String| NodeManifest {
        id: ids.get(address).copied().unwrap_or_default(),
        client_address: address.clone(),
        peer_address: members.iter().find(|member| &member.client == address).map(|m| m.peer.clone()),
        container: None,
        log: cluster.and(ids.get(address)).map(|id| format!("nodes/n{id}/log.txt")),
    };
    client.nodes().iter().map(describe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_a_thousand_times_is_told_as_far_as_it_can_be_read() {
        let few = ["fault 0: no".to_owned(), "fault 1: Permission denied (os error 13)".to_owned()];
        assert_eq!(in_short(&few), "fault 0: no; fault 1: permission denied");
        let many: Vec<String> =
            (0..5_000).map(|fault| format!("fault {fault}: n1 is struck already")).collect();
        let told = in_short(&many);
        assert!(told.len() <= MAX_REASON && told.ends_with(" more"), "{} bytes", told.len());
        let long = in_short(&["ä".repeat(MAX_REASON)]);
        assert!(long.len() <= MAX_REASON && long.ends_with("ä… and 1 more"), "{} bytes", long.len());
    }
}
