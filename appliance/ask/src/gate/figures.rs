//! Numbers, units and dates in free text, however they are written: `1,200`, `7.10`, `2024년 3월 12일`, `12 March 2024`.

use std::sync::LazyLock;

use regex::Regex;

use crate::evidence::same_unit;

/// A number with what it counts.
#[derive(Debug, Clone, PartialEq)]
struct Figure {
    /// Digits without group commas and trailing zeros; several joined as written: `120/80`, `09:30`, `4-6`.
    digits: String,
    /// The unit that follows, if one does.
    unit: Option<String>,
}

/// Units that notes write behind numbers. A word that is no unit here says nothing about the number before it.
const UNITS: &[&str] = &[
    "%",
    "g",
    "mg",
    "mcg",
    "ug",
    "µg",
    "μg",
    "ng",
    "pg",
    "kg",
    "lb",
    "lbs",
    "oz",
    "l",
    "dl",
    "ml",
    "cc",
    "ul",
    "µl",
    "m",
    "cm",
    "mm",
    "km",
    "mmhg",
    "mm[hg]",
    "cmh2o",
    "mmol/l",
    "umol/l",
    "µmol/l",
    "nmol/l",
    "pmol/l",
    "mol/l",
    "meq/l",
    "meq",
    "mmol",
    "mg/dl",
    "g/dl",
    "g/l",
    "mg/l",
    "ug/dl",
    "ug/ml",
    "ng/ml",
    "ng/dl",
    "pg/ml",
    "iu",
    "u",
    "iu/l",
    "u/l",
    "iu/ml",
    "u/ml",
    "miu/l",
    "miu/ml",
    "mg/kg",
    "mcg/kg",
    "ml/min",
    "ml/h",
    "ml/hr",
    "l/min",
    "bpm",
    "/min",
    "fl",
    "c",
    "f",
    "°c",
    "°f",
    "℃",
    "℉",
    "cel",
    "tablet",
    "tablets",
    "tab",
    "tabs",
    "capsule",
    "capsules",
    "cap",
    "caps",
    "puff",
    "puffs",
    "drop",
    "drops",
    "unit",
    "units",
    "dose",
    "doses",
    "vial",
    "vials",
    "ampule",
    "year",
    "years",
    "yr",
    "yrs",
    "yo",
    "month",
    "months",
    "week",
    "weeks",
    "day",
    "days",
    "hour",
    "hours",
    "hr",
    "hrs",
    "h",
    "minute",
    "minutes",
    "min",
    "times",
    "time",
    "x",
    "pack",
    "packs",
    "/ul",
    "10^3/ul",
    "k/ul",
    "세",
    "살",
    "년",
    "년간",
    "개월",
    "개월간",
    "주",
    "주간",
    "일",
    "일간",
    "시간",
    "분",
    "회",
    "번",
    "정",
    "알",
    "캡슐",
    "포",
    "갑",
    "건",
    "개",
    "명",
    "도",
    "병",
    "앰플",
    "단위",
    "점",
];

static DATES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        r"(?P<y>\d{4})\s*[-./]\s*(?P<m>\d{1,2})\s*[-./]\s*(?P<d>\d{1,2})\b",
        r"(?P<y>\d{4})년\s*(?:(?P<m>\d{1,2})월)?\s*(?:(?P<d>\d{1,2})일)?",
        r"(?i)\b(?P<d>\d{1,2})(?:st|nd|rd|th)?\s+(?P<mon>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?,?\s+(?P<y>\d{4})\b",
        r"(?i)\b(?P<mon>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?\s+(?P<d>\d{1,2})(?:st|nd|rd|th)?,?\s+(?P<y>\d{4})\b",
        r"(?i)\b(?P<mon>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?,?\s+(?P<y>\d{4})\b",
        r"\b(?P<y>\d{4})-(?P<m>\d{2})\b",
    ]
    .iter()
    .filter_map(|pattern| Regex::new(pattern).ok())
    .collect()
});

static FIGURES: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"[<>≤≥±]?\d+(?:,\d{3})*(?:\.\d+)?(?:\s?[/:~–-]\s?\d+(?:\.\d+)?)*").ok());

const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// A date as far as it is written.
type Day = (u16, Option<u8>, Option<u8>);

