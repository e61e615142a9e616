//! The cluster's certificate authority: it says who is a node and who is an operator, and nothing else does. Where
//! a node is reached is not in its certificate.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use rand::CryptoRng;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyUsagePurpose, PKCS_ED25519, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm,
    SigningKey,
};
use rustls::{
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject},
    server::ParsedCertificate,
};

use super::KeyPair;

/// The name in the certificate of every node.
pub const NODE_NAME: &str = "node.veil";
/// The name in the certificate of every operator.
pub const OPERATOR_NAME: &str = "operator.veil";

/// Certificates begin so long before they are made: the clocks of a cluster differ.
const BACKDATED: Duration = Duration::from_secs(3600);
/// How long a cluster's authority lasts, ten years.
const AUTHORITY_LASTS: Duration = Duration::from_secs(3650 * 24 * 3600);
/// What comes before the seed in an unencrypted Ed25519 key (RFC 8410, section 7).
const PKCS8_HEAD: [u8; 16] = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];

/// What a certificate makes of whoever shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A node, by its number.
    Node(u64),
    /// Somebody who may change the cluster.
    Operator,
}

/// From when on, and how long, a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The moment it is made. It holds from a little earlier on.
    pub from: SystemTime,
    /// How long it holds from then on.
    pub length: Duration,
}

/// A certificate, with that of the authority behind it, and the key that it belongs to, both as PEM.
#[derive(Clone)]
pub struct Issued {
    /// The certificates.
    pub certificate: String,
    /// The key: a secret.
    pub key: String,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// An authority as PEM.
#[derive(Clone)]
pub struct AuthorityPem {
    /// Its certificate, which everybody may have.
    pub certificate: String,
    /// Its key: a secret. Who has it decides who is a node.
    pub key: String,
}

/// Why there is no authority, or no certificate of it.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Text that is no certificate.
    #[error("not a certificate in PEM: {0}")]
    Certificate(String),
    /// Text that is no key of the only kind that is made here.
    #[error("not an unencrypted Ed25519 key in PEM (PKCS #8)")]
    Key,
    /// The two do not belong together.
    #[error("the key is not that of the certificate")]
    Mismatch,
    /// A certificate cannot be made.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
}

/// A cluster's authority.
pub struct Authority {
    signer: Signer,
    certificate: CertificateDer<'static>,
}

impl Authority {
    /// Makes an authority.
    ///
    /// # Errors
    /// [`AuthorityError::Make`].
    pub fn generate(random: &mut impl CryptoRng, now: SystemTime) -> Result<Self, AuthorityError> {
        let signer = Signer::new(KeyPair::generate(random));
        let mut params = authority_params(&signer);
        params.serial_number = Some(serial(random));
        hold(&mut params, Validity { from: now, length: AUTHORITY_LASTS });
        let certificate = params.self_signed(&signer)?.der().clone();
        Ok(Self { signer, certificate })
    }

    /// Reads an authority as [`Self::to_pem`] wrote it.
    ///
    /// # Errors
    /// [`AuthorityError`]; the key is not repeated.
    pub fn from_pem(pem: &AuthorityPem) -> Result<Self, AuthorityError> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem.key.as_bytes()).map_err(|_| AuthorityError::Key)?;
        let seed = key.secret_pkcs8_der().strip_prefix(&PKCS8_HEAD).and_then(|seed| seed.try_into().ok());
        let signer = Signer::new(KeyPair::from_seed(seed.ok_or(AuthorityError::Key)?));
        let malformed = |error: &dyn fmt::Display| AuthorityError::Certificate(error.to_string());
        let certificate =
            CertificateDer::from_pem_slice(pem.certificate.as_bytes()).map_err(|e| malformed(&e))?;
        let parsed = ParsedCertificate::try_from(&certificate).map_err(|e| malformed(&e))?;
        if parsed.subject_public_key_info().as_ref() != signer.subject_public_key_info() {
            return Err(AuthorityError::Mismatch);
        }
        Ok(Self { signer, certificate })
    }

    /// The authority as text.
    pub fn to_pem(&self) -> AuthorityPem {
        AuthorityPem { certificate: certificate_pem(&self.certificate), key: key_pem(&self.signer.pair) }
    }

    /// Its certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Draws a key, and says what whoever has it is.
    ///
    /// # Errors
    /// [`AuthorityError::Make`].
    pub fn issue(
        &self,
        role: Role,
        random: &mut impl CryptoRng,
        validity: Validity,
    ) -> Result<Issued, AuthorityError> {
        let holder = Signer::new(KeyPair::generate(random));
        let (common, names, usages) = match role {
            Role::Node(id) => (
                format!("node n{id}"),
                vec![NODE_NAME.to_owned(), format!("n{id}.{NODE_NAME}")],
                // It dials other nodes, too.
                vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
            ),
            Role::Operator => (
                "operator".to_owned(),
                vec![OPERATOR_NAME.to_owned()],
                vec![ExtendedKeyUsagePurpose::ClientAuth],
            ),
        };
        let mut params = CertificateParams::default();
        params.distinguished_name = named(&common);
        for name in names {
            params.subject_alt_names.push(SanType::DnsName(name.try_into()?));
        }
        params.serial_number = Some(serial(random));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usages;
        params.use_authority_key_identifier_extension = true;
        params.key_identifier_method = KeyIdMethod::PreSpecified(holder.identifier());
        hold(&mut params, validity);
        let issuer = Issuer::new(authority_params(&self.signer), &self.signer);
        let certificate = params.signed_by(&holder, &issuer)?;
        // With the authority's, so that who knows only its fingerprint can check the other one.
        let chain = certificate_pem(certificate.der()) + &certificate_pem(&self.certificate);
        Ok(Issued { certificate: chain, key: key_pem(&holder.pair) })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({})", self.signer.pair.public())
    }
}

