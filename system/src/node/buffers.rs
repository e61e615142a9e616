//! Buffers for sealed images, used again once an image was sent: fresh pages of memory cost more than what is
//! written into them.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::seal::Scratch;

/// The largest buffer that is kept, in bytes. What is larger is rare, and given back.
const LARGEST_KEPT: usize = 1 << 20;

#[derive(Debug, Default)]
struct Free {
    scratches: Vec<Scratch>,
    pngs: Vec<Vec<u8>>,
}

/// Buffers that nobody uses: at most `limit` of each kind.
#[derive(Debug)]
pub(super) struct Buffers {
    free: Mutex<Free>,
    limit: usize,
}

impl Buffers {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { free: Mutex::default(), limit })
    }

    /// What one sealing writes into: used before, if there is any.
    pub(super) fn take(&self) -> (Scratch, Vec<u8>) {
        let mut free = self.free.lock();
        (free.scratches.pop().unwrap_or_default(), free.pngs.pop().unwrap_or_default())
    }

    /// Gives the image away; its buffer comes back when the last who has it lets it go.
    pub(super) fn lend(self: &Arc<Self>, scratch: Scratch, png: Vec<u8>) -> Bytes {
        let mut free = self.free.lock();
        if free.scratches.len() < self.limit && scratch.capacity() <= LARGEST_KEPT {
            free.scratches.push(scratch);
        }
        drop(free);
        Bytes::from_owner(Lent { png, home: self.clone() })
    }
}

struct Lent {
    png: Vec<u8>,
    home: Arc<Buffers>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.png
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut free = self.home.free.lock();
        if free.pngs.len() < self.home.limit && self.png.capacity() <= LARGEST_KEPT {
            free.pngs.push(std::mem::take(&mut self.png));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lend(buffers: &Arc<Buffers>, size: usize) -> Bytes {
        buffers.lend(Scratch::default(), vec![7; size])
    }

    #[test]
    fn a_buffer_comes_back_when_the_last_lets_it_go() {
        let buffers = Buffers::new(1);
        let image = lend(&buffers, 1_000);
        let part = image.slice(10..20);
        drop(image);
        assert_eq!(buffers.take().1.capacity(), 0, "part of it is still held");
        assert_eq!(part[..], [7; 10]);
        drop(part);
        assert_eq!(buffers.take().1.capacity(), 1_000);
    }

    #[test]
    fn no_more_is_kept_than_the_limits_say() {
        let buffers = Buffers::new(1);
        drop(lend(&buffers, LARGEST_KEPT + 1));
        assert_eq!(buffers.take().1.capacity(), 0);
        drop((lend(&buffers, 1), lend(&buffers, 2)));
        assert!(buffers.take().1.capacity() > 0);
        assert_eq!(buffers.take().1.capacity(), 0);
    }
}
