//! `veil hide`: any bytes into a picture, under a passphrase.

use std::{io::Read as _, path::PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::{
    capacity::read_cover, ensure_apart, passphrase::PassphraseArgs, picture::Carrying, read_file, say,
    write_file,
};
use crate::{
    node::Entropy,
    seal::{self, MAX_HIDDEN_BYTES, SALT_LEN},
    stego::{Cover, layout::Plan, png, quality},
};

/// Hide a file or a text in a picture, under a passphrase.
///
/// Needs no cluster; `veil reveal` gives it back. The picture looks like the cover, but it is not covert: any
/// program can find that something is hidden. Programs that compress the picture again destroy it.
#[derive(Debug, Args)]
pub(super) struct HideArgs {
    /// The file to hide; - for standard input.
    #[arg(value_name = "INPUT", required_unless_present = "text")]
    file: Option<PathBuf>,
    /// A text to hide instead of a file. Others on this machine may see it while the command runs, and it
    /// stays in the shell's history.
    #[arg(long, conflicts_with = "file")]
    text: Option<String>,
    /// The picture to hide it in, PNG or JPEG; without one, the standard cover.
    #[arg(long, value_name = "FILE")]
    cover: Option<PathBuf>,
    /// Where to write the picture, a PNG.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    /// Print JSON, for scripts.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: HideArgs) -> anyhow::Result<()> {
    let HideArgs { file, text, cover: cover_path, output, passphrase, json } = args;
    for given in [&file, &cover_path].into_iter().flatten() {
        ensure_apart(given, &output)?;
    }
    let bytes = match (file, text) {
        (_, Some(text)) => text.into_bytes(),
        (Some(path), None) if path.as_os_str() == "-" => read_stdin()?,
        (Some(path), None) => read_file(&path, MAX_HIDDEN_BYTES)?,
        (None, None) => anyhow::bail!("nothing to hide: name a file or give --text"),
    };
    let cover = read_cover(cover_path.as_deref())?;
    let plan = Plan::new(&cover, seal::hidden_len(bytes.len()))?;
    let passphrase = passphrase.read(true)?;
    let salt = Entropy::from_system().draw(|random| {
        let mut salt = [0; SALT_LEN];
        rand::Rng::fill_bytes(random, &mut salt);
        salt
    });
    let (png, done) = seal::hide(&bytes, &passphrase, salt, &cover)?;
    write_file(&output, &png)?;
    let psnr = measured(&cover, &png)?;
    let picture = Carrying { geometry: done.geometry, density: done.density, psnr };
    if json {
        let mut report = picture.json();
        report["file"] = json!(output);
        report["bytes"] = json!(png.len());
        report["hidden_bytes"] = json!(bytes.len());
        report["planned"] = json!({ "bytes": plan.file_len, "psnr_db": (plan.psnr * 10.0).round() / 10.0 });
        say(report);
    } else {
        let own = (cover.raster().width(), cover.raster().height());
        // Of an enlarged cover it is not known beforehand how well its last rows pack.
        let (about, grown) = match own == (done.geometry.width(), done.geometry.height()) {
            true => ("", String::new()),
            false => ("about ", format!(", enlarged from {} x {}", own.0, own.1)),
        };
        say(format_args!("{} bytes hidden in {}", bytes.len(), output.display()));
        let (planned, psnr) = (plan.file_len, plan.psnr);
        say(format_args!("planned  {about}{planned} bytes of file, {psnr:.1} dB like the cover{grown}"));
        say(format_args!("written  {} bytes of file: {}", png.len(), picture.text()));
    }
    Ok(())
}

fn read_stdin() -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(MAX_HIDDEN_BYTES + 1).read_to_end(&mut bytes).context("standard input")?;
    let length = bytes.len() as u64;
    anyhow::ensure!(length <= MAX_HIDDEN_BYTES, "standard input: more than {MAX_HIDDEN_BYTES} bytes long");
    Ok(bytes)
}

/// How like the cover the picture turned out.
fn measured(cover: &Cover, file: &[u8]) -> anyhow::Result<f64> {
    let picture = png::decode(file)?;
    let cover = cover.raster();
    if let Some(psnr) = quality::psnr(cover, &picture) {
        return Ok(psnr);
    }
    // An enlarged cover is compared with what it became.
    let enlarged = cover.resized(picture.width(), picture.height())?;
    quality::psnr(&enlarged, &picture).context("pictures of different size")
}