/// Checks the numbers and dates of `text` against the quotes and the dates of the cited entries; gives back the text
/// without them.
///
/// # Errors
/// The first number or date that does not stand there with its unit.
pub(crate) fn check(text: &str, quotes: &[&str], dated: &[String]) -> Result<String, String> {
    let (rest, days) = take_dates(text);
    let mut known_days: Vec<Day> = dated.iter().flat_map(|date| take_dates(date).1).collect();
    known_days.extend(dated.iter().filter_map(|date| Some((date.parse().ok()?, None, None))));
    known_days.extend(quotes.iter().flat_map(|quote| take_dates(quote).1));
    for day in &days {
        if !known_days.iter().any(|known| includes(known, day)) {
            return Err(format!("the date {} does not stand in the evidence", shown(day)));
        }
    }
    let known: Vec<Figure> = quotes.iter().flat_map(|quote| take_figures(&take_dates(quote).0).1).collect();
    let (rest, figures) = take_figures(&rest);
    for figure in &figures {
        let same_digits: Vec<&Figure> = known.iter().filter(|other| other.digits == figure.digits).collect();
        if same_digits.is_empty() {
            return Err(format!("the number {} does not stand in the evidence", figure.digits));
        }
        if !same_digits.iter().any(|other| same(other.unit.as_deref(), figure.unit.as_deref())) {
            return Err(format!("the number {} stands in the evidence with another unit", figure.digits));
        }
    }
    if let Some(sign) = rest.chars().find(|c| matches!(c, '%' | '‰' | '℃' | '℉' | '°' | '±' | '<' | '>' | '≤' | '≥'))
    {
        return Err(format!("the sign {sign} does not stand in the evidence so"));
    }
    Ok(rest)
}

fn same(one: Option<&str>, other: Option<&str>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => same_unit(one, other),
        _ => false,
    }
}

/// The evidence's date is at least as precise as the sentence's and agrees with it.
fn includes(known: &Day, said: &Day) -> bool {
    let part = |known: Option<u8>, said: Option<u8>| said.is_none() || known == said;
    known.0 == said.0 && part(known.1, said.1) && part(known.2, said.2)
}

fn shown(day: &Day) -> String {
    match day {
        (year, Some(month), Some(day)) => format!("{year}-{month:02}-{day:02}"),
        (year, Some(month), None) => format!("{year}-{month:02}"),
        (year, ..) => year.to_string(),
    }
}

fn take_dates(text: &str) -> (String, Vec<Day>) {
    let mut rest = text.to_owned();
    let mut days = Vec::new();
    for pattern in DATES.iter() {
        let mut left = String::new();
        let mut from = 0;
        for found in pattern.captures_iter(&rest) {
            let Some(whole) = found.get(0) else { continue };
            let number = |name: &str| found.name(name).and_then(|part| part.as_str().parse::<u8>().ok());
            let year = found.name("y").and_then(|year| year.as_str().parse::<u16>().ok());
            let named = found.name("mon").and_then(|name| {
                let name = name.as_str().to_lowercase();
                MONTHS.iter().position(|month| *month == name).and_then(|at| u8::try_from(at + 1).ok())
            });
            let Some(year) = year.filter(|year| (1800..2200).contains(year)) else { continue };
            days.push((year, number("m").or(named), number("d")));
            left.push_str(rest.get(from..whole.start()).unwrap_or_default());
            left.push('\u{fffc}');
            from = whole.end();
        }
        left.push_str(rest.get(from..).unwrap_or_default());
        rest = left;
    }
    (rest, days)
}

fn take_figures(text: &str) -> (String, Vec<Figure>) {
    let mut figures = Vec::new();
    let mut rest = String::new();
    let mut from = 0;
    let Some(pattern) = FIGURES.as_ref() else { return (text.to_owned(), figures) };
    for found in pattern.find_iter(text) {
        // `B12`, `HbA1c`, `COVID-19`: digits of a name belong to the word.
        let mut behind = text.get(..found.start()).unwrap_or_default().chars().rev();
        let (before, further) = (behind.next(), behind.next());
        let named = before.is_some_and(|c| c.is_alphabetic() && !is_hangul(c))
            || (before == Some('-') && further.is_some_and(char::is_alphabetic));
        if named || found.start() < from {
            continue;
        }
        let after = text.get(found.end()..).unwrap_or_default();
        let (unit, length) = unit(after);
        rest.push_str(text.get(from..found.start()).unwrap_or_default());
        rest.push('\u{fffc}');
        from = found.end() + length;
        figures.push(Figure { digits: plain(found.as_str()), unit });
    }
    rest.push_str(text.get(from..).unwrap_or_default());
    (rest, figures)
}

fn is_hangul(c: char) -> bool {
    matches!(c, '가'..='힣')
}

