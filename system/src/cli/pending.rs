//! Requests that have got no certain answer yet, and what came of them not kept yet: one file each, in the user's home.
//!
//! The directory answers a request id that it knows with its first answer, for [`REQUEST_WINDOW_MS`]. So what is to have
//! one effect is written down before it is asked for, and crossed out when its outcome is where it belongs. If there is
//! no answer, if the program ends, or if a picture cannot be written, then the same command asks the same again, and is
//! given the view that it has taken.
//!
//! Of two such commands at a time, the second waits for the first: whoever asks twice because nothing seems to happen
//! must not pay twice. Two views are taken by looking twice, one after the other.
//!
//! Only what would have a second effect is asked under its first id: a view, a sealed image, a new group. What sets
//! something, such as a grant, is asked anew: its first answer may be outdated by what was set in between.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io::{ErrorKind, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use tokio::time::Instant;

use super::{escape::shown, pages::moment, print::complain};
use crate::{
    client::{Client, ClientError},
    directory::{ImageId, REQUEST_WINDOW_MS, Refusal, RequestId, UserName},
    node::system_clock,
};

/// How often it is looked whether another program is done.
const PAUSE: Duration = Duration::from_millis(20);
/// Longer than that nobody comes back for what has become of a request, milliseconds: a day.
const KEPT_MS: u64 = 24 * 3600 * 1000;
/// So much of such a file is read, bytes.
const LIMIT: u64 = 1024;

/// What is asked for: of the same, only one is under way at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish<'a> {
    /// Who asks.
    pub(super) user: &'a UserName,
    /// What it is called, such as `view`.
    pub(super) kind: &'static str,
    /// All that is asked for. Another content is another wish.
    pub(super) content: &'a [u8],
}

impl Wish<'_> {
    fn file_name(&self) -> String {
        let mut hash = blake3::Hasher::new();
        for part in [self.kind.as_bytes(), b"\0", self.user.as_str().as_bytes(), b"\0", self.content] {
            hash.update(part);
        }
        hash.finalize().to_hex()[..32].to_owned()
    }
}

/// A request that is noted.
#[derive(Debug)]
pub(super) struct Pending {
    path: PathBuf,
    /// Locked as long as this program is at it.
    file: File,
    kind: &'static str,
    request: RequestId,
    /// Whether an earlier attempt may have been carried out.
    earlier: bool,
}

/// Under which id to ask, and which client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) request: RequestId,
    /// Whether it may have been carried out already.
    pub(super) again: bool,
}

impl Turn {
    /// Whom to ask: of an earlier attempt, only what the directory remembers says what became of it.
    pub(super) fn client(self, client: &Client) -> Client {
        if self.again { client.again() } else { client.clone() }
    }
}

impl Pending {
    /// Notes a request in `folder` before it is asked, or finds an earlier one for the same. Waits, so long, while another
    /// program is at the same.
    pub(super) async fn note(
        folder: &Path,
        client: &Client,
        wish: Wish<'_>,
        patience: Duration,
    ) -> anyhow::Result<Self> {
        let name = || format!("a request cannot be noted in {}", shown(folder));
        DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(name)?;
        forget_old(folder);
        let path = folder.join(wish.file_name());
        let file = lock(&path, wish, patience).await.with_context(name)?;
        let mut pending = Self { path, file, kind: wish.kind, request: client.request_id(), earlier: false };
        if let Some(request) = pending.read().with_context(name)? {
            if !is_out_of_time(request) {
                let (kind, at) = (wish.kind, moment(request.unix_ms()));
                complain(format_args!(
                    "the {kind} that was asked for at {at} is asked for again, not another one"
                ));
                (pending.request, pending.earlier) = (request, true);
                return Ok(pending);
            }
            too_old(wish.kind, request);
        }
        pending.write().with_context(name)?;
        Ok(pending)
    }

    /// Goes on if that is no refusal. Else nothing is asked, and what was not asked before is crossed out.
    pub(super) fn unless(self, refused: anyhow::Result<()>) -> anyhow::Result<Self> {
        match refused {
            Ok(()) => Ok(self),
            Err(refused) => {
                if !self.earlier {
                    self.cross_out()?;
                }
                Err(refused)
            }
        }
    }

    /// Asks, and crosses the request out if it is certain that nothing came of it. Under the id of an earlier attempt first,
    /// and if that can have had no effect, or nobody knows any more, under a new one.
    pub(super) async fn ask<T>(
        mut self,
        client: &Client,
        mut ask: impl AsyncFnMut(Turn) -> Result<T, ClientError>,
    ) -> anyhow::Result<Answered<T>> {
        loop {
            let asked = ask(Turn { request: self.request, again: self.earlier }).await;
            let error = match asked {
                Ok(answer) => return Ok(Answered { answer, pending: self }),
                Err(error) => error,
            };
            match outcome(&error, self.earlier.then_some(self.request)) {
                Outcome::Open => return Err(error.into()),
                Outcome::None => {
                    self.cross_out()?;
                    return Err(error.into());
                }
                Outcome::OutOfReach => too_old(self.kind, self.request),
                Outcome::Outdated => {}
            }
            (self.request, self.earlier) = (client.request_id(), false);
            self.write().with_context(|| shown(&self.path))?;
        }
    }

