//! Third-party messages: all of them map or are refused in words, and where somebody else's FHIR stands beside a message
//! the two agree in what a clinician would read. Each kind of difference that remains is listed below with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;

/// The folder of shared sample messages, or `None` with a word on stderr.
fn samples() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let root = std::env::var_os("HAECHI_TEST_DATA").map_or(beside, PathBuf::from);
    let folder = root.join("hl7v2");
    if !folder.is_dir() {
        eprintln!("skipped: no sample messages (set HAECHI_TEST_DATA to the shared data folder)");
        return None;
    }
    Some(folder)
}

fn settings() -> Hl7Settings {
    Hl7Settings {
        charset_override: None,
        assume_charset: "cp949".into(),
        zone: TimeZone::get("Asia/Seoul").unwrap(),
        assigning_authority: String::new(),
    }
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut out: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    out.retain(|path| path.to_string_lossy().ends_with(ending));
    out.sort();
    out
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// Everything the messages of a file become.
fn resources(path: &Path) -> Vec<Value> {
    let bytes = std::fs::read(path).unwrap();
    let mut out = Vec::new();
    for piece in split(&bytes) {
        if let Ok(mapped) = map(piece.bytes, &settings(), &|_, _| None) {
            out.extend(mapped.resources.iter().map(|r| serde_json::from_slice::<Value>(&r.json).unwrap()));
        }
    }
    out
}

fn bundle(path: &Path) -> Vec<Value> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    let bundle: Value = serde_json::from_str(&text).unwrap();
    bundle["entry"].as_array().unwrap().iter().map(|entry| entry["resource"].clone()).collect()
}

#[test]
fn every_sample_maps_or_is_refused_in_words() {
    let Some(folder) = samples() else { return };
    let mut messages = 0;
    let mut refused = Vec::new();
    for set in ["microsoft", "cdc-ti", "linuxforhealth"] {
        for path in files(&folder.join(set), ".hl7") {
            let bytes = std::fs::read(&path).unwrap();
            for piece in split(&bytes) {
                messages += 1;
                let rejected = match map(piece.bytes, &settings(), &|_, _| None) {
                    Ok(mapped) => {
                        assert!(!mapped.resources.is_empty(), "{}", name(&path));
                        for resource in &mapped.resources {
                            let json: Value = serde_json::from_slice(&resource.json).unwrap();
                            assert!(json["resourceType"].is_string() && json["id"].is_string(), "{}", name(&path));
                            assert!(!has_empty(&json), "FHIR knows no empty values: {} {json}", name(&path));
                        }
                        mapped.rejected
                    }
                    Err(rejected) => {
                        refused.push(name(&path));
                        rejected
                    }
                };
                for one in rejected {
                    assert!(one.segment.is_some() && one.line.is_some(), "{} {one:?}", name(&path));
                    assert!(one.reason.len() > 10, "{} {one:?}", name(&path));
                }
            }
        }
    }
    assert!(messages > 130, "{messages}");
    // Malformed on purpose, or acknowledgements; the file without any message is in none of these.
    let expected = [
        "Natus__001_Natus_ACK.hl7",
        "Test__Message__msh-12_has_value_2_3.hl7",
        "Test__Message__msh_present_but_missing_all_fields.hl7",
        "Test__Message__msh_present_but_missing_msh-10.hl7",
        "Test__Message__msh_present_but_missing_msh-2.hl7",
        "Test__Message__msh_present_but_missing_msh-6.hl7",
        "Test__Message__msh_present_but_missing_msh-9.hl7",
        "Test__Message__orm_obx-5_is_not_a_numeric_value.hl7",
    ];
    assert_eq!(refused, expected);
}

fn has_empty(json: &Value) -> bool {
    match json {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty() || items.iter().any(has_empty),
        Value::Object(fields) => fields.is_empty() || fields.values().any(has_empty),
        _ => false,
    }
}

/// The same text with lines cut by `\r`, `\n`, `\r\n` and a mixture becomes the same.
#[test]
fn line_ends_do_not_matter() {
    let Some(folder) = samples() else { return };
    let folder = folder.join("linuxforhealth");
    let unix = resources(&folder.join("sample_unix.hl7"));
    assert!(!unix.is_empty());
    assert_eq!(unix, resources(&folder.join("sample_win.hl7")));
    let prose = resources(&folder.join("ORU-multiline-short-mixed.hl7"));
    let report = prose.iter().find(|r| r["resourceType"] == "DiagnosticReport").unwrap();
    let data = report["presentedForm"][0]["data"].as_str().unwrap();
    let text = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, data).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text, "[PII] Emergency Department\nED Encounter Arrival Date: [ADDRESS] [PERSONALNAME]:");
}

