//! Which fields are read, found out by trying: a field is read if some value in it changes what the message becomes. The
//! table in the book (docs/src/hl7.md) must say the same.

use std::collections::{BTreeMap, BTreeSet};

use super::behaviour::{PID, message};
use super::message::asked;
use super::*;

/// A message in which a segment can be tried: MSH-9, what stands before it, the segment, what stands after it.
type Stage = (&'static str, &'static str, &'static str, &'static str);

const VISIT: &str = "PV1|1|I|71^1^1||||||||||||||||V1\n";
const IN_VISIT: &str = "PID|1||9^^^H\nPV1|1|I|71^1^1||||||||||||||||V1\n";
const ORDER: &str = "ORC|NW|P1^HIS|F1^LAB\nOBR|1|P1^HIS|F1^LAB|1^K^L\n";
const RESULT: &str = "OBR|1|P1^HIS|F1^LAB|1^K^L\nOBX|1|NM|1^K^L||5\n";
const DRUG: &str = "ORC|NW|P1^HIS\nRXE||A^B^KD|5||mg\n";

const STAGES: &[Stage] = &[
    ("ADT^A08", "", PID, ""),
    ("ADT^A01", PID, PID, "PV1|1|I"),
    ("ADT^A08", PID, "PD1|1", ""),
    ("ADT^A08", PID, "NK1|1|김^영희", ""),
    ("ADT^A01", PID, "PV1|1|I|71^1^1||||||||||||||||V1", ""),
    ("ADT^A01", PID, "PV1|1|I", ""),
    ("ADT^A01", IN_VISIT, "PV2|||", ""),
    ("ADT^A05", "PID|1||9^^^H\nPV1|1|P|71^1^1||||||||||||||||V1\n", "PV2|||", ""),
    ("ADT^A08", IN_VISIT, "ROL|1|AD|AT^Attending|D7^이^영희", ""),
    ("ADT^A08", PID, "ROL|1|AD|AT^Attending|D7^이^영희", ""),
    ("ADT^A08", IN_VISIT, "PRT|1|AD||AT^Attending|D7^이^영희", ""),
    ("ADT^A08", PID, "PRT|1|AD||AT^Attending|D7^이^영희", ""),
    ("ADT^A08", PID, "GT1|1|G7|김^영희", ""),
    ("ADT^A40", PID, "MRG|777", ""),
    ("ADT^A45", PID, "MRG|777||||V9", VISIT),
    ("ADT^A51", PID, "MRG|777|||||V9", "PV1|1|I|71^1^1||||||||||||||||V1|||||||||||||||||||||||||||||||V8"),
    ("ADT^A44", "PID|1||9^^^H|||||||||||||||ACC2", "MRG|777||ACC1", ""),
    ("ADT^A48", PID, "MRG||77", ""),
    ("ADT^A08", PID, "DG1|1||J18^P^KCD", VISIT),
    ("ADT^A08", PID, "AL1|1||PEN", ""),
    ("ADT^A60", PID, "IAM|1||PEN", ""),
    ("ADT^A08", PID, "PR1|1||K^L", VISIT),
    ("ADT^A08", PID, "IN1|1|PLAN^P||||||G1", ""),
    ("PPR^PC1", PID, "PRB|AD|20250101|X^Y|1", ""),
    ("ORM^O01", PID, "ORC|NW|P1^HIS|F1^LAB", "OBR|1|P1^HIS|F1^LAB|1^K^L"),
    ("RDE^O11", PID, "ORC|NW|P1^HIS", "RXE||A^B^KD|5||mg"),
    ("ORM^O01", PID, "OBR|1|P1^HIS|F1^LAB|1^K^L|||20240101", "OBX|1|NM|1^K^L||5"),
    ("ORU^R01", PID, "OBR|1|P1^HIS|F1^LAB|1^K^L|||20240101", "OBX|1|NM|1^K^L||5"),
    ("ORU^R01", PID, "OBX|1|NM|1^K^L||5", ""),
    ("ORU^R01", ORDER, "OBX|1|NM|1^K^L||5|mg", ""),
    ("ORU^R01", ORDER, "NTE|1||note", ""),
    ("ORU^R01", RESULT, "NTE|1||note", ""),
    ("ORU^R01", ORDER, "SPM|1|S1^L||BLD^Blood", "OBX|1|NM|1^K^L||5"),
    ("ORM^O01", ORDER, "TQ1|1", ""),
    ("RDE^O11", DRUG, "TQ1|1", ""),
    ("RDE^O11", "ORC|NW|P1^HIS\nRXE||A^B^KD\n", "TQ1|1|5^mg&mg&UCUM", ""),
    ("RDE^O11", "ORC|NW|P1^HIS\n", "RXO|A^B^KD|5|6|mg|||||||30|T|||||||||2|mL", ""),
    ("RDE^O11", "ORC|NW|P1^HIS\n", "RXE||A^B^KD|5|6|mg|||||30|T||||||||||||2|mL", ""),
    ("RDE^O11", DRUG, "RXR|PO", ""),
    ("RDE^O11", DRUG, "RXC|B|S^Saline|1|L", ""),
    ("RDS^O13", "ORC|RE|P1^HIS\n", "RXD|1|A^B^KD|20250101|5", ""),
    ("RAS^O17", "ORC|RE|P1^HIS\n", "RXA|0|1|20250101||A^B^KD|5|mg", "RXR|PO"),
    ("VXU^V04", "ORC|RE|P1^HIS|F1^LAB\n", "RXA|0|1|20250101||08^HepB^CVX|5|mg", "RXR|PO"),
    ("VXU^V04", "ORC|RE|P1^HIS|F1^LAB\nRXA|0|1|20250101||08^HepB^CVX|5|mg\n", "RXR|PO", ""),
    ("MDM^T02", PID, "TXA|1|DS|TX|||||||||D1", "OBX|1|TX|||text"),
    ("MDM^T10", PID, "TXA|1|DS|TX|||||||||D1", ""),
    ("SIU^S12", PID, "SCH|1|2|||||||30|min", ""),
    ("SIU^S12", "SCH|1|2\n", "AIS|1|A|X^Y", ""),
    ("SIU^S12", "SCH|1|2\n", "AIG|1|A|X^Y", ""),
    ("SIU^S12", "SCH|1|2\n", "AIL|1|A|W1^2", ""),
    ("SIU^S12", "SCH|1|2\n", "AIP|1|A|7^Kim^Lee", ""),
    ("ADT^A01", "", "EVN|A01|20250301", "PV1|1|I|71^1^1||||||||||||||||V1"),
];

