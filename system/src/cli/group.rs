//! `veil group`: groups, their members and admins.

use clap::{Args, Subcommand};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use super::{
    ClusterArgs,
    pages::{all, moment},
    pending::{self, Pending, Wish},
    request::{AT_A_TIME, settled},
    say, say_json,
    session::UserArgs,
};
use crate::directory::{
    AnswerJoin, AskToJoin, CreateGroup, GroupName, LeaveGroup, Membership, RemoveMember, Role, SetRole,
    UserName,
};

/// Share images with several people at once.
///
/// A group has members, and admins among them who let others in. `veil grant --group` gives it views of an image.
#[derive(Debug, Args)]
pub(super) struct GroupArgs {
    #[command(subcommand)]
    command: GroupCommand,
}

#[derive(Debug, Subcommand)]
enum GroupCommand {
    /// Make a group. You are its first member and admin.
    Create(OneGroup),
    /// Ask to be let into a group. Its admins are told; their answer comes to your inbox.
    Ask(OneGroup),
    /// List who asks to join. For admins.
    Requests(OneGroup),
    /// Let somebody in who has asked. For admins.
    Accept(OneMember),
    /// Do not let somebody in who has asked, or nobody of all who have. For admins.
    Refuse(RefuseArgs),
    /// Leave a group, or take back your request to join it.
    ///
    /// If no admin is left, the member who has been in it for longest becomes one. With the last member the group ends,
    /// and with it the views that it was given.
    Leave(OneGroup),
    /// Take a member out. For admins.
    Remove(OneMember),
    /// Make a member an admin, or an admin a plain member. For admins.
    ///
    /// To hand the administration over, make another member an admin, then yourself a plain member.
    Admin(AdminArgs),
    /// List all groups, or yours.
    List(ListArgs),
    /// List the members of a group. For its members.
    Members(OneGroup),
}

