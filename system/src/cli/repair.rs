//! `veil repair`: finishes a rewriting that was interrupted.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::say;
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
    let path = args.sealed.display();
    let repaired = SealedCopy::open(&args.sealed).and_then(|mut copy| copy.repair());
    match repaired.with_context(|| path.to_string())? {
        true => say(format_args!("{path}: put in order")),
        false => say(format_args!("{path}: nothing to do")),
    }
    Ok(())
}
