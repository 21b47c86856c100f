//! FHIR R4 in XML: the same resources as JSON, made from elements (hl7.org/fhir/R4/xml.html).
//!
//! What the record keeps is the JSON that is made here, compact and always the same for the same elements; the digits of
//! numbers and the words of the narrative stay as they were. A bundle streams entry by entry. An entry that holds what
//! FHIR R4 does not have is put aside by itself and named; where tags do not fit together the document ends.
//!
//! A document type, and with it every entity of its own, is refused.

mod definitions;
mod metered;
mod narrative;
mod tree;

use std::io::{self, BufRead};
use std::sync::Arc;

use quick_xml::Reader;
use quick_xml::errors::Error;
use quick_xml::events::Event;

use self::metered::Metered;
use self::tree::{Ended, Tree};
use super::bundle;
use super::cut::{Piece, Pieces, Rest, Unfinished};
use super::{Found, MAX_RESOURCE_BYTES, Place, References, Taker, head};

/// A history bundle, whose newest version comes first and must go in last, is held whole up to this size.
const HISTORY_BYTES: u64 = 32 << 20;

/// Reads a document. `open` gives it from the start each time. Returns `false` if the taker is gone.
///
/// # Errors
/// What the disk or the decompressor says.
pub(crate) fn read<R: BufRead>(open: &dyn Fn() -> io::Result<R>, place: &Place, taker: Taker<'_>) -> io::Result<bool> {
    let mut cutter = Cutter::new(open()?);
    let (references, rest) = bundle::index(&mut cutter)?;
    if !cutter.is_bundle {
        return Ok(single(rest, place, taker));
    }
    let history = bundle::is_history(&rest.shell);
    if history && cutter.reader.get_ref().bytes > HISTORY_BYTES {
        let reason = format!(
            "a history bundle, which must be read from its end, may have {} MiB at most; this one is larger",
            HISTORY_BYTES >> 20
        );
        return Ok(taker(Found::Rejected(place.reject(None, None, reason), None)));
    }
    let alive = bundle::emit(&mut Cutter::new(open()?), place, &Arc::new(references), (0, history), taker)?;
    // Wrong outside of the entries, which went in all the same.
    let fault = rest.fault.map(|fault| fault.rejected(None, place, &References::default()).0);
    Ok(alive && fault.is_none_or(|rejected| taker(Found::Rejected(rejected, None))))
}

/// The one resource that a document is.
fn single(rest: Rest, place: &Place, taker: Taker<'_>) -> bool {
    let whole = |line: Option<u64>, reason: String| {
        let place = Place { line, ..place.clone() };
        Found::Rejected(place.reject(None, None, reason), None)
    };
    if rest.too_long {
        let reason = format!("a single resource may have {} MiB at most; this one is larger", MAX_RESOURCE_BYTES >> 20);
        return taker(whole(place.line, reason));
    }
    if let Some(unfinished) = rest.unfinished {
        return taker(whole(Some(unfinished.line), unfinished.reason));
    }
    match rest.fault {
        Some(fault) => {
            let head = head::read(&rest.shell, place).ok();
            let (rejected, patient) = fault.rejected(head, place, &References::default());
            taker(Found::Rejected(rejected, patient))
        }
        None => bundle::single(&rest.shell, &Place { line: Some(rest.line), ..place.clone() }, taker),
    }
}

/// Cuts a document into the entries of its bundle and the rest, as JSON.
struct Cutter<R: BufRead> {
    reader: Reader<Metered<R>>,
    buffer: Vec<u8>,
    tree: Tree,
    is_bundle: bool,
    /// The line of the outermost element.
    first: u64,
    /// Where the present entry began.
    since: u64,
    too_long: bool,
    ended: bool,
}

impl<R: BufRead> Cutter<R> {
    fn new(reader: R) -> Cutter<R> {
        let reader = Reader::from_reader(Metered::new(reader));
        let (buffer, tree) = (Vec::new(), Tree::default());
        Cutter { reader, buffer, tree, is_bundle: false, first: 1, since: 0, too_long: false, ended: false }
    }

    /// The last piece. `shell`: the whole document, or else what was read of it, where it ends on a line for a reason.
    fn end(&mut self, shell: Option<Vec<u8>>, reason: Option<(u64, String)>) -> Piece {
        self.ended = true;
        let shell = shell.unwrap_or_else(|| self.tree.outermost_json());
        let fault = self.tree.outside.take().or_else(|| self.tree.fault.take());
        let entry = self.tree.entry_line();
        let unfinished = reason.map(|(line, reason)| Unfinished { line: entry.unwrap_or(line), reason });
        Piece::End(Rest { shell, line: self.first, too_long: self.too_long, unfinished, fault })
    }

    /// What an end tag that ended an entry or the document gives.
    fn ended(&mut self, ended: Ended) -> Option<Piece> {
        match ended {
            Ended::Inner => None,
            Ended::Entry(bytes, line) => {
                self.since = self.reader.get_ref().bytes;
                if std::mem::take(&mut self.too_long) {
                    self.tree.fault = None;
                    return Some(Piece::TooLong(line));
                }
                Some(match self.tree.fault.take() {
                    Some(fault) => Piece::Faulty(bytes, line, fault),
                    None => Piece::Entry(bytes, line),
                })
            }
            Ended::Document(json) => Some(self.end(Some(json), None)),
        }
    }

