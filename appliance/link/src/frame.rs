//! Frames: the bytes between two roles. Bytes in, one borrowed frame out; no I/O, no clock, no log.
//!
//! ```text
//! 0..4  length of the payload, u32, big endian
//! 4     kind: 0 JSON, 1 raw bytes (the first eight are the exchange's number, u64, big endian)
//! 5..   payload
//! ```

use thiserror::Error;

/// Bytes before the payload.
pub const HEADER_BYTES: usize = 5;

/// Bytes of the exchange number at the start of a raw payload.
pub const RAW_ID_BYTES: usize = 8;

/// What a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One JSON document.
    Json,
    /// Bytes that belong to an open exchange, for instance a piece of a file.
    Raw,
}

impl Kind {
    const fn byte(self) -> u8 {
        match self {
            Self::Json => 0,
            Self::Raw => 1,
        }
    }
}

/// The longest payload accepted and written, in bytes. It bounds the memory that one peer can make us hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of a JSON document.
    pub json_bytes: usize,
    /// Of a raw payload, its exchange number included.
    pub raw_bytes: usize,
}

impl Default for Limits {
    /// 1 MiB each: an answer with hundreds of citations is below 300 KB, and files travel in pieces.
    fn default() -> Self {
        Self { json_bytes: 1 << 20, raw_bytes: 1 << 20 }
    }
}

impl Limits {
    const fn of(&self, kind: Kind) -> usize {
        match kind {
            Kind::Json => self.json_bytes,
            Kind::Raw => self.raw_bytes,
        }
    }
}

/// One frame, its payload still in the reader's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What the payload is.
    pub kind: Kind,
    /// The payload.
    pub payload: &'a [u8],
}

/// A rule of the framing that a peer broke. Nothing after it can be trusted: the connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The kind byte has no meaning.
    #[error("byte 4 of the frame says kind {0}; only 0 (JSON) and 1 (raw) exist")]
    Kind(u8),
    /// The payload is longer than the limit for its kind.
    #[error("the frame's payload has {length} bytes; at most {limit} are accepted")]
    TooLong {
        /// As announced.
        length: usize,
        /// As set.
        limit: usize,
    },
    /// A raw payload without its exchange number.
    #[error("a raw frame has {0} bytes; its exchange number alone needs 8")]
    NoExchange(usize),
}

/// The first frame in `buffer` and the bytes it used, header included; `None` while more bytes are needed.
///
/// # Errors
/// The rule that is broken, as soon as the header shows it: nobody waits for, or makes room for, a payload that is too long.
pub fn first_frame(buffer: &[u8], limits: Limits) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let Some((header, rest)) = buffer.split_first_chunk::<HEADER_BYTES>() else { return Ok(None) };
    let [a, b, c, d, kind] = *header;
    let kind = match kind {
        0 => Kind::Json,
        1 => Kind::Raw,
        other => return Err(FrameError::Kind(other)),
    };
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if length > limits.of(kind) {
        return Err(FrameError::TooLong { length, limit: limits.of(kind) });
    }
    if kind == Kind::Raw && length < RAW_ID_BYTES {
        return Err(FrameError::NoExchange(length));
    }
    Ok(rest.get(..length).map(|payload| (Frame { kind, payload }, HEADER_BYTES + length)))
}

/// Appends one frame to `out`.
///
/// # Errors
/// [`FrameError::TooLong`]; `out` is then unchanged.
pub fn write(kind: Kind, payload: &[u8], limits: Limits, out: &mut Vec<u8>) -> Result<(), FrameError> {
    write_parts(kind, &[payload], limits, out)
}

/// Appends one raw frame of exchange `id` to `out`.
///
/// # Errors
/// [`FrameError::TooLong`]; `out` is then unchanged.
pub fn write_raw(id: u64, bytes: &[u8], limits: Limits, out: &mut Vec<u8>) -> Result<(), FrameError> {
    write_parts(Kind::Raw, &[&id.to_be_bytes(), bytes], limits, out)
}

/// The exchange number and the bytes of a raw payload, as [`first_frame`] hands it out.
#[must_use]
pub fn split_raw(payload: &[u8]) -> Option<(u64, &[u8])> {
    let (id, bytes) = payload.split_first_chunk::<RAW_ID_BYTES>()?;
    Some((u64::from_be_bytes(*id), bytes))
}

