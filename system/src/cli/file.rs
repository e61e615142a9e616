//! Files that a user names: read within a limit.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::MetadataExt as _,
    path::Path,
    time::Duration,
};

use anyhow::Context;

use super::{SEALED_LIMIT, escape::shown, output::STANDARD};
use crate::peer::Reading;

/// How long a sealed file is waited for that another program is changing.
pub(super) const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// Reads a file of at most `limit` bytes, or standard input if it is called `-`. No more is read of one that is longer,
/// or that has no end.
pub(super) fn read_file(path: &Path, limit: u64) -> anyhow::Result<Vec<u8>> {
    if path.as_os_str() == STANDARD {
        return read_to_end(io::stdin().lock(), limit, "standard input");
    }
    let name = shown(path);
    let file = File::open(path).with_context(|| name.clone())?;
    read_to_end(file, limit, &name)
}

/// Reads a sealed file as a whole: not while its permission block is being changed. Waits for that so long.
pub(super) fn read_sealed(path: &Path, patience: Duration) -> anyhow::Result<Vec<u8>> {
    // Nobody changes what comes out of a pipe. What is not there is told by whoever opens it.
    if fs::metadata(path).is_ok_and(|data| !data.is_file()) || path.as_os_str() == STANDARD {
        return read_file(path, SEALED_LIMIT);
    }
    Reading::open(path, patience).and_then(|copy| copy.bytes()).with_context(|| shown(path))
}

fn read_to_end(from: impl Read, limit: u64, name: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(limit + 1).read_to_end(&mut bytes).with_context(|| name.to_owned())?;
    anyhow::ensure!(bytes.len() as u64 <= limit, "{name}: more than {limit} bytes long, which is the limit");
    Ok(bytes)
}

/// Refuses to write where something is read from, whatever the two are called.
pub(super) fn ensure_apart(input: &Path, output: &Path) -> anyhow::Result<()> {
    if input.as_os_str() == STANDARD || output.as_os_str() == STANDARD {
        return Ok(());
    }
    let identity = |path: &Path| fs::metadata(path).ok().map(|data| (data.dev(), data.ino()));
    let same = identity(input).is_some_and(|input| identity(output) == Some(input));
    anyhow::ensure!(!same && input != output, "{} would be overwritten", shown(input));
    Ok(())
}

/// Refuses to read standard input twice: there would be nothing left.
pub(super) fn ensure_read_once<'a>(inputs: impl IntoIterator<Item = &'a Path>) -> anyhow::Result<()> {
    let standard = inputs.into_iter().filter(|input| input.as_os_str() == STANDARD).count();
    anyhow::ensure!(standard <= 1, "-: standard input can be read once, and is named {standard} times");
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
    fn what_is_read_is_not_written_under_another_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("photo");
        let other = folder.path().join(".").join("photo");
        assert!(ensure_apart(&path, &path).is_err(), "even before it exists");
        fs::write(&path, "photo").unwrap();
        assert!(ensure_apart(&path, &other).is_err());
        assert!(ensure_apart(&path, &folder.path().join("another")).is_ok());
        assert!(ensure_apart(Path::new(STANDARD), Path::new(STANDARD)).is_ok());
    }

    #[test]
    fn standard_input_is_read_once() {
        let [standard, file] = [STANDARD, "photo.png"].map(Path::new);
        assert!(ensure_read_once([standard, file]).is_ok());
        assert!(ensure_read_once([standard, standard]).is_err());
    }
}
