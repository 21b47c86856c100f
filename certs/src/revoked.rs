//! Certificates of the site that count no more: a revocation list (RFC 5280, section 5) that the site's root signs, and the
//! reader that listeners ask at every handshake, so that a revoked sender is refused from that moment.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use jiff::{Span, Timestamp};
use rcgen::{
    CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair, RevocationReason, RevokedCertParams, SerialNumber,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};

use crate::authority::{Facts, after, making, moment};
use crate::error::CertError;
use crate::files;

/// The list, PEM, in the certificates' folder.
pub const REVOKED_FILE: &str = "revoked.crl";

/// Held while the list is changed: two commands at once must not lose a revocation.
const LOCK_FILE: &str = "revoked.lock";

/// Days until a list should be fetched anew by others; the appliance makes a new one well before.
const LIST_DAYS: i64 = 90;
const RENEW_BELOW_DAYS: i64 = 60;

/// Why a certificate counts no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Not said.
    Unspecified,
    /// Others may have its key.
    KeyCompromise,
    /// Another one took its place.
    Superseded,
    /// Its owner sends no more.
    Cessation,
}

impl Reason {
    const fn code(self) -> Option<RevocationReason> {
        match self {
            Self::Unspecified => None, // RFC 5280, 5.3.1: left out rather than written
            Self::KeyCompromise => Some(RevocationReason::KeyCompromise),
            Self::Superseded => Some(RevocationReason::Superseded),
            Self::Cessation => Some(RevocationReason::CessationOfOperation),
        }
    }
}

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub reason: Reason,
}

/// The list as it was read.
#[derive(Debug, Default)]
struct List {
    /// Changes with every list that is read.
    generation: u64,
    /// Of the file that was read: device and inode, size, change time. A new list is a new file.
    seen: Option<(u64, u64, u64, i64, i64)>,
    der: Option<CertificateRevocationListDer<'static>>,
    number: u64,
    next: Option<Timestamp>,
    /// By serial number, hexadecimal as [`Facts::serial`].
    entries: BTreeMap<String, Entry>,
}

/// The site's revocation list. Follows its file.
#[derive(Debug)]
pub struct Revoked {
    path: PathBuf,
    root: CertificateDer<'static>,
    list: RwLock<List>,
}

impl Revoked {
    pub(crate) fn open(
        folder: &Path,
        root: &CertificateDer<'static>,
        issuer: &Issuer<'static, KeyPair>,
        now: Timestamp,
    ) -> Result<Self, CertError> {
        let revoked = Self { path: folder.join(REVOKED_FILE), root: root.clone(), list: RwLock::default() };
        revoked.refresh(issuer, now)?;
        Ok(revoked)
    }

    /// The root whose certificates the list is about.
    #[must_use]
    pub const fn root(&self) -> &CertificateDer<'static> {
        &self.root
    }

    /// The file of the list.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.path
    }

    /// What is revoked, by serial number.
    ///
    /// # Errors
    /// [`CertError`], if the list cannot be read.
    pub fn entries(&self) -> Result<BTreeMap<String, Entry>, CertError> {
        self.look()?;
        Ok(self.list.read().unwrap_or_else(PoisonError::into_inner).entries.clone())
    }

    /// True if `certificate` counts no more, or if that cannot be told: who cannot be checked is not heard.
    #[must_use]
    pub fn is_revoked(&self, certificate: &CertificateDer<'_>) -> bool {
        let Ok(facts) = Facts::of(certificate) else { return true };
        if self.look().is_err() {
            return true;
        }
        self.list.read().unwrap_or_else(PoisonError::into_inner).entries.contains_key(&facts.serial)
    }

    /// Reads the list if its file is another than the one read last; the list's generation.
    pub(crate) fn look(&self) -> Result<u64, CertError> {
        let metadata = std::fs::metadata(&self.path).map_err(|what| self.failed(what))?;
        let seen = identity(&metadata);
        {
            let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
            if list.seen == Some(seen) {
                return Ok(list.generation);
            }
        }
        let text = files::read(&self.path)?.ok_or_else(|| self.failed(std::io::ErrorKind::NotFound.into()))?;
        let mut new = parse(&text).map_err(|why| CertError::NotUnderstood {
            path: self.path.clone(),
            why,
            remedy: "put the list back from the newest backup; removing it would make revoked certificates count again",
        })?;
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        new.generation = list.generation + 1;
        new.seen = Some(seen);
        *list = new;
        Ok(list.generation)
    }

    pub(crate) fn der(&self) -> Option<CertificateRevocationListDer<'static>> {
        self.list.read().unwrap_or_else(PoisonError::into_inner).der.clone()
    }

    /// Makes the list where there is none, and a new one where it is near its end.
    pub(crate) fn refresh(&self, issuer: &Issuer<'static, KeyPair>, now: Timestamp) -> Result<(), CertError> {
        if self.path.exists() {
            self.look()?;
            let next = self.list.read().unwrap_or_else(PoisonError::into_inner).next;
            if next.is_some_and(|next| next.as_second() - now.as_second() > RENEW_BELOW_DAYS * 86_400) {
                return Ok(());
            }
        }
        self.change(issuer, now, |_| ())
    }

    pub(crate) fn add(
        &self,
        issuer: &Issuer<'static, KeyPair>,
        serial: &str,
        reason: Reason,
        now: Timestamp,
    ) -> Result<(), CertError> {
        // A first revocation stands: its date is what a later reader asks for.
        self.change(issuer, now, |entries| {
            entries.entry(serial.to_owned()).or_insert(Entry { at: now, reason });
        })
    }

    fn change(
        &self,
        issuer: &Issuer<'static, KeyPair>,
        now: Timestamp,
        change: impl FnOnce(&mut BTreeMap<String, Entry>),
    ) -> Result<(), CertError> {
        let lock = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.path.with_file_name(LOCK_FILE))
            .map_err(|what| self.failed(what))?;
        lock.lock().map_err(|what| self.failed(what))?; // let go when `lock` is closed
        let (number, mut entries) = if self.path.exists() {
            self.look()?;
            let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
            (list.number, list.entries.clone())
        } else {
            (0, BTreeMap::new())
        };
        change(&mut entries);
        let mut revoked_certs = Vec::with_capacity(entries.len());
        for (serial, entry) in &entries {
            revoked_certs.push(RevokedCertParams {
                serial_number: SerialNumber::from(bytes_of(serial).ok_or_else(|| CertError::Unknown(serial.clone()))?),
                revocation_time: moment(entry.at)?,
                reason_code: entry.reason.code(),
                invalidity_date: None,
            });
        }
        let params = CertificateRevocationListParams {
            this_update: moment(now)?,
            next_update: moment(after(now, Span::new().hours(LIST_DAYS * 24))?)?,
            crl_number: SerialNumber::from(number + 1),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let text = params.signed_by(issuer).and_then(|list| list.pem()).map_err(making)?;
        files::write(&self.path, &text, false)?;
        self.look().map(drop)
    }

    fn failed(&self, what: std::io::Error) -> CertError {
        CertError::Files { path: self.path.clone(), what }
    }
}

