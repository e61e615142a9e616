//! `veil block`, `veil unblock` and `veil blocked`: to be left in peace.

use clap::Args;
use serde_json::{Value, json};

use super::{ClusterArgs, say, say_json, session::UserArgs};
use crate::directory::{Block, Unblock, UserName};

/// Be left in peace by a user.
///
/// They cannot ask you for views or grant you anything any more, and are told so when they try. What they have granted
/// you is not in your list, what they have sent not in your inbox, until you unblock them.
#[derive(Debug, Args)]
pub(super) struct BlockArgs {
    /// Whom.
    blocked: UserName,
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn block(BlockArgs { blocked, who, cluster }: BlockArgs) -> anyhow::Result<()> {
    let me = who.logged_in(&cluster).await?;
    let block = Block { user: me.user, blocked: blocked.clone() };
    me.client.block_user(me.client.request_id(), block, cluster.deadline()).await?;
    let json = json!({ "user": blocked.as_str(), "blocked": true });
    cluster.done(format_args!("{blocked} is blocked"), json)?;
    Ok(())
}

/// Hear from a user again whom you have blocked.
#[derive(Debug, Args)]
pub(super) struct UnblockArgs {
    /// Whom.
    blocked: UserName,
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn unblock(UnblockArgs { blocked, who, cluster }: UnblockArgs) -> anyhow::Result<()> {
    let me = who.logged_in(&cluster).await?;
    let unblock = Unblock { user: me.user, blocked: blocked.clone() };
    me.client.unblock_user(me.client.request_id(), unblock, cluster.deadline()).await?;
    let json = json!({ "user": blocked.as_str(), "blocked": false });
    cluster.done(format_args!("{blocked} is not blocked"), json)?;
    Ok(())
}

/// List whom you have blocked.
#[derive(Debug, Args)]
pub(super) struct BlockedArgs {
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn blocked(BlockedArgs { who, cluster }: BlockedArgs) -> anyhow::Result<()> {
    let me = who.logged_in(&cluster).await?;
    let blocked = me.client.blocked(me.user, cluster.deadline()).await?;
    if cluster.json {
        say_json(&Value::from_iter(blocked.iter().map(UserName::as_str)))?;
        return Ok(());
    }
    if blocked.is_empty() {
        say("nobody is blocked")?;
    }
    Ok(blocked.iter().try_for_each(say)?)
}
