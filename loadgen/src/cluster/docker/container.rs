//! What the containers of a run look like to the engine.

use std::{collections::HashMap, net::Ipv4Addr, path::PathBuf, sync::Arc};

use bollard::{
    models::{
        ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HealthConfig, HostConfig, Mount,
        NetworkingConfig, PortBinding, VolumeCreateRequest,
    },
    query_parameters::CreateContainerOptionsBuilder,
};

use veil::{node::TlsFiles, wire::client::NodeId};

use super::{
    engine::{Engine, failed},
    mount::{Access, bind, volume},
};
use crate::{
    cluster::{ClusterError, credentials::Credentials},
    record::NodeLimits,
};

/// The ports of a node, which has an address of its own.
pub(super) const CLIENT_PORT: u16 = 7101;
pub(super) const PEER_PORT: u16 = 7201;
pub(super) const HTTP_PORT: u16 = 7301;
/// Where a node finds its configuration, its keys and its data.
pub(super) const CONFIG: &str = "/etc/veil";
pub(super) const CLUSTER_KEY: &str = "/run/veil/cluster.key";
const CERTIFICATE: &str = "/run/veil/node.pem";
const KEY: &str = "/run/veil/node.key";
const AUTHORITY: &str = "/run/veil/ca.pem";
pub(super) const DATA: &str = "/data";
/// User and group of a node, as in the recipe.
const USER: u32 = 65_532;
/// The kernel hands processor time out in periods, µs.
const PERIOD: i64 = 100_000;
/// Memory of a node of which the scenario says nothing, bytes.
const NODE_MEMORY: u64 = 4 << 30;
/// Memory of a load generator, bytes.
pub(super) const GENERATOR_MEMORY: u64 = 4 << 30;
/// Memory of a container that only keeps a volume, bytes.
const KEEPER_MEMORY: u64 = 64 << 20;
/// Processes and threads of a container. A node has at most some 1,600: its own, 1,024 that seal, and 512 for what blocks.
const PIDS: i64 = 2_048;
/// What a run gives a container beside the node: nothing that it could do without.
const UNPRIVILEGED: &str = "no-new-privileges";

/// A node's container, and its volume of the same name.
#[derive(Debug, Clone)]
pub(super) struct Spec {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) network: String,
    pub(super) address: Ipv4Addr,
    /// The folder on this machine that holds `node.toml`.
    pub(super) folder: PathBuf,
    /// The node's number.
    pub(super) id: NodeId,
    /// Those of all nodes; it is given its own.
    pub(super) credentials: Arc<Credentials>,
    pub(super) limits: NodeLimits,
    pub(super) labels: HashMap<String, String>,
}

impl Spec {
    /// Makes the volume and the container. Nothing runs yet.
    pub(super) async fn create(&self, engine: &Engine) -> Result<(), ClusterError> {
        let volume = VolumeCreateRequest {
            name: Some(self.name.clone()),
            driver_opts: self.limits.disk_bytes.map(limited_disk),
            labels: Some(self.labels.clone()),
            ..VolumeCreateRequest::default()
        };
        engine
            .docker
            .create_volume(volume)
            .await
            .map_err(failed(format!("make the volume {}", self.name)))?;
        if self.limits.disk_bytes.is_some() {
            let keeper = self.keeper();
            create_container(engine, &keeper, self.keeping()).await?;
            let started = engine.docker.start_container(&keeper, None).await;
            started.map_err(failed(format!("start {keeper}")))?;
        }
        create_container(engine, &self.name, self.node()?).await
    }

    /// The name of the container that keeps a volume in memory while the node is down.
    pub(super) fn keeper(&self) -> String {
        format!("{}-keeper", self.name)
    }

    fn keeping(&self) -> ContainerCreateBody {
        ContainerCreateBody {
            cmd: Some(vec!["hold".to_owned()]),
            healthcheck: Some(no_health_check()),
            host_config: Some(HostConfig {
                mounts: Some(vec![volume(&self.name, DATA)]),
                network_mode: Some("none".to_owned()),
                ..confined(KEEPER_MEMORY)
            }),
            ..self.body()
        }
    }

