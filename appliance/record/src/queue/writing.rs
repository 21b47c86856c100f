//! What may be done inside one durable transaction of the queue.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Transaction, params};

use super::{ControlId, New, Settled, Tally, Which};
use crate::error::RecordError;

/// One open transaction. See [`super::Queue::write`]. Counters are gathered and written once at its end.
#[derive(Debug)]
pub struct QueueWriter<'a> {
    transaction: &'a Transaction<'a>,
    path: &'a Path,
    counts: BTreeMap<String, Count>,
}

/// What a transaction adds to a feed's row.
#[derive(Debug, Default)]
struct Count {
    tally: Tally,
    received: u64,
    processed: u64,
    died: u64,
    dropped: u64,
    last_received: Option<i64>,
    last_processed: Option<i64>,
}

impl<'a> QueueWriter<'a> {
    pub(super) fn new(transaction: &'a Transaction<'a>, path: &'a Path) -> Self {
        Self { transaction, path, counts: BTreeMap::new() }
    }

    fn run<T>(&self, f: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, RecordError> {
        f(self.transaction).map_err(|error| RecordError::of(self.path, &error))
    }

    fn of(&mut self, feed: &str) -> &mut Count {
        self.counts.entry(feed.to_owned()).or_default()
    }

    /// Takes a message; `false` if the queue holds these very bytes already, and then nothing is taken.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn add(&mut self, new: &New<'_>) -> Result<bool, RecordError> {
        let about = serde_json::to_string(new.about).unwrap_or_default(); // a list of texts always has a JSON form
        let received = new.received.as_millisecond();
        let added = self.run(|transaction| {
            let digest = new.digest.as_slice();
            if transaction.prepare_cached("SELECT 1 FROM dead WHERE digest = ?1")?.exists([digest])? {
                return Ok(false);
            }
            let added = transaction
                .prepare_cached(
                    "INSERT OR IGNORE INTO waiting (feed, received, digest, control_id, kind, about, raw)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![new.feed, received, digest, new.control_id, new.kind, about, new.raw])?;
            if added == 0 {
                return Ok(false);
            }
            let seq = transaction.last_insert_rowid();
            for number in new.about {
                transaction
                    .prepare_cached("INSERT OR IGNORE INTO about (value, seq) VALUES (?1, ?2)")?
                    .execute((number, seq))?;
            }
            Ok(true)
        })?;
        let count = self.of(new.feed);
        count.received += u64::from(added);
        count.last_received = count.last_received.max(Some(received));
        Ok(added)
    }

    /// Remembers the control id of a message in the place of the oldest.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn remember(&mut self, one: ControlId) -> Result<(), RecordError> {
        let slot = one.number % super::REMEMBERED_IDS;
        self.run(|transaction| {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO control_id (slot, number, id, digest) VALUES (?1, ?2, ?3, ?4)")?
                .execute((slot, one.number, one.id.cast_signed(), one.digest.cast_signed()))
        })?;
        Ok(())
    }

    /// Adds to a feed's counters. `heard`: when something came that was no new message.
    pub fn tally(&mut self, feed: &str, tally: Tally, heard: Option<Timestamp>) {
        let count = self.of(feed);
        count.tally.duplicates += tally.duplicates;
        count.tally.refused += tally.refused;
        count.tally.reused_ids += tally.reused_ids;
        count.last_received = count.last_received.max(heard.map(Timestamp::as_millisecond));
    }

    /// Takes a message that waited out of the queue, or puts it with the dead. One that does not wait is left alone.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn settle(&mut self, seq: u64, outcome: &Settled, now: Timestamp) -> Result<(), RecordError> {
        let now = now.as_millisecond();
        let feed = self.run(|transaction| {
            if let Settled::Dead(reasons) = outcome {
                let reasons = serde_json::to_string(reasons).unwrap_or_default(); // as above
                transaction
                    .prepare_cached(
                        "INSERT INTO dead (seq, feed, received, failed, digest, control_id, kind, about, reasons, raw)
                         SELECT seq, feed, received, ?2, digest, control_id, kind, about, ?3, raw FROM waiting WHERE seq = ?1",
                    )?
                    .execute((seq, now, reasons))?;
            }
            let left = transaction
                .prepare_cached("DELETE FROM waiting WHERE seq = ?1 RETURNING feed, about")?
                .query_row([seq], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
                .optional()?;
            let Some((feed, about)) = left else { return Ok(None) };
            if *outcome == Settled::Filed {
                forget(transaction, seq, &about)?;
            }
            Ok(Some(feed))
        })?;
        if let Some(feed) = feed {
            let count = self.of(&feed);
            match outcome {
                Settled::Filed => {
                    count.processed += 1;
                    count.last_processed = Some(now);
                }
                Settled::Dead(_) => count.died += 1,
            }
        }
        Ok(())
    }

