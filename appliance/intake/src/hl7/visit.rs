//! The visit: PV1 and PV2 to Encounter, with the status that the event gives it.

use super::context::{Context, Draft, Meet, id_of, number_key};
use super::json::{Json, Object};
use super::message::Seg;
use super::patient::{Subject, default_system};
use super::{terms, types};

/// The visit that the segments belong to.
#[derive(Clone)]
pub(super) struct Visit {
    /// Logical id of the Encounter.
    pub(super) id: String,
}

impl Visit {
    /// `{"reference": "Encounter/…"}`.
    pub(super) fn reference(&self) -> Object {
        Object::default().with("reference", format!("Encounter/{}", self.id))
    }
}

/// What an ADT event does to the visit it names.
enum Event {
    /// The visit has this status now.
    Is(&'static str),
    /// The visit is over.
    Ends,
    /// The discharge did not happen.
    Reopens,
    /// The visit is only mentioned.
    Says,
}

/// Event\[EncounterStatus\], completed by the event's own definition. Two rows differ from the published map on purpose:
/// A04 says that the patient has arrived (HL7 v2, chapter 3: "has arrived or checked in"), so its visit is not merely
/// planned, and A08 only updates, so it leaves the status alone.
fn event(trigger: &str) -> Event {
    match trigger {
        "A01" | "A02" | "A04" | "A06" | "A07" | "A09" | "A10" | "A12" | "A22" | "A32" | "A33" => {
            Event::Is("in-progress")
        }
        // What is pending for a stay that goes on (A15, A16 and their taking back) leaves the stay as it is.
        "A05" | "A14" => Event::Is("planned"),
        "A03" => Event::Ends,
        "A13" => Event::Reopens,
        "A21" => Event::Is("onleave"),
        "A52" => Event::Is("in-progress"),
        "A53" => Event::Is("onleave"),
        "A11" | "A27" | "A38" => Event::Is("cancelled"),
        "A23" => Event::Is("entered-in-error"),
        _ => Event::Says,
    }
}

/// The id of the visit: its number, else when it began, else the account. `None` if PV1 has none of these.
fn identify(ctx: &Context<'_>, subject: &Subject, pv1: &Seg<'_>, pid: &Seg<'_>, began: Option<&str>) -> Option<String> {
    let default = default_system(ctx);
    let number = |seg: &Seg<'_>, field| {
        types::cx_number(seg.rep(field)).map(|(system, value)| number_key(&(system.or_else(|| default.clone()), value)))
    };
    let key = number(pv1, 19)
        .or_else(|| number(pv1, 50))
        .or_else(|| began.map(|at| format!("began {at}")))
        .or_else(|| number(pid, 18).map(|account| format!("account {account}")))?;
    Some(id_of("Encounter", &[&subject.id, &key]))
}

