//! What OBX-5 holds: every value type to its FHIR element, flags and ranges, embedded documents to attachments.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::context::{Context, Draft};
use super::json::{Json, Object};
use super::message::{Rep, Seg, unhex};
use super::observe::{Result, is_text, text_of, value_type};
use super::types::Unit;
use super::{terms, time, types};

/// Where a value goes.
enum Value {
    Element(&'static str, Json),
    Nothing,
}

/// Says why there is no value, if there is none.
pub(super) fn absent(draft: &mut Draft, obx: &Seg<'_>, code: &str) {
    if !draft.body.keys().any(|key| key.starts_with("value") || key == "component") {
        let system = "http://terminology.hl7.org/CodeSystem/data-absent-reason";
        draft.put("dataAbsentReason", types::coded(system, code, None), obx, 11);
    }
}

/// Puts the value of a result: one element, or a component for each where there are several.
pub(super) fn put(
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

/// A member of a panel as a component, with its own flag and range.
pub(super) fn component(ctx: &mut Context<'_>, draft: &mut Draft, obx: &Seg<'_>, at: usize) -> Object {
    let unit = types::unit(obx.rep(6));
    let mut out = Object::default();
    out.maybe("code", types::concept(obx.rep(3)));
    if let Value::Element(key, json) = value(ctx, obx, obx.rep(5), &value_type(obx), unit.as_ref()) {
        out.put(key, json);
        draft.came(&format!("component[{at}].{key}"), obx, 5);
    }
    draft.came(&format!("component[{at}].code"), obx, 3);
    out.list("interpretation", obx.reps(8).filter_map(interpretation).map(Json::Object).collect());
    if let Some(range) = obx.whole(7) {
        out.put("referenceRange", vec![Json::Object(reference_range(&range, unit.as_ref()))]);
    }
    out
}

/// One value by its type. What does not fit its announced type is kept as the words that stand there.
fn value(ctx: &mut Context<'_>, obx: &Seg<'_>, rep: Rep<'_>, kind: &str, unit: Option<&Unit>) -> Value {
    let words = |text: Option<String>| text.map_or(Value::Nothing, |text| Value::Element("valueString", text.into()));
    let zone = &ctx.settings.zone;
    let timed = |out: std::result::Result<Value, time::NotATime>, ctx: &mut Context<'_>| {
        out.unwrap_or_else(|_| {
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

/// The value of a resource in one line, however it is coded; its components one after another. `None` without one.
pub(super) fn shown(object: &Object) -> Option<String> {
    if let Some(items) = object.get("component").cloned().map(Json::into_items) {
        let parts: Vec<String> =
            items.into_iter().filter_map(Json::into_object).filter_map(|part| shown(&part)).collect();
        return (!parts.is_empty()).then(|| parts.join(", "));
    }
    let key = object.keys().find(|key| key.starts_with("value"))?.to_owned();
    let value = object.get(&key)?;
    if let Some(text) = value.text() {
        return Some(text.into_owned());
    }
    let of = |object: &Object| -> Option<String> {
        let number = match object.get("value")? {
            Json::Raw(raw) => raw.clone(),
            other => other.text()?.into_owned(),
        };
        let parts = [object.text("comparator").map(|mark| mark + &number).or(Some(number)), object.text("unit")];
        Some(parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
    };
    let inner = value.clone().into_object()?;
    if let Some(said) = of(&inner).or_else(|| super::order::shown(&inner)) {
        return Some(said);
    }
    let parts: Vec<String> = ["low", "high", "numerator", "denominator", "start", "end"]
        .into_iter()
        .filter_map(|key| {
            let part = inner.get(key)?.clone();
            part.text().map(std::borrow::Cow::into_owned).or_else(|| of(&part.into_object()?))
        })
        .collect();
    (!parts.is_empty()).then(|| parts.join(" - "))
}

/// OBX-8, from table 0078 to v3-ObservationInterpretation.
pub(super) fn interpretation(rep: Rep<'_>) -> Option<Object> {
    let code = rep.part(1)?;
    match terms::interpretation(&code) {
        Some(display) => Some(types::coded(&terms::hl7("v3-ObservationInterpretation"), &code, Some(display))),
        None => types::concept(rep),
    }
}

/// OBX-7 as it is written, and its bounds where it reads like bounds.
pub(super) fn reference_range(text: &str, unit: Option<&Unit>) -> Object {
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
