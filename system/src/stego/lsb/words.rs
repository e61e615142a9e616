//! The portable kernel: eight channels at once, as one 64-bit word.

use super::Density;

/// As [`super::embed`]; the channels are known to suffice.
pub(super) fn embed(density: Density, channels: &mut [u8], bytes: &[u8]) {
    match density {
        Density::One => embed_words::<1>(density, channels, bytes),
        Density::Two => embed_words::<2>(density, channels, bytes),
        Density::Four => embed_words::<4>(density, channels, bytes),
    }
}

/// As [`super::extract`]; the channels are known to suffice.
pub(super) fn extract(density: Density, channels: &[u8], bytes: &mut [u8]) {
    match density {
        Density::One => extract_words::<1>(channels, bytes),
        Density::Two => extract_words::<2>(channels, bytes),
        Density::Four => extract_words::<4>(channels, bytes),
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

fn embed_words<const B: usize>(density: Density, channels: &mut [u8], bytes: &[u8]) {
    let (steps, rest) = bytes.as_chunks::<B>();
    let (head, tail) = channels.split_at_mut(steps.len() * 8);
    for (eight, step) in head.as_chunks_mut::<8>().0.iter_mut().zip(steps) {
        let mut packed = [0; 8];
        packed[..B].copy_from_slice(step);
        let spread = spread::<B>(u64::from_le_bytes(packed)).to_le_bytes();
        for (channel, bits) in eight.iter_mut().zip(spread) {
            *channel = density.nearest(*channel, bits);
        }
    }
    let mut packed = [0; 8];
    packed[..rest.len()].copy_from_slice(rest);
    let spread = spread::<B>(u64::from_le_bytes(packed)).to_le_bytes();
    for (channel, bits) in tail.iter_mut().zip(&spread[..rest.len() * 8 / B]) {
        *channel = density.nearest(*channel, *bits);
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
