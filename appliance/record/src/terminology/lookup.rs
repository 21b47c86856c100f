//! Asking the code systems: by code and day, by words, along mappings, and for the names of the codes in a chart.

use std::collections::{BTreeSet, HashSet, VecDeque};

use jiff::civil::Date;
use rusqlite::{Connection, params};
use serde::Serialize;

use super::error::TerminologyError;
use super::read::Equivalence;
use super::store::Terminology;
use super::system::System;
use crate::search;

/// Steps from one code to another.
const FARTHEST: usize = 6;
/// Codes looked at on the way.
const MOST_CODES: usize = 2_000;
/// Names of one coding handed to whoever reads questions.
const MOST_NAMES: usize = 64;

/// An edition as listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Short name of the system.
    pub system: String,
    /// Its FHIR URI.
    pub uri: &'static str,
    /// Version.
    pub version: String,
    /// First day.
    pub valid_from: Option<String>,
    /// Last day.
    pub valid_to: Option<String>,
    /// Codes.
    pub concepts: u64,
    /// Names.
    pub designations: u64,
    /// Mappings to other systems.
    pub mappings: u64,
    /// Files it was loaded from.
    pub files: Vec<String>,
}

/// A code that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Short name of the system.
    pub system: &'static str,
    /// Version of the edition.
    pub version: String,
    /// First day of the edition.
    pub valid_from: Option<String>,
    /// Last day of the edition.
    pub valid_to: Option<String>,
    /// As published.
    pub code: String,
    /// False for what the publisher has retired.
    pub active: bool,
    /// Its names, those to show first.
    pub designations: Vec<Name>,
    /// Codes directly above.
    pub parents: Vec<String>,
}

/// One name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Name {
    /// `ko`, `en`.
    pub language: String,
    /// `name`, `short`, `synonym`, `part`.
    pub kind: String,
    /// The one to show.
    pub preferred: bool,
    /// The name.
    pub text: String,
}

/// Where a code leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mapped {
    /// Short name of the target system.
    pub system: &'static str,
    /// Target code.
    pub code: String,
    /// The target, seen from the source.
    pub equivalence: Equivalence,
    /// A name of the target, if one is loaded.
    pub display: Option<String>,
    /// Every code on the way, as `system code`.
    pub path: Vec<String>,
}

/// A coding of a chart, asked for its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The system as the chart calls it.
    pub system: String,
    /// Code.
    pub code: String,
    /// Days of the entries that carry it: the revision of a classification hangs on them.
    pub days: Vec<Date>,
}

/// What the terminology calls a coding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// As asked.
    pub system: String,
    /// As asked.
    pub code: String,
    /// Names of exactly this, and then of what it is a kind of.
    pub names: Vec<(Name, Breadth)>,
}

/// How a name fits a coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breadth {
    /// Names the coding itself.
    Same,
    /// Names something of which it is a kind: its category, its ingredient.
    Wider,
}

#[derive(Debug, Clone)]
struct Period {
    row: i64,
    system: System,
    version: String,
    from: Option<String>,
    to: Option<String>,
}

/// A code on the way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Node {
    system: System,
    key: String,
}

impl Terminology {
    /// Every edition, by system, newest first.
    ///
    /// # Errors
    /// [`TerminologyError`] of the store.
    pub fn editions(&self) -> Result<Vec<Listed>, TerminologyError> {
        self.read(|connection| {
            let mut listed = Vec::new();
            for period in periods(connection)? {
                let count = |table: &str| {
                    connection.query_row(
                        &format!("SELECT count(*) FROM {table} WHERE edition = ?1"),
                        [period.row],
                        |row| row.get::<_, u64>(0),
                    )
                };
                let mut files = connection.prepare_cached("SELECT file FROM source WHERE edition = ?1 ORDER BY row")?;
                let files = files.query_map([period.row], |row| row.get(0))?.collect::<Result<_, _>>()?;
                listed.push(Listed {
                    system: period.system.name().to_owned(),
                    uri: period.system.uri(),
                    version: period.version.clone(),
                    valid_from: period.from.clone(),
                    valid_to: period.to.clone(),
                    concepts: count("concept")?,
                    designations: count("designation")?,
                    mappings: count("mapping")?,
                    files,
                });
            }
            Ok(listed)
        })
    }

    /// What a code means: in the editions of that day, or in the newest where no day is given.
    ///
    /// # Errors
    /// [`TerminologyError`] of the store.
    pub fn lookup(&self, code: &str, system: Option<System>, on: Option<Date>) -> Result<Vec<Found>, TerminologyError> {
        self.read(|connection| {
            let mut found = Vec::new();
            for period in holding(&periods(connection)?, on) {
                if system.is_none_or(|system| system == period.system) {
                    found.extend(concept(connection, &period, &period.system.key(code))?);
                }
            }
            Ok(found)
        })
    }

