//! The query of a FHIR search, as a caller sends it: read, asked of a small record, answered; never a fault of ours.
#![no_main]

use std::sync::OnceLock;

use haechi_record::key::Key;
use haechi_record::store::Store;
use haechi_serve::{Api, Asked, Settings};
use libfuzzer_sys::fuzz_target;

const RESOURCES: [&str; 3] = [
    r#"{"resourceType":"Patient","id":"p","identifier":[{"system":"s","value":"1"}],"name":[{"family":"김","given":["민수"]}],"birthDate":"1970-01","gender":"male"}"#,
    r#"{"resourceType":"Observation","id":"o","status":"final","subject":{"reference":"Patient/p"},"effectiveDateTime":"2024-05-01T08:00:00+09:00","code":{"coding":[{"system":"http://loinc.org","code":"718-7","display":"Hemoglobin"}]},"valueQuantity":{"value":7.10,"unit":"g/dL","system":"http://unitsofmeasure.org","code":"g/dL"}}"#,
    r#"{"resourceType":"Encounter","id":"e","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/p"},"period":{"start":"2024-05-01"}}"#,
];

fn api() -> &'static Api {
    static API: OnceLock<Api> = OnceLock::new();
    API.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("haechi-fuzz-search-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let store = Store::open(&folder.join("record"), &Key::new([7; 32])).unwrap();
        let api = Api::new(store, Settings { now: || jiff::Timestamp::UNIX_EPOCH, ..Settings::default() });
        for raw in RESOURCES {
            let kind = raw.split('"').nth(3).unwrap();
            let id = raw.split('"').nth(7).unwrap();
            let put = Asked {
                method: "PUT".parse().unwrap(),
                path: format!("/fhir/{kind}/{id}"),
                content_type: "application/fhir+json".to_owned(),
                body: raw.as_bytes().to_vec(),
                ..Asked::default()
            };
            assert_eq!(api.answer(&put).status.as_u16(), 201);
        }
        api
    })
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (path, query) = text.split_once('?').unwrap_or(("Observation", text));
    for prefer in ["handling=strict", ""] {
        let asked = Asked {
            path: format!("/fhir/{path}"),
            query: query.to_owned(),
            prefer: prefer.to_owned(),
            base: "http://h/fhir".to_owned(),
            ..Asked::default()
        };
        let reply = api().answer(&asked);
        assert!(reply.status.as_u16() < 500);
        let body: serde_json::Value = serde_json::from_slice(&reply.body).expect("every answer is JSON");
        assert!(body["resourceType"].is_string() || path == "health");
    }
});
