//! What can go wrong with the record, in words for whoever is called at night. Never the content of a resource.

use std::path::{Path, PathBuf};

/// An error of the record. Nothing on the disk was changed by the failed step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The key file is missing though there is a record.
    #[error("HAECHI-0201: the record's key is missing: {}\n  effect  the record cannot be opened; it is untouched\n  to do   put the key file back from its safe copy; without it nobody can read the record", path.display())]
    KeyMissing {
        /// Where the key should be.
        path: PathBuf,
    },
    /// The key file cannot be used.
    #[error("HAECHI-0202: the record's key cannot be used: {why}\n  file    {}\n  effect  the record was not opened\n  to do   {remedy}", path.display())]
    KeyUnusable {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The file is no record, or the key is another's; the cipher cannot tell which.
    #[error("HAECHI-0203: the record does not open with this key\n  file    {}\n  effect  nothing was changed\n  to do   put the key file that belongs to this record beside it; if it is the right one, the file's first page is damaged: restore a backup", path.display())]
    WrongKey {
        /// The record.
        path: PathBuf,
    },
    /// The file is a SQLite database without encryption, or something else altogether.
    #[error("HAECHI-0204: the file is not an encrypted record\n  file    {}\n  effect  nothing was changed\n  to do   move it away; an empty record is made in its place", path.display())]
    NotARecord {
        /// The file.
        path: PathBuf,
    },
    /// A newer release wrote it.
    #[error("HAECHI-0205: the record was written by a newer release (schema {found}, this one reads up to {known})\n  file    {}\n  effect  nothing was changed\n  to do   install that release again, or a newer one", path.display())]
    NewerSchema {
        /// The record.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest this release knows.
        known: i64,
    },
    /// The disk, or the quota, is full.
    #[error("HAECHI-0206: the disk is full\n  file    {}\n  effect  the last step was undone whole; what was acknowledged before is safe\n  to do   make room, then repeat it", path.display())]
    DiskFull {
        /// The record.
        path: PathBuf,
    },
    /// The file is damaged.
    #[error("HAECHI-0207: the record's file is damaged: {what}\n  file    {}\n  effect  the step was not done; the file was left as it is\n  to do   stop the appliance, keep this file, restore the newest backup, import what came since", path.display())]
    Damaged {
        /// The record.
        path: PathBuf,
        /// SQLite's words.
        what: String,
    },
    /// The file or its folder may not be written.
    #[error("HAECHI-0208: the record cannot be written: {what}\n  file    {}\n  effect  the step was not done\n  to do   give the user that runs haechi write access to the file and its folder", path.display())]
    NotWritable {
        /// The record.
        path: PathBuf,
        /// The system's words.
        what: String,
    },
    /// Another process holds the record.
    #[error("HAECHI-0209: another process is writing to the record and does not let go\n  file    {}\n  effect  the step was not done\n  to do   wait for the import that runs, or stop the process, then repeat it", path.display())]
    Busy {
        /// The record.
        path: PathBuf,
    },
    /// An identifier that several patients have.
    #[error(
        "HAECHI-0210: {count} patients have this identifier\n  effect  nothing was read\n  to do   give the FHIR id, or `system|value`; `haechi patient list` shows both"
    )]
    AmbiguousPatient {
        /// How many.
        count: usize,
    },
    /// A merge that would close a circle.
    #[error(
        "HAECHI-0211: a merge would make a patient part of itself\n  effect  the merge was not done\n  to do   check the A40 message: MRG-1 and PID-3 are merged the other way round already; `haechi patient unmerge` takes that back"
    )]
    MergeCircle,
    /// A merge of a patient who is part of another one already.
    #[error(
        "HAECHI-0213: a merge names a patient who was merged into another one before\n  effect  the merge was not done\n  to do   check the A40 message against the earlier one; if that one was wrong, take it back with `haechi patient unmerge`"
    )]
    MergedElsewhere,
    /// A patient to be parted who is part of nobody.
    #[error(
        "HAECHI-0214: the patient is not merged into another one\n  effect  nothing was changed\n  to do   `haechi patient merges` shows who is; name the patient who was merged, not the one who remained"
    )]
    NotMerged,
    /// Anything else SQLite says.
    #[error("HAECHI-0212: the record failed: {what}\n  file    {}\n  effect  the step was undone whole\n  to do   run `haechi doctor`; if it finds nothing, report this text", path.display())]
    Failed {
        /// The record.
        path: PathBuf,
        /// SQLite's words.
        what: String,
    },
}

impl RecordError {
    /// Reads SQLite's error as one of ours.
    pub(crate) fn of(path: &Path, error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let path = path.to_owned();
        let what = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull { path },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, what },
            Some(ErrorCode::NotADatabase) if is_plain(&path) => Self::NotARecord { path },
            Some(ErrorCode::NotADatabase) => Self::WrongKey { path },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                Self::NotWritable { path, what }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path },
            _ => Self::Failed { path, what },
        }
    }
}

/// True for an unencrypted SQLite file: an encrypted one starts with random salt.
fn is_plain(path: &Path) -> bool {
    use std::io::Read;
    let mut head = [0; 16];
    std::fs::File::open(path)
        .and_then(|mut file| file.read_exact(&mut head))
        .is_ok_and(|()| &head == b"SQLite format 3\0")
}
