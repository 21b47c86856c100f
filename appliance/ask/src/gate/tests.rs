//! Every true sentence is turned false in every way that a template bug or a model could, and must be held back.

use haechi_record::chart::Kind;

use super::*;
use crate::draft::sentence::{Cite, Computed, Rule};
use crate::draft::{self, person};
use crate::evidence;
use crate::hand::*;
use crate::plan::Language::{En, Ko};
use crate::plan::{Attribute, Filter, Plan, Shape, State};

/// A chart with some of everything, and another patient's.
fn charts() -> (Hand, Hand) {
    let own = Hand::new(&[
        a1c("a", "6.5", "2022-01-10T00:30:00Z", ""),
        a1c("b", "7.4", "2023-02-11T00:30:00Z", &(flag("H") + &range("4.0", "6.0", "%"))),
        a1c("c", "7.1", "2024-03-11T23:30:00Z", &status("preliminary")),
        bp("v", "142", "91", "2024-01-02T01:00:00Z"),
        lab("k", "SARS-CoV-2 RNA", "94500-6", "Negative", "", "2024-01-02", ""),
        problem("p", "Essential hypertension", "active", "confirmed", "2015-03-01", ""),
        problem("q", "Pneumonia", "resolved", "confirmed", "2023-03-01", "2023-03-20"),
        problem("x", "Asthma", "active", "refuted", "2011-01-01", ""),
        order("m", "Metformin 500 MG", "active", "2021-01-05", "1정 하루 2회", ""),
        allergy("l", "No known allergy", "716186003", "active", "confirmed", ""),
        encounter("e", "입원", "IMP", "2023-03-01T01:00:00Z", "2023-03-08T02:00:00Z", ""),
        report("r", "Chest CT", "final", "2024-01-02T01:00:00Z", "우하엽 폐렴. 흉막삼출 없음.", ""),
    ]);
    let other = Hand::new(&[
        a1c("z", "9.9", "2024-04-01T00:30:00Z", ""),
        problem("y", "Gout", "active", "confirmed", "2020-01-01", ""),
    ]);
    (own, other)
}

fn plans() -> Vec<Plan> {
    let mut plans = Vec::new();
    for language in [En, Ko] {
        for shape in [
            Shape::Latest,
            Shape::First,
            Shape::Series,
            Shape::Trend,
            Shape::Highest,
            Shape::Lowest,
            Shape::Average,
            Shape::Change,
            Shape::Count,
            Shape::Since,
        ] {
            plans.push(about(language, shape, &[Kind::Lab], hba1c()));
        }
        plans.push(Plan {
            filter: Some(Filter::Above(9.0, false)),
            ..about(language, Shape::Whether, &[Kind::Lab], hba1c())
        });
        plans.push(Plan {
            filter: Some(Filter::Above(7.0, false)),
            ..about(language, Shape::Count, &[Kind::Lab], hba1c())
        });
        plans.push(about(language, Shape::Latest, &[Kind::Vital], pressure()));
        plans.push(plan(language, Shape::List, &[Kind::Problem]));
        plans.push(plan(language, Shape::List, &[Kind::Medication]));
        plans.push(plan(language, Shape::List, &[Kind::Allergy]));
        plans.push(plan(language, Shape::List, &[Kind::Lab]));
        plans.push(plan(language, Shape::List, &[Kind::Report]));
        plans.push(plan(language, Shape::Duration, &[Kind::Encounter]));
        plans.push(plan(language, Shape::AgeAt, &[Kind::Encounter]));
        plans.push(about(language, Shape::Whether, &[Kind::Medication], metformin()));
        plans.push(about(language, Shape::Whether, &[Kind::Problem], subject("asthma", "천식", &[], &["asthma"])));
        plans.push(Plan {
            state: State::Active,
            ..about(language, Shape::Whether, &[Kind::Problem], subject("pneumonia", "폐렴", &[], &["pneumonia"]))
        });
        plans.push(Plan {
            attribute: Some(Attribute::Dose),
            ..about(language, Shape::Attribute, &[Kind::Medication], metformin())
        });
        for attribute in [Attribute::Age, Attribute::BirthDate, Attribute::Sex, Attribute::Name, Attribute::Phone] {
            plans.push(Plan { attribute: Some(attribute), ..plan(language, Shape::Demographic, &[]) });
        }
    }
    plans
}

