//! `veil inspect`: what a sealed image says about itself, to whoever looks.

use std::{fmt::Write as _, path::PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use super::{SEALED_LIMIT, read_file};
use crate::{
    seal::{PermissionBlock, SealError, SealedFile},
    stego::{layout, png},
};

/// Show what a sealed image says about itself.
///
/// Needs no cluster and no key, and takes no view. Nothing vouches for what is shown: whether it is true,
/// and how many views are left, the cluster knows.
#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// The sealed image.
    sealed: PathBuf,
    /// Print JSON, for scripts.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &InspectArgs) -> anyhow::Result<()> {
    let InspectArgs { sealed, json } = args;
    let bytes = read_file(sealed, SEALED_LIMIT)?;
    let inspected = Inspected::of(&bytes).with_context(|| sealed.display().to_string())?;
    match json {
        true => println!("{}", inspected.json()),
        false => print!("{}", inspected.text()),
    }
    Ok(())
}

/// A sealed image, seen from outside.
struct Inspected {
    width: u32,
    height: u32,
    header: layout::Header,
    block: PermissionBlock,
}

impl Inspected {
    /// Looks at all of a file, so that damage anywhere is noticed.
    fn of(file: &[u8]) -> Result<Self, SealError> {
        let raster = png::decode(file)?;
        let header = layout::read_header(&raster)?;
        let SealedFile { block, .. } = SealedFile::from_raster(&raster)?;
        Ok(Self { width: raster.width(), height: raster.height(), header, block })
    }

    fn json(&self) -> Value {
        let Self { width, height, header, block } = self;
        let grants = block.grants.iter();
        let grants: Vec<Value> =
            grants.map(|(user, views)| json!({ "user": user.as_str(), "views": views })).collect();
        json!({
            "format_version": layout::VERSION,
            "width": width,
            "height": height,
            "bits_a_channel": header.density.bits(),
            "ciphertext_bytes": header.ciphertext_len,
            "block_bytes": header.block_len,
            "image": block.image.to_string(),
            "owner": block.owner.as_str(),
            "media": block.media.to_string(),
            "original_bytes": block.original_len,
            "revision": block.revision,
            "grants": grants,
            "key_commitment": blake3::Hash::from_bytes(block.key_commitment).to_hex().as_str(),
        })
    }

    fn text(&self) -> String {
        let Self { width, height, header, block } = self;
        let commitment = blake3::Hash::from_bytes(block.key_commitment).to_hex();
        let bits = match header.density.bits() {
            1 => "bit".to_owned(),
            several => format!("{several} bits"),
        };
        let lines = [
            ("image", block.image.to_string()),
            ("owner", block.owner.to_string()),
            ("original", format!("{}, {} bytes", block.media, block.original_len)),
            (
                "picture",
                format!("{width} x {height} pixels, which hide it in the lowest {bits} of each channel"),
            ),
            ("format", format!("version {}", layout::VERSION)),
            ("key", format!("commitment {commitment}")),
            ("revision", block.revision.to_string()),
            ("grants", format!("{}, not signed: the cluster knows what is true", block.grants.len())),
        ];
        let mut text = String::new();
        // Writing to a string cannot fail.
        for (name, value) in lines {
            let _ = writeln!(text, "{name:<9}  {value}");
        }
        for (user, views) in &block.grants {
            let plural = if *views == 1 { "" } else { "s" };
            let _ = writeln!(text, "{:<9}  {user}: {views} view{plural}", "");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        directory::ImageId,
        seal::{ContentKey, seal_image},
        stego::{Cover, Raster, StegoError},
    };

    fn sealed() -> Vec<u8> {
        let mut original = std::io::Cursor::new(Vec::new());
        let picture = image::DynamicImage::new_rgb8(8, 8);
        picture.write_to(&mut original, image::ImageFormat::Jpeg).unwrap();
        let cover: Cover = Raster::new(150, 120, vec![90; 54_000]).unwrap().into();
        let (key, owner) = (ContentKey::from_bytes([7; 32]), "anna".parse().unwrap());
        let grants = vec![("ben".parse().unwrap(), 2)];
        seal_image(&original.into_inner(), &key, ImageId(9), &owner, grants, 3, &cover).unwrap().png
    }

    #[test]
    fn a_sealed_image_tells_whose_it_is_and_who_may_look() {
        let inspected = Inspected::of(&sealed()).unwrap();
        let text = inspected.text();
        for part in [
            "owner      anna\n",
            "original   JPEG, ",
            "150 x 120 pixels",
            "revision   3\n",
            " ben: 2 views\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        let json = inspected.json();
        assert_eq!((&json["owner"], &json["grants"][0]["views"]), (&"anna".into(), &2.into()));
        assert_eq!(json["ciphertext_bytes"], json["original_bytes"].as_u64().unwrap() + 16);
    }

    #[test]
    fn what_is_not_sealed_or_damaged_is_told_so() {
        let refused = |file: &[u8]| Inspected::of(file).err().unwrap().to_string();
        let jpeg = refused(b"\xff\xd8\xff\xe0 and so on");
        assert!(jpeg.starts_with("this is a JPEG file") && jpeg.contains("gone"), "{jpeg}");
        let file = sealed();
        let mut raster = png::decode(&file).unwrap();
        // The first bit of the encrypted image.
        raster.channels_mut()[(layout::HEADER_LEN + layout::BLOCK_CAPACITY) * 8] ^= 1;
        let damaged = Inspected::of(&png::encode(&raster).unwrap()).err().unwrap();
        let part = "the encrypted image";
        assert!(matches!(damaged, SealError::Picture(StegoError::Damaged { part: p }) if p == part));
    }
}
