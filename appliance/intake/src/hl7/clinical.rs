//! What is known about the patient beside results and orders: DG1 and PRB to Condition, AL1 and IAM to
//! AllergyIntolerance, PR1 to Procedure, IN1 to Coverage.

use super::context::{Context, Draft, Meet, id_of, number_key};
use super::json::{Json, Object};
use super::message::Seg;
use super::patient::Subject;
use super::visit::Visit;
use super::{terms, types};

const CONDITION_STATUS: &str = "http://terminology.hl7.org/CodeSystem/condition-clinical";
const CONDITION_VERIFIED: &str = "http://terminology.hl7.org/CodeSystem/condition-ver-status";
const CONDITION_CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/condition-category";
const ALLERGY_STATUS: &str = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical";
const ALLERGY_VERIFIED: &str = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification";

/// A coded field with a separate text field: the concept, and what it is called for an id.
fn concept_and_key(seg: &Seg<'_>, code: usize, text: usize) -> Option<(Object, String)> {
    let words = if text > 0 { seg.text(text) } else { None };
    let mut concept = types::concept(seg.rep(code)).unwrap_or_default();
    if let Some(words) = &words {
        concept.put("text", words.as_str());
    }
    let key = seg.rep(code).part(1).or(words).or_else(|| seg.rep(code).part(2))?;
    Some((concept, key))
}

/// DG1: a diagnosis of this visit; what the visit says of it.
pub(super) fn diagnosis(
    ctx: &mut Context<'_>,
    subject: &Subject,
    visit: Option<&Visit>,
    dg1: &Seg<'_>,
) -> Option<Object> {
    let Some((code, key)) = concept_and_key(dg1, 3, 4) else {
        ctx.reject(dg1, Some(3), "neither code nor description says what the diagnosis is");
        return None;
    };
    let number = types::ei_number(dg1.rep(20));
    let id = match &number {
        Some(number) => id_of("Condition", &[&subject.id, &number_key(number)]),
        None => id_of("Condition", &[&subject.id, visit.map_or("", |visit| &visit.id), &key]),
    };
    let mut draft = Draft::new("Condition", id);
    draft.list("identifier", number.iter().map(|n| types::identifier(n, None).into()).collect(), dg1, 20);
    let kind = dg1.text(6).map(|kind| kind.to_ascii_uppercase());
    let deleted = dg1.text(21).as_deref() == Some("D");
    // A working or admitting diagnosis is not settled yet (table 0052).
    let (verified, field) = match (deleted, kind.as_deref()) {
        (true, _) => (Some("entered-in-error"), 21),
        (_, Some("A" | "W")) => (Some("provisional"), 6),
        (_, Some("F")) => (Some("confirmed"), 6),
        _ => (None, 6),
    };
    draft.maybe("verificationStatus", verified.map(|code| types::coded(CONDITION_VERIFIED, code, None)), dg1, field);
    let category = types::coded(CONDITION_CATEGORY, "encounter-diagnosis", Some("Encounter Diagnosis"));
    draft.put("category", vec![Json::Object(category)], dg1, 3);
    draft.put("code", code, dg1, if dg1.filled(3) { 3 } else { 4 });
    draft.body.put("subject", subject.reference());
    draft.body.maybe("encounter", visit.map(Visit::reference));
    let onset = ctx.happened(dg1, 5);
    draft.maybe("onsetDateTime", onset, dg1, 5);
    let recorded = ctx.when(dg1, 19);
    draft.maybe("recordedDate", recorded, dg1, 19);
    draft.maybe("asserter", types::person(dg1.rep(16)), dg1, 16);
    let reference = draft.reference();
    ctx.emit(draft, Meet::Amend);
    if deleted {
        return None;
    }
    let role = match kind.as_deref() {
        Some("A") => Some("AD"),
        Some("F") if ctx.trigger == "A03" => Some("DD"),
        _ => None,
    };
    let mut item = Object::default().with("condition", Object::default().with("reference", reference));
    item.maybe("use", role.map(|code| types::coded(&terms::hl7("diagnosis-role"), code, None)));
    item.maybe("rank", dg1.text(15).and_then(|rank| rank.parse::<u64>().ok()).filter(|rank| *rank > 0));
    Some(item)
}

