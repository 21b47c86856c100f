//! Lungs: COPD with pneumonia, asthma.

use jiff::civil::Date;

use super::{follow, words};
use crate::catalog::drug;
use crate::catalog::lab::{Analyte, BLOOD_CULTURE, Panel, SPUTUM_CULTURE};
use crate::catalog::{disease, service};
use crate::codes::Concept;
use crate::course::{ADMITTED, HOME, Life, MORNING, Set, THRICE, dose};
use crate::moment::{Since, days_after, minutes_after};
use crate::notes;
use crate::people::MEDICINE;
use crate::record::{Content, Result, Status, Value};

/// COPD of an old smoker, an exacerbation with pneumonia last winter.
pub(super) fn copd_with_pneumonia(life: &mut Life) {
    let from = days_after(life.record.registered.date(), 1);
    let ill = life.ago(270, 25);
    life.reserve(ill, 10);
    life.smokes(service::CURRENT_SMOKER);
    life.known_since(disease::COPD, Since::Month(from.year() - 6, 11));
    life.known_since(disease::HYPERTENSION, Since::Year(from.year() - 10));
    life.body.line(
        Analyte::Saturation,
        &[
            (from, 95.0),
            (days_after(ill, -6), 94.5),
            (ill, 86.0),
            (days_after(ill, 2), 92.0),
            (days_after(ill, 8), 95.0),
        ],
    );
    life.body.line(
        Analyte::RespiratoryRate,
        &[
            (from, 19.0),
            (days_after(ill, -5), 19.0),
            (ill, 28.0),
            (days_after(ill, 3), 23.0),
            (days_after(ill, 8), 19.0),
        ],
    );
    life.body.line(
        Analyte::Temperature,
        &[
            (from, 36.6),
            (days_after(ill, -3), 36.7),
            (ill, 38.9),
            (days_after(ill, 3), 37.4),
            (days_after(ill, 6), 36.7),
        ],
    );
    life.body.line(
        Analyte::HeartRate,
        &[
            (from, 82.0),
            (days_after(ill, -4), 82.0),
            (ill, 114.0),
            (days_after(ill, 4), 92.0),
            (days_after(ill, 10), 82.0),
        ],
    );
    life.body.line(
        Analyte::Crp,
        &[
            (from, 0.3),
            (days_after(ill, -8), 0.4),
            (ill, 16.8),
            (days_after(ill, 3), 9.2),
            (days_after(ill, 7), 2.1),
            (days_after(ill, 40), 0.3),
        ],
    );
    life.body.line(
        Analyte::Leukocytes,
        &[(from, 7.4), (days_after(ill, -8), 7.5), (ill, 17.9), (days_after(ill, 4), 11.2), (days_after(ill, 9), 8.0)],
    );
    let visits = follow(life, from, 120, MEDICINE, words("만성 폐쇄성 폐질환 추적"));
    let [first, ..] = visits[..] else { return };
    life.start_drug(first, drug::TIOTROPIUM, dose("2", "QD", "1일 1회, 한 번에 두 번 흡입"), disease::COPD);
    life.start_drug(first, drug::SALBUTAMOL, dose("2", "PRN", "숨찰 때 두 번 흡입"), disease::COPD);
    life.start_drug(first, drug::AMLODIPINE, MORNING, disease::HYPERTENSION);
    for (at, visit) in visits.iter().copied().enumerate() {
        life.visit_vitals(visit, if at % 3 == 0 { Set::Whole } else { Set::Ward });
        life.visit_labs(visit, if at % 3 == 0 { &[Panel::Blood, Panel::Electrolytes] } else { &[Panel::Blood] });
        life.diagnose(visit, &[disease::COPD]);
        let told = *life.dice.pick(&[
            ("평지 걷기에 숨차지 않음. 가래는 흰색.", "No dyspnea on level ground. White sputum."),
            ("아침에 기침이 있음. 객혈 없음. 금연은 아직 못함.", "Morning cough. No hemoptysis. Still smoking."),
        ]);
        life.clinic_note(
            visit,
            told,
            &[("흡입제 사용법 재교육, 금연 권고", "Inhaler technique reviewed, advised to stop smoking")],
        );
    }
    let at = minutes_after(life.start(first), 15);
    life.study(
        first,
        at,
        service::LUNG_FUNCTION,
        disease::COPD,
        &["기관지확장제 흡입 후 FEV1/FVC 0.58, FEV1 예측치의 54 %."],
        &["중등도의 폐쇄성 환기장애."],
    );
    life.procedure(first, minutes_after(life.start(first), 40), service::SPIROMETRY, disease::COPD);
    pneumonia(life, ill);
}

