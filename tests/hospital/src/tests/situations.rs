//! What makes a record hard is in the first thirty patients, and most of it in the first dozen.

use std::collections::BTreeSet;

use super::{records, resources};

/// Each situation that a patient's resources show.
fn shown(count: usize) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for record in records(count) {
        for resource in resources(&record).values() {
            let kind = resource["resourceType"].as_str().unwrap_or_default();
            for element in ["status", "docStatus"] {
                if let Some(status) = resource[element].as_str() {
                    out.insert(format!("{kind} {status}"));
                }
            }
            for element in ["clinicalStatus", "verificationStatus"] {
                if let Some(status) = resource[element]["coding"][0]["code"].as_str() {
                    out.insert(format!("{kind} {status}"));
                }
            }
            if let Some(class) = resource["class"]["code"].as_str() {
                out.insert(format!("class {class}"));
            }
            if resource["link"].is_array() {
                out.insert("merged".to_owned());
            }
            if resource["code"]["coding"][0]["code"] == "716186003" {
                out.insert("no known allergy".to_owned());
            }
            if resource["deceasedDateTime"].is_string() {
                out.insert("dead".to_owned());
            }
        }
        if record.allergies.is_empty() {
            out.insert("allergies never asked".to_owned());
        }
        if record.visits.iter().any(|visit| visit.places.len() > 1) {
            out.insert("moved between wards".to_owned());
        }
    }
    out
}

const IN_A_DOZEN: [&str; 27] = [
    "Observation corrected",
    "Observation preliminary",
    "Observation entered-in-error",
    "ServiceRequest revoked",
    "ServiceRequest active",
    "Condition refuted",
    "Condition provisional",
    "Condition resolved",
    "Condition confirmed",
    "MedicationRequest on-hold",
    "MedicationRequest stopped",
    "MedicationRequest completed",
    "MedicationRequest entered-in-error",
    "MedicationRequest cancelled",
    "AllergyIntolerance unconfirmed",
    "AllergyIntolerance entered-in-error",
    "Immunization not-done",
    "Appointment booked",
    "Encounter cancelled",
    "Encounter planned",
    "DocumentReference preliminary",
    "DocumentReference entered-in-error",
    "class IMP",
    "class EMER",
    "merged",
    "no known allergy",
    "allergies never asked",
];

const IN_THIRTY: [&str; 6] = [
    "ServiceRequest on-hold",
    "Appointment cancelled",
    "Appointment noshow",
    "Procedure entered-in-error",
    "moved between wards",
    "dead",
];

#[test]
fn hard_records_are_there() {
    let dozen = shown(12);
    let missing: Vec<&str> = IN_A_DOZEN.into_iter().filter(|one| !dozen.contains(*one)).collect();
    assert!(missing.is_empty(), "a dozen patients lack {missing:?}; they have {dozen:?}");
    let thirty = shown(30);
    let missing: Vec<&str> = IN_THIRTY.into_iter().filter(|one| !thirty.contains(*one)).collect();
    assert!(missing.is_empty(), "thirty patients lack {missing:?}");
}
