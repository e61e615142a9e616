//! `veil cluster limits`: what the cluster may hold.

use clap::Args;
use serde_json::{Value, json};

use crate::{
    cli::{ClusterArgs, block_on, say, say_json},
    directory::Quota,
};

/// Which quotas are set.
#[derive(Debug, Args)]
pub struct LimitsArgs {
    /// Set a quota, such as images-per-user=5000. May be given several times.
    #[arg(long, value_name = "QUOTA=LIMIT", value_parser = parse)]
    set: Vec<(Quota, u64)>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

fn parse(text: &str) -> Result<(Quota, u64), String> {
    let (name, limit) = text.split_once('=').ok_or("expected QUOTA=LIMIT, such as images-per-user=5000")?;
    let limit = limit.parse().map_err(|_| format!("{limit:?} is no number from 0"))?;
    Ok((name.parse()?, limit))
}

pub(super) fn run(LimitsArgs { set, cluster }: &LimitsArgs) -> anyhow::Result<()> {
    let limits = block_on(async {
        let client = cluster.client()?;
        if !set.is_empty() {
            client.set_quotas(client.request_id(), set.clone(), cluster.deadline()).await?;
        }
        Ok(client.limits(cluster.deadline()).await?)
    })?;
    if cluster.json {
        let rows = limits.quotas.all().into_iter();
        let rows = rows.map(
            |(quota, limit)| json!({ "quota": quota.name(), "limit": limit, "used": limits.used(quota) }),
        );
        say_json(
            &json!({ "quotas": Value::from_iter(rows), "images": limits.images, "answers": limits.answers }),
        )?;
        return Ok(());
    }
    say(format_args!("{:20}  {:>14}  {:>14}", "QUOTA", "LIMIT", "USED"))?;
    for (quota, limit) in limits.quotas.all() {
        let used = limits.used(quota).map_or(String::new(), |used| used.to_string());
        say(format!("{:20}  {limit:>14}  {used:>14}", quota.name()).trim_end())?;
    }
    say(format_args!("{} images, {} remembered answers", limits.images, limits.answers))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_set_by_its_name() {
        for quota in Quota::ALL {
            assert_eq!(parse(&format!("{}=7", quota.name())), Ok((quota, 7)));
        }
        for (bad, reason) in [
            ("users", "expected QUOTA=LIMIT"),
            ("users=many", "\"many\" is no number"),
            ("people=1", "no quota is called \"people\": expected one of images-per-user"),
        ] {
            assert!(parse(bad).unwrap_err().contains(reason), "{bad}");
        }
    }
}
