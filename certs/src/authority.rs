//! The site's authority: one root certificate whose key never leaves the site, and the leaves it signs.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use jiff::{Span, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::error::CertError;
use crate::files;
use crate::revoked::{Reason, Revoked};

/// Years a root lives. Senders are given it by hand, so it must outlive many leaves.
const ROOT_YEARS: i64 = 10;

/// Days a leaf lives.
pub const LEAF_DAYS: i64 = 90;

/// A leaf with fewer days left than this is renewed.
pub const RENEW_BELOW_DAYS: i64 = 30;

/// A certificate counts from this many hours before it was made: senders' clocks are late at times.
const BACKDATED_HOURS: i64 = 24;

/// Key and root together, and the root alone for handing out.
const ROOT_FILE: &str = "root.pem";
const ROOT_CERTIFICATE_FILE: &str = "root.crt";

/// A copy of each leaf that was made, without its key: so that a lost or replaced one can be revoked.
const ISSUED_FOLDER: &str = "issued";

/// What a leaf is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The appliance's own: its listeners show it.
    Server,
    /// A sender's: it shows it to the appliance.
    Client,
}

/// What a certificate says, for a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its subject, as `CN=…`.
    pub subject: String,
    /// Host names and addresses it stands for.
    pub names: Vec<String>,
    /// From when it counts.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Serial number, hexadecimal.
    pub serial: String,
}

impl Facts {
    /// Reads a certificate. The chain above it is not looked at.
    ///
    /// # Errors
    /// A sentence, if it is none.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, String> {
        use x509_parser::extensions::GeneralName;
        let (_, read) = x509_parser::parse_x509_certificate(certificate).map_err(|_| "it is no X.509 certificate")?;
        let instant = |time: &x509_parser::time::ASN1Time| Timestamp::from_second(time.timestamp());
        let names = match read.subject_alternative_name() {
            Ok(Some(extension)) => extension.value.general_names.iter().filter_map(|name| match name {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                GeneralName::IPAddress([a, b, c, d]) => Some(IpAddr::from([*a, *b, *c, *d]).to_string()),
                GeneralName::IPAddress(bytes) => {
                    <[u8; 16]>::try_from(*bytes).ok().map(|all| IpAddr::from(all).to_string())
                }
                _ => None,
            }),
            _ => return Self::without_names(&read, instant),
        };
        let names = names.collect();
        Ok(Self { names, ..Self::without_names(&read, instant)? })
    }

    fn without_names(
        read: &x509_parser::certificate::X509Certificate<'_>,
        instant: impl Fn(&x509_parser::time::ASN1Time) -> Result<Timestamp, jiff::Error>,
    ) -> Result<Self, String> {
        let moment = |time| instant(time).map_err(|_| "its validity is no time that can be told".to_owned());
        Ok(Self {
            subject: read.subject().to_string(),
            names: Vec::new(),
            from: moment(&read.validity().not_before)?,
            until: moment(&read.validity().not_after)?,
            serial: read.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect(),
        })
    }

    /// Whole days left at `now`; negative once it is over.
    #[must_use]
    pub fn days_left(&self, now: Timestamp) -> i64 {
        (self.until.as_second() - now.as_second()).div_euclid(86_400)
    }
}

/// The site's authority.
pub struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    facts: Facts,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("folder", &self.folder).field("facts", &self.facts).finish_non_exhaustive()
    }
}

impl Authority {
    /// Opens the authority in `folder`; makes one for the site called `site` where there is none.
    ///
    /// # Errors
    /// [`CertError`]; an authority that is there and damaged is never replaced.
    pub fn open_or_create(folder: &Path, site: &str, now: Timestamp) -> Result<Self, CertError> {
        files::make_folder(folder)?;
        let path = folder.join(ROOT_FILE);
        if files::read(&path)?.is_none() {
            let (text, certificate) = new_root(site, now)?;
            files::write(&path, &text, true)?;
            files::write(&folder.join(ROOT_CERTIFICATE_FILE), &certificate, false)?;
        }
        Self::open(folder)?.ok_or_else(|| files::not_understood(&path, "it vanished while it was read"))
    }

