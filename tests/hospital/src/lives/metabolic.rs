//! Diabetes, kidney disease, blood pressure, lipids, the thyroid.

use super::{FOLLOW_UP, follow, words};
use crate::catalog::drug;
use crate::catalog::lab::{Analyte, Panel};
use crate::catalog::{disease, service};
use crate::course::{EVENING, Life, MORNING, Set, TWICE, dose};
use crate::moment::{Since, days_after, minutes_after};
use crate::people::MEDICINE;
use crate::record::Step;

/// Type 2 diabetes of many years whose kidneys fail slowly: metformin is halved, then stopped; an ulcer of doses in between.
pub(super) fn diabetes_with_kidney_disease(life: &mut Life) {
    let from = days_after(life.record.registered.date(), 1);
    let year = from.year();
    let point = |days: i64| days_after(from, days);
    let (high, low) = (7.6 + life.dice.unit(), 7.0 + life.dice.unit() * 0.4);
    life.body
        .line(Analyte::Hba1c, &[(from, high), (point(500), low), (point(1000), high + 0.5), (point(1700), low + 0.1)]);
    let kidney = 1.30 + life.dice.unit() * 0.12;
    life.body.line(Analyte::Creatinine, &[(from, kidney), (point(900), kidney + 0.42), (point(1900), kidney + 1.15)]);
    life.body.line(Analyte::AlbuminCreatinine, &[(from, 95.0), (point(1000), 210.0), (point(2000), 480.0)]);
    life.body.line(Analyte::Systolic, &[(from, 148.0), (point(400), 136.0), (point(2000), 132.0)]);
    life.body.line(Analyte::Potassium, &[(from, 4.5), (point(2000), 5.2)]);
    life.body.line(Analyte::Haemoglobin, &[(from, 13.4), (point(1000), 12.1), (point(2000), 10.7)]);
    life.body.line(Analyte::Triglyceride, &[(from, 190.0), (point(600), 160.0)]);
    life.body.line(Analyte::Cholesterol, &[(from, 212.0), (point(200), 158.0), (point(2000), 150.0)]);
    life.body.line(Analyte::Weight, &[(from, 74.5), (point(2000), 70.5)]);

    life.known_since(disease::TYPE_2_DIABETES, Since::Year(year - 9));
    life.known_since(disease::HYPERTENSION, Since::Year(year - 7));
    let visits = follow(life, from, 112, MEDICINE, FOLLOW_UP);
    let [first, second, third, ..] = visits[..] else { return };
    let metformin = life.start_drug(first, drug::METFORMIN, TWICE, disease::TYPE_2_DIABETES);
    let glimepiride = life.start_drug(first, drug::GLIMEPIRIDE, MORNING, disease::TYPE_2_DIABETES);
    life.start_drug(first, drug::LOSARTAN, MORNING, disease::HYPERTENSION);
    life.found(first, disease::DYSLIPIDAEMIA);
    life.start_drug(second, drug::ATORVASTATIN, EVENING, disease::DYSLIPIDAEMIA);
    life.start_drug(second, drug::AMLODIPINE, MORNING, disease::HYPERTENSION);
    let kidneys = life.found(third, disease::CKD_3);
    let middle = visits[visits.len() / 2];
    let late = visits[visits.len() - 3];
    life.step(metformin, minutes_after(life.start(middle), 141), Step::Stop);
    life.remark(metformin, "신기능 저하로 중단");
    life.start_drug(middle, drug::LINAGLIPTIN, MORNING, disease::TYPE_2_DIABETES);
    life.found(middle, disease::DIABETIC_KIDNEY);
    life.step(glimepiride, minutes_after(life.start(late), 141), Step::Hold);
    life.remark(glimepiride, "저혈당 증상으로 보류");
    life.resolve(kidneys, life.start(late).date());
    life.found(late, disease::CKD_4);
    life.start_drug(late, drug::GLARGINE, dose("10", "QHS", "1일 1회 자기 전 10단위"), disease::TYPE_2_DIABETES);
    life.found(late, disease::RENAL_ANAEMIA);
    life.start_drug(late, drug::DARBEPOETIN, dose("30", "Q2W", "2주 1회 피하주사"), disease::RENAL_ANAEMIA);

    for (at, visit) in visits.iter().copied().enumerate() {
        life.visit_vitals(visit, if at % 3 == 0 { Set::Whole } else { Set::Short });
        let mut panels = vec![Panel::Diabetes, Panel::Renal];
        match at % 3 {
            0 => panels.extend([Panel::Lipid, Panel::UrineAlbumin]),
            1 => panels.push(Panel::Electrolytes),
            _ => panels.push(Panel::Blood),
        }
        life.visit_labs(visit, &panels);
        let kidney = match at {
            0 | 1 => disease::HYPERTENSION,
            _ if at + 3 >= visits.len() => disease::CKD_4,
            _ => disease::CKD_3,
        };
        life.diagnose(visit, &[disease::TYPE_2_DIABETES, kidney]);
        let told = *life.dice.pick(&[
            ("특별한 불편감 없음. 식이조절은 보통.", "No complaints. Diet adherence fair."),
            ("최근 다리가 약간 붓는다고 함. 호흡곤란은 없음.", "Mild leg swelling recently. No dyspnea."),
            ("저혈당 증상 없음. 발의 상처 없음.", "No hypoglycemic symptoms. No foot wounds."),
            ("야간뇨 1회. 시야 흐림은 없음.", "Nocturia once. No blurred vision."),
        ]);
        let plan: &[(&str, &str)] = if visit == middle {
            &[
                (
                    "신기능 저하로 메트포르민 중단, 리나글립틴으로 변경",
                    "Stop metformin for declining renal function, change to linagliptin",
                ),
                ("저염식 교육", "Low-salt diet education"),
            ]
        } else if visit == late {
            &[
                ("저혈당 증상이 있어 글리메피리드 보류", "Hold glimepiride because of hypoglycemic symptoms"),
                (
                    "기저 인슐린(글라진) 시작, 빈혈에 다베포에틴 시작",
                    "Start basal insulin (glargine), darbepoetin for anemia",
                ),
            ]
        } else {
            &[("현재 약물 유지, 다음 외래에서 HbA1c 재검", "Continue current medication, repeat HbA1c at next visit")]
        };
        life.clinic_note(visit, told, plan);
    }
    let at = minutes_after(life.start(third), 10);
    life.study(
        third,
        at,
        service::ABDOMEN_ULTRASOUND,
        disease::CKD_3,
        &[
            "양측 신장 크기는 우측 9.2 cm, 좌측 9.4 cm로 경도로 감소되어 있고 피질 에코가 증가되어 있음.",
            "수신증이나 결석은 없음.",
            "간에 경도의 지방 침착이 있음.",
        ],
        &["만성 신실질 질환에 합당한 소견.", "경도의 지방간.", "수신증 없음."],
    );
    life.procedure(first, minutes_after(life.start(first), 120), service::SPIROMETRY, words("수술 전 평가"));
    // The procedure above was entered for somebody else and taken back the same day.
    if let Some(wrong) = life.record.procedures.last_mut() {
        wrong.withdrawn = Some(minutes_after(wrong.at, 200));
    }
}

