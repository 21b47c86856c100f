//! `$import`: posted, waited for, done, and what it says of what was put aside.

use std::time::{Duration, Instant};

use haechi_intake::import::{Input, Options, Silent, import};
use haechi_intake::watch::Watch;
use serde_json::Value;

use super::support::{api, call, json, store, watching, with};

#[test]
fn an_import_is_a_job_that_says_what_it_put_aside() {
    let (store, _record) = store();
    let folder = tempfile::tempdir().unwrap();
    let mut watch = Watch::open(folder.path(), Duration::ZERO).unwrap();
    let api = watching(store.clone(), folder.path());
    let mut look = || {
        let inputs =
            |files: &[std::path::PathBuf]| files.iter().map(|file| Input::path(file.clone())).collect::<Vec<_>>();
        watch
            .look(Instant::now(), jiff::Timestamp::UNIX_EPOCH, &mut |files| {
                import(&store, &inputs(files), &Options::default(), &Silent)
            })
            .unwrap();
    };
    let manifest = r#"{"inputFormat":"application/fhir+ndjson","inputSource":"https://ehr.example/fhir","input":[
        {"type":"Patient","url":"https://ehr.example/bulk/1/Patient.ndjson"},{"type":"Condition","url":"Condition.ndjson"}]}"#;
    let begun = call(&api, "POST", "/fhir/$import", manifest, &[]);
    assert_eq!(begun.status, 202);
    let address = with(&begun, "content-location").strip_prefix("http://h").unwrap().to_owned();

    look();
    let waits = call(&api, "GET", &address, "", &[]);
    assert_eq!((waits.status.as_u16(), with(&waits, "x-progress").contains("2 files")), (202, true));
    assert_eq!(call(&api, "GET", &format!("{address}/errors"), "", &[]).status, 404);

    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("Patient.ndjson", "{\"resourceType\":\"Patient\",\"id\":\"p\"}\n");
    let condition =
        r#"{"resourceType":"Condition","id":"ID","subject":{"reference":"Patient/p"},"recordedDate":"DATE"}"#;
    let good = condition.replace("ID", "c1").replace("DATE", "2026-01-01");
    let wrong = condition.replace("ID", "c2").replace("DATE", "2026-13-01");
    write("Condition.ndjson", &format!("{good}\n{wrong}\n"));
    look();
    let over = call(&api, "GET", &address, "", &[]);
    assert_eq!((over.status.as_u16(), over.media_type), (200, "application/json"));
    let over = json(&over);
    assert_eq!((&over["error"][0]["count"], &over["extension"]["resources"]), (&1.into(), &2.into()));
    let errors = over["error"][0]["url"].as_str().unwrap().strip_prefix("http://h").unwrap();
    let lines = call(&api, "GET", errors, "", &[]);
    assert_eq!(lines.media_type, "application/fhir+ndjson");
    let issue: Value = serde_json::from_slice(lines.body.trim_ascii()).unwrap();
    assert_eq!(issue["resourceType"], "OperationOutcome");
    assert_eq!(issue["issue"][0]["expression"][0], "Condition.recordedDate");
    assert!(issue["issue"][0]["diagnostics"].as_str().unwrap().contains("line 2, Condition/c2"));
    assert_eq!(call(&api, "GET", "/fhir/Condition/c1", "", &[]).status, 200);
    assert_eq!(call(&api, "DELETE", &address, "", &[]).status, 409);
    let able = json(&call(&api, "GET", "/fhir/metadata", "", &[]));
    assert_eq!(able["rest"][0]["operation"][0]["name"], "import");
}

#[test]
fn what_cannot_be_imported_is_refused_and_what_waits_is_taken_back() {
    let (store, _record) = store();
    let folder = tempfile::tempdir().unwrap();
    let api_with = watching(store, folder.path());
    for (manifest, code) in [
        ("", "HAECHI-0705"),
        (r#"{"input":{}}"#, "HAECHI-0705"),
        (r#"{"input":[]}"#, "HAECHI-0743"),
        (r#"{"input":[{"url":"../x"}]}"#, "HAECHI-0743"),
        (r#"{"inputFormat":"text/csv","input":[{"url":"x.csv"}]}"#, "HAECHI-0743"),
    ] {
        let refused = call(&api_with, "POST", "/fhir/$import", manifest, &[]);
        assert_eq!(refused.status, 400, "{manifest}");
        assert!(String::from_utf8_lossy(&refused.body).contains(code), "{manifest}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let begun = call(&api_with, "POST", "/fhir/$import", r#"{"output":[{"type":"Patient","url":"P.ndjson"}]}"#, &[]);
    let address = with(&begun, "content-location").strip_prefix("http://h").unwrap().to_owned();
    assert_eq!(call(&api_with, "DELETE", &address, "", &[]).status, 202);
    assert_eq!(call(&api_with, "GET", &address, "", &[]).status, 404);
    let (without, _folder) = api();
    assert_eq!(call(&without, "POST", "/fhir/$import", r#"{"input":[{"url":"x"}]}"#, &[]).status, 404);
    assert!(json(&call(&without, "GET", "/fhir/metadata", "", &[]))["rest"][0]["operation"].is_null());
}
