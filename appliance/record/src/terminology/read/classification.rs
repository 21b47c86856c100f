//! Classifications of the WHO and of the US: ATC (CSV or the WHO centre's XML), ICD-10-CM (order file, tabular list).

use super::delimited::{self, Form, Heading};
use super::korean::category_above;
use super::xml::{self, Met};
use super::{Kind, Reading, Row, Source, TerminologyError, code};

/// The ATC index: an XML of the WHO centre (elements `row` with `ATCCode` and `Name`) or a table with those columns.
pub(super) fn atc(source: &mut dyn Source, reading: &mut Reading<'_, '_>) -> Result<(), TerminologyError> {
    let mut head = [0; 64];
    let known = source.read(&mut head).map_err(|error| reading.unreadable("the ATC index", error))?;
    source.rewind().map_err(|error| reading.unreadable("the ATC index", error))?;
    let head = head.get(..known).unwrap_or_default();
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    if text.starts_with(b"<") {
        return xml::walk(source, "the ATC index (XML)", reading, &mut |reading, met| {
            if let Met::Open(start) = met
                && start.local_name().as_ref() == "row"
                && let Some(written) = xml::attribute(start, "ATCCode")
            {
                reading.row()?;
                let line = reading.report.rows;
                let name = xml::attribute(start, "Name").unwrap_or_default();
                let korean = xml::attribute(start, "KoreanName").unwrap_or_default();
                atc_row(reading, line, &written, &name, &korean)?;
            }
            Ok(())
        });
    }
    let columns = |heading: &Heading<'_>| {
        Ok((
            heading.find("code", &["ATC code", "atc_code", "ATCCode", "ATC코드", "code"]).ok_or("code")?,
            heading
                .find("english", &["ATC level name", "atc_name", "Name", "ATC코드명", "영문명", "english"])
                .ok_or("english")?,
            heading.find("korean", &["한글명", "한글성분명", "korean"]),
        ))
    };
    delimited::each_below(source, Form::Any, reading, &columns, &mut |reading, (code, english, korean), record| {
        atc_row(reading, record.line, record.at(*code), record.at(*english), record.maybe(*korean))
    })
}

fn atc_row(
    reading: &mut Reading<'_, '_>,
    line: u64,
    written: &str,
    english: &str,
    korean: &str,
) -> Result<(), TerminologyError> {
    let written = written.trim().to_ascii_uppercase();
    // Letter, two digits, letter, letter, two digits; each level its own length.
    let pattern = b"ADDAADD";
    let fits = matches!(written.len(), 1 | 3 | 4 | 5 | 7)
        && written.bytes().zip(pattern).all(|(sign, wanted)| match wanted {
            b'A' => sign.is_ascii_uppercase(),
            _ => sign.is_ascii_digit(),
        });
    if !fits {
        reading.reject(line, "no ATC code");
        return Ok(());
    }
    reading.concept(&written, true)?;
    let parent = match written.len() {
        7 => 5,
        5 => 4,
        4 => 3,
        3 => 1,
        _ => 0,
    };
    if parent > 0 {
        let parent = written.get(..parent).unwrap_or_default().to_owned();
        reading.give(Row::Parent { code: written.clone(), parent })?;
    }
    reading.name(&written, "en", Kind::Name, true, english)?;
    reading.name(&written, "ko", Kind::Name, true, korean)
}

/// The order file: fixed columns (CDC/NCHS, icd10cm-order): number 1-5, code 7-13, billable 15, short name 17-76, long name from 78.
pub(super) fn order(source: &mut dyn Source, reading: &mut Reading<'_, '_>) -> Result<(), TerminologyError> {
    // Bars occur in no line of it: the whole line is one field.
    delimited::each(source, Form::Bars, reading, &mut |reading, record| {
        reading.row()?;
        let line = record.fields().join("|");
        let cut = |from: usize, to: usize| line.get(from..to.min(line.len())).unwrap_or_default().trim().to_owned();
        let written = cut(6, 14);
        let valid = line.len() > 77 && matches!(cut(14, 15).as_str(), "0" | "1");
        match code(&written) {
            Ok(written) if valid => {
                one(reading, &written, &cut(77, line.len()))?;
                let short = cut(16, 77);
                if short != cut(77, line.len()) {
                    reading.name(&written, "en", Kind::Short, false, &short)?;
                }
                Ok(())
            }
            Ok(_) => {
                reading.reject(record.line, "the line is no line of an order file");
                Ok(())
            }
            Err(reason) => {
                reading.reject(record.line, reason);
                Ok(())
            }
        }
    })
}

fn one(reading: &mut Reading<'_, '_>, written: &str, name: &str) -> Result<(), TerminologyError> {
    reading.concept(written, true)?;
    if let Some(parent) = category_above(written) {
        reading.give(Row::Parent { code: written.to_owned(), parent })?;
    }
    reading.name(written, "en", Kind::Name, true, name)
}

