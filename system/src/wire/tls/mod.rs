//! TLS 1.3 around the streams of another network.
//!
//! Between nodes both sides show a certificate of the cluster's authority, and it has to be a node's. A client
//! checks that of the node, and may show an operator's. Roles stand in the certificates, addresses do not: the
//! authority alone decides who is a node, wherever it is reached.
//!
//! No session is resumed: every connection is checked as of now, and shows the certificate of now.

mod certificate;
mod trust;

#[cfg(test)]
mod tests;

use std::{
    io,
    sync::{Arc, LazyLock},
};

use futures_util::future::BoxFuture;
use rustls::{
    ClientConfig, ServerConfig, client::Resumption, crypto::CryptoProvider, pki_types::ServerName,
    server::NoServerSessionStorage, version::TLS13,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use self::{
    certificate::Shown,
    trust::{Callers, NodeVerifier, role_of},
};
pub use self::{
    certificate::{AuthorityCertificate, Certificate, NodeTls, TlsError},
    trust::{KnownNodes, Trust, Untrusted},
};
use super::{
    address::NoAddress,
    transport::{BoxedStream, Listener, Network, Opening, Standing, Stream},
};
use crate::identity::{Fingerprint, NODE_NAME};

/// All cryptography of TLS is `ring`'s.
static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));

/// Another network, with TLS around its streams.
pub struct Tls {
    inner: Arc<dyn Network>,
    dialling: Dialling,
    /// Clients do not listen.
    listening: Option<Arc<ServerConfig>>,
}

/// How the other side is checked.
enum Dialling {
    /// Alike wherever it is.
    Alike(Arc<ClientConfig>),
    /// By what is known of its address.
    FirstUse { known: Arc<dyn KnownNodes>, shown: Option<Arc<Shown>> },
}

impl Tls {
    /// Between nodes: whoever is no node is refused before anything of theirs is read.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn peers(inner: Arc<dyn Network>, node: &NodeTls) -> Result<Self, TlsError> {
        Self::node(inner, node, Callers::Nodes)
    }

    /// Between a node and clients: these need not show anything. The node itself dials other nodes where these
    /// serve clients.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn clients(inner: Arc<dyn Network>, node: &NodeTls) -> Result<Self, TlsError> {
        Self::node(inner, node, Callers::Anybody)
    }

    fn node(inner: Arc<dyn Network>, node: &NodeTls, callers: Callers) -> Result<Self, TlsError> {
        let mut listening = ServerConfig::builder_with_provider(PROVIDER.clone())
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(callers.verifier(&node.authority)?)
            .with_cert_resolver(node.shown.clone());
        listening.session_storage = Arc::new(NoServerSessionStorage {});
        listening.send_tls13_tickets = 0;
        let verifier = NodeVerifier::Authority(node.authority.clone());
        let dialling = Dialling::Alike(Arc::new(dialling(verifier, Some(node.shown.clone()))?));
        Ok(Self { inner, dialling, listening: Some(Arc::new(listening)) })
    }

    /// For a client, which shows a certificate if it has one.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn client(
        inner: Arc<dyn Network>,
        trust: Trust,
        certificate: Option<Certificate>,
    ) -> Result<Self, TlsError> {
        let shown = certificate.map(Shown::new).map(Arc::new);
        let verifier = match trust {
            Trust::Authority(authority) => NodeVerifier::Authority(authority),
            Trust::Fingerprint(fingerprint) => NodeVerifier::Fingerprint(fingerprint),
            Trust::FirstUse(known) => {
                return Ok(Self { inner, dialling: Dialling::FirstUse { known, shown }, listening: None });
            }
        };
        let dialling = Dialling::Alike(Arc::new(dialling(verifier, shown)?));
        Ok(Self { inner, dialling, listening: None })
    }
}

fn dialling(verifier: NodeVerifier, shown: Option<Arc<Shown>>) -> Result<ClientConfig, TlsError> {
    let config = ClientConfig::builder_with_provider(PROVIDER.clone())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match shown {
        Some(shown) => config.with_client_cert_resolver(shown),
        None => config.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    Ok(config)
}

impl Network for Tls {
    fn dial(&self, address: &str) -> BoxFuture<'static, io::Result<BoxedStream>> {
        let config = match &self.dialling {
            Dialling::Alike(config) => Ok((config.clone(), None)),
            Dialling::FirstUse { known, shown } => {
                let verifier = NodeVerifier::FirstUse { known: known.clone(), address: address.to_owned() };
                dialling(verifier, shown.clone())
                    .map(|config| (Arc::new(config), Some((known.clone(), address.to_owned()))))
            }
        };
        let connecting = self.inner.dial(address);
        Box::pin(async move {
            let (config, remember) = config.map_err(io::Error::other)?;
            let name = ServerName::try_from(NODE_NAME).map_err(io::Error::other)?;
            let connected = TlsConnector::from(config).connect(name, connecting.await?).await;
            let stream = connected.map_err(in_plain_words)?;
            if let Some((known, address)) = remember {
                // Only now has it proven that it has the certificate's key.
                let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
                let authority = chain.last().map(Fingerprint::of).ok_or(Untrusted::NoAuthority);
                let remembered = authority.and_then(|authority| known.remember(&address, authority));
                remembered.map_err(|untrusted| io::Error::new(io::ErrorKind::PermissionDenied, untrusted))?;
            }
            Ok(Box::new(stream) as BoxedStream)
        })
    }

    fn check(&self, address: &str) -> Result<(), NoAddress> {
        self.inner.check(address)
    }

    fn listen(&self, address: &str) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        let (listening, config) = (self.inner.listen(address), self.listening.clone());
        Box::pin(async move {
            let refused = || io::Error::new(io::ErrorKind::Unsupported, "a client does not listen");
            let acceptor = TlsAcceptor::from(config.ok_or_else(refused)?);
            Ok(Box::new(TlsListener { inner: listening.await?, acceptor }) as Box<dyn Listener>)
        })
    }
}

impl Stream for client::TlsStream<BoxedStream> {
    fn move_here(&mut self) -> io::Result<()> {
        self.get_mut().0.move_here()
    }
}

impl Stream for server::TlsStream<BoxedStream> {
    fn move_here(&mut self) -> io::Result<()> {
        self.get_mut().0.move_here()
    }
}

/// What was found wrong with a certificate is told without the way on which it was found.
fn in_plain_words(error: io::Error) -> io::Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::Other(other)) => {
            io::Error::new(io::ErrorKind::PermissionDenied, other.to_string())
        }
        Some(rustls::Error::InvalidMessage(_)) => {
            let reason = "the other side does not speak TLS: does it run with plain = true?";
            io::Error::new(io::ErrorKind::InvalidData, reason)
        }
        _ => error,
    }
}

struct TlsListener {
    inner: Box<dyn Listener>,
    acceptor: TlsAcceptor,
}

impl Listener for TlsListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Opening, String)>> {
        Box::pin(async move {
            let (opening, from) = self.inner.accept().await?;
            let acceptor = self.acceptor.clone();
            let opening = async move {
                let (stream, _) = opening.await?;
                let stream = acceptor.accept(stream).await.map_err(in_plain_words)?;
                let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
                let standing = match shown {
                    None => Standing::Anonymous,
                    // It has been verified, and has one.
                    Some(certificate) => role_of(certificate).map_err(io::Error::other)?,
                };
                Ok((Box::new(stream) as BoxedStream, standing))
            };
            Ok((Box::pin(opening) as Opening, from))
        })
    }

    fn local_address(&self) -> String {
        self.inner.local_address()
    }
}