fn write_parts(kind: Kind, parts: &[&[u8]], limits: Limits, out: &mut Vec<u8>) -> Result<(), FrameError> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let limit = limits.of(kind).min(u32::MAX as usize);
    let announced =
        u32::try_from(length).ok().filter(|_| length <= limit).ok_or(FrameError::TooLong { length, limit })?;
    out.reserve(HEADER_BYTES + length);
    out.extend_from_slice(&announced.to_be_bytes());
    out.push(kind.byte());
    for part in parts {
        out.extend_from_slice(part);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Limits = Limits { json_bytes: 4, raw_bytes: 12 };

    #[test]
    fn a_frame_is_whole_unfinished_or_wrong() {
        type Expected = Result<Option<(Frame<'static>, usize)>, FrameError>;
        let cases: [(&str, &[u8], Expected); 9] = [
            ("nothing yet", b"", Ok(None)),
            ("half a header", b"\0\0\0\x02", Ok(None)),
            ("payload not complete", b"\0\0\0\x02\0{", Ok(None)),
            ("whole", b"\0\0\0\x02\0{}", Ok(Some((Frame { kind: Kind::Json, payload: b"{}" }, 7)))),
            ("whole, the next begins", b"\0\0\0\x02\0{}\0", Ok(Some((Frame { kind: Kind::Json, payload: b"{}" }, 7)))),
            ("empty", b"\0\0\0\0\0", Ok(Some((Frame { kind: Kind::Json, payload: b"" }, 5)))),
            ("no such kind", b"\0\0\0\0\x09", Err(FrameError::Kind(9))),
            (
                "too long, seen before it came",
                b"\xff\xff\xff\xff\0",
                Err(FrameError::TooLong { length: 0xffff_ffff, limit: 4 }),
            ),
            ("raw without exchange", b"\0\0\0\x07\x01", Err(FrameError::NoExchange(7))),
        ];
        for (case, bytes, expected) in cases {
            assert_eq!(first_frame(bytes, SMALL), expected, "{case}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let limits = Limits::default();
        let mut out = Vec::new();
        write(Kind::Json, b"{\"a\":1}", limits, &mut out).unwrap();
        write_raw(7, b"\0\xffbytes", limits, &mut out).unwrap();
        let (first, used) = first_frame(&out, limits).unwrap().unwrap();
        assert_eq!(first, Frame { kind: Kind::Json, payload: b"{\"a\":1}" });
        let (second, end) = first_frame(&out[used..], limits).unwrap().unwrap();
        assert_eq!((second.kind, split_raw(second.payload)), (Kind::Raw, Some((7, &b"\0\xffbytes"[..]))));
        assert_eq!(used + end, out.len());
    }

    #[test]
    fn too_long_a_payload_is_not_written() {
        let mut out = vec![1];
        assert_eq!(write(Kind::Json, b"12345", SMALL, &mut out), Err(FrameError::TooLong { length: 5, limit: 4 }));
        assert_eq!(write_raw(1, b"12345", SMALL, &mut out), Err(FrameError::TooLong { length: 13, limit: 12 }));
        assert_eq!(out, [1]);
    }

    /// Any bytes: an answer, never a panic, and never more bytes used than there are.
    #[test]
    fn any_bytes_are_answered() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64; // xorshift64: the same bytes each run
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for _ in 0..20_000 {
            let length = next() as usize % 40;
            let mut bytes: Vec<u8> = (0..length).map(|_| next() as u8).collect();
            if let Some(head) = bytes.get_mut(..3).filter(|_| next() % 2 == 0) {
                head.fill(0); // otherwise nearly every length is out of bounds
            }
            let limits = Limits { json_bytes: next() as usize % 64, raw_bytes: next() as usize % 64 };
            if let Ok(Some((frame, used))) = first_frame(&bytes, limits) {
                assert_eq!(used, HEADER_BYTES + frame.payload.len());
                assert!(used <= bytes.len() && frame.payload.len() <= limits.of(frame.kind));
                let mut again = Vec::new();
                write(frame.kind, frame.payload, limits, &mut again).unwrap();
                assert_eq!(again, bytes[..used]);
            }
        }
    }
}
