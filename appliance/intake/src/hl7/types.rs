//! HL7 v2 data types to FHIR data types, after the published mapping (folder `datatypes` of HL7/v2-to-fhir at 8c9b414b).

use jiff::tz::TimeZone;

use super::json::{Json, Object};
use super::message::{Rep, Seg};
use super::{terms, time};

/// `CWE`, `CE`, `CNE`, `CF`: a concept with up to three codings. `None` if nothing is written.
///
/// The original text (CWE-9) is the text. A code without system and display is what the sender calls the thing, so it is
/// the text as well.
pub(super) fn concept(rep: Rep<'_>) -> Option<Object> {
    let mut codings = Vec::new();
    let mut words = rep.part(9);
    for (code, text, system, version, oid) in [(1, 2, 3, 7, 14), (4, 5, 6, 8, 17), (10, 11, 12, 13, 20)] {
        let (code, text) = (rep.part(code), rep.part(text));
        let system = rep.part(system).or_else(|| rep.part(oid)).map(|name| terms::system(&name));
        match (code, text) {
            (Some(code), text) => {
                if text.is_none() && system.is_none() && words.is_none() {
                    words = Some(code.clone());
                }
                let mut coding = Object::default();
                coding.maybe("system", system);
                coding.maybe("version", rep.part(version));
                coding.put("code", code);
                coding.maybe("display", text);
                codings.push(Json::Object(coding));
            }
            (None, Some(text)) => words = words.or(Some(text)),
            (None, None) => {}
        }
    }
    let mut out = Object::default();
    out.list("coding", codings);
    out.maybe("text", words);
    (!out.is_empty()).then_some(out)
}

/// Every repetition of a coded field.
pub(super) fn concepts(seg: &Seg<'_>, field: usize) -> Vec<Json> {
    seg.reps(field).filter_map(concept).map(Json::Object).collect()
}

/// A concept of one coding.
pub(super) fn coded(system: &str, code: &str, display: Option<&str>) -> Object {
    let mut coding = Object::default().with("system", system).with("code", code);
    coding.maybe("display", display);
    Object::default().with("coding", vec![Json::Object(coding)])
}

/// `IS`, `ID` of one of HL7's tables: a concept in that table, or what the sender wrote with its own system.
pub(super) fn table(rep: Rep<'_>, name: &str) -> Option<Object> {
    if rep.parts() > 1 {
        return concept(rep);
    }
    Some(coded(&terms::hl7(name), &rep.part(1)?, None))
}

/// The system URI of an assigning authority: universal id by its type, else namespace.
pub(super) fn authority(namespace: Option<&str>, universal: Option<&str>, kind: Option<&str>) -> Option<String> {
    match (universal, namespace) {
        (Some(id), _) if kind == Some("ISO") && !id.starts_with("urn:") => Some(format!("urn:oid:{id}")),
        (Some(id), _) => Some(terms::uri(id)),
        (None, Some(namespace)) => Some(terms::uri(namespace)),
        (None, None) => None,
    }
}

/// An identifier as (system, value).
pub(super) type Number = (Option<String>, String);

/// `CX` as (system, value).
pub(super) fn cx_number(rep: Rep<'_>) -> Option<Number> {
    let system = authority(rep.sub(4, 1).as_deref(), rep.sub(4, 2).as_deref(), rep.sub(4, 3).as_deref());
    Some((system, rep.part(1)?))
}

/// `EI` as (system, value).
pub(super) fn ei_number(rep: Rep<'_>) -> Option<Number> {
    let system = authority(rep.part(2).as_deref(), rep.part(3).as_deref(), rep.part(4).as_deref());
    Some((system, rep.part(1)?))
}

/// A FHIR Identifier.
pub(super) fn identifier(number: &Number, kind: Option<&str>) -> Object {
    let mut out = Object::default();
    if let Some(kind) = kind {
        out.put("type", coded(&terms::hl7("v2-0203"), kind, None));
    }
    out.maybe("system", number.0.as_deref());
    out.put("value", number.1.as_str());
    out
}

