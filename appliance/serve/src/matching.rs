//! `Patient/$match`: who in the record may be the one described, and how sure that is.
//!
//! The rules are few and plain, so that a person can follow them: the same number (system and value) is certain unless date of
//! birth or sex speak against it; the same full name and date of birth is probable. Nothing else is given: a likeness of
//! names alone is no reason to show somebody's record.

use std::collections::{BTreeMap, BTreeSet};

use haechi_record::index::params;
use haechi_record::index::query::Condition;
use haechi_record::store::{Found, Search};
use hyper::StatusCode;
use serde_json::Value;

use crate::bundle::{self, Graded};
use crate::change::json_body;
use crate::http::Api;
use crate::outcome::Fail;
use crate::route::{Asked, Reply};

/// Patients that are compared, and given back if nobody says otherwise.
const MAX_COMPARED: usize = 1000;
const GIVEN: usize = 50;
/// Numbers of the one described that are looked for.
const MAX_NUMBERS: usize = 20;

pub(crate) fn matches(api: &Api, asked: &Asked) -> Result<Reply, Fail> {
    let wanted: Value = serde_json::from_slice(json_body(asked)?).map_err(|error| {
        let text = format!("the body is no JSON (line {}, column {})", error.line(), error.column());
        Fail::new(StatusCode::BAD_REQUEST, "structure", "HAECHI-0705", text)
    })?;
    let parameter = |name: &str| wanted["parameter"].as_array()?.iter().find(|one| one["name"] == name);
    let patient = parameter("resource").map_or(&wanted, |one| &one["resource"]);
    if patient["resourceType"] != "Patient" {
        let text = "the body must be Parameters with a Patient as `resource`, or a Patient";
        return Err(Fail::invalid(text).at("Parameters.parameter.resource"));
    }
    let certain_only = parameter("onlyCertainMatches").is_some_and(|one| one["valueBoolean"] == true);
    let count = parameter("count").and_then(|one| one["valueInteger"].as_u64());
    let count = count.and_then(|count| usize::try_from(count).ok()).unwrap_or(GIVEN).min(MAX_COMPARED);
    let mut graded: Vec<Graded> = Vec::new();
    for (id, found) in candidates(api, patient)? {
        let known: Value = serde_json::from_slice(&found.stored.raw).unwrap_or_default();
        let (grade, score) = match grade(patient, &known) {
            Some(grade) => grade,
            None => continue,
        };
        if !certain_only || grade == "certain" {
            graded.push(Graded { found: Found { id, ..found }, grade, score });
        }
    }
    graded.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.found.id.cmp(&b.found.id)));
    graded.truncate(count);
    Ok(Reply::json(StatusCode::OK, bundle::graded(&asked.base, &graded)))
}

/// Everybody with one of the numbers or with the date of birth.
fn candidates(api: &Api, patient: &Value) -> Result<BTreeMap<String, Found>, Fail> {
    let table = params::of("Patient");
    let now = (api.settings.now)().as_millisecond();
    let mut found = BTreeMap::new();
    let mut look = |name: &str, value: &str| -> Result<(), Fail> {
        let condition = Condition::read(table, name, None, value)?;
        let search = Search {
            resource_type: "Patient".to_owned(),
            conditions: vec![condition],
            limit: MAX_COMPARED,
            now,
            ..Search::default()
        };
        found.extend(api.store.find(&search)?.found.into_iter().map(|found| (found.id.clone(), found)));
        Ok(())
    };
    for (system, value) in numbers(patient).iter().take(MAX_NUMBERS) {
        look("identifier", &format!("{}|{}", escaped(system), escaped(value)))?;
    }
    if let Some(born) = patient["birthDate"].as_str().filter(|_| !names(patient).is_empty()) {
        look("birthdate", born).map_err(|fail| fail.at("Patient.birthDate"))?;
    }
    Ok(found)
}

/// How sure it is, in the words of FHIR's value set match-grade, and as a number; `None`: another person.
fn grade(wanted: &Value, known: &Value) -> Option<(&'static str, f64)> {
    // What one of the two does not say speaks neither for nor against.
    let against = |name: &str| matches!((wanted[name].as_str(), known[name].as_str()), (Some(a), Some(b)) if a != b);
    let same_number = numbers(wanted).intersection(&numbers(known)).next().is_some();
    let same_name = names(wanted).intersection(&names(known)).next().is_some();
    let same_birth = wanted["birthDate"].is_string() && wanted["birthDate"] == known["birthDate"];
    match (same_number, against("birthDate") || against("gender")) {
        (true, false) => Some(("certain", 1.0)),
        (true, true) => Some(("possible", 0.5)),
        (false, false) if same_name && same_birth => Some(("probable", 0.8)),
        (false, true) if same_name && same_birth => Some(("possible", 0.4)),
        _ => None,
    }
}

/// (system, value); without a system a number names nobody.
fn numbers(patient: &Value) -> BTreeSet<(String, String)> {
    let all = patient["identifier"].as_array().into_iter().flatten();
    all.filter_map(|one| Some((one["system"].as_str()?.to_owned(), one["value"].as_str()?.to_owned()))).collect()
}

/// Full names without spaces and case, so that 김 민수 is 김민수.
fn names(patient: &Value) -> BTreeSet<String> {
    let plain = |text: &str| text.split_whitespace().collect::<String>().to_lowercase();
    let mut names = BTreeSet::new();
    for name in patient["name"].as_array().into_iter().flatten() {
        let given = name["given"].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<String>();
        if let (Some(family), false) = (name["family"].as_str(), given.is_empty()) {
            names.insert(plain(&format!("{family}{given}")));
        }
        names.extend(name["text"].as_str().map(plain).filter(|text| !text.is_empty()));
    }
    names
}

/// A value in a search: separators are no separators there.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '\\' | '|' | ',' | '$') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_is_meant_is_said_with_how_sure_it_is() {
        let known = json!({"identifier": [{"system": "s", "value": "1"}], "name": [{"family": "김", "given": ["민수"]}],
            "birthDate": "1970-01-01", "gender": "male"});
        for (wanted, expected) in [
            (json!({"identifier": [{"system": "s", "value": "1"}]}), Some("certain")),
            (json!({"identifier": [{"value": "1"}]}), None),
            (json!({"identifier": [{"system": "s", "value": "1"}], "birthDate": "1971-01-01"}), Some("possible")),
            (json!({"name": [{"text": "김 민수"}], "birthDate": "1970-01-01"}), Some("probable")),
            (json!({"name": [{"text": "김민수"}], "birthDate": "1970-01-01", "gender": "female"}), Some("possible")),
            (json!({"name": [{"text": "김민수"}]}), None),
            (json!({"name": [{"text": "김민서"}], "birthDate": "1970-01-01"}), None),
            (json!({"name": 7, "identifier": {}, "birthDate": 1970}), None),
        ] {
            assert_eq!(grade(&wanted, &known).map(|(grade, _)| grade), expected, "{wanted}");
        }
    }
}
