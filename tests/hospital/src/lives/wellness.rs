//! Check-ups of the healthy, and the fall of an old woman.

use super::words;
use crate::catalog::drug;
use crate::catalog::lab::{Analyte, Panel, URINALYSIS, URINE_CULTURE, URINE_GLUCOSE, URINE_PROTEIN};
use crate::catalog::{disease, service};
use crate::course::{ADMITTED, Life, MORNING, REHABILITATION, Set, dose};
use crate::moment::{Since, days_after, minutes_after};
use crate::notes;
use crate::people::{FAMILY_MEDICINE, MEDICINE, ORTHOPAEDICS};
use crate::record::{Content, Result, Status, Step, Value};

fn strip(what: crate::codes::Concept, text: &str) -> Result {
    let flag = Some(if text == "음성" { "N" } else { "A" });
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

fn checkup(life: &mut Life, day: jiff::civil::Date) -> Option<usize> {
    let visit = life.clinic(day, FAMILY_MEDICINE, words("건강검진"))?;
    life.visit_vitals(visit, Set::Whole);
    life.visit_labs(visit, &[Panel::Blood, Panel::Diabetes, Panel::Lipid, Panel::Liver, Panel::Renal]);
    let taken = minutes_after(life.start(visit), 12);
    let urine = Content::Values(vec![strip(URINE_PROTEIN, "음성"), strip(URINE_GLUCOSE, "음성")]);
    life.report(Some(visit), URINALYSIS, "CH", taken, minutes_after(taken, 60), urine);
    life.diagnose(visit, &[disease::CHECKUP]);
    let at = minutes_after(life.start(visit), 20);
    life.study(
        visit,
        at,
        service::CHEST_FILM,
        disease::CHECKUP,
        &["심장과 종격동은 정상.", "폐 실질에 활동성 병변 없음. 흉수 없음."],
        &["정상 흉부 X선."],
    );
    Some(visit)
}

/// Nothing wrong, year after year.
pub(super) fn healthy(life: &mut Life) {
    let first = days_after(life.record.registered.date(), 6);
    for days in [0, 31, 185] {
        life.vaccinate(days_after(first, days), service::HEPATITIS_B_ADULT);
    }
    let mut day = days_after(life.record.registered.date(), 1);
    while let Some(visit) = checkup(life, day) {
        life.clinic_note(
            visit,
            ("불편감 없음.", "No complaints."),
            &[("특이 소견 없음, 내년 검진", "No abnormality, check-up next year")],
        );
        day = days_after(day, 355 + life.dice.between(0, 30));
    }
}

/// Check-ups of a woman of fifty: reflux, insomnia, knees, a thin bone.
pub(super) fn checkups(life: &mut Life) {
    let first_day = days_after(life.record.registered.date(), 1);
    let mut day = first_day;
    let mut at = 0;
    while let Some(visit) = checkup(life, day) {
        match at {
            0 => {
                life.found(visit, disease::REFLUX);
                life.start_drug(visit, drug::ESOMEPRAZOLE, MORNING, disease::REFLUX);
            }
            1 => {
                life.found(visit, disease::OSTEOPOROSIS);
                life.start_drug(
                    visit,
                    drug::ALENDRONATE,
                    dose("1", "QW", "매주 월요일 아침 공복에 물 한 컵과 함께"),
                    disease::OSTEOPOROSIS,
                );
                let when = minutes_after(life.start(visit), 30);
                life.study(
                    visit,
                    when,
                    service::BONE_DENSITY,
                    disease::OSTEOPOROSIS,
                    &["요추 T-score -2.7, 대퇴경부 T-score -2.3."],
                    &["골다공증."],
                );
            }
            _ => {
                life.found(visit, disease::KNEE_ARTHRITIS);
                let medicine = life.start_drug(visit, drug::CELECOXIB, MORNING, disease::KNEE_ARTHRITIS);
                let end = days_after(life.start(visit).date(), 28).at(20, 0, 0, 0);
                life.step(medicine, end, Step::Finish);
                life.found(visit, disease::INSOMNIA);
                let medicine = life.start_drug(
                    visit,
                    drug::ZOLPIDEM,
                    dose("0.5", "QHS", "1일 1회 자기 직전 반 정"),
                    disease::INSOMNIA,
                );
                let end = days_after(life.start(visit).date(), 60).at(20, 0, 0, 0);
                life.step(medicine, end, Step::Stop);
            }
        }
        life.clinic_note(
            visit,
            ("속쓰림이 가끔 있음. 삼킴곤란 없음.", "Occasional heartburn. No dysphagia."),
            &[("생활습관 교정", "Lifestyle advice")],
        );
        day = days_after(day, 360);
        at += 1;
    }
}

/// A fall at home, half a new hip, delirium, a urinary infection, and home by way of rehabilitation.
pub(super) fn hip_fracture(life: &mut Life) {
    let from = days_after(life.record.registered.date(), 1);
    let fall = life.ago(330, 40);
    life.reserve(fall, 14);
    life.known_since(disease::HYPERTENSION, Since::Year(from.year() - 15));
    life.known_since(disease::KNEE_ARTHRITIS, Since::Year(from.year() - 6));
    for visit in super::follow(life, from, 130, MEDICINE, super::FOLLOW_UP) {
        life.visit_vitals(visit, Set::Short);
        life.visit_labs(visit, &[Panel::Renal, Panel::Electrolytes]);
        life.diagnose(visit, &[disease::HYPERTENSION]);
        life.clinic_note(
            visit,
            (
                "무릎 통증으로 걷기 힘듦. 어지러움은 가끔.",
                "Walks with difficulty because of knee pain. Dizzy at times.",
            ),
            &[("낙상 예방 교육", "Fall prevention advice")],
        );
    }
    let first = life.record.visits.iter().position(|visit| visit.start.date() >= from);
    if let Some(first) = first {
        life.start_drug(first, drug::AMLODIPINE, MORNING, disease::HYPERTENSION);
    }
    let Some(room) = life.emergency(fall.at(7, 50, 0, 0), words("낙상 후 좌측 고관절 통증"), 4, ADMITTED)
    else {
        return;
    };
    let start = life.start(room);
    life.body.line(
        Analyte::Haemoglobin,
        &[
            (days_after(fall, -60), 12.1),
            (fall, 11.3),
            (days_after(fall, 2), 8.8),
            (days_after(fall, 5), 10.0),
            (days_after(fall, 90), 11.8),
        ],
    );
    life.body.line(Analyte::Sodium, &[(days_after(fall, -60), 138.0), (fall, 133.0), (days_after(fall, 6), 137.0)]);
    life.vitals(room, minutes_after(start, 5), Set::Ward);
    life.labs(room, minutes_after(start, 20), &[Panel::Blood, Panel::Electrolytes, Panel::Coagulation, Panel::Renal]);
    life.diagnose(room, &[disease::HIP_FRACTURE]);
    life.study(
        room,
        minutes_after(start, 25),
        service::HIP_FILM,
        disease::HIP_FRACTURE,
        &["좌측 대퇴골 경부의 전위된 골절선이 관찰됨.", "탈구 없음. 골반 골절 없음."],
        &["좌측 대퇴골 경부 전위 골절."],
    );
    let at = minutes_after(start, 150);
    let language = life.language();
    let text = notes::emergency(
        &life.record,
        room,
        at,
        language,
        ("집 욕실에서 미끄러져 넘어진 뒤 좌측 고관절 통증", "Left hip pain after slipping in the bathroom"),
        &[("의식 소실 없음. 머리 부딪힘 없음.", "No loss of consciousness. No head injury.")],
        ("정형외과 입원, 수술 계획", "Admit to orthopaedics for surgery"),
    );
    life.note(room, service::EMERGENCY_NOTE, at, text);
    let handed_over = life.handed_over(room);
    let Some(stay) = life.admission(handed_over, ORTHOPAEDICS, words("대퇴골 경부 골절"), 13, REHABILITATION)
    else {
        return;
    };
    let start = life.start(stay);
    let problem = life.found(stay, disease::HIP_FRACTURE);
    life.resolve(problem, days_after(fall, 120));
    life.found(stay, disease::OSTEOPOROSIS);
    life.diagnose(stay, &[disease::HIP_FRACTURE, disease::OSTEOPOROSIS, disease::DELIRIUM]);
    let at = minutes_after(start, 80);
    let text = notes::admission(
        &life.record,
        stay,
        at,
        language,
        ("좌측 고관절 통증", "Left hip pain"),
        &[(
            "낙상 후 보행이 불가능한 상태로 응급실을 거쳐 입원함.",
            "Admitted through the emergency room, unable to walk after a fall.",
        )],
        &[("반치환술, 혈전 예방", "Hemiarthroplasty, thrombosis prophylaxis")],
    );
    life.note(stay, service::ADMISSION_NOTE, at, text);
    let knife = days_after(fall, 1).at(13, 20, 0, 0);
    life.procedure(stay, knife, service::HEMIARTHROPLASTY, disease::HIP_FRACTURE);
    let at = minutes_after(knife, 170);
    let text = notes::page(
        &life.record,
        stay,
        at,
        language,
        ("수술기록", "OPERATION NOTE"),
        &[
            ("수술명: 좌측 고관절 인공관절 반치환술", "Procedure: left hip hemiarthroplasty"),
            ("출혈량 250 mL, 수술 후 수혈 1단위.", "Blood loss 250 mL, one unit transfused afterwards."),
        ],
    );
    life.note(stay, service::OPERATION_NOTE, at, text);
    life.procedure(stay, days_after(fall, 2).at(10, 0, 0, 0), service::TRANSFUSION, disease::HIP_FRACTURE);
    life.course_of(
        stay,
        minutes_after(knife, 720),
        drug::ENOXAPARIN,
        dose("40", "QD", "1일 1회 피하주사"),
        disease::HIP_FRACTURE,
        12,
    );
    life.course_of(
        stay,
        minutes_after(knife, 240),
        drug::ACETAMINOPHEN,
        crate::course::THRICE,
        disease::HIP_FRACTURE,
        14,
    );
    let night = days_after(fall, 3).at(2, 15, 0, 0);
    let delirium = life.problem(Some(stay), disease::DELIRIUM, crate::moment::Since::Day(night.date()), night);
    life.resolve(delirium, days_after(fall, 8));
    life.course_of(
        stay,
        minutes_after(night, 20),
        drug::QUETIAPINE,
        dose("0.5", "QHS", "1일 1회 자기 전 반 정"),
        disease::DELIRIUM,
        5,
    );
    let text = notes::page(
        &life.record,
        stay,
        minutes_after(night, 60),
        language,
        ("간호기록", "NURSING NOTE"),
        &[(
            "02시 15분 수액줄을 당기고 지남력이 떨어짐. 낙상 예방 조치를 하고 당직의에게 알림.",
            "At 02:15 pulled at the drip and was disoriented. Fall precautions taken, doctor on call informed.",
        )],
    );
    life.note(stay, service::NURSING_NOTE, minutes_after(night, 60), text);
    for day in 1..=12 {
        let at = days_after(fall, day).at(7, 5, 0, 0);
        life.vitals(stay, at, Set::Ward);
        if matches!(day, 2 | 5 | 9) {
            life.labs(stay, minutes_after(at, -35), &[Panel::Blood, Panel::Electrolytes, Panel::Renal]);
            let at = minutes_after(at, 115);
            let text = notes::progress(
                &life.record,
                stay,
                at,
                language,
                (
                    "수술 부위 통증 조절됨. 밤사이 섬망 여부 관찰.",
                    "Wound pain controlled. Watched for delirium at night.",
                ),
                &[("재활치료 시작, 골다공증 약 시작 예정", "Start rehabilitation, osteoporosis treatment to follow")],
            );
            life.note(stay, service::PROGRESS_NOTE, at, text);
        }
    }
    let taken = days_after(fall, 6).at(9, 0, 0, 0);
    let found = Result {
        flag: Some("A"),
        ..strip(URINE_CULTURE, "Escherichia coli 10^5 CFU/mL, 시프로플록사신 감수성")
    };
    life.report(
        Some(stay),
        URINE_CULTURE,
        "MB",
        taken,
        days_after(fall, 8).at(11, 0, 0, 0),
        Content::Values(vec![found]),
    );
    let infection = life.problem(
        Some(stay),
        disease::URINARY_INFECTION,
        crate::moment::Since::Day(taken.date()),
        minutes_after(taken, 120),
    );
    life.resolve(infection, days_after(fall, 14));
    life.course_of(stay, minutes_after(taken, 150), drug::LEVOFLOXACIN, MORNING, disease::URINARY_INFECTION, 5);
    life.prescribe(
        Some(stay),
        days_after(fall, 10).at(10, 0, 0, 0),
        drug::ALENDRONATE,
        dose("1", "QW", "매주 월요일 아침 공복에 물 한 컵과 함께"),
        Some(disease::OSTEOPOROSIS),
    );
    life.prescribe(
        Some(stay),
        days_after(fall, 10).at(10, 2, 0, 0),
        drug::CALCIUM,
        MORNING,
        Some(disease::OSTEOPOROSIS),
    );
    if let Some(end) = life.record.visits[stay].end() {
        let at = minutes_after(end, -25);
        let text = notes::discharge(
            &life.record,
            stay,
            at,
            language,
            &[
                (
                    "반치환술 후 3일째 섬망이 있었으나 회복됨. 요로감염은 항생제로 치료함.",
                    "Delirium on day 3 after hemiarthroplasty, recovered. Urinary infection treated.",
                ),
                ("심부정맥혈전증의 증거는 없었음.", "No evidence of deep vein thrombosis."),
            ],
            &[(
                "재활병원으로 전원, 6주 뒤 정형외과 외래",
                "Transferred to rehabilitation, orthopaedic clinic in 6 weeks",
            )],
        );
        life.note(stay, service::DISCHARGE_SUMMARY, at, text);
    }
    if let Some(visit) = life.clinic(days_after(fall, 55), ORTHOPAEDICS, words("수술 후 추적")) {
        life.visit_vitals(visit, Set::Short);
        life.diagnose(visit, &[disease::HIP_FRACTURE]);
        let at = minutes_after(life.start(visit), 10);
        life.study(
            visit,
            at,
            service::HIP_FILM,
            disease::HIP_FRACTURE,
            &["좌측 인공관절의 위치는 양호하며 해리 소견 없음."],
            &["수술 후 양호한 상태."],
        );
        life.clinic_note(
            visit,
            ("보행기로 걷고 있음. 통증은 경미.", "Walks with a frame. Little pain."),
            &[("골다공증 약 유지", "Continue osteoporosis treatment")],
        );
    }
}
