//! Whose a chart is: merges (MRG), links, their taking back, and visits that go to another patient or get another number.
//!
//! Source: HL7 v2.5.1 chapter 3, events A17 to A51. What one message can show is made into resources here; what needs the
//! whole record (every resource of a visit) becomes a [`Change`] that the writer carries out.

use super::context::{Context, Draft, Meet, id_of, number_key};
use super::json::{Json, Object};
use super::message::{Rep, Seg};
use super::patient::{Subject, default_system, subject};
use super::types::Number;
use super::{Change, types};

/// What an event does with a merge segment.
enum Event {
    /// MRG-1's chart is part of PID-3's from now on.
    Merges,
    /// The visit in MRG-5 goes to, or is from now on, the one in PV1-19.
    Visit,
    /// The same by the alternate number, MRG-6 and PV1-50.
    AlternateVisit,
    /// The account in MRG-3 goes to, or is from now on, the one in PID-18.
    Account,
    /// The other number (PID-4) was MRG-2 before.
    AlternateNumber,
    /// Nothing that is known.
    Unknown,
}

fn event(trigger: &str) -> Event {
    match trigger {
        // A18, A30, A34, A36 and A39 are the older forms. A43 moves a number to another person and A46 and A47 change it:
        // for a chart that is kept by number all of them join the two numbers' charts.
        "A18" | "A30" | "A34" | "A36" | "A39" | "A40" | "A43" | "A46" | "A47" => Event::Merges,
        "A42" | "A45" | "A50" => Event::Visit,
        "A51" => Event::AlternateVisit,
        "A35" | "A41" | "A44" | "A49" => Event::Account,
        "A48" => Event::AlternateNumber,
        _ => Event::Unknown,
    }
}

/// MRG after the PID (and perhaps the PV1) that it speaks of.
pub(super) fn merge(ctx: &mut Context<'_>, into: &Subject, pid: &Seg<'_>, pv1: Option<&Seg<'_>>, mrg: &Seg<'_>) {
    match event(&ctx.trigger) {
        Event::Merges => numbers(ctx, into, mrg),
        Event::Visit => {
            let old = number(ctx, mrg.rep(5));
            let new = pv1.and_then(|pv1| number(ctx, pv1.rep(19)));
            visit(ctx, into, mrg, 5, "PV1-19", old.as_ref().map(number_key), new);
        }
        Event::AlternateVisit => {
            let old = number(ctx, mrg.rep(6));
            let new = pv1.and_then(|pv1| number(ctx, pv1.rep(50)));
            visit(ctx, into, mrg, 6, "PV1-50", old.as_ref().map(number_key), new);
        }
        Event::Account => {
            let key = |number: &Number| format!("account {}", number_key(number));
            let old = number(ctx, mrg.rep(3));
            // The visit's own number, where the message has it, is what the record keeps visits by.
            let named = pv1.and_then(|pv1| number(ctx, pv1.rep(19)));
            match (named, number(ctx, pid.rep(18))) {
                (Some(named), _) => visit(ctx, into, mrg, 3, "PV1-19", Some(number_key(&named)), Some(named)),
                (None, Some(new)) => {
                    let to = key(&new);
                    transfer(ctx, into, mrg, 3, old.as_ref().map(key), Some((to, None)));
                }
                (None, None) => visit(ctx, into, mrg, 3, "PV1-19 or PID-18", old.as_ref().map(key), None),
            }
        }
        Event::AlternateNumber => alternate(ctx, into, mrg),
        Event::Unknown => {
            ctx.reject(mrg, Some(1), "this event does not say what to do with a merge segment; it is left out");
        }
    }
}

fn number(ctx: &Context<'_>, rep: Rep<'_>) -> Option<Number> {
    let (system, value) = types::cx_number(rep)?;
    Some((system.or_else(|| default_system(ctx)), value))
}

