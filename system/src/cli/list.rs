//! `veil list`: what a user owns and may view.

use clap::Args;
use serde_json::{Value, json};

use super::{ClusterArgs, pages::all, say, session::UserArgs};
use crate::directory::{GroupName, Listing};

/// List the images that you own or may view, by yourself or through a group.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only those that you own.
    #[arg(long, conflicts_with = "group")]
    owned: bool,
    /// Only those that a group of yours has views left of, with the views that it has left.
    #[arg(long, value_name = "GROUP")]
    group: Option<GroupName>,
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn run(args: ListArgs) -> anyhow::Result<()> {
    let ListArgs { owned, group, who, cluster } = args;
    let me = who.logged_in(&cluster).await?;
    let (client, user, deadline) = (me.client, me.user, cluster.deadline());
    let page = async |last: Option<&Listing>| {
        let (user, after) = (user.clone(), last.map(|line| line.image));
        match &group {
            Some(group) => client.group_images(user, group.clone(), after, deadline).await,
            None if owned => client.owned(user, after, deadline).await,
            None => client.list(user, after, deadline).await,
        }
    };
    let lines = all(page).await?;
    if cluster.json {
        let rows = lines.iter().map(|line| {
            json!({
                "image": line.image.to_string(),
                "owner": line.owner.as_str(),
                "bytes": line.length,
                "views_left": line.views_left,
                "title": line.title,
            })
        });
        say(Value::from_iter(rows));
        return Ok(());
    }
    if lines.is_empty() {
        say(format_args!("nothing to see for {user}"));
        return Ok(());
    }
    // Most have no title: then there is no column for it.
    let titled = lines.iter().any(|line| !line.title.is_empty());
    let (title, width) = if titled { ("TITLE", 16) } else { ("", 0) };
    let row = |image: &str, bytes: &str, left: &str, owner: &str, title: &str| {
        say(format!("{image:32}  {bytes:>10}  {left:>10}  {owner:width$}  {title}").trim_end());
    };
    row("IMAGE", "BYTES", "VIEWS LEFT", "OWNER", title);
    for line in lines {
        let left = line.views_left.map_or("own".to_owned(), |views| views.to_string());
        let (image, bytes) = (line.image.to_string(), line.length.to_string());
        row(&image, &bytes, &left, line.owner.as_str(), &line.title);
    }
    Ok(())
}
