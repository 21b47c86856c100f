//! Registration, visits, what is asked about the person, problems, appointments, vaccinations.

use jiff::civil::DateTime;

use super::segment::{Segment, ce, cx, ei, hangul, latin, one, pl, xcn, xtn};
use super::{Feed, chart};
use crate::fhir::{admission_type, unknown_name};
use crate::ids::Authority;
use crate::moment;
use crate::record::{Certainty, Chart, Class, Course, Kept, Record, Told, Value};

pub(super) fn write(feed: &mut Feed<'_>) {
    registration(feed);
    for at in 0..feed.record.visits.len() {
        visit(feed, at);
    }
    habits(feed);
    allergies(feed);
    problems(feed);
    procedures(feed);
    relatives(feed);
    immunizations(feed);
    appointments(feed);
}

fn evn(trigger: &str, at: DateTime) -> Segment {
    Segment::new("EVN").raw(1, trigger).raw(2, moment::v2(at)).raw(6, moment::v2(at))
}

/// PID as registration knew it then.
pub(super) fn pid(record: &Record, chart: Chart, at: DateTime) -> Segment {
    let mrn = cx(Authority::Mrn, record.mrn(chart), "MR");
    let person = &record.person;
    let out = Segment::new("PID").raw(1, "1").raw(3, mrn);
    if chart == Chart::Former {
        let name = unknown_name(person.sex);
        return out.raw(5, format!("{name}^^^^^^U")).raw(8, person.sex.v2());
    }
    let before = record.moved.as_ref().filter(|moved| at < moved.at);
    let (address, phone) = match before {
        Some(old) => (&old.address, &old.phone),
        None => (&person.address, &person.phone),
    };
    let address = format!(
        "{}^^{}^{}^{}^KOR^H",
        super::segment::escape(&address.line),
        address.district,
        address.city,
        address.postal
    );
    let out = out
        .raw(5, format!("{}~{}", hangul(&person.name), latin(&person.name)))
        .raw(7, moment::v2_day(person.birth))
        .raw(8, person.sex.v2())
        .raw(11, address)
        .raw(13, xtn(phone))
        .raw(15, "ko^Korean^ISO639")
        .raw(16, person.marital);
    match record.died {
        Some(died) if at >= died => out.raw(29, moment::v2(died)).raw(30, "Y"),
        _ => out,
    }
}

fn nobody_here() -> Segment {
    Segment::new("PV1").raw(1, "1").raw(2, "N")
}

fn kin(record: &Record) -> Option<Segment> {
    let kin = record.person.kin.as_ref()?;
    let (table, _, display) = kin.relation;
    Some(
        Segment::new("NK1")
            .raw(1, "1")
            .raw(2, hangul(&kin.name))
            .raw(3, format!("{table}^{display}^HL70063"))
            .raw(5, xtn(&kin.phone)),
    )
}

fn registration(feed: &mut Feed<'_>) {
    let record = feed.record;
    let at = record.registered;
    let mut all = vec![evn("A28", at), pid(record, Chart::Own, at)];
    all.extend(kin(record));
    all.push(nobody_here());
    feed.send(at, 0, "ADT^A28^ADT_A05", all);
    if let Some(moved) = &record.moved {
        let mut all = vec![evn("A31", moved.at), pid(record, Chart::Own, moved.at)];
        all.extend(kin(record));
        all.push(nobody_here());
        feed.send(moved.at, 0, "ADT^A31^ADT_A05", all);
    }
    if let Some(former) = &record.former {
        let opened = former.opened;
        let all = vec![evn("A28", opened), pid(record, Chart::Former, opened), nobody_here()];
        feed.send(opened, 0, "ADT^A28^ADT_A05", all);
        let mrg = Segment::new("MRG").raw(1, cx(Authority::Mrn, &former.mrn, "MR"));
        let all = vec![evn("A40", former.merged), pid(record, Chart::Own, former.merged), mrg];
        feed.send(former.merged, 0, "ADT^A40^ADT_A39", all);
    }
    let happened = record.died.filter(|_| record.visits.iter().all(|visit| visit.end() != record.died));
    if let Some(died) = happened {
        let all = vec![evn("A31", died), pid(record, Chart::Own, died), nobody_here()];
        feed.send(died, 9, "ADT^A31^ADT_A05", all);
    }
}

