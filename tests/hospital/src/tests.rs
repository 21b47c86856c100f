//! The hospital is the same for the same seed, hangs together, and says the same on both roads.

mod coherence;
mod roads;
mod situations;

use std::collections::BTreeMap;

use jiff::civil::{Date, date};
use serde_json::Value;

use crate::record::Record;
use crate::{Formats, Options, fhir, generate, lives};

/// The default day of the hospital.
const TODAY: Date = date(2026, 11, 1);

/// Records of the first `count` patients of seed 7.
fn records(count: usize) -> Vec<Record> {
    (1..=count).map(|number| lives::life(7, number, TODAY)).collect()
}

/// The resources of a record by `Type/id`.
fn resources(record: &Record) -> BTreeMap<String, Value> {
    let (text, _) = fhir::bundle(record);
    let bundle: Value = serde_json::from_str(&text).unwrap();
    let entries = bundle["entry"].as_array().unwrap().clone();
    let named = entries.into_iter().map(|entry| {
        let resource = entry["resource"].clone();
        let name = format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
        (name, resource)
    });
    named.collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, patients: usize, seed: u64, formats: Formats| {
        let out = folder.path().join(name);
        generate(&Options { patients, seed, out: out.clone(), formats, ..Options::default() }).unwrap();
        out
    };
    let (one, two) = (write("one", 3, 11, Formats::default()), write("two", 5, 11, Formats::default()));
    let other = write("other", 3, 12, Formats { fhir: true, hl7: false });
    for number in 1..=3 {
        for name in [format!("fhir/{number:04}.json"), format!("hl7/{number:04}.hl7")] {
            let bytes = std::fs::read(one.join(&name)).unwrap();
            assert!(
                bytes == std::fs::read(two.join(&name)).unwrap(),
                "{name}: the number of patients changed a patient"
            );
        }
        let name = format!("fhir/{number:04}.json");
        assert!(std::fs::read(one.join(&name)).unwrap() != std::fs::read(other.join(&name)).unwrap());
    }
    assert!(!other.join("hl7").exists());
    let manifest: Value = serde_json::from_slice(&std::fs::read(one.join("manifest.json")).unwrap()).unwrap();
    assert_eq!((&manifest["patients"], &manifest["seed"], &manifest["files"]), (&3.into(), &11.into(), &6.into()));
    assert_eq!(manifest["as_of"], "2026-11-01");
}
