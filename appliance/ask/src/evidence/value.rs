//! Conditions on values. A value passes only on what was recorded: its number, its flag, its range, its words; where none
//! of these can say, the answer says so instead of counting it on either side.

use std::cmp::Ordering;

use haechi_record::chart::{Entry, Measured};

use super::unit;
use crate::plan::Filter;

/// What a condition makes of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It satisfies the condition.
    Passes,
    /// It does not.
    Fails,
    /// The record does not say enough.
    Unknown,
}

/// Words of a result that says it is there. Compared whole, case apart.
const POSITIVE: &[&str] = &["positive", "reactive", "detected", "present", "pos", "양성", "검출", "반응성"];
/// Words of a result that says it is not there.
const NEGATIVE: &[&str] = &[
    "negative",
    "non-reactive",
    "nonreactive",
    "non reactive",
    "not detected",
    "undetected",
    "absent",
    "neg",
    "음성",
    "불검출",
    "비반응성",
];

/// Where a value stands to normal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    High,
    Low,
    Normal,
    /// Abnormal without direction.
    Abnormal,
}

/// Judges a value of `entry`. `asked_unit`: the unit that the question put beside its number; a number in another unit is
/// compared by conversion, or not at all.
#[must_use]
pub(crate) fn judge(entry: &Entry, value: &Measured, filter: Filter, asked_unit: Option<&str>) -> Verdict {
    let yes = |passes: bool| if passes { Verdict::Passes } else { Verdict::Fails };
    match filter {
        Filter::Abnormal => standing(value).map_or(Verdict::Unknown, |standing| yes(standing != Standing::Normal)),
        Filter::Normal => standing(value).map_or(Verdict::Unknown, |standing| yes(standing == Standing::Normal)),
        Filter::High => standing(value).map_or(Verdict::Unknown, |standing| yes(standing == Standing::High)),
        Filter::Low => standing(value).map_or(Verdict::Unknown, |standing| yes(standing == Standing::Low)),
        Filter::Above(bound, inclusive) => bounded(entry, value, bound, inclusive, Ordering::Greater, asked_unit),
        Filter::Below(bound, inclusive) => bounded(entry, value, bound, inclusive, Ordering::Less, asked_unit),
        Filter::Positive => verdict_of_words(value, POSITIVE, NEGATIVE, "POS", "NEG"),
        Filter::Negative => verdict_of_words(value, NEGATIVE, POSITIVE, "NEG", "POS"),
    }
}

/// An entry without measured values: only words can say it.
#[must_use]
pub(super) fn judge_words(entry: &Entry, filter: Filter) -> Verdict {
    let (yes, no) = match filter {
        Filter::Positive => (POSITIVE, NEGATIVE),
        Filter::Negative => (NEGATIVE, POSITIVE),
        _ => return Verdict::Unknown,
    };
    if entry.facts.iter().any(|fact| worded(&fact.text, yes)) {
        Verdict::Passes
    } else if entry.facts.iter().any(|fact| worded(&fact.text, no)) {
        Verdict::Fails
    } else {
        Verdict::Unknown
    }
}

/// The flag goes before the range: the laboratory knew the patient's age and sex.
fn standing(value: &Measured) -> Option<Standing> {
    match value.interpretation.as_deref().unwrap_or("").to_ascii_uppercase().as_str() {
        "H" | "HH" | "HU" | ">" | "HX" => return Some(Standing::High),
        "L" | "LL" | "LU" | "<" | "LX" => return Some(Standing::Low),
        "A" | "AA" => return Some(Standing::Abnormal),
        "N" => return Some(Standing::Normal),
        _ => {}
    }
    match by_range(value)? {
        Ordering::Greater => Some(Standing::High),
        Ordering::Less => Some(Standing::Low),
        Ordering::Equal => Some(Standing::Normal),
    }
}

