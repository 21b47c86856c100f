//! The file of code systems, and loading into it.

use std::collections::BTreeMap;
use std::fs::File;

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::error::TerminologyError;
use super::read::{self, Described, Row, Source, Table, Tally};
use super::system::System;
use crate::key::Key;
use crate::search;

/// The layout of the file. There are no steps between layouts: a file of an older one is loaded anew.
const SCHEMA: i64 = 1;
const IDLE_READERS: usize = 2;

/// The code systems of a site. Cheap to clone.
#[derive(Clone)]
pub struct Terminology {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    pragma: zeroize::Zeroizing<String>,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
}

impl std::fmt::Debug for Terminology {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminology").field("path", &self.shared.path).finish_non_exhaustive()
    }
}

/// Which edition files belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edition {
    /// The code system.
    pub system: System,
    /// The publisher's version (`9`, `2.81`, `20260101`).
    pub version: String,
    /// First day on which its codes are used; `None`: always.
    pub from: Option<Date>,
    /// Last day.
    pub to: Option<Date>,
}

impl Edition {
    /// An edition, with the period in which the Korean classification of that revision holds where none is given.
    ///
    /// # Errors
    /// [`TerminologyError::Period`] if it ends before it begins.
    pub fn new(system: System, version: &str, from: Option<Date>, to: Option<Date>) -> Result<Self, TerminologyError> {
        let (mut from, mut to) = (from, to);
        if system == System::Kcd && from.is_none() && to.is_none() {
            // Statistics Korea: the eighth revision since 1 January 2021, the ninth since 1 January 2026.
            let revision: String = version.chars().filter(char::is_ascii_digit).collect();
            match revision.as_str() {
                "8" => (from, to) = (Some(Date::constant(2021, 1, 1)), Some(Date::constant(2025, 12, 31))),
                "9" => from = Some(Date::constant(2026, 1, 1)),
                _ => {}
            }
        }
        if let (Some(first), Some(last)) = (from, to)
            && first > last
        {
            return Err(TerminologyError::Period { what: format!("{first} is after {last}") });
        }
        Ok(Self { system, version: version.trim().to_owned(), from, to })
    }
}

/// A file to load.
pub struct Input {
    /// Which table it is.
    pub table: Table,
    /// Its name and columns.
    pub described: Described,
    /// Its bytes.
    pub source: Box<dyn Source + Send>,
}

/// What one load did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Loaded {
    /// Short name of the system.
    pub system: &'static str,
    /// Version.
    pub version: String,
    /// Each file.
    pub files: Vec<LoadedFile>,
}

/// What became of one file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LoadedFile {
    /// File name.
    pub file: String,
    /// It was loaded before, byte for byte: nothing was done.
    pub unchanged: bool,
    /// Rows and what was put aside.
    #[serde(flatten)]
    pub tally: Tally,
}

impl Terminology {
    /// Opens the file, made with mode 0600 if absent.
    ///
    /// # Errors
    /// [`TerminologyError`]: another key, a newer release's file, no right to write.
    pub fn open(path: &Path, key: &Key) -> Result<Self, TerminologyError> {
        let made = File::options().write(true).create_new(true).mode(0o600).open(path);
        if let Err(error) = made
            && error.kind() != std::io::ErrorKind::AlreadyExists
        {
            return Err(TerminologyError::Store { path: path.to_owned(), what: error.to_string() });
        }
        let pragma = key.pragma();
        let mut writer = connect(path, &pragma)?;
        prepare(&mut writer, path)?;
        Ok(Self {
            shared: Arc::new(Shared {
                path: path.to_owned(),
                pragma,
                writer: Mutex::new(writer),
                readers: Mutex::default(),
            }),
        })
    }

