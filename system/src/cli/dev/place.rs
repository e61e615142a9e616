//! Where the cluster lies: a folder that is thrown away, or one that is kept.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::Context;
use rustix::fs::OFlags;
use tempfile::TempDir;

use super::photo;
use crate::{
    cli::{cluster, escape::shown, secret},
    node::NodeConfig,
    wire::{
        client::{Member, NodeId},
        transport::bind,
    },
};

/// How many nodes there are.
const NODES: NodeId = 3;
/// How far the ports for nodes are above those for clients.
const PEERS_ABOVE: u16 = 100;

/// The folder of the cluster. Of a folder that is thrown away, nothing is left when this is dropped.
pub(super) struct Place {
    folder: PathBuf,
    members: Vec<Member>,
    thrown_away: Option<TempDir>,
    /// Locked, so that nobody else starts the same nodes meanwhile.
    _lock: File,
}

impl Place {
    /// Makes the cluster in a folder of its own, or in `keep`, or finds it there.
    pub(super) fn prepare(keep: Option<PathBuf>, port: Option<u16>) -> anyhow::Result<Self> {
        let (folder, thrown_away) = match keep {
            Some(folder) => {
                let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
                made.with_context(|| shown(&folder))?;
                (folder, None)
            }
            None => {
                let made = tempfile::Builder::new().prefix("veil-dev-").tempdir();
                let made = made.context("cannot make a folder for the cluster")?;
                (made.path().to_owned(), Some(made))
            }
        };
        // What is printed has to work from everywhere.
        let folder = fs::canonicalize(&folder).with_context(|| shown(&folder))?;
        let lock = lock(&folder)?;
        let members = match folder.join("ca.key").exists() {
            true => find(&folder, port)?,
            false => make(&folder, port)?,
        };
        Ok(Self { folder, members, thrown_away, _lock: lock })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    pub(super) fn is_kept(&self) -> bool {
        self.thrown_away.is_none()
    }

    pub(super) fn authority(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The keys and sessions of users.
    pub(super) fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    /// A picture to begin with.
    pub(super) fn photo(&self) -> PathBuf {
        self.folder.join("photo.png")
    }

    pub(super) fn config(&self, id: NodeId) -> PathBuf {
        config(&self.folder, id)
    }

    /// What a node says.
    pub(super) fn log(&self, id: NodeId) -> PathBuf {
        self.folder.join(format!("n{id}/log.txt"))
    }

    /// The file for shells to read, which is there as long as the cluster serves.
    fn environment(&self) -> PathBuf {
        self.folder.join("env")
    }

    pub(super) fn write_environment(&self, text: &str) -> anyhow::Result<()> {
        // At one stroke: whoever waits for it reads it as soon as it is there.
        secret::replace(&self.environment(), text, secret::PUBLIC)
    }

    /// When no node runs any more: removes what is not kept.
    pub(super) fn leave(self) -> anyhow::Result<()> {
        // It may not have come to that.
        let _ = fs::remove_file(self.environment());
        match self.thrown_away {
            Some(folder) => folder.close().with_context(|| shown(&self.folder)),
            None => Ok(()),
        }
    }
}

fn config(folder: &Path, id: NodeId) -> PathBuf {
    folder.join(format!("n{id}/node.toml"))
}

fn lock(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join("dev.lock");
    // What is there is nobody's to write into, nor what a link there leads to.
    let mut options = File::options();
    options.write(true).create(true).truncate(false).mode(0o600).custom_flags(OFlags::NOFOLLOW.bits() as i32);
    let file = options.open(&path).with_context(|| shown(&path))?;
    let present = file.metadata().with_context(|| shown(&path))?;
    anyhow::ensure!(
        present.is_file() && present.len() == 0,
        "{} is not the file that `veil dev` locks: use another folder",
        shown(&path)
    );
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            anyhow::bail!("{}: another `veil dev` runs this cluster", shown(folder))
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| shown(&path)),
    }
}

fn make(folder: &Path, port: Option<u16>) -> anyhow::Result<Vec<Member>> {
    let ports = match port {
        Some(base) => fixed_ports(base)?,
        None => free_ports().context("no free port")?,
    };
    let at = |port: u16| format!("127.0.0.1:{port}");
    let member = |(id, [client, peer]): (NodeId, [u16; 2])| Member { id, client: at(client), peer: at(peer) };
    let members: Vec<_> = (1..).zip(ports).map(member).collect();
    photo::draw(&folder.join("photo.png"))?;
    cluster::make_on_this_machine(folder, &members)?;
    Ok(members)
}