fn each_sentence(mut test: impl FnMut(&Sentence<'_>, Context<'_>)) -> usize {
    let (own, _) = charts();
    let setting = setting();
    let mut count = 0;
    for plan in plans() {
        let context = Context { plan: &plan, chart: &own.chart, setting: &setting };
        let draft = if plan.shape == Shape::Demographic {
            person::draft(context)
        } else {
            draft::draft(context, &evidence::collect(&plan, &own.chart, &setting.zone))
        };
        for sentence in draft.sentences.iter().chain(&draft.mentions) {
            assert_eq!(check(sentence, context), Ok(()), "{}", sentence.text());
            count += 1;
            test(sentence, context);
        }
    }
    count
}

/// Replaces the text of part `index`.
fn with_text<'c>(sentence: &Sentence<'c>, index: usize, text: String) -> Sentence<'c> {
    let mut changed = sentence.clone();
    changed.parts[index].text = text;
    changed
}

fn refused(changed: &Sentence<'_>, context: Context<'_>, how: &str, original: &Sentence<'_>) {
    assert!(check(changed, context).is_err(), "{how} passed: {:?}\n  true is: {:?}", changed.text(), original.text());
}

#[test]
fn no_digit_can_be_changed() {
    let sentences = each_sentence(|sentence, context| {
        for (index, part) in sentence.parts.iter().enumerate() {
            for (at, c) in part.text.char_indices().filter(|(_, c)| c.is_ascii_digit()) {
                let mut text = part.text.clone();
                let other = if c == '9' { "8" } else { "9" };
                if c.to_string() == other {
                    continue;
                }
                text.replace_range(at..=at, other);
                refused(&with_text(sentence, index, text), context, "another digit", sentence);
            }
        }
    });
    assert!(sentences > 80, "{sentences} true sentences");
}

#[test]
fn no_digit_can_be_added_or_lost() {
    each_sentence(|sentence, context| {
        for (index, part) in sentence.parts.iter().enumerate() {
            let digits: Vec<(usize, char)> = part.text.char_indices().filter(|(_, c)| c.is_ascii_digit()).collect();
            for (at, _) in &digits {
                let mut text = part.text.clone();
                text.insert(*at, '1');
                refused(&with_text(sentence, index, text), context, "one digit more", sentence);
                let mut text = part.text.clone();
                text.remove(*at);
                // What is left may be the same date written shorter, or cut to its year.
                let whole = part.text.get(..*at).is_some_and(|before| before.ends_with('-'))
                    || part.text.get(at + 1..).is_some_and(|rest| {
                        rest.is_empty() || !rest.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == ':')
                    });
                if digits.len() > 1 && !whole {
                    refused(&with_text(sentence, index, text), context, "one digit less", sentence);
                }
            }
        }
    });
}

#[test]
fn no_denial_can_be_put_in() {
    each_sentence(|sentence, context| {
        let denials: &[&str] = if context.is_korean() {
            &[" 없음", " 아님 ", " 배제됨", "안 ", " 음성 "]
        } else {
            &[" not ", "No ", " without ", " never ", " negative ", " denies "]
        };
        for (index, part) in sentence.parts.iter().enumerate() {
            let spaces: Vec<usize> = part
                .text
                .char_indices()
                .filter(|(_, c)| *c == ' ')
                .map(|(at, _)| at)
                .chain([0, part.text.len()])
                .collect();
            for at in spaces {
                for denial in denials {
                    let mut text = part.text.clone();
                    text.insert_str(at, denial);
                    // The evidence's own words may be said again: a refuted entry is refuted twice.
                    let said = sentence.cites().any(|cite| {
                        cite.quote.contains(denial.trim())
                            || cite.of.entry().is_some_and(|entry| matches!(entry.standing, Standing::Void(_)))
                    });
                    if !said {
                        refused(&with_text(sentence, index, text), context, "a denial", sentence);
                    }
                }
            }
        }
    });
}

