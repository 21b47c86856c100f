//! Names and what they mean, found by their first unit.

use std::collections::HashMap;

use super::cues::Cue;
use super::unit::{Unit, units};
use crate::question::Script;

/// What a piece of the question is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Meaning {
    /// A concept of the tables.
    Thing(usize),
    /// A title in the patient's own chart.
    Own(usize),
    /// A single word of such titles.
    OwnWord(usize),
    /// What is wanted, when, of which kind.
    Cue(Cue),
    /// A word that carries no content here.
    Stop,
    /// The patient's own name or number.
    Name,
    /// Particle or ending of a Korean word.
    Tail,
}

/// One name.
#[derive(Debug, Clone)]
struct Pattern {
    units: Vec<(String, Script)>,
    capital: bool,
    meaning: Meaning,
}

/// Names by first unit.
#[derive(Debug, Clone, Default)]
pub(super) struct Dictionary {
    patterns: Vec<Pattern>,
    first: HashMap<String, Vec<usize>>,
}

/// A name found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// How many units it takes.
    pub(super) length: usize,
    /// What it means.
    pub(super) meaning: Meaning,
}

impl Dictionary {
    /// Adds a name; `^` before it: only as written in capitals.
    pub(super) fn add(&mut self, name: &str, meaning: Meaning) {
        let (name, capital) = match name.strip_prefix('^') {
            Some(name) => (name, true),
            None => (name, false),
        };
        let found: Vec<(String, Script)> = units(name).into_iter().map(|unit| (unit.stem, unit.script)).collect();
        let Some((first, _)) = found.first() else { return };
        let at = self.patterns.len();
        let same = self.first.get(first).is_some_and(|others| {
            others.iter().filter_map(|&other| self.patterns.get(other)).any(|other| {
                other.meaning == meaning && other.units == found && other.capital == capital
            })
        });
        if !same {
            self.first.entry(first.clone()).or_default().push(at);
            self.patterns.push(Pattern { units: found, capital, meaning });
        }
    }

    /// All names that stand at `at`.
    pub(super) fn at<'d>(&'d self, text: &'d [Unit], at: usize) -> impl Iterator<Item = Found> + 'd {
        let first = text.get(at).map(|unit| unit.stem.as_str()).unwrap_or_default();
        self.first.get(first).into_iter().flatten().filter_map(move |&pattern| {
            let pattern = self.patterns.get(pattern)?;
            pattern.stands(text, at).then_some(Found { length: pattern.units.len(), meaning: pattern.meaning })
        })
    }

    /// True if some name begins with the word.
    pub(super) fn knows_first(&self, stem: &str) -> bool {
        self.first.contains_key(stem)
    }

    /// Every word or syllable run of every name, for spelling.
    pub(super) fn names(&self) -> impl Iterator<Item = &[(String, Script)]> {
        self.patterns.iter().filter(|pattern| pattern.meaning != Meaning::Tail).map(|pattern| pattern.units.as_slice())
    }
}

impl Pattern {
    /// Latin words must be whole; Hangul may have gaps anywhere inside a name of three syllables or more.
    fn stands(&self, text: &[Unit], at: usize) -> bool {
        let Some(here) = text.get(at..at + self.units.len()) else { return false };
        let hangul = self.units.iter().filter(|(_, script)| *script == Script::Hangul).count();
        here.iter().zip(&self.units).enumerate().all(|(index, (unit, (stem, script)))| {
            let same = unit.stem == *stem && (unit.script == Script::Hangul) == (*script == Script::Hangul);
            let whole = index == 0 || !unit.gap || hangul == 0 || hangul >= 3 || *script != Script::Hangul || {
                // A mixed name (`MRI 검사`) may have a gap where the script changes.
                index > 0 && self.units.get(index - 1).is_some_and(|(_, before)| *before != Script::Hangul)
            };
            let sign = index == 0 || !breaks(&unit.sign);
            let capital = !self.capital || unit.capital || *script != Script::Latin;
            same && whole && sign && capital
        })
    }
}

/// Signs that end a phrase.
fn breaks(sign: &str) -> bool {
    sign.contains(['?', '!', ',', ';', ':', '？', '，', '、']) || sign.contains(". ")
}
