//! Large objects beside the record: encrypted files named by their content.
//!
//! What is too large for a row of the record, such as an image, is written here first and then named by a row. A file that
//! no row names is left over from a power cut and is removed at the next start; a row is only committed when its file is
//! whole on the disk. Two files with the same bytes are one.
//!
//! On the disk stands nothing readable: the bytes are sealed (`seal`), and a file's name is a keyed hash of its content, so
//! that nobody without the key can ask whether a certain image is here.
//!
//! Not in here: what the bytes mean, and which row names them (`store`).

mod error;
mod seal;

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

pub use error::FilesError;

use crate::key::{KEY_BYTES, Key};
use seal::{Opener, Sealer};

/// SHA-256 of a file's plain bytes: its name in the record.
pub type Digest = [u8; 32];

/// The folder of encrypted files. Cheap to clone.
#[derive(Clone)]
pub struct FileStore {
    shared: Arc<Shared>,
}

struct Shared {
    folder: PathBuf,
    sealing: Zeroizing<[u8; KEY_BYTES]>,
    naming: Zeroizing<[u8; KEY_BYTES]>,
    quota: u64,
    /// Bytes on disk, drafts included.
    used: AtomicU64,
    drafts: AtomicU64,
    /// Held shared while the store is open: only who holds it alone may remove what looks left over.
    lock: File,
}

impl std::fmt::Debug for FileStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileStore").field("folder", &self.shared.folder).finish_non_exhaustive()
    }
}

/// A file that is whole on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// SHA-256 of the plain bytes.
    pub digest: Digest,
    /// Plain bytes.
    pub bytes: u64,
}

impl FileStore {
    /// Opens the folder, made with mode 0700 if absent. `quota`: most bytes on disk; `known`: whether the record names a
    /// file. Drafts, and files that it does not name, are removed, unless another process has the store open.
    ///
    /// # Errors
    /// [`FilesError::Io`]; those of `known`.
    pub fn open<E: From<FilesError>>(
        folder: &Path,
        key: &Key,
        quota: u64,
        known: impl FnOnce() -> Result<Vec<Digest>, E>,
    ) -> Result<Self, E> {
        let failed = |error: io::Error| FilesError::io(folder, &error);
        for folder in [folder.to_owned(), folder.join("new")] {
            DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
        }
        let lock = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(folder.join("lock"))
            .map_err(failed)?;
        let alone = lock.try_lock().is_ok();
        let store = Self {
            shared: Arc::new(Shared {
                folder: folder.to_owned(),
                sealing: key.derive("haechi files: content"),
                naming: key.derive("haechi files: names"),
                quota,
                used: AtomicU64::new(0),
                drafts: AtomicU64::new(0),
                lock,
            }),
        };
        // The list is asked for only now: what is named later cannot be here yet.
        let named: Option<HashSet<PathBuf>> = match alone {
            true => Some(known()?.iter().map(|digest| store.path(digest)).collect()),
            false => None,
        };
        let used = store.sweep(named.as_ref()).map_err(failed)?;
        store.shared.used.store(used, Ordering::Relaxed);
        if alone {
            store.shared.lock.unlock().map_err(failed)?;
        }
        store.shared.lock.lock_shared().map_err(failed)?;
        Ok(store)
    }

    /// Removes drafts and what is not `named`, and counts the rest.
    fn sweep(&self, named: Option<&HashSet<PathBuf>>) -> io::Result<u64> {
        let (mut used, mut removed) = (0, 0u64);
        for shelf in fs::read_dir(&self.shared.folder)? {
            let shelf = shelf?;
            if !shelf.file_type()?.is_dir() {
                continue;
            }
            let drafts = shelf.file_name() == "new";
            for file in fs::read_dir(shelf.path())? {
                let file = file?;
                let left_over = named.is_some_and(|named| drafts || !named.contains(&file.path()));
                if left_over {
                    fs::remove_file(file.path())?;
                    removed += 1;
                } else {
                    used += file.metadata()?.len();
                }
            }
        }
        if removed > 0 {
            log::info!("removed {removed} files that a power cut or an unfinished transfer left over");
        }
        Ok(used)
    }

    /// Begins a new file. Dropped without [`Draft::keep`], it is gone.
    ///
    /// # Errors
    /// [`FilesError::Io`], [`FilesError::DiskFull`], [`FilesError::Quota`] if the quota is used up already.
    pub fn draft(&self) -> Result<Draft, FilesError> {
        let number = self.shared.drafts.fetch_add(1, Ordering::Relaxed);
        let path = self.shared.folder.join("new").join(format!("{}.{number}", std::process::id()));
        let mut draft = Draft { store: self.clone(), path, sealer: None, hash: Sha256::new(), bytes: 0, counted: 0 };
        draft.count(0)?;
        let file = File::options().write(true).create_new(true).mode(0o600).open(&draft.path);
        let sealer = file.and_then(|file| Sealer::new(&self.shared.sealing, file));
        draft.sealer = Some(sealer.map_err(|error| FilesError::io(&draft.path, &error))?);
        Ok(draft)
    }

