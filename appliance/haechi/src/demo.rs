//! The small sets of codes that come with the demo hospital: what it uses, under licences that allow handing it on. The
//! head of each file says from where. A site loads the publishers' files instead (docs/src/terminology.md).

use std::io::Cursor;

use haechi_record::terminology::read::{Described, Table};
use haechi_record::terminology::{Edition, Input, System, Terminology};
use jiff::Timestamp;

use crate::error::Failure;

/// Version of the sets: real editions, loaded beside them, are newer and go before them.
const VERSION: &str = "0-demo";

const SETS: &[(System, &str, &str)] = &[
    (System::Kcd, "kcd.haechi.tsv", include_str!("demo/kcd.haechi.tsv")),
    (System::Icd10Cm, "icd10cm.haechi.tsv", include_str!("demo/icd10cm.haechi.tsv")),
    (System::Loinc, "loinc.haechi.tsv", include_str!("demo/loinc.haechi.tsv")),
    (System::RxNorm, "rxnorm.haechi.tsv", include_str!("demo/rxnorm.haechi.tsv")),
    (System::Atc, "atc.haechi.tsv", include_str!("demo/atc.haechi.tsv")),
    (System::Ucum, "ucum.haechi.tsv", include_str!("demo/ucum.haechi.tsv")),
];

/// Loads them all. Loading again changes nothing.
pub(crate) fn load(store: &Terminology) -> Result<(), Failure> {
    for (system, file, text) in SETS {
        let edition = Edition::new(*system, VERSION, None, None)?;
        let input = Input {
            table: Table::List(*system),
            described: Described { file: (*file).to_owned(), ..Described::default() },
            source: Box::new(Cursor::new(text.as_bytes())),
        };
        store.load(&edition, vec![input], Timestamp::now())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use haechi_record::key::Key;
    use haechi_record::terminology::Asked;

    use super::*;

    #[test]
    fn every_line_of_every_set_is_read_and_answers() {
        let folder = tempfile::tempdir().unwrap();
        let store = Terminology::open(&folder.path().join("terminology.db"), &Key::new([1; 32])).unwrap();
        for (system, file, text) in SETS {
            let edition = Edition::new(*system, VERSION, None, None).unwrap();
            let input = Input {
                table: Table::List(*system),
                described: Described { file: (*file).to_owned(), ..Described::default() },
                source: Box::new(Cursor::new(text.as_bytes())),
            };
            let loaded = store.load(&edition, vec![input], Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(loaded.files[0].tally.rejected, 0, "{file}: {:?}", loaded.files[0].tally.told);
        }
        load(&store).unwrap();
        assert_eq!(store.editions().unwrap().len(), SETS.len());
        let asked = Asked {
            system: "http://www.hira.or.kr/CodeSystem/kcd-9".to_owned(),
            code: "K21.9".to_owned(),
            days: Vec::new(),
        };
        let names: Vec<String> =
            store.names(&[asked]).unwrap().into_iter().flat_map(|n| n.names).map(|(name, _)| name.text).collect();
        for expected in ["위식도역류질환", "Gastro-esophageal reflux disease"] {
            assert!(names.iter().any(|name| name == expected), "{expected} in {names:?}");
        }
        let mapped = store.map(System::RxNorm, "6809", System::Atc, None).unwrap();
        assert_eq!(mapped[0].code, "A10BA02");
    }
}
