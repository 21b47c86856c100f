//! A pregnancy from the first scan to the birth, on levothyroxine, with diabetes of pregnancy.

use super::{follow, words};
use crate::catalog::drug;
use crate::catalog::lab::{Analyte, Panel};
use crate::catalog::{disease, service};
use crate::course::{HOME, Life, MORNING, Set, dose};
use crate::moment::{days_after, days_between, minutes_after};
use crate::notes;
use crate::people::{MEDICINE, OBSTETRICS};
use crate::record::Step;

/// A planned pregnancy of a woman with an underactive thyroid.
pub(super) fn pregnancy(life: &mut Life) {
    let from = days_after(life.record.registered.date(), 2);
    let birth = life.ago(190, 30);
    life.reserve(birth, 4);
    life.smokes(service::NEVER_SMOKER);
    life.drinks("음주 안 함");
    let begin = days_after(birth, -276);
    life.body.line(
        Analyte::Tsh,
        &[(from, 9.4), (days_after(from, 90), 2.6), (days_after(begin, 50), 4.0), (days_after(begin, 100), 1.9)],
    );
    life.body.line(Analyte::FreeT4, &[(from, 0.84), (days_after(from, 100), 1.22)]);
    life.body.line(
        Analyte::Weight,
        &[(begin, 57.5), (days_after(begin, 140), 61.8), (birth, 69.0), (days_after(birth, 60), 61.0)],
    );
    life.body.line(
        Analyte::Haemoglobin,
        &[(begin, 12.9), (days_after(begin, 200), 11.0), (days_after(birth, 1), 10.1), (days_after(birth, 60), 12.2)],
    );
    life.body.line(Analyte::Hba1c, &[(begin, 5.4), (days_after(begin, 180), 5.9), (days_after(birth, 60), 5.5)]);
    let visits = follow(life, from, 120, MEDICINE, words("갑상선 기능 추적"));
    if let Some(first) = visits.first().copied() {
        life.found(first, disease::HYPOTHYROIDISM);
        life.start_drug(
            first,
            drug::LEVOTHYROXINE,
            dose("1", "QD", "1일 1회 아침 식전 1시간"),
            disease::HYPOTHYROIDISM,
        );
    }
    for visit in visits {
        life.visit_vitals(visit, Set::Short);
        life.visit_labs(visit, &[Panel::Thyroid]);
        life.diagnose(visit, &[disease::HYPOTHYROIDISM]);
        life.clinic_note(
            visit,
            ("특별한 불편감 없음.", "No complaints."),
            &[("레보티록신 유지", "Continue levothyroxine")],
        );
    }
    let mut expecting = None;
    for week in [7, 12, 16, 20, 25, 28, 32, 35, 37, 39] {
        let Some(visit) = life.clinic(days_after(begin, week * 7 - 14), OBSTETRICS, words("산전 진찰")) else {
            break;
        };
        let weeks = days_between(begin, life.start(visit).date()) / 7 + 2;
        if expecting.is_none() {
            expecting = Some(life.found(visit, disease::PREGNANCY));
            let acid = life.start_drug(visit, drug::FOLIC_ACID, MORNING, disease::PREGNANCY);
            life.step(acid, days_after(birth, -170).at(20, 0, 0, 0), Step::Finish);
        }
        life.visit_vitals(visit, Set::Whole);
        life.diagnose(visit, &[disease::PREGNANCY]);
        let mut panels = vec![];
        match week {
            7 | 28 | 37 => panels.push(Panel::Blood),
            25 => panels.extend([Panel::Diabetes, Panel::Glucose]),
            _ => {}
        }
        life.visit_labs(visit, &panels);
        if week == 25 {
            let problem = life.found(visit, disease::GESTATIONAL_DIABETES);
            life.resolve(problem, days_after(birth, 45));
        }
        if matches!(week, 7 | 12 | 20 | 32) {
            let at = minutes_after(life.start(visit), 8);
            let line = format!("임신 {weeks}주에 합당한 크기의 태아 1명, 심박동 확인됨.");
            life.study(
                visit,
                at,
                service::OBSTETRIC_ULTRASOUND,
                disease::PREGNANCY,
                &[&line, "태반 위치 정상, 양수량 적절."],
                &["정상 자궁 내 임신, 이상 소견 없음."],
            );
        }
        let told_ko = format!("임신 {weeks}주. 질 출혈 없음. 태동 잘 느낌.");
        let told_en = format!("{weeks} weeks pregnant. No vaginal bleeding. Fetal movements felt.");
        let told = if weeks < 18 {
            ("입덧이 있음. 질 출혈 없음.", "Morning sickness. No vaginal bleeding.")
        } else {
            (told_ko.as_str(), told_en.as_str())
        };
        let plan: &[(&str, &str)] = if week == 25 {
            &[(
                "임신성 당뇨병으로 식이요법과 자가혈당측정 시작",
                "Gestational diabetes, start diet and self-monitoring of glucose",
            )]
        } else {
            &[("정기 산전 진찰 유지", "Continue antenatal care")]
        };
        life.clinic_note(visit, told, plan);
        if week == 28 {
            life.vaccinate(life.start(visit).date(), service::TDAP);
        }
    }
    delivery(life, birth, expecting);
}

