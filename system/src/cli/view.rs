//! `veil view`: opens a sealed image, which costs a view.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::{ClusterArgs, SEALED_LIMIT, ensure_apart, read_file, session::UserArgs, write_file};
use crate::{
    client::{Client, ClientError},
    directory::{Refusal, UserName},
    identity::FinderKey,
    peer::SealedCopy,
    seal::{PermissionBlock, SealedFile},
};

/// Open a sealed image. Takes one view.
///
/// Writes the original, and the cluster's new permission block into the sealed file. A file whose permission block
/// the cluster did not sign is refused, and no view is taken. When no view is left, the cover is written instead,
/// as NAME.cover.png, and the exit code is 1.
#[derive(Debug, Args)]
pub(super) struct ViewArgs {
    /// The sealed image.
    sealed: PathBuf,
    /// Where to write the picture. By default beside the sealed file, as NAME.opened.jpg or .png.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn run(args: ViewArgs) -> anyhow::Result<()> {
    let ViewArgs { sealed, output, who, cluster } = args;
    let name = || sealed.display().to_string();
    let bytes = read_file(&sealed, SEALED_LIMIT)?;
    let file = SealedFile::read(&bytes).with_context(name)?;
    let beside = |ending: &str| sealed.with_extension(ending);
    if let Some(output) = &output {
        ensure_apart(&sealed, output)?;
    }
    let me = who.logged_in(&cluster).await?;
    let (client, user) = (me.client, me.user);
    let keys = client.keys(cluster.deadline()).await?;
    let block = file.block.verify(&keys.cluster).with_context(name)?;
    let opened = match may_ask(&client, &cluster, block, &user, &keys.finder).await {
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
    let original = file.open(&opened.key).with_context(name)?;
    let output = output.unwrap_or_else(|| beside(&format!("opened.{}", block.media.extension())));
    write_file(&output, &original)?;
    if let Err(error) = refresh(&client, &cluster, &sealed, block).await {
        // The view was taken and the picture is there; the file only does not know yet.
        tracing::warn!("{}: the new permission block is not in it: {error:#}", sealed.display());
    }
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
    finder: &FinderKey,
) -> Result<(), ClientError> {
    if block.grants.views_left(finder, block.image, block.revision) != Some(0) {
        return Ok(());
    }
    let details = client.image(user.clone(), block.image, cluster.deadline()).await?;
    // Of others than the owner it holds what is theirs: the person's own grant, and those of their groups.
    let grants = details.grants.iter().map(|(_, grant)| grant.left);
    let left = grants.chain(details.group_grants.iter().map(|(_, grant)| grant.left)).any(|left| left > 0);
    match left || details.owner == *user {
        true => Ok(()),
        false => Err(Refusal::QuotaUsedUp { image: block.image, viewer: user.clone() }.into()),
    }
}

/// Puts the permission block as it is now into the user's own copy, and says whether it was newer.
pub(super) async fn refresh(
    client: &Client,
    cluster: &ClusterArgs,
    path: &Path,
    old: &PermissionBlock,
) -> anyhow::Result<bool> {
    let new = client.block(old.image, cluster.deadline()).await?;
    let newer = new.verify(&old.cluster)?.revision > old.revision;
    if newer {
        SealedCopy::open(path)?.replace_block(&new)?;
    }
    Ok(newer)
}
