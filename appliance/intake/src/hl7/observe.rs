//! OBX to Observation: what belongs together, what it is called, when, whose, how it stands. Values are in `value`.

use super::context::{Context, Draft, Meet, id_of, number_key};
use super::json::{Json, Object};
use super::message::Seg;
use super::patient::Subject;
use super::visit::Visit;
use super::{terms, types, value};

/// What surrounds an observation.
pub(super) struct Around<'a> {
    /// Whose it is.
    pub(super) subject: &'a Subject,
    /// During which visit.
    pub(super) visit: Option<&'a Visit>,
    /// What makes its code unique: the order's number, or nothing.
    pub(super) order: Option<&'a str>,
    /// OBR-24.
    pub(super) section: Option<&'a str>,
    /// When it was taken, for an OBX that does not say; with the field.
    pub(super) taken: Option<(String, &'a Seg<'a>, usize)>,
    /// When the results went out.
    pub(super) issued: Option<(String, &'a Seg<'a>, usize)>,
    /// The specimen.
    pub(super) specimen: Option<Object>,
    /// Resources that the observation belongs to: (`basedOn` or `partOf`, reference).
    pub(super) belongs: Vec<(&'static str, Object)>,
}

/// An OBX with the lines of text that continue it and the notes that follow it.
pub(super) struct Result<'s> {
    /// The OBX, then those that only carry further lines of its text.
    pub(super) lines: Vec<&'s Seg<'s>>,
    /// NTE.
    pub(super) notes: Vec<&'s Seg<'s>>,
    /// The members of a panel: one Observation with components.
    pub(super) parts: Vec<&'s Seg<'s>>,
}

/// LOINC: systolic, diastolic, and the panel that FHIR's vital signs profile puts them in.
const SYSTOLIC: &str = "8480-6";
const DIASTOLIC: &str = "8462-4";
const BLOOD_PRESSURE: &str = "85354-9";

/// The upper-case value type, text where none is given.
pub(super) fn value_type(obx: &Seg<'_>) -> String {
    obx.text(2).map_or_else(|| "TX".to_owned(), |kind| kind.to_ascii_uppercase())
}

/// Running text, whose lines may come as OBX of their own.
pub(super) fn is_text(kind: &str) -> bool {
    matches!(kind, "TX" | "FT")
}

/// A document or a pointer to one.
pub(super) fn is_document(kind: &str) -> bool {
    matches!(kind, "ED" | "RP")
}

/// Groups the OBX and NTE of one order. Text lines with the same code, one after another, are one result.
pub(super) fn results<'s>(segs: &[&'s Seg<'s>]) -> Vec<Result<'s>> {
    let mut out: Vec<Result<'s>> = Vec::new();
    for seg in segs {
        match (seg.name, out.last_mut()) {
            ("OBX", Some(last)) if continues(last, seg) => last.lines.push(seg),
            ("OBX", _) => out.push(Result { lines: vec![seg], notes: Vec::new(), parts: Vec::new() }),
            ("NTE", Some(last)) => last.notes.push(seg),
            _ => {}
        }
    }
    join_pressures(out)
}

/// Systolic and diastolic pressure that were taken together are one observation in FHIR. They stand side by side; an OBX
/// of the panel's code without a value may stand before them and gives the panel its name.
fn join_pressures(results: Vec<Result<'_>>) -> Vec<Result<'_>> {
    let code = |result: &Result<'_>| result.lines.first().and_then(|obx| obx.rep(3).part(1)).unwrap_or_default();
    let mut out: Vec<Result<'_>> = Vec::with_capacity(results.len());
    for mut result in results {
        let pair = match (out.last().map(code).as_deref(), code(&result).as_str()) {
            (Some(SYSTOLIC), DIASTOLIC) | (Some(DIASTOLIC), SYSTOLIC) => out.pop_if(|before| together(before, &result)),
            _ => None,
        };
        if let Some(before) = pair {
            result.notes = [before.notes, result.notes].concat();
            result.parts = [before.lines.clone(), result.lines].concat();
            result.lines = before.lines;
            let is_header = |header: &mut Result<'_>| {
                code(header) == BLOOD_PRESSURE && header.lines.first().is_some_and(|obx| !obx.filled(5))
            };
            if let Some(header) = out.pop_if(is_header) {
                result.notes = [header.notes, result.notes].concat();
                result.lines = header.lines;
            }
        }
        out.push(result);
    }
    out
}

