//! `veil cluster add-key`, `rewrap` and `drop-key`: another key-encryption key, step by step.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::{all_in_json, handout::Handout};
use crate::{
    cli::{
        ClusterArgs, block_on,
        escape::shown,
        print::{Form, Stream},
    },
    identity::{ClusterKeys, KeyNumber},
    node::Entropy,
};

/// Where a key is added.
#[derive(Debug, Args)]
pub struct AddKeyArgs {
    /// What `veil cluster init` made.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Print JSON, for scripts.
    #[arg(long)]
    json: bool,
}

/// Which key is taken away.
#[derive(Debug, Args)]
pub struct DropKeyArgs {
    /// What `veil cluster init` made.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The number of the key.
    #[arg(value_name = "NUMBER")]
    number: KeyNumber,
    /// Print JSON, for scripts.
    #[arg(long)]
    json: bool,
}

/// Which cluster.
#[derive(Debug, Args)]
pub struct RewrapArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[cfg(test)]
impl AddKeyArgs {
    pub(super) fn of(folder: &std::path::Path) -> Self {
        Self { folder: folder.to_owned(), json: true }
    }
}

#[cfg(test)]
impl DropKeyArgs {
    pub(super) fn of(folder: &std::path::Path, number: KeyNumber) -> Self {
        Self { folder: folder.to_owned(), number, json: true }
    }
}

pub(super) fn add_key(AddKeyArgs { folder, json }: &AddKeyArgs) -> anyhow::Result<()> {
    let (handout, mut keys) = read(folder)?;
    let number = Entropy::from_system().draw(|random| keys.add_key(random));
    // What could not be read again must not be written.
    let text = keys.to_text();
    ClusterKeys::from_text(&text).with_context(|| shown(folder))?;
    let files = handout.replace_cluster_key(&text)?;
    let text = format!(
        "key-encryption key {number} is in {} files; when every node has its copy, `veil cluster rewrap`",
        files.len()
    );
    say_changed(*json, text, number, &files)
}

pub(super) fn drop_key(DropKeyArgs { folder, number, json }: &DropKeyArgs) -> anyhow::Result<()> {
    let (handout, mut keys) = read(folder)?;
    let found = keys.ring().numbers().any(|held| held == *number);
    anyhow::ensure!(found, "{}: there is no key-encryption key {number}", shown(folder));
    let newest = keys.ring().numbers().last();
    anyhow::ensure!(
        newest != Some(*number),
        "key-encryption key {number} is the newest: it is in use, or will be"
    );
    keys.drop_key(*number);
    let files = handout.replace_cluster_key(&keys.to_text())?;
    let text = format!("key-encryption key {number} is taken out of {} files", files.len());
    say_changed(*json, text, *number, &files)
}

fn say_changed(json: bool, text: String, number: KeyNumber, files: &[PathBuf]) -> anyhow::Result<()> {
    let json_text = json!({ "number": number, "files": all_in_json(files) });
    Ok(Form::json_if(json).say_done(Stream::Output, text, &json_text)?)
}

pub(super) fn rewrap(RewrapArgs { cluster }: &RewrapArgs) -> anyhow::Result<()> {
    let (under, count) = block_on(async { Ok(cluster.client()?.rewrap(cluster.deadline()).await?) })?;
    cluster.done(
        format_args!("key-encryption key {under} is in use; {count} content keys were put under it"),
        json!({ "number": under, "rewrapped": count }),
    )?;
    Ok(())
}

fn read(folder: &std::path::Path) -> anyhow::Result<(Handout<'_>, ClusterKeys)> {
    let handout = Handout::at(folder);
    let text = handout.cluster_key()?;
    let keys = ClusterKeys::from_text(&text).with_context(|| shown(folder))?;
    Ok((handout, keys))
}
