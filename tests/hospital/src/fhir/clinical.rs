//! Visits, problems, allergies, prescriptions, procedures, vaccinations, appointments, relatives.

use super::{Bundle, encounter, identifier, reference, subject};
use crate::codes::{Concept, hl7_coding, hl7_concept};
use crate::ids::Authority;
use crate::json::{Json, Object};
use crate::moment;
use crate::record::{
    Allergy, Appointment, Certainty, Chart, Class, Course, Kept, Medication, Procedure, Record, Step, Told, Visit,
};

pub(super) fn write(record: &Record, out: &mut Bundle) {
    for at in 0..record.visits.len() {
        visit(record, at, out);
    }
    problems(record, out);
    for one in &record.allergies {
        allergy(record, one, out);
    }
    for one in &record.medications {
        medication(record, one, out);
    }
    for one in &record.procedures {
        procedure(record, one, out);
    }
    immunizations(record, out);
    for one in &record.appointments {
        appointment(record, one, out);
    }
    relatives(record, out);
}

/// v3-ActCode and display.
fn class(class: Class) -> Object {
    let (code, display) = match class {
        Class::Clinic => ("AMB", "ambulatory"),
        Class::Inpatient => ("IMP", "inpatient encounter"),
        Class::Emergency => ("EMER", "emergency"),
        Class::Planned => ("PRENC", "pre-admission"),
    };
    hl7_coding("v3-ActCode", code, Some(display))
}

/// How the visit came about: table 0007 with the hospital's words.
pub(crate) fn admission_type(record: &Record, at: usize) -> Concept {
    use crate::codes::{System, code};
    const TABLE: System = System::Table("0007");
    let visit = &record.visits[at];
    let from_emergency = record.visits.iter().any(|other| {
        other.class == Class::Emergency
            && other.end().is_some_and(|end| end <= visit.start && moment::minutes_after(end, 24 * 60) > visit.start)
    });
    Concept::one(match visit.class {
        Class::Clinic => code(TABLE, "R", "외래"),
        Class::Emergency => code(TABLE, "E", "응급실 방문"),
        Class::Inpatient if from_emergency => code(TABLE, "E", "응급 입원"),
        Class::Inpatient | Class::Planned => code(TABLE, "C", "예정 입원"),
    })
}

fn visit(record: &Record, at: usize, out: &mut Bundle) {
    let visit = &record.visits[at];
    let own = record.subject(visit.chart);
    let id = visit.id(&own);
    let status = match visit.course {
        Course::Ended(..) => "finished",
        Course::Here => "in-progress",
        Course::Cancelled(_) => "cancelled",
        Course::Planned => "planned",
    };
    let attending = Object::default()
        .list("type", vec![hl7_concept("v3-ParticipationType", "ATND", Some("attender")).into()])
        .with("individual", out.doctor(&visit.attending));
    let period = Object::default().with("start", moment::fhir(visit.start)).maybe("end", visit.end().map(moment::fhir));
    let mut body = Object::resource("Encounter", &id)
        .list("identifier", vec![identifier(Authority::Visit, &visit.number, Some("VN"))])
        .with("status", status)
        .with("class", class(visit.class))
        .list("type", vec![admission_type(record, at).fhir().into()])
        .with("serviceType", Concept::one(visit.department.code).fhir())
        .with("subject", reference("Patient", &own))
        .list("participant", vec![attending.into()])
        .with("period", period)
        .list("reasonCode", vec![visit.reason.fhir().into()]);
    let listed = visit.diagnoses.iter().map(|one| {
        let role = if one.settled {
            Some("DD")
        } else if one.admitting {
            Some("AD")
        } else {
            None
        };
        Object::default()
            .with("condition", reference("Condition", &one.id(&own)))
            .maybe("use", role.map(|role| hl7_concept("diagnosis-role", role, None)))
            .with("rank", one.rank)
            .into()
    });
    body = body.list("diagnosis", listed.collect());
    if let (Course::Ended(_, outcome), true) = (visit.course, visit.class != Class::Clinic) {
        let stay = Object::default().with("dischargeDisposition", Concept::one(outcome).fhir());
        body = body.with("hospitalization", stay);
    }
    out.add("Encounter", &id, body.list("location", locations(visit)));
    diagnoses(record, at, out);
}