/// Whether two results were taken at the same time, as parts of the same thing, and stand alike.
fn together(one: &Result<'_>, other: &Result<'_>) -> bool {
    let (Some(one_obx), Some(other_obx)) = (one.lines.first(), other.lines.first()) else { return false };
    let same = |field| one_obx.rep(field).whole() == other_obx.rep(field).whole();
    one.parts.is_empty() && other.parts.is_empty() && same(4) && same(11) && same(14)
}

fn continues(last: &Result<'_>, next: &Seg<'_>) -> bool {
    let Some(first) = last.lines.first() else { return false };
    let same = |field| first.rep(field).whole() == next.rep(field).whole();
    last.notes.is_empty() && is_text(&value_type(first)) && is_text(&value_type(next)) && same(3) && same(11)
        // A sub-id tells rows apart on purpose; consecutive numbers in it only count the lines.
        && (same(4) || counts(last.lines.last().copied().unwrap_or(first), next))
}

fn counts(before: &Seg<'_>, next: &Seg<'_>) -> bool {
    let number = |seg: &Seg<'_>| seg.text(4).and_then(|text| text.parse::<u64>().ok());
    matches!((number(before), number(next)), (Some(a), Some(b)) if b == a.saturating_add(1))
}

/// A field of running text: repetitions are lines, but `3~4` between digits is the range that Korean writers mean.
pub(super) fn running_text(seg: &Seg<'_>, field: usize) -> Option<String> {
    let mut out = String::new();
    for (at, part) in seg.every(field).enumerate() {
        let part = part.whole_untrimmed();
        if at > 0 {
            let digits = out.ends_with(|c: char| c.is_ascii_digit()) && part.starts_with(|c: char| c.is_ascii_digit());
            out.push(if digits { '~' } else { '\n' });
        }
        out.push_str(&part);
    }
    let out = out.trim();
    (!out.is_empty() && out != "\"\"").then(|| out.to_owned())
}

/// The text of all lines of a result; empty lines stay.
pub(super) fn text_of(result: &Result<'_>) -> Option<String> {
    let lines: Vec<String> = result.lines.iter().map(|obx| running_text(obx, 5).unwrap_or_default()).collect();
    let text = lines.join("\n");
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The notes as FHIR annotations of the draft, each with the NTE that it came from.
pub(super) fn annotations(ctx: &mut Context<'_>, draft: &mut Draft, notes: &[&Seg<'_>]) -> Vec<Json> {
    let mut out = Vec::new();
    for nte in notes {
        let Some(text) = running_text(nte, 3) else { continue };
        let mut note = Object::default();
        note.maybe("authorString", types::person(nte.rep(5)).and_then(|who| who.text("display")));
        let written = ctx.when(nte, 6);
        note.maybe("time", written);
        draft.came(&format!("note[{}]", out.len()), nte, 3);
        out.push(note.with("text", text).into());
    }
    out
}

