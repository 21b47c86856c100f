//! Text of a data set: Specific Character Set (0008,0005), PS3.3 C.12.1.1.2, and code extensions, PS3.5 6.1.2.
//!
//! The first value names the set that is active at the beginning of every text; with several values escape sequences
//! switch to the others, and every delimiter switches back. All of the standard's sets are read; text in a set that is not
//! one of them is read as UTF-8 or in the site's assumed set, which is what such senders write in practice.

use encoding_rs::Encoding;

use crate::hl7::upper_set;

const ESC: u8 = 0x1b;

/// How the text of a data set is to be read.
#[derive(Debug, Clone)]
pub(crate) struct Charset {
    /// What the upper half of the bytes (G1) means at the beginning.
    upper: Upper,
    /// For upper bytes without a named set.
    assumed: &'static Encoding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upper {
    /// No set is named: UTF-8 or the assumed one.
    Unnamed,
    /// All bytes from here on are in this encoding, its two-byte characters included.
    Encoding(&'static Encoding),
    /// JIS X 0201 katakana, one byte each.
    Katakana,
}

/// What the lower half of the bytes (G0) means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lower {
    Ascii,
    /// JIS X 0208, two bytes each.
    Kanji,
    /// JIS X 0212, two bytes each.
    MoreKanji,
}

impl Charset {
    /// The set that the values of (0008,0005) name; `assumed`: for bytes in no named set.
    pub(crate) fn of(values: &str, assumed: &'static Encoding) -> Charset {
        let first = values.split('\\').next().unwrap_or_default();
        Charset { upper: named(first).unwrap_or(Upper::Unnamed), assumed }
    }

    /// Another set, with the same assumption for bytes in none.
    pub(crate) fn with(&self, values: &str) -> Charset {
        Charset::of(values, self.assumed)
    }

    /// No set is named.
    pub(crate) fn unnamed(assumed: &'static Encoding) -> Charset {
        Charset { upper: Upper::Unnamed, assumed }
    }

    /// The text of `bytes`. `is_name`: a person name, where `^` and `=` are delimiters too.
    pub(crate) fn decode(&self, bytes: &[u8], is_name: bool) -> String {
        let mut out = String::with_capacity(bytes.len());
        if !bytes.contains(&ESC) {
            self.upper_run(bytes, self.upper, &mut out);
            return out;
        }
        let (mut upper, mut lower) = (self.upper, Lower::Ascii);
        let mut rest = bytes;
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix(&[ESC]) {
                rest = escape(after, &mut upper, &mut lower);
                continue;
            }
            if lower != Lower::Ascii {
                // Two-byte characters up to the next escape; a delimiter cannot stand among them.
                let end = rest.iter().position(|byte| *byte == ESC).unwrap_or(rest.len());
                let (run, after) = rest.split_at(end);
                kanji(run, lower, &mut out);
                rest = after;
                continue;
            }
            let is_delimiter = |byte: &u8| {
                matches!(byte, b'\\' | b'\r' | b'\n' | 0x0c | b'\t') || is_name && matches!(byte, b'^' | b'=')
            };
            let end = rest.iter().position(|byte| *byte == ESC || is_delimiter(byte)).unwrap_or(rest.len());
            let (run, after) = rest.split_at(end);
            self.upper_run(run, upper, &mut out);
            rest = after;
            if let Some((delimiter, after)) = rest.split_first().filter(|(byte, _)| **byte != ESC) {
                out.push(char::from(*delimiter));
                (upper, lower) = (self.upper, Lower::Ascii);
                rest = after;
            }
        }
        out
    }

    fn upper_run(&self, run: &[u8], upper: Upper, out: &mut String) {
        if run.is_ascii() && !matches!(upper, Upper::Encoding(encoding) if !encoding.is_ascii_compatible()) {
            out.push_str(&String::from_utf8_lossy(run));
            return;
        }
        match upper {
            Upper::Encoding(encoding) => out.push_str(&encoding.decode_without_bom_handling(run).0),
            Upper::Katakana => {
                for byte in run {
                    out.push(match byte {
                        0xa1..=0xdf => char::from_u32(0xff61 + u32::from(*byte) - 0xa1).unwrap_or('\u{fffd}'),
                        0..0x80 => char::from(*byte),
                        _ => '\u{fffd}',
                    });
                }
            }
            Upper::Unnamed => match std::str::from_utf8(run) {
                Ok(text) => out.push_str(text),
                Err(_) => out.push_str(&self.assumed.decode_without_bom_handling(run).0),
            },
        }
    }
}

