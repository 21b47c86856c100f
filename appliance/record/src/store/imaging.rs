//! Imaging studies and their instances: which files of the file store the record names, and whose they are.
//!
//! An instance is committed at once; the study's ImagingStudy resource is written a little later, when no more instances
//! come, because every version of a resource is kept and a study of a thousand images must not become a thousand versions.
//! What is not said yet is marked in the study's row, so that a power cut only delays it.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};

use super::{Store, Writer};
use crate::error::RecordError;
use crate::files::{Digest, Kept};

/// An instance to be put into the record.
#[derive(Debug, Clone)]
pub struct NewInstance {
    /// SOP Instance UID.
    pub sop: String,
    /// SHA-256 of its data set.
    pub content: Digest,
    /// Its file, whole on the disk.
    pub file: Kept,
    /// Study Instance UID.
    pub study: String,
    /// Identifier system of `number`, or empty.
    pub system: String,
    /// The patient's number, or empty.
    pub number: String,
    /// FHIR date.
    pub birth_date: Option<String>,
    /// FHIR administrative gender.
    pub sex: Option<String>,
    /// Logical ids for the study's ImagingStudy: the first is taken unless instances of another patient have it.
    pub ids: [String; 2],
    /// File name or sender.
    pub source: String,
    /// JSON of the caller's.
    pub header: String,
}

/// A study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudyRow {
    pub(super) row: i64,
    /// Study Instance UID.
    pub uid: String,
    /// Identifier system of `number`, or empty.
    pub system: String,
    /// The patient's number as the sender wrote it, or empty.
    pub number: String,
    /// FHIR date.
    pub birth_date: Option<String>,
    /// FHIR administrative gender.
    pub sex: Option<String>,
    /// Logical id of its ImagingStudy.
    pub id: String,
    /// Logical id of its patient.
    pub patient: Option<String>,
    /// Why it has none.
    pub why: Option<String>,
    /// Current instances.
    pub instances: u64,
    /// Differs after every change: tells a state that comes back from an old one that is read again.
    pub state: String,
}

/// A current instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceRow {
    /// SOP Instance UID.
    pub sop: String,
    /// Its file.
    pub file: Digest,
    /// When it came.
    pub received: Timestamp,
    /// File name or sender.
    pub source: String,
    /// JSON of the caller's.
    pub header: String,
}

/// A patient who has a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Logical id, merges followed.
    pub id: String,
    /// Identifier system.
    pub system: String,
    /// As recorded.
    pub birth_date: Option<String>,
    /// FHIR administrative gender.
    pub sex: Option<String>,
}

/// What became of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// The record had none with this UID.
    New,
    /// It is the current version now; the one before is kept.
    Replaced,
    /// This very data set is there already.
    Unchanged,
}

const STUDY: &str = "SELECT row, uid, system, number, birth_date, sex, id, patient, why,
    (SELECT count(*) FROM imaging_instance WHERE study = imaging_study.row AND current = 1),
    format('%d-%d', changed, (SELECT max(row) FROM imaging_instance)) FROM imaging_study";

fn study(row: &Row<'_>) -> rusqlite::Result<StudyRow> {
    Ok(StudyRow {
        row: row.get(0)?,
        uid: row.get(1)?,
        system: row.get(2)?,
        number: row.get(3)?,
        birth_date: row.get(4)?,
        sex: row.get(5)?,
        id: row.get(6)?,
        patient: row.get(7)?,
        why: row.get(8)?,
        instances: row.get(9)?,
        state: row.get(10)?,
    })
}

const INSTANCE: &str = "SELECT sop, file, received, source, header FROM imaging_instance";

fn instance(row: &Row<'_>) -> rusqlite::Result<InstanceRow> {
    Ok(InstanceRow {
        sop: row.get(0)?,
        file: row.get(1)?,
        received: super::reader::instant(row.get(2)?),
        source: row.get(3)?,
        header: row.get(4)?,
    })
}

