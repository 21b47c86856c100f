//! What is sent is what is read, byte for byte: every type, and other people's resources.

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use haechi_intake::fhir::types::TYPES;
use haechi_serve::Api;
use serde_json::Value;
use serde_json::value::RawValue;

use super::support::{api, call};

/// Types whose instances carry an answer and are not kept.
const NOT_KEPT: [&str; 3] = ["OperationOutcome", "Parameters", "CapabilityStatement"];

fn holds(body: &[u8], raw: &str) -> bool {
    body.windows(raw.len()).any(|window| window == raw.as_bytes())
}

#[test]
fn every_type_comes_back_as_it_was_sent_from_read_search_and_history() {
    let (api, _folder) = api();
    for kind in TYPES.iter().filter(|kind| !NOT_KEPT.contains(kind)) {
        let raw = format!(
            "{{ \"id\":\"x-1\",\n\t\"resourceType\" : \"{kind}\", \"extension\":[{{\"url\":\"u\",\"valueDecimal\":7.10}}],\
             \"_y\":{{\"z\":\"\\u00e9 é \\/ 김\"}},\"big\":12345678901234567890.0e+05 }}"
        );
        assert_eq!(call(&api, "PUT", &format!("/fhir/{kind}/x-1"), &raw, &[]).status, 201, "{kind}");
        let read = |address: String| call(&api, "GET", &address, "", &[]).body;
        assert_eq!(read(format!("/fhir/{kind}/x-1")), raw.as_bytes(), "{kind}");
        assert_eq!(read(format!("/fhir/{kind}/x-1/_history/1")), raw.as_bytes(), "{kind}");
        assert!(holds(&read(format!("/fhir/{kind}?_id=x-1")), &raw), "{kind}");
        assert!(holds(&read(format!("/fhir/{kind}/x-1/_history")), &raw), "{kind}");
    }
}

/// Files of a gzipped tar archive (POSIX ustar), regular ones alone.
fn unpacked(file: &Path) -> Vec<Vec<u8>> {
    let mut whole = Vec::new();
    GzDecoder::new(std::fs::File::open(file).unwrap()).read_to_end(&mut whole).unwrap();
    let (mut files, mut at) = (Vec::new(), 0);
    while let Some(head) = whole.get(at..at + 512).filter(|head| head[0] != 0) {
        let octal: String = head[124..136].iter().map(|byte| char::from(*byte)).filter(char::is_ascii_digit).collect();
        let size = usize::from_str_radix(&octal, 8).unwrap();
        if matches!(head[156], 0 | b'0') {
            files.push(whole[at + 512..at + 512 + size].to_vec());
        }
        at += 512 + size.div_ceil(512) * 512;
    }
    files
}

/// Sends a resource to its place; whether it was taken. What is taken comes back as it was sent.
fn sent(api: &Api, raw: &str) -> Option<bool> {
    let own: Value = serde_json::from_str(raw).ok()?;
    let (kind, id) = (own["resourceType"].as_str()?, own["id"].as_str()?);
    let address = format!("/fhir/{kind}/{id}");
    let put = call(api, "PUT", &address, raw, &[]);
    assert!(put.status.as_u16() < 500, "{address}");
    if !put.status.is_success() {
        return Some(false);
    }
    assert_eq!(call(api, "GET", &address, "", &[]).body, raw.trim().as_bytes(), "{address}");
    Some(true)
}

#[test]
fn other_peoples_resources_come_back_as_they_were_sent() {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join("../shared/data");
    let folder = std::env::var_os("HAECHI_TEST_DATA").map_or_else(default, PathBuf::from).join("fhir");
    if !folder.is_dir() {
        return eprintln!("skipped: the third-party data is not here (HAECHI_TEST_DATA names its folder)");
    }
    let (api, _folder) = api();
    let (mut taken, mut refused) = (0, 0);
    let mut count = |raw: &str| match sent(&api, raw) {
        Some(true) => taken += 1,
        Some(false) => refused += 1,
        None => {}
    };
    for file in unpacked(&folder.join("us-core-examples.tar.gz")) {
        count(&String::from_utf8_lossy(&file));
    }
    for file in std::fs::read_dir(folder.join("bulk-10-patients")).unwrap() {
        let mut text = String::new();
        GzDecoder::new(std::fs::File::open(file.unwrap().path()).unwrap()).read_to_string(&mut text).unwrap();
        // A hundred of each type are as good as all of them.
        text.lines().take(100).for_each(&mut count);
    }
    let mut text = String::new();
    let bundle = folder.join("carebundle/type2_diabetes-2101-0001.json.gz");
    GzDecoder::new(std::fs::File::open(bundle).unwrap()).read_to_string(&mut text).unwrap();
    let bundle: std::collections::BTreeMap<&str, &RawValue> = serde_json::from_str(&text).unwrap();
    let entries: Vec<std::collections::BTreeMap<&str, &RawValue>> =
        serde_json::from_str(bundle["entry"].get()).unwrap();
    entries.iter().for_each(|entry| count(entry["resource"].get()));
    assert!(taken > 500 && refused * 50 < taken, "{taken} taken, {refused} refused");
}