/// PV1 and PV2 become the Encounter. Persons' events (A28, A31 and the like) and other messages only mention a visit.
pub(super) fn visit(
    ctx: &mut Context<'_>,
    subject: &Subject,
    pid: &Seg<'_>,
    pv1: &Seg<'_>,
    pv2: Option<&Seg<'_>>,
    evn: Option<&Seg<'_>>,
) -> Option<Visit> {
    let event = if ctx.is_adt() { event(&ctx.trigger) } else { Event::Says };
    let class = pv1.text(2);
    // The event's own time stands in for an admission or discharge time that was left out.
    let happened = evn.map(|evn| (evn, if evn.filled(6) { 6 } else { 2 }));
    let start = if matches!(event, Event::Is("planned")) { ctx.when(pv1, 44) } else { ctx.happened(pv1, 44) };
    let end = ctx.happened(pv1, 45);
    let fallback = match (&event, happened) {
        (Event::Is("in-progress"), Some((evn, field))) if matches!(ctx.trigger.as_str(), "A01" | "A04") => {
            ctx.when(evn, field).map(|at| (at, evn, field))
        }
        _ => None,
    };
    let began = start.clone().or_else(|| fallback.as_ref().map(|(at, _, _)| at.clone()));
    let id = identify(ctx, subject, pv1, pid, began.as_deref())?;
    let mut draft = Draft::new("Encounter", id.clone());

    let stored = ctx.known("Encounter", &id);
    if stored.is_none() && matches!(event, Event::Says) && class.as_deref() == Some("N") {
        return None; // "not applicable": a person's event, no visit
    }
    let class_code = class.as_deref().unwrap_or("U");
    let (status, from) = match (&event, &end) {
        (Event::Is("in-progress"), Some(_)) | (Event::Ends, _) | (Event::Says, Some(_)) => (Some("finished"), 45),
        (Event::Is(status), _) => (Some(*status), 2),
        (Event::Reopens, _) => (Some("in-progress"), 2),
        (Event::Says, None) if stored.is_none() => (
            Some(match class_code {
                "P" => "planned",
                "U" => "unknown",
                _ => "in-progress",
            }),
            2,
        ),
        (Event::Says, None) => (None, 2),
    };
    draft.maybe("status", status, pv1, from);
    if let Some(class) = class.as_deref() {
        let coding = match terms::encounter_class(class) {
            Some((code, display, true)) => (terms::hl7("v3-ActCode"), code.to_owned(), Some(display)),
            Some((code, display, false)) => (terms::hl7("v2-0004"), code.to_owned(), Some(display)),
            None => (terms::hl7("v2-0004"), class.to_owned(), None),
        };
        let mut out = Object::default().with("system", coding.0).with("code", coding.1);
        out.maybe("display", pv1.rep(2).part(2).or_else(|| coding.2.map(str::to_owned)));
        draft.put("class", out, pv1, 2);
    } else if stored.is_none() {
        // FHIR demands a class.
        let unknown = Object::default().with("system", terms::hl7("v3-NullFlavor")).with("code", "UNK");
        draft.put("class", unknown.with("display", "unknown"), pv1, 2);
    }
    let default = default_system(ctx);
    let mut identifiers = Vec::new();
    for (field, kind) in [(19, Some("VN")), (50, None)] {
        for rep in pv1.reps(field) {
            let Some((system, value)) = types::cx_number(rep) else { continue };
            let own = rep.part(5);
            let number = (system.or_else(|| default.clone()), value);
            draft.came(&format!("identifier[{}]", identifiers.len()), pv1, field);
            identifiers.push(Json::Object(types::identifier(&number, kind.or(own.as_deref()))));
        }
    }
    draft.body.list("identifier", identifiers);
    draft.put("subject", subject.reference(), pid, 3);

    let mut period = Object::default();
    match (start, fallback) {
        (Some(start), _) => {
            period.put("start", start);
            draft.came("period.start", pv1, 44);
        }
        (None, Some((at, evn, field))) if stored.as_ref().is_none_or(|stored| stored.get("period").is_none()) => {
            period.put("start", at);
            draft.came("period.start", evn, field);
        }
        _ => {}
    }
    // Of a visit that has not begun, the expected admission is all there is to say.
    if let Some(pv2) = pv2
        && status == Some("planned")
        && period.is_empty()
        && let Some(expected) = ctx.when(pv2, 8)
    {
        period.put("start", expected);
        draft.came("period.start", pv2, 8);
    }
    match (end, &event, happened) {
        (_, Event::Reopens, _) => {}
        (Some(end), _, _) => {
            period.put("end", end);
            draft.came("period.end", pv1, 45);
        }
        (None, Event::Ends, Some((evn, field))) => {
            if let Some(at) = ctx.when(evn, field) {
                period.put("end", at);
                draft.came("period.end", evn, field);
            }
        }
        _ => {}
    }
    if !period.is_empty() {
        draft.body.put("period", period);
    }
    if matches!(event, Event::Reopens)
        && let Some(stored) = &stored
    {
        reopen(&mut draft, stored);
    }
    let here = match status {
        Some("planned") => "planned",
        Some("finished") => "completed",
        _ => "active",
    };
    places(&mut draft, pv1, stored.as_ref(), here, &ctx.trigger, ctx.is_adt());
    people(&mut draft, pv1);
    draft.maybe("type", types::table(pv1.rep(4), "v2-0007").map(|kind| vec![Json::Object(kind)]), pv1, 4);
    draft.maybe("serviceType", types::table(pv1.rep(10), "v2-0069"), pv1, 10);
    let stay = hospitalization(&mut draft, pv1, default.as_deref());
    if !stay.is_empty() {
        draft.body.put("hospitalization", stay);
    }
    if let Some(pv2) = pv2 {
        let mut reasons: Vec<Json> = types::concept(pv2.rep(3)).map(Json::Object).into_iter().collect();
        if let Some(words) = pv2.whole(12).filter(|_| reasons.is_empty()) {
            draft.came("reasonCode[0].text", pv2, 12);
            reasons.push(Object::default().with("text", words).into());
        }
        if let Some(reason) = types::concept(pv2.rep(4)) {
            draft.came(&format!("reasonCode[{}]", reasons.len()), pv2, 4);
            reasons.push(reason.into());
        }
        draft.list("reasonCode", reasons, pv2, 3);
        let mut extensions: Vec<Json> = Vec::new();
        if let Some(arrival) = types::table(pv2.rep(38), "v2-0430") {
            let coding =
                arrival.get("coding").cloned().map(Json::into_items).and_then(|codings| codings.into_iter().next());
            let url = "http://hl7.org/fhir/StructureDefinition/encounter-modeOfArrival";
            draft.came("extension[0]", pv2, 38);
            extensions
                .extend(coding.map(|coding| Object::default().with("url", url).with("valueCoding", coding).into()));
        }
        draft.body.list("extension", extensions);
        if let Some(days) = pv2.text(11).and_then(|text| Json::number(&text)) {
            let length = Object::default().with("value", days).with("unit", "d");
            draft.put("length", length.with("system", "http://unitsofmeasure.org").with("code", "d"), pv2, 11);
        }
        draft.maybe("priority", types::table(pv2.rep(25), "v2-0217"), pv2, 25);
    }
    let meet = ctx.demographics();
    ctx.emit(draft, meet);
    Some(Visit { id })
}

