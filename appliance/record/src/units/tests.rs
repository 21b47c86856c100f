//! Units against hand-made cases, against themselves, and against the published files where those are there.

use std::collections::HashMap;
use std::path::PathBuf;

use super::atoms::{ATOMS, PREFIXES};
use super::*;

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-9 * one.abs().max(other.abs()).max(1e-12)
}

#[test]
fn plain_units_convert_by_definition() {
    for (number, from, to, expected) in [
        (1.0, "g/L", "mg/dL", 100.0),
        (7.5, "10*3/uL", "10*9/L", 7.5),
        (7.5, "K/uL", "/uL", 7500.0),
        (37.0, "Cel", "[degF]", 98.6),
        (98.6, "°F", "℃", 37.0),
        (70.0, "kg", "lb", 154.323_583_529_414_3),
        (120.0, "mmHg", "kPa", 15.998_64),
        (60.0, "U/L", "ukat/L", 1.0),
        (1.0, "mIU/L", "uIU/mL", 1.0),
        (50.0, "%", "mg/g", 500.0),
        (1.0, "㎎/㎗", "mg/dL", 1.0),
        (5.0, "MG/DL", "mg/dL", 5.0),
        (5.0, "mmol/l", "umol/mL", 5.0),
        (2.0, "h", "min", 120.0),
        (1.0, "x10^3/μL", "10*3/uL", 1.0),
        (90.0, "mL/min/1.73m²", "mL/min/{1.73_m2}", 90.0),
        (10.0, "mL/min", "L/h", 0.6),
    ] {
        let converted = convert(number, from, to, []).unwrap_or_else(|| panic!("{from} to {to}"));
        assert!(near(converted.number, expected), "{number} {from} is {} {to}, not {expected}", converted.number);
    }
}

#[test]
fn what_measures_something_else_does_not_convert() {
    for (from, to) in [
        ("mg/dL", "mmol/L"),
        ("mg/dL", "mmHg"),
        ("mL/min/{1.73_m2}", "mL/min"),
        ("[IU]/L", "U/L"),
        ("meq/L", "mmol/L"),
        ("/uL", "mg/uL"),
        ("{INR}", "s"),
        ("mg", ""),
        ("정", "mg"),
        ("mg/", "mg"),
        ("m2/-", "m2"),
        ("10*", "mg"),
        ("mmol/L", "mosm/L"),
    ] {
        assert_eq!(convert(1.0, from, to, []), None, "{from} to {to}");
    }
}

#[test]
fn mass_and_moles_convert_for_a_known_analyte() {
    // Textbook values, to their printed precision.
    for (code, number, from, to, expected, within) in [
        ("2345-7", 99.0, "mg/dL", "mmol/L", 5.5, 0.01),
        ("14749-6", 5.5, "mmol/L", "mg/dL", 99.0, 0.2),
        ("2160-0", 1.0, "mg/dL", "umol/L", 88.4, 0.05),
        ("2093-3", 200.0, "mg/dL", "mmol/L", 5.17, 0.01),
        ("2571-8", 150.0, "mg/dL", "mmol/L", 1.69, 0.01),
        ("1975-2", 1.0, "mg/dL", "umol/L", 17.1, 0.05),
        ("3094-0", 20.0, "mg/dL", "mmol/L", 7.14, 0.01),
        ("3084-1", 7.0, "mg/dL", "umol/L", 416.4, 0.5),
        ("17861-6", 10.0, "mg/dL", "mmol/L", 2.495, 0.01),
        ("17861-6", 5.0, "meq/L", "mmol/L", 2.5, 0.001),
        ("2823-3", 4.2, "mEq/L", "mmol/L", 4.2, 0.0001),
        ("718-7", 14.0, "g/dL", "mmol/L", 8.69, 0.01),
        ("4548-4", 7.0, "%", "mmol/mol", 53.0, 0.05),
        ("4548-4", 6.5, "%", "mmol/mol", 47.5, 0.05),
        ("59261-8", 48.0, "mmol/mol", "%", 6.54, 0.01),
    ] {
        let converted = convert(number, from, to, [code]).unwrap_or_else(|| panic!("{code} {from} to {to}"));
        assert!((converted.number - expected).abs() <= within, "{code}: {} is not {expected}", converted.number);
        assert!(converted.by.is_some());
    }
    assert_eq!(convert(1.0, "mg/dL", "mmol/L", ["1920-8"]), None, "AST has no moles");
    assert_eq!(convert(1.0, "mg/dL", "mmHg", ["2345-7"]), None);
    assert_eq!(convert(50.0, "%", "mmol/L", ["4548-4"]), None);
    assert_eq!(convert(7.0, "%", "mmol/mol", []), None, "only the code says that it is HbA1c");
}

#[test]
fn every_conversion_comes_back() {
    let mut tried = 0;
    for analyte in analyte::analytes() {
        for (from, to) in [
            ("mg/dL", "mmol/L"),
            ("ug/dL", "umol/L"),
            ("ng/mL", "nmol/L"),
            ("g/L", "umol/L"),
            ("meq/L", "mmol/L"),
            ("mg/dL", "meq/L"),
            ("%", "mmol/mol"),
        ] {
            for number in [0.013, 1.0, 7.25, 431.0] {
                let Some(there) = convert(number, from, to, [analyte.loinc[0]]) else { continue };
                let back = convert(there.number, to, from, [analyte.loinc[0]]).unwrap();
                assert!(
                    near(back.number, number),
                    "{}: {number} {from} comes back as {}",
                    analyte.english,
                    back.number
                );
                tried += 1;
            }
        }
    }
    assert!(tried > 500, "{tried}");
    // Every unit symbol with every prefix, against its bare self and back.
    for atom in ATOMS.iter().filter(|atom| atom.metric) {
        for (prefix, factor) in PREFIXES {
            let prefixed = format!("{prefix}{}", atom.symbol);
            if ATOMS.iter().any(|other| other.symbol == prefixed) {
                continue;
            }
            let (one, bare) = (Unit::ucum(&prefixed).unwrap(), Unit::ucum(atom.symbol).unwrap());
            assert!(near(one.convert(3.0, &bare).unwrap(), 3.0 * factor), "{prefixed}");
            assert!(near(bare.convert(one.convert(3.0, &bare).unwrap(), &one).unwrap(), 3.0), "{prefixed}");
        }
    }
}

