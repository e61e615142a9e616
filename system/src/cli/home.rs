//! What the programs of users keep on this machine: the users' keys, each in a file of its own, and the nodes that
//! they have met.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
};

use anyhow::Context;
use clap::Args;
use directories::ProjectDirs;

use super::{known_nodes::KnownFile, secret};
use crate::{directory::UserName, identity::KeyPair, node::Entropy};

/// What every command that talks to a cluster takes.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct HomeArgs {
    /// Where the keys of users are kept, in DIR/users, and known nodes in DIR/known_nodes. By default the configuration folder of this account,
    /// such as ~/.config/veil.
    #[arg(long, env = "VEIL_HOME", value_name = "DIR")]
    home: Option<PathBuf>,
}

impl HomeArgs {
    pub(super) fn home(&self) -> anyhow::Result<Home> {
        let folder =
            self.home.clone().or_else(|| Some(ProjectDirs::from("", "", "veil")?.config_dir().to_owned()));
        folder.map(Home).context("this account has no home folder: say where keys are kept, with --home DIR")
    }
}

/// The folder in which keys are kept.
#[derive(Debug)]
pub(super) struct Home(PathBuf);

/// A user's key and its file, which nobody else works with meanwhile.
#[derive(Debug)]
pub(super) struct UserKey {
    pub(super) pair: KeyPair,
    pub(super) path: PathBuf,
    /// Whether it was made just now.
    pub(super) new: bool,
    /// Locked, so that of two who register one name at a time none takes away the other's key.
    _file: File,
}

impl Home {
    #[cfg(test)]
    pub(super) fn at(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// The nodes that were met.
    pub(super) fn into_known_nodes(self) -> KnownFile {
        KnownFile::at(self.0.join("known_nodes"))
    }

    /// The key of a user, which is drawn if there is none yet, and safe on disk before this returns.
    pub(super) fn key_or_new(&self, user: &UserName) -> anyhow::Result<UserKey> {
        let users = self.0.join("users");
        // What is there keeps its mode.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&users);
        made.with_context(|| users.display().to_string())?;
        let path = users.join(format!("{user}.key"));
        let pair = Entropy::from_system().draw(KeyPair::generate);
        let key = match secret::create(&path, &pair.to_text())? {
            Some(file) => UserKey { pair, path, new: true, _file: lock(file, user)? },
            None => {
                let file = File::open(&path).with_context(|| path.display().to_string())?;
                let file = lock(file, user)?;
                let text = secret::read(&file, &path)?;
                let pair = KeyPair::from_text(&text).with_context(|| path.display().to_string())?;
                UserKey { pair, path, new: false, _file: file }
            }
        };
        Ok(key)
    }
}

fn lock(file: File, user: &UserName) -> anyhow::Result<File> {
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => anyhow::bail!("{user} is being registered by another program"),
        Err(TryLockError::Error(error)) => Err(error).context("cannot lock the key file"),
    }
}

impl UserKey {
    /// Takes it away, as nobody is known by it.
    pub(super) fn remove(self) -> anyhow::Result<()> {
        fs::remove_file(&self.path).with_context(|| self.path.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> UserName {
        text.parse().unwrap()
    }

    #[test]
    fn a_key_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().join("home"));
        let first = home.key_or_new(&name("anna")).unwrap();
        assert!(first.new);
        assert_eq!(first.path, folder.path().join("home/users/anna.key"));
        assert_eq!(secret::mode(&first.path), 0o600);
        assert_eq!(secret::mode(first.path.parent().unwrap()), 0o700);
        assert_eq!(fs::read_to_string(&first.path).unwrap(), first.pair.to_text() + "\n");
        let public = first.pair.public();
        drop(first);
        let again = home.key_or_new(&name("anna")).unwrap();
        assert_eq!((again.new, again.pair.public()), (false, public));
        assert_ne!(home.key_or_new(&name("ben")).unwrap().pair.public(), public);
    }

    #[test]
    fn one_name_is_registered_by_one_program_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        let first = home.key_or_new(&name("anna")).unwrap();
        let second = home.key_or_new(&name("anna")).unwrap_err();
        assert_eq!(second.to_string(), "anna is being registered by another program");
        drop(first);
        home.key_or_new(&name("anna")).unwrap();
    }

    #[test]
    fn a_file_that_holds_no_key_is_named_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        let path = home.key_or_new(&name("anna")).unwrap().path;
        fs::write(&path, "abcd").unwrap();
        let error = home.key_or_new(&name("anna")).unwrap_err();
        let text = super::super::describe(&error);
        assert!(text.starts_with(path.to_str().unwrap()) && text.ends_with("found 4 digits"), "{text}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "abcd");
    }

    #[test]
    fn who_says_where_keys_are_kept_finds_them_there() {
        let folder = PathBuf::from("keys");
        assert_eq!(HomeArgs { home: Some(folder.clone()) }.home().unwrap().0, folder);
    }
}