/// Newest place first, as the messages' bookkeeping has it.
fn locations(visit: &Visit) -> Vec<Json> {
    let places = visit.places.iter().rev().enumerate().map(|(at, (_, place))| {
        let status = match visit.course {
            Course::Planned => "planned",
            Course::Here | Course::Cancelled(_) if at == 0 => "active",
            _ => "completed",
        };
        let place = Object::default().with("display", place.shown());
        Object::default().with("location", place).with("status", status).into()
    });
    places.collect()
}

fn diagnoses(record: &Record, at: usize, out: &mut Bundle) {
    let visit = &record.visits[at];
    let own = record.subject(visit.chart);
    for one in &visit.diagnoses {
        let verified = if one.settled { "confirmed" } else { "provisional" };
        let category = hl7_concept("condition-category", "encounter-diagnosis", Some("Encounter Diagnosis"));
        let body = Object::resource("Condition", &one.id(&own))
            .list("identifier", vec![identifier(Authority::Diagnosis, &one.number, None)])
            .with("verificationStatus", hl7_concept("condition-ver-status", verified, None))
            .list("category", vec![category.into()])
            .with("code", one.what.fhir())
            .with("subject", reference("Patient", &own))
            .maybe("encounter", encounter(record, Some(at)))
            .with("recordedDate", moment::fhir(one.recorded))
            .with("asserter", out.doctor(&visit.attending));
        out.add("Condition", &one.id(&own), body);
    }
}

fn problems(record: &Record, out: &mut Bundle) {
    for one in &record.problems {
        let chart = record.chart(one.visit);
        let own = record.subject(chart);
        let clinical = match (one.certainty, one.resolved) {
            (Certainty::Wrong(_), _) => None,
            (Certainty::Refuted(_), _) => Some("inactive"),
            (_, Some(_)) => Some("resolved"),
            _ => Some("active"),
        };
        let verified = match one.certainty {
            Certainty::Confirmed => "confirmed",
            Certainty::Provisional => "provisional",
            Certainty::Unconfirmed => "unconfirmed",
            Certainty::Refuted(_) => "refuted",
            Certainty::Wrong(_) => "entered-in-error",
        };
        let category = hl7_concept("condition-category", "problem-list-item", Some("Problem List Item"));
        let body = Object::resource("Condition", &one.id(&own))
            .list("identifier", vec![identifier(Authority::Problem, &one.number, None)])
            .maybe("clinicalStatus", clinical.map(|code| hl7_concept("condition-clinical", code, None)))
            .with("verificationStatus", hl7_concept("condition-ver-status", verified, None))
            .list("category", vec![category.into()])
            .with("code", one.what.fhir())
            .with("subject", subject(record, chart))
            .maybe("encounter", encounter(record, one.visit))
            .with("onsetDateTime", one.onset.fhir())
            .maybe("abatementDateTime", one.resolved.map(moment::fhir_day))
            .with("recordedDate", moment::fhir(one.recorded));
        out.add("Condition", &one.id(&own), body);
    }
}

fn allergy(record: &Record, one: &Allergy, out: &mut Bundle) {
    let own = record.subject(Chart::Own);
    let is_numbered = one.told == Told::Numbered;
    let verified = match one.certainty {
        _ if !is_numbered => None,
        Certainty::Wrong(_) => Some("entered-in-error"),
        Certainty::Confirmed => Some("confirmed"),
        _ => Some("unconfirmed"),
    };
    let (severity, criticality) = match one.severity {
        Some("SV") => (Some("severe"), Some("high")),
        Some("MO") => (Some("moderate"), None),
        Some("MI") => (Some("mild"), Some("low")),
        _ => (None, None),
    };
    let mut body = Object::resource("AllergyIntolerance", &one.id(&own));
    if is_numbered {
        body = body.list("identifier", vec![identifier(Authority::Allergy, &one.number, None)]);
    }
    if !matches!(one.certainty, Certainty::Wrong(_)) {
        let active = hl7_concept("allergyintolerance-clinical", "active", Some("Active"));
        body = body.with("clinicalStatus", active);
    }
    body = body
        .maybe("verificationStatus", verified.map(|code| hl7_concept("allergyintolerance-verification", code, None)))
        .maybe("type", one.kind.map(|_| "allergy"))
        .list("category", one.kind.iter().map(|(_, category)| Json::from(*category)).collect())
        .maybe("criticality", criticality)
        .with("code", one.substance.fhir())
        .with("patient", subject(record, Chart::Own))
        .maybe("onsetDateTime", one.onset.map(moment::fhir_day));
    if is_numbered {
        body = body.with("recordedDate", moment::fhir(one.recorded));
    }
    if !one.reactions.is_empty() {
        let seen = one.reactions.iter().map(|text| Object::default().with("text", *text).into()).collect();
        let reaction = Object::default().list("manifestation", seen).maybe("severity", severity);
        body = body.list("reaction", vec![reaction.into()]);
    }
    out.add("AllergyIntolerance", &one.id(&own), body);
}