/// A13: the end and how it ended go, the start stays.
fn reopen(draft: &mut Draft, stored: &Object) {
    draft.forget("period");
    draft.forget("hospitalization");
    let mut stored = stored.clone();
    if let Some(mut period) = stored.take("period").and_then(Json::into_object) {
        period.take("end");
        if draft.body.get("period").is_none() && !period.is_empty() {
            draft.body.put("period", period);
        }
    }
    if let Some(mut stay) = stored.take("hospitalization").and_then(Json::into_object) {
        stay.take("dischargeDisposition");
        stay.take("destination");
        if !stay.is_empty() {
            draft.body.put("hospitalization", stay);
        }
    }
}

/// Where the patient is, was and will be. A place that the stored visit knows and this message no longer names is one
/// the patient has left.
fn places(draft: &mut Draft, pv1: &Seg<'_>, stored: Option<&Object>, here: &str, trigger: &str, amends: bool) {
    let mut names: Vec<String> = Vec::new();
    let mut out: Vec<Json> = Vec::new();
    for (field, status) in
        [(3, here), (11, here), (42, if trigger == "A15" { "planned" } else { "reserved" }), (6, "completed")]
    {
        let Some(name) = types::place(pv1.rep(field)).filter(|name| !names.contains(name)) else { continue };
        let location = Object::default().with("display", name.as_str());
        draft.came(&format!("location[{}]", out.len()), pv1, field);
        out.push(Object::default().with("location", location).with("status", status).into());
        names.push(name);
    }
    // Who has left is nowhere any more, also where the discharge does not repeat the place.
    if out.is_empty() && here != "completed" {
        return;
    }
    if amends && let Some(before) = stored.and_then(|stored| stored.get("location")).cloned() {
        for item in before.into_items() {
            let Some(mut item) = item.into_object() else { continue };
            let name =
                item.get("location").cloned().and_then(Json::into_object).and_then(|place| place.text("display"));
            if name.is_none_or(|name| names.contains(&name)) {
                continue;
            }
            // A transfer, planned or done, that is taken back never happened: its place is none the patient has left.
            let status = item.text("status");
            let taken_back = match trigger {
                "A12" => status.as_deref() == Some("active"),
                "A26" => matches!(status.as_deref(), Some("planned" | "reserved")),
                _ => false,
            };
            if taken_back {
                continue;
            }
            // What is still to come stays so until the patient is there or the visit is over.
            let pending = matches!(status.as_deref(), Some("planned" | "reserved")) && here != "completed";
            if !pending {
                item.put("status", "completed");
            }
            out.push(item.into());
        }
    }
    draft.body.list("location", out);
}

fn people(draft: &mut Draft, pv1: &Seg<'_>) {
    let mut out: Vec<Json> = Vec::new();
    for (field, code, display) in [
        (7, "ATND", "attender"),
        (8, "REF", "referrer"),
        (9, "CON", "consultant"),
        (17, "ADM", "admitter"),
        (52, "PART", "Participation"),
    ] {
        for person in types::people(pv1, field) {
            let kind = types::coded(&terms::hl7("v3-ParticipationType"), code, Some(display));
            draft.came(&format!("participant[{}]", out.len()), pv1, field);
            out.push(Object::default().with("type", vec![Json::Object(kind)]).with("individual", person).into());
        }
    }
    draft.body.list("participant", out);
}

