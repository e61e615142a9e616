//! The file that a command writes. It is prepared before anything is asked of anybody: who cannot keep what they are
//! given had better not ask for it.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, IsTerminal as _, Seek as _, Write},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{FileTypeExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;

use super::{
    beside::{Beside, Existing, Readers},
    escape::shown,
    interrupt::watch,
    print::{Stream, Unprinted, put_with},
};

/// Standard input or output, where a file is named. (A file of that name is `./-`.)
pub(super) const STANDARD: &str = "-";

/// What every command that writes a file takes.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct ForceArgs {
    /// Replace a file that is there already. Of a link, the link is replaced, and not what it leads to.
    #[arg(long)]
    force: bool,
}

impl ForceArgs {
    pub(super) fn existing(self) -> Existing {
        if self.force { Existing::Replaced } else { Existing::Kept }
    }
}

/// A file that will be written. Dropped before that, it leaves nothing behind.
#[derive(Debug)]
pub(super) struct Output {
    path: PathBuf,
    to: To,
}

#[derive(Debug)]
enum To {
    File { beside: Beside, existing: Existing },
    Standard(io::Stdout),
}

impl Output {
    /// Prepares a file with room for so many bytes, or standard output if it is called `-`.
    ///
    /// Only regular files are written: into a device, a FIFO or a socket nothing can be put as a whole, nor taken back.
    pub(super) fn prepare(
        path: &Path,
        existing: Existing,
        readers: Readers,
        room: u64,
    ) -> anyhow::Result<Self> {
        watch();
        let path = path.to_owned();
        if path.as_os_str() == STANDARD {
            let out = io::stdout();
            anyhow::ensure!(
                !out.is_terminal(),
                "-: standard output is a terminal: name a file, or send it on to another program"
            );
            // Some devices refuse even nothing.
            put_with(|out| Ok(rustix::io::write(out, &[]).map(|_| ())?))?;
            return Ok(Self { path, to: To::Standard(out) });
        }
        let present = free_or_present(&path, existing)?;
        let prepare = || {
            let mut beside = Beside::new(&path, readers)?;
            if let (Some(present), Readers::Usual) = (present.filter(|file| file.is_file()), readers) {
                beside.set_mode(present.permissions().mode() & 0o777)?;
            }
            reserve(beside.file(), room)?;
            Ok::<_, io::Error>(beside)
        };
        let beside = prepare().with_context(|| format!("{} cannot be written", shown(&path)))?;
        Ok(Self { path, to: To::File { beside, existing } })
    }

