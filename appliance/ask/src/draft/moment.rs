//! Points in time as they are shown and compared: in the site's zone, as precise as they were recorded, never more.

use haechi_record::chart::{Entry, Kind, PartialDate, When};
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// How much of an instant is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// The day.
    Day,
    /// The day and the minute, if a time was recorded.
    Minute,
}

/// What a reader expects of this kind: results and encounters happen at a time, problems and prescriptions on a day.
#[must_use]
pub fn grain(kind: Kind) -> Grain {
    match kind {
        Kind::Lab
        | Kind::Vital
        | Kind::OtherObservation
        | Kind::Encounter
        | Kind::Procedure
        | Kind::Appointment
        | Kind::Imaging => Grain::Minute,
        _ => Grain::Day,
    }
}

/// `2024-03-12`, `2024-03-12 09:30`, `2024-03`, `2024`.
#[must_use]
pub fn show(when: &When, zone: &TimeZone, grain: Grain) -> String {
    match when {
        When::Date(PartialDate::Year(year)) => format!("{year:04}"),
        When::Date(PartialDate::Month(year, month)) => format!("{year:04}-{month:02}"),
        When::Date(PartialDate::Day(date)) => date.to_string(),
        When::Instant(instant) => {
            let local = zone.to_datetime(*instant);
            match grain {
                Grain::Day => local.date().to_string(),
                Grain::Minute => format!("{} {:02}:{:02}", local.date(), local.hour(), local.minute()),
            }
        }
    }
}

/// The same as [`show`] for a birth date or the like.
#[must_use]
pub fn show_partial(date: PartialDate) -> String {
    show(&When::Date(date), &TimeZone::UTC, Grain::Day)
}

/// The local days that `when` can mean: one, or a month, or a year.
#[must_use]
pub fn days(when: &When, zone: &TimeZone) -> Option<(Date, Date)> {
    match when {
        When::Date(partial) => partial_days(*partial),
        When::Instant(instant) => {
            let day = zone.to_datetime(*instant).date();
            Some((day, day))
        }
    }
}

/// The days that a partial date can mean; `None` where the calendar has no such day.
#[must_use]
pub fn partial_days(date: PartialDate) -> Option<(Date, Date)> {
    match date {
        PartialDate::Year(year) => Some((Date::new(year, 1, 1).ok()?, Date::new(year, 12, 31).ok()?)),
        PartialDate::Month(year, month) => {
            let first = Date::new(year, month, 1).ok()?;
            Some((first, first.last_of_month()))
        }
        PartialDate::Day(day) => Some((day, day)),
    }
}

/// When the entry counts as having happened: its own time, else when it was written down.
#[must_use]
pub fn of(entry: &Entry) -> Option<&When> {
    entry.when.as_ref().or(entry.recorded.as_ref())
}

/// A key that orders entries in time: day first, then the instant within it (a date without time stands before the day's
/// instants), undated before all.
#[must_use]
pub fn order(entry: &Entry, zone: &TimeZone) -> (Option<Date>, Option<jiff::Timestamp>) {
    let Some(when) = of(entry) else { return (None, None) };
    let instant = match when {
        When::Instant(instant) => Some(*instant),
        When::Date(_) => None,
    };
    (days(when, zone).map(|(first, _)| first), instant)
}

/// Whole years between two days, as ages are counted.
#[must_use]
pub fn years(from: Date, to: Date) -> i32 {
    let mut years = i32::from(to.year()) - i32::from(from.year());
    if (to.month(), to.day()) < (from.month(), from.day()) {
        years -= 1;
    }
    years
}

/// Days from `from` to `to`.
#[must_use]
pub fn days_between(from: Date, to: Date) -> i64 {
    let from = from.to_datetime(jiff::civil::Time::midnight());
    let to = to.to_datetime(jiff::civil::Time::midnight());
    from.duration_until(to).as_hours() / 24
}

#[cfg(test)]
mod tests {
    use haechi_record::chart::{PartialDate, When};
    use jiff::civil::date;
    use jiff::tz::TimeZone;

    use super::{Grain, days, days_between, show, years};

    fn seoul() -> TimeZone {
        TimeZone::get("Asia/Seoul").expect("bundled")
    }

    #[test]
    fn an_instant_is_shown_in_the_zone_of_the_site() {
        let late = When::Instant("2024-03-11T23:30:00Z".parse().expect("instant"));
        assert_eq!(show(&late, &seoul(), Grain::Minute), "2024-03-12 08:30");
        assert_eq!(show(&late, &seoul(), Grain::Day), "2024-03-12");
        assert_eq!(show(&late, &TimeZone::UTC, Grain::Day), "2024-03-11");
    }

    #[test]
    fn a_partial_date_is_not_made_more_precise() {
        assert_eq!(show(&When::Date(PartialDate::Year(1998)), &seoul(), Grain::Minute), "1998");
        assert_eq!(show(&When::Date(PartialDate::Month(1998, 4)), &seoul(), Grain::Minute), "1998-04");
        assert_eq!(
            days(&When::Date(PartialDate::Month(2024, 2)), &seoul()),
            Some((date(2024, 2, 1), date(2024, 2, 29)))
        );
    }

    #[test]
    fn an_impossible_month_has_no_days() {
        assert_eq!(days(&When::Date(PartialDate::Month(2024, 13)), &seoul()), None);
    }

    #[test]
    fn ages_turn_on_the_birthday() {
        assert_eq!(years(date(1970, 6, 15), date(2024, 6, 14)), 53);
        assert_eq!(years(date(1970, 6, 15), date(2024, 6, 15)), 54);
    }

    #[test]
    fn days_cross_leap_days() {
        assert_eq!(days_between(date(2024, 2, 28), date(2024, 3, 1)), 2);
        assert_eq!(days_between(date(2024, 3, 1), date(2024, 2, 28)), -2);
    }
}
