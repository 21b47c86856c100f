//! Latest, first, series, trend, highest, lowest, average, change, conditions.

use haechi_record::chart::Kind;
use jiff::civil::date;

use crate::hand::*;
use crate::plan::{Filter, Language, Pick, Plan, Shape, Subject, Window};

const LABS: &[Kind] = &[Kind::Lab];
use Language::{En, Ko};

fn three() -> Hand {
    Hand::new(&[
        a1c("a", "6.5", "2022-01-10T00:30:00Z", ""),
        a1c("b", "7.4", "2023-02-11T00:30:00Z", &flag("H")),
        a1c("c", "7.1", "2024-03-11T23:30:00Z", &(flag("H") + &range("4.0", "6.0", "%"))),
    ])
}

fn first_claim(hand: &Hand, plan: &Plan) -> String {
    let answer = hand.clean(plan);
    assert!(!answer.abstained, "{}", answer.answer);
    answer.claims[0].text.clone()
}

#[test]
fn the_latest_in_english() {
    assert_eq!(
        first_claim(&three(), &about(En, Shape::Latest, LABS, hba1c())),
        "The latest HbA1c (Hemoglobin A1c) is 7.1% (2024-03-12 08:30, high, reference 4.0–6.0 %)."
    );
}

#[test]
fn the_latest_in_korean() {
    assert_eq!(
        first_claim(&three(), &about(Ko, Shape::Latest, LABS, hba1c())),
        "가장 최근 당화혈색소(Hemoglobin A1c)는 7.1%입니다(2024-03-12 08:30, 높음, 참고치 4.0–6.0 %)."
    );
}