    /// What it is called in messages.
    pub(super) fn name(&self) -> String {
        match self.to {
            To::File { .. } => shown(&self.path),
            To::Standard(_) => "standard output".to_owned(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where a command says that it has written this: not into the midst of it.
    pub(super) fn beside(&self) -> Stream {
        match self.to {
            To::File { .. } => Stream::Output,
            To::Standard(_) => Stream::Error,
        }
    }

    /// Refuses if its place was taken since it was prepared: by the same command in another program, for instance.
    pub(super) fn ensure_free(&self) -> anyhow::Result<()> {
        match self.to {
            To::File { existing, .. } => free_or_present(&self.path, existing).map(drop),
            To::Standard(_) => Ok(()),
        }
    }

    /// Writes all of it, and puts it in its place.
    pub(super) fn write(mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.write_all(bytes).map_err(|error| self.failed(error))?;
        self.finish()
    }

    /// Puts in its place what was written. It is safe on disk when this returns.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        self.flush().map_err(|error| self.failed(error))?;
        let Self { path, to } = self;
        let To::File { mut beside, existing } = to else { return Ok(()) };
        let file = beside.file();
        // Less may have come than there was room for.
        file.stream_position()
            .and_then(|len| file.set_len(len))
            .and_then(|()| beside.take_place(existing).map(drop))
            .map_err(|error| match error.kind() {
                ErrorKind::AlreadyExists => {
                    anyhow::anyhow!("{} was made by another program meanwhile, and is kept", shown(&path))
                }
                _ => anyhow::Error::new(error).context(format!("{} cannot be written", shown(&path))),
            })
    }

    fn failed(&self, error: io::Error) -> anyhow::Error {
        match self.to {
            To::Standard(_) => Unprinted::from(error).into(),
            To::File { .. } => {
                anyhow::Error::new(error).context(format!("{} cannot be written", self.name()))
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.to {
            To::File { beside, .. } => beside.file().write(bytes),
            To::Standard(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            To::File { beside, .. } => beside.file().flush(),
            To::Standard(out) => out.flush(),
        }
    }
}

/// What has the name already and is to be replaced, if anything has.
fn free_or_present(path: &Path, existing: Existing) -> anyhow::Result<Option<fs::Metadata>> {
    let present = what_is_there(path)?;
    if let (Some(present), Existing::Kept) = (&present, existing) {
        let what = if present.is_symlink() { " (a link)" } else { "" };
        anyhow::bail!(
            "{}{what} is there already: give another name with --output, or --force to replace it",
            shown(path)
        );
    }
    Ok(present)
}

/// What has the name already, if anything has, and if it may be replaced at all.
fn what_is_there(path: &Path) -> anyhow::Result<Option<fs::Metadata>> {
    let refuse = |what: &str| {
        let advice = "only regular files are written (`-o -` is standard output)";
        Err(anyhow::anyhow!("{} is {what}: {advice}", shown(path)))
    };
    let present = match fs::symlink_metadata(path) {
        Ok(present) => present,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return match path.as_os_str().as_bytes().ends_with(b"/") {
                true => refuse("the name of a folder"),
                false => Ok(None),
            };
        }
        // Also of a name that is too long.
        Err(error) => return Err(error).with_context(|| format!("{} cannot be written", shown(path))),
    };
    let kind = present.file_type();
    match kind {
        _ if kind.is_dir() => refuse("a folder"),
        _ if kind.is_fifo() => refuse("a FIFO"),
        _ if kind.is_socket() => refuse("a socket"),
        _ if kind.is_char_device() || kind.is_block_device() => refuse("a device"),
        _ => Ok(Some(present)),
    }
}

/// Takes room on the disk, so that it is there afterwards.
pub(super) fn reserve(file: &mut File, room: u64) -> io::Result<()> {
    if room == 0 {
        return Ok(());
    }
    #[cfg(target_os = "linux")]
    match rustix::fs::fallocate(&*file, rustix::fs::FallocateFlags::empty(), 0, room) {
        Ok(()) => return Ok(()),
        Err(rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT | rustix::io::Errno::FBIG) => {
            return Err(no_room(room));
        }
        // Not every file system can; writing is the same.
        Err(_) => {}
    }
    let zeros = [0; 64 << 10];
    let mut left = room;
    while left > 0 {
        let some = left.min(zeros.len() as u64);
        file.write_all(&zeros[..some as usize])?;
        left -= some;
    }
    file.sync_data()?;
    file.rewind()
}

fn no_room(room: u64) -> io::Error {
    io::Error::new(ErrorKind::StorageFull, format!("there is no room for {room} bytes"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::{ffi::OsStringExt, fs::symlink, net::UnixListener};

    use super::*;

    fn prepare(path: &Path, existing: Existing) -> anyhow::Result<Output> {
        Output::prepare(path, existing, Readers::Usual, 100)
    }

    fn refused(path: &Path, existing: Existing) -> String {
        super::super::describe(&prepare(path, existing).unwrap_err())
    }

    #[test]
    fn what_is_there_is_replaced_only_if_that_was_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("photo");
        prepare(&path, Existing::Kept).unwrap().write(b"first").unwrap();
        let said = refused(&path, Existing::Kept);
        assert!(said.contains("photo is there already") && said.contains("--force"), "{said}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        prepare(&path, Existing::Replaced).unwrap().write(b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        let private = Output::prepare(&path, Existing::Replaced, Readers::Owner, 0).unwrap();
        private.write(b"third").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_place_that_was_taken_meanwhile_is_not_free() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("photo");
        let (kept, replacing) =
            (prepare(&path, Existing::Kept).unwrap(), prepare(&path, Existing::Replaced).unwrap());
        kept.ensure_free().unwrap();
        fs::write(&path, "another's").unwrap();
        let said = super::super::describe(&kept.ensure_free().unwrap_err());
        assert!(said.contains("photo is there already"), "{said}");
        replacing.ensure_free().unwrap();
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("real"), "kept").unwrap();
        for (link, to) in [("link", "real"), ("dangling", "nothing")] {
            symlink(to, at(link)).unwrap();
            let said = refused(&at(link), Existing::Kept);
            assert!(said.contains(&format!("{link} (a link) is there already")), "{said}");
            prepare(&at(link), Existing::Replaced).unwrap().write(b"new").unwrap();
            assert!(fs::symlink_metadata(at(link)).unwrap().is_file());
        }
        assert_eq!(fs::read(at("real")).unwrap(), b"kept");
        assert!(!at("nothing").exists());
    }

    #[test]
    fn what_is_no_regular_file_is_refused_whatever_was_said() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("folder")).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("fifo"), rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
            .unwrap();
        for existing in [Existing::Kept, Existing::Replaced] {
            for (path, what) in [
                (at("folder"), "is a folder: only regular files"),
                (at("socket"), "is a socket: only regular files"),
                (at("fifo"), "is a FIFO: only regular files"),
                (at("new/"), "is the name of a folder: only regular files"),
                (PathBuf::from("/dev/full"), "is a device: only regular files"),
                (PathBuf::from("/"), "is a folder: only regular files"),
                (at("missing/photo"), "cannot be written"),
                (at("folder/photo/photo"), "cannot be written"),
                (at(&"n".repeat(256)), "cannot be written"),
            ] {
                let said = refused(&path, existing);
                assert!(said.contains(what), "{said}");
                assert!(!said.contains(".veil-"), "{said}");
            }
        }
    }

    #[test]
    fn what_is_not_written_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(std::ffi::OsString::from_vec(b"bad\xff".to_vec()));
        drop(prepare(&path, Existing::Kept).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        // Room for 100 bytes was taken, and less is written.
        prepare(&path, Existing::Kept).unwrap().write(b"short").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"short");
    }

    #[test]
    fn more_than_the_disk_holds_is_refused_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("photo");
        let refused = Output::prepare(&path, Existing::Kept, Readers::Usual, 1 << 60).unwrap_err();
        assert!(format!("{refused:#}").contains("no room for"), "{refused:#}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
