//! `veil login`, `logout`, `sessions`, `passwd` and `rekey`: who a user is to the cluster.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    ClusterArgs,
    escape::{in_json, one_line, shown},
    password::{PasswordArgs, new_password},
    say, say_json,
    session::{UserArgs, kept_in, log_in},
};
use crate::{
    client::{ClientError, Credential},
    directory::{EndSession, EndSessions, Refusal, UserName},
    identity::SessionId,
    node::system_clock,
};

/// Log in on this device.
///
/// With your key if it is on this device, else with your password. What is kept afterwards is a session token, which
/// only you can read; it ends with `veil logout`, or when it was not used for a week.
#[derive(Debug, Args)]
pub(super) struct LoginArgs {
    /// Your name.
    user: UserName,
    /// Log in with the password although the key is here.
    #[arg(long)]
    password: bool,
    #[command(flatten)]
    password_from: PasswordArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn login(args: LoginArgs) -> anyhow::Result<()> {
    let LoginArgs { user, password, password_from, cluster } = args;
    let home = cluster.home.home()?;
    let by_password = password || password_from.is_given();
    let credential = match home.key(&user)? {
        Some(key) if !by_password => Credential::Key(key),
        _ => Credential::Password(password_from.read()?),
    };
    let client = cluster.client()?;
    let file = log_in(&client, &home, &user, &credential, cluster.deadline()).await?;
    cluster.done(
        format_args!("{user} is logged in; {}", kept_in(&file)),
        json!({ "user": user.as_str(), "session_file": in_json(&file) }),
    )?;
    Ok(())
}

/// End your session on this device, or all of them.
#[derive(Debug, Args)]
pub(super) struct LogoutArgs {
    /// End your sessions on all devices.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn logout(args: LogoutArgs) -> anyhow::Result<()> {
    let LogoutArgs { all, who, cluster } = args;
    let me = who.logged_in(&cluster).await?;
    let (request, user, deadline) = (me.client.request_id(), me.user.clone(), cluster.deadline());
    let ended = match all {
        true => me.client.end_sessions(request, EndSessions { user, keep: None }, deadline).await,
        false => {
            let end = EndSession { user, session: me.session.token.id() };
            me.client.end_session(request, end, deadline).await.map(|()| 1)
        }
    };
    let count = match ended {
        // It has ended already: by its time, from another device, or by an attempt whose answer was lost.
        Err(ClientError::Refused(Refusal::NoSession)) => 0,
        ended => ended?,
    };
    me.home.forget_session(&me.user)?;
    cluster.done(
        format_args!(
            "{} is logged out ({count} {})",
            me.user,
            if count == 1 { "session" } else { "sessions" }
        ),
        json!({ "user": me.user.as_str(), "sessions_ended": count }),
    )?;
    Ok(())
}

/// List your sessions, or end some.
#[derive(Debug, Args)]
pub(super) struct SessionsArgs {
    #[command(subcommand)]
    command: Option<SessionsCommand>,
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Debug, Subcommand)]
enum SessionsCommand {
    /// End one session.
    Revoke {
        /// Which: what stands in the list, or as many digits of it as tell it from the others.
        session: String,
    },
    /// End all sessions but the one on this device.
    RevokeOthers,
}