#[test]
fn a_denial_cannot_be_left_out() {
    each_sentence(|sentence, context| {
        for (index, part) in sentence.parts.iter().enumerate() {
            for denial in ["No known", "Negative", "없음", "Not recorded", "none is", "없습니다"] {
                if let Some(at) = part.text.find(denial) {
                    let mut text = part.text.clone();
                    let positive = match denial {
                        "No known" => "known",
                        "Negative" => "Positive",
                        "없음" => "있음",
                        "Not recorded" => "Recorded",
                        "none is" => "one is",
                        _ => "있습니다",
                    };
                    // The name of the quantity may end the same: only sentences that carry the denial themselves.
                    text.replace_range(at..at + denial.len(), positive);
                    refused(&with_text(sentence, index, text), context, "no denial", sentence);
                }
            }
        }
    });
}

#[test]
fn no_unit_can_be_changed() {
    each_sentence(|sentence, context| {
        for (index, part) in sentence.parts.iter().enumerate() {
            let own: Vec<&str> = part
                .cites
                .iter()
                .filter_map(Cite::measured)
                .map(|value| value.unit.as_str())
                .filter(|unit| !unit.is_empty())
                .collect();
            for unit in own {
                if !part.text.contains(unit) {
                    continue;
                }
                for other in ["mmol/L", "mg/dL", "g", "mg", "kg", "‰", "cmH2O"] {
                    refused(
                        &with_text(sentence, index, part.text.replace(unit, other)),
                        context,
                        "another unit",
                        sentence,
                    );
                }
            }
        }
    });
}

#[test]
fn no_state_flag_or_direction_can_be_changed() {
    let words: [&[&str]; 12] = [
        &["active", "stopped", "resolved", "completed"],
        &["활성", "중단", "해소됨", "완료"],
        &["high", "low", "normal", "critically high"],
        &["높음", "낮음", "정상"],
        &["rose", "fell", "stayed the same"],
        &["상승했습니다", "하락했습니다", "변화가 없습니다"],
        &["preliminary", "final", "corrected"],
        &["예비 결과", "최종", "정정됨"],
        &["highest", "lowest"],
        &["최고값", "최저값"],
        &["male", "female"],
        &["남성", "여성"],
    ];
    each_sentence(|sentence, context| {
        for (index, part) in sentence.parts.iter().enumerate() {
            for class in words {
                for word in class
                    .iter()
                    .filter(|word| part.text == **word || part.text.trim_matches([' ', ',', '(', ')']) == **word)
                {
                    for other in class.iter().filter(|other| *other != word) {
                        // An active, confirmed entry may be called either.
                        let own = sentence
                            .cites()
                            .filter_map(|cite| cite.of.entry())
                            .any(|entry| words::states(entry, context.language()).iter().any(|state| state == other));
                        if !own {
                            refused(
                                &with_text(sentence, index, part.text.replace(word, other)),
                                context,
                                "another state",
                                sentence,
                            );
                        }
                    }
                }
            }
        }
    });
}

#[test]
fn no_name_can_be_exchanged() {
    each_sentence(|sentence, context| {
        for (index, part) in sentence.parts.iter().enumerate() {
            for name in [
                "Hemoglobin A1c",
                "Essential hypertension",
                "Pneumonia",
                "Metformin 500 MG",
                "Chest CT",
                "HbA1c",
                "당화혈색소",
                "metformin",
            ] {
                if !part.text.contains(name) {
                    continue;
                }
                for other in ["Warfarin", "Creatinine", "Gout", "폐암", "와파린", "Essential thrombocythemia"] {
                    refused(
                        &with_text(sentence, index, part.text.replace(name, other)),
                        context,
                        "another name",
                        sentence,
                    );
                }
            }
        }
    });
}

#[test]
fn nothing_can_be_added() {
    each_sentence(|sentence, context| {
        let last = sentence.parts.len() - 1;
        for more in [
            " Warfarin was stopped.",
            " 와파린을 중단함.",
            " 5 mg",
            " on 2020-02-02",
            " in the left lung",
            " and diabetes",
            " 2회",
            " (severe)",
            " HbA1c 5",
        ] {
            let text = format!("{}{more}", sentence.parts[last].text);
            refused(&with_text(sentence, last, text), context, "an addition", sentence);
        }
    });
}

