//! Lists, counts, yes or no: problems, medications, allergies, immunizations.

use haechi_record::chart::Kind;
use jiff::civil::date;

use crate::hand::*;
use crate::plan::Language::{En, Ko};
use crate::plan::{Plan, Shape, State, Subject, Window};

fn problems() -> Hand {
    Hand::new(&[
        problem("a", "Essential hypertension", "active", "confirmed", "2015-03-01", ""),
        problem("b", "제2형 당뇨병", "active", "provisional", "2018-06-01", ""),
        problem("c", "Viral sinusitis", "resolved", "confirmed", "2010-01-01", "2010-01-15"),
        problem("d", "Viral sinusitis", "resolved", "confirmed", "2016-02-01", "2016-02-20"),
        problem("e", "Asthma", "active", "refuted", "2011-01-01", ""),
    ])
}

fn texts(answer: &crate::answer::Answer) -> Vec<&str> {
    answer.claims.iter().map(|claim| claim.text.as_str()).collect()
}

#[test]
fn active_problems_each_with_status_and_date() {
    let plan = Plan { state: State::Active, ..plan(En, Shape::List, &[Kind::Problem]) };
    let answer = problems().clean(&plan);
    assert_eq!(
        texts(&answer),
        [
            "2 problems are recorded (including: provisional):",
            "제2형 당뇨병 (2018-06-01, active, provisional)",
            "Essential hypertension (2015-03-01, active)",
        ]
    );
    assert_eq!(
        answer.warnings,
        ["1 entries marked as cancelled, entered in error, refuted or the like are not used in the answer."]
    );
}

#[test]
fn active_problems_in_korean() {
    let plan = Plan { state: State::Active, ..plan(Ko, Shape::List, &[Kind::Problem]) };
    assert_eq!(
        texts(&problems().clean(&plan)),
        [
            "진단 기록은 총 2건입니다(포함: 잠정):",
            "제2형 당뇨병(2018-06-01, 활성, 잠정)",
            "Essential hypertension(2015-03-01, 활성)"
        ]
    );
}

#[test]
fn one_name_stands_once_with_every_date() {
    let answer = problems().clean(&plan(En, Shape::List, &[Kind::Problem]));
    assert_eq!(answer.claims[0].text, "4 problems are recorded, of 3 different names (including: provisional):");
    assert!(
        answer.answer.contains(
            "Viral sinusitis (2016-02-01 to 2016-02-20, resolved); earlier: 2010-01-01 to 2010-01-15 resolved [2][5]"
        ) || answer.answer.contains(
            "Viral sinusitis (2016-02-01 to 2016-02-20, resolved); earlier: 2010-01-01 to 2010-01-15 resolved"
        ),
        "{}",
        answer.answer
    );
}

#[test]
fn resolved_problems_only() {
    let plan = Plan { state: State::Ended, ..plan(Ko, Shape::List, &[Kind::Problem]) };
    assert_eq!(
        texts(&problems().clean(&plan)),
        ["Viral sinusitis(2016-02-01~2016-02-20, 해소됨); 이전: 2010-01-01~2010-01-15 해소됨."]
    );
}

#[test]
fn many_earlier_entries_are_counted() {
    let all: Vec<String> = (1..9)
        .map(|n| {
            problem(
                &format!("s{n}"),
                "Viral sinusitis",
                "resolved",
                "confirmed",
                &format!("201{n}-01-01"),
                &format!("201{n}-01-15"),
            )
        })
        .collect();
    let answer = Hand::new(&all).clean(&plan(En, Shape::List, &[Kind::Problem]));
    assert_eq!(
        texts(&answer),
        [
            "Viral sinusitis (2018-01-01 to 2018-01-15, resolved); 7 earlier entries, the first 2011-01-01 to 2011-01-15."
        ]
    );
    assert_eq!(answer.claims[0].citations.len(), 8);
}

