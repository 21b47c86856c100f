//! RXO, RXE, RXR, RXC and TQ1 to MedicationRequest; RXD to MedicationDispense; RXA of RAS to MedicationAdministration.
//!
//! RXO is what the prescriber asked for and RXE what the pharmacy made of it; a chart has one order, in which RXE wins
//! and RXO fills in.

use super::context::{Context, Draft, Meet, id_of};
use super::json::{Json, Object};
use super::message::Seg;
use super::observe;
use super::order::{Chart, Group, Numbers, alone, shown, standing};
use super::types::Unit;
use super::visit::Visit;
use super::{terms, types};

/// Field numbers of RXO and RXE for the same thing; 0 where the segment lacks it.
struct Layout {
    code: usize,
    minimum: usize,
    maximum: usize,
    units: usize,
    instruction: usize,
    substitution: usize,
    amount: usize,
    amount_units: usize,
    refills: usize,
    indication: usize,
    rate: usize,
    rate_units: usize,
}

const RXO: Layout = Layout {
    code: 1,
    minimum: 2,
    maximum: 3,
    units: 4,
    instruction: 7,
    substitution: 9,
    amount: 11,
    amount_units: 12,
    refills: 13,
    indication: 20,
    rate: 21,
    rate_units: 22,
};
const RXE: Layout = Layout {
    code: 2,
    minimum: 3,
    maximum: 4,
    units: 5,
    instruction: 7,
    substitution: 9,
    amount: 10,
    amount_units: 11,
    refills: 12,
    indication: 27,
    rate: 23,
    rate_units: 24,
};

