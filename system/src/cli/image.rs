//! Which image a command is about.

use std::{ffi::OsStr, path::Path};

use anyhow::Context;

use super::{escape::shown, file::LOCK_PATIENCE, output::STANDARD, read_sealed};
use crate::{directory::ImageId, seal::SealedFile};

/// The image that a user names by its id, or by the sealed file.
pub(super) fn image_of(named: &OsStr) -> anyhow::Result<ImageId> {
    let path = Path::new(named);
    // What is no text is no id either.
    let text = named.to_string_lossy();
    match text.parse::<ImageId>() {
        Ok(id) => Ok(id),
        Err(not_an_id) => {
            let there = named == STANDARD || path.exists();
            anyhow::ensure!(there, "{not_an_id}, and there is no such file");
            let bytes = read_sealed(path, LOCK_PATIENCE)?;
            Ok(SealedFile::read(&bytes).with_context(|| shown(path))?.block.unverified().image)
        }
    }
}
