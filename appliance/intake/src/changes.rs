//! What a message does to more than the resources it shows: charts joined and parted, visits moved, orders taken back by
//! their number alone.

use haechi_record::RecordError;
use haechi_record::chart::Origin;
use haechi_record::prepare::{Source, prepare};
use haechi_record::store::{Because, Store, Stored, Writer};
use jiff::Timestamp;

use crate::hl7::Change;
use crate::hl7::identity;
use crate::hl7::json::{Json, Object};
use crate::writing::Step;

/// A change that the record contradicts: the sender's mistake, not the record's. The rest of the message stands.
pub(crate) struct Contradicted {
    pub(crate) segment: &'static str,
    pub(crate) field: &'static str,
    pub(crate) patient: String,
    pub(crate) reason: &'static str,
}

/// Carries out one change.
pub(crate) fn apply(
    step: &mut Step<'_, '_>,
    change: &Change,
    because: &Because,
) -> Result<Result<(), Contradicted>, RecordError> {
    let contradicted = |segment, field, patient: &str, reason| {
        Ok(Err(Contradicted { segment, field, patient: patient.to_owned(), reason }))
    };
    match change {
        Change::Merge { from, into } => match step.writer.merge(from, into, because) {
            Err(RecordError::MergeCircle | RecordError::MergedElsewhere) => contradicted(
                "MRG[1]",
                "MRG-1",
                into,
                "the merge contradicts an earlier one: the two are merged the other way round, or one of them into somebody else",
            ),
            other => other.map(Ok),
        },
        Change::Unmerge { from, into } => match step.writer.unmerge(from, because) {
            Err(RecordError::NotMerged) => {
                contradicted("PID[1]", "PID-3", into, "the two patients are not merged here; nothing was parted")
            }
            other => other.map(|_| Ok(())),
        },
        Change::Move { visit, from, to_visit, to } => {
            move_visit(step.writer, step.received, (visit, from), (to_visit, to))?;
            if from != to {
                step.writer.moved(to_visit, from, to, because)?;
            }
            Ok(Ok(()))
        }
        Change::Order { patient, number, request, medication } => {
            match order(step.writer, step.received, patient, number, request, medication)? {
                0 => contradicted(
                    "ORC[1]",
                    "ORC-2",
                    patient,
                    "stops or changes an order that the record does not have; nothing was changed",
                ),
                _ => Ok(Ok(())),
            }
        }
    }
}

/// Stores a changed version of a resource. Its origin grows by what was changed and by what: bytes that were current once
/// are then news and not an old file read again.
fn replace(
    writer: &mut Writer<'_>,
    received: Timestamp,
    stored: &Stored,
    json: Vec<u8>,
    (path, by): (&str, &str),
) -> Result<(), RecordError> {
    let mut origin = stored.origin.clone().unwrap_or(Origin { control_id: String::new(), fields: Vec::new() });
    origin.fields.push((path.to_owned(), by.to_owned()));
    let source = Source { file: stored.file.clone(), received, origin: Some(origin) };
    // It was taken before and only references or a status have changed, so it is taken again.
    if let Ok(prepared) = prepare(json, Some(&stored.id), &|_| None, &source) {
        writer.put(&prepared)?;
    }
    Ok(())
}

/// All that refers to the visit refers to the new one and its patient. The visit itself came with the message.
fn move_visit(
    writer: &mut Writer<'_>,
    received: Timestamp,
    (visit, from): (&str, &str),
    (to_visit, to): (&str, &str),
) -> Result<(), RecordError> {
    let reference = |kind: &str, id: &str| format!("\"{kind}/{id}\"");
    let old = reference("Encounter", visit);
    for stored in writer.holding(from, &old)? {
        let Ok(text) = std::str::from_utf8(&stored.raw) else { continue };
        // Ids hold no quotes, so a quoted reference is a whole JSON string.
        let text = text.replace(&old, &reference("Encounter", to_visit));
        let text = text.replace(&reference("Patient", from), &reference("Patient", to));
        replace(writer, received, &stored, text.into_bytes(), ("encounter", "MRG[1]-5"))?;
    }
    Ok(())
}

/// The patient's orders with this number; how many there are.
fn order(
    writer: &mut Writer<'_>,
    received: Timestamp,
    patient: &str,
    (system, value): &(Option<String>, String),
    request: &str,
    medication: &str,
) -> Result<usize, RecordError> {
    let mut found = 0;
    let words = serde_json::to_string(value).unwrap_or_default();
    for stored in writer.holding(patient, &words)? {
        let status = match stored.resource_type.as_str() {
            "ServiceRequest" => request,
            "MedicationRequest" => medication,
            _ => continue,
        };
        let Some(mut order) = Object::parse(&stored.raw) else { continue };
        let identifiers = order.get("identifier").cloned().map(Json::into_items).unwrap_or_default();
        let named = identifiers.into_iter().filter_map(Json::into_object).any(|identifier| {
            identifier.text("value").as_ref() == Some(value)
                && (system.is_none() || identifier.text("system") == *system)
        });
        if named {
            found += 1;
            order.put("status", status);
            replace(writer, received, &stored, order.to_bytes(), ("status", "ORC-1"))?;
        }
    }
    Ok(found)
}

/// Parts a merged patient from the one whose chart it is part of: by a person's word, with the trail that says so. `merged`:
/// the logical id of the patient who was merged. Answers with the logical id of the other.
///
/// # Errors
/// [`RecordError::NotMerged`]; those of the disk. Nothing is changed then.
pub fn unmerge(store: &Store, merged: &str, because: &Because) -> Result<String, RecordError> {
    store.write(|writer| {
        let other = writer.unmerge(merged, because)?;
        // The resources say it as well: both lose the link, and who was replaced is active again.
        for (id, link) in [(merged, other.as_str()), (other.as_str(), merged)] {
            let Some(raw) = writer.current("Patient", id)? else { continue };
            if let Some(json) = identity::parted(&raw, link) {
                let origin = because.origin.clone();
                let stored =
                    Stored { resource_type: "Patient".to_owned(), id: id.to_owned(), raw, file: origin, origin: None };
                replace(writer, because.at, &stored, json, ("link", "unmerge"))?;
            }
        }
        Ok(other)
    })
}
