//! ORC, OBR and SPM: orders to ServiceRequest, their results to DiagnosticReport with its Observations, specimens.

use super::context::{Context, Draft, Meet, id_of, number_key};
use super::json::{Json, Object};
use super::message::Seg;
use super::observe::{self, Around};
use super::patient::Subject;
use super::types::Number;
use super::visit::Visit;
use super::{family, terms, types, value};

/// One order of a message with everything that follows it.
pub(super) struct Group<'s> {
    /// ORC, if there is one.
    pub(super) orc: Option<&'s Seg<'s>>,
    /// The segments after it, in their order.
    pub(super) segs: Vec<&'s Seg<'s>>,
}

/// The numbers that name an order, and the code of what is ordered: one number may cover several panels.
pub(super) struct Numbers {
    placer: Option<Number>,
    filler: Option<Number>,
    /// Code of what is ordered.
    pub(super) code: String,
}

impl Numbers {
    /// From ORC-2/3, or the same fields of the detail segment.
    pub(super) fn read(orc: Option<&Seg<'_>>, detail: Option<&Seg<'_>>, code: String) -> Numbers {
        let find = |field| [detail, orc].into_iter().flatten().find_map(|seg| types::ei_number(seg.rep(field)));
        Numbers { placer: find(2), filler: find(3), code }
    }

    /// What names the order: the placer's number first, which order and result share.
    pub(super) fn order_key(&self) -> Option<String> {
        self.placer.as_ref().or(self.filler.as_ref()).map(|n| format!("{}\u{1e}{}", number_key(n), self.code))
    }

    /// What names the result: the filler's number first, which its corrections share.
    fn result_key(&self) -> Option<String> {
        self.filler.as_ref().or(self.placer.as_ref()).map(|n| format!("{}\u{1e}{}", number_key(n), self.code))
    }

    /// Both numbers as FHIR identifiers.
    pub(super) fn identifiers(&self) -> Vec<Json> {
        let named = [(&self.placer, "PLAC"), (&self.filler, "FILL")];
        named.into_iter().filter_map(|(n, kind)| Some(types::identifier(n.as_ref()?, Some(kind)).into())).collect()
    }
}

/// How the order stands, and the field that says so: a status (ORC-5) is newer knowledge than the request (ORC-1).
pub(super) fn standing(orc: Option<&Seg<'_>>) -> Option<(terms::Order, usize)> {
    let orc = orc?;
    let control = orc.text(1).as_deref().and_then(terms::order_control);
    let status = orc.text(5).as_deref().and_then(terms::order_status);
    match (control, status) {
        (Some(control), Some(terms::Order::Active) | None) => Some((control, 1)),
        (_, Some(status)) => Some((status, 5)),
        (None, None) => None,
    }
}

/// Who and what the group belongs to.
#[derive(Clone, Copy)]
pub(super) struct Chart<'a> {
    /// The patient.
    pub(super) subject: &'a Subject,
    /// The visit.
    pub(super) visit: Option<&'a Visit>,
}

/// An order or result on its way: its segments and what names it.
struct Study<'a> {
    chart: Chart<'a>,
    group: &'a Group<'a>,
    /// A specimen that was announced before the group.
    before: &'a [&'a Seg<'a>],
    obr: &'a Seg<'a>,
    numbers: Numbers,
}

/// A group with OBR.
pub(super) fn observation_order(ctx: &mut Context<'_>, chart: Chart<'_>, group: &Group<'_>, before: &[&Seg<'_>]) {
    let Some(obr) = group.segs.iter().copied().find(|seg| seg.name == "OBR") else { return };
    let code = obr.rep(4).part(1).or_else(|| obr.rep(4).part(2)).unwrap_or_default();
    let numbers = Numbers::read(group.orc, Some(obr), code);
    if numbers.code == family::PANEL {
        let number = numbers.filler.as_ref().or(numbers.placer.as_ref());
        let key = number.map_or_else(|| alone(ctx, obr, &numbers.code), number_key);
        return family::history(ctx, chart.subject, obr, number, &key, &observe::results(&group.segs));
    }
    let study = Study { chart, group, before, obr, numbers };
    if matches!(ctx.kind.as_str(), "ORU" | "OUL") || obr.filled(25) && obr.filled(22) && ctx.kind != "MDM" {
        report(ctx, &study);
    } else {
        request(ctx, &study);
    }
}

