//! Who the user of the program is: the session that a command is asked in.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use clap::Args;
use tokio::time::Instant;

use super::{
    ClusterArgs,
    home::{Home, StoredSession},
};
use crate::{
    client::{Client, Credential, NewSession},
    directory::{Renew, UserName},
    node::system_clock,
};

/// How long a session of this program lives without being used.
pub(super) const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// What every command that a user gives takes.
#[derive(Debug, Args)]
pub(super) struct UserArgs {
    /// Who you are. By default whoever logged in last on this device.
    #[arg(long, env = "VEIL_USER", value_name = "USER")]
    pub(super) user: Option<UserName>,
}

/// A user who is logged in.
pub(super) struct LoggedIn {
    pub(super) user: UserName,
    pub(super) home: Home,
    /// Asks in the user's session.
    pub(super) client: Client,
    pub(super) session: StoredSession,
}

impl UserArgs {
    /// The user's session on this device. One that has lived for half of its time is prolonged.
    pub(super) async fn logged_in(&self, cluster: &ClusterArgs) -> anyhow::Result<LoggedIn> {
        let home = cluster.home.home()?;
        let user = match &self.user {
            Some(user) => user.clone(),
            None => home.last_user()?.context("nobody is logged in on this device: `veil login NAME`")?,
        };
        let session = home.session(&user)?;
        let mut session = session
            .with_context(|| format!("{user} is not logged in on this device: `veil login {user}`"))?;
        let client = cluster.client()?.in_session(session.token.clone());
        let left_ms = session.expires_ms.saturating_sub(system_clock()());
        if u128::from(left_ms) < LIFETIME.as_millis() / 2 && left_ms > 0 {
            let lifetime_ms = LIFETIME.as_millis() as u64;
            let renew = Renew { user: user.clone(), session: session.token.id(), lifetime_ms };
            // Whether it may be used shows when it is.
            if let Ok(expires_ms) = client.renew(client.request_id(), renew, cluster.deadline()).await {
                session.expires_ms = expires_ms;
                home.store_session(&user, &session)?;
            }
        }
        Ok(LoggedIn { user, home, client, session })
    }
}

/// Logs a user in and stores the session, which replaces the one that was stored before.
pub(super) async fn log_in(
    client: &Client,
    home: &Home,
    user: &UserName,
    credential: &Credential,
    deadline: Instant,
) -> anyhow::Result<PathBuf> {
    let lifetime_ms = LIFETIME.as_millis() as u64;
    let new = NewSession { token: client.draw_token(), device: device(), lifetime_ms };
    let expires_ms = client.log_in(client.request_id(), user.clone(), credential, &new, deadline).await?;
    home.store_session(user, &StoredSession { token: new.token, expires_ms })
}

/// What this device is called in a list of sessions.
fn device() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    name.chars().filter(|c| !c.is_control()).take(crate::directory::MAX_DEVICE_LEN / 4).collect()
}

/// What to say of a file that a secret lies in.
pub(super) fn kept_in(path: &Path) -> String {
    format!("the session is kept in {}", super::escape::shown(path))
}
