//! Adler-32 (RFC 1950, section 8.2) of parts, put together.
//!
//! The sum of a whole stream follows from the sums of its parts, so that a part can be replaced without
//! looking at the rest.

const BASE: u32 = 65_521;

/// The checksum of some bytes and how many they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Adler-32 of the bytes.
    pub sum: u32,
    /// How many bytes.
    pub len: u64,
}

impl Part {
    /// No bytes.
    pub const EMPTY: Self = Self { sum: 1, len: 0 };

    /// The checksum of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut part = Self::EMPTY;
        part.extend(bytes);
        part
    }

    /// Lets `bytes` follow.
    pub fn extend(&mut self, bytes: &[u8]) {
        let mut adler = simd_adler32::Adler32::from_checksum(self.sum);
        adler.write(bytes);
        *self = Self { sum: adler.finish(), len: self.len + bytes.len() as u64 };
    }

    /// The checksum of these bytes and those of `next` after them.
    pub fn then(self, next: Self) -> Self {
        let halves = |sum: u32| (sum & 0xffff, sum >> 16);
        let ((a1, b1), (a2, b2)) = (halves(self.sum), halves(next.sum));
        // Every byte of the first part stands `next.len` times more in the sum of sums. Each part began at
        // a = 1, the whole does once.
        let len = (next.len % u64::from(BASE)) as u32;
        let before = (a1 + BASE - 1) % BASE;
        let a = (before + a2) % BASE;
        let shifted = (u64::from(before) * u64::from(len) % u64::from(BASE)) as u32;
        let b = (b1 + b2 + shifted) % BASE;
        Self { sum: b << 16 | a, len: self.len + next.len }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_sum_is_held_still() {
        assert_eq!(Part::of(b"Wikipedia"), Part { sum: 0x11e6_0398, len: 9 });
        assert_eq!(Part::EMPTY.then(Part::of(b"Wiki")).then(Part::of(b"pedia")).sum, 0x11e6_0398);
    }

    proptest! {
        #[test]
        fn parts_make_the_whole(
            first in prop::collection::vec(any::<u8>(), 0..5_000),
            second in prop::collection::vec(200u8.., 0..70_000),
        ) {
            let whole = Part::of(&[first.clone(), second.clone()].concat());
            prop_assert_eq!(Part::of(&first).then(Part::of(&second)), whole);
        }
    }
}
