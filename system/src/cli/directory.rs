//! `veil directory`: backups of what the cluster knows.

use std::{
    io::{BufWriter, IntoInnerError, Write},
    path::PathBuf,
};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::{
    ClusterArgs,
    beside::Readers,
    complain,
    escape::{in_json, shown},
    output::{ForceArgs, Output, STANDARD},
    print::{Unprinted, put_with},
    read_file,
};
use crate::{
    client::Client,
    directory::{Backup, DUMP_VERSION, ImageLine, Place, Record, Restore},
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
    /// Where to write it; only you can read the file. By default, or as -, to standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Debug, Args)]
struct LoadArgs {
    /// The dump; - for standard input.
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

async fn dump(DumpArgs { output, force, cluster }: DumpArgs) -> anyhow::Result<()> {
    let Some(path) = output.filter(|path| path.as_os_str() != STANDARD) else {
        put_with(|_| Ok(()))?;
        let client = cluster.client()?;
        let mut out = BufWriter::new(std::io::stdout());
        let dumped = write_dump(&client, &cluster, &mut out).await;
        let dumped = dumped.map_err(|error| match error.downcast::<std::io::Error>() {
            Ok(error) => Unprinted::from(error).into(),
            Err(error) => error,
        })?;
        out.flush().map_err(Unprinted::from)?;
        warn_if_torn(&dumped);
        return Ok(());
    };
    let name = || shown(&path);
    // Takes its name when it is whole.
    let output = Output::prepare(&path, force.existing(), Readers::Owner, 0)?;
    let client = cluster.client()?;
    let mut out = BufWriter::new(output);
    let dumped = write_dump(&client, &cluster, &mut out).await.with_context(name)?;
    let output = out.into_inner().map_err(IntoInnerError::into_error).with_context(name)?;
    output.finish()?;
    warn_if_torn(&dumped);
    cluster.done(
        format_args!("{} records in {}", dumped.records, name()),
        json!({ "file": in_json(&path), "records": dumped.records, "consistent": dumped.consistent }),
    )
}

fn warn_if_torn(dumped: &Dumped) {
    if !dumped.consistent {
        complain("the directory was changed while it was read: the dump may not fit together");
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
        Record::Sealed(image, body) => json(&ImageLine { image: image.clone(), body: Some(body.clone()) }),
        Record::Inbox(record) => json(record),
    }
}

async fn load(LoadArgs { file, resume, cluster }: LoadArgs) -> anyhow::Result<()> {
    let name = || shown(&file);
    let backup = Backup::parse(&read_file(&file, DUMP_LIMIT)?).with_context(name)?;
    let client = cluster.client()?;
    let in_use = backup.settings.wrapping_key;
    let keys: Vec<_> =
        backup.images.iter().filter_map(|line| Some((line.image.image, line.image.key()?))).collect();
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
    cluster.done(text, json!({ "records": records, "restored": restored }))
}
