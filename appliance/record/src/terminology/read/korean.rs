//! Korean publishers' tables: KCD (Statistics Korea, HIRA's diagnosis master), EDI (HIRA), standard codes (KPIS).
//! CSV, TSV or spreadsheet, UTF-8 or CP949; the heading is looked for by the names that these publishers use.

use super::delimited::{self, Form, Heading};
use super::{Equivalence, Kind, Reading, Row, Source, System, TerminologyError, code};

/// Headings under which a code stands.
fn code_names(system: System) -> &'static [&'static str] {
    match system {
        System::Kcd | System::Icd10 => {
            &["상병기호", "상병코드", "질병분류코드", "분류기호", "분류코드", "KCD코드", "코드", "code"]
        }
        System::EdiProcedure => &["수가코드", "행위코드", "EDI코드", "코드", "code"],
        System::EdiMedication => &["제품코드", "제품코드(개정후)", "약품코드", "EDI코드", "코드", "code"],
        System::EdiMaterial => &["치료재료코드", "재료코드", "중분류코드", "EDI코드", "코드", "code"],
        System::MainIngredient => &["일반명코드", "주성분코드", "성분코드", "코드", "code"],
        _ => &["코드", "code"],
    }
}

const KOREAN: &[&str] = &[
    "한글명",
    "한글명칭",
    "한글 명칭",
    "질병명(한글)",
    "상병명",
    "한글상품명",
    "한글제품명",
    "제품명",
    "품명",
    "한글일반명",
    "명칭",
    "korean",
];
const ENGLISH: &[&str] =
    &["영문명", "영문명칭", "영문 명칭", "질병명(영문)", "영문상품명", "영문제품명", "일반명", "성분명", "english"];

struct Columns {
    code: usize,
    korean: Option<usize>,
    english: Option<usize>,
    ingredient: Option<usize>,
    atc: Option<usize>,
}

/// Codes with a Korean and an English name.
pub(super) fn codes(
    system: System,
    source: &mut dyn Source,
    reading: &mut Reading<'_, '_>,
) -> Result<(), TerminologyError> {
    let columns = |heading: &Heading<'_>| {
        let korean = heading.find("korean", KOREAN);
        let english = heading.find("english", ENGLISH);
        Ok(Columns {
            code: heading.find("code", code_names(system)).ok_or("code")?,
            korean: if korean.is_none() && english.is_none() { return Err("korean") } else { korean },
            english,
            ingredient: heading.find("ingredient", &["주성분코드", "일반명코드(성분명코드)"]),
            atc: heading.find("atc", &["ATC코드", "국제표준코드(ATC코드)"]),
        })
    };
    let mut before = String::new();
    delimited::each_below(source, Form::Any, reading, &columns, &mut |reading, columns, record| {
        let written = match code(record.at(columns.code)) {
            Ok(code) => code,
            Err(reason) => {
                reading.reject(record.line, reason);
                return Ok(());
            }
        };
        // Chapters and blocks of a classification (`Ⅰ`, `A00-B99`) are headings of its print, not codes of a record.
        if system.is_icd10() && !is_category(&written) {
            reading.reject(record.line, "no code of the classification: a chapter or block");
            return Ok(());
        }
        // HIRA's master has one line a synonym; the first is the name.
        let again = written == before;
        if !again {
            reading.concept(&written, true)?;
            if system.is_icd10()
                && let Some(parent) = category_above(&written)
            {
                reading.give(Row::Parent { code: written.clone(), parent })?;
            }
        }
        let kind = if again { Kind::Synonym } else { Kind::Name };
        reading.name(&written, "ko", kind, !again, record.maybe(columns.korean))?;
        reading.name(&written, "en", kind, !again, record.maybe(columns.english))?;
        if system == System::EdiMedication {
            map(reading, &written, System::MainIngredient, record.maybe(columns.ingredient))?;
        }
        if matches!(system, System::EdiMedication | System::MainIngredient) {
            map(reading, &written, System::Atc, record.maybe(columns.atc))?;
        }
        before = written;
        Ok(())
    })
}

