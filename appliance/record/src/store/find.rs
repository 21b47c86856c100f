//! FHIR search over the packed values: which rows are looked at, in which order, and where a page ends.
//!
//! The narrowest way in decides which rows are tested: named ids, one patient's rows, the shortest entry that a code, word or
//! date has in a global index, else all of the type. Every row is then tested against every condition, so a way in can be
//! too wide and never too narrow. A page ends at a position, not at a count: what comes in between two pages shifts nothing.
//!
//! Work is bounded whatever the hospital's size: an unsorted page ends when enough rows were tested, full or not, and the
//! next one goes on there; an order or a total, which need every row, are given up beyond a bound.

use std::cmp::Ordering;

use jiff::Timestamp;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::reader::{instant, joined, survivor};
use super::{Store, Writer};
use crate::error::RecordError;
use crate::index::extract::{Value, Values, global_key, place_of, reference_key};
use crate::index::params::{self, Param, TypeParams};
use crate::index::query::{Condition, Match, Target, Test};
use crate::index::text::fold;
use crate::index::time::{Prefix, Range};
use crate::index::{key_of, near, number_of};

/// A way in through a global index that gives more rows than this is left for reading the whole type.
const MAX_ROWS: usize = 200_000;
/// How long the entries of the global indexes are that are looked for: the first to fit is taken.
const LENGTHS: [usize; 3] = [200, 5_000, MAX_ROWS];
/// A way in of so many rows is gone through whole, so that the total is known; through a longer one page by page.
const MAX_WHOLE: usize = 2_000;
/// Rows tested for an unsorted page.
const PAGE_TESTED: usize = if cfg!(test) { 100 } else { 50_000 };
/// Rows tested for an order or a total: some seconds.
const MAX_TESTED: usize = if cfg!(test) { 2_000 } else { 1_000_000 };
/// Rows that are kept while a sorted page is looked for, as a multiple of the page.
const SLACK: usize = 4;

/// What is searched.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// Resource type.
    pub resource_type: String,
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// Logical ids (`_id`): one list for each time it was asked; each list must name the resource.
    pub ids: Vec<Vec<String>>,
    /// When the version came (`_lastUpdated`): each list must hold for one of its alternatives.
    pub received: Vec<Vec<(Prefix, Range)>>,
    /// Only what the record counts as this patient's (or those merged with it).
    pub patient: Option<String>,
    /// Order; by arrival if empty.
    pub sort: Vec<Sort>,
    /// Rows of a page; 0 for a count alone.
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<Position>,
    /// Whether the total must be exact.
    pub count: bool,
    /// Milliseconds since 1970, for dates that are asked approximately.
    pub now: i64,
}

/// One key of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// What is compared.
    pub by: SortBy,
    /// Largest first.
    pub descending: bool,
}

/// What an order compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortBy {
    /// The values of the parameter with this number.
    Param(u16),
    /// When the version came.
    Received,
}

/// The place of a row in an order.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// One for each key of the order, in bytes that compare as the values do; `None` where the resource has no value.
    pub keys: Vec<Option<Vec<u8>>>,
    /// Where the row lies.
    pub place: i64,
    /// The row.
    pub row: i64,
}

/// A current version as it is stored.
#[derive(Debug, Clone)]
pub struct Version {
    /// Version, from 1.
    pub version: u64,
    /// When it came.
    pub received: Timestamp,
    /// Its bytes; empty: the resource was deleted in this version.
    pub raw: Vec<u8>,
}

/// A resource that was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// Resource type.
    pub resource_type: String,
    /// Logical id.
    pub id: String,
    /// What is stored.
    pub stored: Version,
}

/// A page of a search.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// What was found, in order.
    pub found: Vec<Found>,
    /// How many there are in all, where that was asked or is known anyway.
    pub total: Option<u64>,
    /// The end of this page, if another one may follow.
    pub next: Option<Position>,
    /// More rows would have to be put in order or counted than is done for one request: nothing was found.
    pub is_too_costly: bool,
}

