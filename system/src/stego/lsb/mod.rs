//! The kernel: bytes into the low bits of channels, and back.
//!
//! The bits of a byte go into consecutive channels, lowest bits first: at one bit a channel, bit 0 of
//! the first byte is the lowest bit of channel 0. Many channels are handled at once: 32 where the CPU has
//! AVX2, else eight. The outcome is the same.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod words;

#[cfg(target_arch = "x86_64")]
use self::avx2::Avx2;
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

    /// The bits of a channel that carry payload.
    #[inline(always)]
    fn low(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two => 3,
            Self::Four => 15,
        }
    }

    /// By how much a channel goes down at most, away from the ends of its range.
    #[inline(always)]
    fn down(self) -> u8 {
        self.low() / 2 + 1
    }

    /// The value that carries `bits` in the place of `channel`: at one bit a channel the other bits stay, so
    /// that a block can be replaced again and again and the picture stays what it was; else the value
    /// nearest to it. Just to replace the low bits would shift a flat area towards the middle of what they
    /// can be, each colour another way, and be 2 to 3 dB worse.
    #[inline(always)]
    fn nearest(self, channel: u8, bits: u8) -> u8 {
        let from = match self {
            Self::One => channel & !1,
            Self::Two | Self::Four => channel.saturating_sub(self.down()).min(!self.low()),
        };
        from + (bits.wrapping_sub(from) & self.low())
    }
}

/// Hides `bytes` in the first channels, `density` bits each; the channels after them stay as they are.
///
/// # Errors
/// [`StegoError::DoesNotFit`] when there are too few channels; none has been changed then.
pub fn embed(density: Density, channels: &mut [u8], bytes: &[u8]) -> Result<(), StegoError> {
    check_room(density, channels.len(), bytes.len())?;
    #[cfg(target_arch = "x86_64")]
    if let Some(avx2) = Avx2::detect() {
        avx2.embed(density, channels, bytes);
        return Ok(());
    }
    words::embed(density, channels, bytes);
    Ok(())
}

/// Reads `bytes.len()` bytes back from the first channels.
///
/// # Errors
/// [`StegoError::DoesNotFit`] when there are too few channels for as many bytes.
pub fn extract(density: Density, channels: &[u8], bytes: &mut [u8]) -> Result<(), StegoError> {
    check_room(density, channels.len(), bytes.len())?;
    #[cfg(target_arch = "x86_64")]
    if let Some(avx2) = Avx2::detect() {
        avx2.extract(density, channels, bytes);
        return Ok(());
    }
    words::extract(density, channels, bytes);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, bit by bit, and then the nearest value that has these bits.
    fn naive(density: Density, channels: &mut [u8], bytes: &[u8]) {
        let bits = usize::from(density.bits());
        let before = channels.to_vec();
        for i in 0..bytes.len() * 8 {
            let bit = bytes[i / 8] >> (i % 8) & 1;
            let place = i % bits;
            let channel = &mut channels[i / bits];
            *channel = *channel & !(1 << place) | bit << place;
        }
        if density != Density::One {
            for (channel, before) in channels.iter_mut().zip(before) {
                let step = 1 << bits;
                let same = (0..=255u8).filter(|value| value % step == *channel % step);
                // Of two that are as near, the lower.
                *channel = same.min_by_key(|value| value.abs_diff(before)).unwrap();
            }
        }
    }

    #[test]
    fn hiding_the_same_again_changes_nothing_and_no_colour_is_shifted() {
        for density in Density::ALL {
            for value in 0..=255u8 {
                let low = 1u8 << density.bits();
                let carried: Vec<u8> = (0..low).map(|bits| density.nearest(value, bits)).collect();
                for (bits, carried) in (0..low).zip(&carried) {
                    assert_eq!((carried % low, density.nearest(*carried, bits)), (bits, *carried));
                }
                if density != Density::One && (16..240).contains(&value) {
                    let sum: i32 = carried.iter().map(|carried| i32::from(*carried) - i32::from(value)).sum();
                    assert_eq!(2 * sum, -i32::from(low), "half a step down, whatever the value");
                }
            }
        }
    }

    /// AVX2, or a word on the terminal, past the capture of test output, that it goes untested.
    #[cfg(target_arch = "x86_64")]
    fn avx2_or_say() -> Option<Avx2> {
        use std::{io::Write, sync::Once};
        static SAY: Once = Once::new();
        let avx2 = Avx2::detect();
        if avx2.is_none() {
            SAY.call_once(|| {
                let _ = writeln!(std::io::stderr(), "SKIPPED: no AVX2 on this CPU, its kernel is not tested");
            });
        }
        avx2
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

        #[test]
        fn nothing_but_the_channels_of_the_payload_changes_and_these_by_little(
            density in density(),
            start in 0_usize..=40,
            cover in prop::collection::vec(any::<u8>(), 40..2040),
            bytes in prop::collection::vec(any::<u8>(), 1020),
            fill in any::<prop::sample::Index>(),
        ) {
            let bytes = &bytes[..fill.index((cover.len() - start) / density.channels_per_byte() + 1)];
            let end = start + bytes.len() * density.channels_per_byte();
            let mut channels = cover.clone();
            embed(density, &mut channels[start..], bytes).unwrap();
            prop_assert_eq!(&channels[..start], &cover[..start]);
            prop_assert_eq!(&channels[end..], &cover[end..]);
            for (after, before) in channels.iter().zip(&cover) {
                prop_assert!(after.abs_diff(*before) <= density.low());
                prop_assert!(density != Density::One || after >> 1 == before >> 1);
            }
        }

        #[test]
        #[cfg(target_arch = "x86_64")]
        fn avx2_equals_words(
            density in density(),
            start in 0_usize..=40,
            cover in prop::collection::vec(any::<u8>(), 40..2040),
            bytes in prop::collection::vec(any::<u8>(), 1020),
            fill in any::<prop::sample::Index>(),
        ) {
            let Some(avx2) = avx2_or_say() else { return Ok(()) };
            let bytes = &bytes[..fill.index((cover.len() - start) / density.channels_per_byte() + 1)];

            let mut by_vector = vec![0xa5; bytes.len() + 3];
            let mut by_word = by_vector.clone();
            avx2.extract(density, &cover[start..], &mut by_vector[3..]);
            words::extract(density, &cover[start..], &mut by_word[3..]);
            prop_assert_eq!(by_vector, by_word);

            let (mut by_vector, mut by_word) = (cover.clone(), cover);
            avx2.embed(density, &mut by_vector[start..], bytes);
            words::embed(density, &mut by_word[start..], bytes);
            prop_assert_eq!(by_vector, by_word);
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
