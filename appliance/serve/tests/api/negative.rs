//! Nonsense of every kind at every address: never a fault of ours, always an outcome that says what is wrong.

use std::time::{Duration, Instant};

use haechi_intake::fhir::types::TYPES;
use haechi_record::index::params;
use haechi_serve::{Api, Asked};
use serde_json::Value;

use super::support::{api, call};

/// Requests of one run; each is made of the seed alone.
const REQUESTS: u64 = 6000;
/// No request may take longer, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Dice (SplitMix64): the same requests in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).unwrap()
    }

    fn pick<'p>(&mut self, from: &'p [&'p str]) -> &'p str {
        from[self.roll(from.len())]
    }
}

const METHODS: &[&str] = &["GET", "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"];

const ADDRESSES: &[&str] = &[
    "",
    "/",
    "/health",
    "/fhir",
    "/fhir/",
    "/fhir/metadata",
    "/fhir/_history",
    "/fhir/TYPE",
    "/fhir/TYPE/_search",
    "/fhir/TYPE/_history",
    "/fhir/TYPE/ID",
    "/fhir/TYPE/ID/_history",
    "/fhir/TYPE/ID/_history/ID",
    "/fhir/TYPE/ID/_history/1",
    "/fhir/TYPE/ID/$everything",
    "/fhir/Patient/p/$everything",
    "/fhir/Patient/$match",
    "/fhir/$import",
    "/fhir/$import/ID",
    "/fhir/$import/ID/errors",
    "/fhir/Patient/p/TYPE",
    "/fhir/Patient/ID/TYPE",
    "/fhir/Patient/ID/TYPE/_search",
    "/fhir/TYPE/ID/TYPE/ID/TYPE",
    "/fhir/$TYPE",
    "/fhirx/TYPE",
];

const IDS: &[&str] = &[
    "p",
    "nobody",
    "..",
    ".",
    "%00",
    "%2e%2e%2f",
    "a b",
    "_search",
    "$everything",
    "-1",
    "0",
    "18446744073709551616",
    "환자",
    "\u{0}",
    "'; DROP TABLE resource; --",
    "1234567890123456789012345678901234567890123456789012345678901234",
    "12345678901234567890123456789012345678901234567890123456789012345",
];

const VALUES: &[&str] = &[
    "",
    ",",
    ",,",
    "|",
    "||",
    "|||",
    "a|b",
    "a||b",
    "\\",
    "\\,",
    "%",
    "%ff",
    "%00",
    "%F0%9F%92%8A",
    "ge",
    "ge2024",
    "gt2024-02-30",
    "0000",
    "9999",
    "9999-12-31T23:59:60%2B14:00",
    "-9999-01-01",
    "2024-01-01T00:00:00+09:00",
    "1e400",
    "1e-400",
    "0e999999999",
    "-1e308",
    "ap1e308",
    "NaN",
    "5.4||mg",
    "Patient/p",
    "Patient/",
    "/p",
    "///",
    "http://[::1",
    "urn:uuid:",
    "true",
    "-",
    "-date,-date,-",
    "*",
    ":::",
    "Observation:subject:Patient",
    "Patient:link:Nothing:x",
    "{}",
    "[1]",
    "%7B%22keys%22%3A%5Bnull%5D%2C%22place%22%3A-1%2C%22row%22%3A9223372036854775807%7D",
    "99999999999999999999999999",
    "-1",
    "0",
    "김",
    "\u{1f600}\u{200d}",
];

const CONTROLS: &[&str] = &[
    "_id",
    "_count",
    "_sort",
    "_cursor",
    "_include",
    "_revinclude",
    "_summary",
    "_total",
    "_elements",
    "_lastUpdated",
    "_format",
    "_has:Observation:patient:code",
    "_after",
    "_below",
    "_since",
    "_type",
    "_query",
    "",
    ":",
    ".",
    "%ff",
    "subject.subject.subject",
    "subject:Patient.name",
    "patient.identifier",
    "subject:Nothing.name",
];

const MODIFIERS: &[&str] = &[
    "",
    "",
    "",
    ":missing",
    ":not",
    ":text",
    ":exact",
    ":contains",
    ":identifier",
    ":Patient",
    ":below",
    ":above",
    ":in",
    ":of-type",
    ":",
    ":::",
    ".name",
    ".",
    ".identifier",
];

