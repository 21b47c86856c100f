//! Children: asthma with an egg or mite in it, and the small infections of nursery years.

use super::words;
use crate::catalog::drug;
use crate::catalog::lab::{Analyte, Panel};
use crate::catalog::{disease, service};
use crate::course::{ADMITTED, HOME, Life, Set, THRICE, dose};
use crate::moment::{Since, days_after, minutes_after};
use crate::notes;
use crate::people::PAEDIATRICS;
use crate::record::{Told, Value};

/// Atopy from the first year, asthma from the third, a stay for a wheezing infection.
pub(super) fn asthma(life: &mut Life) {
    let birth = life.record.person.birth;
    let registered = life.record.registered;
    // Told at the first visit, so it had shown itself by then: infants of some months are registered too.
    let shown = days_after(birth, 330).min(days_after(registered.date(), -14));
    let egg = life.allergy(
        Told::Numbered,
        minutes_after(registered, 50),
        service::EGG,
        Some(("FA", "food")),
        Some("MO"),
        &["두드러기", "구토"],
        (shown > days_after(birth, 120)).then_some(shown),
    );
    // Grown out of: the oral challenge last year was negative.
    life.record.allergies[egg].certainty = crate::record::Certainty::Unconfirmed;
    let mut day = days_after(registered.date(), 2);
    let ill = life.ago(640, 30);
    life.reserve(ill, 5);
    let mut first = true;
    while let Some(visit) = life.clinic(day, PAEDIATRICS, words("천식 추적")) {
        life.visit_vitals(visit, Set::Whole);
        if first {
            life.found(visit, disease::ASTHMA);
            life.known_since(disease::ATOPIC_DERMATITIS, Since::Year((birth.year() + 1).min(day.year())));
            life.start_drug(visit, drug::MONTELUKAST, dose("1", "QHS", "1일 1회 자기 전 씹어 먹기"), disease::ASTHMA);
            life.start_drug(
                visit,
                drug::SALBUTAMOL,
                dose("2", "PRN", "쌕쌕거릴 때 스페이서로 두 번 흡입"),
                disease::ASTHMA,
            );
            life.visit_labs(visit, &[Panel::Blood]);
            first = false;
        }
        life.diagnose(visit, &[disease::ASTHMA]);
        let told = *life.dice.pick(&[
            ("밤기침 주 1회. 뛰어도 쌕쌕거리지 않음.", "Night cough once a week. No wheeze on running."),
            ("감기 때마다 쌕쌕거림. 응급실 방문은 없었음.", "Wheezes with each cold. No emergency visits."),
        ]);
        life.clinic_note(
            visit,
            told,
            &[("몬테루카스트 유지, 성장 곡선 확인", "Continue montelukast, growth on track")],
        );
        day = days_after(day, 112 + life.dice.between(-8, 20));
    }
    let Some(room) = life.emergency(ill.at(21, 10, 0, 0), words("쌕쌕거림과 발열"), 3, ADMITTED) else { return };
    life.body.line(Analyte::Temperature, &[(days_after(ill, -2), 36.7), (ill, 38.6), (days_after(ill, 3), 36.8)]);
    life.body.line(Analyte::Saturation, &[(days_after(ill, -2), 98.5), (ill, 91.0), (days_after(ill, 3), 97.5)]);
    let start = life.start(room);
    life.vitals(room, minutes_after(start, 4), Set::Ward);
    life.diagnose(room, &[disease::ASTHMA]);
    let handed_over = life.handed_over(room);
    let Some(stay) = life.admission(handed_over, PAEDIATRICS, words("천식 발작"), 4, HOME) else {
        return;
    };
    let start = life.start(stay);
    life.diagnose(stay, &[disease::ASTHMA, disease::UPPER_RESPIRATORY]);
    life.labs(stay, minutes_after(start, 15), &[Panel::Blood, Panel::Crp]);
    let language = life.language();
    let at = minutes_after(start, 120);
    let text = notes::admission(
        &life.record,
        stay,
        at,
        language,
        ("쌕쌕거림, 발열", "Wheeze and fever"),
        &[(
            "2일 전 콧물과 기침이 시작되어 오늘 저녁 숨이 참. 수유와 식사는 줄었음.",
            "Cold for 2 days, short of breath this evening. Eating less.",
        )],
        &[("살부타몰 분무, 산소, 프레드니솔론", "Nebulised salbutamol, oxygen, prednisolone")],
    );
    life.note(stay, service::ADMISSION_NOTE, at, text);
    life.course_of(
        stay,
        minutes_after(start, 30),
        drug::ACETAMINOPHEN_SYRUP,
        dose("7", "Q6H", "38.5도 이상일 때 6시간 간격"),
        disease::UPPER_RESPIRATORY,
        3,
    );
    for day in 1..=3 {
        life.vitals(stay, days_after(start.date(), day).at(8, 0, 0, 0), Set::Ward);
    }
    if let Some(end) = life.record.visits[stay].end() {
        let at = minutes_after(end, -30);
        let text = notes::discharge(
            &life.record,
            stay,
            at,
            language,
            &[(
                "산소 없이 안정되어 퇴원함. 폐렴 소견은 없었음.",
                "Discharged stable off oxygen. No sign of pneumonia.",
            )],
            &[("1주 뒤 소아청소년과 외래", "Paediatric clinic in 1 week")],
        );
        life.note(stay, service::DISCHARGE_SUMMARY, at, text);
    }
}