    /// Codes whose names hold every word of `text`, Korean or English; the shortest names first.
    ///
    /// # Errors
    /// [`TerminologyError`] of the store.
    pub fn search(
        &self,
        text: &str,
        system: Option<System>,
        on: Option<Date>,
        limit: usize,
    ) -> Result<Vec<Found>, TerminologyError> {
        let found = self.with_words(text, system, on, limit)?;
        if !found.is_empty() {
            return Ok(found);
        }
        // A particle is stuck to the asked word, where the record's search has them stuck to the stored one.
        match without_particles(text) {
            Some(bare) => self.with_words(&bare, system, on, limit),
            None => Ok(found),
        }
    }

    fn with_words(
        &self,
        text: &str,
        system: Option<System>,
        on: Option<Date>,
        limit: usize,
    ) -> Result<Vec<Found>, TerminologyError> {
        let Some(expression) = search::expression(text, false) else { return Ok(Vec::new()) };
        self.read(|connection| {
            let periods: Vec<Period> = holding(&periods(connection)?, on)
                .into_iter()
                .filter(|period| system.is_none_or(|system| system == period.system))
                .collect();
            let mut statement = connection.prepare_cached(
                "SELECT d.edition, d.key FROM words JOIN designation d ON d.row = words.rowid
                 WHERE words MATCH ?1 AND d.kind <> 'part' ORDER BY length(d.text), d.row LIMIT 5000",
            )?;
            let mut rows = statement.query([expression])?;
            let mut seen = HashSet::new();
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let (edition, key): (i64, String) = (row.get(0)?, row.get(1)?);
                let Some(period) = periods.iter().find(|period| period.row == edition) else { continue };
                if found.len() >= limit {
                    break;
                }
                if seen.insert((edition, key.clone())) {
                    found.extend(concept(connection, period, &key)?);
                }
            }
            Ok(found)
        })
    }

    /// Where `code` leads in `target`, along loaded mappings, hierarchies, and the first signs that the classifications of
    /// diseases share; the nearest meaning first.
    ///
    /// # Errors
    /// [`TerminologyError`] of the store.
    pub fn map(
        &self,
        system: System,
        code: &str,
        target: System,
        on: Option<Date>,
    ) -> Result<Vec<Mapped>, TerminologyError> {
        self.read(|connection| {
            let periods = holding(&periods(connection)?, on);
            let start = Node { system, key: system.key(code) };
            let mut queue =
                VecDeque::from([(start.clone(), code.trim().to_owned(), Equivalence::Equivalent, Vec::new())]);
            let mut seen = HashSet::from([start]);
            let mut mapped = Vec::new();
            while let Some((node, shown, equivalence, path)) = queue.pop_front() {
                let mut path: Vec<String> = path;
                path.push(format!("{} {shown}", node.system.name()));
                if node.system == target && path.len() > 1 {
                    let display = display(connection, &periods, &node)?;
                    mapped.push(Mapped {
                        system: target.name(),
                        code: shown.clone(),
                        equivalence,
                        display,
                        path: path.clone(),
                    });
                    // Wider classes of the target are not asked for.
                    continue;
                }
                if path.len() > FARTHEST || seen.len() > MOST_CODES {
                    continue;
                }
                for (next, shown, step) in edges(connection, &periods, &node)? {
                    if let Some(whole) = equivalence.then(step)
                        && seen.insert(next.clone())
                    {
                        queue.push_back((next, shown, whole, path.clone()));
                    }
                }
            }
            // What means the same leaves nothing to say; else what lies nearest, not every category above it.
            if mapped.iter().any(|mapped| mapped.equivalence == Equivalence::Equivalent) {
                mapped.retain(|mapped| mapped.equivalence == Equivalence::Equivalent);
            }
            let nearest = mapped.iter().map(|mapped| mapped.path.len()).min().unwrap_or(0);
            mapped.retain(|mapped| mapped.path.len() == nearest);
            Ok(mapped)
        })
    }

    /// The names of a chart's codings: of each itself, of equivalents, and of the category or ingredient above it.
    ///
    /// # Errors
    /// [`TerminologyError`] of the store.
    pub fn names(&self, asked: &[Asked]) -> Result<Vec<Names>, TerminologyError> {
        self.read(|connection| {
            let all = periods(connection)?;
            if all.is_empty() {
                return Ok(Vec::new());
            }
            let mut named = Vec::new();
            for asked in asked {
                let Some(system) = System::named(&asked.system) else { continue };
                let days: BTreeSet<Option<Date>> = if asked.days.is_empty() {
                    BTreeSet::from([None])
                } else {
                    asked.days.iter().copied().map(Some).collect()
                };
                let mut names: Vec<(Name, Breadth)> = Vec::new();
                // A result that was measured on a hundred days is asked about once for each edition, not for each day.
                let mut editions: Vec<Vec<i64>> = Vec::new();
                for on in days {
                    let holding = holding(&all, on);
                    let rows: Vec<i64> = holding.iter().map(|period| period.row).collect();
                    if !editions.contains(&rows) {
                        near(connection, &holding, &Node { system, key: system.key(&asked.code) }, &mut names)?;
                        editions.push(rows);
                    }
                }
                names.truncate(MOST_NAMES);
                if !names.is_empty() {
                    named.push(Names { system: asked.system.clone(), code: asked.code.clone(), names });
                }
            }
            Ok(named)
        })
    }
}

