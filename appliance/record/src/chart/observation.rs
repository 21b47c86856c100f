//! Values: what was measured, with its digits, unit, interpretation and reference range as recorded.

use super::json::Json;
use super::read::Reader;
use super::words::{codings, concept, first_code, quantity, range, ratio, unit, words};
use super::{Kind, Measured, Range};

/// The kind of an Observation: by its category, and where none is given by a few codes that leave no doubt.
pub(super) fn kind(root: &Json<'_>) -> Kind {
    let mut seen = Vec::new();
    for (_, category) in root.find("category") {
        seen.extend(codings(category).into_iter().map(|coding| coding.code.to_lowercase()));
        seen.extend(category.string("text").map(str::to_lowercase));
    }
    let any = |known: &[&str]| seen.iter().any(|code| known.contains(&code.as_str()));
    if any(&["laboratory", "lab", "hm", "ch", "mb", "sr", "bld", "ur", "tox", "imm", "lab_result"]) {
        return Kind::Lab;
    }
    if any(&["vital-signs", "vital signs", "vital-sign"]) {
        return Kind::Vital;
    }
    if any(&["social-history", "social history"]) {
        return Kind::SocialHistory;
    }
    if !seen.is_empty() {
        return Kind::OtherObservation;
    }
    let codes: Vec<_> = root.get("code").map(codings).unwrap_or_default();
    let coded =
        |known: &[&str]| codes.iter().any(|c| c.system == "http://loinc.org" && known.contains(&c.code.as_str()));
    if coded(&VITAL_LOINC) {
        return Kind::Vital;
    }
    if coded(&["72166-2", "11367-0", "74013-4", "11331-6"]) {
        return Kind::SocialHistory;
    }
    // A range to be judged against, or a verdict: that is how a laboratory reports.
    let measured = root.get("valueQuantity").is_some();
    if measured
        && (root.get("referenceRange").is_some()
            || root.get("interpretation").is_some()
            || root.get("specimen").is_some())
    {
        return Kind::Lab;
    }
    Kind::OtherObservation
}

/// The vital signs of FHIR R4's own profile page (hl7.org/fhir/R4/observation-vitalsigns.html) and BMI, LOINC codes.
const VITAL_LOINC: [&str; 14] = [
    "85353-1", "9279-1", "8867-4", "2708-6", "59408-5", "8310-5", "8302-2", "9843-4", "29463-7", "39156-5", "85354-9",
    "8480-6", "8462-4", "55284-4",
];

/// The values of an Observation: its own, and one for each component.
pub(super) fn read(reader: &mut Reader<'_>) {
    let root = reader.root;
    let own = measured(reader, root, "", String::new(), Vec::new());
    let components: Vec<Measured> = root
        .find("component")
        .into_iter()
        .filter_map(|(path, component)| {
            let code = component.get("code")?;
            let name = concept(code, "").map(|(text, _)| text).unwrap_or_default();
            measured(reader, component, &path, name, codings(code))
        })
        .collect();
    // "No value, no reason" beside components means only that the panel itself has none.
    reader.entry.values.extend(own);
    reader.entry.values.extend(components);
}

/// The answers of a questionnaire, each under its question's own words.
pub(super) fn answers(reader: &mut Reader<'_>) {
    let mut found = Vec::new();
    collect_answers(reader, reader.root, "", 0, &mut found);
    reader.entry.values.extend(found);
}

fn collect_answers(reader: &Reader<'_>, node: &Json<'_>, path: &str, depth: usize, found: &mut Vec<Measured>) {
    if depth > 16 {
        return; // deeper than any form that a person fills in
    }
    for (at, item) in node.items("item").iter().enumerate() {
        let path = if path.is_empty() { format!("item[{at}]") } else { format!("{path}.item[{at}]") };
        let name = item.string("text").or_else(|| item.string("linkId")).unwrap_or_default();
        for (at, answer) in item.items("answer").iter().enumerate() {
            let path = format!("{path}.answer[{at}]");
            found.extend(measured(reader, answer, &path, name.to_owned(), Vec::new()));
            collect_answers(reader, answer, &path, depth + 1, found);
        }
        collect_answers(reader, item, &path, depth + 1, found);
    }
}

