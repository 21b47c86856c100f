//! What makes real records hard: corrections, errors, cancelled orders, results on the way, contradictions, second charts.
//! Which patient gets what turns with the patient's number, so that every thirty patients show all of it.

use jiff::civil::Date;

use super::words;
use crate::catalog::lab::{Analyte, Panel};
use crate::catalog::{disease, drug, service};
use crate::course::{Life, MORNING, dose, result};
use crate::moment::{Since, days_after, minutes_after};
use crate::people::{Address, MEDICINE, SURGERY, phone};
use crate::record::{
    Certainty, Chart, Class, Content, Course, Earlier, Former, Kept, Moved, Place, Standing, Status, Step, Told, Value,
};

/// Adds this patient's share.
pub(super) fn add(life: &mut Life) {
    let number = life.record.number;
    let every = |count: usize, nth: usize| number % count == nth;
    if every(4, 1) {
        corrected(life);
    }
    if every(4, 2) || every(12, 1) {
        cancelled_order(life);
    }
    if every(5, 3) {
        wrong_result(life);
    }
    if every(5, 2) {
        preliminary(life);
    }
    if every(6, 0) || every(12, 5) {
        two_weights(life);
    }
    if every(6, 3) {
        second_chart(life);
    }
    if every(7, 4) || every(12, 8) {
        suspected_tuberculosis(life);
    }
    if every(4, 0) {
        open_suspicion(life);
    }
    if every(7, 1) {
        wrong_allergy(life);
    }
    if every(6, 4) {
        conflicting_allergies(life);
    }
    if every(5, 4) {
        wrong_prescription(life);
    }
    if every(5, 1) || every(8, 6) {
        planned_study(life);
    }
    if every(8, 3) {
        cancelled_visit(life);
    }
    if every(9, 2) {
        planned_stay(life);
    }
    if every(6, 1) {
        missed_appointments(life);
    }
    if every(6, 5) || every(10, 7) {
        refused_vaccine(life);
    }
    if every(5, 0) {
        unsigned_note(life);
    }
    if every(4, 3) {
        moved(life);
    }
    if every(15, 14) {
        death(life);
    }
}

/// A weekday that many days before today, if the hospital knew the patient by then.
fn later(life: &Life, days: i64) -> Option<Date> {
    let day = crate::course::weekday(days_after(life.today, -days));
    (day > days_after(life.record.registered.date(), 10) && day < life.today).then_some(day)
}

/// A new home: the messages before that day still carry the old one.
fn moved(life: &mut Life) {
    let Some(day) = later(life, 200) else { return };
    let (address, phone) = (Address::new(&mut life.dice), phone(&mut life.dice));
    life.record.moved = Some(Moved { at: day.at(10, 20, 0, 0), address, phone });
}

/// The reports of numbers, newest last.
fn with_numbers(life: &Life) -> Vec<usize> {
    let mut all: Vec<usize> = (0..life.record.reports.len())
        .filter(|at| {
            let report = &life.record.reports[*at];
            matches!(report.content, Content::Values(_))
                && report.results().first().is_some_and(|one| matches!(one.value, Value::Number(_)))
        })
        .collect();
    all.sort_by_key(|at| life.record.reports[*at].taken);
    all
}

