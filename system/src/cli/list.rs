//! `veil list`: what a user owns and may view.

use clap::Args;
use serde_json::{Value, json};

use super::{
    ClusterArgs,
    escape::one_line,
    pages::{all, whole_list},
    say, say_json,
    session::UserArgs,
};
use crate::directory::{GroupName, Listing};

/// List the images that you own or may view, by yourself or through a group.
///
/// Those come last that were granted by somebody you have never dealt with: of whom you have opened nothing, to whom you
/// have granted nothing, and with whom you share no group.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only those that you own.
    #[arg(long, conflicts_with = "group")]
    owned: bool,
    /// Only those that a group of yours has views left of, with the views that it has left.
    #[arg(long, value_name = "GROUP")]
    group: Option<GroupName>,
    /// Take what any node holds, even if it is cut off, and say how old that may be.
    #[arg(long)]
    stale: bool,
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn run(args: ListArgs) -> anyhow::Result<()> {
    let ListArgs { owned, group, stale, who, cluster } = args;
    let me = who.logged_in(&cluster).await?;
    let (user, deadline) = (me.user, cluster.deadline());
    let (client, staleness) = match stale {
        true => {
            let (client, staleness) = me.client.reading_stale();
            (client, Some(staleness))
        }
        false => (me.client, None),
    };
    let page = async |last: Option<&Listing>| {
        let (user, after) = (user.clone(), last.map(|line| line.image));
        match &group {
            Some(group) => client.group_images(user, group.clone(), after, deadline).await,
            None => client.owned(user, after, deadline).await,
        }
    };
    let lines = match owned || group.is_some() {
        true => all(page).await?,
        false => whole_list(&client, &user, deadline).await?,
    };
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
        let rows = Value::from_iter(rows);
        let answer = match &staleness {
            Some(staleness) => {
                let age_ms = staleness.at_most().map(|age| age.as_millis() as u64);
                json!({ "age_ms": age_ms, "images": rows })
            }
            None => rows,
        };
        return Ok(say_json(&answer)?);
    }
    if let Some(staleness) = &staleness {
        say(match staleness.at_most() {
            Some(age) => format!("as it was at most {age:?} ago"),
            None => "as it was at some time: the node has heard of no leader yet".to_owned(),
        })?;
    }
    if lines.is_empty() {
        say(format_args!("nothing to see for {user}"))?;
        return Ok(());
    }
    // Most have no title: then there is no column for it.
    let titled = lines.iter().any(|line| !line.title.is_empty());
    let (title, width) = if titled { ("TITLE", 16) } else { ("", 0) };
    let row = |image: &str, bytes: &str, left: &str, owner: &str, title: &str| {
        say(format!("{image:32}  {bytes:>10}  {left:>10}  {owner:width$}  {title}").trim_end())
    };
    row("IMAGE", "BYTES", "VIEWS LEFT", "OWNER", title)?;
    for line in lines {
        let left = line.views_left.map_or("own".to_owned(), |views| views.to_string());
        let (image, bytes) = (line.image.to_string(), line.length.to_string());
        row(&image, &bytes, &left, line.owner.as_str(), &one_line(&line.title))?;
    }
    Ok(())
}
