//! How the nodes of a cluster are spoken to by whoever is not one of them.

use std::{collections::HashMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use veil::{
    identity::Fingerprint,
    wire::{
        loopback::Loopback,
        tls::{AuthorityCertificate, Certificate, Tls, TlsError, Trust},
        transport::{Network, Tcp},
    },
};

/// By what nodes are known. It goes to load generators as it is, and there is nothing secret in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// By nothing: plain TCP, on loopback.
    Plain,
    /// By the certificate of their authority, as PEM.
    Authority(String),
    /// By its fingerprint.
    Fingerprint(Fingerprint),
}

impl Security {
    /// The network over which simulated users reach the nodes: they show no certificate.
    ///
    /// # Errors
    /// When the authority's certificate cannot be used.
    pub fn network(&self, routes: HashMap<String, String>) -> Result<Arc<dyn Network>, TlsError> {
        self.over(routes, None)
    }

    /// The network over which users are registered who are brought by an operator.
    ///
    /// # Errors
    /// When a certificate cannot be used.
    pub fn network_of(
        &self,
        operator: &OperatorFiles,
        routes: HashMap<String, String>,
    ) -> Result<Arc<dyn Network>, TlsError> {
        let shown = Certificate::from_pem(operator.certificate.as_bytes(), operator.key.as_bytes())?;
        self.over(routes, Some(shown))
    }

    fn over(
        &self,
        routes: HashMap<String, String>,
        shown: Option<Certificate>,
    ) -> Result<Arc<dyn Network>, TlsError> {
        let tcp: Arc<dyn Network> = Arc::new(Tcp { routes, ..Tcp::default() });
        let trust = match self {
            Self::Plain => return Ok(Arc::new(Loopback(tcp))),
            Self::Authority(pem) => Trust::Authority(AuthorityCertificate::from_pem(pem.as_bytes())?),
            Self::Fingerprint(fingerprint) => Trust::Fingerprint(*fingerprint),
        };
        Ok(Arc::new(Tls::client(tcp, trust, shown)?))
    }
}

/// An operator's certificate and key, as PEM. A cluster that was there before lets anybody register so many users a minute,
/// and an operator as many as they like.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorFiles {
    /// The certificate, then the authority's.
    pub certificate: String,
    /// The key.
    pub key: String,
}

impl fmt::Debug for OperatorFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperatorFiles(..)")
    }
}

/// The way to the nodes from outside, for the run itself.
#[derive(Debug, Clone)]
pub struct Outside {
    /// Addresses that are reached by way of another one, such as a proxy's.
    pub routes: HashMap<String, String>,
    /// By what nodes are known.
    pub security: Security,
    /// What the run shows where it does what only an operator may.
    pub operator: Option<Certificate>,
    /// The same, for load generators that register users on a cluster that was there before.
    pub registrar: Option<OperatorFiles>,
}

impl Outside {
    /// Plain TCP, directly.
    pub fn plain() -> Self {
        Self { routes: HashMap::new(), security: Security::Plain, operator: None, registrar: None }
    }

    /// The network over which the run itself reaches the nodes.
    ///
    /// # Errors
    /// When the authority's certificate cannot be used.
    pub fn network(&self) -> Result<Arc<dyn Network>, TlsError> {
        self.security.over(self.routes.clone(), self.operator.clone())
    }
}
