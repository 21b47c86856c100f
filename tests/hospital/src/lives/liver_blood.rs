//! Hepatitis B watched for years; anaemia of iron.

use super::{follow, words};
use crate::catalog::drug;
use crate::catalog::lab::{Analyte, HBE_ANTIGEN, HBS_ANTIGEN, HEPATITIS_SEROLOGY, Panel};
use crate::catalog::{disease, service};
use crate::codes::Concept;
use crate::course::{Life, MORNING, Set, TWICE};
use crate::moment::{Since, days_after, minutes_after};
use crate::notes::relative;
use crate::people::{MEDICINE, OBSTETRICS};
use crate::record::{Content, Result, Status, Step, Value};

fn word(what: Concept, text: &str) -> Result {
    let flag = Some(if text.contains("양성") { "A" } else { "N" });
    Result {
        what,
        value: Value::Text(text.to_owned()),
        unit: None,
        decimals: 0,
        range: (None, None),
        flag,
        status: Status::Final,
        note: None,
    }
}

/// Chronic hepatitis B on tenofovir, surveillance every half year, cirrhosis early.
pub(super) fn hepatitis(life: &mut Life) {
    let from = days_after(life.record.registered.date(), 1);
    let point = |days: i64| days_after(from, days);
    life.relative(relative("MTH", "mother"), disease::HEPATITIS_B, None);
    life.drinks("음주 안 함");
    life.known_since(disease::HEPATITIS_B, Since::Year(from.year() - 14));
    life.body.line(
        Analyte::HbvDna,
        &[(from, 5_400_000.0), (point(90), 18_000.0), (point(200), 640.0), (point(380), 42.0), (point(600), 12.0)],
    );
    life.body.line(Analyte::Alt, &[(from, 142.0), (point(90), 61.0), (point(220), 31.0), (point(2000), 24.0)]);
    life.body.line(Analyte::Ast, &[(from, 98.0), (point(90), 49.0), (point(220), 30.0), (point(2000), 25.0)]);
    life.body.line(Analyte::Platelets, &[(from, 148.0), (point(2000), 124.0)]);
    life.body.line(Analyte::Albumin, &[(from, 3.9), (point(800), 4.1)]);
    let visits = follow(life, from, 150, MEDICINE, words("만성 B형간염 추적"));
    let [first, ..] = visits[..] else { return };
    life.start_drug(first, drug::TENOFOVIR, MORNING, disease::HEPATITIS_B);
    for (at, visit) in visits.iter().copied().enumerate() {
        life.visit_vitals(visit, Set::Short);
        life.visit_labs(visit, &[Panel::Liver, Panel::HbvDna, Panel::Afp, Panel::Blood]);
        life.diagnose(visit, &[disease::HEPATITIS_B]);
        if at % 4 == 0 {
            let taken = minutes_after(life.start(visit), 10);
            let e_antigen = if at == 0 { "양성" } else { "음성" };
            let values = Content::Values(vec![word(HBS_ANTIGEN, "양성"), word(HBE_ANTIGEN, e_antigen)]);
            life.report(Some(visit), HEPATITIS_SEROLOGY, "SR", taken, minutes_after(taken, 90), values);
        }
        if at % 2 == 0 {
            let when = minutes_after(life.start(visit), 12);
            life.study(
                visit,
                when,
                service::ABDOMEN_ULTRASOUND,
                disease::HEPATITIS_B,
                &["간 실질 에코가 거칠고 간 표면이 불규칙함.", "국소 병변 없음. 복수 없음. 비장 크기 12.1 cm."],
                &["만성 간질환에 합당한 소견, 간암 의심 병변 없음."],
            );
        }
        if at == 3 {
            life.found(visit, disease::CIRRHOSIS);
        }
        let told = *life.dice.pick(&[
            ("피로감 외 증상 없음. 약은 빠짐없이 복용.", "Fatigue only. Takes the drug every day."),
            ("복부 팽만 없음. 음주하지 않음.", "No abdominal distension. Does not drink."),
        ]);
        life.clinic_note(
            visit,
            told,
            &[("테노포비르 유지, 6개월마다 초음파와 AFP", "Continue tenofovir, ultrasound and AFP every 6 months")],
        );
    }
}

/// Heavy periods, a fibroid, iron by mouth; intolerance makes her stop and start again.
pub(super) fn iron_deficiency(life: &mut Life) {
    let from = days_after(life.record.registered.date(), 1);
    let point = |days: i64| days_after(from, days);
    life.body.line(
        Analyte::Haemoglobin,
        &[(from, 8.4), (point(60), 10.2), (point(140), 12.1), (point(420), 11.2), (point(520), 12.6)],
    );
    life.body.line(Analyte::Mcv, &[(from, 70.0), (point(140), 84.0), (point(420), 81.0), (point(600), 88.0)]);
    life.body.line(Analyte::Ferritin, &[(from, 4.1), (point(140), 26.0), (point(420), 11.0), (point(600), 41.0)]);
    life.body.line(Analyte::Iron, &[(from, 17.0), (point(140), 74.0), (point(420), 42.0), (point(600), 90.0)]);
    life.body.line(Analyte::Tibc, &[(from, 468.0), (point(140), 360.0), (point(600), 330.0)]);
    let visits = follow(life, from, 70, MEDICINE, words("빈혈 추적"));
    let [first, ..] = visits[..] else { return };
    life.found(first, disease::IRON_DEFICIENCY);
    let iron = life.start_drug(first, drug::FERROUS, TWICE, disease::IRON_DEFICIENCY);
    for (at, visit) in visits.iter().copied().enumerate() {
        life.visit_vitals(visit, if at % 2 == 0 { Set::Whole } else { Set::Short });
        life.visit_labs(visit, if at % 2 == 0 { &[Panel::Blood, Panel::Iron] } else { &[Panel::Blood] });
        life.diagnose(visit, &[disease::IRON_DEFICIENCY]);
        let plan: &[(&str, &str)] = match at {
            2 => {
                life.step(iron, minutes_after(life.start(visit), 139), Step::Hold);
                life.remark(iron, "위장 불편으로 보류 후 재개");
                &[("위장 불편으로 철분제 4주 보류", "Hold iron for 4 weeks because of stomach upset")]
            }
            3 => {
                life.step(iron, minutes_after(life.start(visit), 139), Step::Resume);
                &[("철분제 다시 시작", "Resume iron")]
            }
            _ => &[("철분제 유지", "Continue iron")],
        };
        let told = if at == 0 {
            (
                "월경량이 많고 계단에서 숨이 참. 혈변은 없음.",
                "Heavy periods, short of breath on stairs. No blood in stool.",
            )
        } else {
            ("어지러움 호전됨. 변비가 약간 있음.", "Less dizzy. Mild constipation.")
        };
        life.clinic_note(visit, told, plan);
    }
    let Some(visit) = life.clinic(days_after(from, 20), OBSTETRICS, words("월경과다")) else { return };
    life.visit_vitals(visit, Set::Short);
    life.found(visit, disease::MYOMA);
    life.diagnose(visit, &[disease::MYOMA]);
    life.clinic_note(
        visit,
        ("월경이 8일 이상 지속됨. 월경통은 심하지 않음.", "Periods last more than 8 days. Little pain."),
        &[("3.5 cm 자궁근종 추적 관찰", "Observe the 3.5 cm fibroid")],
    );
}
