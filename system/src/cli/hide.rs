//! `veil hide`: any bytes into a picture, under a passphrase.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::{
    beside::Readers,
    capacity::read_cover,
    ensure_apart,
    escape::in_json,
    file::ensure_read_once,
    output::{ForceArgs, Output},
    passphrase::PassphraseArgs,
    picture::Carrying,
    print::Form,
    read_file,
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
    /// The picture to hide it in, PNG or JPEG, - for standard input; without one, the standard cover.
    #[arg(long, value_name = "FILE")]
    cover: Option<PathBuf>,
    /// Where to write the picture, a PNG; - for standard output.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    force: ForceArgs,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    /// Print JSON, for scripts.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: HideArgs) -> anyhow::Result<()> {
    let HideArgs { file, text, cover: cover_path, output, force, passphrase, json } = args;
    for given in [&file, &cover_path].into_iter().flatten() {
        ensure_apart(given, &output)?;
    }
    let inputs = [file.as_deref(), cover_path.as_deref(), passphrase.file()];
    ensure_read_once(inputs.into_iter().flatten())?;
    let output = Output::prepare(&output, force.existing(), Readers::Usual, 0)?;
    let bytes = match (file, text) {
        (_, Some(text)) => text.into_bytes(),
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
    let (name, path, on) = (output.name(), in_json(output.path()), output.beside());
    output.write(&png)?;
    let psnr = measured(&cover, &png)?;
    let picture = Carrying { geometry: done.geometry, density: done.density, psnr };
    let mut report = picture.json();
    report["file"] = json!(path);
    report["bytes"] = json!(png.len());
    report["hidden_bytes"] = json!(bytes.len());
    report["planned"] = json!({ "bytes": plan.file_len, "psnr_db": (plan.psnr * 10.0).round() / 10.0 });
    let own = (cover.raster().width(), cover.raster().height());
    // Of an enlarged cover it is not known beforehand how well its last rows pack.
    let (about, grown) = match own == (done.geometry.width(), done.geometry.height()) {
        true => ("", String::new()),
        false => ("about ", format!(", enlarged from {} x {}", own.0, own.1)),
    };
    let (hidden, planned, psnr) = (bytes.len(), plan.file_len, plan.psnr);
    let text = format!(
        "{hidden} bytes hidden in {name}\nplanned  {about}{planned} bytes of file, {psnr:.1} dB like the cover{grown}\n\
         written  {} bytes of file: {}",
        png.len(),
        picture.text()
    );
    Ok(Form::json_if(json).say_done(on, text, &report)?)
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
