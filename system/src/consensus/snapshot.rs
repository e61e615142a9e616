//! The snapshot file: `VEILSNAP`, a version byte, the BLAKE3 of what follows, then bincode.

use std::{io, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{
    disk::Disk,
    types::{LogId, Snapshot, SnapshotMeta, StoredMembership},
};
use crate::{
    directory::Directory,
    wire::codec::{self, CodecError},
};

const MAGIC: &[u8; 8] = b"VEILSNAP";
const VERSION: u8 = 4;
const HEADER: usize = MAGIC.len() + 1 + 32;

/// What a snapshot holds: the state of the machine after its last applied entry.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Image {
    pub applied: Option<LogId>,
    pub membership: StoredMembership,
    pub directory: Directory,
}

impl Image {
    pub(super) fn meta(&self) -> SnapshotMeta {
        SnapshotMeta { last_log_id: self.applied, last_membership: self.membership.clone() }
    }
}

/// Bytes that are not a snapshot of ours.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Too short, or another kind of file.
    #[error("not a snapshot: it does not begin with VEILSNAP")]
    NotASnapshot,
    /// Written by another version.
    #[error("snapshot of version {0}, this program reads {VERSION}")]
    Version(u8),
    /// The checksum does not fit.
    #[error("the snapshot is damaged: its checksum does not fit its content")]
    Damaged,
    /// The content does not decode.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

pub(super) fn write(image: &Image) -> Result<Bytes, SnapshotError> {
    let content = codec::encode(image)?;
    let mut bytes = Vec::with_capacity(HEADER + content.len());
    bytes.extend(MAGIC);
    bytes.push(VERSION);
    bytes.extend(blake3::hash(&content).as_bytes());
    bytes.extend(content);
    Ok(bytes.into())
}

pub(super) fn read(bytes: &[u8]) -> Result<Image, SnapshotError> {
    if bytes.len() < HEADER || &bytes[..8] != MAGIC {
        return Err(SnapshotError::NotASnapshot);
    }
    if bytes[8] != VERSION {
        return Err(SnapshotError::Version(bytes[8]));
    }
    let content = &bytes[HEADER..];
    if blake3::hash(content).as_bytes() != &bytes[9..HEADER] {
        return Err(SnapshotError::Damaged);
    }
    Ok(codec::decode(content)?)
}

/// The snapshot on disk. Snapshots are built and received at the same time: an older one never takes
/// the place of a newer, after which the log is no longer there to replay.
pub(super) struct SnapshotStore {
    disk: Arc<dyn Disk>,
    /// What the file holds. Locked while it is read or written.
    saved: Mutex<Option<SnapshotMeta>>,
}

impl SnapshotStore {
    /// Reads what is on disk.
    pub(super) fn open(disk: Arc<dyn Disk>) -> io::Result<(Self, Image)> {
        let image = match disk.load_snapshot()? {
            Some(bytes) => Some(read(&bytes).map_err(io::Error::other)?),
            None => None,
        };
        let saved = Mutex::new(image.as_ref().map(Image::meta));
        Ok((Self { disk, saved }, image.unwrap_or_default()))
    }

    /// Keeps a snapshot, unless a newer one is there.
    pub(super) fn save(&self, meta: &SnapshotMeta, bytes: &[u8]) -> io::Result<()> {
        let mut saved = self.saved.lock();
        let newer = saved.as_ref().is_none_or(|saved| meta.last_log_id > saved.last_log_id);
        if newer {
            self.disk.save_snapshot(bytes)?;
            *saved = Some(meta.clone());
        }
        Ok(())
    }

    /// The newest snapshot.
    pub(super) fn load(&self) -> io::Result<Option<Snapshot>> {
        let saved = self.saved.lock();
        let Some(meta) = saved.clone() else { return Ok(None) };
        let gone = || io::Error::new(io::ErrorKind::NotFound, "the snapshot file is gone");
        let bytes = self.disk.load_snapshot()?.ok_or_else(gone)?;
        Ok(Some(Snapshot { meta, snapshot: bytes.into() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_comes_back_and_every_flipped_bit_is_found() {
        let bytes = write(&Image::default()).unwrap();
        assert_eq!(read(&bytes).unwrap(), Image::default());
        for index in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[index] ^= 1;
            assert!(read(&damaged).is_err(), "byte {index}");
        }
        assert!(matches!(read(&bytes[..20]), Err(SnapshotError::NotASnapshot)));
    }

    #[test]
    fn an_older_snapshot_never_replaces_a_newer_one() {
        let disk: Arc<dyn Disk> = Arc::new(crate::consensus::disk::Memory::default());
        let (store, _) = SnapshotStore::open(disk.clone()).unwrap();
        let leader = openraft::vote::leader_id_std::CommittedLeaderId::new(1);
        let at = |index| {
            let image = Image { applied: Some(LogId::new(leader, index)), ..Image::default() };
            (image.meta(), write(&image).unwrap())
        };
        let ((new, new_bytes), (old, old_bytes)) = (at(60), at(20));
        store.save(&new, &new_bytes).unwrap();
        store.save(&old, &old_bytes).unwrap();
        let loaded = store.load().unwrap().unwrap();
        assert_eq!((loaded.meta, loaded.snapshot), (new.clone(), new_bytes));
        assert_eq!(SnapshotStore::open(disk).unwrap().1.meta(), new);
    }

    #[test]
    fn golden_bytes_of_an_empty_snapshot() {
        let bytes = write(&Image::default()).unwrap();
        assert_eq!(&bytes[..9], b"VEILSNAP\x04");
        assert_eq!(&bytes[HEADER..], [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
}
