//! `veil usage`: how much of what a user may have is used.

use clap::Args;
use serde_json::{Value, json};

use super::{ClusterArgs, say, say_json, session::UserArgs};
use crate::directory::{Quota, Quotas, Usage};

/// Show how much you have, and how much you may have.
///
/// Images, groups that you are a member of, requests of yours that wait for an answer, and the bytes that the cluster
/// counts for all of this, for your sessions, and for notices of yours that others have not read yet. What would go beyond
/// a quota is refused. Withdrawing images makes room when their viewers have read that they are gone; leaving groups and logging
/// out on other devices does at once. An operator can raise the quotas, which are the same for all users.
#[derive(Debug, Args)]
pub(super) struct UsageArgs {
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn run(UsageArgs { who, cluster }: UsageArgs) -> anyhow::Result<()> {
    let me = who.logged_in(&cluster).await?;
    let (usage, quotas) = me.client.usage(me.user.clone(), cluster.deadline()).await?;
    let rows = rows(&usage, &quotas);
    if cluster.json {
        let rows = rows.iter().map(|row| {
            json!({
                "quota": row.quota.name(),
                "used": row.used,
                "limit": row.limit,
                "percent": row.percent(),
            })
        });
        say_json(&json!({ "user": me.user.as_str(), "quotas": Value::from_iter(rows) }))?;
        return Ok(());
    }
    say(format_args!("{:20}  {:>14}  {:>14}  {:>6}", "QUOTA", "USED", "LIMIT", "USED %"))?;
    for row in rows {
        let percent = row.percent().map_or("-".to_owned(), |percent| format!("{percent:.1}"));
        say(format_args!("{:20}  {:>14}  {:>14}  {percent:>6}", row.quota.name(), row.used, row.limit))?;
    }
    Ok(())
}

/// One quota.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    quota: Quota,
    used: u64,
    limit: u64,
}

impl Row {
    /// How much is used, per cent, to a tenth. Nothing can be said of a quota of nothing.
    fn percent(&self) -> Option<f64> {
        (self.limit > 0).then(|| (self.used as f64 / self.limit as f64 * 1_000.0).round() / 10.0)
    }
}

/// Those quotas that are about all that a user has.
fn rows(usage: &Usage, quotas: &Quotas) -> Vec<Row> {
    let row = |(quota, limit)| usage.used(quota).map(|used| Row { quota, used, limit });
    quotas.all().into_iter().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quota_of_one_user_is_shown_with_what_is_used_of_it() {
        let usage = Usage { images: 3, groups: 2, requests: 0, blocked: 7, bytes: 123_456 };
        let quotas = Quotas { images_per_user: 4, requests_per_user: 0, ..Quotas::default() };
        let rows = rows(&usage, &quotas);
        let shown: Vec<_> = rows.iter().map(|row| (row.quota.name(), row.used, row.percent())).collect();
        assert_eq!(
            shown,
            [
                ("images-per-user", 3, Some(75.0)),
                ("groups-per-user", 2, Some(2.0)),
                ("requests-per-user", 0, None),
                ("bytes-per-user", 123_456, Some(0.2)),
            ]
        );
    }
}
