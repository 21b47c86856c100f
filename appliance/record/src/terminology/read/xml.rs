//! XML element by element, bounded in depth and in the size of one piece.

use std::cell::Cell;
use std::io::BufReader;
use std::rc::Rc;

use quick_xml::events::{BytesStart, Event};

use super::delimited::Metered;
use super::{Reading, Source, TerminologyError};

/// Elements inside one another.
const DEEPEST: usize = 64;

/// What is met on the way through a document.
pub(super) enum Met<'x> {
    /// An element begins: its name, without prefix.
    Open(&'x BytesStart<'x>),
    /// An element ends, with the text that stood in it and in its children.
    Close(&'x str, &'x str),
}

/// Walks the document. `line` of the reading is not known: XML has no lines that matter; rows are told by their number.
pub(super) fn walk(
    source: &mut dyn Source,
    expected: &'static str,
    reading: &mut Reading<'_, '_>,
    take: &mut dyn FnMut(&mut Reading<'_, '_>, Met<'_>) -> Result<(), TerminologyError>,
) -> Result<(), TerminologyError> {
    source.rewind().map_err(|error| reading.unreadable(expected, error))?;
    let since = Rc::new(Cell::new(0));
    let metered = Metered { inner: source, since: Rc::clone(&since) };
    let mut document = quick_xml::Reader::from_reader(BufReader::new(metered));
    let mut buffer = Vec::new();
    // The text of each open element.
    let mut texts: Vec<String> = Vec::new();
    loop {
        buffer.clear();
        since.set(0);
        let event = document.read_event_into(&mut buffer).map_err(|error| reading.unreadable(expected, error))?;
        match event {
            Event::Eof => {
                if texts.is_empty() {
                    return Ok(());
                }
                return Err(reading.unreadable(expected, "it ends inside an element"));
            }
            Event::Start(start) => {
                if texts.len() >= DEEPEST {
                    return Err(reading.too_large(format!("elements more than {DEEPEST} deep")));
                }
                texts.push(String::new());
                take(reading, Met::Open(&start))?;
            }
            Event::Empty(start) => {
                take(reading, Met::Open(&start))?;
                let name = start.local_name();
                take(reading, Met::Close(name.as_ref(), ""))?;
            }
            Event::End(end) => {
                let text = texts.pop().unwrap_or_default();
                let name = end.local_name();
                take(reading, Met::Close(name.as_ref(), &text))?;
                if let Some(outer) = texts.last_mut() {
                    push(outer, &text);
                }
            }
            Event::Text(text) => {
                if let Some(open) = texts.last_mut() {
                    push(open, &text);
                }
            }
            Event::CData(text) => {
                if let Some(open) = texts.last_mut() {
                    push(open, &text);
                }
            }
            Event::GeneralRef(name) => {
                // The five of XML and numbers; a document type's own entities are not read.
                let resolved = name.resolve_char_ref().ok().flatten().or_else(|| match &*name {
                    "amp" => Some('&'),
                    "lt" => Some('<'),
                    "gt" => Some('>'),
                    "quot" => Some('"'),
                    "apos" => Some('\''),
                    _ => None,
                });
                if let (Some(open), Some(resolved)) = (texts.last_mut(), resolved) {
                    open.push(resolved);
                }
            }
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

/// Long texts are cut: no name is that long, and an element without end must not fill the memory.
fn push(open: &mut String, text: &str) {
    const LONGEST: usize = 4 * super::LONGEST_TEXT;
    if open.len() < LONGEST {
        open.push_str(text);
    }
}

/// An attribute's value.
pub(super) fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = start.try_get_attribute(name).ok()??;
    found.normalized_value(quick_xml::XmlVersion::Implicit1_0).ok().map(std::borrow::Cow::into_owned)
}
