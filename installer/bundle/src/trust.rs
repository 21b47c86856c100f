//! The site's half: whose signatures count, what was seen before, and whether a medium holds against both.
//!
//! The trusted root and the newest metadata that was seen lie in one folder. A medium is checked against a copy of it; only
//! when everything holds the copy takes its place, so that a refused medium leaves no trace and a power cut the old state.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::{Span, Timestamp};
use tough::error::Error as Tuf;
use tough::schema::{Role, Root, Signed, Target};
use tough::{ExpirationEnforcement, Limits, Repository, RepositoryLoader, TargetName};
use url::Url;

use crate::error::BundleError;
use crate::files;
use crate::keys;
use crate::manifest::{Kind, MAX_MANIFEST_BYTES, Manifest};
use crate::medium::{METADATA_URL, Metadata, TARGETS_URL, target_file};

/// The trusted root, in the trust folder.
const ROOT_FILE: &str = "root.json";
/// When a medium was last taken.
const CLOCK_FILE: &str = "clock.json";

/// A clock that went back by less is a clock that was set.
const CLOCK_SLACK_HOURS: i64 = 24;

/// Largest root: some keys.
const MAX_ROOT_BYTES: u64 = 1 << 20;

/// Longest target name.
const MAX_TARGET_NAME: usize = 200;

const LIMITS: Limits = Limits {
    max_root_size: MAX_ROOT_BYTES,
    max_targets_size: 10 << 20,
    max_timestamp_size: 1 << 20,
    max_snapshot_size: 1 << 20,
    max_root_updates: 1_000,
};

/// Whom this site trusts, and what it saw of them.
#[derive(Debug, Clone)]
pub struct Trust {
    folder: PathBuf,
}

/// A bundle of a medium that holds: its chain of signatures was checked, its files were not yet.
#[derive(Debug, Clone)]
pub struct Found {
    /// What it is.
    pub manifest: Manifest,
    /// SHA-256 of the manifest, hexadecimal.
    pub digest: String,
    /// Identifiers of the keys that signed for its kind, shortened.
    pub signed_by: Vec<String>,
}

/// A medium whose metadata holds at the time it was asked about.
#[derive(Debug)]
pub struct Verified {
    repository: Repository,
    medium: PathBuf,
    pub(crate) metadata: Metadata,
    seen: tempfile::TempDir,
    trust: PathBuf,
    until: Timestamp,
}

/// The fingerprint of a root: SHA-256 of its file, hexadecimal, that people compare by another way.
#[must_use]
pub fn fingerprint(root: &[u8]) -> String {
    files::sha256(root)
}