/// The words without a particle at their end; `None` if none has one.
fn without_particles(text: &str) -> Option<String> {
    const PARTICLES: &[char] = &['은', '는', '이', '가', '을', '를', '의', '도'];
    let bare = |word: &str| match word.strip_suffix(PARTICLES) {
        Some(bare) if bare.chars().count() >= 2 => bare.to_owned(),
        _ => word.to_owned(),
    };
    let bare: Vec<String> = text.split_whitespace().map(bare).collect();
    let bare = bare.join(" ");
    (bare != text.split_whitespace().collect::<Vec<_>>().join(" ")).then_some(bare)
}

/// Names of the code, and of what is the same or wider within three steps; nothing wider than a category of a
/// classification, an ingredient of a drug.
fn near(
    connection: &Connection,
    periods: &[Period],
    start: &Node,
    names: &mut Vec<(Name, Breadth)>,
) -> rusqlite::Result<()> {
    let mut queue = VecDeque::from([(start.clone(), Breadth::Same, 0)]);
    let mut seen = HashSet::from([start.clone()]);
    while let Some((node, breadth, steps)) = queue.pop_front() {
        for period in periods.iter().filter(|period| period.system == node.system) {
            for name in designations(connection, period.row, &node.key)? {
                let known = names.iter().any(|(other, _)| other.text == name.text);
                if name.kind != "part" && !known {
                    names.push((name, breadth));
                }
            }
        }
        if steps == 3 || seen.len() > 64 {
            continue;
        }
        for (next, _, step) in edges(connection, periods, &node)? {
            let breadth = match (breadth, step) {
                (breadth, Equivalence::Equivalent) => breadth,
                // A class of drugs, a branch of SNOMED CT is too wide to be a name of what stands in a chart.
                (_, Equivalence::Wider) if node.system != System::Snomed && node.system != System::Atc => {
                    Breadth::Wider
                }
                _ => continue,
            };
            if seen.insert(next.clone()) {
                queue.push_back((next, breadth, steps + 1));
            }
        }
    }
    Ok(())
}

fn periods(connection: &Connection) -> rusqlite::Result<Vec<Period>> {
    let mut statement = connection.prepare_cached(
        "SELECT row, system, version, valid_from, valid_to FROM edition ORDER BY system, valid_from DESC NULLS LAST, version DESC",
    )?;
    let rows = statement.query_map([], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
    })?;
    let mut periods = Vec::new();
    for row in rows {
        let (row, system, version, from, to) = row?;
        if let Some(system) = System::named(&system) {
            periods.push(Period { row, system, version, from, to });
        }
    }
    Ok(periods)
}

/// Of each system the edition that holds on that day; the newest without a day. Dates are compared as text: ISO 8601 sorts.
fn holding(periods: &[Period], on: Option<Date>) -> Vec<Period> {
    let day = on.map(|day| day.to_string());
    let mut chosen: Vec<Period> = Vec::new();
    for period in periods {
        let holds = day.as_ref().is_none_or(|day| {
            period.from.as_ref().is_none_or(|from| from <= day) && period.to.as_ref().is_none_or(|to| day <= to)
        });
        if holds && !chosen.iter().any(|other| other.system == period.system) {
            chosen.push(period.clone());
        }
    }
    chosen
}

