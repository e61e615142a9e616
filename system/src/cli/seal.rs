//! `veil seal`: hides a photo under a cover.

use std::{
    collections::BTreeMap,
    fmt::Display,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::{
    ClusterArgs,
    beside::Readers,
    ensure_apart,
    escape::{in_json, shown},
    output::{ForceArgs, Output, STANDARD},
    pending::{Pending, Wish},
    picture::Carrying,
    print::Form,
    read_file,
    session::UserArgs,
};
use crate::{
    directory::{GroupName, UserName, check_title, title_of},
    seal::{MAX_ORIGINAL_BYTES, SealedFile},
    wire::client::NewImage,
};

/// Seal a photo and grant views of it.
///
/// The cluster encrypts the file, hides it in a cover picture and keeps the key. What comes back is
/// a PNG to hand to viewers. Who is granted views is told (`veil inbox`). An image that was sealed, but not answered in
/// time or not written, is not sealed twice: the same command gets it within five minutes.
#[derive(Debug, Args)]
pub(super) struct SealArgs {
    /// The photo, PNG or JPEG; - for standard input.
    photo: PathBuf,
    /// Who may view it how often; may be given many times.
    #[arg(long = "for", value_name = "USER=VIEWS", value_parser = parse_grant)]
    grants: Vec<(UserName, u32)>,
    /// Which group may view it how often, all its members together; may be given many times. You have to be a member.
    #[arg(long, value_name = "GROUP=VIEWS", value_parser = parse_group_grant)]
    for_group: Vec<(GroupName, u32)>,
    /// What it is called, for those who may view it: at most 100 characters. By default the photo's file name; '' gives
    /// it no title.
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Where to write the sealed image; - for standard output. By default beside the photo, as NAME.sealed.png.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgs,
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

fn parse_grant(text: &str) -> Result<(UserName, u32), String> {
    given(text, "expected USER=VIEWS, for instance ben=3")
}

fn parse_group_grant(text: &str) -> Result<(GroupName, u32), String> {
    given(text, "expected GROUP=VIEWS, for instance family=10")
}

fn given<Name: FromStr<Err: Display>>(text: &str, expected: &str) -> Result<(Name, u32), String> {
    let (name, views) = text.split_once('=').ok_or(expected)?;
    let name = name.parse::<Name>().map_err(|e| e.to_string())?;
    let views = views.parse().map_err(|_| format!("{views:?} is not a number of views"))?;
    Ok((name, views))
}

/// Each name once.
fn unique<Name: Ord + Display>(given: Vec<(Name, u32)>) -> anyhow::Result<BTreeMap<Name, u32>> {
    let mut grants = BTreeMap::new();
    for (name, views) in given {
        anyhow::ensure!(!grants.contains_key(&name), "{name} is granted views twice");
        grants.insert(name, views);
    }
    Ok(grants)
}

/// The title of a photo of which nothing is said: its file name.
fn file_title(photo: &Path) -> String {
    if photo.as_os_str() == STANDARD {
        return String::new();
    }
    photo.file_name().map(|name| title_of(&name.to_string_lossy())).unwrap_or_default()
}

pub(super) async fn run(args: SealArgs) -> anyhow::Result<()> {
    let SealArgs { photo, grants, for_group, title, output, force, who, cluster } = args;
    let (grants, group_grants) = (unique(grants)?, unique(for_group)?);
    let title = title.unwrap_or_else(|| file_title(&photo));
    check_title(&title)?;
    let original = read_file(&photo, MAX_ORIGINAL_BYTES)?;
    let output = match output {
        Some(output) => output,
        None if photo.as_os_str() == STANDARD => {
            anyhow::bail!(
                "-: a photo from standard input has no name: say with --output where to write the sealed image"
            )
        }
        None => photo.with_extension("sealed.png"),
    };
    ensure_apart(&photo, &output)?;
    // How long the sealed image is, the cluster decides; it is longer than that.
    let output = Output::prepare(&output, force.existing(), Readers::Usual, original.len() as u64)?;
    let me = who.logged_in(&cluster).await?;
    let image = NewImage { owner: me.user.clone(), grants, group_grants, title: title.clone() };
    // All that is asked for belongs in here: it tells whether the same is asked for again.
    let asked = format!("{} {image:?}", blake3::hash(&original));
    let wish = Wish { user: &me.user, kind: "sealed image", content: asked.as_bytes() };
    let pending = Pending::note(&me.home.pending(), &me.client, wish, cluster.timeout).await?;
    // The one that was waited for may have written the same image.
    let pending = pending.unless(output.ensure_free())?;
    let original = bytes::Bytes::from(original);
    let sealed = pending
        .ask(&me.client, async |turn| {
            let client = turn.client(&me.client);
            client.seal_image(turn.request, image.clone(), original.clone(), cluster.deadline()).await
        })
        .await
        .with_context(|| shown(&photo))?;
    // What cannot be read back is not worth keeping.
    let file = SealedFile::read(&sealed.answer.png).context("what the cluster sent")?;
    let hidden = file.header.body_len as usize;
    let picture = Carrying::expected(file.geometry, file.header.density, hidden);
    let (name, path, on) = (output.name(), in_json(output.path()), output.beside());
    output.write(&sealed.answer.png)?;
    let sealed = sealed.settle()?;
    let mut report = picture.json();
    report["image"] = json!(sealed.image.to_string());
    report["title"] = json!(title);
    report["file"] = json!(path);
    report["bytes"] = json!(sealed.png.len());
    let (image, bytes) = (sealed.image, sealed.png.len());
    let text = format!("image {image} sealed in {name} ({bytes} bytes: {})", picture.text());
    Ok(Form::json_if(cluster.json).say_done(on, text, &report)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;
    use crate::directory::MAX_TITLE_LEN;

    #[test]
    fn a_photo_without_a_title_has_its_files_name() {
        assert_eq!(file_title(Path::new("/home/anna/The sea.jpg")), "The sea.jpg");
        assert_eq!(file_title(Path::new("..")), "");
        // Standard input has no name, and a file may be called that.
        assert_eq!(file_title(Path::new("-")), "");
        assert_eq!(file_title(Path::new("./-")), "-");
        let odd = std::ffi::OsStr::from_bytes(b"a\xff\n\x1b[2J.png");
        assert_eq!(file_title(Path::new(odd)), "a\u{fffd}[2J.png");
        let long = format!("{}.png", "\u{1f30a}".repeat(MAX_TITLE_LEN));
        assert_eq!(file_title(Path::new(&long)), "\u{1f30a}".repeat(MAX_TITLE_LEN));
        for name in ["The sea.jpg", "a\u{202e}gpj.png", long.as_str()] {
            assert_eq!(check_title(&file_title(Path::new(name))), Ok(()));
        }
    }

    #[test]
    fn a_grant_is_a_name_and_a_number() {
        assert_eq!(parse_grant("ben=3"), Ok(("ben".parse().unwrap(), 3)));
        assert_eq!(parse_group_grant("family=10"), Ok(("family".parse().unwrap(), 10)));
        for bad in ["ben", "=3", "ben=", "ben=-1", "ben=x", "Ben=3", "ben=4294967296"] {
            assert!(parse_grant(bad).is_err() && parse_group_grant(bad).is_err(), "{bad}");
        }
        let twice = vec![("ben".parse::<UserName>().unwrap(), 1), ("ben".parse().unwrap(), 1)];
        assert_eq!(unique(twice).unwrap_err().to_string(), "ben is granted views twice");
    }
}
