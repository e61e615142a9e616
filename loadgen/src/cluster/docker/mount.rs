//! What of this machine a container sees. Each is a mount of its own, said field by field: in the short form, in which
//! colons part source, target and options, a name with a colon is another mount, or none.

use std::path::Path;

use bollard::models::{Mount, MountType};

use crate::cluster::ClusterError;

/// A folder or file of this machine.
///
/// # Errors
/// [`ClusterError::Unnameable`]: the engine is told of it in JSON, which is text.
pub(super) fn bind(path: &Path, at: impl AsRef<Path>, access: Access) -> Result<Mount, ClusterError> {
    let text = |path: &Path| match path.to_str() {
        Some(text) => Ok(Some(text.to_owned())),
        None => Err(ClusterError::Unnameable { path: path.to_owned() }),
    };
    Ok(Mount {
        target: text(at.as_ref())?,
        source: text(path)?,
        typ: Some(MountType::BIND),
        read_only: Some(access == Access::Read),
        ..Mount::default()
    })
}

/// A volume, by its name.
pub(super) fn volume(name: &str, at: &str) -> Mount {
    Mount {
        target: Some(at.to_owned()),
        source: Some(name.to_owned()),
        typ: Some(MountType::VOLUME),
        ..Mount::default()
    }
}

/// What the container may do there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Nothing but read.
    Read,
    /// Write as well.
    Write,
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

    use super::*;

    #[test]
    fn a_name_is_taken_as_it_is() {
        let odd = Path::new("/a:b/c, d=e/\"f\" -g");
        let mount = bind(odd, "/etc/veil", Access::Read).unwrap();
        assert_eq!(mount.source.as_deref(), odd.to_str());
        assert_eq!((mount.target.as_deref(), mount.read_only), (Some("/etc/veil"), Some(true)));
    }

    #[test]
    fn a_name_that_is_no_text_is_refused() {
        let path = Path::new(OsStr::from_bytes(b"/a\xffb"));
        let error = bind(path, "/etc/veil", Access::Write).unwrap_err().to_string();
        assert!(error.contains("is not UTF-8"), "{error}");
    }
}
