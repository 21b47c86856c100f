//! Cuts a JSON document into the elements of its top-level `entry` list and the rest, while the bytes stream by.
//!
//! Only strings and brackets are understood: enough to find where an element begins and ends, so that memory holds one
//! entry at a time and a malformed entry is only itself malformed. What was cut out is checked by `serde_json` later.

use std::io::{self, BufRead};

use haechi_record::chart::Rejected;

use super::head::Head;
use super::{MAX_RESOURCE_BYTES, Place, References};

/// What gives a document piece by piece. After [`Piece::End`] only further empty ends come.
pub(crate) trait Pieces {
    /// The next piece.
    fn next(&mut self) -> io::Result<Piece>;
}

/// A piece of the document.
pub(crate) enum Piece {
    /// One element of `entry`, and the line of its first byte.
    Entry(Vec<u8>, u64),
    /// One element of `entry` as far as it can be read, its line, and what is wrong in it.
    Faulty(Vec<u8>, u64, Fault),
    /// An element of `entry` longer than [`MAX_RESOURCE_BYTES`], skipped.
    TooLong(u64),
    /// The end.
    End(Rest),
}

/// What is left of the document without the elements of `entry`.
pub(crate) struct Rest {
    /// The document with an empty `entry`; exactly the document if it has none. Cut off where `too_long`.
    pub(crate) shell: Vec<u8>,
    /// Longer than [`MAX_RESOURCE_BYTES`] even without its entries.
    pub(crate) too_long: bool,
    /// The line of its first byte.
    pub(crate) line: u64,
    /// Where the document ended before it was whole.
    pub(crate) unfinished: Option<Unfinished>,
    /// What is wrong outside of the entries.
    pub(crate) fault: Option<Fault>,
}

/// A document that ended too early: the line of the entry in whose middle it did, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unfinished {
    pub(crate) line: u64,
    pub(crate) reason: String,
}

/// Something that a resource may not have.
pub(crate) struct Fault {
    pub(crate) line: u64,
    /// The FHIR element.
    pub(crate) field: String,
    pub(crate) reason: &'static str,
}

impl Fault {
    /// The report of it, and whose the resource would have been. `resource`: it, as far as it could be read.
    pub(crate) fn rejected(
        self,
        resource: Option<Head>,
        place: &Place,
        references: &References,
    ) -> (Rejected, Option<String>) {
        let patient = resource.as_ref().and_then(|head| references.resolve(head.patient.as_deref()?).patient());
        let named = resource.and_then(|head| Some(format!("{}/{}", head.resource_type, head.id?)));
        let place = Place { line: Some(place.line.unwrap_or(1) + self.line - 1), ..place.clone() };
        (place.reject(named, Some(self.field), self.reason), patient)
    }
}

/// See the module.
pub(crate) struct Cutter<R> {
    reader: R,
    state: State,
}

#[derive(Default)]
struct State {
    line: u64,
    after_carriage_return: bool,
    /// Open brackets.
    depth: usize,
    string: Option<Quoted>,
    /// Last byte outside strings that was no white space.
    last: u8,
    /// The latest string at depth 1, as far as it matters.
    key: Vec<u8>,
    /// Inside the list `entry`.
    listing: bool,
    shell: Vec<u8>,
    shell_too_long: bool,
    element: Option<Element>,
}

struct Quoted {
    escaped: bool,
}

struct Element {
    bytes: Vec<u8>,
    line: u64,
    too_long: bool,
    /// A number, a word or a stray byte: ends at the next comma or bracket.
    scalar: bool,
}

impl<R: BufRead> Cutter<R> {
    pub(crate) fn new(reader: R) -> Cutter<R> {
        Cutter { reader, state: State { line: 1, ..State::default() } }
    }
}

impl<R: BufRead> Pieces for Cutter<R> {
    fn next(&mut self) -> io::Result<Piece> {
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                let state = std::mem::take(&mut self.state);
                let unfinished = state.element.map(|element| Unfinished {
                    line: element.line,
                    reason: "the file ends in the middle of this entry".to_owned(),
                });
                let (shell, too_long) = (state.shell, state.shell_too_long);
                return Ok(Piece::End(Rest { shell, too_long, line: 1, unfinished, fault: None }));
            }
            let all = buffer.len();
            let ended = buffer.iter().enumerate().find_map(|(at, byte)| Some((at + 1, self.state.byte(*byte)?)));
            self.reader.consume(ended.as_ref().map_or(all, |(used, _)| *used));
            if let Some((_, piece)) = ended {
                return Ok(piece);
            }
        }
    }
}

impl State {
    /// Takes one byte; gives the element that it ends.
    fn byte(&mut self, byte: u8) -> Option<Piece> {
        self.count_line(byte);
        if let Some(quoted) = &mut self.string {
            let open = if quoted.escaped {
                quoted.escaped = false;
                true
            } else {
                quoted.escaped = byte == b'\\';
                byte != b'"'
            };
            if !open {
                self.string = None;
                self.last = b'"';
            } else if self.depth == 1 && !self.listing && self.key.len() < 8 {
                self.key.push(byte);
            }
            self.keep(byte);
            // A string that stands alone in the list ends with its closing quote.
            return if !open && self.listing && self.depth == 2 { self.end_element() } else { None };
        }
        if self.listing && self.depth == 2 {
            return self.between(byte);
        }
        match byte {
            b'"' => {
                if self.depth == 1 {
                    self.key.clear();
                }
                self.string = Some(Quoted { escaped: false });
            }
            b'[' if self.depth == 1 && !self.listing && self.last == b':' && self.key == b"entry" => {
                self.depth = 2;
                self.listing = true;
                self.last = byte;
                self.shell_push(byte);
                return None;
            }
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            self.last = byte;
        }
        self.keep(byte);
        if self.listing && self.depth == 2 { self.end_element() } else { None }
    }

