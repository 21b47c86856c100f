//! What FHIR search compares: the values of a resource's search parameters, taken out once when it is stored.
//!
//! [`params`] says which parameters there are, [`extract`] takes their values from a resource and packs them, [`time`] and
//! [`text`] hold FHIR's rules of precision and folding, [`query`] is one asked condition and its test against packed values.
//! What is packed is enough to decide every condition except `:text`; the store (`store/find.rs`) only chooses which rows
//! to test.
//!
//! Codes, systems and references are packed as the first 8 bytes of their SHA-256: equal text, equal number.

pub(crate) mod extract;
pub mod params;
pub mod query;
pub(crate) mod text;
pub mod time;

pub use extract::references;

use sha2::{Digest, Sha256};

/// Layout of the packed values; part of [`params::fingerprint`].
const FORMAT: u8 = 1;

/// The number under which a text is compared. Parts are kept apart by a byte that no text holds.
#[must_use]
pub fn number_of(parts: &[&str]) -> u64 {
    let mut digest = Sha256::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            digest.update([0xff]);
        }
        digest.update(part.as_bytes());
    }
    let bytes: [u8; 32] = digest.finalize().into();
    let mut first = [0; 8];
    first.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    u64::from_be_bytes(first)
}

/// The same as SQLite's integer.
pub(crate) fn key_of(parts: &[&str]) -> i64 {
    number_of(parts).cast_signed()
}