    /// As [`Self::open`] where the file is there; `None` where nothing was ever loaded.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_existing(path: &Path, key: &Key) -> Result<Option<Self>, TerminologyError> {
        if path.exists() { Self::open(path, key).map(Some) } else { Ok(None) }
    }

    /// Lends a reading connection.
    pub(super) fn read<T>(&self, f: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, TerminologyError> {
        let idle = self.shared.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connect(&self.shared.path, &self.shared.pragma)?,
        };
        let result = f(&connection).map_err(|error| TerminologyError::store(&self.shared.path, &error));
        let mut readers = self.shared.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < IDLE_READERS {
            readers.push(connection);
        }
        result
    }

    /// Loads files of one edition, all or none. A file that was loaded before is left alone; one that replaces another of
    /// the same table takes its place.
    ///
    /// # Errors
    /// [`TerminologyError`]; the store is then as it was.
    pub fn load(
        &self,
        edition: &Edition,
        mut inputs: Vec<Input>,
        imported: Timestamp,
    ) -> Result<Loaded, TerminologyError> {
        inputs.sort_by_key(|input| input.table); // descriptions before what speaks of them
        let path = &self.shared.path;
        let failed = |error: rusqlite::Error| TerminologyError::store(path, &error);
        let mut connection = self.shared.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
        let number: i64 = transaction
            .query_row(
                "INSERT INTO edition (system, version, valid_from, valid_to, imported) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (system, version) DO UPDATE SET
                   valid_from = excluded.valid_from, valid_to = excluded.valid_to, imported = excluded.imported
                 RETURNING row",
                params![
                    edition.system.name(),
                    edition.version,
                    edition.from.map(|day| day.to_string()),
                    edition.to.map(|day| day.to_string()),
                    imported.as_millisecond()
                ],
                |row| row.get(0),
            )
            .map_err(failed)?;
        let mut loaded = Loaded { system: edition.system.name(), version: edition.version.clone(), files: Vec::new() };
        for input in inputs {
            loaded.files.push(load_file(&transaction, path, edition.system, number, input)?);
        }
        transaction.commit().map_err(failed)?;
        Ok(loaded)
    }
}

fn load_file(
    connection: &Connection,
    path: &Path,
    system: System,
    edition: i64,
    mut input: Input,
) -> Result<LoadedFile, TerminologyError> {
    let failed = |error: rusqlite::Error| TerminologyError::store(path, &error);
    let file = input.described.file.clone();
    let digest = digest(&mut *input.source, &input.described.columns).map_err(|error| {
        TerminologyError::Unreadable { file: file.clone(), expected: "a file", what: error.to_string() }
    })?;
    let role = if input.table.comes_in_parts() {
        format!("{} {file}", input.table.role())
    } else {
        input.table.role().to_owned()
    };
    let known: Option<(i64, Vec<u8>, u64, u64)> = connection
        .query_row(
            "SELECT row, digest, rows, rejected FROM source WHERE edition = ?1 AND role = ?2",
            params![edition, role],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .optional()
        .map_err(failed)?;
    if let Some((number, known, rows, rejected)) = known {
        if known == digest {
            let tally = Tally { rows, rejected, told: Vec::new() };
            return Ok(LoadedFile { file, unchanged: true, tally });
        }
        remove(connection, number).map_err(failed)?;
    }
    connection
        .execute(
            "INSERT INTO source (edition, role, file, digest, rows, rejected) VALUES (?1, ?2, ?3, ?4, 0, 0)",
            params![edition, role, file, digest],
        )
        .map_err(failed)?;
    let number = connection.last_insert_rowid();
    let mut rows = Rows::of(connection, system, edition, number).map_err(failed)?;
    let tally =
        read::read(input.table, &input.described, &mut *input.source, &mut |row| rows.write(&row).map_err(failed))?;
    drop(rows);
    connection
        .execute(
            "UPDATE source SET rows = ?2, rejected = ?3 WHERE row = ?1",
            params![number, tally.rows, tally.rejected],
        )
        .map_err(failed)?;
    Ok(LoadedFile { file, unchanged: false, tally })
}

/// Takes out what one file brought.
fn remove(connection: &Connection, source: i64) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM words WHERE rowid IN (SELECT row FROM designation WHERE source = ?1)", [source])?;
    for table in ["designation", "concept", "parent", "mapping"] {
        connection.execute(&format!("DELETE FROM {table} WHERE source = ?1"), [source])?;
    }
    connection.execute("DELETE FROM source WHERE row = ?1", [source])?;
    Ok(())
}

