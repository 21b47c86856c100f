//! Whose a chart is: patients joined, parted again, visits moved, and the trail of all of it.
//!
//! A merge moves no resource: it is one row that says whose chart another one is part of, so taking it back parts the two
//! exactly where they were joined. What came for either number in between went to that number and stays there.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::reader::{instant, survivor};
use super::{Store, Writer};
use crate::error::RecordError;

/// When and by whose word a chart was joined or parted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Because {
    /// When this site learned it.
    pub at: Timestamp,
    /// The message or file that said so, or the user. Never a patient's name or number.
    pub origin: String,
    /// Why, as a person put it.
    pub reason: Option<String>,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MergeKind {
    /// `source` became part of `target`.
    Merge,
    /// `source` is a patient of its own again.
    Unmerge,
    /// A visit of `source` became one of `target`.
    Move,
}

impl MergeKind {
    fn name(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Unmerge => "unmerge",
            Self::Move => "move",
        }
    }
}

/// One entry of the trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeEvent {
    /// From 1, in the order in which they were done.
    pub number: u64,
    /// What was done.
    pub kind: MergeKind,
    /// Logical id of the patient who was merged.
    pub source: String,
    /// Logical id of the other.
    pub target: String,
    /// Logical id of the Encounter that was moved.
    pub visit: Option<String>,
    /// Why and when.
    pub because: Because,
    /// Whether `source` is part of `target` now.
    pub stands: bool,
}

/// A resource as it is stored, for a change that keeps where it came from.
#[derive(Debug, Clone)]
pub struct Stored {
    /// FHIR resource type.
    pub resource_type: String,
    /// Logical id.
    pub id: String,
    /// The bytes.
    pub raw: Vec<u8>,
    /// File or feed.
    pub file: String,
    /// The message it was made from.
    pub origin: Option<crate::chart::Origin>,
}

