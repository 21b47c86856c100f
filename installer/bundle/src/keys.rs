//! Signing keys: Ed25519, one PKCS#8 PEM file each, for people who keep them apart.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use aws_lc_rs::signature::Ed25519KeyPair;
use tough::schema::decoded::{Decoded, Hex};
use tough::schema::key::Key;
use tough::sign::Sign;
use zeroize::Zeroizing;

use crate::error::BundleError;
use crate::files;

/// Largest key file.
const MAX_KEY_BYTES: u64 = 64 << 10;

/// A public key, as metadata names it.
#[derive(Debug, Clone)]
pub struct PublicKey(pub(crate) Key);

impl PublicKey {
    /// Reads a public key's file: the JSON of a TUF key.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn read(path: &Path) -> Result<Self, BundleError> {
        let bytes = files::read(path, MAX_KEY_BYTES).map_err(|what| BundleError::files(path, what))?;
        serde_json::from_slice(&bytes).map(Self).map_err(|_| {
            BundleError::publishing(
                format!("{} is no public key", path.display()),
                "name the .pub file that `haechi bundle key` made",
            )
        })
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`BundleError::Files`].
    pub fn write(&self, path: &Path) -> Result<(), BundleError> {
        let text =
            serde_json::to_vec(&self.0).map_err(|error| BundleError::files(path, std::io::Error::other(error)))?;
        files::write(path, &text, 0o644)
    }

    /// The first digits of its identifier.
    #[must_use]
    pub fn short(&self) -> String {
        id(&self.0).map(|id| short(&id)).unwrap_or_default()
    }
}

/// A private key.
#[derive(Debug)]
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// [`BundleError::Publishing`], if the system has no randomness.
    pub fn generate() -> Result<Self, BundleError> {
        Ed25519KeyPair::generate()
            .map(Self)
            .map_err(|_| BundleError::publishing("a key cannot be made", "look at the system's random number source"))
    }

    /// Reads a key's file.
    ///
    /// # Errors
    /// [`BundleError`]; also if others may read the file.
    pub fn read(path: &Path) -> Result<Self, BundleError> {
        let mode = std::fs::metadata(path).map_err(|what| BundleError::files(path, what))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(BundleError::publishing(
                format!("others may read the signing key {} (mode {:03o})", path.display(), mode & 0o777),
                "chmod 600 on it; if others may have read it, have its role signed by a new key",
            ));
        }
        let bytes = Zeroizing::new(files::read(path, MAX_KEY_BYTES).map_err(|what| BundleError::files(path, what))?);
        let wrong = || {
            BundleError::publishing(
                format!("{} is no Ed25519 key in PEM form", path.display()),
                "name a file that `haechi bundle key` made",
            )
        };
        let block = pem::parse(&*bytes).map_err(|_| wrong())?;
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(block.contents()).map(Self).map_err(|_| wrong())
    }

    /// Writes the key for its owner alone; never over a file that is there.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn write(&self, path: &Path) -> Result<(), BundleError> {
        if path.exists() {
            return Err(BundleError::publishing(
                format!("{} is there already", path.display()),
                "keys are never written over: choose another folder",
            ));
        }
        let der = self.0.to_pkcs8v1().map_err(|_| {
            BundleError::publishing("the key cannot be written down", "report it: this is a fault in the program")
        })?;
        let text = Zeroizing::new(pem::encode(&pem::Pem::new("PRIVATE KEY", der.as_ref())));
        files::write(path, text.as_bytes(), 0o600)
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.tuf_key())
    }

    pub(crate) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        Ed25519KeyPair::sign(&self.0, bytes).as_ref().to_vec()
    }
}

/// A key's identifier: SHA-256 of its canonical JSON.
pub(crate) fn id(key: &Key) -> Result<Decoded<Hex>, BundleError> {
    key.key_id()
        .map_err(|error| BundleError::publishing(error.to_string(), "report it: this is a fault in the program"))
}

/// The first digits of an identifier, enough for a person.
pub(crate) fn short(id: &[u8]) -> String {
    files::hex(id.get(..4).unwrap_or(id))
}
