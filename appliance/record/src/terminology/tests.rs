//! The store with small editions in the publishers' formats, and with the real files where they are there.

use std::io::{Cursor, Read};
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::civil::Date;

use super::read::{Described, Equivalence, Table};
use super::*;
use crate::key::Key;

const KCD_8: &str = "상병기호,한글명,영문명\nE11,2형 당뇨병,Type 2 diabetes mellitus\nE119,합병증을 동반하지 않은 2형 당뇨병,\"Type 2 diabetes mellitus, without complications\"\nK21,위-식도역류병,Gastro-oesophageal reflux disease\nK219,식도염을 동반하지 않은 위-식도역류병,Gastro-oesophageal reflux disease without oesophagitis\nU301,간비기허증,Spleen-qi deficiency\nK2190,국내 세분류,Korean subdivision\n";
const KCD_9: &str = "상병기호,한글명,영문명\nE11,제2형 당뇨병,Type 2 diabetes mellitus\nE119,합병증을 동반하지 않은 제2형 당뇨병,Type 2 diabetes mellitus without complications\n";
const KD: &str = "한글상품명,표준코드,제품코드(개정후),일반명코드(성분명코드),취소일자,ATC코드\n해치메트정 500mg,8800001000117,000100010,191504ATB,,A10BA02\n";
const ATC: &str = "atc_code,atc_name,korean\nA,ALIMENTARY TRACT AND METABOLISM,소화기관 및 대사\nA10,DRUGS USED IN DIABETES,당뇨병용제\nA10BA,Biguanides,비구아니드\nA10BA02,metformin,메트포르민\n";
const RXNCONSO: &str = "6809|ENG||||||1|1|6809||RXNORM|IN|6809|metformin||N|4096|\n6809|ENG||||||2|2|||ATC|IN|A10BA02|metformin||N|4096|\n861007|ENG||||||3|3|861007||RXNORM|SCD|861007|metformin hydrochloride 500 MG Oral Tablet||N|4096|\n";
const RXNREL: &str = "6809||CUI|RO|861007||CUI|has_ingredient|1||RXNORM|RXNORM|||N|4096|\n";

fn store() -> (tempfile::TempDir, Terminology) {
    let folder = tempfile::tempdir().unwrap();
    let store = Terminology::open(&folder.path().join("terminology.db"), &Key::new([7; 32])).unwrap();
    (folder, store)
}

fn input(table: Table, file: &str, text: &str) -> Input {
    Input {
        table,
        described: Described { file: file.to_owned(), ..Described::default() },
        source: Box::new(Cursor::new(text.to_owned().into_bytes())),
    }
}

fn load(store: &Terminology, table: Table, version: &str, text: &str) -> Loaded {
    let edition = Edition::new(table.system(), version, None, None).unwrap();
    store.load(&edition, vec![input(table, "file", text)], Timestamp::UNIX_EPOCH).unwrap()
}

fn filled() -> (tempfile::TempDir, Terminology) {
    let (folder, store) = store();
    load(&store, Table::Korean(System::Kcd), "8", KCD_8);
    load(&store, Table::Korean(System::Kcd), "KCD-9", KCD_9);
    load(&store, Table::Kd, "202611", KD);
    load(&store, Table::Atc, "2026", ATC);
    let edition = Edition::new(System::RxNorm, "20261102", None, None).unwrap();
    let files =
        vec![input(Table::RxNormRelations, "RXNREL.RRF", RXNREL), input(Table::RxNormNames, "RXNCONSO.RRF", RXNCONSO)];
    store.load(&edition, files, Timestamp::UNIX_EPOCH).unwrap();
    (folder, store)
}

fn shown(found: &[Found], language: &str) -> Vec<String> {
    found
        .iter()
        .filter_map(|found| found.designations.iter().find(|name| name.language == language))
        .map(|name| name.text.clone())
        .collect()
}

#[test]
fn the_revision_of_the_classification_is_chosen_by_the_day() {
    let (_folder, store) = filled();
    let on = |year| Some(Date::constant(year, 6, 1));
    for (day, expected) in [
        (on(2024), vec!["합병증을 동반하지 않은 2형 당뇨병"]),
        (on(2026), vec!["합병증을 동반하지 않은 제2형 당뇨병"]),
        (on(2019), vec![]),
        (None, vec!["합병증을 동반하지 않은 제2형 당뇨병"]),
    ] {
        let found = store.lookup("e11.9", Some(System::Kcd), day).unwrap();
        assert_eq!(shown(&found, "ko"), expected, "{day:?}");
    }
    let found = store.lookup("E11.9", None, on(2024)).unwrap();
    assert_eq!((found[0].version.as_str(), found[0].parents.as_slice()), ("8", ["E11".to_owned()].as_slice()));
}