/// Frequency, period and its unit of a repeat pattern; none for those that count otherwise.
fn repeats(pattern: &str) -> Option<(u32, u32, &'static str)> {
    Some(match pattern {
        "QD" | "QHS" => (1, 1, "d"),
        "BID" => (2, 1, "d"),
        "TID" => (3, 1, "d"),
        "QW" => (1, 1, "wk"),
        "Q2W" => (1, 2, "wk"),
        "Q6H" => (1, 6, "h"),
        "Q8H" => (1, 8, "h"),
        _ => return None,
    })
}

fn medication(record: &Record, one: &Medication, out: &mut Bundle) {
    let chart = record.chart(one.visit);
    let own = record.subject(chart);
    let status = match one.now() {
        None | Some(Step::Resume) => "active",
        Some(Step::Hold) => "on-hold",
        Some(Step::Stop) => "stopped",
        Some(Step::Finish) => "completed",
        Some(Step::Cancel) => "cancelled",
        Some(Step::Wrong) => "entered-in-error",
    };
    let bounds = Object::default()
        .with("start", moment::fhir_day(one.ordered.date()))
        .maybe("end", one.end.map(moment::fhir_day));
    let mut repeat = Object::default().with("boundsPeriod", bounds);
    if let Some((frequency, period, unit)) = repeats(one.repeat) {
        repeat = repeat.with("frequency", frequency).with("period", period).with("periodUnit", unit);
    }
    let mut timing = Object::default().with("repeat", repeat);
    let as_needed = one.repeat == "PRN";
    if !as_needed {
        timing = timing.with("code", hl7_concept("v2-0335", one.repeat, None));
    }
    let amount = Object::default()
        .with("value", Json::Number(one.dose.to_owned()))
        .with("unit", one.drug.unit.0)
        .with("system", "http://unitsofmeasure.org")
        .with("code", one.drug.unit.1);
    let mut dosage = Object::default().with("text", one.instruction.clone()).with("timing", timing);
    if as_needed {
        dosage = dosage.with("asNeededBoolean", true);
    }
    dosage = dosage
        .with("route", Concept::one(one.drug.route).fhir())
        .list("doseAndRate", vec![Object::default().with("doseQuantity", amount).into()]);
    let drug = Object::resource("Medication", "drug").with("code", one.drug.name.fhir());
    let body = Object::resource("MedicationRequest", &one.id(&own))
        .list("contained", vec![drug.into()])
        .list("identifier", vec![identifier(Authority::Drug, &one.number, Some("PLAC"))])
        .with("status", status)
        .with("intent", "order")
        .with(
            "medicationReference",
            Object::default().with("reference", "#drug").with("display", one.drug.name.korean()),
        )
        .with("subject", subject(record, chart))
        .maybe("encounter", encounter(record, one.visit))
        .with("authoredOn", moment::fhir(one.ordered))
        .with("requester", out.doctor(&one.by))
        .list("reasonCode", one.reason.iter().map(|reason| reason.fhir().into()).collect())
        .list("note", one.note.iter().map(|text| Object::default().with("text", text.clone()).into()).collect())
        .list("dosageInstruction", vec![dosage.into()]);
    out.add("MedicationRequest", &one.id(&own), body);
}

