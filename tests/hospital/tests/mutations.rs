//! Messages and bundles with seeded mistakes in them: nothing crashes, nothing hangs, and whatever is refused is refused with
//! its place and a reason.
//!
//! `HAECHI_MUTATIONS` is how many are tried (500 messages and 25 bundles without it, 10,000 of each in the long proofs) and `HAECHI_MUTATIONS_SEED`
//! the first seed; a failure names the seed that repeats it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use haechi_hospital::{Options, generate};
use haechi_intake::hl7::{self, Hl7Settings};
use haechi_intake::import::{self, Input, Silent};
use haechi_record::key::Key;
use haechi_record::prepare::{Source, prepare};
use haechi_record::store::{OpenOptions, Store, Synchronous};
use jiff::Timestamp;
use rand::seq::IndexedRandom as _;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Far above what any message takes, so that a busy machine does not fail the test, and far below for ever.
const HANGS: Duration = Duration::from_secs(60);

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Our own hospital, written as FHIR and HL7 v2.
fn hospital(folder: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let options = Options { patients: 6, seed: 11, out: folder.to_owned(), ..Options::default() };
    generate(&options).unwrap();
    (files(&folder.join("fhir")), files(&folder.join("hl7")))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() { open.push(path) } else { out.push(path) }
        }
    }
    out.sort();
    out
}

/// Messages of the generator and, where the shared samples lie, of third parties.
fn messages(own: &[PathBuf]) -> Vec<Vec<u8>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let samples = std::env::var_os("HAECHI_TEST_DATA").map_or(beside, PathBuf::from).join("hl7v2");
    let foreign: Vec<PathBuf> =
        files(&samples).into_iter().filter(|path| path.extension().is_some_and(|end| end == "hl7")).collect();
    if foreign.is_empty() {
        eprintln!("no third-party samples (set HAECHI_TEST_DATA): only our own messages are mutated");
    }
    let mut out = Vec::new();
    for path in own.iter().chain(&foreign) {
        let bytes = std::fs::read(path).unwrap();
        out.extend(hl7::split(&bytes).map(|piece| piece.bytes.to_vec()));
    }
    out
}

/// What a sender might write into a field.
const FIELDS: &[&[u8]] = &[
    b"",
    b"\"\"",
    b"^^^^^",
    b"~~~",
    b"&&&",
    b"\\F\\\\S\\\\X4G\\\\",
    b"\\",
    b"\\X",
    b"\\M2442\\;3ED",
    b"\\C2842\\",
    b"\x1b$B;3ED\x1b(B",
    b"\x1b$)C\xb1\xe8",
    b"\xff\xfe\xfd",
    b"\xb1",
    b"20251332",
    b"20250230",
    b"99991231235959.9999+1400",
    b"2025",
    b"-1",
    b"1e999",
    b"<=",
    b"NaN",
    b"999999999999999999999999999999",
    b"W",
    b"D",
    b"X",
    b"CA",
    b"DE",
    b"A45",
    b"A37",
    b"OBX",
    b"UNICODE UTF-8",
    b"KS X 1001",
    b"ISO IR87",
    b"NM",
    b"SN",
    b"ED",
    b"RP",
    b"DR",
    b"CWE",
    b"Base64",
    b"^application^pdf^Base64^AAAA",
    b"00012345^^^H&1.2&ISO^MR",
    "김^민수".as_bytes(),
];
const NAMES: &[&[u8]] = &[
    b"ZZZ", b"PID", b"PV1", b"OBX", b"OBR", b"ORC", b"NTE", b"MRG", b"RXE", b"RXA", b"SPM", b"TXA", b"SCH", b"ROL",
    b"IAM", b"MSH", b"TQ1",
];
const EVENTS: &[&[u8]] = &[
    b"ADT^A01", b"ADT^A03", b"ADT^A08", b"ADT^A12", b"ADT^A13", b"ADT^A17", b"ADT^A24", b"ADT^A37", b"ADT^A40",
    b"ADT^A42", b"ADT^A44", b"ADT^A45", b"ADT^A47", b"ADT^A50", b"ADT^A60", b"ORU^R01", b"ORM^O01", b"OML^O21",
    b"RDE^O11", b"RAS^O17", b"MDM^T02", b"VXU^V04", b"SIU^S12", b"OUL^R22", b"PPR^PC1", b"XYZ^Q99", b"ADT", b"",
];

