//! What lies in a site's folder of bundles, and which bundle of each kind is in use.
//!
//! | folder | what |
//! |---|---|
//! | `trust/` | the trusted root and what was seen of its publisher ([`crate::trust`]) |
//! | `staged/DIGEST/` | a bundle on its way in, as a small medium: its metadata and its targets. Written by whoever downloads |
//! | `installed/DIGEST/` | a bundle whose signatures and digests were checked on the way here; `manifest.json`, `origin.json`, its files |
//! | `active/KIND.json` | which one is in use, which one was before, and whether it is on trial: a pointer, written whole or not at all |

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::BundleError;
use crate::files;
use crate::manifest::{Kind, MANIFEST_FILE, MAX_MANIFEST_BYTES, Manifest, is_digest};
use crate::medium::target_file;
use crate::trust::{Found, Trust, Verified};

/// Where it came from, beside the manifest.
const ORIGIN_FILE: &str = "origin.json";

/// Largest of our own small files.
const MAX_POINTER_BYTES: u64 = 64 << 10;

/// A site's bundles.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

/// Where an installed bundle came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// When it was installed.
    pub installed: Timestamp,
    /// Identifiers of the keys that signed, shortened.
    pub signed_by: Vec<String>,
    /// Version of the root that allowed them.
    pub root: u64,
}

/// A bundle that is installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Installed {
    /// Its digest.
    pub digest: String,
    /// What it is.
    pub manifest: Manifest,
    /// Where it came from.
    pub origin: Origin,
    /// Its folder.
    pub folder: PathBuf,
}

impl Installed {
    /// The file to open.
    #[must_use]
    pub fn start(&self) -> PathBuf {
        self.folder.join(&self.manifest.start)
    }

    /// The signed digest of the file to open, where it is the only one.
    #[must_use]
    pub fn only_sha256(&self) -> Option<&str> {
        match self.manifest.files.as_slice() {
            [file] => Some(&file.sha256),
            _ => None,
        }
    }
}

/// How sure the site is of the bundle in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is watched; if it does not do, the one before comes back.
    Trial,
    /// It was watched and did well.
    Confirmed,
}

/// Which bundle of a kind is in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Active {
    /// Its digest.
    pub digest: String,
    /// Since when.
    pub since: Timestamp,
    /// How sure the site is of it.
    pub state: State,
    /// The one before, for going back.
    pub previous: Option<String>,
}

impl Store {
    /// The bundles in `folder`.
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The trust of this site.
    #[must_use]
    pub fn trust(&self) -> Trust {
        Trust::at(self.folder.join("trust"))
    }

    /// Brings a bundle of a medium that holds into `staged/`: every file is compared with its signed digest on the way. There
    /// at once or not at all.
    ///
    /// # Errors
    /// [`BundleError`]; nothing is left behind.
    pub fn stage(&self, verified: &Verified, bundle: &Found) -> Result<PathBuf, BundleError> {
        let staged = self.folder.join("staged");
        files::make_folder(&staged)?;
        let place = staged.join(&bundle.digest);
        if place.is_dir() {
            // It may have been tampered with since: `apply` checks it again, and staging anew is what a person means.
            std::fs::remove_dir_all(&place).map_err(|what| BundleError::files(&place, what))?;
        }
        let aside = beside(&staged)?;
        let targets = aside.path().join("targets");
        files::make_folder(&targets)?;
        verified.metadata.write(&aside.path().join("metadata"))?;
        let manifest = &bundle.manifest;
        verified.copy_file(
            bundle,
            MANIFEST_FILE,
            &target_file(aside.path(), &bundle.digest, &manifest.own_target()),
        )?;
        for file in &manifest.files {
            verified.copy_file(
                bundle,
                &file.name,
                &target_file(aside.path(), &file.sha256, &manifest.target(&file.name)),
            )?;
        }
        settle(aside, &place)?;
        Ok(place)
    }

