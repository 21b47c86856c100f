//! MLLP framing (HL7 Transport Specification: MLLP, Release 1): bytes in, one message's bytes out. No I/O, no clock, no log.
//!
//! A frame is `0x0B`, the message, `0x1C`, `0x0D`. Senders deviate, and these deviations are read: no `0x0D` behind the
//! `0x1C`, or a line feed; line ends and blanks between frames; no `0x0B` before `MSH`; a `0x0B` inside a text (a soft line
//! break of a word processor). A `0x0B` directly before `MSH` inside a message means that the sender gave up and began
//! again: what came before was never acknowledged and is dropped. No character set that is read hides these bytes inside a
//! character.

const START: u8 = 0x0b;
const END: u8 = 0x1c;

/// Bytes kept of a message that is too long: enough to answer its header.
pub const HEAD_BYTES: usize = 8 << 10;

/// What a frame held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The bytes between its marks.
    Whole(Vec<u8>),
    /// More bytes than are taken: its first [`HEAD_BYTES`]. The rest was passed over.
    TooLong(Vec<u8>),
}

/// Cuts a stream into frames. Holds at most one message of the longest size and what one read brought.
#[derive(Debug)]
pub struct Frames {
    longest: usize,
    buffer: Vec<u8>,
    /// Bytes of `buffer` that were handed out or dropped.
    used: usize,
    /// Bytes of `buffer` in which no end was found yet.
    searched: usize,
    state: State,
    noise: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between frames.
    Between,
    /// In a frame, whose content begins at `used`.
    Inside,
    /// In a frame that is too long: its head stands at `used`.
    Skipping,
}

impl Frames {
    /// `longest`: most bytes of a message.
    #[must_use]
    pub fn new(longest: usize) -> Self {
        Self { longest, buffer: Vec::new(), used: 0, searched: 0, state: State::Between, noise: 0 }
    }

    /// Takes what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.used > 0 {
            self.buffer.drain(..self.used);
            self.searched -= self.used;
            self.used = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame; `None` while more bytes are needed.
    pub fn next_frame(&mut self) -> Option<Frame> {
        loop {
            match self.state {
                State::Between => {
                    if !self.begin() {
                        return None;
                    }
                }
                State::Inside => match self.end() {
                    Some(end) => {
                        let content = self.buffer.get(self.used..end).unwrap_or_default();
                        let frame = if content.len() > self.longest {
                            Frame::TooLong(head(content))
                        } else {
                            Frame::Whole(content.to_vec())
                        };
                        self.used = end + 1;
                        self.searched = self.used;
                        self.state = State::Between;
                        self.shrink();
                        return Some(frame);
                    }
                    None if self.buffer.len() - self.used > self.longest => self.state = State::Skipping,
                    None => return None,
                },
                State::Skipping => {
                    let end = self.end();
                    if self.state == State::Inside {
                        continue; // begun again
                    }
                    let Some(end) = end else {
                        // What was searched and is no head goes; the beginning of a mark at the end stays.
                        let keep = (self.used + HEAD_BYTES).min(self.searched);
                        self.buffer.drain(keep..self.searched);
                        self.searched = keep;
                        self.buffer.shrink_to(self.buffer.len());
                        return None;
                    };
                    let head = head(self.buffer.get(self.used..end).unwrap_or_default());
                    self.used = end + 1;
                    self.searched = self.used;
                    self.state = State::Between;
                    self.shrink();
                    return Some(Frame::TooLong(head));
                }
            }
        }
    }

    /// Bytes in hand.
    #[must_use]
    pub fn held(&self) -> usize {
        self.buffer.len() - self.used
    }

    /// Whether a message has begun and is not whole.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        self.state != State::Between
    }

    /// Bytes so far that were in no frame and are no white space, and those of messages that were given up by their sender.
    #[must_use]
    pub fn noise(&self) -> u64 {
        self.noise
    }

    /// Looks for the next beginning; `false` while more bytes are needed.
    fn begin(&mut self) -> bool {
        loop {
            match self.buffer.get(self.used..).unwrap_or_default() {
                [] => {
                    self.searched = self.used;
                    return false;
                }
                [START, ..] => {
                    self.used += 1;
                    self.searched = self.used;
                    self.state = State::Inside;
                    return true;
                }
                [b'M', b'S', b'H', ..] => {
                    self.searched = self.used;
                    self.state = State::Inside;
                    return true;
                }
                // Perhaps a header that has not wholly come.
                [b'M'] | [b'M', b'S'] => {
                    self.searched = self.used;
                    return false;
                }
                [byte, ..] => {
                    self.noise += u64::from(!byte.is_ascii_whitespace() && *byte != END && *byte != 0);
                    self.used += 1;
                }
            }
        }
    }

    /// Where the frame ends. A sender's new beginning drops what came before it.
    fn end(&mut self) -> Option<usize> {
        loop {
            let from = self.searched.max(self.used);
            let found = self.buffer.get(from..)?.iter().position(|byte| matches!(*byte, START | END));
            let Some(at) = found.map(|at| from + at) else {
                self.searched = self.buffer.len();
                return None;
            };
            if self.buffer.get(at) == Some(&END) {
                return Some(at);
            }
            let after = self.buffer.get(at + 1..).unwrap_or_default();
            if after.len() < 3 && b"MSH".starts_with(after) {
                self.searched = at; // not all of it has come
                return None;
            }
            if after.starts_with(b"MSH") {
                self.noise += (at - self.used) as u64;
                self.used = at + 1;
                self.state = State::Inside;
            }
            self.searched = at + 1;
        }
    }

    /// Gives the memory of a long message back.
    fn shrink(&mut self) {
        if self.buffer.capacity() > 4 * HEAD_BYTES && self.held() < HEAD_BYTES {
            self.buffer.drain(..self.used);
            self.used = 0;
            self.searched = 0;
            self.buffer.shrink_to(HEAD_BYTES);
        }
    }
}

