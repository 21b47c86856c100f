//! Any bytes as an HL7 v2 file: split, decoded, mapped; what comes out is JSON that the record takes or refuses in words.
#![no_main]

use haechi_intake::hl7::{self, Hl7Settings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let settings = Hl7Settings {
        charset_override: None,
        assume_charset: "cp949".to_owned(),
        zone: jiff::tz::TimeZone::UTC,
        assigning_authority: "SITE".to_owned(),
    };
    for piece in hl7::split(bytes) {
        match hl7::map(piece.bytes, &settings, &|_, _| None) {
            Ok(mapped) => {
                for resource in mapped.resources {
                    serde_json::from_slice::<serde_json::Value>(&resource.json).expect("mapped resources are JSON");
                }
            }
            Err(rejected) => assert!(rejected.iter().all(|item| !item.reason.is_empty())),
        }
    }
});
