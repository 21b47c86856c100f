//! What becomes of objects that were made here.

use haechi_intake::dicom::Preview;
use haechi_record::chart::Kind;

use crate::made::{CT, Object, element, sequence};
use crate::site::{Site, late, now, settings};

fn only_study(site: &Site) -> haechi_record::store::StudyRow {
    let studies = site.archive.studies(false, 10).unwrap();
    assert_eq!(studies.len(), 1);
    studies.into_iter().next().unwrap()
}

#[test]
fn a_study_is_in_the_chart_of_its_patient_with_the_tags_its_words_came_from() {
    let site = Site::new();
    let patient = site.patient("1972-03-05");
    let files: Vec<_> = (0..3).map(|at| site.file(&format!("study/{at}"), Object::new(at).file())).collect();
    let folder = files[0].parent().unwrap();
    let summary = site.import(&[folder, &patient]);
    assert_eq!((summary.instances, summary.patients, summary.rejected.len()), (3, 1, 0), "{summary:?}");
    let chart = site.store.chart("p1").unwrap().unwrap();
    let entry = chart.entries.iter().find(|entry| entry.kind == Kind::Imaging).unwrap();
    assert_eq!((entry.title.as_str(), entry.title_path.as_str()), ("흉부 CT", "description"));
    assert!(entry.facts.iter().any(|fact| fact.name == "instances" && fact.text == "3"));
    let origin = entry.origin.as_ref().unwrap();
    assert!(origin.fields.contains(&("description".to_owned(), "0008,1030".to_owned())));
    let study = only_study(&site);
    let json = site.resource("ImagingStudy", &study.id);
    assert_eq!(json["started"], "2025-01-31T09:30:00+09:00");
    assert_eq!(json["identifier"][0]["value"], "urn:oid:1.2.3.100");
    assert_eq!(json["series"][0]["instance"].as_array().unwrap().len(), 3);
    assert_eq!(site.store.search("p1", "흉부", 5).unwrap()[0].source, format!("ImagingStudy/{}", study.id));
    // The same again, and the same in files with another head, change nothing.
    let before = site.archive.room();
    let renamed = site.file("again/IM1", Object::new(0).file_in("1.2.840.10008.1.2.1 "));
    let again = site.import(&[folder, &renamed]);
    assert_eq!((again.instances, again.unchanged, again.resources), (4, 4, 0), "{again:?}");
    assert_eq!(site.archive.room(), before);
    assert_eq!(site.store.versions("ImagingStudy", &study.id).unwrap().len(), 1);
    // A fourth instance later makes a second version of the same ImagingStudy.
    let fourth = site.file("late/4", Object::new(4).file());
    site.import(&[&fourth]);
    assert_eq!(site.resource("ImagingStudy", &study.id)["numberOfInstances"], 4);
    assert_eq!(site.store.versions("ImagingStudy", &study.id).unwrap().len(), 2);
}

#[test]
fn a_study_of_an_unknown_patient_is_nobodys_until_the_patient_is_known() {
    let site = Site::new();
    let image = site.file("1", Object::new(1).file());
    let summary = site.import(&[&image]);
    assert_eq!((summary.instances, summary.patients), (1, 0));
    let waiting = site.archive.studies(true, 10).unwrap();
    assert_eq!(waiting.len(), 1);
    assert!(waiting[0].why.as_deref().unwrap().contains("no patient has this number"), "{waiting:?}");
    assert_eq!(site.resource("ImagingStudy", &waiting[0].id)["subject"]["identifier"]["value"], "00012345");
    site.import(&[&site.patient("1972-03-05")]);
    assert!(site.archive.studies(true, 10).unwrap().is_empty());
    assert_eq!(only_study(&site).patient.as_deref(), Some("p1"));
    assert!(site.store.chart("p1").unwrap().unwrap().entries.iter().any(|entry| entry.kind == Kind::Imaging));
}

#[test]
fn nobody_gets_a_study_by_a_doubtful_number() {
    // (birth date in the record, issuer, birth date in the images, whose, word of the reason)
    for (record, issuer, images, whose, word) in [
        ("1972-03-05", "SITE", "19720305", true, ""),
        ("1972-03", "SITE", "19720305", true, ""),
        ("1972-03-05", "SITE", "", true, ""),
        ("1972-03-05", "SITE", "19730305", false, "another birth date"),
        ("1972-03-05", "ELSEWHERE", "19720305", false, "from this issuer"),
        ("1972-03-05", "", "19720305", true, ""),
        ("1972-03-05", "SITE^1.2.3^ISO", "19720305", false, "from this issuer"),
    ] {
        let site = Site::new();
        let object = Object { issuer, birth: images, ..Object::new(1) };
        let image = site.file("1", object.file());
        site.import(&[&site.patient(record), &image]);
        let study = only_study(&site);
        assert_eq!(study.patient.is_some(), whose, "{record} {issuer} {images}: {study:?}");
        assert!(study.why.unwrap_or_default().contains(word));
    }
    // Without an authority of the site's own, a bare number must be confirmed by the birth date.
    for (images, whose) in [("19720305", true), ("", false), ("19720306", false)] {
        let site = Site::with(haechi_intake::dicom::Settings { assigning_authority: String::new(), ..settings() });
        let image = site.file("1", Object { issuer: "", birth: images, ..Object::new(1) }.file());
        site.import(&[&site.patient("1972-03-05"), &image]);
        assert_eq!(only_study(&site).patient.is_some(), whose, "{images}");
    }
}

