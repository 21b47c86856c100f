//! Slips of the finger: a word that nothing knows and that is one or two strokes from exactly one known name is read as it.
//! Never a word that is known, and never where two names are equally near: a wrong drug is worse than none.

use std::collections::{BTreeMap, HashSet};

use super::dictionary::Dictionary;
use super::unit::{Unit, units};
use crate::question::Script;

/// Words and Hangul names that can be meant.
#[derive(Debug, Clone, Default)]
pub(super) struct Speller {
    /// Latin words by first letter.
    words: BTreeMap<char, Vec<String>>,
    known: HashSet<String>,
    /// Hangul names, whole.
    hangul: Vec<String>,
}

impl Speller {
    pub(super) fn add(&mut self, dictionary: &Dictionary) {
        for name in dictionary.names() {
            for (word, script) in name {
                if *script == Script::Latin && self.known.insert(word.clone()) && word.chars().count() >= 4 {
                    self.words.entry(word.chars().next().unwrap_or(' ')).or_default().push(word.clone());
                }
            }
            if name.len() >= 2 && name.iter().all(|(_, script)| *script == Script::Hangul) {
                let whole: String = name.iter().map(|(syllable, _)| syllable.as_str()).collect();
                self.hangul.push(whole);
            }
        }
    }

    pub(super) fn knows(&self, word: &str) -> bool {
        self.known.contains(word)
    }
}

/// Puts right Latin words that no dictionary knows.
pub(super) fn latin(text: &mut Vec<Unit>, spellers: &[&Speller]) {
    let mut at = 0;
    while let Some(unit) = text.get(at) {
        let open = unit.script == Script::Latin
            && unit.text.chars().count() >= 5
            && unit.text.chars().all(char::is_alphabetic)
            && !spellers.iter().any(|speller| speller.knows(&unit.stem));
        if open {
            let word = unit.stem.clone();
            if let Some(meant) = nearest(&word, spellers) {
                if let Some(unit) = text.get_mut(at) {
                    unit.stem.clone_from(&meant);
                    unit.text = meant;
                }
            } else if let Some((left, right)) = parts(&word, spellers) {
                let mut second = unit.clone();
                second.stem.clone_from(&right);
                second.text = right;
                second.sign = String::new();
                if let Some(unit) = text.get_mut(at) {
                    unit.stem.clone_from(&left);
                    unit.text = left;
                }
                text.insert(at + 1, second);
                at += 1;
            }
        }
        at += 1;
    }
}

/// The one known word within reach.
fn nearest(word: &str, spellers: &[&Speller]) -> Option<String> {
    let letters: Vec<char> = word.chars().collect();
    let reach = if letters.len() >= 9 { 2 } else { 1 };
    let first = *letters.first()?;
    let mut best: Option<(usize, String)> = None;
    let mut tie = false;
    for known in spellers.iter().flat_map(|speller| speller.words.get(&first).into_iter().flatten()) {
        let other: Vec<char> = known.chars().collect();
        if other.len().abs_diff(letters.len()) > reach || other.len() < 5 {
            continue;
        }
        let distance = distance(&letters, &other);
        if distance > reach {
            continue;
        }
        match &best {
            Some((least, same)) if *least < distance || (*least == distance && same == known) => {}
            Some((least, _)) if *least == distance => tie = true,
            _ => {
                best = Some((distance, known.clone()));
                tie = false;
            }
        }
    }
    best.filter(|_| !tie).map(|(_, known)| known)
}

/// Two known words written together: `bloodpressure`.
fn parts(word: &str, spellers: &[&Speller]) -> Option<(String, String)> {
    let knows = |part: &str| part.len() >= 3 && spellers.iter().any(|speller| speller.knows(part));
    (3..word.len().saturating_sub(2)).find_map(|at| {
        let (left, right) = (word.get(..at)?, word.get(at..)?);
        (left.len() + right.len() >= 8 && knows(left) && knows(right)).then(|| (left.to_owned(), right.to_owned()))
    })
}