pub(super) async fn sessions(args: SessionsArgs) -> anyhow::Result<()> {
    let SessionsArgs { command, who, cluster } = args;
    let me = who.logged_in(&cluster).await?;
    let (user, own) = (me.user.clone(), me.session.token.id());
    let deadline = cluster.deadline();
    let listed = me.client.sessions(user.clone(), deadline).await?;
    let request = me.client.request_id();
    match command {
        None => {
            let now = system_clock()();
            let rows = listed.iter().map(|(id, session)| {
                json!({
                    "session": id.to_string(),
                    "device": session.device,
                    "began_ms": session.began_ms,
                    "expires_ms": session.expires_ms,
                    "this_device": *id == own,
                })
            });
            if cluster.json {
                say_json(&Value::from_iter(rows))?;
                return Ok(());
            }
            say(format_args!("{:16}  {:>10}  {:>10}  DEVICE", "SESSION", "BEGAN", "ENDS IN"))?;
            for (id, session) in &listed {
                let here = if *id == own { " (this one)" } else { "" };
                let (began, ends) =
                    (now.saturating_sub(session.began_ms), session.expires_ms - now.min(session.expires_ms));
                let (id, device) = (&id.to_string()[..16], one_line(&session.device));
                say(format_args!("{id}  {:>6} ago  {:>10}  {device}{here}", span(began), span(ends)))?;
            }
        }
        Some(SessionsCommand::Revoke { session }) => {
            let matching: Vec<SessionId> =
                listed.iter().map(|(id, _)| *id).filter(|id| id.to_string().starts_with(&session)).collect();
            let [found] = matching[..] else {
                anyhow::bail!("{session:?} tells {} of your sessions, expected 1", matching.len());
            };
            me.client.end_session(request, EndSession { user, session: found }, deadline).await?;
            if found == own {
                me.home.forget_session(&me.user)?;
            }
            cluster.done(format_args!("session {found} is ended"), json!({ "sessions_ended": 1 }))?;
        }
        Some(SessionsCommand::RevokeOthers) => {
            let count =
                me.client.end_sessions(request, EndSessions { user, keep: Some(own) }, deadline).await?;
            cluster
                .done(format_args!("other sessions ended: {count}"), json!({ "sessions_ended": count }))?;
        }
    }
    Ok(())
}

/// A length of time, roughly.
fn span(ms: u64) -> String {
    match ms / 1_000 {
        s @ 0..120 => format!("{s} s"),
        s @ 120..7_200 => format!("{} min", s / 60),
        s @ 7_200..172_800 => format!("{} h", s / 3_600),
        s => format!("{} d", s / 86_400),
    }
}

/// Change your password.
///
/// You prove to be yourself with the old one, or with your key if you have none yet (--key). Your sessions on other
/// devices end.
#[derive(Debug, Args)]
pub(super) struct PasswdArgs {
    /// Prove to be yourself with your key instead of the old password.
    #[arg(long)]
    key: bool,
    /// A file whose first line is the new password. Else it is asked for on the terminal.
    #[arg(long, value_name = "FILE")]
    new_password_file: Option<PathBuf>,
    #[command(flatten)]
    old: PasswordArgs,
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn passwd(args: PasswdArgs) -> anyhow::Result<()> {
    let PasswdArgs { key, new_password_file, old, who, cluster } = args;
    let me = who.logged_in(&cluster).await?;
    let credential = match key {
        true => Credential::Key(me.home.own_key(&me.user)?),
        false => Credential::Password(old.read()?),
    };
    let new = new_password(new_password_file.as_deref())?;
    let (request, user) = (me.client.request_id(), me.user.clone());
    let ended = me.client.set_password(request, user, new, &credential, cluster.deadline()).await?;
    cluster.done(
        format_args!("{} has a new password; other sessions ended: {ended}", me.user),
        json!({ "user": me.user.as_str(), "sessions_ended": ended }),
    )?;
    Ok(())
}

/// Change your key.
///
/// Draws another one. You prove to be yourself with the old one, or with your password if the old one is lost
/// (--password). Your sessions on other devices end. Images that you have sealed keep naming the old key.
#[derive(Debug, Args)]
pub(super) struct RekeyArgs {
    /// Prove to be yourself with your password instead of the old key.
    #[arg(long)]
    password: bool,
    #[command(flatten)]
    password_from: PasswordArgs,
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn rekey(args: RekeyArgs) -> anyhow::Result<()> {
    let RekeyArgs { password, password_from, who, cluster } = args;
    let me = who.logged_in(&cluster).await?;
    let credential = match password {
        true => Credential::Password(password_from.read()?),
        false => Credential::Key(me.home.own_key(&me.user)?),
    };
    // It lies beside the old one until the cluster knows it: whoever is interrupted has both.
    let new = me.home.draw_next_key(&me.user)?;
    let (request, user) = (me.client.request_id(), me.user.clone());
    let set = me.client.set_key(request, user, new.public(), &credential, cluster.deadline()).await;
    let ended = set.map_err(|error| {
        anyhow::anyhow!("{error}; the new key is kept in {}", shown(&me.home.next_key_path(&me.user)))
    })?;
    let file = me.home.adopt_next_key(&me.user)?;
    let key = new.public();
    cluster.done(
        format_args!("{} has a new key, in {}; other sessions ended: {ended}", me.user, shown(&file)),
        json!({ "user": me.user.as_str(), "public_key": key.to_string(), "sessions_ended": ended }),
    )?;
    Ok(())
}
