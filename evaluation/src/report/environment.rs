//! What ran where, in words; the same in every format.

use loadgen::record::{Containers, Manifest, NodeLimits, NodeManifest};

use super::words;
use crate::run::{NodeLog, RunDirectory};

/// What is known of a run, a name and a value each, in the order of reports.
pub fn facts(manifest: &Manifest) -> Vec<(&'static str, String)> {
    let m = manifest;
    let machine = &m.machine;
    let mut facts = vec![
        ("scenario", format!("{}, seed {}", m.scenario, m.seed)),
        ("driver", format!("{}, {} nodes", m.driver, m.nodes.len())),
    ];
    if let Some(Containers { engine, image, image_bytes, network, subnet, generators }) = &m.containers {
        facts.push(("engine", engine.clone()));
        facts.push(("image", format!("{image}, {}", words::bytes(*image_bytes))));
        facts.push(("network", format!("{network}, {subnet}")));
        if !generators.is_empty() {
            facts.push(("load generators", generators.join(", ")));
        }
    }
    if let Some(limits) = &m.limits {
        facts.push(("limits of a node", limits_of_a_node(limits)));
    }
    if let Some(links) = &m.links {
        facts.push(("links", links.clone()));
    }
    facts.extend([
        ("version", format!("{}, {} build", m.version, m.build)),
        ("commit", m.commit.clone().unwrap_or_else(|| "unknown".to_owned())),
        ("started", m.started.clone()),
    ]);
    if let Some(seconds) = m.first_request_s {
        facts.push(("first request", format!("{seconds:.1} s after the program was started")));
    }
    facts.extend([
        ("load", format!("{} s, {} users registered before it, {}", m.load_s, m.users, origin(m))),
        (
            "machine",
            format!("{}, {} cores, {}", machine.cpu, machine.cores, words::bytes(machine.memory_bytes)),
        ),
        ("system", format!("{}, kernel {}", machine.os, machine.kernel)),
    ]);
    facts
}

/// Where the load came from.
fn origin(manifest: &Manifest) -> String {
    let inside = manifest.containers.as_ref().is_some_and(|containers| !containers.generators.is_empty());
    let place = if inside { "in the nodes' network" } else { "on this machine" };
    match manifest.generators {
        1 => format!("from one load generator {place}"),
        several => format!("from {several} load generators {place}"),
    }
}

fn limits_of_a_node(limits: &NodeLimits) -> String {
    let parts: Vec<String> = [
        limits.cpus.map(|cpus| format!("{cpus} processors")),
        limits.memory_bytes.map(|bytes| format!("{} of memory", words::bytes(bytes))),
        limits.disk_bytes.map(|bytes| format!("{} of disk", words::bytes(bytes))),
    ]
    .into_iter()
    .flatten()
    .collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

/// Which columns the table of nodes needs.
#[derive(Debug, Clone, Copy)]
pub struct NodeColumns {
    /// The nodes' addresses for one another.
    pub peers: bool,
    /// Container ids.
    pub containers: bool,
    /// Logs.
    pub logs: bool,
}

impl NodeColumns {
    /// Those of which at least one node has something to show.
    pub fn of(manifest: &Manifest) -> Self {
        let any = |has: fn(&NodeManifest) -> bool| manifest.nodes.iter().any(has);
        Self {
            peers: any(|n| n.peer_address.is_some()),
            containers: any(|n| n.container.is_some()),
            logs: any(|n| n.log.is_some()),
        }
    }
}

/// A node's log, as one cell of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogCell {
    /// There is none.
    None,
    /// It lies here, relative to the run directory, and is so long.
    Link { path: String, size: String },
    /// It is not to be seen; where it should be, and why not.
    Missing { path: String, why: String },
}

impl LogCell {
    /// The log of a node.
    pub fn of(run: &RunDirectory, node: &NodeManifest) -> Self {
        match (run.logs.get(&node.id), &node.log) {
            (Some(NodeLog { path, tail: Ok(tail) }), _) => {
                let size = if tail.bytes == 0 { "empty".to_owned() } else { words::bytes(tail.bytes) };
                Self::Link { path: path.clone(), size }
            }
            (Some(NodeLog { path, tail: Err(why) }), _) => {
                Self::Missing { path: path.clone(), why: why.clone() }
            }
            (None, Some(path)) => Self::Missing { path: path.clone(), why: "not read".to_owned() },
            (None, None) => Self::None,
        }
    }
}
