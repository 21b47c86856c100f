//! The documents of the hospital, in Korean and in English, written from the record: every diagnosis, drug, value and date
//! in them stands in the record too, as it was known when the document was written.

use jiff::civil::{Date, DateTime};

use crate::codes::{Code, Concept, System};
use crate::moment::{age, days_between, fhir_day, minutes_after};
use crate::people::Sex;
use crate::record::{Certainty, Class, Content, Record, Report, Result, Value, Visit};

/// What a doctor writes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Korean,
    English,
}

/// The same words in both languages.
pub(crate) type Words<'w> = (&'w str, &'w str);

impl Language {
    fn of<'w>(self, words: Words<'w>) -> &'w str {
        match self {
            Language::Korean => words.0,
            Language::English => words.1,
        }
    }

    fn concept(self, concept: &Concept) -> &'static str {
        match self {
            Language::Korean => concept.korean(),
            Language::English => concept.english(),
        }
    }
}

/// What doctors call a test, where they do not use its name.
fn short(result: &Result) -> &'static str {
    match result.what.key() {
        "4548-4" => "HbA1c",
        "1558-6" => "FBS",
        "2345-7" => "Glucose",
        "3094-0" => "BUN",
        "2160-0" => "Cr",
        "98979-8" => "eGFR",
        "2951-2" => "Na",
        "2823-3" => "K",
        "1920-8" => "AST",
        "1742-6" => "ALT",
        "2093-3" => "T.chol",
        "13457-7" => "LDL-C",
        "1988-5" => "CRP",
        "30934-4" => "BNP",
        "89579-7" => "hs-TnI",
        "3016-3" => "TSH",
        "3024-7" => "free T4",
        "2276-4" => "Ferritin",
        "2039-6" => "CEA",
        "6875-9" => "CA 15-3",
        "24108-3" => "CA 19-9",
        "1834-1" => "AFP",
        "6301-6" => "INR",
        "9318-7" => "UACR",
        "42595-9" => "HBV DNA",
        "6690-2" => "WBC",
        "718-7" => "Hb",
        "777-3" => "PLT",
        "1975-2" => "T.bil",
        "1751-7" => "Albumin",
        "3084-1" => "Uric acid",
        _ => "",
    }
}

/// `HbA1c 7.4 %`; nothing for tests that doctors do not copy into notes.
fn value(result: &Result) -> Option<String> {
    let name = short(result);
    let Value::Number(digits) = &result.value else { return None };
    let unit = result.unit.map_or("", |unit| unit.shown);
    (!name.is_empty()).then(|| format!("{name} {digits} {unit}").trim_end().to_owned())
}

/// The reports of a visit that were out by `until`, taken on or after `from`.
fn reports(record: &Record, visit: usize, from: DateTime, until: DateTime) -> impl Iterator<Item = &Report> {
    record
        .reports
        .iter()
        .filter(move |report| report.visit == Some(visit) && report.taken >= from && report.issued <= until)
}

fn labs(record: &Record, visit: usize, from: DateTime, until: DateTime) -> String {
    let all = reports(record, visit, from, until)
        .filter(|report| matches!(report.content, Content::Values(_)))
        .flat_map(|report| report.results().iter().filter_map(value));
    all.collect::<Vec<_>>().join(", ")
}

/// The last vital signs of a visit before `until`.
fn vitals(record: &Record, visit: usize, until: DateTime) -> Option<String> {
    let last = record
        .reports
        .iter()
        .filter(|report| {
            report.visit == Some(visit) && report.taken <= until && matches!(report.content, Content::Vitals(_))
        })
        .max_by_key(|report| report.taken)?;
    let mut parts = Vec::new();
    for result in last.results() {
        let unit = result.unit.map_or("", |unit| unit.shown);
        match (&result.value, result.what.key()) {
            (Value::Pressure(high, low), _) => parts.push(format!("BP {high}/{low} {unit}")),
            (Value::Number(digits), "8867-4") => parts.push(format!("PR {digits}{unit}")),
            (Value::Number(digits), "9279-1") => parts.push(format!("RR {digits}{unit}")),
            (Value::Number(digits), "8310-5") => parts.push(format!("BT {digits} {unit}")),
            (Value::Number(digits), "59408-5") => parts.push(format!("SpO2 {digits}{unit}")),
            (Value::Number(digits), "29463-7") => parts.push(format!("BW {digits} {unit}")),
            _ => {}
        }
    }
    Some(parts.join(", "))
}

