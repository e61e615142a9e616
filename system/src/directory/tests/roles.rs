//! Who may do what: every action and every question by everybody who might ask.
//!
//! What an action or a question is about belongs to Anna: image 10, of which Ben has views and so has the choir that
//! Anna administers and Mia is a member of. Every user asks in their own name; the impostor asks in Anna's.
//!
//! A new action or question breaks the build of [`action_after`] or [`query_after`] until it is in the table.

use super::{
    stage::{Stage, group},
    *,
};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Who {
    Stranger,
    /// Logged in, and nothing else.
    User,
    /// Of the image.
    Owner,
    Grantee,
    /// Of the choir.
    Member,
    /// Of the choir.
    Admin,
    Operator,
    Node,
    /// A user who asks in the name of another.
    Impostor,
}
use Who::*;

const EVERYBODY: &[Who] = &[Stranger, User, Owner, Grantee, Member, Admin, Operator, Node, Impostor];
/// In their own name.
const USERS: &[Who] = &[User, Owner, Grantee, Member, Admin];
/// Whoever is logged in, whatever their name.
const LOGGED_IN: &[Who] = &[User, Owner, Grantee, Member, Admin, Impostor];
const MEMBERS: &[Who] = &[Owner, Member, Admin];
const ADMINS: &[Who] = &[Owner, Admin];
const OPERATORS: &[Who] = &[Operator, Node];

