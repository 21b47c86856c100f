//! HL7 timestamps (`DTM`, `DT`, `TS`, `TM`) to FHIR, no more and no less precise than they were written.
//!
//! `YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]`. A time of day without an offset is the site's. ISO 8601 with
//! separators is taken too: enough senders write it.

use std::fmt::Write as _;

use jiff::civil::{Date, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};

/// Why a text is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotATime {
    /// It is written in no form that is read.
    Form,
    /// It names a month, a day or an hour that does not exist.
    NoSuchTime,
}

impl NotATime {
    /// In words, without the text.
    pub(super) fn reason(self) -> &'static str {
        match self {
            NotATime::Form => "is no timestamp (YYYYMMDDHHMMSS+ZZZZ)",
            NotATime::NoSuchTime => "names a day or hour that does not exist",
        }
    }
}

/// A timestamp taken apart.
struct Stamp {
    year: i16,
    month: Option<i8>,
    day: Option<i8>,
    /// Hour, minute, second and the digits after the point.
    time: Option<(i8, i8, i8, String)>,
    offset_minutes: Option<i32>,
}

/// FHIR `dateTime`. Minutes and seconds that were not written become zero where FHIR demands them.
///
/// # Errors
/// [`NotATime`]; the caller names the field.
pub(super) fn date_time(text: &str, zone: &TimeZone) -> Result<String, NotATime> {
    let stamp = read(text)?;
    let mut out = stamp.date();
    if let Some((hour, minute, second, fraction)) = &stamp.time {
        let _ = write!(out, "T{hour:02}:{minute:02}:{second:02}");
        if !fraction.is_empty() {
            let _ = write!(out, ".{fraction}");
        }
        let minutes = stamp.offset_minutes.or_else(|| stamp.offset_at(zone)).ok_or(NotATime::Form)?;
        let sign = if minutes < 0 { '-' } else { '+' };
        let _ = write!(out, "{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60);
    }
    Ok(out)
}

/// FHIR `date`: the day of the timestamp as written, whatever its time of day.
///
/// # Errors
/// [`NotATime`]; the caller names the field.
pub(super) fn date(text: &str) -> Result<String, NotATime> {
    read(text).map(|stamp| stamp.date())
}

/// FHIR `instant`: `None` when the text is right but has no time of day.
///
/// # Errors
/// [`NotATime`]; the caller names the field.
pub(super) fn instant(text: &str, zone: &TimeZone) -> Result<Option<String>, NotATime> {
    let out = date_time(text, zone)?;
    Ok(out.contains('T').then_some(out))
}

/// FHIR `time` from `TM`: `HH[MM[SS[.S]]]`, offset dropped because FHIR has none there.
///
/// # Errors
/// [`NotATime`]; the caller names the field.
pub(super) fn time(text: &str) -> Result<String, NotATime> {
    let mut rest = Digits(text.trim());
    let clock = rest.clock()?.ok_or(NotATime::Form)?;
    rest.offset()?;
    if !rest.0.is_empty() {
        return Err(NotATime::Form);
    }
    let (hour, minute, second, fraction) = clock;
    let point = if fraction.is_empty() { "" } else { "." };
    Ok(format!("{hour:02}:{minute:02}:{second:02}{point}{fraction}"))
}

fn read(text: &str) -> Result<Stamp, NotATime> {
    let mut rest = Digits(text.trim());
    let year = i16::try_from(rest.number(4).ok_or(NotATime::Form)?).map_err(|_| NotATime::Form)?;
    let mut stamp = Stamp { year, month: None, day: None, time: None, offset_minutes: None };
    if year == 0 {
        return Err(NotATime::Form);
    }
    if !rest.at_offset() {
        rest.skip(&['-', '/', '.']);
        // `00` is how some senders write "not known": the date is then as precise as what stands before it.
        stamp.month = rest.number(2).map(to_i8).filter(|month| *month != 0);
        if !rest.at_offset() {
            rest.skip(&['-', '/', '.']);
            stamp.day = rest.number(2).map(to_i8).filter(|day| *day != 0 && stamp.month.is_some());
            if !rest.at_offset() {
                rest.skip(&['T', 't', ' ']);
                stamp.time = rest.clock()?.filter(|_| stamp.day.is_some());
            }
        }
    }
    stamp.offset_minutes = rest.offset()?;
    if !rest.0.is_empty() {
        return Err(NotATime::Form);
    }
    let day = Date::new(stamp.year, stamp.month.unwrap_or(1), stamp.day.unwrap_or(1));
    day.map(|_| stamp).map_err(|_| NotATime::NoSuchTime)
}

impl Stamp {
    fn date(&self) -> String {
        let mut out = format!("{:04}", self.year);
        for part in [self.month, self.day].into_iter().flatten() {
            let _ = write!(out, "-{part:02}");
        }
        out
    }

    /// The site's offset at this wall-clock time; in the hour that a clock change repeats or skips, the one before it.
    fn offset_at(&self, zone: &TimeZone) -> Option<i32> {
        let (hour, minute, second, _) = self.time.as_ref()?;
        let date = Date::new(self.year, self.month?, self.day?).ok()?;
        let at = date.to_datetime(Time::new(*hour, *minute, *second, 0).ok()?);
        let offset = match zone.to_ambiguous_zoned(at).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Gap { before, .. } | AmbiguousOffset::Fold { before, .. } => before,
        };
        Some(offset.seconds() / 60)
    }
}

