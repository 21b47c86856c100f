//! What can go wrong with a backup, for whoever is called at night.

use std::path::{Path, PathBuf};

/// A fault of a backup; codes `HAECHI-085x`. Snapshots that were whole stay whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// A file or folder cannot be read or written.
    #[error("HAECHI-0850: the backup cannot {doing}: {what}\n  file    {}\n  effect  no snapshot was added; earlier ones are unchanged\n  to do   check that the disk is there, writable, and has room", path.display())]
    Files {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, as in "cannot ...".
        doing: &'static str,
        /// The system's words.
        what: std::io::Error,
    },
    /// The folder is no repository.
    #[error("HAECHI-0851: this folder is no backup repository: {why}\n  file    {}\n  to do   make one with `haechi backup init --to DIR`, or name the right folder", path.display())]
    NoRepository {
        /// The folder.
        path: PathBuf,
        /// What is missing or wrong.
        why: String,
    },
    /// The repository belongs to another recovery key.
    #[error("HAECHI-0852: this repository belongs to another recovery key\n  file    {}\n  effect  nothing was written or read\n  to do   name this site's repository, or make a new one in an empty folder", path.display())]
    OtherKey {
        /// The folder.
        path: PathBuf,
    },
    /// Somebody else works on the repository.
    #[error("HAECHI-0853: another backup works on this repository\n  file    {}\n  to do   wait until it is done", path.display())]
    Busy {
        /// The lock.
        path: PathBuf,
    },
    /// A text that should be a recovery key is none.
    #[error(
        "HAECHI-0854: this is no recovery key\n  effect  nothing was read\n  to do   type the line as it was shown: it begins with AGE-SECRET-KEY-1"
    )]
    NotAKey,
    /// The keys of the site are not there or cannot be used.
    #[error("HAECHI-0855: the site's backup keys cannot be used: {why}\n  file    {}\n  to do   run `haechi backup init --to DIR` if this site never made a backup; else put the file back", path.display())]
    Keys {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A snapshot or pack is not what was written.
    #[error("HAECHI-0856: {} is damaged or was not made by this site: {why}\n  effect  it is not used\n  to do   restore another snapshot (`haechi backup list`); make a new backup soon, on another disk if this one fails", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        why: String,
    },
    /// No such snapshot.
    #[error("HAECHI-0857: there is no snapshot {id:?} in this repository\n  to do   see `haechi backup list --to DIR`")]
    NoSnapshot {
        /// As asked for.
        id: String,
    },
    /// Something is where the restored state should go.
    #[error("HAECHI-0858: the folder to restore into is not empty\n  file    {}\n  effect  nothing was written\n  to do   name a new folder, or move the old one away", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// A database could not be held still, or changed too quickly.
    #[error("HAECHI-0859: a database could not be copied: {why}\n  file    {}\n  effect  no snapshot was added\n  to do   try again; if it stays, `haechi doctor`", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// In words.
        why: String,
    },
    /// What was restored does not open.
    #[error(
        "HAECHI-0860: what the snapshot holds is not sound: {why}\n  effect  nothing was put in place\n  to do   restore an earlier snapshot"
    )]
    Unsound {
        /// In words.
        why: String,
    },
}

/// For `map_err`: an I/O error at `path` while `doing` (as in "cannot ...").
pub(crate) fn at(path: &Path, doing: &'static str) -> impl Fn(std::io::Error) -> BackupError + use<> {
    let path = path.to_owned();
    move |what| BackupError::Files { path: path.clone(), doing, what }
}
