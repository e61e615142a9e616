//! How a program knows the nodes that it talks to, and how it makes itself known.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context;
use clap::Args;

use super::{
    escape::shown,
    home::{Home, HomeArgs},
    read_file,
};
use crate::{
    identity::Fingerprint,
    wire::{
        loopback::{Loopback, is_loopback},
        tls::{AuthorityCertificate, Certificate, Tls, Trust},
        transport::Network,
    },
};

/// No certificate or key is longer, bytes.
const LIMIT: u64 = 64 << 10;

/// By what the nodes of a cluster are known.
#[derive(Debug, Clone, Default, Args)]
pub struct TrustArgs {
    /// The certificate of the cluster's authority, ca.pem, by which its nodes are known. Without this and the next
    /// two, a node is known by what it showed when it was first met; that is remembered in known_nodes.
    #[arg(long, env = "VEIL_CA", value_name = "FILE", conflicts_with_all = ["fingerprint", "plain"])]
    pub ca: Option<PathBuf>,
    /// Its fingerprint, which `veil cluster init` prints, in place of the certificate.
    #[arg(long, env = "VEIL_FINGERPRINT", value_name = "HEX", conflicts_with = "plain")]
    pub fingerprint: Option<Fingerprint>,
    /// The folder `operator` that `veil cluster init` made, for what only an operator may do. The nodes are known by
    /// the ca.pem in it, unless something else is given.
    #[arg(long, env = "VEIL_OPERATOR", value_name = "DIR", conflicts_with = "plain")]
    pub operator: Option<PathBuf>,
    /// Plain TCP in the place of TLS, for nodes with plain = true; on loopback alone.
    #[arg(long, env = "VEIL_PLAIN")]
    pub plain: bool,
}

/// The same, read from its files.
#[derive(Debug, Clone)]
pub enum Access {
    /// Plain TCP on loopback.
    Plain,
    /// TLS.
    Tls {
        /// By what nodes are known, if anything was said.
        trust: Option<Trust>,
        /// The operator's certificate and key, if there is one.
        operator: Option<Certificate>,
    },
}

impl TrustArgs {
    /// The file by which nodes are known, if there is one.
    pub fn authority_file(&self) -> Option<PathBuf> {
        match (&self.ca, self.fingerprint, &self.operator) {
            (Some(path), _, _) => Some(path.clone()),
            (None, None, Some(folder)) => Some(folder.join("ca.pem")),
            (None, ..) => None,
        }
    }

    /// Reads the files, and checks that nothing leaves this machine unencrypted.
    ///
    /// # Errors
    /// When a file cannot be used, or a node is not on loopback and the connection would be plain TCP.
    pub fn read(&self, nodes: &[String]) -> anyhow::Result<Access> {
        if self.plain {
            let elsewhere = nodes.iter().find(|address| !is_loopback(address));
            return match elsewhere {
                None => Ok(Access::Plain),
                Some(address) => anyhow::bail!("--plain is for loopback alone, and {address} is not on it"),
            };
        }
        let trust = match self.authority_file() {
            Some(path) => {
                let read = AuthorityCertificate::from_pem(&read_file(&path, LIMIT)?);
                Some(Trust::Authority(read.with_context(|| shown(&path))?))
            }
            None => self.fingerprint.map(Trust::Fingerprint),
        };
        let operator = self.operator.as_ref().map(|folder| {
            let [certificate, key] = ["operator.pem", "operator.key"].map(|file| folder.join(file));
            let pair = Certificate::from_pem(&read_file(&certificate, LIMIT)?, &read_file(&key, LIMIT)?);
            pair.with_context(|| format!("{} and {}", shown(&certificate), shown(&key)))
        });
        Ok(Access::Tls { trust, operator: operator.transpose()? })
    }

    /// The network over which `nodes` are reached.
    pub(super) fn network(
        &self,
        inner: Arc<dyn Network>,
        nodes: &[String],
        home: &HomeArgs,
    ) -> anyhow::Result<Arc<dyn Network>> {
        let (trust, operator) = match self.read(nodes)? {
            Access::Plain => return Ok(Arc::new(Loopback(inner))),
            Access::Tls { trust, operator } => (trust, operator),
        };
        let trust = match trust {
            Some(trust) => trust,
            None => Trust::FirstUse(Arc::new(home.home().map(Home::into_known_nodes)?)),
        };
        Ok(Arc::new(Tls::client(inner, trust, operator)?))
    }
}
