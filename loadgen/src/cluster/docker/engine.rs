//! The container engine, as far as a cluster needs it.

use std::collections::HashMap;

use bollard::{
    Docker,
    errors::Error,
    models::{ContainerState, ContainerStateStatusEnum},
    query_parameters::{
        KillContainerOptionsBuilder, LogsOptions, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
        RemoveVolumeOptionsBuilder, WaitContainerOptionsBuilder,
    },
};
use futures_util::StreamExt;

use crate::cluster::ClusterError;

/// The answer to asking for what is not there.
const NOT_FOUND: u16 = 404;
/// The answer when something else is being done to it.
const CONFLICT: u16 = 409;
/// The answer when what is asked for is so already.
const NOT_MODIFIED: u16 = 304;

/// A connection to an engine that answers.
#[derive(Debug, Clone)]
pub(super) struct Engine {
    pub(super) docker: Docker,
    /// Its name, version and API version.
    pub(super) description: String,
}

impl Engine {
    /// Finds the engine where `DOCKER_HOST` says, or at its usual socket, and agrees on a version of the
    /// API with it.
    pub(super) async fn connect() -> Result<Self, ClusterError> {
        let none = |error: Error| ClusterError::NoEngine { reason: error.to_string() };
        let docker = Docker::connect_with_defaults().map_err(none)?;
        let docker = docker.negotiate_version().await.map_err(none)?;
        let version = docker.version().await.map_err(none)?;
        let description = format!(
            "Docker {}, API {}",
            version.version.unwrap_or_else(|| "of unknown version".to_owned()),
            docker.client_version()
        );
        Ok(Self { docker, description })
    }

    /// How a container is. `None` if there is no such container.
    pub(super) async fn state(&self, container: &str) -> Result<Option<ContainerState>, ClusterError> {
        match self.docker.inspect_container(container, None).await {
            Ok(found) => Ok(found.state),
            Err(error) if is(&error, NOT_FOUND) => Ok(None),
            Err(error) => Err(failed(format!("inspect {container}"))(error)),
        }
    }

    /// Whether a container runs; one that is paused does.
    pub(super) async fn is_up(&self, container: &str) -> Result<bool, ClusterError> {
        let state = self.state(container).await?;
        Ok(state.is_some_and(|state| state.running == Some(true)))
    }

    /// Sends a signal and waits until the engine knows that the container has ended.
    pub(super) async fn end_with(&self, container: &str, signal: &str) -> Result<(), ClusterError> {
        let kill = KillContainerOptionsBuilder::default().signal(signal).build();
        let killed = self.docker.kill_container(container, Some(kill)).await;
        killed.map_err(failed(format!("send {signal} to {container}")))?;
        let until = WaitContainerOptionsBuilder::default().condition("not-running").build();
        let mut ended = self.docker.wait_container(container, Some(until));
        match ended.next().await {
            // An exit code that is not zero is told as an error.
            None | Some(Ok(_) | Err(Error::DockerContainerWaitError { .. })) => Ok(()),
            Some(Err(error)) => Err(failed(format!("wait for the end of {container}"))(error)),
        }
    }

    /// All that a container has said, on both of its outputs.
    pub(super) async fn log(&self, container: &str) -> Result<Vec<u8>, ClusterError> {
        self.said(container, LogsOptionsBuilder::default().stdout(true).stderr(true).build()).await
    }

    /// What a container has complained of: what it has said on its standard error.
    pub(super) async fn complaints(&self, container: &str) -> Result<Vec<u8>, ClusterError> {
        self.said(container, LogsOptionsBuilder::default().stderr(true).build()).await
    }

    async fn said(&self, container: &str, which: LogsOptions) -> Result<Vec<u8>, ClusterError> {
        let mut said = self.docker.logs(container, Some(which));
        let mut log = Vec::new();
        while let Some(piece) = said.next().await {
            log.extend_from_slice(
                &piece.map_err(failed(format!("read the log of {container}")))?.into_bytes(),
            );
        }
        Ok(log)
    }

    /// Removes a container, running or not, with the volume that it was given for want of one; it may be gone.
    pub(super) async fn remove_container(&self, container: &str) -> Result<(), ClusterError> {
        let force = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match self.docker.remove_container(container, Some(force)).await {
            // Somebody was interrupted while removing it, and the engine goes on.
            Err(error) if is(&error, CONFLICT) => {
                let until = WaitContainerOptionsBuilder::default().condition("removed").build();
                // However it ended, and if it is gone already: it is removed.
                let _ = self.docker.wait_container(container, Some(until)).next().await;
                match self.state(container).await? {
                    None => Ok(()),
                    Some(_) => Err(failed(format!("remove {container}"))(error)),
                }
            }
            removed => gone(removed).map_err(failed(format!("remove {container}"))),
        }
    }

    /// Removes a volume that no container uses; it may be gone.
    pub(super) async fn remove_volume(&self, volume: &str) -> Result<(), ClusterError> {
        let force = RemoveVolumeOptionsBuilder::default().force(true).build();
        let removed = self.docker.remove_volume(volume, Some(force)).await;
        gone(removed).map_err(failed(format!("remove the volume {volume}")))
    }

    /// Removes a network that no container is in; it may be gone.
    pub(super) async fn remove_network(&self, network: &str) -> Result<(), ClusterError> {
        gone(self.docker.remove_network(network).await)
            .map_err(failed(format!("remove the network {network}")))
    }
}

/// How a container that is down came to be so.
pub(super) fn how_it_ended(state: &ContainerState) -> String {
    match (state.status, state.exit_code) {
        (Some(ContainerStateStatusEnum::CREATED), _) => "it was never started".to_owned(),
        (_, Some(code)) if state.oom_killed == Some(true) => {
            format!("it ended by itself: out of memory, exit code {code}")
        }
        (_, Some(code)) => format!("it has ended by itself: exit code {code}"),
        (_, None) => "it is not running".to_owned(),
    }
}

/// Labels as the engine takes them.
pub(super) fn filter(label: &str) -> HashMap<&'static str, Vec<String>> {
    HashMap::from([("label", vec![label.to_owned()])])
}

/// What could not be done, for `map_err`.
pub(super) fn failed(what: impl Into<String>) -> impl FnOnce(Error) -> ClusterError {
    let what = what.into();
    move |source| ClusterError::Engine { what, source: Box::new(source) }
}

fn is(error: &Error, status: u16) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code, .. } if *status_code == status)
}

/// Nothing to remove is as good as removed.
fn gone(removed: Result<(), Error>) -> Result<(), Error> {
    match removed {
        Err(error) if is(&error, NOT_FOUND) || is(&error, NOT_MODIFIED) => Ok(()),
        other => other,
    }
}
