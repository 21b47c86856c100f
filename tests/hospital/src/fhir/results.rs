//! Orders, reports with their results, documents, habits.

use super::{Bundle, encounter, identifier, reference, subject};
use crate::catalog::lab::{Analyte, row_of};
use crate::codes::{Concept, hl7_concept};
use crate::ids::Authority;
use crate::json::{Json, Object, base64};
use crate::moment;
use crate::record::{Chart, Content, Note, Order, Record, Report, Result, Social, Standing, Status, Value};

pub(super) fn write(record: &Record, out: &mut Bundle) {
    for one in &record.orders {
        order(record, one, out);
    }
    for one in &record.reports {
        report(record, one, out);
    }
    for one in &record.notes {
        note(record, one, out);
    }
    for one in &record.social {
        habit(record, one, out);
    }
}

/// Display of a diagnostic section, table 0074.
fn section_display(section: &str) -> Option<&'static str> {
    Some(match section {
        "CH" => "Chemistry",
        "HM" => "Hematology",
        "MB" => "Microbiology",
        "SR" => "Serology",
        "SP" => "Surgical Pathology",
        "RAD" => "Radiology",
        "RX" => "Radiograph",
        "CT" => "CAT Scan",
        "NMR" => "Nuclear Magnetic Resonance",
        "RUS" => "Radiology Ultrasound",
        "CUS" => "Cardiac Ultrasound",
        "EC" => "Electrocardiac (e.g., EKG, EEC, Holter)",
        "PF" => "Pulmonary Function",
        _ => return None,
    })
}

fn section(code: &'static str) -> Json {
    hl7_concept("v2-0074", code, section_display(code)).into()
}

fn order(record: &Record, one: &Order, out: &mut Bundle) {
    let chart = record.chart(one.visit);
    let own = record.subject(chart);
    let (status, why) = match &one.standing {
        Standing::Waiting => ("active", None),
        Standing::Answered => ("completed", None),
        Standing::OnHold(_) => ("on-hold", None),
        Standing::Cancelled(_, why) => ("revoked", Some(why)),
    };
    let body = Object::resource("ServiceRequest", &one.id(&own))
        .list("identifier", vec![identifier(Authority::Order, &one.number, Some("PLAC"))])
        .with("status", status)
        .with("intent", "order")
        .list("category", vec![section(one.section)])
        .with("priority", if one.urgent { "urgent" } else { "routine" })
        .with("code", one.what.fhir())
        .with("subject", subject(record, chart))
        .maybe("encounter", encounter(record, one.visit))
        .maybe("occurrenceDateTime", one.planned.map(moment::fhir))
        .with("authoredOn", moment::fhir(one.at))
        .with("requester", out.doctor(&one.by))
        .list("reasonCode", one.reason.iter().map(|reason| reason.fhir().into()).collect())
        .list("note", why.iter().map(|why| Object::default().with("text", (*why).clone()).into()).collect());
    out.add("ServiceRequest", &one.id(&own), body);
}

fn report(record: &Record, one: &Report, out: &mut Bundle) {
    let chart = record.chart(one.visit);
    let own = record.subject(chart);
    for result in one.results() {
        let body = observation(record, one, result);
        out.add("Observation", &one.result_id(&own, result.what.key()), body);
    }
    if matches!(one.content, Content::Vitals(_)) {
        return;
    }
    let id = one.id(&own);
    let order = one.order.and_then(|at| record.orders.get(at));
    let mut identifiers = Vec::new();
    identifiers.extend(order.map(|order| identifier(Authority::Order, &order.number, Some("PLAC"))));
    identifiers.push(identifier(Authority::Result, &one.number, Some("FILL")));
    // A report that is taken back as a whole is "cancelled" in the messages' table 0123.
    let status = if one.status == Status::Wrong { "cancelled" } else { one.status.fhir() };
    let interpreter = out.doctor(&one.by);
    let results = one
        .results()
        .iter()
        .map(|result| Json::Object(reference("Observation", &one.result_id(&own, result.what.key()))));
    let mut body = Object::resource("DiagnosticReport", &id)
        .list("identifier", identifiers)
        .list("basedOn", based_on(order, &own))
        .with("status", status)
        .list("category", vec![section(one.section)])
        .with("code", one.what.fhir())
        .with("subject", subject(record, chart))
        .maybe("encounter", encounter(record, one.visit))
        .with("effectiveDateTime", moment::fhir(one.taken))
        .with("issued", moment::fhir(one.issued))
        .list("resultsInterpreter", vec![interpreter.into()])
        .list("result", results.collect());
    if let Content::Prose { findings, impression, embedded } = &one.content {
        let conclusion = impression.join("\n");
        let forms = if *embedded {
            let title = embedded_title(one);
            vec![attachment("text/plain", &findings.join("\n")).with("title", title), text(&conclusion)]
        } else {
            vec![text(&format!("{}\n{conclusion}", findings.join("\n")))]
        };
        body = body.with("conclusion", conclusion).list("presentedForm", forms.into_iter().map(Json::Object).collect());
    }
    out.add("DiagnosticReport", &id, body);
}

/// What an embedded document is called: by the first name of the study.
pub(crate) fn embedded_title(report: &Report) -> &'static str {
    report.what.first.map(|code| code.display).unwrap_or_default()
}

fn based_on(order: Option<&Order>, own: &str) -> Vec<Json> {
    order.map(|order| Json::Object(reference("ServiceRequest", &order.id(own)))).into_iter().collect()
}

