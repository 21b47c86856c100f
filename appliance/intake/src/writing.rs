//! The last step: the one writer stores what is ready, in the order of the input, many items in one durable transaction.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use haechi_record::RecordError;
use haechi_record::chart::Rejected;
use haechi_record::store::{Put, Writer};
use jiff::Timestamp;

use crate::error::IntakeError;
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
                    apply(&mut Step { writer, received, summary, patients }, one.what)?;
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

/// What storing one job needs.
struct Step<'s, 'w> {
    writer: &'s mut Writer<'w>,
    received: Timestamp,
    summary: &'s mut Summary,
    patients: &'s mut HashSet<u64>,
}

fn apply(step: &mut Step<'_, '_>, what: Outcome) -> Result<(), RecordError> {
    match what {
        Outcome::Resources(ready) => ready.into_iter().try_for_each(|one| put(step, one)),
        Outcome::Messages(messages) => messages.into_iter().try_for_each(|one| message(step, one)),
    }
}

fn message(step: &mut Step<'_, '_>, message: ReadyMessage) -> Result<(), RecordError> {
    let (digest, control_id, ready, merges) = match message {
        ReadyMessage::New { digest, control_id, ready, merges } => (digest, control_id, ready, merges),
        ReadyMessage::Seen => {
            step.summary.messages += 1;
            step.summary.unchanged += 1;
            return Ok(());
        }
        ReadyMessage::Rejected(all) => {
            return all.into_iter().try_for_each(|one| put(step, Ready::Rejected(one, None)));
        }
    };
    step.summary.messages += 1;
    if step.writer.message_seen(&digest, &control_id, step.received)? {
        step.summary.unchanged += 1;
        return Ok(());
    }
    for one in ready {
        put(step, one)?;
    }
    let resource = Some(control_id).filter(|id| !id.is_empty());
    merges.into_iter().try_for_each(|(from, into)| {
        merge(step, &from, &into, |reason| Rejected {
            file: String::new(),
            line: None,
            segment: Some("MRG".to_owned()),
            field: Some("MRG-1".to_owned()),
            resource: resource.clone(),
            reason,
        })
    })
}

/// Joins two patients. A circle is the sender's mistake, not the record's: it is put aside and the rest stays.
fn merge(
    step: &mut Step<'_, '_>,
    from: &str,
    into: &str,
    report: impl FnOnce(String) -> Rejected,
) -> Result<(), RecordError> {
    match step.writer.merge(from, into) {
        Err(RecordError::MergeCircle | RecordError::MergedElsewhere) => {
            let reason = "the merge contradicts an earlier one: the two are merged the other way round, or one of them into somebody else";
            put(step, Ready::Rejected(report(reason.to_owned()), Some(into.to_owned())))
        }
        other => other,
    }
}

fn put(step: &mut Step<'_, '_>, ready: Ready) -> Result<(), RecordError> {
    match ready {
        Ready::Resource(prepared) => {
            step.summary.resources += 1;
            if let Some(patient) = &prepared.patient {
                step.patients.insert(short(patient));
            }
            if step.writer.put(&prepared)? == Put::Unchanged {
                step.summary.unchanged += 1;
            }
        }
        Ready::Merge(from, into, place) => {
            let resource = Some(format!("Patient/{from}"));
            let field = Some("Patient.link".to_owned());
            merge(step, &from, &into, |reason| place.reject(resource, field, reason))?;
        }
        Ready::Rejected(rejected, patient) => {
            step.writer.reject(&rejected, patient.as_deref(), step.received)?;
            step.summary.put_aside(rejected);
        }
    }
    Ok(())
}

/// Eight bytes that stand for a patient while they are counted: a million patients cost 8 MB and not 100.
pub(crate) fn short(patient: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(patient)
}