/// The numbers in MRG-1 (and MRG-4) belong to the patient of PID from now on.
fn numbers(ctx: &mut Context<'_>, into: &Subject, mrg: &Seg<'_>) {
    let mut old: Vec<Number> = Vec::new();
    for rep in mrg.reps(1).chain(mrg.reps(4)) {
        if let Some(number) = number(ctx, rep)
            && !number.1.contains(char::REPLACEMENT_CHARACTER)
            && !old.contains(&number)
        {
            old.push(number);
        }
    }
    if old.is_empty() {
        return ctx.reject(mrg, Some(1), "names no patient to merge; nothing was merged");
    }
    let others: Vec<Number> = old.into_iter().filter(|number| *number != into.number).collect();
    if others.is_empty() {
        return ctx.reject(mrg, Some(1), "names the same number as PID-3; nothing was merged");
    }
    for number in others {
        let from = subject(number);
        let mut draft = Draft::new("Patient", from.id.clone());
        draft.list("identifier", vec![types::identifier(&from.number, Some("MR")).into()], mrg, 1);
        draft.put("active", false, mrg, 1);
        let link = Object::default().with("other", into.reference()).with("type", "replaced-by");
        draft.put("link", vec![Json::Object(link)], mrg, 1);
        ctx.emit(draft, Meet::Amend);
        ctx.change(Change::Merge { from: from.id, into: into.id.clone() });
    }
}

/// MRG-2: the number that PID-4 replaces stays one of the patient's, as an old one.
fn alternate(ctx: &mut Context<'_>, of: &Subject, mrg: &Seg<'_>) {
    let Some(old) = number(ctx, mrg.rep(2)) else {
        return ctx.reject(mrg, Some(2), "names no former alternate number; nothing was changed");
    };
    let mut draft = Draft::new("Patient", of.id.clone());
    let identifier = Object::default().with("use", "old");
    let mut identifier = identifier.with("value", old.1.as_str());
    identifier.maybe("system", old.0);
    draft.list("identifier", vec![identifier.into()], mrg, 2);
    ctx.emit(draft, Meet::Amend);
}

fn visit(
    ctx: &mut Context<'_>,
    to: &Subject,
    mrg: &Seg<'_>,
    field: usize,
    named: &str,
    old: Option<String>,
    new: Option<Number>,
) {
    match new {
        Some(new) => {
            let key = number_key(&new);
            transfer(ctx, to, mrg, field, old, Some((key, Some(new))));
        }
        None => ctx.reject(mrg, Some(field), format!("{named} does not say which visit it is now; nothing was moved")),
    }
}

/// The visit with the key `old` of MRG-1's patient (the same one, if MRG-1 is empty) becomes the visit `new` of `to`.
fn transfer(
    ctx: &mut Context<'_>,
    to: &Subject,
    mrg: &Seg<'_>,
    field: usize,
    old: Option<String>,
    new: Option<(String, Option<Number>)>,
) {
    let from = number(ctx, mrg.rep(1)).map_or_else(|| to.clone(), subject);
    let (Some((new, number)), Some(old)) = (new, old) else {
        return ctx.reject(mrg, Some(field), "does not say which visit it was; nothing was moved");
    };
    let (old, new) = (id_of("Encounter", &[&from.id, &old]), id_of("Encounter", &[&to.id, &new]));
    if old == new {
        return ctx.reject(mrg, Some(field), "names the visit as it is already; nothing was moved");
    }
    let Some(mut stored) = ctx.known("Encounter", &old) else {
        return ctx.reject(mrg, Some(field), "names a visit that the record does not have; nothing was moved");
    };
    if stored.text("status").as_deref() == Some("entered-in-error") {
        return ctx.reject(mrg, Some(field), "names a visit that was moved or deleted before; nothing was moved");
    }
    // The visit itself is made here, so that the next message finds it; what belongs to it follows when it is written.
    stored.take("resourceType");
    stored.take("id");
    stored.take("subject");
    let mut stands = Draft::new("Encounter", new.clone());
    stands.body.maybe("status", stored.get("status").cloned());
    let mut moved = Draft::new("Encounter", new.clone());
    for (key, value) in stored.into_fields() {
        moved.body.put(key, value);
    }
    moved.body.put("subject", to.reference());
    if let Some(number) = number {
        let items = moved.body.take("identifier").map(Json::into_items).unwrap_or_default();
        let mut identifiers = vec![types::identifier(&number, Some("VN")).into()];
        identifiers.extend(items.into_iter().filter(|item| {
            item.clone().into_object().is_none_or(|item| item.text("value").as_deref() != Some(number.1.as_str()))
        }));
        moved.put("identifier", identifiers, mrg, field);
    } else {
        moved.came("identifier", mrg, field);
    }
    // What this message has said of the visit already stands over what was stored.
    ctx.emit(moved, Meet::Fill);
    // The event changes whose the visit is, not how it stands.
    ctx.emit(stands, Meet::Amend);
    let mut gone = Draft::new("Encounter", old.clone());
    gone.put("status", "entered-in-error", mrg, field);
    ctx.emit(gone, Meet::Amend);
    ctx.change(Change::Move { visit: old, from: from.id, to_visit: new, to: to.id.clone() });
}

