//! The key of the record: 32 random bytes, sealed by systemd in a packaged appliance, else in a file that only its owner may
//! read.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::RecordError;

/// Bytes of a key: SQLCipher's AES-256.
pub const KEY_BYTES: usize = 32;

/// A key. Wiped from memory when dropped, never printed.
pub struct Key(Zeroizing<[u8; KEY_BYTES]>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// A key from its bytes.
    #[must_use]
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads a key that systemd unsealed for this process alone. Who may read the file is systemd's to say.
    ///
    /// # Errors
    /// [`RecordError::KeyUnusable`].
    pub fn from_credential(path: &Path) -> Result<Self, RecordError> {
        let unusable = |why: String| RecordError::KeyUnusable {
            path: path.to_owned(),
            why,
            remedy: "`haechi key recover` seals the key anew from the recovery key that set-up printed",
        };
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        let mut file = File::open(path).map_err(|error| unusable(error.to_string()))?;
        let length = file.metadata().map_err(|error| unusable(error.to_string()))?.len();
        if length != KEY_BYTES as u64 || file.read_exact(bytes.as_mut_slice()).is_err() {
            return Err(unusable(format!("it has {length} bytes where a key has {KEY_BYTES}")));
        }
        Ok(Self(bytes))
    }

    /// Reads the key file. Where there is none it is made with mode 0600, unless `record_exists`: a new key opens no old record.
    ///
    /// # Errors
    /// [`RecordError::KeyMissing`], [`RecordError::KeyUnusable`] (also if others may read the file).
    pub fn load_or_create(path: &Path, record_exists: bool) -> Result<Self, RecordError> {
        let unusable = |why: String, remedy| RecordError::KeyUnusable { path: path.to_owned(), why, remedy };
        match File::open(path) {
            Ok(mut file) => {
                let readable = "make it readable for the user that runs haechi";
                let metadata = file.metadata().map_err(|error| unusable(error.to_string(), readable))?;
                if metadata.mode() & 0o077 != 0 {
                    let why = format!("others may read it (mode {:03o})", metadata.mode() & 0o777);
                    return Err(unusable(
                        why,
                        "chmod 600 on it; if others may have read it, restore a backup under a new key",
                    ));
                }
                let mut bytes = Zeroizing::new([0; KEY_BYTES]);
                let whole = metadata.len() == KEY_BYTES as u64 && file.read_exact(bytes.as_mut_slice()).is_ok();
                if !whole {
                    let why = format!("it has {} bytes where a key has {KEY_BYTES}", metadata.len());
                    return Err(unusable(why, "put the key file back from its safe copy"));
                }
                Ok(Self(bytes))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && record_exists => {
                Err(RecordError::KeyMissing { path: path.to_owned() })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::create(path),
            Err(error) => Err(unusable(error.to_string(), "make it readable for the user that runs haechi")),
        }
    }

    fn create(path: &Path) -> Result<Self, RecordError> {
        let failed = |error: std::io::Error| RecordError::KeyUnusable {
            path: path.to_owned(),
            why: format!("it cannot be made: {error}"),
            remedy: "choose a home that this user may write to",
        };
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        let mut draft = [0; 4];
        File::open("/dev/urandom")
            .and_then(|mut source| source.read_exact(bytes.as_mut_slice()).and_then(|()| source.read_exact(&mut draft)))
            .map_err(failed)?;
        // Written aside under a name of this process's and thread's own, then linked to its place: a power cut leaves a whole
        // key or none, and of two that start together both end with the same key.
        let aside = path.with_extension(format!(
            "new.{}.{:02x}{:02x}{:02x}{:02x}",
            std::process::id(),
            draft[0],
            draft[1],
            draft[2],
            draft[3]
        ));
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&aside).map_err(failed)?;
        let written =
            file.write_all(bytes.as_slice()).and_then(|()| file.sync_all()).and_then(|()| fs::hard_link(&aside, path));
        // The draft has done its work, or none; what stands at `path` decides.
        let _ = fs::remove_file(&aside);
        match written {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Self::load_or_create(path, true),
            Err(error) => return Err(failed(error)),
        }
        if let Some(folder) = path.parent() {
            // The record made next must not outlive its key.
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
        Ok(Self(bytes))
    }

    /// A key of its own for `purpose`, so that no two uses share one (HKDF-SHA256, RFC 5869, without salt: the input is
    /// uniformly random already).
    pub(crate) fn derive(&self, purpose: &str) -> Zeroizing<[u8; KEY_BYTES]> {
        let mut out = Zeroizing::new([0; KEY_BYTES]);
        // Fails only for outputs beyond 255 hashes; one is asked for.
        let done =
            hkdf::Hkdf::<sha2::Sha256>::new(None, self.0.as_slice()).expand(purpose.as_bytes(), out.as_mut_slice());
        debug_assert!(done.is_ok());
        out
    }

    /// `PRAGMA key` with the raw key, so that no key derivation slows opening.
    pub(crate) fn pragma(&self) -> Zeroizing<String> {
        use std::fmt::Write as _;
        let mut text = Zeroizing::new(String::with_capacity(2 * KEY_BYTES + 32));
        text.push_str("PRAGMA key = \"x'");
        for byte in self.0.iter() {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text.push_str("'\"");
        text
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let made = Key::load_or_create(&path, false).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let read = Key::load_or_create(&path, true).unwrap();
        assert_eq!(made.pragma(), read.pragma());
        assert_eq!(format!("{made:?}"), "Key(..)");
    }

    #[test]
    fn two_that_start_together_get_the_same_key() {
        for _ in 0..50 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("key");
            let start = || Key::load_or_create(&path, false).unwrap().pragma();
            let (one, other) = std::thread::scope(|scope| {
                let one = scope.spawn(start);
                let other = scope.spawn(start);
                (one.join().unwrap(), other.join().unwrap())
            });
            assert_eq!(one, other);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
        }
    }

    #[test]
    fn wrong_key_files_are_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(matches!(Key::load_or_create(&path, true), Err(RecordError::KeyMissing { .. })));
        fs::write(&path, [1; 31]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(Key::load_or_create(&path, true).unwrap_err().to_string().contains("31 bytes"));
        fs::write(&path, [1; 32]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Key::load_or_create(&path, true).unwrap_err().to_string().contains("others may read it"));
    }
}