fn delivery(life: &mut Life, birth: jiff::civil::Date, expecting: Option<usize>) {
    let Some(stay) = life.admission(birth.at(3, 30, 0, 0), OBSTETRICS, words("진통"), 2, HOME) else { return };
    let start = life.start(stay);
    life.diagnose(stay, &[disease::DELIVERY]);
    life.vitals(stay, minutes_after(start, 10), Set::Ward);
    life.labs(stay, minutes_after(start, 20), &[Panel::Blood]);
    let born = minutes_after(start, 420);
    life.procedure(stay, born, service::NORMAL_DELIVERY, disease::DELIVERY);
    if let Some(problem) = expecting {
        life.resolve(problem, birth);
    }
    let language = life.language();
    let at = minutes_after(start, 480);
    let text = notes::page(
        &life.record,
        stay,
        at,
        language,
        ("분만기록", "DELIVERY NOTE"),
        &[
            (
                "만삭 자연분만, 여아 3,180 g, Apgar 점수 1분 8점, 5분 9점.",
                "Term vaginal delivery, girl 3,180 g, Apgar 8 at 1 minute and 9 at 5 minutes.",
            ),
            ("출혈량 300 mL. 회음부 2도 열상 봉합.", "Blood loss 300 mL. Second-degree tear repaired."),
        ],
    );
    life.note(stay, service::OPERATION_NOTE, at, text);
    life.vitals(stay, days_after(birth, 1).at(7, 30, 0, 0), Set::Ward);
    life.labs(stay, days_after(birth, 1).at(6, 30, 0, 0), &[Panel::Blood]);
    if let Some(end) = life.record.visits[stay].end() {
        let at = minutes_after(end, -30);
        let text = notes::discharge(
            &life.record,
            stay,
            at,
            language,
            &[(
                "정상 분만 후 산모와 아기 모두 건강하게 퇴원함. 산후 출혈 없음.",
                "Mother and child well after normal delivery. No postpartum hemorrhage.",
            )],
            &[("6주 뒤 산부인과 외래와 혈당 재검", "Obstetric clinic and glucose test in 6 weeks")],
        );
        life.note(stay, service::DISCHARGE_SUMMARY, at, text);
    }
    let Some(visit) = life.clinic(days_after(birth, 44), OBSTETRICS, words("산후 진찰")) else { return };
    life.visit_vitals(visit, Set::Whole);
    life.visit_labs(visit, &[Panel::Diabetes, Panel::Blood]);
    life.diagnose(visit, &[disease::CHECKUP]);
    life.clinic_note(
        visit,
        ("모유 수유 중. 오로 없음.", "Breast-feeding. No lochia."),
        &[("임신성 당뇨병 호전, 매년 혈당 검사 권고", "Gestational diabetes resolved, yearly glucose test advised")],
    );
}