const MEDIA: &[&str] = &[
    "application/fhir+json",
    "application/fhir+json",
    "application/json; charset=utf-8",
    "application/json-patch+json",
    "application/x-www-form-urlencoded",
    "application/fhir+xml",
    "text/plain",
    "multipart/form-data",
    "",
    ";",
    "*/*",
];

const BODIES: &[&str] = &[
    "",
    " ",
    "null",
    "[]",
    "{}",
    "{",
    "}",
    "\u{feff}{}",
    "\"text\"",
    "1e999",
    "{\"resourceType\":\"TYPE\"}",
    "{\"resourceType\":\"TYPE\",\"id\":\"ID\"}",
    "{\"resourceType\":\"TYPE\",\"id\":\"p\"}",
    "{\"resourceType\":\"TYPE\",\"id\":7}",
    "{\"resourceType\":\"TYPE\",\"id\":null}",
    "{\"resourceType\":\"TYPE\",\"resourceType\":\"Patient\"}",
    "{\"resourceType\":[\"TYPE\"]}",
    "{\"resourceType\":\"TYPE\",\"text\":\"\\ud800\"}",
    "{\"resourceType\":\"TYPE\",\"identifier\":{\"value\":[[[{}]]]},\"subject\":7,\"date\":{},\"code\":[null]}",
    "{\"resourceType\":\"TYPE\",\"birthDate\":\"soon\"}",
    "{\"resourceType\":\"TYPE\",\"name\":[{\"family\":[1],\"given\":\"x\"}],\"active\":\"maybe\"}",
    "{\"resourceType\":\"Bundle\"}",
    "{\"resourceType\":\"Bundle\",\"type\":\"transaction\"}",
    "{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[{}]}",
    "{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[{\"request\":{\"method\":\"BREW\",\"url\":\"TYPE/ID?x=%ff\"}}]}",
    "{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[{\"request\":{\"method\":\"POST\",\"url\":\"\"},\"resource\":{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[{\"request\":{\"method\":\"POST\",\"url\":\"/\"}}]}}]}",
    "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[{\"request\":{\"method\":\"GET\",\"url\":\"TYPE/ID\"}}]}",
    "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[{\"fullUrl\":\"urn:uuid:0\",\"request\":{\"method\":\"PUT\",\"url\":\"TYPE?identifier=a|b\"},\"resource\":{\"resourceType\":\"TYPE\"}}]}",
    "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[{\"request\":{\"method\":\"POST\",\"url\":\"TYPE\",\"ifNoneExist\":\"%ff\"},\"resource\":7}]}",
    "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[{\"request\":{\"method\":\"DELETE\",\"url\":\"TYPE?\"}}]}",
    "[{\"op\":\"add\"}]",
    "[{\"op\":\"add\",\"path\":\"/a/-\",\"value\":1}]",
    "[{\"op\":\"remove\",\"path\":\"\"}]",
    "[{\"op\":\"replace\",\"path\":\"\",\"value\":[]}]",
    "[{\"op\":\"copy\",\"from\":\"\",\"path\":\"/a\"},{\"op\":\"copy\",\"from\":\"\",\"path\":\"/b\"}]",
    "[{\"op\":\"replace\",\"path\":\"/id\",\"value\":\"other\"}]",
    "_id=p&x=%ff",
    "patient=p&_count=-1",
];

