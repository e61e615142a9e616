//! What the programs of users keep on this machine: the users' keys and sessions, each in a file of its own, and the
//! nodes that they have met.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;
use directories::ProjectDirs;

use super::{escape::shown, known_nodes::KnownFile, secret};
use crate::{
    directory::UserName,
    identity::{KeyPair, SessionToken},
    node::Entropy,
};

/// The file that says who logged in last.
const LAST: &str = "last";

/// What every command that talks to a cluster takes.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct HomeArgs {
    /// Where keys and sessions of users are kept, in DIR/users, and known nodes in DIR/known_nodes. By default the
    /// configuration folder of this account, such as ~/.config/veil.
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

/// A session of a user on this device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredSession {
    pub(super) token: SessionToken,
    /// When it ends, milliseconds since the Unix epoch.
    pub(super) expires_ms: u64,
}

impl Home {
    /// The file of a user's that ends so.
    fn file(&self, user: &UserName, ending: &str) -> PathBuf {
        self.users().join(format!("{user}.{ending}"))
    }

    fn users(&self) -> PathBuf {
        self.0.join("users")
    }

    fn make_users(&self) -> anyhow::Result<()> {
        let users = self.users();
        // What is there keeps its mode.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&users);
        made.with_context(|| shown(&users))
    }

    /// The key of a user, if it is on this device.
    pub(super) fn key(&self, user: &UserName) -> anyhow::Result<Option<KeyPair>> {
        let path = self.file(user, "key");
        let Some(text) = secret::read_if_there(&path)? else { return Ok(None) };
        KeyPair::from_text(&text).map(Some).with_context(|| shown(&path))
    }

    /// The key of a user, who needs it.
    pub(super) fn own_key(&self, user: &UserName) -> anyhow::Result<KeyPair> {
        self.key(user)?.with_context(|| {
            format!("the key of {user} is not on this device: {}", shown(&self.file(user, "key")))
        })
    }

    /// Where a key lies that is about to replace the user's.
    pub(super) fn next_key_path(&self, user: &UserName) -> PathBuf {
        self.file(user, "key.next")
    }

    /// Draws the key that is about to replace the user's, unless an earlier attempt has.
    pub(super) fn draw_next_key(&self, user: &UserName) -> anyhow::Result<KeyPair> {
        let path = self.next_key_path(user);
        let pair = Entropy::from_system().draw(KeyPair::generate);
        match secret::create(&path, &pair.to_text())? {
            Some(_) => Ok(pair),
            None => {
                let text = secret::read_if_there(&path)?.unwrap_or_default();
                KeyPair::from_text(&text).with_context(|| shown(&path))
            }
        }
    }

    /// Puts the new key in the place of the old one.
    pub(super) fn adopt_next_key(&self, user: &UserName) -> anyhow::Result<PathBuf> {
        let path = self.file(user, "key");
        fs::rename(self.next_key_path(user), &path).with_context(|| shown(&path))?;
        Ok(path)
    }

    /// The session of a user on this device.
    pub(super) fn session(&self, user: &UserName) -> anyhow::Result<Option<StoredSession>> {
        let path = self.file(user, "session");
        let Some(text) = secret::read_if_there(&path)? else { return Ok(None) };
        let parse = || {
            let (token, expires) = text.trim().split_once('\n')?;
            let token = SessionToken::from_text(token).ok()?;
            Some(StoredSession { token, expires_ms: expires.trim().parse().ok()? })
        };
        let session = parse().with_context(|| format!("{}: no session; log in again", shown(&path)))?;
        Ok(Some(session))
    }

    /// Keeps a session in the place of an earlier one.
    pub(super) fn store_session(&self, user: &UserName, session: &StoredSession) -> anyhow::Result<PathBuf> {
        self.make_users()?;
        let path = self.file(user, "session");
        secret::replace(
            &path,
            &format!("{}\n{}", session.token.to_text(), session.expires_ms),
            secret::PRIVATE,
        )?;
        secret::replace(&self.users().join(LAST), user.as_str(), secret::PRIVATE)?;
        Ok(path)
    }

    /// Takes a session away that has ended.
    pub(super) fn forget_session(&self, user: &UserName) -> anyhow::Result<()> {
        let path = self.file(user, "session");
        fs::remove_file(&path).with_context(|| shown(&path))
    }