/// Orders: ServiceRequest, and the answers to questions at order entry as Observations.
fn request(ctx: &mut Context<'_>, study: &Study<'_>) {
    let Study { chart, group, obr, ref numbers, .. } = *study;
    let key = numbers.order_key().unwrap_or_else(|| alone(ctx, obr, &numbers.code));
    let section = obr.text(24);
    let specimens = specimens(ctx, study, &key);
    let reference = match types::concept(obr.rep(4)) {
        Some(code) => Some(one_request(ctx, study, &key, code, &specimens)),
        None => {
            // What was observed with it stands all the same.
            ctx.reject(obr, Some(4), "does not say what is ordered; the order is left out");
            None
        }
    };
    let around = Around {
        subject: chart.subject,
        visit: chart.visit,
        order: Some(&key),
        section: section.as_deref(),
        taken: ctx.happened(obr, 7).map(|at| (at, obr, 7)),
        issued: None,
        specimen: specimens.into_iter().next(),
        belongs: reference.map(|order| ("basedOn", Object::default().with("reference", order))).into_iter().collect(),
    };
    for result in observe::results(&group.segs) {
        let Some(obx) = result.lines.first() else { continue };
        if observe::is_document(&observe::value_type(obx)) {
            super::document::stray(ctx, chart, &result);
        } else {
            observe::observation(ctx, &around, &result);
        }
    }
}

/// What names an order whose sender gave it no number: the message itself. Nothing can correct it later, but it is kept.
pub(super) fn alone(ctx: &Context<'_>, seg: &Seg<'_>, code: &str) -> String {
    format!("{}\u{1e}{}\u{1e}{code}", ctx.control_id, seg.nth)
}

/// The ServiceRequest itself; its reference.
fn one_request(ctx: &mut Context<'_>, study: &Study<'_>, key: &str, code: Object, specimens: &[Object]) -> String {
    let Study { chart, group, obr, ref numbers, .. } = *study;
    let id = id_of("ServiceRequest", &[&chart.subject.id, key]);
    let known = ctx.known("ServiceRequest", &id).is_some();
    let mut draft = Draft::new("ServiceRequest", id);
    draft.list("identifier", numbers.identifiers(), group.orc.unwrap_or(obr), 2);
    match (standing(group.orc), group.orc) {
        (Some((order, field)), Some(orc)) => draft.put("status", order.request(), orc, field),
        // A control code that changes nothing leaves a known order as it stands.
        _ if known => {}
        _ => draft.put("status", "unknown", obr, 2),
    }
    draft.body.put("intent", "order");
    let section = obr.text(24);
    if let Some(section) = section.as_deref() {
        let category = types::coded(&terms::hl7("v2-0074"), section, terms::section_display(section));
        draft.put("category", vec![Json::Object(category)], obr, 24);
    }
    let urgency = group.segs.iter().find(|seg| seg.name == "TQ1").map(|tq1| (*tq1, 9));
    let urgency = [urgency, Some((obr, 5))].into_iter().flatten();
    for (seg, field) in urgency {
        if let Some(priority) = seg.text(field).as_deref().and_then(terms::priority) {
            draft.put("priority", priority, seg, field);
            break;
        }
    }
    draft.put("code", code, obr, 4);
    draft.body.put("subject", chart.subject.reference());
    draft.body.maybe("encounter", chart.visit.map(Visit::reference));
    let planned = group.segs.iter().find(|seg| seg.name == "TQ1" && seg.filled(7)).copied();
    let planned =
        planned.map(|tq1| (tq1, 7)).or((obr.filled(36)).then_some((obr, 36))).or((obr.filled(6)).then_some((obr, 6)));
    if let Some((seg, field)) = planned {
        let at = ctx.when(seg, field);
        draft.maybe("occurrenceDateTime", at, seg, field);
    }
    if let Some(orc) = group.orc {
        let at = ctx.when(orc, 9);
        draft.maybe("authoredOn", at, orc, 9);
        let group = types::ei_number(orc.rep(4)).map(|number| types::identifier(&number, Some("PGN")));
        draft.maybe("requisition", group, orc, 4);
        match orc.text(1).as_deref() {
            Some("RP" | "RU") => ctx.replaced = Some(draft.reference()),
            Some("RO") => {
                if let Some(old) = ctx.replaced.take().filter(|old| *old != draft.reference()) {
                    draft.put("replaces", vec![Json::Object(Object::default().with("reference", old))], orc, 1);
                }
            }
            _ => {}
        }
    }
    let mut details = types::concepts(obr, 46);
    if !details.is_empty() {
        draft.came("orderDetail", obr, 46);
    }
    let further = types::concepts(obr, 47);
    if !further.is_empty() {
        draft.came("orderDetail", obr, 47);
    }
    details.extend(further);
    draft.body.list("orderDetail", details);
    let requester = group.orc.and_then(|orc| types::person(orc.rep(12)).map(|who| (who, orc, 12)));
    let requester = requester.or_else(|| types::person(obr.rep(16)).map(|who| (who, obr, 16)));
    if let Some((who, seg, field)) = requester {
        draft.put("requester", who, seg, field);
    }
    let mut reasons = types::concepts(obr, 31);
    if let Some(words) = obr.whole(13).filter(|_| reasons.is_empty()) {
        draft.put("reasonCode", vec![Json::Object(Object::default().with("text", words))], obr, 13);
    } else if !reasons.is_empty() {
        draft.put("reasonCode", std::mem::take(&mut reasons), obr, 31);
    }
    let drawn = specimens.iter().filter(|specimen| specimen.get("reference").is_some());
    draft.body.list("specimen", drawn.cloned().map(Json::Object).collect());
    let notes: Vec<&Seg<'_>> = notes_before_results(group);
    let mut annotations = observe::annotations(ctx, &mut draft, &notes);
    // Why an order was taken back or changed; FHIR has no element for it here.
    if let Some(orc) = group.orc
        && let Some(why) = types::concept(orc.rep(16)).as_ref().and_then(shown)
    {
        draft.came(&format!("note[{}]", annotations.len()), orc, 16);
        annotations.push(Object::default().with("text", why).into());
    }
    draft.body.list("note", annotations);
    let reference = draft.reference();
    ctx.emit(draft, Meet::Amend);
    reference
}