impl Trust {
    /// The trust that lies in `folder`.
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// True if a root is trusted.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.folder.join(ROOT_FILE).is_file()
    }

    /// Begins to trust `root`, whose fingerprint a person compared.
    ///
    /// # Errors
    /// [`BundleError`], if it is no root that its own keys signed, or another one is trusted already.
    pub fn begin(&self, root: &[u8], expected: &str) -> Result<(), BundleError> {
        let path = self.folder.join(ROOT_FILE);
        let found = fingerprint(root);
        if found != expected.to_ascii_lowercase().replace([':', ' '], "") {
            return Err(BundleError::Swapped { why: format!("its fingerprint is {found}"), path });
        }
        if self.exists() {
            return Err(BundleError::publishing(
                "this site trusts a root already",
                "a new root of the same publisher comes with each medium; to change the publisher, remove the folder `bundles/trust` by hand",
            ));
        }
        let wrong = |why: String| BundleError::NotUnderstood { what: "the root".to_owned(), why, path: path.clone() };
        let signed: Signed<Root> = serde_json::from_slice(root).map_err(|error| wrong(error.to_string()))?;
        signed.signed.verify_role(&signed).map_err(|error| wrong(error.to_string()))?;
        files::make_folder(&self.folder)?;
        files::write(&path, root, 0o600)
    }

    /// Checks the metadata of `medium` at `now`: signatures, thresholds, versions against what was seen, ends.
    ///
    /// # Errors
    /// [`BundleError`] saying which of them does not hold.
    pub fn verify(&self, medium: &Path, now: Timestamp) -> Result<Verified, BundleError> {
        let path = self.folder.join(ROOT_FILE);
        if !path.is_file() {
            return Err(BundleError::NoTrust { path });
        }
        self.check_clock(now)?;
        let metadata = Metadata::read(medium)?;
        let root = files::read(&path, MAX_ROOT_BYTES).map_err(|what| BundleError::files(&path, what))?;
        let seen = self.copy()?;
        // Time is an input here, and `tough` asks the clock: it checks everything but ends, and ends are checked below.
        let loader = RepositoryLoader::new(&root, url(METADATA_URL)?, url(TARGETS_URL)?)
            .transport(metadata.clone())
            .limits(LIMITS)
            .datastore(seen.path())
            .expiration_enforcement(ExpirationEnforcement::Unsafe);
        let repository = runtime()?.block_on(loader.load()).map_err(|error| in_words(error, medium))?;
        let until = check_ends(&repository, medium, now)?;
        check_names(&repository, medium)?;
        Ok(Verified { repository, medium: medium.to_owned(), metadata, seen, trust: self.folder.clone(), until })
    }

    /// A copy of what was seen, in a folder beside.
    fn copy(&self) -> Result<tempfile::TempDir, BundleError> {
        let beside = self.folder.parent().unwrap_or(&self.folder);
        let copy = tempfile::Builder::new()
            .prefix(".trust-")
            .tempdir_in(beside)
            .map_err(|what| BundleError::files(beside, what))?;
        let entries = std::fs::read_dir(&self.folder).map_err(|what| BundleError::files(&self.folder, what))?;
        for entry in entries {
            let path = entry.map_err(|what| BundleError::files(&self.folder, what))?.path();
            if let Some(name) = path.file_name().filter(|_| path.is_file()) {
                std::fs::copy(&path, copy.path().join(name)).map_err(|what| BundleError::files(&path, what))?;
            }
        }
        // `tough` keeps a clock of its own here; ours is `CLOCK_FILE`.
        let _ = std::fs::remove_file(copy.path().join("latest_known_time.json"));
        Ok(copy)
    }

    fn check_clock(&self, now: Timestamp) -> Result<(), BundleError> {
        let Ok(bytes) = files::read(&self.folder.join(CLOCK_FILE), 4096) else { return Ok(()) };
        let Ok(seen) = serde_json::from_slice::<Timestamp>(&bytes) else { return Ok(()) };
        let slack = seen.checked_sub(Span::new().hours(CLOCK_SLACK_HOURS)).unwrap_or(seen);
        if now < slack {
            return Err(BundleError::Clock { now: now.to_string(), seen: seen.to_string() });
        }
        Ok(())
    }
}

impl Verified {
    /// Until when all of the metadata counts.
    #[must_use]
    pub const fn until(&self) -> Timestamp {
        self.until
    }

    /// Version of the trusted root.
    #[must_use]
    pub fn root_version(&self) -> u64 {
        self.repository.root().signed.version.get()
    }

    /// The bundles on the medium whose manifest is there, each read and compared with its signed digest.
    ///
    /// # Errors
    /// [`BundleError`], if a manifest is another than the signed one, or breaks its rules.
    pub fn bundles(&self) -> Result<Vec<Found>, BundleError> {
        let mut found = Vec::new();
        for kind in Kind::ALL {
            let Some(role) = self.repository.delegated_role(kind.name()) else { continue };
            let Some(signed) = &role.targets else { continue };
            let allowed = &role.keyids;
            let signed_by: Vec<String> = signed
                .signatures
                .iter()
                .filter(|one| allowed.contains(&one.keyid))
                .map(|one| keys::short(&one.keyid))
                .collect();
            let mut names: Vec<(&TargetName, &Target)> = signed.signed.targets.iter().collect();
            names.sort_by(|one, other| one.0.cmp(other.0));
            for (name, target) in names {
                if name.raw().ends_with("_manifest.json")
                    && let Some(manifest) = self.manifest(kind, name, target, &signed.signed.targets)?
                {
                    let digest = files::hex(&target.hashes.sha256);
                    found.push(Found { manifest, digest, signed_by: signed_by.clone() });
                }
            }
        }
        Ok(found)
    }

    /// The bundle of this digest, or the newest of this name.
    ///
    /// # Errors
    /// [`BundleError::Unknown`], or as [`Verified::bundles`].
    pub fn bundle(&self, which: &str) -> Result<Found, BundleError> {
        let mut all = self.bundles()?;
        all.retain(|one| {
            one.digest == which || (which.len() >= 8 && one.digest.starts_with(which)) || one.manifest.name == which
        });
        all.sort_by_key(|one| one.manifest.made);
        all.pop()
            .ok_or_else(|| BundleError::Unknown { which: which.chars().take(80).collect(), place: "on this medium" })
    }