/// `CX`: identifier with its type, assigner and period.
pub(super) fn cx(rep: Rep<'_>, default_system: Option<&str>) -> Option<Object> {
    let (system, value) = cx_number(rep)?;
    let number = (system.or_else(|| default_system.map(str::to_owned)), value);
    let mut out = identifier(&number, rep.part(5).as_deref());
    out.maybe("period", period(rep.part(7), rep.part(8)));
    if let Some(name) = rep.sub(6, 1).or_else(|| rep.sub(4, 1)) {
        out.put("assigner", Object::default().with("display", name));
    }
    Some(out)
}

/// A period of two dates; what is no date is left out, for periods only accompany a value.
pub(super) fn period(start: Option<String>, end: Option<String>) -> Option<Object> {
    let day = |text: Option<String>| text.and_then(|text| time::date(&text).ok());
    let mut out = Object::default();
    out.maybe("start", day(start));
    out.maybe("end", day(end));
    (!out.is_empty()).then_some(out)
}

/// Whether the text is written in Hangul or Han, where family and given name stand together without a space.
fn is_east_asian(text: &str) -> bool {
    text.chars().any(|c| matches!(u32::from(c), 0xac00..=0xd7a3 | 0x4e00..=0x9fff | 0x3040..=0x30ff))
}

/// A name in one line: `김민수`, `Dr. Minsu Kim`.
fn full_name(prefix: Option<&str>, family: Option<&str>, given: &[String], suffix: Option<&str>) -> String {
    let given = given.join(" ");
    match family {
        Some(family) if is_east_asian(family) => format!("{family}{given}"),
        _ => [prefix, Some(given.as_str()), family, suffix]
            .into_iter()
            .flatten()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" "),
    }
}

/// `XPN`: a person's name. Names in Hangul or Han, and those whose writing is told apart, get a text; the representation (XPN-8: ideographic, alphabetic,
/// phonetic) becomes the ISO 21090 extension.
pub(super) fn human_name(rep: Rep<'_>) -> Option<Object> {
    let family = rep.sub(1, 1);
    let given: Vec<String> = [rep.part(2), rep.part(3)].into_iter().flatten().collect();
    let suffix: Vec<Json> = [4, 6, 14].into_iter().filter_map(|n| rep.part(n)).map(Json::Text).collect();
    if family.is_none() && given.is_empty() {
        return None;
    }
    let mut out = Object::default();
    let representation = match rep.part(8).as_deref() {
        Some("I") => Some("IDE"),
        Some("A") => Some("ABC"),
        Some("P") => Some("SYL"),
        _ => None,
    };
    if let Some(code) = representation {
        let extension = Object::default()
            .with("url", "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation")
            .with("valueCode", code);
        out.put("extension", vec![Json::Object(extension)]);
    }
    out.maybe("use", rep.part(7).and_then(|code| terms::name_use(&code)));
    if representation.is_some() || family.as_deref().is_some_and(is_east_asian) {
        out.put("text", full_name(None, family.as_deref(), &given, None));
    }
    out.maybe("family", family);
    out.list("given", given.into_iter().map(Json::Text).collect());
    out.list("prefix", rep.part(5).map(Json::Text).into_iter().collect());
    out.list("suffix", suffix);
    let (start, end) = (rep.part(12), rep.part(13));
    let range = if start.is_none() && end.is_none() { (rep.sub(10, 1), rep.sub(10, 2)) } else { (start, end) };
    out.maybe("period", period(range.0, range.1));
    Some(out)
}

/// A name as one would say it.
pub(super) fn shown_name(name: &Object) -> Option<String> {
    if let Some(text) = name.text("text") {
        return Some(text);
    }
    let given: Vec<String> = name
        .get("given")
        .cloned()
        .map(Json::into_items)
        .unwrap_or_default()
        .iter()
        .filter_map(|g| g.text().map(|t| t.into_owned()))
        .collect();
    let shown = full_name(None, name.text("family").as_deref(), &given, None);
    (!shown.is_empty()).then_some(shown)
}

