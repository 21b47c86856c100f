//! MDM: TXA with its OBX to DocumentReference, the text inside.

use super::context::{Context, Draft, Meet, id_of, number_key};
use super::json::{Json, Object};
use super::message::Seg;
use super::observe::{self, Around};
use super::order::{Chart, Group, shown};
use super::visit::Visit;
use super::{terms, types, value};

/// TXA-17 completion status (table 0271).
fn doc_status(code: &str) -> &'static str {
    match code.to_ascii_uppercase().as_str() {
        "AU" | "LA" => "final",
        _ => "preliminary",
    }
}

/// TXA and the OBX and NTE after it.
pub(super) fn document(ctx: &mut Context<'_>, chart: Chart<'_>, group: &Group<'_>) {
    let Some(txa) = group.segs.iter().copied().find(|seg| seg.name == "TXA") else { return };
    let Some(number) = types::ei_number(txa.rep(12)) else {
        return ctx.reject(txa, Some(12), "a document without a unique number cannot be told from others");
    };
    let subject = &chart.subject.id;
    let id_for = |number: &types::Number| id_of("DocumentReference", &[subject, &number_key(number)]);
    let mut draft = Draft::new("DocumentReference", id_for(&number));
    draft.put("masterIdentifier", types::identifier(&number, None), txa, 12);
    let file = txa.whole(16).map(|file| types::identifier(&(None, file), None).into());
    draft.list("identifier", file.into_iter().collect(), txa, 16);
    // T11 takes the document back; AV, CA, OB and UN (table 0273) say whether it may be used.
    let status = match (ctx.trigger.as_str(), txa.text(19).as_deref()) {
        ("T11", _) | (_, Some("CA")) => "entered-in-error",
        (_, Some("OB")) => "superseded",
        _ => "current",
    };
    draft.put("status", status, txa, if txa.filled(19) { 19 } else { 12 });
    if let Some(code) = txa.text(17) {
        draft.put("docStatus", doc_status(&code), txa, 17);
    }
    let kind = types::table(txa.rep(2), "v2-0270");
    let title = group.segs.iter().find(|seg| seg.name == "OBX").and_then(|obx| types::concept(obx.rep(3)));
    draft.maybe("type", kind.clone(), txa, 2);
    draft.body.put("subject", chart.subject.reference());
    // Written, else dictated, else the activity it tells of.
    let mut date = None;
    for field in [6, 7, 8, 4] {
        if let Some(at) = ctx.instant(txa, field) {
            date = Some((at, field));
            break;
        }
    }
    if let Some((at, field)) = date {
        draft.put("date", at, txa, field);
    }
    let authors: Vec<Json> =
        [9, 5].into_iter().map(|field| types::people(txa, field)).find(|who| !who.is_empty()).unwrap_or_default();
    draft.list("author", authors, txa, if txa.filled(9) { 9 } else { 5 });
    draft.maybe(
        "authenticator",
        types::person(txa.rep(22)).or_else(|| types::person(txa.rep(10))),
        txa,
        if txa.filled(22) { 22 } else { 10 },
    );
    if let Some(parent) = types::ei_number(txa.rep(13)) {
        let code = match ctx.trigger.as_str() {
            "T05" | "T06" => "appends",
            "T09" | "T10" => "replaces",
            _ => "transforms",
        };
        if code != "transforms" {
            let target = Object::default().with("reference", format!("DocumentReference/{}", id_for(&parent)));
            draft.put(
                "relatesTo",
                vec![Json::Object(Object::default().with("code", code).with("target", target))],
                txa,
                13,
            );
        }
        if code == "replaces" && ctx.known("DocumentReference", &id_for(&parent)).is_some() {
            let mut old = Draft::new("DocumentReference", id_for(&parent));
            old.put("status", "superseded", txa, 13);
            ctx.emit(old, Meet::Amend);
        }
    }
    let description = txa
        .whole(25)
        .or_else(|| title.as_ref().and_then(shown))
        .filter(|text| kind.as_ref().and_then(shown).as_ref() != Some(text));
    draft.maybe("description", description, txa, if txa.filled(25) { 25 } else { 2 });
    if let Some(code) = txa.text(18) {
        let label = types::coded(&terms::hl7("v2-0272"), &code, None);
        draft.put("securityLabel", vec![Json::Object(label)], txa, 18);
    }

    // Texts become one document in the order in which they stand; what is measured stays an observation.
    let mut texts: Vec<String> = Vec::new();
    let mut lines: Vec<&Seg<'_>> = Vec::new();
    let mut contents: Vec<Json> = Vec::new();
    let own = number_key(&number);
    let around = Around {
        subject: chart.subject,
        visit: chart.visit,
        order: Some(&own),
        section: None,
        taken: ctx.when(txa, 4).map(|at| (at, txa, 4)),
        issued: None,
        specimen: None,
        belongs: Vec::new(),
    };
    let from = group.segs.iter().position(|seg| seg.name == "TXA").unwrap_or_default();
    let after: Vec<&Seg<'_>> = group.segs.iter().skip(from).copied().collect();
    for result in observe::results(&after) {
        let Some(obx) = result.lines.first().copied() else { continue };
        match observe::value_type(obx).as_str() {
            "TX" | "FT" | "ST" => {
                texts.extend(observe::text_of(&result));
                texts.extend(result.notes.iter().filter_map(|nte| observe::running_text(nte, 3)));
                lines.extend(result.lines.iter().filter(|obx| obx.filled(5)));
            }
            "ED" | "RP" => {
                if let Some(attachment) = value::attachment(ctx, obx) {
                    contents.push(Object::default().with("attachment", attachment).into());
                    draft.came(&format!("content[{}].attachment", contents.len() - 1), obx, 5);
                }
            }
            _ => {
                observe::observation(ctx, &around, &result);
            }
        }
    }
    if !texts.is_empty() {
        let at = format!("content[{}].attachment", contents.len());
        for obx in lines {
            draft.came(&at, obx, 5);
        }
        contents.push(Object::default().with("attachment", value::text_attachment(&texts.join("\n"))).into());
    }
    if contents.is_empty() && ctx.known("DocumentReference", &id_for(&number)).is_none() {
        // FHIR demands a content; the notification came without the document.
        let kind = txa.text(3).and_then(|kind| terms::mime(&kind, ""));
        let mut attachment = Object::default();
        attachment.maybe("contentType", kind);
        attachment.put("title", number.1.as_str());
        contents.push(Object::default().with("attachment", attachment).into());
    }
    draft.body.list("content", contents);
    let mut context = Object::default();
    if let Some(visit) = chart.visit {
        context.put("encounter", vec![Json::Object(visit.reference())]);
    }
    if let Some(at) = ctx.when(txa, 4) {
        context.put("period", Object::default().with("start", at));
        draft.came("context.period.start", txa, 4);
    }
    if !context.is_empty() {
        draft.body.put("context", context);
    }
    ctx.emit(draft, Meet::Amend);
}