#[test]
fn one_study_uid_under_two_numbers_stays_two_studies() {
    let site = Site::new();
    let one = site.file("1", Object::new(1).file());
    let other = site.file("2", Object { number: "777", ..Object::new(2) }.file());
    site.import(&[&site.patient("1972-03-05"), &one, &other]);
    let studies = site.archive.studies(false, 10).unwrap();
    assert_eq!(studies.len(), 2);
    assert_ne!(studies[0].id, studies[1].id);
    assert_eq!(studies.iter().filter(|study| study.patient.is_some()).count(), 1);
    // A corrected copy of the second, under the right number, moves it; what was there stays as a past version.
    let corrected = site.file("3", Object::new(2).file());
    site.import(&[&corrected]);
    let study = only_study(&site);
    assert_eq!((study.instances, study.patient.as_deref()), (2, Some("p1")));
    let left = studies.iter().find(|study| study.patient.is_none()).unwrap();
    assert_eq!(site.resource("ImagingStudy", &left.id)["status"], "entered-in-error");
}

#[test]
fn a_study_that_loses_an_image_again_says_so() {
    let site = Site::new();
    let one = site.file("1", Object::new(1).file());
    let two = site.file("2", Object::new(2).file());
    site.import(&[&one]);
    site.import(&[&two]);
    let id = only_study(&site).id;
    assert_eq!(site.resource("ImagingStudy", &id)["numberOfInstances"], 2);
    // The second was another patient's. What is left is, byte for byte, what the first version said.
    let corrected = site.file("3", Object { number: "777", ..Object::new(2) }.file());
    site.import(&[&corrected]);
    assert_eq!(site.resource("ImagingStudy", &id)["numberOfInstances"], 1);
    assert_eq!(site.store.versions("ImagingStudy", &id).unwrap().len(), 3);
}

#[test]
fn korean_reports_become_text_that_search_finds() {
    let site = Site::new();
    let code = |meaning: &str| {
        let text = encoding_rs::EUC_KR.encode(meaning).0.into_owned();
        element((0x0008, 0x0104), "LO", &[&b"\x1b$)C"[..], &text].concat())
    };
    let text = |name: &str, value: &str| {
        let value = encoding_rs::EUC_KR.encode(value).0.into_owned();
        [
            element((0x0040, 0xa010), "CS", b"CONTAINS"),
            element((0x0040, 0xa040), "CS", b"TEXT"),
            sequence((0x0040, 0xa043), &[code(name)]),
            element((0x0040, 0xa160), "UT", &[&b"\x1b$)C"[..], &value].concat()),
        ]
        .concat()
    };
    let number = [
        element((0x0040, 0xa040), "CS", b"NUM"),
        sequence((0x0040, 0xa043), &[code("결절 크기")]),
        sequence(
            (0x0040, 0xa300),
            &[[
                sequence((0x0040, 0x08ea), &[element((0x0008, 0x0100), "SH", b"mm")]),
                element((0x0040, 0xa30a), "DS", b"7.10"),
            ]
            .concat()],
        ),
    ]
    .concat();
    let findings = [
        element((0x0040, 0xa040), "CS", b"CONTAINER"),
        sequence((0x0040, 0xa043), &[code("소견")]),
        sequence((0x0040, 0xa730), &[text("폐", "우상엽에 결절이 있음"), number]),
    ]
    .concat();
    let object = Object {
        class: "1.2.840.10008.5.1.4.1.1.88.22",
        charset: "\\ISO 2022 IR 149",
        name: b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf".to_vec(),
        description: Vec::new(),
        more: vec![
            ((0x0040, 0xa043), sequence((0x0040, 0xa043), &[code("흉부 CT 판독")])),
            ((0x0040, 0xa491), element((0x0040, 0xa491), "CS", b"COMPLETE")),
            ((0x0040, 0xa493), element((0x0040, 0xa493), "CS", b"UNVERIFIED")),
            ((0x0040, 0xa730), sequence((0x0040, 0xa730), &[findings, text("결론", "추적 검사 권고")])),
        ],
        ..Object::new(1)
    };
    let file = site.file("sr", object.file());
    let summary = site.import(&[&site.patient("1972-03-05"), &file]);
    assert_eq!(summary.rejected, []);
    let chart = site.store.chart("p1").unwrap().unwrap();
    let report = chart.entries.iter().find(|entry| entry.kind == Kind::Report).unwrap();
    assert_eq!(report.title, "흉부 CT 판독");
    assert_eq!(report.status.as_deref(), Some("preliminary"));
    assert_eq!(report.texts[0].text, "소견:\n  폐: 우상엽에 결절이 있음\n  결절 크기: 7.10 mm\n결론: 추적 검사 권고");
    assert_eq!(report.texts[0].path, "presentedForm[0].data");
    let hits = site.store.search("p1", "결절", 5).unwrap();
    assert_eq!(hits[0].source, report.source);
    let study = only_study(&site);
    assert_eq!(site.resource("ImagingStudy", &study.id)["subject"]["display"], "홍길동 (Gildong Hong, 洪吉洞)");
}