    fn cross_out(self) -> anyhow::Result<()> {
        // While it is locked: whoever waits for it sees that it has gone.
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| shown(&self.path))
            }
            _ => Ok(()),
        }
    }

    /// The request that is noted. A note that is not whole was never asked.
    fn read(&mut self) -> std::io::Result<Option<RequestId>> {
        let mut bytes = Vec::new();
        self.file.rewind()?;
        (&self.file).take(LIMIT).read_to_end(&mut bytes)?;
        Ok(String::from_utf8(bytes).ok().and_then(|text| text.strip_suffix('\n')?.parse().ok()))
    }

    fn write(&mut self) -> std::io::Result<()> {
        self.file.rewind()?;
        self.file.set_len(0)?;
        writeln!(self.file, "{}", self.request)?;
        self.file.sync_all()?;
        File::open(super::beside::folder_of(&self.path))?.sync_all()
    }
}

/// An answer whose outcome is not where it belongs yet.
#[derive(Debug)]
pub(super) struct Answered<T> {
    pub(super) answer: T,
    pending: Pending,
}

impl<T> Answered<T> {
    /// Crosses the request out: what came of it is kept.
    pub(super) fn settle(self) -> anyhow::Result<T> {
        self.pending.cross_out()?;
        Ok(self.answer)
    }
}

/// Crosses out a request that nobody is at: what it asked for was had, and was undone.
pub(super) fn forget(folder: &Path, wish: Wish<'_>) {
    remove_unless_locked(&folder.join(wish.file_name()));
}

/// The same, of the request that made an image.
pub(super) fn forget_image(folder: &Path, image: ImageId) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        // An image has the id of the request that made it.
        if fs::read_to_string(entry.path()).is_ok_and(|text| text.trim_end() == image.to_string()) {
            remove_unless_locked(&entry.path());
        }
    }
}

fn remove_unless_locked(path: &Path) {
    if File::open(path).is_ok_and(|file| file.try_lock().is_ok()) {
        // It may have gone by itself.
        let _ = fs::remove_file(path);
    }
}

/// What an error says of a request.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// It may have been carried out.
    Open,
    /// It was not carried out.
    None,
    /// It was not carried out when it was first asked, which says little of now.
    Outdated,
    /// Nobody knows any more.
    OutOfReach,
}

/// `earlier` is the request that an earlier attempt was made with.
fn outcome(error: &ClientError, earlier: Option<RequestId>) -> Outcome {
    let Some(earlier) = earlier else {
        return match error {
            ClientError::Refused(Refusal::NoSession) => Outcome::Open,
            ClientError::Refused(_)
            | ClientError::BadOriginal(_)
            | ClientError::NotSent(_)
            | ClientError::TimedOut { .. }
            | ClientError::Unreachable { .. } => Outcome::None,
            _ => Outcome::Open,
        };
    };
    match error {
        // That says nothing of an earlier attempt.
        ClientError::Refused(Refusal::NoSession) => Outcome::Open,
        ClientError::Refused(Refusal::RequestOutOfTime { .. } | Refusal::RequestForgotten { .. }) => {
            Outcome::OutOfReach
        }
        ClientError::Refused(_) => Outcome::Outdated,
        // An answer that is not remembered settles nothing; and too old by now, nothing ever will.
        ClientError::Unsettled { .. } if is_out_of_time(earlier) => Outcome::OutOfReach,
        _ => Outcome::Open,
    }
}

/// Whether the directory remembers no answers to requests of that time.
fn is_out_of_time(request: RequestId) -> bool {
    request.unix_ms().abs_diff(system_clock()()) > REQUEST_WINDOW_MS
}

fn too_old(kind: &str, request: RequestId) {
    let at = moment(request.unix_ms());
    complain(format_args!(
        "what became of the {kind} that was asked for at {at} cannot be found out any more: if it was done, it counts"
    ));
}

/// The file of a wish, which nobody else works with meanwhile.
async fn lock(path: &Path, wish: Wish<'_>, patience: Duration) -> anyhow::Result<File> {
    let deadline = Instant::now() + patience;
    loop {
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            Err(TryLockError::WouldBlock) => anyhow::bail!(
                "{} is at the same {} in another program, and has been for {patience:?}: nothing was asked",
                wish.user,
                wish.kind
            ),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        // Whoever had it before may have crossed it out.
        let held = file.metadata()?;
        if fs::metadata(path).is_ok_and(|named| (named.dev(), named.ino()) == (held.dev(), held.ino())) {
            return Ok(file);
        }
    }
}

/// Removes the notes that nobody has come back for. None of them is waited for.
fn forget_old(folder: &Path) {
    let now_ms = system_clock()();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let modified = entry.metadata().and_then(|data| data.modified());
        let age = modified.ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        let old = age.is_some_and(|at| now_ms.saturating_sub(at.as_millis() as u64) > KEPT_MS);
        if old {
            remove_unless_locked(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests;
