//! Text as words that can be compared: the same folding for questions, chart titles and the lexicon's names.
//!
//! Folding loses spelling, never content: compatibility forms, case, accents, invisible characters, British *ae/oe* and
//! plural endings fall together; digits, decimal points and Hangul syllables stay as they are.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};

/// How a word is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Script {
    /// Latin letters with or without digits, Greek, Cyrillic, anything alphabetic that is not Hangul.
    Latin,
    /// Digits only, perhaps with one decimal point.
    Number,
    /// Hangul syllables.
    Hangul,
}

/// One word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Folded: lower case, no accents.
    pub text: String,
    /// `text` without a plural ending, for comparing.
    pub stem: String,
    /// How it is written.
    pub script: Script,
    /// Byte range in the text it came from.
    pub start: usize,
    /// End of the byte range.
    pub end: usize,
    /// No gap before it: `CT` and `는` in `CT는`.
    pub glued: bool,
    /// Written in capitals only, at least two: `PT` is a test where `pt` is the patient.
    pub capital: bool,
}

/// All words of `text`, in order. Everything that is neither letter nor digit parts words, and so does a change between
/// Hangul and another script.
#[must_use]
pub fn words(text: &str) -> Vec<Word> {
    let mut found: Vec<Word> = Vec::new();
    let mut current: Option<Word> = None;
    let mut gap = true;
    let chars: Vec<(usize, char)> = text.char_indices().collect();
    let mut at = 0;
    while let Some(&(start, c)) = chars.get(at) {
        // A base and what combines with it are folded as one, so that decomposed Hangul (as macOS writes it) comes together.
        let mut next = at + 1;
        while chars.get(next).is_some_and(|&(_, follower)| joins(follower)) {
            next += 1;
        }
        let end = chars.get(next).map_or(text.len(), |&(end, _)| end);
        at = next;
        if invisible(c) {
            continue;
        }
        let cluster = text.get(start..end).unwrap_or_default();
        for folded in fold(cluster) {
            let point = folded == '.'
                && current.as_ref().is_some_and(|word| word.script == Script::Number && !word.text.contains('.'))
                && chars.get(at).is_some_and(|&(_, follower)| follower.is_ascii_digit());
            let script = if point { Some(Script::Number) } else { script(folded) };
            let Some(script) = script else {
                found.extend(current.take());
                gap = true;
                continue;
            };
            match &mut current {
                Some(word) if fits(word.script, script) => {
                    word.text.push(folded);
                    word.end = end;
                    if script == Script::Latin {
                        word.script = Script::Latin;
                    }
                }
                _ => {
                    found.extend(current.take());
                    current = Some(Word {
                        text: folded.to_string(),
                        stem: String::new(),
                        script,
                        start,
                        end,
                        glued: !gap,
                        capital: false,
                    });
                }
            }
            gap = false;
        }
    }
    found.extend(current.take());
    for word in &mut found {
        let said = text.get(word.start..word.end).unwrap_or_default();
        word.capital = said.chars().filter(|c| c.is_uppercase()).count() >= 2 && !said.chars().any(char::is_lowercase);
        if word.script == Script::Latin {
            word.text = american(&word.text);
        }
        word.stem = stem(&word.text);
    }
    found
}

/// The stems of all words: what two texts are compared by.
#[must_use]
pub fn stems(text: &str) -> Vec<String> {
    words(text).into_iter().map(|word| word.stem).collect()
}

/// True if `text` holds Hangul.
#[must_use]
pub fn has_hangul(text: &str) -> bool {
    text.nfkc().any(|c| script(c) == Some(Script::Hangul))
}

fn joins(c: char) -> bool {
    canonical_combining_class(c) != 0 || matches!(c, '\u{1160}'..='\u{11ff}')
}

fn invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}')
}

fn fold(cluster: &str) -> Vec<char> {
    let composed: String = cluster.nfkc().collect();
    let mut folded = Vec::new();
    for c in composed.chars() {
        if script(c) == Some(Script::Hangul) {
            folded.push(c);
        } else {
            folded.extend(c.nfd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).map(|c| match c {
                'μ' | 'µ' => 'u',
                other => other,
            }));
        }
    }
    folded
}

fn script(c: char) -> Option<Script> {
    match c {
        '가'..='힣' | 'ㄱ'..='ㅣ' => Some(Script::Hangul),
        '0'..='9' => Some(Script::Number),
        _ if c.is_alphanumeric() => Some(Script::Latin),
        _ => None,
    }
}

/// Letters and digits make one word (`HbA1c`, `B12`); Hangul stands apart.
fn fits(word: Script, next: Script) -> bool {
    (word == Script::Hangul) == (next == Script::Hangul)
}

/// `haemoglobin` and `oedema` as `hemoglobin` and `edema`. Short words are left alone (`does`, `toe`).
fn american(word: &str) -> String {
    if word.chars().count() < 6 { word.to_owned() } else { word.replace("ae", "e").replace("oe", "e") }
}

/// Without a plural ending. Applied to both sides of every comparison, so an odd stem does no harm.
fn stem(word: &str) -> String {
    let length = word.chars().count();
    if length < 4 || !word.is_ascii() || word.bytes().any(|b| b.is_ascii_digit()) {
        return word.to_owned();
    }
    if length > 4
        && let Some(start) = word.strip_suffix("ies")
    {
        return format!("{start}y");
    }
    if word.ends_with("ss") || word.ends_with("us") || word.ends_with("is") {
        return word.to_owned();
    }
    word.strip_suffix('s').unwrap_or(word).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        words(text).into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_part_at_scripts_and_signs_but_keep_numbers_whole() {
        assert_eq!(texts("HbA1c는 7.1%였나요?"), ["hba1c", "는", "7.1", "였나요"]);
        assert_eq!(texts("BP 140/90 on 2023-05-01."), ["bp", "140", "90", "on", "2023", "05", "01"]);
        assert_eq!(texts("2023년 5월 X-ray"), ["2023", "년", "5", "월", "x", "ray"]);
        assert_eq!(texts("Mass/\u{200b}volume"), ["mass", "volume"]);
    }

    #[test]
    fn spelling_variants_fall_together() {
        assert_eq!(stems("Haemoglobin"), stems("hemoglobins"));
        assert_eq!(stems("Allergies"), stems("allergy"));
        assert_eq!(stems("Ménière"), stems("meniere"));
        assert_eq!(stems("ＣＲＰ ㎎"), ["crp", "mg"]);
        assert_eq!(stems("does"), stems("does"));
    }

    #[test]
    fn decomposed_hangul_comes_together() {
        let decomposed: String = "혈압".nfd().collect();
        let found = words(&decomposed);
        assert_eq!(found.len(), 1);
        assert_eq!(
            found.first().map(|word| (word.text.as_str(), word.start, word.end)),
            Some(("혈압", 0, decomposed.len()))
        );
    }

    #[test]
    fn capitals_and_gaps_are_seen() {
        let found = words("pt PT는");
        assert_eq!(
            found.iter().map(|w| (w.capital, w.glued)).collect::<Vec<_>>(),
            [(false, false), (true, false), (false, true)]
        );
    }
}
