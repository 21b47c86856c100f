//! SNOMED CT, release format 2, snapshot files: tabs, no quotation, a heading. Columns by position, as the format fixes them.

use super::delimited::{self, Form, Record};
use super::{Equivalence, Kind, Reading, Row, Source, System, TerminologyError, clean};

const IS_A: &str = "116680003";
const FULLY_SPECIFIED: &str = "900000000000003001";
const SYNONYM: &str = "900000000000013009";
const PREFERRED: &str = "900000000000548007";
/// The simple form of the map to ICD-10 of SNOMED International.
const TO_ICD10: &str = "447562003";

/// Calls `take` with each active row of at least `width` fields; a row is active where its third field says 1.
fn each(
    source: &mut dyn Source,
    reading: &mut Reading<'_, '_>,
    width: usize,
    take: &mut dyn FnMut(&mut Reading<'_, '_>, &Record, bool) -> Result<(), TerminologyError>,
) -> Result<(), TerminologyError> {
    let mut headed = false;
    delimited::each(source, Form::Tabs, reading, &mut |reading, record| {
        if !headed {
            if record.at(0) != "id" || record.at(2) != "active" || record.len() < width {
                return Err(reading.unreadable("SNOMED CT release format 2", "the first line is not its heading"));
            }
            headed = true;
            return Ok(());
        }
        reading.row()?;
        if record.len() < width {
            reading.reject(record.line, format!("the line has {} of {width} fields", record.len()));
            return Ok(());
        }
        take(reading, record, record.at(2) == "1")
    })
}