/// NTE between OBR and the first OBX are about the order as a whole.
fn notes_before_results<'s>(group: &Group<'s>) -> Vec<&'s Seg<'s>> {
    group
        .segs
        .iter()
        .take_while(|seg| !matches!(seg.name, "OBX" | "SPM"))
        .filter(|seg| seg.name == "NTE")
        .copied()
        .collect()
}

/// Results: DiagnosticReport with its Observations, or with its text where the report is prose.
fn report(ctx: &mut Context<'_>, study: &Study<'_>) {
    let Study { chart, group, before, obr, ref numbers } = *study;
    let key = numbers.result_key().unwrap_or_else(|| alone(ctx, obr, &numbers.code));
    let section = obr.text(24);
    let results = observe::results(&group.segs);
    let status = obr.text(25);
    let specimens = specimens(ctx, study, &key);
    let mut draft = Draft::new("DiagnosticReport", id_of("DiagnosticReport", &[&chart.subject.id, &key]));
    draft.list("identifier", numbers.identifiers(), obr, 3);
    let based_on = ordered(ctx, chart, numbers, status.as_deref());
    draft.body.list("basedOn", based_on.iter().cloned().map(Json::Object).collect());

    let taken = ctx.happened(obr, 7).map(|at| (at, obr, 7));
    let taken = taken.or_else(|| collected(ctx, group, before));
    let issued = ctx.instant(obr, 22).map(|at| (at, obr, 22));
    let mut around = Around {
        subject: chart.subject,
        visit: chart.visit,
        order: Some(&key),
        section: section.as_deref(),
        taken: taken.clone(),
        issued: issued.clone(),
        specimen: specimens.first().cloned(),
        belongs: Vec::new(),
    };
    around.belongs.extend(based_on.into_iter().next().map(|order| ("basedOn", order)));

    let prose = is_prose(section.as_deref(), &results);
    let mut references: Vec<Json> = Vec::new();
    let mut forms: Vec<Json> = Vec::new();
    let mut texts: Vec<String> = Vec::new();
    let mut conclusions: Vec<String> = Vec::new();
    let mut statuses: Vec<&str> = Vec::new();
    let mut only_vitals = true;
    for result in &results {
        let Some(obx) = result.lines.first().copied() else { continue };
        statuses.push(obx.text(11).as_deref().map_or("unknown", terms::observation_status));
        let kind = observe::value_type(obx);
        if observe::is_document(&kind) {
            if let Some(form) = value::attachment(ctx, obx) {
                draft.came(&format!("presentedForm[{}]", forms.len()), obx, 5);
                forms.push(form.into());
            }
        } else if prose || (!obx.filled(3) && (observe::is_text(&kind) || kind == "ST")) {
            let Some(text) = observe::text_of(result) else { continue };
            if is_conclusion(obx) || !prose {
                draft.came("conclusion", obx, 5);
                conclusions.push(text.clone());
            }
            texts.push(text);
            if prose {
                for nte in &result.notes {
                    if let Some(note) = observe::running_text(nte, 3) {
                        draft.came(&format!("presentedForm[{}]", forms.len()), nte, 3);
                        texts.push(note);
                    }
                }
            }
        } else if let Some(filed) = observe::observation(ctx, &around, result) {
            only_vitals &= filed.vital;
            references.push(Object::default().with("reference", filed.reference).into());
        }
    }
    if prose && !texts.is_empty() {
        for line in results
            .iter()
            .flat_map(|result| &result.lines)
            .filter(|obx| obx.filled(5) && !observe::is_document(&observe::value_type(obx)))
        {
            draft.came(&format!("presentedForm[{}]", forms.len()), line, 5);
        }
        forms.push(value::text_attachment(&texts.join("\n")).into());
    }
    for nte in notes_before_results(group) {
        if let Some(text) = observe::running_text(nte, 3) {
            draft.came("conclusion", nte, 3);
            conclusions.push(text);
        }
    }

    if only_vitals && !references.is_empty() && forms.is_empty() && conclusions.is_empty() {
        return; // a ward's measurements are observations; nobody reported on them
    }
    let said = status.as_deref().map(terms::report_status);
    draft.put("status", said.unwrap_or_else(|| overall(&statuses)), obr, 25);
    if let Some(section) = section.as_deref() {
        let category = types::coded(&terms::hl7("v2-0074"), section, terms::section_display(section));
        draft.put("category", vec![Json::Object(category)], obr, 24);
    }
    match types::concept(obr.rep(4)) {
        Some(code) => draft.put("code", code, obr, 4),
        None => {
            ctx.reject(obr, Some(4), "does not say what was examined");
            draft.body.put(
                "code",
                types::coded("http://terminology.hl7.org/CodeSystem/data-absent-reason", "unknown", Some("Unknown")),
            );
        }
    }
    draft.body.put("subject", chart.subject.reference());
    draft.body.maybe("encounter", chart.visit.map(Visit::reference));
    if let Some((start, seg, field)) = taken {
        match ctx.when(obr, 8).filter(|_| seg.name == "OBR") {
            Some(end) => {
                draft.came("effectivePeriod.end", obr, 8);
                draft.put("effectivePeriod", Object::default().with("start", start).with("end", end), seg, field);
            }
            None => draft.put("effectiveDateTime", start, seg, field),
        }
    }
    if let Some((at, seg, field)) = issued {
        draft.put("issued", at, seg, field);
    }
    let mut performers: Vec<Json> = Vec::new();
    if let Some(obx) =
        results.iter().find_map(|result| result.lines.first().filter(|obx| obx.rep(23).part(1).is_some()))
    {
        performers.extend(types::organisation(obx.rep(23).part(1)).map(Json::Object));
        draft.came("performer", obx, 23);
    }
    for field in [34, 35] {
        for who in obr.reps(field).filter_map(types::person_within) {
            draft.came(&format!("performer[{}]", performers.len()), obr, field);
            performers.push(who.into());
        }
    }
    draft.body.list("performer", performers);
    let mut interpreters: Vec<Json> = Vec::new();
    for field in [32, 33] {
        for who in obr.reps(field).filter_map(types::person_within) {
            draft.came(&format!("resultsInterpreter[{}]", interpreters.len()), obr, field);
            interpreters.push(who.into());
        }
    }
    draft.body.list("resultsInterpreter", interpreters);
    draft
        .body
        .list("specimen", specimens.into_iter().filter(|s| s.get("reference").is_some()).map(Json::Object).collect());
    draft.body.list("result", references);
    if !conclusions.is_empty() || !forms.is_empty() {
        // A report that is sent again is sent whole: its words take the place of the earlier ones.
        draft.forget("conclusion");
        draft.forget("presentedForm");
    }
    if !conclusions.is_empty() {
        draft.body.put("conclusion", conclusions.join("\n"));
    }
    draft.body.list("presentedForm", forms);
    ctx.emit(draft, Meet::Amend);
}

