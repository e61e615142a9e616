//! Watches this node's clock and the directory's: says so when one is wrong, and leads no longer than it has to.

use std::time::Duration;

use crate::{
    alarm::Alarm,
    clock::Off,
    consensus::{Consensus, Judgement, Time, listed},
    directory::REQUEST_WINDOW_MS,
    wire::client::NodeId,
};

/// How often the clocks are compared.
const PERIOD: Duration = Duration::from_millis(100);

/// Compares the clocks for ever.
pub(super) async fn watch(consensus: Consensus) {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let judgement = consensus.clock();
        consensus.alarms().set(Alarm::Clock, complaint(&judgement));
        let Time { now_ms, agreed } = consensus.time();
        let (directory_ms, refused_until) =
            consensus.look(|directory, _| (directory.clock_ms(), directory.refused_until(now_ms)));
        let ahead_ms = directory_ms.saturating_sub(now_ms);
        // As long as nobody says whose clock is right, it may be this node's that is behind.
        let complaint = match refused_until.filter(|_| agreed) {
            _ if agreed && ahead_ms > REQUEST_WINDOW_MS => Some(format!(
                "the directory's clock is {} the nodes': if theirs are right, set it with `veil cluster set-clock`, \
                 else set theirs first",
                Off(ahead_ms as i64)
            )),
            Some(until_ms) => Some(format!(
                "new requests are refused for {} s: before the directory's clock was set back there were requests of \
                 that time, and nothing is done twice",
                until_ms.saturating_sub(now_ms).div_ceil(1_000)
            )),
            None => None,
        };
        consensus.alarms().set(Alarm::DirectoryClock, complaint);
        if matches!(judgement, Judgement::Wrong { .. }) && consensus.leads() {
            // Whoever cannot be handed the leadership today may be tomorrow.
            if let Err(error) = consensus.transfer(None).await {
                tracing::debug!(%error, "the leadership is not handed over");
            }
        }
    }
}

/// What is wrong with this node's clock, if anything is.
fn complaint(judgement: &Judgement) -> Option<String> {
    match judgement {
        Judgement::Right { .. } => None,
        Judgement::Wrong { off_ms, against } => {
            let (off, nodes) = (Off(*off_ms), listed(against));
            Some(format!("this node's clock is {off} the clocks of nodes {nodes}: set it right"))
        }
        Judgement::Unknown { apart } => {
            let (nodes, offs): (Vec<NodeId>, Vec<_>) =
                apart.iter().map(|(node, ms)| (*node, Off(*ms))).unzip();
            let off = offs.first()?;
            let nodes = listed(&nodes);
            Some(format!(
                "this node's clock is {off} that of node {nodes}, and no majority says which one is wrong: \
                 set them right"
            ))
        }
    }
}
