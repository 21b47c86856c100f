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
const FORMAT: u8 = 2;

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

/// Where an id lies in the global indexes: what is about one patient comes and is asked for together, and ids that begin alike
/// (intake makes those of one patient so) then lie in neighbouring pages. Random places cost a page for every row written.
pub(crate) fn near(id: &str) -> u32 {
    let written = id.get(..8).filter(|_| id.as_bytes().get(8) == Some(&b'-'));
    let digits = written.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    let hashed = || u32::try_from(number_of(&[id]) >> 32).unwrap_or(0);
    digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or_else(hashed)
}

/// The same as SQLite's integer.
pub(crate) fn key_of(parts: &[&str]) -> i64 {
    number_of(parts).cast_signed()
}
