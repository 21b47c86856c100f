//! Reading: charts, lists, search, health. Every query about a patient names that patient's ids.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::{Counts, Health, PatientRow, Store};
use crate::chart::{Chart, Origin, Rejected, read};
use crate::error::RecordError;
use crate::search::{self, Hit};

/// Longest chain of merges followed; a longer one is a fault of the data and ends there.
const LONGEST_CHAIN: usize = 64;

/// Types that are nobody's: their names stand in charts by reference.
const SHARED_TYPES: &[&str] = &[
    "Practitioner",
    "PractitionerRole",
    "Organization",
    "Location",
    "Medication",
    "HealthcareService",
    "Device",
    "Substance",
];

/// The ids of one patient, proven to belong together: nothing about a patient is read without one.
pub(super) struct Ids(pub(super) Vec<String>);

impl Ids {
    /// `?,?,?` for an SQL list.
    fn places(&self) -> String {
        vec!["?"; self.0.len()].join(",")
    }

    fn values(&self) -> Vec<Value> {
        self.0.iter().cloned().map(Value::from).collect()
    }
}

enum Found {
    Nobody,
    Several(usize),
    One(Ids),
}

impl Store {
    /// Everything about one patient: `patient` is a FHIR id, an identifier's value, or `system|value`. `None`: not known here.
    ///
    /// # Errors
    /// [`RecordError::AmbiguousPatient`]; those of the disk.
    pub fn chart(&self, patient: &str) -> Result<Option<Chart>, RecordError> {
        // One snapshot for all queries: a chart never mixes two moments.
        self.read(|connection| {
            let snapshot = connection.unchecked_transaction()?;
            Ok(match find(&snapshot, patient)? {
                Found::Nobody => Ok(None),
                Found::Several(count) => Err(RecordError::AmbiguousPatient { count }),
                Found::One(ids) => Ok(Some(chart(&snapshot, &ids)?)),
            })
        })?
    }

    /// Patients whose name or identifier contains `find` (all if `None`), by name.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn patients(&self, find: Option<&str>) -> Result<Vec<PatientRow>, RecordError> {
        self.read(|connection| patients(connection, find))
    }

    /// The bytes of the current version of a resource.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn current(&self, resource_type: &str, id: &str) -> Result<Option<Vec<u8>>, RecordError> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT raw FROM resource WHERE type = ?1 AND id = ?2 AND raw <> x''")?
                .query_row((resource_type, id), |row| row.get(0))
                .optional()
        })
    }

    /// All versions of a resource, oldest first: (version, when it came, bytes).
    ///
    /// # Errors
    /// Those of the disk.
    pub fn versions(&self, resource_type: &str, id: &str) -> Result<Vec<(u64, Timestamp, Vec<u8>)>, RecordError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT version, received, raw FROM resource WHERE type = ?1 AND id = ?2
                 UNION ALL
                 SELECT past.version, past.received, past.raw FROM past JOIN resource ON resource.row = past.resource
                 WHERE resource.type = ?1 AND resource.id = ?2
                 ORDER BY 1",
            )?;
            let rows = statement
                .query_map((resource_type, id), |row| Ok((row.get::<_, u64>(0)?, instant(row.get(1)?), row.get(2)?)))?;
            rows.collect()
        })
    }

    /// Full-text search in one patient's resources, best first. Resources with every word come first; if there are none,
    /// those with at least one.
    ///
    /// # Errors
    /// As [`Store::chart`].
    pub fn search(&self, patient: &str, query: &str, limit: usize) -> Result<Vec<Hit>, RecordError> {
        let (Some(all), Some(any)) = (search::expression(query, false), search::expression(query, true)) else {
            return Ok(Vec::new());
        };
        self.read(|connection| {
            let snapshot = connection.unchecked_transaction()?;
            Ok(match find(&snapshot, patient)? {
                Found::Nobody => Ok(Vec::new()),
                Found::Several(count) => Err(RecordError::AmbiguousPatient { count }),
                Found::One(ids) => {
                    let mut hits = search_with(&snapshot, &ids, &all, query, limit)?;
                    if hits.is_empty() {
                        hits = search_with(&snapshot, &ids, &any, query, limit)?;
                    }
                    Ok(hits)
                }
            })
        })?
    }

    /// How much is there.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn counts(&self) -> Result<Counts, RecordError> {
        self.read(|connection| {
            let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, u64>(0));
            let deleted = count("SELECT count(*) FROM resource WHERE raw = x''")?;
            let resources = count("SELECT count(*) FROM resource")?.saturating_sub(deleted);
            Ok(Counts {
                patients: count("SELECT count(*) FROM patient WHERE id NOT IN (SELECT source FROM merged)")?,
                resources,
                versions: resources + deleted + count("SELECT count(*) FROM past")?,
                messages: count("SELECT count(*) FROM message")?,
                rejected: count("SELECT count(*) FROM reject")?,
                last_received: connection
                    .query_row("SELECT max(received) FROM resource", [], |row| row.get::<_, Option<i64>>(0))?
                    .map(instant),
            })
        })
    }

    /// Items put aside, newest first.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn rejects(&self, limit: usize) -> Result<Vec<Rejected>, RecordError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT item FROM reject ORDER BY row DESC LIMIT ?1")?;
            let rows = statement.query_map([limit as i64], |row| row.get::<_, String>(0))?;
            Ok(rows
                .collect::<rusqlite::Result<Vec<_>>>()?
                .iter()
                .filter_map(|item| serde_json::from_str(item).ok())
                .collect())
        })
    }

    /// Looks for damage: the seal of every page, then SQLite's own structures. Reads the whole file.
    ///
    /// # Errors
    /// Those that keep the file from being read at all.
    pub fn check(&self) -> Result<Health, RecordError> {
        self.shared.check()
    }
}