/// `XCN`: who did something, as a reference with the person's number and name. `None` without both.
pub(super) fn person(rep: Rep<'_>) -> Option<Object> {
    let given: Vec<String> = [rep.part(3), rep.part(4)].into_iter().flatten().collect();
    let name = full_name(rep.part(6).as_deref(), rep.sub(2, 1).as_deref(), &given, rep.part(5).as_deref());
    let system = authority(rep.sub(9, 1).as_deref(), rep.sub(9, 2).as_deref(), rep.sub(9, 3).as_deref());
    reference(rep.part(1).map(|id| (system, id)), name)
}

/// `CNN` inside `NDL`: the same in the subcomponents of component 1.
pub(super) fn person_within(rep: Rep<'_>) -> Option<Object> {
    let given: Vec<String> = [rep.sub(1, 3), rep.sub(1, 4)].into_iter().flatten().collect();
    let name = full_name(rep.sub(1, 6).as_deref(), rep.sub(1, 2).as_deref(), &given, rep.sub(1, 5).as_deref());
    let system = authority(rep.sub(1, 9).as_deref(), rep.sub(1, 10).as_deref(), rep.sub(1, 11).as_deref());
    reference(rep.sub(1, 1).map(|id| (system, id)), name)
}

fn reference(number: Option<Number>, name: String) -> Option<Object> {
    let mut out = Object::default();
    if let Some(number) = &number {
        out.put("identifier", identifier(number, None));
    }
    match (name.is_empty(), number) {
        (false, _) => out.put("display", name),
        (true, Some((_, id))) => out.put("display", id),
        (true, None) => return None,
    }
    Some(out)
}

/// Every person in a field.
pub(super) fn people(seg: &Seg<'_>, field: usize) -> Vec<Json> {
    seg.reps(field).filter_map(person).map(Json::Object).collect()
}

/// `XON` or the name in a `CWE`: an organisation by name.
pub(super) fn organisation(name: Option<String>) -> Option<Object> {
    name.map(|name| Object::default().with("display", name))
}