    /// Opens the authority in `folder`; `None` where there is none.
    ///
    /// # Errors
    /// [`CertError`].
    pub fn open(folder: &Path) -> Result<Option<Self>, CertError> {
        let path = folder.join(ROOT_FILE);
        let Some(pair) = files::read_pair(&path)? else { return Ok(None) };
        let wrong = |why: String| CertError::NotUnderstood {
            path: path.clone(),
            why,
            remedy: "put the root of this site back from its safe copy: senders trust that one",
        };
        let root = pair.chain.first().cloned().ok_or_else(|| wrong("it holds no certificate".to_owned()))?;
        let key = KeyPair::try_from(pair.key.secret_der()).map_err(|error| wrong(format!("its key: {error}")))?;
        let facts = Facts::of(&root).map_err(wrong)?;
        let issuer = Issuer::from_ca_cert_der(&root, key).map_err(|error| wrong(format!("its root: {error}")))?;
        Ok(Some(Self { folder: folder.to_owned(), issuer, root, facts }))
    }

    /// The root, which senders must trust.
    #[must_use]
    pub const fn root(&self) -> &CertificateDer<'static> {
        &self.root
    }

    /// What the root says.
    #[must_use]
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The file with the root alone, for handing out.
    #[must_use]
    pub fn root_file(&self) -> PathBuf {
        self.folder.join(ROOT_CERTIFICATE_FILE)
    }

    /// Makes a leaf with a key of its own and writes both, with the root behind, to one PEM file of mode 0600.
    /// `names`: host names and addresses, or the sender's name.
    ///
    /// # Errors
    /// [`CertError::Name`], [`CertError::RootEnds`], [`CertError::Making`], [`CertError::Files`].
    pub fn issue(&self, path: &Path, purpose: Purpose, names: &[String], now: Timestamp) -> Result<(), CertError> {
        let until = after(now, Span::new().hours(LEAF_DAYS * 24))?;
        if until > self.facts.until {
            return Err(CertError::RootEnds { until: self.facts.until.strftime("%F").to_string() });
        }
        let mut params = CertificateParams::default();
        params.not_before = moment(after(now, Span::new().hours(-BACKDATED_HOURS))?)?;
        params.not_after = moment(until)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let common = names.first().ok_or_else(|| CertError::Name(String::new()))?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common.as_str());
        match purpose {
            Purpose::Server => {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
                params.subject_alt_names = names.iter().map(|name| alternative(name)).collect::<Result<_, _>>()?;
            }
            Purpose::Client => params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
        }
        let key = KeyPair::generate().map_err(making)?;
        let leaf = params.signed_by(&key, &self.issuer).map_err(making)?;
        let root = std::fs::read_to_string(self.root_file())
            .map_err(|what| CertError::Files { path: self.root_file(), what })?;
        let text = Zeroizing::new(format!("{}{}{root}", *Zeroizing::new(key.serialize_pem()), leaf.pem()));
        let serial = Facts::of(leaf.der()).map_err(CertError::Making)?.serial;
        let kind = if purpose == Purpose::Server { "server" } else { "client" };
        let issued = self.folder.join(ISSUED_FOLDER);
        files::make_folder(&issued)?;
        files::write(&issued.join(format!("{kind}-{serial}.crt")), &leaf.pem(), false)?;
        files::write(path, &text, true)
    }

    /// The leaves that were made, oldest first; a copy that cannot be read is left out.
    ///
    /// # Errors
    /// [`CertError::Files`].
    pub fn issued(&self) -> Result<Vec<(Purpose, Facts)>, CertError> {
        let folder = self.folder.join(ISSUED_FOLDER);
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(what) => return Err(CertError::Files { path: folder, what }),
        };
        let mut all: Vec<(Purpose, Facts)> = entries
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let name = path.file_name()?.to_str()?;
                let purpose = if name.starts_with("server-") { Purpose::Server } else { Purpose::Client };
                let text = files::read(&path).ok()??;
                let certificate = files::certificates(&path, &text).ok()?.into_iter().next()?;
                Some((purpose, Facts::of(&certificate).ok()?))
            })
            .collect();
        all.sort_by(|(_, one), (_, other)| (one.from, &one.serial).cmp(&(other.from, &other.serial)));
        Ok(all)
    }

    /// The list of certificates that count no more; made where there is none.
    ///
    /// # Errors
    /// [`CertError`].
    pub fn revoked(&self, now: Timestamp) -> Result<Revoked, CertError> {
        Revoked::open(&self.folder, &self.root, &self.issuer, now)
    }

    /// Makes `revoked` anew if it is near its end. To be called from time to time.
    ///
    /// # Errors
    /// [`CertError`]; the list in use stays.
    pub fn look_after_list(&self, revoked: &Revoked, now: Timestamp) -> Result<(), CertError> {
        revoked.refresh(&self.issuer, now)
    }

    /// Has the certificate with this serial number (hexadecimal) count no more, from now on and for good.
    ///
    /// # Errors
    /// [`CertError`].
    pub fn revoke(&self, serial: &str, reason: Reason, now: Timestamp) -> Result<(), CertError> {
        self.revoked(now)?.add(&self.issuer, serial, reason, now)
    }
}

