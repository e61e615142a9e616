//! The node's configuration file.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::TlsFiles;
use crate::{
    consensus::Timing,
    directory::{Quotas, Refusal},
    identity::{ClusterKeys, InvalidKey},
    wire::{
        address::{NoAddress, check_listening, check_reachable},
        client::{Member, NodeId},
        limits::Limits,
        loopback::is_loopback,
    },
};

/// `node.toml`. Unknown keys are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// This node's number, unique in the cluster and for ever.
    pub id: NodeId,
    /// The folder of log and snapshots. A relative path begins at the folder of this file.
    pub data: PathBuf,
    /// The file of the cluster's secret, the same for all nodes. A relative path begins at the folder of this
    /// file.
    pub cluster_key: PathBuf,
    /// Whether this node founds the cluster if its folder is empty. Say so on exactly one node.
    #[serde(default)]
    pub bootstrap: bool,
    /// Lets a supervisor reserve the ports while the node is down (`SO_REUSEPORT`).
    #[serde(default)]
    pub shared_port: bool,
    /// Plain TCP in the place of TLS, on loopback alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plain: bool,
    /// Where this node listens.
    pub listen: Listen,
    /// What TLS needs. Either this or `plain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsFiles>,
    /// All founding members, this one included.
    #[serde(default, rename = "member")]
    pub members: Vec<Member>,
    /// Addresses of other nodes that this node reaches by way of another address, such as a proxy's.
    #[serde(default, rename = "route", skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// Raft's clockwork.
    #[serde(default)]
    pub raft: RaftConfig,
    /// The sealing threads.
    #[serde(default)]
    pub sealing: SealingConfig,
    /// What strangers may take.
    #[serde(default, skip_serializing_if = "LimitsConfig::is_default")]
    pub limits: LimitsConfig,
    /// What the cluster may hold, if this node founds it. Changed later by `veil cluster limits --set`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quotas: Option<Quotas>,
    /// What makes a node worse than it is. For experiments only.
    #[serde(default, skip_serializing_if = "ExperimentConfig::is_nothing")]
    pub experiment: ExperimentConfig,
}

/// Where a node listens. Port 0 asks for any free port; the node reports which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// For clients.
    pub client: String,
    /// For other nodes.
    pub peer: String,
    /// For health checks and Prometheus; without it there is no HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// Names under which HTTP is asked for, beside addresses, `localhost` and the names of hosts in this file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http_hosts: Vec<String>,
}

/// One detour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The address as the other members know it.
    pub to: String,
    /// What is dialled in its place.
    pub via: String,
}

/// Raft's clockwork. Durations are written with a unit: `"30ms"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RaftConfig {
    /// How often the leader says that it is there.
    #[serde(with = "duration")]
    pub heartbeat: Duration,
    /// The leader's lease: a follower that has heard nothing for so long gives it up.
    #[serde(with = "duration")]
    pub lease: Duration,
    /// A snapshot is taken every so many log entries.
    pub snapshot_every: u64,
    /// For nodes that lack entries, the log keeps so many; who lacks more gets a snapshot.
    pub keep_entries: u64,
    /// The same, bytes.
    pub keep_bytes: u64,
    /// A leader whose disk has not finished a write for so long hands over.
    #[serde(with = "duration")]
    pub disk_timeout: Duration,
}

impl Default for RaftConfig {
    fn default() -> Self {
        let Timing { heartbeat, lease, snapshot_every, keep_entries, keep_bytes, disk_timeout } =
            Timing::default();
        Self { heartbeat, lease, snapshot_every, keep_entries, keep_bytes, disk_timeout }
    }
}

impl RaftConfig {
    /// The least `keep_bytes`: a few segments of the log.
    pub const MIN_KEEP_BYTES: u64 = 64 << 20;