    fn manifest(
        &self,
        kind: Kind,
        name: &TargetName,
        target: &Target,
        all: &std::collections::HashMap<TargetName, Target>,
    ) -> Result<Option<Manifest>, BundleError> {
        let digest = files::hex(&target.hashes.sha256);
        let path = target_file(&self.medium, &digest, name.raw());
        let bytes = match files::read(&path, MAX_MANIFEST_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None), // not on this medium
            Err(what) => return Err(BundleError::files(&path, what)),
        };
        let found = files::sha256(&bytes);
        if found != digest || bytes.len() as u64 != target.length {
            return Err(BundleError::Swapped { why: format!("found sha256 {found}, expected {digest}"), path });
        }
        let wrong = |why: String| BundleError::NotUnderstood { what: "a manifest".to_owned(), why, path: path.clone() };
        let manifest = Manifest::read(&bytes).map_err(wrong)?;
        if manifest.kind != kind || manifest.own_target() != name.raw() {
            return Err(wrong(format!("it says {}, and was signed as {}", manifest.own_target(), name.raw())));
        }
        // What the manifest says of its files must be what TUF says: one of both alone would not hold.
        for file in &manifest.files {
            let signed = TargetName::new(manifest.target(&file.name)).ok().and_then(|name| all.get(&name));
            let same = signed
                .is_some_and(|signed| signed.length == file.bytes && files::hex(&signed.hashes.sha256) == file.sha256);
            if !same {
                return Err(wrong(format!("{} was not signed as the manifest says", file.name)));
            }
        }
        Ok(Some(manifest))
    }

    /// Copies one file of `bundle` to `to`, comparing length and digest on the way; a file that differs is removed again.
    ///
    /// # Errors
    /// [`BundleError::Swapped`], [`BundleError::Files`].
    pub fn copy_file(&self, bundle: &Found, file: &str, to: &Path) -> Result<(), BundleError> {
        let manifest = &bundle.manifest;
        let (bytes, sha256) = if file == crate::manifest::MANIFEST_FILE {
            (MAX_MANIFEST_BYTES, bundle.digest.as_str())
        } else {
            manifest.files.iter().find(|one| one.name == file).map(|one| (one.bytes, one.sha256.as_str())).ok_or_else(
                || BundleError::Unknown { which: file.chars().take(80).collect(), place: "in this manifest" },
            )?
        };
        let from = target_file(&self.medium, sha256, &manifest.target(file));
        let (length, found) = files::copy(&from, to, bytes)?;
        if found == sha256 {
            return Ok(());
        }
        let _ = std::fs::remove_file(to);
        // The manifest's length is bounded, not named.
        let bytes = if file == crate::manifest::MANIFEST_FILE { length } else { bytes };
        Err(differs(from, length, bytes, &found, sha256))
    }

    /// Compares every file of `bundle` with its signed digest, without keeping a copy.
    ///
    /// # Errors
    /// As [`Verified::copy_file`].
    pub fn check_files(&self, bundle: &Found) -> Result<(), BundleError> {
        for file in &bundle.manifest.files {
            let path = target_file(&self.medium, &file.sha256, &bundle.manifest.target(&file.name));
            let (length, found) = files::hash(&path, file.bytes, &mut |_| Ok(()))?;
            if found != file.sha256 {
                return Err(differs(path, length, file.bytes, &found, &file.sha256));
            }
        }
        Ok(())
    }

    /// Remembers what was seen, so that an older medium is refused from now on.
    ///
    /// # Errors
    /// [`BundleError::Files`]; the old state stays whole.
    pub fn remember(&self, now: Timestamp) -> Result<(), BundleError> {
        let seen = self.seen.path();
        let root = self.repository.root();
        let json = |value: &Signed<Root>| {
            serde_json::to_vec(value).map_err(|error| BundleError::files(&self.trust, std::io::Error::other(error)))
        };
        files::write(&seen.join(CLOCK_FILE), format!("\"{now}\"").as_bytes(), 0o600)?;
        files::write(&seen.join(ROOT_FILE), &json(root)?, 0o600)?;
        // File by file, each whole; the timestamp, which the checks begin with, last: cut off in between, the next medium is
        // compared with a mixture of old and newer versions, and none of them goes back.
        let entries = std::fs::read_dir(seen).map_err(|what| BundleError::files(seen, what))?;
        let mut names: BTreeMap<bool, Vec<PathBuf>> = BTreeMap::new();
        for entry in entries {
            let path = entry.map_err(|what| BundleError::files(seen, what))?.path();
            let is_last = path.file_name().is_some_and(|name| name == "timestamp.json");
            names.entry(is_last).or_default().push(path);
        }
        for path in names.into_values().flatten() {
            let bytes = files::read(&path, 16 << 20).map_err(|what| BundleError::files(&path, what))?;
            if let Some(name) = path.file_name() {
                files::write(&self.trust.join(name), &bytes, 0o600)?;
            }
        }
        Ok(())
    }
}

