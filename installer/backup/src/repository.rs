//! The folder that holds packs and snapshots.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::error::{BackupError, at};
use crate::key::Keys;
use crate::pack;
use crate::snapshot::{self, Header, Listed};

const FORMAT: u32 = 1;
const ENDING: &str = "snapshot";

/// A repository that belongs to the site.
#[derive(Debug)]
pub struct Repository {
    folder: PathBuf,
    id: String,
}

/// `repository.json`: anybody may read it.
#[derive(Serialize, Deserialize)]
struct Card {
    haechi_backup: u32,
    id: String,
    recipient: String,
}

/// What pruning did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// Snapshots removed.
    pub removed: usize,
    /// Snapshots that stay.
    pub kept: usize,
    /// Bytes freed.
    pub freed: u64,
}

/// Held while packs are written or removed.
pub(crate) struct Lock {
    _file: File,
}

impl Repository {
    /// Makes a repository in `folder`, which is new or empty; opens it if it is the site's already.
    ///
    /// # Errors
    /// [`BackupError`]: foreign contents, another key, no right to write.
    pub fn init(folder: &Path, keys: &Keys) -> Result<Self, BackupError> {
        if card_file(folder).exists() {
            return Self::open(folder, keys);
        }
        let failed = at(folder, "make the repository");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(&failed)?;
        if fs::read_dir(folder).map_err(&failed)?.filter_map(Result::ok).any(|entry| entry.file_name() != "lost+found")
        {
            let why = "there are other files in it".into();
            return Err(BackupError::NoRepository { path: folder.to_owned(), why });
        }
        for name in ["packs", "snapshots"] {
            fs::DirBuilder::new().mode(0o700).create(folder.join(name)).map_err(&failed)?;
        }
        let card =
            Card { haechi_backup: FORMAT, id: uuid::Uuid::new_v4().simple().to_string(), recipient: keys.recipient() };
        let text = serde_json::to_string_pretty(&card).map_err(|error| failed(error.into()))?;
        fs::write(card_file(folder), text).map_err(&failed)?;
        Ok(Self { folder: folder.to_owned(), id: card.id })
    }

    /// Opens the site's repository.
    ///
    /// # Errors
    /// [`BackupError::NoRepository`], [`BackupError::OtherKey`].
    pub fn open(folder: &Path, keys: &Keys) -> Result<Self, BackupError> {
        let none = |why: String| BackupError::NoRepository { path: folder.to_owned(), why };
        let mut text = String::new();
        let file = File::open(card_file(folder)).map_err(|error| none(format!("repository.json: {error}")))?;
        file.take(4096).read_to_string(&mut text).map_err(|error| none(format!("repository.json: {error}")))?;
        let card: Card = serde_json::from_str(&text).map_err(|_| none("repository.json is not understood".into()))?;
        if card.haechi_backup != FORMAT {
            return Err(none(format!("it has format {}, and this program reads {FORMAT}", card.haechi_backup)));
        }
        if !snapshot::is_id(&card.id) {
            return Err(none("repository.json is not understood".into()));
        }
        if card.recipient != keys.recipient() {
            return Err(BackupError::OtherKey { path: folder.to_owned() });
        }
        Ok(Self { folder: folder.to_owned(), id: card.id })
    }

    /// Its name, never used twice.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its snapshots, oldest first, and the faults of those that cannot be used.
    ///
    /// # Errors
    /// [`BackupError::Files`].
    pub fn list(&self, keys: &Keys) -> Result<(Vec<Listed>, Vec<BackupError>), BackupError> {
        let (headers, faults) = self.headers(keys)?;
        Ok((headers.iter().map(Header::listed).collect(), faults))
    }

    /// Checks seals and checksums of every snapshot and pack, without opening one.
    ///
    /// # Errors
    /// [`BackupError::Files`]. What is damaged is listed, not an error.
    pub fn verify(&self, keys: &Keys, progress: &mut dyn FnMut(u64)) -> Result<(usize, Vec<BackupError>), BackupError> {
        let (headers, mut faults) = self.headers(keys)?;
        let mut seen = HashSet::new();
        for header in &headers {
            let path = self.snapshot_file(&header.id);
            let whole =
                snapshot::open(&path, keys).and_then(|(header, rest)| snapshot::sealed_manifest(&path, &header, rest));
            faults.extend(whole.err());
            for facts in header.packs.iter().filter(|facts| seen.insert(facts.name.clone())) {
                faults.extend(pack::check(&self.packs_folder(), facts).err());
                progress(facts.bytes);
            }
        }
        Ok((headers.len(), faults))
    }

    /// Keeps the newest `keep` snapshots (at least one) and removes the others with the packs that only they need.
    /// Snapshots that cannot be read keep everything: a fault must not become a loss.
    ///
    /// # Errors
    /// [`BackupError::Busy`], [`BackupError::Files`], and the fault of the first unreadable snapshot.
    pub fn prune(&self, keys: &Keys, keep: usize) -> Result<Pruned, BackupError> {
        let _lock = self.lock()?;
        let (mut headers, mut faults) = self.headers(keys)?;
        if !faults.is_empty() {
            return Err(faults.remove(0));
        }
        let kept = headers.split_off(headers.len().saturating_sub(keep.max(1)));
        for header in &headers {
            let path = self.snapshot_file(&header.id);
            fs::remove_file(&path).map_err(at(&path, "remove a snapshot"))?;
        }
        let named = kept.iter().flat_map(|header| &header.packs).map(|facts| facts.name.clone()).collect();
        let freed = pack::remove_others(&self.packs_folder(), &named)?;
        Ok(Pruned { removed: headers.len(), kept: kept.len(), freed })
    }

    /// All headers that carry the site's seal, oldest first, and the faults of the others.
    pub(crate) fn headers(&self, keys: &Keys) -> Result<(Vec<Header>, Vec<BackupError>), BackupError> {
        let folder = self.folder.join("snapshots");
        let failed = at(&folder, "list the snapshots");
        let (mut headers, mut faults) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(&folder).map_err(&failed)? {
            let path = entry.map_err(&failed)?.path();
            if path.extension().is_none_or(|ending| ending != ENDING) {
                continue;
            }
            match snapshot::open(&path, keys) {
                Ok((header, _)) => headers.push(header),
                Err(fault) => faults.push(fault),
            }
        }
        headers.sort_by(|one, other| (one.made, &one.id).cmp(&(other.made, &other.id)));
        Ok((headers, faults))
    }

    pub(crate) fn lock(&self) -> Result<Lock, BackupError> {
        let path = self.folder.join("lock");
        let failed = at(&path, "lock the repository");
        let file = File::options().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(&failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(BackupError::Busy { path }),
            Err(error) => Err(failed(error.into())),
        }
    }

    pub(crate) fn packs_folder(&self) -> PathBuf {
        self.folder.join("packs")
    }

    pub(crate) fn snapshot_file(&self, id: &str) -> PathBuf {
        self.folder.join("snapshots").join(format!("{id}.{ENDING}"))
    }
}

fn card_file(folder: &Path) -> PathBuf {
    folder.join("repository.json")
}
