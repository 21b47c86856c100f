//! Conditions on a value: `above 140`, `< 3.5`, `140/90 or higher`, `140 이상`, `3.5 미만`.

use super::unit::Unit;
use crate::question::Script;

/// A condition as said.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bound {
    /// Above; else below.
    pub(super) above: bool,
    /// The number itself counts too.
    pub(super) inclusive: bool,
    /// The number.
    pub(super) number: f64,
    /// The second of a pair: 90 in `140/90`.
    pub(super) second: Option<f64>,
    /// The unit beside it, as written.
    pub(super) unit: Option<String>,
}

const ABOVE: [(&str, bool); 27] = [
    ("above", false), ("over", false), ("greater than", false), ("more than", false), ("higher than", false), ("larger than", false), ("bigger than", false),
    ("exceed", false), ("exceeds", false), ("exceeded", false), ("exceeding", false), ("past", false), ("go over", false), ("gone over", false),
    ("at least", true), ("greater than or equal to", true), ("no less than", true), ("not less than", true), ("at or above", true), ("equal to or above", true),
    ("reach", true), ("reached", true), ("hit", true), ("up to or above", true), ("beyond", false), ("upwards of", false), ("north of", false),
];
const BELOW: [(&str, bool); 22] = [
    ("below", false), ("under", false), ("less than", false), ("lower than", false), ("smaller than", false), ("beneath", false), ("fewer than", false),
    ("at most", true), ("less than or equal to", true), ("no more than", true), ("not more than", true), ("at or below", true), ("drop below", false), ("dropped below", false),
    ("fall below", false), ("fell below", false), ("fallen below", false), ("go below", false), ("gone below", false), ("dip below", false), ("dipped below", false), ("went below", false),
];
const AFTER_ABOVE: [(&str, bool); 8] = [
    ("or higher", true), ("or above", true), ("or more", true), ("or greater", true), ("and above", true), ("and higher", true), ("or over", true), ("and over", true),
];
const AFTER_BELOW: [(&str, bool); 6] =
    [("or lower", true), ("or below", true), ("or less", true), ("and below", true), ("or under", true), ("and under", true)];
const KOREAN_ABOVE: [(&str, bool); 16] = [
    ("이상", true), ("초과", false), ("넘", false), ("보다높", false), ("보다큰", false), ("보다크", false), ("보다위", false), ("보다올라", false),
    ("위로", false), ("돌파", false), ("보다컸", false), ("웃", false), ("보다많", false), ("보다더높", false), ("대이상", true), ("도달", true),
];
const KOREAN_BELOW: [(&str, bool); 16] = [
    ("이하", true), ("미만", false), ("아래", false), ("밑", false), ("보다낮", false), ("보다작", false), ("보다적", false), ("보다떨어", false),
    ("못미치", false), ("밑으로", false), ("보다아래", false), ("보다더낮", false), ("까지떨어", true), ("대이하", true), ("보다내려", false), ("못넘", true),
];
/// Words of lengths of time and counts: a number before them bounds no value.
const NOT_VALUES: [&str; 24] = [
    "day", "days", "week", "weeks", "month", "months", "year", "years", "yr", "yrs", "hours", "hour", "times", "time", "visits", "visit", "admissions", "admission", "drugs", "medications",
    "meds", "mo", "once", "different",
];
const KOREAN_NOT_VALUES: [&str; 9] = ["년", "개월", "달", "주", "일", "번", "회", "시간", "세"];

/// The condition that begins at `at`, and how many units it takes.
pub(super) fn bound_at(units: &[Unit], at: usize) -> Option<(usize, Bound)> {
    english(units, at).or_else(|| number_first(units, at))
}

fn english(units: &[Unit], at: usize) -> Option<(usize, Bound)> {
    let word = ABOVE.iter().map(|(words, inclusive)| (words, *inclusive, true)).chain(BELOW.iter().map(|(words, inclusive)| (words, *inclusive, false)));
    let (taken, inclusive, above) =
        word.filter_map(|(words, inclusive, above)| Some((phrase(units, at, words)?, inclusive, above))).max_by_key(|(taken, ..)| *taken)?;
    let mut place = at + taken;
    while units.get(place).is_some_and(|unit| matches!(unit.text.as_str(), "a" | "the" | "of" | "value" | "level" | "or" | "equal" | "to" | "about")) {
        place += 1;
    }
    let (number, second, taken) = number_at(units, place)?;
    place += taken;
    let (unit, taken) = unit_at(units, place);
    place += taken;
    if units.get(place).is_some_and(|unit| NOT_VALUES.contains(&unit.text.as_str()) || (unit.is_hangul() && !unit.gap && KOREAN_NOT_VALUES.contains(&unit.text.as_str()))) {
        return None;
    }
    Some((place - at, Bound { above, inclusive, number, second, unit }))
}

