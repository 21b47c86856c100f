//! From bytes to characters: what MSH-18 says, what the feed's setting says, and what to do when neither fits.
//!
//! Order: the feed's override wins. A UTF-8 byte order mark comes next, then MSH-18, then the site's assumption for feeds
//! that leave MSH-18 empty; detection is the last resort. Bytes that fit no reading become U+FFFD and are reported. Where
//! the text itself switches sets, [`iso2022`] reads it, starting from the set that this order names.

use std::borrow::Cow;

use super::iso2022;

use encoding_rs::{BIG5, EUC_JP, EUC_KR, Encoding, GB18030, SHIFT_JIS, UTF_8, WINDOWS_1252};

/// UTF-8's byte order mark. Windows exports put it before `MSH`.
pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";

/// A message as text.
pub(super) struct Decoded<'m> {
    /// The characters; U+FFFD stands for what could not be read.
    pub(super) text: Cow<'m, str>,
    /// The encoding it was read by, also for `\Xhh\` escapes.
    pub(super) encoding: &'static Encoding,
    /// Whether any byte could not be read.
    pub(super) damaged: bool,
}

/// The encoding that an HL7 table 0211 name, or one of the names senders use instead, stands for. `None` if unknown.
///
/// ISO 8859-1 is read as Windows-1252, a superset in which the same bytes mean the same letters, and KS X 1001 as CP949
/// (Unified Hangul), a superset of EUC-KR: senders announce the standard and send the superset.
pub(super) fn named(name: &str) -> Option<&'static Encoding> {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase();
    match plain.as_str() {
        "ASCII" | "USASCII" | "ISOIR6" => Some(WINDOWS_1252),
        "UNICODE" | "UNICODEUTF8" | "UTF8" | "ISOIR192" => Some(UTF_8),
        "KSX1001" | "KSC5601" | "KSC56011987" | "EUCKR" | "CP949" | "MS949" | "UHC" | "WINDOWS949" | "XWINDOWS949"
        | "ISOIR149" => Some(EUC_KR),
        "GB180302000" | "GB18030" | "GBK" | "GB2312" => Some(GB18030),
        "BIG5" => Some(BIG5),
        "ISOIR87" | "ISOIR159" | "EUCJP" => Some(EUC_JP),
        "SHIFTJIS" | "SJIS" => Some(SHIFT_JIS),
        "LATIN1" | "CP1252" => Some(WINDOWS_1252),
        other => match other.strip_prefix("ISO").unwrap_or(other).strip_prefix("8859") {
            Some(part) => Encoding::for_label(format!("iso-8859-{part}").as_bytes()),
            None => Encoding::for_label(name.trim().as_bytes()),
        },
    }
}

/// Reads one message's bytes.
///
/// `declared` are the names in MSH-18 in their order; the first that says more than ASCII counts, because the later ones
/// name what escape sequences may switch to and every set here contains ASCII. `escape` is the message's escape character.
pub(super) fn decode<'m>(
    bytes: &'m [u8],
    declared: &[String],
    wins: Option<&str>,
    assumed: &str,
    escape: u8,
) -> Decoded<'m> {
    let (bytes, marked) = match bytes.strip_prefix(BOM) {
        Some(rest) => (rest, true),
        None => (bytes, false),
    };
    let wins = wins.and_then(named);
    let said = declared.iter().filter_map(|name| named(name));
    let said = said.reduce(|first, next| if first == WINDOWS_1252 { next } else { first });
    if iso2022::switches(bytes, escape) {
        let mark = marked.then_some(UTF_8);
        let base = wins.or(mark).or(said).or_else(|| named(assumed)).unwrap_or(UTF_8);
        return iso2022::decode(bytes, base, escape);
    }
    if let Some(encoding) = wins {
        return read(bytes, encoding);
    }
    if marked {
        return read(bytes, UTF_8);
    }
    if bytes.is_ascii() {
        return read(bytes, said.unwrap_or(UTF_8));
    }
    let ascii_only = declared.iter().all(|name| matches!(named(name), Some(e) if e == WINDOWS_1252) && is_ascii(name));
    match said {
        // "ASCII" over bytes beyond ASCII says nothing; otherwise the sender's word counts, unless it plainly fails.
        Some(encoding) if !ascii_only || declared.is_empty() => {
            let out = read(bytes, encoding);
            if out.damaged && encoding != UTF_8 { utf8(bytes).unwrap_or(out) } else { out }
        }
        _ => guess(bytes, named(assumed)),
    }
}

fn is_ascii(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name.contains("ASCII") || name.replace(' ', "") == "ISOIR6"
}

/// No word from the sender: UTF-8 if it cannot well be anything else, the site's assumption, then whatever fits.
fn guess<'m>(bytes: &'m [u8], assumed: Option<&'static Encoding>) -> Decoded<'m> {
    let assumed = assumed.unwrap_or(UTF_8);
    if let Some(out) = utf8(bytes) {
        // Latin pairs such as C3 A9 are also Hangul in CP949; three-byte sequences that make Hangul or Han are UTF-8.
        let telling = out.text.chars().any(|c| u32::from(c) > 0x7ff);
        if telling || assumed == UTF_8 || assumed.is_single_byte() || read(bytes, assumed).damaged {
            return out;
        }
    }
    let out = read(bytes, assumed);
    if !out.damaged {
        return out;
    }
    [EUC_KR, WINDOWS_1252].into_iter().map(|encoding| read(bytes, encoding)).find(|other| !other.damaged).unwrap_or(out)
}