/// A letter and at least two digits, dot and a sign of KCD's own (`†`, `*`) apart.
fn is_category(written: &str) -> bool {
    let mut signs = written.chars();
    signs.next().is_some_and(|first| first.is_ascii_alphabetic())
        && signs.next().is_some_and(|second| second.is_ascii_digit())
        && signs.next().is_some_and(|third| third.is_ascii_alphanumeric())
        && !written.contains(['-', '~'])
}

/// The code one sign shorter, down to three signs.
pub(super) fn category_above(written: &str) -> Option<String> {
    let signs: String = written.chars().filter(char::is_ascii_alphanumeric).collect();
    (signs.len() > 3).then(|| signs.get(..signs.len() - 1).unwrap_or_default().to_owned())
}

fn map(
    reading: &mut Reading<'_, '_>,
    written: &str,
    target: System,
    target_code: &str,
) -> Result<(), TerminologyError> {
    let Ok(target_code) = code(target_code) else { return Ok(()) };
    // A product is one of many of its ingredient, an ingredient with strength one of many of its substance.
    let equivalence = Equivalence::Wider;
    reading.give(Row::Mapping { code: written.to_owned(), target, target_code, equivalence })
}

struct Package {
    code: usize,
    korean: usize,
    ingredient: Option<usize>,
    atc: Option<usize>,
    product: Option<usize>,
    cancelled: Option<usize>,
}

/// KPIS standard codes: 13 digits a package, with product code, main-ingredient code and ATC.
pub(super) fn packages(source: &mut dyn Source, reading: &mut Reading<'_, '_>) -> Result<(), TerminologyError> {
    let columns = |heading: &Heading<'_>| {
        Ok(Package {
            code: heading.find("code", &["표준코드", "의약품표준코드", "KD코드"]).ok_or("code")?,
            korean: heading.find("korean", &["한글상품명", "한글제품명", "제품명", "품목명"]).ok_or("korean")?,
            ingredient: heading.find("ingredient", &["일반명코드(성분명코드)", "일반명코드", "주성분코드"]),
            atc: heading.find("atc", &["ATC코드", "국제표준코드(ATC코드)"]),
            product: heading.find("product", &["제품코드(개정후)", "제품코드"]),
            cancelled: heading.find("cancelled", &["취소일자"]),
        })
    };
    delimited::each_below(source, Form::Any, reading, &columns, &mut |reading, columns, record| {
        let written = record.at(columns.code);
        if written.len() != 13 || !written.bytes().all(|byte| byte.is_ascii_digit()) {
            reading.reject(record.line, "a standard code has 13 digits");
            return Ok(());
        }
        reading.concept(written, record.maybe(columns.cancelled).is_empty())?;
        reading.name(written, "ko", Kind::Name, true, record.at(columns.korean))?;
        map(reading, written, System::MainIngredient, record.maybe(columns.ingredient))?;
        map(reading, written, System::Atc, record.maybe(columns.atc))?;
        map(reading, written, System::EdiMedication, record.maybe(columns.product))
    })
}

#[cfg(test)]
mod tests {
    use super::super::Table;
    use super::super::tests::rows;
    use super::*;

    const KCD: &str = "2026년 상병마스터,,\n상병기호,한글명,영문명\nE11,제2형 당뇨병,Type 2 diabetes mellitus\nE11.9,합병증을 동반하지 않은 제2형 당뇨병,\"Type 2 diabetes mellitus, without complications\"\nE119,성인당뇨,Adult diabetes\nA00-A09,장감염질환,Intestinal infections\n";

