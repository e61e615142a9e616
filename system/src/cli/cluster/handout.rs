//! The folder that `veil cluster init` makes, file by file.

use std::{
    fmt::Write as _,
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use anyhow::Context;

use super::secret;
use crate::{
    cli::{escape::shown, read_file},
    identity::{AuthorityPem, Issued},
    wire::client::{Member, NodeId},
};

const AUTHORITY: &str = "ca.pem";
const AUTHORITY_KEY: &str = "ca.key";
const OPERATOR: &str = "operator";
const CONFIG: &str = "node.toml";
const CERTIFICATE: &str = "node.pem";
const KEY: &str = "node.key";
const CLUSTER_KEY: &str = "cluster.key";
const OPERATOR_CERTIFICATE: &str = "operator.pem";
const OPERATOR_KEY: &str = "operator.key";

/// No file of the folder is longer, bytes.
const LIMIT: u64 = 64 << 10;

/// What a node's configuration file says.
pub(super) struct Config {
    pub(super) id: NodeId,
    pub(super) bootstrap: bool,
    pub(super) client: String,
    pub(super) peer: String,
    pub(super) founders: Vec<Member>,
}

impl Config {
    fn text(&self) -> String {
        let Self { id, bootstrap, client, peer, founders } = self;
        let mut text = format!(
            "id = {id}\ndata = \"data\"\ncluster_key = \"{CLUSTER_KEY}\"\nbootstrap = {bootstrap}\n\
             listen = {{ client = \"{client}\", peer = \"{peer}\" }}\n\
             \n[tls]\ncertificate = \"{CERTIFICATE}\"\nkey = \"{KEY}\"\nauthority = \"{AUTHORITY}\"\n"
        );
        for Member { id, client, peer } in founders {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n[[member]]\nid = {id}\nclient = \"{client}\"\npeer = \"{peer}\"\n");
        }
        text
    }
}

/// The folder.
pub(super) struct Handout<'a>(&'a Path);

impl<'a> Handout<'a> {
    pub(super) fn at(folder: &'a Path) -> Self {
        Self(folder)
    }

    fn node(&self, id: NodeId) -> PathBuf {
        self.0.join(format!("n{id}"))
    }

    fn operator(&self) -> PathBuf {
        self.0.join(OPERATOR)
    }

    /// Refuses if a file is there that would be made.
    pub(super) fn ensure_free(
        &self,
        nodes: impl IntoIterator<Item = NodeId>,
        and_the_cluster: bool,
    ) -> anyhow::Result<()> {
        let of_node = |id| {
            let folder = self.node(id);
            [CONFIG, CERTIFICATE, KEY, AUTHORITY, CLUSTER_KEY].map(|file| folder.join(file))
        };
        let mut files: Vec<_> = nodes.into_iter().flat_map(of_node).collect();
        if and_the_cluster {
            let operator = self.operator();
            files.extend([self.0.join(AUTHORITY_KEY), self.0.join(AUTHORITY)]);
            files.extend([operator.join(OPERATOR_KEY), operator.join(OPERATOR_CERTIFICATE)]);
        }
        match files.into_iter().find(|file| fs::symlink_metadata(file).is_ok()) {
            Some(there) => Err(taken(&there)),
            None => Ok(()),
        }
    }

    pub(super) fn make_authority(&self, pem: &AuthorityPem) -> anyhow::Result<()> {
        make_folder(self.0)?;
        make_secret(&self.0.join(AUTHORITY_KEY), &pem.key)?;
        make(&self.0.join(AUTHORITY), &pem.certificate)
    }

    pub(super) fn authority(&self) -> anyhow::Result<AuthorityPem> {
        let [key, certificate] = [AUTHORITY_KEY, AUTHORITY].map(|file| read(&self.0.join(file)));
        Ok(AuthorityPem { certificate: certificate?, key: key? })
    }

