//! Cancers found, cut out and followed: breast, stomach, colon.

use jiff::civil::Date;

use super::{follow, words};
use crate::catalog::drug::{self, Drug};
use crate::catalog::lab::{Analyte, Panel};
use crate::catalog::{disease, service};
use crate::codes::Concept;
use crate::course::{HOME, Life, MORNING, Set, TWICE, dose};
use crate::moment::{days_after, minutes_after};
use crate::notes::{self, Words, relative};
use crate::people::SURGERY;
use crate::record::Certainty;

/// An operation in a stay: history, operation note, days on the ward, specimen, summary.
struct Operation<'o> {
    day: Date,
    days: i64,
    reason: Concept,
    disease: Concept,
    procedure: Concept,
    complaint: Words<'o>,
    illness: &'o [Words<'o>],
    operation: &'o [Words<'o>],
    findings: &'o [&'o str],
    pathology: &'o [&'o str],
    story: &'o [Words<'o>],
    follow_up: &'o [Words<'o>],
}

fn operate(life: &mut Life, plan: &Operation<'_>) -> Option<usize> {
    life.reserve(days_after(plan.day, -1), plan.days + 1);
    let stay = life.admission(days_after(plan.day, -1).at(14, 10, 0, 0), SURGERY, plan.reason, plan.days, HOME)?;
    let start = life.start(stay);
    let language = life.language();
    life.diagnose(stay, &[plan.disease]);
    let hb = life.body.level(&mut life.dice, Analyte::Haemoglobin, plan.day);
    life.body.line(
        Analyte::Haemoglobin,
        &[(days_after(plan.day, -1), hb), (days_after(plan.day, 1), hb - 2.1), (days_after(plan.day, 60), hb - 0.2)],
    );
    life.body.line(
        Analyte::Crp,
        &[
            (days_after(plan.day, -1), 0.2),
            (days_after(plan.day, 2), 8.6),
            (days_after(plan.day, 7), 2.0),
            (days_after(plan.day, 40), 0.2),
        ],
    );
    life.body.line(
        Analyte::Leukocytes,
        &[
            (days_after(plan.day, -1), 6.3),
            (days_after(plan.day, 1), 12.4),
            (days_after(plan.day, 6), 7.2),
            (days_after(plan.day, 40), 5.9),
        ],
    );
    life.vitals(stay, minutes_after(start, 20), Set::Whole);
    life.labs(
        stay,
        minutes_after(start, 40),
        &[Panel::Blood, Panel::Coagulation, Panel::Liver, Panel::Renal, Panel::Electrolytes],
    );
    let at = minutes_after(start, 180);
    let text = notes::admission(
        &life.record,
        stay,
        at,
        language,
        plan.complaint,
        plan.illness,
        &[("수술 전 금식, 예방적 항생제", "Nil by mouth, prophylactic antibiotic")],
    );
    life.note(stay, service::ADMISSION_NOTE, at, text);
    let knife = plan.day.at(9, 5, 0, 0);
    life.procedure(stay, knife, plan.procedure, plan.disease);
    life.course_of(
        stay,
        minutes_after(knife, -40),
        drug::CEFAZOLIN,
        dose("1", "Q8H", "8시간마다 정맥주사"),
        plan.disease,
        1,
    );
    life.course_of(stay, minutes_after(knife, 240), drug::TRAMADOL, dose("1", "BID", "1일 2회 식후"), plan.disease, 4);
    let at = minutes_after(knife, 260);
    let text = notes::page(&life.record, stay, at, language, ("수술기록", "OPERATION NOTE"), plan.operation);
    life.note(stay, service::OPERATION_NOTE, at, text);
    life.study(
        stay,
        minutes_after(knife, 150),
        service::SURGICAL_PATHOLOGY,
        plan.disease,
        plan.findings,
        plan.pathology,
    );
    for day in 1..plan.days - 1 {
        let at = days_after(plan.day, day).at(7, 15, 0, 0);
        life.vitals(stay, at, Set::Ward);
        if day % 2 == 1 {
            life.labs(stay, minutes_after(at, -45), &[Panel::Blood, Panel::Crp]);
            let at = minutes_after(at, 110);
            let text = notes::progress(
                &life.record,
                stay,
                at,
                language,
                ("통증은 조절됨. 열 없음.", "Pain controlled. No fever."),
                &[("조기 보행, 식이 진행", "Early ambulation, advance diet")],
            );
            life.note(stay, service::PROGRESS_NOTE, at, text);
        }
    }
    if let Some(end) = life.record.visits[stay].end() {
        let at = minutes_after(end, -35);
        let text = notes::discharge(&life.record, stay, at, language, plan.story, plan.follow_up);
        life.note(stay, service::DISCHARGE_SUMMARY, at, text);
    }
    Some(stay)
}

