//! Conditions on values. A value passes only on what was recorded: its number, its flag, its range, its words.

use haechi_record::chart::{Entry, Measured};

use crate::plan::Filter;

/// Words of a result that says it is there. Compared whole, case apart.
const POSITIVE: &[&str] = &["positive", "reactive", "detected", "present", "pos", "양성", "검출"];
/// Words of a result that says it is not there.
const NEGATIVE: &[&str] = &["negative", "non-reactive", "nonreactive", "non reactive", "not detected", "absent", "neg", "음성", "불검출"];

/// True if the value satisfies the condition.
#[must_use]
pub(crate) fn passes(value: &Measured, filter: Filter) -> bool {
    let flag = value.interpretation.as_deref().unwrap_or("").to_ascii_uppercase();
    let low = value.number.zip(value.range.as_ref().and_then(|range| range.low)).is_some_and(|(number, low)| number < low);
    let high = value.number.zip(value.range.as_ref().and_then(|range| range.high)).is_some_and(|(number, high)| number > high);
    match filter {
        Filter::Abnormal => is_abnormal(value),
        // Normal needs a witness: a flag, or a range that holds the number.
        Filter::Normal => flag == "N" || (flag.is_empty() && value.number.is_some() && has_range(value) && !low && !high),
        Filter::High => flag.starts_with('H') || (flag.is_empty() && high),
        Filter::Low => flag.starts_with('L') || (flag.is_empty() && low),
        Filter::Above(bound, inclusive) => value.number.is_some_and(|number| {
            let below_limit = value.comparator.as_deref().is_some_and(|comparator| comparator.starts_with('<'));
            !below_limit && (number > bound || (inclusive && number >= bound))
        }),
        Filter::Below(bound, inclusive) => value.number.is_some_and(|number| {
            let above_limit = value.comparator.as_deref().is_some_and(|comparator| comparator.starts_with('>'));
            !above_limit && (number < bound || (inclusive && number <= bound))
        }),
        Filter::Positive => worded(&value.text, POSITIVE) || flag == "POS",
        Filter::Negative => worded(&value.text, NEGATIVE) || flag == "NEG",
    }
}

/// True if a flag or the reference range says so.
#[must_use]
pub(crate) fn is_abnormal(value: &Measured) -> bool {
    let flag = value.interpretation.as_deref().unwrap_or("").to_ascii_uppercase();
    if !flag.is_empty() {
        return matches!(flag.as_str(), "H" | "L" | "HH" | "LL" | "HU" | "LU" | "A" | "AA" | "POS" | "DET" | "R" | "<" | ">");
    }
    let Some((number, range)) = value.number.zip(value.range.as_ref()) else { return false };
    range.low.is_some_and(|low| number < low) || range.high.is_some_and(|high| number > high)
}

/// The same for an entry without measured values: only words can say it.
#[must_use]
pub(crate) fn says(entry: &Entry, filter: Filter) -> bool {
    let words = match filter {
        Filter::Positive => POSITIVE,
        Filter::Negative => NEGATIVE,
        _ => return false,
    };
    entry.facts.iter().any(|fact| worded(&fact.text, words))
}

fn has_range(value: &Measured) -> bool {
    value.range.as_ref().is_some_and(|range| range.low.is_some() || range.high.is_some())
}

fn worded(text: &str, words: &[&str]) -> bool {
    let text = text.trim().to_lowercase();
    words.iter().any(|word| text == *word || text.starts_with(&format!("{word} ")) || text.starts_with(&format!("{word}(")))
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
            unit: String::new(),
            interpretation: flag.map(str::to_owned),
            range: range.map(|(low, high)| Range { low: Some(low), high: Some(high), text: String::new() }),
            path: "valueQuantity".to_owned(),
            absent: None,
        }
    }

    #[test]
    fn a_flag_goes_before_the_range_and_without_either_nothing_is_abnormal_or_normal() {
        assert!(passes(&value(9.0, Some("H"), None), Filter::Abnormal));
        assert!(!passes(&value(9.0, Some("N"), Some((1.0, 2.0))), Filter::Abnormal));
        assert!(passes(&value(9.0, None, Some((1.0, 2.0))), Filter::High));
        assert!(!passes(&value(9.0, None, None), Filter::Abnormal));
        assert!(!passes(&value(9.0, None, None), Filter::Normal));
    }

    #[test]
    fn bounds_are_strict_unless_said_and_comparators_count() {
        assert!(!passes(&value(140.0, None, None), Filter::Above(140.0, false)));
        assert!(passes(&value(140.0, None, None), Filter::Above(140.0, true)));
        let mut below_limit = value(5.0, None, None);
        below_limit.comparator = Some("<".to_owned());
        assert!(!passes(&below_limit, Filter::Above(4.0, false)), "<5 may be 1");
        assert!(passes(&below_limit, Filter::Below(6.0, false)));
    }

    #[test]
    fn words_are_read_whole() {
        let mut worded = value(0.0, None, None);
        worded.text = "Non-reactive".to_owned();
        assert!(passes(&worded, Filter::Negative) && !passes(&worded, Filter::Positive));
        worded.text = "양성".to_owned();
        assert!(passes(&worded, Filter::Positive));
    }
}
