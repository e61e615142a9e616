//! The `docker` driver: every node is a container with an address of its own.

mod container;
mod disk;
mod engine;
mod filter;
mod generators;
mod image;
mod leading;
mod mount;
mod namespace;
mod netem;
mod nodes;
mod owner;
mod subnet;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bollard::models::ContainerUpdateBody;
use futures_util::future::{BoxFuture, join_all, try_join_all};
use parking_lot::Mutex;
use veil::{
    node::{Listen, NodeConfig},
    wire::{
        client::{Member, NodeId},
        transport::Tcp,
    },
};

use self::{
    container::{CLIENT_PORT, CLUSTER_KEY, DATA, HTTP_PORT, PEER_PORT, Spec, quota, tls_files},
    engine::{Engine, failed},
    generators::Inside,
    leading::Leading,
    nodes::{Node, Nodes, write_config},
    subnet::Subnet,
};
use super::{
    Cluster, ClusterError, Description, Doing, OUTSIDE, Outside, StartOptions, credentials::Credentials,
    detour::says_hello, everybody_may_register, experiment, founding,
};
use crate::{
    generator::Launcher,
    link::{DirectedLink, Shape},
    record::{Containers, NodeLimits},
};

/// How long a node may take to end when it is asked to.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// Nodes as containers. Dropping it removes them, their network and their volumes; logs are kept.
#[derive(Debug)]
pub struct DockerCluster(Arc<Nodes>);

impl DockerCluster {
    /// Whether there is an engine to start one with.
    ///
    /// # Errors
    /// [`ClusterError::NoEngine`].
    pub async fn engine_answers() -> Result<(), ClusterError> {
        Engine::connect().await.map(drop)
    }

    /// Makes image, network and containers, starts them and waits until the nodes listen. What crashed runs
    /// have left is removed first.
    ///
    /// # Errors
    /// [`ClusterError`]; what was made is removed again.
    pub async fn start(options: StartOptions) -> Result<Self, ClusterError> {
        let engine = Engine::connect().await?;
        let swept = owner::sweep(&engine).await?;
        if swept > 0 {
            tracing::info!(swept, "removed what an earlier run had left");
        }
        let image = image::ensure(&engine, &options.program).await?;
        let run = run_name(&options.folder);
        let network = format!("veil-{run}");
        let labels = owner::labels(&run);
        let subnet = Subnet::create_network(&engine, &network, labels.clone()).await?;
        let members: Vec<Member> = (1..=NodeId::from(options.nodes)).map(|id| member(subnet, id)).collect();
        let leading = Leading::choose(options.links, &members, subnet.gateway(), options.seed).await;
        let ids = members.iter().map(|member| member.id);
        let with_keys = |links| {
            let made = Credentials::create(&options.folder, ids, options.tls, options.keep_data)?;
            Ok((links, Arc::new(made)))
        };
        let (links, credentials) = match leading.and_then(with_keys) {
            Ok(made) => made,
            Err(error) => {
                engine.remove_network(&network).await?;
                return Err(error);
            }
        };
        let node = |member: &Member| {
            let folder = options.folder.join(format!("n{}", member.id));
            let routes = match &links {
                Leading::Proxies { detours, .. } => detours.routes(member.id).to_vec(),
                Leading::Direct | Leading::ByKernel { .. } => Vec::new(),
            };
            let config = NodeConfig {
                id: member.id,
                data: DATA.into(),
                cluster_key: CLUSTER_KEY.into(),
                bootstrap: member.id == 1,
                shared_port: false,
                plain: !options.tls,
                listen: Listen {
                    client: member.client.clone(),
                    peer: member.peer.clone(),
                    http: Some(format!("0.0.0.0:{HTTP_PORT}")),
                    http_hosts: Vec::new(),
                },
                tls: options.tls.then(tls_files),
                members: founding(&members, options.founders, member.id),
                routes,
                raft: options.raft.clone(),
                sealing: options.sealing.clone(),
                limits: everybody_may_register(),
                quotas: None,
                experiment: experiment(options.slow_disk, member.id),
            };
            let spec = Spec {
                name: format!("{network}-n{}", member.id),
                image: image.id.clone(),
                network: network.clone(),
                address: subnet.node(member.id),
                folder,
                id: member.id,
                credentials: credentials.clone(),
                limits: options.limits,
                labels: labels.clone(),
            };
            (member.id, Node { spec, config, turn: Arc::default(), network: Default::default() })
        };
        let nodes = members.iter().map(node).collect();
        let keep_data = options.keep_data;
        let ended = AtomicBool::new(false);
        let generators = Mutex::default();
        let nodes = Nodes {
            engine,
            image,
            network,
            folder: options.folder.clone(),
            subnet,
            labels,
            members,
            nodes,
            generators,
            links,
            credentials,
            keep_data,
            ended,
        };
        // From here on dropping it clears up.
        let cluster = Self(Arc::new(nodes));
        try_join_all(cluster.0.nodes.values().map(|node| cluster.0.create(node))).await?;
        // The founder last, so that the others are there to elect it at once.
        let (founder, others): (Vec<_>, Vec<_>) =
            cluster.0.nodes.iter().partition(|(_, node)| node.config.bootstrap);
        for group in [others, founder] {
            try_join_all(group.into_iter().map(|(id, _)| cluster.restart(*id))).await?;
        }
        Ok(cluster)
    }
}