/// Above, below or within the recorded range; `None` where there is no range, no number, or the comparator leaves it open.
#[must_use]
pub(crate) fn by_range(value: &Measured) -> Option<Ordering> {
    let number = value.number?;
    let range = value.range.as_ref()?;
    let (less, greater) = comparators(value);
    if range.high.is_some_and(|high| number > high) {
        return (!less).then_some(Ordering::Greater);
    }
    if range.low.is_some_and(|low| number < low) {
        return (!greater).then_some(Ordering::Less);
    }
    // `<5` in 0–10 is inside; `<5` in 3–10 is open.
    let open = (less && range.low.is_some_and(|low| low > 0.0)) || (greater && range.high.is_some());
    (!open && (range.low.is_some() || range.high.is_some())).then_some(Ordering::Equal)
}

fn comparators(value: &Measured) -> (bool, bool) {
    let comparator = value.comparator.as_deref().unwrap_or("");
    (comparator.starts_with('<'), comparator.starts_with('>'))
}

fn bounded(
    entry: &Entry,
    value: &Measured,
    bound: f64,
    inclusive: bool,
    wanted: Ordering,
    asked_unit: Option<&str>,
) -> Verdict {
    let Some(mut number) = value.number else { return Verdict::Unknown };
    if let Some(asked) = asked_unit.filter(|asked| !asked.is_empty() && !value.unit.is_empty())
        && !unit::same(asked, &value.unit)
    {
        match unit::convert(entry, value, asked) {
            Some(converted) => number = converted.number,
            None if unit::understood(asked, &value.unit) => return Verdict::Unknown,
            // `bpm` beside `beats`: a spelling that is not read is taken to be the one that was asked.
            None => {}
        }
    }
    let (less, greater) = comparators(value);
    let passes = match number.partial_cmp(&bound) {
        Some(order) if order == wanted => true,
        Some(Ordering::Equal) => inclusive,
        _ => false,
    };
    // `<5` may be anything below: it passes "below 6" and fails "above 5", and says nothing about "above 4".
    let away = if wanted == Ordering::Greater { less } else { greater };
    let toward = if wanted == Ordering::Greater { greater } else { less };
    match (passes, away, toward) {
        (true, false, _) => Verdict::Passes,
        (true, true, _) => Verdict::Unknown,
        // `>60` for "above 60" is above; for "above 70" it is open.
        (false, _, true) if number == bound => Verdict::Passes,
        (false, _, true) => Verdict::Unknown,
        (false, ..) => Verdict::Fails,
    }
}

fn verdict_of_words(value: &Measured, yes: &[&str], no: &[&str], yes_flag: &str, no_flag: &str) -> Verdict {
    let flag = value.interpretation.as_deref().unwrap_or("");
    if worded(&value.text, no) {
        Verdict::Fails
    } else if worded(&value.text, yes) || flag == yes_flag {
        Verdict::Passes
    } else if flag == no_flag {
        Verdict::Fails
    } else {
        Verdict::Unknown
    }
}

/// The text is one of the words, or begins with it: `Detected (low)`, `Positive 1:40`.
fn worded(text: &str, words: &[&str]) -> bool {
    let text = text.trim().to_lowercase();
    words.iter().any(|word| {
        text.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '(', ',', ';', ':', '/']))
    })
}

#[cfg(test)]
mod tests {
    use haechi_record::chart::Range;

    use super::*;

    fn value(number: f64, flag: Option<&str>, range: Option<(f64, f64)>) -> Measured {
        Measured {
            name: String::new(),
            codes: Vec::new(),
            number: Some(number),
            comparator: None,
            text: number.to_string(),
            unit: "mg/dL".to_owned(),
            interpretation: flag.map(str::to_owned),
            range: range.map(|(low, high)| Range { low: Some(low), high: Some(high), text: String::new() }),
            path: "valueQuantity".to_owned(),
            absent: None,
        }
    }

    fn with(comparator: &str, number: f64) -> Measured {
        Measured { comparator: Some(comparator.to_owned()), ..value(number, None, None) }
    }

    fn judged(value: &Measured, filter: Filter, unit: Option<&str>) -> Verdict {
        let raw = br#"{"resourceType":"Observation","id":"a","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"2345-7"}]}}"#;
        let entry = haechi_record::chart::read::entry(raw, "a", jiff::Timestamp::UNIX_EPOCH, None).unwrap();
        judge(&entry, value, filter, unit)
    }

