//! Keeps the client's knowledge of the cluster fresh: every node is asked to tell when the leadership
//! changes, and the leader who the members are.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::time::Instant;

use super::Inner;
use crate::wire::{
    client::{Answer, Asked, Leadership, MemberRole, Reply, Request, WATCH_PATIENCE_MS},
    connection::{CallError, Connection},
    frame::WireError,
};

/// How long opening a connection may take.
const CONNECT: Duration = Duration::from_millis(300);

/// A node answers a watch after [`WATCH_PATIENCE_MS`] at the latest; a silent one is asked anew.
pub(super) const WATCH_PATIENCE: Duration = Duration::from_millis(WATCH_PATIENCE_MS + 500);
/// The pause before a node that cannot be reached is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// Whoever is named as the leader and denies it so often in a row is not turned to in that term any more: nobody knows the
/// leader's right address. Less often, it may have been elected a moment ago.
const DENIALS: u32 = 3;
/// For so long after the last time. It may have been elected meanwhile.
const DENIED_FOR: Duration = Duration::from_secs(1);

/// A leadership as it was told, and how often whoever answers at the leader's address has denied it.
pub(super) struct Denial {
    leadership: Leadership,
    times: u32,
    /// When it did so last.
    at: Instant,
}

/// Follows one node's view for as long as the client exists. It is told what changes when it changes: requests that
/// wait for a leader are woken by whichever node knows first.
pub(super) async fn follow_leadership(client: Weak<Inner>, address: String) {
    let mut seen = Leadership::default();
    loop {
        let Some(inner) = client.upgrade() else { return };
        let request = Asked::stranger(Request::WatchLeadership { seen: seen.clone() });
        match inner.ask_once(&address, &request, WATCH_PATIENCE).await {
            Ok(Ok(Reply::Leadership(now))) => {
                inner.learn(&now, &address);
                // The leader is asked for the members as well, and nothing waits for its answer.
                if now.leader.as_ref().is_some_and(|leader| leader.client == address) {
                    tokio::spawn(ask_for_members(client.clone(), address.clone()));
                }
                seen = now;
                continue;
            }
            // It was there: whether it still is shows at once.
            Err(CallError::Lost { .. }) if seen != Leadership::default() => {
                seen = Leadership::default();
                continue;
            }
            _ => {}
        }
        drop(inner);
        seen = Leadership::default();
        tokio::time::sleep(PAUSE).await;
    }
}

async fn ask_for_members(client: Weak<Inner>, address: String) {
    let Some(inner) = client.upgrade() else { return };
    let members = Asked::stranger(Request::Members);
    if let Ok(Ok(Reply::Members(members))) = inner.ask_once(&address, &members, WATCH_PATIENCE).await {
        inner.learn_members(&members);
    }
}

impl Inner {
    /// An open connection to a node. One that cannot be opened because nobody is there tells that a leader is gone.
    pub(super) async fn connect(
        &self,
        address: &str,
        patience: Duration,
    ) -> Result<Connection<Asked, Answer>, CallError> {
        let patience = CONNECT.min(patience);
        // Others may have begun to open it, with more patience.
        let opened = tokio::time::timeout(patience, self.links.get(address, patience)).await;
        let silent =
            || CallError::Connect { address: address.to_owned(), source: WireError::Silent(patience) };
        let opened = opened.unwrap_or_else(|_| Err(silent()));
        self.note_reach(&opened);
        match &opened {
            Ok(_) => {}
            // It may be there, and slow.
            Err(CallError::Connect { source: WireError::Silent(_), .. }) => self.forget_leader(address),
            Err(_) => self.leader_gone(address),
        }
        opened
    }

    /// Asks one node once.
    pub(super) async fn ask_once(
        &self,
        address: &str,
        request: &Asked,
        patience: Duration,
    ) -> Result<Answer, CallError> {
        let connection = self.connect(address, patience).await?;
        match tokio::time::timeout(patience, connection.call(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::Lost { address: address.to_owned() }),
        }
    }

    /// Takes in what the node at `from` says of the leadership. An older term teaches nothing; in the same term a
    /// known leader beats none, unless it is known to be gone: nodes name a dead leader until they elect another.
    pub(super) fn learn(self: &Arc<Self>, news: &Leadership, from: &str) {
        if let Some(leader) = &news.leader {
            self.meet(&leader.client);
        }
        let mut gone = self.gone.lock();
        if gone.as_ref().is_some_and(|gone| news.term > gone.term || leads(news, from)) {
            *gone = None;
        }
        if news.leader.is_some() && gone.as_ref() == Some(news) {
            return;
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

    /// The node that we took for the leader does not answer. Any node that still says so is believed.
    pub(super) fn forget_leader(&self, address: &str) {
        self.leadership.send_if_modified(|known| {
            let same = leads(known, address);
            if same {
                known.leader = None;
            }
            same
        });
    }

    /// Nobody is there any more where we took the leader to be. In this term only itself is believed that it leads.
    fn leader_gone(&self, address: &str) {
        let mut gone = self.gone.lock();
        self.leadership.send_if_modified(|known| {
            let same = leads(known, address);
            if same {
                *gone = Some(known.clone());
                known.leader = None;
            }
            same
        });
    }

    /// The node at `address` has said that it does not lead, when it was asked at `asked`. Where it is the one that all
    /// others name, their hint is wrong. Those who were asked together count once.
    pub(super) fn denies(&self, address: &str, asked: Instant) {
        let known = self.leadership.borrow().clone();
        if !leads(&known, address) {
            return;
        }
        let mut denial = self.denial.lock();
        match &mut *denial {
            Some(denial) if denial.leadership == known && asked < denial.at => {}
            Some(denial) if denial.leadership == known => {
                (denial.times, denial.at) = (denial.times.saturating_add(1), Instant::now());
            }
            _ => *denial = Some(Denial { leadership: known, times: 1, at: Instant::now() }),
        }
    }

    /// Whether a leadership is told of, and denied by whoever is named.
    pub(super) fn is_denied(&self, leadership: &Leadership) -> bool {
        let denial = self.denial.lock();
        denial.as_ref().is_some_and(|denial| {
            denial.times >= DENIALS && denial.leadership == *leadership && denial.at.elapsed() < DENIED_FOR
        })
    }

    /// A node has answered: if only a leader answers that, it is one.
    pub(super) fn served(&self, address: &str, request: &Request) {
        let any_node_answers = matches!(
            request,
            Request::Read { .. }
                | Request::Seal { .. }
                | Request::Keys
                | Request::Challenge
                | Request::Status
                | Request::WatchLeadership { .. }
                | Request::WriteStages
        );
        if any_node_answers {
            return;
        }
        let mut denial = self.denial.lock();
        if denial.as_ref().is_some_and(|denial| leads(&denial.leadership, address)) {
            *denial = None;
        }
    }

    /// A node answers: should it lead, whoever says so is believed again.
    pub(super) fn answers(&self, address: &str) {
        let mut gone = self.gone.lock();
        if gone.as_ref().is_some_and(|gone| leads(gone, address)) {
            *gone = None;
        }
    }

    /// Whether a node was found to be gone when it led.
    pub(super) fn is_gone(&self, address: &str) -> bool {
        self.gone.lock().as_ref().is_some_and(|gone| leads(gone, address))
    }
}

/// Whether it is the node at `address` that leads.
pub(super) fn leads(leadership: &Leadership, address: &str) -> bool {
    leadership.leader.as_ref().is_some_and(|leader| leader.client == address)
}