/// Active problems on a day, newest last.
fn problems(record: &Record, language: Language, day: Date, but_visit: Option<usize>) -> Vec<String> {
    record
        .problems
        .iter()
        .filter(|problem| problem.is_active(day) && (but_visit.is_none() || problem.visit != but_visit))
        .map(|problem| match language {
            Language::Korean => format!("{} ({}년 진단)", problem.what.korean(), problem.onset.year()),
            Language::English => format!("{} (since {})", problem.what.english(), problem.onset.year()),
        })
        .collect()
}

fn drugs(record: &Record, language: Language, day: Date) -> Vec<String> {
    let taken = record.medications.iter().filter(|medication| medication.is_taken(day));
    taken
        .map(|medication| match language {
            Language::Korean => format!(
                "{} {}{} {}",
                medication.drug.name.korean(),
                medication.dose,
                medication.drug.unit.0,
                medication.instruction
            ),
            Language::English => {
                format!("{}, {} x {}", medication.drug.name.english(), medication.dose, medication.repeat)
            }
        })
        .collect()
}

fn allergies(record: &Record, language: Language, day: Date) -> String {
    let known = record.allergies.iter().filter(|allergy| {
        allergy.recorded.date() <= day && !matches!(allergy.certainty, Certainty::Wrong(_) | Certainty::Refuted(_))
    });
    let all: Vec<&str> = known.map(|allergy| language.concept(&allergy.substance)).collect();
    if all.is_empty() { language.of(("기록 없음", "not recorded")).to_owned() } else { all.join(", ") }
}

fn social(record: &Record, language: Language, day: Date) -> Vec<String> {
    let mut told: Vec<_> = record.social.iter().filter(|habit| habit.at.date() <= day).collect();
    told.sort_by_key(|habit| habit.at);
    let mut out: Vec<(&str, String)> = Vec::new();
    for habit in told {
        let words = match &habit.value {
            Value::Coded(concept) => language.concept(concept).to_owned(),
            Value::Text(text) => text.clone(),
            Value::Number(digits) => digits.clone(),
            Value::Pressure(..) => continue,
        };
        out.retain(|(name, _)| *name != habit.what.key());
        out.push((habit.what.key(), format!("{}: {words}", language.concept(&habit.what))));
    }
    out.into_iter().map(|(_, line)| line).collect()
}

fn family(record: &Record, language: Language) -> Vec<String> {
    let lines = record.family.iter().map(|relative| {
        let age = relative.onset.map(|years| match language {
            Language::Korean => format!(" ({years}세 진단)"),
            Language::English => format!(" (at {years})"),
        });
        let what = language.concept(&relative.what);
        let age = age.unwrap_or_default();
        format!("{}: {what}{age}", relation(language, &relative.relation))
    });
    lines.collect()
}

/// What a relative is called.
pub(crate) fn relation(language: Language, code: &Code) -> &'static str {
    match (language, code.code) {
        (Language::Korean, "FTH") => "아버지",
        (Language::Korean, "MTH") => "어머니",
        (Language::Korean, "BRO") => "남자 형제",
        (Language::Korean, "SIS") => "여자 형제",
        _ => code.display,
    }
}

/// v3-RoleCode of a relative.
pub(crate) const fn relative(code: &'static str, display: &'static str) -> Code {
    Code { system: System::Role, code, display }
}

