//! The pen with which a life is written: visits, measurements, prescriptions, documents, each consistent with the body and
//! with what is in the record already.

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime};

use crate::body::Body;
use crate::catalog::drug::Drug;
use crate::catalog::lab::{Analyte, BLOOD_PRESSURE, Panel, VITAL_SIGNS, row_of};
use crate::catalog::service::{ALCOHOL, SMOKING, Study, Vaccine};
use crate::codes::{Code, Concept, System, code};
use crate::dice::Dice;
use crate::moment::{Since, days_after, minutes_after};
use crate::notes::{self, Language};
use crate::people::{self, Department, Doctor, EMERGENCY, LABORATORY, PATHOLOGY, Person, RADIOLOGY, Sex, doctor_of};
use crate::record::{
    Allergy, Appointment, Certainty, Chart, Class, Content, Course, Diagnosis, Family, Immunization, Kept, Medication,
    Note, Order, Place, Problem, Procedure, Record, Report, Result, Social, Standing, Status, Step, Told, Value, Visit,
};

/// Discharged to home (table 0112).
pub(crate) const HOME: Code = code(System::Table("0112"), "01", "귀가");
/// Discharged to another hospital for rehabilitation (table 0112).
pub(crate) const REHABILITATION: Code = code(System::Table("0112"), "03", "재활병원 전원");
/// Admitted from here (table 0112).
pub(crate) const ADMITTED: Code = code(System::Table("0112"), "09", "입원");
/// Expired (table 0112).
pub(crate) const DIED: Code = code(System::Table("0112"), "20", "사망");

/// A life being written.
pub(crate) struct Life {
    pub(crate) record: Record,
    pub(crate) body: Body,
    pub(crate) dice: Dice,
    /// Nothing is written after this day but what is planned.
    pub(crate) today: Date,
    /// Days on which the patient lies in the hospital: no outpatient visits then.
    busy: Vec<(Date, Date)>,
    doctors: BTreeMap<&'static str, Doctor>,
    counters: BTreeMap<char, u32>,
}

/// Which vital signs are measured together.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Set {
    /// Blood pressure, pulse, temperature.
    Short,
    /// With breathing and oxygen saturation.
    Ward,
    /// With height, weight and BMI.
    Whole,
}

/// How a drug is taken.
#[derive(Clone, Copy)]
pub(crate) struct Dose {
    pub(crate) amount: &'static str,
    /// Table 0335.
    pub(crate) repeat: &'static str,
    pub(crate) label: &'static str,
}

/// A dose.
pub(crate) const fn dose(amount: &'static str, repeat: &'static str, label: &'static str) -> Dose {
    Dose { amount, repeat, label }
}

/// Once a day after breakfast.
pub(crate) const MORNING: Dose = dose("1", "QD", "1일 1회 아침 식후 30분");
/// Once a day after supper.
pub(crate) const EVENING: Dose = dose("1", "QD", "1일 1회 저녁 식후 30분");
/// Twice a day after meals.
pub(crate) const TWICE: Dose = dose("1", "BID", "1일 2회 아침·저녁 식후 30분");
/// Three times a day after meals.
pub(crate) const THRICE: Dose = dose("1", "TID", "1일 3회 식후 30분");

impl Life {
    /// Begins the life of a person who is first seen at `registered`.
    pub(crate) fn new(number: usize, person: Person, registered: DateTime, today: Date, dice: Dice) -> Life {
        let body = Body::new(person.sex, person.birth);
        let record = Record {
            number,
            person,
            registered,
            moved: None,
            former: None,
            visits: Vec::new(),
            problems: Vec::new(),
            allergies: Vec::new(),
            medications: Vec::new(),
            orders: Vec::new(),
            reports: Vec::new(),
            notes: Vec::new(),
            procedures: Vec::new(),
            immunizations: Vec::new(),
            appointments: Vec::new(),
            social: Vec::new(),
            family: Vec::new(),
            died: None,
        };
        Life { record, body, dice, today, busy: Vec::new(), doctors: BTreeMap::new(), counters: BTreeMap::new() }
    }

    /// The next number of a kind: letter, patient, count.
    pub(crate) fn number(&mut self, kind: char) -> String {
        let counter = self.counters.entry(kind).or_insert(0);
        *counter += 1;
        format!("{kind}{:05}{:04}", self.record.number, counter)
    }

