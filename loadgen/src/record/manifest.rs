//! `run.json`: what ran, where, from which source.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    Bounds, HistoryCount, RecordError,
    bounds::{MAX_NAME, MAX_NODES, MAX_REASON, MAX_RECORDS, MAX_TIME_S},
    foreign,
};
use crate::scenario::Load;

/// The format of the run directory that is written and read.
const FORMAT: u32 = 1;
/// No manifest is larger, bytes.
const MAX_BYTES: u64 = 4 << 20;
/// No machine has more processors.
const MAX_CPUS: f64 = 1e6;

/// The run's identity card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format of the run directory; 1.
    pub format: u32,
    /// The run's name, which is also its folder's.
    pub name: String,
    /// The scenario file's name.
    pub scenario: String,
    /// The seed really used.
    pub seed: u64,
    /// `process`, `docker`, or [`Manifest::EXISTING`].
    pub driver: String,
    /// The version of the programs.
    pub version: String,
    /// The commit they were built from, if known; `+` is appended when the tree had changes.
    pub commit: Option<String>,
    /// `release` or `debug`.
    pub build: String,
    /// When the run began, RFC 3339, UTC.
    pub started: String,
    /// How long the stages lasted, s.
    pub load_s: f64,
    /// Users registered before the first stage.
    pub users: u32,
    /// Whether the run was ended early (Ctrl-C, a cluster that did not start or come back).
    pub interrupted: Option<String>,
    /// Whether history and readback are complete; a verdict needs both.
    pub complete: bool,
    /// The machine.
    pub machine: Machine,
    /// The nodes.
    pub nodes: Vec<NodeManifest>,
    /// What the nodes' containers were made with; absent where nodes were not containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containers: Option<Containers>,
    /// What each node was allowed to use; absent where it was not limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<NodeLimits>,
    /// How links were led, cut and shaped, in words: `direct`, `every link through the link proxy`,
    /// `direct, cut by iptables`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<String>,
    /// From the start of the program's run until the first request of the set-up was sent, s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_request_s: Option<f64>,
    /// The longest time during the load in which the run itself stood still, s; absent in runs of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stood_still_s: Option<f64>,
    /// How much of the history there is; absent in runs of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<HistoryCount>,
    /// How many load generators there were; those who did not record it had one.
    #[serde(default = "one")]
    pub generators: u32,
}

/// What the nodes' containers were made with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Containers {
    /// The engine and its versions: `Docker 20.10.24, API 1.41`.
    pub engine: String,
    /// The image's id: `sha256:…`.
    pub image: String,
    /// The image's size, bytes.
    pub image_bytes: u64,
    /// The network between the nodes.
    pub network: String,
    /// Its addresses: `172.30.0.0/24`.
    pub subnet: String,
    /// The containers of the load generators, if these ran inside of the network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub generators: Vec<String>,
}

/// What each node was allowed to use, as the scenario says; absent is without a limit.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct NodeLimits {
    /// Processors.
    pub cpus: Option<f64>,
    /// Memory, bytes.
    pub memory_bytes: Option<u64>,
    /// Disk, bytes.
    pub disk_bytes: Option<u64>,
}

fn one() -> u32 {
    1
}

