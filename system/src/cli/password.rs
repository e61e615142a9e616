//! Where a password comes from.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::{escape::shown, read_file};
use crate::identity::Password;

/// The longest file with one, in bytes.
const LONGEST_FILE: u64 = 64 << 10;

/// Where the password comes from. It never stands on the command line, where others would see it.
#[derive(Debug, Args)]
pub(super) struct PasswordArgs {
    /// A file whose first line is the password. The environment variable VEIL_PASSWORD does as well; else it is asked
    /// for on the terminal.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl PasswordArgs {
    /// Whether one was given, so that the terminal need not be asked.
    pub(super) fn is_given(&self) -> bool {
        self.password_file.is_some() || std::env::var_os("VEIL_PASSWORD").is_some()
    }

    /// The user's password.
    pub(super) fn read(&self) -> anyhow::Result<Password> {
        let text = match (&self.password_file, std::env::var_os("VEIL_PASSWORD")) {
            (Some(path), _) => first_line(path)?,
            (None, Some(given)) => {
                given.into_string().map_err(|_| anyhow::anyhow!("VEIL_PASSWORD is not UTF-8"))?
            }
            (None, None) => prompt("Password: ")?,
        };
        Ok(Password::try_from(text)?)
    }

    /// A password that the user will have from now on; on the terminal it is asked for twice.
    pub(super) fn read_new(&self) -> anyhow::Result<Password> {
        if self.is_given() {
            return self.read();
        }
        new_from_terminal()
    }
}

/// Reads a password from a file, or asks for a new one on the terminal, twice.
pub(super) fn new_password(file: Option<&Path>) -> anyhow::Result<Password> {
    match file {
        Some(path) => Ok(Password::try_from(first_line(path)?)?),
        None => new_from_terminal(),
    }
}

fn first_line(path: &Path) -> anyhow::Result<String> {
    let text = String::from_utf8(read_file(path, LONGEST_FILE)?);
    let text = text.with_context(|| format!("{}: not UTF-8", shown(path)))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn new_from_terminal() -> anyhow::Result<Password> {
    let password = Password::try_from(prompt("New password: ")?)?;
    let again = prompt("The same again: ")?;
    anyhow::ensure!(String::from(password.clone()) == again, "the two passwords differ");
    Ok(password)
}

fn prompt(text: &str) -> anyhow::Result<String> {
    rpassword::prompt_password(text)
        .context("no password: set VEIL_PASSWORD or give a file (there is no terminal to ask on)")
}