    /// Removes the container and all that it has stored.
    pub(super) async fn remove(&self, engine: &Engine) -> Result<(), ClusterError> {
        engine.remove_container(&self.name).await?;
        if self.limits.disk_bytes.is_some() {
            engine.remove_container(&self.keeper()).await?;
        }
        engine.remove_volume(&self.name).await
    }

    fn node(&self) -> Result<ContainerCreateBody, ClusterError> {
        let loopback = |_| {
            // Any free port, for a person who wants to look inside while a run lasts.
            let binding = PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: None };
            Some(vec![binding])
        };
        let ports = [CLIENT_PORT, HTTP_PORT].map(|port| format!("{port}/tcp"));
        Ok(ContainerCreateBody {
            exposed_ports: Some(ports.to_vec()),
            healthcheck: Some(no_health_check()),
            networking_config: Some(at(&self.network, self.address)),
            host_config: Some(HostConfig {
                mounts: Some(self.mounts()?),
                network_mode: Some(self.network.clone()),
                port_bindings: Some(ports.iter().cloned().map(|port| (port, loopback(()))).collect()),
                cpu_period: Some(PERIOD),
                cpu_quota: Some(quota(self.limits.cpus)),
                ..confined(self.limits.memory_bytes.unwrap_or(NODE_MEMORY))
            }),
            ..self.body()
        })
    }

    fn mounts(&self) -> Result<Vec<Mount>, ClusterError> {
        let mut mounts = vec![
            bind(&self.folder, CONFIG, Access::Read)?,
            bind(&self.credentials.cluster_key(), CLUSTER_KEY, Access::Read)?,
            volume(&self.name, DATA),
        ];
        if self.credentials.speaks_tls() {
            for (file, at) in self.credentials.files(self.id).iter().zip([CERTIFICATE, KEY, AUTHORITY]) {
                mounts.push(bind(file, at, Access::Read)?);
            }
        }
        Ok(mounts)
    }

    fn body(&self) -> ContainerCreateBody {
        ContainerCreateBody {
            image: Some(self.image.clone()),
            labels: Some(self.labels.clone()),
            ..ContainerCreateBody::default()
        }
    }
}

/// What a node's configuration says of TLS.
pub(super) fn tls_files() -> TlsFiles {
    TlsFiles { certificate: CERTIFICATE.into(), key: KEY.into(), authority: AUTHORITY.into() }
}

/// Makes a container. It does not run yet.
pub(super) async fn create_container(
    engine: &Engine,
    name: &str,
    container: ContainerCreateBody,
) -> Result<(), ClusterError> {
    let named = CreateContainerOptionsBuilder::default().name(name).build();
    let made = engine.docker.create_container(Some(named), container).await;
    made.map(drop).map_err(failed(format!("make the container {name}")))
}

/// An address of its own in a network.
pub(super) fn at(network: &str, address: Ipv4Addr) -> NetworkingConfig {
    let address = EndpointIpamConfig { ipv4_address: Some(address.to_string()), ..Default::default() };
    let endpoint = EndpointSettings { ipam_config: Some(address), ..EndpointSettings::default() };
    NetworkingConfig { endpoints_config: Some(HashMap::from([(network.to_owned(), endpoint)])) }
}

/// What no container of a run can do, with so much memory, bytes: neither change itself nor use up the machine.
pub(super) fn confined(memory: u64) -> HostConfig {
    let memory = Some(memory.try_into().unwrap_or(i64::MAX));
    HostConfig {
        memory,
        // Together with swap: so there is none.
        memory_swap: memory,
        pids_limit: Some(PIDS),
        readonly_rootfs: Some(true),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec![UNPRIVILEGED.to_owned()]),
        ..HostConfig::default()
    }
}

/// A probe every few seconds would take part in what is measured.
pub(super) fn no_health_check() -> HealthConfig {
    HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }
}

/// So much processor time a period, µs; unlimited is -1.
pub(super) fn quota(cpus: Option<f64>) -> i64 {
    cpus.map_or(-1, |cpus| (cpus * PERIOD as f64) as i64)
}

/// A file system of limited size. It lives in memory, as long as a container uses it.
fn limited_disk(bytes: u64) -> HashMap<String, String> {
    let options = format!("size={bytes},uid={USER},gid={USER},mode=0755");
    let options = [("type", "tmpfs"), ("device", "tmpfs"), ("o", &options)];
    options.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