    pub(super) fn timing(&self) -> Timing {
        let Self { heartbeat, lease, snapshot_every, keep_entries, keep_bytes, disk_timeout } = *self;
        Timing { heartbeat, lease, snapshot_every, keep_entries, keep_bytes, disk_timeout }
    }
}

/// The sealing threads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SealingConfig {
    /// How many images are sealed at a time. By default one a processor.
    pub threads: usize,
    /// How many may wait; further ones are answered *busy*.
    pub queue: usize,
}

impl Default for SealingConfig {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { threads, queue: 64 }
    }
}

/// What strangers may take: in all, and from one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Connections of clients.
    pub connections: usize,
    /// Those of one address.
    pub connections_per_address: usize,
    /// Memory for requests and answers on their way, MiB.
    pub memory_mib: usize,
    /// That of one address.
    pub memory_per_address_mib: usize,
    /// Users who register in a minute; 0 is no limit. Operators are not limited.
    pub registrations_per_minute: u32,
    /// Those of one address.
    pub registrations_per_minute_per_address: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        let Limits { connections, connections_per_address, memory, memory_per_address, .. } =
            Limits::default();
        Self {
            connections,
            connections_per_address,
            memory_mib: memory >> 20,
            memory_per_address_mib: memory_per_address >> 20,
            registrations_per_minute: 1_200,
            registrations_per_minute_per_address: 60,
        }
    }
}

impl LimitsConfig {
    /// The least memory for an address: a seal of the largest original, its answer included.
    const MIN_MEMORY_MIB: usize = 96;

    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Those of the listener for clients.
    pub(super) fn of_clients(&self) -> Limits {
        Limits {
            connections: self.connections,
            connections_per_address: self.connections_per_address,
            memory: self.memory_mib << 20,
            memory_per_address: self.memory_per_address_mib << 20,
            ..Limits::default()
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let between = |field, value: usize, least: usize, most: usize, expected| match (least..=most)
            .contains(&value)
        {
            true => Ok(()),
            false => Err(ConfigError::Value { field, value: value.to_string(), expected }),
        };
        let (connections, memory) = (self.connections, self.memory_mib);
        between("limits.connections", connections, 16, 1_000_000, "16 to 1000000")?;
        let expected = "16 or more, and no more than limits.connections";
        between("limits.connections_per_address", self.connections_per_address, 16, connections, expected)?;
        between("limits.memory_mib", memory, Self::MIN_MEMORY_MIB, 1 << 20, "96 to 1048576")?;
        let expected = "96 or more, and no more than limits.memory_mib";
        let of_address = self.memory_per_address_mib;
        between("limits.memory_per_address_mib", of_address, Self::MIN_MEMORY_MIB, memory, expected)
    }
}

/// What makes a node worse than it is. For experiments only.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExperimentConfig {
    /// So much longer than it takes does each sync of the disk take.
    #[serde(with = "duration")]
    pub sync_delay: Duration,
}

impl ExperimentConfig {
    /// The longest `sync_delay`.
    pub const MAX_SYNC_DELAY: Duration = Duration::from_secs(10);

    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is not the TOML expected.
    #[error("{path}: {reason}")]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// What is wrong, with line and column.
        reason: Box<toml::de::Error>,
    },
    /// The file holds a value that makes no sense.
    #[error("{path}: {problem}")]
    In {
        /// Which file.
        path: PathBuf,
        /// Which value.
        problem: Box<ConfigError>,
    },
    /// A value makes no sense.
    #[error("{field} is {value}: expected {expected}")]
    Value {
        /// Which key.
        field: &'static str,
        /// Its value.
        value: String,
        /// What would do.
        expected: &'static str,
    },
    /// An address cannot be one.
    #[error("{field}: {source}")]
    Address {
        /// Which key.
        field: &'static str,
        /// What is wrong.
        source: NoAddress,
    },
    /// Two addresses are the same.
    #[error("{field} is {value}, and {other} is, too: expected an address of its own for each")]
    SameAddress {
        /// Which key.
        field: &'static str,
        /// Its value.
        value: String,
        /// Which other key.
        other: &'static str,
    },
    /// A quota is set to what it cannot be.
    #[error(transparent)]
    Quota(Refusal),
    /// The file of the cluster's secret cannot be read.
    #[error("{path}: {source}; `veil cluster init` makes a cluster key, and all nodes need the same")]
    NoClusterKey {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It holds something else.
    #[error("{path}: {source}; `veil cluster init` makes a cluster key, and all nodes need the same")]
    BadClusterKey {
        /// Which file.
        path: PathBuf,
        /// What is wrong. The content, which may be a secret, is not repeated.
        source: InvalidKey,
    },
}

