//! `veil view`: opens a sealed image, which costs a view.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use super::{
    ClusterArgs,
    beside::{Existing, Readers},
    ensure_apart,
    escape::{in_json, shown},
    interrupt::undisturbed,
    output::{ForceArgs, Output, STANDARD},
    pending::{Pending, Wish},
    print::{Form, Stream},
    read_sealed,
    session::UserArgs,
    show::Show,
};
use crate::{
    client::{Client, ClientError},
    directory::{Refusal, UserName},
    identity::FinderKey,
    peer::{CopyError, SealedCopy},
    seal::{PermissionBlock, SealError, SealedFile},
};

/// Open a sealed image. Takes one view.
///
/// Writes the original, and the cluster's new permission block into the sealed file. A file whose permission block
/// the cluster did not sign is refused, and no view is taken. Nor is one taken if the picture could not be written, or
/// a file is there already. A view that was taken, but not answered in time or not written, is not taken twice: the same
/// command gets it within five minutes.
///
/// When no view is left, the cover is written instead, as NAME.cover.png beside the sealed file, and the exit code is 1.
#[derive(Debug, Args)]
pub(super) struct ViewArgs {
    /// The sealed image; - for standard input.
    sealed: PathBuf,
    /// Where to write the picture; only you can read the file. - for standard output. By default beside the sealed
    /// file, as NAME.opened.jpg or .png.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgs,
    /// Show the picture in a viewer, from a file that is removed afterwards. Which one, VEIL_VIEWER says: a program that
    /// ends when the picture was seen, and its arguments. By default what opens pictures on this desktop.
    #[arg(long, conflicts_with_all = ["output", "force"])]
    show: bool,
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Where the picture goes.
enum Target {
    File(Output),
    Viewer(Show),
}

impl Target {
    /// Prepares it, before a view is taken.
    fn prepare(args: &ViewArgs, file: &SealedFile) -> anyhow::Result<Self> {
        let extension = file.block.unverified().media.extension();
        // The original is no longer than what is hidden, whatever the file says.
        let room = u64::from(file.header.body_len);
        if args.show {
            return Show::prepare(extension, room).map(Self::Viewer);
        }
        let output = match &args.output {
            Some(output) => output.clone(),
            None if args.sealed.as_os_str() == STANDARD => {
                anyhow::bail!(
                    "-: a picture from standard input has no name: give one with --output, or --show it"
                )
            }
            None => args.sealed.with_extension(format!("opened.{extension}")),
        };
        ensure_apart(&args.sealed, &output)?;
        Output::prepare(&output, args.force.existing(), Readers::Owner, room).map(Self::File)
    }

    fn ensure_free(&self) -> anyhow::Result<()> {
        match self {
            Self::File(output) => output.ensure_free(),
            Self::Viewer(_) => Ok(()),
        }
    }
}

pub(super) async fn run(args: ViewArgs) -> anyhow::Result<()> {
    let name = || shown(&args.sealed);
    let bytes = read_sealed(&args.sealed, args.cluster.timeout)?;
    let file = SealedFile::read(&bytes).with_context(name)?;
    let target = Target::prepare(&args, &file)?;
    let ViewArgs { sealed, who, cluster, .. } = &args;
    let me = who.logged_in(cluster).await?;
    let (client, user) = (&me.client, &me.user);
    let keys = client.keys(cluster.deadline()).await?;
    let block = file.block.verify(&keys.cluster).with_context(name)?;
    let image = block.image.0.to_be_bytes();
    let wish = Wish { user, kind: "view", content: &image };
    let pending = Pending::note(&me.home.pending(), client, wish, cluster.timeout).await?;
    // The one that was waited for may have written the same picture.
    let pending = pending.unless(target.ensure_free())?;
    let opened = pending.ask(client, async |turn| {
        // What an earlier attempt has taken may be the last.
        if !turn.again {
            may_ask(client, cluster, block, user, &keys.finder).await?;
        }
        turn.client(client).open_view(turn.request, user.clone(), block.image, cluster.deadline()).await
    });
    let opened = match opened.await {
        Ok(opened) => opened,
        Err(error) => match error.downcast_ref() {
            Some(ClientError::Refused(refusal)) if *refusal != Refusal::NoSession => {
                anyhow::bail!("{refusal}{}", cover(sealed, &bytes, block));
            }
            _ => return Err(error),
        },
    };
    let original = file.open(&opened.answer.key).with_context(name)?;
    let (to, output, on, looked_at) = match target {
        Target::File(output) => {
            let (name, path, on) = (output.name(), in_json(output.path()), output.beside());
            output.write(&original)?;
            (format!("opened in {name}"), Value::from(path), on, None)
        }
        Target::Viewer(show) => {
            let looked_at = show.start(&original)?;
            ("shown".to_owned(), Value::Null, Stream::Output, Some(looked_at))
        }
    };
    let opened = opened.settle()?;
    if sealed.as_os_str() != STANDARD
        && let Err(error) = refresh(client, cluster, sealed, block).await
    {
        // The view was taken and the picture is there; the file only does not know yet.
        tracing::warn!("{}: the new permission block is not in it: {error:#}", shown(sealed));
    }
    let left = opened.views_left.map_or("you are the owner: not counted".to_owned(), |left| match left {
        1 => "1 view left".to_owned(),
        left => format!("{left} views left"),
    });
    let json = json!({ "image": block.image.to_string(), "file": output, "views_left": opened.views_left });
    let said = Form::json_if(cluster.json).say_done(on, format_args!("{to} ({left})"), &json);
    // Whether or not that could be said.
    looked_at.map_or(Ok(()), |looked_at| looked_at.wait())?;
    Ok(said?)
}

/// Writes the cover beside a sealed file that is not opened, and says where it is. It is all that there is to see of the
/// file, so nothing is replaced by it.
fn cover(sealed: &Path, bytes: &[u8], block: &PermissionBlock) -> String {
    if sealed.as_os_str() == STANDARD {
        return String::new();
    }
    let path = sealed.with_extension("cover.png");
    let name = shown(&path);
    // Not a FIFO, which would be waited for.
    let same = fs::symlink_metadata(&path).is_ok_and(|present| present.is_file())
        && read_sealed(&path, std::time::Duration::ZERO).is_ok_and(|bytes| {
            SealedFile::read(&bytes).is_ok_and(|file| file.block.unverified().image == block.image)
        });
    if same {
        return format!("; the cover is in {name} already");
    }
    let written = Output::prepare(&path, Existing::Kept, Readers::Usual, bytes.len() as u64)
        .and_then(|output| output.write(bytes));
    match written {
        Ok(()) => format!("; the cover is in {name}"),
        Err(error) => {
            format!("; the cover was not written ({}): the sealed file shows it", super::describe(&error))
        }
    }
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
    if new.verify(&old.cluster)?.revision <= old.revision {
        return Ok(false);
    }
    let mut copy = SealedCopy::open(path, cluster.timeout)?;
    match undisturbed(|| copy.replace_block(&new)) {
        // Another program has put a newer one there meanwhile.
        Err(CopyError::Seal(SealError::OlderBlock { .. })) => Ok(false),
        replaced => Ok(replaced.map(|()| true)?),
    }
}
