//! `veil list`: what a user owns and may view.

use clap::Args;
use serde_json::json;

use super::{ClusterArgs, session::UserArgs};

/// List the images that you own or may view.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn run(args: ListArgs) -> anyhow::Result<()> {
    let ListArgs { who, cluster } = args;
    let me = who.logged_in(&cluster).await?;
    let (client, user) = (me.client, me.user);
    let deadline = cluster.deadline();
    let mut lines = Vec::new();
    loop {
        let after = lines.last().map(|line: &crate::directory::Listing| line.image);
        let page = client.list(user.clone(), after, deadline).await?;
        if page.is_empty() {
            break;
        }
        lines.extend(page);
    }
    if cluster.json {
        let rows = lines.iter().map(|line| {
            json!({
                "image": line.image.to_string(),
                "owner": line.owner.as_str(),
                "bytes": line.length,
                "views_left": line.views_left,
            })
        });
        println!("{}", serde_json::Value::from_iter(rows));
        return Ok(());
    }
    if lines.is_empty() {
        println!("nothing to see for {user}");
        return Ok(());
    }
    println!("{:32}  {:>10}  {:>10}  OWNER", "IMAGE", "BYTES", "VIEWS LEFT");
    for line in lines {
        let left = line.views_left.map_or("own".to_owned(), |views| views.to_string());
        println!("{}  {:>10}  {left:>10}  {}", line.image, line.length, line.owner);
    }
    Ok(())
}
