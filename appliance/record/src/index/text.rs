//! FHIR's folding of strings: case and accents do not count. Hangul syllables stay whole, so that 기 does not begin 김.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The form in which strings are compared.
pub(crate) fn fold(text: &str) -> String {
    let words: String = text.nfkd().filter(|character| !is_combining_mark(*character)).nfc().collect();
    let mut folded = String::with_capacity(words.len());
    for word in words.split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.extend(word.chars().flat_map(char::to_lowercase));
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_accents_do_not_count_and_syllables_stay_whole() {
        assert_eq!(fold("  José  MÜLLER "), "jose muller");
        assert_eq!(fold("김민수"), "김민수");
        assert!(!fold("김").starts_with(&fold("기")));
    }
}
