//! A body obeys arithmetic, a life has a beginning, and what is referred to is there.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde_json::Value;

use super::{TODAY, records, resources};
use crate::body::{egfr, round};
use crate::moment::age;
use crate::people::Sex;
use crate::record::{Content, Record, Status, Value as Measured};

/// Values of a set of reports by LOINC, where they were measured together and nothing was corrected.
fn together(record: &Record) -> Vec<(Date, BTreeMap<&'static str, f64>)> {
    let settled = record.reports.iter().filter(|report| report.status == Status::Final);
    let sets =
        settled.filter(|report| matches!(report.content, Content::Values(_) | Content::Vitals(_))).map(|report| {
            let values = report.results().iter().filter_map(|result| match &result.value {
                Measured::Number(digits) => Some((result.what.key(), digits.parse().unwrap())),
                _ => None,
            });
            (report.taken.date(), values.collect())
        });
    sets.collect()
}

#[test]
fn what_follows_from_other_results_follows() {
    let mut checked = [0; 4];
    for record in records(40) {
        let sex = record.person.sex;
        for (day, values) in together(&record) {
            let get = |code: &str| values.get(code).copied();
            let years = age(record.person.birth, day);
            if let (Some(creatinine), Some(filtration)) = (get("2160-0"), get("98979-8")) {
                assert_eq!(filtration, round(egfr(creatinine, years, sex), 0), "eGFR of {creatinine} at {years}");
                checked[0] += 1;
            }
            if let (Some(height), Some(weight), Some(index)) = (get("8302-2"), get("29463-7"), get("39156-5")) {
                assert_eq!(index, round(weight / (height / 100.0).powi(2), 1), "BMI of {height} and {weight}");
                checked[1] += 1;
            }
            if let (Some(total), Some(high), Some(fat), Some(low)) =
                (get("2093-3"), get("2085-9"), get("2571-8"), get("13457-7"))
            {
                assert!((low - (total - high - fat / 5.0)).abs() <= 0.5 && low > 0.0, "{total} {high} {fat} {low}");
                checked[2] += 1;
            }
            if let (Some(haemoglobin), Some(volume), Some(cells), Some(size)) =
                (get("718-7"), get("4544-3"), get("789-8"), get("787-2"))
            {
                assert!((volume / haemoglobin - 3.0).abs() < 0.35, "{haemoglobin} g/dL and {volume} %");
                assert!((volume * 10.0 / cells - size).abs() < 1.0, "{volume} % of {cells} at {size} fL");
                checked[3] += 1;
            }
        }
        assert!(sex == Sex::Female || !record.problems.iter().any(|one| one.what.key().starts_with('O')));
    }
    assert!(checked.iter().all(|count| *count > 50), "{checked:?}");
}

