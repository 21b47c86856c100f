//! The alphabet of byte-level vocabularies, and text that arrives in pieces of characters.

/// GPT-2 writes each byte as one printable character: printable Latin-1 as itself, the rest from U+0100 up
/// (`bytes_to_unicode` in <https://github.com/openai/gpt-2/blob/master/src/encoder.py>).
const fn stands_for_itself(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff)
}

/// The character for each byte.
pub(crate) fn alphabet() -> [char; 256] {
    let mut next = 0x100_u32;
    std::array::from_fn(|byte| {
        let byte = byte as u8; // the array has 256 entries
        if stands_for_itself(byte) {
            return char::from(byte);
        }
        next += 1;
        char::from_u32(next - 1).unwrap_or(char::REPLACEMENT_CHARACTER) // at most U+0143
    })
}

/// The alphabet in both directions.
pub(super) struct Alphabet {
    letters: [char; 256],
    /// By character, up to the last of the alphabet.
    bytes: [Option<u8>; 0x144],
}

impl Alphabet {
    pub(super) fn new() -> Self {
        let letters = alphabet();
        let mut bytes = [None; 0x144];
        for (byte, letter) in (0..=u8::MAX).zip(letters) {
            if let Some(entry) = bytes.get_mut(letter as usize) {
                *entry = Some(byte);
            }
        }
        Self { letters, bytes }
    }

    /// The character for each byte.
    pub(super) const fn letters(&self) -> [char; 256] {
        self.letters
    }

    fn byte_of(&self, letter: char) -> Option<u8> {
        self.bytes.get(letter as usize).copied().flatten()
    }

    /// The bytes that a token stands for; characters outside the alphabet stand for themselves.
    pub(super) fn bytes_of(&self, token: &str) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(token.len());
        for character in token.chars() {
            match self.byte_of(character) {
                Some(byte) => bytes.push(byte),
                None => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        bytes
    }

    /// The bytes that a token stands for, if it is made of the alphabet: only then can text become it.
    pub(super) fn strict_bytes_of(&self, token: &str) -> Option<Vec<u8>> {
        token.chars().map(|character| self.byte_of(character)).collect()
    }
}

/// Bytes in, whole characters out. A syllable of Hangul is three bytes and often two tokens: nothing is handed out
/// before its last byte is there.
#[derive(Debug, Clone, Default)]
pub struct Detokenizer {
    /// The beginning of a character; at most three bytes.
    pending: Vec<u8>,
}

impl Detokenizer {
    /// Takes the next bytes; returns the characters that are complete now. What can be no character becomes U+FFFD.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        let mut rest = self.pending.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(all) => {
                    text.push_str(all);
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let (good, bad) = rest.split_at(error.valid_up_to());
                    text.push_str(std::str::from_utf8(good).unwrap_or_default());
                    rest = bad;
                    let Some(wrong) = error.error_len() else { break };
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = rest.get(wrong..).unwrap_or_default();
                }
            }
        }
        self.pending = rest.to_vec();
        text
    }

    /// What is left when no more comes: nothing, or one U+FFFD for a character that was never completed.
    pub fn finish(&mut self) -> String {
        let unfinished = !std::mem::take(&mut self.pending).is_empty();
        if unfinished { char::REPLACEMENT_CHARACTER.to_string() } else { String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_is_gpt2s() {
        let alphabet = alphabet();
        for (byte, character) in
            [(b'a', 'a'), (b' ', 'Ġ'), (b'\n', 'Ċ'), (0, 'Ā'), (0x7f, 'ġ'), (0xad, 'Ń'), (0xff, 'ÿ')]
        {
            assert_eq!(alphabet[byte as usize], character, "{byte:#x}");
        }
        let mut all = alphabet.to_vec();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 256);
        let alphabet = Alphabet::new();
        assert_eq!(alphabet.bytes_of("Ġ당"), " 당".as_bytes(), "an added token may hold real characters");
        assert_eq!(alphabet.strict_bytes_of("Ġ당"), None);
        assert_eq!(alphabet.bytes_of("ëĭ¹"), "당".as_bytes());
        assert_eq!(alphabet.strict_bytes_of("ëĭ¹").as_deref(), Some("당".as_bytes()));
    }

    #[test]
    fn hangul_is_never_split() {
        let text = "혈당은 108 mg/dL입니다. 🩺";
        for size in 1..8 {
            let mut detokenizer = Detokenizer::default();
            let mut out = String::new();
            for piece in text.as_bytes().chunks(size) {
                let ready = detokenizer.push(piece);
                assert!(!ready.contains(char::REPLACEMENT_CHARACTER));
                out.push_str(&ready);
            }
            assert_eq!(out + &detokenizer.finish(), text);
        }
    }

    #[test]
    fn what_is_no_character_is_marked_and_the_rest_goes_on() {
        let mut detokenizer = Detokenizer::default();
        assert_eq!(detokenizer.push(b"a\xffb\xed"), "a\u{fffd}b");
        assert_eq!(detokenizer.push(b"\x98c"), "\u{fffd}c");
        assert_eq!(detokenizer.push("혈".as_bytes().split_at(2).0), "");
        assert_eq!(detokenizer.finish(), "\u{fffd}");
        assert_eq!(detokenizer.finish(), "");
    }
}
