//! `veil describe` and `veil withdraw`: what an owner says about an image, and taking it back for good.

use std::ffi::OsString;

use clap::Args;
use serde_json::{Value, json};

use super::{
    ClusterArgs,
    escape::one_line,
    image::image_of,
    pages::{moment, views as in_words},
    pending, say, say_json,
    session::UserArgs,
};
use crate::directory::{Describe, Grant, ImageDetails, Withdraw};

/// Say what is to be seen on your image, or show what the directory knows about one.
///
/// Title and description are shown to whoever was given views of the image; they are not in the sealed file. Without
/// --title and --description nothing is changed: what you may know about the image is shown, of your own image all
/// grants, with the views left and used. An empty text ("") takes away what was said.
#[derive(Debug, Args)]
pub(super) struct DescribeArgs {
    /// The image: its id, or the sealed file.
    image: OsString,
    /// Its title: at most 100 characters, on one line.
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// More about it: at most 1000 characters, on one line.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn describe(args: DescribeArgs) -> anyhow::Result<()> {
    let DescribeArgs { image, title, description, who, cluster } = args;
    let image = image_of(&image)?;
    let me = who.logged_in(&cluster).await?;
    let changes = title.is_some() || description.is_some();
    let mut known = me.client.image(me.user.clone(), image, cluster.deadline()).await?;
    if changes {
        known.title = title.unwrap_or(known.title);
        known.description = description.unwrap_or(known.description);
        let (title, description) = (known.title.clone(), known.description.clone());
        let describe = Describe { owner: me.user, image, title, description };
        me.client.describe(me.client.request_id(), describe, cluster.deadline()).await?;
    }
    match changes {
        true => cluster.done(text(&known), details(&known)),
        false => cluster.print(text(&known), details(&known)),
    }
}

fn grants<Name: std::fmt::Display>(list: &[(Name, Grant)]) -> Value {
    Value::from_iter(list.iter().map(
        |(name, grant)| json!({ "to": name.to_string(), "views_left": grant.left, "views_used": grant.used }),
    ))
}

fn details(known: &ImageDetails) -> Value {
    json!({
        "image": known.image.to_string(),
        "owner": known.owner.as_str(),
        "title": known.title,
        "description": known.description,
        "media": known.media.to_string(),
        "bytes": known.length,
        "revision": known.revision,
        "grants": grants(&known.grants),
        "group_grants": grants(&known.group_grants),
    })
}

fn text(known: &ImageDetails) -> String {
    let mut lines = vec![
        format!("image        {}", known.image),
        format!("owner        {}", known.owner),
        format!("title        {}", one_line(&known.title)),
        format!("description  {}", one_line(&known.description)),
        format!("original     {}, {} bytes", known.media, known.length),
    ];
    let line = |whose: String, grant: &Grant| {
        format!("grant        {whose}: {} left, {} used", in_words(grant.left), grant.used)
    };
    lines.extend(known.grants.iter().map(|(viewer, grant)| line(viewer.to_string(), grant)));
    lines.extend(known.group_grants.iter().map(|(group, grant)| line(format!("group {group}"), grant)));
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}

/// Take your image out of the directory, for good.
///
/// Its key is forgotten: nobody opens a sealed file of it ever again, you neither. Who had views left, or has asked for
/// some, is told. To take it back from one viewer only, `veil grant IMAGE VIEWER 0`.
#[derive(Debug, Args)]
pub(super) struct WithdrawArgs {
    /// The image: its id, or the sealed file.
    image: OsString,
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn withdraw(args: WithdrawArgs) -> anyhow::Result<()> {
    let WithdrawArgs { image, who, cluster } = args;
    let image = image_of(&image)?;
    let me = who.logged_in(&cluster).await?;
    pending::forget_image(&me.home.pending(), image);
    let withdraw = Withdraw { owner: me.user, image };
    me.client.withdraw(me.client.request_id(), withdraw, cluster.deadline()).await?;
    cluster.done(
        format_args!("image {image} is withdrawn: nobody opens it any more"),
        json!({ "image": image.to_string(), "withdrawn": true }),
    )?;
    Ok(())
}

/// Show who has viewed your image, and when.
///
/// The last 100 views are remembered one by one, newest first. All of them are counted: `veil describe IMAGE` shows how
/// many each viewer has used.
#[derive(Debug, Args)]
pub(super) struct ViewsArgs {
    /// The image: its id, or the sealed file.
    image: OsString,
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn views(args: ViewsArgs) -> anyhow::Result<()> {
    let ViewsArgs { image, who, cluster } = args;
    let image = image_of(&image)?;
    let me = who.logged_in(&cluster).await?;
    // Fewer are kept than there are in a page.
    let views = me.client.views(me.user, image, None, cluster.deadline()).await?;
    if cluster.json {
        say_json(&Value::from_iter(views.iter().map(
            |(number, view)| json!({ "number": number, "viewer": view.viewer.as_str(), "at_ms": view.at_ms }),
        )))?;
        return Ok(());
    }
    if views.is_empty() {
        say("nobody has viewed it")?;
    }
    for (_, view) in views {
        say(format_args!("{}  {}", moment(view.at_ms), view.viewer))?;
    }
    Ok(())
}