/// The file's digest together with how its columns were named: another reading of the same bytes is another file.
fn digest(source: &mut dyn Source, columns: &BTreeMap<String, String>) -> std::io::Result<Vec<u8>> {
    let mut hash = Sha256::new();
    for (field, heading) in columns {
        hash.update(format!("{field}={heading}\n"));
    }
    source.rewind()?;
    let mut piece = vec![0; 256 << 10];
    loop {
        let count = source.read(&mut piece)?;
        match piece.get(..count) {
            Some(bytes) if count > 0 => hash.update(bytes),
            _ => break,
        }
    }
    source.rewind()?;
    Ok(hash.finalize().to_vec())
}

/// The statements that rows go through.
struct Rows<'c> {
    system: System,
    edition: i64,
    source: i64,
    concept: rusqlite::CachedStatement<'c>,
    designation: rusqlite::CachedStatement<'c>,
    words: rusqlite::CachedStatement<'c>,
    preferred: rusqlite::CachedStatement<'c>,
    parent: rusqlite::CachedStatement<'c>,
    mapping: rusqlite::CachedStatement<'c>,
}

impl<'c> Rows<'c> {
    fn of(connection: &'c Connection, system: System, edition: i64, source: i64) -> rusqlite::Result<Self> {
        Ok(Self {
            system,
            edition,
            source,
            // Another file of the edition may have told the concept too; the first one keeps it.
            concept: connection.prepare_cached(
                "INSERT INTO concept (edition, key, code, active, source) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (edition, key) DO NOTHING",
            )?,
            designation: connection.prepare_cached(
                "INSERT INTO designation (edition, key, language, kind, preferred, text, foreign_id, source)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?,
            words: connection.prepare_cached("INSERT INTO words (rowid, text) VALUES (last_insert_rowid(), ?1)")?,
            preferred: connection
                .prepare_cached("UPDATE designation SET preferred = 1 WHERE foreign_id = ?2 AND edition = ?1")?,
            parent: connection.prepare_cached(
                "INSERT INTO parent (edition, key, parent, source) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
            )?,
            mapping: connection.prepare_cached(
                "INSERT INTO mapping (edition, key, target, target_key, target_code, equivalence, source)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
            )?,
        })
    }

    fn write(&mut self, row: &Row) -> rusqlite::Result<()> {
        let (edition, source) = (self.edition, self.source);
        match row {
            Row::Concept { code, active } => {
                self.concept.execute(params![edition, self.system.key(code), code, active, source])?;
            }
            Row::Designation { code, language, kind, preferred, text, id } => {
                let key = self.system.key(code);
                self.designation.execute(params![
                    edition,
                    key,
                    language,
                    kind.as_str(),
                    preferred,
                    text,
                    id,
                    source
                ])?;
                self.words.execute([search::split(text)])?;
            }
            Row::Preferred { id } => {
                self.preferred.execute(params![edition, id])?;
            }
            Row::Parent { code, parent } => {
                self.parent.execute(params![edition, self.system.key(code), self.system.key(parent), source])?;
            }
            Row::Mapping { code, target, target_code, equivalence } => {
                self.mapping.execute(params![
                    edition,
                    self.system.key(code),
                    target.name(),
                    target.key(target_code),
                    target_code,
                    equivalence.as_str(),
                    source
                ])?;
            }
        }
        Ok(())
    }
}

fn connect(path: &Path, pragma: &str) -> Result<Connection, TerminologyError> {
    let failed = |error: rusqlite::Error| TerminologyError::store(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(Duration::from_secs(30)).map_err(failed)?;
    connection.execute_batch(pragma).map_err(failed)?;
    // What a power cut takes can be loaded again: no waiting for the disk at every step, unlike the record.
    connection
        .execute_batch(
            "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;",
        )
        .map_err(failed)?;
    Ok(connection)
}

fn prepare(connection: &mut Connection, path: &Path) -> Result<(), TerminologyError> {
    let failed = |error: rusqlite::Error| TerminologyError::store(path, &error);
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0)).map_err(failed)?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0)).map_err(failed)?;
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
    let found: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)?;
    if found > SCHEMA {
        return Err(TerminologyError::NewerSchema { path: path.to_owned(), found, known: SCHEMA });
    }
    if found < SCHEMA {
        transaction.execute_batch(include_str!("schema.sql")).map_err(failed)?;
        transaction.pragma_update(None, "user_version", SCHEMA).map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}
