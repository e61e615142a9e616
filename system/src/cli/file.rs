//! Files that a user names: read within a limit, written whole or not at all.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use anyhow::Context;

/// Reads a file of at most `limit` bytes. No more is read of one that is longer, or that has no end.
pub(super) fn read_file(path: &Path, limit: u64) -> anyhow::Result<Vec<u8>> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    let bytes = read().with_context(|| path.display().to_string())?;
    let length = bytes.len() as u64;
    anyhow::ensure!(length <= limit, "{}: more than {limit} bytes long, which is the limit", path.display());
    Ok(bytes)
}

/// Writes a file beside its place and moves it there, so that nobody sees half of it. What is there already
/// and is no regular file, such as a device, is written to.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || {
        let Ok(present) = fs::metadata(path) else { return put(path, bytes) };
        if !present.is_file() {
            return fs::OpenOptions::new().write(true).open(path)?.write_all(bytes);
        }
        // A link stays one: what it leads to is replaced.
        let target = fs::canonicalize(path)?;
        put(&target, bytes)?;
        fs::set_permissions(&target, present.permissions())
    };
    write().with_context(|| path.display().to_string())
}

fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Removed again if anything fails.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    let mut beside = tempfile::Builder::new().prefix(".veil-").permissions(mode).tempfile_in(folder)?;
    beside.write_all(bytes)?;
    beside.persist(path)?;
    Ok(())
}

/// Refuses to write where something is read from, whatever the two are called.
pub(super) fn ensure_apart(input: &Path, output: &Path) -> anyhow::Result<()> {
    let identity = |path: &Path| fs::metadata(path).ok().map(|data| (data.dev(), data.ino()));
    let same = identity(input).is_some_and(|input| identity(output) == Some(input));
    anyhow::ensure!(!same && input != output, "{} would be overwritten", input.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_an_end_is_read_up_to_the_limit() {
        let refused = read_file(Path::new("/dev/zero"), 1_000).unwrap_err().to_string();
        assert_eq!(refused, "/dev/zero: more than 1000 bytes long, which is the limit");
    }

    #[test]
    fn nothing_but_the_file_is_changed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("photo.part"), "the user's own").unwrap();
        write_file(&at("photo"), b"first").unwrap();
        write_file(&at("photo"), b"second").unwrap();
        fs::create_dir(at("folder")).unwrap();
        assert!(write_file(&at("folder"), b"third").is_err());
        std::os::unix::fs::symlink("photo", at("link")).unwrap();
        write_file(&at("link"), b"fourth").unwrap();
        assert_eq!(fs::read(at("photo")).unwrap(), b"fourth");
        assert!(fs::symlink_metadata(at("link")).unwrap().is_symlink());
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["folder", "link", "photo", "photo.part"]);
        // A device takes what is written, and stays one.
        write_file(Path::new("/dev/null"), b"gone").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[test]
    fn what_is_read_is_not_written_under_another_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("photo");
        let other = folder.path().join(".").join("photo");
        assert!(ensure_apart(&path, &path).is_err(), "even before it exists");
        fs::write(&path, "photo").unwrap();
        assert!(ensure_apart(&path, &other).is_err());
        assert!(ensure_apart(&path, &folder.path().join("another")).is_ok());
    }
}
