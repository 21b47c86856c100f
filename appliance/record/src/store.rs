//! The encrypted file: opening it safely, one writer, many readers.
//!
//! Writing is one durable transaction at a time ([`Writer`]); reading goes through connections of its own and never waits
//! for a writer (WAL). A chart is read by [`Store::chart`], which names the patient's ids in every query it makes.

mod imaging;
mod intake;
mod reader;
mod writer;

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};

pub use imaging::{Candidate, InstanceRow, NewInstance, Placed, StudyRow};
pub use reader::Health;
pub use writer::{Put, Writer};

use crate::error::RecordError;
use crate::key::Key;
use crate::migrations;

/// Readers kept open. More are opened when needed and closed again.
const IDLE_READERS: usize = 4;
/// Another process (a command beside the appliance) may hold the write lock for one large transaction.
const BUSY_PATIENCE: Duration = Duration::from_secs(30);
/// How often the switch to the write-ahead log is tried, 50 ms apart.
const WAL_TRIES: usize = 200;
/// Prepared statements kept by a connection.
const STATEMENTS: usize = 64;

/// The record. Cheap to clone: all clones share their connections.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    opening: Opening,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
}

/// What every further connection needs.
struct Opening {
    pragma_key: zeroize::Zeroizing<String>,
    options: OpenOptions,
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opening").field("options", &self.options).finish_non_exhaustive()
    }
}

/// How the file is opened. The default is the only right one outside tests.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// SQLite VFS; the system's if `None`.
    pub vfs: Option<String>,
    /// When SQLite waits for the disk.
    pub synchronous: Synchronous,
    /// Largest size of the file in pages, for tests of a full disk; none by default.
    pub max_pages: Option<u32>,
}

/// `PRAGMA synchronous`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// Every transaction is on the disk before it counts.
    #[default]
    Full,
    /// Never waits: loses acknowledged work in a power cut. Exists so that the power-cut test can prove that it would notice.
    Off,
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
    /// (system, value).
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
        // Made here, so that it is never readable for others, not even for a moment. SQLite's companion files take its mode.
        let made = File::options().write(true).create_new(true).mode(0o600).open(file);
        if let Err(error) = made
            && error.kind() != std::io::ErrorKind::AlreadyExists
        {
            return Err(RecordError::NotWritable { path: file.to_owned(), what: error.to_string() });
        }
        let opening = Opening { pragma_key: key.pragma(), options: options.clone() };
        let mut writer = connect(file, &opening)?;
        let failed = |error: rusqlite::Error| RecordError::of(file, &error);
        // The first read decides whether the key is right; before it nothing may be written.
        writer.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0)).map_err(failed)?;
        let mode = write_ahead(&writer).map_err(failed)?;
        if mode != "wal" {
            let what = format!("the file system does not carry a write-ahead log (mode {mode})");
            return Err(RecordError::NotWritable { path: file.to_owned(), what });
        }
        migrations::migrate(&mut writer, file)?;
        Ok(Self {
            shared: Arc::new(Shared {
                path: file.to_owned(),
                opening,
                writer: Mutex::new(writer),
                readers: Mutex::default(),
            }),
        })
    }

    /// One durable transaction: on the disk when this returns `Ok`; as if it had never been if `f` or the commit fails.
    ///
    /// # Errors
    /// Those of `f`, and those of the disk.
    pub fn write<T>(&self, f: impl FnOnce(&mut Writer<'_>) -> Result<T, RecordError>) -> Result<T, RecordError> {
        let mut connection = self.shared.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |error: rusqlite::Error| RecordError::of(&self.shared.path, &error);
        let transaction =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
        let result = f(&mut Writer::new(&transaction, &self.shared.path))?; // dropping the transaction rolls back
        transaction.commit().map_err(failed)?;
        Ok(result)
    }

    /// Lends a reading connection.
    fn read<T>(&self, f: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, RecordError> {
        let idle = self.shared.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connect(&self.shared.path, &self.shared.opening)?,
        };
        let result = f(&connection).map_err(|error| RecordError::of(&self.shared.path, &error));
        let mut readers = self.shared.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < IDLE_READERS {
            readers.push(connection);
        }
        result
    }
}

/// Switches to the write-ahead log. Two processes that make a record at the same moment both want to; SQLite does not wait
/// for the other here, so this does.
fn write_ahead(connection: &Connection) -> rusqlite::Result<String> {
    let mut tries = 0;
    loop {
        match connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)) {
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) && tries < WAL_TRIES => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(50));
            }
            result => return result,
        }
    }
}

fn connect(file: &Path, opening: &Opening) -> Result<Connection, RecordError> {
    let failed = |error: rusqlite::Error| RecordError::of(file, &error);
    // No CREATE: the file is there, and a mistyped path must not become an empty record. NOMUTEX: one thread at a time.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match &opening.options.vfs {
        None => Connection::open_with_flags(file, flags),
        Some(vfs) => Connection::open_with_flags_and_vfs(file, flags, vfs.as_str()),
    }
    .map_err(failed)?;
    connection.busy_timeout(BUSY_PATIENCE).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.execute_batch(&opening.pragma_key).map_err(failed)?;
    let synchronous = match opening.options.synchronous {
        Synchronous::Full => "FULL",
        Synchronous::Off => "OFF",
    };
    // 16 MiB of cache a connection and a checkpoint every 8 MiB of log keep memory flat while a hospital is loaded.
    connection
        .execute_batch(&format!(
            "PRAGMA synchronous = {synchronous}; PRAGMA foreign_keys = ON; PRAGMA cache_size = -16384;
             PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 2048; PRAGMA trusted_schema = OFF;"
        ))
        .map_err(failed)?;
    if let Some(pages) = opening.options.max_pages {
        connection.execute_batch(&format!("PRAGMA max_page_count = {pages}")).map_err(failed)?;
    }
    Ok(connection)
}

#[cfg(test)]
mod tests;