/// A cluster that was made before. Where its nodes find one another is in their logs, and cannot be changed.
fn find(folder: &Path, port: Option<u16>) -> anyhow::Result<Vec<Member>> {
    let first = NodeConfig::load(&config(folder, 1));
    let members = first.with_context(|| format!("{}: no whole cluster", shown(folder)))?.members;
    let numbers = members.iter().map(|member| member.id);
    anyhow::ensure!(
        numbers.eq(1..=NODES),
        "{}: expected a cluster of {NODES} nodes, as `veil dev` makes it",
        shown(folder)
    );
    let used = members[0].client.rsplit(':').next().unwrap_or_default();
    if let Some(base) = port.filter(|base| base.to_string() != used) {
        anyhow::bail!(
            "--port {base}: the cluster in {} uses {used}, and keeps its ports: leave --port out",
            shown(folder)
        );
    }
    Ok(members)
}

/// For each node, its port for clients and its port for nodes.
fn fixed_ports(base: u16) -> anyhow::Result<Vec<[u16; 2]>> {
    let ports: Vec<_> = (base..).take(NODES as usize).map(|port| [port, port + PEERS_ABOVE]).collect();
    for port in ports.iter().flatten() {
        bind(loopback(*port), false).with_context(|| format!("--port {base}: port {port}"))?;
    }
    Ok(ports)
}

/// Ports that nobody uses. All are held until the last is found, so that each is found once.
fn free_ports() -> std::io::Result<Vec<[u16; 2]>> {
    let mut held = Vec::new();
    let mut free = || {
        let socket = bind(loopback(0), false)?;
        let port = socket.local_addr()?.as_socket().map_or(0, |address| address.port());
        held.push(socket);
        Ok::<_, std::io::Error>(port)
    };
    (0..NODES).map(|_| Ok([free()?, free()?])).collect()
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_thrown_away_unless_it_is_to_be_kept() {
        let place = Place::prepare(None, None).unwrap();
        let folder = place.folder().to_owned();
        assert!(folder.join("n3/node.toml").exists() && place.photo().exists());
        place.leave().unwrap();
        assert!(!folder.exists());

        let parent = tempfile::tempdir().unwrap();
        let keep = parent.path().join("new/cluster");
        let prepare = |port| Place::prepare(Some(keep.clone()), port);
        let first = prepare(None).unwrap();
        let members = first.members().to_vec();
        let twice = prepare(None).err().unwrap().to_string();
        assert!(twice.ends_with("another `veil dev` runs this cluster"), "{twice}");
        first.leave().unwrap();
        let moved = prepare(Some(1)).err().unwrap().to_string();
        assert!(moved.ends_with("and keeps its ports: leave --port out"), "{moved}");
        assert_eq!(prepare(None).unwrap().members(), members);
    }

    #[test]
    fn what_is_in_the_place_of_its_lock_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let (own, path) = (folder.path().join("own"), folder.path().join("dev.lock"));
        fs::write(&own, "").unwrap();
        std::os::unix::fs::symlink("own", &path).unwrap();
        assert!(lock(folder.path()).is_err(), "a link was followed");
        fs::remove_file(&path).unwrap();
        fs::write(&path, "kept").unwrap();
        let refused = lock(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("dev.lock is not the file"), "{refused}");
        assert_eq!(fs::read(&path).unwrap(), b"kept");
        fs::write(&path, "").unwrap();
        lock(folder.path()).unwrap();
    }

    #[test]
    fn a_port_that_is_taken_is_named() {
        let taken = bind(loopback(0), false).unwrap();
        // Only who listens is sure to be in the way of somebody who may bind again.
        taken.listen(1).unwrap();
        let port = taken.local_addr().unwrap().as_socket().unwrap().port();
        let base = port - PEERS_ABOVE;
        let error = format!("{:#}", fixed_ports(base).unwrap_err());
        assert!(error.starts_with(&format!("--port {base}: port {port}: ")), "{error}");
    }
}