/// A group with RXO, RXE, RXD or (in RAS) RXA.
pub(super) fn medication(ctx: &mut Context<'_>, chart: Chart<'_>, group: &Group<'_>) {
    let find = |name: &str| group.segs.iter().copied().find(|seg| seg.name == name);
    let rxo = find("RXO").map(|seg| (seg, &RXO));
    let rxe = find("RXE").map(|seg| (seg, &RXE));
    let details: Vec<(&Seg<'_>, &Layout)> = [rxe, rxo].into_iter().flatten().collect();
    let mut ordered = None;
    if let Some(code) =
        details.iter().find_map(|(seg, layout)| seg.rep(layout.code).part(1).or_else(|| seg.rep(layout.code).part(2)))
    {
        ordered = request(ctx, chart, group, &details, code);
    } else if let Some((seg, layout)) = details.first() {
        ctx.reject(seg, Some(layout.code), "does not say which medicine");
    }
    for seg in &group.segs {
        match seg.name {
            "RXD" => dispense(ctx, chart, group, seg, ordered.as_deref()),
            "RXA" => administration(ctx, chart, group, seg, ordered.as_deref()),
            _ => {}
        }
    }
}

fn request(
    ctx: &mut Context<'_>,
    chart: Chart<'_>,
    group: &Group<'_>,
    details: &[(&Seg<'_>, &Layout)],
    code: String,
) -> Option<String> {
    let (first, _) = *details.first()?;
    let numbers = Numbers::read(group.orc, None, code);
    let key = numbers.order_key().unwrap_or_else(|| alone(ctx, first, &numbers.code));
    let mut draft = Draft::new("MedicationRequest", id_of("MedicationRequest", &[&chart.subject.id, &key]));
    let mut identifiers = numbers.identifiers();
    if let Some(number) = details.iter().find(|(seg, _)| seg.name == "RXE").and_then(|(rxe, _)| rxe.text(15)) {
        identifiers.push(types::identifier(&(None, number), Some("RX")).into());
    }
    draft.list("identifier", identifiers, group.orc.unwrap_or(first), 2);
    let known = ctx.known("MedicationRequest", &format_id(&draft)).is_some();
    // Dispensing and giving only repeat the order; what they say about it does not change how it stands.
    let repeats = matches!(ctx.kind.as_str(), "RDS" | "RAS" | "RGV");
    match (standing(group.orc), group.orc) {
        (Some((order, field)), Some(orc)) => draft.put("status", order.medication(), orc, field),
        _ if known => {}
        _ => draft.put("status", if repeats { "active" } else { "unknown" }, first, details.first()?.1.code),
    }
    draft.body.put("intent", "order");
    let urgency = group.segs.iter().find(|seg| seg.name == "TQ1").and_then(|tq1| Some((tq1.text(9)?, *tq1, 9)));
    if let Some((code, tq1, field)) = urgency {
        draft.maybe("priority", terms::priority(&code), tq1, field);
    }
    for (seg, layout) in details {
        if let Some(medicine) = types::concept(seg.rep(layout.code)) {
            draft.put("medicationCodeableConcept", medicine, seg, layout.code);
            break;
        }
    }
    draft.body.put("subject", chart.subject.reference());
    draft.body.maybe("encounter", chart.visit.map(Visit::reference));
    if let Some(orc) = group.orc {
        let at = ctx.when(orc, 9);
        draft.maybe("authoredOn", at, orc, 9);
        draft.maybe("requester", types::person(orc.rep(12)), orc, 12);
        let group_number = types::ei_number(orc.rep(4)).map(|number| types::identifier(&number, Some("PGN")));
        draft.maybe("groupIdentifier", group_number, orc, 4);
        draft.maybe("statusReason", types::concept(orc.rep(16)), orc, 16);
        match orc.text(1).as_deref() {
            Some("RP" | "RU") => ctx.replaced = Some(draft.reference()),
            Some("RO") => {
                if let Some(old) = ctx.replaced.take().filter(|old| *old != draft.reference()) {
                    draft.put("priorPrescription", Object::default().with("reference", old), orc, 1);
                }
            }
            _ => {}
        }
    }
    for (seg, layout) in details {
        let reasons = types::concepts(seg, layout.indication);
        if !reasons.is_empty() {
            draft.put("reasonCode", reasons, seg, layout.indication);
            break;
        }
    }
    let notes: Vec<&Seg<'_>> = group.segs.iter().filter(|seg| seg.name == "NTE").copied().collect();
    let mut annotations = observe::annotations(ctx, &mut draft, &notes);
    // What the pharmacy or the giving nurse is told beside the dose.
    for (seg, _) in details {
        let field = if seg.name == "RXE" { 21 } else { 6 };
        let told: Vec<String> = seg.reps(field).filter_map(types::concept).filter_map(|c| shown(&c)).collect();
        if !told.is_empty() {
            draft.came(&format!("note[{}]", annotations.len()), seg, field);
            annotations.push(Object::default().with("text", told.join("\n")).into());
        }
    }
    for rxc in group.segs.iter().filter(|seg| seg.name == "RXC") {
        if let Some(name) = types::concept(rxc.rep(2)).as_ref().and_then(shown) {
            let amount = [rxc.text(3), rxc.rep(4).part(2).or_else(|| rxc.text(4))]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(" ");
            let role = if rxc.text(1).as_deref() == Some("B") { "base" } else { "additive" };
            let text = format!("{role}: {name} {amount}");
            draft.came(&format!("note[{}]", annotations.len()), rxc, 2);
            annotations.push(Object::default().with("text", text.trim()).into());
        }
    }
    draft.body.list("note", annotations);
    let dosages = dosages(ctx, &mut draft, group, details);
    draft.body.list("dosageInstruction", dosages);
    supply(&mut draft, details);
    for (seg, layout) in details {
        if let Some(code) = types::table(seg.rep(layout.substitution), "v2-0161") {
            draft.put("substitution", Object::default().with("allowedCodeableConcept", code), seg, layout.substitution);
            break;
        }
    }
    let reference = draft.reference();
    ctx.emit(draft, if repeats { Meet::Fill } else { Meet::Amend });
    Some(reference)
}

fn format_id(draft: &Draft) -> String {
    draft.body.text("id").unwrap_or_default()
}

/// The dose of a detail segment: one amount, or from minimum to maximum.
fn dose(draft: &mut Draft, seg: &Seg<'_>, layout: &Layout, at: usize) -> Option<Object> {
    let unit = types::unit(seg.rep(layout.units));
    let number = |field| seg.text(field).and_then(|text| types::measured(&text)).map(|(_, number)| number);
    let (low, high) = (number(layout.minimum), number(layout.maximum));
    let mut out = Object::default();
    match (low, high) {
        (Some(low), Some(high)) if low != high => {
            let range = Object::default()
                .with("low", types::quantity(low, None, unit.as_ref()))
                .with("high", types::quantity(high, None, unit.as_ref()));
            draft.came(&format!("dosageInstruction[{at}].doseAndRate[0].doseRange"), seg, layout.minimum);
            out.put("doseRange", range);
        }
        (Some(low), _) => {
            draft.came(&format!("dosageInstruction[{at}].doseAndRate[0].doseQuantity"), seg, layout.minimum);
            out.put("doseQuantity", types::quantity(low, None, unit.as_ref()));
        }
        (None, Some(high)) => {
            draft.came(&format!("dosageInstruction[{at}].doseAndRate[0].doseQuantity"), seg, layout.maximum);
            out.put("doseQuantity", types::quantity(high, None, unit.as_ref()));
        }
        (None, None) => {}
    }
    if let Some(rate) = number(layout.rate) {
        let unit = types::unit(seg.rep(layout.rate_units));
        out.put("rateQuantity", types::quantity(rate, None, unit.as_ref()));
        draft.came(&format!("dosageInstruction[{at}].doseAndRate[0].rateQuantity"), seg, layout.rate);
    }
    (!out.is_empty()).then_some(out)
}

/// One dosage a TQ1, or one in all.
fn dosages(ctx: &mut Context<'_>, draft: &mut Draft, group: &Group<'_>, details: &[(&Seg<'_>, &Layout)]) -> Vec<Json> {
    let mut timings: Vec<Option<&Seg<'_>>> = Vec::new();
    // With RXE the timing after it is the pharmacy's; what stands before belongs to RXO.
    let encoded = group.segs.iter().position(|seg| seg.name == "RXE").unwrap_or_default();
    let after = |seg: &&&Seg<'_>| seg.name == "TQ1" && seg.line >= group.segs.get(encoded).map_or(0, |rxe| rxe.line);
    timings.extend(group.segs.iter().filter(after).map(|seg| Some(*seg)));
    if timings.is_empty() {
        timings.extend(group.segs.iter().filter(|seg| seg.name == "TQ1").map(|seg| Some(*seg)));
    }
    if timings.is_empty() {
        timings.push(None);
    }
    let routes: Vec<&Seg<'_>> = group.segs.iter().filter(|seg| seg.name == "RXR").copied().collect();
    let route = routes.iter().rev().find(|rxr| rxr.filled(1)).copied();
    let mut out: Vec<Json> = Vec::new();
    for tq1 in timings {
        let at = out.len();
        let mut dosage = Object::default();
        let mut words: Vec<String> = Vec::new();
        for (seg, layout) in details {
            // CWE: the instruction is its text, or a code that says nothing else.
            let said: Vec<String> =
                seg.reps(layout.instruction).filter_map(types::concept).filter_map(|c| shown(&c)).collect();
            if !said.is_empty() {
                draft.came(&format!("dosageInstruction[{at}].text"), seg, layout.instruction);
                words.extend(said);
                break;
            }
        }
        if let Some(tq1) = tq1
            && let Some(text) = tq1.whole(11)
            && !words.contains(&text)
        {
            draft.came(&format!("dosageInstruction[{at}].text"), tq1, 11);
            words.push(text);
        }
        if !words.is_empty() {
            dosage.put("text", words.join("\n"));
        }
        if let Some(condition) = tq1.and_then(|tq1| tq1.whole(10)) {
            dosage.put("additionalInstruction", vec![Json::Object(Object::default().with("text", condition))]);
        }
        let timing = match tq1 {
            Some(tq1) => timing_of(ctx, draft, tq1, at),
            None => old_timing(ctx, draft, group, details, at),
        };
        if let Some((timing, as_needed)) = timing {
            if !timing.is_empty() {
                dosage.put("timing", timing);
            }
            if as_needed {
                dosage.put("asNeededBoolean", true);
            }
        }
        if let Some(rxr) = route {
            if let Some(code) = types::table(rxr.rep(1), "v2-0162") {
                draft.came(&format!("dosageInstruction[{at}].route"), rxr, 1);
                dosage.put("route", code);
            }
            if let Some(site) = types::table(rxr.rep(2), "v2-0163") {
                draft.came(&format!("dosageInstruction[{at}].site"), rxr, 2);
                dosage.put("site", site);
            }
            dosage.maybe("method", types::table(rxr.rep(4), "v2-0165"));
        }
        let given = details.iter().find_map(|(seg, layout)| dose(draft, seg, layout, at));
        let given = given.or_else(|| {
            let tq1 = tq1?;
            let number = tq1.rep(2).sub(1, 1).and_then(|text| Json::number(&text))?;
            let unit = types::unit_within(tq1.rep(2));
            draft.came(&format!("dosageInstruction[{at}].doseAndRate[0].doseQuantity"), tq1, 2);
            Some(Object::default().with("doseQuantity", types::quantity(number, None, unit.as_ref())))
        });
        if let Some(given) = given {
            dosage.put("doseAndRate", vec![Json::Object(given)]);
        }
        if !dosage.is_empty() {
            out.push(dosage.into());
        }
    }
    out
}

/// A repeat pattern's code as Timing, and whether it means "as needed".
fn pattern(code: &str, text: Option<String>) -> (Object, bool) {
    let as_needed = code.to_ascii_uppercase().starts_with("PRN");
    let mut timing = Object::default();
    if let Some((frequency, period, unit)) = terms::repeat(code) {
        let repeat = Object::default().with("frequency", frequency).with("period", period).with("periodUnit", unit);
        timing.put("repeat", repeat);
    }
    if !as_needed {
        timing.put("code", types::coded(&terms::hl7("v2-0335"), code, text.as_deref()));
    }
    (timing, as_needed)
}

fn timing_of(ctx: &mut Context<'_>, draft: &mut Draft, tq1: &Seg<'_>, at: usize) -> Option<(Object, bool)> {
    let rep = tq1.rep(3);
    let (mut timing, mut as_needed) = match rep.sub(1, 1) {
        Some(code) => {
            draft.came(&format!("dosageInstruction[{at}].timing"), tq1, 3);
            pattern(&code, rep.sub(1, 2))
        }
        None => (Object::default(), false),
    };
    as_needed |= tq1.reps(3).filter_map(|rep| rep.sub(1, 1)).any(|code| code.to_ascii_uppercase().starts_with("PRN"));
    let mut repeat = timing.take("repeat").and_then(Json::into_object).unwrap_or_default();
    let mut bounds = Object::default();
    for (key, field) in [("start", 7), ("end", 8)] {
        if let Some(when) = ctx.when(tq1, field) {
            bounds.put(key, when);
            draft.came(&format!("dosageInstruction[{at}].timing.repeat.boundsPeriod.{key}"), tq1, field);
        }
    }
    if !bounds.is_empty() {
        repeat.put("boundsPeriod", bounds);
    } else if let Some(number) = tq1.rep(6).sub(1, 1).and_then(|text| Json::number(&text)) {
        let unit = types::unit_within(tq1.rep(6));
        repeat.put("boundsDuration", duration(number, unit.as_ref()));
        draft.came(&format!("dosageInstruction[{at}].timing.repeat.boundsDuration"), tq1, 6);
    }
    if let Some(count) = tq1.text(14).and_then(|text| text.parse::<u64>().ok()).filter(|count| *count > 0) {
        repeat.put("count", count);
    }
    if !repeat.is_empty() {
        timing.put("repeat", repeat);
    }
    (!timing.is_empty() || as_needed).then_some((timing, as_needed))
}

/// A duration in the sender's unit.
fn duration(number: Json, unit: Option<&Unit>) -> Object {
    types::quantity(number, None, unit)
}

/// ORC-7 or RXE-1 of version 2.3 to 2.5: `1^TID^D7^202101010900^202101080900^R`.
fn old_timing(
    ctx: &mut Context<'_>,
    draft: &mut Draft,
    group: &Group<'_>,
    details: &[(&Seg<'_>, &Layout)],
    at: usize,
) -> Option<(Object, bool)> {
    let encoded = details.iter().find(|(seg, _)| seg.name == "RXE").map(|(seg, _)| (*seg, 1));
    let (seg, field) =
        [encoded, group.orc.map(|orc| (orc, 7))].into_iter().flatten().find(|(seg, field)| seg.filled(*field))?;
    let rep = seg.rep(field);
    let (mut timing, as_needed) = match rep.sub(2, 1) {
        Some(code) => pattern(&code, None),
        None => (Object::default(), false),
    };
    let mut repeat = timing.take("repeat").and_then(Json::into_object).unwrap_or_default();
    match types::time_period(rep.part(4), rep.part(5), &ctx.settings.zone) {
        Ok(Some(bounds)) => repeat.put("boundsPeriod", bounds),
        Ok(None) => {
            let length = rep.part(3).and_then(|text| {
                let (unit, number) = text.split_at_checked(1)?;
                let unit = match unit {
                    "D" => "d",
                    "W" => "wk",
                    "L" => "mo",
                    "H" => "h",
                    "M" => "min",
                    "S" => "s",
                    _ => return None,
                };
                Some((Json::number(number)?, unit))
            });
            if let Some((number, unit)) = length {
                let length = Object::default().with("value", number).with("unit", unit);
                repeat.put("boundsDuration", length.with("system", "http://unitsofmeasure.org").with("code", unit));
            }
        }
        Err(_) => ctx.reject(seg, Some(field), "start or end is no timestamp; they are left out"),
    }
    if !repeat.is_empty() {
        timing.put("repeat", repeat);
    }
    if timing.is_empty() && !as_needed {
        return None;
    }
    draft.came(&format!("dosageInstruction[{at}].timing"), seg, field);
    Some((timing, as_needed))
}

/// What is to be dispensed.
fn supply(draft: &mut Draft, details: &[(&Seg<'_>, &Layout)]) {
    let mut out = Object::default();
    for (seg, layout) in details {
        if out.get("quantity").is_none()
            && let Some(number) = seg.text(layout.amount).and_then(|text| Json::number(&text))
        {
            let unit = types::unit(seg.rep(layout.amount_units));
            out.put("quantity", types::quantity(number, None, unit.as_ref()));
            draft.came("dispenseRequest.quantity", seg, layout.amount);
        }
        if out.get("numberOfRepeatsAllowed").is_none()
            && let Some(refills) = seg.text(layout.refills).and_then(|text| text.parse::<u64>().ok())
        {
            out.put("numberOfRepeatsAllowed", refills);
            draft.came("dispenseRequest.numberOfRepeatsAllowed", seg, layout.refills);
        }
    }
    if !out.is_empty() {
        draft.body.put("dispenseRequest", out);
    }
}

/// RXD: what the pharmacy handed out.
fn dispense(ctx: &mut Context<'_>, chart: Chart<'_>, group: &Group<'_>, rxd: &Seg<'_>, ordered: Option<&str>) {
    let Some(medicine) = types::concept(rxd.rep(2)) else {
        return ctx.reject(rxd, Some(2), "does not say which medicine");
    };
    let code = rxd.rep(2).part(1).or_else(|| rxd.rep(2).part(2)).unwrap_or_default();
    let order = Numbers::read(group.orc, None, code.clone()).order_key().unwrap_or_default();
    let key = [rxd.text(7).unwrap_or(order), rxd.text(1).unwrap_or_default(), rxd.text(3).unwrap_or_default(), code]
        .join("\u{1e}");
    let mut draft = Draft::new("MedicationDispense", id_of("MedicationDispense", &[&chart.subject.id, &key]));
    if let Some(number) = rxd.text(7) {
        draft.put("identifier", vec![types::identifier(&(None, number), Some("RX")).into()], rxd, 7);
    }
    draft.put("status", "completed", rxd, 1);
    draft.put("medicationCodeableConcept", medicine, rxd, 2);
    draft.body.put("subject", chart.subject.reference());
    draft.body.maybe("context", chart.visit.map(Visit::reference));
    let order = ordered.map(|order| vec![Json::Object(Object::default().with("reference", order))]);
    draft.body.maybe("authorizingPrescription", order);
    if let Some(number) = rxd.text(4).and_then(|text| Json::number(&text)) {
        let unit = types::unit(rxd.rep(5));
        draft.put("quantity", types::quantity(number, None, unit.as_ref()), rxd, 4);
    }
    let at = ctx.when(rxd, 3);
    draft.maybe("whenHandedOver", at, rxd, 3);
    let who = types::people(rxd, 10).into_iter().map(|actor| Object::default().with("actor", actor).into()).collect();
    draft.list("performer", who, rxd, 10);
    let notes: Vec<Json> =
        rxd.reps(9).filter_map(|rep| rep.whole()).map(|text| Object::default().with("text", text).into()).collect();
    draft.list("note", notes, rxd, 9);
    let route = group
        .segs
        .iter()
        .rev()
        .find(|seg| seg.name == "RXR")
        .and_then(|rxr| Some((types::table(rxr.rep(1), "v2-0162")?, *rxr)));
    if let Some((route, rxr)) = route {
        draft.put("dosageInstruction", vec![Json::Object(Object::default().with("route", route))], rxr, 1);
    }
    ctx.emit(draft, Meet::Amend);
}

/// RXA in RAS: what was given.
fn administration(ctx: &mut Context<'_>, chart: Chart<'_>, group: &Group<'_>, rxa: &Seg<'_>, ordered: Option<&str>) {
    let Some(medicine) = types::concept(rxa.rep(5)) else {
        return ctx.reject(rxa, Some(5), "does not say which medicine");
    };
    let code = rxa.rep(5).part(1).or_else(|| rxa.rep(5).part(2)).unwrap_or_default();
    let order = Numbers::read(group.orc, None, code).order_key().unwrap_or_default();
    let key = [order, rxa.text(2).unwrap_or_default(), rxa.text(3).unwrap_or_default()].join("\u{1e}");
    let mut draft =
        Draft::new("MedicationAdministration", id_of("MedicationAdministration", &[&chart.subject.id, &key]));
    let (status, field) = match (rxa.text(21).as_deref(), rxa.text(20).as_deref()) {
        (Some("D"), _) => ("entered-in-error", 21),
        (_, Some("RE" | "NA")) => ("not-done", 20),
        (_, Some("PA")) => ("stopped", 20),
        _ => ("completed", 20),
    };
    draft.put("status", status, rxa, field);
    draft.list("statusReason", types::concepts(rxa, 18), rxa, 18);
    draft.put("medicationCodeableConcept", medicine, rxa, 5);
    draft.body.put("subject", chart.subject.reference());
    draft.body.maybe("context", chart.visit.map(Visit::reference));
    let (start, end) = (ctx.happened(rxa, 3), ctx.happened(rxa, 4));
    match (start, end) {
        (Some(start), Some(end)) if start != end => {
            draft.put("effectivePeriod", Object::default().with("start", start).with("end", end), rxa, 3);
        }
        (Some(start), _) => draft.put("effectiveDateTime", start, rxa, 3),
        (None, _) => ctx.reject(rxa, Some(3), "does not say when the medicine was given"),
    }
    let who = types::people(rxa, 10).into_iter().map(|actor| Object::default().with("actor", actor).into()).collect();
    draft.list("performer", who, rxa, 10);
    draft.list("reasonCode", types::concepts(rxa, 19), rxa, 19);
    let told: Vec<Json> = rxa
        .reps(9)
        .filter_map(types::concept)
        .filter_map(|concept| shown(&concept))
        .map(|text| Object::default().with("text", text).into())
        .collect();
    draft.list("note", told, rxa, 9);
    draft.body.maybe("request", ordered.map(|order| Object::default().with("reference", order)));
    let mut dosage = Object::default();
    if let Some(rxr) = group.segs.iter().find(|seg| seg.name == "RXR" && seg.line > rxa.line) {
        dosage.maybe("site", types::table(rxr.rep(2), "v2-0163"));
        if let Some(route) = types::table(rxr.rep(1), "v2-0162") {
            dosage.put("route", route);
            draft.came("dosage.route", rxr, 1);
        }
    }
    if let Some(number) = rxa.text(6).filter(|text| text != "999").and_then(|text| Json::number(&text)) {
        let unit = types::unit(rxa.rep(7));
        dosage.put("dose", types::quantity(number, None, unit.as_ref()));
        draft.came("dosage.dose", rxa, 6);
    }
    if !dosage.is_empty() {
        draft.body.put("dosage", dosage);
    }
    ctx.emit(draft, Meet::Amend);
}