/// A value goes out, a haemolysed tube or a slip is found, a corrected one follows.
fn corrected(life: &mut Life) {
    let candidates: Vec<usize> = with_numbers(life)
        .into_iter()
        .filter(|at| {
            let first = life.record.reports[*at].results().first().map(|one| one.what.key());
            matches!(first, Some("4548-4" | "2951-2" | "6690-2" | "2093-3" | "3094-0" | "2345-7"))
        })
        .collect();
    let Some(at) = candidates.len().checked_sub(3).and_then(|at| candidates.get(at)).or(candidates.last()).copied()
    else {
        return;
    };
    let sex = life.sex();
    let report = &mut life.record.reports[at];
    let earlier = Earlier { issued: report.issued, status: Status::Final, content: report.content.clone() };
    let Content::Values(results) = &mut report.content else { return };
    // Only what nothing else in the report is computed from.
    let which = results.iter().position(|one| matches!(one.what.key(), "2823-3" | "3094-0" | "777-3" | "4548-4"));
    let Some(one) = which.and_then(|at| results.get_mut(at)) else { return };
    let (analyte, factor) = match one.what.key() {
        "2823-3" => (Analyte::Potassium, 0.82),
        "3094-0" => (Analyte::Urea, 0.7),
        "777-3" => (Analyte::Platelets, 1.6),
        _ => (Analyte::Hba1c, 1.0),
    };
    let Value::Number(digits) = &one.value else { return };
    let Ok(value) = digits.parse::<f64>() else { return };
    let value = if factor == 1.0 { value + 0.4 } else { value * factor };
    let decimals = one.decimals;
    *one = result(analyte, crate::body::round(value, decimals), sex);
    one.status = Status::Corrected;
    one.note = Some("검체 오류로 재검하여 정정함".to_owned());
    report.status = Status::Corrected;
    report.issued = minutes_after(earlier.issued, 26 * 60);
    report.earlier.push(earlier);
    if report.issued.date() >= life.today {
        report.issued = minutes_after(report.issued, -24 * 60);
    }
}

/// The wrong tube: the whole report is taken back.
fn wrong_result(life: &mut Life) {
    let all = with_numbers(life);
    let Some(at) = all.get(all.len() / 2).copied() else { return };
    let report = &mut life.record.reports[at];
    if report.status != Status::Final {
        return;
    }
    let earlier = Earlier { issued: report.issued, status: Status::Final, content: report.content.clone() };
    report.issued = minutes_after(earlier.issued, 31 * 60);
    report.earlier.push(earlier);
    report.status = Status::Wrong;
    if let Content::Values(results) = &mut report.content {
        for one in results {
            one.status = Status::Wrong;
            one.note = Some("다른 환자의 검체로 확인되어 결과를 취소함".to_owned());
        }
    }
}

/// Blood taken yesterday: one result is out, and only provisionally.
fn preliminary(life: &mut Life) {
    let day = days_after(life.today, -1);
    if day <= life.record.registered.date() {
        return;
    }
    let taken = day.at(15, 10, 0, 0);
    let report = life.panel(None, taken, Panel::Crp);
    let report = &mut life.record.reports[report];
    report.status = Status::Preliminary;
    report.issued = day.at(18, 40, 0, 0);
    if let Content::Values(results) = &mut report.content {
        for one in results {
            one.status = Status::Preliminary;
        }
    }
}

/// An order that was taken back with its reason.
fn cancelled_order(life: &mut Life) {
    let Some(day) = later(life, 95) else { return };
    let at = day.at(11, 15, 0, 0);
    let study = if life.record.number.is_multiple_of(2) { service::ABDOMEN_CT } else { service::CHEST_CT };
    let order = life.order(None, at, study.what, study.section, Some(words("추가 평가")));
    let why = "조영제 사용이 어려워 처방 취소".to_owned();
    life.record.orders[order].standing = Standing::Cancelled(minutes_after(at, 135), why);
}

/// A study or tube that is still to come.
fn planned_study(life: &mut Life) {
    let Some(day) = later(life, 12) else { return };
    let at = day.at(10, 40, 0, 0);
    let order = life.order(None, at, service::CHEST_FILM.what, service::CHEST_FILM.section, Some(words("추적 검사")));
    life.record.orders[order].planned = Some(crate::course::weekday(days_after(life.today, 15)).at(9, 30, 0, 0));
    let order = life.order(None, minutes_after(at, 3), Panel::Lipid.content().0, "CH", Some(words("추적 검사")));
    life.record.orders[order].planned = Some(crate::course::weekday(days_after(life.today, 15)).at(8, 30, 0, 0));
    if life.record.number % 2 == 1 {
        life.record.orders[order].standing = Standing::OnHold(minutes_after(at, 45));
    }
}

