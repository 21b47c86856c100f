//! Adding a snapshot.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::error::{BackupError, at};
use crate::index::{Index, Place};
use crate::key::{Keys, hex};
use crate::pack::{self, PackFacts, PackWriter};
use crate::repository::Repository;
use crate::snapshot::{self, FileFacts, Header, Listed, Manifest};
use crate::source::{Content, Pin, Source};

/// A piece of a database: sixteen pages, so that one changed page costs little and the list stays short.
const DATABASE_PIECE: usize = 64 << 10;
/// A piece of other files, which change as a whole.
const FILE_PIECE: usize = 1 << 20;
/// The log was begun anew while it was read; it is read again, at most this often.
const LOG_TRIES: usize = 10;
/// SQLite's log header: salts at 16 to 24 change when it is begun anew.
const LOG_HEADER_BYTES: usize = 32;

/// Adds a snapshot of `sources` to `repository`. `memory` is the folder where the appliance remembers what it copied.
/// `progress` is told the bytes of every piece read.
///
/// # Errors
/// [`BackupError`]; then no snapshot was added, and what was written for it is removed at the next one.
pub fn create(
    repository: &Repository,
    keys: &Keys,
    memory: &Path,
    sources: Vec<Source>,
    now: Timestamp,
    progress: &mut dyn FnMut(u64),
) -> Result<Listed, BackupError> {
    let _lock = repository.lock()?;
    let (headers, faults) = repository.headers(keys)?;
    let packs = repository.packs_folder();
    // What a broken-off backup left. A snapshot that cannot be read might need packs that look left over: then all stay.
    if faults.is_empty() {
        let named = headers.iter().flat_map(|header| &header.packs).map(|facts| facts.name.clone()).collect();
        pack::remove_others(&packs, &named)?;
    }
    let memory_file = memory.join(format!("known-{}", repository.id()));
    let mut index = Index::load(&memory_file);
    // Only packs that a sealed snapshot names and that lie there at full size can be built upon.
    let trusted: HashSet<&PackFacts> = headers.iter().flat_map(|header| &header.packs).collect();
    index.retain(|facts| {
        let size = facts.path(&packs).and_then(|path| fs::metadata(path).ok()).map(|metadata| metadata.len());
        trusted.contains(facts) && size == Some(facts.bytes)
    });
    let mut copy = Copy { keys, packs, index, open: None, added: 0, bytes: 0, progress };
    let mut manifest = Manifest::default();
    for source in sources {
        copy.source(source, &mut manifest)?;
    }
    let (index, added, bytes) = copy.end()?;
    let used: HashSet<u32> = manifest.files.iter().flat_map(|file| &file.pieces).map(|piece| piece.0).collect();
    // Numbers in the manifest count the packs that this snapshot needs.
    let mut numbers = vec![0; index.packs.len()];
    let mut needed = Vec::new();
    for (old, facts) in index.packs.iter().enumerate() {
        if u32::try_from(old).is_ok_and(|old| used.contains(&old)) {
            numbers[old] = u32::try_from(needed.len()).unwrap_or(u32::MAX);
            needed.push(facts.clone());
        }
    }
    for piece in manifest.files.iter_mut().flat_map(|file| &mut file.pieces) {
        piece.0 = numbers.get(piece.0 as usize).copied().unwrap_or(u32::MAX);
    }
    let random = uuid::Uuid::new_v4().simple().to_string();
    let header = Header {
        format: 0, // set where it is written
        id: format!("{}-{}", now.strftime("%Y%m%dT%H%M%SZ"), random.get(..8).unwrap_or(&random)),
        made: now,
        bytes,
        added,
        files: manifest.files.len() as u64,
        packs: needed,
        manifest_bytes: 0,
        manifest_sha256: String::new(),
    };
    let path = repository.snapshot_file(&header.id);
    let header = snapshot::write(&path, keys, header, &manifest)?;
    index.store(&memory_file)?;
    Ok(header.listed())
}

/// The copying of one snapshot.
struct Copy<'c> {
    keys: &'c Keys,
    packs: PathBuf,
    index: Index,
    /// The pack written now; its number is the length of `index.packs`.
    open: Option<PackWriter>,
    added: u64,
    bytes: u64,
    progress: &'c mut dyn FnMut(u64),
}