    /// `years` before today, moved by up to `spread` days: where a story begins.
    pub(crate) fn ago(&mut self, days: i64, spread: i64) -> Date {
        let moved = self.dice.between(-spread, spread);
        weekday(days_after(self.today, -(days + moved)))
    }

    /// Keeps `days` from the day before `first` on free of outpatient visits.
    pub(crate) fn reserve(&mut self, first: Date, days: i64) {
        self.busy.push((days_after(first, -1), days_after(first, days + 1)));
    }

    pub(crate) fn sex(&self) -> Sex {
        self.record.person.sex
    }

    /// The patient's own doctor of a department: the same one at every visit.
    pub(crate) fn doctor(&mut self, department: &Department) -> Doctor {
        let dice = &mut self.dice;
        *self.doctors.entry(department.code.code).or_insert_with(|| doctor_of(dice, department))
    }

    /// An outpatient visit; nothing if the day lies ahead.
    pub(crate) fn clinic(&mut self, day: Date, department: Department, reason: Concept) -> Option<usize> {
        let mut day = weekday(day);
        // A stay that is in the story moves the visit behind it; two visits on one day are one too many.
        loop {
            let stay = self.busy.iter().find(|(first, last)| (*first..=*last).contains(&day)).copied();
            day = match stay {
                Some((_, last)) => weekday(days_after(last, 3)),
                None if self.record.visits.iter().any(|visit| visit.start.date() == day) => weekday(days_after(day, 1)),
                None => break,
            };
        }
        if day >= self.today {
            return None;
        }
        let start = day.at(i8::try_from(self.dice.between(8, 13)).unwrap_or(9), quarter(&mut self.dice), 0, 0);
        // Blood first, the doctor when the results are there.
        let end = minutes_after(start, self.dice.between(150, 175));
        let attending = self.doctor(&department);
        let place = Place { unit: department.clinic, bed: None };
        Some(self.visit(Class::Clinic, department, attending, start, Course::Ended(end, HOME), place, reason))
    }

    /// A visit to the emergency room.
    pub(crate) fn emergency(&mut self, start: DateTime, reason: Concept, hours: i64, outcome: Code) -> Option<usize> {
        if start.date() >= self.today {
            return None;
        }
        let end = minutes_after(start, hours * 60 + self.dice.between(5, 50));
        let attending = doctor_of(&mut self.dice, &EMERGENCY);
        let place = Place { unit: EMERGENCY.clinic, bed: None };
        Some(self.visit(Class::Emergency, EMERGENCY, attending, start, Course::Ended(end, outcome), place, reason))
    }

    /// When the emergency room hands its patient over to a ward.
    pub(crate) fn handed_over(&self, room: usize) -> DateTime {
        minutes_after(self.record.visits[room].end().unwrap_or(self.start(room)), 10)
    }

    /// A stay of some days; one that would last beyond today has not ended yet.
    pub(crate) fn admission(
        &mut self,
        start: DateTime,
        department: Department,
        reason: Concept,
        days: i64,
        outcome: Code,
    ) -> Option<usize> {
        if start.date() >= self.today {
            return None;
        }
        let attending = self.doctor(&department);
        let leaves = days_after(start.date(), days).at(11, quarter(&mut self.dice), 0, 0);
        let course = if leaves.date() < self.today { Course::Ended(leaves, outcome) } else { Course::Here };
        let place = self.bed(department.ward);
        Some(self.visit(Class::Inpatient, department, attending, start, course, place, reason))
    }

    /// A bed in a ward.
    pub(crate) fn bed(&mut self, unit: &'static str) -> Place {
        let floor: i64 = unit.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(20);
        let room = u16::try_from(floor * 100 + self.dice.between(1, 18)).unwrap_or(101);
        Place { unit, bed: Some((room, u8::try_from(self.dice.between(1, 4)).unwrap_or(1))) }
    }

    #[allow(clippy::too_many_arguments)] // the elements of one registration form, each named at its only callers above
    pub(crate) fn visit(
        &mut self,
        class: Class,
        department: Department,
        attending: Doctor,
        start: DateTime,
        course: Course,
        place: Place,
        reason: Concept,
    ) -> usize {
        let number = self.number('V');
        self.record.visits.push(Visit {
            number,
            chart: Chart::Own,
            class,
            department,
            attending,
            start,
            course,
            places: vec![(start, place)],
            reason,
            diagnoses: Vec::new(),
        });
        self.record.visits.len() - 1
    }