/// One to four mistakes.
fn mutate(message: &[u8], dice: &mut ChaCha8Rng) -> Vec<u8> {
    let mut segments: Vec<Vec<u8>> = message
        .split(|byte| matches!(byte, b'\r' | b'\n'))
        .filter(|line| !line.is_empty())
        .map(<[u8]>::to_vec)
        .collect();
    for _ in 0..dice.random_range(1..=4) {
        if segments.is_empty() {
            break;
        }
        let at = dice.random_range(0..segments.len());
        match dice.random_range(0..14) {
            0 => drop(segments.remove(at)),
            1 => segments.insert(at, segments[at].clone()),
            2 => {
                let other = dice.random_range(0..segments.len());
                segments.swap(at, other);
            }
            3..=6 => {
                let mut fields: Vec<Vec<u8>> = segments[at].split(|byte| *byte == b'|').map(<[u8]>::to_vec).collect();
                let field = dice.random_range(0..fields.len() + 2);
                fields.resize(fields.len().max(field + 1), Vec::new());
                fields[field] = FIELDS.choose(dice).unwrap().to_vec();
                segments[at] = fields.join(&b'|');
            }
            7 => {
                let mut fields: Vec<Vec<u8>> = segments[0].split(|byte| *byte == b'|').map(<[u8]>::to_vec).collect();
                if fields.len() > 8 {
                    fields[8] = EVENTS.choose(dice).unwrap().to_vec();
                }
                segments[0] = fields.join(&b'|');
            }
            8 => {
                let length = segments[at].len();
                if length > 0 {
                    segments[at][dice.random_range(0..length)] = dice.random();
                }
            }
            9 => {
                let length = segments[at].len();
                segments[at].truncate(dice.random_range(0..=length));
            }
            10 => {
                let name = NAMES.choose(dice).unwrap();
                let tail = segments[at].get(3..).unwrap_or_default().to_vec();
                segments[at] = [*name, &tail].concat();
            }
            11 => {
                let many = dice.random_range(1..2000);
                let filler = *[b'~', b'^', b'&', b'|', b'\\', b' ', b'9'].choose(dice).unwrap();
                segments[at].extend(std::iter::repeat_n(filler, many));
            }
            12 => {
                let place = dice.random_range(0..=segments[at].len());
                let filler: Vec<u8> = (0..dice.random_range(1..20)).map(|_| dice.random()).collect();
                segments[at].splice(place..place, filler);
            }
            _ => {
                let new = [
                    *NAMES.choose(dice).unwrap(),
                    b"|",
                    *FIELDS.choose(dice).unwrap(),
                    b"|",
                    *FIELDS.choose(dice).unwrap(),
                ]
                .concat();
                segments.insert(at, new);
            }
        }
    }
    segments.join(&b'\r')
}

fn settings() -> Hl7Settings {
    Hl7Settings {
        charset_override: None,
        assume_charset: "cp949".into(),
        zone: jiff::tz::TimeZone::UTC,
        assigning_authority: "SITE".into(),
    }
}