/// A culture as one report; the preliminary word first.
fn culture(life: &mut Life, visit: usize, day: Date, what: Concept, first: &str, last: &str, days: i64) {
    let one = |text: &str, status: Status, life_flag: Option<&'static str>| Result {
        what,
        value: Value::Text(text.to_owned()),
        unit: None,
        decimals: 0,
        range: (None, None),
        flag: life_flag,
        status,
        note: None,
    };
    let taken = minutes_after(life.start(visit), 12);
    let issued = days_after(day, days).at(13, 10, 0, 0);
    let flag = last.contains("동정").then_some("A");
    let report =
        life.report(Some(visit), what, "MB", taken, issued, Content::Values(vec![one(last, Status::Final, flag)]));
    life.record.reports[report].earlier.push(crate::record::Earlier {
        issued: days_after(day, 1).at(9, 0, 0, 0),
        status: Status::Preliminary,
        content: Content::Values(vec![one(first, Status::Preliminary, None)]),
    });
}

fn pneumonia(life: &mut Life, day: Date) {
    let Some(room) = life.emergency(day.at(4, 50, 0, 0), words("발열과 호흡곤란"), 4, ADMITTED) else { return };
    let start = life.start(room);
    life.vitals(room, minutes_after(start, 5), Set::Ward);
    life.labs(
        room,
        minutes_after(start, 15),
        &[Panel::Blood, Panel::Crp, Panel::Electrolytes, Panel::Renal, Panel::Liver],
    );
    life.diagnose(room, &[disease::PNEUMONIA]);
    life.study(
        room,
        minutes_after(start, 25),
        service::CHEST_FILM,
        disease::PNEUMONIA,
        &[
            "우하엽에 공기기관지조영을 동반한 경화가 있음.",
            "양측 폐의 과팽창.",
            "흉수 없음. 기흉 없음. 심장 크기는 정상.",
        ],
        &["우하엽 폐렴.", "폐기종 의심, 흉수 없음."],
    );
    let handed_over = life.handed_over(room);
    let Some(stay) = life.admission(handed_over, MEDICINE, words("폐렴"), 9, HOME) else { return };
    let start = life.start(stay);
    life.diagnose(stay, &[disease::PNEUMONIA, disease::COPD_EXACERBATION]);
    let problem = life.found(stay, disease::PNEUMONIA);
    life.resolve(problem, days_after(day, 24));
    life.vitals(stay, minutes_after(start, 10), Set::Ward);
    culture(life, stay, day, BLOOD_CULTURE, "24시간 배양에서 균 자라지 않음", "5일 배양에서 균 자라지 않음", 5);
    culture(
        life,
        stay,
        day,
        SPUTUM_CULTURE,
        "그람양성 쌍구균 관찰됨",
        "Streptococcus pneumoniae 동정, 페니실린 감수성",
        3,
    );
    let language = life.language();
    let at = minutes_after(start, 95);
    let text = notes::admission(
        &life.record,
        stay,
        at,
        language,
        ("발열, 호흡곤란, 화농성 가래", "Fever, dyspnea and purulent sputum"),
        &[
            (
                "3일 전부터 38도 이상의 발열과 누런 가래가 있었고 1일 전부터 숨이 참.",
                "Fever above 38 and yellow sputum for 3 days, dyspnea since yesterday.",
            ),
            (
                "흉통은 없음. 최근 3개월 내 입원이나 항생제 사용은 없음.",
                "No chest pain. No admission or antibiotics in the last 3 months.",
            ),
        ],
        &[
            ("세프트리악손과 아지트로마이신 투여", "Ceftriaxone and azithromycin"),
            (
                "산소 2 L/분, 기관지확장제 흡입, 프레드니솔론 5일",
                "Oxygen 2 L/min, bronchodilators, prednisolone for 5 days",
            ),
        ],
    );
    life.note(stay, service::ADMISSION_NOTE, at, text);
    let first = minutes_after(start, 30);
    life.course_of(stay, first, drug::CEFTRIAXONE, dose("2", "QD", "1일 1회 정맥주사"), disease::PNEUMONIA, 7);
    life.course_of(stay, first, drug::AZITHROMYCIN, dose("2", "QD", "1일 1회 2정 식후"), disease::PNEUMONIA, 3);
    life.course_of(
        stay,
        first,
        drug::PREDNISOLONE,
        dose("8", "QD", "1일 1회 8정 아침 식후"),
        disease::COPD_EXACERBATION,
        5,
    );
    life.course_of(stay, first, drug::ACETAMINOPHEN, THRICE, disease::PNEUMONIA, 4);
    for day in 1..=8 {
        let at = days_after(start.date(), day).at(7, 0, 0, 0);
        life.vitals(stay, at, Set::Ward);
        if matches!(day, 1 | 3 | 6) {
            life.labs(stay, minutes_after(at, -50), &[Panel::Blood, Panel::Crp]);
            let told = if day == 1 {
                ("밤새 열이 있었음. 가래가 많음.", "Febrile overnight. Much sputum.")
            } else {
                ("열 없음. 숨찬 것이 좋아짐.", "Afebrile. Breathing better.")
            };
            let at = minutes_after(at, 140);
            let text = notes::progress(
                &life.record,
                stay,
                at,
                language,
                told,
                &[("항생제 유지, 산소 줄이기", "Continue antibiotics, wean oxygen")],
            );
            life.note(stay, service::PROGRESS_NOTE, at, text);
        }
    }
    life.study(
        stay,
        days_after(start.date(), 7).at(9, 0, 0, 0),
        service::CHEST_FILM,
        disease::PNEUMONIA,
        &["우하엽 경화의 범위가 이전보다 감소함.", "흉수 없음."],
        &["우하엽 폐렴, 호전 중."],
    );
    if let Some(end) = life.record.visits[stay].end() {
        let at = minutes_after(end, -60);
        let text = notes::discharge(
            &life.record,
            stay,
            at,
            language,
            &[
                (
                    "객담배양에서 폐렴구균이 확인되었고 혈액배양은 음성이었음.",
                    "Sputum grew Streptococcus pneumoniae; blood cultures were negative.",
                ),
                ("해열 후 산소 없이 안정되어 퇴원함.", "Discharged afebrile and off oxygen."),
            ],
            &[
                ("2주 뒤 내과 외래와 흉부 X선", "Medicine clinic and chest film in 2 weeks"),
                ("금연 클리닉 권고", "Smoking cessation clinic advised"),
            ],
        );
        life.note(stay, service::DISCHARGE_SUMMARY, at, text);
    }
}