impl Writer<'_> {
    /// Puts an instance in and marks its study as changed. The same data set again changes nothing.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn put_instance(&mut self, new: &NewInstance, received: Timestamp) -> Result<Placed, RecordError> {
        self.put_instance_row(new, received.as_millisecond()).map_err(self.failed())
    }

    fn put_instance_row(&self, new: &NewInstance, received: i64) -> rusqlite::Result<Placed> {
        let there = self
            .transaction
            .prepare_cached("SELECT 1 FROM imaging_instance WHERE sop = ?1 AND content = ?2")?
            .exists(params![new.sop, new.content.as_slice()])?;
        if there {
            return Ok(Placed::Unchanged);
        }
        self.transaction
            .prepare_cached("INSERT OR IGNORE INTO file (digest, bytes, received) VALUES (?1, ?2, ?3)")?
            .execute(params![new.file.digest.as_slice(), new.file.bytes, received])?;
        let study = self.study_of(new)?;
        let replaced = self
            .transaction
            .prepare_cached(
                "UPDATE imaging_study SET changed = ?2 WHERE row IN
                   (SELECT study FROM imaging_instance WHERE sop = ?1 AND current = 1)",
            )?
            .execute(params![new.sop, received])?;
        if replaced > 0 {
            self.transaction
                .prepare_cached("UPDATE imaging_instance SET current = 0 WHERE sop = ?1")?
                .execute([&new.sop])?;
        }
        self.transaction
            .prepare_cached(
                "INSERT INTO imaging_instance (sop, content, study, file, current, received, source, header)
                 VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7)",
            )?
            .execute(params![
                new.sop,
                new.content.as_slice(),
                study,
                new.file.digest.as_slice(),
                received,
                new.source,
                new.header
            ])?;
        self.transaction
            .prepare_cached(
                "UPDATE imaging_study SET changed = ?2, birth_date = coalesce(?3, birth_date), sex = coalesce(?4, sex)
                 WHERE row = ?1",
            )?
            .execute(params![study, received, new.birth_date, new.sex])?;
        Ok(if replaced > 0 { Placed::Replaced } else { Placed::New })
    }

    /// The row of the study, made if there is none.
    fn study_of(&self, new: &NewInstance) -> rusqlite::Result<i64> {
        let known = self
            .transaction
            .prepare_cached("SELECT row FROM imaging_study WHERE uid = ?1 AND system = ?2 AND number = ?3")?
            .query_row((&new.study, &new.system, &new.number), |row| row.get(0))
            .optional()?;
        if let Some(row) = known {
            return Ok(row);
        }
        let [first, second] = &new.ids;
        let taken = self.transaction.prepare_cached("SELECT 1 FROM imaging_study WHERE id = ?1")?.exists([first])?;
        self.transaction
            .prepare_cached("INSERT INTO imaging_study (uid, system, number, id) VALUES (?1, ?2, ?3, ?4)")?
            .execute((&new.study, &new.system, &new.number, if taken { second } else { first }))?;
        Ok(self.transaction.last_insert_rowid())
    }

    /// Studies whose ImagingStudy is behind, those that changed before `before`, the oldest change first.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn changed_studies(&self, before: Timestamp, limit: usize) -> Result<Vec<StudyRow>, RecordError> {
        let read = || {
            let mut statement = self.transaction.prepare_cached(&format!(
                "{STUDY} WHERE changed IS NOT NULL AND changed <= ?1 ORDER BY changed, row LIMIT ?2"
            ))?;
            statement
                .query_map(params![before.as_millisecond(), limit as i64], study)?
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(self.failed())
    }

    /// The current instances of a study, by UID.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn instances(&self, of: &StudyRow) -> Result<Vec<InstanceRow>, RecordError> {
        let read = || {
            let mut statement = self
                .transaction
                .prepare_cached(&format!("{INSTANCE} WHERE study = ?1 AND current = 1 ORDER BY sop"))?;
            statement.query_map([of.row], instance)?.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(self.failed())
    }

    /// Patients who have this number, in `system` or, if that is empty, in any.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn candidates(&self, system: &str, number: &str) -> Result<Vec<Candidate>, RecordError> {
        let read = || {
            let mut statement = self.transaction.prepare_cached(
                "SELECT DISTINCT patient, system FROM identifier WHERE value = ?1 AND (?2 = '' OR system = ?2) LIMIT 16",
            )?;
            let rows = statement.query_map((number, system), |row| Ok((row.get(0)?, row.get(1)?)))?;
            let mut found: Vec<Candidate> = Vec::new();
            for row in rows {
                let (patient, system): (String, String) = row?;
                let id = super::reader::survivor(self.transaction, &patient)?;
                if found.iter().any(|known| known.id == id) {
                    continue;
                }
                let person = self
                    .transaction
                    .prepare_cached("SELECT birth_date, sex FROM patient WHERE id = ?1")?
                    .query_row([&id], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()?;
                let (birth_date, sex) = person.unwrap_or_default();
                found.push(Candidate { id, system, birth_date, sex });
            }
            Ok(found)
        };
        read().map_err(self.failed())
    }

    /// Notes that the study's ImagingStudy says what is there, and whose it is or why nobody's.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn study_said(&mut self, said: &StudyRow, patient: Option<&str>, why: Option<&str>) -> Result<(), RecordError> {
        let write = || {
            self.transaction
                .prepare_cached("UPDATE imaging_study SET changed = NULL, patient = ?2, why = ?3 WHERE row = ?1")?
                .execute((said.row, patient, why))
        };
        write().map_err(self.failed()).map(|_| ())
    }

    /// A patient got `number`: studies that wait for it are to be looked at again.
    pub(super) fn wake_studies(&self, number: &str, received: i64) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(
                "UPDATE imaging_study SET changed = ?2 WHERE number = ?1 AND patient IS NULL AND changed IS NULL",
            )?
            .execute((number, received))?;
        Ok(())
    }
}

