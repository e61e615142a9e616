//! `veil dev`: a cluster on this machine, to try things with.

mod guide;
mod nodes;
mod photo;
mod place;

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use tokio::time::{Instant, sleep};

use self::{guide::Guide, nodes::Nodes, place::Place};
use super::{complain, home::HomeArgs, interrupt::told_to_end, say, trust::TrustArgs};
use crate::{client::Client, wire::transport::Tcp};

/// How long the nodes may take to find a leader; they may have long logs to replay.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// How long a node may take to say how it is.
const STATUS_PATIENCE: Duration = Duration::from_millis(500);
/// How often it is asked.
const PAUSE: Duration = Duration::from_millis(50);

/// Run a cluster on this machine, to try things with.
///
/// Starts three nodes that speak TLS, waits until they serve, and prints what to type next. It runs until Ctrl-C (or
/// SIGTERM, or until its terminal is closed), and then nothing is left of it: no process and no file. When a node
/// ends by itself, it says why, and ends with exit code 1.
#[derive(Debug, Args)]
pub(super) struct DevArgs {
    /// Make the cluster in DIR and keep it, with all users and images. Started again on DIR, it goes on.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Use the ports BASE, BASE+1 and BASE+2 for clients, and those 100 above for the nodes among themselves. By default
    /// any free ones.
    #[arg(long, value_name = "BASE", value_parser = clap::value_parser!(u16).range(1..=65433))]
    port: Option<u16>,
}

pub(super) async fn run(args: DevArgs) -> anyhow::Result<()> {
    // Before anything is made that would be left behind.
    let stop = told_to_end()?;
    let place = Place::prepare(args.keep, args.port)?;
    let mut nodes = Nodes::start(&place)?;
    let guide = Guide::new(&place, nodes.pids())?;
    let serving = async {
        wait_for_a_leader(&place).await?;
        if let Err(unsaid) = say(&guide) {
            // The cluster serves all the same, and the file for shells says where.
            complain(unsaid);
        }
        place.write_environment(&guide.environment())?;
        std::future::pending().await
    };
    let done = tokio::select! {
        biased;
        () = stop => Ok(()),
        ended = nodes.first_to_end() => Err(ended),
        failed = serving => failed,
    };
    nodes.end(place.is_kept()).await;
    place.leave()?;
    done
}

/// Waits until all nodes know the same leader.
async fn wait_for_a_leader(place: &Place) -> anyhow::Result<()> {
    let trust = TrustArgs { ca: Some(place.authority()), ..TrustArgs::default() };
    let addresses: Vec<_> = place.members().iter().map(|member| member.client.clone()).collect();
    let network = trust.network(Arc::new(Tcp::default()), &addresses, &HomeArgs::default())?;
    let client = Client::new(network, addresses, 1)?;
    let deadline = Instant::now() + START_PATIENCE;
    while Instant::now() < deadline {
        let asking = client.nodes().iter().map(|address| client.status(address, STATUS_PATIENCE));
        let answers = futures_util::future::join_all(asking).await;
        let leaders = answers.into_iter().map(|answer| answer.ok()?.leadership.leader);
        let leaders: Option<Vec<_>> = leaders.collect();
        if leaders.is_some_and(|leaders| leaders.windows(2).all(|pair| pair[0] == pair[1])) {
            return Ok(());
        }
        sleep(PAUSE).await;
    }
    anyhow::bail!("the nodes have not agreed on a leader within {START_PATIENCE:?}")
}
