//! Other people's data goes in without a crash, and what does not go in says where and why.

use haechi_e2e::{Site, third_party_data};

#[test]
fn every_sample_is_taken_or_refused_with_place_and_reason() {
    let Some(data) = third_party_data() else { return };
    let site = Site::new();
    for folder in ["fhir", "hl7v2"] {
        let summary = site.json(&["import", data.join(folder).to_str().unwrap()]);
        assert!(summary["resources"].as_u64().unwrap() > 1000, "{folder}: {}", summary["resources"]);
        for rejected in summary["rejected"].as_array().unwrap() {
            let has = |member: &str| rejected[member].as_str().is_some_and(|text| !text.is_empty());
            assert!(has("file") && has("reason"), "{rejected}");
            let placed = rejected["line"].is_u64() || has("segment") || has("field") || has("resource");
            // A whole file that is something else (a tar archive, say) has no line.
            let reason = rejected["reason"].as_str().unwrap();
            assert!(placed || ["file", "archive"].iter().any(|word| reason.contains(word)), "{rejected}");
        }
        let again = site.json(&["import", data.join(folder).to_str().unwrap()]);
        // A message that was taken in part is known now and not read again; what was refused whole is refused again.
        let first = summary["rejected"].as_array().unwrap();
        assert!(
            again["rejected"].as_array().unwrap().iter().all(|rejected| first.contains(rejected)),
            "{folder}: something new is refused"
        );
    }
    let findings = site.json(&["doctor"]);
    assert!(findings.as_array().unwrap().iter().all(|finding| finding["level"] != "broken"), "{findings}");
}
