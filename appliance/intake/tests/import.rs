//! Import against real files: nothing crashes, nothing is lost, every reject has a place and a reason.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "import/identity.rs"]
mod identity;
#[path = "import/xml.rs"]
mod xml;

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use haechi_intake::import::{Input, Options, Silent, Summary, import};
use haechi_record::chart::{Kind, Standing};
use haechi_record::key::Key;
use haechi_record::store::{OpenOptions, Store};
use jiff::Timestamp;

struct Site {
    dir: tempfile::TempDir,
    store: Store,
}

impl Site {
    fn new() -> Site {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("record.db"), &Key::new([7; 32])).unwrap();
        Site { dir, store }
    }

    fn import(&self, paths: &[PathBuf]) -> Summary {
        let inputs: Vec<Input> = paths.iter().cloned().map(Input::path).collect();
        let options = Options { received: Timestamp::from_second(1_700_000_000).unwrap(), ..Options::default() };
        import(&self.store, &inputs, &options, &Silent).unwrap()
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

/// Where the third-party data lies; `None`, said aloud, where it does not.
fn data(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("HAECHI_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let path = root.join(folder);
    if !path.is_dir() {
        eprintln!("skipped: no test data at {} (set HAECHI_TEST_DATA)", path.display());
        return None;
    }
    Some(path)
}

/// All of the FHIR folder with its archives unpacked beside each other.
fn unpacked(fhir: &Path, to: &Path) {
    for archive in fs::read_dir(fhir).unwrap() {
        let archive = archive.unwrap().path();
        let name = archive.file_name().unwrap().to_str().unwrap().to_owned();
        if let Some(name) = name.strip_suffix(".tar.gz") {
            let folder = to.join(name);
            fs::create_dir(&folder).unwrap();
            let status = Command::new("tar").arg("xzf").arg(&archive).arg("-C").arg(&folder).status().unwrap();
            assert!(status.success(), "{name}");
        }
    }
}

/// A place for images that cannot be opened, and counts who tries.
#[derive(Debug, Default)]
struct Shut(std::sync::atomic::AtomicUsize);

impl haechi_intake::dicom::OpenArchive for Shut {
    fn archive(&self) -> Result<haechi_intake::dicom::Archive, String> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Err("the disk is away".to_owned())
    }
}

#[test]
fn the_place_of_the_images_is_opened_for_images_alone() {
    let site = Site::new();
    let shut = std::sync::Arc::new(Shut::default());
    let tried = || shut.0.load(std::sync::atomic::Ordering::Relaxed);
    let import_one = |path: PathBuf| {
        let options = Options { images: Some(shut.clone()), ..Options::default() };
        import(&site.store, &[Input::path(path)], &options, &Silent).unwrap()
    };
    let said = import_one(site.file("p.json", r#"{"resourceType":"Patient","id":"p"}"#));
    assert_eq!((said.resources, tried()), (1, 0));
    let mut image = vec![0; 128];
    image.extend_from_slice(b"DICM");
    let said = import_one(site.file("i.dcm", image));
    assert_eq!((said.rejected.len(), tried()), (1, 1));
    assert!(said.rejected[0].reason.contains("the disk is away"), "{said:?}");
}

#[test]
fn every_file_of_the_development_set_goes_in_or_says_why_not() {
    let Some(fhir) = data("fhir") else { return };
    let site = Site::new();
    let folder = tempfile::tempdir().unwrap();
    unpacked(&fhir, folder.path());
    let mut paths: Vec<PathBuf> =
        ["synthea-2019", "bulk-10-patients", "carebundle", "microsoft-samples", "inferno-us-core"]
            .iter()
            .map(|name| fhir.join(name))
            .collect();
    paths.push(folder.path().to_owned());
    let first = site.import(&paths);
    for rejected in &first.rejected {
        assert!(!rejected.file.is_empty() && !rejected.reason.is_empty(), "{rejected:?}");
        // A file that is no FHIR at all has no line to blame.
        let whole_file = rejected.reason.contains("first bytes") || rejected.reason.contains("cannot be imported yet");
        assert!(rejected.line.is_some() || whole_file, "{rejected:?}");
    }

    // What an independent reading of the same files finds: every resource is in the record byte for byte, or its file
    // has a reject.
    let refused: BTreeSet<&str> = first.rejected.iter().map(|rejected| rejected.file.as_str()).collect();
    let mut resources = 0u64;
    let mut missing = 0u64;
    for path in paths.iter().flat_map(|path| files_below(path)) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        for raw in resources_in(&path) {
            let named: Named = serde_json::from_slice(&raw).unwrap();
            let (Some(resource_type), Some(id)) = (named.resource_type, named.id) else { continue };
            resources += 1;
            let versions = site.store.versions(&resource_type, &id).unwrap();
            if !versions.iter().any(|(_, _, bytes)| *bytes == raw) {
                assert!(
                    refused.contains(name.as_str()),
                    "{name}: {resource_type}/{id} is not in the record as it came"
                );
                missing += 1;
            }
        }
    }
    assert!(resources > 34_000, "the independent reading found {resources}");
    assert!(missing < 10, "{missing}");
    assert!(first.resources >= resources - missing);
    assert_eq!(first.rejected.iter().filter(|rejected| !rejected.file.ends_with(".fsh")).count(), 15);

    // Every patient's chart can be read, and nothing is nameless that has a code.
    let patients = site.store.patients(None).unwrap();
    assert!(patients.len() > 100);
    let mut entries = 0;
    for patient in &patients {
        let chart = site.store.chart(&patient.id).unwrap().unwrap();
        entries += chart.entries.len();
        for entry in &chart.entries {
            assert!(entry.codes.is_empty() || !entry.title.is_empty(), "{}", entry.source);
        }
    }
    assert!(entries > 30_000, "{entries}");

    let before = site.store.counts().unwrap();
    let again = site.import(&paths);
    assert_eq!((again.resources, again.unchanged), (first.resources, first.resources));
    assert_eq!(again.rejected.len(), first.rejected.len());
    assert_eq!(site.store.counts().unwrap(), before, "importing again changes nothing");
}

#[derive(serde::Deserialize)]
struct Named {
    #[serde(rename = "resourceType")]
    resource_type: Option<String>,
    id: Option<String>,
}

#[derive(serde::Deserialize)]
struct Bundle {
    #[serde(rename = "resourceType")]
    resource_type: Option<String>,
    entry: Option<Vec<Entry>>,
}

#[derive(serde::Deserialize)]
struct Entry {
    resource: Option<Box<serde_json::value::RawValue>>,
}

fn files_below(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    fs::read_dir(path).unwrap().flat_map(|child| files_below(&child.unwrap().path())).collect()
}

/// The resources in a well-formed file, by plain means.
fn resources_in(path: &Path) -> Vec<Vec<u8>> {
    let name = path.to_str().unwrap();
    let mut bytes = fs::read(path).unwrap();
    if name.ends_with(".gz") {
        let mut plain = Vec::new();
        flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
        bytes = plain;
    }
    if name.ends_with(".fsh") {
        return Vec::new();
    }
    let documents: Vec<&[u8]> =
        if name.contains("ndjson") { bytes.split(|byte| *byte == b'\n').collect() } else { vec![&bytes] };
    let mut found = Vec::new();
    for document in documents {
        let document = document.trim_ascii();
        match serde_json::from_slice::<Bundle>(document) {
            Ok(Bundle { resource_type: Some(name), entry }) if name == "Bundle" => found.extend(
                entry.into_iter().flatten().filter_map(|entry| Some(entry.resource?.get().as_bytes().to_vec())),
            ),
            _ if serde_json::from_slice::<Named>(document).is_ok() => found.push(document.to_vec()),
            _ => {}
        }
    }
    found
}

#[test]
fn one_bad_item_does_not_keep_the_rest_out() {
    let site = Site::new();
    let bundle = site.file(
        "b.json",
        concat!(
            "\u{feff}{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[\n",
            "{\"fullUrl\":\"urn:uuid:aa\",\"resource\":{\"resourceType\":\"Patient\",\"identifier\":[{\"system\":\"s\",\"value\":\"M1\"}]}},\n",
            "{\"resource\":{\"resourceType\":\"Observation\",\"id\":\"o1\",\"subject\":{\"reference\":\"urn:uuid:aa\"},\"effectiveDateTime\":\"2024-13-40\"}},\n",
            "{\"resource\":{\"resourceType\":\"Observation\",\"id\":\"o2\",\"subject\":{\"reference\":\"urn:uuid:zz\"}}},\n",
            "{\"resource\":{\"resourceType\":\"Observation\",\"id\":\"o3\",\"subject\":{\"reference\":\"urn:uuid:aa\"},\"status\":\"final\"}}]}",
        ),
    );
    // Names its patient by an identifier, and is read before the patient.
    let early = site.file(
        "a.ndjson",
        "{\"resourceType\":\"Condition\",\"id\":\"c1\",\"subject\":{\"reference\":\"Patient?identifier=s|M1\"}}\n\
         {\"resourceType\":\"Condition\",\"id\":\"c2\",\"subject\":{\"reference\":\"Patient?identifier=s|M9\"}}\n\
         {\"resourceType\":\"Condi",
    );
    let image = site.file("c.png", b"\x89PNG\r\n\x1a\n");
    let gone = site.dir.path().join("gone.json");
    let damaged = site.file("d.json.gz", b"\x1f\x8b\x08\x00nonsense");
    let summary = site.import(&[early, bundle, image, gone, damaged]);
    let said: Vec<_> = summary
        .rejected
        .iter()
        .map(|r| {
            (r.file.as_str(), r.line, r.field.as_deref(), r.resource.as_deref(), r.reason.split(';').next().unwrap())
        })
        .collect();
    assert_eq!((summary.files, summary.resources, summary.patients), (5, 3, 1), "{said:?}");
    let date = "the date is not a FHIR date (YYYY, YYYY-MM, YYYY-MM-DD or with time and offset)";
    assert_eq!(said[0], ("a.ndjson", Some(3), None, None, "malformed JSON: EOF while parsing a string (column 22)"));
    assert_eq!(said[1], ("b.json", Some(3), Some("Observation.effectiveDateTime"), Some("Observation/o1"), date));
    assert_eq!(
        (said[2].2, said[2].4),
        (Some("Bundle.entry[2]"), "it names its patient by an address that the bundle does not hold")
    );
    assert_eq!((said[3].0, said[3].4), ("c.png", "an image cannot be imported yet"));
    assert_eq!((said[4].0, said[4].4), ("gone.json", "there is no such file"));
    assert_eq!(said[5].0, "d.json.gz");
    assert_eq!((said[6].0, said[6].1, said[6].3), ("a.ndjson", Some(2), Some("Condition/c2")));
    assert_eq!(said.len(), 7);
    // The chart of the patient holds what is his, and says that something of his was put aside.
    let chart = site.store.chart("s|M1").unwrap().unwrap();
    let sources: Vec<_> = chart.entries.iter().map(|entry| entry.source.as_str()).collect();
    assert_eq!(sources, ["Condition/c1", "Observation/o3"]);
    assert_eq!(chart.rejected.len(), 1);
}

/// A minimal message of patient `M1`; `extra` are segments after PID.
fn message(control_id: &str, event: &str, extra: &[&str]) -> String {
    let head = format!(
        "MSH|^~\\&|EMR|HAECHI|CORE|HAECHI|20250102090000+0900||{event}|{control_id}|P|2.5.1|||||KOR|UNICODE UTF-8"
    );
    let pid = "PID|1||M1^^^HAECHI&1.2.410.100000.1.1&ISO^MR||김^민수^^^^^L^I||19720305|M";
    [&[head.as_str(), pid], extra].concat().join("\r") + "\r"
}

#[test]
fn messages_amend_each_other_in_their_order_and_count_once() {
    let site = Site::new();
    let admit = message(
        "A1",
        "ADT^A01^ADT_A01",
        &["PV1|1|I|51W^5101^1^HAECHI||||||||||||||||V1|||||||||||||||||||||||||20250102090000+0900"],
    );
    let result = |control_id: &str, value: &str, status: &str| {
        message(
            control_id,
            "ORU^R01^ORU_R01",
            &[
                "PV1|1|I|51W^5101^1^HAECHI||||||||||||||||V1",
                "OBR|1|P1|F1|24323-8^CMP^LN|||20250102100000+0900|||||||||||||||20250102100000+0900||LAB|F",
                &format!("OBX|1|NM|2823-3^Potassium^LN||{value}|mmol/L|3.5-5.1|H|||{status}|||20250102100000+0900"),
            ],
        )
    };
    let discharge = message(
        "A3",
        "ADT^A03^ADT_A03",
        &[
            "PV1|1|I|51W^5101^1^HAECHI||||||||||||||||V1|||||||||||||||||01||||||||20250102090000+0900|20250105100000+0900",
        ],
    );
    let broken = "MSH|^~\\&|EMR\rNOT A SEGMENT\r".to_owned();
    let file = site.file(
        "feed.hl7",
        [admit, result("R1", "5.90", "P"), broken, result("R2", "5.60", "C"), result("R2", "5.60", "C"), discharge]
            .concat(),
    );
    let first = site.import(std::slice::from_ref(&file));
    assert_eq!((first.files, first.messages, first.patients), (1, 5, 1), "{:?}", first.rejected);
    assert_eq!(first.unchanged, 1, "the message that came twice");
    assert!(!first.rejected.is_empty());
    for rejected in &first.rejected {
        assert_eq!(rejected.file, "feed.hl7");
        assert!(rejected.line.is_some() && rejected.segment.is_some(), "{rejected:?}");
    }
    let chart = site.store.chart("M1").unwrap().unwrap();
    let potassium: Vec<_> = chart.entries.iter().filter(|entry| !entry.values.is_empty()).collect();
    assert_eq!(potassium.len(), 1, "a corrected result replaces the preliminary one");
    assert_eq!(
        (potassium[0].values[0].text.as_str(), potassium[0].standing.clone()),
        ("5.60", Standing::SaidAs("corrected"))
    );
    let origin = potassium[0].origin.as_ref().unwrap();
    assert!(origin.fields.iter().any(|(path, field)| path == "valueQuantity" && field == "OBX[1]-5"), "{origin:?}");
    let visit = chart.entries.iter().find(|entry| entry.kind == Kind::Encounter).unwrap();
    assert_eq!(visit.status.as_deref(), Some("finished"));
    assert!(visit.when.is_some() && visit.until.is_some());

    let before = site.store.counts().unwrap();
    let again = site.import(&[file]);
    assert_eq!((again.messages, again.unchanged, again.resources), (5, 5, 0));
    assert_eq!(site.store.counts().unwrap(), before, "importing again changes nothing");
}

#[test]
fn the_hl7_samples_go_in_or_say_why_not() {
    let Some(hl7) = data("hl7v2") else { return };
    let site = Site::new();
    let paths: Vec<PathBuf> =
        files_below(&hl7).into_iter().filter(|path| path.extension().is_some_and(|end| end == "hl7")).collect();
    assert!(paths.len() > 100);
    let first = site.import(&paths);
    for rejected in &first.rejected {
        let whole_file = rejected.reason == "the file is empty";
        assert!(whole_file || (rejected.line.is_some() && rejected.segment.is_some()), "{rejected:?}");
        assert!(!rejected.reason.is_empty() && !rejected.reason.contains("report this"), "{rejected:?}");
    }
    assert!(first.messages > 110, "{}", first.messages);
    let before = site.store.counts().unwrap();
    let again = site.import(&paths);
    assert_eq!((again.messages, again.unchanged), (first.messages, first.messages));
    assert_eq!(site.store.counts().unwrap(), before);
}

#[test]
fn a_patient_who_replaces_another_holds_both_charts() {
    let site = Site::new();
    let file = site.file(
        "b.json",
        r#"{"resourceType":"Bundle","type":"collection","entry":[
        {"resource":{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/old"},"code":{"text":"gout"}}},
        {"resource":{"resourceType":"Patient","id":"old","active":false,"link":[{"type":"replaced-by","other":{"reference":"Patient/new"}}]}},
        {"resource":{"resourceType":"Patient","id":"new","link":[{"type":"replaces","other":{"reference":"Patient/old"}},{"type":"seealso","other":{"reference":"Patient/x"}}]}},
        {"resource":{"resourceType":"Patient","id":"odd","link":[{"type":"replaced-by","other":{"reference":"Patient/odd"}}]}}]}"#,
    );
    let summary = site.import(&[file]);
    assert_eq!((summary.resources, summary.rejected.len()), (4, 1), "{:?}", summary.rejected);
    assert_eq!((summary.rejected[0].field.as_deref(), summary.rejected[0].line), (Some("Patient.link"), Some(5)));
    let chart = site.store.chart("new").unwrap().unwrap();
    assert_eq!(chart.patient.ids, ["new", "old"]);
    assert_eq!(chart.entries.len(), 1);
}

#[test]
fn a_bundle_too_large_to_hold_streams_and_one_huge_entry_stays_out() {
    let site = Site::new();
    let binary = |id: usize, size: usize| {
        format!("{{\"resource\":{{\"resourceType\":\"Binary\",\"id\":\"b{id}\",\"data\":\"{}\"}}}}", "A".repeat(size))
    };
    let entries: Vec<String> = (0..4).map(|id| binary(id, 9 << 20)).chain([binary(9, 17 << 20)]).collect();
    let text = format!("{{\"entry\":[\n{}],\"resourceType\":\"Bundle\",\"type\":\"batch\"}}", entries.join(",\n"));
    let summary = site.import(&[site.file("large.json", text)]);
    assert_eq!(summary.resources, 4, "{:?}", summary.rejected);
    assert_eq!(summary.rejected.len(), 1);
    assert_eq!((summary.rejected[0].line, summary.rejected[0].field.as_deref()), (Some(6), Some("Bundle.entry[4]")));
    let stored = site.store.current("Binary", "b3").unwrap().unwrap();
    assert!(entries[3].contains(std::str::from_utf8(&stored).unwrap()));
}

#[test]
fn a_full_disk_ends_the_import_in_words_and_the_next_one_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("record.db");
    let key = Key::new([7; 32]);
    let lines: String = (0..6_000)
        .map(|id| {
            format!("{{\"resourceType\":\"Observation\",\"id\":\"o{id}\",\"status\":\"final\",\"subject\":{{\"reference\":\"Patient/p\"}}}}\n")
        })
        .collect();
    let file = dir.path().join("o.ndjson");
    fs::write(&file, lines).unwrap();
    let inputs = [Input::path(file)];
    let small = OpenOptions { max_pages: Some(200), ..OpenOptions::default() };
    let error = {
        let store = Store::open_with(&at, &key, &small).unwrap();
        import(&store, &inputs, &Options::default(), &Silent).unwrap_err()
    };
    let text = error.to_string();
    assert!(text.contains("HAECHI-0302") && text.contains("the disk is full"), "{text}");
    let store = Store::open(&at, &key).unwrap();
    let stored = store.counts().unwrap().resources;
    let summary = import(&store, &inputs, &Options::default(), &Silent).unwrap();
    assert_eq!((summary.resources, summary.unchanged), (6_000, stored));
    assert_eq!(store.counts().unwrap().resources, 6_000);
}
