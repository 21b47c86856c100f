//! The way of one object, however it comes: into the file store, read back, into the record.
//!
//! An object is written and flushed first, then read back from what was written, and only then named by a row: what the
//! sender is told was stored is whole and can be read. Everything here blocks.

use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use encoding_rs::Encoding;
use haechi_record::RecordError;
use haechi_record::files::{FileStore, FilesError, Kept};
use haechi_record::key::Key;
use haechi_record::store::{NewInstance, Placed, Store, StudyRow};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::dataset::{self, Want};
use super::header::{self, Person};
use super::part10::{self, HeadError, Meta};
use crate::hl7;
use crate::working::guarded;

/// Ids of what is made from images: of their UIDs in this name space.
const NAMESPACE: Uuid = Uuid::from_u128(0x2a61_7c53_9d0e_5b84_b1f2_6c3d_9e58_0d47);
/// Bytes moved at a time.
const PIECE_BYTES: usize = 64 << 10;

/// What a site says about images.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Most bytes of images on disk.
    pub quota_bytes: u64,
    /// Longest object accepted, in bytes.
    pub max_object_bytes: u64,
    /// Zone of times that carry no offset.
    pub zone: TimeZone,
    /// Character set of text whose sender names none: see [`hl7::knows_charset`].
    pub assume_charset: String,
    /// Identifier system of patient numbers without an issuer: as [`hl7::Hl7Settings::assigning_authority`].
    pub assigning_authority: String,
    /// Take every number for one of the assigning authority's, whatever issuer the sender writes.
    pub ignore_issuer: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            quota_bytes: 100 << 30,
            max_object_bytes: 4 << 30,
            zone: TimeZone::UTC,
            assume_charset: "utf-8".to_owned(),
            assigning_authority: String::new(),
            ignore_issuer: false,
        }
    }
}

/// Where images go. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Archive {
    pub(super) store: Store,
    pub(super) files: FileStore,
    pub(super) settings: Arc<Settings>,
    pub(super) assumed: &'static Encoding,
    /// See [`Settings::assigning_authority`], as a system.
    pub(super) own_system: String,
}

/// Gives the archive when the first image needs it: opening one looks at every file of it.
pub trait OpenArchive: std::fmt::Debug + Send + Sync {
    /// The archive.
    ///
    /// # Errors
    /// Why it cannot be opened, in words.
    fn archive(&self) -> Result<Archive, String>;
}

impl OpenArchive for Archive {
    fn archive(&self) -> Result<Archive, String> {
        Ok(self.clone())
    }
}

/// An object that is whole on the disk and not in the record yet.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) new: NewInstance,
    /// SOP Class UID.
    pub(crate) class: String,
    /// Its data set could not be read to its end, and why.
    pub(crate) problem: Option<String>,
}

/// Why an object was not taken.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) kind: RefusedKind,
    /// The attribute, as `(0020,000d)`.
    pub(crate) tag: Option<String>,
    /// For a person; never content.
    pub(crate) reason: String,
    /// It is a DICOMDIR: a list of other files.
    pub(crate) is_directory: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefusedKind {
    /// The quota, or the disk.
    Full,
    TooLong,
    /// It is no DICOM object, or one without what every object has.
    NotUnderstood,
    /// It is another object than the sender announced.
    NotAsAnnounced,
    /// The sender's stream ended early.
    CutOff,
    /// Something on our side.
    Failed,
}

impl Refused {
    pub(crate) fn new(kind: RefusedKind, reason: impl Into<String>) -> Self {
        Self { kind, tag: None, reason: reason.into(), is_directory: false }
    }

    /// Something wrong with one attribute.
    pub(crate) fn at(kind: RefusedKind, tag: Option<String>, reason: impl Into<String>) -> Self {
        Self { tag, ..Self::new(kind, reason) }
    }

