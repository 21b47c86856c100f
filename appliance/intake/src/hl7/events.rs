//! The walk over a message: patient by patient, order by order, each segment to the module that knows it.
//!
//! Segments mean the same in every message type, so one walk serves all; the type and the event decide details where
//! the modules ask for them.

use haechi_record::chart::Rejected;

use super::clinical;
use super::context::Context;
use super::message::{Message, Refused, Seg, problem};
use super::observe::{self, Around};
use super::order::{self, Chart, Group};
use super::patient::{self, Subject};
use super::types;
use super::visit;
use super::{Change, document, guarantor, identity, kept, medicine, schedule, vaccine};

/// Message types that are read (MSH-9.1).
const KINDS: [&str; 22] = [
    "ADT", "ORU", "OUL", "ORM", "OMG", "OML", "OMI", "OMP", "OMD", "OMN", "OMS", "RDE", "RDS", "RAS", "RGV", "MDM",
    "VXU", "SIU", "DFT", "BAR", "REF", "PPR",
];

/// Whether messages of this type and event (MSH-9.1 and MSH-9.2 in capitals) are filed: the two halves of the answer.
#[must_use]
pub fn reads(kind: &str, trigger: &str) -> (bool, bool) {
    (KINDS.contains(&kind), !is_linking(kind, trigger))
}

/// A24 and A37 link and unlink patients without merging them, which is not applied.
fn is_linking(kind: &str, trigger: &str) -> bool {
    kind == "ADT" && matches!(trigger, "A24" | "A37")
}

/// Maps the whole message into the context; its (first) patient.
///
/// # Errors
/// The whole message is refused: a type that is not read, or a patient that is not named.
pub(super) fn file(ctx: &mut Context<'_>, message: &Message<'_>, bytes: &[u8]) -> Result<Option<Subject>, Refused> {
    let segs: Vec<&Seg<'_>> = message.segments.iter().collect();
    check_type(ctx, segs.first().copied())?;
    let (head, people) = by_patient(&segs);
    if people.is_empty() {
        let rejected = problem(1, "PID[1]", Some("PID-3"), "the message has no PID segment, so it names no patient");
        return Err(Box::new(Rejected { resource: ctx.named(), ..rejected }));
    }
    // Every identity first: one that is missing refuses the message before anything of it is kept.
    let mut subjects: Vec<Subject> = Vec::new();
    for segs in &people {
        if let Some(pid) = segs.first() {
            subjects.push(patient::identify(ctx, pid)?);
        }
    }
    let evn = head.iter().copied().find(|seg| seg.name == "EVN");
    for (segs, subject) in people.iter().zip(&subjects) {
        one_patient(ctx, subject, segs, evn);
    }
    let pids: Vec<&Seg<'_>> = people.iter().filter_map(|segs| segs.first().copied()).collect();
    match ctx.trigger.as_str() {
        "A24" if ctx.is_adt() => identity::link(ctx, &subjects, &pids),
        "A37" if ctx.is_adt() => identity::unlink(ctx, &subjects, &pids),
        _ => {}
    }
    if let Some(sch) = segs.iter().copied().find(|seg| seg.name == "SCH") {
        schedule::appointment(ctx, &subjects, sch, &segs);
    }
    let raw = |seg: &Seg<'_>| {
        let next = segs.iter().map(|other| other.line).find(|line| *line > seg.line);
        Some(kept::lines(bytes, seg.line, next))
    };
    for (at, (own, subject)) in people.iter().zip(&subjects).enumerate() {
        let before: &[&Seg<'_>] = if at == 0 { &head } else { &[] };
        let all: Vec<&Seg<'_>> = before.iter().chain(own).copied().collect();
        kept::keep(ctx, subject, &all, &raw);
    }
    Ok(subjects.into_iter().next())
}

fn check_type(ctx: &Context<'_>, msh: Option<&Seg<'_>>) -> Result<(), Refused> {
    let line = msh.map_or(1, |msh| msh.line);
    let reason = match ctx.kind.as_str() {
        "" => "the message type is missing".to_owned(),
        "ACK" | "ORR" | "RRE" | "ORL" | "ORG" | "RRD" | "MCF" => {
            "an acknowledgement or answer has nothing to file".to_owned()
        }
        kind if KINDS.contains(&kind) => return Ok(()),
        // The type is three letters of a published table; anything else may be data and is not repeated.
        kind if kind.len() == 3 && kind.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            format!("message type {kind} is not read")
        }
        _ => "the message type is none that is known".to_owned(),
    };
    Err(Box::new(Rejected { resource: ctx.named(), ..problem(line, "MSH[1]", Some("MSH-9"), reason) }))
}