/// Otitis, a stomach bug, bronchiolitis.
pub(super) fn small_infections(life: &mut Life) {
    let mut day = days_after(life.record.registered.date(), 10);
    let ills = [
        (
            disease::UPPER_RESPIRATORY,
            words("콧물과 기침"),
            ("콧물과 기침 3일째. 열은 없음.", "Runny nose and cough for 3 days. No fever."),
            None,
        ),
        (
            disease::OTITIS,
            words("발열과 귀 통증"),
            ("어제부터 열이 나고 오른쪽 귀를 만짐.", "Fever since yesterday, pulls at the right ear."),
            Some((drug::AMOXICILLIN, dose("5", "TID", "1일 3회 식후 30분"), 7)),
        ),
        (
            disease::GASTROENTERITIS,
            words("구토와 설사"),
            ("구토 3회, 설사 5회. 혈변은 없음.", "Vomited 3 times, diarrhea 5 times. No blood."),
            None,
        ),
        (
            disease::BRONCHIOLITIS,
            words("기침과 빠른 호흡"),
            ("숨소리가 거칠고 기침이 심함. 청색증 없음.", "Noisy breathing and cough. No cyanosis."),
            Some((drug::ACETAMINOPHEN_SYRUP, THRICE, 3)),
        ),
    ];
    let mut at = 0;
    while let Some(visit) = life.clinic(day, PAEDIATRICS, ills[at % ills.len()].1) {
        let (what, _, told, treated) = ills[at % ills.len()];
        let day_now = life.start(visit).date();
        if what != disease::UPPER_RESPIRATORY {
            life.body.line(
                Analyte::Temperature,
                &[(days_after(day_now, -4), 36.7), (day_now, 38.1), (days_after(day_now, 4), 36.7)],
            );
        }
        life.visit_vitals(visit, Set::Whole);
        life.diagnose(visit, &[what]);
        let problem = life.found(visit, what);
        life.resolve(problem, days_after(day_now, 12));
        if what == disease::GASTROENTERITIS {
            life.visit_labs(visit, &[Panel::Electrolytes]);
        }
        if let Some((medicine, amount, days)) = treated {
            let at = minutes_after(life.start(visit), 140);
            life.course_of(visit, at, medicine, amount, what, days);
        }
        life.clinic_note(
            visit,
            told,
            &[("보호자에게 경고 증상 설명, 필요 시 재방문", "Warning signs explained to parents, return if needed")],
        );
        day = days_after(day, 55 + life.dice.between(0, 40));
        at += 1;
    }
    life.habit(
        crate::codes::Concept::two(
            crate::codes::code(crate::codes::System::Loinc, "11341-5", "History of Occupation"),
            crate::codes::code(crate::codes::System::Local, "S03", "직업·보육"),
        ),
        Value::Text("어린이집에 다님".to_owned()),
        minutes_after(life.record.registered, 15),
        None,
    );
}
