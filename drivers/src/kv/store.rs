//! A computed prefix in a file: the tokens and what their pages hold, encrypted.
//!
//! What a cache holds is as telling as the text it was computed from, so the body is sealed with XChaCha20-Poly1305 under a
//! key that the caller keeps elsewhere; the header is readable, and authenticated with it. The layout, numbers
//! little-endian:
//!
//! | Bytes | What |
//! | --- | --- |
//! | 8 | `HAECHIKV` |
//! | 4 | version, 1 |
//! | 4, 4, 8 | number of pages, tokens in a page, bytes in a page |
//! | 32 | SHA-256 of the model file's digest and the driver's name and version |
//! | 24 | nonce |
//! | pages × tokens × 4 | token ids, sealed from here on |
//! | pages × bytes | pages |
//! | 16 | tag |

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use chacha20poly1305::aead::Generate;
use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

const MAGIC: &[u8; 8] = b"HAECHIKV";
const VERSION: u32 = 1;
const FIXED_BYTES: usize = 60;
const NONCE_BYTES: usize = 24;
const HEADER_BYTES: usize = FIXED_BYTES + NONCE_BYTES;
const TAG_BYTES: usize = 16;
/// Longest name of a file, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// What opens a saved prefix: 256 bits. Forgotten in memory when dropped.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; 32]>);

impl Key {
    /// A key of these bytes. They are the caller's to keep, and not beside the file.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Key(..)")
    }
}

/// What a page is made of: only a cache of the same layout reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// SHA-256 of the model file, lower-case hex.
    pub model: String,
    /// The driver's name; its version is this program's.
    pub driver: String,
    /// Tokens in a page.
    pub page_tokens: u32,
    /// Bytes in a page.
    pub page_bytes: usize,
    /// Pages that a cache of this backend has: more are not read.
    pub pages: u32,
}

/// A computed prefix: whole pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    /// Token ids. Shape `[pages × page_tokens]`.
    pub tokens: Vec<u32>,
    /// What the pages hold, one after another. Shape `[pages × page_bytes]`.
    pub pages: Vec<u8>,
}

/// Why a prefix was not saved or not read.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The file.
    #[error("HAECHI-0514: cannot keep a computed prefix in {}: {source}", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What the file says. Nothing was changed; the prefix is computed when it is needed.
    #[error("HAECHI-0515: the saved prefix {} is not used: {reason}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl StoreError {
    /// `HAECHI-NNNN`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "HAECHI-0514",
            Self::Refused { .. } => "HAECHI-0515",
        }
    }
}

impl Layout {
    fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for part in [&self.model, &self.driver, env!("CARGO_PKG_VERSION")] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        hash.finalize().into()
    }

    /// The header of a file of `pages` pages, without its nonce.
    fn header(&self, pages: u32) -> Vec<u8> {
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&pages.to_le_bytes());
        header.extend_from_slice(&self.page_tokens.to_le_bytes());
        header.extend_from_slice(&(self.page_bytes as u64).to_le_bytes());
        header.extend_from_slice(&self.fingerprint());
        header
    }

    fn token_bytes(&self, pages: u32) -> u64 {
        u64::from(pages) * u64::from(self.page_tokens) * 4
    }

    fn body_bytes(&self, pages: u32) -> u64 {
        self.token_bytes(pages) + u64::from(pages) * self.page_bytes as u64
    }
}

/// The file of a prefix that is called `name` in `folder`.
///
/// # Errors
/// [`StoreError::Refused`] if the name is not made of 1 to 64 small letters, digits and hyphens.
pub fn file(folder: &Path, name: &str) -> Result<PathBuf, StoreError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(plain) {
        let reason = "its name must be 1 to 64 small letters, digits and hyphens".to_owned();
        return Err(StoreError::Refused { path: folder.to_owned(), reason });
    }
    Ok(folder.join(format!("{name}.prefix")))
}

