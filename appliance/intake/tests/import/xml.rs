//! FHIR XML that other people's programs wrote gives the very resources that they wrote it from.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use haechi_intake::fhir::json_of_xml;
use serde_json::Value;

use super::{Site, data, unpacked};

const DOCUMENT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Bundle xmlns="http://hl7.org/fhir"><type value="collection"/>
<entry><resource><Patient><id value="x1"/><name><text value="김민수"/></name></Patient></resource></entry>
<entry><resource><Observation><id value="o1"/><status value="final"/><code><text value="K"/></code>
<subject><reference value="Patient/x1"/></subject><valueQuantity><value value="4.10"/></valueQuantity></Observation></resource></entry>
<entry><resource><Observation><id value="o2"/><statsu value="final"/><subject><reference value="Patient/x1"/></subject></Observation></resource></entry>
</Bundle>"#;

#[test]
fn an_xml_file_goes_into_the_record_and_again_changes_nothing() {
    let site = Site::new();
    let file = site.file("export.xml", DOCUMENT);
    let said = site.import(std::slice::from_ref(&file));
    assert_eq!((said.resources, said.patients, said.unchanged), (2, 1, 0), "{said:?}");
    let stored = site.store.current("Observation", "o1").unwrap().unwrap();
    assert!(String::from_utf8(stored).unwrap().contains(r#""valueQuantity":{"value":4.10}"#));
    let rejected = &said.rejected[0];
    assert_eq!(
        (rejected.file.as_str(), rejected.line, rejected.field.as_deref(), rejected.resource.as_deref()),
        ("export.xml", Some(6), Some("Observation.statsu"), Some("Observation/o2"))
    );
    let again = site.import(&[file]);
    assert_eq!((again.resources, again.unchanged), (2, 2), "{again:?}");
    // The same resources from JSON are the same resources.
    let (made, _) = json_of_xml(DOCUMENT.as_bytes());
    let lines = made.join(&b'\n');
    let said = site.import(&[site.file("export.ndjson", lines)]);
    assert_eq!((said.resources, said.unchanged), (2, 2), "{said:?}");
}

/// Where a peer's runtime lies; `None`, said aloud, where it does not.
fn peer(what: &str, installed: &str, variable: &str) -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(installed);
    let path = std::env::var_os(variable).map_or(default, PathBuf::from);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {what} is not installed (tests/run does; {variable} names it)");
    None
}

/// Resource files of several guides and generators.
fn resources() -> Option<(tempfile::TempDir, Vec<PathBuf>)> {
    let folder = data("fhir")?;
    let dir = tempfile::tempdir().unwrap();
    unpacked(&folder, dir.path());
    let mut found: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    let mut folders = vec![dir.path().to_owned()];
    folders.extend(["carebundle", "inferno-us-core"].map(|name| folder.join(name)));
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // Wrong on purpose: one may not even write it.
                if !path.to_string_lossy().contains("malformed") {
                    folders.push(path);
                }
            } else if path.extension() == Some(OsStr::new("json")) || path.to_string_lossy().ends_with(".json.gz") {
                found.entry(folder.clone()).or_default().push(path);
            }
        }
    }
    // Enough of each: all of them take minutes.
    let some = found.into_values().flat_map(|mut files| {
        files.sort();
        files.into_iter().take(120)
    });
    Some((dir, some.collect()))
}

/// Runs a peer over `files` and compares each pair that it writes.
fn agree(mut peer: Command, files: &[PathBuf]) {
    let output = peer.args(files).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success());
    let mut compared = BTreeMap::<String, usize>::new();
    let mut differ = BTreeMap::<String, Vec<String>>::new();
    for line in output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let pair: Value = serde_json::from_slice(line).unwrap();
        let (xml, json) = (pair["xml"].as_str().unwrap(), &pair["json"]);
        let (made, refused) = json_of_xml(xml.as_bytes());
        let kind = json["resourceType"].as_str().unwrap();
        let Some(made) = made.first().filter(|_| refused.is_empty()) else {
            differ.entry(kind.to_owned()).or_default().extend(refused);
            continue;
        };
        let (mut made, mut json): (Value, Value) = (serde_json::from_slice(made).unwrap(), json.clone());
        alike(&mut made);
        alike(&mut json);
        difference(kind, &made, &json, &mut differ);
        *compared.entry(kind.to_owned()).or_default() += 1;
    }
    eprintln!("compared: {compared:?}");
    assert!(differ.is_empty(), "{differ:#?}");
    assert!(compared.values().sum::<usize>() > 300 && compared.len() > 20, "{compared:?}");
}

/// Where two resources differ.
fn difference(path: &str, made: &Value, written: &Value, out: &mut BTreeMap<String, Vec<String>>) {
    match (made, written) {
        (Value::Object(made), Value::Object(written)) => {
            let names: BTreeSet<&String> = made.keys().chain(written.keys()).collect();
            for name in names {
                let of = |members: &serde_json::Map<String, Value>| members.get(name).cloned().unwrap_or_default();
                difference(&format!("{path}.{name}"), &of(made), &of(written), out);
            }
        }
        (Value::Array(made), Value::Array(written)) if made.len() == written.len() => {
            made.iter().zip(written).for_each(|(made, written)| difference(path, made, written, out));
        }
        (made, written) if made == written => {}
        _ => out.entry(path.to_owned()).or_default().push(format!("{made} is not {written}")),
    }
}

/// Takes away what the writers do not keep: how numbers and times in UTC are written, and in the narrative white space
/// and escapes.
fn alike(value: &mut Value) {
    match value {
        Value::Number(number) => *value = number.as_f64().into(),
        Value::String(text) if text.starts_with("<div") => *value = said(text).into(),
        Value::String(text) => {
            if let Some(time) = text.strip_suffix("+00:00") {
                *value = format!("{time}Z").into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(alike),
        Value::Object(members) => {
            // One of the samples has it in a period, where FHIR has `end`; the writers leave it out.
            members.remove("stop");
            members.values_mut().for_each(alike);
        }
        _ => {}
    }
}

/// Letters and digits of a narrative, outside of its tags.
fn said(narrative: &str) -> String {
    let (mut out, mut outside, mut reference) = (String::new(), true, false);
    for char in narrative.chars() {
        match char {
            '<' => outside = false,
            '>' => outside = true,
            '&' => reference = true,
            ';' => reference = false,
            char if outside && !reference && char.is_alphanumeric() => out.push(char),
            _ => {}
        }
    }
    out
}

#[test]
fn fhir_resources_writes_what_is_read() {
    let Some(python) = peer("fhir.resources", "tests/.venv/bin/python", "HAECHI_TEST_PYTHON") else { return };
    let Some((_dir, files)) = resources() else { return };
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/fhir_xml.py"));
    agree(command, &files);
}

#[test]
fn fhir_js_writes_what_is_read() {
    let Some(modules) = peer("the npm package fhir", ".cache/npm/node_modules/fhir", "HAECHI_TEST_FHIR_JS") else {
        return;
    };
    let Some((_dir, files)) = resources() else { return };
    let mut command = Command::new("node");
    command.env("NODE_MODULES_OF", modules.parent().and_then(Path::parent).unwrap());
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/fhir_xml.cjs"));
    agree(command, &files);
}
