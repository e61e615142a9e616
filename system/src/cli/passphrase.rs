//! Where a passphrase comes from.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::{escape::shown, read_file};

/// The longest passphrase, in bytes.
const LONGEST: u64 = 4_096;
/// The longest file with one, in bytes.
const LONGEST_FILE: u64 = 64 << 10;

/// Where the passphrase comes from. Without any of these it is asked for on the terminal. It never stands
/// on the command line, where others would see it.
#[derive(Debug, Args)]
pub(super) struct PassphraseArgs {
    /// A file whose first line is the passphrase. The environment variable VEIL_PASSPHRASE does as well.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl PassphraseArgs {
    /// The file that it is read from.
    pub(super) fn file(&self) -> Option<&Path> {
        self.passphrase_file.as_deref()
    }

    /// The passphrase; `new` ones are asked for twice.
    pub(super) fn read(&self, new: bool) -> anyhow::Result<String> {
        let passphrase = match (&self.passphrase_file, std::env::var_os("VEIL_PASSPHRASE")) {
            (Some(path), _) => {
                let text = String::from_utf8(read_file(path, LONGEST_FILE)?);
                let text = text.with_context(|| format!("{}: not UTF-8", shown(path)))?;
                text.lines().next().unwrap_or_default().to_owned()
            }
            (None, Some(given)) => {
                given.into_string().map_err(|_| anyhow::anyhow!("VEIL_PASSPHRASE is not UTF-8"))?
            }
            (None, None) => ask(new)?,
        };
        anyhow::ensure!(!passphrase.is_empty(), "the passphrase is empty");
        let length = passphrase.len() as u64;
        anyhow::ensure!(length <= LONGEST, "the passphrase is {length} bytes long, the limit is {LONGEST}");
        Ok(passphrase)
    }
}

fn ask(new: bool) -> anyhow::Result<String> {
    // The terminal itself, whatever standard input is.
    let prompt = |text| {
        rpassword::prompt_password(text).context(
            "no passphrase: set VEIL_PASSPHRASE or give --passphrase-file (there is no terminal to ask on)",
        )
    };
    let passphrase = prompt("Passphrase: ")?;
    if new {
        anyhow::ensure!(passphrase == prompt("The same again: ")?, "the two passphrases differ");
    }
    Ok(passphrase)
}