/// Every date in a resource, with its path; plans and birth dates apart.
fn dates(path: &str, node: &Value, out: &mut Vec<(String, String)>) {
    match node {
        Value::Object(body) => {
            for (key, value) in body {
                if !matches!(key.as_str(), "birthDate" | "start" | "end" | "occurrenceDateTime" | "data") {
                    dates(&format!("{path}.{key}"), value, out);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| dates(path, item, out)),
        Value::String(text)
            if text.get(4..5) == Some("-") && text.get(..10).is_some_and(|day| day.parse::<Date>().is_ok()) =>
        {
            out.push((path.to_owned(), text.clone()));
        }
        _ => {}
    }
}

#[test]
fn dates_lie_in_the_life_and_references_resolve() {
    for record in records(60) {
        let all = resources(&record);
        let born = crate::moment::fhir_day(record.person.birth);
        let today = crate::moment::fhir_day(TODAY);
        for (name, resource) in &all {
            let mut found = Vec::new();
            dates(name, resource, &mut found);
            for (path, date) in found {
                assert!(date.as_str() >= born.as_str() && date.as_str() < today.as_str(), "{path}: {date} ({born})");
            }
            references(resource, &mut |reference| {
                assert!(reference.starts_with('#') || all.contains_key(reference), "{name} refers to {reference}");
            });
        }
    }
}

/// Nobody tells what is yet to begin: the earliest day that an onset can mean is no later than the day of its record.
#[test]
fn what_is_told_has_begun() {
    let mut told = 0;
    // So many that a child registered before its first birthday is among them.
    for record in records(96) {
        for one in &record.allergies {
            told += usize::from(one.onset.is_some());
            let (onset, recorded) = (one.onset, one.recorded.date());
            assert!(
                onset.is_none_or(|onset| onset <= recorded),
                "patient {}: {onset:?} told {recorded}",
                record.number
            );
        }
        for one in &record.problems {
            let (onset, recorded) = (one.onset.fhir(), crate::moment::fhir_day(one.recorded.date()));
            assert!(onset.as_str() <= recorded.as_str(), "patient {}: {onset} told {recorded}", record.number);
        }
    }
    assert!(told > 20, "{told}");
}

fn references(node: &Value, check: &mut impl FnMut(&str)) {
    match node {
        Value::Object(body) => {
            if let Some(reference) = body.get("reference").and_then(Value::as_str) {
                check(reference);
            }
            body.values().for_each(|value| references(value, check));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, check)),
        _ => {}
    }
}

#[test]
fn visits_hold_what_belongs_to_them() {
    for record in records(60) {
        for visit in &record.visits {
            if let Some(end) = visit.end() {
                assert!(visit.start < end);
            }
        }
        // Nobody is in two places at once; the emergency room hands over within the hour.
        let mut stays: Vec<_> = record.visits.iter().filter_map(|visit| Some((visit.start, visit.end()?))).collect();
        stays.sort();
        for pair in stays.windows(2) {
            assert!(pair[0].1 <= pair[1].0, "patient {}: {:?} and {:?}", record.number, pair[0], pair[1]);
        }
        let within = |visit: Option<usize>, at: jiff::civil::DateTime| {
            let Some(visit) = visit.and_then(|at| record.visits.get(at)) else { return true };
            at >= visit.start && visit.end().is_none_or(|end| at <= end)
        };
        for note in &record.notes {
            assert!(
                within(note.visit, note.at),
                "patient {}: a note of {} at {}",
                record.number,
                note.kind.english(),
                note.at
            );
            assert!(!note.text.contains("\n\n") && note.text.lines().all(|line| line == line.trim()));
        }
        for report in &record.reports {
            assert!(
                within(report.visit, report.taken),
                "patient {}: {} at {}",
                record.number,
                report.what.english(),
                report.taken
            );
            assert!(report.taken < report.issued);
        }
        for medication in &record.medications {
            assert!(medication.steps.iter().all(|(at, _)| *at > medication.ordered));
            assert!(medication.steps.is_sorted_by_key(|(at, _)| *at));
        }
    }
}

/// The notes quote the record: each value in a clinic note stands in a result of the same visit.
#[test]
fn notes_quote_the_record() {
    let mut checked = 0;
    for record in records(30) {
        for note in &record.notes {
            for line in note.text.lines() {
                let Some(labs) = line.strip_prefix("금일 검사: ").or(line.strip_prefix("Labs today: ")) else {
                    continue;
                };
                for quoted in labs.split(", ") {
                    let digits = quoted.split(' ').find(|word| word.parse::<f64>().is_ok());
                    let Some(digits) = digits else { continue };
                    let stands = record
                        .reports
                        .iter()
                        .filter(|report| report.visit == note.visit)
                        .flat_map(|report| {
                            report.results().iter().chain(report.earlier.iter().flat_map(|old| match &old.content {
                                Content::Values(results) => results.as_slice(),
                                _ => &[],
                            }))
                        })
                        .any(|result| matches!(&result.value, Measured::Number(value) if value == digits));
                    assert!(stands, "patient {}: {quoted}", record.number);
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 300, "{checked}");
}

/// No allergy of the chart is broken by a drug of it.
#[test]
fn nobody_is_given_what_the_chart_forbids() {
    for record in records(60) {
        let has = |code: &str| {
            let all =
                record.allergies.iter().filter(|one| !matches!(one.certainty, crate::record::Certainty::Wrong(_)));
            all.into_iter().any(|one| one.substance.english() == code)
        };
        let given = |atc: &str| {
            record.medications.iter().any(|one| one.drug.name.second.is_some_and(|c| c.code.starts_with(atc)))
        };
        assert!(!(has("Penicillin") && (given("J01CR") || given("J01DB"))), "patient {}", record.number);
        let contrast = record.reports.iter().any(|one| one.what.english().contains("W contrast"));
        assert!(!(has("Iodinated contrast media") && contrast), "patient {}", record.number);
    }
}