/// The machine that ran it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Operating system and version.
    pub os: String,
    /// Kernel version.
    pub kernel: String,
    /// Processor model.
    pub cpu: String,
    /// Logical processors.
    pub cores: usize,
    /// Memory, bytes.
    pub memory_bytes: u64,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeManifest {
    /// Its number.
    pub id: u64,
    /// Where clients reach it.
    pub client_address: String,
    /// Where other nodes reach it; absent for a cluster that was already there.
    pub peer_address: Option<String>,
    /// Its container's name; absent where it was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Its log, relative to the run directory; absent where none was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

impl Manifest {
    /// The driver of a cluster that was there already.
    pub const EXISTING: &str = "existing";

    /// Writes the manifest.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), RecordError> {
        let text = serde_json::to_string_pretty(self).map_err(|e| RecordError::malformed(path, e))?;
        std::fs::write(path, text + "\n").map_err(|e| RecordError::io(path, e))
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// When the file cannot be read, is malformed, is of another format, or says what cannot be.
    pub fn read(path: &Path) -> Result<Self, RecordError> {
        let text = foreign::read_text(path, MAX_BYTES)?;
        let manifest: Self = serde_json::from_str(&text).map_err(|e| RecordError::malformed(path, e))?;
        if manifest.format != FORMAT {
            let reason = format!("format is {}, this program reads {FORMAT}", manifest.format);
            return Err(RecordError::malformed(path, reason));
        }
        manifest.check(Bounds::of(path))?;
        Ok(manifest)
    }

    fn check(&self, bounds: Bounds<'_>) -> Result<(), RecordError> {
        for (field, name) in self.names() {
            bounds.text(field, name, MAX_NAME)?;
        }
        bounds.text("interrupted", self.interrupted.as_deref().unwrap_or_default(), MAX_REASON)?;
        bounds.text("links", self.links.as_deref().unwrap_or_default(), MAX_REASON)?;
        bounds.number("load_s", self.load_s, 0.0..=MAX_TIME_S)?;
        bounds.number("first_request_s", self.first_request_s.unwrap_or(0.0), 0.0..=MAX_TIME_S)?;
        bounds.number("stood_still_s", self.stood_still_s.unwrap_or(0.0), 0.0..=MAX_TIME_S)?;
        let cpus = self.limits.and_then(|limits| limits.cpus).unwrap_or(0.0);
        bounds.number("limits.cpus", cpus, 0.0..=MAX_CPUS)?;
        bounds.most("generators", u64::from(self.generators), u64::from(Load::MAX_GENERATORS))?;
        bounds.count("nodes", self.nodes.len(), MAX_NODES)?;
        let most = Load::MAX_GENERATORS as usize;
        let inside = self.containers.as_ref().map_or(0, |containers| containers.generators.len());
        bounds.count("containers.generators", inside, most)?;
        if let Some(history) = &self.history {
            bounds.count("history.parts", history.parts.len(), most)?;
            for counted in history.parts.iter().chain([&history.whole]) {
                bounds.most("history.records", counted.records, MAX_RECORDS)?;
                bounds.text("history.blake3", &counted.blake3, MAX_NAME)?;
            }
        }
        Ok(())
    }

    /// What is called by a name, and the name of its field.
    fn names(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let machine = &self.machine;
        let always = [
            ("name", &self.name),
            ("scenario", &self.scenario),
            ("driver", &self.driver),
            ("version", &self.version),
            ("build", &self.build),
            ("started", &self.started),
            ("machine.os", &machine.os),
            ("machine.kernel", &machine.kernel),
            ("machine.cpu", &machine.cpu),
        ];
        let containers = self.containers.iter().flat_map(|containers| {
            [
                ("containers.engine", &containers.engine),
                ("containers.image", &containers.image),
                ("containers.network", &containers.network),
                ("containers.subnet", &containers.subnet),
            ]
            .into_iter()
            .chain(containers.generators.iter().map(|name| ("containers.generators", name)))
        });
        let nodes = self.nodes.iter().flat_map(|node| {
            [
                ("nodes.client_address", Some(&node.client_address)),
                ("nodes.peer_address", node.peer_address.as_ref()),
                ("nodes.container", node.container.as_ref()),
                ("nodes.log", node.log.as_ref()),
            ]
            .into_iter()
            .filter_map(|(field, name)| Some((field, name?)))
        });
        let commit = self.commit.iter().map(|commit| ("commit", commit));
        always
            .into_iter()
            .chain(commit)
            .chain(containers)
            .chain(nodes)
            .map(|(field, name)| (field, name.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As runs wrote it before containers, limits, links and logs were recorded.
    const OLD: &str = r#"{
  "format": 1,
  "name": "leader-kill-20261121T035007",
  "scenario": "leader-kill",
  "seed": 42,
  "driver": "process",
  "version": "0.1.0",
  "commit": "379a126b3e5658246f7c6b61187a629da6858bc1",
  "build": "release",
  "started": "2026-11-21T03:50:07Z",
  "load_s": 45.0,
  "users": 256,
  "interrupted": null,
  "complete": true,
  "machine": {
    "os": "Linux (Debian GNU/Linux 12)",
    "kernel": "6.18.44-fc-v669",
    "cpu": "AMD EPYC",
    "cores": 2,
    "memory_bytes": 25276502016
  },
  "nodes": [
    {
      "id": 1,
      "client_address": "127.0.0.1:43075",
      "peer_address": "127.0.0.1:34399"
    }
  ]
}"#;

    #[test]
    fn a_manifest_without_the_later_fields_reads_and_gains_only_the_one_generator() {
        let old: Manifest = serde_json::from_str(OLD).unwrap();
        assert_eq!((old.name.as_str(), old.nodes.len()), ("leader-kill-20261121T035007", 1));
        assert_eq!(
            (&old.containers, old.limits, &old.links, old.first_request_s),
            (&None, None, &None, None)
        );
        assert!(old.nodes.iter().all(|node| node.container.is_none() && node.log.is_none()));
        assert_eq!(old.generators, 1);
        let stated = OLD.replace("\n  ]\n}", "\n  ],\n  \"generators\": 1\n}");
        assert_eq!(serde_json::to_string_pretty(&old).unwrap(), stated);
    }

    #[test]
    fn what_containers_add_is_read_back() {
        let mut manifest: Manifest = serde_json::from_str(OLD).unwrap();
        manifest.containers = Some(Containers {
            engine: "Docker 20.10.24, API 1.41".into(),
            image: "sha256:2fb1".into(),
            image_bytes: 9_000_000,
            network: "veil-1".into(),
            subnet: "172.30.0.0/24".into(),
            generators: vec!["veil-1-g1".into()],
        });
        manifest.limits =
            Some(NodeLimits { cpus: Some(0.5), memory_bytes: Some(256 << 20), disk_bytes: None });
        manifest.links = Some("direct, cut by iptables".into());
        manifest.first_request_s = Some(1.25);
        manifest.nodes[0].container = Some("0123456789ab".into());
        manifest.nodes[0].log = Some("nodes/n1/log.txt".into());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        manifest.write(&path).unwrap();
        assert_eq!(Manifest::read(&path).unwrap(), manifest);
    }
}