    /// The folder of requests that have got no certain answer yet.
    pub(super) fn pending(&self) -> PathBuf {
        self.0.join("pending")
    }

    /// Who logged in last on this device.
    pub(super) fn last_user(&self) -> anyhow::Result<Option<UserName>> {
        let path: &Path = &self.users().join(LAST);
        let Some(text) = secret::read_if_there(path)? else { return Ok(None) };
        text.trim().parse().map(Some).with_context(|| shown(path))
    }

    pub(super) fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// The nodes that were met.
    pub(super) fn into_known_nodes(self) -> KnownFile {
        KnownFile::at(self.0.join("known_nodes"))
    }

    /// The key of a user, which is drawn if there is none yet, and safe on disk before this returns.
    pub(super) fn key_or_new(&self, user: &UserName) -> anyhow::Result<UserKey> {
        self.make_users()?;
        let path = self.file(user, "key");
        let pair = Entropy::from_system().draw(KeyPair::generate);
        let key = match secret::create(&path, &pair.to_text())? {
            Some(file) => UserKey { pair, path, new: true, _file: lock(file, user)? },
            None => {
                let file = File::open(&path).with_context(|| shown(&path))?;
                let file = lock(file, user)?;
                let text = secret::read(&file, &path)?;
                let pair = KeyPair::from_text(&text).with_context(|| shown(&path))?;
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
        fs::remove_file(&self.path).with_context(|| shown(&self.path))
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
        let home = Home::new(folder.path().join("home"));
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
        let home = Home::new(folder.path());
        let first = home.key_or_new(&name("anna")).unwrap();
        let second = home.key_or_new(&name("anna")).unwrap_err();
        assert_eq!(second.to_string(), "anna is being registered by another program");
        drop(first);
        home.key_or_new(&name("anna")).unwrap();
    }

    #[test]
    fn a_file_that_holds_no_key_is_named_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let path = home.key_or_new(&name("anna")).unwrap().path;
        fs::write(&path, "abcd").unwrap();
        let error = home.key_or_new(&name("anna")).unwrap_err();
        let text = super::super::describe(&error);
        assert!(text.starts_with(path.to_str().unwrap()) && text.ends_with("found 4 digits"), "{text}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "abcd");
    }

    #[test]
    fn a_session_is_kept_for_its_user_alone_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        assert_eq!((home.session(&name("anna")).unwrap(), home.last_user().unwrap()), (None, None));
        let session = |byte| StoredSession { token: SessionToken::from_bytes([byte; 32]), expires_ms: 99 };
        for byte in [1, 2] {
            let path = home.store_session(&name("anna"), &session(byte)).unwrap();
            assert_eq!(secret::mode(&path), 0o600);
        }
        assert_eq!(home.session(&name("anna")).unwrap(), Some(session(2)));
        assert_eq!(home.last_user().unwrap(), Some(name("anna")));
        home.forget_session(&name("anna")).unwrap();
        assert_eq!(home.session(&name("anna")).unwrap(), None);
    }

    #[test]
    fn a_new_key_lies_beside_the_old_one_until_it_is_adopted() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let old = home.key_or_new(&name("anna")).unwrap().pair.public();
        let new = home.draw_next_key(&name("anna")).unwrap().public();
        assert_eq!(home.draw_next_key(&name("anna")).unwrap().public(), new, "an earlier attempt is lost");
        assert_eq!(home.own_key(&name("anna")).unwrap().public(), old);
        home.adopt_next_key(&name("anna")).unwrap();
        assert_eq!(home.own_key(&name("anna")).unwrap().public(), new);
    }

    #[test]
    fn no_name_makes_the_key_of_one_user_that_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let other = home.key_or_new(&name("anna.next")).unwrap().pair.public();
        home.key_or_new(&name("anna")).unwrap();
        assert_ne!(home.draw_next_key(&name("anna")).unwrap().public(), other);
        home.adopt_next_key(&name("anna")).unwrap();
        assert_eq!(home.own_key(&name("anna.next")).unwrap().public(), other);
    }

    #[test]
    fn who_says_where_keys_are_kept_finds_them_there() {
        let folder = PathBuf::from("keys");
        assert_eq!(HomeArgs { home: Some(folder.clone()) }.home().unwrap().0, folder);
    }
}