/// A defined term of (0008,0005). `ISO 2022 IR n` is `ISO_IR n` with code extensions.
fn named(term: &str) -> Option<Upper> {
    let term = term.trim().to_ascii_uppercase().replace('_', " ");
    let term = term.strip_prefix("ISO 2022 ").or_else(|| term.strip_prefix("ISO ")).unwrap_or(&term).to_owned();
    Some(Upper::Encoding(match term.as_str() {
        "IR 100" => encoding_rs::WINDOWS_1252, // ISO 8859-1 and printable characters where it has controls
        "IR 101" => encoding_rs::ISO_8859_2,
        "IR 109" => encoding_rs::ISO_8859_3,
        "IR 110" => encoding_rs::ISO_8859_4,
        "IR 144" => encoding_rs::ISO_8859_5,
        "IR 127" => encoding_rs::ISO_8859_6,
        "IR 126" => encoding_rs::ISO_8859_7,
        "IR 138" => encoding_rs::ISO_8859_8,
        "IR 148" => encoding_rs::WINDOWS_1254, // ISO 8859-9
        "IR 166" => encoding_rs::WINDOWS_874,  // TIS 620
        "IR 203" => encoding_rs::ISO_8859_15,
        "IR 192" => encoding_rs::UTF_8,
        "IR 149" => encoding_rs::EUC_KR,
        "IR 58" | "GBK" => encoding_rs::GBK,
        "GB18030" => encoding_rs::GB18030,
        "IR 13" => return Some(Upper::Katakana),
        // What ISO 2022 IR 6 and 87 mean at the beginning is ASCII.
        _ => return None,
    }))
}

/// Reads an escape sequence, its ESC taken; gives what follows it. PS3.3 tables C.12-3 and C.12-4.
fn escape<'b>(after: &'b [u8], upper: &mut Upper, lower: &mut Lower) -> &'b [u8] {
    type Change = (Option<Upper>, Option<Lower>);
    let known: &[(&[u8], Change)] = &[
        (b"$(D", (None, Some(Lower::MoreKanji))),
        (b"$B", (None, Some(Lower::Kanji))),
        (b"(B", (None, Some(Lower::Ascii))),
        (b"(J", (None, Some(Lower::Ascii))), // JIS X 0201 romaji: ASCII but for yen and overline
        (b")I", (Some(Upper::Katakana), None)),
    ];
    for (sequence, (new_upper, new_lower)) in known {
        if let Some(rest) = after.strip_prefix(*sequence) {
            *upper = new_upper.unwrap_or(*upper);
            *lower = new_lower.unwrap_or(*lower);
            return rest;
        }
    }
    for (code, rest) in [2, 3].into_iter().filter_map(|length| after.split_at_checked(length)) {
        if let Some(encoding) = upper_set(code) {
            *upper = Upper::Encoding(encoding);
            return rest;
        }
    }
    after // an unknown sequence: its ESC is dropped, the rest stays to be seen
}

/// Two-byte characters of the lower half: EUC-JP has the same with the upper bit set.
fn kanji(run: &[u8], lower: Lower, out: &mut String) {
    let mut euc = Vec::with_capacity(run.len() * 2);
    for pair in run.chunks(2) {
        if lower == Lower::MoreKanji {
            euc.push(0x8f);
        }
        euc.extend(pair.iter().map(|byte| byte | 0x80));
    }
    out.push_str(&encoding_rs::EUC_JP.decode_without_bom_handling(&euc).0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &str, bytes: &[u8], is_name: bool) -> String {
        Charset::of(set, encoding_rs::EUC_KR).decode(bytes, is_name)
    }

    #[test]
    fn the_standards_own_examples_are_read() {
        // PS3.5 annexes H, I, J and K.
        for (set, bytes, text) in [
            (
                "\\ISO 2022 IR 149",
                &b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf"[..],
                "Hong^Gildong=洪^吉洞=홍^길동",
            ),
            (
                "\\ISO 2022 IR 87",
                b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
                "Yamada^Tarou=山田^太郎=やまだ^たろう",
            ),
            (
                "ISO 2022 IR 13\\ISO 2022 IR 87",
                b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
                "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
            ),
            ("ISO_IR 192", "Wang^XiaoDong=王^小東=".as_bytes(), "Wang^XiaoDong=王^小東="),
            (
                "GB18030",
                b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab=",
                "Wang^XiaoDong=王^小东=",
            ),
            ("\\ISO 2022 IR 58", b"Zhang=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1", "Zhang=张^小"),
            ("ISO_IR 100", b"Buc^J\xe9r\xf4me", "Buc^Jérôme"),
            ("ISO_IR 144", b"\xbb\xee\xda\x63\x65\xdc\xd1yp\xd3", "Люкceмбypг"),
        ] {
            assert_eq!(read(set, bytes, true), text, "{set}");
        }
    }

    #[test]
    fn a_delimiter_switches_back_and_unnamed_bytes_are_still_read() {
        // After `^` nothing is designated any more: bytes with the upper bit are read as the site assumes.
        assert_eq!(read("\\ISO 2022 IR 149", b"\x1b$)C\xb1\xe8^A", true), "김^A");
        assert_eq!(read("", "김^민수".as_bytes(), true), "김^민수");
        assert_eq!(read("", b"\xb1\xe8^\xb9\xce\xbc\xf6", true), "김^민수");
        assert_eq!(read("NONSENSE", b"\xb1\xe8", false), "김");
        assert_eq!(read("\\ISO 2022 IR 149", b"\x1bZ?", false), "Z?");
        assert_eq!(read("\\ISO 2022 IR 149", b"\x1b", false), "");
    }
}