/// Found at a check-up two or three years ago; a second drug soon.
pub(super) fn new_diabetes(life: &mut Life) {
    let from = days_after(life.record.registered.date(), 3);
    let point = |days: i64| days_after(from, days);
    let high = 8.4 + life.dice.unit() * 1.6;
    life.body.line(Analyte::Hba1c, &[(from, high), (point(120), 7.4), (point(400), 6.8), (point(1400), 7.1)]);
    life.body.line(Analyte::Triglyceride, &[(from, 230.0), (point(300), 150.0)]);
    life.body.line(Analyte::Weight, &[(from, 79.0), (point(400), 74.0), (point(1400), 75.5)]);
    let visits = follow(life, from, 98, MEDICINE, FOLLOW_UP);
    let [first, second, ..] = visits[..] else { return };
    life.found(first, disease::TYPE_2_DIABETES);
    life.start_drug(first, drug::METFORMIN, TWICE, disease::TYPE_2_DIABETES);
    life.found(second, disease::DYSLIPIDAEMIA);
    life.start_drug(second, drug::EMPAGLIFLOZIN, MORNING, disease::TYPE_2_DIABETES);
    life.start_drug(second, drug::ROSUVASTATIN, EVENING, disease::DYSLIPIDAEMIA);
    if let Some(later) = visits.get(6).copied() {
        life.start_drug(later, drug::SITAGLIPTIN, MORNING, disease::TYPE_2_DIABETES);
    }
    for (at, visit) in visits.iter().copied().enumerate() {
        life.visit_vitals(visit, if at % 2 == 0 { Set::Whole } else { Set::Short });
        let panels: &[Panel] = if at % 3 == 0 {
            &[Panel::Diabetes, Panel::Lipid, Panel::Renal, Panel::Liver, Panel::UrineAlbumin]
        } else {
            &[Panel::Diabetes]
        };
        life.visit_labs(visit, panels);
        life.diagnose(visit, &[disease::TYPE_2_DIABETES]);
        let told = *life.dice.pick(&[
            ("다음, 다뇨는 호전됨.", "Polydipsia and polyuria have improved."),
            ("운동은 주 3회 걷기. 불편감 없음.", "Walks three times a week. No complaints."),
            ("외식이 잦다고 함. 저혈당 없음.", "Eats out often. No hypoglycemia."),
        ]);
        life.clinic_note(visit, told, &[("약물 유지 및 식이 교육", "Continue medication, diet education")]);
    }
}

