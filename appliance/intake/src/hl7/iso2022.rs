//! Character sets that are switched inside the text: ISO 2022 escapes, as raw bytes (`ESC $ ) C`) or written as HL7's own
//! `\M242943\` and `\C2842\` (HL7 v2, chapter 2, 2.7.3), for the sets that HL7 table 0211 and DICOM name.
//!
//! A set of 94 times 94 characters in G0, such as JIS X 0208, uses the bytes of ASCII, delimiters among them: that is why
//! these messages are decoded before they are taken apart. A line's end ends every switch: no character holds one.

use std::borrow::Cow;

use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, Encoding, GB18030, ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_5, ISO_8859_6,
};
use encoding_rs::{ISO_8859_7, ISO_8859_8, ISO_8859_15, SHIFT_JIS, WINDOWS_874, WINDOWS_1252, WINDOWS_1254};

use super::charset::Decoded;

const ESC: u8 = 0x1b;
/// Shift out and in: G1 and G0 into the lower half, as ISO-2022-KR mail has it.
const SO: u8 = 0x0e;
const SI: u8 = 0x0f;

/// How the bytes of a run are to be read.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Set {
    /// As they stand, by this encoding.
    Plain(&'static Encoding),
    /// With the high bit set first, by this encoding: a set of 94 or 94 times 94 characters in the lower half.
    Raised(&'static Encoding),
    /// JIS X 0212: raised, each pair after EUC-JP's third shift.
    Third,
}

/// What an escape sequence designates.
enum Switch {
    /// The lower half.
    G0(Option<Set>),
    /// The upper half.
    G1(&'static Encoding),
}

/// Whether the bytes switch sets at all. `escape` is the message's own escape character.
pub(super) fn switches(bytes: &[u8], escape: u8) -> bool {
    let begins = |(_, byte): &(usize, &u8)| **byte == ESC || **byte == escape;
    bytes
        .iter()
        .enumerate()
        .filter(begins)
        .any(|(at, _)| bytes.get(at..).and_then(|rest| switch(rest, escape)).is_some())
}

/// Reads the bytes; `base` is the set of the upper half until a switch says otherwise.
pub(super) fn decode(bytes: &[u8], base: &'static Encoding, escape: u8) -> Decoded<'static> {
    let mut text = String::with_capacity(bytes.len());
    let mut damaged = false;
    let (mut lower, mut upper) = (None, base);
    let mut shifted = false;
    let (mut from, mut at) = (0, 0);
    let mut flush = |from: usize, to: usize, set: Set| {
        let run = bytes.get(from..to).unwrap_or_default();
        damaged |= read(run, set, &mut text);
    };
    while let Some(byte) = bytes.get(at).copied() {
        let set = match (shifted, lower) {
            (true, _) => Set::Raised(upper),
            (false, Some(lower)) => lower,
            (false, None) => Set::Plain(upper),
        };
        let found =
            if byte == ESC || byte == escape { bytes.get(at..).and_then(|rest| switch(rest, escape)) } else { None };
        if let Some((length, to)) = found {
            flush(from, at, set);
            match to {
                Switch::G0(set) => (lower, shifted) = (set, false),
                Switch::G1(encoding) => upper = encoding,
            }
            at += length;
            from = at;
        } else if matches!(byte, SO | SI) {
            flush(from, at, set);
            // With nothing but the base in G1 the two bytes say nothing.
            shifted = byte == SO && upper != base;
            at += 1;
            from = at;
        } else if matches!(byte, b'\r' | b'\n') {
            flush(from, at, set);
            flush(at, at + 1, Set::Plain(WINDOWS_1252));
            (lower, upper, shifted) = (None, base, false);
            at += 1;
            from = at;
        } else {
            // Pairs stay together: a second byte may look like an escape.
            let pair = matches!(set, Set::Raised(encoding) if !encoding.is_single_byte() && encoding != SHIFT_JIS)
                || set == Set::Third;
            let graphic = |byte: Option<&u8>| byte.is_some_and(|byte| (0x21..0x7f).contains(byte));
            at += if pair && graphic(Some(&byte)) && graphic(bytes.get(at + 1)) { 2 } else { 1 };
        }
    }
    let set = match (shifted, lower) {
        (true, _) => Set::Raised(upper),
        (false, Some(lower)) => lower,
        (false, None) => Set::Plain(upper),
    };
    flush(from, bytes.len(), set);
    Decoded { text: Cow::Owned(text), encoding: base, damaged }
}

/// Appends a run; true if something in it could not be read.
fn read(run: &[u8], set: Set, text: &mut String) -> bool {
    if run.is_empty() {
        return false;
    }
    let raised: Vec<u8>;
    let (bytes, encoding) = match set {
        Set::Plain(encoding) => (run, encoding),
        Set::Raised(encoding) => {
            raised = run.iter().map(|byte| if *byte > 0x20 { byte | 0x80 } else { *byte }).collect();
            (raised.as_slice(), encoding)
        }
        Set::Third => {
            let pairs = run.chunks(2).flat_map(|pair| match pair {
                [one, two] if *one > 0x20 => vec![0x8f, one | 0x80, two | 0x80],
                other => other.to_vec(),
            });
            raised = pairs.collect();
            (raised.as_slice(), EUC_JP)
        }
    };
    let (read, damaged) = encoding.decode_without_bom_handling(bytes);
    text.push_str(&read);
    damaged
}

/// The switch that begins here and its length in bytes.
fn switch(rest: &[u8], escape: u8) -> Option<(usize, Switch)> {
    match rest {
        [ESC, tail @ ..] => {
            // Intermediate bytes, then one final byte.
            let middle = tail.iter().take(3).take_while(|byte| (0x20..0x30).contains(*byte)).count();
            let code = tail.get(..=middle)?;
            Some((1 + code.len(), meaning(code)?))
        }
        [first, b'C' | b'M', tail @ ..] if *first == escape => {
            let end = tail.iter().take(7).position(|byte| *byte == escape)?;
            let hex = std::str::from_utf8(tail.get(..end)?).ok()?;
            Some((2 + end + 1, meaning(&super::message::unhex(hex)?)?))
        }
        _ => None,
    }
}

/// The bytes after ESC, by the registry that ISO 2022 refers to.
fn meaning(code: &[u8]) -> Option<Switch> {
    use Set::{Plain, Raised, Third};
    Some(match code {
        // JIS X 0201's Latin half differs from ASCII in a yen sign and an overline, where HL7 needs its delimiters.
        b"(B" | b"(J" => Switch::G0(None),
        b"(I" => Switch::G0(Some(Raised(SHIFT_JIS))),
        b")I" => Switch::G1(SHIFT_JIS),
        b"$@" | b"$B" | b"$(@" | b"$(B" => Switch::G0(Some(Raised(EUC_JP))),
        b"$(D" => Switch::G0(Some(Third)),
        b"$)B" | b"$)@" => Switch::G1(EUC_JP),
        b"$(C" => Switch::G0(Some(Raised(EUC_KR))),
        b"$A" | b"$(A" => Switch::G0(Some(Raised(GB18030))),
        b"$)0" => Switch::G1(BIG5),
        b"%G" => Switch::G0(Some(Plain(encoding_rs::UTF_8))),
        other => Switch::G1(upper_set(other)?),
    })
}

/// The set that the bytes after ESC put into the upper half, of those that HL7 and DICOM (PS3.3, C.12.1.1.2) share.
pub(crate) fn upper_set(code: &[u8]) -> Option<&'static Encoding> {
    Some(match code {
        b"$)C" => EUC_KR,
        b"$)A" => GB18030,     // a superset of GB 2312
        b"-A" => WINDOWS_1252, // a superset of ISO 8859-1's letters
        b"-B" => ISO_8859_2,
        b"-C" => ISO_8859_3,
        b"-D" => ISO_8859_4,
        b"-L" => ISO_8859_5,
        b"-G" => ISO_8859_6,
        b"-F" => ISO_8859_7,
        b"-H" => ISO_8859_8,
        b"-M" => WINDOWS_1254,
        b"-T" => WINDOWS_874,
        b"-b" => ISO_8859_15,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(bytes: &[u8]) -> String {
        assert!(switches(bytes, b'\\'), "{bytes:x?}");
        let out = decode(bytes, WINDOWS_1252, b'\\');
        assert!(!out.damaged, "{} {bytes:x?}", out.text);
        out.text.into_owned()
    }

    /// 김 is B1 E8 in EUC-KR; 山田 is 3B33 4545 in JIS X 0208; examples in the forms of DICOM PS3.5, annexes H and I.
    #[test]
    fn korean_japanese_and_latin_names_in_one_message() {
        for (case, bytes, text) in [
            ("KS X 1001 in G1", &b"Kim^\x1b$)C\xb1\xe8^\x1b$)C\xb9\xce"[..], "Kim^김^민"),
            ("the same in HL7's words", b"Kim^\\M242943\\\xb1\xe8\\C2842\\^x", "Kim^김^x"),
            ("KS X 1001 in G0", b"\x1b$(C1h\x1b(B^x", "김^x"),
            ("shifted, as in mail", b"\x1b$)C\x0e1h\x0f^x", "김^x"),
            ("JIS X 0208", b"Yamada^\x1b$B;3ED\x1b(B^\x1b$B;3\x1b(J", "Yamada^山田^山"),
            ("the same in HL7's words", b"\\M2442\\;3ED\\C2842\\^x", "山田^x"),
            ("JIS X 0212", b"\x1b$(D0!\x1b(B^x", "丂^x"),
            ("half-width katakana", b"\x1b(I_^\x1b(J=", "ﾟﾞ="),
            ("Cyrillic in G1", b"\x1b-L\xbb\xee\xda\\C2842\\", "Люк"),
            ("Chinese in G0", b"\x1b$AVP\x1b(B.", "中."),
            ("a line's end ends it", b"\x1b$B;3\r\xe9", "山\ré"),
        ] {
            assert_eq!(said(bytes), text, "{case}");
        }
    }

    #[test]
    fn a_second_byte_that_looks_like_a_delimiter_is_none() {
        // JIS X 0208 uses 5C, 5E, 7C, 7E and 26 as second bytes: all of them between two switches.
        for second in b"\\^|~&" {
            let bytes = [b"a|\x1b$B0".as_slice(), &[*second], b"\x1b(B|b"].concat();
            let text = said(&bytes);
            assert_eq!(text.split('|').count(), 3, "{text}");
        }
    }

    #[test]
    fn what_switches_nothing_is_left_alone() {
        for bytes in [&b"a\\F\\b"[..], b"\\C2\\", b"\\CXX42\\", b"C:\\Model\\x", b"\x1b[31m", b"\x1b", b"\x1b$"] {
            assert!(!switches(bytes, b'\\'), "{bytes:x?}");
        }
        let out = decode(b"\x1b$B;", WINDOWS_1252, b'\\');
        assert!(out.damaged, "half a character is not one");
    }
}
