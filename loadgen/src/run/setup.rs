//! What happens before the first stage: users register and a few images are sealed.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use rand::Rng;
use tokio::time::Instant;
use veil::client::Client;

use super::RunError;
use crate::{
    record::{Call, Outcome, Reply},
    scenario::OperationKind,
    workload::{Planned, Prepared, World},
};

/// How long the cluster may take until somebody leads.
const LEADER_PATIENCE: Duration = Duration::from_secs(30);
/// How long one operation may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many operations are under way at a time.
const AT_A_TIME: usize = 32;

/// An operation of the set-up, for the history.
pub(super) struct SetUp {
    pub call: Call,
    pub kind: OperationKind,
    pub sent: Instant,
    pub ended: Instant,
    pub outcome: Outcome,
}

/// Waits until the cluster serves.
pub(super) async fn wait_for_leader(client: &Client) -> Result<(), RunError> {
    let mut leadership = client.leadership();
    let known = leadership.wait_for(|now| now.leader.is_some());
    match tokio::time::timeout(LEADER_PATIENCE, known).await {
        Ok(Ok(_)) => Ok(()),
        _ => Err(RunError::NobodyLeads { waited: LEADER_PATIENCE }),
    }
}

/// Registers every user of the world and seals the first images. Operations are numbered from 0.
pub(super) async fn set_up(
    client: &Client,
    world: &World,
    rng: &mut impl Rng,
) -> Result<Vec<SetUp>, RunError> {
    let registering = world.users().iter().map(|user| Prepared::register(user.clone())).collect();
    let mut done = perform(client, world, OperationKind::Register, registering).await?;
    let images = (world.users().len() / 8).clamp(8, 256);
    let first = done.len() as u64;
    let sealing = (0..images as u64)
        .map(|i| {
            let planned =
                Planned { op: first + i, due_ns: 0, kind: OperationKind::Seal, draw: rng.next_u64() };
            Prepared::choose(planned, world)
        })
        .collect();
    done.extend(perform(client, world, OperationKind::Seal, sealing).await?);
    Ok(done)
}

async fn perform(
    client: &Client,
    world: &World,
    kind: OperationKind,
    operations: Vec<Prepared>,
) -> Result<Vec<SetUp>, RunError> {
    let performing = operations.into_iter().map(|operation| async move {
        let (call, sent) = (operation.call(), Instant::now());
        let done = operation.perform(client, world, sent + PATIENCE).await;
        SetUp { call, kind, sent, ended: done.at, outcome: done.outcome }
    });
    let done: Vec<SetUp> = stream::iter(performing).buffer_unordered(AT_A_TIME).collect().await;
    for operation in &done {
        match &operation.outcome {
            Outcome::Ok(_) => {}
            // A cluster that was there before may know these users; they are as good as new.
            Outcome::Failed(reason)
                if kind == OperationKind::Register && reason.ends_with("exists already") => {}
            Outcome::Failed(reason) | Outcome::Unknown(reason) => {
                return Err(RunError::SetUp { kind: kind.name(), reason: reason.clone() });
            }
        }
    }
    let known = |operation: &SetUp| match &operation.outcome {
        Outcome::Ok(Reply::Registered | Reply::Sealed { .. }) => true,
        Outcome::Ok(_) | Outcome::Failed(_) | Outcome::Unknown(_) => false,
    };
    Ok(done.into_iter().filter(known).collect())
}