/// All that certificates say of the authority follows from its key.
fn authority_params(signer: &Signer) -> CertificateParams {
    let mut params = CertificateParams::default();
    let name = blake3::hash(&signer.public).to_hex();
    params.distinguished_name = named(&format!("Veil cluster {}", &name[..16]));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.key_identifier_method = KeyIdMethod::PreSpecified(signer.identifier());
    params
}

fn named(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

fn serial(random: &mut impl CryptoRng) -> SerialNumber {
    let mut bytes = [0; 16];
    random.fill_bytes(&mut bytes);
    // Positive, and of one length.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::from_slice(&bytes)
}

fn hold(params: &mut CertificateParams, Validity { from, length }: Validity) {
    params.not_before = (from - BACKDATED).into();
    params.not_after = (from + length).into();
}

/// A key pair, as certificates are made with it.
struct Signer {
    pair: KeyPair,
    public: [u8; 32],
}

impl Signer {
    fn new(pair: KeyPair) -> Self {
        let public = *pair.public().as_bytes();
        Self { pair, public }
    }

    fn identifier(&self) -> Vec<u8> {
        blake3::hash(&self.public).as_bytes()[..20].to_vec()
    }
}

impl PublicKeyData for Signer {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl SigningKey for Signer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.pair.sign(message).to_vec())
    }
}

fn certificate_pem(der: &CertificateDer<'_>) -> String {
    pem("CERTIFICATE", der)
}

fn key_pem(pair: &KeyPair) -> String {
    pem("PRIVATE KEY", &[&PKCS8_HEAD[..], pair.seed()].concat())
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut lines = String::new();
    for line in text.as_bytes().chunks(64) {
        lines.extend(line.iter().map(|byte| char::from(*byte)));
        lines.push('\n');
    }
    format!("-----BEGIN {label}-----\n{lines}-----END {label}-----\n")
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    use super::*;

    fn random() -> ChaCha20Rng {
        ChaCha20Rng::seed_from_u64(7)
    }

    #[test]
    fn an_authority_survives_its_text_form() {
        let now = SystemTime::now();
        let authority = Authority::generate(&mut random(), now).unwrap();
        let again = Authority::from_pem(&authority.to_pem()).unwrap();
        assert_eq!(again.certificate(), authority.certificate());
        let validity = Validity { from: now, length: Duration::from_secs(60) };
        let (first, second) = (
            authority.issue(Role::Node(1), &mut random(), validity).unwrap(),
            again.issue(Role::Node(1), &mut random(), validity).unwrap(),
        );
        assert_eq!((first.certificate, first.key), (second.certificate, second.key));
    }

    #[test]
    fn halves_that_do_not_belong_together_and_nonsense_are_refused_without_repeating_the_key() {
        let mut random = random();
        let now = SystemTime::now();
        let [one, other] = [0; 2].map(|_| Authority::generate(&mut random, now).unwrap().to_pem());
        let refused = |certificate: &str, key: &str| {
            let pem = AuthorityPem { certificate: certificate.to_owned(), key: key.to_owned() };
            Authority::from_pem(&pem).unwrap_err().to_string()
        };
        assert_eq!(refused(&one.certificate, &other.key), "the key is not that of the certificate");
        assert!(refused("nonsense", &one.key).starts_with("not a certificate in PEM"));
        assert!(refused(&one.certificate, "secret").starts_with("not an unencrypted Ed25519 key"));
        assert!(refused(&one.key, &one.key).starts_with("not a certificate in PEM"));
    }

    #[test]
    fn the_secret_half_is_never_printed() {
        let authority = Authority::generate(&mut random(), SystemTime::now()).unwrap();
        let validity = Validity { from: SystemTime::now(), length: Duration::from_secs(60) };
        let issued = authority.issue(Role::Operator, &mut random(), validity).unwrap();
        assert!(!format!("{authority:?} {issued:?}").contains("PRIVATE"));
    }
}