/// The tabular list: `diag` elements inside one another, each with `name`, `desc` and inclusion terms.
pub(super) fn tabular(source: &mut dyn Source, reading: &mut Reading<'_, '_>) -> Result<(), TerminologyError> {
    let mut open: Vec<String> = Vec::new();
    let mut path: Vec<String> = Vec::new();
    xml::walk(source, "the ICD-10-CM tabular list (XML)", reading, &mut |reading, met| {
        match met {
            Met::Open(start) => {
                let name = start.local_name().as_ref().to_owned();
                if name == "diag" {
                    open.push(String::new());
                }
                path.push(name);
            }
            Met::Close(element, text) => {
                path.pop();
                let within = path.last().map(String::as_str);
                match (element, within) {
                    ("diag", _) => {
                        open.pop();
                    }
                    ("name", Some("diag")) => {
                        reading.row()?;
                        let line = reading.report.rows;
                        match code(text) {
                            Ok(written) => {
                                if let Some(current) = open.last_mut() {
                                    *current = written;
                                }
                            }
                            Err(reason) => reading.reject(line, reason),
                        }
                    }
                    ("desc", Some("diag")) => {
                        if let Some(written) = open.last().filter(|written| !written.is_empty()).cloned() {
                            reading.concept(&written, true)?;
                            // Placeholders (`X`) make the tree of elements truer than the length of the code.
                            if let Some(parent) =
                                open.len().checked_sub(2).and_then(|at| open.get(at)).filter(|p| !p.is_empty())
                            {
                                let parent = parent.clone();
                                reading.give(Row::Parent { code: written.clone(), parent })?;
                            }
                            reading.name(&written, "en", Kind::Name, true, text)?;
                        }
                    }
                    ("note", Some("inclusionTerm")) => {
                        if let Some(written) = open.last().filter(|written| !written.is_empty()).cloned() {
                            reading.name(&written, "en", Kind::Synonym, false, text)?;
                        }
                    }
                    _ => {}
                }
            }
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
    fn atc_is_read_from_xml_and_from_a_table() {
        let xml = "<?xml version='1.0'?>\n<xml xmlns:rs='urn:a' xmlns:z='urn:b'><rs:data>\n<z:row ATCCode='Z99' Name='HAECHI &amp; OTHERS'/>\n<z:row ATCCode='Z99ZZ01' Name='haechine'/>\n<z:row ATCCode='9' Name='x'/></rs:data></xml>";
        let csv = "ATC code,ATC level name,DDD\nZ99,HAECHI & OTHERS,\nZ99ZZ01,haechine,5\n9,x,\n";
        let (from_xml, report) = rows(Table::Atc, xml.as_bytes());
        assert_eq!((report.rows, report.rejected), (3, 1));
        assert_eq!(rows(Table::Atc, csv.as_bytes()).0, from_xml);
        assert!(from_xml.contains(&Row::Parent { code: "Z99ZZ01".to_owned(), parent: "Z99ZZ".to_owned() }));
    }

    #[test]
    fn the_order_file_has_fixed_columns() {
        let line = |number: &str, written: &str, billable: &str, short: &str, long: &str| {
            format!("{number} {written:<7} {billable} {short:<60} {long}\n")
        };
        let file = [
            line("00001", "Z99", "0", "Haechi fever", "Haechi fever"),
            line("00002", "Z990", "1", "Haechi fever, w/o guard", "Haechi fever, without guard"),
            "nonsense\n".to_owned(),
        ]
        .concat();
        let (found, report) = rows(Table::Icd10CmOrder, file.as_bytes());
        assert_eq!((report.rows, report.rejected), (3, 1));
        assert!(found.contains(&Row::Parent { code: "Z990".to_owned(), parent: "Z99".to_owned() }));
        let names: Vec<&str> = found
            .iter()
            .filter_map(|row| match row {
                Row::Designation { text, .. } => Some(text.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(names, ["Haechi fever", "Haechi fever, without guard", "Haechi fever, w/o guard"]);
    }

    #[test]
    fn the_tabular_list_nests_and_brings_other_names() {
        let file = "<ICD10CM.tabular><chapter><name>22</name><desc>Chapter</desc><section id=\"Z99\"><diag><name>Z99</name><desc>Haechi fever</desc><diag><name>Z99.0</name><desc>Haechi fever of the gate</desc><inclusionTerm><note>Gate fever</note></inclusionTerm></diag></diag></section></chapter></ICD10CM.tabular>";
        let (found, report) = rows(Table::Icd10CmTabular, file.as_bytes());
        assert_eq!((report.rows, report.rejected), (2, 0));
        assert!(found.contains(&Row::Parent { code: "Z99.0".to_owned(), parent: "Z99".to_owned() }));
        assert!(
            found
                .iter()
                .any(|row| matches!(row, Row::Designation { text, kind: Kind::Synonym, .. } if text == "Gate fever"))
        );
    }

    #[test]
    fn a_document_without_end_is_refused() {
        let mut source = std::io::Cursor::new("<a><diag><name>Z99</name>");
        let described = super::super::Described::default();
        let error = super::super::read(Table::Icd10CmTabular, &described, &mut source, &mut |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("HAECHI-0242"));
    }
}
