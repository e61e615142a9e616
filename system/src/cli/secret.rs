//! Files that hold a secret.

use std::{
    fs::File,
    io::{ErrorKind, Read, Write},
    path::Path,
};

use anyhow::Context;

/// So much of such a file is read, bytes: 64 digits, and a line break or two.
const LIMIT: u64 = 1024;

/// Makes a file that only its owner can read, and returns when it is safe on disk. `None`, and nothing is
/// changed, if there is one already.
pub(super) fn create(path: &Path, text: &str) -> anyhow::Result<Option<File>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let make = || {
        // It has mode 0600 from the first moment, and takes its name when it is whole: whoever is interrupted
        // leaves no half of a key in the place of one.
        let mut file = tempfile::Builder::new().prefix(".new-key-").tempfile_in(folder)?;
        writeln!(file, "{text}")?;
        file.as_file().sync_all()?;
        let file = match file.persist_noclobber(path) {
            Ok(file) => file,
            Err(taken) if taken.error.kind() == ErrorKind::AlreadyExists => return Ok(None),
            Err(failed) => return Err(failed.error),
        };
        File::open(folder)?.sync_all()?;
        Ok(Some(file))
    };
    make().with_context(|| path.display().to_string())
}

/// Puts a file that only its owner can read in the place of what was there, and returns when it is safe on disk.
pub(super) fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let make = || {
        let mut file = tempfile::Builder::new().prefix(".new-key-").tempfile_in(folder)?;
        writeln!(file, "{text}")?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|failed| failed.error)?;
        File::open(folder)?.sync_all()
    };
    make().with_context(|| path.display().to_string())
}

/// Reads a file with a secret, if there is one.
pub(super) fn read_if_there(path: &Path) -> anyhow::Result<Option<String>> {
    match File::open(path) {
        Ok(file) => read(&file, path).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// Reads what [`create`] has written.
pub(super) fn read(file: &File, path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    file.take(LIMIT).read_to_string(&mut text).with_context(|| path.display().to_string())?;
    Ok(text)
}

/// The permissions of a file.
#[cfg(test)]
pub(super) fn mode(path: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions()) & 0o7777
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_for_its_owner_alone_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cluster.key");
        assert!(create(&path, "first").unwrap().is_some());
        assert_eq!(mode(&path), 0o600);
        assert!(create(&path, "second").unwrap().is_none());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "first\n");
        // Nothing is left of the one that was refused.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_missing_is_named() {
        let error = create(Path::new("/nonexistent/cluster.key"), "first").unwrap_err();
        assert_eq!(error.to_string(), "/nonexistent/cluster.key");
    }
}
