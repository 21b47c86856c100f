//! One message taken apart: delimiters, segments, fields, escapes.
//!
//! The structure is hl7-parser's. What senders do beside the standard (line ends, continued lines, a short MSH-2) is put
//! right before it reads; escapes are ours, because its decoder takes a count of characters for a count of bytes and
//! knows neither `\X..\` of several bytes nor `\.sp\`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;

use encoding_rs::Encoding;
use haechi_record::chart::Rejected;
use hl7_parser::message::{Field, Repeat, Separators};
use hl7_parser::parser::parse_field_with_separators;

use super::charset::{self, Decoded};

/// Longest message taken, in bytes: bounds what one sender can make us hold.
pub(super) const MAX_MESSAGE_BYTES: usize = 16 << 20;
/// Most segments in a message. A month of hourly vitals is under 5,000.
const MAX_SEGMENTS: usize = 20_000;
/// Most delimiters in a message: each costs about 200 bytes once parsed, so 80 MiB at worst.
const MAX_DELIMITERS: usize = 400_000;
/// Most repetitions of a field that are read. Running text, whose repetitions are lines, is not bounded by it.
const MAX_REPETITIONS: usize = 500;
/// Most lines and fields of one message that are reported; the rest is counted.
const MAX_REPORTS: usize = 100;
/// Most empty lines kept between two lines of running text.
const MAX_EMPTY_LINES: usize = 100;
/// Most lines or spaces that one escape sequence stands for.
const MAX_SKIPPED: usize = 20;
/// Segments whose text may hold line ends of its own and so go on in the next line.
const CONTINUED: [&str; 2] = ["OBX", "NTE"];

/// What a reader of a field needs beside the field.
#[derive(Debug, Clone, Copy)]
struct Marks {
    /// MSH-1 and MSH-2.
    separators: Separators,
    /// For `\Xhh\`, whose bytes are in the message's character set.
    encoding: &'static Encoding,
    /// Whether the message has bytes that could not be read.
    damaged: bool,
}

/// A message's characters.
pub(super) struct Text<'m> {
    decoded: Decoded<'m>,
    separators: Separators,
}

/// A message's segments as text, continued lines joined, the header made regular.
pub(super) struct Rows<'t> {
    rows: Vec<(Cow<'t, str>, u64)>,
    rejected: Vec<Rejected>,
    marks: Marks,
}

/// A message in segments.
pub(super) struct Message<'r> {
    /// MSH first.
    pub(super) segments: Vec<Seg<'r>>,
    /// Lines and fields that could not be read.
    pub(super) rejected: Vec<Rejected>,
}

/// One segment.
pub(super) struct Seg<'r> {
    /// `PID`, `OBX`, ...
    pub(super) name: &'r str,
    /// Its place among the segments of its name in this message, from 1.
    pub(super) nth: usize,
    /// Line in the message, from 1.
    pub(super) line: u64,
    fields: Vec<Slot<'r>>,
    marks: Marks,
}

/// A field; taken apart only if there is something in it, for half of all fields in a message are empty.
struct Slot<'r> {
    raw: &'r str,
    parsed: Option<Field<'r>>,
}

impl<'r> Slot<'r> {
    fn read(raw: &'r str, separators: Separators) -> Slot<'r> {
        let parsed = if raw.is_empty() { None } else { parse_field_with_separators(raw, separators).ok() };
        Slot { raw, parsed }
    }
}

/// One repetition of a field; empty when the field is.
#[derive(Clone, Copy)]
pub(super) struct Rep<'s> {
    inner: Option<&'s Repeat<'s>>,
    marks: Marks,
}

/// A report without file, for the caller to complete.
pub(super) fn problem(line: u64, segment: &str, field: Option<&str>, reason: impl Into<String>) -> Rejected {
    Rejected {
        file: String::new(),
        line: Some(line),
        segment: Some(segment.to_owned()),
        field: field.map(str::to_owned),
        resource: None,
        reason: reason.into(),
    }
}

/// A whole message refused; boxed, because the way without it is the usual one.
pub(super) type Refused = Box<Rejected>;

/// [`problem`] as the reason to refuse the whole message.
fn refuse(line: u64, segment: &str, field: Option<&str>, reason: impl Into<String>) -> Refused {
    Box::new(problem(line, segment, field, reason))
}

