//! The quotas that a cluster is founded with, and how full they are.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{environment::Entropy, forward::Forwarder};
use crate::{
    alarm::Alarm,
    consensus::Consensus,
    directory::{Action, Actor, Limits, Quota, Quotas, REQUEST_WINDOW_MS, SetQuotas},
};

/// How long one attempt may take, and how long until the next one.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(1);

/// How often to look how full they are.
const LOOK: Duration = Duration::from_secs(1);

/// A quota is nearly reached when so much of it is used, per cent, and no longer when it is less than that.
const NEAR: u64 = 90;
const NOT_NEAR: u64 = 85;

/// Sets the quotas of the cluster that this node founds, unless any were ever set there.
pub(super) async fn found(forwarder: Forwarder, entropy: Arc<Entropy>, quotas: Quotas) {
    while !forwarder.consensus.look(|directory, _| directory.has_quotas()) {
        let Ok(request) = forwarder.consensus.own_request(entropy.bits()) else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let action = Action::SetQuotas(SetQuotas { set: quotas.all(), founding: true });
        match forwarder.propose(request, Actor::Node, action, PATIENCE).await {
            Ok(Ok(_)) => return,
            Ok(Err(refusal)) => {
                tracing::warn!("the quotas of node.toml are not set: {refusal}");
                return;
            }
            // The cluster is being founded, or nobody leads.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Says when a quota of the whole cluster is nearly reached, for ever.
pub(super) async fn watch(consensus: Consensus) {
    let mut near = BTreeSet::new();
    loop {
        // The sizes are kept up to date with every change: nothing is counted for this.
        let (mut limits, newest_ms) =
            consensus.look(|directory, _| (directory.limits(), directory.newest_request_ms()));
        // Answers are forgotten with the next commands. Where none come, nobody is refused.
        let quiet_ms = consensus.time().now_ms.saturating_sub(newest_ms.unwrap_or_default());
        if quiet_ms > REQUEST_WINDOW_MS {
            limits.answer_bytes = 0;
        }
        near = nearly_reached(&limits, &near);
        consensus.alarms().set(Alarm::Quota, complaint(&limits, &near));
        tokio::time::sleep(LOOK).await;
    }
}

/// The quotas of the whole cluster that are nearly reached, after those in `before` were.
fn nearly_reached(limits: &Limits, before: &BTreeSet<Quota>) -> BTreeSet<Quota> {
    let is_near = |quota: &Quota| {
        let least = if before.contains(quota) { NOT_NEAR } else { NEAR };
        let used = limits.used(*quota).map(u128::from);
        used.is_some_and(|used| used * 100 >= u128::from(limits.refused_from(*quota)) * u128::from(least))
    };
    Quota::ALL.into_iter().filter(is_near).collect()
}

/// What an operator is told of them.
fn complaint(limits: &Limits, near: &BTreeSet<Quota>) -> Option<String> {
    if near.is_empty() {
        return None;
    }
    let each = near.iter().filter_map(|quota| {
        let (used, limit) = (limits.used(*quota)?, limits.quotas.get(*quota));
        let percent = (u128::from(used) * 100).checked_div(u128::from(limit));
        let percent = percent.map_or(String::new(), |percent| format!("{percent} % of "));
        let heavy = match quota {
            Quota::AnswerBytes => "; from 75 % on whoever makes many changes is told to ask again later",
            _ => "",
        };
        Some(format!(
            "the {} is {used} of {limit} ({percent}the quota {}{heavy})",
            quota.field(None),
            quota.name()
        ))
    });
    let each = each.collect::<Vec<_>>().join(", ");
    let set: String = near.iter().map(|quota| format!(" --set {}=LIMIT", quota.name())).collect();
    Some(format!(
        "{each}: what goes beyond is refused. Make room, or raise it with `veil cluster limits{set}` if the nodes have \
         the memory"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a cluster holds that may have 100 users, 1,000 bytes, and 2^20 bytes of answers.
    fn holding(users: u64, bytes: u64) -> Limits {
        let quotas = Quotas { users: 100, bytes: 1_000, answer_bytes: 1 << 20, ..Quotas::default() };
        Limits { quotas, users, images: 0, bytes, answers: 0, answer_bytes: 0 }
    }

    #[test]
    fn a_quota_is_near_from_90_per_cent_on_until_it_is_below_85() {
        let mut near = BTreeSet::new();
        for (users, is_near) in [
            (89, false),
            (90, true),
            (89, true),
            (85, true),
            (84, false),
            (89, false),
            (100, true),
            (200, true),
        ] {
            near = nearly_reached(&holding(users, 0), &near);
            assert_eq!(near.contains(&Quota::Users), is_near, "{users}");
            assert_eq!(near.len(), usize::from(is_near), "{users}");
        }
    }

    #[test]
    fn each_quota_that_is_near_is_named_with_what_is_used_and_how_to_raise_it() {
        let said = |limits: &Limits| complaint(limits, &nearly_reached(limits, &BTreeSet::new()));
        assert_eq!(said(&holding(89, 899)), None);
        let one = "the number of users of the cluster is 90 of 100 (90 % of the quota users): what goes beyond is \
                   refused. Make room, or raise it with `veil cluster limits --set users=LIMIT` if the nodes have the \
                   memory";
        assert_eq!(said(&holding(90, 0)).as_deref(), Some(one));
        let two = said(&holding(90, 1_999)).unwrap();
        let bytes = "the size of all records of the cluster is 1999 of 1000 (199 % of the quota bytes): ";
        assert!(
            two.contains(bytes) && two.contains("`veil cluster limits --set users=LIMIT --set bytes=LIMIT`")
        );
        let mut answers = holding(0, 0);
        answers.answer_bytes = 1 << 20;
        assert!(
            said(&answers).unwrap().contains("remembered answers is 1048576 of 1048576 (100 % of the quota")
        );
        // Some are refused long before there is no room at all.
        answers.answer_bytes = (1 << 20) / 4 * 3;
        assert!(said(&answers).unwrap().contains("(75 % of the quota answer-bytes; from 75 % on whoever"));
        answers.answer_bytes = (1 << 20) / 100 * 67;
        assert_eq!(said(&answers), None);
        // Where nobody may be, nobody is too many.
        let mut nobody = holding(0, 0);
        nobody.quotas.users = 0;
        assert!(said(&nobody).unwrap().contains("is 0 of 0 (the quota users)"));
    }
}
