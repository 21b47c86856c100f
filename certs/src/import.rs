//! A certificate that the hospital's own authority made for the appliance: what was handed in (PEM or PKCS#12) is read within
//! bounds, and taken only if key, chain, names and dates fit together.

use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{CertificateError, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

use crate::authority::{Facts, RENEW_BELOW_DAYS};
use crate::error::CertError;
use crate::files;

/// Largest file taken: a chain of a few certificates has some 5 KB.
pub const MAX_IMPORT_BYTES: usize = 256 << 10;

/// More certificates or keys than a chain can have are a wrong file.
const MAX_CERTIFICATES: usize = 64;
const MAX_KEYS: usize = 8;

/// Longest chain, the root included.
const MAX_CHAIN: usize = 8;

/// What was handed in.
#[derive(Debug, Default)]
pub struct Offer {
    keys: Vec<PrivateKeyDer<'static>>,
    certificates: Vec<CertificateDer<'static>>,
}

/// An offer that fits: to be installed.
#[derive(Debug)]
pub struct Checked {
    pem: Zeroizing<String>,
    facts: Facts,
    notes: Vec<String>,
}

impl Offer {
    /// Adds one file's bytes: PEM text, or PKCS#12 with its password.
    ///
    /// # Errors
    /// A sentence saying what is wrong with it; never anything of its content.
    pub fn add(&mut self, bytes: &[u8], password: Option<&str>) -> Result<(), String> {
        if bytes.len() > MAX_IMPORT_BYTES {
            return Err("it is far larger than a certificate".to_owned());
        }
        if is_pkcs12(bytes) {
            let password = password.ok_or("it is PKCS#12 and needs its password")?;
            let archive = p12_keystore::Pkcs12Archive::from_pkcs12(bytes, password)
                .map_err(|_| "it is no PKCS#12 that this password opens".to_owned())?;
            self.certificates.extend(archive.certs.iter().map(|bag| bag.cert.as_der().to_vec().into()));
            self.keys.extend(
                archive
                    .keys
                    .iter()
                    .map(|bag| PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(bag.key.as_der().to_vec()))),
            );
        } else {
            let text = std::str::from_utf8(bytes).map_err(|_| "it is neither PEM nor PKCS#12".to_owned())?;
            if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
                return Err("its key is encrypted; hand it in as PKCS#12 (`openssl pkcs12 -export`)".to_owned());
            }
            for found in CertificateDer::pem_slice_iter(text.as_bytes()) {
                self.certificates.push(found.map_err(|_| "a certificate in it is no PEM".to_owned())?);
            }
            for found in PrivateKeyDer::pem_slice_iter(text.as_bytes()) {
                self.keys.push(found.map_err(|_| "a key in it is no PEM".to_owned())?);
            }
        }
        if self.certificates.len() > MAX_CERTIFICATES || self.keys.len() > MAX_KEYS {
            return Err(format!("there are more than {MAX_CERTIFICATES} certificates or {MAX_KEYS} keys"));
        }
        if self.certificates.is_empty() && self.keys.is_empty() {
            return Err("it holds neither a certificate nor a key".to_owned());
        }
        Ok(())
    }

    /// Checks that it is one certificate for this appliance. `own`: the key of an open request ([`crate::request`]), for a
    /// certificate that comes without a key. `names`: under which others reach this machine.
    ///
    /// # Errors
    /// [`CertError::Refused`].
    pub fn check(
        mut self,
        own: Option<PrivateKeyDer<'static>>,
        names: &[String],
        now: Timestamp,
    ) -> Result<Checked, CertError> {
        self.keys.extend(own);
        let (key, leaf) = self.pair()?;
        let facts = Facts::of(&leaf).map_err(|why| refused(why, "ask your authority for it again"))?;
        if facts.names.is_empty() {
            return Err(refused(
                "it names no host (no subjectAltName)",
                "ask for one with the host's names; `haechi cert csr` makes a request that has them",
            ));
        }
        let chain = self.chain(&leaf)?;
        for one in std::iter::once(&leaf).chain(&chain) {
            let facts = Facts::of(one).map_err(|why| refused(why, "ask your authority for the chain again"))?;
            let about = if *one == leaf { "it" } else { "a certificate of its chain" };
            if facts.until <= now {
                return Err(refused(
                    format!("{about} ended on {}", facts.until.strftime("%F")),
                    "ask your authority for a new one, or set this machine's clock",
                ));
            }
            if facts.from > now {
                return Err(refused(
                    format!("{about} counts only from {} on", facts.from.strftime("%F %H:%M UTC")),
                    "wait until then, or set this machine's clock",
                ));
            }
        }
        let verify = Verify::new(&leaf, &chain, now)?;
        let first = facts.names.first().map(|name| name.replacen('*', "a", 1)).unwrap_or_default();
        verify.stands_for(&first).map_err(|error| refused(in_words(&error), "ask your authority for it again"))?;
        let mut notes = Vec::new();
        let wanted: Vec<&String> = names.iter().filter(|name| !is_this_machine(name)).collect();
        let missing: Vec<&str> =
            wanted.iter().filter(|name| verify.stands_for(name).is_err()).map(|name| name.as_str()).collect();
        if !wanted.is_empty() && missing.len() == wanted.len() {
            return Err(refused(
                format!("it stands for {}, and not for {}", facts.names.join(", "), missing.join(", ")),
                "ask for one with the names under [tls] in haechi.toml, or correct them there",
            ));
        }
        if !missing.is_empty() {
            notes.push(format!("it does not stand for {}: who connects by that name refuses it", missing.join(", ")));
        }
        let days = facts.days_left(now);
        if days < RENEW_BELOW_DAYS {
            notes.push(format!("it ends in {days} days: ask for the next one now"));
        }
        let mut pem = Zeroizing::new(key_block(&key));
        // The root need not be shown: whoever trusts it has it.
        for one in std::iter::once(&leaf).chain(chain.iter().filter(|one| !is_self_signed(one))) {
            pem.push_str(&armor("CERTIFICATE", one));
        }
        Ok(Checked { pem, facts, notes })
    }

    /// The key and the certificate that belong together.
    fn pair(&self) -> Result<(PrivateKeyDer<'static>, CertificateDer<'static>), CertError> {
        if self.certificates.is_empty() {
            return Err(refused("there is no certificate", "hand in the certificate and its chain"));
        }
        if self.keys.is_empty() {
            return Err(refused(
                "there is no key, and no request of this appliance is open",
                "hand in the key as well (PEM or PKCS#12), or begin with `haechi cert csr`",
            ));
        }
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let mut usable = false;
        for key in &self.keys {
            let Ok(loaded) = provider.key_provider.load_private_key(key.clone_key()) else { continue };
            usable = true;
            let Some(public) = loaded.public_key() else { continue };
            let found = self.certificates.iter().find(|certificate| {
                x509_parser::parse_x509_certificate(certificate)
                    .is_ok_and(|(_, read)| read.public_key().raw == public.as_ref() && !read.is_ca())
            });
            if let Some(leaf) = found {
                return Ok((key.clone_key(), leaf.clone()));
            }
        }
        Err(if usable {
            refused(
                "no certificate fits the key",
                "hand in the certificate that was made for this key; for one made from `haechi cert csr`, import it on the appliance that made the request",
            )
        } else {
            refused(
                "its key is of no kind that TLS uses here",
                "use ECDSA P-256 or P-384, Ed25519, or RSA of 2048 bits",
            )
        })
    }

    /// The certificates above `leaf`, the nearest first; at least one.
    fn chain(&self, leaf: &CertificateDer<'static>) -> Result<Vec<CertificateDer<'static>>, CertError> {
        let mut chain: Vec<CertificateDer<'static>> = Vec::new();
        while chain.len() < MAX_CHAIN {
            let below = chain.last().unwrap_or(leaf);
            if is_self_signed(below) {
                break;
            }
            let Ok((_, read)) = x509_parser::parse_x509_certificate(below) else { break };
            let above = self.certificates.iter().find(|one| {
                *one != below
                    && !chain.contains(one)
                    && x509_parser::parse_x509_certificate(one)
                        .is_ok_and(|(_, one)| one.is_ca() && one.subject().as_raw() == read.issuer().as_raw())
            });
            match above {
                Some(above) => chain.push(above.clone()),
                None => break,
            }
        }
        if chain.is_empty() {
            let why =
                if is_self_signed(leaf) { "it is signed by itself" } else { "its issuer's certificate is missing" };
            return Err(refused(why, "hand in the authority's certificates as well, up to its root"));
        }
        Ok(chain)
    }
}

