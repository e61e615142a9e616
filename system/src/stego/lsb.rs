//! The kernel: bytes into the low bits of channels, and back.
//!
//! The bits of a byte go into consecutive channels, lowest bits first: at one bit a channel, bit 0 of
//! the first byte is the lowest bit of channel 0. Eight channels are handled at once as one 64-bit word.

use super::StegoError;

/// How many low bits of a channel carry payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Density {
    /// One bit: the picture looks unchanged.
    One,
    /// Two bits.
    Two,
    /// Four bits: the picture is visibly grainy.
    Four,
}

impl Density {
    /// Every density, lowest first.
    pub const ALL: [Self; 3] = [Self::One, Self::Two, Self::Four];

    /// Bits a channel: 1, 2 or 4.
    pub fn bits(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Four => 4,
        }
    }

    /// The density of so many bits a channel, if there is one.
    pub fn from_bits(bits: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|density| density.bits() == bits)
    }

    /// How many channels one byte takes: 8, 4 or 2.
    pub fn channels_per_byte(self) -> usize {
        8 / usize::from(self.bits())
    }
}

/// Hides `bytes` in the first channels, `density` bits each; the channels after them stay as they are.
///
/// # Errors
/// [`StegoError::DoesNotFit`] when there are too few channels; none has been changed then.
pub fn embed(density: Density, channels: &mut [u8], bytes: &[u8]) -> Result<(), StegoError> {
    check_room(density, channels.len(), bytes.len())?;
    match density {
        Density::One => embed_words::<1>(channels, bytes),
        Density::Two => embed_words::<2>(channels, bytes),
        Density::Four => embed_words::<4>(channels, bytes),
    }
    Ok(())
}

/// Reads `bytes.len()` bytes back from the first channels.
///
/// # Errors
/// [`StegoError::DoesNotFit`] when there are too few channels for as many bytes.
pub fn extract(density: Density, channels: &[u8], bytes: &mut [u8]) -> Result<(), StegoError> {
    check_room(density, channels.len(), bytes.len())?;
    match density {
        Density::One => extract_words::<1>(channels, bytes),
        Density::Two => extract_words::<2>(channels, bytes),
        Density::Four => extract_words::<4>(channels, bytes),
    }
    Ok(())
}

fn check_room(density: Density, channels: usize, bytes: usize) -> Result<(), StegoError> {
    let available = channels / density.channels_per_byte();
    if bytes <= available {
        Ok(())
    } else {
        Err(StegoError::DoesNotFit { needed: bytes as u64, available: available as u64 })
    }
}

/// A mask of `8 / every` groups, each the lowest `bits` bits of `every` bytes.
const fn groups(bits: usize, every: usize) -> u64 {
    let unit = match every {
        1 => 0x0101_0101_0101_0101,
        2 => 0x0001_0001_0001_0001,
        _ => 0x0000_0001_0000_0001,
    };
    unit * ((1 << bits) - 1)
}

/// Moves eight groups of `B` bits, close together at the low end, into the low bits of eight bytes.
#[inline(always)]
fn spread<const B: usize>(packed: u64) -> u64 {
    let x = (packed | packed << (32 - 4 * B)) & groups(4 * B, 4);
    let x = (x | x << (16 - 2 * B)) & groups(2 * B, 2);
    (x | x << (8 - B)) & groups(B, 1)
}

/// The inverse of [`spread`]; the other bits of `word` are ignored.
#[inline(always)]
fn gather<const B: usize>(word: u64) -> u64 {
    let x = word & groups(B, 1);
    let x = (x | x >> (8 - B)) & groups(2 * B, 2);
    let x = (x | x >> (16 - 2 * B)) & groups(4 * B, 4);
    x | x >> (32 - 4 * B)
}

// Both kernels take B bytes and 8 channels a step. The last bytes, fewer than B, fill a part of a step.

