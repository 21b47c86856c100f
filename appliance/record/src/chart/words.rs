//! FHIR data types in words: what a concept, a quantity, a name or a period says, copied part by part.
//!
//! The type of an element is told by its shape, so that one function reads `valueQuantity` of an Observation and
//! `dose` of a Dosage alike. Nothing is translated or converted; parts are only put side by side.

use jiff::Timestamp;
use jiff::civil::Date;

use super::json::Json;
use super::{Coding, PartialDate, When};

/// Codings of a CodeableConcept, of a single Coding, or of a list of either.
pub(super) fn codings(node: &Json<'_>) -> Vec<Coding> {
    let mut found = Vec::new();
    for concept in node.list() {
        if concept.get("coding").is_some() {
            found.extend(concept.items("coding").iter().filter_map(coding));
        } else if concept.get("text").is_none() {
            found.extend(coding(concept));
        }
    }
    found
}

fn coding(node: &Json<'_>) -> Option<Coding> {
    let code = node.string("code").unwrap_or_default();
    let display = node.string("display").unwrap_or_default();
    if code.is_empty() && display.is_empty() {
        return None;
    }
    Some(Coding {
        system: node.string("system").unwrap_or_default().to_owned(),
        code: code.to_owned(),
        display: display.to_owned(),
    })
}

/// The first code of a CodeableConcept, as `clinicalStatus` and its like are read.
pub(super) fn first_code<'a>(node: &'a Json<'_>) -> Option<&'a str> {
    let concept = node.list().first()?;
    match concept {
        Json::Text(_) => concept.text(),
        _ => concept
            .items("coding")
            .iter()
            .find_map(|coding| coding.string("code"))
            .or_else(|| concept.string("code"))
            .or_else(|| concept.string("text")),
    }
}

/// A concept in words and the element that says it: text, else the first display, else the first code.
pub(super) fn concept(node: &Json<'_>, path: &str) -> Option<(String, String)> {
    if let Some(text) = node.string("text") {
        return Some((text.to_owned(), format!("{path}.text")));
    }
    for name in ["display", "code"] {
        for (at, coding) in node.items("coding").iter().enumerate() {
            if let Some(text) = coding.string(name) {
                return Some((text.to_owned(), format!("{path}.coding[{at}].{name}")));
            }
        }
    }
    // A Coding that stands alone, as `Encounter.class` does.
    ["display", "code"].iter().find_map(|name| Some((node.string(name)?.to_owned(), format!("{path}.{name}"))))
}

/// Any element in words, by its shape; with the path of the part that says it. `None` where nothing readable stands.
/// References are not followed here: they say only their `display`.
pub(super) fn words(node: &Json<'_>, path: &str) -> Option<(String, String)> {
    let whole = |text: String| Some((text, path.to_owned()));
    match node {
        Json::Null => None,
        Json::Bool(_) | Json::Number(_) | Json::Text(_) => whole(node.primitive()?.to_owned()),
        Json::List(items) => items.iter().enumerate().find_map(|(at, item)| words(item, &format!("{path}[{at}]"))),
        Json::Object(_) => {
            if node.get("reference").is_some() || (node.get("identifier").is_some() && node.get("display").is_some()) {
                return Some((node.string("display")?.to_owned(), format!("{path}.display")));
            }
            if node.get("coding").is_some() {
                return concept(node, path);
            }
            if node.get("repeat").is_some() || node.get("event").is_some() {
                return whole(timing(node)?);
            }
            if node.get("start").is_some() || node.get("end").is_some() {
                return whole(period(node)?);
            }
            if node.get("low").is_some() || node.get("high").is_some() {
                return whole(range(node)?);
            }
            if node.get("numerator").is_some() || node.get("denominator").is_some() {
                return whole(ratio(node)?);
            }
            if node.get("line").is_some() || node.get("city").is_some() || node.get("postalCode").is_some() {
                return whole(address(node)?);
            }
            if node.get("family").is_some() || node.get("given").is_some() {
                return whole(human_name(node)?);
            }
            match node.get("value") {
                Some(Json::Number(_)) => return whole(quantity(node)?),
                Some(value) => return Some((value.primitive()?.to_owned(), format!("{path}.value"))),
                None => {}
            }
            concept(node, path)
        }
    }
}

/// Just the words of an element.
pub(super) fn say(node: &Json<'_>) -> Option<String> {
    words(node, "").map(|(text, _)| text)
}

/// `comparator value unit`, the digits as written.
pub(super) fn quantity(node: &Json<'_>) -> Option<String> {
    let value = node.get("value")?.primitive()?;
    let unit = unit(node);
    let comparator = node.string("comparator").unwrap_or_default();
    let gap = if unit.is_empty() { "" } else { " " };
    Some(format!("{comparator}{value}{gap}{unit}"))
}

