//! A folder whose files are imported as they come.
//!
//! A file is taken once it is complete: its marker `NAME.done` lies beside it, or its size and time have not changed for a
//! while. It moves into `work`, is imported, and moves on to `done` or `failed` with a report. A crash at any moment loses
//! nothing: what lies in `work` without a report is imported again, which stores nothing twice, and what has one only moves on.
//!
//! A manifest (`manifest`) takes the files that it names with it, all of them in one import. Folders inside are read for
//! manifests alone. Links are never followed. Time is handed in.

mod job;
mod manifest;
mod parcel;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;

pub use self::job::{Job, OrderError, cancel, job, order};
pub use self::parcel::Report;
use self::parcel::{Parcel, is_file, read_manifest};
use crate::error::IntakeError;
use crate::import::Summary;
use crate::mapping::whole_message;

/// An import in whose middle the program ended so often is tried no more.
const ATTEMPTS: u32 = 5;

/// Names of what is still being written, as common programs for copying have them.
const UNFINISHED: [&str; 5] = [".part", ".tmp", ".filepart", ".partial", ".crdownload"];
const MARKER: &str = ".done";

/// The folder cannot be used, or not now.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// It cannot be read or written.
    #[error(
        "HAECHI-0560: the watched folder {} cannot be used: {source}\n  effect  nothing is taken from it; files stay where they are\n  to do   make it, and give the user that runs haechi the right to read and write it and to move its files",
        path.display()
    )]
    Folder {
        /// The folder, or one inside it.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The record did not take a parcel.
    #[error("HAECHI-0561: {name} from the watched folder waits: {source}")]
    Later {
        /// The parcel.
        name: String,
        /// Why.
        source: IntakeError,
    },
}

/// See the module.
#[derive(Debug)]
pub struct Watch {
    folder: PathBuf,
    work: PathBuf,
    done: PathBuf,
    failed: PathBuf,
    settle: Duration,
    /// What was seen of each file, and since when it is so.
    seen: BTreeMap<PathBuf, (u64, SystemTime, Instant)>,
}

/// Imports the files of one parcel together.
pub type Import<'i> = &'i mut dyn FnMut(&[PathBuf]) -> Result<Summary, IntakeError>;

/// How a folder stands.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// Files that are not taken yet, parcels in work.
    pub waiting: u64,
    /// Files that manifests name and that are not there.
    pub missing: u64,
    /// Parcels that failed and that nobody has removed.
    pub failed: u64,
    /// When a parcel went in last.
    #[serde(skip)]
    pub last: Option<Timestamp>,
}

impl Watch {
    /// Watches `folder`. A file counts as complete when it has not changed for `settle`.
    ///
    /// # Errors
    /// [`WatchError::Folder`].
    pub fn open(folder: &Path, settle: Duration) -> Result<Watch, WatchError> {
        let inside = |name: &str| {
            let path = folder.join(name);
            match fs::create_dir(&path) {
                Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                    Err(WatchError::Folder { path, source })
                }
                _ => Ok(path),
            }
        };
        let (work, done, failed) = (inside("work")?, inside("done")?, inside("failed")?);
        Ok(Watch { folder: folder.to_owned(), work, done, failed, settle, seen: BTreeMap::new() })
    }

    /// Imports what lies in `work` and what is complete. Answers with the names of the parcels and their reports.
    ///
    /// # Errors
    /// [`WatchError`]; what could not be taken is taken by a later look.
    pub fn look(
        &mut self,
        now: Instant,
        clock: Timestamp,
        import: Import<'_>,
    ) -> Result<Vec<(String, Report)>, WatchError> {
        let mut reports = Vec::new();
        for path in listed(&self.work).map_err(|source| self.unusable(source))? {
            let parcel = Parcel::at(path);
            if !parcel.remove_empty() {
                reports.push(self.go_on(parcel, clock, import)?);
            }
        }
        for (file, named) in self.complete(now).map_err(|source| self.unusable(source))? {
            let parcel = self.claim(&file, &named, clock).map_err(|source| self.unusable(source))?;
            reports.push(self.go_on(parcel, clock, import)?);
        }
        Ok(reports)
    }

    fn unusable(&self, source: io::Error) -> WatchError {
        WatchError::Folder { path: self.folder.clone(), source }
    }

    /// Files that are complete, with what they name if they are manifests.
    fn complete(&mut self, now: Instant) -> io::Result<Vec<(PathBuf, Vec<PathBuf>)>> {
        let found = Files::of(&self.folder)?;
        let everything: BTreeSet<PathBuf> =
            found.files.iter().cloned().chain(found.manifests.values().flatten().cloned()).collect();
        self.seen.retain(|name, _| everything.contains(name));
        let mut ready = BTreeSet::new();
        for name in &everything {
            if self.is_complete(name, now) {
                ready.insert(name.clone());
            }
        }
        let mut out = Vec::new();
        for name in found.files {
            let named = found.manifests.get(&name).cloned();
            let whole = ready.contains(&name) && named.iter().flatten().all(|one| ready.contains(one));
            // What a manifest names waits for it.
            if whole && !found.manifests.values().flatten().any(|one| *one == name) {
                out.push((name, named.unwrap_or_default()));
            }
        }
        Ok(out)
    }

    fn is_complete(&mut self, name: &Path, now: Instant) -> bool {
        let path = self.folder.join(name);
        let Some(meta) = path.symlink_metadata().ok().filter(fs::Metadata::is_file) else { return false };
        if is_file(&marker(&path)) {
            return true;
        }
        let state = (meta.len(), meta.modified().unwrap_or(SystemTime::UNIX_EPOCH));
        let seen = self.seen.entry(name.to_owned()).or_insert((state.0, state.1, now));
        if (seen.0, seen.1) != state {
            *seen = (state.0, state.1, now);
        }
        now.duration_since(seen.2) >= self.settle
    }

    /// Takes a file, and what it names.
    fn claim(&mut self, name: &Path, named: &[PathBuf], clock: Timestamp) -> io::Result<Parcel> {
        let parcel = Parcel::new(&self.work, &name.to_string_lossy(), clock)?;
        // The manifest first: with it in `work` the rest is found again after a crash.
        for one in std::iter::once(name).chain(named.iter().map(PathBuf::as_path)) {
            let file = self.folder.join(one);
            parcel.take(&file, one)?;
            let _ = fs::remove_file(marker(&file)); // most have none
            self.seen.remove(one);
        }
        Ok(parcel)
    }

    /// Imports a parcel, unless that was done before, and moves it on.
    fn go_on(&self, parcel: Parcel, clock: Timestamp, import: Import<'_>) -> Result<(String, Report), WatchError> {
        let name = parcel.name();
        let to = (self.done.as_path(), self.failed.as_path());
        if let Some(report) = parcel.report() {
            parcel.leave(report.failed, to).map_err(|source| self.unusable(source))?;
            return Ok((name, report));
        }
        let files = parcel.files(&self.folder).map_err(|source| self.unusable(source))?;
        let tried = parcel.attempt().map_err(|source| self.unusable(source))?;
        let report = if files.is_empty() {
            let reason = "the manifest names no file, or files outside of its folder";
            Report { failed: true, at: clock, reason: Some(reason.to_owned()), summary: None }
        } else if tried > ATTEMPTS {
            let reason = "the program ended in the middle of each import of it; report it with the log";
            Report { failed: true, at: clock, reason: Some(reason.to_owned()), summary: None }
        } else {
            let mut summary = import(&files).map_err(|source| {
                parcel.forget_attempts();
                WatchError::Later { name: name.clone(), source }
            })?;
            for (file, reason) in parcel.left_out(&files) {
                summary.put_aside(whole_message(&file, 1, None, &reason));
            }
            let nothing = summary.resources + summary.messages + summary.instances == 0;
            Report { failed: nothing, at: clock, reason: None, summary: Some(summary) }
        };
        parcel.close(&report, to).map_err(|source| self.unusable(source))?;
        Ok((name, report))
    }
}

