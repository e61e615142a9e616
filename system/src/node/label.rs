//! The labels under which requests are counted.

use crate::{
    directory::Query,
    wire::client::{Answer, Change, Request, ServiceError},
};

/// An enumeration of labels: all of them, and how each is written.
macro_rules! labels {
    ($(#[$doc:meta])* $label:ident { $($variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum $label { $($variant,)* }

        impl $label {
            /// In the order of their numbers.
            pub(super) const ALL: &[Self] = &[$(Self::$variant,)*];

            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

labels! {
    /// What was asked.
    Kind {
        Status = "status",
        Watch = "watch",
        Register = "register",
        View = "view",
        Grant = "grant",
        Assign = "assign",
        Seal = "seal",
        List = "list",
        Users = "users",
        Images = "images",
        Hash = "hash",
        Members = "members",
        AddMember = "add_member",
        RemoveMember = "remove_member",
        Keys = "keys",
        Block = "block",
        Challenge = "challenge",
        LogIn = "log_in",
        Renew = "renew",
        EndSession = "end_session",
        EndSessions = "end_sessions",
        SetPassword = "set_password",
        SetKey = "set_key",
        Sessions = "sessions",
        Announce = "announce",
        Heartbeat = "heartbeat",
        Leave = "leave",
        Online = "online",
        Locate = "locate",
        Rewrap = "rewrap",
        CreateGroup = "create_group",
        AskToJoin = "ask_to_join",
        AnswerJoin = "answer_join",
        LeaveGroup = "leave_group",
        RemoveFromGroup = "remove_from_group",
        SetRole = "set_role",
        SetGroupGrant = "set_group_grant",
        Describe = "describe",
        Withdraw = "withdraw",
        AskForViews = "ask_for_views",
        AnswerRequest = "answer_request",
        Acknowledge = "acknowledge",
        Restore = "restore",
        Owned = "owned",
        Image = "image",
        Views = "views",
        Requests = "requests",
        Inbox = "inbox",
        Groups = "groups",
        MyGroups = "my_groups",
        GroupMembers = "group_members",
        JoinRequests = "join_requests",
        GroupImages = "group_images",
        Dump = "dump",
        WriteStages = "write_stages",
        TransferLeadership = "transfer_leadership",
        SetQuotas = "set_quotas",
        BlockUser = "block_user",
        UnblockUser = "unblock_user",
        Limits = "limits",
        Usage = "usage",
        Blocked = "blocked",
        SetClock = "set_clock",
        CheckKeys = "check_keys",
    }
}

labels! {
    /// How it was answered.
    Outcome {
        Ok = "ok",
        NotLeader = "not_leader",
        Busy = "busy",
        Behind = "behind",
        NotProven = "not_proven",
        TooManyAttempts = "too_many_attempts",
        Refused = "refused",
        BadOriginal = "bad_original",
        Unsettled = "unsettled",
        Unconfirmed = "unconfirmed",
        Internal = "internal",
        Clock = "clock",
    }
}

impl Kind {
    pub(super) fn of(request: &Request) -> Self {
        match request {
            Request::Status => Self::Status,
            Request::WriteStages => Self::WriteStages,
            Request::WatchLeadership { .. } => Self::Watch,
            Request::Execute { change, .. } => match change {
                Change::Register { .. } => Self::Register,
                Change::LogIn { .. } => Self::LogIn,
                Change::Renew(_) => Self::Renew,
                Change::EndSession(_) => Self::EndSession,
                Change::EndSessions(_) => Self::EndSessions,
                Change::SetPassword { .. } => Self::SetPassword,
                Change::SetKey { .. } => Self::SetKey,
                Change::OpenView(_) => Self::View,
                Change::SetGrant(_) => Self::Grant,
                Change::CreateGroup(_) => Self::CreateGroup,
                Change::AskToJoin(_) => Self::AskToJoin,
                Change::AnswerJoin(_) => Self::AnswerJoin,
                Change::LeaveGroup(_) => Self::LeaveGroup,
                Change::RemoveMember(_) => Self::RemoveFromGroup,
                Change::SetRole(_) => Self::SetRole,
                Change::SetGroupGrant(_) => Self::SetGroupGrant,
                Change::Describe(_) => Self::Describe,
                Change::Withdraw(_) => Self::Withdraw,
                Change::AskForViews(_) => Self::AskForViews,
                Change::AnswerRequest(_) => Self::AnswerRequest,
                Change::Acknowledge(_) => Self::Acknowledge,
                Change::Restore(_) => Self::Restore,
                Change::SetQuotas(_) => Self::SetQuotas,
                Change::Block(_) => Self::BlockUser,
                Change::Unblock(_) => Self::UnblockUser,
                Change::SetClock => Self::SetClock,
            },
            Request::AssignWorker { .. } => Self::Assign,
            Request::Seal { .. } => Self::Seal,
            Request::Read { query, .. } => match query {
                Query::List { .. } => Self::List,
                Query::Users { .. } => Self::Users,
                Query::Images { .. } => Self::Images,
                Query::Hash => Self::Hash,
                Query::Block { .. } => Self::Block,
                Query::Sessions { .. } => Self::Sessions,
                Query::Owned { .. } => Self::Owned,
                Query::Image { .. } => Self::Image,
                Query::Views { .. } => Self::Views,
                Query::Requests { .. } => Self::Requests,
                Query::Inbox { .. } => Self::Inbox,
                Query::Groups { .. } => Self::Groups,
                Query::MyGroups { .. } => Self::MyGroups,
                Query::GroupMembers { .. } => Self::GroupMembers,
                Query::JoinRequests { .. } => Self::JoinRequests,
                Query::GroupImages { .. } => Self::GroupImages,
                Query::Dump { .. } => Self::Dump,
                Query::Limits => Self::Limits,
                Query::Usage { .. } => Self::Usage,
                Query::Blocked { .. } => Self::Blocked,
            },
            Request::Members => Self::Members,
            Request::CheckKeys { .. } => Self::CheckKeys,
            Request::AddMember { .. } => Self::AddMember,
            Request::RemoveMember { .. } => Self::RemoveMember,
            Request::Keys => Self::Keys,
            Request::Challenge => Self::Challenge,
            Request::Announce { .. } => Self::Announce,
            Request::Heartbeat => Self::Heartbeat,
            Request::Leave => Self::Leave,
            Request::Online { .. } => Self::Online,
            Request::Locate { .. } => Self::Locate,
            Request::Rewrap => Self::Rewrap,
            Request::TransferLeadership { .. } => Self::TransferLeadership,
        }
    }
}

impl Outcome {
    pub(super) fn of(answer: &Answer) -> Self {
        match answer {
            Ok(_) => Self::Ok,
            Err(ServiceError::NotLeader(_)) => Self::NotLeader,
            Err(ServiceError::Busy { .. }) => Self::Busy,
            Err(ServiceError::Behind) => Self::Behind,
            Err(ServiceError::NotProven) => Self::NotProven,
            Err(ServiceError::TooManyAttempts { .. } | ServiceError::TooManyRegistrations { .. }) => {
                Self::TooManyAttempts
            }
            Err(
                ServiceError::Refused(_)
                | ServiceError::Declined(_)
                | ServiceError::Membership(_)
                | ServiceError::Presence(_)
                | ServiceError::Rewrap(_)
                | ServiceError::Transfer(_),
            ) => Self::Refused,
            Err(ServiceError::BadOriginal(_)) => Self::BadOriginal,
            Err(ServiceError::Unsettled(_)) => Self::Unsettled,
            Err(ServiceError::Unconfirmed(_)) => Self::Unconfirmed,
            Err(ServiceError::Internal(_)) => Self::Internal,
            Err(ServiceError::Clock(_)) => Self::Clock,
        }
    }
}