/// So much of a key file is read, bytes: the key, and a line break or two.
const KEY_FILE_LIMIT: u64 = 1024;

impl NodeConfig {
    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Io { path: path.to_owned(), source })?;
        let mut config: Self = toml::from_str(&text)
            .map_err(|reason| ConfigError::Syntax { path: path.to_owned(), reason: Box::new(reason) })?;
        let in_file = |problem| ConfigError::In { path: path.to_owned(), problem: Box::new(problem) };
        let checked =
            config.check().and_then(|()| config.check_addresses()).and_then(|()| config.check_links());
        checked.map_err(in_file)?;
        // One folder holds a node's configuration, its keys and its data, wherever the node is started from.
        if let Some(folder) = path.parent() {
            config.data = folder.join(&config.data);
            config.cluster_key = folder.join(&config.cluster_key);
            config.tls = config.tls.map(|files| files.seen_from(folder));
        }
        Ok(config)
    }

    /// Reads the cluster's secret from its file.
    ///
    /// # Errors
    /// [`ConfigError::NoClusterKey`] and [`ConfigError::BadClusterKey`].
    pub fn cluster_keys(&self) -> Result<ClusterKeys, ConfigError> {
        let path = &self.cluster_key;
        let mut text = String::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(KEY_FILE_LIMIT).read_to_string(&mut text))
            .map_err(|source| ConfigError::NoClusterKey { path: path.clone(), source })?;
        ClusterKeys::from_text(&text)
            .map_err(|source| ConfigError::BadClusterKey { path: path.clone(), source })
    }

    /// Checks what the types do not.
    ///
    /// # Errors
    /// [`ConfigError::Value`].
    pub fn check(&self) -> Result<(), ConfigError> {
        let refuse = |field, value: String, expected| Err(ConfigError::Value { field, value, expected });
        let own = self.members.iter().filter(|member| member.id == self.id).count();
        if !self.members.is_empty() && own != 1 {
            return refuse(
                "member",
                format!("a list with {own} entries of id {}", self.id),
                "exactly one entry for this node",
            );
        }
        let distinct: BTreeSet<_> = self.members.iter().map(|member| member.id).collect();
        if distinct.len() != self.members.len() {
            return refuse("member", "a list with an id twice".to_owned(), "each id once");
        }
        if self.bootstrap && self.members.is_empty() {
            return refuse("bootstrap", "true without [[member]]".to_owned(), "the founding members");
        }
        let raft = &self.raft;
        if raft.heartbeat < Duration::from_millis(1) || raft.heartbeat * 4 > raft.lease {
            let value = humantime::format_duration(raft.heartbeat).to_string();
            return refuse("raft.heartbeat", value, "at least 1ms and at most a quarter of raft.lease");
        }
        if raft.snapshot_every < 16 {
            return refuse("raft.snapshot_every", raft.snapshot_every.to_string(), "16 or more");
        }
        if raft.keep_entries < raft.snapshot_every {
            return refuse("raft.keep_entries", raft.keep_entries.to_string(), "raft.snapshot_every or more");
        }
        if raft.keep_bytes < RaftConfig::MIN_KEEP_BYTES {
            return refuse("raft.keep_bytes", raft.keep_bytes.to_string(), "67108864 or more");
        }
        if raft.disk_timeout < Duration::from_millis(100) {
            let value = humantime::format_duration(raft.disk_timeout).to_string();
            return refuse("raft.disk_timeout", value, "100ms or more");
        }
        if !(1..=1024).contains(&self.sealing.threads) {
            return refuse("sealing.threads", self.sealing.threads.to_string(), "1 to 1024");
        }
        if !(1..=65_536).contains(&self.sealing.queue) {
            return refuse("sealing.queue", self.sealing.queue.to_string(), "1 to 65536");
        }
        if let Some(quotas) = &self.quotas {
            quotas.check().map_err(ConfigError::Quota)?;
        }
        if self.experiment.sync_delay > ExperimentConfig::MAX_SYNC_DELAY {
            let value = humantime::format_duration(self.experiment.sync_delay).to_string();
            return refuse("experiment.sync_delay", value, "at most 10s");
        }
        self.limits.check()
    }

    /// Checks that every address has the form of one, and that no two are the same.
    ///
    /// # Errors
    /// [`ConfigError::Address`] and [`ConfigError::SameAddress`].
    pub fn check_addresses(&self) -> Result<(), ConfigError> {
        let Listen { client, peer, http, .. } = &self.listen;
        let listen = [("listen.client", client), ("listen.peer", peer)].into_iter();
        let listen: Vec<_> = listen.chain(http.iter().map(|http| ("listen.http", http))).collect();
        let reached: Vec<_> = self
            .members
            .iter()
            .flat_map(|m| [("member.client", m.id, &m.client), ("member.peer", m.id, &m.peer)])
            .collect();
        for &(field, address) in &listen {
            check_listening(address).map_err(|source| ConfigError::Address { field, source })?;
        }
        for &(field, id, address) in &reached {
            // What this node reports takes the place of its own entry, where any free port was asked for.
            let open = id == self.id && any_port(address);
            let checked = if open { check_listening(address) } else { check_reachable(address) };
            checked.map_err(|source| ConfigError::Address { field, source })?;
        }
        for route in &self.routes {
            for (field, address) in [("route.to", &route.to), ("route.via", &route.via)] {
                check_reachable(address).map_err(|source| ConfigError::Address { field, source })?;
            }
        }
        let reached: Vec<_> = reached.iter().map(|(field, _, address)| (*field, *address)).collect();
        distinct(&listen).and_then(|()| distinct(&reached))
    }

    /// Checks that it is said how links are secured, and that nothing leaves this machine if they are not.
    ///
    /// # Errors
    /// [`ConfigError::Value`].
    pub fn check_links(&self) -> Result<(), ConfigError> {
        const EITHER: &str = "either [tls] with certificate, key and authority, which `veil cluster init` makes, \
                              or plain = true, for loopback alone";
        const LOOPBACK: &str = "an address on loopback, as plain = true";
        let refuse = |field, value: String, expected| Err(ConfigError::Value { field, value, expected });
        match (&self.tls, self.plain) {
            (Some(_), false) => return Ok(()),
            (Some(_), true) => return refuse("plain", "true beside [tls]".to_owned(), EITHER),
            (None, false) => return refuse("tls", "missing".to_owned(), EITHER),
            (None, true) => {}
        }
        let listen = [("listen.client", &self.listen.client), ("listen.peer", &self.listen.peer)];
        let members =
            self.members.iter().flat_map(|m| [("member.client", &m.client), ("member.peer", &m.peer)]);
        let routes = self.routes.iter().map(|route| ("route.via", &route.via));
        match listen.into_iter().chain(members).chain(routes).find(|(_, address)| !is_loopback(address)) {
            Some((field, address)) => refuse(field, address.clone(), LOOPBACK),
            None => Ok(()),
        }
    }

    /// The names under which HTTP may be asked for: whatever else a browser was led to believe leads here is no name of
    /// this node.
    pub(super) fn http_hosts(&self) -> BTreeSet<String> {
        let Listen { client, peer, http, http_hosts } = &self.listen;
        let addresses = [client, peer].into_iter().chain(http);
        let addresses =
            addresses.chain(self.members.iter().flat_map(|member| [&member.client, &member.peer]));
        let hosts = addresses.filter_map(|address| address.rsplit_once(':')).map(|(host, _)| host);
        hosts.chain(http_hosts.iter().map(String::as_str)).map(str::to_ascii_lowercase).collect()
    }

    /// The founding members if this node is to found the cluster. Where this node asked for any free
    /// port, its own entry gets the address really listened on.
    pub(super) fn founding_members(&self, own: &Member) -> Option<BTreeMap<NodeId, Member>> {
        let entry = |member: &Member| {
            let mut member = member.clone();
            if member.id == self.id && any_port(&self.listen.client) {
                member.client.clone_from(&own.client);
            }
            if member.id == self.id && any_port(&self.listen.peer) {
                member.peer.clone_from(&own.peer);
            }
            (member.id, member)
        };
        self.bootstrap.then(|| self.members.iter().map(entry).collect())
    }
}