impl Writer<'_> {
    /// Joins the patient `from` into `into`. Doing it again changes nothing; chains are allowed.
    ///
    /// # Errors
    /// [`RecordError::MergeCircle`], [`RecordError::MergedElsewhere`]; those of the disk.
    pub fn merge(&mut self, from: &str, into: &str, because: &Because) -> Result<(), RecordError> {
        let target = survivor(self.transaction, into).map_err(self.failed())?;
        if target == from {
            return Err(RecordError::MergeCircle);
        }
        let already = survivor(self.transaction, from).map_err(self.failed())?;
        if already != from && already != target {
            // Moving it would take its entries out of the chart that holds them.
            return Err(RecordError::MergedElsewhere);
        }
        if already == target {
            return Ok(());
        }
        let write = || {
            self.transaction
                .prepare_cached("INSERT OR REPLACE INTO merged (source, target) VALUES (?1, ?2)")?
                .execute((from, into))?;
            self.note(MergeKind::Merge, from, into, None, because)
        };
        write().map_err(self.failed())
    }

    /// Parts `from` from the patient it was merged into; that patient's id.
    ///
    /// # Errors
    /// [`RecordError::NotMerged`]; those of the disk.
    pub fn unmerge(&mut self, from: &str, because: &Because) -> Result<String, RecordError> {
        let write = || {
            let target: Option<String> = self
                .transaction
                .prepare_cached("SELECT target FROM merged WHERE source = ?1")?
                .query_row([from], |row| row.get(0))
                .optional()?;
            if let Some(target) = &target {
                self.transaction.prepare_cached("DELETE FROM merged WHERE source = ?1")?.execute([from])?;
                self.note(MergeKind::Unmerge, from, target, None, because)?;
            }
            Ok(target)
        };
        write().map_err(self.failed())?.ok_or(RecordError::NotMerged)
    }

    /// Notes that a visit went from one patient to another; the caller has stored its resources anew.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn moved(&mut self, visit: &str, from: &str, to: &str, because: &Because) -> Result<(), RecordError> {
        self.note(MergeKind::Move, from, to, Some(visit), because).map_err(self.failed())
    }

    fn note(
        &self,
        kind: MergeKind,
        source: &str,
        target: &str,
        visit: Option<&str>,
        because: &Because,
    ) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(
                "INSERT INTO merge_event (kind, source, target, visit, at, origin, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                kind.name(),
                source,
                target,
                visit,
                because.at.as_millisecond(),
                because.origin,
                because.reason
            ])?;
        Ok(())
    }

    /// The resources of one patient whose bytes hold `words`, such as `"Encounter/abc"`: those that refer to something.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn holding(&self, patient: &str, words: &str) -> Result<Vec<Stored>, RecordError> {
        let read = || {
            let mut statement = self.transaction.prepare_cached(
                "SELECT type, id, raw, file, origin FROM resource WHERE patient = ?1 AND instr(raw, ?2) > 0 ORDER BY row",
            )?;
            let rows = statement.query_map(params![patient, words.as_bytes()], |row| {
                Ok(Stored {
                    resource_type: row.get(0)?,
                    id: row.get(1)?,
                    raw: row.get(2)?,
                    file: row.get(3)?,
                    origin: row.get::<_, Option<String>>(4)?.and_then(|json| serde_json::from_str(&json).ok()),
                })
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(self.failed())
    }
}

impl Store {
    /// Everything that was done about whose the charts are, oldest first.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn merges(&self) -> Result<Vec<MergeEvent>, RecordError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT number, kind, event.source, event.target, visit, at, origin, reason,
                        kind = 'merge' AND number = (SELECT max(number) FROM merge_event AS later WHERE later.source = event.source AND later.kind != 'move')
                        AND EXISTS (SELECT 1 FROM merged WHERE merged.source = event.source)
                 FROM merge_event AS event ORDER BY number",
            )?;
            let rows = statement.query_map([], |row| {
                let kind = match row.get::<_, String>(1)?.as_str() {
                    "merge" => MergeKind::Merge,
                    "unmerge" => MergeKind::Unmerge,
                    _ => MergeKind::Move,
                };
                Ok(MergeEvent {
                    number: row.get(0)?,
                    kind,
                    source: row.get(2)?,
                    target: row.get(3)?,
                    visit: row.get(4)?,
                    because: Because { at: instant(row.get(5)?), origin: row.get(6)?, reason: row.get(7)? },
                    stands: row.get(8)?,
                })
            })?;
            rows.collect()
        })
    }

    /// The one merged patient whom `asked` names, by logical id, number or `system|number`: not the patient that the chart
    /// belongs to now, but the one that was joined to it.
    ///
    /// # Errors
    /// [`RecordError::NotMerged`] if nobody who is merged has it; [`RecordError::AmbiguousPatient`]; those of the disk.
    pub fn merged_patient(&self, asked: &str) -> Result<String, RecordError> {
        let (system, value) = match asked.rsplit_once('|') {
            Some((system, value)) => (Some(system), value),
            None => (None, asked),
        };
        let mut found = self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT source FROM merged WHERE source = ?1
                 UNION SELECT source FROM merged JOIN identifier ON identifier.patient = merged.source
                       WHERE value = ?2 AND (?3 IS NULL OR system = ?3)",
            )?;
            let rows = statement.query_map((asked, value, system), |row| row.get(0))?;
            rows.collect::<rusqlite::Result<Vec<String>>>()
        })?;
        match found.len() {
            0 => Err(RecordError::NotMerged),
            1 => Ok(found.remove(0)),
            count => Err(RecordError::AmbiguousPatient { count }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Key;
    use crate::prepare::{Source, prepare};

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("record.db"), &Key::new([7; 32])).unwrap();
        (folder, store)
    }

    fn put(store: &Store, json: &str) {
        let source = Source { file: "t.json".to_owned(), received: Timestamp::UNIX_EPOCH, origin: None };
        let prepared = prepare(json.as_bytes().to_vec(), None, &|_| None, &source).unwrap();
        store.write(|writer| writer.put(&prepared)).unwrap();
    }

    fn because(origin: &str) -> Because {
        Because { at: Timestamp::UNIX_EPOCH, origin: origin.to_owned(), reason: None }
    }

    fn patient(id: &str, number: &str) -> String {
        format!(
            r#"{{"resourceType":"Patient","id":"{id}","identifier":[{{"system":"s","value":"{number}"}}],"name":[{{"text":"{id} Kim"}}]}}"#
        )
    }

    fn observation(id: &str, patient: &str) -> String {
        format!(
            r#"{{"resourceType":"Observation","id":"{id}","status":"final","code":{{"text":"K"}},"subject":{{"reference":"Patient/{patient}"}},"encounter":{{"reference":"Encounter/e1"}},"valueString":"x"}}"#
        )
    }

    #[test]
    fn a_merge_is_taken_back_and_leaves_its_trail() {
        let (_folder, store) = store();
        for json in [patient("old", "111"), patient("new", "222"), observation("o1", "old"), observation("n1", "new")] {
            put(&store, &json);
        }
        let sources = |asked: &str| -> Vec<String> {
            store.chart(asked).unwrap().unwrap().entries.into_iter().map(|entry| entry.source).collect()
        };
        store.write(|writer| writer.merge("old", "new", &because("A40"))).unwrap();
        assert_eq!(sources("111"), ["Observation/n1", "Observation/o1"], "the old number opens the joined chart");
        // What comes for the old number after the merge is in the joined chart, and goes with the old one when parted.
        put(&store, &observation("o2", "old"));
        put(&store, &observation("n2", "new"));
        assert_eq!(sources("222").len(), 4);
        let found = store.patients(Some("111")).unwrap();
        assert_eq!(found.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["new"], "found by the old number");
        assert_eq!(found[0].identifiers, [("s".into(), "222".into()), ("s".into(), "111".into())]);
        assert_eq!(store.patients(Some("old kim")).unwrap()[0].id, "new", "found by the old name");

        assert_eq!(store.merged_patient("111").unwrap(), "old");
        assert!(matches!(store.merged_patient("222"), Err(RecordError::NotMerged)), "the survivor is not merged");
        assert!(store.merges().unwrap()[0].stands);
        assert_eq!(store.write(|writer| writer.unmerge("old", &because("user"))).unwrap(), "new");
        assert_eq!(sources("111"), ["Observation/o1", "Observation/o2"]);
        assert_eq!(sources("222"), ["Observation/n1", "Observation/n2"]);
        assert!(matches!(store.write(|w| w.unmerge("old", &because("user"))), Err(RecordError::NotMerged)));
        // After it, the other direction is open.
        store.write(|writer| writer.merge("new", "old", &because("A40"))).unwrap();
        let trail = store.merges().unwrap();
        let told: Vec<_> =
            trail.iter().map(|e| (e.kind, e.source.as_str(), e.because.origin.as_str(), e.stands)).collect();
        assert_eq!(
            told,
            [
                (MergeKind::Merge, "old", "A40", false),
                (MergeKind::Unmerge, "old", "user", false),
                (MergeKind::Merge, "new", "A40", true)
            ]
        );
    }

    #[test]
    fn a_middle_link_of_a_chain_can_be_taken_out() {
        let (_folder, store) = store();
        for id in ["a", "b", "c"] {
            put(&store, &patient(id, id));
            put(&store, &observation(&format!("o{id}"), id));
        }
        store.write(|writer| writer.merge("a", "b", &because("1"))).unwrap();
        store.write(|writer| writer.merge("b", "c", &because("2"))).unwrap();
        assert_eq!(store.chart("a").unwrap().unwrap().entries.len(), 3);
        store.write(|writer| writer.unmerge("b", &because("3"))).unwrap();
        assert_eq!(store.chart("a").unwrap().unwrap().patient.ids, ["b", "a"], "who was merged before stays so");
        assert_eq!(store.chart("c").unwrap().unwrap().entries.len(), 1);
    }

    #[test]
    fn what_refers_to_a_visit_is_found_by_patient() {
        let (_folder, store) = store();
        put(&store, &observation("o1", "p"));
        put(&store, &observation("o2", "q"));
        let held = store.write(|writer| writer.holding("p", "\"Encounter/e1\"")).unwrap();
        assert_eq!(held.iter().map(|stored| stored.id.as_str()).collect::<Vec<_>>(), ["o1"]);
        assert!(store.write(|writer| writer.holding("p", "\"Encounter/e\"")).unwrap().is_empty());
    }
}