/// An embedded document outside a report or an MDM message.
pub(super) fn stray(ctx: &mut Context<'_>, chart: Chart<'_>, result: &observe::Result<'_>) {
    let Some(obx) = result.lines.first().copied() else { return };
    let Some(attachment) = value::attachment(ctx, obx) else { return };
    let key = types::ei_number(obx.rep(21))
        .map_or_else(|| format!("{}\u{1e}{}", ctx.control_id, obx.nth), |n| number_key(&n));
    let mut draft = Draft::new("DocumentReference", id_of("DocumentReference", &[&chart.subject.id, "obx", &key]));
    let wrong = obx.text(11).as_deref().map(terms::observation_status) == Some("entered-in-error");
    draft.put("status", if wrong { "entered-in-error" } else { "current" }, obx, 11);
    draft.maybe("type", types::concept(obx.rep(3)), obx, 3);
    draft.body.put("subject", chart.subject.reference());
    let notes: Vec<String> = result.notes.iter().filter_map(|nte| observe::running_text(nte, 3)).collect();
    if let Some(nte) = result.notes.first().filter(|_| !notes.is_empty()) {
        draft.put("description", notes.join("\n"), nte, 3);
    }
    let date = ctx.instant(obx, 14);
    draft.maybe("date", date, obx, 14);
    draft.put("content", vec![Json::Object(Object::default().with("attachment", attachment))], obx, 5);
    if let Some(visit) = chart.visit {
        draft.body.put("context", Object::default().with("encounter", vec![Json::Object(Visit::reference(visit))]));
    }
    ctx.emit(draft, Meet::Amend);
}
