//! The center's half: a repository of bundles that several people sign, each with a key that only they hold.
//!
//! Every change is written as drafts. [`Publisher::sign`] adds one key's signature to each draft that the key may sign; when no
//! draft lacks a signature, all of them are published at once. So the folder can travel on a stick from signer to signer, and
//! no machine ever needs more than one key.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use jiff::{Span, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tough::TargetName;
use tough::schema::decoded::{Decoded, Hex};
use tough::schema::{
    DelegatedRole, Delegations, Hashes, Metafile, PathPattern, PathSet, Role, RoleKeys, RoleType, Root, Signature,
    Signed, Snapshot, Target, Targets, Timestamp as Stamp,
};

use crate::error::BundleError;
use crate::files;
use crate::keys::{self, PublicKey, SigningKey};
use crate::manifest::{FileEntry, Kind, MANIFEST_FILE, Manifest};

const SPEC: &str = "1.0.0";

/// Largest metadata file read back.
const MAX_BYTES: u64 = 10 << 20;

/// Largest file packed, in bytes.
const MAX_PACKED: u64 = 1 << 42;

/// How long each role counts, in days. The short one bounds how long somebody can hold newer bundles back.
const ROOT_DAYS: i64 = 365;
const TARGETS_DAYS: i64 = 365;
const KIND_DAYS: i64 = 180;
const STAMP_DAYS: i64 = 30;

/// Who may sign what.
#[derive(Debug, Clone)]
pub struct Signers {
    /// Keys of root and of the list of roles.
    pub root: Vec<PublicKey>,
    /// How many of them must sign.
    pub threshold: u64,
    /// Keys of each kind of bundle; one of them must sign.
    pub kinds: BTreeMap<Kind, Vec<PublicKey>>,
    /// Keys that say what is newest; one of them must sign.
    pub stamp: Vec<PublicKey>,
}

/// What a draft still lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The role.
    pub role: String,
    /// Valid signatures that it has.
    pub have: u64,
    /// Signatures that it needs.
    pub need: u64,
}

/// A repository of bundles at the center.
#[derive(Debug, Clone)]
pub struct Publisher {
    folder: PathBuf,
}

