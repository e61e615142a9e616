//! Which image a command is about.

use std::path::Path;

use anyhow::Context;

use super::{SEALED_LIMIT, read_file};
use crate::{directory::ImageId, seal::SealedFile};

/// The image that a user names by its id, or by the sealed file.
pub(super) fn image_of(text: &str) -> anyhow::Result<ImageId> {
    match text.parse::<ImageId>() {
        Ok(id) => Ok(id),
        Err(not_an_id) => {
            let path = Path::new(text);
            anyhow::ensure!(path.exists(), "{not_an_id}, and there is no such file");
            let bytes = read_file(path, SEALED_LIMIT)?;
            Ok(SealedFile::read(&bytes).with_context(|| text.to_owned())?.block.unverified().image)
        }
    }
}
