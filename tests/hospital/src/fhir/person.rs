//! Patients, and the doctors they meet.

use super::{Bundle, identifier, reference};
use crate::codes::{hl7_coding, hl7_concept};
use crate::ids::Authority;
use crate::json::{Json, Object};
use crate::moment;
use crate::people::{Address, Doctor, Name, Sex};
use crate::record::{Chart, Record};

pub(super) fn write(record: &Record, out: &mut Bundle) {
    let id = record.subject(Chart::Own);
    let person = &record.person;
    let mut body = Object::resource("Patient", &id)
        .list("identifier", vec![mrn(&person.mrn)])
        .with("active", true)
        .list("name", vec![hangul(&person.name).into(), latin(&person.name).into()])
        .list("telecom", vec![phone(&person.phone, "mobile")])
        .with("gender", person.sex.fhir())
        .with("birthDate", moment::fhir_day(person.birth));
    if let Some(died) = record.died {
        body = body.with("deceasedDateTime", moment::fhir(died));
    }
    body = body.list("address", vec![address(&person.address)]);
    let marital = match person.marital {
        "M" => "Married",
        "W" => "Widowed",
        "D" => "Divorced",
        _ => "Never Married",
    };
    body = body.with("maritalStatus", hl7_concept("v3-MaritalStatus", person.marital, Some(marital)));
    if let Some(kin) = &person.kin {
        let (_, code, display) = kin.relation;
        let contact = Object::default()
            .list("relationship", vec![hl7_concept("v3-RoleCode", code, Some(display)).into()])
            .with("name", hangul(&kin.name))
            .list("telecom", vec![phone(&kin.phone, "mobile")]);
        body = body.list("contact", vec![contact.into()]);
    }
    let language = Object::default().with("system", "urn:ietf:bcp:47").with("code", "ko").with("display", "Korean");
    let language = Object::default().list("coding", vec![language.into()]);
    let spoken = Object::default().with("language", language).with("preferred", true);
    out.add("Patient", &id, body.list("communication", vec![spoken.into()]));

    if let Some(former) = &record.former {
        let old = record.subject(Chart::Former);
        let link = Object::default().with("other", reference("Patient", &id)).with("type", "replaced-by");
        let name = unknown_name(person.sex);
        let name = Object::default().with("text", name).with("family", name);
        let body = Object::resource("Patient", &old)
            .list("identifier", vec![mrn(&former.mrn)])
            .with("active", false)
            .list("name", vec![name.into()])
            .with("gender", person.sex.fhir())
            .list("link", vec![link.into()]);
        out.add("Patient", &old, body);
    }
}

/// What is written for somebody whose name is not known.
pub(crate) fn unknown_name(sex: Sex) -> &'static str {
    match sex {
        Sex::Female => "무명녀",
        Sex::Male => "무명남",
    }
}

fn mrn(number: &str) -> Json {
    let Json::Object(out) = identifier(Authority::Mrn, number, Some("MR")) else { return Json::Bool(false) };
    out.with("assigner", Object::default().with("display", "HAECHI")).into()
}

fn representation(code: &'static str) -> Json {
    Object::default()
        .with("url", "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation")
        .with("valueCode", code)
        .into()
}

fn hangul(name: &Name) -> Object {
    Object::default()
        .list("extension", vec![representation("IDE")])
        .with("use", "official")
        .with("text", name.hangul())
        .with("family", name.family)
        .list("given", vec![name.given.into()])
}

fn latin(name: &Name) -> Object {
    Object::default()
        .list("extension", vec![representation("ABC")])
        .with("use", "official")
        .with("text", format!("{} {}", name.given_latin, name.family_latin))
        .with("family", name.family_latin)
        .list("given", vec![name.given_latin.into()])
}

fn phone(number: &str, kind: &'static str) -> Json {
    Object::default().with("system", "phone").with("value", number.to_owned()).with("use", kind).into()
}

fn address(address: &Address) -> Json {
    Object::default()
        .with("use", "home")
        .list("line", vec![address.line.clone().into()])
        .with("city", address.district)
        .with("state", address.city)
        .with("postalCode", address.postal.clone())
        .with("country", "KOR")
        .into()
}

/// KR Core asks for the licence: ours have the number that the hospital gives its staff.
pub(super) fn practitioner(doctor: &Doctor) -> Object {
    let name = Object::default().with("text", doctor.hangul()).with("family", doctor.family);
    let licence = Object::default()
        .with("system", "http://www.hl7korea.or.kr/Identifier/mohw-md-license-id")
        .with("value", format!("SYN-{}", doctor.number));
    let qualification = Object::default().list("identifier", vec![licence.into()]).with(
        "code",
        Object::default().list("coding", vec![hl7_coding("v2-0360", "MD", Some("Doctor of Medicine")).into()]),
    );
    Object::resource("Practitioner", &super::practitioner_id(doctor))
        .list("identifier", vec![identifier(Authority::Staff, doctor.number, None)])
        .list("name", vec![name.list("given", vec![doctor.given.into()]).into()])
        .list("qualification", vec![qualification.into()])
}
