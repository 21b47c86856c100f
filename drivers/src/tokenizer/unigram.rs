//! SentencePiece's unigram model, as T5 has it: of all ways to write a text in pieces, the one with the greatest sum of
//! scores. (As llama.cpp, `llm_tokenizer_ugm_session`, 2026-10.)

use super::pieces::{Pieces, SPACE};
use super::{Kind, TokenizerError};

/// Longest piece, in bytes; T5's longest has 16. Together with the longest text it bounds the time.
const MAX_PIECE_BYTES: usize = 256;
/// How much worse than the worst piece an unknown character is.
const UNKNOWN_PENALTY: f32 = 10.0;

/// What cutting needs of a vocabulary.
#[derive(Debug)]
pub(super) struct Unigram {
    /// Pieces with their score and token, in the order of their bytes: the pieces with one beginning are neighbours.
    pieces: Vec<(Box<[u8]>, f64, u32)>,
    /// For a character that no piece is.
    unknown: u32,
    unknown_score: f64,
    space_prefix: bool,
    one_space: bool,
}

/// The best way to write a text up to some byte: the last token, where that begins, the sum of scores.
#[derive(Clone, Copy)]
struct Best {
    token: u32,
    from: u32,
    score: f64,
}

impl Unigram {
    pub(super) fn new(vocabulary: &Pieces) -> Result<Self, TokenizerError> {
        let wrong = |rule: &str| TokenizerError::Vocabulary(rule.to_owned());
        let unknown = vocabulary.unknown.ok_or_else(|| wrong("it has no token for what is unknown"))?;
        let mut worst = f32::MAX;
        let mut pieces = Vec::new();
        for (((text, kind), &score), id) in vocabulary.tokens.iter().zip(&vocabulary.scores).zip(0..) {
            let score = match kind {
                Kind::Normal => {
                    worst = worst.min(score);
                    f64::from(score)
                }
                Kind::Unused => f64::from(score),
                Kind::Verbatim => 0.0,
                Kind::Control | Kind::UserDefined | Kind::Byte => continue,
            };
            if text.len() > MAX_PIECE_BYTES {
                return Err(wrong("a piece of a unigram vocabulary has more than 256 bytes"));
            }
            if !text.is_empty() {
                pieces.push((text.as_bytes().into(), score, id));
            }
        }
        // Of pieces with one text the last counts.
        pieces.sort_by(|a: &(Box<[u8]>, f64, u32), b| a.0.cmp(&b.0).then(b.2.cmp(&a.2)));
        pieces.dedup_by(|later, first| later.0 == first.0);
        Ok(Self {
            pieces,
            unknown,
            unknown_score: f64::from(worst - UNKNOWN_PENALTY),
            space_prefix: vocabulary.space_prefix,
            one_space: vocabulary.one_space,
        })
    }

    /// True if a text that begins with a word is given a space before it.
    pub(super) const fn puts_space_before(&self) -> bool {
        self.space_prefix || self.one_space
    }

    /// Appends the tokens of a text.
    pub(super) fn encode(&self, text: &str, tokens: &mut Vec<u32>) {
        let text = self.with_spaces(text);
        let mut best = vec![Best { token: self.unknown, from: 0, score: f64::MIN }; text.len() + 1];
        if let Some(start) = best.first_mut() {
            start.score = 0.0;
        }
        for ((at, character), from) in text.char_indices().map(|item| (item, item.0 as u32)) {
            let Some(score) = best.get(at).map(|best| best.score) else { continue };
            let mut offer = |end: usize, token: u32, more: f64| {
                if let Some(entry) = best.get_mut(end).filter(|entry| score + more > entry.score) {
                    *entry = Best { token, from, score: score + more };
                }
            };
            let mut known = false;
            self.each_beginning(text.as_bytes().get(at..).unwrap_or_default(), |length, score, token| {
                known |= length == character.len_utf8();
                offer(at + length, token, score);
            });
            if !known {
                offer(at + character.len_utf8(), self.unknown, self.unknown_score);
            }
        }
        let first = tokens.len();
        let (mut at, mut unknown_after) = (text.len(), false);
        while at > 0 {
            let Some(&Best { token, from, .. }) = best.get(at) else { break };
            let unknown = token == self.unknown;
            if !(unknown && unknown_after) {
                tokens.push(token); // unknown neighbours are one
            }
            (at, unknown_after) = (from as usize, unknown);
        }
        if let Some(new) = tokens.get_mut(first..) {
            new.reverse();
        }
    }

    /// Spaces become visible ones: each of them, or one for each run, and perhaps one before the first word.
    fn with_spaces(&self, text: &str) -> String {
        let mut spaced = String::with_capacity(text.len() + SPACE.len());
        let (mut in_word, mut prefixed) = (false, false);
        for character in text.chars() {
            if character == ' ' {
                in_word = false;
                if !self.one_space {
                    spaced.push_str(SPACE);
                }
                continue;
            }
            if !in_word && ((self.space_prefix && !prefixed) || self.one_space) {
                spaced.push_str(SPACE);
                prefixed = true;
            }
            in_word = true;
            spaced.push(character);
        }
        spaced
    }

    /// Every piece that `text` begins with, the shortest first.
    fn each_beginning(&self, text: &[u8], mut found: impl FnMut(usize, f64, u32)) {
        let mut range = self.pieces.as_slice();
        for (depth, &byte) in text.iter().enumerate().take(MAX_PIECE_BYTES) {
            // All in `range` begin with `text[..depth]`; one that is no longer has been handed out and stands first.
            let at = |piece: &(Box<[u8]>, f64, u32)| piece.0.get(depth).copied();
            let from = range.partition_point(|piece| at(piece) < Some(byte));
            let rest = range.get(from..).unwrap_or_default();
            let to = rest.partition_point(|piece| at(piece) <= Some(byte));
            range = rest.get(..to).unwrap_or_default();
            match range.first() {
                None => return,
                Some((piece, score, token)) if piece.len() == depth + 1 => found(depth + 1, *score, *token),
                Some(_) => {}
            }
        }
    }
}
