//! What feeds bring, between the acknowledgement and the record: a second encrypted file beside the record, under its key.
//!
//! Why not in the record's own file: SQLite has one writer a file. A transaction of an import or of filing messages lasts
//! up to seconds, and an acknowledgement may not wait for it.
//!
//! Exactly once: a message is taken by its bytes' digest, which is unique here and in the record's table `message`. The
//! record commits that digest together with what the message says; only then the message leaves the queue. A power cut
//! between the two shows the message again, and the digest in the record says that it is filed.
//!
//! Reading order: [`Queue`] (opening, reading), [`QueueWriter`] (what one durable transaction may do).

mod reading;
mod writing;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::Connection;

use crate::chart::Rejected;
use crate::error::RecordError;
use crate::file::{Encrypted, OpenOptions};
use crate::key::Key;
use crate::migrations;

pub use writing::QueueWriter;

/// The queue. Cheap to clone: all clones share their connections.
#[derive(Debug, Clone)]
pub struct Queue {
    shared: Arc<Encrypted>,
}

/// A message that was not seen before.
#[derive(Debug, Clone)]
pub struct New<'m> {
    /// Name of the feed.
    pub feed: &'m str,
    /// By our clock.
    pub received: Timestamp,
    /// SHA-256 of `raw`.
    pub digest: [u8; 32],
    /// MSH-10.
    pub control_id: &'m str,
    /// MSH-9 as `ADT^A01`.
    pub kind: &'m str,
    /// Patient numbers that it names, as written.
    pub about: &'m [String],
    /// Its bytes.
    pub raw: &'m [u8],
}

/// A message that waits to be filed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its number, in the order in which messages came; never used twice.
    pub seq: u64,
    /// Name of the feed.
    pub feed: String,
    /// When it came.
    pub received: Timestamp,
    /// Its bytes.
    pub raw: Vec<u8>,
}

/// How many control ids the queue remembers.
pub const REMEMBERED_IDS: u64 = 65_536;

/// A control id that a message had, as numbers that stand for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlId {
    /// Counts up for ever; the newest [`REMEMBERED_IDS`] are kept.
    pub number: u64,
    /// Stands for feed, sender and MSH-10.
    pub id: u64,
    /// Stands for the message's bytes.
    pub digest: u64,
}

/// What became of a message that waited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// It is in the record.
    Filed,
    /// It cannot be filed, and why.
    Dead(Vec<Rejected>),
}

/// What to add to a feed's counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages that were known already and acknowledged again.
    pub duplicates: u64,
    /// Messages answered AE or AR: they were not taken.
    pub refused: u64,
    /// Messages whose control id was used before with other bytes.
    pub reused_ids: u64,
}

/// A feed as the queue knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeedState {
    /// Its name in the configuration.
    pub name: String,
    /// Whether its messages wait although they could be filed. They are acknowledged all the same.
    pub paused: bool,
    /// New messages acknowledged, in all.
    pub received: u64,
    /// See [`Tally::duplicates`].
    pub duplicates: u64,
    /// See [`Tally::refused`].
    pub refused: u64,
    /// See [`Tally::reused_ids`].
    pub reused_ids: u64,
    /// Messages filed, in all.
    pub processed: u64,
    /// Messages that wait now.
    pub waiting: u64,
    /// Messages that cannot be filed, now.
    pub dead: u64,
    /// When the last message came, duplicates included.
    pub last_received: Option<Timestamp>,
    /// When a message was last filed.
    pub last_processed: Option<Timestamp>,
}

/// A message that cannot be filed, without its content.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// Its number.
    pub seq: u64,
    /// Name of the feed.
    pub feed: String,
    /// When it came.
    pub received: Timestamp,
    /// When it was found that it cannot be filed.
    pub failed: Timestamp,
    /// MSH-10.
    pub control_id: String,
    /// MSH-9 as `ADT^A01`.
    pub kind: String,
    /// Why.
    pub reasons: Vec<Rejected>,
}

/// Messages about a patient that are not in the record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pending {
    /// They wait.
    pub waiting: u64,
    /// They cannot be filed.
    pub dead: u64,
}

/// Dead letters that are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which<'w> {
    /// All of them.
    All,
    /// Those of a feed.
    Feed(&'w str),
    /// One, by its number.
    Seq(u64),
}

impl Queue {
    /// Opens the queue, made with mode 0600 if absent.
    ///
    /// # Errors
    /// As `Store::open`.
    pub fn open(file: &Path, key: &Key) -> Result<Self, RecordError> {
        Self::open_with(file, key, &OpenOptions::default())
    }

    /// [`Queue::open`] for tests of the disk.
    ///
    /// # Errors
    /// As [`Queue::open`].
    pub fn open_with(file: &Path, key: &Key, options: &OpenOptions) -> Result<Self, RecordError> {
        Ok(Self { shared: Arc::new(Encrypted::open(file, key, options, migrations::QUEUE)?) })
    }

    /// One durable transaction: on the disk when this returns `Ok`; as if it had never been if `f` or the commit fails.
    ///
    /// # Errors
    /// Those of `f`, and those of the disk.
    pub fn write<T>(&self, f: impl FnOnce(&mut QueueWriter<'_>) -> Result<T, RecordError>) -> Result<T, RecordError> {
        self.shared.write(|transaction| {
            let mut writer = QueueWriter::new(transaction, self.shared.path());
            let result = f(&mut writer)?;
            writer.count()?;
            Ok(result)
        })
    }

    /// Looks for damage. Reads the whole file.
    ///
    /// # Errors
    /// Those that keep the file from being read at all.
    pub fn check(&self) -> Result<crate::store::Health, RecordError> {
        self.shared.check()
    }

    fn read<T>(&self, f: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, RecordError> {
        self.shared.read(f)
    }
}

#[cfg(test)]
mod tests;