/// The action after `last`, asked in the name of `me`, and who may.
fn action_after(last: Option<&Action>, me: &UserName, image: ImageId) -> Option<(Action, &'static [Who])> {
    let (me, ben, choir) = (me.clone(), name("ben"), group("choir"));
    let id = session(&me);
    Some(match last {
        None => (Action::Register(Register { user: me, key: public_key("x"), password: None }), EVERYBODY),
        Some(Action::Register(_)) => (record_earlier(me.as_str(), &[], 1), USERS),
        Some(Action::RecordEarlier(_)) => (open(me.as_str(), image), USERS),
        Some(Action::OpenView(_)) => {
            (Action::SetGrant(SetGrant { owner: me, image, viewer: ben, views: 1 }), &[Owner])
        }
        Some(Action::SetGrant(_)) => (log_in(me.as_str()), &[Node]),
        Some(Action::LogIn(_)) => (Action::Renew(Renew { user: me, session: id, lifetime_ms: 1 }), USERS),
        Some(Action::Renew(_)) => (Action::EndSession(EndSession { user: me, session: id }), USERS),
        Some(Action::EndSession(_)) => (Action::EndSessions(EndSessions { user: me, keep: None }), USERS),
        Some(Action::EndSessions(_)) => {
            let password = PasswordHash::of_nobody();
            (Action::SetPassword(SetPassword { user: me, password, credentials: 0, keep: None }), &[Node])
        }
        Some(Action::SetPassword(_)) => {
            (Action::SetKey(SetKey { user: me, key: public_key("x"), credentials: 0, keep: None }), &[Node])
        }
        Some(Action::SetKey(_)) => (Action::Rewrap(Rewrap { under: 1, keys: Vec::new() }), OPERATORS),
        Some(Action::Rewrap(_)) => {
            (Action::CreateGroup(CreateGroup { user: me, group: group("band") }), USERS)
        }
        Some(Action::CreateGroup(_)) => (Action::AskToJoin(AskToJoin { user: me, group: choir }), USERS),
        Some(Action::AskToJoin(_)) => {
            (Action::AnswerJoin(AnswerJoin { admin: me, group: choir, user: ben, accept: true }), ADMINS)
        }
        Some(Action::AnswerJoin(_)) => (Action::LeaveGroup(LeaveGroup { user: me, group: choir }), USERS),
        Some(Action::LeaveGroup(_)) => {
            (Action::RemoveMember(RemoveMember { admin: me, group: choir, member: ben }), ADMINS)
        }
        Some(Action::RemoveMember(_)) => {
            (Action::SetRole(SetRole { admin: me, group: choir, member: ben, role: Role::Admin }), ADMINS)
        }
        Some(Action::SetRole(_)) => {
            (Action::SetGroupGrant(SetGroupGrant { owner: me, image, group: choir, views: 1 }), &[Owner])
        }
        Some(Action::SetGroupGrant(_)) => {
            let (title, description) = (String::new(), String::new());
            (Action::Describe(Describe { owner: me, image, title, description }), &[Owner])
        }
        Some(Action::Describe(_)) => (Action::Withdraw(Withdraw { owner: me, image }), &[Owner]),
        Some(Action::Withdraw(_)) => {
            let ask = AskForViews { user: me, image, views: 1, note: String::new() };
            (Action::AskForViews(ask), &[User, Grantee, Member, Admin])
        }
        Some(Action::AskForViews(_)) => {
            (Action::AnswerRequest(AnswerRequest { owner: me, image, user: ben, views: None }), &[Owner])
        }
        Some(Action::AnswerRequest(_)) => (Action::Acknowledge(Acknowledge { user: me, upto: 1 }), USERS),
        Some(Action::Acknowledge(_)) => (Action::Restore(Restore { records: Vec::new() }), OPERATORS),
        Some(Action::Restore(_)) => {
            (Action::SetQuotas(SetQuotas { set: Vec::new(), founding: false }), OPERATORS)
        }
        Some(Action::SetQuotas(_)) => (Action::Block(Block { user: me, blocked: ben }), USERS),
        Some(Action::Block(_)) => (Action::Unblock(Unblock { user: me, blocked: ben }), USERS),
        Some(Action::Unblock(_)) => (Action::SetClock(SetClock { clock_ms: NOW }), OPERATORS),
        Some(Action::SetClock(_)) => (record(me.as_str(), &[], 1), USERS),
        Some(Action::RecordImage(record)) if record.group_grants.is_empty() => {
            let group_grants = BTreeMap::from([(choir, 1)]);
            (Action::RecordImage(RecordImage { group_grants, ..record.clone() }), MEMBERS)
        }
        Some(Action::RecordImage(_)) => (grant(me.as_str(), image, "ben", 1), &[Owner]),
        Some(Action::GrantViews(_)) => {
            (Action::GrantViewsToGroup(SetGroupGrant { owner: me, image, group: choir, views: 1 }), &[Owner])
        }
        Some(Action::GrantViewsToGroup(_)) => return None,
    })
}

/// The question after `last`, asked in the name of `me`, and who may.
fn query_after(last: Option<&Query>, me: &UserName, image: ImageId) -> Option<(Query, &'static [Who])> {
    let (user, group) = (me.clone(), group("choir"));
    Some(match last {
        None => (Query::List { user, after: None }, USERS),
        Some(Query::List { .. }) => (Query::Users { after: None }, OPERATORS),
        Some(Query::Users { .. }) => (Query::Images { after: None }, OPERATORS),
        Some(Query::Images { .. }) => (Query::Hash, OPERATORS),
        // It names nobody: whoever asks is whom it is about.
        Some(Query::Hash) => (Query::Block { image }, &[Owner, Grantee, Member, Admin, Operator, Node]),
        Some(Query::Block { .. }) => (Query::Sessions { user }, USERS),
        Some(Query::Sessions { .. }) => (Query::Owned { user, after: None }, USERS),
        Some(Query::Owned { .. }) => (Query::Image { user, image }, &[Owner, Grantee, Member, Admin]),
        Some(Query::Image { .. }) => (Query::Views { user, image, after: None }, &[Owner]),
        Some(Query::Views { .. }) => (Query::Requests { user, after: None }, USERS),
        Some(Query::Requests { .. }) => (Query::Inbox { user, after: None }, USERS),
        Some(Query::Inbox { .. }) => (Query::Groups { after: None }, LOGGED_IN),
        Some(Query::Groups { .. }) => (Query::MyGroups { user }, USERS),
        Some(Query::MyGroups { .. }) => (Query::GroupMembers { user, group, after: None }, MEMBERS),
        Some(Query::GroupMembers { .. }) => (Query::JoinRequests { user, group, after: None }, ADMINS),
        Some(Query::JoinRequests { .. }) => (Query::GroupImages { user, group, after: None }, MEMBERS),
        Some(Query::GroupImages { .. }) => (Query::Dump { from: Place::Settings }, OPERATORS),
        Some(Query::Dump { .. }) => (Query::Limits, OPERATORS),
        Some(Query::Limits) => (Query::Usage { user }, USERS),
        Some(Query::Usage { .. }) => (Query::Blocked { user }, USERS),
        Some(Query::Blocked { .. }) => return None,
    })
}