/// Writes a prefix; the file is whole or not there, and only its owner may read it. One of the same name is replaced.
///
/// # Errors
/// [`StoreError`].
pub fn save(path: &Path, key: &Key, layout: &Layout, prefix: Prefix) -> Result<(), StoreError> {
    let refuse = |reason: &str| StoreError::Refused { path: path.to_owned(), reason: reason.to_owned() };
    let nonce = XNonce::try_generate().map_err(|_| refuse("the system gave no random numbers"))?;
    let pages = u32::try_from(prefix.tokens.len() / layout.page_tokens.max(1) as usize).unwrap_or(u32::MAX);
    let Prefix { tokens, pages: bytes } = prefix;
    let mut body = Vec::with_capacity(tokens.len() * 4 + bytes.len() + TAG_BYTES);
    body.extend(tokens.iter().flat_map(|token| token.to_le_bytes()));
    body.extend_from_slice(&bytes);
    drop(bytes); // a prefix may take a good part of the memory
    if body.len() as u64 != layout.body_bytes(pages) {
        return Err(refuse("it is not made of whole pages"));
    }
    let mut header = layout.header(pages);
    header.extend_from_slice(&nonce);
    let cipher = XChaCha20Poly1305::new((&*key.0).into());
    cipher.encrypt_in_place(&nonce, &header, &mut body).map_err(|_| refuse("it is too large to be sealed"))?;
    write_whole(path, &[&header, &body])
}

/// Reads a prefix.
///
/// # Errors
/// [`StoreError::Io`]; [`StoreError::Refused`] if it is another model's, cut off, changed, or of another key.
pub fn read(path: &Path, key: &Key, layout: &Layout) -> Result<Prefix, StoreError> {
    let io = |source: io::Error| StoreError::Io { path: path.to_owned(), source };
    let refuse = |reason: &str| Err(StoreError::Refused { path: path.to_owned(), reason: reason.to_owned() });
    let mut opened = File::open(path).map_err(io)?;
    let metadata = opened.metadata().map_err(io)?;
    if !metadata.is_file() || metadata.len() < (HEADER_BYTES + TAG_BYTES) as u64 {
        return refuse("it is no saved prefix, or cut off");
    }
    let mut header = [0; HEADER_BYTES];
    opened.read_exact(&mut header).map_err(io)?;
    if !header.starts_with(MAGIC) {
        return refuse("it is no saved prefix");
    }
    let pages = header.get(12..16).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes);
    let (fixed, nonce) = header.split_at(FIXED_BYTES);
    if fixed != layout.header(pages) {
        return refuse("it was computed by another model, driver or version");
    }
    if pages > layout.pages {
        return refuse("it has more pages than the cache");
    }
    let sealed_bytes = layout.body_bytes(pages) + TAG_BYTES as u64;
    if metadata.len() != HEADER_BYTES as u64 + sealed_bytes {
        return refuse("it is cut off, or something was added");
    }
    // The layout bounds it: no more than the cache itself.
    let mut body = Vec::new();
    opened.take(sealed_bytes).read_to_end(&mut body).map_err(io)?;
    let cipher = XChaCha20Poly1305::new((&*key.0).into());
    let nonce = <&XNonce>::try_from(nonce).map_err(|_| io(io::ErrorKind::UnexpectedEof.into()))?;
    if cipher.decrypt_in_place(nonce, &header, &mut body).is_err() {
        return refuse("the key is another one, or the file was changed");
    }
    let split = usize::try_from(layout.token_bytes(pages)).unwrap_or(usize::MAX).min(body.len());
    let bytes = body.split_off(split);
    let tokens = body.as_chunks::<4>().0.iter().map(|token| u32::from_le_bytes(*token)).collect();
    Ok(Prefix { tokens, pages: bytes })
}

