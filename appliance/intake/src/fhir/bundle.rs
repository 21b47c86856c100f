//! JSON documents: a Bundle's entries one by one, or the one resource that a document is.

use std::io::{self, BufRead};
use std::sync::Arc;

use haechi_record::chart::Rejected;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::cut::{Cutter, Piece, Pieces, Rest};
use super::head::{self, Head, is_id, malformed};
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
    #[serde(borrow)]
    entry: Option<&'a RawValue>,
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
    match serde_json::from_slice::<Shape<'_>>(bytes) {
        Ok(shape) if !shape.is_bundle() => single(bytes, place, taker),
        Ok(shape) => well_formed(bytes, &shape, place, depth, taker),
        Err(error) if !looks_like_bundle(bytes) => {
            taker(Found::Rejected(malformed(&error, place, place.line, None), None))
        }
        Err(error) => broken(bytes, &error, place, depth, taker),
    }
}

/// The usual case: every entry is looked at once, and the names are known before the first goes out.
fn well_formed(bytes: &[u8], shape: &Shape<'_>, place: &Place, depth: u8, taker: Taker<'_>) -> bool {
    let list = shape.entry.map_or("[]", RawValue::get);
    let Ok(raws) = serde_json::from_str::<Vec<&RawValue>>(list) else {
        let rejected = place.reject(None, Some("Bundle.entry".to_owned()), "entry is not a list");
        return taker(Found::Rejected(rejected, None));
    };
    let mut references = References::default();
    let mut read = Vec::with_capacity(raws.len());
    let mut at = Position { offset: 0, line: place.line.unwrap_or(1) };
    for (number, raw) in (0u64..).zip(raws) {
        let entry_line = at.advance(bytes, raw.get());
        let entry = serde_json::from_str::<Entry<'_>>(raw.get());
        let resource_line = match entry.as_ref().map(|entry| entry.resource) {
            Ok(Some(resource)) => at.advance(bytes, resource.get()),
            _ => entry_line,
        };
        let place = Place { line: Some(resource_line), entry: Some(number), ..place.clone() };
        let entry = entry.map_err(|error| malformed(&error, &place, Some(entry_line), None));
        let head = entry.as_ref().ok().and_then(|entry| Some(head::read(entry.resource?.get().as_bytes(), &place)));
        if let (Ok(entry), Some(Ok(head))) = (&entry, &head) {
            name(&mut references, entry, head);
        }
        read.push((entry, head, place));
    }
    let references = Arc::new(references);
    let mut out = |(entry, head, place)| match (entry, head) {
        (Err(rejected), _) => taker(Found::Rejected(rejected, None)),
        (Ok(entry), head) => one(&entry, head, &place, &references, depth, taker),
    };
    if shape.is_history() {
        // Newest first on the wire; the newest must be stored last to be the current one.
        read.into_iter().rev().all(&mut out)
    } else {
        read.into_iter().all(&mut out)
    }
}

/// Counts lines while going forward through a document.
struct Position {
    offset: usize,
    line: u64,
}

