//! Smooth noise from nothing but integer hashing and elementary arithmetic, so that one seed gives the
//! same picture on every machine.

/// A number of [0, 1) for a point of the integer grid.
pub(super) fn at(seed: u32, x: i32, y: i32) -> f32 {
    let mut h = seed ^ (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca77);
    h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
    h = (h ^ (h >> 12)).wrapping_mul(0x297a_2d39);
    h ^= h >> 15;
    (h >> 8) as f32 / (1 << 24) as f32
}

/// 0 below `from`, 1 above `to`, a smooth step between.
pub(super) fn step(from: f32, to: f32, x: f32) -> f32 {
    let t = ((x - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// From `a` to `b` as `t` goes from 0 to 1.
pub(super) fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// Noise of [0, 1) that takes about one unit to change, for `x` and `y` of at least 0.
pub(super) fn value(seed: u32, x: f32, y: f32) -> f32 {
    // As both are positive this rounds down, in one instruction.
    let (i, j) = (x as i32, y as i32);
    let (u, v) = (step(0.0, 1.0, x - i as f32), step(0.0, 1.0, y - j as f32));
    let upper = mix(at(seed, i, j), at(seed, i + 1, j), u);
    let lower = mix(at(seed, i, j + 1), at(seed, i + 1, j + 1), u);
    mix(upper, lower, v)
}

/// Noise of [0, 1) with detail: each octave is twice as fine and half as strong as the one before.
pub(super) fn cloud(seed: u32, x: f32, y: f32, octaves: u32) -> f32 {
    let (mut sum, mut weight, mut scale, mut total) = (0.0, 0.5, 1.0, 0.0);
    for octave in 0..octaves {
        sum += weight * value(seed.wrapping_add(octave), x * scale, y * scale);
        total += weight;
        weight *= 0.5;
        scale *= 2.0;
    }
    sum / total
}
