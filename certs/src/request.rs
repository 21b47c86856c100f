//! A request (PKCS#10) for the hospital's own authority. The key is made here and stays here.

use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use zeroize::Zeroizing;

use crate::authority::{alternative, making};
use crate::error::CertError;
use crate::files;

/// The key of the open request, in the certificates' folder.
const REQUEST_FILE: &str = "request.key";

/// The request for `names` in PEM form. Its key is made at the first request and kept until a certificate for it is imported,
/// so that every copy that was printed stays good.
///
/// # Errors
/// [`CertError`].
pub fn request(folder: &Path, names: &[String]) -> Result<String, CertError> {
    files::make_folder(folder)?;
    let path = file(folder);
    let text = match files::read_secret(&path)? {
        Some(text) => text,
        None => {
            let text = Zeroizing::new(KeyPair::generate().map_err(making)?.serialize_pem());
            files::write(&path, &text, true)?;
            text
        }
    };
    let key = KeyPair::from_pem(&text).map_err(|_| files::not_understood(&path, "it holds no private key"))?;
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    let common = names.first().ok_or_else(|| CertError::Name(String::new()))?;
    params.distinguished_name.push(DnType::CommonName, common.as_str());
    params.subject_alt_names = names.iter().map(|name| alternative(name)).collect::<Result<_, _>>()?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.serialize_request(&key).and_then(|request| request.pem()).map_err(making)
}

/// The key of the open request, if there is one.
///
/// # Errors
/// [`CertError`].
pub fn open_key(folder: &Path) -> Result<Option<PrivateKeyDer<'static>>, CertError> {
    let path = file(folder);
    let Some(text) = files::read_secret(&path)? else { return Ok(None) };
    let key = PrivateKeyDer::from_pem_slice(text.as_bytes());
    key.map(Some).map_err(|_| files::not_understood(&path, "it holds no private key in PEM form"))
}

/// Ends the request, once its certificate is installed: the key lies beside the certificate then.
///
/// # Errors
/// [`CertError::Files`].
pub fn close(folder: &Path) -> Result<(), CertError> {
    let path = file(folder);
    match std::fs::remove_file(&path) {
        Err(what) if what.kind() != std::io::ErrorKind::NotFound => Err(CertError::Files { path, what }),
        _ => Ok(()),
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join(REQUEST_FILE)
}
