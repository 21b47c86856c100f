//! The third-party files.

use std::fs;

use haechi_intake::dicom::Preview;

use crate::site::{Site, data};

#[test]
fn every_file_of_the_development_set_goes_in() {
    let Some(folder) = data("dicom") else { return };
    let site = Site::new();
    let files: Vec<_> = ["pydicom", "pydicom-data", "highdicom", "charset"]
        .iter()
        .flat_map(|part| fs::read_dir(folder.join(part)).unwrap())
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "dcm"))
        .collect();
    let paths: Vec<_> = files.iter().map(std::path::PathBuf::as_path).collect();
    let summary = site.import(&paths);
    assert_eq!(summary.rejected, []);
    assert_eq!(summary.instances, files.len() as u64);
    let again = site.import(&paths);
    assert_eq!((again.unchanged, again.resources), (again.instances, 0), "{again:?}");
    let studies = site.archive.studies(false, 100).unwrap();
    let of = |number: &str| {
        let study = studies.iter().find(|study| study.number == number).unwrap();
        site.resource("ImagingStudy", &study.id)
    };
    // chrI2.dcm: Korean by code extensions in all three groups; the others from the same collection.
    assert_eq!(of("I2EXAMPLE")["subject"]["display"], "홍길동 (Gildong Hong, 洪吉洞)");
    assert_eq!(of("SCSGERM")["subject"]["display"], "Rüdiger Äneas");
    assert!(of("2008-4")["subject"]["display"].as_str().unwrap().contains("やまだ"));
    // Four patients share one study UID in this collection: nobody gets another's images.
    let shared: Vec<_> =
        studies.iter().filter(|study| study.uid == "1.3.6.1.4.1.5962.1.2.4.20040826185059.5457").collect();
    assert!(shared.iter().all(|study| study.instances >= 1));
    let text = serde_json::to_string(&of("4MR1")).unwrap();
    assert!(!text.contains("8NM1"));
    // The reports say what is in them.
    let reports: Vec<_> = studies.iter().filter(|study| of_modality(&site, &study.id, "SR")).collect();
    assert_eq!(reports.len(), 2);
}

fn of_modality(site: &Site, id: &str, code: &str) -> bool {
    let study = site.resource("ImagingStudy", id);
    study["modality"].as_array().is_some_and(|all| all.iter().any(|one| one["code"] == code))
}

#[test]
fn previews_are_made_or_refused_for_a_reason() {
    let Some(folder) = data("dicom") else { return };
    let site = Site::new();
    for (file, expected) in [
        ("pydicom/CT_small.dcm", Ok((128, 128))),
        ("pydicom/MR_small_implicit.dcm", Err("does not say")), // it calls itself SECONDARY
        ("pydicom-data/emri_small.dcm", Ok((64, 64))),
        ("highdicom/dx_image.dcm", Ok((0, 0))),
        ("pydicom/examples_ybr_color.dcm", Err("does not say")),
        ("pydicom-data/693_J2KR.dcm", Err("JPEG 2000 is not decoded")),
        ("pydicom-data/liver.dcm", Err("1 bits")),
        ("pydicom-data/US1_J2KR.dcm", Err("does not say")),
    ] {
        let path = folder.join(file);
        if !path.exists() {
            continue;
        }
        site.import(&[&path]);
        let bytes = fs::read(&path).unwrap();
        let sop = sop_of(&bytes);
        match (site.archive.preview(&sop).unwrap().unwrap(), expected) {
            (Preview::Png(png), Ok((wide, high))) => {
                let found = [&png[16..20], &png[20..24]].map(|side| u32::from_be_bytes(side.try_into().unwrap()));
                assert!(wide == 0 || found == [wide, high], "{file}: {found:?}");
            }
            (Preview::None(why), Err(word)) => assert!(why.contains(word), "{file}: {why}"),
            (other, _) => panic!("{file}: {other:?}"),
        }
    }
}

/// (0002,0003), from the head.
pub(crate) fn sop_of(file: &[u8]) -> String {
    let at = file.windows(6).position(|window| window == b"\x02\x00\x03\x00UI").unwrap();
    let length = usize::from(u16::from_le_bytes([file[at + 6], file[at + 7]]));
    String::from_utf8(file[at + 8..at + 8 + length].to_vec()).unwrap().trim_end_matches('\0').to_owned()
}