#[test]
fn no_code_stands_for_two_analytes() {
    let mut seen = HashMap::new();
    for analyte in analyte::analytes() {
        for code in &analyte.loinc {
            assert_eq!(seen.insert(*code, analyte.english), None, "{code}");
        }
    }
    let lines = include_str!("analytes.psv").lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(analyte::analytes().len(), lines);
}

#[test]
fn hostile_units_end() {
    for text in [
        "((((((((((((m))))))))))))",
        "m+999999999",
        "10*99",
        "[[[[",
        "{{{{",
        "a.a.a.a.a.a.a",
        "\u{0}",
        "/////m",
        "가/나",
    ] {
        let _ = Unit::written(text);
    }
    let _ = Unit::written(&"m.".repeat(10_000));
}

fn data(path: &str) -> Option<String> {
    let folder = std::env::var_os("HAECHI_TEST_DATA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")), PathBuf::from);
    let file = folder.join(path);
    let text = std::fs::read_to_string(&file).ok();
    if text.is_none() {
        eprintln!("skipped: {} is not here", file.display());
    }
    text
}

/// Attribute `name` of the first element that begins with `element` in `text`.
fn attribute<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.split_once(&format!(" {name}=\""))?.1.split_once('"').map(|(value, _)| value)
}

#[test]
fn the_table_says_what_the_published_essence_says() {
    let Some(essence) = data("evidence/units/ucum-essence.xml") else { return };
    let mut compared = 0;
    for piece in essence.split("<unit ").skip(1) {
        let piece = piece.split("</unit>").next().unwrap();
        let code = attribute(&format!(" {piece}"), "Code").unwrap().to_owned();
        let Some(atom) = ATOMS.iter().find(|atom| atom.symbol == code) else { continue };
        let value = piece.split_once("<value").unwrap().1;
        let special = piece.contains("isSpecial=\"yes\"");
        let arbitrary = piece.contains("isArbitrary=\"yes\"");
        let metric = attribute(&format!(" {piece}"), "isMetric") == Some("yes");
        if special || arbitrary || matches!(atom.worth, super::atoms::Worth::Own) {
            continue;
        }
        assert_eq!(atom.metric, metric, "{code}");
        // `[pi].rad/360`, and moles as a count of particles: said otherwise here, on purpose.
        if matches!(code.as_str(), "deg" | "mol") {
            continue;
        }
        let (unit, number) = (attribute(value, "Unit").unwrap(), attribute(value, "value").unwrap());
        let Some(defined) = Unit::ucum(unit) else {
            panic!("{code} is defined by {unit}, which is not understood");
        };
        let own = Unit::ucum(&code).unwrap();
        let number: f64 = number.parse().unwrap();
        let converted = own.convert(1.0, &defined).unwrap_or_else(|| panic!("{code} is no {unit}"));
        assert!((converted - number).abs() <= 1e-6 * number, "{code}: {converted} {unit}, not {number}");
        compared += 1;
    }
    assert!(compared > 35, "{compared}");
}

#[test]
fn most_published_examples_are_understood() {
    let Some(examples) = data("evidence/units/ucum_examples.tsv") else { return };
    let codes: Vec<&str> = examples.lines().skip(1).filter_map(|line| line.split('\t').nth(1)).collect();
    let unknown: Vec<&&str> = codes.iter().filter(|code| Unit::ucum(code).is_none()).collect();
    eprintln!("{} of {} examples are not understood: {unknown:?}", unknown.len(), codes.len());
    assert!(unknown.len() * 20 < codes.len(), "{} of {}: {unknown:?}", unknown.len(), codes.len());
}

/// Entries of the published table that cannot be right or use another convention, each with the reason.
const DIFFERENT: &[(&str, &str)] = &[("2099-0", "U/mL to U/L is said to be 1; it is 1,000")];

#[test]
fn conversions_agree_with_the_published_table() {
    let Some(table) = data("evidence/units/loinc_unit_conversions.json") else { return };
    let table: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&table).unwrap();
    let (mut compared, mut by_analyte) = (0, 0);
    let mut wrong = Vec::new();
    for (code, row) in &table {
        if DIFFERENT.iter().any(|(other, _)| other == code) {
            continue;
        }
        let text = |field: &str| row[field].as_str().unwrap().to_owned();
        let factor = row["conversion_factor"].as_f64().unwrap();
        let Some(converted) = convert(1.0, &text("traditional_units"), &text("si_units"), [code.as_str()]) else {
            continue;
        };
        compared += 1;
        by_analyte += usize::from(converted.by.is_some());
        // The table rounds, to two digits where it rounds most (1/60 is 0.017 there).
        if (converted.number - factor).abs() > 0.021 * factor {
            wrong.push(format!("{code} {}: {} not {factor}", text("name"), converted.number));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(compared >= 30 && by_analyte >= 12, "{compared} compared, {by_analyte} by analyte");
}