impl Publisher {
    /// The repository in `folder`.
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Begins a repository: drafts of every role, to be signed.
    ///
    /// # Errors
    /// [`BundleError`], also if there is one already or a threshold asks for more keys than there are.
    pub fn begin(&self, signers: &Signers, now: Timestamp) -> Result<(), BundleError> {
        if self.folder.join("metadata").exists() || self.folder.join("draft").exists() {
            return Err(BundleError::publishing("there is a repository in this folder", "choose another folder"));
        }
        let few = |role: &str| {
            BundleError::publishing(
                format!("{role} has fewer keys than must sign"),
                "give each role a key, and root at least as many as its threshold",
            )
        };
        if signers.threshold < 1 || (signers.root.len() as u64) < signers.threshold {
            return Err(few("root"));
        }
        if signers.stamp.is_empty() || Kind::ALL.iter().any(|kind| signers.kinds.get(kind).is_none_or(Vec::is_empty)) {
            return Err(few("a kind, or the stamp,"));
        }
        for folder in ["metadata", "targets", "draft"] {
            files::make_folder(&self.folder.join(folder))?;
        }
        let threshold = NonZeroU64::new(signers.threshold).unwrap_or(NonZeroU64::MIN);
        let mut keys_by_id = HashMap::new();
        let mut ids = |keys: &[PublicKey]| {
            let mut ids = Vec::new();
            for PublicKey(key) in keys {
                let id = keys::id(key)?;
                keys_by_id.insert(id.clone(), key.clone());
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
            Ok::<_, BundleError>(ids)
        };
        let (root_ids, stamp_ids) = (ids(&signers.root)?, ids(&signers.stamp)?);
        if (root_ids.len() as u64) < signers.threshold {
            return Err(few("root"));
        }
        let role = |keyids: &[Decoded<Hex>], threshold| RoleKeys {
            keyids: keyids.to_vec(),
            threshold,
            _extra: HashMap::new(),
        };
        let roles = HashMap::from([
            (RoleType::Root, role(&root_ids, threshold)),
            (RoleType::Targets, role(&root_ids, threshold)),
            (RoleType::Snapshot, role(&stamp_ids, NonZeroU64::MIN)),
            (RoleType::Timestamp, role(&stamp_ids, NonZeroU64::MIN)),
        ]);
        let root = Root {
            spec_version: SPEC.to_owned(),
            consistent_snapshot: true,
            version: NonZeroU64::MIN,
            expires: after(now, ROOT_DAYS)?,
            keys: keys_by_id,
            roles,
            _extra: HashMap::new(),
        };
        self.draft("root", &root)?;
        let mut targets = Targets::new(SPEC.to_owned(), NonZeroU64::MIN, after(now, TARGETS_DAYS)?);
        let mut delegations = Delegations::new();
        for kind in Kind::ALL {
            let mut keyids = Vec::new();
            for PublicKey(key) in signers.kinds.get(&kind).into_iter().flatten() {
                let id = keys::id(key)?;
                delegations.keys.insert(id.clone(), key.clone());
                keyids.push(id);
            }
            let pattern = PathPattern::new(format!("{kind}_*")).map_err(|error| fault(&error))?;
            delegations.roles.push(DelegatedRole {
                name: kind.name().to_owned(),
                keyids,
                threshold: NonZeroU64::MIN,
                paths: PathSet::Paths(vec![pattern]),
                terminating: true,
                targets: None,
            });
            self.draft(kind.name(), &Targets::new(SPEC.to_owned(), NonZeroU64::MIN, after(now, KIND_DAYS)?))?;
        }
        targets.delegations = Some(delegations);
        self.draft("targets", &targets)?;
        self.stamp(now)
    }

    /// Adds a bundle: copies its files into the repository and drafts the metadata that names them. `start`: the file to
    /// open. Returns the manifest and its digest.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn pack(
        &self,
        kind: Kind,
        name: &str,
        version: &str,
        paths: &[PathBuf],
        now: Timestamp,
    ) -> Result<(Manifest, String), BundleError> {
        let mut manifest = Manifest {
            format: 1,
            kind,
            name: name.to_owned(),
            version: version.to_owned(),
            made: now,
            start: String::new(),
            files: Vec::new(),
        };
        let mut role: Targets = self.newest(kind.name())?;
        let folder = self.folder.join("targets");
        let mut placed = Vec::new();
        for path in paths {
            let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let aside = folder.join(format!(".{}.part", placed.len()));
            let _ = std::fs::remove_file(&aside); // of a run that was cut off
            let (bytes, sha256) = files::copy(path, &aside, MAX_PACKED)?;
            manifest.files.push(FileEntry { name: file.to_owned(), bytes, sha256 });
            placed.push(aside);
        }
        manifest.start = manifest.files.first().map(|file| file.name.clone()).unwrap_or_default();
        let refuse = |why: String| {
            for path in &placed {
                let _ = std::fs::remove_file(path);
            }
            BundleError::publishing(
                format!("this makes no bundle: {why}"),
                "correct the name, the version or the files",
            )
        };
        manifest.check().map_err(refuse)?;
        let target_name = |name: String| TargetName::new(name).map_err(|error| fault(&error));
        let own = target_name(manifest.own_target())?;
        if role.targets.contains_key(&own) {
            return Err(refuse(format!("{kind} {name} {version} is there already; a version is never made twice")));
        }
        for (entry, aside) in manifest.files.iter().zip(&placed) {
            let name = manifest.target(&entry.name);
            let place = folder.join(format!("{}.{name}", entry.sha256));
            std::fs::rename(aside, &place).map_err(|what| BundleError::files(&place, what))?;
            role.targets.insert(target_name(name)?, target(entry.bytes, &entry.sha256)?);
        }
        let text = serde_json::to_vec_pretty(&manifest).map_err(|error| fault(&error))?;
        let digest = files::sha256(&text);
        files::write(&folder.join(format!("{digest}.{}", manifest.target(MANIFEST_FILE))), &text, 0o644)?;
        role.targets.insert(own, target(text.len() as u64, &digest)?);
        role.version = self.next(kind.name())?;
        role.expires = after(now, KIND_DAYS)?;
        self.draft(kind.name(), &role)?;
        self.stamp(now)?;
        Ok((manifest, digest))
    }

