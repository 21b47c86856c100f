//! The heart and its emboli: fibrillation on warfarin, failure, stroke.

use jiff::civil::Date;

use super::{FOLLOW_UP, follow, words};
use crate::catalog::drug;
use crate::catalog::lab::{Analyte, Panel};
use crate::catalog::{disease, service};
use crate::course::{ADMITTED, EVENING, HOME, Life, MORNING, REHABILITATION, Set, TWICE, dose};
use crate::moment::{Since, days_after, minutes_after};
use crate::notes;
use crate::people::{MEDICINE, NEUROLOGY};
use crate::record::Step;

/// Atrial fibrillation on warfarin for years: INRs, a bleed with vitamin K, a pause, apixaban at last.
pub(super) fn fibrillation_on_warfarin(life: &mut Life) {
    let from = days_after(life.record.registered.date(), 1);
    let year = from.year();
    let bleed = life.ago(430, 25);
    life.reserve(bleed, 7);
    life.known_since(disease::HYPERTENSION, Since::Year(year - 12));
    life.known_since(disease::STROKE, Since::Month(year - 3, 4));
    life.known_since(disease::ATRIAL_FIBRILLATION, Since::Month(year - 3, 4));
    life.body.line(Analyte::HeartRate, &[(from, 86.0), (days_after(from, 200), 74.0)]);
    life.body.line(Analyte::Creatinine, &[(from, 0.82), (days_after(from, 2000), 0.98)]);
    let visits = follow(life, from, 63, MEDICINE, words("항응고치료 추적"));
    let [first, ..] = visits[..] else { return };
    let warfarin =
        life.start_drug(first, drug::WARFARIN, dose("1.5", "QD", "1일 1회 저녁 8시"), disease::ATRIAL_FIBRILLATION);
    life.start_drug(first, drug::BISOPROLOL, MORNING, disease::ATRIAL_FIBRILLATION);
    life.start_drug(first, drug::AMLODIPINE, MORNING, disease::HYPERTENSION);
    life.start_drug(first, drug::ROSUVASTATIN, EVENING, disease::STROKE);
    // The target is 2 to 3; before the bleed it climbs with an antibiotic.
    let mut inr: Vec<(Date, f64)> =
        visits.iter().map(|visit| (life.start(*visit).date(), 1.9 + life.dice.unit() * 0.9)).collect();
    inr.retain(|(day, _)| *day < days_after(bleed, -12) || *day > days_after(bleed, 20));
    inr.extend([
        (days_after(bleed, -10), 2.6),
        (bleed, 6.4),
        (days_after(bleed, 1), 1.6),
        (days_after(bleed, 20), 1.2),
    ]);
    let switched = visits.iter().copied().find(|visit| life.start(*visit).date() > days_after(bleed, 25));
    if switched.is_some() {
        inr.retain(|(day, _)| *day <= days_after(bleed, 20));
        inr.push((days_after(bleed, 60), 1.1));
    }
    life.body.line(Analyte::Inr, &inr);
    life.body.line(
        Analyte::Haemoglobin,
        &[
            (from, 12.8),
            (days_after(bleed, -5), 12.6),
            (bleed, 8.1),
            (days_after(bleed, 4), 9.8),
            (days_after(bleed, 90), 12.1),
        ],
    );
    for (at, visit) in visits.iter().copied().enumerate() {
        let day = life.start(visit).date();
        life.visit_vitals(visit, if at % 6 == 0 { Set::Whole } else { Set::Short });
        let mut panels = vec![Panel::Coagulation];
        if at % 4 == 0 {
            panels.extend([Panel::Renal, Panel::Blood]);
        }
        life.visit_labs(visit, &panels);
        life.diagnose(visit, &[disease::ATRIAL_FIBRILLATION]);
        if at % 2 == 0 || Some(visit) == switched {
            let told = *life.dice.pick(&[
                ("출혈, 멍 없음. 두근거림 없음.", "No bleeding or bruising. No palpitations."),
                ("잇몸 출혈이 가끔 있음. 흑색변은 없음.", "Occasional gum bleeding. No melena."),
            ]);
            let plan: &[(&str, &str)] = if Some(visit) == switched {
                &[(
                    "위장관 출혈 이후 와파린을 중단하고 아픽사반으로 변경",
                    "Warfarin stopped after gastrointestinal bleeding, change to apixaban",
                )]
            } else if day < bleed {
                &[("와파린 용량 유지, INR 목표 2.0에서 3.0", "Keep warfarin dose, INR target 2.0 to 3.0")]
            } else {
                &[("아픽사반 유지", "Continue apixaban")]
            };
            life.clinic_note(visit, told, plan);
        }
    }
    bleeding(life, bleed, warfarin);
    if let Some(visit) = switched {
        life.step(warfarin, minutes_after(life.start(visit), 139), Step::Stop);
        life.remark(warfarin, "위장관 출혈로 중단");
        life.start_drug(visit, drug::APIXABAN, TWICE, disease::ATRIAL_FIBRILLATION);
    }
}