impl Store {
    /// One page of a search.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn find(&self, search: &Search) -> Result<Page, RecordError> {
        self.read(|connection| {
            let snapshot = connection.unchecked_transaction()?;
            find(&snapshot, search)
        })
    }

    /// The current version; its bytes are empty if it was deleted. `None`: never known.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn stored(&self, resource_type: &str, id: &str) -> Result<Option<Version>, RecordError> {
        self.read(|connection| stored(connection, resource_type, id))
    }

    /// Every current resource of a patient, merged ones included, from `after` (a row, 0 at first) on, at most `limit`, each
    /// with its row. Empty if the patient is not known.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn everything(&self, patient: &str, after: i64, limit: usize) -> Result<Vec<(i64, Found)>, RecordError> {
        self.read(|connection| {
            let snapshot = connection.unchecked_transaction()?;
            let ids = joined(&snapshot, survivor(&snapshot, patient)?)?;
            let places = vec!["?"; ids.0.len()].join(",");
            let sql = format!(
                "SELECT type, id, version, received, raw, row FROM resource WHERE patient IN ({places}) AND row > ? ORDER BY row LIMIT ?"
            );
            let mut values: Vec<Sql> = ids.0.into_iter().map(Sql::from).collect();
            values.extend([Sql::from(after), Sql::from(i64::try_from(limit).unwrap_or(i64::MAX))]);
            let mut statement = snapshot.prepare_cached(&sql)?;
            let rows = statement.query_map(params_from_iter(values), |row| Ok((row.get(5)?, found(row)?)))?;
            rows.collect()
        })
    }
}

impl Writer<'_> {
    /// [`Store::find`], as this transaction sees the record.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn find(&self, search: &Search) -> Result<Page, RecordError> {
        find(self.connection(), search).map_err(|error| self.error(&error))
    }

    /// [`Store::stored`], as this transaction sees the record.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn stored(&self, resource_type: &str, id: &str) -> Result<Option<Version>, RecordError> {
        stored(self.connection(), resource_type, id).map_err(|error| self.error(&error))
    }
}

fn stored(connection: &Connection, resource_type: &str, id: &str) -> rusqlite::Result<Option<Version>> {
    connection
        .prepare_cached("SELECT version, received, raw FROM resource WHERE type = ?1 AND id = ?2")?
        .query_row((resource_type, id), |row| {
            Ok(Version { version: row.get(0)?, received: instant(row.get(1)?), raw: row.get(2)? })
        })
        .optional()
}

fn found(row: &rusqlite::Row<'_>) -> rusqlite::Result<Found> {
    Ok(Found {
        resource_type: row.get(0)?,
        id: row.get(1)?,
        stored: Version { version: row.get(2)?, received: instant(row.get(3)?), raw: row.get(4)? },
    })
}

/// The way in.
enum Way {
    /// Rows by number: (place, row), in that order.
    Rows(Vec<(i64, i64)>),
    /// Rows that lie by these places, ascending.
    Places(Vec<i64>),
    All,
}

/// A row that answers.
struct Hit {
    position: Position,
}