/// Values of every type that a field may have.
const TRIED: &[&str] = &[
    "",
    "X1",
    "A^B^L",
    "20240101",
    "202401010930",
    "5",
    "2",
    "Y",
    "N",
    "123^Kim^Lee",
    "777^^^AUTH^MR",
    "V9",
    "W1^2^3",
    "5^mg&mg&UCUM",
    "1^D",
    "김^민수",
    "02-1^PRN^PH",
    "세종로 1^^중구^서울^04524^KOR^H",
    "D",
    "C",
    "AU",
    "CA",
    "S",
    "I",
    "M",
    "F",
    "E",
    "SV",
    "DA",
    "P",
    "ED",
    "TX",
    "^^^^^R",
    "QD",
    "QD&BID",
    "5&mg^QD^D7^20240101^20240102",
    "PLAC1^HIS",
    "LAB",
    "7&Kim&Lee",
    "20240101^20240102",
    "OB",
    "^^^202401010930^202401011030",
    "active",
    "confirmed",
    "resolved",
    "HH",
    "<5",
    "RE",
    "998",
    "T",
    "^words",
    "SPO",
    "DE",
    "RP",
    "1.2",
    "PRN",
    "&TEXT&",
    "A&B",
    "min",
    "h",
    "CANCELLED",
    "R^^^202401010930",
];