/// The `value[x]` of `node`, or the reason why there is none; `None` if neither is given.
fn measured(
    reader: &Reader<'_>,
    node: &Json<'_>,
    path: &str,
    name: String,
    codes: Vec<super::Coding>,
) -> Option<Measured> {
    let absent = node.get("dataAbsentReason").and_then(|reason| concept(reason, "")).map(|(text, _)| text);
    let Json::Object(members) = node else { return None };
    let value = members.iter().find(|(member, value)| {
        member.strip_prefix("value").is_some_and(|kind| kind.starts_with(char::is_uppercase)) && *value != Json::Null
    });
    let mut result = Measured {
        name,
        codes,
        number: None,
        comparator: None,
        text: String::new(),
        unit: String::new(),
        interpretation: interpretation(node),
        range: reference_range(node),
        path: join(path, "dataAbsentReason"),
        absent,
    };
    let Some((member, value)) = value else {
        return result.absent.is_some().then_some(result);
    };
    let at = join(path, member);
    result.path.clone_from(&at);
    match member.as_ref() {
        "valueQuantity" => {
            let digits = value.get("value").and_then(Json::primitive);
            let Some(digits) = digits else {
                // A quantity with a unit and no number measures nothing.
                result.absent.get_or_insert_with(|| "no value".to_owned());
                return Some(result);
            };
            result.text = digits.to_owned();
            result.number = digits.parse().ok().filter(|number: &f64| number.is_finite());
            result.unit = unit(value).to_owned();
            result.comparator = value.string("comparator").map(str::to_owned);
        }
        "valueInteger" | "valueDecimal" => {
            result.text = value.primitive()?.to_owned();
            result.number = result.text.parse().ok().filter(|number: &f64| number.is_finite());
        }
        "valueCodeableConcept" | "valueCoding" => {
            let (text, at) = concept(value, &at)?;
            result.text = text;
            result.path = at;
        }
        "valueString" => {
            result.text = value.text()?.to_owned();
            // Some laboratories send every number as a string; then the number is what they meant.
            result.number = plain_number(&result.text);
        }
        "valueRange" => {
            result.text = range(value)?;
        }
        "valueRatio" => {
            result.text = ratio(value)?;
        }
        "valueSampledData" => {
            result.text = sampled(value)?;
        }
        "valueAttachment" => {
            let (text, at) = super::document::attachment(value, &at)?;
            result.text = text;
            result.path = at;
        }
        // Boolean, time, dateTime, Period, Reference, Uri: said as they stand.
        _ => {
            let (text, at) = words(value, &at).or_else(|| reader.say(value, &at))?;
            result.text = text;
            result.path = at;
        }
    }
    Some(result)
}

fn join(path: &str, member: &str) -> String {
    if path.is_empty() { member.to_owned() } else { format!("{path}.{member}") }
}

/// A string that is nothing but a decimal number.
fn plain_number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let plain = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && digits.bytes().filter(|b| *b == b'.').count() <= 1;
    plain.then(|| text.parse().ok()).flatten()
}

/// The interpretation code, HL7's own (`H`, `L`, `N` ...) before any other system's.
fn interpretation(node: &Json<'_>) -> Option<String> {
    let all = node.get("interpretation")?;
    let found = codings(all);
    found
        .iter()
        .find(|c| c.system.contains("ObservationInterpretation") || c.system.contains("0078"))
        .map(|c| c.code.clone())
        .or_else(|| first_code(all).map(str::to_owned))
}