/// PV1 as it stood at a moment.
pub(super) fn pv1(record: &Record, visit: usize, at: DateTime) -> Segment {
    let one_visit = &record.visits[visit];
    let here = one_visit.places.iter().rposition(|(since, _)| *since <= at).unwrap_or(0);
    let class = match one_visit.class {
        Class::Clinic => "O",
        Class::Inpatient => "I",
        Class::Emergency => "E",
        Class::Planned => "P",
    };
    let place = one_visit.places.get(here).map(|(_, place)| pl(place));
    let kind = admission_type(record, visit);
    let mut out = Segment::new("PV1")
        .raw(1, "1")
        .raw(2, class)
        .maybe(3, place)
        .maybe(4, kind.first.as_ref().map(one))
        .raw(7, xcn(&one_visit.attending))
        .raw(10, one(&one_visit.department.code))
        .raw(19, cx(Authority::Visit, &one_visit.number, "VN"));
    if let Course::Ended(end, outcome) = one_visit.course
        && at >= end
        && one_visit.class != Class::Clinic
    {
        out = out.raw(36, one(&outcome));
    }
    out = out.raw(44, moment::v2(one_visit.start));
    if one_visit.end().is_some_and(|end| at >= end) {
        out = out.maybe(45, one_visit.end().map(moment::v2));
    }
    out
}

fn pv2(record: &Record, visit: usize) -> Segment {
    Segment::new("PV2").raw(3, ce(&record.visits[visit].reason))
}

/// DG1 of a visit's diagnoses, `settled` or as first written.
fn dg1(record: &Record, visit: usize, is_end: bool) -> Vec<Segment> {
    let own = &record.visits[visit];
    let wanted = own.diagnoses.iter().filter(|one| is_end || one.admitting);
    wanted
        .enumerate()
        .map(|(at, one)| {
            let kind = if is_end && one.settled {
                "F"
            } else if one.admitting {
                "A"
            } else {
                "W"
            };
            Segment::new("DG1")
                .raw(1, (at + 1).to_string())
                .raw(3, ce(&one.what))
                .raw(6, kind)
                .raw(15, one.rank.to_string())
                .raw(16, xcn(&own.attending))
                .raw(19, moment::v2(one.recorded))
                .raw(20, ei(Authority::Diagnosis, &one.number))
        })
        .collect()
}

fn visit(feed: &mut Feed<'_>, at: usize) {
    let record = feed.record;
    let own = &record.visits[at];
    let start = own.start;
    let head = |trigger: &str, moment: DateTime| {
        vec![evn(trigger, moment), pid(record, own.chart, moment), pv1(record, at, moment)]
    };
    match own.class {
        Class::Planned => {
            // Booked a month before it begins: before today.
            let booked = moment::minutes_after(start, -30 * 24 * 60);
            let mut all = head("A05", booked);
            all.push(pv2(record, at));
            feed.send(booked, 1, "ADT^A05^ADT_A05", all);
            return;
        }
        Class::Inpatient => {
            let mut all = head("A01", start);
            all.push(pv2(record, at));
            all.extend(dg1(record, at, false));
            feed.send(start, 1, "ADT^A01^ADT_A01", all);
        }
        Class::Clinic | Class::Emergency => {
            let mut all = head("A04", start);
            all.push(pv2(record, at));
            feed.send(start, 1, "ADT^A04^ADT_A01", all);
        }
    }
    for pair in own.places.windows(2) {
        let [(_, from), (since, _)] = pair else { continue };
        let mut all = vec![evn("A02", *since), pid(record, own.chart, *since)];
        all.push(pv1(record, at, *since).raw(6, pl(from)));
        feed.send(*since, 2, "ADT^A02^ADT_A02", all);
    }
    match own.course {
        Course::Ended(end, _) => {
            let mut all = head("A03", end);
            all.push(pv2(record, at));
            all.extend(dg1(record, at, true));
            feed.send(end, 8, "ADT^A03^ADT_A03", all);
        }
        Course::Cancelled(then) => feed.send(then, 2, "ADT^A11^ADT_A09", head("A11", then)),
        Course::Here => {
            // What the ward knows by now, as an update.
            let others: Vec<Segment> = dg1(record, at, true);
            let last = own.diagnoses.iter().map(|one| one.recorded).max();
            if let (Some(then), false) = (last, others.is_empty()) {
                let then = moment::minutes_after(then, 5);
                let mut all = head("A08", then);
                all.push(pv2(record, at));
                all.extend(others);
                feed.send(then, 3, "ADT^A08^ADT_A01", all);
            }
        }
        Course::Planned => {}
    }
}

fn habits(feed: &mut Feed<'_>) {
    let record = feed.record;
    for habit in &record.social {
        let obx = Segment::new("OBX").raw(1, "1").raw(3, ce(&habit.what)).raw(11, "F").raw(14, moment::v2(habit.at));
        let obx = match &habit.value {
            Value::Coded(concept) => obx.raw(2, "CE").raw(5, ce(concept)),
            Value::Text(text) | Value::Number(text) | Value::Pressure(text, _) => obx.raw(2, "ST").text(5, text),
        };
        let mut all = vec![evn("A31", habit.at), pid(record, Chart::Own, habit.at)];
        all.push(nobody_here());
        all.push(obx);
        feed.send(habit.at, 3, "ADT^A31^ADT_A05", all);
    }
}