impl<'m> Text<'m> {
    /// Decodes `bytes` and finds the delimiters.
    ///
    /// # Errors
    /// The whole message is refused: too long, no MSH, delimiters that cannot delimit.
    pub(super) fn read(bytes: &'m [u8], wins: Option<&str>, assumed: &str) -> Result<Text<'m>, Refused> {
        if bytes.len() > MAX_MESSAGE_BYTES {
            let reason = format!("the message has {} bytes; at most {MAX_MESSAGE_BYTES} are taken", bytes.len());
            return Err(refuse(1, "MSH[1]", None, reason));
        }
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") || bytes.starts_with(b"M\0S\0H\0") {
            return Err(refuse(1, "MSH[1]", Some("MSH-18"), "the text is UTF-16; send it as UTF-8 or CP949"));
        }
        let start = bytes.strip_prefix(charset::BOM).unwrap_or(bytes);
        let header = start.split(|byte| matches!(*byte, b'\r' | b'\n')).next().unwrap_or_default();
        let Some((b"MSH", rest)) = header.split_at_checked(3) else {
            return Err(refuse(1, "MSH[1]", None, "the text does not begin with an MSH segment"));
        };
        let separators = delimiters(rest)?;
        let declared = declared_charsets(rest, separators);
        Ok(Text { decoded: charset::decode(bytes, &declared, wins, assumed, separators.escape as u8), separators })
    }

    /// Cuts the text into segments.
    ///
    /// # Errors
    /// The whole message is refused: too many segments or delimiters.
    pub(super) fn rows(&self) -> Result<Rows<'_>, Refused> {
        let text: &str = &self.decoded.text;
        let sep = self.separators;
        let delimiting = [sep.field, sep.component, sep.repetition, sep.subcomponent];
        let count = text.bytes().filter(|byte| delimiting.contains(&char::from(*byte))).count();
        if count > MAX_DELIMITERS {
            let reason = format!("the message has {count} fields and components; at most {MAX_DELIMITERS} are taken");
            return Err(refuse(1, "MSH[1]", None, reason));
        }
        let marks = Marks { separators: sep, encoding: self.decoded.encoding, damaged: self.decoded.damaged };
        let mut out = Rows { rows: Vec::new(), rejected: Vec::new(), marks };
        let mut blank = 0;
        let mut unreported = 0;
        for (line, number) in lines(text) {
            let shown = line.trim_start_matches([' ', '\t', '\u{b}', '\u{feff}']);
            if shown.is_empty() {
                blank += 1;
                continue;
            }
            match out.rows.last_mut() {
                _ if begins_segment(shown, sep.field) => {
                    let row = if out.rows.is_empty() { regular_header(shown, sep) } else { Cow::Borrowed(shown) };
                    out.rows.push((row, number));
                }
                Some((before, _)) if CONTINUED.iter().any(|name| before.starts_with(name)) => {
                    let before = before.to_mut();
                    for _ in 0..=blank.min(MAX_EMPTY_LINES) {
                        let _ = write!(before, "{0}.br{0}", sep.escape);
                    }
                    before.push_str(line);
                }
                _ if out.rejected.len() >= MAX_REPORTS => unreported += 1,
                before => {
                    let name = before.map_or("MSH", |(row, _)| row.get(..3).unwrap_or("MSH")).to_owned();
                    let nth = out.rows.iter().filter(|(row, _)| row.starts_with(&name)).count();
                    let reason = format!("a line that is no segment follows {name}; it is left out");
                    out.rejected.push(problem(number, &format!("{name}[{nth}]"), None, reason));
                }
            }
            blank = 0;
            if out.rows.len() > MAX_SEGMENTS {
                let reason = format!("the message has more than {MAX_SEGMENTS} segments");
                return Err(refuse(number, "MSH[1]", None, reason));
            }
        }
        if unreported > 0 {
            let reason = format!("{unreported} further lines that are no segments are left out");
            out.rejected.push(problem(1, "MSH[1]", None, reason));
        }
        Ok(out)
    }
}