/// Whether no address is in the list twice.
fn distinct(addresses: &[(&'static str, &String)]) -> Result<(), ConfigError> {
    for (at, &(field, address)) in addresses.iter().enumerate() {
        let earlier = addresses[..at].iter().find(|(_, other)| *other == address && !any_port(address));
        if let Some(&(other, _)) = earlier {
            return Err(ConfigError::SameAddress { field, value: address.clone(), other });
        }
    }
    Ok(())
}

fn any_port(address: &str) -> bool {
    address.ends_with(":0")
}

/// Durations as text with a unit.
mod duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*duration))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text)
            .map_err(|e| D::Error::custom(format!("{text:?} is not a duration such as \"30ms\": {e}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        id = 1
        data = "data"
        cluster_key = "cluster.key"
        bootstrap = true
        plain = true
        listen = { client = "127.0.0.1:0", peer = "127.0.0.1:0" }
        [[member]]
        id = 1
        client = "127.0.0.1:7101"
        peer = "127.0.0.1:7201"
        [raft]
        heartbeat = "50ms"
        lease = "200ms"
    "#;

    fn load(text: &str) -> Result<NodeConfig, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.toml");
        std::fs::write(&path, text).unwrap();
        NodeConfig::load(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn a_configuration_survives_its_text_form() {
        let config = load(GOOD).unwrap();
        assert_eq!(config.raft.heartbeat, Duration::from_millis(50));
        // Its paths are absolute once it is read.
        assert_eq!(load(&toml::to_string(&config).unwrap()).unwrap(), config);
        assert!(!toml::to_string(&config).unwrap().contains("experiment"));

        let slow = load(&GOOD.replace("[raft]", "[experiment]\nsync_delay = \"20ms\"\n[raft]")).unwrap();
        assert_eq!(slow.experiment.sync_delay, Duration::from_millis(20));
        assert_eq!(load(&toml::to_string(&slow).unwrap()).unwrap(), slow);
    }

    #[test]
    fn quotas_are_read_and_what_they_cannot_be_is_named() {
        let with = |quotas: &str| load(&GOOD.replace("[raft]", &format!("[quotas]\n{quotas}\n[raft]")));
        let config = with("users = 50\nimages_per_user = 1_000").unwrap();
        let expected = Quotas { users: 50, images_per_user: 1_000, ..Quotas::default() };
        assert_eq!(config.quotas, Some(expected));
        assert_eq!(load(&toml::to_string(&config).unwrap()).unwrap(), config);
        assert_eq!(load(GOOD).unwrap().quotas, None);
        let refused = with("answer_bytes = 5").unwrap_err();
        assert!(refused.contains("quota answer-bytes is 5, the least is 1048576"), "{refused}");
        assert!(with("people = 5").unwrap_err().contains("people"));
    }

    #[test]
    fn only_an_address_that_was_left_open_is_replaced() {
        let mut config = load(GOOD).unwrap();
        let real = Member { id: 1, client: "0.0.0.0:4711".to_owned(), peer: "0.0.0.0:4712".to_owned() };
        assert_eq!(config.founding_members(&real).unwrap()[&1], real);
        // Behind 0.0.0.0 others reach a node at the address that the list gives.
        config.listen.client = "0.0.0.0:4711".to_owned();
        let founding = config.founding_members(&real).unwrap();
        assert_eq!(founding[&1], Member { client: "127.0.0.1:7101".to_owned(), ..real });
    }

    #[test]
    fn the_cluster_key_lies_where_the_file_says_seen_from_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("cluster.key");
        let load = |text: &str| {
            let path = folder.path().join("node.toml");
            std::fs::write(&path, text).unwrap();
            NodeConfig::load(&path).unwrap()
        };
        let config = load(GOOD);
        assert_eq!((&config.cluster_key, &config.data), (&key, &folder.path().join("data")));
        let keys = ClusterKeys::from_secret([7; 32]);
        std::fs::write(&key, keys.to_text() + "\n").unwrap();
        assert_eq!(config.cluster_keys().unwrap().public(), keys.public());

        let elsewhere = tempfile::NamedTempFile::new().unwrap();
        let absolute = load(&GOOD.replace("cluster.key", elsewhere.path().to_str().unwrap()));
        assert_eq!(absolute.cluster_key, elsewhere.path());
    }

    #[test]
    fn a_cluster_key_that_is_missing_or_malformed_is_named_with_what_makes_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cluster.key");
        let config = NodeConfig { cluster_key: path.clone(), ..toml::from_str(GOOD).unwrap() };
        let refused = || config.cluster_keys().unwrap_err().to_string();
        let names_it = |error: &str| {
            error.starts_with(path.to_str().unwrap()) && error.contains("`veil cluster init` makes")
        };
        let missing = refused();
        assert!(names_it(&missing) && missing.contains("No such file"), "{missing}");
        let keys = ClusterKeys::from_secret([0xab; 32]).to_text();
        for (text, said) in [
            ("", "found 0 digits"),
            (&keys[1..], "found 63 digits"),
            (&"0".repeat(5_000), "found 1024 digits"),
            (&keys.replacen('a', "x", 1), "another character at position 1"),
        ] {
            std::fs::write(&path, text).unwrap();
            let malformed = refused();
            assert!(names_it(&malformed) && malformed.contains(said), "{malformed}");
            assert!(!malformed.contains("abab"), "{malformed}");
        }
        std::fs::write(&path, [0xff; 32]).unwrap();
        let binary = refused();
        assert!(names_it(&binary), "{binary}");
    }

    #[test]
    fn either_tls_or_plain_tcp_on_loopback() {
        const TLS: &str =
            "tls = { certificate = \"node.pem\", key = \"/k/node.key\", authority = \"ca.pem\" }";
        let tls = GOOD.replace("plain = true", TLS).replace("127.0.0.1", "10.0.0.1");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.toml");
        std::fs::write(&path, &tls).unwrap();
        let config = NodeConfig::load(&path).unwrap();
        let files = TlsFiles {
            certificate: folder.path().join("node.pem"),
            key: "/k/node.key".into(),
            authority: folder.path().join("ca.pem"),
        };
        assert_eq!(config.tls, Some(files));
        assert_eq!(load(&toml::to_string(&config).unwrap()).unwrap(), config);

        for (text, said) in [
            (GOOD.replace("plain = true", ""), "tls is missing: expected either [tls] with"),
            (GOOD.replace("plain = true", "plain = false"), "tls is missing: expected either [tls] with"),
            (GOOD.replace("plain = true", &format!("plain = true\n{TLS}")), "plain is true beside [tls]"),
            (GOOD.replace("127.0.0.1:7101", "10.0.0.1:7101"), "member.client is 10.0.0.1:7101"),
            (GOOD.replace("127.0.0.1:7201", "n1:7201"), "member.peer is n1:7201: expected an address on"),
            (GOOD.replace("127.0.0.1:0\", p", "0.0.0.0:0\", p"), "listen.client is 0.0.0.0:0"),
            (GOOD.replace("127.0.0.1:0\" }", "[::]:0\" }"), "listen.peer is [::]:0"),
        ] {
            let error = load(&text).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn addresses_that_cannot_be_ones_or_are_there_twice_are_named() {
        const LISTEN: &str = r#"listen = { client = "127.0.0.1:0", peer = "127.0.0.1:0" }"#;
        for (from, to, said) in [
            (
                "127.0.0.1:7101",
                "127.0.0.1",
                "member.client: \"127.0.0.1\" is no address: the port is missing",
            ),
            (
                "127.0.0.1:7101",
                "::1",
                "member.client: \"::1\" is no address: an IPv6 address stands in brackets",
            ),
            (
                "127.0.0.1:7201",
                "0.0.0.0:7201",
                "member.peer: \"0.0.0.0:7201\" is no address: 0.0.0.0 and [::] are",
            ),
            ("127.0.0.1:7201", "127.0.0.1:7101", "member.peer is 127.0.0.1:7101, and member.client is, too"),
            (
                LISTEN,
                r#"listen = { client = "127.0.0.1", peer = "127.0.0.1:0" }"#,
                "listen.client: \"127.0.0.1\"",
            ),
            (
                LISTEN,
                r#"listen = { client = "127.0.0.1:7", peer = "127.0.0.1:7" }"#,
                "listen.peer is 127.0.0.1:7, and listen.client is, too",
            ),
            (
                LISTEN,
                r#"listen = { client = "127.0.0.1:7", peer = "127.0.0.1:8", http = "127.0.0.1:8" }"#,
                "listen.http is 127.0.0.1:8, and listen.peer is, too",
            ),
            (
                "[raft]",
                "[[route]]\nto = \"127.0.0.1:7102\"\nvia = \"7102\"\n[raft]",
                "route.via: \"7102\" is no address",
            ),
        ] {
            let error = load(&GOOD.replace(from, to)).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn bad_values_are_named() {
        for (from, to, said) in [
            ("heartbeat = \"50ms\"", "heartbeat = \"90ms\"", "raft.heartbeat is 90ms"),
            ("heartbeat = \"50ms\"", "heartbeat = \"50\"", "not a duration"),
            ("heartbeat = \"50ms\"", "hartbeat = \"50ms\"", "unknown field `hartbeat`"),
            ("heartbeat = \"50ms\"", "keep_entries = 19999", "raft.keep_entries is 19999"),
            ("heartbeat = \"50ms\"", "keep_bytes = 67108863", "raft.keep_bytes is 67108863"),
            ("heartbeat = \"50ms\"", "disk_timeout = \"99ms\"", "raft.disk_timeout is 99ms"),
            ("        id = 1\n        client", "        id = 2\n        client", "0 entries of id 1"),
            ("[raft]", "[sealing]\nthreads = 0\n[raft]", "sealing.threads is 0"),
            ("        cluster_key = \"cluster.key\"\n", "", "missing field `cluster_key`"),
            (
                "[raft]",
                "[experiment]\nsync_delay = \"11s\"\n[raft]",
                "experiment.sync_delay is 11s: expected at most 10s",
            ),
            ("[raft]", "[experiment]\nsync = \"1s\"\n[raft]", "unknown field `sync`"),
        ] {
            let error = load(&GOOD.replace(from, to)).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