#[test]
fn a_long_list_says_how_many_it_does_not_show() {
    let all: Vec<String> = (0..64)
        .map(|n| problem(&format!("s{n}"), &format!("Condition {n}"), "active", "confirmed", "2020-01-01", ""))
        .collect();
    let answer = Hand::new(&all).clean(&plan(Ko, Shape::List, &[Kind::Problem]));
    assert_eq!(answer.claims[0].text, "진단 기록은 총 64건입니다:");
    assert_eq!(answer.claims.last().expect("claims").text, "이전 4건은 총 건수에 포함되며 여기에는 인용만 합니다.");
    assert!(answer.answer.contains("[1] … [64]"), "long rows of marks are folded");
    assert_eq!(answer.claims[0].citations.len(), 64, "the claim lists all of them");
}

#[test]
fn medications_with_their_dosage() {
    let hand = Hand::new(&[
        order("a", "Metformin 500 MG Oral Tablet", "active", "2021-01-05", "1정 하루 2회 식후", ""),
        order("b", "Warfarin 5 MG", "stopped", "2019-01-05", "", ""),
        order("c", "Amlodipine 5 MG", "on-hold", "2022-01-05", "once daily", ""),
        order("d", "Aspirin", "entered-in-error", "2022-01-06", "", ""),
    ]);
    let active = |language| Plan { state: State::Active, ..plan(language, Shape::List, &[Kind::Medication]) };
    assert_eq!(
        texts(&hand.clean(&active(En))),
        ["Metformin 500 MG Oral Tablet (2021-01-05, active, 1정 하루 2회 식후).",]
    );
    assert_eq!(
        hand.clean(&active(En)).warnings.first().map(String::as_str),
        Some("On hold, and not listed as active: Amlodipine 5 MG (2022-01-05).")
    );
    let korean = hand.clean(&active(Ko));
    assert!(!korean.answer.contains("Aspirin"));
    assert_eq!(
        korean.warnings.first().map(String::as_str),
        Some("보류 상태라 활성 목록에 넣지 않은 기록: Amlodipine 5 MG(2022-01-05).")
    );
}

#[test]
fn two_active_entries_with_different_instructions_conflict() {
    let hand = Hand::new(&[
        order("a", "Metformin 500 MG", "active", "2021-01-05", "once daily", ""),
        order("b", "Metformin 500 MG", "active", "2022-01-05", "twice daily", ""),
    ]);
    let answer = hand.clean(&about(En, Shape::List, &[Kind::Medication], metformin()));
    assert!(
        answer.warnings[0].starts_with("Two active entries of the same medication have different instructions"),
        "{:?}",
        answer.warnings
    );
    assert!(answer.warnings[0].contains("once daily") && answer.warnings[0].contains("twice daily"));
    let korean = hand.clean(&about(Ko, Shape::List, &[Kind::Medication], metformin()));
    assert!(korean.warnings[0].starts_with("같은 약물의 활성 기록 두 건의 용법이 서로 다릅니다"));
}

#[test]
fn is_it_taken_now_yes() {
    let hand = Hand::new(&[order("a", "Metformin 500 MG", "active", "2021-01-05", "", "")]);
    let plan =
        |language| Plan { state: State::Active, ..about(language, Shape::Whether, &[Kind::Medication], metformin()) };
    assert_eq!(texts(&hand.clean(&plan(En))), ["Yes: Metformin 500 MG (2021-01-05, active)."]);
    assert_eq!(texts(&hand.clean(&plan(Ko))), ["예, 메트포르민(Metformin 500 MG)(2021-01-05, 활성)."]);
}

#[test]
fn is_it_taken_now_no_longer() {
    let hand = Hand::new(&[order("a", "Metformin 500 MG", "stopped", "2021-01-05", "", "")]);
    let plan =
        |language| Plan { state: State::Active, ..about(language, Shape::Whether, &[Kind::Medication], metformin()) };
    let answer = hand.clean(&plan(En));
    assert!(!answer.abstained);
    assert_eq!(
        texts(&answer),
        ["Not recorded as active now; the latest entry is Metformin 500 MG (2021-01-05, stopped)."]
    );
    assert_eq!(
        texts(&hand.clean(&plan(Ko))),
        ["현재 활성으로 기록된 것은 없습니다. 가장 최근 기록: 메트포르민(Metformin 500 MG)(2021-01-05, 중단)."]
    );
}