/// Anna owns the image and made the choir; Ben was granted views; Mia is a member of the choir, Ada an admin.
fn world() -> (Directory, ImageId) {
    let mut stage = Stage::of(&["anna", "ben", "mia", "ada", "zoe", "ike"]);
    let image = stage.image("anna", &[("ben", 1)]);
    stage.create("anna", "choir").unwrap();
    stage.joins("mia", "choir", "anna");
    stage.joins("ada", "choir", "anna");
    stage.sets_role("anna", "choir", "ada", Role::Admin).unwrap();
    stage.grants_group("anna", image, "choir", 1).unwrap();
    (stage.directory, image)
}

impl Who {
    /// As whom they are known, and in whose name they ask.
    fn caller(self) -> (Caller, UserName) {
        let user = |known, asks| (Caller::User(name(known), session(&name(known))), name(asks));
        match self {
            Self::Stranger => (Caller::Stranger, name("anna")),
            Self::Operator => (Caller::Operator, name("anna")),
            Self::Node => (Caller::Node, name("anna")),
            Self::User => user("zoe", "zoe"),
            Self::Owner => user("anna", "anna"),
            Self::Grantee => user("ben", "ben"),
            Self::Member => user("mia", "mia"),
            Self::Admin => user("ada", "ada"),
            Self::Impostor => user("ike", "anna"),
        }
    }
}

#[test]
fn every_action_by_everybody() {
    let (directory, image) = world();
    for who in EVERYBODY {
        let (caller, me) = who.caller();
        let mut last = None;
        let mut count = 0;
        while let Some((action, may)) = action_after(last.as_ref(), &me, image) {
            let found = directory.authorise(&caller, Wish::Action(&action));
            assert_eq!(found.is_ok(), may.contains(who), "{who:?}, {action:?}: {found:?}");
            (last, count) = (Some(action), count + 1);
        }
        assert_eq!(count, 32);
    }
}

#[test]
fn every_question_by_everybody() {
    let (directory, image) = world();
    for who in EVERYBODY {
        let (caller, me) = who.caller();
        let mut last = None;
        let mut count = 0;
        while let Some((query, may)) = query_after(last.as_ref(), &me, image) {
            let found = directory.authorise(&caller, Wish::Query(&query));
            assert_eq!(found.is_ok(), may.contains(who), "{who:?}, {query:?}: {found:?}");
            (last, count) = (Some(query), count + 1);
        }
        assert_eq!(count, 20);
    }
}

#[test]
fn every_other_wish_by_everybody() {
    let (directory, _) = world();
    for who in EVERYBODY {
        let (caller, me) = who.caller();
        let may = |wish| directory.authorise(&caller, wish).is_ok();
        assert_eq!(may(Wish::Seal { owner: &me }), USERS.contains(who), "{who:?} seals");
        assert_eq!(may(Wish::User), LOGGED_IN.contains(who), "{who:?} is a user");
        assert_eq!(may(Wish::Cluster), OPERATORS.contains(who), "{who:?} changes members");
    }
}
