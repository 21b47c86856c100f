//! What the record keeps of an instance's header: who, which study and series, what it shows, whether it can be previewed.

use encoding_rs::Encoding;
use jiff::civil;
use jiff::tz::{Offset, TimeZone};
use serde::{Deserialize, Serialize};

use super::charset::Charset;
use super::dataset::{Dataset, Tag, Walked, shown};
use super::name::PersonName;
use super::report::{self, Report};

/// The patient as the sender wrote them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Person {
    pub(crate) number: String,
    /// (0010,0021), and its universal id and that id's type from (0010,0024).
    pub(crate) issuer: Issuer,
    pub(crate) birth_date: Option<String>,
    pub(crate) sex: Option<String>,
}

/// Who gave the patient's number.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Issuer {
    pub(crate) name: Option<String>,
    pub(crate) universal: Option<String>,
    pub(crate) kind: Option<String>,
}

/// One instance.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) class: String,
    pub(crate) syntax: String,
    pub(crate) study: String,
    pub(crate) series: String,
    /// As a person reads it.
    pub(crate) patient_name: Option<String>,
    pub(crate) modality: Option<String>,
    pub(crate) accession: Option<String>,
    pub(crate) study_description: Option<String>,
    /// FHIR dateTime.
    pub(crate) study_started: Option<String>,
    pub(crate) referrer: Option<String>,
    pub(crate) procedure: Option<String>,
    pub(crate) series_description: Option<String>,
    pub(crate) series_number: Option<u32>,
    pub(crate) series_started: Option<String>,
    pub(crate) body_part: Option<String>,
    pub(crate) laterality: Option<String>,
    pub(crate) performer: Option<String>,
    pub(crate) number: Option<u32>,
    pub(crate) frames: Option<u32>,
    /// Where the data set could not be read on, and why.
    pub(crate) problem: Option<String>,
    pub(crate) report: Option<Report>,
}

/// Why an object cannot be filed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfiled {
    pub(crate) tag: Tag,
    pub(crate) what: String,
}

/// Longest text of one attribute that is kept; LO has 64 characters by the standard, senders write more.
const MAX_TEXT_CHARS: usize = 1024;

/// The header's two halves, from a data set that was read.
///
/// # Errors
/// The attribute without which it is nobody's and nothing's.
pub(crate) fn read(
    walked: &Walked,
    syntax: &str,
    assumed: &'static Encoding,
    zone: &TimeZone,
) -> Result<(Person, Header, String), Unfiled> {
    let root = &walked.root;
    let needed = |tag: Tag, name: &str| match root.code(tag) {
        Some(uid) if is_uid(&uid) => Ok(uid),
        Some(_) => Err(Unfiled { tag, what: format!("the {name} is no UID (digits and points, at most 64)") }),
        None => Err(match &walked.problem {
            Some(problem) => Unfiled {
                tag: problem.at.unwrap_or(tag),
                what: format!("{}, before the {name} {} was found", problem.what, shown(tag)),
            },
            None => Unfiled { tag, what: format!("there is no {name}") },
        }),
    };
    let class = needed((0x0008, 0x0016), "SOP Class UID")?;
    let sop = needed((0x0008, 0x0018), "SOP Instance UID")?;
    let study = needed((0x0020, 0x000d), "Study Instance UID")?;
    let series = needed((0x0020, 0x000e), "Series Instance UID")?;
    if let Some(problem) = walked.problem.as_ref().filter(|problem| problem.cut_off) {
        return Err(Unfiled { tag: problem.at.unwrap_or_default(), what: problem.what.clone() });
    }
    let charset = charset(root, assumed);
    let text = |tag: Tag| {
        root.text(tag, &charset).map(|text| text.chars().take(MAX_TEXT_CHARS).collect::<String>().replace('\\', ", "))
    };
    let name = |tag: Tag| root.name(tag, &charset).map(|written| PersonName::read(&written).shown());
    let started = |date: Tag, time: Tag| moment(root, date, time, zone);
    let coded = |sequence: Tag| root.items(sequence).first().and_then(|item| item.text((0x0008, 0x0104), &charset));
    let report = report::is_report(&class).then(|| report::read(root, &charset));
    let header = Header {
        class,
        syntax: syntax.to_owned(),
        study,
        series,
        patient_name: name((0x0010, 0x0010)),
        modality: root.code((0x0008, 0x0060)),
        accession: text((0x0008, 0x0050)),
        study_description: text((0x0008, 0x1030)),
        study_started: started((0x0008, 0x0020), (0x0008, 0x0030)),
        referrer: name((0x0008, 0x0090)),
        procedure: coded((0x0008, 0x1032)),
        series_description: text((0x0008, 0x103e)),
        series_number: root.code((0x0020, 0x0011)).and_then(|number| number.parse().ok()),
        series_started: started((0x0008, 0x0021), (0x0008, 0x0031)),
        body_part: text((0x0018, 0x0015)),
        laterality: root.code((0x0020, 0x0060)).or_else(|| root.code((0x0020, 0x0062))),
        performer: name((0x0008, 0x1050)),
        number: root.code((0x0020, 0x0013)).and_then(|number| number.parse().ok()),
        frames: root.code((0x0028, 0x0008)).and_then(|number| number.parse().ok()),
        problem: walked.problem.as_ref().map(|problem| match problem.at {
            Some(tag) => format!("{} at {}", problem.what, shown(tag)),
            None => problem.what.clone(),
        }),
        report,
    };
    let qualifiers = root.items((0x0010, 0x0024)).first();
    let person = Person {
        number: text((0x0010, 0x0020)).unwrap_or_default(),
        issuer: Issuer {
            name: text((0x0010, 0x0021)),
            universal: qualifiers.and_then(|item| item.text((0x0040, 0x0032), &charset)),
            kind: qualifiers.and_then(|item| item.code((0x0040, 0x0033))),
        },
        birth_date: root.code((0x0010, 0x0030)).as_deref().and_then(date).map(|date| date.to_string()),
        sex: root.code((0x0010, 0x0040)).as_deref().and_then(|code| match code {
            "M" => Some("male".to_owned()),
            "F" => Some("female".to_owned()),
            "O" => Some("other".to_owned()),
            _ => None,
        }),
    };
    Ok((person, header, sop))
}

