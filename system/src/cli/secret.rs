//! Files that hold a secret, or what belongs to one.

use std::{
    fs::{File, Permissions},
    io::{ErrorKind, Read, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use anyhow::Context;

/// So much of such a file is read, bytes: 64 digits, and a line break or two.
const LIMIT: u64 = 1024;

/// Read and written by the owner alone.
pub(super) const PRIVATE: u32 = 0o600;
/// Read by everybody.
pub(super) const PUBLIC: u32 = 0o644;

/// Makes a file that only its owner can read, and returns when it is safe on disk. `None`, and nothing is
/// changed, if there is one already.
pub(super) fn create(path: &Path, text: &str) -> anyhow::Result<Option<File>> {
    create_with(path, text, PRIVATE)
}

/// The same, with other permissions.
pub(super) fn create_with(path: &Path, text: &str, mode: u32) -> anyhow::Result<Option<File>> {
    let make = || {
        let file = match beside(path, text, mode)?.persist_noclobber(path) {
            Ok(file) => file,
            Err(taken) if taken.error.kind() == ErrorKind::AlreadyExists => return Ok(None),
            Err(failed) => return Err(failed.error),
        };
        File::open(folder_of(path))?.sync_all()?;
        Ok(Some(file))
    };
    make().with_context(|| path.display().to_string())
}

/// Makes a file in the place of one that may be there, and returns when it is safe on disk. Nobody sees half of it.
pub(super) fn replace(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let make = || {
        beside(path, text, mode)?.persist(path).map_err(|failed| failed.error)?;
        File::open(folder_of(path))?.sync_all()
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

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The file under another name. It has its mode from the first moment, and takes its own name when it is whole:
/// whoever is interrupted leaves no half of a key in the place of one.
fn beside(path: &Path, text: &str, mode: u32) -> std::io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix(".new-key-").tempfile_in(folder_of(path))?;
    writeln!(file, "{text}")?;
    if mode != PRIVATE {
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
    }
    file.as_file().sync_all()?;
    Ok(file)
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
    PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions()) & 0o7777
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