/// `> 140`, `140 or higher`, `140 이상`: the number comes first, or only a sign before it.
fn number_first(units: &[Unit], at: usize) -> Option<(usize, Bound)> {
    let (number, second, taken) = number_at(units, at)?;
    let sign = units.get(at)?.sign.as_str();
    let mut place = at + taken;
    let (unit, taken) = unit_at(units, place);
    place += taken;
    let signed = if sign.contains(['>', '≥', '＞']) {
        Some((true, sign.contains(['≥', '='])))
    } else if sign.contains(['<', '≤', '＜']) {
        Some((false, sign.contains(['≤', '='])))
    } else {
        None
    };
    if let Some((above, inclusive)) = signed {
        return Some((place - at, Bound { above, inclusive, number, second, unit }));
    }
    let after = AFTER_ABOVE.iter().map(|words| (words, true)).chain(AFTER_BELOW.iter().map(|words| (words, false)));
    for ((words, inclusive), above) in after {
        if let Some(taken) = phrase(units, place, words) {
            return Some((place + taken - at, Bound { above, inclusive: *inclusive, number, second, unit }));
        }
    }
    // A particle may stand between: 140을 넘, 3.5보다 낮.
    for particle in ["", "을", "를", "이", "가", "도", "은", "는", "선", "선을", "대", "점", "점을"] {
        let Some(gap) = hangul(units, place, particle) else { continue };
        let words = KOREAN_ABOVE.iter().map(|words| (words, true)).chain(KOREAN_BELOW.iter().map(|words| (words, false)));
        let found = words
            .filter_map(|((word, inclusive), above)| Some((hangul(units, place + gap, word)?, *inclusive, above)))
            .max_by_key(|(taken, ..)| *taken);
        if let Some((taken, inclusive, above)) = found {
            return Some((place + gap + taken - at, Bound { above, inclusive, number, second, unit }));
        }
    }
    None
}

/// A number, or a pair with a slash.
fn number_at(units: &[Unit], at: usize) -> Option<(f64, Option<f64>, usize)> {
    let first = units.get(at)?.number()?;
    // `<0`: a minus is not read; no value asked about is negative but a T-score, and that is refused below.
    if let Some(next) = units.get(at + 1)
        && next.sign == "/"
        && let Some(second) = next.number()
    {
        return Some((first, Some(second), 2));
    }
    // 10,000
    if let Some(next) = units.get(at + 1)
        && next.sign == ","
        && next.script == Script::Number
        && next.text.len() == 3
        && first < 1000.0
        && let Some(rest) = next.number()
    {
        return Some((first * 1000.0 + rest, None, 2));
    }
    Some((first, None, 1))
}

/// The unit after a number, as written without blanks, and how many units it takes.
fn unit_at(units: &[Unit], at: usize) -> (Option<String>, usize) {
    let Some(first) = units.get(at) else { return (None, 0) };
    const LONE: [&str; 26] = [
        "mg", "g", "kg", "mcg", "ug", "ng", "pg", "mmol", "umol", "meq", "ml", "l", "dl", "mmhg", "bpm", "cm", "lb", "lbs", "percent", "celsius", "c", "f", "u", "iu", "miu", "k",
    ];
    if LONE.contains(&first.text.as_str()) {
        let mut name = first.text.clone();
        let mut taken = 1;
        while let Some(next) = units.get(at + taken).filter(|next| next.sign == "/" && taken < 4) {
            name.push('/');
            name.push_str(&next.text);
            taken += 1;
        }
        return (Some(name), taken);
    }
    if first.sign.starts_with('%') {
        return (Some("%".to_owned()), 0);
    }
    for (word, name) in [("퍼센트", "%"), ("프로", "%"), ("킬로", "kg"), ("도", "℃"), ("점", ""), ("센티", "cm"), ("그램", "g"), ("미리", "mg")] {
        if let Some(taken) = hangul(units, at, word) {
            return ((!name.is_empty()).then(|| name.to_owned()), taken);
        }
    }
    (None, 0)
}

fn phrase(units: &[Unit], at: usize, phrase: &str) -> Option<usize> {
    let mut taken = 0;
    for word in phrase.split(' ') {
        if units.get(at + taken)?.text != word {
            return None;
        }
        taken += 1;
    }
    Some(taken)
}

fn hangul(units: &[Unit], at: usize, text: &str) -> Option<usize> {
    let mut taken = 0;
    for syllable in text.chars() {
        let unit = units.get(at + taken)?;
        if !unit.is_hangul() || !unit.text.starts_with(syllable) {
            return None;
        }
        taken += 1;
    }
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::super::unit::units;
    use super::*;

    fn first(text: &str) -> Option<(bool, bool, f64, Option<f64>, Option<String>)> {
        let units = units(text);
        (0..units.len()).find_map(|at| bound_at(&units, at)).map(|(_, b)| (b.above, b.inclusive, b.number, b.second, b.unit))
    }

    #[test]
    fn bounds_are_read_in_both_languages() {
        for (text, above, inclusive, number) in [
            ("above 140", true, false, 140.0),
            ("was it ever over 140 mmHg", true, false, 140.0),
            ("K < 3.5", false, false, 3.5),
            ("K ≥5.5 mmol/L", true, true, 5.5),
            ("6.5 or higher", true, true, 6.5),
            ("less than 10 g/dL", false, false, 10.0),
            ("140 이상", true, true, 140.0),
            ("140을 넘은", true, false, 140.0),
            ("3.5 미만", false, false, 3.5),
            ("3.5보다 낮았던", false, false, 3.5),
            ("38도 넘은", true, false, 38.0),
            ("7%를 초과", true, false, 7.0),
            ("10,000 이상", true, true, 10_000.0),
        ] {
            let found = first(text).map(|(a, i, n, ..)| (a, i, n));
            assert_eq!(found, Some((above, inclusive, number)), "{text}");
        }
        assert_eq!(first("BP above 140/90").and_then(|bound| bound.3), Some(90.0));
        assert_eq!(first("below 3.5 mmol/L").and_then(|bound| bound.4), Some("mmol/l".to_owned()));
    }

    #[test]
    fn counts_and_lengths_of_time_are_no_bounds() {
        for text in ["more than 3 times", "over 6 months", "2020년 이후", "last 3 values"] {
            assert_eq!(first(text), None, "{text}");
        }
    }
}