fn bleeding(life: &mut Life, day: Date, warfarin: usize) {
    let Some(room) = life.emergency(day.at(6, 40, 0, 0), words("흑색변과 어지러움"), 5, ADMITTED) else {
        return;
    };
    let start = life.start(room);
    life.body.line(Analyte::Systolic, &[(days_after(day, -3), 131.0), (day, 98.0), (days_after(day, 3), 124.0)]);
    life.vitals(room, minutes_after(start, 6), Set::Ward);
    life.labs(room, minutes_after(start, 15), &[Panel::Blood, Panel::Coagulation, Panel::Electrolytes]);
    life.diagnose(room, &[disease::BLEEDING]);
    let at = minutes_after(start, 160);
    let language = life.language();
    let text = notes::emergency(
        &life.record,
        room,
        at,
        language,
        ("흑색변과 어지러움, 1일 전부터", "Melena and dizziness since yesterday"),
        &[
            (
                "와파린 복용 중. 5일 전 감기로 타원에서 항생제 처방받음.",
                "On warfarin. Antibiotic from another clinic five days ago.",
            ),
            ("토혈은 없음. 복통은 없음.", "No hematemesis. No abdominal pain."),
        ],
        ("비타민 K 투여, 와파린 보류, 내과 입원", "Vitamin K given, warfarin held, admit to medicine"),
    );
    life.note(room, service::EMERGENCY_NOTE, at, text);
    life.step(warfarin, minutes_after(start, 100), Step::Hold);
    life.remark(warfarin, "INR 상승과 위장관 출혈로 보류");
    let handed_over = life.handed_over(room);
    let Some(stay) = life.admission(handed_over, MEDICINE, words("위장관 출혈"), 6, HOME) else {
        return;
    };
    let start = life.start(stay);
    life.diagnose(stay, &[disease::BLEEDING, disease::ATRIAL_FIBRILLATION]);
    life.vitals(stay, minutes_after(start, 20), Set::Ward);
    let at = minutes_after(start, 90);
    let text = notes::admission(
        &life.record,
        stay,
        at,
        language,
        ("흑색변", "Melena"),
        &[("와파린 복용 중 INR이 크게 상승한 상태로 내원함.", "Presented with a markedly raised INR on warfarin.")],
        &[("금식, 위내시경, 농축적혈구 수혈", "Nil by mouth, gastroscopy, red cell transfusion")],
    );
    life.note(stay, service::ADMISSION_NOTE, at, text);
    life.procedure(stay, minutes_after(start, 200), service::TRANSFUSION, disease::BLEEDING);
    let scope = days_after(start.date(), 1).at(9, 20, 0, 0);
    life.procedure(stay, scope, service::GASTROSCOPY, disease::BLEEDING);
    life.study(
        stay,
        minutes_after(scope, -30),
        service::ENDOSCOPY,
        disease::BLEEDING,
        &["위 전정부에 1.2 cm 크기의 얕은 궤양이 관찰되며 활동성 출혈은 없음.", "십이지장은 정상."],
        &["위궤양, 활동성 출혈 없음."],
    );
    life.start_drug(stay, drug::ESOMEPRAZOLE, MORNING, disease::BLEEDING);
    for day in 1..=5 {
        let at = days_after(start.date(), day).at(7, 10, 0, 0);
        life.vitals(stay, at, Set::Ward);
        if day % 2 == 1 {
            life.labs(stay, minutes_after(at, -40), &[Panel::Blood, Panel::Coagulation]);
            let at = minutes_after(at, 120);
            let text = notes::progress(
                &life.record,
                stay,
                at,
                language,
                ("흑색변 줄어듦. 어지러움 없음.", "Less melena. No dizziness."),
                &[(
                    "와파린 보류 지속, 양성자펌프억제제 유지",
                    "Warfarin stays on hold, continue proton pump inhibitor",
                )],
            );
            life.note(stay, service::PROGRESS_NOTE, at, text);
        }
    }
    if let Some(end) = life.record.visits[stay].end() {
        let at = minutes_after(end, -45);
        let text = notes::discharge(
            &life.record,
            stay,
            at,
            language,
            &[
                (
                    "위내시경에서 위궤양이 확인되었고 활동성 출혈은 없었음. 수혈 후 안정되어 퇴원함.",
                    "Gastroscopy showed a gastric ulcer without active bleeding. Stable after transfusion.",
                ),
                ("와파린은 외래에서 재평가할 때까지 보류함.", "Warfarin stays on hold until review in clinic."),
            ],
            &[("2~3주 뒤 내과 외래", "Medicine clinic in 2 to 3 weeks")],
        );
        life.note(stay, service::DISCHARGE_SUMMARY, at, text);
    }
}

