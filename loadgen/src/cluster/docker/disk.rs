//! A node's volume: filling it, freeing it, and taking a copy of it.

use std::path::Path;

use bollard::{
    body_full, body_stream,
    errors::Error,
    query_parameters::{DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::{
    container::{DATA, Spec},
    engine::{Engine, failed},
};
use crate::cluster::ClusterError;

/// The file that takes the space.
const BALLAST: &str = "ballast";
/// It is sent in pieces of zeros of this size, bytes.
const PIECE: u64 = 1 << 20;
/// What an engine says, in words of the operating system, when a volume is full.
const FULL: &str = "no space left on device";

/// Fills what is left of a node's volume, which has to be of limited size.
pub(super) async fn fill(engine: &Engine, spec: &Spec) -> Result<(), ClusterError> {
    let what = || format!("fill the volume {}", spec.name);
    let Some(size) = spec.limits.disk_bytes else {
        let error = "its size is not limited".to_owned();
        return Err(failed(what())(Error::DockerStreamError { error }));
    };
    let zeros = Bytes::from(vec![0; PIECE as usize]);
    let pieces = (0..size.div_ceil(PIECE)).map(move |_| zeros.clone());
    let archive = stream::iter(std::iter::once(Bytes::from(header(size))).chain(pieces));
    let into = UploadToContainerOptionsBuilder::default().path(DATA).build();
    // A file of the size of the volume does not fit: what is there already takes space too.
    match engine.docker.upload_to_container(&spec.keeper(), Some(into), body_stream(archive)).await {
        Err(Error::DockerResponseServerError { message, .. }) if message.contains(FULL) => Ok(()),
        Err(error) => Err(failed(what())(error)),
        Ok(()) => Err(failed(what())(Error::DockerStreamError { error: "there is space left".to_owned() })),
    }
}

/// Gives the space back.
pub(super) async fn free(engine: &Engine, spec: &Spec) -> Result<(), ClusterError> {
    let into = UploadToContainerOptionsBuilder::default().path(DATA).build();
    let empty = body_full(Bytes::from(header(0)));
    let freed = engine.docker.upload_to_container(&spec.keeper(), Some(into), empty).await;
    freed.map_err(failed(format!("free the volume {}", spec.name)))
}

/// The beginning of a tar archive that holds the ballast.
fn header(size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o600);
    // The name is short, so it fits.
    let _ = header.set_path(BALLAST);
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// Copies all that a node has stored into a folder of this machine.
pub(super) async fn copy(engine: &Engine, spec: &Spec, to: &Path) -> Result<(), ClusterError> {
    let from = DownloadFromContainerOptionsBuilder::default().path(DATA).build();
    let mut archive = Vec::new();
    let mut pieces = engine.docker.download_from_container(&spec.name, Some(from));
    while let Some(piece) = pieces.next().await {
        archive.extend_from_slice(&piece.map_err(failed(format!("copy the volume {}", spec.name)))?);
    }
    let unpacked = tar::Archive::new(&archive[..]).unpack(to);
    unpacked.map_err(|source| ClusterError::Io { path: to.to_owned(), source })
}
