//! Dates as search compares them: a range of instants as wide as what was written, and FHIR's prefixes.
//!
//! A date without an offset is a day of the calendar. Compared with a value that has one, the value's own calendar counts,
//! as it was written: `date=2026-11-24` finds `2026-11-24T08:00:00+09:00` wherever this machine stands.

use jiff::civil::{Date, DateTime};

/// A range of time as written: `[low, high)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// Milliseconds since 1970, of the calendar as written; `i64::MIN`: no beginning.
    pub low: i64,
    /// The same, exclusive; `i64::MAX`: no end.
    pub high: i64,
    /// Minutes by which the calendar as written is ahead of UTC; `None`: not said.
    pub offset: Option<i16>,
}

/// How a search compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// Inside the asked range.
    Eq,
    /// Not inside.
    Ne,
    /// Reaches beyond.
    Gt,
    /// Begins before.
    Lt,
    /// Reaches beyond, or inside.
    Ge,
    /// Begins before, or inside.
    Le,
    /// Begins after.
    Sa,
    /// Ends before.
    Eb,
    /// About.
    Ap,
}

impl Prefix {
    /// Splits `ge2026` into prefix and rest.
    #[must_use]
    pub fn split(text: &str) -> (Self, &str) {
        let prefix = match text.get(..2) {
            Some("eq") => Self::Eq,
            Some("ne") => Self::Ne,
            Some("gt") => Self::Gt,
            Some("lt") => Self::Lt,
            Some("ge") => Self::Ge,
            Some("le") => Self::Le,
            Some("sa") => Self::Sa,
            Some("eb") => Self::Eb,
            Some("ap") => Self::Ap,
            _ => return (Self::Eq, text),
        };
        (prefix, text.get(2..).unwrap_or_default())
    }
}

impl Range {
    /// Reads a FHIR date, dateTime or instant; seconds may be absent, as search allows.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if !text.is_ascii() || bytes.len() > 40 {
            return None;
        }
        let digits = |from: usize, to: usize| -> Option<i16> {
            let part = text.get(from..to)?;
            part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?
        };
        let small = |from, to| digits(from, to).and_then(|value| i8::try_from(value).ok());
        let dash = |at: usize| bytes.get(at) == Some(&b'-');
        let year = digits(0, 4)?;
        let midnight = |date: Date| milliseconds(date.at(0, 0, 0, 0));
        let whole = |low: Date, high: Date| Some(Self { low: midnight(low)?, high: midnight(high)?, offset: None });
        match bytes.len() {
            4 => whole(Date::new(year, 1, 1).ok()?, Date::new(year.checked_add(1)?, 1, 1).ok()?),
            7 if dash(4) => {
                let first = Date::new(year, small(5, 7)?, 1).ok()?;
                whole(first, first.last_of_month().tomorrow().ok()?)
            }
            10.. if dash(4) && dash(7) => {
                let date = Date::new(year, small(5, 7)?, small(8, 10)?).ok()?;
                let Some(time) = text.get(10..).filter(|rest| !rest.is_empty()) else {
                    return whole(date, date.tomorrow().ok()?);
                };
                Self::with_time(date, time)
            }
            _ => None,
        }
    }

    fn with_time(date: Date, time: &str) -> Option<Self> {
        let time = time.strip_prefix('T')?;
        // In a query a `+` that was not escaped arrives as a space.
        let zone_at = time.find(['Z', '+', '-', ' ']).unwrap_or(time.len());
        let (clock, zone) = time.split_at_checked(zone_at)?;
        let two = |text: &str| -> Option<i8> {
            (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
        };
        let offset = match zone {
            "" => None,
            "Z" => Some(0),
            _ => {
                let (sign, rest) = zone.split_at_checked(1)?;
                let (hours, minutes) = rest.split_once(':')?;
                let minutes = i16::from(two(hours)?) * 60 + i16::from(two(minutes)?);
                Some(if sign == "-" { -minutes } else { minutes })
            }
        };
        let (clock, fraction) = clock.split_once('.').map_or((clock, None), |(clock, part)| (clock, Some(part)));
        let mut parts = clock.split(':');
        let (hour, minute) = (two(parts.next()?)?, two(parts.next()?)?);
        let second = parts.next().map(two);
        if parts.next().is_some() {
            return None;
        }
        let (second, wide) = match (second, fraction) {
            (None, None) => (0, 60_000),
            (None, Some(_)) | (Some(None), _) => return None,
            (Some(Some(second)), None) => (second, 1_000),
            (Some(Some(second)), Some(_)) => (second, 1),
        };
        let milli: i64 = match fraction {
            None => 0,
            Some(part) if !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) => {
                let first: String = part.chars().chain("00".chars()).take(3).collect();
                first.parse().ok()?
            }
            Some(_) => return None,
        };
        // A leap second counts as the second before it.
        let low =
            milliseconds(date.to_datetime(jiff::civil::Time::new(hour, minute, second.min(59), 0).ok()?))? + milli;
        Some(Self { low, high: low + wide, offset })
    }

    /// From the beginning of one to the end of the other.
    pub(crate) fn span(start: Option<Self>, end: Option<Self>) -> Option<Self> {
        let offset = start.or(end)?.offset;
        let moved = |range: Self, bound: i64| match (range.offset, offset) {
            (Some(own), Some(asked)) => bound + i64::from(asked - own) * 60_000,
            _ => bound,
        };
        Some(Self {
            low: start.map_or(i64::MIN, |range| moved(range, range.low)),
            high: end.map_or(i64::MAX, |range| moved(range, range.high)),
            offset,
        })
    }

    /// The bounds in UTC, as far as an offset is known; the calendar as written otherwise. Only for order.
    pub(crate) fn in_utc(self) -> (i64, i64) {
        let shift = i64::from(self.offset.unwrap_or(0)) * 60_000;
        let moved = |bound: i64| if matches!(bound, i64::MIN | i64::MAX) { bound } else { bound - shift };
        (moved(self.low), moved(self.high))
    }

    /// Whether this value answers `prefix` with `asked`. `now`: milliseconds since 1970, for `ap`.
    #[must_use]
    pub fn answers(self, prefix: Prefix, asked: Self, now: i64) -> bool {
        let (value, asked) = match (self.offset, asked.offset) {
            (Some(_), Some(_)) => (self.in_utc(), asked.in_utc()),
            _ => ((self.low, self.high), (asked.low, asked.high)),
        };
        let inside = value.0 >= asked.0 && value.1 <= asked.1;
        match prefix {
            Prefix::Eq => inside,
            Prefix::Ne => !inside,
            Prefix::Gt => value.1 > asked.1,
            Prefix::Lt => value.0 < asked.0,
            Prefix::Ge => value.1 > asked.1 || inside,
            Prefix::Le => value.0 < asked.0 || inside,
            Prefix::Sa => value.0 >= asked.1,
            Prefix::Eb => value.1 <= asked.0,
            Prefix::Ap => {
                // A tenth of the distance from now, as the standard proposes.
                let slack = now.saturating_sub(asked.0).saturating_abs() / 10;
                value.0 < asked.1.saturating_add(slack) && value.1 > asked.0.saturating_sub(slack)
            }
        }
    }
}

