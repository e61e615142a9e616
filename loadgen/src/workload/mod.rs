//! What simulated users do: one file an operation.
//!
//! Simulated users are names and numbers; thousands of them share the few connections of one client.
//! Everything they choose follows from a number drawn before the run.

mod discover;
mod grant;
mod names;
mod part;
mod plan;
mod register;
mod seal;
mod view;
mod world;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tokio::time::Instant;
use veil::client::{Client, ClientError};

pub use names::Names;
pub(crate) use names::key_pair;
pub use part::{NoSuchPart, Part};
pub use plan::{Operations, Plan, Planned};
pub use world::World;

use crate::{
    record::{Call, Outcome, Reply},
    scenario::OperationKind,
};

/// An operation that knows its user and its object.
#[derive(Debug)]
pub enum Prepared {
    /// See [`OperationKind::Register`].
    Register(register::Register),
    /// See [`OperationKind::Seal`].
    Seal(seal::Seal),
    /// See [`OperationKind::Discover`].
    Discover(discover::Discover),
    /// See [`OperationKind::View`].
    View(view::View),
    /// See [`OperationKind::Grant`].
    Grant(grant::Grant),
}

/// What an operation came to.
#[derive(Debug)]
pub struct Done {
    /// How it ended.
    pub outcome: Outcome,
    /// When. Checks that the simulated user makes afterwards do not count.
    pub at: Instant,
}

impl Done {
    fn now(outcome: Outcome) -> Self {
        Self { outcome, at: Instant::now() }
    }
}

impl Prepared {
    /// The registration of one of the world's own users, by number, before the first stage.
    pub fn register(user: u32, world: &World) -> Self {
        Self::Register(register::Register::of(world.names.user(user)))
    }

    /// Chooses user and object from what the world holds now.
    pub fn choose(planned: Planned, world: &World) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(planned.draw);
        match planned.kind {
            OperationKind::Register => {
                Self::Register(register::Register::of(world.names.registered(planned.op)))
            }
            OperationKind::Seal => Self::Seal(seal::Seal::choose(planned, world, &mut rng)),
            OperationKind::Discover => Self::Discover(discover::Discover::of(world.names.user(planned.user))),
            OperationKind::View => Self::View(view::View::choose(world, &mut rng)),
            OperationKind::Grant => Self::Grant(grant::Grant::choose(world, &mut rng)),
        }
    }

    /// What the history says was asked.
    pub fn call(&self) -> Call {
        match self {
            Self::Register(register) => register.call(),
            Self::Seal(seal) => seal.call(),
            Self::Discover(discover) => discover.call(),
            Self::View(view) => view.call(),
            Self::Grant(grant) => grant.call(),
        }
    }

    /// Does it.
    pub async fn perform(self, client: &Client, world: &World, deadline: Instant) -> Done {
        match self {
            Self::Register(register) => {
                register.perform(world.registrar.as_ref().unwrap_or(client), deadline).await
            }
            // In a box: it needs much more room than any other.
            Self::Seal(seal) => Box::pin(seal.perform(client, world, deadline)).await,
            Self::Discover(discover) => discover.perform(client, world, deadline).await,
            Self::View(view) => view.perform(client, world, deadline).await,
            Self::Grant(grant) => grant.perform(client, world, deadline).await,
        }
    }
}

/// The outcome of a change: without a certain answer it may have happened.
fn outcome(result: Result<Reply, ClientError>) -> Outcome {
    match result {
        Ok(reply) => Outcome::Ok(reply),
        Err(error @ (ClientError::Unsettled { .. } | ClientError::Protocol(_))) => {
            Outcome::Unknown(error.to_string())
        }
        Err(error) => Outcome::Failed(error.to_string()),
    }
}
