//! Dates and times in the two notations. The hospital's clock is Korea's, nine hours ahead of UTC in all years in which
//! this hospital writes (there was summer time in 1987 and 1988 only).

use jiff::civil::{Date, DateTime};

/// `2026-03-02T09:10:00+09:00`
pub(crate) fn fhir(at: DateTime) -> String {
    format!("{}T{:02}:{:02}:00+09:00", fhir_day(at.date()), at.hour(), at.minute())
}

/// `2026-03-02`
pub(crate) fn fhir_day(day: Date) -> String {
    format!("{:04}-{:02}-{:02}", day.year(), day.month(), day.day())
}

/// `202603020910`: HL7 without offset, which the reader takes for the site's clock.
pub(crate) fn v2(at: DateTime) -> String {
    format!("{}{:02}{:02}", v2_day(at.date()), at.hour(), at.minute())
}

/// `20260302`
pub(crate) fn v2_day(day: Date) -> String {
    format!("{:04}{:02}{:02}", day.year(), day.month(), day.day())
}

/// `day` plus days; the calendar's end stands for what lies beyond it.
pub(crate) fn days_after(day: Date, days: i64) -> Date {
    day.saturating_add(jiff::Span::new().days(days.clamp(-40_000, 40_000)))
}

/// `at` plus minutes.
pub(crate) fn minutes_after(at: DateTime, minutes: i64) -> DateTime {
    at.saturating_add(jiff::SignedDuration::from_mins(minutes))
}

/// Whole days from `from` to `to`.
pub(crate) fn days_between(from: Date, to: Date) -> i64 {
    from.duration_until(to).as_hours() / 24
}

/// Completed years of age.
pub(crate) fn age(birth: Date, day: Date) -> i64 {
    let before = (day.month(), day.day()) < (birth.month(), birth.day());
    i64::from(day.year()) - i64::from(birth.year()) - i64::from(before)
}

/// A date as precise as somebody remembered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    Year(i16),
    Month(i16, i8),
    Day(Date),
}

impl Since {
    pub(crate) fn fhir(self) -> String {
        match self {
            Since::Year(year) => format!("{year:04}"),
            Since::Month(year, month) => format!("{year:04}-{month:02}"),
            Since::Day(day) => fhir_day(day),
        }
    }

    pub(crate) fn v2(self) -> String {
        self.fhir().replace('-', "")
    }

    pub(crate) fn year(self) -> i16 {
        match self {
            Since::Year(year) | Since::Month(year, _) => year,
            Since::Day(day) => day.year(),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn both_notations_and_ages() {
        let at = date(2026, 3, 2).at(9, 5, 0, 0);
        assert_eq!((fhir(at).as_str(), v2(at).as_str()), ("2026-03-02T09:05:00+09:00", "202603020905"));
        assert_eq!(Since::Month(2015, 4).v2(), "201504");
        assert_eq!((age(date(1960, 3, 3), date(2026, 3, 2)), age(date(1960, 3, 2), date(2026, 3, 2))), (65, 66));
        assert_eq!(days_between(date(2026, 2, 27), date(2026, 3, 2)), 3);
        assert_eq!(minutes_after(at, -600).date(), date(2026, 3, 1));
    }
}
