//! SIU: SCH with its AIS, AIP, AIL and AIG to Appointment.

use super::context::{Context, Draft, Meet, id_of, number_key};
use super::json::{Json, Object};
use super::message::Seg;
use super::observe;
use super::order::shown;
use super::patient::Subject;
use super::{terms, time, types};

/// What the event makes of the appointment (HL7 v2, chapter 10).
fn status_of(trigger: &str) -> Option<&'static str> {
    Some(match trigger {
        "S12" | "S13" | "S14" | "S18" | "S19" | "S20" | "S21" | "S22" => "booked",
        "S15" | "S16" => "cancelled",
        "S17" => "entered-in-error",
        "S26" => "noshow",
        _ => return None,
    })
}

/// SCH and the resources it books.
pub(super) fn appointment(ctx: &mut Context<'_>, subjects: &[Subject], sch: &Seg<'_>, all: &[&Seg<'_>]) {
    let numbers = [types::ei_number(sch.rep(1)), types::ei_number(sch.rep(2))];
    let [placer, filler] = &numbers;
    let (Some(number), Some(subject)) = (placer.as_ref().or(filler.as_ref()), subjects.first()) else {
        return ctx.reject(sch, Some(1), "an appointment without a number cannot be told from others");
    };
    let mut draft = Draft::new("Appointment", id_of("Appointment", &[&subject.id, &number_key(number)]));
    let mut identifiers: Vec<Json> = Vec::new();
    for (number, kind, field) in [(placer, "PLAC", 1), (filler, "FILL", 2)] {
        if let Some(number) = number {
            draft.came(&format!("identifier[{}]", identifiers.len()), sch, field);
            identifiers.push(types::identifier(number, Some(kind)).into());
        }
    }
    draft.body.list("identifier", identifiers);
    // A cancelling event is certain; otherwise the filler's own word is more exact.
    let said = sch.text(25).as_deref().and_then(terms::appointment_status);
    let event = status_of(&ctx.trigger);
    let (status, field) = match (event, said) {
        (Some(ended @ ("cancelled" | "entered-in-error" | "noshow")), _) => (ended, 25),
        (_, Some(said)) => (said, 25),
        (Some(event), None) => (event, 25),
        (None, None) => ("pending", 25),
    };
    draft.put("status", status, sch, field);
    let find = |name: &str| all.iter().copied().filter(|seg| seg.name == name).collect::<Vec<_>>();
    let services = find("AIS");
    let service_types: Vec<Json> = services.iter().flat_map(|ais| types::concepts(ais, 3)).collect();
    if let Some(ais) = services.first() {
        draft.list("serviceType", service_types, ais, 3);
    }
    services.iter().for_each(|ais| ctx.reads(ais));
    let kind = types::table(sch.rep(8), "v2-0277").map(|kind| (kind, 8));
    if let Some((kind, field)) = kind {
        draft.put("appointmentType", kind, sch, field);
    }
    let mut reasons = types::concepts(sch, 7);
    draft.list("reasonCode", std::mem::take(&mut reasons), sch, 7);
    if let Some(event) = types::concept(sch.rep(6)).as_ref().and_then(shown) {
        draft.put("description", event, sch, 6);
    }
    let (start, end, minutes) = times(ctx, &mut draft, sch, all);
    draft.body.maybe("start", start);
    draft.body.maybe("end", end);
    draft.body.maybe("minutesDuration", minutes);
    let mut comments: Vec<String> = Vec::new();
    for nte in find("NTE") {
        if let Some(text) = observe::running_text(nte, 3) {
            draft.came("comment", nte, 3);
            comments.push(text);
        }
    }
    if !comments.is_empty() {
        draft.body.put("comment", comments.join("\n"));
    }
    participants(&mut draft, subjects, sch, all);
    ctx.emit(draft, Meet::Amend);
}

/// Start, end and length: TQ1, else SCH-11, else the first booked resource; the length from SCH-9.
fn times(
    ctx: &mut Context<'_>,
    draft: &mut Draft,
    sch: &Seg<'_>,
    all: &[&Seg<'_>],
) -> (Option<String>, Option<String>, Option<u64>) {
    let mut start = None;
    let mut end = None;
    if let Some(tq1) = all.iter().copied().find(|seg| seg.name == "TQ1" && (seg.filled(7) || seg.filled(8))) {
        for (slot, key, field) in [(&mut start, "start", 7), (&mut end, "end", 8)] {
            *slot = ctx.instant(tq1, field);
            if slot.is_some() {
                draft.came(key, tq1, field);
            }
        }
    }
    for (slot, key, part) in [(&mut start, "start", 4), (&mut end, "end", 5)] {
        if slot.is_none()
            && let Some(text) = sch.rep(11).part(part)
        {
            match time::instant(&text, &ctx.settings.zone) {
                Ok(at) => {
                    *slot = at;
                    draft.came(key, sch, 11);
                }
                Err(why) => ctx.reject(sch, Some(11), format!("{}; it is left out", why.reason())),
            }
        }
    }
    for (name, field) in [("AIS", 4), ("AIP", 6), ("AIL", 6), ("AIG", 8)] {
        if start.is_none()
            && let Some(seg) = all.iter().copied().find(|seg| seg.name == name && seg.filled(field))
        {
            start = ctx.instant(seg, field);
            draft.came("start", seg, field);
        }
    }
    let unit = sch.text(10).unwrap_or_default().to_ascii_lowercase();
    let length = sch.text(9).and_then(|text| text.parse::<u64>().ok()).filter(|n| (1..=100_000).contains(n));
    let minutes = match (length, unit.as_str()) {
        (Some(length), "" | "min" | "m" | "minute" | "minutes") => Some(length),
        (Some(length), "h" | "hr" | "hour" | "hours") => Some(length * 60),
        (Some(length), "s" | "sec" | "seconds") => Some(length.div_ceil(60)),
        _ => None,
    };
    if minutes.is_some() {
        draft.came("minutesDuration", sch, 9);
    }
    if end.is_none()
        && let (Some(start), Some(minutes)) = (&start, minutes)
    {
        end = later(start, minutes);
    }
    (start, end, minutes)
}

/// FHIR demands an end beside a start: the start and the length the message gives.
fn later(start: &str, minutes: u64) -> Option<String> {
    let at = jiff::fmt::temporal::DateTimeParser::new().parse_pieces(start).ok()?;
    let offset = at.to_numeric_offset()?;
    let at: jiff::Timestamp = start.parse().ok()?;
    let span = jiff::SignedDuration::from_mins(i64::try_from(minutes).ok()?);
    let text = at.checked_add(span).ok()?.display_with_offset(offset).to_string();
    Some(text)
}

fn participants(draft: &mut Draft, subjects: &[Subject], sch: &Seg<'_>, all: &[&Seg<'_>]) {
    let joined = |actor: Object, kind: Option<Object>| {
        let mut out = Object::default();
        out.list("type", kind.map(Json::Object).into_iter().collect());
        Json::Object(out.with("actor", actor).with("status", "accepted"))
    };
    let mut out: Vec<Json> = subjects.iter().map(|subject| joined(subject.reference(), None)).collect();
    for seg in all {
        let (actor, kind) = match seg.name {
            "AIP" => (types::person(seg.rep(3)), types::concept(seg.rep(4))),
            "AIL" => (
                types::place(seg.rep(3)).map(|name| Object::default().with("display", name)),
                types::concept(seg.rep(4)),
            ),
            "AIG" => {
                let name = types::concept(seg.rep(3)).as_ref().and_then(shown);
                (name.map(|name| Object::default().with("display", name)), types::concept(seg.rep(4)))
            }
            _ => continue,
        };
        if let Some(actor) = actor {
            draft.came(&format!("participant[{}]", out.len()), seg, 3);
            out.push(joined(actor, kind));
        }
    }
    for field in [16, 12] {
        for person in types::people(sch, field) {
            if let Json::Object(person) = person {
                draft.came(&format!("participant[{}]", out.len()), sch, field);
                out.push(joined(person, None));
            }
        }
    }
    draft.body.list("participant", out);
}
