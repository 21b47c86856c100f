//! Values of search parameters: taken from a resource, packed into bytes, and read back.
//!
//! A packed value is the parameter's number (two bytes), its sort (one byte) and its content; numbers are little-endian.

use super::params::{Kind, Param, Step, TypeParams};
use super::text::fold;
use super::time::Range;
use super::{key_of, near, number_of};
use crate::chart::json::Json;

/// Longest text packed, in bytes; a longer one is found by its beginning.
const MAX_TEXT_BYTES: usize = 1024;
/// Packed where no offset was written.
const NO_OFFSET: i16 = i16::MIN;

/// What the store writes beside a resource.
#[derive(Debug, Clone, Default)]
pub(crate) struct Indexed {
    pub(crate) packed: Vec<u8>,
    pub(crate) globals: Vec<Global>,
}

/// A row of a global index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Global {
    Key(i64),
    Word(i64, String),
    Date(i64, i64, i64),
}

/// One packed value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    /// System (0: none) and code (0: none).
    Token(u64, u64),
    /// `Type/id`, `id` and where the id lies ([`near`]).
    Reference(u64, u64, u32),
    /// The identifier of a reference: system and value.
    ReferenceIdentifier(u64, u64),
    Date(Range),
    Text(&'a str),
    /// Value, system, code, unit.
    Quantity(f64, u64, u64, u64),
    Uri(&'a str),
}

/// The kind of resource and the patient by whom its rows lie.
pub(crate) fn place_of(patient: Option<&str>) -> i64 {
    patient.map_or(0, |id| key_of(&["Patient", id]))
}

/// Takes every value out of a resource.
pub(crate) fn index(root: &Json<'_>, table: &TypeParams, resolve: &dyn Fn(&str) -> Option<String>) -> Indexed {
    index_with(root, table, resolve, resolve)
}

/// The same with another reading of the references that name the patient.
pub(crate) fn index_with(
    root: &Json<'_>,
    table: &TypeParams,
    resolve: &dyn Fn(&str) -> Option<String>,
    resolve_patient: &dyn Fn(&str) -> Option<String>,
) -> Indexed {
    let mut packed = Vec::with_capacity(256);
    for (at, param) in (0u16..).zip(&table.params) {
        let resolve = if param.places { resolve_patient } else { resolve };
        each(root, param, &mut |node| take(node, param, at, resolve, &mut packed));
    }
    packed.shrink_to_fit();
    let globals = globals(&packed, table);
    Indexed { packed, globals }
}

/// The rows of the global indexes that packed values make; the same for the same bytes, so that they can be removed again.
pub(crate) fn globals(packed: &[u8], table: &TypeParams) -> Vec<Global> {
    let mut rows = Vec::new();
    for (at, value) in Values(packed) {
        let Some(param) = table.get(at) else { continue };
        match value {
            Value::Token(_, number) if param.keyed && number != 0 => {
                rows.push(Global::Key(global_key(param, number)));
            }
            Value::Reference(_, number, near) if param.keyed => {
                rows.push(Global::Key(reference_key(param, number, near)));
            }
            Value::Date(range) if param.dated => {
                let (low, high) = range.in_utc();
                rows.push(Global::Date(param.number.cast_signed(), low, high));
            }
            Value::Text(text) if param.worded => rows.push(Global::Word(param.number.cast_signed(), fold(text))),
            _ => {}
        }
    }
    rows.sort_unstable();
    rows.dedup();
    rows
}

/// The global key of a code under a parameter.
pub(crate) fn global_key(param: &Param, number: u64) -> i64 {
    (param.number.rotate_left(17) ^ number).cast_signed()
}

/// The global key of an id under a parameter, in the parameter's part of the index and there where the id lies. Two ids may
/// share one: what it leads to is tested.
pub(crate) fn reference_key(param: &Param, number: u64, near: u32) -> i64 {
    let place = (u64::from(near) << 16) | (number & 0xffff);
    ((param.number & (0xffff << 48)) | place).cast_signed()
}

/// Calls `take` with every element that the parameter reads.
fn each<'j, 'a>(root: &'j Json<'a>, param: &Param, take: &mut dyn FnMut(&'j Json<'a>)) {
    for steps in &param.steps {
        walk(root, steps, take);
    }
}

fn walk<'j, 'a>(node: &'j Json<'a>, steps: &[Step], take: &mut dyn FnMut(&'j Json<'a>)) {
    let Some((step, rest)) = steps.split_first() else {
        return node.list().iter().for_each(take);
    };
    for item in node.items(step.name) {
        if step.with.is_none_or(|(name, value)| item.string(name) == Some(value)) {
            walk(item, rest, take);
        }
    }
}

fn take(node: &Json<'_>, param: &Param, at: u16, resolve: &dyn Fn(&str) -> Option<String>, out: &mut Vec<u8>) {
    match param.kind {
        Kind::Token => token(node, at, out),
        Kind::Flag => {
            let there = !matches!(node, Json::Bool(false) | Json::Null);
            push_token(out, at, None, if there { "true" } else { "false" });
        }
        Kind::Reference => {
            if let Some(written) = node.string("reference") {
                let meant = resolve(written);
                let (kind, id) = target(meant.as_deref().unwrap_or(written));
                if param.target.is_none_or(|only| kind == Some(only)) {
                    put(out, at, 2, &[number_of(&[kind.unwrap_or_default(), id]), number_of(&[id])]);
                    out.extend(near(id).to_le_bytes());
                }
            }
            let wanted = param.target.is_none() || node.string("type").is_none_or(|kind| param.target == Some(kind));
            if let (Some(identifier), true) = (node.get("identifier"), wanted)
                && let Some(value) = identifier.string("value")
            {
                let system = identifier.string("system").map_or(0, |system| number_of(&[system]));
                put(out, at, 3, &[system, number_of(&[value])]);
            }
        }
        Kind::Date => {
            let range = match node {
                Json::Text(text) => Range::read(text.trim()),
                Json::Object(_) => {
                    let end = |name| node.string(name).and_then(Range::read);
                    Range::span(end("start"), end("end"))
                }
                _ => None,
            };
            if let Some(range) = range {
                put(out, at, 4, &[range.low.cast_unsigned(), range.high.cast_unsigned()]);
                out.extend(range.offset.unwrap_or(NO_OFFSET).to_le_bytes());
            }
        }
        Kind::String => words(node, at, out),
        Kind::Quantity => quantity(node, at, out),
        Kind::Uri => {
            if let Some(text) = node.text() {
                push_text(out, at, 7, text);
            }
        }
        // Asked seldom, and as large as the rest together: read from the resource itself, see [`pairs`].
        Kind::CodeQuantity | Kind::CodeConcept => {}
    }
}

/// What a composite parameter compares in one element, packed.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) codes: Vec<u8>,
    pub(crate) values: Vec<u8>,
}