/// What stands before the first PID, and each PID with what follows it.
fn by_patient<'s>(segs: &[&'s Seg<'s>]) -> (Vec<&'s Seg<'s>>, Vec<Vec<&'s Seg<'s>>>) {
    let mut head = Vec::new();
    let mut people: Vec<Vec<&Seg<'_>>> = Vec::new();
    for seg in segs {
        match people.last_mut() {
            _ if seg.name == "PID" => people.push(vec![seg]),
            Some(person) => person.push(seg),
            None => head.push(*seg),
        }
    }
    (head, people)
}

fn one_patient(ctx: &mut Context<'_>, subject: &Subject, segs: &[&Seg<'_>], evn: Option<&Seg<'_>>) {
    let Some(pid) = segs.first().copied() else { return };
    let more: Vec<&Seg<'_>> = segs.iter().copied().filter(|seg| matches!(seg.name, "PD1" | "NK1")).collect();
    patient::patient(ctx, subject, pid, &more);
    let mut visit = None;
    let mut visits = segs.iter().filter(|seg| seg.name == "PV1").peekable();
    let pv2_of = |pv1: &Seg<'_>, next: Option<&&&Seg<'_>>| {
        let ours = |line| line > pv1.line && next.is_none_or(|next| line < next.line);
        segs.iter().copied().find(|seg| seg.name == "PV2" && ours(seg.line))
    };
    // Diagnoses and the like may stand before PV1; those of later visits (earlier results in orders) stand after theirs.
    if let Some(pv1) = visits.next() {
        visit = visit::visit(ctx, subject, pid, pv1, pv2_of(pv1, visits.peek()), evn);
    }

    // In OUL and in specimen-centred orders SPM opens what follows; elsewhere it closes what it follows.
    let specimen_first = ctx.kind == "OUL" || (ctx.kind == "OML" && matches!(ctx.trigger.as_str(), "O33" | "O35"));
    let mut specimen: Vec<&Seg<'_>> = Vec::new();
    let mut loose: Vec<&Seg<'_>> = Vec::new();
    let mut open: Option<Group<'_>> = None;
    let mut diagnoses = Vec::new();
    let mut first = true;
    // Whether a PRT here is about the patient or the visit.
    let mut of_person = true;
    for seg in segs {
        if seg.name != "PRT" {
            of_person = matches!(seg.name, "PID" | "PD1" | "ARV" | "NK1" | "ROL" | "PV1" | "PV2");
        }
        let chart = Chart { subject, visit: visit.as_ref() };
        if seg.name == "PV1" && !std::mem::take(&mut first) {
            close(ctx, chart, &mut open, &specimen);
            unordered(ctx, chart, &std::mem::take(&mut loose));
            visit::diagnosed(ctx, visit.as_ref(), std::mem::take(&mut diagnoses));
            if let Some(pv1) = visits.next() {
                visit = visit::visit(ctx, subject, pid, pv1, pv2_of(pv1, visits.peek()), None);
            }
            continue;
        }
        let opens = match (seg.name, &open) {
            ("ORC", Some(group)) => !(specimen_first && group.orc.is_none() && has(group, "OBR") && !has(group, "OBX")),
            ("ORC", None) => true,
            ("OBR", Some(group)) => has(group, "OBR") || has(group, "TXA"),
            ("OBR" | "RXO" | "RXE" | "RXA" | "RXD", None) => true,
            ("RXO", Some(group)) => has(group, "RXO") || has(group, "RXE"),
            ("RXE", Some(group)) => has(group, "RXE"),
            // Without ORC (version 2.3) each RXA is an administration of its own.
            ("RXA", Some(group)) => ctx.kind == "VXU" && has(group, "RXA"),
            _ => false,
        };
        if seg.name == "SPM" && specimen_first {
            close(ctx, chart, &mut open, &specimen);
            specimen = vec![seg];
            continue;
        }
        if opens {
            // A document that stands between ORC and its OBR does not take the ORC away.
            let between = open.as_ref().is_some_and(|group| has(group, "TXA") && !has(group, "OBR"));
            let orc = if between { open.as_mut().and_then(|group| group.orc.take()) } else { None };
            close(ctx, chart, &mut open, &specimen);
            open = Some(match seg.name {
                "ORC" => Group { orc: Some(seg), segs: Vec::new() },
                _ => Group { orc, segs: vec![seg] },
            });
            continue;
        }
        match (seg.name, &mut open) {
            ("AL1", _) => clinical::allergy(ctx, subject, seg),
            ("IAM", _) => clinical::adverse_reaction(ctx, subject, seg),
            ("DG1", _) => {
                diagnoses.extend(clinical::diagnosis(ctx, subject, visit.as_ref(), seg).map(super::json::Json::Object));
            }
            ("PRB", _) => clinical::problem(ctx, subject, visit.as_ref(), seg),
            ("PR1", _) => clinical::procedure(ctx, subject, visit.as_ref(), seg),
            ("IN1", _) => clinical::coverage(ctx, subject, seg),
            ("GT1", _) => guarantor::guarantor(ctx, subject, seg),
            // Of an order, a result or a procedure it tells who did that: it is kept word for word.
            ("PRT", None) if of_person => {
                visit::role(ctx, subject, visit.as_ref().filter(|_| !first), seg);
            }
            ("ROL", _) => visit::role(ctx, subject, visit.as_ref().filter(|_| !first), seg),
            ("MRG", _) => {
                let pv1 = segs.iter().copied().find(|seg| seg.name == "PV1");
                identity::merge(ctx, subject, pid, pv1, seg);
            }
            ("ORC", Some(group)) => group.orc = Some(seg),
            (
                "OBX" | "NTE" | "TQ1" | "SPM" | "OBR" | "RXR" | "RXC" | "RXE" | "RXO" | "RXD" | "RXA" | "TXA",
                Some(group),
            ) => {
                group.segs.push(seg);
            }
            ("OBX" | "NTE", None) => loose.push(seg),
            ("TXA", None) => open = Some(Group { orc: None, segs: vec![seg] }),
            _ => {}
        }
    }
    let chart = Chart { subject, visit: visit.as_ref() };
    close(ctx, chart, &mut open, &specimen);
    unordered(ctx, chart, &loose);
    visit::diagnosed(ctx, visit.as_ref(), diagnoses);
}