    #[test]
    fn kcd_is_read_in_either_charset_under_a_title_line() {
        let cp949 = encoding_rs::EUC_KR.encode(KCD).0.into_owned();
        let (utf8, report) = rows(Table::Korean(System::Kcd), KCD.as_bytes());
        assert_eq!(rows(Table::Korean(System::Kcd), &cp949), (utf8.clone(), report.clone()));
        assert_eq!((report.rows, report.rejected), (4, 1));
        assert_eq!(report.told, [(6, "no code of the classification: a chapter or block".to_owned())]);
        assert!(utf8.contains(&Row::Parent { code: "E11.9".to_owned(), parent: "E11".to_owned() }));
        assert!(utf8.contains(&Row::Designation {
            code: "E11.9".to_owned(),
            language: "en",
            kind: Kind::Name,
            preferred: true,
            text: "Type 2 diabetes mellitus, without complications".to_owned(),
            id: None
        }));
    }

    #[test]
    fn a_spreadsheet_is_read_under_its_title_row() {
        let (rows, report) = rows(Table::Korean(System::Kcd), include_bytes!("kcd.xlsx"));
        assert_eq!((report.rows, report.rejected), (1, 0));
        assert_eq!(rows.len(), 3, "a code and its two names: {rows:?}");
        let name =
            |row: &Row| matches!(row, Row::Designation { code, text, .. } if code == "E11" && text == "제2형 당뇨병");
        assert!(rows.iter().any(name), "{rows:?}");
    }

    #[test]
    fn a_package_leads_to_ingredient_atc_and_product() {
        let file = "한글상품명,업체명,약품규격,품목기준코드,대표코드,표준코드,제품코드(개정후),일반명코드(성분명코드),비고,취소일자,ATC코드\n해치메트정 500mg,해치제약,500mg,200000001,8800001000100,8800001000117,000100010,191504ATB,,,A10BA02\n해치옛정,해치제약,1mg,200000002,8800001000200,8800001000218,,,,20200101,\n짧은코드,해치제약,1mg,2,3,12345,,,,,\n";
        let (rows, report) = rows(Table::Kd, file.as_bytes());
        assert_eq!((report.rows, report.rejected), (3, 1));
        for (target, target_code) in
            [(System::MainIngredient, "191504ATB"), (System::Atc, "A10BA02"), (System::EdiMedication, "000100010")]
        {
            assert!(rows.contains(&Row::Mapping {
                code: "8800001000117".to_owned(),
                target,
                target_code: target_code.to_owned(),
                equivalence: Equivalence::Wider
            }));
        }
        assert!(rows.contains(&Row::Concept { code: "8800001000218".to_owned(), active: false }));
    }

    #[test]
    fn a_missing_column_is_named_and_can_be_given() {
        let file = b"\xec\x95\xbd,name_of_it\nE11,x\n";
        let mut described = super::super::Described { file: "t.csv".to_owned(), ..Default::default() };
        let mut sink = |_| Ok(());
        let table = Table::Korean(System::Kcd);
        let error =
            super::super::read(table, &described, &mut std::io::Cursor::new(file), &mut sink).unwrap_err().to_string();
        assert!(error.contains("HAECHI-0241") && error.contains("code") && error.contains("name_of_it"), "{error}");
        described.columns = [("code", "약"), ("korean", "name_of_it")]
            .map(|(field, heading)| (field.to_owned(), heading.to_owned()))
            .into();
        super::super::read(table, &described, &mut std::io::Cursor::new(file), &mut sink).unwrap();
    }

    #[test]
    fn an_open_quotation_mark_does_not_swallow_the_file() {
        let file = format!("코드,한글명,영문명\nE11,\"{}", "가\n".repeat(400_000));
        let described = super::super::Described::default();
        let error = super::super::read(
            Table::Korean(System::Kcd),
            &described,
            &mut std::io::Cursor::new(file.as_bytes()),
            &mut |_| Ok(()),
        )
        .unwrap_err();
        assert!(error.to_string().contains("1 MiB"), "{error}");
    }
}
