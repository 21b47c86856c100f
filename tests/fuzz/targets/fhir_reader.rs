//! Any bytes as FHIR: prepared for the record, and read as a chart entry, without a panic.
#![no_main]

use haechi_record::chart::read;
use haechi_record::prepare::{Source, prepare};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let source = Source { file: "fuzz.json".to_owned(), received: Timestamp::UNIX_EPOCH, origin: None };
    let _ = prepare(bytes.to_vec(), Some("fuzz"), &|_| None, &source);
    let _ = read::entry(bytes, "fuzz", Timestamp::UNIX_EPOCH, None);
    let _ = read::person(&[("fuzz", bytes)]);
    let _ = haechi_intake::fhir::survey(bytes);
    let _ = haechi_intake::watch::survey_manifest(bytes);
});
