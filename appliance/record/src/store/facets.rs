//! The rows of the search index: written with their resource, taken away with it, and made anew when the table of
//! parameters has changed.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::chart::json::Json;
use crate::index::extract::{self, Global, Indexed, place_of};
use crate::index::{key_of, params as table};

/// Resources packed again in one transaction.
const BATCH: usize = 512;

pub(super) fn insert(
    connection: &Connection,
    row: i64,
    resource_type: &str,
    patient: Option<&str>,
    received: i64,
    indexed: &Indexed,
) -> rusqlite::Result<()> {
    let place = place_of(patient);
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO facet (kind, place, row, received, packed) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![key_of(&[resource_type]), place, row, received, indexed.packed])?;
    for global in &indexed.globals {
        match global {
            Global::Key(key) => connection
                .prepare_cached("INSERT OR IGNORE INTO facet_key (key, row, place) VALUES (?1, ?2, ?3)")?
                .execute((key, row, place))?,
            Global::Word(param, word) => connection
                .prepare_cached("INSERT OR IGNORE INTO facet_word (param, word, row, place) VALUES (?1, ?2, ?3, ?4)")?
                .execute((param, word, row, place))?,
            Global::Date(param, low, high) => connection
                .prepare_cached(
                    "INSERT OR IGNORE INTO facet_date (param, low, high, row, place) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute((param, low, high, row, place))?,
        };
    }
    Ok(())
}

pub(super) fn remove(
    connection: &Connection,
    row: i64,
    resource_type: &str,
    patient: Option<&str>,
) -> rusqlite::Result<()> {
    let key = (key_of(&[resource_type]), place_of(patient), row);
    let packed: Option<Vec<u8>> = connection
        .prepare_cached("SELECT packed FROM facet WHERE kind = ?1 AND place = ?2 AND row = ?3")?
        .query_row(key, |row| row.get(0))
        .optional()?;
    for global in extract::globals(&packed.unwrap_or_default(), table::of(resource_type)) {
        match global {
            Global::Key(key) => {
                connection.prepare_cached("DELETE FROM facet_key WHERE key = ?1 AND row = ?2")?.execute((key, row))?
            }
            Global::Word(param, word) => connection
                .prepare_cached("DELETE FROM facet_word WHERE param = ?1 AND word = ?2 AND row = ?3")?
                .execute((param, word, row))?,
            Global::Date(param, low, high) => connection
                .prepare_cached("DELETE FROM facet_date WHERE param = ?1 AND low = ?2 AND high = ?3 AND row = ?4")?
                .execute((param, low, high, row))?,
        };
    }
    connection.prepare_cached("DELETE FROM facet WHERE kind = ?1 AND place = ?2 AND row = ?3")?.execute(key)?;
    Ok(())
}

/// Packs what was packed by another table of parameters, or never. Goes on where a run that was stopped ended.
pub(super) fn refresh(connection: &mut Connection) -> rusqlite::Result<()> {
    let mut told = false;
    while let Some(done) = step(connection)? {
        if !told && done != i64::MAX {
            log::info!("the search index is brought up to date; the record opens when that is done");
            told = true;
        }
        log::debug!("search index: up to row {done}");
    }
    if told {
        log::info!("the search index is up to date");
    }
    Ok(())
}

/// One batch; `None`: nothing was left.
fn step(connection: &mut Connection) -> rusqlite::Result<Option<i64>> {
    let state = |connection: &Connection| {
        connection
            .query_row("SELECT fingerprint, done FROM facet_state", [], |row| {
                Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?))
            })
            .optional()
    };
    let current = table::fingerprint();
    let is_done =
        |state: &Option<(Vec<u8>, i64)>| state.as_ref().is_some_and(|(by, done)| *by == current && *done == i64::MAX);
    if is_done(&state(connection)?) {
        return Ok(None);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have gone on between our look and our lock.
    let now = state(&transaction)?;
    if is_done(&now) {
        return Ok(None);
    }
    let done = match now {
        Some((by, done)) if by == current => done,
        _ => {
            transaction.execute_batch(
                "DELETE FROM facet; DELETE FROM facet_key; DELETE FROM facet_word; DELETE FROM facet_date; DELETE FROM facet_state;",
            )?;
            transaction.execute("INSERT INTO facet_state (fingerprint, done) VALUES (?1, 0)", [current.as_slice()])?;
            0
        }
    };
    let mut last = i64::MAX;
    {
        let mut statement = transaction.prepare_cached(
            "SELECT row, type, patient, received, raw FROM resource WHERE row > ?1 ORDER BY row LIMIT ?2",
        )?;
        let mut rows = statement.query((done, BATCH as i64))?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            let number: i64 = row.get(0)?;
            let (resource_type, patient): (String, Option<String>) = (row.get(1)?, row.get(2)?);
            let raw: Vec<u8> = row.get(4)?;
            if let Some(root) = Json::parse(&raw) {
                // What a name of a bundle meant is known no more, but for the patient.
                let resolve = |written: &str| {
                    let named = written.starts_with("urn:") || written.contains('?');
                    patient.as_ref().filter(|_| named).map(|id| format!("Patient/{id}"))
                };
                let params = table::of(&resource_type);
                let indexed = extract::index_with(&root, params, &|_| None, &resolve);
                insert(&transaction, number, &resource_type, patient.as_deref(), row.get(3)?, &indexed)?;
            }
            count += 1;
            last = number;
        }
        if count < BATCH {
            last = i64::MAX;
        }
    }
    transaction.execute("UPDATE facet_state SET done = ?1", [last])?;
    transaction.commit()?;
    Ok(Some(last))
}

