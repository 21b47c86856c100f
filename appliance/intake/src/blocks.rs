//! Cuts a file of HL7 v2 messages into blocks of whole messages while it streams by, so that memory holds some of them and
//! never the file. What a message is, [`crate::hl7::split`] says; here only a safe place to cut is found: just before a
//! line that begins with `MSH`.

use std::io::{self, BufRead};

/// A block grows to this before it is cut.
const BLOCK_BYTES: usize = 1 << 20;

/// Longest message accepted, in bytes: an embedded document of some 45 MiB still fits.
pub(crate) const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// Part of a file.
pub(crate) enum Block {
    /// Whole messages, and the line of the first byte in the file.
    Messages(Vec<u8>, u64),
    /// A message longer than [`MAX_MESSAGE_BYTES`] begins on this line; it was passed over.
    TooLong(u64),
}

/// See the module.
pub(crate) struct Blocks<R> {
    reader: R,
    buffer: Vec<u8>,
    line: u64,
    /// Where the search for a cut goes on: nothing before is one.
    searched: usize,
    skipping: bool,
    ended: bool,
}

impl<R: BufRead> Blocks<R> {
    pub(crate) fn new(reader: R) -> Blocks<R> {
        Blocks { reader, buffer: Vec::new(), line: 1, searched: 1, skipping: false, ended: false }
    }

    /// The next block; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Block>> {
        loop {
            if self.ended {
                if self.skipping {
                    let Some(at) = self.cut() else { return Ok(None) };
                    self.skipping = false;
                    self.take(at);
                }
                if self.buffer.is_empty() {
                    return Ok(None);
                }
                return Ok(Some(self.take(self.buffer.len())));
            }
            let more = self.reader.fill_buf()?;
            let count = more.len();
            self.ended = count == 0;
            self.buffer.extend_from_slice(more);
            self.reader.consume(count);
            if self.buffer.len() < BLOCK_BYTES {
                continue;
            }
            if let Some(at) = self.cut() {
                let block = self.take(at);
                if !std::mem::take(&mut self.skipping) {
                    return Ok(Some(block));
                }
            } else if self.buffer.len() > MAX_MESSAGE_BYTES {
                let line = self.line;
                let already = std::mem::replace(&mut self.skipping, true);
                // The last bytes may be the beginning of a cut.
                self.take(self.buffer.len() - 8);
                if !already {
                    return Ok(Some(Block::TooLong(line)));
                }
            }
        }
    }

    /// The last place before which all messages are whole; while skipping, the first.
    fn cut(&mut self) -> Option<usize> {
        let from = self.searched.max(1);
        let is_cut = |at: &usize| {
            let before = self.buffer.get(at - 1);
            let here = self.buffer.get(*at..).unwrap_or_default();
            matches!(before, Some(b'\r' | b'\n' | 0x0b))
                && here.starts_with(b"MSH")
                && here.get(3).is_some_and(|byte| !byte.is_ascii_alphanumeric())
        };
        let mut places = from..self.buffer.len().saturating_sub(3);
        let found = if self.skipping { places.find(is_cut) } else { places.rfind(is_cut) };
        if found.is_none() {
            self.searched = self.buffer.len().saturating_sub(4).max(1);
        }
        found
    }

    fn take(&mut self, at: usize) -> Block {
        let rest = self.buffer.split_off(at);
        let block = std::mem::replace(&mut self.buffer, rest);
        let first = self.line;
        self.line += line_ends(&block);
        self.searched = 1;
        Block::Messages(block, first)
    }
}

/// `\n`, `\r\n` and a lone `\r` each end a line.
fn line_ends(bytes: &[u8]) -> u64 {
    let mut count = 0;
    let mut last = 0;
    for byte in bytes {
        count += u64::from(*byte == b'\r' || (*byte == b'\n' && last != b'\r'));
        last = *byte;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_hold_whole_messages_and_know_their_line() {
        let message = |n: usize| format!("MSH|^~\\&|{n}\rOBX|1|TX|||{}\r", "x".repeat(600_000));
        let text: String = (0..5).map(message).collect();
        let mut blocks = Blocks::new(io::BufReader::with_capacity(100_000, text.as_bytes()));
        let mut whole = Vec::new();
        let mut lines = Vec::new();
        while let Some(block) = blocks.next().unwrap() {
            let Block::Messages(bytes, line) = block else { panic!("no message is too long") };
            assert!(bytes.starts_with(b"MSH") && bytes.len() < 3 << 20);
            lines.push(line);
            whole.extend(bytes);
        }
        assert_eq!(whole, text.as_bytes());
        assert_eq!(lines, [1, 3, 5, 7, 9]);
    }

    #[test]
    fn a_message_too_long_is_passed_over() {
        let long = format!("MSH|1\rOBX|1|ED|||{}\r", "x".repeat(MAX_MESSAGE_BYTES + (2 << 20)));
        let text = format!("MSH|0\rPID|1\r{long}MSH|2\rPID|1\r");
        let mut blocks = Blocks::new(io::BufReader::with_capacity(1 << 20, text.as_bytes()));
        let mut seen = Vec::new();
        while let Some(block) = blocks.next().unwrap() {
            match block {
                Block::Messages(bytes, line) => seen.push((String::from_utf8(bytes).unwrap(), line)),
                Block::TooLong(line) => seen.push(("too long".to_owned(), line)),
            }
        }
        assert_eq!(
            seen,
            [("MSH|0\rPID|1\r".to_owned(), 1), ("too long".to_owned(), 3), ("MSH|2\rPID|1\r".to_owned(), 5)]
        );
    }

    #[test]
    fn lines_end_in_three_ways() {
        assert_eq!(line_ends(b"a\rb\nc\r\nd\n\r"), 5);
    }
}