fn text(text: &str) -> Object {
    attachment("text/plain; charset=utf-8", text)
}

fn attachment(kind: &'static str, text: &str) -> Object {
    Object::default().with("contentType", kind).with("data", base64(text.as_bytes()))
}

fn quantity(digits: &str, result: &Result) -> Object {
    let out = Object::default().with("value", Json::Number(digits.to_owned()));
    match result.unit {
        Some(unit) => out.with("unit", unit.shown).with("system", "http://unitsofmeasure.org").with("code", unit.ucum),
        None => out,
    }
}

fn observation(record: &Record, report: &Report, result: &Result) -> Object {
    let chart = record.chart(report.visit);
    let own = record.subject(chart);
    let (category, display) = match report.content {
        Content::Vitals(_) => ("vital-signs", "Vital Signs"),
        _ => ("laboratory", "Laboratory"),
    };
    let order = report.order.and_then(|at| record.orders.get(at));
    let mut body = Object::resource("Observation", &report.result_id(&own, result.what.key()))
        .list("basedOn", based_on(order, &own))
        .with("status", result.status.fhir())
        .list("category", vec![hl7_concept("observation-category", category, Some(display)).into()])
        .with("code", result.what.fhir())
        .with("subject", subject(record, chart))
        .maybe("encounter", encounter(record, report.visit))
        .with("effectiveDateTime", moment::fhir(report.taken))
        .with("issued", moment::fhir(report.issued));
    body = match &result.value {
        Value::Number(digits) => body.with("valueQuantity", quantity(digits, result)),
        Value::Text(words) => body.with("valueString", words.clone()),
        Value::Coded(concept) => body.with("valueCodeableConcept", concept.fhir()),
        Value::Pressure(high, low) => {
            let part = |what: Concept, digits: &str| {
                Json::Object(
                    Object::default().with("code", what.fhir()).with("valueQuantity", quantity(digits, result)),
                )
            };
            let (systolic, diastolic) = (row_of(Analyte::Systolic).what, row_of(Analyte::Diastolic).what);
            body.list("component", vec![part(systolic, high), part(diastolic, low)])
        }
    };
    if let Some(flag) = result.flag {
        let flag = hl7_concept("v3-ObservationInterpretation", flag, Some(flag_display(flag)));
        body = body.list("interpretation", vec![flag.into()]);
    }
    body =
        body.list("note", result.note.iter().map(|text| Object::default().with("text", text.clone()).into()).collect());
    if let Some(text) = range_text(result) {
        let bound = |value: Option<f64>| value.map(|value| quantity(&format!("{value:.*}", result.decimals), result));
        let range = Object::default().maybe("low", bound(result.range.0)).maybe("high", bound(result.range.1));
        body = body.list("referenceRange", vec![range.with("text", text).into()]);
    }
    body
}

fn flag_display(flag: &str) -> &'static str {
    match flag {
        "H" => "High",
        "L" => "Low",
        "HH" => "Critical high",
        "LL" => "Critical low",
        "A" => "Abnormal",
        _ => "Normal",
    }
}

/// The reference range as both notations show it: `3.5-5.1`, `<200`, `>=60`.
pub(crate) fn range_text(result: &Result) -> Option<String> {
    let digits = |value: f64| format!("{value:.*}", result.decimals);
    match result.range {
        (Some(low), Some(high)) => Some(format!("{}-{}", digits(low), digits(high))),
        (None, Some(high)) => Some(format!("<{}", digits(high))),
        (Some(low), None) => Some(format!(">={}", digits(low))),
        (None, None) => None,
    }
}

fn note(record: &Record, one: &Note, out: &mut Bundle) {
    let chart = record.chart(one.visit);
    let own = record.subject(chart);
    let status = if one.withdrawn.is_some() { "entered-in-error" } else { "current" };
    let content = Object::default().with("attachment", text(&one.text));
    let context = Object::default()
        .list("encounter", encounter(record, one.visit).into_iter().map(Json::Object).collect())
        .with("period", Object::default().with("start", moment::fhir(one.at)));
    let body = Object::resource("DocumentReference", &one.id(&own))
        .with("masterIdentifier", identifier(Authority::Document, &one.number, None))
        .with("status", status)
        .with("docStatus", if one.signed { "final" } else { "preliminary" })
        .with("type", one.kind.fhir())
        .with("subject", subject(record, chart))
        .with("date", moment::fhir(one.at))
        .list("author", vec![out.doctor(&one.by).into()])
        .list("content", vec![content.into()])
        .with("context", context);
    out.add("DocumentReference", &one.id(&own), body);
}

fn habit(record: &Record, one: &Social, out: &mut Bundle) {
    let own = record.subject(Chart::Own);
    let category = hl7_concept("observation-category", "social-history", Some("Social History"));
    let body = Object::resource("Observation", &one.id(&own))
        .with("status", "final")
        .list("category", vec![category.into()])
        .with("code", one.what.fhir())
        .with("subject", subject(record, Chart::Own))
        .maybe("encounter", encounter(record, one.visit))
        .with("effectiveDateTime", moment::fhir(one.at));
    let body = match &one.value {
        Value::Coded(concept) => body.with("valueCodeableConcept", concept.fhir()),
        Value::Text(words) => body.with("valueString", words.clone()),
        Value::Number(digits) | Value::Pressure(digits, _) => body.with("valueString", digits.clone()),
    };
    out.add("Observation", &one.id(&own), body);
}