    /// Drafts what says which metadata is newest, with a new end; to be signed at least once in `STAMP_DAYS`.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn stamp(&self, now: Timestamp) -> Result<(), BundleError> {
        let mut snapshot = Snapshot::new(SPEC.to_owned(), self.next("snapshot")?, after(now, STAMP_DAYS)?);
        let roles = std::iter::once("targets").chain(Kind::ALL.map(Kind::name));
        for role in roles {
            let version = self.newest::<Targets>(role)?.version;
            snapshot.meta.insert(format!("{role}.json"), metafile(version));
        }
        self.draft("snapshot", &snapshot)?;
        let mut stamp = Stamp::new(SPEC.to_owned(), self.next("timestamp")?, after(now, STAMP_DAYS)?);
        stamp.meta.insert("snapshot.json".to_owned(), metafile(snapshot.version));
        self.draft("timestamp", &stamp)
    }

    /// Drafts every role anew with a new end, before the old ones end.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn renew(&self, now: Timestamp) -> Result<(), BundleError> {
        let mut root: Root = self.newest("root")?;
        (root.version, root.expires) = (self.next("root")?, after(now, ROOT_DAYS)?);
        self.draft("root", &root)?;
        for role in std::iter::once("targets").chain(Kind::ALL.map(Kind::name)) {
            let mut targets: Targets = self.newest(role)?;
            let days = if role == "targets" { TARGETS_DAYS } else { KIND_DAYS };
            (targets.version, targets.expires) = (self.next(role)?, after(now, days)?);
            self.draft(role, &targets)?;
        }
        self.stamp(now)
    }

    /// Adds the signatures of `keys` to every draft that they may sign, and publishes once none lacks any. What is left to
    /// sign; empty once it is published.
    ///
    /// # Errors
    /// [`BundleError`]; also if a key may sign none of the drafts.
    pub fn sign(&self, signing: &[SigningKey]) -> Result<Vec<Standing>, BundleError> {
        let root: Root = self.newest("root")?;
        let targets: Targets = self.newest("targets")?;
        let drafts = self.drafts()?;
        if drafts.is_empty() {
            return Err(BundleError::publishing(
                "nothing waits to be signed",
                "`haechi bundle pack` adds a bundle; `haechi bundle refresh` moves the ends",
            ));
        }
        let mut used = vec![false; signing.len()];
        let mut standing = Vec::new();
        for role in &drafts {
            let (allowed, need) = allowed(role, &root, &targets)?;
            let have = match role.as_str() {
                "root" => self.add::<Root>(role, signing, &allowed, &mut used)?,
                "snapshot" => self.add::<Snapshot>(role, signing, &allowed, &mut used)?,
                "timestamp" => self.add::<Stamp>(role, signing, &allowed, &mut used)?,
                _ => self.add::<Targets>(role, signing, &allowed, &mut used)?,
            };
            if have < need {
                standing.push(Standing { role: role.clone(), have, need });
            }
        }
        if used.contains(&false) {
            return Err(BundleError::publishing(
                "a key may sign none of what waits",
                "name the keys of the roles that wait; `haechi bundle sign` without a key lists them",
            ));
        }
        if standing.is_empty() {
            self.publish(&drafts)?;
        }
        Ok(standing)
    }

    /// What waits for signatures.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn waiting(&self) -> Result<Vec<Standing>, BundleError> {
        let drafts = self.drafts()?;
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        let root: Root = self.newest("root")?;
        let targets: Targets = self.newest("targets")?;
        let standing = drafts.iter().map(|role| {
            let (allowed, need) = allowed(role, &root, &targets)?;
            let signed: Signed<serde_json::Value> = self.read(&self.draft_file(role))?;
            let have = signed.signatures.iter().filter(|one| allowed.contains(&one.keyid)).count() as u64;
            Ok(Standing { role: role.clone(), have, need })
        });
        standing.collect()
    }

    fn add<T: Role + Serialize + DeserializeOwned>(
        &self,
        role: &str,
        signing: &[SigningKey],
        allowed: &[Decoded<Hex>],
        used: &mut [bool],
    ) -> Result<u64, BundleError> {
        let path = self.draft_file(role);
        let mut signed: Signed<T> = self.read(&path)?;
        let bytes = signed.signed.canonical_form().map_err(|error| fault(&error))?;
        for (key, used) in signing.iter().zip(used) {
            let keyid = keys::id(&key.public().0)?;
            if !allowed.contains(&keyid) {
                continue;
            }
            *used = true;
            signed.signatures.retain(|one| one.keyid != keyid);
            signed.signatures.push(Signature { keyid, sig: key.sign(&bytes).into() });
        }
        self.save(&path, &signed)?;
        Ok(signed.signatures.iter().filter(|one| allowed.contains(&one.keyid)).count() as u64)
    }

    /// Moves the drafts to where sites look. What says that there is something new goes last.
    fn publish(&self, drafts: &[String]) -> Result<(), BundleError> {
        let order = |role: &str| match role {
            "timestamp" => 3,
            "snapshot" => 2,
            "root" => 1,
            _ => 0,
        };
        let mut drafts: Vec<&str> = drafts.iter().map(String::as_str).collect();
        drafts.sort_by_key(|role| order(role));
        for role in drafts {
            let from = self.draft_file(role);
            let to = if role == "timestamp" {
                self.folder.join("metadata/timestamp.json")
            } else {
                self.folder.join("metadata").join(format!("{}.{role}.json", self.version(&from)?))
            };
            std::fs::rename(&from, &to).map_err(|what| BundleError::files(&to, what))?;
        }
        Ok(())
    }

    /// The newest root file, for [`crate::Trust::begin`].
    ///
    /// # Errors
    /// [`BundleError`], if none is published.
    pub fn root_file(&self) -> Result<PathBuf, BundleError> {
        self.published("root")?.ok_or_else(|| {
            BundleError::publishing("no root is published yet", "let its signers sign first (`haechi bundle sign`)")
        })
    }

    fn drafts(&self) -> Result<Vec<String>, BundleError> {
        let all = ["root", "targets", "model", "evidence", "software", "snapshot", "timestamp"];
        Ok(all.into_iter().filter(|role| self.draft_file(role).is_file()).map(str::to_owned).collect())
    }

    fn draft_file(&self, role: &str) -> PathBuf {
        self.folder.join("draft").join(format!("{role}.json"))
    }

    fn draft<T: Serialize>(&self, role: &str, value: &T) -> Result<(), BundleError> {
        self.save(&self.draft_file(role), &Signed { signed: value, signatures: Vec::new() })
    }

    fn save<T: Serialize>(&self, path: &Path, value: &T) -> Result<(), BundleError> {
        let text = serde_json::to_vec_pretty(value).map_err(|error| fault(&error))?;
        files::write(path, &text, 0o644)
    }

    fn read<T: DeserializeOwned>(&self, path: &Path) -> Result<T, BundleError> {
        let bytes = files::read(path, MAX_BYTES).map_err(|what| BundleError::files(path, what))?;
        serde_json::from_slice(&bytes).map_err(|error| BundleError::NotUnderstood {
            what: "the repository's metadata".to_owned(),
            why: error.to_string(),
            path: path.to_owned(),
        })
    }

    /// The draft of a role, else what was published last.
    fn newest<T: DeserializeOwned>(&self, role: &str) -> Result<T, BundleError> {
        let draft = self.draft_file(role);
        let path = if draft.is_file() { Some(draft) } else { self.published(role)? };
        let path = path.ok_or_else(|| {
            BundleError::publishing(
                format!("there is no repository in {}", self.folder.display()),
                "make one with `haechi bundle init`",
            )
        })?;
        Ok(self.read::<Signed<T>>(&path)?.signed)
    }

    /// The file of the highest published version of a role.
    fn published(&self, role: &str) -> Result<Option<PathBuf>, BundleError> {
        let folder = self.folder.join("metadata");
        if role == "timestamp" {
            let path = folder.join("timestamp.json");
            return Ok(path.is_file().then_some(path));
        }
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(what) => return Err(BundleError::files(&folder, what)),
        };
        let ending = format!(".{role}.json");
        let versions = entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(&ending)?.parse::<u64>().ok());
        Ok(versions.max().map(|version| folder.join(format!("{version}{ending}"))))
    }

    /// The version after the published one.
    fn next(&self, role: &str) -> Result<NonZeroU64, BundleError> {
        let Some(path) = self.published(role)? else { return Ok(NonZeroU64::MIN) };
        Ok(self.version(&path)?.checked_add(1).unwrap_or(NonZeroU64::MAX))
    }

    fn version(&self, path: &Path) -> Result<NonZeroU64, BundleError> {
        #[derive(serde::Deserialize)]
        struct Version {
            version: NonZeroU64,
        }
        Ok(self.read::<Signed<Version>>(path)?.signed.version)
    }
}

