//! The manifest of a bulk export (FHIR Bulk Data, "Response - Complete Status"): which files belong together, in which order.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

/// Largest manifest, in bytes.
pub(super) const MAX_BYTES: u64 = 4 << 20;

/// Files that one manifest may name.
const MOST_FILES: usize = 10_000;

#[derive(Deserialize)]
struct Written {
    #[serde(rename = "resourceType")]
    resource_type: Option<IgnoredAny>,
    output: Vec<Output>,
    #[serde(default)]
    deleted: Vec<IgnoredAny>,
    #[serde(default)]
    error: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
struct Output {
    url: String,
}

/// The files that a manifest names, relative to its folder, each once; `None`: the bytes are no manifest.
///
/// # Errors
/// Why it cannot be followed.
pub(super) fn files(bytes: &[u8]) -> Option<Result<Vec<PathBuf>, &'static str>> {
    let written: Written = serde_json::from_slice(bytes).ok()?;
    if written.resource_type.is_some() {
        return None;
    }
    if written.output.len() > MOST_FILES {
        return Some(Err("the manifest names more than 10,000 files"));
    }
    let mut files: Vec<PathBuf> = Vec::with_capacity(written.output.len());
    for output in written.output {
        match local(&output.url) {
            Some(file) if files.contains(&file) => {}
            Some(file) => files.push(file),
            None => return Some(Err("the manifest names a file outside of its folder, or none")),
        }
    }
    Some(Ok(files))
}

/// What a manifest lists besides its files and what is not done about it, in words.
pub(super) fn left_out(bytes: &[u8]) -> Vec<String> {
    let Ok(written) = serde_json::from_slice::<Written>(bytes) else { return Vec::new() };
    let mut said = Vec::new();
    if !written.deleted.is_empty() {
        let count = written.deleted.len();
        said.push(format!("the export lists {count} files of what its server has deleted: nothing is deleted by a file, compare them with the record"));
    }
    if !written.error.is_empty() {
        let count = written.error.len();
        said.push(format!(
            "the export lists {count} files of its own errors: what it could not export is not in it, look at them"
        ));
    }
    said
}

/// The file that `url` means: a path below the folder, or the last part of a server's address.
fn local(url: &str) -> Option<PathBuf> {
    let plain = url.split(['?', '#']).next()?;
    let path = match plain.split_once("://") {
        Some(("http" | "https", rest)) => rest.split_once('/')?.1.rsplit('/').next()?,
        Some(_) => return None,
        None => plain,
    };
    let path = Path::new(path);
    let below = path.components().all(|part| match part {
        Component::Normal(name) => !name.as_encoded_bytes().starts_with(b"."),
        _ => false,
    });
    (below && path.file_name().is_some()).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_names_files_below_its_folder() {
        let text = r#"{"transactionTime":"2026-11-24T00:00:00Z","request":"x","output":[
            {"type":"Patient","url":"Patient.ndjson"},{"type":"Observation","url":"bulk/Observation.1.ndjson.gz"},
            {"type":"Condition","url":"https://ehr.example/bulk/17/Condition.ndjson?sig=1"},{"type":"Patient","url":"Patient.ndjson"}],"error":[]}"#;
        let found = files(text.as_bytes()).unwrap().unwrap();
        let expected = ["Patient.ndjson", "bulk/Observation.1.ndjson.gz", "Condition.ndjson"];
        assert_eq!(found, expected.map(PathBuf::from));
        assert_eq!(left_out(text.as_bytes()), [""; 0]);
        let more = r#"{"output":[],"deleted":[{"type":"Bundle","url":"d"}],"error":[{"type":"OperationOutcome","url":"e"},{"url":"f"}]}"#;
        let said = left_out(more.as_bytes());
        assert!(
            said[0].contains("1 files of what its server has deleted") && said[1].contains("2 files of its own errors")
        );
        for none in ["", "[]", "{}", r#"{"output":[{"type":"Patient"}]}"#, r#"{"resourceType":"Bundle","output":[]}"#] {
            assert!(files(none.as_bytes()).is_none(), "{none}");
        }
        for outside in
            ["../x", "/etc/passwd", "a/../../x", "file:///etc/passwd", "", "https://ehr.example", ".hidden/x", "a/.."]
        {
            let text = format!(r#"{{"output":[{{"url":"{outside}"}}]}}"#);
            assert!(files(text.as_bytes()).unwrap().is_err(), "{outside}");
        }
    }
}