/// When the specimen was taken, from SPM-17, with the field.
fn collected<'s>(
    ctx: &mut Context<'_>,
    group: &Group<'s>,
    before: &[&'s Seg<'s>],
) -> Option<(String, &'s Seg<'s>, usize)> {
    let spm = group.segs.iter().chain(before).copied().find(|seg| seg.name == "SPM")?;
    let text = spm.rep(17).sub(1, 1)?;
    match super::time::date_time(&text, &ctx.settings.zone) {
        Ok(at) => Some((at, spm, 17)),
        Err(why) => {
            ctx.reject(spm, Some(17), format!("{}; it is left out", why.reason()));
            None
        }
    }
}

/// Status of a report that does not say: that of its results where they agree.
fn overall(statuses: &[&str]) -> &'static str {
    let all = |known: &[&str]| !statuses.is_empty() && statuses.iter().all(|status| known.contains(status));
    if all(&["final"]) {
        "final"
    } else if all(&["final", "corrected", "amended"]) {
        "corrected"
    } else if all(&["cancelled"]) {
        "cancelled"
    } else if statuses.contains(&"preliminary") {
        "preliminary"
    } else {
        "unknown"
    }
}

/// The order this result answers. One that the record holds is linked, and is done when its results are final.
fn ordered(ctx: &mut Context<'_>, chart: Chart<'_>, numbers: &Numbers, status: Option<&str>) -> Vec<Object> {
    let Some(key) = numbers.order_key() else { return Vec::new() };
    let id = id_of("ServiceRequest", &[&chart.subject.id, &key]);
    if let Some(known) = ctx.known("ServiceRequest", &id) {
        let done = matches!(status, Some("F" | "C"));
        if done && known.text("status").as_deref() == Some("active") {
            let mut draft = Draft::new("ServiceRequest", id.clone());
            draft.body.put("status", "completed");
            ctx.emit(draft, Meet::Amend);
        }
        return vec![Object::default().with("reference", format!("ServiceRequest/{id}"))];
    }
    let identifier = numbers.placer.as_ref().map(|n| types::identifier(n, Some("PLAC")));
    identifier.map(|id| Object::default().with("type", "ServiceRequest").with("identifier", id)).into_iter().collect()
}

