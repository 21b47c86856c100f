//! What can go wrong with code systems, in words for whoever loads them. Public data: names of columns may be shown.

use std::path::{Path, PathBuf};

/// An error of the terminology. The code systems loaded before are untouched by a failed step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TerminologyError {
    /// The file's name does not say what it is.
    #[error(
        "HAECHI-0240: nothing tells which table of {system} this file is\n  file    {file}\n  effect  nothing of this import was loaded\n  to do   keep the publisher's file name; docs/src/terminology.md lists those that are read"
    )]
    UnknownFile {
        /// File name.
        file: String,
        /// The code system asked for.
        system: &'static str,
    },
    /// The heading lacks a column.
    #[error(
        "HAECHI-0241: the table has no column for {what}\n  file    {file}\n  found   {found}\n  effect  nothing of this import was loaded\n  to do   name it with --column {what}=HEADING, or check that this is a table of {system}"
    )]
    MissingColumn {
        /// File name.
        file: String,
        /// The field without a column.
        what: &'static str,
        /// The code system asked for.
        system: &'static str,
        /// The headings found, shortened.
        found: String,
    },
    /// The file cannot be read as what it should be.
    #[error(
        "HAECHI-0242: the file cannot be read as {expected}: {what}\n  file    {file}\n  effect  nothing of this import was loaded\n  to do   download it again from its publisher and unpack it; an unpacked file must not be edited"
    )]
    Unreadable {
        /// File name.
        file: String,
        /// The format.
        expected: &'static str,
        /// What is wrong and where.
        what: String,
    },
    /// More than this appliance takes.
    #[error(
        "HAECHI-0243: the file is larger than a table of codes may be: {what}\n  file    {file}\n  effect  nothing of this import was loaded\n  to do   check that this is the table it should be"
    )]
    TooLarge {
        /// File name.
        file: String,
        /// Which bound.
        what: String,
    },
    /// No row of the file could be used.
    #[error(
        "HAECHI-0244: no row of the file could be used; the first one put aside: {first}\n  file    {file}\n  effect  nothing of this import was loaded\n  to do   check the columns against docs/src/terminology.md"
    )]
    NothingUsable {
        /// File name.
        file: String,
        /// Line and reason.
        first: String,
    },
    /// The period is upside down, or a date is none.
    #[error(
        "HAECHI-0245: the period of validity is wrong: {what}\n  effect  nothing was loaded\n  to do   give --from and --to as YYYY-MM-DD, the first not after the second"
    )]
    Period {
        /// What is wrong.
        what: String,
    },
    /// The store failed.
    #[error("HAECHI-0246: the store of code systems failed: {what}\n  file    {}\n  effect  the step was undone whole; records and answers go on, without names from code systems\n  to do   make room if the disk is full; else move the file away and load the code systems again", path.display())]
    Store {
        /// The store.
        path: PathBuf,
        /// SQLite's words.
        what: String,
    },
    /// The store opens with another key, or is damaged.
    #[error("HAECHI-0247: the store of code systems does not open with this site's key\n  file    {}\n  effect  nothing was changed; records and answers go on, without names from code systems\n  to do   move the file away and load the code systems again: it holds nothing of patients", path.display())]
    WrongKey {
        /// The store.
        path: PathBuf,
    },
    /// A newer release wrote it.
    #[error("HAECHI-0248: the store of code systems was written by a newer release (schema {found}, this one reads {known})\n  file    {}\n  effect  nothing was changed; answers go on without names from code systems\n  to do   install that release again, or move the file away and load the code systems again", path.display())]
    NewerSchema {
        /// The store.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// What this release reads.
        known: i64,
    },
}

impl TerminologyError {
    pub(crate) fn store(path: &Path, error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => Self::WrongKey { path: path.to_owned() },
            _ => Self::Store { path: path.to_owned(), what: error.to_string() },
        }
    }
}