/// A24: two patients who are to be seen together and stay two.
pub(super) fn link(ctx: &mut Context<'_>, subjects: &[Subject], pids: &[&Seg<'_>]) {
    let Some((one, other, pid)) = pair(ctx, subjects, pids) else { return };
    for (this, that) in [(one, other), (other, one)] {
        let mut links = links_of(ctx, this, that, |_| true);
        links.push(Object::default().with("other", that.reference()).with("type", "seealso").into());
        let mut draft = Draft::new("Patient", this.id.clone());
        draft.put("link", links, pid, 3);
        ctx.emit(draft, Meet::Amend);
    }
}

/// A37: the two are no longer linked; if one had been merged into the other, they are two again.
pub(super) fn unlink(ctx: &mut Context<'_>, subjects: &[Subject], pids: &[&Seg<'_>]) {
    let Some((one, other, pid)) = pair(ctx, subjects, pids) else { return };
    let mut found = false;
    for (this, that) in [(one, other), (other, one)] {
        let mut merged = false;
        let kept = links_of(ctx, this, that, |kind| {
            found = true;
            merged |= kind == "replaced-by";
            false
        });
        if ctx.known("Patient", &this.id).is_none_or(|known| known.get("link").is_none()) {
            continue;
        }
        let mut draft = Draft::new("Patient", this.id.clone());
        draft.forget("link");
        draft.list("link", kept, pid, 3);
        if merged {
            draft.put("active", true, pid, 3);
            ctx.change(Change::Unmerge { from: this.id.clone(), into: that.id.clone() });
        }
        ctx.emit(draft, Meet::Amend);
    }
    if !found {
        ctx.reject(pid, Some(3), "the two patients are neither linked nor merged here; nothing was changed");
    }
}

fn pair<'a>(
    ctx: &mut Context<'_>,
    subjects: &'a [Subject],
    pids: &[&'a Seg<'a>],
) -> Option<(&'a Subject, &'a Subject, &'a Seg<'a>)> {
    match (subjects, pids) {
        ([one, other], [_, pid]) if one.id != other.id => Some((one, other, pid)),
        (_, [.., pid]) => {
            ctx.reject(pid, Some(3), "two different patients are needed, one PID each; nothing was linked or unlinked");
            None
        }
        _ => None,
    }
}

/// The links of a patient without those to `other` whose kind `keep` does not want; one that says the same is dropped too.
fn links_of(ctx: &Context<'_>, of: &Subject, other: &Subject, mut keep: impl FnMut(&str) -> bool) -> Vec<Json> {
    let links = ctx.known("Patient", &of.id).and_then(|mut known| known.take("link"));
    let links = links.map(Json::into_items).unwrap_or_default();
    links
        .into_iter()
        .filter(|item| {
            let Some(link) = item.clone().into_object() else { return true };
            let kind = link.text("type").unwrap_or_default();
            !points_at(&link, &other.id) || (keep(&kind) && kind != "seealso")
        })
        .collect()
}

fn points_at(link: &Object, id: &str) -> bool {
    let other = link.get("other").cloned().and_then(Json::into_object);
    other.and_then(|other| other.text("reference")).is_some_and(|reference| ends_in(&reference, id))
}

/// Whether a reference, relative, absolute or `urn:uuid:`, names this id.
fn ends_in(reference: &str, id: &str) -> bool {
    reference.strip_suffix(id).is_some_and(|head| head.ends_with(['/', ':']))
}

/// A Patient resource without its `replaced-by` or `replaces` link to `other`, and active again if it was the replaced one.
/// `None` if it has no such link.
pub(crate) fn parted(patient: &[u8], other: &str) -> Option<Vec<u8>> {
    let mut patient = Object::parse(patient)?;
    let links = patient.take("link").map(Json::into_items)?;
    let before = links.len();
    let mut replaced = false;
    let kept: Vec<Json> = links
        .into_iter()
        .filter(|item| {
            let Some(link) = item.clone().into_object().filter(|link| points_at(link, other)) else { return true };
            let kind = link.text("type").unwrap_or_default();
            replaced |= kind == "replaced-by";
            !matches!(kind.as_str(), "replaced-by" | "replaces")
        })
        .collect();
    if kept.len() == before {
        return None;
    }
    patient.list("link", kept);
    if replaced {
        patient.put("active", true);
    }
    Some(patient.to_bytes())
}
