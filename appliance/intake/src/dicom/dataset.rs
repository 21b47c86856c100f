//! A data set's header as a small tree: everything but bulk values, whatever the file's size.
//!
//! dicom-parser turns the bytes into tokens; here they become a tree within bounds. A value longer than a megabyte is
//! stepped over and only its length is kept, and so is the pixel data, unless a caller wants its first bytes.

use std::cell::Cell;
use std::io::Read;
use std::rc::Rc;

use dicom_dictionary_std::tags;
use dicom_encoding::TransferSyntaxIndex as _;
use dicom_parser::StatefulDecode;
use dicom_parser::dataset::LazyDataToken;
use dicom_parser::dataset::lazy_read::LazyDataSetReader;
use dicom_parser::stateful::decode::DynStatefulDecoder;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use dicom_transfer_syntax_registry::entries::{
    EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN,
};
use flate2::read::DeflateDecoder;

use super::charset::Charset;
use crate::working::guarded;

pub(crate) type Tag = (u16, u16);

/// Longest value kept, in bytes. The longest texts of real reports are a tenth of it.
const MAX_VALUE_BYTES: u32 = 1 << 20;
/// Bytes of values kept of one data set. Beyond it values are stepped over.
const MAX_KEPT_BYTES: usize = 16 << 20;
/// Elements and items kept. Enhanced multi-frame objects have some tens of thousands.
const MAX_NODES: usize = 400_000;
/// Deepest nesting read: real structured reports stay below 20.
const MAX_DEPTH: usize = 64;
/// Bytes that a deflated data set may grow to.
const MAX_INFLATED_BYTES: u64 = 8 << 30;

/// A data set, or an item of a sequence.
#[derive(Debug, Default, Clone)]
pub(crate) struct Dataset {
    elements: Vec<(Tag, Value)>,
}

#[derive(Debug, Clone)]
enum Value {
    Bytes(Vec<u8>),
    Items(Vec<Dataset>),
    /// Too long to be kept.
    Long,
}

/// What reading gave.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    pub(crate) root: Dataset,
    pub(crate) big_endian: bool,
    /// What was wrong, and where, if the data set could not be read to its end.
    pub(crate) problem: Option<Problem>,
    /// The pixel data, as far as it was wanted.
    pub(crate) pixels: Pixels,
}

/// Pixel data as it stands.
#[derive(Debug, Default)]
pub(crate) enum Pixels {
    #[default]
    None,
    /// The first bytes of the value.
    Native(Vec<u8>),
    /// The fragments after the offset table, as far as they were wanted, and the offset table.
    Fragments { table: Vec<u8>, fragments: Vec<Vec<u8>> },
}

/// Why a data set was not read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The last element that was begun.
    pub(crate) at: Option<Tag>,
    pub(crate) what: String,
    /// The bytes end in the middle of something.
    pub(crate) cut_off: bool,
}

/// `(0010,0020)`.
pub(crate) fn shown(tag: Tag) -> String {
    format!("({:04x},{:04x})", tag.0, tag.1)
}

impl Dataset {
    fn value(&self, tag: Tag) -> Option<&Value> {
        self.elements.iter().find(|(known, _)| *known == tag).map(|(_, value)| value)
    }