/// One result becomes an Observation, or nothing if it was put aside.
pub(super) fn observation(ctx: &mut Context<'_>, around: &Around<'_>, result: &Result<'_>) -> Option<Filed> {
    let named = *result.lines.first()?;
    // A panel without a header has its members' time, status and observer.
    let obx = result.parts.first().copied().unwrap_or(named);
    let unnamed_panel = !result.parts.is_empty() && std::ptr::eq(named, obx);
    let concept = match unnamed_panel {
        true => Some(types::coded(
            "http://loinc.org",
            BLOOD_PRESSURE,
            Some("Blood pressure panel with all children optional"),
        )),
        false => types::concept(named.rep(3)),
    };
    let Some(code) = concept else {
        ctx.reject(obx, Some(3), "does not say what was observed");
        return None;
    };
    let key = if unnamed_panel {
        Some(BLOOD_PRESSURE.to_owned())
    } else {
        named.rep(3).part(1).or_else(|| named.rep(3).part(2))
    };
    let status_code = obx.text(11);
    let status = status_code.as_deref().map_or("unknown", terms::observation_status);
    let taken = ctx.happened(obx, 14).map(|at| (at, obx, 14)).or_else(|| around.taken.clone());
    let mut draft = Draft::new(
        "Observation",
        identify(ctx, around, named, &key.unwrap_or_default(), taken.as_ref().map(|t| t.0.as_str())),
    );

    draft.list(
        "identifier",
        types::ei_number(obx.rep(21)).iter().map(|n| types::identifier(n, Some("FILL")).into()).collect(),
        obx,
        21,
    );
    for (element, reference) in &around.belongs {
        draft.body.put(*element, vec![Json::Object(reference.clone())]);
    }
    draft.put("status", status, obx, 11);
    let unit = types::unit(obx.rep(6));
    let kind = value_type(obx);
    let category = category(ctx, around, obx, &kind, unit.is_some());
    if let Some((code, display)) = category {
        let category = types::coded("http://terminology.hl7.org/CodeSystem/observation-category", code, Some(display));
        draft.body.put("category", vec![Json::Object(category)]);
    }
    draft.put("code", code.clone(), named, 3);
    draft.body.put("subject", around.subject.reference());
    draft.body.maybe("encounter", around.visit.map(Visit::reference));
    if let Some((at, seg, field)) = taken {
        draft.put("effectiveDateTime", at, seg, field);
    }
    if let Some((at, seg, field)) = around.issued.clone() {
        draft.put("issued", at, seg, field);
    }
    let mut performers = types::people(obx, 16);
    if !performers.is_empty() {
        draft.came("performer", obx, 16);
    }
    if let Some(name) = obx.rep(23).part(1).or_else(|| obx.rep(15).part(2)).or_else(|| obx.rep(15).part(1)) {
        draft.came("performer", obx, if obx.filled(23) { 23 } else { 15 });
        performers.extend(types::organisation(Some(name)).map(Json::Object));
    }
    draft.body.list("performer", performers);

    if result.parts.is_empty() {
        value::put(ctx, &mut draft, result, &kind, unit.as_ref(), &code);
        let flags: Vec<Json> = obx.reps(8).filter_map(value::interpretation).map(Json::Object).collect();
        draft.list("interpretation", flags, obx, 8);
        if let Some(range) = obx.whole(7) {
            draft.put("referenceRange", vec![Json::Object(value::reference_range(&range, unit.as_ref()))], obx, 7);
        }
    } else {
        let parts = result.parts.iter().enumerate();
        let components = parts.map(|(at, part)| value::component(ctx, &mut draft, part, at).into()).collect();
        draft.body.list("component", components);
    }
    match status_code.as_deref() {
        Some("N") => value::absent(&mut draft, obx, "not-asked"),
        Some("X") => value::absent(&mut draft, obx, "not-performed"),
        _ => {}
    }
    let stored = ctx.known("Observation", draft.id());
    let mut notes = annotations(ctx, &mut draft, &result.notes);
    notes.extend(superseded(stored.as_ref(), &draft.body));
    draft.body.list("note", notes);
    if let Some(device) = types::ei_number(obx.rep(18)) {
        let name = device.1.clone();
        draft.put(
            "device",
            Object::default().with("identifier", types::identifier(&device, None)).with("display", name),
            obx,
            18,
        );
    }
    draft.maybe("bodySite", types::concept(obx.rep(20)), obx, 20);
    draft.maybe("method", types::concept(obx.rep(17)), obx, 17);
    if let Some(specimen) = around.specimen.clone() {
        draft.body.put("specimen", specimen);
    }
    let reference = draft.reference();
    // A deletion names the result it takes back and often leaves the value out: what is stored stays, marked. So does what
    // only changes its status (U: "without retransmitting"), unless the sender deletes the value in so many words.
    let only_status = !matches!(status_code.as_deref(), Some("X" | "N"))
        && result.parts.is_empty()
        && result.lines.iter().all(|obx| !obx.filled(5))
        && stored.is_some();
    let stays = status == "entered-in-error" || only_status;
    ctx.emit(draft, if stays { Meet::Amend } else { Meet::Replace });
    Some(Filed { reference, vital: category.is_some_and(|(code, _)| code == "vital-signs") })
}