/// The patient into whom `id` was merged at last; itself if it was not.
pub(super) fn survivor(connection: &Connection, id: &str) -> rusqlite::Result<String> {
    let mut statement = connection.prepare_cached("SELECT target FROM merged WHERE source = ?1")?;
    let mut id = id.to_owned();
    for _ in 0..LONGEST_CHAIN {
        match statement.query_row([&id], |row| row.get::<_, String>(0)).optional()? {
            Some(target) => id = target,
            None => break,
        }
    }
    Ok(id)
}

fn find(connection: &Connection, asked: &str) -> rusqlite::Result<Found> {
    let by_id = connection
        .prepare_cached(
            "SELECT 1 FROM patient WHERE id = ?1 UNION ALL SELECT 1 FROM resource WHERE patient = ?1 LIMIT 1",
        )?
        .exists([asked])?;
    let (system, value) = match asked.rsplit_once('|') {
        Some((system, value)) => (Some(system), value),
        None => (None, asked),
    };
    let mut statement =
        connection.prepare_cached("SELECT patient FROM identifier WHERE value = ?1 AND (?2 IS NULL OR system = ?2)")?;
    let rows = statement.query_map((value, system), |row| row.get::<_, String>(0))?;
    let mut survivors = rows.map(|id| survivor(connection, &id?)).collect::<rusqlite::Result<Vec<_>>>()?;
    if by_id {
        // One patient's id may be another's number: then nobody is opened by guess.
        survivors.push(survivor(connection, asked)?);
    }
    survivors.sort();
    survivors.dedup();
    match survivors.len() {
        0 => Ok(Found::Nobody),
        1 => Ok(Found::One(joined(connection, survivors.remove(0))?)),
        several => Ok(Found::Several(several)),
    }
}