    /// Installs the staged bundle `digest`: checks its whole chain of signatures and every byte again, and needs nothing but
    /// the staged folder and this site's trust. So it can run with rights that whoever staged does not have.
    ///
    /// # Errors
    /// [`BundleError`]; what was installed before is untouched.
    pub fn apply(&self, digest: &str, now: Timestamp) -> Result<Installed, BundleError> {
        let staged = self.staged(digest)?;
        let digest = staged.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let verified = self.trust().verify(&staged, now)?;
        let bundle = verified.bundle(&digest)?;
        if bundle.digest != digest {
            return Err(BundleError::Unknown { which: digest, place: "staged" });
        }
        let folder = self.folder.join("installed");
        files::make_folder(&folder)?;
        let place = folder.join(&digest);
        if !place.is_dir() {
            let aside = beside(&folder)?;
            for name in
                std::iter::once(MANIFEST_FILE).chain(bundle.manifest.files.iter().map(|file| file.name.as_str()))
            {
                verified.copy_file(&bundle, name, &aside.path().join(name))?;
            }
            let origin = Origin { installed: now, signed_by: bundle.signed_by, root: verified.root_version() };
            files::write(&aside.path().join(ORIGIN_FILE), &json(&origin)?, 0o600)?;
            settle(aside, &place)?;
        }
        verified.remember(now)?;
        std::fs::remove_dir_all(&staged).map_err(|what| BundleError::files(&staged, what))?;
        self.installed_at(&place)
    }

    /// The folder of a staged bundle, by the beginning of its digest.
    ///
    /// # Errors
    /// [`BundleError::Unknown`].
    pub fn staged(&self, digest: &str) -> Result<PathBuf, BundleError> {
        self.find("staged", digest)
    }

