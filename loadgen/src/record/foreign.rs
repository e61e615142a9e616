//! Opens files of a run directory, which a stranger may have made: only plain files, never through a link, and none
//! that is larger than what such a file can be.

use std::{
    fs::{File, Metadata},
    io::{self, Read as _},
    os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _},
    path::{Component, Path},
};

use rustix::fs::{CWD, Mode, OFlags, openat};

use super::{Bounds, RecordError};

/// Opens the file at `path` for reading, if it is a plain file of at most `limit` bytes.
///
/// # Errors
/// When it cannot be opened, is a link, a folder, a pipe or a device, or is larger.
pub fn open(path: &Path, limit: u64) -> Result<File, RecordError> {
    // A pipe or a device may act when it is opened, so it is looked at first; it may be another one by then, so what
    // was opened is looked at again.
    check_type(path, &path.symlink_metadata().map_err(|e| RecordError::io(path, e))?)?;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(|e| RecordError::io(path, e))?;
    let about = file.metadata().map_err(|e| RecordError::io(path, e))?;
    check_type(path, &about)?;
    Bounds::of(path).most("size in bytes", about.len(), limit)?;
    Ok(file)
}

/// Reads the file at `path`, if it is a plain file of at most `limit` bytes.
///
/// # Errors
/// As [`open`].
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, RecordError> {
    let mut bytes = Vec::new();
    // It may grow while it is read.
    let file = open(path, limit)?.take(limit.saturating_add(1));
    io::BufReader::new(file).read_to_end(&mut bytes).map_err(|e| RecordError::io(path, e))?;
    Bounds::of(path).most("size in bytes", bytes.len() as u64, limit)?;
    Ok(bytes)
}

/// [`read`], of a file of text.
///
/// # Errors
/// As [`open`], and when it is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> Result<String, RecordError> {
    String::from_utf8(read(path, limit)?).map_err(|e| RecordError::malformed(path, e))
}

/// Opens a plain file somewhere in a folder. No step of the way there is a link, and none leads out of the folder.
///
/// # Errors
/// When it cannot be opened, or is no plain file.
pub fn open_inside(folder: &Path, way: &Path) -> io::Result<File> {
    let step = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut place = openat(CWD, folder, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut steps = way.components().peekable();
    while let Some(next) = steps.next() {
        let Component::Normal(name) = next else { break };
        if steps.peek().is_some() {
            place = openat(&place, name, step, Mode::empty())?;
            continue;
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(openat(&place, name, flags, Mode::empty())?);
        return if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a file")) };
    }
    Err(io::Error::other("not a way inside of the folder"))
}

fn check_type(path: &Path, about: &Metadata) -> Result<(), RecordError> {
    let kind = about.file_type();
    let what = if kind.is_file() {
        return Ok(());
    } else if kind.is_symlink() {
        "a link"
    } else if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a pipe"
    } else {
        "a socket or a device"
    };
    Err(RecordError::NotAFile { path: path.to_owned(), what })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn a_file_as_large_as_it_may_be_is_read_and_a_larger_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.txt");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        let error = read(&path, 4).unwrap_err().to_string();
        assert!(error.ends_with("some.txt: size in bytes is 5, the limit is 4"), "{error}");
    }

    #[test]
    fn only_plain_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "1").unwrap();
        symlink("file", folder.path().join("link")).unwrap();
        fs::create_dir(folder.path().join("folder")).unwrap();
        for (name, what) in [("link", "is a link, not a file"), ("folder", "is a folder, not a file")] {
            let error = open(&folder.path().join(name), 9).unwrap_err().to_string();
            assert!(error.ends_with(what), "{error}");
        }
        let error = open(Path::new("/dev/zero"), 9).unwrap_err().to_string();
        assert!(error.ends_with("is a socket or a device, not a file"), "{error}");
    }

    #[test]
    fn no_way_inside_of_a_folder_leads_out_of_it() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("inner");
        fs::create_dir_all(folder.join("a/b")).unwrap();
        fs::write(folder.join("a/b/log"), "1").unwrap();
        fs::write(root.path().join("secret"), "2").unwrap();
        symlink(root.path(), folder.join("out")).unwrap();
        symlink("../../secret", folder.join("a/link")).unwrap();
        assert!(open_inside(&folder, Path::new("a/b/log")).is_ok());
        for way in ["out/secret", "a/link", "../secret", "/etc/passwd", "a/b", "", "a/../../secret"] {
            assert!(open_inside(&folder, Path::new(way)).is_err(), "{way}");
        }
    }
}