/// PRB: an entry of the problem list (PPR messages). PC3 and action `DE` take it off as an error.
pub(super) fn problem(ctx: &mut Context<'_>, subject: &Subject, visit: Option<&Visit>, prb: &Seg<'_>) {
    let Some((code, key)) = concept_and_key(prb, 3, 0) else {
        return ctx.reject(prb, Some(3), "neither code nor description says what the problem is");
    };
    let number = types::ei_number(prb.rep(4));
    let key = number.as_ref().map_or(key, number_key);
    let mut draft = Draft::new("Condition", id_of("Condition", &[&subject.id, "problem", &key]));
    draft.list("identifier", number.iter().map(|n| types::identifier(n, None).into()).collect(), prb, 4);
    let deleted = prb.text(1).as_deref() == Some("DE");
    let resolved = ctx.when(prb, 9);
    let word = prb.rep(14);
    let life = [word.part(1), word.part(2)].into_iter().flatten().find_map(|word| {
        ["active", "inactive", "resolved", "recurrence", "relapse", "remission"]
            .into_iter()
            .find(|known| word.to_ascii_lowercase().contains(known))
    });
    let status = match (life, &resolved) {
        // "inactive" contains "active": the longer word is meant.
        (Some("active"), _) if word.part(1).is_some_and(|w| w.to_ascii_lowercase().contains("inactive")) => "inactive",
        (Some(life), _) => life,
        (None, Some(_)) => "resolved",
        (None, None) => "active",
    };
    // PRB-13 is a site's own table; FHIR's words are the ones that carry over.
    let said = [prb.rep(13).part(1), prb.rep(13).part(2)].into_iter().flatten().find_map(|word| {
        ["unconfirmed", "provisional", "differential", "confirmed", "refuted", "entered-in-error"]
            .into_iter()
            .find(|known| word.eq_ignore_ascii_case(known))
    });
    let deleted = deleted || said == Some("entered-in-error");
    if let Some(verified) = said.filter(|_| !deleted) {
        draft.put("verificationStatus", types::coded(CONDITION_VERIFIED, verified, None), prb, 13);
    }
    if deleted {
        draft.forget("clinicalStatus");
        let field = if said == Some("entered-in-error") { 13 } else { 1 };
        draft.put("verificationStatus", types::coded(CONDITION_VERIFIED, "entered-in-error", None), prb, field);
    } else {
        draft.put("clinicalStatus", types::coded(CONDITION_STATUS, status, None), prb, 14);
    }
    let category = types::coded(CONDITION_CATEGORY, "problem-list-item", Some("Problem List Item"));
    draft.put("category", vec![Json::Object(category)], prb, 3);
    draft.put("code", code, prb, 3);
    draft.body.put("subject", subject.reference());
    draft.body.maybe("encounter", visit.map(Visit::reference));
    let onset = ctx.happened(prb, 16);
    draft.maybe("onsetDateTime", onset, prb, 16);
    draft.maybe("abatementDateTime", resolved, prb, 9);
    let recorded = ctx.when(prb, 7);
    draft.maybe("recordedDate", recorded, prb, 7);
    ctx.emit(draft, Meet::Amend);
}

/// AL1: an allergy, always active, in the wording of registration.
pub(super) fn allergy(ctx: &mut Context<'_>, subject: &Subject, al1: &Seg<'_>) {
    let Some((code, key)) = concept_and_key(al1, 3, 0) else {
        return ctx.reject(al1, Some(3), "neither code nor description says what the allergy is to");
    };
    let mut draft = Draft::new("AllergyIntolerance", id_of("AllergyIntolerance", &[&subject.id, &key]));
    draft.put("clinicalStatus", types::coded(ALLERGY_STATUS, "active", Some("Active")), al1, 3);
    describe_allergy(&mut draft, al1);
    draft.put("code", code, al1, 3);
    draft.body.put("patient", subject.reference());
    let onset = ctx.happened(al1, 6);
    draft.maybe("onsetDateTime", onset, al1, 6);
    let manifestations = al1.reps(5).filter_map(|rep| rep.whole()).map(|text| Object::default().with("text", text));
    let manifestations = manifestations.map(Json::Object).collect();
    react(&mut draft, al1, manifestations);
    ctx.emit(draft, Meet::Amend);
}

