//! The secret of a cluster that a run starts.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use veil::{identity::ClusterKeys, node::Entropy};

use super::ClusterError;

/// Its folder, in the folder of the nodes.
const FOLDER: &str = "key";
const FILE: &str = "cluster.key";

/// The file with the secret, the same for all nodes and for as long as there is a cluster. Dropping it removes
/// it, unless the nodes' data is kept, which is of no use without it.
#[derive(Debug)]
pub(super) struct ClusterKey {
    folder: PathBuf,
    keep: bool,
}

impl ClusterKey {
    /// Draws a secret, and writes it beside the folders of the nodes.
    pub(super) fn create(nodes: &Path, keep: bool) -> Result<Self, ClusterError> {
        let folder = nodes.join(FOLDER);
        let io = |source| ClusterError::Io { path: folder.clone(), source };
        fs::create_dir_all(nodes).map_err(io)?;
        // Nobody else comes past the folder. Whoever is given the file alone reads it: in a container the node is
        // another user.
        DirBuilder::new().mode(0o700).create(&folder).map_err(io)?;
        let key = Self { folder: folder.clone(), keep };
        let text = Entropy::from_system().draw(ClusterKeys::generate).to_text();
        let file = File::options().write(true).create_new(true).mode(0o444).open(key.path());
        file.and_then(|mut file| writeln!(file, "{text}")).map_err(io)?;
        Ok(key)
    }

    /// In which everything is that nobody else may read.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// The file, seen from the folder of a node.
    pub(super) fn from_node() -> PathBuf {
        Path::new("..").join(FOLDER).join(FILE)
    }
}

impl Drop for ClusterKey {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, path = %self.folder.display(), "the cluster's key is left behind");
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_out_of_reach_of_others_and_gone_with_its_cluster() {
        let folder = tempfile::tempdir().unwrap();
        let nodes = folder.path().join("nodes");
        let key = ClusterKey::create(&nodes, false).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let path = key.path();
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(mode(&path) & 0o333, 0, "it can be written");
        let text = fs::read_to_string(&path).unwrap();
        ClusterKeys::from_text(&text).unwrap();
        // From n1, which need not be there, it is the same file.
        fs::create_dir(nodes.join("n1")).unwrap();
        assert_eq!(fs::read_to_string(nodes.join("n1").join(ClusterKey::from_node())).unwrap(), text);
        drop(key);
        assert!(!path.exists());

        let kept = ClusterKey::create(&nodes, true).unwrap();
        assert_ne!(fs::read_to_string(kept.path()).unwrap(), text, "two clusters have the same key");
        drop(kept);
        assert!(path.exists());
    }
}