/// Heart failure after an infarction: two stays, diuretics, a drug on hold for potassium.
pub(super) fn failure(life: &mut Life) {
    let from = days_after(life.record.registered.date(), 1);
    let year = from.year();
    let worse = life.ago(300, 20);
    life.reserve(worse, 10);
    life.known_since(disease::HYPERTENSION, Since::Year(year - 10));
    life.known_since(disease::OLD_INFARCTION, Since::Year(year - 4));
    let point = |days: i64| days_after(from, days);
    life.body.line(
        Analyte::Bnp,
        &[
            (from, 780.0),
            (point(120), 420.0),
            (days_after(worse, -20), 450.0),
            (worse, 1840.0),
            (days_after(worse, 9), 690.0),
            (days_after(worse, 120), 380.0),
        ],
    );
    life.body.line(
        Analyte::Weight,
        &[(from, 66.5), (days_after(worse, -30), 65.8), (worse, 71.4), (days_after(worse, 9), 66.2)],
    );
    life.body.line(
        Analyte::Saturation,
        &[
            (from, 96.5),
            (days_after(worse, -3), 96.0),
            (worse, 89.0),
            (days_after(worse, 3), 94.0),
            (days_after(worse, 9), 97.0),
        ],
    );
    life.body.line(
        Analyte::RespiratoryRate,
        &[
            (from, 18.0),
            (days_after(worse, -3), 18.0),
            (worse, 27.0),
            (days_after(worse, 4), 20.0),
            (days_after(worse, 9), 17.0),
        ],
    );
    life.body.line(
        Analyte::Creatinine,
        &[(from, 1.15), (days_after(worse, -10), 1.22), (worse, 1.72), (days_after(worse, 9), 1.31)],
    );
    life.body.line(
        Analyte::Potassium,
        &[(from, 4.4), (days_after(worse, 100), 5.0), (days_after(worse, 160), 5.7), (days_after(worse, 230), 4.8)],
    );
    let visits = follow(life, from, 84, MEDICINE, FOLLOW_UP);
    let [first, ..] = visits[..] else { return };
    life.found(first, disease::HEART_FAILURE);
    life.start_drug(first, drug::SACUBITRIL, TWICE, disease::HEART_FAILURE);
    life.start_drug(first, drug::BISOPROLOL, MORNING, disease::HEART_FAILURE);
    life.start_drug(first, drug::FUROSEMIDE, MORNING, disease::HEART_FAILURE);
    life.start_drug(first, drug::ASPIRIN, MORNING, disease::OLD_INFARCTION);
    life.start_drug(first, drug::ATORVASTATIN, EVENING, disease::OLD_INFARCTION);
    let spironolactone = life.start_drug(first, drug::SPIRONOLACTONE, MORNING, disease::HEART_FAILURE);
    for (at, visit) in visits.iter().copied().enumerate() {
        life.visit_vitals(visit, if at % 2 == 0 { Set::Whole } else { Set::Short });
        let panels: &[Panel] = if at % 2 == 0 {
            &[Panel::Bnp, Panel::Renal, Panel::Electrolytes]
        } else {
            &[Panel::Renal, Panel::Electrolytes]
        };
        life.visit_labs(visit, panels);
        life.diagnose(visit, &[disease::HEART_FAILURE]);
        let told = *life.dice.pick(&[
            ("계단 2층까지는 숨차지 않음. 하지 부종 없음.", "No dyspnea up to two flights of stairs. No leg edema."),
            ("누우면 숨찬 증상은 없음. 체중은 매일 재고 있음.", "No orthopnea. Weighs daily."),
        ]);
        life.clinic_note(visit, told, &[("약물 유지, 염분 제한", "Continue medication, restrict salt")]);
    }
    intervention(life, days_after(from, 40));
    echo(life, first, "38", &["승모판 역류 경도.", "좌심방 확장 (46 mm)."]);
    stay_for_failure(life, worse);
    if let Some(high) = visits.iter().copied().find(|visit| life.start(*visit).date() >= days_after(worse, 140)) {
        life.step(spironolactone, minutes_after(life.start(high), 140), Step::Hold);
        life.remark(spironolactone, "고칼륨혈증으로 보류");
        let at = minutes_after(life.start(high), 12);
        let last = echo_text("42");
        life.study(
            high,
            at,
            service::ECHO,
            disease::HEART_FAILURE,
            &[&last, "승모판 역류 경도."],
            &["좌심실 구혈률 42 %로 이전보다 호전됨."],
        );
    }
}

