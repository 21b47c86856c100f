//! What waits, what is dead, how each feed does.

use rusqlite::{OptionalExtension, Row, params_from_iter};

use super::{ControlId, DeadLetter, FeedState, Pending, Queue, Waiting, Which};
use crate::error::RecordError;
use crate::store::instant;

impl Queue {
    /// The next messages to file, in the order in which they came: those numbered above `after` whose feed is not paused.
    /// At most `count`, and no more once they have `bytes` together; at least one if there is one.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn waiting(&self, after: u64, count: usize, bytes: usize) -> Result<Vec<Waiting>, RecordError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT seq, feed, received, raw FROM waiting
                 WHERE seq > ?1 AND feed NOT IN (SELECT name FROM feed WHERE paused) ORDER BY seq LIMIT ?2",
            )?;
            let mut rows = statement.query((after, count as i64))?;
            let (mut found, mut size) = (Vec::new(), 0);
            while let Some(row) = rows.next()? {
                let raw: Vec<u8> = row.get(3)?;
                size += raw.len();
                found.push(Waiting { seq: row.get(0)?, feed: row.get(1)?, received: instant(row.get(2)?), raw });
                if size >= bytes {
                    break;
                }
            }
            Ok(found)
        })
    }

    /// Whether the queue holds the message with this SHA-256 digest, waiting or dead.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn holds(&self, digest: &[u8; 32]) -> Result<bool, RecordError> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT 1 FROM waiting WHERE digest = ?1 UNION ALL SELECT 1 FROM dead WHERE digest = ?1",
                )?
                .exists([digest.as_slice()])
        })
    }

    /// The control ids that are remembered, oldest first.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn control_ids(&self) -> Result<Vec<ControlId>, RecordError> {
        self.read(|connection| {
            let mut statement = connection.prepare("SELECT number, id, digest FROM control_id ORDER BY number")?;
            let rows = statement.query_map([], |row| {
                let number = |at: usize| Ok::<u64, rusqlite::Error>(row.get::<_, i64>(at)?.cast_unsigned());
                Ok(ControlId { number: number(0)?, id: number(1)?, digest: number(2)? })
            })?;
            rows.collect()
        })
    }

    /// Every feed that was ever heard of, by name.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn feeds(&self) -> Result<Vec<FeedState>, RecordError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT name, paused, received, duplicates, refused, reused_ids, processed, last_received, last_processed,
                   (SELECT count(*) FROM dead WHERE dead.feed = name), received - processed - gone
                 FROM (SELECT *, (SELECT count(*) FROM dead WHERE dead.feed = name) + dropped AS gone FROM feed) ORDER BY name",
            )?;
            let rows = statement.query_map([], |row| {
                Ok(FeedState {
                    name: row.get(0)?,
                    paused: row.get(1)?,
                    received: row.get(2)?,
                    duplicates: row.get(3)?,
                    refused: row.get(4)?,
                    reused_ids: row.get(5)?,
                    processed: row.get(6)?,
                    last_received: row.get::<_, Option<i64>>(7)?.map(instant),
                    last_processed: row.get::<_, Option<i64>>(8)?.map(instant),
                    dead: row.get(9)?,
                    waiting: row.get(10)?,
                })
            })?;
            rows.collect()
        })
    }

    /// Dead letters, oldest first, at most `limit`.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn dead_letters(&self, which: Which<'_>, limit: usize) -> Result<Vec<DeadLetter>, RecordError> {
        let (feed, seq) = which.terms();
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT seq, feed, received, failed, control_id, kind, reasons FROM dead
                 WHERE (?1 IS NULL OR feed = ?1) AND (?2 IS NULL OR seq = ?2) ORDER BY seq LIMIT ?3",
            )?;
            let rows = statement.query_map((feed, seq, limit as i64), letter)?;
            rows.collect()
        })
    }

    /// The bytes of a message that waits or is dead.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn raw(&self, seq: u64) -> Result<Option<Vec<u8>>, RecordError> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT raw FROM waiting WHERE seq = ?1 UNION ALL SELECT raw FROM dead WHERE seq = ?1")?
                .query_row([seq], |row| row.get(0))
                .optional()
        })
    }

    /// How many messages name one of these patient numbers and are not in the record.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn pending(&self, numbers: &[String]) -> Result<Pending, RecordError> {
        let places = vec!["?"; numbers.len()].join(",");
        self.read(|connection| {
            let mut statement = connection.prepare(&format!(
                "SELECT count(*) - count(dead.seq), count(dead.seq)
                 FROM (SELECT DISTINCT seq FROM about WHERE value IN ({places})) AS named LEFT JOIN dead USING (seq)"
            ))?;
            statement
                .query_row(params_from_iter(numbers), |row| Ok(Pending { waiting: row.get(0)?, dead: row.get(1)? }))
        })
    }
}

impl Which<'_> {
    /// Feed and number as SQL sees them: `None` means any.
    pub(super) fn terms(&self) -> (Option<&str>, Option<u64>) {
        match *self {
            Self::All => (None, None),
            Self::Feed(name) => (Some(name), None),
            Self::Seq(seq) => (None, Some(seq)),
        }
    }
}

fn letter(row: &Row<'_>) -> rusqlite::Result<DeadLetter> {
    Ok(DeadLetter {
        seq: row.get(0)?,
        feed: row.get(1)?,
        received: instant(row.get(2)?),
        failed: instant(row.get(3)?),
        control_id: row.get(4)?,
        kind: row.get(5)?,
        // Written by us from a list that always has a JSON form.
        reasons: serde_json::from_str(&row.get::<_, String>(6)?).unwrap_or_default(),
    })
}