fn utf8(bytes: &[u8]) -> Option<Decoded<'_>> {
    let text = std::str::from_utf8(bytes).ok()?;
    Some(Decoded { text: Cow::Borrowed(text), encoding: UTF_8, damaged: false })
}

fn read<'m>(bytes: &'m [u8], encoding: &'static Encoding) -> Decoded<'m> {
    let (text, damaged) = encoding.decode_without_bom_handling(bytes);
    Decoded { text, encoding, damaged }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn every_name_in_use_is_known() {
        for (name, encoding) in [
            ("UNICODE UTF-8", UTF_8),
            ("UTF-8", UTF_8),
            ("KS X 1001", EUC_KR),
            ("EUC-KR", EUC_KR),
            ("CP949", EUC_KR),
            ("KSC5601", EUC_KR),
            ("ks_c_5601-1987", EUC_KR),
            ("8859/1", WINDOWS_1252),
            ("ISO-8859-1", WINDOWS_1252),
            ("8859/15", encoding_rs::ISO_8859_15),
            ("8859/2", encoding_rs::ISO_8859_2),
            ("ISO 8859-5", encoding_rs::ISO_8859_5),
            ("8859/9", encoding_rs::WINDOWS_1254),
            ("GB 18030-2000", GB18030),
            ("BIG-5", BIG5),
            ("ASCII", WINDOWS_1252),
        ] {
            assert_eq!(named(name), Some(encoding), "{name}");
        }
        assert_eq!(named("KLINGON"), None);
        assert_eq!(named("8859/99"), None);
    }

    #[test]
    fn the_same_name_comes_out_of_every_encoding() {
        let (cp949, _, _) = EUC_KR.encode("홍길동 뷁");
        let marked = [BOM, "홍길동 뷁".as_bytes()].concat();
        let none: &[&str] = &[];
        for (case, bytes, declared, wins, assumed) in [
            ("UTF-8 said", "홍길동 뷁".as_bytes(), &["UNICODE UTF-8"][..], None, "cp949"),
            ("CP949 said", &cp949, &["KS X 1001"], None, "utf-8"),
            ("CP949 as second repetition", &cp949, &["ASCII", "KS X 1001"], None, "utf-8"),
            ("byte order mark", &marked, none, None, "cp949"),
            ("nothing said, CP949 assumed", &cp949, none, None, "cp949"),
            ("nothing said, wrongly assumed", "홍길동 뷁".as_bytes(), none, None, "cp949"),
            ("nothing said, UTF-8 assumed", &cp949, none, None, "utf-8"),
            ("the override wins over a wrong word", &cp949, &["UNICODE UTF-8"], Some("cp949"), "utf-8"),
            ("a wrong word that fails gives way", "홍길동 뷁".as_bytes(), &["KS X 1001"], None, "cp949"),
            ("ASCII said, more sent", &cp949, &["ASCII"], None, "cp949"),
        ] {
            let out = decode(bytes, &say(declared), wins, assumed, b'\\');
            assert_eq!(out.text, "홍길동 뷁", "{case}");
            assert!(!out.damaged, "{case}");
        }
        let latin = decode(b"M\xfcller", &say(&["8859/1"]), None, "cp949", b'\\');
        assert_eq!(latin.text, "Müller");
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let out = decode(b"a\xff\xffb", &say(&["UNICODE UTF-8"]), None, "utf-8", b'\\');
        assert!(out.damaged);
        assert_eq!(out.text, "a\u{fffd}\u{fffd}b");
        let out = decode(b"a\xff\x20b", &[], Some("cp949"), "utf-8", b'\\');
        assert!(out.damaged);
    }

    /// Splitting by delimiter bytes before decoding is safe: over all that CP949 can say, no character has a delimiter as
    /// one of its bytes, and what is cut at delimiter bytes is what is cut at the delimiters of the text.
    #[test]
    fn no_character_of_cp949_hides_a_delimiter() {
        const DELIMITERS: &[u8] = b"|^~\\&\r\n\x0b\x1c#";
        let mut characters = 0;
        for lead in 0x80..=0xff_u8 {
            assert!(EUC_KR.decode_without_bom_handling(&[lead]).1, "{lead:02x} alone");
            for trail in 0..=0xff_u8 {
                let pair = [lead, trail];
                let (text, damaged) = EUC_KR.decode_without_bom_handling(&pair);
                if DELIMITERS.contains(&trail) {
                    assert!(damaged && text.ends_with(char::from(trail)), "{lead:02x} {trail:02x} is {text}");
                }
                if damaged || text.chars().count() != 1 {
                    continue;
                }
                characters += 1;
                // Beside its neighbours it is still itself, wherever the cut is.
                for delimiter in DELIMITERS {
                    let line =
                        [b"a".as_slice(), &[*delimiter], &[lead, trail], &[*delimiter], &[lead, trail], b"z"].concat();
                    let cut: Vec<_> = line.split(|byte| byte == delimiter).map(|part| EUC_KR.decode(part).0).collect();
                    let whole = EUC_KR.decode(&line).0;
                    let read: Vec<_> = whole.split(char::from(*delimiter)).collect();
                    assert_eq!(cut, read, "{lead:02x} {trail:02x} at {delimiter:02x}");
                    assert_eq!(cut.len(), 3, "{lead:02x} {trail:02x} at {delimiter:02x}");
                }
            }
        }
        // All 11,172 syllables, and the Hanja and signs of KS X 1001.
        assert!(characters > 17_000, "{characters}");
    }
}