/// Whether the results are one text and not values: images, pathology, letters.
fn is_prose(section: Option<&str>, results: &[observe::Result<'_>]) -> bool {
    let kinds: Vec<String> =
        results.iter().filter_map(|r| r.lines.first()).map(|obx| observe::value_type(obx)).collect();
    let written = |kind: &String| observe::is_text(kind) || observe::is_document(kind);
    if !kinds.iter().any(written) {
        return false;
    }
    let pathology = matches!(section, Some("SP" | "CP"));
    match section.and_then(terms::section) {
        Some(("laboratory" | "vital-signs", _)) if !pathology => false,
        Some(_) => kinds.iter().all(|kind| written(kind) || kind == "ST"),
        // No section: prose looks like prose.
        None => {
            let long = |r: &observe::Result<'_>| {
                r.lines.len() > 1 || observe::text_of(r).is_some_and(|t| t.chars().count() > 100)
            };
            kinds.iter().all(written) && (results.len() == 1 || results.iter().any(long))
        }
    }
}

/// Whether the OBX carries the reader's impression: LOINC 19005-8, or the `IMP` suffix of HL7 v2 chapter 7.
fn is_conclusion(obx: &Seg<'_>) -> bool {
    let code = obx.rep(3);
    let says = |text: Option<String>| {
        text.is_some_and(|text| {
            let text = text.to_lowercase();
            ["impression", "conclusion", "결론", "판독소견", "진단"].iter().any(|word| text.contains(word))
        })
    };
    code.part(1).as_deref() == Some("19005-8") || code.sub(1, 2).as_deref() == Some("IMP") || says(code.part(2))
}