fn has(group: &Group<'_>, name: &str) -> bool {
    group.segs.iter().any(|seg| seg.name == name)
}

/// The group is whole: to the module that knows its detail segment.
fn close(ctx: &mut Context<'_>, chart: Chart<'_>, open: &mut Option<Group<'_>>, specimen: &[&Seg<'_>]) {
    let Some(mut group) = open.take() else { return };
    if has(&group, "TXA") {
        document::document(ctx, chart, &group);
        // In MDM the orders before TXA are the ones that the document is about; its OBX are the document.
        let txa = group.segs.iter().position(|seg| seg.name == "TXA").unwrap_or_default();
        group.segs.truncate(txa);
    }
    if !has(&group, "OBR") && ctx.kind != "VXU" {
        // What was measured around an order of medicine, or around one that cannot be filed, stands by itself.
        let loose: Vec<&Seg<'_>> = observations(&group);
        group.segs.retain(|seg| !loose.iter().any(|taken| std::ptr::eq(*taken, *seg)));
        unordered(ctx, chart, &loose);
    }
    if has(&group, "RXA") && ctx.kind == "VXU" {
        vaccine::immunization(ctx, chart, &group);
    } else if ["RXO", "RXE", "RXD", "RXA"].iter().any(|name| has(&group, name)) {
        medicine::medication(ctx, chart, &group);
    } else if has(&group, "OBR") {
        order::observation_order(ctx, chart, &group, specimen);
    } else if let Some(orc) = group.orc
        && ctx.kind != "MDM"
    {
        ctx.want(orc);
        let Some((standing, _)) = order::standing(Some(orc)).filter(|(order, _)| *order != super::terms::Order::Active)
        else {
            let reason =
                "an order without a detail segment (OBR, RXO, RXE) that is read; the segment is kept as it was sent";
            return ctx.reject(orc, Some(1), reason);
        };
        // Taken back or stopped by its number alone.
        let Some(number) = [2, 3].into_iter().find_map(|field| types::ei_number(orc.rep(field))) else {
            return ctx.reject(orc, Some(2), "stops or changes an order without its number; the order stays as it was");
        };
        ctx.change(Change::Order {
            patient: chart.subject.id.clone(),
            number,
            request: standing.request(),
            medication: standing.medication(),
        });
    }
}

/// The OBX of a group with the NTE that follow them.
fn observations<'s>(group: &Group<'s>) -> Vec<&'s Seg<'s>> {
    let from = group.segs.iter().position(|seg| seg.name == "OBX").unwrap_or(group.segs.len());
    let mut within = false;
    let mut out = Vec::new();
    for seg in group.segs.iter().skip(from) {
        within = seg.name == "OBX" || (within && seg.name == "NTE");
        if within {
            out.push(*seg);
        }
    }
    out
}

/// OBX outside orders: measurements at registration, answers, documents.
fn unordered(ctx: &mut Context<'_>, chart: Chart<'_>, loose: &[&Seg<'_>]) {
    let around = Around {
        subject: chart.subject,
        visit: chart.visit,
        order: None,
        section: None,
        taken: None,
        issued: None,
        specimen: None,
        belongs: Vec::new(),
    };
    for result in observe::results(loose) {
        let Some(obx) = result.lines.first().copied() else { continue };
        if observe::is_document(&observe::value_type(obx)) {
            document::stray(ctx, chart, &result);
            continue;
        }
        observe::observation(ctx, &around, &result);
    }
}