/// What is left to read.
struct Digits<'t>(&'t str);

impl Digits<'_> {
    /// Exactly `count` digits.
    fn number(&mut self, count: usize) -> Option<u16> {
        let digits = self.0.get(..count)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        self.0 = self.0.get(count..)?;
        digits.parse().ok()
    }

    fn skip(&mut self, any: &[char]) {
        self.0 = self.0.strip_prefix(any).unwrap_or(self.0);
    }

    /// Whether a zone offset stands here: `+0900` or `-0500` to the end, so that `2021-05` stays a month.
    fn at_offset(&self) -> bool {
        let rest = self.0.as_bytes();
        matches!(rest, [b'+' | b'-', digits @ ..] if digits.len() == 4 && digits.iter().all(u8::is_ascii_digit))
            || rest == b"Z"
    }

    fn clock(&mut self) -> Result<Option<(i8, i8, i8, String)>, NotATime> {
        let Some(hour) = self.number(2) else { return Ok(None) };
        let mut parts = [0, 0];
        for part in &mut parts {
            let colon = self.0.starts_with(':');
            self.skip(&[':']);
            match self.number(2) {
                Some(number) => *part = to_i8(number),
                None if colon => return Err(NotATime::Form),
                None => break,
            }
        }
        let [minute, second] = parts;
        let mut fraction = String::new();
        if let Some(rest) = self.0.strip_prefix('.') {
            fraction.extend(rest.chars().take_while(char::is_ascii_digit));
            self.0 = rest.get(fraction.len()..).unwrap_or_default();
            fraction.truncate(9);
        }
        let hour = to_i8(hour);
        Time::new(hour, minute, second, 0)
            .map(|_| Some((hour, minute, second, fraction)))
            .map_err(|_| NotATime::NoSuchTime)
    }

    /// A zone offset in minutes, if one stands here. ISO's colon is taken; 14 hours is the world's largest.
    fn offset(&mut self) -> Result<Option<i32>, NotATime> {
        if matches!(self.0, "Z" | "z") {
            self.0 = "";
            return Ok(Some(0));
        }
        let sign = match self.0.as_bytes().first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Ok(None),
        };
        self.0 = self.0.get(1..).unwrap_or_default();
        let hours = self.number(2).ok_or(NotATime::Form)?;
        self.skip(&[':']);
        let minutes = if self.0.is_empty() { 0 } else { self.number(2).ok_or(NotATime::Form)? };
        if hours > 14 || minutes > 59 {
            return Err(NotATime::Form);
        }
        Ok(Some(sign * (i32::from(hours) * 60 + i32::from(minutes))))
    }
}

/// Two digits always fit.
fn to_i8(number: u16) -> i8 {
    i8::try_from(number).unwrap_or(i8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_is_kept_and_the_site_gives_the_zone() {
        let seoul = TimeZone::get("Asia/Seoul").unwrap();
        for (hl7, fhir) in [
            ("2021", Ok("2021")),
            ("202103", Ok("2021-03")),
            ("20210304", Ok("2021-03-04")),
            ("20210300", Ok("2021-03")),
            ("20210000", Ok("2021")),
            ("2021030410", Ok("2021-03-04T10:00:00+09:00")),
            ("202103041011", Ok("2021-03-04T10:11:00+09:00")),
            ("20210304101112", Ok("2021-03-04T10:11:12+09:00")),
            ("20210304101112.1234-0500", Ok("2021-03-04T10:11:12.1234-05:00")),
            ("20210304101112+0000", Ok("2021-03-04T10:11:12+00:00")),
            ("19880601120000", Ok("1988-06-01T12:00:00+10:00")), // Korea had summer time in 1988
            ("2021-03-04T10:11:12+09:00", Ok("2021-03-04T10:11:12+09:00")),
            ("2021-03-04 10:11", Ok("2021-03-04T10:11:00+09:00")),
            ("2021/03/04", Ok("2021-03-04")),
            ("2021-03", Ok("2021-03")),
            ("20210304+0900", Ok("2021-03-04")),
            ("20211304", Err(NotATime::NoSuchTime)),
            ("20210230", Err(NotATime::NoSuchTime)),
            ("2021030425", Err(NotATime::NoSuchTime)),
            ("202103041061", Err(NotATime::NoSuchTime)),
            ("2021030410111", Err(NotATime::Form)),
            ("202402221854-05002", Err(NotATime::Form)),
            ("04/24/2007", Err(NotATime::Form)),
            ("0000", Err(NotATime::Form)),
            ("", Err(NotATime::Form)),
            ("어제", Err(NotATime::Form)),
        ] {
            assert_eq!(date_time(hl7, &seoul), fhir.map(str::to_owned), "{hl7}");
        }
    }

    #[test]
    fn dates_instants_and_times_of_day() {
        let seoul = TimeZone::get("Asia/Seoul").unwrap();
        assert_eq!(date("198808181126+0215"), Ok("1988-08-18".into()));
        assert_eq!(instant("20210304", &seoul), Ok(None));
        assert_eq!(instant("202103041000", &seoul), Ok(Some("2021-03-04T10:00:00+09:00".into())));
        assert_eq!(time("1130"), Ok("11:30:00".into()));
        assert_eq!(time("11:30:05.5"), Ok("11:30:05.5".into()));
        assert_eq!(time("2561"), Err(NotATime::NoSuchTime));
    }
}
