//! A file that is made under another name beside its place, and takes its name when all of it is there.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use super::interrupt::Unfinished;

/// Who may read a file that is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    /// Its owner alone.
    Owner,
    /// Whoever may read what this user makes.
    Usual,
}

/// What becomes of a file that has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    /// It stays, and the new one is refused.
    Kept,
    /// The new one takes its place; of a link the link's, and what it leads to stays as it is.
    Replaced,
}

/// The file, which is gone when this is dropped.
#[derive(Debug)]
pub(super) struct Beside {
    place: PathBuf,
    file: File,
    name: tempfile::TempPath,
    unfinished: Unfinished,
}

impl Beside {
    /// Makes an empty file for that place. Its errors are about the place: the name that it has for now is nobody's
    /// concern.
    pub(super) fn new(place: &Path, readers: Readers) -> io::Result<Self> {
        let mode = match readers {
            Readers::Owner => 0o600,
            Readers::Usual => 0o666,
        };
        let mut options = File::options();
        options.read(true).write(true).create_new(true).mode(mode);
        let mut unfinished = None;
        let made = tempfile::Builder::new().prefix(".veil-").make_in(folder_of(place), |name| {
            let (listed, file) = Unfinished::make(name, |name| options.open(name))?;
            unfinished = Some(listed);
            Ok(file)
        });
        let named = made?;
        let (file, name) = named.into_parts();
        let unfinished = unfinished.ok_or_else(|| io::Error::other("not on the list"))?;
        Ok(Self { place: place.to_owned(), file, name, unfinished })
    }

    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    pub(super) fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.file.set_permissions(Permissions::from_mode(mode))
    }

    /// Gives the file its name when it is safe on disk.
    pub(super) fn take_place(self, existing: Existing) -> io::Result<File> {
        let Self { place, file, name, unfinished } = self;
        file.sync_all()?;
        unfinished.finish(|| {
            let named = match existing {
                Existing::Replaced => name.persist(&place),
                Existing::Kept => name.persist_noclobber(&place).or_else(|failed| {
                    // Not every file system can do that at one stroke.
                    let free = fs::symlink_metadata(&place)
                        .is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
                    if free { failed.path.persist(&place) } else { Err(failed) }
                }),
            };
            named.map_err(|failed| failed.error)
        })?;
        File::open(folder_of(&place))?.sync_all()?;
        Ok(file)
    }
}

/// The folder that a file is in.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_takes_its_name_at_the_end_and_leaves_nothing_before() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("photo");
        let names = || fs::read_dir(folder.path()).unwrap().count();
        let begun = Beside::new(&place, Readers::Owner).unwrap();
        assert_eq!((names(), place.exists()), (1, false));
        drop(begun);
        assert_eq!(names(), 0);

        let mut begun = Beside::new(&place, Readers::Owner).unwrap();
        begun.file().write_all(b"first").unwrap();
        begun.take_place(Existing::Kept).unwrap();
        assert_eq!((names(), fs::read(&place).unwrap()), (1, b"first".to_vec()));
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o7777, 0o600);

        let refused = Beside::new(&place, Readers::Owner).unwrap().take_place(Existing::Kept).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        Beside::new(&place, Readers::Usual).unwrap().take_place(Existing::Replaced).unwrap();
        assert_eq!((names(), fs::read(&place).unwrap()), (1, Vec::new()));
    }

    #[test]
    fn the_name_for_now_is_not_spoken_of() {
        let error = Beside::new(Path::new("/nonexistent/photo"), Readers::Usual).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(2));
        assert!(!error.to_string().contains(".veil-"), "{error}");
    }

    #[test]
    fn the_longest_name_has_room_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("n".repeat(255));
        Beside::new(&place, Readers::Usual).unwrap().take_place(Existing::Kept).unwrap();
        assert!(place.exists());
    }
}
