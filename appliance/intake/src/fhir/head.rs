//! The few elements of a resource that decide where it goes, read without building a tree.

use haechi_record::chart::Rejected;
use serde::Deserialize;
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::{Place, types};

/// The head of a resource.
pub(crate) struct Head {
    pub(crate) resource_type: String,
    pub(crate) id: Option<String>,
    /// `system|value` of each identifier.
    pub(crate) identifiers: Vec<String>,
    /// `subject.reference` or `patient.reference`, as written.
    pub(crate) patient: Option<String>,
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow, rename = "resourceType")]
    resource_type: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    identifier: Option<&'a RawValue>,
    #[serde(borrow)]
    subject: Option<&'a RawValue>,
    #[serde(borrow)]
    patient: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Identifier {
    system: Option<String>,
    value: Option<String>,
}

#[derive(Deserialize)]
struct Reference {
    reference: Option<String>,
}

/// Reads the head of `raw`.
///
/// # Errors
/// What is wrong and where, if the bytes are not a FHIR R4 resource with a usable type and id. Boxed: it is rare and large.
pub(crate) fn read(raw: &[u8], place: &Place) -> Result<Head, Box<Rejected>> {
    let parts: Raw<'_> =
        serde_json::from_slice(raw).map_err(|error| Box::new(malformed(&error, place, place.line, None)))?;
    let patient = parts.subject.or(parts.patient).and_then(|raw| {
        let reference: Reference = serde_json::from_str(raw.get()).ok()?;
        reference.reference
    });
    let reject = |resource: Option<String>, field: &str, reason: &str| {
        Err(Box::new(place.reject(resource, Some(field.to_owned()), reason)))
    };
    let resource_type = match parts.resource_type.map(|raw| serde_json::from_str::<String>(raw.get())) {
        None => return reject(None, "resourceType", "there is no resourceType: this is not a FHIR resource"),
        Some(Ok(name)) if types::is_known(&name) => name,
        Some(_) => return reject(None, "resourceType", "resourceType names no resource type of FHIR R4"),
    };
    let id = match parts.id.map(|raw| serde_json::from_str::<String>(raw.get())) {
        None => None,
        Some(Ok(id)) if is_id(&id) => Some(id),
        Some(_) => {
            let reason = "the id is not a FHIR id: 1 to 64 letters, digits, `-` and `.`";
            return reject(Some(resource_type.clone()), &format!("{resource_type}.id"), reason);
        }
    };
    let identifiers = parts.identifier.map(identifiers).unwrap_or_default();
    Ok(Head { resource_type, id, identifiers, patient })
}

fn identifiers(raw: &RawValue) -> Vec<String> {
    let all: Vec<Identifier> = serde_json::from_str(raw.get()).unwrap_or_default();
    all.into_iter().filter_map(|one| Some(format!("{}|{}", one.system.unwrap_or_default(), one.value?))).collect()
}

/// FHIR R4 `id`: `[A-Za-z0-9\-\.]{1,64}`.
pub(crate) fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

/// Malformed JSON in words, without the content. `first_line`: the line in the file on which the parsed bytes begin.
pub(crate) fn malformed(
    error: &serde_json::Error,
    place: &Place,
    first_line: Option<u64>,
    resource: Option<String>,
) -> Rejected {
    let line_inside = u64::try_from(error.line()).unwrap_or(1).max(1);
    let line = first_line.map(|first| first + line_inside - 1);
    let said = error.to_string();
    let what = match error.classify() {
        // These name the grammar only. `serde_json` adds the place inside the parsed piece, which is not the file's.
        Category::Syntax | Category::Eof => said.split(" at line ").next().unwrap_or_default().to_owned(),
        // A duplicate names one of our own elements; other data errors would quote the content.
        Category::Data if said.starts_with("duplicate field") => {
            said.split(" at line ").next().unwrap_or_default().to_owned()
        }
        Category::Data => "not a JSON object".to_owned(),
        Category::Io => "cannot be read".to_owned(),
    };
    let at = Place { line: line.or(place.line), ..place.clone() };
    at.reject(resource, None, format!("malformed JSON: {what} (column {})", error.column()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { file: "a.json".into(), line: Some(10), entry: Some(3) }
    }

    #[test]
    fn the_head_says_type_id_and_whose() {
        let head = read(
            br#"{"id":"a-1","subject":{"reference":"Patient/p"},"identifier":[{"system":"s","value":"v"},{"value":"w"}],"resourceType":"Observation"}"#,
            &place(),
        )
        .unwrap();
        assert_eq!((head.resource_type.as_str(), head.id.as_deref()), ("Observation", Some("a-1")));
        assert_eq!(head.identifiers, ["s|v", "|w"]);
        assert_eq!(head.patient.as_deref(), Some("Patient/p"));
    }

    #[test]
    fn what_is_wrong_is_said_without_its_content() {
        for (raw, field, words) in [
            (
                &b"{\"resourceType\":\"Patient\",\n \"id\": secret}"[..],
                "Bundle.entry[3]",
                "malformed JSON: expected value (column 8)",
            ),
            (b"7", "Bundle.entry[3]", "malformed JSON: not a JSON object (column 1)"),
            (b"{\"a\":1", "Bundle.entry[3]", "malformed JSON: EOF while parsing an object (column 6)"),
            (b"{\"id\":\"a\",\"id\":\"b\"}", "Bundle.entry[3]", "malformed JSON: duplicate field `id` (column 14)"),
            (b"{\"id\":\"a\"}", "resourceType", "there is no resourceType: this is not a FHIR resource"),
            (b"{\"resourceType\":\"Pateint\"}", "resourceType", "resourceType names no resource type of FHIR R4"),
            (
                b"{\"resourceType\":\"Patient\",\"id\":\"bad_id\"}",
                "Patient.id",
                "the id is not a FHIR id: 1 to 64 letters, digits, `-` and `.`",
            ),
        ] {
            let rejected = read(raw, &place()).err().unwrap();
            assert_eq!((rejected.field.as_deref(), rejected.reason.as_str()), (Some(field), words));
            assert_eq!(rejected.file, "a.json");
        }
        let second_line = read(b"{\n\"a\":\n}", &place()).err().unwrap();
        assert_eq!(second_line.line, Some(12), "lines count from the first line of the piece");
    }
}
