//! The snapshot on disk.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{Image, SnapshotError, read, write};
use crate::consensus::{
    disk::{Disk, NewSnapshot, SnapshotFile},
    types::{LogId, SnapshotMeta},
};

/// The snapshot on disk. Snapshots are built and received at the same time: an older one never takes
/// the place of a newer, after which the log is no longer there to replay.
pub(in crate::consensus) struct SnapshotStore {
    disk: Arc<dyn Disk>,
    /// What the file holds. Raft looks at it, and must not wait for the disk.
    saved: Mutex<Option<Stored>>,
    /// Held while the file is replaced.
    replacing: Mutex<()>,
    /// The file was found to be damaged: one of the same state takes its place.
    damaged: AtomicBool,
    /// Another one is asked for, before it is due.
    asked: AtomicBool,
    /// Says that either is so.
    wanted: Notify,
}

/// A snapshot on disk. It can be read although a newer one has taken its place.
#[derive(Clone)]
pub struct Stored {
    pub(in crate::consensus) meta: SnapshotMeta,
    pub(in crate::consensus) file: Arc<dyn SnapshotFile>,
}

impl SnapshotStore {
    /// Reads what is on disk.
    pub(in crate::consensus) fn open(disk: Arc<dyn Disk>) -> Result<(Self, Image), SnapshotError> {
        let (mut saved, mut image) = (None, Image::default());
        if let Some(file) = disk.open_snapshot()? {
            image = read::read(file.clone())?;
            saved = Some(Stored { meta: image.meta(), file });
        }
        let (damaged, asked) = (AtomicBool::new(false), AtomicBool::new(false));
        let (saved, replacing) = (Mutex::new(saved), Mutex::new(()));
        Ok((Self { disk, saved, replacing, damaged, asked, wanted: Notify::new() }, image))
    }

    /// Begins one that comes from elsewhere.
    pub(in crate::consensus) fn begin(&self) -> io::Result<Box<dyn NewSnapshot>> {
        self.disk.create_snapshot()
    }

    /// Writes and keeps a snapshot, unless a newer one is there.
    pub(in crate::consensus) fn write(&self, image: &Image) -> Result<(), SnapshotError> {
        let mut file = self.begin()?;
        write::write(image, &mut *file)?;
        file.sync()?;
        Ok(self.keep(image.meta(), &mut *file)?)
    }

    /// Keeps a snapshot that was written, unless a newer one is there.
    pub(in crate::consensus) fn keep(
        &self,
        meta: SnapshotMeta,
        file: &mut dyn NewSnapshot,
    ) -> io::Result<()> {
        let _one = self.replacing.lock();
        let newer = self.saved.lock().as_ref().is_none_or(|saved| {
            let damaged = self.damaged.load(Ordering::SeqCst);
            meta.last_log_id > saved.meta.last_log_id || damaged && meta.last_log_id == saved.meta.last_log_id
        });
        if newer {
            let file = file.commit()?;
            *self.saved.lock() = Some(Stored { meta, file });
            self.damaged.store(false, Ordering::SeqCst);
        }
        self.asked.store(false, Ordering::SeqCst);
        Ok(())
    }

    /// The newest snapshot.
    pub(in crate::consensus) fn newest(&self) -> Option<Stored> {
        self.saved.lock().clone()
    }

    /// The last entry in the newest snapshot.
    pub(in crate::consensus) fn last_covered(&self) -> Option<LogId> {
        self.saved.lock().as_ref().and_then(|saved| saved.meta.last_log_id)
    }

    /// The index of the last entry in the newest snapshot.
    pub(in crate::consensus) fn covers(&self) -> u64 {
        self.last_covered().map_or(0, |log_id| log_id.index)
    }

    /// `stored` cannot be read: if it is still the newest, another one is made in its place.
    pub(in crate::consensus) fn report_damage(&self, stored: &Stored) {
        let saved = self.saved.lock();
        if saved.as_ref().is_some_and(|saved| Arc::ptr_eq(&saved.file, &stored.file)) {
            self.damaged.store(true, Ordering::SeqCst);
            self.wanted.notify_one();
        }
    }

    /// Has another one be made before it is due.
    pub(in crate::consensus) fn ask_for_another(&self) {
        self.asked.store(true, Ordering::SeqCst);
        self.wanted.notify_one();
    }

    /// Whether another one is to be made, whether or not it is due.
    pub(in crate::consensus) fn is_wanted(&self) -> bool {
        self.damaged.load(Ordering::SeqCst) || self.asked.load(Ordering::SeqCst)
    }

    /// Waits until another one is wanted.
    pub(in crate::consensus) async fn wanted(&self) {
        self.wanted.notified().await;
    }
}
