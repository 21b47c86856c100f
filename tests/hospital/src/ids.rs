//! Logical ids. Both roads name a thing by the number its system gave it, with the scheme of the HL7 intake, so that the
//! FHIR export and the messages meet in the same resource.

use uuid::Uuid;

use crate::codes::ROOT;

/// The namespace of the HL7 intake's ids.
const NAMESPACE: Uuid = Uuid::from_u128(0x9f0b_1f5e_6a3d_5c27_8d41_c0de_ae8c_4817);

/// The id of a thing: kind and parts, told apart by the unit separator.
pub(crate) fn id_of(kind: &str, parts: &[&str]) -> String {
    let mut key = kind.to_owned();
    for part in parts {
        key.push('\u{1f}');
        key.push_str(part);
    }
    let own = Uuid::new_v5(&NAMESPACE, key.as_bytes());
    // What is about a patient begins as the patient's own id.
    let patient = parts.first().filter(|_| kind != "Patient").and_then(|first| Uuid::parse_str(first).ok());
    let Some(patient) = patient else { return own.to_string() };
    let mut bytes = *own.as_bytes();
    bytes[..4].copy_from_slice(&patient.as_bytes()[..4]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

/// Who gives out a kind of number, as the last arc under the hospital's root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Authority {
    Mrn = 1,
    Visit = 2,
    Order = 3,
    Result = 4,
    Drug = 5,
    Document = 6,
    Problem = 7,
    Procedure = 8,
    Staff = 9,
    Allergy = 10,
    Appointment = 11,
    Vaccine = 12,
    Family = 13,
    Diagnosis = 14,
}

impl Authority {
    /// `1.2.410.100000.1.4`
    pub(crate) fn oid(self) -> String {
        format!("{ROOT}.{}", self as u8)
    }

    /// `urn:oid:1.2.410.100000.1.4`
    pub(crate) fn uri(self) -> String {
        format!("urn:oid:{}", self.oid())
    }
}

/// A number with its authority, as part of an id.
pub(crate) fn number_key(authority: Authority, number: &str) -> String {
    format!("{}\u{1e}{number}", authority.uri())
}

/// What names an order or result: its number and the code of what it is.
pub(crate) fn order_key(authority: Authority, number: &str, code: &str) -> String {
    format!("{}\u{1e}{code}", number_key(authority, number))
}

/// The id of the patient with this number.
pub(crate) fn patient(mrn: &str) -> String {
    id_of("Patient", &[&Authority::Mrn.uri(), mrn])
}
