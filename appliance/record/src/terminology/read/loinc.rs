//! LOINC: `Loinc.csv` and the Korean linguistic variant, found by their published headings.

use super::delimited::{self, Form, Heading};
use super::{Kind, Reading, Source, TerminologyError};

struct Columns {
    code: usize,
    long: usize,
    short: Option<usize>,
    component: Option<usize>,
    consumer: Option<usize>,
    display: Option<usize>,
    status: Option<usize>,
}

fn columns(heading: &Heading<'_>) -> Result<Columns, &'static str> {
    Ok(Columns {
        code: heading.find("code", &["LOINC_NUM"]).ok_or("code")?,
        long: heading.find("name", &["LONG_COMMON_NAME"]).ok_or("name")?,
        short: heading.find("short", &["SHORTNAME"]),
        component: heading.find("component", &["COMPONENT"]),
        consumer: heading.find("consumer", &["CONSUMER_NAME"]),
        display: heading.find("display", &["DisplayName", "LinguisticVariantDisplayName"]),
        status: heading.find("status", &["STATUS"]),
    })
}

/// `Loinc.csv`.
pub(super) fn terms(source: &mut dyn Source, reading: &mut Reading<'_, '_>) -> Result<(), TerminologyError> {
    each(source, reading, "en")
}

/// The Korean variant: names only.
pub(super) fn korean(source: &mut dyn Source, reading: &mut Reading<'_, '_>) -> Result<(), TerminologyError> {
    each(source, reading, "ko")
}

fn each(
    source: &mut dyn Source,
    reading: &mut Reading<'_, '_>,
    language: &'static str,
) -> Result<(), TerminologyError> {
    delimited::each_below(source, Form::Any, reading, &columns, &mut |reading, columns, record| {
        let number = record.at(columns.code);
        if !is_loinc(number) {
            reading.reject(record.line, "no LOINC: digits, a dash and a check digit");
            return Ok(());
        }
        if language == "en" {
            let status = record.maybe(columns.status);
            reading.concept(number, !matches!(status, "DEPRECATED" | "DISCOURAGED"))?;
        }
        reading.name(number, language, Kind::Name, true, record.at(columns.long))?;
        reading.name(number, language, Kind::Short, false, record.maybe(columns.short))?;
        reading.name(number, language, Kind::Part, false, record.maybe(columns.component))?;
        reading.name(number, language, Kind::Synonym, false, record.maybe(columns.consumer))?;
        reading.name(number, language, Kind::Synonym, false, record.maybe(columns.display))
    })
}

/// Digits, a dash, one digit. The check digit is the publisher's business.
fn is_loinc(text: &str) -> bool {
    text.split_once('-').is_some_and(|(number, check)| {
        (1..=7).contains(&number.len())
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && check.len() == 1
            && check.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::rows;
    use super::super::{Row, Table};
    use super::*;

    #[test]
    fn names_and_status_are_read() {
        let file = "\u{feff}\"LOINC_NUM\",\"COMPONENT\",\"PROPERTY\",\"STATUS\",\"CONSUMER_NAME\",\"SHORTNAME\",\"LONG_COMMON_NAME\",\"DisplayName\"\n\"90001-9\",\"Haechine\",\"MCnc\",\"ACTIVE\",\"Haechine, Blood\",\"Haechine SerPl-mCnc\",\"Haechine [Mass/volume] in Serum or Plasma\",\"Haechine (S/P) [Mass/Vol]\"\n\"90002-7\",\"Old\",\"\",\"DEPRECATED\",\"\",\"\",\"Old one\",\"\"\n\"x\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"\n";
        let (rows, report) = rows(Table::Loinc, file.as_bytes());
        assert_eq!((report.rows, report.rejected), (3, 1));
        assert!(rows.contains(&Row::Concept { code: "90002-7".to_owned(), active: false }));
        let names: Vec<_> = rows
            .iter()
            .filter_map(|row| match row {
                Row::Designation { code, kind, .. } if code == "90001-9" => Some(*kind),
                _ => None,
            })
            .collect();
        assert_eq!(names, [Kind::Name, Kind::Short, Kind::Part, Kind::Synonym, Kind::Synonym]);
    }

    #[test]
    fn the_korean_variant_brings_names_and_no_codes() {
        let file = "LOINC_NUM,COMPONENT,PROPERTY,TIME_ASPCT,SYSTEM,SCALE_TYP,METHOD_TYP,CLASS,SHORTNAME,LONG_COMMON_NAME,RELATEDNAMES2,LinguisticVariantDisplayName\n90001-9,해치인,질량농도,시점,혈청 또는 혈장,정량,,화학,,해치인 [질량/부피] 혈청 또는 혈장,,해치인\n";
        let (rows, _) = rows(Table::LoincKorean, file.as_bytes());
        assert!(rows.iter().all(|row| matches!(row, Row::Designation { language: "ko", .. })));
        assert_eq!(rows.len(), 3);
    }
}