    /// The number under which documentation and log know it.
    pub(crate) fn code(&self) -> &'static str {
        match self.kind {
            RefusedKind::Full | RefusedKind::Failed => "HAECHI-0376",
            RefusedKind::TooLong => "HAECHI-0373",
            RefusedKind::NotUnderstood | RefusedKind::CutOff => "HAECHI-0372",
            RefusedKind::NotAsAnnounced => "HAECHI-0374",
        }
    }

    fn head(error: HeadError) -> Self {
        match error {
            HeadError::Io(error) => Self::reading(&error),
            HeadError::Wrong { at, what } => Self::at(RefusedKind::NotUnderstood, at.map(dataset::shown), what),
        }
    }

    fn reading(error: &io::Error) -> Self {
        Self::new(RefusedKind::CutOff, format!("the object could not be read to its end: {error}"))
    }

    /// Of the record, while an object was committed.
    pub(crate) fn record(error: &RecordError) -> Self {
        let full = matches!(error, RecordError::DiskFull { .. });
        Self::new(if full { RefusedKind::Full } else { RefusedKind::Failed }, error.to_string())
    }

    fn files(error: &FilesError) -> Self {
        let kind = if error.is_full() { RefusedKind::Full } else { RefusedKind::Failed };
        Self::new(kind, error.to_string())
    }
}

/// An error while an archive is opened.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Of the record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Of the files.
    #[error(transparent)]
    Files(#[from] FilesError),
}

impl Archive {
    /// Opens the file store in `folder`. Files that the record does not name are removed.
    ///
    /// # Errors
    /// Those of record and file store.
    pub fn open(store: Store, folder: &Path, key: &Key, settings: Settings) -> Result<Self, ArchiveError> {
        let files = FileStore::open::<ArchiveError>(folder, key, settings.quota_bytes, || Ok(store.files()?))?;
        let assumed = hl7::encoding(&settings.assume_charset).unwrap_or(encoding_rs::UTF_8);
        let own_system = hl7::assigned_system(&settings.assigning_authority).unwrap_or_default();
        Ok(Self { store, files, settings: Arc::new(settings), assumed, own_system })
    }

