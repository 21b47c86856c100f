//! What kind of character a character is, as cutting text needs it: letter, number, mark, punctuation, symbol, space.
//!
//! The categories are those of Unicode 15.1, which llama.cpp's table has (`src/unicode-data.cpp`, 2026-10): a character that
//! is younger counts as none of them there, and a word must end in the same place here.

use std::sync::LazyLock;

use regex_syntax::hir::{Class, HirKind};

pub(super) const LETTER: u8 = 1;
pub(super) const NUMBER: u8 = 2;
pub(super) const MARK: u8 = 4;
pub(super) const PUNCTUATION: u8 = 8;
pub(super) const SYMBOL: u8 = 16;
pub(super) const SPACE: u8 = 32;

/// One byte for each character: a megabyte, and no search for each character of a text.
static CLASSES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut classes = vec![0_u8; char::MAX as usize + 1];
    for (name, class) in [('L', LETTER), ('N', NUMBER), ('M', MARK), ('P', PUNCTUATION), ('S', SYMBOL)] {
        let Ok(parsed) = regex_syntax::parse(&format!(r"[\p{{{name}}}&&\p{{Age:15.1}}]")) else { continue };
        let HirKind::Class(Class::Unicode(ranges)) = parsed.kind() else { continue };
        for range in ranges.ranges() {
            let (from, to) = (range.start() as usize, range.end() as usize);
            classes.get_mut(from..=to).into_iter().flatten().for_each(|entry| *entry |= class);
        }
    }
    for (character, entry) in ('\0'..=char::MAX).map(|character| (character, character as usize)) {
        if character.is_whitespace()
            && let Some(entry) = classes.get_mut(entry)
        {
            *entry |= SPACE;
        }
    }
    classes
});

/// The class of a character; 0 if it has none of these.
pub(super) fn class(character: char) -> u8 {
    CLASSES.get(character as usize).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_have_the_class_of_unicode_15() {
        for (character, expected) in [
            ('a', LETTER),
            ('가', LETTER),
            ('\u{1100}', LETTER), // a lone leading consonant of Hangul
            ('漢', LETTER),
            ('7', NUMBER),
            ('Ⅷ', NUMBER),
            ('½', NUMBER),
            ('\u{301}', MARK),
            ('\u{fe0f}', MARK), // asks for a coloured sign
            ('。', PUNCTUATION),
            ('_', PUNCTUATION),
            ('+', SYMBOL),
            ('🩺', SYMBOL),
            (' ', SPACE),
            ('\u{85}', SPACE),
            ('\u{3000}', SPACE),
            ('\u{200b}', 0),
            ('\u{200d}', 0), // joins signs
            ('\0', 0),
            ('\u{1c89}', 0), // a letter since Unicode 16
        ] {
            assert_eq!(class(character), expected, "{character:?}");
        }
    }
}
