//! One encrypted SQLite file: opening it safely, one writer, many readers, one durable transaction at a time.
//!
//! The record and the queue of the feeds are two such files under one key. What stands in them, their owners say.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

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

/// The open file.
#[derive(Debug)]
pub(crate) struct Encrypted {
    path: PathBuf,
    opening: Opening,
    pub(crate) writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
    /// Counts the transactions that are committed, but for those of [`Encrypted::write_since`].
    written: AtomicU64,
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

/// What `haechi doctor` says about the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Damage found; empty if whole.
    pub problems: Vec<String>,
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

impl Encrypted {
    /// Opens the file, made with mode 0600 if absent, and does the steps of its schema that were not done.
    ///
    /// # Errors
    /// [`RecordError`]: wrong key, no record, newer schema, damage, no space, no right to write. Nothing is changed then.
    pub(crate) fn open(file: &Path, key: &Key, options: &OpenOptions, steps: &[&str]) -> Result<Self, RecordError> {
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
        migrations::migrate(&mut writer, file, steps)?;
        Ok(Self {
            path: file.to_owned(),
            opening,
            writer: Mutex::new(writer),
            readers: Mutex::default(),
            written: AtomicU64::new(0),
        })
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// One durable transaction: on the disk when this returns `Ok`; as if it had never been if `f` or the commit fails.
    ///
    /// # Errors
    /// Those of `f`, and those of the disk.
    pub(crate) fn write<T, E: From<RecordError>>(
        &self,
        f: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |error: rusqlite::Error| RecordError::of(&self.path, &error);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let result = f(&transaction)?; // dropping the transaction rolls back
        transaction.commit().map_err(failed)?;
        self.written.fetch_add(1, Ordering::AcqRel);
        Ok(result)
    }

    /// How many transactions of this process were committed by [`Encrypted::write`]. What is read after it was asked shows
    /// all of them.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// [`Encrypted::write`], if nothing was written by it since `written` was asked; `None`, and nothing done, if so.
    pub(crate) fn write_since<T, E: From<RecordError>>(
        &self,
        written: u64,
        f: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        let mut connection = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if self.written() != written {
            return Ok(None);
        }
        let failed = |error: rusqlite::Error| RecordError::of(&self.path, &error);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let result = f(&transaction)?; // as above
        transaction.commit().map_err(failed)?;
        Ok(Some(result))
    }

    /// Lends a reading connection.
    pub(crate) fn read<T>(&self, f: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, RecordError> {
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connect(&self.path, &self.opening)?,
        };
        let result = f(&connection).map_err(|error| RecordError::of(&self.path, &error));
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < IDLE_READERS {
            readers.push(connection);
        }
        result
    }

    /// Looks for damage: the seal of every page, then SQLite's own structures. Reads the whole file.
    ///
    /// # Errors
    /// Those that keep the file from being read at all.
    pub(crate) fn check(&self) -> Result<Health, RecordError> {
        self.read(damage)
    }
}

fn damage(connection: &Connection) -> rusqlite::Result<Health> {
    // A power cut in the middle of a checkpoint tears pages of the file that stand whole in the log. The seals are
    // looked for in the file alone, so the log goes into it first.
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
    let mut problems = Vec::new();
    for pragma in ["PRAGMA cipher_integrity_check", "PRAGMA quick_check"] {
        let mut statement = connection.prepare(pragma)?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
        for row in rows {
            let row = row?;
            if row != "ok" {
                problems.push(row);
            }
        }
    }
    Ok(Health { problems })
}

/// Keeps the main file of a database as it is while this lives, so that a copy of its bytes is one moment's: its log may grow,
/// and is not put into the main file. Others read and write meanwhile.
pub struct Pinned {
    _connection: Connection,
}

impl std::fmt::Debug for Pinned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pinned")
    }
}

/// Pins the database at `file`, which is one of this crate's (record, queue, terminology).
///
/// # Errors
/// [`RecordError`]: wrong key, no such file.
pub fn pin(file: &Path, key: &Key) -> Result<Pinned, RecordError> {
    let opening = Opening { pragma_key: key.pragma(), options: OpenOptions::default() };
    let connection = connect(file, &opening)?;
    let failed = |error: rusqlite::Error| RecordError::of(file, &error);
    // A transaction begins with its first read. What it sees may not be overwritten in the main file, so no checkpoint goes
    // beyond it; what a checkpoint writes up to it stands in the log as well.
    connection.execute_batch("BEGIN").map_err(failed)?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0)).map_err(failed)?;
    Ok(Pinned { _connection: connection })
}

/// Looks for damage in the database at `file`, which may have any schema. For what was restored.
///
/// # Errors
/// Those that keep the file from being read at all.
pub fn check(file: &Path, key: &Key) -> Result<Health, RecordError> {
    let opening = Opening { pragma_key: key.pragma(), options: OpenOptions::default() };
    damage(&connect(file, &opening)?).map_err(|error| RecordError::of(file, &error))
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
    // 12 MiB of cache a connection and a checkpoint every 8 MiB of log keep memory flat while a hospital is loaded.
    connection
        .execute_batch(&format!(
            "PRAGMA synchronous = {synchronous}; PRAGMA foreign_keys = ON; PRAGMA cache_size = -12288;
             PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 2048; PRAGMA trusted_schema = OFF;"
        ))
        .map_err(failed)?;
    if let Some(pages) = opening.options.max_pages {
        connection.execute_batch(&format!("PRAGMA max_page_count = {pages}")).map_err(failed)?;
    }
    Ok(connection)
}