/// IAM: an allergy with an action and a clinical status.
pub(super) fn adverse_reaction(ctx: &mut Context<'_>, subject: &Subject, iam: &Seg<'_>) {
    let action = iam.text(6);
    let number = types::ei_number(iam.rep(7));
    let Some((code, key)) =
        concept_and_key(iam, 3, 0).or_else(|| number.as_ref().map(|n| (Object::default(), number_key(n))))
    else {
        return ctx.reject(iam, Some(3), "neither code nor description says what the allergy is to");
    };
    let mut code = code;
    let further = types::concepts(iam, 27).into_iter().filter_map(Json::into_object);
    let further = further.filter_map(|mut concept| concept.take("coding")).flat_map(Json::into_items);
    let mut codings = code.get("coding").cloned().map(Json::into_items).unwrap_or_default();
    codings.extend(further);
    code.list("coding", codings);
    let key = number.as_ref().map_or(key, number_key);
    let mut draft = Draft::new("AllergyIntolerance", id_of("AllergyIntolerance", &[&subject.id, &key]));
    draft.list("identifier", number.iter().map(|n| types::identifier(n, None).into()).collect(), iam, 7);
    // Table 0438. E is erroneous, D "doubt raised", I "confirmed but inactive".
    let status = iam.text(17).map(|status| status.to_ascii_uppercase());
    let deleted = action.as_deref() == Some("D") || status.as_deref() == Some("E");
    let verified = match status.as_deref() {
        _ if deleted => Some("entered-in-error"),
        Some("C" | "I") => Some("confirmed"),
        Some("U" | "P" | "S" | "D") => Some("unconfirmed"),
        _ => None,
    };
    if deleted {
        // FHIR forbids a clinical status on an error.
        draft.forget("clinicalStatus");
    } else {
        let active = if status.as_deref() == Some("I") { ("inactive", "Inactive") } else { ("active", "Active") };
        draft.put("clinicalStatus", types::coded(ALLERGY_STATUS, active.0, Some(active.1)), iam, 17);
    }
    let field = if status.is_some() { 17 } else { 6 };
    draft.maybe("verificationStatus", verified.map(|code| types::coded(ALLERGY_VERIFIED, code, None)), iam, field);
    describe_allergy(&mut draft, iam);
    if !code.is_empty() {
        draft.put("code", code, iam, 3);
    }
    draft.body.put("patient", subject.reference());
    let onset = ctx.happened(iam, 11);
    match (onset, iam.text(12)) {
        (Some(onset), _) => draft.put("onsetDateTime", onset, iam, 11),
        (None, Some(words)) => draft.put("onsetString", words, iam, 12),
        (None, None) => {}
    }
    let recorded = ctx.when(iam, 13);
    draft.maybe("recordedDate", recorded, iam, 13);
    let mut told = types::person(iam.rep(14));
    if let (None, Some(relation)) = (&told, types::concept(iam.rep(15)).as_ref().and_then(super::order::shown)) {
        told = Some(Object::default().with("display", relation));
    }
    draft.maybe("asserter", told, iam, if iam.filled(14) { 14 } else { 15 });
    // IAM-5 is a string in most versions: one that is no code is the words themselves.
    let words = |rep: super::message::Rep<'_>| match rep.parts() {
        1 => rep.part(1).map(|text| Object::default().with("text", text)),
        _ => types::concept(rep),
    };
    let manifestations = iam.reps(5).filter_map(words).map(Json::Object).collect();
    react(&mut draft, iam, manifestations);
    ctx.emit(draft, Meet::Amend);
}

fn describe_allergy(draft: &mut Draft, seg: &Seg<'_>) {
    let kind = seg.text(2);
    if let Some(category) = kind.as_deref().and_then(terms::allergy_category) {
        draft.put("category", vec![category.into()], seg, 2);
    }
    if kind.as_deref().is_some_and(|kind| !kind.eq_ignore_ascii_case("MC")) {
        draft.put("type", "allergy", seg, 2);
    }
    let (_, criticality) = seg.text(4).as_deref().map_or((None, None), terms::allergy_severity);
    draft.maybe("criticality", criticality, seg, 4);
}

fn react(draft: &mut Draft, seg: &Seg<'_>, manifestations: Vec<Json>) {
    if manifestations.is_empty() {
        return;
    }
    let (severity, _) = seg.text(4).as_deref().map_or((None, None), terms::allergy_severity);
    let mut reaction = Object::default().with("manifestation", manifestations);
    draft.came("reaction[0].manifestation", seg, 5);
    if let Some(severity) = severity {
        reaction.put("severity", severity);
        draft.came("reaction[0].severity", seg, 4);
    }
    draft.body.put("reaction", vec![Json::Object(reaction)]);
}