#[test]
fn names_are_found_by_words_of_either_language_with_particles() {
    let (_folder, store) = filled();
    let codes = |text: &str| -> Vec<String> {
        store
            .search(text, Some(System::Kcd), Some(Date::constant(2024, 1, 1)), 5)
            .unwrap()
            .into_iter()
            .map(|f| f.code)
            .collect()
    };
    assert_eq!(codes("식도역류병"), ["K21", "K219"]);
    assert_eq!(codes("식도역류병이"), ["K21", "K219"]);
    assert_eq!(codes("reflux disease"), ["K21", "K219"]);
    assert_eq!(codes("당뇨병"), ["E11", "E119"], "the shortest name first");
    assert!(codes("\" OR *").is_empty());
}

#[test]
fn loading_again_changes_nothing_and_a_new_file_replaces_the_old_one() {
    let (_folder, store) = store();
    let table = Table::Korean(System::Kcd);
    assert!(!load(&store, table, "8", KCD_8).files[0].unchanged);
    let again = load(&store, table, "8", KCD_8);
    assert!(again.files[0].unchanged);
    assert_eq!(again.files[0].tally.rows, 6);
    load(&store, table, "8", "상병기호,한글명,영문명\nK21,역류,Reflux\n");
    let listed = store.editions().unwrap();
    assert_eq!((listed.len(), listed[0].concepts, listed[0].designations), (1, 1, 2));
    assert!(store.search("당뇨병", None, None, 5).unwrap().is_empty());
    assert_eq!(store.search("역류", None, None, 5).unwrap().len(), 1);
}

#[test]
fn a_bad_file_leaves_everything_as_it_was() {
    let (_folder, store) = filled();
    let edition = Edition::new(System::Kcd, "8", None, None).unwrap();
    let files = vec![input(Table::Korean(System::Kcd), "good.csv", KCD_9), input(Table::Atc, "bad.csv", "a,b\n1,2\n")];
    let error = store.load(&edition, files, Timestamp::UNIX_EPOCH).unwrap_err();
    assert!(error.to_string().starts_with("HAECHI-0241"), "{error}");
    let found = store.lookup("E119", Some(System::Kcd), Some(Date::constant(2024, 1, 1))).unwrap();
    assert_eq!(shown(&found, "ko"), ["합병증을 동반하지 않은 2형 당뇨병"]);
}

#[test]
fn codes_lead_to_other_systems_along_what_is_loaded() {
    let (_folder, store) = filled();
    let on = Some(Date::constant(2024, 1, 1));
    let map = |system, code: &str, target| -> Vec<(String, Equivalence)> {
        store.map(system, code, target, on).unwrap().into_iter().map(|m| (m.code, m.equivalence)).collect()
    };
    use Equivalence::{Equivalent, Narrower, Wider};
    for (system, code, target, expected) in [
        (System::Kd, "8800001000117", System::Atc, vec![("A10BA02", Wider)]),
        (System::Kd, "8800001000117", System::MainIngredient, vec![("191504ATB", Wider)]),
        (System::RxNorm, "6809", System::Atc, vec![("A10BA02", Equivalent)]),
        (System::RxNorm, "861007", System::Atc, vec![("A10BA02", Wider)]),
        (System::Atc, "A10BA02", System::RxNorm, vec![("6809", Equivalent)]),
        (System::Atc, "A10BA02", System::Kd, vec![("8800001000117", Narrower)]),
        (System::Kcd, "K21.9", System::Icd10, vec![("K21.9", Equivalent)]),
        (System::Kcd, "K2190", System::Icd10, vec![("K21.9", Wider)]),
        (System::Kcd, "U30.1", System::Icd10, vec![]),
        (System::Icd10Cm, "K21.00", System::Kcd, vec![("K21", Wider)]),
        (System::Kcd, "K21.9", System::Atc, vec![]),
    ] {
        let expected: Vec<(String, Equivalence)> =
            expected.into_iter().map(|(code, equivalence)| (code.to_owned(), equivalence)).collect();
        assert_eq!(map(system, code, target), expected, "{system:?} {code} to {target:?}");
    }
    let mapped = store.map(System::RxNorm, "861007", System::Atc, on).unwrap();
    assert_eq!(mapped[0].display.as_deref(), Some("metformin"));
    assert_eq!(mapped[0].path, ["rxnorm 861007", "rxnorm 6809", "atc A10BA02"]);
}