/// The unit as recorded: the printed one, else its code.
pub(super) fn unit<'a>(node: &'a Json<'_>) -> &'a str {
    node.string("unit").or_else(|| node.string("code")).unwrap_or_default()
}

/// `low–high unit`, or the one bound there is.
pub(super) fn range(node: &Json<'_>) -> Option<String> {
    let low = node.get("low").filter(|bound| bound.get("value").is_some());
    let high = node.get("high").filter(|bound| bound.get("value").is_some());
    match (low, high) {
        (Some(low), Some(high)) => {
            let (from, to) = (low.get("value")?.primitive()?, quantity(high)?);
            // Bounds in different units must both say theirs.
            if !unit(low).is_empty() && unit(low) != unit(high) {
                return Some(format!("{}–{to}", quantity(low)?));
            }
            Some(format!("{from}–{to}"))
        }
        (Some(low), None) => Some(format!("≥{}", quantity(low)?)),
        (None, Some(high)) => Some(format!("≤{}", quantity(high)?)),
        (None, None) => None,
    }
}

/// `numerator / denominator`; a denominator of plain 1 with a unit is said as that unit alone.
pub(super) fn ratio(node: &Json<'_>) -> Option<String> {
    let numerator = quantity(node.get("numerator")?)?;
    let Some(denominator) = node.get("denominator") else { return Some(numerator) };
    let below = match (denominator.get("value").and_then(Json::primitive), unit(denominator)) {
        (Some("1") | None, unit) if !unit.is_empty() => unit.to_owned(),
        _ => quantity(denominator)?,
    };
    // `1:128` is how titres are written and read.
    let mark = if numerator.contains(' ') || below.contains(' ') || below.chars().any(char::is_alphabetic) {
        "/"
    } else {
        ":"
    };
    Some(format!("{numerator}{mark}{below}"))
}

fn period(node: &Json<'_>) -> Option<String> {
    match (node.string("start"), node.string("end")) {
        (Some(start), Some(end)) => Some(format!("{start} – {end}")),
        (Some(start), None) => Some(format!("{start} –")),
        (None, Some(end)) => Some(format!("– {end}")),
        (None, None) => None,
    }
}