    /// The plain bytes of a file.
    ///
    /// # Errors
    /// [`FilesError::Missing`], [`FilesError::Damaged`], [`FilesError::Io`].
    pub fn reader(&self, digest: &Digest) -> Result<Reader, FilesError> {
        let path = self.path(digest);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(FilesError::Missing { path }),
            Err(error) => return Err(FilesError::io(&path, &error)),
        };
        match Opener::new(&self.shared.sealing, file) {
            Ok(opener) => Ok(Reader { opener, path, at: 0 }),
            Err(broken) => Err(FilesError::broken(&path, broken)),
        }
    }

    /// Reads a file to its end and compares its content with its name: what `doctor` does.
    ///
    /// # Errors
    /// As [`FileStore::reader`].
    pub fn check(&self, digest: &Digest) -> Result<(), FilesError> {
        let mut reader = self.reader(digest)?;
        let mut hash = Sha256::new();
        let mut at = 0;
        loop {
            let bytes = reader.opener.from(at).map_err(|broken| FilesError::broken(&reader.path, broken))?;
            if bytes.is_empty() {
                break;
            }
            hash.update(bytes);
            at += bytes.len() as u64;
        }
        if Digest::from(hash.finalize()) != *digest {
            return Err(FilesError::Damaged { path: reader.path, what: "its content is another file's".to_owned() });
        }
        Ok(())
    }

    /// Removes a file that no row names.
    ///
    /// # Errors
    /// [`FilesError::Io`]. A file that is not there is no error.
    pub fn remove(&self, digest: &Digest) -> Result<(), FilesError> {
        let path = self.path(digest);
        let bytes = fs::metadata(&path).map_or(0, |meta| meta.len());
        match fs::remove_file(&path) {
            Ok(()) => {
                self.shared.used.fetch_sub(bytes, Ordering::Relaxed);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(FilesError::io(&path, &error)),
        }
    }

    /// Bytes on disk.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.shared.used.load(Ordering::Relaxed)
    }

    /// Most bytes on disk.
    #[must_use]
    pub fn quota_bytes(&self) -> u64 {
        self.shared.quota
    }

    /// 256 shelves keep folders short in file systems that search them one by one.
    fn path(&self, digest: &Digest) -> PathBuf {
        let name = Sha256::new().chain_update(self.shared.naming.as_slice()).chain_update(digest).finalize();
        let name: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
        self.shared.folder.join(name.get(..2).unwrap_or_default()).join(name)
    }
}

/// A file that is being written. See [`FileStore::draft`].
pub struct Draft {
    store: FileStore,
    path: PathBuf,
    sealer: Option<Sealer>,
    hash: Sha256,
    bytes: u64,
    /// Bytes of the quota that it holds.
    counted: u64,
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Draft").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Draft {
    /// Adds bytes.
    ///
    /// # Errors
    /// [`FilesError::Quota`], [`FilesError::DiskFull`], [`FilesError::Io`]. The draft is of no use then.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), FilesError> {
        self.count(self.bytes + bytes.len() as u64)?;
        let Some(sealer) = &mut self.sealer else {
            return Err(FilesError::io(&self.path, &io::Error::other("the draft was given up before")));
        };
        if let Err(error) = sealer.write(bytes) {
            self.sealer = None;
            return Err(FilesError::io(&self.path, &error));
        }
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Plain bytes so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes the quota for a file of `plain` bytes.
    fn count(&mut self, plain: u64) -> Result<(), FilesError> {
        let wanted = seal::sealed_bytes(plain);
        let more = wanted.saturating_sub(self.counted);
        let quota = self.store.shared.quota;
        let taken = self.store.shared.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(more).filter(|sum| *sum <= quota)
        });
        match taken {
            Ok(_) => {
                self.counted = wanted.max(self.counted);
                Ok(())
            }
            Err(used) => Err(FilesError::Quota { path: self.store.shared.folder.clone(), used, quota }),
        }
    }

    /// Puts the file in its place; it is whole on the disk when this returns, and stays if a row is committed that names it.
    ///
    /// # Errors
    /// [`FilesError::DiskFull`], [`FilesError::Io`].
    pub fn keep(mut self) -> Result<Kept, FilesError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error: io::Error| FilesError::io(&path, &error)
        };
        let Some(sealer) = self.sealer.take() else {
            return Err(FilesError::io(&self.path, &io::Error::other("the draft was given up before")));
        };
        sealer.finish().map_err(failed(&self.path))?;
        let digest = Digest::from(std::mem::take(&mut self.hash).finalize());
        let kept = Kept { digest, bytes: self.bytes };
        let place = self.store.path(&digest);
        let there = fs::metadata(&place).ok().map(|meta| meta.len());
        if there.is_some() && self.store.check(&digest).is_ok() {
            return Ok(kept); // dropping the draft removes it
        }
        let folder = place.parent().unwrap_or(&self.store.shared.folder).to_owned();
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed(&folder))?;
        fs::rename(&self.path, &place).map_err(failed(&place))?;
        self.counted = 0; // the file holds it now
        // What was there was damaged: the new one heals it.
        self.store.shared.used.fetch_sub(there.unwrap_or(0), Ordering::Relaxed);
        for folder in [folder.as_path(), &self.store.shared.folder] {
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(folder))?;
        }
        Ok(kept)
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Draft::write(self, bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.counted > 0 {
            // What cannot be removed now is removed at the next start.
            let _ = fs::remove_file(&self.path);
            self.store.shared.used.fetch_sub(self.counted, Ordering::Relaxed);
        }
    }
}

/// Reads the plain bytes of a kept file. Every byte it gives was checked.
pub struct Reader {
    opener: Opener,
    path: PathBuf,
    at: u64,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Reader {
    /// Plain bytes of the file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.opener.plain_bytes()
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let from =
            self.opener.from(self.at).map_err(|broken| io::Error::other(FilesError::broken(&self.path, broken)))?;
        let count = from.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), from.get(..count)) {
            to.copy_from_slice(from);
        }
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.opener.plain_bytes().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = target.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a place before the beginning"))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests;