/// What a clinician would read of a resource, as comparable facts.
type Facts = BTreeSet<(&'static str, String)>;

/// Instants compare as instants, dates as dates.
fn time(text: &Value) -> String {
    let text = text.as_str().unwrap_or_default();
    let instant = text.parse::<jiff::Timestamp>().ok();
    // The other converter writes times without seconds or zone where the message has none.
    let local = || {
        let at: jiff::civil::DateTime = text.parse().ok()?;
        text.contains('T').then(|| at.to_zoned(settings().zone).ok().map(|z| z.timestamp())).flatten()
    };
    instant.or_else(local).map_or_else(|| text.to_owned(), |instant| instant.to_string())
}

fn codes(concept: &Value) -> String {
    let concepts = concept.as_array().cloned().unwrap_or_else(|| vec![concept.clone()]);
    let codings = concepts.iter().flat_map(|c| c["coding"].as_array().cloned().unwrap_or_default());
    let codes: BTreeSet<String> = codings.filter_map(|c| c["code"].as_str().map(str::to_owned)).collect();
    codes.into_iter().collect::<Vec<_>>().join(" ")
}

fn quantity(value: &Value) -> String {
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let unit = if value["unit"].is_string() { text("unit") } else { text("code") };
    let number = value["value"].as_f64().map(|number| number.to_string()).unwrap_or_default();
    format!("{}{number} {unit}", text("comparator")).trim().to_owned()
}

fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn facts(r: &Value) -> Facts {
    let mut out = Facts::new();
    let mut add = |kind: &'static str, text: String| {
        let text = text.trim().to_owned();
        if !text.is_empty() {
            out.insert((kind, text));
        }
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for identifier in each(&r["identifier"]) {
        add("identifier", text(&identifier["value"]));
    }
    for key in [
        "effectiveDateTime",
        "performedDateTime",
        "onsetDateTime",
        "occurrenceDateTime",
        "authoredOn",
        "issued",
        "start",
        "end",
    ] {
        add(if key == "end" { "end" } else { "when" }, time(&r[key]));
    }
    match r["resourceType"].as_str().unwrap_or_default() {
        "Patient" => {
            for name in each(&r["name"]) {
                let given = each(&name["given"]).take(2).filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
                add("name", format!("{} {given}", text(&name["family"]).trim()));
            }
            add("birth", text(&r["birthDate"]));
            add("sex", text(&r["gender"]));
            add("dead", time(&r["deceasedDateTime"]));
            add("dead", r["deceasedBoolean"].as_bool().map(|b| b.to_string()).unwrap_or_default());
            for address in each(&r["address"]) {
                add("address", format!("{} {}", text(&address["city"]).trim(), text(&address["postalCode"]).trim()));
            }
            add("marital", codes(&r["maritalStatus"]));
        }
        "Encounter" => {
            add("status", text(&r["status"]));
            add("class", text(&r["class"]["code"]));
            add("start", time(&r["period"]["start"]));
            add("end", time(&r["period"]["end"]));
            add("reason", codes(&r["reasonCode"]));
        }
        "Observation" => {
            add("status", text(&r["status"]));
            add("flag", codes(&r["interpretation"]));
            let components = each(&r["component"]);
            for holder in components.chain([r]) {
                for (key, value) in holder.as_object().into_iter().flatten() {
                    match key.as_str() {
                        "valueQuantity" => add("value", quantity(value)),
                        "valueCodeableConcept" => add("value", codes(value)),
                        "valueDateTime" => add("value", time(value)),
                        "valueString" | "valueTime" => add("value", text(value)),
                        "referenceRange" => each(value).for_each(|range| add("range", text(&range["text"]))),
                        _ => {}
                    }
                }
            }
            each(&r["note"]).for_each(|note| add("note", text(&note["text"])));
        }
        "Condition" | "Procedure" | "AllergyIntolerance" => {
            add("text", text(&r["code"]["text"]));
            add("criticality", text(&r["criticality"]));
            if r["resourceType"] == "AllergyIntolerance" {
                each(&r["category"]).for_each(|category| add("category", text(category)));
            }
            for reaction in each(&r["reaction"]) {
                each(&reaction["manifestation"]).for_each(|m| add("manifestation", text(&m["text"])));
            }
        }
        "Immunization" => {
            for (kind, key) in [("status", "status"), ("lot", "lotNumber"), ("expiry", "expirationDate")] {
                add(kind, text(&r[key]));
            }
            add("dose", quantity(&r["doseQuantity"]));
            add("route", codes(&r["route"]));
            add("site", codes(&r["site"]));
        }
        "MedicationRequest" => {
            add("status", text(&r["status"]));
            for dosage in each(&r["dosageInstruction"]) {
                each(&dosage["doseAndRate"]).for_each(|dose| add("dose", quantity(&dose["doseQuantity"])));
                add("route", codes(&dosage["route"]));
            }
        }
        "DocumentReference" => {
            add("status", text(&r["status"]));
            add("docStatus", text(&r["docStatus"]));
            add("identifier", text(&r["masterIdentifier"]["value"]));
        }
        "DiagnosticReport" | "ServiceRequest" | "Appointment" => add("status", text(&r["status"])),
        _ => {}
    }
    out
}

/// Resources are compared with those of the same type and main code.
fn subject(r: &Value, by_code: bool) -> Option<(String, String)> {
    let kind = r["resourceType"].as_str()?.to_owned();
    let code = match kind.as_str() {
        "Patient" | "Encounter" | "Appointment" | "DocumentReference" | "MedicationRequest" => String::new(),
        "Observation" | "Condition" | "AllergyIntolerance" | "Procedure" | "DiagnosticReport" | "ServiceRequest" => {
            codes(&r["code"])
        }
        "Immunization" => codes(&r["vaccineCode"]),
        _ => return None,
    };
    Some((kind, if by_code { code } else { String::new() }))
}

/// A difference that is meant: where (file names that begin so; empty: all), resource type, kind of fact (`missing`: the
/// whole resource), what the fact says (contained; empty: anything), why.
type Meant = (&'static [&'static str], &'static str, &'static str, &'static [&'static str], &'static str);

