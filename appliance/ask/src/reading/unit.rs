//! A question as units: one a Latin word or number, one a Hangul syllable. Korean writes words together and puts gaps
//! where it likes, so syllables are the smallest thing that can be trusted.

use crate::question::{Script, words};

/// One Latin word, number or Hangul syllable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    /// What it is compared by: the stem of a word, the syllable.
    pub(super) stem: String,
    /// The folded word itself.
    pub(super) text: String,
    /// How it is written.
    pub(super) script: Script,
    /// Byte range in the question.
    pub(super) start: usize,
    /// End of the byte range.
    pub(super) end: usize,
    /// Begins a word: something other than a letter or digit stands before it, or nothing.
    pub(super) gap: bool,
    /// What stands between the unit before and this one, without blanks: `/` in `140/90`.
    pub(super) sign: String,
    /// In capitals only.
    pub(super) capital: bool,
}

impl Unit {
    pub(super) fn is_hangul(&self) -> bool {
        self.script == Script::Hangul
    }

    /// The number it is.
    pub(super) fn number(&self) -> Option<f64> {
        (self.script == Script::Number).then(|| self.text.parse().ok()).flatten()
    }

    /// The whole number it is, if small enough to count with.
    pub(super) fn whole(&self) -> Option<i32> {
        (self.script == Script::Number).then(|| self.text.parse().ok()).flatten()
    }
}

/// The units of `question`.
pub(super) fn units(question: &str) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let mut last_end = 0;
    for word in words(question) {
        let sign: String =
            question.get(last_end..word.start).unwrap_or_default().chars().filter(|c| !c.is_whitespace()).collect();
        last_end = word.end;
        if word.script != Script::Hangul {
            units.push(Unit {
                stem: word.stem,
                text: word.text,
                script: word.script,
                start: word.start,
                end: word.end,
                gap: !word.glued,
                sign,
                capital: word.capital,
            });
            continue;
        }
        let mut sign = sign;
        let count = word.text.chars().count();
        for (at, (start, end, syllable)) in syllables(question, word.start, word.end, &word.text, count).into_iter().enumerate() {
            units.push(Unit {
                stem: syllable.clone(),
                text: syllable,
                script: Script::Hangul,
                start,
                end,
                gap: at == 0 && !word.glued,
                sign: std::mem::take(&mut sign),
                capital: false,
            });
        }
    }
    units
}

/// Syllables with their places. Where the text is decomposed, places inside the word are not told apart.
fn syllables(question: &str, start: usize, end: usize, folded: &str, count: usize) -> Vec<(usize, usize, String)> {
    let written = question.get(start..end).unwrap_or_default();
    if written.chars().count() == count {
        return written
            .char_indices()
            .zip(folded.chars())
            .map(|((at, c), folded)| (start + at, start + at + c.len_utf8(), folded.to_string()))
            .collect();
    }
    folded.chars().map(|c| (start, end, c.to_string())).collect()
}
