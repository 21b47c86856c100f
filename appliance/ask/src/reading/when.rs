//! Time words: which local days are meant. Looked for at one place of the question, so that the segmenter can weigh them
//! against everything else that stands there ("last year" is a period, "last potassium" is not).

use jiff::civil::Date;
use jiff::{Span, ToSpan};

use super::unit::Unit;
use crate::plan::Window;

/// What a time phrase says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Time {
    /// These days.
    Days(Window),
    /// While the patient was so old, in full years, both ends included; open where `None`.
    Age(Option<i32>, Option<i32>),
}

/// First and last day that a date as said can mean.
type Days = (Date, Date);

/// Reads time phrases in one question.
pub(super) struct Clock<'u> {
    pub(super) units: &'u [Unit],
    pub(super) today: Date,
}

const MONTHS: [(&str, &str); 12] = [
    ("jan", "january"),
    ("feb", "february"),
    ("mar", "march"),
    ("apr", "april"),
    ("may", "may"),
    ("jun", "june"),
    ("jul", "july"),
    ("aug", "august"),
    ("sep", "september"),
    ("oct", "october"),
    ("nov", "november"),
    ("dec", "december"),
];

/// Lengths of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Length {
    fn times(self, count: i32) -> Span {
        match self {
            // Windows are whole days.
            Self::Hour => count.saturating_add(23).div_euclid(24).days(),
            Self::Day => count.days(),
            Self::Week => count.weeks(),
            Self::Month => count.months(),
            Self::Year => count.years(),
        }
    }
}

