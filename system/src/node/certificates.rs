//! A node's certificate, its key and the authority's certificate as files, and what becomes of them while the node
//! runs.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::wire::{
    client::NodeId,
    tls::{AuthorityCertificate, Certificate, NodeTls, TlsError},
};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// A certificate that does not hold longer than this from now on is complained of.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);
/// So much of each file is read, bytes.
const FILE_LIMIT: u64 = 64 << 10;

/// `[tls]` of `node.toml`. Relative paths begin at the folder of that file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The node's certificate, and after it the authority's.
    pub certificate: PathBuf,
    /// The key that the certificate belongs to.
    pub key: PathBuf,
    /// The certificate of the cluster's authority.
    pub authority: PathBuf,
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsFileError {
    /// It cannot be read.
    #[error("{path}: {source}; `veil cluster init` makes certificates")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is longer than any certificate.
    #[error("{path}: more than {FILE_LIMIT} bytes long, which is the limit")]
    TooLong {
        /// Which.
        path: PathBuf,
    },
    /// It holds something else, or something that nobody would believe.
    #[error("{path}: {source}")]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: TlsError,
    },
}

impl TlsFiles {
    /// The same files, seen from where `folder` is seen.
    pub(super) fn seen_from(&self, folder: &Path) -> Self {
        Self {
            certificate: folder.join(&self.certificate),
            key: folder.join(&self.key),
            authority: folder.join(&self.authority),
        }
    }

    /// Reads all three.
    ///
    /// # Errors
    /// [`TlsFileError`], also when other nodes would not believe the certificate now.
    pub fn load(&self) -> Result<NodeTls, TlsFileError> {
        let content = |path: &Path| {
            let path = path.to_owned();
            move |source| TlsFileError::Content { path, source }
        };
        let authority = AuthorityCertificate::from_pem(&read(&self.authority)?);
        let authority = authority.map_err(content(&self.authority))?;
        let certificate = self.read_pair()?.certificate(self)?;
        NodeTls::new(authority, certificate, SystemTime::now()).map_err(content(&self.certificate))
    }

    /// Reads all three, of which the certificate has to be that of the node of this number.
    ///
    /// # Errors
    /// [`TlsFileError`].
    pub fn load_for(&self, node: NodeId) -> Result<NodeTls, TlsFileError> {
        let tls = self.load()?;
        let content = |source| TlsFileError::Content { path: self.certificate.clone(), source };
        tls.shown().check_number(node).map_err(content)?;
        Ok(tls)
    }

    fn read_pair(&self) -> Result<Pair, TlsFileError> {
        Ok(Pair { certificate: read(&self.certificate)?, key: read(&self.key)? })
    }

    /// Looks at certificate and key every few seconds, and when told to, until the future is dropped. A good pair is
    /// shown on every connection from then on; of a bad one it is said what is wrong, and the earlier one is shown.
    pub async fn keep_up(self, tls: NodeTls, told: Arc<Notify>) {
        let files = Arc::new(self);
        let mut seen = None;
        let mut warned = false;
        loop {
            let reading = files.clone();
            let read = tokio::task::spawn_blocking(move || reading.read_pair());
            match read.await {
                Ok(Ok(pair)) if seen.as_ref() == Some(&pair) => {}
                Ok(Ok(pair)) => {
                    let taken = files.take(&pair, &tls);
                    match taken {
                        Ok(true) => {
                            warned = false;
                            tracing::warn!(certificate = %files.certificate.display(), "new certificate in use");
                        }
                        Ok(false) => {}
                        Err(error) => {
                            tracing::warn!(%error, "certificate not taken; the earlier one is in use");
                        }
                    }
                    seen = Some(pair);
                }
                Ok(Err(error)) => {
                    // Told once.
                    if seen.take().is_some() {
                        tracing::warn!(%error, "certificate not read; the earlier one is in use");
                    }
                }
                Err(_) => {}
            }
            let later = SystemTime::now() + SOON;
            if !warned && let Err(error) = tls.shown().check_node(tls.authority(), later) {
                warned = true;
                tracing::warn!(%error, within = ?SOON, "renew this node's certificate: `veil cluster renew`");
            }
            let _ = tokio::time::timeout(LOOK, told.notified()).await;
        }
    }