/// Blood pressure and lipids, well treated, and gout once.
pub(super) fn pressure_and_lipids(life: &mut Life) {
    let from = days_after(life.record.registered.date(), 2);
    let point = |days: i64| days_after(from, days);
    let high = 150.0 + life.dice.unit() * 14.0;
    life.body.line(Analyte::Systolic, &[(from, high), (point(150), 136.0), (point(600), 128.0)]);
    life.body.line(Analyte::Diastolic, &[(from, 94.0), (point(200), 84.0), (point(600), 80.0)]);
    life.body.line(Analyte::Cholesterol, &[(from, 246.0), (point(150), 172.0), (point(1500), 165.0)]);
    life.body.line(Analyte::UricAcid, &[(from, 8.6), (point(500), 8.9), (point(700), 5.8)]);
    let visits = follow(life, from, 150, MEDICINE, FOLLOW_UP);
    let [first, second, ..] = visits[..] else { return };
    life.found(first, disease::HYPERTENSION);
    let first_drug = life.start_drug(first, drug::HYDROCHLOROTHIAZIDE, MORNING, disease::HYPERTENSION);
    life.found(second, disease::DYSLIPIDAEMIA);
    life.start_drug(second, drug::ROSUVASTATIN, EVENING, disease::DYSLIPIDAEMIA);
    let attack = visits[visits.len() / 2];
    life.found(attack, disease::GOUT);
    life.step(first_drug, minutes_after(life.start(attack), 139), Step::Stop);
    life.remark(first_drug, "통풍 발작으로 중단");
    life.start_drug(attack, drug::TELMISARTAN, MORNING, disease::HYPERTENSION);
    life.start_drug(attack, drug::ALLOPURINOL, MORNING, disease::GOUT);
    for (at, visit) in visits.iter().copied().enumerate() {
        life.visit_vitals(visit, if at % 3 == 0 { Set::Whole } else { Set::Short });
        let panels: &[Panel] =
            if at % 2 == 0 { &[Panel::Lipid, Panel::Renal, Panel::Uric] } else { &[Panel::Electrolytes, Panel::Uric] };
        life.visit_labs(visit, panels);
        let main = if visit == attack { disease::GOUT } else { disease::HYPERTENSION };
        life.diagnose(visit, &[main]);
        let told = if visit == attack {
            (
                "3일 전부터 우측 엄지발가락이 붓고 아픔. 외상은 없음.",
                "Right great toe swollen and painful for 3 days. No trauma.",
            )
        } else {
            *life.dice.pick(&[
                ("가정혈압 130/80 전후. 두통 없음.", "Home blood pressure around 130/80. No headache."),
                ("특별한 불편감 없음.", "No complaints."),
            ])
        };
        let plan: &[(&str, &str)] = if visit == attack {
            &[(
                "히드로클로로티아지드 중단하고 텔미사르탄으로 변경, 알로푸리놀 시작",
                "Stop hydrochlorothiazide, change to telmisartan, start allopurinol",
            )]
        } else {
            &[("약물 유지", "Continue medication")]
        };
        life.clinic_note(visit, told, plan);
    }
}

/// An underactive thyroid, replaced until the numbers are right.
pub(super) fn hypothyroidism(life: &mut Life) {
    let from = days_after(life.record.registered.date(), 2);
    let point = |days: i64| days_after(from, days);
    let high = 18.0 + life.dice.unit() * 20.0;
    life.body.line(Analyte::Tsh, &[(from, high), (point(70), 8.1), (point(200), 3.1), (point(1800), 2.4)]);
    life.body.line(Analyte::FreeT4, &[(from, 0.62), (point(80), 0.95), (point(250), 1.28)]);
    life.body.line(Analyte::Cholesterol, &[(from, 251.0), (point(300), 188.0)]);
    let visits = follow(life, from, 140, MEDICINE, words("갑상선 기능 추적"));
    let [first, ..] = visits[..] else { return };
    life.found(first, disease::HYPOTHYROIDISM);
    life.start_drug(first, drug::LEVOTHYROXINE, dose("1", "QD", "1일 1회 아침 식전 1시간"), disease::HYPOTHYROIDISM);
    for (at, visit) in visits.iter().copied().enumerate() {
        life.visit_vitals(visit, if at % 3 == 0 { Set::Whole } else { Set::Short });
        life.visit_labs(
            visit,
            if at % 3 == 0 { &[Panel::Thyroid, Panel::Lipid, Panel::Blood] } else { &[Panel::Thyroid] },
        );
        life.diagnose(visit, &[disease::HYPOTHYROIDISM]);
        let told = if at == 0 {
            (
                "6개월 전부터 피로, 추위를 많이 타고 체중이 3 kg 늘었음. 목의 통증은 없음.",
                "Fatigue, cold intolerance and 3 kg weight gain for 6 months. No neck pain.",
            )
        } else {
            ("피로는 호전됨. 두근거림 없음.", "Fatigue has improved. No palpitations.")
        };
        life.clinic_note(visit, told, &[("레보티록신 유지, TSH 추적", "Continue levothyroxine, follow TSH")]);
    }
}
