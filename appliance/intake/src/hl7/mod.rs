//! HL7 v2 messages become FHIR R4 resources, after HL7's published v2-to-FHIR mapping.
//!
//! Bytes in, JSON out: no file, no clock, no log, no database. [`split`] finds the messages in a file or a frame, [`map`]
//! turns one into resources with stable ids, each remembering the field every element came from. A field, segment or
//! line that is wrong is put aside with its reason and the rest goes in; a message whose patient is not certain is
//! refused as a whole.
//!
//! In reading order: [`split`], charset, iso2022, message (delimiters, escapes), events (the walk), then patient, identity
//! (merges, moves), visit, clinical, order, observe, value, family, medicine, vaccine, document, schedule, kept (what none of
//! them reads); types, terms, time and json are the tools; context holds what one message has become and meets it with what
//! the record has.

#[cfg(test)]
mod behaviour;
#[cfg(test)]
mod breadth;
mod charset;
mod clinical;
mod context;
#[cfg(test)]
mod corpus;
mod document;
mod events;
mod family;
mod guarantor;
mod header;
pub(crate) mod identity;
mod iso2022;
pub(crate) mod json;
mod kept;
mod medicine;
mod message;
mod observe;
mod order;
mod patient;
mod schedule;
mod split;
#[cfg(test)]
mod stories;
mod terms;
mod time;
mod types;
mod vaccine;
mod value;
mod visit;

use haechi_record::chart::{Origin, Rejected};
use jiff::tz::TimeZone;

pub use events::reads;
pub use header::{Condition, Header, header};
pub(crate) use iso2022::upper_set;
pub use split::{Piece, split};

/// Longest message taken, in bytes.
pub const MAX_MESSAGE_BYTES: usize = message::MAX_MESSAGE_BYTES;

/// What a site says about one feed.
#[derive(Debug, Clone)]
pub struct Hl7Settings {
    /// The character set of this feed whatever MSH-18 says: `utf-8`, `cp949`, `iso-8859-1`, ...; see [`knows_charset`].
    pub charset_override: Option<String>,
    /// The character set where MSH-18 is empty.
    pub assume_charset: String,
    /// Zone of timestamps that carry no offset.
    pub zone: TimeZone,
    /// Identifier system of numbers whose sender leaves the assigning authority empty: a URI, an OID, or an HL7
    /// authority as `HAECHI&1.2.410.100000.1.1&ISO`. Empty: the sending facility (MSH-4) stands in.
    pub assigning_authority: String,
}

/// The identifier system of numbers given by an authority: its name, or its universal id and that id's type.
pub(crate) fn authority_system(name: Option<&str>, universal: Option<&str>, kind: Option<&str>) -> Option<String> {
    types::authority(name, universal, kind)
}

/// The identifier system that a site sets for numbers without one: see [`Hl7Settings::assigning_authority`].
pub(crate) fn assigned_system(setting: &str) -> Option<String> {
    let mut parts = setting.trim().split('&').map(|part| (!part.is_empty()).then_some(part));
    let (first, second, third) = (parts.next().flatten(), parts.next().flatten(), parts.next().flatten());
    types::authority(first, second, third)
}

/// Whether `name` is a character set that [`map`] can read, for checking settings early.
#[must_use]
pub fn knows_charset(name: &str) -> bool {
    charset::named(name).is_some()
}

/// The character set called `name`.
pub(crate) fn encoding(name: &str) -> Option<&'static encoding_rs::Encoding> {
    charset::named(name)
}

/// What a message became.
#[derive(Debug)]
pub struct Mapped {
    /// MSH-10, empty if the sender left it out.
    pub control_id: String,
    /// `ADT^A01`.
    pub event: String,
    /// Resources to store, new or amended; what the message repeats without change is not among them.
    pub resources: Vec<MappedResource>,
    /// What is to be done with whole charts, in this order, once the resources are stored.
    pub changes: Vec<Change>,
    /// What was put aside. `file` is empty and `line` counts within the message: see [`Piece::locate`].
    pub rejected: Vec<Rejected>,
    /// Logical id of the (first) patient.
    pub patient: Option<String>,
    /// System (or nothing) and value of the number that the patient was recognised by, so that the pipeline can find a
    /// chart that another road made for the same number.
    pub number: Option<(String, String)>,
}

/// What a message does to more than the resources it shows. Ids are logical ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The patient `from` is from now on part of `into`.
    Merge {
        /// Who is merged.
        from: String,
        /// Who remains.
        into: String,
    },
    /// The patient `from` is no longer part of `into`.
    Unmerge {
        /// Who was merged.
        from: String,
        /// Who remained.
        into: String,
    },
    /// What belongs to a visit of the patient `from` belongs to the visit `to_visit` of the patient `to`.
    Move {
        /// The Encounter as it was.
        visit: String,
        /// Its patient.
        from: String,
        /// The Encounter as it is.
        to_visit: String,
        /// Its patient.
        to: String,
    },
    /// Every order of this patient with this number stands so from now on: the message names it by its number alone.
    Order {
        /// The patient.
        patient: String,
        /// The number's system, or nothing, and the number.
        number: (Option<String>, String),
        /// Status of a ServiceRequest.
        request: &'static str,
        /// Status of a MedicationRequest.
        medication: &'static str,
    },
}

/// One resource and where it came from.
#[derive(Debug)]
pub struct MappedResource {
    /// The resource as FHIR R4 JSON, with `resourceType` and `id`.
    pub json: Vec<u8>,
    /// Control id, and (element, field) pairs such as (`valueQuantity`, `OBX[2]-5`).
    pub origin: Origin,
}

/// Maps one message. `current` gives the stored JSON of a resource by type and id, so that an update amends it: a
/// discharge completes the stored visit, a corrected result replaces the stored one, a field that ADT leaves empty keeps
/// what is stored and `""` deletes it.
///
/// # Errors
/// Nothing of the message may be filed: it cannot be read, its type is not one that is read, or it does not name its
/// patient. The reasons name segment and field; `file` is empty and `line` counts within the message.
pub fn map(
    message: &[u8],
    settings: &Hl7Settings,
    current: &dyn Fn(&str, &str) -> Option<Vec<u8>>,
) -> Result<Mapped, Vec<Rejected>> {
    let one = |refused: message::Refused| vec![*refused];
    let text =
        message::Text::read(message, settings.charset_override.as_deref(), &settings.assume_charset).map_err(one)?;
    let rows = text.rows().map_err(one)?;
    let parsed = rows.message().map_err(one)?;
    let Some(msh) = parsed.segments.first() else {
        return Err(vec![message::problem(1, "MSH[1]", None, "the message has no segments")]);
    };
    let mut ctx = context::Context::new(msh, settings, current);
    for rejected in &parsed.rejected {
        ctx.add_rejected(rejected.clone());
    }
    match events::file(&mut ctx, &parsed, message) {
        Ok(subject) => Ok(ctx.finish(subject)),
        Err(refused) => Err(one(refused)),
    }
}