fn find(connection: &Connection, search: &Search) -> rusqlite::Result<Page> {
    let table = params::of(&search.resource_type);
    let patients = match &search.patient {
        Some(patient) => Some(joined(connection, survivor(connection, patient)?)?.0),
        None => None,
    };
    let conditions =
        search.conditions.iter().map(|one| widened(connection, one)).collect::<rusqlite::Result<Vec<_>>>()?;
    let way = way(connection, search, table, &conditions, patients.as_deref())?;
    // Everything is looked at, so the total is known.
    let whole = search.count
        || match &way {
            Way::All => false,
            Way::Rows(rows) => rows.len() <= MAX_WHOLE || !search.sort.is_empty(),
            Way::Places(_) => true,
        };
    let by_page = search.sort.is_empty() && !whole;
    // Unsorted pages begin where the one before ended.
    let start = search.after.as_ref().filter(|_| by_page).map(|position| (position.place, position.row));
    let most = match way {
        Way::Places(_) => usize::MAX,
        _ if by_page => PAGE_TESTED,
        _ => MAX_TESTED,
    };
    let (mut tested, mut last) = (0, None);
    let mut total = 0u64;
    let mut hits: Vec<Hit> = Vec::new();
    let more = search.limit.saturating_add(1);
    let order = |a: &Hit, b: &Hit| compare(&a.position, &b.position, &search.sort);
    let mut test = |place: i64, row: i64, received: i64, packed: &[u8]| -> rusqlite::Result<bool> {
        tested += 1;
        if tested > most {
            return Ok(false);
        }
        last = Some((place, row));
        let came = Range { low: received, high: received.saturating_add(1), offset: Some(0) };
        let in_time = search
            .received
            .iter()
            .all(|any| any.iter().any(|(prefix, asked)| came.answers(*prefix, *asked, search.now)));
        let mut broken = None;
        let mut raw = || match raw_of(connection, row) {
            Ok(raw) => raw,
            Err(error) => {
                broken = Some(error);
                Vec::new()
            }
        };
        let answers =
            in_time && conditions.iter().all(|condition| condition.answers(packed, search.now, table, &mut raw));
        if let Some(error) = broken {
            return Err(error);
        }
        if !answers {
            return Ok(true);
        }
        total += 1;
        if search.limit == 0 {
            return Ok(true);
        }
        let keys = search.sort.iter().map(|sort| sort_key(*sort, packed, received)).collect();
        let position = Position { keys, place, row };
        if search.after.as_ref().is_some_and(|after| compare(&position, after, &search.sort) != Ordering::Greater) {
            return Ok(true);
        }
        hits.push(Hit { position });
        if by_page {
            return Ok(hits.len() < more);
        }
        if hits.len() > more.saturating_mul(SLACK).max(1024) {
            hits.sort_by(order);
            hits.truncate(more);
        }
        Ok(true)
    };
    let kind = key_of(&[&search.resource_type]);
    match way {
        Way::Rows(rows) => {
            let mut statement = connection
                .prepare_cached("SELECT received, packed FROM facet WHERE kind = ?1 AND place = ?2 AND row = ?3")?;
            let begun = start.map_or(0, |start| rows.partition_point(|row| *row <= start));
            for (place, row) in rows.into_iter().skip(begun) {
                let read = |found: &rusqlite::Row<'_>| Ok((found.get::<_, i64>(0)?, found.get::<_, Vec<u8>>(1)?));
                if let Some((received, packed)) = statement.query_row((kind, place, row), read).optional()?
                    && !test(place, row, received, &packed)?
                {
                    break;
                }
            }
        }
        Way::Places(places) => {
            let mut statement = connection.prepare_cached(
                "SELECT row, received, packed FROM facet WHERE kind = ?1 AND place = ?2 ORDER BY row",
            )?;
            for place in places {
                let mut rows = statement.query((kind, place))?;
                while let Some(row) = rows.next()? {
                    test(place, row.get(0)?, row.get(1)?, row.get_ref(2)?.as_blob()?)?;
                }
            }
        }
        Way::All => {
            let (from, after) = start.unwrap_or((i64::MIN, i64::MIN));
            let mut statement = connection.prepare_cached(
                "SELECT place, row, received, packed FROM facet WHERE kind = ?1 AND (place, row) > (?2, ?3) ORDER BY place, row",
            )?;
            let mut rows = statement.query((kind, from, after))?;
            while let Some(row) = rows.next()? {
                if !test(row.get(0)?, row.get(1)?, row.get(2)?, row.get_ref(3)?.as_blob()?)? {
                    break;
                }
            }
        }
    }
    let stopped = tested > most;
    if stopped && !by_page {
        return Ok(Page { is_too_costly: true, ..Page::default() });
    }
    hits.sort_by(order);
    let full = (hits.len() > search.limit && search.limit > 0)
        .then(|| hits.get(search.limit - 1).map(|hit| hit.position.clone()))
        .flatten();
    let last = last.filter(|_| stopped).map(|(place, row)| Position { keys: Vec::new(), place, row });
    let next = full.or(last);
    hits.truncate(search.limit);
    let mut statement =
        connection.prepare_cached("SELECT type, id, version, received, raw, patient FROM resource WHERE row = ?1")?;
    let mut page = Vec::with_capacity(hits.len());
    for hit in &hits {
        let one = statement.query_row([hit.position.row], |row| Ok((found(row)?, row.get::<_, Option<String>>(5)?)))?;
        // Rows lie by a number made of the patient's id; the id itself decides.
        let theirs = patients.as_ref().is_none_or(|ids| one.1.as_ref().is_some_and(|patient| ids.contains(patient)));
        if theirs && one.0.resource_type == search.resource_type {
            page.push(one.0);
        }
    }
    Ok(Page { found: page, total: whole.then_some(total), next, is_too_costly: false })
}