    /// Studies, by UID; `unmatched`: only those that are nobody's yet.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn studies(&self, unmatched: bool, limit: usize) -> Result<Vec<StudyRow>, RecordError> {
        self.store.studies(unmatched, limit)
    }

    /// Bytes on disk, and the most there may be.
    #[must_use]
    pub fn room(&self) -> (u64, u64) {
        (self.files.used_bytes(), self.files.quota_bytes())
    }

    /// Takes a DICOM file.
    pub(crate) fn receive_file(&self, reader: &mut impl Read, source: &str) -> Result<Pending, Refused> {
        let (meta, head, begun) = part10::read(reader).map_err(Refused::head)?;
        if meta.class == "1.2.840.10008.1.3.10" {
            let reason = "it is a DICOMDIR, a list of other files: import the folder it lies in";
            return Err(Refused { is_directory: true, ..Refused::new(RefusedKind::NotUnderstood, reason) });
        }
        self.receive(&meta, &head, &mut begun.as_slice().chain(reader), source)
    }

    /// Takes a data set that came over the network. In a file the data set alone says what it is, because real files differ
    /// from their heads; over the network the sender is answered for the object that it announced.
    pub(crate) fn receive_dataset(
        &self,
        meta: &Meta,
        reader: &mut impl Read,
        source: &str,
    ) -> Result<Pending, Refused> {
        let pending = self.receive(meta, &part10::write(meta, source), reader, source)?;
        let tag = match () {
            () if meta.class != pending.class => "(0008,0016)",
            () if meta.sop != pending.new.sop => "(0008,0018)",
            () => return Ok(pending),
        };
        self.give_up(&pending);
        let reason = "the data set holds another SOP class or instance than its sender announced";
        Err(Refused::at(RefusedKind::NotAsAnnounced, Some(tag.to_owned()), reason))
    }

    fn receive(&self, meta: &Meta, head: &[u8], body: &mut impl Read, source: &str) -> Result<Pending, Refused> {
        let files = |error: FilesError| Refused::files(&error);
        let mut draft = self.files.draft().map_err(files)?;
        draft.write(head).map_err(files)?;
        let mut content = Sha256::new();
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let count = match body.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Refused::reading(&error)),
            };
            let bytes = piece.get(..count).unwrap_or_default();
            if draft.bytes() + count as u64 > self.settings.max_object_bytes {
                let most = self.settings.max_object_bytes;
                return Err(Refused::new(
                    RefusedKind::TooLong,
                    format!("an object may have {most} bytes; this one has more"),
                ));
            }
            draft.write(bytes).map_err(files)?;
            content.update(bytes);
        }
        let kept = draft.keep().map_err(files)?;
        let read = self.read_back(meta, head.len() as u64, &kept, content.finalize().into(), source);
        if read.is_err() {
            self.forget(&kept);
        }
        read
    }

    /// Reads what was written, from the disk.
    fn read_back(
        &self,
        meta: &Meta,
        begin: u64,
        kept: &Kept,
        content: [u8; 32],
        source: &str,
    ) -> Result<Pending, Refused> {
        let mut reader = self.files.reader(&kept.digest).map_err(|error| Refused::files(&error))?;
        reader
            .seek(SeekFrom::Start(begin))
            .map_err(|error| Refused::new(RefusedKind::Failed, format!("it cannot be read back: {error}")))?;
        let reader = io::BufReader::with_capacity(PIECE_BYTES, reader);
        let parsed = guarded(|| {
            let walked = dataset::read(reader, &meta.syntax, Want { pixel_bytes: 0 });
            header::read(&walked, &meta.syntax, self.assumed, &self.settings.zone)
        });
        let (person, header, sop) = match parsed {
            Some(Ok(parsed)) => parsed,
            Some(Err(unfiled)) => {
                let tag = Some(dataset::shown(unfiled.tag)).filter(|_| unfiled.tag != (0, 0));
                return Err(Refused::at(RefusedKind::NotUnderstood, tag, unfiled.what));
            }
            None => {
                let reason = "reading it failed inside the program; please report this";
                return Err(Refused::new(RefusedKind::NotUnderstood, reason));
            }
        };
        let system = self.system(&person);
        let new = NewInstance {
            content,
            file: *kept,
            ids: [id_of(&header.study), id_of(&format!("{}\n{system}\n{}", header.study, person.number))],
            study: header.study.clone(),
            system,
            number: person.number,
            birth_date: person.birth_date,
            sex: person.sex,
            source: source.to_owned(),
            // A struct of texts and numbers always has a JSON form.
            header: serde_json::to_string(&header).unwrap_or_default(),
            sop,
        };
        Ok(Pending { new, class: header.class, problem: header.problem })
    }

    /// The identifier system that the sender names; empty: none.
    fn system(&self, person: &Person) -> String {
        if self.settings.ignore_issuer {
            return String::new();
        }
        let issuer = &person.issuer;
        if let Some(universal) = &issuer.universal {
            let kind = issuer.kind.as_deref();
            return hl7::authority_system(None, Some(universal), kind).unwrap_or_default();
        }
        // Some archives write HL7's whole hierarchic designator into the one text.
        let written = issuer.name.as_deref().unwrap_or_default().replace('^', "&");
        hl7::assigned_system(&written).unwrap_or_default()
    }

    /// Names the objects in the record: one durable transaction.
    pub(crate) fn commit(&self, pending: &[Pending], received: Timestamp) -> Result<Vec<Placed>, RecordError> {
        let placed = self.store.write(|writer| {
            pending.iter().map(|one| writer.put_instance(&one.new, received)).collect::<Result<Vec<_>, _>>()
        });
        match &placed {
            Ok(placed) => {
                for (one, _) in pending.iter().zip(placed).filter(|(_, placed)| **placed == Placed::Unchanged) {
                    self.forget(&one.new.file);
                }
            }
            // Nothing of it was committed.
            Err(_) => pending.iter().for_each(|one| self.forget(&one.new.file)),
        }
        placed
    }

    /// Lets go of an object that is not to be committed.
    pub(crate) fn give_up(&self, pending: &Pending) {
        self.forget(&pending.new.file);
    }

    /// Removes a file that the record does not name.
    fn forget(&self, kept: &Kept) {
        if !self.store.names_file(&kept.digest).unwrap_or(true)
            && let Err(error) = self.files.remove(&kept.digest)
        {
            // The next start removes it.
            log::warn!("{error}");
        }
    }
}

/// An id in the name space of images.
pub(super) fn id_of(key: &str) -> String {
    Uuid::new_v5(&NAMESPACE, key.as_bytes()).to_string()
}