/// Reads the messages of `bytes` twice, the second time over what the first made, and looks at everything that comes out.
fn one(bytes: &[u8], taken: &mut u64, refused: &mut u64) {
    let settings = settings();
    let mut record = std::collections::HashMap::<(String, String), Vec<u8>>::new();
    for round in 0..2 {
        for piece in hl7::split(bytes) {
            let current = |kind: &str, id: &str| record.get(&(kind.to_owned(), id.to_owned())).cloned();
            match hl7::map(piece.bytes, &settings, &current) {
                Ok(mapped) => {
                    *taken += u64::from(round == 0);
                    mapped.rejected.iter().for_each(check);
                    for resource in mapped.resources {
                        let source =
                            Source { file: "m".into(), received: Timestamp::UNIX_EPOCH, origin: Some(resource.origin) };
                        let prepared =
                            prepare(resource.json.clone(), None, &|_| None, &source).expect("what is mapped is taken");
                        record.insert((prepared.resource_type, prepared.id), resource.json);
                    }
                }
                Err(rejected) => {
                    *refused += u64::from(round == 0);
                    assert!(!rejected.is_empty(), "refused without a reason");
                    rejected.iter().for_each(check);
                }
            }
        }
    }
}

/// A reason names its segment and field; what is wrong with a segment as a whole names the segment.
fn check(rejected: &haechi_record::chart::Rejected) {
    let whole = [
        "is no segment",
        "are no segments",
        "does not begin with an MSH",
        "bytes; at most",
        "segments",
        "fields and components",
        "left out",
        "are not listed",
    ];
    assert!(rejected.reason.len() > 10, "{rejected:?}");
    assert!(rejected.line.is_some() && rejected.segment.is_some(), "{rejected:?}");
    assert!(rejected.field.is_some() || whole.iter().any(|words| rejected.reason.contains(words)), "{rejected:?}");
}

#[test]
fn mutated_messages_are_read_or_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let (_, own) = hospital(folder.path());
    let samples = messages(&own);
    assert!(samples.len() > 100, "{}", samples.len());
    let (count, first) = (number("HAECHI_MUTATIONS", 500), number("HAECHI_MUTATIONS_SEED", 1));
    let (mut taken, mut refused, mut slowest) = (0, 0, Duration::ZERO);
    for seed in first..first + count {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        let message = mutate(samples.choose(&mut dice).unwrap(), &mut dice);
        let begun = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| one(&message, &mut taken, &mut refused)));
        assert!(outcome.is_ok(), "seed {seed}: {}", message.escape_ascii());
        assert!(begun.elapsed() < HANGS, "seed {seed} took {:?}: {}", begun.elapsed(), message.escape_ascii());
        slowest = slowest.max(begun.elapsed());
    }
    eprintln!(
        "{count} mutated messages from seed {first}: {taken} taken, {refused} refused whole, the slowest in {slowest:?}"
    );
    assert!(taken > 0 && refused > 0, "the mutator must reach both");
}

/// Breaks a JSON document: bytes, values and structure.
fn break_json(document: &[u8], dice: &mut ChaCha8Rng) -> Vec<u8> {
    let mut out = document.to_vec();
    let values: &[&[u8]] = &[
        b"null",
        b"{}",
        b"[]",
        b"\"\"",
        b"-1",
        b"1e999",
        b"\"2025-13-01\"",
        b"{\"reference\":\"urn:uuid:0\"}",
        b"[[[[1]]]]",
        b"true",
        b"{\"reference\":\"Patient?identifier=a|b\"}",
        b"{\"identifier\":{\"system\":\"a\",\"value\":\"b\"}}",
        b"\"\\ud800\"",
    ];
    for _ in 0..dice.random_range(1..=3) {
        if out.is_empty() {
            break;
        }
        match dice.random_range(0..5) {
            0 => {
                let at = dice.random_range(0..out.len());
                out[at] = dice.random();
            }
            1 => out.truncate(dice.random_range(0..out.len())),
            2..=3 => {
                // A value after some colon becomes another; where it ends is where the next comma or bracket is.
                let colons: Vec<usize> =
                    out.iter().enumerate().filter(|(_, byte)| **byte == b':').map(|(at, _)| at).collect();
                let Some(at) = colons.choose(dice) else { continue };
                let tail = out.get(at + 1..).unwrap_or_default();
                let length = tail.iter().position(|byte| matches!(byte, b',' | b'}' | b']')).unwrap_or(tail.len());
                out.splice(at + 1..at + 1 + length, values.choose(dice).unwrap().iter().copied());
            }
            _ => {
                let from = dice.random_range(0..out.len());
                let to = (from + dice.random_range(1..200)).min(out.len());
                let piece = out[from..to].to_vec();
                out.splice(from..from, piece);
            }
        }
    }
    out
}