    pub(super) fn make_node(
        &self,
        config: &Config,
        issued: &Issued,
        authority: &str,
        cluster_key: &str,
    ) -> anyhow::Result<PathBuf> {
        let folder = self.node(config.id);
        make_folder(&folder)?;
        make_secret(&folder.join(CLUSTER_KEY), cluster_key)?;
        make_secret(&folder.join(KEY), &issued.key)?;
        make(&folder.join(CERTIFICATE), &issued.certificate)?;
        make(&folder.join(AUTHORITY), authority)?;
        make(&folder.join(CONFIG), &config.text())?;
        Ok(folder)
    }

    pub(super) fn make_operator(&self, issued: &Issued, authority: &str) -> anyhow::Result<()> {
        let folder = self.operator();
        make_folder(&folder)?;
        make_secret(&folder.join(OPERATOR_KEY), &issued.key)?;
        make(&folder.join(OPERATOR_CERTIFICATE), &issued.certificate)?;
        make(&folder.join(AUTHORITY), authority)
    }

    /// The numbers of the nodes that have a folder here with a certificate.
    pub(super) fn nodes(&self) -> anyhow::Result<Vec<NodeId>> {
        let mut nodes = Vec::new();
        for entry in fs::read_dir(self.0).with_context(|| shown(self.0))? {
            let name = entry.with_context(|| shown(self.0))?.file_name();
            let id = name.to_str().and_then(|name| name.strip_prefix('n')).and_then(|id| id.parse().ok());
            nodes.extend(id.filter(|id| self.node(*id).join(CERTIFICATE).exists()));
        }
        nodes.sort_unstable();
        Ok(nodes)
    }

    pub(super) fn has_operator(&self) -> bool {
        self.operator().join(OPERATOR_CERTIFICATE).exists()
    }

    /// The cluster's key, which all nodes have.
    pub(super) fn cluster_key(&self) -> anyhow::Result<String> {
        let nodes = self.nodes()?;
        let path = nodes.iter().map(|id| self.node(*id).join(CLUSTER_KEY)).find(|path| path.exists());
        let path =
            path.with_context(|| format!("{}: no folder of a node with {CLUSTER_KEY}", shown(self.0)))?;
        read(&path)
    }

    /// Gives every node another copy of the cluster's key.
    pub(super) fn replace_cluster_key(&self, text: &str) -> anyhow::Result<Vec<PathBuf>> {
        let replace = |id| {
            let path = self.node(id).join(CLUSTER_KEY);
            secret::replace(&path, text, secret::PRIVATE)?;
            Ok(path)
        };
        self.nodes()?.into_iter().map(replace).collect()
    }

    pub(super) fn replace_node(&self, id: NodeId, issued: &Issued) -> anyhow::Result<PathBuf> {
        let folder = self.node(id);
        replace(&folder.join(KEY), &folder.join(CERTIFICATE), issued)
    }

    pub(super) fn replace_operator(&self, issued: &Issued) -> anyhow::Result<PathBuf> {
        let folder = self.operator();
        replace(&folder.join(OPERATOR_KEY), &folder.join(OPERATOR_CERTIFICATE), issued)
    }
}

/// A node that looks in between finds halves that do not fit, keeps what it has, and looks again.
fn replace(key: &Path, certificate: &Path, issued: &Issued) -> anyhow::Result<PathBuf> {
    secret::replace(key, issued.key.trim_end(), secret::PRIVATE)?;
    secret::replace(certificate, issued.certificate.trim_end(), secret::PUBLIC)?;
    Ok(certificate.to_owned())
}

fn make_folder(folder: &Path) -> anyhow::Result<()> {
    // What is there keeps its mode.
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| shown(folder))
}

fn make_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    secret::create(path, text.trim_end())?.map(drop).ok_or_else(|| taken(path))
}

fn make(path: &Path, text: &str) -> anyhow::Result<()> {
    let made = secret::create_with(path, text.trim_end(), secret::PUBLIC)?;
    made.map(drop).ok_or_else(|| taken(path))
}

fn taken(path: &Path) -> anyhow::Error {
    anyhow::anyhow!("{} exists already: a cluster may need it, so it is not replaced", shown(path))
}

fn read(path: &Path) -> anyhow::Result<String> {
    let bytes = read_file(path, LIMIT)?;
    String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("{}: not a text file", shown(path)))
}
