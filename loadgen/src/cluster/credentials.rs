//! What the nodes of a run know one another by, and what the run knows them by: drawn for each run, and good for
//! nothing else.

use std::{
    fs::File,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use veil::{
    identity::{Authority, AuthorityError, Issued, Role, Validity},
    node::{Entropy, TlsFiles},
    wire::{
        client::NodeId,
        tls::{AuthorityCertificate, Certificate, NodeTls, Tls, TlsError},
        transport::Network,
    },
};

use super::{ClusterError, OUTSIDE, Outside, Security, key::ClusterKey};

/// Long enough for whoever keeps the nodes' data.
const VALID: Duration = Duration::from_secs(365 * 24 * 3600);

/// Where, in the folder of the cluster's key, the authority's certificate is.
const AUTHORITY: &str = "ca.pem";

/// The cluster's key, and beside it, if the nodes speak TLS, a certificate and key for each.
#[derive(Debug)]
pub(super) struct Credentials {
    key: ClusterKey,
    tls: Option<TlsSide>,
}

/// What the run itself shows and believes.
#[derive(Debug)]
struct TlsSide {
    /// The authority's certificate, as PEM. Its key is forgotten once all nodes have certificates.
    authority: String,
    operator: Certificate,
    /// Of a node that there is not: who probes the links of nodes has to be one.
    probe: NodeTls,
}

impl Credentials {
    /// Draws everything, and writes what nodes need beside their folders.
    pub(super) fn create(
        nodes: &Path,
        ids: impl IntoIterator<Item = NodeId>,
        tls: bool,
        keep: bool,
    ) -> Result<Self, ClusterError> {
        let key = ClusterKey::create(nodes, keep)?;
        let tls = if tls { Some(TlsSide::create(&key, ids)?) } else { None };
        Ok(Self { key, tls })
    }

    /// The file of the cluster's key.
    pub(super) fn cluster_key(&self) -> PathBuf {
        self.key.path()
    }

    /// Whether nodes speak TLS.
    pub(super) fn speaks_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The files of a node's certificate, key and authority, in this order.
    pub(super) fn files(&self, node: NodeId) -> [PathBuf; 3] {
        names(node).map(|name| self.key.folder().join(name))
    }

    /// What a node's configuration says of them, seen from the folder of the node.
    pub(super) fn for_config(&self, node: NodeId) -> Option<TlsFiles> {
        let [certificate, key, authority] =
            names(node).map(|name| ClusterKey::from_node().with_file_name(name));
        self.speaks_tls().then_some(TlsFiles { certificate, key, authority })
    }

    /// Another network, as nodes use it to reach one another.
    pub(super) fn as_a_node(&self, inner: Arc<dyn Network>) -> Arc<dyn Network> {
        match self.tls.as_ref().map(|side| Tls::peers(inner.clone(), &side.probe)) {
            Some(Ok(tls)) => Arc::new(tls),
            // It was tried when the certificates were made.
            Some(Err(_)) | None => inner,
        }
    }

    /// How nodes are spoken to from outside.
    pub(super) fn outside(&self, routes: impl IntoIterator<Item = (String, String)>) -> Outside {
        let routes = routes.into_iter().collect();
        match &self.tls {
            None => Outside { routes, ..Outside::plain() },
            Some(side) => Outside {
                routes,
                security: Security::Authority(side.authority.clone()),
                operator: Some(side.operator.clone()),
                // The cluster lets everybody register.
                registrar: None,
            },
        }
    }
}

fn names(node: NodeId) -> [String; 3] {
    [format!("n{node}.pem"), format!("n{node}.key"), AUTHORITY.to_owned()]
}

impl TlsSide {
    fn create(key: &ClusterKey, ids: impl IntoIterator<Item = NodeId>) -> Result<Self, ClusterError> {
        let entropy = Entropy::from_system();
        let now = SystemTime::now();
        let authority = entropy.draw(|random| Authority::generate(random, now)).map_err(made)?;
        let validity = Validity { from: now, length: VALID };
        let issue = |role| entropy.draw(|random| authority.issue(role, random, validity)).map_err(made);
        let pem = authority.to_pem().certificate;
        write(&key.folder().join(AUTHORITY), &pem)?;
        for id in ids {
            let Issued { certificate, key: secret } = issue(Role::Node(id))?;
            let [certificate_name, key_name, _] = names(id);
            write(&key.folder().join(certificate_name), &certificate)?;
            write(&key.folder().join(key_name), &secret)?;
        }
        let read = |issued: &Issued| {
            Certificate::from_pem(issued.certificate.as_bytes(), issued.key.as_bytes()).map_err(unusable)
        };
        let probe = read(&issue(Role::Node(OUTSIDE))?)?;
        let trusted = AuthorityCertificate::from_pem(pem.as_bytes()).map_err(unusable)?;
        let probe = NodeTls::new(trusted, probe, now).map_err(unusable)?;
        Ok(Self { authority: pem, operator: read(&issue(Role::Operator)?)?, probe })
    }
}

fn made(source: AuthorityError) -> ClusterError {
    ClusterError::Certificates { reason: source.to_string() }
}

fn unusable(source: TlsError) -> ClusterError {
    ClusterError::Certificates { reason: source.to_string() }
}

/// Nobody else comes past the folder; whoever is given the file alone reads it, as with the cluster's key.
fn write(path: &Path, text: &str) -> Result<(), ClusterError> {
    let file = File::options().write(true).create_new(true).mode(0o444).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| ClusterError::Io { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_has_a_certificate_and_all_are_gone_with_the_cluster() {
        let folder = tempfile::tempdir().unwrap();
        let nodes = folder.path().join("nodes");
        let credentials = Credentials::create(&nodes, 1..=3, true, false).unwrap();
        for id in 1..=3 {
            let [certificate, key, authority] = credentials.files(id);
            let found = TlsFiles { certificate, key, authority };
            found.load().unwrap();
            std::fs::create_dir(nodes.join(format!("n{id}"))).unwrap();
            let TlsFiles { certificate, .. } = credentials.for_config(id).unwrap();
            let seen = std::fs::read(nodes.join(format!("n{id}")).join(certificate)).unwrap();
            assert_eq!(seen, std::fs::read(&found.certificate).unwrap());
        }
        let [certificate, ..] = credentials.files(1);
        drop(credentials);
        assert!(!certificate.exists());

        let plain = Credentials::create(&nodes, 1..=3, false, false).unwrap();
        assert_eq!(plain.for_config(1), None);
        assert!(!plain.files(1)[0].exists());
    }
}
