//! The site's code systems: loading them, asking them, and their names for a question.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use haechi_record::chart::Chart;
use haechi_record::key::Key;
use haechi_record::terminology::read::{Described, Table};
use haechi_record::terminology::{Edition, Input, Names, System, Terminology};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::error::Failure;
use crate::home::Home;

/// Codes shown at most.
pub(crate) const MOST_SHOWN: usize = 1_000;
/// Folders inside one another that are looked through for a publisher's files.
const DEEPEST: usize = 8;

/// What to load.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) system: String,
    pub(crate) version: String,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
    /// Field to heading.
    pub(crate) columns: BTreeMap<String, String>,
}

/// What to look up.
#[derive(Debug, Clone)]
pub(crate) struct Lookup {
    /// A code, or words of a name.
    pub(crate) text: String,
    pub(crate) system: Option<String>,
    pub(crate) date: Option<String>,
    pub(crate) limit: usize,
}

/// Where a code should lead.
#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    pub(crate) system: String,
    pub(crate) code: String,
    pub(crate) target: String,
    pub(crate) date: Option<String>,
}

/// The store, once there is one.
pub(super) struct Terms {
    path: PathBuf,
    key: Key,
    store: RwLock<Option<Terminology>>,
}

impl Terms {
    /// Opens what is there. A store that does not open is said in the log, and answers go on without it.
    pub(super) fn open(home: &Home, key: Key) -> Self {
        let path = home.record_folder().join("terminology.db");
        let store = match Terminology::open_existing(&path, &key) {
            Ok(store) => store,
            Err(error) => {
                log::error!("{error}");
                None
            }
        };
        Self { path, key, store: RwLock::new(store) }
    }

    /// What is there; a store that another process made since is opened now.
    fn there(&self) -> Result<Option<Terminology>, Failure> {
        let known = self.store.read().unwrap_or_else(PoisonError::into_inner).clone();
        if known.is_some() {
            return Ok(known);
        }
        let opened = Terminology::open_existing(&self.path, &self.key)?;
        self.store.write().unwrap_or_else(PoisonError::into_inner).clone_from(&opened);
        Ok(opened)
    }

    /// The store, made if there is none.
    pub(super) fn made(&self) -> Result<Terminology, Failure> {
        if let Some(store) = self.there()? {
            return Ok(store);
        }
        let store = Terminology::open(&self.path, &self.key)?;
        *self.store.write().unwrap_or_else(PoisonError::into_inner) = Some(store.clone());
        Ok(store)
    }

    /// Loads named files.
    pub(super) fn load(&self, load: &Load, files: Vec<(String, File)>) -> Result<Value, Failure> {
        let system = system(&load.system)?;
        let edition = Edition::new(system, &load.version, day(load.from.as_deref())?, day(load.to.as_deref())?)?;
        let mut inputs = Vec::new();
        for (file, source) in files {
            let table = Table::of(system, &file).ok_or_else(|| {
                Failure::from(haechi_record::terminology::TerminologyError::UnknownFile {
                    file: file.clone(),
                    system: system.name(),
                })
            })?;
            let described = Described { file, columns: load.columns.clone() };
            inputs.push(Input { table, described, source: Box::new(source) });
        }
        json(&self.made()?.load(&edition, inputs, Timestamp::now())?)
    }

    pub(super) fn list(&self) -> Result<Value, Failure> {
        match self.there()? {
            Some(store) => json(&store.editions()?),
            None => Ok(Value::Array(Vec::new())),
        }
    }

    /// A code first; where there is none of that name, words.
    pub(super) fn lookup(&self, lookup: &Lookup) -> Result<Value, Failure> {
        let (system, date) = (lookup.system.as_deref().map(system).transpose()?, day(lookup.date.as_deref())?);
        let Some(store) = self.there()? else { return Ok(Value::Array(Vec::new())) };
        let mut found = store.lookup(&lookup.text, system, date)?;
        if found.is_empty() {
            found = store.search(&lookup.text, system, date, lookup.limit.min(MOST_SHOWN))?;
        }
        json(&found)
    }

    pub(super) fn map(&self, mapping: &Mapping) -> Result<Value, Failure> {
        let (from, to, date) = (system(&mapping.system)?, system(&mapping.target)?, day(mapping.date.as_deref())?);
        match self.there()? {
            Some(store) => json(&store.map(from, &mapping.code, to, date)?),
            None => Ok(Value::Array(Vec::new())),
        }
    }

    /// What the code systems call the codes of a chart; nothing if they fail, since an answer does without.
    pub(super) fn names(&self, chart: &Chart, zone: &TimeZone) -> Vec<Names> {
        let asked = |store: Terminology| Ok(store.names(&haechi_ask::planner::codings(chart, zone))?);
        match self.there().and_then(|store| store.map_or(Ok(Vec::new()), asked)) {
            Ok(names) => names,
            Err(failure) => {
                log::warn!("{}", failure.sentence());
                Vec::new()
            }
        }
    }
}

/// A code system by any of its names.
pub(crate) fn system(name: &str) -> Result<System, Failure> {
    System::named(name).ok_or_else(|| {
        Failure::new("HAECHI-0160", "no code system of this name is known")
            .effect("nothing was done")
            .remedy(format!("there are {}", System::all()))
    })
}

fn day(text: Option<&str>) -> Result<Option<Date>, Failure> {
    let wrong = |_| {
        Failure::new("HAECHI-0161", "a date is no YYYY-MM-DD")
            .effect("nothing was done")
            .remedy("write it as 2026-01-31")
    };
    text.map(|text| text.parse().map_err(wrong)).transpose()
}

/// The files that a person named; of a folder those that the code system's publisher names so.
pub(crate) fn files(name: &str, paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let system = system(name)?;
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = files.len();
            collect(system, path, 0, &mut files)?;
            if files.len() == before {
                return Err(Failure::new("HAECHI-0162", "the folder holds no file of this code system")
                    .file(path)
                    .effect("nothing was loaded")
                    .remedy("unpack the publisher's archive there and keep its file names; docs/src/terminology.md lists them"));
            }
        } else if path.exists() {
            files.push(path.clone());
        } else {
            return Err(Failure::new("HAECHI-0111", "there is no such file or folder")
                .file(path)
                .effect("nothing was loaded")
                .remedy("check the path"));
        }
    }
    Ok(files)
}

fn collect(system: System, folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::new("HAECHI-0163", format_args!("a folder cannot be listed: {error}"))
            .file(folder)
            .effect("nothing was loaded")
            .remedy("make it readable")
    };
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        entries.push(entry.map_err(unreadable)?.path());
    }
    entries.sort();
    for path in entries {
        if path.is_dir() && !path.is_symlink() && depth < DEEPEST {
            collect(system, &path, depth + 1, files)?;
        } else if path.is_file() && Table::of(system, &file_name(&path)).is_some() {
            files.push(path);
        }
    }
    Ok(())
}

pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Opens the files of a load in this process.
pub(super) fn opened(files: &[PathBuf]) -> Result<Vec<(String, File)>, Failure> {
    files
        .iter()
        .map(|path| {
            let file = File::open(path).map_err(|error| {
                Failure::new("HAECHI-0118", format_args!("a file cannot be read: {error}"))
                    .file(path)
                    .effect("nothing was loaded")
            })?;
            Ok((file_name(path), file))
        })
        .collect()
}

fn json(value: &impl serde::Serialize) -> Result<Value, Failure> {
    serde_json::to_value(value)
        .map_err(|error| Failure::new("HAECHI-0110", format_args!("the result cannot be written as JSON: {error}")))
}