/// The narrowed vessel behind it, opened in a short planned stay.
fn intervention(life: &mut Life, day: Date) {
    life.reserve(day, 3);
    let Some(stay) = life.admission(day.at(9, 30, 0, 0), MEDICINE, words("관상동맥중재술"), 2, HOME) else {
        return;
    };
    let start = life.start(stay);
    life.diagnose(stay, &[disease::OLD_INFARCTION, disease::HEART_FAILURE]);
    life.vitals(stay, minutes_after(start, 20), Set::Ward);
    life.labs(stay, minutes_after(start, 30), &[Panel::Renal, Panel::Blood, Panel::Coagulation]);
    life.procedure(stay, days_after(day, 1).at(10, 15, 0, 0), service::CORONARY_INTERVENTION, disease::OLD_INFARCTION);
    let at = days_after(day, 1).at(14, 0, 0, 0);
    life.prescribe(Some(stay), at, drug::CLOPIDOGREL, MORNING, Some(disease::OLD_INFARCTION));
    let Some(end) = life.record.visits[stay].end() else { return };
    let at = minutes_after(end, -30);
    let text = notes::discharge(
        &life.record,
        stay,
        at,
        notes::Language::English,
        &[("", "Drug-eluting stent in the left anterior descending artery, no complication at the puncture site.")],
        &[("", "Dual antiplatelet therapy, medicine clinic in 4 weeks")],
    );
    life.note(stay, service::DISCHARGE_SUMMARY, at, text);
}

fn echo_text(fraction: &str) -> String {
    format!("좌심실 구혈률(LVEF) {fraction} %, 전벽의 운동 저하.")
}

fn echo(life: &mut Life, visit: usize, fraction: &str, more: &[&str]) {
    let at = minutes_after(life.start(visit), 12);
    let first = echo_text(fraction);
    let mut lines: Vec<&str> = vec![&first];
    lines.extend(more);
    let impression = format!("허혈성 심근병증, 좌심실 구혈률 {fraction} %.");
    life.study(visit, at, service::ECHO, disease::HEART_FAILURE, &lines, &[&impression]);
}