    /// The bytes of a value as they stand.
    pub(crate) fn bytes(&self, tag: Tag) -> Option<&[u8]> {
        match self.value(tag)? {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// How many elements it has.
    pub(crate) fn len(&self) -> usize {
        self.elements.len()
    }

    /// The items of a sequence; none if there is no such sequence.
    pub(crate) fn items(&self, tag: Tag) -> &[Dataset] {
        match self.value(tag) {
            Some(Value::Items(items)) => items,
            _ => &[],
        }
    }

    /// Text, without padding; `None` if empty or absent.
    pub(crate) fn text(&self, tag: Tag, charset: &Charset) -> Option<String> {
        let text = charset.decode(self.bytes(tag)?, false);
        let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// A person name, its groups and components as written.
    pub(crate) fn name(&self, tag: Tag, charset: &Charset) -> Option<String> {
        let text = charset.decode(self.bytes(tag)?, true);
        let text = text.trim_matches(|c: char| matches!(c, '\0' | '=' | '^') || c.is_whitespace());
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// A code, number or UID: ASCII only, the first of several values.
    pub(crate) fn code(&self, tag: Tag) -> Option<String> {
        let bytes = self.bytes(tag)?;
        let first = bytes.split(|byte| *byte == b'\\').next().unwrap_or_default();
        let text = std::str::from_utf8(first).ok()?;
        let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
        (!text.is_empty() && text.is_ascii()).then(|| text.to_owned())
    }

    /// The first value of a decimal or integer string.
    pub(crate) fn decimal(&self, tag: Tag) -> Option<f64> {
        self.code(tag)?.parse::<f64>().ok().filter(|number| number.is_finite())
    }

    /// The first value of an unsigned short.
    pub(crate) fn short(&self, tag: Tag, big_endian: bool) -> Option<u16> {
        let bytes: [u8; 2] = self.bytes(tag)?.get(..2)?.try_into().ok()?;
        Some(if big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }
}

/// Which values of the pixel data a caller wants: its first so many bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Want {
    pub(crate) pixel_bytes: usize,
}

/// Reads a data set in `syntax` (a transfer syntax UID). `reader` begins at its first element.
pub(crate) fn read(reader: impl Read, syntax: &str, want: Want) -> Walked {
    let syntax = syntax.trim_end_matches(['\0', ' ']);
    match syntax {
        // GE's private one: implicit, with big-endian pixels.
        "1.2.840.10008.1.2" | "1.2.840.113619.5.2" => walk(reader, IMPLICIT_VR_LITTLE_ENDIAN.uid(), want),
        "1.2.840.10008.1.2.2" => walk(reader, EXPLICIT_VR_BIG_ENDIAN.uid(), want),
        // Deflated Explicit VR Little Endian and the two JPIP referenced deflated ones.
        "1.2.840.10008.1.2.1.99" | "1.2.840.10008.1.2.4.95" | "1.2.840.10008.1.2.4.205" => {
            let inflated = DeflateDecoder::new(reader).take(MAX_INFLATED_BYTES);
            walk(inflated, EXPLICIT_VR_LITTLE_ENDIAN.uid(), want)
        }
        // PS3.5 A.4: all compressed ones, private ones by convention, are explicit little-endian.
        _ => walk(reader, EXPLICIT_VR_LITTLE_ENDIAN.uid(), want),
    }
}

/// Counts what was read, so that a value that ends too early is noticed.
struct Counted<R> {
    reader: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.count.set(self.count.get() + count as u64);
        Ok(count)
    }
}

enum Level {
    Item(Dataset),
    Sequence(Tag, Vec<Dataset>),
}

fn walk(reader: impl Read, syntax: &str, want: Want) -> Walked {
    let mut walked = Walked { big_endian: syntax == EXPLICIT_VR_BIG_ENDIAN.uid(), ..Walked::default() };
    let count = Rc::new(Cell::new(0));
    let counted = Counted { reader, count: Rc::clone(&count) };
    let mut stack = vec![Level::Item(Dataset::default())];
    let mut at = None;
    let decoder = TransferSyntaxRegistry
        .get(syntax)
        .and_then(|syntax| DynStatefulDecoder::new_with(counted, syntax, Default::default(), 0).ok());
    let problem = match decoder {
        Some(decoder) => {
            let mut tokens = LazyDataSetReader::new(decoder);
            let read = guarded(|| gather(&mut tokens, &count, want, &mut stack, &mut walked.pixels, &mut at));
            let failed =
                || Problem { at: None, what: "reading it failed inside the program".to_owned(), cut_off: false };
            read.map_or_else(|| Some(failed()), Result::err)
        }
        None => Some(Problem { at: None, what: "the transfer syntax has no decoder".to_owned(), cut_off: false }),
    };
    // What was read before a problem counts: close whatever is open.
    while stack.len() > 1 {
        close(&mut stack);
    }
    if let Some(Level::Item(root)) = stack.pop() {
        walked.root = root;
    }
    walked.problem = problem.map(|problem| Problem { at, ..problem });
    walked
}

fn gather<S: StatefulDecode>(
    tokens: &mut LazyDataSetReader<S>,
    count: &Cell<u64>,
    want: Want,
    stack: &mut Vec<Level>,
    pixels: &mut Pixels,
    at: &mut Option<Tag>,
) -> Result<(), Problem> {
    let problem = |what: &str, cut_off| Problem { at: None, what: what.to_owned(), cut_off };
    let cut_off = || problem("the bytes end in the middle of an element", true);
    let (mut kept, mut nodes, mut pixel_bytes) = (0usize, 0usize, 0usize);
    let mut in_pixels = false;
    let mut has_table = false;
    while let Some(token) = tokens.advance() {
        let token = token.map_err(|error| match is_eof(&error) {
            true => cut_off(),
            false => problem("the bytes are no DICOM elements", false),
        })?;
        nodes += 1;
        match token {
            LazyDataToken::ElementHeader(header) => *at = Some((header.tag.0, header.tag.1)),
            LazyDataToken::PixelSequenceStart => {
                in_pixels = stack.len() == 1;
                *at = Some((0x7fe0, 0x0010));
                if in_pixels {
                    *pixels = Pixels::Fragments { table: Vec::new(), fragments: Vec::new() };
                }
                stack.push(Level::Sequence((0x7fe0, 0x0010), Vec::new()));
            }
            LazyDataToken::SequenceStart { tag, .. } => {
                *at = Some((tag.0, tag.1));
                stack.push(Level::Sequence((tag.0, tag.1), Vec::new()));
            }
            LazyDataToken::ItemStart { .. } => stack.push(Level::Item(Dataset::default())),
            end @ (LazyDataToken::ItemEnd | LazyDataToken::SequenceEnd) => {
                // The parser goes on after an end that fits nothing, into a state that it takes for impossible.
                let fits = match stack.last() {
                    Some(Level::Item(_)) => matches!(end, LazyDataToken::ItemEnd),
                    Some(Level::Sequence(..)) => matches!(end, LazyDataToken::SequenceEnd),
                    None => false,
                };
                if stack.len() < 2 || !fits {
                    return Err(problem("an item or sequence ends that never began", false));
                }
                close(stack);
                in_pixels = in_pixels && stack.len() > 1;
            }
            LazyDataToken::LazyValue { header, mut decoder } => {
                let (tag, length) = ((header.tag.0, header.tag.1), header.len.0);
                let before = count.get();
                let is_pixels = header.tag == tags::PIXEL_DATA && stack.len() == 1;
                let value = if is_pixels {
                    let wanted = length.min(u32::try_from(want.pixel_bytes).unwrap_or(u32::MAX));
                    let mut bytes = Vec::new();
                    take(&mut decoder, wanted, &mut bytes).map_err(|()| cut_off())?;
                    decoder.skip_bytes(length - wanted).map_err(|_| cut_off())?;
                    *pixels = Pixels::Native(bytes);
                    Value::Long
                } else if length > MAX_VALUE_BYTES || kept > MAX_KEPT_BYTES || nodes > MAX_NODES {
                    decoder.skip_bytes(length).map_err(|_| cut_off())?;
                    Value::Long
                } else {
                    let mut bytes = Vec::new();
                    take(&mut decoder, length, &mut bytes).map_err(|()| cut_off())?;
                    kept += bytes.len();
                    Value::Bytes(bytes)
                };
                if count.get() - before < u64::from(length) {
                    return Err(cut_off());
                }
                if nodes <= MAX_NODES
                    && let Some(Level::Item(item)) = stack.last_mut()
                {
                    item.elements.push((tag, value));
                }
            }
            LazyDataToken::LazyItemValue { len, mut decoder } => {
                let before = count.get();
                let wanted = match pixels {
                    Pixels::Fragments { .. } if in_pixels && pixel_bytes < want.pixel_bytes => len,
                    _ => 0,
                };
                // A fragment is taken whole or not at all; what one may cost is bounded by what the caller wants.
                let wanted = if wanted as usize > want.pixel_bytes { 0 } else { wanted };
                let mut bytes = Vec::new();
                take(&mut decoder, wanted, &mut bytes).map_err(|()| cut_off())?;
                decoder.skip_bytes(len - wanted).map_err(|_| cut_off())?;
                if count.get() - before < u64::from(len) {
                    return Err(cut_off());
                }
                pixel_bytes += bytes.len();
                if let Pixels::Fragments { table, fragments } = pixels
                    && in_pixels
                {
                    if has_table {
                        fragments.extend((len == wanted && len > 0).then_some(bytes));
                    } else {
                        *table = bytes;
                        has_table = true;
                    }
                }
            }
            _ => return Err(problem("an element of a kind that is not known", false)),
        }
        if stack.len() > MAX_DEPTH {
            return Err(problem("sequences are nested more than 64 deep", false));
        }
    }
    if stack.len() > 1 {
        return Err(cut_off());
    }
    Ok(())
}

/// Reads `length` bytes without believing the length: memory grows with what really comes.
fn take<S: StatefulDecode>(decoder: &mut S, length: u32, out: &mut Vec<u8>) -> Result<(), ()> {
    decoder.read_to(length, out).map_err(|_| ())
}

/// Closes the innermost item or sequence into what it stands in.
fn close(stack: &mut Vec<Level>) {
    let Some(done) = stack.pop() else { return };
    match (done, stack.last_mut()) {
        (Level::Item(item), Some(Level::Sequence(_, items))) => items.push(item),
        (Level::Sequence(tag, items), Some(Level::Item(item))) => item.elements.push((tag, Value::Items(items))),
        // Only the pixel data's fragments nest otherwise; they are kept elsewhere.
        _ => {}
    }
}

fn is_eof(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return io.kind() == std::io::ErrorKind::UnexpectedEof;
        }
        next = error.source();
    }
    false
}
