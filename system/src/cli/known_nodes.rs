//! The clusters that nodes were found to belong to, a line for each: `address fingerprint`, in a file that people
//! can read and edit.

use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, File},
    io::{ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use parking_lot::Mutex;

use super::{complain, escape::shown};
use crate::{
    identity::Fingerprint,
    os_error::plain,
    wire::tls::{KnownNodes, Untrusted},
};

/// So much of the file is read, bytes.
const LIMIT: u64 = 1 << 20;

/// The file.
#[derive(Debug)]
pub(super) struct KnownFile {
    path: PathBuf,
    /// The cluster that this program talks to, once it has met a node of it: a node that is new is not taken for one
    /// of it if it belongs to another one.
    cluster: Mutex<Option<Fingerprint>>,
    /// Addresses of nodes that were refused, which was said.
    refused: Mutex<BTreeSet<String>>,
}

/// A line of it, and its number.
type Line = (usize, String, Fingerprint);

impl KnownFile {
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path, cluster: Mutex::default(), refused: Mutex::default() }
    }

    fn lines(&self) -> Result<Vec<Line>, Untrusted> {
        let mut text = String::new();
        let read = File::open(&self.path).and_then(|file| file.take(LIMIT).read_to_string(&mut text));
        match read {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(self.unusable(&error)),
            _ => {}
        }
        let meant = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
        meant
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
            .map(|(number, line)| match line.split_once(char::is_whitespace) {
                Some((address, fingerprint)) => match fingerprint.trim().parse() {
                    Ok(fingerprint) => Ok((number, address.to_owned(), fingerprint)),
                    Err(error) => Err(self.wrong(number, &error)),
                },
                None => Err(self.wrong(number, &"expected an address and a fingerprint")),
            })
            .collect()
    }

    fn wrong(&self, number: usize, what: &dyn std::fmt::Display) -> Untrusted {
        Untrusted::Changed(format!("{}, line {number}: {what}", shown(&self.path)))
    }

    fn unusable(&self, error: &std::io::Error) -> Untrusted {
        Untrusted::Changed(format!("{}: {error}", shown(&self.path)))
    }

    fn append(&self, address: &str, authority: Fingerprint) -> std::io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut file = File::options().create(true).append(true).mode(0o600).open(&self.path)?;
        // One write, which is not mixed with another program's.
        file.write_all(format!("{address} {authority}\n").as_bytes())?;
        file.sync_all()
    }

    /// The line of this address, which has to say the same.
    fn known(&self, address: &str, authority: Fingerprint) -> Result<bool, Untrusted> {
        match self.lines()?.into_iter().find(|(_, known, _)| known == address) {
            None => Ok(false),
            Some((_, _, known)) if known == authority => Ok(true),
            Some((number, _, known)) => Err(Untrusted::Changed(format!(
                "this is not the cluster that was met at {address} before: its authority has the fingerprint \
                 {authority}, and {}, line {number} says {known}. Somebody may be in between. If the cluster was \
                 made anew, remove that line",
                shown(&self.path)
            ))),
        }
    }

    fn judge(&self, address: &str, authority: Fingerprint) -> Result<(), Untrusted> {
        let known = self.known(address, authority)?;
        match *self.cluster.lock() {
            Some(cluster) if !known && cluster != authority => Err(Untrusted::Changed(format!(
                "{address} is new, and not of the cluster that the other nodes belong to: the fingerprint is \
                 {authority}, not {cluster}"
            ))),
            _ => Ok(()),
        }
    }
}

impl KnownNodes for KnownFile {
    fn check(&self, address: &str, authority: Fingerprint) -> Result<(), Untrusted> {
        let judged = self.judge(address, authority);
        if let Err(untrusted) = &judged
            && self.refused.lock().insert(address.to_owned())
        {
            // Said at once: other nodes may be asked for a while yet, and have other excuses.
            complain(plain(&untrusted.to_string()));
        }
        judged
    }

    fn remember(&self, address: &str, authority: Fingerprint) -> Result<(), Untrusted> {
        // One at a time: a line is written once.
        let mut cluster = self.cluster.lock();
        if !self.known(address, authority)? {
            if let Some(cluster) = cluster.filter(|cluster| *cluster != authority) {
                let reason = format!("{address} belongs to another cluster: {authority}, not {cluster}");
                return Err(Untrusted::Changed(reason));
            }
            self.append(address, authority).map_err(|error| self.unusable(&error))?;
            complain(format_args!(
                "{address} is new; the fingerprint of its cluster, {authority}, is now in {}",
                shown(&fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone()))
            ));
        }
        *cluster = Some(authority);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;

    use super::*;

    fn fingerprint(of: &[u8]) -> Fingerprint {
        Fingerprint::of(&CertificateDer::from(of.to_vec()))
    }

    #[test]
    fn a_first_use_is_remembered_and_another_authority_is_refused_with_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("home/known_nodes");
        let (ours, other) = (fingerprint(b"ours"), fingerprint(b"other"));
        let known = KnownFile::at(path.clone());
        for address in ["n1:7101", "n2:7101"] {
            known.check(address, ours).unwrap();
            // Twice, as two connections may.
            known.remember(address, ours).unwrap();
            known.remember(address, ours).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("n1:7101 {ours}\nn2:7101 {ours}\n"));
        assert_eq!(super::super::secret::mode(&path), 0o600);

        // Another program.
        let known = KnownFile::at(path.clone());
        known.check("n2:7101", ours).unwrap();
        let refused = known.check("n2:7101", other).unwrap_err().to_string();
        for part in [&format!("{}, line 2 says {ours}", path.display()), &other.to_string()] {
            assert!(refused.contains(part), "{refused}");
        }
        assert!(known.remember("n2:7101", other).is_err());
        // A node that is new has to belong to the cluster that is being talked to.
        known.remember("n2:7101", ours).unwrap();
        assert!(known.check("n3:7101", other).unwrap_err().to_string().contains("n3:7101 is new"));
        known.check("n3:7101", ours).unwrap();
    }

    #[test]
    fn people_may_edit_the_file_and_are_told_what_they_got_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known_nodes");
        let ours = fingerprint(b"ours");
        fs::write(&path, format!("# mine\n\n  n1:7101   {}  \n", ours.to_string().to_uppercase())).unwrap();
        KnownFile::at(path.clone()).check("n1:7101", ours).unwrap();
        fs::write(&path, "n1:7101\n").unwrap();
        let wrong = KnownFile::at(path.clone()).check("n1:7101", ours).unwrap_err().to_string();
        assert!(wrong.ends_with("known_nodes, line 1: expected an address and a fingerprint"), "{wrong}");
        fs::write(&path, "n1:7101 abcd\n").unwrap();
        let wrong = KnownFile::at(path).check("n1:7101", ours).unwrap_err().to_string();
        assert!(wrong.contains("line 1: not a fingerprint"), "{wrong}");
    }
}
