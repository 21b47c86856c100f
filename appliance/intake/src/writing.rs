//! The last step: the one writer stores what is ready, in the order of the input, many items in one durable transaction.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use haechi_record::RecordError;
use haechi_record::chart::Rejected;
use haechi_record::store::{Because, Put, Writer};
use jiff::Timestamp;

use crate::changes;
use crate::error::IntakeError;
use crate::hl7::Change;
use crate::import::{Shared, Summary};
use crate::working::{Done, Outcome, Ready, ReadyMessage};

/// A transaction is committed when it holds so many bytes of input, or is so old, or nothing more comes for a moment.
const COMMIT_BYTES: usize = 24 << 20;
const COMMIT_AFTER: Duration = Duration::from_millis(2000);
const MOMENT: Duration = Duration::from_millis(20);

/// Stores until no more comes.
pub(crate) fn write(
    shared: &Shared<'_>,
    done: Receiver<Done>,
    summary: &mut Summary,
    patients: &mut HashSet<u64>,
) -> Result<(), IntakeError> {
    let received = shared.options.received;
    let mut waiting: BTreeMap<u64, Done> = BTreeMap::new();
    let mut next = 0u64;
    loop {
        // Outside a transaction, so that nobody else who writes has to wait for our input.
        while !waiting.contains_key(&next) {
            match done.recv() {
                Ok(one) => waiting.insert(one.number, one),
                // The workers are gone. A gap in the numbers means that one of them fell.
                Err(_) if waiting.is_empty() => return Ok(()),
                Err(_) => return Err(IntakeError::Stopped),
            };
        }
        let mut cost = 0usize;
        shared.store.write(|writer| {
            let begun = Instant::now();
            loop {
                while let Some(one) = waiting.remove(&next) {
                    cost += one.cost;
                    next += 1;
                    apply(&mut Step::new(writer, received, summary, patients), one.what)?;
                }
                if cost >= COMMIT_BYTES || begun.elapsed() >= COMMIT_AFTER {
                    return Ok(());
                }
                match done.recv_timeout(MOMENT) {
                    Ok(one) => waiting.insert(one.number, one),
                    Err(_) => return Ok(()),
                };
            }
        })?;
        shared.committed.store(next, Ordering::Release);
        shared.budget.give_back(cost);
        shared.progress.stored(summary.resources, summary.messages);
        shared.progress.read(shared.read.load(Ordering::Relaxed));
    }
}

/// What storing needs.
pub(crate) struct Step<'s, 'w> {
    pub(crate) writer: &'s mut Writer<'w>,
    pub(crate) received: Timestamp,
    summary: &'s mut Summary,
    patients: &'s mut HashSet<u64>,
    /// What became of the resource before.
    last: Put,
}

impl<'s, 'w> Step<'s, 'w> {
    pub(crate) fn new(
        writer: &'s mut Writer<'w>,
        received: Timestamp,
        summary: &'s mut Summary,
        patients: &'s mut HashSet<u64>,
    ) -> Self {
        Self { writer, received, summary, patients, last: Put::New }
    }
}

fn apply(step: &mut Step<'_, '_>, what: Outcome) -> Result<(), RecordError> {
    match what {
        Outcome::Resources(ready) => ready.into_iter().try_for_each(|one| put(step, one)),
        Outcome::Messages(messages) => messages.into_iter().try_for_each(|one| message(step, one)),
    }
}

/// Stores one message.
pub(crate) fn message(step: &mut Step<'_, '_>, message: ReadyMessage) -> Result<(), RecordError> {
    let (digest, control_id, file, line, ready, changes) = match message {
        ReadyMessage::New { digest, control_id, file, line, ready, changes } => {
            (digest, control_id, file, line, ready, changes)
        }
        ReadyMessage::Seen(digest) => return again(step, &digest),
        ReadyMessage::Rejected(all) => {
            return all.into_iter().try_for_each(|one| put_aside(step, one, None, None));
        }
    };
    if step.writer.message_seen(&digest, &control_id, step.received)? {
        return again(step, &digest);
    }
    step.summary.messages += 1;
    for one in ready {
        match one {
            Ready::Rejected(rejected, patient) => put_aside(step, rejected, patient, Some(&digest))?,
            one => put(step, one)?,
        }
    }
    let resource = Some(control_id.clone()).filter(|id| !id.is_empty());
    let origin = resource.as_deref().map_or_else(|| file.to_string(), |id| format!("{file}, message {id}"));
    let because = Because { at: step.received, origin, reason: None };
    for change in changes {
        let Err(contradicted) = changes::apply(step, &change, &because)? else { continue };
        let rejected = Rejected {
            file: file.to_string(),
            line: Some(line),
            segment: Some(contradicted.segment.to_owned()),
            field: Some(contradicted.field.to_owned()),
            resource: resource.clone(),
            reason: contradicted.reason.to_owned(),
        };
        put_aside(step, rejected, Some(contradicted.patient), Some(&digest))?;
    }
    Ok(())
}

/// A message that the record has: nothing of it is read, and what it left out the first time is named again.
fn again(step: &mut Step<'_, '_>, digest: &[u8; 32]) -> Result<(), RecordError> {
    step.summary.messages += 1;
    step.summary.unchanged += 1;
    let left_out = step.writer.rejects_of(digest)?;
    left_out.into_iter().for_each(|rejected| step.summary.put_aside(rejected));
    Ok(())
}

fn put_aside(
    step: &mut Step<'_, '_>,
    rejected: Rejected,
    patient: Option<String>,
    message: Option<&[u8; 32]>,
) -> Result<(), RecordError> {
    step.writer.reject(&rejected, patient.as_deref(), message, step.received)?;
    step.summary.put_aside(rejected);
    Ok(())
}

fn put(step: &mut Step<'_, '_>, ready: Ready) -> Result<(), RecordError> {
    match ready {
        Ready::Resource(prepared) => {
            step.summary.resources += 1;
            if let Some(patient) = &prepared.patient {
                step.patients.insert(short(patient));
            }
            step.last = step.writer.put(&prepared)?;
            if step.last == Put::Unchanged {
                step.summary.unchanged += 1;
            }
        }
        // A link that is there already was followed when it came; following it again would undo its taking back.
        Ready::Merge(..) if matches!(step.last, Put::Unchanged | Put::Past) => {}
        Ready::Merge(from, into, place) => {
            let because = Because { at: step.received, origin: place.file.to_string(), reason: None };
            let change = Change::Merge { from: from.clone(), into: into.clone() };
            if let Err(contradicted) = changes::apply(step, &change, &because)? {
                let resource = Some(format!("Patient/{from}"));
                let rejected = place.reject(resource, Some("Patient.link".to_owned()), contradicted.reason);
                put_aside(step, rejected, Some(into), None)?;
            }
        }
        Ready::Rejected(rejected, patient) => put_aside(step, rejected, patient, None)?,
    }
    Ok(())
}

/// Eight bytes that stand for a patient while they are counted: a million patients cost 8 MB and not 100.
pub(crate) fn short(patient: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(patient)
}
