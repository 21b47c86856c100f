//! `multipart/related` bodies, RFC 2046 5.1 and RFC 2387, read part by part without holding one.

use std::io::{self, Read};

/// Longest boundary (RFC 2046 allows 70) and longest headers of one part, in bytes.
const MAX_BOUNDARY_BYTES: usize = 200;
const MAX_HEADER_BYTES: usize = 16 << 10;
const BUFFER_BYTES: usize = 64 << 10;

/// The value of a parameter of a media type: `boundary` in `multipart/related; boundary="x"`.
pub(super) fn parameter(content_type: &str, name: &str) -> Option<String> {
    let mut rest = content_type.split_once(';')?.1;
    loop {
        let (key, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => {
                let (value, next) = quoted.split_once('"')?;
                (value, next.split_once(';').map_or("", |(_, next)| next))
            }
            None => after.split_once(';').unwrap_or((after, "")),
        };
        if key.trim().trim_start_matches(';').trim().eq_ignore_ascii_case(name) {
            return Some(value.trim().to_owned());
        }
        rest = next;
    }
}

/// A body.
pub(super) struct Parts<R> {
    reader: R,
    /// `\r\n--boundary`.
    delimiter: Vec<u8>,
    buffer: Vec<u8>,
    /// What of `buffer` was given out.
    at: usize,
    ended: bool,
    /// The current part was read to its delimiter.
    part_done: bool,
}

impl<R: Read> Parts<R> {
    /// `None`: the boundary cannot be one.
    pub(super) fn new(reader: R, boundary: &str) -> Option<Self> {
        if boundary.is_empty() || boundary.len() > MAX_BOUNDARY_BYTES || !boundary.is_ascii() {
            return None;
        }
        let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
        // The first delimiter may stand at the very beginning: as if a line had ended before it.
        Some(Self { reader, delimiter, buffer: b"\r\n".to_vec(), at: 0, ended: false, part_done: false })
    }

    /// Steps to the next part: its `Content-Type`, or `None` after the last one. What is left of the part before is
    /// passed over.
    pub(super) fn next(&mut self) -> io::Result<Option<String>> {
        let mut waste = vec![0; 8 << 10];
        while !self.part_done {
            if self.read(&mut waste)? == 0 && !self.part_done {
                return Err(cut_off());
            }
        }
        // Behind the delimiter: `--` ends the body, else a line end follows.
        self.at_least(2)?;
        if self.rest().starts_with(b"--") {
            return Ok(None);
        }
        let mut headers = Vec::new();
        loop {
            self.at_least(1)?;
            let Some(byte) = self.rest().first().copied() else { return Err(cut_off()) };
            self.at += 1;
            headers.push(byte);
            if headers.ends_with(b"\r\n\r\n") {
                break;
            }
            if headers.len() > MAX_HEADER_BYTES {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the headers of a part are longer than 16 KiB"));
            }
        }
        self.part_done = false;
        let text = String::from_utf8_lossy(&headers).into_owned();
        let content_type = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case("content-type").then(|| value.trim().to_owned())
        });
        Ok(Some(content_type.unwrap_or_default()))
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.at..).unwrap_or_default()
    }

    /// Fills until `count` bytes are there, or the body ends.
    fn at_least(&mut self, count: usize) -> io::Result<()> {
        while self.rest().len() < count && !self.ended {
            if self.at > 0 {
                self.buffer.drain(..self.at);
                self.at = 0;
            }
            let held = self.buffer.len();
            self.buffer.resize(held + BUFFER_BYTES, 0);
            let more = self.reader.read(self.buffer.get_mut(held..).unwrap_or_default());
            self.buffer.truncate(held + more.as_ref().copied().unwrap_or(0));
            match more {
                Ok(count) => self.ended = count == 0,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the body ends in the middle of a part")
}

impl<R: Read> Read for Parts<R> {
    /// The bytes of the current part; 0 at its end.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.part_done || out.is_empty() {
            return Ok(0);
        }
        self.at_least(self.delimiter.len() + 1)?;
        let rest = self.rest();
        // What may be the beginning of a delimiter is not given out before it is known not to be one.
        let (plain, found) = match find(rest, &self.delimiter) {
            Some(0) => (0, true),
            Some(at) => (at, false),
            None if self.ended => return Err(cut_off()),
            None => (rest.len() - (self.delimiter.len() - 1), false),
        };
        if found {
            self.at += self.delimiter.len();
            self.part_done = true;
            return Ok(0);
        }
        let count = plain.min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        self.at += count;
        Ok(count)
    }
}

fn find(bytes: &[u8], delimiter: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes.get(from..)?.iter().position(|byte| *byte == b'\r') {
        if bytes.get(from + at..)?.starts_with(delimiter) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8]) -> io::Result<Vec<(String, Vec<u8>)>> {
        let mut parts = Parts::new(body, "b0").unwrap();
        let mut all = Vec::new();
        while let Some(content_type) = parts.next()? {
            let mut bytes = Vec::new();
            parts.read_to_end(&mut bytes)?;
            all.push((content_type, bytes));
        }
        Ok(all)
    }

    #[test]
    fn parts_are_cut_at_their_delimiters() {
        let long = vec![b'\r'; 200_000];
        let body = [
            &b"preamble\r\n--b0\r\nContent-Type: application/dicom\r\n\r\none\r\n--b\r\n--b0\r\ncontent-type:x\r\n\r\n"
                [..],
            &long,
            b"\r\n--b0\r\n\r\n\r\n--b0--\r\nepilogue",
        ]
        .concat();
        let parts = read(&body).unwrap();
        assert_eq!(parts[0], ("application/dicom".to_owned(), b"one\r\n--b".to_vec()));
        assert_eq!(parts[1], ("x".to_owned(), long));
        assert_eq!(parts[2], (String::new(), Vec::new()));
        assert_eq!(parts.len(), 3);
        assert_eq!(read(b"--b0\r\n\r\nx\r\n--b0--").unwrap().len(), 1);
        for end in (0..300.min(body.len())).chain([body.len() - 20]) {
            assert!(read(&body[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn media_type_parameters_are_found() {
        let given = "multipart/related; type=\"application/dicom\"; boundary=\"a;b=c\"; x=y";
        assert_eq!(parameter(given, "boundary").as_deref(), Some("a;b=c"));
        assert_eq!(parameter(given, "TYPE").as_deref(), Some("application/dicom"));
        assert_eq!(parameter("multipart/related;boundary=abc", "boundary").as_deref(), Some("abc"));
        assert_eq!(parameter("multipart/related", "boundary"), None);
        assert_eq!(parameter("a;b;c=\"d", "c"), None);
    }
}