#[cfg(test)]
mod tests {
    use super::super::{Search, Store};
    use super::*;
    use crate::index::query::Condition;
    use crate::key::Key;
    use crate::prepare::{Prepared, Source, prepare};

    fn ready(id: usize, patient: &str, code: &str) -> Prepared {
        let raw = format!(
            r#"{{"resourceType":"Condition","id":"c{id}","subject":{{"reference":"Patient/{patient}"}},"code":{{"coding":[{{"system":"s","code":"{code}"}}]}}}}"#
        );
        let source =
            Source { file: "t.json".to_owned(), received: jiff::Timestamp::from_second(1).unwrap(), origin: None };
        prepare(raw.into_bytes(), None, &|_| None, &source).unwrap()
    }

    fn count(store: &Store, name: &str, value: &str) -> u64 {
        let condition = Condition::read(table::of("Condition"), name, None, value).unwrap();
        let search = Search {
            resource_type: "Condition".to_owned(),
            conditions: vec![condition],
            count: true,
            ..Search::default()
        };
        store.find(&search).unwrap().total.unwrap()
    }

    fn rows(store: &Store) -> i64 {
        let sql = "SELECT (SELECT count(*) FROM facet) + (SELECT count(*) FROM facet_key)";
        store.read(|connection| connection.query_row(sql, [], |row| row.get(0))).unwrap()
    }

    #[test]
    fn a_record_without_an_index_or_with_half_of_one_gets_it_when_it_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let (file, key) = (folder.path().join("r"), Key::new([7; 32]));
        let many = 2 * BATCH + 100;
        let store = Store::open(&file, &key).unwrap();
        let put = |writer: &mut super::super::Writer<'_>| {
            (0..many).try_for_each(|id| writer.put(&ready(id, "p", if id % 2 == 0 { "a" } else { "b" })).map(drop))
        };
        store.write(put).unwrap();
        let whole = rows(&store);
        drop(store);
        for spoil in [
            // As the migration leaves it; as another release packed it; as a stop in the middle left it.
            "DELETE FROM facet; DELETE FROM facet_key; DELETE FROM facet_state;",
            "UPDATE facet_state SET fingerprint = x'00';",
            "DELETE FROM facet WHERE row > 512; DELETE FROM facet_key WHERE row > 512; UPDATE facet_state SET done = 512;",
        ] {
            let store = Store::open(&file, &key).unwrap();
            store.shared.writer.lock().unwrap().execute_batch(spoil).unwrap();
            drop(store);
            let store = Store::open(&file, &key).unwrap();
            assert_eq!(rows(&store), whole, "{spoil}");
            assert_eq!(count(&store, "patient", "p"), many as u64, "{spoil}");
            assert_eq!(count(&store, "code", "s|a"), many as u64 / 2, "{spoil}");
        }
    }

    #[test]
    fn what_a_resource_said_before_finds_it_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("r"), &Key::new([7; 32])).unwrap();
        store.write(|writer| writer.put(&ready(1, "p", "a")).map(drop)).unwrap();
        store.write(|writer| writer.put(&ready(1, "q", "b")).map(drop)).unwrap();
        for (name, value, found) in [("patient", "p", 0), ("patient", "q", 1), ("code", "s|a", 0), ("code", "s|b", 1)] {
            assert_eq!(count(&store, name, value), found, "{name} {value}");
        }
        store.write(|writer| writer.delete("Condition", "c1", jiff::Timestamp::from_second(2).unwrap())).unwrap();
        assert_eq!((count(&store, "patient", "q"), rows(&store)), (0, 0));
    }
}
