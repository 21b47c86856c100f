//! One resource made ready for the store: everything that costs thought is done here, on any thread, before the one writer sees it.

use std::borrow::Cow;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::chart::Origin;
use crate::chart::json::Json;
use crate::chart::{read, words};
use crate::index::extract::{self, Indexed};
use crate::index::params;
use crate::search;

/// Longest resource accepted, bytes: bounds what one sender can make us hold. Scans belong into the PACS.
pub const MAX_RESOURCE_BYTES: usize = 16 << 20;

/// Where a resource came from.
#[derive(Debug, Clone)]
pub struct Source {
    /// File name or feed.
    pub file: String,
    /// When it came.
    pub received: Timestamp,
    /// The message it was made from, if it came by HL7 v2.
    pub origin: Option<Origin>,
}

/// A resource ready for `Writer::put`.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// FHIR resource type.
    pub resource_type: String,
    /// Logical id.
    pub id: String,
    /// Logical id of the patient it is about; its own for a Patient.
    pub patient: Option<String>,
    /// `meta.lastUpdated`, if it is an instant.
    pub(crate) updated: Option<String>,
    pub(crate) digest: [u8; 32],
    pub(crate) source: Source,
    pub(crate) raw: Vec<u8>,
    /// Split words for search; empty for what is no part of a chart.
    pub(crate) words: String,
    /// What FHIR search compares.
    pub(crate) indexed: Indexed,
    /// Of a Patient.
    pub(crate) person: Option<PersonColumns>,
}

/// What the patient list shows.
#[derive(Debug, Clone)]
pub(crate) struct PersonColumns {
    pub(crate) name: String,
    pub(crate) birth_date: Option<String>,
    pub(crate) sex: Option<String>,
    pub(crate) identifiers: Vec<(String, String)>,
}

/// Why a resource cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PrepareError {
    /// FHIR element path, as `Observation.effectiveDateTime`; `None` if it is not JSON at all.
    pub field: Option<String>,
    /// Line inside the resource's bytes, from 1, where known.
    pub line: Option<u64>,
    /// `Type/id`, where readable.
    pub resource: Option<String>,
    /// What is wrong; never the content found there.
    pub reason: String,
}

impl PrepareError {
    fn new(reason: impl Into<String>) -> Self {
        Self { field: None, line: None, resource: None, reason: reason.into() }
    }

    fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}

/// The elements in which a resource names its patient. Actors of appointments are looked at besides.
const PATIENT_ELEMENTS: &[&str] = &["subject", "patient", "beneficiary", "for", "individual", "policyHolder"];

/// Those of them that name nobody but a patient, unless they say otherwise.
const SUBJECTS: &[&str] = &["subject", "patient", "beneficiary", "for"];

/// Dates that the chart reads. A wrong one is refused at the door: undated, it would answer "when" and "latest" wrongly.
const DATE_ELEMENTS: &[&str] = &[
    "birthDate",
    "effectiveDateTime",
    "effectiveInstant",
    "issued",
    "onsetDateTime",
    "abatementDateTime",
    "recordedDate",
    "authoredOn",
    "dateAsserted",
    "assertedDate",
    "occurrenceDateTime",
    "performedDateTime",
    "whenHandedOver",
    "whenPrepared",
    "date",
    "created",
    "start",
    "end",
    "deceasedDateTime",
    "started",
    "dateTime",
];
/// The same inside periods.
const PERIOD_ELEMENTS: &[&str] =
    &["period", "effectivePeriod", "onsetPeriod", "abatementPeriod", "performedPeriod", "occurrencePeriod"];