/// The record as it is when a message that moves a visit comes: it has that visit.
fn known(kind: &str, id: &str) -> Option<Vec<u8>> {
    let visit = format!(r#"{{"resourceType":"Encounter","id":"{id}","status":"finished"}}"#);
    (kind == "Encounter").then(|| visit.into_bytes())
}

/// What a message becomes, as text; segments kept word for word are nothing that was read.
fn becomes(kind: &str, segments: &str) -> String {
    let settings = super::behaviour::settings();
    let text = message(kind, segments);
    let moving = matches!(kind, "ADT^A45" | "ADT^A44" | "ADT^A51");
    let current = |kind: &str, id: &str| if moving { known(kind, id) } else { None };
    match map(text.as_bytes(), &settings, &current) {
        Ok(mapped) => {
            let resources = mapped.resources.iter().map(|r| String::from_utf8_lossy(&r.json).into_owned());
            let kept = |json: &String| json.starts_with(r#"{"resourceType":"Basic""#);
            let resources: Vec<String> = resources.filter(|json| !kept(json)).collect();
            format!("{resources:?} {:?}", mapped.changes)
        }
        Err(_) => "refused".to_owned(),
    }
}

fn read_fields() -> BTreeMap<String, BTreeSet<usize>> {
    let mut out: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for (kind, before, segment, after) in STAGES {
        let fields: Vec<&str> = segment.split('|').collect();
        let name = fields[0].to_owned();
        let before = if before.starts_with("PID") || name == "PID" || name == "EVN" {
            (*before).to_owned()
        } else {
            format!("{PID}\n{before}")
        };
        let after = if name == "EVN" { format!("{PID}\n{after}") } else { (*after).to_owned() };
        // A second PID would be a second patient: it is tried alone.
        let before = if name == "PID" { String::new() } else { before };
        let whole = |segment: &str| becomes(kind, &format!("{before}\n{segment}\n{after}"));
        // What was never asked for has no effect; what is asked for may depend on what another field says.
        let mut tried: BTreeSet<usize> = BTreeSet::new();
        whole(segment);
        while let Some(field) = asked::of(&name).difference(&tried).next().copied() {
            tried.insert(field);
            let mut seen: Option<String> = None;
            for value in TRIED.iter().chain(fields.get(field)) {
                let mut changed = fields.clone();
                changed.resize(changed.len().max(field + 1), "");
                if let Some(slot) = changed.get_mut(field) {
                    *slot = value;
                }
                let now = whole(&changed.join("|"));
                if seen.get_or_insert_with(|| now.clone()) != &now {
                    out.entry(name.clone()).or_default().insert(field);
                    break;
                }
            }
        }
        out.entry(name).or_default();
    }
    out
}

/// `2-5, 7`
fn ranges(fields: &BTreeSet<usize>) -> String {
    let mut out: Vec<(usize, usize)> = Vec::new();
    for field in fields {
        match out.last_mut() {
            Some((_, last)) if *last + 1 == *field => *last = *field,
            _ => out.push((*field, *field)),
        }
    }
    let said =
        |(first, last): (usize, usize)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    out.into_iter().map(said).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_book_lists_exactly_the_fields_that_are_read() {
    let book = include_str!("../../../../docs/src/hl7.md");
    let rows: BTreeMap<&str, &str> = book
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            Some((cells.next()?.trim(), cells.nth(1)?.trim()))
        })
        .collect();
    let read = read_fields();
    let wrong: Vec<String> = read
        .iter()
        .filter(|(name, fields)| rows.get(name.as_str()).copied() != Some(ranges(fields).as_str()))
        .map(|(name, fields)| format!("| {name} | … | {} |  (the book: {:?})", ranges(fields), rows.get(name.as_str())))
        .collect();
    assert!(wrong.is_empty(), "the table of docs/src/hl7.md is not what is read:\n{}", wrong.join("\n"));
}