/// Names what is made for a run; the process makes it unique.
fn run_name(nodes_folder: &Path) -> String {
    let run = nodes_folder.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let usable = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' };
    let run: String = run.unwrap_or_default().chars().map(usable).collect();
    format!("{run}-{}", std::process::id())
}

fn member(subnet: Subnet, id: NodeId) -> Member {
    let at = |port: u16| format!("{}:{port}", subnet.node(id));
    Member { id, client: at(CLIENT_PORT), peer: at(PEER_PORT) }
}

impl Drop for DockerCluster {
    fn drop(&mut self) {
        if self.0.ended.load(Ordering::SeqCst) {
            return;
        }
        // Whoever drops may be in the middle of a runtime, where nothing can be waited for.
        let nodes = self.0.clone();
        let clearing = std::thread::spawn(move || {
            match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime.block_on(nodes.end()),
                Err(error) => tracing::warn!(%error, "containers are left"),
            }
        });
        let _ = clearing.join();
    }
}

impl Cluster for DockerCluster {
    fn members(&self) -> &[Member] {
        &self.0.members
    }

    fn outside(&self) -> Outside {
        let routes = match &self.0.links {
            Leading::Proxies { detours, .. } => detours.routes(OUTSIDE),
            Leading::Direct | Leading::ByKernel { .. } => &[],
        };
        self.0.credentials.outside(routes.iter().map(|r| (r.to.clone(), r.via.clone())))
    }