/// How a note begins that names a value which a later message took the place of.
const EARLIER: &str = "earlier value: ";

/// The value that the record had for this result, if this message has another: a reader must see that it was changed, and
/// from what. Notes about still earlier ones stay.
fn superseded(stored: Option<&Object>, new: &Object) -> Vec<Json> {
    let Some(stored) = stored else { return Vec::new() };
    let notes = stored.get("note").cloned().map(Json::into_items).unwrap_or_default();
    let mut out: Vec<Json> = notes
        .into_iter()
        .filter(|note| {
            let text = note.clone().into_object().and_then(|note| note.text("text"));
            text.is_some_and(|text| text.starts_with(EARLIER))
        })
        .collect();
    let said = |object: &Object| value::shown(object);
    if let (Some(before), Some(now)) =
        (said(stored), said(new).or_else(|| new.get("dataAbsentReason").map(|_| String::new())))
        && before != now
    {
        let status = stored.text("status").unwrap_or_default();
        let text = format!("{EARLIER}{before} ({status})");
        let known = |note: &Json| note.clone().into_object().and_then(|note| note.text("text")).as_ref() == Some(&text);
        if !out.iter().any(known) {
            out.push(Object::default().with("text", text).into());
        }
    }
    out
}

/// An Observation that was emitted.
pub(super) struct Filed {
    /// `Observation/…`.
    pub(super) reference: String,
    /// Whether it is a vital sign.
    pub(super) vital: bool,
}

/// The same result in another message gets the same id: by its own number (OBX-21), else the order's number with code and
/// sub-id, else patient, code and time.
fn identify(ctx: &mut Context<'_>, around: &Around<'_>, obx: &Seg<'_>, code: &str, taken: Option<&str>) -> String {
    let patient = around.subject.id.as_str();
    if let Some(number) = types::ei_number(obx.rep(21)) {
        // Senders who number the instrument instead of the result repeat the number: each is kept for itself.
        let number = number_key(&number);
        return match ctx.repeat(format!("{patient} {number}")) {
            0 => id_of("Observation", &[patient, "number", &number]),
            nth => id_of("Observation", &[patient, "number", &number, &nth.to_string()]),
        };
    }
    // The sub-id of a pressure's two halves only ties them together.
    let sub = if code == BLOOD_PRESSURE { String::new() } else { obx.rep(4).whole().unwrap_or_default() };
    let message = ctx.control_id.clone();
    let place: &[&str] = match (around.order, taken) {
        (Some(order), _) => &[order],
        (None, Some(at)) => &["at", at],
        (None, None) => &["message", &message],
    };
    let parts = [&[patient], place, &[code, &sub]].concat();
    // The same test twice in a message: the second is a result of its own.
    let same = match ctx.repeat(parts.join("\u{1f}")) {
        0 => String::new(),
        nth => nth.to_string(),
    };
    id_of("Observation", &[parts.as_slice(), &[&same]].concat())
}

fn category(
    ctx: &Context<'_>,
    around: &Around<'_>,
    obx: &Seg<'_>,
    kind: &str,
    has_unit: bool,
) -> Option<(&'static str, &'static str)> {
    let coded = obx.rep(3);
    let loinc = [(1, 3), (4, 6)].into_iter().find_map(|(code, system)| {
        let system = coded.part(system).map(|name| terms::system(&name));
        coded.part(code).filter(|_| system.as_deref() == Some("http://loinc.org"))
    });
    match loinc.as_deref() {
        Some(code) if terms::is_vital(code) => return Some(("vital-signs", "Vital Signs")),
        Some(code) if terms::is_social(code) => return Some(("social-history", "Social History")),
        _ => {}
    }
    if let Some(known) = around.section.and_then(terms::section) {
        return Some(known);
    }
    let from_laboratory = matches!(ctx.kind.as_str(), "ORU" | "OUL") && around.order.is_some();
    let measured = matches!(kind, "NM" | "SN") || has_unit || obx.filled(7) || obx.filled(8);
    (from_laboratory && (measured || around.specimen.is_some())).then_some(("laboratory", "Laboratory"))
}
