//! Files that hold a secret, or what belongs to one.

use std::{
    fs::File,
    io::{ErrorKind, Read, Write},
    path::Path,
};

use anyhow::Context;

use super::{
    beside::{Beside, Existing, Readers},
    escape::shown,
};

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
    let make = || match beside(path, text, mode)?.take_place(Existing::Kept) {
        Ok(file) => Ok(Some(file)),
        Err(taken) if taken.kind() == ErrorKind::AlreadyExists => Ok(None),
        Err(failed) => Err(failed),
    };
    make().with_context(|| shown(path))
}

/// Makes a file in the place of one that may be there, and returns when it is safe on disk. Nobody sees half of it.
pub(super) fn replace(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let make = || beside(path, text, mode)?.take_place(Existing::Replaced).map(drop);
    make().with_context(|| shown(path))
}

/// Reads a file with a secret, if there is one.
pub(super) fn read_if_there(path: &Path) -> anyhow::Result<Option<String>> {
    match File::open(path) {
        Ok(file) => read(&file, path).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| shown(path)),
    }
}

/// The file under another name. It has its mode before it takes its own name, which it does when it is whole: whoever is
/// interrupted leaves no half of a key in the place of one.
fn beside(path: &Path, text: &str, mode: u32) -> std::io::Result<Beside> {
    let mut beside = Beside::new(path, Readers::Owner)?;
    writeln!(beside.file(), "{text}")?;
    if mode != PRIVATE {
        beside.set_mode(mode)?;
    }
    Ok(beside)
}

/// Reads what [`create`] has written.
pub(super) fn read(file: &File, path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    file.take(LIMIT).read_to_string(&mut text).with_context(|| shown(path))?;
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
