//! A computed prefix in a file: the tokens and what their pages hold, encrypted.
//!
//! What a cache holds is as telling as the text it was computed from, so it is sealed with XChaCha20-Poly1305 under a key
//! that the caller keeps elsewhere; the header is readable, and authenticated with every piece. The tokens are one piece and
//! each page is one, so that several threads read and open a file. A piece's number is part of its nonce: none can stand in
//! another's place, and the header says how many there are. The layout, numbers little-endian:
//!
//! | Bytes | What |
//! | --- | --- |
//! | 8 | `HAECHIKV` |
//! | 4 | version, 2 |
//! | 4, 4, 8 | number of pages, tokens in a page, bytes in a page |
//! | 32 | SHA-256 of the model file's digest and the driver's name and version |
//! | 20 | random: the beginning of each piece's nonce, whose end is its number (4 bytes) |
//! | pages × tokens × 4, 16 | piece 0: token ids, sealed; tag |
//! | bytes, 16 | pieces from 1 on: a page, sealed; tag |

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use chacha20poly1305::aead::Generate;
use chacha20poly1305::{AeadInOut, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

const MAGIC: &[u8; 8] = b"HAECHIKV";
const VERSION: u32 = 2;
const FIXED_BYTES: usize = 60;
/// Of a nonce's 24 bytes those that are random.
const RANDOM_BYTES: usize = 20;
const HEADER_BYTES: usize = FIXED_BYTES + RANDOM_BYTES;
const TAG_BYTES: usize = 16;
/// Threads that read a file, at most: more would wait for memory.
const READERS: usize = 4;
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

    /// Bytes of a whole file.
    fn file_bytes(&self, pages: u32) -> u64 {
        let pieces = u64::from(pages) * (self.page_bytes + TAG_BYTES) as u64;
        HEADER_BYTES as u64 + self.token_bytes(pages) + TAG_BYTES as u64 + pieces
    }
}

/// What seals and opens the pieces of one file.
struct Seal<'a> {
    cipher: XChaCha20Poly1305,
    header: &'a [u8],
}

impl<'a> Seal<'a> {
    fn new(key: &Key, header: &'a [u8]) -> Self {
        Self { cipher: XChaCha20Poly1305::new((&*key.0).into()), header }
    }

    fn nonce(&self, piece: u32) -> XNonce {
        let mut nonce = [0; RANDOM_BYTES + 4];
        let (random, number) = nonce.split_at_mut(RANDOM_BYTES);
        random.copy_from_slice(self.header.last_chunk::<RANDOM_BYTES>().unwrap_or(&[0; RANDOM_BYTES]));
        number.copy_from_slice(&piece.to_le_bytes());
        nonce.into()
    }

    /// Seals a piece in place; `None` if it is too large.
    fn close(&self, piece: u32, bytes: &mut [u8]) -> Option<Tag> {
        self.cipher.encrypt_inout_detached(&self.nonce(piece), self.header, bytes.into()).ok()
    }