impl Checked {
    /// What the certificate says.
    #[must_use]
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Sentences that somebody should know.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Puts it into the certificates' folder; the appliance shows it within a minute.
    ///
    /// # Errors
    /// [`CertError::Files`].
    pub fn install(&self, folder: &Path) -> Result<(), CertError> {
        files::write(&folder.join(crate::identity::IMPORTED_FILE), &self.pem, true)
    }
}

/// Checks a chain against its own last certificate: whether senders trust that one is theirs to say.
struct Verify<'a> {
    verifier: Arc<WebPkiServerVerifier>,
    leaf: &'a CertificateDer<'static>,
    between: &'a [CertificateDer<'static>],
    now: UnixTime,
}

impl<'a> Verify<'a> {
    fn new(
        leaf: &'a CertificateDer<'static>,
        chain: &'a [CertificateDer<'static>],
        now: Timestamp,
    ) -> Result<Self, CertError> {
        let wrong = || refused("the top of its chain is no authority's certificate", "hand in the right chain");
        let (top, between) = chain.split_last().ok_or_else(wrong)?;
        let mut roots = RootCertStore::empty();
        roots.add(top.clone()).map_err(|_| wrong())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.as_second()).unwrap_or(0)));
        Ok(Self { verifier: verifier.map_err(|_| wrong())?, leaf, between, now })
    }

    fn stands_for(&self, name: &str) -> Result<(), rustls::Error> {
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| rustls::Error::InvalidCertificate(CertificateError::NotValidForName))?;
        self.verifier.verify_server_cert(self.leaf, self.between, &name, &[], self.now).map(drop)
    }
}