    /// The last visit of the patient's own chart that began before `at`: what is prescribed by telephone belongs to it.
    pub(crate) fn last_visit(&self, at: DateTime) -> Option<usize> {
        let all = self.record.visits.iter().enumerate();
        let before =
            all.filter(|(_, visit)| visit.start < at && visit.chart == Chart::Own && visit.class != Class::Planned);
        before.max_by_key(|(_, visit)| visit.start).map(|(at, _)| at)
    }

    /// When a visit began.
    pub(crate) fn start(&self, visit: usize) -> DateTime {
        self.record.visits[visit].start
    }

    /// Who attends it.
    pub(crate) fn attending(&self, visit: usize) -> Doctor {
        self.record.visits[visit].attending
    }

    /// Diagnoses of a visit, the main one first.
    pub(crate) fn diagnose(&mut self, visit: usize, all: &[Concept]) {
        let is_stay = self.record.visits[visit].class == Class::Inpatient;
        let start = self.start(visit);
        let settled = matches!(self.record.visits[visit].course, Course::Ended(..));
        for what in all {
            let number = self.number('G');
            let rank = u32::try_from(self.record.visits[visit].diagnoses.len()).unwrap_or(0) + 1;
            let recorded = minutes_after(start, 15);
            let admitting = is_stay && rank == 1;
            let one = Diagnosis { number, what: *what, recorded, rank, admitting, settled };
            self.record.visits[visit].diagnoses.push(one);
        }
    }

    /// An entry of the problem list.
    pub(crate) fn problem(&mut self, visit: Option<usize>, what: Concept, onset: Since, recorded: DateTime) -> usize {
        let number = self.number('B');
        self.record.problems.push(Problem {
            number,
            what,
            onset,
            resolved: None,
            recorded,
            certainty: Certainty::Confirmed,
            visit,
        });
        self.record.problems.len() - 1
    }

    /// A problem that this visit found.
    pub(crate) fn found(&mut self, visit: usize, what: Concept) -> usize {
        let start = self.start(visit);
        self.problem(Some(visit), what, Since::Day(start.date()), minutes_after(start, 20))
    }

    /// A problem known for years when the patient first came.
    pub(crate) fn known_since(&mut self, what: Concept, since: Since) -> usize {
        let at = minutes_after(self.record.registered, 30);
        self.problem(None, what, since, at)
    }

    /// The problem is over.
    pub(crate) fn resolve(&mut self, problem: usize, day: Date) {
        if day < self.today {
            self.record.problems[problem].resolved = Some(day);
        }
    }

    /// A prescription.
    pub(crate) fn prescribe(
        &mut self,
        visit: Option<usize>,
        at: DateTime,
        drug: Drug,
        dose: Dose,
        reason: Option<Concept>,
    ) -> usize {
        let number = self.number('M');
        let by = match visit {
            Some(visit) => self.attending(visit),
            None => self.doctor(&people::MEDICINE),
        };
        self.record.medications.push(Medication {
            number,
            drug,
            dose: dose.amount,
            repeat: dose.repeat,
            instruction: dose.label.to_owned(),
            ordered: at,
            end: None,
            steps: Vec::new(),
            reason,
            note: None,
            by,
            visit,
        });
        self.record.medications.len() - 1
    }

    /// A prescription at a visit.
    pub(crate) fn start_drug(&mut self, visit: usize, drug: Drug, dose: Dose, reason: Concept) -> usize {
        let at = minutes_after(self.start(visit), 140);
        self.prescribe(Some(visit), at, drug, dose, Some(reason))
    }

    /// A course of a drug that ends after some days.
    pub(crate) fn course_of(
        &mut self,
        visit: usize,
        at: DateTime,
        drug: Drug,
        dose: Dose,
        reason: Concept,
        days: i64,
    ) -> usize {
        let medication = self.prescribe(Some(visit), at, drug, dose, Some(reason));
        let last = days_after(at.date(), days);
        if last < self.today {
            self.step(medication, last.at(20, 0, 0, 0).max(minutes_after(at, 90)), Step::Finish);
        }
        medication
    }

