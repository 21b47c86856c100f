//! Time words of a question: which local days are meant, and which characters of the text said so.

use jiff::ToSpan;
use jiff::civil::Date;
use regex::{Captures, Regex};
use std::ops::Range;
use std::sync::OnceLock;

use crate::plan::Window;

/// A window and the byte ranges of the text that name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) window: Window,
    pub(crate) said: Vec<Range<usize>>,
}

/// One date as said: first and last day that it can mean.
type Span = (Date, Date);

const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// A date in any of the written forms; groups are read by [`date_of`].
const DATE: &str = r"(?:(?P<y>(?:19|20)\d\d)\s*[-./]\s*(?P<m>\d{1,2})\s*[-./]\s*(?P<d>\d{1,2})\b|(?P<y2>(?:19|20)\d\d)\s*년\s*(?:(?P<m2>\d{1,2})\s*월\s*(?:(?P<d2>\d{1,2})\s*일)?)?|(?P<mon>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?\s+(?:(?P<d3>\d{1,2})(?:st|nd|rd|th)?,?\s+)?(?P<y3>(?:19|20)\d\d)\b|(?P<d5>\d{1,2})(?:st|nd|rd|th)?\s+(?P<mon5>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?,?\s+(?P<y5>(?:19|20)\d\d)\b|(?P<y4>(?:19|20)\d\d)\s*[-./]\s*(?P<m4>\d{1,2})\b|\b(?P<y6>(?:19|20)\d\d)\b)";

/// Finds the window that `text` (lower case) names; `today` anchors relative words.
#[must_use]
pub(crate) fn window(text: &str, today: Date) -> Option<Found> {
    between(text).or_else(|| edge(text)).or_else(|| relative(text, today)).or_else(|| single(text))
}

fn date_regex() -> &'static Regex {
    static DATES: OnceLock<Option<Regex>> = OnceLock::new();
    compiled(&DATES, DATE)
}