fn header(record: &Record, visit: usize, language: Language, title: Words<'_>, at: DateTime) -> Vec<String> {
    let visit = &record.visits[visit];
    let years = age(record.person.birth, at.date());
    match language {
        Language::Korean => vec![
            title.0.to_owned(),
            format!("진료과: {}, 담당의: {}", visit.department.korean(), visit.attending.hangul()),
            format!("{years}세 {}, 작성일 {}", record.person.sex.korean(), fhir_day(at.date())),
        ],
        Language::English => {
            let sex = if record.person.sex == Sex::Female { "female" } else { "male" };
            vec![
                title.1.to_owned(),
                format!("Department: {}, attending: {}", visit.department.english, visit.attending.latin),
                format!("{years}-year-old {sex}, written on {}", fhir_day(at.date())),
            ]
        }
    }
}

fn listed(out: &mut Vec<String>, title: &str, items: &[String], none: &str) {
    out.push(title.to_owned());
    if items.is_empty() {
        out.push(format!("- {none}"));
    }
    out.extend(items.iter().map(|item| format!("- {item}")));
}

/// An outpatient note: complaint, findings, assessment, plan.
pub(crate) fn clinic(
    record: &Record,
    visit: usize,
    language: Language,
    complaint: Words<'_>,
    plan: &[Words<'_>],
) -> String {
    let start = record.visits[visit].start;
    let at = crate::moment::minutes_after(start, 145);
    let day = start.date();
    let mut out = header(record, visit, language, ("외래경과기록", "OUTPATIENT NOTE"), at);
    out.push(format!("S) {}", language.of(complaint)));
    if let Some(vitals) = vitals(record, visit, at) {
        out.push(format!("O) {vitals}"));
    }
    let labs = labs(record, visit, start, at);
    if !labs.is_empty() {
        out.push(format!("{}: {labs}", language.of(("금일 검사", "Labs today"))));
    }
    for report in reports(record, visit, start, at) {
        if let Content::Prose { impression, .. } = &report.content {
            out.push(format!("{}: {}", language.concept(&report.what), impression.join(" ")));
        }
    }
    out.push("A)".to_owned());
    let all = problems(record, language, day, None);
    if all.is_empty() {
        let own = record.visits[visit].diagnoses.iter().map(|one| language.concept(&one.what).to_owned());
        out.extend(own.map(|line| format!("- {line}")));
    }
    out.extend(all.iter().enumerate().map(|(at, line)| format!("{}. {line}", at + 1)));
    out.push("P)".to_owned());
    out.extend(plan.iter().map(|line| format!("- {}", language.of(*line))));
    let drugs = drugs(record, language, day);
    if !drugs.is_empty() {
        out.push(language.of(("투약:", "Medication:")).to_owned());
        out.extend(drugs.iter().map(|line| format!("- {line}")));
    }
    out.join("\n")
}

/// The emergency visit that a stay came from.
fn emergency_before(record: &Record, visit: usize) -> Vec<usize> {
    let start = record.visits[visit].start;
    let came = |other: &Visit| {
        other.class == Class::Emergency
            && other.end().is_some_and(|end| end <= start && minutes_after(end, 12 * 60) > start)
    };
    (0..record.visits.len()).filter(|at| came(&record.visits[*at])).collect()
}

/// The history taken at admission.
pub(crate) fn admission(
    record: &Record,
    visit: usize,
    at: DateTime,
    language: Language,
    complaint: Words<'_>,
    illness: &[Words<'_>],
    plan: &[Words<'_>],
) -> String {
    let day = at.date();
    let none = language.of(("없음", "none"));
    let mut out = header(record, visit, language, ("입원초진기록", "ADMISSION NOTE"), at);
    out.push(format!("{}: {}", language.of(("주소", "Chief complaint")), language.of(complaint)));
    out.push(language.of(("현병력", "Present illness")).to_owned());
    out.extend(illness.iter().map(|line| language.of(*line).to_owned()));
    let past = problems(record, language, day, Some(visit));
    listed(&mut out, language.of(("과거력", "Past history")), &past, none);
    let drugs = drugs(record, language, crate::moment::days_after(day, -1));
    listed(&mut out, language.of(("복용약", "Home medication")), &drugs, none);
    out.push(format!("{}: {}", language.of(("알레르기", "Allergies")), allergies(record, language, day)));
    let social = social(record, language, day);
    listed(&mut out, language.of(("사회력", "Social history")), &social, language.of(("확인되지 않음", "not asked")));
    let family = family(record, language);
    listed(&mut out, language.of(("가족력", "Family history")), &family, language.of(("확인되지 않음", "not asked")));
    if let Some(vitals) = vitals(record, visit, at) {
        out.push(format!("{}: {vitals}", language.of(("활력징후", "Vital signs"))));
    }
    // What the emergency room found on the way in belongs to the history.
    let mut from = emergency_before(record, visit);
    from.push(visit);
    let found: Vec<String> = from.iter().map(|visit| labs(record, *visit, DateTime::MIN, at)).collect();
    let found: Vec<String> = found.into_iter().filter(|line| !line.is_empty()).collect();
    if !found.is_empty() {
        out.push(format!("{}: {}", language.of(("입원 시 검사", "Labs on admission")), found.join(", ")));
    }
    for report in from.iter().flat_map(|visit| reports(record, *visit, DateTime::MIN, at)) {
        if let Content::Prose { impression, .. } = &report.content {
            out.push(format!("{}: {}", language.concept(&report.what), impression.join(" ")));
        }
    }
    out.push(language.of(("평가 및 계획", "Assessment and plan")).to_owned());
    let own = record.visits[visit].diagnoses.iter().map(|one| language.concept(&one.what));
    out.extend(own.enumerate().map(|(at, line)| format!("{}. {line}", at + 1)));
    out.extend(plan.iter().map(|line| format!("- {}", language.of(*line))));
    out.join("\n")
}

/// A day in a stay.
pub(crate) fn progress(
    record: &Record,
    visit: usize,
    at: DateTime,
    language: Language,
    told: Words<'_>,
    plan: &[Words<'_>],
) -> String {
    let start = record.visits[visit].start;
    let day = days_between(start.date(), at.date()) + 1;
    let mut out = header(record, visit, language, ("경과기록", "PROGRESS NOTE"), at);
    out.push(match language {
        Language::Korean => format!("입원 {day}일째"),
        Language::English => format!("Hospital day {day}"),
    });
    out.push(format!("S) {}", language.of(told)));
    if let Some(vitals) = vitals(record, visit, at) {
        out.push(format!("O) {vitals}"));
    }
    let morning = at.date().at(0, 0, 0, 0);
    let labs = labs(record, visit, morning, at);
    if !labs.is_empty() {
        out.push(format!("{}: {labs}", language.of(("금일 검사", "Labs today"))));
    }
    out.push("A/P)".to_owned());
    out.extend(plan.iter().map(|line| format!("- {}", language.of(*line))));
    out.join("\n")
}

/// The summary at discharge.
pub(crate) fn discharge(
    record: &Record,
    visit: usize,
    at: DateTime,
    language: Language,
    story: &[Words<'_>],
    follow_up: &[Words<'_>],
) -> String {
    let stay = &record.visits[visit];
    let mut out = header(record, visit, language, ("퇴원요약", "DISCHARGE SUMMARY"), at);
    let (from, to) = (stay.start.date(), at.date());
    let nights = days_between(from, to);
    out.push(match language {
        Language::Korean => format!("입원일 {}, 퇴원일 {} (재원 {nights}일)", fhir_day(from), fhir_day(to)),
        Language::English => {
            format!("Admitted {}, discharged {} ({nights} days)", fhir_day(from), fhir_day(to))
        }
    });
    let names: Vec<String> = stay.diagnoses.iter().map(|one| language.concept(&one.what).to_owned()).collect();
    listed(&mut out, language.of(("최종 진단", "Final diagnoses")), &names, language.of(("미정", "open")));
    let done = record.procedures.iter().filter(|done| done.visit == Some(visit) && done.withdrawn.is_none());
    let done: Vec<String> =
        done.map(|done| format!("{} ({})", language.concept(&done.what), fhir_day(done.at.date()))).collect();
    if !done.is_empty() {
        listed(&mut out, language.of(("시술 및 수술", "Procedures")), &done, "");
    }
    out.push(language.of(("경과", "Hospital course")).to_owned());
    out.extend(story.iter().map(|line| language.of(*line).to_owned()));
    let changes = changes(record, visit, at);
    if !changes.is_empty() {
        out.push(format!("{}: {}", language.of(("검사 변화", "Laboratory course")), changes.join(", ")));
    }
    let drugs = drugs(record, language, to);
    listed(&mut out, language.of(("퇴원약", "Discharge medication")), &drugs, language.of(("없음", "none")));
    out.push(language.of(("퇴원 후 계획", "Follow-up")).to_owned());
    out.extend(follow_up.iter().map(|line| format!("- {}", language.of(*line))));
    out.join("\n")
}

/// What changed from the first measurement of a stay to the last: `CRP 14.20 -> 1.35 mg/dL`.
fn changes(record: &Record, visit: usize, until: DateTime) -> Vec<String> {
    let mut all: Vec<&Report> =
        reports(record, visit, DateTime::MIN, until).filter(|r| matches!(r.content, Content::Values(_))).collect();
    all.sort_by_key(|report| report.taken);
    let mut out: Vec<(&str, &Result, &Result)> = Vec::new();
    for result in all.iter().flat_map(|report| report.results()) {
        if short(result).is_empty() || !matches!(result.value, Value::Number(_)) {
            continue;
        }
        match out.iter_mut().find(|(name, _, _)| *name == result.what.key()) {
            Some((_, _, last)) => *last = result,
            None => out.push((result.what.key(), result, result)),
        }
    }
    let digits = |result: &Result| match &result.value {
        Value::Number(digits) => digits.clone(),
        _ => String::new(),
    };
    out.into_iter()
        .filter(|(_, first, last)| !std::ptr::eq(*first, *last) && (first.flag != Some("N") || last.flag != Some("N")))
        .map(|(_, first, last)| {
            let unit = first.unit.map_or("", |unit| unit.shown);
            format!("{} {} -> {} {unit}", short(first), digits(first), digits(last)).trim_end().to_owned()
        })
        .collect()
}

/// The emergency room's page.
pub(crate) fn emergency(
    record: &Record,
    visit: usize,
    at: DateTime,
    language: Language,
    complaint: Words<'_>,
    findings: &[Words<'_>],
    outcome: Words<'_>,
) -> String {
    let start = record.visits[visit].start;
    let mut out = header(record, visit, language, ("응급실기록", "EMERGENCY NOTE"), at);
    out.push(format!("{}: {}", language.of(("주소", "Chief complaint")), language.of(complaint)));
    if let Some(vitals) = vitals(record, visit, at) {
        out.push(format!("{}: {vitals}", language.of(("활력징후", "Vital signs"))));
    }
    out.extend(findings.iter().map(|line| language.of(*line).to_owned()));
    let labs = labs(record, visit, start, at);
    if !labs.is_empty() {
        out.push(format!("{}: {labs}", language.of(("검사", "Labs"))));
    }
    out.push(format!("{}: {}", language.of(("알레르기", "Allergies")), allergies(record, language, at.date())));
    out.push(format!("{}: {}", language.of(("처치 및 결과", "Outcome")), language.of(outcome)));
    out.join("\n")
}

/// A page with a title and lines: operations, nursing.
pub(crate) fn page(
    record: &Record,
    visit: usize,
    at: DateTime,
    language: Language,
    title: Words<'_>,
    lines: &[Words<'_>],
) -> String {
    let mut out = header(record, visit, language, title, at);
    out.extend(lines.iter().map(|line| language.of(*line).to_owned()));
    out.join("\n")
}
