//! `veil status`: how the nodes are.

use std::time::Duration;

use clap::Args;
use futures_util::future::join_all;
use serde_json::json;

use super::{ClusterArgs, say, say_json};
use crate::{alarm::ActiveAlarm, os_error::plain};

/// How long a node may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// Show every node: who leads, how far its log is, how busy it is, and what is wrong with it.
///
/// Exits with 1 when no node answers.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn run(args: StatusArgs) -> anyhow::Result<()> {
    let StatusArgs { cluster } = args;
    let client = cluster.client()?;
    let asking = client.nodes().iter().map(|address| client.status(address, PATIENCE));
    let answers = join_all(asking).await;
    if cluster.json {
        let rows = client.nodes().iter().zip(&answers).map(|(address, answer)| match answer {
            Ok(status) => json!({ "address": address, "score": status.health.score(), "status": status }),
            Err(error) => json!({ "address": address, "error": plain(&error.to_string()) }),
        });
        say_json(&serde_json::Value::from_iter(rows))?;
    } else {
        say(format_args!(
            "{:>4}  {:21}  {:>6}  {:>6}  {:>9}  {:>9}  {:>7}  {:>7}  {:>6}",
            "NODE", "ADDRESS", "TERM", "LEADER", "APPLIED", "SNAPSHOT", "USERS", "IMAGES", "SCORE"
        ))?;
        for (address, answer) in client.nodes().iter().zip(&answers) {
            match answer {
                Ok(s) => say(format_args!(
                    "{:>4}  {address:21}  {:>6}  {:>6}  {:>9}  {:>9}  {:>7}  {:>7}  {:>6.1}",
                    s.node,
                    s.leadership.term,
                    s.leadership.leader.as_ref().map_or("-".to_owned(), |leader| leader.id.to_string()),
                    s.applied,
                    s.snapshot,
                    s.users,
                    s.images,
                    s.health.score(),
                ))?,
                Err(error) => say(format_args!("   ?  {address:21}  {}", plain(&error.to_string())))?,
            }
        }
        for status in answers.iter().flatten() {
            for ActiveAlarm { alarm, reason } in &status.alarms {
                say(format_args!("alarm {} of node {}: {reason}", alarm.name(), status.node))?;
            }
        }
    }
    anyhow::ensure!(answers.iter().any(Result::is_ok), "no node answers");
    Ok(())
}
