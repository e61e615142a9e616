//! `veil cluster recover`: going on with one node when most of the others are lost.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context;
use clap::Args;
use serde_json::json;

use crate::{
    cli::{block_on, escape::shown, say, say_json},
    consensus::{DiskId, Folder, Holdings, Survivor},
    node::{Entropy, NodeConfig, system_clock},
    wire::{
        client::Member,
        loopback::Loopback,
        tls::Tls,
        transport::{Network, Tcp},
    },
};

/// Which node is left.
#[derive(Debug, Args)]
pub struct RecoverArgs {
    /// The configuration file of the node that is left.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Do it. Without it nothing is changed.
    #[arg(long)]
    yes: bool,
    /// Print JSON, for scripts.
    #[arg(long)]
    json: bool,
}

/// Does what was asked.
///
/// # Errors
/// When it was not confirmed, others are there, or the folder cannot be used.
pub(super) fn recover(RecoverArgs { config, yes, json }: &RecoverArgs) -> anyhow::Result<()> {
    let config = NodeConfig::load(config)?;
    let name = || format!("data folder {}", shown(&config.data));
    let there = std::fs::metadata(&config.data).with_context(name)?;
    anyhow::ensure!(there.is_dir(), "{}: it is no folder", name());
    let folder = Folder::create(&config.data).with_context(name)?;
    folder.check(config.id).with_context(name)?;
    let survivor = Survivor::open(config.id, Arc::new(folder.clone())).with_context(name)?;
    let living = block_on(async { Ok(survivor.living(&*network(&config)?).await) })?;
    let (holdings, others) = (survivor.holdings(), survivor.others().cloned().collect::<Vec<_>>());
    if let Some(Member { id, peer, .. }) = living.first() {
        anyhow::bail!(
            "node {id} answers at {peer}, and is not lost. With a majority of the members the cluster needs no recovery; \
             without one, stop it, and recover from the node whose log is the longest: this one has {}",
            in_words(&holdings)
        );
    }
    if !json {
        tell(config.id, &holdings, &others)?;
    }
    anyhow::ensure!(*yes, "nothing was changed: say --yes to make node {} the only member", config.id);
    folder.claim(config.id).with_context(name)?;
    let fresh = DiskId::new(system_clock()(), Entropy::from_system().bits());
    survivor.recover(fresh).with_context(name)?;
    match json {
        true => {
            let Holdings { last, term, committed, at_ms, users, images } = holdings;
            say_json(&json!({
                "id": config.id, "last": last, "term": term, "committed": committed, "at_ms": at_ms,
                "users": users, "images": images, "members_before": others,
            }))?;
        }
        false => say(format_args!(
            "node {} is the only member now. Start it; then start others with empty folders, and `veil member add` them",
            config.id
        ))?,
    }
    Ok(())
}

fn in_words(Holdings { last, term, committed, at_ms, users, images }: &Holdings) -> String {
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(*at_ms);
    format!(
        "entry {last} of term {term} as its last (known to be committed: {committed}), {users} users and {images} images, \
         the last change of {}",
        humantime::format_rfc3339_seconds(at)
    )
}

fn tell(id: u64, holdings: &Holdings, others: &[Member]) -> anyhow::Result<()> {
    say(format_args!("node {id} has {}", in_words(holdings)))?;
    say("what the cluster has acknowledged since then, and no folder but the lost ones holds, is lost")?;
    for Member { id, client, peer } in others {
        say(format_args!("node {id} ({client}, {peer}) does not answer, and will be no member any more"))?;
    }
    say(
        "if the others live and only cannot be reached from here, they will stop when they reach this node again, and what they \
         have acknowledged since is not here",
    )?;
    say(
        "never start the others with the folders that they had: among themselves they would go on as the cluster of before",
    )?;
    Ok(())
}

/// Over which nodes reach one another.
fn network(config: &NodeConfig) -> anyhow::Result<Arc<dyn Network>> {
    let routes = config.routes.iter().map(|route| (route.to.clone(), route.via.clone())).collect();
    let tcp: Arc<dyn Network> = Arc::new(Tcp { shared_port: false, routes });
    Ok(match &config.tls {
        Some(files) => Arc::new(Tls::peers(tcp, &files.load_for(config.id)?)?),
        None => Arc::new(Loopback(tcp)),
    })
}