impl Rows<'_> {
    /// Finds the fields of every segment.
    ///
    /// # Errors
    /// The whole message is refused: there is nothing in it.
    pub(super) fn message(&self) -> Result<Message<'_>, Refused> {
        let mut out = Message { segments: Vec::with_capacity(self.rows.len()), rejected: self.rejected.clone() };
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for (row, line) in &self.rows {
            // A name without a single field, as `PV2`, says nothing.
            let Some((name, rest)) = row.split_once(self.marks.separators.field) else { continue };
            let separators = self.marks.separators;
            let mut fields = Vec::with_capacity(24);
            if name == "MSH" {
                fields.push(Slot { raw: "", parsed: None }); // MSH-1 is the separator itself
            }
            fields.extend(rest.split(separators.field).map(|raw| Slot::read(raw, separators)));
            let nth = seen.entry(name).and_modify(|nth| *nth += 1).or_insert(1);
            let seg = Seg { name, nth: *nth, line: *line, fields, marks: self.marks };
            seg.report(&mut out.rejected);
            out.segments.push(seg);
        }
        if out.segments.is_empty() {
            return Err(refuse(1, "MSH[1]", None, "the message has no segments"));
        }
        Ok(out)
    }
}

impl<'r> Seg<'r> {
    /// `OBX[2]`.
    pub(super) fn at(&self) -> String {
        format!("{}[{}]", self.name, self.nth)
    }

    /// `OBX[2]-5`.
    pub(super) fn path(&self, field: usize) -> String {
        format!("{}[{}]-{field}", self.name, self.nth)
    }

    /// The repetitions of field `number` (from 1) that say something.
    pub(super) fn reps(&self, number: usize) -> impl Iterator<Item = Rep<'_>> {
        self.every(number).filter(|rep| !rep.is_empty()).take(MAX_REPETITIONS)
    }

    /// All repetitions of field `number`, empty ones too: in running text they are empty lines.
    pub(super) fn every(&self, number: usize) -> impl Iterator<Item = Rep<'_>> {
        let field = self.slot(number).and_then(|slot| slot.parsed.as_ref());
        let marks = self.marks;
        let repeats = field.into_iter().flat_map(|field| field.repeats.iter());
        repeats.map(move |repeat| Rep { inner: Some(repeat), marks })
    }

    fn slot(&self, number: usize) -> Option<&Slot<'r>> {
        #[cfg(test)]
        asked::note(self.name, number);
        self.fields.get(number.checked_sub(1)?)
    }

    /// The first repetition that says something; empty if none does.
    pub(super) fn rep(&self, number: usize) -> Rep<'_> {
        self.reps(number).next().unwrap_or(Rep { inner: None, marks: self.marks })
    }

    /// The first component of the first repetition.
    pub(super) fn text(&self, number: usize) -> Option<String> {
        self.rep(number).part(1)
    }

    /// The whole field as one text, delimiters in it taken for what they look like. For fields of running text, and for
    /// those that do not repeat but whose senders write `3.5~5.1`.
    pub(super) fn whole(&self, number: usize) -> Option<String> {
        present(&unescape(self.slot(number)?.raw, self.marks))
    }

    /// Whether the field says anything: a value, or that it is to be deleted.
    pub(super) fn filled(&self, number: usize) -> bool {
        self.slot(number).is_some_and(|slot| !slot.raw.trim().is_empty())
    }

    /// Whether the field is `""`: delete what is stored.
    pub(super) fn erased(&self, number: usize) -> bool {
        self.slot(number).is_some_and(|slot| slot.raw.trim() == "\"\"")
    }

    /// The segment as it was written, in characters; lines that continued it are joined by `\.br\`.
    pub(super) fn written(&self) -> String {
        let mut out = self.name.to_owned();
        for Slot { raw, .. } in self.fields.iter().skip(usize::from(self.name == "MSH")) {
            out.push(self.marks.separators.field);
            out.push_str(raw);
        }
        out.trim_end_matches(self.marks.separators.field).to_owned()
    }

    /// Whether any field but the first, which only counts, says something.
    pub(super) fn says_something(&self) -> bool {
        let said = self.fields.iter().map(|slot| slot.raw.trim());
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        said.enumerate().any(|(at, raw)| !(raw.is_empty() || at == 0 && digits(raw)))
    }

    /// Whether bytes of it could not be read.
    pub(super) fn is_damaged(&self) -> bool {
        self.marks.damaged && self.fields.iter().any(|slot| slot.raw.contains(char::REPLACEMENT_CHARACTER))
    }

    /// Fields whose bytes could not be read, and fields with more repetitions than are read.
    fn report(&self, rejected: &mut Vec<Rejected>) {
        for (at, Slot { raw, .. }) in self.fields.iter().enumerate() {
            if rejected.len() >= MAX_REPORTS {
                return;
            }
            let path = || format!("{}-{}", self.name, at + 1);
            if self.marks.damaged && raw.contains(char::REPLACEMENT_CHARACTER) {
                let reason = format!(
                    "some bytes are not {} and are shown as {}; they are kept beside the resource. Check MSH-18 or the feed's character set",
                    self.marks.encoding.name(),
                    char::REPLACEMENT_CHARACTER
                );
                rejected.push(problem(self.line, &self.at(), Some(&path()), reason));
            }
            if raw.len() <= MAX_REPETITIONS || CONTINUED.contains(&self.name) {
                continue;
            }
            let count = 1 + raw.matches(self.marks.separators.repetition).count();
            if count > MAX_REPETITIONS {
                let reason = format!("has {count} repetitions; the first {MAX_REPETITIONS} are read");
                rejected.push(problem(self.line, &self.at(), Some(&path()), reason));
            }
        }
    }
}

