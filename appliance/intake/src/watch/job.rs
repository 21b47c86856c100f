//! A manifest that came by another way than the folder (the FHIR operation `$import`): it is put into the folder like one
//! that a person puts there, and what becomes of it is read from where it lies. Nothing else is kept, so that a job outlives
//! the program.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::parcel::{Parcel, Report, is_file, read_manifest};
use super::{listed, manifest, marker};

/// How a job stands.
#[derive(Debug)]
pub enum Job {
    /// Its files are not all there, or not complete; so many are not there at all.
    Waiting(u64),
    /// It is imported now, or next.
    Working,
    /// It is over.
    Over(Box<Report>),
}

/// Why a manifest was not taken.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// It cannot be followed.
    #[error("{0}")]
    Manifest(&'static str),
    /// The folder does not take it.
    #[error("the watched folder cannot be written: {0}")]
    Folder(#[from] io::Error),
}

fn name(id: &str) -> String {
    format!("import-{id}.json")
}

/// Puts the manifest `bytes` into `folder` as job `id` (letters, digits and `-`).
///
/// # Errors
/// [`OrderError`]; nothing lies in the folder then.
pub fn order(folder: &Path, id: &str, bytes: &[u8]) -> Result<(), OrderError> {
    match manifest::files(bytes) {
        None => return Err(OrderError::Manifest("the body is no manifest of files")),
        Some(Err(reason)) => return Err(OrderError::Manifest(reason)),
        Some(Ok(files)) if files.is_empty() => return Err(OrderError::Manifest("the manifest names no file")),
        Some(Ok(_)) => {}
    }
    let path = folder.join(name(id));
    let unfinished = folder.join(format!("{}.part", name(id)));
    let write = || -> io::Result<()> {
        let mut file = fs::File::create_new(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::File::create(marker(&path))?;
        fs::rename(&unfinished, &path)?;
        fs::File::open(folder)?.sync_all()
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&unfinished); // the first error is the one to say
        let _ = fs::remove_file(marker(&path));
        OrderError::Folder(error)
    })
}

/// How job `id` stands; `None`: there is none.
///
/// # Errors
/// Those of the folder.
pub fn job(folder: &Path, id: &str) -> io::Result<Option<Job>> {
    // In the order in which it moves, so that it is not missed while it moves.
    let path = folder.join(name(id));
    if is_file(&path) {
        let named = read_manifest(&path).ok().flatten().and_then(Result::ok).unwrap_or_default();
        return Ok(Some(Job::Waiting(named.iter().filter(|file| !is_file(&folder.join(file))).count() as u64)));
    }
    let end = format!("-{}", name(id));
    for place in ["work", "done", "failed"] {
        let found = match listed(&folder.join(place)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            found => found?.into_iter().find(|path: &PathBuf| path.to_string_lossy().ends_with(&end)),
        };
        if let Some(parcel) = found {
            let report = Parcel::at(parcel).report();
            return Ok(Some(report.map_or(Job::Working, |report| Job::Over(Box::new(report)))));
        }
    }
    Ok(None)
}

/// Takes a job back whose files are not taken yet; `false`: it is too late, or there is none.
///
/// # Errors
/// Those of the folder.
pub fn cancel(folder: &Path, id: &str) -> io::Result<bool> {
    let path = folder.join(name(id));
    match fs::remove_file(&path) {
        Ok(()) => {
            let _ = fs::remove_file(marker(&path)); // harmless alone
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::Watch;
    use super::*;
    use crate::import::Summary;

    const MANIFEST: &[u8] = br#"{"output":[{"type":"Patient","url":"Patient.ndjson"}],"deleted":[{"url":"d.ndjson"}]}"#;

    #[test]
    fn a_job_waits_for_its_files_is_imported_once_and_says_what_came_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let mut watch = Watch::open(folder, Duration::ZERO).unwrap();
        order(folder, "a-1", MANIFEST).unwrap();
        assert!(matches!(order(folder, "a-1", MANIFEST), Ok(())), "the same again is the same");
        assert!(matches!(job(folder, "a-1").unwrap(), Some(Job::Waiting(1))));
        assert!(job(folder, "1").unwrap().is_none(), "an end of a name is another name");
        let mut imported = Vec::new();
        let mut look = |watch: &mut Watch| {
            let at = jiff::Timestamp::UNIX_EPOCH;
            watch
                .look(Instant::now(), at, &mut |files| {
                    imported.push(files.len());
                    Ok(Summary { resources: 2, ..Summary::default() })
                })
                .unwrap();
        };
        look(&mut watch);
        fs::write(folder.join("Patient.ndjson"), "{}").unwrap();
        assert!(matches!(job(folder, "a-1").unwrap(), Some(Job::Waiting(0))));
        look(&mut watch);
        let Some(Job::Over(report)) = job(folder, "a-1").unwrap() else { panic!("not over") };
        let summary = report.summary.unwrap();
        assert_eq!((report.failed, summary.resources, summary.rejected.len()), (false, 2, 1));
        assert!(summary.rejected[0].reason.contains("deleted") && summary.rejected[0].file == "import-a-1.json");
        assert_eq!(imported, [1]);
        assert!(!cancel(folder, "a-1").unwrap(), "too late");
    }

    #[test]
    fn what_is_no_manifest_is_refused_and_what_waits_can_be_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for wrong in [&b"{}"[..], br#"{"output":[]}"#, br#"{"output":[{"url":"../x"}]}"#] {
            assert!(matches!(order(folder, "a", wrong), Err(OrderError::Manifest(_))));
        }
        assert!(matches!(order(&folder.join("none"), "a", MANIFEST), Err(OrderError::Folder(_))));
        order(folder, "a", MANIFEST).unwrap();
        assert!(cancel(folder, "a").unwrap());
        assert!(job(folder, "a").unwrap().is_none());
        assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
    }
}