fn stay_for_failure(life: &mut Life, day: Date) {
    let Some(room) = life.emergency(day.at(22, 15, 0, 0), words("호흡곤란"), 3, ADMITTED) else { return };
    let start = life.start(room);
    life.vitals(room, minutes_after(start, 5), Set::Ward);
    life.labs(
        room,
        minutes_after(start, 12),
        &[Panel::Bnp, Panel::Troponin, Panel::Renal, Panel::Electrolytes, Panel::Blood],
    );
    life.diagnose(room, &[disease::HEART_FAILURE]);
    life.study(
        room,
        minutes_after(start, 20),
        service::CHEST_FILM,
        disease::HEART_FAILURE,
        &[
            "The heart is enlarged (cardiothoracic ratio 0.62).",
            "Bilateral pleural effusions, larger on the right.",
            "Perihilar vascular congestion. No focal consolidation. No pneumothorax.",
        ],
        &["Cardiomegaly with pulmonary edema and bilateral pleural effusions.", "No evidence of pneumonia."],
    );
    let handed_over = life.handed_over(room);
    let Some(stay) = life.admission(handed_over, MEDICINE, words("심부전 악화"), 9, HOME) else {
        return;
    };
    let start = life.start(stay);
    let icu = life.bed("20병동(중환자실)");
    let ward = life.bed(MEDICINE.ward);
    life.record.visits[stay].places = vec![(start, icu), (days_after(start.date(), 2).at(14, 5, 0, 0), ward)];
    life.diagnose(stay, &[disease::HEART_FAILURE, disease::ACUTE_KIDNEY_INJURY]);
    let kidney = life.found(stay, disease::ACUTE_KIDNEY_INJURY);
    life.resolve(kidney, days_after(day, 9));
    life.vitals(stay, minutes_after(start, 15), Set::Ward);
    let at = minutes_after(start, 100);
    let text = notes::admission(
        &life.record,
        stay,
        at,
        notes::Language::English,
        ("호흡곤란", "Dyspnea"),
        &[(
            "",
            "Progressive dyspnea for 4 days with orthopnea and leg swelling; missed furosemide while travelling. No chest pain. No fever.",
        )],
        &[("", "Intravenous furosemide, oxygen 3 L/min, monitor urine output and potassium")],
    );
    life.note(stay, service::ADMISSION_NOTE, at, text);
    life.course_of(
        stay,
        minutes_after(start, 30),
        drug::ENOXAPARIN,
        dose("40", "QD", "1일 1회 피하주사"),
        disease::HEART_FAILURE,
        8,
    );
    for day in 1..=8 {
        let at = days_after(start.date(), day).at(6, 50, 0, 0);
        life.vitals(stay, at, Set::Ward);
        if day % 2 == 0 {
            life.labs(stay, minutes_after(at, -30), &[Panel::Renal, Panel::Electrolytes]);
            let at = minutes_after(at, 130);
            let text = notes::progress(
                &life.record,
                stay,
                at,
                notes::Language::English,
                ("", "Breathing is easier. Sleeps on one pillow. No chest pain."),
                &[("", "Continue diuresis, daily weight"), ("", "Plan discharge when euvolemic")],
            );
            life.note(stay, service::PROGRESS_NOTE, at, text);
        }
    }
    let at = days_after(start.date(), 8).at(7, 30, 0, 0);
    life.labs(stay, at, &[Panel::Bnp]);
    if let Some(end) = life.record.visits[stay].end() {
        let at = minutes_after(end, -40);
        let text = notes::discharge(
            &life.record,
            stay,
            at,
            notes::Language::Korean,
            &[
                ("푸로세미드 정주로 체액 과다가 호전되었고 산소 없이 안정됨.", ""),
                ("입원 중 급성 신손상이 있었으나 퇴원 전 회복됨. 폐렴의 증거는 없었음.", ""),
            ],
            &[("1주 뒤 내과 외래, 매일 체중 측정", "")],
        );
        life.note(stay, service::DISCHARGE_SUMMARY, at, text);
    }
}