    /// Every installed bundle; one that is damaged is an error.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn installed(&self) -> Result<Vec<Installed>, BundleError> {
        let mut all = Vec::new();
        for place in self.folders("installed")? {
            all.push(self.installed_at(&place)?);
        }
        all.sort_by(|one, other| {
            (one.manifest.kind, &one.manifest.name, one.origin.installed).cmp(&(
                other.manifest.kind,
                &other.manifest.name,
                other.origin.installed,
            ))
        });
        Ok(all)
    }

    /// The installed bundle whose digest begins with `which`, or the newest of this name.
    ///
    /// # Errors
    /// [`BundleError::Unknown`].
    pub fn bundle(&self, which: &str) -> Result<Installed, BundleError> {
        let mut all = self.installed()?;
        all.retain(|one| one.manifest.name == which || (which.len() >= 8 && one.digest.starts_with(which)));
        all.sort_by_key(|one| (one.manifest.made, one.origin.installed));
        all.pop()
            .ok_or_else(|| BundleError::Unknown { which: which.chars().take(80).collect(), place: "that is installed" })
    }

    /// Which bundle of `kind` is in use, if any.
    ///
    /// # Errors
    /// [`BundleError`], if the pointer cannot be read.
    pub fn active(&self, kind: Kind) -> Result<Option<Active>, BundleError> {
        let path = self.pointer(kind);
        let bytes = match files::read(&path, MAX_POINTER_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(what) => return Err(BundleError::files(&path, what)),
        };
        let active: Active = serde_json::from_slice(&bytes).map_err(|error| BundleError::NotUnderstood {
            what: "the note of which bundle is in use".to_owned(),
            why: error.to_string(),
            path: path.clone(),
        })?;
        Ok(Some(active))
    }

    /// The bundle of `kind` that is in use, installed and whole as far as its manifest says.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn in_use(&self, kind: Kind) -> Result<Option<Installed>, BundleError> {
        let Some(active) = self.active(kind)? else { return Ok(None) };
        self.by_digest(&active.digest).map(Some)
    }

    /// The installed bundle of exactly this digest.
    ///
    /// # Errors
    /// [`BundleError::Unknown`].
    pub fn by_digest(&self, digest: &str) -> Result<Installed, BundleError> {
        let place = self.folder.join("installed").join(digest);
        if !is_digest(digest) || !place.is_dir() {
            return Err(BundleError::Unknown { which: digest.chars().take(80).collect(), place: "that is installed" });
        }
        self.installed_at(&place)
    }

    /// Puts `bundle` in use, on trial. What was in use before can come back.
    ///
    /// # Errors
    /// [`BundleError`]; the old one stays in use.
    pub fn switch(&self, bundle: &Installed, now: Timestamp) -> Result<Active, BundleError> {
        let kind = bundle.manifest.kind;
        let before = self.active(kind)?;
        let previous = match before {
            Some(before) if before.digest == bundle.digest => before.previous,
            // One that is itself on trial is nothing to go back to.
            Some(before) if before.state == State::Trial => before.previous,
            before => before.map(|before| before.digest),
        };
        let active = Active { digest: bundle.digest.clone(), since: now, state: State::Trial, previous };
        self.point(kind, &active)?;
        Ok(active)
    }

    /// The bundle on trial did well.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn confirm(&self, kind: Kind) -> Result<(), BundleError> {
        match self.active(kind)? {
            Some(active) => self.point(kind, &Active { state: State::Confirmed, ..active }),
            None => Ok(()),
        }
    }

    /// Goes back to the bundle before; to none, where the one on trial was the first. Returns what is in use then.
    ///
    /// # Errors
    /// [`BundleError::NoEarlier`], if nothing is known to go back to.
    pub fn back(&self, kind: Kind, now: Timestamp) -> Result<Option<Active>, BundleError> {
        let none = || BundleError::NoEarlier { kind: kind.name() };
        let active = self.active(kind)?.ok_or_else(none)?;
        let Some(previous) = active.previous else {
            if active.state == State::Confirmed {
                return Err(none());
            }
            let path = self.pointer(kind);
            std::fs::remove_file(&path).map_err(|what| BundleError::files(&path, what))?;
            return Ok(None);
        };
        self.by_digest(&previous)?;
        // Going forth again by hand is `activate`: it is tested again then.
        let back = Active { digest: previous, since: now, state: State::Confirmed, previous: None };
        self.point(kind, &back)?;
        Ok(Some(back))
    }

    /// The pointer's file, whose change says that another bundle is in use.
    #[must_use]
    pub fn pointer(&self, kind: Kind) -> PathBuf {
        self.folder.join("active").join(format!("{kind}.json"))
    }

    fn point(&self, kind: Kind, active: &Active) -> Result<(), BundleError> {
        files::make_folder(&self.folder.join("active"))?;
        files::write(&self.pointer(kind), &json(active)?, 0o600)
    }

    fn installed_at(&self, place: &Path) -> Result<Installed, BundleError> {
        let digest = place.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let wrong = |path: PathBuf, why: String| BundleError::NotUnderstood {
            what: "an installed bundle".to_owned(),
            why,
            path,
        };
        let path = place.join(MANIFEST_FILE);
        let bytes = files::read(&path, MAX_MANIFEST_BYTES).map_err(|what| BundleError::files(&path, what))?;
        if files::sha256(&bytes) != digest {
            return Err(BundleError::Swapped {
                why: "its manifest is not the one that was installed".to_owned(),
                path,
            });
        }
        let manifest = Manifest::read(&bytes).map_err(|why| wrong(path, why))?;
        let path = place.join(ORIGIN_FILE);
        let bytes = files::read(&path, MAX_POINTER_BYTES).map_err(|what| BundleError::files(&path, what))?;
        let origin = serde_json::from_slice(&bytes).map_err(|error| wrong(path, error.to_string()))?;
        Ok(Installed { digest, manifest, origin, folder: place.to_owned() })
    }

    fn find(&self, kind: &'static str, digest: &str) -> Result<PathBuf, BundleError> {
        let unknown = || BundleError::Unknown {
            which: digest.chars().take(80).collect(),
            place: if kind == "staged" { "that is staged" } else { "that is installed" },
        };
        if digest.len() < 8 {
            return Err(unknown());
        }
        let mut found = self.folders(kind)?;
        found.retain(|place| {
            place.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(digest))
        });
        match (found.pop(), found.is_empty()) {
            (Some(place), true) => Ok(place),
            _ => Err(unknown()),
        }
    }

    /// The folders of whole bundles.
    fn folders(&self, kind: &str) -> Result<Vec<PathBuf>, BundleError> {
        let folder = self.folder.join(kind);
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(what) => return Err(BundleError::files(&folder, what)),
        };
        let mut all: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        all.retain(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_digest));
        all.sort();
        Ok(all)
    }
}

/// A folder on the same disk that vanishes unless it is settled.
fn beside(folder: &Path) -> Result<tempfile::TempDir, BundleError> {
    tempfile::Builder::new().prefix(".new-").tempdir_in(folder).map_err(|what| BundleError::files(folder, what))
}

/// Gives a whole folder its name.
fn settle(aside: tempfile::TempDir, place: &Path) -> Result<(), BundleError> {
    let aside = aside.keep();
    let done = std::fs::rename(&aside, place)
        .and_then(|()| place.parent().map_or(Ok(()), |folder| std::fs::File::open(folder)?.sync_all()));
    done.map_err(|what| {
        let _ = std::fs::remove_dir_all(&aside);
        BundleError::files(place, what)
    })
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, BundleError> {
    serde_json::to_vec_pretty(value)
        .map_err(|error| BundleError::files(Path::new("JSON"), std::io::Error::other(error)))
}