impl Clock<'_> {
    /// All time phrases that begin at `at`: how many units, and what they say.
    pub(super) fn at(&self, at: usize) -> Vec<(usize, Time)> {
        let mut found = Vec::new();
        let days = |(window, length): (Window, usize)| (length, Time::Days(window));
        found.extend(self.between(at).map(days));
        found.extend(self.edge_english(at).map(days));
        found.extend(self.edge_korean(at).map(days));
        found.extend(self.rolling(at).map(days));
        found.extend(self.plain(at).map(days));
        found.extend(self.age(at));
        found
    }

    // ---- words

    fn word(&self, at: usize) -> &str {
        self.units.get(at).map_or("", |unit| unit.text.as_str())
    }

    fn is(&self, at: usize, words: &[&str]) -> bool {
        words.contains(&self.word(at))
    }

    /// The English phrase stands at `at`: how many units it takes.
    fn phrase(&self, at: usize, phrase: &str) -> Option<usize> {
        let mut length = 0;
        for word in phrase.split(' ') {
            if self.word(at + length) != word {
                return None;
            }
            length += 1;
        }
        Some(length)
    }

    fn any_phrase(&self, at: usize, phrases: &[&str]) -> Option<usize> {
        phrases.iter().filter_map(|phrase| self.phrase(at, phrase)).max()
    }

    /// The Hangul stands at `at`, gaps aside: how many units it takes.
    fn hangul(&self, at: usize, text: &str) -> Option<usize> {
        let mut length = 0;
        for syllable in text.chars() {
            let unit = self.units.get(at + length)?;
            if !unit.is_hangul() || !unit.text.starts_with(syllable) {
                return None;
            }
            length += 1;
        }
        Some(length)
    }

    fn any_hangul(&self, at: usize, texts: &[&str]) -> Option<usize> {
        texts.iter().filter_map(|text| self.hangul(at, text)).max()
    }

    fn sign(&self, at: usize) -> &str {
        self.units.get(at).map_or("", |unit| unit.sign.as_str())
    }

    fn whole(&self, at: usize) -> Option<i32> {
        self.units.get(at)?.whole()
    }

    /// A small count in digits or words: value and units taken.
    fn count(&self, at: usize) -> Option<(i32, usize)> {
        if let Some(count) = self.whole(at) {
            return (0..=999).contains(&count).then_some((count, 1));
        }
        const ENGLISH: [(&str, i32); 17] = [
            ("a", 1),
            ("an", 1),
            ("one", 1),
            ("two", 2),
            ("three", 3),
            ("four", 4),
            ("five", 5),
            ("six", 6),
            ("seven", 7),
            ("eight", 8),
            ("nine", 9),
            ("ten", 10),
            ("eleven", 11),
            ("twelve", 12),
            ("eighteen", 18),
            ("couple", 2),
            ("few", 3),
        ];
        if let Some((_, count)) = ENGLISH.iter().find(|(word, _)| *word == self.word(at)) {
            if *count == 1 && self.is(at, &["a"]) && self.is(at + 1, &["couple", "few"]) {
                let count = if self.is(at + 1, &["couple"]) { 2 } else { 3 };
                return Some((count, if self.is(at + 2, &["of"]) { 3 } else { 2 }));
            }
            return Some((*count, if self.is(at + 1, &["of"]) && self.is(at, &["couple"]) { 2 } else { 1 }));
        }
        const KOREAN: [(&str, i32); 20] = [
            ("한", 1),
            ("두", 2),
            ("세", 3),
            ("석", 3),
            ("네", 4),
            ("넉", 4),
            ("다섯", 5),
            ("여섯", 6),
            ("일곱", 7),
            ("여덟", 8),
            ("아홉", 9),
            ("열두", 12),
            ("열", 10),
            ("일", 1),
            ("이", 2),
            ("삼", 3),
            ("사", 4),
            ("오", 5),
            ("육", 6),
            ("십", 10),
        ];
        KOREAN.iter().filter_map(|(word, count)| Some((*count, self.hangul(at, word)?))).max_by_key(|(_, length)| *length)
    }

    fn length(&self, at: usize) -> Option<(Length, usize)> {
        let english = match self.word(at) {
            "hour" | "hours" | "hr" | "hrs" | "h" => Some(Length::Hour),
            "day" | "days" | "d" => Some(Length::Day),
            "week" | "weeks" | "wk" | "wks" | "w" => Some(Length::Week),
            "month" | "months" | "mo" | "mos" | "mth" | "mths" | "m" => Some(Length::Month),
            "year" | "years" | "yr" | "yrs" | "y" => Some(Length::Year),
            _ => None,
        };
        if let Some(length) = english {
            return Some((length, 1));
        }
        const KOREAN: [(&str, Length); 10] = [
            ("시간", Length::Hour),
            ("일", Length::Day),
            ("주일", Length::Week),
            ("주", Length::Week),
            ("개월", Length::Month),
            ("달", Length::Month),
            ("년", Length::Year),
            ("해", Length::Year),
            ("주간", Length::Week),
            ("년간", Length::Year),
        ];
        KOREAN.iter().filter_map(|(word, length)| Some((*length, self.hangul(at, word)?))).max_by_key(|(_, taken)| *taken)
    }

    /// `3 months`, `six weeks`, `3mo`, `일주일`, `반년`: a length of time and the units it takes.
    fn amount(&self, at: usize) -> Option<(Length, i32, usize)> {
        const FIXED: [(&str, Length, i32); 12] = [
            ("일주일", Length::Week, 1),
            ("하루", Length::Day, 1),
            ("이틀", Length::Day, 2),
            ("사흘", Length::Day, 3),
            ("나흘", Length::Day, 4),
            ("닷새", Length::Day, 5),
            ("열흘", Length::Day, 10),
            ("보름", Length::Day, 15),
            ("반년", Length::Month, 6),
            ("한달", Length::Month, 1),
            ("일년", Length::Year, 1),
            ("십년", Length::Year, 10),
        ];
        let fixed = FIXED
            .iter()
            .filter_map(|(word, length, count)| Some((*length, *count, self.hangul(at, word)?)))
            .max_by_key(|(_, _, taken)| *taken);
        if fixed.is_some() {
            return fixed;
        }
        if let Some(taken) = self.any_phrase(at, &["half a year", "half year"]) {
            return Some((Length::Month, 6, taken));
        }
        // `6mo`, `24h`: digits and letters in one word.
        let word = self.word(at);
        let digits = word.chars().take_while(char::is_ascii_digit).count();
        if digits > 0 && digits < word.len() {
            let count: i32 = word.get(..digits)?.parse().ok()?;
            let length = match word.get(digits..)? {
                "h" | "hr" | "hrs" => Length::Hour,
                "d" | "days" => Length::Day,
                "w" | "wk" | "wks" => Length::Week,
                "mo" | "mos" | "months" | "month" => Length::Month,
                "y" | "yr" | "yrs" | "years" => Length::Year,
                _ => return None,
            };
            return Some((length, count, 1));
        }
        let (count, taken) = self.count(at)?;
        let gap = usize::from(self.is(at + taken, &["more", "calendar", "full"]));
        let (length, unit) = self.length(at + taken + gap)?;
        // `5 월` is May, `2023 년` a year.
        if self.hangul(at + taken, "월").is_some() || (length == Length::Year && count >= 100) {
            return None;
        }
        Some((length, count, taken + gap + unit))
    }

    // ---- dates

    fn month_named(&self, at: usize) -> Option<i8> {
        let word = self.word(at);
        let place = MONTHS.iter().position(|(short, long)| word == *short || word == *long || (word == "sept" && *short == "sep"))?;
        i8::try_from(place + 1).ok()
    }

    /// A day of the month in digits, with or without `st`, `nd`, `rd`, `th`.
    fn day_number(&self, at: usize) -> Option<i8> {
        let word = self.word(at);
        let digits = ["st", "nd", "rd", "th"].iter().find_map(|ending| word.strip_suffix(ending)).unwrap_or(word);
        digits.parse().ok().filter(|day| (1..=31).contains(day))
    }

    fn year_number(&self, at: usize) -> Option<i16> {
        self.whole(at).and_then(|year| i16::try_from(year).ok()).filter(|year| (1900..=2100).contains(year))
    }

    fn year(year: i16) -> Option<Days> {
        Some((Date::new(year, 1, 1).ok()?, Date::new(year, 12, 31).ok()?))
    }

    fn month(year: i16, month: i8) -> Option<Days> {
        let first = Date::new(year, month, 1).ok()?;
        Some((first, first.last_of_month()))
    }

    fn day(year: i16, month: i8, day: i8) -> Option<Days> {
        let day = Date::new(year, month, day).ok()?;
        Some((day, day))
    }

    /// The month that was last, this year or the year before.
    fn recent_month(&self, month: i8) -> Option<Days> {
        let year = if month <= self.today.month() { self.today.year() } else { self.today.year() - 1 };
        Self::month(year, month)
    }

    /// A date by itself, and the units it takes. `bare`: a month without a year is one only behind a preposition.
    fn date(&self, at: usize, bare: bool) -> Option<(Days, usize)> {
        self.written(at)
            .or_else(|| self.korean_date(at))
            .or_else(|| self.english_date(at, bare))
            .or_else(|| self.named(at))
            .or_else(|| self.ago(at))
    }

    /// `2023-05-01`, `2023/5`, `2023.05.01`, `5/1/2023`, `2023`.
    fn written(&self, at: usize) -> Option<(Days, usize)> {
        let text = self.word(at);
        // The words of a text keep `2023.05` together as a number.
        if let Some((year, month)) = text.split_once('.')
            && let (Ok(year), Ok(month)) = (year.parse::<i16>(), month.parse::<i8>())
            && (1900..=2100).contains(&year)
            && (1..=12).contains(&month)
        {
            if self.sign(at + 1) == "."
                && let Some(day) = self.day_number(at + 1)
            {
                return Some((Self::day(year, month, day)?, 2));
            }
            return Some((Self::month(year, month)?, 1));
        }
        if let Some(year) = self.year_number(at) {
            let joined = |place: usize| matches!(self.sign(place), "-" | "/" | "." | "–");
            if joined(at + 1)
                && let Some(month) = self.whole(at + 1).and_then(|month| i8::try_from(month).ok())
                && (1..=12).contains(&month)
            {
                if joined(at + 2)
                    && let Some(day) = self.day_number(at + 2)
                {
                    return Some((Self::day(year, month, day)?, 3));
                }
                return Some((Self::month(year, month)?, 2));
            }
            let counted = matches!(self.word(at + 1), "mg" | "ml" | "kcal" | "units" | "iu" | "mcg" | "g");
            if !counted && !self.units.get(at + 1).is_some_and(|unit| unit.is_hangul() && unit.text == "년") {
                return Some((Self::year(year)?, 1));
            }
            return None;
        }
        // US order, as the English of charts writes it.
        let (month, day) = (self.whole(at)?, self.day_number(at + 1)?);
        if self.sign(at + 1) == "/" && self.sign(at + 2) == "/" && (1..=12).contains(&month) {
            let year = self.year_number(at + 2)?;
            return Some((Self::day(year, i8::try_from(month).ok()?, day)?, 3));
        }
        None
    }

    /// `2023년 5월 3일`, `2023년도`, `23년 5월`, `5월`, `작년 5월`, `2023년 상반기`.
    fn korean_date(&self, at: usize) -> Option<(Days, usize)> {
        let (year, mut taken, named) = self.korean_year(at)?;
        if let Some(half) = self.any_hangul(at + taken, &["상반기"]) {
            return Some(((Date::new(year, 1, 1).ok()?, Date::new(year, 6, 30).ok()?), taken + half));
        }
        if let Some(half) = self.any_hangul(at + taken, &["하반기"]) {
            return Some(((Date::new(year, 7, 1).ok()?, Date::new(year, 12, 31).ok()?), taken + half));
        }
        let month = self.whole(at + taken).filter(|month| (1..=12).contains(month));
        let Some(month) = month.filter(|_| self.hangul(at + taken + 1, "월").is_some()) else {
            return named.then_some((Self::year(year)?, taken));
        };
        let month = i8::try_from(month).ok()?;
        taken += 2;
        if let Some(day) = self.day_number(at + taken)
            && self.hangul(at + taken + 1, "일").is_some()
        {
            let days = if named { Self::day(year, month, day)? } else { self.recent_day(month, day)? };
            return Some((days, taken + 2));
        }
        Some((if named { Self::month(year, month)? } else { self.recent_month(month)? }, taken))
    }

    fn recent_day(&self, month: i8, day: i8) -> Option<Days> {
        let this = Date::new(self.today.year(), month, day).ok()?;
        if this <= self.today { Some((this, this)) } else { Self::day(self.today.year() - 1, month, day) }
    }

    /// The year, the units it takes, and whether it was said at all.
    fn korean_year(&self, at: usize) -> Option<(i16, usize, bool)> {
        let this = self.today.year();
        for (word, year) in [("재작년", this - 2), ("작년", this - 1), ("지난해", this - 1), ("올해", this), ("금년", this), ("이번해", this)] {
            if let Some(taken) = self.hangul(at, word) {
                return Some((year, taken, true));
            }
        }
        if let Some(number) = self.whole(at)
            && self.hangul(at + 1, "년").is_some()
        {
            let suffix = self.any_hangul(at + 2, &["도"]).unwrap_or(0);
            let followed = self.whole(at + 2).is_some() && self.hangul(at + 3, "월").is_some();
            let year = match number {
                1900..=2100 => number,
                // `23년` alone is a length of time.
                0..=99 if followed || suffix > 0 => 2000 + number,
                _ => return None,
            };
            return Some((i16::try_from(year).ok()?, 2 + suffix, true));
        }
        (self.whole(at).is_some() && self.hangul(at + 1, "월").is_some()).then_some((this, 0, false))
    }

    /// `March 5th, 2024`, `5 March 2024`, `March 2024`, `March`.
    fn english_date(&self, at: usize, bare: bool) -> Option<(Days, usize)> {
        if let Some(month) = self.month_named(at) {
            if let Some(day) = self.day_number(at + 1).filter(|_| self.year_number(at + 1).is_none()) {
                if let Some(year) = self.year_number(at + 2) {
                    return Some((Self::day(year, month, day)?, 3));
                }
                return Some((self.recent_day(month, day)?, 2));
            }
            let of = usize::from(self.is(at + 1, &["of"]));
            if let Some(year) = self.year_number(at + 1 + of) {
                return Some((Self::month(year, month)?, 2 + of));
            }
            if let Some(taken) = self.phrase(at + 1 + of, "last year") {
                return Some((Self::month(self.today.year() - 1, month)?, 1 + of + taken));
            }
            if let Some(taken) = self.phrase(at + 1 + of, "this year") {
                return Some((Self::month(self.today.year(), month)?, 1 + of + taken));
            }
            return (!bare).then_some((self.recent_month(month)?, 1));
        }
        let day = self.day_number(at)?;
        let of = usize::from(self.is(at + 1, &["of"]));
        let month = self.month_named(at + 1 + of)?;
        if let Some(year) = self.year_number(at + 2 + of) {
            return Some((Self::day(year, month, day)?, 3 + of));
        }
        Some((self.recent_day(month, day)?, 2 + of))
    }

    /// `yesterday`, `last year`, `지난달`.
    fn named(&self, at: usize) -> Option<(Days, usize)> {
        let today = self.today;
        let back = |span: Span| today.checked_sub(span).ok();
        let one = |day: Option<Date>| day.map(|day| (day, day));
        let month_of = |day: Option<Date>| day.map(|day| (day.first_of_month(), day.last_of_month()));
        let week_of = |day: Option<Date>| {
            let day = day?;
            let monday = day.checked_sub(i32::from(day.weekday().to_monday_zero_offset()).days()).ok()?;
            Some((monday, monday.checked_add(6.days()).ok()?))
        };
        let year = today.year();
        let cases: [(&[&str], Option<Days>); 14] = [
            (&["today", "this morning", "this afternoon", "오늘", "금일", "오늘 아침"], one(Some(today))),
            (&["yesterday", "어제", "전일", "작일"], one(back(1.days()))),
            (&["last night", "overnight", "어젯밤", "밤새", "간밤"], back(1.days()).map(|day| (day, today))),
            (&["the day before yesterday", "day before yesterday", "그제", "그저께", "엊그제"], one(back(2.days()))),
            (&["this week", "이번 주", "금주"], week_of(Some(today))),
            (&["last week", "previous week", "지난주", "지난 주", "저번 주", "전주"], week_of(back(1.weeks()))),
            (&["this month", "이번 달", "이달", "금월"], month_of(Some(today))),
            (&["last month", "previous month", "지난달", "저번 달", "전월"], month_of(back(1.months()))),
            (&["지지난달", "the month before last"], month_of(back(2.months()))),
            (&["this year", "current year", "올해", "금년"], Self::year(year)),
            (&["last year", "previous year", "작년", "지난해", "전년"], Self::year(year - 1)),
            (&["the year before last", "year before last", "재작년"], Self::year(year - 2)),
            (&["last summer"], Some((Date::new(year - 1, 6, 1).ok()?, Date::new(year - 1, 8, 31).ok()?))),
            (&["last winter"], Some((Date::new(year - 1, 12, 1).ok()?, Date::new(year, 2, 28).ok()?))),
        ];
        let found = cases
            .iter()
            .flat_map(|(words, days)| words.iter().map(move |word| (*word, *days)))
            .filter_map(|(word, days)| {
                let taken =
                    if word.is_ascii() { self.phrase(at, word) } else { self.hangul(at, &word.replace(' ', "")) }?;
                Some((days?, taken))
            })
            .max_by_key(|(_, taken)| *taken)?;
        // `last year's`: the s stands alone.
        let possessive = usize::from(self.is(at + found.1, &["s"]) && self.sign(at + found.1).contains(['\'', '’']));
        Some((found.0, found.1 + possessive))
    }

    /// `3 months ago`, `3개월 전`: that day, week, month or year.
    fn ago(&self, at: usize) -> Option<(Days, usize)> {
        let (length, count, taken) = self.amount(at)?;
        let word = self.any_phrase(at + taken, &["ago", "back", "earlier"]).or_else(|| self.any_hangul(at + taken, &["전"]))?;
        let day = self.today.checked_sub(length.times(count)).ok()?;
        let days = match length {
            Length::Hour | Length::Day => (day, day),
            Length::Week => (day.checked_sub(3.days()).ok()?, day.checked_add(3.days()).ok()?),
            Length::Month => (day.first_of_month(), day.last_of_month()),
            Length::Year => Self::year(day.year())?,
        };
        Some((days, taken + word))
    }

    // ---- windows

    /// `between A and B`, `from A to B`, `A – B`, `A부터 B까지`, `A에서 B 사이`.
    fn between(&self, at: usize) -> Option<(Window, usize)> {
        let lead = self.any_phrase(at, &["between", "from", "in between", "any time between"]).unwrap_or(0);
        let (from, first) = self.date(at + lead, lead == 0)?;
        let mut place = at + lead + first;
        let sign = self.sign(place).to_owned();
        let dashed = matches!(sign.as_str(), "-" | "~" | "–" | "—" | "∼" | "～");
        if !dashed {
            let joined = self
                .any_phrase(place, &["to", "and", "through", "until", "till", "thru", "up to"])
                .or_else(|| self.any_hangul(place, &["부터", "에서", "에서부터", "과", "와", "하고", "이랑"]))?;
            if lead == 0 && self.is(place, &["and"]) {
                return None;
            }
            place += joined;
        }
        let (to, second) = self.date(place, false)?;
        place += second;
        let tail = self
            .any_hangul(place, &["까지", "사이", "사이에", "까지의", "사이의", "동안", "까지만"])
            .unwrap_or(0);
        (from.0 <= to.1).then_some((Window { from: Some(from.0), to: Some(to.1) }, place + tail - at))
    }

    /// `since A`, `before A`, `in A`.
    fn edge_english(&self, at: usize) -> Option<(Window, usize)> {
        enum Edge {
            From,
            After,
            Before,
            To,
            In,
        }
        const LEADS: [(&str, Edge); 31] = [
            ("since", Edge::From),
            ("ever since", Edge::From),
            ("starting", Edge::From),
            ("starting in", Edge::From),
            ("starting from", Edge::From),
            ("beginning in", Edge::From),
            ("from", Edge::From),
            ("as of", Edge::To),
            ("after", Edge::After),
            ("later than", Edge::After),
            ("before", Edge::Before),
            ("prior to", Edge::Before),
            ("earlier than", Edge::Before),
            ("until", Edge::To),
            ("till", Edge::To),
            ("up to", Edge::To),
            ("up until", Edge::To),
            ("by", Edge::To),
            ("through", Edge::To),
            ("in", Edge::In),
            ("on", Edge::In),
            ("during", Edge::In),
            ("for", Edge::In),
            ("of", Edge::In),
            ("at", Edge::In),
            ("within", Edge::In),
            ("dated", Edge::In),
            ("in the year", Edge::In),
            ("during the year", Edge::In),
            ("back in", Edge::In),
            ("throughout", Edge::In),
        ];
        let (edge, lead) = LEADS.iter().filter_map(|(lead, edge)| Some((edge, self.phrase(at, lead)?))).max_by_key(|(_, taken)| *taken)?;
        let the = usize::from(self.is(at + lead, &["the"]));
        let (days, taken) = self.date(at + lead + the, false)?;
        let window = match edge {
            Edge::From => Window { from: Some(days.0), to: None },
            Edge::After => Window { from: days.1.checked_add(1.days()).ok(), to: None },
            Edge::Before => Window { from: None, to: days.0.checked_sub(1.days()).ok() },
            Edge::To => Window { from: None, to: Some(days.1) },
            Edge::In => Window { from: Some(days.0), to: Some(days.1) },
        };
        let place = at + lead + the + taken;
        if matches!(edge, Edge::In | Edge::From)
            && let Some(on) = self.any_phrase(place, &["onwards", "onward", "and later", "on", "and on", "forward", "and after"])
            && (!self.is(place, &["on"]) || matches!(edge, Edge::From))
        {
            return Some((Window { from: Some(days.0), to: None }, place + on - at));
        }
        Some((window, place - at))
    }

    /// `A 이후`, `A부터`, `A 이전`, `A까지`, `A에`.
    fn edge_korean(&self, at: usize) -> Option<(Window, usize)> {
        let (days, taken) = self.date(at, true)?;
        let place = at + taken;
        let day_before = days.0.checked_sub(1.days()).ok();
        let cases: [(&[&str], Window); 4] = [
            (&["이후", "이후로", "이후에", "이후의", "이래", "이래로", "부터", "부터의", "후", "뒤", "부터는", "이후부터"], Window { from: Some(days.0), to: None }),
            (&["이전", "이전에", "이전의", "전", "전에"], Window { from: None, to: day_before }),
            (&["까지", "까지의", "까지는"], Window { from: None, to: Some(days.1) }),
            (
                &["에", "의", "중", "중에", "동안", "동안의", "에는", "에도", "한 해", "한해", "한 해 동안", "당시", "때", "내", "기준", "자", "도", "에만", "한 달", "한달", "한 달간", "경", "쯤", "간"],
                Window { from: Some(days.0), to: Some(days.1) },
            ),
        ];
        cases
            .iter()
            .flat_map(|(words, window)| words.iter().map(move |word| (*word, *window)))
            .filter_map(|(word, window)| Some((window, taken + self.hangul(place, &word.replace(' ', ""))?)))
            .max_by_key(|(_, taken)| *taken)
    }

    /// `last 6 months`, `over the past year`, `지난 3개월 동안`, `최근 1년`, `3개월 이내`.
    fn rolling(&self, at: usize) -> Option<(Window, usize)> {
        let mut place = at;
        place += self.any_phrase(place, &["in", "over", "within", "for", "during", "from", "throughout", "across", "of"]).unwrap_or(0);
        place += self.any_phrase(place, &["the"]).unwrap_or(0);
        let english = self.any_phrase(place, &["last", "past", "previous", "recent", "most recent", "preceding", "prior"]);
        let korean = self.any_hangul(place, &["지난", "최근", "과거", "요", "직전", "이전"]);
        let back = |length: Length, count: i32| {
            let from = self.today.checked_sub(length.times(count)).ok()?;
            Some(Window { from: Some(from), to: Some(self.today) })
        };
        if let Some(lead) = english {
            let past = self.is(place, &["past"]);
            place += lead;
            if let Some((length, count, taken)) = self.amount(place) {
                return Some((back(length, count)?, place + taken - at));
            }
            // `the past year` is twelve months; `last year` is a calendar year and not read here.
            let (length, taken) = self.length(place)?;
            let counted = past;
            return counted.then_some((back(length, 1)?, place + taken - at));
        }
        let within = !self.units.get(at)?.is_hangul() && place > at && self.is(at, &["within", "in"]);
        if let Some(lead) = korean {
            place += lead;
        }
        let (length, count, taken) = self.amount(place)?;
        place += taken;
        let tail = self.any_hangul(
            place,
            &["간", "동안", "이내", "이내에", "이내의", "내", "내에", "내의", "사이", "사이에", "새", "간의", "동안의", "안에", "안", "간에", "동안에", "사이의", "치", "분", "에", "의", "도안"],
        );
        if korean.is_some() || (within && self.is(at, &["within"])) {
            return Some((back(length, count)?, place + tail.unwrap_or(0) - at));
        }
        let tail = tail.filter(|_| self.any_hangul(place, &["에", "의", "분", "치"]).is_none() || self.any_hangul(place, &["이내", "내", "동안", "간", "사이", "안"]).is_some())?;
        (place > at).then_some((back(length, count)?, place + tail - at))
    }

    /// A date and nothing with it.
    fn plain(&self, at: usize) -> Option<(Window, usize)> {
        let (days, taken) = self.date(at, true)?;
        // `3 months ago` without a preposition is a date too; `since 3 months ago` is read by its edge.
        Some((Window { from: Some(days.0), to: Some(days.1) }, taken))
    }

    /// `when she was 40`, `at age 12`, `in his 50s`, `40세 때`, `50대에`, `before age 40`.
    fn age(&self, at: usize) -> Option<(usize, Time)> {
        let mut place = at;
        let relation = self.any_phrase(place, &["before", "prior to", "after", "since", "by", "until", "over", "under"]);
        let word = self.word(at).to_owned();
        place += relation.unwrap_or(0);
        let lead = self.any_phrase(
            place,
            &[
                "when he was", "when she was", "when they were", "when the patient was", "when pt was", "when patient was", "at age", "at the age of", "age", "aged",
                "he turned", "she turned", "the patient turned", "the age of", "turning", "he was", "she was", "while he was", "while she was", "he is", "she is",
            ],
        );
        if let Some(lead) = lead {
            place += lead;
            let years = self.whole(place).filter(|years| (0..=120).contains(years))?;
            place += 1;
            place += self.any_phrase(place, &["years old", "years of age", "year old", "yo", "y o", "years"]).unwrap_or(0);
            // `age 12 mg` and the like are not ages; `he was 3 times …` neither.
            if matches!(self.word(place), "times" | "mg" | "kg" | "cm" | "days" | "months" | "weeks") {
                return None;
            }
            let is = self.is(at, &["he", "she", "age"]) && relation.is_none();
            if is && !self.is(at, &["age"]) {
                return None;
            }
            let time = match word.as_str() {
                "before" | "prior" | "under" => Time::Age(None, Some(years - 1)),
                "after" | "since" | "over" => Time::Age(Some(years), None),
                "by" | "until" => Time::Age(None, Some(years)),
                _ => Time::Age(Some(years), Some(years)),
            };
            return Some((place - at, time));
        }
        if relation.is_none()
            && let Some(lead) = self.any_phrase(place, &["in his", "in her", "in their", "during his", "during her"])
        {
            let word = self.word(place + lead);
            let decade: i32 = word.strip_suffix('s')?.parse().ok()?;
            return (10..=100).contains(&decade).then_some((lead + 1, Time::Age(Some(decade), Some(decade + 9))));
        }
        let years = self.whole(at).filter(|years| (0..=120).contains(years))?;
        if let Some(unit) = self.any_hangul(at + 1, &["세", "살"]) {
            let after = at + 1 + unit;
            if let Some(tail) = self.any_hangul(after, &["이전", "이전에", "전", "전에", "되기 전", "되기전"]) {
                return Some((1 + unit + tail, Time::Age(None, Some(years - 1))));
            }
            if let Some(tail) = self.any_hangul(after, &["이후", "이후에", "부터", "넘어서"]) {
                return Some((1 + unit + tail, Time::Age(Some(years), None)));
            }
            let tail = self.any_hangul(after, &["때", "때에", "에", "이던 때", "일 때", "당시", "시절", "시절에", "때의", "일때", "이었을때"])?;
            return Some((1 + unit + tail, Time::Age(Some(years), Some(years))));
        }
        let unit = self.any_hangul(at + 1, &["대"])?;
        let tail = self.any_hangul(at + 1 + unit, &["때", "에", "때에", "시절", "의", "였을때"])?;
        (years % 10 == 0).then_some((1 + unit + tail, Time::Age(Some(years), Some(years + 9))))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::unit::units;
    use super::*;

    fn longest(text: &str) -> Option<Time> {
        let units = units(text);
        let clock = Clock { units: &units, today: date(2026, 11, 24) };
        let mut best: Option<(usize, Time)> = None;
        for at in 0..units.len() {
            for (length, time) in clock.at(at) {
                if best.is_none_or(|(most, _)| length > most) {
                    best = Some((length, time));
                }
            }
        }
        best.map(|(_, time)| time)
    }

    #[test]
    fn windows_are_read_in_both_languages() {
        let day = |y, m, d| Some(date(y, m, d));
        for (text, from, to) in [
            ("hba1c since 2020", day(2020, 1, 1), None),
            ("bp in march 2024", day(2024, 3, 1), day(2024, 3, 31)),
            ("bp in March", day(2026, 3, 1), day(2026, 3, 31)),
            ("in December", day(2025, 12, 1), day(2025, 12, 31)),
            ("on March 5th, 2024", day(2024, 3, 5), day(2024, 3, 5)),
            ("on 5 March 2024", day(2024, 3, 5), day(2024, 3, 5)),
            ("labs on 2024-03-05", day(2024, 3, 5), day(2024, 3, 5)),
            ("labs on 03/05/2024", day(2024, 3, 5), day(2024, 3, 5)),
            ("labs 2024.03.05", day(2024, 3, 5), day(2024, 3, 5)),
            ("between 2020 and 2022", day(2020, 1, 1), day(2022, 12, 31)),
            ("from 2020-01-05 to 2020-02-01", day(2020, 1, 5), day(2020, 2, 1)),
            ("from January 2020 through March 2021", day(2020, 1, 1), day(2021, 3, 31)),
            ("2020-2022", day(2020, 1, 1), day(2022, 12, 31)),
            ("before 2019", None, day(2018, 12, 31)),
            ("prior to June 2019", None, day(2019, 5, 31)),
            ("after 2019", day(2020, 1, 1), None),
            ("last 6 months", day(2026, 5, 24), day(2026, 11, 24)),
            ("in the last six months", day(2026, 5, 24), day(2026, 11, 24)),
            ("over the past 2 years", day(2024, 11, 24), day(2026, 11, 24)),
            ("over the past year", day(2025, 11, 24), day(2026, 11, 24)),
            ("past 6mo", day(2026, 5, 24), day(2026, 11, 24)),
            ("last year", day(2025, 1, 1), day(2025, 12, 31)),
            ("since last year", day(2025, 1, 1), None),
            ("yesterday", day(2026, 11, 23), day(2026, 11, 23)),
            ("3 years ago", day(2023, 1, 1), day(2023, 12, 31)),
            ("two months ago", day(2026, 9, 1), day(2026, 9, 30)),
            ("지난 3개월 혈압", day(2026, 8, 24), day(2026, 11, 24)),
            ("지난 3개월 동안의", day(2026, 8, 24), day(2026, 11, 24)),
            ("최근 1년간 입원", day(2025, 11, 24), day(2026, 11, 24)),
            ("최근 일주일", day(2026, 11, 17), day(2026, 11, 24)),
            ("최근 한 달", day(2026, 10, 24), day(2026, 11, 24)),
            ("6개월 이내에", day(2026, 5, 24), day(2026, 11, 24)),
            ("2023년 5월 검사", day(2023, 5, 1), day(2023, 5, 31)),
            ("2023년 5월 3일에", day(2023, 5, 3), day(2023, 5, 3)),
            ("23년 5월", day(2023, 5, 1), day(2023, 5, 31)),
            ("2020년 이후", day(2020, 1, 1), None),
            ("2020년도부터", day(2020, 1, 1), None),
            ("2020년부터 2021년까지", day(2020, 1, 1), day(2021, 12, 31)),
            ("2020년에서 2021년 사이에", day(2020, 1, 1), day(2021, 12, 31)),
            ("2024-01~2024-06", day(2024, 1, 1), day(2024, 6, 30)),
            ("2021년 이전", None, day(2020, 12, 31)),
            ("작년 혈당", day(2025, 1, 1), day(2025, 12, 31)),
            ("작년 5월에", day(2025, 5, 1), day(2025, 5, 31)),
            ("올해 입원", day(2026, 1, 1), day(2026, 12, 31)),
            ("지난달", day(2026, 10, 1), day(2026, 10, 31)),
            ("3년 전에", day(2023, 1, 1), day(2023, 12, 31)),
            ("5월에", day(2026, 5, 1), day(2026, 5, 31)),
            ("2023년 상반기", day(2023, 1, 1), day(2023, 6, 30)),
        ] {
            assert_eq!(longest(text), Some(Time::Days(Window { from, to })), "{text}");
        }
        for text in ["last hba1c", "최근 혈압", "bp above 140", "current meds", "may have asthma", "140/90"] {
            assert_eq!(longest(text), None, "{text}");
        }
    }

    #[test]
    fn ages_are_read() {
        for (text, from, to) in [
            ("when he was 40", Some(40), Some(40)),
            ("at age 12", Some(12), Some(12)),
            ("at the age of 50 years", Some(50), Some(50)),
            ("in her 50s", Some(50), Some(59)),
            ("before age 40", None, Some(39)),
            ("before he turned 18", None, Some(17)),
            ("40세 때", Some(40), Some(40)),
            ("50대에", Some(50), Some(59)),
            ("18세 이전에", None, Some(17)),
        ] {
            assert_eq!(longest(text), Some(Time::Age(from, to)), "{text}");
        }
    }
}
