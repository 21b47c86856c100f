//! The schema, step by step. A step that was released is never edited; a change is a new step.

use std::path::Path;

use rusqlite::Connection;

use crate::error::RecordError;

/// All steps; the schema version (`PRAGMA user_version`) is how many were done.
const STEPS: &[&str] = &[include_str!("migrations/0001_record.sql"), include_str!("migrations/0004_files.sql")];

/// Brings the schema up to date, each step in a transaction of its own.
pub(crate) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), RecordError> {
    let failed = |error: rusqlite::Error| RecordError::of(path, &error);
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)?;
    let known = STEPS.len() as i64;
    if found > known {
        return Err(RecordError::NewerSchema { path: path.to_owned(), found, known });
    }
    for (done, step) in (1..).zip(STEPS) {
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
