//! Load generators in the network of the nodes, each a container with an address of its own.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bollard::{
    container::{AttachContainerResults, LogOutput},
    models::{ContainerCreateBody, HostConfig},
    query_parameters::{AttachContainerOptionsBuilder, WaitContainerOptionsBuilder},
};
use futures_util::{StreamExt, future::BoxFuture};
use tokio_util::io::StreamReader;

use super::{
    container::{GENERATOR_MEMORY, at, confined, create_container, no_health_check},
    engine::{Engine, failed, how_it_ended},
    mount::{Access, bind},
    nodes::Nodes,
};
use crate::{
    cluster::ClusterError,
    generator::{Behind, Launched, Launcher},
    workload::Part,
};

/// Where a generator finds the folder that it records in.
const RECORDS: &str = "/records";

/// Starts each generator as a container among the nodes.
pub(super) struct Inside {
    pub(super) nodes: Arc<Nodes>,
    /// What they may read, at the same place.
    pub(super) folders: Vec<PathBuf>,
}

impl Launcher for Inside {
    fn launch<'a>(&'a self, part: Part, out: &'a Path) -> BoxFuture<'a, io::Result<Launched>> {
        Box::pin(async move { self.start(part, out).await.map_err(io::Error::other) })
    }
}

impl Inside {
    async fn start(&self, part: Part, out: &Path) -> Result<Launched, ClusterError> {
        let Nodes { engine, network, generators, .. } = &*self.nodes;
        let name = format!("{network}-{part}");
        // Before it is made: what is called off meanwhile may yet come to be.
        generators.lock().insert(name.clone());
        create_container(engine, &name, self.container(part, out)?).await?;
        // Attached before it runs, so that nothing is missed.
        let streams = AttachContainerOptionsBuilder::default().stdin(true).stdout(true).stderr(true);
        let attached = engine.docker.attach_container(&name, Some(streams.stream(true).build())).await;
        let AttachContainerResults { output, input } =
            attached.map_err(failed(format!("attach to {name}")))?;
        let started = engine.docker.start_container(&name, None).await;
        started.map_err(failed(format!("start {name}")))?;
        let speaker = name.clone();
        let reports = output.filter_map(move |piece| {
            let report = match piece {
                Ok(LogOutput::StdErr { message }) => {
                    tracing::warn!(generator = speaker, said = %String::from_utf8_lossy(&message).trim_end());
                    None
                }
                Ok(piece) => Some(Ok(piece.into_bytes())),
                Err(error) => Some(Err(io::Error::other(error))),
            };
            std::future::ready(report)
        });
        Ok(Launched {
            orders: Box::new(input),
            reports: Box::new(StreamReader::new(reports)),
            behind: Box::new(Container { engine: engine.clone(), name }),
        })
    }

    fn container(&self, part: Part, out: &Path) -> Result<ContainerCreateBody, ClusterError> {
        let Nodes { image, network, subnet, labels, .. } = &*self.nodes;
        let readable = self.folders.iter().map(|folder| bind(folder, folder, Access::Read));
        let mounts = readable.chain([bind(out, RECORDS, Access::Write)]).collect::<Result<_, _>>()?;
        // What it records belongs to whoever runs the run.
        let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
        Ok(ContainerCreateBody {
            image: Some(image.id.clone()),
            labels: Some(labels.clone()),
            cmd: Some(["generate", "--out", RECORDS].map(str::to_owned).to_vec()),
            user: Some(format!("{}:{}", user.as_raw(), group.as_raw())),
            open_stdin: Some(true),
            // A run that is gone closes it, and the generator ends.
            stdin_once: Some(true),
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            healthcheck: Some(no_health_check()),
            networking_config: Some(at(network, subnet.generator(part.index()))),
            host_config: Some(HostConfig {
                mounts: Some(mounts),
                network_mode: Some(network.clone()),
                ..confined(GENERATOR_MEMORY)
            }),
            ..ContainerCreateBody::default()
        })
    }
}

/// The container of a generator. It ends with its streams, and is removed with the cluster.
struct Container {
    engine: Engine,
    name: String,
}

impl Behind for Container {
    fn ended(&mut self) -> BoxFuture<'_, String> {
        Box::pin(async move {
            let until = WaitContainerOptionsBuilder::default().condition("not-running").build();
            // An exit code that is not zero is told as an error, and in the container's state.
            let _ = self.engine.docker.wait_container(&self.name, Some(until)).next().await;
            match self.engine.state(&self.name).await {
                Ok(Some(state)) => how_it_ended(&state),
                Ok(None) => "its container is gone".to_owned(),
                Err(error) => error.to_string(),
            }
        })
    }
}