/// Compiled once. The patterns are constants of this file; one that does not compile would find nothing, and its test fails.
fn compiled(cell: &'static OnceLock<Option<Regex>>, pattern: &str) -> &'static Regex {
    static NOTHING: OnceLock<Regex> = OnceLock::new();
    match cell.get_or_init(|| Regex::new(pattern).ok()) {
        Some(regex) => regex,
        #[expect(clippy::expect_used, reason = "an empty class is a valid pattern")]
        None => NOTHING.get_or_init(|| Regex::new("[^\\s\\S]").expect("valid")),
    }
}

fn number<N: std::str::FromStr>(captures: &Captures<'_>, name: &str) -> Option<N> {
    captures.name(name)?.as_str().parse().ok()
}

fn date_of(captures: &Captures<'_>) -> Option<Span> {
    let month = |name: &str| {
        let word = captures.name(name)?.as_str().get(..3)?;
        i8::try_from(MONTHS.iter().position(|month| *month == word)? + 1).ok()
    };
    let year: i16 = ["y", "y2", "y3", "y4", "y5", "y6"].iter().find_map(|name| number(captures, name))?;
    let month: Option<i8> = number(captures, "m")
        .or_else(|| number(captures, "m2"))
        .or_else(|| month("mon"))
        .or_else(|| number(captures, "m4"))
        .or_else(|| month("mon5"));
    let day: Option<i8> = number(captures, "d")
        .or_else(|| number(captures, "d2"))
        .or_else(|| number(captures, "d3"))
        .or_else(|| number(captures, "d5"));
    match (month, day) {
        (Some(month), Some(day)) => Date::new(year, month, day).ok().map(|day| (day, day)),
        (Some(month), None) => {
            let first = Date::new(year, month, 1).ok()?;
            Some((first, first.last_of_month()))
        }
        (None, _) => Some((Date::new(year, 1, 1).ok()?, Date::new(year, 12, 31).ok()?)),
    }
}

/// `from A to B`, `between A and B`, `A부터 B까지`, `A~B`, `A에서 B 사이`.
fn between(text: &str) -> Option<Found> {
    let dates: Vec<_> = date_regex()
        .captures_iter(text)
        .filter_map(|captures| Some((captures.get(0)?.range(), date_of(&captures)?)))
        .collect();
    let [(first, from), (second, to), ..] = dates.as_slice() else { return None };
    let gap = text.get(first.end..second.start)?.trim();
    let after = text.get(second.end..)?.trim_start();
    let before = text.get(..first.start)?.trim_end();
    let joined = matches!(
        gap,
        "to" | "and"
            | "-"
            | "~"
            | "–"
            | "부터"
            | "에서"
            | "과"
            | "와"
            | "through"
            | "until"
            | "till"
            | "and the"
            | "년 부터"
    ) || gap.starts_with("부터")
        || gap.starts_with("에서");
    if !joined || from.0 > to.1 {
        return None;
    }
    let mut said: Vec<Range<usize>> = std::iter::once(first.start..second.end).collect();
    for word in ["between", "from"] {
        if before.ends_with(word) {
            said.push(before.len() - word.len()..before.len());
        }
    }
    for word in ["까지", "사이에", "사이", "동안"] {
        if after.starts_with(word) {
            let start = text.len() - after.len();
            said.push(start..start + word.len());
        }
    }
    Some(Found { window: Window { from: Some(from.0), to: Some(to.1) }, said })
}

/// `since A`, `after A`, `before A`, `A 이후`, `A부터`, `A 이전`.
fn edge(text: &str) -> Option<Found> {
    let captures = date_regex().captures(text)?;
    let range = captures.get(0)?.range();
    let (first, last) = date_of(&captures)?;
    let mut range = range;
    let before = text.get(..range.start)?.trim_end();
    // "since the start of 2015" begins where 2015 does.
    let before = match ["the start of", "the beginning of", "start of", "beginning of", "the year", "early", "around"]
        .iter()
        .find(|lead| before.ends_with(*lead))
    {
        Some(lead) => {
            range.start = before.len() - lead.len();
            before.get(..range.start)?.trim_end()
        }
        None => before,
    };
    let after = text.get(range.end..)?.trim_start();
    let after_start = text.len() - after.len();
    let day_before = |day: Date| day.checked_sub(1.day()).ok();
    let day_after = |day: Date| day.checked_add(1.day()).ok();
    let english = [
        ("since", Window { from: Some(first), to: None }),
        ("starting", Window { from: Some(first), to: None }),
        ("after", Window { from: day_after(last), to: None }),
        ("before", Window { from: None, to: day_before(first) }),
        ("prior to", Window { from: None, to: day_before(first) }),
        ("until", Window { from: None, to: Some(last) }),
        ("up to", Window { from: None, to: Some(last) }),
        ("as of", Window { from: None, to: Some(last) }),
        ("from", Window { from: Some(first), to: None }),
    ];
    for (word, window) in english {
        if before.ends_with(word) {
            return Some(Found { window, said: vec![before.len() - word.len()..before.len(), range] });
        }
    }
    let korean = [
        ("이후", Window { from: Some(first), to: None }),
        ("부터", Window { from: Some(first), to: None }),
        ("이래", Window { from: Some(first), to: None }),
        ("이전", Window { from: None, to: day_before(first) }),
        ("전에", Window { from: None, to: day_before(first) }),
        ("까지", Window { from: None, to: Some(last) }),
        ("onwards", Window { from: Some(first), to: None }),
        ("onward", Window { from: Some(first), to: None }),
    ];
    for (word, window) in korean {
        if after.starts_with(word) {
            return Some(Found { window, said: vec![range, after_start..after_start + word.len()] });
        }
    }
    None
}

/// `last 6 months`, `지난 3개월`, `작년`, `yesterday`.
fn relative(text: &str, today: Date) -> Option<Found> {
    static AMOUNT: OnceLock<Option<Regex>> = OnceLock::new();
    let amount = compiled(
        &AMOUNT,
        r"(?:(?:in|over|within|for|during)\s+)?(?:the\s+)?(?:last|past|previous|recent)\s+(?P<n>\d+|one|two|three|four|five|six|twelve|couple of|few)?\s*(?P<u>days?|weeks?|months?|mos?\b|years?|yrs?\b)|(?:지난|최근|과거|요)\s*(?P<n2>\d+|한|두|세|네|몇)\s*(?P<u2>일|주일|주|개월|달|년|해)(?:\s*(?:간|동안|이내|내|새|사이))?(?:에|의)?",
    );
    if let Some(captures) = amount.captures(text) {
        let unit = captures.name("u").or_else(|| captures.name("u2"))?.as_str();
        let said = captures.name("n").or_else(|| captures.name("n2")).map(|word| word.as_str());
        let english_alone = captures.name("u").is_some() && said.is_none();
        if !english_alone {
            let count: i32 = match said {
                Some("one" | "한") => 1,
                Some("two" | "couple of" | "두") => 2,
                Some("three" | "few" | "세" | "몇") => 3,
                Some("four" | "네") => 4,
                Some("five") => 5,
                Some("six") => 6,
                Some("twelve") => 12,
                Some(digits) => digits.parse().ok()?,
                None => 1,
            };
            let span = match unit {
                "일" => count.days(),
                unit if unit.starts_with("day") => count.days(),
                "주" | "주일" => count.weeks(),
                unit if unit.starts_with("week") => count.weeks(),
                "년" | "해" => count.years(),
                unit if unit.starts_with('y') => count.years(),
                _ => count.months(),
            };
            return Some(Found {
                window: Window { from: today.checked_sub(span).ok(), to: Some(today) },
                said: vec![captures.get(0)?.range()],
            });
        }
    }
    let year =
        |year: i16| Some(Window { from: Some(Date::new(year, 1, 1).ok()?), to: Some(Date::new(year, 12, 31).ok()?) });
    let month = |day: Date| Window { from: Some(day.first_of_month()), to: Some(day.last_of_month()) };
    let words: [(&str, Option<Window>); 24] = [
        ("yesterday", day_window(today.checked_sub(1.day()).ok()?)),
        ("today", day_window(today)),
        ("this year", year(today.year())),
        ("last year", year(today.year() - 1)),
        ("past year", Some(Window { from: today.checked_sub(1.year()).ok(), to: Some(today) })),
        ("the year before last", year(today.year() - 2)),
        ("this month", Some(month(today))),
        ("last month", Some(month(today.checked_sub(1.month()).ok()?))),
        ("past month", Some(Window { from: today.checked_sub(1.month()).ok(), to: Some(today) })),
        ("this week", Some(Window { from: today.checked_sub(6.days()).ok(), to: Some(today) })),
        ("last week", Some(Window { from: today.checked_sub(1.week()).ok(), to: Some(today) })),
        ("past week", Some(Window { from: today.checked_sub(1.week()).ok(), to: Some(today) })),
        ("재작년", year(today.year() - 2)),
        ("작년", year(today.year() - 1)),
        ("지난해", year(today.year() - 1)),
        ("올해", year(today.year())),
        ("금년", year(today.year())),
        ("이번 달", Some(month(today))),
        ("이번달", Some(month(today))),
        ("지난달", Some(month(today.checked_sub(1.month()).ok()?))),
        ("지난 달", Some(month(today.checked_sub(1.month()).ok()?))),
        ("지난주", Some(Window { from: today.checked_sub(1.week()).ok(), to: Some(today) })),
        ("어제", day_window(today.checked_sub(1.day()).ok()?)),
        ("오늘", day_window(today)),
    ];
    words.into_iter().find_map(|(word, window)| {
        let at = text.find(word)?;
        // "as of today" says until when, not on which day.
        let before = text.get(..at)?.trim_end();
        let after = text.get(at + word.len()..)?.trim_start();
        if before.ends_with("as of") || after.starts_with("기준") || after.starts_with("까지") {
            return None;
        }
        Some(Found { window: window?, said: std::iter::once(at..at + word.len()).collect() })
    })
}

fn day_window(day: Date) -> Option<Window> {
    Some(Window { from: Some(day), to: Some(day) })
}

/// A date alone: that day, month or year.
fn single(text: &str) -> Option<Found> {
    static LEAD: OnceLock<Option<Regex>> = OnceLock::new();
    let captures = date_regex().captures(text)?;
    let range = captures.get(0)?.range();
    let (first, last) = date_of(&captures)?;
    let lead = compiled(&LEAD, r"\b(?:in|on|during|of|for|dated|from the year)\s*$");
    let mut said = vec![range.clone()];
    if let Some(found) = lead.find(text.get(..range.start)?) {
        said.push(found.range());
    }
    Some(Found { window: Window { from: Some(first), to: Some(last) }, said })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn windows_are_read_in_both_languages() {
        let today = date(2026, 11, 24);
        let day = |y, m, d| Some(date(y, m, d));
        for (text, from, to) in [
            ("hba1c since 2020", day(2020, 1, 1), None),
            ("bp in march 2024", day(2024, 3, 1), day(2024, 3, 31)),
            ("on march 5, 2024", day(2024, 3, 5), day(2024, 3, 5)),
            ("labs on 2024-03-05", day(2024, 3, 5), day(2024, 3, 5)),
            ("between 2020 and 2022", day(2020, 1, 1), day(2022, 12, 31)),
            ("from 2020-01-05 to 2020-02-01", day(2020, 1, 5), day(2020, 2, 1)),
            ("before 2019", None, day(2018, 12, 31)),
            ("last 6 months", day(2026, 5, 24), day(2026, 11, 24)),
            ("over the past 2 years", day(2024, 11, 24), day(2026, 11, 24)),
            ("last year", day(2025, 1, 1), day(2025, 12, 31)),
            ("지난 3개월 혈압", day(2026, 8, 24), day(2026, 11, 24)),
            ("최근 1년간 입원", day(2025, 11, 24), day(2026, 11, 24)),
            ("2023년 5월 검사", day(2023, 5, 1), day(2023, 5, 31)),
            ("2023년 5월 3일", day(2023, 5, 3), day(2023, 5, 3)),
            ("2020년 이후", day(2020, 1, 1), None),
            ("2020년부터 2021년까지", day(2020, 1, 1), day(2021, 12, 31)),
            ("작년 혈당", day(2025, 1, 1), day(2025, 12, 31)),
            ("올해 입원", day(2026, 1, 1), day(2026, 12, 31)),
        ] {
            assert_eq!(window(text, today).map(|found| found.window), Some(Window { from, to }), "{text}");
        }
        for text in ["last hba1c", "최근 혈압", "bp above 140"] {
            assert_eq!(window(text, today), None, "{text}");
        }
    }
}