impl<'s> Rep<'s> {
    /// Whether nothing is written here.
    pub(super) fn is_empty(&self) -> bool {
        self.inner.is_none_or(|repeat| repeat.raw_value().trim().is_empty())
    }

    /// Whether it is `""`.
    pub(super) fn erased(&self) -> bool {
        self.inner.is_some_and(|repeat| repeat.raw_value().trim() == "\"\"")
    }

    /// Component `number` (from 1) as text. Subcomponent delimiters stay: many senders write `A & B` unescaped, and where
    /// a component has subcomponents by its type the caller asks for [`Rep::sub`].
    pub(super) fn part(&self, number: usize) -> Option<String> {
        let component = self.inner?.component(number.max(1))?;
        present(&unescape(component.raw_value(), self.marks))
    }

    /// Subcomponent `sub` of component `number`, both from 1.
    pub(super) fn sub(&self, number: usize, sub: usize) -> Option<String> {
        let component = self.inner?.component(number.max(1))?;
        present(&unescape(component.subcomponent(sub.max(1))?.raw_value(), self.marks))
    }

    /// The whole repetition as text.
    pub(super) fn whole(&self) -> Option<String> {
        present(&unescape(self.inner?.raw_value(), self.marks))
    }

    /// The whole repetition with the spaces around it, which in running text are layout.
    pub(super) fn whole_untrimmed(&self) -> Cow<'s, str> {
        self.inner.map_or(Cow::Borrowed(""), |repeat| unescape(repeat.raw_value(), self.marks))
    }

    /// How many components are written.
    pub(super) fn parts(&self) -> usize {
        self.inner.map_or(0, |repeat| repeat.components.len())
    }
}

/// Trimmed, unless there is nothing or only `""`.
fn present(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty() && text != "\"\"").then(|| text.to_owned())
}

/// Lines with their numbers from 1, cut at `\r`, `\n` or `\r\n`.
fn lines(text: &str) -> impl Iterator<Item = (&str, u64)> {
    let mut rest = Some(text);
    let mut number = 0;
    std::iter::from_fn(move || {
        let text = rest?;
        number += 1;
        let at = text.find(['\r', '\n']);
        rest = at.and_then(|at| {
            let tail = text.get(at..)?;
            tail.strip_prefix("\r\n").or_else(|| tail.get(1..))
        });
        Some((at.and_then(|at| text.get(..at)).unwrap_or(text), number))
    })
}

/// Three capitals or digits, the first a capital, then the field separator or nothing.
fn begins_segment(line: &str, field: char) -> bool {
    let mut chars = line.chars();
    let name: [Option<char>; 3] = [chars.next(), chars.next(), chars.next()];
    let letters = name.iter().all(|c| c.is_some_and(|c| c.is_ascii_uppercase() || c.is_ascii_digit()));
    let next = chars.next();
    letters
        && name.first().copied().flatten().is_some_and(|c| c.is_ascii_uppercase())
        && (next == Some(field) || line.trim_end().len() == 3)
}

