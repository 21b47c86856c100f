//! FHIR R4: files become single resources; of JSON each is still the very bytes that stood in the file.
//!
//! A document is a Bundle of any type or one resource; NDJSON has one of them a line. Bundles stream by entry by entry
//! (`cut`), so that neither a large one nor a broken entry stops the rest. What a reference inside a bundle means is
//! worked out here (`reference`) and handed over beside the bytes, which nobody edits. XML (`xml`) becomes JSON first.
//!
//! Not in here: what a resource says (`haechi_record::chart`), which of it is indexed (`haechi_record::prepare`).

pub(crate) mod bundle;
pub(crate) mod cut;
pub(crate) mod head;
pub(crate) mod lines;
pub(crate) mod reference;
pub mod types;
pub mod xml;

use std::sync::Arc;

use haechi_record::chart::Rejected;

pub(crate) use reference::References;
pub use xml::json_of as json_of_xml;

/// Largest single resource or bundle entry, in bytes of JSON: the record takes no larger one.
pub(crate) use haechi_record::prepare::MAX_RESOURCE_BYTES;

/// One resource cut out of its file.
pub(crate) struct Item {
    /// Its bytes, exactly.
    pub(crate) raw: Vec<u8>,
    /// Its head, where it was read already.
    pub(crate) head: Option<head::Head>,
    /// Where it stands.
    pub(crate) place: Place,
    /// The id that its place gives it (`fullUrl`, `request.url`), used if the resource has none of its own.
    pub(crate) id: Option<String>,
    /// What references mean in the bundle it came in.
    pub(crate) references: Arc<References>,
}

/// Where something stands in the input.
#[derive(Clone, Default)]
pub(crate) struct Place {
    /// File name.
    pub(crate) file: Arc<str>,
    /// Line of its first byte, from 1.
    pub(crate) line: Option<u64>,
    /// Position in `Bundle.entry`, from 0.
    pub(crate) entry: Option<u64>,
}

impl Place {
    /// The report of something wrong here. `field` is the FHIR element, or the bundle entry if none is given.
    pub(crate) fn reject(
        &self,
        resource: Option<String>,
        field: Option<String>,
        reason: impl Into<String>,
    ) -> Rejected {
        Rejected {
            file: self.file.to_string(),
            line: self.line,
            segment: None,
            field: field.or_else(|| self.entry.map(|at| format!("Bundle.entry[{at}]"))),
            resource,
            reason: reason.into(),
        }
    }
}

/// What reading a file gives, in the order of the file.
pub(crate) enum Found {
    /// A resource.
    Resource(Item),
    /// Something that cannot be one, and whose it would have been where that can be read.
    Rejected(Rejected, Option<String>),
}

/// Takes what is found; `false`: the taker is gone, stop.
pub(crate) type Taker<'t> = &'t mut dyn FnMut(Found) -> bool;

/// How many resources a JSON document gives and how many of its parts are put aside, without storing anything.
#[must_use]
pub fn survey(document: &[u8]) -> (usize, usize) {
    let (mut resources, mut rejected) = (0, 0);
    bundle::document(document, &Place { line: Some(1), ..Place::default() }, &mut |found| {
        match found {
            Found::Resource(_) => resources += 1,
            Found::Rejected(..) => rejected += 1,
        }
        true
    });
    (resources, rejected)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A document with everything in it that reading looks at.
    const SAMPLE: &str = r#"{"resourceType":"Bundle","type":"history","entry":[{"fullUrl":"urn:uuid:a","resource":{"resourceType":"Patient",
        "identifier":[{"system":"s","value":"v"}],"name":[{"text":"\uae40\ubbfc\uc218"}]},"request":{"method":"POST","url":"Patient"}},
        {"resource":{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"Observation","id":"o",
        "subject":{"reference":"urn:uuid:a"},"valueQuantity":{"value":7.10}}}]},"response":{"status":"200"}}]}"#;

    #[test]
    fn damaged_documents_are_survived() {
        assert_eq!(survey(SAMPLE.as_bytes()), (2, 0));
        // A plain linear congruential generator (Knuth's constants): the same damage on every run.
        let mut state = 1u64;
        let mut next = move |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % below
        };
        for _ in 0..5_000 {
            let mut bytes = SAMPLE.as_bytes().to_vec();
            for _ in 0..=next(4) {
                if bytes.is_empty() {
                    break;
                }
                let at = next(bytes.len());
                match next(4) {
                    0 => bytes[at] = b"{}[],:\"\\0e\xff\n"[next(12)],
                    1 => drop(bytes.remove(at)),
                    2 => bytes.truncate(at + 1),
                    _ => {
                        let piece = bytes[at..(at + 40).min(bytes.len())].to_vec();
                        bytes.splice(at..at, piece);
                    }
                }
            }
            let _ = survey(&bytes);
        }
    }
}