#[test]
fn never_taken_is_not_found_and_nothing_else() {
    let hand = Hand::new(&[order("a", "Warfarin 5 MG", "active", "2021-01-05", "", "")]);
    let answer = hand.clean(&about(En, Shape::Whether, &[Kind::Medication], metformin()));
    assert!(answer.abstained && answer.claims.is_empty() && answer.citations.is_empty());
    assert_eq!(
        answer.answer,
        "metformin: not found in the record as of 2024-05-01 09:00 (searched: medication entries)."
    );
    let korean = hand.clean(&about(Ko, Shape::Whether, &[Kind::Medication], metformin()));
    assert_eq!(korean.answer, "메트포르민: 2024-05-01 09:00 기준 기록에서 찾지 못했습니다(검색 범위: 약물).");
}

#[test]
fn was_it_ever_with_first_and_latest() {
    let sinusitis = subject("sinusitis", "부비동염", &[], &["sinusitis"]);
    let answer = problems().clean(&about(En, Shape::Whether, &[Kind::Problem], sinusitis));
    assert_eq!(
        texts(&answer),
        [
            "Yes: Viral sinusitis (2016-02-01 to 2016-02-20, resolved).",
            "The first recorded problem is Viral sinusitis (2010-01-01 to 2010-01-15, resolved).",
        ]
    );
}

#[test]
fn a_refuted_problem_is_mentioned_and_never_a_yes() {
    let asthma = subject("asthma", "천식", &[], &["asthma", "천식"]);
    let answer = problems().clean(&about(En, Shape::Whether, &[Kind::Problem], asthma.clone()));
    assert!(answer.abstained);
    assert_eq!(texts(&answer), ["An entry for Asthma is marked as refuted (2011-01-01)."]);
    assert!(answer.answer.starts_with("asthma: not found in the record as of"));
    let korean = problems().clean(&about(Ko, Shape::Whether, &[Kind::Problem], asthma));
    assert_eq!(texts(&korean), ["천식(Asthma) 기록은 '배제됨' 상태로 표시되어 있습니다(2011-01-01)."]);
}

#[test]
fn a_provisional_diagnosis_is_said_as_such() {
    let diabetes = subject("diabetes", "당뇨병", &[], &["diabetes", "당뇨병"]);
    assert_eq!(
        texts(&problems().clean(&about(Ko, Shape::Whether, &[Kind::Problem], diabetes))),
        ["예, 제2형 당뇨병(2018-06-01, 활성, 잠정)."]
    );
}

#[test]
fn a_suspicion_is_no_yes() {
    let hand = Hand::new(&[problem("a", "Suspected pneumonia", "active", "unconfirmed", "2024-01-01", "")]);
    let pneumonia = subject("pneumonia", "폐렴", &[], &["pneumonia"]);
    assert_eq!(
        texts(&hand.clean(&about(En, Shape::Whether, &[Kind::Problem], pneumonia))),
        ["Recorded: Suspected pneumonia (2024-01-01, active, unconfirmed)."]
    );
}

#[test]
fn family_history_is_no_yes() {
    let raw = r#"{"resourceType":"FamilyMemberHistory","id":"f","status":"completed","date":"2020-01-01",
        "relationship":{"text":"father"},"condition":[{"code":{"text":"Stomach cancer"}}]}"#;
    let hand = Hand::new(&[raw.to_owned()]);
    let cancer = subject("stomach cancer", "위암", &[], &["stomach cancer"]);
    let answer = hand.clean(&about(En, Shape::Whether, &[Kind::Problem, Kind::FamilyHistory], cancer));
    assert!(!answer.answer.contains("Yes"), "{}", answer.answer);
    assert!(answer.answer.contains("family history") && answer.answer.contains("father"));
}