/// What a composite parameter compares in a resource.
pub(crate) fn pairs(raw: &[u8], param: &Param) -> Vec<Pair> {
    let mut found = Vec::new();
    let Some(root) = Json::parse(raw) else { return found };
    each(&root, param, &mut |node| {
        let (mut codes, mut values) = (Vec::new(), Vec::new());
        node.items("code").iter().for_each(|code| token(code, 0, &mut codes));
        if param.kind == Kind::CodeConcept {
            node.items("valueCodeableConcept").iter().for_each(|concept| token(concept, 0, &mut values));
        } else {
            node.items("valueQuantity").iter().for_each(|one| quantity(one, 0, &mut values));
        }
        found.push(Pair { codes, values });
    });
    found
}

fn token(node: &Json<'_>, at: u16, out: &mut Vec<u8>) {
    match node {
        Json::Text(_) | Json::Bool(_) | Json::Number(_) => {
            if let Some(code) = node.primitive() {
                push_token(out, at, None, code);
            }
        }
        Json::Object(_) if node.get("coding").is_some() => {
            node.items("coding").iter().for_each(|coding| token(coding, at, out));
        }
        Json::Object(_) => {
            // A Coding has a code; an Identifier and a ContactPoint have a value, and the point's system is no address.
            if let Some(code) = node.string("code") {
                push_token(out, at, node.string("system"), code);
            } else if let Some(value) = node.string("value") {
                push_token(out, at, node.string("system"), value);
            }
        }
        _ => {}
    }
}