#[test]
fn no_value_can_borrow_the_date_of_its_neighbour() {
    let (own, _) = charts();
    let setting = setting();
    let plan = about(En, Shape::Series, &[Kind::Lab], hba1c());
    let context = Context { plan: &plan, chart: &own.chart, setting: &setting };
    let draft = draft::draft(context, &evidence::collect(&plan, &own.chart, &setting.zone));
    let lines: Vec<&Sentence<'_>> = draft.sentences.iter().filter(|sentence| sentence.item).collect();
    let mut swapped = lines[0].clone();
    swapped.parts[0].text = lines[1].parts[0].text.clone();
    refused(&swapped, context, "another date", lines[0]);
}

#[test]
fn a_fact_of_another_patient_is_refused() {
    let (own, other) = charts();
    let setting = setting();
    for language in [En, Ko] {
        for plan in
            [about(language, Shape::Latest, &[Kind::Lab], hba1c()), plan(language, Shape::List, &[Kind::Problem])]
        {
            let theirs = Context { plan: &plan, chart: &other.chart, setting: &setting };
            let draft = draft::draft(theirs, &evidence::collect(&plan, &other.chart, &setting.zone));
            let ours = Context { plan: &plan, chart: &own.chart, setting: &setting };
            for sentence in &draft.sentences {
                assert_eq!(check(sentence, theirs), Ok(()));
                assert_eq!(check(sentence, ours), Err("the evidence is not this patient's".to_owned()));
            }
        }
    }
}

#[test]
fn a_sentence_without_evidence_is_refused() {
    let (own, _) = charts();
    let setting = setting();
    let plan = plan(En, Shape::List, &[Kind::Lab]);
    let context = Context { plan: &plan, chart: &own.chart, setting: &setting };
    let bare = Sentence::of(vec![Part::all("The patient is well.", Vec::new())], None);
    assert_eq!(check(&bare, context), Err("no evidence".to_owned()));
    assert_eq!(check(&Sentence::of(Vec::new(), None), context), Err("empty".to_owned()));
}

#[test]
fn a_quote_that_is_not_there_is_refused() {
    let (own, _) = charts();
    let setting = setting();
    let plan = about(En, Shape::Latest, &[Kind::Lab], hba1c());
    let context = Context { plan: &plan, chart: &own.chart, setting: &setting };
    each_sentence(|_, _| {});
    let entry = own.entry("Observation/a");
    for (path, quote) in [("valueQuantity", "6.6%"), ("code.text", "6.5%"), ("valueQuantity", ""), ("nowhere", "6.5%")]
    {
        let cite = Cite { of: Of::Entry(entry), path: path.to_owned(), quote: quote.to_owned() };
        let sentence = Sentence::of(vec![Part::one(format!("{quote} "), cite)], None);
        assert!(check(&sentence, context).is_err(), "{quote} at {path}");
    }
}

#[test]
fn a_void_entry_supports_nothing_but_its_mention() {
    let (own, _) = charts();
    let setting = setting();
    let plan = plan(En, Shape::List, &[Kind::Problem]);
    let context = Context { plan: &plan, chart: &own.chart, setting: &setting };
    let asthma = own.entry("Condition/x");
    let said = |text: &str| check(&Sentence::of(vec![Part::one(text, Cite::title(asthma))], None), context);
    assert!(said("Asthma (2011-01-01, active)").is_err());
    assert!(said("Yes: Asthma (refuted)").is_err(), "a yes is computed");
    assert_eq!(said("Asthma is marked as refuted (2011-01-01)."), Ok(()));
}

#[test]
fn a_yes_needs_an_entry_that_stands() {
    let (own, _) = charts();
    let setting = setting();
    let plan = plan(En, Shape::List, &[Kind::Problem]);
    let context = Context { plan: &plan, chart: &own.chart, setting: &setting };
    let yes = |source: &str, rest: &str| {
        let cite = Cite::title(own.entry(source));
        let lead = Part::one("Yes", cite.clone()).with(Rule::Yes, "Yes");
        check(&Sentence::of(vec![lead, Part::one(rest, cite)], None), context)
    };
    assert_eq!(yes("Condition/p", ": Essential hypertension."), Ok(()));
    assert!(yes("Condition/x", ": Asthma, refuted.").is_err());
}

