//! Images: what an owner says of them and learns about them, and taking them back.

use tokio::time::Instant;

use super::{Client, ClientError, protocol};
use crate::{
    directory::{Describe, ImageDetails, ImageId, Listing, Query, RequestId, UserName, View, Withdraw},
    wire::client::{Change, Reply},
};

impl Client {
    /// Says what is to be seen on an image.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn describe(
        &self,
        request: RequestId,
        describe: Describe,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        self.done(request, Change::Describe(describe), deadline).await
    }

    /// Takes an image out of the directory for ever.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn withdraw(
        &self,
        request: RequestId,
        withdraw: Withdraw,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        self.done(request, Change::Withdraw(withdraw), deadline).await
    }

    /// One page of the images that a user owns.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn owned(
        &self,
        user: UserName,
        after: Option<ImageId>,
        deadline: Instant,
    ) -> Result<Vec<Listing>, ClientError> {
        match self.read(Query::Owned { user, after }, deadline).await? {
            Reply::Listing(listing) => Ok(listing),
            other => Err(protocol(&other)),
        }
    }

    /// What a user may know about an image.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn image(
        &self,
        user: UserName,
        image: ImageId,
        deadline: Instant,
    ) -> Result<ImageDetails, ClientError> {
        match self.read(Query::Image { user, image }, deadline).await? {
            Reply::Image(details) => Ok(*details),
            other => Err(protocol(&other)),
        }
    }

    /// One page of the last views of an image with their numbers, newest first, for its owner.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn views(
        &self,
        user: UserName,
        image: ImageId,
        after: Option<u64>,
        deadline: Instant,
    ) -> Result<Vec<(u64, View)>, ClientError> {
        match self.read(Query::Views { user, image, after }, deadline).await? {
            Reply::Views(views) => Ok(views),
            other => Err(protocol(&other)),
        }
    }
}