impl Store {
    /// All files that the record names.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn files(&self) -> Result<Vec<Digest>, RecordError> {
        self.read(|connection| {
            connection.prepare_cached("SELECT digest FROM file")?.query_map([], |row| row.get(0))?.collect()
        })
    }

    /// Whether the record names this file.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn names_file(&self, digest: &Digest) -> Result<bool, RecordError> {
        self.read(|connection| {
            connection.prepare_cached("SELECT 1 FROM file WHERE digest = ?1")?.exists([digest.as_slice()])
        })
    }

    /// Whether a study changed that its ImagingStudy does not say yet.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn has_changed_studies(&self) -> Result<bool, RecordError> {
        self.read(|connection| {
            connection.prepare_cached("SELECT 1 FROM imaging_study WHERE changed IS NOT NULL LIMIT 1")?.exists([])
        })
    }

    /// Studies that have instances, by UID; `unmatched`: only those that are nobody's.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn studies(&self, unmatched: bool, limit: usize) -> Result<Vec<StudyRow>, RecordError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "{STUDY} WHERE (?1 = 0 OR patient IS NULL)
                   AND EXISTS (SELECT 1 FROM imaging_instance WHERE study = imaging_study.row AND current = 1)
                 ORDER BY uid, row LIMIT ?2"
            ))?;
            statement.query_map(params![unmatched, limit as i64], study)?.collect::<rusqlite::Result<Vec<_>>>()
        })
    }

    /// The current version of an instance, by SOP Instance UID.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn instance(&self, sop: &str) -> Result<Option<InstanceRow>, RecordError> {
        self.read(|connection| {
            connection
                .prepare_cached(&format!("{INSTANCE} WHERE sop = ?1 AND current = 1"))?
                .query_row([sop], instance)
                .optional()
        })
    }
}
