//! Whose certificates are believed.

use std::{fmt, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, PeerIncompatible,
    RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::verify_tls13_signature,
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        ParsedCertificate, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use super::{AuthorityCertificate, PROVIDER, TlsError};
use crate::{
    identity::{Fingerprint, NODE_NAME, OPERATOR_NAME},
    wire::transport::Standing,
};

/// How a client tells a node of its cluster from an impostor.
#[derive(Debug, Clone)]
pub enum Trust {
    /// By the certificate of the cluster's authority.
    Authority(AuthorityCertificate),
    /// By its fingerprint.
    Fingerprint(Fingerprint),
    /// By what was found at the same address before.
    FirstUse(Arc<dyn KnownNodes>),
}

/// Remembers the authorities of nodes that a client has met.
pub trait KnownNodes: Send + Sync + fmt::Debug {
    /// Whether the node at `address` may have this authority: it had it before, or nothing is known of it.
    ///
    /// # Errors
    /// [`Untrusted::Changed`], in words for people.
    fn check(&self, address: &str, authority: Fingerprint) -> Result<(), Untrusted>;

    /// Remembers what [`check`](Self::check) has allowed, now that the node has proven to be what it says.
    ///
    /// # Errors
    /// When that cannot be kept.
    fn remember(&self, address: &str, authority: Fingerprint) -> Result<(), Untrusted>;
}

/// Why a certificate is not believed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Untrusted {
    /// Its authority is another one.
    #[error("its certificate is of an authority with the fingerprint {found}, expected {expected}")]
    Fingerprint {
        /// Whose it is.
        found: Fingerprint,
        /// Whose it should be.
        expected: Fingerprint,
    },
    /// It was another one before, or that cannot be told.
    #[error("{0}")]
    Changed(String),
    /// The authority's certificate is missing.
    #[error("the certificate of its authority is missing")]
    NoAuthority,
    /// Signed by somebody else, too old, too young, or malformed.
    #[error("its certificate is not valid: {}", in_words(.0))]
    Invalid(Error),
    /// Valid, and not made for this.
    #[error("its certificate is not {expected}")]
    Role {
        /// What it had to be.
        expected: &'static str,
    },
}

/// What is wrong with a certificate; rustls names only the kind.
fn in_words(error: &Error) -> String {
    let known = match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => "it is not of this cluster's authority",
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "it has expired, or the clock here is ahead"
        }
        Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => "it does not hold yet, or the clock here is behind",
        error => return error.to_string(),
    };
    known.to_owned()
}

impl From<Untrusted> for Error {
    fn from(untrusted: Untrusted) -> Self {
        Self::Other(OtherError(Arc::new(untrusted)))
    }
}

/// Whether a certificate says so.
fn is_named(certificate: &ParsedCertificate<'_>, name: &str) -> bool {
    ServerName::try_from(name).is_ok_and(|name| verify_server_name(certificate, &name).is_ok())
}

/// Whether it is that of the node of this number.
pub(super) fn is_of_node(certificate: &CertificateDer<'_>, node: u64) -> Result<bool, Untrusted> {
    let certificate = ParsedCertificate::try_from(certificate).map_err(Untrusted::Invalid)?;
    Ok(is_named(&certificate, &format!("n{node}.{NODE_NAME}")))
}

/// What a certificate, which has been verified, makes of whoever shows it.
pub(super) fn role_of(certificate: &CertificateDer<'_>) -> Result<Standing, Untrusted> {
    let certificate = ParsedCertificate::try_from(certificate).map_err(Untrusted::Invalid)?;
    if is_named(&certificate, NODE_NAME) {
        Ok(Standing::Node)
    } else if is_named(&certificate, OPERATOR_NAME) {
        Ok(Standing::Operator)
    } else {
        Err(Untrusted::Role { expected: "a node's or an operator's" })
    }
}

/// Verifies the certificate that a node shows.
pub(super) fn verify_node(
    certificate: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
    roots: &RootCertStore,
    at: UnixTime,
) -> Result<(), Untrusted> {
    let parsed = ParsedCertificate::try_from(certificate).map_err(Untrusted::Invalid)?;
    let algorithms = PROVIDER.signature_verification_algorithms.all;
    match verify_server_cert_signed_by_trust_anchor(&parsed, roots, others, at, algorithms) {
        Ok(()) if is_named(&parsed, NODE_NAME) => Ok(()),
        // Made for clients alone.
        Ok(()) | Err(Error::InvalidCertificate(CertificateError::InvalidPurpose)) => {
            Err(Untrusted::Role { expected: "a node's" })
        }
        Err(Error::InvalidCertificate(CertificateError::InvalidPurposeContext { .. })) => {
            Err(Untrusted::Role { expected: "a node's" })
        }
        Err(error) => Err(Untrusted::Invalid(error)),
    }
}

/// Checks the node that was dialled.
#[derive(Debug)]
pub(super) enum NodeVerifier {
    Authority(AuthorityCertificate),
    Fingerprint(Fingerprint),
    FirstUse { known: Arc<dyn KnownNodes>, address: String },
}

impl ServerCertVerifier for NodeVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let check = |certificate, others, roots: &RootCertStore| verify_node(certificate, others, roots, now);
        match self {
            Self::Authority(authority) => check(certificate, others, &authority.roots)?,
            Self::Fingerprint(_) | Self::FirstUse { .. } => {
                let authority = others.last().ok_or(Untrusted::NoAuthority)?;
                let found = Fingerprint::of(authority);
                match self {
                    Self::Fingerprint(expected) if found != *expected => {
                        return Err(Untrusted::Fingerprint { found, expected: *expected }.into());
                    }
                    Self::FirstUse { known, address } => known.check(address, found)?,
                    Self::Fingerprint(_) | Self::Authority(_) => {}
                }
                let mut roots = RootCertStore::empty();
                roots.add(authority.clone().into_owned())?;
                check(certificate, others, &roots)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &PROVIDER.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        PROVIDER.signature_verification_algorithms.supported_schemes()
    }
}

/// Who may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Callers {
    /// Nodes, and they have to prove it.
    Nodes,
    /// Everybody. Whoever shows a certificate has to have a good one.
    Anybody,
}

impl Callers {
    pub(super) fn verifier(
        self,
        authority: &AuthorityCertificate,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let builder = WebPkiClientVerifier::builder_with_provider(authority.roots.clone(), PROVIDER.clone());
        let inner = match self {
            Self::Nodes => builder.build()?,
            Self::Anybody => builder.allow_unauthenticated().build()?,
        };
        Ok(Arc::new(CallerVerifier { callers: self, inner }))
    }
}

/// Checks whoever calls.
#[derive(Debug)]
struct CallerVerifier {
    callers: Callers,
    inner: Arc<dyn ClientCertVerifier>,
}

impl ClientCertVerifier for CallerVerifier {
    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.inner.verify_client_cert(certificate, others, now).map_err(Untrusted::Invalid)?;
        match (self.callers, role_of(certificate)?) {
            (_, Standing::Node) | (Callers::Anybody, Standing::Operator) => Ok(verified),
            _ => Err(Untrusted::Role { expected: "a node's" }.into()),
        }
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