    /// Something happens to a prescription; nothing if the day lies ahead.
    pub(crate) fn step(&mut self, medication: usize, at: DateTime, step: Step) {
        if at.date() >= self.today {
            return;
        }
        let medication = &mut self.record.medications[medication];
        medication.steps.push((at, step));
        if matches!(step, Step::Stop | Step::Finish) {
            medication.end = Some(at.date());
        }
    }

    /// Words that go with a prescription.
    pub(crate) fn remark(&mut self, medication: usize, text: &str) {
        self.record.medications[medication].note = Some(text.to_owned());
    }

    /// Draws blood and reports the panels; the reports' places in the record.
    pub(crate) fn labs(&mut self, visit: usize, taken: DateTime, panels: &[Panel]) -> Vec<usize> {
        panels.iter().map(|panel| self.panel(Some(visit), taken, *panel)).collect()
    }

    /// Blood drawn at an outpatient visit.
    pub(crate) fn visit_labs(&mut self, visit: usize, panels: &[Panel]) {
        let taken = minutes_after(self.start(visit), 5);
        self.labs(visit, taken, panels);
    }

    /// One panel.
    pub(crate) fn panel(&mut self, visit: Option<usize>, taken: DateTime, panel: Panel) -> usize {
        let (what, section, tests) = panel.content();
        let results = self.measure(taken.date(), tests);
        let issued = minutes_after(taken, self.dice.between(45, 100));
        self.report(visit, what, section, taken, issued, Content::Values(results))
    }

    /// Measures tests together.
    pub(crate) fn measure(&mut self, day: Date, tests: &[Analyte]) -> Vec<Result> {
        let mut known = BTreeMap::new();
        let sex = self.sex();
        let mut out = Vec::new();
        for test in tests {
            let value = self.body.measure(&mut self.dice, *test, day, &known);
            known.insert(*test, value);
            out.push(result(*test, value, sex));
        }
        out
    }

    /// A report of values or words.
    pub(crate) fn report(
        &mut self,
        visit: Option<usize>,
        what: Concept,
        section: &'static str,
        taken: DateTime,
        issued: DateTime,
        content: Content,
    ) -> usize {
        let number = self.number('L');
        let by = match section {
            "SP" => doctor_of(&mut self.dice, &PATHOLOGY),
            "CT" | "RX" | "NMR" | "RUS" | "RAD" => doctor_of(&mut self.dice, &RADIOLOGY),
            "CH" | "HM" | "MB" | "SR" => doctor_of(&mut self.dice, &LABORATORY),
            _ => match visit {
                Some(visit) => self.attending(visit),
                None => self.doctor(&people::MEDICINE),
            },
        };
        self.record.reports.push(Report {
            number,
            order: None,
            what,
            section,
            taken,
            issued,
            status: Status::Final,
            content,
            by,
            visit,
            earlier: Vec::new(),
        });
        self.record.reports.len() - 1
    }

    /// Orders a study at `at` and reports it: findings and impression.
    pub(crate) fn study(
        &mut self,
        visit: usize,
        at: DateTime,
        study: Study,
        reason: Concept,
        findings: &[&str],
        impression: &[&str],
    ) -> usize {
        let order = self.order(Some(visit), at, study.what, study.section, Some(reason));
        let wait = if study.section == "SP" {
            self.dice.between(2 * 24 * 60, 4 * 24 * 60)
        } else {
            self.dice.between(40, 240)
        };
        let taken = minutes_after(at, self.dice.between(20, 60));
        let issued = minutes_after(taken, wait);
        let lines = |all: &[&str]| all.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let is_korean = findings.iter().any(|line| line.chars().any(|c| ('\u{ac00}'..='\u{d7a3}').contains(&c)));
        let (head, tail) = if is_korean { ("[판독 소견]", "[결론]") } else { ("FINDINGS", "IMPRESSION") };
        let mut all = vec![head.to_owned()];
        all.extend(lines(findings));
        all.push(tail.to_owned());
        let content = Content::Prose { findings: all, impression: lines(impression), embedded: study.section == "SP" };
        let report = self.report(Some(visit), study.what, study.section, taken, issued, content);
        self.record.reports[report].order = Some(order);
        if issued.date() < self.today {
            self.record.orders[order].standing = Standing::Answered;
        } else {
            // It will be read after today: only the order is known.
            self.record.reports.pop();
        }
        report
    }