/// A stroke treated in time, then rehabilitation and clinic.
pub(super) fn stroke(life: &mut Life) {
    let from = days_after(life.record.registered.date(), 1);
    let day = life.ago(420, 40);
    life.reserve(day, 13);
    life.known_since(disease::HYPERTENSION, Since::Year(from.year() - 8));
    let before = follow(life, from, 168, MEDICINE, FOLLOW_UP);
    if let Some(first) = before.first() {
        life.start_drug(*first, drug::AMLODIPINE, MORNING, disease::HYPERTENSION);
    }
    for visit in before {
        life.visit_vitals(visit, Set::Short);
        life.visit_labs(visit, &[Panel::Lipid, Panel::Renal]);
        life.diagnose(visit, &[disease::HYPERTENSION]);
    }
    let Some(room) = life.emergency(day.at(10, 25, 0, 0), words("우측 편마비와 구음장애"), 2, ADMITTED)
    else {
        return;
    };
    let start = life.start(room);
    life.body.line(
        Analyte::Systolic,
        &[(days_after(day, -10), 138.0), (day, 178.0), (days_after(day, 3), 148.0), (days_after(day, 30), 132.0)],
    );
    life.vitals(room, minutes_after(start, 4), Set::Ward);
    life.labs(room, minutes_after(start, 8), &[Panel::Blood, Panel::Coagulation, Panel::Glucose, Panel::Electrolytes]);
    life.diagnose(room, &[disease::STROKE]);
    life.study(
        room,
        minutes_after(start, 6),
        service::HEAD_CT,
        disease::STROKE,
        &["뇌출혈 소견 없음.", "좌측 중대뇌동맥의 고음영 징후 의심."],
        &["급성 뇌출혈 없음.", "좌측 중대뇌동맥 급성 경색 의심, MRI 권장."],
    );
    life.procedure(room, minutes_after(start, 55), service::THROMBOLYSIS, disease::STROKE);
    let handed_over = life.handed_over(room);
    let Some(stay) = life.admission(handed_over, NEUROLOGY, words("급성 뇌경색"), 12, REHABILITATION) else {
        return;
    };
    let start = life.start(stay);
    life.found(stay, disease::STROKE);
    life.diagnose(stay, &[disease::STROKE, disease::HYPERTENSION]);
    life.vitals(stay, minutes_after(start, 15), Set::Ward);
    life.study(
        stay,
        minutes_after(start, 30),
        service::BRAIN_MRI,
        disease::STROKE,
        &["좌측 중대뇌동맥 영역에 확산 제한을 보이는 병변이 있음.", "출혈성 변환은 없음."],
        &["좌측 중대뇌동맥 영역의 급성 뇌경색."],
    );
    let at = minutes_after(start, 110);
    let language = life.language();
    let text = notes::admission(
        &life.record,
        stay,
        at,
        language,
        ("우측 편마비, 구음장애", "Right hemiparesis and dysarthria"),
        &[(
            "발생 1시간 20분 만에 응급실로 내원하여 정맥내 혈전용해술을 받음.",
            "Arrived 80 minutes after onset and received intravenous thrombolysis.",
        )],
        &[("24시간 뒤 항혈소판제 시작, 연하 평가", "Antiplatelet after 24 hours, swallowing assessment")],
    );
    life.note(stay, service::ADMISSION_NOTE, at, text);
    let next = days_after(start.date(), 1).at(14, 0, 0, 0);
    life.prescribe(Some(stay), next, drug::CLOPIDOGREL, MORNING, Some(disease::STROKE));
    life.prescribe(Some(stay), next, drug::ATORVASTATIN, EVENING, Some(disease::STROKE));
    for day in [1, 3, 5, 8, 11] {
        let at = days_after(start.date(), day).at(7, 20, 0, 0);
        life.vitals(stay, at, Set::Ward);
        let text = notes::progress(
            &life.record,
            stay,
            minutes_after(at, 100),
            language,
            ("우측 상지 근력 호전 중. 두통 없음.", "Right arm strength improving. No headache."),
            &[("재활치료 지속", "Continue rehabilitation")],
        );
        life.note(stay, service::PROGRESS_NOTE, minutes_after(at, 100), text);
    }
    if let Some(end) = life.record.visits[stay].end() {
        let at = minutes_after(end, -50);
        let text = notes::discharge(
            &life.record,
            stay,
            at,
            language,
            &[(
                "혈전용해술 후 출혈 합병증 없이 회복 중이며 재활병원으로 전원함.",
                "Recovering without hemorrhage after thrombolysis, transferred to a rehabilitation hospital.",
            )],
            &[("4주 뒤 신경과 외래", "Neurology clinic in 4 weeks")],
        );
        life.note(stay, service::DISCHARGE_SUMMARY, at, text);
    }
    for visit in follow(life, days_after(day, 40), 90, NEUROLOGY, words("뇌졸중 추적")) {
        life.visit_vitals(visit, Set::Short);
        life.visit_labs(visit, &[Panel::Lipid]);
        life.diagnose(visit, &[disease::STROKE]);
        life.clinic_note(
            visit,
            (
                "우측 손의 둔함이 남아 있음. 새로운 마비 없음.",
                "Residual clumsiness of the right hand. No new weakness.",
            ),
            &[("클로피도그렐 유지", "Continue clopidogrel")],
        );
    }
}