fn differs(path: PathBuf, length: u64, bytes: u64, found: &str, expected: &str) -> BundleError {
    let why = match length.cmp(&bytes) {
        std::cmp::Ordering::Less => format!("it has {length} bytes, expected {bytes}: the copy was cut off"),
        std::cmp::Ordering::Greater => format!("it has more than the expected {bytes} bytes"),
        std::cmp::Ordering::Equal => format!("found sha256 {found}, expected {expected}"),
    };
    BundleError::Swapped { why, path }
}

fn url(text: &str) -> Result<Url, BundleError> {
    Url::parse(text).map_err(|error| BundleError::files(Path::new(text), std::io::Error::other(error)))
}

/// `tough` speaks async; everything here is one file after another.
fn runtime() -> Result<tokio::runtime::Runtime, BundleError> {
    tokio::runtime::Builder::new_current_thread().build().map_err(|what| BundleError::files(Path::new("threads"), what))
}

/// Every role's end against `now`; the nearest.
fn check_ends(repository: &Repository, medium: &Path, now: Timestamp) -> Result<Timestamp, BundleError> {
    let mut ends = vec![
        ("timestamp", repository.timestamp().signed.expires()),
        ("root", repository.root().signed.expires()),
        ("snapshot", repository.snapshot().signed.expires()),
        ("targets", repository.targets().signed.expires()),
    ];
    for kind in Kind::ALL {
        let role = repository.delegated_role(kind.name()).and_then(|role| role.targets.as_ref());
        ends.extend(role.map(|role| (kind.name(), role.signed.expires())));
    }
    for (role, end) in &ends {
        if *end <= now {
            return Err(BundleError::Expired {
                role: (*role).to_owned(),
                until: end.strftime("%F %H:%M UTC").to_string(),
                medium: medium.to_owned(),
            });
        }
    }
    Ok(ends.into_iter().map(|(_, end)| end).min().unwrap_or(now))
}

/// Names that are not of one flat folder are refused before anything is done with them.
fn check_names(repository: &Repository, medium: &Path) -> Result<(), BundleError> {
    for (name, _) in repository.all_targets() {
        let raw = name.raw();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if raw != name.resolved() || raw.len() > MAX_TARGET_NAME || raw.starts_with('.') || !raw.bytes().all(plain) {
            return Err(BundleError::Name { name: name.raw().chars().take(80).collect(), medium: medium.to_owned() });
        }
    }
    Ok(())
}

fn in_words(error: Tuf, medium: &Path) -> BundleError {
    let medium = medium.to_owned();
    match error {
        Tuf::VerifyMetadata { role, source, .. } => {
            BundleError::Signature { role: role.to_string(), why: source.to_string(), medium }
        }
        Tuf::VerifyRoleMetadata { role, source, .. } => {
            BundleError::Signature { role, why: source.to_string(), medium }
        }
        Tuf::VerifyTrustedMetadata { source, .. } => {
            BundleError::Signature { role: "trusted root".to_owned(), why: source.to_string(), medium }
        }
        Tuf::InvalidPath { source } => BundleError::Signature {
            role: "targets".to_owned(),
            why: format!("a signer named files that are not of his kind: {source}"),
            medium,
        },
        Tuf::OlderMetadata { role, current_version, new_version, .. } => BundleError::Rollback {
            why: format!("its {role} metadata has version {new_version}, version {current_version} was seen"),
            medium,
        },
        other @ (Tuf::OlderSnapshotInTimestamp { .. }
        | Tuf::SnapshotRoleMissing { .. }
        | Tuf::SnapshotRoleRollback { .. }) => BundleError::Rollback { why: other.to_string(), medium },
        Tuf::HashMismatch { calculated, expected, .. } => {
            BundleError::Swapped { why: format!("found sha256 {calculated}, expected {expected}"), path: medium }
        }
        other @ Tuf::VersionMismatch { .. } => BundleError::Swapped { why: other.to_string(), path: medium },
        // The names of a hostile medium are refused while it is read.
        other => {
            let why = other.to_string();
            if why.contains("is unsafe") || why.contains("target name") {
                return BundleError::Name { name: why.chars().take(160).collect(), medium };
            }
            BundleError::NotUnderstood { what: "the medium's metadata".to_owned(), why, path: medium }
        }
    }
}
