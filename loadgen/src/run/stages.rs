//! Where writes spent their time, asked node by node when all is over.

use std::{collections::BTreeMap, time::Duration};

use veil::{
    client::Client,
    wire::client::{NodeId, StageTimes},
};

use crate::record::StageSample;

/// How long a node may take for its answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// A row a node and stage. A node that does not answer has none.
pub(super) async fn ask(client: &Client, ids: &BTreeMap<String, NodeId>) -> Vec<StageSample> {
    let mut samples = Vec::new();
    for address in client.nodes() {
        let node = ids.get(address).copied().unwrap_or_default();
        match client.write_stages(address, PATIENCE).await {
            Ok(times) => samples.extend(times.into_iter().map(|times| sample(node, times))),
            Err(error) => tracing::warn!(node, %error, "it does not tell where writes spent their time"),
        }
    }
    samples
}

fn sample(node: NodeId, times: StageTimes) -> StageSample {
    let StageTimes { stage, count, p50_us, p99_us, max_us } = times;
    StageSample { node, stage, count, p50_us, p99_us, max_us }
}
