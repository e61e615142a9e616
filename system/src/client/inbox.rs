//! Asking for views, answering, and reading what has come in meanwhile.

use tokio::time::Instant;

use super::{Client, ClientError, protocol};
use crate::{
    directory::{
        Acknowledge, AnswerRequest, Ask, AskForViews, ImageId, InboxPage, Query, RequestId, UserName,
    },
    wire::client::{Change, Reply},
};

impl Client {
    /// Asks the owner of an image for views of it.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn ask_for_views(
        &self,
        request: RequestId,
        ask: AskForViews,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        self.done(request, Change::AskForViews(ask), deadline).await
    }

    /// Answers a request for views. Gives back the views left, if any were granted.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn answer_request(
        &self,
        request: RequestId,
        answer: AnswerRequest,
        deadline: Instant,
    ) -> Result<Option<u32>, ClientError> {
        match self.execute(request, Change::AnswerRequest(answer), deadline).await? {
            Reply::Granted { views_left, .. } => Ok(Some(views_left)),
            Reply::Done => Ok(None),
            other => Err(protocol(&other)),
        }
    }

    /// One page of the requests for views that wait for an owner.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn requests(
        &self,
        user: UserName,
        after: Option<(ImageId, UserName)>,
        deadline: Instant,
    ) -> Result<Vec<(ImageId, UserName, Ask)>, ClientError> {
        match self.read(Query::Requests { user, after }, deadline).await? {
            Reply::Requests(requests) => Ok(requests),
            other => Err(protocol(&other)),
        }
    }

    /// One page of what a user has not acknowledged yet, in order.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn inbox(
        &self,
        user: UserName,
        after: Option<u64>,
        deadline: Instant,
    ) -> Result<InboxPage, ClientError> {
        match self.read(Query::Inbox { user, after }, deadline).await? {
            Reply::Inbox(page) => Ok(page),
            other => Err(protocol(&other)),
        }
    }

    /// Takes out of the inbox what was read.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn acknowledge(
        &self,
        request: RequestId,
        acknowledge: Acknowledge,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        self.done(request, Change::Acknowledge(acknowledge), deadline).await
    }
}