/// The unit at the beginning of `after`, and how many bytes it takes with the gap before it.
fn unit(after: &str) -> (Option<String>, usize) {
    let bare = after.trim_start_matches([' ', '-', '\u{a0}']);
    let gap = after.len() - bare.len();
    if gap > 1 {
        return (None, 0);
    }
    let end = bare
        .find(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ')' | '(' | '"' | '\u{fffc}'))
        .unwrap_or(bare.len());
    let token = bare.get(..end).unwrap_or_default().trim_end_matches(['.', ':', '-']);
    // The longest unit that the token is, or begins with before Hangul goes on (`3회씩`) or a hyphen (`72-year-old`).
    let mut best: Option<&str> = None;
    for (at, _) in token.char_indices().skip(1).chain([(token.len(), ' ')]) {
        let (head, tail) = token.split_at(at);
        let parted = tail.is_empty()
            || tail.starts_with('-')
            || tail.starts_with(is_hangul) && !head.ends_with(|c: char| is_hangul(c) && !particle(tail));
        if parted && UNITS.contains(&head.to_lowercase().as_str()) {
            best = Some(head);
        }
    }
    match best {
        Some(unit) => (Some(singular(unit)), gap + unit.len()),
        None => (None, 0),
    }
}

fn particle(tail: &str) -> bool {
    matches!(
        tail,
        "은" | "는"
            | "이"
            | "가"
            | "을"
            | "를"
            | "의"
            | "에"
            | "에서"
            | "로"
            | "으로"
            | "씩"
            | "간"
            | "째"
            | "부터"
            | "까지"
            | "전"
            | "후"
            | "이다"
            | "임"
    )
}

fn singular(unit: &str) -> String {
    let lower = unit.to_lowercase();
    match lower.as_str() {
        "yr" | "yrs" | "yo" => "year".to_owned(),
        "hr" | "hrs" | "h" => "hour".to_owned(),
        "tab" | "tabs" => "tablet".to_owned(),
        "cap" | "caps" => "capsule".to_owned(),
        "살" => "세".to_owned(),
        "번" => "회".to_owned(),
        "년간" => "년".to_owned(),
        "개월간" => "개월".to_owned(),
        "주간" => "주".to_owned(),
        "일간" => "일".to_owned(),
        _ => lower.strip_suffix('s').filter(|one| one.len() > 2 && UNITS.contains(one)).unwrap_or(&lower).to_owned(),
    }
}

fn plain(digits: &str) -> String {
    let one = |number: &str| -> String {
        let number = number.replace(',', "");
        if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.').to_owned() } else { number }
    };
    let mut plain = String::new();
    let mut number = String::new();
    for c in digits.chars().filter(|c| !c.is_whitespace()) {
        if c.is_ascii_digit() || c == '.' || c == ',' {
            number.push(c);
        } else {
            plain.push_str(&one(&number));
            number.clear();
            plain.push(if matches!(c, '–' | '~') { '-' } else { c });
        }
    }
    plain.push_str(&one(&number));
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(text: &str, quote: &str) -> bool {
        check(text, &[quote], &[]).is_ok()
    }

    #[test]
    fn spellings_of_one_number_are_one() {
        for (text, quote) in [
            ("1,200 mL", "1200 ml"),
            ("7.10 %", "7.1%"),
            ("2 g", "Ceftriaxone 2 g daily"),
            ("3회", "하루 3회 복용"),
            ("72 years", "72-year-old man"),
            ("120/80 mmHg", "BP 120/80 mmHg"),
            ("5-7 days", "for 5–7 days"),
            ("500mg", "metformin 500 mg"),
            ("64세", "64세 여자"),
        ] {
            assert!(ok(text, quote), "{text} in {quote}");
        }
    }

    #[test]
    fn another_number_or_unit_is_refused() {
        for (text, quote) in [
            ("3 g", "2 g"),
            ("2 mg", "2 g"),
            ("2", "2 g"),
            ("2 g", "2"),
            ("72 months", "72-year-old"),
            ("3일", "3회"),
            ("120/70", "120/80"),
            ("80", "120/80"),
            ("<5", "5"),
            ("5", ">5"),
            ("7.1%", "7.1 mmol/L"),
            ("1200", "12000"),
        ] {
            assert!(!ok(text, quote), "{text} in {quote}");
        }
    }

    #[test]
    fn dates_are_compared_as_dates() {
        for (text, quote, expected) in [
            ("2024-03-12", "2024년 3월 12일", true),
            ("12 March 2024", "2024.3.12", true),
            ("March 2024", "March 12, 2024", true),
            ("2024년 3월", "2024-03-12", true),
            ("2024-03-13", "2024-03-12", false),
            ("2024-03-12", "March 2024", false),
            ("12 April 2024", "12 March 2024", false),
        ] {
            assert_eq!(ok(text, quote), expected, "{text} in {quote}");
        }
    }

    #[test]
    fn digits_of_a_name_are_left_to_the_word() {
        let (rest, figures) = take_figures("HbA1c, vitamin B12 and COVID-19");
        assert!(figures.is_empty());
        assert!(rest.contains("B12") && rest.contains("COVID-19"));
    }
}
