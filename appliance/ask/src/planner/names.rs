//! What code systems call the codes of a chart: so that a Korean question finds an entry that the record names only in
//! English, and the other way round. The names come in; nothing here opens a file.

use std::collections::BTreeMap;

use haechi_record::chart::{Chart, Coding, Kind, PartialDate, When};
use haechi_record::terminology::{Asked, Breadth, Names, System};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::text::is_hangul;
use super::vocabulary::is_common;
use crate::plan::Subject;

/// The codings of a chart, each with the days on which it stands there: what to ask the terminology for.
#[must_use]
pub fn codings(chart: &Chart, zone: &TimeZone) -> Vec<Asked> {
    let mut asked: BTreeMap<(String, String), Vec<Date>> = BTreeMap::new();
    for entry in &chart.entries {
        let day = entry.when.as_ref().map(|when| match when {
            When::Date(PartialDate::Day(day)) => *day,
            When::Date(PartialDate::Month(year, month)) => Date::new(*year, *month, 1).unwrap_or(Date::ZERO),
            When::Date(PartialDate::Year(year)) => Date::new(*year, 1, 1).unwrap_or(Date::ZERO),
            When::Instant(at) => at.to_zoned(zone.clone()).date(),
        });
        for coding in entry.codes.iter().chain(entry.values.iter().flat_map(|value| &value.codes)) {
            if coding.code.is_empty() || System::named(&coding.system).is_none() {
                continue;
            }
            let days = asked.entry((coding.system.clone(), coding.code.clone())).or_default();
            days.extend(day.filter(|day| !days.contains(day)));
        }
    }
    asked.into_iter().map(|((system, code), days)| Asked { system, code, days }).collect()
}

/// The ways of calling codes, lower case, each with what it means.
#[derive(Debug, Default)]
pub(super) struct Callings(BTreeMap<String, Subject>);

impl Callings {
    pub(super) fn of(chart: &Chart, names: &[Names]) -> Self {
        let mut callings = Self::default();
        for named in names {
            let kinds = kinds(chart, named);
            if kinds.is_empty() {
                continue;
            }
            let code = (named.system.clone(), named.code.clone());
            let shown = |language: &str| {
                let own =
                    named.names.iter().find(|(name, breadth)| name.language == language && *breadth == Breadth::Same);
                own.map(|(name, _)| name.text.clone()).unwrap_or_default()
            };
            for (name, breadth) in &named.names {
                let whole = matches!(System::named(&named.system), Some(System::Loinc | System::Ucum) | None);
                let shown = match (breadth, name.language.as_str()) {
                    (Breadth::Same, _) => (shown("en"), shown("ko")),
                    (Breadth::Wider, "ko") => (String::new(), name.text.clone()),
                    (Breadth::Wider, _) => (name.text.clone(), String::new()),
                };
                for calling in callings_of(&name.text, whole, kinds.contains(&Kind::Medication)) {
                    let subject = callings.0.entry(calling.clone()).or_insert_with(|| Subject {
                        said: calling.clone(),
                        names: shown.clone(),
                        terms: vec![calling],
                        ..Subject::default()
                    });
                    if !subject.codes.contains(&code) {
                        subject.codes.push(code.clone());
                    }
                    subject.kinds.extend(kinds.iter().filter(|kind| !subject.kinds.contains(kind)).collect::<Vec<_>>());
                }
            }
        }
        callings
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Subject)> {
        self.0.iter().map(|(calling, subject)| (calling.as_str(), subject))
    }
}

/// The kinds of entries that carry the coding; what only relatives have is not the patient's.
fn kinds(chart: &Chart, named: &Names) -> Vec<Kind> {
    let carries = |codings: &[Coding]| codings.iter().any(|c| c.system == named.system && c.code == named.code);
    let mut kinds: Vec<Kind> = Vec::new();
    for entry in &chart.entries {
        let here = carries(&entry.codes) || entry.values.iter().any(|value| carries(&value.codes));
        if here && entry.kind != Kind::FamilyHistory && !kinds.contains(&entry.kind) {
            kinds.push(entry.kind);
        }
    }
    kinds
}

/// Words before which, in Korean, stands what a thing is without: behind them stands the thing.
const KOREAN_QUALIFIERS: &[&str] =
    &["동반하지 않은 ", "동반한 ", "않은 ", "언급이 없는 ", "명시된 ", "상세불명의 ", "기타 "];