fn quantity(node: &Json<'_>, at: u16, out: &mut Vec<u8>) {
    if let Some(value) = node.get("value").and_then(Json::primitive).and_then(|text| text.parse::<f64>().ok()) {
        let number = |name| node.string(name).map_or(0, |text| number_of(&[text]));
        put(out, at, 6, &[value.to_bits(), number("system"), number("code"), number("unit")]);
    }
}

/// The words of a string, a HumanName or an Address.
fn words(node: &Json<'_>, at: u16, out: &mut Vec<u8>) {
    const PARTS: [&str; 12] = [
        "text",
        "family",
        "given",
        "prefix",
        "suffix",
        "line",
        "city",
        "district",
        "state",
        "postalCode",
        "country",
        "display",
    ];
    if let Some(text) = node.text() {
        return push_text(out, at, 5, text);
    }
    for text in PARTS.iter().flat_map(|part| node.items(part)).filter_map(Json::text) {
        push_text(out, at, 5, text);
    }
}

/// Type and id that a reference names: `Type/id`, `http://…/Type/id`, each with or without a version, `urn:uuid:id`, `id`.
pub(crate) fn target(written: &str) -> (Option<&str>, &str) {
    let plain = written.split("/_history/").next().unwrap_or_default();
    if let Some(id) = plain.strip_prefix("urn:uuid:") {
        return (None, id);
    }
    match plain.rsplit_once('/') {
        Some((rest, id)) => (Some(rest.rsplit('/').next().unwrap_or(rest)).filter(|kind| !kind.is_empty()), id),
        None => (None, plain),
    }
}

fn push_token(out: &mut Vec<u8>, at: u16, system: Option<&str>, code: &str) {
    put(out, at, 1, &[system.map_or(0, |system| number_of(&[system])), number_of(&[code])]);
}

fn put(out: &mut Vec<u8>, at: u16, sort: u8, numbers: &[u64]) {
    out.extend(at.to_le_bytes());
    out.push(sort);
    numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
}

fn push_text(out: &mut Vec<u8>, at: u16, sort: u8, text: &str) {
    let mut end = text.len().min(MAX_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = text.get(..end).unwrap_or_default();
    put(out, at, sort, &[]);
    out.extend(u16::try_from(text.len()).unwrap_or(0).to_le_bytes());
    out.extend(text.as_bytes());
}

/// Packed values, one after another. Bytes that are none end it.
pub(crate) struct Values<'a>(pub(crate) &'a [u8]);

impl<'a> Values<'a> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        self.bytes().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = usize::from(u16::from_le_bytes(self.bytes()?));
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = (u16, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let at = u16::from_le_bytes(self.bytes()?);
        let [sort] = self.bytes()?;
        let value = match sort {
            1 => Value::Token(self.number()?, self.number()?),
            2 => Value::Reference(self.number()?, self.number()?, u32::from_le_bytes(self.bytes()?)),
            3 => Value::ReferenceIdentifier(self.number()?, self.number()?),
            4 => {
                let (low, high) = (self.number()?.cast_signed(), self.number()?.cast_signed());
                let offset = i16::from_le_bytes(self.bytes()?);
                Value::Date(Range { low, high, offset: Some(offset).filter(|offset| *offset != NO_OFFSET) })
            }
            5 => Value::Text(self.text()?),
            6 => Value::Quantity(f64::from_bits(self.number()?), self.number()?, self.number()?, self.number()?),
            7 => Value::Uri(self.text()?),
            _ => return None,
        };
        Some((at, value))
    }
}

/// The references, as written, that a parameter reads: for `_include`.
#[must_use]
pub fn references(raw: &[u8], param: &Param) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(root) = Json::parse(raw) {
        each(&root, param, &mut |node| found.extend(node.string("reference").map(str::to_owned)));
    }
    found
}