#[test]
fn conflicting_states_of_one_problem() {
    let hand = Hand::new(&[
        problem("a", "Gastric ulcer", "active", "confirmed", "2020-01-01", ""),
        problem("b", "Gastric ulcer", "resolved", "confirmed", "2019-01-01", "2021-05-01"),
    ]);
    let ulcer = subject("gastric ulcer", "위궤양", &[], &["gastric ulcer"]);
    let answer = hand.clean(&Plan { state: State::Active, ..about(En, Shape::Whether, &[Kind::Problem], ulcer) });
    assert!(
        answer.warnings[0].starts_with("The record holds the same item with conflicting states"),
        "{:?}",
        answer.warnings
    );
    assert!(answer.warnings[0].contains("Condition/a") && answer.warnings[0].contains("Condition/b"));
}

#[test]
fn an_earlier_episode_is_no_conflict() {
    let hand = Hand::new(&[
        problem("a", "Pneumonia", "active", "confirmed", "2024-01-01", ""),
        problem("b", "Pneumonia", "resolved", "confirmed", "2019-01-01", "2019-02-01"),
    ]);
    let pneumonia = subject("pneumonia", "폐렴", &[], &["pneumonia"]);
    assert!(hand.clean(&about(En, Shape::Whether, &[Kind::Problem], pneumonia)).warnings.is_empty());
}

#[test]
fn a_diagnosis_of_a_visit_is_neither_active_nor_over() {
    let visit = problem("v", "Gestational diabetes", "", "confirmed", "2023-01-01", "").replace(
        r#""resourceType":"Condition""#,
        r#""resourceType":"Condition","category":[{"coding":[{"code":"encounter-diagnosis"}]}]"#,
    );
    let hand = Hand::new(&[visit, problem("a", "Gout", "active", "confirmed", "2020-01-01", "")]);
    let state = |state| hand.clean(&Plan { state, ..plan(En, Shape::List, &[Kind::Problem]) });
    assert_eq!(texts(&state(State::Active)), ["Gout (2020-01-01, active)."]);
    assert!(state(State::Ended).abstained);
    assert!(state(State::Any).answer.contains("Gestational diabetes (2023-01-01)"));
}

// ---- allergies

fn penicillin() -> Subject {
    subject("penicillin", "페니실린", &[], &["penicillin", "페니실린"])
}

#[test]
fn allergies_with_reaction() {
    let more = r#","criticality":"high","reaction":[{"manifestation":[{"text":"두드러기"}],"severity":"moderate"}]"#;
    let hand = Hand::new(&[allergy("a", "Penicillin G", "91936005", "active", "confirmed", more)]);
    let list = |language| plan(language, Shape::List, &[Kind::Allergy]);
    assert_eq!(texts(&hand.clean(&list(En))), ["Penicillin G (2019-04-01, active, high, moderate, 두드러기)."]);
    assert_eq!(texts(&hand.clean(&list(Ko))), ["Penicillin G(2019-04-01, 활성, high, moderate, 두드러기)."]);
}

#[test]
fn a_recorded_no_known_allergy_is_an_answer() {
    let hand = Hand::new(&[allergy("a", "No known allergy", "716186003", "active", "confirmed", "")]);
    let answer = hand.clean(&plan(En, Shape::List, &[Kind::Allergy]));
    assert!(!answer.abstained);
    assert_eq!(texts(&answer), ["Recorded: No known allergy (2019-04-01, active)."]);
    let korean = Hand::new(&[allergy("a", "알려진 알레르기 없음", "716186003", "active", "confirmed", "")])
        .clean(&plan(Ko, Shape::List, &[Kind::Allergy]));
    assert_eq!(texts(&korean), ["기록: 알려진 알레르기 없음(2019-04-01, 활성)."]);
}

