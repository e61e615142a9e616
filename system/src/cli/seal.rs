//! `veil seal`: hides a photo under a cover.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::{ClusterArgs, ensure_apart, picture::Carrying, read_file, session::UserArgs, write_file};
use crate::{
    directory::UserName,
    seal::{MAX_ORIGINAL_BYTES, SealedFile},
};

/// Seal a photo and grant views of it.
///
/// The cluster encrypts the file, hides it in a cover picture and keeps the key. What comes back is
/// a PNG to hand to viewers.
#[derive(Debug, Args)]
pub(super) struct SealArgs {
    /// The photo, PNG or JPEG.
    photo: PathBuf,
    /// Who may view it how often; may be given many times.
    #[arg(long = "for", value_name = "USER=VIEWS", value_parser = parse_grant)]
    grants: Vec<(UserName, u32)>,
    /// Where to write the sealed image. By default beside the photo, as NAME.sealed.png.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    who: UserArgs,
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
    let SealArgs { photo, grants: given, output, who, cluster } = args;
    let mut grants = BTreeMap::new();
    for (user, views) in given {
        let twice = grants.insert(user.clone(), views).is_some();
        anyhow::ensure!(!twice, "{user} is granted views twice");
    }
    let original = read_file(&photo, MAX_ORIGINAL_BYTES)?;
    let output = output.unwrap_or_else(|| photo.with_extension("sealed.png"));
    ensure_apart(&photo, &output)?;
    let me = who.logged_in(&cluster).await?;
    let sealed = me
        .client
        .seal(me.client.request_id(), me.user, grants, original.into(), cluster.deadline())
        .await
        .with_context(|| photo.display().to_string())?;
    // What cannot be read back is not worth keeping.
    let file = SealedFile::read(&sealed.png).context("what the cluster sent")?;
    let hidden = file.header.body_len as usize;
    let picture = Carrying::expected(file.geometry, file.header.density, hidden);
    write_file(&output, &sealed.png)?;
    let mut report = picture.json();
    report["image"] = json!(sealed.image.to_string());
    report["file"] = json!(output);
    report["bytes"] = json!(sealed.png.len());
    let (image, bytes) = (sealed.image, sealed.png.len());
    let text = format!("image {image} sealed in {} ({bytes} bytes: {})", output.display(), picture.text());
    cluster.print(text, report);
    Ok(())
}
