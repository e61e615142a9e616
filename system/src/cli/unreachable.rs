//! A cluster that cannot be reached: said soon, and once.

use std::{
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::complain;
use crate::{
    client::{Client, ClientError},
    os_error::plain,
};

/// How long nodes may take until it is said that none answers.
const PATIENCE: Duration = Duration::from_secs(1);
/// How much longer they may take to have a leader.
const ELECTION: Duration = Duration::from_secs(1);

/// What to do about it.
const REMEDY: &str = "is the cluster running, and are these its addresses (--nodes, VEIL_NODES)?";

/// Whether it was said what to do.
static TOLD: AtomicBool = AtomicBool::new(false);

/// Says on stderr when no node answers, or none leads, while the program goes on trying.
pub(super) fn tell(client: &Client, timeout: Duration) {
    static ONCE: Once = Once::new();
    let (mut reached, mut leadership) = (client.reached(), client.leadership());
    let nodes = client.nodes().join(", ");
    // It ends with the program's command.
    tokio::spawn(async move {
        let answered = async { reached.wait_for(|reach| reach.is_reached()).await.is_ok() };
        let answers = tokio::time::timeout(PATIENCE, answered).await;
        if answers == Ok(false) || (answers.is_err() && timeout <= PATIENCE) {
            return;
        }
        if answers.is_err() {
            let why = reached.borrow().failure().map(|why| format!(" ({})", plain(why)));
            let (why, left) = (why.unwrap_or_default(), humantime::format_duration(timeout - PATIENCE));
            ONCE.call_once(|| {
                complain(format_args!(
                    "no node answers at {nodes}{why}: {REMEDY} Trying for another {left}; Ctrl-C ends that"
                ));
            });
            TOLD.store(true, Ordering::Relaxed);
            return;
        }
        let led = async { leadership.wait_for(|known| known.leader.is_some()).await.is_ok() };
        if tokio::time::timeout(ELECTION, led).await.is_err() && timeout > PATIENCE + ELECTION {
            ONCE.call_once(|| {
                complain(format_args!(
                    "nodes answer, and none of them leads: a majority of the cluster's nodes has to be up and in \
                     touch (`veil status`). Trying on; Ctrl-C ends that"
                ));
            });
        }
    });
}

/// What to add to an error that ends a command, unless it was said already.
pub(super) fn hint(error: &anyhow::Error) -> String {
    let unreachable =
        error.chain().any(|cause| matches!(cause.downcast_ref(), Some(ClientError::Unreachable { .. })));
    match unreachable && !TOLD.load(Ordering::Relaxed) {
        true => format!("; {REMEDY}"),
        false => String::new(),
    }
}
