//! Names that code systems know and the record does not say.

use std::time::Duration;

use haechi_record::terminology::{Breadth, Name, Names};

use crate::answer::Answer;
use crate::ask_with;
use crate::hand::*;

fn condition(id: &str, system: &str, code: &str, display: &str) -> String {
    format!(
        r#"{{"resourceType":"Condition","id":"{id}","clinicalStatus":{{"coding":[{{"code":"active"}}]}},
            "verificationStatus":{{"coding":[{{"code":"confirmed"}}]}},
            "code":{{"coding":[{{"system":"{system}","code":"{code}","display":"{display}"}}]}},"onsetDateTime":"2023-04-01"}}"#
    )
}

fn named(system: &str, code: &str, names: &[(&str, &str, Breadth)]) -> Names {
    let names = names
        .iter()
        .map(|(language, text, breadth)| {
            let (language, text) = ((*language).to_owned(), (*text).to_owned());
            (Name { language, kind: "name".to_owned(), preferred: true, text }, *breadth)
        })
        .collect();
    Names { system: system.to_owned(), code: code.to_owned(), names }
}

fn ask(hand: &Hand, names: &[Names], question: &str) -> Answer {
    let answer = ask_with(question, &hand.chart, names, &setting(), None, &mut || Duration::ZERO, &mut |_| {});
    assert!(answer.dropped.is_empty(), "held back: {:#?}", answer.dropped);
    answer
}

const SCT: &str = "http://snomed.info/sct";
const KCD: &str = "http://www.hira.or.kr/CodeSystem/kcd-9";

#[test]
fn a_korean_question_finds_what_the_record_names_in_english() {
    // Behçet: in no vocabulary of ours.
    let hand = Hand::new(&[condition("a", SCT, "310701003", "Behcet disease"), condition("b", SCT, "1", "Cough")]);
    let names =
        [named(SCT, "310701003", &[("en", "Behcet disease", Breadth::Same), ("ko", "베체트병", Breadth::Same)])];
    let question = "베체트병 진단받은 적 있나요?";
    assert!(ask(&hand, &[], question).abstained, "without the names nobody knows");
    let answer = ask(&hand, &names, question);
    assert!(!answer.abstained && answer.answer.contains("Behcet disease"), "{}", answer.answer);
    assert_eq!(answer.citations.iter().map(|c| c.source.as_str()).collect::<Vec<_>>(), ["Condition/a"]);
}

#[test]
fn an_english_question_finds_what_the_record_names_in_korean() {
    let hand = Hand::new(&[condition("a", KCD, "K75.4", "자가면역성 간염"), condition("b", KCD, "R05", "기침")]);
    let names = [named(
        KCD,
        "K75.4",
        &[("ko", "자가면역성 간염", Breadth::Same), ("en", "Autoimmune hepatitis", Breadth::Same)],
    )];
    let question = "When was autoimmune hepatitis diagnosed?";
    assert!(ask(&hand, &[], question).abstained);
    let answer = ask(&hand, &names, question);
    assert!(!answer.abstained && answer.answer.contains("2023-04-01"), "{}", answer.answer);
    assert!(answer.answer.contains("자가면역성 간염"), "{}", answer.answer);
}

#[test]
fn a_category_finds_its_members_and_what_a_thing_is_without_finds_nothing() {
    let hand = Hand::new(&[condition("a", KCD, "K58.9", "Irritable bowel syndrome without diarrhoea")]);
    let names = [named(
        KCD,
        "K58.9",
        &[("ko", "설사를 동반하지 않은 자극성 장증후군", Breadth::Same), ("ko", "자극성 장증후군", Breadth::Wider)],
    )];
    assert!(!ask(&hand, &names, "자극성 장증후군 있어?").abstained);
    assert!(ask(&hand, &names, "설사 있었나요?").abstained, "the entry says that there was none");
}

#[test]
fn a_medicine_is_found_by_its_ingredient() {
    let hand = Hand::new(&[r#"{"resourceType":"MedicationRequest","id":"m","status":"active","intent":"order","authoredOn":"2024-01-01",
            "medicationCodeableConcept":{"coding":[{"system":"http://www.nlm.nih.gov/research/umls/rxnorm","code":"9000002","display":"haechine 5 MG Oral Tablet"}]}}"#.to_owned()]);
    let system = "http://www.nlm.nih.gov/research/umls/rxnorm";
    let names = [named(system, "9000002", &[("ko", "해치인", Breadth::Wider)])];
    assert!(ask(&hand, &[], "해치인 먹고 있어?").abstained);
    let answer = ask(&hand, &names, "해치인 먹고 있어?");
    assert!(!answer.abstained && answer.answer.contains("haechine 5 MG"), "{}", answer.answer);
}
