//! Being online, and finding those who are.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::{Client, ClientError, protocol};
use crate::{
    directory::{ImageId, UserName},
    identity::SessionId,
    wire::client::{OnlinePeer, Reply, Request},
};

/// How long one heartbeat is tried.
const PATIENCE: Duration = Duration::from_secs(2);
/// The pause after one that was not heard.
const PAUSE: Duration = Duration::from_millis(200);

/// A peer that is online until this is dropped, or [left](Self::leave).
pub struct Online {
    client: Client,
    beating: JoinHandle<()>,
}

impl Online {
    /// Goes, and tells so. (Dropped, it is missed a few seconds later.)
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn leave(self, deadline: Instant) -> Result<(), ClientError> {
        self.beating.abort();
        self.client.heard(Request::Leave, deadline).await.map(drop)
    }
}

impl Drop for Online {
    fn drop(&mut self) {
        self.beating.abort();
    }
}

impl Client {
    /// Tells the cluster that this user's peer is online at `address`, the one that it really listens on, and keeps
    /// telling: to every new leader at once.
    ///
    /// # Errors
    /// [`ClientError`], if the first time fails.
    pub async fn go_online(
        &self,
        address: String,
        offers: Vec<ImageId>,
        deadline: Instant,
    ) -> Result<Online, ClientError> {
        let announce = Arc::new(Request::Announce { address, offers });
        let (_, interval) = self.heard(Request::clone(&announce), deadline).await?;
        let beating = tokio::spawn(self.clone().keep_online(announce, interval));
        Ok(Online { client: self.clone(), beating })
    }

    async fn keep_online(self, announce: Arc<Request>, mut interval: Duration) {
        let mut leadership = self.leadership();
        leadership.mark_unchanged();
        loop {
            let new_leader = async {
                // The sender lives as long as this client.
                while leadership.changed().await.is_ok() && leadership.borrow().leader.is_none() {}
            };
            let told_already = tokio::select! {
                () = new_leader => false,
                () = sleep(interval) => true,
            };
            let mut request = if told_already { Request::Heartbeat } else { Request::clone(&announce) };
            interval = loop {
                match self.heard(request, Instant::now() + PATIENCE).await {
                    Ok((true, interval)) => break interval,
                    Ok((false, _)) => {}
                    Err(ClientError::Refused(refusal)) => {
                        tracing::warn!(%refusal, "no longer online");
                        return;
                    }
                    Err(error) => {
                        tracing::debug!(%error, "the cluster does not hear that this peer is online");
                        sleep(PAUSE).await;
                    }
                }
                request = Request::clone(&announce);
            };
        }
    }

    /// One page of who is online, after the last of the page before; and whether everybody has had the time to say
    /// so since the leader was elected.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn online(
        &self,
        after: Option<(UserName, SessionId)>,
        deadline: Instant,
    ) -> Result<(Vec<OnlinePeer>, bool), ClientError> {
        self.peers(Request::Online { after }, deadline).await
    }

    /// Where a user is: every device that is online.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn locate(
        &self,
        user: UserName,
        deadline: Instant,
    ) -> Result<(Vec<OnlinePeer>, bool), ClientError> {
        self.peers(Request::Locate { user }, deadline).await
    }

    async fn peers(
        &self,
        request: Request,
        deadline: Instant,
    ) -> Result<(Vec<OnlinePeer>, bool), ClientError> {
        match self.ask_leader(request, deadline).await? {
            Reply::Online { peers, settled } => Ok((peers, settled)),
            other => Err(protocol(&other)),
        }
    }

    async fn heard(&self, request: Request, deadline: Instant) -> Result<(bool, Duration), ClientError> {
        match self.ask_leader(request, deadline).await? {
            Reply::Heard { known, interval_ms } => Ok((known, Duration::from_millis(interval_ms))),
            other => Err(protocol(&other)),
        }
    }
}