/// The specimens of a group, or the one that stands before it; older messages name it in OBR-15.
fn specimens(ctx: &mut Context<'_>, study: &Study<'_>, key: &str) -> Vec<Object> {
    let Study { chart, group, before, obr, .. } = *study;
    let mut out = Vec::new();
    for spm in before.iter().chain(&group.segs).filter(|seg| seg.name == "SPM") {
        let number = [1, 2].into_iter().find_map(|n| {
            let rep = spm.rep(2);
            let system = types::authority(rep.sub(n, 2).as_deref(), rep.sub(n, 3).as_deref(), rep.sub(n, 4).as_deref());
            Some((system, rep.sub(n, 1)?))
        });
        if ![2, 4, 6, 7, 8, 12, 14, 17, 18, 20, 21, 24, 30].iter().any(|field| spm.filled(*field)) {
            ctx.reads(spm);
            continue; // a number in a row says nothing about a specimen
        }
        let own = format!("{key}\u{1e}{}", spm.text(1).unwrap_or_else(|| spm.nth.to_string()));
        let own = number.as_ref().map_or(own, number_key);
        let mut draft = Draft::new("Specimen", id_of("Specimen", &[&chart.subject.id, &own]));
        draft.list("identifier", number.iter().map(|n| types::identifier(n, None).into()).collect(), spm, 2);
        let kind = types::concept(spm.rep(4));
        let named = kind.as_ref().and_then(shown);
        draft.maybe("type", kind, spm, 4);
        draft.body.put("subject", chart.subject.reference());
        let received = ctx.when(spm, 18);
        draft.maybe("receivedTime", received, spm, 18);
        let mut collection = Object::default();
        let drawn = spm.rep(17);
        match types::time_period(drawn.sub(1, 1), drawn.part(2), &ctx.settings.zone) {
            Ok(Some(mut period)) => match (period.take("end"), period.take("start")) {
                (Some(end), start) => {
                    let mut both = Object::default();
                    both.maybe("start", start);
                    collection.put("collectedPeriod", both.with("end", end));
                }
                (None, start) => collection.maybe("collectedDateTime", start),
            },
            Ok(None) => {}
            Err(why) => ctx.reject(spm, Some(17), format!("{}; it is left out", why.reason())),
        }
        collection.maybe("method", types::concept(spm.rep(7)));
        collection.maybe("bodySite", types::concept(spm.rep(8)));
        let amount = spm.rep(12).part(1).as_deref().and_then(Json::number);
        let unit = types::unit_within(spm.rep(12));
        collection.maybe("quantity", amount.map(|amount| types::quantity(amount, None, unit.as_ref())));
        if !collection.is_empty() {
            draft.put("collection", collection, spm, 17);
        }
        draft.list("condition", types::concepts(spm, 24), spm, 24);
        let mut notes: Vec<Json> = Vec::new();
        if let Some(text) = spm.whole(14) {
            draft.came("note[0]", spm, 14);
            notes.push(Object::default().with("text", text).into());
        }
        // Why the laboratory turned it away.
        let rejected: Vec<String> =
            spm.reps(21).filter_map(types::concept).filter_map(|reason| shown(&reason)).collect();
        if !rejected.is_empty() {
            draft.came(&format!("note[{}]", notes.len()), spm, 21);
            notes.push(Object::default().with("text", rejected.join("\n")).into());
        }
        draft.body.list("note", notes);
        let status = match spm.text(20).as_deref() {
            _ if spm.filled(21) => Some(("unsatisfactory", 21)),
            Some("Y") => Some(("available", 20)),
            Some("N") => Some(("unavailable", 20)),
            _ => None,
        };
        if let Some((status, field)) = status {
            draft.put("status", status, spm, field);
        }
        let accession = types::ei_number(spm.rep(30)).map(|number| types::identifier(&number, None));
        draft.maybe("accessionIdentifier", accession, spm, 30);
        let additives = types::concepts(spm, 6);
        if let Some(additive) = additives.into_iter().next() {
            let container = Object::default().with("additiveCodeableConcept", additive);
            draft.put("container", vec![Json::Object(container)], spm, 6);
        }
        let mut reference = Object::default().with("reference", draft.reference());
        reference.maybe("display", named);
        out.push(reference);
        ctx.emit(draft, Meet::Amend);
    }
    if out.is_empty() {
        let source = obr.rep(15);
        let name = source.sub(1, 2).or_else(|| source.sub(1, 1));
        out.extend(name.map(|name| Object::default().with("display", name)));
    }
    out
}

/// What a concept is called.
pub(super) fn shown(concept: &Object) -> Option<String> {
    concept.text("text").or_else(|| {
        let codings = concept.get("coding").cloned()?.into_items();
        let first = codings.into_iter().next()?.into_object()?;
        first.text("display").or_else(|| first.text("code"))
    })
}
