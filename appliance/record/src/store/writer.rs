//! What may be done inside one durable transaction.

use std::path::Path;

use rusqlite::{OptionalExtension, Transaction, params};
use sha2::{Digest, Sha256};

use crate::chart::Rejected;
use crate::error::RecordError;
use crate::prepare::{PersonColumns, Prepared};

/// What became of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The record had none of this type and id.
    New,
    /// It is the current version now, the one before is kept.
    Updated,
    /// It is older than the current version (`meta.lastUpdated`) and was kept as a past one.
    Past,
    /// These very bytes are there already, as the current or as a past version.
    Unchanged,
}

/// One open transaction. See [`super::Store::write`].
#[derive(Debug)]
pub struct Writer<'a> {
    pub(super) transaction: &'a Transaction<'a>,
    path: &'a Path,
}

struct Current {
    row: i64,
    version: i64,
    digest: Vec<u8>,
    updated: Option<String>,
    patient: Option<String>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(transaction: &'a Transaction<'a>, path: &'a Path) -> Self {
        Self { transaction, path }
    }

    pub(super) fn failed(&self) -> impl Fn(rusqlite::Error) -> RecordError + '_ {
        |error| RecordError::of(self.path, &error)
    }

    /// One statement.
    pub(super) fn execute(&self, sql: &str, values: impl rusqlite::Params) -> Result<(), RecordError> {
        let run = || self.transaction.prepare_cached(sql)?.execute(values);
        run().map(|_| ()).map_err(self.failed())
    }

    /// Puts one resource in.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn put(&mut self, prepared: &Prepared) -> Result<Put, RecordError> {
        self.put_row(prepared, false).map(|(put, _)| put).map_err(self.failed())
    }

    /// Makes `prepared` the current version, whatever it says of its age and whether or not an earlier version had the same
    /// bytes; only the very bytes that are current change nothing. With it the version that is current now.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn replace(&mut self, prepared: &Prepared) -> Result<(Put, u64), RecordError> {
        self.put_row(prepared, true).map_err(self.failed())
    }

    /// Puts a version without bytes on top: what was deleted is in no chart and no search, and its versions stay. The number
    /// of that version; `None` if there is nothing to delete.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn delete(
        &mut self,
        resource_type: &str,
        id: &str,
        received: jiff::Timestamp,
    ) -> Result<Option<u64>, RecordError> {
        self.delete_row(resource_type, id, received).map_err(self.failed())
    }

    fn delete_row(&self, resource_type: &str, id: &str, received: jiff::Timestamp) -> rusqlite::Result<Option<u64>> {
        let Some(current) = self.current_row(resource_type, id)?.filter(|current| !current.digest.is_empty()) else {
            return Ok(None);
        };
        let next = self.next_version(&current)?;
        self.archive(current.row)?;
        self.transaction
            .prepare_cached(
                "UPDATE resource SET patient = NULL, version = ?2, received = ?3, updated = NULL, digest = x'', file = '', origin = NULL, raw = x''
                 WHERE row = ?1",
            )?
            .execute(params![current.row, next, received.as_millisecond()])?;
        self.transaction.prepare_cached("DELETE FROM words WHERE rowid = ?1")?.execute([current.row])?;
        self.unfacet(current.row, resource_type, current.patient.as_deref())?;
        if resource_type == "Patient" {
            self.transaction.prepare_cached("DELETE FROM patient WHERE id = ?1")?.execute([id])?;
            self.transaction.prepare_cached("DELETE FROM identifier WHERE patient = ?1")?.execute([id])?;
        }
        Ok(u64::try_from(next).ok())
    }

    fn current_row(&self, resource_type: &str, id: &str) -> rusqlite::Result<Option<Current>> {
        self.transaction
            .prepare_cached("SELECT row, version, digest, updated, patient FROM resource WHERE type = ?1 AND id = ?2")?
            .query_row((resource_type, id), |row| {
                Ok(Current {
                    row: row.get(0)?,
                    version: row.get(1)?,
                    digest: row.get(2)?,
                    updated: row.get(3)?,
                    patient: row.get(4)?,
                })
            })
            .optional()
    }

    fn next_version(&self, current: &Current) -> rusqlite::Result<i64> {
        let past = self
            .transaction
            .prepare_cached("SELECT max(version) FROM past WHERE resource = ?1")?
            .query_row([current.row], |row| row.get::<_, Option<i64>>(0))?;
        Ok(1 + past.unwrap_or(0).max(current.version))
    }

    /// Copies the current version to the past ones.
    fn archive(&self, row: i64) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(
                "INSERT INTO past (resource, version, received, digest, file, origin, raw)
                 SELECT row, version, received, digest, file, origin, raw FROM resource WHERE row = ?1",
            )?
            .execute([row])?;
        Ok(())
    }

    /// `force`: see [`Writer::replace`].
    fn put_row(&self, prepared: &Prepared, force: bool) -> rusqlite::Result<(Put, u64)> {
        let current = self.current_row(&prepared.resource_type, &prepared.id)?;
        let origin = origin_json(prepared);
        let Some(current) = current else {
            self.transaction
                .prepare_cached(
                    "INSERT INTO resource (type, id, patient, version, received, updated, digest, file, origin, raw)
                     VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6, ?7, ?8, ?9)",
                )?
                .execute(params![
                    prepared.resource_type,
                    prepared.id,
                    prepared.patient,
                    prepared.source.received.as_millisecond(),
                    prepared.updated,
                    prepared.digest.as_slice(),
                    prepared.source.file,
                    origin,
                    prepared.raw
                ])?;
            self.index(self.transaction.last_insert_rowid(), prepared)?;
            return Ok((Put::New, 1));
        };
        let standing = u64::try_from(current.version).unwrap_or(0);
        if current.digest == prepared.digest || (!force && self.is_past(current.row, prepared, origin.as_deref())?) {
            return Ok((Put::Unchanged, standing));
        }
        let next = self.next_version(&current)?;
        if !force && is_older(prepared.updated.as_deref(), current.updated.as_deref()) {
            self.transaction
                .prepare_cached(
                    "INSERT INTO past (resource, version, received, digest, file, origin, raw) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    current.row,
                    next,
                    prepared.source.received.as_millisecond(),
                    prepared.digest.as_slice(),
                    prepared.source.file,
                    origin,
                    prepared.raw
                ])?;
            return Ok((Put::Past, standing));
        }
        self.archive(current.row)?;
        self.unfacet(current.row, &prepared.resource_type, current.patient.as_deref())?;
        self.transaction
            .prepare_cached(
                "UPDATE resource SET patient = ?2, version = ?3, received = ?4, updated = ?5, digest = ?6, file = ?7, origin = ?8, raw = ?9
                 WHERE row = ?1",
            )?
            .execute(params![
                current.row,
                prepared.patient,
                next,
                prepared.source.received.as_millisecond(),
                prepared.updated,
                prepared.digest.as_slice(),
                prepared.source.file,
                origin,
                prepared.raw
            ])?;
        self.transaction.prepare_cached("DELETE FROM words WHERE rowid = ?1")?.execute([current.row])?;
        self.index(current.row, prepared)?;
        Ok((Put::Updated, u64::try_from(next).unwrap_or(0)))
    }

    /// True if these bytes are a past version: an old file imported again. A value that a *new message* brings back is news.
    fn is_past(&self, row: i64, prepared: &Prepared, origin: Option<&str>) -> rusqlite::Result<bool> {
        self.transaction
            .prepare_cached("SELECT 1 FROM past WHERE resource = ?1 AND digest = ?2 AND origin IS ?3")?
            .exists(params![row, prepared.digest.as_slice(), origin])
    }

    /// Takes the search values of a version away.
    fn unfacet(&self, row: i64, resource_type: &str, patient: Option<&str>) -> rusqlite::Result<()> {
        super::facets::remove(self.transaction, row, resource_type, patient)
    }

    pub(super) fn error(&self, error: &rusqlite::Error) -> RecordError {
        RecordError::of(self.path, error)
    }

    /// The transaction, for a search inside it.
    pub(super) fn connection(&self) -> &rusqlite::Connection {
        self.transaction
    }

    /// The words for search, the values of search parameters, and the columns of a Patient.
    fn index(&self, row: i64, prepared: &Prepared) -> rusqlite::Result<()> {
        super::facets::insert(
            self.transaction,
            row,
            &prepared.resource_type,
            prepared.patient.as_deref(),
            prepared.source.received.as_millisecond(),
            &prepared.indexed,
        )?;
        if !prepared.words.is_empty() {
            self.transaction
                .prepare_cached("INSERT INTO words (rowid, text) VALUES (?1, ?2)")?
                .execute(params![row, prepared.words])?;
        }
        match &prepared.person {
            Some(person) => self.index_person(&prepared.id, person, prepared.source.received.as_millisecond()),
            None => Ok(()),
        }
    }

    fn index_person(&self, id: &str, person: &PersonColumns, received: i64) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached("INSERT OR REPLACE INTO patient (id, name, birth_date, sex) VALUES (?1, ?2, ?3, ?4)")?
            .execute((id, &person.name, &person.birth_date, &person.sex))?;
        self.transaction.prepare_cached("DELETE FROM identifier WHERE patient = ?1")?.execute([id])?;
        for (system, value) in &person.identifiers {
            self.transaction
                .prepare_cached("INSERT OR IGNORE INTO identifier (value, system, patient) VALUES (?1, ?2, ?3)")?
                .execute((value, system, id))?;
            self.wake_studies(value, received)?;
        }
        Ok(())
    }

    /// The bytes of the current version, as this transaction sees it.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn current(&self, resource_type: &str, id: &str) -> Result<Option<Vec<u8>>, RecordError> {
        let read = || {
            self.transaction
                .prepare_cached("SELECT raw FROM resource WHERE type = ?1 AND id = ?2 AND raw <> x''")?
                .query_row((resource_type, id), |row| row.get(0))
                .optional()
        };
        read().map_err(self.failed())
    }

    /// Notes a message; true if it was there already. `digest`: SHA-256 of its bytes.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn message_seen(
        &mut self,
        digest: &[u8; 32],
        control_id: &str,
        received: jiff::Timestamp,
    ) -> Result<bool, RecordError> {
        let note = || {
            self.transaction
                .prepare_cached("INSERT OR IGNORE INTO message (digest, control_id, received) VALUES (?1, ?2, ?3)")?
                .execute(params![digest.as_slice(), control_id, received.as_millisecond()])
        };
        Ok(note().map_err(self.failed())? == 0)
    }

    /// What was put aside of a message that was taken.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn rejects_of(&self, message: &[u8; 32]) -> Result<Vec<Rejected>, RecordError> {
        let read = || {
            let mut statement =
                self.transaction.prepare_cached("SELECT item FROM reject WHERE message = ?1 ORDER BY row")?;
            let rows = statement.query_map([message.as_slice()], |row| row.get::<_, String>(0))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        let items = read().map_err(self.failed())?;
        Ok(items.iter().filter_map(|item| serde_json::from_str(item).ok()).collect())
    }

    /// Puts an item aside. The same item again changes nothing. `message`: SHA-256 of the message that it was part of, if
    /// the rest of that message was taken.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn reject(
        &mut self,
        item: &Rejected,
        patient: Option<&str>,
        message: Option<&[u8; 32]>,
        received: jiff::Timestamp,
    ) -> Result<(), RecordError> {
        // A list of plain members always has a JSON form.
        let json = serde_json::to_string(item).unwrap_or_default();
        let write = || {
            self.transaction
                .prepare_cached(
                    "INSERT OR IGNORE INTO reject (digest, patient, item, received, message) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![
                    Sha256::digest(json.as_bytes()).as_slice(),
                    patient,
                    json,
                    received.as_millisecond(),
                    message.map(<[u8; 32]>::as_slice)
                ])
        };
        write().map_err(self.failed())?;
        Ok(())
    }
}

fn origin_json(prepared: &Prepared) -> Option<String> {
    prepared.source.origin.as_ref().and_then(|origin| serde_json::to_string(origin).ok())
}

/// True only if both say when they were updated and the new one was earlier.
fn is_older(new: Option<&str>, current: Option<&str>) -> bool {
    let instant = |text: &str| text.parse::<jiff::Timestamp>().ok();
    match (new.and_then(instant), current.and_then(instant)) {
        (Some(new), Some(current)) => new < current,
        _ => false,
    }
}