    /// An order.
    pub(crate) fn order(
        &mut self,
        visit: Option<usize>,
        at: DateTime,
        what: Concept,
        section: &'static str,
        reason: Option<Concept>,
    ) -> usize {
        let number = self.number('R');
        let by = match visit {
            Some(visit) => self.attending(visit),
            None => self.doctor(&people::MEDICINE),
        };
        self.record.orders.push(Order {
            number,
            what,
            section,
            at,
            planned: None,
            urgent: false,
            standing: Standing::Waiting,
            by,
            reason,
            visit,
        });
        self.record.orders.len() - 1
    }

    /// Vital signs.
    pub(crate) fn vitals(&mut self, visit: usize, at: DateTime, set: Set) -> usize {
        use Analyte as A;
        let tests: &[A] = match set {
            Set::Short => &[A::Systolic, A::Diastolic, A::HeartRate, A::Temperature],
            Set::Ward => &[A::Systolic, A::Diastolic, A::HeartRate, A::RespiratoryRate, A::Temperature, A::Saturation],
            Set::Whole => &[A::Systolic, A::Diastolic, A::HeartRate, A::Temperature, A::Height, A::Weight, A::Bmi],
        };
        let measured = self.measure(at.date(), tests);
        let mut results = vec![pressure(&measured)];
        results.extend(measured.into_iter().skip(2));
        let issued = minutes_after(at, 3);
        self.report(Some(visit), VITAL_SIGNS, "NRS", at, issued, Content::Vitals(results))
    }

    /// Vital signs at an outpatient visit.
    pub(crate) fn visit_vitals(&mut self, visit: usize, set: Set) {
        let at = minutes_after(self.start(visit), 2);
        self.vitals(visit, at, set);
    }

    /// A document.
    pub(crate) fn note(&mut self, visit: usize, kind: Concept, at: DateTime, text: String) -> usize {
        let number = self.number('T');
        let by = self.attending(visit);
        self.record.notes.push(Note { number, kind, at, by, visit: Some(visit), text, signed: true, withdrawn: None });
        self.record.notes.len() - 1
    }

    /// The note of an outpatient visit, from what the record holds by then.
    pub(crate) fn clinic_note(&mut self, visit: usize, complaint: (&str, &str), plan: &[(&str, &str)]) -> usize {
        let language = self.language();
        let at = minutes_after(self.start(visit), 145);
        let text = notes::clinic(&self.record, visit, language, complaint, plan);
        self.note(visit, crate::catalog::service::CLINIC_NOTE, at, text)
    }

    /// The language a doctor writes in today.
    pub(crate) fn language(&mut self) -> Language {
        if self.dice.chance(0.6) { Language::Korean } else { Language::English }
    }

    /// Something done, at a visit.
    pub(crate) fn procedure(&mut self, visit: usize, at: DateTime, what: Concept, reason: Concept) -> usize {
        let number = self.number('P');
        let by = self.attending(visit);
        self.record.procedures.push(Procedure {
            number,
            what,
            at,
            by,
            reason: Some(reason),
            visit: Some(visit),
            withdrawn: None,
        });
        self.record.procedures.len() - 1
    }

    /// A vaccination; nothing if the day lies ahead or before birth.
    pub(crate) fn vaccinate(&mut self, on: Date, vaccine: Vaccine) {
        if on >= self.today || on < self.record.person.birth {
            return;
        }
        let number = self.number('I');
        let lot = format!("GN{}{:03}", on.year() % 100, self.dice.between(1, 980));
        let department = if crate::moment::age(self.record.person.birth, on) < 18 {
            people::PAEDIATRICS
        } else {
            people::FAMILY_MEDICINE
        };
        let by = self.doctor(&department);
        self.record.immunizations.push(Immunization { number, vaccine, on, lot, refused: false, by });
    }

