//! Keeps the client's knowledge of the cluster fresh: every node is asked to tell when the leadership
//! changes, and the leader who the members are.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use super::Inner;
use crate::wire::client::{Asked, Leadership, MemberRole, Reply, Request, WATCH_PATIENCE_MS};

/// A node answers a watch after [`WATCH_PATIENCE_MS`] at the latest; a silent one is asked anew.
pub(super) const WATCH_PATIENCE: Duration = Duration::from_millis(WATCH_PATIENCE_MS + 500);
/// The pause before a node that cannot be reached is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// Follows one node's view for as long as the client exists.
pub(super) async fn follow_leadership(client: Weak<Inner>, address: String) {
    let mut seen = Leadership::default();
    loop {
        let Some(inner) = client.upgrade() else { return };
        let request = Asked::stranger(Request::WatchLeadership { seen: seen.clone() });
        let answer = inner.links.ask(&address, &request, WATCH_PATIENCE).await;
        match answer {
            Ok(Ok(Reply::Leadership(now))) => {
                inner.learn(&now);
                // The leader is asked for the members as well.
                if now.leader.as_ref().is_some_and(|leader| leader.client == address)
                    && let Ok(Ok(Reply::Members(members))) =
                        inner.links.ask(&address, &Asked::stranger(Request::Members), WATCH_PATIENCE).await
                {
                    inner.learn_members(&members);
                }
                seen = now;
                drop(inner);
            }
            _ => {
                drop(inner);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

impl Inner {
    /// Takes in what a node says of the leadership. An older term teaches nothing; in the same term a
    /// known leader beats none.
    pub(super) fn learn(self: &Arc<Self>, news: &Leadership) {
        if let Some(leader) = &news.leader {
            self.meet(&leader.client);
        }
        self.leadership.send_if_modified(|known| {
            let newer = news.term > known.term || (news.term == known.term && known.leader.is_none());
            let changes = newer && *known != *news;
            if changes {
                known.clone_from(news);
            }
            changes
        });
    }

    /// Takes in who the members are, to know whom to turn to when the nodes that this client was given are no
    /// longer there, and forgets who is no member any more.
    pub(super) fn learn_members(self: &Arc<Self>, members: &[MemberRole]) {
        self.met.lock().retain(|address, following| {
            let member = members.iter().any(|role| role.member.client == *address);
            if !member {
                following.abort();
            }
            member
        });
        members.iter().for_each(|role| self.meet(&role.member.client));
    }

    /// Follows a node from now on, if it was unknown.
    fn meet(self: &Arc<Self>, address: &str) {
        let mut met = self.met.lock();
        if !self.nodes.iter().any(|node| node == address) && !met.contains_key(address) {
            let following = tokio::spawn(follow_leadership(Arc::downgrade(self), address.to_owned()));
            met.insert(address.to_owned(), following.abort_handle());
        }
    }

    /// The node we took for the leader is not, or is gone.
    pub(super) fn forget_leader(&self, address: &str) {
        self.leadership.send_if_modified(|known| {
            let same = known.leader.as_ref().is_some_and(|leader| leader.client == address);
            if same {
                known.leader = None;
            }
            same
        });
    }
}
