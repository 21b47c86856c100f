//! The leaf that the appliance's listeners show. It is renewed well before it ends; connections that run go on with the old
//! one, new ones get the new one.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::authority::{Authority, Facts, Purpose, RENEW_BELOW_DAYS};
use crate::error::CertError;
use crate::files;

/// The file of the leaf, in the certificates' folder.
pub const SERVER_FILE: &str = "server.pem";

/// The file of a leaf that the hospital's own authority made, in the same folder. Where it is there, it is shown instead.
pub const IMPORTED_FILE: &str = "imported.pem";

/// The appliance's own certificate. Shared by all listeners.
#[derive(Debug)]
pub struct Identity {
    imported: PathBuf,
    path: PathBuf,
    names: Vec<String>,
    current: RwLock<Current>,
}

#[derive(Debug)]
struct Current {
    key: Arc<CertifiedKey>,
    facts: Facts,
    imported: bool,
}

impl Identity {
    /// Opens the leaf in `folder` for `names`; has `authority` make one where there is none, where it stands for other
    /// names, is near its end, or was signed by another root.
    ///
    /// # Errors
    /// [`CertError`].
    pub fn open(
        authority: &Authority,
        folder: &Path,
        names: &[String],
        now: Timestamp,
    ) -> Result<Arc<Self>, CertError> {
        let (path, imported) = (folder.join(SERVER_FILE), folder.join(IMPORTED_FILE));
        let current = match load_imported(&imported)? {
            Some(current) => current,
            None => match load(&path)? {
                Some((current, root)) if root.as_ref() == Some(authority.root()) && !is_due(&current, names, now) => {
                    current
                }
                _ => make(authority, &path, names, now)?,
            },
        };
        Ok(Arc::new(Self { imported, path, names: names.to_vec(), current: RwLock::new(current) }))
    }

    /// True if the leaf in use came from the hospital's own authority: the appliance cannot renew that one.
    #[must_use]
    pub fn is_imported(&self) -> bool {
        self.current.read().unwrap_or_else(PoisonError::into_inner).imported
    }

    /// What the leaf in use says.
    #[must_use]
    pub fn facts(&self) -> Facts {
        self.current.read().unwrap_or_else(PoisonError::into_inner).facts.clone()
    }

    /// Takes up a leaf that was put into the folder meanwhile, and renews the leaf if it is due; true if another one is in
    /// use now. To be called from time to time.
    ///
    /// # Errors
    /// [`CertError`]; the leaf in use stays in use.
    pub fn refresh(&self, authority: &Authority, now: Timestamp) -> Result<bool, CertError> {
        let new = match load_imported(&self.imported)? {
            Some(current) => current,
            None => match load(&self.path)?.map(|(current, _)| current) {
                Some(current) if !is_due(&current, &self.names, now) => current,
                _ => make(authority, &self.path, &self.names, now)?,
            },
        };
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let other = current.facts != new.facts;
        if other {
            *current = new;
        }
        Ok(other)
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).key))
    }
}

fn is_due(current: &Current, names: &[String], now: Timestamp) -> bool {
    // Written alike: an address can be spelled in several ways.
    let spelled = |name: &String| name.parse::<std::net::IpAddr>().map_or_else(|_| name.clone(), |ip| ip.to_string());
    let wanted: Vec<String> = names.iter().map(spelled).collect();
    current.facts.names != wanted || current.facts.days_left(now) < RENEW_BELOW_DAYS || current.facts.from > now
}

fn make(authority: &Authority, path: &Path, names: &[String], now: Timestamp) -> Result<Current, CertError> {
    authority.issue(path, Purpose::Server, names, now)?;
    load(path)?.map(|(current, _)| current).ok_or_else(|| files::not_understood(path, "it vanished while it was read"))
}

type Root = Option<CertificateDer<'static>>;

fn load(path: &Path) -> Result<Option<(Current, Root)>, CertError> {
    let Some(pair) = files::read_pair(path)? else { return Ok(None) };
    let leaf = pair.chain.first().ok_or_else(|| files::not_understood(path, "it holds no certificate"))?;
    let facts = Facts::of(leaf).map_err(|why| files::not_understood(path, &why))?;
    let root = pair.chain.get(1).cloned();
    // The root need not be sent: whoever trusts it has it.
    let chain = pair.chain.into_iter().take(1).collect();
    let key = certified(path, chain, pair.key)?;
    Ok(Some((Current { key, facts, imported: false }, root)))
}

/// The imported leaf with its whole chain; `None` if there is none.
fn load_imported(path: &Path) -> Result<Option<Current>, CertError> {
    let Some(pair) = files::read_pair(path)? else { return Ok(None) };
    let leaf = pair.chain.first().ok_or_else(|| files::not_understood(path, "it holds no certificate"))?;
    let facts = Facts::of(leaf).map_err(|why| files::not_understood(path, &why))?;
    Ok(Some(Current { key: certified(path, pair.chain, pair.key)?, facts, imported: true }))
}

fn certified(
    path: &Path,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<CertifiedKey>, CertError> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    CertifiedKey::from_der(chain, key, &provider)
        .map(Arc::new)
        .map_err(|_| files::not_understood(path, "its key and its certificate do not belong together"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Span;

    fn day(number: i64) -> Timestamp {
        let first: Timestamp = "2026-11-24T09:00:00Z".parse().unwrap();
        first.checked_add(Span::new().hours(24 * number)).unwrap()
    }

    fn names(all: &[&str]) -> Vec<String> {
        all.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn it_is_kept_until_it_is_due_and_then_renewed_in_place() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::open_or_create(dir.path(), "Test", day(0)).unwrap();
        let site = names(&["localhost", "0:0::1"]);
        let open = |at| Identity::open(&authority, dir.path(), &site, at).unwrap();
        let first = open(day(0));
        assert_eq!(open(day(59)).facts(), first.facts(), "the same one, from its file");
        assert!(!first.refresh(&authority, day(60)).unwrap());
        assert!(first.refresh(&authority, day(61)).unwrap());
        assert_eq!(first.facts().days_left(day(61)), crate::authority::LEAF_DAYS);
        assert_eq!(open(day(62)).facts(), first.facts());
        // One that a person had made is taken up.
        authority.issue(&dir.path().join(SERVER_FILE), Purpose::Server, &site, day(63)).unwrap();
        let before = first.facts();
        assert!(first.refresh(&authority, day(63)).unwrap());
        assert_ne!(first.facts(), before);
    }

    #[test]
    fn other_names_another_root_and_a_clock_set_back_make_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::open_or_create(dir.path(), "Test", day(0)).unwrap();
        let open = |all: &[&str], at| Identity::open(&authority, dir.path(), &names(all), at).unwrap().facts().serial;
        let first = open(&["localhost"], day(0));
        let second = open(&["localhost", "haechi"], day(0));
        assert_ne!(first, second);
        assert_ne!(open(&["localhost", "haechi"], day(-40)), second);
        let elsewhere = tempfile::tempdir().unwrap();
        let other = Authority::open_or_create(elsewhere.path(), "Other", day(0)).unwrap();
        let third = Identity::open(&other, dir.path(), &names(&["localhost", "haechi"]), day(0)).unwrap();
        assert_ne!(third.facts().serial, second);
    }
}
