//! `veil online` and `veil stay`: who is there, and being there.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use super::{
    ClusterArgs, complain,
    escape::{one_line, shown},
    file::LOCK_PATIENCE,
    interrupt::told_to_end,
    read_sealed, say, say_json,
    session::UserArgs,
};
use crate::{
    directory::{ImageId, UserName},
    seal::SealedFile,
    wire::{
        client::OnlinePeer,
        transport::{Network, Tcp},
    },
};

/// Show who is online, where, and what they offer.
#[derive(Debug, Args)]
pub(super) struct OnlineArgs {
    /// Only this user.
    name: Option<UserName>,
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn online(args: OnlineArgs) -> anyhow::Result<()> {
    let OnlineArgs { name, who, cluster } = args;
    let client = who.logged_in(&cluster).await?.client;
    let mut found: Vec<OnlinePeer> = Vec::new();
    let settled = match name {
        Some(name) => {
            let (peers, settled) = client.locate(name, cluster.deadline()).await?;
            found = peers;
            settled
        }
        None => loop {
            let after = found.last().map(|last| (last.user.clone(), last.session));
            let (page, settled) = client.online(after, cluster.deadline()).await?;
            if page.is_empty() {
                break settled;
            }
            found.extend(page);
        },
    };
    if cluster.json {
        let rows = found.iter().map(|peer| {
            let offers: Vec<_> = peer.offers.iter().map(ToString::to_string).collect();
            json!({ "user": peer.user.as_str(), "address": peer.address, "offers": offers })
        });
        say_json(&json!({ "settled": settled, "online": Value::from_iter(rows) }))?;
        return Ok(());
    }
    match found.is_empty() {
        true => say("nobody is online")?,
        false => say(format_args!("{:24}  {:24}  OFFERS", "USER", "ADDRESS"))?,
    }
    for OnlinePeer { user, address, offers, .. } in &found {
        let images = if offers.len() == 1 { "image" } else { "images" };
        let address = one_line(address);
        say(format_args!("{:24}  {address:24}  {} {images}", user.as_str(), offers.len()))?;
    }
    if !settled {
        say("(the leader has just been elected: others may be online who have not said so yet)")?;
    }
    Ok(())
}

/// Be online until Ctrl-C (or SIGTERM, or until the terminal is closed), and tell others what sealed images you have.
///
/// Listens on an address and tells the cluster which one. Nothing is handed out yet: that is for peers to come.
#[derive(Debug, Args)]
pub(super) struct StayArgs {
    /// A folder with sealed images (PNG) to offer.
    folder: Option<PathBuf>,
    /// Where others reach you; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    listen: String,
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn stay(args: StayArgs) -> anyhow::Result<()> {
    let StayArgs { folder, listen, who, cluster } = args;
    let me = who.logged_in(&cluster).await?;
    let offers = match &folder {
        Some(folder) => sealed_images(folder).with_context(|| shown(folder))?,
        None => Vec::new(),
    };
    let network: Arc<dyn Network> = Arc::new(Tcp::default());
    let listener = network.listen(&listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let (address, count) = (listener.local_address(), offers.len());
    let online = me.client.go_online(address.clone(), offers, cluster.deadline()).await?;
    let stop = told_to_end().context("signals cannot be watched")?;
    let said = cluster.done(
        format_args!("{} is online at {address} until Ctrl-C; images offered: {count}", me.user),
        json!({ "user": me.user.as_str(), "address": address, "offers": count }),
    );
    // Others reach this peer all the same.
    if let Err(unsaid) = said {
        complain(unsaid);
    }
    stop.await;
    online.leave(cluster.deadline()).await?;
    Ok(())
}

/// The images of a folder that are sealed. What is none is passed over.
fn sealed_images(folder: &std::path::Path) -> anyhow::Result<Vec<ImageId>> {
    let mut images = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let png = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png"));
        // Not a FIFO, which would be waited for.
        if png && path.is_file() {
            let sealed = SealedFile::read(&read_sealed(&path, LOCK_PATIENCE)?);
            images.extend(sealed.ok().map(|file| file.block.unverified().image));
        }
    }
    images.sort();
    images.dedup();
    Ok(images)
}
