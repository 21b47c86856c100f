//! Packs: many pieces in one `age` file.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{BackupError, at};
use crate::key::{Keys, RecoveryKey, hex};

/// A pack is closed when it holds this much: large enough for few files, small enough to be copied again after a fault.
pub(crate) const PACK_BYTES: u64 = 256 << 20;

/// A pack as snapshots name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct PackFacts {
    /// File name without ending: 32 hexadecimal digits.
    pub(crate) name: String,
    /// Size of the encrypted file.
    pub(crate) bytes: u64,
    /// Of the encrypted file, hexadecimal.
    pub(crate) sha256: String,
}

impl PackFacts {
    /// Where it lies in `folder`; `None` if the name could lead elsewhere.
    pub(crate) fn path(&self, folder: &Path) -> Option<PathBuf> {
        let sound = self.name.len() == 32 && self.name.bytes().all(|byte| byte.is_ascii_hexdigit());
        sound.then(|| folder.join(format!("{}.age", self.name)))
    }
}

/// The pack that is written now.
pub(crate) struct PackWriter {
    draft: PathBuf,
    path: PathBuf,
    name: String,
    plain: u64,
    output: age::stream::StreamWriter<Counted<BufWriter<File>>>,
}

impl PackWriter {
    pub(crate) fn begin(folder: &Path, keys: &Keys) -> Result<Self, BackupError> {
        let name = uuid::Uuid::new_v4().simple().to_string();
        let path = folder.join(format!("{name}.age"));
        let draft = folder.join(format!("{name}.draft"));
        let failed = at(&draft, "write a pack");
        let file = File::options().write(true).create_new(true).mode(0o600).open(&draft).map_err(&failed)?;
        let output = encrypt(keys, Counted::new(BufWriter::with_capacity(1 << 20, file))).map_err(&failed)?;
        Ok(Self { draft, path, name, plain: 0, output })
    }

    /// Adds a piece and says where it begins.
    pub(crate) fn add(&mut self, piece: &[u8]) -> Result<u64, BackupError> {
        self.output.write_all(piece).map_err(at(&self.draft, "write a pack"))?;
        let begins = self.plain;
        self.plain += piece.len() as u64;
        Ok(begins)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.plain >= PACK_BYTES
    }

    /// Puts it on the disk under its name.
    pub(crate) fn end(self) -> Result<PackFacts, BackupError> {
        let failed = at(&self.draft, "write a pack");
        let (file, bytes, sha256) = self.output.finish().map_err(&failed)?.end();
        let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(&failed)?;
        fs::rename(&self.draft, &self.path).map_err(&failed)?;
        Ok(PackFacts { name: self.name, bytes, sha256: hex(&sha256) })
    }
}

/// Wraps `output` in `age` for the site's recovery key.
pub(crate) fn encrypt<W: Write>(keys: &Keys, output: W) -> io::Result<age::stream::StreamWriter<W>> {
    age::Encryptor::with_recipients(std::iter::once(keys.age_recipient()))
        .map_err(io::Error::other)?
        .wrap_output(output)
}

/// Unwraps it again.
pub(crate) fn decrypt<R: Read>(key: &RecoveryKey, input: R) -> io::Result<age::stream::StreamReader<R>> {
    let decryptor = age::Decryptor::new(input).map_err(io::Error::other)?;
    decryptor.decrypt(std::iter::once(key.identity())).map_err(io::Error::other)
}

/// Counts and hashes what passes.
pub(crate) struct Counted<T> {
    inner: T,
    bytes: u64,
    sha256: Sha256,
}

impl<T> Counted<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self { inner, bytes: 0, sha256: Sha256::new() }
    }

    pub(crate) fn end(self) -> (T, u64, [u8; 32]) {
        (self.inner, self.bytes, self.sha256.finalize().into())
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.sha256.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.sha256.update(&bytes[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

/// Checks size and digest of a pack without opening it.
pub(crate) fn check(folder: &Path, facts: &PackFacts) -> Result<(), BackupError> {
    let damaged = |why: &str| {
        let path = facts.path(folder).unwrap_or_else(|| folder.to_owned());
        Err(BackupError::Damaged { path, why: why.into() })
    };
    let Some(path) = facts.path(folder) else { return damaged("a pack's name is not sound") };
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return damaged("the pack is not there"),
        Err(error) => return Err(at(&path, "read a pack")(error)),
    };
    let mut counted = Counted::new(file);
    let mut buffer = vec![0; 1 << 20];
    while counted.read(&mut buffer).map_err(at(&path, "read a pack"))? > 0 {}
    let (_, bytes, sha256) = counted.end();
    if bytes != facts.bytes {
        return damaged(&format!("it has {bytes} bytes where {} were written", facts.bytes));
    }
    if hex(&sha256) != facts.sha256 {
        return damaged("its checksum is another");
    }
    Ok(())
}

/// Removes drafts and packs that none of `named` names; gives the bytes freed.
pub(crate) fn remove_others(folder: &Path, named: &HashSet<String>) -> Result<u64, BackupError> {
    let failed = at(folder, "remove what is left over");
    let mut freed = 0;
    for entry in fs::read_dir(folder).map_err(&failed)? {
        let entry = entry.map_err(&failed)?;
        let file_name = entry.file_name();
        let Some(name) = file_name.to_str() else { continue };
        let ours = match name.rsplit_once('.') {
            Some((_, "draft")) => true,
            Some((stem, "age")) => !named.contains(stem),
            _ => false,
        };
        if ours {
            freed += entry.metadata().map_or(0, |metadata| metadata.len());
            fs::remove_file(entry.path()).map_err(&failed)?;
        }
    }
    Ok(freed)
}