/// MSH-1 and MSH-2 from what follows `MSH`. Delimiters that a sender never uses may be left out at the end of MSH-2.
pub(super) fn delimiters(after_name: &[u8]) -> Result<Separators, Refused> {
    let wrong = |field: &str, reason: &str| Err(refuse(1, "MSH[1]", Some(field), reason));
    let mark = |byte: u8| byte.is_ascii_punctuation();
    let Some((&field, rest)) = after_name.split_first() else {
        return wrong("MSH-1", "the field separator is missing");
    };
    if !mark(field) {
        return wrong("MSH-1", "the field separator is no punctuation mark");
    }
    let encoding = rest.split(|byte| *byte == field).next().unwrap_or_default();
    if encoding.is_empty() {
        return wrong("MSH-2", "the encoding characters are missing, so the message cannot be taken apart");
    }
    // A program that escaped the escape writes `^~\\&` where it means `^~\&`.
    let doubled = [encoding.get(..3).unwrap_or_default(), encoding.get(4..).unwrap_or_default()].concat();
    let encoding = if encoding.get(2) == encoding.get(3) && encoding.len() > 4 { &doubled } else { encoding };
    let at = |index: usize, usual: u8| char::from(encoding.get(index).copied().unwrap_or(usual));
    let out = Separators {
        field: char::from(field),
        component: at(0, b'^'),
        repetition: at(1, b'~'),
        escape: at(2, b'\\'),
        subcomponent: at(3, b'&'),
        lenient_newlines: false,
    };
    let all = [out.field, out.component, out.repetition, out.escape, out.subcomponent];
    if !all.iter().all(char::is_ascii_punctuation) || (1..5).any(|n| all.iter().take(n).any(|c| all.get(n) == Some(c)))
    {
        return wrong("MSH-2", "the encoding characters are not different punctuation marks");
    }
    Ok(out)
}