    /// A byte directly inside the list, outside its elements or in a scalar one.
    fn between(&mut self, byte: u8) -> Option<Piece> {
        let in_scalar = self.element.is_some();
        match byte {
            b']' => {
                let ended = self.end_element();
                self.listing = false;
                self.depth = 1;
                self.last = byte;
                self.shell_push(byte);
                ended
            }
            b',' => self.end_element(),
            byte if byte.is_ascii_whitespace() => self.end_element(),
            b'{' | b'[' if !in_scalar => {
                self.begin_element(false);
                self.depth += 1;
                self.keep(byte);
                None
            }
            b'"' if !in_scalar => {
                self.begin_element(false);
                self.string = Some(Quoted { escaped: false });
                self.keep(byte);
                None
            }
            byte => {
                if !in_scalar {
                    self.begin_element(true);
                }
                self.keep(byte);
                None
            }
        }
    }

    fn begin_element(&mut self, scalar: bool) {
        self.element = Some(Element { bytes: Vec::new(), line: self.line, too_long: false, scalar });
    }

    fn end_element(&mut self) -> Option<Piece> {
        let element = self.element.take()?;
        debug_assert!(element.scalar || !element.bytes.is_empty() || element.too_long);
        Some(if element.too_long { Piece::TooLong(element.line) } else { Piece::Entry(element.bytes, element.line) })
    }

    fn keep(&mut self, byte: u8) {
        match &mut self.element {
            Some(element) if element.too_long => {}
            Some(element) if element.bytes.len() >= MAX_RESOURCE_BYTES => {
                element.too_long = true;
                element.bytes = Vec::new();
            }
            Some(element) => element.bytes.push(byte),
            None => self.shell_push(byte),
        }
    }

    fn shell_push(&mut self, byte: u8) {
        if self.shell.len() < MAX_RESOURCE_BYTES {
            self.shell.push(byte);
        } else {
            self.shell_too_long = true;
        }
    }

    /// `\n`, `\r\n` and a lone `\r` each end a line; the line counts from the byte after it.
    fn count_line(&mut self, byte: u8) {
        if self.after_carriage_return && byte != b'\n' {
            self.line += 1;
        }
        self.after_carriage_return = byte == b'\r';
        if byte == b'\n' {
            self.line += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries with their lines, the shell, and the line of an unfinished entry.
    fn cut(text: &str, buffer: usize) -> (Vec<(String, u64)>, String, Option<u64>) {
        let mut cutter = Cutter::new(io::BufReader::with_capacity(buffer, text.as_bytes()));
        let mut entries = Vec::new();
        loop {
            match cutter.next().unwrap() {
                Piece::Entry(bytes, line) => entries.push((String::from_utf8(bytes).unwrap(), line)),
                Piece::TooLong(_) | Piece::Faulty(..) => unreachable!(),
                Piece::End(rest) => {
                    let unfinished = rest.unfinished.map(|unfinished| unfinished.line);
                    return (entries, String::from_utf8(rest.shell).unwrap(), unfinished);
                }
            }
        }
    }

    #[test]
    fn entries_come_out_as_they_stand() {
        let text = "{\"resourceType\":\"Bundle\",\r\n\"entry\":[\n{\"a\":\"]},{\\\"\"},\n {\"b\":[1,{}]} ],\"type\":\"batch\"}";
        for buffer in [1, 2, 7, 4096] {
            let (entries, shell, unfinished) = cut(text, buffer);
            assert_eq!(entries, [("{\"a\":\"]},{\\\"\"}".to_owned(), 3), ("{\"b\":[1,{}]}".to_owned(), 4)]);
            assert_eq!(shell, "{\"resourceType\":\"Bundle\",\r\n\"entry\":[],\"type\":\"batch\"}");
            assert_eq!(unfinished, None);
        }
    }

    #[test]
    fn only_the_top_level_list_counts() {
        for whole in [
            r#"{"resourceType":"X","a":{"entry":[{}]},"b":"entry"}"#,
            r#"{"entries":[{}]}"#,
            r#"{"entry":{"a":[1]}}"#,
            r#"[{"entry":[1]}]"#,
            "",
        ] {
            assert_eq!(cut(whole, 3), (Vec::new(), whole.to_owned(), None), "{whole}");
        }
    }

    #[test]
    fn broken_documents_give_what_they_have() {
        let (entries, _, unfinished) = cut("{\"entry\":[{\"a\":1},\n{\"b\":", 5);
        assert_eq!((entries.len(), unfinished), (1, Some(2)));
        let (entries, _, _) = cut(r#"{"entry":[{"a":1}},7,"x",{"b":2}]}"#, 5);
        let texts: Vec<_> = entries.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(texts, [r#"{"a":1}"#, "}", "7", "\"x\"", r#"{"b":2}"#]);
    }
}