/// Where, in English, the thing ends and its qualification begins.
const ENGLISH_QUALIFIERS: &[&str] = &[", ", " without ", " with "];
const ENGLISH_OPENINGS: &[&str] = &["other and unspecified ", "other specified ", "unspecified ", "other "];

/// How people say a published name: whole, without brackets, without its qualification (an X without complications is an
/// X). Single words of it are not taken: 식도염 is not what "식도염을 동반하지 않은 위-식도역류병" is.
fn callings_of(name: &str, whole_only: bool, medicine: bool) -> Vec<String> {
    let lower = name.trim().to_lowercase();
    let mut callings = vec![lower.clone()];
    if !whole_only {
        let bare = without_brackets(&lower);
        callings.push(bare.clone());
        if bare.chars().any(is_hangul) {
            let head = bare.split(", ").next().unwrap_or_default();
            let thing = KOREAN_QUALIFIERS
                .iter()
                .filter_map(|qualifier| head.rfind(qualifier).map(|at| at + qualifier.len()))
                .max()
                .and_then(|at| head.get(at..))
                .unwrap_or(head);
            callings.push(thing.to_owned());
            // 제2형 and 2형 are said alike.
            callings.extend(
                thing
                    .strip_prefix('제')
                    .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
                    .map(str::to_owned),
            );
        } else {
            let cut =
                ENGLISH_QUALIFIERS.iter().filter_map(|qualifier| bare.find(qualifier)).min().unwrap_or(bare.len());
            let head = bare.get(..cut).unwrap_or_default();
            let head = ENGLISH_OPENINGS.iter().find_map(|opening| head.strip_prefix(opening)).unwrap_or(head);
            // Not otherwise specified: said by the classification, not by people.
            let head = head.strip_suffix(" nos").unwrap_or(head);
            // "Person with ...", "problem with ...": one short word is left that names nothing.
            if head.contains(' ') || head.len() >= 8 {
                callings.push(head.to_owned());
            }
        }
        if medicine {
            // 해치메트정 500mg: the strength is not said.
            let words: Vec<&str> =
                bare.split(' ').take_while(|word| !word.starts_with(|c: char| c.is_ascii_digit())).collect();
            callings.push(words.join(" "));
        }
    }
    callings.retain(|calling| {
        let long = if calling.chars().any(is_hangul) { 2 } else { 4 };
        calling.chars().count() >= long && calling.chars().any(char::is_alphabetic) && !is_common(calling)
    });
    callings.sort_unstable();
    callings.dedup();
    callings
}

/// Without what stands in round or square brackets.
fn without_brackets(text: &str) -> String {
    let mut depth = 0_usize;
    let mut bare = String::new();
    for c in text.chars() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ if depth == 0 => bare.push(c),
            _ => {}
        }
    }
    bare.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_called_by_what_the_thing_is() {
        for (name, expected) in [
            ("식도염을 동반하지 않은 위-식도역류병", vec!["식도염을 동반하지 않은 위-식도역류병", "위-식도역류병"]),
            (
                "합병증을 동반하지 않은 제2형 당뇨병",
                vec!["2형 당뇨병", "제2형 당뇨병", "합병증을 동반하지 않은 제2형 당뇨병"],
            ),
            ("본태성(원발성) 고혈압", vec!["본태성 고혈압", "본태성(원발성) 고혈압"]),
            (
                "Gastro-esophageal reflux disease without esophagitis",
                vec!["gastro-esophageal reflux disease", "gastro-esophageal reflux disease without esophagitis"],
            ),
            ("Pneumonia, unspecified organism", vec!["pneumonia", "pneumonia, unspecified organism"]),
            ("Esophageal reflux NOS", vec!["esophageal reflux", "esophageal reflux nos"]),
            ("Unspecified atrial fibrillation", vec!["atrial fibrillation", "unspecified atrial fibrillation"]),
            ("Person with feared complaint", vec!["person with feared complaint"]),
            ("Test", vec![]),
        ] {
            assert_eq!(callings_of(name, false, false), expected, "{name}");
        }
        assert!(callings_of("해치메트정 500mg", false, true).contains(&"해치메트정".to_owned()));
    }
}
