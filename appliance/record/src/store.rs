//! The encrypted file: opening it safely, one writer, many readers.
//!
//! Writing is one durable transaction at a time ([`Writer`]); reading goes through connections of its own and never waits
//! for a writer (WAL). A chart is read by [`Store::chart`], which names the patient's ids in every query it makes.

mod facets;
mod fed;
mod find;
mod imaging;
mod intake;
mod merges;
mod reader;
mod writer;

use std::path::Path;
use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use rusqlite::Connection;

pub use crate::file::{Health, OpenOptions, Synchronous};
pub use fed::Fed;
pub use find::{Found, Page, Position, Search, Sort, SortBy, Version};
pub use imaging::{Candidate, InstanceRow, NewInstance, Placed, StudyRow};
pub use merges::{Because, MergeEvent, MergeKind, Stored};
pub(crate) use reader::instant;
pub use writer::{Put, Writer};

use crate::error::RecordError;
use crate::file::Encrypted;
use crate::key::Key;
use crate::migrations;

/// The record. Cheap to clone: all clones share their connections.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Encrypted>,
}

/// A line of the patient list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatientRow {
    /// Logical id of the surviving Patient.
    pub id: String,
    /// Official name as recorded, or empty.
    pub name: String,
    /// As recorded.
    pub birth_date: Option<String>,
    /// FHIR administrative gender.
    pub sex: Option<String>,
    /// (system, value); the numbers of patients merged into this one follow its own.
    pub identifiers: Vec<(String, String)>,
    /// Current resources about the patient, merged ids included.
    pub resources: u64,
}

/// How much is in the record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Patients, merged ones counted once.
    pub patients: u64,
    /// Current resources of all types.
    pub resources: u64,
    /// Versions, current ones included.
    pub versions: u64,
    /// HL7 v2 messages.
    pub messages: u64,
    /// Items put aside.
    pub rejected: u64,
    /// When data last came.
    pub last_received: Option<Timestamp>,
}

impl Store {
    /// Opens the record, made with mode 0600 if absent, and brings its schema up to date.
    ///
    /// # Errors
    /// [`RecordError`]: wrong key, no record, newer schema, damage, no space, no right to write. Nothing is changed then.
    pub fn open(file: &Path, key: &Key) -> Result<Self, RecordError> {
        Self::open_with(file, key, &OpenOptions::default())
    }

    /// [`Store::open`] for tests of the disk.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with(file: &Path, key: &Key, options: &OpenOptions) -> Result<Self, RecordError> {
        let encrypted = Encrypted::open(file, key, options, migrations::RECORD)?;
        {
            let mut writer = encrypted.writer.lock().unwrap_or_else(PoisonError::into_inner);
            tune(&writer).and_then(|()| facets::refresh(&mut writer)).map_err(|error| RecordError::of(file, &error))?;
        }
        Ok(Self { shared: Arc::new(encrypted) })
    }

    /// One durable transaction: on the disk when this returns `Ok`; as if it had never been if `f` or the commit fails.
    ///
    /// # Errors
    /// Those of `f`, and those of the disk.
    pub fn write<T>(&self, f: impl FnOnce(&mut Writer<'_>) -> Result<T, RecordError>) -> Result<T, RecordError> {
        self.write_or(f)
    }

    /// [`Store::write`] for work that can fail in ways of its own: nothing stays of it then.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn write_or<T, E: From<RecordError>>(&self, f: impl FnOnce(&mut Writer<'_>) -> Result<T, E>) -> Result<T, E> {
        self.shared.write(|transaction| f(&mut Writer::new(transaction, self.shared.path())))
    }

    /// How many transactions this process has written by [`Store::write`] and [`Store::write_or`]. Asked before reading, it is
    /// what [`Store::write_since`] needs to know whether what was read still stands.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.shared.written()
    }

    /// [`Store::write`] for what was worked out from the record as it stood when [`Store::written`] said `written`. `None`:
    /// somebody else has written since, and nothing was done. It does not count itself: a caller knows what it wrote.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn write_since<T>(
        &self,
        written: u64,
        f: impl FnOnce(&mut Writer<'_>) -> Result<T, RecordError>,
    ) -> Result<Option<T>, RecordError> {
        self.shared.write_since(written, |transaction| f(&mut Writer::new(transaction, self.shared.path())))
    }

    /// Lends a reading connection.
    fn read<T>(&self, f: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, RecordError> {
        self.shared.read(f)
    }
}

/// What the writer needs more of than readers: a batch of messages touches a few thousand pages, and a page that is changed
/// again before the log is copied into the file is copied once. 24 MiB of pages, 64 MiB of log.
fn tune(writer: &Connection) -> rusqlite::Result<()> {
    writer.execute_batch("PRAGMA cache_size = -24576; PRAGMA wal_autocheckpoint = 16384;")
}

#[cfg(test)]
mod tests;