fn raw_of(connection: &Connection, row: i64) -> rusqlite::Result<Vec<u8>> {
    connection.prepare_cached("SELECT raw FROM resource WHERE row = ?1")?.query_row([row], |row| row.get(0))
}

/// A patient stands for everybody merged with it.
fn widened(connection: &Connection, condition: &Condition) -> rusqlite::Result<Condition> {
    let Test::Reference(any) = &condition.test else { return Ok(condition.clone()) };
    let mut wide = any.clone();
    for target in any.iter().filter(|target| target.kind.as_deref().is_none_or(|kind| kind == "Patient")) {
        for id in joined(connection, survivor(connection, &target.id)?)?.0 {
            if id != target.id {
                wide.push(Target::new(target.kind.as_deref(), &id));
            }
        }
    }
    Ok(Condition { param: condition.param, test: Test::Reference(wide) })
}

fn way(
    connection: &Connection,
    search: &Search,
    table: &TypeParams,
    conditions: &[Condition],
    patients: Option<&[String]>,
) -> rusqlite::Result<Way> {
    if let Some(ids) = search.ids.first() {
        let mut rows = Vec::new();
        let mut statement = connection
            .prepare_cached("SELECT row, patient FROM resource WHERE type = ?1 AND id = ?2 AND raw <> x''")?;
        for id in ids.iter().filter(|id| search.ids.iter().all(|list| list.contains(id))) {
            let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?));
            if let Some((row, patient)) = statement.query_row((&search.resource_type, id), read).optional()? {
                let theirs = patients.is_none_or(|ids| patient.as_ref().is_some_and(|patient| ids.contains(patient)));
                if theirs {
                    rows.push((place_of(patient.as_deref()), row));
                }
            }
        }
        return Ok(Way::Rows(sorted(rows)));
    }
    if let Some(ids) = patients {
        return Ok(Way::Places(places(ids.iter().map(String::as_str), false)));
    }
    for condition in conditions {
        let (Test::Reference(any), Some(param)) = (&condition.test, table.get(condition.param)) else { continue };
        if param.places {
            let others = any.iter().any(|target| target.kind.as_deref() != Some("Patient"));
            return Ok(Way::Places(places(any.iter().map(|target| target.id.as_str()), others)));
        }
    }
    // The shortest entry, found without reading the long ones: a name that thousands have gives way to a date of birth.
    for length in LENGTHS {
        for condition in conditions {
            let Some(param) = table.get(condition.param) else { continue };
            if let Some(rows) = entry(connection, condition, table, param, length)? {
                return Ok(Way::Rows(sorted(rows)));
            }
        }
    }
    Ok(Way::All)
}

/// The rows that a condition has in a global index; `None`: it has no entry there, or a longer one than `length`.
fn entry(
    connection: &Connection,
    condition: &Condition,
    table: &TypeParams,
    param: &Param,
    length: usize,
) -> rusqlite::Result<Rows> {
    match &condition.test {
        // Its code leads in where codes alone are indexed.
        Test::Composite(any) if param.name.starts_with("code-") => match table.find("code") {
            Some((_, code)) if code.keyed && any.iter().all(|(token, _)| token.code.is_some()) => {
                by_key(connection, any.iter().filter_map(|(token, _)| Some(global_key(code, token.code?))), length)
            }
            _ => Ok(None),
        },
        Test::Token { not: false, any } if param.keyed && any.iter().all(|token| token.code.is_some()) => {
            by_key(connection, any.iter().filter_map(|token| Some(global_key(param, token.code?))), length)
        }
        Test::Reference(any) if param.keyed => {
            let key = |target: &Target| reference_key(param, number_of(&[&target.id]), near(&target.id));
            by_key(connection, any.iter().map(key), length)
        }
        Test::Text(how @ (Match::Begins | Match::Exact), any) if param.worded => {
            let words = any.iter().map(|word| if *how == Match::Exact { fold(word) } else { word.clone() });
            by_word(connection, param.number.cast_signed(), words, length)
        }
        Test::Date(any) if param.dated => by_date(connection, param.number.cast_signed(), any, length),
        _ => Ok(None),
    }
}

