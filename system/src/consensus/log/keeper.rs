//! Makes segments ahead of their use and removes those of no more use, on a thread of its own: commits do not wait
//! for either.

use std::{io, sync::Arc, thread::JoinHandle};

use crossbeam_channel::{Receiver, Sender};

use super::record;
use crate::consensus::disk::{SegmentFile, Segments};

/// Segments that are longer than most are so by multiples of this, bytes.
const BLOCK: u64 = 4 << 10;

enum Chore {
    Make(u64),
    /// Oldest first.
    Remove(Vec<u64>),
}

/// A segment of the log.
#[derive(Clone)]
pub(super) struct Segment {
    pub number: u64,
    pub length: u64,
    pub file: Arc<dyn SegmentFile>,
}

/// The thread. It ends, and is waited for, when this is dropped.
pub(super) struct Keeper {
    segments: Arc<dyn Segments>,
    /// The length of segments, bytes.
    length: u64,
    chores: Option<Sender<Chore>>,
    made: Receiver<io::Result<Segment>>,
    thread: Option<JoinHandle<()>>,
}

/// Makes a segment in which nothing is.
pub(super) fn make(segments: &dyn Segments, number: u64, length: u64) -> io::Result<Segment> {
    let file = segments.create(number, &record::head(number, length), length)?;
    Ok(Segment { number, length, file })
}

impl Keeper {
    pub(super) fn start(segments: Arc<dyn Segments>, length: u64) -> io::Result<Self> {
        let (chores, orders) = crossbeam_channel::unbounded();
        let (making, made) = crossbeam_channel::unbounded();
        let thread_segments = segments.clone();
        let thread = std::thread::Builder::new().name("veil-log-files".to_owned()).spawn(move || {
            let segments = thread_segments;
            for chore in orders {
                match chore {
                    Chore::Make(number) => {
                        let segment = make(&*segments, number, length);
                        if let Err(error) = &segment {
                            tracing::warn!(%error, "no room was set aside for the log to go on in");
                        }
                        // Who asked may have ended.
                        let _ = making.send(segment);
                    }
                    Chore::Remove(numbers) => {
                        // No further than to the first that stays: there is no gap in the numbers that remain.
                        let removed = numbers.iter().try_for_each(|number| segments.remove(*number));
                        if let Err(error) = removed {
                            tracing::warn!(%error, "an old segment of the log stays behind");
                        }
                    }
                }
            }
        })?;
        Ok(Self { segments, length, chores: Some(chores), made, thread: Some(thread) })
    }

    fn order(&self, chore: Chore) {
        // The thread lives as long as the sender.
        let _ = self.chores.as_ref().map(|chores| chores.send(chore));
    }

    /// Has the next segment made.
    pub(super) fn prepare(&self, number: u64) {
        self.order(Chore::Make(number));
    }

    /// The segment that was [prepared](Self::prepare), or another one, if there is none or it has less than `least` bytes.
    pub(super) fn take(&self, number: u64, least: u64) -> io::Result<Segment> {
        match self.made.recv() {
            Ok(Ok(segment)) if segment.length >= least => Ok(segment),
            _ => make(&*self.segments, number, least.next_multiple_of(BLOCK).max(self.length)),
        }
    }

    pub(super) fn remove(&self, numbers: Vec<u64>) {
        self.order(Chore::Remove(numbers));
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.chores.take());
        if let Some(thread) = self.thread.take() {
            // It does not panic, and if it did nothing would be lost.
            let _ = thread.join();
        }
    }
}
