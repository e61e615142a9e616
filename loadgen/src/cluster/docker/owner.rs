//! Whose a container, volume or network is, and the removal of what crashed runs have left.

use std::{collections::HashMap, fs};

use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
};

use super::engine::{Engine, failed, filter};
use crate::cluster::ClusterError;

/// The label of everything that runs make; its value is the run's name.
const RUN: &str = "veil.run";
/// The label that says which process made it: host, boot, process, and when that process began.
const OWNER: &str = "veil.owner";

/// The labels of what this process makes for a run.
pub(super) fn labels(run: &str) -> HashMap<String, String> {
    let mut labels = HashMap::from([(RUN.to_owned(), run.to_owned())]);
    labels.extend(Owner::this().map(|owner| (OWNER.to_owned(), owner.to_string())));
    labels
}

/// A process, told apart from a later one of the same number.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Owner {
    host: String,
    boot: String,
    pid: u32,
    began: u64,
}

impl Owner {
    fn this() -> Option<Self> {
        let pid = std::process::id();
        Some(Self { host: host()?, boot: boot()?, pid, began: began(pid)? })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let (host, boot) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        let owner = Self { host, boot, pid: parts.next()?.parse().ok()?, began: parts.next()?.parse().ok()? };
        parts.next().is_none().then_some(owner)
    }

    /// Whether it certainly runs no more. Of another host's processes nothing is known here.
    fn is_gone(&self) -> bool {
        let (Some(host), Some(boot)) = (host(), boot()) else { return false };
        self.host == host && (self.boot != boot || began(self.pid) != Some(self.began))
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}/{}", self.host, self.boot, self.pid, self.began)
    }
}

fn host() -> Option<String> {
    read("/proc/sys/kernel/hostname")
}

fn boot() -> Option<String> {
    read("/proc/sys/kernel/random/boot_id")
}

fn read(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

/// When a process began, in clock ticks since the boot: field 22 of its `stat` (proc(5)).
fn began(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The third field follows the command's name, which stands in parentheses and may contain anything.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

/// Removes what runs have left whose process is gone. Says how many containers, volumes and networks; what cannot be
/// removed is logged.
pub(super) async fn sweep(engine: &Engine) -> Result<usize, ClusterError> {
    let left = |labels: Option<&HashMap<String, String>>| {
        let owner = labels.and_then(|labels| labels.get(OWNER)).and_then(|text| Owner::parse(text));
        owner.is_some_and(|owner| owner.is_gone())
    };
    let all = ListContainersOptionsBuilder::default().all(true).filters(&filter(RUN)).build();
    let containers = engine.docker.list_containers(Some(all)).await.map_err(failed("list containers"))?;
    let mut removed = Vec::new();
    for container in containers.iter().filter(|container| left(container.labels.as_ref())) {
        removed.push(engine.remove_container(container.id.as_deref().unwrap_or_default()).await);
    }
    let ours = ListVolumesOptionsBuilder::default().filters(&filter(RUN)).build();
    let volumes = engine.docker.list_volumes(Some(ours)).await.map_err(failed("list volumes"))?;
    for volume in volumes.volumes.iter().flatten().filter(|volume| left(Some(&volume.labels))) {
        removed.push(engine.remove_volume(&volume.name).await);
    }
    let ours = ListNetworksOptionsBuilder::default().filters(&filter(RUN)).build();
    let networks = engine.docker.list_networks(Some(ours)).await.map_err(failed("list networks"))?;
    for network in networks.iter().filter(|network| left(network.labels.as_ref())) {
        removed.push(engine.remove_network(network.id.as_deref().unwrap_or_default()).await);
    }
    // Another run that begins may be sweeping too, and somebody may have taken a volume into use.
    for error in removed.iter().filter_map(|removed| removed.as_ref().err()) {
        tracing::warn!(%error, "what an earlier run had left is there still");
    }
    let swept = removed.iter().filter(|removed| removed.is_ok()).count();
    Ok(swept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_survives_its_text_form_and_is_told_from_a_later_one() {
        let this = Owner::this().unwrap();
        assert_eq!(Owner::parse(&this.to_string()), Some(this.clone()));
        assert!(!this.is_gone());
        assert!(Owner { began: this.began + 1, ..this.clone() }.is_gone());
        assert!(Owner { boot: "before".to_owned(), ..this.clone() }.is_gone());
        assert!(!Owner { host: "another".to_owned(), began: 0, ..this }.is_gone());
        assert_eq!(Owner::parse("host/boot/12"), None);
        assert_eq!(Owner::parse("host/boot/12/34/56"), None);
    }
}