#[test]
fn computed_words_are_computed_again() {
    let (own, _) = charts();
    let setting = setting();
    let plan = about(En, Shape::Trend, &[Kind::Lab], hba1c());
    let context = Context { plan: &plan, chart: &own.chart, setting: &setting };
    let cites = |sources: &[&str]| -> Vec<Cite<'_>> {
        sources
            .iter()
            .map(|source| {
                let entry = own.entry(source);
                Cite::value(entry, &entry.values[0])
            })
            .collect()
    };
    let all = ["Observation/a", "Observation/b", "Observation/c"];
    for (rule, text, sources, expected) in [
        (Rule::Entries, "3", &all[..], true),
        (Rule::Entries, "4", &all[..], false),
        (Rule::Mean, "7", &all[..], true),
        (Rule::Mean, "7.1", &all[..], false),
        (Rule::Mean, "7", &all[..2], false),
        (Rule::Difference, "0.6", &["Observation/a", "Observation/c"][..], true),
        (Rule::Difference, "0.9", &["Observation/a", "Observation/c"][..], false),
        (Rule::Greatest, "highest", &["Observation/b", "Observation/a", "Observation/c"][..], true),
        (Rule::Greatest, "highest", &all[..], false),
        (Rule::Greatest, "lowest", &["Observation/b", "Observation/a"][..], false),
        (Rule::Smallest, "lowest", &all[..], true),
        (Rule::Direction(crate::draft::sentence::Direction::Rose), "rose", &all[..], true),
        (Rule::Direction(crate::draft::sentence::Direction::Rose), "fell", &all[..], false),
        (Rule::Direction(crate::draft::sentence::Direction::Fell), "fell", &all[..], false),
        (Rule::Asked, "9", &all[..], false),
        (Rule::Today, "2024-05-01", &all[..], true),
        (Rule::Today, "2024-05-02", &all[..], false),
    ] {
        let mut part = Part::all("", cites(sources));
        part.computed.push(Computed { rule: rule.clone(), text: text.to_owned() });
        let sentence = Sentence::of(vec![part.clone()], None);
        assert_eq!(computed::holds(&part.computed[0], &part, &sentence, context), expected, "{rule:?} {text}");
    }
}

#[test]
fn values_in_two_units_give_no_mean() {
    let hand = Hand::new(&[
        lab("a", "Glucose", "2345-7", "100", "mg/dL", "2023-01-01", ""),
        lab("b", "Glucose", "2345-7", "6", "mmol/L", "2023-01-02", ""),
    ]);
    let setting = setting();
    let plan = plan(En, Shape::Average, &[Kind::Lab]);
    let context = Context { plan: &plan, chart: &hand.chart, setting: &setting };
    let cites = hand.chart.entries.iter().map(|entry| Cite::value(entry, &entry.values[0])).collect();
    let part = Part::all("", cites).with(Rule::Mean, "53");
    let sentence = Sentence::of(vec![part.clone()], None);
    assert!(!computed::holds(&part.computed[0], &part, &sentence, context));
}

// ---- sentences that a model worded

fn judged(text: &str, evidence: &str, language: crate::plan::Language) -> Result<(), String> {
    let hand = Hand::new(&[note("n", "Progress note", "2024-02-01", evidence, "")]);
    let setting = setting();
    let plan = plan(language, Shape::Summary, &[Kind::Note]);
    let context = Context { plan: &plan, chart: &hand.chart, setting: &setting };
    let entry = hand.entry("Composition/n");
    let fact = &entry.texts[0];
    let cite = Cite { of: Of::Entry(entry), path: fact.path.clone(), quote: fact.text.clone() };
    check(&Sentence { parts: vec![Part::one(text, cite)], item: true, author: Author::Model, subject: None }, context)
}

const NOTE: &str = "72-year-old man admitted with community acquired pneumonia. Chest X-ray: right lower lobe consolidation. No pleural effusion. \
                    Started ceftriaxone 2 g daily on 2024-01-30. Denies chest pain. Influenza test negative. WBC 14,200 /uL. Temperature 38.5 C.";

#[test]
fn what_the_note_says_passes() {
    for text in [
        "The patient was admitted with community acquired pneumonia.",
        "Chest X-ray showed right lower lobe consolidation.",
        "There is no pleural effusion.",
        "Ceftriaxone 2 g daily was started.",
        "Ceftriaxone 2 g daily was started on 30 January 2024.",
        "The patient denies chest pain.",
        "The 72-year-old man was admitted.",
        "WBC was 14200 /uL.",
        "Influenza test negative.",
        "No pleural effusion",
    ] {
        assert_eq!(judged(text, NOTE, En), Ok(()), "{text}");
    }
}