fn allergies(feed: &mut Feed<'_>) {
    let record = feed.record;
    for one in &record.allergies {
        let at = one.recorded;
        let kind = one.kind.map_or("MA", |(kind, _)| kind);
        let reactions: Vec<String> = one.reactions.iter().map(|text| super::segment::escape(text)).collect();
        match one.told {
            Told::AtRegistration => {
                let mut al1 = Segment::new("AL1").raw(1, "1").raw(3, ce(&one.substance)).raw(5, reactions.join("~"));
                if one.kind.is_some() {
                    al1 = al1.raw(2, kind);
                }
                al1 = al1.maybe(4, one.severity.map(str::to_owned)).maybe(6, one.onset.map(moment::v2_day));
                let all = vec![evn("A31", at), pid(record, Chart::Own, at), nobody_here(), al1];
                feed.send(at, 3, "ADT^A31^ADT_A05", all);
            }
            Told::Numbered => {
                let iam = |action: &str, status: &str| {
                    Segment::new("IAM")
                        .raw(1, "1")
                        .raw(
                            2,
                            format!("{kind}^{}^HL70127", if kind == "FA" { "Food Allergy" } else { "Drug Allergy" }),
                        )
                        .raw(3, ce(&one.substance))
                        .maybe(4, one.severity.map(str::to_owned))
                        .raw(5, reactions.join("~"))
                        .raw(6, action)
                        .raw(7, ei(Authority::Allergy, &one.number))
                        .maybe(11, one.onset.map(moment::v2_day))
                        .raw(13, moment::v2(at))
                        .raw(17, status)
                };
                let status = if one.certainty == Certainty::Unconfirmed { "U" } else { "C" };
                let head = |then: DateTime| vec![evn("A60", then), pid(record, Chart::Own, then)];
                let mut all = head(at);
                all.push(iam("A", status));
                feed.send(at, 3, "ADT^A60^ADT_A60", all);
                if let Certainty::Wrong(then) = one.certainty {
                    let mut all = head(then);
                    all.push(iam("D", "E"));
                    feed.send(then, 3, "ADT^A60^ADT_A60", all);
                }
            }
        }
    }
}

fn problems(feed: &mut Feed<'_>) {
    let record = feed.record;
    for one in &record.problems {
        let chart = chart(record, one.visit);
        let prb = |action: &str, at: DateTime, confirmed: &str, life: &str| {
            Segment::new("PRB")
                .raw(1, action)
                .raw(2, moment::v2(at))
                .raw(3, ce(&one.what))
                .raw(4, ei(Authority::Problem, &one.number))
                .raw(7, moment::v2(one.recorded))
                .raw(13, format!("{confirmed}^{confirmed}^HAECHI"))
                .raw(14, format!("{life}^{life}^HAECHI"))
                .raw(16, one.onset.v2())
        };
        let mut send = |at: DateTime, kind: &'static str, prb: Segment| {
            let mut all = vec![pid(record, chart, at)];
            all.extend(one.visit.map(|visit| pv1(record, visit, at)));
            all.push(prb);
            feed.send(at, 4, kind, all);
        };
        let first = match one.certainty {
            Certainty::Refuted(_) | Certainty::Provisional => "provisional",
            Certainty::Unconfirmed => "unconfirmed",
            Certainty::Confirmed | Certainty::Wrong(_) => "confirmed",
        };
        send(one.recorded, "PPR^PC1^PPR_PC1", prb("AD", one.recorded, first, "active"));
        match one.certainty {
            Certainty::Refuted(at) => send(at, "PPR^PC2^PPR_PC1", prb("UP", at, "refuted", "inactive")),
            Certainty::Wrong(at) => send(at, "PPR^PC3^PPR_PC1", prb("DE", at, "entered-in-error", "inactive")),
            _ => {}
        }
        if let Some(end) = one.resolved {
            let at = end.at(17, 30, 0, 0).max(moment::minutes_after(one.recorded, 1));
            let over = prb("UP", at, "confirmed", "resolved").raw(9, moment::v2_day(end));
            send(at, "PPR^PC2^PPR_PC1", over);
        }
    }
}

fn procedures(feed: &mut Feed<'_>) {
    let record = feed.record;
    for one in &record.procedures {
        let Some(visit) = one.visit else { continue };
        let chart = chart(record, one.visit);
        let pr1 = || {
            Segment::new("PR1")
                .raw(1, "1")
                .raw(3, ce(&one.what))
                .raw(5, moment::v2(one.at))
                .raw(12, xcn(&one.by))
                .maybe(15, one.reason.as_ref().map(ce))
                .raw(19, ei(Authority::Procedure, &one.number))
        };
        let head = |at: DateTime| vec![evn("A08", at), pid(record, chart, at), pv1(record, visit, at)];
        let at = moment::minutes_after(one.at, 15);
        let mut all = head(at);
        all.push(pr1());
        feed.send(at, 5, "ADT^A08^ADT_A01", all);
        if let Some(then) = one.withdrawn {
            let mut all = head(then);
            all.push(pr1().raw(20, "D"));
            feed.send(then, 5, "ADT^A08^ADT_A01", all);
        }
    }
}