fn is_id(text: &str) -> bool {
    (6..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Ids of `columns`, or the row is put aside.
fn with_ids(reading: &mut Reading<'_, '_>, record: &Record, columns: &[usize]) -> bool {
    let good = columns.iter().all(|column| is_id(record.at(*column)));
    if !good {
        reading.reject(record.line, "an identifier is no SNOMED CT identifier");
    }
    good
}

/// id, effectiveTime, active, moduleId, definitionStatusId
pub(super) fn concepts(source: &mut dyn Source, reading: &mut Reading<'_, '_>) -> Result<(), TerminologyError> {
    each(source, reading, 5, &mut |reading, record, active| {
        if with_ids(reading, record, &[0]) {
            reading.concept(record.at(0), active)?;
        }
        Ok(())
    })
}

/// id, effectiveTime, active, moduleId, conceptId, languageCode, typeId, term, caseSignificanceId
pub(super) fn descriptions(source: &mut dyn Source, reading: &mut Reading<'_, '_>) -> Result<(), TerminologyError> {
    each(source, reading, 9, &mut |reading, record, active| {
        if !with_ids(reading, record, &[0, 4]) || !active {
            return Ok(());
        }
        let language = match record.at(5) {
            "ko" => "ko",
            "en" => "en",
            _ => return Ok(()), // a release may carry languages that nobody asks in here
        };
        let (kind, text) = match record.at(6) {
            FULLY_SPECIFIED => (Kind::Name, record.at(7)),
            SYNONYM => (Kind::Synonym, record.at(7)),
            _ => return Ok(()), // text definitions are no names
        };
        let text = clean(text);
        if text.is_empty() || text.chars().count() > super::LONGEST_TEXT {
            reading.reject(record.line, "the term is empty or too long");
            return Ok(());
        }
        let id = record.at(0).parse().ok();
        reading.give(Row::Designation { code: record.at(4).to_owned(), language, kind, preferred: false, text, id })
    })
}

/// id, effectiveTime, active, moduleId, sourceId, destinationId, relationshipGroup, typeId, ...
pub(super) fn relationships(source: &mut dyn Source, reading: &mut Reading<'_, '_>) -> Result<(), TerminologyError> {
    each(source, reading, 8, &mut |reading, record, active| {
        if active && record.at(7) == IS_A && with_ids(reading, record, &[4, 5]) {
            reading.give(Row::Parent { code: record.at(4).to_owned(), parent: record.at(5).to_owned() })?;
        }
        Ok(())
    })
}

/// id, effectiveTime, active, moduleId, refsetId, referencedComponentId, acceptabilityId
pub(super) fn language(source: &mut dyn Source, reading: &mut Reading<'_, '_>) -> Result<(), TerminologyError> {
    each(source, reading, 7, &mut |reading, record, active| {
        if active
            && record.at(6) == PREFERRED
            && with_ids(reading, record, &[5])
            && let Ok(id) = record.at(5).parse()
        {
            reading.give(Row::Preferred { id })?;
        }
        Ok(())
    })
}

/// id, effectiveTime, active, moduleId, refsetId, referencedComponentId, mapGroup, mapPriority, mapRule, mapAdvice, mapTarget, ...
/// Rules that ask for age, sex or another finding are left out: nobody evaluates them here.
pub(super) fn map(source: &mut dyn Source, reading: &mut Reading<'_, '_>) -> Result<(), TerminologyError> {
    each(source, reading, 11, &mut |reading, record, active| {
        let plain = matches!(record.at(8), "TRUE" | "OTHERWISE TRUE");
        let target = record.at(10).trim_end_matches('?');
        if active && plain && record.at(4) == TO_ICD10 && !target.is_empty() && with_ids(reading, record, &[5]) {
            reading.give(Row::Mapping {
                code: record.at(5).to_owned(),
                target: System::Icd10,
                target_code: target.to_owned(),
                // The map's purpose is statistics: mostly wider, never promised to be the same.
                equivalence: Equivalence::RelatedTo,
            })?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::super::Table;
    use super::super::tests::rows;
    use super::*;

    #[test]
    fn descriptions_in_two_languages_and_their_preference() {
        let file = "id\teffectiveTime\tactive\tmoduleId\tconceptId\tlanguageCode\ttypeId\tterm\tcaseSignificanceId\n9000001011\t20260101\t1\t900000000000207008\t9000001005\ten\t900000000000003001\tHaechi fever (disorder)\t900000000000448009\n9000002017\t20260101\t1\t900000000000207008\t9000001005\tko\t900000000000013009\t해치열\t900000000000448009\n9000003010\t20260101\t0\t900000000000207008\t9000001005\ten\t900000000000013009\tretired \"quote\n9000004016\t20260101\t1\t900000000000207008\t9000001005\tde\t900000000000013009\tHaechifieber\t900000000000448009\nx\t1\t1\t1\tx\ten\t900000000000013009\tx\tx\n";
        let (found, report) = rows(Table::SnomedDescription, file.as_bytes());
        assert_eq!((report.rows, report.rejected), (5, 2));
        let texts: Vec<_> = found
            .iter()
            .filter_map(|row| match row {
                Row::Designation { text, language, id, .. } => Some((text.as_str(), *language, *id)),
                _ => None,
            })
            .collect();
        assert_eq!(
            texts,
            [("Haechi fever (disorder)", "en", Some(9_000_001_011)), ("해치열", "ko", Some(9_000_002_017))]
        );
        let refset = "id\teffectiveTime\tactive\tmoduleId\trefsetId\treferencedComponentId\tacceptabilityId\nu\t20260101\t1\tm\tr\t9000002017\t900000000000548007\nu\t20260101\t1\tm\tr\t9000001011\t900000000000549004\n";
        assert_eq!(rows(Table::SnomedLanguage, refset.as_bytes()).0, [Row::Preferred { id: 9_000_002_017 }]);
    }

    #[test]
    fn only_active_is_a_relationships_make_the_hierarchy() {
        let file = "id\teffectiveTime\tactive\tmoduleId\tsourceId\tdestinationId\trelationshipGroup\ttypeId\tcharacteristicTypeId\tmodifierId\n1\t20260101\t1\tm\t9000001005\t9000002009\t0\t116680003\tc\tm\n2\t20260101\t0\tm\t9000001005\t9000003004\t0\t116680003\tc\tm\n3\t20260101\t1\tm\t9000001005\t9000003004\t0\t363698007\tc\tm\n";
        let expected = Row::Parent { code: "9000001005".to_owned(), parent: "9000002009".to_owned() };
        assert_eq!(rows(Table::SnomedRelationship, file.as_bytes()).0, [expected]);
    }

    #[test]
    fn a_map_row_with_a_rule_is_left_out() {
        let heading = "id\teffectiveTime\tactive\tmoduleId\trefsetId\treferencedComponentId\tmapGroup\tmapPriority\tmapRule\tmapAdvice\tmapTarget\tcorrelationId\tmapCategoryId\n";
        let file = format!(
            "{heading}u\t20260101\t1\tm\t447562003\t9000001005\t1\t1\tTRUE\tALWAYS A99\tA99\tc\tk\nu\t20260101\t1\tm\t447562003\t9000001005\t1\t1\tIFA 248152002\tIF FEMALE\tB99\tc\tk\n"
        );
        let (found, _) = rows(Table::SnomedMap, file.as_bytes());
        assert!(matches!(found.as_slice(), [Row::Mapping { target_code, .. }] if target_code == "A99"));
    }

    #[test]
    fn another_file_is_refused_by_its_heading() {
        let described = super::super::Described::default();
        let mut source = std::io::Cursor::new("LOINC_NUM\tx\n");
        let error = super::super::read(Table::SnomedConcept, &described, &mut source, &mut |_| Ok(())).unwrap_err();
        assert!(error.to_string().starts_with("HAECHI-0242"));
    }
}