/// `others`: also what lies by nobody.
fn places<'a>(ids: impl Iterator<Item = &'a str>, others: bool) -> Vec<i64> {
    let mut places: Vec<i64> = ids.map(|id| place_of(Some(id))).collect();
    if others {
        places.push(place_of(None));
    }
    places.sort_unstable();
    places.dedup();
    places
}

fn sorted(mut rows: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    rows.sort_unstable();
    rows.dedup();
    rows
}

type Rows = Option<Vec<(i64, i64)>>;

/// Reads (place, row) until there are more than `length`.
fn gather(rows: &mut Vec<(i64, i64)>, mut found: rusqlite::Rows<'_>, length: usize) -> rusqlite::Result<bool> {
    while let Some(row) = found.next()? {
        if rows.len() >= length {
            return Ok(false);
        }
        rows.push((row.get(0)?, row.get(1)?));
    }
    Ok(true)
}

fn by_key(connection: &Connection, keys: impl Iterator<Item = i64>, length: usize) -> rusqlite::Result<Rows> {
    let mut rows = Vec::new();
    let mut statement = connection.prepare_cached("SELECT place, row FROM facet_key WHERE key = ?1")?;
    for key in keys {
        if !gather(&mut rows, statement.query([key])?, length)? {
            return Ok(None);
        }
    }
    Ok(Some(rows))
}

fn by_word(
    connection: &Connection,
    param: i64,
    words: impl Iterator<Item = String>,
    length: usize,
) -> rusqlite::Result<Rows> {
    let mut rows = Vec::new();
    let mut statement =
        connection.prepare_cached("SELECT place, row FROM facet_word WHERE param = ?1 AND word >= ?2 AND word < ?3")?;
    for word in words {
        // No text is beyond the largest character.
        let end = format!("{word}{}", char::MAX);
        if !gather(&mut rows, statement.query((param, word, end))?, length)? {
            return Ok(None);
        }
    }
    Ok(Some(rows))
}

/// Offsets shift a calendar by at most 14 hours; the bounds are widened by a day and the rows tested.
fn by_date(connection: &Connection, param: i64, any: &[(Prefix, Range)], length: usize) -> rusqlite::Result<Rows> {
    const DAY: i64 = 86_400_000;
    let mut rows = Vec::new();
    for (prefix, asked) in any {
        let (low, high) = asked.in_utc();
        let (from, to) = match prefix {
            Prefix::Eq => (low - DAY, high + DAY),
            Prefix::Lt | Prefix::Le | Prefix::Eb => (i64::MIN, high + DAY),
            Prefix::Sa => (high - DAY, i64::MAX),
            // A period may have begun long before and reach in.
            Prefix::Gt | Prefix::Ge | Prefix::Ne | Prefix::Ap => return Ok(None),
        };
        let mut statement = connection
            .prepare_cached("SELECT place, row FROM facet_date WHERE param = ?1 AND low >= ?2 AND low <= ?3")?;
        if !gather(&mut rows, statement.query((param, from, to))?, length)? {
            return Ok(None);
        }
    }
    Ok(Some(rows))
}

/// A value in bytes that compare as the values do: the earliest for an ascending order, the latest for a descending one.
fn sort_key(sort: Sort, packed: &[u8], received: i64) -> Option<Vec<u8>> {
    let number = |value: i64| (value.cast_unsigned() ^ (1 << 63)).to_be_bytes().to_vec();
    let at = match sort.by {
        SortBy::Received => return Some(number(received)),
        SortBy::Param(at) => at,
    };
    let keys = Values(packed).filter(|(own, _)| *own == at).filter_map(|(_, value)| match value {
        Value::Date(range) => Some(number(if sort.descending { range.in_utc().1 } else { range.in_utc().0 })),
        Value::Text(text) => Some(fold(text).into_bytes()),
        Value::Uri(text) => Some(text.as_bytes().to_vec()),
        Value::Quantity(value, ..) => {
            let bits = value.to_bits();
            let ordered = if bits >> 63 == 1 { !bits } else { bits | (1 << 63) };
            Some(ordered.to_be_bytes().to_vec())
        }
        Value::Token(..) | Value::Reference(..) | Value::ReferenceIdentifier(..) => None,
    });
    if sort.descending { keys.max() } else { keys.min() }
}

