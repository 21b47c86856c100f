//! RxNorm, rich release format: bars, no heading. Columns by position (NLM, RxNorm technical documentation, section 12).

use super::delimited::{self, Form, Record};
use super::{Equivalence, Kind, Reading, Row, Source, System, TerminologyError};

/// Relations of a drug to something wider: RXCUI2 has RELA to RXCUI1.
const UPWARD: &[&str] = &[
    "isa",
    "has_ingredient",
    "has_ingredients",
    "has_precise_ingredient",
    "consists_of",
    "tradename_of",
    "form_of",
    "quantified_form_of",
];

fn each(
    source: &mut dyn Source,
    reading: &mut Reading<'_, '_>,
    width: usize,
    take: &mut dyn FnMut(&mut Reading<'_, '_>, &Record) -> Result<(), TerminologyError>,
) -> Result<(), TerminologyError> {
    delimited::each(source, Form::Bars, reading, &mut |reading, record| {
        reading.row()?;
        if record.len() < width {
            reading.reject(record.line, format!("the line has {} of {width} fields", record.len()));
            return Ok(());
        }
        take(reading, record)
    })
}

fn is_cui(text: &str) -> bool {
    (1..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// RXCUI 0, LAT 1, ... SAB 11, TTY 12, CODE 13, STR 14, SRL 15, SUPPRESS 16, CVF 17
pub(super) fn names(source: &mut dyn Source, reading: &mut Reading<'_, '_>) -> Result<(), TerminologyError> {
    each(source, reading, 17, &mut |reading, record| {
        let (cui, text) = (record.at(0), record.at(14));
        if !is_cui(cui) {
            reading.reject(record.line, "no RXCUI");
            return Ok(());
        }
        if record.at(1) != "ENG" {
            return Ok(());
        }
        let current = record.at(16) == "N" || record.at(16).is_empty();
        match record.at(11) {
            "RXNORM" => {
                let kind = match record.at(12) {
                    "SY" | "TMSY" | "ET" => Kind::Synonym,
                    "PSN" => Kind::Short,
                    _ => Kind::Name,
                };
                if kind == Kind::Name {
                    reading.concept(cui, current)?;
                }
                reading.name(cui, "en", kind, kind == Kind::Name, text)
            }
            // The ATC class that this ingredient is.
            "ATC" if current && !record.at(13).is_empty() => reading.give(Row::Mapping {
                code: cui.to_owned(),
                target: System::Atc,
                target_code: record.at(13).to_owned(),
                equivalence: Equivalence::Equivalent,
            }),
            _ => Ok(()),
        }
    })
}

/// RXCUI1 0, ... RXCUI2 4, ... RELA 7, ... SAB 10, ... SUPPRESS 14
pub(super) fn relations(source: &mut dyn Source, reading: &mut Reading<'_, '_>) -> Result<(), TerminologyError> {
    each(source, reading, 15, &mut |reading, record| {
        let (wider, narrower) = (record.at(0), record.at(4));
        // Relations between atoms have no RXCUI.
        if record.at(10) == "RXNORM" && UPWARD.contains(&record.at(7)) && is_cui(wider) && is_cui(narrower) {
            reading.give(Row::Parent { code: narrower.to_owned(), parent: wider.to_owned() })?;
        }
        Ok(())
    })
}

/// RXCUI 0, ... ATN 8, SAB 9, ATV 10, SUPPRESS 11
pub(super) fn attributes(source: &mut dyn Source, reading: &mut Reading<'_, '_>) -> Result<(), TerminologyError> {
    each(source, reading, 12, &mut |reading, record| {
        let (cui, value) = (record.at(0), record.at(10));
        let current = record.at(11) == "N" || record.at(11).is_empty();
        if current
            && record.at(8) == "NDC"
            && record.at(9) == "RXNORM"
            && is_cui(cui)
            && let Ok(package) = super::code(value)
        {
            reading.give(Row::Mapping {
                code: cui.to_owned(),
                target: System::Ndc,
                target_code: package,
                equivalence: Equivalence::Narrower,
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
    fn names_lead_to_atc_and_suppressed_ones_are_retired() {
        let file = "9000001|ENG||||||9000011|9000011|9000001||RXNORM|IN|9000001|haechine||N|4096|\n9000001|ENG||||||9000012|9000012|||ATC|IN|A99ZZ01|haechine||N|4096|\n9000002|ENG||||||9000013|9000013|||RXNORM|SCD|9000002|haechine \"5\" MG Oral Tablet||O||\n9000001|ENG||||||9000014|||D1|MMSL|IN|1|HAECHINE||N||\nshort|ENG|\n";
        let (found, report) = rows(Table::RxNormNames, file.as_bytes());
        assert_eq!((report.rows, report.rejected), (5, 1));
        assert!(found.contains(&Row::Mapping {
            code: "9000001".to_owned(),
            target: System::Atc,
            target_code: "A99ZZ01".to_owned(),
            equivalence: Equivalence::Equivalent
        }));
        assert!(found.contains(&Row::Concept { code: "9000002".to_owned(), active: false }));
        let quoted = |row: &Row| matches!(row, Row::Designation { text, .. } if text.contains("\"5\""));
        assert!(found.iter().any(quoted), "RRF has no quotation");
    }

    #[test]
    fn a_relation_is_read_from_the_second_to_the_first() {
        let file = "9000001||CUI|RO|9000002||CUI|has_ingredient|1||RXNORM|RXNORM|||N|4096|\n9000002||CUI|RO|9000001||CUI|ingredient_of|2||RXNORM|RXNORM|||N|4096|\n|1|AUI|RO||2|AUI|isa|3||MMSL|MMSL|||N||\n";
        let expected = Row::Parent { code: "9000002".to_owned(), parent: "9000001".to_owned() };
        assert_eq!(rows(Table::RxNormRelations, file.as_bytes()).0, [expected]);
    }

    #[test]
    fn packages_are_narrower_than_their_drug() {
        let file = "9000002||||AUI|9000002|AT1||NDC|RXNORM|99999000101|N||\n9000002||||AUI|9000002|AT2||RXN_AVAILABLE_STRENGTH|RXNORM|5 MG|N||\n";
        let (found, _) = rows(Table::RxNormAttributes, file.as_bytes());
        assert!(matches!(
            found.as_slice(),
            [Row::Mapping { target: System::Ndc, equivalence: Equivalence::Narrower, .. }]
        ));
    }
}