/// Who may sign a role, and how many must.
fn allowed(role: &str, root: &Root, targets: &Targets) -> Result<(Vec<Decoded<Hex>>, u64), BundleError> {
    let standard = match role {
        "root" => Some(RoleType::Root),
        "targets" => Some(RoleType::Targets),
        "snapshot" => Some(RoleType::Snapshot),
        "timestamp" => Some(RoleType::Timestamp),
        _ => None,
    };
    let unknown = || BundleError::publishing(format!("nobody may sign {role}"), "make the repository anew");
    if let Some(standard) = standard {
        let keys = root.roles.get(&standard).ok_or_else(unknown)?;
        return Ok((keys.keyids.clone(), keys.threshold.get()));
    }
    let delegated = targets.delegations.iter().flat_map(|all| &all.roles).find(|one| one.name == role);
    let delegated = delegated.ok_or_else(unknown)?;
    Ok((delegated.keyids.clone(), delegated.threshold.get()))
}

fn target(length: u64, sha256: &str) -> Result<Target, BundleError> {
    let sha256 = sha256.parse::<Decoded<Hex>>().map_err(|error| fault(&error))?;
    Ok(Target {
        length,
        hashes: Hashes { sha256, _extra: HashMap::new() },
        custom: HashMap::new(),
        _extra: HashMap::new(),
    })
}

/// Versions alone: lengths and digests of metadata would change with each signature that is added, and the signatures
/// themselves protect it.
fn metafile(version: NonZeroU64) -> Metafile {
    Metafile { length: None, hashes: None, version, _extra: HashMap::new() }
}

fn after(now: Timestamp, days: i64) -> Result<Timestamp, BundleError> {
    // Whole seconds: what TUF metadata can say.
    let now = Timestamp::from_second(now.as_second()).map_err(|error| fault(&error))?;
    now.checked_add(Span::new().hours(24 * days)).map_err(|error| fault(&error))
}

fn fault(error: &dyn std::fmt::Display) -> BundleError {
    BundleError::publishing(error.to_string(), "report it: this is a fault in the program")
}