fn concept(connection: &Connection, period: &Period, key: &str) -> rusqlite::Result<Option<Found>> {
    let mut statement =
        connection.prepare_cached("SELECT code, active FROM concept WHERE edition = ?1 AND key = ?2")?;
    let mut rows = statement.query(params![period.row, key])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let (code, active) = (row.get(0)?, row.get(1)?);
    let mut parents = connection.prepare_cached(
        "SELECT coalesce(c.code, p.parent) FROM parent p
         LEFT JOIN concept c ON c.edition = p.edition AND c.key = p.parent WHERE p.edition = ?1 AND p.key = ?2",
    )?;
    let parents = parents.query_map(params![period.row, key], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(Some(Found {
        system: period.system.name(),
        version: period.version.clone(),
        valid_from: period.from.clone(),
        valid_to: period.to.clone(),
        code,
        active,
        designations: designations(connection, period.row, key)?,
        parents,
    }))
}

fn designations(connection: &Connection, edition: i64, key: &str) -> rusqlite::Result<Vec<Name>> {
    let mut statement = connection.prepare_cached(
        "SELECT language, kind, preferred, text FROM designation WHERE edition = ?1 AND key = ?2
         ORDER BY preferred DESC, kind = 'name' DESC, row",
    )?;
    let mut names: Vec<Name> = Vec::new();
    let rows = statement.query_map(params![edition, key], |row| {
        Ok(Name { language: row.get(0)?, kind: row.get(1)?, preferred: row.get(2)?, text: row.get(3)? })
    })?;
    for name in rows {
        let name = name?;
        if !names.iter().any(|other| other.text == name.text && other.language == name.language) {
            names.push(name);
        }
    }
    Ok(names)
}

fn display(connection: &Connection, periods: &[Period], node: &Node) -> rusqlite::Result<Option<String>> {
    for period in periods.iter().filter(|period| period.system == node.system) {
        if let Some(name) = designations(connection, period.row, &node.key)?.into_iter().next() {
            return Ok(Some(name.text));
        }
    }
    Ok(None)
}

/// One step from a code: to the code, how to write it, and what the step means.
fn edges(
    connection: &Connection,
    periods: &[Period],
    node: &Node,
) -> rusqlite::Result<Vec<(Node, String, Equivalence)>> {
    let mut edges = Vec::new();
    let equivalence = |text: String| Equivalence::parse(&text).unwrap_or(Equivalence::RelatedTo);
    for period in periods.iter().filter(|period| period.system == node.system) {
        let mut forward = connection.prepare_cached(
            "SELECT target, target_key, target_code, equivalence FROM mapping WHERE edition = ?1 AND key = ?2",
        )?;
        let mut rows = forward.query(params![period.row, node.key])?;
        while let Some(row) = rows.next()? {
            if let Some(system) = System::named(&row.get::<_, String>(0)?) {
                edges.push((Node { system, key: row.get(1)? }, row.get(2)?, equivalence(row.get(3)?)));
            }
        }
        let mut above = connection.prepare_cached("SELECT parent FROM parent WHERE edition = ?1 AND key = ?2")?;
        let mut rows = above.query(params![period.row, node.key])?;
        while let Some(row) = rows.next()? {
            let key: String = row.get(0)?;
            edges.push((Node { system: node.system, key: key.clone() }, key, Equivalence::Wider));
        }
    }
    let mut back = connection.prepare_cached(
        "SELECT m.edition, m.key, coalesce(c.code, m.key), m.equivalence FROM mapping m
         LEFT JOIN concept c ON c.edition = m.edition AND c.key = m.key WHERE m.target = ?1 AND m.target_key = ?2 LIMIT 2000",
    )?;
    let mut rows = back.query(params![node.system.name(), node.key])?;
    while let Some(row) = rows.next()? {
        let edition: i64 = row.get(0)?;
        if let Some(period) = periods.iter().find(|period| period.row == edition) {
            edges.push((
                Node { system: period.system, key: row.get(1)? },
                row.get(2)?,
                equivalence(row.get(3)?).reversed(),
            ));
        }
    }
    edges.extend(shared_signs(node));
    Ok(edges)
}

/// KCD and ICD-10-CM are ICD-10 with further signs: KCD's first four and ICD-10-CM's first three mean what ICD-10's mean.
/// KCD's own codes for special purposes (U20 to U99) are nobody else's.
fn shared_signs(node: &Node) -> Vec<(Node, String, Equivalence)> {
    let dotted = |key: &str| match key.split_at_checked(3) {
        Some((category, rest)) if !rest.is_empty() => format!("{category}.{rest}"),
        _ => key.to_owned(),
    };
    let own = node.key.strip_prefix('U').and_then(|rest| rest.get(..2)).and_then(|digits| digits.parse::<u8>().ok());
    if !node.system.is_icd10() || own.is_some_and(|number| number >= 20) || node.key.len() < 3 {
        return Vec::new();
    }
    let mut steps = Vec::new();
    let mut step = |system: System, signs: usize| {
        if let Some(key) = node.key.get(..signs.min(node.key.len())) {
            let equivalence = if key == node.key { Equivalence::Equivalent } else { Equivalence::Wider };
            steps.push((Node { system, key: key.to_owned() }, dotted(key), equivalence));
        }
    };
    match node.system {
        System::Kcd => step(System::Icd10, 4),
        System::Icd10Cm => step(System::Icd10, 3),
        _ => {
            step(System::Kcd, 4);
            step(System::Icd10Cm, 3);
        }
    }
    steps
}