const MICROSOFT: &[Meant] = &[
    (
        &[],
        "Procedure",
        "missing",
        &["", "code=autopsy-performed", "code=death-certification"],
        "PDA (death and autopsy) is not read; the other empty ones stand only for a PR1-25 parent",
    ),
    (
        &[],
        "Observation",
        "missing",
        &["code=death-certificate", "code=autopsy", "code=coroner", "code=injury-incident", "code=ERDr"],
        "PDA and ACC (accident) are not read",
    ),
    (
        &[],
        "Condition",
        "missing",
        &["code= ", "code=I21"],
        "PDA's cause of death is not read; the empty ones stand only for a DG1-22 parent",
    ),
    (
        &[],
        "Patient",
        "identifier",
        &["DB1", "MB-12345", "MCN-008", "MI-12345", "Medicare-12345", "PNM1234", "1516", "55121", "G-SSN-12"],
        "numbers from DB1, IN2 and GT1 belong to disability, insurance and guarantor, not to the chart",
    ),
    (
        &[],
        "Patient",
        "name",
        &["Jack ADAM", "RADIANT LUCY"],
        "names in IN2 and GT1 are the insured's and the guarantor's",
    ),
    (
        &["ADT01-23"],
        "Patient",
        "name",
        &["123121234A"],
        "PID-9 there holds a number, in the component after the family name",
    ),
    (&["MDM-"], "Patient", "name", &["Smith Robert"], "the converter reads a name that is not in PID"),
    (&[], "Patient", "address", &["MADISON"], "GT1's address is the guarantor's"),
    (
        &["ADT-A15", "ADT-A16", "ADT-A25", "ADT-A26"],
        "Encounter",
        "status",
        &["in-progress"],
        "PV1-2 says pre-admit, which the published PatientClass[EncounterStatus] maps to planned",
    ),
    (&["ADT-"], "Encounter", "end", &[""], "PV2-9 is when discharge is expected, not when it happened"),
    (
        &["ADT-A27"],
        "Encounter",
        "start",
        &[""],
        "PV1-44 is when it began; the converter took PV2-8, when it was expected",
    ),
    (
        &["MDM-T02-03", "OUL-R22-01"],
        "Encounter",
        "missing",
        &[""],
        "PV1 with neither number nor time names no visit that could be found again",
    ),
    (
        &[],
        "Observation",
        "status",
        &["unknown"],
        "statuses S, O and I are preliminary and registered by the meaning of table 0085",
    ),
    (
        &["MDM-T02-03"],
        "Observation",
        "missing",
        &["code=obs-id"],
        "the lines of a document's text are its text, not 29 observations",
    ),
    (&[], "DocumentReference", "docStatus", &["preliminary"], "TXA-17 AU is authenticated, which is final"),
    (&["VXU-V04-01"], "DocumentReference", "missing", &[""], "an empty artefact of the converter"),
    (
        &[],
        "DiagnosticReport",
        "missing",
        &["unknown", "code=57698-3", "code=8867-4", "code=22310-7", ""],
        "orders are requests until results come; OBX of type ED and RP are the document's content or the report's form, not reports",
    ),
    (
        &["LAB-ORU-1"],
        "DiagnosticReport",
        "status",
        &["unknown"],
        "a report without OBR-25 stands as its results do: preliminary",
    ),
    (
        &[],
        "DiagnosticReport",
        "identifier",
        &["9adf2339", "GORD874233", "PGN-04"],
        "group numbers (ORC-4) are not the report's",
    ),
    (
        &[],
        "ServiceRequest",
        "identifier",
        &["9adf2", "29adf2", "APON-53", "PGN-04"],
        "group and parent numbers (ORC-4, ORC-8) are not the order's",
    ),
    (&["ADT-", "REF-"], "ServiceRequest", "missing", &[""], "RF1 (referral) is not read"),
    (&["SIU-"], "ServiceRequest", "missing", &[""], "AIS is the appointment's service type"),
    (
        &["ORU-", "OUL-", "LAB-ORU", "LRI", "VXU", "DFT-", "OML-O21-01", "MDM-T02-03"],
        "ServiceRequest",
        "missing",
        &[""],
        "results and vaccinations answer an order by its number; the order itself comes from order messages. Parents (ORC-8) are not orders of their own",
    ),
    (&["REF-"], "ServiceRequest", "status", &["active"], "ORC-1 there leaves the order's state open"),
    (&["MDM-T02-03"], "ServiceRequest", "status", &["unknown"], "ORC-1 NW is active"),
    (
        &["VXU"],
        "Immunization",
        "dose",
        &["999"],
        "999 is the registries' word for an amount not known (CDC guide 2.5.1)",
    ),
    (&["RDE-", "RDS-"], "MedicationRequest", "missing", &[""], "RXO and RXE are one order here"),
    (
        &["OML-O21-01"],
        "Observation",
        "note",
        &["No Antibodies Detected"],
        "a note after an embedded document describes the document",
    ),
    (&["OML-O21-03"], "Observation", "note", &["Test Note for 3rd"], "a note before the first OBX is about the order"),
    (&["OML-O21-03"], "Condition", "", &[""], "both DG1 carry the same DG1-20, so they are one diagnosis"),
];