/// The survivor and everybody merged into it.
pub(super) fn joined(connection: &Connection, survivor: String) -> rusqlite::Result<Ids> {
    let mut statement = connection.prepare_cached("SELECT source FROM merged WHERE target = ?1 ORDER BY source")?;
    let mut ids = vec![survivor];
    let mut next = 0;
    while let Some(target) = ids.get(next).cloned() {
        for source in statement.query_map([target], |row| row.get::<_, String>(0))? {
            let source = source?;
            if !ids.contains(&source) {
                ids.push(source);
            }
        }
        next += 1;
    }
    Ok(Ids(ids))
}

struct Row {
    resource_type: String,
    id: String,
    received: Timestamp,
    origin: Option<Origin>,
    raw: Vec<u8>,
}

fn chart(connection: &Connection, ids: &Ids) -> rusqlite::Result<Chart> {
    let sql = format!("SELECT type, id, received, origin, raw FROM resource WHERE patient IN ({})", ids.places());
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map(params_from_iter(ids.values()), |row| {
        Ok(Row {
            resource_type: row.get(0)?,
            id: row.get(1)?,
            received: instant(row.get(2)?),
            origin: row.get::<_, Option<String>>(3)?.and_then(|json| serde_json::from_str(&json).ok()),
            raw: row.get(4)?,
        })
    })?;
    let rows = rows.collect::<rusqlite::Result<Vec<Row>>>()?;
    let names = Names { connection, seen: std::cell::RefCell::default() };
    let lookup = |reference: &str| names.of(reference);
    let mut entries: Vec<_> = rows
        .iter()
        .filter_map(|row| read::entry_with(&row.raw, &row.id, row.received, row.origin.clone(), &lookup))
        .collect();
    read::join(&mut entries);
    entries.sort_by(read::order);
    let mut patient = read::person(
        &ids.0
            .iter()
            .filter_map(|id| rows.iter().find(|row| row.resource_type == "Patient" && &row.id == id))
            .map(|row| (row.id.as_str(), row.raw.as_slice()))
            .collect::<Vec<_>>(),
    );
    patient.ids.clone_from(&ids.0); // also those of whom only the merge is known
    let as_of = rows.iter().map(|row| row.received).max().unwrap_or(Timestamp::UNIX_EPOCH);
    let sql = format!("SELECT item FROM reject WHERE patient IN ({}) ORDER BY row", ids.places());
    let mut statement = connection.prepare(&sql)?;
    let items = statement.query_map(params_from_iter(ids.values()), |row| row.get::<_, String>(0))?;
    let rejected = items
        .collect::<rusqlite::Result<Vec<_>>>()?
        .iter()
        .filter_map(|item| serde_json::from_str(item).ok())
        .collect();
    Ok(Chart { patient, entries, as_of, rejected })
}

/// Names of practitioners, places and drugs, which are nobody's record.
struct Names<'a> {
    connection: &'a Connection,
    seen: std::cell::RefCell<HashMap<String, Option<String>>>,
}

impl Names<'_> {
    fn of(&self, reference: &str) -> Option<String> {
        if let Some(known) = self.seen.borrow().get(reference) {
            return known.clone();
        }
        let name = self.read(reference).ok().flatten();
        self.seen.borrow_mut().insert(reference.to_owned(), name.clone());
        name
    }

    fn read(&self, reference: &str) -> rusqlite::Result<Option<String>> {
        let plain = reference.split("/_history/").next().unwrap_or_default();
        let raw: Option<Vec<u8>> = if let Some(id) = plain.strip_prefix("urn:uuid:") {
            let mut statement = self
                .connection
                .prepare_cached("SELECT raw FROM resource WHERE type = ?1 AND id = ?2 AND patient IS NULL")?;
            let mut found = None;
            for resource_type in SHARED_TYPES {
                found = statement.query_row((resource_type, id), |row| row.get(0)).optional()?;
                if found.is_some() {
                    break;
                }
            }
            found
        } else {
            let mut parts = plain.rsplit('/');
            let (Some(id), Some(resource_type)) = (parts.next(), parts.next()) else { return Ok(None) };
            if !SHARED_TYPES.contains(&resource_type) {
                return Ok(None);
            }
            self.connection
                .prepare_cached("SELECT raw FROM resource WHERE type = ?1 AND id = ?2 AND patient IS NULL")?
                .query_row((resource_type, id), |row| row.get(0))
                .optional()?
        };
        Ok(raw.and_then(|raw| read::display(&raw)))
    }
}