/// Asthma of a young woman, well controlled after two bad springs.
pub(super) fn asthma(life: &mut Life) {
    let from = days_after(life.record.registered.date(), 1);
    let attack = life.ago(560, 30);
    life.reserve(attack, 1);
    life.smokes(service::NEVER_SMOKER);
    let visits = follow(life, from, 126, MEDICINE, words("천식 추적"));
    let [first, ..] = visits[..] else { return };
    life.found(first, disease::ASTHMA);
    life.known_since(disease::ALLERGIC_RHINITIS, Since::Year(from.year() - 8));
    life.start_drug(first, drug::BUDESONIDE, dose("1", "BID", "1일 2회 흡입 후 입 헹구기"), disease::ASTHMA);
    life.start_drug(first, drug::SALBUTAMOL, dose("2", "PRN", "숨찰 때 두 번 흡입"), disease::ASTHMA);
    life.start_drug(first, drug::CETIRIZINE, dose("1", "QHS", "1일 1회 자기 전"), disease::ALLERGIC_RHINITIS);
    for (at, visit) in visits.iter().copied().enumerate() {
        life.visit_vitals(visit, if at % 3 == 0 { Set::Whole } else { Set::Ward });
        if at % 2 == 0 {
            life.visit_labs(visit, &[Panel::Blood]);
        }
        life.diagnose(visit, &[disease::ASTHMA]);
        let told = *life.dice.pick(&[
            ("야간 증상 없음. 응급 흡입제는 주 1회 이하.", "No night symptoms. Reliever at most once a week."),
            ("봄철에 콧물과 쌕쌕거림이 심해짐.", "Rhinorrhea and wheeze worse in spring."),
        ]);
        life.clinic_note(visit, told, &[("흡입스테로이드 유지", "Continue inhaled corticosteroid")]);
    }
    let Some(room) = life.emergency(attack.at(1, 30, 0, 0), words("천명과 호흡곤란"), 4, HOME) else { return };
    life.body
        .line(Analyte::Saturation, &[(days_after(attack, -2), 98.0), (attack, 91.0), (days_after(attack, 2), 98.0)]);
    let start = life.start(room);
    life.vitals(room, minutes_after(start, 4), Set::Ward);
    life.diagnose(room, &[disease::ASTHMA]);
    let at = minutes_after(start, 150);
    let language = life.language();
    let text = notes::emergency(
        &life.record,
        room,
        at,
        language,
        ("3시간 전부터 쌕쌕거림과 호흡곤란", "Wheeze and dyspnea for 3 hours"),
        &[("양측 폐야에서 천명음. 청색증은 없음.", "Wheezing in both lungs. No cyanosis.")],
        (
            "살부타몰 분무와 프레드니솔론 후 호전되어 귀가",
            "Improved after nebulised salbutamol and prednisolone, discharged home",
        ),
    );
    life.note(room, service::EMERGENCY_NOTE, at, text);
    life.course_of(room, at, drug::PREDNISOLONE, dose("6", "QD", "1일 1회 6정 아침 식후"), disease::ASTHMA, 5);
}
