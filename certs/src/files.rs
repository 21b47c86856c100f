//! Files of the certificates' folder. A private key and its chain share one PEM file, so that a power cut leaves the old pair
//! or the new one and never half of each.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use crate::error::CertError;

/// Largest file read: a chain of a few certificates has some 5 KB.
const MAX_FILE_BYTES: u64 = 256 << 10;

/// A private key with its certificate chain, leaf first.
pub(crate) struct Pair {
    pub(crate) key: PrivateKeyDer<'static>,
    pub(crate) chain: Vec<CertificateDer<'static>>,
}

pub(crate) fn make_folder(folder: &Path) -> Result<(), CertError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|what| CertError::Files { path: folder.to_owned(), what })
}

/// The text of `path`; `None` if there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<Zeroizing<String>>, CertError> {
    let failed = |what| CertError::Files { path: path.to_owned(), what };
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if metadata.len() > MAX_FILE_BYTES {
        return Err(not_understood(path, "it is far larger than a certificate"));
    }
    fs::read_to_string(path).map(|text| Some(Zeroizing::new(text))).map_err(failed)
}

/// The text of `path`, which holds a key: refused if others may read it.
pub(crate) fn read_secret(path: &Path) -> Result<Option<Zeroizing<String>>, CertError> {
    let Some(text) = read(path)? else { return Ok(None) };
    let mode =
        fs::metadata(path).map_err(|what| CertError::Files { path: path.to_owned(), what })?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(CertError::KeyExposed { path: path.to_owned(), mode: mode & 0o777 });
    }
    Ok(Some(text))
}

/// The pair in `path`; `None` if there is no such file.
pub(crate) fn read_pair(path: &Path) -> Result<Option<Pair>, CertError> {
    let Some(text) = read_secret(path)? else { return Ok(None) };
    let key = PrivateKeyDer::from_pem_slice(text.as_bytes());
    let key = key.map_err(|_| not_understood(path, "it holds no private key in PEM form"))?;
    let chain = certificates(path, &text)?;
    Ok(Some(Pair { key, chain }))
}

/// The certificates in a PEM text, at least one.
pub(crate) fn certificates(path: &Path, text: &str) -> Result<Vec<CertificateDer<'static>>, CertError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let all = all.map_err(|_| not_understood(path, "a certificate in it is no PEM"))?;
    if all.is_empty() { Err(not_understood(path, "it holds no certificate in PEM form")) } else { Ok(all) }
}

pub(crate) fn not_understood(path: &Path, why: &str) -> CertError {
    CertError::NotUnderstood {
        path: path.to_owned(),
        why: why.to_owned(),
        remedy: "put the right file there; one that the appliance made may be removed and is made anew at the next start",
    }
}

/// Writes a file whole or not at all, readable for its owner alone if `secret`.
pub(crate) fn write(path: &Path, text: &str, secret: bool) -> Result<(), CertError> {
    let aside = path.with_extension("new");
    let write = || {
        let _ = fs::remove_file(&aside); // what a cut-off write left; its mode may be another
        let mut file =
            File::options().write(true).create_new(true).mode(if secret { 0o600 } else { 0o644 }).open(&aside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&aside, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    write().map_err(|what| CertError::Files { path: path.to_owned(), what })
}
