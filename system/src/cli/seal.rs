//! `veil seal`: hides a photo under a cover.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::{ClusterArgs, read_file, write_file};
use crate::{directory::UserName, seal::MAX_ORIGINAL_BYTES};

/// Seal a photo and grant views of it.
///
/// The cluster encrypts the file, hides it in a cover picture and keeps the key. What comes back is
/// a PNG to hand to viewers.
#[derive(Debug, Args)]
pub(super) struct SealArgs {
    /// The photo, PNG or JPEG.
    photo: PathBuf,
    /// Whose photo it is.
    #[arg(long, value_name = "USER")]
    owner: UserName,
    /// Who may view it how often; may be given many times.
    #[arg(long = "for", value_name = "USER=VIEWS", value_parser = parse_grant)]
    grants: Vec<(UserName, u32)>,
    /// Where to write the sealed image. By default beside the photo, as NAME.sealed.png.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

fn parse_grant(text: &str) -> Result<(UserName, u32), String> {
    let (user, views) = text.split_once('=').ok_or("expected USER=VIEWS, for instance ben=3")?;
    let user = user.parse::<UserName>().map_err(|e| e.to_string())?;
    let views = views.parse().map_err(|_| format!("{views:?} is not a number of views"))?;
    Ok((user, views))
}

pub(super) async fn run(args: SealArgs) -> anyhow::Result<()> {
    let SealArgs { photo, owner, grants: given, output, cluster } = args;
    let mut grants = BTreeMap::new();
    for (user, views) in given {
        let twice = grants.insert(user.clone(), views).is_some();
        anyhow::ensure!(!twice, "{user} is granted views twice");
    }
    let original = read_file(&photo, MAX_ORIGINAL_BYTES)?;
    let output = output.unwrap_or_else(|| photo.with_extension("sealed.png"));
    anyhow::ensure!(output != photo, "{} would be overwritten by its sealed image", photo.display());
    let client = cluster.client()?;
    let sealed = client
        .seal(client.request_id(), owner, grants, original.into(), cluster.deadline())
        .await
        .with_context(|| photo.display().to_string())?;
    write_file(&output, &sealed.png)?;
    cluster.print(
        format_args!("image {} sealed in {} ({} bytes)", sealed.image, output.display(), sealed.png.len()),
        json!({ "image": sealed.image.to_string(), "file": output, "bytes": sealed.png.len() }),
    );
    Ok(())
}