fn identity(metadata: &Metadata) -> (u64, u64, u64, i64, i64) {
    (metadata.dev(), metadata.ino(), metadata.size(), metadata.ctime(), metadata.ctime_nsec())
}

fn bytes_of(serial: &str) -> Option<Vec<u8>> {
    if serial.is_empty() || !serial.len().is_multiple_of(2) || serial.len() > 64 {
        return None;
    }
    (0..serial.len()).step_by(2).map(|at| u8::from_str_radix(serial.get(at..at + 2)?, 16).ok()).collect()
}

fn parse(text: &str) -> Result<List, String> {
    use x509_parser::prelude::FromDer;
    let der = CertificateRevocationListDer::from_pem_slice(text.as_bytes())
        .map_err(|_| "it is no revocation list in PEM form".to_owned())?;
    let (_, read) = x509_parser::revocation_list::CertificateRevocationList::from_der(&der)
        .map_err(|_| "it is no X.509 revocation list".to_owned())?;
    let time = |time: &x509_parser::time::ASN1Time| {
        Timestamp::from_second(time.timestamp()).map_err(|_| "a time in it is no time".to_owned())
    };
    let mut entries = BTreeMap::new();
    for one in read.iter_revoked_certificates() {
        let serial = one.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect();
        let reason = match one.reason_code().map(|(_, reason)| reason.0) {
            Some(1) => Reason::KeyCompromise,
            Some(4) => Reason::Superseded,
            Some(5) => Reason::Cessation,
            _ => Reason::Unspecified,
        };
        entries.insert(serial, Entry { at: time(&one.revocation_date)?, reason });
    }
    let number = read.crl_number().and_then(|number| number.to_u64_digits().first().copied()).unwrap_or(0);
    let next = read.next_update().map(|at| time(&at)).transpose()?;
    Ok(List { number, next, entries, der: Some(der.clone()), ..List::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::{Authority, Purpose};

    fn day(number: i64) -> Timestamp {
        let first: Timestamp = "2026-11-24T09:00:00Z".parse().unwrap();
        first.checked_add(Span::new().hours(24 * number)).unwrap()
    }

    #[test]
    fn what_is_revoked_stays_so_and_another_process_sees_it() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::open_or_create(dir.path(), "Test", day(0)).unwrap();
        let leaf = |name: &str| {
            let path = dir.path().join(format!("client-{name}.pem"));
            authority.issue(&path, Purpose::Client, &[name.to_owned()], day(0)).unwrap();
            files::read_pair(&path).unwrap().unwrap().chain[0].clone()
        };
        let (lab, pacs) = (leaf("lab"), leaf("pacs"));
        let running = authority.revoked(day(0)).unwrap();
        assert!(!running.is_revoked(&lab) && !running.is_revoked(&pacs));
        let serial = Facts::of(&lab).unwrap().serial;
        // A second program, as `haechi cert revoke` is one.
        let other = Authority::open(dir.path()).unwrap().unwrap();
        other.revoke(&serial, Reason::KeyCompromise, day(1)).unwrap();
        other.revoke(&serial, Reason::Superseded, day(2)).unwrap();
        assert!(running.is_revoked(&lab) && !running.is_revoked(&pacs));
        let entry = running.entries().unwrap().remove(&serial).unwrap();
        assert_eq!(entry, Entry { at: day(1), reason: Reason::KeyCompromise });
        // A new list, made because the old one ages, forgets nobody and counts on.
        let number = running.list.read().unwrap().number;
        authority.look_after_list(&running, day(80)).unwrap();
        assert!(running.is_revoked(&lab));
        assert_eq!(running.list.read().unwrap().number, number + 1);
    }

    #[test]
    fn without_a_readable_list_nobody_is_heard() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::open_or_create(dir.path(), "Test", day(0)).unwrap();
        let list = authority.revoked(day(0)).unwrap();
        assert!(!list.is_revoked(authority.root()));
        std::fs::write(list.file(), "nothing").unwrap();
        assert!(list.is_revoked(authority.root()));
        assert!(authority.revoked(day(0)).unwrap_err().to_string().contains("revocation list"));
        std::fs::remove_file(list.file()).unwrap();
        assert!(list.is_revoked(authority.root()));
    }
}