#[test]
fn no_allergy_entry_at_all_is_not_found_and_not_none() {
    let hand = Hand::new(&[a1c("a", "7.0", "2024-01-01", "")]);
    let answer = hand.clean(&plan(En, Shape::List, &[Kind::Allergy]));
    assert!(answer.abstained);
    assert_eq!(answer.answer, "Nothing was found in the record as of 2024-05-01 09:00 (searched: allergy entries).");
    let korean = hand.clean(&plan(Ko, Shape::List, &[Kind::Allergy]));
    assert_eq!(korean.answer, "2024-05-01 09:00 기준 기록에서 해당 내용을 찾지 못했습니다(검색 범위: 알레르기).");
}

#[test]
fn a_withdrawn_no_known_allergy_says_nothing() {
    let hand = Hand::new(&[allergy("a", "No known allergy", "716186003", "active", "entered-in-error", "")]);
    assert!(hand.clean(&plan(En, Shape::List, &[Kind::Allergy])).abstained);
    let inactive = Hand::new(&[allergy("a", "No known allergy", "716186003", "inactive", "confirmed", "")]);
    assert!(inactive.clean(&plan(En, Shape::List, &[Kind::Allergy])).abstained);
}

#[test]
fn none_known_beside_a_known_one_conflicts() {
    let hand = Hand::new(&[
        allergy("a", "No known allergy", "716186003", "active", "confirmed", ""),
        allergy("b", "Penicillin", "91936005", "active", "confirmed", ""),
    ]);
    let answer = hand.clean(&plan(En, Shape::List, &[Kind::Allergy]));
    assert!(answer.answer.contains("Penicillin"));
    assert!(
        answer.warnings[0].starts_with("\"None known\" is recorded beside a recorded item"),
        "{:?}",
        answer.warnings
    );
}

#[test]
fn one_substance_asked_where_none_is_known() {
    let hand = Hand::new(&[allergy("a", "No known allergy", "716186003", "active", "confirmed", "")]);
    let answer = hand.clean(&about(En, Shape::Whether, &[Kind::Allergy], penicillin()));
    assert_eq!(texts(&answer), ["Recorded: No known allergy (2019-04-01, active)."]);
    assert!(answer.answer.contains("penicillin: not found in the record as of"));
}

#[test]
fn a_refuted_allergy_is_not_an_allergy() {
    let hand = Hand::new(&[allergy("a", "Penicillin", "91936005", "active", "refuted", "")]);
    let answer = hand.clean(&about(Ko, Shape::Whether, &[Kind::Allergy], penicillin()));
    assert!(answer.abstained);
    assert_eq!(texts(&answer), ["페니실린(Penicillin) 기록은 '배제됨' 상태로 표시되어 있습니다(2019-04-01)."]);
}

#[test]
fn an_unconfirmed_allergy_says_so() {
    let hand = Hand::new(&[allergy("a", "Penicillin", "91936005", "active", "unconfirmed", "")]);
    assert_eq!(
        texts(&hand.clean(&about(En, Shape::Whether, &[Kind::Allergy], penicillin()))),
        ["Yes: Penicillin (2019-04-01, active, unconfirmed)."]
    );
}

// ---- counts

#[test]
fn counts_are_said_to_be_counted_and_cite_all() {
    let hand = Hand::new(&[
        encounter("a", "외래 진료", "AMB", "2023-01-05T01:00:00Z", "2023-01-05T02:00:00Z", ""),
        encounter("b", "응급실 방문", "EMER", "2023-06-05T01:00:00Z", "2023-06-05T06:00:00Z", ""),
        encounter("c", "외래 진료", "AMB", "2022-01-05T01:00:00Z", "2022-01-05T02:00:00Z", ""),
    ]);
    let window = Some(Window { from: Some(date(2023, 1, 1)), to: Some(date(2023, 12, 31)) });
    let answer = hand.clean(&Plan { window, ..plan(En, Shape::Count, &[Kind::Encounter]) });
    assert_eq!(answer.claims[0].text, "2 encounters are recorded between 2023-01-01 and 2023-12-31 (counted).");
    assert_eq!(answer.claims[0].citations.len(), 2);
    assert_eq!(answer.claims.len(), 3, "few are listed");
    let korean = hand.clean(&plan(Ko, Shape::Count, &[Kind::Encounter]));
    assert_eq!(korean.claims[0].text, "내원 기록은 총 3건입니다, 이름이 다른 것은 2가지입니다 (집계).");
}

