//! `veil capacity`: how much fits into a cover.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::{COVER_LIMIT, escape::shown, picture::bits_a_channel, read_file, say, say_json};
use crate::{
    seal::{MAX_HIDDEN_BYTES, hidden_len},
    stego::{
        Cover,
        layout::{Geometry, Plan},
        lsb::Density,
    },
};

/// Show how much fits into a cover picture, and what it costs.
///
/// For each density: how many bytes fit, how large the file is when it is full, and how like the cover it
/// looks then (from 40 dB on, the same to the eye). What does not fit makes the cover grow.
#[derive(Debug, Args)]
pub(super) struct CapacityArgs {
    /// The cover, PNG or JPEG, - for standard input; without one, the standard cover.
    cover: Option<PathBuf>,
    /// Print JSON, for scripts.
    #[arg(long)]
    json: bool,
}

/// One density.
struct Row {
    density: Density,
    /// Bytes that fit.
    fits: u64,
    full: Plan,
}

pub(super) fn run(args: &CapacityArgs) -> anyhow::Result<()> {
    let cover = read_cover(args.cover.as_deref())?;
    let (width, height) = (cover.raster().width(), cover.raster().height());
    let rows = rows(&cover);
    if args.json {
        let densities = rows.iter().map(|row| {
            json!({
                "bits_a_channel": row.density.bits(),
                "fits_bytes": row.fits,
                "file_bytes": row.full.file_len,
                "psnr_db": (row.full.psnr * 10.0).round() / 10.0,
            })
        });
        let densities = densities.collect::<Vec<_>>();
        say_json(&json!({
            "width": width, "height": height, "densities": densities, "enlarged_fits_bytes": MAX_HIDDEN_BYTES,
        }))?;
        return Ok(());
    }
    say(format_args!("{width} x {height} pixels"))?;
    match rows.is_empty() {
        true => say("too small to carry anything as it is")?,
        false => say(format_args!(
            "{:<16} {:>14} {:>14} {:>10}",
            "bits a channel", "bytes that fit", "bytes of file", "likeness"
        ))?,
    }
    for Row { density, fits, full } in rows {
        let bits = bits_a_channel(density);
        let (file_len, psnr) = (full.file_len, full.psnr);
        say(format_args!("{bits:<16} {fits:>14} {file_len:>14} {psnr:>7.1} dB"))?;
    }
    say(format_args!("enlarged, up to {MAX_HIDDEN_BYTES} bytes fit"))?;
    Ok(())
}

/// The cover in a file, or the standard one: prepared, so that what is said of the file's length is exact.
pub(super) fn read_cover(path: Option<&std::path::Path>) -> anyhow::Result<Cover> {
    let Some(path) = path else { return Ok(Cover::standard()) };
    let cover = Cover::decode(&read_file(path, COVER_LIMIT)?).with_context(|| shown(path))?;
    Ok(cover.prepared())
}

fn rows(cover: &Cover) -> Vec<Row> {
    // A picture too small to carry anything has no rows.
    let Ok(geometry) = Geometry::new(cover.raster().width(), cover.raster().height()) else {
        return Vec::new();
    };
    let around = hidden_len(0) as u64;
    let row = |density: Density| {
        let fits = geometry.capacity(density).checked_sub(around)?.min(MAX_HIDDEN_BYTES);
        let full = Plan::at(cover, geometry, density, (fits + around) as usize);
        Some(Row { density, fits, full })
    };
    Density::ALL.into_iter().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{seal::hide, stego::Raster};

    #[test]
    fn as_many_bytes_fit_as_is_said_and_not_one_more() {
        let cover: Cover =
            Raster::new(150, 120, (0..54_000).map(|i| (i / 450) as u8).collect()).unwrap().into();
        for Row { density, fits, .. } in rows(&cover) {
            let geometry = Geometry::new(150, 120).unwrap();
            assert_eq!(geometry.capacity(density), fits + hidden_len(0) as u64);
        }
        let most = rows(&cover).last().unwrap().fits as usize;
        let plan = |len| hide(&vec![7; len], "any", [1; 16], &cover).unwrap().1;
        assert_eq!((plan(most).geometry.height(), plan(most).density), (120, Density::Four));
        assert!(plan(most + 1).geometry.height() > 120);
    }

    #[test]
    fn a_cover_too_small_has_no_rows() {
        assert!(rows(&Raster::new(40, 40, vec![9; 4_800]).unwrap().into()).is_empty());
    }
}
