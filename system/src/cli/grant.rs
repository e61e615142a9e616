//! `veil grant`: changes what a viewer may still see.

use std::path::Path;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::{ClusterArgs, SEALED_LIMIT, read_file, session::UserArgs};
use crate::{
    directory::{ImageId, SetGrant, UserName},
    seal::SealedFile,
};

/// Set the views that somebody has left of your image; 0 takes the image back.
#[derive(Debug, Args)]
pub(super) struct GrantArgs {
    /// The image: its id, or the sealed file.
    image: String,
    /// Whose views.
    viewer: UserName,
    /// How many from now on.
    views: u32,
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn run(args: GrantArgs) -> anyhow::Result<()> {
    let GrantArgs { image, viewer, views, who, cluster } = args;
    let image = match image.parse::<ImageId>() {
        Ok(id) => id,
        Err(not_an_id) => {
            let path = Path::new(&image);
            anyhow::ensure!(path.exists(), "{not_an_id}, and there is no such file");
            let bytes = read_file(path, SEALED_LIMIT)?;
            SealedFile::read(&bytes).with_context(|| image.clone())?.block.unverified().image
        }
    };
    let me = who.logged_in(&cluster).await?;
    let (client, owner) = (me.client, me.user);
    let grant = SetGrant { owner, image, viewer: viewer.clone(), views };
    let left = client.set_grant(client.request_id(), grant, cluster.deadline()).await?;
    cluster.print(
        format_args!("{viewer} has {left} {} of {image} left", if left == 1 { "view" } else { "views" }),
        json!({ "image": image.to_string(), "viewer": viewer.as_str(), "views_left": left }),
    );
    Ok(())
}
