//! The demo hospital by FHIR and by HL7 v2 is the same record: the same questions get the same answers.

use std::collections::BTreeMap;

use haechi_e2e::Site;
use serde_json::Value;

/// Asked of every patient. Wide rather than deep: one question for each kind of entry and most shapes, both languages.
const QUESTIONS: &[&str] = &[
    "나이와 성별은?",
    "환자 주소가 어떻게 되나요?",
    "진단명을 모두 알려줘",
    "현재 복용 중인 약은?",
    "List all medications, including stopped ones",
    "알레르기가 있나요?",
    "최근 혈압은?",
    "혈압 추이를 보여줘",
    "latest HbA1c",
    "크레아티닌 추이",
    "highest potassium",
    "비정상 검사 결과",
    "예방접종 기록은?",
    "받은 수술이나 시술은?",
    "마지막 입원은 언제였나요?",
    "How many times was the patient admitted?",
    "담배를 피우나요?",
    "가족력은?",
    "최근 영상 검사 결과는?",
    "다음 예약은?",
    "Hb latest",
    "체중 변화",
];

#[test]
fn fhir_and_hl7_build_the_same_record() {
    let patients = std::env::var("HAECHI_ROADS_PATIENTS").ok().and_then(|number| number.parse().ok()).unwrap_or(6);
    let (fhir, hl7) = (Site::new(), Site::new());
    let hospital = fhir.hospital(patients, 7);
    let by_fhir = fhir.json(&["import", hospital.join("fhir").to_str().unwrap()]);
    let by_hl7 = hl7.json(&["import", hospital.join("hl7").to_str().unwrap()]);
    assert_eq!(by_fhir["rejected"].as_array().unwrap().len(), 0, "{}", by_fhir["rejected"]);
    assert_eq!(by_hl7["rejected"].as_array().unwrap().len(), 0, "{}", by_hl7["rejected"]);

    let (left, right) = (patients_by_number(&fhir), patients_by_number(&hl7));
    assert_eq!(left.keys().collect::<Vec<_>>(), right.keys().collect::<Vec<_>>());
    let mut different = Vec::new();
    for number in left.keys() {
        for question in QUESTIONS {
            let (one, other) = (claims(&fhir, number, question), claims(&hl7, number, question));
            if one != other {
                different.push(format!("{number}: {question}\n  FHIR: {one:?}\n  HL7:  {other:?}"));
            }
        }
    }
    assert!(
        different.is_empty(),
        "{} of {} differ:\n{}",
        different.len(),
        left.len() * QUESTIONS.len(),
        different.join("\n")
    );
}

/// Medical record number to (name, birth date, sex).
fn patients_by_number(site: &Site) -> BTreeMap<String, (Value, Value, Value)> {
    let patients = site.json(&["patient", "list"]);
    patients
        .as_array()
        .unwrap()
        .iter()
        .map(|patient| {
            let number = patient["identifiers"][0]["value"].as_str().unwrap().to_owned();
            (number, (patient["name"].clone(), patient["birthDate"].clone(), patient["sex"].clone()))
        })
        .collect()
}

/// What an answer says, without where it was found: places differ between the roads, words must not.
fn claims(site: &Site, patient: &str, question: &str) -> (Value, Vec<String>) {
    let answer = site.json(&["ask", "--patient", patient, "--now", "2026-11-24T09:00:00+09:00", question]);
    let mut texts: Vec<_> =
        answer["claims"].as_array().unwrap().iter().map(|claim| claim["text"].as_str().unwrap().to_owned()).collect();
    texts.sort();
    (answer["abstained"].clone(), texts)
}
