//! How commands speak of pictures that carry something.

use serde_json::{Value, json};

use crate::stego::{
    layout::{Geometry, expected_psnr},
    lsb::Density,
};

/// A picture that carries something: its size, how dense, and how like its cover.
pub(super) struct Carrying {
    pub(super) geometry: Geometry,
    pub(super) density: Density,
    /// Likeness to the cover, in dB; expected, or measured.
    pub(super) psnr: f64,
}

impl Carrying {
    /// What can be told without the cover.
    pub(super) fn expected(geometry: Geometry, density: Density, body_len: usize) -> Self {
        Self { geometry, density, psnr: expected_psnr(geometry, density, body_len) }
    }

    pub(super) fn text(&self) -> String {
        let Self { geometry, density, psnr } = self;
        let bits = bits_a_channel(*density);
        format!(
            "{} x {} pixels, {bits} a channel, {psnr:.1} dB like the cover",
            geometry.width(),
            geometry.height()
        )
    }

    /// As a JSON object.
    pub(super) fn json(&self) -> Value {
        json!({
            "width": self.geometry.width(),
            "height": self.geometry.height(),
            "bits_a_channel": self.density.bits(),
            "psnr_db": (self.psnr * 10.0).round() / 10.0,
        })
    }
}

pub(super) fn bits_a_channel(density: Density) -> String {
    match density.bits() {
        1 => "1 bit".to_owned(),
        several => format!("{several} bits"),
    }
}