    fn kill(&self, id: NodeId) -> Doing<'_> {
        Box::pin(self.0.end_with(id, "SIGKILL"))
    }

    fn stop(&self, id: NodeId) -> Doing<'_> {
        Box::pin(async move {
            let late = format!("it has not ended {STOP_PATIENCE:?} after SIGTERM");
            match tokio::time::timeout(STOP_PATIENCE, self.0.end_with(id, "SIGTERM")).await {
                Ok(ended) => ended,
                Err(_) => Err(ClusterError::Signal { node: id, reason: late }),
            }
        })
    }

    fn restart(&self, id: NodeId) -> Doing<'_> {
        Box::pin(async move {
            let node = self.0.node(id)?;
            let _turn = node.turn.lock().await;
            match self.0.engine.is_up(&node.spec.name).await? {
                true => Ok(()),
                false => self.0.start(id, node).await,
            }
        })
    }

    fn pause(&self, id: NodeId) -> Doing<'_> {
        Box::pin(async move {
            let name = &self.0.node(id)?.spec.name;
            self.0.engine.docker.pause_container(name).await.map_err(failed(format!("pause {name}")))
        })
    }

    fn resume(&self, id: NodeId) -> Doing<'_> {
        Box::pin(async move {
            let name = &self.0.node(id)?.spec.name;
            self.0.engine.docker.unpause_container(name).await.map_err(failed(format!("resume {name}")))
        })
    }

    fn wipe(&self, id: NodeId) -> Doing<'_> {
        Box::pin(async move {
            let node = self.0.node(id)?;
            let _turn = node.turn.lock().await;
            let spec = &node.spec;
            if self.0.engine.is_up(&spec.name).await? {
                return Err(ClusterError::Signal { node: id, reason: "it is running".to_owned() });
            }
            // With the container goes its log: this far it is told in a file of its own.
            self.0.keep_log(node).await?;
            spec.remove(&self.0.engine).await?;
            write_config(node, &NodeConfig { bootstrap: false, ..node.config.clone() })?;
            spec.create(&self.0.engine).await
        })
    }

    fn throttle(&self, id: NodeId, share: Option<f64>) -> Doing<'_> {
        Box::pin(async move {
            let Spec { name, limits, .. } = &self.0.node(id)?.spec;
            let cpu_quota = Some(quota(share.or(limits.cpus)));
            let change = ContainerUpdateBody { cpu_quota, ..ContainerUpdateBody::default() };
            let changed = self.0.engine.docker.update_container(name, change).await;
            changed.map_err(failed(format!("throttle {name}")))
        })
    }

    fn fill_disk(&self, id: NodeId) -> Doing<'_> {
        Box::pin(async move { disk::fill(&self.0.engine, &self.0.node(id)?.spec).await })
    }

    fn free_disk(&self, id: NodeId) -> Doing<'_> {
        Box::pin(async move {
            disk::free(&self.0.engine, &self.0.node(id)?.spec).await?;
            self.restart(id).await
        })
    }

    fn change_links<'a>(
        &'a self,
        links: &'a [DirectedLink],
        change: &'a (dyn Fn(&mut Shape) + Sync),
    ) -> Doing<'a> {
        Box::pin(async move {
            match (&self.0.links, links.first()) {
                (Leading::Proxies { detours, .. }, _) => detours.links().change(links, change),
                (Leading::ByKernel { links: shapes, .. }, _) => {
                    shapes.change(links, change);
                    let ends = links.iter().flat_map(|(from, to)| [*from, *to]);
                    let ends: BTreeSet<_> = ends.filter(|id| *id != OUTSIDE).collect();
                    try_join_all(ends.into_iter().map(|id| self.0.bring_in_line(id))).await?;
                }
                (Leading::Direct, Some((from, to))) => {
                    return Err(ClusterError::NoDetours { from: *from, to: *to });
                }
                (Leading::Direct, None) => {}
            }
            Ok(())
        })
    }

    fn shape(&self, link: DirectedLink) -> Shape {
        match &self.0.links {
            Leading::Proxies { detours, .. } => detours.links().shape(link),
            Leading::ByKernel { links, .. } => links.shape(link),
            Leading::Direct => Shape::default(),
        }
    }

    fn comes_through(
        &self,
        from: NodeId,
        to: NodeId,
    ) -> BoxFuture<'_, Result<Option<Duration>, ClusterError>> {
        Box::pin(async move {
            if let Leading::Proxies { detours, .. } = &self.0.links {
                let network = self.0.credentials.as_a_node(Arc::new(Tcp::default()));
                return Ok(detours.comes_through(&*network, from, to).await);
            }
            let peer = format!("{}:{PEER_PORT}", self.0.node(to)?.spec.address);
            match self.0.namespace(self.0.node(from)?).await? {
                Some(namespace) => {
                    let network = self.0.credentials.as_a_node(Arc::new(namespace));
                    Ok(says_hello(&*network, &peer).await)
                }
                // Nobody is there to dial.
                None => Ok(None),
            }
        })
    }

    fn inside(&self, folders: Vec<PathBuf>) -> Option<Box<dyn Launcher>> {
        Some(Box::new(Inside { nodes: self.0.clone(), folders }))
    }

    fn out_of_memory(&self) -> BoxFuture<'_, Vec<NodeId>> {
        Box::pin(async move {
            let looking = self.0.nodes.iter().map(|(id, node)| async move {
                let state = self.0.engine.state(&node.spec.name).await.ok().flatten();
                state.is_some_and(|state| state.oom_killed == Some(true)).then_some(*id)
            });
            join_all(looking).await.into_iter().flatten().collect()
        })
    }

    fn describe(&self) -> Description {
        let Nodes { engine, image, network, subnet, nodes, generators, links, .. } = &*self.0;
        let limits = nodes.values().next().map(|node| node.spec.limits);
        Description {
            containers: Some(Containers {
                engine: engine.description.clone(),
                image: image.id.clone(),
                image_bytes: image.bytes,
                network: network.clone(),
                subnet: subnet.to_string(),
                generators: generators.lock().iter().cloned().collect(),
            }),
            limits: limits.filter(|limits| *limits != NodeLimits::default()),
            links: links.in_words(),
            container_names: nodes.iter().map(|(id, node)| (*id, node.spec.name.clone())).collect(),
        }
    }

    fn end(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.end())
    }
}
