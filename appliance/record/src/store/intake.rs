//! The two questions that an import asks before it writes.

use super::Store;
use crate::error::RecordError;

impl Store {
    /// Whether the record has taken the message with this SHA-256 digest. What is being written at this moment does not
    /// count; `Writer::message_seen` decides.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn has_message(&self, digest: &[u8; 32]) -> Result<bool, RecordError> {
        self.read(|connection| {
            connection.prepare_cached("SELECT 1 FROM message WHERE digest = ?1")?.exists([digest.as_slice()])
        })
    }

    /// The logical id of the one patient who has this identifier; `None` if nobody has it, or several have. `system` may
    /// be empty, which means any.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn patient_by_identifier(&self, system: &str, value: &str) -> Result<Option<String>, RecordError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT DISTINCT patient FROM identifier WHERE value = ?1 AND (?2 = '' OR system = ?2) LIMIT 2",
            )?;
            let mut rows = statement.query((value, system))?;
            let first = rows.next()?.map(|row| row.get::<_, String>(0)).transpose()?;
            Ok(if rows.next()?.is_some() { None } else { first })
        })
    }
}
