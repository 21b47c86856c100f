//! Who the message is about: PID, PD1 and NK1 to Patient.

use haechi_record::chart::Rejected;

use super::context::{Context, Draft, id_of};
use super::json::{Json, Object};
use super::message::{Refused, Rep, Seg, problem};
use super::types::Number;
use super::{terms, time, types};

/// The patient that the segments belong to.
#[derive(Clone)]
pub(super) struct Subject {
    /// Logical id.
    pub(super) id: String,
    /// The number that the id derives from.
    pub(super) number: Number,
}

impl Subject {
    /// `{"reference": "Patient/…"}`.
    pub(super) fn reference(&self) -> Object {
        Object::default().with("reference", format!("Patient/{}", self.id))
    }
}

/// The system for numbers whose sender left the assigning authority empty: the site's setting, else the sending facility.
pub(super) fn default_system(ctx: &Context<'_>) -> Option<String> {
    let set = ctx.settings.assigning_authority.trim();
    if set.is_empty() {
        return ctx.facility.as_deref().map(terms::uri);
    }
    super::assigned_system(set)
}

/// Identifier types (table 0203) by how well they name one chart.
fn rank(kind: Option<&str>) -> u8 {
    match kind {
        Some("MR") => 0,
        Some("PI" | "PT" | "PN" | "MRN") => 1,
        None => 2,
        Some("SS" | "DL" | "PPN" | "AN" | "NI" | "NIIP" | "SB" | "VN") => 4,
        Some(_) => 3,
    }
}

/// The one number that names the patient, from the repetitions of the given fields in their order.
fn number(ctx: &Context<'_>, seg: &Seg<'_>, fields: &[usize]) -> Option<Number> {
    for field in fields {
        let mut best: Option<(u8, Number)> = None;
        for rep in seg.reps(*field) {
            let Some((system, value)) = types::cx_number(rep) else { continue };
            let rank = rank(rep.part(5).as_deref());
            if best.as_ref().is_none_or(|(least, _)| rank < *least) {
                best = Some((rank, (system.or_else(|| default_system(ctx)), value)));
            }
        }
        if let Some((_, number)) = best {
            return Some(number);
        }
    }
    None
}

/// Who the patient is, from PID.
///
/// # Errors
/// No usable number: the whole message is refused, because nothing in it may land in a wrong chart.
pub(super) fn identify(ctx: &Context<'_>, pid: &Seg<'_>) -> Result<Subject, Refused> {
    let refuse = |reason: &str| {
        let rejected = problem(pid.line, &pid.at(), Some("PID-3"), reason);
        Box::new(Rejected { resource: ctx.named(), ..rejected })
    };
    let number = number(ctx, pid, &[3, 2, 4]).ok_or_else(|| refuse("names no patient: no identifier has a value"))?;
    if number.1.contains(char::REPLACEMENT_CHARACTER) {
        return Err(refuse("the patient's number has bytes that cannot be read"));
    }
    Ok(subject(number))
}

/// The patient with this number.
pub(super) fn subject(number: Number) -> Subject {
    Subject { id: id_of("Patient", &[number.0.as_deref().unwrap_or_default(), &number.1]), number }
}