fn search_with(
    connection: &Connection,
    ids: &Ids,
    expression: &str,
    query: &str,
    limit: usize,
) -> rusqlite::Result<Vec<Hit>> {
    let sql = format!(
        "SELECT resource.type, resource.id, resource.received, resource.raw FROM words JOIN resource ON resource.row = words.rowid
         WHERE words MATCH ? AND resource.patient IN ({}) ORDER BY bm25(words), resource.row LIMIT ?",
        ids.places()
    );
    let mut values = vec![Value::from(expression.to_owned())];
    values.extend(ids.values());
    values.push(Value::from(limit as i64));
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| {
        let (resource_type, id, raw): (String, String, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(3)?);
        let text = if resource_type == "Patient" {
            read::person(&[(&id, &raw)]).names.join(", ")
        } else {
            read::entry(&raw, &id, instant(row.get(2)?), None).map(|entry| all_text(&entry)).unwrap_or_default()
        };
        Ok(Hit { source: format!("{resource_type}/{id}"), snippet: search::snippet(&text, query) })
    })?;
    rows.collect()
}

fn all_text(entry: &crate::chart::Entry) -> String {
    let mut text = entry.title.clone();
    let more = entry.other_titles.iter().chain(entry.texts.iter().chain(&entry.facts).map(|fact| &fact.text));
    for part in more.chain(entry.values.iter().map(|value| &value.text)) {
        text.push(' ');
        text.push_str(part);
    }
    text
}

fn patients(connection: &Connection, find: Option<&str>) -> rusqlite::Result<Vec<PatientRow>> {
    let mut counts = HashMap::<String, u64>::new();
    {
        let mut statement = connection
            .prepare_cached("SELECT patient, count(*) FROM resource WHERE patient IS NOT NULL GROUP BY patient")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?)))?;
        for row in rows {
            let (id, count) = row?;
            *counts.entry(survivor(connection, &id)?).or_default() += count;
        }
    }
    // Whoever is found by the name or number of a merged patient is the one whose chart that is now.
    let mut statement = connection.prepare_cached(
        "SELECT id FROM patient
         WHERE ?1 IS NULL OR instr(lower(name), lower(?1)) > 0
            OR id IN (SELECT patient FROM identifier WHERE instr(lower(value), lower(?1)) > 0)",
    )?;
    let mut found = HashSet::new();
    for id in statement.query_map([find], |row| row.get::<_, String>(0))? {
        found.insert(survivor(connection, &id?)?);
    }
    let mut person = connection.prepare_cached("SELECT name, birth_date, sex FROM patient WHERE id = ?1")?;
    let mut identifiers =
        connection.prepare_cached("SELECT system, value FROM identifier WHERE patient = ?1 ORDER BY system, value")?;
    let mut out = Vec::with_capacity(found.len());
    for id in found {
        // A survivor of whom only the merge is known has neither name nor number of its own.
        let columns = person.query_row([&id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
        let (name, birth_date, sex) = columns.unwrap_or_default();
        let mut row = PatientRow { name, birth_date, sex, identifiers: Vec::new(), resources: 0, id };
        row.resources = counts.get(&row.id).copied().unwrap_or(0);
        for id in joined(connection, row.id.clone())?.0 {
            for pair in identifiers.query_map([&id], |row| Ok((row.get(0)?, row.get(1)?)))? {
                let pair = pair?;
                if !row.identifiers.contains(&pair) {
                    row.identifiers.push(pair);
                }
            }
        }
        out.push(row);
    }
    out.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    Ok(out)
}

pub(crate) fn instant(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}
