//! JSON documents: a Bundle's entries one by one, or the one resource that a document is.

use std::io::{self, BufRead};
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::cut::{Cutter, Piece, Rest};
use super::head::{self, is_id, malformed};
use super::reference::References;
use super::{Found, Item, MAX_RESOURCE_BYTES, Place, Taker};

/// Bundles inside bundles (batch responses hold search sets) are entered so many times; nothing real goes deeper.
const MAX_NESTING: u8 = 3;

/// Namespace of the ids that resources without any get from their own bytes (UUID version 5), so that importing the same
/// file again finds the same id. Made once for this project; never to be changed.
const CONTENT_IDS: Uuid =
    Uuid::from_bytes([0x4b, 0x2f, 0x7a, 0x0e, 0x6d, 0x51, 0x4c, 0x3e, 0x9a, 0x17, 0x52, 0xd8, 0x0b, 0xc6, 0xe1, 0x94]);

#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(borrow, rename = "resourceType")]
    resource_type: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    bundle_type: Option<&'a RawValue>,
}

impl Shape<'_> {
    fn is_bundle(&self) -> bool {
        self.resource_type.is_some_and(|raw| raw.get() == "\"Bundle\"")
    }

    fn is_history(&self) -> bool {
        self.bundle_type.is_some_and(|raw| raw.get() == "\"history\"")
    }
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(rename = "fullUrl")]
    full_url: Option<String>,
    #[serde(borrow)]
    resource: Option<&'a RawValue>,
    request: Option<Request>,
    response: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Request {
    method: Option<String>,
    url: Option<String>,
}

/// A document that is in memory whole. `place.line` is the line of its first byte. Returns `false` if the taker is gone.
pub(crate) fn document(bytes: &[u8], place: &Place, taker: Taker<'_>) -> bool {
    nested(bytes, place, 0, taker)
}

fn nested(bytes: &[u8], place: &Place, depth: u8, taker: Taker<'_>) -> bool {
    let whole = serde_json::from_slice::<Shape<'_>>(bytes);
    let history = match &whole {
        Ok(shape) if !shape.is_bundle() => return single(bytes, place, taker),
        Ok(shape) => shape.is_history(),
        Err(error) if !looks_like_bundle(bytes) => {
            return taker(Found::Rejected(malformed(error, place, place.line, None), None));
        }
        // Malformed somewhere: what is whole in it goes in all the same.
        Err(_) => false,
    };
    // Reading a slice cannot fail.
    let Ok((references, _)) = index(Cutter::new(bytes)) else { return true };
    let references = Arc::new(references);
    let mut rejected = 0u64;
    let alive = if history {
        // Newest first on the wire; the newest must be stored last to be the current one.
        let mut found = Vec::new();
        let alive = emit(Cutter::new(bytes), place, &references, depth, &mut |one| {
            found.push(one);
            true
        });
        alive.unwrap_or(true) && found.into_iter().rev().all(&mut *taker)
    } else {
        emit(Cutter::new(bytes), place, &references, depth, &mut |one| {
            rejected += u64::from(matches!(one, Found::Rejected(..)));
            taker(one)
        })
        .unwrap_or(true)
    };
    match whole {
        Err(error) if alive && rejected == 0 => {
            taker(Found::Rejected(malformed(&error, place, place.line, None), None))
        }
        _ => alive,
    }
}

