//! The recovery key, and what of it stays on the appliance.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::str::FromStr;

use age::secrecy::ExposeSecret;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::{BackupError, at};

const SEAL_BYTES: usize = 32;
/// An identity has 74 characters; white space around it is forgiven.
const MAX_KEY_TEXT: usize = 512;

/// Reads every snapshot of a site. Shown once and kept on paper; never stored on the appliance.
pub struct RecoveryKey(age::x25519::Identity);

impl std::fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecoveryKey(..)")
    }
}

impl RecoveryKey {
    /// A new one, from the system's randomness.
    #[must_use]
    pub fn generate() -> Self {
        Self(age::x25519::Identity::generate())
    }

    /// From the line that was shown; case and white space around it do not matter.
    ///
    /// # Errors
    /// [`BackupError::NotAKey`]; a mistyped character is noticed (Bech32 carries a checksum).
    pub fn parse(text: &str) -> Result<Self, BackupError> {
        if text.len() > MAX_KEY_TEXT {
            return Err(BackupError::NotAKey);
        }
        let text = Zeroizing::new(text.trim().to_uppercase());
        age::x25519::Identity::from_str(&text).map(Self).map_err(|_| BackupError::NotAKey)
    }

    /// The line to write down: `AGE-SECRET-KEY-1...`.
    #[must_use]
    pub fn line(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.to_string().expose_secret().to_owned())
    }

    /// What the appliance may hold of it.
    #[must_use]
    pub fn keys(&self) -> Keys {
        let mut seal = Zeroizing::new([0; SEAL_BYTES]);
        // Fails only for outputs beyond 255 hashes; one is asked for.
        let done = hkdf::Hkdf::<Sha256>::new(None, self.line().as_bytes())
            .expand(b"haechi backup seal 1", seal.as_mut_slice());
        debug_assert!(done.is_ok());
        Keys { recipient: self.0.to_public(), seal }
    }

    pub(crate) fn identity(&self) -> &dyn age::Identity {
        &self.0
    }
}

/// What the appliance holds: enough to write and to tell its own snapshots from others, not enough to read one.
pub struct Keys {
    recipient: age::x25519::Recipient,
    seal: Zeroizing<[u8; SEAL_BYTES]>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("recipient", &self.recipient).finish_non_exhaustive()
    }
}

/// How [`Keys`] lie on the disk.
#[derive(Serialize, Deserialize)]
struct Stored {
    recipient: String,
    seal: String,
}

impl Keys {
    /// Reads the site's keys; `None` if there are none yet.
    ///
    /// # Errors
    /// [`BackupError::Keys`]: damaged, or others may read the file.
    pub fn load(path: &Path) -> Result<Option<Self>, BackupError> {
        let wrong = |why: String| BackupError::Keys { path: path.to_owned(), why };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(wrong(error.to_string())),
        };
        let mode = file.metadata().map_err(|error| wrong(error.to_string()))?.mode();
        if mode & 0o077 != 0 {
            return Err(wrong(format!("others may read it (mode {:03o}); chmod 600 on it", mode & 0o777)));
        }
        let mut text = Zeroizing::new(String::new());
        file.take(4096).read_to_string(&mut text).map_err(|error| wrong(error.to_string()))?;
        let stored: Stored = serde_json::from_str(&text).map_err(|_| wrong("it is not what was written".into()))?;
        let stored_seal = Zeroizing::new(stored.seal);
        let recipient = stored.recipient.parse().map_err(|_| wrong("its recipient is not understood".into()))?;
        let seal = from_hex(&stored_seal).ok_or_else(|| wrong("its seal is not understood".into()))?;
        Ok(Some(Self { recipient, seal: Zeroizing::new(seal) }))
    }

    /// Writes them with mode 600 where none are.
    ///
    /// # Errors
    /// [`BackupError::Files`].
    pub fn store(&self, path: &Path) -> Result<(), BackupError> {
        let stored = Stored { recipient: self.recipient.to_string(), seal: hex(self.seal.as_slice()) };
        let failed = at(path, "write the site's backup keys");
        let text = Zeroizing::new(serde_json::to_string(&stored).map_err(|error| failed(error.into()))?);
        drop(Zeroizing::new(stored.seal));
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(path).map_err(&failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(&failed)?;
        if let Some(folder) = path.parent() {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(&failed)?;
        }
        Ok(())
    }

    /// The public half, as `age` writes it.
    #[must_use]
    pub fn recipient(&self) -> String {
        self.recipient.to_string()
    }

    pub(crate) fn age_recipient(&self) -> &dyn age::Recipient {
        &self.recipient
    }

    /// HMAC-SHA256 over `bytes` for `purpose`.
    pub(crate) fn mac(&self, purpose: &str, bytes: &[u8]) -> [u8; 32] {
        self.hasher(purpose).chain_update(bytes).finalize().into_bytes().into()
    }

    /// True if `mac` is that of `bytes` for `purpose`; takes the same time whatever differs.
    pub(crate) fn is_mac(&self, purpose: &str, bytes: &[u8], mac: &[u8]) -> bool {
        self.hasher(purpose).chain_update(bytes).verify_slice(mac).is_ok()
    }

    /// Keyed with a key of its own for `purpose`: a block of the hash, so that none is padded.
    fn hasher(&self, purpose: &str) -> Hmac<Sha256> {
        let mut key = Zeroizing::new([0; 64]);
        let done = hkdf::Hkdf::<Sha256>::new(None, self.seal.as_slice()).expand(purpose.as_bytes(), key.as_mut_slice());
        debug_assert!(done.is_ok());
        Hmac::<Sha256>::new(&(*key).into())
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// 32 bytes of hexadecimal, as [`hex`] writes it and in no other way.
pub(crate) fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: u8| if at.is_ascii_uppercase() { None } else { char::from(at).to_digit(16) };
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_line_that_was_shown_opens_again_and_a_mistyped_one_does_not() {
        let key = RecoveryKey::generate();
        let line = key.line();
        let again = RecoveryKey::parse(&format!("  {}\n", line.to_lowercase())).unwrap();
        assert_eq!(again.keys().recipient(), key.keys().recipient());
        assert_eq!(*again.keys().seal, *key.keys().seal);
        let last = line.chars().last().unwrap();
        let mistyped = format!("{}{}", &line[..line.len() - 1], if last == 'Q' { 'P' } else { 'Q' });
        assert!(RecoveryKey::parse(&mistyped).is_err());
        assert!(RecoveryKey::parse(&"A".repeat(10_000)).is_err());
    }

    #[test]
    fn keys_are_kept_for_their_owner_alone_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        assert!(Keys::load(&path).unwrap().is_none());
        let keys = RecoveryKey::generate().keys();
        keys.store(&path).unwrap();
        assert!(keys.store(&path).is_err(), "a second site must not take the first one's place");
        let read = Keys::load(&path).unwrap().unwrap();
        assert_eq!(read.recipient(), keys.recipient());
        assert!(read.is_mac("x", b"bytes", &keys.mac("x", b"bytes")));
        assert!(!read.is_mac("y", b"bytes", &keys.mac("x", b"bytes")));
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        assert!(Keys::load(&path).unwrap_err().to_string().contains("others may read it"));
    }

    #[test]
    fn hexadecimal_goes_both_ways() {
        let bytes: [u8; 32] = std::array::from_fn(|at| u8::try_from(at * 7).unwrap());
        assert_eq!(from_hex(&hex(&bytes)), Some(bytes));
        assert_eq!(from_hex("zz"), None);
    }
}