/// Two scales, one morning, two weights.
fn two_weights(life: &mut Life) {
    let Some(day) = later(life, 60) else { return };
    let Some(visit) = life.clinic(day, MEDICINE, words("예방접종 상담")) else { return };
    life.diagnose(visit, &[disease::CHECKUP]);
    let at = minutes_after(life.start(visit), 3);
    let mut known = life.measure(day, &[Analyte::Weight]);
    let Some(first) = known.pop() else { return };
    let Value::Number(digits) = &first.value else { return };
    let Ok(weight) = digits.parse::<f64>() else { return };
    let sex = life.sex();
    // 68.2 and 86.2: the digits changed places at one of the two.
    let other = swapped(digits).unwrap_or(weight + 9.0);
    let second = result(Analyte::Weight, other, sex);
    for (minutes, one) in [(0, first), (35, second)] {
        let taken = minutes_after(at, minutes);
        life.report(
            Some(visit),
            crate::catalog::lab::VITAL_SIGNS,
            "NRS",
            taken,
            minutes_after(taken, 2),
            Content::Vitals(vec![one]),
        );
    }
}

fn swapped(digits: &str) -> Option<f64> {
    let mut chars: Vec<char> = digits.chars().collect();
    if chars.len() < 4
        || chars[0] == chars[1]
        || chars[1] == '0'
        || u32::from(chars[0]).abs_diff(u32::from(chars[1])) > 3
    {
        return None;
    }
    chars.swap(0, 1);
    chars.into_iter().collect::<String>().parse().ok()
}

/// Brought in unconscious or without papers: a second chart, merged when the name was known.
fn second_chart(life: &mut Life) {
    // A night on which nothing else happens.
    let is_free = |day: &Date| {
        let near = |at: Date| crate::moment::days_between(at, *day).abs() < 2;
        life.record.visits.iter().all(|visit| {
            !near(visit.start.date()) && visit.end().is_none_or(|end| end.date() < *day || visit.start.date() > *day)
        })
    };
    let Some(day) = (480..520).filter_map(|days| later(life, days)).find(is_free) else { return };
    let opened = day.at(23, 20, 0, 0);
    let mrn = format!("{:08}", 90_000_000 + life.record.number);
    life.reserve(day, 1);
    life.record.former = Some(Former { mrn, opened, merged: days_after(day, 1).at(9, 40, 0, 0) });
    let Some(room) = life.emergency(minutes_after(opened, 4), words("실신"), 3, crate::course::HOME) else { return };
    life.record.visits[room].chart = Chart::Former;
    let start = life.start(room);
    life.vitals(room, minutes_after(start, 4), crate::course::Set::Ward);
    life.labs(room, minutes_after(start, 14), &[Panel::Glucose, Panel::Electrolytes]);
    life.diagnose(
        room,
        &[crate::codes::Concept::two(
            crate::codes::code(crate::codes::System::Kcd, "R55", "실신 및 허탈"),
            crate::codes::code(crate::codes::System::Snomed, "271594007", "Syncope"),
        )],
    );
    let at = minutes_after(start, 120);
    life.study(
        room,
        minutes_after(start, 20),
        service::ECG,
        words("실신"),
        &["Sinus rhythm, rate 78 per minute. QTc 428 ms.", "No ST elevation."],
        &["Normal ECG."],
    );
    let language = life.language();
    let text = crate::notes::emergency(
        &life.record,
        room,
        at,
        language,
        ("길에서 쓰러진 채 발견되어 구급차로 내원", "Found collapsed in the street, brought by ambulance"),
        &[(
            "도착 시 의식은 명료함. 신분증이 없어 임시 번호로 접수함. 경련은 없었음.",
            "Alert on arrival. Registered under a temporary number, no papers. No seizure.",
        )],
        ("경과 관찰 후 귀가", "Observed and discharged home"),
    );
    life.note(room, service::EMERGENCY_NOTE, at, text);
}

