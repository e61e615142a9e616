//! `veil restore`: brings the permissions in a folder of sealed images up to date.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use super::{
    ClusterArgs,
    escape::{in_json, one_line, shown},
    pages::whole_list,
    say, say_json,
    session::UserArgs,
    view::refresh,
};
use crate::{
    client::Client,
    directory::{ImageId, Listing},
    peer::{CopyError, Reading},
    seal::SealError,
    stego::StegoError,
};

/// Put the present permissions into the sealed images of a folder, and say which of your images are not there.
///
/// For when a disk was lost: copy the sealed files that you have left, or that others gave back, into a folder, and the
/// directory knows the rest. Looks at the .png files in FOLDER itself; which image a file holds is read from it, whatever
/// it is called. Exits with 1 if a file could not be brought up to date.
#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// The folder.
    folder: PathBuf,
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// What became of a sealed file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// It has a newer permission block now.
    Updated,
    /// It had the present one.
    Current,
    /// The directory knows no such image, or not for this user.
    Unknown,
    /// What was in the way.
    Failed(String),
}

pub(super) async fn run(args: RestoreArgs) -> anyhow::Result<()> {
    let RestoreArgs { folder, who, cluster } = args;
    let me = who.logged_in(&cluster).await?;
    let deadline = cluster.deadline();
    let images: BTreeMap<ImageId, Listing> = whole_list(&me.client, &me.user, deadline)
        .await?
        .into_iter()
        .map(|line| (line.image, line))
        .collect();
    let mut found = Vec::new();
    for path in pictures(&folder)? {
        if let Some((image, outcome)) = bring_up_to_date(&me.client, &cluster, &images, &path).await {
            found.push((path, image, outcome));
        }
    }
    let here: BTreeSet<ImageId> = found.iter().filter_map(|(_, image, _)| *image).collect();
    let missing: Vec<&Listing> =
        images.values().filter(|line| line.owner == me.user && !here.contains(&line.image)).collect();
    report(&cluster, &found, &missing)?;
    let failed = found.iter().filter(|(_, _, outcome)| matches!(outcome, Outcome::Failed(_))).count();
    anyhow::ensure!(failed == 0, "{failed} of {} files could not be brought up to date", found.len());
    Ok(())
}

/// The files in a folder that may be sealed images, by name.
fn pictures(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let name = || shown(folder);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(name)? {
        let path = entry.with_context(name)?.path();
        let png = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png"));
        if png && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// `None` if it is not a sealed image; without an id if that cannot be told.
async fn bring_up_to_date(
    client: &Client,
    cluster: &ClusterArgs,
    images: &BTreeMap<ImageId, Listing>,
    path: &Path,
) -> Option<(Option<ImageId>, Outcome)> {
    // Closed again before it is opened for a change.
    let read = Reading::open(path, cluster.timeout).and_then(|copy| Ok((copy.block()?, copy.read())));
    let (block, whole) = match read {
        Ok(read) => read,
        Err(CopyError::Seal(SealError::Picture(StegoError::Interrupted))) => {
            return Some((None, Outcome::Failed(StegoError::Interrupted.to_string())));
        }
        Err(CopyError::Seal(_) | CopyError::TooLarge { .. }) => return None,
        Err(error) => return Some((None, Outcome::Failed(super::describe(&error.into())))),
    };
    let block = block.unverified();
    if !images.contains_key(&block.image) {
        return Some((Some(block.image), Outcome::Unknown));
    }
    // A new block does not mend what was altered.
    if let Err(error) = whole {
        return Some((Some(block.image), Outcome::Failed(super::describe(&error.into()))));
    }
    let outcome = match refresh(client, cluster, path, block).await {
        Ok(true) => Outcome::Updated,
        Ok(false) => Outcome::Current,
        Err(error) => Outcome::Failed(super::describe(&error)),
    };
    Some((Some(block.image), outcome))
}

fn report(
    cluster: &ClusterArgs,
    found: &[(PathBuf, Option<ImageId>, Outcome)],
    missing: &[&Listing],
) -> anyhow::Result<()> {
    if cluster.json {
        let files = found.iter().map(|(path, image, outcome)| {
            let (outcome, reason) = in_words(outcome);
            json!({ "file": in_json(path), "image": image.map(|image| image.to_string()), "outcome": outcome, "reason": reason })
        });
        let missing =
            missing.iter().map(|line| json!({ "image": line.image.to_string(), "title": line.title }));
        say_json(&json!({ "files": Value::from_iter(files), "missing": Value::from_iter(missing) }))?;
        return Ok(());
    }
    for (path, image, outcome) in found {
        let (outcome, reason) = in_words(outcome);
        let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
        let image = image.map_or("-".to_owned(), |image| image.to_string());
        say(format_args!("{outcome:8}  {image:32}  {}{reason}", shown(path)))?;
    }
    for line in missing {
        say(format!("missing   {}  {}", line.image, one_line(&line.title)).trim_end())?;
    }
    if found.is_empty() && missing.is_empty() {
        say("no sealed images here, and none missing")?;
    }
    Ok(())
}

fn in_words(outcome: &Outcome) -> (&'static str, Option<&str>) {
    match outcome {
        Outcome::Updated => ("updated", None),
        Outcome::Current => ("current", None),
        Outcome::Unknown => ("unknown", Some("the directory knows no such image for you")),
        Outcome::Failed(reason) => ("failed", Some(reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pictures_of_the_folder_itself_are_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.png", "a.PNG", "notes.txt"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        std::fs::create_dir(folder.path().join("c.png")).unwrap();
        let names: Vec<_> = pictures(folder.path())
            .unwrap()
            .iter()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["a.PNG", "b.png"]);
    }
}
