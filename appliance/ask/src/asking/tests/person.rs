//! Facts about the person.

use crate::hand::*;
use crate::plan::Language::{En, Ko};
use crate::plan::{Attribute, Language, Plan, Shape};

fn asked(language: Language, attribute: Attribute) -> Plan {
    Plan { attribute: Some(attribute), ..plan(language, Shape::Demographic, &[]) }
}

fn said(patient: &str, language: Language, attribute: Attribute) -> String {
    Hand::of(patient, &[])
        .clean(&asked(language, attribute))
        .claims
        .iter()
        .map(|claim| claim.text.as_str())
        .collect::<Vec<_>>()
        .join(" | ")
}

#[test]
fn each_attribute_in_both_languages() {
    for (attribute, english, korean) in [
        (
            Attribute::Name,
            "Recorded name: 김민수. | Recorded name: Kim Minsu.",
            "기록된 이름: 김민수. | 기록된 이름: Kim Minsu.",
        ),
        (Attribute::BirthDate, "Recorded birth date: 1960-05-20.", "기록된 생년월일: 1960-05-20."),
        (Attribute::Sex, "Recorded sex: male.", "기록된 성별: 남성."),
        (Attribute::Identifier, "Recorded identifier: 00012345.", "기록된 등록번호: 00012345."),
        (Attribute::Phone, "Recorded phone: 010-1234-5678.", "기록된 전화번호: 010-1234-5678."),
        (
            Attribute::Address,
            "Recorded address: 서울특별시 종로구 세종대로 110.",
            "기록된 주소: 서울특별시 종로구 세종대로 110.",
        ),
        (Attribute::MaritalStatus, "Recorded marital status: Married.", "기록된 결혼 상태: Married."),
        (
            Attribute::Age,
            "Age 63 years on 2024-05-01 (computed from the birth date 1960-05-20).",
            "2024-05-01 기준 만 63세입니다 (생년월일 1960-05-20에서 계산).",
        ),
    ] {
        assert_eq!(said(PATIENT, En, attribute), english);
        assert_eq!(said(PATIENT, Ko, attribute), korean);
    }
}

#[test]
fn what_is_not_recorded_is_not_found() {
    let answer = Hand::of(PATIENT, &[]).clean(&asked(En, Attribute::Contact));
    assert!(answer.abstained);
    assert_eq!(answer.answer, "The patient's emergency contact was not found in the record as of 2024-05-01 09:00.");
    let korean = Hand::of(PATIENT, &[]).clean(&asked(Ko, Attribute::Death));
    assert_eq!(korean.answer, "환자의 사망 정보를 2024-05-01 09:00 기준 기록에서 찾지 못했습니다.");
}

#[test]
fn several_attributes_one_after_another() {
    let plan = Plan { also: vec![Attribute::Sex, Attribute::Contact], ..asked(En, Attribute::BirthDate) };
    let answer = Hand::of(PATIENT, &[]).clean(&plan);
    assert_eq!(answer.claims.len(), 2);
    assert!(
        answer.answer.ends_with("The patient's emergency contact was not found in the record as of 2024-05-01 09:00.")
    );
}

#[test]
fn a_birth_year_alone_gives_a_range() {
    let patient = r#"{"resourceType":"Patient","id":"p1","birthDate":"1960"}"#;
    assert_eq!(said(patient, En, Attribute::Age), "Age 63–64 years on 2024-05-01 (computed from the birth date 1960).");
}

#[test]
fn death_and_the_age_at_it() {
    let patient = r#"{"resourceType":"Patient","id":"p1","birthDate":"1960-05-20","deceasedDateTime":"2023-01-10"}"#;
    assert_eq!(said(patient, En, Attribute::Death), "Recorded as deceased on 2023-01-10.");
    assert_eq!(said(patient, Ko, Attribute::Death), "2023-01-10에 사망한 것으로 기록되어 있습니다.");
    assert_eq!(
        said(patient, En, Attribute::Age),
        "Age 62 years at death on 2023-01-10 (computed from the birth date 1960-05-20)."
    );
    assert_eq!(
        said(patient, Ko, Attribute::Age),
        "2023-01-10 사망 당시 만 62세였습니다 (생년월일 1960-05-20에서 계산)."
    );
    let alive = r#"{"resourceType":"Patient","id":"p1","deceasedBoolean":false}"#;
    assert_eq!(said(alive, En, Attribute::Death), "Recorded as alive.");
    assert_eq!(said(alive, Ko, Attribute::Death), "생존으로 기록되어 있습니다.");
    let dead = r#"{"resourceType":"Patient","id":"p1","deceasedBoolean":true}"#;
    assert_eq!(said(dead, En, Attribute::Death), "Recorded as deceased; the date is not recorded.");
    assert_eq!(said(dead, Ko, Attribute::Death), "사망으로 기록되어 있습니다. 날짜는 기록되지 않았습니다.");
}