/// The range to judge by. Several ranges that apply to different people give words only: which one applies is not for
/// us to choose.
fn reference_range(node: &Json<'_>) -> Option<Range> {
    let normal: Vec<&Json<'_>> = node
        .items("referenceRange")
        .iter()
        .filter(|r| r.get("type").and_then(first_code).is_none_or(|code| matches!(code, "normal" | "recommended")))
        .collect();
    let shown = |r: &Json<'_>| -> String {
        let applies = r.items("appliesTo").iter().filter_map(|who| concept(who, "").map(|(text, _)| text));
        let bounds = r.string("text").map(str::to_owned).or_else(|| range(r)).unwrap_or_default();
        let who: Vec<String> = applies.collect();
        if who.is_empty() { bounds } else { format!("{bounds} ({})", who.join(", ")) }
    };
    let bound = |r: &Json<'_>, name: &str| r.get(name)?.get("value")?.primitive()?.parse::<f64>().ok();
    let found = match normal.as_slice() {
        [] => return None,
        [one] => {
            // Bounds in another unit than the value's must not be compared with it.
            let value_unit = node.get("valueQuantity").map(unit).unwrap_or_default();
            let same = ["low", "high"].iter().all(|name| {
                r_unit(one, name).is_none_or(|bound_unit| {
                    value_unit.is_empty() || same_unit(node, one, name, bound_unit, value_unit)
                })
            });
            let (low, high) = (bound(one, "low").filter(|_| same), bound(one, "high").filter(|_| same));
            // A lower bound above the upper one is a slip of whoever wrote the range: shown, not judged by.
            let sane = low.zip(high).is_none_or(|(low, high)| low <= high);
            Range { low: low.filter(|_| sane), high: high.filter(|_| sane), text: shown(one) }
        }
        several => {
            Range { low: None, high: None, text: several.iter().map(|r| shown(r)).collect::<Vec<_>>().join("; ") }
        }
    };
    (found != Range::default()).then_some(found)
}

fn r_unit<'a>(range: &'a Json<'_>, name: &str) -> Option<&'a str> {
    Some(unit(range.get(name)?)).filter(|unit| !unit.is_empty())
}

/// Whether a bound's unit is the value's: the printed unit, or the coded one where they print it differently.
fn same_unit(node: &Json<'_>, range: &Json<'_>, name: &str, bound_unit: &str, value_unit: &str) -> bool {
    let code = |q: Option<&Json<'_>>| q.and_then(|q| q.string("code")).map(str::to_owned);
    bound_unit.eq_ignore_ascii_case(value_unit)
        || code(node.get("valueQuantity"))
            .is_some_and(|value| code(range.get(name)).as_deref() == Some(value.as_str()) || value == bound_unit)
}