#[test]
fn the_latest_cites_the_digits_at_their_element() {
    let answer = three().clean(&about(En, Shape::Latest, LABS, hba1c()));
    let citation = &answer.citations[0];
    assert_eq!(
        (citation.source.as_str(), citation.quote.as_str(), citation.r#where.as_str()),
        ("Observation/c", "7.1", "valueQuantity")
    );
    assert_eq!(citation.date.as_deref(), Some("2024-03-12 08:30"));
    assert_eq!(answer.claims[0].citations, [1]);
}

#[test]
fn digits_are_kept_as_recorded() {
    let hand = Hand::new(&[a1c("a", "7.10", "2024-01-01", "")]);
    assert!(first_claim(&hand, &about(En, Shape::Latest, LABS, hba1c())).contains("is 7.10% (2024-01-01)"));
}

#[test]
fn the_first() {
    assert_eq!(
        first_claim(&three(), &about(En, Shape::First, LABS, hba1c())),
        "The first recorded HbA1c (Hemoglobin A1c) is 6.5% (2022-01-10 09:30)."
    );
    assert_eq!(
        first_claim(&three(), &about(Ko, Shape::First, LABS, hba1c())),
        "기록상 첫 당화혈색소(Hemoglobin A1c)는 6.5%입니다(2022-01-10 09:30)."
    );
}

#[test]
fn a_preliminary_result_is_said_as_such() {
    let hand = Hand::new(&[a1c("a", "7.4", "2024-01-01", ""), a1c("b", "8.0", "2024-02-01", &status("preliminary"))]);
    assert_eq!(
        first_claim(&hand, &about(En, Shape::Latest, LABS, hba1c())),
        "The latest HbA1c (Hemoglobin A1c) is 8.0% (2024-02-01, preliminary)."
    );
    assert!(
        first_claim(&hand, &about(Ko, Shape::Latest, LABS, hba1c())).ends_with("8.0%입니다(2024-02-01, 예비 결과).")
    );
}

#[test]
fn a_corrected_result_is_said_as_such() {
    let hand = Hand::new(&[a1c("a", "7.4", "2024-01-01", &status("corrected"))]);
    assert!(first_claim(&hand, &about(En, Shape::Latest, LABS, hba1c())).contains("corrected"));
    assert!(first_claim(&hand, &about(Ko, Shape::Latest, LABS, hba1c())).contains("정정됨"));
}

#[test]
fn an_entry_in_error_never_supports_the_latest() {
    let hand =
        Hand::new(&[a1c("a", "7.4", "2024-01-01", ""), a1c("b", "14.0", "2024-02-01", &status("entered-in-error"))]);
    let answer = hand.clean(&about(En, Shape::Latest, LABS, hba1c()));
    assert!(answer.claims[0].text.contains("7.4%"));
    assert!(!answer.answer.contains("14.0"));
    assert_eq!(
        answer.claims[1].text,
        "An entry for HbA1c (Hemoglobin A1c) is marked as entered in error (2024-02-01)."
    );
}

#[test]
fn a_cancelled_result_is_mentioned_in_korean() {
    let hand = Hand::new(&[a1c("b", "14.0", "2024-02-01", &status("cancelled"))]);
    let answer = hand.clean(&about(Ko, Shape::Latest, LABS, hba1c()));
    assert!(answer.abstained);
    assert!(answer.answer.starts_with("당화혈색소: 2024-05-01 09:00 기준 기록에서 찾지 못했습니다"));
    assert_eq!(
        answer.claims[0].text,
        "당화혈색소(Hemoglobin A1c) 기록은 '취소됨' 상태로 표시되어 있습니다(2024-02-01)."
    );
}

#[test]
fn two_values_of_one_time_are_both_shown_and_said_to_conflict() {
    let hand = Hand::new(&[a1c("a", "7.4", "2024-01-01T00:00:00Z", ""), a1c("b", "8.4", "2024-01-01T00:00:00Z", "")]);
    let answer = hand.clean(&about(En, Shape::Latest, LABS, hba1c()));
    assert!(answer.answer.contains("7.4%") && answer.answer.contains("8.4%"));
    assert!(
        answer.warnings[0].starts_with("Conflicting values are recorded for the same time"),
        "{:?}",
        answer.warnings
    );
    let korean = hand.clean(&about(Ko, Shape::Latest, LABS, hba1c()));
    assert!(korean.warnings[0].starts_with("같은 시각에 서로 다른 값"));
}

#[test]
fn one_value_twice_is_no_conflict() {
    let hand = Hand::new(&[a1c("a", "7.4", "2024-01-01T00:00:00Z", ""), a1c("b", "7.40", "2024-01-01T00:00:00Z", "")]);
    assert!(hand.clean(&about(En, Shape::Latest, LABS, hba1c())).warnings.is_empty());
}

#[test]
fn blood_groups_that_differ_are_both_shown() {
    let group = |id: &str, value: &str, when: &str| lab(id, "ABO group", "883-9", value, "", when, "");
    let hand = Hand::new(&[group("a", "A", "2015-01-01"), group("b", "O", "2023-01-01")]);
    let plan = about(Ko, Shape::Latest, LABS, subject("blood type", "혈액형", &[(LOINC, "883-9")], &["abo group"]));
    let answer = hand.clean(&plan);
    assert!(
        answer.answer.contains("혈액형(ABO group): A") && answer.answer.contains("혈액형(ABO group): O"),
        "{}",
        answer.answer
    );
    assert!(answer.warnings[0].starts_with("변하지 않아야 할 항목"));
}

#[test]
fn a_worded_result_is_copied() {
    let hand = Hand::new(&[lab("a", "SARS-CoV-2 RNA", "94500-6", "Not detected", "", "2024-01-02", "")]);
    let covid = subject("COVID-19 PCR", "코로나19 PCR", &[(LOINC, "94500-6")], &["sars-cov-2 rna"]);
    assert_eq!(
        first_claim(&hand, &about(En, Shape::Latest, LABS, covid.clone())),
        "The latest COVID-19 PCR (SARS-CoV-2 RNA) is Not detected (2024-01-02)."
    );
    assert_eq!(
        first_claim(&hand, &about(Ko, Shape::Latest, LABS, covid)),
        "가장 최근 코로나19 PCR(SARS-CoV-2 RNA)은 Not detected입니다(2024-01-02)."
    );
}

#[test]
fn a_comparator_is_kept() {
    let raw = lab("a", "CRP", "1988-5", "5", "mg/L", "2024-01-02", "")
        .replace(r#""value":5"#, r#""value":5,"comparator":"<""#);
    let hand = Hand::new(&[raw]);
    let crp = subject("CRP", "C반응단백", &[(LOINC, "1988-5")], &["crp"]);
    assert_eq!(first_claim(&hand, &about(En, Shape::Latest, LABS, crp)), "The latest CRP is <5 mg/L (2024-01-02).");
}

#[test]
fn a_missing_value_says_why() {
    let raw = r#"{"resourceType":"Observation","id":"a","status":"final","category":[{"coding":[{"code":"laboratory"}]}],
        "code":{"text":"CRP"},"effectiveDateTime":"2024-01-02","dataAbsentReason":{"text":"hemolysed"}}"#;
    let hand = Hand::new(&[raw.to_owned()]);
    let crp = subject("CRP", "C반응단백", &[], &["crp"]);
    let answer = hand.clean(&about(En, Shape::Latest, LABS, crp.clone()));
    assert_eq!(answer.claims[0].text, "The latest CRP: no value recorded (hemolysed) (2024-01-02).");
    let korean = hand.clean(&about(Ko, Shape::Latest, LABS, crp));
    assert!(korean.claims[0].text.contains("값이 기록되지 않음 (hemolysed)"), "{}", korean.answer);
}

#[test]
fn blood_pressure_is_written_as_clinicians_do() {
    let hand = Hand::new(&[bp("a", "142", "91", "2024-01-02T01:00:00Z")]);
    let answer = hand.clean(&about(En, Shape::Latest, &[Kind::Vital], pressure()));
    assert_eq!(
        answer.claims[0].text,
        "The latest blood pressure panel is 142/91 mmHg (2024-01-02 10:00)."
            .replace("blood pressure panel", "Blood pressure panel")
    );
    assert_eq!(answer.claims[0].citations, [1, 2], "both numbers are cited");
    let korean = hand.clean(&about(Ko, Shape::Latest, &[Kind::Vital], pressure()));
    assert_eq!(korean.claims[0].text, "가장 최근 혈압(Blood pressure panel)은 142/91 mmHg입니다(2024-01-02 10:00).");
}

#[test]
fn one_component_of_a_panel() {
    let hand = Hand::new(&[bp("a", "142", "91", "2024-01-02T01:00:00Z")]);
    let systolic =
        subject("systolic blood pressure", "수축기 혈압", &[(LOINC, "8480-6")], &["systolic blood pressure"]);
    assert_eq!(
        first_claim(&hand, &about(Ko, Shape::Latest, &[Kind::Vital], systolic)),
        "가장 최근 수축기 혈압(Systolic blood pressure)은 142 mmHg입니다(2024-01-02 10:00)."
    );
}

#[test]
fn the_series_is_complete_and_newest_first() {
    let answer = three().clean(&about(En, Shape::Series, LABS, hba1c()));
    assert_eq!(answer.claims[0].text, "3 values of HbA1c (Hemoglobin A1c) are recorded:");
    assert_eq!(answer.claims[0].citations.len(), 3);
    assert_eq!(answer.claims[1].text, "2024-03-12 08:30: 7.1% (high, reference 4.0–6.0 %)");
    assert_eq!(answer.claims[2].text, "2023-02-11 09:30: 7.4% (high)");
    assert_eq!(answer.claims[3].text, "2022-01-10 09:30: 6.5%");
    let korean = three().clean(&about(Ko, Shape::Series, LABS, hba1c()));
    assert_eq!(korean.claims[0].text, "당화혈색소(Hemoglobin A1c) 기록은 총 3건입니다:");
}

#[test]
fn a_long_series_counts_and_cites_what_it_does_not_list() {
    let all: Vec<String> = (0..75)
        .map(|n| a1c(&format!("v{n:02}"), "7.1", &format!("20{:02}-0{}-01", 10 + n / 8, 1 + n % 8), ""))
        .collect();
    let answer = Hand::new(&all).clean(&about(En, Shape::Series, LABS, hba1c()));
    assert!(answer.claims[0].text.starts_with("75 values"));
    let last = answer.claims.last().expect("claims");
    assert_eq!(last.text, "15 older entries, counted in the total, are only cited here.");
    assert_eq!(last.citations.len(), 15);
    assert_eq!(answer.citations.len(), 75);
}

#[test]
fn the_series_of_a_window_says_the_window() {
    let window = Some(Window { from: Some(date(2023, 1, 1)), to: Some(date(2024, 12, 31)) });
    let answer = three().clean(&Plan { window, ..about(En, Shape::Series, LABS, hba1c()) });
    assert_eq!(
        answer.claims[0].text,
        "2 values of HbA1c (Hemoglobin A1c) are recorded between 2023-01-01 and 2024-12-31:"
    );
    let korean = three().clean(&Plan { window, ..about(Ko, Shape::Series, LABS, hba1c()) });
    assert_eq!(korean.claims[0].text, "당화혈색소(Hemoglobin A1c) 기록은 총 2건입니다 (2023-01-01~2024-12-31):");
}

#[test]
fn a_window_is_cut_in_the_zone_of_the_site() {
    // 2024-03-11T23:30Z is 12 March in Seoul.
    let day = Some(Window { from: Some(date(2024, 3, 12)), to: Some(date(2024, 3, 12)) });
    assert!(!three().clean(&Plan { window: day, ..about(En, Shape::Latest, LABS, hba1c()) }).abstained);
    let before = Some(Window { from: Some(date(2024, 3, 11)), to: Some(date(2024, 3, 11)) });
    assert!(three().clean(&Plan { window: before, ..about(En, Shape::Latest, LABS, hba1c()) }).abstained);
}

#[test]
fn a_trend_says_where_it_went() {
    let answer = three().clean(&about(En, Shape::Trend, LABS, hba1c()));
    assert_eq!(
        answer.claims[0].text,
        "HbA1c (Hemoglobin A1c) rose from 6.5% (2022-01-10 09:30) to 7.1% (2024-03-12 08:30), by 0.6 (computed from 3 values)."
    );
    assert_eq!(answer.claims.len(), 5, "the values follow");
    let korean = three().clean(&about(Ko, Shape::Trend, LABS, hba1c()));
    assert_eq!(
        korean.claims[0].text,
        "당화혈색소(Hemoglobin A1c)는 6.5%(2022-01-10 09:30)에서 7.1%(2024-03-12 08:30)로 상승했습니다(차이 0.6, 값 3개로 계산)."
    );
}

#[test]
fn falling_and_unchanged_trends() {
    let fell = Hand::new(&[a1c("a", "9.0", "2023-01-01", ""), a1c("b", "7.0", "2024-01-01", "")]);
    assert!(first_claim(&fell, &about(En, Shape::Trend, LABS, hba1c())).contains(" fell from 9.0%"));
    assert!(first_claim(&fell, &about(Ko, Shape::Trend, LABS, hba1c())).contains("하락했습니다(차이 2,"));
    let same = Hand::new(&[a1c("a", "7.0", "2023-01-01", ""), a1c("b", "7.0", "2024-01-01", "")]);
    assert!(first_claim(&same, &about(En, Shape::Trend, LABS, hba1c())).contains("stayed the same"));
    assert!(first_claim(&same, &about(Ko, Shape::Trend, LABS, hba1c())).contains("변화가 없습니다"));
}

#[test]
fn one_value_is_no_trend() {
    let hand = Hand::new(&[a1c("a", "7.0", "2023-01-01", "")]);
    let answer = hand.clean(&about(En, Shape::Trend, LABS, hba1c()));
    assert_eq!(answer.warnings, ["Only one value is recorded; a trend needs two."]);
    assert!(answer.answer.contains("7.0%"));
}

fn glucose() -> Subject {
    subject("glucose", "혈당", &[(LOINC, "2345-7"), (LOINC, "14749-6")], &["glucose"])
}

fn in_two_units() -> Hand {
    Hand::new(&[
        lab("a", "Glucose", "2345-7", "100", "mg/dL", "2023-01-01", ""),
        lab("b", "Glucose", "2345-7", "110", "mg/dL", "2023-02-01", ""),
        lab("c", "Glucose [Moles/volume]", "14749-6", "5.0", "mmol/L", "2023-03-01", ""),
    ])
}

#[test]
fn values_in_mass_and_moles_are_compared_and_shown_in_both() {
    let hand = in_two_units();
    let trend = hand.clean(&about(En, Shape::Trend, LABS, glucose()));
    assert_eq!(
        trend.claims[0].text,
        "Glucose [Moles/volume] fell from 100 mg/dL (= 5.55 mmol/L) (2023-01-01) to 5.0 mmol/L (2023-03-01), by 0.55 (computed from 3 values)."
    );
    assert!(trend.answer.contains("110 mg/dL (= 6.11 mmol/L)"), "{}", trend.answer);
    assert_eq!(
        trend.warnings,
        [
            "Values are recorded in different units (mg/dL, mmol/L); they were converted to mmol/L to compare them (glucose, 180.156 g/mol). The recorded value is shown with the converted one (=) beside it."
        ]
    );
    let average = hand.clean(&about(Ko, Shape::Average, LABS, glucose()));
    assert!(average.claims[0].text.contains("평균은 5.55 mmol/L입니다(값 3개로 계산"), "{}", average.answer);
    assert_eq!(average.claims.len(), 1);
    let highest = hand.clean(&about(En, Shape::Highest, LABS, glucose()));
    assert!(highest.claims[0].text.contains("110 mg/dL (= 6.11 mmol/L)"), "{}", highest.answer);
    assert_eq!(highest.claims.len(), 1);
}

#[test]
fn a_bound_is_compared_in_its_own_unit() {
    let hand = in_two_units();
    let above = |number, unit: &str| Plan {
        filter: Some(Filter::Above(number, false)),
        filter_unit: Some(unit.to_owned()),
        ..about(En, Shape::Whether, LABS, glucose())
    };
    let answer = hand.clean(&above(6.0, "mmol/l"));
    assert!(answer.answer.contains("Yes: Glucose: 110 mg/dL (= 6.11 mmol/l)"), "{}", answer.answer);
    let none = hand.clean(&above(7.0, "mmol/L"));
    assert!(none.claims[0].text.starts_with("Of 3 recorded values none is above 7 mmol/L"), "{}", none.answer);
    // Without a unit nobody knows whether mg/dL or mmol/L is meant: the newest value's is taken, the others are not judged.
    let bare = hand.clean(&Plan { filter_unit: None, ..above(105.0, "") });
    assert!(bare.claims[0].text.starts_with("Of 1 recorded value none is above 105"), "{}", bare.answer);
    assert!(!bare.warnings.is_empty());
}

#[test]
fn units_that_do_not_convert_are_kept_apart() {
    let hand = Hand::new(&[
        lab("a", "Haechine", "90001-9", "100", "mg/dL", "2023-01-01", ""),
        lab("b", "Haechine", "90001-9", "110", "mg/dL", "2023-02-01", ""),
        lab("c", "Haechine", "90001-9", "6.1", "mmol/L", "2023-03-01", ""),
    ]);
    let haechine = subject("haechine", "해치인", &[(LOINC, "90001-9")], &["haechine"]);
    let answer = hand.clean(&about(En, Shape::Trend, LABS, haechine.clone()));
    assert!(answer.claims[0].text.contains("rose from 100 mg/dL (2023-01-01) to 110 mg/dL (2023-02-01), by 10"));
    assert!(!answer.answer.contains("fell"), "6.1 mmol/L is not below 110 mg/dL");
    assert_eq!(
        answer.warnings,
        ["Values are recorded in different units (mg/dL, mmol/L); they are kept apart and not converted."]
    );
    let average = hand.clean(&about(Ko, Shape::Average, LABS, haechine.clone()));
    assert!(average.claims[0].text.contains("평균은 105 mg/dL입니다(값 2개로 계산"), "{}", average.answer);
    assert_eq!(average.claims.len(), 2, "one mean a unit");
    let highest = hand.clean(&about(En, Shape::Highest, LABS, haechine));
    assert_eq!(highest.claims.len(), 2, "one extreme a unit");
}

#[test]
fn spellings_of_one_unit_are_one_series() {
    let hand = Hand::new(&[
        lab("a", "Glucose", "2345-7", "100", "mg/dL", "2023-01-01", ""),
        lab("b", "Glucose", "2345-7", "110", "mg/dl", "2023-02-01", ""),
    ]);
    let answer =
        hand.clean(&about(En, Shape::Average, LABS, subject("glucose", "혈당", &[(LOINC, "2345-7")], &["glucose"])));
    assert!(answer.warnings.is_empty());
    assert!(answer.claims[0].text.contains("105 mg/dl"));
}

#[test]
fn the_highest_and_the_lowest() {
    assert_eq!(
        first_claim(&three(), &about(En, Shape::Highest, LABS, hba1c())),
        "The highest HbA1c (Hemoglobin A1c) is 7.4% (2023-02-11 09:30, high, of 3 values)."
    );
    assert_eq!(
        first_claim(&three(), &about(Ko, Shape::Lowest, LABS, hba1c())),
        "당화혈색소(Hemoglobin A1c) 최저값은 6.5%입니다(2022-01-10 09:30, 값 3개 중)."
    );
    let answer = three().clean(&about(En, Shape::Highest, LABS, hba1c()));
    assert_eq!(answer.claims[0].citations.len(), 3, "all values compared are cited");
    assert_eq!(answer.citations[0].source, "Observation/b", "the extreme one first");
}

#[test]
fn ties_are_all_shown() {
    let hand = Hand::new(&[
        a1c("a", "7.0", "2022-01-01", ""),
        a1c("b", "7.0", "2023-01-01", ""),
        a1c("c", "6.0", "2024-01-01", ""),
    ]);
    let answer = hand.clean(&about(En, Shape::Highest, LABS, hba1c()));
    assert!(answer.answer.contains("2022-01-01") && answer.answer.contains("2023-01-01"));
}

#[test]
fn the_mean_is_said_to_be_computed_and_cites_all() {
    let answer = three().clean(&about(En, Shape::Average, LABS, hba1c()));
    assert_eq!(
        answer.claims[0].text,
        "The mean HbA1c (Hemoglobin A1c) is 7% (computed from 3 values, 2022-01-10 09:30 to 2024-03-12 08:30)."
    );
    assert_eq!(answer.claims[0].citations.len(), 3);
    let uneven = Hand::new(&[
        a1c("a", "6.5", "2023-01-01", ""),
        a1c("b", "7.4", "2023-02-01", ""),
        a1c("c", "7.2", "2023-03-01", ""),
    ]);
    assert!(
        first_claim(&uneven, &about(Ko, Shape::Average, LABS, hba1c())).contains("평균은 7.03%입니다(값 3개로 계산")
    );
}

#[test]
fn a_mean_leaves_comparators_out_and_says_so() {
    let below = lab("c", "CRP", "1988-5", "5", "mg/L", "2024-01-03", "")
        .replace(r#""value":5"#, r#""value":5,"comparator":"<""#);
    let hand = Hand::new(&[
        lab("a", "CRP", "1988-5", "10", "mg/L", "2024-01-01", ""),
        lab("b", "CRP", "1988-5", "20", "mg/L", "2024-01-02", ""),
        below,
    ]);
    let answer = hand.clean(&about(En, Shape::Average, LABS, subject("CRP", "", &[(LOINC, "1988-5")], &["crp"])));
    assert!(answer.claims[0].text.contains("is 15 mg/L (computed from 2 values"));
    assert_eq!(answer.warnings, ["1 values that are no plain numbers are left out of the mean."]);
}

#[test]
fn a_mean_with_a_preliminary_value_says_so() {
    let hand = Hand::new(&[a1c("a", "7.0", "2023-01-01", ""), a1c("b", "8.0", "2023-02-01", &status("preliminary"))]);
    assert!(first_claim(&hand, &about(En, Shape::Average, LABS, hba1c())).ends_with("(including: preliminary)."));
    assert!(first_claim(&hand, &about(Ko, Shape::Average, LABS, hba1c())).ends_with("(포함: 예비 결과)."));
}

#[test]
fn the_change_is_from_the_value_before() {
    assert_eq!(
        first_claim(&three(), &about(En, Shape::Change, LABS, hba1c())),
        "HbA1c (Hemoglobin A1c) fell from 7.4% (2023-02-11 09:30) to 7.1% (2024-03-12 08:30), by 0.3 (computed from 2 values)."
    );
    assert!(
        first_claim(&three(), &about(Ko, Shape::Change, LABS, hba1c()))
            .contains("7.1%(2024-03-12 08:30)로 하락했습니다(차이 0.3")
    );
}

#[test]
fn the_change_in_a_window_is_from_its_first_value() {
    let window = Some(Window { from: Some(date(2022, 1, 1)), to: None });
    let text = first_claim(&three(), &Plan { window, ..about(En, Shape::Change, LABS, hba1c()) });
    assert!(text.contains("rose from 6.5%"), "{text}");
}

#[test]
fn one_value_is_no_change() {
    let hand = Hand::new(&[a1c("a", "7.0", "2023-01-01", "")]);
    let answer = hand.clean(&about(Ko, Shape::Change, LABS, hba1c()));
    assert_eq!(answer.warnings, ["값이 하나만 기록되어 변화를 말할 수 없습니다."]);
}

#[test]
fn the_last_two_of_three() {
    let answer = three().clean(&Plan { limit: Some(2), ..about(En, Shape::Latest, LABS, hba1c()) });
    assert_eq!(answer.claims.len(), 2);
    assert!(answer.claims[0].text.contains("7.1%") && answer.claims[1].text.contains("7.4%"));
}

#[test]
fn values_above_a_bound() {
    let filter = Some(Filter::Above(7.2, false));
    let answer = three().clean(&Plan { filter, ..about(En, Shape::Whether, LABS, hba1c()) });
    assert_eq!(answer.claims[0].text, "Yes: HbA1c (Hemoglobin A1c): 7.4% (2023-02-11 09:30, high).");
    let answer = three().clean(&Plan { filter, ..about(Ko, Shape::List, LABS, hba1c()) });
    assert_eq!(answer.claims.len(), 1);
    assert!(answer.answer.contains("7.4%") && !answer.answer.contains("7.1%"));
}

#[test]
fn no_value_above_the_bound_stands_on_all_of_them() {
    let filter = Some(Filter::Above(9.0, false));
    let answer = three().clean(&Plan { filter, ..about(En, Shape::Whether, LABS, hba1c()) });
    assert!(!answer.abstained);
    assert_eq!(
        answer.claims[0].text,
        "Of 3 recorded values none is above 9; closest: HbA1c (Hemoglobin A1c): 7.4% (2023-02-11 09:30, high)."
    );
    assert_eq!(answer.claims[0].citations.len(), 3);
    let korean = three().clean(&Plan { filter, ..about(Ko, Shape::Whether, LABS, hba1c()) });
    assert!(
        korean.claims[0].text.starts_with("기록된 값 3개 중 9 초과인 값은 없습니다. 가장 가까운 값: "),
        "{}",
        korean.answer
    );
}

#[test]
fn a_bound_in_another_unit_is_not_compared() {
    let filter = Some(Filter::Above(5.0, false));
    let plan = Plan { filter, filter_unit: Some("mmol/L".to_owned()), ..about(En, Shape::Whether, LABS, hba1c()) };
    let answer = three().clean(&plan);
    assert!(answer.abstained);
    assert!(answer.answer.contains("with a value that can be compared with that one"), "{}", answer.answer);
}

#[test]
fn whether_the_latest_is_high() {
    let plan = |language| Plan {
        filter: Some(Filter::High),
        pick: Some(Pick::Newest),
        ..about(language, Shape::Whether, LABS, hba1c())
    };
    assert!(first_claim(&three(), &plan(En)).starts_with("Yes: HbA1c (Hemoglobin A1c): 7.1% (2024-03-12 08:30, high"));
    assert!(
        first_claim(&three(), &plan(Ko)).starts_with("예, 당화혈색소(Hemoglobin A1c): 7.1%(2024-03-12 08:30, 높음")
    );
    let normal = Hand::new(&[a1c("a", "9.0", "2023-01-01", &flag("H")), a1c("b", "5.0", "2024-01-01", &flag("N"))]);
    assert_eq!(
        first_claim(&normal, &plan(En)),
        "Of 1 recorded value none is high; closest: HbA1c (Hemoglobin A1c): 5.0% (2024-01-01, normal)."
    );
}

#[test]
fn abnormal_only_needs_a_witness() {
    let hand = Hand::new(&[
        a1c("a", "7.4", "2024-01-01", &flag("H")),
        lab("b", "Potassium", "2823-3", "6.0", "mmol/L", "2024-01-02", &range("3.5", "5.1", "mmol/L")),
        lab("c", "Sodium", "2951-2", "120", "mmol/L", "2024-01-03", ""),
        lab("d", "Chloride", "2075-0", "100", "mmol/L", "2024-01-03", &flag("N")),
    ]);
    let answer = hand.clean(&Plan { filter: Some(Filter::Abnormal), ..plan(En, Shape::List, LABS) });
    assert!(answer.answer.contains("Hemoglobin A1c: 7.4% (2024-01-01, high)"), "{}", answer.answer);
    assert!(
        answer
            .answer
            .contains("Potassium: 6.0 mmol/L (2024-01-02, above the recorded range, reference 3.5–5.1 mmol/L)")
    );
    assert!(!answer.answer.contains("Sodium") && !answer.answer.contains("Chloride"));
    assert_eq!(
        answer.warnings,
        ["1 further values could not be judged: they carry no flag or reference range, or another unit."]
    );
}

#[test]
fn nothing_that_can_be_judged_is_no_answer() {
    let hand = Hand::new(&[lab("c", "Sodium", "2951-2", "120", "mmol/L", "2024-01-03", "")]);
    let answer = hand.clean(&Plan { filter: Some(Filter::Abnormal), ..plan(En, Shape::List, LABS) });
    assert!(answer.abstained);
}

#[test]
fn a_subject_may_carry_its_own_condition() {
    let hand = Hand::new(&[bp("a", "142", "80", "2024-01-02T01:00:00Z"), bp("b", "120", "78", "2024-02-02T01:00:00Z")]);
    let systolic = Subject {
        filter: Some(Filter::Above(140.0, false)),
        ..subject("systolic blood pressure", "수축기 혈압", &[(LOINC, "8480-6")], &["systolic blood pressure"])
    };
    let diastolic = Subject {
        filter: Some(Filter::Above(90.0, false)),
        ..subject("diastolic blood pressure", "이완기 혈압", &[(LOINC, "8462-4")], &["diastolic blood pressure"])
    };
    let plan = Plan { subjects: vec![systolic, diastolic], ..plan(En, Shape::Whether, &[Kind::Vital]) };
    let answer = hand.clean(&plan);
    assert!(answer.claims[0].text.starts_with("Yes: Systolic blood pressure: 142 mmHg"), "{}", answer.answer);
    assert!(
        answer.claims[1]
            .text
            .starts_with("Of 2 recorded values none is above 90; closest: Diastolic blood pressure: 80 mmHg")
    );
}

#[test]
fn positive_and_negative_results() {
    let hand = Hand::new(&[
        lab("a", "HBsAg", "5195-3", "Non-reactive", "", "2023-01-02", ""),
        lab("b", "HBsAg", "5195-3", "Reactive", "", "2024-01-02", ""),
    ]);
    let antigen = subject("HBsAg", "B형간염 표면항원", &[(LOINC, "5195-3")], &["hbsag"]);
    let answer = hand.clean(&Plan { filter: Some(Filter::Positive), ..about(En, Shape::Whether, LABS, antigen) });
    assert_eq!(answer.claims[0].text, "Yes: HBsAg: Reactive (2024-01-02).");
}

#[test]
fn two_subjects_are_answered_one_by_one() {
    let hand = Hand::new(&[a1c("a", "7.4", "2024-01-01", "")]);
    let creatinine = subject("creatinine", "크레아티닌", &[(LOINC, "2160-0")], &["creatinine"]);
    let plan = Plan { subjects: vec![hba1c(), creatinine], ..plan(En, Shape::Latest, LABS) };
    let answer = hand.clean(&plan);
    assert!(!answer.abstained);
    assert_eq!(answer.claims.len(), 1);
    assert!(
        answer.answer.ends_with("creatinine: not found in the record as of 2024-05-01 09:00 (searched: lab results)."),
        "{}",
        answer.answer
    );
}

#[test]
fn a_citation_names_the_hl7_field_that_the_element_came_from() {
    let mut hand = three();
    let fields = vec![("valueQuantity".to_owned(), "OBX[2]-5".to_owned()), ("code".to_owned(), "OBX[2]-3".to_owned())];
    for entry in &mut hand.chart.entries {
        entry.origin = Some(haechi_record::chart::Origin { control_id: "MSG1".to_owned(), fields: fields.clone() });
    }
    let answer = hand.clean(&about(En, Shape::Latest, LABS, hba1c()));
    assert_eq!(answer.citations[0].r#where, "valueQuantity (OBX[2]-5)");
    let count = hand.clean(&about(En, Shape::Count, LABS, hba1c()));
    assert_eq!(
        count.citations[0].r#where, "code.text (OBX[2]-3)",
        "what stands in `code` came from where `code` came from"
    );
}

#[test]
fn the_same_chart_gives_the_same_answer() {
    for language in [En, Ko] {
        let plan = about(language, Shape::Trend, LABS, hba1c());
        assert_eq!(three().clean(&plan).answer, three().clean(&plan).answer);
    }
}
