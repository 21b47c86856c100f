//! How fresh a patient is: the newest message that each feed brought.

use jiff::Timestamp;
use rusqlite::params_from_iter;

use super::{Store, Writer, instant};
use crate::error::RecordError;

/// The newest message that a feed brought about a patient and that is in the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fed {
    /// Name of the feed.
    pub feed: String,
    /// When it came, by our clock.
    pub received: Timestamp,
    /// When it was filed.
    pub processed: Timestamp,
}

impl Store {
    /// What each feed brought last about the patient with these logical ids (the surviving one and those merged into it).
    ///
    /// # Errors
    /// Those of the disk.
    pub fn fed(&self, patient_ids: &[String]) -> Result<Vec<Fed>, RecordError> {
        let places = vec!["?"; patient_ids.len()].join(",");
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT feed, max(received), max(processed) FROM fed WHERE patient IN ({places}) GROUP BY feed ORDER BY feed"
            ))?;
            let rows = statement.query_map(params_from_iter(patient_ids), |row| {
                Ok(Fed { feed: row.get(0)?, received: instant(row.get(1)?), processed: instant(row.get(2)?) })
            })?;
            rows.collect()
        })
    }
}

impl Writer<'_> {
    /// Notes that a message about `patient` came by `feed` and is filed in this transaction.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn note_fed(&mut self, patient: &str, fed: &Fed) -> Result<(), RecordError> {
        self.execute(
            "INSERT INTO fed (patient, feed, received, processed) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (patient, feed) DO UPDATE SET
               received = max(received, excluded.received), processed = excluded.processed",
            (patient, &fed.feed, fed.received.as_millisecond(), fed.processed.as_millisecond()),
        )
    }
}