/// Family history as LOINC's panel of it: relation, disease, age at onset.
fn relatives(feed: &mut Feed<'_>) {
    let record = feed.record;
    for relative in &record.family {
        let at = relative.at;
        let obr = Segment::new("OBR")
            .raw(1, "1")
            .raw(3, ei(Authority::Family, &relative.number))
            .raw(4, "54114-4^Family member health history panel^LN")
            .raw(7, moment::v2(at))
            .raw(22, moment::v2(at))
            .raw(25, "F");
        let obx = |number: &str, kind: &str, what: &str, value: String| {
            Segment::new("OBX").raw(1, number).raw(2, kind).raw(3, what).raw(5, value).raw(11, "F")
        };
        let mut all = vec![pid(record, Chart::Own, at), obr];
        all.push(obx("1", "CE", "54136-6^Relationship to patient family member^LN", one(&relative.relation)));
        all.push(obx("2", "CE", "54116-9^History of diseases family member^LN", ce(&relative.what)));
        if let Some(years) = relative.onset {
            let what = "54115-1^Age range at onset of disease family member^LN";
            all.push(obx("3", "NM", what, years.to_string()).raw(6, "a^a^UCUM"));
        }
        feed.send(at, 5, "ORU^R01^ORU_R01", all);
    }
}

fn immunizations(feed: &mut Feed<'_>) {
    let record = feed.record;
    for shot in &record.immunizations {
        let at = shot.on.at(10, 30, 0, 0).max(moment::minutes_after(record.registered, 60));
        let orc = Segment::new("ORC").raw(1, "RE").raw(3, ei(Authority::Vaccine, &shot.number));
        let mut rxa = Segment::new("RXA")
            .raw(1, "0")
            .raw(2, "1")
            .raw(3, moment::v2_day(shot.on))
            .raw(4, moment::v2_day(shot.on))
            .raw(5, ce(&shot.vaccine.what))
            .raw(9, "00^New immunization record^NIP001");
        rxa = if shot.refused {
            rxa.raw(6, "999").raw(18, "^환자 거부").raw(20, "RE")
        } else {
            rxa.raw(6, "0.5")
                .raw(7, "mL^mL^UCUM")
                .raw(10, xcn(&shot.by))
                .text(15, &shot.lot)
                .raw(17, format!("^{}", shot.vaccine.maker))
                .raw(20, "CP")
        };
        feed.send(at, 5, "VXU^V04^VXU_V04", vec![pid(record, Chart::Own, at), orc, rxa]);
    }
}

fn appointments(feed: &mut Feed<'_>) {
    let record = feed.record;
    for booked in &record.appointments {
        let send = |feed: &mut Feed<'_>, at: DateTime, kind: &'static str, status: &str| {
            let sch = Segment::new("SCH")
                .raw(1, ei(Authority::Appointment, &booked.number))
                .raw(6, "^외래 예약")
                .raw(7, ce(&booked.reason))
                .raw(9, booked.minutes.to_string())
                .raw(10, "min")
                .raw(16, xcn(&booked.doctor))
                .raw(20, "C1001^접수")
                .raw(25, status);
            let end = moment::minutes_after(booked.start, i64::from(booked.minutes));
            let tq1 = Segment::new("TQ1").raw(1, "1").raw(7, moment::v2(booked.start)).raw(8, moment::v2(end));
            let ais = Segment::new("AIS").raw(1, "1").raw(2, "A").raw(3, one(&booked.department.code));
            let ail = Segment::new("AIL").raw(1, "1").raw(2, "A").raw(3, booked.department.clinic);
            let all =
                vec![sch, tq1, pid(record, Chart::Own, at), Segment::new("RGS").raw(1, "1").raw(2, "A"), ais, ail];
            feed.send(at, 6, kind, all);
        };
        send(feed, booked.made, "SIU^S12^SIU_S12", "Booked");
        match booked.kept {
            Kept::Booked => {}
            Kept::Fulfilled => send(feed, booked.start, "SIU^S14^SIU_S12", "Complete"),
            Kept::Cancelled(at) => send(feed, at, "SIU^S15^SIU_S12", "Cancelled"),
            Kept::NoShow(at) => send(feed, at, "SIU^S26^SIU_S12", "Noshow"),
        }
    }
}
