//! The middle step: resources are made ready for the store, on as many threads as there are.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};

use crossbeam_channel::{Receiver, Sender};
use haechi_record::chart::Rejected;
use haechi_record::prepare::{Prepared, Source, prepare};
use jiff::Timestamp;

use crate::fhir::reference::Meaning;
use crate::fhir::{Found, Item, Place, bundle, head};
use crate::hl7::Change;
use crate::import::Shared;
use crate::mapping::Message;

/// Bytes of resources that may wait for their patient.
const DEFERRED_BYTES: usize = 64 << 20;

/// Work for a worker, numbered in the order of the input.
pub(crate) struct Job {
    pub(crate) number: u64,
    /// Bytes of the budget that it holds.
    pub(crate) cost: usize,
    pub(crate) task: Task,
}

/// What is to be done.
pub(crate) enum Task {
    /// Resources. `last`: those whose patient is still unknown are put aside.
    Fhir { found: Vec<Found>, last: bool },
    /// Messages of a file.
    Messages { file: Arc<str>, read: Vec<Message> },
}

/// Work done.
pub(crate) struct Done {
    pub(crate) number: u64,
    pub(crate) cost: usize,
    pub(crate) what: Outcome,
}

/// What came of it.
pub(crate) enum Outcome {
    /// Resources to store, in order.
    Resources(Vec<Ready>),
    /// Messages to store, in order.
    Messages(Vec<ReadyMessage>),
}

/// A message, ready to be stored as one.
pub(crate) enum ReadyMessage {
    /// New, as far as the record showed.
    New { digest: [u8; 32], control_id: String, file: Arc<str>, line: u64, ready: Vec<Ready>, changes: Vec<Change> },
    /// See [`Message::Seen`]: what it left out is named again.
    Seen([u8; 32]),
    /// See [`Message::Rejected`].
    Rejected(Vec<Rejected>),
}

/// One item, ready to be stored.
pub(crate) enum Ready {
    /// A resource.
    Resource(Box<Prepared>),
    /// A Patient of whom one is part of the other, by id: (from, into), and where that was said.
    Merge(String, String, Box<Place>),
    /// Something put aside, and whose it would have been.
    Rejected(Rejected, Option<String>),
}

/// Resources that wait for their patient.
#[derive(Default)]
pub(crate) struct Deferred {
    pub(crate) items: Vec<Item>,
    bytes: usize,
}

impl Deferred {
    /// Takes `item` if there is room; gives it back if not.
    fn take(&mut self, item: Item) -> Option<Item> {
        if self.bytes + item.raw.len() > DEFERRED_BYTES {
            return Some(item);
        }
        self.bytes += item.raw.len();
        self.items.push(item);
        None
    }
}

/// Works until no more work comes or nobody wants it.
pub(crate) fn work(shared: &Shared<'_>, jobs: &Receiver<Job>, to_writer: &Sender<Done>) {
    for job in jobs {
        let what = match job.task {
            Task::Fhir { found, last } => {
                let mut ready = Vec::with_capacity(found.len());
                for one in found {
                    fhir(shared, one, last, &mut ready);
                }
                Outcome::Resources(ready)
            }
            Task::Messages { file, read } => {
                Outcome::Messages(read.into_iter().map(|one| message(shared.options.received, &file, one)).collect())
            }
        };
        if to_writer.send(Done { number: job.number, cost: job.cost, what }).is_err() {
            return;
        }
    }
}

/// Makes one resource ready, unless it has to wait for its patient.
fn fhir(shared: &Shared<'_>, found: Found, last: bool, out: &mut Vec<Ready>) {
    let mut item = match found {
        Found::Resource(item) => item,
        Found::Rejected(rejected, patient) => return out.push(Ready::Rejected(rejected, patient)),
    };
    let head = match item.head.take().map_or_else(|| head::read(&item.raw, &item.place), Ok) {
        Ok(head) => head,
        Err(rejected) => return out.push(Ready::Rejected(*rejected, None)),
    };
    if head.resource_type == "OperationOutcome" {
        let reason = "an OperationOutcome is a server's report, not part of a record";
        return out.push(Ready::Rejected(item.place.reject(None, None, reason), None));
    }
    let id = head.id.or_else(|| item.id.clone()).unwrap_or_else(|| bundle::content_id(&item.raw));
    let resource = Some(format!("{}/{id}", head.resource_type));

    // `prepare` asks for the elements that may name the patient; what it could not be told is remembered here.
    let unknown = std::cell::Cell::new(None);
    let resolve = |written: &str| match item.references.resolve(written) {
        Meaning::Is(target) => Some(target),
        Meaning::Search(key) if key.starts_with("Patient?") => {
            let found = known_patient(shared, &key);
            if found.is_none() {
                unknown.set(Some(Unknown::Identifier));
            }
            found
        }
        Meaning::AsWritten if written.starts_with("urn:") => {
            unknown.set(Some(Unknown::Name));
            None
        }
        Meaning::Search(_) | Meaning::AsWritten => None,
    };
    let source = Source { file: item.place.file.to_string(), received: shared.options.received, origin: None };
    let result = guarded(|| prepare(item.raw.clone(), Some(&id), &resolve, &source));
    let reject = |field: Option<String>, line_inside: Option<u64>, reason: &str| {
        let mut rejected = item.place.reject(resource.clone(), field, reason);
        rejected.line = rejected.line.map(|line| line + line_inside.unwrap_or(1).saturating_sub(1));
        let patient = head.patient.as_deref().and_then(|written| item.references.resolve(written).patient());
        Ready::Rejected(rejected, patient)
    };
    let prepared = match result {
        Some(Ok(prepared)) => prepared,
        Some(Err(error)) => return out.push(reject(error.field, error.line, &error.reason)),
        None => return out.push(reject(None, None, PANICKED)),
    };
    match unknown.get().filter(|_| prepared.patient.is_none()) {
        None => {
            let merges = if prepared.resource_type == "Patient" { merges(&item, &id) } else { Vec::new() };
            out.push(Ready::Resource(Box::new(prepared)));
            out.extend(merges);
        }
        Some(Unknown::Name) => {
            out.push(reject(None, None, "it names its patient by an address that the bundle does not hold"));
        }
        Some(Unknown::Identifier) => {
            let reason = "it names its patient by an identifier that no patient in the record has; import the patient, then this again";
            let refused = reject(None, None, reason);
            let left = if last {
                Some(item)
            } else {
                shared.deferred.lock().unwrap_or_else(PoisonError::into_inner).take(item)
            };
            out.extend(left.map(|_| refused));
        }
    }
}