fn hospitalization(draft: &mut Draft, pv1: &Seg<'_>, default: Option<&str>) -> Object {
    let mut out = Object::default();
    let mut put = |key: &'static str, value: Option<Json>, field| {
        if let Some(value) = value {
            out.put(key, value);
            draft.came(&format!("hospitalization.{key}"), pv1, field);
        }
    };
    put("preAdmissionIdentifier", types::cx(pv1.rep(5), default).map(Json::Object), 5);
    put("reAdmission", types::table(pv1.rep(13), "v2-0092").map(Json::Object), 13);
    put("admitSource", types::table(pv1.rep(14), "v2-0023").map(Json::Object), 14);
    let arranged: Vec<Json> = pv1.reps(15).filter_map(|rep| types::table(rep, "v2-0009")).map(Json::Object).collect();
    put("specialArrangement", (!arranged.is_empty()).then_some(Json::List(arranged)), 15);
    let courtesy = types::table(pv1.rep(16), "v2-0099").map(|code| Json::List(vec![code.into()]));
    put("specialCourtesy", courtesy, 16);
    put("dischargeDisposition", types::table(pv1.rep(36), "v2-0112").map(Json::Object), 36);
    let destination = pv1.rep(37).part(1).map(|name| Object::default().with("display", name));
    put("destination", destination.map(Json::Object), 37);
    let diet = types::table(pv1.rep(38), "v2-0114").map(|code| Json::List(vec![code.into()]));
    put("dietPreference", diet, 38);
    out
}

/// ROL, and PRT of a patient or a visit: who takes part in the visit, and as what, beside the people of PV1. Without a visit:
/// who cares for the patient.
pub(super) fn role(ctx: &mut Context<'_>, subject: &Subject, visit: Option<&Visit>, rol: &Seg<'_>) {
    let prt = rol.name == "PRT";
    let named = if prt { 5 } else { 4 };
    let Some(person) = types::person(rol.rep(named)) else {
        // A PRT may be about a place, a device or an organisation; it is kept word for word.
        if !prt {
            ctx.reject(rol, Some(4), "names nobody; the role is left out");
        }
        return;
    };
    let (kind, period) = match prt {
        true => (types::table(rol.rep(4), "v2-0912"), types::period(rol.text(11), rol.text(12))),
        false => (types::table(rol.rep(3), "v2-0443"), types::period(rol.text(5), rol.text(6))),
    };
    // DE takes the role away; nothing that is stored is lost with it, because every version is kept.
    let ends = matches!(rol.text(2).as_deref(), Some("DE" | "DL" | "D"));
    let same = |item: &Json| {
        let Some(item) = item.clone().into_object() else { return false };
        let name =
            ["individual", "member"].into_iter().find_map(|key| item.get(key).cloned()?.into_object()?.text("display"));
        name == person.text("display")
    };
    let (resource, id, key) = match visit {
        Some(visit) => ("Encounter", visit.id.clone(), "individual"),
        None => ("CareTeam", id_of("CareTeam", &[&subject.id]), "member"),
    };
    let known = ctx.known(resource, &id);
    let mut list =
        known.as_ref().and_then(|known| known.get("participant")).cloned().map(Json::into_items).unwrap_or_default();
    let mut item = Object::default();
    match (kind, visit) {
        (Some(kind), Some(_)) => item.put("type", vec![Json::Object(kind)]),
        (Some(kind), None) => item.put("role", vec![Json::Object(kind)]),
        (None, _) => {}
    }
    item.put(key, person.clone());
    item.maybe("period", period);
    if ends {
        list.retain(|item| !same(item));
    } else if visit.is_none() || !list.iter().any(|known| *known == Json::Object(item.clone())) {
        list.retain(|known| visit.is_some() || !same(known));
        list.push(item.into());
    }
    let mut draft = Draft::new(resource, id);
    if visit.is_none() {
        draft.body.put("status", "active");
        draft.body.put("subject", subject.reference());
    }
    if list.is_empty() {
        draft.forget("participant");
        draft.came("participant", rol, named);
    }
    draft.list("participant", list, rol, named);
    ctx.emit(draft, Meet::Amend);
}

/// The visit lists its diagnoses.
pub(super) fn diagnosed(ctx: &mut Context<'_>, visit: Option<&Visit>, diagnoses: Vec<Json>) {
    let Some(visit) = visit.filter(|visit| !diagnoses.is_empty() && ctx.known("Encounter", &visit.id).is_some()) else {
        return;
    };
    let mut draft = Draft::new("Encounter", visit.id.clone());
    draft.body.put("diagnosis", diagnoses);
    ctx.emit(draft, Meet::Amend);
}
