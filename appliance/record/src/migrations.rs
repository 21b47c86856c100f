//! The schema, step by step. A step that was released is never edited; a change is a new step.

use std::path::Path;

use rusqlite::Connection;

use crate::error::RecordError;

/// All steps of the record; the schema version (`PRAGMA user_version`) is how many were done.
pub(crate) const RECORD: &[&str] = &[
    include_str!("migrations/0001_record.sql"),
    include_str!("migrations/0002_queue.sql"),
    include_str!("migrations/0003_merges.sql"),
    include_str!("migrations/0004_files.sql"),
    include_str!("migrations/0005_search.sql"),
];

/// All steps of the queue of the feeds, a file of its own.
pub(crate) const QUEUE: &[&str] =
    &[include_str!("migrations/queue_0001.sql"), include_str!("migrations/queue_0002.sql")];

/// Brings the schema up to date, each step in a transaction of its own.
pub(crate) fn migrate(connection: &mut Connection, path: &Path, steps: &[&str]) -> Result<(), RecordError> {
    let failed = |error: rusqlite::Error| RecordError::of(path, &error);
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)?;
    let known = steps.len() as i64;
    if found > known {
        return Err(RecordError::NewerSchema { path: path.to_owned(), found, known });
    }
    for (done, step) in (1..).zip(steps) {
        if done > found {
            let transaction =
                connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
            // Another process may have done it between our look and our lock.
            let now: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)?;
            if now < done {
                transaction.execute_batch(step).map_err(failed)?;
                transaction.pragma_update(None, "user_version", done).map_err(failed)?;
            }
            transaction.commit().map_err(failed)?;
        }
    }
    Ok(())
}