fn in_words(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::BadSignature) => {
            "a signature in its chain is wrong: the issuer's certificate is not the one that signed it".to_owned()
        }
        rustls::Error::InvalidCertificate(
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. },
        ) => "it may not be used by a server (extended key usage)".to_owned(),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "its first name is no host name".to_owned(),
        other => format!("its chain does not hold: {other}"),
    }
}

fn is_pkcs12(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0x30) && bytes.get(1).is_some_and(|length| *length & 0x80 != 0)
}

fn is_this_machine(name: &str) -> bool {
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_self_signed(certificate: &CertificateDer<'_>) -> bool {
    x509_parser::parse_x509_certificate(certificate)
        .is_ok_and(|(_, read)| read.subject().as_raw() == read.issuer().as_raw())
}

fn key_block(key: &PrivateKeyDer<'_>) -> String {
    let label = match key {
        PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
        PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
        _ => "PRIVATE KEY",
    };
    armor(label, key.secret_der())
}

/// PEM (RFC 7468): base64 in lines of 64.
fn armor(label: &str, der: &[u8]) -> String {
    pem::encode_config(&pem::Pem::new(label, der), pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF))
}

fn refused(why: impl Into<String>, remedy: &'static str) -> CertError {
    CertError::Refused { why: why.into(), remedy }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::{after, moment};
    use crate::identity::{IMPORTED_FILE, Identity};
    use crate::{Authority, request};
    use jiff::Span;
    use rcgen::{
        BasicConstraints, CertificateParams, CertificateSigningRequestParams, ExtendedKeyUsagePurpose, IsCa, Issuer,
        KeyPair,
    };

    fn day(number: i64) -> Timestamp {
        let first: Timestamp = "2026-11-24T09:00:00Z".parse().unwrap();
        after(first, Span::new().hours(24 * number)).unwrap()
    }

    /// A hospital's authority: a root and one below it.
    struct Hospital {
        root: String,
        middle: String,
        issuer: Issuer<'static, KeyPair>,
    }

    fn authority(name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        (params.not_before, params.not_after) = (moment(day(-10)).unwrap(), moment(day(3650)).unwrap());
        params
    }

    fn hospital() -> Hospital {
        let (top, key) = (authority("Hospital root"), KeyPair::generate().unwrap());
        let root = top.self_signed(&key).unwrap().pem();
        let top = Issuer::new(top, key);
        let (middle, key) = (authority("Hospital servers"), KeyPair::generate().unwrap());
        let pem = middle.signed_by(&key, &top).unwrap().pem();
        Hospital { root, middle: pem, issuer: Issuer::new(middle, key) }
    }

    fn leaf(names: &[&str], until: i64) -> CertificateParams {
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        (params.not_before, params.not_after) = (moment(day(-1)).unwrap(), moment(day(until)).unwrap());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params
    }

    fn wanted() -> Vec<String> {
        ["haechi.hospital.example", "localhost", "10.0.0.7"].map(str::to_owned).into()
    }

    fn check(texts: &[&str], now: i64) -> Result<Checked, String> {
        let mut offer = Offer::default();
        for text in texts {
            offer.add(text.as_bytes(), None)?;
        }
        offer.check(None, &wanted(), day(now)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_request_is_answered_and_the_answer_is_shown_instead_of_the_sites_own() {
        let dir = tempfile::tempdir().unwrap();
        let own = Authority::open_or_create(dir.path(), "Test", day(0)).unwrap();
        let identity = Identity::open(&own, dir.path(), &wanted(), day(0)).unwrap();
        let text = request::request(dir.path(), &wanted()).unwrap();
        assert_eq!(request::open_key(dir.path()).unwrap(), request::open_key(dir.path()).unwrap());
        let hospital = hospital();
        let mut asked = CertificateSigningRequestParams::from_pem(&text).unwrap();
        assert_eq!(asked.params.subject_alt_names.len(), 3);
        (asked.params.not_before, asked.params.not_after) = (moment(day(-1)).unwrap(), moment(day(300)).unwrap());
        let answer = asked.signed_by(&hospital.issuer).unwrap().pem();
        let mut offer = Offer::default();
        // In any order, in one file or several.
        offer.add(format!("{}{answer}", hospital.root).as_bytes(), None).unwrap();
        offer.add(hospital.middle.as_bytes(), None).unwrap();
        let key = request::open_key(dir.path()).unwrap();
        let checked = offer.check(key, &wanted(), day(0)).unwrap();
        assert_eq!(checked.notes(), [] as [String; 0]);
        checked.install(dir.path()).unwrap();
        request::close(dir.path()).unwrap();
        request::close(dir.path()).unwrap();
        assert!(identity.refresh(&own, day(0)).unwrap() && identity.is_imported());
        assert_eq!(identity.facts(), *checked.facts());
        let shown = files::read_pair(&dir.path().join(IMPORTED_FILE)).unwrap().unwrap();
        assert_eq!(shown.chain.len(), 2, "leaf and intermediate, without the root");
        // Its end is not ours to move: it is shown as it is until another one is imported or it is taken away.
        assert!(!identity.refresh(&own, day(299)).unwrap());
        std::fs::remove_file(dir.path().join(IMPORTED_FILE)).unwrap();
        assert!(identity.refresh(&own, day(0)).unwrap() && !identity.is_imported());
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_is_wrong() {
        let hospital = hospital();
        let key = KeyPair::generate().unwrap();
        let sign = |params: CertificateParams| params.signed_by(&key, &hospital.issuer).unwrap().pem();
        let good = sign(leaf(&["haechi.hospital.example", "10.0.0.7"], 300));
        let secret = key.serialize_pem();
        let (root, middle) = (hospital.root.as_str(), hospital.middle.as_str());
        assert!(check(&[&good, &secret, middle, root], 0).is_ok());
        assert!(check(&[&good, &secret, middle], 0).is_ok(), "the root need not be handed in");
        let other = KeyPair::generate().unwrap().serialize_pem();
        let elsewhere = self::hospital();
        let mut client = leaf(&["haechi.hospital.example"], 300);
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let alone = leaf(&["haechi.hospital.example"], 300).self_signed(&key).unwrap().pem();
        for (case, texts, now, said) in [
            ("another key", vec![good.as_str(), &other, middle], 0, "fits the key"),
            ("no key", vec![&good, middle], 0, "no key"),
            ("no chain", vec![&good, &secret], 0, "issuer's certificate is missing"),
            (
                "another authority of the same name",
                vec![&good, &secret, &elsewhere.middle],
                0,
                "signature in its chain",
            ),
            ("over", vec![&good, &secret, middle], 301, "ended on 2027-09-20"),
            ("not yet", vec![&good, &secret, middle], -5, "counts only from"),
            ("wrong names", vec![&sign(leaf(&["other.example"], 300)), &secret, middle], 0, "not for haechi.hospital"),
            ("no names", vec![&sign(leaf(&[], 300)), &secret, middle], 0, "names no host"),
            ("a client's", vec![&sign(client), &secret, middle], 0, "extended key usage"),
            ("self-signed", vec![&alone, &secret], 0, "signed by itself"),
            ("nothing", vec!["hello"], 0, "neither a certificate nor a key"),
            ("encrypted", vec!["-----BEGIN ENCRYPTED PRIVATE KEY-----"], 0, "encrypted"),
        ] {
            let error = check(&texts, now).unwrap_err();
            assert!(error.contains(said), "{case}: {error}");
        }
        let partly = check(&[&sign(leaf(&["haechi.hospital.example"], 20)), &secret, middle], 0).unwrap();
        assert_eq!(partly.notes().len(), 2, "{:?}", partly.notes());
    }

    #[test]
    fn pkcs12_is_opened_with_its_password_alone() {
        use p12_keystore::{KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
        let hospital = hospital();
        let key = KeyPair::generate().unwrap();
        let good = leaf(&["haechi.hospital.example"], 300).signed_by(&key, &hospital.issuer).unwrap();
        let certificate = |der: &[u8]| p12_keystore::Certificate::from_der(der).unwrap();
        let middle = CertificateDer::from_pem_slice(hospital.middle.as_bytes()).unwrap();
        let secret = PrivateKey::from_der(&key.serialize_der()).unwrap();
        let chain = PrivateKeyChain::new(vec![1], secret, [certificate(good.der()), certificate(&middle)]);
        let mut store = KeyStore::new();
        store.add_entry("haechi", KeyStoreEntry::PrivateKeyChain(chain));
        let bytes = store.writer("secret").write().unwrap();
        let open = |password: Option<&str>| {
            let mut offer = Offer::default();
            offer.add(&bytes, password).map(|()| offer)
        };
        let offer = open(Some("secret")).unwrap();
        assert!(offer.check(None, &wanted(), day(0)).is_ok());
        assert!(open(Some("other")).unwrap_err().contains("password"));
        assert!(open(None).unwrap_err().contains("needs its password"));
        assert!(Offer::default().add(&vec![b' '; MAX_IMPORT_BYTES + 1], None).unwrap_err().contains("larger"));
    }
}
