//! `veil cluster set-clock`: the directory's clock, after it was wrong.

use clap::Args;
use serde_json::json;

use crate::{
    cli::{ClusterArgs, block_on, pages::moment},
    clock::Off,
};

/// Which cluster.
#[derive(Debug, Args)]
pub struct SetClockArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) fn set_clock(SetClockArgs { cluster }: &SetClockArgs) -> anyhow::Result<()> {
    let (was_ms, clock_ms) = block_on(async {
        let client = cluster.client()?;
        Ok(client.set_clock(client.request_id(), cluster.deadline()).await?)
    })?;
    cluster.done(
        format_args!(
            "the directory's clock shows {}; it was {} that",
            moment(clock_ms),
            Off(was_ms.wrapping_sub(clock_ms) as i64)
        ),
        json!({ "clock_ms": clock_ms, "was_ms": was_ms }),
    )?;
    Ok(())
}
