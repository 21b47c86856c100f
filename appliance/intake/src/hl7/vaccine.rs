//! VXU: RXA and RXR to Immunization, the OBX after them to Observations that belong to it.

use super::context::{Context, Draft, Meet, id_of};
use super::json::{Json, Object};
use super::message::Seg;
use super::observe::{self, Around};
use super::order::{Chart, Group, Numbers};
use super::visit::Visit;
use super::{terms, types};

/// A group with RXA.
pub(super) fn immunization(ctx: &mut Context<'_>, chart: Chart<'_>, group: &Group<'_>) {
    let Some(rxa) = group.segs.iter().copied().find(|seg| seg.name == "RXA") else { return };
    let Some(vaccine) = types::concept(rxa.rep(5)) else {
        return ctx.reject(rxa, Some(5), "does not say which vaccine");
    };
    let code = rxa.rep(5).part(1).or_else(|| rxa.rep(5).part(2)).unwrap_or_default();
    let numbers = Numbers::read(group.orc, None, code.clone());
    let given = rxa.text(3).unwrap_or_default();
    // 9999 is what registries write where they have no number (CDC guide 2.5.1, ORC-3).
    let numbered = group.orc.is_none_or(|orc| orc.text(3).as_deref() != Some("9999"));
    let key = numbers.order_key().filter(|_| numbered).unwrap_or_else(|| format!("{code}\u{1e}{given}"));
    let mut draft = Draft::new("Immunization", id_of("Immunization", &[&chart.subject.id, &key]));
    let reference = draft.reference();

    // CVX 998: no vaccine was given; the message only carries observations, such as evidence of immunity.
    let is_dose = code != "998";
    if is_dose {
        draft.list("identifier", numbers.identifiers(), group.orc.unwrap_or(rxa), 3);
        let (status, field) = match (rxa.text(21).as_deref(), rxa.text(20).as_deref()) {
            (Some("D"), _) => ("entered-in-error", 21),
            (_, Some("RE" | "NA")) => ("not-done", 20),
            _ => ("completed", 20),
        };
        draft.put("status", status, rxa, field);
        let reason = types::concepts(rxa, 18).into_iter().next();
        if status == "not-done" {
            draft.maybe("statusReason", reason, rxa, 18);
        }
        draft.put("vaccineCode", vaccine, rxa, 5);
        draft.body.put("patient", chart.subject.reference());
        draft.body.maybe("encounter", chart.visit.map(Visit::reference));
        match ctx.happened(rxa, 3) {
            Some(at) => draft.put("occurrenceDateTime", at, rxa, 3),
            None => draft.put("occurrenceString", "unknown", rxa, 3),
        }
        let recorded = ctx.when(rxa, 22);
        draft.maybe("recorded", recorded, rxa, 22);
        describe(ctx, &mut draft, group, rxa);
        educate(ctx, &mut draft, group);
        let notes: Vec<&Seg<'_>> =
            group.segs.iter().take_while(|seg| seg.name != "OBX").filter(|seg| seg.name == "NTE").copied().collect();
        let annotations = observe::annotations(ctx, &mut draft, &notes);
        draft.body.list("note", annotations);
        ctx.emit(draft, Meet::Amend);
    }
    let around = Around {
        subject: chart.subject,
        visit: chart.visit,
        order: Some(&key),
        section: None,
        taken: ctx.when(rxa, 3).map(|at| (at, rxa, 3)),
        issued: None,
        specimen: None,
        belongs: if is_dose { vec![("partOf", Object::default().with("reference", reference))] } else { Vec::new() },
    };
    for result in observe::results(&group.segs) {
        observe::observation(ctx, &around, &result);
    }
}

fn describe(ctx: &mut Context<'_>, draft: &mut Draft, group: &Group<'_>, rxa: &Seg<'_>) {
    // NIP001: 00 is a dose given here and now; all others were told or copied.
    if let Some(source) = rxa.rep(9).part(1) {
        draft.put("primarySource", source == "00", rxa, 9);
        if source != "00" {
            draft.maybe("reportOrigin", types::concept(rxa.rep(9)), rxa, 9);
        }
    }
    let place = types::place(rxa.rep(27)).or_else(|| rxa.rep(11).sub(4, 1)).or_else(|| types::place(rxa.rep(11)));
    let place = place.map(|name| Object::default().with("display", name));
    draft.maybe("location", place, rxa, if rxa.filled(27) { 27 } else { 11 });
    draft.maybe("manufacturer", types::organisation(rxa.rep(17).part(2).or_else(|| rxa.rep(17).part(1))), rxa, 17);
    draft.maybe("lotNumber", rxa.text(15), rxa, 15);
    let expires = ctx.day(rxa, 16);
    draft.maybe("expirationDate", expires, rxa, 16);
    let rxr = group.segs.iter().find(|seg| seg.name == "RXR").copied();
    if let Some(rxr) = rxr {
        draft.maybe("site", types::table(rxr.rep(2), "v2-0163"), rxr, 2);
        draft.maybe("route", types::table(rxr.rep(1), "v2-0162"), rxr, 1);
    }
    // 999 is the registries' "amount not known".
    if let Some(number) = rxa.text(6).filter(|text| text != "999").and_then(|text| Json::number(&text)) {
        let unit = types::unit(rxa.rep(7));
        draft.put("doseQuantity", types::quantity(number, None, unit.as_ref()), rxa, 6);
    }
    let mut performers: Vec<Json> = Vec::new();
    let ordering = group.orc.map(|orc| (orc, 12, "OP", "Ordering Provider"));
    for (seg, field, code, display) in ordering.into_iter().chain([(rxa, 10, "AP", "Administering Provider")]) {
        for actor in types::people(seg, field) {
            let function = types::coded(&terms::hl7("v2-0443"), code, Some(display));
            draft.came(&format!("performer[{}]", performers.len()), seg, field);
            performers.push(Object::default().with("function", function).with("actor", actor).into());
        }
    }
    draft.body.list("performer", performers);
    draft.list("reasonCode", types::concepts(rxa, 19), rxa, 19);
}

/// OBX that FHIR has elements for: dose number in the series, eligibility, funding, reaction.
fn educate(ctx: &mut Context<'_>, draft: &mut Draft, group: &Group<'_>) {
    for obx in group.segs.iter().filter(|seg| seg.name == "OBX") {
        match obx.rep(3).part(1).as_deref() {
            Some("30973-2") => {
                let Some(dose) = obx.text(5) else { continue };
                let protocol = match dose.parse::<u64>() {
                    Ok(number) if number > 0 => Object::default().with("doseNumberPositiveInt", number),
                    _ => Object::default().with("doseNumberString", dose),
                };
                draft.put("protocolApplied", vec![Json::Object(protocol)], obx, 5);
            }
            Some("64994-7") => draft.list("programEligibility", types::concepts(obx, 5), obx, 5),
            Some("30963-3") => draft.maybe("fundingSource", types::concept(obx.rep(5)), obx, 5),
            Some("29768-9") => {
                let mut education = Object::default();
                education.maybe("publicationDate", ctx.when(obx, 5));
                draft.put("education", vec![Json::Object(education)], obx, 5);
            }
            _ => {}
        }
    }
}
