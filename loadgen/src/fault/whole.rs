//! Whether a cluster is whole: every node answers, all know the same leader of the same term, and each has
//! applied what any of them had when it was looked at before. Some faults wait for that.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::sleep;
use veil::{
    client::Client,
    wire::client::{NodeId, NodeStatus},
};

use crate::cluster::{Cluster, ClusterError};

/// How long a node may take to answer.
const PATIENCE: Duration = Duration::from_millis(500);
/// The pause between looks.
const PAUSE: Duration = Duration::from_millis(25);

/// Connections to every node, made when they are first needed.
#[derive(Default)]
pub(super) struct Watch(Option<Client>);

impl Watch {
    /// Waits until the cluster is whole.
    ///
    /// # Errors
    /// When the nodes cannot be spoken to at all.
    pub(super) async fn until_whole(&mut self, cluster: &dyn Cluster) -> Result<(), ClusterError> {
        let client = match &self.0 {
            Some(client) => client,
            None => {
                let addresses = cluster.members().iter().map(|member| member.client.clone()).collect();
                let client = Client::new(cluster.outside().network()?, addresses, 1);
                self.0.insert(client.map_err(ClusterError::NoAddress)?)
            }
        };
        let mut looks = Looks::default();
        loop {
            let asking = client.nodes().iter().map(|address| client.status(address, PATIENCE));
            let statuses = join_all(asking).await.into_iter().map(|status| status.ok().map(Seen::from));
            if looks.is_whole(statuses) {
                return Ok(());
            }
            sleep(PAUSE).await;
        }
    }
}

/// What matters of a node's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    term: u64,
    leader: Option<NodeId>,
    applied: u64,
}

impl From<NodeStatus> for Seen {
    fn from(status: NodeStatus) -> Self {
        let leader = status.leadership.leader.map(|leader| leader.id);
        Self { term: status.leadership.term, leader, applied: status.applied }
    }
}

/// Looks at all nodes, one after the other.
#[derive(Debug, Default)]
struct Looks {
    /// At the look before, who led which term, and how far the furthest had come; nothing, if they were at odds.
    before: Option<(NodeId, u64, u64)>,
}

impl Looks {
    /// Looks once more: at a status of every node, or nothing where one did not answer.
    fn is_whole(&mut self, statuses: impl IntoIterator<Item = Option<Seen>>) -> bool {
        let before = self.before.take();
        let Some(statuses) = statuses.into_iter().collect::<Option<Vec<Seen>>>() else { return false };
        let Some(Seen { term, leader: Some(leader), .. }) = statuses.first().copied() else { return false };
        if statuses.iter().any(|seen| (seen.term, seen.leader) != (term, Some(leader))) {
            return false;
        }
        let furthest = statuses.iter().map(|seen| seen.applied).max().unwrap_or_default();
        self.before = Some((leader, term, furthest));
        before.is_some_and(|(led, then, goal)| {
            (led, then) == (leader, term) && statuses.iter().all(|seen| seen.applied >= goal)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(term: u64, leader: impl Into<Option<NodeId>>, applied: u64) -> Option<Seen> {
        Some(Seen { term, leader: leader.into(), applied })
    }

    #[test]
    fn a_cluster_is_whole_when_all_have_what_any_of_them_had() {
        let mut looks = Looks::default();
        assert!(!looks.is_whole([seen(1, 2, 10), seen(1, 2, 12), seen(1, 2, 9)]), "nothing to compare with");
        assert!(!looks.is_whole([seen(1, 2, 13), seen(1, 2, 14), seen(1, 2, 11)]), "n3 lags behind");
        assert!(looks.is_whole([seen(1, 2, 14), seen(1, 2, 16), seen(1, 2, 15)]));
    }

    #[test]
    fn it_is_not_while_one_is_silent_or_at_odds_with_the_others() {
        let good = || [seen(3, 1, 10), seen(3, 1, 10), seen(3, 1, 10)];
        for bad in [None, seen(3, None, 10), seen(3, 2, 10), seen(2, 1, 10)] {
            let mut looks = Looks::default();
            assert!(!looks.is_whole(good()));
            assert!(!looks.is_whole([seen(3, 1, 10), bad, seen(3, 1, 10)]), "{bad:?}");
            assert!(!looks.is_whole(good()), "it begins anew after {bad:?}");
            assert!(looks.is_whole(good()));
        }
        let mut looks = Looks::default();
        assert!(!looks.is_whole(good()));
        assert!(!looks.is_whole([seen(4, 2, 10); 3]), "another has come to lead meanwhile");
        assert!(looks.is_whole([seen(4, 2, 10); 3]));
        assert!(!Looks::default().is_whole([]));
    }
}
