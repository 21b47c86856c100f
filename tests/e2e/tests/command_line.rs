//! The command line's contract: exit codes, JSON shapes, sentences.

use haechi_e2e::{Site, haechi};
use serde_json::Value;

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn wrong_usage_is_2_failed_work_is_1() {
    assert_eq!(haechi(&["ask"]).status.code(), Some(2));
    assert_eq!(haechi(&["frobnicate"]).status.code(), Some(2));
    assert_eq!(haechi(&["--help"]).status.code(), Some(0));
    let site = Site::new();
    let no_site = site.run(&["status"]);
    assert_eq!(no_site.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&no_site.stderr).starts_with("HAECHI-0101"));
    let no_file = site.run(&["import", "/nowhere/at/all"]);
    assert_eq!(no_file.status.code(), Some(1));
}

#[test]
fn the_json_documents_have_the_members_of_the_contract() {
    let site = Site::new();
    let hospital = site.hospital(2, 3);
    let input = hospital.join("fhir");
    let summary = site.json(&["import", input.to_str().unwrap()]);
    assert_eq!(keys(&summary), ["files", "resources", "messages", "patients", "unchanged", "rejected", "seconds"]);
    let again = site.json(&["import", input.to_str().unwrap()]);
    assert_eq!(again["unchanged"], summary["resources"], "importing again changes nothing");

    let patients = site.json(&["patient", "list"]);
    assert_eq!(keys(&patients[0]), ["id", "name", "birthDate", "sex", "identifiers", "resources"]);
    let id = patients[0]["id"].as_str().unwrap();
    let number = patients[0]["identifiers"][0]["value"].as_str().unwrap();
    assert_eq!(site.json(&["patient", "show", id])["id"], id);
    assert_eq!(site.json(&["patient", "show", number])["id"], id, "an identifier names the patient as well");

    let answer = site.json(&["ask", "--patient", number, "What is the patient's birth date?"]);
    for member in [
        "answer",
        "abstained",
        "language",
        "claims",
        "citations",
        "as_of",
        "warnings",
        "dropped",
        "model",
        "timings_ms",
        "audit",
    ] {
        assert!(answer.get(member).is_some(), "{member} is missing");
    }
    assert_eq!(answer["language"], "en");
    assert_eq!(answer["abstained"], false);
    assert!(answer["answer"].as_str().unwrap().contains(patients[0]["birthDate"].as_str().unwrap()));
    let citation = &answer["citations"][0];
    assert_eq!(citation["source"], format!("Patient/{id}"));
    assert_eq!(citation["quote"], patients[0]["birthDate"]);
    assert_eq!(
        site.json(&["ask", "--patient", id, "--lang", "ko", "What is the patient's birth date?"])["language"],
        "ko"
    );

    let findings = site.json(&["doctor"]);
    assert!(findings.as_array().unwrap().iter().all(|finding| finding["level"] != "broken"), "{findings}");
}

#[test]
fn what_is_wrong_is_put_aside_with_its_place_and_the_rest_goes_in() {
    let site = Site::new();
    let file = site.beside("mixed.ndjson");
    std::fs::write(
        &file,
        concat!(
            "{\"resourceType\":\"Patient\",\"id\":\"p\",\"birthDate\":\"1950-01-01\"}\n",
            "{\"resourceType\":\"Observation\",\"id\":\"o\",\"effectiveDateTime\":\"2020-99-99\",\"subject\":{\"reference\":\"Patient/p\"}}\n",
            "{\"resourceType\":\"Condition\",\n",
            "{\"resourceType\":\"Condition\",\"id\":\"c\",\"subject\":{\"reference\":\"Patient/p\"},\"code\":{\"text\":\"asthma\"}}\n",
        ),
    )
    .unwrap();
    let summary = site.json(&["import", file.to_str().unwrap()]);
    assert_eq!(summary["resources"], 2, "{summary}");
    let rejected = summary["rejected"].as_array().unwrap();
    assert_eq!(rejected.len(), 2, "{summary}");
    assert_eq!(
        (&rejected[0]["line"], &rejected[0]["field"]),
        (&Value::from(2), &Value::from("Observation.effectiveDateTime"))
    );
    assert_eq!(rejected[1]["line"], 3);
    let doctor = site.json(&["doctor"]);
    let aside = doctor.as_array().unwrap().iter().find(|finding| finding["item"] == "put aside").unwrap();
    assert!(aside["sentence"].as_str().unwrap().starts_with("2 "), "{aside}");
}

#[test]
fn an_unknown_patient_is_said_without_repeating_the_number() {
    let site = Site::new();
    let hospital = site.hospital(1, 3);
    let _ = site.json(&["import", hospital.join("fhir").to_str().unwrap()]);
    let output = site.run(&["ask", "--patient", "8812345", "last HbA1c"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("HAECHI-0113") && !said.contains("8812345"), "{said}");
}