#[derive(Debug, Args)]
struct OneGroup {
    /// The group: 1 to 64 characters out of a-z 0-9 . _ -
    group: GroupName,
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Debug, Args)]
struct OneMember {
    /// The group.
    group: GroupName,
    /// Who.
    member: UserName,
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Debug, Args)]
struct RefuseArgs {
    /// The group.
    group: GroupName,
    /// Who.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    member: Option<UserName>,
    /// Everybody who waits now.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Debug, Args)]
struct AdminArgs {
    #[command(flatten)]
    of: OneMember,
    /// Make an admin a plain member.
    #[arg(long)]
    revoke: bool,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only those that you are a member of.
    #[arg(long)]
    mine: bool,
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn run(args: GroupArgs) -> anyhow::Result<()> {
    match args.command {
        GroupCommand::Create(args) => create(args).await,
        GroupCommand::Ask(args) => ask(args).await,
        GroupCommand::Requests(args) => requests(args).await,
        GroupCommand::Accept(args) => answer(args, true).await,
        GroupCommand::Refuse(RefuseArgs { group, member: Some(member), all: _, who, cluster }) => {
            answer(OneMember { group, member, who, cluster }, false).await
        }
        GroupCommand::Refuse(RefuseArgs { group, who, cluster, .. }) => {
            refuse_all(OneGroup { group, who, cluster }).await
        }
        GroupCommand::Leave(args) => leave(args).await,
        GroupCommand::Remove(args) => remove(args).await,
        GroupCommand::Admin(args) => admin(args).await,
        GroupCommand::List(args) => list(args).await,
        GroupCommand::Members(args) => members(args).await,
    }
}

async fn create(OneGroup { group, who, cluster }: OneGroup) -> anyhow::Result<()> {
    let me = who.logged_in(&cluster).await?;
    let pending =
        Pending::note(&me.home.pending(), &me.client, wish(&me.user, &group), cluster.timeout).await?;
    let made = pending.ask(&me.client, async |turn| {
        let create = CreateGroup { user: me.user.clone(), group: group.clone() };
        turn.client(&me.client).create_group(turn.request, create, cluster.deadline()).await
    });
    made.await?.settle()?;
    let json = json!({ "group": group.as_str(), "admin": me.user.as_str() });
    cluster.done(format_args!("{} has made group {group}, and administers it", me.user), json)?;
    Ok(())
}

/// To make a group, which is made once however often it takes to hear of it.
fn wish<'a>(user: &'a UserName, group: &'a GroupName) -> Wish<'a> {
    Wish { user, kind: "new group", content: group.as_str().as_bytes() }
}

async fn ask(OneGroup { group, who, cluster }: OneGroup) -> anyhow::Result<()> {
    let me = who.logged_in(&cluster).await?;
    let ask = AskToJoin { user: me.user.clone(), group: group.clone() };
    me.client.ask_to_join(me.client.request_id(), ask, cluster.deadline()).await?;
    cluster.done(
        format_args!("{} asks to join group {group}; the answer will be in your inbox", me.user),
        json!({ "group": group.as_str(), "user": me.user.as_str() }),
    )?;
    Ok(())
}

async fn requests(OneGroup { group, who, cluster }: OneGroup) -> anyhow::Result<()> {
    let me = who.logged_in(&cluster).await?;
    let deadline = cluster.deadline();
    let page = async |last: Option<&(UserName, u64)>| {
        let after = last.map(|(user, _)| user.clone());
        me.client.join_requests(me.user.clone(), group.clone(), after, deadline).await
    };
    let waiting = all(page).await?;
    if cluster.json {
        let row = |(user, asked_ms): &(UserName, u64)| json!({ "user": user.as_str(), "asked_ms": asked_ms });
        say_json(&Value::from_iter(waiting.iter().map(row)))?;
        return Ok(());
    }
    if waiting.is_empty() {
        say(format_args!("nobody asks to join group {group}"))?;
    }
    for (user, asked_ms) in waiting {
        say(format_args!("{}  {user}", moment(asked_ms)))?;
    }
    Ok(())
}

async fn answer(OneMember { group, member, who, cluster }: OneMember, accept: bool) -> anyhow::Result<()> {
    let me = who.logged_in(&cluster).await?;
    let answer = AnswerJoin { admin: me.user, group: group.clone(), user: member.clone(), accept };
    me.client.answer_join(me.client.request_id(), answer, cluster.deadline()).await?;
    let is = if accept { "is a member of" } else { "is not let into" };
    cluster.done(
        format_args!("{member} {is} group {group}"),
        json!({ "group": group.as_str(), "user": member.as_str(), "member": accept }),
    )?;
    Ok(())
}

async fn refuse_all(OneGroup { group, who, cluster }: OneGroup) -> anyhow::Result<()> {
    let me = who.logged_in(&cluster).await?;
    let deadline = cluster.deadline();
    let page = async |last: Option<&(UserName, u64)>| {
        let after = last.map(|(user, _)| user.clone());
        me.client.join_requests(me.user.clone(), group.clone(), after, deadline).await
    };
    let waiting = all(page).await?;
    let (client, admin, name) = (&me.client, &me.user, &group);
    let refused = stream::iter(&waiting).map(|(user, _)| async move {
        let (admin, group, user) = (admin.clone(), name.clone(), user.clone());
        let answer = AnswerJoin { admin, group, user, accept: false };
        settled(client.answer_join(client.request_id(), answer, deadline).await)
    });
    let refused: Vec<bool> = refused.buffer_unordered(AT_A_TIME).try_collect().await?;
    let refused = refused.into_iter().filter(|refused| *refused).count();
    let word = if refused == 1 { "user is" } else { "users are" };
    cluster.done(
        format_args!("{refused} {word} not let into group {group}"),
        json!({ "group": group.as_str(), "refused": refused }),
    )?;
    Ok(())
}

async fn leave(OneGroup { group, who, cluster }: OneGroup) -> anyhow::Result<()> {
    let me = who.logged_in(&cluster).await?;
    // With the last member it ends, and is made anew then.
    pending::forget(&me.home.pending(), wish(&me.user, &group));
    let leave = LeaveGroup { user: me.user.clone(), group: group.clone() };
    me.client.leave_group(me.client.request_id(), leave, cluster.deadline()).await?;
    cluster.done(
        format_args!("{} is not in group {group} any more", me.user),
        json!({ "group": group.as_str(), "user": me.user.as_str(), "member": false }),
    )?;
    Ok(())
}

async fn remove(OneMember { group, member, who, cluster }: OneMember) -> anyhow::Result<()> {
    let me = who.logged_in(&cluster).await?;
    let remove = RemoveMember { admin: me.user, group: group.clone(), member: member.clone() };
    me.client.remove_from_group(me.client.request_id(), remove, cluster.deadline()).await?;
    cluster.done(
        format_args!("{member} is not in group {group} any more"),
        json!({ "group": group.as_str(), "user": member.as_str(), "member": false }),
    )?;
    Ok(())
}

async fn admin(AdminArgs { of, revoke }: AdminArgs) -> anyhow::Result<()> {
    let OneMember { group, member, who, cluster } = of;
    let me = who.logged_in(&cluster).await?;
    let role = if revoke { Role::Member } else { Role::Admin };
    let set = SetRole { admin: me.user, group: group.clone(), member: member.clone(), role };
    me.client.set_role(me.client.request_id(), set, cluster.deadline()).await?;
    let text = format!("{member} is {} of group {group}", if revoke { "a plain member" } else { "an admin" });
    cluster.done(text, json!({ "group": group.as_str(), "user": member.as_str(), "role": name(role) }))?;
    Ok(())
}

async fn list(ListArgs { mine, who, cluster }: ListArgs) -> anyhow::Result<()> {
    let me = who.logged_in(&cluster).await?;
    let deadline = cluster.deadline();
    if mine {
        let groups = me.client.groups_of(me.user, deadline).await?;
        if cluster.json {
            let row =
                |(group, role): &(GroupName, Role)| json!({ "group": group.as_str(), "role": name(*role) });
            say_json(&Value::from_iter(groups.iter().map(row)))?;
        } else {
            for (group, role) in &groups {
                say(format_args!("{:6}  {group}", name(*role)))?;
            }
        }
        return Ok(());
    }
    let groups =
        all(async |last: Option<&GroupName>| me.client.groups(last.cloned(), deadline).await).await?;
    if cluster.json {
        say_json(&Value::from_iter(groups.iter().map(|group| group.as_str())))?;
    } else {
        groups.iter().try_for_each(say)?;
    }
    Ok(())
}

async fn members(OneGroup { group, who, cluster }: OneGroup) -> anyhow::Result<()> {
    let me = who.logged_in(&cluster).await?;
    let deadline = cluster.deadline();
    let page = async |last: Option<&(UserName, Membership)>| {
        let after = last.map(|(user, _)| user.clone());
        me.client.group_members(me.user.clone(), group.clone(), after, deadline).await
    };
    let members = all(page).await?;
    if cluster.json {
        say_json(&Value::from_iter(members.iter().map(|(user, member)| {
            json!({ "user": user.as_str(), "role": name(member.role), "joined_ms": member.joined_ms })
        })))?;
        return Ok(());
    }
    for (user, member) in members {
        say(format_args!("{}  {:6}  {user}", moment(member.joined_ms), name(member.role)))?;
    }
    Ok(())
}

fn name(role: Role) -> &'static str {
    match role {
        Role::Member => "member",
        Role::Admin => "admin",
    }
}