/// The names in MSH-18, read before the bytes can be decoded: they are ASCII in every set.
fn declared_charsets(after_name: &[u8], separators: Separators) -> Vec<String> {
    let field = after_name.split(|byte| char::from(*byte) == separators.field).nth(17).unwrap_or_default();
    let names = field.split(|byte| char::from(*byte) == separators.repetition);
    names.map(|name| String::from_utf8_lossy(name).trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// The header with an MSH-2 of exactly four characters, as hl7-parser reads it.
fn regular_header(row: &str, sep: Separators) -> Cow<'_, str> {
    let tail = row.get(4..).map_or("", |rest| rest.find(sep.field).and_then(|at| rest.get(at..)).unwrap_or(""));
    let head = format!("MSH{sep}");
    if row.starts_with(&head) && row.get(head.len()..) == Some(tail) {
        Cow::Borrowed(row)
    } else {
        Cow::Owned(head + tail)
    }
}

/// Escape sequences (HL7 v2, chapter 2, 2.7) become what they stand for. Highlighting and character set switches are
/// dropped; what is no known sequence, as in `C:\temp\new`, stays as it was written.
fn unescape(raw: &str, marks: Marks) -> Cow<'_, str> {
    let escape = marks.separators.escape;
    if !raw.contains(escape) {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, tail)) = rest.split_once(escape) {
        out.push_str(before);
        let known = tail.split_once(escape).and_then(|(body, after)| Some((meaning(body, marks)?, after)));
        match known {
            Some((meaning, after)) => {
                out.push_str(&meaning);
                rest = after;
            }
            None => {
                out.push(escape);
                rest = tail;
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// What the text between two escape characters stands for; `None` if it is no escape sequence.
fn meaning(body: &str, marks: Marks) -> Option<String> {
    let sep = marks.separators;
    let one = |c: char| Some(c.to_string());
    match body {
        "F" => one(sep.field),
        "S" => one(sep.component),
        "T" => one(sep.subcomponent),
        "R" => one(sep.repetition),
        "E" => one(sep.escape),
        "P" => one('#'),
        "H" | "N" => Some(String::new()),
        ".br" | ".ce" => one('\n'),
        ".fi" | ".nf" => Some(String::new()),
        _ => {
            let digits = |text: &str| !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
            if let Some(count) = body.strip_prefix(".sp") {
                let count = if count.is_empty() { 1 } else { count.trim_start_matches('+').parse::<usize>().ok()? };
                return Some("\n".repeat(count.min(MAX_SKIPPED)));
            }
            if let Some(count) = body.strip_prefix(".sk") {
                return Some(" ".repeat(count.trim_start_matches('+').parse::<usize>().ok()?.min(MAX_SKIPPED)));
            }
            if let Some(indent) = body.strip_prefix(".in").or_else(|| body.strip_prefix(".ti")) {
                return digits(indent.trim_start_matches(['+', '-'])).then(String::new);
            }
            if let Some(hex) = body.strip_prefix('X') {
                let bytes = unhex(hex)?;
                return Some(marks.encoding.decode_without_bom_handling(&bytes).0.into_owned());
            }
            // Switches to another character set of MSH-18, for single letters; the set in use contains them or not.
            let switch =
                body.strip_prefix('C').map(|hex| (hex, 4)).or_else(|| body.strip_prefix('M').map(|hex| (hex, 6)));
            match switch {
                Some((hex, length)) if hex.len() <= length => unhex(hex).map(|_| String::new()),
                _ => None,
            }
        }
    }
}

/// Pairs of hexadecimal digits as bytes.
pub(super) fn unhex(hex: &str) -> Option<Vec<u8>> {
    if hex.is_empty() || !hex.len().is_multiple_of(2) || !hex.is_ascii() {
        return None;
    }
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect()
}

/// Which fields were asked for, for the test that compares them with the book.
#[cfg(test)]
pub(super) mod asked {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    thread_local! {
        static ASKED: RefCell<BTreeSet<(String, usize)>> = RefCell::default();
    }

    pub(super) fn note(segment: &str, field: usize) {
        ASKED.with_borrow_mut(|asked| {
            if !asked.iter().any(|(name, number)| *number == field && name == segment) {
                asked.insert((segment.to_owned(), field));
            }
        });
    }

    /// Those of one segment, on this thread, so far.
    pub(crate) fn of(segment: &str) -> BTreeSet<usize> {
        ASKED.with_borrow(|asked| asked.iter().filter(|(name, _)| name == segment).map(|(_, field)| *field).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(bytes: &[u8], then: impl FnOnce(&Message<'_>) -> T) -> Result<T, Refused> {
        let text = Text::read(bytes, None, "cp949")?;
        let rows = text.rows()?;
        let message = rows.message()?;
        Ok(then(&message))
    }

    #[test]
    fn fields_repetitions_components_and_their_absence() {
        let bytes = b"MSH|^~\\&|A|B\rPID|1||7^^^H&1.2&ISO^MR~8||\"\"|A & B^C|\rPV2\rOBX|1\rOBX|2|ST|x";
        with(bytes, |message| {
            let names: Vec<_> = message.segments.iter().map(Seg::at).collect();
            assert_eq!(names, ["MSH[1]", "PID[1]", "OBX[1]", "OBX[2]"]);
            let [msh, pid, _, obx] = &message.segments[..] else { panic!() };
            assert_eq!((msh.text(3), msh.text(4)), (Some("A".into()), Some("B".into())));
            assert_eq!(pid.reps(3).map(|rep| rep.part(1)).collect::<Vec<_>>(), [Some("7".into()), Some("8".into())]);
            assert_eq!(pid.rep(3).sub(4, 2), Some("1.2".into()));
            assert_eq!(pid.rep(6).part(1), Some("A & B".into()));
            assert!(pid.erased(5) && pid.filled(5) && pid.text(5).is_none());
            assert!(!pid.filled(2) && !pid.filled(99) && pid.text(0).is_none());
            assert_eq!((obx.path(3), obx.line), ("OBX[2]-3".into(), 5));
        })
        .unwrap();
    }

    #[test]
    fn delimiters_are_the_senders() {
        with(b"MSH$*@!%$A$B\rPID$1$$7*x@8", |message| {
            assert_eq!(message.segments[1].reps(3).count(), 2);
            assert_eq!(message.segments[1].rep(3).part(2), Some("x".into()));
        })
        .unwrap();
        for (case, header, field) in [
            ("no header", "PID|1", None),
            ("nothing after MSH", "MSH", Some("MSH-1")),
            ("a letter as separator", "MSHx^~\\&", Some("MSH-1")),
            ("no encoding characters", "MSH||A", Some("MSH-2")),
            ("nothing at all", "MSH|", Some("MSH-2")),
            ("the same mark twice", "MSH|^^\\&|A", Some("MSH-2")),
            ("letters", "MSH|ab\\&|A", Some("MSH-2")),
        ] {
            let rejected = with(header.as_bytes(), |_| ()).unwrap_err();
            assert_eq!(rejected.field.as_deref(), field, "{case}");
            assert_eq!(rejected.segment.as_deref(), Some("MSH[1]"), "{case}");
        }
        for header in ["MSH|^|A|B", "MSH|^~\\&#|A|B", "MSH|^~\\\\&|A|B", "MSH|^~\\|A|B"] {
            let text = with(header.as_bytes(), |message| message.segments[0].text(4)).unwrap();
            assert_eq!(text.as_deref(), Some("B"), "{header}");
        }
    }

    #[test]
    fn escapes_become_what_they_stand_for() {
        let read = |field: &str| {
            let bytes = format!("MSH|^~\\&||||||||||||||||UNICODE UTF-8\rNTE|{field}");
            with(bytes.as_bytes(), |message| message.segments[1].whole(1)).unwrap()
        };
        for (raw, meant) in [
            (r"a\F\b\S\c\T\d\R\e\E\f", r"a|b^c&d~e\f"),
            (r"환자\T\보호자\.br\둘째 줄", "환자&보호자\n둘째 줄"),
            (r"\H\중요\N\ 끝", "중요 끝"),
            (r"\X48\\X656C6C6F\", "Hello"),
            (r"\XEC9584\", "아"),
            (r"a\.sp2\b\.sk3\c\.in+4\d\.ti-2\e\.fi\f", "a\n\nb   cdef"),
            (r"C:\temp\new", r"C:\temp\new"),
            (r"one \ alone", r"one \ alone"),
            (r"\X4\ \XGG\ \Zlocal\", r"\X4\ \XGG\ \Zlocal\"),
            (r"\C2842\x", "x"),
            (r"\M242943\x", "x"),
            (r"\", r"\"),
            ("a^b&c~d", "a^b&c~d"),
        ] {
            assert_eq!(read(raw).as_deref(), Some(meant), "{raw}");
        }
    }

    #[test]
    fn text_goes_on_over_lines_where_text_may() {
        with(b"MSH|^~\\&|A\nOBX|1|TX|x||one\n  two\n\nthree|||||F\nPID|1||7\nstray\n", |message| {
            let obx = &message.segments[1];
            assert_eq!(obx.whole(5).as_deref(), Some("one\n  two\n\nthree"));
            assert_eq!(obx.text(10).as_deref(), Some("F"));
            let [stray] = &message.rejected[..] else { panic!() };
            assert_eq!((stray.line, stray.segment.as_deref()), (Some(7), Some("PID[1]")));
        })
        .unwrap();
    }

    #[test]
    fn bytes_that_cannot_be_read_name_their_field() {
        with(b"MSH|^~\\&||||||||||||||||UNICODE UTF-8\rPID|1||7||\xb1\xe8", |message| {
            let [damage] = &message.rejected[..] else { panic!() };
            assert_eq!(damage.segment.as_deref(), Some("PID[1]"));
            assert_eq!(damage.field.as_deref(), Some("PID-5"));
        })
        .unwrap_or_else(|rejected| panic!("{rejected:?}"));
    }

    #[test]
    fn bounds_hold() {
        let long = [b"MSH|^~\\&|A\rNTE|1||".as_slice(), &vec![b'x'; MAX_MESSAGE_BYTES]].concat();
        assert!(with(&long, |_| ()).unwrap_err().reason.contains("bytes"));
        let wide = [b"MSH|^~\\&|A\rNTE|1||".as_slice(), &vec![b'&'; MAX_DELIMITERS]].concat();
        assert!(with(&wide, |_| ()).unwrap_err().reason.contains("fields and components"));
        let stray = [b"MSH|^~\\&|A\rPID|1||7\r".as_slice(), &b"x\r".repeat(10 * MAX_REPORTS)].concat();
        assert_eq!(with(&stray, |message| message.rejected.len()), Ok(MAX_REPORTS + 1));
        let reps = [b"MSH|^~\\&|A\rPID|1||7".as_slice(), &b"~8".repeat(MAX_REPETITIONS)].concat();
        with(&reps, |message| {
            assert_eq!(message.segments[1].reps(3).count(), MAX_REPETITIONS);
            assert_eq!(message.rejected[0].field.as_deref(), Some("PID-3"));
        })
        .unwrap();
        let many = [b"MSH|^~\\&|A\r".as_slice(), &b"NTE\r".repeat(MAX_SEGMENTS + 1)].concat();
        assert!(with(&many, |_| ()).unwrap_err().reason.contains("segments"));
    }
}