    /// Whether another certificate is shown from now on.
    fn take(&self, pair: &Pair, tls: &NodeTls) -> Result<bool, TlsFileError> {
        let content = |source| TlsFileError::Content { path: self.certificate.clone(), source };
        tls.show(pair.certificate(self)?, SystemTime::now()).map_err(content)
    }
}

/// What certificate and key files hold.
#[derive(PartialEq, Eq)]
struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Pair {
    fn certificate(&self, files: &TlsFiles) -> Result<Certificate, TlsFileError> {
        Certificate::from_pem(&self.certificate, &self.key).map_err(|source| {
            let path = match source {
                TlsError::Key | TlsError::Mismatch => &files.key,
                _ => &files.certificate,
            };
            TlsFileError::Content { path: path.clone(), source }
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsFileError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_LIMIT + 1).read_to_end(&mut bytes))
        .map_err(|source| TlsFileError::Io { path: path.to_owned(), source })?;
    match bytes.len() as u64 > FILE_LIMIT {
        true => Err(TlsFileError::TooLong { path: path.to_owned() }),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        identity::{Authority, Role, Validity},
        node::Entropy,
    };

    struct Scene {
        folder: tempfile::TempDir,
        authority: Authority,
        files: TlsFiles,
    }

    impl Scene {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let authority =
                Entropy::from_seed(1).draw(|random| Authority::generate(random, SystemTime::now())).unwrap();
            let files = TlsFiles {
                certificate: "node.pem".into(),
                key: "node.key".into(),
                authority: "ca.pem".into(),
            };
            let files = files.seen_from(folder.path());
            fs::write(&files.authority, authority.to_pem().certificate).unwrap();
            let scene = Self { folder, authority, files };
            scene.issue(2);
            scene
        }

        fn issue(&self, seed: u64) {
            let validity = Validity { from: SystemTime::now(), length: Duration::from_secs(3600) };
            let issue =
                |random: &mut rand_chacha::ChaCha20Rng| self.authority.issue(Role::Node(1), random, validity);
            let issued = Entropy::from_seed(seed).draw(issue).unwrap();
            fs::write(&self.files.key, issued.key).unwrap();
            fs::write(&self.files.certificate, issued.certificate).unwrap();
        }

        fn refused(&self) -> String {
            self.files.load().unwrap_err().to_string()
        }
    }

    #[test]
    fn a_file_that_is_missing_too_long_or_something_else_is_named() {
        let scene = Scene::new();
        scene.files.load().unwrap();
        let at = |name: &str| scene.folder.path().join(name).display().to_string();
        fs::write(&scene.files.key, "secret").unwrap();
        assert_eq!(scene.refused(), format!("{}: not a private key in PEM", at("node.key")));
        scene.issue(3);
        fs::write(&scene.files.certificate, "x".repeat(100_000)).unwrap();
        let long = format!("{}: more than 65536 bytes long, which is the limit", at("node.pem"));
        assert_eq!(scene.refused(), long);
        fs::copy(&scene.files.authority, &scene.files.certificate).unwrap();
        assert!(scene.refused().ends_with("the key is not that of the certificate"), "{}", scene.refused());
        fs::remove_file(&scene.files.authority).unwrap();
        let missing = scene.refused();
        assert!(missing.starts_with(&at("ca.pem")) && missing.contains("cluster init"), "{missing}");
    }

    #[tokio::test]
    async fn a_running_node_takes_a_good_pair_and_leaves_a_bad_one() {
        let scene = Scene::new();
        let tls = scene.files.load().unwrap();
        let first = tls.shown();
        let told = Arc::new(Notify::new());
        let keeping = tokio::spawn(scene.files.clone().keep_up(tls.clone(), told.clone()));
        let look = async || {
            // One permit is kept while it reads: after two more it has looked at what is there now.
            for _ in 0..3 {
                told.notify_one();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        fs::write(&scene.files.certificate, "garbage").unwrap();
        look().await;
        assert!(tls.shown() == first);
        scene.issue(4);
        while tls.shown() == first {
            look().await;
        }
        assert!(!keeping.is_finished());
        keeping.abort();
    }
}