#[test]
fn what_cannot_be_filed_says_which_attribute_is_wrong() {
    let site = Site::new();
    let without = |tag: (u16, u16)| {
        let whole = Object::new(1).dataset();
        let marker = [tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat();
        let at = whole.windows(4).position(|window| window == marker).unwrap();
        let length = usize::from(u16::from_le_bytes([whole[at + 6], whole[at + 7]]));
        let head = Object::new(1).file().len() - whole.len();
        let mut file = Object::new(1).file()[..head].to_vec();
        file.extend_from_slice(&whole[..at]);
        file.extend_from_slice(&whole[at + 8 + length..]);
        file
    };
    let whole = Object::new(1).file();
    for (name, file, field, word) in [
        ("no-study.dcm", without((0x0020, 0x000d)), "(0020,000d)", "no Study Instance UID"),
        ("no-sop", without((0x0008, 0x0018)), "(0008,0018)", "no SOP Instance UID"),
        ("cut", whole[..whole.len() - 5].to_vec(), "(7fe0,0010)", "middle of an element"),
        ("bad-uid", Object { study: "1.2.x".into(), ..Object::new(1) }.file(), "(0020,000d)", "no UID"),
        ("head-only", whole[..132].to_vec(), "(0002,0010)", "transfer syntax"),
    ] {
        let path = site.file(name, &file);
        let summary = site.import(&[&path]);
        let [rejected] = summary.rejected.as_slice() else { panic!("{name}: {summary:?}") };
        assert_eq!((rejected.file.as_str(), rejected.field.as_deref()), (name, Some(field)), "{rejected:?}");
        assert!(rejected.reason.contains(word), "{rejected:?}");
        assert_eq!(summary.instances, 0);
    }
    assert_eq!(site.archive.room().0, 0, "what was refused takes no room");
    let not = site.file("x.dcm", b"not one");
    assert!(site.import(&[&not]).rejected[0].reason.contains("no DICM"));
}

#[test]
fn junk_behind_the_header_is_kept_and_said() {
    let site = Site::new();
    let mut file = Object::new(1).file();
    file.extend_from_slice(&[0xff; 40]);
    let path = site.file("junk", &file);
    let summary = site.import(&[&path]);
    assert_eq!(summary.instances, 1);
    assert!(summary.rejected[0].reason.contains("taken, but"), "{summary:?}");
    let study = only_study(&site);
    assert!(site.resource("ImagingStudy", &study.id)["note"][0]["text"].as_str().unwrap().starts_with("1 of 1"));
}

#[test]
fn a_full_quota_and_a_long_object_are_refused_and_cost_nothing() {
    let site =
        Site::with(haechi_intake::dicom::Settings { quota_bytes: 300_000, max_object_bytes: 200_000, ..settings() });
    let big = |at| Object { pixels: 180_000, ..Object::new(at) };
    let first = site.file("1", big(1).file());
    let second = site.file("2", big(2).file());
    let long = site.file("3", Object { pixels: 220_000, ..Object::new(3) }.file());
    let summary = site.import(&[&long]);
    assert!(summary.rejected[0].reason.contains("200000 bytes"), "{summary:?}");
    assert_eq!(site.archive.room().0, 0);
    let summary = site.import(&[&first, &second]);
    assert_eq!(summary.instances, 1);
    assert!(summary.rejected[0].reason.contains("HAECHI-0230"), "{summary:?}");
    assert!(site.archive.room().0 < 190_000);
}

#[test]
fn previews_hold_no_name_and_say_why_there_is_none() {
    let site = Site::new();
    let flag = |value: &str| ((0x0028, 0x0301), element((0x0028, 0x0301), "CS", value.as_bytes()));
    let ultrasound = "1.2.840.10008.5.1.4.1.1.6.1";
    let objects = [
        (Object { pixels: 640 * 640, ..Object::new(1) }, ""),
        (Object { more: vec![flag("YES")], ..Object::new(2) }, "hold text about the patient"),
        (Object { class: ultrasound, ..Object::new(3) }, "does not say"),
        (Object { class: ultrasound, more: vec![flag("NO")], ..Object::new(4) }, ""),
        (Object { pixels: 0, ..Object::new(5) }, "none, or too many"),
    ];
    for (at, (object, word)) in objects.iter().enumerate() {
        let path = site.file(&format!("{at}"), object.file());
        assert_eq!(site.import(&[&path]).instances, 1);
        match site.archive.preview(&object.sop).unwrap().unwrap() {
            Preview::Png(png) => {
                assert!(word.is_empty(), "{word}");
                assert!(png.starts_with(b"\x89PNG") && !png.windows(3).any(|window| window == b"Kim"));
                let wide = u32::from_be_bytes(png[16..20].try_into().unwrap());
                assert!(wide <= 512);
            }
            Preview::None(why) => assert!(!word.is_empty() && why.contains(word), "{why}"),
        }
    }
    assert_eq!(site.archive.preview("1.2.99").unwrap(), None);
}

#[test]
fn stow_stores_what_it_can_and_answers_for_each() {
    let site = Site::new();
    let part = |bytes: &[u8]| [&b"\r\n--b\r\nContent-Type: application/dicom\r\n\r\n"[..], bytes].concat();
    let kind = "multipart/related; type=\"application/dicom\"; boundary=b";
    let stow = |parts: &[Vec<u8>], study: Option<&str>| {
        let body = [parts.concat(), b"\r\n--b--".to_vec()].concat();
        site.archive.stow(kind, &mut body.as_slice(), study, "test", late())
    };
    let good = part(&Object::new(1).file());
    let bad = part(b"junk");
    let answer = stow(&[good.clone(), part(&Object::new(2).file())], None);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json["00081199"]["Value"][0]["00081155"]["Value"][0], "1.2.3.1.1");
    assert_eq!(answer.json["00081199"]["Value"][0]["00081150"]["Value"][0], CT);
    assert_eq!(only_study(&site).instances, 2);
    let answer = stow(&[good.clone(), bad.clone()], None);
    assert_eq!(answer.status, 202);
    assert_eq!(answer.json["00081198"]["Value"][0]["00081197"]["Value"][0], 0xc000);
    assert_eq!(stow(&[bad], None).status, 409);
    let elsewhere = stow(&[part(&Object::new(3).file())], Some("1.2.3.999"));
    assert_eq!(elsewhere.status, 409);
    assert_eq!(elsewhere.json["00081198"]["Value"][0]["00081197"]["Value"][0], 0xa900);
    assert_eq!(elsewhere.json["00081198"]["Value"][0]["00081155"]["Value"][0], "1.2.3.1.3");
    assert_eq!(only_study(&site).instances, 2);
    assert_eq!(stow(&[], None).status, 400);
    let cut = [part(&Object::new(4).file()), b"\r\n--b\r\n\r\nhal".to_vec()].concat();
    let answer = site.archive.stow(kind, &mut cut.as_slice(), None, "test", late());
    assert_eq!(answer.status, 202, "the whole first object is kept: {answer:?}");
    for (kind, status) in [
        ("application/dicom", 415),
        ("multipart/related", 400),
        ("multipart/related; type=\"application/dicom+json\"; boundary=b", 415),
    ] {
        assert_eq!(site.archive.stow(kind, &mut good.as_slice(), None, "test", now()).status, status, "{kind}");
    }
}

#[test]
fn what_was_committed_is_there_after_a_restart_and_the_rest_is_swept_away() {
    let site = Site::new();
    let image = site.file("1", Object::new(1).file());
    site.import(&[&image]);
    let (used, _) = site.archive.room();
    let folder = site.folder.path().join("files");
    std::fs::create_dir_all(folder.join("zz")).unwrap();
    std::fs::write(folder.join("zz/left-over"), [0; 100]).unwrap();
    std::fs::write(folder.join("new/1.1"), [0; 100]).unwrap();
    let Site { folder: home, store, archive } = site;
    drop(archive);
    let again = haechi_intake::dicom::Archive::open(store, &folder, &crate::site::key(), settings()).unwrap();
    assert_eq!(again.room().0, used);
    assert!(!folder.join("zz/left-over").exists() && !folder.join("new/1.1").exists());
    assert!(again.preview("1.2.3.1.1").unwrap().is_some_and(|preview| matches!(preview, Preview::Png(_))));
    drop(home);
}