/// Sampled data in words; the samples themselves are a signal, not a statement.
fn sampled(node: &Json<'_>) -> Option<String> {
    let origin = node.get("origin").and_then(quantity);
    let period = node.get("period").and_then(Json::primitive);
    let count = node.string("data").map(|data| data.split_ascii_whitespace().count());
    let mut parts = Vec::new();
    parts.extend(count.map(|count| format!("{count} samples")));
    parts.extend(period.map(|period| format!("every {period} ms")));
    parts.extend(origin.map(|origin| format!("origin {origin}")));
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::read::entry;
    use super::*;

    fn read_one(json: &str) -> crate::chart::Entry {
        entry(json.as_bytes(), "1", Timestamp::UNIX_EPOCH, None).unwrap()
    }

    #[test]
    fn a_result_keeps_digits_unit_range_and_verdict() {
        let entry = read_one(
            r#"{"resourceType":"Observation","status":"final","category":[{"coding":[{"code":"laboratory"}]}],
            "code":{"coding":[{"system":"http://loinc.org","code":"4548-4","display":"Hemoglobin A1c"}],"text":"HbA1c"},
            "effectiveDateTime":"2025-03-31","issued":"2025-03-31T09:00:00+09:00",
            "valueQuantity":{"value":7.10,"unit":"%","system":"http://unitsofmeasure.org","code":"%"},
            "interpretation":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation","code":"H"}]}],
            "referenceRange":[{"low":{"value":4.0,"unit":"%"},"high":{"value":5.60,"unit":"%"}}]}"#,
        );
        assert_eq!((entry.kind, entry.title.as_str(), entry.title_path.as_str()), (Kind::Lab, "HbA1c", "code.text"));
        assert_eq!(entry.other_titles, ["Hemoglobin A1c"]);
        assert!(entry.recorded.is_some() && entry.when_path.as_deref() == Some("effectiveDateTime"));
        let value = &entry.values[0];
        assert_eq!((value.text.as_str(), value.unit.as_str(), value.number), ("7.10", "%", Some(7.1)));
        assert_eq!((value.interpretation.as_deref(), value.path.as_str()), (Some("H"), "valueQuantity"));
        let range = value.range.as_ref().unwrap();
        assert_eq!((range.low, range.high, range.text.as_str()), (Some(4.0), Some(5.6), "4.0–5.60 %"));
    }

    #[test]
    fn a_panel_has_a_value_for_each_component_and_says_what_is_missing() {
        let entry = read_one(
            r#"{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}]},
            "component":[{"code":{"text":"Systolic"},"valueQuantity":{"value":109,"unit":"mmHg"}},
            {"code":{"text":"Diastolic"},"dataAbsentReason":{"coding":[{"code":"unknown","display":"Unknown"}]}}]}"#,
        );
        assert_eq!(entry.kind, Kind::Vital);
        assert_eq!(entry.values.len(), 2);
        assert_eq!(
            (entry.values[0].name.as_str(), entry.values[0].path.as_str()),
            ("Systolic", "component[0].valueQuantity")
        );
        assert_eq!((entry.values[1].text.as_str(), entry.values[1].absent.as_deref()), ("", Some("Unknown")));
    }

    #[test]
    fn every_type_of_value_is_said() {
        for (value, text, number) in [
            (r#""valueString":"양성 (+)""#, "양성 (+)", None),
            (r#""valueString":"13.50""#, "13.50", Some(13.5)),
            (r#""valueString":"1:40""#, "1:40", None),
            (r#""valueBoolean":true"#, "true", None),
            (r#""valueInteger":3"#, "3", Some(3.0)),
            (r#""valueCodeableConcept":{"coding":[{"code":"P","display":"Positive"}]}"#, "Positive", None),
            (r#""valueRange":{"low":{"value":2,"unit":"/HPF"},"high":{"value":5,"unit":"/HPF"}}"#, "2–5 /HPF", None),
            (r#""valueRatio":{"numerator":{"value":1},"denominator":{"value":64}}"#, "1:64", None),
            (r#""valueTime":"10:30:00""#, "10:30:00", None),
            (r#""valueDateTime":"2024-05""#, "2024-05", None),
            (r#""valuePeriod":{"start":"2024-05","end":"2024-06"}"#, "2024-05 – 2024-06", None),
            (
                r#""valueSampledData":{"origin":{"value":0,"unit":"mV"},"period":10,"data":"1 2 E"}"#,
                "3 samples, every 10 ms, origin 0 mV",
                None,
            ),
        ] {
            let entry = read_one(&format!(
                r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},{value}}}"#
            ));
            assert_eq!((entry.values[0].text.as_str(), entry.values[0].number), (text, number), "{value}");
        }
    }

    #[test]
    fn a_range_in_another_unit_for_other_people_or_upside_down_gives_no_bounds() {
        let swapped = read_one(
            r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":43,"unit":"%"},
            "referenceRange":[{"low":{"value":46,"unit":"%"},"high":{"value":38,"unit":"%"}}]}"#,
        );
        let range = swapped.values[0].range.as_ref().unwrap();
        assert_eq!((range.low, range.high, range.text.as_str()), (None, None, "46–38 %"));
        let mgdl = read_one(
            r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":5.5,"unit":"mmol/L"},
            "referenceRange":[{"low":{"value":70,"unit":"mg/dL"},"high":{"value":99,"unit":"mg/dL"}}]}"#,
        );
        assert_eq!(mgdl.values[0].range.as_ref().unwrap().low, None);
        let sexes = read_one(
            r#"{"resourceType":"Observation","status":"final","code":{"text":"Hb"},"valueQuantity":{"value":13,"unit":"g/dL"},
            "referenceRange":[{"text":"13-17","appliesTo":[{"text":"male"}]},{"text":"12-16","appliesTo":[{"text":"female"}]}]}"#,
        );
        let range = sexes.values[0].range.as_ref().unwrap();
        assert_eq!((range.low, range.text.as_str()), (None, "13-17 (male); 12-16 (female)"));
    }
}