/// Suspected and ruled out.
fn suspected_tuberculosis(life: &mut Life) {
    let Some(day) = later(life, 380) else { return };
    let Some(visit) = life.clinic(day, MEDICINE, words("3주 이상 지속된 기침")) else { return };
    let day = life.start(visit).date();
    life.visit_vitals(visit, crate::course::Set::Ward);
    let at = minutes_after(life.start(visit), 20);
    let problem = life.problem(Some(visit), disease::TUBERCULOSIS, Since::Day(day), at);
    life.record.problems[problem].certainty = Certainty::Refuted(days_after(day, 3).at(16, 0, 0, 0));
    life.diagnose(visit, &[disease::UPPER_RESPIRATORY]);
    life.study(
        visit,
        minutes_after(at, 5),
        service::CHEST_FILM,
        words("결핵 의심"),
        &["폐첨부에 활동성 병변 없음.", "흉수 없음."],
        &["활동성 폐결핵의 증거 없음."],
    );
    life.clinic_note(
        visit,
        ("기침이 3주 이상. 객혈, 체중 감소는 없음.", "Cough for more than 3 weeks. No hemoptysis or weight loss."),
        &[("결핵 의심으로 흉부 X선, 가래 검사", "Chest film and sputum for suspected tuberculosis")],
    );
}

/// Suspected, and not settled yet.
fn open_suspicion(life: &mut Life) {
    let Some(day) = later(life, 24) else { return };
    let at = day.at(11, 40, 0, 0);
    let visit = life.last_visit(at);
    let problem = life.problem(visit, disease::SLEEP_APNOEA, Since::Day(day), at);
    life.record.problems[problem].certainty = Certainty::Provisional;
}

/// An allergy entered in the wrong chart.
fn wrong_allergy(life: &mut Life) {
    let at = minutes_after(life.record.registered, 70);
    let allergy = life.allergy(
        Told::Numbered,
        at,
        service::ASPIRIN_ALLERGEN,
        Some(("DA", "medication")),
        Some("SV"),
        &["천식 발작"],
        None,
    );
    life.record.allergies[allergy].certainty = Certainty::Wrong(minutes_after(at, 25 * 60));
}

/// Two clinics wrote the same allergy down differently.
fn conflicting_allergies(life: &mut Life) {
    let at = minutes_after(life.record.registered, 75);
    let drug = Some(("DA", "medication"));
    life.allergy(Told::Numbered, at, service::VANCOMYCIN, drug, Some("MI"), &["발진"], None);
    let Some(day) = later(life, 250) else { return };
    let second = life.allergy(
        Told::Numbered,
        day.at(14, 5, 0, 0),
        service::VANCOMYCIN,
        drug,
        Some("SV"),
        &["아나필락시스"],
        None,
    );
    life.record.allergies[second].certainty = Certainty::Unconfirmed;
}

/// A prescription meant for somebody else, one cancelled before it was filled, one on hold.
fn wrong_prescription(life: &mut Life) {
    let Some(day) = later(life, 150) else { return };
    let at = day.at(15, 30, 0, 0);
    let visit = life.last_visit(at);
    let wrong = life.prescribe(visit, at, drug::DIGOXIN, dose("0.5", "QD", "1일 1회 아침"), None);
    life.step(wrong, minutes_after(at, 50), Step::Wrong);
    life.remark(wrong, "다른 환자의 처방을 잘못 입력함");
    let cancelled = life.prescribe(visit, minutes_after(at, 60), drug::CELECOXIB, MORNING, Some(words("통증")));
    life.step(cancelled, minutes_after(at, 90), Step::Cancel);
    life.remark(cancelled, "환자가 원하지 않아 조제 전 취소");
    let held = life.prescribe(visit, minutes_after(at, 61), drug::ASPIRIN, MORNING, Some(words("심혈관질환 예방")));
    life.step(held, days_after(day, 20).at(11, 0, 0, 0), Step::Hold);
    life.remark(held, "내시경 시술 예정으로 보류");
}

