//! The kernel for x86-64 with AVX2: 32 channels at once.

#![expect(unsafe_code, reason = "entry to code compiled for AVX2, and whole-vector loads and stores there")]

use std::arch::x86_64::*;

use super::{Density, words};

/// Channels a step, one vector of them.
const STEP: usize = 32;

/// Proof that this CPU has AVX2.
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

impl Avx2 {
    /// Asks the CPU; the standard library remembers the answer.
    #[inline]
    pub(super) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    /// As [`super::embed`]; the channels are known to suffice.
    pub(super) fn embed(self, density: Density, channels: &mut [u8], bytes: &[u8]) {
        // SAFETY: `self` comes from `detect` only, so the CPU has AVX2.
        unsafe { embed(density, channels, bytes) }
    }

    /// As [`super::extract`]; the channels are known to suffice.
    pub(super) fn extract(self, density: Density, channels: &[u8], bytes: &mut [u8]) {
        // SAFETY: as in `embed`.
        unsafe { extract(density, channels, bytes) }
    }
}

#[target_feature(enable = "avx2")]
fn embed(density: Density, channels: &mut [u8], bytes: &[u8]) {
    match density {
        Density::One => {
            // Every byte eight times, and of each copy another bit.
            const EACH: i64 = 0x0101_0101_0101_0101;
            let copies = _mm256_setr_epi64x(0, EACH, 2 * EACH, 3 * EACH);
            let places = _mm256_set1_epi64x(i64::from_le_bytes([1, 2, 4, 8, 16, 32, 64, 128]));
            embed_steps(density, channels, bytes, |step| {
                let copied = _mm256_shuffle_epi8(_mm256_set1_epi32(i32::from_le_bytes(*step)), copies);
                _mm256_min_epu8(_mm256_and_si256(copied, places), _mm256_set1_epi8(1))
            });
        }
        Density::Two => {
            // Four bytes to each half, shifted in four ways, then sorted by byte.
            let halves = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
            let shifts = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
            let sort = _mm256_broadcastsi128_si256(_mm_setr_epi8(
                0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15,
            ));
            embed_steps(density, channels, bytes, |step| {
                let both = _mm256_set1_epi64x(i64::from_le_bytes(*step));
                let shifted = _mm256_srlv_epi32(_mm256_permutevar8x32_epi32(both, halves), shifts);
                _mm256_and_si256(_mm256_shuffle_epi8(shifted, sort), _mm256_set1_epi8(3))
            });
        }
        Density::Four => embed_steps(density, channels, bytes, |step| {
            let wide = _mm256_cvtepu8_epi16(load_half(step));
            let both = _mm256_or_si256(wide, _mm256_slli_epi16::<4>(wide));
            _mm256_and_si256(both, _mm256_set1_epi8(15))
        }),
    }
}

/// Embeds `N` bytes a step, which `spread` brings to the low bits of a vector, 0 elsewhere.
#[inline]
#[target_feature(enable = "avx2")]
fn embed_steps<const N: usize>(
    density: Density,
    channels: &mut [u8],
    bytes: &[u8],
    spread: impl Fn(&[u8; N]) -> __m256i,
) {
    let low = _mm256_set1_epi8(density.low() as i8);
    let (down, most) = (_mm256_set1_epi8(density.down() as i8), _mm256_set1_epi8(!density.low() as i8));
    let (steps, rest) = bytes.as_chunks::<N>();
    let (head, tail) = channels.split_at_mut(steps.len() * STEP);
    for (vector, step) in head.as_chunks_mut::<STEP>().0.iter_mut().zip(steps) {
        let channels = load(vector);
        let from = match density {
            Density::One => _mm256_andnot_si256(low, channels),
            Density::Two | Density::Four => _mm256_min_epu8(_mm256_subs_epu8(channels, down), most),
        };
        let up = _mm256_and_si256(_mm256_sub_epi8(spread(step), from), low);
        store(vector, _mm256_add_epi8(from, up));
    }
    words::embed(density, tail, rest);
}

#[target_feature(enable = "avx2")]
fn extract(density: Density, channels: &[u8], bytes: &mut [u8]) {
    match density {
        Density::One => extract_steps(density, channels, bytes, |vector| {
            _mm256_movemask_epi8(_mm256_slli_epi16::<7>(vector)).to_le_bytes()
        }),
        Density::Two => extract_steps(density, channels, bytes, |vector| {
            // Neighbours are joined twice, which leaves a byte in every 32 bits.
            let pairs = _mm256_and_si256(vector, _mm256_set1_epi8(3));
            let nibbles = _mm256_maddubs_epi16(pairs, _mm256_set1_epi16(0x0401));
            let wide = _mm256_madd_epi16(nibbles, _mm256_set1_epi32(0x0010_0001));
            let packed = _mm_packus_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256::<1>(wide));
            _mm_cvtsi128_si64(_mm_packus_epi16(packed, packed)).to_le_bytes()
        }),
        Density::Four => extract_steps(density, channels, bytes, |vector| {
            let nibbles = _mm256_and_si256(vector, _mm256_set1_epi8(15));
            let wide = _mm256_maddubs_epi16(nibbles, _mm256_set1_epi16(0x1001));
            let (first, last) = (_mm256_castsi256_si128(wide), _mm256_extracti128_si256::<1>(wide));
            half_bytes(_mm_packus_epi16(first, last))
        }),
    }
}

/// Extracts `N` bytes a step, which `gather` finds in the low bits of a vector.
#[inline]
#[target_feature(enable = "avx2")]
fn extract_steps<const N: usize>(
    density: Density,
    channels: &[u8],
    bytes: &mut [u8],
    gather: impl Fn(__m256i) -> [u8; N],
) {
    let (steps, rest) = bytes.as_chunks_mut::<N>();
    let (head, tail) = channels.split_at(steps.len() * STEP);
    for (step, vector) in steps.iter_mut().zip(head.as_chunks::<STEP>().0) {
        *step = gather(load(vector));
    }
    words::extract(density, tail, rest);
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(from: &[u8; STEP]) -> __m256i {
    // SAFETY: `from` is 32 readable bytes; this load needs no alignment.
    unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(to: &mut [u8; STEP], vector: __m256i) {
    // SAFETY: `to` is 32 writable bytes; this store needs no alignment.
    unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), vector) }
}

// Half vectors go through integers, which the compiler merges into one load or store.

#[inline]
#[target_feature(enable = "avx2")]
fn load_half(from: &[u8; STEP / 2]) -> __m128i {
    let both = u128::from_le_bytes(*from);
    _mm_set_epi64x((both >> 64) as i64, both as i64)
}

#[inline]
#[target_feature(enable = "avx2")]
fn half_bytes(half: __m128i) -> [u8; STEP / 2] {
    let (first, last) = (_mm_cvtsi128_si64(half) as u64, _mm_extract_epi64::<1>(half) as u64);
    (u128::from(last) << 64 | u128::from(first)).to_le_bytes()
}
