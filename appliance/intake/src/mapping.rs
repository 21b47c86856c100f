//! Messages mapped one after another, as they came: a later one amends what an earlier one said, whether the record has
//! committed that yet or not. Files and feeds go through here alike.

use std::collections::HashMap;
use std::sync::Arc;

use haechi_record::chart::Rejected;
use haechi_record::store::Store;
use sha2::{Digest as _, Sha256};

use crate::hl7::{self, Hl7Settings, Mapped};
use crate::working::guarded;

/// Committed resources kept by [`Mapping::keep_recent`], and their bytes.
const MOST_KEPT: usize = 12_000;
const MOST_KEPT_BYTES: usize = 12 << 20;

/// What became of a message while it was read.
pub(crate) enum Message {
    /// Mapped, and the line on which it begins.
    Mapped([u8; 32], Mapped, u64),
    /// The record has taken it before.
    Seen([u8; 32]),
    /// Put aside whole.
    Rejected(Vec<Rejected>),
}

/// A resource as it will be, and the number of the job that makes it so.
type Ahead = (Arc<[u8]>, u64);

/// See the module.
#[derive(Default)]
pub(crate) struct Mapping {
    /// Resources that are mapped but not committed yet, by type and id, with the number of their job.
    ahead: HashMap<(String, String), Ahead>,
    /// Messages that are mapped but not committed yet.
    seen: HashMap<[u8; 32], u64>,
    /// What was committed when the two were last gone through.
    forgotten: u64,
    /// Bytes of the resources in `ahead`.
    bytes: usize,
}

impl Mapping {
    /// Maps one message, which goes on with job `number`.
    pub(crate) fn message(
        &mut self,
        store: &Store,
        settings: &Hl7Settings,
        piece: hl7::Piece<'_>,
        file: &str,
        number: u64,
    ) -> Message {
        let digest: [u8; 32] = Sha256::digest(piece.bytes).into();
        // Mapping it again would meet later states of what it amends.
        if self.seen.contains_key(&digest) || store.has_message(&digest).unwrap_or(false) {
            return Message::Seen(digest);
        }
        let ahead = &self.ahead;
        let current = |resource_type: &str, id: &str| match ahead.get(&(resource_type.to_owned(), id.to_owned())) {
            Some((json, _)) => Some(json.to_vec()),
            // A record that cannot be read will not be written either: the writer reports it.
            None => store.current(resource_type, id).ok().flatten(),
        };
        let mut mapped = match guarded(|| hl7::map(piece.bytes, settings, &current)) {
            Some(Ok(mapped)) => mapped,
            Some(Err(rejected)) => {
                return Message::Rejected(rejected.into_iter().map(|one| piece.locate(file, one)).collect());
            }
            None => {
                let reason = "reading the message failed inside the program; please report this";
                return Message::Rejected(vec![whole_message(file, piece.line, None, reason)]);
            }
        };
        mapped.rejected = mapped.rejected.into_iter().map(|one| piece.locate(file, one)).collect();
        self.seen.insert(digest, number);
        for resource in &mapped.resources {
            if let Some(key) = type_and_id(&resource.json) {
                self.bytes += resource.json.len();
                let before = self.ahead.insert(key, (resource.json.as_slice().into(), number));
                self.bytes -= before.map_or(0, |(json, _)| json.len());
            }
        }
        Message::Mapped(digest, mapped, piece.line)
    }

    /// What is committed (jobs below `committed`) is read from the record again. Going through all costs time, so it is
    /// done seldom.
    pub(crate) fn forget_committed(&mut self, committed: u64) {
        if committed == self.forgotten || (self.ahead.len() < 4096 && self.seen.len() < 4096) {
            return;
        }
        self.forgotten = committed;
        self.forget(committed);
    }

    /// Keeps what is committed for as long as there is room: a patient about whom messages come is read from the record once.
    /// For a caller who knows that nobody else writes.
    pub(crate) fn keep_recent(&mut self, committed: u64) {
        if self.ahead.len() < MOST_KEPT && self.bytes < MOST_KEPT_BYTES {
            self.seen.retain(|_, number| *number >= committed);
            return;
        }
        let oldest = self.ahead.values().map(|(_, number)| *number).min().unwrap_or(committed);
        self.forget(oldest.saturating_add(committed.saturating_sub(oldest) / 2 + 1).min(committed));
        if self.ahead.len() >= MOST_KEPT || self.bytes >= MOST_KEPT_BYTES {
            self.forget(committed);
        }
    }

    /// Forgets jobs below `number`.
    fn forget(&mut self, before: u64) {
        self.ahead.retain(|_, (_, number)| *number >= before);
        self.seen.retain(|_, number| *number >= before);
        self.bytes = self.ahead.values().map(|(json, _)| json.len()).sum();
    }
}

/// A whole message put aside.
pub(crate) fn whole_message(file: &str, line: u64, segment: Option<&str>, reason: &str) -> Rejected {
    Rejected {
        file: file.to_owned(),
        line: Some(line),
        segment: segment.map(str::to_owned),
        field: None,
        resource: None,
        reason: reason.to_owned(),
    }
}

#[derive(serde::Deserialize)]
struct Named {
    #[serde(rename = "resourceType")]
    resource_type: String,
    id: String,
}

fn type_and_id(json: &[u8]) -> Option<(String, String)> {
    let named: Named = serde_json::from_slice(json).ok()?;
    Some((named.resource_type, named.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_what_is_not_committed_is_kept() {
        let mut mapping = Mapping::default();
        let resource: Arc<[u8]> = vec![b'x'; 1000].into();
        for number in 0..100u64 {
            let committed = number.saturating_sub(2);
            mapping.keep_recent(committed);
            assert!(mapping.ahead.len() < MOST_KEPT && mapping.bytes < MOST_KEPT_BYTES, "{}", mapping.ahead.len());
            for one in 0..500 {
                let key = ("Observation".to_owned(), format!("{number}-{one}"));
                mapping.ahead.insert(key, (Arc::clone(&resource), number));
                mapping.bytes += resource.len();
            }
            mapping.seen.insert([u8::try_from(number).unwrap(); 32], number);
            let uncommitted = mapping.ahead.values().filter(|(_, job)| *job >= committed).count() as u64;
            assert_eq!(uncommitted, 500 * (number + 1 - committed));
        }
        mapping.keep_recent(98);
        assert!(mapping.ahead.len() > 2000, "what came last is read from the record no more");
        assert_eq!(mapping.seen.len(), 2, "the record knows what is committed");
    }
}