#[test]
fn mutated_bundles_are_read_or_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let (bundles, _) = hospital(folder.path());
    let documents: Vec<Vec<u8>> = bundles.iter().flat_map(|path| slices(&std::fs::read(path).unwrap())).collect();
    assert!(documents.len() > 20, "{}", documents.len());
    // A record at a time keeps what is on the disk small.
    let (count, first) = (number("HAECHI_MUTATIONS", 25), number("HAECHI_MUTATIONS_SEED", 1));
    let (mut taken, mut refused) = (0, 0);
    for from in (first..first + count).step_by(BUNDLES_A_RECORD as usize) {
        let seeds = from..(from + BUNDLES_A_RECORD).min(first + count);
        let one = import_broken(&documents, seeds, &folder.path().join(from.to_string()));
        (taken, refused) = (taken + one.0, refused + one.1);
    }
    eprintln!("{count} mutated bundles: {taken} resources taken, {refused} put aside");
    assert!(taken > 0 && refused > 0, "the mutator must reach both");
}

/// A bundle in slices of a few entries, the first entry (the patient) in each: a patient's whole bundle is hundreds of
/// resources, and reading all of them for one to three mistakes would take the time of many mistakes.
fn slices(bundle: &[u8]) -> Vec<Vec<u8>> {
    let mut bundle: serde_json::Value = serde_json::from_slice(bundle).unwrap();
    let Some(entries) = bundle["entry"].as_array_mut().map(std::mem::take) else { return Vec::new() };
    let Some((patient, others)) = entries.split_first() else { return Vec::new() };
    let slice = |some: &[serde_json::Value]| {
        let mut slice = bundle.clone();
        slice["entry"] = std::iter::once(patient).chain(some).cloned().collect();
        slice.to_string().into_bytes()
    };
    others.chunks(24).map(slice).collect()
}

/// Mutated bundles that one record takes.
const BUNDLES_A_RECORD: u64 = 250;

/// Imports one mutated bundle for each seed into a new record under `folder`: resources taken, and put aside.
fn import_broken(documents: &[Vec<u8>], seeds: std::ops::Range<u64>, folder: &Path) -> (u64, u64) {
    let broken = folder.join("broken");
    std::fs::create_dir_all(&broken).unwrap();
    // Not a test of power cuts: it need not wait for the disk.
    let options = OpenOptions { synchronous: Synchronous::Off, ..OpenOptions::default() };
    let store = Store::open_with(&folder.join("record.db"), &Key::new([7; 32]), &options).unwrap();
    for seed in seeds.clone() {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        let bundle = break_json(documents.choose(&mut dice).unwrap(), &mut dice);
        std::fs::write(broken.join(format!("{seed}.json")), bundle).unwrap();
    }
    let summary = import::import(&store, &[Input::path(broken)], &import::Options::default(), &Silent).unwrap();
    assert_eq!(summary.files, seeds.end - seeds.start);
    for rejected in &summary.rejected {
        assert!(rejected.reason.len() > 5 && !rejected.reason.contains("report this"), "{rejected:?}");
        assert!(!rejected.file.is_empty(), "{rejected:?}");
    }
    assert!(store.check().unwrap().problems.is_empty());
    drop(store);
    std::fs::remove_dir_all(folder).unwrap();
    (summary.resources, summary.rejected.len() as u64)
}