/// Registered for a visit, called to say no.
fn cancelled_visit(life: &mut Life) {
    let Some(day) = later(life, 45) else { return };
    let start = day.at(13, 30, 0, 0);
    let attending = life.doctor(&MEDICINE);
    let place = Place { unit: MEDICINE.clinic, bed: None };
    let course = Course::Cancelled(minutes_after(start, 55));
    life.visit(Class::Clinic, MEDICINE, attending, start, course, place, words("두통"));
}

/// A stay that is planned.
fn planned_stay(life: &mut Life) {
    let start = crate::course::weekday(days_after(life.today, 20)).at(14, 0, 0, 0);
    let attending = life.doctor(&SURGERY);
    let place = Place { unit: SURGERY.ward, bed: None };
    life.visit(Class::Planned, SURGERY, attending, start, Course::Planned, place, words("서혜부 탈장 수술 예정"));
}

/// One appointment not kept, one called off.
fn missed_appointments(life: &mut Life) {
    for (days, kept) in [(75, true), (33, false)] {
        let Some(day) = later(life, days) else { continue };
        let start = day.at(10, 0, 0, 0);
        let made = minutes_after(start, -14 * 24 * 60);
        if made <= life.record.registered {
            continue;
        }
        let kept = if kept {
            Kept::NoShow(minutes_after(start, 120))
        } else {
            Kept::Cancelled(minutes_after(start, -26 * 60))
        };
        life.appointment(made, start, MEDICINE, words("재진"), kept);
    }
}

/// A vaccine that was offered and declined.
fn refused_vaccine(life: &mut Life) {
    let Some(day) = later(life, 370) else { return };
    life.vaccinate(day, service::INFLUENZA);
    if let Some(last) = life.record.immunizations.last_mut() {
        last.refused = last.on == day;
    }
}

/// A note that nobody has signed yet, and one that was taken back.
fn unsigned_note(life: &mut Life) {
    let mut own: Vec<usize> = (0..life.record.notes.len()).collect();
    own.sort_by_key(|at| life.record.notes[*at].at);
    if let Some(last) = own.last().copied() {
        life.record.notes[last].signed = false;
    }
    if let Some(one) = own.len().checked_sub(4).and_then(|at| own.get(at)).copied() {
        let at = life.record.notes[one].at;
        life.record.notes[one].withdrawn = Some(minutes_after(at, 150));
    }
}

/// The last visit to the emergency room.
fn death(life: &mut Life) {
    let Some(day) = later(life, 4) else { return };
    let busy = life.record.visits.iter().any(|visit| visit.start.date() >= day)
        || life.record.reports.iter().any(|report| report.issued.date() >= day);
    if busy {
        return;
    }
    let start = day.at(5, 10, 0, 0);
    let Some(room) = life.emergency(start, words("심정지"), 1, crate::course::DIED) else { return };
    life.diagnose(
        room,
        &[crate::codes::Concept::two(
            crate::codes::code(crate::codes::System::Kcd, "I46.9", "상세불명의 심장정지"),
            crate::codes::code(crate::codes::System::Snomed, "410429000", "Cardiac arrest"),
        )],
    );
    life.record.died = life.record.visits[room].end();
    let Some(died) = life.record.died else { return };
    // Nothing of the future is left to the dead.
    life.record.appointments.retain(|one| one.start <= died);
    for order in &mut life.record.orders {
        if matches!(order.standing, Standing::Waiting | Standing::OnHold(_)) {
            order.standing = Standing::Cancelled(minutes_after(died, 90), "환자 사망".to_owned());
        }
    }
    for medication in &mut life.record.medications {
        if !matches!(medication.now(), Some(Step::Stop | Step::Finish | Step::Cancel | Step::Wrong)) {
            medication.steps.push((minutes_after(died, 95), Step::Stop));
            medication.end = Some(died.date());
        }
    }
}