    /// Reads one event.
    fn step(&mut self) -> io::Result<Option<Piece>> {
        const TAG_BYTES: u64 = MAX_RESOURCE_BYTES as u64;
        self.buffer.clear();
        self.reader.get_mut().allow(TAG_BYTES);
        let line = self.reader.get_ref().line;
        let event = match self.reader.read_event_into(&mut self.buffer) {
            Ok(event) => event,
            Err(Error::Io(error)) if !self.reader.get_ref().is_spent() => {
                return Err(io::Error::new(error.kind(), error.to_string()));
            }
            Err(error) => {
                let reason = malformed(&error);
                return Ok(Some(self.end(None, Some((line, reason)))));
            }
        };
        let said = match &event {
            Event::Start(tag) => self.tree.start(tag, false, line).map(|()| Ended::Inner),
            Event::Empty(tag) => self.tree.start(tag, true, line).map(|()| self.tree.end(tag.local_name().as_ref())),
            Event::End(tag) => Ok(self.tree.end(tag.local_name().as_ref())),
            Event::Text(text) => {
                self.tree.text(text, line);
                Ok(Ended::Inner)
            }
            Event::CData(text) => {
                self.tree.text(&quick_xml::escape::escape(&**text), line);
                Ok(Ended::Inner)
            }
            Event::GeneralRef(name) => {
                let known = name.is_char_ref() && name.resolve_char_ref().is_ok_and(|char| char.is_some());
                let known = known || matches!(&**name, "amp" | "lt" | "gt" | "quot" | "apos");
                self.tree.reference(name, known, line);
                Ok(Ended::Inner)
            }
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => Ok(Ended::Inner),
            Event::DocType(_) => Err("has a document type (<!DOCTYPE), which FHIR does not allow"),
            Event::Eof => Err("ends before its outermost element does"),
        };
        let ended = match said {
            Ok(ended) => ended,
            Err(reason) => {
                let reason = format!("not read on from here: the document {reason}");
                return Ok(Some(self.end(None, Some((line, reason)))));
            }
        };
        if !self.is_bundle && !self.tree.is_empty() {
            self.is_bundle = self.tree.is_bundle();
        }
        if self.first == 1 {
            self.first = line;
        }
        Ok(self.ended(ended))
    }
}

impl<R: BufRead> Pieces for Cutter<R> {
    fn next(&mut self) -> io::Result<Piece> {
        loop {
            if self.ended {
                return Ok(self.end(None, None));
            }
            if let Some(piece) = self.step()? {
                return Ok(piece);
            }
            let taken = self.reader.get_ref().bytes - self.since;
            if !self.too_long && taken > MAX_RESOURCE_BYTES as u64 {
                self.too_long = true;
                self.tree.drop_all();
            }
        }
    }
}

/// What is wrong with the tags, without any of their content.
fn malformed(error: &Error) -> String {
    let what = match error {
        Error::Syntax(error) => error.to_string(),
        Error::IllFormed(_) => "a tag that ends no element that is open, or an element that does not end".to_owned(),
        Error::InvalidAttr(_) => "a malformed attribute".to_owned(),
        Error::Encoding(_) => "text that is not UTF-8".to_owned(),
        Error::Io(_) => format!("a tag or text of more than {} MiB", MAX_RESOURCE_BYTES >> 20),
        _ => "what XML does not allow".to_owned(),
    };
    format!("malformed XML: {what}; not read on from here")
}

/// Why a document is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The line, counted from 1.
    pub line: u64,
    /// The FHIR element, where one is to blame.
    pub field: Option<String>,
    /// What is wrong; never the content.
    pub reason: String,
}

/// A whole document as one JSON document: a request's body, where nothing may be left out.
///
/// # Errors
/// The first thing that is wrong with it, however small.
pub fn to_json(document: &[u8]) -> Result<Vec<u8>, Refused> {
    let refused = |line, field, reason: &str| Refused { line, field, reason: reason.to_owned() };
    let mut cutter = Cutter::new(document);
    let mut entries: Vec<Vec<u8>> = Vec::new();
    let rest = loop {
        // Reading from memory cannot fail.
        match cutter.next().map_err(|error| refused(1, None, &error.to_string()))? {
            Piece::Entry(entry, _) => entries.push(entry),
            Piece::Faulty(_, _, fault) => return Err(refused(fault.line, Some(fault.field), fault.reason)),
            Piece::TooLong(line) => return Err(refused(line, Some("Bundle.entry".to_owned()), "too long")),
            Piece::End(rest) => break rest,
        }
    };
    if let Some(unfinished) = rest.unfinished {
        return Err(refused(unfinished.line, None, &unfinished.reason));
    }
    if let Some(fault) = rest.fault {
        return Err(refused(fault.line, Some(fault.field), fault.reason));
    }
    if rest.too_long {
        return Err(refused(rest.line, None, "too long"));
    }
    let mut json = rest.shell;
    if !entries.is_empty() && json.pop() == Some(b'}') {
        json.extend_from_slice(br#","entry":["#);
        json.extend_from_slice(&entries.join(&b','));
        json.extend_from_slice(b"]}");
    }
    Ok(json)
}

/// The resources of an XML document as the JSON that the record would hold, and the reasons of what would be put aside,
/// without storing anything.
#[must_use]
pub fn json_of(document: &[u8]) -> (Vec<Vec<u8>>, Vec<String>) {
    let (mut resources, mut rejected) = (Vec::new(), Vec::new());
    let place = Place { line: Some(1), ..Place::default() };
    // Reading from memory cannot fail.
    let _ = read(&|| Ok(document), &place, &mut |found| {
        match found {
            Found::Resource(item) => resources.push(item.raw),
            Found::Rejected(one, _) => rejected.push(format!("{}: {}", one.field.unwrap_or_default(), one.reason)),
        }
        true
    });
    (resources, rejected)
}

#[cfg(test)]
mod tests;
