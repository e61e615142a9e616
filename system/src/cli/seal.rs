//! `veil seal`: hides a photo under a cover.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::{
    ClusterArgs,
    beside::Readers,
    ensure_apart,
    escape::{in_json, shown},
    output::{ForceArgs, Output, STANDARD},
    pending::{Pending, Wish},
    picture::Carrying,
    print::Form,
    read_file,
    session::UserArgs,
};
use crate::{
    directory::UserName,
    seal::{MAX_ORIGINAL_BYTES, SealedFile},
};

/// Seal a photo and grant views of it.
///
/// The cluster encrypts the file, hides it in a cover picture and keeps the key. What comes back is
/// a PNG to hand to viewers. An image that was sealed, but not answered in time or not written, is not sealed twice: the
/// same command gets it within five minutes.
#[derive(Debug, Args)]
pub(super) struct SealArgs {
    /// The photo, PNG or JPEG; - for standard input.
    photo: PathBuf,
    /// Who may view it how often; may be given many times.
    #[arg(long = "for", value_name = "USER=VIEWS", value_parser = parse_grant)]
    grants: Vec<(UserName, u32)>,
    /// Where to write the sealed image; - for standard output. By default beside the photo, as NAME.sealed.png.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgs,
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
    let SealArgs { photo, grants: given, output, force, who, cluster } = args;
    let mut grants = BTreeMap::new();
    for (user, views) in given {
        let twice = grants.insert(user.clone(), views).is_some();
        anyhow::ensure!(!twice, "{user} is granted views twice");
    }
    let original = read_file(&photo, MAX_ORIGINAL_BYTES)?;
    let output = match output {
        Some(output) => output,
        None if photo.as_os_str() == STANDARD => {
            anyhow::bail!(
                "-: a photo from standard input has no name: say with --output where to write the sealed image"
            )
        }
        None => photo.with_extension("sealed.png"),
    };
    ensure_apart(&photo, &output)?;
    // How long the sealed image is, the cluster decides; it is longer than that.
    let output = Output::prepare(&output, force.existing(), Readers::Usual, original.len() as u64)?;
    let me = who.logged_in(&cluster).await?;
    // All that is asked for belongs in here: it tells whether the same is asked for again.
    let asked = format!("{} {grants:?}", blake3::hash(&original));
    let wish = Wish { user: &me.user, kind: "sealed image", content: asked.as_bytes() };
    let pending = Pending::note(&me.home.pending(), &me.client, wish, cluster.timeout).await?;
    let original = bytes::Bytes::from(original);
    let sealed = pending
        .ask(&me.client, async |turn| {
            let (user, grants, original) = (me.user.clone(), grants.clone(), original.clone());
            me.client.seal(turn.request, user, grants, original, cluster.deadline()).await
        })
        .await
        .with_context(|| shown(&photo))?;
    // What cannot be read back is not worth keeping.
    let file = SealedFile::read(&sealed.answer.png).context("what the cluster sent")?;
    let hidden = file.header.body_len as usize;
    let picture = Carrying::expected(file.geometry, file.header.density, hidden);
    let (name, path, on) = (output.name(), in_json(output.path()), output.beside());
    output.write(&sealed.answer.png)?;
    let sealed = sealed.settle()?;
    let mut report = picture.json();
    report["image"] = json!(sealed.image.to_string());
    report["file"] = json!(path);
    report["bytes"] = json!(sealed.png.len());
    let (image, bytes) = (sealed.image, sealed.png.len());
    let text = format!("image {image} sealed in {name} ({bytes} bytes: {})", picture.text());
    Ok(Form::json_if(cluster.json).say_done(on, text, &report)?)
}