/// PID with its PD1 and NK1 becomes the Patient. ADT messages amend the stored one; all others only add what is missing,
/// so that a laboratory's short copy of the name does not overwrite the registration's.
pub(super) fn patient(ctx: &mut Context<'_>, subject: &Subject, pid: &Seg<'_>, more: &[&Seg<'_>]) {
    let default = default_system(ctx);
    let mut draft = Draft::new("Patient", subject.id.clone());
    let mut identifiers: Vec<Json> = Vec::new();
    for field in [3, 2, 4] {
        for identifier in pid.reps(field).filter_map(|rep| types::cx(rep, default.as_deref())) {
            let same = |known: &Json| match known {
                Json::Object(known) => ["system", "value"].iter().all(|key| known.text(key) == identifier.text(key)),
                _ => false,
            };
            if !identifiers.iter().any(same) {
                draft.came(&format!("identifier[{}]", identifiers.len()), pid, field);
                identifiers.push(Json::Object(identifier));
            }
        }
    }
    if let Some(ssn) = pid.text(19) {
        let system =
            if pid.rep(19).parts() > 1 { types::cx_number(pid.rep(19)).and_then(|(system, _)| system) } else { None };
        let system = system.unwrap_or_else(|| "http://hl7.org/fhir/sid/us-ssn".to_owned());
        draft.came(&format!("identifier[{}]", identifiers.len()), pid, 19);
        identifiers.push(types::identifier(&(Some(system), ssn), Some("SS")).into());
    }
    // DLN: number, issuing state, expiry.
    if let Some(licence) = pid.text(20) {
        let system = pid.rep(20).part(2).map(|issuer| terms::uri(&issuer));
        draft.came(&format!("identifier[{}]", identifiers.len()), pid, 20);
        identifiers.push(types::identifier(&(system, licence), Some("DL")).into());
    }
    draft.body.list("identifier", identifiers);

    let mut names: Vec<Json> = Vec::new();
    for field in [5, 9] {
        for name in pid.reps(field).filter_map(types::human_name) {
            draft.came(&format!("name[{}]", names.len()), pid, field);
            names.push(Json::Object(name));
        }
    }
    draft.body.list("name", names);
    let birth = ctx.day(pid, 7);
    if birth.is_some() {
        ctx.not_later(pid, 7);
    }
    draft.maybe("birthDate", birth, pid, 7);
    let extension = |url: &str| Object::default().with("url", format!("http://hl7.org/fhir/StructureDefinition/{url}"));
    if let Some(born) = pid.text(7).and_then(|text| time::instant(&text, &ctx.settings.zone).ok().flatten()) {
        let at = extension("patient-birthTime").with("valueDateTime", born);
        draft.put("_birthDate", Object::default().with("extension", vec![Json::Object(at)]), pid, 7);
    }
    let mut extensions: Vec<Json> = Vec::new();
    if let Some(maiden) = pid.rep(6).sub(1, 1) {
        draft.came(&format!("extension[{}]", extensions.len()), pid, 6);
        extensions.push(extension("patient-mothersMaidenName").with("valueString", maiden).into());
    }
    if let Some(religion) = types::table(pid.rep(17), "v2-0006") {
        draft.came(&format!("extension[{}]", extensions.len()), pid, 17);
        extensions.push(extension("patient-religion").with("valueCodeableConcept", religion).into());
    }
    for citizenship in types::concepts(pid, 26) {
        let code = Object::default().with("url", "code").with("valueCodeableConcept", citizenship);
        draft.came(&format!("extension[{}]", extensions.len()), pid, 26);
        extensions.push(extension("patient-citizenship").with("extension", vec![Json::Object(code)]).into());
    }
    if let Some(place) = pid.whole(23) {
        let place = Object::default().with("text", place);
        draft.came(&format!("extension[{}]", extensions.len()), pid, 23);
        extensions.push(extension("patient-birthPlace").with("valueAddress", place).into());
    }
    draft.body.list("extension", extensions);
    if let Some(sex) = pid.text(8) {
        match terms::gender(&sex) {
            Some(gender) => draft.put("gender", gender, pid, 8),
            None => ctx.reject(pid, Some(8), "is no administrative sex (table 0001); it is left out"),
        }
    }
    let county = pid.text(12);
    let addresses = pid.reps(11).filter_map(|rep| types::address(rep, county.clone())).map(Json::Object).collect();
    draft.list("address", addresses, pid, 11);
    let mut telecom: Vec<Json> = Vec::new();
    for (field, usual) in [(13, Some("home")), (14, Some("work")), (40, None)] {
        for point in pid.reps(field).filter_map(|rep| types::contact_point(rep, usual)) {
            draft.came(&format!("telecom[{}]", telecom.len()), pid, field);
            telecom.push(Json::Object(point));
        }
    }
    draft.body.list("telecom", telecom);
    if let Some(language) = types::concept(pid.rep(15)) {
        let spoken = Object::default().with("language", language).with("preferred", true);
        draft.put("communication", vec![Json::Object(spoken)], pid, 15);
    }
    let status = pid.rep(16);
    let marital = match status.part(1).as_deref().and_then(terms::marital) {
        Some((code @ ("OTH" | "UNK"), display)) => {
            Some(types::coded(&terms::hl7("v3-NullFlavor"), code, Some(display)))
        }
        Some((code, display)) => Some(types::coded(&terms::hl7("v3-MaritalStatus"), code, Some(display))),
        None => types::concept(status),
    };
    draft.maybe("maritalStatus", marital, pid, 16);
    if let Some(order) = pid.text(25).and_then(|text| text.parse::<u64>().ok()).filter(|order| *order > 0) {
        draft.put("multipleBirthInteger", order, pid, 25);
    } else if let Some(multiple) = yes_no(pid.rep(24)) {
        draft.put("multipleBirthBoolean", multiple, pid, 24);
    }
    match (ctx.happened(pid, 29), yes_no(pid.rep(30))) {
        (Some(on), _) => draft.put("deceasedDateTime", on, pid, 29),
        (None, Some(dead)) => draft.put("deceasedBoolean", dead, pid, 30),
        (None, None) => {}
    }
    for (key, field) in [
        ("name", 5),
        ("birthDate", 7),
        ("gender", 8),
        ("address", 11),
        ("communication", 15),
        ("maritalStatus", 16),
        ("multipleBirthInteger", 25),
        ("multipleBirthBoolean", 24),
        ("deceasedDateTime", 29),
        ("deceasedBoolean", 30),
    ] {
        draft.erase(key, pid, field);
    }
    // FHIR has one list for both numbers: it goes when neither is left.
    if [13, 14].iter().any(|field| pid.erased(*field)) && ![13, 14].iter().any(|field| pid.text(*field).is_some()) {
        draft.forget("telecom");
    }
    let mut contacts: Vec<Json> = Vec::new();
    for seg in more {
        match seg.name {
            "PD1" => {
                let doctors = types::people(seg, 4);
                draft.list("generalPractitioner", doctors, seg, 4);
                // How the patient lives, a handicap, a living will, organ donation: nothing here holds them.
                if [1, 2, 6, 7, 8, 15].iter().any(|field| seg.filled(*field)) {
                    ctx.want(seg);
                }
            }
            "NK1" => {
                if let Some(contact) = contact(seg) {
                    draft.came(&format!("contact[{}]", contacts.len()), seg, 2);
                    contacts.push(Json::Object(contact));
                }
            }
            _ => {}
        }
    }
    draft.body.list("contact", contacts);
    match ctx.trigger.as_str() {
        "A29" if ctx.is_adt() => draft.put("active", false, pid, 3),
        "A28" | "A31" if ctx.is_adt() => draft.put("active", true, pid, 3),
        _ => {}
    }
    let meet = ctx.demographics();
    ctx.emit(draft, meet);
}

fn yes_no(rep: Rep<'_>) -> Option<bool> {
    match rep.part(1)?.to_ascii_uppercase().as_str() {
        "Y" | "YES" => Some(true),
        "N" | "NO" => Some(false),
        _ => None,
    }
}

/// NK1: a next of kin as the patient's contact.
fn contact(nk1: &Seg<'_>) -> Option<Object> {
    let mut out = Object::default();
    let mut relations = Vec::new();
    for field in [3, 7] {
        for rep in nk1.reps(field) {
            let mapped = rep.part(1).as_deref().filter(|_| field == 3).and_then(terms::relationship);
            let concept = match mapped {
                Some((code, display)) => Some(types::coded(&terms::hl7("v3-RoleCode"), code, Some(display))),
                None => types::concept(rep),
            };
            relations.extend(concept.map(Json::Object));
        }
    }
    let name = types::human_name(nk1.rep(2));
    let organisation = nk1.text(13);
    if name.is_none() && organisation.is_none() {
        return None;
    }
    out.list("relationship", relations);
    out.maybe("name", name);
    let mut telecom = Vec::new();
    for (field, usual) in [(5, Some("home")), (6, Some("work"))] {
        telecom.extend(nk1.reps(field).filter_map(|rep| types::contact_point(rep, usual)).map(Json::Object));
    }
    out.list("telecom", telecom);
    out.maybe("address", types::address(nk1.rep(4), None));
    out.maybe("gender", nk1.text(15).as_deref().and_then(terms::gender));
    out.maybe("organization", types::organisation(organisation));
    out.maybe("period", types::period(nk1.text(8), nk1.text(9)));
    Some(out)
}
