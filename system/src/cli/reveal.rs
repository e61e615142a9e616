//! `veil reveal`: gives back what `veil hide` has hidden.

use std::{
    io::{IsTerminal, Write as _},
    path::PathBuf,
};

use anyhow::Context;
use clap::Args;

use super::{SEALED_LIMIT, ensure_apart, passphrase::PassphraseArgs, read_file, write_file};
use crate::seal;

/// Give back what `veil hide` has hidden in a picture.
#[derive(Debug, Args)]
pub(super) struct RevealArgs {
    /// The picture.
    picture: PathBuf,
    /// Where to write what was hidden. By default to standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

pub(super) fn run(args: &RevealArgs) -> anyhow::Result<()> {
    let RevealArgs { picture, output, passphrase } = args;
    let file = read_file(picture, SEALED_LIMIT)?;
    // Before a passphrase is asked for in vain.
    seal::check_hidden(&file).with_context(|| picture.display().to_string())?;
    let passphrase = passphrase.read(false)?;
    let bytes = seal::reveal(&file, &passphrase).with_context(|| picture.display().to_string())?;
    if let Some(output) = output {
        ensure_apart(picture, output)?;
        return write_file(output, &bytes);
    }
    let mut stdout = std::io::stdout().lock();
    let text = std::str::from_utf8(&bytes)
        .is_ok_and(|text| !text.contains(|c: char| c.is_control() && !c.is_whitespace()));
    anyhow::ensure!(
        text || !stdout.is_terminal(),
        "{} bytes that are no text are hidden here: write them into a file with --output",
        bytes.len()
    );
    stdout.write_all(&bytes)?;
    if stdout.is_terminal() && !bytes.ends_with(b"\n") {
        stdout.write_all(b"\n")?;
    }
    Ok(stdout.flush()?)
}
