//! A parcel: the files of one import in a folder of their own, from the moment they are taken until a person removes them.
//!
//! It moves by renaming alone, so it is in one place at any moment. Its report is written before it leaves `work`: one that
//! has a report is never imported again, one without is, and the record stores nothing twice.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::manifest;
use crate::import::Summary;

pub(super) const REPORT: &str = "report.json";
const ATTEMPTS: &str = ".attempts";

/// What became of a parcel; stands in its `report.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Whether nothing of it went in.
    pub failed: bool,
    /// When that was clear, RFC 3339.
    pub at: Timestamp,
    /// Why it failed as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the import said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
}

/// See the module.
pub(super) struct Parcel(PathBuf);

impl Parcel {
    /// A new, empty one in `work`, called after `name`.
    pub(super) fn new(work: &Path, name: &str, now: Timestamp) -> io::Result<Parcel> {
        let stamp = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let mut number = 1u32;
        loop {
            let more = if number == 1 { String::new() } else { format!("-{number}") };
            let path = work.join(format!("{stamp}{more}-{name}"));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Parcel(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 10_000 => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// One that lies in `work`.
    pub(super) fn at(path: PathBuf) -> Parcel {
        Parcel(path)
    }

    /// Its name.
    pub(super) fn name(&self) -> String {
        self.0.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Takes a file in. Slashes in the new name become `_`.
    pub(super) fn take(&self, file: &Path, as_name: &Path) -> io::Result<()> {
        fs::rename(file, self.inside(as_name))
    }

    fn inside(&self, name: &Path) -> PathBuf {
        self.0.join(name.to_string_lossy().replace('/', "_"))
    }

    /// Its files in the order of their import; those that `manifest` names and that lie in `folder` still are taken first.
    pub(super) fn files(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let name = entry.file_name();
            if entry.file_type()?.is_file() && name != REPORT && !name.as_encoded_bytes().starts_with(b".") {
                files.push(entry.path());
            }
        }
        files.sort();
        let mut named = None;
        for file in &files {
            if let Some(found) = read_manifest(file)? {
                named = Some(found.unwrap_or_default());
            }
        }
        let Some(named) = named else { return Ok(files) };
        let mut ordered = Vec::with_capacity(named.len());
        for name in named {
            let inside = self.inside(&name);
            if !inside.exists() && is_file(&folder.join(&name)) {
                self.take(&folder.join(&name), &name)?;
            }
            ordered.push(inside);
        }
        Ok(ordered)
    }

    /// What its manifests list and nothing is done about, each with the manifest's name.
    pub(super) fn left_out(&self, files: &[PathBuf]) -> Vec<(String, String)> {
        let mut said = Vec::new();
        let candidates = fs::read_dir(&self.0).into_iter().flatten().flatten().map(|entry| entry.path());
        for file in candidates.filter(|path| !files.contains(path) && matches!(read_manifest(path), Ok(Some(_)))) {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let bytes = fs::read(&file).unwrap_or_default();
            said.extend(manifest::left_out(&bytes).into_iter().map(|reason| (name.clone(), reason)));
        }
        said
    }

    /// The report, once there is one.
    pub(super) fn report(&self) -> Option<Report> {
        serde_json::from_slice(&fs::read(self.0.join(REPORT)).ok()?).ok()
    }

    /// Counts one more attempt; how many there are by now.
    pub(super) fn attempt(&self) -> io::Result<u32> {
        let file = self.0.join(ATTEMPTS);
        let before: u32 = fs::read_to_string(&file).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        fs::write(&file, (before + 1).to_string())?;
        Ok(before + 1)
    }

    /// An attempt that ended with a word of the record's is none that ended the program.
    pub(super) fn forget_attempts(&self) {
        let _ = fs::remove_file(self.0.join(ATTEMPTS)); // counted once too often at worst
    }

    /// Writes its report and moves it to where it stays. `to`: folders of what went in and of what failed.
    pub(super) fn close(self, report: &Report, to: (&Path, &Path)) -> io::Result<()> {
        let new = self.0.join(".report");
        let mut file = fs::File::create(&new)?;
        file.write_all(&serde_json::to_vec_pretty(report)?)?;
        file.sync_all()?;
        fs::rename(&new, self.0.join(REPORT))?;
        self.leave(report.failed, to)
    }

    /// Moves it, with its report, to where it stays.
    pub(super) fn leave(self, failed: bool, (done, failures): (&Path, &Path)) -> io::Result<()> {
        self.forget_attempts();
        let to = if failed { failures } else { done };
        fs::rename(&self.0, to.join(self.name()))
    }

    /// Removes it if nothing is in it.
    pub(super) fn remove_empty(&self) -> bool {
        fs::remove_dir(&self.0).is_ok()
    }
}

/// What `file` names, if it is a manifest.
pub(super) fn read_manifest(file: &Path) -> io::Result<Option<Result<Vec<PathBuf>, &'static str>>> {
    let json = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    if !json || file.symlink_metadata()?.len() > manifest::MAX_BYTES {
        return Ok(None);
    }
    Ok(manifest::files(&fs::read(file)?))
}

/// An ordinary file, and no link to one.
pub(super) fn is_file(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| meta.is_file())
}