fn procedure(record: &Record, one: &Procedure, out: &mut Bundle) {
    let chart = record.chart(one.visit);
    let own = record.subject(chart);
    let status = if one.withdrawn.is_some() { "entered-in-error" } else { "completed" };
    let performer = Object::default().with("actor", out.doctor(&one.by));
    let body = Object::resource("Procedure", &one.id(&own))
        .list("identifier", vec![identifier(Authority::Procedure, &one.number, None)])
        .with("status", status)
        .with("code", one.what.fhir())
        .with("subject", subject(record, chart))
        .maybe("encounter", encounter(record, one.visit))
        .with("performedDateTime", moment::fhir(one.at))
        .list("performer", vec![performer.into()])
        .list("reasonCode", one.reason.iter().map(|reason| reason.fhir().into()).collect());
    out.add("Procedure", &one.id(&own), body);
}

fn immunizations(record: &Record, out: &mut Bundle) {
    let own = record.subject(Chart::Own);
    for one in &record.immunizations {
        let mut body = Object::resource("Immunization", &one.id(&own))
            .list("identifier", vec![identifier(Authority::Vaccine, &one.number, Some("FILL"))])
            .with("status", if one.refused { "not-done" } else { "completed" });
        if one.refused {
            body = body.with("statusReason", Concept::words("환자 거부").fhir());
        }
        body = body
            .with("vaccineCode", one.vaccine.what.fhir())
            .with("patient", subject(record, Chart::Own))
            .with("occurrenceDateTime", moment::fhir_day(one.on))
            .with("primarySource", true);
        if !one.refused {
            let amount = Object::default()
                .with("value", Json::Number("0.5".into()))
                .with("unit", "mL")
                .with("system", "http://unitsofmeasure.org")
                .with("code", "mL");
            let performer = Object::default()
                .with("function", hl7_concept("v2-0443", "AP", Some("Administering Provider")))
                .with("actor", out.doctor(&one.by));
            body = body
                .with("manufacturer", Object::default().with("display", one.vaccine.maker))
                .with("lotNumber", one.lot.clone())
                .with("doseQuantity", amount)
                .list("performer", vec![performer.into()]);
        }
        out.add("Immunization", &one.id(&own), body);
    }
}

fn appointment(record: &Record, one: &Appointment, out: &mut Bundle) {
    let own = record.subject(Chart::Own);
    let status = match one.kept {
        Kept::Booked => "booked",
        Kept::Fulfilled => "fulfilled",
        Kept::Cancelled(_) => "cancelled",
        Kept::NoShow(_) => "noshow",
    };
    let joined = |actor: Object| Json::Object(Object::default().with("actor", actor).with("status", "accepted"));
    let place = Object::default().with("display", one.department.clinic);
    let doctor = out.doctor(&one.doctor);
    let end = moment::minutes_after(one.start, i64::from(one.minutes));
    let body = Object::resource("Appointment", &one.id(&own))
        .list("identifier", vec![identifier(Authority::Appointment, &one.number, Some("PLAC"))])
        .with("status", status)
        .list("serviceType", vec![Concept::one(one.department.code).fhir().into()])
        .list("reasonCode", vec![one.reason.fhir().into()])
        .with("description", "외래 예약")
        .with("start", moment::fhir(one.start))
        .with("end", moment::fhir(end))
        .with("minutesDuration", one.minutes)
        .list("participant", vec![joined(subject(record, Chart::Own)), joined(place), joined(doctor)]);
    out.add("Appointment", &one.id(&own), body);
}

fn relatives(record: &Record, out: &mut Bundle) {
    let own = record.subject(Chart::Own);
    for one in &record.family {
        let age = one.onset.map(|years| {
            Object::default()
                .with("value", years)
                .with("unit", "a")
                .with("system", "http://unitsofmeasure.org")
                .with("code", "a")
        });
        let condition = Object::default().with("code", one.what.fhir()).maybe("onsetAge", age);
        let body = Object::resource("FamilyMemberHistory", &one.id(&own))
            .list("identifier", vec![identifier(Authority::Family, &one.number, None)])
            .with("status", "completed")
            .with("patient", subject(record, Chart::Own))
            .with("date", moment::fhir(one.at))
            .with("relationship", Concept::one(one.relation).fhir())
            .list("condition", vec![condition.into()]);
        out.add("FamilyMemberHistory", &one.id(&own), body);
    }
}
