//! Files and folders go into the record: one reader, many workers, one writer.
//!
//! The reader takes files in order and cuts them into resources and messages; workers make resources ready for the store;
//! the writer, on the calling thread, stores them in the order of the input, many in one durable transaction. FHIR goes
//! before HL7 v2, because messages amend what is there. Importing the same input again changes nothing.

use std::collections::HashSet;
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use haechi_record::chart::Rejected;
use haechi_record::store::Store;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::budget::Budget;
use crate::error::IntakeError;
use crate::hl7::Hl7Settings;
use crate::{reading, working, writing};

pub use crate::input::Input;

/// Bytes of input in hand at once, between disk and commit. Memory in use is a small multiple of this, however large the
/// input.
const IN_HAND_BYTES: usize = 64 << 20;

/// Rejected items listed in a [`Summary`]; the record keeps all of them.
const LISTED: usize = 10_000;

/// How to import.
#[derive(Debug, Clone)]
pub struct Options {
    /// When the input counts as received.
    pub received: Timestamp,
    /// How HL7 v2 messages are to be read.
    pub hl7: Hl7Settings,
    /// Worker threads; 0: one for each processor.
    pub threads: usize,
    /// Where images go; `None`: they are put aside.
    pub images: Option<Arc<dyn crate::dicom::OpenArchive>>,
}

impl Default for Options {
    /// UTF-8 unless a message says otherwise, times in UTC, received at the beginning of 1970: a caller says better.
    fn default() -> Options {
        let hl7 = Hl7Settings {
            charset_override: None,
            assume_charset: "utf-8".to_owned(),
            zone: TimeZone::UTC,
            assigning_authority: String::new(),
        };
        Options { received: Timestamp::UNIX_EPOCH, hl7, threads: 0, images: None }
    }
}

/// Is told how an import goes on. Called from several threads.
pub trait Progress: Sync {
    /// So many files with so many bytes on disk are to be read.
    fn begin(&self, files: u64, bytes: u64);
    /// `bytes` of them have been read by now, in all.
    fn read(&self, bytes: u64);
    /// So many resources and messages are safe by now, in all.
    fn stored(&self, resources: u64, messages: u64);
    /// The import is over.
    fn end(&self);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: u64, _: u64) {}
    fn read(&self, _: u64) {}
    fn stored(&self, _: u64, _: u64) {}
    fn end(&self) {}
}

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Summary {
    /// Files read.
    pub files: u64,
    /// Resources taken, from FHIR and made from messages, those that were there already included.
    pub resources: u64,
    /// HL7 v2 messages taken, those that were there already included.
    pub messages: u64,
    /// DICOM objects taken, those that were there already included.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub instances: u64,
    /// Different patients they were about.
    pub patients: u64,
    /// Resources, messages and DICOM objects that were there already.
    pub unchanged: u64,
    /// What was put aside: at most the first 10,000 items.
    pub rejected: Vec<Rejected>,
    /// How many more were put aside than are listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rejected_more: u64,
    /// Seconds it took.
    pub seconds: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Summary {
    pub(crate) fn put_aside(&mut self, rejected: Rejected) {
        if self.rejected.len() < LISTED {
            self.rejected.push(rejected);
        } else {
            self.rejected_more += 1;
        }
    }
}

/// What the three steps share.
pub(crate) struct Shared<'s> {
    pub(crate) store: &'s Store,
    pub(crate) options: &'s Options,
    pub(crate) progress: &'s dyn Progress,
    pub(crate) budget: Budget,
    /// Bytes taken from disk.
    pub(crate) read: AtomicU64,
    /// Jobs numbered below this are committed.
    pub(crate) committed: AtomicU64,
    /// Resources whose patient is named by an identifier that nobody has yet: tried again when all FHIR is in.
    pub(crate) deferred: Mutex<working::Deferred>,
    /// DICOM objects taken, and those of them that were there already.
    pub(crate) instances: AtomicU64,
    pub(crate) unchanged_instances: AtomicU64,
}

/// The files that `paths` name, in the order in which an import reads them: for a caller that hands over their bytes.
///
/// # Errors
/// [`IntakeError`] if a folder cannot be listed.
pub fn files_under(paths: &[std::path::PathBuf]) -> Result<Vec<std::path::PathBuf>, IntakeError> {
    let inputs: Vec<Input> = paths.iter().cloned().map(Input::path).collect();
    Ok(crate::input::find(&inputs)?.iter().filter_map(|source| source.path().map(std::path::Path::to_owned)).collect())
}

/// Imports `inputs` into `store`.
///
/// # Errors
/// [`IntakeError`] if a folder cannot be listed or the record takes no more. What was committed before stays, and
/// importing the same again goes on from there.
pub fn import(
    store: &Store,
    inputs: &[Input],
    options: &Options,
    progress: &dyn Progress,
) -> Result<Summary, IntakeError> {
    let started = Instant::now();
    let sources = crate::input::find(inputs)?;
    let files = u64::try_from(sources.len()).unwrap_or(u64::MAX);
    progress.begin(files, sources.iter().map(|source| source.bytes).sum());
    let shared = Arc::new(Shared {
        store,
        options,
        progress,
        budget: Budget::new(IN_HAND_BYTES),
        read: AtomicU64::new(0),
        committed: AtomicU64::new(0),
        deferred: Mutex::default(),
        instances: AtomicU64::new(0),
        unchanged_instances: AtomicU64::new(0),
    });
    let workers = match options.threads {
        0 => std::thread::available_parallelism().map_or(2, NonZero::get),
        given => given,
    };
    let mut summary = Summary { files, ..Summary::default() };
    let mut patients: HashSet<u64> = HashSet::new();
    let stored = std::thread::scope(|scope| {
        // The budget bounds what is in hand; these bounds only keep the queues short.
        let (to_workers, jobs) = crossbeam_channel::bounded(64);
        let (to_writer, done) = crossbeam_channel::bounded(64);
        let named = |name: &str| std::thread::Builder::new().name(name.to_owned());
        for _ in 0..workers {
            let (jobs, to_writer, shared) = (jobs.clone(), to_writer.clone(), shared.clone());
            named("intake-work")
                .spawn_scoped(scope, move || working::work(&shared, &jobs, &to_writer))
                .map_err(IntakeError::Thread)?;
        }
        drop((jobs, to_writer));
        let reader = shared.clone();
        let reading = named("intake-read")
            .spawn_scoped(scope, move || reading::read(&reader, &sources, &to_workers))
            .map_err(IntakeError::Thread)?;
        let stored = writing::write(&shared, done, &mut summary, &mut patients);
        shared.budget.stop();
        // A reader that ended early would look like the end of the input.
        stored.and_then(|()| reading.join().map_err(|_| IntakeError::Stopped))
    });
    progress.end();
    stored?;
    summary.instances = shared.instances.load(Ordering::Acquire);
    summary.unchanged += shared.unchanged_instances.load(Ordering::Acquire);
    // Last, so that studies find patients that came in the same import.
    if let Some(images) = &options.images
        && store.has_changed_studies()?
    {
        let said = images.archive().map_err(IntakeError::Images)?.refresh(Timestamp::MAX)?;
        summary.resources += said.resources;
        patients.extend(said.patients.iter().map(|patient| writing::short(patient)));
    }
    summary.patients = u64::try_from(patients.len()).unwrap_or(u64::MAX);
    summary.seconds = started.elapsed().as_secs_f64();
    Ok(summary)
}
