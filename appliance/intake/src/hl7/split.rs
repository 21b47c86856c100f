//! One or many messages in a file: where each begins and ends. Bytes in, borrowed bytes out; nothing is decoded.
//!
//! A message begins at a line that starts with `MSH`. Line ends may be `\r` (the standard), `\n`, `\r\n` or mixed. MLLP
//! frame bytes and batch wrappers (`FHS`, `BHS`, `BTS`, `FTS`) are stepped over. Cutting bytes is safe in UTF-8, ISO 8859
//! and CP949, none of which hides a line end or a capital M at a line's start inside a character.

use haechi_record::chart::Rejected;

use super::charset::BOM;

/// One message's bytes and where they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// From `MSH` to the last segment, line ends between them as they came. Text outside any message is a piece too, so
    /// that `map` can say what is wrong with it.
    pub bytes: &'a [u8],
    /// The line of its first byte in the file, from 1.
    pub line: u64,
}

impl Piece<'_> {
    /// Completes what [`super::map`] reported: the file's name, and the line in the file instead of in the message.
    #[must_use]
    pub fn locate(&self, file: &str, mut rejected: Rejected) -> Rejected {
        rejected.file = file.to_owned();
        rejected.line = Some(self.line + rejected.line.unwrap_or(1).saturating_sub(1));
        rejected
    }
}

/// The messages in `bytes`, in their order.
pub fn split(bytes: &[u8]) -> impl Iterator<Item = Piece<'_>> {
    Pieces { bytes: bytes.strip_prefix(BOM).unwrap_or(bytes), at: 0, line: 1 }
}

/// Bytes that frame a message in MLLP; never part of one.
const START_BLOCK: u8 = 0x0b;
const END_BLOCK: u8 = 0x1c;

struct Pieces<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

/// What a line is, told by its first bytes.
#[derive(PartialEq)]
enum Line {
    Header,
    Wrapper,
    Blank,
    Text,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let mut begun: Option<(usize, u64, bool)> = None;
        let mut end = self.at;
        while self.at < self.bytes.len() {
            let start = self.at;
            let line = self.bytes.get(start..).unwrap_or_default();
            let length = line.iter().position(|byte| matches!(*byte, b'\r' | b'\n' | END_BLOCK)).unwrap_or(line.len());
            let text = line.get(..length).unwrap_or_default();
            let lead = text.iter().take_while(|byte| matches!(**byte, b' ' | b'\t' | START_BLOCK)).count();
            let lead = lead + if text.get(lead..).is_some_and(|rest| rest.starts_with(BOM)) { BOM.len() } else { 0 };
            let kind = kind(text.get(lead..).unwrap_or_default());
            match (&begun, &kind) {
                (None, Line::Header) => begun = Some((start + lead, self.line, true)),
                (None, Line::Text) => begun = Some((start, self.line, false)),
                // The next message, or the wrapper's end: this piece is whole, and the line is read again.
                (Some(_), Line::Header | Line::Wrapper) => break,
                _ => {}
            }
            if kind != Line::Blank {
                end = start + length;
            }
            let ender = line.get(length..).unwrap_or_default();
            self.at = start + length + usize::from(!ender.is_empty()) + usize::from(ender.starts_with(b"\r\n"));
            if matches!(ender.first(), Some(b'\r' | b'\n')) {
                self.line += 1;
            }
            if ender.first().copied() == Some(END_BLOCK) && begun.is_some_and(|(_, _, message)| message) {
                break;
            }
        }
        let (start, line, _) = begun?;
        Some(Piece { bytes: self.bytes.get(start..end)?, line })
    }
}

fn kind(text: &[u8]) -> Line {
    let named = text.get(3).is_none_or(|byte| !byte.is_ascii_alphanumeric());
    match text.get(..3) {
        Some(b"MSH") if named && text.len() > 3 => Line::Header,
        Some(b"FHS" | b"BHS" | b"BTS" | b"FTS") if named => Line::Wrapper,
        _ if text.iter().all(u8::is_ascii_whitespace) => Line::Blank,
        _ => Line::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(bytes: &[u8]) -> Vec<(String, u64)> {
        split(bytes).map(|piece| (String::from_utf8_lossy(piece.bytes).into_owned(), piece.line)).collect()
    }

    #[test]
    fn one_or_many_whatever_the_line_ends() {
        let two = |first: u64, second: u64, end: &str| {
            vec![(format!("MSH|1{end}PID|1"), first), (format!("MSH|2{end}PID|2"), second)]
        };
        for (case, bytes, expected) in [
            ("empty", &b""[..], vec![]),
            ("blank", b"\r\n\n  \n", vec![]),
            ("one", b"MSH|1", vec![("MSH|1".to_owned(), 1)]),
            ("carriage returns", b"MSH|1\rPID|1\rMSH|2\rPID|2\r", two(1, 3, "\r")),
            ("line feeds", b"MSH|1\nPID|1\n\nMSH|2\nPID|2\n", two(1, 4, "\n")),
            ("both", b"MSH|1\r\nPID|1\r\nMSH|2\r\nPID|2\r\n", two(1, 3, "\r\n")),
            ("byte order mark", b"\xef\xbb\xbfMSH|1\rPID|1\r\xef\xbb\xbfMSH|2\rPID|2", two(1, 3, "\r")),
            ("MLLP frames", b"\x0bMSH|1\rPID|1\r\x1c\r\x0bMSH|2\rPID|2\r\x1c\r", two(1, 4, "\r")),
            ("MLLP, tight", b"\x0bMSH|1\rPID|1\x1c\r\x0bMSH|2\rPID|2\x1c\r", two(1, 3, "\r")),
            ("batch wrappers", b"FHS|^~\\&\rBHS|^~\\&\rMSH|1\rPID|1\rMSH|2\rPID|2\rBTS|2\rFTS|1\r", two(3, 5, "\r")),
            (
                "text that is no message is a piece of its own",
                b"hello\nMSH|1\nPID|1",
                vec![("hello".to_owned(), 1), ("MSH|1\nPID|1".to_owned(), 2)],
            ),
            (
                "a continued line stays with its segment",
                b"MSH|1\nOBX|1|TX|||one\ntwo\n\nthree\nMSH|2",
                vec![("MSH|1\nOBX|1|TX|||one\ntwo\n\nthree".to_owned(), 1), ("MSH|2".to_owned(), 6)],
            ),
            ("a word that only begins like a header", b"MSHX\n", vec![("MSHX".to_owned(), 1)]),
        ] {
            assert_eq!(pieces(bytes), expected, "{case}");
        }
    }

    #[test]
    fn a_report_is_placed_in_its_file() {
        let piece = Piece { bytes: b"", line: 40 };
        let rejected = Rejected {
            file: String::new(),
            line: Some(3),
            segment: None,
            field: None,
            resource: None,
            reason: String::new(),
        };
        let placed = piece.locate("ward.hl7", rejected);
        assert_eq!((placed.file.as_str(), placed.line), ("ward.hl7", Some(42)));
    }
}