fn new_root(site: &str, now: Timestamp) -> Result<(Zeroizing<String>, String), CertError> {
    let mut params = CertificateParams::default();
    params.not_before = moment(after(now, Span::new().hours(-BACKDATED_HOURS))?)?;
    params.not_after = moment(after(now, Span::new().hours(ROOT_YEARS * 365 * 24))?)?;
    // Leaves only: this root can make no further authority.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("{site} site root"));
    let key = KeyPair::generate().map_err(making)?;
    let root = params.self_signed(&key).map_err(making)?.pem();
    Ok((Zeroizing::new(format!("{}{root}", *Zeroizing::new(key.serialize_pem()))), root))
}

pub(crate) fn alternative(name: &str) -> Result<SanType, CertError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let usable = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let wrong = || CertError::Name(name.chars().take(80).collect());
    if name.is_empty() || name.len() > 253 || !name.bytes().all(usable) {
        return Err(wrong());
    }
    name.try_into().map(SanType::DnsName).map_err(|_| wrong())
}

pub(crate) fn after(now: Timestamp, span: Span) -> Result<Timestamp, CertError> {
    now.checked_add(span).map_err(|error| CertError::Making(format!("the clock is beyond reason: {error}")))
}

pub(crate) fn moment(at: Timestamp) -> Result<time::OffsetDateTime, CertError> {
    time::OffsetDateTime::from_unix_timestamp(at.as_second())
        .map_err(|error| CertError::Making(format!("the clock is beyond reason: {error}")))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(crate) fn making(error: rcgen::Error) -> CertError {
    CertError::Making(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn now() -> Timestamp {
        "2026-11-24T09:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_root_is_made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("certs");
        let first = Authority::open_or_create(&folder, "Test", now()).unwrap();
        let again = Authority::open_or_create(&folder, "Other", now()).unwrap();
        assert_eq!(first.root(), again.root());
        assert_eq!(first.facts().subject, "CN=Test site root");
        assert_eq!(first.facts().days_left(now()), ROOT_YEARS * 365);
        let mode = |name: &str| std::fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("root.pem"), mode("root.crt") & 0o444), (0o600, 0o444));
        let public = std::fs::read_to_string(first.root_file()).unwrap();
        assert!(public.contains("BEGIN CERTIFICATE") && !public.contains("PRIVATE"));
    }

    #[test]
    fn a_damaged_or_exposed_root_is_refused_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(ROOT_FILE);
        files::write(&path, "nothing", true).unwrap();
        let error = Authority::open_or_create(dir.path(), "Test", now()).unwrap_err();
        assert!(error.to_string().starts_with("HAECHI-0903"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "nothing");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Authority::open(dir.path()).unwrap_err().to_string().starts_with("HAECHI-0902"));
    }

    #[test]
    fn leaves_say_whom_they_stand_for_and_until_when() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::open_or_create(dir.path(), "Test", now()).unwrap();
        let path = dir.path().join("leaf.pem");
        let names = ["haechi.hospital.example".to_owned(), "10.0.0.7".to_owned(), "fd00::7".to_owned()];
        authority.issue(&path, Purpose::Server, &names, now()).unwrap();
        let pair = files::read_pair(&path).unwrap().unwrap();
        let facts = Facts::of(&pair.chain[0]).unwrap();
        assert_eq!((facts.names.as_slice(), facts.days_left(now())), (&names[..], LEAF_DAYS));
        assert_eq!(pair.chain.get(1), Some(authority.root()));
        for wrong in ["", "병원.kr", "a b", "*.x y"] {
            let error = authority.issue(&path, Purpose::Server, &[wrong.to_owned()], now()).unwrap_err();
            assert!(matches!(error, CertError::Name(_)), "{error}");
        }
        let late = now().checked_add(Span::new().hours(24 * 365 * ROOT_YEARS)).unwrap();
        let error = authority.issue(&path, Purpose::Client, &["lab".to_owned()], late).unwrap_err();
        assert!(matches!(error, CertError::RootEnds { .. }), "{error}");
    }
}