/// Makes one resource ready. `raw`: its JSON, kept byte for byte. `id`: its logical id where the bytes have none.
/// `resolve`: what a reference as written means, as `Type/id`; `None` leaves it as it is.
///
/// # Errors
/// The element that is wrong, and why.
pub fn prepare(
    raw: Vec<u8>,
    id: Option<&str>,
    resolve: &dyn Fn(&str) -> Option<String>,
    source: &Source,
) -> Result<Prepared, PrepareError> {
    if raw.len() > MAX_RESOURCE_BYTES {
        return Err(PrepareError::new(format!(
            "the resource has {} bytes; at most {MAX_RESOURCE_BYTES} are taken",
            raw.len()
        )));
    }
    let root = parse(&raw)?;
    let resource_type = root
        .string("resourceType")
        .ok_or_else(|| PrepareError::new("there is no resourceType").at("resourceType"))?
        .to_owned();
    let usable = resource_type.len() <= 64 && resource_type.bytes().all(|byte| byte.is_ascii_alphabetic());
    if !usable {
        return Err(PrepareError::new("the resourceType is no FHIR type name").at("resourceType"));
    }
    let id = match (root.get("id"), id) {
        (Some(Json::Text(own)), _) => own.to_string(),
        (Some(_), _) => return Err(PrepareError::new("the id is not text").at(format!("{resource_type}.id"))),
        (None, Some(given)) => given.to_owned(),
        (None, None) => {
            return Err(
                PrepareError::new("there is no id, and nothing around it gives one").at(format!("{resource_type}.id"))
            );
        }
    };
    if !is_id(&id) {
        return Err(PrepareError::new("the id breaks FHIR's rule (1 to 64 letters, digits, '-' and '.')")
            .at(format!("{resource_type}.id")));
    }
    let named = |mut error: PrepareError| {
        error.resource = Some(format!("{resource_type}/{id}"));
        error
    };
    check_dates(&root, &resource_type).map_err(named)?;
    let (patient, person) = if resource_type == "Patient" {
        (Some(id.clone()), Some(person_columns(&raw, &root, &id)))
    } else {
        (patient_of(&root, resolve), None)
    };
    let words = if patient.is_some() { words_of(&raw, &root, &id, source) } else { String::new() };
    let updated =
        root.get("meta").and_then(|meta| meta.string("lastUpdated")).filter(|text| text.parse::<Timestamp>().is_ok());
    Ok(Prepared {
        updated: updated.map(str::to_owned),
        digest: Sha256::digest(&raw).into(),
        source: source.clone(),
        indexed: extract::index(&root, params::of(&resource_type), resolve),
        patient,
        person,
        words,
        resource_type,
        id,
        raw,
    })
}

fn parse(raw: &[u8]) -> Result<Json<'_>, PrepareError> {
    // serde_json says where; our own tree then keeps the digits.
    match serde_json::from_slice::<serde::de::IgnoredAny>(raw) {
        Ok(_) => {}
        Err(error) => {
            let what = match error.classify() {
                serde_json::error::Category::Eof => "the JSON ends in the middle",
                serde_json::error::Category::Data | serde_json::error::Category::Io => {
                    "the bytes are not valid UTF-8 text"
                }
                serde_json::error::Category::Syntax => "the JSON is malformed",
            };
            let mut refused = PrepareError::new(format!("{what} (line {}, column {})", error.line(), error.column()));
            refused.line = u64::try_from(error.line()).ok();
            return Err(refused);
        }
    }
    match Json::parse(raw) {
        Some(root @ Json::Object(_)) => Ok(root),
        Some(_) => Err(PrepareError::new("the JSON is not an object")),
        None => Err(PrepareError::new("the JSON is nested too deeply or is not text")),
    }
}

/// FHIR's `id`.
fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
}

fn check_dates(root: &Json<'_>, resource_type: &str) -> Result<(), PrepareError> {
    let check = |value: Option<&Json<'_>>, path: String| match value {
        Some(Json::Text(text)) if words::when(text).is_none() => {
            Err(PrepareError::new("the date is not a FHIR date (YYYY, YYYY-MM, YYYY-MM-DD or with time and offset)")
                .at(path))
        }
        _ => Ok(()),
    };
    for name in DATE_ELEMENTS {
        check(root.get(name), format!("{resource_type}.{name}"))?;
    }
    for name in PERIOD_ELEMENTS {
        for end in ["start", "end"] {
            check(root.get(name).and_then(|period| period.get(end)), format!("{resource_type}.{name}.{end}"))?;
        }
    }
    Ok(())
}

fn patient_of(root: &Json<'_>, resolve: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let direct = PATIENT_ELEMENTS.iter().flat_map(|name| root.items(name));
    let actors = root.items("participant").iter().flat_map(|participant| participant.items("actor"));
    let by_reference = direct.chain(actors).find_map(|reference| {
        let written = reference.string("reference")?;
        let meant = resolve(written).map_or(Cow::Borrowed(written), Cow::Owned);
        let meant = meant.split("/_history/").next().unwrap_or_default();
        let (rest, id) = meant.rsplit_once('/')?;
        let about_patient = rest == "Patient" || rest.ends_with("/Patient");
        (about_patient && is_id(id)).then(|| id.to_owned())
    });
    // Who is named by a number alone is asked for last.
    by_reference
        .or_else(|| SUBJECTS.iter().flat_map(|name| root.items(name)).find_map(|one| by_identifier(one, resolve)))
}