impl Position {
    /// The line on which `part`, a slice of `whole` further on, begins.
    fn advance(&mut self, whole: &[u8], part: &str) -> u64 {
        let target = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
        let passed = whole.get(self.offset..target).unwrap_or_default();
        self.line += u64::try_from(passed.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(0);
        self.offset = self.offset.max(target);
        self.line
    }
}

/// A bundle that is malformed somewhere: what is whole in it goes in all the same.
fn broken(bytes: &[u8], error: &serde_json::Error, place: &Place, depth: u8, taker: Taker<'_>) -> bool {
    // Reading a slice cannot fail.
    let Ok((references, _)) = index(&mut Cutter::new(bytes)) else { return true };
    let mut rejected = 0u64;
    let alive = emit(&mut Cutter::new(bytes), place, &Arc::new(references), (depth, false), &mut |one| {
        rejected += u64::from(matches!(one, Found::Rejected(..)));
        taker(one)
    })
    .unwrap_or(true);
    if alive && rejected == 0 {
        return taker(Found::Rejected(malformed(error, place, place.line, None), None));
    }
    alive
}

/// A document too large to be held: read twice, once for the names in it and once for its entries. `open` gives it from
/// the start each time.
///
/// # Errors
/// What the disk or the decompressor says.
pub(crate) fn large<R: BufRead>(open: &dyn Fn() -> io::Result<R>, place: &Place, taker: Taker<'_>) -> io::Result<bool> {
    let (references, rest) = index(&mut Cutter::new(open()?))?;
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
    let alive = emit(&mut Cutter::new(open()?), place, &Arc::new(references), (0, false), &mut |one| {
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

/// Whether the document, or what is left of it without its entries, is a history.
pub(crate) fn is_history(shell: &[u8]) -> bool {
    serde_json::from_slice::<Shape<'_>>(shell).is_ok_and(|shape| shape.is_bundle() && shape.is_history())
}

/// The one resource that a document is.
pub(crate) fn single(bytes: &[u8], place: &Place, taker: Taker<'_>) -> bool {
    let raw = bytes.trim_ascii().to_vec();
    taker(Found::Resource(Item { raw, head: None, place: place.clone(), id: None, references: Arc::default() }))
}

/// First reading: which names the bundle gives to which resources.
pub(crate) fn index(pieces: &mut impl Pieces) -> io::Result<(References, Rest)> {
    let mut references = References::default();
    loop {
        let bytes = match pieces.next()? {
            Piece::Entry(bytes, _) => bytes,
            Piece::TooLong(_) | Piece::Faulty(..) => continue,
            Piece::End(rest) => return Ok((references, rest)),
        };
        // What is wrong with an entry is said at the second reading.
        let Ok(entry) = serde_json::from_slice::<Entry<'_>>(&bytes) else { continue };
        let Some(raw) = entry.resource.map(|raw| raw.get().as_bytes()) else { continue };
        let Ok(head) = head::read(raw, &Place::default()) else { continue };
        name(&mut references, &entry, &head);
    }
}

/// Notes the names that an entry gives its resource.
fn name(references: &mut References, entry: &Entry<'_>, head: &Head) {
    let raw = entry.resource.map_or("", RawValue::get).as_bytes();
    let id = head.id.clone().or_else(|| given_id(entry, &head.resource_type)).unwrap_or_else(|| content_id(raw));
    let target = format!("{}/{id}", head.resource_type);
    if let Some(url) = entry.full_url.as_deref().filter(|url| !url.is_empty()) {
        references.add_url(url, &target);
    }
    references.add_identifiers(&head.resource_type, &head.identifiers, &target);
}

/// Second reading: the resources. `reverse`: the last first, all of them held.
pub(crate) fn emit(
    pieces: &mut impl Pieces,
    place: &Place,
    references: &Arc<References>,
    (depth, reverse): (u8, bool),
    taker: Taker<'_>,
) -> io::Result<bool> {
    let first_line = place.line.unwrap_or(1);
    let at = |line: u64, number: u64| Place { line: Some(first_line + line - 1), entry: Some(number), ..place.clone() };
    let mut held = Vec::new();
    let mut number = 0u64;
    let unfinished = loop {
        let piece = match pieces.next()? {
            Piece::End(rest) => break rest.unfinished,
            piece => piece,
        };
        if reverse {
            held.push((piece, number));
        } else if !entry(piece, &|line| at(line, number), references, depth, taker) {
            return Ok(false);
        }
        number += 1;
    };
    let mut back = held.into_iter().rev();
    let alive = back.all(|(piece, number)| entry(piece, &|line| at(line, number), references, depth, taker));
    Ok(alive
        && unfinished.is_none_or(|unfinished| {
            taker(Found::Rejected(at(unfinished.line, number).reject(None, None, unfinished.reason), None))
        }))
}

/// Hands on one piece that is no end. `at`: the place of one on a line.
fn entry(piece: Piece, at: &dyn Fn(u64) -> Place, references: &Arc<References>, depth: u8, taker: Taker<'_>) -> bool {
    match piece {
        Piece::Entry(bytes, line) => from_bytes(&bytes, &at(line), references, depth, taker),
        Piece::Faulty(bytes, line, fault) => {
            let place = at(line);
            let entry = serde_json::from_slice::<Entry<'_>>(&bytes).ok();
            let head = entry.and_then(|entry| head::read(entry.resource?.get().as_bytes(), &place).ok());
            // Its own line counts from the document's first.
            let (rejected, patient) = fault.rejected(head, &at(1), references);
            taker(Found::Rejected(rejected, patient))
        }
        Piece::TooLong(line) => {
            let reason = format!("an entry may have {} MiB at most; this one is larger", MAX_RESOURCE_BYTES >> 20);
            taker(Found::Rejected(at(line).reject(None, None, reason), None))
        }
        Piece::End(_) => true,
    }
}

fn from_bytes(bytes: &[u8], place: &Place, references: &Arc<References>, depth: u8, taker: Taker<'_>) -> bool {
    let entry = match serde_json::from_slice::<Entry<'_>>(bytes) {
        Ok(entry) => entry,
        Err(error) => return taker(Found::Rejected(malformed(&error, place, place.line, None), None)),
    };
    // The resource may begin some lines after its entry.
    let mut at = Position { offset: 0, line: place.line.unwrap_or(1) };
    let line = entry.resource.map_or(at.line, |resource| at.advance(bytes, resource.get()));
    let place = Place { line: Some(line), ..place.clone() };
    let head = entry.resource.map(|raw| head::read(raw.get().as_bytes(), &place));
    one(&entry, head, &place, references, depth, taker)
}

/// Hands one entry on. `head`: that of its resource, if it has one.
fn one(
    entry: &Entry<'_>,
    head: Option<Result<Head, Box<Rejected>>>,
    place: &Place,
    references: &Arc<References>,
    depth: u8,
    taker: Taker<'_>,
) -> bool {
    let (Some(raw), Some(head)) = (entry.resource, head) else {
        let method = entry.request.as_ref().and_then(|request| request.method.as_deref());
        let reason = match method {
            Some("DELETE") => "deletions are not taken from files: what the record holds stays",
            // A server's receipt, not a record.
            _ if entry.response.is_some() => return true,
            _ => "the entry has no resource",
        };
        return taker(Found::Rejected(place.reject(None, None, reason), None));
    };
    let raw = raw.get().as_bytes();
    let head = match head {
        Ok(head) => head,
        Err(rejected) => return taker(Found::Rejected(*rejected, None)),
    };
    match head.resource_type.as_str() {
        "Bundle" if depth < MAX_NESTING => nested(raw, place, depth + 1, taker),
        "Bundle" => taker(Found::Rejected(place.reject(None, None, "bundles inside bundles, too many deep"), None)),
        resource_type => {
            let id = if head.id.is_some() { None } else { given_id(entry, resource_type) };
            let (raw, place, references) = (raw.to_vec(), place.clone(), references.clone());
            taker(Found::Resource(Item { raw, head: Some(head), place, id, references }))
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

    /// Bytes, given id and line of a resource.
    type Good = (String, Option<String>, Option<u64>);
    /// Reason, line and field of a reject.
    type Bad = (String, Option<u64>, Option<String>);

    fn shown(found: &[Found]) -> (Vec<Good>, Vec<Bad>) {
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
