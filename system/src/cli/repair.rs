//! `veil repair`: finishes a rewriting that was interrupted.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::{escape::shown, file::LOCK_PATIENCE, interrupt::undisturbed, print::Form, print::Stream};
use crate::peer::SealedCopy;

/// Put a sealed image in order whose permission block was being rewritten when the program or the machine stopped.
///
/// The old block or the new one is in it, whole. Other damage is not mended: then nothing is changed.
#[derive(Debug, Args)]
pub(super) struct RepairArgs {
    /// The sealed image.
    sealed: PathBuf,
}

pub(super) fn run(args: &RepairArgs) -> anyhow::Result<()> {
    let path = shown(&args.sealed);
    let repaired = SealedCopy::open(&args.sealed, LOCK_PATIENCE)
        .and_then(|mut copy| undisturbed(|| copy.repair()))
        .with_context(|| path.clone())?;
    let what = if repaired { "put in order" } else { "nothing to do" };
    Ok(Form::Text.say_done(Stream::Output, format_args!("{path}: {what}"), &serde_json::Value::Null)?)
}
