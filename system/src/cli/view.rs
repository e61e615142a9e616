//! `veil view`: opens a sealed image, which costs a view.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::{ClusterArgs, SEALED_LIMIT, read_file, write_file};
use crate::{
    client::{Client, ClientError, Opened},
    directory::{ImageId, Refusal, UserName},
    seal::{PermissionBlock, SealedFile, rewrite_block},
};

/// Open a sealed image. Takes one view.
///
/// Writes the original, and the new number of views into the sealed file. When no view is left, it
/// writes the cover instead, as NAME.cover.png, says so, and exits with 1.
#[derive(Debug, Args)]
pub(super) struct ViewArgs {
    /// The sealed image.
    sealed: PathBuf,
    /// Who wants to see it.
    #[arg(long, value_name = "USER")]
    user: UserName,
    /// Where to write the picture. By default beside the sealed file, as NAME.opened.jpg or .png.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn run(args: ViewArgs) -> anyhow::Result<()> {
    let ViewArgs { sealed, user, output, cluster } = args;
    let bytes = read_file(&sealed, SEALED_LIMIT)?;
    let file = SealedFile::read(&bytes).with_context(|| sealed.display().to_string())?;
    let beside = |ending: &str| sealed.with_extension(ending);
    let client = cluster.client()?;
    let block = &file.block;
    let opened = match may_ask(&client, &cluster, block, &user).await {
        Ok(()) => {
            let request = client.request_id();
            client.open_view(request, user.clone(), block.image, cluster.deadline()).await
        }
        Err(refused) => Err(refused),
    };
    let opened = match opened {
        Ok(opened) => opened,
        Err(ClientError::Refused(refusal)) => {
            // The sealed image shows the cover to whoever looks at it.
            let output = output.unwrap_or_else(|| beside("cover.png"));
            write_file(&output, &bytes)?;
            anyhow::bail!("{refusal}; the cover is in {}", output.display());
        }
        Err(error) => return Err(error.into()),
    };
    let original = file.open(&opened.key).with_context(|| sealed.display().to_string())?;
    let output = output.unwrap_or_else(|| beside(&format!("opened.{}", block.media.extension())));
    write_file(&output, &original)?;
    note_views(&sealed, &bytes, block, &user, &opened)?;
    let left = opened.views_left.map_or("you are the owner: not counted".to_owned(), |left| match left {
        1 => "1 view left".to_owned(),
        left => format!("{left} views left"),
    });
    cluster.print(
        format_args!("opened in {} ({left})", output.display()),
        json!({ "image": block.image.to_string(), "file": output, "views_left": opened.views_left }),
    );
    Ok(())
}

/// A file that says 0 is refused before a view is asked for, unless the owner has raised the number
/// since.
async fn may_ask(
    client: &Client,
    cluster: &ClusterArgs,
    block: &PermissionBlock,
    user: &UserName,
) -> Result<(), ClientError> {
    let says_zero = block.grants.iter().any(|(viewer, left)| viewer == user && *left == 0);
    if !says_zero {
        return Ok(());
    }
    // The page after the id before this one begins with this one.
    let before = block.image.0.checked_sub(1).map(ImageId);
    let listed = client.list(user.clone(), before, cluster.deadline()).await?;
    let raised = listed.iter().any(|line| line.image == block.image && line.views_left != Some(0));
    match raised {
        true => Ok(()),
        false => Err(Refusal::QuotaUsedUp { image: block.image, viewer: user.clone() }.into()),
    }
}

/// Writes the views left into the viewer's own copy.
fn note_views(
    path: &Path,
    bytes: &[u8],
    block: &PermissionBlock,
    user: &UserName,
    opened: &Opened,
) -> anyhow::Result<()> {
    let Some(left) = opened.views_left else { return Ok(()) };
    let mut block = block.clone();
    match block.grants.iter_mut().find(|(viewer, _)| viewer == user) {
        Some((_, views)) => *views = left,
        None => block.grants.push((user.clone(), left)),
    }
    block.revision = opened.revision;
    let rewritten = rewrite_block(bytes, &block).with_context(|| path.display().to_string())?;
    write_file(path, &rewritten)
}