fn embed_words<const B: usize>(channels: &mut [u8], bytes: &[u8]) {
    let (steps, rest) = bytes.as_chunks::<B>();
    let (head, tail) = channels.split_at_mut(steps.len() * 8);
    for (eight, step) in head.as_chunks_mut::<8>().0.iter_mut().zip(steps) {
        let mut packed = [0; 8];
        packed[..B].copy_from_slice(step);
        let kept = u64::from_le_bytes(*eight) & !groups(B, 1);
        *eight = (kept | spread::<B>(u64::from_le_bytes(packed))).to_le_bytes();
    }
    let mut packed = [0; 8];
    packed[..rest.len()].copy_from_slice(rest);
    let spread = spread::<B>(u64::from_le_bytes(packed)).to_le_bytes();
    let low = groups(B, 1) as u8;
    for (channel, bits) in tail.iter_mut().zip(&spread[..rest.len() * 8 / B]) {
        *channel = (*channel & !low) | bits;
    }
}

fn extract_words<const B: usize>(channels: &[u8], bytes: &mut [u8]) {
    let (steps, rest) = bytes.as_chunks_mut::<B>();
    let (head, tail) = channels.split_at(steps.len() * 8);
    for (step, eight) in steps.iter_mut().zip(head.as_chunks::<8>().0) {
        let packed = gather::<B>(u64::from_le_bytes(*eight)).to_le_bytes();
        step.copy_from_slice(&packed[..B]);
    }
    let mut word = [0; 8];
    let used = rest.len() * 8 / B;
    word[..used].copy_from_slice(&tail[..used]);
    let packed = gather::<B>(u64::from_le_bytes(word)).to_le_bytes();
    rest.copy_from_slice(&packed[..rest.len()]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, bit by bit.
    fn naive(density: Density, channels: &mut [u8], bytes: &[u8]) {
        let bits = usize::from(density.bits());
        for i in 0..bytes.len() * 8 {
            let bit = bytes[i / 8] >> (i % 8) & 1;
            let place = i % bits;
            let channel = &mut channels[i / bits];
            *channel = *channel & !(1 << place) | bit << place;
        }
    }

    fn density() -> impl Strategy<Value = Density> {
        prop::sample::select(&Density::ALL[..])
    }

    proptest! {
        #[test]
        fn the_kernel_equals_the_bit_loop(
            density in density(),
            bytes in prop::collection::vec(any::<u8>(), 0..90),
            cover in prop::collection::vec(any::<u8>(), 720..760),
        ) {
            let mut fast = cover.clone();
            let mut slow = cover;
            embed(density, &mut fast, &bytes).unwrap();
            naive(density, &mut slow, &bytes);
            prop_assert_eq!(&fast, &slow);

            let mut back = vec![0xa5; bytes.len()];
            extract(density, &fast, &mut back).unwrap();
            prop_assert_eq!(back, bytes);
        }

        #[test]
        fn a_payload_needs_all_its_channels(
            density in density(),
            mut channels in prop::collection::vec(any::<u8>(), 0..80),
            bytes in prop::collection::vec(any::<u8>(), 0..50),
        ) {
            let fits = bytes.len() * density.channels_per_byte() <= channels.len();
            let before = channels.clone();
            let done = embed(density, &mut channels, &bytes);
            prop_assert_eq!(done.is_ok(), fits);
            prop_assert!(fits || before == channels);
            prop_assert_eq!(extract(density, &channels, &mut vec![0; bytes.len()]).is_ok(), fits);
        }
    }

    #[test]
    fn the_order_of_bits_is_fixed() {
        let mut channels = [0xff; 8];
        embed(Density::One, &mut channels, &[0b0000_0101]).unwrap();
        assert_eq!(channels, [0xff, 0xfe, 0xff, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe]);
        let mut channels = [0; 4];
        embed(Density::Four, &mut channels, &[0x21, 0x43]).unwrap();
        assert_eq!(channels, [1, 2, 3, 4]);
    }
}
