//! Elements become JSON as they end: a stack of what is open, each with the JSON of its children so far.

use std::borrow::Cow;

use quick_xml::XmlVersion;
use quick_xml::events::BytesStart;

use super::definitions::{self, Element, Holds, Type};
use super::narrative::Narrative;
use crate::fhir::cut::Fault;

/// Elements inside one another; a questionnaire's items go deepest.
const DEEPEST: usize = 64;

/// Attributes of one element; FHIR has at most three, and name spaces may stand beside them.
const MOST_ATTRIBUTES: usize = 32;

const NAMESPACE: &str = "http://hl7.org/fhir";

/// An element that is open.
struct Open {
    name: Cow<'static, str>,
    many: bool,
    kind: Kind,
    /// The line of its first byte.
    line: u64,
    children: Vec<Child>,
    /// The JSON of a primitive's value, or of the resource inside.
    value: Option<Vec<u8>>,
}

enum Kind {
    Parts(&'static Type),
    Resource(&'static Type),
    /// An element around a resource.
    Around,
    /// A text, a number, a boolean.
    Primitive,
}

/// All children of one name.
struct Child {
    name: Cow<'static, str>,
    many: bool,
    count: usize,
    /// JSON values with commas between; `null` where one has only extensions.
    values: Vec<u8>,
    any_value: bool,
    /// What stands beside them under `_name`.
    beside: Vec<u8>,
    any_beside: bool,
}

/// What an end tag ended.
pub(super) enum Ended {
    /// Something inside.
    Inner,
    /// An entry of the outermost bundle: its JSON, and its line.
    Entry(Vec<u8>, u64),
    /// The outermost resource: its JSON, its entries left out.
    Document(Vec<u8>),
}

/// See the module.
#[derive(Default)]
pub(super) struct Tree {
    open: Vec<Open>,
    narrative: Option<Narrative>,
    /// Open elements of a part that is passed over.
    passing: usize,
    /// The prefix of FHIR's names in this document.
    prefix: Option<String>,
    /// What was wrong first in the present entry, or in the document if it is no bundle.
    pub(super) fault: Option<Fault>,
    /// What was wrong first outside of a bundle's entries.
    pub(super) outside: Option<Fault>,
    /// Too long: everything is passed over until the entry or the document ends, and only counted.
    dropping: bool,
}

impl Tree {
    /// The type of the outermost resource.
    pub(super) fn is_bundle(&self) -> bool {
        matches!(self.open.first(), Some(Open { kind: Kind::Resource(kind), .. }) if kind.name == "Bundle")
    }

    /// The line of the entry that is open.
    pub(super) fn entry_line(&self) -> Option<u64> {
        self.open.get(1).filter(|one| self.is_bundle() && one.name == "entry").map(|one| one.line)
    }

    /// Nothing is open.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The outermost resource as far as it has been read.
    pub(super) fn outermost_json(&self) -> Vec<u8> {
        self.open.first().and_then(|one| one.json().0).unwrap_or_else(|| b"{}".to_vec())
    }

    /// What is open has become too long to be kept.
    pub(super) fn drop_all(&mut self) {
        self.dropping = true;
        // The outermost bundle's own elements are no part of its entry.
        let from = usize::from(self.entry_line().is_some());
        for one in self.open.iter_mut().skip(from) {
            one.children = Vec::new();
            one.value = None;
        }
        if let Some(narrative) = &mut self.narrative {
            narrative.clear();
        }
    }

    /// Takes a start tag that begins on `line`.
    ///
    /// # Errors
    /// Why the document cannot be read on.
    pub(super) fn start(&mut self, tag: &BytesStart<'_>, empty: bool, line: u64) -> Result<(), &'static str> {
        if self.passing > 0 {
            self.passing += 1;
            return Ok(());
        }
        if let Some(narrative) = &mut self.narrative {
            return narrative.start(tag, empty);
        }
        if self.open.len() >= DEEPEST {
            return Err("elements are nested deeper than FHIR has them");
        }
        if self.open.is_empty() {
            return self.outermost(tag, line);
        }
        let (name, many, kind) = match self.child(tag) {
            Ok(found) => found,
            Err(reason) => {
                self.wrong(line, Some(tag), reason);
                self.passing = 1;
                return Ok(());
            }
        };
        let Some(kind) = kind else {
            self.narrative = Some(Narrative::new(line));
            return self.narrative.as_mut().map_or(Ok(()), |narrative| narrative.start(tag, empty));
        };
        self.open.push(Open { name, many, kind: kind.0, line, children: Vec::new(), value: None });
        self.attributes(tag, line, kind.1);
        Ok(())
    }

    fn outermost(&mut self, tag: &BytesStart<'_>, line: u64) -> Result<(), &'static str> {
        let name = tag.local_name();
        let Some(kind) = definitions::resource(name.as_ref()) else {
            return Err("the outermost element is no resource of FHIR R4");
        };
        let prefix = tag.name().prefix().map(|prefix| prefix.as_ref().to_owned());
        let declared = prefix.as_ref().map_or_else(|| "xmlns".to_owned(), |prefix| format!("xmlns:{prefix}"));
        let space = tag.attributes().take(MOST_ATTRIBUTES).flatten().find(|one| one.key.as_ref() == declared);
        if space.is_none_or(|space| &*space.value != NAMESPACE) {
            return Err("the outermost element is not in FHIR's name space, http://hl7.org/fhir");
        }
        self.prefix = prefix;
        let name = Cow::Borrowed(kind.name);
        let kind = Kind::Resource(kind);
        self.open.push(Open { name, many: false, kind, line, children: Vec::new(), value: None });
        self.attributes(tag, line, Holds::Resource);
        Ok(())
    }

    /// What the element that begins is to the one it stands in; no kind: the narrative.
    #[allow(clippy::type_complexity)] // a row that its one caller takes apart
    fn child(&self, tag: &BytesStart<'_>) -> Result<(Cow<'static, str>, bool, Option<(Kind, Holds)>), &'static str> {
        const UNKNOWN: &str = "holds an element that FHIR R4 does not have there";
        let name = tag.local_name();
        let name = name.as_ref();
        let parent = self.open.last().ok_or(UNKNOWN)?;
        let parts = match parent.kind {
            Kind::Parts(parts) | Kind::Resource(parts) => parts,
            Kind::Primitive => definitions::any_element().ok_or(UNKNOWN)?,
            Kind::Around => {
                let kind = definitions::resource(name).ok_or("holds an element that is no resource of FHIR R4")?;
                self.own(tag)?;
                return Ok((Cow::Borrowed(kind.name), false, Some((Kind::Resource(kind), Holds::Resource))));
            }
        };
        // Some writers make an element of what is an attribute (the id of an element); it can mean nothing else.
        let element = parts.element(name).ok_or(UNKNOWN)?;
        let Element { name, many, holds, .. } = element;
        if holds == Holds::Narrative {
            return Ok((name, many, None));
        }
        self.own(tag)?;
        let kind = match holds {
            Holds::Parts(parts) => Kind::Parts(parts),
            Holds::Resource => Kind::Around,
            _ => Kind::Primitive,
        };
        Ok((name, many, Some((kind, holds))))
    }

    /// Whether the name is FHIR's.
    fn own(&self, tag: &BytesStart<'_>) -> Result<(), &'static str> {
        let prefix = tag.name().prefix().map(|prefix| prefix.as_ref().to_owned());
        if prefix == self.prefix { Ok(()) } else { Err("holds an element of another name space") }
    }

    /// Reads the attributes of the element that was just opened.
    fn attributes(&mut self, tag: &BytesStart<'_>, line: u64, holds: Holds) {
        for (count, attribute) in tag.attributes().enumerate() {
            let Ok(attribute) = attribute else {
                return self.wrong(line, None, "has a malformed attribute, or one twice");
            };
            if count >= MOST_ATTRIBUTES {
                return self.wrong(line, None, "has more attributes than an element of FHIR has");
            }
            let name = attribute.key.as_ref();
            if name == "xmlns" || name.starts_with("xmlns:") {
                let ours = self.prefix.as_ref().map_or("xmlns", |prefix| prefix.as_str());
                let redefines = name == "xmlns" || name.strip_prefix("xmlns:") == Some(ours);
                if redefines && self.prefix.is_none() == (name == "xmlns") && &*attribute.value != NAMESPACE {
                    return self.wrong(line, None, "is in another name space than FHIR's");
                }
                continue;
            }
            // Where schemas lie (xsi:schemaLocation) is no part of a record.
            if attribute.key.prefix().is_some() {
                continue;
            }
            let Ok(text) = attribute.normalized_value(XmlVersion::Implicit1_0) else {
                return self.wrong(line, None, "has an entity that is none of XML's five, or no character");
            };
            if let Err(reason) = self.attribute(name, &text, holds) {
                return self.wrong(line, None, reason);
            }
        }
    }

    fn attribute(&mut self, name: &str, text: &str, holds: Holds) -> Result<(), &'static str> {
        let Some(open) = self.open.last_mut().filter(|_| !self.dropping) else { return Ok(()) };
        if name == "value" && matches!(open.kind, Kind::Primitive) {
            open.value = Some(match holds {
                Holds::Boolean if matches!(text, "true" | "false") => text.as_bytes().to_vec(),
                Holds::Boolean => return Err("is neither true nor false"),
                Holds::Number if is_number(text) => text.as_bytes().to_vec(),
                Holds::Number => return Err("is no number as FHIR writes them"),
                _ => quoted(text),
            });
            return Ok(());
        }
        let parts = match open.kind {
            Kind::Parts(parts) => Some(parts),
            Kind::Primitive => definitions::any_element(),
            // A resource's id is an element.
            Kind::Resource(_) | Kind::Around => None,
        };
        match parts.and_then(|parts| parts.element(name)).filter(|element| element.attribute) {
            Some(element) => add(&mut open.children, element.name, false, Some(&quoted(text)), None),
            None => Err("has an attribute that FHIR R4 does not have there"),
        }
    }

    /// Takes an end tag.
    pub(super) fn end(&mut self, name: &str) -> Ended {
        if self.passing > 0 {
            self.passing -= 1;
            return Ended::Inner;
        }
        if let Some(narrative) = &mut self.narrative {
            if !narrative.end(name) {
                return Ended::Inner;
            }
            let (text, line, fault) = self.narrative.take().map(Narrative::finish).unwrap_or_default();
            if let Some(reason) = fault {
                self.wrong(line, None, reason);
            }
            self.give("div".into(), false, Some(&quoted(&text)), None, line);
            return Ended::Inner;
        }
        let is_entry = self.open.len() == 2 && self.entry_line().is_some();
        let Some(one) = self.open.pop() else { return Ended::Inner };
        let line = one.line;
        let (value, beside) = one.json();
        if is_entry {
            self.dropping = false;
            return Ended::Entry(value.unwrap_or_else(|| b"{}".to_vec()), line);
        }
        if self.open.is_empty() {
            self.dropping = false;
            return Ended::Document(value.unwrap_or_default());
        }
        if value.is_some() || beside.is_some() {
            self.give(one.name, one.many, value.as_deref(), beside.as_deref(), line);
        }
        Ended::Inner
    }

    /// Gives what has ended to the element that it stands in.
    fn give(&mut self, name: Cow<'static, str>, many: bool, value: Option<&[u8]>, beside: Option<&[u8]>, line: u64) {
        if self.dropping {
            return;
        }
        // An entry's resource begins as many lines down as it does in the file, so that reports name its line there.
        let down = self.entry_line().filter(|_| self.open.len() == 3);
        let Some(parent) = self.open.last_mut() else { return };
        if let (Kind::Around, Some(value)) = (&parent.kind, value) {
            if parent.value.is_some() {
                return self.wrong(line, None, "holds more than one resource");
            }
            let lines = down.map_or(0, |entry| usize::try_from(line.saturating_sub(entry)).unwrap_or(0));
            let mut padded = vec![b'\n'; lines];
            padded.extend_from_slice(value);
            parent.value = Some(padded);
        } else if let Err(reason) = add(&mut parent.children, name, many, value, beside) {
            self.wrong(line, None, reason);
        }
    }

    /// Takes text between tags.
    pub(super) fn text(&mut self, escaped: &str, line: u64) {
        match &mut self.narrative {
            _ if self.passing > 0 || self.dropping => {}
            Some(narrative) => narrative.text(escaped),
            None if escaped.trim_ascii().is_empty() => {}
            None => self.wrong(line, None, "has text between its elements, where FHIR has none"),
        }
    }

    /// Takes a reference between tags, such as `&amp;`. `known`: XML knows it.
    pub(super) fn reference(&mut self, name: &str, known: bool, line: u64) {
        match &mut self.narrative {
            _ if self.passing > 0 || self.dropping => {}
            Some(narrative) if known => narrative.text(&format!("&{name};")),
            Some(narrative) => {
                narrative.wrong("has an entity that is none of XML's five; HTML's are not known to FHIR")
            }
            None => self.text("&", line),
        }
    }

    /// Notes what is wrong, if it is the first; with the element where it is, `tag` inside it.
    fn wrong(&mut self, line: u64, tag: Option<&BytesStart<'_>>, reason: &'static str) {
        let field = self.path(tag);
        let outside = self.is_bundle() && self.entry_line().is_none();
        let fault = if outside { &mut self.outside } else { &mut self.fault };
        fault.get_or_insert(Fault { line, field, reason });
    }

    fn path(&self, tag: Option<&BytesStart<'_>>) -> String {
        let resource = self.open.iter().rposition(|one| matches!(one.kind, Kind::Resource(_))).unwrap_or(0);
        let mut path = String::new();
        for one in self.open.iter().skip(resource) {
            path.push_str(if path.is_empty() { "" } else { "." });
            path.push_str(&one.name);
        }
        // A name of letters is one of a definition; anything else might be anything.
        if let Some(name) = tag.map(BytesStart::local_name)
            && name.as_ref().len() <= 64
            && name.as_ref().bytes().all(|byte| byte.is_ascii_alphanumeric())
        {
            path.push('.');
            path.push_str(name.as_ref());
        }
        path
    }
}

impl Open {
    /// Its JSON, and what stands beside it under `_name`. Neither: there is nothing in it.
    fn json(&self) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
        match &self.kind {
            Kind::Resource(kind) => (Some(object(Some(kind.name), &self.children)), None),
            Kind::Around => (self.value.clone(), None),
            Kind::Parts(_) if self.children.is_empty() => (None, None),
            Kind::Parts(_) => (Some(object(None, &self.children)), None),
            Kind::Primitive => {
                let beside = (!self.children.is_empty()).then(|| object(None, &self.children));
                (self.value.clone(), beside)
            }
        }
    }
}

fn object(resource_type: Option<&str>, children: &[Child]) -> Vec<u8> {
    let mut out = vec![b'{'];
    if let Some(name) = resource_type {
        out.extend_from_slice(b"\"resourceType\":");
        out.extend(quoted(name));
    }
    for child in children {
        for (before, any, values) in [("", child.any_value, &child.values), ("_", child.any_beside, &child.beside)] {
            if !any {
                continue;
            }
            out.extend_from_slice(if out.len() > 1 { b",\"" } else { b"\"" });
            out.extend_from_slice(before.as_bytes());
            out.extend_from_slice(child.name.as_bytes());
            out.extend_from_slice(if child.many { b"\":[" } else { b"\":" });
            out.extend_from_slice(values);
            if child.many {
                out.push(b']');
            }
        }
    }
    out.push(b'}');
    out
}

/// Adds one more child called `name`.
fn add(
    children: &mut Vec<Child>,
    name: Cow<'static, str>,
    many: bool,
    value: Option<&[u8]>,
    beside: Option<&[u8]>,
) -> Result<(), &'static str> {
    let at = children.iter().position(|child| child.name == name).unwrap_or(children.len());
    if at == children.len() {
        let (values, beside) = (Vec::new(), Vec::new());
        children.push(Child { name, many, count: 0, values, any_value: false, beside, any_beside: false });
    }
    let Some(child) = children.get_mut(at) else { return Ok(()) };
    if child.count > 0 {
        if !child.many {
            return Err("stands twice where FHIR R4 has it once");
        }
        child.values.push(b',');
        child.beside.push(b',');
    }
    child.count += 1;
    child.values.extend_from_slice(value.unwrap_or(b"null"));
    child.beside.extend_from_slice(beside.unwrap_or(b"null"));
    child.any_value |= value.is_some();
    child.any_beside |= beside.is_some();
    Ok(())
}

fn quoted(text: &str) -> Vec<u8> {
    serde_json::to_vec(text).unwrap_or_default()
}

/// Numbers of JSON and of FHIR's `decimal` are written alike; digits are kept as they stand, `7.10` too.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (number, power) = text.split_once(['e', 'E']).map_or((text, None), |(number, power)| (number, Some(power)));
    let (whole, part) = number.split_once('.').map_or((number, None), |(whole, part)| (whole, Some(part)));
    let power = power.map(|power| power.strip_prefix(['+', '-']).unwrap_or(power));
    digits(whole) && (whole == "0" || !whole.starts_with('0')) && part.is_none_or(digits) && power.is_none_or(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_json() {
        for yes in ["0", "-0", "7.10", "120", "1e3", "1.5E-7", "-0.5e+2"] {
            assert!(is_number(yes) && serde_json::from_str::<f64>(yes).is_ok(), "{yes}");
        }
        for no in ["", "-", "+1", "01", "1.", ".5", "1e", "NaN", "1 ", "0x1", "1,5", "٣"] {
            assert!(!is_number(no), "{no}");
        }
    }
}