#[test]
fn every_mutation_of_a_true_sentence_is_held_back() {
    for (text, why) in [
        ("The patient was admitted with community acquired sepsis.", "another finding"),
        ("Chest X-ray showed left lower lobe consolidation.", "another side"),
        ("There is pleural effusion.", "polarity"),
        ("There is no right lower lobe consolidation.", "polarity"),
        ("The patient was not admitted with pneumonia.", "polarity"),
        ("Ceftriaxone 1 g daily was started.", "another number"),
        ("Ceftriaxone 2 mg daily was started.", "another unit"),
        ("Ceftriaxone 2 was started.", "no unit"),
        ("Ceftriaxone 2 g daily was started on 2024-01-31.", "another date"),
        ("Ceftriaxone 2 g twice daily was started.", "another frequency"),
        ("Meropenem 2 g daily was started.", "another drug"),
        ("The patient has chest pain.", "polarity"),
        ("Influenza test positive.", "polarity"),
        ("The influenza test was not negative.", "double denial"),
        ("A 62-year-old man was admitted.", "another age"),
        ("The 72-month-old man was admitted.", "another unit of age"),
        ("WBC was 1420 /uL.", "another magnitude"),
        ("Temperature 38.5 F.", "another scale"),
        ("There is no chest X-ray.", "polarity"),
        ("The patient should take warfarin.", "advice"),
        ("Kim Minsu was admitted.", "a name"),
        ("This was severe.", "a grade"),
    ] {
        assert!(judged(text, NOTE, En).is_err(), "{why}: {text}");
    }
}

#[test]
fn korean_particles_do_not_matter_and_korean_denials_do() {
    let note = "64세 여자 환자. 폐렴으로 입원함. 흉막삼출 없음. 세프트리악손 2 g 투여. 발열 호소. 2024년 1월 30일 퇴원함. 흉통 부인함.";
    for text in [
        "환자는 폐렴으로 입원함.",
        "흉막삼출은 없음.",
        "흉막삼출 없음",
        "세프트리악손 2 g 투여함.",
        "64세 여자 환자입니다.",
        "2024-01-30 퇴원함.",
        "흉통은 부인함.",
    ] {
        assert_eq!(judged(text, note, Ko), Ok(()), "{text}");
    }
    for (text, why) in [
        ("흉막삼출 있음.", "polarity"),
        ("발열 없음.", "polarity"),
        ("폐렴 배제됨.", "polarity"),
        ("흉통 호소.", "polarity"),
        ("세프트리악손 3 g 투여.", "number"),
        ("세프트리악손 2 mg 투여.", "unit"),
        ("메로페넴 2 g 투여.", "drug"),
        ("46세 여자 환자.", "age"),
        ("64세 남자 환자.", "sex"),
        ("2024-01-31 퇴원함.", "date"),
        ("폐암으로 입원함.", "finding"),
        ("폐렴으로 사망함.", "event"),
    ] {
        assert!(judged(text, note, Ko).is_err(), "{why}: {text}");
    }
}

#[test]
fn where_a_denial_may_reach_nothing_is_taken_from_the_text() {
    // Both readings of these are known from real notes; the words behind the comma support nothing.
    let note = "No effusion, consolidation in the right lower lobe.";
    assert!(judged("There is consolidation in the right lower lobe.", note, En).is_err());
    assert!(judged("There is no consolidation in the right lower lobe.", note, En).is_err());
    assert_eq!(
        judged("No effusion, consolidation in the right lower lobe.", note, En),
        Ok(()),
        "word for word it passes"
    );
    assert_eq!(judged("There is no effusion.", note, En), Ok(()));
}

#[test]
fn a_quote_cut_before_its_denial_is_held_back() {
    let note = "Pulmonary embolism was ruled out by CT.";
    assert!(judged("Pulmonary embolism by CT.", note, En).is_err());
    assert_eq!(judged("Pulmonary embolism was ruled out.", note, En), Ok(()));
    assert!(judged("폐색전증 있음.", "폐색전증은 배제됨.", Ko).is_err());
}
