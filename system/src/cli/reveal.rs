//! `veil reveal`: gives back what `veil hide` has hidden.

use std::{
    io::{IsTerminal, Write as _},
    path::PathBuf,
};

use anyhow::Context;
use clap::Args;

use super::{
    beside::Readers,
    ensure_apart,
    escape::shown,
    file::{LOCK_PATIENCE, ensure_read_once},
    output::{ForceArgs, Output, STANDARD},
    passphrase::PassphraseArgs,
    print::put_with,
    read_sealed,
};
use crate::seal;

/// Give back what `veil hide` has hidden in a picture.
#[derive(Debug, Args)]
pub(super) struct RevealArgs {
    /// The picture; - for standard input.
    picture: PathBuf,
    /// Where to write what was hidden; only you can read the file. By default, or as -, to standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgs,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

pub(super) fn run(args: &RevealArgs) -> anyhow::Result<()> {
    let RevealArgs { picture, output, force, passphrase } = args;
    let name = || shown(picture);
    ensure_read_once([Some(picture.as_path()), passphrase.file()].into_iter().flatten())?;
    let file = read_sealed(picture, LOCK_PATIENCE)?;
    // Before a passphrase is asked for in vain.
    seal::check_hidden(&file).with_context(name)?;
    let output = match output.as_deref().filter(|output| output.as_os_str() != STANDARD) {
        Some(output) => {
            ensure_apart(picture, output)?;
            Some(Output::prepare(output, force.existing(), Readers::Owner, 0)?)
        }
        None => None,
    };
    let passphrase = passphrase.read(false)?;
    let bytes = seal::reveal(&file, &passphrase).with_context(name)?;
    if let Some(output) = output {
        return output.write(&bytes);
    }
    let text = std::str::from_utf8(&bytes)
        .is_ok_and(|text| !text.contains(|c: char| c.is_control() && !c.is_whitespace()));
    anyhow::ensure!(
        text || !std::io::stdout().is_terminal(),
        "{} bytes that are no text are hidden here: write them into a file with --output",
        bytes.len()
    );
    Ok(put_with(|out| {
        out.write_all(&bytes)?;
        match out.is_terminal() && !bytes.ends_with(b"\n") {
            true => out.write_all(b"\n"),
            false => Ok(()),
        }
    })?)
}