/// Writes beside the file, then moves it there: a crash leaves the old file or the new one, never half of one.
fn write_whole(path: &Path, parts: &[&[u8]]) -> Result<(), StoreError> {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let io = |source: io::Error| StoreError::Io { path: path.to_owned(), source };
    let folder = path.parent().ok_or_else(|| io(io::ErrorKind::InvalidInput.into()))?;
    let number = WRITES.fetch_add(1, Ordering::Relaxed); // two may save at once
    let beside = path.with_extension(format!("{}-{number}.part", std::process::id()));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        parts.iter().try_for_each(|part| file.write_all(part))?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(folder)?.sync_all() // the name is on disk too
    })();
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written.map_err(io)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn layout() -> Layout {
        Layout { model: "ab".repeat(32), driver: "fake".to_owned(), page_tokens: 2, page_bytes: 3, pages: 4 }
    }

    fn prefix() -> Prefix {
        Prefix { tokens: vec![1, 2, 3, 0x0102_0304], pages: b"abcdef".to_vec() }
    }

    fn key(byte: u8) -> Key {
        Key::new([byte; 32])
    }

    #[test]
    fn what_is_saved_is_read_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), "system-ko").unwrap();
        save(&path, &key(1), &layout(), prefix()).unwrap();
        save(&path, &key(1), &layout(), prefix()).unwrap(); // replaces
        assert_eq!(read(&path, &key(1), &layout()).unwrap(), prefix());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        let bytes = fs::read(&path).unwrap();
        assert_eq!(bytes.len(), HEADER_BYTES + 4 * 4 + 6 + TAG_BYTES);
        assert!(!bytes.windows(3).any(|window| window == b"abc"), "it is sealed");
        assert_eq!(format!("{:?}", key(7)), "Key(..)");
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), "x").unwrap();
        save(&path, &key(1), &layout(), prefix()).unwrap();
        let good = fs::read(&path).unwrap();
        for length in 0..good.len() {
            fs::write(&path, &good[..length]).unwrap();
            assert_eq!(read(&path, &key(1), &layout()).unwrap_err().code(), "HAECHI-0515", "cut at {length}");
        }
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 0x80;
            fs::write(&path, changed).unwrap();
            assert_eq!(read(&path, &key(1), &layout()).unwrap_err().code(), "HAECHI-0515", "changed at {at}");
        }
        fs::write(&path, [&good[..], b"x"].concat()).unwrap();
        assert!(read(&path, &key(1), &layout()).is_err());
    }

    #[test]
    fn another_key_model_or_layout_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), "x").unwrap();
        save(&path, &key(1), &layout(), prefix()).unwrap();
        for (key, layout, words) in [
            (key(2), layout(), "key"),
            (key(1), Layout { model: "cd".repeat(32), ..layout() }, "another model"),
            (key(1), Layout { driver: "native-cpu".to_owned(), ..layout() }, "driver"),
            (key(1), Layout { page_tokens: 4, ..layout() }, "another model"),
            (key(1), Layout { page_bytes: 6, ..layout() }, "another model"),
            (key(1), Layout { pages: 1, ..layout() }, "more pages"),
        ] {
            let error = read(&path, &key, &layout).unwrap_err();
            assert!(error.to_string().contains(words), "{error} should say {words}");
        }
        assert_eq!(read(&folder.path().join("none"), &key(1), &layout()).unwrap_err().code(), "HAECHI-0514");
        let half = Prefix { tokens: vec![1, 2, 3], ..prefix() };
        assert_eq!(save(&path, &key(1), &layout(), half).unwrap_err().code(), "HAECHI-0515");
        let nowhere = folder.path().join("none/x.prefix");
        assert_eq!(save(&nowhere, &key(1), &layout(), prefix()).unwrap_err().code(), "HAECHI-0514");
    }

    #[test]
    fn a_name_is_no_path() {
        for name in ["", "../x", "a/b", "A", "x.y", &"x".repeat(65)] {
            assert_eq!(file(Path::new("/folder"), name).unwrap_err().code(), "HAECHI-0515", "{name}");
        }
    }
}
