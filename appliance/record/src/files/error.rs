//! What can go wrong with a stored file, in words for whoever is called at night. Never its content.

use std::io;
use std::path::{Path, PathBuf};

use super::seal::Broken;

/// An error of the file store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// The quota is used up.
    #[error("HAECHI-0230: the quota for stored images is used up: {used} of {quota} bytes\n  folder  {}\n  effect  the object was not stored and the sender was told so; what was stored before stays\n  to do   raise `quota-gib` under [dicom] in haechi.toml, or put the folder on a larger disk", path.display())]
    Quota {
        /// The folder.
        path: PathBuf,
        /// Bytes on disk.
        used: u64,
        /// Most bytes allowed.
        quota: u64,
    },
    /// The disk is full.
    #[error("HAECHI-0231: the disk is full\n  file    {}\n  effect  the object was not stored and the sender was told so; what was stored before stays\n  to do   make room; the sender tries again", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// The bytes on the disk are not those that were written.
    #[error("HAECHI-0232: a stored file is damaged: {what}\n  file    {}\n  effect  it was not given out; all others are untouched\n  to do   check the disk, restore this file from a backup, or let the archive send the object again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which part.
        what: String,
    },
    /// The record names a file that is not there.
    #[error("HAECHI-0233: a stored file is missing\n  file    {}\n  effect  the object cannot be shown; its entry in the record stays\n  to do   restore this file from a backup, or let the archive send the object again", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Anything else the system says.
    #[error("HAECHI-0234: a stored file cannot be read or written: {what}\n  file    {}\n  effect  the step was not done\n  to do   give the user that runs haechi access to the folder, then repeat it", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// The system's words.
        what: String,
    },
}

impl FilesError {
    pub(super) fn io(path: &Path, error: &io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::Io { path, what: error.to_string() },
        }
    }

    pub(super) fn broken(path: &Path, broken: Broken) -> Self {
        match broken {
            Broken::Io(error) => Self::io(path, &error),
            Broken::Damaged(what) => Self::Damaged { path: path.to_owned(), what },
        }
    }

    /// Whether room on the disk is what is missing.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Quota { .. } | Self::DiskFull { .. })
    }
}