/// Edits between two words: insert, delete, replace, swap neighbours.
fn distance(a: &[char], b: &[char]) -> usize {
    let width = b.len() + 1;
    let mut table = vec![0_usize; (a.len() + 1) * width];
    let cell = |table: &[usize], i: usize, j: usize| table.get(i * width + j).copied().unwrap_or(usize::MAX / 2);
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            let value = if i == 0 {
                j
            } else if j == 0 {
                i
            } else {
                let same = a.get(i - 1) == b.get(j - 1);
                let mut value = (cell(&table, i - 1, j - 1) + usize::from(!same))
                    .min(cell(&table, i - 1, j) + 1)
                    .min(cell(&table, i, j - 1) + 1);
                if i > 1 && j > 1 && a.get(i - 1) == b.get(j - 2) && a.get(i - 2) == b.get(j - 1) {
                    value = value.min(cell(&table, i - 2, j - 2) + 1);
                }
                value
            };
            if let Some(place) = table.get_mut(i * width + j) {
                *place = value;
            }
        }
    }
    cell(&table, a.len(), b.len())
}

/// The Hangul name that an unknown run of syllables begins with, one letter off: its length in the run, and the name.
pub(super) fn hangul(run: &[Unit], spellers: &[&Speller]) -> Option<(usize, String)> {
    let text: Vec<char> = run.iter().filter_map(|unit| unit.text.chars().next()).collect();
    let mut best: Option<(usize, usize, String)> = None;
    let mut tie = false;
    for name in spellers.iter().flat_map(|speller| &speller.hangul) {
        let wanted: Vec<char> = name.chars().collect();
        let letters = jamo(&wanted);
        if letters.len() < 5 {
            continue;
        }
        for length in [wanted.len(), wanted.len() + 1, wanted.len() - 1] {
            let Some(part) = text.get(..length) else { continue };
            // A longer rest than an ending is another word.
            if length < 2 || text.len() - length > 4 || part.first() == wanted.first() && part == wanted.as_slice() {
                continue;
            }
            if distance(&jamo(part), &letters) != 1 {
                continue;
            }
            match &best {
                Some((most, _, same)) if *most > wanted.len() || same == name => {}
                Some((most, ..)) if *most == wanted.len() => tie = true,
                _ => {
                    best = Some((wanted.len(), length, name.clone()));
                    tie = false;
                }
            }
        }
    }
    best.filter(|_| !tie).map(|(_, length, name)| (length, name))
}

/// Hangul syllables as letters: a slip changes one letter of a syllable, not the syllable.
fn jamo(syllables: &[char]) -> Vec<char> {
    let mut letters = Vec::new();
    for &syllable in syllables {
        let Some(index) = u32::from(syllable).checked_sub(0xAC00).filter(|index| *index < 11_172) else {
            letters.push(syllable);
            continue;
        };
        letters.extend(char::from_u32(0x1100 + index / 588));
        letters.extend(char::from_u32(0x1161 + index % 588 / 28));
        if index % 28 > 0 {
            letters.extend(char::from_u32(0x11A7 + index % 28));
        }
    }
    letters
}

/// Puts the meant name in the place of a run's first syllables.
pub(super) fn replace(text: &mut Vec<Unit>, at: usize, length: usize, name: &str) {
    let Some(first) = text.get(at).cloned() else { return };
    let end = text.get(at + length - 1).map_or(first.end, |last| last.end);
    let meant: Vec<Unit> = units(name)
        .into_iter()
        .enumerate()
        .map(|(index, unit)| Unit {
            start: first.start,
            end,
            gap: index == 0 && first.gap,
            sign: if index == 0 { first.sign.clone() } else { String::new() },
            ..unit
        })
        .collect();
    let to = (at + length).min(text.len());
    text.splice(at..to, meant);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(a: &str, b: &str) -> usize {
        distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>())
    }

    #[test]
    fn slips_are_counted() {
        assert_eq!(count("creatinine", "creatinine"), 0);
        assert_eq!(count("createnine", "creatinine"), 2);
        assert_eq!(count("potasium", "potassium"), 1);
        assert_eq!(count("hemolgobin", "hemoglobin"), 1);
        assert_eq!(distance(&jamo(&['혈', '앞']), &jamo(&['혈', '압'])), 1);
    }
}