/// PR1: a procedure. Done if it has a date that lies before the message; else FHIR's `unknown`, for it may be planned.
pub(super) fn procedure(ctx: &mut Context<'_>, subject: &Subject, visit: Option<&Visit>, pr1: &Seg<'_>) {
    let Some((code, key)) = concept_and_key(pr1, 3, 4) else {
        return ctx.reject(pr1, Some(3), "neither code nor description says what the procedure is");
    };
    let number = types::ei_number(pr1.rep(19));
    let when = pr1.text(5);
    let key = number.as_ref().map_or_else(|| format!("{key}\u{1e}{}", when.as_deref().unwrap_or_default()), number_key);
    let mut draft = Draft::new("Procedure", id_of("Procedure", &[&subject.id, &key]));
    draft.list("identifier", number.iter().map(|n| types::identifier(n, None).into()).collect(), pr1, 19);
    let day = |text: &str| text.get(..8).unwrap_or(text).to_owned();
    let done = when.as_deref().is_some_and(|at| ctx.sent.is_empty() || day(at) <= day(&ctx.sent));
    let (status, field) = match (pr1.text(20).as_deref(), done) {
        (Some("D"), _) => ("entered-in-error", 20),
        (_, true) => ("completed", 5),
        (_, false) => ("unknown", 3),
    };
    draft.put("status", status, pr1, field);
    draft.maybe("category", types::table(pr1.rep(6), "v2-0230"), pr1, 6);
    draft.put("code", code, pr1, if pr1.filled(3) { 3 } else { 4 });
    draft.body.put("subject", subject.reference());
    draft.body.maybe("encounter", visit.map(Visit::reference));
    let performed = ctx.when(pr1, 5);
    draft.maybe("performedDateTime", performed, pr1, 5);
    let mut performers: Vec<Json> = Vec::new();
    for (field, role) in [(8, Some(("88189002", "Anesthesiologist"))), (11, Some(("304292004", "Surgeon"))), (12, None)]
    {
        for person in types::people(pr1, field) {
            let mut performer = Object::default();
            performer
                .maybe("function", role.map(|(code, name)| types::coded("http://snomed.info/sct", code, Some(name))));
            draft.came(&format!("performer[{}]", performers.len()), pr1, field);
            performers.push(performer.with("actor", person).into());
        }
    }
    draft.body.list("performer", performers);
    let place = types::place(pr1.rep(23)).map(|name| Object::default().with("display", name));
    draft.maybe("location", place, pr1, 23);
    draft.list("reasonCode", types::concepts(pr1, 15), pr1, 15);
    ctx.emit(draft, Meet::Amend);
}

/// IN1: who pays.
pub(super) fn coverage(ctx: &mut Context<'_>, subject: &Subject, in1: &Seg<'_>) {
    let plan = in1.rep(2).part(1).or_else(|| in1.rep(2).part(2));
    let company = in1.text(4);
    let policy = in1.text(36);
    if plan.is_none() && company.is_none() {
        return;
    }
    let key = [plan.as_deref(), in1.rep(3).part(1).as_deref(), policy.as_deref()]
        .map(Option::unwrap_or_default)
        .join("\u{1e}");
    let mut draft = Draft::new("Coverage", id_of("Coverage", &[&subject.id, &key]));
    draft.body.put("status", "active");
    draft.maybe("type", types::concept(in1.rep(15)), in1, 15);
    let insured = in1.text(49);
    let number = policy.clone().map(|policy| (policy, 36)).or(insured.map(|insured| (insured, 49)));
    if let Some((number, field)) = number {
        draft.put("subscriberId", number, in1, field);
    }
    draft.body.put("beneficiary", subject.reference());
    if let Some(insured) = types::human_name(in1.rep(16)).as_ref().and_then(types::shown_name) {
        draft.put("subscriber", Object::default().with("display", insured), in1, 16);
    }
    draft.maybe("relationship", types::table(in1.rep(17), "v2-0063"), in1, 17);
    if let Some(order) = in1.text(22).and_then(|text| text.parse::<u64>().ok()).filter(|order| *order > 0) {
        draft.put("order", order, in1, 22);
    }
    let mut period = Object::default();
    for (key, field) in [("start", 12), ("end", 13)] {
        if let Some(day) = ctx.day(in1, field) {
            period.put(key, day);
            draft.came(&format!("period.{key}"), in1, field);
        }
    }
    if !period.is_empty() {
        draft.body.put("period", period);
    }
    let payor = company.or_else(|| in1.rep(2).part(2)).or(plan);
    draft.list("payor", types::organisation(payor).map(Json::Object).into_iter().collect(), in1, 4);
    let mut classes: Vec<Json> = Vec::new();
    if let Some(name) = in1.rep(2).part(2).or_else(|| in1.rep(2).part(1)) {
        let class = types::coded("http://terminology.hl7.org/CodeSystem/coverage-class", "plan", Some("Plan"));
        let value = in1.rep(2).part(1).unwrap_or_else(|| name.clone());
        let class = Object::default().with("type", class).with("value", value).with("name", name);
        draft.came(&format!("class[{}]", classes.len()), in1, 2);
        classes.push(class.into());
    }
    if let Some(group) = in1.text(8) {
        let class = types::coded("http://terminology.hl7.org/CodeSystem/coverage-class", "group", Some("Group"));
        let mut class = Object::default().with("type", class).with("value", group);
        class.maybe("name", in1.text(9));
        draft.came(&format!("class[{}]", classes.len()), in1, 8);
        classes.push(class.into());
    }
    draft.body.list("class", classes);
    ctx.emit(draft, Meet::Amend);
}