const CDC: &[Meant] = &[
    (
        &["006_AL_ORM"],
        "Observation",
        "value",
        &["2100"],
        "`2100^g^LN` is no number: it is kept whole, as the words it is",
    ),
    (&["013_AL_ORM"], "Observation", "value", &["1234 GPCS WAY"], "running text is kept whole, delimiters and all"),
    (&[], "ServiceRequest", "status", &["unknown"], "ORC-1 NW is active by the published map"),
    (
        &["_2_fhir_transformation"],
        "ServiceRequest",
        "missing",
        &[""],
        "the message made of it has no OBR-4, so it does not say what is ordered",
    ),
    (
        &["_2_fhir_transformation"],
        "Observation",
        "",
        &[""],
        "the message made of it has no OBX-3, so it does not say what was observed",
    ),
];

struct Tally {
    /// Facts that both sides state about resources that both sides have.
    agreed: usize,
    /// Facts that the other side states about them.
    all: usize,
    differences: Vec<(String, String, &'static str, String)>,
}

fn compare(tally: &mut Tally, file: &str, expected: &[Value], got: &[Value], by_code: bool) {
    let mut ours: BTreeMap<(String, String), Vec<Facts>> = BTreeMap::new();
    for r in got {
        if let Some(key) = subject(r, by_code) {
            ours.entry(key).or_default().push(facts(r));
        }
    }
    let mut theirs: Vec<((String, String), Facts)> =
        expected.iter().filter_map(|r| Some((subject(r, by_code)?, facts(r)))).collect();
    // Those that find all they say choose first, then those that say most.
    let whole = |key: &(String, String), wanted: &Facts| {
        ours.get(key).is_some_and(|list| list.iter().any(|facts| wanted.is_subset(facts)))
    };
    theirs.sort_by_cached_key(|(key, facts)| (!whole(key, facts), std::cmp::Reverse(facts.len())));
    for (key, wanted) in theirs {
        tally.all += 1 + wanted.len();
        let found = ours.get_mut(&key).filter(|list| !list.is_empty()).map(|list| {
            let best = (0..list.len()).max_by_key(|at| list[*at].intersection(&wanted).count()).unwrap();
            list.swap_remove(best)
        });
        let Some(found) = found else {
            let says = wanted.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(" | ");
            tally.differences.push((file.to_owned(), key.0, "missing", format!("code={} {says}", key.1)));
            tally.all -= 1 + wanted.len();
            continue;
        };
        tally.agreed += 1 + wanted.intersection(&found).count();
        for (kind, text) in wanted.difference(&found) {
            tally.differences.push((file.to_owned(), key.0.clone(), kind, text.clone()));
        }
    }
}

/// Every difference must be meant, every meant one must occur, and where both sides have a resource, at least `least`
/// percent of what the other side says about it must stand here too.
fn settle(tally: &Tally, meant: &[Meant], least: usize) {
    let mut used = vec![0_usize; meant.len()];
    let mut open = Vec::new();
    for (file, kind, fact, text) in &tally.differences {
        let reason = meant.iter().position(|(files, of, what, texts, _)| {
            (files.is_empty() || files.iter().any(|part| file.contains(part)))
                && of == kind
                && (what.is_empty() || what == fact)
                && texts.iter().any(|part| text.contains(part))
        });
        match reason {
            Some(at) => used[at] += 1,
            None => open.push(format!("{file}: {kind} {fact}: {text}")),
        }
    }
    assert!(open.is_empty(), "{} differences without a reason:\n{}", open.len(), open.join("\n"));
    let idle: Vec<_> = meant.iter().zip(&used).filter(|(_, used)| **used == 0).map(|(m, _)| m.4).collect();
    assert!(idle.is_empty(), "reasons that nothing needs any more: {idle:?}");
    let percent = tally.agreed * 100 / tally.all;
    assert!(percent >= least, "{percent} % agree");
    eprintln!("agreed {} of {} facts, {} differences, all meant", tally.agreed, tally.all, tally.differences.len());
}

#[test]
fn agrees_with_the_microsoft_converter() {
    let Some(folder) = samples() else { return };
    let folder = folder.join("microsoft");
    let mut tally = Tally { agreed: 0, all: 0, differences: Vec::new() };
    let mut pairs = 0;
    for path in files(&folder.join("expected"), "-expected.json.gz") {
        let base = name(&path).replace("-expected.json.gz", "");
        pairs += 1;
        compare(&mut tally, &base, &bundle(&path), &resources(&folder.join(format!("{base}.hl7"))), true);
    }
    assert!(pairs > 60, "{pairs}");
    settle(&tally, MICROSOFT, 90);
}

#[test]
fn agrees_with_the_cdc_translation() {
    let Some(folder) = samples() else { return };
    let folder = folder.join("cdc-ti");
    let mut tally = Tally { agreed: 0, all: 0, differences: Vec::new() };
    for path in files(&folder, ".fhir.gz") {
        let base = name(&path).replace(".fhir.gz", "");
        let beside = base
            .replace("_1_hl7_translation", "_0_initial_message")
            .replace("_2_fhir_transformation", "_3_hl7_translation_final");
        let beside = folder.join(format!("{beside}.hl7"));
        if beside.is_file() {
            // That translation leaves the codes out, so results are matched by what they say.
            compare(&mut tally, &base, &bundle(&path), &resources(&beside), false);
        }
    }
    settle(&tally, CDC, 90);
}