    #[test]
    fn a_flag_goes_before_the_range_and_without_either_nothing_is_abnormal_or_normal() {
        for (flag, range, filter, expected) in [
            (Some("H"), None, Filter::Abnormal, Verdict::Passes),
            (Some("HH"), None, Filter::High, Verdict::Passes),
            (Some("L"), None, Filter::High, Verdict::Fails),
            (Some("N"), Some((1.0, 2.0)), Filter::Abnormal, Verdict::Fails),
            (None, Some((1.0, 2.0)), Filter::High, Verdict::Passes),
            (None, Some((10.0, 20.0)), Filter::Low, Verdict::Passes),
            (None, Some((1.0, 20.0)), Filter::Normal, Verdict::Passes),
            (None, None, Filter::Abnormal, Verdict::Unknown),
            (None, None, Filter::Normal, Verdict::Unknown),
            (Some("POS"), None, Filter::Abnormal, Verdict::Unknown),
            (Some("A"), None, Filter::Abnormal, Verdict::Passes),
            (Some("A"), None, Filter::High, Verdict::Fails),
        ] {
            assert_eq!(judged(&value(9.0, flag, range), filter, None), expected, "{flag:?} {range:?} {filter:?}");
        }
    }

    #[test]
    fn bounds_are_strict_unless_said() {
        assert_eq!(judged(&value(140.0, None, None), Filter::Above(140.0, false), None), Verdict::Fails);
        assert_eq!(judged(&value(140.0, None, None), Filter::Above(140.0, true), None), Verdict::Passes);
        assert_eq!(judged(&value(139.0, None, None), Filter::Below(140.0, false), None), Verdict::Passes);
    }

    #[test]
    fn comparators_leave_open_what_they_leave_open() {
        for (value, filter, expected) in [
            (with("<", 5.0), Filter::Above(4.0, false), Verdict::Unknown),
            (with("<", 5.0), Filter::Above(5.0, false), Verdict::Fails),
            (with("<", 5.0), Filter::Below(6.0, false), Verdict::Passes),
            (with("<", 5.0), Filter::Below(5.0, false), Verdict::Passes),
            (with("<", 5.0), Filter::Below(4.0, false), Verdict::Unknown),
            (with(">", 60.0), Filter::Above(60.0, false), Verdict::Passes),
            (with(">", 60.0), Filter::Below(90.0, false), Verdict::Unknown),
        ] {
            assert_eq!(judged(&value, filter, None), expected, "{:?} {filter:?}", value.comparator);
        }
    }

    #[test]
    fn a_number_in_another_unit_is_compared_by_conversion_or_not_at_all() {
        let above = |number| Filter::Above(number, false);
        // 99 mg/dL of glucose are 5.5 mmol/L.
        assert_eq!(judged(&value(99.0, None, None), above(5.0), Some("mmol/L")), Verdict::Passes);
        assert_eq!(judged(&value(99.0, None, None), above(6.0), Some("mmol/l")), Verdict::Fails);
        assert_eq!(judged(&value(99.0, None, None), above(0.9), Some("g/L")), Verdict::Passes);
        assert_eq!(judged(&value(99.0, None, None), above(1.0), Some("mmHg")), Verdict::Unknown);
        assert_eq!(judged(&value(9.0, None, None), Filter::Above(5.0, false), Some("mg/dl")), Verdict::Passes);
    }

    #[test]
    fn words_are_read_whole() {
        for (text, filter, expected) in [
            ("Non-reactive", Filter::Negative, Verdict::Passes),
            ("Non-reactive", Filter::Positive, Verdict::Fails),
            ("Not detected", Filter::Positive, Verdict::Fails),
            ("Detected (low)", Filter::Positive, Verdict::Passes),
            ("양성", Filter::Positive, Verdict::Passes),
            ("음성(-)", Filter::Negative, Verdict::Passes),
            ("Positively charged", Filter::Positive, Verdict::Unknown),
            ("2+", Filter::Positive, Verdict::Unknown),
        ] {
            let mut said = value(0.0, None, None);
            said.text = text.to_owned();
            assert_eq!(judged(&said, filter, None), expected, "{text} {filter:?}");
        }
    }
}