/// A document too large to be held: read twice, once for the names in it and once for its entries. `open` gives it from
/// the start each time.
///
/// # Errors
/// What the disk or the decompressor says.
pub(crate) fn large<R: BufRead>(open: &dyn Fn() -> io::Result<R>, place: &Place, taker: Taker<'_>) -> io::Result<bool> {
    let (references, rest) = index(Cutter::new(open()?))?;
    let limit = MAX_RESOURCE_BYTES >> 20;
    let shape = serde_json::from_slice::<Shape<'_>>(&rest.shell);
    let refusal = match &shape {
        _ if rest.too_long => Some(format!("a single resource may have {limit} MiB at most; this one is larger")),
        Ok(shape) if !shape.is_bundle() => {
            Some(format!("a single resource may have {limit} MiB at most; this one is larger"))
        }
        Ok(shape) if shape.is_history() => Some(format!(
            "a history bundle, which must be read from its end, may have {limit} MiB at most; this one is larger"
        )),
        Err(_) if !looks_like_bundle(&rest.shell) => {
            Some("malformed JSON, and not a FHIR bundle as far as it can be read".to_owned())
        }
        _ => None,
    };
    if let Some(reason) = refusal {
        return Ok(taker(Found::Rejected(place.reject(None, None, reason), None)));
    }
    let mut rejected = 0u64;
    let alive = emit(Cutter::new(open()?), place, &Arc::new(references), 0, &mut |one| {
        rejected += u64::from(matches!(one, Found::Rejected(..)));
        taker(one)
    })?;
    if alive && rejected == 0 && shape.is_err() {
        let reason = "malformed JSON outside the entries of the bundle; the entries were read";
        return Ok(taker(Found::Rejected(place.reject(None, None, reason), None)));
    }
    Ok(alive)
}

/// Whether bytes that are not JSON were meant to be a Bundle.
fn looks_like_bundle(bytes: &[u8]) -> bool {
    let start: Vec<u8> = bytes.iter().take(1 << 16).copied().filter(|b| !b.is_ascii_whitespace()).collect();
    let mark = b"\"resourceType\":\"Bundle\"";
    start.windows(mark.len()).any(|window| window == mark)
}

fn single(bytes: &[u8], place: &Place, taker: Taker<'_>) -> bool {
    let raw = bytes.trim_ascii().to_vec();
    taker(Found::Resource(Item { raw, place: place.clone(), id: None, references: Arc::default() }))
}

/// First reading: which names the bundle gives to which resources.
fn index<R: BufRead>(mut cutter: Cutter<R>) -> io::Result<(References, Rest)> {
    let mut references = References::default();
    loop {
        let bytes = match cutter.next()? {
            Piece::Entry(bytes, _) => bytes,
            Piece::TooLong(_) => continue,
            Piece::End(rest) => return Ok((references, rest)),
        };
        // What is wrong with an entry is said at the second reading.
        let Ok(entry) = serde_json::from_slice::<Entry<'_>>(&bytes) else { continue };
        let Some(raw) = entry.resource.map(|raw| raw.get().as_bytes()) else { continue };
        let Ok(head) = head::read(raw, &Place::default()) else { continue };
        let id = head.id.clone().or_else(|| given_id(&entry, &head.resource_type)).unwrap_or_else(|| content_id(raw));
        let target = format!("{}/{id}", head.resource_type);
        if let Some(url) = entry.full_url.as_deref().filter(|url| !url.is_empty()) {
            references.add_url(url, &target);
        }
        references.add_identifiers(&head.resource_type, &head.identifiers, &target);
    }
}

/// Second reading: the resources.
fn emit<R: BufRead>(
    mut cutter: Cutter<R>,
    place: &Place,
    references: &Arc<References>,
    depth: u8,
    taker: Taker<'_>,
) -> io::Result<bool> {
    let first_line = place.line.unwrap_or(1);
    let mut number = 0u64;
    loop {
        let (bytes, line) = match cutter.next()? {
            Piece::Entry(bytes, line) => (Some(bytes), line),
            Piece::TooLong(line) => (None, line),
            Piece::End(rest) => {
                let Some(line) = rest.unfinished else { return Ok(true) };
                let place = Place { line: Some(first_line + line - 1), entry: Some(number), ..place.clone() };
                let rejected = place.reject(None, None, "the file ends in the middle of this entry");
                return Ok(taker(Found::Rejected(rejected, None)));
            }
        };
        let place = Place { line: Some(first_line + line - 1), entry: Some(number), ..place.clone() };
        number += 1;
        let alive = match bytes {
            Some(bytes) => one(&bytes, &place, references, depth, taker),
            None => {
                let reason = format!("an entry may have {} MiB at most; this one is larger", MAX_RESOURCE_BYTES >> 20);
                taker(Found::Rejected(place.reject(None, None, reason), None))
            }
        };
        if !alive {
            return Ok(false);
        }
    }
}