/// How `folder` stands, for a person; nothing is changed.
///
/// # Errors
/// [`WatchError::Folder`].
pub fn standing(folder: &Path) -> Result<Standing, WatchError> {
    let unusable = |source| WatchError::Folder { path: folder.to_owned(), source };
    let found = Files::of(folder).map_err(unusable)?;
    let count = |name: &str| match listed(&folder.join(name)) {
        Ok(list) => Ok(list),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(unusable(source)),
    };
    let (work, failed, done) = (count("work")?, count("failed")?, count("done")?);
    let named: BTreeSet<&PathBuf> = found.manifests.values().flatten().collect();
    let missing = named.iter().filter(|name| !is_file(&folder.join(name))).count() as u64;
    let waiting = found.files.iter().collect::<BTreeSet<_>>().union(&named).count() as u64 - missing;
    Ok(Standing {
        waiting: waiting + work.len() as u64,
        missing,
        failed: failed.len() as u64,
        // Their names begin with the time.
        last: done.last().and_then(|path| Parcel::at(path.clone()).report()).map(|report| report.at),
    })
}

/// What lies in a watched folder.
struct Files {
    /// By name, without what is hidden, unfinished or a marker.
    files: Vec<PathBuf>,
    /// Those of them that are manifests, with the files that they name.
    manifests: BTreeMap<PathBuf, Vec<PathBuf>>,
}

impl Files {
    fn of(folder: &Path) -> io::Result<Files> {
        let mut found = Files { files: Vec::new(), manifests: BTreeMap::new() };
        for path in listed(folder)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
            let aside = name.ends_with(MARKER) || UNFINISHED.iter().any(|end| name.ends_with(end));
            if aside || !is_file(&path) {
                continue;
            }
            let Some(name) = path.file_name().map(PathBuf::from) else { continue };
            // One that names nothing usable is taken alone and fails with its reason.
            if let Some(Ok(named)) = read_manifest(&path).unwrap_or_default()
                && !named.contains(&name)
            {
                found.manifests.insert(name.clone(), named);
            }
            found.files.push(name);
        }
        Ok(found)
    }
}

/// How many files a manifest names, if the bytes are one that can be followed. For fuzzing.
#[must_use]
pub fn survey_manifest(bytes: &[u8]) -> Option<usize> {
    let files = manifest::files(bytes)?.ok()?;
    debug_assert!(files.iter().all(|file| file.is_relative()));
    Some(files.len())
}

fn marker(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(MARKER);
    name.into()
}

/// What is in a folder and not hidden, by name.
fn listed(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests;