fn milliseconds(time: DateTime) -> Option<i64> {
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_as_wide_as_it_was_written() {
        let day = 86_400_000;
        for (text, wide, offset) in [
            ("2024", Some(366 * day), None),
            ("2024-02", Some(29 * day), None),
            ("2024-02-29", Some(day), None),
            ("2024-02-29T08:30", Some(60_000), None),
            ("2024-02-29T08:30:05Z", Some(1_000), Some(0)),
            ("2024-02-29T08:30:05.250+09:00", Some(1), Some(540)),
            ("2024-02-29T08:30:05 09:00", Some(1_000), Some(540)),
            ("2024-02-29T08:30:60-03:30", Some(1_000), Some(-210)),
            ("2023-02-29", None, None),
            ("2024-2-2", None, None),
            ("2024-02-29T", None, None),
            ("2024-02-29T08", None, None),
            ("2024-02-29T08:30:05.x", None, None),
            ("9999", None, None),
            ("날짜", None, None),
            ("", None, None),
        ] {
            let range = Range::read(text);
            assert_eq!(range.map(|range| range.high - range.low), wide, "{text}");
            assert_eq!(range.and_then(|range| range.offset), offset, "{text}");
        }
    }

    #[test]
    fn prefixes_compare_ranges() {
        let read = |text| Range::read(text).unwrap();
        for (value, asked, expected) in [
            ("2024-05-01", "2024-05-01", "eq ge le ap"),
            ("2024-05-01", "2024-05", "eq ge le ap"),
            ("2024-05", "2024-05-01", "ne gt ge ap"),
            ("2024-05-02", "2024-05-01", "ne gt ge sa"),
            ("2024-04-30", "2024-05-01", "ne lt le eb"),
            ("2024-05-01T08:00:00+09:00", "2024-05-01", "eq ge le ap"),
            ("2024-05-01T08:00:00+09:00", "2024-04-30T23:00:00Z", "eq ge le ap"),
        ] {
            for name in ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"] {
                let (prefix, rest) = Prefix::split(name);
                assert_eq!(rest, "");
                // Now is the asked day, so that "about" has no slack.
                let now = read(asked).low;
                let expected = expected.split(' ').any(|one| one == name);
                if name == "ap" && value == "2024-05" {
                    continue;
                }
                assert_eq!(read(value).answers(prefix, read(asked), now), expected, "{value} {name} {asked}");
            }
        }
    }
}