/// The character set that a data set names.
pub(crate) fn charset(root: &Dataset, assumed: &'static Encoding) -> Charset {
    match root.bytes((0x0008, 0x0005)).and_then(|bytes| std::str::from_utf8(bytes).ok()) {
        Some(values) => Charset::of(values, assumed),
        None => Charset::unnamed(assumed),
    }
}

/// PS3.5 section 9.1, but for leading zeros, which real senders write.
pub(crate) fn is_uid(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `20250131`, or `2025.01.31` as before 1993.
fn date(text: &str) -> Option<civil::Date> {
    let digits: String = text.chars().filter(|c| *c != '.' && *c != '-').collect();
    if digits.len() != 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    civil::Date::new(digits.get(..4)?.parse().ok()?, digits.get(4..6)?.parse().ok()?, digits.get(6..)?.parse().ok()?)
        .ok()
}

/// `093000.25`, `0930`, `09:30:00`.
fn time(text: &str) -> Option<civil::Time> {
    let whole: String = text.split('.').next()?.chars().filter(|c| *c != ':').collect();
    let part = |at: usize| match whole.get(at..at + 2) {
        Some(digits) => digits.parse::<i8>().ok(),
        None => (whole.len() <= at).then_some(0),
    };
    // A leap second is the last one that a clock shows.
    civil::Time::new(part(0).filter(|_| whole.len() >= 2)?, part(2)?, part(4)?.min(59), 0).ok()
}

/// FHIR dateTime: in the data set's own offset (0008,0201), else the site's zone; a date alone where there is no time.
fn moment(root: &Dataset, date_tag: Tag, time_tag: Tag, zone: &TimeZone) -> Option<String> {
    let date = root.code(date_tag).as_deref().and_then(date)?;
    let Some(time) = root.code(time_tag).as_deref().and_then(time) else { return Some(date.to_string()) };
    let own = root.code((0x0008, 0x0201)).and_then(|text| {
        let (sign, digits) = text.split_at_checked(1)?;
        let (hours, minutes) = digits.split_at_checked(2)?;
        let seconds = (hours.parse::<i32>().ok()? * 60 + minutes.parse::<i32>().ok()?) * 60;
        Offset::from_seconds(if sign == "-" { -seconds } else { seconds }).ok()
    });
    let zone = own.map_or_else(|| zone.clone(), TimeZone::fixed);
    let at = date.to_datetime(time).to_zoned(zone).ok()?;
    Some(at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_read_as_senders_write_them() {
        assert_eq!(date("20250131").unwrap().to_string(), "2025-01-31");
        assert_eq!(date("2025.01.31").unwrap().to_string(), "2025-01-31");
        assert_eq!((date("20250231"), date("2025"), date("abcdefgh")), (None, None, None));
        assert_eq!(time("093000.250000").unwrap().to_string(), "09:30:00");
        assert_eq!(time("0930").unwrap().to_string(), "09:30:00");
        assert_eq!(time("09:30:60").unwrap().to_string(), "09:30:59");
        assert_eq!((time(""), time("9"), time("2500"), time("093")), (None, None, None, None));
    }

    #[test]
    fn uids_are_checked() {
        assert!(is_uid("1.2.840.10008.1.1") && is_uid("1.2.03"));
        assert!(!is_uid("") && !is_uid("1..2") && !is_uid("1.2.") && !is_uid("1.a") && !is_uid(&"1".repeat(65)));
    }
}