/// Cycles of chemotherapy in the day clinic.
fn chemotherapy(
    life: &mut Life,
    from: Date,
    every: i64,
    cycles: i64,
    disease: Concept,
    drugs: &[(Drug, &'static str)],
) {
    let weak = days_after(from, every * 2 - 8);
    life.body.line(
        Analyte::Leukocytes,
        &[
            (from, 5.6),
            (days_after(weak, -9), 4.8),
            (weak, 1.7),
            (days_after(weak, 8), 4.4),
            (days_after(from, every * cycles + 60), 5.2),
        ],
    );
    for cycle in 0..cycles {
        let Some(visit) = life.clinic(days_after(from, every * cycle), SURGERY, words("항암치료")) else { return };
        life.visit_vitals(visit, Set::Whole);
        life.visit_labs(visit, &[Panel::Blood, Panel::Liver]);
        life.diagnose(visit, &[disease]);
        let at = minutes_after(life.start(visit), 100);
        life.procedure(visit, at, service::CHEMOTHERAPY, disease);
        for (drug, amount) in drugs {
            life.course_of(visit, at, *drug, dose(amount, "ONCE", "1회 정맥주사"), disease, 0);
        }
        life.course_of(visit, at, drug::ONDANSETRON, TWICE, disease, 3);
        life.clinic_note(
            visit,
            ("오심은 경미함. 손발 저림 없음. 발열 없음.", "Mild nausea. No neuropathy. No fever."),
            &[("예정대로 항암제 투여", "Give chemotherapy as planned")],
        );
    }
    // The low point between the first two cycles.
    let Some(room) = life.emergency(weak.at(19, 30, 0, 0), words("항암치료 후 발열"), 5, HOME) else { return };
    life.body.line(Analyte::Temperature, &[(days_after(weak, -2), 36.7), (weak, 38.4), (days_after(weak, 3), 36.7)]);
    let start = life.start(room);
    life.vitals(room, minutes_after(start, 5), Set::Ward);
    life.labs(room, minutes_after(start, 12), &[Panel::Blood, Panel::Crp]);
    life.diagnose(room, &[disease::NEUTROPENIA]);
    let at = minutes_after(start, 170);
    let language = life.language();
    let text = notes::emergency(
        &life.record,
        room,
        at,
        language,
        ("오늘 오후부터 발열", "Fever since this afternoon"),
        &[("인후통과 기침 없음. 배뇨통 없음.", "No sore throat or cough. No dysuria.")],
        (
            "정맥 항생제 1회 투여 후 경구 항생제와 외래 추적 조건으로 귀가",
            "One dose of intravenous antibiotic, then home on an oral one with close follow-up",
        ),
    );
    life.note(room, service::EMERGENCY_NOTE, at, text);
    life.course_of(
        room,
        minutes_after(start, 60),
        drug::TAZOBACTAM,
        dose("4.5", "ONCE", "1회 정맥주사"),
        disease::NEUTROPENIA,
        0,
    );
    life.course_of(room, at, drug::CIPROFLOXACIN, TWICE, disease::NEUTROPENIA, 7);
    let low = life.found(room, disease::NEUTROPENIA);
    life.resolve(low, days_after(weak, 12));
}

/// Breast cancer, kept breast, chemotherapy, letrozole; a suspected embolism that was none.
pub(super) fn breast(life: &mut Life) {
    let found = life.ago(720, 40);
    life.relative(relative("MTH", "mother"), disease::BREAST_CANCER, Some(51));
    life.body.line(Analyte::Ca153, &[(found, 38.0), (days_after(found, 200), 17.0), (days_after(found, 900), 13.0)]);
    let Some(first) = life.clinic(found, SURGERY, words("좌측 유방 종괴")) else { return };
    life.visit_vitals(first, Set::Whole);
    life.visit_labs(first, &[Panel::TumourBreast, Panel::Blood]);
    life.found(first, disease::BREAST_CANCER);
    life.diagnose(first, &[disease::BREAST_CANCER]);
    let at = minutes_after(life.start(first), 10);
    life.study(
        first, at, service::MAMMOGRAPHY, disease::BREAST_CANCER,
        &["Irregular spiculated mass, 2.1 cm, in the upper outer quadrant of the left breast with fine pleomorphic calcifications.", "The right breast is unremarkable. No enlarged axillary lymph nodes."],
        &["Left breast mass, highly suggestive of malignancy (BI-RADS 5).", "Right breast negative."],
    );
    life.clinic_note(
        first,
        (
            "3주 전 좌측 유방에 덩어리를 만졌음. 유두 분비물은 없음.",
            "Felt a lump in the left breast 3 weeks ago. No nipple discharge.",
        ),
        &[("조직검사에서 침윤성 유관암, 수술 계획", "Biopsy showed invasive ductal carcinoma, plan surgery")],
    );
    let stay = operate(
        life,
        &Operation {
            day: days_after(found, 21),
            days: 5,
            reason: words("유방암 수술"),
            disease: disease::BREAST_CANCER,
            procedure: service::LUMPECTOMY,
            complaint: ("좌측 유방 종괴", "Left breast lump"),
            illness: &[(
                "외래에서 좌측 유방암을 진단받고 수술을 위해 입원함.",
                "Admitted for surgery of left breast cancer diagnosed in clinic.",
            )],
            operation: &[
                (
                    "수술명: 좌측 유방보존수술 및 감시림프절 생검",
                    "Procedure: left lumpectomy with sentinel node biopsy",
                ),
                ("감시림프절 3개 중 전이 없음(동결절편).", "Three sentinel nodes, no metastasis on frozen section."),
                ("출혈량 50 mL, 수혈 없음.", "Blood loss 50 mL, no transfusion."),
            ],
            findings: &[
                "좌측 유방, 부분절제: 침윤성 유관암, 종양 크기 2.0 cm, 조직학적 등급 2.",
                "절제연 음성. 감시림프절 3개 모두 전이 없음(0/3).",
                "ER 양성(90 %), PR 양성(60 %), HER2 음성(1+), Ki-67 18 %.",
            ],
            pathology: &["침윤성 유관암, pT1c N0, 절제연 음성.", "ER 양성, PR 양성, HER2 음성."],
            story: &[(
                "유방보존수술을 합병증 없이 시행함. 림프절 전이는 없었음.",
                "Uncomplicated breast-conserving surgery. No nodal metastasis.",
            )],
            follow_up: &[(
                "2주 뒤 외과 외래, 보조항암치료 예정",
                "Surgery clinic in 2 weeks, adjuvant chemotherapy planned",
            )],
        },
    );
    if let Some(stay) = stay {
        suspected_embolism(life, stay);
    }
    chemotherapy(
        life,
        days_after(found, 50),
        21,
        4,
        disease::BREAST_CANCER,
        &[(drug::DOXORUBICIN, "90"), (drug::CYCLOPHOSPHAMIDE, "900")],
    );
    let visits = follow(life, days_after(found, 170), 100, SURGERY, words("유방암 추적"));
    for (at, visit) in visits.iter().copied().enumerate() {
        if at == 0 {
            life.start_drug(visit, drug::LETROZOLE, MORNING, disease::BREAST_CANCER);
        }
        life.visit_vitals(visit, Set::Short);
        life.visit_labs(visit, &[Panel::TumourBreast, Panel::Liver]);
        life.diagnose(visit, &[disease::BREAST_CANCER]);
        life.clinic_note(
            visit,
            ("관절통이 약간 있음. 새로 만져지는 덩어리 없음.", "Mild joint pain. No new lump."),
            &[("레트로졸 유지, 매년 유방촬영", "Continue letrozole, yearly mammography")],
        );
    }
}

/// Short of breath on the third day: an embolism was suspected and ruled out by CT.
fn suspected_embolism(life: &mut Life, stay: usize) {
    let at = days_after(life.start(stay).date(), 3).at(15, 20, 0, 0);
    let problem = life.problem(Some(stay), disease::PULMONARY_EMBOLISM, crate::moment::Since::Day(at.date()), at);
    life.record.problems[problem].certainty = Certainty::Refuted(minutes_after(at, 330));
    life.study(
        stay,
        at,
        service::CHEST_CT,
        disease::PULMONARY_EMBOLISM,
        &[
            "No filling defect in the main, lobar or segmental pulmonary arteries.",
            "Minor atelectasis at the left base. No effusion. No suspicious nodule.",
        ],
        &["No pulmonary embolism.", "Minor left basal atelectasis."],
    );
}

/// Gastric cancer found at a national screening, resected, oral chemotherapy.
pub(super) fn stomach(life: &mut Life) {
    let found = life.ago(560, 40);
    life.relative(relative("FTH", "father"), disease::GASTRIC_CANCER, Some(63));
    life.body.line(
        Analyte::Haemoglobin,
        &[
            (days_after(found, -100), 13.6),
            (found, 11.4),
            (days_after(found, 300), 12.6),
            (days_after(found, 600), 13.2),
        ],
    );
    life.body.line(Analyte::Cea, &[(found, 8.9), (days_after(found, 60), 3.1), (days_after(found, 600), 2.4)]);
    life.body.line(
        Analyte::Weight,
        &[
            (days_after(found, -60), 67.0),
            (found, 63.5),
            (days_after(found, 120), 57.5),
            (days_after(found, 500), 60.0),
        ],
    );
    life.body.line(Analyte::Ferritin, &[(found, 14.0), (days_after(found, 300), 48.0)]);
    let Some(first) = life.clinic(found, SURGERY, words("검진 내시경 이상")) else { return };
    life.visit_vitals(first, Set::Whole);
    life.visit_labs(first, &[Panel::Blood, Panel::TumourGut, Panel::Liver, Panel::Iron]);
    life.found(first, disease::GASTRIC_CANCER);
    life.diagnose(first, &[disease::GASTRIC_CANCER]);
    let start = life.start(first);
    life.procedure(first, minutes_after(start, 30), service::GASTROSCOPY, disease::GASTRIC_CANCER);
    life.study(
        first,
        minutes_after(start, 8),
        service::ENDOSCOPY,
        disease::GASTRIC_CANCER,
        &[
            "위 전정부 소만에 2.8 cm 크기의 궤양형 종괴가 있으며 조직검사를 시행함.",
            "식도와 십이지장은 정상. 활동성 출혈 없음.",
        ],
        &["위암 의심(전정부), 조직검사 시행."],
    );
    life.study(
        first,
        minutes_after(start, 9),
        service::ABDOMEN_CT,
        disease::GASTRIC_CANCER,
        &["위 전정부 벽의 비후와 조영증강이 있음.", "위 주변 림프절 1개가 8 mm로 관찰됨.", "간 전이 없음. 복수 없음."],
        &["위암, 임상 병기 cT2 N0.", "원격 전이 없음."],
    );
    life.clinic_note(
        first,
        (
            "2개월간 체중이 3 kg 줄고 소화불량이 있음. 토혈, 흑색변은 없음.",
            "Lost 3 kg in 2 months with dyspepsia. No hematemesis or melena.",
        ),
        &[("복강경 위절제 계획", "Plan laparoscopic gastrectomy")],
    );
    operate(
        life,
        &Operation {
            day: days_after(found, 18),
            days: 9,
            reason: words("위암 수술"),
            disease: disease::GASTRIC_CANCER,
            procedure: service::GASTRECTOMY,
            complaint: ("소화불량", "Dyspepsia"),
            illness: &[(
                "내시경에서 위 전정부 암이 확인되어 수술을 위해 입원함.",
                "Admitted for resection of antral gastric cancer found at endoscopy.",
            )],
            operation: &[
                ("수술명: 복강경하 위아전절제술", "Procedure: laparoscopic subtotal gastrectomy"),
                ("복강 내 파종은 없었음.", "No peritoneal seeding."),
                ("출혈량 120 mL, 수혈 없음.", "Blood loss 120 mL, no transfusion."),
            ],
            findings: &[
                "위, 아전절제: 관상선암, 중등도 분화, 종양 크기 3.0 cm, 고유근층 침범.",
                "절제연 음성. 림프절 31개 중 2개 전이(2/31).",
                "HER2 음성.",
            ],
            pathology: &["위선암, pT2 N1 M0, 병기 IIA, 절제연 음성."],
            story: &[(
                "복강경 위아전절제술 후 합병증 없이 회복함. 병리 병기는 IIA.",
                "Uneventful recovery after laparoscopic subtotal gastrectomy. Pathological stage IIA.",
            )],
            follow_up: &[("2주 뒤 외과 외래, 카페시타빈 시작 예정", "Surgery clinic in 2 weeks, start capecitabine")],
        },
    );
    let visits = follow(life, days_after(found, 48), 60, SURGERY, words("위암 추적"));
    for (at, visit) in visits.iter().copied().enumerate() {
        if at == 0 {
            let capecitabine = life.start_drug(
                visit,
                drug::CAPECITABINE,
                dose("3", "BID", "1일 2회 식후, 14일 복용 7일 휴약"),
                disease::GASTRIC_CANCER,
            );
            let end = days_after(life.start(visit).date(), 175).at(9, 0, 0, 0);
            life.step(capecitabine, end, crate::record::Step::Finish);
            life.start_drug(visit, drug::FERROUS, MORNING, disease::GASTRIC_CANCER);
        }
        life.visit_vitals(visit, Set::Whole);
        life.visit_labs(visit, &[Panel::Blood, Panel::TumourGut, Panel::Liver]);
        life.diagnose(visit, &[disease::GASTRIC_CANCER]);
        life.clinic_note(
            visit,
            (
                "소량씩 자주 먹고 있음. 덤핑 증상은 가끔. 복통 없음.",
                "Small frequent meals. Occasional dumping. No abdominal pain.",
            ),
            &[("식이 교육, 6개월마다 CT", "Diet education, CT every 6 months")],
        );
        if at % 3 == 2 {
            let when = minutes_after(life.start(visit), 10);
            life.study(
                visit,
                when,
                service::ABDOMEN_CT,
                disease::GASTRIC_CANCER,
                &["위아전절제술 후 상태. 문합부 이상 없음.", "국소 재발이나 림프절 비대 없음. 간 전이 없음."],
                &["재발의 증거 없음."],
            );
        }
    }
}

/// Colon cancer with an anaemia that led to it.
pub(super) fn colon(life: &mut Life) {
    let found = life.ago(600, 40);
    life.body
        .line(Analyte::Haemoglobin, &[(days_after(found, -100), 12.9), (found, 9.6), (days_after(found, 250), 12.4)]);
    life.body.line(Analyte::Mcv, &[(days_after(found, -100), 88.0), (found, 76.0), (days_after(found, 300), 89.0)]);
    life.body.line(Analyte::Ferritin, &[(found, 7.5), (days_after(found, 300), 62.0)]);
    life.body.line(Analyte::Iron, &[(found, 24.0), (days_after(found, 300), 88.0)]);
    life.body.line(Analyte::Tibc, &[(found, 441.0), (days_after(found, 300), 320.0)]);
    life.body.line(Analyte::Cea, &[(found, 14.6), (days_after(found, 60), 2.9), (days_after(found, 600), 2.1)]);
    let Some(first) = life.clinic(found, SURGERY, words("빈혈과 혈변")) else { return };
    life.visit_vitals(first, Set::Whole);
    life.visit_labs(first, &[Panel::Blood, Panel::Iron, Panel::TumourGut]);
    life.found(first, disease::COLON_CANCER);
    life.found(first, disease::IRON_DEFICIENCY);
    life.diagnose(first, &[disease::COLON_CANCER, disease::IRON_DEFICIENCY]);
    let start = life.start(first);
    life.procedure(first, minutes_after(start, 45), service::COLONOSCOPY, disease::COLON_CANCER);
    life.study(
        first,
        minutes_after(start, 8),
        service::COLON_ENDOSCOPY,
        disease::COLON_CANCER,
        &["상행결장에 내강의 절반을 차지하는 4 cm 크기의 융기성 종괴가 있음.", "그 외 용종 없음. 직장은 정상."],
        &["상행결장암 의심, 조직검사 시행."],
    );
    life.study(
        first,
        minutes_after(start, 9),
        service::ABDOMEN_CT,
        disease::COLON_CANCER,
        &[
            "Wall thickening of the ascending colon over 5 cm with mild pericolic stranding.",
            "Two regional lymph nodes up to 9 mm. No liver metastasis. No ascites.",
        ],
        &["Ascending colon cancer, cT3 N1.", "No distant metastasis."],
    );
    life.clinic_note(
        first,
        (
            "2개월 전부터 검붉은 혈변과 피로. 복통은 없음.",
            "Dark blood in stool and fatigue for 2 months. No abdominal pain.",
        ),
        &[("복강경 우측결장절제 계획", "Plan laparoscopic right hemicolectomy")],
    );
    life.start_drug(first, drug::FERROUS, TWICE, disease::IRON_DEFICIENCY);
    operate(
        life,
        &Operation {
            day: days_after(found, 14),
            days: 8,
            reason: words("대장암 수술"),
            disease: disease::COLON_CANCER,
            procedure: service::HEMICOLECTOMY,
            complaint: ("혈변과 빈혈", "Bloody stool and anemia"),
            illness: &[(
                "대장내시경에서 상행결장암이 확인되어 수술을 위해 입원함.",
                "Admitted for surgery of ascending colon cancer found at colonoscopy.",
            )],
            operation: &[
                ("수술명: 복강경하 우측결장절제술", "Procedure: laparoscopic right hemicolectomy"),
                ("간 전이와 복막 파종은 없었음.", "No liver metastasis or peritoneal seeding."),
                ("출혈량 80 mL, 수혈 없음.", "Blood loss 80 mL, no transfusion."),
            ],
            findings: &[
                "우측결장, 절제: 선암, 중등도 분화, 종양 크기 4.2 cm, 장막하층 침범.",
                "절제연 음성. 림프절 24개 중 3개 전이(3/24).",
                "MSI-H 아님. KRAS 변이 없음.",
            ],
            pathology: &["결장 선암, pT3 N1b M0, 병기 IIIB, 절제연 음성."],
            story: &[(
                "우측결장절제술 후 4일째 식이를 시작하였고 문합부 누출은 없었음.",
                "Diet resumed on day 4 after right hemicolectomy, no anastomotic leak.",
            )],
            follow_up: &[(
                "2주 뒤 외과 외래, 보조항암치료 예정",
                "Surgery clinic in 2 weeks, adjuvant chemotherapy planned",
            )],
        },
    );
    chemotherapy(life, days_after(found, 45), 21, 5, disease::COLON_CANCER, &[(drug::OXALIPLATIN, "200")]);
    for visit in follow(life, days_after(found, 190), 90, SURGERY, words("대장암 추적")) {
        life.visit_vitals(visit, Set::Short);
        life.visit_labs(visit, &[Panel::Blood, Panel::TumourGut]);
        life.diagnose(visit, &[disease::COLON_CANCER]);
        life.clinic_note(
            visit,
            (
                "배변 하루 2회. 혈변 없음. 손끝 저림이 남아 있음.",
                "Two bowel movements a day. No blood. Residual tingling of the fingertips.",
            ),
            &[("CEA와 CT 추적", "Follow CEA and CT")],
        );
    }
}
