//! Both roads end in the same resources: the messages, mapped one after another by the appliance's own intake, against the
//! FHIR bundle.

use std::collections::BTreeMap;

use haechi_intake::hl7::{Hl7Settings, map, split};
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::record::Record;
use crate::{fhir, hl7};

use super::{records, resources};

fn settings() -> Hl7Settings {
    Hl7Settings {
        charset_override: None,
        assume_charset: "utf-8".to_owned(),
        zone: TimeZone::get("Asia/Seoul").unwrap(),
        assigning_authority: String::new(),
    }
}

/// What the messages of a record leave behind, by `Type/id`.
fn replayed(record: &Record) -> BTreeMap<String, Value> {
    let (bytes, count) = hl7::messages(record).unwrap();
    let mut stored: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let pieces: Vec<_> = split(&bytes).collect();
    assert_eq!(pieces.len(), count);
    for piece in pieces {
        let current = |kind: &str, id: &str| stored.get(&format!("{kind}/{id}")).cloned();
        let mapped = map(piece.bytes, &settings(), &current).unwrap();
        assert!(mapped.rejected.is_empty(), "{}: {:?}", mapped.event, mapped.rejected);
        for resource in mapped.resources {
            let json: Value = serde_json::from_slice(&resource.json).unwrap();
            let name = format!("{}/{}", json["resourceType"].as_str().unwrap(), json["id"].as_str().unwrap());
            stored.insert(name, resource.json);
        }
    }
    stored.into_iter().map(|(name, json)| (name, serde_json::from_slice(&json).unwrap())).collect()
}

/// Takes away what the two notations say differently on purpose.
fn plain(mut resource: Value) -> Value {
    // FHIR's export refers to doctors and drugs as resources; messages name them.
    if let Some(drug) = resource.get("contained").and_then(|all| all.get(0)).map(|drug| drug["code"].clone()) {
        let body = resource.as_object_mut().unwrap();
        body.remove("contained");
        body.remove("medicationReference");
        body.insert("medicationCodeableConcept".into(), drug);
    }
    if resource["resourceType"] == "Patient" {
        for name in resource["name"].as_array_mut().unwrap() {
            name.as_object_mut().unwrap().remove("text");
        }
    }
    people(&mut resource);
    resource
}

/// A person is a display here, whatever else the reference says.
fn people(node: &mut Value) {
    match node {
        Value::Object(body) => {
            if body.contains_key("display") && (body.contains_key("reference") || body.contains_key("identifier")) {
                let display = body["display"].clone();
                body.retain(|_, _| false);
                body.insert("display".into(), display);
                return;
            }
            body.values_mut().for_each(people);
        }
        Value::Array(items) => items.iter_mut().for_each(people),
        _ => {}
    }
}

/// A correction by message keeps the value before it as a note; the bundle holds only the last version.
fn without_earlier_values(mut resource: Value) -> Value {
    if let Some(notes) = resource.get_mut("note").and_then(Value::as_array_mut) {
        notes.retain(|note| !note["text"].as_str().is_some_and(|text| text.starts_with("earlier value: ")));
        if notes.is_empty()
            && let Some(body) = resource.as_object_mut()
        {
            body.remove("note");
        }
    }
    resource
}

/// Where two values differ, as a path.
fn difference(path: &str, fhir: &Value, hl7: &Value, out: &mut Vec<String>) {
    match (fhir, hl7) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                difference(
                    &format!("{path}.{key}"),
                    &a.get(key).cloned().unwrap_or_default(),
                    &b.get(key).cloned().unwrap_or_default(),
                    out,
                );
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                difference(&format!("{path}[{at}]"), a, b, out);
            }
        }
        (a, b) if a == b => {}
        (a, b) => out.push(format!("{path}: FHIR {a}, HL7 {b}")),
    }
}

#[test]
fn messages_build_what_the_bundle_says() {
    let mut problems = Vec::new();
    let mut compared = 0;
    for record in records(30) {
        let bundle = resources(&record);
        let feed = replayed(&record);
        let about = |name: &str| format!("patient {}: {name}", record.number);
        for (name, resource) in &bundle {
            if name.starts_with("Practitioner/") {
                continue;
            }
            match feed.get(name) {
                Some(other) => {
                    compared += 1;
                    let other = without_earlier_values(plain(other.clone()));
                    difference(&about(name), &plain(resource.clone()), &other, &mut problems);
                }
                None => problems.push(format!("{}: no message made it", about(name))),
            }
        }
        // A segment kept word for word has no counterpart: the bundle says nothing that it could not hold otherwise.
        for name in feed.keys().filter(|name| !bundle.contains_key(*name) && !name.starts_with("Basic/")) {
            problems.push(format!("{}: only the messages have it", about(name)));
        }
    }
    let count = problems.len();
    problems.truncate(40);
    assert!(count == 0, "{count} differences\n{}", problems.join("\n"));
    assert!(compared > 9_000, "only {compared} resources");
}

#[test]
fn every_character_is_in_cp949_and_messages_are_in_order() {
    for record in records(60) {
        let (bytes, _) = hl7::messages(&record).unwrap();
        let times: Vec<String> = split(&bytes)
            .map(|piece| {
                let header = piece.bytes.split(|byte| *byte == b'\r').next().unwrap();
                String::from_utf8(header.split(|byte| *byte == b'|').nth(6).unwrap().to_vec()).unwrap()
            })
            .collect();
        assert!(times.is_sorted(), "patient {}", record.number);
        assert!(times.iter().all(|time| time.as_str() < "202611010000"), "patient {}: from the future", record.number);
        // The UTF-8 half must be writable in CP949 too: any hospital may turn up with either.
        let (text, _) = fhir::bundle(&record);
        let (_, _, is_lossy) = encoding_rs::EUC_KR.encode(&text);
        assert!(!is_lossy, "patient {}", record.number);
    }
}
