//! The certificates that are shown, and the authority that they are checked against.

use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use parking_lot::RwLock;
use rustls::{
    RootCertStore,
    client::ResolvesClientCert,
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::{
    PROVIDER,
    trust::{Untrusted, is_of_node, verify_node},
};
use crate::{identity::Fingerprint, wire::client::NodeId};

/// Certificates or keys that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Text that is no certificate.
    #[error("not a certificate in PEM: {0}")]
    Certificate(String),
    /// Text that is no key. It is not repeated.
    #[error("not a private key in PEM")]
    Key,
    /// The two do not belong together.
    #[error("the key is not that of the certificate")]
    Mismatch,
    /// The cluster's nodes would not believe it.
    #[error("the others would not believe this certificate: {0}")]
    Untrusted(#[from] Untrusted),
    /// It was made for another node.
    #[error("the certificate is not that of node {node}: each node has its own, and shows no other")]
    OtherNode {
        /// Which node has it.
        node: NodeId,
    },
    /// TLS refuses it.
    #[error(transparent)]
    Refused(#[from] rustls::Error),
    /// The check of callers cannot be made.
    #[error(transparent)]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// The certificate of a cluster's authority.
#[derive(Debug, Clone)]
pub struct AuthorityCertificate {
    pub(super) roots: Arc<RootCertStore>,
    fingerprint: Fingerprint,
}

impl AuthorityCertificate {
    /// Out of PEM.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, TlsError> {
        let certificate =
            CertificateDer::from_pem_slice(pem).map_err(|e| TlsError::Certificate(e.to_string()))?;
        Self::new(certificate)
    }

    pub(super) fn new(certificate: CertificateDer<'static>) -> Result<Self, TlsError> {
        let fingerprint = Fingerprint::of(&certificate);
        let mut roots = RootCertStore::empty();
        roots.add(certificate)?;
        Ok(Self { roots: Arc::new(roots), fingerprint })
    }

    /// By which people know it.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

/// A certificate to be shown, and its key.
#[derive(Clone)]
pub struct Certificate(Arc<CertifiedKey>);

impl Certificate {
    /// Out of PEM: the certificate, then the authority's; and the key.
    ///
    /// # Errors
    /// [`TlsError`]; the key is not repeated.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let malformed = |error: &dyn fmt::Display| TlsError::Certificate(error.to_string());
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<_, _>>()
            .map_err(|e| malformed(&e))?;
        if chain.is_empty() {
            return Err(malformed(&"there is none"));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::Key)?;
        let pair = CertifiedKey::from_der(chain, key, &PROVIDER).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch,
            error => error.into(),
        })?;
        Ok(Self(Arc::new(pair)))
    }

    /// Whether it is that of the node of this number.
    ///
    /// # Errors
    /// [`TlsError::OtherNode`].
    pub fn check_number(&self, node: NodeId) -> Result<(), TlsError> {
        let own = self.0.cert.first().ok_or(Untrusted::NoAuthority)?;
        match is_of_node(own, node)? {
            true => Ok(()),
            false => Err(TlsError::OtherNode { node }),
        }
    }

    /// Whether a node may show it, at this time.
    ///
    /// # Errors
    /// [`TlsError::Untrusted`], with the reason.
    pub fn check_node(&self, authority: &AuthorityCertificate, at: SystemTime) -> Result<(), TlsError> {
        let (own, others) = self.0.cert.split_first().ok_or(Untrusted::NoAuthority)?;
        // A clock set before 1970 reads as 1970.
        let at = UnixTime::since_unix_epoch(at.duration_since(UNIX_EPOCH).unwrap_or_default());
        Ok(verify_node(own, others, &authority.roots, at)?)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate(..)")
    }
}

impl PartialEq for Certificate {
    /// Whether it is the same certificate, with everything that follows it.
    fn eq(&self, other: &Self) -> bool {
        self.0.cert == other.0.cert
    }
}

/// The certificate that is shown now.
#[derive(Debug)]
pub(super) struct Shown(RwLock<Certificate>);

impl Shown {
    pub(super) fn new(certificate: Certificate) -> Self {
        Self(RwLock::new(certificate))
    }

    fn now(&self) -> Arc<CertifiedKey> {
        self.0.read().0.clone()
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now())
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.now())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// What a node needs for TLS. Clones share the certificate that is shown.
#[derive(Debug, Clone)]
pub struct NodeTls {
    pub(super) authority: AuthorityCertificate,
    pub(super) shown: Arc<Shown>,
}

impl NodeTls {
    /// Shows this certificate, which others have to believe at this time.
    ///
    /// # Errors
    /// [`TlsError::Untrusted`].
    pub fn new(
        authority: AuthorityCertificate,
        certificate: Certificate,
        at: SystemTime,
    ) -> Result<Self, TlsError> {
        certificate.check_node(&authority, at)?;
        Ok(Self { authority, shown: Arc::new(Shown::new(certificate)) })
    }

    /// Shows another certificate on all connections that are opened from now on. Whether it is another one than
    /// before.
    ///
    /// # Errors
    /// [`TlsError::Untrusted`]; the earlier one is shown as before then.
    pub fn show(&self, certificate: Certificate, at: SystemTime) -> Result<bool, TlsError> {
        certificate.check_node(&self.authority, at)?;
        let mut shown = self.shown.0.write();
        let other = *shown != certificate;
        *shown = certificate;
        Ok(other)
    }

    /// The certificate that is shown now.
    pub fn shown(&self) -> Certificate {
        self.shown.0.read().clone()
    }

    /// The authority by which others are known.
    pub fn authority(&self) -> &AuthorityCertificate {
        &self.authority
    }
}
