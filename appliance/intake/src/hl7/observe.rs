//! OBX to Observation: every value type, status, range and flag; embedded documents to attachments.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::context::{Context, Draft, Meet, id_of, number_key};
use super::json::{Json, Object};
use super::message::{Rep, Seg, unhex};
use super::patient::Subject;
use super::types::Unit;
use super::visit::Visit;
use super::{terms, time, types};

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
}

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
            ("OBX", _) => out.push(Result { lines: vec![seg], notes: Vec::new() }),
            ("NTE", Some(last)) => last.notes.push(seg),
            _ => {}
        }
    }
    out
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

/// Where a value goes.
enum Value {
    Element(&'static str, Json),
    Nothing,
}

/// One result becomes an Observation; its reference, or nothing if it was put aside. `same` counts earlier results of
/// this order with the same code.
pub(super) fn observation(
    ctx: &mut Context<'_>,
    around: &Around<'_>,
    result: &Result<'_>,
    same: usize,
) -> Option<String> {
    let obx = *result.lines.first()?;
    let Some(code) = types::concept(obx.rep(3)) else {
        ctx.reject(obx, Some(3), "does not say what was observed");
        return None;
    };
    let status_code = obx.text(11);
    let status = status_code.as_deref().map_or("unknown", terms::observation_status);
    let taken = ctx.when(obx, 14).map(|at| (at, obx, 14)).or_else(|| around.taken.clone());
    let mut draft = Draft::new("Observation", identify(ctx, around, obx, taken.as_ref().map(|t| t.0.as_str()), same));

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
    draft.put("code", code.clone(), obx, 3);
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

    fill_value(ctx, &mut draft, result, &kind, unit.as_ref(), &code);
    match status_code.as_deref() {
        Some("N") => absent(&mut draft, obx, "not-asked"),
        Some("X") => absent(&mut draft, obx, "not-performed"),
        _ => {}
    }
    let flags: Vec<Json> = obx.reps(8).filter_map(interpretation).map(Json::Object).collect();
    draft.list("interpretation", flags, obx, 8);
    let notes = annotations(ctx, &mut draft, &result.notes);
    draft.body.list("note", notes);
    draft.maybe("bodySite", types::concept(obx.rep(20)), obx, 20);
    draft.maybe("method", types::concept(obx.rep(17)), obx, 17);
    if let Some(specimen) = around.specimen.clone() {
        draft.body.put("specimen", specimen);
    }
    if let Some(range) = obx.whole(7) {
        draft.put("referenceRange", vec![Json::Object(reference_range(&range, unit.as_ref()))], obx, 7);
    }
    let reference = draft.reference();
    // A deletion names the result it takes back and often leaves the value out: what is stored stays, marked.
    let taken_back = status == "entered-in-error";
    ctx.emit(draft, if taken_back { Meet::Amend } else { Meet::Replace });
    Some(reference)
}

fn absent(draft: &mut Draft, obx: &Seg<'_>, code: &str) {
    if !draft.body.keys().any(|key| key.starts_with("value") || key == "component") {
        let system = "http://terminology.hl7.org/CodeSystem/data-absent-reason";
        draft.put("dataAbsentReason", types::coded(system, code, None), obx, 11);
    }
}

/// The same result in another message gets the same id: by its own number (OBX-21), else the order's number with code and
/// sub-id, else patient, code and time.
fn identify(ctx: &mut Context<'_>, around: &Around<'_>, obx: &Seg<'_>, taken: Option<&str>, same: usize) -> String {
    let patient = around.subject.id.as_str();
    if let Some(number) = types::ei_number(obx.rep(21)) {
        // Senders who number the instrument instead of the result repeat the number: each is kept for itself.
        let number = number_key(&number);
        return match ctx.repeat(format!("{patient} {number}")) {
            0 => id_of("Observation", &[patient, "number", &number]),
            nth => id_of("Observation", &[patient, "number", &number, &nth.to_string()]),
        };
    }
    let code = obx.rep(3).part(1).or_else(|| obx.rep(3).part(2)).unwrap_or_default();
    let sub = obx.rep(4).whole().unwrap_or_default();
    let same = if same > 0 { same.to_string() } else { String::new() };
    match (around.order, taken) {
        (Some(order), _) => id_of("Observation", &[patient, order, &code, &sub, &same]),
        (None, Some(at)) => id_of("Observation", &[patient, "at", at, &code, &sub, &same]),
        (None, None) => id_of("Observation", &[patient, "message", &ctx.control_id, &code, &sub, &same]),
    }
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

fn fill_value(
    ctx: &mut Context<'_>,
    draft: &mut Draft,
    result: &Result<'_>,
    kind: &str,
    unit: Option<&Unit>,
    code: &Object,
) {
    let Some(obx) = result.lines.first().copied() else { return };
    if is_text(kind) {
        if let Some(text) = text_of(result) {
            draft.body.put("valueString", text);
            for line in &result.lines {
                draft.came("valueString", line, 5);
            }
        }
        return;
    }
    if kind == "ST" {
        if let Some(text) = obx.whole(5) {
            // Many systems send every result as a string; a number with a unit is a measurement all the same.
            let value = match types::measured(&text).filter(|_| unit.is_some()) {
                Some((comparator, number)) => ("valueQuantity", types::quantity(number, comparator, unit).into()),
                None => ("valueString", Json::Text(text)),
            };
            draft.put(value.0, value.1, obx, 5);
        }
        return;
    }
    let reps: Vec<Rep<'_>> = obx.reps(5).filter(|rep| !rep.erased()).collect();
    if let [rep] = reps.as_slice() {
        if let Value::Element(key, json) = value(ctx, obx, *rep, kind, unit) {
            draft.put(key, json, obx, 5);
            if unit.is_some() && key == "valueQuantity" {
                draft.came("valueQuantity.unit", obx, 6);
            }
        }
        return;
    }
    // Several values of one observation: FHIR holds one, so each is a component of the same code.
    let mut components: Vec<Json> = Vec::new();
    for rep in reps {
        if let Value::Element(key, json) = value(ctx, obx, rep, kind, unit) {
            draft.came(&format!("component[{}].{key}", components.len()), obx, 5);
            components.push(Object::default().with("code", code.clone()).with(key, json).into());
        }
    }
    draft.body.list("component", components);
}

/// One value by its type. What does not fit its announced type is kept as the words that stand there.
fn value(ctx: &mut Context<'_>, obx: &Seg<'_>, rep: Rep<'_>, kind: &str, unit: Option<&Unit>) -> Value {
    let words = |text: Option<String>| text.map_or(Value::Nothing, |text| Value::Element("valueString", text.into()));
    let zone = &ctx.settings.zone;
    let timed = |out: std::result::Result<Value, time::NotATime>, ctx: &mut Context<'_>| {
        out.unwrap_or_else(|time::NotATime| {
            ctx.reject(obx, Some(5), "is no timestamp as OBX-2 announces; it is kept as text");
            words(rep.whole())
        })
    };
    let element = |key: &'static str, text: String| Value::Element(key, text.into());
    match kind {
        "NM" => match rep.whole().as_deref().and_then(types::measured) {
            Some((comparator, number)) => {
                Value::Element("valueQuantity", types::quantity(number, comparator, unit).into())
            }
            None => words(rep.whole()),
        },
        "SN" => structured(rep, unit).map_or_else(|| words(rep.whole()), |(key, json)| Value::Element(key, json)),
        "NR" => range(rep.part(1), rep.part(2), unit)
            .map_or_else(|| words(rep.whole()), |(key, json)| Value::Element(key, json)),
        "CE" | "CWE" | "CNE" | "CF" | "IS" | "ID" => {
            types::concept(rep).map_or(Value::Nothing, |concept| Value::Element("valueCodeableConcept", concept.into()))
        }
        // A day that came with a time of day keeps it.
        "DT" | "TS" | "DTM" => {
            let out = rep
                .part(1)
                .map_or(Ok(Value::Nothing), |text| time::date_time(&text, zone).map(|at| element("valueDateTime", at)));
            timed(out, ctx)
        }
        "TM" => {
            let out =
                rep.part(1).map_or(Ok(Value::Nothing), |text| time::time(&text).map(|at| element("valueTime", at)));
            timed(out, ctx)
        }
        "DR" => {
            let out = types::time_period(rep.part(1), rep.part(2), zone)
                .map(|period| period.map_or(Value::Nothing, |period| Value::Element("valuePeriod", period.into())));
            timed(out, ctx)
        }
        "XAD" | "AD" | "SAD" => words(types::address_text(rep)),
        "XPN" | "PPN" => words(types::human_name(rep).and_then(|name| types::shown_name(&name))),
        "XCN" | "CNN" => words(types::person(rep).and_then(|who| who.text("display"))),
        "XTN" | "TN" => words(types::contact_point(rep, None).and_then(|point| point.text("value"))),
        "CX" | "EI" | "CK" | "XON" | "HD" => words(rep.part(1)),
        _ => words(rep.whole()),
    }
}

/// `SN`: `>^100`, `^1^:^128`, `^3^-^5`, `^2^+`. `None` where its parts make no such value.
fn structured(rep: Rep<'_>, unit: Option<&Unit>) -> Option<(&'static str, Json)> {
    let comparator = match rep.part(1).as_deref() {
        None | Some("=") => None,
        Some(known @ ("<" | "<=" | ">" | ">=")) => Some(known.to_owned()),
        Some(_) => return None,
    };
    let first = rep.part(2)?;
    let Some(separator) = rep.part(3) else {
        let number = Json::number(&first)?;
        return Some(("valueQuantity", types::quantity(number, comparator.as_deref(), unit).into()));
    };
    match (separator.as_str(), rep.part(4)) {
        ("-", second) => range(Some(first), second, unit),
        (":" | "/", Some(second)) => {
            let side =
                |text: &str, comparator: Option<&str>| Some(types::quantity(Json::number(text)?, comparator, None));
            let ratio = Object::default()
                .with("numerator", side(&first, comparator.as_deref())?)
                .with("denominator", side(&second, None)?);
            Some(("valueRatio", ratio.into()))
        }
        ("+", None) => Some(("valueString", Json::Text(format!("{first}+")))),
        _ => None,
    }
}

fn range(low: Option<String>, high: Option<String>, unit: Option<&Unit>) -> Option<(&'static str, Json)> {
    let side = |text: Option<String>| match text {
        Some(text) => Json::number(&text).map(|number| Some(types::quantity(number, None, unit))),
        None => Some(None),
    };
    let mut out = Object::default();
    out.maybe("low", side(low)?);
    out.maybe("high", side(high)?);
    (!out.is_empty()).then_some(("valueRange", out.into()))
}

/// OBX-8, from table 0078 to v3-ObservationInterpretation.
fn interpretation(rep: Rep<'_>) -> Option<Object> {
    let code = rep.part(1)?;
    match terms::interpretation(&code) {
        Some(display) => Some(types::coded(&terms::hl7("v3-ObservationInterpretation"), &code, Some(display))),
        None => types::concept(rep),
    }
}

/// OBX-7 as it is written, and its bounds where it reads like bounds.
fn reference_range(text: &str, unit: Option<&Unit>) -> Object {
    let mut out = Object::default();
    let (low, high) = bounds(text).unwrap_or_default();
    out.maybe("low", low.map(|number| types::quantity(number, None, unit)));
    out.maybe("high", high.map(|number| types::quantity(number, None, unit)));
    out.with("text", text)
}

/// `3.5-5.1`, `3.5~5.1`, `4.3 to 6.2`, `-2 - 2`, `<5`, `>=60`.
fn bounds(text: &str) -> Option<(Option<Json>, Option<Json>)> {
    let text = text.trim();
    if let Some((Some(comparator), number)) = types::measured(text) {
        return Some(if comparator.starts_with('<') { (None, Some(number)) } else { (Some(number), None) });
    }
    let signed = usize::from(text.starts_with(['-', '+']));
    let digits = text.get(signed..)?.find(|c: char| !c.is_ascii_digit() && c != '.')? + signed;
    let (low, rest) = text.split_at_checked(digits)?;
    let rest = rest.trim_start();
    let high = ["-", "~", "–", "∼", "〜", "～", "to"].into_iter().find_map(|mark| rest.strip_prefix(mark))?;
    Some((Some(Json::number(low)?), Some(Json::number(high)?)))
}

/// ED and RP: the document as a FHIR attachment. What cannot be decoded is reported.
pub(super) fn attachment(ctx: &mut Context<'_>, obx: &Seg<'_>) -> Option<Object> {
    let rep = obx.rep(5);
    let mut out = Object::default();
    if value_type(obx) == "RP" {
        let pointer = rep.part(1)?;
        out.maybe("contentType", terms::mime(&rep.part(3).unwrap_or_default(), &rep.part(4).unwrap_or_default()));
        out.put("url", pointer);
    } else {
        let mime = terms::mime(&rep.part(2).unwrap_or_default(), &rep.part(3).unwrap_or_default());
        let data = rep.part(5).or_else(|| {
            // Senders who leave the type out put the data where it does not belong; `^^^Base64^` alone holds nothing.
            (rep.parts() < 5).then(|| rep.part(rep.parts())).flatten().filter(|text| text.len() > 64)
        })?;
        let encoding = rep.part(4).unwrap_or_default().to_ascii_uppercase();
        let packed: Option<(String, bool)> = match encoding.as_str() {
            "BASE64" | "" if rep.part(5).is_none() || encoding == "BASE64" => {
                let packed: String = data.split_ascii_whitespace().collect();
                STANDARD.decode(&packed).is_ok().then_some((packed, false))
            }
            "HEX" => unhex(&data).map(|bytes| (STANDARD.encode(bytes), false)),
            _ => Some((STANDARD.encode(&data), true)),
        };
        let Some((packed, text)) = packed else {
            ctx.reject(obx, Some(5), "the embedded document is not encoded as OBX-5.4 says; it is left out");
            return None;
        };
        let mime = mime.unwrap_or_else(|| if text { "text/plain" } else { "application/octet-stream" }.to_owned());
        // Text that came in the message's characters is UTF-8 now.
        let charset = if text && mime.starts_with("text/") { "; charset=utf-8" } else { "" };
        out.put("contentType", format!("{mime}{charset}"));
        out.put("data", packed);
    }
    out.maybe("title", obx.rep(3).part(2));
    Some(out)
}

/// Text as an attachment.
pub(super) fn text_attachment(text: &str) -> Object {
    Object::default().with("contentType", "text/plain; charset=utf-8").with("data", STANDARD.encode(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_reads_like_bounds_or_stays_text() {
        let number = |text: &str| Some(Json::Raw(text.into()));
        for (text, expected) in [
            ("3.5-5.10", Some((number("3.5"), number("5.10")))),
            ("3.5 ~ 5.1", Some((number("3.5"), number("5.1")))),
            ("4.3 to 6.2", Some((number("4.3"), number("6.2")))),
            ("-2.0 - 2.0", Some((number("-2.0"), number("2.0")))),
            ("-3--1", Some((number("-3"), number("-1")))),
            ("<5", Some((None, number("5")))),
            (">=60", Some((number("60"), None))),
            ("Negative", None),
            ("M: 13-17 / F: 12-16", None),
            ("13", None),
            ("", None),
            ("5-", None),
        ] {
            assert_eq!(bounds(text), expected, "{text}");
        }
    }
}