fn one(bytes: &[u8], place: &Place, references: &Arc<References>, depth: u8, taker: Taker<'_>) -> bool {
    let entry = match serde_json::from_slice::<Entry<'_>>(bytes) {
        Ok(entry) => entry,
        Err(error) => return taker(Found::Rejected(malformed(&error, place, place.line, None), None)),
    };
    let Some(raw) = entry.resource else {
        let method = entry.request.as_ref().and_then(|request| request.method.as_deref());
        let reason = match method {
            Some("DELETE") => "deletions are not taken from files: what the record holds stays",
            // A server's receipt, not a record.
            _ if entry.response.is_some() => return true,
            _ => "the entry has no resource",
        };
        return taker(Found::Rejected(place.reject(None, None, reason), None));
    };
    // The resource may begin some lines after its entry.
    let offset = (raw.get().as_ptr() as usize).saturating_sub(bytes.as_ptr() as usize);
    let lines = bytes.get(..offset).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count();
    let place = Place { line: place.line.map(|line| line + u64::try_from(lines).unwrap_or(0)), ..place.clone() };
    let raw = raw.get().as_bytes();
    let head = match head::read(raw, &place) {
        Ok(head) => head,
        Err(rejected) => return taker(Found::Rejected(*rejected, None)),
    };
    match head.resource_type.as_str() {
        "Bundle" if depth < MAX_NESTING => nested(raw, &place, depth + 1, taker),
        "Bundle" => taker(Found::Rejected(place.reject(None, None, "bundles inside bundles, too many deep"), None)),
        resource_type => {
            let id = if head.id.is_some() { None } else { given_id(&entry, resource_type) };
            taker(Found::Resource(Item { raw: raw.to_vec(), place, id, references: references.clone() }))
        }
    }
}

/// The id that an entry gives to a resource that has none of its own.
fn given_id(entry: &Entry<'_>, resource_type: &str) -> Option<String> {
    let url = entry.full_url.as_deref().unwrap_or_default();
    let uuid = url.strip_prefix("urn:uuid:").map(str::to_owned);
    let at_end = |address: &str| {
        let (rest, id) = address.rsplit_once('/')?;
        (rest == resource_type || rest.ends_with(&format!("/{resource_type}"))).then(|| id.to_owned())
    };
    let put = entry.request.as_ref().filter(|request| request.method.as_deref() == Some("PUT"));
    let put = || put?.url.as_deref().and_then(at_end);
    uuid.or_else(|| at_end(url)).or_else(put).filter(|id| is_id(id))
}

