//! Any bytes as FHIR XML: no panic, and what comes out is JSON of a resource.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let (resources, _) = haechi_intake::fhir::json_of_xml(bytes);
    for json in resources {
        let read: Value = serde_json::from_slice(&json).expect("what is made is JSON");
        assert!(read["resourceType"].is_string());
    }
});