    /// Opens a piece in place; false if it is not what was sealed.
    fn open(&self, piece: u32, bytes: &mut [u8], tag: [u8; TAG_BYTES]) -> bool {
        self.cipher.decrypt_inout_detached(&self.nonce(piece), self.header, bytes.into(), &tag.into()).is_ok()
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
    let random = XNonce::try_generate().map_err(|_| refuse("the system gave no random numbers"))?;
    let Prefix { tokens, pages: mut bytes } = prefix;
    let count = u32::try_from(tokens.len() / layout.page_tokens.max(1) as usize).unwrap_or(u32::MAX);
    if tokens.len() as u64 * 4 != layout.token_bytes(count) || bytes.len() != count as usize * layout.page_bytes {
        return Err(refuse("it is not made of whole pages"));
    }
    let mut header = layout.header(count);
    header.extend(random.as_slice().iter().take(RANDOM_BYTES));
    let seal = Seal::new(key, &header);
    let too_large = || refuse("it is too large to be sealed");
    let mut tokens: Vec<u8> = tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
    let tag = seal.close(0, &mut tokens).ok_or_else(too_large)?;
    let mut pieces = vec![(&tokens[..], tag)];
    for (page, number) in bytes.chunks_exact_mut(layout.page_bytes.max(1)).zip(1..) {
        let tag = seal.close(number, page).ok_or_else(too_large)?;
        pieces.push((&*page, tag));
    }
    write_whole(path, &header, &pieces)
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
    if !header.starts_with(&layout.header(pages)) {
        return refuse("it was computed by another model, driver or version");
    }
    if pages > layout.pages {
        return refuse("it has more pages than the cache");
    }
    // The layout bounds it: no more than the cache itself.
    if metadata.len() != layout.file_bytes(pages) {
        return refuse("it is cut off, or something was added");
    }
    let changed = "the key is another one, or the file was changed";
    let seal = Seal::new(key, &header);
    let open = |piece: u32, at: u64, bytes: &mut [u8]| {
        let mut tag = [0; TAG_BYTES];
        opened.read_exact_at(bytes, at)?;
        opened.read_exact_at(&mut tag, at + bytes.len() as u64)?;
        Ok::<_, io::Error>(seal.open(piece, bytes, tag))
    };
    let mut tokens = vec![0; usize::try_from(layout.token_bytes(pages)).unwrap_or(usize::MAX)];
    if !open(0, HEADER_BYTES as u64, &mut tokens).map_err(io)? {
        return refuse(changed);
    }
    let page_bytes = layout.page_bytes.max(1);
    let first = (HEADER_BYTES + tokens.len() + TAG_BYTES) as u64;
    let mut bytes = vec![0; pages as usize * layout.page_bytes];
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(READERS);
    let share = (pages as usize).div_ceil(threads).max(1);
    // True if every page of a thread's share is what was sealed.
    let open_share = |number: usize, bytes: &mut [u8]| {
        for (page, index) in bytes.chunks_exact_mut(page_bytes).zip(number * share..) {
            let at = first + (index * (page_bytes + TAG_BYTES)) as u64;
            if !open(u32::try_from(index + 1).unwrap_or(u32::MAX), at, page)? {
                return Ok(false);
            }
        }
        Ok::<_, io::Error>(true)
    };
    let opened_all = std::thread::scope(|scope| {
        let open_share = &open_share;
        let shares = bytes.chunks_mut(share * page_bytes).enumerate();
        let threads: Vec<_> = shares.map(|(number, bytes)| scope.spawn(move || open_share(number, bytes))).collect();
        let gone = || Err(io::ErrorKind::Other.into());
        let each = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| gone()));
        each.collect::<Result<Vec<_>, _>>()
    });
    if opened_all.map_err(io)?.contains(&false) {
        return refuse(changed);
    }
    let tokens = tokens.as_chunks::<4>().0.iter().map(|token| u32::from_le_bytes(*token)).collect();
    Ok(Prefix { tokens, pages: bytes })
}

/// Writes beside the file, then moves it there: a crash leaves the old file or the new one, never half of one.
fn write_whole(path: &Path, header: &[u8], pieces: &[(&[u8], Tag)]) -> Result<(), StoreError> {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let io = |source: io::Error| StoreError::Io { path: path.to_owned(), source };
    let folder = path.parent().ok_or_else(|| io(io::ErrorKind::InvalidInput.into()))?;
    let number = WRITES.fetch_add(1, Ordering::Relaxed); // two may save at once
    let beside = path.with_extension(format!("{}-{number}.part", std::process::id()));
    let written = (|| {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        let mut file = BufWriter::new(file);
        file.write_all(header)?;
        for (bytes, tag) in pieces {
            file.write_all(bytes)?;
            file.write_all(tag.as_slice())?;
        }
        file.into_inner()?.sync_all()?;
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
        assert_eq!(bytes.len(), HEADER_BYTES + 4 * 4 + 6 + 3 * TAG_BYTES, "tokens and two pages");
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
    fn pages_do_not_change_places_and_every_thread_reads_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), "x").unwrap();
        for count in [1, 2, 3, 5, 9, 13] {
            let layout = Layout { pages: 13, ..layout() };
            let tokens = (0..2 * count).collect();
            let prefix = Prefix { tokens, pages: (0..3 * count).map(|byte| byte as u8).collect() };
            save(&path, &key(1), &layout, prefix.clone()).unwrap();
            assert_eq!(read(&path, &key(1), &layout).unwrap(), prefix, "{count} pages");
        }
        save(&path, &key(1), &layout(), prefix()).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.len() - 2 * (3 + TAG_BYTES);
        bytes[at..].rotate_left(3 + TAG_BYTES);
        fs::write(&path, bytes).unwrap();
        assert!(read(&path, &key(1), &layout()).unwrap_err().to_string().contains("changed"));
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