fn request(dice: &mut Dice) -> Asked {
    let kind = match dice.roll(12) {
        0 => "Nothing",
        1 => "patient",
        2 => "Bundle",
        3..6 => "Patient",
        6..9 => "Observation",
        _ => TYPES[dice.roll(TYPES.len())],
    };
    let id = dice.pick(IDS);
    let filled = |text: &str| text.replace("TYPE", kind).replace("ID", id);
    let mut query = Vec::new();
    for _ in 0..dice.roll(4) {
        let table = params::of(kind);
        let name = match dice.roll(2) {
            0 => dice.pick(CONTROLS).to_owned(),
            _ => table.params[dice.roll(table.params.len())].name.to_owned(),
        };
        query.push(format!("{name}{}={}", dice.pick(MODIFIERS), dice.pick(VALUES)));
    }
    let mut body = filled(dice.pick(BODIES)).into_bytes();
    match dice.roll(30) {
        0 => body.push(0xff),
        1 => body = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000)).into_bytes(),
        2 => {
            body = format!("{{\"resourceType\":\"{kind}\",\"a\":{}1{}}}", "{\"a\":".repeat(3000), "}".repeat(3000))
                .into_bytes()
        }
        3 => body = format!("{{\"resourceType\":\"{kind}\",\"a\":\"{}\"}}", "가".repeat(10_000)).into_bytes(),
        _ => {}
    }
    let tag = ["", "", "", "*", "W/\"1\"", "W/\"99999999999999999999\"", "\"", "nonsense"];
    Asked {
        method: dice.pick(METHODS).parse().unwrap(),
        path: filled(dice.pick(ADDRESSES)),
        query: query.join("&"),
        content_type: dice.pick(MEDIA).to_owned(),
        if_match: dice.pick(&tag).to_owned(),
        if_none_match: dice.pick(&tag).to_owned(),
        if_none_exist: if dice.roll(5) == 0 { dice.pick(VALUES).to_owned() } else { String::new() },
        prefer: dice
            .pick(&["", "handling=strict", "handling=lenient", "return=minimal", ";;,,", "handling="])
            .to_owned(),
        base: "http://h/fhir".to_owned(),
        body,
    }
}

fn check(api: &Api, asked: &Asked, which: &str) {
    let begun = Instant::now();
    let reply = api.answer(asked);
    assert!(begun.elapsed() < PATIENCE, "{which}: {asked:?}");
    assert!(reply.status.as_u16() < 500, "{which}: {} to {asked:?}", reply.status);
    if reply.status.is_success() && reply.body.is_empty() || reply.status == 304 {
        return;
    }
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_else(|error| panic!("{which}: {error}: {asked:?}"));
    if reply.status.as_u16() >= 400 {
        assert_eq!(body["resourceType"], "OperationOutcome", "{which}: {asked:?}");
        let text = body["issue"][0]["diagnostics"].as_str().unwrap();
        assert!(text.starts_with("HAECHI-07"), "{which}: {text}");
    }
}

#[test]
fn no_nonsense_is_a_fault_of_ours_and_every_refusal_is_an_outcome() {
    let (api, _folder) = api();
    let patient =
        "{\"resourceType\":\"Patient\",\"id\":\"p\",\"name\":[{\"family\":\"김\"}],\"birthDate\":\"1970-01-01\"}";
    assert_eq!(call(&api, "PUT", "/fhir/Patient/p", patient, &[]).status, 201);
    let mut dice = Dice(11);
    for number in 0..REQUESTS {
        check(&api, &request(&mut dice), &format!("request {number}"));
    }
}

#[test]
fn a_patch_cannot_grow_without_bound() {
    let (api, _folder) = api();
    let raw = format!("{{\"resourceType\":\"Basic\",\"id\":\"b\",\"x\":\"{}\"}}", "x".repeat(50_000));
    assert_eq!(call(&api, "PUT", "/fhir/Basic/b", &raw, &[]).status, 201);
    let headers = [("content-type", "application/json-patch+json")];
    let doubling: Vec<String> =
        (0..900).map(|at| format!("{{\"op\":\"copy\",\"from\":\"\",\"path\":\"/c{at}\"}}")).collect();
    assert_eq!(call(&api, "PATCH", "/fhir/Basic/b", &format!("[{}]", doubling.join(",")), &headers).status, 422);
    // Each step puts a deep value under the deepest place so far.
    let (mut path, mut steps) = (String::from("/d"), Vec::new());
    for _ in 0..60 {
        steps.push(format!("{{\"op\":\"add\",\"path\":\"{path}\",\"value\":{}1{}}}", "[".repeat(90), "]".repeat(90)));
        path.push_str(&"/0".repeat(90));
    }
    assert_eq!(call(&api, "PATCH", "/fhir/Basic/b", &format!("[{}]", steps.join(",")), &headers).status, 422);
    assert_eq!(call(&api, "GET", "/fhir/Basic/b", "", &[]).body, raw.as_bytes());
}
