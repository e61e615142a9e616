//! `veil member`: who belongs to the cluster.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{ClusterArgs, say};
use crate::wire::{
    address,
    client::{Member, NodeId},
};

/// List, add and remove the members of the cluster.
#[derive(Debug, Args)]
pub(super) struct MemberArgs {
    #[command(subcommand)]
    command: MemberCommand,
}

#[derive(Debug, Subcommand)]
enum MemberCommand {
    List(ListArgs),
    Add(AddArgs),
    Remove(RemoveArgs),
}

/// List the members, as the leader knows them.
#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Make a node a member, and wait until it has caught up and has a vote.
///
/// Start the node first, with `bootstrap = false`. It has to be reached at both addresses and to catch up within most of
/// the --timeout, or it is not made a member; an address at which another node answers is refused. Nothing happens if it
/// is a member already.
#[derive(Debug, Args)]
struct AddArgs {
    /// The node's number, as in its configuration.
    id: NodeId,
    /// Where clients reach it.
    #[arg(long, value_name = "HOST:PORT", value_parser = address::parse)]
    client: String,
    /// Where other nodes reach it.
    #[arg(long, value_name = "HOST:PORT", value_parser = address::parse)]
    peer: String,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Make a node a member no longer. It may be down; if it runs, stop it afterwards.
///
/// Nothing happens if it is no member.
#[derive(Debug, Args)]
struct RemoveArgs {
    /// The node's number.
    id: NodeId,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn run(args: MemberArgs) -> anyhow::Result<()> {
    match args.command {
        MemberCommand::List(args) => list(args).await,
        MemberCommand::Add(args) => add(args).await,
        MemberCommand::Remove(args) => remove(args).await,
    }
}

async fn list(ListArgs { cluster }: ListArgs) -> anyhow::Result<()> {
    let members = cluster.client()?.members(cluster.deadline()).await?;
    if cluster.json {
        return Ok(say(serde_json::to_string(&members)?)?);
    }
    say(format_args!("{:>4}  {:21}  {:21}  ROLE", "NODE", "CLIENTS", "NODES"))?;
    for role in members {
        let Member { id, client, peer } = role.member;
        let is = if role.voter { "voter" } else { "learner" };
        say(format_args!("{id:>4}  {client:21}  {peer:21}  {is}"))?;
    }
    Ok(())
}

async fn add(AddArgs { id, client, peer, cluster }: AddArgs) -> anyhow::Result<()> {
    cluster.client()?.add_member(Member { id, client, peer }, cluster.deadline()).await?;
    cluster.done(format_args!("node {id} is a member"), json!({ "id": id, "member": true }))?;
    Ok(())
}

async fn remove(RemoveArgs { id, cluster }: RemoveArgs) -> anyhow::Result<()> {
    cluster.client()?.remove_member(id, cluster.deadline()).await?;
    cluster.done(format_args!("node {id} is not a member"), json!({ "id": id, "member": false }))?;
    Ok(())
}
