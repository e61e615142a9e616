//! A node that is to become a member: whether it is reached where it is said to be.
//!
//! What stands in the membership is what clients and nodes dial from then on. A wrong address there is found out when the node
//! leads, and then nobody is served.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout};

use crate::{
    consensus::Consensus,
    wire::{
        client::{AddressOf, Answer, Asked, Member, MemberError, NodeStatus, Reply, Request},
        connection::{CallError, Connection},
        frame::Link,
        transport::Network,
    },
};

/// How long whoever is at an address may take to say who it is, and the pause before it is asked again.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(50);

/// Checks newcomers.
pub(super) struct Newcomers {
    pub(super) consensus: Consensus,
    /// Over which clients reach nodes.
    pub(super) network: Arc<dyn Network>,
}

impl Newcomers {
    /// Whether the node is reached at both of its addresses, and nobody else is. It may be about to start: who does not
    /// answer is asked again until `patience` is over. What is a member already is not checked.
    ///
    /// # Errors
    /// [`MemberError`], with the address and what was found there.
    pub(super) async fn check(&self, member: &Member, patience: Duration) -> Result<(), MemberError> {
        let members = self.consensus.members();
        if members.iter().any(|known| known.id == member.id) {
            // It may be down. Whether it is the same is for consensus to say.
            return Ok(());
        }
        self.check_form(member)?;
        check_distinct(member, &members)?;
        let until = Instant::now() + patience;
        let (status, identity) = tokio::try_join!(
            self.who_answers_clients(member, until, patience),
            self.consensus.who_answers_nodes(member, until, patience),
        )?;
        if status.disk != identity.disk.to_string() {
            let found =
                format!("it is another one than the node {} that answers at {}", member.id, member.peer);
            return Err(other(AddressOf::Clients, member, found));
        }
        Ok(())
    }

    fn check_form(&self, member: &Member) -> Result<(), MemberError> {
        for side in AddressOf::BOTH {
            let value = side.of(member);
            self.network.check(value).map_err(|bad| MemberError::BadAddress {
                side,
                value: bad.given,
                reason: bad.reason.to_string(),
            })?;
        }
        Ok(())
    }

    /// Asks whoever is at the address for clients who it is.
    async fn who_answers_clients(
        &self,
        member: &Member,
        until: Instant,
        patience: Duration,
    ) -> Result<NodeStatus, MemberError> {
        loop {
            let silent = match timeout(PATIENCE, self.ask(&member.client)).await {
                Ok(Ok(Ok(Reply::Status(status)))) if status.node == member.id => return Ok(*status),
                Ok(Ok(Ok(Reply::Status(status)))) => {
                    return Err(other(
                        AddressOf::Clients,
                        member,
                        format!("node {} answers there", status.node),
                    ));
                }
                Ok(Ok(_)) => {
                    return Err(other(AddressOf::Clients, member, "no node answers there".to_owned()));
                }
                Ok(Err(error)) => match error.somebody_else() {
                    Some(found) => return Err(other(AddressOf::Clients, member, found)),
                    None => error.to_string(),
                },
                Err(_) => format!("no answer from {}", member.client),
            };
            if Instant::now() >= until {
                let reason = format!("nobody answers clients there: {silent}");
                return Err(MemberError::NotCaughtUp { id: member.id, waited: patience, reason });
            }
            sleep(PAUSE).await;
        }
    }

    async fn ask(&self, address: &str) -> Result<Answer, CallError> {
        let connection = Connection::open(&*self.network, address, Link::Client, PATIENCE).await?;
        connection.call(&Asked::stranger(Request::Status)).await
    }
}

/// Whether no address of the newcomer is another one's, or both of its own.
fn check_distinct(member: &Member, members: &[Member]) -> Result<(), MemberError> {
    if member.client == member.peer {
        return Err(MemberError::BadAddress {
            side: AddressOf::Nodes,
            value: member.peer.clone(),
            reason: "it is the address for clients as well, and a node listens for nodes at another one"
                .to_owned(),
        });
    }
    for side in AddressOf::BOTH {
        let value = side.of(member);
        for known in members {
            if let Some(of) = AddressOf::BOTH.into_iter().find(|of| of.of(known) == value) {
                return Err(MemberError::AddressTaken { side, value: value.to_owned(), node: known.id, of });
            }
        }
    }
    Ok(())
}

fn other(side: AddressOf, member: &Member, found: String) -> MemberError {
    MemberError::OtherAnswers { side, value: side.of(member).to_owned(), expected: member.id, found }
}