impl Copy<'_> {
    fn source(&mut self, source: Source, manifest: &mut Manifest) -> Result<(), BackupError> {
        match source.content {
            Content::Bytes(bytes) => {
                let facts = self.file(source.name, &mut bytes.as_slice(), Path::new("memory"), FILE_PIECE)?;
                manifest.files.push(facts);
            }
            Content::File(path) => {
                let mut file = File::open(&path).map_err(at(&path, "read a file of the site"))?;
                manifest.files.push(self.file(source.name, &mut file, &path, FILE_PIECE)?);
            }
            Content::Database { path, pin } => self.database(source.name, &path, pin, manifest)?,
        }
        Ok(())
    }

    /// The main file while it is pinned, then the log. The log may be begun anew between two reads of it: frames of the old
    /// one over pages that are newer would take them back, so it is then read again, whole.
    fn database(&mut self, name: String, path: &Path, pin: Pin, manifest: &mut Manifest) -> Result<(), BackupError> {
        let failed = |why: String| BackupError::Database { path: path.to_owned(), why };
        let pinned = pin().map_err(failed)?;
        let mut main = File::open(path).map_err(at(path, "read a database"))?;
        manifest.files.push(self.file(name.clone(), &mut main, path, DATABASE_PIECE)?);
        let mut log_path = path.as_os_str().to_owned();
        log_path.push("-wal");
        let log_path = PathBuf::from(log_path);
        for _ in 0..LOG_TRIES {
            let mut log = match File::open(&log_path) {
                Ok(log) => log,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(at(&log_path, "read a database's log")(error)),
            };
            let before = log_header(&log).map_err(at(&log_path, "read a database's log"))?;
            let facts = self.file(format!("{name}-wal"), &mut log, &log_path, DATABASE_PIECE)?;
            if log_header(&log).map_err(at(&log_path, "read a database's log"))? == before {
                if facts.bytes > 0 {
                    manifest.files.push(facts);
                }
                drop(pinned);
                return Ok(());
            }
            self.bytes -= facts.bytes;
        }
        Err(failed("its log changed faster than it could be read".into()))
    }

    fn file(
        &mut self,
        name: String,
        input: &mut dyn Read,
        path: &Path,
        piece_bytes: usize,
    ) -> Result<FileFacts, BackupError> {
        let mut facts = FileFacts { name, bytes: 0, sha256: String::new(), pieces: Vec::new() };
        let mut hasher = Sha256::new();
        let mut buffer = zeroize::Zeroizing::new(vec![0; piece_bytes]);
        loop {
            let filled = fill(input, &mut buffer).map_err(at(path, "read a file of the site"))?;
            let piece = &buffer[..filled];
            if piece.is_empty() {
                break;
            }
            hasher.update(piece);
            facts.pieces.push(self.piece(piece)?);
            facts.bytes += filled as u64;
            self.bytes += filled as u64;
            (self.progress)(filled as u64);
        }
        facts.sha256 = hex(&hasher.finalize());
        Ok(facts)
    }

    fn piece(&mut self, piece: &[u8]) -> Result<(u32, u64, u32), BackupError> {
        let id = self.keys.mac("piece 1", piece);
        if let Some(place) = self.index.pieces.get(&id) {
            return Ok((place.pack, place.begins, place.bytes));
        }
        let writer = match &mut self.open {
            Some(writer) => writer,
            none => none.insert(PackWriter::begin(&self.packs, self.keys)?),
        };
        let begins = writer.add(piece)?;
        let full = writer.is_full();
        // Pieces are at most FILE_PIECE long, and packs are counted in thousands.
        let bytes = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        let pack = u32::try_from(self.index.packs.len()).unwrap_or(u32::MAX);
        self.index.pieces.insert(id, Place { pack, begins, bytes });
        if full {
            self.close()?;
        }
        Ok((pack, begins, bytes))
    }

    fn close(&mut self) -> Result<(), BackupError> {
        if let Some(writer) = self.open.take() {
            let facts = writer.end()?;
            self.added += facts.bytes;
            self.index.packs.push(facts);
        }
        Ok(())
    }

    fn end(mut self) -> Result<(Index, u64, u64), BackupError> {
        self.close()?;
        // Names of packs are on the disk before a snapshot names them.
        let failed = at(&self.packs, "write a pack");
        File::open(&self.packs).and_then(|folder| folder.sync_all()).map_err(&failed)?;
        Ok((self.index, self.added, self.bytes))
    }
}

fn log_header(log: &File) -> io::Result<Vec<u8>> {
    let mut header = vec![0; LOG_HEADER_BYTES];
    let read = log.read_at(&mut header, 0)?;
    header.truncate(read);
    Ok(header)
}

/// Fills `buffer` as far as the input reaches.
fn fill(input: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