/// How often, from the parts of `Timing`: its code's words, else `frequency × / period unit`.
pub(super) fn timing(node: &Json<'_>) -> Option<String> {
    if let Some((text, _)) = node.get("code").and_then(|code| concept(code, "code")) {
        return Some(text);
    }
    let repeat = node.get("repeat")?;
    let digits = |name: &str| repeat.get(name).and_then(Json::primitive);
    let mut parts = Vec::new();
    if let Some(frequency) = digits("frequency") {
        let most = digits("frequencyMax").map(|most| format!("–{most}")).unwrap_or_default();
        parts.push(format!("{frequency}{most}×"));
    }
    if let Some(period) = digits("period") {
        let most = digits("periodMax").map(|most| format!("–{most}")).unwrap_or_default();
        parts.push(format!("/ {period}{most} {}", repeat.string("periodUnit").unwrap_or_default()));
    }
    for name in ["when", "timeOfDay", "dayOfWeek"] {
        parts.extend(repeat.items(name).iter().filter_map(Json::primitive).map(str::to_owned));
    }
    let text = parts.join(" ").trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// A person's name as shown: its text, else prefix, given, family, suffix. A Hangul or Han name is written family first
/// and without a gap, as Korean readers write it.
pub(super) fn human_name(node: &Json<'_>) -> Option<String> {
    if let Some(text) = node.string("text") {
        return Some(text.to_owned());
    }
    let all = |name: &str| node.items(name).iter().filter_map(Json::text).map(str::to_owned).collect::<Vec<_>>();
    let family = all("family").join(" ");
    let given = all("given").join(" ");
    if is_cjk(&family) || (family.is_empty() && is_cjk(&given)) {
        let name = format!("{family}{}", given.replace(' ', ""));
        return (!name.is_empty()).then_some(name);
    }
    let mut parts = all("prefix");
    parts.extend([given, family].into_iter().filter(|part| !part.is_empty()));
    parts.extend(all("suffix"));
    (!parts.is_empty()).then(|| parts.join(" "))
}

fn is_cjk(text: &str) -> bool {
    text.chars().any(|c| matches!(c, '\u{ac00}'..='\u{d7a3}' | '\u{4e00}'..='\u{9fff}' | '\u{1100}'..='\u{11ff}'))
}

/// An address on one line: its text, else its parts in the order recorded.
pub(super) fn address(node: &Json<'_>) -> Option<String> {
    if let Some(text) = node.string("text") {
        return Some(text.to_owned());
    }
    let mut parts: Vec<&str> = node.items("line").iter().filter_map(Json::text).collect();
    for name in ["city", "district", "state", "postalCode", "country"] {
        parts.extend(node.string(name));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// A FHIR `date`, `dateTime` or `instant` as precise as written. A time of day without an offset (not FHIR, but seen)
/// says no instant: the day is kept.
pub(crate) fn when(text: &str) -> Option<When> {
    let text = text.trim();
    if !text.is_ascii() {
        return None;
    }
    match text.len() {
        4 => Some(When::Date(PartialDate::Year(digits(text)?))),
        7 => {
            let (year, month) = text.split_once('-')?;
            let month: i8 = digits(month)?;
            (1..=12).contains(&month).then_some(())?;
            Some(When::Date(PartialDate::Month(digits(year)?, month)))
        }
        10 => Some(When::Date(PartialDate::Day(day(text)?))),
        _ => match text.parse::<Timestamp>() {
            Ok(instant) => Some(When::Instant(instant)),
            Err(_) => Some(When::Date(PartialDate::Day(day(text.split_once('T')?.0)?))),
        },
    }
}

/// A `date` only.
pub(super) fn partial_date(text: &str) -> Option<PartialDate> {
    match when(text)? {
        When::Date(date) => Some(date),
        When::Instant(_) => day(text.split_once('T')?.0).map(PartialDate::Day),
    }
}

fn day(text: &str) -> Option<Date> {
    let mut parts = text.splitn(3, '-');
    Date::new(digits(parts.next()?)?, digits(parts.next()?)?, digits(parts.next()?)?).ok()
}

fn digits<N: std::str::FromStr>(text: &str) -> Option<N> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Order on a timeline; `None` (no date) first. Dates count from their first day, so `2019` stands before `2019-03-01`.
/// Instants are ordered by their UTC day against dates: for the order of a chart only, never for what an answer says.
pub(super) fn timeline(when: Option<&When>) -> Option<(Date, Option<Timestamp>)> {
    match when? {
        When::Date(PartialDate::Year(year)) => Some((Date::new(*year, 1, 1).ok()?, None)),
        When::Date(PartialDate::Month(year, month)) => Some((Date::new(*year, *month, 1).ok()?, None)),
        When::Date(PartialDate::Day(day)) => Some((*day, None)),
        When::Instant(instant) => Some((jiff::tz::TimeZone::UTC.to_datetime(*instant).date(), Some(*instant))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(json: &str) -> String {
        say(&Json::parse(json.as_bytes()).unwrap()).unwrap_or_default()
    }

    #[test]
    fn each_type_says_its_parts() {
        for (json, expected) in [
            (r#"{"value":7.10,"unit":"%"}"#, "7.10 %"),
            (r#"{"value":5,"comparator":"<","code":"mg/dL"}"#, "<5 mg/dL"),
            (r#"{"low":{"value":3.5,"unit":"mmol/L"},"high":{"value":5.10,"unit":"mmol/L"}}"#, "3.5–5.10 mmol/L"),
            (r#"{"numerator":{"value":1},"denominator":{"value":128}}"#, "1:128"),
            (r#"{"numerator":{"value":5,"unit":"mg"},"denominator":{"value":1,"unit":"mL"}}"#, "5 mg/mL"),
            (r#"{"coding":[{"code":"a"},{"code":"b","display":"B"}]}"#, "B"),
            (r#"{"reference":"Practitioner/1","display":"Dr Kim"}"#, "Dr Kim"),
            (r#"{"reference":"Practitioner/1"}"#, ""),
            (r#"{"repeat":{"frequency":2,"period":1,"periodUnit":"d"}}"#, "2× / 1 d"),
            (r#"{"code":{"text":"1일 3회"},"repeat":{"frequency":3}}"#, "1일 3회"),
            (r#"{"family":"김","given":["민수"]}"#, "김민수"),
            (r#"{"family":"Shaw","given":["Amy","V."],"prefix":["Ms"]}"#, "Ms Amy V. Shaw"),
            (r#"{"line":["세종대로 110"],"city":"서울","postalCode":"04524"}"#, "세종대로 110, 서울, 04524"),
            (r#"{"system":"phone","value":"02-120"}"#, "02-120"),
        ] {
            assert_eq!(said(json), expected, "{json}");
        }
    }

    #[test]
    fn dates_are_as_precise_as_written() {
        assert_eq!(when("1972"), Some(When::Date(PartialDate::Year(1972))));
        assert_eq!(when("1972-03"), Some(When::Date(PartialDate::Month(1972, 3))));
        assert!(matches!(when("1972-03-05"), Some(When::Date(PartialDate::Day(_)))));
        assert!(matches!(when("2015-02-07T13:28:17.239+02:00"), Some(When::Instant(_))));
        assert!(matches!(when("2015-02-07T13:28:17"), Some(When::Date(PartialDate::Day(_)))));
        for wrong in ["1972-13", "1972-02-30", "05/03/1972", "", "19720", "+972", "가나다라"] {
            assert_eq!(when(wrong), None, "{wrong}");
        }
    }
}