    /// An allergy to something.
    #[allow(clippy::too_many_arguments)] // one row of the allergy form
    pub(crate) fn allergy(
        &mut self,
        told: Told,
        recorded: DateTime,
        substance: Concept,
        kind: Option<(&'static str, &'static str)>,
        severity: Option<&'static str>,
        reactions: &[&'static str],
        onset: Option<Date>,
    ) -> usize {
        let number = self.number('A');
        self.record.allergies.push(Allergy {
            number,
            told,
            substance,
            kind,
            severity,
            reactions: reactions.to_vec(),
            onset,
            recorded,
            certainty: Certainty::Confirmed,
        });
        self.record.allergies.len() - 1
    }

    /// An appointment.
    pub(crate) fn appointment(
        &mut self,
        made: DateTime,
        start: DateTime,
        department: Department,
        reason: Concept,
        kept: Kept,
    ) -> usize {
        let number = self.number('S');
        let doctor = self.doctor(&department);
        self.record.appointments.push(Appointment {
            number,
            made,
            start,
            minutes: 15,
            department,
            doctor,
            reason,
            kept,
        });
        self.record.appointments.len() - 1
    }

    /// A habit.
    pub(crate) fn habit(&mut self, what: Concept, value: Value, at: DateTime, visit: Option<usize>) {
        self.record.social.push(Social { what, value, at, visit });
    }

    /// What the patient smokes is part of this story: what registration wrote down by chance gives way.
    pub(crate) fn smokes(&mut self, what: Concept) {
        self.told(&SMOKING, Value::Coded(what));
    }

    /// What the patient drinks, likewise.
    pub(crate) fn drinks(&mut self, what: &str) {
        self.told(&ALCOHOL, Value::Text(what.to_owned()));
    }

    fn told(&mut self, what: &Concept, value: Value) {
        if let Some(habit) = self.record.social.iter_mut().find(|habit| habit.what == *what) {
            habit.value = value;
        }
    }

    /// A relative's disease.
    pub(crate) fn relative(&mut self, relation: Code, what: Concept, onset: Option<u32>) {
        let number = self.number('F');
        let at = minutes_after(self.record.registered, 40);
        self.record.family.push(Family { number, relation, what, onset, at });
    }
}

/// The next weekday: clinics are closed at weekends.
pub(crate) fn weekday(day: Date) -> Date {
    let beyond = day.weekday().to_monday_zero_offset() - 4;
    if beyond > 0 { days_after(day, i64::from(3 - beyond)) } else { day }
}

fn quarter(dice: &mut Dice) -> i8 {
    i8::try_from(dice.between(0, 11) * 5).unwrap_or(0)
}

/// A measured number as a result, with its flag.
pub(crate) fn result(test: Analyte, value: f64, sex: Sex) -> Result {
    let row = row_of(test);
    let range = row.range(sex);
    Result {
        what: row.what,
        value: Value::Number(format!("{value:.*}", row.decimals)),
        unit: Some(row.unit),
        decimals: row.decimals,
        range,
        flag: flag(test, value, range),
        status: Status::Final,
        note: None,
    }
}

/// High, low, or critically so: a call to the ward is due at these limits of the laboratory.
fn flag(test: Analyte, value: f64, (low, high): (Option<f64>, Option<f64>)) -> Option<&'static str> {
    if low.is_none() && high.is_none() {
        return None;
    }
    let critical = match test {
        Analyte::Potassium => (2.8, 6.2),
        Analyte::Sodium => (120.0, 160.0),
        Analyte::Haemoglobin => (7.0, 20.0),
        Analyte::Inr => (0.0, 4.5),
        Analyte::Glucose | Analyte::FastingGlucose => (50.0, 400.0),
        _ => (f64::MIN, f64::MAX),
    };
    Some(if low.is_some_and(|low| value < low) {
        if value < critical.0 { "LL" } else { "L" }
    } else if high.is_some_and(|high| value > high) {
        if value > critical.1 { "HH" } else { "H" }
    } else {
        "N"
    })
}

/// Systolic and diastolic as one panel; the first two of the results.
fn pressure(measured: &[Result]) -> Result {
    let number = |at: usize| match measured.get(at).map(|result| &result.value) {
        Some(Value::Number(digits)) => digits.clone(),
        _ => String::new(),
    };
    Result {
        what: BLOOD_PRESSURE,
        value: Value::Pressure(number(0), number(1)),
        unit: Some(row_of(Analyte::Systolic).unit),
        decimals: 0,
        range: (None, None),
        flag: None,
        status: Status::Final,
        note: None,
    }
}