/// A patient named by an identifier alone: what the caller knows by it. It is asked as a search, which is how a bundle says
/// the same.
fn by_identifier(reference: &Json<'_>, resolve: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    if reference.string("type").is_some_and(|kind| kind != "Patient") {
        return None;
    }
    if reference.get("reference").is_some() {
        return None;
    }
    let identifier = reference.get("identifier")?;
    let value = identifier.get("value").and_then(Json::primitive)?;
    let system = identifier.string("system").unwrap_or_default();
    let written = |text: &str| text.replace('%', "%25").replace('&', "%26");
    let meant = resolve(&format!("Patient?identifier={}|{}", written(system), written(value)))?;
    meant.strip_prefix("Patient/").filter(|id| is_id(id)).map(str::to_owned)
}

fn person_columns(raw: &[u8], root: &Json<'_>, id: &str) -> PersonColumns {
    let person = read::person(&[(id, raw)]);
    PersonColumns {
        name: person.names.first().cloned().unwrap_or_default(),
        birth_date: root.string("birthDate").map(str::to_owned),
        sex: person.sex,
        identifiers: person.identifiers,
    }
}

/// Everything a reader may look for: names, displays, values in words, notes and reports.
fn words_of(raw: &[u8], root: &Json<'_>, id: &str, source: &Source) -> String {
    let mut said = String::new();
    let mut say = |text: &str| {
        said.push_str(text);
        said.push('\n');
    };
    if root.string("resourceType") == Some("Patient") {
        for name in read::person(&[(id, raw)]).names {
            say(&name);
        }
    } else if let Some(entry) = read::entry_of(root, id, source.received, None, &|_| None) {
        say(&entry.title);
        entry.other_titles.iter().for_each(|title| say(title));
        entry.facts.iter().chain(&entry.texts).for_each(|fact| say(&fact.text));
        for value in &entry.values {
            say(&value.name);
            if value.number.is_none() {
                say(&value.text);
            }
        }
    }
    search::split(&said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source {
        Source { file: "t.json".to_owned(), received: Timestamp::UNIX_EPOCH, origin: None }
    }

    fn ready(json: &str) -> Result<Prepared, PrepareError> {
        prepare(json.as_bytes().to_vec(), None, &|_| None, &source())
    }

    #[test]
    fn the_patient_is_found_however_it_is_referenced() {
        for (reference, expected) in [
            (r#""subject":{"reference":"Patient/p1"}"#, Some("p1")),
            (r#""subject":{"reference":"https://ehr.example.org/fhir/Patient/p1/_history/2"}"#, Some("p1")),
            (r#""patient":{"reference":"Patient/p1"}"#, Some("p1")),
            (
                r#""participant":[{"actor":{"reference":"Practitioner/d"}},{"actor":{"reference":"Patient/p1"}}]"#,
                Some("p1"),
            ),
            (r#""subject":{"reference":"Group/p1"}"#, None),
            (r#""subject":{"reference":"Patient/../x"}"#, None),
        ] {
            let json = format!(r#"{{"resourceType":"Observation","id":"a",{reference}}}"#);
            assert_eq!(ready(&json).unwrap().patient.as_deref(), expected, "{reference}");
        }
        let by_bundle = prepare(
            br#"{"resourceType":"Condition","subject":{"reference":"urn:uuid:77"}}"#.to_vec(),
            Some("c1"),
            &|written| (written == "urn:uuid:77").then(|| "Patient/77".to_owned()),
            &source(),
        );
        assert_eq!(by_bundle.unwrap().patient.as_deref(), Some("77"));
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_its_element() {
        for (json, field, word) in [
            (r#"{"resourceType":"Observation","id":"a b"}"#, Some("Observation.id"), "id"),
            (r#"{"resourceType":"Observation"}"#, Some("Observation.id"), "no id"),
            (r#"{"id":"a"}"#, Some("resourceType"), "resourceType"),
            (
                r#"{"resourceType":"Observation","id":"a","effectiveDateTime":"2024-13-01"}"#,
                Some("Observation.effectiveDateTime"),
                "date",
            ),
            (
                r#"{"resourceType":"Encounter","id":"a","period":{"end":"yesterday"}}"#,
                Some("Encounter.period.end"),
                "date",
            ),
            ("{\"resourceType\":\n\"Observation\",}", None, "malformed (line 2"),
            ("[]", None, "not an object"),
        ] {
            let refused = ready(json).unwrap_err();
            assert_eq!(refused.field.as_deref(), field, "{json}");
            assert!(refused.reason.contains(word), "{}", refused.reason);
        }
        let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
        assert!(ready(&deep).is_err());
    }
}