fn head(content: &[u8]) -> Vec<u8> {
    content.get(..HEAD_BYTES).unwrap_or(content).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every frame of `bytes`, pushed in pieces of `size`.
    fn read(bytes: &[u8], size: usize, longest: usize) -> (Vec<Frame>, u64, bool) {
        let mut frames = Frames::new(longest);
        let mut found = Vec::new();
        for piece in bytes.chunks(size) {
            frames.push(piece);
            while let Some(frame) = frames.next_frame() {
                found.push(frame);
            }
        }
        (found, frames.noise(), frames.is_inside())
    }

    #[test]
    fn frames_are_found_whatever_the_sender_makes_of_them_and_however_they_arrive() {
        let whole = |text: &[u8]| Frame::Whole(text.to_vec());
        for (case, bytes, expected, noise, inside) in [
            ("nothing", &b""[..], vec![], 0, false),
            ("by the standard", b"\x0bMSH|1\x1c\r\x0bMSH|2\x1c\r", vec![whole(b"MSH|1"), whole(b"MSH|2")], 0, false),
            ("no carriage return", b"\x0bMSH|1\x1c\x0bMSH|2\x1c", vec![whole(b"MSH|1"), whole(b"MSH|2")], 0, false),
            ("line feeds", b"\x0bMSH|1\n\x1c\r\n\n\x0bMSH|2\x1c\n", vec![whole(b"MSH|1\n"), whole(b"MSH|2")], 0, false),
            ("no beginning", b"MSH|1\x1c\rMSH|2\x1c\r", vec![whole(b"MSH|1"), whole(b"MSH|2")], 0, false),
            ("several in a frame", b"\x0bMSH|1\rMSH|2\r\x1c\r", vec![whole(b"MSH|1\rMSH|2\r")], 0, false),
            ("a soft break in a text", b"\x0bMSH|1\x0bMore\x1c\r", vec![whole(b"MSH|1\x0bMore")], 0, false),
            ("begun again", b"\x0bMSH|1\rPI\x0bMSH|2\x1c\r", vec![whole(b"MSH|2")], 8, false),
            ("noise between", b"hello\x0bMSH|1\x1c\r", vec![whole(b"MSH|1")], 5, false),
            ("an empty frame", b"\x0b\x1c\r", vec![whole(b"")], 0, false),
            ("unfinished", b"\x0bMSH|1\rPID", vec![], 0, true),
            ("a header's first letters", b"MS", vec![], 0, false),
        ] {
            for size in [1, 2, 3, 7, 1000] {
                assert_eq!(read(bytes, size, 100), (expected.clone(), noise, inside), "{case}, {size} at once");
            }
        }
    }

    #[test]
    fn what_is_too_long_is_passed_over_in_little_memory_and_its_header_kept() {
        let mut bytes = b"\x0bMSH|1".to_vec();
        bytes.resize(1 << 20, b'x');
        bytes.extend_from_slice(b"\x1c\r\x0bMSH|2\x1c\r");
        for size in [1000, 64 << 10, 4 << 20] {
            let (found, ..) = read(&bytes, size, 100_000);
            let [Frame::TooLong(head), Frame::Whole(next)] = &found[..] else { panic!("{} at once: {found:?}", size) };
            assert!(head.len() == HEAD_BYTES && head.starts_with(b"MSH|1"));
            assert_eq!(next, b"MSH|2");
        }
        let mut frames = Frames::new(1000);
        frames.push(b"\x0bMSH|");
        for _ in 0..1000 {
            frames.push(&[b'x'; 4096]);
            assert_eq!(frames.next_frame(), None);
            assert!(frames.buffer.capacity() < 64 << 10, "{}", frames.buffer.capacity());
        }
    }
}
