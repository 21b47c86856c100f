//! Publishers' files of code systems: CSV, TSV, spreadsheet, RRF, RF2, XML, and units as charts write them. The first byte
//! chooses the table, the rest is the file.
#![no_main]

use std::io::Cursor;

use haechi_record::terminology::System;
use haechi_record::terminology::read::{Described, Table, read};
use haechi_record::units;
use libfuzzer_sys::fuzz_target;

const TABLES: &[Table] = &[
    Table::Korean(System::Kcd),
    Table::Korean(System::EdiMedication),
    Table::Kd,
    Table::Atc,
    Table::Icd10CmOrder,
    Table::Icd10CmTabular,
    Table::Loinc,
    Table::LoincKorean,
    Table::SnomedConcept,
    Table::SnomedDescription,
    Table::SnomedRelationship,
    Table::SnomedLanguage,
    Table::SnomedMap,
    Table::RxNormNames,
    Table::RxNormRelations,
    Table::RxNormAttributes,
    Table::Ucum,
    Table::List(System::Kcd),
];

fuzz_target!(|input: &[u8]| {
    let Some((first, file)) = input.split_first() else { return };
    let Some(table) = TABLES.get(usize::from(*first) % TABLES.len()) else { return };
    let described = Described { file: "fuzz".to_owned(), ..Described::default() };
    let mut rows = 0;
    // A file that is refused is refused in words; a row that is handed out has a code.
    let read = read(*table, &described, &mut Cursor::new(file), &mut |row| {
        rows += 1;
        assert!(!format!("{row:?}").is_empty());
        Ok(())
    });
    match read {
        Ok(tally) => assert!(tally.rejected < tally.rows),
        Err(error) => assert!(error.to_string().starts_with("HAECHI-02")),
    }
    if let Ok(text) = std::str::from_utf8(file) {
        let mut pieces = text.splitn(2, ' ');
        let (from, to) = (pieces.next().unwrap_or_default(), pieces.next().unwrap_or_default());
        if let Some(there) = units::convert(1.0, from, to, ["2345-7"]) {
            assert!(there.number.is_finite());
        }
    }
});