#[derive(serde::Deserialize)]
struct Links {
    #[serde(default)]
    link: Vec<Link>,
}

#[derive(serde::Deserialize)]
struct Link {
    #[serde(rename = "type")]
    kind: String,
    other: Target,
}

#[derive(serde::Deserialize)]
struct Target {
    reference: Option<String>,
}

/// What `Patient.link` says about duplicates: the replaced one becomes part of the other, as an A40 message has it.
fn merges(item: &Item, id: &str) -> Vec<Ready> {
    // Most patients have none; a malformed link links nothing.
    let links = serde_json::from_slice::<Links>(&item.raw).map(|links| links.link).unwrap_or_default();
    let mut merges = Vec::new();
    for link in links {
        let Some(other) = link.other.reference.and_then(|written| item.references.resolve(&written).patient()) else {
            continue;
        };
        let place = Box::new(item.place.clone());
        match link.kind.as_str() {
            "replaced-by" => merges.push(Ready::Merge(id.to_owned(), other, place)),
            "replaces" => merges.push(Ready::Merge(other, id.to_owned(), place)),
            // `refer` and `seealso` name another record of the person, not a duplicate to be joined.
            _ => {}
        }
    }
    merges
}

#[derive(Clone, Copy)]
enum Unknown {
    /// `urn:uuid:` without such an entry.
    Name,
    /// `Patient?identifier=` without such a patient.
    Identifier,
}

/// The patient whom the record knows by `Patient?identifier=system|value`, as `Patient/id`.
fn known_patient(shared: &Shared<'_>, key: &str) -> Option<String> {
    let (system, value) = key.strip_prefix("Patient?identifier=")?.split_once('|')?;
    let found = shared.store.patient_by_identifier(system, value).ok().flatten()?;
    Some(format!("Patient/{found}"))
}

/// Makes one message ready. `received`: when it came.
pub(crate) fn message(received: Timestamp, file: &Arc<str>, message: Message) -> ReadyMessage {
    let (digest, mapped, line) = match message {
        Message::Mapped(digest, mapped, line) => (digest, mapped, line),
        Message::Seen(digest) => return ReadyMessage::Seen(digest),
        Message::Rejected(all) => return ReadyMessage::Rejected(all),
    };
    let mut ready = Vec::with_capacity(mapped.resources.len() + mapped.rejected.len());
    for resource in mapped.resources {
        let source = Source { file: file.to_string(), received, origin: Some(resource.origin) };
        let reason = match guarded(|| prepare(resource.json, None, &|_| None, &source)) {
            Some(Ok(prepared)) => {
                ready.push(Ready::Resource(Box::new(prepared)));
                continue;
            }
            Some(Err(error)) => error.reason,
            None => PANICKED.to_owned(),
        };
        let rejected = Rejected {
            file: file.to_string(),
            line: None,
            segment: None,
            field: None,
            resource: Some(mapped.control_id.clone()).filter(|id| !id.is_empty()),
            reason,
        };
        ready.push(Ready::Rejected(rejected, mapped.patient.clone()));
    }
    ready.extend(mapped.rejected.into_iter().map(|rejected| Ready::Rejected(rejected, mapped.patient.clone())));
    ReadyMessage::New {
        digest,
        control_id: mapped.control_id,
        file: file.clone(),
        line,
        ready,
        changes: mapped.changes,
    }
}

const PANICKED: &str = "reading it failed inside the program; please report this";

/// Runs a parser; `None` if it panicked. One item that trips a mistake of ours must not end the import of the rest.
pub(crate) fn guarded<T>(parse: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(parse)).ok()
}
