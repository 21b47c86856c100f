//! The way back.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::{BackupError, at};
use crate::key::{RecoveryKey, hex};
use crate::pack::{self, Counted, PackFacts};
use crate::repository::Repository;
use crate::snapshot::{self, FileFacts};

/// Longest piece that is believed.
const MAX_PIECE: u32 = 16 << 20;

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// The snapshot.
    pub id: String,
    /// When it was begun: what came later is not in it.
    pub made: Timestamp,
    /// Files written.
    pub files: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// Writes the state of `snapshot` (the newest if `None`) into `target`, which is new or empty. The files are written beside
/// it; `check` looks at them there, and only then they are moved into place.
///
/// # Errors
/// [`BackupError`]; then `target` is as it was.
pub fn restore(
    folder: &Path,
    key: &RecoveryKey,
    snapshot: Option<&str>,
    target: &Path,
    check: &mut dyn FnMut(&Path) -> Result<(), String>,
    progress: &mut dyn FnMut(u64),
) -> Result<Restored, BackupError> {
    let keys = key.keys();
    let repository = Repository::open(folder, &keys)?;
    let (headers, mut faults) = repository.headers(&keys)?;
    let wanted = match snapshot {
        Some(id) => headers.iter().find(|header| header.id == id),
        None => headers.last(),
    };
    let Some(wanted) = wanted else {
        let id = snapshot.unwrap_or("newest").to_owned();
        // A damaged one that was asked for is told as what it is.
        let fault = faults.iter().position(|fault| fault.to_string().contains(&id));
        return Err(fault.map_or(BackupError::NoSnapshot { id }, |at| faults.swap_remove(at)));
    };
    let path = repository.snapshot_file(&wanted.id);
    let (header, rest) = snapshot::open(&path, &keys)?;
    let manifest = snapshot::manifest(&path, &snapshot::sealed_manifest(&path, &header, rest)?, key)?;

    if fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(BackupError::NotEmpty { path: target.to_owned() });
    }
    let draft = beside(target)?;
    let staged = Staged { folder: draft };
    let files = staged.make(&path, &manifest.files)?;
    write_pieces(&repository.packs_folder(), &header.packs, key, &manifest.files, &files, progress)?;
    for (facts, file) in manifest.files.iter().zip(&files) {
        let sound = digest(file).map_err(at(&staged.folder, "read what was restored"))?;
        if sound != facts.sha256 {
            let why = format!("the file {} came out as another than was copied", facts.name);
            return Err(BackupError::Damaged { path, why });
        }
        file.sync_all().map_err(at(&staged.folder, "write what was restored"))?;
    }
    check(&staged.folder).map_err(|why| BackupError::Unsound { why })?;
    staged.move_to(target)?;
    Ok(Restored { id: header.id, made: header.made, files: header.files, bytes: header.bytes })
}

/// A new folder beside `target`, on the same file system, so that moving it is one step.
fn beside(target: &Path) -> Result<PathBuf, BackupError> {
    let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = target.with_file_name(format!("{name}.restoring-{}", uuid::Uuid::new_v4().simple()));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(at(&folder, "make the folder to restore into"))?;
    Ok(folder)
}

/// What is being restored; removed if it does not come to its end.
struct Staged {
    folder: PathBuf,
}

impl Staged {
    /// Makes the files, empty.
    fn make(&self, snapshot: &Path, all: &[FileFacts]) -> Result<Vec<File>, BackupError> {
        let mut files = Vec::new();
        for facts in all {
            let name = Path::new(&facts.name);
            let inside = name.components().all(|part| matches!(part, Component::Normal(_))) && !facts.name.is_empty();
            let pieces: u64 = facts.pieces.iter().map(|piece| u64::from(piece.2)).sum();
            if !inside || pieces != facts.bytes || facts.pieces.iter().any(|piece| piece.2 > MAX_PIECE) {
                let why = "its list of files makes no sense".into();
                return Err(BackupError::Damaged { path: snapshot.to_owned(), why });
            }
            let path = self.folder.join(name);
            let failed = at(&path, "write what is restored");
            if let Some(parent) = path.parent() {
                DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(&failed)?;
            }
            let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path);
            files.push(file.map_err(&failed)?);
        }
        Ok(files)
    }

    fn move_to(self, target: &Path) -> Result<(), BackupError> {
        let failed = at(target, "put what was restored in place");
        // Replaces an empty folder, and nothing else.
        fs::rename(&self.folder, target).map_err(&failed)?;
        if let Some(parent) = target.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            File::open(parent).and_then(|parent| parent.sync_all()).map_err(&failed)?;
        }
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After `move_to` there is nothing here any more.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Of one pack: where a piece begins, its bytes, and the places it goes to (number of the file, position in it).
type Wanted = BTreeMap<u64, (u32, Vec<(usize, u64)>)>;

/// Reads every pack once, from its beginning, and puts its pieces where they belong.
fn write_pieces(
    folder: &Path,
    packs: &[PackFacts],
    key: &RecoveryKey,
    all: &[FileFacts],
    files: &[File],
    progress: &mut dyn FnMut(u64),
) -> Result<(), BackupError> {
    let mut wanted: Vec<Wanted> = vec![Wanted::new(); packs.len()];
    let nonsense =
        || BackupError::Damaged { path: folder.to_owned(), why: "a snapshot names a pack it does not list".into() };
    for (number, facts) in all.iter().enumerate() {
        let mut position = 0;
        for (pack, begins, bytes) in &facts.pieces {
            let places = wanted.get_mut(*pack as usize).ok_or_else(nonsense)?;
            let (known, goes) = places.entry(*begins).or_insert_with(|| (*bytes, Vec::new()));
            if known != bytes {
                return Err(nonsense());
            }
            goes.push((number, position));
            position += u64::from(*bytes);
        }
    }
    let mut buffer = zeroize::Zeroizing::new(Vec::new());
    for (facts, places) in packs.iter().zip(wanted) {
        let path = facts.path(folder).ok_or_else(nonsense)?;
        let damaged = |error: io::Error| BackupError::Damaged { path: path.clone(), why: error.to_string() };
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged(error)),
            opened => opened.map_err(at(&path, "read a pack"))?,
        };
        let counted = BufReader::with_capacity(1 << 20, Counted::new(file));
        let mut reader = pack::decrypt(key, counted).map_err(damaged)?;
        let mut position = 0;
        for (begins, (bytes, goes)) in places {
            let gap = begins.checked_sub(position).ok_or_else(nonsense)?;
            let skipped = io::copy(&mut reader.by_ref().take(gap), &mut io::sink()).map_err(damaged)?;
            if skipped != gap {
                return Err(damaged(io::ErrorKind::UnexpectedEof.into()));
            }
            buffer.resize(bytes as usize, 0);
            reader.read_exact(&mut buffer).map_err(damaged)?;
            position = begins + u64::from(bytes);
            for (number, at_byte) in goes {
                let file = files.get(number).ok_or_else(nonsense)?;
                file.write_all_at(&buffer, at_byte).map_err(at(&path, "write what is restored"))?;
                progress(u64::from(bytes));
            }
        }
    }
    Ok(())
}

fn digest(file: &File) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut position = 0;
    loop {
        let read = file.read_at(&mut buffer, position)?;
        if read == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..read]);
        position += read as u64;
    }
}
