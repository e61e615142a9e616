//! What happens before the first stage: users register and log in, and a few images are sealed.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::Instant;
use veil::client::{Client, Credential, NewSession};

use crate::{
    record::{Call, Outcome, Record},
    scenario::OperationKind,
    workload::{Part, Planned, Prepared, World, key_pair},
};

/// How long the cluster may take until somebody leads.
const LEADER_PATIENCE: Duration = Duration::from_secs(30);
/// How long one operation may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many operations are under way at a time, of all generators.
const AT_A_TIME: u32 = 32;
/// How long the session of a simulated user lives, milliseconds: longer than any run.
const SESSION_MS: u64 = veil::directory::MAX_SESSION_MS;

/// Why there is nothing to begin with.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// The cluster does not serve.
    #[error("nobody leads the cluster after {waited:?}")]
    NobodyLeads {
        /// How long that was.
        waited: Duration,
    },
    /// Users cannot register or the first images cannot be sealed.
    #[error("set-up failed: {kind}: {reason}")]
    NotDone {
        /// What.
        kind: &'static str,
        /// Why.
        reason: String,
    },
}

/// An operation of the set-up, for the history.
pub(super) struct SetUp {
    op: u64,
    call: Call,
    sent: Instant,
    ended: Instant,
    outcome: Outcome,
}

/// Waits until the cluster serves.
///
/// # Errors
/// [`SetUpError::NobodyLeads`]
pub async fn wait_for_leader(client: &Client) -> Result<(), SetUpError> {
    let mut leadership = client.leadership();
    let known = leadership.wait_for(|now| now.leader.is_some());
    match tokio::time::timeout(LEADER_PATIENCE, known).await {
        Ok(Ok(_)) => Ok(()),
        _ => Err(SetUpError::NobodyLeads { waited: LEADER_PATIENCE }),
    }
}

/// Registers the users of this part and seals its first images.
pub(super) async fn set_up(
    client: &Client,
    world: &World,
    first_images: Vec<Planned>,
    part: Part,
) -> Result<Vec<SetUp>, SetUpError> {
    // Registrations bear the numbers of the users.
    let registering = world.users().map(|user| (u64::from(user), Prepared::register(user, world)));
    let mut done = perform(client, world, part, OperationKind::Register, registering).await?;
    log_in(client, world, part).await?;
    let sealing = first_images.into_iter().map(|planned| (planned.op, Prepared::choose(planned, world)));
    done.extend(perform(client, world, part, OperationKind::Seal, sealing).await?);
    Ok(done)
}

/// Logs every user of this part in, each with their key. Sessions are no part of the history: whatever is asked in one
/// is.
async fn log_in(client: &Client, world: &World, part: Part) -> Result<(), SetUpError> {
    let logging_in = world.users().map(|user| async move {
        let user = world.names.user(user);
        let credential = Credential::Key(key_pair(&user));
        let token = world.session(&user);
        let session = NewSession { token, device: "loadgen".to_owned(), lifetime_ms: SESSION_MS };
        let deadline = Instant::now() + PATIENCE;
        client.log_in(client.request_id(), user, &credential, &session, deadline).await
    });
    let mut logged_in = stream::iter(logging_in).buffer_unordered(part.share(AT_A_TIME) as usize);
    while let Some(done) = logged_in.next().await {
        done.map_err(|error| SetUpError::NotDone { kind: "log in", reason: error.to_string() })?;
    }
    Ok(())
}

async fn perform(
    client: &Client,
    world: &World,
    part: Part,
    kind: OperationKind,
    operations: impl Iterator<Item = (u64, Prepared)>,
) -> Result<Vec<SetUp>, SetUpError> {
    let performing = operations.map(|(op, operation)| async move {
        let (call, sent) = (operation.call(), Instant::now());
        let done = operation.perform(client, world, sent + PATIENCE).await;
        SetUp { op, call, sent, ended: done.at, outcome: done.outcome }
    });
    let at_a_time = part.share(AT_A_TIME) as usize;
    let done: Vec<SetUp> = stream::iter(performing).buffer_unordered(at_a_time).collect().await;
    for operation in &done {
        match &operation.outcome {
            Outcome::Ok(_) => {}
            Outcome::Failed(reason) | Outcome::Unknown(reason) => {
                return Err(SetUpError::NotDone { kind: kind.name(), reason: reason.clone() });
            }
        }
    }
    Ok(done)
}

/// The set-up as the history tells it, in order of time.
pub(super) fn records(done: Vec<SetUp>, since_start: impl Fn(Instant) -> i64) -> Vec<Record> {
    let mut records: Vec<(i64, Record)> = Vec::with_capacity(2 * done.len());
    for SetUp { op, call, sent, ended, outcome } in done {
        let (sent_ns, ended_ns) = (since_start(sent), since_start(ended));
        records.push((sent_ns, Record::Invoke { op, due_ns: sent_ns, at_ns: sent_ns, call }));
        records.push((ended_ns, Record::Complete { op, at_ns: ended_ns, outcome }));
    }
    // Stable: what was sent and ended in one nanosecond stays in that order.
    records.sort_by_key(|(at_ns, _)| *at_ns);
    records.into_iter().map(|(_, record)| record).collect()
}
