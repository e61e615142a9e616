//! `veil register`: makes a user known.

use clap::Args;
use serde_json::json;

use super::ClusterArgs;
use crate::directory::UserName;

/// Register a user.
#[derive(Debug, Args)]
pub(super) struct RegisterArgs {
    /// The name: up to 64 of a-z 0-9 . _ -
    user: UserName,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn run(args: RegisterArgs) -> anyhow::Result<()> {
    let RegisterArgs { user, cluster } = args;
    let client = cluster.client()?;
    client.register(client.request_id(), user.clone(), cluster.deadline()).await?;
    cluster.print(format_args!("{user} is registered"), json!({ "user": user.as_str() }));
    Ok(())
}
