//! A folder in which derived files are written, which a stranger may have filled: files are written beside what they
//! replace and renamed, so that whoever reads sees the old one or the new one, and nothing is written through a link.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Write as _},
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{
        Access, AtFlags, CWD, Dir, FileType, Mode, OFlags, access, mkdirat, openat, renameat, statat,
        unlinkat,
    },
    io::Errno,
};

use super::ReportError;

/// So many names are tried for a file that is not finished.
const TRIES: u32 = 100;

/// A folder, held open: what its path leads to later does not matter.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    handle: OwnedFd,
}

impl Folder {
    /// The folder at `path`, which whoever started the program has named: it may be a link.
    pub(crate) fn open(path: &Path) -> Result<Self, ReportError> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = openat(CWD, path, flags, Mode::empty()).map_err(|e| failed(path, e))?;
        Ok(Self { path: path.to_owned(), handle })
    }

    /// A folder in this one, made if missing. It is none of somebody else: a link is refused.
    pub(crate) fn inner(&self, name: &str) -> Result<Self, ReportError> {
        let path = self.path.join(name);
        match mkdirat(&self.handle, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(failed(&path, e)),
        }
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(&self.handle, name, flags, Mode::empty()) {
            Ok(handle) => Ok(Self { path, handle }),
            Err(_) if self.is_link(name) => Err(ReportError::Link { path }),
            Err(e) => Err(failed(&path, e)),
        }
    }

    /// Writes a file, in the place of one that is there. A link that is there is replaced, not followed.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), ReportError> {
        let (unfinished, mut file) = self.unfinished(name)?;
        let written =
            file.write_all(bytes).and_then(|()| Ok(renameat(&self.handle, &unfinished, &self.handle, name)?));
        written.map_err(|source| {
            // Whatever went wrong, that is what is told.
            let _ = unlinkat(&self.handle, &unfinished, AtFlags::empty());
            ReportError::Write { path: self.path.join(name), source }
        })
    }

    /// Removes files for which `is_old` holds, by their names; of a link, the link.
    pub(crate) fn remove(&self, is_old: impl Fn(&Path) -> bool) -> Result<(), ReportError> {
        let names = Dir::read_from(&self.handle).map_err(|e| failed(&self.path, e))?;
        for entry in names {
            let entry = entry.map_err(|e| failed(&self.path, e))?;
            let name = Path::new(OsStr::from_bytes(entry.file_name().to_bytes()));
            if is_old(name) {
                match unlinkat(&self.handle, name, AtFlags::empty()) {
                    // Somebody else makes the same report.
                    Ok(()) | Err(Errno::NOENT) => {}
                    Err(e) => return Err(failed(&self.path.join(name), e)),
                }
            }
        }
        Ok(())
    }

    /// A new file beside the one of that name.
    fn unfinished(&self, name: &str) -> Result<(String, File), ReportError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for number in 0..TRIES {
            let unfinished = format!(".{name}.{}-{number}", std::process::id());
            match openat(&self.handle, &unfinished, flags, Mode::from_raw_mode(0o666)) {
                Ok(handle) => return Ok((unfinished, File::from(handle))),
                Err(Errno::EXIST) => {}
                Err(e) => return Err(failed(&self.path.join(name), e)),
            }
        }
        Err(failed(&self.path.join(name), Errno::EXIST))
    }

    fn is_link(&self, name: &str) -> bool {
        statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|about| FileType::from_raw_mode(about.st_mode) == FileType::Symlink)
    }
}

/// Whether files can be made at `path`, or in the nearest folder above it that is there.
///
/// # Errors
/// When they certainly cannot. To be told so before the work is done is worth another look.
pub(crate) fn check_writable(path: &Path) -> Result<(), ReportError> {
    let mut place = path;
    loop {
        match access(if place.as_os_str().is_empty() { Path::new(".") } else { place }, Access::WRITE_OK) {
            Err(Errno::NOENT) => {}
            Err(e @ (Errno::ACCESS | Errno::PERM | Errno::ROFS)) => return Err(failed(path, e)),
            Ok(()) | Err(_) => return Ok(()),
        }
        let Some(above) = place.parent() else { return Ok(()) };
        place = above;
    }
}

fn failed(path: &Path, source: impl Into<io::Error>) -> ReportError {
    ReportError::Write { path: path.to_owned(), source: source.into() }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(root.path()).unwrap();
        fs::write(root.path().join("outside"), "mine").unwrap();
        symlink("outside", root.path().join("a")).unwrap();
        // Somebody knew under which name it would be written.
        let guessed = format!(".a.{}-0", std::process::id());
        symlink("outside", root.path().join(&guessed)).unwrap();
        folder.put("a", b"new").unwrap();
        folder.put("a", b"newer").unwrap();
        assert_eq!(fs::read(root.path().join("a")).unwrap(), b"newer");
        assert_eq!(fs::read(root.path().join("outside")).unwrap(), b"mine");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 3);
        fs::create_dir(root.path().join("b")).unwrap();
        let error = folder.put("b", b"new").unwrap_err().to_string();
        assert!(error.contains("/b: "), "{error}");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 4);
    }

    #[test]
    fn where_nothing_can_be_written_is_known_beforehand() {
        let root = tempfile::tempdir().unwrap();
        assert!(check_writable(root.path()).is_ok());
        assert!(check_writable(&root.path().join("new/and/newer")).is_ok());
        assert!(check_writable(Path::new("new/in/the/working/folder")).is_ok());
        // A file system in which nobody, not even the superuser, makes a file.
        if let Err(error) = check_writable(Path::new("/sys/firmware/new")) {
            assert!(error.to_string().starts_with("/sys/firmware/new: "), "{error}");
        }
    }

    #[test]
    fn an_inner_folder_is_made_or_used_and_a_link_to_one_refused() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(root.path()).unwrap();
        folder.inner("figures").unwrap().put("x.png", b"1").unwrap();
        let inner = folder.inner("figures").unwrap();
        inner.put("y.svg", b"2").unwrap();
        inner.remove(|name| name.extension().is_some_and(|e| e == "png")).unwrap();
        assert!(!root.path().join("figures/x.png").exists() && root.path().join("figures/y.svg").exists());
        symlink("figures", root.path().join("other")).unwrap();
        let error = folder.inner("other").unwrap_err().to_string();
        assert!(error.ends_with("other is a link: nothing is written through it"), "{error}");
        fs::write(root.path().join("file"), "").unwrap();
        assert!(matches!(folder.inner("file"), Err(ReportError::Write { .. })));
    }
}