#[test]
fn a_count_of_a_subject() {
    let hand = Hand::new(&[a1c("a", "6.5", "2022-01-10", ""), a1c("b", "7.4", "2023-02-11", "")]);
    assert_eq!(
        hand.clean(&about(En, Shape::Count, &[Kind::Lab], hba1c())).claims[0].text,
        "2 lab results for HbA1c are recorded (counted)."
    );
    assert_eq!(
        hand.clean(&about(Ko, Shape::Count, &[Kind::Lab], hba1c())).claims[0].text,
        "당화혈색소 검사 결과 기록은 총 2건입니다 (집계)."
    );
}

#[test]
fn a_count_of_one() {
    let hand = Hand::new(&[a1c("a", "6.5", "2022-01-10", "")]);
    assert_eq!(
        hand.clean(&about(En, Shape::Count, &[Kind::Lab], hba1c())).claims[0].text,
        "1 lab result for HbA1c is recorded (counted)."
    );
}

#[test]
fn a_count_with_a_condition() {
    let hand = Hand::new(&[a1c("a", "6.5", "2022-01-10", ""), a1c("b", "7.4", "2023-02-11", "")]);
    let filter = Some(crate::plan::Filter::Above(7.0, false));
    let answer = hand.clean(&Plan { filter, ..about(En, Shape::Count, &[Kind::Lab], hba1c()) });
    assert_eq!(answer.claims[0].text, "1 lab result for HbA1c is recorded, above 7 (counted).");
    let korean = hand.clean(&Plan { filter, ..about(Ko, Shape::Count, &[Kind::Lab], hba1c()) });
    assert_eq!(korean.claims[0].text, "당화혈색소 검사 결과 기록은 총 1건입니다, 7 초과인 값 (집계).");
}

#[test]
fn zero_is_never_counted() {
    let hand = Hand::new(&[a1c("a", "6.5", "2022-01-10", "")]);
    let answer = hand.clean(&plan(En, Shape::Count, &[Kind::Encounter]));
    assert!(answer.abstained && !answer.answer.contains("0 encounters"), "{}", answer.answer);
}

#[test]
fn immunizations_and_one_not_done() {
    let hand = Hand::new(&[
        vaccine(
            "a",
            "인플루엔자 백신",
            "completed",
            "2023-10-10",
            r#","lotNumber":"AB123","protocolApplied":[{"doseNumberPositiveInt":2}]"#,
        ),
        vaccine("b", "인플루엔자 백신", "not-done", "2022-10-10", ""),
    ]);
    let flu = subject("influenza vaccine", "독감 백신", &[], &["인플루엔자 백신", "influenza"]);
    let answer = hand.clean(&about(Ko, Shape::Whether, &[Kind::Immunization], flu));
    assert_eq!(
        texts(&answer),
        [
            "예, 독감 백신(인플루엔자 백신)(2023-10-10, 완료, 2).",
            "독감 백신(인플루엔자 백신) 기록은 '시행하지 않음' 상태로 표시되어 있습니다(2022-10-10)."
        ]
    );
}

#[test]
fn labs_without_a_subject_stand_once_each_with_the_latest_value() {
    let hand = Hand::new(&[
        a1c("a", "6.5", "2022-01-10", ""),
        a1c("b", "7.4", "2023-02-11", ""),
        lab("c", "Sodium", "2951-2", "140", "mmol/L", "2023-02-12", ""),
    ]);
    let answer = hand.clean(&plan(En, Shape::List, &[Kind::Lab]));
    assert_eq!(
        texts(&answer),
        [
            "3 lab results are recorded, of 2 different names:",
            "Sodium: 140 mmol/L (2023-02-12)",
            "Hemoglobin A1c: 7.4% (2023-02-11); earlier: 2022-01-10 6.5%",
        ]
    );
}