/// `PL`: a place in words, from the ward inward: point of care, room, bed, then facility and building.
pub(super) fn place(rep: Rep<'_>) -> Option<String> {
    if let Some(described) = rep.part(9).filter(|_| rep.part(1).is_none()) {
        return Some(described);
    }
    let parts: Vec<String> = [1, 2, 3, 7, 8, 4].into_iter().filter_map(|n| rep.sub(n, 1)).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// `XAD`: an address.
pub(super) fn address(rep: Rep<'_>, county: Option<String>) -> Option<Object> {
    let lines = [rep.sub(1, 1), rep.sub(1, 2), rep.sub(1, 3), rep.part(2), rep.part(19)];
    let mut out = Object::default();
    if let Some(kind) = rep.part(7) {
        out.maybe("use", terms::address_use(&kind));
        if matches!(kind.as_str(), "M" | "SH") {
            out.put("type", "postal");
        }
    }
    let before = out.clone();
    out.list("line", lines.into_iter().flatten().map(Json::Text).collect());
    out.maybe("city", rep.part(3));
    out.maybe("district", rep.sub(9, 1).or_else(|| rep.sub(9, 2)).or(county));
    out.maybe("state", rep.part(4));
    out.maybe("postalCode", rep.part(5));
    out.maybe("country", rep.part(6));
    if out == before {
        return None;
    }
    let range = rep.sub(12, 1).or_else(|| rep.part(13));
    out.maybe("period", period(range, rep.sub(12, 2).or_else(|| rep.part(14))));
    Some(out)
}

/// `XAD` as one line.
pub(super) fn address_text(rep: Rep<'_>) -> Option<String> {
    let parts = [rep.sub(1, 1), rep.sub(1, 2), rep.part(2), rep.part(3), rep.part(4), rep.part(5), rep.part(6)];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// `XTN`: a telephone number or address. `usual` is what the field itself says about its use.
pub(super) fn contact_point(rep: Rep<'_>, usual: Option<&'static str>) -> Option<Object> {
    let equipment = rep.part(3);
    let kind = equipment.as_deref().and_then(terms::telecom_system);
    let mail = rep.part(4);
    let email = kind == Some("email") || (mail.is_some() && kind.is_none());
    let local = rep.part(7).map(|local| {
        let country = rep.part(5).map(|code| format!("+{}", code.trim_start_matches('+')));
        let extension = rep.part(8).map(|extension| format!("X{extension}"));
        [country, rep.part(6), Some(local), extension].into_iter().flatten().collect::<Vec<_>>().join(" ")
    });
    let value =
        if email { mail.or_else(|| rep.part(1)) } else { rep.part(12).or(local).or_else(|| rep.part(1)).or(mail) };
    let mut out = Object::default();
    out.put("system", if email { "email" } else { kind.unwrap_or("phone") });
    out.put("value", value?);
    let mobile = equipment.as_deref() == Some("CP");
    let code = rep.part(2);
    out.maybe("use", if mobile { Some("mobile") } else { code.as_deref().and_then(terms::telecom_use).or(usual) });
    if let Some(rank) = rep.part(18).and_then(|rank| rank.parse::<u64>().ok()).filter(|rank| *rank > 0) {
        out.put("rank", rank);
    }
    out.maybe("period", period(rep.part(13), rep.part(14)));
    Some(out)
}

/// A unit (OBX-6 and its like) as (unit, system, code). A code whose system is UCUM, or that stands alone, is the unit as
/// well; one of another system is shown but not coded.
pub(super) struct Unit {
    shown: String,
    coded: Option<(String, String)>,
}

/// Reads a unit; also `&unit` and the `sub`-component form of `CQ-2`.
pub(super) fn unit(rep: Rep<'_>) -> Option<Unit> {
    unit_of(rep.part(1), rep.part(2), rep.part(3))
}

/// The unit inside `CQ`: component 2 with subcomponents.
pub(super) fn unit_within(rep: Rep<'_>) -> Option<Unit> {
    unit_of(rep.sub(2, 1), rep.sub(2, 2), rep.sub(2, 3))
}

fn unit_of(code: Option<String>, text: Option<String>, system: Option<String>) -> Option<Unit> {
    let shown = text.or_else(|| code.clone())?;
    let coded = match (code, system) {
        (Some(code), Some(system)) => Some((terms::system(&system), code)),
        _ => None,
    };
    Some(Unit { shown, coded })
}

/// A Quantity. `value` is JSON number text.
pub(super) fn quantity(value: Json, comparator: Option<&str>, unit: Option<&Unit>) -> Object {
    let mut out = Object::default().with("value", value);
    out.maybe("comparator", comparator);
    if let Some(unit) = unit {
        out.put("unit", unit.shown.as_str());
        if let Some((system, code)) = &unit.coded {
            out.put("system", system.as_str());
            out.put("code", code.as_str());
        }
    }
    out
}

/// A measured number as senders write it: `7.10`, and beside the standard `<0.01`, `>= 100`, `≤5`. `None` if it is none.
pub(super) fn measured(text: &str) -> Option<(Option<&'static str>, Json)> {
    let text = text.trim();
    for (mark, comparator) in
        [("<=", "<="), (">=", ">="), ("≤", "<="), ("≥", ">="), ("=<", "<="), ("=>", ">="), ("<", "<"), (">", ">")]
    {
        if let Some(rest) = text.strip_prefix(mark) {
            return Json::number(rest).map(|number| (Some(comparator), number));
        }
    }
    Json::number(text).map(|number| (None, number))
}

/// `DR` or a pair of timestamps as a Period of dateTimes; `Err` if one is no timestamp.
pub(super) fn time_period(
    start: Option<String>,
    end: Option<String>,
    zone: &TimeZone,
) -> Result<Option<Object>, time::NotATime> {
    let mut out = Object::default();
    out.maybe("start", start.map(|text| time::date_time(&text, zone)).transpose()?);
    out.maybe("end", end.map(|text| time::date_time(&text, zone)).transpose()?);
    Ok((!out.is_empty()).then_some(out))
}

#[cfg(test)]
mod tests {
    use super::super::message::Text;
    use super::*;

    fn read(field: &str, then: fn(Rep<'_>) -> Option<Object>) -> String {
        let bytes = format!("MSH|^~\\&||||||||||||||||UNICODE UTF-8\rZZZ|{field}");
        let text = Text::read(bytes.as_bytes(), None, "utf-8").unwrap();
        let rows = text.rows().unwrap();
        let message = rows.message().unwrap();
        then(message.segments[1].rep(1)).map_or_else(String::new, |out| String::from_utf8(out.to_bytes()).unwrap())
    }

    #[test]
    fn concepts_names_numbers_and_addresses() {
        for (case, field, then, json) in [
            (
                "two codings and the sender's words",
                "4548-4^HbA1c^LN^B123^당화혈색소^99KR^^^A1c",
                concept as fn(Rep<'_>) -> Option<Object>,
                r#"{"coding":[{"system":"http://loinc.org","code":"4548-4","display":"HbA1c"},{"system":"urn:id:99KR","code":"B123","display":"당화혈색소"}],"text":"A1c"}"#,
            ),
            ("words only", "^복통", concept, r#"{"text":"복통"}"#),
            (
                "a bare code is a word",
                "PENICILLIN",
                concept,
                r#"{"coding":[{"code":"PENICILLIN"}],"text":"PENICILLIN"}"#,
            ),
            ("nothing", "^^LN", concept, ""),
            (
                "Hangul name",
                "김^민수^^^^^L^I",
                human_name,
                r#"{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation","valueCode":"IDE"}],"use":"official","text":"김민수","family":"김","given":["민수"]}"#,
            ),
            (
                "Latin name",
                "Kim&van^Minsu^A^III^Dr.^MD^D",
                human_name,
                r#"{"use":"usual","family":"Kim","given":["Minsu","A"],"prefix":["Dr."],"suffix":["III","MD"]}"#,
            ),
            (
                "identifier by OID",
                "123^^^HAECHI&1.2.410.100000.1.1&ISO^MR",
                |rep| cx(rep, None),
                r#"{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}]},"system":"urn:oid:1.2.410.100000.1.1","value":"123","assigner":{"display":"HAECHI"}}"#,
            ),
            (
                "identifier with the site's system",
                "123",
                |rep| cx(rep, Some("urn:x:y")),
                r#"{"system":"urn:x:y","value":"123"}"#,
            ),
            (
                "doctor",
                "D77^이^영희^^^^^^NPI&2.16.840.1.113883.4.6&ISO",
                person,
                r#"{"identifier":{"system":"urn:oid:2.16.840.1.113883.4.6","value":"D77"},"display":"이영희"}"#,
            ),
            ("doctor by number", "12345", person, r#"{"identifier":{"value":"12345"},"display":"12345"}"#),
            (
                "address",
                "세종대로 110^^중구^서울^04524^KOR^H",
                |rep| address(rep, None),
                r#"{"use":"home","line":["세종대로 110"],"city":"중구","state":"서울","postalCode":"04524","country":"KOR"}"#,
            ),
            ("only an address type", "^^^^^^H", |rep| address(rep, None), ""),
            (
                "telephone",
                "02-123-4567^PRN^PH",
                |rep| contact_point(rep, None),
                r#"{"system":"phone","value":"02-123-4567","use":"home"}"#,
            ),
            (
                "telephone in parts",
                "^PRN^PH^^82^2^1234567^8",
                |rep| contact_point(rep, None),
                r#"{"system":"phone","value":"+82 2 1234567 X8","use":"home"}"#,
            ),
            ("mail", "^NET^^a@b.kr", |rep| contact_point(rep, None), r#"{"system":"email","value":"a@b.kr"}"#),
        ] {
            assert_eq!(read(field, then), json, "{case}");
        }
    }

    #[test]
    fn numbers_with_and_without_comparators() {
        for (text, expected) in [
            ("7.10", Some((None, "7.10"))),
            ("<0.01", Some((Some("<"), "0.01"))),
            (">= 100", Some((Some(">="), "100"))),
            ("≤5", Some((Some("<="), "5"))),
            ("NEG", None),
            ("<", None),
        ] {
            let expected =
                expected.map(|(comparator, digits): (Option<&str>, &str)| (comparator, Json::Raw(digits.into())));
            assert_eq!(measured(text), expected, "{text}");
        }
    }
}