    /// Puts dead letters back to wait, under their old numbers: they are filed before what came after them. How many.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn replay(&mut self, which: Which<'_>) -> Result<u64, RecordError> {
        let (feed, seq) = which.terms();
        self.run(|transaction| {
            let back = transaction
                .prepare_cached(
                    "INSERT INTO waiting (seq, feed, received, digest, control_id, kind, about, raw)
                     SELECT seq, feed, received, digest, control_id, kind, about, raw FROM dead
                     WHERE (?1 IS NULL OR feed = ?1) AND (?2 IS NULL OR seq = ?2) ORDER BY seq",
                )?
                .execute((feed, seq))?;
            transaction
                .prepare_cached("DELETE FROM dead WHERE (?1 IS NULL OR feed = ?1) AND (?2 IS NULL OR seq = ?2)")?
                .execute((feed, seq))?;
            Ok(back as u64)
        })
    }

    /// Lets a dead letter go for good; `false` if there is none with this number.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn drop_dead(&mut self, seq: u64) -> Result<bool, RecordError> {
        let gone = self.run(|transaction| {
            let gone = transaction
                .prepare_cached("DELETE FROM dead WHERE seq = ?1 RETURNING feed, about")?
                .query_row([seq], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
                .optional()?;
            if let Some((_, about)) = &gone {
                forget(transaction, seq, about)?;
            }
            Ok(gone)
        })?;
        let Some((feed, _)) = gone else { return Ok(false) };
        self.of(&feed).dropped += 1;
        Ok(true)
    }

    /// Holds a feed's messages back from the record, or lets them go on.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn pause(&mut self, feed: &str, paused: bool) -> Result<(), RecordError> {
        self.run(|transaction| {
            transaction
                .prepare_cached(
                    "INSERT INTO feed (name, paused) VALUES (?1, ?2)
                     ON CONFLICT (name) DO UPDATE SET paused = excluded.paused",
                )?
                .execute((feed, paused))
        })?;
        Ok(())
    }

    /// Writes the counters.
    pub(super) fn count(&mut self) -> Result<(), RecordError> {
        for (feed, count) in std::mem::take(&mut self.counts) {
            self.run(|transaction| {
                transaction.prepare_cached("INSERT OR IGNORE INTO feed (name) VALUES (?1)")?.execute([&feed])?;
                transaction
                    .prepare_cached(
                        "UPDATE feed SET received = received + ?2, duplicates = duplicates + ?3, refused = refused + ?4,
                           reused_ids = reused_ids + ?5, processed = processed + ?6, died = died + ?7, dropped = dropped + ?8,
                           last_received = coalesce(max(last_received, ?9), last_received, ?9),
                           last_processed = coalesce(?10, last_processed)
                         WHERE name = ?1",
                    )?
                    .execute(params![
                        feed,
                        count.received,
                        count.tally.duplicates,
                        count.tally.refused,
                        count.tally.reused_ids,
                        count.processed,
                        count.died,
                        count.dropped,
                        count.last_received,
                        count.last_processed
                    ])
            })?;
        }
        Ok(())
    }
}

/// Forgets which patient numbers a message names.
fn forget(transaction: &Transaction<'_>, seq: u64, about: &str) -> rusqlite::Result<()> {
    let numbers: Vec<String> = serde_json::from_str(about).unwrap_or_default();
    for number in numbers {
        transaction.prepare_cached("DELETE FROM about WHERE value = ?1 AND seq = ?2")?.execute((number, seq))?;
    }
    Ok(())
}
