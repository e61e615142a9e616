//! `veil grant`: changes what a viewer, or a group, may still see.

use std::ffi::OsString;

use clap::Args;
use serde_json::json;

use super::{ClusterArgs, image::image_of, pages::views as in_words, session::UserArgs};
use crate::directory::{GroupName, SetGrant, SetGroupGrant, UserName};

/// Set the views that somebody has left of your image; 0 takes the image back.
///
/// With --group it is the views that the members of a group have left together: each view that one of them takes is one
/// off for all. You have to be a member of the group. Who has views of their own uses these up first.
#[derive(Debug, Args)]
pub(super) struct GrantArgs {
    /// The image: its id, or the sealed file.
    image: OsString,
    /// Whose views: the name of a user, or of a group with --group.
    viewer: String,
    /// How many from now on.
    views: u32,
    /// VIEWER is a group.
    #[arg(long)]
    group: bool,
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn run(args: GrantArgs) -> anyhow::Result<()> {
    let GrantArgs { image, viewer, views, group, who, cluster } = args;
    let image = image_of(&image)?;
    if group {
        let group: GroupName = viewer.parse()?;
        let me = who.logged_in(&cluster).await?;
        let grant = SetGroupGrant { owner: me.user, image, group: group.clone(), views };
        let left = me.client.set_group_grant(me.client.request_id(), grant, cluster.deadline()).await?;
        cluster.done(
            format_args!("group {group} has {} of {image} left", in_words(left)),
            json!({ "image": image.to_string(), "group": group.as_str(), "views_left": left }),
        )?;
        return Ok(());
    }
    let viewer: UserName = viewer.parse()?;
    let me = who.logged_in(&cluster).await?;
    let grant = SetGrant { owner: me.user, image, viewer: viewer.clone(), views };
    let left = me.client.set_grant(me.client.request_id(), grant, cluster.deadline()).await?;
    cluster.done(
        format_args!("{viewer} has {} of {image} left", in_words(left)),
        json!({ "image": image.to_string(), "viewer": viewer.as_str(), "views_left": left }),
    )?;
    Ok(())
}
