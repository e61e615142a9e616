//! The image of a node: one static executable and nothing else, made from the program that is running.

use std::{
    io,
    path::{Path, PathBuf},
};

use bollard::{models::ImageInspect, query_parameters::BuildImageOptionsBuilder};
use futures_util::StreamExt;

use super::engine::{Engine, failed};
use crate::cluster::ClusterError;

/// The recipe, which `docker/build.sh` follows too.
const RECIPE: &str = include_str!("../../../../docker/Dockerfile");
/// The name of all images that are made here; the tag is the hash of what is in them.
const NAME: &str = "veil-node";

/// An image that the engine has.
#[derive(Debug, Clone)]
pub(super) struct Image {
    /// Its content's hash, as the engine computes it.
    pub(super) id: String,
    /// Its size.
    pub(super) bytes: u64,
}

/// Makes sure that the engine has the image of this executable. It is made only when there is none yet of
/// just these bytes.
pub(super) async fn ensure(engine: &Engine, program: &Path) -> Result<Image, ClusterError> {
    let path = program.to_owned();
    let read = tokio::task::spawn_blocking(move || Executable::read(&path));
    let executable = read.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
    let tag = format!("{NAME}:{}", executable.tag());
    if let Ok(found) = engine.docker.inspect_image(&tag).await {
        return Ok(image(found));
    }
    let packing = tokio::task::spawn_blocking(move || executable.context());
    let context = packing.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
    let options = BuildImageOptionsBuilder::default().t(&tag).rm(true).forcerm(true).build();
    let mut steps = engine.docker.build_image(options, None, Some(bollard::body_full(context.into())));
    while let Some(step) = steps.next().await {
        step.map_err(failed(format!("make the image {tag}")))?;
    }
    let found = engine.docker.inspect_image(&tag).await;
    Ok(image(found.map_err(failed(format!("make the image {tag}")))?))
}

fn image(found: ImageInspect) -> Image {
    Image { id: found.id.unwrap_or_default(), bytes: found.size.and_then(|s| s.try_into().ok()).unwrap_or(0) }
}

/// A program's bytes.
struct Executable {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Executable {
    /// Reads a program that needs no other file to run.
    fn read(path: &Path) -> Result<Self, ClusterError> {
        let bytes =
            std::fs::read(path).map_err(|source| ClusterError::Io { path: path.to_owned(), source })?;
        if needs_interpreter(&bytes) {
            return Err(ClusterError::NotStatic { path: path.to_owned() });
        }
        Ok(Self { path: path.to_owned(), bytes })
    }

    /// Names the content of the image.
    fn tag(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(RECIPE.as_bytes()).update(&self.bytes);
        hasher.finalize().to_hex()[..16].to_owned()
    }

    /// The build context, a tar archive.
    fn context(self) -> Result<Vec<u8>, ClusterError> {
        let Self { path, bytes } = self;
        // Line tables are two thirds of the file. Without binutils the image is larger, and works.
        let bytes = stripped(&path).unwrap_or_else(|error| {
            tracing::warn!(%error, "strip has failed: the image keeps its debug information");
            bytes
        });
        let packed = || {
            let mut archive = tar::Builder::new(Vec::new());
            let file = |bytes: &[u8], mode| {
                let mut header = tar::Header::new_gnu();
                header.set_size(bytes.len() as u64);
                header.set_mode(mode);
                header
            };
            let recipe = RECIPE.as_bytes();
            archive.append_data(&mut file(recipe, 0o644), "Dockerfile", recipe)?;
            archive.append_data(&mut file(&bytes, 0o755), "veil", &*bytes)?;
            let mut data = file(&[], 0o755);
            data.set_entry_type(tar::EntryType::Directory);
            archive.append_data(&mut data, "data/", io::empty())?;
            archive.into_inner()
        };
        packed().map_err(|source| ClusterError::Io { path, source })
    }
}

/// The program without debug information.
fn stripped(program: &Path) -> io::Result<Vec<u8>> {
    let folder = std::env::temp_dir().join(format!("veil-strip-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let to = folder.join("veil");
    let run =
        std::process::Command::new("strip").arg("--strip-debug").arg("-o").arg(&to).arg(program).status();
    let read = match run {
        Ok(status) if status.success() => std::fs::read(&to),
        Ok(status) => Err(io::Error::other(format!("strip: {status}"))),
        Err(error) => Err(error),
    };
    let _ = std::fs::remove_dir_all(&folder);
    read
}

/// Whether an ELF file names a dynamic linker (`PT_INTERP`; System V ABI, chapter 5). What is no ELF file is
/// for the engine to refuse.
fn needs_interpreter(elf: &[u8]) -> bool {
    const PT_INTERP: u32 = 3;
    let word = |at: usize| Some(u16::from_le_bytes(elf.get(at..at + 2)?.try_into().ok()?));
    let headers = || {
        let at = u64::from_le_bytes(elf.get(0x20..0x28)?.try_into().ok()?) as usize;
        Some((at, usize::from(word(0x36)?), usize::from(word(0x38)?)))
    };
    if elf.get(..6) != Some(b"\x7fELF\x02\x01") {
        return false;
    }
    let Some((at, size, count)) = headers() else { return false };
    (0..count).any(|number| {
        let kind = number.checked_mul(size).and_then(|offset| at.checked_add(offset));
        let kind = kind.and_then(|start| elf.get(start..start.checked_add(4)?));
        kind.is_some_and(|kind| kind == PT_INTERP.to_le_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_is_static_and_the_shell_is_not() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(!needs_interpreter(&own));
        assert!(needs_interpreter(&std::fs::read("/bin/sh").unwrap()));
        assert!(!needs_interpreter(b"#!/bin/sh"));
        assert!(!needs_interpreter(b"\x7fELF\x02\x01"));
    }

    #[test]
    fn a_context_holds_recipe_program_and_data_folder() {
        let path = std::env::current_exe().unwrap();
        let context = Executable::read(&path).unwrap().context().unwrap();
        let mut archive = tar::Archive::new(&context[..]);
        let names: Vec<_> =
            archive.entries().unwrap().map(|e| e.unwrap().path().unwrap().into_owned()).collect();
        assert_eq!(names, ["Dockerfile", "veil", "data"].map(PathBuf::from));
    }
}
