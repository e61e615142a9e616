//! Groups: making them, joining, leaving and administering them, and sharing images with them.

use tokio::time::Instant;

use super::{Client, ClientError, protocol};
use crate::{
    directory::{
        AnswerJoin, AskToJoin, CreateGroup, GroupName, ImageId, LeaveGroup, Listing, Membership, Query,
        RemoveMember, RequestId, Role, SetGroupGrant, SetRole, UserName,
    },
    wire::client::{Change, Reply},
};

impl Client {
    /// Makes a group.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn create_group(
        &self,
        request: RequestId,
        create: CreateGroup,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        self.done(request, Change::CreateGroup(create), deadline).await
    }

    /// Asks to be let into a group.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn ask_to_join(
        &self,
        request: RequestId,
        ask: AskToJoin,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        self.done(request, Change::AskToJoin(ask), deadline).await
    }

    /// Lets somebody into a group, or does not.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn answer_join(
        &self,
        request: RequestId,
        answer: AnswerJoin,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        self.done(request, Change::AnswerJoin(answer), deadline).await
    }

    /// Leaves a group, or takes back the request to join it.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn leave_group(
        &self,
        request: RequestId,
        leave: LeaveGroup,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        self.done(request, Change::LeaveGroup(leave), deadline).await
    }

    /// Takes a member out of a group.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn remove_from_group(
        &self,
        request: RequestId,
        remove: RemoveMember,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        self.done(request, Change::RemoveMember(remove), deadline).await
    }

    /// Changes a member's part in a group.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn set_role(
        &self,
        request: RequestId,
        set: SetRole,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        self.done(request, Change::SetRole(set), deadline).await
    }

    /// Sets the views that a group has left; 0 revokes. Gives them back as the directory has them.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn set_group_grant(
        &self,
        request: RequestId,
        grant: SetGroupGrant,
        deadline: Instant,
    ) -> Result<u32, ClientError> {
        self.granted(request, Change::SetGroupGrant(grant), deadline).await
    }

    /// One page of the names of all groups.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn groups(
        &self,
        after: Option<GroupName>,
        deadline: Instant,
    ) -> Result<Vec<GroupName>, ClientError> {
        match self.read(Query::Groups { after }, deadline).await? {
            Reply::Groups(groups) => Ok(groups),
            other => Err(protocol(&other)),
        }
    }

    /// The groups of a user.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn groups_of(
        &self,
        user: UserName,
        deadline: Instant,
    ) -> Result<Vec<(GroupName, Role)>, ClientError> {
        match self.read(Query::MyGroups { user }, deadline).await? {
            Reply::MyGroups(groups) => Ok(groups),
            other => Err(protocol(&other)),
        }
    }

    /// One page of the members of a group, for one of them.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn group_members(
        &self,
        user: UserName,
        group: GroupName,
        after: Option<UserName>,
        deadline: Instant,
    ) -> Result<Vec<(UserName, Membership)>, ClientError> {
        match self.read(Query::GroupMembers { user, group, after }, deadline).await? {
            Reply::GroupMembers(members) => Ok(members),
            other => Err(protocol(&other)),
        }
    }

    /// One page of who asks to join a group and since when (milliseconds since the Unix epoch), for an admin of it.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn join_requests(
        &self,
        user: UserName,
        group: GroupName,
        after: Option<UserName>,
        deadline: Instant,
    ) -> Result<Vec<(UserName, u64)>, ClientError> {
        match self.read(Query::JoinRequests { user, group, after }, deadline).await? {
            Reply::JoinRequests(requests) => Ok(requests),
            other => Err(protocol(&other)),
        }
    }

    /// One page of the images that a group has views left of, for a member of it.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn group_images(
        &self,
        user: UserName,
        group: GroupName,
        after: Option<ImageId>,
        deadline: Instant,
    ) -> Result<Vec<Listing>, ClientError> {
        match self.read(Query::GroupImages { user, group, after }, deadline).await? {
            Reply::Listing(listing) => Ok(listing),
            other => Err(protocol(&other)),
        }
    }
}
