//! The question cut into pieces that each mean something, at least cost: the fewest and longest pieces win, a unit that
//! nothing accounts for costs most. Korean needs this (where a noun ends and a particle begins is seen only from what both
//! can mean), and English gets its longest match from it.

use jiff::civil::Date;

use super::bound::{Bound, bound_at};
use super::dictionary::{Dictionary, Meaning};
use super::unit::Unit;
use super::when::{Clock, Time};
use crate::question::Script;

/// What a piece is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    /// A name or cue; several meanings where the words are ambiguous.
    Words(Vec<Meaning>),
    /// A time phrase.
    Time(Time),
    /// A condition on a value.
    Bound(Bound),
    /// A number that is nothing else.
    Number(f64),
    /// Not understood.
    Unknown,
}

/// A piece of the question.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    /// First unit.
    pub(super) from: usize,
    /// Behind the last unit.
    pub(super) to: usize,
    /// What it is.
    pub(super) what: What,
}

impl Piece {
    /// Its meanings, if it is a name or cue.
    pub(super) fn meanings(&self) -> &[Meaning] {
        match &self.what {
            What::Words(meanings) => meanings,
            _ => &[],
        }
    }

    pub(super) fn is_tail(&self) -> bool {
        self.meanings() == [Meaning::Tail]
    }
}

/// What kind of piece came before, as far as the next one cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// A name, cue, number or time.
    Content,
    /// One of a single syllable: nothing but an ending should follow inside the word.
    Short,
    Tail,
    Unknown,
}

const STATES: [Before; 4] = [Before::Content, Before::Short, Before::Tail, Before::Unknown];

/// Cuts the question. Every unit is in exactly one piece.
pub(super) fn segment(units: &[Unit], dictionaries: &[&Dictionary], today: Date) -> Vec<Piece> {
    let clock = Clock { units, today };
    let count = units.len();
    // Best cost to reach a unit in a state, and the piece and place it came by.
    let mut best: Vec<[Option<(f64, Option<(usize, usize, Piece)>)>; 4]> = vec![Default::default(); count + 1];
    if let Some(start) = best.first_mut() {
        start[0] = Some((0.0, None));
    }
    for at in 0..count {
        let pieces = candidates(units, dictionaries, &clock, at);
        for (state, before) in STATES.into_iter().enumerate() {
            let Some(cost) = best.get(at).and_then(|row| row.get(state)).and_then(|cell| cell.as_ref()).map(|cell| cell.0) else {
                continue;
            };
            for (piece, own) in &pieces {
                let Some(step) = joined(units, before, piece, *own) else { continue };
                let next = state_after(units, piece);
                let total = cost + step;
                let Some(cell) = best.get_mut(piece.to).and_then(|row| row.get_mut(next)) else { continue };
                if cell.as_ref().is_none_or(|(known, _)| total < *known - 1e-9) {
                    *cell = Some((total, Some((at, state, piece.clone()))));
                }
            }
        }
    }
    let mut pieces = Vec::new();
    let mut at = count;
    let mut state = best
        .get(count)
        .and_then(|row| {
            row.iter().enumerate().filter_map(|(state, cell)| Some((state, cell.as_ref()?.0))).min_by(|a, b| a.1.total_cmp(&b.1))
        })
        .map_or(0, |(state, _)| state);
    while let Some((_, Some((from, before, piece)))) = best.get(at).and_then(|row| row.get(state)).and_then(Option::as_ref) {
        pieces.push(piece.clone());
        at = *from;
        state = *before;
    }
    pieces.reverse();
    pieces
}

fn state_after(units: &[Unit], piece: &Piece) -> usize {
    let wanted = match &piece.what {
        What::Unknown => Before::Unknown,
        _ if piece.is_tail() => Before::Tail,
        What::Words(_) if piece.to - piece.from == 1 && units.get(piece.from).is_some_and(Unit::is_hangul) => Before::Short,
        _ => Before::Content,
    };
    STATES.iter().position(|state| *state == wanted).unwrap_or(0)
}

/// What it costs to put the piece there; `None` if it cannot stand there.
fn joined(units: &[Unit], before: Before, piece: &Piece, own: f64) -> Option<f64> {
    let first = units.get(piece.from)?;
    let attached = first.is_hangul() && !first.gap && piece.from > 0;
    if piece.is_tail() {
        // An ending hangs on something; on an unknown word only at the very end, where a particle would be.
        let ends = units.get(piece.to).is_none_or(|next| next.gap || !next.is_hangul());
        return match before {
            Before::Unknown => (attached && ends).then_some(own),
            _ => attached.then_some(own),
        };
    }
    if !attached {
        return Some(own);
    }
    match before {
        Before::Content => Some(own),
        // 입원했던병원: rare, and it must not let single syllables eat unknown words.
        Before::Tail => Some(own + 0.7),
        Before::Short => Some(own + 1.2),
        Before::Unknown => (!matches!(piece.what, What::Unknown)).then_some(own + 1.0),
    }
}

fn candidates(units: &[Unit], dictionaries: &[&Dictionary], clock: &Clock<'_>, at: usize) -> Vec<(Piece, f64)> {
    let mut found: Vec<(Piece, f64)> = Vec::new();
    let mut words: Vec<(usize, Vec<Meaning>)> = Vec::new();
    for name in dictionaries.iter().flat_map(|dictionary| dictionary.at(units, at)) {
        if name.meaning == Meaning::Tail {
            found.push((piece(at, name.length, What::Words(vec![Meaning::Tail])), 0.3));
            continue;
        }
        match words.iter_mut().find(|(length, _)| *length == name.length) {
            Some((_, meanings)) if !meanings.contains(&name.meaning) => meanings.push(name.meaning),
            Some(_) => {}
            None => words.push((name.length, vec![name.meaning])),
        }
    }
    for (length, meanings) in words {
        let cost = meanings.iter().map(cost).fold(f64::INFINITY, f64::min);
        found.push((piece(at, length, What::Words(meanings)), cost));
    }
    for (length, time) in clock.at(at) {
        if !found.iter().any(|(known, _)| known.to == at + length && matches!(known.what, What::Time(_))) {
            found.push((piece(at, length, What::Time(time)), 0.9));
        }
    }
    if let Some((length, bound)) = bound_at(units, at) {
        found.push((piece(at, length, What::Bound(bound)), 0.8));
    }
    let Some(unit) = units.get(at) else { return found };
    match unit.script {
        Script::Number => {
            if let Some(number) = unit.number() {
                found.push((piece(at, 1, What::Number(number)), 3.0));
            }
        }
        Script::Latin => found.push((piece(at, 1, What::Unknown), 8.0)),
        Script::Hangul => {
            // An unknown word goes on to any place inside the same written word.
            let mut length = 1;
            loop {
                found.push((piece(at, length, What::Unknown), 5.0 + 1.5 * f64::from(u32::try_from(length).unwrap_or(u32::MAX))));
                let Some(next) = units.get(at + length) else { break };
                if next.gap || !next.is_hangul() {
                    break;
                }
                length += 1;
            }
        }
    }
    found
}

fn piece(from: usize, length: usize, what: What) -> Piece {
    Piece { from, to: from + length, what }
}

fn cost(meaning: &Meaning) -> f64 {
    match meaning {
        Meaning::Thing(_) | Meaning::Name => 0.95,
        Meaning::Cue(_) => 1.0,
        Meaning::Stop => 1.02,
        Meaning::Own(_) => 1.1,
        // Parts of titles are understood only where nothing else is.
        Meaning::OwnWord(_) => 2.2,
        Meaning::Tail => 0.3,
    }
}
