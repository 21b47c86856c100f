//! When, how long, how long ago, at what age, who, where, why; anchors and reasons.

use haechi_record::chart::Kind;
use jiff::civil::date;

use crate::hand::*;
use crate::plan::Language::{En, Ko};
use crate::plan::{Anchor, Attribute, Edge, Pick, Plan, Relation, Shape, State, Subject, Window};

fn texts(answer: &crate::answer::Answer) -> Vec<&str> {
    answer.claims.iter().map(|claim| claim.text.as_str()).collect()
}

fn stays() -> Hand {
    Hand::new(&[
        encounter(
            "a",
            "입원",
            "IMP",
            "2023-03-01T01:00:00Z",
            "2023-03-08T02:00:00Z",
            r#","participant":[{"individual":{"display":"박지영"}}],"location":[{"location":{"display":"71병동"}}]"#,
        ),
        encounter("b", "응급실 방문", "EMER", "2023-06-05T01:00:00Z", "2023-06-05T04:20:00Z", ""),
        a1c("c", "7.7", "2023-03-03", ""),
        a1c("d", "7.1", "2023-04-03", ""),
        order("e", "Ceftriaxone 2 g", "completed", "2023-03-02", "", r#","reasonCode":[{"text":"폐렴"}]"#),
        procedure(
            "f",
            "Bronchoscopy",
            "completed",
            "2023-03-04T03:00:00Z",
            r#","performer":[{"actor":{"display":"최은서"}}]"#,
        ),
        problem("g", "Pneumonia", "resolved", "confirmed", "2023-03-01", "2023-03-20"),
    ])
}

fn admission() -> Subject {
    subject("admission", "입원", &[], &["입원", "admission"])
}

#[test]
fn when_was_it() {
    let scope = subject("bronchoscopy", "기관지내시경", &[], &["bronchoscopy"]);
    let plan = |language| about(language, Shape::When, &[Kind::Procedure], scope.clone());
    assert_eq!(texts(&stays().clean(&plan(En))), ["Bronchoscopy (2023-03-04 12:00, completed)."]);
    assert_eq!(texts(&stays().clean(&plan(Ko))), ["기관지내시경(Bronchoscopy)(2023-03-04 12:00, 완료)."]);
}

#[test]
fn when_did_it_end() {
    let plan = |language| Plan { edge: Edge::End, ..about(language, Shape::When, &[Kind::Encounter], admission()) };
    assert_eq!(
        texts(&stays().clean(&plan(En))),
        ["admission (입원): ended 2023-03-08 11:00 (2023-03-01 10:00 to 2023-03-08 11:00, finished, IMP, 71병동)."]
    );
    assert_eq!(
        texts(&stays().clean(&plan(Ko))),
        ["입원: 종료 2023-03-08 11:00(2023-03-01 10:00~2023-03-08 11:00, 종료, IMP, 71병동)."]
    );
}

#[test]
fn an_end_that_is_not_recorded() {
    let hand = Hand::new(&[encounter("a", "입원", "IMP", "2024-04-28T01:00:00Z", "", "")]);
    let plan = |language| Plan { edge: Edge::End, ..about(language, Shape::When, &[Kind::Encounter], admission()) };
    assert_eq!(
        texts(&hand.clean(&plan(En))),
        ["admission (입원): no end recorded (2024-04-28 10:00, in progress, IMP)."]
    );
    assert_eq!(texts(&hand.clean(&plan(Ko))), ["입원: 종료일 기록 없음(2024-04-28 10:00, 진행 중, IMP)."]);
}

#[test]
fn how_long_it_lasted() {
    let plan = |language| about(language, Shape::Duration, &[Kind::Encounter], admission());
    assert_eq!(
        texts(&stays().clean(&plan(En))),
        ["admission (입원): 7 days (2023-03-01 10:00 to 2023-03-08 11:00, finished, IMP, 71병동, computed)."]
    );
    assert_eq!(
        texts(&stays().clean(&plan(Ko))),
        ["입원: 7일(2023-03-01 10:00~2023-03-08 11:00, 종료, IMP, 71병동, 계산)."]
    );
}

#[test]
fn hours_are_counted_by_the_clock() {
    let emergency = subject("emergency visit", "응급실 방문", &[], &["응급실 방문"]);
    let plan = |language| about(language, Shape::Duration, &[Kind::Encounter], emergency.clone());
    assert!(texts(&stays().clean(&plan(En)))[0].contains(": 3 hours 20 minutes (2023-06-05 10:00 to 2023-06-05 13:20"));
    assert!(
        texts(&stays().clean(&plan(Ko)))[0].starts_with("응급실 방문: 3시간 20분(2023-06-05 10:00~2023-06-05 13:20")
    );
}

#[test]
fn what_goes_on_is_counted_to_today() {
    let hand = Hand::new(&[problem("a", "Hypertension", "active", "confirmed", "2024-03-01", "")]);
    let hypertension = subject("hypertension", "고혈압", &[], &["hypertension"]);
    let plan = |language| about(language, Shape::Duration, &[Kind::Problem], hypertension.clone());
    assert_eq!(
        texts(&hand.clean(&plan(En))),
        ["Hypertension: 2 months (61 days) so far, no end recorded (2024-03-01, active, computed as of 2024-05-01)."]
    );
    assert_eq!(
        texts(&hand.clean(&plan(Ko))),
        ["고혈압(Hypertension): 2개월(61일)째, 종료일 기록 없음(2024-03-01, 활성, 2024-05-01 기준 계산)."]
    );
}

#[test]
fn how_long_ago() {
    let plan = |language| about(language, Shape::Since, &[Kind::Lab], hba1c());
    assert_eq!(
        texts(&stays().clean(&plan(En))),
        ["HbA1c (Hemoglobin A1c): 1 year (394 days) ago (7.1%, 2023-04-03, computed as of 2024-05-01)."]
    );
    assert!(
        texts(&stays().clean(&plan(Ko)))[0]
            .starts_with("당화혈색소(Hemoglobin A1c): 1년(394일) 전(7.1%, 2023-04-03, 2024-05-01 기준 계산)")
    );
}

#[test]
fn at_what_age() {
    let pneumonia = subject("pneumonia", "폐렴", &[], &["pneumonia"]);
    let plan = |language| about(language, Shape::AgeAt, &[Kind::Problem], pneumonia.clone());
    let answer = stays().clean(&plan(En));
    assert_eq!(
        texts(&answer),
        ["Pneumonia: age 62 (2023-03-01 to 2023-03-20, resolved, computed from the birth date 1960-05-20)."]
    );
    assert!(answer.citations.iter().any(|citation| citation.source == "Patient/p1" && citation.r#where == "birthDate"));
    assert_eq!(
        texts(&stays().clean(&plan(Ko))),
        ["폐렴(Pneumonia): 만 62세(2023-03-01~2023-03-20, 해소됨, 생년월일 1960-05-20에서 계산)."]
    );
}

#[test]
fn who_did_it() {
    let scope = subject("bronchoscopy", "기관지내시경", &[], &["bronchoscopy"]);
    let plan = |language| Plan {
        attribute: Some(Attribute::Who),
        ..about(language, Shape::Attribute, &[Kind::Procedure], scope.clone())
    };
    assert_eq!(
        texts(&stays().clean(&plan(En))),
        ["Bronchoscopy (2023-03-04 12:00, completed), responsible person: 최은서."]
    );
    assert_eq!(
        texts(&stays().clean(&plan(Ko))),
        ["기관지내시경(Bronchoscopy)(2023-03-04 12:00, 완료), 담당자: 최은서."]
    );
}

#[test]
fn where_it_was() {
    let plan = |language| Plan {
        attribute: Some(Attribute::Where),
        ..about(language, Shape::Attribute, &[Kind::Encounter], admission())
    };
    let answer = stays().clean(&plan(Ko));
    assert_eq!(texts(&answer), ["입원(2023-03-01 10:00~2023-03-08 11:00, 종료), 장소: 71병동."]);
    assert_eq!(answer.citations.last().map(|citation| citation.quote.as_str()), Some("71병동"));
    assert!(texts(&stays().clean(&plan(En)))[0].ends_with(", place: 71병동."));
}

#[test]
fn why_it_was_given() {
    let drug = subject("ceftriaxone", "세프트리악손", &[], &["ceftriaxone"]);
    let plan = Plan { attribute: Some(Attribute::Why), ..about(En, Shape::Attribute, &[Kind::Medication], drug) };
    assert_eq!(texts(&stays().clean(&plan)), ["Ceftriaxone 2 g (2023-03-02, completed), reason: 폐렴."]);
}

#[test]
fn which_dose() {
    let hand = Hand::new(&[order("a", "Metformin 500 MG", "active", "2021-01-05", "1 tablet twice daily", "")]);
    let plan = |language| Plan {
        attribute: Some(Attribute::Dose),
        ..about(language, Shape::Attribute, &[Kind::Medication], metformin())
    };
    assert_eq!(texts(&hand.clean(&plan(En))), ["Metformin 500 MG (2021-01-05, active), dosage: 1 tablet twice daily."]);
    assert_eq!(
        texts(&hand.clean(&plan(Ko))),
        ["메트포르민(Metformin 500 MG)(2021-01-05, 활성), 용법·용량: 1 tablet twice daily."]
    );
}

#[test]
fn a_dose_put_together_from_parts() {
    let more = r#","dosageInstruction":[{"doseAndRate":[{"doseQuantity":{"value":500,"unit":"mg"}}],"route":{"text":"경구"},"timing":{"repeat":{"frequency":2,"period":1,"periodUnit":"d"}}}]"#;
    let hand = Hand::new(&[order("a", "Metformin", "active", "2021-01-05", "", more)]);
    let plan =
        Plan { attribute: Some(Attribute::Dose), ..about(En, Shape::Attribute, &[Kind::Medication], metformin()) };
    assert_eq!(texts(&hand.clean(&plan)), ["Metformin (2021-01-05, active), dosage: 500 mg, 경구, 2× / 1 d."]);
}

#[test]
fn an_attribute_that_is_not_recorded() {
    let hand = Hand::new(&[order("a", "Metformin", "active", "2021-01-05", "", "")]);
    let plan = |language| Plan {
        attribute: Some(Attribute::Dose),
        ..about(language, Shape::Attribute, &[Kind::Medication], metformin())
    };
    let answer = hand.clean(&plan(En));
    assert!(answer.abstained);
    assert_eq!(answer.answer, "Metformin: its dosage was not found in the record as of 2024-05-01 09:00.");
    assert_eq!(
        hand.clean(&plan(Ko)).answer,
        "Metformin: 용법·용량 정보를 2024-05-01 09:00 기준 기록에서 찾지 못했습니다."
    );
    let strength = Hand::new(&[order("a", "Metformin 500 MG", "active", "2021-01-05", "", "")]);
    assert_eq!(
        texts(&strength.clean(&plan(En))),
        ["Metformin 500 MG (2021-01-05, active)"],
        "the strength in the name"
    );
}

#[test]
fn range_unit_and_status_of_a_result() {
    let hand = Hand::new(&[a1c("a", "7.1", "2024-01-01", &(range("4.0", "6.0", "%") + &status("preliminary")))]);
    let plan = |attribute| Plan { attribute: Some(attribute), ..about(En, Shape::Attribute, &[Kind::Lab], hba1c()) };
    let text = |attribute| hand.clean(&plan(attribute)).claims[0].text.clone();
    assert_eq!(
        text(Attribute::ReferenceRange),
        "HbA1c (Hemoglobin A1c) (2024-01-01, preliminary), reference range: 4.0–6.0 %."
    );
    assert_eq!(text(Attribute::Unit), "HbA1c (Hemoglobin A1c) (2024-01-01, preliminary), unit: %.");
    assert_eq!(text(Attribute::Status), "HbA1c (Hemoglobin A1c) (2024-01-01), status: 7.1%; preliminary.");
}

#[test]
fn the_reaction_of_an_allergy() {
    let more = r#","reaction":[{"manifestation":[{"text":"아나필락시스"}],"severity":"severe"}]"#;
    let hand = Hand::new(&[allergy("a", "Penicillin", "91936005", "active", "confirmed", more)]);
    let penicillin = subject("penicillin", "페니실린", &[], &["penicillin"]);
    let plan = |attribute| Plan {
        attribute: Some(attribute),
        ..about(Ko, Shape::Attribute, &[Kind::Allergy], penicillin.clone())
    };
    assert_eq!(
        texts(&hand.clean(&plan(Attribute::Reaction))),
        ["페니실린(Penicillin)(2019-04-01, 활성), 반응: 아나필락시스."]
    );
    assert_eq!(
        texts(&hand.clean(&plan(Attribute::Severity))),
        ["페니실린(Penicillin)(2019-04-01, 활성), 중증도: severe."]
    );
}

#[test]
fn the_conclusion_of_a_report() {
    let hand =
        Hand::new(&[report("a", "Chest CT", "final", "2024-01-02T01:00:00Z", "우하엽 폐렴. 흉막삼출 없음.", "")]);
    let ct = subject("chest CT", "흉부 CT", &[], &["chest ct"]);
    let plan = |language| Plan {
        attribute: Some(Attribute::Conclusion),
        ..about(language, Shape::Attribute, &[Kind::Report], ct.clone())
    };
    let answer = hand.clean(&plan(Ko));
    assert_eq!(texts(&answer), ["흉부 CT(Chest CT)(2024-01-02), 결론: \"우하엽 폐렴. 흉막삼출 없음.\"."]);
    assert_eq!(answer.citations[0].r#where, "conclusion");
}

#[test]
fn the_conclusion_of_a_panel_is_its_results() {
    let hand = Hand::new(&[
        r#"{"resourceType":"DiagnosticReport","id":"r","status":"final","code":{"text":"Diabetes panel"},"effectiveDateTime":"2024-01-02",
            "result":[{"reference":"Observation/a"}]}"#.to_owned(),
        a1c("a", "7.1", "2024-01-02", ""),
    ]);
    let panel = subject("diabetes panel", "", &[], &["diabetes panel"]);
    let plan = Plan { attribute: Some(Attribute::Conclusion), ..about(En, Shape::Attribute, &[Kind::Report], panel) };
    let answer = hand.clean(&plan);
    assert!(texts(&answer)[0].ends_with("conclusion: Hemoglobin A1c 7.1%."), "{}", answer.answer);
}

#[test]
fn after_an_event() {
    let anchor = Anchor { relation: Relation::After, kinds: vec![Kind::Encounter], subject: Some(admission()) };
    let answer =
        stays().clean(&Plan { anchor: Some(anchor.clone()), ..about(En, Shape::Latest, &[Kind::Lab], hba1c()) });
    assert!(answer.answer.contains("7.1%"));
    let during = Some(Anchor { relation: Relation::During, ..anchor.clone() });
    let answer = stays().clean(&Plan { anchor: during, ..about(En, Shape::Latest, &[Kind::Lab], hba1c()) });
    assert!(answer.answer.contains("7.7%"));
    let before = Some(Anchor { relation: Relation::Before, ..anchor });
    assert!(stays().clean(&Plan { anchor: before, ..about(En, Shape::Latest, &[Kind::Lab], hba1c()) }).abstained);
}

#[test]
fn an_event_that_is_not_there() {
    let surgery = subject("appendectomy", "충수절제술", &[], &["appendectomy"]);
    let anchor = Some(Anchor { relation: Relation::After, kinds: vec![Kind::Procedure], subject: Some(surgery) });
    let answer = stays().clean(&Plan { anchor: anchor.clone(), ..about(En, Shape::Latest, &[Kind::Lab], hba1c()) });
    assert!(answer.abstained && answer.claims.is_empty());
    assert!(
        answer.answer.starts_with("The question refers to \"appendectomy\", which was not found in the record as of"),
        "{}",
        answer.answer
    );
    assert!(
        stays()
            .clean(&Plan { anchor, ..about(Ko, Shape::Latest, &[Kind::Lab], hba1c()) })
            .answer
            .starts_with("질문이 가리키는 'appendectomy'")
    );
}

#[test]
fn given_for_a_reason() {
    let pneumonia = subject("pneumonia", "폐렴", &[], &["pneumonia", "폐렴"]);
    let plan = Plan { because: Some(pneumonia), ..plan(En, Shape::List, &[Kind::Medication]) };
    assert_eq!(texts(&stays().clean(&plan)), ["Ceftriaxone 2 g (2023-03-02, completed)."]);
    let gout = subject("gout", "통풍", &[], &["gout"]);
    assert!(stays().clean(&Plan { because: Some(gout), ..plan }).abstained);
}

#[test]
fn the_next_appointment() {
    let appointment = |id: &str, start: &str, status: &str| {
        format!(
            r#"{{"resourceType":"Appointment","id":"{id}","status":"{status}","description":"내분비내과 외래","start":"{start}","end":"{start}"}}"#
        )
    };
    let hand = Hand::new(&[
        appointment("a", "2024-04-01T01:00:00Z", "fulfilled"),
        appointment("b", "2024-06-01T01:00:00Z", "booked"),
        appointment("c", "2024-05-20T01:00:00Z", "cancelled"),
    ]);
    let answer = hand.clean(&Plan { pick: Some(Pick::Next), ..plan(Ko, Shape::When, &[Kind::Appointment]) });
    assert!(texts(&answer)[0].starts_with("내분비내과 외래(2024-06-01 10:00, 예약됨"), "{}", answer.answer);
    assert!(!answer.answer.contains("2024-05-20"));
}

#[test]
fn the_latest_event_of_a_kind() {
    let answer = stays().clean(&plan(Ko, Shape::Latest, &[Kind::Encounter]));
    assert_eq!(texts(&answer), ["가장 최근 내원은 응급실 방문입니다(2023-06-05 10:00~2023-06-05 13:20, 종료, EMER)."]);
    let answer = stays().clean(&plan(En, Shape::First, &[Kind::Encounter]));
    assert!(
        texts(&answer)[0]
            .starts_with("The first recorded encounter is 입원 (2023-03-01 10:00 to 2023-03-08 11:00, finished")
    );
}

#[test]
fn an_undated_entry_says_so() {
    let hand = Hand::new(&[problem("a", "Hypertension", "active", "confirmed", "", "")]);
    assert_eq!(texts(&hand.clean(&plan(En, Shape::List, &[Kind::Problem]))), ["Hypertension (undated, active)."]);
    assert_eq!(texts(&hand.clean(&plan(Ko, Shape::List, &[Kind::Problem]))), ["Hypertension(날짜 없음, 활성)."]);
}

#[test]
fn an_undated_entry_is_in_no_window() {
    let hand = Hand::new(&[problem("a", "Hypertension", "active", "confirmed", "", "")]);
    let window = Some(Window { from: Some(date(2000, 1, 1)), to: None });
    assert!(hand.clean(&Plan { window, ..plan(En, Shape::List, &[Kind::Problem]) }).abstained);
}

#[test]
fn partial_dates_stay_partial() {
    let hand = Hand::new(&[problem("a", "Hypertension", "active", "confirmed", "2015-03", "")]);
    assert_eq!(texts(&hand.clean(&plan(En, Shape::List, &[Kind::Problem]))), ["Hypertension (2015-03, active)."]);
}

#[test]
fn a_problem_that_lasted_into_the_window_counts() {
    let hand = Hand::new(&[problem("a", "Hypertension", "active", "confirmed", "2015-03-01", "")]);
    let window = Some(Window { from: Some(date(2023, 1, 1)), to: Some(date(2023, 12, 31)) });
    assert!(!hand.clean(&Plan { window, state: State::Any, ..plan(En, Shape::List, &[Kind::Problem]) }).abstained);
}
