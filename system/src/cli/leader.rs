//! `veil leader`: who leads the cluster, and having another node lead.

use clap::{Args, Subcommand};
use serde_json::json;

use super::ClusterArgs;
use crate::wire::client::{Member, NodeId};

/// Show which node leads, or have another one lead.
///
/// The leader puts changes in order and confirms reads. Any voter can be the leader; when it dies, the others elect
/// another one by themselves.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct LeaderArgs {
    #[command(subcommand)]
    command: Option<LeaderCommand>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Debug, Subcommand)]
enum LeaderCommand {
    Transfer(TransferArgs),
}

/// Have another node lead, in order: no request fails.
///
/// For instance before the leader's machine is taken down. (A node that is stopped by SIGTERM does so by itself.) The
/// node has to have all that the leader has; then it is elected within milliseconds. What clients ask meanwhile is
/// answered by the new leader. Operators may do this: with TLS, give --operator.
#[derive(Debug, Args)]
struct TransferArgs {
    /// The node that is to lead. By default the voter whose log is most complete.
    #[arg(long, value_name = "NODE")]
    to: Option<NodeId>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn run(args: LeaderArgs) -> anyhow::Result<()> {
    match args.command {
        None => show(args.cluster).await,
        Some(LeaderCommand::Transfer(args)) => transfer(args).await,
    }
}

async fn show(cluster: ClusterArgs) -> anyhow::Result<()> {
    let (term, leader) = cluster.client()?.leader(cluster.deadline()).await?;
    let Member { id, client, .. } = &leader;
    let text = format!("node {id} at {client} leads, in term {term}");
    cluster.print(text, json!({ "leader": leader, "term": term }))?;
    Ok(())
}

async fn transfer(TransferArgs { to, cluster }: TransferArgs) -> anyhow::Result<()> {
    let (client, deadline) = (cluster.client()?, cluster.deadline());
    let (_, before) = client.leader(deadline).await?;
    let leader = client.transfer_leadership(to, deadline).await?;
    let text = format!("node {} leads, after node {}", leader.id, before.id);
    cluster.done(text, json!({ "before": before, "leader": leader }))?;
    Ok(())
}