/// Resources without a value come last, whichever way the order goes.
fn compare(a: &Position, b: &Position, sort: &[Sort]) -> Ordering {
    let mut keys = sort.iter().zip(a.keys.iter().zip(&b.keys)).map(|(sort, (a, b))| match (a, b) {
        (Some(a), Some(b)) if sort.descending => b.cmp(a),
        (Some(a), Some(b)) => a.cmp(b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    });
    keys.find(|order| order.is_ne()).unwrap_or_else(|| (a.place, a.row).cmp(&(b.place, b.row)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Key;
    use crate::prepare::{Source, prepare};

    fn hospital(resources: impl Iterator<Item = String>) -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("r"), &Key::new([7; 32])).unwrap();
        let source = Source { file: "t.json".to_owned(), received: Timestamp::UNIX_EPOCH, origin: None };
        let put = |writer: &mut Writer<'_>| {
            resources.into_iter().try_for_each(|json| {
                writer.put(&prepare(json.into_bytes(), None, &|_| None, &source).unwrap()).map(drop)
            })
        };
        store.write(put).unwrap();
        (folder, store)
    }

    fn search(kind: &str, conditions: &[(&str, &str)]) -> Search {
        let table = params::of(kind);
        let read = |(name, value): &(&str, &str)| Condition::read(table, name, None, value).unwrap();
        let conditions = conditions.iter().map(read).collect();
        Search { resource_type: kind.to_owned(), conditions, limit: 10, ..Search::default() }
    }

    #[test]
    fn the_most_selective_condition_leads_in() {
        let patients = (0..300).map(|at| {
            format!(
                r#"{{"resourceType":"Patient","id":"p{at}","name":[{{"family":"Kim"}}],"birthDate":"{}-03-0{}"}}"#,
                1920 + at / 3,
                1 + 4 * (at % 2)
            )
        });
        let (_folder, store) = hospital(patients);
        let asked = search("Patient", &[("name", "kim"), ("birthdate", "1950-03-01")]);
        let looked_at = store
            .read(|connection| match way(connection, &asked, params::of("Patient"), &asked.conditions, None)? {
                Way::Rows(rows) => Ok(rows.len()),
                Way::Places(_) | Way::All => Ok(usize::MAX),
            })
            .unwrap();
        assert!(looked_at < 5, "{looked_at} of 300");
        let found = store.find(&asked).unwrap();
        assert_eq!((found.found.len(), found.total), (2, Some(2)));
        assert!(found.found.iter().all(|one| String::from_utf8_lossy(&one.stored.raw).contains("1950-03-01")));
    }

    #[test]
    fn work_for_a_page_is_bounded_and_the_pages_together_are_all() {
        let conditions = (0..2_500).map(|at| {
            let status = if at % 500 == 7 { "resolved" } else { "active" };
            format!(
                r#"{{"resourceType":"Condition","id":"c{at}","subject":{{"reference":"Patient/p{}"}},"code":{{"coding":[{{"code":"x"}}]}},"clinicalStatus":{{"coding":[{{"code":"{status}"}}]}}}}"#,
                at % 40
            )
        });
        let (_folder, store) = hospital(conditions);
        // By no index, and by an entry that is too long to be gone through whole.
        for with in [&[("clinical-status", "resolved")][..], &[("clinical-status", "resolved"), ("code", "x")]] {
            let (mut asked, mut found, mut pages) = (search("Condition", with), Vec::new(), 0);
            loop {
                let page = store.find(&asked).unwrap();
                assert_eq!((page.total, page.is_too_costly), (None, false));
                found.extend(page.found.into_iter().map(|one| one.id));
                pages += 1;
                asked.after = page.next;
                if asked.after.is_none() {
                    break;
                }
            }
            found.sort();
            assert_eq!(found, ["c1007", "c1507", "c2007", "c507", "c7"]);
            assert!((20..=26).contains(&pages), "{pages} pages");
            let sorted =
                Search { sort: vec![Sort { by: SortBy::Received, descending: true }], ..search("Condition", with) };
            assert!(store.find(&sorted).unwrap().is_too_costly);
            assert!(store.find(&Search { count: true, ..search("Condition", with) }).unwrap().is_too_costly);
        }
        let of_one = search("Condition", &[("patient", "p7"), ("clinical-status", "resolved")]);
        assert_eq!(store.find(&Search { count: true, ..of_one }).unwrap().total, Some(3));
    }
}
