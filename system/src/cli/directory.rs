//! `veil directory`: backups of what the cluster knows.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::{ClusterArgs, read_file, say};
use crate::{
    client::Client,
    directory::{Backup, DUMP_VERSION, Place, Record, Restore},
    node::system_clock,
};

/// The largest dump that is loaded, bytes: 4 GiB.
const DUMP_LIMIT: u64 = 4 << 30;

/// Write the whole directory to a file, or bring it back. For operators.
///
/// All users, groups, images, grants, requests and inboxes, as JSON: for backups, and to look at. Not sessions: after a
/// load everybody logs in again. Content keys are in it as the cluster keeps them, under its key-encryption keys, so a
/// cluster needs the same cluster.key to use them; of passwords there are hashes.
#[derive(Debug, Args)]
pub(super) struct DirectoryArgs {
    #[command(subcommand)]
    command: DirectoryCommand,
}

#[derive(Debug, Subcommand)]
enum DirectoryCommand {
    /// Write the directory to a file, or to standard output.
    ///
    /// It is read page by page. If something is changed meanwhile, the file says that it is not consistent: it may hold
    /// an image and not its owner, and then it is refused when it is loaded. Dump again when less happens.
    Dump(DumpArgs),
    /// Bring a dump back, into a directory without users, groups and images.
    ///
    /// All of it is checked before anything is changed: that its records fit together, and that the cluster has the
    /// cluster.key under which its content keys are.
    Load(LoadArgs),
}

#[derive(Debug, Args)]
struct DumpArgs {
    /// Where to write it; only you can read the file. By default to standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Debug, Args)]
struct LoadArgs {
    /// The dump.
    file: PathBuf,
    /// Go on with a load that was interrupted: what is there already has to be the same.
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn run(args: DirectoryArgs) -> anyhow::Result<()> {
    match args.command {
        DirectoryCommand::Dump(args) => dump(args).await,
        DirectoryCommand::Load(args) => load(args).await,
    }
}

async fn dump(DumpArgs { output, cluster }: DumpArgs) -> anyhow::Result<()> {
    let client = cluster.client()?;
    let Some(path) = output else {
        let mut out = BufWriter::new(std::io::stdout().lock());
        let dumped = write_dump(&client, &cluster, &mut out).await?;
        out.flush()?;
        warn_if_torn(&dumped);
        return Ok(());
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = || path.display().to_string();
    // Takes its name when it is whole; only its owner can read it.
    let mut beside = tempfile::Builder::new().prefix(".veil-").tempfile_in(folder).with_context(name)?;
    let mut out = BufWriter::new(beside.as_file_mut());
    let dumped = write_dump(&client, &cluster, &mut out).await.with_context(name)?;
    out.flush().with_context(name)?;
    drop(out);
    beside.as_file().sync_all().with_context(name)?;
    beside.persist(&path).with_context(name)?;
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(name)?;
    warn_if_torn(&dumped);
    cluster.print(
        format_args!("{} records in {}", dumped.records, path.display()),
        json!({ "file": path, "records": dumped.records, "consistent": dumped.consistent }),
    );
    Ok(())
}

fn warn_if_torn(dumped: &Dumped) {
    if !dumped.consistent {
        eprintln!("veil: the directory was changed while it was read: the dump may not fit together");
    }
}

struct Dumped {
    records: u64,
    consistent: bool,
}

/// Writes a [`Backup`] page by page, a record a line, so that it needs not be held in memory.
async fn write_dump(client: &Client, cluster: &ClusterArgs, out: &mut impl Write) -> anyhow::Result<Dumped> {
    let (first, settings) = client.dump(Place::Settings, cluster.deadline()).await?;
    let Some(Record::Settings(settings)) = settings.into_iter().next() else {
        anyhow::bail!("the node has sent no settings")
    };
    writeln!(out, "{{\"version\":{DUMP_VERSION},\"taken_ms\":{},", system_clock()())?;
    write!(out, "\"settings\":{}", serde_json::to_string(&settings)?)?;
    let mut dumped = Dumped { records: 1, consistent: true };
    for (field, mut place) in [
        ("users", Place::Users(None)),
        ("groups", Place::Groups(None)),
        ("images", Place::Images(None)),
        ("inboxes", Place::Inboxes(None)),
    ] {
        write!(out, ",\n\"{field}\":[")?;
        let mut separator = "\n";
        loop {
            let (applied, page) = client.dump(place, cluster.deadline()).await?;
            dumped.consistent &= applied == first;
            let Some(last) = page.last() else { break };
            place = last.next();
            for record in page {
                write!(out, "{separator}{}", line(&record)?)?;
                separator = ",\n";
                dumped.records += 1;
            }
        }
        write!(out, "]")?;
    }
    writeln!(out, ",\n\"consistent\":{}}}", dumped.consistent)?;
    Ok(dumped)
}

/// A record as it stands in a list of its kind.
fn line(record: &Record) -> serde_json::Result<String> {
    fn json(record: &impl Serialize) -> serde_json::Result<String> {
        serde_json::to_string(record)
    }
    match record {
        Record::Settings(record) => json(record),
        Record::User(record) => json(record),
        Record::Group(record) => json(record),
        Record::Image(record) => json(record),
        Record::Inbox(record) => json(record),
    }
}

async fn load(LoadArgs { file, resume, cluster }: LoadArgs) -> anyhow::Result<()> {
    let name = || file.display().to_string();
    let backup = Backup::parse(&read_file(&file, DUMP_LIMIT)?).with_context(name)?;
    let client = cluster.client()?;
    let in_use = backup.settings.wrapping_key;
    let keys: Vec<_> = backup.images.iter().filter_map(|image| Some((image.image, image.key()?))).collect();
    let portions = backup.into_portions();
    // All of it, before anything is changed: what was brought once cannot be taken back.
    Backup::rehearse(&portions).with_context(name)?;
    client.check_keys(in_use, &keys, cluster.deadline()).await.with_context(name)?;
    if !resume {
        for (what, place) in
            [("users", Place::Users(None)), ("groups", Place::Groups(None)), ("images", Place::Images(None))]
        {
            let (_, page) = client.dump(place, cluster.deadline()).await?;
            anyhow::ensure!(
                page.is_empty(),
                "the directory has {what} already: a dump is loaded into an empty one (or go on with --resume)"
            );
        }
    }
    let (mut records, mut restored) = (0, 0);
    for portion in portions {
        records += portion.len();
        let restore = Restore { records: portion };
        restored += client.restore(client.request_id(), restore, cluster.deadline()).await?;
    }
    let text = format!("{restored} of {records} records brought back, the others were there already");
    match cluster.json {
        true => say(json!({ "records": records, "restored": restored })),
        false => say(text),
    }
    Ok(())
}
