use super::*;

fn planned(question: &str) -> Plan {
    let setting = Setting {
        now: "2026-11-24T00:00:00Z".parse().unwrap(),
        zone: jiff::tz::TimeZone::get("Asia/Seoul").unwrap(),
        language: None,
    };
    plan(question, &Vocabulary::default(), &setting)
}

/// Question, first subject (English name; empty: none), shape.
const CASES: &[(&str, &str, Shape)] = &[
    ("What was the last HbA1c?", "hba1c", Shape::Latest),
    ("last Cr?", "creatinine", Shape::Latest),
    ("most recent potassium", "potassium", Shape::Latest),
    ("HbA1c trend since 2020", "hba1c", Shape::Trend),
    ("highest creatinine ever", "creatinine", Shape::Highest),
    ("lowest Hb in 2023", "hemoglobin", Shape::Lowest),
    ("average systolic blood pressure last year", "systolic blood pressure", Shape::Average),
    ("was potassium ever below 3.5", "potassium", Shape::Whether),
    ("any penicillin allergy", "penicillin", Shape::Whether),
    ("is the patient diabetic", "diabetes", Shape::Whether),
    ("does she smoke", "smoking", Shape::Latest),
    ("how many times was he admitted in 2023", "admission", Shape::Count),
    ("when was she diagnosed with hypertension", "hypertension", Shape::When),
    ("how old was he when diagnosed with asthma", "asthma", Shape::AgeAt),
    ("current medications", "", Shape::List),
    ("list all active problems", "", Shape::List),
    ("who ordered the last CT", "ct", Shape::Attribute),
    ("what dose of warfarin is he on", "warfarin", Shape::Attribute),
    ("how long was the last admission", "admission", Shape::Duration),
    ("what is the patient's birth date", "", Shape::Demographic),
    ("how old is the patient", "", Shape::Demographic),
    ("summarize the discharge note", "", Shape::Summary),
    ("is she on any blood thinners", "anticoagulants", Shape::Whether),
    ("abnormal labs in 2024", "", Shape::List),
    ("당화혈색소 최근 수치는?", "hba1c", Shape::Latest),
    ("혈당 추이 보여줘", "glucose", Shape::Trend),
    ("현재 복용 중인 약은 무엇인가요?", "", Shape::List),
    ("마지막 입원은 언제였나요?", "admission", Shape::When),
    ("수축기 혈압 140 넘은 적 있나요", "systolic blood pressure", Shape::Whether),
    ("당뇨 진단받은 게 언제", "diabetes", Shape::When),
    ("페니실린 알레르기 있나요?", "penicillin", Shape::Whether),
    ("알레르기 있어?", "", Shape::List),
    ("고혈압 있나요?", "hypertension", Shape::Whether),
    ("입원 몇 번 했나요", "admission", Shape::Count),
    ("칼륨 최고치", "potassium", Shape::Highest),
    ("와파린 용량은?", "warfarin", Shape::Attribute),
    ("CT 판독 소견", "ct", Shape::Attribute),
    ("환자 나이", "", Shape::Demographic),
    ("생년월일이 언제죠", "", Shape::Demographic),
    ("담배 피우나요?", "smoking", Shape::Latest),
    ("독감 예방접종 맞았나요", "influenza vaccine", Shape::Whether),
    ("퇴원요약 요약해줘", "", Shape::Summary),
];

#[test]
fn questions_are_read() {
    let mut wrong = Vec::new();
    for (question, subject, shape) in CASES {
        let plan = planned(question);
        let first = plan.subjects.first().map(|subject| subject.names.0.to_lowercase()).unwrap_or_default();
        if first != *subject || plan.shape != *shape || !plan.is_complete() {
            wrong.push(format!(
                "{question}: {first:?} {:?} rest {:?} outside {:?} scope {:?}",
                plan.shape,
                plan.unresolved,
                plan.outside.is_some(),
                plan.scope
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}

#[test]
fn what_is_not_understood_is_not_answered() {
    for question in [
        "last zorblaxin level",
        "what about the flibbergast",
        "무지개 수치는?",
        "what is the prognosis",
        "how much does this admission cost",
        "should I start warfarin",
        "예후는 어떤가요",
        "진료비 얼마인가요",
    ] {
        assert!(!planned(question).is_complete(), "{question}");
    }
}

#[test]
fn conditions_scopes_and_states_are_read() {
    let plan = planned("penicillin allergy?");
    assert_eq!(plan.scope, [Kind::Allergy]);
    let plan = planned("폐렴으로 입원한 적 있나요");
    assert_eq!(
        (plan.scope.as_slice(), plan.because.map(|subject| subject.names.0)),
        (&[Kind::Encounter][..], Some("pneumonia".to_owned()))
    );
    assert_eq!(planned("현재 먹는 약").state, State::Active);
    assert_eq!(planned("discontinued medications").state, State::Ended);
    assert_eq!(planned("was BP ever above 140/90").subjects.iter().filter_map(|subject| subject.filter).count(), 2);
    assert_eq!(planned("칼륨 5.5 mmol/L 초과").filter, Some(Filter::Above(5.5, false)));
    assert_eq!(planned("family history of diabetes").scope, [Kind::FamilyHistory]);
    assert_eq!(planned("last 3 blood pressures").limit, Some(3));
}
