//! The record as FHIR R4 in the shape of KR Core: one Bundle a patient, every reference resolving inside it.
//!
//! Elements stand as the HL7 mapping would put them, so that both roads say the same; ids are shared ([`crate::ids`]).
//! KR Core's own additions: the drug is a `Medication` that the prescription refers to (contained here).

mod clinical;
mod person;
mod results;

pub(crate) use clinical::admission_type;
pub(crate) use person::unknown_name;
pub(crate) use results::{embedded_title, range_text};

use std::collections::BTreeMap;

use crate::codes::hl7_concept;
use crate::ids::{Authority, id_of};
use crate::json::{Json, Object};
use crate::people::Doctor;
use crate::record::{Chart, Record};

/// Base of the `fullUrl`s: an address of the reserved domain.
const BASE: &str = "https://fhir.haechi-hospital.example";

/// The whole record, as bytes of JSON; and how many resources there are.
pub(crate) fn bundle(record: &Record) -> (String, usize) {
    let mut out = Bundle { entries: Vec::new(), staff: BTreeMap::new() };
    person::write(record, &mut out);
    clinical::write(record, &mut out);
    results::write(record, &mut out);
    let staff: Vec<Doctor> = out.staff.values().copied().collect();
    for doctor in staff {
        let body = person::practitioner(&doctor);
        out.add("Practitioner", &practitioner_id(&doctor), body);
    }
    let count = out.entries.len();
    // Most hospitals send transactions; an export for research is often a mere collection.
    let is_transaction = !record.number.is_multiple_of(3);
    let entries = out.entries.into_iter().map(|(kind, id, body)| {
        let entry = Object::default().with("fullUrl", format!("{BASE}/{kind}/{id}")).with("resource", body);
        let request = Object::default().with("method", "PUT").with("url", format!("{kind}/{id}"));
        Json::Object(if is_transaction { entry.with("request", request) } else { entry })
    });
    let entries = entries.collect();
    let bundle = Object::resource("Bundle", &id_of("Bundle", &[&record.person.mrn]))
        .with("type", if is_transaction { "transaction" } else { "collection" })
        .list("entry", entries);
    let mut text = String::new();
    bundle.write(&mut text);
    text.push('\n');
    (text, count)
}

/// Resources being collected.
struct Bundle {
    entries: Vec<(&'static str, String, Object)>,
    staff: BTreeMap<&'static str, Doctor>,
}

impl Bundle {
    fn add(&mut self, kind: &'static str, id: &str, body: Object) {
        self.entries.push((kind, id.to_owned(), body));
    }

    /// A reference to a doctor, who then stands in the bundle too.
    fn doctor(&mut self, doctor: &Doctor) -> Object {
        self.staff.entry(doctor.number).or_insert(*doctor);
        reference("Practitioner", &practitioner_id(doctor)).with("display", doctor.hangul())
    }
}

fn practitioner_id(doctor: &Doctor) -> String {
    id_of("Practitioner", &[&Authority::Staff.uri(), doctor.number])
}

fn reference(kind: &str, id: &str) -> Object {
    Object::default().with("reference", format!("{kind}/{id}"))
}

/// `{"reference": "Patient/…"}` of a chart.
fn subject(record: &Record, chart: Chart) -> Object {
    reference("Patient", &record.subject(chart))
}

/// The visit that something belongs to.
fn encounter(record: &Record, visit: Option<usize>) -> Option<Object> {
    let visit = record.visits.get(visit?)?;
    Some(reference("Encounter", &visit.id(&record.subject(visit.chart))))
}

/// An identifier of the hospital's, with its type of table 0203 where it has one.
fn identifier(authority: Authority, number: &str, kind: Option<&'static str>) -> Json {
    let out = Object::default().maybe("type", kind.map(|kind| hl7_concept("v2-0203", kind, None)));
    out.with("system", authority.uri()).with("value", number.to_owned()).into()
}