#[test]
fn a_coding_is_called_by_its_names_and_those_above_it() {
    let (_folder, store) = filled();
    let ask = |system: &str, code: &str, year| {
        let asked = Asked { system: system.to_owned(), code: code.to_owned(), days: vec![Date::constant(year, 1, 1)] };
        let names = store.names(&[asked]).unwrap();
        names.into_iter().flat_map(|names| names.names).map(|(name, breadth)| (name.text, breadth)).collect::<Vec<_>>()
    };
    let names = ask("http://hl7.org/fhir/sid/icd-10-cm", "K21.9", 2024);
    assert!(names.contains(&("위-식도역류병".to_owned(), Breadth::Wider)), "{names:?}");
    let names = ask("http://www.hira.or.kr/CodeSystem/kcd-9", "E11.9", 2026);
    assert!(names.contains(&("합병증을 동반하지 않은 제2형 당뇨병".to_owned(), Breadth::Same)), "{names:?}");
    assert!(names.contains(&("제2형 당뇨병".to_owned(), Breadth::Wider)), "{names:?}");
    let names = ask("http://www.nlm.nih.gov/research/umls/rxnorm", "861007", 2024);
    assert!(names.contains(&("메트포르민".to_owned(), Breadth::Wider)), "{names:?}");
    assert!(!names.iter().any(|(name, _)| name == "Biguanides"), "a class is no name of a drug");
    assert!(ask("urn:oid:1.2.3", "K21.9", 2024).is_empty());
}

#[test]
fn another_key_does_not_open_it_and_the_words_say_what_to_do() {
    let (folder, store) = filled();
    drop(store);
    let path = folder.path().join("terminology.db");
    let error = Terminology::open(&path, &Key::new([8; 32])).unwrap_err();
    assert!(error.to_string().starts_with("HAECHI-0247"), "{error}");
    assert!(Terminology::open(&path, &Key::new([7; 32])).is_ok());
    assert!(Terminology::open_existing(&folder.path().join("none.db"), &Key::new([7; 32])).unwrap().is_none());
}

/// The data folder beside the tree, or a sentence.
fn data(path: &str) -> Option<Vec<u8>> {
    let folder = std::env::var_os("HAECHI_TEST_DATA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")), PathBuf::from);
    let file = folder.join(path);
    let Ok(bytes) = std::fs::read(&file) else {
        eprintln!("skipped: {} is not here", file.display());
        return None;
    };
    if path.ends_with(".gz") {
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut text).unwrap();
        return Some(text);
    }
    Some(bytes)
}

#[test]
fn the_published_tabular_list_is_read_whole() {
    let Some(list) = data("evidence/icd10cm/icd10c-tabular-April-1-2026.xml.gz") else { return };
    let Some(codes) = data("evidence/icd10cm/code-list-April-2026.txt.gz") else { return };
    let (_folder, store) = store();
    let edition = Edition::new(System::Icd10Cm, "2026-04", None, None).unwrap();
    let file = Input {
        table: Table::Icd10CmTabular,
        described: Described { file: "icd10cm-tabular.xml".to_owned(), ..Described::default() },
        source: Box::new(Cursor::new(list)),
    };
    let loaded = store.load(&edition, vec![file], Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(loaded.files[0].tally.rejected, 0, "{:?}", loaded.files[0].tally.told);
    // Codes with a seventh character are described by a table in the list, not written out in it.
    let codes = String::from_utf8(codes).unwrap();
    let written: Vec<&str> =
        codes.lines().filter(|code| code.len() <= 6 && !code.contains('-') && code.len() > 2).collect();
    let missing: Vec<&&str> =
        written.iter().filter(|code| store.lookup(code, Some(System::Icd10Cm), None).unwrap().is_empty()).collect();
    assert!(
        missing.len() * 100 < written.len(),
        "{} of {} missing: {:?}",
        missing.len(),
        written.len(),
        &missing[..20]
    );
    let found = store.search("cholera", None, None, 3).unwrap();
    assert_eq!(found[0].code, "A00");
}

#[test]
fn the_published_units_are_read_whole() {
    let Some(essence) = data("evidence/units/ucum-essence.xml") else { return };
    let (_folder, store) = store();
    let loaded = load(&store, Table::Ucum, "2.2", &String::from_utf8(essence).unwrap());
    assert_eq!(loaded.files[0].tally.rejected, 0);
    assert!(loaded.files[0].tally.rows > 300);
    let found = store.lookup("mm[Hg]", Some(System::Ucum), None).unwrap();
    assert!(found.is_empty(), "a prefix with a unit is no unit of the list");
    assert_eq!(shown(&store.lookup("m[Hg]", None, None).unwrap(), "en"), ["meter of mercury column"]);
}