/// The words of the concepts that a token parameter reads, folded: for `:text`.
pub(crate) fn displays(raw: &[u8], param: &Param) -> Vec<String> {
    let mut found = Vec::new();
    let Some(root) = Json::parse(raw) else { return found };
    each(&root, param, &mut |node| {
        let codings = node.items("coding").iter().filter_map(|coding| coding.string("display"));
        let own = ["text", "display"].into_iter().filter_map(|name| node.string(name));
        let typed = node.get("type").and_then(|kind| kind.string("text"));
        found.extend(codings.chain(own).chain(typed).map(fold));
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::params;

    fn packed(json: &str) -> (Vec<u8>, &'static TypeParams) {
        let root = Json::parse(json.as_bytes()).unwrap();
        let table = params::of(root.string("resourceType").unwrap());
        (index(&root, table, &|_| None).packed, table)
    }

    #[test]
    fn values_come_back_as_they_were_packed() {
        let (bytes, table) = packed(
            r#"{"resourceType":"Observation","status":"final","subject":{"reference":"http://a/Patient/p/_history/2"},
                "effectivePeriod":{"start":"2024-01-01"},"valueQuantity":{"value":7.10,"code":"mmol/L"},
                "code":{"coding":[{"system":"s","code":"c"},{"code":"d"}]},"valueString":"양성"}"#,
        );
        let of = |name: &str| -> Vec<Value<'_>> {
            let (number, _) = table.find(name).unwrap();
            Values(&bytes).filter(|(at, _)| *at == number).map(|(_, value)| value).collect()
        };
        assert_eq!(of("status"), [Value::Token(0, number_of(&["final"]))]);
        let reference = Value::Reference(number_of(&["Patient", "p"]), number_of(&["p"]), near("p"));
        assert_eq!((of("subject"), of("patient")), (vec![reference], vec![reference]));
        assert_eq!(
            of("code"),
            [Value::Token(number_of(&["s"]), number_of(&["c"])), Value::Token(0, number_of(&["d"]))]
        );
        assert_eq!(of("value-quantity"), [Value::Quantity(7.1, 0, number_of(&["mmol/L"]), 0)]);
        assert_eq!(of("value-string"), [Value::Text("양성")]);
        let Value::Date(range) = of("date")[0] else { panic!() };
        assert_eq!((range.low, range.high), (1_704_067_200_000, i64::MAX));
    }

    #[test]
    fn ids_that_begin_alike_lie_together_under_their_parameter() {
        let table = params::of("Observation");
        let (_, encounter) = table.find("encounter").unwrap();
        let (_, specimen) = table.find("specimen").unwrap();
        let key = |param: &Param, id: &str| reference_key(param, number_of(&[id]), near(id));
        let (one, two) = ("3f2a91c0-aaaa-8000-8000-000000000001", "3f2a91c0-bbbb-8000-8000-000000000002");
        assert_eq!(key(encounter, one) >> 16, key(encounter, two) >> 16);
        assert_ne!(key(encounter, one), key(encounter, two));
        assert_ne!(key(encounter, one) >> 48, key(specimen, one) >> 48);
        assert_ne!(near("plain-1"), near("plain-2"));
        assert_ne!(near("12345678"), 0x1234_5678, "no UUID");
    }

    #[test]
    fn only_references_to_the_parameters_type_count() {
        let (bytes, table) = packed(
            r#"{"resourceType":"Appointment","participant":[{"actor":{"reference":"Practitioner/d"}},{"actor":{"reference":"Patient/p"}}]}"#,
        );
        let count = |name: &str| Values(&bytes).filter(|(at, _)| table.find(name).unwrap().0 == *at).count();
        assert_eq!((count("actor"), count("patient"), count("location")), (2, 1, 0));
    }

    #[test]
    fn broken_bytes_end_the_values() {
        for bytes in [&[1u8][..], &[0, 0, 9], &[0, 0, 5, 255, 255, 1], &[0, 0, 1, 0]] {
            assert_eq!(Values(bytes).count(), 0);
        }
    }
}