/// The id of a resource that nobody gave one: made from its bytes.
pub(crate) fn content_id(raw: &[u8]) -> String {
    Uuid::new_v5(&CONTENT_IDS, raw).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::reference::Meaning;
    use super::*;

    fn read(text: &str) -> Vec<Found> {
        let mut found = Vec::new();
        let place = Place { file: "b.json".into(), line: Some(1), entry: None };
        assert!(document(text.as_bytes(), &place, &mut |one| {
            found.push(one);
            true
        }));
        let mut streamed = Vec::new();
        large(&|| Ok(text.as_bytes()), &place, &mut |one| {
            streamed.push(one);
            true
        })
        .unwrap();
        if matches!(found.first(), Some(Found::Resource(item)) if item.place.entry.is_some())
            && !text.contains("history")
        {
            assert_eq!(shown(&found).0, shown(&streamed).0, "both readings agree");
        }
        found
    }

    fn shown(
        found: &[Found],
    ) -> (Vec<(String, Option<String>, Option<u64>)>, Vec<(String, Option<u64>, Option<String>)>) {
        let mut good = Vec::new();
        let mut bad = Vec::new();
        for one in found {
            match one {
                Found::Resource(item) => {
                    good.push((String::from_utf8(item.raw.clone()).unwrap(), item.id.clone(), item.place.line));
                }
                Found::Rejected(r, _) => bad.push((r.reason.clone(), r.line, r.field.clone())),
            }
        }
        (good, bad)
    }

    #[test]
    fn entries_keep_their_bytes_and_get_ids_from_their_place() {
        let text = concat!(
            "{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[\n",
            "{\"fullUrl\":\"urn:uuid:aa\",\"resource\":\n {\"resourceType\" : \"Patient\", \"x\":7.10},\"request\":{\"method\":\"POST\",\"url\":\"Patient\"}},\n",
            "{\"fullUrl\":\"http://s/fhir/Observation/o1\",\"resource\":{\"resourceType\":\"Observation\",\"subject\":{\"reference\":\"urn:uuid:aa\"}}},\n",
            "{\"resource\":{\"resourceType\":\"Condition\"},\"request\":{\"method\":\"PUT\",\"url\":\"Condition/c1\"}},\n",
            "{\"fullUrl\":\"urn:uuid:bb\",\"resource\":{\"resourceType\":\"Goal\",\"id\":\"own\"}}]}",
        );
        let found = read(text);
        let (good, bad) = shown(&found);
        assert!(bad.is_empty());
        assert_eq!(
            good[0],
            ("{\"resourceType\" : \"Patient\", \"x\":7.10}".to_owned(), Some("aa".to_owned()), Some(3))
        );
        assert_eq!((good[1].1.as_deref(), good[2].1.as_deref(), good[3].1.as_deref()), (Some("o1"), Some("c1"), None));
        let Found::Resource(item) = &found[0] else { unreachable!() };
        assert_eq!(item.references.resolve("urn:uuid:aa"), Meaning::Is("Patient/aa".to_owned()));
        assert_eq!(item.references.resolve("urn:uuid:bb"), Meaning::Is("Goal/own".to_owned()));
    }

    #[test]
    fn a_broken_entry_is_put_aside_and_the_rest_goes_in() {
        let text = concat!(
            "{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[\n",
            "{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"a\"}},\n",
            "{\"resource\":{\"resourceType\":\"Patient\",\"id\":}},\n",
            "{\"request\":{\"method\":\"DELETE\",\"url\":\"Patient/z\"}},\n",
            "{\"response\":{\"status\":\"201\"}},\n",
            "{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"b\"}}",
        );
        let (good, bad) = shown(&read(text));
        assert_eq!(good.len(), 2);
        assert_eq!(bad.len(), 2);
        assert_eq!((bad[0].1, bad[0].2.as_deref()), (Some(3), Some("Bundle.entry[1]")));
        assert!(bad[0].0.starts_with("malformed JSON"), "{}", bad[0].0);
        assert!(bad[1].0.starts_with("deletions"));
    }

    #[test]
    fn a_cut_off_bundle_says_so() {
        let (good, bad) = shown(&read(
            "{\"resourceType\":\"Bundle\",\"entry\":[{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"a\"}},\n{\"resource\":{",
        ));
        assert_eq!((good.len(), bad.len()), (1, 1));
        assert_eq!((bad[0].0.as_str(), bad[0].1), ("the file ends in the middle of this entry", Some(2)));
        let (good, bad) = shown(&read(
            "{\"resourceType\":\"Bundle\",\"entry\":[{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"a\"}}]",
        ));
        assert_eq!((good.len(), bad.len()), (1, 1));
        assert!(bad[0].0.starts_with("malformed JSON: EOF"), "{}", bad[0].0);
    }

    #[test]
    fn history_is_turned_so_that_the_newest_comes_last_and_nested_bundles_open() {
        let (good, _) = shown(&read(
            r#"{"resourceType":"Bundle","type":"history","entry":[{"resource":{"resourceType":"Patient","id":"a","v":2}},{"resource":{"resourceType":"Patient","id":"a","v":1}}]}"#,
        ));
        assert!(good[0].0.contains("\"v\":1") && good[1].0.contains("\"v\":2"));
        let (good, _) = shown(&read(
            r#"{"resourceType":"Bundle","type":"batch-response","entry":[{"resource":{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"Patient","id":"a"}}]}}]}"#,
        ));
        assert_eq!(good.len(), 1);
    }

    #[test]
    fn a_list_resource_is_not_a_bundle_and_an_id_from_bytes_is_always_the_same() {
        let list = r#" {"resourceType":"List","entry":[{"item":{"reference":"Condition/1"}}]} "#;
        let (good, bad) = shown(&read(list));
        assert_eq!((good[0].0.as_str(), bad.len()), (list.trim(), 0));
        assert_eq!(content_id(b"x"), content_id(b"x"));
        assert_ne!(content_id(b"x"), content_id(b"y"));
    }
}
