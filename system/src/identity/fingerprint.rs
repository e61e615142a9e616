//! The short name of an authority's certificate, by which people and programs know a cluster again.

use std::{fmt, str::FromStr};

use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

use super::{InvalidKey, key_pair::parse_hex};

/// The SHA-256 of a certificate. As text, 64 hexadecimal digits; read with colons between them, too, as other
/// programs print it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// That of a certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, certificate).as_ref());
        Self(bytes)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = InvalidFingerprint;

    fn from_str(text: &str) -> Result<Self, InvalidFingerprint> {
        parse_hex(&text.replace(':', "")).map(Self).map_err(InvalidFingerprint)
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = InvalidFingerprint;

    fn try_from(text: String) -> Result<Self, InvalidFingerprint> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

/// Text that is no fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a fingerprint: {0}")]
pub struct InvalidFingerprint(InvalidKey);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_the_sha_256_and_survives_its_text_forms() {
        let fingerprint = Fingerprint::of(&CertificateDer::from(&b"abc"[..]));
        let text = fingerprint.to_string();
        assert_eq!(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(text.parse(), Ok(fingerprint));
        assert_eq!(text.to_uppercase().parse(), Ok(fingerprint));
        let pairs: Vec<_> = (0..32).map(|at| &text[2 * at..2 * at + 2]).collect();
        assert_eq!(pairs.join(":").parse(), Ok(fingerprint));
        let error = "abcd".parse::<Fingerprint>().unwrap_err().to_string();
        assert!(error.starts_with("not a fingerprint") && error.ends_with("found 4 digits"), "{error}");
    }
}
