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
        Internal = "internal",
    }
}

impl Kind {
    pub(super) fn of(request: &Request) -> Self {
        match request {
            Request::Status => Self::Status,
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
            },
            Request::Members => Self::Members,
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
            Err(ServiceError::TooManyAttempts { .. }) => Self::TooManyAttempts,
            Err(
                ServiceError::Refused(_)
                | ServiceError::Membership(_)
                | ServiceError::Presence(_)
                | ServiceError::Rewrap(_),
            ) => Self::Refused,
            Err(ServiceError::BadOriginal(_)) => Self::BadOriginal,
            Err(ServiceError::Unsettled(_)) => Self::Unsettled,
            Err(ServiceError::Internal(_)) => Self::Internal,
        }
    }
}
